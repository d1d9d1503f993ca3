"""Node ``target_marker``: a handle in RViz; wherever it is dragged to, /compute_ik is asked, and its answer drawn."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping

import numpy as np
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile
from visualization_msgs.msg import InteractiveMarker, InteractiveMarkerControl, InteractiveMarkerFeedback, MarkerArray

from crisp_ik_ros.errors import CrispIKError, MissingDependencyError
from crisp_ik_ros.nodes.conversions import pose_from_message, pose_message
from crisp_ik_ros.nodes.description import robot_of
from crisp_ik_ros.nodes.ghost import ghost_markers, words_of
from crisp_ik_ros.nodes.guard import positions_of
from crisp_ik_ros.nodes.lifetime import ManagedNode, run_node
from crisp_ik_ros.nodes.parameters import declare, declare_robot
from crisp_ik_ros.nodes.question import Questioner
from crisp_ik_ros.nodes.targets import ErrorCode
from crisp_ik_ros.transforms import Array
from crisp_ik_ros.viewer.words import Answer

try:
    from interactive_markers import InteractiveMarkerServer
except ImportError:
    InteractiveMarkerServer = None  # type: ignore[assignment,misc]

NAME = "target"
# Between looks at whether an answer is overdue [s].
CHECK_PERIOD = 0.1
# Of the quaternion of a control, whose axis is the x axis turned by it: along x, z and y.
AXES = {"x": (1.0, 0.0, 0.0), "z": (0.0, 1.0, 0.0), "y": (0.0, 0.0, 1.0)}


class TargetMarker(ManagedNode):
    """Serves an interactive marker, asks for what it is dragged to, and draws what comes back.

    While an answer is waited for, only the latest place is kept.
    """

    def __init__(self) -> None:
        super().__init__("target_marker")
        if InteractiveMarkerServer is None:
            raise MissingDependencyError(
                "the ROS package interactive_markers is needed, which comes with RViz; install it"
            )
        self._robot = robot = robot_of(**declare_robot(self))
        scale = declare(self, "scale", 0.2, "Size of the handle [m].", 0.01, 10.0)
        timeout = declare(self, "ik_timeout", 0.05, "Time the service may search for a target [s].", 1e-4, 10.0)
        patience = declare(self, "service_timeout", 2.0, "Longest wait for an answer [s].", 0.01, 60.0)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._answers = self.create_publisher(MarkerArray, "~/answer", latched)
        self._questioner = Questioner(self, robot.base_link, timeout, patience, self._on_answer)
        self._questioner.seed = dict(zip(robot.joint_names, robot.rest.tolist(), strict=True))
        self._configuration = robot.rest.copy()
        self._target: Array | None = None
        self.create_timer(CHECK_PERIOD, self._questioner.check, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._server = InteractiveMarkerServer(self, "target_marker")
        marker = handle(robot.base_link, robot.forward_kinematics(robot.rest), scale)
        self._server.insert(marker, feedback_callback=self._on_feedback)
        self._server.applyChanges()
        self.get_logger().info("drag the target in RViz (display InteractiveMarkers, namespace /target_marker)")

    def close(self) -> None:
        """Take the marker away."""
        self._server.shutdown()

    def _on_feedback(self, feedback: InteractiveMarkerFeedback) -> None:
        if feedback.event_type != InteractiveMarkerFeedback.POSE_UPDATE:
            return
        if feedback.header.frame_id.lstrip("/") not in ("", self._robot.base_link):
            text = f"dragged in the frame {feedback.header.frame_id!r}, expected {self._robot.base_link!r}"
            self.get_logger().warning(text, throttle_duration_sec=5.0)
            return
        try:
            self._target = pose_from_message(feedback.pose)
        except CrispIKError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=5.0)
            return
        self._questioner.put(self._target)

    def _on_answer(self, answer: Answer | None, solution: Mapping[str, float] | None, words: str) -> None:
        good = False
        if answer is not None:
            words = words_of(answer, name_of(answer.code))
        if solution is not None:
            try:
                self._configuration = positions_of(
                    self._robot, list(solution), list(solution.values()), "solution of compute_ik"
                )
                good = True
            except CrispIKError as error:
                words = str(error)
        assert self._target is not None
        stamp = self.get_clock().now().to_msg()
        self._answers.publish(ghost_markers(self._robot, self._configuration, self._target, words, good, stamp))


def name_of(code: int) -> str:
    """Name of an error code."""
    return ErrorCode(code).name if code in set(ErrorCode) else "unknown code"


def handle(frame: str, pose: Array, scale: float) -> InteractiveMarker:
    """Interactive marker at a pose (4, 4) [m] of a frame that can be moved along and turned about each axis."""
    marker = InteractiveMarker(name=NAME, description="target for /compute_ik", scale=float(scale))
    marker.header.frame_id = frame
    marker.pose = pose_message(pose)
    for axis, vector in AXES.items():
        for kind, mode in (
            ("move", InteractiveMarkerControl.MOVE_AXIS),
            ("turn", InteractiveMarkerControl.ROTATE_AXIS),
        ):
            control = InteractiveMarkerControl(name=f"{kind}_{axis}", interaction_mode=mode)
            x, y, z = (math.sqrt(0.5) * np.array(vector)).tolist()
            orientation = control.orientation
            orientation.x, orientation.y, orientation.z, orientation.w = x, y, z, math.sqrt(0.5)
            marker.controls.append(control)
    return marker


def main(args: list[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node(TargetMarker, "target_marker", args)


if __name__ == "__main__":
    sys.exit(main())
