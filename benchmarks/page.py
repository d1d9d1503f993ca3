"""How soon the page answers a drag: ``python -m benchmarks.page``.

The whole system runs as ``crisp-ik sim --view`` starts it, with the arm on its circle. A client plays the page: through
the page's own socket it says where the target was dragged to, and waits for the answer that the page would show. What
a browser then takes to draw it depends on its graphics card, and is not part of this.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.machine import describe_machine
from benchmarks.page_client import PageClient
from benchmarks.service_client import cpu_time
from benchmarks.soak import Running
from crisp_ik_ros import RobotModel
from crisp_ik_ros.transforms import quaternion_from_matrix

ADDRESS = re.compile(r"to be seen at http://(\S+)")
ANSWER = 'id="answer" data-number="{}"'
# For an answer [s].
LONGEST_ANSWER = 5.0
# For the scene to come [s].
SCENE = 5.0
# Between two drags, as a hand moves the mouse [s].
PERIOD = 0.02
WARM_UP = 20


def drag(page: PageClient, position: np.ndarray, wxyz: np.ndarray, number: int) -> float:
    """Time from a drag to the answer of a number [s]."""
    begin = time.perf_counter()
    page.drag(position, wxyz)
    page.says(ANSWER.format(number), LONGEST_ANSWER)
    return time.perf_counter() - begin


def measure(address: str, drags: int) -> list[float]:
    """Times from drags to their answers [s]."""
    robot = RobotModel.panda()
    start = robot.forward_kinematics(robot.rest)
    wxyz = np.roll(quaternion_from_matrix(start[:3, :3]), 1)
    times = []
    with PageClient(address) as page:
        # The scene first: it comes in a few large messages, and then only what moves.
        page.hear_for(SCENE)
        for k in range(WARM_UP + drags):
            angle = 0.05 * k
            offset = 0.05 * np.array([np.cos(angle) - 1.0, np.sin(angle), 0.5 * np.sin(2.0 * angle)])
            times.append(drag(page, start[:3, 3] + offset, wxyz, k + 1))
            time.sleep(PERIOD)
    return times[WARM_UP:]


def process_of(node: str, parent: int) -> int:
    """Process id of a node of the system that a process has started."""
    listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(parent)], capture_output=True, text=True)
    return next(int(line.split()[0]) for line in listed.stdout.splitlines() if f"nodes.{node}" in line)


def main(
    drags: Annotated[int, typer.Option(help="Drags.", min=10)] = 500,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
) -> None:
    """Measure how soon the page answers a drag."""
    command = [sys.executable, "-m", "crisp_ik_ros.cli", "sim", "--view", "--no-open", "--trajectory", "circle"]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        system = Running("system", command, Path(folder), dict(os.environ))
        stack.callback(system.stop)
        for words in ("to be seen at", "targets"):
            system.wait_for(words)
        address = ADDRESS.search(system.text)
        assert address is not None
        viewer = process_of("viewer", system.process.pid)
        busy, begin = cpu_time(viewer), time.perf_counter()
        milliseconds = 1e3 * np.array(measure(address[1], drags))
        share = (cpu_time(viewer) - busy) / (time.perf_counter() - begin)
    quantiles = {f"p{q}": float(np.percentile(milliseconds, q)) for q in (50, 95, 99)}
    found = {
        "drags": drags,
        "drag to answer [ms]": {**quantiles, "max": float(milliseconds.max())},
        "within 100 ms": float(np.mean(milliseconds <= 100.0)),
        "processor time of the viewer [cores]": share,
        "machine": describe_machine(),
    }
    print(json.dumps(found, indent=1))
    if out is not None:
        out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
