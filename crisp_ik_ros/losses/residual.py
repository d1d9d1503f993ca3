"""The residual loss: compares the errors that the model makes, instead of the poses."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.compiled import inlined
from crisp_ik_ros.losses.loss import RESIDUAL, Loss
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import (
    Array,
    compiled_right_jacobian_inverse,
    compiled_rotation_logarithm,
    pose_error,
)


class ResidualLoss(Loss):
    """Embedding e(y; x) = (w_p (p_x - p~(y)), w_o log(R_x R~(y)^T)), 6 numbers; a sample has e_i = e(y_i; x_i).

    The prediction is the y at which the model misses the target exactly as it missed nearby samples. Where the model is
    right all e_i vanish, and so does the regression error.
    """

    name = "residual"
    code = RESIDUAL

    def dimension(self, dof: int) -> int:
        """Three numbers of position, three of orientation."""
        return 6

    def embed(self, robot: RobotModel, configurations: Array, poses: Array) -> Array:
        """Weighted errors (n, 6) of the model at the samples."""
        return pose_error(poses, robot.forward_kinematics(configurations)) * np.repeat(self.weights, 3)


@inlined
def residual_residual(weights, goal, q, target, work):
    """Write e(q; x) - target (6,), x the pose ``goal`` (4, 4), and its Jacobian (6, J) to ``work``.

    That holds the model's pose and Jacobian at ``q``.
    """
    residual, jacobian, rotation, position, geometric = work[:5]
    relative, inverse, vector = work.relative, work.inverse, work.vector
    for i in range(3):
        x, y, z = goal[i, 0], goal[i, 1], goal[i, 2]
        for k in range(3):
            relative[i, k] = x * rotation[k, 0] + y * rotation[k, 1] + z * rotation[k, 2]
    compiled_rotation_logarithm(relative, vector)
    compiled_right_jacobian_inverse(vector, inverse)
    position_weight, orientation_weight = weights[0], weights[1]
    for i in range(3):
        residual[i] = position_weight * (goal[i, 3] - position[i]) - target[i]
        residual[3 + i] = orientation_weight * vector[i] - target[3 + i]
        # R~ -> exp(d) R~ turns R_x R~^T into R_x R~^T exp(-d)
        x, y, z = inverse[i, 0], inverse[i, 1], inverse[i, 2]
        for j in range(q.shape[0]):
            jacobian[i, j] = -position_weight * geometric[i, j]
            turned = x * geometric[3, j] + y * geometric[4, j] + z * geometric[5, j]
            jacobian[3 + i, j] = -orientation_weight * turned
