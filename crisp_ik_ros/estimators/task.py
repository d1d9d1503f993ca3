"""The directions of a pose that count, and a robot and a loss in the form that compiled code takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.losses.loss import Loss
from crisp_ik_ros.robots.chain import Chain
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# Weight of orientation against position where an arm cannot have both, in reaches of the arm per radian: small enough
# to leave the position alone.
ORIENTATION_SHARE = 1e-3
# Share of its tolerance band up to which an answer goes: it is to be inside, not on the edge.
BAND_SHARE = 0.99
# What the default task of an arm that cannot reach full poses leaves: [rad], and as a share of the arm's reach.
LARGEST_REMAINING_ANGLE, LARGEST_REMAINING_DISTANCE = 0.1, 2e-3
# Where the robot is looked at for the directions it has, and how small a singular value of the Jacobian, as a share of
# the largest and with lengths in reaches of the arm, counts as none: a calibrated planar arm is off its plane by less.
CONFIGURATIONS, LEAST_SINGULAR_VALUE = 64, 0.01
ROTATIONS = {"free_x": 0, "free_y": 1, "free_z": 2}
TASKS = ("full", "position", *ROTATIONS, "reachable")


@dataclass(frozen=True)
class PoseTask:
    """Directions of a target pose that count, along and about the axes of the tool at the target.

    Parameters
    ----------
    position_tolerances : (3,) of float
        Largest distance along each axis of the target [m]; 0: the estimator's tolerance, ``inf``: any.
    orientation_tolerances : (3,) of float
        Largest rotation about each axis of the target (components of the rotation vector) [rad]; 0: the estimator's
        tolerance, pi or more: any.
    nearest : bool
        Take an orientation that the arm cannot reach as near as it gets, the position first: for arms with fewer than
        six directions. Up to 0.1 rad and 0.2 % of the reach may then remain, and are reported as errors.

    Raises
    ------
    InvalidInputError
        When a tolerance is negative or not a number, or nothing is left to reach.

    Examples
    --------
    ``PoseTask()`` is the full pose, ``PoseTask.named("position")`` the position only, ``PoseTask.named("free_z")`` the
    pose with any rotation about the tool's z axis.
    """

    position_tolerances: tuple[float, float, float] = (0.0, 0.0, 0.0)
    orientation_tolerances: tuple[float, float, float] = (0.0, 0.0, 0.0)
    nearest: bool = False

    def __post_init__(self) -> None:
        for name in ("position_tolerances", "orientation_tolerances"):
            try:
                values = tuple(float(value) for value in getattr(self, name))
            except (TypeError, ValueError):
                values = ()
            if len(values) != 3 or not all(value >= 0.0 for value in values):
                raise InvalidInputError(name, getattr(self, name), "three numbers of at least 0 (inf: any)")
            if name.startswith("orientation"):
                values = tuple(value if value < np.pi else np.inf for value in values)
            object.__setattr__(self, name, values)
        if np.isinf(self.tolerances).all():
            raise InvalidInputError("task", "no direction", "at least one direction that counts")

    @property
    def tolerances(self) -> Array:
        """Tolerances (6,), position then orientation."""
        return np.array([*self.position_tolerances, *self.orientation_tolerances])

    @property
    def is_full(self) -> bool:
        """Whether the whole pose counts."""
        return not self.nearest and not self.tolerances.any()

    @classmethod
    def named(cls, name: str) -> PoseTask:
        """Task of a name: "full", "position", "free_x", "free_y", "free_z" (any rotation about that axis of the tool)
        or "reachable" (position first, orientation as near as the arm gets).

        Raises
        ------
        InvalidInputError
            When there is no task of that name.
        """
        if name not in TASKS:
            raise InvalidInputError("task", repr(name), " or ".join(map(repr, TASKS)))
        if name == "position":
            return cls(orientation_tolerances=(np.inf, np.inf, np.inf))
        if name in ROTATIONS:
            about = [0.0, 0.0, 0.0]
            about[ROTATIONS[name]] = np.inf
            return cls(orientation_tolerances=(about[0], about[1], about[2]))
        return cls(nearest=name == "reachable")


class Axes(NamedTuple):
    """Directions that count, for compiled code.

    Attributes
    ----------
    bands : (6,), or (0,)
        Free distance along and angle about each axis of the target, infinite where any will do; empty: the full pose.
    scales : (2,)
        Factors of position and orientation.
    rank : int
        Number of these directions that the arm can move its tool in.
    """

    bands: Array
    scales: Array
    rank: int


def make_axes(task: PoseTask, robot: RobotModel) -> Axes:
    """Gather what compiled code wants of a task for a robot."""
    tolerances = task.tolerances
    counts = np.isfinite(tolerances)
    rank = _rank(_scaled_jacobians(robot)[:, counts])
    if task.is_full:
        return Axes(np.zeros(0), np.ones(2), rank)
    return Axes(
        BAND_SHARE * tolerances,
        np.array([1.0, ORIENTATION_SHARE * max(robot.reach, 1e-3) if task.nearest else 1.0]),
        rank,
    )


def as_task(task: PoseTask | str | None) -> PoseTask:
    """Task of a request; None: the full pose.

    Raises
    ------
    InvalidInputError
        When it is none, or no name of one.
    """
    if task is None or isinstance(task, PoseTask):
        return PoseTask() if task is None else task
    if not isinstance(task, str):
        raise InvalidInputError("task", repr(task), "a PoseTask, or " + " or ".join(map(repr, TASKS)))
    return PoseTask.named(task)


def remaining_errors(task: PoseTask, robot: RobotModel) -> tuple[float, float]:
    """Errors that an answer to a task may leave where the robot cannot do better [m, rad]."""
    if not task.nearest:
        return 0.0, 0.0
    everywhere = _rank(_scaled_jacobians(robot)[:, :3]) == 3
    return 0.0 if everywhere else LARGEST_REMAINING_DISTANCE * robot.reach, LARGEST_REMAINING_ANGLE


def default_task(robot: RobotModel) -> PoseTask:
    """Full pose where the robot can move its tool in all six directions, else as near to it as the robot gets."""
    return PoseTask(nearest=_rank(_scaled_jacobians(robot)) < 6)


def _scaled_jacobians(robot: RobotModel) -> Array:
    """Jacobians (n, 6, J) along the tool's axes, all over the limits, with lengths in reaches of the arm."""
    low, high = np.maximum(robot.lower, -np.pi), np.minimum(robot.upper, np.pi)
    samples = np.random.default_rng(0).uniform(low, high, (CONFIGURATIONS, robot.dof))
    rotations, jacobians = robot.forward_kinematics(samples)[:, :3, :3], robot.jacobian(samples)
    reach = robot.reach if robot.reach > 0.0 else 1.0
    linear, angular = (np.einsum("nki,nkj->nij", rotations, part) for part in (jacobians[:, :3], jacobians[:, 3:]))
    scaled = np.concatenate([linear / reach, angular], axis=1)
    # A prismatic joint that moves by a reach counts as a revolute one that turns by one radian.
    scaled[:, :, robot.chain.prismatic] *= reach
    return scaled


def _rank(jacobians: Array) -> int:
    """Largest rank of Jacobians (n, rows, J)."""
    values = np.linalg.svd(jacobians, compute_uv=False)
    return int((values > LEAST_SINGULAR_VALUE * values.max(axis=1, keepdims=True)).sum(axis=1).max(initial=0))


class Task(NamedTuple):
    """A robot and a loss, for compiled code; the names are theirs, and ``dimension`` is the embedding's."""

    code: int
    dimension: int
    chain: Chain
    weights: Array
    lower: Array
    upper: Array
    continuous: np.ndarray
    rest: Array
    anchor: Array
    reach: float


def make_task(robot: RobotModel, loss: Loss) -> Task:
    """Gather what compiled code wants of a robot and a loss."""
    # Arrays that may be written to, as all others are: those that may not are of another type to compiled code.
    lower, upper, rest = (np.array(values) for values in (robot.lower, robot.upper, robot.rest))
    return Task(
        loss.code, loss.dimension(robot.dof), robot.chain, loss.weights, lower, upper, robot.continuous, rest,
        robot.anchor, float(robot.reach),
    )  # fmt: skip
