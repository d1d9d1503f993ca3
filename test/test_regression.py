"""Exact and Nystrom regression: one contract for both, and each against its formula solved directly."""

import numpy as np
import pytest
from test_kernels import random_poses

from crisp_ik_ros.errors import InvalidInputError, NotFittedError, RegressionError
from crisp_ik_ros.regression import cholesky, kernel_ridge, nystrom
from crisp_ik_ros.regression.centers import choose_centers
from crisp_ik_ros.regression.cholesky import LARGEST_JITTER, factorise, solve_factorised
from crisp_ik_ros.regression.kernel_ridge import KernelRidge
from crisp_ik_ros.regression.kernels import GaussianKernel, LaplacianKernel, LinearKernel
from crisp_ik_ros.regression.nystrom import NystromRidge

COUNT = 60
POSES, OTHERS = random_poses(COUNT), random_poses(9, seed=1)
KERNELS = [GaussianKernel(0.4, 1.0), LaplacianKernel(0.4, 1.0), LinearKernel(0.4, 1.0)]


def targets_of(poses):
    p, r = poses[:, :3, 3], poses[:, :3, :3]
    return np.column_stack([np.sin(3.0 * p[:, 0]), p[:, 1] * p[:, 2], r[:, 0, 1], np.ones(len(p))])


TARGETS = targets_of(POSES)


def exact(kernel, penalty=1e-6):
    return KernelRidge(kernel, penalty)


def nystrom_all(kernel, penalty=1e-6):
    return NystromRidge(kernel, penalty, centers=COUNT)


def nystrom_some(kernel, penalty=1e-6):
    return NystromRidge(kernel, penalty, centers=25, random_state=3)


def nystrom_iterated(kernel, penalty=1e-6):
    return NystromRidge(kernel, penalty, centers=25, random_state=3, solver="conjugate_gradients")


CONTRACT = pytest.mark.parametrize("make", [exact, nystrom_all, nystrom_some, nystrom_iterated])


@CONTRACT
@pytest.mark.parametrize("kernel", KERNELS[:2], ids=str)
def test_scores_times_targets_are_the_predictions(make, kernel):
    regression = make(kernel).fit(POSES, TARGETS)
    scores = regression.scores(OTHERS)
    assert scores.shape == (len(OTHERS), COUNT)
    # Iterations end at a relative residual of 1e-8, for the scores and for the coefficients.
    rounding = 1e-6 if make is nystrom_iterated else 1e-9
    np.testing.assert_allclose(scores @ TARGETS, regression.predict(OTHERS), rtol=rounding, atol=0.1 * rounding)


