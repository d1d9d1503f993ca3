"""Spread of the tool over posterior samples of a robot's parameters: for one answer in microseconds, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crisp_ik_ros.compiled import allocating, allocating_vectorised, entry, innermost, vectorised
from crisp_ik_ros.estimators.identification.design import frame_rows
from crisp_ik_ros.robots.chain import Chain
from crisp_ik_ros.robots.corrections import displace, features_of, kernel_row, periodic_terms
from crisp_ik_ros.robots.gravity import gravity_moments
from crisp_ik_ros.transforms import Array

# Support of an answer whose joints were never measured there, of what it is where they were.
LEAST_NEARNESS = 0.3


class Samples(NamedTuple):
    """What the posterior of a robot's parameters is, for compiled code.

    Attributes
    ----------
    chain : Chain
        Of the corrected robot.
    unturned : (J + 1, 3, 3)
        Inverse of the rotation that each frame is corrected by.
    units : (J,)
        As in ``Layout``.
    deviations : (parametric, S)
        Samples of the parameters without the kernel term, less their mean.
    kernel_deviations : (J, m, S)
        Of the weights of the kernel row.
    scales : (parametric,)
        Standard deviations of the priors; ``kernel_scales`` (J,) of the kernel term.
    precision : (m, m)
        Inverse of the centers' kernel matrix.
    offset : (3,)
        What is measured, in the tip's frame.
    measuring : (9, S)
        Shift and turn of the measuring frame, in the base frame, and shift of what is measured, in the tip's.
    nearness : (J, G)
        Nearness of the measured positions of each joint, 0 to 1, at G positions over its range.
    lower, spans : (J,)
        Where these ranges begin, and how long they are [rad or m].
    unmeasured : float
        Standard deviation of what a joint does where it was never measured [rad].
    payload : float
        Mass that the tip carries [kg], where its center of mass was fitted; otherwise 0.
    center_row : int
        First of the 3 rows of ``deviations`` that are the center's.
    """

    chain: Chain
    unturned: Array
    units: Array
    deviations: Array
    kernel_deviations: Array
    scales: Array
    kernel_scales: Array
    precision: Array
    offset: Array
    measuring: Array
    nearness: Array
    lower: Array
    spans: Array
    unmeasured: float
    payload: float
    center_row: int


@innermost
def nearness_at(row, share):
    """Nearness of the data at a share, 0 to 1, of a joint's range, between the values of a row (G,)."""
    place = min(max(share, 0.0), 1.0) * (row.shape[0] - 1)
    below = min(int(place), row.shape[0] - 2)
    return row[below] + (place - below) * (row[below + 1] - row[below])


@entry
def nearness_of(nearness, lower, spans, configurations):
    """Nearness (n, J) of the data at configurations (n, J), joint by joint."""
    out = np.empty(configurations.shape)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = nearness_at(nearness[j], (configurations[i, j] - lower[j]) / spans[j])
    return out


@allocating_vectorised
def _add_products(row, matrix, out):
    """Add row (3, k) @ matrix (k or more, S) to ``out`` (3, S)."""
    for p in range(row.shape[1]):
        x, y, z = row[0, p], row[1, p], row[2, p]
        values = matrix[p]
        for s in range(values.shape[0]):
            out[0, s] += x * values[s]
            out[1, s] += y * values[s]
            out[2, s] += z * values[s]


