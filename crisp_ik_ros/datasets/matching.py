"""Readings of an arm's joints and of its tool in a recording, matched: one sample at each stop."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crisp_ik_ros.datasets.averages import average_poses, average_positions
from crisp_ik_ros.datasets.capture import Stop, find_stops
from crisp_ik_ros.datasets.delay import estimate_delay
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.transforms import Array

# At the beginning and the end of a stop so much is left out [s], but no more than this share of it: the arm still
# swings, and clocks are not quite the same.
MARGIN, MARGIN_SHARE = 0.1, 0.25
# Fewer readings of the tool at a stop are no measurement.
FEWEST = 3
# A tool that moves this far during a stop [m], and so many times farther than noise explains, does not stand still.
LARGEST_DRIFT, DRIFT_FACTOR = 1e-3, 3.0
# So few readings do not tell their noise; this much drift is then allowed for [m].
FEWEST_FOR_NOISE, UNKNOWN_DRIFT = 8, 5e-3


class Matched(NamedTuple):
    """Samples of a recording.

    Attributes
    ----------
    configurations : (n, J)
        [rad or m]
    poses : (n, 4, 4)
        Rotation is the identity where only positions were read.
    noise : (n, 2)
        Standard deviations of the averages [m, rad], NaN where not known.
    """

    configurations: Array
    poses: Array
    noise: Array


def match_stops(
    joint_times: Array,
    configurations: Array,
    tool_times: Array,
    poses: Array,
    rotations: bool,
    still_for: float,
    still_within: float,
    time_offset: float | None,
) -> Matched:
    """One sample at each stop of the arm at which the tool was read.

    Parameters
    ----------
    joint_times : (n,)
        Increasing [s].
    configurations : (n, J)
        [rad or m]
    tool_times : (m,)
        Increasing [s].
    poses : (m, 4, 4)
    rotations : bool
        Whether the poses have rotations that were measured.
    still_for : float
        Shortest stop [s].
    still_within : float
        Largest range of a joint during a stop [rad or m].
    time_offset : float, optional
        Added to the tool's times [s]; default: what makes both move at the same time, 0 where that is not clear.

    Raises
    ------
    DatasetError
        When the arm never stands still, the tool was never read meanwhile, or moved at most stops.
    """
    turns = _whole_turns(configurations)
    unwrapped = configurations + turns
    stops = find_stops(joint_times, unwrapped, still_for, still_within)
    if not stops:
        raise DatasetError(_never_still(joint_times, unwrapped, still_for, still_within))
    if time_offset is None:
        time_offset = -(estimate_delay(joint_times, unwrapped, tool_times, poses) or 0.0)
    tool_times = tool_times + time_offset
    samples, few, moving = [], 0, 0
    for stop in stops:
        begin, end = _inner(stop)
        first, last = np.searchsorted(tool_times, [begin, end])
        if last - first < FEWEST:
            few += 1
            continue
        readings = poses[first:last]
        average = average_poses(readings) if rotations else average_positions(readings[:, :3, 3])
        if average.drift > _largest_drift(readings[:, :3, 3]):
            moving += 1
            continue
        rows = slice(*np.searchsorted(joint_times, [begin, end]))
        # As the joint was read when the stop began, without the turns counted before.
        configuration = unwrapped[rows].mean(axis=0) - turns[stop.first]
        samples.append((configuration, average.pose, average.noise))
    if moving > len(samples) or not samples:
        raise DatasetError(
            f"the tool moves at {moving} of {len(stops)} stops and is read fewer than {FEWEST} times at {few}; joints "
            f"are read from {joint_times[0]:.1f} to {joint_times[-1]:.1f} s, the tool from {tool_times[0]:.1f} to "
            f"{tool_times[-1]:.1f} s: do both use one clock? time_offset is added to the tool's times"
        )
    return Matched(*(np.array(values) for values in zip(*samples, strict=True)))


def _largest_drift(positions: Array) -> float:
    """By how much the means of both halves of readings (n, 3) of a tool at rest may differ [m]."""
    count = len(positions)
    if count < FEWEST_FOR_NOISE:
        return UNKNOWN_DRIFT
    # From one reading to the next, which a motion hardly changes; the median, for which glitches hardly count.
    noise = 1.4826 * float(np.median(np.abs(np.diff(positions, axis=0)))) / np.sqrt(2.0)
    return max(LARGEST_DRIFT, DRIFT_FACTOR * 2.0 * np.sqrt(3.0 / count) * noise)


def _inner(stop: Stop) -> tuple[float, float]:
    margin = min(MARGIN, MARGIN_SHARE * (stop.end - stop.begin))
    return stop.begin + margin, stop.end - margin


def _whole_turns(configurations: Array) -> Array:
    """Turns (n, J) [rad] to add so that a joint that goes on past half a turn does not jump to the other end."""
    return np.unwrap(configurations, axis=0) - configurations


def _never_still(times: Array, configurations: Array, still_for: float, still_within: float) -> str:
    """Why there is no stop: the rate of the readings, or how long the arm stands still at most."""
    interval = float(np.median(np.diff(times))) if len(times) > 1 else np.inf
    text = f"the arm never stands still for {still_for:g} s within {still_within:g} rad or m"
    if interval > 0.5 * still_for:
        return f"{text}: its joints are read every {interval:.2g} s; a longer still_for is needed"
    length = still_for
    while length > interval:
        length *= 0.5
        shorter = find_stops(times, configurations, length, still_within, largest_gap=0.5 * still_for)
        if shorter:
            longest = max(stop.end - stop.begin for stop in shorter)
            return f"{text}: for {longest:.2g} s at most; still_for and still_within say what counts as a stop"
    return f"{text}, nor for less: either it always moves, or its joints' readings scatter more than still_within"
