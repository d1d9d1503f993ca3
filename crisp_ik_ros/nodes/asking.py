"""One question at a time to /compute_ik, whose answers tell also that the service lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from crisp_ik.srv import ComputeIK
from rclpy.node import Node
from rclpy.task import Future

from crisp_ik_ros.nodes.conversions import duration_message, joint_state_message, pose_stamped_message
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array


class Asker:
    """Client of ``/compute_ik``.

    Parameters
    ----------
    node : Node
    robot : RobotModel
    timeout : float
        Time the service may search [s].
    """

    def __init__(self, node: Node, robot: RobotModel, timeout: float):
        self._robot, self._timeout = robot, duration_message(timeout)
        self._client: Any = node.create_client(ComputeIK, "compute_ik")
        self._pending: Future | None = None
        self._begin = 0.0

    @property
    def name(self) -> str:
        """Of the service."""
        return self._client.srv_name

    @property
    def ready(self) -> bool:
        """Whether there is a service."""
        return self._client.service_is_ready()

    @property
    def waits(self) -> bool:
        """Whether a question is open."""
        return self._pending is not None

    def ask(self, pose: Array, seed: Array, on_answer: Callable[[ComputeIK.Response, float], None]) -> None:
        """Ask for a pose (4, 4) from a seed (J,); ``on_answer`` gets the answer and its latency [s]."""
        request = ComputeIK.Request()
        request.pose = pose_stamped_message(pose, self._robot.base_link)
        request.seed = joint_state_message(self._robot.joint_names, seed)
        request.timeout = self._timeout
        self._begin = time.perf_counter()
        future = self._pending = self._client.call_async(request)

        def done(answered: Future) -> None:
            # An answer to a question that was given up comes too late.
            if self._pending is not answered:
                return
            self._pending = None
            on_answer(answered.result(), time.perf_counter() - self._begin)

        future.add_done_callback(done)

    def give_up(self, patience: float) -> None:
        """Forget an open question that is older than so many seconds, or that nobody is there to answer."""
        if self._pending is not None and (time.perf_counter() - self._begin > patience or not self.ready):
            self.forget()

    def forget(self) -> None:
        """Wait for no answer any more."""
        if self._pending is not None:
            self._client.remove_pending_request(self._pending)
        self._pending = None
