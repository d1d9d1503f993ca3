"""What a robot's joints do beside what they are told: from configuration to actual motion, compiled.

Joint j moves to q_j + d_j(q), where d_j is what was learned of it:

- a scale: s_j (q_j - m_j);
- a periodic error, of gears and encoders: sum over k of c_jk cos(k a_j) + b_jk sin(k a_j), a_j = rate_j q_j;
- deflection under gravity: compliance_j times the generalised force of gravity on the joint;
- a kernel term: sum over the centers z of w_jz exp(-|u(q) - u(z)|^2 / 2), u(q) = (cos a, sin a) / length scale. To first
  order in w it moves the tool by the kernel K(q, q') = sum over j of J_j(q) J_j(q')^T k_j(q, q').
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crisp_ik_ros.compiled import allocating, allocating_vectorised, entry, exponentials, innermost, vectorised
from crisp_ik_ros.transforms import Array

# Gravity where a robot stands upright [m/s^2].
GRAVITY = (0.0, 0.0, -9.80665)


class Corrections(NamedTuple):
    """Numbers of the corrections of J joints, in the form the compiled functions take.

    Attributes
    ----------
    active : bool
        False: joints do what they are told, and nothing else here counts.
    rates : (J,)
        Angle a_j of the periodic functions, by joint position: 1 for a revolute joint, for a prismatic one [rad/m].
    scales, middles : (J,)
        s_j and m_j.
    harmonics : (J, 2 H)
        c_j1, b_j1, c_j2, b_j2, ... [rad or m].
    compliances : (J,)
        [rad/Nm or m/N].
    bodies : Bodies
        The nominal robot, and what hangs on it: what gravity acts on.
    centers : (2 J, m)
        Cosines and sines of the centers' angles, over the length scale.
    weights : (J, m)
        w_jz [rad or m].
    length_scale : float
    """

    active: bool
    rates: Array
    scales: Array
    middles: Array
    harmonics: Array
    compliances: Array
    bodies: Bodies
    centers: Array
    weights: Array
    length_scale: float


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


def no_corrections(dof: int) -> Corrections:
    """Joints that do what they are told."""
    bodies = Bodies(
        np.zeros((0, 3, 3)), np.zeros((0, 3)), np.zeros(0, dtype=bool), np.zeros(0), np.zeros((0, 3)), np.zeros(3)
    )
    return Corrections(
        False, np.ones(dof), np.zeros(dof), np.zeros(dof), np.zeros((dof, 0)), np.zeros(dof), bodies,
        np.zeros((2 * dof, 0)), np.zeros((dof, 0)), 1.0,
    )  # fmt: skip


def arrays_of(corrections: Corrections) -> dict[str, Array]:
    """Arrays of corrections by name, those of the bodies with "bodies_" before theirs."""
    found = {}
    for owner, prefix in ((corrections, ""), (corrections.bodies, "bodies_")):
        for name, value in owner._asdict().items():
            if isinstance(value, np.ndarray):
                found[prefix + name] = value
    return found


@innermost
def periodic_terms(rates, q, harmonics, out):
    """Write cos(k a_j), sin(k a_j) for k = 1 .. H, one row a joint, to ``out`` (J, 2 H)."""
    for j in range(q.shape[0]):
        c, s = np.cos(rates[j] * q[j]), np.sin(rates[j] * q[j])
        ck, sk = c, s
        for k in range(harmonics):
            out[j, 2 * k], out[j, 2 * k + 1] = ck, sk
            ck, sk = ck * c - sk * s, sk * c + ck * s


@innermost
def features_of(rates, length_scale, q, out):
    """Write cos(a) / length scale, then sin(a) / length scale, to ``out`` (2 J,)."""
    joints = q.shape[0]
    for j in range(joints):
        angle = rates[j] * q[j]
        out[j], out[joints + j] = np.cos(angle) / length_scale, np.sin(angle) / length_scale


@allocating_vectorised
def kernel_row(centers, feature):
    """Kernel (m,) of a feature (2 J,) with the centers' (2 J, m)."""
    count = centers.shape[1]
    row, power = np.zeros(count), np.empty(count)
    for d in range(centers.shape[0]):
        own = feature[d]
        for c in range(count):
            difference = own - centers[d, c]
            row[c] += difference * difference
    for c in range(count):
        row[c] *= -0.5
    exponentials(row, power, power.view(np.int64), count)
    return row


@vectorised
def _product(left, right):
    total = 0.0
    for i in range(left.shape[0]):
        total += left[i] * right[i]
    return total


