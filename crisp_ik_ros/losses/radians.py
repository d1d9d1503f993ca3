"""CRiSP-R: the loss that compares joint angles."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.compiled import inlined
from crisp_ik_ros.losses.loss import RADIANS, Loss
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array


class RadiansLoss(Loss):
    """Embedding phi(y) = (cos y, sin y): the loss is the sum of (2 sin(d_j / 2))^2 over the joint differences d.

    For small differences it is the paper's wrapped square (5), and it is smooth where that one has a kink. It knows
    nothing of the robot, so it averages configurations that reach the same pose in different ways: the paper's point.
    The weights do not enter.
    """

    name = "radians"
    code = RADIANS

    def dimension(self, dof: int) -> int:
        """Two numbers a joint."""
        return 2 * dof

    def embed(self, robot: RobotModel, configurations: Array, poses: Array) -> Array:
        """Cosines, then sines (n, 2 J)."""
        return np.hstack([np.cos(configurations), np.sin(configurations)])


@inlined
def radians_residual(q, target, work):
    """Write phi(q) - target (2 J,) and its Jacobian (2 J, J) to ``work``."""
    joints = q.shape[0]
    for j in range(joints):
        for k in range(joints):
            work.jacobian[j, k] = 0.0
            work.jacobian[joints + j, k] = 0.0
        cosine, sine = np.cos(q[j]), np.sin(q[j])
        work.residual[j] = cosine - target[j]
        work.residual[joints + j] = sine - target[joints + j]
        work.jacobian[j, j] = -sine
        work.jacobian[joints + j, j] = cosine
