"""A quick, robust fit of a robot's geometry, measurement frame and tool to samples: to tell what is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from crisp_ik_ros.datasets.averages import nearest_rotation
from crisp_ik_ros.datasets.dataset import POSE
from crisp_ik_ros.datasets.measurements import (
    Fit,
    Measurements,
    Walk,
    centered,
    predict,
    residuals,
    typical_size,
    walk,
)
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, cross_matrices, invert_pose, make_pose, rotation_exponential

# What a robot's geometry may be off by without a word: standard deviations of the fit's priors, of a joint [rad or m]
# and of its origin [m], and how many of these a fit may go: with no bounds, links can shrink until nothing moves.
JOINT_SD, LINK_SD, DEVIATIONS = 0.05, 0.03, 3.0
# Residuals this many times larger than the typical one count for half, and larger ones for ever less.
ROBUST = 3.0
STEPS = 25
# A fit ends when its residuals change by less than this share of them, or are below this size [m].
CHANGE, NOTHING = 1e-4, 1e-9


class Freedom(NamedTuple):
    """What a fit may change: measurement frame, tool, joint offsets and link offsets (these within their priors)."""

    frame: bool = False
    tool: bool = False
    joints: bool = False
    links: bool = False


def fit_robot(
    robot: RobotModel,
    data: Measurements,
    free: Freedom,
    lever: float,
    start: Fit | None = None,
    steps: int = STEPS,
) -> Fit:
    """Fit what is free, with little weight on samples that do not go with the others.

    Parameters
    ----------
    robot : RobotModel
    data : Measurements
    free : Freedom
        Nothing is fitted that the kinds of samples do not show, as the frame where only common points are known.
    lever : float
        Metres that an orientation error of one radian counts for.
    start : Fit, optional
        Default: the nominal robot. Where the frame is free, the rigid alignment of the positions may be nearer.
    steps : int
        Largest number of iterations.

    Returns
    -------
    Fit
    """
    begin = start or Fit.nominal(robot)
    free = free._replace(frame=free.frame and bool(data.measured.any()))
    starts = [begin]
    if free.frame:
        starts.append(replace(begin, frame=_aligned(robot, data, begin)))
    if free.tool and np.any(data.kinds == POSE):
        starts = [one for first in starts for one in (first, replace(first, tool=_turned_tool(robot, data, first)))]
    nearest = min(starts, key=lambda one: typical_size(residuals(data, predict(robot, data, one)), lever))
    return _descend(robot, data, free, lever, nearest, steps)


def unknowns(robot: RobotModel, free: Freedom, data: Measurements) -> int:
    """How many numbers a fit finds, those not counted that the data show nothing of."""
    frame = 6 if free.frame and data.measured.any() else 0
    tool = (6 if np.any(data.kinds == POSE) else 3) if free.tool else 0
    # A link's three offsets are two at most that nothing else makes good.
    return frame + tool + (robot.dof if free.joints else 0) + (2 * robot.dof if free.links else 0)


def _descend(robot: RobotModel, data: Measurements, free: Freedom, lever: float, fit: Fit, steps: int) -> Fit:
    """Levenberg-Marquardt on residuals that are weighted anew after each step."""
    scale = np.array([1.0, 1.0, 1.0, lever, lever, lever])
    columns, precision = _prior(robot, free, data)
    walked = walk(robot, data.configurations, fit)
    current = residuals(data, fit.frame @ walked.tips @ fit.tool)
    damping = 1e-4
    for _ in range(steps if any(free) else 0):
        length = np.linalg.norm(current * scale, axis=1)
        spread = max(float(np.median(length)), NOTHING)
        weight = 1.0 / (1.0 + (length / (ROBUST * spread)) ** 2)
        current = residuals(data, fit.frame @ walked.tips @ fit.tool, weight)
        jacobian = _jacobian(robot, data, fit, walked, weight)[:, :, columns] * scale[:, None]
        rows = (jacobian * np.sqrt(weight)[:, None, None]).reshape(-1, len(columns))
        right = (current * scale * np.sqrt(weight)[:, None]).ravel()
        offsets = _offsets(fit)[columns]
        # A sample's residual over its size against an offset over its deviation.
        matrix = rows.T @ rows / spread**2 + np.diag(precision)
        gradient = rows.T @ right / spread**2 - precision * offsets
        cost = np.sum(right**2) / spread**2 + precision @ offsets**2
        done = True
        for _ in range(8):
            step = np.linalg.solve(matrix + damping * np.diag(np.diag(matrix) + 1e-9 * np.trace(matrix)), gradient)
            trial = _stepped(robot, data, fit, columns, step)
            trial_walk = walk(robot, data.configurations, trial)
            residual = residuals(data, trial.frame @ trial_walk.tips @ trial.tool, weight)
            new_cost = np.sum(weight[:, None] * (residual * scale) ** 2) / spread**2
            new_cost += precision @ _offsets(trial)[columns] ** 2
            if new_cost < cost:
                done = cost - new_cost < CHANGE * cost
                fit, walked, current = trial, trial_walk, residual
                damping = max(0.1 * damping, 1e-9)
                break
            damping *= 10.0
        if done or spread <= NOTHING:
            break
    numbers, fitted = data.numbers, unknowns(robot, free, data)
    growth = np.sqrt(numbers / max(numbers - fitted, 1))
    size = typical_size(residuals(data, fit.frame @ walked.tips @ fit.tool), lever)
    return replace(fit, size=growth * size)


def _prior(robot: RobotModel, free: Freedom, data: Measurements) -> tuple[np.ndarray, Array]:
    """Columns of the Jacobian that are fitted, and the prior's precision for each."""
    links = 3 * (robot.dof + 1)
    turned = bool(np.any(data.kinds == POSE))
    fitted = np.concatenate([
        np.full(6, free.frame), np.full(3, free.tool), np.full(3, free.tool and turned),
        np.full(robot.dof, free.joints), np.full(links, free.links),
    ])  # fmt: skip
    precision = np.concatenate([
        np.zeros(12), np.full(robot.dof, JOINT_SD**-2.0), np.repeat(_link_deviations(robot) ** -2.0, 3),
    ])  # fmt: skip
    return np.flatnonzero(fitted), precision[fitted]


