"""Pictures of all benchmarks: ours in one colour, the other libraries grey, the paper hatched, targets as lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.methods import LIMIT, OURS, PAPER, PEER
from benchmarks.targets import short_time

# By group: colour, hatch.
LOOKS: dict[str, tuple[str, str | None]] = {
    OURS: ("#8c1c2e", None),
    PEER: ("0.72", None),
    LIMIT: ("#d9b44a", None),
    PAPER: ("1.0", "////"),
}
TARGET = "#1f6f8b"
# Lines of curves that are not ours.
SHADES = ("#4c72b0", "#dd8452", "#55a868", "#8172b3", "#937860", "#64b5cd", "#7f7f7f", "#d9b44a")
DPI = 150
# Behind notes that a line may cross.
PLAIN = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}


def draw_times(methods: dict[str, dict[str, Any]], path: Path, title: str, targets: dict[str, float]) -> None:
    """Medians of a solve as bars on a logarithmic axis, the fastest first, whiskers to the 99th percentile [us]."""
    rows = sorted(methods.values(), key=lambda row: row["median_us"])
    figure = Figure(figsize=(9.2, 1.5 + 0.38 * len(rows)), dpi=DPI)
    axes = figure.subplots()
    for place, row in enumerate(rows):
        color, hatch = LOOKS[row["group"]]
        axes.barh(place, row["median_us"], color=color, hatch=hatch, edgecolor="0.0", linewidth=0.8)
        whisker = max(row["p99_us"] - row["median_us"], 0.0)
        axes.errorbar(row["median_us"], place, xerr=[[0.0], [whisker]], color="0.0", capsize=3)
        note = short_time(1e-6 * row["median_us"])
        if row["solved"] < 1.0:
            note += f"   {100.0 * row['solved']:.3g} % solved within 5 ms"
        end = max(row["p99_us"], row["median_us"])
        axes.annotate(note, (end, place), (7, 0), textcoords="offset points", va="center", fontsize=8, bbox=PLAIN)
    values = [value for row in rows for value in (row["median_us"], row["p99_us"])]
    axes.set_xscale("log")
    axes.set_xlim(0.5 * min(values), max(values) * (max(values) / min(values)) ** 0.52)  # room for the notes
    axes.set_yticks(range(len(rows)), [row["label"] for row in rows], fontsize=9)
    axes.invert_yaxis()
    for label, value in targets.items():
        axes.axvline(value, color=TARGET, linestyle="--", linewidth=1.2, zorder=0)
        axes.annotate(
            label, (value, 1.0), (3, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
            color=TARGET, fontsize=8,
        )  # fmt: skip
    axes.set_xlabel(f"{title} [us]", fontsize=9)
    axes.grid(axis="x", alpha=0.3)
    _finish(figure, path)


def draw_solved(result: dict[str, Any], path: Path, unsolved: float, mean: float) -> None:
    """Share of the random poses that is not yet solved after a time, as curves, and the mean times as bars.

    ``unsolved`` [%] and ``mean`` [us] are targets.
    """
    figure = Figure(figsize=(11.5, 4.8), dpi=DPI)
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.0))
    methods = result["methods"]
    order = sorted(methods, key=lambda name: methods[name]["mean_us"])
    styles, shades = iter(("-", "--", ":")), iter(SHADES)
    for name in order:
        row = methods[name]
        ours = row["group"] == OURS
        color = next(shades) if row["group"] == PEER else LOOKS[row["group"]][0]
        # Where none is left, the curve ends below what a single pose would be.
        missing = np.maximum(1.0 - np.array(result["curves"][name]), 0.3 / row["poses"])
        left.plot(
            result["curve_us"], 100.0 * missing, next(styles) if ours else "-", color=color,
            linewidth=2.2 if ours else 1.3, label=row["label"],
        )  # fmt: skip
    cap, poses = 1e6 * result["settings"]["cap_s"], result["settings"]["poses"]
    left.axvline(cap, color=TARGET, linestyle="--", linewidth=1.2)
    left.plot([1.0, cap], [unsolved, unsolved], color=TARGET, linestyle="--", linewidth=1.2)
    left.annotate(
        f"target: {unsolved:g} % at 5 ms", (5.5, unsolved), (0, -11), textcoords="offset points",
        color=TARGET, fontsize=8,
    )  # fmt: skip
    left.set_xscale("log")
    left.set_yscale("log")
    left.set_xlim(5.0, result["curve_us"][-1])
    left.set_ylim(min(20.0 / poses, 0.5 * unsolved), 140.0)
    left.set_xlabel("time from Python [us]")
    left.set_ylabel(f"not yet solved, of {poses:,} random poses [%]")
    left.legend(fontsize=7.5, loc="lower left", bbox_to_anchor=(0.0, 0.16), framealpha=0.9)
    left.grid(alpha=0.3)
    for place, name in enumerate(order):
        row = methods[name]
        color, hatch = LOOKS[row["group"]]
        right.barh(place, row["mean_us"], color=color, hatch=hatch, edgecolor="0.0", linewidth=0.8)
        note = f"{short_time(1e-6 * row['mean_us'])}   {100.0 * row['solved']:.2f} %"
        right.annotate(
            note, (row["mean_us"], place), (6, 0), textcoords="offset points", va="center", fontsize=8, bbox=PLAIN
        )
    right.axvline(mean, color=TARGET, linestyle="--", linewidth=1.2, zorder=0)
    right.annotate(
        f"target {mean:g} us", (mean, 1.0), (3, 3), xycoords=("data", "axes fraction"),
        textcoords="offset points", color=TARGET, fontsize=8,
    )  # fmt: skip
    means = [methods[name]["mean_us"] for name in order]
    right.set_xscale("log")
    right.set_xlim(0.5 * min(means), max(means) * (max(means) / min(means)) ** 0.55)
    right.set_yticks(range(len(order)), [methods[name]["label"] for name in order], fontsize=9)
    right.invert_yaxis()
    right.set_xlabel("mean time [us], and share solved within 5 ms")
    right.grid(axis="x", alpha=0.3)
    _finish(figure, path)


def draw_rates(result: dict[str, Any], path: Path, target: float) -> None:
    """Poses a second as bars, whiskers from the slowest to the fastest round."""
    rows = result["rates"]
    figure = Figure(figsize=(7.4, 1.4 + 0.5 * len(rows)), dpi=DPI)
    axes = figure.subplots()
    for place, row in enumerate(rows):
        rate = row["poses_per_second"]
        axes.barh(place, rate, color=LOOKS[OURS][0], alpha=0.55 if row["threads"] == 1 else 1.0, edgecolor="0.0")
        spread = [[rate - row["slowest_round"]], [row["fastest_round"] - rate]]
        axes.errorbar(rate, place, xerr=spread, color="0.0", capsize=3)
        axes.annotate(
            f"{rate:,.0f}", (row["fastest_round"], place), (6, 0), textcoords="offset points", va="center", fontsize=9,
            bbox=PLAIN, zorder=4,
        )  # fmt: skip
    axes.axvline(target, color=TARGET, linestyle="--", linewidth=1.2, zorder=3)
    axes.annotate(
        f"target {target:,.0f} on 2 cores", (target, 1.0), (3, 3), xycoords=("data", "axes fraction"),
        textcoords="offset points", color=TARGET, fontsize=8,
    )  # fmt: skip
    axes.set_yticks(range(len(rows)), [_threads(row) for row in rows], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.2 * max(target, *(row["fastest_round"] for row in rows)))
    axes.set_xlabel("solve_many along the spiral, warm: poses a second, median over the rounds")
    _finish(figure, path)


def _threads(row: dict[str, Any]) -> str:
    return f"{row['label']}, {row['threads']} thread" + ("" if row["threads"] == 1 else "s")


def draw_training(
    result: dict[str, Any], path: Path, exact: tuple[int, float, float], nystrom: tuple[int, float, float]
) -> None:
    """Seconds and peak memory against n (left) and m (right); targets (n, seconds, bytes) as crosses."""
    figure = Figure(figsize=(10.0, 6.4), dpi=DPI)
    panels = figure.subplots(2, 2, width_ratios=(1.5, 1.0))
    centers = result["nystrom_n"][-1]["centers"]
    series = (
        (0, "exact", "samples", "exact", "o-", "0.45"),
        (0, "nystrom_n", "samples", f"Nystrom, m = {centers}", "s-", LOOKS[OURS][0]),
        (1, "nystrom_m", "centers", f"Nystrom, n = {result['nystrom_m'][0]['samples']}", "s-", LOOKS[OURS][0]),
    )
    for column, name, over, label, style, color in series:
        rows = result[name]
        x = [row[over] for row in rows]
        panels[0][column].plot(x, [row["seconds"] for row in rows], style, color=color, label=label)
        panels[1][column].plot(x, [row["peak_bytes"] / 2**30 for row in rows], style, color=color, label=label)
    for (count, seconds, size), color in ((exact, "0.45"), (nystrom, LOOKS[OURS][0])):
        for axes, value in ((panels[0][0], seconds), (panels[1][0], size / 2**30)):
            axes.plot([count / 1.6, count * 1.6], [value, value], "--", color=color, linewidth=1.4)
            axes.plot(count, value, "x", color=color, markersize=8, markeredgewidth=2)
            axes.annotate("target", (count, value), (0, 6), textcoords="offset points", ha="center", fontsize=8)
    for column, over in ((0, "samples n"), (1, "centers m")):
        for row, quantity in ((0, "training time [s]"), (1, "peak memory [GiB]")):
            axes = panels[row][column]
            axes.set_xlabel(over)
            axes.set_ylabel(quantity)
            if column == 0:
                axes.set_xscale("log")
                axes.set_yscale("log")
                axes.margins(y=0.2)
            else:
                axes.set_ylim(0.0, 1.35 * max(line.get_ydata().max() for line in axes.lines))
                axes.set_xlim(0.0, None)
            axes.grid(alpha=0.3)
            axes.legend(fontsize=8, loc="upper left")
    _finish(figure, path)


def draw_prediction(result: dict[str, Any], path: Path) -> None:
    """Prediction times against n, medians as lines and 99th percentiles as whiskers."""
    figure = Figure(figsize=(7.6, 4.8), dpi=DPI)
    axes = figure.subplots()
    centers = result["settings"]["centers"]
    for family, label, style, color in (
        ("paper", "brute force, as in the paper", "D-", "0.45"),
        ("exact", "CRiSP, collapsed, exact", "o-", "#d98c5f"),
        ("nystrom", f"CRiSP, collapsed, Nystrom, m = {centers}", "s-", LOOKS[OURS][0]),
    ):
        rows = [row for row in result["methods"].values() if row["family"] == family]
        median = np.array([row["median_us"] for row in rows])
        whisker = np.maximum(np.array([row["p99_us"] for row in rows]) - median, 0.0)
        x = [row["samples"] for row in rows]
        axes.errorbar(x, median, yerr=[0.0 * whisker, whisker], fmt=style, color=color, label=label, capsize=3)
        axes.annotate(
            short_time(1e-6 * median[-1]),
            (x[-1], median[-1]),
            (8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(x=0.12)
    counts = sorted({row["samples"] for row in result["methods"].values()})
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("training samples n")
    axes.set_ylabel("warm prediction, median and 99th percentile [us]")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(0.0, 0.62))
    axes.grid(alpha=0.3)
    _finish(figure, path)


def draw_learning(result: dict[str, Any], path: Path, targets: dict[int, float], labels: dict[str, str]) -> None:
    """The real tool's error against the number of measurements, repetitions as dots, medians as lines [mm].

    Right: the other cases. ``targets`` by number of measurements [mm]; ``labels`` of methods and cases.
    """
    figure = Figure(figsize=(11.5, 5.0), dpi=DPI)
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1.0))
    rows = result["rows"]
    plain = [row for row in rows if row["case"] == "poses"]
    counts = sorted({row["count"] for row in plain} - {0})
    nominal = np.median([row["median_mm"] for row in plain if row["method"] == "nominal"])
    left.axhline(nominal, color="0.5", linestyle=":", label=labels["nominal"])
    for method, label, style, color in (
        ("calibration", labels["calibration"], "D-", "#2e8b57"),
        ("learned", "learned kinematics", "s-", LOOKS[OURS][0]),
    ):
        own = [row for row in plain if row["method"] == method]
        median = [np.median([row["median_mm"] for row in own if row["count"] == count]) for count in counts]
        left.plot(counts, median, style, color=color, label=label)
        left.plot([row["count"] for row in own], [row["median_mm"] for row in own], ".", color=color, markersize=4)
        if method == "learned":
            high = [np.median([row["p95_mm"] for row in own if row["count"] == count]) for count in counts]
            bound = [np.median([row["predicted_mm"] for row in own if row["count"] == count]) for count in counts]
            left.plot(counts, high, "--", color=color, label="its 95th percentile")
            left.plot(counts, bound, "-.", color="#d98c5f", label="its predicted 95 % bound")
            for count, value in zip(counts, median, strict=True):
                left.annotate(
                    f"{value:.3f}", (count, value), (0, -27), textcoords="offset points", ha="center", fontsize=8
                )
    known = [count for count in counts if count in targets]
    left.plot(known, [targets[count] for count in known], "x--", color=TARGET, label="target")
    left.set_xscale("log")
    left.set_yscale("log")
    left.set_xticks(counts, [f"{count:,}" for count in counts])
    left.set_xticks([], minor=True)
    left.margins(x=0.08, y=0.1)
    left.set_xlabel("measured poses")
    left.set_ylabel("error of the real tool [mm], median over unseen poses")
    left.legend(fontsize=8, loc="center", bbox_to_anchor=(0.5, 0.79), ncols=2)
    left.grid(alpha=0.3)
    other = result["settings"]["other_cases_count"]
    bars = [
        (labels[case].replace(" of an", "\nof an").replace(", 10", ",\n10"), [row["median_mm"] for row in own])
        for case in labels
        if (own := [row for row in rows if (row["method"], row["case"], row["count"]) == ("learned", case, other)])
    ]
    coupled = [row for row in rows if row["case"] == "coupled"]
    for method, label in (
        ("learned", "joints couple: with\na kernel term"),
        ("learned_no_kernel", "joints couple:\nwithout kernel term"),
        ("calibration", "joints couple:\nordinary calibration"),
    ):
        own = [row for row in coupled if row["method"] == method]
        bars.append((f"{label}, n = {own[0]['count']}", [row["median_mm"] for row in own]))
    for place, (_, values) in enumerate(bars):
        color = "#2e8b57" if place == len(bars) - 1 else LOOKS[OURS][0]
        right.barh(place, np.median(values), color=color, edgecolor="0.0", linewidth=0.8)
        right.plot(values, [place] * len(values), "o", color="0.0", mfc="1.0", markersize=3.5)
        right.annotate(
            f"{np.median(values):.3f}",
            (max(values), place),
            (7, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    right.set_xscale("log")
    largest, smallest = max(max(values) for _, values in bars), min(min(values) for _, values in bars)
    right.set_xlim(0.4 * smallest, 3.0 * largest)
    right.set_yticks(range(len(bars)), [label for label, _ in bars], fontsize=8)
    right.invert_yaxis()
    right.set_xlabel(f"error [mm], {other} measurements unless said")
    right.grid(axis="x", alpha=0.3)
    _finish(figure, path)


def _finish(figure: Figure, path: Path) -> None:
    for axes in figure.axes:
        axes.set_axisbelow(True)
    figure.tight_layout()
    figure.savefig(path)
