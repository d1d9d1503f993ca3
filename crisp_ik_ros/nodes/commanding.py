"""Commands of a motion as messages for a joint trajectory controller."""

from __future__ import annotations

from array import array
from collections.abc import Callable

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from crisp_ik_ros.nodes.conversions import TrajectoryPoints, duration_message
from crisp_ik_ros.nodes.guard import check_command
from crisp_ik_ros.nodes.time_scaling import GRID, STEP, Plan
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

SECOND = 1_000_000_000
# Commands that wait for a controller that is held up: of those that are lost the next one knows nothing.
QUEUE = 100


class Commander:
    """Publishes plans on the topic that ros2_control's joint trajectory controller listens to.

    Attributes
    ----------
    whole : bool
        Whether each command is to reach to the end of the path, and not only as far as is sure.
    """

    whole = False

    def __init__(self, node: Node, robot: RobotModel, topic: str):
        self._robot = robot
        self._publisher = node.create_publisher(JointTrajectory, topic, QUEUE) if topic else None
        self._points = TrajectoryPoints()
        self._rest: Array | None = None

    @property
    def missing(self) -> list[str]:
        """What is not there yet of what is needed, in words."""
        if self._publisher is None or self._publisher.get_subscription_count():
            return []
        return [f"controller on {self._publisher.topic_name}"]

    def place(self, measured: Array, tolerance: float) -> Array:
        """Where the arm is commanded to rest, if it is measured within a tolerance of that; else where it is (J,)."""
        near = self._rest is not None and np.max(np.abs(measured - self._rest)) <= tolerance
        return self._rest if near and self._rest is not None else measured

    def send(self, plan: Plan, withdrawn: Callable[[], bool]) -> None:
        """Command a plan, unless it is withdrawn.

        Parameters
        ----------
        plan : Plan
        withdrawn : callable
            Asked last of all: the process may have been held up since the plan was made.

        Raises
        ------
        InvalidInputError
            When a value is not finite or outside the limits; nothing is sent then.
        """
        check_command(self._robot, plan.positions, plan.velocities)
        message = JointTrajectory(joint_names=list(self._robot.joint_names), points=self._points.of(plan.positions))
        begin = plan.first * GRID
        message.header.stamp = Time(sec=begin // SECOND, nanosec=begin % SECOND)
        for k, (point, velocities) in enumerate(zip(message.points, plan.velocities.tolist(), strict=True)):
            point.velocities = array("d", velocities)
            point.time_from_start = duration_message(k * STEP)
        if not withdrawn():
            self._publish(message)
            self._rest = plan.positions[-1]

    def _publish(self, message: JointTrajectory) -> None:
        assert self._publisher is not None
        self._publisher.publish(message)
