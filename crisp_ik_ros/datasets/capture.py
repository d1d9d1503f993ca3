"""When an arm stands still: from readings of its joints as they come, and in a recording."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.datasets.readings import ROUNDING, Readings
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.transforms import Array


class Stop(NamedTuple):
    """Rows ``first`` to ``last`` (not included) of the readings, from time ``begin`` to ``end`` [s]."""

    first: int
    last: int
    begin: float
    end: float


def find_stops(
    times: ArrayLike,
    configurations: ArrayLike,
    still_for: float,
    still_within: float,
    largest_gap: float | None = None,
) -> list[Stop]:
    """Find where an arm stands still: no joint's range is above ``still_within`` over at least ``still_for``.

    Each begins with the first reading it can and is as long as it can be; no two have readings in common. Of those that
    follow each other within ``still_for`` at the same place, within twice ``still_within``, only the longest counts: an
    arm that comes to rest slowly, or creeps, stands there once.

    Parameters
    ----------
    times : (n,)
        When the joints were read [s], increasing.
    configurations : (n, J)
        [rad or m]
    still_for : float
        Shortest stop [s].
    still_within : float
        Largest difference between two readings of a joint during a stop [rad or m].
    largest_gap : float, optional
        Where no reading comes for longer, nothing is known [s]; default: half of ``still_for``.

    Raises
    ------
    InvalidInputError
        When times do not increase, a value is not finite, or an argument is out of range.
    """
    times, configurations = np.asarray(times, dtype=float), np.asarray(configurations, dtype=float)
    if times.ndim != 1 or configurations.ndim != 2 or len(times) != len(configurations):
        raise InvalidInputError("times", f"shapes {times.shape}, {configurations.shape}", "(n,) and (n, J)")
    if not (np.isfinite(times).all() and np.isfinite(configurations).all()):
        raise InvalidInputError("configurations", "a value that is not finite", "finite numbers")
    if len(times) and not (np.diff(times) > 0.0).all():
        raise InvalidInputError("times", f"none later at row {1 + int(np.argmin(np.diff(times)))}", "increasing times")
    gap = _check_window(still_for, still_within, largest_gap)
    # One past the last reading before the next gap.
    breaks = np.append(np.flatnonzero(np.diff(times) > gap) + 1, len(times))
    limits = breaks[np.searchsorted(breaks, np.arange(len(times)), side="right")] if len(times) else breaks
    candidates = _candidates(times, configurations, still_for, still_within, limits)
    stops: list[Stop] = []
    row = 0
    while True:
        waiting = np.searchsorted(candidates, row)
        if waiting == len(candidates):
            return _longest_of_each(stops, configurations, still_for, still_within)
        row = int(candidates[waiting])
        last = _still_until(configurations, row, int(limits[row]), still_within)
        if times[last - 1] - times[row] >= still_for - ROUNDING:
            stops.append(Stop(row, last, float(times[row]), float(times[last - 1])))
            row = last
        else:
            # What is too far from the reading that ended it cannot be in a stop with that one.
            last = min(last, len(times) - 1)
            far = (np.abs(configurations[row:last] - configurations[last]) > still_within).any(axis=1)
            row += 1 + (int(np.flatnonzero(far)[-1]) if far.any() else 0)


def _candidates(
    times: Array, configurations: Array, still_for: float, still_within: float, limits: np.ndarray
) -> np.ndarray:
    """Rows (k,) at which a stop may begin: a few looks ahead rule most of the others out."""
    rows = np.arange(len(times))
    possible = np.ones(len(times), dtype=bool)
    for share in (1.0, 0.5, 0.25):
        ahead = np.searchsorted(times, times + share * still_for - ROUNDING)
        possible &= ahead < limits
        ahead = np.minimum(ahead, len(times) - 1)
        possible &= (np.abs(configurations[ahead] - configurations) <= still_within).all(axis=1)
    return rows[possible]


def _still_until(configurations: Array, first: int, limit: int, within: float) -> int:
    """One past the last row with which the range of every joint since row ``first`` is still within."""
    low = high = configurations[first]
    size = 256
    start = first
    while start < limit:
        part = configurations[start : min(start + size, limit)]
        lows = np.minimum(np.minimum.accumulate(part), low)
        highs = np.maximum(np.maximum.accumulate(part), high)
        beyond = ((highs - lows) > within).any(axis=1)
        if beyond.any():
            return start + int(np.argmax(beyond))
        low, high = lows[-1], highs[-1]
        start += len(part)
        size = min(2 * size, 65536)
    return limit


def _longest_of_each(stops: list[Stop], configurations: Array, still_for: float, still_within: float) -> list[Stop]:
    """Of stops at one place, one after the other, the longest."""
    places: list[list[Stop]] = []
    before = None
    for stop in stops:
        middle = configurations[stop.first : stop.last].mean(axis=0)
        near = before is not None and np.abs(middle - before).max() <= 2.0 * still_within
        if near and stop.begin - places[-1][-1].end < still_for:
            places[-1].append(stop)
        else:
            places.append([stop])
        before = middle
    return [max(place, key=lambda stop: stop.end - stop.begin) for place in places]


def _check_window(still_for: float, still_within: float, largest_gap: float | None) -> float:
    gap = 0.5 * still_for if largest_gap is None else largest_gap
    for name, value in (("still_for", still_for), ("still_within", still_within), ("largest_gap", gap)):
        if not 0.0 < value < math.inf:
            raise InvalidInputError(name, value, "a finite number above 0")
    return gap


class StillWindow:
    """Tells, reading by reading, whether the joints have stood still for a while.

    Parameters
    ----------
    joint_names : sequence of str
    still_for : float
        Length of the window [s].
    still_within : float
        Largest difference between two readings of a joint in it [rad or m].
    keep : float, optional
        How long readings are kept, so that a window of the past can be asked for [s]; default: ``still_for``.
    largest_gap : float, optional
        Where no reading comes for longer, nothing is known [s]; default: half of ``still_for``.
    continuous, prismatic : (J,) bool, optional
        Joints whose readings jump by a turn, and joints that are in metres.

    Raises
    ------
    InvalidInputError
        When an argument is out of range.
    """

    def __init__(
        self,
        joint_names: Sequence[str],
        still_for: float,
        still_within: float,
        keep: float | None = None,
        largest_gap: float | None = None,
        continuous: ArrayLike | None = None,
        prismatic: ArrayLike | None = None,
    ):
        self.largest_gap = _check_window(still_for, still_within, largest_gap)
        self.joint_names = tuple(joint_names)
        self.still_for = still_for
        self.still_within = still_within
        none = np.zeros(len(self.joint_names), dtype=bool)
        self._continuous = none if continuous is None else np.asarray(continuous, dtype=bool)
        self._prismatic = none if prismatic is None else np.asarray(prismatic, dtype=bool)
        self._readings = Readings(max(still_for, keep or 0.0) + self.largest_gap)

    @property
    def last(self) -> float:
        """Time of the newest reading [s]; minus infinity where there is none."""
        return self._readings.last

    def add(self, time: float, configuration: ArrayLike) -> None:
        """Append a reading (J,) [rad or m] of a time [s].

        Raises
        ------
        InvalidInputError
            When its shape is wrong or a value is not finite.
        """
        configuration = np.array(configuration, dtype=float)
        if configuration.shape != (len(self.joint_names),):
            raise InvalidInputError("configuration", f"shape {configuration.shape}", f"({len(self.joint_names)},)")
        if not (np.isfinite(configuration).all() and math.isfinite(time)):
            raise InvalidInputError("configuration", "a value that is not finite", "finite numbers")
        self._readings.add(time, configuration)

    def clear(self) -> None:
        """Forget all readings."""
        self._readings.clear()

    def still(self, end: float | None = None) -> bool:
        """Whether the joints stood still over the whole window that ends at a time [s]; default: the newest reading."""
        return not self.fault(end)

    def fault(self, end: float | None = None) -> str:
        """Say why the joints are not known to have stood still over the window; empty where they are."""
        times, configurations = self.window(end)
        if not len(times):
            return "the joints are not read"
        end = self.last if end is None else end
        gap = float(np.diff(np.append(times, end)).max())
        if gap > self.largest_gap:
            return f"the joints were not read for {gap:.2g} s"
        ranges = np.ptp(configurations, axis=0)
        joint = int(np.argmax(ranges))
        if ranges[joint] > self.still_within:
            speed = ranges[joint] / (times[-1] - times[0])
            unit = "m/s" if self._prismatic[joint] else "rad/s"
            return f"the arm is still moving: joint {self.joint_names[joint]} {speed:.2g} {unit}"
        if times[0] > end - self.still_for + ROUNDING:
            return f"the joints have been read for {end - times[0]:.2g} s only"
        return ""

    def window(self, end: float | None = None) -> tuple[Array, Array]:
        """Times (n,) [s] and configurations (n, J) [rad or m] of the window that ends at a time [s].

        The first may be a moment older than the window, so that all of it is covered.
        A continuous joint's are whole turns from where they were read, so that none is half a turn from the first.
        """
        end = self.last if end is None else end
        times, configurations = self._readings.between(end - self.still_for, end, covering=True)
        configurations = configurations.reshape(len(times), len(self.joint_names))
        if self._continuous.any() and len(times):
            turns = np.round((configurations - configurations[0]) / (2.0 * math.pi))
            configurations = configurations - 2.0 * math.pi * turns * self._continuous
        return times, configurations

    def mean(self, end: float | None = None) -> Array:
        """Mean configuration (J,) [rad or m] of the window.

        Raises
        ------
        InvalidInputError
            When there is no reading in it.
        """
        _, configurations = self.window(end)
        if not len(configurations):
            raise InvalidInputError("end", end, "a time at which the joints were read")
        return configurations.mean(axis=0)
