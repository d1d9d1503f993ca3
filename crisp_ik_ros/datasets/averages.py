"""Readings of one and the same pose, averaged: the mean, and how far it can be trusted."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.transforms import Array, make_pose, rotation_logarithm

# Fewer readings tell nothing of their noise.
FEWEST_FOR_NOISE = 8
# Readings that follow each other err alike: the means of so many parts of them show how much that is.
BATCHES = 8
# A reading farther from the others than this, and than six times their median distance, is a glitch [m, rad].
GLITCH = (1e-3, 5e-3)
GLITCH_FACTOR = 6.0
# Readings this near each other are the same, but for rounding [m, rad].
REPEATED = 1e-12


class Average(NamedTuple):
    """What readings of one and the same pose come to.

    Attributes
    ----------
    pose : (4, 4)
        Mean [m]; the rotation is the identity where only positions were read.
    noise : (2,)
        Standard deviation of this mean along an axis [m, rad]; NaN where the readings do not tell.
    scatter : (2,)
        Standard deviation of a single reading along an axis [m, rad]; NaN likewise.
    drift : float
        Distance between the means of the first and the second half of the readings [m].
    drift_noise : float
        What ``drift`` comes to by noise alone, about [m].
    readings, left_out : int
        Readings averaged, and glitches among all that are not.
    """

    pose: Array
    noise: Array
    scatter: Array
    drift: float
    drift_noise: float
    readings: int
    left_out: int


def average_poses(poses: ArrayLike) -> Average:
    """Average readings (n, 4, 4) [m] of a pose, in the order they were taken, leaving glitches out.

    The mean rotation is the one nearest all of them (least sum of squared Frobenius distances).

    Raises
    ------
    InvalidInputError
        When there is no reading, or a value is not finite.
    """
    poses = np.asarray(poses, dtype=float)
    if poses.ndim != 3 or poses.shape[1:] != (4, 4) or not len(poses):
        raise InvalidInputError("poses", f"shape {poses.shape}", "(n, 4, 4), at least one")
    return _average(poses[:, :3, 3], poses[:, :3, :3])


def average_positions(positions: ArrayLike) -> Average:
    """Average readings (n, 3) [m] of a position, in the order they were taken, leaving glitches out.

    Raises
    ------
    InvalidInputError
        When there is no reading, or a value is not finite.
    """
    positions = np.asarray(positions, dtype=float)
    if positions.ndim != 2 or positions.shape[1] != 3 or not len(positions):
        raise InvalidInputError("positions", f"shape {positions.shape}", "(n, 3), at least one")
    return _average(positions, None)


def nearest_rotation(matrix: Array) -> Array:
    """Rotation (3, 3) nearest a matrix (3, 3) in the Frobenius norm."""
    left, _, right = np.linalg.svd(matrix)
    left[:, 2] *= np.sign(np.linalg.det(left @ right))
    return left @ right


def _average(positions: Array, rotations: Array | None) -> Average:
    if not (np.isfinite(positions).all() and (rotations is None or np.isfinite(rotations).all())):
        raise InvalidInputError("readings", "a value that is not finite", "finite numbers")
    good = ~_glitches(np.linalg.norm(positions - np.median(positions, axis=0), axis=1), GLITCH[0])
    if rotations is not None:
        # Of the elements one by one: no rotation, but near the one that glitches do not pull away.
        middle = nearest_rotation(np.median(rotations, axis=0))
        good &= ~_glitches(np.linalg.norm(rotation_logarithm(rotations @ middle.T), axis=1), GLITCH[1])
    kept = positions[good]
    position = kept.mean(axis=0)
    noise, scatter = np.full((2, 2), np.nan)
    noise[0], scatter[0] = _noise(kept - position)
    rotation = np.eye(3)
    if rotations is not None:
        rotation = nearest_rotation(rotations[good].mean(axis=0))
        noise[1], scatter[1] = _noise(rotation_logarithm(rotations[good] @ rotation.T))
    half = len(kept) // 2
    drift = float(np.linalg.norm(kept[:half].mean(axis=0) - kept[half:].mean(axis=0))) if half else 0.0
    # Two means of half the readings, in three axes.
    by_noise = 0.0 if np.isnan(scatter[0]) else 2.0 * math.sqrt(3.0 / len(kept)) * float(scatter[0])
    return Average(
        make_pose(position, rotation), noise, scatter, drift, by_noise, len(kept), len(positions) - len(kept)
    )


def _glitches(distances: Array, least: float) -> np.ndarray:
    """Which of the distances (n,) from the middle are out of all proportion; never as many as half."""
    return distances > max(least, GLITCH_FACTOR * float(np.median(distances)))


def _noise(errors: Array) -> tuple[float, float]:
    """Standard deviations, along an axis, of the mean and of one of readings with these errors (n, 3) from the mean.

    NaN where there are too few readings, or all are the same: a device that repeats itself, or rounds, hides its noise.
    """
    count = len(errors)
    if count < FEWEST_FOR_NOISE or np.abs(errors).max() < REPEATED:
        return math.nan, math.nan
    scatter = math.sqrt(float(np.sum(errors**2)) / (3 * (count - 1)))
    noise = scatter / math.sqrt(count)
    if count >= 2 * BATCHES:
        means = np.array([part.mean(axis=0) for part in np.array_split(errors, BATCHES)])
        noise = max(noise, math.sqrt(float(np.sum(means**2)) / (3 * (BATCHES - 1) * BATCHES)))
    return noise, scatter
