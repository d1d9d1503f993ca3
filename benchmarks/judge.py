"""Who decides whether an answer counts: the project's own forward kinematics, and never the method that gave it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# The same for every method [m, rad, s].
TOLERANCE, CAP = 1e-5, 5e-3
# Some libraries keep joint limits in single precision.
LIMIT_SLACK = 1e-6


class Outcome(str, Enum):
    """What became of a request. Only ``SOLVED`` counts."""

    SOLVED = "solved"
    LATE = "right, but after the time was up"
    INACCURATE = "not within the tolerances"
    OUTSIDE = "outside the joint limits"
    NOTHING = "no answer"


@dataclass(frozen=True)
class Verdict:
    """Outcome of one request, and how far its answer is from the target [m, rad]; NaN where there is none."""

    outcome: Outcome
    position_error: float = np.nan
    orientation_error: float = np.nan


@dataclass(frozen=True)
class Judge:
    """Tolerances, joint limits and a time that all answers are held to.

    Attributes
    ----------
    robot : RobotModel
        Its forward kinematics decide.
    position_tolerance, orientation_tolerance : float
        Largest distance [m], and largest angle [rad], between target and tool.
    cap : float
        Longest time an answer may take [s].
    """

    robot: RobotModel
    position_tolerance: float = TOLERANCE
    orientation_tolerance: float = TOLERANCE
    cap: float = CAP

    def verdict(self, pose: Array, answer: Array | None, seconds: float) -> Verdict:
        """Judge an answer (J,), or None, to a pose (4, 4) that took so many seconds."""
        if answer is None or np.shape(answer) != (self.robot.dof,) or not np.isfinite(answer).all():
            return Verdict(Outcome.NOTHING)
        position, orientation = tool_errors(pose, self.robot.forward_kinematics(answer))
        errors = float(position), float(orientation)
        if not self._inside(answer):
            return Verdict(Outcome.OUTSIDE, *errors)
        if not self._close(*errors):
            return Verdict(Outcome.INACCURATE, *errors)
        return Verdict(Outcome.SOLVED if seconds <= self.cap else Outcome.LATE, *errors)

    def accepts(self, pose: Array, answer: Array) -> bool:
        """Whether an answer (J,) is right, whatever time it took."""
        return self.verdict(pose, answer, 0.0).outcome is Outcome.SOLVED

    def right(self, poses: Array, answers: Array) -> np.ndarray:
        """Which of n answers (n, J) to poses (n, 4, 4) are right: bool (n,)."""
        return self._close(*tool_errors(poses, self.robot.forward_kinematics(answers))) & self._inside(answers)

    def _inside(self, answers: Array) -> np.ndarray:
        return self.robot.within_limits(answers, LIMIT_SLACK)

    def _close(self, position: Any, orientation: Any) -> Any:
        return (position <= self.position_tolerance) & (orientation <= self.orientation_tolerance)
