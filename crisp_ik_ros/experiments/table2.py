"""Table 2: the Panda on four trajectories, its model wrong by growing biases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.estimators.baselines.calibration import KinematicCalibration
from crisp_ik_ros.estimators.baselines.paper_crisp import PaperCRiSP
from crisp_ik_ros.estimators.baselines.pybullet_ik import PyBulletIK
from crisp_ik_ros.estimators.baselines.sdls_ik import SDLSIK
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.experiments.paper import (
    TRAJECTORY_PRESETS,
    biased_model,
    panda_trajectories,
    path_errors,
    standing,
    standing_panda,
)
from crisp_ik_ros.experiments.presets import PRESETS, make_part
from crisp_ik_ros.robots.robot_model import RobotModel, panda_urdf_path
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.solvers.result import PathResult
from crisp_ik_ros.transforms import Array

# Rows of the printed table: bias of every joint [deg], and of every link [mm].
JOINT_BIASES = (0.0, 0.01, 0.1, 1.0, 3.0)
LINK_BIASES = (0.1, 1.0, 10.0, 30.0)
METHODS = {
    "crisp_fk": "CRiSP-FK as in the paper: Euler angles, exact regression, L-BFGS-B",
    "crisp_fk_chordal": "CRiSP-FK with the chordal orientation, Nystrom",
    "residual": "CRiSP with the residual loss, Nystrom",
    "sdls": "selectively damped least squares (Buss and Kim)",
    "pybullet": "PyBullet's null-space damped least squares, as the authors ran it",
    "calibration": "least-squares joint and link offsets, then model-based IK",
}
# (samples, points on a trajectory, Nystrom centers); None: all samples.
FULL = (None, 200, 2000)
QUICK = (800, 12, 300)
# The paper's penalty; its kernel is PaperCRiSP's default.
PAPER_PENALTY = 1e-6
# Samples that calibration uses: its 37 offsets need no more.
CALIBRATION_SAMPLES = 2000

Progress = Callable[[int, int], None]


def run_table2(quick: bool = False, seed: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """Measure every cell of Table 2 with every method.

    Parameters
    ----------
    quick : bool
        Fewer samples and points: minutes instead of most of an hour.
    seed : int
        Of centers and of the link biases' random signs.
    progress : callable, optional
        Called as progress(done, total).

    Returns
    -------
    dict
        In the structure of the printed table: bias kind, quantity, bias, trajectory, method, and there mean and std of
        the Euclidean error, and mean_l1 and std_l1 in the authors' convention.
    """
    samples, points, centers = QUICK if quick else FULL
    robot, targets = standing_panda(), panda_trajectories(points)
    rows = [("joint_bias_deg", bias) for bias in JOINT_BIASES] + [("link_bias_mm", bias) for bias in LINK_BIASES]
    table: dict[str, Any] = {kind: {"position_mm": {}, "orientation_1e-4rad": {}} for kind, _ in rows}
    presets = sorted(set(TRAJECTORY_PRESETS.values()))
    done, total = 0, len(rows) * len(presets)
    for preset in presets:
        dataset = standing(make_part(preset, "train", samples))
        names = [name for name, wanted in TRAJECTORY_PRESETS.items() if wanted == preset]
        paper = PaperCRiSP(robot, penalty=PAPER_PENALTY).fit(dataset)
        scores = {name: paper.scores(targets[name]) for name in names}
        for kind, bias in rows:
            model = biased_model(robot, **{kind: bias}, seed=seed)
            for method, name, path in _solve(model, paper, dataset, targets, scores, centers, seed):
                errors = path_errors(targets[name], robot.forward_kinematics(path.configurations))
                for quantity, label, scale in (
                    ("position_mm", "position", 1e3),
                    ("orientation_1e-4rad", "orientation", 1e4),
                ):
                    cell = table[kind][quantity].setdefault(str(bias), {}).setdefault(name, {})
                    cell[method] = _cell(errors[label], errors[f"{label}_l1"], scale)
            done += 1
            if progress is not None:
                progress(done, total)
    table["settings"] = {
        "quick": quick,
        "seed": seed,
        "samples": samples or PRESETS["panda-box"].counts[0],
        "points": points,
        "centers": centers,
        "methods": METHODS,
    }
    return table


def _solve(
    model: RobotModel,
    paper: PaperCRiSP,
    dataset: Dataset,
    targets: dict[str, Array],
    scores: dict[str, Array],
    centers: int,
    seed: int,
) -> Iterator[tuple[str, str, PathResult]]:
    """Each method's path for each trajectory that has scores: (method, trajectory, path)."""
    few = dataset.subset(np.arange(min(len(dataset), CALIBRATION_SAMPLES)))
    with PyBulletArm(panda_urdf_path(), model) as arm:
        systems: dict[str, Any] = {
            "crisp_fk_chordal": CRiSP(model, "forward_kinematics", centers=centers, random_state=seed).fit(dataset),
            "residual": CRiSP(model, "residual", centers=centers, random_state=seed).fit(dataset),
            "sdls": SDLSIK(model),
            "pybullet": PyBulletIK(arm),
            "calibration": KinematicCalibration(model).fit(few),
        }
        believed = paper.with_model(model)
        for name, weights in scores.items():
            yield "crisp_fk", name, believed.solve_path(targets[name], scores=weights)
            for method, system in systems.items():
                yield method, name, system.solve_path(targets[name])


def _cell(euclidean: Array, authors: Array, scale: float) -> dict[str, float]:
    return {
        "mean": scale * float(euclidean.mean()),
        "std": scale * float(euclidean.std()),
        "mean_l1": scale * float(authors.mean()),
        "std_l1": scale * float(authors.std()),
    }