@allocating
def gravity_forces(bodies, q, forces, derivative):
    """Write the generalised forces of gravity (J,) [Nm or N], and how they change with q (J, J).

    With U the potential energy, the forces are -dU/dq, and their derivative is the symmetric -d2U/dq2.
    """
    joints = q.shape[0]
    axes, origins, centers = np.empty((joints, 3)), np.empty((joints, 3)), np.empty((joints, 3))
    rotation, position = np.empty((3, 3)), np.empty(3)
    turned, shifted = np.empty((3, 3)), np.empty(3)
    for a in range(3):
        position[a] = bodies.translations[0, a]
        for b in range(3):
            rotation[a, b] = bodies.rotations[0, a, b]
    for j in range(joints):
        c, s = np.cos(q[j]), np.sin(q[j])
        for a in range(3):
            axes[j, a], origins[j, a] = rotation[a, 2], position[a]
            if bodies.prismatic[j]:
                position[a] += rotation[a, 2] * q[j]
            else:
                x, y = rotation[a, 0], rotation[a, 1]
                rotation[a, 0], rotation[a, 1] = c * x + s * y, c * y - s * x
        for a in range(3):
            centers[j, a], shifted[a] = position[a], position[a]
            for k in range(3):
                centers[j, a] += rotation[a, k] * bodies.centers[j, k]
                shifted[a] += rotation[a, k] * bodies.translations[j + 1, k]
            for b in range(3):
                turned[a, b] = 0.0
                for k in range(3):
                    turned[a, b] += rotation[a, k] * bodies.rotations[j + 1, k, b]
        for a in range(3):
            position[a] = shifted[a]
            for b in range(3):
                rotation[a, b] = turned[a, b]
    g = bodies.gravity
    # From the tip inwards: mass, and mass times centre, of all that hangs beyond a joint.
    mass, mx, my, mz = 0.0, 0.0, 0.0, 0.0
    for k in range(joints - 1, -1, -1):
        own = bodies.masses[k]
        mass += own
        mx, my, mz = mx + own * centers[k, 0], my + own * centers[k, 1], mz + own * centers[k, 2]
        # How mass times centre moves with joint k.
        if bodies.prismatic[k]:
            dx, dy, dz = mass * axes[k, 0], mass * axes[k, 1], mass * axes[k, 2]
        else:
            x, y, z = mx - mass * origins[k, 0], my - mass * origins[k, 1], mz - mass * origins[k, 2]
            dx = axes[k, 1] * z - axes[k, 2] * y
            dy = axes[k, 2] * x - axes[k, 0] * z
            dz = axes[k, 0] * y - axes[k, 1] * x
        forces[k] = g[0] * dx + g[1] * dy + g[2] * dz
        for j in range(k + 1):
            value = 0.0
            if not bodies.prismatic[j]:
                # Turning joint j turns the motion that joint k, further out, causes.
                value = (
                    g[0] * (axes[j, 1] * dz - axes[j, 2] * dy)
                    + g[1] * (axes[j, 2] * dx - axes[j, 0] * dz)
                    + g[2] * (axes[j, 0] * dy - axes[j, 1] * dx)
                )
            derivative[j, k], derivative[k, j] = value, value


@allocating
def displace(corrections, q, motion, derivative):
    """Write the actual motion q + d(q) (J,) and its derivative I + dd/dq (J, J); the latter where its rows are J."""
    joints, harmonics = q.shape[0], corrections.harmonics.shape[1] // 2
    centers, wants = corrections.centers.shape[1], derivative.shape[0] == joints
    terms, forces = np.empty((joints, 2 * harmonics)), np.empty(joints)
    stiffness = np.empty((joints, joints))
    periodic_terms(corrections.rates, q, harmonics, terms)
    gravity_forces(corrections.bodies, q, forces, stiffness)
    for j in range(joints):
        value = corrections.scales[j] * (q[j] - corrections.middles[j]) + corrections.compliances[j] * forces[j]
        slope = 1.0 + corrections.scales[j]
        for k in range(harmonics):
            along, across = corrections.harmonics[j, 2 * k], corrections.harmonics[j, 2 * k + 1]
            value += along * terms[j, 2 * k] + across * terms[j, 2 * k + 1]
            slope += (k + 1) * corrections.rates[j] * (across * terms[j, 2 * k] - along * terms[j, 2 * k + 1])
        motion[j] = q[j] + value
        if wants:
            for i in range(joints):
                derivative[j, i] = corrections.compliances[j] * stiffness[j, i]
            derivative[j, j] += slope
    if centers == 0:
        return
    feature = np.empty(2 * joints)
    features_of(corrections.rates, corrections.length_scale, q, feature)
    row = kernel_row(corrections.centers, feature)
    for j in range(joints):
        motion[j] += _product(row, corrections.weights[j])
    if not wants:
        return
    weighted = np.empty(centers)
    for i in range(joints):
        # |u(q)| does not change with q: of the exponent only u(q).u(z) does.
        cosines, sines = corrections.centers[i], corrections.centers[joints + i]
        for c in range(centers):
            weighted[c] = row[c] * (feature[i] * sines[c] - feature[joints + i] * cosines[c])
        for j in range(joints):
            derivative[j, i] += corrections.rates[i] * _product(weighted, corrections.weights[j])


@entry
def motions(corrections, configurations):
    """Actual motions (n, J) at configurations (n, J)."""
    out, nothing = np.empty_like(configurations), np.empty((0, 0))
    for i in range(configurations.shape[0]):
        displace(corrections, configurations[i], out[i], nothing)
    return out


@entry
def all_periodic_terms(rates, configurations, harmonics):
    """``periodic_terms`` (n, J, 2 H) of configurations (n, J)."""
    out = np.empty((configurations.shape[0], configurations.shape[1], 2 * harmonics))
    for i in range(configurations.shape[0]):
        periodic_terms(rates, configurations[i], harmonics, out[i])
    return out


@entry
def all_gravity_forces(bodies, configurations):
    """Generalised forces of gravity (n, J) at configurations (n, J)."""
    count, joints = configurations.shape
    forces, derivative = np.empty((count, joints)), np.empty((joints, joints))
    for i in range(count):
        gravity_forces(bodies, configurations[i], forces[i], derivative)
    return forces


@entry
def kernel_rows(corrections, configurations):
    """Kernel (n, m) of configurations (n, J) with the centers."""
    count, joints = configurations.shape
    rows, feature = np.empty((count, corrections.centers.shape[1])), np.empty(2 * joints)
    for i in range(count):
        features_of(corrections.rates, corrections.length_scale, configurations[i], feature)
        rows[i] = kernel_row(corrections.centers, feature)
    return rows
