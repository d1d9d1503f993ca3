"""Rotations and poses: vectorised wrappers over SciPy, and the compiled pieces the solvers need.

Conventions, here and everywhere: a pose is a (4, 4) homogeneous matrix, tip in base frame, in metres; quaternions are
(x, y, z, w) as in ROS; Euler angles are roll, pitch, yaw about the fixed x, y, z axes (URDF's ``rpy``), in radians.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from crisp_ik_ros.compiled import entry, inlined, innermost
from crisp_ik_ros.errors import InvalidInputError

Array = NDArray[np.float64]

# A quaternion this far from unit length is a mistake, not rounding.
QUATERNION_NORM_TOLERANCE = 1e-2


def matrix_from_euler(euler: ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) of fixed-axis roll, pitch, yaw (..., 3) [rad]."""
    euler = np.asarray(euler, dtype=float)
    flat = Rotation.from_euler("xyz", euler.reshape(-1, 3)).as_matrix()
    return flat.reshape(*euler.shape[:-1], 3, 3)


def euler_from_matrix(rotation: ArrayLike) -> Array:
    """Fixed-axis roll, pitch, yaw (..., 3) [rad] of rotation matrices (..., 3, 3)."""
    rotation = np.asarray(rotation, dtype=float)
    flat = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_euler("xyz")
    return flat.reshape(*rotation.shape[:-2], 3)


def matrix_from_quaternion(quaternion: ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) of quaternions (..., 4), x y z w.

    Raises
    ------
    InvalidInputError
        When a quaternion is not finite or not of unit length within 1 %.
    """
    quaternion = np.asarray(quaternion, dtype=float)
    norm = np.linalg.norm(quaternion, axis=-1)
    if not np.all(np.abs(norm - 1.0) <= QUATERNION_NORM_TOLERANCE):
        raise InvalidInputError("quaternion", quaternion.tolist(), "x y z w of unit length (identity: 0 0 0 1)")
    flat = Rotation.from_quat(quaternion.reshape(-1, 4)).as_matrix()
    return flat.reshape(*quaternion.shape[:-1], 3, 3)


def quaternion_from_matrix(rotation: ArrayLike) -> Array:
    """Quaternions (..., 4), x y z w with w >= 0, of rotation matrices (..., 3, 3)."""
    rotation = np.asarray(rotation, dtype=float)
    flat = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_quat(canonical=True)
    return flat.reshape(*rotation.shape[:-2], 4)


def rotation_exponential(vector: ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3) [rad]."""
    vector = np.asarray(vector, dtype=float)
    return Rotation.from_rotvec(vector.reshape(-1, 3)).as_matrix().reshape(*vector.shape[:-1], 3, 3)


def rotation_logarithm(rotation: ArrayLike) -> Array:
    """Rotation vectors (..., 3) [rad] of rotation matrices (..., 3, 3)."""
    rotation = np.asarray(rotation, dtype=float)
    return Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_rotvec().reshape(*rotation.shape[:-2], 3)


def cross_matrices(vectors: Array) -> Array:
    """Matrices (n, 3, 3) that multiply like the cross product with ``vectors`` (n, 3) from the left."""
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)


def make_pose(position: ArrayLike, rotation: ArrayLike) -> Array:
    """Poses (..., 4, 4) from positions (..., 3) [m] and rotation matrices (..., 3, 3)."""
    position = np.asarray(position, dtype=float)
    rotation = np.asarray(rotation, dtype=float)
    shape = np.broadcast_shapes(position.shape[:-1], rotation.shape[:-2])
    pose = np.zeros((*shape, 4, 4))
    pose[..., :3, :3] = rotation
    pose[..., :3, 3] = position
    pose[..., 3, 3] = 1.0
    return pose


def invert_pose(pose: Array) -> Array:
    """Inverses (..., 4, 4) of poses (..., 4, 4)."""
    inverse_rotation = np.swapaxes(pose[..., :3, :3], -1, -2)
    return make_pose(-(inverse_rotation @ pose[..., :3, 3, None])[..., 0], inverse_rotation)


def pose_error(measured: ArrayLike, model: ArrayLike) -> Array:
    """Pose error (p - p~, log(R R~^T)) (..., 6) [m, rad], base frame, of measured against model poses (..., 4, 4)."""
    measured = np.asarray(measured, dtype=float)
    model = np.asarray(model, dtype=float)
    linear = measured[..., :3, 3] - model[..., :3, 3]
    relative = measured[..., :3, :3] @ np.swapaxes(model[..., :3, :3], -1, -2)
    return np.concatenate([linear, rotation_logarithm(relative)], axis=-1)


