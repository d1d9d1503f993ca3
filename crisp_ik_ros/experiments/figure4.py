"""Figure 4: the planar arm on an eight and a circle, its model wrong by growing biases of joints and of links."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.estimators.baselines.paper_crisp import PaperCRiSP
from crisp_ik_ros.estimators.baselines.sdls_ik import SDLSIK
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.experiments.grid_search import search_grid
from crisp_ik_ros.experiments.paper import biased_model, path_errors
from crisp_ik_ros.experiments.presets import make_part
from crisp_ik_ros.experiments.steps import Progress, Steps
from crisp_ik_ros.experiments.table1 import GRID, QUICK_GRID, planar_trajectories
from crisp_ik_ros.robots.bias import random_bias
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.result import PathResult
from crisp_ik_ros.transforms import Array

METHODS = {
    "crisp_fk": "CRiSP-FK as in the paper: Euler angles, exact regression, L-BFGS-B",
    "crisp_fk_chordal": "CRiSP-FK with the chordal orientation, Nystrom",
    "residual": "CRiSP with the residual loss, Nystrom",
    "sdls": "selectively damped least squares (Buss and Kim)",
}
MEASURES = {
    "position_cm": "mean Euclidean distance along the path",
    "orientation_rad": "mean angle along the path",
    "position_cm_l1": "mean sum of absolute coordinate differences along the path, the authors' RMSE",
    "orientation_rad_l1": "mean sum of absolute Euler angle differences along the path, the authors' RMSE",
    "missed": "share of the path's points that the method counts as not solved; crisp_fk never does",
}
# Biases of every joint [deg] and of every link's length [cm]; a bias of 0 is measured once for both.
FULL_BIASES = {
    "joint_bias_deg": (0.0, 0.5, 1.0, 2.0, 5.0, 10.0),
    "link_bias_cm": (0.0, 0.1, 0.5, 1.0, 2.0),
}
QUICK_BIASES = {"joint_bias_deg": (0.0, 1.0, 10.0), "link_bias_cm": (0.0, 0.5, 2.0)}
# (samples, points on a trajectory, Nystrom centers, repetitions)
FULL = (5000, 100, 1000, 5)
QUICK = (600, 15, 300, 2)
# Samples of the paper's planar dataset, out of which each repetition draws its own.
POOL = 25000
# Seconds a point may take: so many that a busy machine does not change the answer.
TIMEOUT = 1.0


def run_figure4(quick: bool = False, seed: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """Measure the error along both trajectories with every method at every bias, several times.

    Parameters
    ----------
    quick : bool
        Fewer samples, points, biases and repetitions: seconds instead of half an hour.
    seed : int
        Of each repetition's training samples, Nystrom centers and signs of the link bias.
    progress : callable, optional
        Called as progress(done, total).

    Returns
    -------
    dict
        By bias kind, trajectory, measure (``MEASURES``) and method: a list with one entry a bias (in the order of
        ``settings["biases"]``), each a list with one value a repetition.
    """
    samples, points, centers, repetitions = QUICK if quick else FULL
    biases = QUICK_BIASES if quick else FULL_BIASES
    robot, targets = RobotModel.planar5(), planar_trajectories(points)
    pool = make_part("planar", "train", POOL)
    table: dict[str, Any] = {
        kind: {
            name: {measure: {method: [[] for _ in values] for method in METHODS} for measure in MEASURES}
            for name in targets
        }
        for kind, values in biases.items()
    }
    # Once, with the right model: the scores depend on no model.
    grid = QUICK_GRID if quick else GRID
    cells = [(kind, place, bias) for kind, values in biases.items() for place, bias in enumerate(values)]
    steps = Steps(grid.size + repetitions * len(cells), progress)
    choice = search_grid(robot, pool, make_part("planar", "validation", grid.poses), grid, progress=steps)
    for repetition in range(repetitions):
        rng = np.random.default_rng([seed, repetition])
        dataset = pool.subset(rng.choice(len(pool), samples, replace=False))
        random_state = int(rng.integers(2**31))
        paper = PaperCRiSP(robot, kernel=choice.kernel, penalty=choice.penalty).fit(dataset)
        scores = {name: paper.scores(path) for name, path in targets.items()}
        unbiased: list[tuple[str, str, dict[str, float]]] = []
        for kind, place, bias in cells:
            if bias == 0.0 and unbiased:
                measured = unbiased
            else:
                model = _biased(robot, kind, bias, random_state)
                solved = _solve(model, paper, dataset, targets, scores, centers, random_state)
                measured = [(method, name, _measures(robot, targets[name], path)) for method, name, path in solved]
            if bias == 0.0:
                unbiased = measured
            for method, name, values in measured:
                for measure, value in values.items():
                    table[kind][name][measure][method][place].append(value)
            steps()
    table["settings"] = {
        "quick": quick,
        "seed": seed,
        "samples": samples,
        "points": points,
        "centers": centers,
        "repetitions": repetitions,
        "biases": {kind: list(values) for kind, values in biases.items()},
        "methods": METHODS,
        "measures": MEASURES,
        "search": {"crisp_fk": choice.record},
    }
    return table


def link_length_bias(robot: RobotModel, bias: float, seed: int) -> Array:
    """Offsets (number of joints in the chain, 3) [m] that make every link longer or shorter by ``bias`` [m].

    The signs are random. The paper adds the bias "to the nominal link lengths": the offsets lie along the links, and
    the planar arm stays in its plane. Offsets in every direction would lift the model's tool off the plane of the
    targets, which then no configuration of it reaches.
    """
    _, offsets = random_bias(robot.joints, 0.0, bias, seed)
    links = np.array([joint.origin[:3, 3] for joint in robot.joints])
    lengths = np.linalg.norm(links, axis=1, keepdims=True)
    return offsets[:, :1] * np.divide(links, lengths, out=np.zeros_like(links), where=lengths > 0.0)


def figure4_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row a bias, trajectory, measure and method: mean, median and range over the repetitions."""
    rows = []
    for kind, biases in result["settings"]["biases"].items():
        for name, measures in result[kind].items():
            for measure, methods in measures.items():
                for method, repeated in methods.items():
                    for bias, values in zip(biases, repeated, strict=True):
                        rows.append(
                            {
                                "bias_kind": kind,
                                "bias": bias,
                                "trajectory": name,
                                "measure": measure,
                                "method": method,
                                "mean": float(np.mean(values)),
                                "median": float(np.median(values)),
                                "least": min(values),
                                "largest": max(values),
                                "repetitions": len(values),
                            }
                        )
    return rows


