"""A quick, robust fit of a robot's geometry, measurement frame and tool to samples: to tell what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from crisp_ik_ros.datasets.fields import POSE, SAME_POINT
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, invert_pose, make_pose, rotation_exponential, rotation_logarithm

# What a robot's geometry may be off by without a word: standard deviations of the fit's priors [rad or m], [m], and how
# many of these a fit may go: with no bounds, all links of a robot can shrink until it is a point.
JOINT_SD, LINK_SD, DEVIATIONS = 0.05, 0.03, 3.0
# Residuals this many times larger than the typical one count for half, and larger ones for ever less.
ROBUST = 3.0
STEPS = 25
# A fit ends when its residuals change by less than this share of them, or are below this size [m].
CHANGE, NOTHING = 1e-4, 1e-9
BLOCK = 20000


@dataclass(frozen=True)
class Measurements:
    """Samples as plain arrays.

    Attributes
    ----------
    configurations : (n, J)
        In the robot's order of joints [rad or m].
    poses : (n, 4, 4)
        Measured [m].
    kinds : (n,)
        POSE, POSITION or SAME_POINT.
    points : (n,)
        Number of the common point of SAME_POINT samples; -1 for others.
    """

    configurations: Array
    poses: Array
    kinds: np.ndarray
    points: np.ndarray

    def __len__(self) -> int:
        return len(self.configurations)

    def taken(self, rows: np.ndarray) -> Measurements:
        """Return the samples of these rows."""
        return Measurements(self.configurations[rows], self.poses[rows], self.kinds[rows], self.points[rows])

    def with_configurations(self, configurations: Array) -> Measurements:
        """Return the same measurements at other configurations."""
        return replace(self, configurations=configurations)

    def with_poses(self, poses: Array) -> Measurements:
        """Return other measurements at the same configurations."""
        return replace(self, poses=poses)

    @property
    def measured(self) -> np.ndarray:
        """Whether a position was measured: bool (n,)."""
        return self.kinds != SAME_POINT

    @property
    def numbers(self) -> int:
        """How many numbers the measurements are, less those that the unknown points take up."""
        points = self.points[self.points >= 0]
        return int(3 * len(self) + 3 * np.sum(self.kinds == POSE) - 3 * len(np.unique(points)))


class Freedom(NamedTuple):
    """What a fit may change: measurement frame, tool, joint offsets and link offsets (these within their priors)."""

    frame: bool = False
    tool: bool = False
    joints: bool = False
    links: bool = False


@dataclass(frozen=True)
class Fit:
    """A robot as fitted: measured pose = frame @ forward kinematics with the offsets @ tool.

    Attributes
    ----------
    frame, tool : (4, 4)
        Base link in the measurement frame, and what was measured in the tip link's frame [m].
    joint_offsets : (J,)
        [rad or m].
    link_offsets : (number of joints in the chain, 3)
        [m].
    size : float
        Typical size of a sample's residual, orientation times ``lever``; grown for the numbers that were fitted [m].
    """

    frame: Array
    tool: Array
    joint_offsets: Array
    link_offsets: Array
    size: float = field(default=np.inf)

    @classmethod
    def nominal(cls, robot: RobotModel) -> Fit:
        """Return the robot as its model says."""
        return cls(np.eye(4), np.eye(4), np.zeros(robot.dof), np.zeros((len(robot.joints), 3)))


class _Walk(NamedTuple):
    """Tip poses (n, 4, 4), and rotations (n, K, 3, 3) of parent links, axes and origins (n, J, 3) of moving joints."""

    tips: Array
    parents: Array
    axes: Array
    origins: Array


def residuals(robot: RobotModel, data: Measurements, fit: Fit) -> Array:
    """Position and orientation that was measured less that of the fit: (n, 6) [m, rad], measurement frame.

    Where only the position was measured the rest is 0. Of a common point, the fit's own estimate is the measurement:
    the median of what is predicted.
    """
    parts = []
    for start in range(0, len(data), BLOCK):
        rows = slice(start, start + BLOCK)
        tips = _walk(robot, data.configurations[rows] + fit.joint_offsets, fit.link_offsets).tips
        parts.append(fit.frame @ tips @ fit.tool)
    predicted = np.concatenate(parts)
    result = np.zeros((len(data), 6))
    result[:, :3] = data.poses[:, :3, 3] - predicted[:, :3, 3]
    for point in np.unique(data.points[data.points >= 0]):
        rows = data.points == point
        result[rows, :3] = np.median(predicted[rows, :3, 3], axis=0) - predicted[rows, :3, 3]
    posed = data.kinds == POSE
    if posed.any():
        turn = data.poses[posed, :3, :3] @ np.swapaxes(predicted[posed, :3, :3], -1, -2)
        result[posed, 3:] = rotation_logarithm(turn)
    return result


def typical_size(residual: Array, lever: float) -> float:
    """Median over the samples of the residual's length, orientation times ``lever`` [m]."""
    return float(np.median(_lengths(residual, lever)))


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
    nearest = min(starts, key=lambda one: typical_size(residuals(robot, data, one), lever))
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
    prior = _prior(robot, free, data)
    current = _residuals_of(robot, data, fit, None)
    damping = 1e-4
    for _ in range(steps if any(free) else 0):
        length = np.linalg.norm(current * scale, axis=1)
        spread = max(float(np.median(length)), NOTHING)
        weight = 1.0 / (1.0 + (length / (ROBUST * spread)) ** 2)
        current = _residuals_of(robot, data, fit, weight)
        jacobian = _jacobian(robot, data, fit, free, weight) * scale[:, None]
        rows = (jacobian * np.sqrt(weight)[:, None, None]).reshape(-1, jacobian.shape[2])
        right = (current * scale * np.sqrt(weight)[:, None]).ravel()
        offsets = _offsets(fit)[prior[0]]
        # A sample's residual over its size against an offset over its deviation.
        matrix = rows.T @ rows / spread**2 + np.diag(prior[1])
        gradient = rows.T @ right / spread**2 - prior[1] * offsets
        cost = np.sum(right**2) / spread**2 + prior[1] @ offsets**2
        done = True
        for _ in range(8):
            step = np.linalg.solve(matrix + damping * np.diag(np.diag(matrix) + 1e-9 * np.trace(matrix)), gradient)
            trial = _stepped(robot, data, fit, prior[0], step)
            residual = _residuals_of(robot, data, trial, weight)
            moved = _offsets(trial)[prior[0]]
            new_cost = np.sum(weight[:, None] * (residual * scale) ** 2) / spread**2 + prior[1] @ moved**2
            if new_cost < cost:
                done = cost - new_cost < CHANGE * cost
                fit, current = trial, residual
                damping = max(0.1 * damping, 1e-9)
                break
            damping *= 10.0
        if done or spread <= NOTHING:
            break
    numbers, fitted = data.numbers, unknowns(robot, free, data)
    growth = np.sqrt(numbers / max(numbers - fitted, 1))
    return replace(fit, size=growth * typical_size(_residuals_of(robot, data, fit, None), lever))


