"""What no client may do to the service: every request gets its code and words, and the next good one its answer."""

from __future__ import annotations

import time

import numpy as np
import pytest
from builtin_interfaces.msg import Duration
from crisp_ik.srv import ComputeIK, ComputeIKPath
from faulty import (
    JOINTS,
    REST,
    TARGETS,
    carries_nothing,
    hard_pose,
    level_of,
    request_for,
    seeded,
    status_of,
    values_of,
)
from processes import NodeProcess
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from std_srvs.srv import Trigger

from crisp_ik_ros.nodes.conversions import joint_state_message, pose_stamped_message, time_message
from crisp_ik_ros.nodes.targets import ErrorCode
from crisp_ik_ros.transforms import quaternion_from_matrix

LONGEST = 0.4
PARAMETERS = {
    "model": "nominal",
    "default_timeout": 0.1,
    "longest_timeout": LONGEST,
    "longest_path": 50,
    "diagnostics_period": 0.2,
    "use_sim_time": True,
}


@pytest.fixture(scope="module")
def service(ros, tmp_path_factory):
    """Under a simulated clock that stands still: all of its times are of another."""
    process = NodeProcess("ik_service", tmp_path_factory.mktemp("faults"), PARAMETERS)
    process.wait_for("serving /compute_ik")
    yield process
    assert process.stopped_cleanly()


@pytest.fixture
def ask(service, module_client):
    return lambda request: module_client.call(ComputeIK, "compute_ik", request)


@pytest.fixture
def lives_on(ask):
    """Whether a good request gets, to the last bit, the answer that it got before."""
    before = list(ask(seeded()).solution.position)
    assert len(before) == 7
    return lambda: list(ask(seeded()).solution.position) == before


def pose_request(position=(0.0, 0.5, 0.1), quaternion=(1.0, 0.0, 0.0, 0.0), **fields):
    request = request_for(TARGETS[0], **fields)
    place, turn = request.pose.pose.position, request.pose.pose.orientation
    place.x, place.y, place.z = position
    turn.x, turn.y, turn.z, turn.w = quaternion
    return request


