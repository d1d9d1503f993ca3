"""Node ``viewer``: a page for the browser with the arm, its paths and errors, and a target to ask /compute_ik for."""

from __future__ import annotations

import os
import sys
import threading
import time
import webbrowser
from collections import deque
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Path
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from visualization_msgs.msg import MarkerArray

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.nodes.conversions import pose_from_message
from crisp_ik_ros.nodes.follower_client import FollowerClient
from crisp_ik_ros.nodes.guard import positions_of
from crisp_ik_ros.nodes.lifetime import ManagedNode, run_node
from crisp_ik_ros.nodes.paths import BOTH
from crisp_ik_ros.nodes.question import Questioner
from crisp_ik_ros.nodes.serving import load_estimator
from crisp_ik_ros.nodes.viewer_options import declare_viewer
from crisp_ik_ros.trajectories import TRAJECTORIES
from crisp_ik_ros.transforms import Array
from crisp_ik_ros.viewer.errors import Errors, errors_of
from crisp_ik_ros.viewer.panel import Panel
from crisp_ik_ros.viewer.samples import samples_of
from crisp_ik_ros.viewer.scene import Scene
from crisp_ik_ros.viewer.server import ANYWHERE, address_of, require, serve
from crisp_ik_ros.viewer.shape import Shape, read_shape

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
STATUS_RATE = 5.0
# What was heard longer ago is not what happens now [s].
RECENT = 1.5
BETWEEN_WARNINGS = 5.0
SAMPLES = "samples that the model keeps: the darker, the more its support of the current target rests on them"


