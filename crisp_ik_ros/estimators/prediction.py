"""From a pose to what is to be decoded: the kernel row, its product, and how far the data is believed; compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crisp_ik_ros.compiled import allocating, assign, innermost
from crisp_ik_ros.estimators.training import support_of
from crisp_ik_ros.losses.evaluate import fallback_target
from crisp_ik_ros.regression.kernels import kernel_row_product, write_features
from crisp_ik_ros.robots.limits import distance_between
from crisp_ik_ros.solvers.result import BLENDED, LEARNED, NOMINAL
from crisp_ik_ros.transforms import Array

# Support from which the data alone decides; below, the answer goes over to the model's smoothly.
FULL_SUPPORT = 0.5
# Support that counts as none: the answer is the model's.
LEAST_SUPPORT = 0.05
# Distance from the postures of the data that hardly changes a model's error [rad].
POSTURE_SLACK = 0.1


class Learned(NamedTuple):
    """What was learned from m samples, for compiled code; m is 0 where nothing was.

    Attributes
    ----------
    profile, scales, nearness
        The kernel's, and the estimator's.
    features : (F, m)
        Of the centers.
    coefficients : (2 + D + J, m)
    configurations : (m, J)
        Of the centers.
    scatter : float
        Error of the regressed posture [rad]; negative where it is not known.
    trust : float
        Factor of every support: 1 where held-out samples show that the data corrects the model, 0 where it does not.
    largest : (2,)
        Largest corrections of the embedding, position and orientation, that the data shows; infinite where not known.
    """

    profile: int
    scales: Array
    nearness: Array
    features: Array
    coefficients: Array
    configurations: Array
    scatter: float
    trust: float
    largest: Array


class Expectation(NamedTuple):
    """What is known of one pose: the ``target`` and ``posture`` written beside it, and this.

    Attributes
    ----------
    known : bool
        False where neither data nor model say anything.
    prior_weight : float
        Weight of the posture against the task.
    support : float
    source : int
    """

    known: bool
    prior_weight: float
    support: float
    source: int


def nothing_learned(dof: int) -> Learned:
    """Without samples."""
    return Learned(
        0,
        np.ones(2),
        np.zeros(2),
        np.zeros((12, 0)),
        np.zeros((2 + dof, 0)),
        np.zeros((0, dof)),
        -1.0,
        1.0,
        np.full(2, np.inf),
    )


@allocating
def regress(learned, pose, out):
    """Write 1, phi, |phi|^2 and y, regressed on a pose and not yet divided by the first, to ``out`` (2 + D + J,).

    Returns the squared distance of the nearest sample in spreads of the data.
    """
    feature = np.empty(learned.features.shape[0])
    write_features(pose, learned.scales, feature)
    return kernel_row_product(
        learned.profile, feature, learned.features.T, learned.coefficients.T, learned.nearness, out
    )


@allocating
def expect(task, learned, null_space_weight, most_support, pose, target, posture):
    """Write the target embedding (D,) and the posture (J,) of a pose to ``target`` and ``posture``.

    The support is at most ``most_support``: what is known of an answer's configuration may be less than of its pose.
    """
    has_fallback = fallback_target(task.code, task.weights, pose, target)
    assign(posture, task.rest)
    if learned.features.shape[1] == 0:
        return Expectation(has_fallback, null_space_weight, 0.0, NOMINAL)
    dimension = target.shape[0]
    row = np.empty(learned.coefficients.shape[0])
    nearest = regress(learned, pose, row)
    total = row[0]
    # The data covers a pose where the scores add up to 1 and a sample is near; a smooth kernel carries the former far
    # out. One spread away counts as 0.6, two as 0.14.
    support = min(learned.trust * min(support_of(total), np.exp(-0.5 * nearest)), most_support)
    if support < LEAST_SUPPORT:
        # s <= 0 has no least-squares form; far from the data there is only the model.
        return Expectation(has_fallback, null_space_weight if has_fallback else 0.0, 0.0, NOMINAL)
    if has_fallback:
        _limit_correction(learned.largest, target, total, row)
    share = 1.0
    if support < FULL_SUPPORT and has_fallback:
        x = support / FULL_SUPPORT
        share = x * x * (3.0 - 2.0 * x)
    for d in range(dimension):
        target[d] = row[1 + d] / total if share == 1.0 else target[d] + share * (row[1 + d] / total - target[d])
    for j in range(posture.shape[0]):
        posture[j] = min(max(row[2 + dimension + j] / total, task.lower[j]), task.upper[j])
    weight = share * null_space_weight if has_fallback else 0.0
    return Expectation(True, weight, support, LEARNED if share == 1.0 else BLENDED)


@innermost
def _limit_correction(largest, target, total, row):
    """Shorten the regressed correction of the model's embedding ``target`` to the largest that the data shows."""
    begin, dimension = 0, target.shape[0]
    for part in range(2):
        end = 3 if part == 0 else dimension
        squared = 0.0
        for d in range(begin, end):
            squared += (row[1 + d] / total - target[d]) ** 2
        if squared > largest[part] ** 2:
            factor = largest[part] / np.sqrt(squared)
            for d in range(begin, end):
                row[1 + d] = total * (target[d] + factor * (row[1 + d] / total - target[d]))
        begin = end


@innermost
def support_at(task, scatter, expectation, posture, configuration):
    """How well the data covers an answer: its pose and, where that is known, its configuration (J,)."""
    if scatter < 0.0 or expectation.prior_weight == 0.0:
        return expectation.support
    # Another branch of the arm reaches the pose too, but what the data says of the error there is nothing.
    width = scatter + POSTURE_SLACK
    beyond = max(distance_between(configuration, posture, task.continuous) - 3.0 * width, 0.0) / width
    return expectation.support * np.exp(-0.5 * beyond**2)
