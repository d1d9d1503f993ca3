"""One training in a process of its own, so that its peak memory is its own: ``python -m benchmarks.training_child``.

Takes one JSON object as its argument (``samples``: a file; ``count``; ``centers``, or null for exact regression), and
prints one.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.robots.robot_model import RobotModel

# Samples and centers of a first training, after which everything is compiled and loaded.
WARM_UP = (400, 100)


def main(argument: str) -> None:
    """Train once and print seconds and peak memory."""
    request = json.loads(argument)
    robot = RobotModel.panda()
    mapped = Dataset.load(request["samples"], memory_map=True)
    dataset = _first(mapped, request["count"])
    centers = request["centers"]
    CRiSP(robot, centers=None if centers is None else WARM_UP[1]).fit(_first(mapped, WARM_UP[0]))
    begin = time.perf_counter()
    estimator = CRiSP(robot, centers=centers).fit(dataset)
    seconds = time.perf_counter() - begin
    position = estimator.validation_.get("position_rms")
    print(json.dumps({"seconds": seconds, "peak_bytes": peak_memory(), "held_out_position_rms_m": position}))


def peak_memory() -> int:
    """Largest resident memory of this process so far [bytes], mapped files included."""
    try:
        # What the system keeps for getrusage begins with the parent's, of which this process was a copy.
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    except OSError:
        found = None
    kilobytes = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 1024 * kilobytes


def _first(dataset: Dataset, count: int) -> Dataset:
    """Return the first samples, still in their file."""
    return Dataset(dataset.configurations[:count], dataset.poses[:count], dataset.joint_names)


if __name__ == "__main__":
    main(sys.argv[1])
