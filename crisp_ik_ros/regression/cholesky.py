"""Cholesky factorisation of a kernel matrix in its own memory, of any size."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg.blas import dtrsm
from scipy.linalg.lapack import dpotrf

from crisp_ik_ros.errors import RegressionError
from crisp_ik_ros.regression.blas import add_gram, solve_lower_from_right, subtract_product
from crisp_ik_ros.transforms import Array

# Largest jitter, relative to the mean diagonal, that is added to a kernel matrix that rounding has made indefinite.
LARGEST_JITTER = 1e-8
# Columns factorised at a time. LAPACK's own routine on all of them at once crashes the process in OpenBLAS with more
# than one thread from about 16000 on.
BLOCK = 1024
# Rows updated at a time: bounds the memory beside the matrix.
ROWS = 4096


def factorise(matrix: Array) -> tuple[Array, float]:
    """Lower Cholesky factor of a symmetric positive matrix (n, n), in the memory of ``matrix``, and the jitter it took.

    The factor is for ``solve_factorised``: what stands above its diagonal is not zero.

    Raises
    ------
    RegressionError
        When the matrix is not finite, or stays indefinite with the largest permitted jitter.
    """
    if not np.isfinite(matrix.sum()):
        raise RegressionError("the kernel matrix has values that are not finite; check the poses and length scales")
    diagonal = matrix.diagonal().copy()
    jitter = 0.0
    # The factor goes to the triangle that Fortran calls lower, which is the array's upper one, so that the other
    # triangle still holds the matrix if the factorisation has to be tried again.
    factor = matrix.T
    while not _factorise_lower(factor):
        if jitter >= LARGEST_JITTER:
            raise RegressionError(
                f"the kernel matrix of {len(matrix)} samples is singular even with a jitter of {jitter:g}; "
                "raise the penalty, shorten the length scales, or remove duplicated samples"
            )
        jitter = 1e-14 if jitter == 0.0 else jitter * 100.0
        copy_lower_triangle(matrix)
        matrix[np.diag_indices_from(matrix)] = diagonal + jitter * diagonal.mean()
    return factor, jitter


def solve_factorised(factor: Array, right: Array) -> Array:
    """Solve A x = right, (n, C), for the matrix whose ``factorise`` gave the factor."""
    return cho_solve((factor, True), right, check_finite=False)


def copy_lower_triangle(matrix: Array) -> None:
    """Make a matrix (n, n) symmetric in place: what stands below its diagonal goes above it too."""
    for start in range(0, len(matrix), BLOCK):
        stop = start + BLOCK
        square = matrix[start:stop, start:stop]
        square[:] = np.tril(square) + np.tril(square, -1).T
        matrix[start:stop, stop:] = matrix[stop:, start:stop].T


def inverse_diagonal(factor: Array) -> Array:
    """Diagonal (n,) of the inverse of the matrix whose ``factorise`` gave the factor, in n^3 / 3 multiplications.

    It is the squared length of each column of the factor's inverse; the columns come ``BLOCK`` at a time, so that no
    second matrix is needed.
    """
    count = len(factor)
    diagonal = np.empty(count)
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        columns = np.zeros((count - start, stop - start))
        columns[: stop - start] = np.eye(stop - start)
        for first in range(start, count, BLOCK):
            rows = slice(first, min(first + BLOCK, count))
            above, here = columns[: first - start], slice(rows.start - start, rows.stop - start)
            right = columns[here] - factor[rows, start:first] @ above
            columns[here] = dtrsm(1.0, factor[rows, rows], right, lower=1)
        diagonal[start:stop] = (columns**2).sum(axis=0)
    return diagonal


def _factorise_lower(matrix: Array) -> bool:
    """Overwrite the lower triangle of a Fortran-ordered matrix by its factor; False when it is not positive."""
    count = len(matrix)
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        left, square = matrix[start:stop, :start], matrix[start:stop, start:stop]
        add_gram(left, square, -1.0)
        triangle, info = dpotrf(square, lower=1, clean=1)
        if info != 0:
            return False
        square[:] = triangle + np.triu(square, 1)
        for first in range(stop, count, ROWS):
            rows = slice(first, min(first + ROWS, count))
            subtract_product(matrix[rows, :start], left, matrix[rows, start:stop])
            solve_lower_from_right(square, matrix[rows, start:stop])
    return True
