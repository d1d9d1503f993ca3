"""When joints are where: interpolation of a commanded trajectory, and durations within the velocity limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# The largest speed of a cubic from rest to rest is this many times its mean speed.
CUBIC_PEAK = 1.5
LIMIT_SLACK = 1e-6
# Commanded speeds may exceed the limits by this share: whoever keeps them exactly is not refused for a rounding.
SPEED_SLACK = 0.02

# A command that was over longer ago than this is stale [s].
LATEST = 0.1


@dataclass(frozen=True)
class Motion:
    """Commanded positions over time, as a joint trajectory controller interpolates them.

    Attributes
    ----------
    times : (n,)
        Strictly increasing [s].
    positions : (n, J)
        The first is where the arm was told to be when the command came.
    velocities : (n, J) or None
        With them the interpolation is cubic, without it is linear.
    """

    times: Array
    positions: Array
    velocities: Array | None = None

    @classmethod
    def still(cls, configuration: ArrayLike) -> Motion:
        """Stay at a configuration (J,)."""
        return cls(np.zeros(1), np.asarray(configuration, dtype=float)[None].copy())

    @property
    def end(self) -> float:
        """Time of the last point [s]."""
        return float(self.times[-1])

    def at(self, time: float) -> Array:
        """Commanded configuration (J,) at a time [s]; before the first point and after the last it stays there."""
        return self._evaluate(time)[0]

    def velocity(self, time: float) -> Array:
        """Commanded velocity (J,) at a time [s]."""
        return self._evaluate(time)[1]

    def shifted(self, shift: float) -> Motion:
        """Return the same motion, later by ``shift`` [s]."""
        return Motion(self.times + shift, self.positions, self.velocities)

    def speeds(self) -> Array:
        """Largest speeds (n - 1, J) between the points."""
        durations = np.diff(self.times)[:, None]
        mean = np.diff(self.positions, axis=0) / durations
        if self.velocities is None:
            return np.abs(mean)
        v0, v1 = self.velocities[:-1], self.velocities[1:]
        # The velocity is a parabola: at its ends, or at its vertex where that lies between them.
        a, b = 3.0 * (v0 + v1 - 2.0 * mean), 2.0 * (3.0 * mean - 2.0 * v0 - v1)
        with np.errstate(divide="ignore", invalid="ignore"):
            x = -b / (2.0 * a)
            vertex = np.where((x > 0.0) & (x < 1.0), v0 + x * (b + x * a), 0.0)
        return np.maximum(np.maximum(np.abs(v0), np.abs(v1)), np.abs(vertex))

    def _evaluate(self, time: float) -> tuple[Array, Array]:
        if time >= self.times[-1] or len(self.times) == 1:
            return self.positions[-1], np.zeros_like(self.positions[-1])
        if time <= self.times[0]:
            return self.positions[0], np.zeros_like(self.positions[0])
        i = int(np.searchsorted(self.times, time, side="right")) - 1
        duration = self.times[i + 1] - self.times[i]
        x = (time - self.times[i]) / duration
        begin, step = self.positions[i], self.positions[i + 1] - self.positions[i]
        if self.velocities is None:
            return begin + x * step, step / duration
        v0, v1 = self.velocities[i] * duration, self.velocities[i + 1] * duration
        a, b = v0 + v1 - 2.0 * step, 3.0 * step - 2.0 * v0 - v1
        position = begin + x * (v0 + x * (b + x * a))
        return position, (v0 + x * (2.0 * b + 3.0 * x * a)) / duration


def plan_motion(
    robot: RobotModel,
    now: float,
    current: Motion,
    start: float,
    times_from_start: Sequence[float],
    positions: Sequence[Sequence[float]],
    velocities: Sequence[Sequence[float]] = (),
) -> Motion:
    """Motion from where the arm is commanded to be now through the points of a trajectory.

    Parameters
    ----------
    robot : RobotModel
        Its limits are kept.
    now : float
        Time at which the command takes over from ``current`` [s].
    current : Motion
    start : float
        Time that ``times_from_start`` counts from [s]. Points that are over by ``now`` are left out.
    times_from_start : (n,)
        [s].
    positions : (n, J)
        In the robot's order of joints [rad or m].
    velocities : (n, J), optional
        All or none.

    Raises
    ------
    InvalidInputError
        When there is no point, shapes are wrong, times do not increase, a value is not finite or outside the limits, a
        joint would be faster than it may, or all points were over more than ``LATEST`` ago.
    """
    times = start + np.asarray(times_from_start, dtype=float)
    if len(times) == 0:
        raise InvalidInputError("points", "none", "at least one")
    if any(len(point) != robot.dof for point in positions):
        lengths = sorted({len(point) for point in positions})
        raise InvalidInputError("points", f"positions of length {lengths}", f"{robot.dof} positions in every point")
    wanted = robot.check_configuration(positions, "points")
    if not np.isfinite(times).all() or np.any(np.diff(times) <= 0.0) or np.min(times_from_start) < 0.0:
        raise InvalidInputError("time_from_start", list(times_from_start), "times from 0 on that increase")
    if not robot.within_limits(wanted, LIMIT_SLACK).all():
        outside = (wanted < robot.lower - LIMIT_SLACK) | (wanted > robot.upper + LIMIT_SLACK)
        point, joint = (int(index) for index in np.argwhere(outside)[0])
        limits = f"[{robot.lower[joint]:.4f}, {robot.upper[joint]:.4f}]"
        got = f"{robot.joint_names[joint]} at {wanted[point, joint]:.4f} in point {point}"
        raise InvalidInputError("points", got, f"values within the limits {limits}")
    given = [len(velocity) for velocity in velocities]
    if any(given) and (len(given) != len(times) or set(given) != {robot.dof}):
        raise InvalidInputError("points", f"velocities of lengths {given}", f"{robot.dof} in every point, or none")
    later = times > now
    if not later.any():
        late = now - times[-1]
        if late > LATEST:
            raise InvalidInputError("points", f"a last point {late:.3f} s in the past", f"at most {LATEST} s")
        # A single point "now", or all a little late: as fast as the joints may.
        duration = segment_duration(wanted[-1] - current.at(now), robot.velocity, 1.0, 1e-3)
        return Motion(np.array([now, now + duration]), np.vstack([current.at(now), wanted[-1]]))
    all_times = np.concatenate([[now], times[later]])
    all_positions = np.vstack([current.at(now), wanted[later]])
    motion = Motion(all_times, all_positions)
    if any(given):
        speeds = robot.check_configuration(velocities, "velocities")[later]
        motion = Motion(all_times, all_positions, np.vstack([current.velocity(now), speeds]))
    _check_speeds(robot, motion, int(np.count_nonzero(~later)))
    return motion


def _check_speeds(robot: RobotModel, motion: Motion, over: int) -> None:
    """Refuse a motion through the points of a command, of which the first ``over`` are over, that is too fast."""
    speeds = motion.speeds()
    if np.any(speeds > (1.0 + SPEED_SLACK) * robot.velocity):
        segment, joint = (int(i) for i in np.unravel_index(np.argmax(speeds / robot.velocity), speeds.shape))
        speed, point = speeds[segment, joint], over + segment
        got = f"{robot.joint_names[joint]} at a speed of {speed:.3f} on the way to point {point}"
        if segment == 0:
            # A late command may ask for a jump: what was commanded before has gone on as if it would not come.
            due = 1e3 * (motion.times[1] - motion.times[0])
            got += f", due {due:.1f} ms after the command came; {over} points before it were over"
        raise InvalidInputError("points", got, f"at most {robot.velocity[joint]:.3f}")


def segment_duration(step: ArrayLike, velocity: ArrayLike, scaling: float, period: float) -> float:
    """Seconds for a step (J,), at constant speed: ``period``, or longer where a joint would be too fast.

    Parameters
    ----------
    step : (J,)
        [rad or m]
    velocity : (J,)
        Largest speeds [rad/s or m/s].
    scaling : float
        Share of them that may be used, 0..1.
    period : float
        [s]
    """
    return max(period, float(np.max(np.abs(np.asarray(step)) / (scaling * np.asarray(velocity)))))


def approach_duration(step: ArrayLike, velocity: ArrayLike, scaling: float, shortest: float) -> float:
    """Seconds for a step (J,) that starts and ends at rest (a cubic in time)."""
    return segment_duration(CUBIC_PEAK * np.abs(np.asarray(step)), velocity, scaling, shortest)


def check_step(robot: RobotModel, before: Array, after: Array, limit: float) -> None:
    """Refuse a command that is not finite, or that moves a joint farther than ``limit`` [rad or m].

    Raises
    ------
    InvalidInputError
        The message names the joint.
    """
    after = robot.check_configuration(after, "command")
    step = np.abs(after - before)
    joint = int(np.argmax(step))
    if step[joint] > limit:
        raise InvalidInputError(
            "command", f"a step of {step[joint]:.3f} in {robot.joint_names[joint]}", f"at most {limit} (joint_step)"
        )
