"""FollowJointTrajectory, served by panda_sim and used by trajectory_follower, where control_msgs is installed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from processes import Client, NodeProcess
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from crisp_ik_ros.nodes.conversions import duration_message

control_msgs = pytest.importorskip("control_msgs.action")
NAME = "panda_arm_controller/follow_joint_trajectory"


@pytest.fixture(scope="module")
def sim(ros, tmp_path_factory):
    process = NodeProcess("panda_sim", tmp_path_factory.mktemp("action"))
    process.wait_for("simulating")
    yield process
    assert process.stopped_cleanly()


@pytest.fixture
def client(ros):
    client = Client()
    yield client
    client.node.destroy_node()


@pytest.fixture
def action(sim, client):
    from rclpy.action import ActionClient

    found = ActionClient(client.node, control_msgs.FollowJointTrajectory, NAME)
    client.spin_until(found.server_is_ready)
    yield found
    found.destroy()


@pytest.fixture
def joints(sim, client):
    """Positions (7,) as they are measured last."""
    states = client.collect(JointState, "joint_states", qos_profile_sensor_data)
    client.spin_until(lambda: states)
    return lambda: np.array(states[-1].position[:7])


def goal_to(panda, *points, tolerance=()):
    """Goal through configurations, each with its time [s]."""
    goal = control_msgs.FollowJointTrajectory.Goal()
    goal.trajectory = JointTrajectory(joint_names=list(panda.joint_names))
    for time, configuration in points:
        point = JointTrajectoryPoint(positions=list(configuration), time_from_start=duration_message(time))
        goal.trajectory.points.append(point)
    return goal


def wait(client, future):
    client.spin_until(future.done)
    return future.result()


def test_a_goal_is_driven_to_its_end_with_feedback(action, client, joints, panda):
    goal = joints() + np.array([0.2, -0.1, 0.0, 0.1, 0.0, 0.0, 0.3])
    told = []
    handle = wait(client, action.send_goal_async(goal_to(panda, (1.0, goal)), lambda one: told.append(one.feedback)))
    assert handle.accepted
    response = wait(client, handle.get_result_async())
    assert response.status == 4 and response.result.error_code == 0, response.result.error_string
    np.testing.assert_allclose(joints(), goal, atol=0.02)
    assert len(told) >= 3 and list(told[-1].joint_names) == list(panda.joint_names)
    error = np.array(told[-1].desired.positions) - np.array(told[-1].actual.positions)
    np.testing.assert_allclose(error, told[-1].error.positions, atol=1e-9)


def test_a_goal_that_cannot_be_driven_is_refused(action, client, joints, panda, sim):
    too_far = panda.upper + 0.5
    assert not wait(client, action.send_goal_async(goal_to(panda, (1.0, too_far)))).accepted
    wrong = goal_to(panda, (1.0, panda.rest))
    wrong.trajectory.joint_names[0] = "elbow"
    assert not wait(client, action.send_goal_async(wrong)).accepted
    assert "trajectory refused" in sim.text


def test_a_new_goal_takes_the_place_of_the_old_and_a_cancelled_one_stops(action, client, joints, panda):
    begin = joints()
    away = begin + np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0])
    first = wait(client, action.send_goal_async(goal_to(panda, (4.0, away))))
    second = wait(client, action.send_goal_async(goal_to(panda, (8.0, away))))
    assert first.accepted and second.accepted
    ended = wait(client, first.get_result_async())
    assert ended.status == 6 and ended.result.error_code == -1
    wait(client, second.cancel_goal_async())
    assert wait(client, second.get_result_async()).status == 5
    place = joints()
    stopped = []
    client.spin_until(lambda: stopped.append(joints()) or len(stopped) > 100)
    assert np.abs(stopped[-1] - place).max() < 0.1 and np.abs(stopped[-1] - stopped[-20]).max() < 1e-3


@pytest.mark.parametrize("stop", [False, True])
def test_the_follower_drives_whole_paths_with_the_action(sim, client, joints, start, tmp_path, stop):
    report = tmp_path / "report.json"
    service = start("ik_service", model="nominal")
    service.wait_for("serving /compute_ik")
    follower = start(
        "trajectory_follower",
        command_interface="action",
        trajectory="circle",
        points=40,
        # Slow where it is to be stopped, so that there is time for that.
        rate=5.0 if stop else 25.0,
        settle_time=0.1,
        # Neither is held up by a machine that is.
        halt_time=1.0,
        exit_when_done=True,
        report=str(report),
    )
    if stop:
        follower.wait_for("circle: 40 targets")
        before = joints()
        client.spin_until(lambda: np.abs(joints() - before).max() > 0.02)
        assert client.call(Trigger, "trajectory_follower/stop", Trigger.Request()).success
        follower.wait_for("stopped, as asked")
        rests = []

        def at_rest():
            rests.append(joints())
            return len(rests) > 40 and np.abs(rests[-1] - rests[-10]).max() < 1e-3

        client.spin_until(at_rest)
        assert follower.stopped_cleanly()
    else:
        assert follower.wait() == 0, follower.text
        run = json.loads(report.read_text())["runs"][0]
        assert len(run["configurations"]) == 40 and run["halts"] == 0
        measured = np.array([pose for pose in run["measured"] if pose is not None])
        # Where nothing was measured for a while, as on a machine that is held up, there is none.
        assert len(measured) >= 20
        targets = np.array([t for t, pose in zip(run["targets"], run["measured"], strict=True) if pose is not None])
        assert np.linalg.norm(measured[:, :3, 3] - targets[:, :3, 3], axis=1).max() < 2e-3
