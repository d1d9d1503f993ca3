"""Runs the nodes of a system as processes, where there is no `ros2 launch`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

from crisp_ik_ros.errors import MissingDependencyError
from crisp_ik_ros.nodes.system import PACKAGE, NodeSpec

TIMED_OUT = 124
POLL = 0.02


def run_system(
    specs: Sequence[NodeSpec],
    timeout: float | None = None,
    grace: float = 8.0,
    output: IO | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run the nodes until one that is required ends, a signal comes, or the time is up; then end the others.

    SIGINT and SIGTERM are passed on to the nodes. To be called from the main thread.

    Parameters
    ----------
    specs : sequence of NodeSpec
        Nodes of other packages that are not installed are left out, and this is said.
    timeout : float, optional
        Seconds; default: no limit.
    grace : float
        Seconds for the nodes to end before they are killed.
    output : file, optional
        Where the nodes write; default: where this process does.
    environment : mapping, optional
        Variables for the nodes beside those of this process.

    Returns
    -------
    int
        Exit code of the node that ended the system; 0 after a signal, when every node ended cleanly; 124 after the
        timeout; 1 when a node failed or had to be killed.
    """
    return _System(specs, grace, output, {**os.environ, **(environment or {})}).run(timeout)


def command_of(spec: NodeSpec) -> list[str]:
    """Command line of a node.

    Raises
    ------
    MissingDependencyError
        When it belongs to another package and that is not installed.
    """
    if spec.package == PACKAGE:
        command = [sys.executable, "-m", f"crisp_ik_ros.nodes.{spec.executable}"]
    else:
        command = [str(_executable(spec.package, spec.executable))]
    command += [*spec.arguments, "--ros-args", *spec.ros_arguments, "-r", f"__node:={spec.name}"]
    for before, after in spec.remappings:
        command += ["-r", f"{before}:={after}"]
    if spec.config:
        command += ["--params-file", str(spec.config)]
    for name, value in spec.parameters.items():
        # JSON is YAML, which is what the command line takes.
        command += ["-p", f"{name}:={json.dumps(value)}"]
    return command


class _System:
    def __init__(self, specs: Sequence[NodeSpec], grace: float, output: IO | None, environment: dict[str, str]):
        self._specs = {spec.name: spec for spec in specs}
        self._grace, self._output, self._environment = grace, output, environment
        self._processes: dict[str, subprocess.Popen] = {}
        self._ended: set[str] = set()
        self._signalled = False

    def run(self, timeout: float | None) -> int:
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        code = 1
        try:
            for spec in self._specs.values():
                if not spec.after:
                    self._start(spec)
            code = self._watch(None if timeout is None else time.monotonic() + timeout)
        finally:
            clean = self._stop()
            for number, handler in before.items():
                signal.signal(number, handler)
        return code if clean or code else 1

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True

    def _watch(self, deadline: float | None) -> int:
        """Return the exit code of the system when it is to end."""
        while not self._signalled:
            for name, process in list(self._processes.items()):
                code = process.poll()
                if code is None or name in self._ended:
                    continue
                self._ended.add(name)
                spec = self._specs[name]
                followers = [other for other in self._specs.values() if other.after == name]
                if code != 0 and (spec.required or followers):
                    _say(f"{name} has ended with exit code {code}")
                if spec.required or (code != 0 and followers):
                    return code if code >= 0 else 1
                for other in followers:
                    self._start(other)
            if deadline is not None and time.monotonic() > deadline:
                _say("the time is up")
                return TIMED_OUT
            time.sleep(POLL)
        return 0

    def _start(self, spec: NodeSpec) -> None:
        try:
            command = command_of(spec)
        except MissingDependencyError as error:
            _say(f"without {spec.name}: {error}")
            return
        # In a session of its own, so that Ctrl-C comes to a node once, from here, and not from the terminal as well.
        self._processes[spec.name] = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT if self._output is not None else None,
            env=self._environment,
            start_new_session=True,
        )

    def _stop(self) -> bool:
        """End what still runs; return whether every node ended cleanly."""
        running = {name: process for name, process in self._processes.items() if process.poll() is None}
        for process in running.values():
            process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + self._grace
        clean = True
        for name, process in running.items():
            try:
                code = process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _say(f"{name} does not end; killing it")
                process.kill()
                code = process.wait()
            if code != 0 and self._specs[name].package == PACKAGE:
                _say(f"{name} has ended with exit code {code}")
                clean = False
        return clean


def _executable(package: str, executable: str) -> Path:
    try:
        from ament_index_python.packages import PackageNotFoundError, get_package_prefix
    except ImportError as error:
        raise MissingDependencyError("no ROS 2 environment is sourced") from error
    try:
        path = Path(get_package_prefix(package)) / "lib" / package / executable
    except PackageNotFoundError as error:
        raise MissingDependencyError(f"the ROS 2 package {package} is not installed") from error
    if not path.is_file():
        raise MissingDependencyError(f"the ROS 2 package {package} has no executable {executable}")
    return path


def _say(text: str) -> None:
    print(f"[crisp-ik] {text}", file=sys.stderr, flush=True)