def _prior(robot: RobotModel, free: Freedom, data: Measurements) -> tuple[np.ndarray, Array]:
    """Columns of the Jacobian that are fitted, and the prior's precision for each."""
    links = 3 * len(robot.joints)
    turned = bool(np.any(data.kinds == POSE))
    fitted = np.concatenate([
        np.full(6, free.frame), np.full(3, free.tool), np.full(3, free.tool and turned),
        np.full(robot.dof, free.joints), np.full(links, free.links),
    ])  # fmt: skip
    precision = np.concatenate([
        np.zeros(12), np.full(robot.dof, JOINT_SD**-2.0), np.full(links, LINK_SD**-2.0),
    ])  # fmt: skip
    return np.flatnonzero(fitted), precision[fitted]


def _stepped(robot: RobotModel, data: Measurements, fit: Fit, columns: np.ndarray, step: Array) -> Fit:
    whole = np.zeros(12 + robot.dof + 3 * len(robot.joints))
    whole[columns] = step
    frame, tool = np.eye(4), np.eye(4)
    frame[:3, :3], tool[:3, :3] = rotation_exponential(whole[3:6]), rotation_exponential(whole[9:12])
    pivot = _pivot(data)
    frame[:3, 3] = whole[:3] + pivot - frame[:3, :3] @ pivot
    tool[:3, 3] = whole[6:9]
    joints = fit.joint_offsets + whole[12 : 12 + robot.dof]
    links = fit.link_offsets + whole[12 + robot.dof :].reshape(-1, 3)
    joint, link = DEVIATIONS * JOINT_SD, DEVIATIONS * LINK_SD
    return Fit(frame @ fit.frame, fit.tool @ tool, np.clip(joints, -joint, joint), np.clip(links, -link, link))


def _offsets(fit: Fit) -> Array:
    """All that is fitted as one vector, frame and tool, of which no prior knows, as zeros."""
    return np.concatenate([np.zeros(12), fit.joint_offsets, fit.link_offsets.ravel()])


def _pivot(data: Measurements) -> Array:
    """Point about which the measurement frame is turned: in the midst of what was measured, for a good condition."""
    return data.poses[data.measured, :3, 3].mean(axis=0) if data.measured.any() else np.zeros(3)


def _residuals_of(robot: RobotModel, data: Measurements, fit: Fit, weight: Array | None) -> Array:
    """As ``residuals``; with weights (n,) a common point is the weighted mean of its samples."""
    if weight is None or not np.any(data.points >= 0):
        return residuals(robot, data, fit)
    tips = fit.frame @ _walk(robot, data.configurations + fit.joint_offsets, fit.link_offsets).tips @ fit.tool
    result = residuals(robot, data, fit)
    common = data.points >= 0
    result[common, :3] = -_centered(tips[:, :3, 3], data.points, weight)[common]
    return result


def _centered(values: Array, points: np.ndarray, weight: Array) -> Array:
    """Values (n, ...) less the weighted mean of those of the same point; others as they are."""
    result = values.copy()
    for point in np.unique(points[points >= 0]):
        rows = points == point
        result[rows] -= np.average(values[rows], axis=0, weights=weight[rows])
    return result


