"""What is in a set of samples, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from crisp_ik_ros.datasets.coverage import (
    JointCoverage,
    WorkspaceCoverage,
    exact_duplicates,
    joint_coverage,
    near_duplicates,
    workspace_coverage,
)
from crisp_ik_ros.datasets.dataset import POSE, POSITION, SAME_POINT, Dataset
from crisp_ik_ros.datasets.diagnoses import (
    Diagnosis,
    diagnose_coverage,
    diagnose_duplicates,
    diagnose_limits,
    diagnose_mistakes,
    diagnose_number,
    diagnose_outliers,
    diagnose_placement,
)
from crisp_ik_ros.datasets.measurements import Fit, Measurements, predict, residuals
from crisp_ik_ros.datasets.remedies import most_freedom, some_rows, spread_of, undo_mistakes
from crisp_ik_ros.datasets.rough_fit import fit_robot, rigid_alignment
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

KIND_NAMES = {POSE: "poses", POSITION: "positions", SAME_POINT: "same point"}
# An orientation error of one radian counts for this share of the robot's reach.
LEVER = 0.15
# Samples that the robot is fitted to at most: more would make it no better.
FITTED = 600


class Size(NamedTuple):
    """Mean, median and largest of some errors [m or rad]."""

    mean: float
    median: float
    max: float

    @classmethod
    def of(cls, errors: Array) -> Size | None:
        """Return that of errors (n,) that are not NaN; None where there are none."""
        errors = errors[np.isfinite(errors)]
        return cls(float(errors.mean()), float(np.median(errors)), float(errors.max())) if len(errors) else None


@dataclass(frozen=True, eq=False)
class Inspection:
    """What ``inspect_dataset`` found.

    Attributes
    ----------
    samples : int
    kinds : dict
        Number of samples of each kind ("poses", "positions", "same point"), of those that there are.
    groups : dict
        Number of samples of each group, by name.
    joints : tuple of JointCoverage
        As recorded.
    workspace : WorkspaceCoverage
    position_error, orientation_error : (n,)
        Of the nominal model on each sample as recorded, NaN where not measured [m, rad]; in a same-point group the
        distance of the predicted position from the group's mean.
    nominal_position, nominal_orientation : Size or None
        Of the measured samples [m, rad].
    aligned_position : Size or None
        Of the measured samples after the best rigid alignment of all positions [m].
    scatter : dict
        Mean distance of the predicted positions from their mean, of each same-point group [m].
    fitted_position, fitted_orientation : (n,)
        What a quick fit of geometry, measurement frame and tool leaves, once recognised mistakes are undone [m, rad].
    outliers : (k,) int
        Rows far from all others in that.
    duplicates, near_duplicates : (k,) int
        Rows that repeat an earlier one; rows with a configuration that another has too, nearly.
    diagnoses : tuple of Diagnosis
        What is wrong, and what to do about it; empty for good data.
    """

    samples: int
    kinds: dict[str, int]
    groups: dict[str, int]
    joints: tuple[JointCoverage, ...]
    workspace: WorkspaceCoverage
    position_error: Array
    orientation_error: Array
    nominal_position: Size | None
    nominal_orientation: Size | None
    aligned_position: Size | None
    scatter: dict[str, float]
    fitted_position: Array
    fitted_orientation: Array
    outliers: np.ndarray
    duplicates: np.ndarray
    near_duplicates: np.ndarray
    diagnoses: tuple[Diagnosis, ...]


def inspect_dataset(dataset: Dataset, robot: RobotModel) -> Inspection:
    """Look into samples of a robot: what they cover, how well its model fits them, and what is wrong with them.

    Parameters
    ----------
    dataset : Dataset
        Of any kinds.
    robot : RobotModel
        Whose samples they are said to be, by its URDF.

    Returns
    -------
    Inspection

    Raises
    ------
    DatasetError
        When the dataset's joints are not the robot's, by name.
    """
    data = Measurements.of(dataset, robot)
    lever = LEVER * robot.reach
    position, orientation, scatter = _nominal_errors(robot, data, dataset.group_names)
    measured = data.measured
    undone = undo_mistakes(robot, data, lever, spread_of(robot.forward_kinematics(data.configurations)[:, :3, 3]))
    clean = undone.data
    diagnoses = diagnose_mistakes(robot, undone)
    fit = Fit.nominal(robot)
    if undone.explained:
        diagnoses += diagnose_placement(robot, clean, lever)
        few = clean.taken(some_rows(clean, FITTED))
        fit = fit_robot(robot, few, most_freedom(robot, few), lever)
    fitted_position, fitted_orientation = _lengths(clean, residuals(clean, predict(robot, clean, fit)))
    outliers = np.empty(0, dtype=np.int64)
    if undone.explained:
        outliers, found = diagnose_outliers(clean.kinds, fitted_position, fitted_orientation)
        diagnoses += found
    duplicates = exact_duplicates(data)
    diagnoses += diagnose_duplicates(duplicates)
    if undone.explained:
        diagnoses += diagnose_limits(robot, clean)
    diagnoses += diagnose_number(robot, clean) + diagnose_coverage(robot, clean)
    return Inspection(
        samples=len(dataset),
        kinds={name: int(np.sum(data.kinds == kind)) for kind, name in KIND_NAMES.items() if kind in data.kinds},
        groups={name: int(np.sum(dataset.groups == i)) for i, name in enumerate(dataset.group_names)},
        joints=joint_coverage(robot, data.configurations),
        workspace=workspace_coverage(robot, clean.configurations),
        position_error=position,
        orientation_error=orientation,
        nominal_position=Size.of(position[measured]),
        nominal_orientation=Size.of(orientation[measured]),
        aligned_position=_aligned(robot, data),
        scatter=scatter,
        fitted_position=fitted_position,
        fitted_orientation=fitted_orientation,
        outliers=outliers,
        duplicates=duplicates,
        near_duplicates=near_duplicates(robot, clean),
        diagnoses=diagnoses,
    )


def _nominal_errors(
    robot: RobotModel, data: Measurements, group_names: tuple[str, ...]
) -> tuple[Array, Array, dict[str, float]]:
    """Errors (n,) of the nominal model [m, rad], and the scatter of each same-point group [m]."""
    poses = robot.forward_kinematics(data.configurations)
    position, orientation = _lengths(data, residuals(data, poses))
    predicted = poses[:, :3, 3]
    scatter = {}
    for point in np.unique(data.points[data.points >= 0]):
        rows = data.points == point
        position[rows] = np.linalg.norm(predicted[rows] - predicted[rows].mean(axis=0), axis=1)
        scatter[group_names[point]] = float(position[rows].mean())
    return position, orientation, scatter


def _lengths(data: Measurements, residual: Array) -> tuple[Array, Array]:
    """Lengths of position and orientation residuals, each (n,), NaN where there is none."""
    orientation = np.where(data.kinds == POSE, np.linalg.norm(residual[:, 3:], axis=1), np.nan)
    return np.linalg.norm(residual[:, :3], axis=1), orientation


def _aligned(robot: RobotModel, data: Measurements) -> Size | None:
    if data.measured.sum() < 3:
        return None
    predicted = robot.forward_kinematics(data.configurations[data.measured])[:, :3, 3]
    positions = data.poses[data.measured, :3, 3]
    pose = rigid_alignment(predicted, positions)
    return Size.of(np.linalg.norm(predicted @ pose[:3, :3].T + pose[:3, 3] - positions, axis=1))
