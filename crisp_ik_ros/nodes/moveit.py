"""/solve_ik for MoveIt's SrvKinematicsPlugin, where moveit_msgs is installed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from crisp_ik_ros.nodes.answer import Answer, Answerer, ErrorCode
from crisp_ik_ros.nodes.conversions import joint_state_message, seconds, seed_from_message, target_from_message
from crisp_ik_ros.nodes.statistics import ServiceStatistics

try:
    from moveit_msgs.srv import GetPositionIK
except ImportError:
    GetPositionIK = None


def available() -> bool:
    """Whether moveit_msgs is installed."""
    return GetPositionIK is not None


def serve(node: Node, answerer: Callable[[], Answerer], statistics: ServiceStatistics, queue: QoSProfile) -> None:
    """Serve /solve_ik.

    Parameters
    ----------
    node : Node
    answerer : callable
        Returns the one in use now.
    statistics : ServiceStatistics
        Counts these requests too.
    queue : QoSProfile
        How many requests may wait.
    """

    def callback(request: Any, response: Any) -> Any:
        begin = time.perf_counter()
        answer = solve(answerer(), request.ik_request, response)
        statistics.add(time.perf_counter() - begin, answer.code, answer.support)
        return response

    node.create_service(GetPositionIK, "solve_ik", callback, qos_profile=queue)


def solve(answerer: Answerer, wanted: Any, response: Any) -> Answer:
    """Answer a ``PositionIKRequest`` into ``response``; return the answer."""
    # MoveIt sends one pose in the first pair of fields, or a list in the second.
    pose, link = wanted.pose_stamped, wanted.ik_link_name
    if wanted.pose_stamped_vector:
        pose = wanted.pose_stamped_vector[0]
        link = wanted.ik_link_names[0] if wanted.ik_link_names else link
    if len(wanted.pose_stamped_vector) > 1:
        answer = Answer(ErrorCode.FAILURE, "one tool has one pose")
    else:
        seed = seed_from_message(wanted.robot_state.joint_state)
        answer = answerer.answer(target_from_message(pose), seed, link, seconds(wanted.timeout))
    response.error_code.val = int(answer.code)
    if answer.configuration is not None:
        response.solution.joint_state = joint_state_message(answerer.estimator.robot.joint_names, answer.configuration)
    return answer
