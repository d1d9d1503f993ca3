"""The regression that CRiSP fits to so many samples, its errors on held-out samples, and how far it can be believed."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from crisp_ik_ros.errors import RegressionError
from crisp_ik_ros.estimators.training import held_out_errors, nominal_embedding
from crisp_ik_ros.losses.loss import Loss
from crisp_ik_ros.regression.cholesky import factorise
from crisp_ik_ros.regression.cluster import open_sums
from crisp_ik_ros.regression.kernel_ridge import KernelRidge
from crisp_ik_ros.regression.kernels import Kernel
from crisp_ik_ros.regression.leave_one_out import leave_group_out_errors
from crisp_ik_ros.regression.nystrom import NystromRidge
from crisp_ik_ros.regression.selection import Grouping, split_groups
from crisp_ik_ros.regression.sums import Rows, read
from crisp_ik_ros.regression.threads import limit_threads
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# Fewer samples cannot be split.
FEWEST_TO_CHOOSE = 8
# Samples that errors on held-out samples are measured with, at most: a second regression on most of the data would
# double the time of a large one. With fewer samples the errors tend to come out larger.
EXACT_VALIDATION_SAMPLES, NYSTROM_VALIDATION_SAMPLES = 15000, 50000
# Held-out samples at most.
HELD_OUT = 5000
# Samples at most of which each is predicted without those of its own stop, where stops are repeated, or of its own part
# of space; and how many parts.
BLOCK_SAMPLES, BLOCKS = 1000, 8
# Distances from the data at which errors beyond it are compared with the model's own, samples of each at least, and the
# share of the model's that they may have for the data to be believed there.
RINGS, FEWEST_OF_RING, SHARE_BEYOND = 8, 15, 0.7
# Stops for each joint, and one more, that a regression on poses needs: with fewer most poses are far from any.
STOPS_PER_JOINT = 5
# Samples at most that stops are counted among.
COUNTED = 20000
# Distances [spreads] at which ``expect`` takes the data for half and for not known, by its exp(-d^2 / 2).
HALF_KNOWN, NOT_KNOWN = 1.18, 2.45


def fit_regression(
    estimator: Any, kernel: Kernel, penalty: float, poses: Rows, targets: Rows
) -> KernelRidge | NystromRidge:
    """Regression of an estimator's hyperparameters on poses (n, 4, 4) and targets (n, C)."""
    count = len(poses)
    if estimator.centers is None or estimator.centers >= count:
        with limit_threads(count**3 / 3):
            return KernelRidge(kernel, penalty).fit(poses, targets)
    regression = NystromRidge(
        kernel,
        penalty,
        estimator.centers,
        estimator.random_state,
        estimator.center_selection,
        estimator.regression_solver,
    )
    with limit_threads(2.0 * count * estimator.centers**2), open_sums(estimator.scheduler) as sums:
        return regression.fit(poses, targets, sums)


