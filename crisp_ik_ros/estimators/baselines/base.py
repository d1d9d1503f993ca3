"""What the systems that CRiSP is compared with have in common."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.losses.loss import Loss
from crisp_ik_ros.losses.residual import ResidualLoss
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.result import IKResult, Status
from crisp_ik_ros.transforms import Array


class Baseline(InverseKinematics):
    """Inverse kinematics whose errors are those of the robot model, whatever its answers come from.

    A subclass provides ``robot``, ``random_state`` and ``_search``; ``timeout`` and tolerances where it uses them.
    """

    timeout: float = 0.05
    random_state: int = 0
    _compiled = False

    @property
    def _loss(self) -> Loss:
        return ResidualLoss()

    def _judged(self, pose: Array, configuration: Array, iterations: int) -> IKResult:
        """Answer of a model-based system: a success where the model has the tool within the tolerances."""
        position, orientation = _errors(self.robot, pose, configuration)
        reached = position <= self.position_tolerance and orientation <= self.orientation_tolerance
        status = Status.SUCCESS if reached else Status.NO_SOLUTION
        return IKResult(configuration, reached, status, position, orientation, 0.0, iterations, "nominal")

    def _learned_answer(self, pose: Array, configuration: Array, support: float, iterations: int) -> IKResult:
        """Answer of a system that learned joint angles: it cannot tell whether it is right, so it always answers."""
        position, orientation = _errors(self.robot, pose, configuration)
        return IKResult(configuration, True, Status.SUCCESS, position, orientation, support, iterations, "learned")


def check_positive(**values: object) -> None:
    """Refuse hyperparameters that are not finite numbers above 0; None passes, as "chosen by the system".

    Raises
    ------
    InvalidInputError
        Naming the first that is not.
    """
    for name, value in values.items():
        number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        if value is not None and not (number and 0.0 < float(value) < np.inf):  # type: ignore[arg-type]
            raise InvalidInputError(name, repr(value), "a finite number above 0")


def check_whole(least: int, **values: object) -> None:
    """Refuse hyperparameters that are not whole numbers of at least ``least``.

    Raises
    ------
    InvalidInputError
        Naming the first that is not.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not (isinstance(value, (int, np.integer)) and value >= least):
            raise InvalidInputError(name, repr(value), f"a whole number of at least {least}")


def _errors(robot: RobotModel, pose: Array, configuration: Array) -> tuple[float, float]:
    position, orientation = tool_errors(pose, robot.forward_kinematics(configuration))
    return float(position), float(orientation)
