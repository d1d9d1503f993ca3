"""What became of a request: answers to a pose and to a path, their codes, and the reasons in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from crisp_ik_ros.nodes.targets import ErrorCode
from crisp_ik_ros.solvers.result import IKResult, Status
from crisp_ik_ros.transforms import Array

CODES = {
    Status.SUCCESS: ErrorCode.SUCCESS,
    Status.NO_SOLUTION: ErrorCode.NO_IK_SOLUTION,
    Status.STEP_TOO_LARGE: ErrorCode.NO_IK_SOLUTION,
    Status.TIMED_OUT: ErrorCode.TIMED_OUT,
    Status.CONTINUATION_LOST: ErrorCode.CONTINUATION_LOST,
}
REASONS = {
    Status.NO_SOLUTION: "no configuration within the joint limits reaches the pose",
    Status.STEP_TOO_LARGE: "only configurations farther from the seed than allowed reach the pose",
    Status.TIMED_OUT: "no solution within the time",
    Status.CONTINUATION_LOST: "the pose is near, but the joints cannot get there from the seed without a jump to "
    "another branch: seed another posture, or set max_joint_step to inf to accept any",
}
# Of what a caller sent, and is told back, no more than this many characters from the beginning and from the end.
HEAD, TAIL = 300, 200


def shorten(text: str) -> str:
    """Words for a caller: the middle of a text that is too long, such as one with a name of a megabyte, is left out."""
    left_out = len(text) - HEAD - TAIL
    return text if left_out <= 40 else f"{text[:HEAD]} ... ({left_out} characters) ... {text[-TAIL:]}"


class Answer(NamedTuple):
    """Answer to one request. ``configuration`` (J,) [rad or m] is there exactly when the code is SUCCESS.

    ``nearest`` (J,) is what was found instead, where that was asked for. ``unfinished``: the search was held to less
    time than the request allows, and may find something in the rest.
    """

    code: ErrorCode
    message: str = ""
    configuration: Array | None = None
    position_error: float = 0.0
    orientation_error: float = 0.0
    support: float = 0.0
    source: str = ""
    unfinished: bool = False
    nearest: Array | None = None


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
    approximate : bool
        Whether configurations where the code is another are wanted, as near as they get.
    """

    codes: np.ndarray
    configurations: Array
    position_errors: Array
    orientation_errors: Array
    supports: Array
    code: ErrorCode = ErrorCode.SUCCESS
    message: str = ""
    approximate: bool = False

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
        reason(result.status, result.position_error, result.orientation_error),
        None,
        result.position_error,
        result.orientation_error,
        result.support,
        result.source,
    )


def touching(result: IKResult, refused: int) -> Answer:
    """Answer where a search has found nothing but so many solutions in which the arm touches itself."""
    found = "the only solution found" if refused == 1 else f"all of the {refused} solutions found"
    words = f"avoid_collisions: in {found} the arm touches itself"
    return answer_of(result._replace(success=False, status=Status.NO_SOLUTION))._replace(message=words)


def reason(status: Status, position_error: float, orientation_error: float) -> str:
    """Why there is no answer, in words; errors of the nearest configuration found [m, rad]."""
    return (
        f"{REASONS[status]}; the nearest one found misses it by {1e3 * position_error:.4g} mm "
        f"and {1e3 * orientation_error:.4g} mrad"
    )
