"""One start of a search: down to a configuration, and how good that is; compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from crisp_ik_ros.compiled import assign, innermost
from crisp_ik_ros.estimators.decoding import LIMIT, TASK_STEP, believed_errors, decode, minimise
from crisp_ik_ros.losses.loss import FORWARD_KINEMATICS, RADIANS, RESIDUAL, Workspace
from crisp_ik_ros.robots.limits import confine
from crisp_ik_ros.solvers.levenberg_marquardt import State
from crisp_ik_ros.transforms import Array

# An abandoned start within so many tolerances is worth finishing.
NEARLY = 10.0
# Evaluations in which the posture draws a solution that was found from anywhere.
PULLS = 8
# Kinds of starts: the seed, which is followed wherever it leads; near the solution, so that the posture may pull at
# once; anywhere, so that it only may afterwards.
SEED, NEAR, ANYWHERE = 0, 1, 2


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


@njit(cache=True)
def make_run(task, sample_distances, table_distances):
    """Memory for requests of one robot and loss."""
    joints, rows = task.lower.shape[0], 6
    if task.code == RADIANS:
        rows = 2 * joints
    elif task.code == FORWARD_KINEMATICS:
        rows = 12
    state = State(
        np.zeros(joints), np.zeros(joints), np.zeros(joints), np.zeros(joints), np.zeros(joints), np.zeros(joints),
        np.zeros(joints), np.zeros((joints, joints)), np.zeros((joints, joints)), np.zeros(7),
    )  # fmt: skip
    # The errors of the radians loss are those of poses: six rows at least.
    height = max(rows, 6)
    work = Workspace(
        np.zeros(height), np.zeros((height, joints)), np.zeros((3, 3)), np.zeros(3), np.zeros((6, joints)),
        np.zeros((joints, 3)), np.zeros((joints, 3)), np.zeros((3, 3)), np.zeros((3, 3)), np.zeros(3),
    )  # fmt: skip
    target, posture, best = np.zeros(rows), np.zeros(joints), np.zeros(joints)
    trial, initial, errors = np.zeros(joints), np.zeros(joints), np.zeros(2)
    figures, counts = np.zeros(4), np.zeros(2, np.int64)
    return Run(
        np.zeros((4, 4)), target, posture, best, trial, initial, np.zeros(joints), errors, figures, counts,
        sample_distances, table_distances, state, work,
    )  # fmt: skip


@innermost
def descend(task, wish, run, posture, weight, kind):
    """Go down from ``run.initial``; keep it where it is the best so far, and return whether it is within tolerances."""
    run.counts[1] += 1
    hopeless = np.inf if kind == SEED else run.figures[3]
    anywhere = kind == ANYWHERE and weight > 0.0
    first = np.inf
    if anywhere:
        run.counts[0] += minimise_task(task, run, run.initial, hopeless)
        take(task, run)
        first = judge(task, wish, run)
        if first > NEARLY:
            return False
        assign(run.initial, run.trial)
    run.counts[0] += decode(
        task.code, task.chain, task.weights, run.pose, run.target, run.initial, posture, weight,
        PULLS if anywhere else LIMIT, hopeless, run.state, run.work,
    )  # fmt: skip
    take(task, run)
    badness = judge(task, wish, run)
    if anywhere and badness <= 1.0:
        # Of the two that reach the pose, the one that the posture has drawn.
        assign(run.best, run.trial)
        run.figures[0], run.figures[1], run.figures[2] = badness, run.errors[0], run.errors[1]
    elif first <= 1.0:
        assign(run.trial, run.initial)
        return True
    return badness <= 1.0


@innermost
def minimise_task(task, run, initial, hopeless):
    """Go down from ``initial`` without any wish for the posture; return the evaluations."""
    return minimise(
        task.code, task.chain, task.weights, run.pose, run.target, initial, 0.0, TASK_STEP, LIMIT, hopeless,
        run.state, run.work,
    )  # fmt: skip


@innermost
def take(task, run):
    """Make the solver's answer, moved into the limits, the trial."""
    assign(run.trial, run.state.best)
    confine(run.trial, task.lower, task.upper, task.continuous)


@innermost
def judge(task, wish, run):
    """Return the badness of the trial, and keep the trial where it is the best so far."""
    believed_errors(task.code, task.chain, task.weights, run.pose, run.target, run.trial, run.work, run.errors)
    badness = max(run.errors[0] / wish.position_tolerance, run.errors[1] / wish.orientation_tolerance)
    if badness < run.figures[0]:
        assign(run.best, run.trial)
        run.figures[0], run.figures[1], run.figures[2] = badness, run.errors[0], run.errors[1]
    return badness


@innermost
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
