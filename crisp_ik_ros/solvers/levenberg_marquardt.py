"""Bounded Levenberg-Marquardt, compiled, by reverse communication.

Minimises |r(y)|^2 / 2 + w^2 |y - prior|^2 / 2 over a box. The solver never calls anything: it says at which y it wants
the residual and Jacobian, the caller evaluates them, and ``advance`` takes the next step. So one compiled solver serves
every objective, compiled or not, and still its loop runs without leaving compiled code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from crisp_ik_ros.compiled import inlined, innermost
from crisp_ik_ros.solvers.result import SolverResult
from crisp_ik_ros.transforms import Array

EVALUATE, CONVERGED, EXHAUSTED, ABANDONED = 0, 1, 2, 3

# Positions in State.scalars.
COST, _DAMPING, _GROWTH, EVALUATIONS, _SMALLEST_STEP = 0, 1, 2, 3, 4
_HOPELESS, _REFERENCE = 5, 6
AT_BEST = 7

# Half the squared residual at which there is nothing left to gain: 1e-10 m or rad.
COST_FLOOR = 0.5e-20
# A search abandons a start whose cost is above this share of what it was so many evaluations before. Measured once on
# 5000 random poses of the Panda, started from the nearest of 2000 known poses: 76 % get there when none is abandoned,
# 66 % with this, and those that fail take 10 evaluations and not 52. Started at random it is 46 and less than 20 %.
STALL_EVALUATIONS, STALL_SHARE = 4, 0.3


class State(NamedTuple):
    """Memory of one solver; ``y`` is where the caller evaluates, ``best`` the best configuration so far.

    Attributes
    ----------
    y, best, gradient, step, prior, lower, upper : (J,)
    normal, factor : (J, J)
        Gauss-Newton matrix at ``best``, and scratch memory.
    scalars : (8,)
        Cost at ``best``, damping, its growth, number of evaluations, step [rad] below which to stop, cost above which
        a start that stalls is abandoned, cost when that was last looked at, and 1 where the last evaluation was of
        ``best``.
    """

    y: Array
    best: Array
    gradient: Array
    step: Array
    prior: Array
    lower: Array
    upper: Array
    normal: Array
    factor: Array
    scalars: Array


def make_state(lower: Array, upper: Array) -> State:
    """Memory for problems in the box [lower, upper], each (J,)."""
    dof = len(lower)
    return State(
        y=np.zeros(dof),
        best=np.zeros(dof),
        gradient=np.zeros(dof),
        step=np.zeros(dof),
        prior=np.zeros(dof),
        lower=np.array(lower, dtype=float),
        upper=np.array(upper, dtype=float),
        normal=np.zeros((dof, dof)),
        factor=np.zeros((dof, dof)),
        scalars=np.zeros(8),
    )


@innermost
def start(state, initial, prior, smallest_step, hopeless):
    """Begin at ``initial`` (J,), clipped to the box; stop where steps are below ``smallest_step`` [rad].

    A start whose cost is above ``hopeless`` and hardly falls is abandoned.
    """
    for j in range(initial.shape[0]):
        state.y[j] = min(max(initial[j], state.lower[j]), state.upper[j])
        state.best[j] = state.y[j]
        state.prior[j] = prior[j]
    state.scalars[COST] = np.inf
    state.scalars[_DAMPING] = 1e-3
    state.scalars[_GROWTH] = 2.0
    state.scalars[EVALUATIONS] = 0.0
    state.scalars[_SMALLEST_STEP] = smallest_step
    state.scalars[_HOPELESS] = hopeless
    state.scalars[_REFERENCE] = np.inf


@innermost
def advance(state, residual, jacobian, prior_weight, limit):
    """Take the residual (R,) and Jacobian (R, J) at ``state.y``, and set ``state.y`` to the next trial.

    Returns EVALUATE while another evaluation is wanted, else CONVERGED, EXHAUSTED (after ``limit`` evaluations) or
    ABANDONED; the answer is then in ``state.best``.
    """
    y, best, gradient, _, prior, _, _, normal, _, scalars = state
    rows, joints = jacobian.shape
    weight = prior_weight * prior_weight
    cost = 0.0
    for i in range(rows):
        cost += residual[i] * residual[i]
    for j in range(joints):
        cost += weight * (y[j] - prior[j]) ** 2
    cost *= 0.5
    scalars[EVALUATIONS] += 1.0
    scalars[AT_BEST] = 1.0 if cost < scalars[COST] else 0.0
    if cost < scalars[COST]:
        # Nielsen's update: damping falls after a good step, and rises ever faster after bad ones.
        if scalars[COST] < np.inf:
            scalars[_DAMPING] = max(scalars[_DAMPING] * 0.1, 1e-9)
        scalars[_GROWTH] = 2.0
        scalars[COST] = cost
        for j in range(joints):
            best[j] = y[j]
            gradient[j] = weight * (y[j] - prior[j])
            for k in range(joints):
                normal[j, k] = weight if j == k else 0.0
        for i in range(rows):
            row, value = jacobian[i], residual[i]
            for j in range(joints):
                own = row[j]
                gradient[j] += own * value
                for k in range(joints):
                    normal[j, k] += own * row[k]
    else:
        scalars[_DAMPING] *= scalars[_GROWTH]
        scalars[_GROWTH] *= 2.0
        if not scalars[_DAMPING] < 1e12:
            return CONVERGED
    if scalars[COST] <= COST_FLOOR:
        return CONVERGED
    if scalars[EVALUATIONS] >= limit:
        return EXHAUSTED
    if scalars[COST] > scalars[_HOPELESS] and scalars[EVALUATIONS] % STALL_EVALUATIONS == 0.0:
        if scalars[COST] > STALL_SHARE * scalars[_REFERENCE]:
            return ABANDONED
        scalars[_REFERENCE] = scalars[COST]
    longest = _projected_step(state, True)
    if longest < scalars[_SMALLEST_STEP]:
        return CONVERGED
    return EVALUATE


@inlined
def _projected_step(state, limited):
    """Write the next trial to ``state.y``, where joints stop at the box if ``limited``; return the longest step."""
    y, best, gradient, step, _, lower, upper, normal, factor, scalars = state
    joints = y.shape[0]
    # Damping in proportion to the cost (Sugihara 2011): large far away, vanishing at the solution, where convergence is
    # then quadratic. The floor keeps rounding from driving a redundant arm, whose normal matrix is singular, along its
    # null space.
    largest = 0.0
    for j in range(joints):
        largest = max(largest, normal[j, j])
    damping = scalars[_DAMPING] * 2.0 * scalars[COST] + 1e-10 * largest + 1e-300
    for j in range(joints):
        step[j] = -gradient[j]
        for k in range(j + 1):
            factor[j, k] = normal[j, k]
        factor[j, j] += damping
    for j in range(joints):
        # A joint at its limit with the gradient pushing outwards is frozen.
        outwards = (best[j] <= lower[j] and gradient[j] > 0.0) or (best[j] >= upper[j] and gradient[j] < 0.0)
        if limited and outwards:
            step[j] = 0.0
            for k in range(j):
                factor[j, k] = 0.0
            for k in range(j + 1, joints):
                factor[k, j] = 0.0
            factor[j, j] = 1.0
    factorize(factor, damping)
    substitute(factor, step)
    longest = 0.0
    for j in range(joints):
        y[j] = min(max(best[j] + step[j], lower[j]), upper[j])
        longest = max(longest, abs(y[j] - best[j]))
    return longest


@inlined
def factorize(matrix, floor):
    """Replace the lower triangle of a matrix (J, J) by its Cholesky factor, with the reciprocals of the diagonal.

    Pivots are at least ``floor``.
    """
    for j in range(matrix.shape[0]):
        pivot = matrix[j, j]
        for k in range(j):
            pivot -= matrix[j, k] * matrix[j, k]
        # The diagonal holds the reciprocals, which are all that is needed of it.
        matrix[j, j] = 1.0 / np.sqrt(max(pivot, floor))
        for i in range(j + 1, matrix.shape[0]):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = total * matrix[j, j]


@inlined
def substitute(factor, vector):
    """Replace a vector (J,) by the solution of the equations whose matrix ``factorize`` has made ``factor`` of."""
    joints = vector.shape[0]
    for j in range(joints):
        total = vector[j]
        for k in range(j):
            total -= factor[j, k] * vector[k]
        vector[j] = total * factor[j, j]
    for j in range(joints - 1, -1, -1):
        total = vector[j]
        for k in range(j + 1, joints):
            total -= factor[k, j] * vector[k]
        vector[j] = total * factor[j, j]


@innermost
def undamped_step(state):
    """Write the step that Gauss and Newton would still take from ``state.best``, without a box, to ``state.step``."""
    state.scalars[_DAMPING] = 0.0
    _projected_step(state, False)


def levenberg_marquardt(
    residual_and_jacobian: Callable[[Array], tuple[Array, Array]],
    initial: Array,
    lower: Array,
    upper: Array,
    limit: int = 60,
    smallest_step: float = 1e-10,
) -> SolverResult:
    """Minimise |r(y)|^2 / 2 over the box [lower, upper].

    Parameters
    ----------
    residual_and_jacobian : callable
        y (J,) -> r (R,), dr/dy (R, J).
    initial, lower, upper : (J,)
    limit : int
        Largest number of evaluations.
    smallest_step : float
        Stop where no coordinate moves farther than this.
    """
    state = make_state(lower, upper)
    begin = np.asarray(initial, dtype=float)
    start(state, begin, begin, smallest_step, np.inf)
    code = EVALUATE
    while code == EVALUATE:
        residual, jacobian = residual_and_jacobian(state.y.copy())
        code = advance(state, np.ascontiguousarray(residual), np.ascontiguousarray(jacobian), 0.0, limit)
    return SolverResult(
        state.best.copy(), float(state.scalars[COST]), int(state.scalars[EVALUATIONS]), code == CONVERGED
    )
