"""The global search for a configuration, compiled from the pose to the answer: starts, clock, steps and verdict."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crisp_ik_ros.compiled import allocating, assign, entry, inlined, innermost
from crisp_ik_ros.estimators.clock import seconds
from crisp_ik_ros.estimators.descent import ANYWHERE, BEST, NEAR, SEED, descend, judge, make_run, out_of_reach
from crisp_ik_ros.estimators.prediction import Learned, expect, support_at
from crisp_ik_ros.estimators.starts import Table, draw, squared_distances, take_nearest
from crisp_ik_ros.estimators.task import Task
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


@entry
def search(knowledge, wish, poses, seeds, chained, configurations, numbers, codes):
    """Answer poses (n, 4, 4) into the fields of ``Answers``: each pose for itself, or each from the last solution.

    ``seeds`` are (n, J), or none (0, J); ``chained``, at most one. All are as ``check_pose`` and ``check_seed`` return
    them.
    """
    task = knowledge.task
    run = make_run(task, knowledge.learned.configurations.shape[0], knowledge.table.configurations.shape[0])
    clock, last, seeded = np.zeros(2, np.int64), task.rest.copy(), seeds.shape[0] > 0
    for row in range(poses.shape[0]):
        deadline = seconds(clock) + wish.timeout
        if seeded and (row == 0 or not chained):
            assign(last, seeds[row])
        _answer(knowledge, wish, run, poses[row], last, seeded, deadline, clock, numbers[row], codes[row])
        assign(configurations[row], run.best)
        if chained and codes[row, 0] == SUCCESS:
            assign(last, run.best)
            seeded = True
        elif chained:
            assign(configurations[row], last)


@inlined
def _answer(knowledge, wish, run, pose, seed, seeded, deadline, clock, numbers, codes):
    """Answer one pose: the configuration is left in ``run.best``."""
    task, learned = knowledge.task, knowledge.learned
    for i in range(4):
        assign(run.pose[i], pose[i])
    assign(run.best, seed)
    run.counts[0], run.counts[1] = 0, 0
    run.figures[0], run.figures[1], run.figures[2] = np.inf, np.inf, np.inf
    expectation = expect(task, learned, wish.null_space_weight, run.pose, run.target, run.posture)
    status = NO_SOLUTION
    if expectation.known:
        if out_of_reach(task, wish, run):
            _return(task, wish, run, seed)
        else:
            status = _look(knowledge, wish, run, expectation, seed, seeded, deadline, clock)
    numbers[0], numbers[1] = run.figures[1], run.figures[2]
    numbers[2] = support_at(task, learned.scatter, expectation, run.posture, run.best)
    codes[0], codes[1], codes[2] = status, run.counts[0], expectation.source
    if not expectation.known:
        numbers[2], codes[2] = 0.0, NOMINAL


@innermost
def _return(task, wish, run, configuration):
    """Make a configuration the answer, with its errors."""
    assign(run.trial, configuration)
    run.figures[0] = np.inf
    judge(task, wish, run)


@innermost
def _look(knowledge, wish, run, expectation, seed, seeded, deadline, clock):
    """Search, and return the status."""
    task, certifies = knowledge.task, knowledge.task.code != RADIANS
    # Without tolerances to tell by, nothing may be abandoned.
    run.figures[3] = np.inf
    if certifies:
        position, orientation = task.weights[0] * wish.position_tolerance, task.weights[1] * wish.orientation_tolerance
        run.figures[3] = 0.5 * (position * position + orientation * orientation)
    posture, weight = run.posture, expectation.prior_weight
    if wish.nearest and certifies:
        posture, weight = seed, weight if weight > 0.0 else SEED_WEIGHT
    bounded = wish.largest_step.shape[0] > 0
    # Where the step is bounded the first round stays within it; a second one only tells why there is no answer.
    within, fresh, found, least, number = bounded, True, False, np.inf, 0 if seeded else 1
    while True:
        if fresh:
            _set_box(task, wish, run.state, seed, within)
            fresh = False
        if within and number > 0:
            kind = NEAR
            draw(wish.random_state, number, run.state.lower, run.state.upper, run.initial)
        else:
            kind = _begin(knowledge, wish, run, seed, expectation.support > 0.0, number)
        number += 1
        reached = descend(task, wish, run, posture, weight, NEAR if within else kind)
        if not certifies:
            # There are no tolerances to tell by: the minimum is the answer, if no bound of the step holds it up.
            if not within or _is_free(task, run.state):
                return SUCCESS
            _return(task, wish, run, seed)
            return STEP_TOO_LARGE
        if reached:
            found = True
            away = distance_between(run.trial, seed, task.continuous) if wish.nearest else 0.0
            if away < least:
                least = away
                assign(run.chosen, run.trial)
        if kind == BEST:
            break
        late = seconds(clock) >= deadline
        compares = wish.nearest and within == bounded
        if found and (late or not compares or number >= (STARTS_WITHIN_STEP if within else STARTS_TO_COMPARE)):
            break
        if within and (late or number >= STARTS_WITHIN_STEP):
            within, fresh, number = False, True, 0
        elif late and bounded:
            break
        elif late:
            # Last, the nearest that was found, as near as it gets.
            number = -1
    if found and within == bounded:
        if wish.nearest:
            _return(task, wish, run, run.chosen)
        return SUCCESS
    if bounded:
        # No answer: the seed stays, with its errors.
        _return(task, wish, run, seed)
        if found:
            return STEP_TOO_LARGE
    return NO_SOLUTION if run.counts[1] >= STARTS_FOR_A_VERDICT else TIMED_OUT


@inlined
def _set_box(task, wish, state, seed, within):
    """Set the solver's box to the joint limits, or to what is also within the largest step."""
    for j in range(task.lower.shape[0]):
        # A continuous joint turns freely while solving; its angle is wrapped afterwards.
        state.lower[j] = -np.inf if task.continuous[j] else task.lower[j]
        state.upper[j] = np.inf if task.continuous[j] else task.upper[j]
        if within:
            state.lower[j] = max(state.lower[j], seed[j] - wish.largest_step[j])
            state.upper[j] = min(state.upper[j], seed[j] + wish.largest_step[j])


@inlined
def _is_free(task, state):
    """Whether no bound that is not a joint limit holds the solver's answer up."""
    free = True
    for j in range(task.lower.shape[0]):
        inside = task.continuous[j] or task.lower[j] < state.best[j] < task.upper[j]
        if inside and (state.best[j] <= state.lower[j] or state.best[j] >= state.upper[j]):
            free = False
    return free


@innermost
def _begin(knowledge, wish, run, seed, has_samples, number):
    """Write start ``number`` to ``run.initial``: 0 is the seed, -1 the best so far; return its kind."""
    task, learned, table = knowledge.task, knowledge.learned, knowledge.table
    if number < 0:
        assign(run.initial, run.best)
        return BEST
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
