"""Both solvers against SciPy's bounded least squares, and against each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares, lsq_linear

from crisp_ik_ros.solvers.lbfgsb import lbfgsb
from crisp_ik_ros.solvers.levenberg_marquardt import levenberg_marquardt

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
