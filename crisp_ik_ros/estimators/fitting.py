"""Which regression CRiSP fits to how many samples, and the errors that are measured on samples it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from crisp_ik_ros.estimators.training import held_out_errors
from crisp_ik_ros.losses.loss import Loss
from crisp_ik_ros.regression.cluster import open_sums
from crisp_ik_ros.regression.kernel_ridge import KernelRidge
from crisp_ik_ros.regression.kernels import Kernel
from crisp_ik_ros.regression.nystrom import NystromRidge
from crisp_ik_ros.regression.sums import Rows, read
from crisp_ik_ros.regression.threads import limit_threads

# Fewer samples cannot be split.
FEWEST_TO_CHOOSE = 8
# Samples that errors on held-out samples are measured with, at most: a second regression on most of the data would
# double the time of a large one. With fewer samples the errors tend to come out larger.
EXACT_VALIDATION_SAMPLES, NYSTROM_VALIDATION_SAMPLES = 15000, 50000
# Held-out samples at most.
HELD_OUT = 5000


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
    estimator: Any, loss: Loss, kernel: Kernel, penalty: float, poses: Rows, targets: Rows
) -> dict[str, float]:
    """Errors on up to a fifth of the samples of a regression on others, see ``held_out_errors``; {} for few samples."""
    count = len(poses)
    if count < FEWEST_TO_CHOOSE:
        return {}
    if estimator.centers is None or estimator.centers >= count:
        most = EXACT_VALIDATION_SAMPLES
    else:
        most = max(NYSTROM_VALIDATION_SAMPLES, 2 * estimator.centers)
    order = np.random.default_rng(estimator.random_state).permutation(count)
    held_out, training = order[: count // 5][:HELD_OUT], order[count // 5 :][:most]
    regression = fit_regression(
        estimator, kernel, penalty * count / len(training), read(poses, training), read(targets, training)
    )
    predictions = regression.predict(read(poses, held_out))
    return held_out_errors(loss, estimator.robot.dof, predictions, read(targets, held_out))
