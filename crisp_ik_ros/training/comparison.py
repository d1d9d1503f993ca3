"""Estimators compared on held-out stops, where a request leaves the choice to the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.datasets.stops import hold_out_stops, stops_of
from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.estimators.fitting import fewest_stops
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.training.request import AUTO, CRISP, LEARNED_KINEMATICS, TrainingRequest

# Distinct configurations above which crisp, which is local and cheap, is taken without a comparison; samples among
# which they are counted.
MANY_STOPS, COUNTED = 5000, 20000
# Share of the stops that are held out, and samples that each estimator is fitted to and judged on at most: what
# learned_kinematics makes of more changes little.
HELD_OUT, CRISP_SAMPLES, LEARNED_SAMPLES, JUDGED = 0.25, 3000, 400, 400

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Choice:
    """Estimator, the reason for it, and the errors [mm] on held-out stops by estimator, where they were compared."""

    name: str
    why: str
    figures: dict[str, Any] = field(default_factory=dict)


def choose_estimator(
    request: TrainingRequest,
    robot: RobotModel,
    dataset: Dataset,
    simulated: bool = False,
    progress: Callable[[str], Progress] = lambda label: lambda done, total: None,
) -> Choice:
    """Choose by the request, by the kinds and the number of samples, and else by errors on held-out stops.

    Parameters
    ----------
    request : TrainingRequest
        With frame and tool decided.
    robot : RobotModel
    dataset : Dataset
    simulated : bool
        Whether the samples were drawn here, around the paths to be followed.
    progress : callable
        Makes a progress callback for work with a name.
    """
    if request.estimator != AUTO:
        return Choice(request.estimator, "as asked for")
    if not dataset.only_poses:
        return Choice(LEARNED_KINEMATICS, "the data has samples without a full pose")
    wishes = request.wishes()
    if wishes:
        return Choice(LEARNED_KINEMATICS, f"asked for {' and '.join(wishes)}")
    if request.unused():
        return Choice(CRISP, f"asked for its {' and '.join(request.unused())}")
    if simulated:
        return Choice(CRISP, "samples drawn in simulation, as many as it takes around the paths")
    counted = dataset if len(dataset) <= COUNTED else dataset.subset(np.arange(COUNTED))
    order = [dataset.joint_names.index(name) for name in robot.joint_names if name in dataset.joint_names]
    if len(order) < robot.dof:
        return Choice(CRISP, "all samples are full poses")
    stops = stops_of(robot, counted.configurations[:, order])
    count = int(stops.max()) + 1
    if count > MANY_STOPS:
        return Choice(CRISP, f"more than {MANY_STOPS} distinct configurations, which it interpolates")
    if count < fewest_stops(robot):
        return Choice(
            LEARNED_KINEMATICS,
            f"{count} distinct configurations, and crisp needs {fewest_stops(robot)} or more",
        )
    return _compare(request, robot, dataset if len(dataset) <= COUNTED else counted, stops, progress)


def _compare(
    request: TrainingRequest,
    robot: RobotModel,
    dataset: Dataset,
    stops: np.ndarray,
    progress: Callable[[str], Progress],
) -> Choice:
    training, tested = hold_out_stops(stops, HELD_OUT, request.seed)
    rng = np.random.default_rng(request.seed)
    tested = np.sort(rng.permutation(tested)[:JUDGED])
    held_out = dataset.subset(tested)
    order = [dataset.joint_names.index(name) for name in robot.joint_names]
    configurations = np.ascontiguousarray(held_out.configurations[:, order])
    inside = robot.within_limits(robot.wrapped(configurations), np.inf)
    poses, configurations = np.array(held_out.poses)[inside], robot.wrapped(configurations)[inside]
    figures: dict[str, Any] = {}
    failures = {}
    for name, most in ((CRISP, CRISP_SAMPLES), (LEARNED_KINEMATICS, LEARNED_SAMPLES)):
        part = dataset.subset(np.sort(rng.permutation(training)[:most]))
        try:
            if name == CRISP:
                crisp = CRiSP(robot, request.loss, request.kernel, centers=request.centers, random_state=request.seed)
                errors = crisp.fit(part, progress("comparing: crisp")).errors(poses, configurations)[0]
            else:
                learned = LearnedKinematics(robot, random_state=request.seed)
                learned.fit(part, progress("comparing: learned_kinematics"))
                predicted = learned.forward_kinematics(configurations)
                errors = np.linalg.norm(predicted[:, :3, 3] - poses[:, :3, 3], axis=1)
            figures[name] = {**_figures(errors), "fitted to": len(part)}
        except CrispIKError as error:
            failures[name] = str(error)
    nominal = np.linalg.norm(robot.forward_kinematics(configurations)[:, :3, 3] - poses[:, :3, 3], axis=1)
    figures["nominal"] = _figures(nominal)
    figures["held-out samples"] = len(poses)
    figures |= {f"{name} failed": reason for name, reason in failures.items()}
    candidates = [name for name in (LEARNED_KINEMATICS, CRISP) if name in figures]
    if not candidates:
        return Choice(LEARNED_KINEMATICS, "neither could be judged on held-out samples", figures)
    best = min(candidates, key=lambda name: figures[name]["median"] * figures[name]["p95"])
    said = ", ".join(
        f"{name} {figures[name]['median']:.3g} mm (95 %: {figures[name]['p95']:.3g})"
        for name in (*sorted(candidates, key=lambda name: name != best), "nominal")
    )
    return Choice(best, f"on {len(poses)} samples of held-out stops, median: {said}", figures)


def _figures(errors: np.ndarray) -> dict[str, float]:
    """Median, mean, 95 % and largest of errors (n,) [m], in millimeters; CrispIKError where there are none."""
    known = 1e3 * errors[np.isfinite(errors)]
    if not len(known):
        raise CrispIKError("no error is known, expected at least one")
    return {
        "median": float(np.median(known)),
        "mean": float(known.mean()),
        "p95": float(np.quantile(known, 0.95)),
        "max": float(known.max()),
    }
