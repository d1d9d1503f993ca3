"""trajectory_follower, with simulator and service, over DDS."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
from nav_msgs.msg import Path
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.nodes.runner import run_system
from crisp_ik_ros.nodes.system import SystemArguments, panda_sim_system

pytest.importorskip("pybullet")
pytestmark = pytest.mark.alone
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_the_system_follows_a_circle_and_reports_it(ros, tmp_path, panda):
    report = tmp_path / "out" / "report.json"
    arguments = SystemArguments(
        trajectory="circle",
        model="nominal",
        points=50,
        rate=25.0,
        rviz=False,
        robot_state_publisher=False,
        exit_when_done=True,
        report=str(report),
    )
    log = tmp_path / "log"
    with log.open("w") as output:
        code = run_system(panda_sim_system(arguments, tmp_path), timeout=90.0, output=output)
    text = log.read_text()
    assert code == 0, text
    assert "Traceback" not in text
    assert "circle: 50 of 50 targets solved" in text and "service latency" in text
    content = json.loads(report.read_text())
    (run,) = content["runs"]
    assert content["complete"] and content["joint_names"] == list(panda.joint_names)
    targets, commanded = np.array(run["targets"]), np.array(run["configurations"])
    assert targets.shape == (50, 4, 4) and commanded.shape == (50, 7)
    assert tool_errors(targets, panda.forward_kinematics(commanded))[0].max() < 1e-5
    assert set(run["error_codes"]) == {1} and len(run["latencies"]) == 50 and min(run["latencies"]) > 0.0
    measured = [pose for pose in run["measured"] if pose is not None]
    assert len(measured) > 25
    at_rest = tool_errors(targets[-1:], np.array(run["at_rest"])[None])
    assert at_rest[0][0] < 1e-3


def test_it_starts_and_stops_when_told_and_shows_its_path(ros, start, client):
    sim, service = start("panda_sim"), start("ik_service", model="nominal")
    follower = start("trajectory_follower", autostart=False, loop=True, trajectory="circle", points=30)
    started = client.call(Trigger, "trajectory_follower/start", Trigger.Request())
    assert started.success
    again = client.call(Trigger, "trajectory_follower/start", Trigger.Request())
    assert not again.success and "already" in again.message
    targets = client.collect(Path, "trajectory_follower/target_path", LATCHED)
    actual = client.collect(Path, "trajectory_follower/actual_path", LATCHED)
    markers = client.collect(MarkerArray, "trajectory_follower/markers", LATCHED)
    client.spin_until(lambda: targets and actual and len(actual[-1].poses) > 3 and markers)
    assert len(targets[0].poses) == 30 and targets[0].header.frame_id == "panda_link0"
    assert {marker.ns for marker in markers[-1].markers} == {"errors", "target", "legend"}
    assert client.call(Trigger, "trajectory_follower/stop", Trigger.Request()).success
    assert not client.call(Trigger, "trajectory_follower/stop", Trigger.Request()).success
    # Once more, and away in the middle of it.
    assert client.call(Trigger, "trajectory_follower/start", Trigger.Request()).success
    count = len(markers)
    client.spin_until(lambda: len(markers) > count)
    assert follower.stopped_cleanly(signal.SIGINT)
    assert service.stopped_cleanly(signal.SIGINT)
    assert sim.stopped_cleanly(signal.SIGINT)


def test_without_a_service_it_says_so_and_ends(ros, start):
    follower = start("trajectory_follower", start_timeout=0.5, exit_when_done=True)
    assert follower.wait() == 1
    assert "no service" in follower.text and "no joint states" in follower.text and "Traceback" not in follower.text


def test_without_a_controller_that_listens_nothing_is_begun_and_its_topic_is_named(ros, start, client, panda):
    service = start("ik_service", model="nominal")
    follower = start("trajectory_follower", start_timeout=8.0, exit_when_done=True)
    publisher = client.node.create_publisher(JointState, "joint_states", qos_profile_sensor_data)
    message = JointState(name=list(panda.joint_names), position=panda.rest.tolist())

    def ended() -> bool:
        message.header.stamp = client.node.get_clock().now().to_msg()
        publisher.publish(message)
        return follower.process.poll() is not None

    client.spin_until(ended)
    assert follower.wait() == 1
    assert "no controller on /panda_arm_controller/joint_trajectory within 8 s" in follower.text
    assert "no service" not in follower.text and "no joint states" not in follower.text
    assert "targets" not in follower.text
    assert service.stopped_cleanly()


def test_sigterm_ends_it_cleanly_while_it_waits(ros, start, client):
    follower = start("trajectory_follower")
    client.call(Trigger, "trajectory_follower/stop", Trigger.Request())
    assert follower.stopped_cleanly(signal.SIGTERM)


def test_joint_states_of_another_robot_are_ignored_with_a_word(ros, start, client):
    follower = start("trajectory_follower", autostart=False)
    publisher = client.node.create_publisher(JointState, "joint_states", qos_profile_sensor_data)
    client.spin_until(lambda: publisher.get_subscription_count() > 0)

    def ignored() -> bool:
        # Again and again: they are best effort, and the follower may not know the publisher yet.
        for message in (JointState(), JointState(name=["elbow"], position=[1.0])):
            publisher.publish(message)
        return "joint states ignored" in follower.text

    client.spin_until(ignored)
    assert not client.call(Trigger, "trajectory_follower/stop", Trigger.Request()).success
    assert follower.stopped_cleanly()


def test_a_bad_trajectory_is_fatal(ros, start):
    follower = start("trajectory_follower", trajectory="square")
    assert follower.wait() == 1
    assert "FATAL" in follower.text and "'spiral'" in follower.text and "Traceback" not in follower.text
