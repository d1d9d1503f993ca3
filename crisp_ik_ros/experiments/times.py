"""Section 4.6: training and prediction times on the Panda's spiral, every method in one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.estimators.baselines.paper_crisp import PaperCRiSP
from crisp_ik_ros.estimators.baselines.pybullet_ik import PyBulletIK
from crisp_ik_ros.estimators.baselines.sdls_ik import SDLSIK
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.experiments.paper import panda_trajectories, standing, standing_panda
from crisp_ik_ros.experiments.presets import make_part
from crisp_ik_ros.experiments.speed import brute_force
from crisp_ik_ros.experiments.steps import Progress, Steps
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.robots.robot_model import RobotModel, panda_urdf_path
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.transforms import Array, euler_from_matrix

METHODS = {
    "crisp_fk_numeric": "CRiSP-FK as the authors ran it: all scores, sum over the samples in NumPy, steps of 1e-4",
    "crisp_fk": "CRiSP-FK as in the paper, with compiled sum and exact gradient",
    "crisp_fk_chordal": "CRiSP-FK with the chordal orientation, collapsed, Nystrom",
    "residual": "CRiSP with the residual loss, collapsed, Nystrom",
    "sdls": "selectively damped least squares (Buss and Kim)",
    "pybullet": "PyBullet's null-space damped least squares, as the authors ran it: 20000 iterations from rest",
    "pybullet_default": "the same with PyBullet's defaults: 20 iterations, residual 1e-4; warm start",
}
LABELS = {
    "crisp_fk_numeric": "CRiSP-FK, brute force (NumPy)",
    "crisp_fk": "CRiSP-FK, brute force (compiled)",
    "crisp_fk_chordal": "CRiSP-FK, collapsed",
    "residual": "residual, collapsed",
    "sdls": "SDLS",
    "pybullet": "PyBullet DLS, 20000 iterations",
    "pybullet_default": "PyBullet DLS, 20 iterations",
}
# What the paper's figures are times of; its "SDLS" is PyBullet's solver.
PRINTED = {"crisp_fk_numeric": "crisp_predict_s", "pybullet": "sdls_predict_s"}
TRAINED = ("crisp_fk_numeric", "crisp_fk", "crisp_fk_chordal", "residual")
# They take tenths of seconds to seconds, and so get fewer poses.
SLOW = ("crisp_fk_numeric", "crisp_fk", "pybullet")
# Ratios are to this one: the paper's estimator with the same loss, collapsed.
REFERENCE = "crisp_fk_chordal"
# (samples, Nystrom centers, points on the spiral, laps, poses of the slow methods)
FULL = (25000, 2000, 200, 5, 20)
QUICK = (1500, 300, 40, 2, 4)

Solve = Callable[[Array, Array], Array]


def run_times(quick: bool = False, seed: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """Measure how long each method takes to train and to answer.

    The model is right. Each method follows the spiral, warm: from its last answer. They take turns, so that the
    machine's noise hits all of them alike; the slow ones follow the beginning of the spiral only, in turns spread
    evenly over the run.

    Parameters
    ----------
    quick : bool
        Fewer samples, centers and poses.
    seed : int
        Of the centers.
    progress : callable, optional
        Called as progress(done, total).

    Returns
    -------
    dict
        ``prediction``: for each method the median and 99th percentile [s], the number of predictions, the ratio of the
        medians to the collapsed CRiSP-FK, and the median distance of the tool from its target [mm]. ``training_s``: for
        each method that trains [s]; CRiSP's includes the choice of its hyperparameters, the brute-force ones share one
        factorisation and choose nothing. ``scores_s``: median of what the scores take in a prediction by brute force.
    """
    samples, centers, points, laps, slow = QUICK if quick else FULL
    robot = standing_panda()
    path = panda_trajectories(points)["S"]
    dataset = standing(make_part("panda-box", "train", samples))
    # Three trainings, then the laps.
    steps = Steps(3 + laps, progress)
    training: dict[str, float] = {}
    collapsed = {}
    for method, loss in (("crisp_fk_chordal", "forward_kinematics"), ("residual", "residual")):
        estimator = CRiSP(robot, loss, centers=centers, random_state=seed)
        training[method], collapsed[method] = _timed(partial(estimator.fit, dataset))
        steps()
    # Last, as its factor is what fills the memory.
    seconds, paper = _timed(lambda: PaperCRiSP(robot).fit(dataset))
    training["crisp_fk_numeric"] = training["crisp_fk"] = seconds
    steps()
    with PyBulletArm(panda_urdf_path(), robot) as arm:
        systems: dict[str, Any] = {
            **collapsed,
            "sdls": SDLSIK(robot),
            "pybullet": PyBulletIK(arm),
            "pybullet_default": PyBulletIK(arm, iterations=20, residual=1e-4, warm_start=True),
        }
        methods: dict[str, Solve] = {
            "crisp_fk_numeric": brute_force(robot, paper.regression_, euler_losses(paper), step=1e-4, tolerance=1e-12),
            "crisp_fk": lambda pose, last: paper.solve_path(pose[None], last).configurations[0],
            **{name: _solve_with(system) for name, system in systems.items()},
        }
        # As the authors start a path: from the sample of the largest score.
        start = np.clip(dataset.configurations[np.argmax(paper.scores(path[:1])[0])], robot.lower, robot.upper)
        times, errors = _take_turns(methods, robot, path, start, laps, slow, steps)
    reference = float(np.median(times[REFERENCE]))
    return {
        "prediction": {
            method: {
                "median_s": float(np.median(values)),
                "p99_s": float(np.percentile(values, 99)),
                "predictions": len(values),
                "ratio": float(np.median(values)) / reference,
                "position_error_mm": 1e3 * float(np.median(errors[method])),
            }
            for method, values in times.items()
        },
        "training_s": {method: training[method] for method in TRAINED},
        "scores_s": float(np.median([_timed(partial(paper.scores, pose[None]))[0] for pose in path[:slow]])),
        "settings": {
            "quick": quick,
            "seed": seed,
            "samples": len(dataset),
            "points": points,
            "laps": laps,
            "slow_points": slow,
            "centers": centers,
            "trajectory": "S",
            "preset": "panda-box",
            "methods": METHODS,
        },
    }


def euler_losses(paper: PaperCRiSP) -> Callable[[Array], Array]:
    """Loss (4) with the wrapped squares (5), in NumPy: y (J,) -> its loss with each training sample (n,)."""
    robot, embedded = paper.robot, paper.embedding_

    def losses(y: Array) -> Array:
        pose = robot.forward_kinematics(y)
        difference = np.concatenate([pose[:3, 3], euler_from_matrix(pose[:3, :3])]) - embedded
        turned = np.abs(difference[:, 3:])
        difference[:, 3:] = np.minimum(turned, 2.0 * np.pi - turned)
        return (difference**2).sum(axis=1)

    return losses


def _solve_with(system: Any) -> Solve:
    return lambda pose, last: system.solve(pose, last).configuration


def _take_turns(
    methods: dict[str, Solve],
    robot: RobotModel,
    path: Array,
    start: Array,
    laps: int,
    slow: int,
    progress: Callable[[], None],
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds and position errors [m] of each method's predictions along a closed path (n, 4, 4)."""
    points, turns = len(path), laps * len(path)
    # Not timed, as something may be compiled or allocated at the first call.
    last = {name: method(path[0], start) for name, method in methods.items()}
    times: dict[str, list[float]] = {name: [] for name in methods}
    errors: dict[str, list[float]] = {name: [] for name in methods}

    def predict(name: str) -> None:
        pose = path[(len(times[name]) + 1) % points]
        begin = time.perf_counter()
        last[name] = methods[name](pose, last[name])
        times[name].append(time.perf_counter() - begin)
        errors[name].append(float(tool_errors(pose, robot.forward_kinematics(last[name]))[0]))

    fast = [name for name in methods if name not in SLOW]
    for turn in range(turns):
        if turn * slow % turns < slow:
            for name in SLOW:
                predict(name)
            # They have gone through the whole kernel matrix: let the others find their own numbers in the cache again.
            for name in fast:
                methods[name](path[0], last[name])
        for name in fast:
            predict(name)
        if (turn + 1) % points == 0:
            progress()
    return times, errors


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    value = call()
    return time.perf_counter() - begin, value


