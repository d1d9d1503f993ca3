"""Requests as MoveIt sends them, without its messages."""

from __future__ import annotations

from types import SimpleNamespace as Message

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import JointState

from crisp_ik_ros import ModelBasedIK
from crisp_ik_ros.nodes import moveit
from crisp_ik_ros.nodes.answer import UNCHECKED, Answerer
from crisp_ik_ros.nodes.conversions import joint_state_message, pose_stamped_message
from crisp_ik_ros.nodes.outcomes import Answer
from crisp_ik_ros.nodes.targets import ErrorCode, RequestError
from crisp_ik_ros.resources import config_path

FINGERS = (("panda_finger_joint1", 0.02), ("panda_finger_joint2", 0.03))


def constraints(**given):
    return Message(**{name: given.get(name, []) for name in moveit.CONSTRAINTS})


def request(robot, configuration, **changes):
    """What SrvKinematicsPlugin sends for the pose that a configuration reaches."""
    names = [*robot.joint_names, *(name for name, _ in FINGERS)]
    positions = [*robot.rest, *(value for _, value in FINGERS)]
    fields = {
        "group_name": "panda_arm",
        "robot_state": Message(
            joint_state=joint_state_message(names, positions),
            multi_dof_joint_state=Message(joint_names=["virtual_joint"]),
            attached_collision_objects=[],
            is_diff=False,
        ),
        "constraints": constraints(),
        "avoid_collisions": True,
        "ik_link_name": robot.tip_link,
        "pose_stamped": pose_stamped_message(robot.forward_kinematics(configuration), robot.base_link),
        "ik_link_names": [],
        "pose_stamped_vector": [],
        "timeout": Message(sec=0, nanosec=0),
    }
    return Message(**{**fields, **changes})


def response(with_words=True):
    error = Message(val=0, message="", source="") if with_words else Message(val=0)
    return Message(error_code=error, solution=Message(joint_state=JointState()))


@pytest.fixture
def answerer(panda):
    return Answerer(ModelBasedIK(panda), default_timeout=1.0, is_free=lambda configuration: True)


@pytest.fixture
def near(panda):
    return panda.rest + 0.05


def test_the_plugins_request_is_answered_with_the_arms_joints_first(panda, answerer, near):
    got = response()
    moveit.solve(answerer, request(panda, near), got)
    assert got.error_code.val == ErrorCode.SUCCESS and got.error_code.source == "crisp_ik"
    state = got.solution.joint_state
    assert list(state.name) == [*panda.joint_names, *(name for name, _ in FINGERS)]
    assert list(state.position[7:]) == [value for _, value in FINGERS]
    reached = panda.forward_kinematics(np.array(state.position[:7]))
    np.testing.assert_allclose(reached, panda.forward_kinematics(near), atol=1e-4)


def test_joints_in_any_order_are_understood_and_a_number_that_is_none_is_not_sent_back(panda, answerer, near):
    wanted = request(panda, near)
    state = wanted.robot_state.joint_state
    wanted.robot_state.joint_state = joint_state_message(
        [*reversed(state.name), "door"], [*reversed(state.position), np.nan]
    )
    got = response()
    moveit.solve(answerer, wanted, got)
    assert got.error_code.val == ErrorCode.SUCCESS
    assert list(got.solution.joint_state.name) == [*panda.joint_names, *(name for name, _ in reversed(FINGERS))]


def test_nanoseconds_of_the_timeout_count(panda, near):
    assert moveit.question_of(request(panda, near, timeout=Message(sec=1, nanosec=250_000_000))).timeout == 1.25
    assert moveit.question_of(request(panda, near)).timeout == 0.0


def test_one_pose_of_a_list_is_taken_with_its_link(panda, near):
    pose = pose_stamped_message(np.eye(4), "somewhere")
    for links, link in ((["a_link"], "a_link"), ([], panda.tip_link)):
        question = moveit.question_of(request(panda, near, pose_stamped_vector=[pose], ik_link_names=links))
        assert question.link == link and question.target.frame_id == "somewhere"


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"pose_stamped_vector": [pose_stamped_message(np.eye(4), "")] * 2}, ErrorCode.INVALID_LINK_NAME, "2 poses"),
        ({"constraints": constraints(joint_constraints=[1])}, ErrorCode.INVALID_GOAL_CONSTRAINTS, "joint_constraints"),
        ({"ik_link_name": "panda_link3"}, ErrorCode.INVALID_LINK_NAME, "panda_hand, panda_link7, panda_link8"),
        ({"group_name": "hand"}, ErrorCode.INVALID_GROUP_NAME, "'hand'"),
        (
            {"pose_stamped": pose_stamped_message(np.eye(4), "nowhere")},
            ErrorCode.FRAME_TRANSFORM_FAILURE,
            "'nowhere'",
        ),
        (
            {"pose_stamped": pose_stamped_message(np.diag([1.0, 1.0, 1.0, 1.0]) + 9.0 * np.eye(4, k=3), "panda_link0")},
            ErrorCode.NO_IK_SOLUTION,
            "misses it by",
        ),
    ],
)
def test_what_cannot_be_answered_has_moveits_code_words_and_no_solution(panda, answerer, near, changes, code, words):
    got = response()
    moveit.solve(answerer, request(panda, near, **changes), got, "panda_arm")
    assert got.error_code.val == code and words in got.error_code.message
    assert not got.solution.joint_state.name
    # Before Iron the code has no place for words.
    without = response(with_words=False)
    moveit.solve(answerer, request(panda, near, **changes), without, "panda_arm")
    assert vars(without.error_code) == {"val": code}


