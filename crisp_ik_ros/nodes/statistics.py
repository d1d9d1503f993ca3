"""What a service has to say about itself: rate, latency, failures."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np

from crisp_ik_ros.nodes.answer import ErrorCode

WINDOW = 2000


def percentile(values: list[float], share: float) -> float:
    """Percentile of values, ``share`` in percent; 0 where there are none."""
    return float(np.percentile(values, share)) if values else 0.0


class ServiceStatistics:
    """Counts of requests since the last ``clear``, and the latencies of the last ones."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start anew."""
        self._latencies: deque[float] = deque(maxlen=WINDOW)
        self._supports: deque[float] = deque(maxlen=WINDOW)
        self._codes: Counter[int] = Counter()
        self._since_last = 0

    def add(self, latency: float, code: int, support: float) -> None:
        """Count one request: seconds it took, error code, support 0..1."""
        self._latencies.append(latency)
        self._codes[code] += 1
        self._since_last += 1
        if code == ErrorCode.SUCCESS:
            self._supports.append(support)

    def report(self, elapsed: float) -> dict[str, str]:
        """Values to publish; ``elapsed`` are the seconds since the last report."""
        latencies = [1e3 * value for value in self._latencies]
        supports = list(self._supports)
        total = sum(self._codes.values())
        values = {
            "requests": str(total),
            "rate [1/s]": f"{self._since_last / elapsed if elapsed > 0.0 else 0.0:.1f}",
            "latency p50 [ms]": f"{percentile(latencies, 50.0):.3f}",
            "latency p99 [ms]": f"{percentile(latencies, 99.0):.3f}",
            "support mean": f"{float(np.mean(supports)) if supports else 0.0:.3f}",
            "support min": f"{min(supports, default=0.0):.3f}",
            "failures": str(total - self._codes[ErrorCode.SUCCESS]),
        }
        for code, count in sorted(self._codes.items()):
            if code != ErrorCode.SUCCESS:
                values[f"failures {ErrorCode(code).name}"] = str(count)
        self._since_last = 0
        return values