@allocating
def _spread(samples, q, displacements, full):
    """Write the displacements (3, S) [m] at a configuration; return prior variances, the coverage and the nearness.

    The variances [m^2] are of the parameters without the kernel term, of that term, and of what joints do where they
    were never measured; the nearness is the product over the joints. Where ``full`` is false the samples of the kernel
    term are left out.
    """
    chain, corrections = samples.chain, samples.chain.corrections
    joints, harmonics = q.shape[0], corrections.harmonics.shape[1] // 2
    geometric = 6 * (joints + 1)
    motions, moments = np.empty((joints, 3)), np.empty((joints, 3))
    slopes, terms = np.empty((joints, 3, joints)), np.empty((joints, 2 * harmonics))
    pose, frames = np.empty((4, 4)), np.empty((6, geometric))
    jacobian, tilted = np.empty((6, joints)), np.empty((6, joints, 2))
    plain, bending, begin = np.empty((3, geometric + joints)), np.empty((3, 3 * joints)), geometric + joints
    moving, sums = np.empty((3, joints)), np.empty((joints, displacements.shape[1]))
    behind = begin + 2 * harmonics * joints
    displace(corrections, q, motions, np.empty((0, 3, 0)))
    frame_rows(chain, samples.unturned, samples.offset, motions, pose, frames, jacobian, tilted)
    periodic_terms(corrections.rates, q, harmonics, terms)
    gravity_moments(corrections.bodies, q, moments, slopes)
    prior, kernel_prior, coverage, unmeasured, near = 0.0, 0.0, 1.0, 0.0, 1.0
    for j in range(joints):
        own = nearness_at(samples.nearness[j], (q[j] - samples.lower[j]) / samples.spans[j])
        near *= own
        for a in range(3):
            along = samples.unmeasured * jacobian[a, j] * samples.units[j]
            unmeasured += (1.0 - own * own) * along * along
    for a in range(3):
        for p in range(geometric):
            plain[a, p] = frames[a, p]
        for j in range(joints):
            along = jacobian[a, j]
            plain[a, geometric + j] = along * (q[j] - corrections.middles[j])
            bending[a, 3 * j] = tilted[a, j, 0] * moments[j, 0]
            bending[a, 3 * j + 1] = tilted[a, j, 1] * moments[j, 1]
            bending[a, 3 * j + 2] = along * moments[j, 2]
            moving[a, j] = along * samples.units[j]
            kernel_prior += (moving[a, j] * samples.kernel_scales[j]) ** 2
        prior += _weighted_square(plain[a], samples.scales) + _weighted_square(bending[a], samples.scales[behind:])
        for s in range(displacements.shape[1]):
            displacements[a, s] = 0.0
    for j in range(joints):
        # All periods of a joint move the tool along one line: they are summed before they are turned to the axes.
        own = samples.scales[begin + 2 * harmonics * j :]
        size = moving[0, j] ** 2 + moving[1, j] ** 2 + moving[2, j] ** 2
        prior += size * _weighted_square(terms[j], own)
        _combine(terms[j], samples.deviations[begin + 2 * harmonics * j :], sums[j])
    if samples.payload > 0.0:
        prior += _add_load(samples, corrections, pose, jacobian, tilted, displacements)
    _add_measuring(samples, pose, displacements)
    _add_products(plain, samples.deviations, displacements)
    _add_products(bending, samples.deviations[behind:], displacements)
    _add_products(moving, sums, displacements)
    if corrections.centers.shape[1] > 0:
        feature = np.empty(2 * joints)
        features_of(corrections.rates, corrections.length_scale, q, feature)
        weights = kernel_row(corrections.centers, feature)
        coverage = min(_square(weights, samples.precision), 1.0)
        if full:
            for j in range(joints):
                _combine(weights, samples.kernel_deviations[j], sums[j])
            _add_products(moving, sums, displacements)
    return prior, kernel_prior, coverage, unmeasured, near


@entry
def spreads(kept, configurations):
    """Displacements (n, 3, S) of what is measured [m] at configurations (n, J), and coverages (n,) of the kernel term.

    Without the variance that the kernel term has between its centers; the coverage says how much of it that is.
    """
    samples, count = kept.knowledge, configurations.shape[0]
    displacements, coverages = np.empty((count, 3, samples.deviations.shape[1])), np.empty(count)
    for i in range(count):
        coverages[i] = _spread(samples, configurations[i], displacements[i], True)[2]
    return displacements, coverages


