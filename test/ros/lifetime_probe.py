"""Run by test_lifetime: a node that does what its first argument says, on the executor that the second one names."""

from __future__ import annotations

import sys
import time

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future
from std_srvs.srv import Trigger

from crisp_ik_ros.nodes import lifetime


class Probe(lifetime.ManagedNode):
    """Says what happens to it."""

    def __init__(self) -> None:
        super().__init__("probe")
        self.create_service(Trigger, "ask", self._answer)
        self.create_service(Trigger, "ask_patiently", self._answer_later, callback_group=ReentrantCallbackGroup())
        self._later, self._asked = Future(), 0
        self.create_timer(0.05, getattr(self, f"_{sys.argv[1]}"))
        print("ready", flush=True)

    def _end(self) -> None:
        if not self.finished.done():
            self.finished.set_result(3)

    def _fail(self) -> None:
        raise ZeroDivisionError("in a callback")

    def _wait(self) -> None:
        pass

    def _work(self) -> None:
        print("at work", flush=True)
        time.sleep(0.5)
        print("done with it", flush=True)

    def _answer(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.message = "here"
        self._asked += 1
        if self._asked == 2:
            self._later.set_result("asked twice")
        return response

    async def _answer_later(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.message = await lifetime.Patiently(self._later)
        return response

    def close(self) -> None:
        """Say so."""
        print("closed", flush=True)


if __name__ == "__main__":
    if sys.argv[2] == "waiting":
        lifetime.EventsExecutor = None
    sys.exit(lifetime.run_node(Probe, "probe"))
