"""From a target embedding to a configuration: the minimisation of equation (3), in compiled code."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crisp_ik_ros.compiled import allocating, assign, innermost
from crisp_ik_ros.losses.evaluate import evaluate
from crisp_ik_ros.losses.loss import RADIANS, RESIDUAL, Loss, Workspace, make_workspace
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.lbfgsb import lbfgsb
from crisp_ik_ros.solvers.levenberg_marquardt import EVALUATE, State, advance, make_state, start
from crisp_ik_ros.transforms import Array, compiled_rotation_logarithm

# With the prior on, a step this small ends the first phase: it only chooses among the solutions of the task [rad].
PRIOR_STEP = 1e-4
TASK_STEP = 1e-11
# Largest number of evaluations of a phase.
LIMIT = 60


@dataclass(frozen=True)
class Problem:
    """One request, ready to be decoded: find y with phi(y; goal) = target.

    Attributes
    ----------
    goal : (4, 4)
        Target pose [m].
    target : (D,)
        Target embedding c / s.
    posture : (J,)
        Where redundancy is resolved towards.
    prior_weight : float
        Weight of that wish against the task; 0 leaves redundancy to the start.
    support : float
        0..1.
    source : str
        "learned", "blended" or "nominal".
    """

    goal: Array
    target: Array
    posture: Array
    prior_weight: float
    support: float
    source: str


class Decoder:
    """Solves problems of one robot and loss; owns the scratch memory, so a caller holds ``lock``."""

    def __init__(self, robot: RobotModel, loss: Loss):
        self.robot = robot
        self.loss = loss
        self.lock = threading.Lock()
        self._weights = loss.weights
        # A continuous joint turns freely while solving; its angle is wrapped afterwards.
        lower = np.where(robot.continuous, -np.inf, robot.lower)
        upper = np.where(robot.continuous, np.inf, robot.upper)
        self._state: State = make_state(lower, upper)
        self._work: Workspace = make_workspace(robot.dof, loss.dimension(robot.dof))
        self._errors = np.zeros(2)

    def decode(self, problem: Problem, initial: Array) -> tuple[Array, float, float, int]:
        """Minimise from ``initial`` (J,) by Levenberg-Marquardt.

        Returns
        -------
        configuration (J,), position error [m], orientation error [rad], number of evaluations
        """
        evaluations = decode(
            self.loss.code,
            self.robot.chain,
            self._weights,
            problem.goal,
            problem.target,
            initial,
            problem.posture,
            problem.prior_weight,
            LIMIT,
            np.inf,
            self._state,
            self._work,
        )
        configuration = self.robot.confined(self._state.best)
        return (configuration, *self.errors(problem, configuration), evaluations)

    def decode_lbfgsb(self, problem: Problem, initial: Array) -> tuple[Array, float, float, int]:
        """Do the same with SciPy's L-BFGS-B, the paper's solver; without the null-space term."""
        result = lbfgsb(self.objective(problem), initial, self._state.lower, self._state.upper)
        configuration = self.robot.confined(result.configuration)
        return (configuration, *self.errors(problem, configuration), result.iterations)

    def objective(self, problem: Problem) -> Callable[[Array], tuple[float, Array]]:
        """|phi(y) - target|^2 / 2 and its gradient (J,), as a function of y (J,)."""
        work = make_workspace(self.robot.dof, self.loss.dimension(self.robot.dof))

        def value_and_gradient(y: Array) -> tuple[float, Array]:
            evaluate(self.loss.code, self.robot.chain, self._weights, problem.goal, y, problem.target, work)
            return 0.5 * float(work.residual @ work.residual), work.jacobian.T @ work.residual

        return value_and_gradient

    def errors(self, problem: Problem, configuration: Array) -> tuple[float, float]:
        """Distance [m] and angle [rad] between the target and the tool, as far as the estimator can tell."""
        believed_errors(
            self.loss.code,
            self.robot.chain,
            self._weights,
            problem.goal,
            problem.target,
            configuration,
            self._work,
            self._errors,
        )
        return float(self._errors[0]), float(self._errors[1])


@innermost
def decode(code, chain, weights, goal, target, initial, posture, prior_weight, pulls, hopeless, state, work):
    """Minimise |phi(y; goal) - target|^2 from ``initial``, leaving the answer in ``state.best``.

    Where the pull towards ``posture`` has a weight, it decides among the solutions, for ``pulls`` evaluations at most.
    A start that hardly gets on while its cost is above ``hopeless`` is abandoned. Returns the number of evaluations.
    """
    evaluations = 0
    if prior_weight > 0.0:
        # First the task together with the wish for the posture, ...
        assign(state.prior, posture)
        evaluations = minimise(
            code, chain, weights, goal, target, initial, prior_weight, PRIOR_STEP, pulls, np.inf, state, work
        )
        initial = state.best
    # ... then the task alone, which moves by the shortest step and so stays where the first phase has put the posture.
    return evaluations + minimise(
        code, chain, weights, goal, target, initial, 0.0, TASK_STEP, LIMIT, hopeless, state, work
    )


@innermost
def minimise(code, chain, weights, goal, target, initial, prior_weight, smallest_step, limit, hopeless, state, work):
    """One phase of ``decode``."""
    start(state, initial, smallest_step, hopeless)
    status = EVALUATE
    while status == EVALUATE:
        evaluate(code, chain, weights, goal, state.y, target, work)
        status = advance(state, work.residual, work.jacobian, prior_weight, limit)
    return int(state.scalars[3])


@innermost
def _norm(values, begin):
    """Length of three consecutive ``values``."""
    return np.sqrt(values[begin] ** 2 + values[begin + 1] ** 2 + values[begin + 2] ** 2)


@allocating
def _turn_from_mean(target, work):
    """Write the rotation vector from the tool to the rotation nearest the mean of rotations in ``target`` (12,)."""
    left, _, right = np.linalg.svd(target[3:12].copy().reshape(3, 3))
    if np.linalg.det(left) * np.linalg.det(right) < 0.0:
        left[:, 2] = -left[:, 2]
    work.relative[:] = (left @ right) @ work.rotation.T
    compiled_rotation_logarithm(work.relative, work.vector)


@allocating
def _evaluate_as_poses(chain, goal, q, work):
    """Write the error of the model's pose to the first six of ``work.residual``."""
    evaluate(RESIDUAL, chain, np.ones(2), goal, q, np.zeros(6), work)


@innermost
def believed_errors(code, chain, weights, goal, target, q, work, out):
    """Write the distance [m] and angle [rad] from the target, as far as can be told, to ``out`` (2,)."""
    if code == RADIANS:
        # The radians loss knows no pose: its answer is compared with the goal through the model.
        _evaluate_as_poses(chain, goal, q, work)
        out[0], out[1] = _norm(work.residual, 0), _norm(work.residual, 3)
        return
    evaluate(code, chain, weights, goal, q, target, work)
    out[0] = _norm(work.residual, 0) / weights[0] if weights[0] > 0.0 else 0.0
    out[1] = 0.0
    if weights[1] > 0.0 and code == RESIDUAL:
        out[1] = _norm(work.residual, 3) / weights[1]
    elif weights[1] > 0.0:
        # The mean of rotations is none; minimising the chordal distance to it aims at its nearest rotation.
        _turn_from_mean(target, work)
        out[1] = _norm(work.vector, 0)
