"""Subscriptions to what is measured of an arm: its joint states and, where something measures it, its tool's pose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.nodes.conversions import seconds
from crisp_ik_ros.nodes.measurements import Measurements, Source
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

JOINT_TOPIC = "joint_states"
BETWEEN_WARNINGS = 5.0


class Listener:
    """Fills ``measurements`` from topics; messages that cannot be used are refused with a warning now and then.

    Parameters
    ----------
    node : Node
    pose_topic : str
        Empty: nothing measures the tool.
    on_joints : callable, optional
        Called with each configuration (J,) that is read.
    options
        Of ``Measurements``.
    """

    def __init__(
        self,
        node: Node,
        robot: RobotModel,
        pose_topic: str,
        on_joints: Callable[[Array], None] | None = None,
        **options: Any,
    ):
        self._node = node
        self._on_joints = on_joints
        self._options = {
            **options,
            "joint_topic": node.resolve_topic_name(JOINT_TOPIC),
            "pose_topic": node.resolve_topic_name(pose_topic) if pose_topic else "",
        }
        self._told: set[str] = set()
        self.begin(robot)
        # What measures the tool may publish reliably or not: this takes both.
        node.create_subscription(JointState, JOINT_TOPIC, self._joint_states, qos_profile_sensor_data)
        if pose_topic:
            node.create_subscription(PoseStamped, pose_topic, self._pose, qos_profile_sensor_data)

    def begin(self, robot: RobotModel) -> None:
        """Forget what was read, and go on with a robot, perhaps another one."""
        self.measurements = Measurements(robot, **self._options)

    def now(self) -> float:
        """Time of the node's clock [s]."""
        return self._node.get_clock().now().nanoseconds * 1e-9

    def _joint_states(self, message: JointState) -> None:
        measurements = self.measurements
        try:
            configuration = measurements.read_joints(
                seconds(message.header.stamp), self.now(), message.name, message.position
            )
        except CrispIKError as error:
            # Throttled where it stands: a topic's warnings do not silence the other's.
            self._node.get_logger().warning(f"joint states refused: {error}", throttle_duration_sec=BETWEEN_WARNINGS)
            return
        self._tell_of_clock(measurements.joints)
        if configuration is not None and self._on_joints is not None:
            self._on_joints(configuration)

    def _pose(self, message: PoseStamped) -> None:
        measurements = self.measurements
        position, orientation = message.pose.position, message.pose.orientation
        try:
            measurements.read_pose(
                seconds(message.header.stamp),
                self.now(),
                (position.x, position.y, position.z),
                (orientation.x, orientation.y, orientation.z, orientation.w),
                message.header.frame_id,
            )
        except CrispIKError as error:
            self._node.get_logger().warning(f"pose refused: {error}", throttle_duration_sec=BETWEEN_WARNINGS)
            return
        assert measurements.tool is not None
        self._tell_of_clock(measurements.tool)

    def _tell_of_clock(self, source: Source) -> None:
        if source.foreign_clock and source.topic not in self._told:
            self._told.add(source.topic)
            self._node.get_logger().warning(
                f"{source.topic} has stamps of another clock: its messages count as measured when they arrive"
            )
