"""What is measured of an arm, without ROS: when it stands still, and what its joints and its tool's pose are then."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from crisp_ik_ros.datasets.averages import FEWEST_FOR_NOISE, Average, average_poses, average_positions
from crisp_ik_ros.datasets.capture import StillWindow
from crisp_ik_ros.datasets.readings import Readings
from crisp_ik_ros.datasets.units import LIMIT_SLACK
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.nodes.joint_order import indices_of
from crisp_ik_ros.nodes.targets import pose_at
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# Where a topic has been silent for this long, or for as long as the arm is to stand still, this is said [s].
SILENCE = 0.5
# A stamp farther from the time of arrival is of another clock: the time of arrival counts then [s].
LARGEST_DELAY = 1.0
FEWEST_POSES = 3
# Share of the time that the arm stands still over which there must be poses.
COVERED = 0.5
# The measured position stands still where its halves differ by less than so many standard deviations.
DRIFT_FACTOR = 3.0
WAITING = "waiting for readings"


class Measurement(NamedTuple):
    """One stop of the arm.

    Attributes
    ----------
    configuration : (J,)
        Mean of the joint readings [rad or m].
    tool : Average or None
        Of the tool's pose; None where nothing measures it.
    begin, end : float
        Times between which the readings were taken [s].
    readings : int
        Of the joints.
    """

    configuration: Array
    tool: Average | None
    begin: float
    end: float
    readings: int


class Source:
    """One topic: when something came of it last, and what was wrong with the last message that was refused."""

    def __init__(self, topic: str, what: str, sender: str):
        self.topic, self.what, self.sender = topic, what, sender
        self.refused = ""
        self.foreign_clock = False
        self._heard = -math.inf

    def time_of(self, stamp: float, now: float) -> float:
        """Time that a message is of [s]: its stamp, or its arrival ``now`` where stamps are of another clock."""
        if not abs(now - stamp) <= LARGEST_DELAY:
            self.foreign_clock = True
        return now if self.foreign_clock else stamp

    def accept(self, now: float) -> None:
        """Note a good message."""
        self._heard, self.refused = now, ""

    def silence(self, now: float, longest: float) -> str:
        """Words for a topic of which nothing came for longer than ``longest`` [s]; else empty."""
        if now - self._heard <= longest:
            return ""
        if self.refused:
            return f"what comes on {self.topic} is refused: {self.refused}"
        return f"no {self.what} received in the last {longest:g} s on {self.topic}; is {self.sender} running?"


class Measurements:
    """Readings of the joints and of the tool's pose, and whether they make a measurement.

    Parameters
    ----------
    robot : RobotModel
    still_for, still_within : float
        Time over which no joint may move by more [s, rad or m].
    pose_within : float
        Distance that the mean measured position may move meanwhile, beyond its noise [m].
    joint_topic, pose_topic : str
        Names for messages; without a pose topic the joints alone are a measurement.
    orientation : bool
        Whether the orientation is measured too.
    """

    def __init__(
        self,
        robot: RobotModel,
        still_for: float,
        still_within: float,
        pose_within: float = math.inf,
        joint_topic: str = "/joint_states",
        pose_topic: str = "",
        orientation: bool = True,
    ):
        self.robot = robot
        self.still_for = still_for
        self.pose_within = pose_within
        self.orientation = orientation
        self.frame_id = ""
        self.joints = Source(joint_topic, "joint states", "the robot's driver")
        self.tool = Source(pose_topic, "pose", "the publisher") if pose_topic else None
        self._names: list[str] = []
        self._order: list[int] = []
        keep = still_for + LARGEST_DELAY
        self._still = StillWindow(
            robot.joint_names, still_for, still_within, keep, None, robot.continuous, robot.chain.prismatic
        )
        self._poses = Readings(keep)

    def read_joints(self, stamp: float, now: float, names: Sequence[str], positions: Sequence[float]) -> Array | None:
        """Take a reading of the joints, named in any order, others among them; return it as (J,) [rad or m].

        None where it is of other joints only: a gripper may have a driver of its own.

        Parameters
        ----------
        stamp, now : float
            When it was taken, and when it came [s].

        Raises
        ------
        InvalidInputError
            When a joint is missing, there are more or fewer positions than names, or one is not finite.
        """
        try:
            if len(names) != len(positions):
                raise InvalidInputError("position", f"{len(positions)} for {len(names)} names", "as many of each")
            if list(names) != self._names:
                if not set(names) & set(self.robot.joint_names):
                    self.joints.refused = f"name: got {', '.join(names)}, expected {', '.join(self.robot.joint_names)}"
                    return None
                self._order = indices_of(names, self.robot.joint_names, "name")
                self._names = list(names)
            configuration = np.asarray(positions, dtype=float)[self._order]
            if not np.isfinite(configuration).all():
                raise InvalidInputError("position", configuration.tolist(), "finite numbers")
        except InvalidInputError as error:
            self.joints.refused = str(error)
            raise
        # Only of good messages is it asked which clock their stamps are of.
        self._still.add(self.joints.time_of(stamp, now), configuration)
        self.joints.accept(now)
        return configuration

    def read_pose(
        self,
        stamp: float,
        now: float,
        position: Sequence[float],
        quaternion: Sequence[float],
        frame_id: str = "",
    ) -> None:
        """Take a reading of the tool's position (3,) [m] and orientation (4,), x y z w.

        Raises
        ------
        InvalidInputError
            When a value is not finite, the quaternion is not of unit length within 1 % (where the orientation is
            measured), or the frame is another than before.
        """
        assert self.tool is not None
        try:
            if self._poses.last > -math.inf and frame_id != self.frame_id:
                raise InvalidInputError("frame_id", repr(frame_id), f"{self.frame_id!r}, as before")
            if not np.isfinite(position).all():
                raise InvalidInputError("position", list(position), "finite numbers")
            pose = pose_at(position, quaternion if self.orientation else (0.0, 0.0, 0.0, 1.0), "orientation")
        except InvalidInputError as error:
            self.tool.refused = str(error)
            raise
        self._poses.add(self.tool.time_of(stamp, now), pose)
        self.frame_id = frame_id
        self.tool.accept(now)

    def silence(self, now: float) -> str:
        """Which topic is silent at a time [s], in words; empty where all is heard."""
        longest = max(SILENCE, self.still_for)
        return self.joints.silence(now, longest) or (self.tool.silence(now, longest) if self.tool else "")

    def look(self, now: float, since: float = -math.inf) -> Measurement | str:
        """Measurement that there is at a time, or in words why there is none.

        Parameters
        ----------
        now : float
            [s]
        since : float
            Only what was still being read at this time counts [s].
        """
        if silence := self.silence(now):
            return silence
        # Of the two, the one that comes later is waited for.
        end = min(self._still.last, self._poses.last) if self.tool else self._still.last
        if fault := self._still.fault(end):
            return fault
        if end < since:
            return WAITING
        times, _ = self._still.window(end)
        configuration = self._still.mean(end)
        if outside := self._outside(configuration):
            return outside
        tool = None
        if self.tool:
            read, poses = self._poses.between(times[0], end)
            if len(poses) < FEWEST_POSES or read[-1] - read[0] < COVERED * self.still_for:
                return (
                    f"too few poses on {self.tool.topic} in the {self.still_for:g} s that the arm has stood still: "
                    f"{len(poses)}, expected {FEWEST_POSES} or more, all along"
                )
            tool = average_poses(poses) if self.orientation else average_positions(poses[:, :3, 3])
            if tool.readings >= FEWEST_FOR_NOISE and tool.drift > max(
                self.pose_within, DRIFT_FACTOR * tool.drift_noise
            ):
                return (
                    f"the measured position is still moving: by {1e3 * tool.drift:.2g} mm within {self.still_for:g} s"
                )
        return Measurement(self.robot.wrapped(configuration), tool, float(times[0]), end, len(times))

    def in_base_frame(self) -> bool:
        """Whether poses come in the robot's base frame; a frame that is not named is."""
        return self.frame_id.lstrip("/") in ("", self.robot.base_link)

    def _outside(self, configuration: Array) -> str:
        robot = self.robot
        confined = robot.confined(configuration)
        beyond = np.abs(robot.wrapped(configuration) - confined)
        joint = int(np.argmax(beyond))
        if beyond[joint] <= LIMIT_SLACK:
            return ""
        prismatic = robot.chain.prismatic[joint]
        return (
            f"joint {robot.joint_names[joint]} is at {configuration[joint]:.4g}, outside its limits "
            f"{robot.lower[joint]:.4g} to {robot.upper[joint]:.4g} {'m' if prismatic else 'rad'}; are these "
            f"{'millimetres' if prismatic else 'degrees'}, or is it another robot?"
        )
