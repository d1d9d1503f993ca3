"""What solvers and estimators return."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np

from crisp_ik_ros.transforms import Array


class Status(str, Enum):
    """How an inverse-kinematics request ended."""

    SUCCESS = "success"
    NO_SOLUTION = "no solution"
    TIMED_OUT = "timed out"
    STEP_TOO_LARGE = "step too large"
    CONTINUATION_LOST = "continuation lost"


# By their codes in compiled code.
STATUSES = tuple(Status)
SOURCES = ("learned", "blended", "nominal", "corrected")
SUCCESS, NO_SOLUTION, TIMED_OUT, STEP_TOO_LARGE, CONTINUATION_LOST = range(5)
LEARNED, BLENDED, NOMINAL, CORRECTED = range(4)
# Columns of ``Answers.rows`` behind the configuration.
POSITION_ERROR, ORIENTATION_ERROR, SUPPORT, STATUS, SOURCE, ITERATIONS = range(6)
COLUMNS = 6


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


class IKResult(NamedTuple):
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
        What the answer rests on: "learned", "blended" or "nominal"; "corrected" where LearnedKinematics knows the parts
        of the arm there, but has not seen anything near.
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
    """Answers to many poses: along a path each started from the one before, or each for itself.

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
        """Share of the poses that were solved, 0..1."""
        return float(np.mean(self.success)) if len(self.success) else 0.0

    @classmethod
    def from_results(cls, results: list[IKResult], dof: int) -> PathResult:
        """Gather single answers into one."""
        return Answers.from_results(results, dof).together()


class Answers(NamedTuple):
    """Answers to n poses as compiled code gives them.

    Attributes
    ----------
    rows : (n, J + 6)
        Configuration; then, counted from J: errors [m, rad], support, codes of status and source, iterations.
    """

    rows: Array

    @classmethod
    def empty(cls, count: int, dof: int) -> Answers:
        """Room for the answers to ``count`` poses."""
        return cls(np.empty((count, dof + COLUMNS)))

    @classmethod
    def from_results(cls, results: list[IKResult], dof: int) -> Answers:
        """Gather single answers."""
        answers = cls.empty(len(results), dof)
        for row, result in zip(answers.rows, results, strict=True):
            row[:dof] = result.configuration
            row[dof:] = (
                result.position_error,
                result.orientation_error,
                result.support,
                STATUSES.index(result.status),
                SOURCES.index(result.source),
                result.iterations,
            )
        return answers

    def hold(self, first: Array) -> None:
        """Give a pose that was not solved the configuration of the one before it, the first of all ``first`` (J,)."""
        last, dof = first, len(first)
        for row in self.rows:
            if row[dof + STATUS] != SUCCESS:
                row[:dof] = last
            last = row[:dof]

    def first(self) -> IKResult:
        """Return the only answer there is."""
        row = self.rows[0]
        position, orientation, support, status, source, iterations = row[-COLUMNS:].tolist()
        return IKResult(
            row[:-COLUMNS],
            status == SUCCESS,
            STATUSES[int(status)],
            position,
            orientation,
            support,
            int(iterations),
            SOURCES[int(source)],
        )

    def together(self) -> PathResult:
        """Return all of them."""
        configurations = np.ascontiguousarray(self.rows[:, :-COLUMNS])
        positions, orientations, supports, status, source, _ = self.rows[:, -COLUMNS:].T.copy()
        return PathResult(
            configurations=configurations,
            success=status == SUCCESS,
            status=tuple([STATUSES[code] for code in status.astype(int).tolist()]),
            position_errors=positions,
            orientation_errors=orientations,
            supports=supports,
            sources=tuple([SOURCES[code] for code in source.astype(int).tolist()]),
        )
