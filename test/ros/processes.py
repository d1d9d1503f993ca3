"""Nodes as processes, and a client for them, in a DDS domain of the test session's own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import ClassVar

import rclpy
from nursery import Child, Nursery

# Workers of one session have domains next to each other, so that none has that of another.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
SESSION = os.getppid() + int(WORKER.removeprefix("gw")) if WORKER else os.getpid()
# Linux keeps the ports of domains 0 to 101 free of ephemeral ones.
ENVIRONMENT = {"ROS_DOMAIN_ID": str(2 + SESSION % 98), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
PATIENCE = 60.0
# Of a log, what is shown where a test fails [characters].
TAIL = 3000


class NodeProcess:
    """One node, started with parameters; its log goes to a file.

    Its libraries are there already (``nursery``), unless it is to be started by its command.
    """

    # Those that run, and those that ended since the last test.
    known: ClassVar[list[NodeProcess]] = []
    nursery: ClassVar[Nursery | None] = None

    def __init__(self, executable: str, folder: Path, parameters: dict | None = None, by_command: bool = False):
        from crisp_ik_ros.nodes.runner import command_of
        from crisp_ik_ros.nodes.system import NodeSpec

        command = command_of(NodeSpec(executable, executable, parameters=parameters or {}))
        self.log = folder / f"{executable}_{time.monotonic_ns()}.log"
        environment = {**os.environ, **ENVIRONMENT, "PYTHONFAULTHANDLER": "1"}
        self.log.touch()
        self.process: subprocess.Popen | Child
        if by_command:
            with self.log.open("wb") as stream:
                self.process = subprocess.Popen(
                    command,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    env=environment,
                )
        else:
            NodeProcess.nursery = self.nursery or Nursery()
            self.process = self.nursery.start(command, str(self.log), environment)
        self.known.append(self)

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def last_words(self) -> tuple[str, str]:
        """Return how it is, and the end of its log."""
        code = self.process.poll()
        return f"{self.log.stem} {'runs' if code is None else f'has ended with {code}'}", self.text[-TAIL:]

    def wait(self, timeout: float = PATIENCE) -> int:
        return self.process.wait(timeout)

    def wait_for(self, text: str, timeout: float = PATIENCE) -> None:
        deadline = time.monotonic() + timeout
        while text not in self.text:
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.text}"
            assert time.monotonic() < deadline, f"never said {text!r}:\n{self.text}"
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGINT, timeout: float = 20.0) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()

    def stopped_cleanly(self, number: int = signal.SIGINT) -> bool:
        code = self.stop(number)
        assert code == 0, self.text
        assert "Traceback" not in self.text, self.text
        return True


class Client:
    """The test's own node."""

    def __init__(self):
        self.node = rclpy.create_node("test_client")
        self.executor = rclpy.executors.SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self._clients = {}

    def call(self, kind, name: str, request, timeout: float = PATIENCE):
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = self.node.create_client(kind, name)
        assert client.wait_for_service(timeout), f"no service {name}"
        future = client.call_async(request)
        self.executor.spin_until_future_complete(future, timeout)
        assert future.done(), f"no answer from {name}"
        return future.result()

    def spin_until(self, condition, timeout: float = PATIENCE):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "it never happened"
            self.executor.spin_once(timeout_sec=0.05)

    def collect(self, kind, topic: str, qos=10) -> list:
        messages: list = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages
