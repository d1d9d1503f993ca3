"""Configurations that a real arm could be measured at: within limits, in sight, and touching nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import InvalidInputError, SimulationError
from crisp_ik_ros.estimators.hyperparameters import check_not_negative, check_whole
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.simulation.arm_process import ArmProcess
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.transforms import Array

# Configurations drawn at a time, and how many may be drawn for each that is wanted.
BLOCK = 500
PATIENCE = 100


def draw_candidates(
    arm: PyBulletArm | ArmProcess,
    count: int,
    seed: int = 0,
    kinematics: RobotModel | None = None,
    margin: float = 0.02,
    box: ArrayLike | None = None,
    floor: float | None = None,
    clearance: float = 0.02,
    progress: Callable[[int, int], None] | None = None,
    max_time: float = np.inf,
    fewest: int | None = None,
) -> Array:
    """Draw configurations (count, J), uniform within the limits, that an arm can be measured at.

    Parameters
    ----------
    arm : PyBulletArm or ArmProcess
        Its shapes are what must not touch.
    count : int
    seed : int
        The same seed gives the same configurations.
    kinematics : RobotModel, optional
        Where the tip is. Default: the arm's nominal model.
    margin : float
        Distance from each limit, as a share of the joint's range. Joints that turn without end need none.
    box : (2, 3), optional
        Lowest and highest corner of where the tip may be, base frame [m].
    floor : float, optional
        Height that all links, and the tip, stay above, along the base link's z axis [m].
    clearance : float
        Distance that links keep from each other and from the floor [m].
    progress : callable, optional
        Called as progress(done, count).
    max_time : float
        Time after which no more are drawn [s], once there are ``fewest``.
    fewest : int, optional
        Number that will do where the time is over. Default: ``count``.

    Raises
    ------
    InvalidInputError
        When an argument is out of range.
    SimulationError
        When hardly any configuration is allowed.
    """
    robot = arm.robot
    check_whole(1, count=count)
    check_whole(0, seed=seed)
    check_not_negative(clearance=clearance, margin=margin)
    if margin >= 0.5:
        raise InvalidInputError("margin", margin, "a share of the joints' ranges below 0.5")
    corners = _box(box)
    if floor is not None:
        if not np.isfinite(floor):
            raise InvalidInputError("floor", floor, "a height in metres")
        corners[0, 2] = max(corners[0, 2], floor)
    off = np.where(robot.continuous, 0.0, margin) * (robot.upper - robot.lower)
    lower, upper = robot.lower + off, robot.upper - off
    rng = np.random.default_rng(seed)
    kept: list[Array] = []
    done = drawn = 0
    end = time.monotonic() + max_time
    while done < count and (done < (fewest or count) or time.monotonic() < end):
        configurations = rng.uniform(lower, upper, (BLOCK, robot.dof))
        drawn += BLOCK
        tips = (kinematics or robot).forward_kinematics(configurations)[:, :3, 3]
        configurations = configurations[np.all((tips >= corners[0]) & (tips <= corners[1]), axis=1)]
        if len(configurations):
            configurations = configurations[arm.collision_free(configurations, clearance, floor)]
        kept.append(configurations[: count - done])
        done += len(kept[-1])
        if done < count and drawn >= PATIENCE * max(count, BLOCK):
            raise SimulationError(
                f"only {done} of {drawn} random configurations are allowed, {count} are wanted; make the box larger, "
                "the floor lower or the clearance smaller, or ask for fewer candidates"
            )
        if progress is not None:
            progress(done, count)
    return np.concatenate(kept)


def _box(box: ArrayLike | None) -> Array:
    """Lowest and highest corner (2, 3) of a box, or of all there is."""
    if box is None:
        return np.array([[-np.inf] * 3, [np.inf] * 3])
    corners = np.array(box, dtype=float)
    if corners.shape != (2, 3) or np.isnan(corners).any() or np.any(corners[0] >= corners[1]):
        raise InvalidInputError("box", corners.tolist(), "its lowest and its highest corner, (2, 3) metres")
    return corners
