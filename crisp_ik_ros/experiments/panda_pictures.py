"""Figures 5 and 6: the Panda's paths under bias, and the training samples that a prediction rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.experiments.side_by_side import STYLES

TITLES = {"S": "spiral (S)", "C0": "circle (C0)"}


def figure5_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row for each point of each path [m], authors' frame."""
    return [
        {"trajectory": name, "path": method, "point": index, "x": x, "y": y, "z": z}
        for name in TITLES
        for method, path in result[name].items()
        for index, (x, y, z) in enumerate(path)
    ]


def figure5_text(result: dict[str, Any]) -> str:
    """Lines with the largest distance of each path from its target."""
    lines = [f"Paths with every joint {result['settings']['joint_bias_deg']} degrees off; largest distance:"]
    for name, title in TITLES.items():
        target = np.array(result[name]["target"])
        for method, path in result[name].items():
            if method != "target":
                goals = target[:: -(-len(target) // len(path))]
                farthest = 1e3 * np.linalg.norm(np.array(path) - goals, axis=1).max()
                lines.append(f"{title:<14} {STYLES[method][0]:<24} {farthest:.3g} mm")
    return "\n".join(lines)


def draw_figure5(result: dict[str, Any], path: Path) -> None:
    """Draw the paths that the tool takes: the spiral in space, the circle in its upright plane."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 5.2), dpi=120)
    for column, (name, title) in enumerate(TITLES.items()):
        axes: Any = figure.add_subplot(1, 2, column + 1, projection="3d" if name == "S" else None)
        for method, points in result[name].items():
            # The authors' frame lies on its side: its y is the height.
            x, height, away = 1e3 * np.array(points).T
            label, style, color = ("target", "-", "0.7") if method == "target" else STYLES[method]
            width = 4.0 if method == "target" else 1.4
            curve = (x, -away, height) if name == "S" else (x, height)
            line = style.lstrip("osDv^x") or "-"
            axes.plot(*curve, line, color=color, linewidth=width, label=label)
        axes.set_xlabel("x [mm]")
        axes.set_ylabel("y [mm]" if name == "S" else "z [mm]")
        if name == "S":
            axes.set_zlabel("z [mm]")
            axes.set_box_aspect((1, 1, 1))
        else:
            axes.set_aspect("equal")
            axes.grid(alpha=0.3)
        axes.set_title(title)
    handles, labels = figure.axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False)
    figure.tight_layout(rect=(0.0, 0.07, 1.0, 1.0))
    figure.savefig(path)


def figure6_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row for each kept sample: its position [m], authors' frame, and the magnitude of its score."""
    return [
        {"trajectory": name, "x": x, "y": y, "z": z, "magnitude": magnitude}
        for name in TITLES
        for (x, y, z), magnitude in zip(result[name]["positions"], result[name]["magnitudes"], strict=True)
    ]


def figure6_text(result: dict[str, Any]) -> str:
    """Lines with how many samples carry a prediction."""
    return "\n".join(
        f"{title}: {result[name]['samples_with_90_percent']} of {result[name]['samples']} samples "
        "have 90 % of the scores' magnitude"
        for name, title in TITLES.items()
    )


def draw_figure6(result: dict[str, Any], path: Path) -> None:
    """Draw the training samples, darker where the score for the marked point is larger."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 5.4), dpi=120)
    for column, (name, title) in enumerate(TITLES.items()):
        data = result[name]
        axes: Any = figure.add_subplot(1, 2, column + 1, projection="3d")
        x, height, away = 1e3 * np.array(data["positions"]).T
        magnitudes = np.array(data["magnitudes"])
        share = magnitudes / magnitudes.max()
        # The largest are drawn last, over the others.
        order = np.argsort(share)
        drawn = axes.scatter(
            x[order], -away[order], height[order], c=share[order], s=3.0 + 25.0 * share[order],
            cmap="Greys", vmin=-0.15, vmax=1.0, depthshade=False, linewidths=0.0,
        )  # fmt: skip
        curve_x, curve_height, curve_away = 1e3 * np.array(data["path"]).T
        axes.plot(curve_x, -curve_away, curve_height, color="#1f6fc4", linewidth=1.2, label="trajectory")
        point = 1e3 * np.array(data["point"])
        axes.plot([point[0]], [-point[2]], [point[1]], "*", color="#d1495b", markersize=13, label="target point")
        axes.set_xlabel("x [mm]")
        axes.set_ylabel("y [mm]")
        axes.set_zlabel("z [mm]")
        axes.set_title(
            f"{title}: {data['samples_with_90_percent']} of {data['samples']} samples\ncarry 90 % of the scores"
        )
        figure.colorbar(drawn, ax=axes, shrink=0.6, pad=0.14, label="|score| / largest")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=2, frameon=False)
    figure.subplots_adjust(left=0.02, right=0.94, bottom=0.1, top=0.9, wspace=0.15)
    figure.savefig(path)
