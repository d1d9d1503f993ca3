"""Sums over samples, chunk by chunk: the only way in which Nystrom regression touches them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from crisp_ik_ros.regression.blas import add_gram, solve_lower
from crisp_ik_ros.regression.kernels import Kernel
from crisp_ik_ros.regression.threads import available_threads
from crisp_ik_ros.transforms import Array

# Samples of a chunk: memory stays at chunk x m numbers a thread however many samples there are.
CHUNK = 4096
# Sums of more numbers than this (0.5 GB) are kept once, not once a thread; then linear algebra itself uses threads.
LARGE = 1 << 26


class Rows(Protocol):
    """Samples that are read by slices or indices of rows: an array, in memory or mapped, or one computed on demand."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows first."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> Array: ...


class Term(Protocol):
    """What each chunk contributes; it can be pickled."""

    centers: Array

    def zeros(self) -> tuple[Array, ...]:
        """Return empty sums."""

    def add(self, poses: Array, targets: Array, totals: tuple[Array, ...], memory: Array) -> None:
        """Add to the sums, in place, what poses (k, 4, 4) with their targets (k, C) contribute.

        ``memory`` (k or more, m) is overwritten.
        """


def scratch(term: Term, rows: int) -> Array:
    """Memory (rows, m) for the chunks of one thread.

    Memory of its own for each chunk would be asked from the system, and given back: two threads that do so hold each
    other up, and a kernel row then takes 150 us in place of 30.
    """
    return np.empty((rows, len(term.centers)))


class GramTerm:
    """B^T B (m, m), of which the lower triangle, and B^T Y (m, C), with B = K_nm L^-T and L L^T = K_mm.

    Parameters
    ----------
    kernel : Kernel
    centers : (m, D)
        Features of the centers.
    factor : (m, m)
        L, in Fortran order; what stands above its diagonal does not count.
    columns : int
        C.
    """

    def __init__(self, kernel: Kernel, centers: Array, factor: Array, columns: int):
        self.kernel, self.centers, self.factor, self.columns = kernel, centers, factor, columns

    def zeros(self) -> tuple[Array, ...]:
        """Gram matrix in Fortran order, and moment."""
        count = len(self.centers)
        return np.zeros((count, count), order="F"), np.zeros((count, self.columns))

    def add(self, poses: Array, targets: Array, totals: tuple[Array, ...], memory: Array) -> None:
        """Add one chunk."""
        gram, moment = totals
        # C order of the transpose is the order in which LAPACK works in place.
        row = self.kernel.matrix(self.kernel.features(poses), self.centers, memory[: len(poses)]).T
        solve_lower(self.factor, row)
        add_gram(row, gram)
        moment += row @ targets


class MomentTerm:
    """K_nm^T Y (m, C)."""

    def __init__(self, kernel: Kernel, centers: Array, columns: int):
        self.kernel, self.centers, self.columns = kernel, centers, columns

    def zeros(self) -> tuple[Array, ...]:
        """Moment."""
        return (np.zeros((len(self.centers), self.columns)),)

    def add(self, poses: Array, targets: Array, totals: tuple[Array, ...], memory: Array) -> None:
        """Add one chunk."""
        matrix = self.kernel.matrix(self.kernel.features(poses), self.centers, memory[: len(poses)])
        totals[0][:] += matrix.T @ targets


class NormalTerm:
    """K_nm^T K_nm V (m, C) for V (m, C): one step of conjugate gradients, without the product's matrix."""

    def __init__(self, kernel: Kernel, centers: Array, directions: Array):
        self.kernel, self.centers, self.directions = kernel, centers, directions

    def zeros(self) -> tuple[Array, ...]:
        """Product."""
        return (np.zeros_like(self.directions),)

    def add(self, poses: Array, targets: Array, totals: tuple[Array, ...], memory: Array) -> None:
        """Add one chunk, whatever its targets."""
        matrix = self.kernel.matrix(self.kernel.features(poses), self.centers, memory[: len(poses)])
        totals[0][:] += matrix.T @ (matrix @ self.directions)


Sums = Callable[[Term, Rows, Rows, int], tuple[Array, ...]]


def slices(count: int, chunk: int) -> Iterator[slice]:
    """Consecutive slices of at most ``chunk`` rows of ``count``."""
    return (slice(start, min(start + chunk, count)) for start in range(0, count, chunk))


def read(rows: Rows, wanted: Any) -> Array:
    """Rows as an array that is aligned in memory, as those mapped from a file need not be."""
    return np.require(rows[wanted], dtype=float, requirements=["C", "A"])


def local_sums(term: Term, poses: Rows, targets: Rows, chunk: int) -> tuple[Array, ...]:
    """Sums of a term over poses (n, 4, 4) and targets (n, C), in as many threads as linear algebra may use.

    Each thread takes every so many-th chunk and has sums of its own, which are added up in a fixed order: the result
    does not depend on which thread is faster. That keeps all processors busy in every step, where threads within each
    product leave the others' steps to one of them.
    """
    chunks = list(slices(len(poses), chunk))
    threads = min(available_threads(), len(chunks))
    # Empty sums take no memory until they are written to.
    if sum(total.size for total in term.zeros()) > LARGE:
        threads = 1

    def share(first: int) -> tuple[Array, ...]:
        totals, memory = term.zeros(), scratch(term, min(chunk, len(poses)))
        for rows in chunks[first::threads]:
            term.add(read(poses, rows), read(targets, rows), totals, memory)
        return totals

    if threads == 1:
        return share(0)
    with threadpool_limits(limits=1), ThreadPoolExecutor(threads) as pool:
        shares = pool.map(share, range(threads))
        return add_up(shares)


def add_up(shares: Iterator[tuple[Array, ...]]) -> tuple[Array, ...]:
    """Sum of sums, in the memory of the first."""
    totals = next(shares)
    for share in shares:
        for total, part in zip(totals, share, strict=True):
            total += part
    return totals
