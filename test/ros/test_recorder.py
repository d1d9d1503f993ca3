"""recorder over DDS: samples of an arm that comes to rest, and words where it does not."""

from __future__ import annotations

import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from crisp_ik_ros import Dataset
from crisp_ik_ros.datasets.dataset import SAME_POINT
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.nodes.conversions import (
    duration_message,
    joint_state_message,
    pose_stamped_message,
    time_message,
)
from crisp_ik_ros.nodes.description import bias_of

BIAS = {"joint_bias_deg": 1.0, "link_bias_mm": 2.0, "bias_seed": 4}


def ask(client, what: str):
    return client.call(Trigger, f"recorder/{what}", Trigger.Request())


def set_parameter(client, name: str, value) -> None:
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    (result,) = client.call(SetParameters, "recorder/set_parameters", request).results
    assert result.successful, result.reason


def status_of(messages: list) -> DiagnosticStatus | None:
    return next((s for message in messages[::-1] for s in message.status if s.name.endswith("recording")), None)


def test_a_simulated_arm_is_recorded_stop_by_stop(ros, start, client, panda, tmp_path):
    pytest.importorskip("pybullet")
    path = tmp_path / "data" / "measured.npz"
    sim = start("panda_sim", **BIAS)
    recorder = start("recorder", output=str(path))
    publisher = client.node.create_publisher(JointTrajectory, "panda_arm_controller/joint_trajectory", 10)
    client.spin_until(lambda: publisher.get_subscription_count() > 0)
    rng = np.random.default_rng(0)

    def move(duration: float) -> np.ndarray:
        goal = panda.rest + rng.uniform(-0.3, 0.3, 7)
        point = JointTrajectoryPoint(
            positions=goal.tolist(), velocities=[0.0] * 7, time_from_start=duration_message(duration)
        )
        publisher.publish(JointTrajectory(joint_names=list(panda.joint_names), points=[point]))
        return goal

    first = ask(client, "capture")
    assert first.success and first.message.startswith("sample 1: tool at "), first.message
    assert "mm from the nominal model" in first.message
    goals = [panda.rest, move(1.0)]
    # It is on its way when it is asked for, and is captured where it arrives.
    client.spin_until(lambda: recorder.process.poll() is None, 1.0)
    time.sleep(0.3)
    second = ask(client, "capture")
    assert second.success and "sample 2" in second.message, second.message
    set_parameter(client, "automatic", True)
    for number in (3, 4):
        goals.append(move(0.6))
        recorder.wait_for(f"sample {number}:")
    # Once at each stop.
    time.sleep(1.5)
    assert "sample 5" not in recorder.text
    assert recorder.stopped_cleanly() and sim.stopped_cleanly()

    dataset = Dataset.load(path)
    assert dataset.only_poses and dataset.joint_names == panda.joint_names
    np.testing.assert_allclose(dataset.configurations, goals, atol=5e-3)
    true = panda.with_bias(*bias_of(panda, np.radians(1.0), 2e-3, 4))
    position, orientation = tool_errors(true.forward_kinematics(dataset.configurations), dataset.poses)
    assert position.max() < 1e-4 and orientation.max() < 2e-4
    assert tool_errors(panda.forward_kinematics(dataset.configurations), dataset.poses)[0].min() > 5e-3


@pytest.fixture
def lab(client, panda):
    """The test as driver of an arm and as what tracks its tool."""

    class Lab:
        def __init__(self):
            self.joints = client.node.create_publisher(JointState, "joint_states", 10)
            self.tool = client.node.create_publisher(PoseStamped, "tracker/pose", 10)
            self.q, self.moving, self.tracked = panda.rest.copy(), 0.0, True
            client.node.create_timer(0.01, self.tick)

        def tick(self):
            self.q = self.q + 0.01 * self.moving * np.eye(7)[3]
            stamp = time_message(client.node.get_clock().now().nanoseconds * 1e-9)
            self.joints.publish(joint_state_message(panda.joint_names, self.q, stamp))
            if self.tracked:
                self.tool.publish(pose_stamped_message(panda.forward_kinematics(self.q), "tracker", stamp))

        def wait(self, duration: float):
            deadline = time.monotonic() + duration
            client.spin_until(lambda: time.monotonic() > deadline)

    return Lab()


