"""How fast a path is driven: faster and slower within the joints' limits, and always such that it ends at rest."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from crisp_ik_ros.nodes.joint_path import JointPath
from crisp_ik_ros.transforms import Array

# Time between two samples of a command [ns], [s]. Samples lie on one grid for all commands: where two commands agree,
# whoever changes from one to the other on the way sees no difference.
GRID = 5_000_000
STEP = 1e-9 * GRID
# Share of the joints' acceleration that bends of the path may take; the rest is for slowing down in them.
BEND_SHARE = 0.5
# Speed is gained with this share of the acceleration that it may be lost with.
GAIN_SHARE = 0.5
# The speed along the path may change by all of it in this time, however slow the joints are [s].
SHORTEST_CHANGE = 0.02
# What is sampled may be this much above the acceleration that was planned with: the path bends between samples.
ACCELERATION_SLACK = 1.03
# Tried one after the other, where a path bends so much that samples exceed the slack.
CAUTION = (1.0, 0.7, 0.4, 0.15)
TINY = 1e-9
# Where no more is left of the path, and only ever slower, it is left to another command, from rest [s].
NEARLY = 0.01 * STEP


@dataclass(frozen=True)
class Limits:
    """What the joints may do.

    Attributes
    ----------
    velocity : (J,)
        [rad/s or m/s]
    acceleration : float
        Of every joint [rad/s^2 or m/s^2].
    braking_time : float
        No faster than what can be brought to rest within this time [s].
    horizon : float
        Longest time that is planned for [s].
    """

    velocity: Array
    acceleration: float
    braking_time: float
    horizon: float


@dataclass(frozen=True)
class Plan:
    """Where on a path the arm is to be at each sample, to the rest at the end.

    Attributes
    ----------
    first : int
        Number of the first sample on the grid: its time is ``first * GRID`` [ns].
    along, rates : (n,)
        Path time [s], and how much of it passes per second, 0 to 1. The last rate is 0.
    positions, velocities : (n, J)
    braking : int
        Number of the sample from which on it slows down to the rest.
    """

    first: int
    along: Array
    rates: Array
    positions: Array
    velocities: Array
    braking: int

    @classmethod
    def rest(cls, path: JointPath, along: float, first: int) -> Plan:
        """Stay at a path time."""
        positions, slopes = path.at(along)
        return cls(first, np.array([along]), np.zeros(1), positions, np.zeros_like(slopes), first)

    @property
    def last(self) -> int:
        """Number of the last sample, at rest."""
        return self.first + len(self.along) - 1

    @property
    def goal(self) -> float:
        """Path time at which it comes to rest [s]."""
        return float(self.along[-1])

    def state(self, number: int) -> tuple[float, float]:
        """Path time [s] and its rate at a sample of the grid; before the first and after the last they stay."""
        i = min(max(number - self.first, 0), len(self.along) - 1)
        return float(self.along[i]), float(self.rates[i])

    def position(self, time: float) -> Array:
        """Commanded configuration (J,) at a time on the grid's clock [ns]."""
        place = min(max(time / GRID - self.first, 0.0), len(self.along) - 1.0)
        i = min(int(place), len(self.along) - 2)
        if i < 0:
            return self.positions[0]
        return self.positions[i] + (place - i) * (self.positions[i + 1] - self.positions[i])

    def since(self, number: int) -> Plan:
        """What of it is to come from a sample on."""
        k = min(max(number - self.first, 0), len(self.along) - 1)
        parts = self.along[k:], self.rates[k:], self.positions[k:], self.velocities[k:]
        return Plan(self.first + k, *parts, braking=self.braking)

    def then(self, later: Plan, begin: int) -> Plan:
        """Follow this plan from sample ``begin``, then, from its first sample on, a later one."""
        rows = np.clip(np.arange(begin, later.first) - self.first, 0, len(self.along) - 1)

        def joined(before: Array, after: Array) -> Array:
            return np.concatenate([before[rows], after])

        return Plan(
            min(begin, later.first),
            joined(self.along, later.along),
            joined(self.rates, later.rates),
            joined(self.positions, later.positions),
            joined(self.velocities, later.velocities),
            later.braking,
        )


