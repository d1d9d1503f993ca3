"""The global search for a configuration, compiled from the pose to the answer: starts, clock, steps and verdict."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.compiled import allocating, assign, entry, inlined, innermost
from crisp_ik_ros.estimators.clock import seconds
from crisp_ik_ros.estimators.descent import ANYWHERE, BEST, NEAR, SEED, descend, judge, make_run, out_of_reach
from crisp_ik_ros.estimators.prediction import FULL_SUPPORT, LEAST_SUPPORT, expect, support_at
from crisp_ik_ros.estimators.requests import SEED_SLACK
from crisp_ik_ros.estimators.starts import draw, take_nearest
from crisp_ik_ros.losses.loss import RADIANS
from crisp_ik_ros.regression.kernels import add_squares, write_features
from crisp_ik_ros.robots.limits import INSIDE, distance_between, first_outside
from crisp_ik_ros.solvers.result import (
    BLENDED,
    ITERATIONS,
    LEARNED,
    NO_SOLUTION,
    NOMINAL,
    ORIENTATION_ERROR,
    POSITION_ERROR,
    SOURCE,
    STATUS,
    STEP_TOO_LARGE,
    SUCCESS,
    SUPPORT,
    TIMED_OUT,
)
from crisp_ik_ros.transforms import SOUND, first_fault

# Fewer starts than this within the timeout, and the answer is "timed out" rather than "no solution".
STARTS_FOR_A_VERDICT = 8
# Starts without a seed: configurations of the samples nearest by kernel, then of the table, then drawn at random.
NEAREST_SAMPLES = 8
NEAREST_OF_TABLE = 16
# Starts of a request that wants the solution nearest the seed, and of the look within its largest step.
STARTS_TO_COMPARE = 32
STARTS_WITHIN_STEP = 8
# Support of an answer's configuration from which its correction stands as the pose calls for it; it goes over to the
# model's answer below, and is that at the least support.
KNOWN_CONFIGURATION = 0.15
# Pull towards the seed among the solutions, where the nearest is wanted and the estimator has no weight of its own.
SEED_WEIGHT = 0.03


@entry
def search(kept, wish, poses, seeds, chained, answers):
    """Answer poses (n, 4, 4) into the rows of ``Answers``: each pose for itself, or each from the last solution.

    ``seeds`` are (n, J), or none (0, J); ``chained``, at most one. Seeds are moved into the limits in place. Returns
    False, and answers nothing, where ``check_poses`` or ``check_seeds`` would refuse one.
    """
    knowledge = kept.knowledge
    task, joints = knowledge.task, knowledge.task.lower.shape[0]
    if first_fault(poses)[1] != SOUND:
        return False
    if first_outside(seeds, task.lower, task.upper, task.continuous, SEED_SLACK)[1] != INSIDE:
        return False
    run = make_run(task, knowledge.learned.configurations.shape[0], knowledge.table.configurations.shape[0])
    clock, last, seeded = np.zeros(2, np.int64), task.rest.copy(), seeds.shape[0] > 0
    for row in range(poses.shape[0]):
        deadline = seconds(clock) + wish.timeout
        if seeded and (row == 0 or not chained):
            assign(last, seeds[row])
        _answer(knowledge, wish, run, poses[row], last, seeded, deadline, clock, answers[row])
        if chained and answers[row, joints + STATUS] == SUCCESS:
            assign(last, run.best)
            seeded = True
        elif chained:
            assign(answers[row], last)
    return True


@inlined
def _answer(knowledge, wish, run, pose, seed, seeded, deadline, clock, answer):
    """Answer one pose: the configuration is left in ``run.best`` too."""
    task, learned, joints = knowledge.task, knowledge.learned, knowledge.task.lower.shape[0]
    for i in range(4):
        assign(run.pose[i], pose[i])
    run.counts[0], support, source = 0, 0.0, NOMINAL
    most_support, of_pose, of_answer = 1.0, 0.0, 0.0
    while True:
        assign(run.best, seed)
        run.counts[1] = 0
        run.figures[0], run.figures[1], run.figures[2] = np.inf, np.inf, np.inf
        expectation = expect(task, learned, wish.null_space_weight, most_support, run.pose, run.target, run.posture)
        status = NO_SOLUTION
        if not expectation.known:
            break
        if out_of_reach(task, wish, run):
            _return(task, wish, run, seed)
        else:
            status = _look(knowledge, wish, run, expectation, seed, seeded, deadline, clock)
        support, source = support_at(task, learned.scatter, expectation, run.posture, run.best), expectation.source
        if source == NOMINAL or (status != SUCCESS and seconds(clock) >= deadline):
            break
        if most_support == 1.0:
            of_pose, of_answer = expectation.support, support
            if support >= min(KNOWN_CONFIGURATION, of_pose):
                break
            # The data covers this configuration far less than its pose: its correction counts for less, down to none.
            known = (support - LEAST_SUPPORT) / (KNOWN_CONFIGURATION - LEAST_SUPPORT)
            most_support = FULL_SUPPORT * max(known, 0.0)
        else:
            # What the new configuration keeps of the pose's support.
            support = min(support * of_pose / expectation.support, of_answer)
            if support >= LEAST_SUPPORT:
                break
            most_support = 0.0
    if source == LEARNED and support < FULL_SUPPORT:
        source = BLENDED
    assign(answer, run.best)
    answer[joints + POSITION_ERROR], answer[joints + ORIENTATION_ERROR] = run.figures[1], run.figures[2]
    answer[joints + STATUS], answer[joints + ITERATIONS] = status, run.counts[0]
    answer[joints + SUPPORT], answer[joints + SOURCE] = support, source


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
            kind = _begin(knowledge, wish, run, seed, expectation.support >= LEAST_SUPPORT, number)
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
            _take_next(learned, run, run.sample_distances, number)
            return NEAR
        number -= samples
    if number < NEAREST_OF_TABLE:
        _take_next(table, run, run.table_distances, number)
        return ANYWHERE
    draw(wish.random_state, number, task.lower, task.upper, run.initial)
    return ANYWHERE


@inlined
def _take_next(known, run, distances, number):
    """Write the configuration whose pose is next nearest the request's to ``run.initial``; ``number`` counts from 0."""
    if number == 0:
        _measure(known.features, known.scales, run.pose, distances)
    assign(run.initial, known.configurations[take_nearest(distances)])


@allocating
def _measure(features, scales, pose, distances):
    """Write the squared distances of a pose from the columns of ``features`` (F, k)."""
    feature = np.empty(features.shape[0])
    write_features(pose, scales, feature)
    for i in range(distances.shape[0]):
        distances[i] = 0.0
    for d in range(features.shape[0]):
        add_squares(feature[d], features[d], distances)
