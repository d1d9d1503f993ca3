"""panda_sim over DDS while things go wrong: what it refuses, and what it survives."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
from fake_robot import Stream
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from crisp_ik_ros.nodes.conversions import duration_message, seconds, time_message

pytest.importorskip("pybullet")
pytestmark = pytest.mark.alone
TOPIC = "panda_arm_controller/joint_trajectory"


@pytest.fixture
def states(client):
    return client.collect(JointState, "joint_states", qos_profile_sensor_data)


def joints(states, panda):
    return np.array([dict(zip(states[-1].name, states[-1].position, strict=True))[name] for name in panda.joint_names])


def trajectory(panda, positions, times, stamp=None, velocities=None):
    points = [
        JointTrajectoryPoint(positions=list(map(float, q)), time_from_start=duration_message(t))
        for q, t in zip(positions, times, strict=True)
    ]
    for point, velocity in zip(points, velocities if velocities is not None else [], strict=False):
        point.velocities = list(map(float, velocity))
    message = JointTrajectory(joint_names=list(panda.joint_names), points=points)
    if stamp is not None:
        message.header.stamp = time_message(stamp)
    return message


def test_15_stale_fast_and_senseless_commands_are_refused_and_the_arm_holds(ros, start, client, panda, states):
    sim = start("panda_sim")
    publisher = client.node.create_publisher(JointTrajectory, TOPIC, 10)
    client.spin_until(lambda: publisher.get_subscription_count() > 0 and len(states) > 10)
    rest, zero = panda.rest, np.zeros(7)
    away = rest + 0.2
    spoilt = np.full(7, np.nan)
    bad = {
        "in the past": lambda: trajectory(panda, [away], [0.1], time.time() - 0.4),
        "at a speed of": lambda: trajectory(panda, [away], [0.02]),
        "at a speed of 9": lambda: trajectory(panda, [away, away], [1.0, 2.0], velocities=[zero + 9.0, zero]),
        "not finite": lambda: trajectory(panda, [away], [1.0], velocities=[spoilt]),
        "not finite ": lambda: trajectory(panda, [spoilt], [1.0]),
        "velocities of lengths": lambda: trajectory(panda, [away, away], [1.0, 2.0], velocities=[zero]),
    }
    for word, make in bad.items():
        before, stamp = len(sim.text), seconds(states[-1].header.stamp)
        # Words about refusals are a second apart at least.
        client.spin_until(lambda stamp=stamp: seconds(states[-1].header.stamp) > stamp + 1.1)
        publisher.publish(make())
        client.spin_until(lambda before=before, word=word: word.strip() in sim.text[before:])
    assert np.abs(joints(states, panda) - rest).max() < 5e-3
    publisher.publish(trajectory(panda, [away], [1.0], velocities=[zero]))
    client.spin_until(lambda: np.abs(joints(states, panda) - away).max() < 5e-3)
    assert "Traceback" not in sim.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_18_a_signal_in_mid_motion_ends_the_simulator_well(ros, start, client, panda, states, number):
    sim = start("panda_sim")
    publisher = client.node.create_publisher(JointTrajectory, TOPIC, 10)
    client.spin_until(lambda: publisher.get_subscription_count() > 0 and len(states) > 10)
    publisher.publish(trajectory(panda, [panda.rest + 0.5], [5.0]))
    client.spin_until(lambda: np.abs(joints(states, panda) - panda.rest).max() > 0.05)
    assert sim.stopped_cleanly(number)


@pytest.mark.parametrize("jump", [-5.0, 5.0])
def test_16_a_jump_of_simulated_time_does_not_move_the_simulated_arm(ros, start, client, panda, states, jump):
    sim = start("panda_sim", use_sim_time=True)
    clock = client.node.create_publisher(Clock, "/clock", 10)
    publisher = client.node.create_publisher(JointTrajectory, TOPIC, 10)
    now = [100.0]

    def advance(until, period=0.01):
        def step():
            now[0] += period
            clock.publish(Clock(clock=time_message(now[0])))
            time.sleep(0.002)
            return until()

        client.spin_until(step)

    advance(lambda: publisher.get_subscription_count() > 0 and len(states) > 10)
    goal = panda.rest + 0.4
    publisher.publish(trajectory(panda, [goal], [4.0], now[0], [np.zeros(7)]))
    advance(lambda: np.abs(joints(states, panda) - panda.rest).max() > 0.1)
    now[0] += jump
    count = len(states)
    advance(lambda: "the clock has jumped" in sim.text)
    advance(lambda: np.abs(joints(states, panda) - goal).max() < 5e-3)
    # It goes on from where it was, as if nothing had happened.
    places = [dict(zip(state.name, state.position, strict=True)) for state in states[count - 3 :]]
    q = np.array([[place[name] for name in panda.joint_names] for place in places])
    assert np.abs(np.diff(q, axis=0)).max() < 0.1 and np.max(q - panda.rest) < 0.42
    assert sim.stopped_cleanly()


@pytest.mark.timeout(240)
def test_13_a_simulator_that_is_killed_and_restarted_in_mid_run_is_survived(ros, start, client, panda):
    start("ik_service", model="nominal")
    sim = start("panda_sim")
    received = []
    commands: list[JointTrajectory] = []

    def note(message):
        commands.append(message)
        received.append(time.time() - origin)

    origin = float(int(time.time()))
    client.node.create_subscription(JointTrajectory, TOPIC, note, 100)
    # The arm is simulated in real time, by a machine that may be busy.
    follower = start(
        "trajectory_follower", trajectory="circle", points=60, radius=0.1, rate=10.0, halt_time=0.5, exit_when_done=True
    )
    client.spin_until(lambda: len(commands) > 200)
    sim.process.kill()
    killed = time.time() - origin
    client.spin_until(lambda: time.time() - origin > killed + 1.5)
    assert "halted: nothing heard of the joint states" in follower.text
    count = len(commands)
    assert Stream(commands, received, origin).rest() <= killed + 0.5 + 0.1
    start("panda_sim")
    client.spin_until(lambda: follower.process.poll() is not None, 120.0)
    assert follower.process.returncode == 0, follower.text
    after = Stream(commands[count:], received[count:], origin)
    # The new arm stands at its rest pose, and is led from there.
    assert np.abs(after.commands[0].positions[0] - panda.rest).max() < 0.05
    assert Stream(commands[:count], received[:count], origin).check(panda) <= 15.0 and after.check(panda) <= 15.0
