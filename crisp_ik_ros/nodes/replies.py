"""Between the messages of the inverse kinematics services, and questions and answers."""

from __future__ import annotations

from array import array

from crisp_ik.srv import ComputeIK, ComputeIKPath
from std_srvs.srv import Trigger

from crisp_ik_ros.nodes.answer import Options, Question
from crisp_ik_ros.nodes.conversions import TrajectoryPoints, doubles, seconds, seed_from_message, target_from_message
from crisp_ik_ros.nodes.outcomes import Answer, PathAnswer, shorten
from crisp_ik_ros.nodes.targets import ErrorCode
from crisp_ik_ros.robots.robot_model import RobotModel


def question_from_message(request: ComputeIK.Request) -> Question:
    """Question as it arrived, not yet checked."""
    return Question(
        target_from_message(request.pose),
        seed_from_message(request.seed),
        request.ik_link_name,
        seconds(request.timeout),
        options=options_from_message(request),
    )


def options_from_message(request: ComputeIK.Request | ComputeIKPath.Request) -> Options:
    """Options as they arrived, not yet checked."""
    along, about = request.position_tolerances, request.orientation_tolerances
    return Options(
        request.max_joint_step,
        request.prefer_nearest,
        request.approximate,
        request.task,
        (along.x, along.y, along.z),
        (about.x, about.y, about.z),
    )


def reply_of(answer: Answer, robot: RobotModel) -> ComputeIK.Response:
    """Message of an answer."""
    response = ComputeIK.Response()
    if answer.configuration is not None:
        solution = response.solution
        solution.header.frame_id = robot.base_link
        solution.name = robot.joint_names
        solution.position = doubles(answer.configuration)
    if answer.nearest is not None:
        response.approximate_solution.header.frame_id = robot.base_link
        response.approximate_solution.name = robot.joint_names
        response.approximate_solution.position = doubles(answer.nearest)
    response.error_code = int(answer.code)
    response.message = answer.message
    response.position_error = answer.position_error
    response.orientation_error = answer.orientation_error
    response.support = answer.support
    response.source = answer.source
    return response


def reply_of_path(path: PathAnswer, robot: RobotModel, points: TrajectoryPoints) -> ComputeIKPath.Response:
    """Message of the answer to a path; it is to be sent before the next is made with the same ``points``."""
    response = ComputeIKPath.Response()
    response.trajectory.header.frame_id = robot.base_link
    response.trajectory.joint_names = list(robot.joint_names)
    response.trajectory.points = points.of(path.configurations[: path.solved])
    if path.approximate:
        response.approximate_trajectory.header.frame_id = robot.base_link
        response.approximate_trajectory.joint_names = list(robot.joint_names)
        # Points of their own: those of the trajectory are in use.
        response.approximate_trajectory.points = TrajectoryPoints().of(path.configurations)
    response.fraction = path.fraction
    response.error_code = int(path.code)
    response.message = path.message
    response.error_codes = array("i", path.codes.tolist())
    response.position_errors = doubles(path.position_errors)
    response.orientation_errors = doubles(path.orientation_errors)
    response.supports = doubles(path.supports)
    return response


def refusal(message: str) -> ComputeIK.Response:
    """Answer that only says why there is none."""
    return ComputeIK.Response(error_code=int(ErrorCode.FAILURE), message=shorten(message))


def refusal_of_path(message: str) -> ComputeIKPath.Response:
    """Answer to a path that only says why there is none."""
    return ComputeIKPath.Response(error_code=int(ErrorCode.FAILURE), message=shorten(message))


def refusal_of_trigger(message: str) -> Trigger.Response:
    """Answer to a call without arguments that says why nothing was done."""
    return Trigger.Response(success=False, message=shorten(message))
