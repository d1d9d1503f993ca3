"""Forward kinematics and Jacobian of a chain whose joints do other than they are told, compiled."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.compiled import allocating
from crisp_ik_ros.robots.corrections import displace
from crisp_ik_ros.robots.rigid_motion import cross, follow, turn


@allocating
def corrected_walk(chain, motion, rotation, position, axes, origins, tilts):
    """Walk a chain whose frames tilt: as ``frames`` writes them, and the axes of the tilts to ``tilts`` (J, 2, 3)."""
    turned = np.empty((3, 3))
    for a in range(3):
        position[a] = 0.0
        for b in range(3):
            rotation[a, b] = 1.0 if a == b else 0.0
    joints = motion.shape[0]
    for j in range(joints):
        follow(rotation, position, chain.rotations[j], chain.translations[j], turned)
        for a in range(3):
            tilts[j, 0, a] = rotation[a, 0]
        turn(rotation, 1, 2, motion[j, 0])
        for a in range(3):
            tilts[j, 1, a] = rotation[a, 1]
        turn(rotation, 2, 0, motion[j, 1])
        for a in range(3):
            axes[j, a], origins[j, a] = rotation[a, 2], position[a]
        if chain.prismatic[j]:
            for a in range(3):
                position[a] += rotation[a, 2] * motion[j, 2]
        else:
            turn(rotation, 0, 1, motion[j, 2])
    follow(rotation, position, chain.rotations[joints], chain.translations[joints], turned)


@allocating
def corrected_frames(chain, q, rotation, position, axes, origins):
    """As ``chain.frames``, where the joints do other than they are told."""
    joints = q.shape[0]
    motion = np.empty((joints, 3))
    displace(chain.corrections, q, motion, np.empty((0, 3, 0)))
    corrected_walk(chain, motion, rotation, position, axes, origins, np.empty((joints, 2, 3)))


@allocating
def corrected_jacobian(chain, q, rotation, position, jacobian, axes, origins):
    """As ``chain.forward_kinematics_jacobian``, where the joints do other than they are told."""
    joints = q.shape[0]
    motion, derivative, tilts = np.empty((joints, 3)), np.empty((joints, 3, joints)), np.empty((joints, 2, 3))
    arm, moved, nothing = np.empty(3), np.empty(3), np.zeros(3)
    displace(chain.corrections, q, motion, derivative)
    corrected_walk(chain, motion, rotation, position, axes, origins, tilts)
    for a in range(6):
        for i in range(joints):
            jacobian[a, i] = 0.0
    for j in range(joints):
        for a in range(3):
            arm[a] = position[a] - origins[j, a]
        for b in range(3):
            axis = axes[j] if b == 2 else tilts[j, b]
            turns = axis
            if b == 2 and chain.prismatic[j]:
                turns = nothing
                for a in range(3):
                    moved[a] = axis[a]
            else:
                cross(axis, arm, moved)
            for i in range(joints):
                slope = derivative[j, b, i]
                for a in range(3):
                    jacobian[a, i] += slope * moved[a]
                    jacobian[3 + a, i] += slope * turns[a]