def test_what_keeps_it_from_capturing_is_said_and_a_signal_saves(ros, start, client, panda, tmp_path, lab):
    path = tmp_path / "measured.npz"
    parameters = {
        "output": str(path), "pose_topic": "/tracker/pose", "autosave": False, "settle_time": 0.3,
        "capture_timeout": 1.0, "diagnostics_period": 0.1,
    }  # fmt: skip
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    recorder = start("recorder", **parameters)
    lab.tracked = False
    refused = ask(client, "capture")
    assert not refused.success
    assert refused.message == "no pose received in the last 0.5 s on /tracker/pose; is the publisher running?"
    client.spin_until(lambda: status_of(diagnostics) and "no pose received" in status_of(diagnostics).message)
    assert status_of(diagnostics).level == DiagnosticStatus.WARN
    assert not ask(client, "save").success
    lab.tracked = True
    lab.moving = 0.02
    lab.wait(0.3)
    refused = ask(client, "capture")
    assert not refused.success and "the arm is still moving: joint panda_joint4 0.0" in refused.message
    lab.moving = 0.0

    # Messages that cannot be used, among those that can.
    bad = pose_stamped_message(np.eye(4), "tracker")
    bad.pose.position.x = np.nan

    def refused_both() -> bool:
        lab.joints.publish(joint_state_message(panda.joint_names, [np.nan] * 7))
        lab.joints.publish(joint_state_message(panda.joint_names, panda.rest[:5]))
        lab.tool.publish(bad)
        return "joint states refused" in recorder.text and "pose refused" in recorder.text

    client.spin_until(refused_both)

    # Both are answered: one with a sample, the other in the meantime.
    lab.wait(0.2)
    asked = client.node.create_client(Trigger, "recorder/capture")
    assert asked.wait_for_service(10.0)
    answers = [asked.call_async(Trigger.Request()) for _ in range(2)]
    client.spin_until(lambda: all(answer.done() for answer in answers))
    assert any(answer.result().success for answer in answers), [answer.result().message for answer in answers]
    taken = next(answer.result().message for answer in answers if answer.result().success)
    assert "sample 1" in taken and "nominal" not in taken
    client.spin_until(lambda: not status_of(diagnostics).message.startswith("0 samples"))
    values = {item.key: item.value for item in status_of(diagnostics).values}
    assert status_of(diagnostics).level == DiagnosticStatus.OK, status_of(diagnostics).message
    assert values["pose frame"] == "tracker" and int(values["unsaved"]) >= 1
    assert not path.exists()
    assert recorder.stopped_cleanly()
    saved = Dataset.load(path)
    np.testing.assert_allclose(saved.configurations[0], lab.q, atol=1e-3)

    # The file is continued, with samples of another kind.
    recorder = start("recorder", **{**parameters, "mode": "same_point", "autosave": True})
    recorder.wait_for(f"which has {len(saved)} sample")
    lab.tracked = False
    unnamed = ask(client, "capture")
    assert not unnamed.success and "group" in unnamed.message
    set_parameter(client, "group", "table/ball_0")
    named = ask(client, "capture")
    assert named.success and "table/ball_0" in named.message
    assert recorder.stopped_cleanly()
    dataset = Dataset.load(path)
    assert len(dataset) == len(saved) + 1 and dataset.kinds[-1] == SAME_POINT
    assert dataset.group_names == ("table/ball_0",)


def test_a_capture_that_waits_does_not_keep_the_node_from_ending(ros, start, client, tmp_path):
    recorder = start("recorder", output=str(tmp_path / "data.npz"), capture_timeout=600.0)
    asked = client.node.create_client(Trigger, "recorder/capture")
    assert asked.wait_for_service(60.0)
    answer = asked.call_async(Trigger.Request())
    deadline = time.monotonic() + 1.0
    client.spin_until(lambda: time.monotonic() > deadline)
    assert not answer.done()
    assert recorder.stopped_cleanly()
    assert not (tmp_path / "data.npz").exists()


def test_bad_parameters_are_fatal(ros, start, tmp_path):
    foreign = tmp_path / "foreign.npz"
    Dataset(np.zeros((2, 2)), np.repeat(np.eye(4)[None], 2, axis=0), ["elbow", "wrist"]).save(foreign)
    before = foreign.read_bytes()
    output = str(tmp_path / "data.npz")
    cases = [
        ({}, "output"),
        ({"output": output, "mode": "velocities"}, "velocities"),
        ({"output": output, "pose_topic": ""}, "pose_topic"),
        ({"output": str(foreign)}, "elbow"),
    ]
    for process, word in [(start("recorder", **parameters), word) for parameters, word in cases]:
        assert process.wait() == 1, process.text
        assert "FATAL" in process.text and word in process.text and "Traceback" not in process.text
    assert foreign.read_bytes() == before
