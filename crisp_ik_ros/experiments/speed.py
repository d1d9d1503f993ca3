"""Prediction times on the Panda's spiral: learned, model-based and the paper's brute force, in one run."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.estimators.model_file import load_model
from crisp_ik_ros.losses.forward_kinematics import ForwardKinematicsLoss
from crisp_ik_ros.regression.kernel_ridge import KernelRidge
from crisp_ik_ros.resources import model_path
from crisp_ik_ros.robots.robot_model import RobotModel, panda_urdf_path
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.simulation.regions import demo_region
from crisp_ik_ros.simulation.sampling import sample
from crisp_ik_ros.solvers.lbfgsb import lbfgsb
from crisp_ik_ros.trajectories import spiral
from crisp_ik_ros.transforms import Array

# Brute force takes a second a pose; a few tell enough.
BRUTE_FORCE_POSES = 3


def run_speed(
    quick: bool = False, model: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Median and 99th percentile of a prediction [us] for each method, and ratios to the learned one.

    Methods take turns at each pose, so that the machine's noise hits all of them alike. Warm: each starts from its last
    solution. ``progress(done, total)`` is called while samples are drawn, and not while times are taken.
    """
    poses = spiral(points=100 if quick else 1000)
    estimator = load_model(model or model_path("panda_residual.npz"))
    if not isinstance(estimator, CRiSP):
        raise InvalidInputError("model", type(estimator).__name__, "a CRiSP model, to compare with its brute-force sum")
    robot = RobotModel.panda()
    nominal = ModelBasedIK(robot)
    samples = 1000 if quick else 4000
    with PyBulletArm(panda_urdf_path(), robot) as arm:
        dataset = sample(arm, demo_region(), samples, progress=progress)
    methods: dict[str, Callable[[Array, Array], Array]] = {
        "learned": lambda pose, seed: estimator.solve(pose, seed).configuration,
        "model-based": lambda pose, seed: nominal.solve(pose, seed).configuration,
    }
    last = {name: robot.rest for name in methods}
    times: dict[str, list[float]] = {name: [] for name in methods}
    for method in methods.values():
        method(poses[0], robot.rest)
    for pose in poses:
        for name, method in methods.items():
            begin = time.perf_counter()
            last[name] = method(pose, last[name])
            times[name].append(time.perf_counter() - begin)
    brute = _chordal_brute_force(robot, dataset, estimator)
    times[f"brute force, n = {samples}"] = [_timed(brute, pose, robot.rest) for pose in poses[:BRUTE_FORCE_POSES]]
    reference = float(np.median(times["learned"]))
    result: dict[str, Any] = {"machine": f"{platform.machine()}, {platform.python_version()}, {len(poses)} poses"}
    for name, values in times.items():
        result[f"{name} [us]"] = {
            "median": 1e6 * float(np.median(values)),
            "p99": 1e6 * float(np.percentile(values, 99)),
            "ratio": float(np.median(values)) / reference,
        }
    return result


def brute_force(
    robot: RobotModel,
    regression: KernelRidge,
    losses: Callable[[Array], Array],
    step: float = 1e-7,
    tolerance: float = 1e-10,
) -> Callable[[Array, Array], Array]:
    """Return the paper's estimator as printed: all scores, and the sum over the training set in every evaluation.

    Parameters
    ----------
    robot : RobotModel
    regression : KernelRidge
        Fitted; gives the scores.
    losses : callable
        y (J,) -> its loss with each training sample (n,).
    step : float
        Of the finite differences [rad].
    tolerance : float
        Of L-BFGS-B.

    Returns
    -------
    callable
        (pose (4, 4), seed (J,)) -> configuration (J,).
    """

    def solve(pose: Array, seed: Array) -> Array:
        scores = regression.scores(pose[None])[0]

        def objective_and_gradient(y: Array) -> tuple[float, Array]:
            value = float(scores @ losses(y))
            return value, np.array([(float(scores @ losses(y + step * row)) - value) / step for row in np.eye(len(y))])

        return lbfgsb(objective_and_gradient, seed, robot.lower, robot.upper, tolerance=tolerance).configuration

    return solve


def _chordal_brute_force(robot: RobotModel, dataset: Dataset, estimator: CRiSP) -> Callable[[Array, Array], Array]:
    """Brute force with the estimator's kernel and the chordal loss through the forward kinematics."""
    regression = KernelRidge(estimator.kernel_, 1e-9)
    regression.fit(dataset.poses, np.ones((len(dataset), 1)))
    loss = ForwardKinematicsLoss()
    embedded = loss.embed(robot, dataset.configurations, dataset.poses)

    def losses(y: Array) -> Array:
        return ((loss.embed_poses(robot.forward_kinematics(y[None])) - embedded) ** 2).sum(axis=1)

    return brute_force(robot, regression, losses)


def _timed(method: Callable[[Array, Array], Array], pose: Array, seed: Array) -> float:
    begin = time.perf_counter()
    method(pose, seed)
    return time.perf_counter() - begin
