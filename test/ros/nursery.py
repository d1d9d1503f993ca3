"""Nodes that start in a moment: a process that has imported their libraries forks one for each that is wanted.

That takes two seconds of processor time, and the tests start more than a hundred nodes. What is started is the node
itself: its own ``main`` with its own command line, in a process of its own, over real DDS. Tests of how a process
starts start nodes by their commands.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import IO

# All of it but rclpy, which brings threads with it: they do not live through a fork.
IMPORTED = (
    "crisp_ik_ros.estimators.crisp", "crisp_ik_ros.estimators.model_file", "crisp_ik_ros.simulation.pybullet_arm",
    "crisp_ik_ros.simulation.sampling", "geometry_msgs.msg", "sensor_msgs.msg", "visualization_msgs.msg", "yourdfpy",
)  # fmt: skip
WHERE_INSTALLED = ("pybullet", "viser")
POLL = 0.005


class Nursery:
    """The process that forks, as those who want nodes see it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"},
        )

    def ask(self, request: dict) -> int | None:
        with self._lock:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        assert answer, f"the nursery has ended with {self._process.wait(10.0)}"
        return json.loads(answer)

    def close(self) -> None:
        """End; nodes that run still do so without it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def start(self, command: list[str], log: str, environment: dict[str, str]) -> Child:
        """Start ``python -m crisp_ik_ros.nodes.NAME ...`` with its output in a file."""
        return Child(self, command, self.ask({"command": command, "log": log, "environment": environment}))


class Child:
    """A node of the nursery's: of ``subprocess.Popen``, what the tests use."""

    def __init__(self, nursery: Nursery, command: list[str], pid: int | None):
        assert pid is not None
        self._nursery, self.args, self.pid, self.returncode = nursery, command, pid, None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._nursery.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(POLL)
        return code

    def send_signal(self, number: int) -> None:
        # Its number is its own until the nursery is asked how it has ended.
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def serve(requests: IO[str], answers: IO[str]) -> dict | None:
    """Fork and look after the children until there are no more requests; return, in a child, what it is to be."""
    for line in requests:
        request = json.loads(line)
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                return request
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    return None


def become(request: dict, answers: IO[str]) -> int:
    """Be a node; return its exit code."""
    from crisp_ik_ros.early_end import end_quietly

    os.setsid()
    answers.close()
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for ours, theirs in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(ours, theirs)
    os.environ.clear()
    os.environ.update(request["environment"])
    command = request["command"]
    assert command[1] == "-m", command
    sys.orig_argv, sys.argv = command, [command[2], *command[3:]]
    end_quietly()
    return importlib.import_module(command[2]).main()


def main() -> int:
    # What is imported may print.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        signal.signal(number, handler)
    # As ``python -m`` has it.
    sys.path[0] = os.getcwd()
    for name in IMPORTED:
        importlib.import_module(name)
    for name in WHERE_INSTALLED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    threads = os.listdir("/proc/self/task")
    assert len(threads) == 1, f"an import brought threads: {threads}"
    request = serve(sys.stdin, answers)
    return 0 if request is None else become(request, answers)


if __name__ == "__main__":
    sys.exit(main())
