"""A rest configuration for an arm, and a place where it follows the demonstration's trajectories with ease."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.robots.conditioning import condition_numbers, directions_of
from crisp_ik_ros.robots.placement import Placement
from crisp_ik_ros.robots.robot_model import RobotModel, rotation_z_to
from crisp_ik_ros.trajectories import place_trajectory, placed_trajectories
from crisp_ik_ros.transforms import Array, euler_from_matrix, make_pose, matrix_from_euler

# Random configurations that are looked at, those of them whose Jacobian is, and places that are tried; of an arm that
# does not move its tool in all directions fewer: it either takes such poses at once, or never.
DRAWN, CLOSER, TRIED, TRIED_OF_FEW = 60_000, 4_000, 60, 20
# Good places that are compared.
ENOUGH = 4
# Parts of a trajectory, after each of which one that cannot be followed is given up.
PARTS = 12
# Targets of each trajectory, the time to search for one, and for the place above them all [s].
POINTS, PATIENCE, FIRST_PATIENCE = 60, 0.2, 0.05
# Time for the whole search [s].
MAX_SEARCH_S = 20.0
# Time for a first search, of which a machine that compiles takes most [s].
COMPILING = 120.0
# From the limits the whole way, as a share of a joint's range; of joints that turn without end: of nothing.
MARGIN = 0.04
# The arm does not get near to a singularity, and no joint moves farther between two targets [rad or m].
WORST_CONDITION, LARGEST_STEP = 60.0, 0.25
# Wide limits are not made use of: beyond half a turn to each side, cables wind up [rad].
HALF_TURN = np.pi
# Sizes as shares of the reach: radius, distance of spiral and circle, way up to the rest configuration.
RADIUS, APART, LIFT = 0.025, 0.08, 0.08
ALL_DIRECTIONS = 6
DOWN = np.array([0.0, 0.0, -1.0])


@dataclass(frozen=True)
class Posture:
    """Where an arm rests, and where it follows trajectories.

    Attributes
    ----------
    rest : (J,)
        [rad or m]
    placement : Placement or None
        None: no place was found.
    margin : float
        Smallest distance from a joint limit on the trajectories, as a share of the joint's range.
    condition : float
        Largest condition number of the Jacobian there; at rest where there is no place.
    free : bool
        Whether the arm touches nothing of itself, at rest and there; True where that is not checked.
    complete : bool
        Whether the search came to its end; False where its time did.
    """

    rest: Array
    placement: Placement | None
    margin: float
    condition: float
    free: bool
    complete: bool = True


CollisionFree = Callable[[Array], np.ndarray]


def find_posture(
    robot: RobotModel,
    collision_free: CollisionFree | None = None,
    seed: int = 0,
    max_search: float = MAX_SEARCH_S,
    progress: Callable[[int, int], None] | None = None,
) -> Posture:
    """Search for a rest configuration and a placement of the trajectories, away from limits, singularities and itself.

    The tool points straight down in front of the arm where it can, as in the paper; the arm rests a little above. Of an
    arm that moves its tool in a plane only there is no spiral.

    Parameters
    ----------
    robot : RobotModel
    collision_free : callable, optional
        Whether the arm touches nothing of itself: bool (n,), of configurations (n, J). Default: not checked.
    seed : int
        Of the random configurations.
    max_search : float
        Time after which the best that was found is taken [s]; what has to be compiled first does not count.
    progress : callable, optional
        Called as progress(done, total).
    """
    # What is compiled at the first search is not to take the time of those that count.
    ModelBasedIK(robot).solve_path(robot.forward_kinematics(robot.rest)[None], robot.rest, timeout=COMPILING)
    search = _Search(robot, collision_free or _all_free, time.monotonic() + max_search)
    directions = directions_of(robot)
    configurations = _draw(robot, np.random.default_rng(seed))
    poses = robot.forward_kinematics(configurations)
    axis = _approach(robot)
    order = np.argsort(-_handiness(robot, poses, axis, directions), kind="stable")[:CLOSER]
    configurations, poses = configurations[order], poses[order]
    conditions = condition_numbers(robot, configurations, directions)
    score = _handiness(robot, poses, axis, directions) + np.minimum(1.0, 8.0 / conditions)
    score += np.minimum(1.0, _margins(robot, configurations) / 0.2)
    order = np.argsort(-score, kind="stable")[: TRIED if directions == ALL_DIRECTIONS else TRIED_OF_FEW]
    order = order[search.collision_free(configurations[order])]
    found: list[Posture] = []
    for number, index in enumerate(order):
        if progress is not None:
            progress(number, len(order))
        for placement in _placements(robot, poses[index], axis, directions):
            posture = _tried(search, configurations[index], placement, directions)
            if posture is not None:
                found.append(posture)
                break
        if len(found) == ENOUGH or search.over:
            break
    if progress is not None:
        progress(1, 1)
    complete = not search.over
    if found:
        best_posture = max(found, key=lambda one: min(one.margin / 0.2, 1.0) + min(10.0 / one.condition, 1.0))
        return replace(best_posture, complete=complete)
    best = configurations[order[0]] if len(order) else robot.rest
    rest = np.clip(np.round(best, 3), robot.lower, robot.upper)
    condition = float(condition_numbers(robot, rest, directions))
    return Posture(rest, None, float(_margins(robot, rest)), condition, bool(len(order)), complete)


@dataclass(frozen=True)
class _Search:
    """A robot, what it must not touch, and when to end."""

    robot: RobotModel
    collision_free: CollisionFree
    end: float

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.end


def _all_free(configurations: Array) -> np.ndarray:
    return np.ones(len(configurations), dtype=bool)


def _draw(robot: RobotModel, rng: np.random.Generator) -> Array:
    """Configurations (n, J) in the inner part of the limits."""
    lower, upper = np.maximum(robot.lower, -HALF_TURN), np.minimum(robot.upper, HALF_TURN)
    # Limits that lie beyond altogether are kept.
    outside = lower >= upper
    lower, upper = np.where(outside, robot.lower, lower), np.where(outside, robot.upper, upper)
    off = 0.1 * (upper - lower)
    return rng.uniform(lower + off, upper - off, (DRAWN, robot.dof))


def _approach(robot: RobotModel) -> Array:
    """Axis (3,) in the tip's frame along which the tool points: that of the last joint, away from the arm."""
    chain = robot.chain
    # The last of the merged frames leads from the last joint, whose axis is z, to the tip.
    along = chain.rotations[-1].T @ np.array([0.0, 0.0, 1.0])
    return -along if chain.translations[-1][2] < -1e-6 else along


