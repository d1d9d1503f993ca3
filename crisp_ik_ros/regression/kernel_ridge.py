"""Exact kernel ridge regression from poses to vectors: the paper's Algorithm 1, training step."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from crisp_ik_ros.errors import InvalidInputError, NotFittedError
from crisp_ik_ros.regression.cholesky import factorise, solve_factorised
from crisp_ik_ros.regression.kernels import Kernel
from crisp_ik_ros.regression.sums import CHUNK, Rows, read, slices
from crisp_ik_ros.regression.threads import available_threads
from crisp_ik_ros.transforms import Array


class Regression(Protocol):
    """What every fitted regression has: a prediction is k(x, centers) @ coefficients."""

    kernel: Kernel
    centers_: Array
    coefficients_: Array


class KernelRidge:
    """Kernel ridge regression with every sample as a center.

    Scores a(x) = (K + n penalty I)^-1 K_x and coefficients W = (K + n penalty I)^-1 Y, so that a(x)^T Y = K_x^T W
    (DESIGN, section 2).

    Parameters
    ----------
    kernel : Kernel
    penalty : float
        Ridge penalty, above zero; multiplied by the number of samples.

    Attributes
    ----------
    centers_ : (n, D)
        Features of the samples.
    coefficients_ : (n, C)
        W.
    jitter_ : float
        What had to be added to the diagonal for the factorisation to exist, relative to its mean; 0 as a rule.
    """

    def __init__(self, kernel: Kernel, penalty: float = 1e-6):
        self.kernel = kernel
        self.penalty = penalty

    def fit(self, poses: Rows, targets: Rows) -> KernelRidge:
        """Fit to poses (n, 4, 4) and targets (n, C).

        Beside one n x n matrix it takes memory for some thousand of its rows and columns of 1024.

        Raises
        ------
        InvalidInputError
            When the penalty is not positive or the numbers of rows differ.
        RegressionError
            When the kernel matrix stays singular.
        """
        check_regression_input(poses, targets, self.penalty)
        self.centers_ = self.kernel.features(poses[:])
        matrix = _kernel_matrix(self.kernel, self.centers_)
        matrix[np.diag_indices_from(matrix)] += len(poses) * self.penalty
        self._factor, self.jitter_ = factorise(matrix)
        self.coefficients_ = np.ascontiguousarray(solve_factorised(self._factor, targets[:]))
        return self

    def with_targets(self, targets: Array) -> KernelRidge:
        """Return the regression that ``fit`` would give to other targets (n, C) at the same poses, sharing its factor.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidInputError
            When the number of rows differs.
        """
        if not hasattr(self, "_factor"):
            raise NotFittedError("other targets need the factorised kernel matrix: call fit first")
        if len(targets) != len(self.centers_):
            raise InvalidInputError("targets", f"{len(targets)} rows", f"one for each of {len(self.centers_)} poses")
        other = KernelRidge(self.kernel, self.penalty)
        other.centers_, other._factor, other.jitter_ = self.centers_, self._factor, self.jitter_
        other.coefficients_ = np.ascontiguousarray(solve_factorised(self._factor, targets))
        return other

    def predict(self, poses: Array) -> Array:
        """Predictions (k, C) at poses (k, 4, 4)."""
        return predict(self, poses)

    def scores(self, poses: Array) -> Array:
        """Scores a(x) (k, n) of the n training samples at poses (k, 4, 4)."""
        if not hasattr(self, "_factor"):
            raise NotFittedError("scores exist only after fit")
        row = self.kernel.matrix(self.centers_, self.kernel.features(poses))
        return solve_factorised(self._factor, row).T


def _kernel_matrix(kernel: Kernel, features: Array) -> Array:
    """Kernel matrix (n, n) of features (n, D) with themselves, in as many threads as linear algebra may use."""
    matrix, threads = np.empty((len(features), len(features))), available_threads()

    def fill(rows: slice) -> None:
        kernel.matrix(features[rows], features, matrix[rows])

    if threads == 1:
        fill(slice(None))
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, slices(len(features), CHUNK)))
    return matrix


def predict(regression: Regression, poses: Array) -> Array:
    """Predictions (k, C) of a fitted regression at poses (k, 4, 4): k(x, centers) @ coefficients."""
    if not hasattr(regression, "coefficients_"):
        raise NotFittedError("call fit before predict")
    features = regression.kernel.features(poses)
    return regression.kernel.matrix(features, regression.centers_) @ regression.coefficients_


def check_regression_input(poses: Rows, targets: Rows, penalty: float) -> None:
    """Raise InvalidInputError unless poses (n, 4, 4), targets (n, C) and the penalty can be fitted.

    Values that are computed on demand are not looked at.
    """
    if not (np.isfinite(penalty) and penalty > 0.0):
        raise InvalidInputError("penalty", penalty, "a finite number above 0")
    if len(poses) != len(targets) or len(poses) == 0:
        raise InvalidInputError("targets", f"{len(targets)} rows", f"one for each of {len(poses)} poses, at least one")
    for values in (poses, targets):
        if isinstance(values, np.ndarray):
            for rows in slices(len(values), CHUNK):
                if not np.isfinite(read(values, rows)).all():
                    raise InvalidInputError("samples", "a value that is not finite", "finite numbers")
