"""Agreement of measured poses with a robot's URDF, up to a fixed measuring frame and a fixed tool."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crisp_ik_ros.datasets.averages import nearest_rotation
from crisp_ik_ros.transforms import Array, rotation_logarithm

# Pairs of samples whose relative rotations are compared.
PAIRS = 2000
# Rounds of the alternation between frame and tool: positions alone take more of them.
ROUNDS, ROUNDS_WITHOUT_ORIENTATION = 20, 100
# Of half turns the axis may point either way [rad].
LARGEST_ANGLE = 3.0


class Agreement(NamedTuple):
    """Distance between measured poses and those of a model, once frame and tool are aligned.

    Attributes
    ----------
    position : float
        Mean distance [m].
    orientation : float
        Mean angle [rad]; NaN without orientations.
    frame : (4, 4)
        The base in the measuring frame [m].
    tool : (4, 4)
        Measured point in the tip's frame [m].
    """

    position: float
    orientation: float
    frame: Array
    tool: Array


def aligned_agreement(tips: Array, positions: Array, rotations: Array | None = None) -> Agreement:
    """Align measured poses with a model's by a measuring frame and a tool, and compare them.

    Parameters
    ----------
    tips : (n, 4, 4)
        Poses of the tip in the base frame, by the model [m].
    positions : (n, 3)
        Measured [m].
    rotations : (n, 3, 3), optional
        Measured; without them the tool is found from the positions, if the arm turned enough.
    """
    frame, tool = np.eye(4), np.eye(4)
    turned = tips[:, :3, :3]
    if rotations is not None:
        first, second = np.random.default_rng(0).integers(0, len(tips), (2, PAIRS))
        left = rotation_logarithm(rotations[first] @ rotations[second].transpose(0, 2, 1))
        right = rotation_logarithm(turned[first] @ turned[second].transpose(0, 2, 1))
        good = (np.linalg.norm(left, axis=1) < LARGEST_ANGLE) & (np.linalg.norm(right, axis=1) < LARGEST_ANGLE)
        frame[:3, :3] = nearest_rotation(left[good].T @ right[good])
        _solve_translations(frame, tool, tips, positions)
    for _ in range(ROUNDS if rotations is not None else ROUNDS_WITHOUT_ORIENTATION):
        points = tips[:, :3, 3] + turned @ tool[:3, 3]
        frame[:3, :3] = nearest_rotation((positions - positions.mean(axis=0)).T @ (points - points.mean(axis=0)))
        _solve_translations(frame, tool, tips, positions)
    orientation = np.nan
    if rotations is not None:
        offsets = turned.transpose(0, 2, 1) @ frame[:3, :3].T @ rotations
        tool[:3, :3] = nearest_rotation(offsets.mean(axis=0))
        orientation = float(np.linalg.norm(rotation_logarithm(offsets @ tool[:3, :3].T), axis=1).mean())
    predicted = (frame @ tips @ tool)[:, :3, 3]
    return Agreement(float(np.linalg.norm(positions - predicted, axis=1).mean()), orientation, frame, tool)


def distance_from_one_point(positions: Array, rotations: Array) -> float:
    """Mean distance [m] of a tool's poses from having one of its points at rest: where it is pivoted, near 0.

    Parameters
    ----------
    positions : (n, 3)
        [m].
    rotations : (n, 3, 3)
    """
    tool, point = _translations(rotations, -np.eye(3), -positions)
    return float(np.linalg.norm(positions + rotations @ tool - point, axis=1).mean())


def _solve_translations(frame: Array, tool: Array, tips: Array, positions: Array) -> None:
    """Set the translations of frame and tool to those that fit best, given the frame's rotation."""
    tool[:3, 3], frame[:3, 3] = _translations(
        frame[:3, :3] @ tips[:, :3, :3], np.eye(3), positions - tips[:, :3, 3] @ frame[:3, :3].T
    )


def _translations(rotations: Array, fixed: Array, target: Array) -> tuple[Array, Array]:
    """Vectors a, b (3,) with rotations (n, 3, 3) a + fixed (3, 3) b nearest target (n, 3)."""
    columns = np.concatenate([rotations, np.broadcast_to(fixed, rotations.shape)], axis=2)
    solution = np.linalg.lstsq(columns.reshape(-1, 6), target.ravel())[0]
    return solution[:3], solution[3:]
