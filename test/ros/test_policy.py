"""What the nodes say and hear is what config/security/policy.xml allows, and the other way round."""

from __future__ import annotations

import time
from importlib.util import find_spec

import pytest
from policies import Rights, allowed
from processes import Client, NodeProcess
from rclpy.action import get_action_client_names_and_types_by_node, get_action_server_names_and_types_by_node

from crisp_ik_ros.nodes import moveit, trajectory_server

# Every option that adds a topic, so that nothing is allowed that no option asks for.
CLOCK = {"use_sim_time": True}
NODES = {
    "ik_service": {"model": "nominal", "measured_pose_topic": "/panda_sim/tip_pose", **CLOCK},
    "trajectory_follower": CLOCK,
    "panda_sim": CLOCK,
    "recorder": {"output": "measured.csv", **CLOCK},
    "viewer": CLOCK,
    **({"target_marker": CLOCK} if find_spec("interactive_markers") else {}),
    # So many samples that it is there until it is told to end.
    "trainer": {"output": "model.npz", "samples": 10_000_000, **CLOCK},
}
# Said when all is offered.
LAST_WORDS = {
    "ik_service": "serving",
    "panda_sim": "simulating",
    "recorder": "recording",
    "target_marker": "drag the target",
}
ACTION = "/panda_arm_controller/follow_joint_trajectory"
# What is not there without an optional package, or before it is asked for.
OPTIONAL = {("trajectory_follower", ACTION), ("ik_service", "/tf"), ("ik_service", "/tf_static")}
if not moveit.available():
    OPTIONAL.add(("ik_service", "/solve_ik"))
if not trajectory_server.available():
    OPTIONAL.add(("panda_sim", ACTION))


@pytest.fixture(scope="module")
def used(ros, tmp_path_factory):
    """Rights that the nodes make use of, once all that they make is in the graph."""
    folder = tmp_path_factory.mktemp("policy")
    for parameters in NODES.values():
        if "output" in parameters:
            parameters["output"] = str(folder / parameters["output"])
    client, processes = Client(), {}
    try:
        for name, parameters in NODES.items():
            # The trainer has nothing to wait for, and uses all cores.
            if name == "trainer":
                for other, process in processes.items():
                    process.wait_for(LAST_WORDS.get(other, ""))
            processes[name] = NodeProcess(name, folder, parameters)
        client.spin_until(lambda: all(look(client.node, name).reply for name in NODES))
        # What is discovered later than the rest.
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            client.executor.spin_once(timeout_sec=0.05)
        yield {name: look(client.node, name) for name in NODES}
    finally:
        for process in processes.values():
            process.stop()
        client.node.destroy_node()


def look(node, name: str) -> Rights:
    """Topics and services of a node, from the graph."""
    if (name, "/") not in node.get_node_names_and_namespaces():
        return Rights()
    found = (
        node.get_publisher_names_and_types_by_node(name, "/"),
        node.get_subscriber_names_and_types_by_node(name, "/"),
        node.get_service_names_and_types_by_node(name, "/"),
        node.get_client_names_and_types_by_node(name, "/"),
        get_action_client_names_and_types_by_node(node, name, "/"),
        get_action_server_names_and_types_by_node(node, name, "/"),
    )
    # What an action is made of is allowed with the action.
    return Rights(*({known for known, _ in names if "/_action/" not in known} for names in found))


@pytest.mark.parametrize("kind", ["publish", "subscribe", "reply", "request", "call", "execute"])
@pytest.mark.parametrize("name", NODES)
def test_a_node_may_do_what_it_does_and_nothing_else(used, name, kind):
    done, may = getattr(used[name], kind), getattr(allowed()[name], kind)
    assert done - may == set(), "not in config/security/policy.xml"
    assert {known for known in may - done if (name, known) not in OPTIONAL} == set(), (
        "in config/security/policy.xml, and not used"
    )
