"""Hyperparameters of the paper's estimator: grid search on a separate validation set (section 4.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import RegressionError
from crisp_ik_ros.estimators.baselines.paper_crisp import PaperCRiSP
from crisp_ik_ros.experiments.paper import path_errors
from crisp_ik_ros.experiments.steps import Steps
from crisp_ik_ros.regression.kernels import GaussianKernel
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# The authors compare 20 p with roll, pitch, yaw: 1 rad weighs as much as 5 cm.
METRES_PER_RADIAN = 0.05


@dataclass(frozen=True)
class Grid:
    """Candidates, and how much of the data they are tried on.

    Attributes
    ----------
    position_length_scales : tuple of float
        [m]
    orientation_length_scales : tuple of float
        [rad]
    penalties : tuple of float
    samples : int
        Training samples, the first ones.
    poses : int
        Validation poses, the first ones.
    """

    position_length_scales: tuple[float, ...]
    orientation_length_scales: tuple[float, ...]
    penalties: tuple[float, ...]
    samples: int = 4000
    poses: int = 100

    @property
    def size(self) -> int:
        """Number of candidates."""
        return len(self.position_length_scales) * len(self.orientation_length_scales) * len(self.penalties)


@dataclass(frozen=True)
class Choice:
    """The best candidate, and a record of the search that JSON can hold."""

    kernel: GaussianKernel
    penalty: float
    record: dict[str, Any]


def search_grid(
    robot: RobotModel,
    train: Dataset,
    validation: Dataset,
    grid: Grid,
    loss: str = "forward_kinematics",
    progress: Callable[[int, int], None] | None = None,
) -> Choice:
    """Try every candidate: train on the first samples, predict at validation poses, take the smallest error.

    The error is the median over the poses of the mean L1 position error [m] plus ``METRES_PER_RADIAN`` times that of
    the orientation [rad]: the median, since some poses of a dataset lie where Euler angles wrap, which no length scale
    mends.

    Raises
    ------
    RegressionError
        When no candidate can be fitted.
    """
    few = train.subset(np.arange(min(len(train), grid.samples)))
    poses = validation.poses[: grid.poses]
    tried: list[dict[str, float]] = []
    steps = Steps(grid.size, progress)
    for position in grid.position_length_scales:
        for orientation in grid.orientation_length_scales:
            for penalty in grid.penalties:
                kernel = GaussianKernel(position, orientation, "euler")
                error = _validation_error(PaperCRiSP(robot, loss, kernel, penalty), few, poses)
                tried.append(
                    {
                        "position_length_scale": position,
                        "orientation_length_scale": orientation,
                        "penalty": penalty,
                        "error": error,
                    }
                )
                steps()
    best = min(tried, key=lambda candidate: candidate["error"])
    if not np.isfinite(best["error"]):
        raise RegressionError("no candidate of the grid can be fitted; widen the penalties")
    kernel = GaussianKernel(best["position_length_scale"], best["orientation_length_scale"], "euler")
    record = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(grid).items()}
    record |= {"samples": len(few), "poses": len(poses)}
    return Choice(kernel, best["penalty"], {"grid": record, "chosen": best, "tried": tried})


def _validation_error(estimator: PaperCRiSP, dataset: Dataset, poses: Array) -> float:
    try:
        estimator.fit(dataset)
    except RegressionError:
        return float("inf")
    scores = estimator.scores(poses)
    # Each pose alone, from its own best sample: validation poses are no path.
    found = [
        estimator.solve_path(pose[None], scores=row[None]).configurations[0]
        for pose, row in zip(poses, scores, strict=True)
    ]
    errors = path_errors(poses, estimator.robot.forward_kinematics(np.array(found)))
    return float(np.median(errors["position_l1"] + METRES_PER_RADIAN * errors["orientation_l1"]))