@CONTRACT
@pytest.mark.parametrize("kernel", KERNELS[:2], ids=str)
def test_predictions_are_linear_in_the_targets(make, kernel):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, COUNT, 3))
    both = make(kernel).fit(POSES, 2.0 * first - second).predict(OTHERS)
    apart = 2.0 * make(kernel).fit(POSES, first).predict(OTHERS) - make(kernel).fit(POSES, second).predict(OTHERS)
    np.testing.assert_allclose(both, apart, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("make", [exact, nystrom_all])
def test_small_penalty_interpolates_the_samples(make):
    regression = make(LaplacianKernel(0.4, 1.0), penalty=1e-12).fit(POSES, TARGETS)
    np.testing.assert_allclose(regression.predict(POSES), TARGETS, atol=1e-7)


@CONTRACT
def test_huge_penalty_predicts_nothing(make):
    regression = make(GaussianKernel(0.4, 1.0), penalty=1e9).fit(POSES, TARGETS)
    assert np.abs(regression.predict(OTHERS)).max() < 1e-6


@CONTRACT
def test_fits_are_deterministic_and_leave_their_inputs_alone(make):
    poses, targets = POSES.copy(), TARGETS.copy()
    first, second = (make(KERNELS[0]).fit(poses, targets).predict(OTHERS) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(poses, POSES)
    np.testing.assert_array_equal(targets, TARGETS)


@CONTRACT
def test_fit_returns_self_and_keeps_its_hyperparameters(make):
    regression = make(KERNELS[0], 1e-5)
    assert regression.fit(POSES, TARGETS) is regression
    assert regression.kernel is KERNELS[0]
    assert regression.penalty == 1e-5
    assert regression.coefficients_.shape == (len(regression.centers_), TARGETS.shape[1])


@CONTRACT
def test_nothing_is_predicted_before_fit(make):
    with pytest.raises(NotFittedError):
        make(KERNELS[0]).predict(OTHERS)
    with pytest.raises(NotFittedError):
        make(KERNELS[0]).scores(OTHERS)


def _with_nan(array):
    array = array.copy()
    array.flat[5] = np.nan
    return array


@CONTRACT
@pytest.mark.parametrize(
    ("poses", "targets", "penalty", "name"),
    [
        (POSES, TARGETS, 0.0, "penalty"),
        (POSES, TARGETS, -1e-6, "penalty"),
        (POSES, TARGETS, np.nan, "penalty"),
        (POSES, TARGETS, np.inf, "penalty"),
        (POSES, TARGETS[:-1], 1e-6, "targets"),
        (POSES[:0], TARGETS[:0], 1e-6, "targets"),
        (_with_nan(POSES), TARGETS, 1e-6, "samples"),
        (POSES, _with_nan(TARGETS), 1e-6, "samples"),
    ],
)
def test_wrong_input_is_refused_by_name(make, poses, targets, penalty, name):
    with pytest.raises(InvalidInputError, match=name):
        make(KERNELS[0], penalty).fit(poses, targets)


@CONTRACT
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_duplicated_samples_get_a_stated_jitter_or_a_regression_error(make, kernel):
    poses = np.repeat(POSES[:6], COUNT // 6, axis=0)
    targets = targets_of(poses)
    regression = make(kernel, penalty=1e-30)
    try:
        regression.fit(poses, targets)
    except RegressionError as error:
        assert "penalty" in str(error)
    else:
        assert 0.0 <= regression.jitter_ <= LARGEST_JITTER * (1.0 + 1e-9)
        assert np.isfinite(regression.coefficients_).all()
        # One value fits all the samples of one pose.
        np.testing.assert_allclose(regression.predict(poses), targets, atol=1e-3)


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("penalty", [1e-3, 1e-6])
def test_exact_regression_is_the_regularised_system_solved_directly(kernel, penalty):
    regression = exact(kernel, penalty).fit(POSES, TARGETS)
    system = kernel(POSES, POSES) + COUNT * penalty * np.eye(COUNT)
    row = kernel(OTHERS, POSES)
    np.testing.assert_allclose(regression.predict(OTHERS), row @ np.linalg.solve(system, TARGETS), atol=1e-9)
    np.testing.assert_allclose(regression.scores(OTHERS), np.linalg.solve(system, row.T).T, rtol=1e-7, atol=1e-8)
    assert regression.jitter_ == 0.0


@pytest.mark.parametrize("kernel", KERNELS[:2], ids=str)
@pytest.mark.parametrize("penalty", [1e-3, 1e-6])
def test_nystrom_with_all_points_as_centers_is_exact_regression(kernel, penalty):
    first, second = exact(kernel, penalty).fit(POSES, TARGETS), nystrom_all(kernel, penalty).fit(POSES, TARGETS)
    np.testing.assert_allclose(second.predict(OTHERS), first.predict(OTHERS), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(second.scores(OTHERS), first.scores(OTHERS), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("penalty", [1e-3, 1e-6])
def test_nystrom_coefficients_are_the_normal_equations_solved_directly(penalty):
    kernel = LaplacianKernel(0.4, 1.0)
    regression = nystrom_some(kernel, penalty).fit(POSES, TARGETS)
    centers = POSES[regression.center_indices_]
    tall, square = kernel(POSES, centers), kernel(centers, centers)
    expected = np.linalg.solve(tall.T @ tall + COUNT * penalty * square, tall.T @ TARGETS)
    np.testing.assert_allclose(regression.coefficients_, expected, rtol=1e-7, atol=1e-8)


def test_nystrom_is_the_same_in_chunks_of_any_size(monkeypatch):
    whole = nystrom_some(KERNELS[1]).fit(POSES, TARGETS)
    for chunk in (1, 7, COUNT):
        monkeypatch.setattr(nystrom, "CHUNK", chunk)
        parts = nystrom_some(KERNELS[1]).fit(POSES, TARGETS)
        np.testing.assert_allclose(parts.coefficients_, whole.coefficients_, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(parts.scores(OTHERS), whole.scores(OTHERS), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("threads", [1, 3])
def test_exact_regression_is_the_same_with_any_number_of_threads(monkeypatch, threads):
    whole = exact(KERNELS[0]).fit(POSES, TARGETS)
    monkeypatch.setattr(kernel_ridge, "CHUNK", 7)
    monkeypatch.setattr(kernel_ridge, "available_threads", lambda: threads)
    np.testing.assert_array_equal(exact(KERNELS[0]).fit(POSES, TARGETS).coefficients_, whole.coefficients_)
    with pytest.raises(InvalidInputError, match="samples"):
        exact(KERNELS[0]).fit(POSES, np.vstack([TARGETS[:-1], np.full((1, TARGETS.shape[1]), np.nan)]))


@pytest.mark.parametrize("centers", [0, -1, COUNT + 1])
def test_nystrom_refuses_numbers_of_centers_that_cannot_be(centers):
    with pytest.raises(InvalidInputError, match="centers"):
        NystromRidge(KERNELS[0], 1e-6, centers).fit(POSES, TARGETS)


def test_centers_are_distinct_sorted_and_the_same_for_the_same_seed():
    chosen = choose_centers(100, 30, random_state=5)
    assert len(set(chosen)) == 30
    assert (np.diff(chosen) > 0).all()
    assert chosen.min() >= 0
    assert chosen.max() < 100
    np.testing.assert_array_equal(chosen, choose_centers(100, 30, random_state=5))
    assert not np.array_equal(chosen, choose_centers(100, 30, random_state=6))
    np.testing.assert_array_equal(choose_centers(10, 10), np.arange(10))


@pytest.mark.parametrize("centers", [0, 11, -3])
def test_centers_out_of_range_are_refused(centers):
    with pytest.raises(InvalidInputError, match="centers"):
        choose_centers(10, centers)


def _indefinite(smallest, size=8):
    """Symmetric matrix with mean diagonal 1 or so, and one negative eigenvalue."""
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))
    return basis @ np.diag([-smallest, *np.linspace(0.5, 1.5, size - 1)]) @ basis.T


def test_factor_is_cholesky_where_there_is_one():
    matrix = _indefinite(-0.3)
    factor, jitter = factorise(matrix.copy())
    assert jitter == 0.0
    lower = np.tril(factor)
    np.testing.assert_allclose(lower @ lower.T, matrix, atol=1e-14)


@pytest.mark.parametrize("smallest", [1e-13, 1e-11, 2e-9])
def test_jitter_is_what_was_added_to_the_diagonal(smallest):
    matrix = _indefinite(smallest)
    factor, jitter = factorise(matrix.copy())
    assert 0.0 < jitter <= LARGEST_JITTER * (1.0 + 1e-9)
    lower = np.tril(factor)
    np.testing.assert_allclose(lower @ lower.T, matrix + jitter * np.diagonal(matrix).mean() * np.eye(8), atol=1e-14)


@pytest.mark.parametrize("smallest", [5e-8, 1e-6, 0.5])
def test_matrix_that_is_more_than_rounding_indefinite_is_refused(smallest):
    with pytest.raises(RegressionError, match="singular"):
        factorise(_indefinite(smallest))


@pytest.mark.parametrize("where", [(0, 0), (3, 3), (5, 2)])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_matrix_that_is_not_finite_is_refused(where, value):
    matrix = _indefinite(-0.3)
    matrix[where] = matrix[where[::-1]] = value
    with pytest.raises(RegressionError):
        factorise(matrix)


@pytest.mark.parametrize("size", [1, 7, 8, 29])
@pytest.mark.parametrize("rows", [3, 64])
def test_factor_in_blocks_is_the_factor_in_one_go(monkeypatch, size, rows):
    monkeypatch.setattr(cholesky, "BLOCK", 7)
    monkeypatch.setattr(cholesky, "ROWS", rows)
    matrix = _indefinite(-0.3, size)
    given = np.array(matrix)
    factor, jitter = factorise(given)
    assert jitter == 0.0
    assert np.shares_memory(factor, given)
    np.testing.assert_allclose(np.tril(factor), np.linalg.cholesky(matrix), atol=1e-14)
    right = np.random.default_rng(1).normal(size=(size, 2))
    np.testing.assert_allclose(matrix @ solve_factorised(factor, right), right, atol=1e-12)


def test_jitter_across_blocks_starts_again_from_the_matrix(monkeypatch):
    monkeypatch.setattr(cholesky, "BLOCK", 7)
    matrix = _indefinite(1e-11, 29)
    factor, jitter = factorise(matrix.copy())
    assert jitter > 0.0
    lower = np.tril(factor)
    np.testing.assert_allclose(lower @ lower.T, matrix + jitter * np.diagonal(matrix).mean() * np.eye(29), atol=1e-14)


def test_other_targets_give_what_a_new_fit_gives():
    first, second = TARGETS, TARGETS[:, ::-1] + 1.0
    shared = exact(KERNELS[0]).fit(POSES, first).with_targets(second)
    np.testing.assert_array_equal(shared.coefficients_, exact(KERNELS[0]).fit(POSES, second).coefficients_)
    with pytest.raises(InvalidInputError, match="59 rows"):
        shared.with_targets(second[:-1])
    with pytest.raises(NotFittedError):
        exact(KERNELS[0]).with_targets(second)
