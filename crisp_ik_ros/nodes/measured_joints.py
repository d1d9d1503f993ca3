"""The joints as they are measured, where that is a sign of life."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import JointState

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.nodes.guard import positions_of
from crisp_ik_ros.nodes.watch import Watch
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

BETWEEN_WARNINGS = 5.0


class MeasuredJoints:
    """Subscribes ``joint_states``; messages that cannot be used are refused with a warning now and then.

    Parameters
    ----------
    node : Node
    robot : RobotModel
    watch : Watch
        Told of all that can be used.
    must_change : callable
        Whether the same positions again would be no sign of life.

    Attributes
    ----------
    joints : (J,) or None
        The last that were heard, within the limits [rad or m].
    stamp : int
        Of their message [ns].
    """

    def __init__(self, node: Node, robot: RobotModel, watch: Watch, must_change: Callable[[], bool]):
        self._node, self._robot, self._watch, self._must_change = node, robot, watch, must_change
        self.joints: Array | None = None
        self.stamp = 0
        node.create_subscription(JointState, "joint_states", self._on_message, qos_profile_sensor_data)

    def _on_message(self, message: JointState) -> None:
        try:
            joints = positions_of(self._robot, message.name, message.position, "joint_states")
        except CrispIKError as error:
            text = f"joint states ignored: {error}"
            self._node.get_logger().warning(text, throttle_duration_sec=BETWEEN_WARNINGS)
            return
        stamp = Time.from_msg(message.header.stamp).nanoseconds
        if self._watch.measured(time.monotonic(), stamp, joints, self._must_change()):
            # A joint at its limit may be measured slightly beyond it.
            self.stamp = stamp
            self.joints = np.clip(joints, self._robot.lower, self._robot.upper)
