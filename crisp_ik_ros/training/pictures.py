"""Pictures of a training report."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.training.findings import Bars, HeldOut, Region
from crisp_ik_ros.transforms import Array

BEFORE, AFTER, GREY, WARN = "#c9752d", "#1f6fb2", "#8a8f98", "#b3261e"
AXES = ("#1f6fb2", "#c9752d", "#3c8d50")
# Width of all pictures [in], and pixels an inch: sharp at 1000 px and in print.
WIDTH, PIXELS = 10.0, 170
# Residuals of more samples than this are thinned out, evenly.
MOST_POINTS = 3000
# Intervals of a joint's range that the typical residual is shown for.
INTERVALS = 12
# Standard deviations of an interval of 95 %.
NORMAL = 1.96
# Positions over a joint's range that its periodic error is drawn at, and nearness to the data of a measured one.
POSITIONS, MEASURED = 721, 0.5
# Configurations that the predicted error is shown at.
CONFIGURATIONS = 3000


def new_figure(height: float, *layout: Any, **options: Any) -> tuple[Any, Any]:
    """Figure of the reports' width and its axes, (rows, columns) of them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=PIXELS, layout="constrained")
    axes = figure.subplots(*layout, squeeze=False, **options)
    for part in axes.flat:
        part.spines[["top", "right"]].set_visible(False)
        part.grid(True, color="#e5e7eb", linewidth=0.6)
        part.set_axisbelow(True)
        part.tick_params(labelsize=8, color=GREY)
        part.xaxis.label.set_fontsize(9)
        part.yaxis.label.set_fontsize(9)
    return figure, axes