def _handiness(robot: RobotModel, poses: Array, axis: Array, directions: int) -> Array:
    """How well tool poses (n, 4, 4) suit, at most 5: down, in front of the arm, not too near and not too far."""
    position = poses[:, :3, 3] - robot.anchor
    if directions < ALL_DIRECTIONS and _normal(robot) is not None:
        return np.exp(-(((np.linalg.norm(position, axis=1) / robot.reach - 0.45) / 0.1) ** 2))
    across = np.linalg.norm(position[:, :2], axis=1) / robot.reach
    height = poses[:, 2, 3] / robot.reach
    down = np.clip((poses[:, :3, :3] @ axis) @ DOWN, -1.0, 1.0)
    front = position[:, 0] / np.maximum(np.linalg.norm(position[:, :2], axis=1), 1e-9)
    near = np.exp(-(((across - 0.4) / 0.15) ** 2)) + np.exp(-(((height - 0.2) / 0.12) ** 2))
    return 2.0 * down + front + near


def _normal(robot: RobotModel) -> Array | None:
    """Normal (3,) of the plane that an arm moves its tool's position in; None where that is no plane."""
    samples = _draw(robot, np.random.default_rng(1))[:50]
    left, values, _ = np.linalg.svd(np.concatenate(list(robot.jacobian(samples)[:, :3, :]), axis=1))
    return left[:, 2] if values[1] > 1e-6 * values[0] and values[2] < 1e-6 * values[0] else None


def _margins(robot: RobotModel, configurations: Array) -> Array:
    """Distance (...) of configurations (..., J) from the nearest limit, as a share of its joint's range."""
    size = np.maximum(robot.upper - robot.lower, 1e-12)
    margins = np.minimum(configurations - robot.lower, robot.upper - configurations) / size
    return np.where(robot.continuous, 0.5, margins).min(axis=-1)


