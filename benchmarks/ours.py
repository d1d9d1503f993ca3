"""The project's own estimators as competitors, trained where a benchmark needs them to be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.judge import Judge
from benchmarks.methods import OURS, PAPER, Method
from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.estimators.baselines.paper_crisp import PaperCRiSP
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.experiments.speed import brute_force
from crisp_ik_ros.experiments.times import euler_losses
from crisp_ik_ros.robots.robot_model import RobotModel, panda_urdf_path
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.simulation.regions import demo_region
from crisp_ik_ros.simulation.sampling import sample
from crisp_ik_ros.transforms import Array

# The paper's estimator as its authors ran it: steps of the differences [rad], and tolerance of L-BFGS-B.
PAPER_STEP, PAPER_TOLERANCE = 1e-4, 1e-12


def model_based(judge: Judge) -> ModelBasedIK:
    """Return the estimator that believes the URDF, with the judge's tolerances and cap."""
    return ModelBasedIK(
        judge.robot,
        position_tolerance=judge.position_tolerance,
        orientation_tolerance=judge.orientation_tolerance,
        timeout=judge.cap,
    )


def crisp(judge: Judge, dataset: Dataset, centers: int) -> CRiSP:
    """Return CRiSP with the residual loss, trained, with the judge's tolerances and cap."""
    estimator = CRiSP(
        judge.robot,
        "residual",
        centers=centers,
        position_tolerance=judge.position_tolerance,
        orientation_tolerance=judge.orientation_tolerance,
        timeout=judge.cap,
    )
    return estimator.fit(dataset)


def demo_samples(robot: RobotModel, count: int) -> Dataset:
    """Samples of the true robot around the spiral."""
    with PyBulletArm(panda_urdf_path(), robot) as arm:
        return sample(arm, demo_region(), count)


def workspace_samples(robot: RobotModel, count: int) -> Dataset:
    """Samples of the true robot all over its workspace: configurations uniform within the limits."""
    configurations = robot.random_configurations(count, np.random.default_rng(1))
    return Dataset(configurations, robot.forward_kinematics(configurations), robot.joint_names)


def as_method(name: str, label: str, how: str, estimator: InverseKinematics) -> Method:
    """Return an estimator's ``solve``, called as a user would, as a competitor."""

    def solve(pose: Array, start: Array | None) -> Array | None:
        result = estimator.solve(pose, start)
        return result.configuration if result.success else None

    return Method(name, label, OURS, how, solve)


def paper_method(dataset: Dataset, robot: RobotModel, every: int) -> Method:
    """Return the paper's estimator as its authors ran it: all scores, and sums over all samples in NumPy."""
    return Method(
        "paper",
        f"CRiSP, brute force (n = {len(dataset)})",
        PAPER,
        "the paper's CRiSP-FK as its authors ran it: all scores, the sum over the samples in NumPy at every "
        "evaluation, differences with steps of 1e-4, L-BFGS-B; its accuracy is the paper's, so few or none of its "
        "answers count",
        _paper_solve(dataset, robot),
        every,
    )


def _paper_solve(dataset: Dataset, robot: RobotModel) -> Callable[[Array, Array | None], Array | None]:
    paper = PaperCRiSP(robot).fit(dataset)
    solve = brute_force(robot, paper.regression_, euler_losses(paper), PAPER_STEP, PAPER_TOLERANCE)
    return lambda pose, start: solve(pose, robot.rest if start is None else start)
