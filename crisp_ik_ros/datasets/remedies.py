"""Mistakes in recording samples that are known by what undoes them: units, order and sense of joints, form of poses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from crisp_ik_ros.datasets.dataset import POSE
from crisp_ik_ros.datasets.measurements import Measurements
from crisp_ik_ros.datasets.rough_fit import Freedom, fit_robot, unknowns
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import (
    Array,
    euler_from_matrix,
    invert_pose,
    matrix_from_euler,
    matrix_from_quaternion,
    quaternion_from_matrix,
)

# Samples that the remedies are tried on, and of these from one common point.
TRIED, TRIED_OF_POINT = 80, 20
# Fits from the most to the least that is fitted: the first is taken for which there are twice as many numbers.
FREEDOMS = (
    Freedom(frame=True, tool=True, joints=True, links=True),
    Freedom(frame=True, tool=True, joints=True),
    Freedom(frame=True, tool=True),
    Freedom(),
)
# Only if something is wrong is a robot so fitted off by more than this share of its reach or of its tool's range.
BAD_OF_REACH = dict(zip(FREEDOMS, (0.03, 0.2, 0.2, np.inf), strict=True))
BAD_OF_SPREAD = dict(zip(FREEDOMS, (0.3, 0.6, 0.6, np.inf), strict=True))
# What is undone together makes the error smaller by this factor, and each step by the second. Another mistake is looked
# for after the first where this share of an error that is bad remains.
HELPS, STEP_HELPS, SUSPICIOUS = 3.0, 1.2, 0.2
# Remedies that are tried together, and iterations of a fit that tries one.
TOGETHER, QUICK = 3, 8
# Joints are taken to be in degrees without a look at poses where this share of samples is farther from zero than that
# many turns [rad], and none is once converted.
FAR_SHARE, FAR, FAR_ENDLESS = 0.05, 2.2 * np.pi, 8.0 * np.pi
# Units of length that were meant by a metre, and how much farther the robot's tool may move than what was measured.
SPREADS_DIFFER = 3.0
LENGTHS = {"millimetres": 1e-3, "centimetres": 1e-2, "inches": 0.0254}


@dataclass(frozen=True)
class Remedy:
    """One mistake, and what undoes it.

    Attributes
    ----------
    name : str
        Of the mistake.
    finding, advice : str
        What it looks like, and what to do about it.
    undo : callable
        Takes Measurements with the mistake to those without.
    """

    name: str
    finding: str
    advice: str
    undo: Callable[[Measurements], Measurements]


@dataclass(frozen=True)
class Undone:
    """What was found.

    Attributes
    ----------
    remedies : tuple of Remedy
        In the order in which they are to be applied.
    data : Measurements
        With all remedies applied.
    size : float
        Typical error of the fitted robot on those [m].
    explained : bool
        Whether this error is one that a robot with its URDF can have.
    """

    remedies: tuple[Remedy, ...]
    data: Measurements
    size: float
    explained: bool


def undo_mistakes(robot: RobotModel, data: Measurements, lever: float, spread: float) -> Undone:
    """Find the mistakes that explain why the robot does not fit the samples, if there are any.

    Parameters
    ----------
    robot : RobotModel
    data : Measurements
    lever : float
        Metres that an orientation error of one radian counts for.
    spread : float
        How far the tool positions of the samples are from their middle [m].
    """
    found = list(_evident(robot, data))
    for remedy in found:
        data = remedy.undo(data)
    free = most_freedom(robot, data)
    few = data.taken(some_rows(data, TRIED))
    bad = min(BAD_OF_REACH[free] * robot.reach, BAD_OF_SPREAD[free] * spread)
    begin = size = fit_robot(robot, few, free, lever).size
    tried: list[Remedy] = []
    while size > (SUSPICIOUS * bad if tried else bad) and len(tried) < TOGETHER:
        used = {one.name for one in (*found, *tried)}
        option, best = _best(robot, few, free, lever, _possible(robot, few, used, spread))
        if best > bad:
            other, other_best = _best(robot, few, free, lever, _zeros(robot))
            if other_best < bad:
                option, best = other, other_best
        # Where the robot is explained already, another mistake must be as plain as the first.
        if option is None or best > size / (STEP_HELPS if size > bad else HELPS):
            break
        tried.append(option)
        few, size = option.undo(few), best
    if size > bad or size > begin / HELPS:
        return Undone(tuple(found), data, begin, begin <= bad)
    for remedy in tried:
        data = remedy.undo(data)
    return Undone((*found, *tried), data, size, True)


def most_freedom(robot: RobotModel, data: Measurements) -> Freedom:
    """Return the most that may be fitted to as many samples."""
    return next(free for free in FREEDOMS if data.numbers >= 2 * unknowns(robot, free, data))


def some_rows(data: Measurements, count: int, seed: int = 0) -> np.ndarray:
    """Rows to fit to, about ``count`` of them: at random, but several of each common point that is among them."""
    rng = np.random.default_rng(seed)
    singles = np.flatnonzero(data.points < 0)
    units = [singles[i : i + 1] for i in range(len(singles))]
    for point in np.unique(data.points[data.points >= 0]):
        units.append(rng.permutation(np.flatnonzero(data.points == point))[:TRIED_OF_POINT])
    chosen: list[np.ndarray] = []
    for i in rng.permutation(len(units)):
        if sum(map(len, chosen)) >= count:
            break
        chosen.append(units[i])
    return np.sort(np.concatenate(chosen))


def _evident(robot: RobotModel, data: Measurements) -> Iterator[Remedy]:
    """Mistakes that the numbers themselves show."""
    turning = ~robot.chain.prismatic
    far = np.any(turning & (np.abs(data.configurations) > np.where(robot.continuous, FAR_ENDLESS, FAR)), axis=1)
    in_radians = _scaled_joints(data, turning, np.deg2rad(1.0)).configurations
    if far.mean() > FAR_SHARE and np.abs(in_radians[:, turning]).max() < FAR:
        yield _degrees(turning, int(far.sum()))


def _possible(robot: RobotModel, data: Measurements, used: set[str], spread: float) -> Iterator[Remedy]:
    """Mistakes that only the poses can show; of those that were found already, the ones that can be made twice."""
    names = robot.joint_names
    turning = ~robot.chain.prismatic
    # Taken as degrees, hardly anything moves: of common points any robot makes little of that.
    if "degrees for radians" not in used and turning.any() and data.measured.any():
        yield _degrees(turning, 0)
    if not used & {f"{unit} for metres" for unit in LENGTHS}:
        measured = spread_of(data.poses[data.measured, :3, 3]) if data.measured.any() else 0.0
        for unit, factor in LENGTHS.items():
            if spread / SPREADS_DIFFER < factor * measured < spread * SPREADS_DIFFER:
                yield _length(unit, factor)
    if "sliding joints in millimetres" not in used and robot.chain.prismatic.any():
        yield Remedy(
            "sliding joints in millimetres",
            "the error all but goes away when the sliding joints' values are divided by 1000",
            "write positions of sliding joints in metres",
            lambda one: _scaled_joints(one, robot.chain.prismatic, 1e-3),
        )
    for first, second in combinations(range(robot.dof), 2):
        order = np.arange(robot.dof)
        order[[first, second]] = second, first
        yield _reordered("swapped joints", f"with the columns of {names[first]} and {names[second]} exchanged", order)
    if robot.dof > 3:
        yield _reordered("reversed joints", "with the joints in reverse order, tip to base", np.arange(robot.dof)[::-1])
    for joint, name in enumerate(names):
        sign = np.ones(robot.dof)
        sign[joint] = -1.0
        yield _flipped(f"with the sign of {name} turned round", f"turn the sign of {name} round", sign)
    yield _flipped("with all joints' signs turned round", "turn the signs of all joints round", -np.ones(robot.dof))
    if np.any(data.kinds == POSE):
        if "inverse orientations" not in used:
            yield Remedy(
                "inverse orientations",
                "the error all but goes away when each orientation is inverted: it is of the base in the tool's frame",
                "write the orientation of the tool in the base frame",
                lambda one: one.with_poses(_rotations_replaced(one, lambda turns: np.swapaxes(turns, -1, -2))),
            )
        if "Euler angle order" not in used:
            yield Remedy(
                "Euler angle order",
                "the error all but goes away when roll, pitch and yaw are taken about the axes that turn along",
                "convert the angles: roll, pitch and yaw are expected about the fixed axes x, y and z, in this order",
                lambda one: one.with_poses(_rotations_replaced(one, _intrinsic)),
            )
        if "quaternion order" not in used:
            yield Remedy(
                "quaternion order",
                "the error all but goes away when the quaternions are read as w, x, y, z",
                "write quaternions as x, y, z, w",
                lambda one: one.with_poses(_rotations_replaced(one, _reread)),
            )
        if "inverse poses" not in used:
            yield Remedy(
                "inverse poses",
                "the error all but goes away when each pose is inverted: they are of the base in the tool's frame",
                "write the poses of the tool in the base frame",
                lambda one: one.with_poses(
                    np.where((one.kinds == POSE)[:, None, None], invert_pose(one.poses), one.poses)
                ),
            )


def _zeros(robot: RobotModel) -> Iterator[Remedy]:
    """Joints that count from elsewhere; a half turn of one often does what turning another's sign does."""
    for joint in np.flatnonzero(~robot.chain.prismatic):
        for quarters in (1, 2, -1):
            shift = np.zeros(robot.dof)
            shift[joint] = 0.5 * np.pi * quarters
            yield _shifted(robot.joint_names[joint], 90 * quarters, shift)


