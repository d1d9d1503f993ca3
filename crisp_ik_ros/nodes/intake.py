"""A service whose requests wait where they can be counted, so that none is lost without a word.

In DDS the oldest request is dropped in silence when one more comes than the reader keeps. Here the reader is emptied
whenever it has something; what came waits in order, and what is too much is told so at once.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

# Requests that DDS may hold until they are taken; Fast DDS holds no more, whatever it is told.
READER_DEPTH = 5000
# Other callbacks have their turn after this time [s], however many requests wait.
SLICE = 0.02
BETWEEN_WARNINGS = 1.0
BUSY = "busy: got more requests than wait at most, expected {most} (parameter queue); {waiting} wait: ask again later"
ENDING = "the service is shutting down"


class Call:
    """One request, until it is answered.

    Attributes
    ----------
    request
        As it came.
    """

    def __init__(self, intake: Intake, request: Any, header: Any):
        self.request = request
        self._intake, self._header = intake, header
        self._begin = time.monotonic()

    @property
    def waited(self) -> float:
        """Time since it came [s]."""
        return time.monotonic() - self._begin

    def reply(self, response: Any) -> None:
        """Send the answer; the caller may be gone."""
        self._intake.send(response, self._header)

    def turn_away(self, waiting: int) -> None:
        """Answer that there are too many, of which so many wait."""
        self._intake.turn_away(self._header, waiting)

    def refuse(self, message: str) -> None:
        """Send an answer that only says why there is none."""
        self._intake.refuse(self._header, message)

    def fail(self, error: BaseException) -> None:
        """Answer that something went wrong that never should, and tell the log."""
        self._intake.fail(self._header, error)


class Intake:
    """A service that answers its requests in the order they come, at most ``queue`` of them waiting.

    Parameters
    ----------
    node : Node
    kind, name
        Of the service.
    answer : callable
        Called with each ``Call``; returns the response, or None where ``reply`` will be called later.
    refusal : callable
        Response, with the code FAILURE, that has a message for a caller.
    queue : int

    Attributes
    ----------
    busy, faults, undelivered : int
        Requests that were told so; that met an error in the program; answers that could not be sent.
    """

    def __init__(
        self,
        node: Node,
        kind: Any,
        name: str,
        answer: Callable[[Call], Any],
        refusal: Callable[[str], Any],
        queue: int,
    ):
        self.busy = self.faults = self.undelivered = 0
        self._node, self._kind, self._name = node, kind, name
        self._answer, self._refusal, self._queue = answer, refusal, queue
        self._waiting: deque[Call] = deque()
        self._request: Any = None
        self._scheduled = False
        # Answers wait in a queue of the same depth until they are on their way.
        depth = QoSProfile(depth=max(READER_DEPTH, queue))
        service: Any = node.create_service(kind, name, self._take, qos_profile=depth)
        self._service, self._send = service, service.send_response
        # An executor gives the callback a request, and hands what it returns, with the address, to this.
        vars(service)["send_response"] = self._begin

    def __len__(self) -> int:
        return len(self._waiting)

    def _take(self, request: Any, response: Any) -> Any:
        self._request = request
        return response

    def _begin(self, response: Any, header: Any) -> None:
        """Take what has come, and answer it, or leave it to what was scheduled."""
        request, self._request = self._request, None
        self._admit(request, header)
        self._drain()
        if not self._scheduled:
            self._work()

    def _admit(self, request: Any, header: Any) -> None:
        call = Call(self, request, header)
        if len(self._waiting) < self._queue:
            self._waiting.append(call)
        else:
            call.turn_away(len(self._waiting))

    def _drain(self) -> None:
        """Take all that is in the reader. The executor, which was told of it too, then finds nothing."""
        with self._service.handle:
            take, kind = self._service.handle.service_take_request, self._kind.Request
            for _ in range(READER_DEPTH):
                request, header = take(kind)
                if header is None:
                    return
                self._admit(request, header)

    def _work(self) -> None:
        self._scheduled = False
        end = time.monotonic() + SLICE
        while self._waiting:
            call = self._waiting.popleft()
            try:
                response = self._answer(call)
            except Exception as error:
                call.fail(error)
            else:
                if response is not None:
                    call.reply(response)
            if self._waiting and time.monotonic() >= end:
                assert self._node.executor is not None
                self._scheduled = True
                self._node.executor.create_task(self._work)
                return

    def send(self, response: Any, header: Any) -> None:
        """Send a response; one that cannot be sent ends nothing."""
        try:
            self._send(response, header)
        except Exception as error:
            self.undelivered += 1
            self._node.get_logger().warning(
                f"{self._name}: an answer could not be sent: {error}", throttle_duration_sec=BETWEEN_WARNINGS
            )

    def turn_away(self, header: Any, waiting: int) -> None:
        """Send a response that tells to come again."""
        self.busy += 1
        self.refuse(header, BUSY.format(most=self._queue, waiting=waiting))

    def refuse(self, header: Any, message: str) -> None:
        """Send a response that only says why there is no answer."""
        self.send(self._refusal(message), header)

    def fail(self, header: Any, error: BaseException) -> None:
        """Answer that something went wrong that never should."""
        self.faults += 1
        words = f"{type(error).__name__}: {error}"
        self._node.get_logger().error(
            f"{self._name}: {words} (with --log-level debug: where)", throttle_duration_sec=BETWEEN_WARNINGS
        )
        self._node.get_logger().debug("".join(traceback.format_exception(error)))
        self.refuse(header, f"an error in the service, not in the request: {words}")

    def close(self) -> None:
        """Tell those who still wait that there will be no answer."""
        while self._waiting:
            self._waiting.popleft().refuse(ENDING)
