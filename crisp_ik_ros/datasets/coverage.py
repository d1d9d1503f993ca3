"""Where samples are: of each joint's range, and of what the tool can reach; and which of them are there twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from crisp_ik_ros.datasets.measurements import Measurements
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# The workspace is cut into cubes with edges of this share of the robot's reach; random configurations tell which of
# them it reaches.
CUBE, RANDOM_CONFIGURATIONS = 0.3, 20000
# Configurations are near duplicates when no joint is farther apart [rad or m].
NEAR = 1e-3


@dataclass(frozen=True)
class JointCoverage:
    """How much of one joint's range the samples show.

    Attributes
    ----------
    name, unit : str
        ``unit`` is rad or m.
    lower, upper : float
        Its limits.
    smallest, largest : float
        Of the samples.
    share : float
        Of the limits' range that is between these.
    gap : float
        Longest stretch within the limits without a sample, and where it is: ``gap_from``.
    gap_from : float
    """

    name: str
    unit: str
    lower: float
    upper: float
    smallest: float
    largest: float
    share: float
    gap: float
    gap_from: float


@dataclass(frozen=True)
class WorkspaceCoverage:
    """Where the tool was, by the nominal model, in the base link's frame.

    Attributes
    ----------
    lower, upper : tuple of three floats
        Corners of the box around all positions [m].
    share : float
        Of the cubes that the tool reaches at random configurations, those in which a sample is.
    cubes : int
        How many it reaches.
    edge : float
        Of a cube [m].
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    share: float
    cubes: int
    edge: float


def joint_coverage(robot: RobotModel, configurations: Array) -> tuple[JointCoverage, ...]:
    """Coverage of each joint by configurations (n, J) [rad or m]."""
    result = []
    for j, name in enumerate(robot.joint_names):
        values = np.sort(robot.wrapped(configurations)[:, j] if robot.continuous[j] else configurations[:, j])
        lower, upper = float(robot.lower[j]), float(robot.upper[j])
        inside = np.clip(values, lower, upper)
        if robot.continuous[j]:
            stops = np.append(inside, inside[0] + 2.0 * np.pi)
        else:
            stops = np.concatenate([[lower], inside, [upper]])
        widest = int(np.argmax(np.diff(stops)))
        result.append(
            JointCoverage(
                name=name,
                unit="m" if robot.chain.prismatic[j] else "rad",
                lower=lower,
                upper=upper,
                smallest=float(values[0]),
                largest=float(values[-1]),
                share=float((inside[-1] - inside[0]) / (upper - lower)) if upper > lower else 1.0,
                gap=float(np.diff(stops)[widest]),
                gap_from=float(stops[widest]),
            )
        )
    return tuple(result)


def workspace_coverage(robot: RobotModel, configurations: Array) -> WorkspaceCoverage:
    """Coverage of what the tool reaches by configurations (n, J)."""
    positions = robot.forward_kinematics(configurations)[:, :3, 3]
    random = robot.random_configurations(RANDOM_CONFIGURATIONS, np.random.default_rng(0))
    edge = CUBE * robot.reach
    # Of the cubes that are hardly ever reached it is chance whether they count.
    reached, times = np.unique(_cubes(robot.forward_kinematics(random)[:, :3, 3], edge), axis=0, return_counts=True)
    usual = {tuple(cube) for cube in reached[times >= 1e-4 * RANDOM_CONFIGURATIONS]}
    visited = usual & {tuple(cube) for cube in np.unique(_cubes(positions, edge), axis=0)}
    return WorkspaceCoverage(
        tuple(positions.min(axis=0).tolist()),
        tuple(positions.max(axis=0).tolist()),
        len(visited) / len(usual),
        len(usual),
        float(edge),
    )


def exact_duplicates(data: Measurements) -> np.ndarray:
    """Rows that repeat an earlier one in every number."""
    parts = (data.configurations, data.poses.reshape(len(data), -1), data.kinds[:, None], data.points[:, None])
    rows = np.hstack(parts)
    _, first = np.unique(rows, axis=0, return_index=True)
    return np.setdiff1d(np.arange(len(data)), first)


def near_duplicates(robot: RobotModel, data: Measurements) -> np.ndarray:
    """Rows with a configuration that another row has too, or nearly so; the exact duplicates are among them."""
    if len(data) < 2:
        return np.empty(0, dtype=np.int64)
    configurations = robot.wrapped(data.configurations)
    distance, _ = cKDTree(configurations).query(configurations, k=2, p=np.inf, distance_upper_bound=NEAR)
    return np.flatnonzero(np.isfinite(distance[:, 1]))


def _cubes(positions: Array, edge: float) -> np.ndarray:
    return np.floor(positions / edge).astype(int)
