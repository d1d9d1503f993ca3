"""Selectively damped least squares, held to the properties that Buss and Kim claim for it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisp_ik_ros.solvers.sdls import (
    LARGEST_ANGLE,
    clamped_error,
    selectively_damped_components,
    selectively_damped_least_squares,
    selectively_damped_step,
)

seeds = st.integers(0, 2**32 - 1)


def random_problem(seed, effectors=2, joints=7):
    rng = np.random.default_rng(seed)
    jacobian = rng.normal(size=(3 * effectors, joints))
    # Anything between well conditioned and singular.
    left, sigma, right = np.linalg.svd(jacobian, full_matrices=False)
    sigma = sigma * 10.0 ** rng.uniform(-8.0, 0.0, len(sigma))
    return np.ascontiguousarray(left * sigma @ right), rng.normal(size=3 * effectors) * 10.0 ** rng.uniform(-3.0, 2.0)


def arm(lengths, target):
    """Error and Jacobian of the tip of a planar arm, as three rows."""

    def evaluate(q):
        angles = np.cumsum(q)
        links = np.column_stack([lengths * np.cos(angles), lengths * np.sin(angles)])
        tip = links.sum(axis=0)
        jacobian = np.zeros((3, len(q)))
        for j in range(len(q)):
            lever = links[j:].sum(axis=0)
            jacobian[:2, j] = -lever[1], lever[0]
        return np.array([target[0] - tip[0], target[1] - tip[1], 0.0]), jacobian

    return evaluate


def written_out(jacobian, error, largest_angle):
    """The paper's algorithm, letter by letter."""
    u, sigma, vt = np.linalg.svd(jacobian)
    effectors, joints = jacobian.shape[0] // 3, jacobian.shape[1]
    rho = np.array([[np.linalg.norm(jacobian[3 * e : 3 * e + 3, j]) for j in range(joints)] for e in range(effectors)])
    total = np.zeros(joints)
    for i, value in enumerate(sigma):
        if value <= 1e-12 * sigma[0]:
            continue
        n = sum(np.linalg.norm(u[3 * e : 3 * e + 3, i]) for e in range(effectors))
        m = sum(sum(abs(vt[i, j]) * rho[e, j] for j in range(joints)) / value for e in range(effectors))
        gamma = min(1.0, n / m) * largest_angle
        phi = (u[:, i] @ error) / value * vt[i]
        total += phi * min(1.0, gamma / max(np.abs(phi).max(), 1e-300))
    return total * min(1.0, largest_angle / max(np.abs(total).max(), 1e-300))


@given(seeds)
def test_step_is_the_papers(seed):
    jacobian, error = random_problem(seed)
    step = selectively_damped_step(jacobian, error, LARGEST_ANGLE)
    np.testing.assert_allclose(step, written_out(jacobian, error, LARGEST_ANGLE), rtol=1e-6, atol=1e-9)


@given(seeds)
def test_no_component_exceeds_its_limit_and_no_step_the_largest_angle(seed):
    jacobian, error = random_problem(seed)
    components, limits = selectively_damped_components(jacobian, error, LARGEST_ANGLE)
    assert np.all(limits <= LARGEST_ANGLE * (1.0 + 1e-12))
    assert np.all(np.abs(components).max(axis=1) <= limits * (1.0 + 1e-12))
    assert np.abs(selectively_damped_step(jacobian, error, LARGEST_ANGLE)).max() <= LARGEST_ANGLE * (1.0 + 1e-12)


