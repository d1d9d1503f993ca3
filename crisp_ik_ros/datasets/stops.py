"""Stops of a recording: samples whose configurations repeat each other, which no split may tear apart."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# Configurations are those of one stop where no joint is farther from the stop's first reading [rad or m]: more than
# encoders scatter at rest, and an arm that comes back to a stop; less than independent samples are apart.
STOP_TOLERANCE = 2e-3


def stops_of(robot: RobotModel | None, configurations: Array, tolerance: float = STOP_TOLERANCE) -> np.ndarray:
    """Number (n,) of the stop that each configuration (n, J) belongs to, counted in the order of their first readings.

    The first reading that belongs to no stop yet begins one, and takes in all that are within the tolerance of it. A
    recording without a rest is so cut into pieces, where chains of neighbors would make one stop of all of it. With a
    robot, its joints without limits have no seam.
    """
    features = configurations if robot is None else _features(robot, configurations)
    leaders = np.arange(len(features))
    if len(features) > 1:
        tree = cKDTree(features)
        distance, _ = tree.query(features, k=2, p=np.inf, distance_upper_bound=tolerance)
        near = np.flatnonzero(np.isfinite(distance[:, 1]))
        free = np.ones(len(features), dtype=bool)
        for row in near:
            if free[row]:
                members = np.array(tree.query_ball_point(features[row], tolerance, p=np.inf))
                members = members[free[members]]
                leaders[members], free[members] = row, False
    _, first, place = np.unique(leaders, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first, kind="stable"), kind="stable")[place]


def first_readings(stops: np.ndarray) -> np.ndarray:
    """Rows of the first reading of each stop, in order."""
    return np.sort(np.unique(stops, return_index=True)[1])


def hold_out_stops(stops: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows to test on, with ``share`` of the stops in the second; of a single stop none."""
    count = int(stops.max()) + 1
    chosen = np.random.default_rng(seed).permutation(count)[: min(max(round(share * count), 1), count - 1)]
    tested = np.isin(stops, chosen)
    return np.flatnonzero(~tested), np.flatnonzero(tested)


def _features(robot: RobotModel, configurations: Array) -> Array:
    """Coordinates in which a continuous joint has no seam."""
    configurations = robot.wrapped(np.asarray(configurations, dtype=float))
    turning = robot.continuous
    if not turning.any():
        return configurations
    angles = configurations[:, turning]
    return np.hstack([configurations[:, ~turning], np.cos(angles), np.sin(angles)])
