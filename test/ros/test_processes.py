"""Nodes of users without a home folder and on file systems that cannot be written to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from crisp_ik.srv import ComputeIK
from processes import ENVIRONMENT, NodeProcess

from crisp_ik_ros.nodes.runner import command_of
from crisp_ik_ros.nodes.system import NodeSpec

SERVICE = NodeSpec("ik_service", "ik_service", parameters={"model": "nominal"})


def mounts_here() -> bool:
    """Whether a mount name space of one's own can be had."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-m", "mount", "-o", "remount,bind,ro", "/"], capture_output=True).returncode == 0


@pytest.fixture
def run(tmp_path):
    """Start a command as a node, in a folder, with variables; None takes one away."""
    running = []

    def begin(command, folder, **variables):
        process = NodeProcess.__new__(NodeProcess)
        process.log = tmp_path / "node.log"
        environment = {**os.environ, **ENVIRONMENT, **variables}
        with process.log.open("wb") as stream:
            process.process = subprocess.Popen(
                command,
                cwd=folder,
                stdout=stream,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={name: value for name, value in environment.items() if value is not None},
            )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.stop()


def answers(client) -> bool:
    request = ComputeIK.Request()
    request.pose.header.frame_id = "panda_link0"
    request.pose.pose.position.y, request.pose.pose.position.z = 0.5, 0.05
    request.pose.pose.orientation.x, request.pose.pose.orientation.w = 1.0, 0.0
    response = client.call(ComputeIK, "/compute_ik", request)
    return response.error_code == ComputeIK.Response.SUCCESS and bool(np.isfinite(response.solution.position).all())


@pytest.mark.long
def test_the_service_serves_without_a_home_folder_and_says_that_no_log_is_written(run, client, tmp_path):
    service = run(command_of(SERVICE), tmp_path, HOME=None, ROS_HOME=None, ROS_LOG_DIR=None)
    service.wait_for("serving", 120.0)
    assert answers(client)
    assert "no log file is written" in service.text and "ROS_LOG_DIR" in service.text
    assert service.stopped_cleanly()


@pytest.mark.long
@pytest.mark.skipif(not mounts_here(), reason="needs root and a mount name space, for a read-only file system")
@pytest.mark.skipif(sys.prefix.startswith("/tmp/"), reason="an empty /tmp would hide the environment")
def test_the_service_serves_on_a_read_only_file_system(run, client):
    # All is read-only but /tmp, which is empty, and what the kernel mounts; the compiled functions are copied there.
    script = 'mount -o remount,bind,ro / && mount -t tmpfs none /tmp && cd / && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", *command_of(SERVICE)]
    service = run(command, "/", ROS_LOG_DIR=None, ROS_HOME=None, XDG_CACHE_HOME=None, NUMBA_CACHE_DIR=None)
    service.wait_for("serving", 200.0)
    assert answers(client)
    assert "no log file is written" in service.text
    assert service.text.count("compiled functions cannot be kept") == 1
    assert service.stopped_cleanly()


def test_a_node_whose_enclave_has_no_keys_says_so_and_ends(run, tmp_path):
    service = run(
        [*command_of(SERVICE), "--ros-args", "--enclave", "/crisp_ik/ik_service"],
        tmp_path,
        ROS_SECURITY_ENABLE="true",
        ROS_SECURITY_STRATEGY="Enforce",
        ROS_SECURITY_KEYSTORE=str(tmp_path / "nowhere"),
    )
    assert service.wait(60.0) == 1
    assert "cannot start" in service.text and str(tmp_path / "nowhere") in service.text
    assert "Traceback" not in service.text


def test_where_nothing_can_be_kept_a_process_and_its_children_compile_into_one_folder_of_their_own(tmp_path):
    (tmp_path / "package").mkdir()
    # A file where each folder would be.
    (tmp_path / "package" / "__pycache__").write_text("")
    (tmp_path / "cache").write_text("")
    program = (
        "import os, stat, subprocess, sys, warnings; from pathlib import Path; warnings.simplefilter('ignore');"
        "from crisp_ik_ros.compilation_cache import use_cache; folder = use_cache(Path('package').resolve());"
        "print(folder, oct(folder.parent.stat().st_mode & 0o777), os.environ['NUMBA_CACHE_DIR'])"
    )
    variables = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    # crisp_ik_ros itself has a folder, which it finds before; only that of ``package`` is none.
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**variables, "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    folder, rights, inherited = done.stdout.split()
    assert folder == inherited and folder.startswith(str(tmp_path / "crisp_ik_")) and rights == "0o700"
    assert list(tmp_path.glob("crisp_ik_*")) == []