def check_pose(pose: ArrayLike, name: str = "pose") -> Array:
    """Poses (..., 4, 4) as contiguous float64.

    Raises
    ------
    InvalidInputError
        When the shape is wrong, a value is not finite, or the upper left block is no rotation.
    """
    pose = np.ascontiguousarray(pose, dtype=float)
    if pose.ndim < 2 or pose.shape[-2:] != (4, 4):
        raise InvalidInputError(name, f"shape {pose.shape}", "(..., 4, 4), homogeneous matrices")
    row, fault = first_fault(pose.reshape(-1, 4, 4))
    if fault != SOUND:
        # Of many, the message names the one.
        label = name if pose.ndim == 2 else f"{name}[{', '.join(map(str, np.unravel_index(row, pose.shape[:-2])))}]"
        raise InvalidInputError(label, *_FAULTS[fault])
    return pose


SOUND, _NOT_FINITE, _NO_ROTATION, _LAST_ROW = 0, 1, 2, 3
_FAULTS = {
    _NOT_FINITE: ("a value that is not finite", "finite numbers"),
    _NO_ROTATION: ("an upper left block that is no rotation matrix", "orthonormal, determinant 1"),
    _LAST_ROW: ("a last row other than 0 0 0 1", "homogeneous matrices"),
}


@entry
def first_fault(poses):
    """Row and kind of the first fault in poses (n, 4, 4); (-1, SOUND) where there is none."""
    for row in range(poses.shape[0]):
        fault = _fault(poses[row])
        if fault != SOUND:
            return row, fault
    return -1, SOUND


@inlined
def _fault(pose):
    for i in range(4):
        for k in range(4):
            if not np.isfinite(pose[i, k]):
                return _NOT_FINITE
    for i in range(3):
        for k in range(i + 1):
            product = pose[i, 0] * pose[k, 0] + pose[i, 1] * pose[k, 1] + pose[i, 2] * pose[k, 2]
            if not abs(product - (1.0 if i == k else 0.0)) <= 1e-6:
                return _NO_ROTATION
    # The rows are orthonormal: the third is the cross product of the others, or its opposite.
    if (
        pose[2, 0] * (pose[0, 1] * pose[1, 2] - pose[0, 2] * pose[1, 1])
        + pose[2, 1] * (pose[0, 2] * pose[1, 0] - pose[0, 0] * pose[1, 2])
        + pose[2, 2] * (pose[0, 0] * pose[1, 1] - pose[0, 1] * pose[1, 0])
        < 0.0
    ):
        return _NO_ROTATION
    if not max(abs(pose[3, 0]), abs(pose[3, 1]), abs(pose[3, 2]), abs(pose[3, 3] - 1.0)) <= 1e-9:
        return _LAST_ROW
    return SOUND


@inlined
def compiled_euler(rotation, out):
    """Write fixed-axis roll, pitch, yaw (3,) [rad] of a rotation matrix (3, 3) to ``out``; yaw 0 in the gimbal lock."""
    cosine = np.sqrt(rotation[0, 0] ** 2 + rotation[1, 0] ** 2)
    out[1] = np.arctan2(-rotation[2, 0], cosine)
    if cosine > 1e-7:
        out[0] = np.arctan2(rotation[2, 1], rotation[2, 2])
        out[2] = np.arctan2(rotation[1, 0], rotation[0, 0])
    else:
        out[0] = np.arctan2(-rotation[1, 2], rotation[1, 1])
        out[2] = 0.0


@innermost
def compiled_rotation_logarithm(rotation, out):
    """Write the rotation vector (3,) [rad] of a rotation matrix (3, 3) to ``out``; exact up to and including pi."""
    # By way of the quaternion with its largest component first (Shepperd), which stays exact near pi, where the
    # antisymmetric part of the matrix vanishes.
    trace = rotation[0, 0] + rotation[1, 1] + rotation[2, 2]
    if trace > rotation[0, 0] and trace > rotation[1, 1] and trace > rotation[2, 2]:
        w = 1.0 + trace
        x = rotation[2, 1] - rotation[1, 2]
        y = rotation[0, 2] - rotation[2, 0]
        z = rotation[1, 0] - rotation[0, 1]
    elif rotation[0, 0] >= rotation[1, 1] and rotation[0, 0] >= rotation[2, 2]:
        w = rotation[2, 1] - rotation[1, 2]
        x = 1.0 + rotation[0, 0] - rotation[1, 1] - rotation[2, 2]
        y = rotation[0, 1] + rotation[1, 0]
        z = rotation[0, 2] + rotation[2, 0]
    elif rotation[1, 1] >= rotation[2, 2]:
        w = rotation[0, 2] - rotation[2, 0]
        x = rotation[0, 1] + rotation[1, 0]
        y = 1.0 + rotation[1, 1] - rotation[0, 0] - rotation[2, 2]
        z = rotation[1, 2] + rotation[2, 1]
    else:
        w = rotation[1, 0] - rotation[0, 1]
        x = rotation[0, 2] + rotation[2, 0]
        y = rotation[1, 2] + rotation[2, 1]
        z = 1.0 + rotation[2, 2] - rotation[0, 0] - rotation[1, 1]
    if w < 0.0:
        w, x, y, z = -w, -x, -y, -z
    vector_norm = np.sqrt(x * x + y * y + z * z)
    # angle / sin(angle / 2), with its limit at angle 0
    scale = 2.0 / w if vector_norm < 1e-10 * w else 2.0 * np.arctan2(vector_norm, w) / vector_norm
    out[0] = scale * x
    out[1] = scale * y
    out[2] = scale * z


