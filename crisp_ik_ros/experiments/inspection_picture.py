"""A picture of measured samples: how they cover each joint, and the model's error along them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.datasets.inspection import Inspection
from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.files import replacing
from crisp_ik_ros.transforms import Array

COLUMNS, BINS = 4, 24
# Errors below this are drawn at it: a logarithmic axis has no zero [mm, mrad].
FLOOR = 1e-3
# More locations than this are not told apart.
LOCATIONS = 12
NOMINAL_COLOR, FITTED_COLOR, OUTLIER_COLOR = "0.6", "tab:blue", "tab:red"


def draw_inspection(inspection: Inspection, dataset: Dataset, title: str, path: Path) -> None:
    """Draw a histogram of each joint within its limits, and errors along the samples, and write a PNG.

    Parameters
    ----------
    inspection : Inspection
    dataset : Dataset
        What was inspected.
    title : str
    path : Path
        File to write.
    """
    from matplotlib.figure import Figure

    joints = inspection.joints
    rows = -(-len(joints) // COLUMNS)
    turned = bool(np.isfinite(inspection.orientation_error).any())
    heights = [*[1.5] * rows, 2.6, *([2.2] if turned else [])]
    figure = Figure(figsize=(12.0, 1.0 + 1.25 * sum(heights)), dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=14)
    halves: Any = figure.subfigures(2, 1, height_ratios=[sum(heights[:rows]), sum(heights[rows:])])
    upper, lower = halves
    upper.suptitle("samples over each joint's range; grey: outside its limits", fontsize=10)
    panels = upper.subplots(rows, min(COLUMNS, len(joints)), squeeze=False).ravel()
    for axes in panels[len(joints) :]:
        axes.set_axis_off()
    for axes, joint in zip(panels, joints, strict=False):
        values = dataset.configurations[:, dataset.joint_names.index(joint.name)]
        _draw_joint(axes, joint, values)
    below = lower.subplots(len(heights) - rows, 1, sharex=True, squeeze=False)[:, 0]
    _draw_errors(below[0], inspection.position_error, inspection.fitted_position, inspection.outliers, "position [mm]")
    if turned:
        _draw_errors(
            below[1], inspection.orientation_error, inspection.fitted_orientation, inspection.outliers,
            "orientation [mrad]",
        )  # fmt: skip
    _shade_locations(below, dataset.locations)
    below[-1].set_xlabel("sample")
    lower.legend(*below[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False, fontsize=10)
    with replacing(path, CrispIKError, "picture") as stream:
        figure.savefig(stream, format=path.suffix.lstrip(".") or "png")


def _draw_joint(axes: Any, joint: Any, values: Array) -> None:
    lowest, highest = min(joint.lower, float(values.min())), max(joint.upper, float(values.max()))
    axes.hist(values, bins=np.linspace(lowest, highest, BINS + 1), color=FITTED_COLOR)
    margin = 0.04 * (highest - lowest)
    for begin, end in ((lowest - margin, joint.lower), (joint.upper, highest + margin)):
        axes.axvspan(begin, end, color="0.85", zorder=0)
    axes.set_xlim(lowest - margin, highest + margin)
    axes.set_title(f"{joint.name} [{joint.unit}], {100.0 * joint.share:.0f} %", fontsize=9)
    axes.tick_params(labelsize=8)


def _draw_errors(axes: Any, nominal: Array, fitted: Array, outliers: np.ndarray, label: str) -> None:
    samples = np.arange(len(nominal))
    for errors, color, name in (
        (nominal, NOMINAL_COLOR, "nominal model"),
        (fitted, FITTED_COLOR, "after a quick fit of geometry, frame and tool"),
    ):
        axes.plot(samples, np.maximum(1e3 * errors, FLOOR), ".", color=color, markersize=4, label=name)
    if len(outliers):
        marked = np.maximum(1e3 * fitted[outliers], FLOOR)
        axes.plot(outliers, marked, "o", color=OUTLIER_COLOR, markerfacecolor="none", label="outliers")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_ylabel(f"error of the\n{label}")
    axes.set_xlim(-0.5, len(samples) - 0.5)
    axes.grid(axis="y", alpha=0.3)


def _shade_locations(panels: Any, locations: tuple[str, ...]) -> None:
    """Shade every other location along the samples and name them, where they are few and come one after the other."""
    starts = [i for i, name in enumerate(locations) if i == 0 or name != locations[i - 1]]
    if not any(locations) or len(starts) > LOCATIONS:
        return
    for count, (begin, end) in enumerate(zip(starts, [*starts[1:], len(locations)], strict=True)):
        for axes in panels:
            if count % 2:
                axes.axvspan(begin - 0.5, end - 0.5, color="0.94", zorder=0)
        middle = 0.5 * (begin + end - 1)
        if count == 0:  # room for the names
            low, high = panels[0].get_ylim()
            panels[0].set_ylim(low, high * (high / low) ** 0.08)
        panels[0].text(
            middle, 0.97, locations[begin], transform=panels[0].get_xaxis_transform(), ha="center", va="top", fontsize=8
        )
