"""One start of a search: down to a configuration, and how good that is; compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crisp_ik_ros.compiled import allocating, assign, inlined, innermost
from crisp_ik_ros.estimators.decoding import LIMIT, PRIOR_STEP, TASK_STEP, believed_errors, minimise
from crisp_ik_ros.estimators.task import Axes
from crisp_ik_ros.losses.loss import FORWARD_KINEMATICS, RESIDUAL, Workspace
from crisp_ik_ros.robots.limits import confine, farthest_joint, wrapped_angle
from crisp_ik_ros.solvers.levenberg_marquardt import COST, State, factorize, substitute, undamped_step
from crisp_ik_ros.transforms import Array

# An abandoned start within so many tolerances is worth finishing.
NEARLY = 10.0
# Evaluations in which the posture draws a start that nobody asked for: from near the solution that is enough, and from
# afar more are in vain. On random poses of the Panda 31 evaluations were needed in the mean, and 62 without this.
PULLS = 8
# Kinds of starts: the seed, from which the shortest way is gone, and a bounded one in the null space; the seed, whose
# branch is tracked in small parts; near the solution, so that the posture may pull at once; anywhere, so that it only
# may afterwards; and the best so far, to get as near as it gets.
SEED, TRACK, NEAR, ANYWHERE, BEST = 0, 1, 2, 3, 4
# Rotation that the joints may still have before them where the errors that remain are the arm's [rad].
SETTLED_ANGLE = 1e-4
# Singular value of the position's Jacobian, in reaches of the arm, below which a direction hardly counts as one.
WEAK_SINGULAR_VALUE = 0.02
# Singular value of the task's Jacobian [1/rad, or m/rad times the weight] that counts half as null space. Directions of
# smaller ones are near a singularity and not free: the pull fades out there, and is none below this value.
NULL_SINGULAR_VALUE = 0.03
# Share of a joint's range next to its limits from which joints are drawn away, and how much more than to the posture.
LIMIT_MARGIN, LIMIT_GAIN = 0.15, 10.0
# A branch is tracked from the seed to the pose in so many parts; in none a joint moves farther than this [rad or m].
TRACKING_PARTS, LARGEST_TRACKING_STEP = 16, 0.15
# Cost of a part that has arrived: 1e-6 m or rad.
TRACKING_COST = 0.5e-12
# Phases of a start: to the pose, with the posture pulling, and to the pose again; a look at the null space, and to the
# pose from where that led; a look at the residual, and its parts; and, where orientation counts for little, to a place
# where it counts in full, from which most starts lead to an exact solution if there is one.
_REACH, _PULL, _SETTLE, _DRIFT, _DRIFTED, _OFFSET, _TRACK, _EVEN = 0, 1, 2, 3, 4, 5, 6, 7


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
    keeps_branch : bool
        Whether a target near the seed's pose has no answer but of the seed's own branch.
    largest_drift : float
        Largest motion of a joint in the null space, where there is a seed [rad or m].
    approximate : bool
        Whether the nearest configuration is wanted where none reaches the pose.
    axes : Axes
        Directions of the pose that count.
    remaining_position, remaining_orientation : float
        Errors that may remain in directions that the arm does not have [m, rad].
    """

    position_tolerance: float
    orientation_tolerance: float
    null_space_weight: float
    timeout: float
    random_state: int
    nearest: bool
    largest_step: Array
    keeps_branch: bool
    largest_drift: float
    approximate: bool
    axes: Axes
    remaining_position: float
    remaining_orientation: float


class Run(NamedTuple):
    """One request on its way: its pose, and memory.

    Attributes
    ----------
    pose, goal : (4, 4)
        What was asked for, and what is aimed at.
    offset : (R,)
        Residual at the seed.
    drift : (J,)
        Motion in the null space towards the posture.
    even : (2,)
        Ones: factors of position and orientation.
    begin : (J,)
        Start of a descent; ``initial``, of its next phase.
    best : (J,)
        Configuration of the smallest error so far; ``trial`` of the last start, ``chosen`` the one nearest the seed.
    figures : (4,)
        Badness (largest error in tolerances) and the two errors of ``best``; cost below which nothing is hopeless.
    counts : (2,) int64
        Evaluations and starts.
    """

    pose: Array
    goal: Array
    target: Array
    offset: Array
    drift: Array
    even: Array
    begin: Array
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
    vectors, matrices = np.zeros((14, joints)), np.zeros((4, joints, joints))
    state = State(
        vectors[0], vectors[1], vectors[2], vectors[3], vectors[4], vectors[5], vectors[6], matrices[0], matrices[1],
        np.zeros(8),
    )  # fmt: skip
    tall, squares, threes = np.zeros((rows, joints)), np.zeros((4, 4, 4)), np.zeros((3, 3, 3))
    work = Workspace(
        np.zeros(rows), tall, threes[0], np.zeros(3), np.zeros((6, joints)), np.zeros((joints, 3)),
        np.zeros((joints, 3)), threes[1], threes[2], np.zeros(3), squares[0], squares[1],
    )  # fmt: skip
    return Run(
        squares[2], squares[3], np.zeros(rows), np.zeros(rows), vectors[12], np.ones(2), vectors[13], vectors[7],
        vectors[8], vectors[9], vectors[10], vectors[11], np.zeros(2), np.zeros(4), np.zeros(2, np.int64),
        np.empty(samples), np.empty(configurations), state, work,
    )  # fmt: skip


