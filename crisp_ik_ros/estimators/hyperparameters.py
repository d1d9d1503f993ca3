"""Which hyperparameters estimators can be fitted with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.regression.centers import check_center_selection
from crisp_ik_ros.regression.kernels import Kernel
from crisp_ik_ros.regression.nystrom import check_solver
from crisp_ik_ros.regression.selection import check_validation

# Nobody waits longer for an answer [s]; no answer is as far off [m or rad]; the random generators of compiled code
# take no larger seed; a larger weight hides the task.
LONGEST_TIMEOUT, LARGEST_TOLERANCE, LARGEST_SEED, LARGEST_WEIGHT = 3600.0, 1e3, (1 << 63) - 1, 1e9


def check_hyperparameters(estimator: Any) -> None:
    """Raise InvalidInputError, with its name, for a hyperparameter of CRiSP that is out of range."""
    check_whole(1, optional=True, centers=estimator.centers)
    check_positive(optional=True, penalty=estimator.penalty)
    if not (estimator.kernel is None or isinstance(estimator.kernel, (str, Kernel))):
        raise InvalidInputError("kernel", repr(estimator.kernel), "a Kernel, a kernel's name, or None")
    check_answering(estimator)
    if estimator.solver not in ("levenberg_marquardt", "lbfgsb"):
        raise InvalidInputError("solver", repr(estimator.solver), "'levenberg_marquardt' or 'lbfgsb'")
    check_center_selection(estimator.center_selection)
    check_validation(estimator.validation)
    check_solver(estimator.regression_solver, "regression_solver")
    scheduler = estimator.scheduler
    if not (scheduler is None or (isinstance(scheduler, str) and scheduler)):
        raise InvalidInputError("scheduler", repr(scheduler), "the address of a Dask scheduler, or None")


def check_answering(estimator: Any) -> None:
    """Raise InvalidInputError for a hyperparameter out of range, of those that say how requests are answered."""
    check_positive(
        most=LARGEST_TOLERANCE,
        position_tolerance=estimator.position_tolerance,
        orientation_tolerance=estimator.orientation_tolerance,
    )
    check_positive(most=LONGEST_TIMEOUT, timeout=estimator.timeout)
    check_not_negative(most=LARGEST_WEIGHT, null_space_weight=estimator.null_space_weight)
    check_whole(0, most=LARGEST_SEED, random_state=estimator.random_state)


def check_positive(optional: bool = False, most: float = np.inf, **values: object) -> None:
    """Refuse hyperparameters that are not finite numbers above 0; with ``optional`` None passes.

    Raises
    ------
    InvalidInputError
        Naming the first that is not.
    """
    expected = f"a finite number above 0{_up_to(most)}"
    _check(lambda value: _is_number(value) and 0.0 < value < np.inf and value <= most, expected, optional, values)


def check_not_negative(most: float = np.inf, **values: object) -> None:
    """Refuse hyperparameters that are not finite numbers of at least 0.

    Raises
    ------
    InvalidInputError
        Naming the first that is not.
    """
    expected = f"a finite number of at least 0{_up_to(most)}"
    _check(lambda value: _is_number(value) and 0.0 <= value < np.inf and value <= most, expected, False, values)


def check_whole(least: int, optional: bool = False, most: float = np.inf, **values: object) -> None:
    """Refuse hyperparameters that are not whole numbers of at least ``least``; with ``optional`` None passes.

    Raises
    ------
    InvalidInputError
        Naming the first that is not.
    """

    def fits(value: Any) -> bool:
        return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(least <= value <= most)

    _check(fits, f"a whole number of at least {least}{_up_to(most)}", optional, values)


def _check(fits: Callable[[Any], bool], expected: str, optional: bool, values: dict[str, object]) -> None:
    for name, value in values.items():
        if not (fits(value) or (optional and value is None)):
            raise InvalidInputError(name, repr(value), f"{expected}, or None" if optional else expected)


def _up_to(most: float) -> str:
    return "" if most == np.inf else f", at most {most:g}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
