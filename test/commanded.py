"""What a joint trajectory controller makes of commands: cubic splines, each replacing the one before. An oracle."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicHermiteSpline


class Command(NamedTuple):
    """Times (n,) [s], positions and velocities (n, J) of one trajectory message."""

    times: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray


class Controller:
    """Plays commands as they come; the arm stays where a command ends."""

    def __init__(self, start):
        start = np.asarray(start, dtype=float)
        self._pieces = [(-np.inf, Command(np.zeros(1), start[None], np.zeros((1, len(start)))))]

    def receive(self, time: float, command: Command) -> None:
        """From here on: from where the arm is commanded to be now, through the points that are still to come."""
        position, velocity, _ = self.at(time)
        later = command.times > time
        if later.any():
            joined = Command(
                np.concatenate([[time], command.times[later]]),
                np.vstack([position, command.positions[later]]),
                np.vstack([velocity, command.velocities[later]]),
            )
            self._pieces.append((time, joined))

    def at(self, time: float):
        """Position, velocity and acceleration (J,) at a time."""
        command = next(command for begin, command in reversed(self._pieces) if begin <= time)
        if len(command.times) == 1 or time >= command.times[-1]:
            rest = np.zeros_like(command.positions[-1])
            return command.positions[-1], rest, rest
        spline = CubicHermiteSpline(command.times - command.times[0], command.positions, command.velocities)
        x = time - command.times[0]
        return spline(x), spline(x, 1), spline(x, 2)

    def over(self, begin: float, end: float, step: float = 1e-3):
        """Times (n,), positions, velocities and accelerations (n, J)."""
        times, rows = np.arange(begin, end, step), []
        pieces = self._pieces
        starts = [start for start, _ in pieces[1:]]
        owners = np.searchsorted(starts, times, side="right")
        for owner in np.unique(owners):
            command, here = pieces[owner][1], times[owners == owner]
            last = command.times[-1]
            if len(command.times) == 1:
                q = np.repeat(command.positions, len(here), axis=0)
                v = a = np.zeros_like(q)
            else:
                spline = CubicHermiteSpline(command.times - command.times[0], command.positions, command.velocities)
                x = np.minimum(here, last) - command.times[0]
                moving = (here < last)[:, None]
                q, v, a = spline(x), np.where(moving, spline(x, 1), 0.0), np.where(moving, spline(x, 2), 0.0)
            rows.append((q, v, a))
        return times, *(np.concatenate(parts) for parts in zip(*rows, strict=True))
