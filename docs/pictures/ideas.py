"""Draw the pictures of docs/idea.md: python docs/pictures/ideas.py [wrong_model] [residual] [bias].

Arms and estimators are the package's own, and so are all errors in the captions.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.interpolate import CubicSpline

from crisp_ik_ros import CRiSP, Dataset, ModelBasedIK, RobotModel
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.regression.kernels import GaussianKernel
from crisp_ik_ros.trajectories import circle
from crisp_ik_ros.transforms import Array, make_pose

FOLDER = Path(__file__).parent
BLUE, ORANGE, GREY, GREEN = "#1a6bdb", "#ed5419", "#9aa3ad", "#14804a"
# An arm that fits on a page: lengths [m], and how far its joints are off [rad].
LENGTHS, OFF = (0.5, 0.4, 0.3), np.deg2rad(3.0)
URDF_LINK = (
    '<link name="l{k}"/><joint name="j{k}" type="revolute"><parent link="{parent}"/><child link="l{k}"/>'
    '<origin xyz="{x} 0 0"/><axis xyz="0 0 1"/><limit lower="-3" upper="3" effort="1" velocity="1"/></joint>'
)


def planar_arm() -> RobotModel:
    """Three links in a plane."""
    parts = ['<robot name="planar3"><link name="base"/>']
    for k, x in enumerate((0.0, *LENGTHS[:2])):
        parts.append(URDF_LINK.format(k=k, x=x, parent=f"l{k - 1}" if k else "base"))
    parts.append('<link name="tip"/><joint name="end" type="fixed"><parent link="l2"/><child link="tip"/>')
    parts.append(f'<origin xyz="{LENGTHS[2]} 0 0"/></joint></robot>')
    return RobotModel.from_urdf("".join(parts), "base", "tip")


def corners(q: Array, off: float = 0.0) -> Array:
    """Where the joints and the tip of the planar arm are, (4, 2) [m]."""
    angle = np.cumsum(q + off)
    steps = np.array(LENGTHS)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return np.concatenate([[[0.0, 0.0]], np.cumsum(steps, axis=0)])


def draw_arm(axes: Axes, points: Array, color: str, label: str, width: float = 7.0, zorder: int = 2) -> None:
    """Draw links and joints."""
    axes.plot(*points.T, color=color, linewidth=width, solid_capstyle="round", label=label, zorder=zorder)
    axes.plot(*points[:-1].T, "o", color="white", markersize=0.55 * width, zorder=zorder + 1)


def target_at(position: tuple[float, float], turn: float) -> Array:
    """Pose (4, 4) in the plane."""
    rotation = np.eye(3)
    rotation[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    return make_pose(np.array([*position, 0.0]), rotation)


def samples(robot: RobotModel, around: Array, count: int, spread: float) -> Dataset:
    """Measurements of the arm that is off, near a configuration."""
    q = around + np.random.default_rng(0).normal(0.0, spread, (count, robot.dof))
    true = robot.with_bias(np.full(robot.dof, OFF))
    return Dataset(q, true.forward_kinematics(q), robot.joint_names)


def wrong_model() -> Figure:
    """The same target with and without what was learned."""
    robot = planar_arm()
    target = target_at((0.75, 0.42), 0.1)
    seed = np.array([1.0, -0.7, -0.2])
    nominal = ModelBasedIK(robot).solve(target, seed=seed)
    dataset = samples(robot, nominal.configuration, 60, 0.15)
    learned = CRiSP(robot, kernel=GaussianKernel(0.5, 1.0), penalty=1e-8).fit(dataset).solve(target, seed=seed)
    figure = Figure(figsize=(11.0, 4.6), dpi=110)
    for k, (found, title) in enumerate(((nominal, "The URDF alone"), (learned, "With what was learned"))):
        axes = figure.add_subplot(1, 2, 1 + k)
        draw_arm(axes, corners(found.configuration), GREY, "what the URDF says", zorder=2)
        draw_arm(axes, corners(found.configuration, OFF), ORANGE, "where the arm really is", zorder=4)
        axes.plot(*target[:2, 3], "+", color=BLUE, markersize=22, markeredgewidth=3, label="target", zorder=9)
        tip = corners(found.configuration, OFF)[-1]
        off = 1e3 * np.linalg.norm(tip - target[:2, 3])
        axes.set_title(f"{title}: the tool is {off:.2g} mm off", fontsize=13, loc="left")
        axes.set_aspect("equal")
        axes.set_xlim(-0.08, 0.95)
        axes.set_ylim(-0.08, 0.58)
        axes.axis("off")
    figure.axes[0].legend(loc="lower right", frameon=False, fontsize=11)
    figure.tight_layout()
    return figure


def residual() -> Figure:
    """What the model says along a line of the workspace, and what it gets wrong there."""
    robot = planar_arm()
    true = robot.with_bias(np.full(3, OFF))
    t = np.linspace(0.0, 1.0, 300)
    q = np.column_stack([0.2 + 1.2 * t, -0.4 - 1.0 * t + 0.4 * np.sin(3 * t), -0.2 + 0.9 * t])
    height, real = (model.forward_kinematics(q)[:, 1, 3] for model in (robot, true))
    few = np.linspace(0, 299, 6).round().astype(int)
    error = 1e3 * (real - height)
    guess = CubicSpline(t[few], error[few])(t)
    figure = Figure(figsize=(11.0, 4.2), dpi=110)
    left, right = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    left.plot(t, 1e3 * height, color=GREY, linewidth=3, label="the URDF's tool")
    left.plot(t, 1e3 * real, color=ORANGE, linewidth=3, label="the real tool")
    left.set_title("What the arm does: large and curved", loc="left")
    left.set_ylabel("height [mm]")
    right.plot(t, error, color=ORANGE, linewidth=3, label="the URDF's error")
    right.plot(t, guess, "--", color=GREEN, linewidth=2.5, label="a curve through six samples of it")
    right.plot(t[few], error[few], "o", color=GREEN, markersize=8)
    right.set_title("What the URDF gets wrong: small and smooth", loc="left")
    right.set_ylim(0.0, 150.0)
    right.set_ylabel("error of the height [mm]")
    for axes in (left, right):
        axes.set_xlabel("along a motion of all three joints")
        axes.set_xticks([])
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return figure


def bias() -> Figure:
    """Circles that the Panda's tool draws, for joints that are more and more off."""
    panda = RobotModel.panda()
    targets = circle(points=120)
    nominal = ModelBasedIK(panda).solve_path(targets, panda.rest).configurations
    figure = Figure(figsize=(11.0, 4.4), dpi=110)
    for k, degrees in enumerate((0.5, 1.0, 2.0)):
        true = panda.with_bias(np.full(panda.dof, np.deg2rad(degrees)))
        q = nominal[np.random.default_rng(0).integers(len(targets), size=400)]
        q = np.clip(q + 0.05 * np.random.default_rng(1).standard_normal(q.shape), panda.lower, panda.upper)
        dataset = Dataset(q, true.forward_kinematics(q), panda.joint_names)
        learned = CRiSP(panda, kernel=GaussianKernel(0.1, 0.3), penalty=1e-8, centers=None).fit(dataset)
        axes = figure.add_subplot(1, 3, 1 + k)
        axes.plot(*1e3 * targets[:, [0, 1, 2], 3].T[[0, 2]], color=BLUE, linewidth=7, alpha=0.35, label="target")
        for color, name, found in (
            (ORANGE, "URDF alone", nominal),
            (GREEN, "learned", learned.solve_path(targets, panda.rest).configurations),
        ):
            tool = true.forward_kinematics(found)
            off = 1e3 * tool_errors(targets, tool)[0].mean()
            axes.plot(*1e3 * tool[:, [0, 2], 3].T, color=color, linewidth=2.5, label=f"{name}: {off:.2g} mm off")
        axes.set_title(f"joints {degrees:g}° off", loc="left")
        axes.set_aspect("equal")
        axes.set_xlim(-85, 45)
        axes.set_ylim(0, 125)
        axes.set_xlabel("x [mm]")
        axes.legend(frameon=False, loc="upper left", fontsize=9.5)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("z [mm]")
    figure.tight_layout()
    return figure


def main() -> None:
    """Draw those that are named, or all."""
    pictures = {"wrong_model": wrong_model, "residual": residual, "bias": bias}
    for name in sys.argv[1:] or pictures:
        pictures[name]().savefig(FOLDER / f"{name}.png", facecolor="white")
        print(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
