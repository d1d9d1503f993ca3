"""The global search for a configuration, compiled from the pose to the answer: starts, clock, steps and verdict."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from crisp_ik_ros.compiled import allocating, assign, innermost
from crisp_ik_ros.estimators.clock import seconds
from crisp_ik_ros.estimators.descent import (
    ANYWHERE,
    NEAR,
    SEED,
    descend,
    judge,
    make_run,
    minimise_task,
    out_of_reach,
    take,
)
from crisp_ik_ros.estimators.prediction import Learned, Task, expect, support_at
from crisp_ik_ros.estimators.starts import Table, draw, squared_distances, take_nearest
from crisp_ik_ros.losses.loss import RADIANS
from crisp_ik_ros.regression.kernels import write_features
from crisp_ik_ros.robots.limits import distance_between
from crisp_ik_ros.solvers.result import NO_SOLUTION, NOMINAL, STEP_TOO_LARGE, SUCCESS, TIMED_OUT

# Fewer starts than this within the timeout, and the answer is "timed out" rather than "no solution".
STARTS_FOR_A_VERDICT = 8
# Starts without a seed: configurations of the samples nearest by kernel, then of the table, then drawn at random.
NEAREST_SAMPLES = 8
NEAREST_OF_TABLE = 16
# Starts of a request that wants the solution nearest the seed, and of the look within its largest step.
STARTS_TO_COMPARE = 32
STARTS_WITHIN_STEP = 8
# Pull towards the seed among the solutions, where the nearest is wanted and the estimator has no weight of its own.
SEED_WEIGHT = 0.03


class Knowledge(NamedTuple):
    """All that an estimator knows, for compiled code."""

    task: Task
    learned: Learned
    table: Table


@njit(cache=True, nogil=True)
def search(knowledge, wish, poses, seeds, chained, configurations, numbers, codes):
    """Answer poses (n, 4, 4) into the fields of ``Answers``: each pose for itself, or each from the last solution.

    ``seeds`` are (n, J), or none (0, J); ``chained``, at most one. All are as ``check_pose`` and ``check_seed`` return
    them.
    """
    task = knowledge.task
    samples = np.empty(knowledge.learned.configurations.shape[0])
    table = np.empty(knowledge.table.configurations.shape[0])
    run, clock = make_run(task, samples, table), np.zeros(2, np.int64)
    last, seeded = task.rest.copy(), seeds.shape[0] > 0
    for row in range(poses.shape[0]):
        deadline = seconds(clock) + wish.timeout
        if seeded and (row == 0 or not chained):
            assign(last, seeds[row])
        run.pose[:] = poses[row]
        _answer(knowledge, wish, run, last, seeded, deadline, clock, numbers[row], codes[row])
        configurations[row] = run.best
        if chained and codes[row, 0] == SUCCESS:
            assign(last, run.best)
            seeded = True
        elif chained:
            configurations[row] = last


@innermost
def _answer(knowledge, wish, run, seed, seeded, deadline, clock, numbers, codes):
    task, learned = knowledge.task, knowledge.learned
    assign(run.best, seed)
    run.counts[:] = 0
    run.figures[:3] = np.inf
    expectation = expect(task, learned, wish.null_space_weight, run.pose, run.target, run.posture)
    status = NO_SOLUTION
    if expectation.known:
        if out_of_reach(task, wish, run):
            assign(run.trial, seed)
            judge(task, wish, run)
        else:
            status = _look(knowledge, wish, run, expectation, seed, seeded, deadline, clock)
    numbers[0], numbers[1] = run.figures[1], run.figures[2]
    numbers[2] = support_at(task, learned.scatter, expectation, run.posture, run.best)
    codes[0], codes[1], codes[2] = status, run.counts[0], expectation.source
    if not expectation.known:
        numbers[2], codes[2] = 0.0, NOMINAL


@innermost
def _look(knowledge, wish, run, expectation, seed, seeded, deadline, clock):
    """Search, and return the status."""
    task, state = knowledge.task, run.state
    certifies = task.code != RADIANS
    _open(task, state)
    # Without tolerances to tell by, nothing may be abandoned.
    run.figures[3] = np.inf
    if certifies:
        position, orientation = task.weights[0] * wish.position_tolerance, task.weights[1] * wish.orientation_tolerance
        run.figures[3] = 0.5 * (position * position + orientation * orientation)
    posture, weight = run.posture, expectation.prior_weight
    if wish.nearest and certifies:
        posture, weight = seed, weight if weight > 0.0 else SEED_WEIGHT
    bounded = wish.largest_step.shape[0] > 0
    if bounded:
        found = _look_within_step(task, wish, run, posture, weight, seed, deadline, clock)
        if found:
            return SUCCESS
        if not certifies:
            return STEP_TOO_LARGE
    least = np.inf
    number = 0 if seeded else 1
    while True:
        kind = _begin(knowledge, wish, run, seed, expectation.support > 0.0, number)
        number += 1
        reached = descend(task, wish, run, posture, weight, kind)
        if not certifies:
            return SUCCESS
        if reached:
            if bounded or not wish.nearest:
                break
            away = distance_between(run.trial, seed, task.continuous)
            if away < least:
                least = away
                assign(run.chosen, run.trial)
        if wish.nearest and number > STARTS_TO_COMPARE and least < np.inf:
            break
        if seconds(clock) >= deadline:
            break
    if bounded:
        reached = run.figures[0] <= 1.0
        # No answer: the seed stays, with its errors.
        assign(run.trial, seed)
        run.figures[0] = np.inf
        judge(task, wish, run)
        if reached:
            return STEP_TOO_LARGE
    elif least < np.inf:
        assign(run.trial, run.chosen)
        run.figures[0] = np.inf
        judge(task, wish, run)
    elif run.figures[0] > 1.0:
        # The nearest that was found, as near as it gets.
        run.counts[0] += minimise_task(task, run, run.best, np.inf)
        take(task, run)
        judge(task, wish, run)
    if run.figures[0] <= 1.0 and not bounded:
        return SUCCESS
    return NO_SOLUTION if run.counts[1] >= STARTS_FOR_A_VERDICT else TIMED_OUT


@innermost
def _open(task, state):
    """Set the solver's box to the joint limits."""
    # A continuous joint turns freely while solving; its angle is wrapped afterwards.
    for j in range(task.lower.shape[0]):
        state.lower[j] = -np.inf if task.continuous[j] else task.lower[j]
        state.upper[j] = np.inf if task.continuous[j] else task.upper[j]


