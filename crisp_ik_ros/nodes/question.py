"""Questions to /compute_ik for a target that is dragged: the newest wins, one is on its way."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from crisp_ik.srv import ComputeIK
from rclpy.node import Node
from rclpy.task import Future

from crisp_ik_ros.nodes.conversions import duration_message, joint_state_message, pose_stamped_message
from crisp_ik_ros.transforms import Array
from crisp_ik_ros.viewer.newest import Newest
from crisp_ik_ros.viewer.words import Answer


class Questioner:
    """Client of ``/compute_ik`` for one who looks on.

    Each question starts from the answer before it, or from where the arm is. It is never the last solution of the
    service that another client would start from without a seed: those name their own.

    Parameters
    ----------
    node : Node
    frame : str
        Base link.
    timeout, patience : float
        Time to search, and longest wait for the answer [s].
    on_answer : callable
        Called with the answer and the joints' positions by name, None where there is no solution; or with
        None, None and the reason.
    """

    def __init__(
        self,
        node: Node,
        frame: str,
        timeout: float,
        patience: float,
        on_answer: Callable[[Answer | None, Mapping[str, float] | None, str], None],
    ):
        self._client: Any = node.create_client(ComputeIK, "compute_ik")
        self._frame, self._timeout, self._on_answer = frame, duration_message(timeout), on_answer
        self._patience = patience
        self._newest: Newest[Array] = Newest(self._ask, patience)
        self._pending: Future | None = None
        self._count = 0
        self._begin = 0.0
        self.seed: Mapping[str, float] = {}

    def put(self, pose: Array) -> None:
        """Ask for a target (4, 4), at once or when the answer that is awaited is here."""
        self._newest.put(pose, time.monotonic())

    def check(self) -> None:
        """Give up a question that was not answered for too long; to be called now and then."""
        if self._newest.overdue(time.monotonic()):
            self._forget()
            self._on_answer(None, None, f"no answer from {self._client.srv_name} within {self._patience:g} s")
            self._newest.answered(time.monotonic())

    def _ask(self, pose: Array) -> None:
        self._forget()
        if not self._client.service_is_ready():
            self._on_answer(None, None, f"no service {self._client.srv_name}")
            self._newest.drop()
            return
        request = ComputeIK.Request(timeout=self._timeout)
        request.pose = pose_stamped_message(pose, self._frame)
        request.seed = joint_state_message(tuple(self.seed), tuple(self.seed.values()))
        self._begin = time.monotonic()
        self._pending = self._client.call_async(request)
        self._pending.add_done_callback(self._done)

    def _forget(self) -> None:
        if self._pending is not None:
            self._client.remove_pending_request(self._pending)
        self._pending = None

    def _done(self, future: Future) -> None:
        now = time.monotonic()
        if future is not self._pending:
            return
        self._pending = None
        if future.exception() is not None:
            self._on_answer(None, None, str(future.exception()))
        else:
            self._tell(future.result(), now - self._begin)
        self._newest.answered(now)

    def _tell(self, response: ComputeIK.Response, seconds: float) -> None:
        self._count += 1
        answer = Answer(
            number=self._count,
            code=int(response.error_code),
            message=str(response.message),
            source=str(response.source),
            position_error=float(response.position_error),
            orientation_error=float(response.orientation_error),
            support=float(response.support),
            seconds=seconds,
        )
        solution = None
        if answer.code == ComputeIK.Response.SUCCESS:
            solution = dict(zip(response.solution.name, response.solution.position, strict=True))
            self.seed = solution
        self._on_answer(answer, solution, "")
