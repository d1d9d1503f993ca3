"""What becomes of a trajectory that is an action's goal, without the action."""

from __future__ import annotations

from types import SimpleNamespace as Message

import numpy as np
import pytest

pytest.importorskip("rclpy")

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.nodes import trajectory_action, trajectory_server
from crisp_ik_ros.nodes.ghost import ghost_markers, joint_positions, words_of
from crisp_ik_ros.nodes.motion import Motion
from crisp_ik_ros.nodes.trajectory_server import (
    GOAL_TIME,
    GOAL_TOLERANCE,
    GOAL_TOLERANCE_VIOLATED,
    PATH_TOLERANCE_VIOLATED,
    SUCCESSFUL,
    Tolerances,
    stopping,
)
from crisp_ik_ros.robots.catalog import find_robot_file
from crisp_ik_ros.viewer.words import Answer

NAMES = ("a", "b", "c")


def joint(name, position):
    return Message(name=name, position=position)


def test_tolerances_are_those_of_the_goal_else_the_default_and_none_where_negative():
    given = Tolerances.of(NAMES, [joint("b", 0.2), joint("x", 0.1)], [joint("a", -1.0), joint("c", 0.5)], 0.0)
    assert given.path.tolist() == [np.inf, 0.2, np.inf]
    assert given.goal.tolist() == [np.inf, GOAL_TOLERANCE, 0.5]
    assert given.time == GOAL_TIME and Tolerances.of(NAMES, [], [], 2.5).time == 2.5


def test_a_goal_goes_on_until_it_is_reached_or_a_tolerance_is_violated():
    limits = Tolerances.of(NAMES, [joint("b", 0.2)], [], 1.0)
    far, near = np.array([0.0, 0.3, 0.0]), np.array([0.5, 0.1, 0.0])
    assert limits.judge(1.0, 2.0, near) is None
    assert limits.judge(1.0, 2.0, -far) == PATH_TOLERANCE_VIOLATED
    assert limits.judge(2.0, 2.0, np.zeros(3)) == SUCCESSFUL
    assert limits.judge(2.5, 2.0, near) is None
    assert limits.judge(3.0, 2.0, near) == GOAL_TOLERANCE_VIOLATED


def test_a_stop_begins_where_and_as_fast_as_the_arm_is_and_ends_at_rest_within_the_limits():
    lower, upper = np.full(2, -1.0), np.array([2.0, 0.31])
    moving = Motion(np.array([0.0, 1.0]), np.array([[0.0, 0.0], [1.0, 0.6]]))
    stop = stopping(0.5, moving, 0.2, lower, upper)
    np.testing.assert_allclose(stop.at(0.5), [0.5, 0.3])
    np.testing.assert_allclose(stop.velocity(0.5 + 1e-9), [1.0, 0.6], atol=1e-6)
    np.testing.assert_allclose(stop.at(0.7), [0.6, 0.31])
    assert not stop.velocity(0.7).any()
    still = stopping(3.0, moving, 0.2, lower, np.array([2.0, 1.0]))
    np.testing.assert_allclose(still.at(3.1), [1.0, 0.6])


def test_without_control_msgs_a_follower_that_wants_the_action_says_what_to_install(monkeypatch):
    monkeypatch.setattr(trajectory_action, "FollowJointTrajectory", None)
    with pytest.raises(CrispIKError, match="control_msgs"):
        trajectory_action.commander_of(None, None, find_robot_file("panda"), True, lambda words, refused: None)
    monkeypatch.setattr(trajectory_server, "FollowJointTrajectory", None)
    assert not trajectory_server.available()


def test_the_ghost_goes_from_the_base_through_the_joints_to_the_tip(robot):
    rng = np.random.default_rng(0)
    for configuration in robot.random_configurations(5, rng):
        positions = joint_positions(robot, configuration)
        assert len(positions) == len(robot.joints) + 2 and not positions[0].any()
        np.testing.assert_allclose(positions[-1], robot.forward_kinematics(configuration)[:3, 3], atol=1e-9)
        # The first frame does not move, and a joint in between is where PyBullet-free kinematics of its own have it.
        np.testing.assert_allclose(positions[1], robot.joints[0].origin[:3, 3], atol=1e-12)


def test_an_answer_is_drawn_in_green_and_none_in_red_with_words(panda):
    from builtin_interfaces.msg import Time

    target = panda.forward_kinematics(panda.rest)
    good = ghost_markers(panda, panda.rest, target, "fine", True, Time()).markers
    bad = ghost_markers(panda, panda.rest, target, "no", False, Time()).markers
    assert [marker.ns for marker in good] == ["ghost", "ghost", "answer"] and good[2].text == "fine"
    assert len({(marker.ns, marker.id) for marker in good}) == 3
    assert good[0].color.g > good[0].color.r and bad[0].color.r > bad[0].color.g
    assert good[2].pose.position.z > target[2, 3]
    solved = Answer(1, 1, "", "", 1e-4, 0.0, 0.5, 0.01)
    assert words_of(solved, "SUCCESS") == "0.100 mm off by the model, support 0.50"
    unsolved = Answer(2, -31, "too far", "", 0.0, 0.0, 0.0, 0.01)
    assert words_of(unsolved, "NO_IK_SOLUTION") == "NO_IK_SOLUTION (-31)\ntoo far"