@innermost
def _look_within_step(task, wish, run, posture, weight, seed, deadline, clock):
    """Search where no joint is farther from the seed than allowed; return whether that found an answer."""
    state = run.state
    for j in range(seed.shape[0]):
        state.lower[j] = max(state.lower[j], seed[j] - wish.largest_step[j])
        state.upper[j] = min(state.upper[j], seed[j] + wish.largest_step[j])
    found, least = False, np.inf
    for number in range(STARTS_WITHIN_STEP):
        if number == 0:
            assign(run.initial, seed)
        else:
            draw(wish.random_state, number, state.lower, state.upper, run.initial)
        if descend(task, wish, run, posture, weight, NEAR):
            found = True
            away = distance_between(run.trial, seed, task.continuous)
            if away < least:
                least = away
                assign(run.chosen, run.trial)
        if task.code == RADIANS:
            # It has no tolerance to tell by: its minimum is the answer, if no bound of the step holds it up.
            found = True
            for j in range(seed.shape[0]):
                inside = task.continuous[j] or task.lower[j] < state.best[j] < task.upper[j]
                if inside and (state.best[j] <= state.lower[j] or state.best[j] >= state.upper[j]):
                    found = False
            if not found:
                assign(run.trial, seed)
                run.figures[0] = np.inf
                judge(task, wish, run)
            break
        if (found and not wish.nearest) or seconds(clock) >= deadline:
            break
    _open(task, state)
    if found and task.code != RADIANS:
        assign(run.trial, run.chosen)
        run.figures[0] = np.inf
        judge(task, wish, run)
    return found


@innermost
def _begin(knowledge, wish, run, seed, has_samples, number):
    """Write start ``number`` to ``run.initial``: 0 is the seed; return its kind."""
    task, learned, table = knowledge.task, knowledge.learned, knowledge.table
    if number == 0:
        assign(run.initial, seed)
        return SEED
    number -= 1
    if has_samples:
        samples = min(NEAREST_SAMPLES, learned.configurations.shape[0])
        if number < samples:
            distances = run.sample_distances
            if number == 0:
                _measure(learned.features, learned.scales, run.pose, distances)
            assign(run.initial, learned.configurations[take_nearest(distances)])
            return NEAR
        number -= samples
    if number < NEAREST_OF_TABLE:
        distances = run.table_distances
        if number == 0:
            _measure(table.features, table.scales, run.pose, distances)
        assign(run.initial, table.configurations[take_nearest(distances)])
        return ANYWHERE
    draw(wish.random_state, number, task.lower, task.upper, run.initial)
    return ANYWHERE


@allocating
def _measure(features, scales, pose, distances):
    """Write the squared distances of a pose from the columns of ``features`` (F, k)."""
    feature = np.empty(features.shape[0])
    write_features(pose, scales, feature)
    squared_distances(features, feature, distances)
