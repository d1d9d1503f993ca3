"""Meshes with fewer triangles, for pages on computers that draw slowly."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.transforms import Array

# Vertices and triangles of a part that are drawn as they are; cells along the longest side that are tried first.
ENOUGH, FINEST = 8000, 200.0


def thinned(vertices: Array, faces: np.ndarray, enough: int = ENOUGH) -> tuple[Array, np.ndarray]:
    """Merge what lies in the same cell of a grid, as coarse as it takes to have few enough vertices and triangles.

    A mesh that is small enough is returned as it is. Flat faces stay flat, and no vertex moves farther than the
    diagonal of a cell (vertex clustering, Rossignac and Borrel 1993).

    Parameters
    ----------
    vertices : (n, 3)
        [m].
    faces : (m, 3)
        Indices of vertices.
    enough : int

    Returns
    -------
    (k, 3), (l, 3)
        Neither longer than ``enough``.
    """
    cell = max(float(np.ptp(vertices, axis=0).max(initial=0.0)), 1e-9) / FINEST
    found, left = vertices, faces
    while max(len(found), len(left)) > enough:
        found, left = _clustered(vertices, faces, cell)
        cell *= 1.25
    return found, left


def _clustered(vertices: Array, faces: np.ndarray, cell: float) -> tuple[Array, np.ndarray]:
    places = np.floor((vertices - vertices.min(axis=0)) / cell)
    _, numbers, counts = np.unique(places, axis=0, return_inverse=True, return_counts=True)
    numbers = numbers.reshape(-1)
    sums = np.stack([np.bincount(numbers, axis) for axis in vertices.T], axis=1)
    merged = numbers[faces]
    flat = (merged == np.roll(merged, 1, axis=1)).any(axis=1)
    # Triangles that now lie upon each other are drawn once.
    turned = np.take_along_axis(merged, (merged.argmin(axis=1)[:, None] + np.arange(3)) % 3, axis=1)
    return sums / counts[:, None], np.unique(turned[~flat], axis=0)
