"""How much later one device reports the motion of an arm than another."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import correlate

from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.transforms import Array

# Both motions are compared at this interval [s], and moved against each other by at most this much [s].
INTERVAL = 0.01
LARGEST_DELAY = 2.0
# Speeds are taken between means of so many intervals, as far apart: noise must not hide a slow motion.
SMOOTH = 10
# A correlation below this does not show that both are the same motion.
CLEAR = 0.6
# Motions that repeat match at several delays. Of those that match as well as this beside the best, the least is meant.
AS_GOOD = 0.95
# Where it is above this [s], the clocks differ, and nothing else may match even as well as this beside the best.
SMALL_DELAY = 0.15
NEARLY_AS_GOOD = 0.8
# Length of the lever by which a rotation counts as a motion [m].
LEVER = 0.1


def estimate_delay(joint_times: Array, configurations: Array, tool_times: Array, poses: Array) -> float | None:
    """By how much the tool's motion is reported later than the joints' [s]; None where that is not clear.

    The speeds of both are compared: they begin and end together.

    Parameters
    ----------
    joint_times : (n,)
        Increasing [s].
    configurations : (n, J)
        Without jumps by whole turns.
    tool_times : (m,)
        Increasing [s].
    poses : (m, 4, 4)
        [m]

    Raises
    ------
    DatasetError
        When several delays are as likely and the clocks do differ.
    """
    begin, end = max(joint_times[0], tool_times[0]), min(joint_times[-1], tool_times[-1])
    if end - begin < 2.0 * LARGEST_DELAY:
        return None
    grid = np.arange(begin, end, INTERVAL)
    features = np.concatenate([poses[:, :3, 3], LEVER * poses[:, :3, :2].reshape(-1, 6)], axis=1)
    first = _activity(grid, joint_times, configurations)
    second = _activity(grid, tool_times, features)
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    if size == 0.0:
        return None
    steps = min(round(LARGEST_DELAY / INTERVAL), len(first) - 1)
    middle = len(first) - 1
    likeness = correlate(second, first, method="fft")[middle - steps : middle + steps + 1] / size
    best = float(likeness.max())
    if best < CLEAR:
        return None
    peaks = np.flatnonzero(
        (likeness >= np.append(-np.inf, likeness[:-1])) & (likeness >= np.append(likeness[1:], -np.inf))
    )
    lags = INTERVAL * (peaks - steps)
    good = lags[likeness[peaks] >= AS_GOOD * best]
    least = float(good[np.argmin(np.abs(good))])
    lags = lags[likeness[peaks] >= NEARLY_AS_GOOD * best]
    if abs(least) > SMALL_DELAY and np.ptp(lags) > SMALL_DELAY:
        raise DatasetError(
            f"the motion repeats: the tool moves as the joints do if it is reported later by "
            f"{' or '.join(f'{lag:.2f}' for lag in lags)} s; give time_offset, the negative of what is true"
        )
    return least


def _activity(grid: Array, times: Array, values: Array) -> Array:
    """Speed of values (n, k) on a grid of times, its root so that fast motions do not outweigh all others; mean 0."""
    on_grid = np.column_stack([np.interp(grid, times, column) for column in values.T])
    means = uniform_filter1d(on_grid, SMOOTH, axis=0)
    speed = np.sqrt(np.linalg.norm(means[SMOOTH:] - means[:-SMOOTH], axis=1))
    return speed - speed.mean()