def _placements(robot: RobotModel, pose: Array, axis: Array, directions: int) -> Iterator[Placement]:
    """Places around a tool pose: with the tool pointing straight down, and as it is there."""
    radius = float(f"{RADIUS * robot.reach:.1g}")
    apart = max(round(APART * robot.reach, 2), 2.0 * radius)
    normal = _normal(robot)
    if normal is not None:
        turn = rotation_z_to(normal) @ matrix_from_euler([-np.pi / 2.0, 0.0, 0.0])
        yield Placement(
            None, _triple(pose[:3, 3], 9), _triple(_euler(turn), 9),
            _triple(_euler(pose[:3, :3]), 9), radius, 2.0 * radius,
        )  # fmt: skip
        return
    azimuth = np.arctan2(pose[1, 3] - robot.anchor[1], pose[0, 3] - robot.anchor[0])
    quarter = np.round(azimuth / (np.pi / 2.0)) * np.pi / 2.0
    azimuth = quarter if abs(azimuth - quarter) < 0.6 else azimuth
    outwards = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    across = float(np.hypot(*(pose[:2, 3] - robot.anchor[:2])))
    middle = np.array([*robot.anchor[:2], 0.0]) + across * outwards + [0.0, 0.0, pose[2, 3]]
    # The paper's spiral lies along y.
    turn_of_path = (0.0, 0.0, float(azimuth - np.pi / 2.0))
    upright = _upright(pose[:3, :3], axis)
    tools = [upright] if directions == ALL_DIRECTIONS else [upright, pose[:3, :3]]
    for tool in tools:
        for way in (apart, -apart):
            yield Placement(
                _triple(middle, 2), _triple(middle + way * outwards, 2), _triple(turn_of_path, 6),
                _triple(_euler(tool), 6), radius, 2.0 * radius,
            )  # fmt: skip


def _upright(rotation: Array, axis: Array) -> Array:
    """Rotation nearest to one (3, 3), about, with the tool's axis straight down, and turned by an eighth's multiple."""
    tool_to_axis = rotation_z_to(axis)
    held = rotation @ tool_to_axis
    angle = np.round(np.arctan2(held[1, 0], held[0, 0]) / (np.pi / 4.0)) * np.pi / 4.0
    return matrix_from_euler([0.0, 0.0, angle]) @ matrix_from_euler([np.pi, 0.0, 0.0]) @ tool_to_axis.T


def _tried(search: _Search, near: Array, placement: Placement, directions: int) -> Posture | None:
    """Posture with that placement, reached from a configuration ``near`` (J,); None where it is not good enough."""
    robot = search.robot.with_rest(near)
    paths = [place_trajectory(name, placement, POINTS) for name in placed_trajectories(placement)]
    above = paths[0][0].copy()
    above[:3, 3] = np.mean([path[:, :3, 3].mean(axis=0) for path in paths], axis=0)
    if _normal(robot) is None:
        above[2, 3] += max(LIFT * robot.reach, 2.0 * placement.radius)
    first, wanted = ModelBasedIK(robot, timeout=FIRST_PATIENCE), make_pose(above[:3, 3], above[:3, :3])
    solved = first.solve(wanted, near, task="full", max_joint_step=np.inf)
    if not solved.success:
        return None
    rest = np.clip(np.round(solved.configuration, 3), robot.lower, robot.upper)
    solver = ModelBasedIK(robot.with_rest(rest), timeout=PATIENCE)
    ways = []
    for path in paths:
        way = _followed(solver, path, rest, search)
        if way is None:
            return None
        ways.append(way)
    if any(np.abs(np.diff(way, axis=0)).max() > LARGEST_STEP for way in ways):
        return None
    everything = np.concatenate([rest[None], *ways])
    margin = float(_margins(robot, everything).min())
    condition = float(condition_numbers(robot, everything, directions).max())
    if margin < MARGIN or condition > WORST_CONDITION:
        return None
    free = bool(search.collision_free(everything[:: POINTS // 12]).all())
    return Posture(rest, placement, margin, condition, free) if free else None


def _followed(solver: ModelBasedIK, path: Array, start: Array, search: _Search) -> Array | None:
    """Configurations (n, J) along a path (n, 4, 4); None where a pose is not reached, or the time is over."""
    ways = []
    for part in np.array_split(path, PARTS):
        way = solver.solve_path(part, start, task="full")
        if search.over or not way.success.all():
            return None
        ways.append(way.configurations)
        start = way.configurations[-1]
    return np.concatenate(ways)


def _euler(rotation: Array) -> Array:
    """Roll, pitch and yaw; a tool that points along x as well, where roll and yaw turn about the same axis."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Gimbal lock", UserWarning)
        return euler_from_matrix(rotation)


def _triple(values: Array | tuple[float, float, float], digits: int) -> tuple[float, float, float]:
    # Adding 0 turns a negative zero.
    x, y, z = (round(float(value), digits) + 0.0 for value in values)
    return x, y, z
