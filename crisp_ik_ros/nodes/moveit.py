"""/solve_ik for MoveIt's SrvKinematicsPlugin, where moveit_msgs is installed.

The plugin's requests (moveit_kinematics, srv_kinematics_plugin) have the joints of the whole robot in ``robot_state``,
one pose in the frame of the group's base link, the group's tip link, no timeout, and ``avoid_collisions`` always.
"""

from __future__ import annotations

import math
from typing import Any

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.nodes.answer import Answerer, Question, Seed
from crisp_ik_ros.nodes.conversions import joint_state_message, seconds, seed_from_message, target_from_message
from crisp_ik_ros.nodes.outcomes import Answer, shorten
from crisp_ik_ros.nodes.targets import ErrorCode, RequestError, code_of
from crisp_ik_ros.robots.robot_model import RobotModel

try:
    from moveit_msgs.srv import GetPositionIK
except ImportError:
    GetPositionIK = None

SOURCE = "crisp_ik"
CONSTRAINTS = ("joint_constraints", "position_constraints", "orientation_constraints", "visibility_constraints")
# Other joints of a request that are sent back behind the arm's.
MOST_OTHERS = 1000


def available() -> bool:
    """Whether moveit_msgs is installed."""
    return GetPositionIK is not None


def question_of(wanted: Any, group: str = "") -> Question:
    """Question of a ``PositionIKRequest``.

    Joints with several degrees of freedom, such as a floating base, and ``is_diff`` change nothing: the target counts
    from the base link, and what the seed leaves out is not known here.

    Parameters
    ----------
    wanted : PositionIKRequest
    group : str
        The only group that may be named; empty: any.

    Raises
    ------
    RequestError
        When it is of another group, wants several poses, has constraints, or asks for collisions with attached objects.
    """
    if group and wanted.group_name != group:
        raise RequestError(
            ErrorCode.INVALID_GROUP_NAME, f"group_name: got {wanted.group_name!r}, expected {group!r} (moveit_group)"
        )
    # MoveIt sends one pose in the first pair of fields, or a list in the second.
    pose, link = wanted.pose_stamped, wanted.ik_link_name
    if wanted.pose_stamped_vector:
        pose = wanted.pose_stamped_vector[0]
        link = wanted.ik_link_names[0] if wanted.ik_link_names else link
    if len(wanted.pose_stamped_vector) > 1:
        raise RequestError(
            ErrorCode.INVALID_LINK_NAME,
            f"pose_stamped_vector: got {len(wanted.pose_stamped_vector)} poses, expected one: this arm has one tool",
        )
    given = [name for name in CONSTRAINTS if len(getattr(wanted.constraints, name))]
    if given:
        raise RequestError(
            ErrorCode.INVALID_GOAL_CONSTRAINTS, f"constraints: got {', '.join(given)}, expected none: not supported"
        )
    state, avoid = wanted.robot_state, bool(wanted.avoid_collisions)
    if avoid and len(state.attached_collision_objects):
        raise RequestError(
            ErrorCode.COLLISION_CHECKING_UNAVAILABLE,
            f"avoid_collisions: got {len(state.attached_collision_objects)} attached_collision_objects, expected none: "
            "only the arm itself can be checked",
        )
    seed = seed_from_message(state.joint_state)
    return Question(target_from_message(pose), seed, link, seconds(wanted.timeout), avoid)


def fill(response: Any, answer: Answer, robot: RobotModel, others: Seed = Seed()) -> Any:
    """Write an answer to a response; return it.

    The solution has the arm's joints first, base to tip, then the other joints of the request, where they were.
    """
    set_error(response.error_code, int(answer.code), answer.message)
    if answer.configuration is not None:
        names, positions = list(robot.joint_names), answer.configuration.tolist()
        if len(others.names) == len(others.positions):
            pairs = zip(others.names[:MOST_OTHERS], others.positions, strict=False)
            rest = [(name, value) for name, value in pairs if name not in robot.joint_names and math.isfinite(value)]
            names += [name for name, _ in rest]
            positions += [value for _, value in rest]
        response.solution.joint_state = joint_state_message(names, positions)
        response.solution.joint_state.header.frame_id = robot.base_link
    return response


def set_error(error: Any, code: int, message: str) -> None:
    """Write a code to a ``MoveItErrorCodes``, and the words where it has a place for them (Iron and newer)."""
    error.val = code
    if hasattr(error, "message"):
        error.message, error.source = shorten(message), SOURCE


def solve(answerer: Answerer, wanted: Any, response: Any, group: str = "") -> Answer:
    """Answer a ``PositionIKRequest`` into ``response``; return the answer."""
    others = Seed()
    try:
        question = question_of(wanted, group)
        others = question.seed
        answer = answerer.answer(*question)
    except CrispIKError as error:
        answer = Answer(code_of(error), str(error))
    fill(response, answer, answerer.estimator.robot, others)
    return answer


def reply_of(answer: Answer, robot: RobotModel, others: Seed = Seed()) -> Any:
    """Message of an answer."""
    return fill(GetPositionIK.Response(), answer, robot, others)


def refusal(message: str) -> Any:
    """Answer that only says why there is none."""
    response = GetPositionIK.Response()
    set_error(response.error_code, int(ErrorCode.FAILURE), message)
    return response
