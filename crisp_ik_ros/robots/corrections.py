"""What a robot's joints do beside what they are told: from configuration to actual motion, compiled.

Joint j moves to q_j + d_j(q), where d_j is what was learned of it:

- a scale: s_j (q_j - m_j);
- a periodic error, of gears and encoders: sum over k of c_jk cos(k a_j) + b_jk sin(k a_j), a_j = rate_j q_j;
- deflection under gravity: a compliance times the generalised force of gravity on the joint;
- a kernel term: sum over the centers z of w_jz exp(-|u(q) - u(z)|^2 / 2), u = (cos a, sin a) / length scale. To first
  order in w it moves the tool by the kernel K(q, q') = sum over j of J_j(q) J_j(q')^T k_j(q, q').

And its frame tilts about its x and y axes, as bearings and links bend: a compliance times the moment of gravity there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crisp_ik_ros.compiled import allocating, allocating_vectorised, entry, exponentials, innermost, vectorised
from crisp_ik_ros.robots.gravity import Bodies, gravity_moments
from crisp_ik_ros.transforms import Array


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
    compliances : (J, 3)
        About the x, y and z axis of each joint's frame, z the joint's own [rad/Nm, or m/N along a prismatic joint].
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


def no_corrections(dof: int) -> Corrections:
    """Joints that do what they are told."""
    bodies = Bodies(
        np.zeros((0, 3, 3)), np.zeros((0, 3)), np.zeros(0, dtype=bool), np.zeros(0), np.zeros((0, 3)), np.zeros(3)
    )
    return Corrections(
        False, np.ones(dof), np.zeros(dof), np.zeros(dof), np.zeros((dof, 0)), np.zeros((dof, 3)), bodies,
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
    if harmonics == 0:
        return
    for j in range(q.shape[0]):
        out[j, 0], out[j, 1] = np.cos(rates[j] * q[j]), np.sin(rates[j] * q[j])
        # What is known is turned on by as many angles as it has: no number waits for the one before it.
        known = 1
        while known < harmonics:
            c, s = out[j, 2 * known - 2], out[j, 2 * known - 1]
            for k in range(min(known, harmonics - known)):
                ck, sk = out[j, 2 * k], out[j, 2 * k + 1]
                out[j, 2 * (known + k)], out[j, 2 * (known + k) + 1] = ck * c - sk * s, sk * c + ck * s
            known *= 2


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


@vectorised
def _slope(harmonics, terms):
    """Derivative by the angle of the periodic errors whose coefficients and terms (2 H,) are given."""
    total = 0.0
    for k in range(harmonics.shape[0] // 2):
        total += (k + 1) * (harmonics[2 * k + 1] * terms[2 * k] - harmonics[2 * k] * terms[2 * k + 1])
    return total


@allocating
def displace(corrections, q, motion, derivative):
    """Write how far each joint turns its frame about x and y, and moves along or about z, to ``motion`` (J, 3).

    The last is the actual motion q + d(q). And, where ``derivative`` has J rows, how these change with q (J, 3, J).
    """
    joints, harmonics = q.shape[0], corrections.harmonics.shape[1] // 2
    centers, wants = corrections.centers.shape[1], derivative.shape[0] == joints
    terms, slopes = np.empty((joints, 2 * harmonics)), np.empty((joints, 3, joints))
    periodic_terms(corrections.rates, q, harmonics, terms)
    gravity_moments(corrections.bodies, q, motion, slopes)
    for j in range(joints):
        for b in range(3):
            motion[j, b] *= corrections.compliances[j, b]
            if wants:
                for i in range(joints):
                    derivative[j, b, i] = corrections.compliances[j, b] * slopes[j, b, i]
        value, slope = q[j] + corrections.scales[j] * (q[j] - corrections.middles[j]), 1.0 + corrections.scales[j]
        motion[j, 2] += value + _product(corrections.harmonics[j], terms[j])
        if wants:
            derivative[j, 2, j] += slope + corrections.rates[j] * _slope(corrections.harmonics[j], terms[j])
    if centers == 0:
        return
    feature = np.empty(2 * joints)
    features_of(corrections.rates, corrections.length_scale, q, feature)
    row = kernel_row(corrections.centers, feature)
    for j in range(joints):
        motion[j, 2] += _product(row, corrections.weights[j])
    if not wants:
        return
    weighted = np.empty(centers)
    for i in range(joints):
        # |u(q)| does not change with q: of the exponent only u(q).u(z) does.
        cosines, sines = corrections.centers[i], corrections.centers[joints + i]
        for c in range(centers):
            weighted[c] = row[c] * (feature[i] * sines[c] - feature[joints + i] * cosines[c])
        for j in range(joints):
            derivative[j, 2, i] += corrections.rates[i] * _product(weighted, corrections.weights[j])


@entry
def motions(corrections, configurations):
    """Tilts and actual motions (n, J, 3), as ``displace`` writes them, at configurations (n, J)."""
    count, joints = configurations.shape
    out, nothing = np.empty((count, joints, 3)), np.empty((0, 3, 0))
    for i in range(count):
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
def kernel_rows(corrections, configurations):
    """Kernel (n, m) of configurations (n, J) with the centers."""
    count, joints = configurations.shape
    rows, feature = np.empty((count, corrections.centers.shape[1])), np.empty(2 * joints)
    for i in range(count):
        features_of(corrections.rates, corrections.length_scale, configurations[i], feature)
        rows[i] = kernel_row(corrections.centers, feature)
    return rows
