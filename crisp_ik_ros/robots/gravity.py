"""What gravity does to a serial chain with masses on it, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crisp_ik_ros.compiled import allocating, entry
from crisp_ik_ros.robots.rigid_motion import cross, follow, mixed, turn
from crisp_ik_ros.transforms import Array

# Gravity where a robot stands upright [m/s^2].
GRAVITY = (0.0, 0.0, -9.80665)


class Bodies(NamedTuple):
    """Masses on a serial chain.

    Attributes
    ----------
    rotations, translations, prismatic
        As in ``Chain``.
    masses : (J,)
        Of what moves with joint j and not with the next [kg].
    centers : (J, 3)
        Their centres, in the chain's frame of joint j after its motion [m].
    gravity : (3,)
        In the base frame [m/s^2].
    """

    rotations: Array
    translations: Array
    prismatic: np.ndarray
    masses: Array
    centers: Array
    gravity: Array


@allocating
def gravity_moments(bodies, q, moments, derivative):
    """Write the moments of gravity about the axes of each joint's frame (J, 3) [Nm], and their derivative (J, 3, J).

    For a prismatic joint the third is the force along it [N]. All of the nominal robot: that is nearly the same.
    """
    joints, g = q.shape[0], bodies.gravity
    axes, origins, centers = np.empty((joints, 3, 3)), np.empty((joints, 3)), np.empty((joints, 3))
    rotation, position, turned = np.eye(3), np.zeros(3), np.empty((3, 3))
    for j in range(joints):
        follow(rotation, position, bodies.rotations[j], bodies.translations[j], turned)
        for a in range(3):
            origins[j, a] = position[a]
            for b in range(3):
                axes[j, b, a] = rotation[a, b]
        if bodies.prismatic[j]:
            for a in range(3):
                position[a] += rotation[a, 2] * q[j]
        else:
            turn(rotation, 0, 1, q[j])
        for a in range(3):
            centers[j, a] = position[a]
            for k in range(3):
                centers[j, a] += rotation[a, k] * bodies.centers[j, k]
    # From the tip inwards: mass, and mass times centre, of all that hangs beyond a joint.
    mass, moment, arm, pull = 0.0, np.zeros(3), np.empty(3), np.empty(3)
    motion = np.empty((joints, 3))
    for k in range(joints - 1, -1, -1):
        mass += bodies.masses[k]
        for a in range(3):
            moment[a] += bodies.masses[k] * centers[k, a]
            arm[a] = moment[a] - mass * origins[k, a]
        # How mass times centre moves with joint k.
        if bodies.prismatic[k]:
            for a in range(3):
                motion[k, a] = mass * axes[k, 2, a]
        else:
            cross(axes[k, 2], arm, motion[k])
        for b in range(3):
            axis, slides = axes[k, b], b == 2 and bodies.prismatic[k]
            if slides:
                moments[k, b] = mass * (g[0] * axis[0] + g[1] * axis[1] + g[2] * axis[2])
            else:
                moments[k, b] = mixed(axis, arm, g)
            for i in range(joints):
                value = 0.0
                if i < k and not bodies.prismatic[i]:
                    # The arm beyond turns with joint i, and gravity does not: as if that turned the other way.
                    cross(axes[i, 2], g, pull)
                    if slides:
                        value = -mass * (pull[0] * axis[0] + pull[1] * axis[1] + pull[2] * axis[2])
                    else:
                        value = -mixed(axis, arm, pull)
                elif i >= k and not slides:
                    value = mixed(axis, motion[i], g)
                derivative[k, b, i] = value


@entry
def all_gravity_moments(bodies, configurations):
    """``gravity_moments`` (n, J, 3) at configurations (n, J)."""
    count, joints = configurations.shape
    moments, derivative = np.empty((count, joints, 3)), np.empty((joints, 3, joints))
    for i in range(count):
        gravity_moments(bodies, configurations[i], moments[i], derivative)
    return moments
