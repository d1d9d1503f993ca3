"""Training: time and peak memory against the number of samples n and of Nystrom centers m, each in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pictures import draw_training
from benchmarks.targets import Target, short_time
from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.experiments.steps import Progress, Steps
from crisp_ik_ros.robots.robot_model import RobotModel

# Samples of exact regression; samples of Nystrom regression, and its centers; centers, and the samples they are for.
FULL = (
    (2500, 5000, 10000, 20000, 35000),
    (10000, 30000, 100000, 300000, 1000000),
    2000,
    (250, 500, 1000, 2000),
    100000,
)
QUICK = ((500, 1000), (1000, 4000), 250, (125, 250), 4000)
# The robot is this far from its model [rad], and sampled this far around its rest pose [rad].
BIAS, SPREAD = np.deg2rad(1.0), 0.5
GIBIBYTE = 2**30
# (n, seconds, bytes)
EXACT_TARGET, NYSTROM_TARGET = (35000, 300.0, 11 * GIBIBYTE), (1000000, 150.0, 2 * GIBIBYTE)
# A time that grows with this power of n, or less, is called linear.
LINEAR = 1.1


class TrainingFailed(CrispIKError, RuntimeError):
    """The process that was to train ended without a result."""


def run(
    quick: bool = False,
    progress: Progress | None = None,
    sizes: tuple[tuple[int, ...], tuple[int, ...], int, tuple[int, ...], int] | None = None,
) -> dict[str, Any]:
    """Seconds and peak memory of a training with everything chosen from the data.

    Parameters
    ----------
    quick : bool
        Fewer samples and centers.
    progress : callable, optional
        Called as progress(done, total).
    sizes : tuple, optional
        As ``FULL``.

    Returns
    -------
    dict
        ``exact``, ``nystrom_n`` and ``nystrom_m``: lists of samples, centers, seconds, peak_bytes and the held-out
        error; ``exponent``: power of n that the time of Nystrom regression grows with over the last decade of n;
        ``targets``; ``settings``.
    """
    exact, nystrom, centers, center_counts, samples = sizes or (QUICK if quick else FULL)
    jobs = [("exact", count, None) for count in exact]
    jobs += [("nystrom_n", count, centers) for count in nystrom]
    jobs += [("nystrom_m", samples, m) for m in center_counts]
    steps = Steps(len(jobs) + 1, progress)
    rows: dict[str, list[dict[str, Any]]] = {"exact": [], "nystrom_n": [], "nystrom_m": []}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "samples.npz"
        write_samples(file, max(count for _, count, _ in jobs))
        steps()
        # Two of the series may share a training.
        done: dict[tuple[int, int | None], dict[str, Any]] = {}
        for name, count, m in jobs:
            if (count, m) not in done:
                done[count, m] = train(file, count, m)
            rows[name].append({"samples": count, "centers": m, **done[count, m]})
            steps()
    exponent = _exponent(rows["nystrom_n"])
    return {
        **rows,
        "exponent": exponent,
        "targets": [target.record() for target in _targets(rows, exponent)],
        "settings": {
            "quick": quick,
            "loss": "residual",
            "bias_deg": float(np.rad2deg(BIAS)),
            "spread_rad": SPREAD,
            "data": "memory-mapped file",
            "included": "choice of kernel and penalty, held-out validation; not included: compilation, making the data",
        },
    }


def write_samples(path: Path, count: int) -> None:
    """Write samples of a Panda whose joints are all off, around its rest pose, to a file that can be memory-mapped."""
    robot = RobotModel.panda()
    offset = np.random.default_rng(0).uniform(-SPREAD, SPREAD, (count, robot.dof))
    configurations = np.clip(robot.rest + offset, robot.lower, robot.upper)
    true = robot.with_bias(np.full(robot.dof, BIAS))
    Dataset(configurations, true.forward_kinematics(configurations), robot.joint_names).save(path)


def train(file: Path, count: int, centers: int | None) -> dict[str, Any]:
    """Train on the first samples of a file, in a process of its own.

    Raises
    ------
    TrainingFailed
        When that process fails; with the last of what it said.
    """
    request = json.dumps({"samples": str(file), "count": count, "centers": centers})
    command = [sys.executable, "-m", "benchmarks.training_child", request]
    # Beside this package, wherever the benchmark was started from.
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TrainingFailed(f"training on {count} samples, {centers} centers: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _exponent(rows: list[dict[str, Any]]) -> float | None:
    """Slope of log time over log n, from about a tenth of the largest n on."""
    last = rows[-1]
    first = min(rows, key=lambda row: abs(np.log(10.0 * row["samples"] / last["samples"])))
    if first is last:
        return None
    return float(np.log(last["seconds"] / first["seconds"]) / np.log(last["samples"] / first["samples"]))


def _targets(rows: dict[str, list[dict[str, Any]]], exponent: float | None) -> list[Target]:
    targets = []
    for name, label, (count, seconds, size) in (
        ("exact", "exact training", EXACT_TARGET),
        ("nystrom_n", "Nystrom training", NYSTROM_TARGET),
    ):
        row = rows[name][-1]
        same = row["samples"] == count and row["centers"] in (None, 2000)
        within = row["seconds"] <= seconds and row["peak_bytes"] <= size
        centers = "" if row["centers"] is None else f", m = {row['centers']}"
        targets.append(
            Target(
                f"{label}, n = {count}" + ("" if name == "exact" else ", m = 2000"),
                f"at most {short_time(seconds)}, {size / GIBIBYTE:.0f} GiB",
                f"{short_time(row['seconds'])}, {row['peak_bytes'] / GIBIBYTE:.2f} GiB"
                + ("" if same else f" (n = {row['samples']}{centers})"),
                within if same else None,
            )
        )
    if exponent is not None:
        measured = f"time grows as n^{exponent:.2f}"
        # With few samples the choice of hyperparameters, which looks at more of them, is most of the time.
        enough = rows["nystrom_n"][-1]["samples"] >= NYSTROM_TARGET[0]
        targets.append(Target("Nystrom training", "time linear in n", measured, exponent <= LINEAR if enough else None))
    return targets


def text(result: dict[str, Any]) -> str:
    """One line for each training."""
    lines = []
    for name, label in (("exact", "exact"), ("nystrom_n", "Nystrom"), ("nystrom_m", "Nystrom")):
        for row in result[name]:
            centers = "" if row["centers"] is None else f"m = {row['centers']}"
            peak = f"{row['peak_bytes'] / GIBIBYTE:.2f} GiB"
            lines.append(f"{label:<9}n = {row['samples']:<9}{centers:<10}{short_time(row['seconds']):>9}  {peak:>9}")
    return "\n".join(lines)


def draw(result: dict[str, Any], path: Path) -> None:
    """Time and memory against n and m."""
    draw_training(result, path, EXACT_TARGET, NYSTROM_TARGET)
