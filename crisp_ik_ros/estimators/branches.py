"""All solutions of a pose: a search from many starts, one solution a posture, and its full turns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from crisp_ik_ros.estimators.decoding import Decoder, Problem
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.result import PathResult
from crisp_ik_ros.transforms import Array

if TYPE_CHECKING:
    from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics

# Starts at a time, and fewest of all. A solution that one start in 200 leads to is missed by 1024 once in 170 poses.
BATCH, FEWEST_STARTS = 256, 1024
# Starts at a time and fewest for an arm that moves in its null space, whose solutions take longer to compare.
NULL_SPACE_BATCH, FEWEST_NULL_SPACE_STARTS = 64, 256
# The search ends when each solution was found so often: where none was found once only, what is missing is rare (Good
# 1953: the chance that the next start leads to a new one is about the share of those that were found once).
ENOUGH_TIMES = 4
# Longest search of one start, which goes on to others where it fails [s].
START_TIMEOUT_S = 0.005
# Solutions whose joints differ by no more are one: isolated ones, and ones that were led through a null space [rad, m].
SAME, SAME_IN_NULL_SPACE = 0.005, 0.05
# Singular values of the Jacobian below this share of the largest leave a null space.
SINGULAR = 1e-5
# Pull towards the seed among the solutions: none, and the one by which solutions are led through a null space.
NO_PULL, PULL = 1e-9, 0.01
# Longest step of a walk through the null space, largest number of steps, and step that ends it [rad or m].
WALK_STEP, WALK_STEPS, WALK_END = 0.1, 200, 1e-3
# Farthest that a solution moves when it is refined after full turns [rad or m]: scale errors of joints.
REFINED = 0.1
# Configurations that full turns make of a solution, at most.
MOST_TURNS = 4096


class Postures:
    """Distinct solutions, and how often each was found.

    Parameters
    ----------
    tolerance : float
        Largest difference of a joint, turns aside, between two that are one [rad or m].
    turns : (J,) bool
        Joints of which a full turn makes no difference to the tool.
    """

    def __init__(self, tolerance: float, turns: np.ndarray):
        self._tolerance, self._turns = tolerance, turns
        self.configurations = np.empty((0, len(turns)))
        self.counts = np.empty(0, dtype=int)

    def add(self, configurations: Array) -> None:
        """Count configurations (n, J)."""
        while len(configurations):
            first = configurations[0]
            here = self.near(first)
            same = np.abs(self._difference(configurations, first)).max(axis=1) <= self._tolerance
            if len(here):
                self.counts[here[0]] += same.sum()
            else:
                self.configurations = np.vstack([self.configurations, first])
                self.counts = np.append(self.counts, same.sum())
            configurations = configurations[~same]

    def near(self, configuration: Array) -> np.ndarray:
        """Rows of ``configurations`` that are one with a configuration (J,)."""
        away = np.abs(self._difference(self.configurations, configuration)).max(axis=1)
        return np.flatnonzero(away <= self._tolerance)

    def _difference(self, configurations: Array, other: Array) -> Array:
        difference = configurations - other
        turned = difference - 2.0 * np.pi * np.rint(difference / (2.0 * np.pi))
        return np.where(self._turns, turned, difference)


class NullSpace:
    """Motions of the joints that leave the tool of a problem where it is."""

    def __init__(self, robot: RobotModel, kinematics: RobotModel, decoder: Decoder, problem: Problem):
        self._robot, self._kinematics, self._decoder, self._problem = robot, kinematics, decoder, problem
        self._rows = np.repeat(decoder.loss.weights > 0.0, 3)

    def exists(self, configurations: Array) -> np.ndarray:
        """Whether joints can move at configurations (n, J) while the tool stays: bool (n,)."""
        values = np.linalg.svd(self._kinematics.jacobian(configurations)[:, self._rows], compute_uv=False)
        return np.asarray(np.sum(values > SINGULAR * values[:, :1], axis=1) < self._robot.dof)

    def lead(self, configuration: Array, target: Array) -> Array:
        """Solution (J,) nearest ``target`` (J,) that a descent leads to from another."""
        pulled = replace(self._problem, posture=target, prior_weight=PULL)
        for _ in range(2):
            configuration = self._decoder.decode(pulled, configuration)[0]
        return configuration

    def connects(self, configuration: Array, target: Array) -> bool:
        """Whether a walk through the null space, in short steps, leads from one solution (J,) to another.

        It goes where the other is nearer, and so may fail where there is a way around.
        """
        robot, lower, upper = self._robot, self._robot.lower, self._robot.upper
        settle, q = replace(self._problem, prior_weight=0.0), configuration
        away = np.linalg.norm(target - q)
        for _ in range(WALK_STEPS):
            if np.abs(target - q).max() <= SAME_IN_NULL_SPACE:
                return True
            wanted = target - q
            free = ((q > lower) | (wanted > 0.0)) & ((q < upper) | (wanted < 0.0))
            jacobian = self._kinematics.jacobian(q)[self._rows][:, free]
            step = np.zeros(robot.dof)
            step[free] = wanted[free] - np.linalg.pinv(jacobian, SINGULAR) @ (jacobian @ wanted[free])
            longest = np.abs(step).max()
            if longest < WALK_END:
                return False
            q = self._decoder.decode(settle, np.clip(q + step * min(1.0, WALK_STEP / longest), lower, upper))[0]
            before, away = away, np.linalg.norm(target - q)
            if away > before - 0.1 * WALK_END:
                return False
        return False


def solve_branches(
    estimator: InverseKinematics, pose: Array, seed: Array, limit: int | None, timeout: float
) -> PathResult:
    """Answer ``InverseKinematics.solve_all`` for a pose (4, 4), a seed (J,) within the limits and checked options."""
    robot = estimator.robot
    explorer = copy(estimator)
    explorer.null_space_weight = NO_PULL
    # Copies cannot have what compiled code holds; nothing that it knows differs.
    explorer._gathered = estimator._prepared()
    first = explorer.solve_many(pose[None], seed, estimator.timeout, max_joint_step=np.inf)
    problem = estimator._problem(pose)
    if not first.success[0] or problem is None:
        return taken(first, np.empty(0, dtype=int))
    decoder = Decoder(estimator._kinematics, estimator._loss)
    null_space = NullSpace(robot, estimator._kinematics, decoder, problem)
    # The first request of a process waits for compiled code until here.
    null_space.exists(first.configurations)
    null_space.lead(first.configurations[0], seed)
    deadline = time.monotonic() + timeout
    postures = _explore(explorer, null_space, pose, seed, first.configurations, deadline)
    candidates = np.vstack([full_turns(robot, q, seed) for q in postures])
    candidates = candidates[np.argsort(np.linalg.norm(_from_seed(robot, candidates, seed), axis=1), kind="stable")]
    # A few more than are wanted: some may not stand, and refining changes the order of near ones.
    candidates = candidates if limit is None else candidates[: 2 * limit + 8]
    refined = explorer.solve_many(
        np.repeat(pose[None], len(candidates), axis=0), candidates, estimator.timeout, max_joint_step=np.inf
    )
    stands = refined.success
    moved = np.abs(_from_seed(robot, refined.configurations, candidates)).max(axis=1)
    # At a singularity refining leads along the solutions, and onto others.
    tolerances = estimator._tolerances()
    for row in np.flatnonzero(stands & (moved > REFINED)):
        errors = decoder.errors(problem, candidates[row])
        stands[row] = errors[0] <= tolerances[0] and errors[1] <= tolerances[1]
        refined.configurations[row] = candidates[row]
        refined.position_errors[row], refined.orientation_errors[row] = errors
    rows = np.flatnonzero(stands)
    distances = np.linalg.norm(_from_seed(robot, refined.configurations[rows], seed), axis=1)
    return taken(refined, rows[np.argsort(distances, kind="stable")][:limit])


def _explore(
    explorer: InverseKinematics, null_space: NullSpace, pose: Array, seed: Array, known: Array, deadline: float
) -> Array:
    """Distinct solutions (k, J) of a pose, one a posture, in no order."""
    robot = explorer.robot
    turns = turning(robot)
    isolated, led = Postures(SAME, turns), Postures(SAME_IN_NULL_SPACE, turns)
    starts = _starts(robot, seed, explorer.random_state)
    tried, solved = 1, known
    while True:
        movable = null_space.exists(solved)
        isolated.add(solved[~movable])
        led.add(np.array([null_space.lead(q, seed) for q in solved[movable]]).reshape(-1, robot.dof))
        fewest = FEWEST_NULL_SPACE_STARTS if len(led.counts) else FEWEST_STARTS
        counts = np.concatenate([isolated.counts, led.counts])
        if (tried >= fewest and counts.min() >= ENOUGH_TIMES) or time.monotonic() >= deadline:
            break
        batch = NULL_SPACE_BATCH if len(led.counts) else BATCH
        seeds = np.array([next(starts) for _ in range(batch)])
        answers = explorer.solve_many(
            np.repeat(pose[None], batch, axis=0), seeds, START_TIMEOUT_S, max_joint_step=np.inf
        )
        solved, tried = answers.configurations[answers.success], tried + batch
    return np.vstack([isolated.configurations, _one_a_branch(null_space, led.configurations, seed)])


def _one_a_branch(null_space: NullSpace, solutions: Array, seed: Array) -> Array:
    """Of solutions (k, J), the nearest to the seed of each set that motions of the null space connect."""
    order = np.argsort(np.linalg.norm(solutions - seed, axis=1), kind="stable")
    kept: list[Array] = []
    for q in solutions[order]:
        if not any(null_space.connects(q, other) or null_space.connects(other, q) for other in kept):
            kept.append(q)
    return np.array(kept).reshape(-1, len(seed))


def _starts(robot: RobotModel, seed: Array, random_state: int) -> Iterator[Array]:
    """Configurations (J,) to start from, always the same ones: seed, rest pose, and such as are drawn at random."""
    yield seed
    yield robot.rest
    rng = np.random.default_rng(random_state)
    while True:
        yield from robot.random_configurations(BATCH, rng)


def turning(robot: RobotModel) -> np.ndarray:
    """Joints (J,) that turn, so that a full turn leaves the tool where it is."""
    return ~np.asarray(robot.chain.prismatic)


def full_turns(robot: RobotModel, configuration: Array, seed: Array) -> Array:
    """Configurations (k, J) within the limits that differ from one (J,) by full turns of its joints, it included.

    Where limits of many turns would make too many, only the turns nearest the seed (J,) count.
    """
    choices = []
    for j, angle in enumerate(configuration):
        values = np.array([angle])
        if turning(robot)[j] and not robot.continuous[j]:
            first = np.ceil((robot.lower[j] - angle) / (2.0 * np.pi) - 1e-12)
            last = np.floor((robot.upper[j] - angle) / (2.0 * np.pi) + 1e-12)
            values = np.clip(angle + 2.0 * np.pi * np.arange(first, last + 1.0), robot.lower[j], robot.upper[j])
        choices.append(values[np.argsort(np.abs(values - seed[j]), kind="stable")])
    while np.prod([float(len(values)) for values in choices]) > MOST_TURNS:
        longest = int(np.argmax([len(values) for values in choices]))
        choices[longest] = choices[longest][:-1]
    return np.stack(np.meshgrid(*choices, indexing="ij"), axis=-1).reshape(-1, robot.dof)


def _from_seed(robot: RobotModel, configurations: Array, seed: Array) -> Array:
    """Motions (k, J) from the seed to configurations (k, J), of continuous joints the shorter way."""
    motions = configurations - seed
    return np.where(robot.continuous, motions - 2.0 * np.pi * np.rint(motions / (2.0 * np.pi)), motions)


def taken(result: PathResult, rows: np.ndarray) -> PathResult:
    """Answers of these rows (k,), in their order."""
    return PathResult(
        result.configurations[rows],
        result.success[rows],
        tuple(result.status[row] for row in rows),
        result.position_errors[rows],
        result.orientation_errors[rows],
        result.supports[rows],
        tuple(result.sources[row] for row in rows),
    )
