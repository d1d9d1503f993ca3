"""The global search for a configuration, compiled from the pose to the answer: starts, clock, steps and verdict."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.compiled import allocating, assign, entry, inlined, innermost
from crisp_ik_ros.estimators.clock import seconds
from crisp_ik_ros.estimators.decoding import believed_errors
from crisp_ik_ros.estimators.descent import (
    ANYWHERE,
    BEST,
    NEAR,
    SEED,
    TRACK,
    descend,
    judge,
    make_run,
    out_of_reach,
    set_box,
)
from crisp_ik_ros.estimators.prediction import FULL_SUPPORT, LEAST_SUPPORT, expect, support_at
from crisp_ik_ros.estimators.requests import SEED_SLACK
from crisp_ik_ros.estimators.starts import draw, take_nearest
from crisp_ik_ros.estimators.task import Task
from crisp_ik_ros.losses.loss import FORWARD_KINEMATICS, RADIANS, RESIDUAL
from crisp_ik_ros.regression.kernels import add_squares, write_features
from crisp_ik_ros.robots.limits import INSIDE, confine, distance_between, farthest_joint, first_outside
from crisp_ik_ros.solvers.result import (
    BLENDED,
    CONTINUATION_LOST,
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
from crisp_ik_ros.transforms import SOUND, compiled_nearest_rotation, first_fault

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
# Starts that look for a solution that leaves no error, where one that the arm cannot avoid was found.
STARTS_FOR_AN_EXACT_ONE = 16
# Starts that look for the nearest configuration where no joint angles reach so far.
STARTS_BEYOND_REACH = 8
# A target is near a pose within this share of the arm's reach and this angle [rad]. Then an answer is of the seed's
# branch or none: one farther than a small step [rad or m], and farther than so many times what the tool's motion takes
# at least, must be reached from the seed in steps that are small.
NEAR_DISTANCE, NEAR_ANGLE = 0.15, 0.5
SMALL_STEP, LARGEST_AMPLIFICATION = 0.25, 1.5
# Stages of a search: on the seed's branch, and then on any.
FROM_START, FROM_SEED, CLOSE_TO_SEED, IN_PARTS, ANY_BRANCH = 0, 1, 2, 3, 4
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
    # Along a path, joints without a null space go on as they have moved: so they get straight through a singularity.
    start, goes_straight = task.rest.copy(), joints <= wish.axes.rank
    for row in range(poses.shape[0]):
        deadline = seconds(clock) + wish.timeout
        if seeded and (row == 0 or not chained):
            assign(last, seeds[row])
            assign(start, last)
        # Behind a pose that was not reached the path goes on, and the branch with it.
        failed = chained and row > 0 and seeded and answers[row - 1, joints + STATUS] != SUCCESS
        goes_on = failed and _are_near(task, poses[row - 1], poses[row])
        _answer(knowledge, wish, run, poses[row], last, start, seeded, goes_on, deadline, clock, answers[row])
        if chained and answers[row, joints + STATUS] == SUCCESS:
            for j in range(joints):
                moved = run.best[j] - last[j] if goes_straight and seeded else np.inf
                start[j] = run.best[j] + moved if abs(moved) <= SMALL_STEP else run.best[j]
            confine(start, task.lower, task.upper, task.continuous)
            assign(last, run.best)
            seeded = True
        elif chained:
            if wish.approximate:
                assign(last, run.best)
            else:
                assign(answers[row], last)
            assign(start, last)
    return True


@inlined
def _answer(knowledge, wish, run, pose, seed, start, seeded, goes_on, deadline, clock, answer):
    """Answer one pose, from ``start`` near the seed: the configuration is left in ``run.best`` too."""
    task, learned, joints = knowledge.task, knowledge.learned, knowledge.task.lower.shape[0]
    for i in range(4):
        assign(run.pose[i], pose[i])
        assign(run.goal[i], pose[i])
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
        task = _aim(knowledge.task, wish, run)
        if not wish.approximate and out_of_reach(task, wish, run):
            _return(task, wish, run, seed)
        else:
            status = _look(knowledge, task, wish, run, expectation, seed, start, seeded, goes_on, deadline, clock)
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


@inlined
def _aim(task, wish, run):
    """Task whose residual has an axis of the target in each row, with ``run.goal``, where some of them are free."""
    code = task.code
    if wish.axes.bands.shape[0] > 0 and code == FORWARD_KINEMATICS:
        # The mean of rotations is none; the chordal distance to it is least at its nearest rotation.
        compiled_nearest_rotation(run.target[3:12], run.work.square, run.work.vectors, run.work.inverse)
        for i in range(3):
            run.goal[i, 3] = run.target[i] / task.weights[0] if task.weights[0] > 0.0 else run.pose[i, 3]
            for k in range(3):
                run.goal[i, k] = run.work.inverse[i, k] if task.weights[1] > 0.0 else run.pose[i, k]
        for d in range(run.target.shape[0]):
            run.target[d] = 0.0
        code = RESIDUAL
    return Task(
        code, task.dimension, task.chain, task.weights, task.lower, task.upper, task.continuous, task.rest,
        task.anchor, task.reach,
    )  # fmt: skip


@inlined
def _are_near(task, first, second):
    """Whether two poses (4, 4) are near each other."""
    distance, trace = 0.0, 0.0
    for i in range(3):
        distance += (first[i, 3] - second[i, 3]) ** 2
        for k in range(3):
            trace += first[i, k] * second[i, k]
    cosine = min(max(0.5 * (trace - 1.0), -1.0), 1.0)
    return np.sqrt(distance) <= NEAR_DISTANCE * task.reach and np.arccos(cosine) <= NEAR_ANGLE


@innermost
def _look(knowledge, task, wish, run, expectation, seed, start, seeded, goes_on, deadline, clock):
    """Search, and return the status.

    First along the seed's branch: from ``start``, from the seed, within a small step of it, and by tracking the branch
    in small parts. Then from all other starts; there is one call of the descent for all, to be compiled once.
    """
    certifies = task.code != RADIANS
    # Without tolerances to tell by, nothing may be abandoned.
    run.figures[3] = np.inf
    if certifies:
        position = task.weights[0] * max(wish.position_tolerance, wish.remaining_position)
        orientation = task.weights[1] * max(wish.orientation_tolerance, wish.remaining_orientation)
        orientation *= wish.axes.scales[1]
        run.figures[3] = 0.5 * (position * position + orientation * orientation)
    # The posture draws in the null space: where the task leaves none it would only lead to another branch.
    posture, weight = run.posture, expectation.prior_weight if seed.shape[0] > wish.axes.rank else 0.0
    if wish.nearest and certifies:
        posture, weight = seed, weight if weight > 0.0 else SEED_WEIGHT
    bounded = wish.largest_step.shape[0] > 0
    keeps, near, lost = wish.keeps_branch and seeded and certifies and not bounded, False, False
    stage = FROM_START if certifies and seeded and not wish.nearest else ANY_BRANCH
    # Where the step is bounded the first round stays within it; a second one only tells why there is no answer. So does
    # the search on other branches when the seed's own does not reach a pose near it.
    within, fresh, found, least, number = bounded, True, False, np.inf, 0 if seeded else 1
    while True:
        if stage != ANY_BRANCH:
            kind = TRACK if stage == IN_PARTS else SEED
            assign(run.initial, start if stage == FROM_START else seed)
            set_box(task, run.state, seed, SMALL_STEP if stage == CLOSE_TO_SEED else np.inf)
        else:
            if fresh:
                set_box(task, run.state, seed, np.inf)
                fresh = False
            if within and number > 0:
                kind = NEAR
                draw(wish.random_state, number, run.state.lower, run.state.upper, run.initial)
            else:
                kind = _begin(knowledge, wish, run, seed, expectation.support >= LEAST_SUPPORT, number)
            kind = NEAR if within or (kind == SEED and wish.nearest) else kind
            number += 1
        if bounded and (within or stage != ANY_BRANCH):
            for j in range(seed.shape[0]):
                run.state.lower[j] = max(run.state.lower[j], seed[j] - wish.largest_step[j])
                run.state.upper[j] = min(run.state.upper[j], seed[j] + wish.largest_step[j])
        reached = descend(task, wish, run, posture, 0.0 if stage == CLOSE_TO_SEED else weight, kind)
        if stage != ANY_BRANCH:
            moved = farthest_joint(run.trial, seed, task.continuous) if reached else np.inf
            if reached and (not keeps or moved <= SMALL_STEP or stage >= CLOSE_TO_SEED):
                return SUCCESS
            if stage == FROM_START and farthest_joint(start, seed, task.continuous) > 0.0:
                stage = FROM_SEED
                continue
            if stage <= FROM_SEED and keeps:
                near = _is_near(task, wish, run, seed)
                least_motion = run.errors[1] + 2.0 * run.errors[0] / max(task.reach, 1e-9)
                # Behind poses that were not reached the joints still stand at the seed, and may not catch up at once.
                if reached and not goes_on and (not near or moved <= LARGEST_AMPLIFICATION * least_motion):
                    return SUCCESS
                if near or goes_on:
                    stage = CLOSE_TO_SEED
                    continue
            elif stage == CLOSE_TO_SEED and near and not goes_on:
                stage = IN_PARTS
                continue
            elif keeps:
                if wish.approximate:
                    _return(task, wish, run, run.trial)
                    return NO_SOLUTION
                lost = True
            stage, number = ANY_BRANCH, 1
            continue
        if not certifies:
            # There are no tolerances to tell by: the minimum is the answer, if no bound of the step holds it up.
            if not within or _is_free(task, run.state):
                return SUCCESS
            _return(task, wish, run, seed)
            return STEP_TOO_LARGE
        if reached:
            found = True
            # Of solutions within the tolerances the nearest is wanted, or the first; of others, the one with the least
            # error.
            exact = max(run.errors[0] / wish.position_tolerance, run.errors[1] / wish.orientation_tolerance)
            away = distance_between(run.trial, seed, task.continuous) if wish.nearest else max(exact - 1.0, 0.0)
            if away < least:
                least = away
                assign(run.chosen, run.trial)
        if kind == BEST:
            break
        late = seconds(clock) >= deadline
        compares = within == bounded and (wish.nearest or (least > 0.0 and number < STARTS_FOR_AN_EXACT_ONE))
        if found and (late or not compares or number >= (STARTS_WITHIN_STEP if within else STARTS_TO_COMPARE)):
            break
        if wish.approximate and (
            (within and number >= STARTS_WITHIN_STEP)
            or (number > STARTS_BEYOND_REACH and out_of_reach(task, wish, run))
        ):
            break
        if within and (late or number >= STARTS_WITHIN_STEP):
            within, fresh, number = False, True, 0
        elif late and bounded:
            break
        elif late:
            # Last, the nearest that was found, as near as it gets.
            number = -1
    if found and within == bounded and not lost:
        if wish.nearest or least > 0.0:
            _return(task, wish, run, run.chosen)
        if wish.nearest:
            moved = farthest_joint(run.best, seed, task.continuous)
            if keeps and moved > SMALL_STEP and _is_near(task, wish, run, seed):
                lost = moved > LARGEST_AMPLIFICATION * (run.errors[1] + 2.0 * run.errors[0] / max(task.reach, 1e-9))
        if not lost:
            return SUCCESS
    if (bounded and not wish.approximate) or (found and lost):
        # No answer: the seed stays, with its errors.
        _return(task, wish, run, seed)
        if found:
            return STEP_TOO_LARGE if bounded else CONTINUATION_LOST
    return NO_SOLUTION if run.counts[1] >= STARTS_FOR_A_VERDICT else TIMED_OUT


@innermost
def _is_near(task, wish, run, seed):
    """Whether the tool at the seed is near the pose; ``run.errors`` are its distance and angle."""
    believed_errors(task, wish.axes, run.goal, run.target, seed, run.work, run.errors)
    return run.errors[0] <= NEAR_DISTANCE * task.reach and run.errors[1] <= NEAR_ANGLE


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