def _best(
    robot: RobotModel, data: Measurements, free: Freedom, lever: float, options: Iterator[Remedy]
) -> tuple[Remedy | None, float]:
    """Remedy that leaves the smallest error of the fitted robot [m], and that error; (None, inf) of no options."""
    sizes = [
        (fit_robot(robot, remedy.undo(data), free, lever, steps=QUICK).size, i, remedy)
        for i, remedy in enumerate(options)
    ]
    if not sizes:
        return None, np.inf
    remedy = min(sizes)[2]
    return remedy, fit_robot(robot, remedy.undo(data), free, lever).size


def _degrees(turning: np.ndarray, outside: int) -> Remedy:
    if outside:
        finding = f"{outside} samples are far outside the joint limits, and none is if their values are degrees"
    else:
        finding = "the error all but goes away when the joints' values are taken as degrees"
    return Remedy(
        "degrees for radians", finding, "write joint positions in radians",
        lambda data: _scaled_joints(data, turning, np.deg2rad(1.0)),
    )  # fmt: skip


def _length(unit: str, factor: float) -> Remedy:
    def undo(data: Measurements) -> Measurements:
        poses = data.poses.copy()
        poses[data.measured, :3, 3] *= factor
        return data.with_poses(poses)

    finding = f"the error all but goes away when the measured positions are taken as {unit}"
    return Remedy(f"{unit} for metres", finding, "write positions in metres", undo)