def validate(
    estimator: Any, loss: Loss, kernel: Kernel, penalty: float, poses: Rows, targets: Rows, groups: Grouping
) -> dict[str, float]:
    """Errors on up to a fifth of the samples of a regression on others, see ``held_out_errors``; {} for few samples.

    No stop is on both sides; of few samples with repeated stops each stop is predicted from all others.
    """
    count = len(poses)
    if count < FEWEST_TO_CHOOSE:
        return {}
    dof, judges = estimator.robot.dof, judges_itself(estimator, loss)
    if count <= BLOCK_SAMPLES:
        labels = groups(np.arange(count))
        stops = len(np.unique(labels))
        if stops < 2:
            return {}
        if stops < count:
            wanted = read(targets, slice(None))
            all_poses = read(poses, slice(None))
            errors = _errors_without(labels, kernel, count * penalty, all_poses, wanted)
            return held_out_errors(loss, dof, wanted - errors, wanted, all_poses if judges else None)
    if estimator.centers is None or estimator.centers >= count:
        most = EXACT_VALIDATION_SAMPLES
    else:
        most = max(NYSTROM_VALIDATION_SAMPLES, 2 * estimator.centers)
    order = np.random.default_rng(estimator.random_state).permutation(count)
    held_out, training = order[: count // 5][:HELD_OUT], order[count // 5 :][:most]
    try:
        grouped = split_groups(np.concatenate([held_out, training]), len(held_out), HELD_OUT, most, groups)
    except RegressionError:
        return {}
    held_out, training = grouped
    regression = fit_regression(
        estimator, kernel, penalty * count / len(training), read(poses, training), read(targets, training)
    )
    predictions = regression.predict(read(poses, held_out))
    judged = read(poses, held_out) if judges else None
    return held_out_errors(loss, dof, predictions, read(targets, held_out), judged)


def judges_itself(estimator: Any, loss: Loss) -> bool:
    """Tell if held-out errors decide how far an estimator's data is believed.

    The paper's losses with a kernel that was given are the paper's estimator, and answer as it does.
    """
    return loss.name == "residual" or (loss.name != "radians" and not isinstance(estimator.kernel, Kernel))


def nearness_factor(
    estimator: Any, loss: Loss, kernel: Kernel, nearness: Array, ridge: float, poses: Rows, targets: Rows
) -> float:
    """Factor, at least 1, of the squared distances from the data by which support falls.

    Parts of space are held out, one at a time: the distance from the other samples at which the corrections are no
    longer clearly better than none is the distance at which the data counts as not known. Among the samples themselves
    the support stays at what decides.

    Parameters
    ----------
    estimator, loss, kernel
    nearness : (2,)
        As ``nearness_weights`` gives them.
    ridge : float
        n * penalty.
    poses, targets
        Of all samples.
    """
    dof = estimator.robot.dof
    dimension = loss.dimension(dof)
    if not judges_itself(estimator, loss) or len(poses) < BLOCKS * FEWEST_OF_RING or not nearness.any():
        return 1.0
    rows = np.sort(np.random.default_rng(estimator.random_state).permutation(len(poses))[:BLOCK_SAMPLES])
    sample_poses, wanted = read(poses, rows), read(targets, rows)
    features = kernel.features(sample_poses)
    features[:, :3] *= np.sqrt(nearness[0])
    features[:, 3:] *= np.sqrt(nearness[1])
    blocks = _blocks(features, BLOCKS)
    predictions = wanted - _errors_without(blocks, kernel, ridge, sample_poses, wanted)
    nominal = wanted[:, 1 : 1 + dimension] - nominal_embedding(loss, dof, sample_poses)
    total = predictions[:, :1]
    # Where there is no support there is no correction to judge.
    judged = total[:, 0] > 0.5
    corrected = predictions[:, 1 : 1 + dimension] / np.where(total > 0.5, total, 1.0) - wanted[:, 1 : 1 + dimension]
    distance = np.empty(len(rows))
    for block in range(blocks.max() + 1):
        inside = blocks == block
        distance[inside] = cKDTree(features[~inside]).query(features[inside])[0]
    within = cKDTree(features).query(features, k=2)[0][:, 1]
    far = _distance_believed(distance[judged], nominal[judged], corrected[judged])
    return float(np.clip(NOT_KNOWN / far, 1.0, max(HALF_KNOWN / max(np.quantile(within, 0.95), 1e-9), 1.0)) ** 2)


def _distance_believed(distance: Array, nominal: Array, corrected: Array) -> float:
    """Distance up to which corrected errors (k, D) are clearly smaller than the model's own; infinite: all of them."""
    order = np.argsort(distance)
    if len(order) < FEWEST_OF_RING:
        return np.inf
    for ring in np.array_split(order, max(min(RINGS, len(order) // FEWEST_OF_RING), 1)):
        for part in (slice(0, 3), slice(3, None)):
            own, left = (float(np.sqrt(np.mean(errors[ring, part] ** 2))) for errors in (nominal, corrected))
            if left > max(SHARE_BEYOND * own, 1e-5):
                return max(float(np.median(distance[ring])), 1e-9)
    return np.inf


def _errors_without(labels: np.ndarray, kernel: Kernel, ridge: float, poses: Array, targets: Array) -> Array:
    """Errors (n, C), target minus prediction, of exact regression at each sample without those of its own label."""
    features = kernel.features(poses)
    matrix = kernel.matrix(features, features)
    matrix[np.diag_indices_from(matrix)] += ridge
    with limit_threads(0.0):
        return leave_group_out_errors(factorise(matrix)[0], targets, labels)


def _blocks(features: Array, count: int) -> np.ndarray:
    """Number (n,) of the part of space that features (n, F) are in: the largest is cut at its median, repeatedly."""
    labels = np.zeros(len(features), dtype=int)
    parts = [np.arange(len(features))]
    while len(parts) < count:
        widest = max(range(len(parts)), key=lambda i: len(parts[i]))
        rows = parts.pop(widest)
        column = int(np.argmax(np.ptp(features[rows], axis=0)))
        order = rows[np.argsort(features[rows, column], kind="stable")]
        parts += [order[: len(order) // 2], order[len(order) // 2 :]]
    for number, rows in enumerate(parts):
        labels[rows] = number
    return labels


def doubts(robot: RobotModel, groups: Grouping, count: int) -> dict[str, object]:
    """Training summary that holds a warning where there are few distinct configurations among ``count`` samples."""
    if count > COUNTED:
        return {}
    stops, wanted = int(groups(np.arange(count)).max()) + 1, fewest_stops(robot)
    if stops >= wanted:
        return {}
    text = (
        f"The {count} samples were taken at {stops} distinct configurations; crisp needs {wanted} or more, and away "
        "from them its answers are the URDF's. Use learned_kinematics (crisp-ik train --estimator "
        "learned_kinematics), or measure at more configurations."
    )
    return {"warnings": [text]}


def fewest_stops(robot: RobotModel) -> int:
    """Distinct configurations below which CRiSP warns: 5 (J + 1)."""
    return STOPS_PER_JOINT * (robot.dof + 1)
