"""Which hyperparameters CRiSP can be fitted with."""

from __future__ import annotations

from typing import Any

import numpy as np

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.regression.centers import check_center_selection
from crisp_ik_ros.regression.kernels import Kernel
from crisp_ik_ros.regression.nystrom import check_solver
from crisp_ik_ros.regression.selection import check_validation


def check_hyperparameters(estimator: Any) -> None:
    """Raise InvalidInputError, with its name, for a hyperparameter of CRiSP that is out of range."""
    centers, penalty, kernel, seed = (
        getattr(estimator, name) for name in ("centers", "penalty", "kernel", "random_state")
    )
    if centers is not None and not (isinstance(centers, (int, np.integer)) and centers >= 1):
        raise InvalidInputError("centers", centers, "a whole number of at least 1, or None")
    if penalty is not None and not (np.isfinite(penalty) and penalty > 0.0):
        raise InvalidInputError("penalty", penalty, "a finite number above 0, or None")
    if not (kernel is None or isinstance(kernel, (str, Kernel))):
        raise InvalidInputError("kernel", repr(kernel), "a Kernel, a kernel's name, or None")
    if not (isinstance(seed, (int, np.integer)) and seed >= 0):
        raise InvalidInputError("random_state", repr(seed), "a whole number of at least 0")
    if estimator.solver not in ("levenberg_marquardt", "lbfgsb"):
        raise InvalidInputError("solver", repr(estimator.solver), "'levenberg_marquardt' or 'lbfgsb'")
    for label in ("position_tolerance", "orientation_tolerance", "timeout"):
        value = getattr(estimator, label)
        if not (np.isfinite(value) and value > 0.0):
            raise InvalidInputError(label, value, "a finite number above 0")
    weight = estimator.null_space_weight
    if not (np.isfinite(weight) and weight >= 0.0):
        raise InvalidInputError("null_space_weight", weight, "a finite number of at least 0")
    check_center_selection(estimator.center_selection)
    check_validation(estimator.validation)
    check_solver(estimator.regression_solver, "regression_solver")
    scheduler = estimator.scheduler
    if not (scheduler is None or (isinstance(scheduler, str) and scheduler)):
        raise InvalidInputError("scheduler", repr(scheduler), "the address of a Dask scheduler, or None")
