"""The way that a point has gone, in pieces: only the last one changes, so only that is sent again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crisp_ik_ros.transforms import Array

PIECE = 64


class Trail:
    """Points of a path that grows; the oldest pieces are forgotten.

    Parameters
    ----------
    step : float
        A point nearer than this to the last one is not taken [m].
    longest : int
        Number of points that are kept.
    gap : float
        A point farther than this from the last one begins anew beside it, without a line between them [m].
    """

    def __init__(self, step: float = 0.001, longest: int = 4096, gap: float = 0.1):
        self._step, self._pieces_kept, self._gap = step, max(1, longest // PIECE), gap
        self._last: Array | None = None
        self._number = 0
        self._pieces: dict[int, list[Array]] = {}
        self._changed: set[int] = set()

    def add(self, point: Array) -> None:
        """Go on to a point (3,) [m]."""
        last = self._last
        if last is not None:
            distance = float(np.linalg.norm(point - last))
            if distance < self._step:
                return
            if distance <= self._gap:
                piece = self._pieces.setdefault(self._number, [])
                piece.append(np.stack([last, point]))
                self._changed.add(self._number)
                if len(piece) == PIECE:
                    self._number += 1
                    for old in [number for number in self._pieces if number <= self._number - self._pieces_kept]:
                        del self._pieces[old]
                        self._changed.add(old)
        self._last = point

    def clear(self) -> None:
        """Forget all of it but where it ended."""
        self._changed.update(self._pieces)
        self._pieces = {}
        self._number += 1

    def changes(self) -> Iterator[tuple[int, Array]]:
        """Pieces that are other than when this was last asked: their numbers and segments (k, 2, 3); k = 0: gone."""
        for number in sorted(self._changed):
            yield number, np.array(self._pieces.get(number, [])).reshape(-1, 2, 3)
        self._changed.clear()
