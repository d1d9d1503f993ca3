"""Inverse kinematics on a robot model by selectively damped least squares."""

from __future__ import annotations

import time
from itertools import islice

import numpy as np
from numba import njit

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.estimators.baselines.base import Baseline
from crisp_ik_ros.estimators.hyperparameters import check_positive, check_whole
from crisp_ik_ros.estimators.training import configurations_of
from crisp_ik_ros.robots.chain import forward_kinematics_jacobian
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.result import IKResult
from crisp_ik_ros.solvers.sdls import selectively_damped_least_squares
from crisp_ik_ros.transforms import Array, compiled_rotation_logarithm


class SDLSIK(Baseline):
    """Selectively damped least squares (Buss and Kim 2005) on the model's forward kinematics.

    Buss and Kim move points. The orientation is here a second "end effector" beside the position: three rows with the
    rotation vector to the target, in which a joint's own motion counts by its angular column. Both are made comparable
    by ``length``, by which positions are divided. Redundancy is left to the start.

    Parameters
    ----------
    robot : RobotModel
    length : float, optional
        How far the tool moves for what counts as much as a turn of one radian [m]; default: half the robot's reach.
    largest_position_step : float, optional
        An error longer than this is shortened to it [m]; default: a quarter of the robot's reach.
    largest_orientation_step : float
        Likewise [rad].
    largest_angle : float
        That a joint turns in one iteration, the paper's gamma_max [rad] (a sliding joint: in lengths).
    limit : int
        Iterations of one start.
    starts : int
        The seed or the rest pose, then configurations drawn at random, until one gets there.
    position_tolerance, orientation_tolerance : float
        Largest errors of an answer [m, rad].
    timeout : float
        Seconds a request may take where it names none.
    random_state : int
        Seed of the random restarts.
    """

    def __init__(
        self,
        robot: RobotModel,
        length: float | None = None,
        largest_position_step: float | None = None,
        largest_orientation_step: float = 0.25 * np.pi,
        largest_angle: float = 0.25 * np.pi,
        limit: int = 200,
        starts: int = 10,
        position_tolerance: float = 1e-6,
        orientation_tolerance: float = 1e-5,
        timeout: float = 1.0,
        random_state: int = 0,
    ):
        self.robot = robot
        self.length = length
        self.largest_position_step = largest_position_step
        self.largest_orientation_step = largest_orientation_step
        self.largest_angle = largest_angle
        self.limit = limit
        self.starts = starts
        self.position_tolerance = position_tolerance
        self.orientation_tolerance = orientation_tolerance
        self.timeout = timeout
        self.random_state = random_state

    def fit(self, dataset: Dataset) -> SDLSIK:
        """Check hyperparameters and samples; there is nothing to learn, and requests may come without.

        Raises
        ------
        InvalidInputError
            When a hyperparameter is out of range.
        DatasetError
            When the samples are not this robot's.
        """
        self._check()
        configurations_of(self.robot, dataset)
        return self

    def _check(self) -> None:
        check_positive(optional=True, length=self.length, largest_position_step=self.largest_position_step)
        check_positive(
            largest_orientation_step=self.largest_orientation_step,
            largest_angle=self.largest_angle,
            position_tolerance=self.position_tolerance,
            orientation_tolerance=self.orientation_tolerance,
            timeout=self.timeout,
        )
        check_whole(1, limit=self.limit, starts=self.starts)
        check_whole(0, random_state=self.random_state)

    def _search(self, pose: Array, seed: Array | None, deadline: float) -> IKResult:
        self._check()
        robot = self.robot
        length = 0.5 * robot.reach if self.length is None else self.length
        # A reach of 0 is that of an arm that only turns on the spot.
        length = length if length > 0.0 else 1.0
        step = 0.5 * length if self.largest_position_step is None else self.largest_position_step
        task = _Task(robot, pose, length)
        # A continuous joint turns freely while solving; its angle is wrapped afterwards. Slides count in lengths.
        lower = np.where(robot.continuous, -np.inf, robot.lower) / task.units
        upper = np.where(robot.continuous, np.inf, robot.upper) / task.units
        # Beyond a hundredth of the tolerance there is nothing worth another iteration.
        tolerance = 0.01 * min(self.position_tolerance / length, self.orientation_tolerance)
        best: IKResult | None = None
        evaluations = 0
        for initial in islice(self._starts(pose, seed), self.starts):
            found = selectively_damped_least_squares(
                task,
                initial / task.units,
                lower,
                upper,
                np.array([step / length, self.largest_orientation_step]),
                self.largest_angle,
                self.limit,
                tolerance,
            )
            evaluations += found.iterations
            result = self._judged(pose, self.robot.confined(found.configuration * task.units), evaluations)
            if best is None or result.success or self._badness(result) < self._badness(best):
                best = result
            if result.success or time.monotonic() >= deadline:
                break
        assert best is not None
        return best

    def _badness(self, result: IKResult) -> float:
        return max(
            result.position_error / self.position_tolerance, result.orientation_error / self.orientation_tolerance
        )


class _Task:
    """Error (6,) to a pose and its Jacobian (6, J), positions and slides in lengths."""

    def __init__(self, robot: RobotModel, pose: Array, length: float):
        self.units = np.where(robot.chain.prismatic, length, 1.0)
        self._chain = robot.chain
        self._pose = np.ascontiguousarray(pose)
        self._scale = np.repeat([1.0 / length, 1.0], 3)
        self._scratch = (np.empty((3, 3)), np.empty(3), np.empty((robot.dof, 3)), np.empty((robot.dof, 3)))

    def __call__(self, y: Array) -> tuple[Array, Array]:
        error, jacobian = np.empty(6), np.empty((6, len(y)))
        _evaluate(self._chain, self._pose, y * self.units, error, jacobian, *self._scratch)
        return error * self._scale, jacobian * self._scale[:, None] * self.units


@njit(cache=True)
def _evaluate(chain, pose, q, error, jacobian, rotation, position, axes, origins):
    forward_kinematics_jacobian(chain, q, rotation, position, jacobian, axes, origins)
    error[:3] = pose[:3, 3] - position
    compiled_rotation_logarithm(np.ascontiguousarray(pose[:3, :3]) @ rotation.T, error[3:])
