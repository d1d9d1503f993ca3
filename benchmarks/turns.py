"""Methods take turns at the same poses, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.judge import Judge, Outcome, Verdict
from benchmarks.methods import Method
from crisp_ik_ros.experiments.steps import Progress
from crisp_ik_ros.transforms import Array

# Poses that a method solves in a row. A robot's controller asks the same solver again and again; were the solvers to
# take turns at each pose, every call would find the caches full of another library's numbers.
BLOCK = 20


@dataclass
class Tally:
    """What one method did: seconds, outcomes and errors of its answers, pose by pose."""

    method: Method
    seconds: list[float] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    position_errors: list[float] = field(default_factory=list)
    fault: str = ""

    def add(self, seconds: float, verdict: Verdict, fault: str) -> None:
        """Count one request."""
        self.seconds.append(seconds)
        self.outcomes.append(verdict.outcome)
        self.position_errors.append(verdict.position_error)
        self.fault = self.fault or fault

    def summary(self) -> dict[str, Any]:
        """Times [us] over all poses, solved or not, and how many of them were solved."""
        seconds, count = 1e6 * np.array(self.seconds), len(self.seconds)
        outcomes = Counter(self.outcomes)
        errors = [error for error in self.position_errors if np.isfinite(error)]
        summary = {
            "label": self.method.label,
            "group": self.method.group,
            "how": self.method.how,
            "poses": count,
            "solved": outcomes[Outcome.SOLVED] / count,
            "median_us": float(np.median(seconds)),
            "p99_us": float(np.percentile(seconds, 99)),
            "mean_us": float(np.mean(seconds)),
            "max_us": float(np.max(seconds)),
            "outcomes": {outcome.value: outcomes[outcome] for outcome in Outcome if outcomes[outcome]},
            "median_position_error_m": float(np.median(errors)) if errors else None,
        }
        if self.fault:
            summary["first_exception"] = self.fault
        return summary


def take_turns(
    methods: Sequence[Method],
    judge: Judge,
    poses: Array,
    start: Array | None = None,
    progress: Progress | None = None,
) -> dict[str, Tally]:
    """Let methods solve poses (n, 4, 4), each a block of poses in turn, each block in another order.

    Before each block a method gets its last request once more, not timed: it is to find its own numbers in the caches.

    Parameters
    ----------
    methods : sequence of Method
    judge : Judge
    poses : (n, 4, 4)
    start : (J,), optional
        Where all methods stand at first. Each then starts from its own last
        answer. None: no method is given a start.
    progress : callable, optional
        Called as progress(done, total).

    Returns
    -------
    dict
        By the methods' names.
    """
    tallies = {method.name: Tally(method) for method in methods}
    last = {method.name: start for method in methods}
    order = list(methods)
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for begin in range(0, len(poses), BLOCK):
            order = [*order[1:], order[0]]
            for method in order:
                indices = range(begin, min(begin + BLOCK, len(poses)))
                count = sum(index % method.every == 0 for index in indices)
                last[method.name] = _solve_block(method, tallies[method.name], judge, poses, count, last[method.name])
            if progress is not None:
                progress(begin, len(poses))
    finally:
        if collecting:
            gc.enable()
    if progress is not None:
        progress(len(poses), len(poses))
    return tallies


def _solve_block(
    method: Method, tally: Tally, judge: Judge, poses: Array, count: int, start: Array | None
) -> Array | None:
    """Let a method solve the next so many poses; return where it stands then, None where it is given no starts."""
    # A slow one keeps to the first poses, and so has its last answer near by, too.
    done = len(tally.seconds)
    if method.every == 1 or not done:
        _ask(method, poses[max(done - 1, 0)], start)
    asked = []
    for pose in poses[done : done + count]:
        answer, seconds, fault = _ask(method, pose, start)
        asked.append((pose, answer, seconds, fault))
        if start is not None and answer is not None:
            start = answer
    # Only now: judging goes through other code and numbers, too.
    for pose, answer, seconds, fault in asked:
        tally.add(seconds, judge.verdict(pose, answer, seconds), fault)
    return start


def _ask(method: Method, pose: Array, start: Array | None) -> tuple[Array | None, float, str]:
    """Answer, seconds, and what was raised; a library that raises has not answered."""
    fault = ""
    begin = time.perf_counter()
    try:
        answer = method.solve(pose, start)
    except Exception as error:
        answer, fault = None, f"{type(error).__name__}: {error}"[:200]
    return answer, time.perf_counter() - begin, fault
