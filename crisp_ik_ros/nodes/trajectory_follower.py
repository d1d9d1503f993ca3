"""Node ``trajectory_follower``: leads the tool along a path, asking /compute_ik for every target of it."""

from __future__ import annotations

import sys
import time
from enum import Enum
from pathlib import Path as FilePath
from typing import Any

import numpy as np
from crisp_ik.srv import ComputeIK
from geometry_msgs.msg import PoseStamped
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.nodes.conversions import (
    duration_message,
    joint_state_message,
    pose_from_message,
    pose_stamped_message,
    seconds,
    time_message,
)
from crisp_ik_ros.nodes.description import robot_of
from crisp_ik_ros.nodes.follower_options import declare_options
from crisp_ik_ros.nodes.following import Following, write_report
from crisp_ik_ros.nodes.joint_order import indices_of
from crisp_ik_ros.nodes.lifetime import ManagedNode, run_node
from crisp_ik_ros.nodes.motion import approach_duration, check_step, segment_duration
from crisp_ik_ros.nodes.parameters import declare_robot
from crisp_ik_ros.nodes.view import View
from crisp_ik_ros.transforms import Array

LONGEST_TICK = 0.01
SHORTEST_APPROACH = 0.5
# A command is sent this long before its motion begins, so that neither side's jitter stops the arm [s].
LEAD = 0.1


class Phase(Enum):
    """What the follower is doing."""

    IDLE = "idle"
    WAITING = "waiting for the service and the joint states"
    FOLLOWING = "following"
    SETTLING = "coming to rest"


