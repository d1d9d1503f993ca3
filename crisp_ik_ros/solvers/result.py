"""What solvers and estimators return."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from crisp_ik_ros.transforms import Array


class Status(str, Enum):
    """How an inverse-kinematics request ended."""

    SUCCESS = "success"
    NO_SOLUTION = "no solution"
    TIMED_OUT = "timed out"


@dataclass(frozen=True)
class SolverResult:
    """Minimum of an objective over a box.

    Attributes
    ----------
    configuration : (J,)
    cost : float
        Objective at the minimum.
    iterations : int
        Evaluations of the objective.
    converged : bool
        Whether a convergence test was met before the iteration limit.
    """

    configuration: Array
    cost: float
    iterations: int
    converged: bool


@dataclass(frozen=True)
class IKResult:
    """Answer to one inverse-kinematics request.

    Attributes
    ----------
    configuration : (J,)
        Within the joint limits [rad or m]. Only an answer when ``success`` is true.
    success : bool
        Whether the errors below are within the estimator's tolerances.
    status : Status
    position_error : float
        Distance between the target and where the estimator believes the tool to be [m].
    orientation_error : float
        Angle between the two [rad].
    support : float
        How well the training data covers the target, 0 (not at all) to 1.
    iterations : int
        Evaluations of the model, all starts together.
    source : str
        What the answer rests on: "learned", "blended" or "nominal".
    """

    configuration: Array
    success: bool
    status: Status
    position_error: float
    orientation_error: float
    support: float
    iterations: int
    source: str


@dataclass(frozen=True)
class PathResult:
    """Answers along a path, each started from the one before.

    Attributes
    ----------
    configurations : (n, J)
        Within the joint limits [rad or m].
    success : (n,) bool
    status : tuple of Status
    position_errors, orientation_errors, supports : (n,)
        As in ``IKResult`` [m, rad, 0..1].
    sources : tuple of str
    """

    configurations: Array
    success: np.ndarray
    status: tuple[Status, ...]
    position_errors: Array
    orientation_errors: Array
    supports: Array
    sources: tuple[str, ...]

    @property
    def fraction(self) -> float:
        """Share of the path that was solved, 0..1."""
        return float(np.mean(self.success)) if len(self.success) else 0.0

    @classmethod
    def from_results(cls, results: list[IKResult], dof: int) -> PathResult:
        """Gather single answers into one."""
        return cls(
            configurations=np.array([result.configuration for result in results]).reshape(len(results), dof),
            success=np.array([result.success for result in results], dtype=bool),
            status=tuple(result.status for result in results),
            position_errors=np.array([result.position_error for result in results]),
            orientation_errors=np.array([result.orientation_error for result in results]),
            supports=np.array([result.support for result in results]),
            sources=tuple(result.source for result in results),
        )