@given(seeds)
def test_small_errors_far_from_singularities_take_the_step_of_the_pseudo_inverse(seed):
    rng = np.random.default_rng(seed)
    left, _, right = np.linalg.svd(rng.normal(size=(6, 7)), full_matrices=False)
    jacobian = np.ascontiguousarray(left * rng.uniform(0.5, 2.0, 6) @ right)
    error = 1e-3 * rng.normal(size=6)
    step = selectively_damped_step(jacobian, error, LARGEST_ANGLE)
    np.testing.assert_allclose(step, np.linalg.pinv(jacobian) @ error, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bend", [1e-1, 1e-2, 1e-4, 1e-6, 1e-8])
def test_step_dies_out_along_a_direction_that_becomes_singular(bend):
    # An almost stretched arm, pulled inwards: only sigma_2, about the bend, moves it that way.
    evaluate = arm(np.array([1.0, 1.0]), (1.2, 0.0))
    error, jacobian = evaluate(np.array([0.0, bend]))
    exploding = np.linalg.pinv(jacobian) @ error
    components, limits = selectively_damped_components(jacobian, error, LARGEST_ANGLE)
    sigma = np.linalg.svd(jacobian, compute_uv=False)[1]
    assert sigma == pytest.approx(bend / np.sqrt(5.0), rel=0.2)
    # gamma goes with sigma, whereas the pseudo-inverse goes with its inverse.
    assert limits[1] <= LARGEST_ANGLE * sigma * 2.0
    assert np.abs(components[1]).max() <= limits[1] * (1.0 + 1e-12)
    if bend <= 1e-2:
        assert np.abs(exploding).max() > 10.0
    # What is left undamped is what the well-conditioned direction asks for.
    assert limits[0] > 0.3 * LARGEST_ANGLE


def test_exactly_singular_and_zero_jacobians_give_finite_steps():
    evaluate = arm(np.array([1.0, 1.0]), (1.2, 0.0))
    error, jacobian = evaluate(np.zeros(2))
    step = selectively_damped_step(jacobian, error, LARGEST_ANGLE)
    assert np.abs(step).max() < 1e-9
    np.testing.assert_array_equal(selectively_damped_step(np.zeros((3, 2)), error, LARGEST_ANGLE), 0.0)


def test_nearly_stretched_arm_settles_where_the_pseudo_inverse_thrashes():
    # The target is out of reach: the solution is the singular, stretched arm. The paper's case of oscillation.
    lengths, target = np.ones(3), (2.0, 2.5)
    evaluate = arm(lengths, target)
    start = np.array([0.3, 0.4, -0.3])

    def distances(step_of, count=120):
        q, found, turns = start, [], []
        for _ in range(count):
            error, jacobian = evaluate(q)
            found.append(np.linalg.norm(error))
            step = step_of(jacobian, error)
            turns.append(np.abs(step).max())
            q = q + step
        return np.array(found), np.array(turns)

    nearest = np.hypot(*target) - 3.0
    damped, damped_turns = distances(lambda jacobian, error: selectively_damped_step(jacobian, error, LARGEST_ANGLE))
    inverse, inverse_turns = distances(lambda jacobian, error: np.linalg.pinv(jacobian) @ error)
    assert np.abs(damped[-40:] - nearest).max() < 1e-3
    assert damped_turns[-40:].max() < 0.02
    assert inverse_turns[-40:].max() > 1.0
    assert inverse[-40:].max() - nearest > 0.1


def test_solver_reaches_targets_within_the_box():
    lengths = np.array([1.0, 0.8, 0.6])
    lower, upper = np.full(3, -2.0), np.full(3, 2.0)
    rng = np.random.default_rng(0)
    reached = 0
    for _ in range(50):
        wanted = rng.uniform(-1.5, 1.5, 3)
        tip = -arm(lengths, (0.0, 0.0))(wanted)[0][:2]
        start = np.clip(wanted + rng.uniform(-0.5, 0.5, 3), lower, upper)
        result = selectively_damped_least_squares(arm(lengths, tip), start, lower, upper, np.array([0.5]))
        assert np.all((result.configuration >= lower) & (result.configuration <= upper))
        error = arm(lengths, tip)(result.configuration)[0]
        assert result.cost == pytest.approx(0.5 * error @ error)
        assert result.converged == (np.linalg.norm(error) <= 1e-10)
        reached += result.converged
    assert reached >= 48


def test_solver_counts_stops_and_starts_inside_the_box():
    evaluate = arm(np.ones(2), (0.5, 0.9))
    result = selectively_damped_least_squares(
        evaluate, np.array([9.0, -9.0]), np.full(2, -1.0), np.full(2, 1.0), np.array([0.1]), limit=1
    )
    np.testing.assert_array_equal(result.configuration, [1.0, -1.0])
    assert result.iterations == 1
    assert not result.converged
    # A box of one point leaves nothing to do.
    still = selectively_damped_least_squares(evaluate, np.zeros(2), np.zeros(2), np.zeros(2), np.array([0.1]))
    assert still.iterations == 1


def test_long_errors_are_shortened_one_end_effector_at_a_time():
    error = np.array([3.0, 0.0, 4.0, 0.1, 0.2, 0.0])
    clamped = clamped_error(error, np.array([1.0, 1.0]))
    np.testing.assert_allclose(clamped, [0.6, 0.0, 0.8, 0.1, 0.2, 0.0])
    np.testing.assert_array_equal(clamped_error(np.zeros(3), np.array([1.0])), 0.0)
