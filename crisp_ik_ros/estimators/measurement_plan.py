"""Where to measure next: the configurations whose measurements tell most of a robot's errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cholesky, solve_triangular

from crisp_ik_ros.datasets.dataset import POSE, POSITION, Dataset
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.estimators.hyperparameters import check_whole
from crisp_ik_ros.estimators.identification.identification import nuisance_scales
from crisp_ik_ros.estimators.identification.measurements import Measurements, read_measurements
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.estimators.identification.sensitivities import Belief, Sensitivities, covariance_after
from crisp_ik_ros.estimators.identification.uncertainty import error_bounds
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

PREDICTIVE, INFORMATION = "predictive", "information"
# Configurations whose errors stand for the workspace's, where none are given.
REFERENCES = 200


@dataclass(frozen=True)
class Plan:
    """Configurations to measure at, and what that is expected to bring.

    Attributes
    ----------
    configurations : (count, J)
        In the order in which they are best driven to [rad or m].
    indices : (count,)
        Of the candidates, in the same order.
    chosen : (count,)
        Of the candidates, in the order in which they were chosen: the first k are a plan of k measurements.
    errors : (count + 1,)
        Expected median error of the tool's position over the reference configurations, after none, one, ... of the
        measurements in the order of ``chosen`` [m].
    """

    configurations: Array
    indices: np.ndarray
    chosen: np.ndarray
    errors: Array


def plan_measurements(
    model: LearnedKinematics,
    count: int,
    candidates: ArrayLike,
    kind: int = POSE,
    known: Dataset | None = None,
    criterion: str = PREDICTIVE,
    references: ArrayLike | None = None,
    start: ArrayLike | None = None,
) -> Plan:
    """Choose where to measure, one configuration after the other, each the one that tells most after those before it.

    Parameters
    ----------
    model : LearnedKinematics
        What it does not know counts: before ``fit`` its priors.
    count : int
        Number of measurements.
    candidates : (n, J)
        Configurations to choose from, each once [rad or m].
    kind : int
        What will be measured: POSE or POSITION.
    known : Dataset, optional
        What has been measured. A fitted model needs it: the data it was fitted to, and what has come since.
    criterion : str
        "predictive": what lowers the variance of the tool's position over the references most. "information": what
        lowers the entropy of the parameters most (D-optimality).
    references : (m, J), optional
        Configurations at which the tool's error counts. Default: random ones within the limits.
    start : (J,), optional
        Where the arm is before the first measurement. Default: the robot's rest.

    Raises
    ------
    InvalidInputError
        When an argument is out of range, or a fitted model comes without data.
    DatasetError
        When the known data is not this robot's.
    """
    robot = model.robot
    candidates = _configurations(robot, candidates, "candidates")
    check_whole(1, count=count)
    if count > len(candidates):
        raise InvalidInputError("count", count, f"at most the number of candidates, {len(candidates)}")
    if kind not in (POSE, POSITION):
        raise InvalidInputError("kind", kind, f"POSE ({POSE}) or POSITION ({POSITION})")
    if criterion not in (PREDICTIVE, INFORMATION):
        raise InvalidInputError("criterion", repr(criterion), f"{PREDICTIVE!r} or {INFORMATION!r}")
    if references is None:
        references = robot.random_configurations(REFERENCES, np.random.default_rng(model.random_state))
    references = _configurations(robot, references, "references")
    begin = _configurations(robot, np.atleast_2d(robot.rest if start is None else np.asarray(start)), "start")
    search = _Search(model, candidates, references, kind, known)
    for _ in range(count):
        search.take(search.best(criterion))
    chosen = np.array(search.chosen)
    order = visiting_order(candidates[chosen], begin[0])
    indices = chosen[order]
    return Plan(candidates[indices], indices, chosen, np.array(search.errors))


def expected_errors(
    model: LearnedKinematics,
    configurations: ArrayLike,
    kind: int = POSE,
    known: Dataset | None = None,
    references: ArrayLike | None = None,
) -> Array:
    """Expected median error (n + 1,) [m] after none, one, ... of the measurements at configurations (n, J).

    Arguments as in ``plan_measurements``.
    """
    robot = model.robot
    if references is None:
        references = robot.random_configurations(REFERENCES, np.random.default_rng(model.random_state))
    configurations = _configurations(robot, configurations, "configurations")
    search = _Search(model, configurations, _configurations(robot, references, "references"), kind, known)
    for row in range(len(configurations)):
        search.take(row)
    return np.array(search.errors)


class _Search:
    """What is still unknown while candidates are taken one by one.

    With A the derivatives of a candidate's measurement, C the covariance of the parameters and B the derivatives of the
    tool's positions at the references, all in units of noise and priors: a candidate tells log det(I + A C A^T) of the
    parameters, and takes trace((I + A C A^T)^-1 (A C B^T) (B C A^T)) off the variance at the references. Both products
    are kept for all candidates, and brought up to date by as many columns as were measured.
    """

    def __init__(
        self, model: LearnedKinematics, candidates: Array, references: Array, kind: int, known: Dataset | None
    ):
        belief, noise, self._covariance, self._factor = _belief(model, kind, known)
        self._candidates = Sensitivities(belief, candidates, noise, kind)
        at_tip = Belief(belief.layout, belief.parameters, belief.scales, belief.frame, np.eye(4))
        tool = Sensitivities(at_tip, references, np.ones(2), POSITION)
        # The arm's errors count, not those of where the measuring device stands.
        self._references = tool.times(np.eye(tool.columns)[:, : belief.layout.size])
        self._references = np.pad(self._references, ((0, 0), (0, 0), (0, tool.columns - belief.layout.size)))
        root = cholesky(self._covariance, lower=True)
        flat = self._references.reshape(-1, tool.columns)
        self._known = self._candidates.products(root)
        self._reach = self._candidates.products(root @ (flat @ root).T)
        spread = self._references @ root
        self._errors = spread @ spread.transpose(0, 2, 1)
        self.chosen: list[int] = []
        self.errors = [self._typical_error()]

    def gains(self, criterion: str) -> Array:
        """What each candidate (n,) tells; nothing if it was taken."""
        precision = self._known + np.eye(self._candidates.numbers)
        if criterion == INFORMATION:
            found = np.linalg.slogdet(precision)[1]
        else:
            found = np.trace(np.linalg.solve(precision, self._reach), axis1=1, axis2=2)
        found[self.chosen] = -np.inf
        return found

    def best(self, criterion: str) -> int:
        """Candidate that tells most."""
        return int(np.argmax(self.gains(criterion)))

    def take(self, row: int) -> None:
        """Measure at a candidate."""
        derivatives = self._candidates.of(row)
        told = self._covariance @ derivatives.T
        root = cholesky(np.eye(len(derivatives)) + derivatives @ told, lower=True)
        learned = solve_triangular(root, told.T, lower=True).T
        at_references = self._references @ learned
        flat = at_references.reshape(-1, learned.shape[1])
        carried = self._covariance @ (self._references.reshape(len(flat), -1).T @ flat)
        moved = self._candidates.times(np.hstack([learned, carried]))
        here, there = np.split(moved, 2, axis=2)
        cross = there @ here.transpose(0, 2, 1)
        self._reach += here @ (flat.T @ flat) @ here.transpose(0, 2, 1) - cross - cross.transpose(0, 2, 1)
        self._known -= here @ here.transpose(0, 2, 1)
        self._covariance = self._covariance - learned @ learned.T
        self._errors = self._errors - at_references @ at_references.transpose(0, 2, 1)
        self.chosen.append(row)
        self.errors.append(self._typical_error())

    def _typical_error(self) -> float:
        return float(np.median(error_bounds(self._factor**2 * self._errors, 0.5)))


def _belief(model: LearnedKinematics, kind: int, known: Dataset | None) -> tuple[Belief, Array, Array, float]:
    """What a model knows: its belief, the noise (2,), the covariance (C, C) over the priors', and its factor."""
    priors = model._check_hyperparameters()
    noise = np.array([priors.position_noise, priors.orientation_noise])
    data = None if known is None else read_measurements(model.robot, known, priors)
    unknown = model.frame == "unknown", model.tool == "unknown"
    nuisance = _nuisance(kind, data, *unknown)
    if not hasattr(model, "robot_"):
        layout = Layout(model.robot, model.harmonics, model.robot.bodies(model.gravity))
        scales = np.concatenate([layout.prior_scales(priors), nuisance])
        belief = Belief(layout, np.zeros(layout.size), scales, np.eye(4), np.eye(4))
        covariance = np.eye(len(scales)) if data is None else covariance_after(belief, data, np.ones(2))
        return belief, noise, covariance, 1.0
    found = model._fitted()
    scales = np.concatenate([found.scales, nuisance])
    belief = Belief(found.layout, found.parameters, scales, model.frame_, model.tool_)
    noise = np.array(model.noise_)
    if data is None:
        raise InvalidInputError(
            "known", "nothing", "the data that the model was fitted to: a model does not keep all that it told"
        )
    covariance = covariance_after(belief, data, noise / np.median(data.noise, axis=0))
    return belief, noise, covariance, found.factor


