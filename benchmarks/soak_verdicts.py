"""What is promised of a long run, held against what was noted; and its picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.targets import Target

# Largest growth of a node's memory [MB per 100000 calls], and of the 99th percentile from the first minute to the last.
LARGEST_GROWTH, LARGEST_RATIO = 1.0, 1.2
# While buffers and caches fill, memory grows: this long it is not looked at [s]. Fewer looks than these say nothing.
WARM_UP, FEWEST_LOOKS = 60.0, 120
CALLS = 100_000
MB_PER_MIB = 2.0**20 / 1e6


def growth(seconds: np.ndarray, resident_mib: np.ndarray, calls_per_second: float) -> float | None:
    """Growth of resident memory after the warm-up, by a straight line [MB per 100000 calls].

    Parameters
    ----------
    seconds, resident_mib : (n,)
        When memory was looked at since the first request, and what there was.
    calls_per_second : float

    Returns
    -------
    float or None
        None where there are too few looks.
    """
    late = seconds >= WARM_UP
    if np.count_nonzero(late) < FEWEST_LOOKS:
        return None
    slope = np.polyfit(calls_per_second * seconds[late] / CALLS, MB_PER_MIB * resident_mib[late], 1)[0]
    return float(slope)


def verdicts(result: dict[str, Any]) -> list[Target]:
    """Promises beside what was measured; those that a short run cannot tell are left open.

    Parameters
    ----------
    result : dict
        Of ``benchmarks.soak.run_soak``.
    """
    windows = [row for rows in result["clients"].values() for row in rows]
    count = {key: sum(row[key] for row in windows) for key in ("sent", "answered", "errors", "changed")}
    settings = result["settings"]
    expected = settings["clients"] * round(settings["rate_hz"] * settings["seconds"])
    lost = expected - count["answered"]
    targets = [
        Target("requests lost", "0", f"{lost} of {expected}", lost == 0),
        Target("requests with an error", "0", str(count["errors"]), count["errors"] == 0),
        Target("equal requests answered otherwise", "0", str(count["changed"]), count["changed"] == 0),
    ]
    trouble = {name: lines for name, lines in result["trouble"].items() if lines}
    words = "; ".join(f"{name}: {lines[0][-80:]}" for name, lines in trouble.items()) or "none"
    targets.append(Target("warnings and errors of the nodes", "none", words, not trouble))
    codes = result["exit_codes"]
    ended = ", ".join(f"{name} {code}" for name, code in codes.items() if code) or "all 0"
    targets.append(Target("exit codes at the end", "all 0", ended, not any(codes.values())))
    paths = result["paths_followed"]
    targets.append(Target("paths that the follower went", "at least 1", str(paths), paths >= 1 or _open(settings)))
    for name, series in result["nodes"].items():
        # Only the clients' calls are counted, not the follower's: the growth for each is not made smaller than it is.
        rate = settings["clients"] * settings["rate_hz"]
        grown = growth(np.array(series["seconds"]), np.array(series["resident_mib"]), rate)
        measured = "too short a run" if grown is None else f"{grown:.2f} MB"
        met = None if grown is None else grown <= LARGEST_GROWTH
        what = f"{name}, growth of resident memory in {CALLS} calls"
        targets.append(Target(what, f"at most {LARGEST_GROWTH:g} MB", measured, met))
    for name, rows in result["clients"].items():
        first, last = rows[0]["p99_ms"], rows[-1]["p99_ms"]
        told = len(rows) > 1 and settings["window_s"] >= WARM_UP
        targets.append(
            Target(
                f"{name}, p99 of the last minute over that of the first",
                f"at most {LARGEST_RATIO:g}",
                f"{last / first:.2f} ({first:.2f} ms, {last:.2f} ms)",
                last <= LARGEST_RATIO * first if told else None,
            )
        )
    return targets


def _open(settings: dict[str, Any]) -> bool | None:
    """None where a run is so short that no path needs to be over."""
    return None if settings["seconds"] < 2 * WARM_UP else False


def draw(result: dict[str, Any], path: Path) -> None:
    """Picture of latencies and of memory over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 7.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    window = result["settings"]["window_s"]
    for number, (name, rows) in enumerate(result["clients"].items()):
        minutes = (np.arange(len(rows)) + 0.5) * window / 60.0
        for key, style in (("p50_ms", "-"), ("p99_ms", "--")):
            above.plot(minutes, [row[key] for row in rows], style, color=f"C{number}", label=f"{name}, {key[:3]}")
    above.set(ylabel="latency [ms]", yscale="log")
    above.set_title(
        f"{result['settings']['clients']} clients at {result['settings']['rate_hz']:g} Hz, and the follower"
    )
    for name, series in result["nodes"].items():
        seconds, memory = np.array(series["seconds"]), np.array(series["resident_mib"])
        start = memory[np.searchsorted(seconds, WARM_UP) if seconds[-1] > WARM_UP else 0]
        below.plot(seconds / 60.0, memory - start, label=f"{name}, from {start:.0f} MiB")
    below.set(xlabel="time [min]", ylabel="resident memory, change\nafter the first minute [MiB]")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=130)