def times_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row a method: seconds to train, where there is something to train, and to predict."""
    return [
        {"method": method, **values, "training_s": result["training_s"].get(method)}
        for method, values in result["prediction"].items()
    ]


def times_text(result: dict[str, Any], printed: dict[str, Any]) -> str:
    """Lines with every method's times, and in brackets the printed ones."""
    settings = result["settings"]
    lines = [
        f"{settings['samples']} samples, {settings['centers']} centers; in brackets the printed figures "
        f"({printed['timing']['cpu']}, 25000 samples).",
        f"{'':<34}{'median':>9} {'p99':>9} {'ratio':>9} {'error':>10} {'poses':>6}  training",
    ]
    for row in times_rows(result):
        line = (
            f"{LABELS[row['method']]:<34}{_short(row['median_s']):>9} {_short(row['p99_s']):>9} {row['ratio']:>9.3g} "
            f"{row['position_error_mm']:>7.2g} mm {row['predictions']:>6}"
        )
        if row["training_s"] is not None:
            line += f"  {_short(row['training_s'])}"
        wanted = []
        if row["method"] in PRINTED:
            wanted.append(f"prediction {_short(printed['timing'][PRINTED[row['method']]])}")
        if row["method"] == "crisp_fk_numeric":
            wanted.append(f"training {_short(_printed_training(printed))}")
        lines.append(line + (f"  ({', '.join(wanted)})" if wanted else ""))
    lines.append(
        f"Of a prediction by brute force the scores take {_short(result['scores_s'])}. The printed training time "
        "includes model selection, as the collapsed estimators' does and that of brute force does not."
    )
    return "\n".join(lines)