def as_html(figure: Any, description: str) -> str:
    """Figure as an element that holds its own picture."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    data = base64.b64encode(stream.getvalue()).decode()
    return f'<img alt="{description}" src="data:image/png;base64,{data}">'


def before_and_after(found: HeldOut) -> Any:
    """Histograms of the errors on held-out samples."""
    parts = [("tool position [mm]", found.before[found.known], found.after[found.known])]
    if found.turned.any():
        parts.append(("tool orientation [mrad]", found.turned_before[found.turned], found.turned_after[found.turned]))
    figure, axes = new_figure(3.2, 1, len(parts))
    for part, (label, before, after) in zip(axes[0], parts, strict=True):
        values = 1e3 * np.maximum(np.concatenate([before, after]), 1e-9)
        bins = np.geomspace(0.9 * np.quantile(values, 0.001), 1.1 * values.max(), 45)
        for errors, color, name in ((before, BEFORE, "nominal"), (after, AFTER, "learned")):
            errors = np.clip(1e3 * errors, bins[0], bins[-1])
            part.hist(errors, bins, color=color, alpha=0.75, label=f"{name}: median {np.median(errors):.3g}")
        part.set_xscale("log")
        _plain_numbers(part.xaxis)
        part.set_xlabel(f"error of the {label}, held out")
        part.set_ylabel("samples")
        part.legend(fontsize=8, frameon=False)
    return figure


def by_region(found: HeldOut, parts: Sequence[Region]) -> Any:
    """Median errors, and the largest, of each region."""
    figure, axes = new_figure(1.0 + 0.28 * len(parts), 1, 1)
    axis, y = axes[0, 0], np.arange(len(parts))
    for errors, color, name, shift in (
        (found.before, BEFORE, "nominal", -0.18),
        (found.after, AFTER, "learned", 0.18),
    ):
        medians = 1e3 * np.array([np.median(errors[part.rows]) for part in parts])
        largest = 1e3 * np.array([np.max(errors[part.rows]) for part in parts])
        axis.hlines(y + shift, medians, largest, color=color, linewidth=1.6, alpha=0.6)
        axis.plot(medians, y + shift, "o", color=color, markersize=6, label=f"{name}: median")
        axis.plot(largest, y + shift, "|", color=color, markersize=8, label=f"{name}: largest")
    axis.set_xscale("log")
    _plain_numbers(axis.xaxis)
    axis.set_yticks(y, [f"{part.name}  ({len(part.rows)})" for part in parts])
    axis.set_ylim(len(parts) - 0.4, -0.6)
    axis.set_xlabel("error of the tool position, held out [mm]")
    axis.legend(fontsize=8, frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def along_the_data(found: HeldOut, outliers: np.ndarray) -> Any:
    """Residuals in the order of the samples."""
    shown = _some(found.known)
    count = 2 if found.turned.any() else 1
    figure, axes = new_figure(2.1 * count, count, 1, sharex=True)
    for axis, values, label in zip(axes[:, 0], (found.position, found.orientation), ("[mm]", "[mrad]"), strict=False):
        for a, color in enumerate(AXES):
            axis.plot(found.rows[shown], 1e3 * values[shown, a], ".", color=color, markersize=3, label="xyz"[a])
        limit = _limit(1e3 * values[shown])
        axis.set_ylim(-limit, limit)
        _beyond(axis, found.rows[shown], 1e3 * values[shown], limit)
        axis.axhline(0.0, color=GREY, linewidth=0.8)
        axis.set_ylabel(f"residual {label}")
        for row in outliers[:200]:
            axis.axvline(row, color=WARN, linewidth=0.6, alpha=0.5, zorder=0)
    axes[0, 0].legend(fontsize=8, frameon=False, ncols=4, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    axes[-1, 0].set_xlabel("row of the data" + (" (red: outliers)" if len(outliers) else ""))
    return figure


def against_joints(found: HeldOut, model: LearnedKinematics) -> Any:
    """Residuals against the position of each joint, with the median of their lengths in intervals."""
    order = [found.dataset.joint_names.index(name) for name in model.robot.joint_names]
    q = model.robot.wrapped(np.asarray(found.dataset.configurations)[:, order])
    columns = 4
    rows = -(-len(order) // columns)
    figure, axes = new_figure(2.1 * rows, rows, columns, sharey=True)
    shown, known = _some(found.known), np.flatnonzero(found.known)
    limit = _limit(1e3 * found.position[shown])
    for j, axis in enumerate(axes.flat):
        if j >= len(order):
            axis.set_visible(False)
            continue
        for a, color in enumerate(AXES):
            axis.plot(q[shown, j], 1e3 * found.position[shown, a], ".", color=color, markersize=2, alpha=0.6)
        edges = np.unique(np.quantile(q[known, j], np.linspace(0.0, 1.0, INTERVALS + 1)))
        if len(edges) > 1:
            where = np.clip(np.searchsorted(edges, q[known, j], side="right") - 1, 0, len(edges) - 2)
            medians = np.array([1e3 * _median(found.after[known[where == k]]) for k in range(len(edges) - 1)])
            axis.stairs(medians, edges, color="black", linewidth=1.3, baseline=None)
        unit = "m" if model.robot.chain.prismatic[j] else "rad"
        axis.set_title(model.robot.joint_names[j], fontsize=10)
        axis.set_xlabel(f"[{unit}]")
        axis.set_ylim(-limit, limit)
    for axis in axes[:, 0]:
        axis.set_ylabel("residual [mm]")
    return figure


def periodic(model: LearnedKinematics) -> Any:
    """Periodic error of each joint over its range, with its interval of 95 % and the measured part of the range."""
    robot, units = model.robot, np.where(model.robot.chain.prismatic, "mm", "mrad")
    positions = np.linspace(robot.lower, robot.upper, POSITIONS)
    errors, deviations = model.periodic_errors(positions)
    near = model.measured_nearness(positions) > MEASURED
    columns = 2
    rows = -(-robot.dof // columns)
    figure, axes = new_figure(1.75 * rows + 0.3, rows, columns)
    for j, axis in enumerate(axes.flat):
        if j >= robot.dof:
            axis.set_visible(False)
            continue
        # Degrees are what people read on an arm.
        x = positions[:, j] if robot.chain.prismatic[j] else np.degrees(positions[:, j])
        y, band = 1e3 * errors[:, j], NORMAL * 1e3 * deviations[:, j]
        axis.fill_between(
            x, 0.0, 1.0, where=near[:, j], transform=axis.get_xaxis_transform(), color="#e3f1e6", zorder=0,
            label="measured", linewidth=0,
        )  # fmt: skip
        axis.fill_between(x, y - band, y + band, color=AFTER, alpha=0.22, linewidth=0, label="95 %")
        axis.plot(x, np.where(near[:, j], y, np.nan), color=AFTER, linewidth=1.1, label="periodic error")
        axis.plot(x, np.where(near[:, j], np.nan, y), color=AFTER, linewidth=0.9, linestyle=":")
        axis.axhline(0.0, color=GREY, linewidth=0.8)
        axis.set_xlim(x[0], x[-1])
        axis.set_title(robot.joint_names[j], fontsize=10)
        axis.set_xlabel("[m]" if robot.chain.prismatic[j] else "[deg]")
        axis.set_ylabel(f"[{units[j]}]")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, frameon=False, ncols=3, loc="outside upper right")
    return figure


def drift(found: HeldOut, causes: Sequence[tuple[str, Array]]) -> Any:
    """Residuals over what they drift with (n,), with the median along each axis in intervals of it."""
    figure, axes = new_figure(2.6 * len(causes), len(causes), 1)
    for axis, (label, values) in zip(axes[:, 0], causes, strict=True):
        known = found.known & np.isfinite(values)
        shown = _some(known)
        limit = _limit(1e3 * found.position[shown])
        edges = np.unique(np.quantile(values[known], np.linspace(0.0, 1.0, INTERVALS + 1)))
        where = np.clip(np.searchsorted(edges, values[known], side="right") - 1, 0, max(len(edges) - 2, 0))
        for a, color in enumerate(AXES):
            axis.plot(values[shown], 1e3 * found.position[shown, a], ".", color=color, markersize=3, alpha=0.45)
            own = 1e3 * found.position[known, a]
            medians = np.array([_median(own[where == k]) for k in range(len(edges) - 1)])
            middles = 0.5 * (edges[1:] + edges[:-1])
            limit = max(limit, 1.1 * float(np.nanmax(np.abs(medians), initial=0.0)))
            axis.plot(middles, medians, "-o", color=color, markersize=4, linewidth=1.8, label=f"{'xyz'[a]}, median")
        axis.set_ylim(-limit, limit)
        axis.axhline(0.0, color=GREY, linewidth=0.8)
        axis.set_xlabel(label)
        axis.set_ylabel("residual [mm]")
    axes[0, 0].legend(fontsize=8, frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    return figure


def identified(kinds: Sequence[Bars]) -> Any:
    """Parameters with intervals of 95 %, a panel a kind, over the band that was expected of them."""
    columns = 2
    rows = -(-len(kinds) // columns)
    figure, axes = new_figure(2.3 * rows, rows, columns)
    for axis, kind in zip(axes.flat, kinds, strict=False):
        x, band = np.arange(len(kind.values)), NORMAL * kind.priors
        edges = np.repeat(np.arange(len(x) + 1) - 0.5, 2)[1:-1]
        axis.fill_between(edges, -np.repeat(band, 2), np.repeat(band, 2), color="#eef1f5", zorder=0)
        for members, color, line in ((~kind.undetermined, AFTER, "black"), (kind.undetermined, "#c4c8ce", GREY)):
            values, sizes = kind.values[members], NORMAL * kind.deviations[members]
            axis.bar(x[members], values, color=color, width=0.7)
            axis.errorbar(x[members], values, sizes, fmt="none", ecolor=line, elinewidth=0.9, capsize=2)
        axis.axhline(0.0, color=GREY, linewidth=0.8)
        axis.set_title(f"{kind.title} [{kind.unit}]", fontsize=10)
        axis.set_xlim(-0.6, len(x) - 0.4)
        axis.set_xticks(x, kind.labels, fontsize=7, rotation=90 if max(map(len, kind.labels)) > 2 else 0)
        axis.grid(False, axis="x")
    for axis in axes.flat[len(kinds) :]:
        axis.set_visible(False)
    return figure


def workspace(model: LearnedKinematics, seed: int = 0) -> tuple[Any, Array]:
    """Predicted bound of the error over the workspace, and its values (n,) [m]."""
    robot = model.robot
    q = robot.random_configurations(CONFIGURATIONS, np.random.default_rng(seed))
    bounds = model.predicted_error(q)
    positions = model.forward_kinematics(q)[:, :3, 3]
    figure, axes = new_figure(3.3, 1, 3)
    lowest, highest = 1e3 * np.quantile(bounds, [0.02, 0.98])
    order = np.argsort(bounds)
    for axis, (first, second) in zip(axes[0, :2], ((0, 1), (0, 2)), strict=True):
        drawn = axis.scatter(
            positions[order, first], positions[order, second], 5, 1e3 * bounds[order],
            cmap="viridis", vmin=lowest, vmax=highest, linewidths=0,
        )  # fmt: skip
        axis.set_aspect("equal", "datalim")
        axis.set_xlabel(f"{'xyz'[first]} [m]")
        axis.set_ylabel(f"{'xyz'[second]} [m]")
        axis.set_title("from above" if second == 1 else "from the side", fontsize=10)
    bar = figure.colorbar(drawn, ax=axes[0, 1], shrink=0.8)
    bar.ax.tick_params(labelsize=8)
    bar.set_label("predicted bound [mm]", fontsize=9)
    values = np.sort(1e3 * bounds)
    axes[0, 2].plot(values, 100 * np.linspace(0.0, 1.0, len(values)), color=AFTER)
    axes[0, 2].set_xlabel("predicted bound [mm]")
    axes[0, 2].set_ylabel("of all configurations [%]")
    axes[0, 2].set_xlim(0.0, values[int(0.995 * len(values))])
    axes[0, 2].set_ylim(0.0, 100.0)
    return figure, bounds


def evidence(values: dict[str, float]) -> Any:
    """Log evidence of the kernel terms above that of none."""
    base = values["none"]
    names = [name for name in values if name != "none"]
    figure, axes = new_figure(0.9 + 0.3 * len(names), 1, 1)
    gains = [values[name] - base for name in names]
    axes[0, 0].barh(names, gains, color=[AFTER if gain > 0 else GREY for gain in gains], height=0.6)
    axes[0, 0].axvline(0.0, color="black", linewidth=0.8)
    axes[0, 0].set_ylabel("length scale [rad]")
    axes[0, 0].set_xlabel("log evidence above that of no kernel term")
    return figure


def _some(known: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(known)
    return rows[:: max(1, -(-len(rows) // MOST_POINTS))]


def _limit(values: Array) -> float:
    """Half of the range that residuals (n, 3) are shown in: gross errors would hide the rest."""
    sizes = np.abs(values[np.isfinite(values)])
    return float(min(1.05 * sizes.max(), 6.0 * np.median(sizes) / 0.6745)) or 1.0


def _beyond(axis: Any, rows: np.ndarray, values: Array, limit: float) -> None:
    """Mark rows that are off the picture, at its edges."""
    off = np.nanmax(np.abs(values), axis=1, initial=0.0) > limit
    if off.any():
        axis.plot(rows[off], np.full(off.sum(), 0.97 * limit), "^", color=WARN, markersize=4, label="beyond")


def _median(values: Array) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _plain_numbers(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0,) if high > 100.0 * low else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
