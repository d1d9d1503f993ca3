"""A smooth path of the joints through configurations that arrive one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.transforms import Array

FIRST_CAPACITY = 64
# Between two waypoints a joint leaves the interval between their values by at most this share of duration times speed,
# for each of the two: the maximum of x (1 - x)^2.
OVERSHOOT = 4.0 / 27.0
# A cubic between two waypoints runs one way where its speeds are at most this many times the mean (Fritsch, Carlson).
MONOTONE = 3.0


class JointPath:
    """Cubic Hermite path through waypoints, over *path time*: seconds as they would pass at the wanted speed.

    The velocity at a waypoint is that of the parabola through it and its two neighbours, so it is known when the next
    one has come; the part before that is final and may be driven (``drivable``). The first and the last waypoint have
    the mean velocity of their only segment: two waypoints make a straight line. Where a joint would be led beyond its
    limits on the way, its velocity at the waypoint is limited such that it is not.

    Parameters
    ----------
    first : (J,)
        Where the path begins [rad or m], at path time 0.
    lower, upper : (J,)
        Joint limits.

    Attributes
    ----------
    closed : bool
        Whether no more waypoints come.
    """

    def __init__(self, first: ArrayLike, lower: ArrayLike, upper: ArrayLike):
        first = np.asarray(first, dtype=float)
        self._lower, self._upper = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
        self._times = np.zeros(FIRST_CAPACITY)
        self._points = np.zeros((FIRST_CAPACITY, len(first)))
        self._slopes = np.zeros_like(self._points)
        # Of the segment that begins at a waypoint: the largest second derivative in it.
        self._bends = np.zeros_like(self._points)
        self._shares = np.ones(FIRST_CAPACITY)
        self._points[0] = first
        self._count = 1
        self.closed = False

    def add(self, waypoint: ArrayLike, duration: float, share: float = 1.0) -> None:
        """Append a waypoint.

        Parameters
        ----------
        waypoint : (J,)
            [rad or m]
        duration : float
            From the last one, at the wanted speed [s].
        share : float
            Share of the wanted speed that is allowed at the waypoint, above 0 to 1; interpolated in between.

        Raises
        ------
        InvalidInputError
            When a value is not finite, the duration or the share not positive, or the path closed.
        """
        waypoint = np.asarray(waypoint, dtype=float)
        if waypoint.shape != self._points[0].shape or not np.isfinite(waypoint).all():
            raise InvalidInputError("waypoint", waypoint.tolist(), f"{self._points.shape[1]} finite positions")
        if not (np.isfinite(duration) and duration > 0.0 and 0.0 < share <= 1.0):
            raise InvalidInputError("duration, share", (duration, share), "a time above 0 s, a share above 0 to 1")
        if self.closed:
            raise InvalidInputError("waypoint", "one more", "none: the path is closed")
        n = self._count
        if n == len(self._times):
            self._grow()
        self._times[n], self._points[n], self._shares[n] = self._times[n - 1] + duration, waypoint, share
        self._count += 1
        chord = (waypoint - self._points[n - 1]) / duration
        if n == 1:
            self._slopes[0] = chord
            return
        before = self._times[n - 1] - self._times[n - 2]
        last = (self._points[n - 1] - self._points[n - 2]) / before
        slope = (last * duration + chord * before) / (before + duration)
        self._slopes[n - 1] = self._inside(self._points[n - 1], slope, last, chord, max(before, duration))
        self._bends[n - 2] = self._bend(n - 2)

    def close(self) -> None:
        """Say that the path ends at its last waypoint."""
        n = self._count
        if not self.closed and n > 1:
            self._slopes[n - 1] = (self._points[n - 1] - self._points[n - 2]) / (
                self._times[n - 1] - self._times[n - 2]
            )
            self._bends[n - 2] = self._bend(n - 2)
        self.closed = True

    @property
    def count(self) -> int:
        """Number of waypoints."""
        return self._count

    @property
    def last(self) -> Array:
        """The last waypoint (J,)."""
        return self._points[self._count - 1].copy()

    @property
    def end(self) -> float:
        """Path time of the last waypoint [s]."""
        return float(self._times[self._count - 1])

    @property
    def drivable(self) -> float:
        """Path time up to which the path is final [s]."""
        return self.end if self.closed else float(self._times[max(0, self._count - 2)])

    def time_of(self, index: int) -> float:
        """Path time of a waypoint [s]; infinity where it has not come."""
        return float(self._times[index]) if index < self._count else np.inf

    def at(self, along: ArrayLike) -> tuple[Array, Array]:
        """Configurations and derivatives by path time, each (n, J), at path times (n,) [s] from 0 to ``drivable``."""
        places: Array = np.clip(np.array(along, dtype=float, ndmin=1), 0.0, self.drivable)
        if self._count == 1:
            return np.repeat(self._points[:1], len(places), axis=0), np.zeros((len(places), self._points.shape[1]))
        i = self._segment(places)
        duration = (self._times[i + 1] - self._times[i])[:, None]
        x = (places - self._times[i])[:, None] / duration
        begin, step = self._points[i], self._points[i + 1] - self._points[i]
        v0, v1 = self._slopes[i] * duration, self._slopes[i + 1] * duration
        a, b = v0 + v1 - 2.0 * step, 3.0 * step - 2.0 * v0 - v1
        return begin + x * (v0 + x * (b + x * a)), (v0 + x * (2.0 * b + 3.0 * x * a)) / duration

    def bend(self, along: Array) -> Array:
        """Largest second derivatives (n, J) by path time in the segments around path times (n,)."""
        if self._count == 1:
            return np.zeros((len(along), self._points.shape[1]))
        return self._bends[self._segment(along)]

    def share(self, along: Array) -> Array:
        """Share of the wanted speed (n,) that is allowed at path times (n,)."""
        return np.interp(along, self._times[: self._count], self._shares[: self._count])

    def _segment(self, along: Array) -> Array:
        found = np.searchsorted(self._times[: self._count], along, side="right") - 1
        return np.clip(found, 0, self._count - 2)

    def _bend(self, i: int) -> Array:
        duration = self._times[i + 1] - self._times[i]
        step = (self._points[i + 1] - self._points[i]) / duration
        v0, v1 = self._slopes[i], self._slopes[i + 1]
        # Linear in between: the larger of the two ends.
        return np.maximum(np.abs(6.0 * step - 4.0 * v0 - 2.0 * v1), np.abs(6.0 * step - 2.0 * v0 - 4.0 * v1)) / duration

    def _inside(self, point: Array, slope: Array, last: Array, chord: Array, longest: float) -> Array:
        """Slope with which neither segment at a waypoint leaves the joint limits."""
        room = np.minimum(point - self._lower, self._upper - point)
        bound = np.where(last * chord > 0.0, MONOTONE * np.minimum(np.abs(last), np.abs(chord)), 0.0)
        # Twice: the slope at the other end may lead out as far.
        near = 2.0 * OVERSHOOT * np.abs(slope) * longest > room
        return np.where(near, np.clip(slope, -bound, bound), slope)

    def _grow(self) -> None:
        for name in ("_times", "_points", "_slopes", "_bends", "_shares"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros_like(array)]))
