"""Meshes that show in a simulation's pictures and touch nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.transforms import Array, quaternion_from_matrix


def add_visual_mesh(
    bullet: Any,
    client: int,
    base: Array,
    vertices: ArrayLike,
    triangles: ArrayLike,
    normals: ArrayLike,
    color: ArrayLike,
) -> int:
    """Add a mesh to a PyBullet world; return PyBullet's number of it.

    Parameters
    ----------
    bullet : module
        PyBullet.
    client : int
        Which of its worlds.
    base : (4, 4)
        Pose in the world of the frame that the mesh is given in [m].
    vertices, normals : (n, 3)
        [m], and unit vectors.
    triangles : (m, 3)
        Indices of vertices.
    color : (4,)
        Red, green, blue, opacity, 0 to 1.
    """
    shape = bullet.createVisualShape(
        bullet.GEOM_MESH,
        vertices=np.asarray(vertices, dtype=float).tolist(),
        indices=np.asarray(triangles).ravel().tolist(),
        normals=np.asarray(normals, dtype=float).tolist(),
        rgbaColor=np.asarray(color, dtype=float).tolist(),
        physicsClientId=client,
    )
    return bullet.createMultiBody(
        baseMass=0.0,
        baseVisualShapeIndex=shape,
        basePosition=base[:3, 3].tolist(),
        baseOrientation=quaternion_from_matrix(base[:3, :3]).tolist(),
        physicsClientId=client,
    )
