"""From samples to the numbers that CRiSP regresses, and how good they are on held-out samples."""

from __future__ import annotations

import numpy as np
from numba import njit

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.losses.loss import Loss
from crisp_ik_ros.regression.kernels import Kernel
from crisp_ik_ros.regression.selection import Criterion, spread
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, pose_error

# A measured joint may read this far beyond its limit [rad or m].
LIMIT_SLACK = 0.02
# Square of the change of a model's error, relative to its size, over 1 rad of motion in the null space: that moves the
# elbow, not all of the arm.
NULL_SPACE_SENSITIVITY = 0.1
# Keeps one sample that happens to be predicted exactly from deciding the geometric mean.
LEAST_SQUARED_ERROR = 1e-14


def configurations_of(robot: RobotModel, dataset: Dataset) -> Array:
    """Configurations (n, J) of a dataset in the robot's joint order.

    Raises
    ------
    DatasetError
        When there are fewer than two samples, the joints are not the robot's, or a sample is outside the limits.
    """
    if len(dataset) < 2:
        raise DatasetError(f"got {len(dataset)} sample, expected at least 2")
    names = dataset.joint_names
    if sorted(names) != sorted(robot.joint_names):
        raise DatasetError(f"the data's joints are {', '.join(names)}, the robot's are {', '.join(robot.joint_names)}")
    configurations = dataset.configurations[:, [names.index(name) for name in robot.joint_names]]
    configurations = robot.wrapped(configurations)
    outside = ~robot.within_limits(configurations, LIMIT_SLACK)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise DatasetError(
            f"{outside.sum()} samples are outside the joint limits, the first is row {row}: "
            f"{configurations[row].round(4).tolist()}; radians and metres are expected"
        )
    return np.ascontiguousarray(configurations)


def regression_targets(robot: RobotModel, loss: Loss, configurations: Array, poses: Array) -> Array:
    """Columns (n, 2 + D + J) to regress on the pose: 1, phi, |phi|^2 and the configuration.

    The first two blocks give s and c of the collapsed objective, the third its constant, the last where the data lies.
    """
    phi = loss.embed(robot, configurations, poses)
    return np.hstack([np.ones((len(phi), 1)), phi, (phi**2).sum(axis=1, keepdims=True), configurations])


def answer_error(robot: RobotModel, loss: Loss, configurations: Array, poses: Array, targets: Array) -> Criterion:
    """Criterion for hyperparameters: the squared error of an answer, to first order, as a geometric mean over samples.

    It has the error of the embedding and, since a redundant arm's model error depends on the configuration too, the
    error of the posture within the null space of the task times the size of the model's error. The geometric mean does
    not let outliers decide, nor the poses at which a redundant arm changes from one posture to another.
    """
    dimension = loss.dimension(robot.dof)
    model_errors = pose_error(poses, robot.forward_kinematics(configurations))
    # Where the model is right every candidate predicts its error; then posture, and last support, decide.
    sensitivity = NULL_SPACE_SENSITIVITY * float(np.mean(np.sum(model_errors**2, axis=1))) + 1e-10

    def criterion(predictions: Array, indices: np.ndarray) -> float:
        total = predictions[:, :1]
        if np.any(total <= 0.0):
            return np.inf
        wanted = targets[indices]
        embedding = predictions[:, 1 : 1 + dimension] / total - wanted[:, 1 : 1 + dimension]
        posture = predictions[:, 2 + dimension :] / total - wanted[:, 2 + dimension :]
        # What a posture is off in the space of the task, the solver puts right.
        jacobian = robot.jacobian(configurations[indices])
        in_task = np.einsum("kij,kj->ki", np.linalg.pinv(jacobian) @ jacobian, posture)
        squared = (embedding**2).sum(1) + sensitivity * ((posture - in_task) ** 2).sum(1)
        tie = 1e-14 * np.mean((total - 1.0) ** 2)
        return float(np.exp(np.mean(np.log(squared + LEAST_SQUARED_ERROR))) + tie)

    return criterion


def held_out_errors(loss: Loss, dof: int, predictions: Array, targets: Array) -> dict[str, float]:
    """Root mean square errors of the predicted embedding, predictions against targets (k, C), and the mean support.

    Returns
    -------
    dict
        support_mean, posture_rms [rad], position_rms [m] and orientation_rms [rad]; for the radians loss embedding_rms
        in place of the last two.
    """
    dimension = loss.dimension(dof)
    total = np.where(predictions[:, :1] > 0.0, predictions[:, :1], np.nan)
    error = predictions[:, 1 : 1 + dimension] / total - targets[:, 1 : 1 + dimension]
    posture = predictions[:, 2 + dimension :] / total - targets[:, 2 + dimension :]
    result = {
        "support_mean": float(np.mean([support_of(value) for value in predictions[:, 0]])),
        "posture_rms": _root_mean_square(posture),
    }
    if loss.name == "radians":
        result["embedding_rms"] = _root_mean_square(error)
        return result
    if loss.position_weight > 0.0:
        result["position_rms"] = _root_mean_square(error[:, :3]) / loss.position_weight
    if loss.orientation_weight > 0.0:
        result["orientation_rms"] = _root_mean_square(error[:, 3:]) / loss.orientation_weight
    return result


def nearness_weights(kernel: Kernel, poses: Array) -> Array:
    """Weights (2,) that take a kernel's squared distances, position and orientation, to the scale of the data's spread.

    A smooth kernel has length scales far longer than the data is wide, and its value says little of how near the data
    is. What the kernel leaves out, or all samples share, has weight 0.
    """
    return np.array(
        [
            (scale / extent) ** 2 if np.isfinite(scale) and extent > 1e-9 else 0.0
            for scale, extent in zip(
                (kernel.position_length_scale, kernel.orientation_length_scale), spread(poses), strict=True
            )
        ]
    )


@njit(cache=True)
def support_of(total: float) -> float:
    """How well the data covers a pose, from s = sum of the scores: 1 where s is 1, 0 where s <= 0 or s >= 2."""
    return min(max(1.0 - abs(1.0 - total), 0.0), 1.0)


def _root_mean_square(error: Array) -> float:
    return float(np.sqrt(np.nanmean((error**2).sum(axis=1))))
