"""Between messages and arrays."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy")

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose, PoseStamped
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import JointState

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.nodes.conversions import (
    TrajectoryPoints,
    duration_message,
    joint_state_message,
    path_message,
    pose_from_message,
    pose_message,
    pose_stamped_message,
    seconds,
    seed_from_message,
    target_from_message,
    time_message,
)
from crisp_ik_ros.nodes.markers import error_markers, extend_markers, legend_markers
from crisp_ik_ros.resources import config_path
from crisp_ik_ros.trajectories import spiral
from crisp_ik_ros.transforms import make_pose


def test_a_pose_comes_back():
    for pose in spiral(points=20, yaw=0.4):
        np.testing.assert_allclose(pose_from_message(pose_message(pose)), pose, atol=1e-12)


def test_the_quaternion_of_a_pose_is_scipys():
    turns = [*Rotation.random(200, random_state=0), Rotation.identity()]
    # Half turns, where every component in its turn is the largest.
    turns += [Rotation.from_rotvec((np.pi - 1e-9) * axis) for axis in np.eye(3)]
    for turn in turns:
        orientation = pose_message(make_pose([0.0, 0.0, 0.0], turn.as_matrix())).orientation
        got = [orientation.x, orientation.y, orientation.z, orientation.w]
        np.testing.assert_allclose(got, turn.as_quat(canonical=True), atol=1e-12)


def test_points_of_a_trajectory_are_made_once():
    points = TrajectoryPoints()
    long = np.arange(21.0).reshape(7, 3)
    first = points.of(long)
    assert [list(point.positions) for point in first] == long.tolist()
    second = points.of(long[:2] + 1.0)
    assert [list(point.positions) for point in second] == (long[:2] + 1.0).tolist()
    assert all(old is new for old, new in zip(first[:2], second, strict=True))
    assert points.of(long)[6] is first[6] and points.of(long[:0]) == []


def test_a_zero_quaternion_is_refused():
    message = Pose()
    message.orientation.w = 0.0
    with pytest.raises(InvalidInputError, match="quaternion"):
        pose_from_message(message)


def test_targets_and_seeds_keep_what_came():
    message = pose_stamped_message(spiral(points=2)[0], "panda_link0", Time(sec=3))
    assert message.header.stamp.sec == 3
    target = target_from_message(message)
    assert target.frame_id == "panda_link0"
    np.testing.assert_allclose(target.position, spiral(points=2)[0, :3, 3])
    assert target_from_message(PoseStamped()).quaternion == (0.0, 0.0, 0.0, 1.0)
    seed = seed_from_message(joint_state_message(["a", "b"], [1.0, 2.0]))
    assert list(seed.names) == ["a", "b"] and list(seed.positions) == [1.0, 2.0]
    assert len(seed_from_message(JointState()).positions) == 0


def test_paths_and_joint_states_are_whole():
    poses = spiral(points=5)
    path = path_message(poses, "base", Time(sec=1))
    assert len(path.poses) == 5 and path.header.frame_id == path.poses[4].header.frame_id == "base"
    state = joint_state_message(("a",), np.array([0.5]), Time(sec=2), np.array([0.1]), np.array([3.0]))
    assert (list(state.position), list(state.velocity), list(state.effort)) == ([0.5], [0.1], [3.0])


@given(st.floats(min_value=0.0, max_value=1e5))
def test_durations_come_back_to_the_nanosecond(value):
    assert seconds(duration_message(value)) == pytest.approx(value, rel=0.0, abs=1e-9)


@given(st.floats(min_value=1e9, max_value=2e9))
def test_times_come_back_as_exactly_as_numbers_of_their_size_are(value):
    assert seconds(time_message(value)) == pytest.approx(value, rel=0.0, abs=1e-6)


def test_error_lines_are_drawn_longer_than_they_are():
    targets = spiral(points=3)
    reached = [targets[0].copy(), None, targets[2].copy()]
    reached[0][0, 3] += 0.001
    lines, ball = error_markers(targets, reached, 20.0, "base", Time(), 2.0).markers
    assert len(lines.points) == 4 and lines.lifetime.sec == 2
    assert lines.points[1].x - lines.points[0].x == pytest.approx(0.02)
    assert ball.pose.position.y == pytest.approx(targets[2, 1, 3])


def test_error_lines_that_are_added_are_those_drawn_at_once():
    targets = spiral(points=6)
    reached = [pose.copy() for pose in targets]
    for pose in reached:
        pose[1, 3] -= 0.002
    reached[3] = None
    whole = error_markers(targets, reached[:5], 20.0, "base", Time(sec=2), 2.0)
    parts = error_markers(targets[:0], [], 20.0, "base", Time(sec=1), 2.0)
    # Some targets are on their way: they move the ball, and have no line yet.
    extend_markers(parts, targets[:4], reached[:2], 20.0, Time(sec=1))
    extend_markers(parts, targets[2:6], reached[2:5], 20.0, Time(sec=2))
    assert parts == whole
    extend_markers(parts, targets[6:], [], 20.0, Time(sec=2))
    assert parts == whole


def test_a_legend_stands_above_the_path_and_says_each_thing_in_its_colour():
    targets = spiral(points=9)
    markers = legend_markers(targets, 20.0, "base", Time(sec=3), 2.0)
    assert [marker.id for marker in markers] == [0, 1, 2]
    assert all(marker.type == marker.TEXT_VIEW_FACING and marker.scale.z > 0.0 for marker in markers)
    assert all(marker.lifetime.sec == 2 and marker.header.frame_id == "base" for marker in markers)
    heights = [marker.pose.position.z for marker in markers]
    assert heights == sorted(heights, reverse=True) and heights[-1] > targets[:, 2, 3].max()
    assert "20 times" in markers[2].text
    # What follows moves the ball and the lines, and leaves the words.
    whole = error_markers(targets, [], 20.0, "base", Time(sec=3), 2.0)
    whole.markers += markers
    extend_markers(whole, targets[:1], [targets[1]], 20.0, Time(sec=4))
    assert [marker.header.stamp.sec for marker in whole.markers] == [4] * 5
    assert len(whole.markers[0].points) == 2 and whole.markers[4].text == markers[2].text


def test_the_legends_colours_are_those_of_the_paths_in_rviz():
    displays = yaml.safe_load(config_path("panda.rviz").read_text())["Visualization Manager"]["Displays"]
    colors = {
        display["Name"]: [int(value) for value in display["Color"].split(";")]
        for display in displays
        if "Color" in display
    }
    target, actual, _ = legend_markers(spiral(points=3), 20.0, "base", Time(), 0.0)
    for marker, name in ((target, "Target path"), (actual, "Actual path")):
        color = marker.color
        assert [round(255 * value) for value in (color.r, color.g, color.b)] == colors[name]
