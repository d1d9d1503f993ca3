"""From a target embedding to a configuration: the minimisation of equation (3), in compiled code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crisp_ik_ros.compiled import inlined, innermost
from crisp_ik_ros.estimators.task import Axes, make_task
from crisp_ik_ros.losses.evaluate import evaluate
from crisp_ik_ros.losses.loss import FORWARD_KINEMATICS, RADIANS, RESIDUAL, Loss, Workspace, make_workspace
from crisp_ik_ros.robots.chain import frames
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.lbfgsb import lbfgsb
from crisp_ik_ros.solvers.levenberg_marquardt import AT_BEST, EVALUATE, EVALUATIONS, State, advance, make_state, start
from crisp_ik_ros.transforms import Array, compiled_nearest_rotation, compiled_rotation_logarithm

# With the prior on, a step this small ends the first phase: it only chooses among the solutions of the task [rad].
PRIOR_STEP = 1e-4
TASK_STEP = 1e-11
# Largest number of evaluations of a phase.
LIMIT = 60
_FULL = Axes(np.zeros(0), np.ones(2), 6)


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
    """Solves problems of one robot and loss, one at a time: it owns the scratch memory."""

    def __init__(self, robot: RobotModel, loss: Loss):
        self.robot = robot
        self.loss = loss
        self._task = make_task(robot, loss)
        # A continuous joint turns freely while solving; its angle is wrapped afterwards.
        lower = np.where(robot.continuous, -np.inf, robot.lower)
        upper = np.where(robot.continuous, np.inf, robot.upper)
        self._state: State = make_state(lower, upper)
        self._work: Workspace = make_workspace(robot.dof, loss.dimension(robot.dof))
        self._errors, self._offset = np.zeros(2), np.zeros(0)

    def decode(self, problem: Problem, initial: Array) -> tuple[Array, float, float, int]:
        """Minimise from ``initial`` (J,) by Levenberg-Marquardt.

        Where the posture has a weight, first the task together with the wish for it, then the task alone, which moves
        by the shortest step and so stays where the first phase has put the posture.

        Returns
        -------
        configuration (J,), position error [m], orientation error [rad], number of evaluations
        """
        phases = [(0.0, TASK_STEP)]
        if problem.prior_weight > 0.0:
            phases.insert(0, (problem.prior_weight, PRIOR_STEP))
        evaluations = 0
        for weight, smallest_step in phases:
            evaluations += minimise(
                self._task, _FULL, problem.goal, problem.target, initial, problem.posture, weight, smallest_step,
                LIMIT, np.inf, False, self._offset, 0.0, self._state, self._work,
            )  # fmt: skip
            initial = self._state.best
        configuration = self.robot.confined(self._state.best)
        return (configuration, *self.errors(problem, configuration), evaluations)

    def decode_lbfgsb(self, problem: Problem, initial: Array) -> tuple[Array, float, float, int]:
        """Do the same with SciPy's L-BFGS-B, the paper's solver; without the null-space term."""
        result = lbfgsb(self.objective(problem), initial, self._state.lower, self._state.upper)
        configuration = self.robot.confined(result.configuration)
        return (configuration, *self.errors(problem, configuration), result.iterations)

    def objective(self, problem: Problem) -> Callable[[Array], tuple[float, Array]]:
        """|phi(y) - target|^2 / 2 and its gradient (J,), as a function of y (J,)."""
        task, work = self._task, make_workspace(self.robot.dof, self.loss.dimension(self.robot.dof))

        def value_and_gradient(y: Array) -> tuple[float, Array]:
            evaluate(task.code, task.chain, task.weights, problem.goal, y, problem.target, work)
            return 0.5 * float(work.residual @ work.residual), work.jacobian.T @ work.residual

        return value_and_gradient

    def errors(self, problem: Problem, configuration: Array) -> tuple[float, float]:
        """Distance [m] and angle [rad] between the target and the tool, as far as the estimator can tell."""
        believed_errors(self._task, _FULL, problem.goal, problem.target, configuration, self._work, self._errors)
        return float(self._errors[0]), float(self._errors[1])


@innermost
def minimise(
    task, axes, goal, target, initial, prior, prior_weight, smallest_step, limit, hopeless, resumes, offset, share,
    state, work,
):  # fmt: skip
    """Minimise |phi(y; goal) - target|^2 + prior_weight^2 |y - prior|^2, leaving the answer in ``state.best``.

    A start that hardly gets on while its cost is above ``hopeless`` is abandoned. One that ``resumes`` begins at the
    ``state.best`` of the last, with the same memory. ``share`` of ``offset`` (R,) is taken off the residual. Returns
    the number of evaluations.
    """
    known = resumes and state.scalars[AT_BEST] == 1.0
    start(state, initial, prior, smallest_step, hopeless)
    status = EVALUATE
    while status == EVALUATE:
        if not known:
            evaluate_along(task, axes, goal, state.y, target, work)
            if share != 0.0:
                for i in range(offset.shape[0]):
                    work.residual[i] -= share * offset[i]
        known = False
        status = advance(state, work.residual, work.jacobian, prior_weight, limit)
    return int(state.scalars[EVALUATIONS])


@innermost
def evaluate_along(task, axes, goal, q, target, work):
    """Write residual and Jacobian at ``q`` (J,) to ``work``: the loss's, or what of the residual loss's counts."""
    evaluate(task.code, task.chain, task.weights, goal, q, target, work)
    if axes.bands.shape[0] > 0:
        residual, jacobian = work.residual, work.jacobian
        for block in range(0, 6, 3):
            _along_axes(goal, residual, block)
            for j in range(q.shape[0]):
                x, y, z = jacobian[block, j], jacobian[block + 1, j], jacobian[block + 2, j]
                for i in range(3):
                    jacobian[block + i, j] = goal[0, i] * x + goal[1, i] * y + goal[2, i] * z
        for i in range(6):
            weight, scale = task.weights[i // 3], axes.scales[i // 3]
            beyond = _beyond(residual[i], axes.bands[i] * weight if weight > 0.0 else 0.0)
            residual[i] = scale * beyond
            for j in range(q.shape[0]):
                jacobian[i, j] = scale * jacobian[i, j] if beyond != 0.0 or axes.bands[i] == 0.0 else 0.0


@inlined
def _along_axes(goal, values, begin):
    """Turn three of ``values`` from the base frame into the target's, in place."""
    x, y, z = values[begin], values[begin + 1], values[begin + 2]
    for i in range(3):
        values[begin + i] = goal[0, i] * x + goal[1, i] * y + goal[2, i] * z


