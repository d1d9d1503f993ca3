"""Leads the arm to a path, along it, and back to it after it was lost."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.nodes.drive import Drive, straight
from crisp_ik_ros.nodes.joint_path import JointPath
from crisp_ik_ros.nodes.time_scaling import GRID, Limits, Plan
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# The arm gets this long to come exactly to where it is measured, before it sets off from there [ns].
GATHERING = 200_000_000
# Of a cubic from rest to rest, over its length and time: largest speed and largest acceleration.
PEAK_SPEED, PEAK_ACCELERATION = 1.5, 6.0
# A joint that is commanded to move faster than this changes its value from message to message [rad/s or m/s].
MOVING = 0.1


class Lead:
    """One path, and the way to it.

    Parameters
    ----------
    robot : RobotModel
    path : JointPath
        May still grow.
    limits : Limits
    settle : float
        Rest where the way to the path ends [s].
    tolerance : float
        An arm within this of where it was commanded to be is there [rad or m].
    whole : bool
        Whether each command leads to the end of the path, or of the way there.
    """

    def __init__(
        self, robot: RobotModel, path: JointPath, limits: Limits, settle: float, tolerance: float, whole: bool = False
    ):
        self.path, self._whole = path, whole
        self._robot, self._limits, self._tolerance = robot, limits, tolerance
        self._settle = round(settle * 1e9)
        self._main = Drive(path, limits, 0, whole=whole)
        self._drive = self._main
        self._until = 0
        self._let_go = False

    def begin(self, now: int, here: Array, gathering: int = GATHERING) -> Plan:
        """Set off from a configuration (J,) to where the path is to be driven from; the first command, a rest there."""
        goal = self.path.at(self._main.plan.goal)[0][0]
        way = straight(here, goal, self._robot.lower, self._robot.upper, self._limits.velocity)
        self._drive = Drive(way, self._limits, now + gathering, whole=self._whole)
        self._until, self._let_go = 0, False
        return self._drive.plan

    def resume(self, now: int, measured: Array) -> Plan | None:
        """Go on after a rest: from where it is, or, where the arm is elsewhere, slowly back to there first."""
        off = np.abs(measured - self._drive.plan.positions[-1])
        if self._let_go or np.max(off) > self._tolerance:
            # Should it be there nevertheless, and only the measurement be wrong, it is led over within its limits.
            speed = float(np.max(off / self._limits.velocity))
            way = max(PEAK_SPEED * speed, float(np.sqrt(PEAK_ACCELERATION * np.max(off) / self._limits.acceleration)))
            return self.begin(now, measured, max(GATHERING, round(1e9 * way)))
        self._drive.restart(now)
        return None

    def run(self, now: int, rest_by: int) -> Plan | None:
        """Go on, at rest by a time [ns]; what is to be commanded, None where the last command is to go on."""
        if self._drive is not self._main:
            if not self._drive.arrived(now):
                return self._drive.run(now, rest_by)
            self._until = self._until or now + self._settle
            if now < self._until:
                return None
            self._main.restart(now)
            self._drive = self._main
        return self._drive.run(now, rest_by)

    def brake(self, now: int) -> Plan | None:
        """Come to rest as soon as the limits allow."""
        return self._drive.brake(now)

    def let_go(self, now: int) -> None:
        """Take it that what was commanded is not done any more: the arm comes to rest, near where it should be by now.

        Nothing is to be commanded for that; the arm is led back to there from where it is measured then.
        """
        self._drive.brake(now)
        self._let_go = True

    def withdraw(self, now: int) -> bool:
        """Whether it is too late to send the last command; then the one before it goes on to hold."""
        return self._drive.withdraw(now)

    def rests(self, now: int) -> bool:
        """Whether what was commanded is over."""
        return self._drive.rests(now)

    def arrived(self, now: int) -> bool:
        """Whether the path was driven to its end."""
        return self._drive is self._main and self._main.arrived(now)

    def forget_time(self, now: int, shift: int) -> None:
        """Take it that the arm has come to rest where it was commanded to: the clock has jumped by ``shift`` [ns]."""
        self._drive.restart(now)
        if self._until:
            self._until += shift

    @property
    def left(self) -> float:
        """Path time that is final and not commanded yet [s]."""
        return self.path.drivable - self._main.plan.goal

    def passed(self, now: int, index: int) -> int | None:
        """Time [ns] at which a waypoint was passed; None where it was not yet."""
        # On the way to the path none is.
        if self._drive is not self._main or self._main.along(now) < self.path.time_of(index) - 1e-9:
            return None
        return self._main.time_of(self.path.time_of(index))

    def elsewhere(self, now: int, stamp: int, measured: Array) -> str:
        """Say which joint is not where it was commanded to be when it was measured; nothing where all are."""
        # A stamp of another clock, or none, says nothing.
        when = stamp if now - self._drive.history * GRID <= stamp <= now else now
        off = np.abs(measured - self._drive.plan.position(when))
        joint = int(np.argmax(off))
        if off[joint] <= self._tolerance:
            return ""
        name = self._robot.joint_names[joint]
        return f"{name} is {off[joint]:.3f} from where it should be, at most {self._tolerance:g} (tracking_tolerance)"

    def moves(self, now: int) -> bool:
        """Whether the command moves the joints so fast that their positions change from message to message."""
        plan = self._drive.plan
        row = min(max(now // GRID - plan.first, 0), len(plan.velocities) - 1)
        return bool(np.max(np.abs(plan.velocities[row])) > MOVING)
