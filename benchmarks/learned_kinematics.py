"""Learned kinematics in the whole workspace: the real tool's error against the number of measurements."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judge import CAP, Judge
from benchmarks.measured_arm import (
    COMPLIANCE,
    GEARS,
    JOINT_OFFSET,
    LINK_OFFSET,
    MASS_ERROR,
    NOISE,
    MeasuredArm,
    make_arm,
)
from benchmarks.methods import Method
from benchmarks.ours import as_method, crisp, workspace_samples
from benchmarks.pictures import draw_learning
from benchmarks.targets import Target, short_time
from benchmarks.turns import take_turns
from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.estimators.baselines.calibration import KinematicCalibration
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.experiments.steps import Progress, Steps
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.trajectories import spiral

# Measurements, repetitions, measurements of the other cases, poses to solve; poses of the timed path, and samples and
# centers of the CRiSP that is timed beside.
FULL = ((100, 300, 1000, 2000), 3, 300, 300, 1000, 8000, 2000)
QUICK = ((100, 300), 3, 300, 100, 200, 1000, 300)
# Median error promised, by number of measurements [mm].
TARGETS = {100: 2.5, 300: 1.2, 1000: 0.6, 2000: 0.4}
# What positions only, and an unknown frame and tool, may cost; share of gross errors; promised coverage of the bound.
FACTOR, OUTLIERS, COVERED = 2.0, 0.1, (0.9, 0.99)
# Time of a warm solve against CRiSP's.
SLOWER = 3.0
# The same for all of them, so that what is compared is the model and not the patience [s].
TIMEOUT = 0.5
TEST_SEED = 12345
CASES = {
    "poses": "full poses in the base frame",
    "positions": "positions only",
    "unknown": "full poses of an unknown marker in an unknown frame",
    "positions_unknown": "positions of an unknown marker in an unknown frame",
    "outliers": f"full poses, {100 * OUTLIERS:.0f} % with gross errors",
}
BASELINES = {"nominal": "URDF alone", "calibration": "ordinary calibration"}


def run(
    quick: bool = False,
    progress: Progress | None = None,
    sizes: tuple[tuple[int, ...], int, int, int, int, int, int] | None = None,
) -> dict[str, Any]:
    """Fit to measurements of a simulated arm, solve unseen poses through the model, and see where the real tool is.

    Parameters
    ----------
    quick : bool
        Fewer measurements and poses.
    progress : callable, optional
        Called as progress(done, total).
    sizes : tuple, optional
        As ``FULL``.

    Returns
    -------
    dict
        ``rows``: one a method, case, number of measurements and repetition, with errors [mm], the predicted bound and
        how many errors are within; ``summary``: medians over the repetitions; ``warm_solve``: times [us]; ``targets``;
        ``settings``.
    """
    counts, repetitions, other, poses, points, samples, centers = sizes or (QUICK if quick else FULL)
    # Each repetition: the URDF, two methods a count, the other cases, and three where joints couple.
    steps = Steps(repetitions * (1 + 2 * len(counts) + len(CASES) - 1 + 3) + 1, progress)
    rows: list[dict[str, Any]] = []
    served: dict[str, LearnedKinematics] = {}

    def measure(
        method: str, case: str, seed: int, arm: MeasuredArm, estimator: Any, data: Dataset | None = None
    ) -> None:
        begin = time.perf_counter()
        if data is not None:
            estimator.fit(data)
        seconds = time.perf_counter() - begin
        count = 0 if data is None else len(data)
        if isinstance(estimator, KinematicCalibration):
            estimator = ModelBasedIK(estimator.robot_, timeout=TIMEOUT)
        judged = _judge(arm, estimator, poses)
        rows.append({"method": method, "case": case, "count": count, "seed": seed, "fit_s": seconds, **judged})
        steps()

    for seed in range(repetitions):
        arm = make_arm(seed)
        robot = arm.nominal
        measure("nominal", "poses", seed, arm, ModelBasedIK(robot, timeout=TIMEOUT))
        for count in counts:
            data = arm.measure(count, seed)
            measure("calibration", "poses", seed, arm, KinematicCalibration(robot), data)
            served["learned"] = _learned(robot)
            measure("learned", "poses", seed, arm, served["learned"], data)
        for case in list(CASES)[1:]:
            unknown = {"unknown": "pose", "positions_unknown": "tool"}.get(case, "")
            own = make_arm(seed, unknown=unknown)
            kind = "positions" if case.startswith("positions") else "poses"
            data = own.measure(other, seed, kind, OUTLIERS if case == "outliers" else 0.0)
            measure("learned", case, seed, own, _learned(robot, "unknown" if unknown else "known"), data)
        coupled = make_arm(seed, coupled=True)
        data = coupled.measure(max(other, counts[-1] // 2), seed)
        measure("calibration", "coupled", seed, coupled, KinematicCalibration(robot), data)
        measure("learned_no_kernel", "coupled", seed, coupled, _learned(robot, kernel="none"), data)
        served["learned_kernel"] = _learned(robot)
        measure("learned", "coupled", seed, coupled, served["learned_kernel"], data)
    times = _warm_times(served, points, samples, centers)
    steps()
    summary = _summary(rows)
    return {
        "rows": rows,
        "summary": summary,
        "warm_solve": times,
        "targets": [target.record() for target in _targets(summary, rows, times, other)],
        "settings": {
            "quick": quick,
            "counts": counts,
            "repetitions": repetitions,
            "other_cases_count": other,
            "test_poses": poses,
            "joint_offset_deg": JOINT_OFFSET,
            "link_offset_m": LINK_OFFSET,
            "gear_errors_periods_deg": GEARS,
            "compliance_rad_per_nm": COMPLIANCE,
            "mass_error": MASS_ERROR,
            "noise_m_rad": NOISE,
            "gross_errors": OUTLIERS,
            "timeout_s": TIMEOUT,
            "cases": CASES,
        },
    }


def _learned(robot: RobotModel, unknown: str = "known", kernel: str = "auto") -> LearnedKinematics:
    return LearnedKinematics(robot, frame=unknown, tool=unknown, kernel=kernel, timeout=TIMEOUT)


def _judge(arm: MeasuredArm, estimator: InverseKinematics, count: int) -> dict[str, Any]:
    """Put the real arm where an estimator says, for poses that its marker can have, and see how far off that is."""
    q = arm.nominal.random_configurations(count, np.random.default_rng(TEST_SEED))
    wanted = arm.marker_poses(q)
    if isinstance(estimator, LearnedKinematics):
        answers = estimator.solve_many(estimator.tip_poses(wanted))
    else:
        answers = estimator.solve_many(wanted)
    distances, angles = tool_errors(wanted, arm.marker_poses(answers.configurations))
    found: dict[str, Any] = {
        "solved": float(answers.success.mean()),
        "median_mm": 1e3 * float(np.median(distances)),
        "p95_mm": 1e3 * float(np.percentile(distances, 95)),
        "max_mm": 1e3 * float(distances.max()),
        "median_mrad": 1e3 * float(np.median(angles)),
    }
    if isinstance(estimator, LearnedKinematics):
        # What it believes of the poses that it says it has solved.
        bounds = estimator.predicted_error(answers.configurations)
        found |= {
            "predicted_mm": 1e3 * float(np.median(bounds)),
            "covered": float((distances <= bounds)[answers.success].mean()),
            "noise_mm_mrad": [1e3 * value for value in estimator.noise_],
            "outliers": len(estimator.outliers_),
            "kernel_centers": estimator.robot_.chain.corrections.centers.shape[1],
            "warnings": list(estimator.warnings_),
        }
    return found


def _warm_times(served: dict[str, LearnedKinematics], points: int, samples: int, centers: int) -> dict[str, Any]:
    """Times of a solve along the spiral from the last answer, in turns with CRiSP."""
    robot = RobotModel.panda()
    judge = Judge(robot)
    estimators: dict[str, InverseKinematics] = {
        "crisp": crisp(judge, workspace_samples(robot, samples), centers),
        **served,
    }
    methods: list[Method] = []
    for name, estimator in estimators.items():
        estimator.position_tolerance, estimator.orientation_tolerance = (
            judge.position_tolerance,
            judge.orientation_tolerance,
        )
        estimator.timeout = CAP
        methods.append(as_method(name, name, "", estimator))
    path = spiral(points=points)
    start = ModelBasedIK(robot).solve(path[0], robot.rest, timeout=1.0).configuration
    # Each believes another robot, so that one judge cannot say who is right; an answer counts as its estimator does.
    tallies = take_turns(methods, judge, path, start)
    found = {}
    for name, tally in tallies.items():
        row = tally.summary()
        given = 1.0 - row["outcomes"].get("no answer", 0) / row["poses"]
        found[name] = {"median_us": row["median_us"], "p99_us": row["p99_us"], "poses": row["poses"], "solved": given}
    return found


def _summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Medians over the repetitions of each method, case and count."""
    keys = list(dict.fromkeys((row["method"], row["case"], row["count"]) for row in rows))
    found = []
    for key in keys:
        own = [row for row in rows if (row["method"], row["case"], row["count"]) == key]
        entry: dict[str, Any] = dict(zip(("method", "case", "count"), key, strict=True))
        for name in ("median_mm", "p95_mm", "max_mm", "median_mrad", "solved", "fit_s", "predicted_mm"):
            if name in own[0]:
                entry[name] = float(np.median([row[name] for row in own]))
        if "covered" in own[0]:
            entry["covered"] = float(np.mean([row["covered"] for row in own]))
            entry["least_covered"] = min(row["covered"] for row in own)
            entry["kernel_terms"] = sum(row["kernel_centers"] > 0 for row in own)
        found.append(entry)
    return found


