"""One start of a search: down to a configuration, and how good that is; compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crisp_ik_ros.compiled import allocating, assign, inlined, innermost
from crisp_ik_ros.estimators.decoding import LIMIT, PRIOR_STEP, TASK_STEP, believed_errors, minimise
from crisp_ik_ros.losses.loss import FORWARD_KINEMATICS, RESIDUAL, Workspace
from crisp_ik_ros.robots.limits import confine
from crisp_ik_ros.solvers.levenberg_marquardt import State
from crisp_ik_ros.transforms import Array

# An abandoned start within so many tolerances is worth finishing.
NEARLY = 10.0
# Evaluations in which the posture draws a start that nobody asked for: from near the solution that is enough, and from
# afar more are in vain. On random poses of the Panda 31 evaluations were needed in the mean, and 62 without this.
PULLS = 8
# Kinds of starts: the seed, which is followed wherever it leads; near the solution, so that the posture may pull at
# once; anywhere, so that it only may afterwards; and the best so far, to get as near as it gets.
SEED, NEAR, ANYWHERE, BEST = 0, 1, 2, 3
# Phases of a start: to the pose, with the posture pulling, and to the pose again.
_REACH, _PULL, _SETTLE = 0, 1, 2


class Wish(NamedTuple):
    """What an answer is to be like.

    Attributes
    ----------
    position_tolerance, orientation_tolerance : float
        [m, rad]
    null_space_weight : float
    timeout : float
        For each pose [s].
    random_state : int
    nearest : bool
        Whether to look for the solution nearest the seed instead of the first.
    largest_step : (J,), or (0,)
        Largest motion of each joint from the seed [rad or m]; empty: any.
    """

    position_tolerance: float
    orientation_tolerance: float
    null_space_weight: float
    timeout: float
    random_state: int
    nearest: bool
    largest_step: Array


class Run(NamedTuple):
    """One request on its way: its pose, and memory.

    Attributes
    ----------
    best : (J,)
        Configuration of the smallest error so far; ``trial`` of the last start, ``chosen`` the one nearest the seed.
    figures : (4,)
        Badness (largest error in tolerances) and the two errors of ``best``; cost below which nothing is hopeless.
    counts : (2,) int64
        Evaluations and starts.
    """

    pose: Array
    target: Array
    posture: Array
    best: Array
    trial: Array
    initial: Array
    chosen: Array
    errors: Array
    figures: Array
    counts: np.ndarray
    sample_distances: Array
    table_distances: Array
    state: State
    work: Workspace


@allocating
def make_run(task, samples, configurations):
    """Memory for requests of one robot and loss, with so many samples and configurations in the table."""
    joints, rows = task.lower.shape[0], task.dimension
    # Rows of one block: an array each would take longer to compile than all else here.
    vectors, matrices = np.zeros((15, joints)), np.zeros((4, joints, joints))
    state = State(
        vectors[0], vectors[1], vectors[2], vectors[3], vectors[4], vectors[5], vectors[6], matrices[0], matrices[1],
        np.zeros(8),
    )  # fmt: skip
    tall, squares, threes = np.zeros((rows, joints)), np.zeros((2, 4, 4)), np.zeros((3, 3, 3))
    work = Workspace(
        np.zeros(rows), tall, threes[0], np.zeros(3), np.zeros((6, joints)), np.zeros((joints, 3)),
        np.zeros((joints, 3)), threes[1], threes[2], np.zeros(3), squares[0], squares[1],
    )  # fmt: skip
    return Run(
        np.zeros((4, 4)), np.zeros(rows), vectors[7], vectors[8], vectors[9], vectors[10], vectors[11], np.zeros(2),
        np.zeros(4), np.zeros(2, np.int64), np.empty(samples), np.empty(configurations), state, work,
    )  # fmt: skip


@innermost
def descend(task, wish, run, posture, weight, kind):
    """Go down from ``run.initial``; keep it where it is the best so far, and return whether it is within tolerances."""
    state = run.state
    if kind != BEST:
        run.counts[1] += 1
    hopeless = run.figures[3] if kind in (NEAR, ANYWHERE) else np.inf
    anywhere = kind == ANYWHERE and weight > 0.0
    phase = _REACH if anywhere else _PULL if weight > 0.0 and kind != BEST else _SETTLE
    initial, first, resumes = run.initial, np.inf, False
    while True:
        pulls = phase == _PULL
        run.counts[0] += minimise(
            task, run.pose, run.target, initial, posture, weight if pulls else 0.0, PRIOR_STEP if pulls else TASK_STEP,
            PULLS if pulls and kind != SEED else LIMIT, np.inf if pulls else hopeless, resumes, state, run.work,
        )  # fmt: skip
        if pulls:
            initial, phase, resumes = state.best, _SETTLE, True
            continue
        assign(run.trial, state.best)
        confine(run.trial, task.lower, task.upper, task.continuous)
        badness = judge(task, wish, run)
        if phase == _SETTLE:
            break
        if badness > NEARLY:
            return False
        first, phase = badness, _PULL
        # The answer without the posture's pull, should that lead astray.
        assign(run.initial, run.trial)
    if anywhere and badness <= 1.0:
        # Of the two that reach the pose, the one that the posture has drawn.
        keep(run, badness)
    elif first <= 1.0:
        assign(run.trial, run.initial)
    return min(badness, first) <= 1.0


@innermost
def judge(task, wish, run):
    """Return the badness of the trial, and keep the trial where it is the best so far."""
    believed_errors(task, run.pose, run.target, run.trial, run.work, run.errors)
    badness = max(run.errors[0] / wish.position_tolerance, run.errors[1] / wish.orientation_tolerance)
    if badness < run.figures[0]:
        keep(run, badness)
    return badness


@inlined
def keep(run, badness):
    """Make the trial the best so far."""
    assign(run.best, run.trial)
    run.figures[0], run.figures[1], run.figures[2] = badness, run.errors[0], run.errors[1]


@inlined
def out_of_reach(task, wish, run):
    """Whether the model's tool cannot get to where it would have to be, wherever the joints are."""
    weight = task.weights[0]
    if weight == 0.0:
        return False
    total = 0.0
    for i in range(3):
        position = run.pose[i, 3]
        if task.code == RESIDUAL:
            position -= run.target[i] / weight
        elif task.code == FORWARD_KINEMATICS:
            position = run.target[i] / weight
        total += (position - task.anchor[i]) ** 2
    return np.sqrt(total) > task.reach + wish.position_tolerance