@innermost
def descend(task, wish, run, posture, weight, kind):
    """Go down from ``run.initial`` to ``run.trial``; return whether that is within tolerances.

    ``run.best`` is what is best so far, and from a seed what it led to. There is one call of the solver for all kinds
    and phases: each of its own would take as long to compile as all else.
    """
    state, joints, hopeless, limit = run.state, posture.shape[0], np.inf, LIMIT
    if kind != BEST:
        run.counts[1] += 1
    if kind in (NEAR, ANYWHERE):
        hopeless = run.figures[3]
    anywhere = kind == ANYWHERE and weight > 0.0
    phase = _REACH if anywhere else _PULL if kind == NEAR and weight > 0.0 else _SETTLE
    if kind == TRACK:
        phase, limit = _OFFSET, 1
    elif kind == SEED:
        for j in range(joints):
            run.drift[j] = 0.0
        if weight > 0.0 and wish.largest_drift > 0.0 and joints > wish.axes.rank:
            phase, limit = _DRIFT, 1
    then, even = phase, Axes(wish.axes.bands, run.even, wish.axes.rank)
    if wish.axes.scales[1] != 1.0 and (kind in (NEAR, ANYWHERE)):
        phase = _EVEN
        hopeless = 0.5 * (task.weights[1] * wish.remaining_orientation) ** 2
    assign(run.begin, run.initial)
    initial, first, resumes, part, share = run.initial, np.inf, False, 0, 0.0
    while True:
        pulls = phase == _PULL
        run.counts[0] += minimise(
            task, even if pulls or phase == _EVEN else wish.axes, run.goal, run.target, initial, posture,
            weight if pulls else 0.0,
            PRIOR_STEP if pulls else TASK_STEP, PULLS if pulls else limit, np.inf if pulls else hopeless, resumes,
            run.offset, share, state, run.work,
        )  # fmt: skip
        if pulls:
            initial, phase, resumes = state.best, _SETTLE, wish.axes.scales[1] == 1.0
            continue
        if phase == _EVEN:
            phase, hopeless = then, run.figures[3]
            assign(run.initial, state.best)
            continue
        if phase == _DRIFT:
            limit = LIMIT
            if _drift(task, wish, run, posture) > PRIOR_STEP:
                phase = _DRIFTED
            else:
                initial, phase, resumes = state.best, _SETTLE, True
            continue
        if phase == _OFFSET:
            # The residual shrinks in proportion (Newton homotopy), and each part starts from the last one's solution.
            assign(run.offset, run.work.residual)
            phase, limit = _TRACK, LIMIT
        elif phase == _TRACK and state.scalars[COST] > TRACKING_COST and wish.axes.scales[1] == 1.0:
            return False
        if phase == _TRACK and part < TRACKING_PARTS:
            part += 1
            share = 1.0 - part / TRACKING_PARTS
            assign(run.initial, state.best)
            set_box(task, run.state, run.initial, LARGEST_TRACKING_STEP)
            continue
        assign(run.trial, state.best)
        confine(run.trial, task.lower, task.upper, task.continuous)
        badness = judge(task, wish, run)
        if phase == _DRIFTED:
            if badness <= 1.0 and farthest_joint(run.trial, run.initial, task.continuous) <= wish.largest_drift:
                break
            # Without the drift, should that lead astray.
            for j in range(joints):
                run.drift[j] = 0.0
            initial, phase = run.begin, _SETTLE
            continue
        if phase != _REACH:
            break
        if badness > NEARLY:
            return False
        first, phase = badness, _PULL
        # The answer without the posture's pull, should that lead astray.
        assign(run.initial, run.trial)
    if badness <= 1.0 and (anywhere or kind in (SEED, TRACK)):
        # Of two that reach the pose, the one that the posture has drawn.
        keep(run, badness)
    elif first <= 1.0:
        assign(run.trial, run.initial)
    return min(badness, first) <= 1.0


@inlined
def set_box(task, state, center, step):
    """Set the solver's box to what is within the joint limits, and within ``step`` of ``center`` (J,)."""
    for j in range(center.shape[0]):
        # A continuous joint turns freely while solving; its angle is wrapped afterwards.
        lower = -np.inf if task.continuous[j] else task.lower[j]
        upper = np.inf if task.continuous[j] else task.upper[j]
        state.lower[j], state.upper[j] = max(lower, center[j] - step), min(upper, center[j] + step)


