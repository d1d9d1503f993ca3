"""Poses as the numbers that a regression takes: positions and angles, standardised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.transforms import Array, euler_from_matrix

ORIENTATIONS = ("euler", "chordal")
# A coordinate that spreads less than this over the data [m, rad] is held fixed, by the task or because the arm is
# planar. What is left of it is noise, which standardising would blow up.
LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class PoseFeatures:
    """Standardised features of poses; of a planar arm, position x, y and yaw are left (or its cosine and sine).

    Attributes
    ----------
    orientation : {"euler", "chordal"}
        Fixed-axis Euler angles (as the paper), or the entries of the rotation matrix.
    reference : (3,)
        Circular means of the Euler angles, from which they are measured: so that a tool that points straight down, at
        a roll of 180 degrees, does not jump between the two ends of the range [rad].
    columns : (F,) int
        Coordinates that vary.
    mean, scale : (F,)
        Mean and deviation of each.
    """

    orientation: str
    reference: Array
    columns: np.ndarray
    mean: Array
    scale: Array

    @classmethod
    def of(cls, poses: Array, orientation: str) -> PoseFeatures:
        """Features with mean and scale of poses (n, 4, 4).

        Raises
        ------
        InvalidInputError
            When there is no such ``orientation``.
        """
        if orientation not in ORIENTATIONS:
            raise InvalidInputError("orientation", repr(orientation), " or ".join(map(repr, ORIENTATIONS)))
        euler = euler_from_matrix(poses[:, :3, :3])
        reference = np.arctan2(np.sin(euler).mean(axis=0), np.cos(euler).mean(axis=0))
        coordinates = _coordinates(poses, orientation, reference)
        mean, scale = coordinates.mean(axis=0), coordinates.std(axis=0)
        columns = np.flatnonzero(scale > LEAST_SPREAD)
        if len(columns) == 0:  # all samples at one place: nothing to tell apart, but nothing to divide by either
            return cls(orientation, reference, np.arange(3), mean[:3], np.full(3, LEAST_SPREAD))
        return cls(orientation, reference, columns, mean[columns], scale[columns])

    def __call__(self, poses: Array) -> Array:
        """Features (n, F) of poses (n, 4, 4)."""
        return (_coordinates(poses, self.orientation, self.reference)[:, self.columns] - self.mean) / self.scale


def _coordinates(poses: Array, orientation: str, reference: Array) -> Array:
    if orientation == "chordal":
        return np.hstack([poses[:, :3, 3], poses[:, :3, :3].reshape(len(poses), 9)])
    turned = euler_from_matrix(poses[:, :3, :3]) - reference
    return np.hstack([poses[:, :3, 3], (turned + np.pi) % (2.0 * np.pi) - np.pi])
