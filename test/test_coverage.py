"""Coverage of joints and workspace, and duplicates, by hand-made numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisp_ik_ros import RobotModel
from crisp_ik_ros.datasets.coverage import (
    NEAR,
    exact_duplicates,
    joint_coverage,
    near_duplicates,
    workspace_coverage,
)
from crisp_ik_ros.datasets.dataset import POSE
from crisp_ik_ros.datasets.measurements import Measurements


def of(configurations, poses=None):
    configurations = np.asarray(configurations, dtype=float)
    count = len(configurations)
    poses = np.tile(np.eye(4), (count, 1, 1)) if poses is None else poses
    return Measurements(configurations, poses, np.full(count, POSE), np.full(count, -1))


def test_share_and_largest_gap_of_a_joint(two_link):
    shoulder, elbow = joint_coverage(two_link, np.array([[-2.0, 0.0], [1.0, 0.1], [1.5, 0.2]]))
    assert (shoulder.smallest, shoulder.largest, shoulder.unit) == (-2.0, 1.5, "rad")
    assert shoulder.share == pytest.approx(3.5 / 6.0)
    assert (shoulder.gap_from, shoulder.gap) == (-2.0, 3.0)
    assert elbow.share == pytest.approx(0.2 / 5.0)
    # Nothing between the lower limit and the first sample, or the last and the upper: the first is longer.
    assert (elbow.gap_from, elbow.gap) == (-2.5, 2.5)


def test_what_is_outside_the_limits_covers_no_more_than_all(two_link):
    shoulder, _ = joint_coverage(two_link, np.array([[-5.0, 0.0], [5.0, 0.0]]))
    assert shoulder.share == 1.0
    assert (shoulder.smallest, shoulder.largest) == (-5.0, 5.0)
    assert shoulder.gap == pytest.approx(6.0)


def test_the_gap_of_an_endless_joint_goes_round(endless):
    q = np.zeros((3, 6))
    q[:, 0] = [3.0, -3.0, 0.5 + 2 * np.pi]
    first = joint_coverage(endless, q)[0]
    assert (first.smallest, first.largest) == (-3.0, 3.0)
    # From -3 to 0.5, not from 3 on to -3.
    assert (first.gap_from, first.gap) == pytest.approx((-3.0, 3.5))
    q[:, 0] = [-0.5, 0.0, 0.5]
    first = joint_coverage(endless, q)[0]
    assert (first.gap_from, first.gap) == pytest.approx((0.5, 2 * np.pi - 1.0))


def test_a_sliding_joint_is_in_metres(gantry):
    assert joint_coverage(gantry, np.zeros((1, 4)))[1].unit == "m"


def test_workspace_of_one_place_and_of_all(two_link):
    one = workspace_coverage(two_link, np.array([[0.0, 0.0]]))
    np.testing.assert_allclose(one.lower, [1.5, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(one.upper, [1.5, 0.0, 0.0], atol=1e-12)
    assert one.share == pytest.approx(1.0 / one.cubes)
    assert one.edge == pytest.approx(0.3 * 1.5)
    everywhere = workspace_coverage(two_link, two_link.random_configurations(20000, np.random.default_rng(1)))
    assert everywhere.share > 0.98
    # A disc of 1.5 m, cut into squares of 0.45 m: the part within the elbow's limits.
    assert 25 < everywhere.cubes < 52


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_exact_duplicates_are_the_rows_that_came_before(numbers):
    configurations = np.array([[float(number), 0.1] for number in numbers])
    expected = [i for i, number in enumerate(numbers) if number in numbers[:i]]
    assert exact_duplicates(of(configurations)).tolist() == expected


def test_the_same_configuration_measured_elsewhere_is_no_exact_duplicate():
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, 0, 3] = 1e-6
    assert exact_duplicates(of([[0.0, 0.0], [0.0, 0.0]], poses)).size == 0


def test_near_duplicates_are_all_rows_with_a_neighbour(two_link):
    q = np.array([[0.0, 0.0], [0.9 * NEAR, -0.9 * NEAR], [0.5, 0.5], [0.5 + 1.1 * NEAR, 0.5], [1.0, 1.0], [1.0, 1.0]])
    assert near_duplicates(two_link, of(q)).tolist() == [0, 1, 4, 5]
    assert near_duplicates(two_link, of(q[:1])).size == 0


def test_near_duplicates_count_a_turn_of_an_endless_joint(endless):
    q = np.zeros((2, 6))
    q[1, 0] = 2.0 * np.pi
    assert near_duplicates(endless, of(q)).tolist() == [0, 1]


def test_planar_robot_lies_in_a_plane():
    robot = RobotModel.planar5()
    found = workspace_coverage(robot, robot.random_configurations(10, np.random.default_rng(0)))
    assert found.lower[2] == pytest.approx(0.0) and found.upper[2] == pytest.approx(0.0)
