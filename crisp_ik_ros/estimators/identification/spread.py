"""How far posterior samples of a robot's parameters put its tool apart: for one answer in microseconds, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crisp_ik_ros.compiled import allocating_vectorised, entry
from crisp_ik_ros.estimators.identification.design import frame_rows
from crisp_ik_ros.robots.chain import Chain
from crisp_ik_ros.robots.corrections import displace, features_of, gravity_moments, kernel_row, periodic_terms
from crisp_ik_ros.transforms import Array


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
    """

    chain: Chain
    unturned: Array
    units: Array
    deviations: Array
    kernel_deviations: Array
    scales: Array
    kernel_scales: Array
    precision: Array


@allocating_vectorised
def _add_products(row, matrix, out):
    """Add row (3, k) @ matrix (k, S) to ``out`` (3, S)."""
    for p in range(matrix.shape[0]):
        x, y, z = row[0, p], row[1, p], row[2, p]
        values = matrix[p]
        for s in range(values.shape[0]):
            out[0, s] += x * values[s]
            out[1, s] += y * values[s]
            out[2, s] += z * values[s]


@entry
def spreads(samples, configurations):
    """Displacements (n, 3, S) of the tool [m], prior variances (n,) [m^2] and coverages (n,) at configurations (n, J).

    Without the variance that the kernel term has between its centers; the coverage says how much of it that is.
    """
    chain, corrections = samples.chain, samples.chain.corrections
    count, joints = configurations.shape
    size, harmonics = samples.deviations.shape[1], corrections.harmonics.shape[1] // 2
    centers, geometric = corrections.centers.shape[1], 6 * (joints + 1)
    displacements, priors, coverages = np.zeros((count, 3, size)), np.zeros(count), np.ones(count)
    motions, unseen = np.empty((joints, 3)), np.empty((0, 3, 0))
    moments, slopes = np.empty((joints, 3)), np.empty((joints, 3, joints))
    terms = np.empty((joints, 2 * harmonics))
    pose, frames = np.empty((4, 4)), np.empty((6, geometric))
    jacobian, tilted = np.empty((6, joints)), np.empty((6, joints, 2))
    row, feature = np.empty((3, samples.scales.shape[0])), np.empty(2 * joints)
    sums, moving = np.empty((joints, size)), np.empty((3, joints))
    for i in range(count):
        q = configurations[i]
        displace(corrections, q, motions, unseen)
        frame_rows(chain, samples.unturned, motions, pose, frames, jacobian, tilted)
        periodic_terms(corrections.rates, q, harmonics, terms)
        gravity_moments(corrections.bodies, q, moments, slopes)
        for a in range(3):
            for p in range(geometric):
                row[a, p] = frames[a, p]
            for j in range(joints):
                along = jacobian[a, j]
                row[a, geometric + j] = along * (q[j] - corrections.middles[j])
                begin = geometric + joints + 2 * harmonics * j
                for k in range(2 * harmonics):
                    row[a, begin + k] = along * samples.units[j] * terms[j, k]
                begin = geometric + joints + 2 * harmonics * joints + 3 * j
                row[a, begin] = tilted[a, j, 0] * moments[j, 0]
                row[a, begin + 1] = tilted[a, j, 1] * moments[j, 1]
                row[a, begin + 2] = along * moments[j, 2]
                moving[a, j] = along * samples.units[j]
            for p in range(row.shape[1]):
                priors[i] += (row[a, p] * samples.scales[p]) ** 2
        _add_products(row, samples.deviations, displacements[i])
        if centers > 0:
            features_of(corrections.rates, corrections.length_scale, q, feature)
            near = kernel_row(corrections.centers, feature)
            coverages[i] = min(_square(near, samples.precision), 1.0)
            for j in range(joints):
                _combine(near, samples.kernel_deviations[j], sums[j])
                for a in range(3):
                    priors[i] += (moving[a, j] * samples.kernel_scales[j]) ** 2
            _add_products(moving, sums, displacements[i])
    return displacements, priors, coverages


@allocating_vectorised
def _combine(weights, matrix, out):
    """Write weights (m,) @ matrix (m, S) to ``out`` (S,)."""
    for s in range(out.shape[0]):
        out[s] = 0.0
    for c in range(weights.shape[0]):
        weight, values = weights[c], matrix[c]
        for s in range(out.shape[0]):
            out[s] += weight * values[s]


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
