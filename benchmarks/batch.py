"""Batch throughput: many warm poses in one call, on one thread and on all cores."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judge import CAP, TOLERANCE, Judge
from benchmarks.ours import crisp, demo_samples, model_based
from benchmarks.pictures import draw_rates
from benchmarks.targets import Target
from crisp_ik_ros.estimators.batch import cores
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.experiments.steps import Progress, Steps
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.trajectories import spiral
from crisp_ik_ros.transforms import Array

# (poses of the spiral, laps in one call, rounds, training samples, Nystrom centers)
FULL, QUICK = (1000, 20, 15, 8000, 2000), (1000, 5, 5, 2000, 500)
RATE_TARGET, TARGET_CORES = 50000.0, 2


def run(
    quick: bool = False, progress: Progress | None = None, sizes: tuple[int, int, int, int, int] | None = None
) -> dict[str, Any]:
    """Poses a second of ``solve_many`` along the spiral, each pose started from the solution of the one before.

    Parameters
    ----------
    quick : bool
        Fewer poses and rounds.
    progress : callable, optional
        Called as progress(done, total).
    sizes : tuple, optional
        Poses of the spiral, laps, rounds, training samples, centers.

    Returns
    -------
    dict
        ``rates``: for each estimator and number of threads the median, and extremes, of poses a second over the
        rounds, and the share solved; ``targets``; ``settings``.
    """
    points, laps, rounds, samples, centers = sizes or (QUICK if quick else FULL)
    robot = RobotModel.panda()
    judge = Judge(robot)
    estimators: dict[str, InverseKinematics] = {
        "model-based": model_based(judge),
        f"CRiSP (m = {centers})": crisp(judge, demo_samples(robot, samples), centers),
    }
    poses = np.tile(spiral(points=points), (laps, 1, 1))
    counts = sorted({1, cores()})
    steps = Steps(rounds * len(estimators) * len(counts), progress)
    # Each warm as on the path itself: from its own solution of the pose before.
    starts = {label: _starts(estimator, poses, points) for label, estimator in estimators.items()}
    rates: dict[tuple[str, int], list[float]] = {(label, threads): [] for label in estimators for threads in counts}
    solved = dict.fromkeys(rates, 0.0)
    order = list(rates)
    for _ in range(rounds):
        order = [*order[1:], order[0]]
        for label, threads in order:
            begin = time.perf_counter()
            answers = estimators[label].solve_many(poses, starts[label], threads=threads)
            rates[label, threads].append(len(poses) / (time.perf_counter() - begin))
            right = answers.success & judge.right(poses, answers.configurations)
            solved[label, threads] = float(np.mean(right))
            steps()
    rows = [
        {
            "label": label,
            "threads": threads,
            "poses_per_second": float(np.median(values)),
            "slowest_round": float(np.min(values)),
            "fastest_round": float(np.max(values)),
            "solved": solved[label, threads],
        }
        for (label, threads), values in rates.items()
    ]
    return {
        "rates": rows,
        "targets": [target.record() for target in _targets(rows)],
        "settings": {
            "quick": quick,
            "poses": len(poses),
            "rounds": rounds,
            "samples": samples,
            "centers": centers,
            "tolerance": TOLERANCE,
            "cap_s": CAP,
        },
    }


def _starts(estimator: InverseKinematics, poses: Array, points: int) -> Array:
    solutions = estimator.solve_path(poses[:points], estimator.robot.rest).configurations
    return np.tile(np.roll(solutions, 1, axis=0), (len(poses) // points, 1))


def _targets(rows: list[dict[str, Any]]) -> list[Target]:
    targets = []
    for row in rows:
        if row["threads"] == TARGET_CORES:
            rate = row["poses_per_second"]
            targets.append(
                Target(
                    f"solve_many, warm, {TARGET_CORES} cores, {row['label']}",
                    f"at least {RATE_TARGET:.0f} poses a second",
                    f"{rate:.0f}",
                    rate >= RATE_TARGET,
                )
            )
    return targets


def text(result: dict[str, Any]) -> str:
    """One line for each estimator and number of threads."""
    return "\n".join(
        f"{row['label']:<20}{row['threads']} thread{' ' if row['threads'] == 1 else 's'}"
        f"{row['poses_per_second']:>10.0f} poses a second, {100.0 * row['solved']:.2f} % solved"
        for row in result["rates"]
    )


def draw(result: dict[str, Any], path: Path) -> None:
    """Poses a second as bars."""
    draw_rates(result, path, RATE_TARGET)
