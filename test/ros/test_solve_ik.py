"""/solve_ik and targets in other frames, over DDS, with the messages of MoveIt and tf2 where they are installed."""

from __future__ import annotations

import numpy as np
import pytest
from crisp_ik.srv import ComputeIK, ComputeIKPath
from processes import NodeProcess

from crisp_ik_ros.nodes.answer import ErrorCode
from crisp_ik_ros.nodes.conversions import duration_message, joint_state_message, pose_stamped_message
from crisp_ik_ros.robots.robot_model import panda_urdf_path
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.transforms import make_pose

FINGERS = ("panda_finger_joint1", "panda_finger_joint2")
# Folded so far that the hand is in the forearm.
FOLDED = np.array([0.3, 0.2, 0.0, -3.0, 0.0, 0.3, 0.0])


@pytest.fixture(scope="module")
def service(ros, tmp_path_factory):
    parameters = {"model": "nominal", "moveit_group": "panda_arm", "default_timeout": 1.0}
    process = NodeProcess("ik_service", tmp_path_factory.mktemp("moveit"), parameters)
    process.wait_for("serving /compute_ik")
    yield process
    assert process.stopped_cleanly()


@pytest.fixture(scope="module")
def kind():
    return pytest.importorskip("moveit_msgs.srv").GetPositionIK


def of_plugin(kind, panda, pose, link="panda_link8", seed=None):
    """Request as SrvKinematicsPlugin makes it: the whole robot's state, its group's tip, no timeout."""
    request = kind.Request()
    wanted = request.ik_request
    wanted.avoid_collisions = True
    wanted.group_name = "panda_arm"
    seed = panda.rest if seed is None else seed
    wanted.robot_state.joint_state = joint_state_message([*panda.joint_names, *FINGERS], [*seed, 0.01, 0.01])
    wanted.robot_state.joint_state.header.frame_id = "panda_link0"
    wanted.robot_state.multi_dof_joint_state.header.frame_id = "panda_link0"
    wanted.pose_stamped = pose_stamped_message(pose, "panda_link0")
    wanted.ik_link_name = link
    return request


def link_pose(panda, link, configuration):
    """Pose of a link by a chain of its own."""
    from crisp_ik_ros import RobotModel

    return RobotModel.from_urdf(panda_urdf_path(), "panda_link0", link).forward_kinematics(configuration)


@pytest.mark.parametrize("link", ["panda_link8", "panda_hand", "panda_grasptarget", ""])
def test_the_plugins_request_puts_its_tip_link_on_the_pose(service, module_client, kind, panda, link):
    pose = link_pose(panda, link or "panda_grasptarget", panda.rest + 0.1)
    response = module_client.call(kind, "solve_ik", of_plugin(kind, panda, pose, link))
    assert response.error_code.val == response.error_code.SUCCESS, response.error_code
    state = response.solution.joint_state
    assert list(state.name) == [*panda.joint_names, *FINGERS] and list(state.position[7:]) == [0.01, 0.01]
    reached = link_pose(panda, link or "panda_grasptarget", np.array(state.position[:7]))
    np.testing.assert_allclose(reached, pose, atol=1e-4)


def test_codes_are_moveits(service, module_client, kind, panda):
    from moveit_msgs.msg import Constraints, JointConstraint, MoveItErrorCodes

    for code in ErrorCode:
        assert getattr(MoveItErrorCodes, code.name) == code

    def code_of(**changes):
        request = of_plugin(kind, panda, link_pose(panda, "panda_link8", panda.rest + 0.1))
        for name, value in changes.items():
            setattr(request.ik_request, name, value)
        response = module_client.call(kind, "solve_ik", request)
        error = response.error_code
        assert (error.val == error.SUCCESS) == bool(response.solution.joint_state.name)
        assert error.val == error.SUCCESS or error.message or not hasattr(error, "message")
        return error.val

    far = pose_stamped_message(make_pose([5.0, 0.0, 0.0], np.eye(3)), "panda_link0")
    other = pose_stamped_message(make_pose([0.4, 0.0, 0.4], np.eye(3)), "nowhere")
    state = of_plugin(kind, panda, np.eye(4)).ik_request.robot_state
    state.joint_state = joint_state_message(panda.joint_names[:3], [0.0] * 3)
    assert code_of() == ErrorCode.SUCCESS
    assert code_of(timeout=duration_message(0.25)) == ErrorCode.SUCCESS
    assert code_of(pose_stamped=far, timeout=duration_message(0.05)) in (ErrorCode.NO_IK_SOLUTION, ErrorCode.TIMED_OUT)
    assert code_of(ik_link_name="panda_link2") == ErrorCode.INVALID_LINK_NAME
    assert code_of(group_name="hand") == ErrorCode.INVALID_GROUP_NAME
    assert code_of(pose_stamped=other) == ErrorCode.FRAME_TRANSFORM_FAILURE
    assert code_of(robot_state=state) == ErrorCode.INVALID_ROBOT_STATE
    constraints = Constraints(joint_constraints=[JointConstraint(joint_name="panda_joint1")])
    assert code_of(constraints=constraints) == ErrorCode.INVALID_GOAL_CONSTRAINTS
    assert code_of(pose_stamped_vector=[far, far]) == ErrorCode.INVALID_LINK_NAME
    assert code_of() == ErrorCode.SUCCESS