def _stepped(robot: RobotModel, data: Measurements, fit: Fit, columns: np.ndarray, step: Array) -> Fit:
    whole = np.zeros(12 + robot.dof + 3 * (robot.dof + 1))
    whole[columns] = step
    frame, tool = np.eye(4), np.eye(4)
    frame[:3, :3], tool[:3, :3] = rotation_exponential(whole[3:6]), rotation_exponential(whole[9:12])
    pivot = _pivot(data)
    frame[:3, 3] = whole[:3] + pivot - frame[:3, :3] @ pivot
    tool[:3, 3] = whole[6:9]
    joints = fit.joint_offsets + whole[12 : 12 + robot.dof]
    links = fit.link_offsets + whole[12 + robot.dof :].reshape(-1, 3)
    joint, link = DEVIATIONS * JOINT_SD, DEVIATIONS * _link_deviations(robot)[:, None]
    return Fit(frame @ fit.frame, fit.tool @ tool, np.clip(joints, -joint, joint), np.clip(links, -link, link))


def _link_deviations(robot: RobotModel) -> Array:
    """Standard deviations (J + 1,) of the chain's translations [m], each of them the origins of some joints."""
    merged = np.zeros(robot.dof + 1)
    place = 0
    for joint in robot.joints:
        merged[place] += 1.0
        place += joint.movable
    return LINK_SD * np.sqrt(np.maximum(merged, 1.0))


def _offsets(fit: Fit) -> Array:
    """All that is fitted as one vector, frame and tool, of which no prior knows, as zeros."""
    return np.concatenate([np.zeros(12), fit.joint_offsets, fit.link_offsets.ravel()])


def _pivot(data: Measurements) -> Array:
    """Point about which the measurement frame is turned: in the midst of what was measured, for a good condition."""
    return data.poses[data.measured, :3, 3].mean(axis=0) if data.measured.any() else np.zeros(3)


def _jacobian(robot: RobotModel, data: Measurements, fit: Fit, walked: Walk, weight: Array) -> Array:
    """Derivative (n, 6, 12 + J + 3 (J + 1)) of predicted position and orientation by all that can be free."""
    turn = fit.frame[:3, :3]
    tips = fit.frame @ walked.tips @ fit.tool
    position = tips[:, :3, 3]
    count = len(data)
    columns = np.zeros((count, 6, 12 + robot.dof + 3 * (robot.dof + 1)))
    columns[:, :3, :3] = np.eye(3)
    columns[:, :3, 3:6] = -cross_matrices(position - _pivot(data))
    columns[:, 3:, 3:6] = np.eye(3)
    columns[:, :3, 6:9] = columns[:, 3:, 9:12] = turn @ walked.tips[:, :3, :3] @ fit.tool[:3, :3]
    axes = walked.axes @ turn.T
    origins = walked.origins @ turn.T + fit.frame[:3, 3]
    sliding = robot.chain.prismatic
    arms = np.cross(axes, position[:, None] - origins)
    columns[:, :3, 12 : 12 + robot.dof] = np.swapaxes(np.where(sliding[:, None], axes, arms), 1, 2)
    columns[:, 3:, 12 : 12 + robot.dof] = np.swapaxes(np.where(sliding[:, None], 0.0, axes), 1, 2)
    columns[:, :3, 12 + robot.dof :] = np.moveaxis(turn @ walked.parents, 1, 2).reshape(count, 3, -1)
    columns[data.kinds != POSE, 3:] = 0.0
    common = data.points >= 0
    if common.any():
        columns[common, :3] = centered(columns[common, :3], data.points[common], weight[common])
    return columns


def _aligned(robot: RobotModel, data: Measurements, fit: Fit) -> Array:
    """Frame (4, 4) that takes predicted positions closest to the measured ones, whatever the outliers."""
    rows = data.measured
    predicted = predict(robot, data.taken(rows), replace(fit, frame=np.eye(4)))
    return rigid_alignment(predicted[:, :3, 3], data.poses[rows, :3, 3])


def rigid_alignment(points: Array, targets: Array) -> Array:
    """Pose (4, 4) that takes points (n, 3) closest to targets (n, 3) [m], with little weight on outliers."""
    weight = np.ones(len(points))
    for _ in range(20):
        weight = weight / weight.sum()
        source, goal = weight @ points, weight @ targets
        turn = nearest_rotation((targets - goal).T @ ((points - source) * weight[:, None]))
        pose = make_pose(goal - turn @ source, turn)
        distance = np.linalg.norm(points @ turn.T + pose[:3, 3] - targets, axis=1)
        weight = 1.0 / (1.0 + (distance / (ROBUST * max(float(np.median(distance)), NOTHING))) ** 2)
    return pose


def _turned_tool(robot: RobotModel, data: Measurements, fit: Fit) -> Array:
    """Tool (4, 4) whose orientation is the mean of what the measured poses say."""
    posed = data.kinds == POSE
    tips = walk(robot, data.configurations[posed], fit).tips
    turns = (invert_pose(fit.frame @ tips) @ data.poses[posed])[:, :3, :3]
    tool = fit.tool.copy()
    tool[:3, :3] = nearest_rotation(turns.sum(axis=0))
    return tool
