"""SIGINT and SIGTERM at any time: exit code 0 and no traceback, and nothing is offered that cannot be answered yet."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faulty import hard_pose, request_for

from crisp_ik_ros.early_end import is_node

NODES = ("ik_service", "recorder", "panda_sim", "trainer")


def importing(process) -> bool:
    """Whether a process has begun to import this package's libraries, and nothing of ROS yet."""
    assert process.process.poll() is None, process.text
    try:
        maps = Path(f"/proc/{process.process.pid}/maps").read_text()
    except OSError:
        pytest.skip("this system does not tell what a process has loaded")
    return "numba" in maps or "numpy" in maps


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("node", NODES)
def test_18_a_signal_while_a_node_is_imported_ends_it_with_code_0_and_no_word(ros, start, node, number):
    process = start(node, by_command=True)
    deadline = time.monotonic() + 60.0
    while not importing(process):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert process.stopped_cleanly(number)
    assert process.text == ""


@pytest.mark.parametrize("node", ["recorder", "panda_sim"])
def test_18_a_signal_ends_a_node_that_runs_with_code_0(ros, start, tmp_path, node):
    if node == "panda_sim":
        pytest.importorskip("pybullet")
    process = start(node, **({"output": str(tmp_path / "data.csv")} if node == "recorder" else {}))
    process.wait_for("recording" if node == "recorder" else "simulating")
    assert process.stopped_cleanly(signal.SIGTERM)


def test_18_a_signal_while_the_service_compiles_ends_it_and_until_then_nothing_is_offered(
    ros, start, client, tmp_path, monkeypatch
):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    process = start("ik_service", by_command=True, model="nominal")
    process.wait_for("compiling")
    until = time.monotonic() + 2.0
    client.spin_until(lambda: "ik_service" in client.node.get_node_names())
    client.spin_until(lambda: time.monotonic() > until)
    offered = [name for name, _ in client.node.get_service_names_and_types()]
    assert not [name for name in offered if "compute_ik" in name or "reload" in name], offered
    children = subprocess.run(
        ["pgrep", "-P", str(process.process.pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    assert process.stopped_cleanly()
    assert "serving" not in process.text
    assert children and not [child for child in children if Path(f"/proc/{child}").exists()]


def test_18_a_signal_in_a_long_search_ends_the_service_at_once_and_the_client_is_told(ros, start, client):
    from builtin_interfaces.msg import Duration
    from crisp_ik.srv import ComputeIK

    process = start("ik_service", model="nominal", longest_timeout=100.0)
    process.wait_for("serving /compute_ik")
    asked = client.node.create_client(ComputeIK, "compute_ik")
    assert asked.wait_for_service(30.0)
    answer = asked.call_async(request_for(hard_pose(), timeout=Duration(sec=90)))
    until = time.monotonic() + 1.0
    client.spin_until(lambda: time.monotonic() > until)
    begin = time.monotonic()
    assert process.stopped_cleanly()
    assert time.monotonic() - begin < 15.0
    client.spin_until(answer.done)
    assert "shutting down" in answer.result().message and not answer.result().solution.position


def test_only_the_command_lines_of_nodes_are_taken_for_nodes():
    assert is_node([sys.executable, "-m", "crisp_ik_ros.nodes.trainer", "--ros-args"])
    assert is_node([sys.executable, "-u", "ws/install/crisp_ik/lib/crisp_ik/ik_service", "--ros-args"])
    for other in (["-m", "pytest", "crisp_ik_ros.nodes"], ["mine.py", "-m", "crisp_ik_ros.nodes.trainer"], ["-c", "x"]):
        assert not is_node([sys.executable, *other])
    assert not is_node([sys.executable])
