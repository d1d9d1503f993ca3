"""panda_sim over DDS: joint states, commands, the true tool."""

from __future__ import annotations

import signal
from itertools import pairwise

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.nodes.conversions import duration_message, pose_from_message, seconds
from crisp_ik_ros.nodes.description import bias_of

pytest.importorskip("pybullet")
BIAS = {"joint_bias_deg": 1.0, "link_bias_mm": 2.0, "bias_seed": 4}


@pytest.fixture
def sim(ros, start):
    process = start("panda_sim", **BIAS)
    process.wait_for("simulating panda")
    return process


@pytest.fixture
def heard(sim, client):
    states = client.collect(JointState, "joint_states", qos_profile_sensor_data)
    tips = client.collect(PoseStamped, "panda_sim/tip_pose", qos_profile_sensor_data)
    client.spin_until(lambda: len(states) > 5 and len(tips) > 5)
    return states, tips


def command(client, panda, positions, names=None, duration=0.5):
    publisher = client.node.create_publisher(JointTrajectory, "panda_arm_controller/joint_trajectory", 10)
    client.spin_until(lambda: publisher.get_subscription_count() > 0)
    point = JointTrajectoryPoint(positions=list(positions), time_from_start=duration_message(duration))
    publisher.publish(JointTrajectory(joint_names=list(names or panda.joint_names), points=[point]))
    return publisher


def at(states, panda):
    return np.array([dict(zip(states[-1].name, states[-1].position, strict=True))[name] for name in panda.joint_names])


def test_it_goes_where_it_is_sent_and_its_true_tool_is_the_biased_one(sim, heard, client, panda):
    states, tips = heard
    assert {"panda_finger_joint1", "panda_finger_joint2"} < set(states[0].name)
    assert all(len(states[0].name) == len(values) for values in (states[0].position, states[0].velocity))
    assert tips[0].header.frame_id == "panda_link0"
    goal = panda.rest + 0.1
    order = [6, 0, 1, 2, 5, 4, 3]
    command(client, panda, goal[order], [panda.joint_names[i] for i in order])
    client.spin_until(lambda: np.abs(at(states, panda) - goal).max() < 2e-3)
    stamp = seconds(tips[-1].header.stamp)
    client.spin_until(lambda: seconds(tips[-1].header.stamp) > stamp + 0.3)
    true = panda.with_bias(*bias_of(panda, np.radians(1.0), 2e-3, 4))
    measured = pose_from_message(tips[-1].pose)[None]
    position, orientation = tool_errors(true.forward_kinematics(at(states, panda))[None], measured)
    assert position[0] < 2e-4 and orientation[0] < 2e-4
    assert tool_errors(panda.forward_kinematics(at(states, panda))[None], measured)[0][0] > 5e-3
    stamps = [seconds(state.header.stamp) for state in states]
    assert all(after >= before for before, after in pairwise(stamps))
    assert sim.stopped_cleanly()


def test_bad_commands_are_refused_with_words_and_change_nothing(sim, heard, client, panda):
    states, _ = heard
    rest = panda.rest
    outside = rest.copy()
    outside[1] = 3.0
    for positions, names in (
        (rest[:6], panda.joint_names[:6]),
        (outside, None),
        ([np.nan, *rest[1:]], None),
        (rest, [*panda.joint_names[:6], "elbow"]),
    ):
        before = sim.text.count("trajectory refused")
        stamp = seconds(states[-1].header.stamp)
        client.spin_until(lambda stamp=stamp: seconds(states[-1].header.stamp) > stamp + 1.1)
        command(client, panda, positions, names)
        client.spin_until(lambda before=before: sim.text.count("trajectory refused") > before)
    assert np.abs(at(states, panda) - rest).max() < 5e-3
    assert "Traceback" not in sim.text


def test_the_description_comes_late_and_whole_and_sigterm_ends_it(sim, client):
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    messages = client.collect(String, "robot_description", latched)
    client.spin_until(lambda: messages)
    assert 'filename="file:///' in messages[0].data and "package://" not in messages[0].data
    assert sim.stopped_cleanly(signal.SIGTERM)


def test_bad_parameters_are_fatal(ros, start):
    for parameters in ({"initial_configuration": [9.0] * 7}, {"urdf": "/nowhere.urdf"}, {"rate": 1.0}):
        process = start("panda_sim", **parameters)
        assert process.wait() == 1
        assert "FATAL" in process.text and "Traceback" not in process.text