def peaks(positions: Array, velocities: Array) -> Array:
    """Largest accelerations (n - 1, J) between samples (n, J), as a controller interpolates them: cubic in time."""
    mean = 6.0 * np.diff(positions, axis=0) / STEP
    v0, v1 = velocities[:-1], velocities[1:]
    return np.maximum(np.abs(mean - 4.0 * v0 - 2.0 * v1), np.abs(mean - 2.0 * v0 - 4.0 * v1)) / STEP


def plan_ahead(path: JointPath, limits: Limits, along: float, rate: float, first: int, rest_by: int) -> Plan | None:
    """Plan from a state on a path: on as fast as the limits allow, at rest by a sample or where what is drivable ends.

    Parameters
    ----------
    path : JointPath
    limits : Limits
    along, rate : float
        State at the first sample.
    first, rest_by : int
        Numbers on the grid. Where it cannot be at rest by then, it is as soon as it can.

    Returns
    -------
    Plan or None
        None where no plan keeps the limits; one that was made before and still does is to be kept then.
    """
    for caution in CAUTION:
        ahead = _Ahead(path, limits, along, caution * limits.acceleration)
        places, rates, braking = ahead.drive(rate, rest_by - first)
        places = np.minimum(places, path.drivable)
        positions, slopes = path.at(places)
        velocities = slopes * np.asarray(rates)[:, None]
        if (peaks(positions, velocities) <= ACCELERATION_SLACK * limits.acceleration).all():
            return Plan(first, places, np.array(rates), positions, velocities, first + braking)
    return None


