"""Figure 2: why the loss goes through the forward kinematics, shown with three samples of the planar arm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.estimators.baselines.paper_crisp import PaperCRiSP
from crisp_ik_ros.estimators.baselines.sdls_ik import SDLSIK
from crisp_ik_ros.experiments.paper import biased_model, path_errors
from crisp_ik_ros.experiments.steps import Progress, Steps
from crisp_ik_ros.regression.kernels import GaussianKernel
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, make_pose, rotation_exponential

LOSSES = {
    "radians": "configuration-space loss: equation (5) on every joint",
    "forward_kinematics": "forward-kinematics loss: equation (4)",
    "forward_kinematics_biased": "forward-kinematics loss, every joint of the model off by the same angle",
}
# y*, of which the target is the pose x* = g(y*) [rad].
TARGET = (2.4, -1.5, 0.3, -1.2, 0.4)
# The samples' distance from the target [m].
DISTANCE = 0.1
# Wider than the samples lie apart, so that they count; their symmetric places make its width a matter of taste.
KERNEL = GaussianKernel(1.0, 0.5, "euler")
PENALTY = 1e-6
# To which minima of the objective are compared, in its decimals.
DIGITS = 9
# Of the model in ``forward_kinematics_biased`` [deg].
JOINT_BIAS = 2.0
# Configurations drawn at random to find each sample's postures from.
FULL = 200
QUICK = 40


def run_figure2(quick: bool = False, seed: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """Reconstruct one pose from three samples near it in other postures, with each loss.

    The samples lie on an equilateral triangle around the target, in its orientation: by symmetry their scores are
    alike, and the mean of their poses is the target. What is left to tell the losses apart is what they average.

    Parameters
    ----------
    quick : bool
        Fewer postures to choose the samples from.
    seed : int
        Of the triangle's turn and of the postures.
    progress : callable, optional
        Called as progress(done, total).

    Returns
    -------
    dict
        ``target``, ``samples`` (a list) and ``estimates`` (by loss) hold configurations (J,) [rad], the points of
        their arms ``joints`` (J + 1, 2), base to tool, of the true robot [m], and how far the true tool is from the
        target, ``position_m`` and ``orientation_rad``; samples also their ``score``.
    """
    starts = QUICK if quick else FULL
    robot, rng = RobotModel.planar5(), np.random.default_rng(seed)
    target = robot.forward_kinematics(np.array(TARGET))
    chosen = _different_postures([_postures(robot, pose, starts, rng) for pose in _around(target, rng)])
    dataset = Dataset(chosen, robot.forward_kinematics(chosen), robot.joint_names)
    models = dict.fromkeys(LOSSES, robot)
    models["forward_kinematics_biased"] = biased_model(robot, joint_bias_deg=JOINT_BIAS)
    paper = PaperCRiSP(robot, "radians", KERNEL, PENALTY).fit(dataset)
    scores = paper.scores(target[None])
    estimates = {}
    steps = Steps(len(models), progress)
    for name, model in models.items():
        believed = paper.with_model(model, "radians" if name == "radians" else "forward_kinematics")
        # Scores that are alike up to rounding must not choose the start, nor rounding among equally low minima.
        found = [believed.solve_path(target[None], start, scores).configurations[0] for start in chosen]
        objective = believed.objective(scores[0])
        estimates[name] = _arm(robot, min(found, key=lambda y: round(objective(y)[0], DIGITS)), target)
        steps()
    samples = [
        {**_arm(robot, configuration, target), "score": float(score)}
        for configuration, score in zip(chosen, scores[0], strict=True)
    ]
    settings = {
        "quick": quick,
        "seed": seed,
        "samples": len(samples),
        "starts": starts,
        "distance_m": DISTANCE,
        "joint_bias_deg": JOINT_BIAS,
        "kernel": repr(KERNEL),
        "penalty": PENALTY,
        "methods": LOSSES,
    }
    return {
        "target": _arm(robot, np.array(TARGET), target),
        "samples": samples,
        "estimates": estimates,
        "settings": settings,
    }


def joint_points(robot: RobotModel, configuration: Array) -> Array:
    """Origins (J + 1, 3) of an arm's revolute joints and its tool at a configuration (J,) [rad], base frame [m]."""
    frame, points, angles = np.eye(4), [], iter(configuration)
    for joint in robot.joints:
        frame = frame @ joint.origin
        points.append(frame[:3, 3])
        if joint.movable:
            frame = frame @ make_pose(np.zeros(3), rotation_exponential(joint.axis * next(angles)))
    return np.array(points)


