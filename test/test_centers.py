"""Center selections against their definitions, and leave-one-out and conjugate gradients against brute force."""

import numpy as np
import pytest
from test_kernels import random_poses

from crisp_ik_ros.errors import InvalidInputError, RegressionError
from crisp_ik_ros.regression import centers as centers_module
from crisp_ik_ros.regression import cholesky, nystrom
from crisp_ik_ros.regression import leverage as leverage_module
from crisp_ik_ros.regression.centers import plus_plus_centers, select_centers
from crisp_ik_ros.regression.cholesky import factorise, inverse_diagonal
from crisp_ik_ros.regression.conjugate_gradients import conjugate_gradients
from crisp_ik_ros.regression.kernels import GaussianKernel, LaplacianKernel, LinearKernel
from crisp_ik_ros.regression.leave_one_out import leave_one_out_errors
from crisp_ik_ros.regression.leverage import leverage_scores, resolved_ridge
from crisp_ik_ros.regression.nystrom import NystromRidge

POSES = random_poses(150)
KERNEL = LaplacianKernel(0.4, 1.0)


@pytest.mark.parametrize("selection", ["uniform", "kmeans++", "leverage"])
def test_centers_are_distinct_sorted_and_the_same_for_the_same_seed(selection):
    chosen = select_centers(selection, KERNEL, POSES, 1e-3, 40, random_state=5)
    assert len(set(chosen)) == 40
    assert (np.diff(chosen) > 0).all()
    assert chosen.min() >= 0
    assert chosen.max() < len(POSES)
    np.testing.assert_array_equal(chosen, select_centers(selection, KERNEL, POSES, 1e-3, 40, random_state=5))
    assert not np.array_equal(chosen, select_centers(selection, KERNEL, POSES, 1e-3, 40, random_state=6))
    np.testing.assert_array_equal(select_centers(selection, KERNEL, POSES, 1e-3, 150), np.arange(150))


@pytest.mark.parametrize("selection", ["kmeans++", "leverage"])
def test_candidates_are_a_bounded_part_of_many_samples(monkeypatch, selection):
    monkeypatch.setattr(centers_module, "CANDIDATES", 60)
    monkeypatch.setattr(centers_module, "CANDIDATES_PER_CENTER", 2)
    chosen = select_centers(selection, KERNEL, POSES, 1e-3, 40)
    assert len(set(chosen)) == 40


def test_each_selection_is_its_own():
    features = KERNEL.features(POSES)
    spread = plus_plus_centers(features, 40, np.random.default_rng(5))
    np.testing.assert_array_equal(select_centers("kmeans++", KERNEL, POSES, 1e-3, 40, 5), np.sort(spread))
    uniform = np.random.default_rng(5).choice(150, 40, replace=False)
    np.testing.assert_array_equal(select_centers("uniform", KERNEL, POSES, 1e-3, 40, 5), np.sort(uniform))
    dictionary = features[np.sort(uniform)]
    scores = leverage_scores(KERNEL, features, dictionary, 40 / 150, resolved_ridge(KERNEL, dictionary, 40 / 150, 1e-3))
    rare = np.random.default_rng(5).choice(150, 40, replace=False, p=scores / scores.sum())
    np.testing.assert_array_equal(select_centers("leverage", KERNEL, POSES, 1e-3, 40, 5), np.sort(rare))


@pytest.mark.parametrize("selection", ["uniform", "kmeans++", "leverage"])
def test_one_center_is_enough(selection):
    assert select_centers(selection, KERNEL, POSES, 1e-3, 1).shape == (1,)


def test_a_selection_that_does_not_exist_is_refused():
    with pytest.raises(InvalidInputError, match="center_selection"):
        select_centers("best", KERNEL, POSES, 1e-3, 40)


# ---- k-means++ -----------------------------------------------------------------------------------------------------


def test_plus_plus_draws_with_the_probabilities_of_its_definition():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    draws = 20000
    rng = np.random.default_rng(0)
    seen = np.zeros((4, 4, 4))
    for _ in range(draws):
        seen[tuple(plus_plus_centers(points, 3, rng))] += 1.0
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    for a in range(4):
        for b in range(4):
            for c in range(4):
                second = squared[a, b] / squared[a].sum()
                nearest = np.minimum(squared[a], squared[b])
                third = nearest[c] / nearest.sum()
                probability = 0.25 * second * third
                spread = np.sqrt(probability * (1.0 - probability) / draws)
                assert abs(seen[a, b, c] / draws - probability) <= 5.0 * spread + 1e-12


