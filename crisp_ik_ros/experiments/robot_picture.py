"""A robot's picture: the arm at rest with its trajectories, and what it reaches, from the side and from above."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.files import replacing
from crisp_ik_ros.robots.placement import Placement
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.simulation.camera import Camera
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.simulation.rendering import TARGET_COLOR, render_scene, tube_mesh
from crisp_ik_ros.trajectories import place_trajectory, placed_trajectories
from crisp_ik_ros.transforms import Array, rotation_exponential

# Random configurations whose tips are what the arm reaches, and cells of a picture of that to each side.
REACHED, CELLS = 40_000, 60
# Of the slice for the side view, as a share of the reach.
THICKNESS = 0.12
# An arm so long stands on the renderer's floor [m].
LONGEST_ON_FLOOR = 2.0
# Of lines from joint to joint, where the meshes of the links are missing: radius as a share of the reach, and color.
SKELETON_RADIUS = 0.012
SKELETON_COLOR = (0.45, 0.47, 0.50, 1.0)


def draw_robot(
    robot: RobotModel, placement: Placement | None, title: str, path: Path, scene: np.ndarray | None = None
) -> None:
    """Draw an arm at rest with its trajectories, and sections through what its tip reaches, and write a PNG.

    Parameters
    ----------
    robot : RobotModel
    placement : Placement or None
        Of the trajectories.
    scene : (height, width, 3) uint8, optional
        From ``draw_scene``. Default: lines from joint to joint, for which no simulator is needed.
    title : str
    path : Path
        File to write.

    Raises
    ------
    CrispIKError
        When the file cannot be written.
    """
    from matplotlib.figure import Figure

    paths = _paths(placement)
    figure = Figure(figsize=(12.0, 6.6), dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=14)
    grid: Any = figure.add_gridspec(2, 3)
    if scene is None:
        _draw_skeleton(figure.add_subplot(grid[:, :2], projection="3d"), robot, paths)
    else:
        axes = figure.add_subplot(grid[:, :2])
        axes.imshow(scene, interpolation="lanczos")
        axes.set_axis_off()
    tips = robot.forward_kinematics(robot.random_configurations(REACHED, np.random.default_rng(0)))[:, :3, 3]
    rest = robot.forward_kinematics(robot.rest)[:3, 3]
    middle = np.mean([p[:, :3, 3].mean(axis=0) for p in paths], axis=0) if paths else rest
    offset = middle[:2] - robot.anchor[:2]
    outwards = offset / max(float(np.linalg.norm(offset)), 1e-9) if np.linalg.norm(offset) > 1e-6 else np.eye(2)[0]
    flat = np.ptp(tips[:, 2]) < 1e-6 * robot.reach
    in_slice = np.abs((tips[:, :2] - robot.anchor[:2]) @ [-outwards[1], outwards[0]]) < THICKNESS * robot.reach

    def side(points: Array) -> Array:
        return np.column_stack([(points[:, :2] - robot.anchor[:2]) @ outwards, points[:, 2]])

    _draw_section(figure.add_subplot(grid[0, 2]), "from above", "x [m]", "y [m]", tips[:, :2], rest, paths, _above)
    below = figure.add_subplot(grid[1, 2])
    if flat:
        below.set_axis_off()
    else:
        label = "outwards [m]"
        _draw_section(below, "slice, from the side", label, "z [m]", side(tips[in_slice]), rest, paths, side)
    with replacing(path, CrispIKError, "picture") as stream:
        figure.savefig(stream, format=path.suffix.lstrip(".") or "png")


def _above(points: Array) -> Array:
    return points[:, :2]


def _draw_section(
    axes: Any, title: str, across: str, upwards: str, tips: Array, rest: Array, paths: list[Array], view: Any
) -> None:
    """Cells that tips (n, 2) fall into, the rest position and the paths."""
    counts, x, y = np.histogram2d(tips[:, 0], tips[:, 1], CELLS)
    axes.pcolormesh(x, y, np.where(counts > 0, 1.0, np.nan).T, cmap="Blues", vmin=0.0, vmax=4.0)
    for path in paths:
        axes.plot(*view(path[:, :3, 3]).T, color=TARGET_COLOR[:3], linewidth=1.6)
    axes.plot(*view(rest[None]).T, "o", color="0.2", markersize=5)
    axes.plot(0.0, 0.0, "s", color="0.2", markersize=5)
    axes.set_aspect("equal")
    axes.set_title(f"the tip's reach, {title}", fontsize=10)
    axes.set_xlabel(across)
    axes.set_ylabel(upwards)
    axes.grid(alpha=0.3)


def draw_scene(arm: PyBulletArm, rest: Array, placement: Placement | None, skeleton: bool = False) -> np.ndarray:
    """Picture (height, width, 3) uint8 of an arm with its trajectories.

    Parameters
    ----------
    arm : PyBulletArm
        Its state is changed.
    rest : (J,)
        Configuration that it is drawn in [rad or m].
    placement : Placement or None
        Of the trajectories.
    skeleton : bool
        Whether lines from joint to joint are drawn as well, for an arm whose meshes are missing.
    """
    robot, paths = arm.robot.with_rest(rest), _paths(placement)
    arm.reset(rest)
    frames = _joint_positions(robot)
    points = np.concatenate([frames, *[path[:, :3, 3] for path in paths]])
    lowest, highest = points.min(axis=0), points.max(axis=0)
    center, extent = 0.5 * (lowest + highest), 0.5 * float(np.linalg.norm(highest - lowest)) + 0.06 * robot.reach
    # From the side on which the tool is, so that the arm does not hide it.
    flat = np.ptp(frames[:, 2]) < 1e-6 * robot.reach
    towards = np.array([0.1, -0.5, 1.0]) if flat else np.array([0.75, 0.8, 0.42])
    towards /= np.linalg.norm(towards)
    eye = center + towards * 1.15 * extent / np.sin(np.radians(15.0))
    camera = Camera(
        tuple(eye.tolist()), tuple(center.tolist()), far=20.0 * extent, near=0.1 * extent,
        light_distance=max(3.0, 3.0 * extent),
    )  # fmt: skip
    floor = 0.0 if lowest[2] > -1e-6 and not flat and robot.reach < LONGEST_ON_FLOOR else None
    radius = 0.0025 * robot.reach
    drawn = [arm.add_mesh(*tube_mesh(path[:, :3, 3], radius), TARGET_COLOR) for path in paths]
    if skeleton:
        drawn.append(arm.add_mesh(*tube_mesh(frames, SKELETON_RADIUS * robot.reach), SKELETON_COLOR))
    try:
        return render_scene(arm, width=1100, height=900, camera=camera, floor=floor)
    finally:
        for body in drawn:
            arm.remove(body)


def _paths(placement: Placement | None) -> list[Array]:
    """Poses (n, 4, 4) of each trajectory that has a place."""
    return [] if placement is None else [place_trajectory(name, placement) for name in placed_trajectories(placement)]


def _draw_skeleton(axes: Any, robot: RobotModel, paths: list[Array]) -> None:
    axes.plot(*_joint_positions(robot).T, "o-", color=SKELETON_COLOR[:3], linewidth=4.0)
    for path in paths:
        axes.plot(*path[:, :3, 3].T, color=TARGET_COLOR[:3], linewidth=1.6)
    axes.set_aspect("equal")
    axes.set_xlabel("x [m]")
    axes.set_ylabel("y [m]")
    axes.set_zlabel("z [m]")


def _joint_positions(robot: RobotModel) -> Array:
    """Positions (J + 1, 3) of base and joints at rest, and of the tip."""
    positions = [np.zeros(3)]
    pose, values = np.eye(4), iter(robot.rest)
    for joint in robot.joints:
        pose = pose @ joint.origin
        positions.append(pose[:3, 3].copy())
        if joint.movable:
            motion = np.eye(4)
            value = next(values)
            if joint.kind == "prismatic":
                motion[:3, 3] = value * joint.axis
            else:
                motion[:3, :3] = rotation_exponential(value * joint.axis)
            pose = pose @ motion
    return np.array([*positions, robot.forward_kinematics(robot.rest)[:3, 3]])