class _Ahead:
    """The next stretch of a path: how fast it may be driven at each place of it, and how hard braked."""

    def __init__(self, path: JointPath, limits: Limits, along: float, acceleration: float):
        self._begin, self._end = along, path.drivable
        reach = max(min(limits.horizon, self._end - along), STEP)
        count = max(2, round(reach / STEP) + 1)
        self._spacing = reach / (count - 1)
        places = np.linspace(along, along + reach, count)
        speed = np.abs(path.at(places)[1])
        bend = np.max(path.bend(places), axis=1)
        fastest, bend = np.max(speed, axis=1), np.maximum(bend, TINY)
        # Of a cell between two places the worse of the two.
        bend[:-1] = np.maximum(bend[:-1], bend[1:])
        fastest[:-1] = np.maximum(fastest[:-1], fastest[1:])
        fastest = np.maximum(fastest, acceleration * SHORTEST_CHANGE)
        time = limits.braking_time
        allowed = np.minimum(1.0, path.share(places))
        allowed = np.minimum(allowed, 1.0 / np.maximum(np.max(speed / limits.velocity, axis=1), TINY))
        allowed = np.minimum(allowed, np.sqrt(BEND_SHARE * acceleration / bend))
        # What is at rest within the braking time: rate = time * (acceleration - bend * rate^2) / speed, for the rate.
        root = np.sqrt(fastest**2 + 4.0 * bend * time**2 * acceleration)
        allowed = np.minimum(allowed, 2.0 * acceleration * time / (fastest + root))
        self._acceleration, self._bend, self._fastest = acceleration, bend.tolist(), fastest.tolist()
        self._allowed = self._within(allowed.tolist())

    def _within(self, allowed: list[float]) -> list[float]:
        """Rates from which all that is allowed further on can be kept."""
        # A path that goes on beyond what is looked at does not end there: who must rest earlier sees to that.
        if self._begin + self._spacing * (len(allowed) - 1) >= self._end - TINY:
            allowed[-1] = 0.0
        for i in range(len(allowed) - 2, -1, -1):
            room = allowed[i + 1] ** 2 + 2.0 * self._braking(i, min(allowed[i], allowed[i + 1])) * self._spacing
            allowed[i] = min(allowed[i], room**0.5)
        return allowed

    def _cell(self, place: float) -> int:
        return min(max(int((place - self._begin) / self._spacing), 0), len(self._bend) - 1)

    def _braking(self, cell: int, rate: float) -> float:
        """How fast the rate may fall [1/s]."""
        left = max(self._acceleration - self._bend[cell] * rate * rate, 0.1 * self._acceleration)
        return left / self._fastest[cell]

    def _limit(self, place: float) -> float:
        x = min(max((place - self._begin) / self._spacing, 0.0), len(self._bend) - 1.0)
        i = min(int(x), len(self._bend) - 2)
        return self._allowed[i] + (x - i) * (self._allowed[i + 1] - self._allowed[i])

    def brake(self, place: float, rate: float) -> tuple[list[float], list[float]]:
        """Places and rates of the samples after this one, to the rest."""
        places, rates = [], []
        while rate > 0.0:
            after = max(0.0, rate - STEP * self._braking(self._cell(place), rate))
            place += 0.5 * STEP * (rate + after)
            rate = after
            places.append(place)
            rates.append(rate)
        return places, rates

    def drive(self, rate: float, samples: int) -> tuple[Array, list[float], int]:
        """Places and rates from here on, at rest after so many samples, and at which of them it begins to slow down."""
        place, places, rates = self._begin, [self._begin], [rate]
        tail = self.brake(place, rate)
        while len(places) <= samples:
            found = self._next(place, rate, samples - len(places))
            if found is None:
                break
            place, rate, tail = found
            places.append(place)
            rates.append(rate)
            if rate == 0.0:
                break
        braking = len(places) - 1
        landing = self._land(place, rate, len(tail[0]), samples - braking)
        tail = tail if landing is None else landing
        return np.array(places + tail[0]), rates + tail[1], braking

    def _next(
        self, place: float, rate: float, samples: int
    ) -> tuple[float, float, tuple[list[float], list[float]]] | None:
        """Fastest next sample from which there is a rest in time, and the way to it."""
        cell = self._cell(place)
        falling = rate - STEP * self._braking(cell, rate)
        faster = min(1.0, rate + GAIN_SHARE * STEP * self._braking(cell, rate))
        if rate == 0.0:
            # The last bit of a path, which is less than what is gained in a step.
            faster = min(faster, (self._end - place) / STEP)
        for wish in (faster, rate):
            wish = min(wish, self._limit(place + 0.5 * STEP * (rate + wish)))
            if wish <= falling or wish <= TINY:
                continue
            there = place + 0.5 * STEP * (rate + wish)
            # What is allowed falls with what is left, both towards nothing: the end would never be reached.
            if wish < rate and self._end - there < NEARLY:
                continue
            tail = self.brake(there, wish)
            if len(tail[0]) <= samples and tail[0][-1] <= self._end + TINY:
                return there, wish, tail
        return None

    def _land(self, place: float, rate: float, quickest: int, samples: int) -> tuple[list[float], list[float]] | None:
        """Rest exactly at the end, where that is about where the quickest rest would be; samples after this one."""
        left = self._end - place
        if rate <= TINY or left <= TINY:
            return None
        count = int(np.ceil(2.0 * left / (rate * STEP) - 1e-6))
        if count > min(samples, 2 * quickest + 1) or count < 1:
            return None
        after = (2.0 * left / STEP - rate) / count
        if after < 0.0 or (count == 1 and after > TINY):
            return None
        rates = [rate, *(after * (count - 1 - k) / max(1, count - 1) for k in range(count))]
        if count > 1:
            fall = self._braking(self._cell(place), rate) * STEP * (1.0 + 1e-3)
            if rate - after > fall or after / (count - 1) > fall:
                return None
        places = place + STEP * np.cumsum([0.5 * (a + b) for a, b in pairwise(rates)])
        return places.tolist(), rates[1:]
