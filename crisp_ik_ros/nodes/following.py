"""Record of one trajectory that was followed: what was asked, answered, commanded and reached."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.files import replacing
from crisp_ik_ros.metrics import Summary, tool_errors
from crisp_ik_ros.nodes.answer import ErrorCode
from crisp_ik_ros.nodes.statistics import percentile
from crisp_ik_ros.transforms import Array, pose_error, rotation_exponential

REPORT_VERSION = 1
# A measured pose this far from the time it is wanted for says nothing [s].
LARGEST_GAP = 0.1


@dataclass
class TipPoses:
    """Measured tool poses with their times, oldest first."""

    times: list[float] = field(default_factory=list)
    poses: list[Array] = field(default_factory=list)

    def add(self, time: float, pose: Array) -> None:
        """Append one; a time that goes back is left out."""
        if not self.times or time > self.times[-1]:
            self.times.append(time)
            self.poses.append(pose)

    def at(self, time: float) -> Array | None:
        """Pose (4, 4) at a time [s], interpolated; None where nothing was measured around it."""
        if not self.times or not self.times[0] <= time <= self.times[-1]:
            return None
        i = bisect_left(self.times, time)
        after = self.poses[i]
        if self.times[i] == time:
            return after
        before, gap = self.poses[i - 1], self.times[i] - self.times[i - 1]
        if gap > LARGEST_GAP:
            return None
        change = (time - self.times[i - 1]) / gap * pose_error(after, before)
        pose = before.copy()
        pose[:3, 3] += change[:3]
        pose[:3, :3] = rotation_exponential(change[3:]) @ before[:3, :3]
        return pose


@dataclass
class Following:
    """One trajectory: what happened to each of its targets.

    Attributes
    ----------
    name : str
    targets : (n, 4, 4)
    configurations : list of (J,) or None
        Commanded; None where there was no solution.
    arrivals : list of float or None
        Times at which the command led through them [s].
    latencies : list of float
        From sending the request to having the answer [s].
    codes, supports, sources, messages : list
        Of the answers.
    halts, slow_downs : int
        How often service or joint states were lost, and how often they were late.
    """

    name: str
    targets: Array
    configurations: list[Array | None] = field(default_factory=list)
    arrivals: list[float | None] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    supports: list[float] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    tips: TipPoses = field(default_factory=TipPoses)
    halts: int = 0
    slow_downs: int = 0

    @property
    def failures(self) -> int:
        """Number of targets without a solution."""
        return sum(code != ErrorCode.SUCCESS for code in self.codes)

    @property
    def complete(self) -> bool:
        """Whether every target was solved and commanded."""
        return len(self.configurations) == len(self.targets) and not self.failures

    def answered(self, code: int, message: str, latency: float, support: float, source: str) -> None:
        """Note the answer for the next target."""
        self.codes.append(code)
        self.messages.append(message)
        self.latencies.append(latency)
        self.supports.append(support)
        self.sources.append(source)

    def commanded(self, configuration: Array | None, arrival: float | None) -> None:
        """Note the command for the next target."""
        self.configurations.append(configuration)
        self.arrivals.append(arrival)

    def measured(self, first: int = 0, last: int | None = None) -> list[Array | None]:
        """Tool poses (4, 4) at the arrivals of targets ``first`` to ``last``; None where there is none (yet)."""
        return [None if arrival is None else self.tips.at(arrival) for arrival in self.arrivals[first:last]]

    def arrived(self) -> int:
        """Number of targets whose arrival lies in the past of the measured poses."""
        latest = self.tips.times[-1] if self.tips.times else -np.inf
        return next(
            (i for i, arrival in enumerate(self.arrivals) if arrival is not None and arrival > latest),
            len(self.arrivals),
        )

    def summary(self) -> str:
        """Lines for a person to read."""
        solved = sum(code == ErrorCode.SUCCESS for code in self.codes)
        lines = [f"{self.name}: {solved} of {len(self.targets)} targets solved"]
        if self.failures:
            index = next(i for i, code in enumerate(self.codes) if code != ErrorCode.SUCCESS)
            lines.append(f"  first failure     target {index}, code {self.codes[index]}: {self.messages[index]}")
        poses = self.measured()
        known = [i for i, pose in enumerate(poses) if pose is not None]
        if known:
            reached = np.array([poses[i] for i in known])
            position, orientation = tool_errors(self.targets[known], reached)
            p, o = Summary.of(position, 1e3), Summary.of(orientation, 1e3)
            lines.append(f"  tool, in motion   position mean {p.mean:.3f} max {p.max:.3f} mm")
            lines.append(f"                    orientation mean {o.mean:.3f} max {o.max:.3f} mrad")
        else:
            lines.append("  tool              not measured (no tip poses came)")
        if self.tips.poses and known and known[-1] == len(self.targets) - 1:
            position, orientation = tool_errors(self.targets[-1:], self.tips.poses[-1][None])
            lines.append(
                f"  tool, at rest     {1e3 * position[0]:.4f} mm, {1e3 * orientation[0]:.4f} mrad (last target)"
            )
        latencies = [1e3 * latency for latency in self.latencies]
        lines.append(
            f"  service latency   p50 {percentile(latencies, 50.0):.2f} p99 {percentile(latencies, 99.0):.2f} ms"
        )
        if self.halts or self.slow_downs:
            lines.append(f"  halts             {self.halts}, and {self.slow_downs} times slower for a moment")
        if self.supports:
            lines.append(f"  support           mean {np.mean(self.supports):.2f} min {min(self.supports):.2f}")
        return "\n".join(lines)

    def report(self) -> dict[str, Any]:
        """Everything, as plain values for JSON: one entry per target in each list."""
        return {
            "trajectory": self.name,
            "targets": self.targets.tolist(),
            "configurations": [_plain(configuration) for configuration in self.configurations],
            "measured": [_plain(pose) for pose in self.measured()],
            "at_rest": _plain(self.tips.poses[-1] if self.tips.poses else None),
            "latencies": self.latencies,
            "error_codes": self.codes,
            "messages": self.messages,
            "supports": self.supports,
            "sources": self.sources,
            "halts": self.halts,
            "slow_downs": self.slow_downs,
        }


def write_report(path: Path, joint_names: Sequence[str], runs: Sequence[Following]) -> None:
    """Write what was followed to a JSON file, which appears only when it is complete.

    Raises
    ------
    CrispIKError
        When the file cannot be written.
    """
    content = {
        "version": REPORT_VERSION,
        "joint_names": list(joint_names),
        "complete": all(run.complete for run in runs),
        "runs": [run.report() for run in runs],
    }
    with replacing(path, CrispIKError, "report") as stream:
        stream.write(json.dumps(content).encode())


def _plain(array: Array | None) -> list | None:
    return None if array is None else array.tolist()
