"""How many threads linear algebra may use."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from threadpoolctl import threadpool_info, threadpool_limits

# Floating-point operations from which a second thread is worth having.
WORTH_THREADS = 1e12


def limit_threads(operations: float) -> AbstractContextManager:
    """One thread for work of few ``operations``, all for more.

    On a busy machine (a simulator, nodes, a trainer) threads that wait for each other by spinning make small problems
    ten times slower, not faster.
    """
    return nullcontext() if operations >= WORTH_THREADS else threadpool_limits(limits=1)


def available_threads() -> int:
    """Threads that linear algebra may use at this moment, by its settings and by ``limit_threads``."""
    return max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)
