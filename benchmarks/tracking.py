"""Warm tracking: every method follows the Panda's spiral, each pose started from its last solution."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.judge import CAP, TOLERANCE, Judge
from benchmarks.methods import PEER
from benchmarks.ours import as_method, crisp, demo_samples, model_based, paper_method
from benchmarks.peers.base import Peer
from benchmarks.peers.registry import PEERS, make_methods
from benchmarks.pictures import draw_times
from benchmarks.targets import Target, methods_text
from benchmarks.turns import BLOCK, take_turns
from crisp_ik_ros.experiments.steps import Progress
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.trajectories import spiral

# (poses, training samples, Nystrom centers, predictions by brute force)
FULL, QUICK = (1000, 8000, 2000, 5), (200, 2000, 500, 2)
# [us], and the ratio to the paper's estimator
WARM_TARGET, PAPER_TARGET = 50.0, 5000.0
ENOUGH_SOLVED = 0.99


def run(
    quick: bool = False,
    progress: Progress | None = None,
    peers: Sequence[Peer] = PEERS,
    sizes: tuple[int, int, int, int] | None = None,
) -> dict[str, Any]:
    """Times and successes of all methods along the spiral.

    Parameters
    ----------
    quick : bool
        Fewer poses, samples and centers.
    progress : callable, optional
        Called as progress(done, total).
    peers : sequence of Peer
    sizes : tuple, optional
        Poses, training samples, centers, and predictions by brute force (0: none).

    Returns
    -------
    dict
        ``methods``: what ``Tally.summary`` says of each; ``peers``: which took part, and why others did not;
        ``targets``; ``settings``.
    """
    points, samples, centers, slow = sizes or (QUICK if quick else FULL)
    robot = RobotModel.panda()
    judge = Judge(robot)
    nominal = model_based(judge)
    dataset = demo_samples(robot, samples)
    path = spiral(points=points)
    methods = [
        as_method(
            "crisp",
            f"CRiSP (m = {centers})",
            f"loss residual, {centers} Nystrom centers, trained on {samples} samples around the path, of the robot "
            "as its URDF says it is; tolerances 1e-5; the Python call, checks of the request included",
            crisp(judge, dataset, centers),
        ),
        as_method("model_based", "model-based", "the URDF alone; tolerances 1e-5; the Python call", nominal),
    ]
    if slow:
        methods.append(paper_method(dataset, robot, -(-points // slow)))
    others, report = make_methods(peers, judge)
    # All start where the path does.
    start = nominal.solve(path[0], robot.rest, timeout=1.0).configuration
    tallies = take_turns([*methods, *others], judge, path, start, progress)
    results = {name: tally.summary() for name, tally in tallies.items()}
    return {
        "methods": results,
        "peers": report,
        "targets": [target.record() for target in _targets(results)],
        "settings": {
            "quick": quick,
            "poses": points,
            "path": "spiral, radius 30 mm, height 60 mm, six turns",
            "samples": samples,
            "centers": centers,
            "tolerance": TOLERANCE,
            "cap_s": CAP,
            "block": BLOCK,
        },
    }


def _targets(results: dict[str, dict[str, Any]]) -> list[Target]:
    median = results["crisp"]["median_us"]
    targets = [
        Target(
            "warm solve, CRiSP, from Python",
            f"median at most {WARM_TARGET:.0f} us",
            f"{median:.1f} us",
            median <= WARM_TARGET,
        )
    ]
    if "paper" in results:
        ratio = results["paper"]["median_us"] / median
        targets.append(
            Target(
                f"against {results['paper']['label']}",
                f"at least {PAPER_TARGET:.0f} times faster",
                f"{ratio:.0f} times",
                ratio >= PAPER_TARGET,
            )
        )
    rivals = [entry for entry in results.values() if entry["group"] == PEER and entry["solved"] >= ENOUGH_SOLVED]
    for name in ("crisp", "model_based"):
        if rivals:
            best = min(rivals, key=lambda entry: entry["median_us"])
            own = results[name]["median_us"]
            targets.append(
                Target(
                    f"warm solve, {results[name]['label']}",
                    "median below every numerical peer's",
                    f"{own:.1f} us against {best['median_us']:.1f} us of {best['label']}",
                    own < best["median_us"],
                )
            )
    return targets


def text(result: dict[str, Any]) -> str:
    """Table of the methods."""
    return methods_text(result["methods"])


def draw(result: dict[str, Any], path: Path) -> None:
    """Medians as bars, whiskers to the 99th percentile."""
    settings = result["settings"]
    title = f"warm tracking, {settings['poses']} poses of the spiral: median and 99th percentile of a solve"
    draw_times(result["methods"], path, title, {f"target {WARM_TARGET:.0f} us": WARM_TARGET})
