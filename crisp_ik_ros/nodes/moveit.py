"""/solve_ik for MoveIt's SrvKinematicsPlugin, where moveit_msgs is installed.

The plugin's requests (moveit_kinematics, srv_kinematics_plugin) have the joints of the whole robot in ``robot_state``,
one pose in the frame of the group's base link, the group's tip link, no timeout, and ``avoid_collisions`` always.
"""

from __future__ import annotations

import math
from typing import Any

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.nodes.answer import Answerer, Options, Question, Seed
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
# Rotation between a constraint's orientation and the target's that counts as none [rad].
SAME_ORIENTATION = 1e-3
# Up to this tolerance Euler angles and rotation vectors are the same [rad].
SMALL_ANGLE = 0.1
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
    orientations = wanted.constraints.orientation_constraints
    options = Options(orientation_tolerances=tolerances_of(wanted, pose, link)) if len(orientations) else Options()
    given = [name for name in CONSTRAINTS if len(getattr(wanted.constraints, name))]
    given = [name for name in given if name != "orientation_constraints"]
    if given:
        raise RequestError(
            ErrorCode.INVALID_GOAL_CONSTRAINTS,
            f"constraints: got {', '.join(given)}, expected none but an orientation constraint",
        )
    state, avoid = wanted.robot_state, bool(wanted.avoid_collisions)
    if avoid and len(state.attached_collision_objects):
        raise RequestError(
            ErrorCode.COLLISION_CHECKING_UNAVAILABLE,
            f"avoid_collisions: got {len(state.attached_collision_objects)} attached_collision_objects, expected none: "
            "only the arm itself can be checked",
        )
    seed = seed_from_message(state.joint_state)
    return Question(target_from_message(pose), seed, link, seconds(wanted.timeout), avoid, options)


def tolerances_of(wanted: Any, pose: Any, link: str) -> tuple[float, float, float]:
    """Tolerances [rad] about the axes of the target that the only orientation constraint of a request allows.

    Raises
    ------
    RequestError
        When there are several, it is of another link, frame or orientation than the target, or wide about two axes in
        Euler angles.
    """

    def refuse(got: str, expected: str) -> RequestError:
        words = f"orientation_constraints: got {got}, expected {expected}"
        return RequestError(ErrorCode.INVALID_GOAL_CONSTRAINTS, words)

    constraints = wanted.constraints.orientation_constraints
    if len(constraints) > 1:
        raise refuse(f"{len(constraints)}", "one")
    constraint = constraints[0]
    if constraint.link_name not in ("", link):
        raise refuse(f"link {constraint.link_name!r}", f"the link of the target, {link!r}")
    if constraint.header.frame_id not in ("", pose.header.frame_id):
        raise refuse(f"frame {constraint.header.frame_id!r}", f"the frame of the target, {pose.header.frame_id!r}")
    one, other = constraint.orientation, pose.pose.orientation
    cosine = abs(one.x * other.x + one.y * other.y + one.z * other.z + one.w * other.w)
    if not 2.0 * math.acos(min(cosine, 1.0)) <= SAME_ORIENTATION:
        raise refuse("another orientation than the target's", "the same")
    axes = ("x", "y", "z")
    tolerances = [float(getattr(constraint, f"absolute_{axis}_axis_tolerance")) for axis in axes]
    if not all(tolerance >= 0.0 for tolerance in tolerances):
        raise refuse(f"tolerances {tolerances}", "numbers of at least 0")
    wide = sum(tolerance > SMALL_ANGLE for tolerance in tolerances)
    free = all(tolerance >= math.pi for tolerance in tolerances)
    vectors = getattr(constraint, "parameterization", 0) == getattr(constraint, "ROTATION_VECTOR", 1)
    if wide > 1 and not vectors and not free:
        expected = "parameterization ROTATION_VECTOR, or one wide axis"
        raise refuse("wide tolerances about several axes as Euler angles", expected)
    return tolerances[0], tolerances[1], tolerances[2]


def fill(response: Any, answer: Answer, robot: RobotModel, others: Seed = Seed()) -> Any:
    """Write an answer to a response; return it.

    The solution has the arm's joints first, base to tip, then the other joints of the request, where they were.
    """
    # Its callers do not know a code that MoveIt has not.
    lost = answer.code == ErrorCode.CONTINUATION_LOST
    set_error(response.error_code, int(ErrorCode.NO_IK_SOLUTION if lost else answer.code), answer.message)
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
