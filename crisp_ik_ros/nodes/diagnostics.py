"""One updater of /diagnostics for all nodes, with the interface of ROS's ``diagnostic_updater``."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from crisp_ik_ros.nodes.health import Health, Level

TOPIC = "/diagnostics"
DEFAULT_PERIOD = 1.0

# What a part of a node is asked: how it is doing; None where there is nothing to say.
Task = Callable[[], "Health | None"]

LEVELS = {
    Level.OK: DiagnosticStatus.OK,
    Level.WARN: DiagnosticStatus.WARN,
    Level.ERROR: DiagnosticStatus.ERROR,
    Level.STALE: DiagnosticStatus.STALE,
}


class DiagnosticUpdater:
    """Asks its tasks how they are doing, and publishes that as one message on /diagnostics.

    Parameters
    ----------
    node : Node
    hardware_id : str
        What the node drives or models; may be set anew.
    period : float
        Time between messages [s], of the steady clock: also where simulated time stands still.
    """

    def __init__(self, node: Node, hardware_id: str, period: float = DEFAULT_PERIOD):
        self.hardware_id = hardware_id
        self._node = node
        self._tasks: dict[str, Task] = {}
        self._publisher = node.create_publisher(DiagnosticArray, TOPIC, 10)
        # Kept: some versions of rclpy look at a clock only through its timer's handle.
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(period, self.update, clock=self._clock)

    def add(self, name: str, task: Task) -> None:
        """Ask one more task; its status is named "<node>: <name>". Another of the same name is replaced."""
        self._tasks[name] = task

    def remove(self, name: str) -> None:
        """Ask a task no more."""
        self._tasks.pop(name, None)

    def update(self) -> None:
        """Publish now."""
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        for name, task in self._tasks.items():
            health = self._ask(name, task)
            if health is not None:
                message.status.append(self._status(name, health))
        self._publisher.publish(message)

    def _ask(self, name: str, task: Task) -> Health | None:
        try:
            return task()
        except Exception as error:
            # What only tells how a node is doing must not end it.
            self._node.get_logger().error(
                f"diagnostics of {name}: {type(error).__name__}: {error}", throttle_duration_sec=10.0
            )
            self._node.get_logger().debug(traceback.format_exc())
            return Health(Level.ERROR, f"cannot tell: {type(error).__name__}: {error}")

    def _status(self, name: str, health: Health) -> DiagnosticStatus:
        return DiagnosticStatus(
            level=LEVELS[health.level],
            name=f"{self._node.get_fully_qualified_name()}: {name}",
            message=health.message,
            hardware_id=self.hardware_id,
            values=[KeyValue(key=key, value=str(value)) for key, value in health.values.items()],
        )
