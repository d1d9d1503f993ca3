"""CRiSP-FK: the loss that compares poses through the (possibly wrong) forward kinematics, the paper's equation (4)."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.compiled import inlined, innermost
from crisp_ik_ros.losses.loss import FORWARD_KINEMATICS, Loss
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array


class ForwardKinematicsLoss(Loss):
    """Embedding phi(y) = (w_p p~(y), w_o R~(y) / sqrt 2), 12 numbers; the orientation part is chordal on SO(3).

    |R - R'|_F / sqrt 2 = 2 sin(angle / 2), the angle itself for small ones: no gimbal and no wrap.
    """

    name = "forward_kinematics"
    code = FORWARD_KINEMATICS

    def dimension(self, dof: int) -> int:
        """Three numbers of position, nine of orientation."""
        return 12

    def embed(self, robot: RobotModel, configurations: Array, poses: Array) -> Array:
        """Embedding (n, 12) of the model's poses at the configurations."""
        return self.embed_poses(robot.forward_kinematics(configurations))

    def embed_poses(self, poses: Array) -> Array:
        """Embedding (n, 12) of poses (n, 4, 4)."""
        embedding = np.empty((len(poses), 12))
        _embed_poses(self.weights, poses, embedding)
        return embedding


@inlined
def embed_pose(weights, pose, out):
    """Write the embedding of a pose (4, 4) to ``out`` (12,)."""
    orientation_weight = weights[1] / np.sqrt(2.0)
    for i in range(3):
        out[i] = weights[0] * pose[i, 3]
        for k in range(3):
            out[3 + 3 * i + k] = orientation_weight * pose[i, k]


@innermost
def _embed_poses(weights, poses, out):
    for i in range(poses.shape[0]):
        embed_pose(weights, poses[i], out[i])


@inlined
def forward_kinematics_residual(weights, q, target, work):
    """Write phi(q) - target (12,) and its Jacobian (12, J) to ``work``, which holds the model's pose and Jacobian."""
    residual, jacobian, rotation, position, geometric = work[:5]
    position_weight, orientation_weight = weights[0], weights[1] / np.sqrt(2.0)
    joints = q.shape[0]
    for i in range(3):
        residual[i] = position_weight * position[i] - target[i]
        for j in range(joints):
            jacobian[i, j] = position_weight * geometric[i, j]
        for k in range(3):
            residual[3 + 3 * i + k] = orientation_weight * rotation[i, k] - target[3 + 3 * i + k]
    # dR/dq_j = [w_j] R, w_j the angular rows of the Jacobian
    for j in range(joints):
        wx, wy, wz = geometric[3, j], geometric[4, j], geometric[5, j]
        for k in range(3):
            rx, ry, rz = rotation[0, k], rotation[1, k], rotation[2, k]
            jacobian[3 + k, j] = orientation_weight * (wy * rz - wz * ry)
            jacobian[6 + k, j] = orientation_weight * (wz * rx - wx * rz)
            jacobian[9 + k, j] = orientation_weight * (wx * ry - wy * rx)
