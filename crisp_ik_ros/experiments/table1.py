"""Table 1 and Figure 3: learned inverse kinematics of the planar arm, along an eight and a circle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.estimators.baselines.neural_network import NeuralNetworkIK
from crisp_ik_ros.estimators.baselines.one_class_ssvm import OneClassStructuredSVM
from crisp_ik_ros.estimators.baselines.paper_crisp import PaperCRiSP
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.experiments.grid_search import Grid, search_grid
from crisp_ik_ros.experiments.paper import path_errors
from crisp_ik_ros.experiments.presets import make_part
from crisp_ik_ros.experiments.steps import Progress, Steps
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.result import PathResult
from crisp_ik_ros.trajectories import eight
from crisp_ik_ros.transforms import Array, make_pose, matrix_from_euler

METHODS = {
    "ocsvm": "one-class structured SVM (Bocsi et al.)",
    "nn": "neural network, five tanh layers",
    "crisp_r": "CRiSP-R as in the paper: joint angles, exact regression, L-BFGS-B",
    "crisp_fk": "CRiSP-FK as in the paper: Euler angles, exact regression, L-BFGS-B",
    "crisp_fk_chordal": "CRiSP-FK with the chordal orientation, Nystrom",
    "residual": "CRiSP with the residual loss, Nystrom",
}
# (samples, points on a trajectory, Nystrom centers); None: all samples.
FULL = (None, 100, 2000)
QUICK = (1500, 25, 400)
GRID = Grid((1.2, 2.4, 4.8, 9.6), (0.3, 0.6, 1.2), (1e-9, 1e-12), 4000, 60)
QUICK_GRID = Grid((2.4, 4.8), (0.3, 0.6), (1e-9, 1e-12), 800, 15)


def planar_trajectories(points: int = 100) -> dict[str, Array]:
    """Eight and circle as the authors' code has them, each (points, 4, 4) [m]."""
    angle = np.linspace(0.0, 2.0 * np.pi, points)
    position = np.column_stack([3.4 + np.cos(angle), 3.0 + np.sin(angle), np.zeros(points)])
    yaw = np.pi / 8.0 * np.sin(angle) - np.pi / 2.0
    turned = matrix_from_euler(np.column_stack([np.zeros(points), np.zeros(points), yaw]))
    return {"eight": eight((4.0, 4.5, 0.0), 2.0, yaw=0.2, points=points), "circle": make_pose(position, turned)}


def run_table1(quick: bool = False, seed: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """Measure every cell of Table 1 with every method.

    Returns
    -------
    dict
        ``table1``, in the structure of the printed table: trajectory, quantity, method, and there mean and deviation;
        the quantities that end in ``_l1`` are in the authors' convention. ``figure3``: trajectory, method, and there
        the tool's positions (n, 2) [m].
    """
    samples, points, centers = QUICK if quick else FULL
    robot, targets = RobotModel.planar5(), planar_trajectories(points)
    dataset = make_part("planar", "train", samples)
    quantities = {"position_cm": ("position", 1e2), "orientation_rad": ("orientation", 1.0)}
    table: dict[str, Any] = {name: {} for name in targets}
    paths: dict[str, Any] = {name: {"target": path[:, :2, 3].tolist()} for name, path in targets.items()}
    chosen: dict[str, Any] = {}
    grid = QUICK_GRID if quick else GRID
    # Both versions of the paper's estimator search the grid.
    steps = Steps(2 * grid.size + len(METHODS), progress)
    for method, solve_path in _systems(robot, dataset, centers, seed, grid, chosen, steps):
        for name, path in targets.items():
            reached = robot.forward_kinematics(solve_path(path).configurations)
            errors = path_errors(path, reached)
            for quantity, (label, scale) in quantities.items():
                for suffix in ("", "_l1"):
                    values = scale * errors[label + suffix]
                    cell = [float(values.mean()), float(values.std())]
                    table[name].setdefault(quantity + suffix, {})[method] = cell
            paths[name][method] = reached[:, :2, 3].tolist()
        # It holds a kernel matrix, and the next method needs the memory.
        del solve_path
        steps()
    settings = {"quick": quick, "seed": seed, "samples": len(dataset), "points": points, "centers": centers}
    return {
        "table1": {**table, "settings": {**settings, "methods": METHODS, "chosen": chosen}},
        "figure3": {**paths, "settings": settings},
    }


def _systems(
    robot: RobotModel,
    dataset: Dataset,
    centers: int,
    seed: int,
    grid: Grid,
    chosen: dict[str, Any],
    progress: Progress,
) -> Iterator[tuple[str, Callable[[Array], PathResult]]]:
    """Fit the methods one after the other, so that no two large kernel matrices are in memory."""
    for method, loss in (("residual", "residual"), ("crisp_fk_chordal", "forward_kinematics")):
        ours = CRiSP(robot, loss, centers=centers, random_state=seed).fit(dataset)
        chosen[method] = {"kernel": repr(ours.kernel_), "penalty": ours.penalty_}
        # As the paper does: all of the pose counts alike, for a planar arm too.
        yield method, partial(ours.solve_path, task="full")
    for method, loss in (("crisp_fk", "forward_kinematics"), ("crisp_r", "radians")):
        validation = make_part("planar", "validation", grid.poses)
        choice = search_grid(robot, dataset, validation, grid, loss, progress)
        chosen[method] = choice.record
        paper = PaperCRiSP(robot, loss, choice.kernel, choice.penalty).fit(dataset)
        yield method, paper.solve_path
        del paper
    yield "nn", NeuralNetworkIK(robot, random_state=seed).fit(dataset).solve_path
    yield "ocsvm", OneClassStructuredSVM(robot, random_state=seed).fit(dataset).solve_path
