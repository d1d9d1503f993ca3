"""Kernels on poses: Gaussian, Laplacian and linear, with separate length scales for position and orientation."""

from __future__ import annotations

import numpy as np
from numba import njit

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.transforms import Array, euler_from_matrix

# Codes of the profiles in compiled code.
GAUSSIAN, LAPLACIAN, LINEAR = 0, 1, 2
# Columns of a distance matrix worked on at a time: a row of them stays in the processor's nearest memory.
TILE = 2048


class Kernel:
    """Kernel k(x, x') of two poses, a function of scaled features z(x).

    With ``orientation="chordal"`` the features are (p / l_p, R / (sqrt 2 l_o)), 12 numbers: their squared distance is
    |p - p'|^2 / l_p^2 + |R - R'|_F^2 / (2 l_o^2), where |R - R'|_F / sqrt 2 is the angle between the two orientations
    for small angles, and there is no wrap. With ``orientation="euler"`` they are (p / l_p, rpy / l_o), 6 numbers, as in
    the paper.

    Parameters
    ----------
    position_length_scale : float
        l_p [m].
    orientation_length_scale : float
        l_o [rad]; infinity leaves the orientation out.
    orientation : {"chordal", "euler"}
    """

    name = ""
    profile = -1

    def __init__(
        self,
        position_length_scale: float = 0.1,
        orientation_length_scale: float = 1.0,
        orientation: str = "chordal",
    ):
        for label, value in (
            ("position_length_scale", position_length_scale),
            ("orientation_length_scale", orientation_length_scale),
        ):
            if not value > 0.0:
                raise InvalidInputError(label, value, "a positive length scale")
        if orientation not in ("chordal", "euler"):
            raise InvalidInputError("orientation", repr(orientation), "'chordal' or 'euler'")
        self.position_length_scale = float(position_length_scale)
        self.orientation_length_scale = float(orientation_length_scale)
        self.orientation = orientation

    def features(self, poses: Array) -> Array:
        """Scaled features (n, 12), or (n, 6) with Euler angles, of poses (n, 4, 4)."""
        position = poses[:, :3, 3] / self.position_length_scale
        rotation = poses[:, :3, :3]
        if self.orientation == "euler":
            angular = euler_from_matrix(rotation) / self.orientation_length_scale
        else:
            angular = rotation.reshape(-1, 9) / (np.sqrt(2.0) * self.orientation_length_scale)
        return np.ascontiguousarray(np.hstack([position, angular]))

    def matrix(self, features: Array, others: Array) -> Array:
        """Kernel matrix (n, m) of features (n, D) and (m, D)."""
        raise NotImplementedError

    def diagonal(self, features: Array) -> Array:
        """Kernel k(x, x) (n,) of features (n, D) with themselves."""
        return np.ones(len(features))

    def __call__(self, poses: Array, others: Array) -> Array:
        """Kernel matrix (n, m) of poses (n, 4, 4) and (m, 4, 4)."""
        return self.matrix(self.features(poses), self.features(others))

    def parameters(self) -> dict[str, float | str]:
        """Everything needed to make this kernel again with ``make_kernel``."""
        return {
            "name": self.name,
            "position_length_scale": self.position_length_scale,
            "orientation_length_scale": self.orientation_length_scale,
            "orientation": self.orientation,
        }

    def __repr__(self) -> str:
        scales = f"{self.position_length_scale:g} m, {self.orientation_length_scale:g} rad"
        return f"{type(self).__name__}({scales}, {self.orientation!r})"


class GaussianKernel(Kernel):
    """k = exp(-d^2 / 2), d the distance of the features. The paper's width sigma is sqrt(2) length scales."""

    name = "gaussian"
    profile = GAUSSIAN

    def matrix(self, features: Array, others: Array) -> Array:
        """Kernel matrix (n, m)."""
        matrix = squared_distances(features, others)
        matrix *= -0.5
        return np.exp(matrix, out=matrix)


