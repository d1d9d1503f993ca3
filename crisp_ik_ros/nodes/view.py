"""What RViz is shown of a trajectory that is followed."""

from __future__ import annotations

from nav_msgs.msg import Path
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from visualization_msgs.msg import MarkerArray

from crisp_ik_ros.nodes.conversions import path_message, pose_stamped_message
from crisp_ik_ros.nodes.following import Following
from crisp_ik_ros.nodes.markers import error_markers, extend_markers, legend_markers


class View:
    """Publishes ``~/target_path``, ``~/actual_path`` and ``~/markers``.

    Parameters
    ----------
    node : Node
    frame : str
        Base frame of the robot.
    error_scale : float
        Errors are drawn this many times as long as they are.
    lifetime : float
        Seconds that markers stay; 0: for ever.
    """

    def __init__(self, node: Node, frame: str, error_scale: float, lifetime: float):
        self._node, self._frame = node, frame
        self._scale, self._lifetime = error_scale, lifetime
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._target_path = node.create_publisher(Path, "~/target_path", latched)
        self._actual_path = node.create_publisher(Path, "~/actual_path", latched)
        self._markers = node.create_publisher(MarkerArray, "~/markers", latched)
        self._shown = 0
        self._path, self._lines = Path(), MarkerArray()

    def begin(self, run: Following) -> None:
        """Show the targets of a new trajectory, and nothing of the one before."""
        stamp = self._node.get_clock().now().to_msg()
        self._shown = 0
        self._path = path_message([], self._frame, stamp)
        self._lines = error_markers(run.targets[:0], [], self._scale, self._frame, stamp, self._lifetime)
        self._lines.markers += legend_markers(run.targets, self._scale, self._frame, stamp, self._lifetime)
        self._target_path.publish(path_message(run.targets, self._frame, stamp))

    def update(self, run: Following) -> None:
        """Show what was reached since the last time."""
        stamp = self._node.get_clock().now().to_msg()
        new = run.measured(self._shown, run.arrived())
        # What is there already stays in the messages: towards the end of a long path it is far more than what is new.
        self._path.poses += [pose_stamped_message(pose, self._frame, stamp) for pose in new if pose is not None]
        self._path.header.stamp = stamp
        self._actual_path.publish(self._path)
        targets = run.targets[self._shown : len(run.configurations)]
        extend_markers(self._lines, targets, new, self._scale, stamp)
        self._markers.publish(self._lines)
        self._shown += len(new)
