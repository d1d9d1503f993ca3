"""From a request for joint angles to its answer, without ROS: checks, seeds, error codes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from crisp_ik_ros.errors import CrispIKError, InvalidInputError
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.nodes.joint_order import indices_of
from crisp_ik_ros.solvers.result import IKResult, Status
from crisp_ik_ros.transforms import QUATERNION_NORM_TOLERANCE, Array

# A measured joint may read this far beyond its limit; the seed is then moved onto the limit [rad or m].
SEED_SLACK = 1e-3


class ErrorCode(IntEnum):
    """The values of moveit_msgs/MoveItErrorCodes that the services use."""

    SUCCESS = 1
    FAILURE = 99999
    TIMED_OUT = -6
    INVALID_ROBOT_STATE = -17
    INVALID_LINK_NAME = -18
    FRAME_TRANSFORM_FAILURE = -21
    NO_IK_SOLUTION = -31


class RequestError(CrispIKError):
    """A request that cannot be answered, with the code that says so."""

    def __init__(self, code: ErrorCode, message: str):
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Target:
    """Wanted pose of the tool as it arrives: position (3,) [m], quaternion x y z w, and the frame they are in."""

    position: Sequence[float]
    quaternion: Sequence[float]
    frame_id: str = ""


@dataclass(frozen=True)
class Seed:
    """Where a search is to start: joint names and positions [rad or m]; both empty where the caller gave none."""

    names: Sequence[str] = ()
    positions: Sequence[float] = ()


@dataclass(frozen=True)
class Answer:
    """Answer to one request. ``configuration`` (J,) [rad or m] is there exactly when the code is SUCCESS."""

    code: ErrorCode
    message: str = ""
    configuration: Array | None = None
    position_error: float = 0.0
    orientation_error: float = 0.0
    support: float = 0.0
    source: str = ""


@dataclass(frozen=True)
class PathAnswer:
    """Answers to the poses of a path, and the code and message of the whole."""

    code: ErrorCode
    message: str = ""
    answers: list[Answer] = field(default_factory=list)

    @property
    def configurations(self) -> list[Array]:
        """Configurations (J,) of the poses before the first failure."""
        configurations = []
        for answer in self.answers:
            if answer.configuration is None:
                break
            configurations.append(answer.configuration)
        return configurations

    @property
    def fraction(self) -> float:
        """Share of the poses before the first failure, 0..1."""
        return len(self.configurations) / len(self.answers) if self.answers else 0.0


class Answerer:
    """Answers requests with an estimator and remembers the last solution.

    Parameters
    ----------
    estimator : InverseKinematics
    default_timeout : float
        Seconds for a request that names none; a path gets them for each pose.
    """

    def __init__(self, estimator: InverseKinematics, default_timeout: float):
        self.estimator = estimator
        self.default_timeout = default_timeout
        self.last: Array | None = None

    def reset(self) -> None:
        """Forget the last solution."""
        self.last = None

    def answer(self, target: Target, seed: Seed, link: str = "", timeout: float = 0.0) -> Answer:
        """Answer one request; never raises for what the caller sent.

        Parameters
        ----------
        target : Target
        seed : Seed
            Empty: the last solution, else the nearest training samples.
        link : str
            Link that is to reach the target; empty: the tip link.
        timeout : float
            Seconds; 0: the default.
        """
        try:
            self._check_link(link)
            limit = self._timeout(timeout)
            start = self._seed(seed)
            pose = self._pose(target)
            return self._remember(self.estimator.solve(pose, self.last if start is None else start, limit))
        except RequestError as error:
            return Answer(error.code, str(error))
        except CrispIKError as error:
            return Answer(ErrorCode.FAILURE, str(error))

    def answer_path(self, targets: Sequence[Target], seed: Seed, link: str = "", timeout: float = 0.0) -> PathAnswer:
        """Answer a path, each pose started from the solution before it; ``timeout`` is for the whole of it.

        The poses behind one that fails are tried as well, from the last that was solved.
        """
        try:
            self._check_link(link)
            limit = self._timeout(timeout, max(len(targets), 1))
            start = self._seed(seed)
            if not targets:
                raise RequestError(ErrorCode.FAILURE, "poses: got none, expected at least one")
        except RequestError as error:
            refused = Answer(error.code, str(error))
            return PathAnswer(error.code, str(error), [refused] * len(targets))
        deadline = time.monotonic() + limit
        start = self.last if start is None else start
        answers = []
        for target in targets:
            answer = self._answer_within(target, start, deadline)
            if answer.configuration is not None:
                start = answer.configuration
            answers.append(answer)
        for index, answer in enumerate(answers):
            if answer.code != ErrorCode.SUCCESS:
                return PathAnswer(answer.code, f"poses[{index}]: {answer.message}", answers)
        return PathAnswer(ErrorCode.SUCCESS, "", answers)

    def _answer_within(self, target: Target, start: Array | None, deadline: float) -> Answer:
        remaining = deadline - time.monotonic()
        if remaining <= 0.0:
            return Answer(ErrorCode.TIMED_OUT, "the time for the whole path was up before this pose")
        try:
            return self._remember(self.estimator.solve(self._pose(target), start, remaining))
        except RequestError as error:
            return Answer(error.code, str(error))
        except CrispIKError as error:
            return Answer(ErrorCode.FAILURE, str(error))

    def _remember(self, result: IKResult) -> Answer:
        if result.success:
            self.last = result.configuration
        return answer_of(result)

    def _check_link(self, link: str) -> None:
        tip = self.estimator.robot.tip_link
        if link and link != tip:
            raise RequestError(
                ErrorCode.INVALID_LINK_NAME, f"ik_link_name: got {link!r}, expected {tip!r}, the tool link, or nothing"
            )

    def _timeout(self, timeout: float, poses: int = 1) -> float:
        if not math.isfinite(timeout) or timeout < 0.0:
            raise RequestError(ErrorCode.FAILURE, f"timeout: got {timeout} s, expected a positive time, or 0: default")
        return timeout or poses * self.default_timeout

    def _pose(self, target: Target) -> Array:
        base = self.estimator.robot.base_link
        if target.frame_id and target.frame_id.lstrip("/") != base:
            raise RequestError(
                ErrorCode.FRAME_TRANSFORM_FAILURE,
                f"pose.header.frame_id: got {target.frame_id!r}, expected {base!r}, the robot's base frame, or nothing",
            )
        if not all(map(math.isfinite, target.position)):
            raise InvalidInputError("pose.position", list(target.position), "finite numbers of metres")
        pose = np.eye(4)
        pose[:3, :3] = _rotation(*target.quaternion)
        pose[:3, 3] = target.position
        return pose

    def _seed(self, seed: Seed) -> Array | None:
        if len(seed.names) == 0 and len(seed.positions) == 0:
            return None
        try:
            return check_seed(self.estimator, seed)
        except CrispIKError as error:
            raise RequestError(ErrorCode.INVALID_ROBOT_STATE, str(error)) from error


def check_seed(estimator: InverseKinematics, seed: Seed) -> Array:
    """Configuration (J,) of a seed whose joints may be in any order and may have others, such as fingers, among them.

    Raises
    ------
    InvalidInputError
        When it has the wrong length, lacks a joint or names one twice, or a value is not finite or outside the limits.
    """
    robot = estimator.robot
    positions = np.asarray(seed.positions, dtype=float)
    if len(seed.names):
        if len(positions) != len(seed.names):
            raise InvalidInputError(
                "seed", f"{len(positions)} positions for {len(seed.names)} names", "as many of each"
            )
        positions = positions[indices_of(seed.names, robot.joint_names, "seed")]
    return estimator.check_seed(positions, SEED_SLACK)


def answer_of(result: IKResult) -> Answer:
    """Answer that a result amounts to; a failure carries no configuration."""
    if result.success:
        return Answer(
            ErrorCode.SUCCESS,
            "",
            result.configuration,
            result.position_error,
            result.orientation_error,
            result.support,
            result.source,
        )
    if result.status is Status.TIMED_OUT:
        code, reason = ErrorCode.TIMED_OUT, "no solution within the time"
    elif result.status is Status.STEP_TOO_LARGE:
        code, reason = ErrorCode.NO_IK_SOLUTION, "only configurations farther from the seed than allowed reach the pose"
    else:
        code, reason = ErrorCode.NO_IK_SOLUTION, "no configuration within the joint limits reaches the pose"
    message = (
        f"{reason}; the nearest one found misses it by {1e3 * result.position_error:.4g} mm "
        f"and {1e3 * result.orientation_error:.4g} mrad"
    )
    return Answer(code, message, None, result.position_error, result.orientation_error, result.support, result.source)


def _rotation(x: float, y: float, z: float, w: float) -> list[list[float]]:
    """Rotation matrix of one quaternion; plain numbers take a tenth of the time of ``matrix_from_quaternion``."""
    norm = math.sqrt(x * x + y * y + z * z + w * w)
    # Written so that NaN is refused too.
    if not abs(norm - 1.0) <= QUATERNION_NORM_TOLERANCE:
        raise InvalidInputError("pose.orientation", [x, y, z, w], "x y z w of unit length (identity: 0 0 0 1)")
    x, y, z, w = x / norm, y / norm, z / norm, w / norm
    return [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
        [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
        [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
    ]
