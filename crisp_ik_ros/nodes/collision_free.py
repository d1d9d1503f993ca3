"""Solutions in which the arm does not touch itself."""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.result import IKResult, Status
from crisp_ik_ros.transforms import Array

# Other starts are drawn farther and farther from the seed: all over the limits after so many of them.
TRIES_TO_THE_LIMITS = 20
# Where so many solutions touch, there is none to be had.
MOST_TRIES = 200


class SelfCollisionCheck:
    """Tells whether an arm touches itself, by PyBullet; for several threads.

    Parameters
    ----------
    urdf : Path
        Its shapes; joints beside the chain, such as fingers, stay where they are at zero.
    robot : RobotModel

    Raises
    ------
    MissingDependencyError
        When pybullet is not installed.
    SimulationError
        When PyBullet cannot load the URDF, or it is of another robot.
    """

    def __init__(self, urdf: Path, robot: RobotModel):
        # Imported here: nothing else that is served needs a simulator.
        from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm

        self._lock = threading.Lock()
        self._arm = PyBulletArm(urdf, robot, gravity=False)
        weakref.finalize(self, self._arm.close)
        # The first takes longer: which links may touch is found out.
        self.free(robot.rest)

    def free(self, configuration: Array) -> bool:
        """Whether the arm touches itself nowhere at a configuration (J,) [rad or m]."""
        with self._lock:
            return bool(self._arm.collision_free(configuration[None])[0])


def self_collision_check(urdf: Path, robot: RobotModel) -> tuple[SelfCollisionCheck | None, str]:
    """Return the check for a robot; or None, and why there is none."""
    try:
        return SelfCollisionCheck(urdf, robot), ""
    except CrispIKError as error:
        return None, str(error)


def solve_free(
    estimator: InverseKinematics,
    pose: Array,
    start: Array | None,
    timeout: float,
    is_free: Callable[[Array], bool],
    options: dict[str, Any] | None = None,
) -> tuple[IKResult, int]:
    """Solve a pose (4, 4) such that the arm does not touch itself.

    The first start is the caller's; the others are drawn, farther and farther from it, always the same ones.

    Parameters
    ----------
    estimator : InverseKinematics
    pose : (4, 4)
        Of the tip, base frame [m].
    start : (J,) or None
    timeout : float
        For all of it [s].
    is_free : callable
        Whether a configuration (J,) may be an answer.
    options : dict, optional
        Arguments of ``InverseKinematics.solve``. Other starts may lead to any branch, unless a step is bounded.

    Returns
    -------
    IKResult
        Of the last start; without success where that one is no answer.
    int
        Solutions that were found and are no answer.
    """
    robot = estimator.robot
    deadline = time.monotonic() + timeout
    rng = np.random.default_rng(0)
    center = robot.rest if start is None else start
    options = options or {}
    result, refused = estimator.solve(pose, start, timeout, **options), 0
    bounded = options.get("max_joint_step") is not None
    # A bounded step counts from the caller's seed: then only that answers.
    elsewhere = {**options, "max_joint_step": math.inf, "nearest": False}
    while result.success and not is_free(result.configuration):
        refused += 1
        remaining = deadline - time.monotonic()
        if remaining <= 0.0 or refused >= MOST_TRIES or (bounded and not math.isinf(options["max_joint_step"])):
            return result._replace(success=False, status=Status.NO_SOLUTION), refused
        share = min(1.0, refused / TRIES_TO_THE_LIMITS)
        other = center + share * (robot.random_configurations(1, rng)[0] - center)
        result = estimator.solve(pose, np.clip(other, robot.lower, robot.upper), remaining, **elsewhere)
    return result, refused
