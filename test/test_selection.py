"""Length scales and penalty chosen on held-out samples."""

import numpy as np
import pytest
from oracles import homogeneous, rodrigues
from test_kernels import random_poses

from crisp_ik_ros.errors import InvalidInputError, RegressionError
from crisp_ik_ros.regression.kernel_ridge import KernelRidge
from crisp_ik_ros.regression.kernels import GaussianKernel, LaplacianKernel
from crisp_ik_ros.regression.selection import (
    LEAST_RIDGE_PER_SAMPLE,
    LONGEST_SCALE_FACTOR,
    choose_hyperparameters,
    spread,
)

POSES = random_poses(240)


def smooth(poses):
    return np.column_stack([np.sin(4.0 * poses[:, 0, 3]) + poses[:, 1, 0], np.cos(3.0 * poses[:, 2, 3])])


TARGETS = smooth(POSES)


def error_against(targets):
    return lambda predictions, indices: float(np.mean((predictions - targets[indices]) ** 2))


def choose(poses=POSES, targets=TARGETS, **options):
    return choose_hyperparameters(poses, targets, error_against(targets), **options)


def test_spread_is_the_root_mean_square_around_the_mean_pose():
    turns = [[0, 0, 0.2], [0, 0, -0.2]]
    poses = np.array([homogeneous(rodrigues(turn), [x, 0, 0]) for turn, x in zip(turns, (1.0, 4.0), strict=True)])
    assert spread(poses) == pytest.approx((1.5, 0.2))


def test_chosen_hyperparameters_predict_new_samples_better_than_poor_ones():
    chosen = choose()
    new = random_poses(100, seed=9)
    good = KernelRidge(chosen.kernel, chosen.ridge / len(POSES)).fit(POSES, TARGETS).predict(new)
    poor = KernelRidge(GaussianKernel(0.02, 0.05), 1e-3).fit(POSES, TARGETS).predict(new)
    good_error, poor_error = (np.sqrt(np.mean((values - smooth(new)) ** 2)) for values in (good, poor))
    assert good_error < 0.01
    assert good_error < 0.05 * poor_error


def test_noise_calls_for_a_larger_ridge():
    noisy = TARGETS + np.random.default_rng(0).normal(0.0, 0.3, TARGETS.shape)
    assert choose(targets=noisy).ridge > 100.0 * choose().ridge


def test_short_waves_call_for_a_shorter_length_scale():
    line = np.tile(np.eye(4), (120, 1, 1))
    line[:, 0, 3] = np.random.default_rng(0).uniform(-1.0, 1.0, 120)
    short, long = (choose(line, np.sin(frequency * line[:, :1, 3])).kernel for frequency in (30.0, 1.0))
    assert short.position_length_scale < 0.5 * long.position_length_scale


def test_what_is_given_is_kept():
    kernel = LaplacianKernel(0.2, 0.9)
    chosen = choose(kernel=kernel)
    assert chosen.kernel is kernel
    chosen = choose(kernel="laplacian", ridge=3e-4)
    assert isinstance(chosen.kernel, LaplacianKernel)
    assert chosen.ridge == 3e-4
    assert choose(kernel=kernel, ridge=3e-4).tried == 1


def test_choice_is_deterministic_and_depends_on_the_seed():
    first, second = choose(seed=1), choose(seed=1)
    assert first.kernel.parameters() == second.kernel.parameters()
    assert (first.ridge, first.criterion, first.tried) == (second.ridge, second.criterion, second.tried)
    assert choose(seed=2).criterion != first.criterion


def test_criterion_is_the_error_on_the_samples_that_were_held_out():
    seen = []

    def criterion(predictions, indices):
        error = float(np.mean((predictions - TARGETS[indices]) ** 2))
        seen.append((error, tuple(indices)))
        return error

    chosen = choose_hyperparameters(POSES, TARGETS, criterion)
    assert chosen.criterion == min(error for error, _ in seen)
    assert chosen.tried == len(seen)
    validation = {indices for _, indices in seen}
    assert len(validation) == 1
    held_out = np.array(validation.pop())
    training = np.setdiff1d(np.arange(len(POSES)), held_out)
    again = KernelRidge(chosen.kernel, chosen.ridge / len(training)).fit(POSES[training], TARGETS[training])
    error = np.mean((again.predict(POSES[held_out]) - TARGETS[held_out]) ** 2)
    assert error == pytest.approx(chosen.criterion, rel=1e-3)


def test_constant_orientation_or_position_is_left_out():
    upright, pinned = POSES.copy(), POSES.copy()
    upright[:, :3, :3] = np.eye(3)
    pinned[:, :3, 3] = [0.3, 0.0, 0.5]
    assert choose(upright, smooth(upright)).kernel.orientation_length_scale == np.inf
    assert choose(pinned, smooth(pinned)).kernel.position_length_scale == np.inf


def test_progress_counts_up_to_the_end():
    seen = []
    chosen = choose(progress=lambda done, total: seen.append((done, total)))
    assert sorted({done for done, _ in seen}) == list(range(1, chosen.tried + 1))
    assert all(done <= total for done, total in seen)
    assert seen[-1] == (chosen.tried, chosen.tried)
    assert chosen.tried > 20
    assert choose().criterion == chosen.criterion


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_no_candidate_that_works_is_an_error(value):
    with pytest.raises(RegressionError, match="no candidate"):
        choose_hyperparameters(POSES, TARGETS, lambda predictions, indices: value)