def test_a_state_that_lacks_a_joint_of_the_arm_is_refused_whether_it_is_a_difference_or_not(panda, answerer, near):
    for difference in (False, True):
        wanted = request(panda, near)
        wanted.robot_state.is_diff = difference
        wanted.robot_state.joint_state = joint_state_message(panda.joint_names[1:], panda.rest[1:])
        got = response()
        moveit.solve(answerer, wanted, got)
        assert got.error_code.val == ErrorCode.INVALID_ROBOT_STATE and "panda_joint1" in got.error_code.message


def test_no_state_at_all_is_no_seed(panda, answerer, near):
    wanted = request(panda, near)
    wanted.robot_state.joint_state = JointState()
    assert moveit.question_of(wanted).seed.names == []
    got = response()
    moveit.solve(answerer, wanted, got)
    assert got.error_code.val == ErrorCode.SUCCESS and list(got.solution.joint_state.name) == list(panda.joint_names)


def test_attached_objects_cannot_be_avoided_and_do_no_harm_where_nobody_asks(panda, near):
    wanted = request(panda, near)
    wanted.robot_state.attached_collision_objects = ["a hammer"]
    with pytest.raises(RequestError, match="attached_collision_objects") as raised:
        moveit.question_of(wanted)
    assert raised.value.code == ErrorCode.COLLISION_CHECKING_UNAVAILABLE
    wanted.avoid_collisions = False
    assert not moveit.question_of(wanted).avoid_collisions


def test_collisions_that_cannot_be_checked_are_said(panda, near):
    got = response()
    answer = moveit.solve(Answerer(ModelBasedIK(panda), 1.0), request(panda, near), got)
    assert answer.code == ErrorCode.SUCCESS and UNCHECKED in got.error_code.message


def test_as_many_other_joints_as_are_bearable_are_sent_back(panda):
    others = moveit.Seed([f"other{k}" for k in range(5000)], [0.0] * 5000)
    got = moveit.fill(response(), Answer(ErrorCode.SUCCESS, "", panda.rest), panda, others)
    assert len(got.solution.joint_state.name) == panda.dof + moveit.MOST_OTHERS


def test_the_example_for_moveit_names_the_plugin_and_the_service():
    import yaml

    (group,) = yaml.safe_load(config_path("moveit/kinematics.yaml").read_text()).values()
    assert group["kinematics_solver"] == "srv_kinematics_plugin/SrvKinematicsPlugin"
    assert group["kinematics_solver_service_name"] == "/solve_ik"


def oriented(robot, configuration, tolerances, **changes):
    """Orientation constraint of the target that a configuration reaches."""
    pose = pose_stamped_message(robot.forward_kinematics(configuration), robot.base_link)
    along = {f"absolute_{axis}_axis_tolerance": value for axis, value in zip("xyz", tolerances, strict=True)}
    fields = {"link_name": robot.tip_link, "header": pose.header, "orientation": pose.pose.orientation, **along}
    return Message(**{**fields, "parameterization": 0, "weight": 1.0, **changes})


def test_an_orientation_constraint_leaves_an_axis_free(panda, answerer, near):
    wanted = request(panda, near, avoid_collisions=False)
    wanted.constraints = constraints(orientation_constraints=[oriented(panda, near, (0.0, 0.0, 3.15))])
    assert moveit.question_of(wanted).options.orientation_tolerances == (0.0, 0.0, 3.15)
    # From where the tool stands turned about its own axis nothing has to move.
    seed = near + np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3])
    wanted.robot_state.joint_state = joint_state_message(panda.joint_names, seed)
    got = response()
    answer = moveit.solve(answerer, wanted, got)
    assert answer.code == ErrorCode.SUCCESS
    assert got.solution.joint_state.position[6] == pytest.approx(seed[6], abs=0.15)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"link_name": "panda_link3"}, "link"),
        ({"orientation": Message(x=0.0, y=0.0, z=0.0, w=1.0)}, "another orientation"),
        ({"absolute_x_axis_tolerance": 1.0}, "Euler"),
        ({"absolute_x_axis_tolerance": -1.0}, "at least 0"),
        ({"header": Message(frame_id="map")}, "frame"),
    ],
)
def test_orientation_constraints_that_cannot_be_kept_are_refused(panda, near, changes, words):
    wanted = request(panda, near)
    wanted.constraints = constraints(orientation_constraints=[oriented(panda, near, (0.0, 0.0, 3.15), **changes)])
    with pytest.raises(RequestError, match=words) as raised:
        moveit.question_of(wanted)
    assert raised.value.code == ErrorCode.INVALID_GOAL_CONSTRAINTS


def test_a_lost_continuation_has_a_code_that_moveit_knows(panda):
    got = moveit.fill(response(), Answer(ErrorCode.CONTINUATION_LOST, "a jump"), panda)
    assert got.error_code.val == ErrorCode.NO_IK_SOLUTION and got.error_code.message == "a jump"
