"""One question at a time to /compute_ik, whose answers tell also that the service lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from crisp_ik.srv import ComputeIK
from rclpy.node import Node
from rclpy.task import Future

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.nodes.conversions import duration_message, joint_state_message, pose_stamped_message
from crisp_ik_ros.nodes.follower_options import FollowerOptions
from crisp_ik_ros.nodes.route import Route
from crisp_ik_ros.nodes.watch import SERVICE, Watch
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# With no target to ask for, the service is asked again when it has said nothing for this long [s].
HEARTBEAT = 0.008
# While the arm waits, a question is asked again after this time, or after twice the time that a search may take [s].
PATIENCE_AT_REST = 0.5


class Asker:
    """Client of ``/compute_ik``.

    Parameters
    ----------
    node : Node
    robot : RobotModel
    options : FollowerOptions
    watch : Watch
        Told of every answer.
    refuse : callable
        Called with the reason where an answer cannot be used.
    go_on : callable
        Called where it can, for the next question.
    """

    def __init__(
        self,
        node: Node,
        robot: RobotModel,
        options: FollowerOptions,
        watch: Watch,
        refuse: Callable[[str], None],
        go_on: Callable[[], None],
    ):
        self._node, self._robot, self._watch = node, robot, watch
        self._refuse, self._go_on = refuse, go_on
        self._options, self._timeout = options, duration_message(options.timeout)
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

    def keep_asking(self, route: Route, far: bool, joints: Array, at_rest: bool) -> None:
        """Ask for the next target; where enough of them are known, for the last one again, as a sign of life.

        Parameters
        ----------
        route : Route
        far : bool
            Whether enough of them are known.
        joints : (J,)
            Where the search starts, before there is a solution.
        at_rest : bool
            Whether the arm waits for the service.
        """
        patience = self._options.patience
        if at_rest:
            patience = min(patience, max(PATIENCE_AT_REST, 2.0 * self._options.timeout))
        self._give_up(patience)
        if self._pending is not None or not self.ready:
            return
        seed = joints if route.path is None else route.path.last
        if not (route.over or far):
            self._ask(route.run.targets[route.asked], seed, partial(self._on_answer, route))
        elif self._watch.age(time.monotonic(), SERVICE) > HEARTBEAT:
            self._ask(route.run.targets[max(0, route.asked - 1)], seed, lambda response, latency: None)

    def _on_answer(self, route: Route, response: ComputeIK.Response, latency: float) -> None:
        code, solution = int(response.error_code), response.solution
        if code != ComputeIK.Response.SUCCESS:
            text = f"target {route.asked} left out, code {code}: {response.message}"
            self._node.get_logger().warning(text, throttle_duration_sec=1.0)
        names, positions, support = solution.name, solution.position, float(response.support)
        try:
            route.answered(code, response.message, latency, support, response.source, names, positions)
        except CrispIKError as error:
            self._refuse(str(error))
        else:
            self._go_on()

    def _ask(self, pose: Array, seed: Array, on_answer: Callable[[ComputeIK.Response, float], None]) -> None:
        request = ComputeIK.Request()
        request.pose = pose_stamped_message(pose, self._robot.base_link)
        request.seed = joint_state_message(self._robot.joint_names, seed)
        request.timeout = self._timeout
        self._begin = time.monotonic()
        future = self._pending = self._client.call_async(request)

        def done(answered: Future) -> None:
            # An answer to a question that was given up comes too late.
            if self._pending is not answered:
                return
            self._pending = None
            # Alive when it was asked: for how long the answer has been on its way, nobody knows.
            self._watch.answered(self._begin)
            on_answer(answered.result(), time.monotonic() - self._begin)

        future.add_done_callback(done)

    def _give_up(self, patience: float) -> None:
        """Forget an open question that is older than so many seconds, or that nobody is there to answer."""
        if self._pending is not None and (time.monotonic() - self._begin > patience or not self.ready):
            self.forget()

    def forget(self) -> None:
        """Wait for no answer any more."""
        if self._pending is not None:
            self._client.remove_pending_request(self._pending)
        self._pending = None
