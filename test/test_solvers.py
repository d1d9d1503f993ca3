"""Both solvers against SciPy's bounded least squares, and against each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares, lsq_linear

from crisp_ik_ros.solvers.lbfgsb import lbfgsb
from crisp_ik_ros.solvers.levenberg_marquardt import (
    ABANDONED,
    AT_BEST,
    CONVERGED,
    EVALUATE,
    EVALUATIONS,
    EXHAUSTED,
    STALL_EVALUATIONS,
    STALL_SHARE,
    advance,
    levenberg_marquardt,
    make_state,
    start,
)

SOLVERS = ("levenberg_marquardt", "lbfgsb")
every_solver = pytest.mark.parametrize("solver", SOLVERS)
seeds = st.integers(0, 2**32 - 1)


def solve(solver, residual_and_jacobian, initial, lower, upper, **options):
    """Minimise |r|^2 / 2 with either solver."""
    if solver == "levenberg_marquardt":
        return levenberg_marquardt(residual_and_jacobian, initial, lower, upper, **{"limit": 3000, **options})

    def objective_and_gradient(y):
        residual, jacobian = residual_and_jacobian(y)
        return 0.5 * residual @ residual, jacobian.T @ residual

    return lbfgsb(objective_and_gradient, initial, lower, upper, **options)


def linear(rng, rows, columns):
    matrix, right = rng.normal(size=(rows, columns)), rng.normal(size=rows)
    return matrix, right, lambda y: (matrix @ y - right, matrix)


def wavy(rng, rows, columns):
    """A problem bent enough to need steps, and not enough for a second minimum."""
    matrix, right = rng.normal(size=(rows, columns)) + 2.0 * np.eye(rows, columns), rng.normal(size=rows)
    inner = rng.normal(size=(rows, columns))

    def residual_and_jacobian(y):
        bend = inner @ y
        return matrix @ y + 0.05 * np.sin(bend) - right, matrix + 0.05 * np.cos(bend)[:, None] * inner

    return residual_and_jacobian


@every_solver
@settings(max_examples=25)
@given(seeds, st.integers(1, 7), st.integers(0, 5))
def test_linear_problems_are_solved_as_scipy_solves_them(solver, seed, columns, extra):
    rng = np.random.default_rng(seed)
    matrix, right, problem = linear(rng, columns + extra, columns)
    lower, upper = -rng.uniform(0.05, 1.0, columns), rng.uniform(0.05, 1.0, columns)
    expected = lsq_linear(matrix, right, (lower, upper), method="bvls", tol=1e-15)
    found = solve(solver, problem, rng.uniform(lower, upper), lower, upper)
    residual = matrix @ found.configuration - right
    assert 0.5 * residual @ residual == pytest.approx(expected.cost, rel=1e-8, abs=1e-11)
    assert found.cost == pytest.approx(0.5 * residual @ residual, rel=1e-9, abs=1e-18)


@every_solver
@settings(max_examples=25)
@given(seeds, st.integers(1, 7), st.integers(0, 5))
def test_bent_problems_are_solved_as_scipy_solves_them(solver, seed, columns, extra):
    rng = np.random.default_rng(seed)
    problem = wavy(rng, columns + extra, columns)
    lower, upper = -rng.uniform(0.05, 1.0, columns), rng.uniform(0.05, 1.0, columns)
    initial = rng.uniform(lower, upper)
    expected = least_squares(
        lambda y: problem(y)[0], initial, lambda y: problem(y)[1], (lower, upper), xtol=1e-14, ftol=1e-14, gtol=1e-14
    )
    found = solve(solver, problem, initial, lower, upper)
    assert found.cost <= expected.cost * (1.0 + 1e-6) + 1e-11


@settings(max_examples=25)
@given(seeds)
def test_solvers_agree_on_which_bounds_are_active(seed):
    rng = np.random.default_rng(seed)
    problem = wavy(rng, 9, 6)
    lower, upper = np.full(6, -0.3), np.full(6, 0.3)
    first, second = (solve(solver, problem, np.zeros(6), lower, upper) for solver in SOLVERS)
    np.testing.assert_allclose(first.configuration, second.configuration, atol=1e-5)
    np.testing.assert_array_equal(first.configuration == lower, second.configuration == lower)
    np.testing.assert_array_equal(first.configuration == upper, second.configuration == upper)


@every_solver
def test_solution_outside_the_box_ends_on_its_face(solver):
    # |y - (2, 0.5)|^2 in the unit box: (1, 0.5); the gradient there still pushes outwards.
    found = solve(solver, lambda y: (y - np.array([2.0, 0.5]), np.eye(2)), np.zeros(2), np.zeros(2), np.ones(2))
    np.testing.assert_allclose(found.configuration, [1.0, 0.5], atol=1e-8)
    assert found.configuration[0] == 1.0
    assert found.cost == pytest.approx(0.5)
    assert found.converged


@every_solver
def test_bound_that_holds_at_the_start_is_left_when_the_gradient_points_inwards(solver):
    found = solve(solver, lambda y: (y - 0.4, np.eye(3)), np.ones(3), np.zeros(3), np.ones(3))
    np.testing.assert_allclose(found.configuration, 0.4, atol=1e-7)


@every_solver
def test_other_coordinates_move_on_when_one_is_frozen(solver):
    # Strongly coupled: with y_0 frozen at its bound, the best y_1 is not that of the free problem.
    matrix, right = np.array([[1.0, 0.9], [0.9, 1.0], [0.0, 0.1]]), np.array([3.0, 1.0, 0.0])
    lower, upper = np.array([-1.0, -5.0]), np.array([1.0, 5.0])
    expected = lsq_linear(matrix, right, (lower, upper), method="bvls", tol=1e-15).x
    found = solve(solver, lambda y: (matrix @ y - right, matrix), np.zeros(2), lower, upper)
    assert expected[0] == 1.0
    np.testing.assert_allclose(found.configuration, expected, atol=1e-6)


@every_solver
def test_coordinates_of_a_box_without_width_stay(solver):
    lower, upper = np.array([0.2, -1.0]), np.array([0.2, 1.0])
    found = solve(solver, lambda y: (y - np.array([0.9, 0.5]), np.eye(2)), np.zeros(2), lower, upper)
    np.testing.assert_allclose(found.configuration, [0.2, 0.5], atol=1e-8)


@every_solver
def test_start_outside_the_box_is_clipped_to_it(solver):
    seen = []

    def problem(y):
        seen.append(y.copy())
        return y - 0.5, np.eye(2)

    lower, upper = np.zeros(2), np.ones(2)
    initial = np.array([-7.0, 9.0])
    found = solve(solver, problem, initial, lower, upper)
    np.testing.assert_array_equal(seen[0], [0.0, 1.0])
    np.testing.assert_array_equal(initial, [-7.0, 9.0])
    np.testing.assert_allclose(found.configuration, 0.5, atol=1e-8)


@every_solver
@given(seeds)
def test_nothing_is_evaluated_or_returned_outside_the_box(solver, seed):
    rng = np.random.default_rng(seed)
    problem = wavy(rng, 8, 5)
    lower, upper = -rng.uniform(0.05, 1.0, 5), rng.uniform(0.05, 1.0, 5)

    def watched(y):
        assert (y >= lower - 1e-12).all()
        assert (y <= upper + 1e-12).all()
        return problem(y)

    found = solve(solver, watched, rng.normal(size=5) * 3.0, lower, upper).configuration
    assert (found >= lower).all()
    assert (found <= upper).all()


@every_solver
def test_box_may_be_unbounded(solver):
    endless = np.full(2, np.inf)
    found = solve(solver, lambda y: (y - np.array([40.0, -70.0]), np.eye(2)), np.zeros(2), -endless, endless)
    np.testing.assert_allclose(found.configuration, [40.0, -70.0], atol=1e-6)


@every_solver
def test_start_at_the_solution_stays_there(solver):
    found = solve(solver, lambda y: (y - 0.5, np.eye(2)), np.full(2, 0.5), np.zeros(2), np.ones(2))
    np.testing.assert_array_equal(found.configuration, 0.5)
    assert found.cost == 0.0
    assert found.iterations <= 2


@every_solver
def test_redundant_problem_is_solved_without_drifting_along_its_null_space(solver):
    # y_0 + y_1 = 1 from (0, 0): the shortest step is to (0.5, 0.5).
    found = solve(solver, lambda y: (np.array([y.sum() - 1.0]), np.ones((1, 2))), np.zeros(2), -np.ones(2), np.ones(2))
    np.testing.assert_allclose(found.configuration, 0.5, atol=1e-6)


def test_levenberg_marquardt_solves_rosenbrocks_valley():
    found = levenberg_marquardt(
        lambda y: (
            np.array([10.0 * (y[1] - y[0] ** 2), 1.0 - y[0]]),
            np.array([[-20.0 * y[0], 10.0], [-1.0, 0.0]]),
        ),
        np.array([-1.2, 1.0]),
        np.full(2, -2.0),
        np.full(2, 2.0),
        limit=200,
    )
    np.testing.assert_allclose(found.configuration, 1.0, atol=1e-7)
    assert found.converged


def test_levenberg_marquardt_counts_evaluations_and_obeys_its_limit():
    calls = []
    problem = wavy(np.random.default_rng(0), 6, 4)

    def counted(y):
        calls.append(y)
        return problem(y)

    found = levenberg_marquardt(counted, np.ones(4), np.full(4, -1.0), np.ones(4), limit=3)
    assert len(calls) == found.iterations == 3
    assert not found.converged
    calls.clear()
    found = levenberg_marquardt(counted, np.ones(4), np.full(4, -1.0), np.ones(4))
    assert len(calls) == found.iterations
    assert found.converged


def test_levenberg_marquardt_returns_the_best_it_saw():
    seen = []

    def problem(y):
        value = np.array([np.arctan(8.0 * (y[0] - 0.1)), 0.2])
        seen.append(0.5 * value @ value)
        return value, np.array([[8.0 / (1.0 + 64.0 * (y[0] - 0.1) ** 2)], [0.0]])

    for limit in range(1, 12):
        seen.clear()
        found = levenberg_marquardt(problem, np.array([3.0]), np.array([-9.0]), np.array([9.0]), limit=limit)
        assert found.cost == pytest.approx(min(seen), abs=1e-18)


def test_lbfgsb_obeys_its_limit_and_says_that_it_did_not_converge():
    found = solve("lbfgsb", wavy(np.random.default_rng(0), 8, 6), np.ones(6), np.full(6, -1.0), np.ones(6), limit=1)
    assert not found.converged


# ---- the solver that is told residuals, step by step -----------------------------------------------------------------


def begin(initial, lower, upper, prior=None, smallest_step=0.0, hopeless=np.inf, state=None):
    state = make_state(lower, upper) if state is None else state
    start(state, initial, initial if prior is None else prior, smallest_step, hopeless)
    return state


class PlainSolver:
    """The same method in plain linear algebra: (N + damping I) step = -gradient in the joints that are not frozen."""

    def __init__(self, lower, upper, prior, weight):
        self.lower, self.upper, self.prior, self.weight = lower, upper, prior, weight
        self.cost, self.damping, self.growth = np.inf, 1e-3, 2.0

    def next_trial(self, y, residual, jacobian):
        cost = 0.5 * residual @ residual + 0.5 * self.weight**2 * np.sum((y - self.prior) ** 2)
        self.better = cost < self.cost
        if self.better:
            if self.cost < np.inf:
                self.damping = max(0.1 * self.damping, 1e-9)
            self.cost, self.best, self.growth = cost, y.copy(), 2.0
            self.gradient = jacobian.T @ residual + self.weight**2 * (y - self.prior)
            self.normal = jacobian.T @ jacobian + self.weight**2 * np.eye(len(y))
        else:
            self.damping *= self.growth
            self.growth *= 2.0
        free = ~((self.best <= self.lower) & (self.gradient > 0.0) | (self.best >= self.upper) & (self.gradient < 0.0))
        damping = 2.0 * self.cost * self.damping + 1e-10 * self.normal.diagonal().max()
        step = np.zeros(len(y))
        matrix = self.normal[np.ix_(free, free)] + damping * np.eye(free.sum())
        step[free] = np.linalg.solve(matrix, -self.gradient[free])
        return np.clip(self.best + step, self.lower, self.upper)


@settings(max_examples=40)
@given(seeds, st.integers(1, 7), st.sampled_from([0.0, 0.3, 2.0]), st.booleans())
def test_each_trial_is_the_step_of_the_damped_normal_equations(seed, joints, weight, tight):
    rng = np.random.default_rng(seed)
    bent = rng.normal(size=(joints + 2, joints)) * 3.0
    problem = wavy(rng, joints + 2, joints)

    def residual_and_jacobian(y):
        # Waves that steps overshoot, so that some are taken back.
        residual, jacobian = problem(y)
        return residual + np.sin(bent @ y), jacobian + np.cos(bent @ y)[:, None] * bent

    size = 0.3 if tight else 30.0
    lower, upper = -size * rng.uniform(0.5, 1.0, joints), size * rng.uniform(0.5, 1.0, joints)
    prior = rng.normal(size=joints)
    state = begin(rng.uniform(lower, upper), lower, upper, prior)
    plain = PlainSolver(lower, upper, prior, weight)
    for _ in range(10):
        y = state.y.copy()
        residual, jacobian = residual_and_jacobian(y)
        expected = plain.next_trial(y, residual, jacobian)
        assert advance(state, residual, jacobian, weight, 1000) == EVALUATE
        assert state.scalars[AT_BEST] == plain.better
        np.testing.assert_array_equal(state.best, plain.best)
        np.testing.assert_allclose(state.y, expected, rtol=1e-7, atol=1e-9)
        if np.abs(expected - plain.best).max() < 1e-6:
            # From here on rounding decides which cost is lower.
            break


@given(seeds, st.floats(0.01, 10.0))
def test_the_prior_weighs_in_with_its_square(seed, weight):
    rng = np.random.default_rng(seed)
    matrix, right, problem = linear(rng, 3, 5)
    prior = rng.normal(size=5)
    endless = np.full(5, np.inf)
    state = begin(np.zeros(5), -endless, endless, prior)
    while advance(state, *problem(state.y.copy()), weight, 500) == EVALUATE:
        pass
    expected = np.linalg.solve(matrix.T @ matrix + weight**2 * np.eye(5), matrix.T @ right + weight**2 * prior)
    np.testing.assert_allclose(state.best, expected, atol=1e-6)


def test_memory_that_was_used_before_does_not_matter():
    lower, upper = np.full(4, -1.0), np.full(4, 0.6)
    first, second = wavy(np.random.default_rng(0), 6, 4), wavy(np.random.default_rng(1), 6, 4)

    def trials(state):
        seen = []
        while True:
            seen.append(state.y.copy())
            if advance(state, *second(state.y.copy()), 0.1, 40) != EVALUATE:
                assert state.scalars[EVALUATIONS] == len(seen)
                return np.array(seen)

    used = begin(np.ones(4), lower, upper, np.zeros(4), smallest_step=0.5, hopeless=0.0)
    while advance(used, *first(used.y.copy()), 0.0, 30) == EVALUATE:
        pass
    expected = trials(begin(np.zeros(4), lower, upper, np.full(4, 0.2), 1e-9))
    again = trials(begin(np.zeros(4), lower, upper, np.full(4, 0.2), 1e-9, state=used))
    np.testing.assert_array_equal(again, expected)
    assert len(expected) > 3


def told_costs(state, costs, limit=1000):
    """Codes that a solver of one joint gives to so many costs, whatever it tried."""
    return [advance(state, np.array([np.sqrt(2.0 * cost)]), np.array([[1.0]]), 0.0, limit) for cost in costs]


def one_joint(**options):
    return begin(np.zeros(1), np.full(1, -np.inf), np.full(1, np.inf), **options)


def test_the_four_ways_to_go_on_or_end_differ():
    assert len({EVALUATE, CONVERGED, EXHAUSTED, ABANDONED}) == 4


def test_steps_below_the_smallest_end_the_search():
    # The step is -residual, less one part in a thousand times the squared residual.
    assert told_costs(one_joint(smallest_step=0.1), [0.5 * 0.11**2]) == [EVALUATE]
    assert told_costs(one_joint(smallest_step=0.1), [0.5 * 0.09**2]) == [CONVERGED]


def test_a_residual_of_a_tenth_of_a_nanometre_is_the_solution():
    assert told_costs(one_joint(), [0.5 * 1.01e-10**2]) == [EVALUATE]
    assert told_costs(one_joint(), [0.5 * 0.99e-10**2]) == [CONVERGED]


def test_damping_that_only_grows_ends_the_search():
    # 1e-3 grows by 2, 4, 8, ... to 1e12: by 2^(k (k + 1) / 2), after ten steps that fail.
    codes = told_costs(one_joint(), [1.0] + [2.0] * 20)
    assert codes.index(CONVERGED) == 10


def test_the_limit_counts_evaluations_since_the_start():
    assert told_costs(one_joint(), [1.0, 0.9, 0.8], limit=3) == [EVALUATE, EVALUATE, EXHAUSTED]


@pytest.mark.parametrize(
    ("share", "last"), [(1.01 * STALL_SHARE, ABANDONED), (0.99 * STALL_SHARE, EVALUATE), (1.0, ABANDONED)]
)
def test_a_start_that_hardly_gains_in_four_evaluations_is_abandoned(share, last):
    assert STALL_EVALUATIONS == 4 and STALL_SHARE == 0.3
    # What it was before the fourth evaluation does not count; then it has four evaluations for each such share.
    costs = [1000.0, 900.0, 800.0, 100.0, 99.0, 98.0, 97.0, 100.0 * share]
    codes = told_costs(one_joint(hopeless=1.0), costs)
    assert codes[:-1] == [EVALUATE] * 7
    assert codes[-1] == last


def test_a_start_that_gains_is_looked_at_again_every_four_evaluations():
    costs = [1000.0, 900.0, 800.0, 100.0, 99.0, 98.0, 97.0, 20.0, 19.0, 18.0, 17.0, 7.0]
    assert told_costs(one_joint(hopeless=1.0), costs) == [EVALUATE] * 11 + [ABANDONED]


def test_a_start_that_is_near_is_not_abandoned():
    assert told_costs(one_joint(hopeless=1.0), [0.99] * 9)[-1] == EVALUATE
    assert told_costs(one_joint(hopeless=0.98), [0.99] * 9)[7] == ABANDONED


def test_what_is_wanted_may_be_given_as_lists_and_integers():
    found = levenberg_marquardt(lambda y: (y - 0.5, np.eye(2)[::-1][::-1]), [0, 1], [0, 0], [1, 1])
    np.testing.assert_allclose(found.configuration, 0.5, atol=1e-8)
