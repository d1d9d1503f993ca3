"""Leads the joints along a path with commands that each end at rest, one replacing the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crisp_ik_ros.nodes.joint_path import JointPath
from crisp_ik_ros.nodes.motion import segment_duration
from crisp_ik_ros.nodes.time_scaling import GRID, STEP, TINY, Limits, Plan, plan_ahead
from crisp_ik_ros.transforms import Array

# A command changes nothing before so long from now: it has to get there first [ns].
LEAD = 15_000_000
# The same for a command that leads to the end of the path: at first, and where that is not enough [ns].
WHOLE_LEAD, LONGEST_LEAD = 100_000_000, 10_000_000_000
# The same as the first where the last command already slows down, so that to be late would be felt [ns].
LATER = 35_000_000
# A command that is so late for what it changes is not sent: the arm has gone on as the last one says [ns].
TOO_LATE = 10_000_000


class Drive:
    """Motion along one path, from rest to rest.

    Parameters
    ----------
    path : JointPath
    limits : Limits
    begin : int
        Time before which nothing moves [ns].
    along : float
        Path time to begin at [s].
    whole : bool
        Whether each command is to lead to the end of the path. To plan one takes its time, and another comes only where
        it has not reached the end.

    Attributes
    ----------
    plan : Plan
        What was commanded last.
    history : int
        Samples of the past that are kept: what is measured is compared with what was commanded then.
    """

    def __init__(self, path: JointPath, limits: Limits, begin: int, along: float = 0.0, whole: bool = False):
        self.path, self._limits, self._whole = path, limits, whole
        self._lead = WHOLE_LEAD if whole else LEAD
        self.history = round(limits.horizon / STEP)
        self.plan = Plan.rest(path, along, -(-begin // GRID))
        self._before, self._latest = self.plan, 0

    def withdraw(self, now: int) -> bool:
        """Whether it is too late to send the last command; then the one before it goes on to hold."""
        if now <= self._latest or self._before is self.plan:
            return False
        self.plan = self._before
        if self._whole:
            self._lead = min(2 * self._lead, LONGEST_LEAD)
        return True

    def run(self, now: int, rest_by: int) -> Plan | None:
        """Go on, such that the arm is at rest at a time.

        Parameters
        ----------
        now, rest_by : int
            On one clock [ns].

        Returns
        -------
        Plan or None
            To be commanded; None where the last command is to go on as it is.
        """
        if now + self._lead < self.plan.first * GRID or self._lands() or (self._whole and not self.rests(now)):
            return None
        commit = self._commit(now, self._lead)
        if self.plan.braking <= commit < self.plan.last:
            commit = self._commit(now, LATER)
        return self._replan(now, commit, rest_by // GRID)

    def brake(self, now: int) -> Plan | None:
        """Come to rest as soon as the limits allow; None where the last command already does."""
        commit = self._commit(now, LEAD)
        return self._replan(now, commit, commit)

    def rests(self, now: int) -> bool:
        """Whether what was commanded is over."""
        return now >= self.plan.last * GRID

    def arrived(self, now: int) -> bool:
        """Whether the end of the path is reached, at rest."""
        return self._lands() and self.rests(now)

    def along(self, now: int) -> float:
        """Path time that is commanded for a time [ns], in s."""
        return float(np.interp(now / GRID - self.plan.first, np.arange(len(self.plan.along)), self.plan.along))

    def time_of(self, along: float) -> int:
        """Time at which a path time is passed [ns]; within the last command."""
        return round((self.plan.first + float(np.interp(along, *_rising(self.plan.along)))) * GRID)

    def restart(self, begin: int) -> None:
        """Take it that the arm is at rest where the last command ends, and go on from there after ``begin`` [ns]."""
        self.plan = self._before = Plan.rest(self.path, self.plan.goal, -(-begin // GRID))

    def _commit(self, now: int, lead: int) -> int:
        return max(-(-(now + lead) // GRID), self.plan.first)

    def _lands(self) -> bool:
        return self.path.closed and self.plan.goal >= self.path.end - TINY

    def _replan(self, now: int, commit: int, rest_by: int) -> Plan | None:
        along, rate = self.plan.state(commit)
        new = plan_ahead(self.path, self._limits, along, rate, commit, rest_by)
        if new is None or (new.last > rest_by and new.last >= self.plan.last):
            return None
        if len(new.along) == 1 and self.plan.last <= commit:
            return None  # at rest, and to stay so
        self._before, self._latest = self.plan, commit * GRID + TOO_LATE
        self.plan = self.plan.then(new, max(self.plan.first, now // GRID - self.history))
        return self.plan.since(now // GRID)


def straight(begin: ArrayLike, goal: ArrayLike, lower: Array, upper: Array, velocity: Array) -> JointPath:
    """Straight path in joint space between two configurations (J,), at most at the given speeds (J,)."""
    begin, goal = np.asarray(begin, dtype=float), np.asarray(goal, dtype=float)
    path = JointPath(begin, lower, upper)
    path.add(goal, segment_duration(goal - begin, velocity, 1.0, 0.1))
    path.close()
    return path


def _rising(along: Array) -> tuple[Array, NDArray[np.intp]]:
    """Path times that rise, and their numbers: of a rest the first sample."""
    keep = np.concatenate([[True], np.diff(along) > 0.0])
    return along[keep], np.flatnonzero(keep)