@innermost
def _is_settled(task, wish, run):
    """Whether what remains of the errors is in directions that the arm does not have.

    Gauss and Newton's next step would neither turn the tool nor move it. Directions of the position in which an arm
    hardly moves do not count: of a planar arm that was calibrated, those out of its plane.
    """
    state, residual, jacobian = run.state, run.work.residual, run.work.jacobian
    joints, weak = run.trial.shape[0], WEAK_SINGULAR_VALUE * task.weights[0] * task.reach
    undamped_step(state)
    turned = 0.0
    for i in range(3, 6):
        total = 0.0
        for j in range(joints):
            total += jacobian[i, j] * state.step[j]
        turned = max(turned, abs(total))
    for j in range(joints):
        state.gradient[j] = 0.0
        for k in range(joints):
            state.normal[j, k] = weak * weak if j == k else 0.0
        for i in range(3):
            state.gradient[j] += jacobian[i, j] * residual[i]
            for k in range(joints):
                state.normal[j, k] += jacobian[i, j] * jacobian[i, k]
    undamped_step(state)
    moved = 0.0
    for i in range(3):
        total = 0.0
        for j in range(joints):
            total += jacobian[i, j] * state.step[j]
        moved = max(moved, abs(total))
    turned /= max(task.weights[1] * wish.axes.scales[1], 1e-9)
    moved /= max(task.weights[0], 1e-9)
    return turned <= SETTLED_ANGLE + wish.orientation_tolerance and moved <= wish.position_tolerance


@innermost
def _drift(task, wish, run, posture):
    """Move ``run.initial``, where the solver has just looked, to the pose and in the null space towards the posture.

    Returns the longest motion of a joint in the null space, which is written to ``run.drift``. The projector is the
    damped one, lambda^2 (J^T J + lambda^2 I)^-1; its trace beyond the number of free directions says how near a
    singularity is, where the motion fades out.
    """
    state, factor, pull, step = run.state, run.state.factor, run.drift, run.state.step
    joints, damping = posture.shape[0], NULL_SINGULAR_VALUE * NULL_SINGULAR_VALUE
    for j in range(joints):
        difference = posture[j] - state.best[j]
        if task.continuous[j]:
            pull[j] = wrapped_angle(difference)
        else:
            # From a limit first: a path that meets one there loses a direction, and the next one ends it. But never
            # farther from it than the posture is.
            margin = LIMIT_MARGIN * (task.upper[j] - task.lower[j])
            below = max(min(task.lower[j] + margin, posture[j]) - state.best[j], 0.0)
            above = max(state.best[j] - max(task.upper[j] - margin, posture[j]), 0.0)
            pull[j] = difference + LIMIT_GAIN * (below - above)
        step[j] = -state.gradient[j]
        for k in range(j + 1):
            factor[j, k] = state.normal[j, k]
        factor[j, j] += damping
    factorize(factor, 1e-3 * damping)
    # The trace of the inverse is the sum of squares of the inverse factor.
    trace, column = 0.0, run.trial
    for c in range(joints):
        for i in range(c, joints):
            total = 1.0 if i == c else 0.0
            for k in range(c, i):
                total -= factor[i, k] * column[k]
            column[i] = total * factor[i, i]
            trace += column[i] * column[i]
    fade = max(1.0 - 2.0 * (damping * trace - (joints - wish.axes.rank)), 0.0)
    substitute(factor, pull)
    substitute(factor, step)
    longest = 0.0
    for j in range(joints):
        longest = max(longest, damping * abs(pull[j]))
    moved = min(fade * longest, wish.largest_drift)
    scale = damping * moved / longest if longest > 0.0 else 0.0
    for j in range(joints):
        pull[j] *= scale
        run.initial[j] = min(max(state.best[j] + pull[j] + step[j], state.lower[j]), state.upper[j])
    return moved


@innermost
def judge(task, wish, run):
    """Return the badness of the trial, and keep the trial where it is the best so far."""
    believed_errors(task, wish.axes, run.goal, run.target, run.trial, run.work, run.errors)
    badness = max(run.errors[0] / wish.position_tolerance, run.errors[1] / wish.orientation_tolerance)
    tolerable = run.errors[0] <= wish.remaining_position and run.errors[1] <= wish.remaining_orientation
    if badness > 1.0 and tolerable and _is_settled(task, wish, run):
        badness = 1.0
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
    total, bands = 0.0, wish.axes.bands
    for i in range(3):
        if bands.shape[0] > 0 and bands[i] > 0.0:
            return False
        position = run.goal[i, 3]
        if task.code == RESIDUAL:
            position -= run.target[i] / weight
        elif task.code == FORWARD_KINEMATICS:
            position = run.target[i] / weight
        total += (position - task.anchor[i]) ** 2
    return np.sqrt(total) > task.reach + wish.position_tolerance
