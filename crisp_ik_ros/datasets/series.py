"""Numbers of a recording with their times, in little memory."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crisp_ik_ros.transforms import Array


class Series:
    """Rows of numbers with two times each: that of the message's header, and when it was recorded [ns].

    Parameters
    ----------
    width : int
        Numbers in a row.
    """

    def __init__(self, width: int):
        self.width = width
        self._times, self._values = array("q"), array("d")

    def __len__(self) -> int:
        return len(self._times) // 2

    def add(self, stamp: Any, recorded: int, values: Sequence[float]) -> None:
        """Append one."""
        self._times.extend((stamp.sec * 1_000_000_000 + stamp.nanosec, recorded))
        self._values.extend(values)

    def extend(self, other: Series, columns: Sequence[int]) -> None:
        """Append all readings of another, of which these columns are taken."""
        self._times.extend(other._times)
        self._values.frombytes(np.array(other._values).reshape(-1, other.width)[:, columns].tobytes())

    @property
    def stamped(self) -> bool:
        """Whether the headers have times."""
        return any(self._times[0::2])

    def first(self, stamped: bool) -> int:
        """Earliest time [ns]."""
        return int(self._both()[:, 0 if stamped else 1].min())

    def ordered(self, stamped: bool, start: int) -> tuple[Array, Array]:
        """Times (n,) [s] since ``start`` [ns], increasing, and the numbers (n, k); one of each time."""
        times, index = np.unique(self._both()[:, 0 if stamped else 1], return_index=True)
        values = np.array(self._values).reshape(-1, self.width)[index]
        return 1e-9 * (times - start).astype(float), values

    def _both(self) -> NDArray[np.int64]:
        return np.array(self._times, dtype=np.int64).reshape(-1, 2)