@entry
def supports(kept, configurations):
    """Support, coverage, and spread of the tool [m] (n, 3) at configurations (n, J), or of rows that begin with them.

    What the kernel term is not known to at its centers is left out: that is little.
    """
    samples, count = kept.knowledge, configurations.shape[0]
    size, joints = samples.deviations.shape[1], samples.units.shape[0]
    out, displacements, q = np.empty((count, 3)), np.empty((3, size)), np.empty(joints)
    for i in range(count):
        for j in range(joints):
            q[j] = configurations[i, j]
        prior, kernel_prior, coverage, unmeasured, near = _spread(samples, q, displacements, False)
        left = 0.0
        for a in range(3):
            for s in range(size):
                left += displacements[a, s] ** 2
        left = left / size + (1.0 - coverage) * kernel_prior + unmeasured
        told = 1.0 - np.sqrt(min(left / max(prior + kernel_prior + unmeasured, 1e-300), 1.0))
        out[i, 0] = told * (LEAST_NEARNESS + (1.0 - LEAST_NEARNESS) * near)
        out[i, 1], out[i, 2] = coverage, np.sqrt(left)
    return out


@allocating
def _add_load(samples, corrections, pose, jacobian, tilted, displacements):
    """Add what is not known of the load's center of mass, by the moments of its weight; return the prior variance.

    The motions of joints (6, J) and tilts (6, J, 2) are those of the tool, whose pose is (4, 4).
    """
    g, sags, pull = corrections.bodies.gravity, np.zeros((3, 3)), np.empty(3)
    for k in range(3):
        # Moment of the load's weight, by how far its center moves along the tip's axis k.
        for a in range(3):
            b, c = (a + 1) % 3, (a + 2) % 3
            pull[a] = samples.payload * (pose[b, k] * g[c] - pose[c, k] * g[b])
        for j in range(jacobian.shape[1]):
            for t in range(3):
                moves = jacobian[:, j] if t == 2 else tilted[:, j, t]
                turned = corrections.compliances[j, t] * (moves[3] * pull[0] + moves[4] * pull[1] + moves[5] * pull[2])
                for a in range(3):
                    sags[a, k] += moves[a] * turned
    prior = 0.0
    for a in range(3):
        prior += _weighted_square(sags[a], samples.scales[samples.center_row :])
    _add_products(sags, samples.deviations[samples.center_row :], displacements)
    return prior


@allocating
def _add_measuring(samples, pose, displacements):
    """Add what is not known of measuring frame and tool."""
    point, moves = np.empty(3), samples.measuring
    for a in range(3):
        point[a] = pose[a, 3]
        for k in range(3):
            point[a] += pose[a, k] * samples.offset[k]
    for a in range(3):
        b, c = (a + 1) % 3, (a + 2) % 3
        for s in range(moves.shape[1]):
            value = moves[a, s] + moves[3 + b, s] * point[c] - moves[3 + c, s] * point[b]
            for k in range(3):
                value += pose[a, k] * moves[6 + k, s]
            displacements[a, s] += value


@allocating_vectorised
def _combine(weights, matrix, out):
    """Write weights (m,) @ matrix (m or more, S) to ``out`` (S,)."""
    for s in range(out.shape[0]):
        out[s] = 0.0
    for c in range(weights.shape[0]):
        weight, values = weights[c], matrix[c]
        for s in range(out.shape[0]):
            out[s] += weight * values[s]


@vectorised
def _weighted_square(row, scales):
    """Sum of the squares of row (k,) * scales (k or more,)."""
    total = 0.0
    for p in range(row.shape[0]):
        total += (row[p] * scales[p]) ** 2
    return total


@allocating_vectorised
def _square(vector, matrix):
    """Quadratic form vector @ matrix @ vector."""
    total = 0.0
    for c in range(vector.shape[0]):
        own, inner = matrix[c], 0.0
        for k in range(vector.shape[0]):
            inner += own[k] * vector[k]
        total += vector[c] * inner
    return total
