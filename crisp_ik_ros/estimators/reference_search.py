"""Searches that are not compiled: with SciPy's L-BFGS-B, the reference that the compiled one is held to, and others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from crisp_ik_ros.estimators.decoding import Decoder, Problem
from crisp_ik_ros.estimators.descent import Wish
from crisp_ik_ros.estimators.knowledge import Knowledge
from crisp_ik_ros.estimators.prediction import Expectation, support_at
from crisp_ik_ros.estimators.search import STARTS_FOR_A_VERDICT
from crisp_ik_ros.losses.loss import RADIANS, Loss
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.result import SOURCES, Answers, IKResult, Status
from crisp_ik_ros.transforms import Array


def search_by_lbfgsb(
    knowledge: Knowledge,
    wish: Wish,
    problem: Problem | None,
    robot: RobotModel,
    loss: Loss,
    starts: Iterator[Array],
    deadline: float,
) -> IKResult:
    """Answer one request from ``starts``, one after the other, until the deadline [s, ``time.monotonic``]."""
    initial = next(starts)
    if problem is None:
        return IKResult(initial.copy(), False, Status.NO_SOLUTION, np.inf, np.inf, 0.0, 0, "nominal")
    decoder, certifies = Decoder(robot, loss), loss.code != RADIANS
    best, best_badness, evaluations, count = (initial.copy(), np.inf, np.inf), np.inf, 0, 0
    while True:
        configuration, position_error, orientation_error, used = decoder.decode_lbfgsb(problem, initial)
        evaluations += used
        count += 1
        badness = max(position_error / wish.position_tolerance, orientation_error / wish.orientation_tolerance)
        if badness < best_badness:
            best, best_badness = (configuration, position_error, orientation_error), badness
        if badness <= 1.0 or not certifies or time.monotonic() >= deadline:
            break
        initial = next(starts)
    success = best_badness <= 1.0 or not certifies
    failure = Status.NO_SOLUTION if count >= STARTS_FOR_A_VERDICT else Status.TIMED_OUT
    expectation = Expectation(True, problem.prior_weight, problem.support, SOURCES.index(problem.source))
    support = support_at(knowledge.task, knowledge.learned.scatter, expectation, problem.posture, best[0])
    # Nothing is solved again here: this is what the compiled search is compared with.
    return IKResult(
        best[0], success, Status.SUCCESS if success else failure, best[1], best[2], support, evaluations, problem.source
    )


def one_by_one(
    search: Callable[[Array, Array | None, float], IKResult],
    poses: Array,
    seeds: Array | None,
    chained: bool,
    timeout: float,
    rest: Array,
) -> Answers:
    """Answer poses (n, 4, 4) by a search that takes one pose, its seed and the deadline [s, ``time.monotonic``].

    Each for itself, or each from the last solution, as the compiled search does.
    """
    last, results = None, []
    for row, pose in enumerate(poses):
        if seeds is not None and (row == 0 or not chained):
            last = seeds[row]
        results.append(search(pose, last, time.monotonic() + timeout))
        if chained and results[-1].success:
            last = results[-1].configuration
    answers = Answers.from_results(results, len(rest))
    if chained:
        answers.hold(rest if seeds is None else seeds[0])
    return answers