def _reordered(name: str, how: str, order: np.ndarray) -> Remedy:
    return Remedy(
        name, f"the error all but goes away {how}", "put each joint's values under its own name",
        lambda data: data.with_configurations(data.configurations[:, order]),
    )  # fmt: skip


def _flipped(how: str, advice: str, sign: Array) -> Remedy:
    return Remedy(
        "sign of a joint", f"the error all but goes away {how}", f"{advice}, or its axis in the URDF",
        lambda data: data.with_configurations(data.configurations * sign),
    )  # fmt: skip


def _shifted(name: str, degrees: int, shift: Array) -> Remedy:
    return Remedy(
        "zero of a joint",
        f"the error all but goes away when {degrees} degrees are added to {name}",
        f"add {degrees} degrees to {name}, or turn its origin in the URDF",
        lambda data: data.with_configurations(data.configurations + shift),
    )


def _scaled_joints(data: Measurements, which: np.ndarray, factor: float) -> Measurements:
    return data.with_configurations(data.configurations * np.where(which, factor, 1.0))


def spread_of(positions: Array) -> float:
    """Median distance of positions (n, 3) from their middle [m]."""
    return float(np.median(np.linalg.norm(positions - np.median(positions, axis=0), axis=1)))


def _rotations_replaced(data: Measurements, change: Callable[[Array], Array]) -> Array:
    poses = data.poses.copy()
    posed = data.kinds == POSE
    poses[posed, :3, :3] = change(poses[posed, :3, :3])
    return poses


def _intrinsic(rotations: Array) -> Array:
    """Rotations about the axes that turn along, by the angles that the fixed axes were taken for."""
    roll, pitch, yaw = np.moveaxis(euler_from_matrix(rotations), -1, 0)
    zero = np.zeros_like(roll)
    turns = [
        matrix_from_euler(np.stack(one, axis=-1))
        for one in ((roll, zero, zero), (zero, pitch, zero), (zero, zero, yaw))
    ]
    return turns[0] @ turns[1] @ turns[2]


def _reread(rotations: Array) -> Array:
    """Rotations of quaternions whose four numbers were in the order w, x, y, z and taken for x, y, z, w."""
    return matrix_from_quaternion(np.roll(quaternion_from_matrix(rotations), -1, axis=-1))
