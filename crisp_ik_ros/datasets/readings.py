"""The last readings of a sensor, with their times."""

from __future__ import annotations

import math

import numpy as np

from crisp_ik_ros.transforms import Array

# Rounding of a time since 1970 in double precision, with a margin [s].
ROUNDING = 1e-6


class Readings:
    """The last readings of one thing with their times, oldest first.

    Parameters
    ----------
    keep : float
        Readings are forgotten when they are this much older than the newest [s].
    """

    def __init__(self, keep: float):
        self.keep = keep
        # Rows from ``first`` to ``last`` (not included) are there; before them is what was forgotten.
        self._times = np.empty(0)
        self._values = np.empty(0)
        self._first = self._last = 0

    def __len__(self) -> int:
        return self._last - self._first

    @property
    def last(self) -> float:
        """Time of the newest [s]; minus infinity where there is none."""
        return float(self._times[self._last - 1]) if len(self) else -math.inf

    def add(self, time: float, value: Array) -> None:
        """Append one. One of a time that is there already says nothing new; where time goes back, all begins anew."""
        if time == self.last:
            return
        if time < self.last:
            self.clear()
        if self._last == len(self._times):
            self._make_room(value)
        self._times[self._last], self._values[self._last] = time, value
        self._last += 1
        while self._times[self._first] < time - self.keep - ROUNDING:
            self._first += 1

    def _make_room(self, value: Array) -> None:
        """Move what is there to the beginning of arrays of twice its size."""
        times, values, count = self._times[self._first : self._last], self._values[self._first : self._last], len(self)
        self._times = np.empty(max(64, 2 * count))
        self._values = np.empty((len(self._times), *np.shape(value)))
        if count:
            self._times[:count], self._values[:count] = times, values
        self._first, self._last = 0, count

    def between(self, begin: float, end: float, covering: bool = False) -> tuple[Array, Array]:
        """Times (n,) [s] and readings (n, ...) of an interval, both ends included.

        With ``covering`` the last reading before the interval is one of them, where none is at its very beginning.
        """
        times, values = self._times[self._first : self._last], self._values[self._first : self._last]
        first, last = np.searchsorted(times, [begin - ROUNDING, end + ROUNDING]).tolist()
        if covering and first > 0 and (first == len(times) or times[first] > begin + ROUNDING):
            first -= 1
        return times[first:last].copy(), values[first:last].copy()

    def clear(self) -> None:
        """Forget all."""
        self._first = self._last = 0