class LaplacianKernel(Kernel):
    """k = exp(-d), d the distance of the features: rougher than the Gaussian, the kernel of the paper's Theorem 2."""

    name = "laplacian"
    profile = LAPLACIAN

    def matrix(self, features: Array, others: Array) -> Array:
        """Kernel matrix (n, m)."""
        matrix = squared_distances(features, others)
        np.sqrt(matrix, out=matrix)
        np.negative(matrix, out=matrix)
        return np.exp(matrix, out=matrix)


class LinearKernel(Kernel):
    """k = z . z', the inner product of the features."""

    name = "linear"
    profile = LINEAR

    def matrix(self, features: Array, others: Array) -> Array:
        """Kernel matrix (n, m)."""
        return features @ others.T

    def diagonal(self, features: Array) -> Array:
        """Squared norms (n,)."""
        return (features**2).sum(axis=1)


KERNELS: dict[str, type[Kernel]] = {kind.name: kind for kind in (GaussianKernel, LaplacianKernel, LinearKernel)}


def make_kernel(
    name: str, position_length_scale: float, orientation_length_scale: float, orientation: str = "chordal"
) -> Kernel:
    """Kernel of a name: "gaussian", "laplacian" or "linear".

    Raises
    ------
    InvalidInputError
        When there is no kernel of that name or a parameter is out of range.
    """
    if name not in KERNELS:
        raise InvalidInputError("kernel", repr(name), " or ".join(map(repr, KERNELS)))
    return KERNELS[name](position_length_scale, orientation_length_scale, orientation)


def squared_distances(features: Array, others: Array) -> Array:
    """Squared Euclidean distances (n, m) of features (n, D) and (m, D), summed difference by difference.

    The expansion |x|^2 - 2 x.y + |y|^2 would take a matrix product instead, but cancels where the features are close to
    each other, and smooth kernels with small ridges live on just those differences.
    """
    distances = np.empty((len(features), len(others)))
    _write_squared_distances(np.ascontiguousarray(features), np.ascontiguousarray(others.T), distances)
    return distances


@njit(cache=True, nogil=True)
def _write_squared_distances(features, columns, out):
    """Write to ``out`` (n, m) the squared distances of features (n, D) and ``columns`` (D, m)."""
    count, dimension = features.shape
    for start in range(0, columns.shape[1], TILE):
        stop = min(start + TILE, columns.shape[1])
        for i in range(count):
            row = out[i, start:stop]
            row[:] = 0.0
            for d in range(dimension):
                value, column = features[i, d], columns[d, start:stop]
                for j in range(stop - start):
                    difference = value - column[j]
                    row[j] += difference * difference


@njit(cache=True)
def kernel_row_product(profile, feature, centers, coefficients, nearness, out):
    """Write k(x, centers) @ coefficients (C,) to ``out``, for one feature vector (D,), without a kernel row in memory.

    ``centers`` (m, D), ``coefficients`` (m, C). Returns the smallest squared distance from a center, its position and
    orientation parts times the two weights ``nearness`` (2,).
    """
    out[:] = 0.0
    nearest = np.inf
    count, dimension = centers.shape
    columns = coefficients.shape[1]
    for i in range(count):
        position = 0.0
        for d in range(3):
            difference = feature[d] - centers[i, d]
            position += difference * difference
        orientation = 0.0
        for d in range(3, dimension):
            difference = feature[d] - centers[i, d]
            orientation += difference * difference
        nearest = min(nearest, nearness[0] * position + nearness[1] * orientation)
        if profile == GAUSSIAN:
            value = np.exp(-0.5 * (position + orientation))
        elif profile == LAPLACIAN:
            value = np.exp(-np.sqrt(position + orientation))
        else:
            value = 0.0
            for d in range(dimension):
                value += feature[d] * centers[i, d]
        for c in range(columns):
            out[c] += value * coefficients[i, c]
    return nearest
