"""Regions of target poses, to draw training samples from."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.robots.placement import Placement
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.trajectories import PAPER, circle, place_trajectory, placed_trajectories, tool_orientation
from crisp_ik_ros.transforms import Array, check_pose, make_pose, matrix_from_euler, rotation_exponential

DEMO_MARGIN = 0.02
DEMO_TILT, DEMO_YAW = 0.1, 0.9


class Orientations(Protocol):
    """A set of tool orientations that can be drawn from."""

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Rotations (count, 3, 3) in the base frame."""
        ...


class Region(Protocol):
    """A set of target poses that can be drawn from."""

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Poses (count, 4, 4) in the base frame [m]."""
        ...


@dataclass(frozen=True, eq=False)
class FixedOrientations:
    """One of k orientations, each as likely: ``rotations`` (k, 3, 3), or (3, 3) for a single one.

    Raises
    ------
    InvalidInputError
        When a matrix is no rotation.
    """

    rotations: ArrayLike = field(default_factory=lambda: tool_orientation(0.0))

    def __post_init__(self) -> None:
        rotations = np.asarray(self.rotations, dtype=float)
        rotations = rotations[None] if rotations.ndim == 2 else rotations
        object.__setattr__(self, "rotations", _check_rotations(rotations, "rotations"))

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Rotations (count, 3, 3) in the base frame."""
        rotations = np.asarray(self.rotations)
        return rotations[rng.integers(len(rotations), size=count)]


@dataclass(frozen=True, eq=False)
class OrientationRange:
    """Orientations around a centre: the tool's z axis in a cone, and turned about itself.

    Uniform: the axis over the spherical cap, the turn over its range. ``tilt`` pi and a turn of -pi to pi are all
    orientations.

    Attributes
    ----------
    center : (3, 3)
        Rotation in the base frame.
    tilt : float
        Largest angle between the tool's z axis and the centre's [rad].
    yaw_lower, yaw_upper : float
        Range of the turn about the tool's z axis [rad].

    Raises
    ------
    InvalidInputError
        When the centre is no rotation, or an angle is out of range.
    """

    center: ArrayLike = field(default_factory=lambda: tool_orientation(0.0))
    tilt: float = np.pi
    yaw_lower: float = -np.pi
    yaw_upper: float = np.pi

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", _check_rotations(np.asarray(self.center, dtype=float), "center"))
        if not 0.0 <= self.tilt <= np.pi:
            raise InvalidInputError("tilt", self.tilt, "an angle from 0 to pi [rad]")
        if not (np.isfinite([self.yaw_lower, self.yaw_upper]).all() and self.yaw_lower <= self.yaw_upper):
            raise InvalidInputError(
                "yaw_lower", self.yaw_lower, f"a finite angle of at most yaw_upper, {self.yaw_upper}"
            )

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Rotations (count, 3, 3) in the base frame."""
        # By Archimedes the height of a point on a cap is uniform.
        angle = np.arccos(rng.uniform(np.cos(self.tilt), 1.0, count))
        direction = rng.uniform(-np.pi, np.pi, count)
        yaw = rng.uniform(self.yaw_lower, self.yaw_upper, count)
        zero = np.zeros(count)
        swing = angle[:, None] * np.column_stack([np.cos(direction), np.sin(direction), zero])
        turn = np.column_stack([zero, zero, yaw])
        return np.asarray(self.center) @ rotation_exponential(swing) @ rotation_exponential(turn)


@dataclass(frozen=True, eq=False)
class Tube:
    """All positions within ``radius`` of a path, uniform by volume; around a closed circle, a solid torus.

    Attributes
    ----------
    path : (n, 4, 4)
        Poses whose positions, joined by straight lines, are the path [m]. Their orientations are not used.
    radius : float
        Of the tube [m].
    orientations : Orientations

    Raises
    ------
    InvalidInputError
        When a pose is none, there are fewer than two, or the radius is not positive.
    """

    path: ArrayLike
    radius: float
    orientations: Orientations = field(default_factory=FixedOrientations)

    def __post_init__(self) -> None:
        path = check_pose(self.path, "path")
        if path.ndim != 3 or len(path) < 2:
            raise InvalidInputError("path", f"shape {path.shape}", "(n, 4, 4), at least two poses")
        if not (np.isfinite(self.radius) and self.radius > 0.0):
            raise InvalidInputError("radius", self.radius, "a positive number of metres")
        object.__setattr__(self, "path", path)

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Poses (count, 4, 4) in the base frame [m]."""
        corners = self._cells()
        found, positions = 0, np.empty((count, 3))
        while found < count:
            # As many at a time whatever is missing, so that the draws do not depend on rounding.
            corner = corners[rng.integers(len(corners), size=count)]
            candidates = corner + self.radius * rng.random((count, 3))
            accepted = candidates[self.distance(candidates) <= self.radius][: count - found]
            positions[found : found + len(accepted)] = accepted
            found += len(accepted)
        return make_pose(positions, self.orientations.draw(rng, count))

    def distance(self, positions: ArrayLike) -> Array:
        """Distances (m,) [m] of positions (m, 3) from the path."""
        points = np.asarray(self.path)[:, :3, 3]
        positions = np.asarray(positions, dtype=float)
        squared = np.full(len(positions), np.inf)
        for start, end in pairwise(points):
            along = end - start
            offset = positions - start
            share = np.clip(offset @ along / max(float(along @ along), 1e-30), 0.0, 1.0)
            squared = np.minimum(squared, np.sum((offset - share[:, None] * along) ** 2, axis=1))
        return np.sqrt(squared)

    def _cells(self) -> Array:
        """Lower corners (k, 3) of cubes, as wide as the radius and side by side, that hold the tube.

        Drawing from them wastes a bounded share of the draws, however long and thin the path.
        """
        points = np.asarray(self.path)[:, :3, 3]
        dense = [
            start
            + np.linspace(0.0, 1.0, 2 + int(2.0 * np.linalg.norm(end - start) / self.radius))[:, None] * (end - start)
            for start, end in pairwise(points)
        ]
        near = np.unique(np.floor(np.concatenate(dense) / self.radius).astype(np.int64), axis=0)
        around = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        cells = np.unique((near[:, None] + around).reshape(-1, 3), axis=0)
        half_diagonal = 0.5 * np.sqrt(3.0) * self.radius
        return self.radius * cells[self.distance(self.radius * (cells + 0.5)) <= self.radius + half_diagonal]


