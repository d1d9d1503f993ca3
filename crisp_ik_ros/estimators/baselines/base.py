"""What the systems that CRiSP is compared with have in common."""

from __future__ import annotations

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


def learned_answer(robot: RobotModel, pose: Array, configuration: Array, support: float, iterations: int) -> IKResult:
    """Answer of a system that learned joint angles: it cannot tell whether it is right, so it always answers."""
    position, orientation = _errors(robot, pose, configuration)
    return IKResult(configuration, True, Status.SUCCESS, position, orientation, support, iterations, "learned")


def _errors(robot: RobotModel, pose: Array, configuration: Array) -> tuple[float, float]:
    position, orientation = tool_errors(pose, robot.forward_kinematics(configuration))
    return float(position), float(orientation)
