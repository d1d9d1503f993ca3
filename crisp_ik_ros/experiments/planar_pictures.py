"""Table 1 as bars and Figure 3: the planar arm's tool under each learned method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.experiments.side_by_side import TABLE1_METHODS, TABLE1_QUANTITIES

TRAJECTORIES = ("eight", "circle")
# Bars shorter than this are drawn this long: a logarithmic axis has no zero.
FLOOR = {"position_cm": 1e-4, "orientation_rad": 1e-5}


def draw_table1(table: dict[str, Any], printed: dict[str, Any], path: Path) -> None:
    """Draw the mean of each method in the authors' convention as a bar beside the printed one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 6.4), dpi=120)
    panels = figure.subplots(len(TABLE1_QUANTITIES), len(TRAJECTORIES), sharey="row", sharex=True)
    places = np.arange(len(TABLE1_METHODS))
    for line, (quantity, label) in enumerate(TABLE1_QUANTITIES.items()):
        for column, trajectory in enumerate(TRAJECTORIES):
            axes = panels[line, column]
            ours = [max(table[trajectory][f"{quantity}_l1"][m][0], FLOOR[quantity]) for m in TABLE1_METHODS]
            known = printed["table1"][trajectory][quantity]
            theirs = [known[m][0] if m in known else np.nan for m in TABLE1_METHODS]
            axes.bar(places - 0.2, ours, 0.38, color="0.25", label="ours")
            axes.bar(places + 0.2, theirs, 0.38, color="0.8", edgecolor="0.2", hatch="///", label="printed")
            axes.set_yscale("log")
            axes.set_ylim(0.5 * FLOOR[quantity], max(axes.get_ylim()[1], 2.0 * max(*ours, np.nanmax(theirs))))
            axes.set_axisbelow(True)
            axes.grid(axis="y", alpha=0.3)
            axes.set_xticks(places, [name.replace(", ", ",\n") for name in TABLE1_METHODS.values()], fontsize=9)
            if line == 0:
                axes.set_title(trajectory)
            if column == 0:
                axes.set_ylabel(f"{label}, mean L1")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=2, frameon=False)
    figure.tight_layout(rect=(0.0, 0.05, 1.0, 1.0))
    figure.savefig(path)


def figure3_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row for each point of each path [m]."""
    return [
        {"trajectory": trajectory, "path": method, "point": index, "x": x, "y": y}
        for trajectory in TRAJECTORIES
        for method, path in result[trajectory].items()
        for index, (x, y) in enumerate(path)
    ]


def figure3_text(result: dict[str, Any]) -> str:
    """Lines with each path's mean distance from its target."""
    return "\n".join(
        f"{trajectory:<7} {label:<20} {_distance(result[trajectory], method):.3g} cm off"
        for trajectory in TRAJECTORIES
        for method, label in TABLE1_METHODS.items()
    )


def draw_figure3(result: dict[str, Any], path: Path) -> None:
    """Draw the tool's path under each method over the target path, a panel each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.0, 6.0), dpi=120)
    panels = figure.subplots(len(TRAJECTORIES), len(TABLE1_METHODS), sharex="row", sharey="row")
    for line, trajectory in enumerate(TRAJECTORIES):
        target = np.array(result[trajectory]["target"])
        for axes, (method, label) in zip(panels[line], TABLE1_METHODS.items(), strict=True):
            axes.plot(*target.T, color="0.6", linewidth=4, label="target")
            axes.plot(*np.array(result[trajectory][method]).T, "--", color="0.0", linewidth=1.2, label="tool")
            axes.set_aspect("equal")
            axes.grid(alpha=0.3)
            mean = _distance(result[trajectory], method)
            off = f"{mean:.3g} cm off" if mean >= 1e-3 else "< 0.001 cm off"
            axes.set_title(f"{label}\n{off}" if line == 0 else off, fontsize=10)
            if line == 1:
                axes.set_xlabel("x [m]")
        panels[line, 0].set_ylabel("y [m]")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=2, frameon=False)
    figure.tight_layout(rect=(0.0, 0.06, 1.0, 1.0), h_pad=2.0)
    figure.savefig(path)


def _distance(paths: dict[str, Any], method: str) -> float:
    """Mean distance of a path from its target [cm]."""
    return float(1e2 * np.linalg.norm(np.array(paths[method]) - np.array(paths["target"]), axis=1).mean())
