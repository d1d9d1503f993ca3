"""What is promised of whatever a reader or the service gives back, with plain formulas of its own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crisp_ik_ros import Dataset, RobotModel
from crisp_ik_ros.nodes.answer import Answer
from crisp_ik_ros.nodes.targets import ErrorCode
from crisp_ik_ros.nodes.targets import Target as Wanted

# Words for a person; a caller's own megabyte is not sent back to him.
LONGEST_MESSAGE = 2000
# Position [m] and orientation [rad] that an answer may be off.
TOLERANCES = 1e-3, 1e-2
# Errors that the default task leaves an arm of 1.5 m with fewer than six directions [m, rad].
REMAINING = 3e-3, 0.1


def require(holds: Any, what: str) -> None:
    """Raise AssertionError where a promise is not kept."""
    if not holds:
        raise AssertionError(what)


def require_words(error: Exception, memory: bool = True) -> None:
    """Hold an error to saying something, at bearable length."""
    require(str(error).strip(), f"{type(error).__name__} without words")
    require(len(str(error)) <= LONGEST_MESSAGE, f"{type(error).__name__} of {len(str(error))} characters")
    cause: BaseException | None = error
    while memory and cause is not None:
        require(not isinstance(cause, MemoryError), f"memory was asked for before anything was checked: {cause}")
        cause = cause.__cause__ or cause.__context__


def require_robot(robot: RobotModel) -> None:
    """Hold a robot to finite limits and kinematics."""
    require(robot.dof >= 1, "a robot without joints")
    require((robot.lower <= robot.upper).all(), "limits in the wrong order")
    require(not np.isnan(robot.velocity).any() and (robot.velocity > 0).all(), f"velocities {robot.velocity}")
    for configuration in (robot.rest, robot.lower, robot.upper):
        require(np.isfinite(configuration).all(), "limits that are not finite")
        with np.errstate(all="ignore"):
            require(np.isfinite(robot.forward_kinematics(configuration)).all(), "kinematics that are not finite")


def require_dataset(data: Dataset) -> None:
    """Hold samples to what every user of them relies on."""
    count, dof = data.configurations.shape
    require(count >= 1 and data.poses.shape == (count, 4, 4), f"shapes {data.configurations.shape}, {data.poses.shape}")
    require(len(data.joint_names) == dof and len(set(data.joint_names)) == dof, f"joint names {data.joint_names}")
    require(all(isinstance(name, str) and name for name in data.joint_names), "joint names that are no names")
    require(np.isfinite(data.configurations).all() and np.isfinite(data.poses).all(), "values that are not finite")
    rotation = data.poses[:, :3, :3]
    require(np.allclose(rotation @ np.swapaxes(rotation, 1, 2), np.eye(3), atol=1e-3), "poses that are no poses")
    require(np.allclose(data.poses[:, 3], (0.0, 0.0, 0.0, 1.0), atol=1e-6), "poses without a last row")


def require_within(configuration: Any, robot: RobotModel) -> None:
    """Hold a configuration to the limits, to the last bit."""
    require(np.isfinite(configuration).all(), f"configuration {configuration}")
    require((configuration >= robot.lower).all() and (configuration <= robot.upper).all(), f"outside: {configuration}")


def require_reached(wanted: Wanted, configuration: np.ndarray, distance: float = 0.0, turned: float = 0.0) -> None:
    """Hold an answer for two links of 1 and 0.5 m to the pose, by plain trigonometry.

    Two joints do not have all directions: what remains is reported [m, rad], and little.
    """
    require(distance <= REMAINING[0] and turned <= REMAINING[1], f"{distance} m and {turned} rad are left")
    first, second = configuration[0], configuration[0] + configuration[1]
    tip = (math.cos(first) + 0.5 * math.cos(second), math.sin(first) + 0.5 * math.sin(second), 0.0)
    require(math.dist(tip, wanted.position) <= TOLERANCES[0] + distance, f"{tip} is not {wanted.position}")
    _, _, z, w = np.divide(wanted.quaternion, np.linalg.norm(wanted.quaternion))
    angle = 2.0 * math.acos(min(1.0, abs(w * math.cos(second / 2) + z * math.sin(second / 2))))
    require(angle <= TOLERANCES[1] + turned, f"turned by {angle} rad")


def require_answer(answer: Answer, wanted: Wanted, robot: RobotModel) -> None:
    """Hold an answer to the contract of the service."""
    require(answer.code in tuple(ErrorCode), f"code {answer.code}")
    require(len(answer.message) <= LONGEST_MESSAGE, f"message of {len(answer.message)} characters")
    require((answer.configuration is not None) == (answer.code == ErrorCode.SUCCESS), "a solution rides on an error")
    values = (answer.position_error, answer.orientation_error, answer.support)
    # Of a pose farther away than numbers reach the distance is infinite; nothing is ever no number.
    require(not np.isnan(values).any() and 0.0 <= answer.support <= 1.0, f"values {values}")
    if answer.configuration is None:
        require(answer.message.strip(), "an error without words")
        return
    require(np.isfinite(values).all(), f"values {values}")
    require_within(answer.configuration, robot)
    require_reached(wanted, answer.configuration, answer.position_error, answer.orientation_error)
