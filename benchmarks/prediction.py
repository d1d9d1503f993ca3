"""Prediction time against the number of samples n: collapsed estimators, and the paper's brute force."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judge import CAP, TOLERANCE, Judge
from benchmarks.methods import Method
from benchmarks.ours import as_method, crisp, demo_samples, paper_method
from benchmarks.pictures import draw_prediction
from benchmarks.targets import short_time
from benchmarks.turns import BLOCK, take_turns
from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.estimators.model_file import load_model
from crisp_ik_ros.experiments.steps import Progress, Steps
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.trajectories import spiral

# Samples of exact regression; of Nystrom regression, and its centers; of brute force; poses; predictions by the last.
FULL = ((1000, 2000, 4000, 8000, 16000, 35000), (4000, 8000, 16000, 35000), 2000, (1000, 2000, 4000, 8000), 200, 3)
QUICK = ((500, 1000, 2000), (1000, 2000), 500, (500, 1000), 60, 2)
# Samples, and centers, that kernel and penalty are chosen with, once for all n.
CHOICE = (2000, 500)


def run(
    quick: bool = False,
    progress: Progress | None = None,
    sizes: tuple[tuple[int, ...], tuple[int, ...], int, tuple[int, ...], int, int] | None = None,
) -> dict[str, Any]:
    """Median and 99th percentile of a warm prediction along the spiral, for every n.

    Parameters
    ----------
    quick : bool
        Fewer samples and poses.
    progress : callable, optional
        Called as progress(done, total).
    sizes : tuple, optional
        As ``FULL``.

    Returns
    -------
    dict
        ``methods``: what ``Tally.summary`` says of each, with its ``family`` and ``samples``; ``settings``.
    """
    exact, nystrom, centers, brute, points, slow = sizes or (QUICK if quick else FULL)
    judge = Judge(RobotModel.panda())
    dataset = demo_samples(judge.robot, max(*exact, *nystrom, *brute))
    steps = Steps(1 + len(exact) + len(nystrom) + len(brute) + 1, progress)
    chosen = crisp(judge, _first(dataset, CHOICE[0]), CHOICE[1])
    steps()
    methods: list[tuple[str, int, Method]] = []
    for family, counts, m in (("exact", exact, None), ("nystrom", nystrom, centers)):
        for count in counts:
            estimator = _fit_as_served(judge, _first(dataset, count), m, chosen)
            how = "loss residual, exact" if m is None else f"loss residual, {m} Nystrom centers"
            methods.append((family, count, as_method(f"{family} {count}", f"{family}, n = {count}", how, estimator)))
            steps()
    for count in brute:
        method = paper_method(_first(dataset, count), judge.robot, -(-points // slow))
        methods.append(("paper", count, replace(method, name=f"paper {count}")))
        steps()
    path = spiral(points=points)
    tallies = take_turns([method for _, _, method in methods], judge, path, _start(chosen, path))
    steps()
    return {
        "methods": {
            method.name: {"family": family, "samples": count, **tallies[method.name].summary()}
            for family, count, method in methods
        },
        "targets": [],
        "settings": {
            "quick": quick,
            "poses": points,
            "centers": centers,
            "kernel": repr(chosen.kernel_),
            "penalty": chosen.penalty_,
            "tolerance": TOLERANCE,
            "cap_s": CAP,
            "block": BLOCK,
        },
    }


def _fit_as_served(judge: Judge, dataset: Dataset, centers: int | None, chosen: CRiSP) -> InverseKinematics:
    """Return a trained estimator as it comes from its file: without the factor of the kernel matrix."""
    estimator = CRiSP(judge.robot, kernel=chosen.kernel_, penalty=chosen.penalty_, centers=centers).fit(dataset)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.npz"
        estimator.save(file)
        served = load_model(file)
    served.position_tolerance, served.orientation_tolerance = judge.position_tolerance, judge.orientation_tolerance
    served.timeout = judge.cap
    return served


def _first(dataset: Dataset, count: int) -> Dataset:
    return dataset.subset(np.arange(min(count, len(dataset))))


def _start(estimator: InverseKinematics, path: np.ndarray) -> np.ndarray:
    return estimator.solve(path[0], estimator.robot.rest, timeout=1.0).configuration


def text(result: dict[str, Any]) -> str:
    """One line for each family and n."""
    return "\n".join(
        f"{row['family']:<9}n = {row['samples']:<7} median {short_time(1e-6 * row['median_us']):>8}, "
        f"p99 {short_time(1e-6 * row['p99_us']):>8}, {row['poses']} poses"
        for row in result["methods"].values()
    )


def draw(result: dict[str, Any], path: Path) -> None:
    """Times against n."""
    draw_prediction(result, path)
