"""From samples to the numbers that CRiSP regresses, and how good they are on held-out samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from crisp_ik_ros.compiled import entry
from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.estimators.samples import ConfigurationRows
from crisp_ik_ros.losses.forward_kinematics import ForwardKinematicsLoss
from crisp_ik_ros.losses.loss import Loss
from crisp_ik_ros.regression.kernels import Kernel
from crisp_ik_ros.regression.selection import Criterion, spread
from crisp_ik_ros.regression.sums import CHUNK, Rows, read, slices
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, pose_error

# Square of the change of a model's error, relative to its size, over 1 rad of motion in the null space: that moves the
# elbow, not all of the arm.
NULL_SPACE_SENSITIVITY = 0.1
# Share of the model's error down to which held-out errors must come for the data to be trusted fully, and an error that
# no measuring device shows [m or rad].
CORRECTED_SHARE, NEGLIGIBLE_ERROR = 0.5, 1e-5
# Centers at most that the largest correction is looked for at.
CORRECTIONS_READ = 1000
# Keeps one sample that happens to be predicted exactly from deciding the geometric mean.
LEAST_SQUARED_ERROR = 1e-14


def configurations_of(robot: RobotModel, dataset: Dataset) -> Array:
    """Configurations (n, J) of a dataset in the robot's joint order.

    Raises
    ------
    DatasetError
        When there are fewer than two samples, the joints are not the robot's, or a sample is outside the limits.
    """
    return ConfigurationRows(robot, dataset)[:]


def answer_error(robot: RobotModel, loss: Loss, configurations: Rows, poses: Rows, targets: Rows) -> Criterion:
    """Criterion for hyperparameters: the squared error of an answer, to first order, as a geometric mean over samples.

    It has the error of the embedding and, since a redundant arm's model error depends on the configuration too, the
    error of the posture within the null space of the task times the size of the model's error. The geometric mean does
    not let outliers decide, nor the poses at which a redundant arm changes from one posture to another.
    """
    dimension = loss.dimension(robot.dof)
    squared_model_errors = 0.0
    for rows in slices(len(poses), CHUNK):
        errors = pose_error(read(poses, rows), robot.forward_kinematics(configurations[rows]))
        squared_model_errors += float(np.sum(errors**2))
    # Where the model is right every candidate predicts its error; then posture, and last support, decide.
    sensitivity = NULL_SPACE_SENSITIVITY * squared_model_errors / len(poses) + 1e-10

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


def held_out_errors(
    loss: Loss, dof: int, predictions: Array, targets: Array, poses: Array | None = None
) -> dict[str, float]:
    """Root mean square errors of the predicted embedding, predictions against targets (k, C), and the mean support.

    Returns
    -------
    dict
        support_mean, posture_rms [rad], position_rms [m] and orientation_rms [rad]; for the radians loss embedding_rms
        in place of the last two. With the poses (k, 4, 4) also nominal_position_rms and nominal_orientation_rms: the
        model's own errors there.
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
    corrections = None if poses is None else targets[:, 1 : 1 + dimension] - nominal_embedding(loss, dof, poses)
    parts = (("position", slice(0, 3), loss.position_weight), ("orientation", slice(3, None), loss.orientation_weight))
    for name, columns, weight in parts:
        if weight > 0.0:
            result[f"{name}_rms"] = _root_mean_square(error[:, columns]) / weight
            if corrections is not None:
                result[f"nominal_{name}_rms"] = _root_mean_square(corrections[:, columns]) / weight
    return result


def nominal_embedding(loss: Loss, dof: int, poses: Array) -> Array:
    """Embedding (n, D) that a model without errors would have at poses (n, 4, 4); zeros for the radians loss."""
    if isinstance(loss, ForwardKinematicsLoss):
        return loss.embed_poses(np.array(poses, dtype=float))
    return np.zeros((len(poses), loss.dimension(dof)))


def trust_of(validation: Mapping[str, float]) -> float:
    """Degree to which held-out samples show that the data corrects the model: 1 as a rule, 0 where it makes it worse.

    It falls from 1, where the errors are ``CORRECTED_SHARE`` of the model's, to 0 where they are as large. 1 where
    nothing was measured, and for errors that no device shows (``NEGLIGIBLE_ERROR``).
    """
    worst = 0.0
    for name in ("position_rms", "orientation_rms"):
        error, nominal = validation.get(name, np.nan), validation.get(f"nominal_{name}", np.nan)
        if not np.isfinite(nominal):
            continue
        if not np.isfinite(error):
            # Nothing could be predicted.
            return 0.0
        if error > NEGLIGIBLE_ERROR:
            worst = max(worst, error / max(nominal, NEGLIGIBLE_ERROR))
    return float(np.clip((1.0 - worst) / (1.0 - CORRECTED_SHARE), 0.0, 1.0))


def largest_corrections(loss: Loss, dof: int, kernel: Kernel, centers: Array, coefficients: Array) -> Array:
    """Largest corrections (2,) of the model's embedding, position and orientation, at the centers of a regression.

    Infinite where they cannot be told: for the radians loss, and where the features (m, F) do not hold the poses.
    """
    if isinstance(loss, ForwardKinematicsLoss):
        scales = kernel.scales
        if not (kernel.orientation == "chordal" and np.isfinite(scales).all()):
            return np.full(2, np.inf)
    elif loss.name != "residual":
        return np.full(2, np.inf)
    rows = np.linspace(0, len(centers) - 1, min(len(centers), CORRECTIONS_READ)).astype(int)
    predictions = kernel.matrix(centers[rows], centers) @ coefficients
    covered = predictions[:, 0] > 0.5
    if not covered.any():
        return np.full(2, np.inf)
    predictions, chosen = predictions[covered], centers[rows][covered]
    corrections = predictions[:, 1 : 1 + loss.dimension(dof)] / predictions[:, :1]
    if isinstance(loss, ForwardKinematicsLoss):
        poses = np.tile(np.eye(4), (len(chosen), 1, 1))
        poses[:, :3, 3] = chosen[:, :3] * kernel.position_length_scale
        poses[:, :3, :3] = (chosen[:, 3:] * np.sqrt(2.0) * kernel.orientation_length_scale).reshape(-1, 3, 3)
        corrections = corrections - nominal_embedding(loss, dof, poses)
    return np.array([np.linalg.norm(corrections[:, part], axis=1).max() for part in (slice(0, 3), slice(3, None))])


def nearness_weights(kernel: Kernel, poses: Rows) -> Array:
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


@entry
def support_of(total: float) -> float:
    """How well the data covers a pose, from s = sum of the scores: 1 where s is 1, 0 where s <= 0 or s >= 2."""
    return min(max(1.0 - abs(1.0 - total), 0.0), 1.0)


def _root_mean_square(error: Array) -> float:
    squared = (error**2).sum(axis=1)
    return float(np.sqrt(np.nanmean(squared))) if np.isfinite(squared).any() else float("nan")
