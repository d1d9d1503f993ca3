"""Start, run and stop of a node, on both executors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ENVIRONMENT
from rosgraph_msgs.msg import Clock
from std_srvs.srv import Trigger

from crisp_ik_ros.nodes import lifetime

PROBE = Path(__file__).with_name("lifetime_probe.py")
EXECUTORS = ["waiting", *(["events"] if lifetime.EventsExecutor else [])]


@pytest.fixture
def begin():
    running = []

    def start(task: str, executor: str, *arguments: str) -> subprocess.Popen:
        environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, str(PROBE), task, executor, "--ros-args", *arguments]
        running.append(subprocess.Popen(command, stdout=-1, stderr=-2, text=True, env=environment))
        assert running[-1].stdout.readline() == "ready\n"
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_node_that_ends_itself_gives_its_code(begin, executor):
    output, _ = (process := begin("end", executor)).communicate(timeout=30)
    assert process.returncode == 3 and output == "closed\n"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_error_in_a_callback_ends_the_node_and_is_shown(begin, executor):
    output, _ = (process := begin("fail", executor)).communicate(timeout=30)
    assert process.returncode == 1
    assert "ZeroDivisionError: in a callback" in output and "closed\n" in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_signal_ends_the_node_after_the_callback_that_runs(begin, executor, number):
    process = begin("work", executor)
    assert process.stdout.readline() == "at work\n"
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert output.startswith("done with it\n") and output.endswith("closed\n")


@pytest.mark.parametrize("executor", EXECUTORS)
def test_services_and_timers_run_also_on_a_simulated_clock(ros, begin, client, executor):
    process = begin("work", executor, "-p", "use_sim_time:=true")
    assert client.call(Trigger, "ask", Trigger.Request()).message == "here"
    publisher = client.node.create_publisher(Clock, "/clock", 1)
    said = []
    os.set_blocking(process.stdout.fileno(), False)

    def advance() -> bool:
        advance.time += 1
        publisher.publish(Clock(clock=lifetime_time(advance.time)))
        said.append(process.stdout.readline())
        return "at work\n" in said

    advance.time = 100
    assert "at work\n" not in said
    client.spin_until(advance, timeout=30.0)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_answer_may_wait_while_all_else_goes_on(begin, client, executor):
    process = begin("wait", executor)
    late = client.node.create_client(Trigger, "ask_patiently")
    assert late.wait_for_service(30.0)
    answer = late.call_async(Trigger.Request())
    for _ in range(2):
        assert not answer.done()
        assert client.call(Trigger, "ask", Trigger.Request()).message == "here"
    client.spin_until(answer.done, timeout=30.0)
    assert answer.result().message == "asked twice"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


def lifetime_time(seconds: int):
    from crisp_ik_ros.nodes.conversions import time_message

    return time_message(float(seconds))


def test_a_signal_that_the_compiler_swallows_ends_the_node_without_a_word_all_the_same():
    # What is raised in a callback from C goes no further: the compiler then fails in its own way.
    program = """
import ctypes, os, signal, sys
from crisp_ik_ros.nodes import lifetime

def inner():
    os.kill(os.getpid(), signal.SIGINT)
    return sum(range(1000))

def make():
    ctypes.CFUNCTYPE(ctypes.c_int)(inner)()
    raise RuntimeError("no compiled object yet")

sys.exit(lifetime.run_node(make, "probe"))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env={**os.environ, **ENVIRONMENT}
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr and "Interrupted" not in ended.stderr