def test_plus_plus_takes_each_place_before_any_twice():
    places = np.repeat(np.arange(5.0)[:, None], 4, axis=0)
    chosen = plus_plus_centers(places, 12, np.random.default_rng(1))
    assert len(set(chosen)) == 12
    assert set(places[chosen[:5], 0]) == set(range(5))


def test_plus_plus_covers_better_than_chance():
    features = np.random.default_rng(0).normal(size=(2000, 3)) ** 3

    def covering(indices):
        return ((features[:, None] - features[None, indices]) ** 2).sum(axis=2).min(axis=1).mean()

    ours = np.mean([covering(plus_plus_centers(features, 30, np.random.default_rng(k))) for k in range(5)])
    chance = np.mean([covering(np.random.default_rng(k).choice(2000, 30, replace=False)) for k in range(5)])
    assert ours < 0.7 * chance


# ---- leverage scores -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [KERNEL, GaussianKernel(0.4, 1.0), LinearKernel(0.4, 1.0)], ids=str)
@pytest.mark.parametrize("ridge", [1.0, 1e-3])
def test_leverage_scores_with_all_samples_are_the_definition(kernel, ridge):
    features = kernel.features(POSES)
    matrix = kernel.matrix(features, features)
    exact = np.diagonal(matrix @ np.linalg.inv(matrix + ridge * np.eye(len(matrix))))
    np.testing.assert_allclose(leverage_scores(kernel, features, features, 1.0, ridge), exact, rtol=1e-7, atol=1e-9)


def test_leverage_scores_from_a_part_are_near_the_exact_ones():
    poses = random_poses(1200, seed=4)
    kernel, ridge = GaussianKernel(0.6, 3.0), 0.5
    features = kernel.features(poses)
    matrix = kernel.matrix(features, features)
    exact = np.diagonal(matrix @ np.linalg.inv(matrix + ridge * np.eye(len(matrix))))
    part = np.random.default_rng(0).choice(1200, 600, replace=False)
    scores = leverage_scores(kernel, features, features[part], 0.5, ridge)
    assert ((scores > 0.5 * exact) & (scores < 2.0 * exact)).all()
    assert scores.sum() == pytest.approx(exact.sum(), rel=0.2)


def test_leverage_draws_rare_samples_first():
    line = np.tile(np.eye(4), (500, 1, 1))
    line[:, 0, 3] = np.concatenate([np.random.default_rng(0).normal(0.0, 0.05, 490), 10.0 + 2.0 * np.arange(10)])
    chosen = select_centers("leverage", GaussianKernel(0.3, 1.0), line, 0.1, 40)
    assert set(range(490, 500)) <= set(chosen)
    chance = select_centers("uniform", GaussianKernel(0.3, 1.0), line, 0.1, 40)
    assert len(set(range(490, 500)) & set(chance)) < 5


def test_ridge_is_raised_until_half_the_dictionary_tells_all():
    features = KERNEL.features(POSES)
    values = np.linalg.eigvalsh(KERNEL.matrix(features, features))
    assert np.sum(values / (values + 10.0)) < 75.0
    assert resolved_ridge(KERNEL, features, 1.0, 10.0) == 10.0
    raised = resolved_ridge(KERNEL, features, 1.0, 1e-9)
    assert np.sum(values / (values + raised)) == pytest.approx(75.0, rel=1e-6)


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_ridge_is_raised_by_what_a_part_of_the_dictionary_tells(monkeypatch, weight):
    # Each sample four times: one of each has a quarter of every eigenvalue.
    monkeypatch.setattr(leverage_module, "SPECTRUM_SAMPLES", 30)
    once = KERNEL.features(POSES[:30])
    values = 4.0 * np.maximum(np.linalg.eigvalsh(KERNEL.matrix(once, once)), 0.0) / weight
    raised = resolved_ridge(KERNEL, np.repeat(once, 4, axis=0), weight, 1e-9)
    assert np.sum(values / (values + raised)) == pytest.approx(15.0, rel=1e-6)


