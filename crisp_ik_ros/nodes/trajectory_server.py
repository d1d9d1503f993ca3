"""FollowJointTrajectory for a simulated arm, as ros2_control's joint trajectory controller serves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.node import Node
from rclpy.task import Future
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.nodes.conversions import doubles, duration_message, seconds, time_message
from crisp_ik_ros.nodes.lifetime import Patiently
from crisp_ik_ros.nodes.motion import Motion
from crisp_ik_ros.transforms import Array

try:
    from control_msgs.action import FollowJointTrajectory
except ImportError:
    FollowJointTrajectory = None

# The action's codes: control_msgs/action/FollowJointTrajectory.
SUCCESSFUL, INVALID_GOAL, PATH_TOLERANCE_VIOLATED, GOAL_TOLERANCE_VIOLATED = 0, -1, -4, -5
# At the end, where a goal names no tolerance: how far joints may be off [rad or m], and how long they have [s].
GOAL_TOLERANCE, GOAL_TIME = 0.01, 0.5
# Time to come to rest after a cancelled goal [s], and between feedback messages [s].
STOPPING, FEEDBACK_PERIOD = 0.2, 0.05


def available() -> bool:
    """Whether control_msgs is installed."""
    return FollowJointTrajectory is not None


class Arm(Protocol):
    """What moves."""

    def check(self, trajectory: JointTrajectory) -> Motion:
        """Motion that a trajectory asks for; raises ``CrispIKError`` where it cannot be driven."""

    def drive(self, motion: Motion) -> None:
        """Move like that from now on."""

    def stop(self, duration: float) -> None:
        """Come to rest within so many seconds."""


@dataclass
class Tolerances:
    """How far joints may be from where they are commanded to be; infinity: any distance.

    Attributes
    ----------
    path, goal : (J,)
        On the way and at the end [rad or m].
    time : float
        After the end, for the joints to come within the latter [s].
    """

    path: Array
    goal: Array
    time: float = GOAL_TIME

    @classmethod
    def of(cls, names: Sequence[str], path: Sequence[Any], goal: Sequence[Any], time: float) -> Tolerances:
        """Those of a goal message for joints in an order; 0: the default, less than 0: none."""
        tolerances = cls(np.full(len(names), np.inf), np.full(len(names), GOAL_TOLERANCE), time or GOAL_TIME)
        for given, limits in ((path, tolerances.path), (goal, tolerances.goal)):
            for one in given:
                if one.name in names and one.position != 0.0:
                    limits[list(names).index(one.name)] = one.position if one.position > 0.0 else np.inf
        return tolerances

    def judge(self, now: float, end: float, error: Array) -> int | None:
        """Code of the result, where the motion is over at a time [s]; errors (J,); None: it goes on."""
        off = np.abs(error)
        if now < end:
            return PATH_TOLERANCE_VIOLATED if np.any(off > self.path) else None
        if np.all(off <= self.goal):
            return SUCCESSFUL
        return GOAL_TOLERANCE_VIOLATED if now >= end + self.time else None


@dataclass
class Goal:
    """One goal that is driven: its handle, motion, tolerances, and the result once there is one."""

    handle: Any
    motion: Motion
    tolerances: Tolerances
    done: Future = field(default_factory=Future)
    told: float = -np.inf


class TrajectoryServer:
    """Serves the action FollowJointTrajectory: one goal at a time, a new one replaces the old.

    Parameters
    ----------
    node : Node
    action : str
        Its name.
    names : sequence of str
        Joints, in the order of the arm.
    arm : Arm
    refused : callable
        Told why a goal is not taken.
    """

    def __init__(self, node: Node, action: str, names: Sequence[str], arm: Arm, refused: Callable[[str], None]):
        self._names, self._arm, self._refused = list(names), arm, refused
        self._goal: Goal | None = None
        self._checked: Motion | None = None
        self._server = ActionServer(
            node,
            FollowJointTrajectory,
            action,
            execute_callback=self._execute,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
        )

    def _on_goal(self, request: Any) -> GoalResponse:
        try:
            self._checked = self._arm.check(request.trajectory)
        except CrispIKError as error:
            self._refused(str(error))
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _on_accepted(self, handle: Any) -> None:
        assert self._checked is not None
        request = handle.request
        tolerances = Tolerances.of(
            self._names, request.path_tolerance, request.goal_tolerance, seconds(request.goal_time_tolerance)
        )
        self.preempt("another goal has taken its place")
        self._goal = Goal(handle, self._checked, tolerances)
        self._arm.drive(self._checked)
        handle.execute()

    def _on_cancel(self, handle: Any) -> CancelResponse:
        goal = self._goal
        if goal is None or goal.handle.goal_id != handle.goal_id:
            return CancelResponse.REJECT
        self._arm.stop(STOPPING)
        self._end(INVALID_GOAL, "cancelled", cancelled=True)
        return CancelResponse.ACCEPT

    async def _execute(self, handle: Any) -> Any:
        goal = self._goal
        if goal is None or goal.handle is not handle:  # over already
            handle.abort()
            return FollowJointTrajectory.Result(error_code=INVALID_GOAL, error_string="another goal came")
        code, words, cancelled = await Patiently(goal.done)
        if cancelled:
            handle.canceled()
        elif code == SUCCESSFUL:
            handle.succeed()
        else:
            handle.abort()
        return FollowJointTrajectory.Result(error_code=code, error_string=words)

    def preempt(self, reason: str) -> None:
        """Take what is driven now, if anything, as over."""
        self._end(INVALID_GOAL, reason)

    def advance(self, now: float, positions: Array, velocities: Array) -> None:
        """Judge and tell how far the goal is, from joints (J,) that are measured at a time [s]."""
        goal = self._goal
        if goal is None:
            return
        wanted = goal.motion.at(now)
        error = wanted - positions
        if now - goal.told >= FEEDBACK_PERIOD and goal.handle.is_active:
            goal.told = now
            feedback = FollowJointTrajectory.Feedback(joint_names=self._names)
            feedback.header.stamp = time_message(now)
            passed = duration_message(max(0.0, now - float(goal.motion.times[0])))
            feedback.desired = _point(wanted, goal.motion.velocity(now), passed)
            feedback.actual = _point(positions, velocities, passed)
            feedback.error = _point(error, goal.motion.velocity(now) - velocities, passed)
            goal.handle.publish_feedback(feedback)
        code = goal.tolerances.judge(now, goal.motion.end, error)
        if code is not None:
            joint = int(np.argmax(np.abs(error)))
            words = (
                "" if code == SUCCESSFUL else f"{self._names[joint]} is {abs(error[joint]):.4f} from where it should be"
            )
            if code == PATH_TOLERANCE_VIOLATED:
                self._arm.stop(STOPPING)
            self._end(code, words)

    def _end(self, code: int, words: str, cancelled: bool = False) -> None:
        goal, self._goal = self._goal, None
        if goal is not None:
            goal.done.set_result((code, words, cancelled))

    def close(self) -> None:
        """Serve no longer."""
        self._end(INVALID_GOAL, "the simulation ends")
        self._server.destroy()


def stopping(now: float, motion: Motion, duration: float, lower: Array, upper: Array) -> Motion:
    """Motion that comes to rest within a time [s], from where and how fast another is."""
    begin, speed = motion.at(now), motion.velocity(now)
    end = np.clip(begin + 0.5 * duration * speed, lower, upper)
    return Motion(np.array([now, now + duration]), np.array([begin, end]), np.array([speed, np.zeros_like(speed)]))


def _point(positions: Array, velocities: Array, time: Any) -> JointTrajectoryPoint:
    return JointTrajectoryPoint(positions=doubles(positions), velocities=doubles(velocities), time_from_start=time)