def _nuisance(kind: int, data: Measurements | None, frame: bool, tool: bool) -> Array:
    """Standard deviations (12,) of measuring frame and tool."""
    kinds = np.array([kind]) if data is None else np.append(data.kinds, kind)
    one = Measurements(
        np.zeros((len(kinds), 0)), kinds, np.zeros((0, 3)), np.zeros((0, 3, 3)), kinds, (), kinds, kinds, kinds,
        np.zeros((0, 2)), True,
    )  # fmt: skip
    return nuisance_scales(one, frame, tool)


def visiting_order(configurations: Array, start: Array) -> np.ndarray:
    """Order (n,) in which an arm at ``start`` (J,) travels little: nearest neighbours, then crossings undone (2-opt).

    The distance of two configurations (n, J) is the largest motion of a joint: they all move at a time.
    """
    points = np.vstack([start, configurations])
    distances = np.abs(points[:, None] - points).max(axis=2)
    path, left = [0], list(range(1, len(points)))
    while left:
        path.append(left.pop(int(np.argmin(distances[path[-1], left]))))
    improved = True
    while improved:
        improved = False
        for i in range(1, len(path) - 1):
            for k in range(i + 1, len(path)):
                after = distances[path[k], path[k + 1]] if k + 1 < len(path) else 0.0
                later = distances[path[i], path[k + 1]] if k + 1 < len(path) else 0.0
                saved = distances[path[i - 1], path[i]] + after - distances[path[i - 1], path[k]] - later
                if saved > 1e-9:
                    path[i : k + 1] = path[i : k + 1][::-1]
                    improved = True
    return np.array(path[1:]) - 1


def _configurations(robot: RobotModel, configurations: ArrayLike, name: str) -> Array:
    found = robot.check_configuration(configurations, name)
    if found.ndim != 2 or not len(found):
        raise InvalidInputError(name, f"shape {found.shape}", f"(n, {robot.dof}), at least one")
    outside = np.flatnonzero(~robot.within_limits(found, 1e-9))
    if len(outside):
        raise InvalidInputError(name, f"row {outside[0]}: {found[outside[0]].tolist()}", "within the joint limits")
    return found
