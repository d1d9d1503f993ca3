"""Random reachable poses without a seed: how many are solved within the cap, and how fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judge import CAP, TOLERANCE, Judge, Outcome
from benchmarks.ours import as_method, crisp, model_based, workspace_samples
from benchmarks.peers.base import Peer
from benchmarks.peers.registry import PEERS, make_methods
from benchmarks.pictures import draw_solved
from benchmarks.targets import Target, methods_text
from benchmarks.turns import BLOCK, Tally, take_turns
from crisp_ik_ros.experiments.steps import Progress
from crisp_ik_ros.robots.robot_model import RobotModel

# (poses, training samples, Nystrom centers)
FULL, QUICK = (10000, 20000, 2000), (400, 4000, 500)
SEED = 20
RIGHT = (Outcome.SOLVED, Outcome.LATE)
SOLVED_TARGET, MEAN_TARGET = 0.9999, 120.0
# Points of the curves "share solved within a time", evenly spaced in the logarithm.
CURVE = np.geomspace(1e-6, 2.0 * CAP, 200)


def run(
    quick: bool = False,
    progress: Progress | None = None,
    peers: Sequence[Peer] = PEERS,
    sizes: tuple[int, int, int] | None = None,
) -> dict[str, Any]:
    """Times and successes of all methods at poses of configurations drawn uniformly within the joint limits.

    Parameters
    ----------
    quick : bool
        Fewer poses, samples and centers.
    progress : callable, optional
        Called as progress(done, total).
    peers : sequence of Peer
    sizes : tuple, optional
        Poses, training samples and centers.

    Returns
    -------
    dict
        ``methods``: what ``Tally.summary`` says of each; ``curves``: share solved within each of ``curve_us``;
        ``peers``; ``targets``; ``settings``.
    """
    count, samples, centers = sizes or (QUICK if quick else FULL)
    robot = RobotModel.panda()
    judge = Judge(robot)
    methods = [
        as_method(
            "crisp",
            f"CRiSP (m = {centers})",
            f"loss residual, {centers} Nystrom centers, trained on {samples} samples all over the workspace, of the "
            "robot as its URDF says it is; where it knows nothing of a pose it asks the URDF; tolerances 1e-5, "
            "timeout 5 ms",
            crisp(judge, workspace_samples(robot, samples), centers),
        ),
        as_method("model_based", "model-based", "the URDF alone; tolerances 1e-5, timeout 5 ms", model_based(judge)),
    ]
    others, report = make_methods(peers, judge)
    poses = robot.forward_kinematics(robot.random_configurations(count, np.random.default_rng(SEED)))
    tallies = take_turns([*methods, *others], judge, poses, None, progress)
    results = {name: tally.summary() for name, tally in tallies.items()}
    return {
        "methods": results,
        "curve_us": (1e6 * CURVE).tolist(),
        "curves": {name: _curve(tally) for name, tally in tallies.items()},
        "peers": report,
        "targets": [target.record() for target in _targets(results)],
        "settings": {
            "quick": quick,
            "poses": count,
            "pose_seed": SEED,
            "samples": samples,
            "centers": centers,
            "tolerance": TOLERANCE,
            "cap_s": CAP,
            "block": BLOCK,
        },
    }


def _curve(tally: Tally) -> list[float]:
    """Share of the poses with a right answer within each time of CURVE."""
    right = np.array([outcome in RIGHT for outcome in tally.outcomes])
    seconds = np.sort(np.array(tally.seconds)[right])
    return (np.searchsorted(seconds, CURVE, side="right") / len(tally.seconds)).tolist()


def _targets(results: dict[str, dict[str, Any]]) -> list[Target]:
    targets = []
    rival = results.get("trac_ik")
    for name in ("model_based", "crisp"):
        own = results[name]
        solved, mean, label = own["solved"], own["mean_us"], f"random poses, {own['label']}"
        # One failure among a few hundred says nothing of one among ten thousand.
        enough = own["poses"] >= 1.0 / (1.0 - SOLVED_TARGET) - 0.5
        measured = f"{100.0 * solved:.2f} %"
        targets.append(
            Target(label, "at least 99.99 % within 5 ms", measured, solved >= SOLVED_TARGET if enough else None)
        )
        targets.append(Target(label, f"mean at most {MEAN_TARGET:.0f} us", f"{mean:.0f} us", mean <= MEAN_TARGET))
        if rival is not None:
            shares = f"{100.0 * solved:.2f} % against {100.0 * rival['solved']:.2f} %"
            measured = f"{shares}, {mean:.0f} us against {rival['mean_us']:.0f} us"
            ahead = solved >= rival["solved"] and mean < rival["mean_us"]
            targets.append(Target(label, "ahead of TRAC-IK in both", measured, ahead))
    return targets


def text(result: dict[str, Any]) -> str:
    """Table of the methods."""
    return methods_text(result["methods"])


def draw(result: dict[str, Any], path: Path) -> None:
    """Curves of what is not yet solved after a time, and mean times as bars."""
    draw_solved(result, path, 100.0 * (1.0 - SOLVED_TARGET), MEAN_TARGET)
