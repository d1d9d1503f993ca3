"""What is in a set of samples, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    diagnose_coverage,
    diagnose_duplicates,
    diagnose_limits,
    diagnose_mistakes,
    diagnose_number,
    diagnose_orientations,
    diagnose_outliers,
    diagnose_placement,
)
from crisp_ik_ros.datasets.diagnosis import Diagnosis
from crisp_ik_ros.datasets.measurements import Fit, Measurements, predict, residuals
from crisp_ik_ros.datasets.remedies import Undone, most_freedom, some_rows, spread_of, undo_mistakes
from crisp_ik_ros.datasets.rough_fit import fit_robot, rigid_alignment
from crisp_ik_ros.datasets.sequence import diagnose_drift, diagnose_frozen, diagnose_standstill
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

KIND_NAMES = {POSE: "poses", POSITION: "positions", SAME_POINT: "same point"}
# An orientation error of one radian counts for this share of the robot's reach.
LEVER = 0.15
# Samples that the robot is fitted to at most: more would make it no better.
FITTED = 600
# Samples that did not freeze which the rest of an inspection needs.
FEWEST_MOVING = 8
# Orientations that differ by less are one [rad].
SAME_TURN = 1e-3
# Share of the errors of all samples together that those of each session by itself may leave, to be of different frames;
# diagnoses that all samples together decide.
ONE_BY_ONE, TOGETHER = 0.7, frozenset({"too few samples", "coverage"})


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


def inspect_dataset(dataset: Dataset, robot: RobotModel, rows: np.ndarray | None = None) -> Inspection:
    """Look into samples of a robot: what they cover, how well its model fits them, and what is wrong with them.

    Samples of several sessions or markers are judged one by one where that fits them better: each may have its own
    frame and tool.

    Parameters
    ----------
    dataset : Dataset
        Of any kinds.
    robot : RobotModel
        Whose samples they are said to be, by its URDF.
    rows : (n,), optional
        Their rows in a recording of which they are a part, in its order: findings name these.

    Returns
    -------
    Inspection

    Raises
    ------
    DatasetError
        When the dataset's joints are not the robot's, by name.
    """
    rows = np.arange(len(dataset)) if rows is None else rows
    whole = _inspect(dataset, robot, rows)
    parts = [part for part in mounted_alike(dataset) if len(part) >= FEWEST_MOVING]
    if len(parts) < 2:
        return whole
    found = [_inspect(dataset.subset(part), robot, rows[part]) for part in parts]
    errors = np.full((2, len(dataset)), np.nan)
    for one, part in zip(found, parts, strict=True):
        errors[:, part] = one.fitted_position, one.fitted_orientation
    if not np.nanmedian(errors[0]) < ONE_BY_ONE * np.nanmedian(whole.fitted_position):
        return whole
    # How many samples there are, and what the joints do in them, counts for all together.
    diagnoses = {fault.name: fault for fault in whole.diagnoses if fault.name in TOGETHER}
    for inspection in found:
        diagnoses |= {
            fault.name: fault for fault in inspection.diagnoses if fault.name not in TOGETHER | set(diagnoses)
        }
    return replace(
        whole, fitted_position=errors[0], fitted_orientation=errors[1], aligned_position=None,
        outliers=np.sort(np.concatenate([part[one.outliers] for one, part in zip(found, parts, strict=True)])),
        diagnoses=tuple(diagnoses.values()),
    )  # fmt: skip


def mounted_alike(dataset: Dataset) -> list[np.ndarray]:
    """Samples (k,) of each session and marker: those with one measuring frame and one tool."""
    names = [np.zeros(len(dataset), dtype=int) if one is None else one for one in (dataset.sessions, dataset.markers)]
    _, which = np.unique(np.column_stack(names), axis=0, return_inverse=True)
    return [np.flatnonzero(which.ravel() == k) for k in range(which.max() + 1)]


def _inspect(dataset: Dataset, robot: RobotModel, rows: np.ndarray) -> Inspection:
    """Look into samples as if they were of one session."""
    data = Measurements.of(dataset, robot)
    lever = LEVER * robot.reach
    position, orientation, scatter = _nominal_errors(robot, data, dataset.group_names)
    measured = data.measured
    frozen, diagnoses = diagnose_frozen(robot, data, rows)
    # What a frozen device shows fits nothing, and would be taken for other faults.
    moving = np.setdiff1d(np.arange(len(data)), frozen)
    useless = len(moving) < FEWEST_MOVING <= len(data)
    if useless:
        moving = np.arange(len(data))
    data, undone, found = _explained(robot, data, moving, lever)
    clean, explained = undone.data, undone.explained and not useless
    if not useless:
        diagnoses += found
    fit = Fit.nominal(robot)
    if explained:
        diagnoses += diagnose_placement(robot, clean, lever)
        few = clean.taken(some_rows(clean, FITTED))
        fit = fit_robot(robot, few, most_freedom(robot, few), lever)
    residual = residuals(clean, predict(robot, clean, fit))
    fitted_position, fitted_orientation = (_spread_out(one, moving, len(data)) for one in _lengths(clean, residual))
    outliers = np.empty(0, dtype=np.int64)
    if explained:
        outliers, found = diagnose_outliers(data.kinds, fitted_position, fitted_orientation, rows)
        diagnoses += found
        diagnoses += diagnose_standstill(robot, clean, fit, residual, rows[moving])
        temperatures = getattr(dataset, "temperatures", None)
        warmth = None if temperatures is None else np.asarray(temperatures, dtype=float)[moving]
        diagnoses += diagnose_drift(robot, clean, fit, residual, rows[moving], warmth)
    duplicates = exact_duplicates(data)
    diagnoses += diagnose_duplicates(duplicates, rows)
    if explained:
        diagnoses += diagnose_limits(robot, clean, rows[moving])
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
        near_duplicates=moving[near_duplicates(robot, clean)],
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


def _explained(
    robot: RobotModel, data: Measurements, moving: np.ndarray, lever: float
) -> tuple[Measurements, Undone, tuple[Diagnosis, ...]]:
    """Return the samples, without orientations that cannot be used; mistakes in some rows of them; and what to say."""
    turns = diagnose_orientations(robot, data.taken(moving), lever) if _is_constant(data, moving) else ()
    data = data.as_positions() if turns else data
    spread = spread_of(robot.forward_kinematics(data.configurations[moving])[:, :3, 3])
    undone = undo_mistakes(robot, data.taken(moving), lever, spread)
    if not undone.explained and not turns:
        turns = diagnose_orientations(robot, data.taken(moving), lever)
        if turns:
            data = data.as_positions()
            undone = undo_mistakes(robot, data.taken(moving), lever, spread)
    return data, undone, (*turns, *diagnose_mistakes(robot, undone))


def _is_constant(data: Measurements, rows: np.ndarray) -> bool:
    """Tell if all poses of these rows have one orientation."""
    turns = data.poses[rows][data.kinds[rows] == POSE][:, :3, :3]
    return len(turns) > 1 and float(np.abs(turns - turns[0]).max()) < SAME_TURN


def _spread_out(values: Array, rows: np.ndarray, count: int) -> Array:
    """Values (k,) of some rows as (n,) of all, NaN elsewhere."""
    result = np.full(count, np.nan)
    result[rows] = values
    return result


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