@dataclass(frozen=True, eq=False)
class Box:
    """A box along the axes of the base frame.

    Attributes
    ----------
    center, size : (3,)
        Middle and edge lengths [m]; an edge may be 0.
    orientations : Orientations

    Raises
    ------
    InvalidInputError
        When a value is not finite or an edge is negative.
    """

    center: ArrayLike
    size: ArrayLike
    orientations: Orientations = field(default_factory=FixedOrientations)

    def __post_init__(self) -> None:
        for name in ("center", "size"):
            value = np.asarray(getattr(self, name), dtype=float)
            if value.shape != (3,) or not np.isfinite(value).all() or (name == "size" and np.any(value < 0.0)):
                raise InvalidInputError(
                    name, getattr(self, name), "three finite numbers of metres, sizes of at least 0"
                )
            object.__setattr__(self, name, value)

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Poses (count, 4, 4) in the base frame [m]."""
        positions = np.asarray(self.center) + np.asarray(self.size) * (rng.random((count, 3)) - 0.5)
        return make_pose(positions, self.orientations.draw(rng, count))


@dataclass(frozen=True)
class Workspace:
    """Everything the arm reaches: no target poses, but configurations drawn uniformly within the joint limits."""

    def draw_configurations(self, robot: RobotModel, rng: np.random.Generator, count: int) -> Array:
        """Configurations (count, J)."""
        return robot.random_configurations(count, rng)


@dataclass(frozen=True, eq=False)
class Neighborhood:
    """Configurations around given ones, normally distributed: for arms that reach only some of the poses nearby.

    Attributes
    ----------
    configurations : (n, J)
        Each as likely to be drawn around [rad or m].
    spread : (J,)
        Standard deviations [rad or m].
    """

    configurations: ArrayLike
    spread: ArrayLike

    def draw_configurations(self, robot: RobotModel, rng: np.random.Generator, count: int) -> Array:
        """Configurations (count, J), within the joint limits."""
        around = np.asarray(self.configurations, dtype=float)[rng.integers(len(self.configurations), size=count)]  # type: ignore[arg-type]
        return robot.confined(around + np.asarray(self.spread) * rng.standard_normal(around.shape))


def circle_torus(radius: float = 0.01) -> Tube:
    """Return the paper's solid torus around its circle, with its two tool orientations, at +-pi/4."""
    return Tube(
        circle(), radius, FixedOrientations(np.stack([tool_orientation(yaw) for yaw in (np.pi / 4, -np.pi / 4)]))
    )


def demo_region(placement: Placement = PAPER) -> Box:
    """Return the box around a robot's spiral and circle, 2 cm wider on every side; the tool is as there, about."""
    paths = [place_trajectory(name, placement) for name in placed_trajectories(placement)]
    positions = np.concatenate(paths)[:, :3, 3]
    lower, upper = positions.min(axis=0) - DEMO_MARGIN, positions.max(axis=0) + DEMO_MARGIN
    orientations = OrientationRange(matrix_from_euler(placement.tool), DEMO_TILT, -DEMO_YAW, DEMO_YAW)
    return Box(0.5 * (lower + upper), upper - lower, orientations)


def _check_rotations(rotations: Array, name: str) -> Array:
    if rotations.shape[-2:] != (3, 3) or rotations.size == 0:
        raise InvalidInputError(name, f"shape {rotations.shape}", "rotation matrices, 3 by 3")
    return check_pose(make_pose(np.zeros(3), rotations), name)[..., :3, :3]