@inlined
def _beyond(value, band):
    """Part of a value that is outside [-band, band]."""
    return value - min(max(value, -band), band)


@innermost
def believed_errors(task, axes, goal, target, q, work, out):
    """Write the distance [m] and angle [rad] from the target, as far as they count and can be told, to ``out`` (2,).

    The radians loss knows no pose: its answer is compared with the goal through the model.
    """
    code, weights, rotation, relative, vector = task.code, task.weights, work.rotation, work.relative, work.vector
    frames(task.chain, q, rotation, work.position, work.axes, work.origins)
    aim = work.inverse
    if code == FORWARD_KINEMATICS:
        # The mean of rotations is none; minimising the chordal distance to it aims at its nearest rotation.
        compiled_nearest_rotation(target[3:12], work.square, work.vectors, aim)
    for i in range(3):
        for k in range(3):
            if code == FORWARD_KINEMATICS:
                x, y, z = aim[i, 0], aim[i, 1], aim[i, 2]
            else:
                x, y, z = goal[i, 0], goal[i, 1], goal[i, 2]
            relative[i, k] = x * rotation[k, 0] + y * rotation[k, 1] + z * rotation[k, 2]
    compiled_rotation_logarithm(relative, vector)
    position = work.position
    for i in range(3):
        along, about = goal[i, 3] - position[i], vector[i]
        if code == RESIDUAL:
            along -= _unweighted(target[i], weights[0])
            about -= _unweighted(target[3 + i], weights[1])
        elif code == FORWARD_KINEMATICS:
            along = _unweighted(target[i], weights[0]) - position[i]
        position[i], vector[i] = along, about
    if axes.bands.shape[0] > 0:
        _along_axes(goal, position, 0)
        _along_axes(goal, vector, 0)
        for i in range(3):
            position[i] = _beyond(position[i], axes.bands[i])
            vector[i] = _beyond(vector[i], axes.bands[3 + i])
    distance = position[0] ** 2 + position[1] ** 2 + position[2] ** 2
    angle = vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2
    known = code == RADIANS
    out[0] = np.sqrt(distance) if known or weights[0] > 0.0 else 0.0
    out[1] = np.sqrt(angle) if known or weights[1] > 0.0 else 0.0


@inlined
def _unweighted(value, weight):
    return value / weight if weight > 0.0 else 0.0
