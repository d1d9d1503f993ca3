"""L-BFGS-B from SciPy: the solver of the paper, kept as the reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from crisp_ik_ros.solvers.result import SolverResult
from crisp_ik_ros.transforms import Array


def lbfgsb(
    objective_and_gradient: Callable[[Array], tuple[float, Array]],
    initial: Array,
    lower: Array,
    upper: Array,
    limit: int = 1000,
    tolerance: float = 1e-14,
) -> SolverResult:
    """Minimise F(y) over the box [lower, upper].

    Parameters
    ----------
    objective_and_gradient : callable
        y (J,) -> F, dF/dy (J,).
    initial, lower, upper : (J,)
    limit : int
        Largest number of iterations.
    tolerance : float
        Stop where the projected gradient, or the relative decrease of F, is below this.
    """
    result = minimize(
        objective_and_gradient,
        np.clip(initial, lower, upper),
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(lower, upper, strict=True)),
        options={"maxiter": limit, "maxfun": 20 * limit, "ftol": tolerance, "gtol": tolerance, "maxcor": 20},
    )
    # SciPy may return a coordinate one rounding error outside the box.
    configuration = np.clip(result.x, lower, upper)
    return SolverResult(configuration, float(result.fun), int(result.nfev), bool(result.success))
