"""Two machines on one: network namespaces with a link between them, which can be cut."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from processes import NodeProcess

from crisp_ik_ros.nodes.runner import command_of
from crisp_ik_ros.nodes.system import NodeSpec

LEFT, RIGHT = "left", "right"
NUMBERS = itertools.count()
ADDRESSES = {LEFT: "10.211.55.1/24", RIGHT: "10.211.55.2/24"}


def unavailable() -> str:
    """Why there are no namespaces here; empty where there are."""
    if sys.platform != "linux" or shutil.which("ip") is None:
        return "needs Linux with iproute2"
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    name = f"probe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        return f"no network namespaces: {made.stderr.strip()}"
    try:
        linked = _in(name, "ip", "link", "add", "one", "type", "veth", "peer", "name", "two")
        return f"no virtual links: {linked.stderr.strip()}" if linked.returncode else ""
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False)


class Link:
    """Namespaces ``left`` and ``right``, each with its loopback, and the link between them."""

    def __init__(self) -> None:
        number = next(NUMBERS)
        self.names = {side: f"crisp{os.getpid()}_{number}_{side}" for side in ADDRESSES}

    def __enter__(self) -> Link:
        try:
            for name in self.names.values():
                _run("ip", "netns", "add", name)
            ends = [end for side, name in self.names.items() for end in ("name", side, "netns", name)]
            _run("ip", "link", "add", *ends[:4], "type", "veth", "peer", *ends[4:])
            for side, address in ADDRESSES.items():
                self._ip(side, "address", "add", address, "dev", side)
                self._ip(side, "link", "set", "lo", "up")
                self._ip(side, "link", "set", side, "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # The link goes with the namespaces.
        for name in self.names.values():
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)

    def cut(self) -> None:
        self._ip(LEFT, "link", "set", LEFT, "down")

    def restore(self) -> None:
        self._ip(LEFT, "link", "set", LEFT, "up")

    def inside(self, side: str) -> list[str]:
        """Words before a command that make it run there."""
        return ["ip", "netns", "exec", self.names[side]]

    def _ip(self, side: str, *words: str) -> None:
        _run("ip", "-n", self.names[side], *words)


class Placed(NodeProcess):
    """A node, or any command, in a namespace."""

    def __init__(self, link: Link, side: str, command: str | list[str], folder: Path, environment: dict, **parameters):
        name = command if isinstance(command, str) else Path(command[1]).stem
        if isinstance(command, str):
            command = command_of(NodeSpec(command, command, parameters=parameters))
        self.log = folder / f"{name}_{side}_{time.monotonic_ns()}.log"
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                [*link.inside(side), *command],
                stdout=stream,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1", **environment},
            )


def _in(name: str, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(["ip", "netns", "exec", name, *words], capture_output=True, text=True, check=False)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr.strip()}"