def test_two_samples_are_enough_to_choose_a_penalty():
    chosen = choose(POSES[:2], TARGETS[:2], kernel=GaussianKernel(0.3, 1.0))
    assert np.isfinite(chosen.criterion)


def test_leave_one_out_predicts_every_sample_from_all_others():
    poses, targets = POSES[:30], TARGETS[:30]
    kernel, ridge = GaussianKernel(0.4, 1.0), 1e-4
    seen = []

    def criterion(predictions, indices):
        seen.append((predictions, indices))
        return float(np.mean((predictions - targets[indices]) ** 2))

    chosen = choose_hyperparameters(poses, targets, criterion, kernel, ridge, validation="leave_one_out")
    assert chosen.tried == len(seen) == 1
    predictions, indices = seen[0]
    assert sorted(indices) == list(range(30))
    for prediction, i in zip(predictions, indices, strict=True):
        others = np.delete(np.arange(30), i)
        without = KernelRidge(kernel, ridge / 29).fit(poses[others], targets[others])
        np.testing.assert_allclose(prediction, without.predict(poses[i : i + 1])[0], rtol=1e-7, atol=1e-9)


def test_both_validations_choose_what_predicts_new_samples():
    new = random_poses(100, seed=9)
    errors = []
    for validation in ("held_out", "leave_one_out"):
        chosen = choose(validation=validation)
        fitted = KernelRidge(chosen.kernel, chosen.ridge / len(POSES)).fit(POSES, TARGETS)
        errors.append(np.sqrt(np.mean((fitted.predict(new) - smooth(new)) ** 2)))
    assert max(errors) < 0.01


def test_a_validation_that_does_not_exist_is_refused():
    with pytest.raises(InvalidInputError, match="validation"):
        choose(validation="none")


# -- groups ------------------------------------------------------------------------------------------------------------

STOPS = np.repeat(np.arange(60), 4)


def test_groups_are_held_out_as_a_whole():
    poses = random_poses(60)[STOPS]
    targets, seen = smooth(poses), []

    def criterion(predictions, indices):
        seen.append(indices)
        return float(np.mean((predictions - targets[indices]) ** 2))

    choose_hyperparameters(poses, targets, criterion, groups=lambda rows: STOPS[rows])
    held_out = np.unique(STOPS[seen[0]])
    assert len(held_out) == 15 and len(seen[0]) == 60
    # Without groups hardly any pose is new.
    choose_hyperparameters(poses, targets, criterion)
    assert len(np.unique(STOPS[seen[-1]])) > 30


def test_groups_of_one_change_nothing():
    assert choose().criterion == choose(groups=lambda rows: rows).criterion


def test_noise_of_repeated_readings_is_not_learned():
    """Readings of one stop have one pose and noise; a split that tears them apart would find the noise predictable."""
    poses = random_poses(30)[np.repeat(np.arange(30), 6)]
    offsets = np.random.default_rng(0).normal(0.0, 1.0, (30, 1))[np.repeat(np.arange(30), 6)]
    stops = np.repeat(np.arange(30), 6)
    torn, whole = choose(poses, offsets), choose(poses, offsets, groups=lambda rows: stops[rows])
    assert torn.criterion < 0.01 and whole.criterion > 0.3


def test_length_scales_and_ridge_have_bounds():
    constant = np.ones((240, 1))
    chosen = choose(targets=constant)
    assert chosen.kernel.position_length_scale <= LONGEST_SCALE_FACTOR * spread(POSES)[0] * 1.1
    assert chosen.kernel.orientation_length_scale <= LONGEST_SCALE_FACTOR * spread(POSES)[1] * 1.1
    assert chosen.ridge >= LEAST_RIDGE_PER_SAMPLE * 180


def test_all_samples_of_one_group_cannot_be_split():
    for validation in ("held_out", "leave_one_out"):
        with pytest.raises(RegressionError, match="one group"):
            choose(groups=lambda rows: np.zeros(len(rows), dtype=int), validation=validation)


def test_leave_one_out_becomes_leave_one_group_out():
    poses = random_poses(20)[np.repeat(np.arange(20), 2)]
    poses[:, 0, 3] += np.random.default_rng(0).normal(0.0, 1e-3, 40)
    targets, stops = smooth(poses), np.repeat(np.arange(20), 2)
    kernel, ridge, seen = GaussianKernel(0.4, 1.0), 1e-4, []

    def criterion(predictions, indices):
        seen.append((predictions, indices))
        return 1.0

    choose_hyperparameters(
        poses, targets, criterion, kernel, ridge, validation="leave_one_out", groups=lambda rows: stops[rows]
    )
    for prediction, i in zip(*seen[0], strict=True):
        others = np.flatnonzero(stops != stops[i])
        without = KernelRidge(kernel, ridge / len(others)).fit(poses[others], targets[others])
        np.testing.assert_allclose(prediction, without.predict(poses[i : i + 1])[0], rtol=1e-7, atol=1e-9)
