"""Small pieces of rigid motion, compiled: turning, following a fixed frame, products of vectors."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.compiled import innermost


@innermost
def turn(matrix, first, second, angle):
    """Turn a rotation (3, 3), from the right, in the plane of two of its columns."""
    c, s = np.cos(angle), np.sin(angle)
    for a in range(3):
        x, y = matrix[a, first], matrix[a, second]
        matrix[a, first], matrix[a, second] = c * x + s * y, c * y - s * x


@innermost
def follow(rotation, position, fixed, shift, turned):
    """Go on by a fixed frame: rotation (3, 3) and position (3,) times its rotation and translation."""
    for a in range(3):
        for k in range(3):
            position[a] += rotation[a, k] * shift[k]
        for b in range(3):
            turned[a, b] = rotation[a, 0] * fixed[0, b] + rotation[a, 1] * fixed[1, b] + rotation[a, 2] * fixed[2, b]
    for a in range(3):
        for b in range(3):
            rotation[a, b] = turned[a, b]


@innermost
def mixed(u, v, w):
    """Triple product u . (v x w)."""
    return u[0] * (v[1] * w[2] - v[2] * w[1]) + u[1] * (v[2] * w[0] - v[0] * w[2]) + u[2] * (v[0] * w[1] - v[1] * w[0])


@innermost
def cross(u, v, out):
    """Write the cross product u x v to ``out`` (3,)."""
    out[0], out[1], out[2] = u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]
