"""Samples as plain arrays, and what a robot whose geometry is off a little predicts of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from crisp_ik_ros.datasets.dataset import POSE, POSITION, SAME_POINT, Dataset
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, rotation_logarithm

# Samples whose chains are held in memory at a time.
BLOCK = 20000


@dataclass(frozen=True)
class Measurements:
    """Samples as plain arrays.

    Attributes
    ----------
    configurations : (n, J)
        In the robot's order of joints [rad or m].
    poses : (n, 4, 4)
        Measured [m].
    kinds : (n,)
        POSE, POSITION or SAME_POINT.
    points : (n,)
        Number of the common point of SAME_POINT samples; -1 for others.
    """

    configurations: Array
    poses: Array
    kinds: np.ndarray
    points: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, robot: RobotModel) -> Measurements:
        """Return the samples of a dataset, the joints by name.

        Raises
        ------
        DatasetError
            When the dataset's joints are not the robot's.
        """
        if sorted(dataset.joint_names) != sorted(robot.joint_names):
            found, expected = ", ".join(dataset.joint_names), ", ".join(robot.joint_names)
            raise DatasetError(f"the samples have the joints {found}, the robot {expected}")
        order = [dataset.joint_names.index(name) for name in robot.joint_names]
        kinds = np.array(dataset.kinds)
        points = np.where(kinds == SAME_POINT, dataset.groups, -1)
        return cls(np.ascontiguousarray(dataset.configurations[:, order]), np.asarray(dataset.poses), kinds, points)

    def __len__(self) -> int:
        return len(self.configurations)

    def taken(self, rows: np.ndarray) -> Measurements:
        """Return the samples of these rows."""
        return Measurements(self.configurations[rows], self.poses[rows], self.kinds[rows], self.points[rows])

    def with_configurations(self, configurations: Array) -> Measurements:
        """Return the same measurements at other configurations."""
        return replace(self, configurations=configurations)

    def with_poses(self, poses: Array) -> Measurements:
        """Return other measurements at the same configurations."""
        return replace(self, poses=poses)

    def as_positions(self) -> Measurements:
        """Return the same measurements without their orientations."""
        poses = self.poses.copy()
        posed = self.kinds == POSE
        poses[posed, :3, :3] = np.eye(3)
        return replace(self, poses=poses, kinds=np.where(posed, POSITION, self.kinds))

    @property
    def measured(self) -> np.ndarray:
        """Whether a position was measured: bool (n,)."""
        return self.kinds != SAME_POINT

    @property
    def numbers(self) -> int:
        """How many numbers the measurements are, less those that the unknown points take up."""
        points = self.points[self.points >= 0]
        return int(3 * len(self) + 3 * np.sum(self.kinds == POSE) - 3 * len(np.unique(points)))


@dataclass(frozen=True)
class Fit:
    """A robot as fitted: measured pose = frame @ forward kinematics with the offsets @ tool.

    Attributes
    ----------
    frame, tool : (4, 4)
        Base link in the measurement frame, and what was measured in the tip link's frame [m].
    joint_offsets : (J,)
        [rad or m].
    link_offsets : (J + 1, 3)
        Added to the fixed translations of the robot's ``chain`` [m].
    size : float
        Typical size of a sample's residual, orientation times ``lever``; grown for the numbers that were fitted [m].
    """

    frame: Array
    tool: Array
    joint_offsets: Array
    link_offsets: Array
    size: float = np.inf

    @classmethod
    def nominal(cls, robot: RobotModel) -> Fit:
        """Return the robot as its model says."""
        return cls(np.eye(4), np.eye(4), np.zeros(robot.dof), np.zeros((robot.dof + 1, 3)))


class Walk(NamedTuple):
    """Along the chain, in the base link's frame.

    Attributes
    ----------
    tips : (n, 4, 4)
        Tip poses [m].
    parents : (n, J + 1, 3, 3)
        Rotations of what each of the chain's translations is fixed to.
    axes, origins : (n, J, 3)
        Of the joints [m].
    """

    tips: Array
    parents: Array
    axes: Array
    origins: Array


def predict(robot: RobotModel, data: Measurements, fit: Fit) -> Array:
    """Tool poses (n, 4, 4) of the fit, measurement frame [m]."""
    blocks = np.split(data.configurations, range(BLOCK, len(data), BLOCK))
    return np.concatenate([fit.frame @ walk(robot, block, fit).tips @ fit.tool for block in blocks])


def residuals(data: Measurements, predicted: Array, weight: Array | None = None) -> Array:
    """Measured position and orientation less the predicted ones: (n, 6) [m, rad], measurement frame.

    Where only the position was measured the rest is 0. For the common point of same-point samples the median of what is
    predicted stands in, or the mean with weights (n,).
    """
    result = np.zeros((len(data), 6))
    result[:, :3] = data.poses[:, :3, 3] - predicted[:, :3, 3]
    common = data.points >= 0
    if common.any():
        positions = predicted[common, :3, 3]
        if weight is None:
            result[common, :3] = _medians(positions, data.points[common]) - positions
        else:
            result[common, :3] = -centered(positions, data.points[common], weight[common])
    posed = data.kinds == POSE
    if posed.any():
        turn = data.poses[posed, :3, :3] @ np.swapaxes(predicted[posed, :3, :3], -1, -2)
        result[posed, 3:] = rotation_logarithm(turn)
    return result


def centered(values: Array, points: np.ndarray, weight: Array) -> Array:
    """Values (n, ...) less the weighted mean of those of the same point."""
    _, place = np.unique(points, return_inverse=True)
    flat = values.reshape(len(values), -1)
    share = np.zeros((place.max() + 1, len(values)))
    share[place, np.arange(len(values))] = weight
    means = share @ flat / share.sum(axis=1, keepdims=True)
    return (flat - means[place]).reshape(values.shape)


def _medians(positions: Array, points: np.ndarray) -> Array:
    """Median (n, 3) of those positions (n, 3) that are of the same point."""
    order = np.argsort(points, kind="stable")
    cuts = np.flatnonzero(np.diff(points[order])) + 1
    result = np.empty_like(positions)
    for rows in np.split(order, cuts):
        result[rows] = np.median(positions[rows], axis=0)
    return result


def typical_size(residual: Array, lever: float) -> float:
    """Median over the samples of the residual's length, orientation times ``lever`` [m]."""
    return float(np.median(lengths(residual, lever)))


