"""Pictures of an arm with the path it should follow and the path it took, drawn on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.simulation.camera import Camera
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.transforms import Array

TARGET_COLOR = (0.10, 0.42, 0.86, 1.0)
TOOL_COLOR = (0.93, 0.33, 0.10, 1.0)
FLOOR_COLOR = (0.88, 0.90, 0.93, 1.0)
# What the floor looks like in the default light, so that its edge does not show.
BACKGROUND = (228, 233, 241)
# Drawn larger by this factor and averaged: the renderer does not smooth edges.
SMOOTHING = 2


def render_scene(
    arm: PyBulletArm,
    target_path: ArrayLike | None = None,
    tool_path: ArrayLike | None = None,
    error_scale: float = 1.0,
    width: int = 1280,
    height: int = 720,
    camera: Camera | None = None,
    line_radius: float = 0.0012,
    floor: float | None = 0.0,
) -> np.ndarray:
    """Picture of the arm as it stands, with two paths as tubes, on a floor.

    Parameters
    ----------
    arm : PyBulletArm
    target_path, tool_path : (n, 4, 4) or (n, 3), optional
        Base link frame [m]; blue and orange.
    error_scale : float
        The tool path is drawn this many times as far from the target path as it is (the paths then have equally many
        points).
    width, height : int
        Of the picture, in pixels.
    camera : Camera, optional
    line_radius : float
        Of the tubes [m].
    floor : float, optional
        Height of the floor in the base link frame [m]; None: no floor.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    InvalidInputError
        When a path is no path, or ``error_scale`` is given for paths of different length.
    """
    target = None if target_path is None else _positions(target_path, "target_path")
    tool = None if tool_path is None else _positions(tool_path, "tool_path")
    if error_scale != 1.0 and tool is not None:
        if target is None or target.shape != tool.shape:
            raise InvalidInputError("error_scale", error_scale, "1, or two paths with equally many points")
        tool = target + error_scale * (tool - target)
    bodies = []
    try:
        if floor is not None:
            bodies.append(arm.add_mesh(*floor_mesh(floor), FLOOR_COLOR))
        for path, color in ((target, TARGET_COLOR), (tool, TOOL_COLOR)):
            if path is not None:
                bodies.append(arm.add_mesh(*tube_mesh(path, line_radius), color))
        large = arm.image(SMOOTHING * width, SMOOTHING * height, camera, BACKGROUND)
    finally:
        for body in bodies:
            arm.remove(body)
    blocks = large.reshape(height, SMOOTHING, width, SMOOTHING, 3)
    return np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)


def close_up(path: ArrayLike, direction: ArrayLike = (0.45, 0.40, 0.21)) -> Camera:
    """Camera that looks at a path from nearby, so that it fills most of the picture's height.

    Parameters
    ----------
    path : (n, 4, 4) or (n, 3)
        Base link frame [m].
    direction : (3,)
        From the path towards the camera.
    """
    positions = _positions(path, "path")
    center = 0.5 * (positions.min(axis=0) + positions.max(axis=0))
    extent = max(float(np.linalg.norm(positions - center, axis=1).max()), 0.01)
    towards = np.asarray(direction, dtype=float)
    towards = towards / np.linalg.norm(towards)
    field_of_view = 30.0
    eye = center + towards * 1.5 * extent / np.tan(np.radians(0.5 * field_of_view))
    return Camera(tuple(eye.tolist()), tuple(center.tolist()), field_of_view=field_of_view, near=0.5 * extent)


def save_picture(path: str | Path, picture: np.ndarray) -> None:
    """Write a picture (height, width, 3) uint8 to an image file, in the format its suffix names."""
    from matplotlib.image import imsave

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    imsave(str(path), picture)


def tube_mesh(path: Array, radius: float, sides: int = 10) -> tuple[Array, np.ndarray, Array]:
    """Vertices (v, 3), triangles (t, 3) and normals (v, 3) of a tube around a path (n, 3) [m], with round ends."""
    step = np.linalg.norm(np.diff(path, axis=0), axis=1)
    path = path[np.concatenate([[True], step > 1e-9])]
    if len(path) == 1:
        path = np.concatenate([path, path + np.array([0.0, 0.0, 1e-6])])
    tangent = np.gradient(path, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    # Three smaller rings close each end.
    cap = np.array([1.0, 0.9, 0.5])
    along, width = radius * cap, radius * np.sqrt(1.0 - cap**2)
    centers = np.concatenate(
        [path[:1] - along[:, None] * tangent[:1], path, path[-1:] + along[::-1, None] * tangent[-1:]]
    )
    radii = np.concatenate([width, np.full(len(path), radius), width[::-1]])
    directions = np.concatenate([np.repeat(tangent[:1], 3, axis=0), tangent, np.repeat(tangent[-1:], 3, axis=0)])
    side = np.cross(directions[0], np.eye(3)[np.argmin(np.abs(directions[0]))])
    rings, normals = [], []
    angle = np.linspace(0.0, 2.0 * np.pi, sides, endpoint=False)[:, None]
    for center, extent, direction in zip(centers, radii, directions, strict=True):
        # The last ring's side, made perpendicular again: the tube does not twist.
        side = side - direction * (side @ direction)
        side /= np.linalg.norm(side)
        outward = np.cos(angle) * side + np.sin(angle) * np.cross(direction, side)
        rings.append(center + extent * outward)
        normals.append(outward)
    count = len(rings)
    first = (np.arange(count - 1)[:, None] * sides + np.arange(sides)).ravel()
    second = (np.arange(count - 1)[:, None] * sides + (np.arange(sides) + 1) % sides).ravel()
    triangles = np.concatenate(
        [np.column_stack([first, second, first + sides]), np.column_stack([second, second + sides, first + sides])]
    )
    return np.concatenate(rings), triangles, np.concatenate(normals)


def floor_mesh(height: float, extent: float = 0.9, tiles: int = 10) -> tuple[Array, np.ndarray, Array]:
    """Vertices, triangles and normals of a square floor at a height [m], ``extent`` [m] to every side."""
    ticks = np.linspace(-extent, extent, tiles + 1)
    x, y = np.meshgrid(ticks, ticks, indexing="ij")
    vertices = np.column_stack([x.ravel(), y.ravel(), np.full(x.size, height)])
    corner = (np.arange(tiles)[:, None] * (tiles + 1) + np.arange(tiles)).ravel()
    right, up = corner + tiles + 1, corner + 1
    triangles = np.concatenate([np.column_stack([corner, right, up]), np.column_stack([right, right + 1, up])])
    return vertices, triangles, np.broadcast_to([0.0, 0.0, 1.0], vertices.shape)


def _positions(path: ArrayLike, name: str) -> Array:
    path = np.asarray(path, dtype=float)
    if path.ndim == 3 and path.shape[1:] == (4, 4):
        path = path[:, :3, 3]
    if path.ndim != 2 or path.shape[1] != 3 or len(path) == 0 or not np.isfinite(path).all():
        raise InvalidInputError(name, f"shape {path.shape}", "(n, 4, 4) or (n, 3), finite, at least one point")
    return path
