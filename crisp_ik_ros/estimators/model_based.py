"""Inverse kinematics that believes its model: what crisp_ik is compared with."""

from __future__ import annotations

from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.losses.loss import Loss
from crisp_ik_ros.losses.residual import ResidualLoss
from crisp_ik_ros.robots.robot_model import RobotModel


class ModelBasedIK(InverseKinematics):
    """Levenberg-Marquardt on a robot model's own forward kinematics, redundancy resolved towards its rest pose.

    Parameters
    ----------
    robot : RobotModel
    null_space_weight : float
        Pull towards ``robot.rest`` among the solutions; 0 stays near the seed instead.
    position_tolerance, orientation_tolerance : float
        Largest errors of an answer [m, rad].
    timeout : float
        Seconds a request may take where it names none.
    random_state : int
        Seed of the random restarts.
    """

    def __init__(
        self,
        robot: RobotModel,
        null_space_weight: float = 0.03,
        position_tolerance: float = 1e-6,
        orientation_tolerance: float = 1e-5,
        timeout: float = 0.05,
        random_state: int = 0,
    ):
        self.robot = robot
        self.null_space_weight = null_space_weight
        self.position_tolerance = position_tolerance
        self.orientation_tolerance = orientation_tolerance
        self.timeout = timeout
        self.random_state = random_state
        self._residual_loss = ResidualLoss()

    @property
    def _loss(self) -> Loss:
        return self._residual_loss
