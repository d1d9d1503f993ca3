"""Inverse kinematics on the model alone: the baseline, and what stands in where there are no data."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import homogeneous, rodrigues

from crisp_ik_ros import IKResult, ModelBasedIK, PathResult, Status
from crisp_ik_ros.errors import InvalidInputError

seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=25)
@given(seeds)
def test_every_reachable_pose_is_reached(robot, seed):
    q = robot.random_configurations(1, np.random.default_rng(seed))[0]
    pose = robot.forward_kinematics(q)
    result = ModelBasedIK(robot, timeout=5.0).solve(pose)
    assert result.success
    reached = robot.forward_kinematics(result.configuration)
    assert np.linalg.norm(reached[:3, 3] - pose[:3, 3]) <= 1e-6
    np.testing.assert_allclose(reached[:3, :3], pose[:3, :3], atol=1.5e-5)
    assert robot.within_limits(result.configuration)
    assert result.source == "nominal"
    assert result.support == 0.0
    assert result.status is Status.SUCCESS
    assert result.iterations > 0


@given(seeds)
def test_solutions_never_leave_the_limits(robot, seed):
    rng = np.random.default_rng(seed)
    pose = homogeneous(rodrigues(rng.uniform(-2, 2, 3)), rng.uniform(-1.2, 1.2, 3) * robot.reach)
    result = ModelBasedIK(robot, timeout=0.005).solve(pose, seed=robot.random_configurations(1, rng)[0])
    assert robot.within_limits(result.configuration)


def test_two_link_arm_finds_the_closed_form(two_link):
    a, b = 0.4, 0.9
    result = ModelBasedIK(two_link).solve(two_link.forward_kinematics([a, b]), seed=[a - 0.1, b + 0.1])
    # Position and orientation together leave one solution.
    np.testing.assert_allclose(result.configuration, [a, b], atol=1e-6)


def test_pose_beyond_the_reach_is_refused_at_once_with_its_distance(two_link):
    result = ModelBasedIK(two_link).solve(homogeneous(np.eye(3), [2.5, 0.0, 0.0]), seed=[0.0, 0.0], timeout=60.0)
    assert not result.success
    assert result.status is Status.NO_SOLUTION
    assert result.iterations == 0
    assert result.position_error == pytest.approx(1.0)
    np.testing.assert_array_equal(result.configuration, [0.0, 0.0])


def test_pose_that_the_limits_forbid_is_a_failure(two_link):
    folded = two_link.forward_kinematics([0.0, 2.9])
    result = ModelBasedIK(two_link).solve(folded, timeout=0.05)
    assert not result.success
    assert result.status is Status.NO_SOLUTION
    assert result.position_error > 0.0


def test_redundancy_is_resolved_towards_the_rest_pose(panda):
    pose = panda.forward_kinematics(panda.rest)
    seed = panda.rest + np.array([0.5, -0.3, -0.5, 0.3, 0.5, -0.4, 0.4])
    solver = ModelBasedIK(panda, timeout=1.0)
    drawn = solver.solve(pose)
    free = ModelBasedIK(panda, null_space_weight=0.0, timeout=1.0).solve(pose, seed)
    assert drawn.success
    assert free.success
    np.testing.assert_allclose(drawn.configuration, panda.rest, atol=1e-2)
    assert np.abs(free.configuration - panda.rest).max() > 0.1
    # From a seed it takes steps, each of a bounded length.
    before, steps = free.configuration, []
    for _ in range(20):
        after = solver.solve(pose, before).configuration
        steps.append(np.abs(after - before).max())
        before = after
    assert 0.05 < max(steps) <= 1.2 * solver.null_space_step
    np.testing.assert_allclose(before, panda.rest, atol=1e-2)


def test_path_follows_from_the_seed(two_link):
    q = np.column_stack([np.linspace(0.2, 1.0, 30), np.linspace(1.5, 0.3, 30)])
    result = ModelBasedIK(two_link).solve_path(two_link.forward_kinematics(q), seed=q[0])
    assert isinstance(result, PathResult)
    np.testing.assert_allclose(result.configurations, q, atol=1e-5)
    assert result.success.dtype == bool
    assert result.fraction == 1.0
    assert result.sources == ("nominal",) * 30
    assert result.position_errors.shape == result.orientation_errors.shape == result.supports.shape == (30,)


def test_answer_is_the_same_every_time(panda):
    solver = ModelBasedIK(panda, timeout=5.0)
    pose = panda.forward_kinematics(panda.random_configurations(1, np.random.default_rng(7))[0])
    first, second = solver.solve(pose), ModelBasedIK(panda, timeout=5.0).solve(pose)
    assert isinstance(first, IKResult)
    np.testing.assert_array_equal(first.configuration, second.configuration)
    np.testing.assert_array_equal(first.configuration, solver.solve(pose).configuration)


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"pose": np.zeros((4, 4))}, "pose"),
        ({"pose": np.eye(4)[None]}, "pose"),
        ({"seed": np.zeros(3)}, "seed"),
        ({"seed": np.full(2, np.nan)}, "seed"),
        ({"seed": np.array([0.0, 2.6])}, "elbow"),
        ({"timeout": 0.0}, "timeout"),
    ],
)
def test_bad_requests_are_refused_by_name(two_link, request_, name):
    with pytest.raises(InvalidInputError, match=name):
        ModelBasedIK(two_link).solve(**{"pose": two_link.forward_kinematics([0.0, 0.5]), **request_})


def test_hyperparameters_are_stored_untouched(two_link):
    solver = ModelBasedIK(two_link, 0.5, 1e-4, 1e-3, 2.0, 9)
    for name, value in zip(
        inspect.signature(ModelBasedIK).parameters, (two_link, 0.5, 1e-4, 1e-3, 2.0, 9), strict=True
    ):
        assert getattr(solver, name) is value or getattr(solver, name) == value


def test_loose_tolerance_accepts_what_a_tight_one_does_not(planar5):
    pose = planar5.forward_kinematics(planar5.rest)
    pose[2, 3] += 1e-3
    assert not ModelBasedIK(planar5).solve(pose, task="full").success
    loose = ModelBasedIK(planar5, position_tolerance=2e-3).solve(pose, task="full")
    assert loose.success
    assert loose.position_error == pytest.approx(1e-3, rel=1e-2)
