"""The updater of /diagnostics, and what the nodes say with it."""

from __future__ import annotations

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.parameter import Parameter
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from crisp_ik_ros.nodes.diagnostics import DiagnosticUpdater
from crisp_ik_ros.nodes.health import Health, Level


@pytest.fixture
def node(ros, client):
    """A node on a simulated clock that never moves, spun with the client."""
    node = rclpy.create_node("probe", parameter_overrides=[Parameter("use_sim_time", value=True)])
    client.executor.add_node(node)
    yield node
    client.executor.remove_node(node)
    node.destroy_node()


def last_of(messages: list, name: str) -> DiagnosticStatus | None:
    return next((s for message in messages[::-1] for s in message.status if s.name == name), None)


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    return {item.key: item.value for item in status.values}


def test_every_task_is_published_also_where_simulated_time_stands_still(client, node):
    messages = client.collect(DiagnosticArray, "/diagnostics")
    updater = DiagnosticUpdater(node, "arm", 0.05)
    updater.add("well", lambda: Health(message="all well", values={"count": 3, "name": "a"}))
    updater.add("ill", lambda: Health(Level.WARN, "not so well"))
    updater.add("silent", lambda: None)
    client.spin_until(lambda: last_of(messages, "/probe: ill"))
    well, ill = last_of(messages, "/probe: well"), last_of(messages, "/probe: ill")
    assert (well.level, well.message, well.hardware_id) == (DiagnosticStatus.OK, "all well", "arm")
    assert values_of(well) == {"count": "3", "name": "a"}
    assert ill.level == DiagnosticStatus.WARN
    assert last_of(messages, "/probe: silent") is None
    updater.remove("ill")
    updater.hardware_id = "other"
    client.spin_until(lambda: last_of(messages, "/probe: well").hardware_id == "other")
    assert [status.name for status in messages[-1].status] == ["/probe: well"]


def test_a_task_that_raises_is_an_error_in_words_and_ends_nothing(client, node):
    messages = client.collect(DiagnosticArray, "/diagnostics")
    updater = DiagnosticUpdater(node, "arm", 0.05)
    updater.add("broken", lambda: 1 // 0)
    updater.add("whole", lambda: Health())
    client.spin_until(lambda: sum("/probe: whole" in [s.name for s in m.status] for m in messages) >= 2)
    broken = last_of(messages, "/probe: broken")
    assert broken.level == DiagnosticStatus.ERROR and "ZeroDivisionError" in broken.message


def test_the_simulator_tells_its_rate_and_the_commands_it_refused(ros, start, client):
    pytest.importorskip("pybullet")
    sim = start("panda_sim", diagnostics_period=0.3)
    messages = client.collect(DiagnosticArray, "/diagnostics")
    name = "/panda_sim: simulation"
    client.spin_until(lambda: last_of(messages, name) and float(values_of(last_of(messages, name))["rate [1/s]"]) > 20)
    publisher = client.node.create_publisher(JointTrajectory, "panda_arm_controller/joint_trajectory", 10)
    client.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(JointTrajectory(joint_names=["elbow"], points=[JointTrajectoryPoint(positions=[0.0])]))
    client.spin_until(lambda: values_of(last_of(messages, name))["commands refused"] == "1")
    status = next(s for m in messages for s in m.status if values_of(s).get("commands refused") == "1")
    assert status.level == DiagnosticStatus.WARN and "elbow" in status.message
    # Said once: what was refused stays in the values.
    client.spin_until(lambda: last_of(messages, name).level == DiagnosticStatus.OK)
    assert "elbow" in values_of(last_of(messages, name))["last refused because"]
    assert sim.stopped_cleanly()
