"""What the project promises of its speed, beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """One promise.

    Attributes
    ----------
    what : str
    target, measured : str
        In words, units included.
    met : bool or None
        None: this run cannot tell.
    """

    what: str
    target: str
    measured: str
    met: bool | None

    def record(self) -> dict[str, Any]:
        """As it stands in the JSON files."""
        return asdict(self)


def targets_text(targets: Sequence[dict[str, Any]]) -> str:
    """Table "target, measured, met"."""
    marks = {True: "yes", False: "NO", None: "-"}
    rows = [("", "target", "measured", "met")]
    rows += [(entry["what"], entry["target"], entry["measured"], marks[entry["met"]]) for entry in targets]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def methods_text(methods: dict[str, dict[str, Any]]) -> str:
    """Table of what ``Tally.summary`` says of each method, the fastest first."""
    lines = [f"{'':<34}{'median':>10} {'p99':>10} {'mean':>10} {'solved':>9} {'poses':>6}"]
    for entry in sorted(methods.values(), key=lambda entry: entry["median_us"]):
        times = " ".join(f"{short_time(1e-6 * entry[key]):>10}" for key in ("median_us", "p99_us", "mean_us"))
        lines.append(f"{entry['label']:<34}{times} {100.0 * entry['solved']:>7.2f} % {entry['poses']:>6}")
    return "\n".join(lines)


def short_time(seconds: float) -> str:
    """Seconds with three digits and the unit that suits them."""
    for unit, size, least in (("min", 60.0, 120.0), ("s", 1.0, 0.5), ("ms", 1e-3, 1e-3)):
        if seconds >= least:
            return f"{seconds / size:.3g} {unit}"
    return f"{1e6 * seconds:.3g} us"
