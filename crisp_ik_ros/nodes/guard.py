"""What a follower takes from a service, and what it sends to an arm: anything else is refused, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import CrispIKError, InvalidInputError
from crisp_ik_ros.nodes.joint_order import indices_of
from crisp_ik_ros.nodes.motion import LIMIT_SLACK, check_step
from crisp_ik_ros.robots.conditioning import condition_numbers, directions_of
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# However bad the conditioning, the arm goes on with this share of its speed until it is stopped.
SLOWEST_SHARE = 0.05


class SingularityError(CrispIKError):
    """A path leads to where the robot's Jacobian is too badly conditioned."""


def positions_of(robot: RobotModel, names: Sequence[str], positions: Sequence[float], label: str) -> Array:
    """Positions (J,) in the robot's order; other joints are left out.

    Raises
    ------
    InvalidInputError
        When a joint is missing or occurs twice, the numbers do not match, or a position is not finite.
    """
    order = indices_of(names, robot.joint_names, label)
    if len(positions) != len(names):
        raise InvalidInputError(label, f"{len(positions)} positions", f"{len(names)}, one for every name")
    return robot.check_configuration(np.asarray(positions, dtype=float)[order], label)


def check_solution(
    robot: RobotModel, names: Sequence[str], positions: Sequence[float], before: Array | None, largest_step: float
) -> Array:
    """Configuration (J,) of an answer, in the robot's order of joints.

    Parameters
    ----------
    robot : RobotModel
    names, positions : sequence
        As they came.
    before : (J,) or None
        The configuration that it follows on.
    largest_step : float
        Of a joint from there [rad or m].

    Raises
    ------
    InvalidInputError
        When the names or their number are wrong, a value is not finite or outside the limits, or a step too large.
    """
    configuration = positions_of(robot, names, positions, "solution")
    outside = (configuration < robot.lower - LIMIT_SLACK) | (configuration > robot.upper + LIMIT_SLACK)
    if outside.any():
        joint = int(np.argmax(outside))
        limits = f"[{robot.lower[joint]:.4f}, {robot.upper[joint]:.4f}]"
        got = f"{robot.joint_names[joint]} at {configuration[joint]:.4f}"
        raise InvalidInputError("solution", got, f"values within the limits {limits}")
    if before is not None:
        check_step(robot, before, configuration, largest_step)
    return np.clip(configuration, robot.lower, robot.upper)


def check_command(robot: RobotModel, positions: Array, velocities: Array) -> None:
    """Look at a command (n, J) for the last time before it is sent.

    Raises
    ------
    InvalidInputError
        When a value is not finite or a position outside the limits.
    """
    if not (np.isfinite(positions).all() and np.isfinite(velocities).all()):
        raise InvalidInputError("command", "values that are not finite", "finite positions and velocities")
    if not robot.within_limits(positions, LIMIT_SLACK).all():
        raise InvalidInputError("command", "positions outside the joint limits", "positions within them")


class Conditioning:
    """Slows down on the way to a singularity, and stops before it.

    Parameters
    ----------
    robot : RobotModel
    lower, hard_stop : float
        Condition numbers of the Jacobian: from the first on it is slower, at the second nothing goes on.

    Raises
    ------
    InvalidInputError
        When they are not in that order.
    """

    def __init__(self, robot: RobotModel, lower: float, hard_stop: float):
        if not lower < hard_stop:
            name = "lower_singularity_threshold, hard_stop_singularity_threshold"
            raise InvalidInputError(name, f"{lower:g}, {hard_stop:g}", "the first below the second")
        self._robot, self._lower, self._hard_stop = robot, lower, hard_stop
        self._directions = directions_of(robot)

    def number(self, configuration: ArrayLike) -> float:
        """Condition number at a configuration (J,); rows of the Jacobian in m and rad per unit of the joints."""
        return float(condition_numbers(self._robot, configuration, self._directions))

    def share(self, before: ArrayLike, after: ArrayLike) -> float:
        """Share of the speed that is allowed at a configuration (J,) that is reached from another.

        On the way out of a singularity all of it is.

        Raises
        ------
        SingularityError
            When the way leads beyond the second threshold.
        """
        number = self.number(after)
        if number <= self._lower or number <= self.number(before):
            return 1.0
        if number >= self._hard_stop:
            raise SingularityError(
                f"the path leads to a singularity: condition number {number:.4g}, "
                f"at most {self._hard_stop:g} (hard_stop_singularity_threshold)"
            )
        return max(SLOWEST_SHARE, (self._hard_stop - number) / (self._hard_stop - self._lower))