def figure2_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row for the target, each sample and each estimate: errors, and the score where there is one."""
    arms = {"target": result["target"]}
    arms |= {f"sample {number}": sample for number, sample in enumerate(result["samples"], 1)}
    arms |= result["estimates"]
    return [
        {
            "arm": name,
            "score": arm.get("score"),
            "position_m": arm["position_m"],
            "orientation_rad": arm["orientation_rad"],
            **{f"joint{number}_rad": angle for number, angle in enumerate(arm["configuration"], 1)},
        }
        for name, arm in arms.items()
    ]


def figure2_text(result: dict[str, Any]) -> str:
    """Lines with each loss's distance from the target, below those of its samples."""
    samples, settings = result["samples"], result["settings"]
    scores = ", ".join(f"{sample['score']:.3f}" for sample in samples)
    lines = [f"Three samples {settings['distance_m']:g} m from the target in other postures, scores {scores}."]
    for name, label in settings["methods"].items():
        arm = result["estimates"][name]
        lines.append(f"{label:<80} {arm['position_m']:.3g} m, {arm['orientation_rad']:.3g} rad off")
    return "\n".join(lines)


def draw_figure2(result: dict[str, Any], path: Path) -> None:
    """Draw each loss's arm over those of the samples, a panel each, and write a PNG."""
    from matplotlib.figure import Figure

    bias = result["settings"]["joint_bias_deg"]
    titles = {
        "radians": "(a) configuration-space loss",
        "forward_kinematics": "(b) forward-kinematics loss",
        "forward_kinematics_biased": f"(c) the same, model {bias:g}° off in every joint",
    }
    figure = Figure(figsize=(11.5, 5.3), dpi=120, layout="constrained")
    panels = figure.subplots(1, len(titles), sharex=True, sharey=True)
    x, y = result["target"]["joints"][-1]
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        for number, (sample, style) in enumerate(zip(result["samples"], ("--", "-.", ":"), strict=True), 1):
            label = rf"sample {number}, $\alpha$ = {sample['score']:.3f}"
            axes.plot(*np.transpose(sample["joints"]), style, color="0.5", linewidth=1.6, label=label)
        arm = result["estimates"][name]
        axes.plot(
            *np.transpose(arm["joints"]), "o-", color="#d1495b", linewidth=2.6, markersize=5, label="estimate", zorder=3
        )
        axes.plot(0.0, 0.0, "s", color="0.0", markersize=9, label="base", zorder=4)
        axes.plot(x, y, "+", color="0.0", markersize=17, markeredgewidth=2.2, label="target", zorder=5)
        off = arm["position_m"]
        axes.set_title(f"{title}\ntool {off:.2g} m from the target" if off >= 1e-3 else f"{title}\ntool on the target")
        axes.set_aspect("equal")
        axes.grid(alpha=0.3)
        axes.set_xlabel("x [m]")
    panels[0].set_ylabel("y [m]")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(path)


def _around(target: Array, rng: np.random.Generator) -> Array:
    """Poses (3, 4, 4) on an equilateral triangle around a pose (4, 4), in its orientation."""
    angle = rng.uniform(0.0, 2.0 * np.pi) + 2.0 * np.pi / 3.0 * np.arange(3)
    offsets = DISTANCE * np.column_stack([np.cos(angle), np.sin(angle), np.zeros(3)])
    return make_pose(target[:3, 3] + offsets, np.broadcast_to(target[:3, :3], (3, 3, 3)))


def _postures(robot: RobotModel, pose: Array, starts: int, rng: np.random.Generator) -> Array:
    """Configurations (k, J) of a redundant arm that reach a pose (4, 4), each from another start."""
    solver = SDLSIK(robot, starts=1)
    answers = [solver.solve(pose, seed=start) for start in robot.random_configurations(starts, rng)]
    return np.array([answer.configuration for answer in answers if answer.success])


def _different_postures(postures: list[Array]) -> Array:
    """Configurations (3, J), one of each list (k, J), of which the nearest two are farthest apart."""
    first, second, third = postures

    def between(some: Array, others: Array) -> Array:
        return np.linalg.norm(some[:, None] - others[None], axis=2)

    nearest = np.minimum(between(first, second)[:, :, None], between(first, third)[:, None, :])
    nearest = np.minimum(nearest, between(second, third)[None])
    i, j, k = np.unravel_index(nearest.argmax(), nearest.shape)
    return np.array([first[i], second[j], third[k]])


def _arm(robot: RobotModel, configuration: Array, target: Array) -> dict[str, Any]:
    errors = path_errors(target[None], robot.forward_kinematics(configuration)[None])
    return {
        "configuration": configuration.tolist(),
        "joints": joint_points(robot, configuration)[:, :2].tolist(),
        "position_m": float(errors["position"][0]),
        "orientation_rad": float(errors["orientation"][0]),
    }
