"""The command `ros2 launch`, where it is installed: arguments, exit codes, Ctrl-C."""

import dataclasses
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from processes import ENVIRONMENT

from crisp_ik_ros.nodes.system import SystemArguments

pytest.importorskip("launch_ros")
if shutil.which("ros2") is None:
    pytest.skip("there is no ros2 command", allow_module_level=True)

LAUNCH_FILE = Path(__file__).resolve().parents[2] / "launch" / "panda_sim.launch.py"
PATIENCE = 120.0
NOTHING_ELSE = ("rviz:=false", "robot_state_publisher:=false")


def command(*arguments):
    return ["ros2", "launch", str(LAUNCH_FILE), *arguments]


@pytest.fixture
def environment(tmp_path):
    return {**os.environ, **ENVIRONMENT, "ROS_LOG_DIR": str(tmp_path)}


def run(environment, *arguments):
    return subprocess.run(
        command(*arguments),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )


def test_show_args_lists_every_argument(environment):
    shown = run(environment, "--show-args")
    assert shown.returncode == 0, shown.stdout
    for item in dataclasses.fields(SystemArguments):
        assert f"'{item.name}':" in shown.stdout


@pytest.mark.parametrize("argument, expected", [("trajectory:=square", "spiral"), ("loop:=flase", "true")])
def test_a_wrong_value_is_refused_by_name_before_anything_starts(environment, argument, expected):
    refused = run(environment, *NOTHING_ELSE, argument, "joint_bias:=2")
    assert refused.returncode == 1, refused.stdout
    name, value = argument.split(":=")
    assert name in refused.stdout and value in refused.stdout and expected in refused.stdout
    assert "no argument 'joint_bias'; 'joint_bias_deg'" in refused.stdout
    assert "process started" not in refused.stdout and "Traceback" not in refused.stdout


def test_ctrl_c_in_the_first_second_ends_all_without_an_error(environment, tmp_path):
    log = tmp_path / "log"
    with log.open("wb") as stream:
        # A process group of its own: Ctrl-C reaches the command and the nodes alike, as in a terminal.
        process = subprocess.Popen(
            command(*NOTHING_ELSE), env=environment, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while log.read_text().count("process started") < 3:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(PATIENCE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    said = log.read_text()
    assert code in (0, 130), said  # which of the two depends on the release of launch
    assert said.count("process has finished cleanly") == 3, said
    assert "Traceback" not in said and "process has died" not in said, said