def draw_times(result: dict[str, Any], printed: dict[str, Any], path: Path) -> None:
    """Prediction and training times as bars on logarithmic axes, the printed ones hatched, whiskers to the p99."""
    from matplotlib.figure import Figure

    timing = printed["timing"]
    # (label, seconds, 99th percentile)
    bars = [("CRiSP, as printed", timing["crisp_predict_s"], None)]
    bars += [(LABELS[method], row["median_s"], row["p99_s"]) for method, row in result["prediction"].items()]
    bars.insert(len(bars) - 2, ("PyBullet DLS, as printed (“SDLS”)", timing["sdls_predict_s"], None))
    trained = [("CRiSP, as printed", _printed_training(printed), None)]
    # The two of brute force share their training.
    trained.append(("CRiSP-FK, brute force", result["training_s"]["crisp_fk"], None))
    trained += [(LABELS[method], result["training_s"][method], None) for method in ("crisp_fk_chordal", "residual")]
    figure = Figure(figsize=(8.0, 5.6), dpi=150)
    panels = figure.subplots(2, 1, height_ratios=(len(bars), len(trained)))
    titles = (
        "prediction time, median and 99th percentile [s]",
        "training time [s], with model selection except for brute force",
    )
    for axes, shown, title in zip(panels, (bars, trained), titles, strict=True):
        for place, (label, value, whisker) in enumerate(shown):
            from_paper, ours = "printed" in label, "collapsed" in label
            color = "1.0" if from_paper else "#8c1c2e" if ours else "0.75"
            axes.barh(place, value, color=color, edgecolor="0.0", linewidth=0.8, hatch="////" if from_paper else None)
            if whisker is not None:
                axes.errorbar(value, place, xerr=[[0.0], [whisker - value]], color="0.0", capsize=3)
            axes.annotate(
                _short(value), (whisker or value, place), (7, 0), textcoords="offset points", va="center", fontsize=8
            )
        values = [value for _, *pair in shown for value in pair if value is not None]
        axes.set_xscale("log")
        # Room for the numbers beside the longest bars.
        axes.set_xlim(0.3 * min(values), 8.0 * max(values))
        axes.set_yticks(range(len(shown)), [label for label, _, _ in shown], fontsize=9)
        axes.invert_yaxis()
        axes.set_xlabel(title)
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
    figure.tight_layout(h_pad=1.5)
    figure.savefig(path)


def _printed_training(printed: dict[str, Any]) -> float:
    return 60.0 * printed["timing"]["train_minutes_n25000"]


def _short(seconds: float) -> str:
    """Seconds with three digits and the unit that suits them."""
    for unit, size, least in (("min", 60.0, 120.0), ("s", 1.0, 0.5), ("ms", 1e-3, 1e-3)):
        if seconds >= least:
            return f"{seconds / size:.3g} {unit}"
    return f"{1e6 * seconds:.3g} us"
