"""ik_service over DDS: every request gets its code, and the service lives on."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from builtin_interfaces.msg import Duration
from crisp_ik.srv import ComputeIK, ComputeIKPath
from diagnostic_msgs.msg import DiagnosticArray
from processes import NodeProcess
from std_srvs.srv import Trigger

from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.nodes.answer import ErrorCode
from crisp_ik_ros.nodes.conversions import duration_message, joint_state_message, pose_stamped_message
from crisp_ik_ros.trajectories import circle

TARGETS = circle(points=40)


@pytest.fixture(scope="module")
def model_copy(small_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("served") / "model.npz"
    path.write_bytes(small_model.read_bytes())
    return path


@pytest.fixture(scope="module")
def service(ros, model_copy, tmp_path_factory):
    process = NodeProcess("ik_service", tmp_path_factory.mktemp("service"), {"model": str(model_copy)})
    process.wait_for("serving /compute_ik")
    yield process
    assert process.stopped_cleanly()


def request_for(pose, **fields) -> ComputeIK.Request:
    request = ComputeIK.Request(pose=pose_stamped_message(pose, "panda_link0"))
    for name, value in fields.items():
        setattr(request, name, value)
    return request


@pytest.fixture
def ask(service, module_client):
    return lambda request: module_client.call(ComputeIK, "compute_ik", request)


@pytest.fixture
def good(ask, panda):
    """A good request and its check, for before and after a bad one."""

    def check(index: int = 0):
        answer = ask(request_for(TARGETS[index], seed=joint_state_message(panda.joint_names, panda.rest)))
        assert answer.error_code == ErrorCode.SUCCESS, answer.message
        assert list(answer.solution.name) == list(panda.joint_names)
        q = np.array(answer.solution.position)
        assert panda.within_limits(q)
        position, orientation = tool_errors(TARGETS[index : index + 1], panda.forward_kinematics(q)[None])
        assert position[0] < 1e-4 and orientation[0] < 1e-3
        return q

    return check


def test_a_good_request_is_answered(good, ask):
    good()
    answer = ask(request_for(TARGETS[3], ik_link_name="panda_grasptarget"))
    assert answer.error_code == ErrorCode.SUCCESS
    assert answer.message == "" and answer.source in ("learned", "blended", "nominal")
    assert 0.0 <= answer.support <= 1.0 and answer.position_error < 1e-5


def test_codes_are_those_of_the_interface():
    # Those that only /solve_ik has are MoveIt's.
    for code in set(ErrorCode) - {
        ErrorCode.INVALID_GROUP_NAME,
        ErrorCode.INVALID_GOAL_CONSTRAINTS,
        ErrorCode.COLLISION_CHECKING_UNAVAILABLE,
    }:
        assert getattr(ComputeIK.Response, code.name) == code
        assert getattr(ComputeIKPath.Response, code.name) == code


def test_an_empty_frame_is_the_base_frame(ask):
    request = request_for(TARGETS[0])
    request.pose.header.frame_id = ""
    assert ask(request).error_code == ErrorCode.SUCCESS


def bad_pose(**changes):
    def make(panda):
        request = request_for(TARGETS[0])
        for name, value in changes.items():
            part, axis = name.split("_")
            setattr(getattr(request.pose.pose, part), axis, value)
        return request

    return make


def bad_frame(panda):
    request = request_for(TARGETS[0])
    request.pose.header.frame_id = "map"
    return request


def bad_seed(positions, names=None):
    def make(panda):
        chosen = panda.joint_names if names is None else names
        return request_for(TARGETS[0], seed=joint_state_message(chosen, positions))

    return make


def unreachable(panda):
    pose = TARGETS[0].copy()
    pose[:3, 3] = [0.0, panda.reach + 1.0, 0.0]
    return request_for(pose)


REST = [0.98, 0.458, 0.31, -2.24, -0.30, 2.66, 2.32]
JOINTS = [f"panda_joint{i}" for i in range(1, 8)]
BAD = {
    "NaN position": (bad_pose(position_x=float("nan")), "FAILURE"),
    "infinite position": (bad_pose(position_z=float("inf")), "FAILURE"),
    "NaN quaternion": (bad_pose(orientation_w=float("nan")), "FAILURE"),
    "zero quaternion": (
        bad_pose(orientation_x=0.0, orientation_y=0.0, orientation_z=0.0, orientation_w=0.0),
        "FAILURE",
    ),
    "long quaternion": (bad_pose(orientation_x=2.0, orientation_y=2.0), "FAILURE"),
    "unknown frame": (bad_frame, "FRAME_TRANSFORM_FAILURE"),
    "unknown link": (lambda panda: request_for(TARGETS[0], ik_link_name="panda_link3"), "INVALID_LINK_NAME"),
    "short seed": (bad_seed(REST[:6], JOINTS[:6]), "INVALID_ROBOT_STATE"),
    "short seed without names": (bad_seed(REST[:6], []), "INVALID_ROBOT_STATE"),
    "names without positions": (bad_seed([], JOINTS), "INVALID_ROBOT_STATE"),
    "seed outside the limits": (bad_seed([9.0, *REST[1:]]), "INVALID_ROBOT_STATE"),
    "NaN seed": (bad_seed([float("nan"), *REST[1:]]), "INVALID_ROBOT_STATE"),
    "foreign joint": (bad_seed(REST, [*JOINTS[:6], "elbow"]), "INVALID_ROBOT_STATE"),
    "joint twice": (bad_seed(REST, [*JOINTS[:6], JOINTS[0]]), "INVALID_ROBOT_STATE"),
    "negative timeout": (lambda panda: request_for(TARGETS[0], timeout=Duration(sec=-1)), "FAILURE"),
    "unreachable": (unreachable, "NO_IK_SOLUTION"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_its_code_and_the_next_good_request_its_answer(ask, good, panda, name):
    make, code = BAD[name]
    before = good()
    answer = ask(make(panda))
    assert answer.error_code == ErrorCode[code], answer.message
    assert answer.message
    assert list(answer.solution.position) == [] and list(answer.solution.name) == []
    np.testing.assert_array_equal(good(), before)


def test_a_permuted_seed_and_other_joints_are_sorted_out(ask, panda):
    seed = np.array(REST)
    plain = ask(request_for(TARGETS[0], seed=joint_state_message(JOINTS, seed)))
    order = [3, 1, 6, 0, 2, 5, 4]
    names = ["panda_finger_joint1", *(JOINTS[i] for i in order)]
    permuted = ask(request_for(TARGETS[0], seed=joint_state_message(names, [0.02, *seed[order]])))
    assert permuted.error_code == ErrorCode.SUCCESS
    assert list(permuted.solution.position) == list(plain.solution.position)


def test_an_answer_comes_within_the_timeout_of_the_request(ask):
    # Inside the reach, but the hand would have to be in the base.
    pose = TARGETS[0].copy()
    pose[:3, 3] = [0.0, 0.0, 0.05]
    answer = ask(request_for(pose, timeout=duration_message(0.02)))
    assert answer.error_code in (ErrorCode.NO_IK_SOLUTION, ErrorCode.TIMED_OUT)
    assert not answer.solution.position


def test_a_path_is_solved_from_pose_to_pose(service, module_client, panda):
    request = ComputeIKPath.Request(poses=[pose_stamped_message(pose, "panda_link0") for pose in TARGETS])
    answer = module_client.call(ComputeIKPath, "compute_ik_path", request)
    assert answer.error_code == ErrorCode.SUCCESS, answer.message
    assert answer.fraction == 1.0 and set(answer.error_codes) == {ErrorCode.SUCCESS}
    q = np.array([point.positions for point in answer.trajectory.points])
    assert list(answer.trajectory.joint_names) == list(panda.joint_names)
    assert tool_errors(TARGETS, panda.forward_kinematics(q))[0].max() < 1e-4
    assert np.abs(np.diff(q, axis=0)).max() < 0.5


def test_a_path_ends_before_its_first_failure(service, module_client, panda):
    request = ComputeIKPath.Request(poses=[pose_stamped_message(pose, "panda_link0") for pose in TARGETS[:6]])
    request.poses[2] = unreachable(panda).pose
    request.poses[4].header.frame_id = "map"
    answer = module_client.call(ComputeIKPath, "compute_ik_path", request)
    assert answer.error_code == ErrorCode.NO_IK_SOLUTION and "poses[2]" in answer.message
    assert len(answer.trajectory.points) == 2 and answer.fraction == pytest.approx(2 / 6)
    codes = [ErrorCode(code).name for code in answer.error_codes]
    assert codes == ["SUCCESS", "SUCCESS", "NO_IK_SOLUTION", "SUCCESS", "FRAME_TRANSFORM_FAILURE", "SUCCESS"]


def test_a_path_is_answered_as_its_poses_are_one_by_one(ask, service, module_client, panda):
    poses = [pose_stamped_message(pose, "panda_link0") for pose in TARGETS]
    poses[25] = unreachable(panda).pose
    seed = joint_state_message(panda.joint_names, panda.rest)
    path = module_client.call(ComputeIKPath, "compute_ik_path", ComputeIKPath.Request(poses=poses, seed=seed))
    answers, last = [], seed
    for pose in poses:
        answers.append(ask(ComputeIK.Request(pose=pose, seed=last)))
        last = answers[-1].solution if answers[-1].error_code == ErrorCode.SUCCESS else last
    assert path.fraction == 25 / 40 and path.error_code == ErrorCode.NO_IK_SOLUTION
    assert path.message == f"poses[25]: {answers[25].message}"
    assert list(path.error_codes) == [answer.error_code for answer in answers]
    for field in ("position_error", "orientation_error", "support"):
        assert list(getattr(path, f"{field}s")) == [getattr(answer, field) for answer in answers]
    assert [list(point.positions) for point in path.trajectory.points] == [
        list(answer.solution.position) for answer in answers[:25]
    ]


def test_a_path_with_a_bad_link_or_no_pose_is_refused(service, module_client):
    request = ComputeIKPath.Request(poses=[pose_stamped_message(TARGETS[0], "")], ik_link_name="elbow")
    answer = module_client.call(ComputeIKPath, "compute_ik_path", request)
    assert answer.error_code == ErrorCode.INVALID_LINK_NAME
    assert not answer.trajectory.points and list(answer.error_codes) == [ErrorCode.INVALID_LINK_NAME]
    answer = module_client.call(ComputeIKPath, "compute_ik_path", ComputeIKPath.Request())
    assert answer.error_code == ErrorCode.FAILURE and answer.message


def test_fields_of_the_request_choose_task_step_and_approximation(ask, panda, service, module_client):
    seed = joint_state_message(panda.joint_names, panda.rest)
    turned = panda.forward_kinematics(panda.rest)
    turned[:3, :3] = turned[:3, :3] @ np.diag([-1.0, -1.0, 1.0])
    answer = ask(request_for(turned, seed=seed, task="free_z"))
    assert answer.error_code == ErrorCode.SUCCESS, answer.message
    np.testing.assert_allclose(answer.solution.position, panda.rest, atol=0.3)
    request = request_for(turned, seed=seed)
    request.orientation_tolerances.z = 4.0
    assert ask(request).error_code == ErrorCode.SUCCESS
    assert ask(request_for(turned, task="no task")).error_code == ErrorCode.FAILURE
    assert ask(request_for(TARGETS[0], seed=seed, max_joint_step=-1.0)).error_code == ErrorCode.FAILURE
    assert ask(request_for(TARGETS[0], seed=seed, max_joint_step=1e-4)).error_code == ErrorCode.NO_IK_SOLUTION
    assert ask(request_for(TARGETS[0], seed=seed, prefer_nearest=True)).error_code == ErrorCode.SUCCESS
    far = TARGETS[0].copy()
    far[:3, 3] += [0.0, 3.0, 0.0]
    answer = ask(request_for(far, approximate=True))
    assert answer.error_code in (ErrorCode.NO_IK_SOLUTION, ErrorCode.TIMED_OUT)
    assert not answer.solution.position and panda.within_limits(np.array(answer.approximate_solution.position))
    assert not ask(request_for(far)).approximate_solution.position
    request = ComputeIKPath.Request(poses=[pose_stamped_message(pose, "") for pose in (TARGETS[0], far)])
    request.approximate = True
    path = module_client.call(ComputeIKPath, "compute_ik_path", request)
    assert len(path.trajectory.points) == 1 and len(path.approximate_trajectory.points) == 2


def test_reset_forgets_the_last_solution(ask, service, module_client):
    assert module_client.call(Trigger, "ik_service/reset", Trigger.Request()).success
    cold = ask(request_for(TARGETS[5]))
    ask(request_for(TARGETS[20]))
    assert module_client.call(Trigger, "ik_service/reset", Trigger.Request()).success
    assert list(ask(request_for(TARGETS[5])).solution.position) == list(cold.solution.position)


def test_a_reload_of_a_bad_file_leaves_the_model_in_use(good, service, module_client, model_copy):
    before, content = good(), model_copy.read_bytes()
    damages = {"truncated": content[: len(content) // 2], "foreign": b"not a model", "missing": None}
    for damage, data in damages.items():
        if data is None:
            model_copy.unlink()
        else:
            model_copy.write_bytes(data)
        answer = module_client.call(Trigger, "ik_service/reload", Trigger.Request())
        assert not answer.success and "stays" in answer.message, damage
        np.testing.assert_array_equal(good(), before)
    model_copy.write_bytes(content)
    answer = module_client.call(Trigger, "ik_service/reload", Trigger.Request())
    assert answer.success and "300 samples" in answer.message
    np.testing.assert_array_equal(good(), before)


def test_diagnostics_tell_rate_latency_failures_and_model(good, service, module_client):
    messages = module_client.collect(DiagnosticArray, "/diagnostics")
    good()
    module_client.spin_until(lambda: messages)
    values = {item.key: item.value for item in messages[0].status[0].values}
    assert {"rate [1/s]", "latency p50 [ms]", "latency p99 [ms]", "failures", "support mean", "model"} <= set(values)
    assert "CRiSP residual" in values["model"]


def damaged(tmp_path, small_model, kind):
    path = tmp_path / "model.npz"
    if kind == "truncated":
        path.write_bytes(small_model.read_bytes()[:-2000])
    elif kind == "foreign":
        np.savez(path, weights=np.zeros(3))
    return path


@pytest.mark.parametrize("kind", ["missing", "truncated", "foreign"])
def test_a_bad_model_at_the_start_is_fatal_and_said_in_words(ros, start, small_model, tmp_path, kind):
    path = damaged(tmp_path, small_model, kind)
    process = start("ik_service", model=str(path))
    assert process.wait() == 1
    assert "FATAL" in process.text and str(path) in process.text and "Traceback" not in process.text


def test_a_model_of_another_robot_and_a_bad_parameter_are_fatal(ros, start, small_model):
    from crisp_ik_ros.resources import model_path

    foreign = start("ik_service", model=str(small_model), urdf=str(model_path("planar5.urdf")))
    wrong = start("ik_service", model="nominal", default_timeout=-1.0)
    for process, word in ((foreign, "was trained for"), (wrong, "default_timeout")):
        assert process.wait() == 1
        assert "FATAL" in process.text and word in process.text and "Traceback" not in process.text


def test_sigterm_ends_it_cleanly(ros, start):
    process = start("ik_service", model="nominal")
    process.wait_for("serving /compute_ik")
    assert "nominal model of panda" in process.text
    assert process.stopped_cleanly(signal.SIGTERM)
