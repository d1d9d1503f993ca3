"""Where a picture of a simulation is taken from, in what light, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.simulation.loading import has_materials
from crisp_ik_ros.transforms import Array

# Single precision leaves the depth of an empty pixel not always at 1.
DEPTH_OF_NOTHING = 0.999999
BARE_COLOR = (0.85, 0.86, 0.88, 1.0)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera in the robot's base link frame.

    Attributes
    ----------
    eye, target : (3,)
        Where it stands, and the point in the middle of the picture [m].
    up : (3,)
        Direction that is upwards in the picture.
    field_of_view : float
        Vertical opening [degrees].
    near, far : float
        What is nearer or farther does not show [m].
    light : (3,)
        Direction towards the light.
    light_distance : float
        Distance of the light that throws the shadows [m].
    """

    eye: tuple[float, float, float] = (1.25, 1.05, 0.62)
    target: tuple[float, float, float] = (0.0, 0.24, 0.30)
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)
    field_of_view: float = 30.0
    near: float = 0.02
    far: float = 10.0
    light: tuple[float, float, float] = (0.6, 0.9, 1.6)
    light_distance: float = 3.0


def take_picture(
    bullet: Any, client: int, base: Array, camera: Camera, size: tuple[int, int], background: tuple[int, int, int]
) -> np.ndarray:
    """Picture (height, width, 3) uint8 of a PyBullet world, drawn on the CPU.

    Parameters
    ----------
    bullet : module
        PyBullet.
    client : int
        Which of its worlds.
    base : (4, 4)
        Pose in the world of the frame that the camera is given in [m].
    camera : Camera
    size : (int, int)
        Width and height in pixels.
    background : (int, int, int)
        Colour where there is nothing.
    """
    rotation, origin = base[:3, :3], base[:3, 3]
    eye, target = rotation @ camera.eye + origin, rotation @ camera.target + origin
    view = bullet.computeViewMatrix(eye.tolist(), target.tolist(), (rotation @ camera.up).tolist())
    width, height = size
    projection = bullet.computeProjectionMatrixFOV(camera.field_of_view, width / height, camera.near, camera.far)
    pixels, depth = bullet.getCameraImage(
        width,
        height,
        view,
        projection,
        lightDirection=(rotation @ camera.light).tolist(),
        lightColor=[1.0, 1.0, 1.0],
        lightDistance=camera.light_distance,
        shadow=1,
        lightAmbientCoeff=0.55,
        lightDiffuseCoeff=0.5,
        lightSpecularCoeff=0.08,
        renderer=bullet.ER_TINY_RENDERER,
        flags=bullet.ER_NO_SEGMENTATION_MASK,
        physicsClientId=client,
    )[2:4]
    picture = np.array(pixels, dtype=np.uint8).reshape(height, width, 4)[:, :, :3]
    picture[np.reshape(depth, (height, width)) > DEPTH_OF_NOTHING] = background
    return picture


def color_bare_meshes(bullet: Any, client: int, body: int) -> None:
    """Give the meshes of a body that bring no colours a light grey, where they would be drawn black."""
    for shape in bullet.getVisualShapeData(body, physicsClientId=client):
        if not has_materials(Path(shape[4].decode())):
            bullet.changeVisualShape(body, shape[1], rgbaColor=BARE_COLOR, physicsClientId=client)
