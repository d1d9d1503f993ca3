"""The demonstration's picture: the biased arm, and close up what its tool draws under each method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from crisp_ik_ros.simulation.camera import Camera
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.simulation.rendering import TARGET_COLOR, TOOL_COLOR, close_up, render_scene, tube_mesh
from crisp_ik_ros.transforms import Array

# Points of a dash and of the gap after it.
DASH, GAP = 3, 2


def draw_demo(
    arm: PyBulletArm, targets: Array, paths: Mapping[str, Array], posture: Array, title: str, path: Path
) -> None:
    """Draw the arm and, for each method, its tool's path over the target path, and write a PNG.

    Parameters
    ----------
    arm : PyBulletArm
        The true robot; its state is changed.
    targets : (n, 4, 4)
        Base link frame [m].
    paths : mapping of str to (n, 4, 4)
        True tool poses of two methods, the first shown with the arm; the keys are captions.
    posture : (J,)
        In which the arm is shown.
    title : str
    path : Path
        File to write.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    (_, first), *_ = paths.items()
    arm.reset(posture)
    pictures = [_scene(arm, targets, first, 1024, 800, Camera(target=(0.0, 0.27, 0.33)), 0.0012)]
    # Upright, the arm is out of the close-ups' way.
    arm.reset(np.clip(np.zeros(arm.robot.dof), arm.robot.lower, arm.robot.upper))
    view = replace(close_up(np.concatenate([targets, *paths.values()])), field_of_view=20.0)
    for tool in paths.values():
        pictures.append(_scene(arm, targets, tool, 512, 400, view, 0.0007))

    figure = Figure(figsize=(12.0, 6.6), dpi=120)
    grid = figure.add_gridspec(2, 3, left=0.01, right=0.99, top=0.90, bottom=0.07, wspace=0.03, hspace=0.16)
    places = [grid[:, :2], grid[0, 2], grid[1, 2]]
    for place, picture, caption in zip(places, pictures, ["", *paths], strict=True):
        axes = figure.add_subplot(place)
        axes.imshow(picture, interpolation="lanczos")
        axes.set_axis_off()
        axes.set_title(caption, fontsize=12, loc="left")
    figure.suptitle(title, fontsize=15, x=0.01, ha="left")
    lines = [
        Line2D([], [], color=TARGET_COLOR[:3], linewidth=3, label="target"),
        Line2D([], [], color=TOOL_COLOR[:3], linewidth=4, linestyle=(0, (2.0, 1.0)), label="true tool"),
    ]
    figure.legend(handles=lines, loc="lower left", ncols=2, frameon=False, fontsize=12)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _scene(
    arm: PyBulletArm, targets: Array, tool: Array, width: int, height: int, camera: Camera, radius: float
) -> np.ndarray:
    """Picture with the target as a line and the tool's path as thicker dashes: both show where they coincide."""
    positions = tool[:, :3, 3]
    dashes = [
        arm.add_mesh(*tube_mesh(positions[start : start + DASH], 1.6 * radius), TOOL_COLOR)
        for start in range(0, len(positions) - 1, DASH + GAP - 1)
    ]
    try:
        return render_scene(arm, targets, width=width, height=height, camera=camera, line_radius=radius)
    finally:
        for body in dashes:
            arm.remove(body)