@pytest.mark.parametrize("selection", ["kmeans++", "leverage"])
def test_centers_are_the_same_in_chunks_of_any_size(monkeypatch, selection):
    whole = select_centers(selection, KERNEL, POSES, 1e-3, 40)
    for chunk in (1, 7, 149):
        monkeypatch.setattr(centers_module, "CHUNK", chunk)
        monkeypatch.setattr(leverage_module, "CHUNK", chunk)
        np.testing.assert_array_equal(select_centers(selection, KERNEL, POSES, 1e-3, 40), whole)


@pytest.mark.parametrize("selection", ["kmeans++", "leverage"])
def test_regression_takes_the_centers_that_are_chosen(selection):
    targets = np.sin(3.0 * POSES[:, :3, 3])
    penalty = 1e-4
    regression = NystromRidge(KERNEL, penalty, 40, 3, selection).fit(POSES, targets)
    chosen = select_centers(selection, KERNEL, POSES, 150 * penalty, 40, 3)
    np.testing.assert_array_equal(regression.center_indices_, chosen)
    tall, square = KERNEL(POSES, POSES[chosen]), KERNEL(POSES[chosen], POSES[chosen])
    expected = np.linalg.solve(tall.T @ tall + 150 * penalty * square, tall.T @ targets)
    np.testing.assert_allclose(regression.coefficients_, expected, rtol=1e-7, atol=1e-9)


# ---- conjugate gradients -------------------------------------------------------------------------------------------


def test_conjugate_gradients_solve_each_column():
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.normal(size=(40, 40)))
    matrix = basis @ np.diag(np.geomspace(1.0, 1e4, 40)) @ basis.T
    right = np.column_stack([rng.normal(size=(40, 3)), np.zeros(40), 1e-8 * rng.normal(size=40)])
    scale = np.diagonal(matrix)[:, None]
    solution, residual, used = conjugate_gradients(lambda v: matrix @ v, lambda v: v / scale, right, 1e-12, 500)
    np.testing.assert_allclose(solution, np.linalg.solve(matrix, right), rtol=1e-7, atol=1e-18)
    assert residual.max() <= 1e-11
    assert 0 < used < 500
    exact, _, once = conjugate_gradients(lambda v: matrix @ v, lambda v: np.linalg.solve(matrix, v), right, 1e-10, 500)
    assert once <= 2
    np.testing.assert_allclose(exact, np.linalg.solve(matrix, right), rtol=1e-7, atol=1e-18)


def test_conjugate_gradients_that_run_out_say_how_far_they_came():
    matrix = np.diag(np.geomspace(1.0, 1e10, 50))
    right = np.ones((50, 1))
    _, residual, used = conjugate_gradients(lambda v: matrix @ v, lambda v: v, right, 1e-12, 5)
    assert used == 5
    assert residual[0] > 1e-12


def test_conjugate_gradients_return_the_best_they_came_to_and_its_residual():
    rng = np.random.default_rng(0)
    matrix, right = np.diag(np.geomspace(1.0, 1e6, 30)), rng.normal(size=(30, 2))
    scale = rng.uniform(0.5, 2.0, (30, 1))
    before = np.ones(2)
    for iterations in range(1, 12):
        solution, residual, used = conjugate_gradients(
            lambda v: matrix @ v, lambda v: v / scale, right, 1e-12, iterations
        )
        assert used == iterations
        left = right - matrix @ solution
        expected = np.sqrt((left**2 / scale).sum(axis=0) / (right**2 / scale).sum(axis=0))
        np.testing.assert_allclose(residual, expected, rtol=1e-6)
        assert (residual <= before).all()
        before = residual


def test_conjugate_gradients_end_where_a_direction_has_no_curvature():
    right = np.array([[1.0, 1.0], [1.0, 0.0]])
    solution, residual, used = conjugate_gradients(
        lambda v: np.array([[2.0], [-2.0]]) * v, lambda v: v, right, 1e-12, 50
    )
    # The first column cannot be solved and stays as it is; the second takes one step.
    np.testing.assert_array_equal(solution, [[0.0, 0.5], [0.0, 0.0]])
    np.testing.assert_array_equal(residual, [1.0, 0.0])
    assert used == 1