class Viewer(ManagedNode):
    """Hears what others publish and draws it; the arm is commanded by nobody here.

    The page's server has threads of its own. What they want is done here, in the executor's thread.
    """

    def __init__(self) -> None:
        super().__init__("viewer")
        options = self._options = declare_viewer(self)
        require()
        model = load_estimator(options.model, **options.robot)
        self._robot = model.robot
        self._inbox: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._shape: Shape | None = None
        self._positions: dict[str, float] = {}
        self._configuration: Array | None = None
        self._tip: Array | None = None
        self._targets = np.empty((0, 4, 4))
        self._starts, self._reached = np.empty((0, 3)), np.empty((0, 3))
        self._errors: Errors | None = None
        self._fresh = self._placed = self._asked = False
        self._score_for: Array | None = None
        self._heard = self._grown = self._moved = self._reached_at = self._starts_at = 0.0

        samples = samples_of(model)
        self._server = serve(options.host, options.port, "crisp_ik")
        self._scene = Scene(
            self._server, self._robot.reach, options.error_scale, samples, lambda pose: self._want("drag", pose)
        )
        names = (*TRAJECTORIES, BOTH)
        self._panel = Panel(
            self._server, self._want, names, options.controls, options.error_scale, SAMPLES if samples else ""
        )
        self._questioner = Questioner(self, self._robot.base_link, options.timeout, options.patience, self._on_answer)
        self._follower = (
            FollowerClient(self, options.follower, self._panel.say, self._panel.choose) if options.controls else None
        )
        self._subscribe()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0 / options.rate, self._draw, clock=steady)
        self.create_timer(1.0 / STATUS_RATE, self._tell, clock=steady)
        self._say_where()

    def _subscribe(self) -> None:
        follower = self._options.follower
        for kind, topic, heard, quality in (
            (JointState, "joint_states", self._on_joints, qos_profile_sensor_data),
            (PoseStamped, self._options.pose_topic, self._on_tip, qos_profile_sensor_data),
            (String, "robot_description", self._on_description, LATCHED),
            (Path, f"{follower}/target_path", self._on_targets, LATCHED),
            (Path, f"{follower}/actual_path", self._on_actual, LATCHED),
            (MarkerArray, f"{follower}/markers", self._on_markers, LATCHED),
        ):
            self.create_subscription(kind, topic, heard, quality)

    def _say_where(self) -> None:
        address = address_of(self._server)
        self.get_logger().info(f"the arm is to be seen at {address}")
        if self._server.get_port() != self._options.port:
            self.get_logger().warning(f"port {self._options.port} is taken, so the page is at {address}")
        if self._options.host in ANYWHERE:
            what = "see the arm, and start and stop it" if self._options.controls else "see the arm"
            self.get_logger().warning(f"whoever reaches this machine can {what} there; controls:=false shows it only")
        else:
            self.get_logger().info("from this machine only; host:=0.0.0.0 opens the page to the whole network")
        if self._options.open_browser and has_display():
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    def _on_joints(self, message: JointState) -> None:
        try:
            configuration = positions_of(self._robot, message.name, message.position, "joint_states")
        except CrispIKError as error:
            self._warn(f"joint states ignored: {error}")
            return
        now = time.monotonic()
        if self._configuration is None or np.abs(configuration - self._configuration).max() > 1e-4:
            self._moved = now
            self._positions = dict(zip(message.name, message.position, strict=False))
            self._configuration = configuration
        self._heard = now

    def _on_tip(self, message: PoseStamped) -> None:
        if message.header.frame_id.lstrip("/") not in ("", self._robot.base_link):
            self._warn(f"tool poses ignored: in {message.header.frame_id}, expected in {self._robot.base_link}")
            return
        try:
            self._tip = pose_from_message(message.pose)
        except CrispIKError as error:
            self._warn(f"tool pose ignored: {error}")

    def _on_description(self, message: String) -> None:
        try:
            self._shape = read_shape(message.data, self._robot.base_link)
        except CrispIKError as error:
            self._warn(f"robot description ignored: {error}")
            return
        if self._shape.refused:
            self._warn("not shown of the robot: " + "; ".join(self._shape.refused))
        with self._server.atomic():
            self._scene.show_arm(self._shape, self._positions)

    def _on_targets(self, message: Path) -> None:
        targets = self._poses(message)
        if targets is not None:
            self._targets, self._fresh = targets, True
            # For who joins late they come in any order: only what is older belongs to the trajectory before.
            begin = _seconds(message.header)
            if self._reached_at < begin:
                self._reached = np.empty((0, 3))
            if self._starts_at < begin:
                self._starts = np.empty((0, 3))
            self._scene.show_target_path(targets[:, :3, 3])

    def _on_actual(self, message: Path) -> None:
        reached = _positions(pose.pose.position for pose in message.poses)
        if len(reached) > len(self._reached):
            self._grown = time.monotonic()
        if self._fresh and len(reached):
            # What was drawn on the way to the first target is no part of the path.
            self._fresh = False
            self._scene.forget_trails()
        self._reached, self._reached_at = reached, _seconds(message.header)

    def _on_markers(self, message: MarkerArray) -> None:
        # Each line begins at its target, also where a pose between was not measured. Where it ends is stretched for
        # RViz; the page has the measured poses themselves.
        for marker in message.markers:
            if marker.ns == "errors":
                self._starts, self._starts_at = _positions(marker.points[::2]), _seconds(marker.header)

    def _poses(self, message: Path) -> Array | None:
        try:
            poses = [pose_from_message(pose.pose) for pose in message.poses]
        except CrispIKError as error:
            self._warn(f"path ignored: {error}")
            return None
        return np.array(poses).reshape(-1, 4, 4)

    def _warn(self, text: str) -> None:
        self.get_logger().warning(text, throttle_duration_sec=BETWEEN_WARNINGS)

    def _draw(self) -> None:
        """Draw the arm as it stands; nothing is sent while nobody looks."""
        if self._configuration is None:
            return
        nominal = self._robot.forward_kinematics(self._configuration)[:3, 3]
        self._scene.lengthen(None if self._tip is None else self._tip[:3, 3], nominal)
        if self._server.get_clients():
            with self._server.atomic():
                self._scene.move(self._positions)

    def _tell(self) -> None:
        self._empty_inbox()
        self._questioner.check()
        now = time.monotonic()
        if self._follower is not None and self._follower.ready and not self._asked:
            self._asked = True
            self._follower.ask_trajectory()
        if not self._placed and self._configuration is not None and (self._tip is not None or now - self._moved > 1.0):
            self._placed = True
            self._to_tool()
        if not self._server.get_clients():
            return
        errors = errors_of(self._starts, self._reached)
        with self._server.atomic():
            if self._errors is None or len(errors.targets) != len(self._errors.targets):
                self._errors = errors
                self._scene.show_errors(errors)
                self._panel.plot_errors(errors.distances)
            self._panel.show_status(self._state(now), errors.distances, len(self._reached), len(self._targets))
            target = self._score_for
            if target is None and len(self._targets):
                target = self._targets[min(len(self._reached), len(self._targets) - 1)]
            if target is not None:
                self._scene.score_samples(target)

    def _state(self, now: float) -> str:
        if not self._heard or now - self._heard > RECENT:
            return "no joint states are heard"
        if now - self._grown < RECENT:
            return "following"
        if now - self._moved < RECENT:
            return "moving"
        if self.count_publishers(f"{self._options.follower}/target_path") == 0:
            return f"no {self._options.follower} is running"
        return "at rest"

    def _want(self, what: str, *values: Any) -> None:
        """Note a wish; called in threads of the server's."""
        self._inbox.append((what, values))
        # The events executor knows no guard conditions; a task wakes either executor at once.
        if self.executor is not None:
            self.executor.create_task(self._empty_inbox)

    def _empty_inbox(self) -> None:
        while self._inbox:
            what, values = self._inbox.popleft()
            if what == "drag":
                # Of a row of them, the newest is what is wanted.
                if not (self._inbox and self._inbox[0][0] == "drag"):
                    self._drag(*values)
            elif what == "to_tool":
                self._to_tool()
            elif what == "scale":
                self._scene.scale_errors(float(values[0]))
            elif what == "layer":
                self._scene.show_layer(*values)
            elif self._follower is not None and what in ("start", "stop"):
                self._follower.trigger(what)
            elif self._follower is not None and what == "trajectory":
                self._follower.choose(str(values[0]))

    def _drag(self, pose: Array) -> None:
        self._score_for = pose
        if not self._questioner.seed and self._configuration is not None:
            joints = np.clip(self._configuration, self._robot.lower, self._robot.upper)
            self._questioner.seed = dict(zip(self._robot.joint_names, joints.tolist(), strict=True))
        self._questioner.put(pose)

    def _to_tool(self) -> None:
        if self._configuration is None:
            return
        pose = self._robot.forward_kinematics(self._configuration) if self._tip is None else self._tip
        self._score_for, self._questioner.seed = None, {}
        self._scene.place_target(pose)
        self._scene.show_answer(None)

    def _on_answer(self, answer: Any, solution: Any, reason: str) -> None:
        with self._server.atomic():
            self._scene.show_answer(solution)
            self._panel.show_answer(answer, reason)
        self._server.flush()

    def close(self) -> None:
        """End the page's server."""
        self._server.stop()


def has_display() -> bool:
    """Whether this machine can show a browser."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _seconds(header: Any) -> float:
    """Time of a message [s]."""
    return float(header.stamp.sec) + 1e-9 * float(header.stamp.nanosec)


def _positions(points: Any) -> Array:
    """Positions (n, 3) of points of messages [m]."""
    return np.array([(point.x, point.y, point.z) for point in points], dtype=float).reshape(-1, 3)


def main(args: list[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node(Viewer, "viewer", args)


if __name__ == "__main__":
    sys.exit(main())
