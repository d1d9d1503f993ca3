"""Figure 4's picture: error against bias, with bands over the repetitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.experiments.side_by_side import STYLES

AXES = {"joint_bias_deg": "joint bias [deg]", "link_bias_cm": "link bias [cm]"}
# Label, and the least error that is drawn: a logarithmic axis has no zero, and nobody can measure less.
QUANTITIES = {"position_cm": ("position error [cm]", 1e-3), "orientation_rad": ("orientation error [rad]", 1e-5)}
# (size, filled) of the markers: lines that coincide still show each other's.
MARKERS = {"crisp_fk": (5.0, True), "crisp_fk_chordal": (9.0, False), "residual": (4.0, True), "sdls": (7.0, False)}


def draw_figure4(result: dict[str, Any], path: Path) -> None:
    """Draw a panel for each quantity, bias and trajectory, and write a PNG.

    Lines are medians over the repetitions of the mean Euclidean error along the path, bands reach from the smallest to
    the largest.

    Parameters
    ----------
    result : dict
        Of ``run_figure4``.
    path : Path
        File to write.
    """
    from matplotlib.figure import Figure

    biases = result["settings"]["biases"]
    columns = [(kind, trajectory) for kind in biases for trajectory in result[kind]]
    figure = Figure(figsize=(13.0, 6.6), dpi=120, layout="constrained")
    panels = figure.subplots(len(QUANTITIES), len(columns), sharex="col", sharey="row")
    for line, (quantity, (label, floor)) in enumerate(QUANTITIES.items()):
        for column, (kind, trajectory) in enumerate(columns):
            axes = panels[line, column]
            for method, values in result[kind][trajectory][quantity].items():
                _draw_method(axes, biases[kind], np.maximum(values, floor), method)
            axes.set_yscale("log")
            axes.grid(alpha=0.3)
            if line == 0:
                axes.set_title(f"{trajectory}, {AXES[kind].split(' [')[0]}")
            if line == len(QUANTITIES) - 1:
                axes.set_xlabel(AXES[kind])
        panels[line, 0].set_ylabel(f"{label}\n(drawn from $10^{{{np.log10(floor):.0f}}}$ up)")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(path)


def _draw_method(axes: Any, biases: list[float], values: np.ndarray, method: str) -> None:
    """Line and band of values (number of biases, repetitions)."""
    label, style, color = STYLES[method]
    size, filled = MARKERS[method]
    axes.plot(
        biases,
        np.median(values, axis=1),
        style,
        color=color,
        label=label,
        markersize=size,
        markerfacecolor=color if filled else "none",
    )
    axes.fill_between(biases, values.min(axis=1), values.max(axis=1), color=color, alpha=0.2, linewidth=0.0)