def figure4_text(result: dict[str, Any]) -> str:
    """Lines with every method's median Euclidean error at no, the smallest and the largest bias."""
    count = result["settings"]["repetitions"]
    lines = [f"Medians over {count} repetitions of the mean Euclidean error along the path."]
    for kind, biases in result["settings"]["biases"].items():
        for name, measures in result[kind].items():
            for measure in ("position_cm", "orientation_rad"):
                for place in (0, 1, len(biases) - 1):
                    texts = [
                        f"{method} {np.median(repeated[place]):.2g}" for method, repeated in measures[measure].items()
                    ]
                    lines.append(f"{f'{name}, {measure}, {kind} {biases[place]:g}':<46} {'  '.join(texts)}")
    return "\n".join(lines)


def _biased(robot: RobotModel, kind: str, bias: float, seed: int) -> RobotModel:
    if kind == "joint_bias_deg":
        return biased_model(robot, joint_bias_deg=bias)
    return robot.with_bias(link_offsets=link_length_bias(robot, 1e-2 * bias, seed))


def _solve(
    model: RobotModel,
    paper: PaperCRiSP,
    dataset: Dataset,
    targets: dict[str, Array],
    scores: dict[str, Array],
    centers: int,
    random_state: int,
) -> Iterator[tuple[str, str, PathResult]]:
    """Each method's path for each trajectory: (method, trajectory, path)."""
    believed = paper.with_model(model)
    for name, path in targets.items():
        yield "crisp_fk", name, believed.solve_path(path, scores=scores[name])
    settings: dict[str, Any] = {"centers": centers, "timeout": TIMEOUT, "random_state": random_state}
    systems = {
        "crisp_fk_chordal": CRiSP(model, "forward_kinematics", **settings).fit(dataset),
        "residual": CRiSP(model, "residual", **settings).fit(dataset),
        "sdls": SDLSIK(model, timeout=TIMEOUT),
    }
    for method, system in systems.items():
        for name, path in targets.items():
            yield method, name, system.solve_path(path)


def _measures(robot: RobotModel, targets: Array, path: PathResult) -> dict[str, float]:
    """Means along a path (n, 4, 4) of every measure, of the true robot."""
    errors = {
        label: float(values.mean())
        for label, values in path_errors(targets, robot.forward_kinematics(path.configurations)).items()
    }
    return {
        "position_cm": 1e2 * errors["position"],
        "orientation_rad": errors["orientation"],
        "position_cm_l1": 1e2 * errors["position_l1"],
        "orientation_rad_l1": errors["orientation_l1"],
        "missed": 1.0 - float(np.mean(path.success)),
    }
