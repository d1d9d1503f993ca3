"""Sums over samples on a Dask cluster. The only place that knows of Dask, and only when a cluster is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from crisp_ik_ros.errors import MissingDependencyError, RegressionError
from crisp_ik_ros.regression.sums import Rows, Sums, Term, local_sums, read, scratch, slices
from crisp_ik_ros.transforms import Array

# Chunks in one task: as many as make sending a sum back cheap beside computing it.
CHUNKS_PER_TASK = 8
# Tasks under way for each thread of the cluster: one at work, one on its way. More would fill its memory.
TASKS_PER_THREAD = 2
# Seconds to wait for the scheduler.
CONNECTION_TIMEOUT = 10.0


@contextmanager
def open_sums(scheduler: str | None) -> Iterator[Sums]:
    """How to sum over samples: in this process, or on the cluster of the Dask scheduler at an address.

    The cluster's workers need this package. Samples go to them a task at a time, so that neither this process nor a
    worker ever holds all of them; tasks are added up in the order of the samples. So the result is that of
    ``local_sums`` to rounding.

    Parameters
    ----------
    scheduler : str, optional
        As Dask takes it, for example "tcp://192.168.1.5:8786"; None: this process.

    Raises
    ------
    MissingDependencyError
        When Dask is not installed.
    RegressionError
        When no scheduler answers at the address.
    """
    if scheduler is None:
        yield local_sums
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingDependencyError(
            f"training on a cluster needs Dask ({error}); install the extra 'dask': pip install 'crisp_ik[dask]'"
        ) from error
    try:
        client = Client(scheduler, timeout=CONNECTION_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise RegressionError(f"no Dask scheduler answers at {scheduler}: {error}") from error
    with client:

        def cluster_sums(term: Term, poses: Rows, targets: Rows, chunk: int) -> tuple[Array, ...]:
            return _cluster_sums(client, term, poses, targets, chunk)

        yield cluster_sums


def _cluster_sums(client: Any, term: Term, poses: Rows, targets: Rows, chunk: int) -> tuple[Array, ...]:
    threads = sum(client.nthreads().values())
    if threads == 0:
        raise RegressionError("the Dask scheduler has no workers; start some with: dask worker ADDRESS")
    shared = client.scatter(term, broadcast=True, hash=False)
    totals = term.zeros()
    waiting: deque[Any] = deque()

    def collect() -> None:
        for total, part in zip(totals, waiting.popleft().result(), strict=True):
            total += part

    for rows in slices(len(poses), chunk * CHUNKS_PER_TASK):
        if len(waiting) >= TASKS_PER_THREAD * threads:
            collect()
        block = client.scatter((read(poses, rows), read(targets, rows)), hash=False)
        waiting.append(client.submit(_task, shared, block, chunk, pure=False))
        del block
    while waiting:
        collect()
    return totals


def _task(term: Term, block: tuple[Array, Array], chunk: int) -> tuple[Array, ...]:
    totals, memory = term.zeros(), scratch(term, min(chunk, len(block[0])))
    for rows in slices(len(block[0]), chunk):
        term.add(block[0][rows], block[1][rows], totals, memory)
    return totals
