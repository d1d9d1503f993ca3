"""/solve_ik for MoveIt's SrvKinematicsPlugin, where moveit_msgs is installed."""

from __future__ import annotations

from typing import Any

from crisp_ik_ros.nodes.answer import Answerer, Question
from crisp_ik_ros.nodes.conversions import joint_state_message, seconds, seed_from_message, target_from_message
from crisp_ik_ros.nodes.outcomes import Answer
from crisp_ik_ros.nodes.targets import ErrorCode, RequestError
from crisp_ik_ros.robots.robot_model import RobotModel

try:
    from moveit_msgs.srv import GetPositionIK
except ImportError:
    GetPositionIK = None


def available() -> bool:
    """Whether moveit_msgs is installed."""
    return GetPositionIK is not None


def question_of(wanted: Any) -> Question:
    """Question of a ``PositionIKRequest``.

    Raises
    ------
    RequestError
        When it wants several poses.
    """
    # MoveIt sends one pose in the first pair of fields, or a list in the second.
    pose, link = wanted.pose_stamped, wanted.ik_link_name
    if wanted.pose_stamped_vector:
        pose = wanted.pose_stamped_vector[0]
        link = wanted.ik_link_names[0] if wanted.ik_link_names else link
    if len(wanted.pose_stamped_vector) > 1:
        raise RequestError(
            ErrorCode.FAILURE, f"pose_stamped_vector: got {len(wanted.pose_stamped_vector)} poses, one tool has one"
        )
    seed = seed_from_message(wanted.robot_state.joint_state)
    return Question(target_from_message(pose), seed, link, seconds(wanted.timeout))


def fill(response: Any, answer: Answer, robot: RobotModel) -> Any:
    """Write an answer to a response; return it."""
    response.error_code.val = int(answer.code)
    if answer.configuration is not None:
        response.solution.joint_state = joint_state_message(robot.joint_names, answer.configuration)
    return response


def solve(answerer: Answerer, wanted: Any, response: Any) -> Answer:
    """Answer a ``PositionIKRequest`` into ``response``; return the answer."""
    try:
        answer = answerer.answer(*question_of(wanted))
    except RequestError as error:
        answer = Answer(error.code, str(error))
    fill(response, answer, answerer.estimator.robot)
    return answer


def reply_of(answer: Answer, robot: RobotModel) -> Any:
    """Message of an answer."""
    return fill(GetPositionIK.Response(), answer, robot)


def refusal(message: str) -> Any:
    """Answer that there is none: it has no place for words."""
    response = GetPositionIK.Response()
    response.error_code.val = int(ErrorCode.FAILURE)
    return response
