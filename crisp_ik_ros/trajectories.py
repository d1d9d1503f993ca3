"""Target paths for the tool: the paper's spiral and circle, and the planar arm's eight."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.robots.placement import Placement
from crisp_ik_ros.transforms import Array, make_pose, matrix_from_euler

PAPER = Placement()
SPIRAL_CENTER, CIRCLE_CENTER = (0.0, 0.45, 0.044), (0.0, 0.55, 0.044)
# Farther than any arm goes, so that sums stay finite [m].
LARGEST = 1e6


def spiral(
    center: ArrayLike = SPIRAL_CENTER,
    radius: float = 0.03,
    height: float = 0.06,
    turns: float = 6.0,
    yaw: float = 0.0,
    points: int = 200,
) -> Array:
    """Spiral that climbs for the first half and comes down in the second (the paper's S).

    Its axis is the base frame's y axis, on which the authors' vertical axis lies.

    Parameters
    ----------
    center : (3,)
        Middle of the containing cylinder [m].
    radius, height : float
        Of the cylinder [m].
    turns : float
        Over the whole path.
    yaw : float
        Turn of the tool about the cylinder's axis [rad], as the authors have it; at 0 it points straight down.
    points : int

    Returns
    -------
    (points, 4, 4)
    """
    _check(radius, yaw, points)
    angle = np.linspace(0.0, 2.0 * np.pi * turns, points)
    half = points // 2
    along = np.concatenate([np.linspace(0.5, -0.5, half), np.linspace(-0.5, 0.5, points - half)]) * height
    return _path(center, radius * np.cos(angle), -along, radius * np.sin(angle), yaw)


def circle(center: ArrayLike = CIRCLE_CENTER, radius: float = 0.03, yaw: float = 0.0, points: int = 200) -> Array:
    """Circle in a plane parallel to the base frame's x-z plane (the paper's C), as poses (points, 4, 4)."""
    _check(radius, yaw, points)
    angle = np.linspace(0.0, 2.0 * np.pi, points)
    return _path(center, radius * np.cos(angle), np.zeros(points), radius * np.sin(angle), yaw)


def eight(center: ArrayLike, radius: float, yaw: float = 0.0, points: int = 200) -> Array:
    """Figure of eight in a plane parallel to the base frame's x-y plane, as poses (points, 4, 4)."""
    _check(radius, yaw, points)
    angle = np.linspace(0.0, 2.0 * np.pi, points)
    position = np.asarray(center, dtype=float) + np.column_stack(
        [radius * np.sin(angle) * np.cos(angle), radius * np.sin(angle), np.zeros(points)]
    )
    return make_pose(position, np.broadcast_to(matrix_from_euler([0.0, 0.0, yaw]), (points, 3, 3)))


TRAJECTORIES: dict[str, Callable[..., Array]] = {"spiral": spiral, "circle": circle}


def make_trajectory(name: str, **parameters: float | ArrayLike) -> Array:
    """Return the trajectory of a name, "spiral" or "circle", as poses (points, 4, 4).

    Raises
    ------
    InvalidInputError
        When there is no trajectory of that name, or a parameter is out of range.
    """
    if name not in TRAJECTORIES:
        raise InvalidInputError("trajectory", repr(name), " or ".join(map(repr, TRAJECTORIES)))
    return TRAJECTORIES[name](**parameters)


def placed_trajectories(placement: Placement) -> tuple[str, ...]:
    """Names of the trajectories that a robot has a place for."""
    return tuple(name for name in TRAJECTORIES if getattr(placement, name) is not None)


def place_trajectory(
    name: str, placement: Placement = PAPER, points: int = 200, radius: float | None = None, yaw: float = 0.0
) -> Array:
    """Return the trajectory of a name, where it lies for a robot, as poses (points, 4, 4) [m].

    Parameters
    ----------
    name : str
        "spiral" or "circle".
    placement : Placement
    points : int
    radius : float, optional
        Default: that of the placement [m].
    yaw : float
        Turn of the tool about the spiral's axis, the circle's normal [rad].

    Raises
    ------
    InvalidInputError
        When there is no trajectory of that name, the robot has no place for it, or a parameter is out of range.
    """
    names = placed_trajectories(placement)
    if name in TRAJECTORIES and name not in names:
        raise InvalidInputError("trajectory", repr(name), f"{names[0]!r}: it is all that this robot has a place for")
    shape: dict[str, float | ArrayLike] = {"height": placement.height} if name == "spiral" else {}
    radius = placement.radius if radius is None else radius
    path = make_trajectory(name, center=np.zeros(3), radius=radius, yaw=yaw, points=points, **shape)
    turn, tool = matrix_from_euler(placement.turn), matrix_from_euler(placement.tool)
    yawed = path[0, :3, :3] @ tool_orientation(0.0).T
    position = np.asarray(getattr(placement, name)) + path[:, :3, 3] @ turn.T
    return make_pose(position, np.broadcast_to(turn @ yawed @ turn.T @ tool, (len(path), 3, 3)))


def tool_orientation(yaw: float) -> Array:
    """Rotation (3, 3) of the authors' Euler angles (pi/2, 0, yaw) in the base frame.

    At 0 the tool points straight down; ``yaw`` [rad] turns it about the base frame's y axis, the authors' vertical.
    """
    return matrix_from_euler([np.pi / 2.0, 0.0, 0.0]) @ matrix_from_euler([np.pi / 2.0, 0.0, yaw])


def _path(center: ArrayLike, x: Array, y: Array, z: Array, yaw: float) -> Array:
    position = np.asarray(center, dtype=float) + np.column_stack([x, y, z])
    return make_pose(position, np.broadcast_to(tool_orientation(yaw), (len(position), 3, 3)))


def _check(radius: float, yaw: float, points: int) -> None:
    if not 0.0 < radius <= LARGEST:
        raise InvalidInputError("radius", radius, f"a positive number of metres, at most {LARGEST:g}")
    if not np.isfinite(yaw):
        raise InvalidInputError("yaw", yaw, "a finite number of radians")
    if points < 2:
        raise InvalidInputError("points", points, "at least 2")
