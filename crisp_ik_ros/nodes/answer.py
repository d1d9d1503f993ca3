"""From a request for joint angles to its answer, without ROS: checks, seeds, error codes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from crisp_ik_ros.errors import CrispIKError, InvalidInputError
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.nodes.joint_order import indices_of
from crisp_ik_ros.nodes.targets import ErrorCode, RequestError, Target, code_of, pose_of, poses_of
from crisp_ik_ros.solvers.result import IKResult, Status
from crisp_ik_ros.transforms import Array

# A measured joint may read this far beyond its limit; the seed is then moved onto the limit [rad or m].
SEED_SLACK = 1e-3

CODES = {
    Status.SUCCESS: ErrorCode.SUCCESS,
    Status.NO_SOLUTION: ErrorCode.NO_IK_SOLUTION,
    Status.STEP_TOO_LARGE: ErrorCode.NO_IK_SOLUTION,
    Status.TIMED_OUT: ErrorCode.TIMED_OUT,
}
REASONS = {
    Status.NO_SOLUTION: "no configuration within the joint limits reaches the pose",
    Status.STEP_TOO_LARGE: "only configurations farther from the seed than allowed reach the pose",
    Status.TIMED_OUT: "no solution within the time",
}


class Seed(NamedTuple):
    """Where a search is to start: joint names and positions [rad or m]; both empty where the caller gave none."""

    names: Sequence[str] = ()
    positions: Sequence[float] = ()


class Answer(NamedTuple):
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
    """Answers to the n poses of a path.

    Attributes
    ----------
    codes : (n,)
        ``ErrorCode`` of each.
    configurations : (n, J)
        [rad or m]; only an answer where the code is SUCCESS.
    position_errors, orientation_errors, supports : (n,)
        [m, rad, 0..1]
    code, message
        Of the first failure, else SUCCESS and nothing.
    """

    codes: np.ndarray
    configurations: Array
    position_errors: Array
    orientation_errors: Array
    supports: Array
    code: ErrorCode = ErrorCode.SUCCESS
    message: str = ""

    @classmethod
    def blank(cls, count: int, dof: int, code: ErrorCode, message: str = "") -> PathAnswer:
        """Of ``count`` poses that all have the same code, and nothing else."""
        errors, angles, supports = np.zeros((3, count))
        return cls(np.full(count, int(code)), np.zeros((count, dof)), errors, angles, supports, code, message)

    @property
    def solved(self) -> int:
        """Number of poses before the first failure."""
        failed = np.flatnonzero(self.codes != ErrorCode.SUCCESS)
        return int(failed[0]) if len(failed) else len(self.codes)

    @property
    def fraction(self) -> float:
        """Share of the poses before the first failure, 0..1."""
        return self.solved / len(self.codes) if len(self.codes) else 0.0


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
            pose = pose_of(target, self.estimator.robot.base_link)
            result = self.estimator.solve(pose, self.last if start is None else start, limit)
        except CrispIKError as error:
            return Answer(code_of(error), str(error))
        if not result.success:
            return answer_of(result)
        self.last = result.configuration
        return answer_of(result, expectation(self.estimator, result.configuration))

    def answer_path(self, targets: Sequence[Target], seed: Seed, link: str = "", timeout: float = 0.0) -> PathAnswer:
        """Answer a path, each pose started from the solution before it; ``timeout`` is for the whole of it.

        The poses behind one that fails are tried as well, from the last that was solved. So that there is time for
        them, none takes longer than the default, or than its share of a timeout that is longer.
        """
        robot = self.estimator.robot
        try:
            self._check_link(link)
            limit = self._timeout(timeout, max(len(targets), 1))
            start = self._seed(seed)
            if not targets:
                raise RequestError(ErrorCode.FAILURE, "poses: got none, expected at least one")
        except RequestError as error:
            return PathAnswer.blank(len(targets), robot.dof, error.code, str(error))
        deadline = time.monotonic() + limit
        longest = max(self.default_timeout, limit / len(targets))
        poses, faults = poses_of(targets, robot.base_link)
        path = PathAnswer.blank(len(targets), robot.dof, ErrorCode.TIMED_OUT)
        words: dict[int, str] = {}
        for index, fault in faults.items():
            path.codes[index], words[index] = code_of(fault), str(fault)
        rows = np.array([row for row in range(len(targets)) if row not in faults], dtype=int)
        start = self.last if start is None else start
        while len(rows) and (remaining := deadline - time.monotonic()) > 0.0:
            # As many at once as are sure to be over in time: all, or all but one, where the timeout is the default.
            part, rows = np.split(rows, [max(1, int(remaining / longest))])
            start = self._solve_part(path, part, poses[part], start, min(longest, remaining), words)
        return self._conclude(path, words)

    def _solve_part(
        self,
        path: PathAnswer,
        part: np.ndarray,
        poses: Array,
        start: Array | None,
        timeout: float,
        words: dict[int, str],
    ) -> Array | None:
        """Write the answers to some poses to these rows of ``path``; return where to start from next."""
        try:
            result = self.estimator.solve_path(poses, start, timeout)
        except CrispIKError as error:
            path.codes[part] = code_of(error)
            words.update(dict.fromkeys(part.tolist(), str(error)))
            return start
        path.codes[part] = [CODES[status] for status in result.status]
        path.configurations[part] = result.configurations
        path.position_errors[part] = result.position_errors
        path.orientation_errors[part] = result.orientation_errors
        path.supports[part] = result.supports
        for index in np.flatnonzero(~result.success)[:1].tolist():
            words[int(part[index])] = _reason(
                result.status[index], result.position_errors[index], result.orientation_errors[index]
            )
        solved = np.flatnonzero(result.success)
        if len(solved):
            start = self.last = result.configurations[solved[-1]].copy()
        return start

    def _conclude(self, path: PathAnswer, words: dict[int, str]) -> PathAnswer:
        """Give a path the code and the message of its first failure."""
        first = path.solved
        if first == len(path.codes):
            return replace(path, code=ErrorCode.SUCCESS)
        reason = words.get(first, "the time for the whole path was up before this pose")
        return replace(path, code=ErrorCode(int(path.codes[first])), message=f"poses[{first}]: {reason}")

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
    # Most come as the robot has them.
    if len(seed.names) and (len(positions) != robot.dof or tuple(seed.names) != robot.joint_names):
        if len(positions) != len(seed.names):
            raise InvalidInputError(
                "seed", f"{len(positions)} positions for {len(seed.names)} names", "as many of each"
            )
        positions = positions[indices_of(seed.names, robot.joint_names, "seed")]
    return estimator.check_seed(positions, SEED_SLACK)


def expectation(estimator: InverseKinematics, configuration: Array) -> str:
    """How far the real tool may be from the target, in words, where a model can tell; else nothing."""
    predicted = getattr(estimator, "predicted_error", None)
    if predicted is None:
        return ""
    return f"within {1e3 * float(predicted(configuration)):.2g} mm (95 %) of the target, as far as the model knows"


def answer_of(result: IKResult, message: str = "") -> Answer:
    """Answer that a result amounts to, with a message where it is a success; a failure carries no configuration."""
    if result.success:
        return Answer(
            ErrorCode.SUCCESS,
            message,
            result.configuration,
            result.position_error,
            result.orientation_error,
            result.support,
            result.source,
        )
    return Answer(
        CODES[result.status],
        _reason(result.status, result.position_error, result.orientation_error),
        None,
        result.position_error,
        result.orientation_error,
        result.support,
        result.source,
    )


def _reason(status: Status, position_error: float, orientation_error: float) -> str:
    """Why there is no answer, in words; errors of the nearest configuration found [m, rad]."""
    return (
        f"{REASONS[status]}; the nearest one found misses it by {1e3 * position_error:.4g} mm "
        f"and {1e3 * orientation_error:.4g} mrad"
    )
