"""Joint limits in compiled code: turning continuous joints, clipping, and finding what lies outside."""

from __future__ import annotations

import numpy as np
from numba import njit

# Answers of ``first_outside`` in place of a joint.
INSIDE, NOT_FINITE = -1, -2


@njit(cache=True)
def wrap(q, continuous):
    """Turn the continuous joints of ``q`` (J,) into [-pi, pi], in place."""
    for j in range(q.shape[0]):
        if continuous[j] and abs(q[j]) > np.pi:
            q[j] -= 2.0 * np.pi * np.rint(q[j] / (2.0 * np.pi))


@njit(cache=True)
def wrap_all(configurations, continuous):
    """Do it for configurations (n, J), in place."""
    for i in range(configurations.shape[0]):
        wrap(configurations[i], continuous)


@njit(cache=True)
def confine(q, lower, upper, continuous):
    """Move ``q`` (J,) into the limits, in place: continuous joints turned, all others clipped."""
    wrap(q, continuous)
    for j in range(q.shape[0]):
        q[j] = min(max(q[j], lower[j]), upper[j])


@njit(cache=True)
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