def _targets(
    summary: list[dict[str, Any]], rows: list[dict[str, Any]], times: dict[str, Any], other: int
) -> list[Target]:
    by_key = {(entry["method"], entry["case"], entry["count"]): entry for entry in summary}
    targets = []
    for count, most in TARGETS.items():
        entry = by_key.get(("learned", "poses", count))
        if entry is not None:
            measured = entry["median_mm"]
            targets.append(
                Target(f"real tool, {count} poses", f"median at most {most} mm", f"{measured:.3f} mm", measured <= most)
            )
    reference = by_key.get(("learned", "poses", other))
    for case in ("positions", "unknown", "positions_unknown"):
        if reference is not None:
            ratio = by_key["learned", case, other]["median_mm"] / reference["median_mm"]
            targets.append(
                Target(f"{CASES[case]}, {other}", f"at most {FACTOR:g} times", f"{ratio:.2f} times", ratio <= FACTOR)
            )
    # The bound is of the tip in the base frame: where that frame is unknown, the marker in the measuring frame is not
    # what it speaks of.
    shares = [row["covered"] for row in rows if row["method"] == "learned" and "unknown" not in row["case"]]
    share = float(np.mean(shares))
    targets.append(
        Target(
            "errors within the predicted 95 % bound",
            f"{100 * COVERED[0]:.0f} to {100 * COVERED[1]:.0f} %",
            f"{100 * share:.1f} % ({100 * min(shares):.1f} to {100 * max(shares):.1f} of the {len(shares)} models)",
            COVERED[0] <= share <= COVERED[1],
        )
    )
    for name in ("learned", "learned_kernel"):
        ratio = times[name]["median_us"] / times["crisp"]["median_us"]
        what = "warm solve against CRiSP's" + (", with a kernel term" if name == "learned_kernel" else "")
        measured = f"{times[name]['median_us']:.0f} us, {ratio:.2f} times"
        targets.append(Target(what, f"at most {SLOWER:g} times", measured, ratio <= SLOWER))
    return targets


def text(result: dict[str, Any]) -> str:
    """Table of the medians over the repetitions."""
    head = f"{'':<18}{'case':<19}{'n':>5} {'median':>9} {'95 %':>9} {'bound':>9} {'within':>8} {'fit':>8}"
    lines = [head + "   [mm]"]
    for row in result["summary"]:
        line = f"{row['method']:<18}{row['case']:<19}{row['count']:>5} {row['median_mm']:>9.3f} {row['p95_mm']:>9.3f}"
        if "covered" in row:
            line += f" {row['predicted_mm']:>9.3f} {100.0 * row['covered']:>6.1f} %"
        else:
            line += " " * 18
        lines.append(line + (f" {short_time(row['fit_s']):>8}" if row["count"] else ""))
    return "\n".join(lines)


def draw(result: dict[str, Any], path: Path) -> None:
    """Errors against the number of measurements, with the targets."""
    draw_learning(result, path, TARGETS, BASELINES | CASES)