def _jacobian(robot: RobotModel, data: Measurements, fit: Fit, free: Freedom, weight: Array) -> Array:
    """Derivative (n, 6, p) of predicted position and orientation by all that is free."""
    walk = _walk(robot, data.configurations + fit.joint_offsets, fit.link_offsets)
    turn = fit.frame[:3, :3]
    tips = fit.frame @ walk.tips @ fit.tool
    position = tips[:, :3, 3]
    count = len(data)
    columns = np.zeros((count, 6, 12 + robot.dof + 3 * len(robot.joints)))
    columns[:, :3, :3] = np.eye(3)
    columns[:, :3, 3:6] = -_skew(position - _pivot(data))
    columns[:, 3:, 3:6] = np.eye(3)
    columns[:, :3, 6:9] = columns[:, 3:, 9:12] = turn @ walk.tips[:, :3, :3] @ fit.tool[:3, :3]
    axes = walk.axes @ turn.T
    origins = walk.origins @ turn.T + fit.frame[:3, 3]
    sliding = robot.chain.prismatic
    arms = np.cross(axes, position[:, None] - origins)
    columns[:, :3, 12 : 12 + robot.dof] = np.swapaxes(np.where(sliding[:, None], axes, arms), 1, 2)
    columns[:, 3:, 12 : 12 + robot.dof] = np.swapaxes(np.where(sliding[:, None], 0.0, axes), 1, 2)
    columns[:, :3, 12 + robot.dof :] = np.moveaxis(turn @ walk.parents, 1, 2).reshape(count, 3, -1)
    columns[data.kinds != POSE, 3:] = 0.0
    columns = columns[:, :, _prior(robot, free, data)[0]]
    common = data.points >= 0
    if common.any():
        columns[common, :3] = _centered(columns[:, :3], data.points, weight)[common]
    return columns


def _walk(robot: RobotModel, configurations: Array, link_offsets: Array) -> _Walk:
    """Walk the chain at configurations (n, J), with offsets (K, 3) [m] on the joints' origins."""
    count = len(configurations)
    pose = np.broadcast_to(np.eye(4), (count, 4, 4))
    parents, axes, origins, j = [], [], [], 0
    for joint, offset in zip(robot.joints, link_offsets, strict=True):
        parents.append(pose[:, :3, :3])
        origin = joint.origin.copy()
        origin[:3, 3] += offset
        pose = pose @ origin
        if not joint.movable:
            continue
        axes.append(pose[:, :3, :3] @ joint.axis)
        origins.append(pose[:, :3, 3])
        motion = configurations[:, j, None] * joint.axis
        if joint.kind == "prismatic":
            pose = pose @ make_pose(motion, np.eye(3))
        else:
            pose = pose @ make_pose(np.zeros(3), rotation_exponential(motion))
        j += 1
    return _Walk(pose, np.stack(parents, 1), np.stack(axes, 1), np.stack(origins, 1))


def _aligned(robot: RobotModel, data: Measurements, fit: Fit) -> Array:
    """Frame (4, 4) that takes predicted positions closest to the measured ones, whatever the outliers."""
    rows = data.measured
    predicted = (_walk(robot, data.configurations[rows] + fit.joint_offsets, fit.link_offsets).tips @ fit.tool)[
        :, :3, 3
    ]
    return rigid_alignment(predicted, data.poses[rows, :3, 3])


def rigid_alignment(points: Array, targets: Array) -> Array:
    """Pose (4, 4) that takes points (n, 3) closest to targets (n, 3) [m], with little weight on outliers."""
    weight = np.ones(len(points))
    for _ in range(20):
        weight = weight / weight.sum()
        source, goal = weight @ points, weight @ targets
        left, _, right = np.linalg.svd((targets - goal).T @ ((points - source) * weight[:, None]))
        mirror = np.diag([1.0, 1.0, np.linalg.det(left @ right)])
        turn = left @ mirror @ right
        pose = make_pose(goal - turn @ source, turn)
        distance = np.linalg.norm(points @ turn.T + pose[:3, 3] - targets, axis=1)
        weight = 1.0 / (1.0 + (distance / (ROBUST * max(float(np.median(distance)), NOTHING))) ** 2)
    return pose


def _turned_tool(robot: RobotModel, data: Measurements, fit: Fit) -> Array:
    """Tool (4, 4) whose orientation is the mean of what the measured poses say."""
    posed = data.kinds == POSE
    tips = _walk(robot, data.configurations[posed] + fit.joint_offsets, fit.link_offsets).tips
    turns = (invert_pose(fit.frame @ tips) @ data.poses[posed])[:, :3, :3]
    left, _, right = np.linalg.svd(turns.sum(axis=0))
    tool = fit.tool.copy()
    tool[:3, :3] = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    return tool


def _lengths(residual: Array, lever: float) -> Array:
    return np.sqrt(np.sum(residual[:, :3] ** 2, axis=1) + lever**2 * np.sum(residual[:, 3:] ** 2, axis=1))


def _skew(vectors: Array) -> Array:
    """Cross product matrices (n, 3, 3) of vectors (n, 3)."""
    x, y, z = vectors.T
    zero = np.zeros(len(vectors))
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
