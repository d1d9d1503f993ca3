"""Joint limits in compiled code: turning continuous joints, clipping, distances, and finding what lies outside."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisp_ik_ros.robots.limits import (
    INSIDE,
    NOT_FINITE,
    confine,
    distance_between,
    first_outside,
    wrap_all,
    wrapped_angle,
)

# Three joints, of which the middle one and the last are continuous.
LOWER, UPPER = np.array([-1.0, -np.pi, -np.pi]), np.array([2.0, np.pi, np.pi])
CONTINUOUS = np.array([False, True, True])
angles = st.floats(-30.0, 30.0)


def nearest_turn(angle):
    """The same angle in [-pi, pi], by going round as often as it takes."""
    while angle > np.pi:
        angle -= 2.0 * np.pi
    while angle < -np.pi:
        angle += 2.0 * np.pi
    return angle


@given(angles)
def test_an_angle_is_turned_into_half_a_turn_either_way(angle):
    found = wrapped_angle(angle)
    assert abs(found) <= np.pi + 1e-14
    # Half a turn to either side is the same.
    assert np.exp(1j * found) == pytest.approx(np.exp(1j * nearest_turn(angle)), abs=1e-13)


@pytest.mark.parametrize("angle", [0.0, 0.1, -3.0, np.pi, -np.pi])
def test_an_angle_within_half_a_turn_stays_to_the_bit(angle):
    assert wrapped_angle(angle) == angle


@given(st.lists(angles, min_size=6, max_size=6))
def test_continuous_joints_of_all_rows_are_turned_and_no_others(values):
    given_rows = np.array(values).reshape(2, 3)
    rows = given_rows.copy()
    wrap_all(rows, CONTINUOUS)
    np.testing.assert_array_equal(rows[:, 0], given_rows[:, 0])
    for row, given_row in zip(rows, given_rows, strict=True):
        for j in (1, 2):
            assert row[j] == wrapped_angle(given_row[j])


@given(st.lists(angles, min_size=3, max_size=3))
def test_confined_joints_are_turned_or_clipped(values):
    q = np.array(values)
    confine(q, LOWER, UPPER, CONTINUOUS)
    assert q[0] == min(max(values[0], -1.0), 2.0)
    for j in (1, 2):
        assert np.exp(1j * q[j]) == pytest.approx(np.exp(1j * values[j]), abs=1e-13)
        assert abs(q[j]) <= np.pi


def test_distance_is_the_length_of_all_joints_motions_the_short_way_round():
    first, second = np.array([1.0, 3.0, -3.0]), np.array([3.0, -3.0, 2.0])
    short = 2.0 * np.pi
    expected = np.sqrt(2.0**2 + (6.0 - short) ** 2 + (short - 5.0) ** 2)
    assert distance_between(first, second, CONTINUOUS) == pytest.approx(expected, abs=1e-14)
    assert distance_between(first, second, np.zeros(3, dtype=bool)) == pytest.approx(np.sqrt(4.0 + 36.0 + 25.0))
    assert distance_between(first, first, CONTINUOUS) == 0.0


def outside(rows, slack=0.01):
    rows = np.array(rows, dtype=float)
    return first_outside(rows, LOWER, UPPER, CONTINUOUS, slack), rows


def test_codes_are_no_joints_and_differ():
    assert INSIDE < 0 and NOT_FINITE < 0 and INSIDE != NOT_FINITE


def test_rows_within_the_slack_are_inside_and_moved_into_the_limits():
    found, rows = outside([[-1.009, 0.5, 4.0], [2.009, -0.5, 0.0], [0.3, 1.0, -7.0]])
    assert found == (0, INSIDE)
    expected = [[-1.0, 0.5, 4.0 - 2.0 * np.pi], [2.0, -0.5, 0.0], [0.3, 1.0, 2.0 * np.pi - 7.0]]
    np.testing.assert_allclose(rows, expected, atol=1e-14)


@pytest.mark.parametrize("value", [-1.011, 2.011, -50.0, 50.0])
@pytest.mark.parametrize("row", [0, 1, 2])
def test_the_first_row_farther_outside_than_the_slack_is_named_with_its_joint(value, row):
    rows = np.zeros((3, 3))
    rows[row:, 0] = value
    assert outside(rows)[0] == (row, 0)


@pytest.mark.parametrize("joint", [0, 1, 2])
def test_the_joint_that_is_outside_is_named(joint):
    row = np.zeros((1, 3))
    row[0, joint] = 1.0
    found = first_outside(row, np.full(3, -0.5), np.full(3, 0.5), np.zeros(3, dtype=bool), 0.0)
    assert found == (0, joint)


def test_limits_themselves_are_inside_without_any_slack():
    assert outside([[-1.0, 0.0, 0.0], [2.0, np.pi, -np.pi]], slack=0.0)[0] == (0, INSIDE)
    assert outside([[0.0, 0.0, 0.0], [np.nextafter(2.0, 3.0), 0.0, 0.0]], slack=0.0)[0] == (1, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("joint", [0, 1, 2])
def test_a_value_that_is_not_finite_is_said_to_be_so(value, joint):
    rows = np.zeros((2, 3))
    rows[1, joint] = value
    assert outside(rows)[0] == (1, NOT_FINITE)
