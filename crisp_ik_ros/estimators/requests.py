"""Checks of what a caller asks for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.estimators.task import PoseTask
from crisp_ik_ros.robots.limits import INSIDE, NOT_FINITE, first_outside
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, check_pose

# A seed may be this far outside the limits, and is moved onto them [rad or m].
SEED_SLACK = 1e-6
# A bound on the joints' steps that is none.
ANY_STEP = np.zeros(0)


class Wanted(NamedTuple):
    """Options of a request, as ``InverseKinematics.solve`` takes them; timeout None: the estimator's."""

    timeout: float | None = None
    task: PoseTask | str | None = None
    approximate: bool = False
    max_joint_step: ArrayLike | None = None
    nearest: bool = False


def check_poses(poses: ArrayLike) -> Array:
    """Poses (n, 4, 4); InvalidInputError, naming the first bad one, when they are none."""
    poses = check_pose(poses, "poses")
    if poses.ndim != 3:
        raise InvalidInputError("poses", f"shape {poses.shape}", "(n, 4, 4)")
    # Read-only arrays are another type to compiled code, which would be compiled anew.
    return poses if poses.flags.writeable else poses.copy()


def check_seeds(
    robot: RobotModel, seeds: ArrayLike, name: str, shape: tuple[int, ...], slack: float = SEED_SLACK
) -> Array:
    """Seeds of a shape, (J,) or (n, J), within the limits; continuous joints are turned.

    ``slack`` [rad or m] beyond a limit is clipped.

    Raises
    ------
    InvalidInputError
        When the shape is wrong, a value is not finite, or farther outside the limits.
    """
    seeds = np.array(seeds, dtype=float, order="C")
    if seeds.shape != shape:
        raise InvalidInputError(name, f"shape {seeds.shape}", f"{shape}, the joints {', '.join(robot.joint_names)}")
    flat = seeds.reshape(-1, robot.dof)
    row, joint = first_outside(flat, robot.lower, robot.upper, robot.continuous, slack)
    if joint == INSIDE:
        return seeds
    label = name if seeds.ndim == 1 else f"{name}[{row}]"
    if joint == NOT_FINITE:
        raise InvalidInputError(label, "a value that is not finite", "finite numbers")
    raise InvalidInputError(
        label,
        f"{robot.joint_names[joint]} at {flat[row, joint]:.4f}",
        f"a value within its limits [{robot.lower[joint]:.4f}, {robot.upper[joint]:.4f}]",
    )


def check_step(robot: RobotModel, max_joint_step: ArrayLike) -> Array:
    """Largest step (J,) of each joint from one for all, or one for each; (0,) where all are infinite.

    Raises
    ------
    InvalidInputError
        When it is neither, or not a number above 0.
    """
    try:
        step = np.asarray(max_joint_step, dtype=float)
    except (TypeError, ValueError):
        step = np.zeros(0)
    if step.shape not in ((), (robot.dof,)) or not (step > 0.0).all():
        expected = f"a number above 0, or one for each of {', '.join(robot.joint_names)}"
        raise InvalidInputError("max_joint_step", max_joint_step, expected)
    return ANY_STEP if np.isinf(step).all() else np.array(np.broadcast_to(step, (robot.dof,)))
