"""Another node's wishes to a trajectory_follower: start, stop, and what to follow next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

TRAJECTORY = "trajectory"


class FollowerClient:
    """Calls the follower's services; what they say is passed on, and nothing waits for it.

    Parameters
    ----------
    node : Node
    name : str
        Of the follower.
    say : callable
        Called with what a service says.
    on_trajectory : callable
        Called with the trajectory that is next, when that is known.
    """

    def __init__(self, node: Node, name: str, say: Callable[[str], None], on_trajectory: Callable[[str], None]):
        self._name, self._say, self._on_trajectory = name, say, on_trajectory
        self._triggers: dict[str, Any] = {
            wish: node.create_client(Trigger, f"{name}/{wish}") for wish in ("start", "stop")
        }
        self._set: Any = node.create_client(SetParameters, f"{name}/set_parameters")
        self._get: Any = node.create_client(GetParameters, f"{name}/get_parameters")

    @property
    def ready(self) -> bool:
        """Whether there is a follower."""
        return self._triggers["start"].service_is_ready()

    def trigger(self, wish: str) -> None:
        """Call for "start" or "stop"."""
        self._call(self._triggers[wish], Trigger.Request(), lambda response: self._say(f"{wish}: {response.message}"))

    def choose(self, trajectory: str) -> None:
        """Let the follower follow another trajectory from its next start on."""
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=trajectory)

        def told(response: SetParameters.Response) -> None:
            (result,) = response.results
            self._say(f"{trajectory}: from the next start on" if result.successful else f"refused: {result.reason}")
            self.ask_trajectory()

        self._call(self._set, SetParameters.Request(parameters=[Parameter(name=TRAJECTORY, value=value)]), told)

    def ask_trajectory(self) -> None:
        """Find out which trajectory is next."""

        def told(response: GetParameters.Response) -> None:
            if response.values and response.values[0].type == ParameterType.PARAMETER_STRING:
                self._on_trajectory(response.values[0].string_value)

        self._call(self._get, GetParameters.Request(names=[TRAJECTORY]), told)

    def _call(self, client: Any, request: Any, told: Callable[[Any], None]) -> None:
        if not client.service_is_ready():
            self._say(f"no {self._name} is running")
            return

        def done(future: Future) -> None:
            if future.exception() is not None:
                self._say(f"{client.srv_name}: {future.exception()}")
            else:
                told(future.result())

        client.call_async(request).add_done_callback(done)