class TrajectoryFollower(ManagedNode):
    """Asks for the next target while the arm moves to the present one, so that the motion does not stop."""

    def __init__(self) -> None:
        super().__init__("trajectory_follower")
        self._robot = robot_of(**declare_robot(self))
        self._options = declare_options(self)
        options = self._options
        self._view = View(self, self._robot.base_link, options.error_scale, options.marker_lifetime)
        self._command = self.create_publisher(JointTrajectory, "panda_arm_controller/joint_trajectory", 10)
        self.create_subscription(JointState, "joint_states", self._on_joint_state, qos_profile_sensor_data)
        self.create_subscription(PoseStamped, "panda_sim/tip_pose", self._on_tip_pose, qos_profile_sensor_data)
        self._client: Any = self.create_client(ComputeIK, "compute_ik")
        self.create_service(Trigger, "~/start", self._on_start)
        self.create_service(Trigger, "~/stop", self._on_stop)
        self.create_timer(min(LONGEST_TICK, 0.5 * self._options.period), self._tick)
        self.create_timer(0.2, self._draw)

        self._phase = Phase.IDLE
        self._joints: Array | None = None
        self._heard: list[str] | None = None
        self._order: list[int] = []
        self._runs: list[Following] = []
        self._queue: list[str] = []
        self._run: Following | None = None
        self._pending: tuple[Future, float] | None = None
        self._answer: ComputeIK.Response | None = None
        self._due = 0.0
        self._last: Array | None = None
        self._ahead: list[tuple[float, Array]] = []
        self._waiting_since = self._complained = time.monotonic()
        if self._options.autostart:
            self._start()

    # -- starting and stopping -----------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._run = None
        self._runs = []
        self._queue = list(self._options.paths)
        self._phase = Phase.WAITING
        self._waiting_since = self._complained = time.monotonic()

    def _on_start(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._phase is Phase.IDLE
        response.message = "started" if response.success else f"already {self._phase.value}"
        if response.success:
            self._start()
        return response

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._phase is not Phase.IDLE
        response.message = "stopped" if response.success else "nothing to stop"
        if response.success:
            self._halt()
            self.get_logger().info("stopped, as asked")
        return response

    def _halt(self) -> None:
        """Command no more; the arm ends where it was last sent."""
        self._forget_request()
        self._phase = Phase.IDLE
        self._queue = []

    def _fail(self, reason: str) -> None:
        self.get_logger().error(f"stopped: {reason}")
        self._halt()
        if self._run is not None and self._run not in self._runs:
            self._runs.append(self._run)
        self._finish(1)

    def _finish(self, code: int) -> None:
        if self._options.report:
            try:
                write_report(FilePath(self._options.report), self._robot.joint_names, self._runs)
                self.get_logger().info(f"report in {self._options.report}")
            except CrispIKError as error:
                self.get_logger().error(str(error))
                code = 1
        if self._options.exit:
            self.finished.set_result(code)

    # -- what comes in -------------------------------------------------------------------------------------------------

    def _on_joint_state(self, message: JointState) -> None:
        # The names are the same in every message, or nearly.
        if message.name != self._heard:
            try:
                self._order = indices_of(message.name, self._robot.joint_names, "joint_states")
            except CrispIKError as error:
                self.get_logger().warning(f"joint states ignored: {error}", throttle_duration_sec=5.0)
                return
            self._heard = message.name
        if len(message.position) != len(message.name):
            return
        joints = np.asarray(message.position)[self._order]
        if np.isfinite(joints).all():
            # A joint at its limit may be measured slightly beyond it.
            self._joints = np.clip(joints, self._robot.lower, self._robot.upper)

    def _on_tip_pose(self, message: PoseStamped) -> None:
        if self._run is not None and self._phase in (Phase.FOLLOWING, Phase.SETTLING):
            self._run.tips.add(seconds(message.header.stamp), pose_from_message(message.pose))

    # -- the motion ----------------------------------------------------------------------------------------------------

    def _now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9

    def _tick(self) -> None:
        if self._phase is Phase.WAITING:
            self._wait()
        elif self._phase is Phase.FOLLOWING:
            self._follow()
        elif self._phase is Phase.SETTLING and self._now() >= self._due:
            self._end_trajectory()

    def _wait(self) -> None:
        missing = []
        if not self._client.service_is_ready():
            missing.append(f"service {self._client.srv_name}")
        if self._joints is None:
            missing.append("joint states")
        now = time.monotonic()
        if not missing:
            self._begin_trajectory()
        elif self._options.start_timeout and now - self._waiting_since > self._options.start_timeout:
            self._fail(f"no {' and no '.join(missing)} within {self._options.start_timeout:g} s")
        elif now - self._complained > 5.0:
            self._complained = now
            self.get_logger().info(f"waiting for {' and '.join(missing)}")

    def _begin_trajectory(self) -> None:
        name = self._queue.pop(0)
        self._run = Following(name, self._options.paths[name])
        self._last = None
        self._ahead = []
        self._due = self._now()
        self._phase = Phase.FOLLOWING
        self._view.begin(self._run)
        self.get_logger().info(f"{name}: {len(self._run.targets)} targets")
        self._ask()

    def _ask(self) -> None:
        """Send the request for the next target."""
        assert self._run is not None and self._joints is not None
        request = ComputeIK.Request()
        request.pose = pose_stamped_message(self._run.targets[len(self._run.codes)], self._robot.base_link)
        request.seed = joint_state_message(self._robot.joint_names, self._joints)
        request.timeout = duration_message(self._options.timeout)
        self._answer = None
        begin = time.perf_counter()
        future = self._client.call_async(request)
        self._pending = (future, begin)
        future.add_done_callback(self._on_answer)

    def _on_answer(self, future: Future) -> None:
        if self._pending is None or self._pending[0] is not future or self._run is None:
            return
        latency = time.perf_counter() - self._pending[1]
        self._pending = None
        response: Any = future.result()
        self._answer = response
        self._run.answered(
            int(response.error_code), response.message, latency, float(response.support), response.source
        )

    def _forget_request(self) -> None:
        if self._pending is not None:
            self._client.remove_pending_request(self._pending[0])
        self._pending = self._answer = None

    def _follow(self) -> None:
        assert self._run is not None
        if self._answer is None:
            if self._pending is not None and time.perf_counter() - self._pending[1] > self._options.patience:
                self._fail(f"no answer from {self._client.srv_name} within {self._options.patience:g} s")
            return
        now = self._now()
        if now < self._due - LEAD:
            return
        response, self._answer = self._answer, None
        if response.error_code != ComputeIK.Response.SUCCESS:
            self.get_logger().warning(
                f"target {len(self._run.configurations)} left out, code {response.error_code}: {response.message}",
                throttle_duration_sec=1.0,
            )
            self._run.commanded(None, None)
        else:
            try:
                self._send(np.array(response.solution.position), response.solution.name, now)
            except CrispIKError as error:
                self._fail(str(error))
                return
        if len(self._run.configurations) < len(self._run.targets):
            self._ask()
        else:
            self._due += self._options.settle
            self._phase = Phase.SETTLING

    def _send(self, positions: Array, names: list[str], now: float) -> None:
        """Command a solution: slowly to the first one, then at the rate of the targets."""
        assert self._run is not None and self._joints is not None
        target = positions[indices_of(names, self._robot.joint_names, "solution")]
        speed, scaling = self._robot.velocity, self._options.scaling
        start = max(self._due, now)
        if self._last is None:
            check_step(self._robot, self._joints, target, np.inf)
            duration = approach_duration(target - self._joints, speed, scaling, SHORTEST_APPROACH)
            self._publish(start, [(start + duration, target)], at_rest=True)
            # The arm rests at the first target before it sets off.
            duration += self._options.settle
        else:
            check_step(self._robot, self._last, target, self._options.joint_step)
            duration = segment_duration(target - self._last, speed, scaling, self._options.period)
            # The points still to come go along, since a new trajectory replaces the one before.
            pending = [point for point in self._ahead if point[0] > now] or [(start, self._last)]
            self._publish(pending[0][0], [*pending, (start + duration, target)])
            self._ahead = pending
        self._due = start + duration
        self._ahead.append((self._due, target))
        self._run.commanded(target, self._due)
        self._last = target

    def _publish(self, start: float, points: list[tuple[float, Array]], at_rest: bool = False) -> None:
        """Command points, each with its time; ``at_rest``: with speed zero there."""
        message = JointTrajectory(joint_names=list(self._robot.joint_names))
        message.header.stamp = time_message(start)
        speeds = [0.0] * self._robot.dof if at_rest else []
        message.points = [
            JointTrajectoryPoint(
                positions=configuration.tolist(), velocities=speeds, time_from_start=duration_message(arrival - start)
            )
            for arrival, configuration in points
        ]
        self._command.publish(message)

    def _end_trajectory(self) -> None:
        assert self._run is not None
        self._draw()
        self._runs.append(self._run)
        self.get_logger().info(self._run.summary())
        if self._queue:
            self._begin_trajectory()
            return
        code = 0 if all(run.complete for run in self._runs) else 1
        self._halt()
        self._finish(code)
        if self._options.loop and not self.finished.done():
            self._start()

    def _draw(self) -> None:
        if self._run is not None and self._phase in (Phase.FOLLOWING, Phase.SETTLING):
            self._view.update(self._run)


def main(args: list[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node(TrajectoryFollower, "trajectory_follower", args)


if __name__ == "__main__":
    sys.exit(main())