def test_the_arm_of_an_answer_does_not_touch_itself(service, module_client, kind, panda):
    with PyBulletArm(panda_urdf_path(), panda) as arm:
        assert not arm.collision_free(FOLDED[None])[0]
        request = of_plugin(kind, panda, link_pose(panda, "panda_link8", FOLDED), seed=FOLDED)
        request.ik_request.avoid_collisions = False
        careless = module_client.call(kind, "solve_ik", request)
        assert careless.error_code.val == ErrorCode.SUCCESS
        assert not arm.collision_free(np.array([careless.solution.joint_state.position[:7]]))[0]
        request.ik_request.avoid_collisions = True
        careful = module_client.call(kind, "solve_ik", request)
        if careful.error_code.val == ErrorCode.SUCCESS:
            assert arm.collision_free(np.array([careful.solution.joint_state.position[:7]]))[0]
        else:
            assert careful.error_code.val in (ErrorCode.NO_IK_SOLUTION, ErrorCode.TIMED_OUT)


def test_compute_ik_takes_links_that_are_fixed_to_the_tool(service, module_client, panda):
    pose = link_pose(panda, "panda_hand", panda.rest + 0.1)
    request = ComputeIK.Request(pose=pose_stamped_message(pose, "panda_link0"), ik_link_name="panda_hand")
    answer = module_client.call(ComputeIK, "compute_ik", request)
    assert answer.error_code == ErrorCode.SUCCESS, answer.message
    np.testing.assert_allclose(link_pose(panda, "panda_hand", np.array(answer.solution.position)), pose, atol=1e-4)
    request.ik_link_name = "panda_link4"
    answer = module_client.call(ComputeIK, "compute_ik", request)
    assert answer.error_code == ErrorCode.INVALID_LINK_NAME and "panda_hand" in answer.message


def test_a_target_in_a_frame_of_tf2_is_transformed(service, module_client, panda):
    pytest.importorskip("tf2_ros")
    from geometry_msgs.msg import TransformStamped
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from tf2_msgs.msg import TFMessage

    frame = make_pose([0.2, -0.1, 0.3], np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    wanted = panda.forward_kinematics(panda.rest)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    static = module_client.node.create_publisher(TFMessage, "/tf_static", latched)
    moving = module_client.node.create_publisher(TFMessage, "/tf", 100)

    def transform(child, stamp=None):
        message = TransformStamped(child_frame_id=child)
        message.header.frame_id = "panda_link0"
        stamped = pose_stamped_message(frame, "")
        position, turn = stamped.pose.position, message.transform
        turn.translation.x, turn.translation.y, turn.translation.z = position.x, position.y, position.z
        turn.rotation = stamped.pose.orientation
        if stamp is not None:
            message.header.stamp = stamp
        return TFMessage(transforms=[message])

    def ask(child, stamp=None):
        request = ComputeIK.Request(pose=pose_stamped_message(np.linalg.inv(frame) @ wanted, child, stamp))
        return module_client.call(ComputeIK, "compute_ik", request)

    static.publish(transform("table"))
    # The first that is asked for a frame: it is waited for, and others are served meanwhile.
    answer = ask("table")
    assert answer.error_code == ErrorCode.SUCCESS, answer.message
    np.testing.assert_allclose(panda.forward_kinematics(np.array(answer.solution.position)), wanted, atol=1e-4)
    path = ComputeIKPath.Request(poses=[pose_stamped_message(np.linalg.inv(frame) @ wanted, "table")] * 3)
    assert module_client.call(ComputeIKPath, "compute_ik_path", path).fraction == 1.0
    now = module_client.node.get_clock().now
    first = now().to_msg()
    moving.publish(transform("belt", first))
    module_client.spin_until(lambda: ask("belt").error_code == ErrorCode.SUCCESS)
    # Between two that are known, and beyond the last.
    last = now().to_msg()
    moving.publish(transform("belt", last))
    module_client.spin_until(lambda: ask("belt", last).error_code == ErrorCode.SUCCESS)
    last.sec += 100
    late = ask("belt", last)
    assert late.error_code == ErrorCode.FRAME_TRANSFORM_FAILURE and "extrapolation" in late.message
    unknown = ask("moon")
    assert unknown.error_code == ErrorCode.FRAME_TRANSFORM_FAILURE and "moon" in unknown.message
    # Those of the base frame are answered as ever.
    request = ComputeIK.Request(pose=pose_stamped_message(wanted, "panda_link0"))
    assert module_client.call(ComputeIK, "compute_ik", request).error_code == ErrorCode.SUCCESS
