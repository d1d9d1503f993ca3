"""Nystrom kernel ridge regression: m centers stand for n samples."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from crisp_ik_ros.errors import InvalidInputError, NotFittedError, RegressionError
from crisp_ik_ros.regression.centers import check_center_selection, choose_centers, select_centers
from crisp_ik_ros.regression.cholesky import copy_lower_triangle, factorise, solve_factorised
from crisp_ik_ros.regression.conjugate_gradients import conjugate_gradients
from crisp_ik_ros.regression.kernel_ridge import check_regression_input, predict
from crisp_ik_ros.regression.kernels import Kernel
from crisp_ik_ros.regression.sums import CHUNK, GramTerm, MomentTerm, NormalTerm, Rows, Sums, local_sums, read, slices
from crisp_ik_ros.transforms import Array

SOLVERS = ("cholesky", "conjugate_gradients")
# Centers from which conjugate gradients take less time, and far less memory, than the gram matrix.
MANY_CENTERS = 10000
# Relative size of the residual at which conjugate gradients end, the most iterations they get, and the size that they
# have to come down to.
TOLERANCE, ITERATIONS, ACCEPTABLE = 1e-8, 300, 1e-3
# Samples for each center that the preconditioner is made from.
SKETCH = 8
# Smallest ridge, relative to the trace of B^T B, that rounding in products with it leaves them.
LEAST_RIDGE = 1e-14


class NystromRidge:
    """Kernel ridge regression in the span of m centers (Rudi, Camoriano, Rosasco 2015).

    Coefficients W = (K_nm^T K_nm + n penalty K_mm)^-1 K_nm^T Y. With L L^T = K_mm and B = K_nm L^-T this is
    W = L^-T (B^T B + n penalty I)^-1 B^T Y, which squares the condition of B only, not of K_mm. The samples are read
    in chunks, from memory or from a file, and none is kept beyond its chunk.

    With few centers B^T B is summed up and factorised, at n m^2 multiplications for it and as many for B. With many the
    system is solved by conjugate gradients, at 2 n m C multiplications and n m kernel values an iteration,
    preconditioned by what B^T B + n penalty I is with 8 m samples standing for all (after FALKON: Rudi, Carratino,
    Rosasco 2017, who take the m centers alone, which saves 16 m^3 multiplications and, with ridges as small as ours,
    costs hundreds of iterations instead of tens). That holds two m x m matrices, and no n x m one. A ridge n penalty
    below 1e-14 times the trace of B^T B, about n, is raised to that: rounding hides a smaller one.

    Parameters
    ----------
    kernel : Kernel
    penalty : float
        Ridge penalty, above zero; multiplied by the number of samples.
    centers : int
        Number m of centers, at most the number of samples.
    random_state : int
        Seed of the choice of centers.
    center_selection : {"uniform", "kmeans++", "leverage"}
        See ``select_centers``.
    solver : {"cholesky", "conjugate_gradients"} or None
        None: conjugate gradients from 10000 centers on.

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
    iterations_ : int
        Conjugate gradient iterations; 0 where there were none.
    residual_ : float
        Largest relative residual of a column after them.
    """

    def __init__(
        self,
        kernel: Kernel,
        penalty: float = 1e-6,
        centers: int = 2000,
        random_state: int = 0,
        center_selection: str = "uniform",
        solver: str | None = None,
    ):
        self.kernel = kernel
        self.penalty = penalty
        self.centers = centers
        self.random_state = random_state
        self.center_selection = center_selection
        self.solver = solver

    def fit(self, poses: Rows, targets: Rows, sums: Sums = local_sums) -> NystromRidge:
        """Fit to poses (n, 4, 4) and targets (n, C): arrays, in memory or mapped, or rows computed on demand.

        ``sums`` says where to sum over them: ``local_sums``, or what ``open_sums`` gives for a cluster.

        Raises
        ------
        InvalidInputError
            When a hyperparameter is out of range, there are more centers than samples, or the numbers of rows differ.
        RegressionError
            When the kernel matrix of the centers stays singular, or conjugate gradients come to no solution.
        """
        check_regression_input(poses, targets, self.penalty)
        check_center_selection(self.center_selection)
        check_solver(self.solver)
        count, columns = len(poses), targets.shape[1]
        if not 1 <= self.centers <= count:
            raise InvalidInputError("centers", self.centers, f"between 1 and the number of samples, {count}")
        self._poses = poses
        self._ridge = count * self.penalty
        self.center_indices_ = select_centers(
            self.center_selection, self.kernel, poses, self._ridge, self.centers, self.random_state
        )
        self.centers_ = self.kernel.features(read(poses, self.center_indices_))
        matrix = self.kernel.matrix(self.centers_, self.centers_)
        # Rounding leaves K_mm indefinite for smooth kernels; a relative 1e-14 keeps the common case free of retries.
        matrix[np.diag_indices_from(matrix)] *= 1.0 + 1e-14
        self._center_factor, self.jitter_ = factorise(matrix)
        self.iterations_, self.residual_ = 0, 0.0
        if self._iterates:
            matrix = self._sketch(poses)
            self._ridge = max(self._ridge, LEAST_RIDGE * float(np.trace(matrix)))
            moment = sums(MomentTerm(self.kernel, self.centers_, columns), poses, targets, CHUNK)[0]
            moment = self._whiten(moment)
        else:
            term = GramTerm(self.kernel, self.centers_, self._center_factor, columns)
            matrix, moment = sums(term, poses, targets, CHUNK)
        copy_lower_triangle(matrix)
        matrix = matrix.T
        matrix[np.diag_indices_from(matrix)] += self._ridge
        self._inner_factor, _ = factorise(matrix)
        coefficients = np.ascontiguousarray(self._unwhiten(self._solve(moment, sums)))
        if not np.isfinite(coefficients).all():
            raise RegressionError("the coefficients are not finite; check the samples")
        self.coefficients_ = coefficients
        return self

    def predict(self, poses: Array) -> Array:
        """Predictions (k, C) at poses (k, 4, 4)."""
        return predict(self, poses)

    def scores(self, poses: Array) -> Array:
        """Scores a(x) (k, n) of the n training samples at poses (k, 4, 4): a(x) = B (B^T B + n penalty I)^-1 b(x)."""
        if not hasattr(self, "_inner_factor"):
            raise NotFittedError("scores need the training samples: call fit first")
        row = self.kernel.matrix(self.centers_, self.kernel.features(poses))
        inner = self._unwhiten(self._solve(self._whiten(row), local_sums))
        scores = np.empty((len(poses), len(self._poses)))
        for rows in slices(len(self._poses), CHUNK):
            features = self.kernel.features(read(self._poses, rows))
            scores[:, rows] = (self.kernel.matrix(features, self.centers_) @ inner).T
        return scores

    @property
    def _iterates(self) -> bool:
        return self.solver == "conjugate_gradients" or (self.solver is None and self.centers >= MANY_CENTERS)

    def _sketch(self, poses: Rows) -> Array:
        """Lower triangle of B^T B (m, m), about, from some of the samples."""
        count = len(poses)
        drawn = choose_centers(count, min(count, SKETCH * self.centers), self.random_state + 1)
        term = GramTerm(self.kernel, self.centers_, self._center_factor, 0)
        matrix = local_sums(term, read(poses, drawn), np.empty((len(drawn), 0)), CHUNK)[0]
        matrix *= count / len(drawn)
        return matrix

    def _solve(self, right: Array, sums: Sums) -> Array:
        """Solve (B^T B + n penalty I) X = right, (m, C)."""
        if not self._iterates:
            return solve_factorised(self._inner_factor, right)

        def product(directions: Array) -> Array:
            term = NormalTerm(self.kernel, self.centers_, np.ascontiguousarray(self._unwhiten(directions)))
            # The term wants no targets.
            image = sums(term, self._poses, self._poses, CHUNK)[0]
            return self._whiten(image) + self._ridge * directions

        def precondition(residual: Array) -> Array:
            return solve_factorised(self._inner_factor, residual)

        solution, residual, self.iterations_ = conjugate_gradients(product, precondition, right, TOLERANCE, ITERATIONS)
        self.residual_ = float(residual.max())
        if not self.residual_ <= ACCEPTABLE:
            raise RegressionError(
                f"conjugate gradients left a relative residual of {self.residual_:.1e} after {self.iterations_} "
                "iterations; raise the penalty, shorten the length scales, or use the solver 'cholesky'"
            )
        return solution

    def _whiten(self, values: Array) -> Array:
        """L^-1 times (m, k)."""
        return solve_triangular(self._center_factor, values, lower=True, check_finite=False)

    def _unwhiten(self, values: Array) -> Array:
        return solve_triangular(self._center_factor, values, lower=True, trans="T", check_finite=False)


def check_solver(solver: str | None, label: str = "solver") -> None:
    """Raise InvalidInputError, with the label, unless there is a solver of that name."""
    if solver not in (None, *SOLVERS):
        raise InvalidInputError(label, repr(solver), f"{' or '.join(map(repr, SOLVERS))}, or None")