@innermost
def compiled_nearest_rotation(matrix, square, vectors, out):
    """Write the rotation nearest a matrix (9,), row by row, in the Frobenius norm to ``out`` (3, 3).

    Davenport's method: its quaternion is the eigenvector of the largest eigenvalue of a symmetric matrix, found by
    Jacobi's rotations in ``square`` and ``vectors``, (4, 4) both. Exact for reflections and singular matrices too.
    """
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = (
        matrix[0], matrix[1], matrix[2], matrix[3], matrix[4], matrix[5], matrix[6], matrix[7], matrix[8],
    )  # fmt: skip
    square[0, 0], square[0, 1], square[0, 2], square[0, 3] = m00 + m11 + m22, m21 - m12, m02 - m20, m10 - m01
    square[1, 1], square[1, 2], square[1, 3] = m00 - m11 - m22, m01 + m10, m02 + m20
    square[2, 2], square[2, 3], square[3, 3] = m11 - m00 - m22, m12 + m21, m22 - m00 - m11
    for i in range(4):
        for k in range(4):
            vectors[i, k] = 1.0 if i == k else 0.0
            if k < i:
                square[i, k] = square[k, i]
    # Convergence is quadratic; ten sweeps are more than any matrix has been seen to take.
    for _ in range(10):
        rest = 0.0
        for i in range(4):
            for k in range(i):
                rest += square[i, k] * square[i, k]
        if rest < 1e-32:
            break
        for i in range(4):
            for k in range(i):
                if square[i, k] == 0.0:
                    continue
                ratio = (square[i, i] - square[k, k]) / (2.0 * square[i, k])
                tangent = 1.0 / (abs(ratio) + np.sqrt(ratio * ratio + 1.0))
                if ratio < 0.0:
                    tangent = -tangent
                c = 1.0 / np.sqrt(tangent * tangent + 1.0)
                s = tangent * c
                for j in range(4):
                    first, second = square[k, j], square[i, j]
                    square[k, j], square[i, j] = c * first - s * second, s * first + c * second
                for j in range(4):
                    first, second = square[j, k], square[j, i]
                    square[j, k], square[j, i] = c * first - s * second, s * first + c * second
                    first, second = vectors[j, k], vectors[j, i]
                    vectors[j, k], vectors[j, i] = c * first - s * second, s * first + c * second
    largest = 0
    for i in range(4):
        if square[i, i] > square[largest, largest]:
            largest = i
    w, x, y, z = vectors[0, largest], vectors[1, largest], vectors[2, largest], vectors[3, largest]
    out[0, 0], out[0, 1], out[0, 2] = 1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)
    out[1, 0], out[1, 1], out[1, 2] = 2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)
    out[2, 0], out[2, 1], out[2, 2] = 2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)


@innermost
def compiled_right_jacobian_inverse(vector, out):
    """Write J_r^-1(v) (3, 3) to ``out``: log(exp(v) exp(d)) = v + J_r^-1(v) d to first order in d [rad]."""
    angle_squared = vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2
    if angle_squared < 1e-6:
        coefficient = 1.0 / 12.0 + angle_squared / 720.0
    else:
        angle = np.sqrt(angle_squared)
        # 1/a^2 - (1 + cos a) / (2 a sin a), written with the half angle so that it stays finite at pi
        coefficient = 1.0 / angle_squared - 0.5 / (angle * np.tan(0.5 * angle))
    x, y, z = vector[0], vector[1], vector[2]
    # I + [v]/2 + c [v]^2
    out[0, 0] = 1.0 - coefficient * (y * y + z * z)
    out[1, 1] = 1.0 - coefficient * (x * x + z * z)
    out[2, 2] = 1.0 - coefficient * (x * x + y * y)
    out[0, 1] = -0.5 * z + coefficient * x * y
    out[1, 0] = 0.5 * z + coefficient * x * y
    out[0, 2] = 0.5 * y + coefficient * x * z
    out[2, 0] = -0.5 * y + coefficient * x * z
    out[1, 2] = -0.5 * x + coefficient * y * z
    out[2, 1] = 0.5 * x + coefficient * y * z
