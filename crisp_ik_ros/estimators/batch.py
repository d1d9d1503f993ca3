"""Many requests at a time, on threads: the compiled search runs without Python's lock."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from crisp_ik_ros.estimators.descent import Wish
from crisp_ik_ros.estimators.knowledge import KeptKnowledge
from crisp_ik_ros.estimators.search import search
from crisp_ik_ros.solvers.result import Answers
from crisp_ik_ros.transforms import Array

# Poses that are worth a thread of their own.
FEWEST_FOR_A_THREAD = 32
# Parts for each thread: some poses take longer than others.
PARTS = 8


def search_on_threads(
    knowledge: KeptKnowledge, wish: Wish, poses: Array, seeds: Array, chained: bool, threads: int
) -> Answers | None:
    """Answer poses (n, 4, 4) as ``search`` does, on so many threads; a chain takes one.

    Returns
    -------
    Answers, or None
        None where a pose or a seed cannot be used.
    """
    count = len(poses)
    answers = Answers.empty(count, seeds.shape[1])
    threads = 1 if chained else min(threads, count // FEWEST_FOR_A_THREAD)
    if threads <= 1:
        return answers if search(knowledge, wish, poses, seeds, chained, answers.rows) else None

    def part(rows: slice) -> bool:
        own = seeds[rows] if len(seeds) else seeds
        return search(knowledge, wish, poses[rows], own, False, answers.rows[rows])

    bounds = np.linspace(0, count, min(PARTS * threads, count // FEWEST_FOR_A_THREAD) + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        sound = list(pool.map(part, map(slice, bounds[:-1], bounds[1:])))
    return answers if all(sound) else None


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