@pytest.mark.parametrize("selection", ["uniform", "kmeans++"])
@pytest.mark.parametrize(
    ("kernel", "penalty"), [(KERNEL, 1e-6), (GaussianKernel(0.4, 1.0), 1e-8), (GaussianKernel(1.0, 3.0), 1e-6)]
)
@pytest.mark.parametrize("sketch", [2, 8])
def test_conjugate_gradients_give_the_direct_nystrom_solution(monkeypatch, kernel, penalty, selection, sketch):
    monkeypatch.setattr(nystrom, "SKETCH", sketch)
    poses = random_poses(900, seed=2)
    targets = np.column_stack([np.sin(3.0 * poses[:, :3, 3]), np.ones(900)])
    direct, iterated = (
        NystromRidge(kernel, penalty, 120, 0, selection, solver).fit(poses, targets)
        for solver in ("cholesky", "conjugate_gradients")
    )
    assert direct.iterations_ == 0
    assert 0 < iterated.iterations_ < 200
    assert iterated.residual_ <= nystrom.TOLERANCE
    np.testing.assert_allclose(iterated.predict(POSES), direct.predict(POSES), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(iterated.scores(POSES[:3]), direct.scores(POSES[:3]), rtol=1e-5, atol=1e-7)


def test_conjugate_gradients_that_come_to_no_solution_are_an_error(monkeypatch):
    monkeypatch.setattr(nystrom, "ITERATIONS", 2)
    monkeypatch.setattr(nystrom, "SKETCH", 1)
    regression = NystromRidge(KERNEL, 1e-9, 40, solver="conjugate_gradients")
    with pytest.raises(RegressionError, match="penalty"):
        regression.fit(POSES, np.sin(3.0 * POSES[:, :3, 3]))


def test_many_centers_are_solved_by_conjugate_gradients(monkeypatch):
    monkeypatch.setattr(nystrom, "MANY_CENTERS", 40)
    targets = np.sin(3.0 * POSES[:, :3, 3])
    assert NystromRidge(KERNEL, 1e-4, 40).fit(POSES, targets).iterations_ > 0
    assert NystromRidge(KERNEL, 1e-4, 39).fit(POSES, targets).iterations_ == 0
    assert NystromRidge(KERNEL, 1e-4, 40, solver="cholesky").fit(POSES, targets).iterations_ == 0


@pytest.mark.parametrize("penalty", [1e-12, 1e-20])
def test_conjugate_gradients_bear_a_ridge_that_rounding_hides(penalty):
    kernel = GaussianKernel(3.0, 10.0)
    targets = np.column_stack([np.sin(POSES[:, :3, 3]), np.ones(150)])
    direct, iterated = (
        NystromRidge(kernel, penalty, 60, 0, "uniform", solver).fit(POSES, targets)
        for solver in ("cholesky", "conjugate_gradients")
    )
    np.testing.assert_allclose(iterated.predict(POSES), direct.predict(POSES), atol=2e-3)


# ---- leave one out -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [KERNEL, GaussianKernel(0.4, 1.0)], ids=str)
@pytest.mark.parametrize("ridge", [1e-2, 1e-6])
def test_leave_one_out_errors_are_those_of_as_many_regressions(kernel, ridge):
    poses = POSES[:40]
    targets = np.column_stack([np.sin(3.0 * poses[:, :3, 3]), np.ones(40)])
    features = kernel.features(poses)
    matrix = kernel.matrix(features, features)
    expected = np.empty_like(targets)
    for i in range(40):
        others = np.delete(np.arange(40), i)
        system = matrix[np.ix_(others, others)] + ridge * np.eye(39)
        expected[i] = targets[i] - matrix[i, others] @ np.linalg.solve(system, targets[others])
    factor, _ = factorise(matrix + ridge * np.eye(40))
    np.testing.assert_allclose(leave_one_out_errors(factor, targets), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("size", [1, 7, 8, 29])
def test_diagonal_of_the_inverse_comes_in_blocks(monkeypatch, size):
    monkeypatch.setattr(cholesky, "BLOCK", 7)
    root = np.random.default_rng(0).normal(size=(size, size + 3))
    matrix = root @ root.T + np.eye(size)
    factor, _ = factorise(matrix.copy())
    np.testing.assert_allclose(inverse_diagonal(factor), np.diagonal(np.linalg.inv(matrix)), rtol=1e-10)
