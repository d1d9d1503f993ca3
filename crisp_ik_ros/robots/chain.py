"""Compiled forward kinematics and Jacobian of a serial chain.

The chain is stored with every joint axis turned to z, so that a joint motion is a rotation about z or a shift along z:
T(q) = F_0 Z_0(q_0) F_1 Z_1(q_1) ... F_J. Where a robot is known not to do what it is told, its motion q + d(q) takes
the place of q.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crisp_ik_ros.compiled import entry, innermost
from crisp_ik_ros.robots.corrected_chain import corrected_frames, corrected_jacobian
from crisp_ik_ros.robots.corrections import Corrections
from crisp_ik_ros.transforms import Array


class Chain(NamedTuple):
    """The numbers of a serial chain, in the form the compiled functions take.

    Attributes
    ----------
    rotations : (J + 1, 3, 3)
        Rotation of each fixed frame F_j.
    translations : (J + 1, 3)
        Translation of each fixed frame F_j [m].
    prismatic : (J,) bool
        True where joint j slides along its z axis instead of turning about it.
    corrections : Corrections
        What the joints do beside what they are told.
    """

    rotations: Array
    translations: Array
    prismatic: np.ndarray
    corrections: Corrections


@innermost
def frames(chain, q, rotation, position, axes, origins):
    """Write the tip's rotation and position, and each joint's axis and origin, base frame, at ``q`` (J,)."""
    if chain.corrections.active:
        corrected_frames(chain, q, rotation, position, axes, origins)
    else:
        _walk(chain, q, rotation, position, axes, origins)


@innermost
def _walk(chain, q, rotation, position, axes, origins):
    """Do the same for joints that do what they are told."""
    rotations, translations, prismatic, _ = chain
    joints = q.shape[0]
    r00, r01, r02 = rotations[0, 0, 0], rotations[0, 0, 1], rotations[0, 0, 2]
    r10, r11, r12 = rotations[0, 1, 0], rotations[0, 1, 1], rotations[0, 1, 2]
    r20, r21, r22 = rotations[0, 2, 0], rotations[0, 2, 1], rotations[0, 2, 2]
    px, py, pz = translations[0, 0], translations[0, 1], translations[0, 2]
    for j in range(joints):
        axes[j, 0], axes[j, 1], axes[j, 2] = r02, r12, r22
        origins[j, 0], origins[j, 1], origins[j, 2] = px, py, pz
        if prismatic[j]:
            px += r02 * q[j]
            py += r12 * q[j]
            pz += r22 * q[j]
        else:
            c, s = np.cos(q[j]), np.sin(q[j])
            r00, r01 = c * r00 + s * r01, c * r01 - s * r00
            r10, r11 = c * r10 + s * r11, c * r11 - s * r10
            r20, r21 = c * r20 + s * r21, c * r21 - s * r20
        tx, ty, tz = translations[j + 1, 0], translations[j + 1, 1], translations[j + 1, 2]
        px += r00 * tx + r01 * ty + r02 * tz
        py += r10 * tx + r11 * ty + r12 * tz
        pz += r20 * tx + r21 * ty + r22 * tz
        f = rotations[j + 1]
        n0 = r00 * f[0, 0] + r01 * f[1, 0] + r02 * f[2, 0]
        n1 = r00 * f[0, 1] + r01 * f[1, 1] + r02 * f[2, 1]
        n2 = r00 * f[0, 2] + r01 * f[1, 2] + r02 * f[2, 2]
        r00, r01, r02 = n0, n1, n2
        n0 = r10 * f[0, 0] + r11 * f[1, 0] + r12 * f[2, 0]
        n1 = r10 * f[0, 1] + r11 * f[1, 1] + r12 * f[2, 1]
        n2 = r10 * f[0, 2] + r11 * f[1, 2] + r12 * f[2, 2]
        r10, r11, r12 = n0, n1, n2
        n0 = r20 * f[0, 0] + r21 * f[1, 0] + r22 * f[2, 0]
        n1 = r20 * f[0, 1] + r21 * f[1, 1] + r22 * f[2, 1]
        n2 = r20 * f[0, 2] + r21 * f[1, 2] + r22 * f[2, 2]
        r20, r21, r22 = n0, n1, n2
    rotation[0, 0], rotation[0, 1], rotation[0, 2] = r00, r01, r02
    rotation[1, 0], rotation[1, 1], rotation[1, 2] = r10, r11, r12
    rotation[2, 0], rotation[2, 1], rotation[2, 2] = r20, r21, r22
    position[0], position[1], position[2] = px, py, pz


@innermost
def forward_kinematics_jacobian(chain, q, rotation, position, jacobian, axes, origins):
    """Write the tip's rotation (3, 3), position (3,) [m] and geometric Jacobian (6, J) at ``q`` (J,).

    Rows of the Jacobian: linear, then angular velocity of the tip, base frame. ``axes`` and ``origins`` (J, 3) are
    scratch memory.
    """
    if chain.corrections.active:
        corrected_jacobian(chain, q, rotation, position, jacobian, axes, origins)
    else:
        _rigid_jacobian(chain, q, rotation, position, jacobian, axes, origins)


@innermost
def _rigid_jacobian(chain, q, rotation, position, jacobian, axes, origins):
    _walk(chain, q, rotation, position, axes, origins)
    prismatic = chain.prismatic
    for j in range(q.shape[0]):
        ax, ay, az = axes[j, 0], axes[j, 1], axes[j, 2]
        if prismatic[j]:
            jacobian[0, j], jacobian[1, j], jacobian[2, j] = ax, ay, az
            jacobian[3, j], jacobian[4, j], jacobian[5, j] = 0.0, 0.0, 0.0
        else:
            dx, dy, dz = position[0] - origins[j, 0], position[1] - origins[j, 1], position[2] - origins[j, 2]
            jacobian[0, j] = ay * dz - az * dy
            jacobian[1, j] = az * dx - ax * dz
            jacobian[2, j] = ax * dy - ay * dx
            jacobian[3, j], jacobian[4, j], jacobian[5, j] = ax, ay, az


@entry
def forward_kinematics_batch(chain, configurations):
    """Tip poses (n, 4, 4) of configurations (n, J)."""
    count, joints = configurations.shape
    poses = np.zeros((count, 4, 4))
    rotation, position = np.empty((3, 3)), np.empty(3)
    axes, origins = np.empty((joints, 3)), np.empty((joints, 3))
    for i in range(count):
        frames(chain, configurations[i], rotation, position, axes, origins)
        for row in range(3):
            for column in range(3):
                poses[i, row, column] = rotation[row, column]
            poses[i, row, 3] = position[row]
        poses[i, 3, 3] = 1.0
    return poses


@entry
def jacobian_batch(chain, configurations):
    """Geometric Jacobians (n, 6, J) of configurations (n, J)."""
    count, joints = configurations.shape
    jacobians = np.empty((count, 6, joints))
    rotation, position = np.empty((3, 3)), np.empty(3)
    axes, origins = np.empty((joints, 3)), np.empty((joints, 3))
    for i in range(count):
        forward_kinematics_jacobian(chain, configurations[i], rotation, position, jacobians[i], axes, origins)
    return jacobians
