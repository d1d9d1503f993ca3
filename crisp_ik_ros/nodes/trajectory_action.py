"""Commands of a motion as goals of the action FollowJointTrajectory, for drivers that offer nothing else.

An action is no stream: each goal is the whole of what is to come, up to the end of the path. The arm is stopped by
another goal, which slows it down; nobody sends that one where the follower itself dies or the network is cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.task import Future

from crisp_ik_ros.errors import MissingDependencyError
from crisp_ik_ros.nodes.commanding import Commander
from crisp_ik_ros.robots.robot_file import RobotFile
from crisp_ik_ros.robots.robot_model import RobotModel

try:
    from control_msgs.action import FollowJointTrajectory
except ImportError:
    FollowJointTrajectory = None


class ActionCommander(Commander):
    """Sends plans as goals; each takes the place of the one before.

    Parameters
    ----------
    node : Node
    robot : RobotModel
    name : str
        Of the action.
    failed : callable
        Told in words where the controller does not reach the goal that was sent last; and whether it refused it.

    Raises
    ------
    MissingDependencyError
        When control_msgs is not installed.
    """

    whole = True

    def __init__(self, node: Node, robot: RobotModel, name: str, failed: Callable[[str, bool], None]):
        super().__init__(node, robot, topic="")
        if FollowJointTrajectory is None:
            raise MissingDependencyError("command_interface 'action' needs the ROS package control_msgs; install it")
        self._name, self._failed = name, failed
        self._client: Any = ActionClient(node, FollowJointTrajectory, name)
        # Number of the goal that was sent last, and the handle of the last that was taken.
        self._sent = 0
        self._taken: Any = None

    @property
    def missing(self) -> list[str]:
        """What is not there yet of what is needed, in words."""
        return [] if self._client.server_is_ready() else [f"action {self._name}"]

    def _publish(self, message: Any) -> None:
        self._sent += 1
        number = self._sent
        future = self._client.send_goal_async(FollowJointTrajectory.Goal(trajectory=message))
        future.add_done_callback(lambda answered: self._on_answer(number, answered))

    def _on_answer(self, number: int, answered: Future) -> None:
        handle: Any = answered.result()
        if not handle.accepted:
            # The controller goes on with what it has: that is not to go on, where this one was to stop it.
            if self._taken is not None:
                self._taken.cancel_goal_async()
            if number == self._sent:
                self._failed("the controller does not take the goal; its log says why", True)
            return
        self._taken = handle
        handle.get_result_async().add_done_callback(lambda ended: self._on_result(number, handle, ended))

    def _on_result(self, number: int, handle: Any, ended: Future) -> None:
        if self._taken is handle:
            self._taken = None
        response: Any = ended.result()
        # What became of a goal that another has taken the place of is of no interest.
        if number != self._sent or response.status == GoalStatus.STATUS_SUCCEEDED:
            return
        what = "cancelled" if response.status == GoalStatus.STATUS_CANCELED else "aborted"
        code, words = response.result.error_code, response.result.error_string
        self._failed(f"the controller has {what} the goal, code {code}: {words or 'no reason given'}", False)


def commander_of(
    node: Node, robot: RobotModel, file: RobotFile, action: bool, failed: Callable[[str, bool], None]
) -> Commander:
    """Return what sends commands: as goals of the action of the robot's controller, or on its topic."""
    if action:
        return ActionCommander(node, robot, file.command_action, failed)
    return Commander(node, robot, file.command_topic)
