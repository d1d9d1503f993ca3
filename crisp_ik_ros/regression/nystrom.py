"""Nystrom kernel ridge regression: m centers stand for n samples."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from crisp_ik_ros.errors import InvalidInputError, NotFittedError
from crisp_ik_ros.regression.centers import choose_centers
from crisp_ik_ros.regression.cholesky import factorise, solve_factorised
from crisp_ik_ros.regression.kernel_ridge import check_regression_input, predict
from crisp_ik_ros.regression.kernels import Kernel
from crisp_ik_ros.transforms import Array

# Rows of the kernel matrix held at a time: memory stays at chunk x m numbers however many samples there are.
CHUNK = 4096


class NystromRidge:
    """Kernel ridge regression in the span of m centers (Rudi, Camoriano, Rosasco 2015).

    Coefficients W = (K_nm^T K_nm + n penalty K_mm)^-1 K_nm^T Y. With L L^T = K_mm and B = K_nm L^-T this is
    W = L^-T (B^T B + n penalty I)^-1 B^T Y, which squares the condition of B only, not of K_mm.

    Parameters
    ----------
    kernel : Kernel
    penalty : float
        Ridge penalty, above zero; multiplied by the number of samples.
    centers : int
        Number m of centers, at most the number of samples.
    random_state : int
        Seed of the choice of centers.

    Attributes
    ----------
    center_indices_ : (m,)
        Which samples are centers.
    centers_ : (m, D)
        Their features.
    coefficients_ : (m, C)
        W.
    jitter_ : float
        What had to be added to the diagonal of K_mm, relative to its mean, beyond the 1e-14 that always is.
    """

    def __init__(self, kernel: Kernel, penalty: float = 1e-6, centers: int = 2000, random_state: int = 0):
        self.kernel = kernel
        self.penalty = penalty
        self.centers = centers
        self.random_state = random_state

    def fit(self, poses: Array, targets: Array) -> NystromRidge:
        """Fit to poses (n, 4, 4) and targets (n, C).

        Raises
        ------
        InvalidInputError
            When the penalty is not positive, there are more centers than samples, or the numbers of rows differ.
        RegressionError
            When the kernel matrix of the centers stays singular.
        """
        check_regression_input(poses, targets, self.penalty)
        count = len(poses)
        if not 1 <= self.centers <= count:
            raise InvalidInputError("centers", self.centers, f"between 1 and the number of samples, {count}")
        self._features = self.kernel.features(poses)
        self.center_indices_ = choose_centers(count, self.centers, self.random_state)
        self.centers_ = self._features[self.center_indices_]
        matrix = self.kernel.matrix(self.centers_, self.centers_)
        # Rounding leaves K_mm indefinite for smooth kernels; a relative 1e-14 keeps the common case free of retries.
        matrix[np.diag_indices_from(matrix)] *= 1.0 + 1e-14
        self._center_factor, self.jitter_ = factorise(matrix)
        gram = np.zeros((self.centers, self.centers))
        moment = np.zeros((self.centers, targets.shape[1]))
        for start in range(0, count, CHUNK):
            rows = slice(start, start + CHUNK)
            whitened = self._whiten(self._features[rows])
            gram += whitened @ whitened.T
            moment += whitened @ targets[rows]
        gram[np.diag_indices_from(gram)] += count * self.penalty
        self._gram_factor, _ = factorise(gram)
        self.coefficients_ = np.ascontiguousarray(self._unwhiten(solve_factorised(self._gram_factor, moment)))
        return self

    def predict(self, poses: Array) -> Array:
        """Predictions (k, C) at poses (k, 4, 4)."""
        return predict(self, poses)

    def scores(self, poses: Array) -> Array:
        """Scores a(x) (k, n) of the n training samples at poses (k, 4, 4): a(x) = B (B^T B + n penalty I)^-1 b(x)."""
        if not hasattr(self, "_features"):
            raise NotFittedError("scores need the training samples: call fit first")
        inner = solve_factorised(self._gram_factor, self._whiten(self.kernel.features(poses)))
        row = self.kernel.matrix(self._features, self.centers_)
        return (row @ self._unwhiten(inner)).T

    def _whiten(self, features: Array) -> Array:
        """B^T (m, k) of features (k, D)."""
        row = self.kernel.matrix(self.centers_, features)
        return solve_triangular(self._center_factor, row, lower=True, check_finite=False, overwrite_b=True)

    def _unwhiten(self, values: Array) -> Array:
        return solve_triangular(self._center_factor, values, lower=True, trans="T", check_finite=False)
