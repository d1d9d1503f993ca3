"""Table 2 with Figures 5 and 6: the Panda on four trajectories, its model wrong by growing biases."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import DatasetError, InvalidInputError
from crisp_ik_ros.estimators.baselines.calibration import KinematicCalibration
from crisp_ik_ros.estimators.baselines.paper_crisp import PaperCRiSP
from crisp_ik_ros.estimators.baselines.pybullet_ik import PyBulletIK
from crisp_ik_ros.estimators.baselines.sdls_ik import SDLSIK
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.experiments.grid_search import Choice, Grid, search_grid
from crisp_ik_ros.experiments.paper import (
    TRAJECTORY_PRESETS,
    biased_model,
    panda_trajectories,
    path_errors,
    standing,
    standing_panda,
)
from crisp_ik_ros.experiments.presets import PRESETS, make_part
from crisp_ik_ros.experiments.shared_factor import SharedFactorCRiSP
from crisp_ik_ros.experiments.side_by_side import cells
from crisp_ik_ros.experiments.steps import Progress, Steps
from crisp_ik_ros.robots.robot_model import RobotModel, panda_urdf_path
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.transforms import Array

# Rows of the printed table: bias of every joint [deg], and of every link [mm].
JOINT_BIASES = (0.0, 0.01, 0.1, 1.0, 3.0)
LINK_BIASES = (0.1, 1.0, 10.0, 30.0)
METHODS = {
    "crisp_fk": "CRiSP-FK as in the paper: Euler angles, exact regression, L-BFGS-B",
    "crisp_fk_chordal": "CRiSP-FK with the chordal orientation, Nystrom",
    "residual": "CRiSP with the residual loss, Nystrom",
    "residual_exact": "CRiSP with the residual loss, exact regression",
    "sdls": "selectively damped least squares (Buss and Kim)",
    "pybullet": "PyBullet's null-space damped least squares, as the authors ran it",
    "calibration": "least-squares joint and link offsets, then model-based IK",
    "learned_kinematics": "LearnedKinematics with its defaults",
}
# Those that train on all samples, each in its own run over the rows.
PAPER, EXACT = "crisp_fk", "residual_exact"
# Samples, points on a trajectory, Nystrom centers, and every how manyth point PyBullet solves: it takes 0.25 s for
# each, from the rest pose every time, so that leaving points out changes nothing for the others.
FULL = (None, 100, 2000, 2)
QUICK = (600, 12, 300, 6)
GRID = Grid((0.05, 0.1, 0.2), (0.35, 0.5, 0.7), (1e-7, 1e-9), 8000, 60)
QUICK_GRID = Grid((0.05, 0.1), (0.5,), (1e-6, 1e-9), 400, 10)
# Samples that calibration and learned kinematics use, the first ones: their offsets need no more.
CALIBRATION_SAMPLES = 2000
CALIBRATED = ("calibration", "learned_kinematics")
WITHOUT_DATA = ("sdls", "pybullet")
# Row whose length scales the exact residual estimator uses for all: they do not depend on the size of the bias, and
# one factorisation serves every row.
CHOOSING_ROW = ("joint_bias_deg", 1.0)
# Figure 5: bias, and the trajectories and methods drawn.
FIGURE5_ROW = ("joint_bias_deg", 0.1)
FIGURE5 = ("S", "C0"), ("crisp_fk", "residual", "sdls", "pybullet")
# Figure 6: trajectories, and samples kept: those of the largest scores and others.
FIGURE6 = ("S", "C0")
FIGURE6_LARGEST, FIGURE6_OTHERS = 1000, 2000

Row = tuple[str, float]
# A row's results: method, trajectory, and the configurations (k, J) for its points, or for every so manyth of them.
Found = tuple[Row, list[tuple[str, str, Array]]]


def run_table2(
    quick: bool = False, seed: int = 0, progress: Progress | None = None, methods: Sequence[str] = ()
) -> dict[str, Any]:
    """Measure every cell of Table 2 with every method.

    Parameters
    ----------
    quick : bool
        Fewer samples and points: a minute or two instead of more than an hour.
    seed : int
        Of centers and of the link biases' random signs.
    progress : callable, optional
        Called as progress(done, total).
    methods : sequence of str
        Of ``METHODS``, only these; all where there are none. Then there is ``table2`` alone.

    Returns
    -------
    dict
        ``table2``, in the structure of the printed table: bias kind, quantity, bias, trajectory, method, and there mean
        and std of the Euclidean error, and mean_l1 and std_l1 in the authors' convention. ``figure5``: the tool's paths
        (k, 3) [m], authors' frame. ``figure6``: training samples' positions (k, 3) [m] with their scores for a point of
        the spiral and one of the circle.

    Raises
    ------
    InvalidInputError
        When there is no such method.
    """
    for method in methods:
        if method not in METHODS:
            raise InvalidInputError("methods", repr(method), " or ".join(map(repr, METHODS)))
    wanted = set(methods or METHODS)
    samples, points, centers, stride = QUICK if quick else FULL
    robot, targets = standing_panda(), panda_trajectories(points)
    rows = [("joint_bias_deg", bias) for bias in JOINT_BIASES] + [("link_bias_mm", bias) for bias in LINK_BIASES]
    models = {row: biased_model(robot, **{row[0]: row[1]}, seed=seed) for row in rows}
    table: dict[str, Any] = {kind: {"position_mm": {}, "orientation_1e-4rad": {}} for kind, _ in rows}
    figure5: dict[str, Any] = {name: {"target": targets[name][:, :3, 3].tolist()} for name in FIGURE5[0]}
    figure6: dict[str, Any] = {}
    search: dict[str, Any] = {}
    presets = sorted(set(TRAJECTORY_PRESETS.values()))
    grid = QUICK_GRID if quick else GRID
    passes = (PAPER in wanted) + (EXACT in wanted) + bool(wanted - {PAPER, EXACT})
    steps = Steps(len(presets) * (grid.size * (PAPER in wanted) + passes * len(rows)), progress)
    for preset in presets:
        paths = {name: targets[name] for name, own in TRAJECTORY_PRESETS.items() if own == preset}
        # A shorter part is the beginning of a longer one.
        few = wanted <= {*CALIBRATED, *WITHOUT_DATA}
        count = min(samples or CALIBRATION_SAMPLES, CALIBRATION_SAMPLES) if few else samples
        dataset = standing(make_part(preset, "train", count))
        # Each holds its kernel matrix while it runs only: two of 35000 samples are more than most machines' memory.
        systems: list[Iterator[Found]] = []
        if PAPER in wanted:
            validation = standing(make_part(preset, "validation", grid.poses))
            choice = search_grid(robot, dataset, validation, grid, progress=steps)
            search[preset] = choice.record
            systems.append(_paper_rows(choice, models, dataset, paths, figure6, seed))
        if EXACT in wanted:
            systems.append(_exact_rows(models, dataset, paths, centers, seed))
        if wanted - {PAPER, EXACT}:
            systems.append(_other_rows(wanted, models, dataset, paths, centers, stride, seed))
        for row, found in chain.from_iterable(systems):
            for method, name, configurations in found:
                step = -(-len(paths[name]) // len(configurations))
                goals, reached = paths[name][::step], robot.forward_kinematics(configurations)
                _record(table, row, name, method, path_errors(goals, reached))
                if row == FIGURE5_ROW and name in FIGURE5[0] and method in FIGURE5[1]:
                    figure5[name][method] = reached[:, :3, 3].tolist()
            steps()
    settings = {
        "quick": quick,
        "seed": seed,
        "samples": samples or PRESETS["panda-box"].counts[0],
        "points": points,
        "centers": centers,
        "pybullet_every": stride,
    }
    table["settings"] = {
        **settings,
        "calibration_samples": min(settings["samples"], CALIBRATION_SAMPLES),
        "methods": {method: METHODS[method] for method in METHODS if method in wanted},
        "search": search,
    }
    if methods:
        return {"table2": table}
    figure5["settings"] = {**settings, "joint_bias_deg": FIGURE5_ROW[1]}
    figure6["settings"] = settings
    return {"table2": table, "figure5": figure5, "figure6": figure6}


def _paper_rows(
    choice: Choice,
    models: dict[Row, RobotModel],
    dataset: Dataset,
    paths: dict[str, Array],
    figure6: dict[str, Any],
    seed: int,
) -> Iterator[Found]:
    # The scores need no model, and any will do to make them.
    estimator = PaperCRiSP(next(iter(models.values())), kernel=choice.kernel, penalty=choice.penalty).fit(dataset)
    scores = {name: estimator.scores(path) for name, path in paths.items()}
    for name in set(paths) & set(FIGURE6):
        figure6[name] = _scored_samples(dataset, paths[name], scores[name], seed)
    for row, model in models.items():
        believed = estimator.with_model(model)
        yield (
            row,
            [
                ("crisp_fk", name, believed.solve_path(path, scores=scores[name]).configurations)
                for name, path in paths.items()
            ],
        )


def _exact_rows(
    models: dict[Row, RobotModel], dataset: Dataset, paths: dict[str, Array], centers: int, seed: int
) -> Iterator[Found]:
    guide = CRiSP(models[CHOOSING_ROW], "residual", centers=centers, random_state=seed).fit(dataset)
    last: SharedFactorCRiSP | None = None
    for row, model in models.items():
        system = SharedFactorCRiSP(model, guide.kernel_, guide.penalty_, last)
        system.fit(dataset)
        last = system
        yield row, [("residual_exact", name, system.solve_path(path).configurations) for name, path in paths.items()]


def _other_rows(
    wanted: set[str],
    models: dict[Row, RobotModel],
    dataset: Dataset,
    paths: dict[str, Array],
    centers: int,
    stride: int,
    seed: int,
) -> Iterator[Found]:
    few = dataset.subset(np.arange(min(len(dataset), CALIBRATION_SAMPLES)))
    for row, model in models.items():
        with PyBulletArm(panda_urdf_path(), model) as arm:
            systems = {
                method: _system(method, model, arm, dataset, few, centers, seed)
                for method in METHODS
                if method in wanted - {PAPER, EXACT}
            }
            yield (
                row,
                [
                    (method, name, system.solve_path(path[:: stride if method == "pybullet" else 1]).configurations)
                    for name, path in paths.items()
                    for method, system in systems.items()
                ],
            )


def _system(
    method: str, model: RobotModel, arm: PyBulletArm, dataset: Dataset, few: Dataset, centers: int, seed: int
) -> Any:
    if method == "sdls":
        return SDLSIK(model)
    if method == "pybullet":
        return PyBulletIK(arm)
    if method == "calibration":
        return KinematicCalibration(model).fit(few)
    if method == "learned_kinematics":
        return LearnedKinematics(model, random_state=seed).fit(few)
    loss = {"crisp_fk_chordal": "forward_kinematics", "residual": "residual"}[method]
    return CRiSP(model, loss, centers=centers, random_state=seed).fit(dataset)


def _record(table: dict[str, Any], row: Row, name: str, method: str, errors: dict[str, Array]) -> None:
    kind, bias = row
    for quantity, label, scale in (("position_mm", "position", 1e3), ("orientation_1e-4rad", "orientation", 1e4)):
        euclidean, authors = scale * errors[label], scale * errors[f"{label}_l1"]
        table[kind][quantity].setdefault(str(bias), {}).setdefault(name, {})[method] = {
            "mean": float(euclidean.mean()),
            "std": float(euclidean.std()),
            "mean_l1": float(authors.mean()),
            "std_l1": float(authors.std()),
        }


def _scored_samples(dataset: Dataset, path: Array, scores: Array, seed: int) -> dict[str, Any]:
    """Return the samples of the largest scores for the path's middle point, some others, and what those weigh."""
    point = len(path) // 2
    magnitudes = np.abs(scores[point])
    order = np.argsort(-magnitudes, kind="stable")
    others = np.random.default_rng(seed).permutation(order[FIGURE6_LARGEST:])[:FIGURE6_OTHERS]
    kept = np.concatenate([order[:FIGURE6_LARGEST], others])
    return {
        "path": path[:, :3, 3].tolist(),
        "point": path[point, :3, 3].tolist(),
        "positions": np.round(dataset.poses[kept, :3, 3], 6).tolist(),
        "magnitudes": np.round(magnitudes[kept], 9).tolist(),
        # How few samples carry the prediction.
        "samples": len(magnitudes),
        "samples_with_90_percent": int(1 + np.searchsorted(np.cumsum(magnitudes[order]), 0.9 * magnitudes.sum())),
    }


def merged_table2(table: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return a table with the methods of another that was made with the same settings, each with its own run.

    Raises
    ------
    DatasetError
        When the settings or the rows are not the same.
    """
    same = ("quick", "seed", "samples", "points", "pybullet_every", "centers")
    for name in same:
        if table["settings"][name] != more["settings"][name]:
            raise DatasetError(
                f"the table there has {name} {table['settings'][name]}, and this run {more['settings'][name]}; "
                "give another folder"
            )
    merged = copy.deepcopy(table)
    for kind, quantity, bias, name, methods in cells(more):
        try:
            merged[kind][quantity][bias][name].update(methods)
        except KeyError:
            raise DatasetError(f"the table there has no row {kind} {bias}, {name}; give another folder") from None
    merged["settings"]["methods"] |= more["settings"]["methods"]
    merged["settings"]["calibration_samples"] = more["settings"]["calibration_samples"]
    merged["settings"]["search"] |= more["settings"]["search"]
    added = table["run"].get("added", {})
    merged["run"]["added"] = added | {method: more["run"] for method in more["settings"]["methods"]}
    return merged
