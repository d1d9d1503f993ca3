"""The nodes in their enclaves, with keys that `ros2 security` makes from the policy that ships.

Skipped where that tool is missing, or where the middleware is compiled without security, as in the Python wheels.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from policies import PARENT, POLICY, allowed
from processes import ENVIRONMENT, NodeProcess

from crisp_ik_ros.nodes.runner import command_of
from crisp_ik_ros.nodes.system import NodeSpec

PROBE = Path(__file__).with_name("discovery_probe.py")
WITHOUT = {"ROS_SECURITY_ENABLE": "false"}


def secured(keystore: Path) -> dict[str, str]:
    return {
        "ROS_SECURITY_KEYSTORE": str(keystore),
        "ROS_SECURITY_ENABLE": "true",
        "ROS_SECURITY_STRATEGY": "Enforce",
    }


def tool(*words: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, **ENVIRONMENT}
    return subprocess.run(["ros2", "security", *words], env=environment, capture_output=True, text=True, umask=0o077)


@pytest.fixture(scope="module")
def keystore(tmp_path_factory):
    if shutil.which("ros2") is None or tool("--help").returncode:
        pytest.skip("`ros2 security` is not installed")
    path = tmp_path_factory.mktemp("security") / "keystore"
    for words in (("create_keystore", str(path)), ("generate_artifacts", "-k", str(path), "-p", str(POLICY))):
        done = tool(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    program = "import rclpy; rclpy.init(); rclpy.create_node('client')"
    done = subprocess.run(
        [sys.executable, "-c", program, "--ros-args", "--enclave", PARENT + "client"],
        env={**os.environ, **ENVIRONMENT, **secured(path)},
        capture_output=True,
        text=True,
    )
    if "doesn't have the security libraries" in done.stderr:
        pytest.skip("the middleware is compiled without security")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def begin(keystore, tmp_path_factory):
    """Start a node, or the probe, in an enclave or in none."""
    folder, running = tmp_path_factory.mktemp("nodes"), []

    def start(command: str | list[str], enclave: str = "", **parameters) -> NodeProcess:
        if isinstance(command, str):
            command = command_of(NodeSpec(command, command, parameters=parameters, enclave=PARENT + enclave))
        elif enclave:
            command = [*command, "--ros-args", "--enclave", PARENT + enclave, "-r", f"__node:={enclave}"]
        process = NodeProcess.__new__(NodeProcess)
        process.log = folder / f"{len(running)}.log"
        environment = {**os.environ, **ENVIRONMENT, **(secured(keystore) if enclave else WITHOUT)}
        with process.log.open("wb") as stream:
            process.process = subprocess.Popen(
                command, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True, env=environment
            )
        running.append(process)
        return process

    yield start
    for process in running:
        process.stop()


@pytest.fixture(scope="module")
def service(begin):
    process = begin("ik_service", "ik_service", model="nominal")
    process.wait_for("serving", 120.0)
    return process


def test_every_enclave_of_the_policy_has_keys_that_only_the_owner_reads(keystore):
    listed = set(tool("list_enclaves", str(keystore)).stdout.split())
    assert listed == {PARENT + name for name in allowed()}
    for path in keystore.rglob("*key.pem"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_client_with_the_right_to_ask_is_answered(service, begin):
    begin([sys.executable, str(PROBE)], "client").wait_for("answered 1", 30.0)


def test_who_is_in_no_enclave_finds_no_service(service, begin):
    near, outside = begin([sys.executable, str(PROBE)], "client"), begin([sys.executable, str(PROBE)])
    near.wait_for("answered 1", 30.0)
    outside.wait_for("unknown", 30.0)
    time.sleep(5.0)
    assert set(outside.text.split()) == {"unknown"}


def test_an_enclave_without_the_right_to_ask_is_refused(service, begin):
    probe = begin([sys.executable, str(PROBE)], "recorder")
    assert probe.wait(30.0) != 0
    assert "compute_ik" in probe.text and "answered" not in probe.text


def test_the_follower_completes_a_circle_with_service_and_simulator_in_enclaves(service, begin, tmp_path):
    begin("panda_sim", "panda_sim").wait_for("simulating")
    report = tmp_path / "report.json"
    options = {"trajectory": "circle", "points": 20, "exit_when_done": True, "report": str(report)}
    follower = begin("trajectory_follower", "trajectory_follower", **options)
    assert follower.wait(120.0) == 0, follower.text
    assert json.loads(report.read_text())["complete"]
