"""Leave-one-out predictions of exact kernel ridge regression, of samples and of groups of them, in closed form."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.regression.cholesky import inverse_diagonal, solve_factorised
from crisp_ik_ros.transforms import Array


def leave_one_out_errors(factor: Array, targets: Array) -> Array:
    """Errors (n, C), target minus prediction, at each sample of the regression on all others (PRESS; Allen 1974).

    With G = K + ridge I they are (G^-1 Y)_i / (G^-1)_ii: exactly what n regressions on n - 1 samples give with the same
    ridge, that is n * penalty (Rasmussen, Williams 2006, section 5.4.2).

    Parameters
    ----------
    factor : (n, n)
        What ``factorise`` makes of G.
    targets : (n, C)
        Y.
    """
    return solve_factorised(factor, targets) / inverse_diagonal(factor)[:, None]


def leave_group_out_errors(factor: Array, targets: Array, groups: np.ndarray) -> Array:
    """Errors (n, C), target minus prediction, at each sample of the regression on all samples of other groups.

    For the rows S of a group they are ((G^-1)_SS)^-1 (G^-1 Y)_S: the blocks in place of the diagonal of
    ``leave_one_out_errors``, from the same factorization, with the same ridge.

    Parameters
    ----------
    factor : (n, n)
        What ``factorise`` makes of G.
    targets : (n, C)
        Y.
    groups : (n,)
        Label of each sample's group.
    """
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if len(counts) == len(groups):
        return leave_one_out_errors(factor, targets)
    errors = solve_factorised(factor, targets)
    inverse = solve_factorised(factor, np.eye(len(factor)))
    order = np.argsort(place, kind="stable")
    for rows in np.split(order, np.cumsum(counts)[:-1]):
        errors[rows] = np.linalg.solve(inverse[np.ix_(rows, rows)], errors[rows])
    return errors
