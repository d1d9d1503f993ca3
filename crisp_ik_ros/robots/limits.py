"""Joint limits in compiled code: turning continuous joints, clipping, and finding what lies outside."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.compiled import entry, inlined, innermost

# Answers of ``first_outside`` in place of a joint.
INSIDE, NOT_FINITE = -1, -2


@innermost
def wrapped_angle(angle):
    """Angle turned into [-pi, pi]; one that is there already stays as it is, to the bit."""
    return angle - 2.0 * np.pi * np.rint(angle / (2.0 * np.pi)) if abs(angle) > np.pi else angle


@inlined
def wrap(q, continuous):
    """Turn the continuous joints of ``q`` (J,) into [-pi, pi], in place."""
    for j in range(q.shape[0]):
        if continuous[j]:
            q[j] = wrapped_angle(q[j])


@inlined
def distance_between(first, second, continuous):
    """Length of the vector of all joints' motions from one configuration (J,) to another, continuous ones wrapped."""
    total = 0.0
    for j in range(first.shape[0]):
        difference = first[j] - second[j]
        if continuous[j]:
            difference = wrapped_angle(difference)
        total += difference * difference
    return np.sqrt(total)


@inlined
def farthest_joint(first, second, continuous):
    """Longest motion of a joint from one configuration (J,) to another, of continuous ones the shorter way."""
    longest = 0.0
    for j in range(first.shape[0]):
        difference = first[j] - second[j]
        if continuous[j]:
            difference = wrapped_angle(difference)
        longest = max(longest, abs(difference))
    return longest


@innermost
def wrap_all(configurations, continuous):
    """Do it for configurations (n, J), in place."""
    for i in range(configurations.shape[0]):
        wrap(configurations[i], continuous)


@inlined
def confine(q, lower, upper, continuous):
    """Move ``q`` (J,) into the limits, in place: continuous joints turned, all others clipped."""
    wrap(q, continuous)
    for j in range(q.shape[0]):
        q[j] = min(max(q[j], lower[j]), upper[j])


@entry
def first_outside(configurations, lower, upper, continuous, slack):
    """Confine configurations (n, J) in place; row and joint of the first farther than ``slack`` outside the limits.

    The joint is NOT_FINITE where a value is none, and INSIDE, with row 0, where nothing is outside.
    """
    for i in range(configurations.shape[0]):
        q = configurations[i]
        for j in range(q.shape[0]):
            if not np.isfinite(q[j]):
                return i, NOT_FINITE
        wrap(q, continuous)
        for j in range(q.shape[0]):
            if q[j] < lower[j] - slack or q[j] > upper[j] + slack:
                return i, j
            q[j] = min(max(q[j], lower[j]), upper[j])
    return 0, INSIDE