def walk(robot: RobotModel, configurations: Array, fit: Fit) -> Walk:
    """Walk the chain of a fit at configurations (n, J)."""
    rotations, translations, prismatic = robot.chain[:3]
    translations = translations + fit.link_offsets
    angles = (configurations + fit.joint_offsets).T[:, :, None]
    cosines, sines = np.cos(angles), np.sin(angles)
    count, joints = configurations.shape
    parents = np.empty((count, joints + 1, 3, 3))
    axes, origins = np.empty((count, joints, 3)), np.empty((count, joints, 3))
    tips = np.zeros((count, 4, 4))
    turn, place = np.broadcast_to(np.eye(3), (count, 3, 3)), np.zeros((count, 3))
    for j in range(joints + 1):
        parents[:, j] = turn
        place = place + turn @ translations[j]
        turn = turn @ rotations[j]
        if j == joints:
            break
        axes[:, j], origins[:, j] = turn[:, :, 2], place
        if prismatic[j]:
            place = place + axes[:, j] * angles[j]
        else:
            x, y = turn[:, :, 0].copy(), turn[:, :, 1].copy()
            turn[:, :, 0], turn[:, :, 1] = cosines[j] * x + sines[j] * y, cosines[j] * y - sines[j] * x
    tips[:, :3, :3], tips[:, :3, 3], tips[:, 3, 3] = turn, place, 1.0
    return Walk(tips, parents, axes, origins)


def lengths(residual: Array, lever: float) -> Array:
    """Lengths (n,) of residuals (n, 6), orientation times ``lever`` [m]."""
    return np.sqrt(np.sum(residual[:, :3] ** 2, axis=1) + lever**2 * np.sum(residual[:, 3:] ** 2, axis=1))