NAN, INF = float("nan"), float("inf")
REFUSED = {
    "1: a NaN position": (pose_request((NAN, 0.0, 0.0)), "FAILURE", "pose.position"),
    "1: an infinite position": (pose_request((0.0, -INF, 0.0)), "FAILURE", "pose.position"),
    "1: a NaN quaternion": (pose_request(quaternion=(0.0, 0.0, 0.0, NAN)), "FAILURE", "pose.orientation"),
    "1: an infinite quaternion": (pose_request(quaternion=(INF, 0.0, 0.0, 0.0)), "FAILURE", "pose.orientation"),
    "2: a position of 1e9": (pose_request((1e9, 0.0, 0.0)), "NO_IK_SOLUTION", "no configuration"),
    "2: a position of 1e308": (pose_request((1e308, -1e308, 1e308)), "NO_IK_SOLUTION", "no configuration"),
    "3: a zero quaternion": (pose_request(quaternion=(0.0,) * 4), "FAILURE", "unit length"),
    "3: a quaternion of denormals": (pose_request(quaternion=(5e-324,) * 4), "FAILURE", "unit length"),
    "3: a quaternion 2 % too long": (pose_request(quaternion=(1.02, 0.0, 0.0, 0.0)), "FAILURE", "unit length"),
    "5: an unknown link": (pose_request(ik_link_name="elbow"), "INVALID_LINK_NAME", "panda_grasptarget"),
    "5: a link with odd bytes": (pose_request(ik_link_name="el\n\x01bow é"), "INVALID_LINK_NAME", "\\n\\x01"),
    "7: a seed of the wrong size": (
        pose_request(seed=joint_state_message([], REST[:5])), "INVALID_ROBOT_STATE", "seed"
    ),
    "7: a NaN seed": (pose_request(seed=joint_state_message(JOINTS, [NAN, *REST[1:]])), "INVALID_ROBOT_STATE", "seed"),
    "7: a seed outside the limits": (
        pose_request(seed=joint_state_message(JOINTS, [9.0, *REST[1:]])), "INVALID_ROBOT_STATE", "panda_joint1"
    ),
    "7: a seed of foreign names": (
        pose_request(seed=joint_state_message([*JOINTS[:6], "elbow"], REST)), "INVALID_ROBOT_STATE", "panda_joint7"
    ),
    "8: a negative timeout": (pose_request(timeout=Duration(sec=-3)), "FAILURE", "timeout"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_its_code_and_words_and_the_service_lives(ask, lives_on, name):
    request, code, words = REFUSED[name]
    answer = ask(request)
    assert ErrorCode(answer.error_code).name == code and words in answer.message, answer.message
    assert carries_nothing(answer) and lives_on()


def test_1_to_3_a_denormal_position_and_a_quaternion_within_1_percent_are_taken_as_they_are(ask, panda):
    pose = panda.forward_kinematics(REST)
    quaternion = 1.009 * quaternion_from_matrix(pose[:3, :3])
    seed = joint_state_message(JOINTS, REST)
    answer = ask(pose_request(pose[:3, 3].tolist(), quaternion.tolist(), seed=seed))
    assert answer.error_code == ErrorCode.SUCCESS and panda.within_limits(np.array(answer.solution.position))
    answer = ask(pose_request((5e-324, 0.5, 0.1), seed=seed))
    assert answer.error_code == ErrorCode.SUCCESS
    reached = panda.forward_kinematics(np.array(answer.solution.position))
    np.testing.assert_allclose(reached[:3, 3], [0.0, 0.5, 0.1], atol=1e-5)


def test_4_an_empty_frame_is_the_base_and_an_unknown_one_is_told_back_without_its_megabyte(ask, lives_on):
    request = seeded()
    request.pose.header.frame_id = ""
    assert ask(request).error_code == ErrorCode.SUCCESS
    for frame in ("map", "x" * 1_000_000):
        request.pose.header.frame_id = frame
        answer = ask(request)
        assert answer.error_code == ErrorCode.FRAME_TRANSFORM_FAILURE and carries_nothing(answer)
        assert frame[:20] in answer.message and "panda_link0" in answer.message and len(answer.message) < 1000
    many = [f"{'joint' * 20}{i}" for i in range(20_000)]
    answer = ask(pose_request(seed=joint_state_message(many, [0.0] * len(many))))
    assert answer.error_code == ErrorCode.INVALID_ROBOT_STATE and len(answer.message) < 1000
    assert lives_on()


@pytest.mark.parametrize(("timeout", "most"), [(Duration(sec=0), 0.1), (Duration(sec=2_000_000_000), LONGEST)])
def test_6_and_8_a_pose_that_nothing_reaches_ends_in_bounded_time_whatever_the_timeout(
    ask, service, module_client, timeout, most
):
    # The simulated clock jumps and stands still again meanwhile.
    clock = module_client.node.create_publisher(Clock, "/clock", 1)
    clock.publish(Clock(clock=time_message(1e6)))
    begin = time.monotonic()
    answer = ask(request_for(hard_pose(), timeout=timeout))
    elapsed = time.monotonic() - begin
    clock.publish(Clock(clock=time_message(5.0)))
    assert answer.error_code in (ErrorCode.NO_IK_SOLUTION, ErrorCode.TIMED_OUT) and carries_nothing(answer)
    # It is searched for as long as is allowed; the rest is what the machine needs for anything.
    assert most < elapsed < most + 3.0
    module_client.node.destroy_publisher(clock)


def test_8_a_timeout_of_a_nanosecond_is_enough_for_what_is_found_at_once(ask):
    assert ask(pose_request(REACHED, seed=joint_state_message(JOINTS, REST))).error_code == ErrorCode.SUCCESS
    answer = ask(request_for(hard_pose(), timeout=Duration(nanosec=1)))
    assert answer.error_code in (ErrorCode.TIMED_OUT, ErrorCode.NO_IK_SOLUTION) and carries_nothing(answer)


REACHED = (0.0, 0.5, 0.1)


def path_call(client, poses, **fields):
    messages = [pose_stamped_message(pose, "panda_link0") for pose in poses]
    return client.call(ComputeIKPath, "compute_ik_path", ComputeIKPath.Request(poses=messages, **fields))


def test_8_a_path_is_refused_where_it_is_empty_too_long_or_has_a_negative_timeout(service, module_client, lives_on):
    for answer, words in (
        (path_call(module_client, []), "none"),
        (path_call(module_client, [TARGETS[0]] * 51), "51"),
        (path_call(module_client, TARGETS[:3], timeout=Duration(sec=-1)), "timeout"),
    ):
        assert answer.error_code == ErrorCode.FAILURE and words in answer.message, answer.message
        assert not answer.trajectory.points and answer.fraction == 0.0
    assert path_call(module_client, [TARGETS[0]] * 50).fraction == 1.0
    assert lives_on()


def test_a_path_that_takes_long_holds_up_no_other_request(ask, service, module_client):
    request = ComputeIKPath.Request(poses=[pose_stamped_message(hard_pose(), "")] * 20)
    client = module_client.node.create_client(ComputeIKPath, "compute_ik_path")
    assert client.wait_for_service(30.0)
    path = client.call_async(request)
    answered = 0
    # 20 poses that nothing reaches take 2 s.
    while not path.done():
        assert ask(seeded(answered)).error_code == ErrorCode.SUCCESS
        answered += 1
    assert answered >= 10
    assert path.result().fraction == 0.0 and "poses[0]" in path.result().message


def set_parameter(client, name, value) -> str:
    """What was said against it; nothing where it was taken."""
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    result = client.call(SetParameters, "ik_service/set_parameters", request).results[0]
    assert result.successful or result.reason
    return "" if result.successful else result.reason


def test_22_a_parameter_that_may_not_change_or_has_the_wrong_type_stays_as_it_is(service, module_client, lives_on):
    for name, value in {
        "default_timeout": 0.2, "longest_timeout": NAN, "queue": -1, "longest_path": 3, "urdf": "x", "model": 7,
    }.items():  # fmt: skip
        assert set_parameter(module_client, name, value), name
    assert lives_on()


def test_22_a_model_that_is_nonsense_leaves_the_old_one_serving_and_it_is_still_named(service, module_client, lives_on):
    from diagnostic_msgs.msg import DiagnosticArray

    messages = module_client.collect(DiagnosticArray, "/diagnostics")
    assert not set_parameter(module_client, "model", "no/such/model.npz")
    answer = module_client.call(Trigger, "ik_service/reload", Trigger.Request())
    assert not answer.success and "no/such/model.npz" in answer.message and "nominal" in answer.message
    messages.clear()
    module_client.spin_until(lambda: status_of(messages, "inverse kinematics"))
    assert values_of(status_of(messages, "inverse kinematics"))["model"].startswith("the nominal model of panda")
    assert not set_parameter(module_client, "model", "nominal")
    assert module_client.call(Trigger, "ik_service/reload", Trigger.Request()).success
    assert lives_on()


def test_diagnostics_warn_while_most_requests_fail_and_the_log_tells_one_a_second(ask, service, module_client):
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

    messages = module_client.collect(DiagnosticArray, "/diagnostics")
    lines, begin = service.text.count("a request failed"), time.monotonic()
    for _ in range(50):
        ask(pose_request((NAN, 0.0, 0.0)))
    elapsed = time.monotonic() - begin
    assert service.text.count("a request failed") - lines <= elapsed + 2.0
    module_client.spin_until(lambda: status_of(messages, "inverse kinematics"))
    module_client.spin_until(lambda: level_of(messages, "inverse kinematics") == DiagnosticStatus.WARN)
    status = status_of(messages, "inverse kinematics")
    assert "most requests fail" in status.message and int(values_of(status)["failures FAILURE"]) >= 50
    for key in ("rate [1/s]", "latency p50 [ms]", "latency p99 [ms]", "busy", "faults", "undelivered", "model sha256"):
        assert key in values_of(status)
    # Again and again: one answer may be told together with the last of those that failed.
    module_client.spin_until(lambda: ask(seeded()) and level_of(messages, "inverse kinematics") == DiagnosticStatus.OK)
