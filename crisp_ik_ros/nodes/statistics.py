"""What a service has to say about itself: rate, latency, failures."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable

import numpy as np

from crisp_ik_ros.nodes.targets import ErrorCode
from crisp_ik_ros.transforms import Array

WINDOW = 2000


def percentile(values: list[float], share: float) -> float:
    """Percentile of values, ``share`` in percent; 0 where there are none."""
    return float(np.percentile(values, share)) if values else 0.0


class Window:
    """The last ``WINDOW`` of many numbers."""

    def __init__(self) -> None:
        self._values, self._count = np.zeros(WINDOW), 0

    def add(self, value: float) -> None:
        """Append one."""
        self._values[self._count % WINDOW] = value
        self._count += 1

    def add_many(self, values: Array) -> None:
        """Append some."""
        rows = np.arange(self._count, self._count + len(values))[-WINDOW:]
        self._values[rows % WINDOW] = values[-WINDOW:]
        self._count += len(values)

    @property
    def values(self) -> Array:
        """All that are there, in no order; a zero where there are none."""
        return self._values[: max(1, self._count)]


class ServiceStatistics:
    """Counts of requests since the last ``clear``, and the latencies of the last ones.

    Attributes
    ----------
    failing : bool
        Whether most of those between the last two reports failed; it stands while there are none.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start anew."""
        self._latencies, self._supports = Window(), Window()
        self._codes: Counter[int] = Counter()
        self._since_last = self._failed_since_last = 0
        self.failing = False

    def add(self, latency: float, code: int, support: float) -> None:
        """Count one request: seconds it took, error code, support 0..1."""
        self._latencies.add(latency)
        self._codes[code] += 1
        self._since_last += 1
        if code == ErrorCode.SUCCESS:
            self._supports.add(support)
        else:
            self._failed_since_last += 1

    def add_path(self, latency: float, codes: np.ndarray, supports: Array) -> None:
        """Count the n poses of a path: seconds that all took together, codes (n,) and supports (n,) of each."""
        count = len(codes)
        self._latencies.add_many(np.full(count, latency / max(count, 1)))
        self._codes.update(codes.tolist())
        self._since_last += count
        solved = supports[codes == ErrorCode.SUCCESS]
        self._failed_since_last += count - len(solved)
        self._supports.add_many(solved)

    def report(self, elapsed: float) -> dict[str, str]:
        """Values to publish; ``elapsed`` are the seconds since the last report."""
        # In one go, since a request may be waiting meanwhile.
        median, late = (1e3 * np.percentile(self._latencies.values, [50.0, 99.0])).tolist()
        supports = self._supports.values
        total = sum(self._codes.values())
        values = {
            "requests": str(total),
            "rate [1/s]": f"{self._since_last / elapsed if elapsed > 0.0 else 0.0:.1f}",
            "latency p50 [ms]": f"{median:.3f}",
            "latency p99 [ms]": f"{late:.3f}",
            "support mean": f"{supports.mean():.3f}",
            "support min": f"{supports.min():.3f}",
            "failures": str(total - self._codes[ErrorCode.SUCCESS]),
        }
        for code, count in sorted(self._codes.items()):
            if code != ErrorCode.SUCCESS:
                values[f"failures {ErrorCode(code).name}"] = str(count)
        if self._since_last:
            self.failing = self._failed_since_last > 0.5 * self._since_last
        self._since_last = self._failed_since_last = 0
        return values


class Throttle:
    """Lets one line through in a while, with the number of those since the last.

    Parameters
    ----------
    say : callable
        Gets the lines.
    period : float
        Least time between two [s].
    """

    def __init__(self, say: Callable[[str], object], period: float = 1.0):
        self._say, self._period = say, period
        self._last, self._held = -math.inf, 0

    def __call__(self, line: str) -> None:
        """Say a line, or count it."""
        now = time.monotonic()
        if now - self._last < self._period:
            self._held += 1
            return
        self._say(f"{line} ({self._held} more since the last of these)" if self._held else line)
        self._last, self._held = now, 0
