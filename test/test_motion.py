"""Interpolation of commands and durations, without ROS."""

from __future__ import annotations

import numpy as np
import pytest

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.nodes.joint_order import indices_of
from crisp_ik_ros.nodes.motion import (
    CUBIC_PEAK,
    Motion,
    approach_duration,
    check_step,
    plan_motion,
    segment_duration,
)


@pytest.fixture
def still(panda):
    return Motion.still(panda.rest)


def test_a_point_is_reached_in_a_straight_line(panda, still):
    goal = panda.rest + 0.2
    motion = plan_motion(panda, 10.0, still, 10.0, [2.0], [goal])
    for time, share in ((9.0, 0.0), (10.0, 0.0), (10.5, 0.25), (11.0, 0.5), (12.0, 1.0), (99.0, 1.0)):
        np.testing.assert_allclose(motion.at(time), panda.rest + 0.2 * share, atol=1e-12)
    np.testing.assert_allclose(motion.velocity(11.0), 0.1)
    np.testing.assert_array_equal(motion.velocity(13.0), 0.0)
    assert motion.end == 12.0


def test_speeds_make_it_a_cubic_from_rest_to_rest(panda, still):
    motion = plan_motion(panda, 0.0, still, 0.0, [1.0], [panda.rest + 0.3], [np.zeros(7)])
    times = np.linspace(0.0, 1.0, 101)
    positions = np.array([motion.at(time) for time in times])
    speeds = np.array([motion.velocity(time) for time in times])
    np.testing.assert_allclose(positions[50], panda.rest + 0.15)
    np.testing.assert_allclose(np.gradient(positions, times, axis=0)[1:-1], speeds[1:-1], atol=1e-3)
    assert np.abs(speeds).max() == pytest.approx(0.3 * CUBIC_PEAK)
    assert np.abs(speeds[[0, -1]]).max() < 1e-9


def test_a_new_command_takes_over_where_the_old_one_is(panda, still):
    first = plan_motion(panda, 0.0, still, 0.0, [1.0], [panda.rest + 0.2])
    second = plan_motion(panda, 0.5, first, 0.5, [1.0], [panda.rest])
    np.testing.assert_allclose(second.at(0.5), panda.rest + 0.1)
    np.testing.assert_allclose(second.at(1.0), panda.rest + 0.05)


def test_points_that_are_over_are_left_out(panda, still):
    points = [panda.rest + 0.1, panda.rest + 0.2]
    motion = plan_motion(panda, 1.5, still, 0.0, [1.0, 2.0], points)
    np.testing.assert_allclose(motion.at(1.75), panda.rest + 0.1)
    with pytest.raises(InvalidInputError, match="in the past"):
        plan_motion(panda, 3.0, still, 0.0, [1.0, 2.0], points)


def test_a_command_that_is_a_little_late_is_caught_up_with_within_the_joints_speed(panda, still):
    target = panda.rest + 0.1
    motion = plan_motion(panda, 1.05, still, 0.0, [1.0], [target])
    np.testing.assert_allclose(motion.at(1.05), panda.rest)
    np.testing.assert_allclose(motion.at(motion.end), target)
    assert np.all(np.abs(motion.velocity(1.051)) <= panda.velocity * (1.0 + 1e-9))


def test_a_late_command_that_asks_for_a_jump_is_refused_and_says_how_late_it_is(panda, still):
    points = [panda.rest + 0.01 * k for k in range(10)]
    times = [0.01 * k for k in range(10)]
    plan_motion(panda, 0.0, still, 0.0, times, points)
    with pytest.raises(InvalidInputError, match=r"to point 6, due 0\.5 ms after the command came; 6 points before it"):
        plan_motion(panda, 0.0595, still, 0.0, times, points)


@pytest.mark.parametrize(
    ("times", "points", "word"),
    [
        ([], [], "points"),
        ([1.0], [np.zeros(6)], "positions of length"),
        ([1.0], [np.full(7, np.nan)], "not finite"),
        ([1.0], [np.full(7, 9.0)], "panda_joint1"),
        ([2.0, 1.0], [np.zeros(7), np.zeros(7)], "increase"),
        ([-1.0], [np.zeros(7)], "increase"),
        ([np.nan], [np.zeros(7)], "increase"),
    ],
)
def test_bad_points_are_refused(panda, still, times, points, word):
    with pytest.raises(InvalidInputError, match=word):
        plan_motion(panda, 0.0, still, 0.0, times, points)


def test_speeds_for_some_points_only_are_refused(panda, still):
    points = [panda.rest, panda.rest]
    with pytest.raises(InvalidInputError, match="velocities"):
        plan_motion(panda, 0.0, still, 0.0, [1.0, 2.0], points, [np.zeros(7), []])


def test_durations_keep_the_speed_limits(panda):
    step = np.array([0.5, 0, 0, 0, 0, 0, -0.1])
    assert segment_duration(step, panda.velocity, 0.5, 0.02) == pytest.approx(0.5 / (0.5 * panda.velocity[0]))
    assert segment_duration(1e-6 * step, panda.velocity, 0.5, 0.02) == 0.02
    duration = approach_duration(step, panda.velocity, 0.5, 0.1)
    assert CUBIC_PEAK * 0.5 / duration == pytest.approx(0.5 * panda.velocity[0])


def test_a_step_too_far_or_not_finite_is_refused(panda):
    check_step(panda, panda.rest, panda.rest + 0.1, 0.2)
    with pytest.raises(InvalidInputError, match="panda_joint1"):
        check_step(panda, panda.rest, panda.rest + 0.3, 0.2)
    with pytest.raises(InvalidInputError, match="not finite"):
        check_step(panda, panda.rest, np.full(7, np.nan), 0.2)


def test_names_are_put_in_order():
    assert indices_of(["c", "a", "x", "b"], ["a", "b", "c"], "seed") == [1, 3, 0]
    with pytest.raises(InvalidInputError, match="no b"):
        indices_of(["a", "c", "x"], ["a", "b", "c"], "seed")
    with pytest.raises(InvalidInputError, match="more than once"):
        indices_of(["a", "a", "b"], ["a", "b"], "seed")
    with pytest.raises(InvalidInputError, match="only a, b"):
        indices_of(["a", "b", "x"], ["a", "b"], "seed", others_allowed=False)
