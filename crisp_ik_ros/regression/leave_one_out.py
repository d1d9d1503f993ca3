"""Leave-one-out predictions of exact kernel ridge regression, in closed form."""

from __future__ import annotations

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
