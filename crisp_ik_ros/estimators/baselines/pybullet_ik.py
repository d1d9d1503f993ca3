"""PyBullet's null-space damped least squares, as the paper's authors ran it."""

from __future__ import annotations

import threading
from typing import Protocol

from numpy.typing import ArrayLike

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.estimators.baselines.base import Baseline
from crisp_ik_ros.estimators.hyperparameters import check_positive, check_whole
from crisp_ik_ros.estimators.training import configurations_of
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.result import IKResult
from crisp_ik_ros.transforms import Array


class Arm(Protocol):
    """What is needed of a simulated arm."""

    robot: RobotModel

    def inverse_kinematics(
        self, pose: ArrayLike, seed: ArrayLike, rest: ArrayLike | None, iterations: int, residual: float
    ) -> Array:
        """Return the configuration (J,) that the simulator's solver finds for a pose (4, 4)."""


class PyBulletIK(Baseline):
    """PyBullet's ``calculateInverseKinematics`` with null-space arguments.

    The paper calls it SDLS; with limits, ranges and rest pose given, PyBullet runs damped least squares with a pull
    towards the rest pose that is never taken back. Its answers are where the two balance: some tenths of a millimetre
    to millimetres off the target however long it runs (the "SDLS" rows of the paper's Table 2 at no bias), and the same
    from wherever it starts. Hence the wide tolerances.

    Parameters
    ----------
    arm : PyBulletArm
        Simulated arm whose kinematics are the model; one without offsets, to compare with systems that have the same
        model. Not shared between threads that do other things with it.
    rest : (J,), optional
        Rest pose; default: the robot's.
    iterations : int
        Of the solver, for each request (20000: the authors').
    residual : float
        At which the solver would end (1e-5: the authors').
    warm_start : bool
        Start from the seed, and along a path from the last answer; else from the rest pose every time (the authors').
    position_tolerance, orientation_tolerance : float
        Largest errors of an answer [m, rad].
    """

    def __init__(
        self,
        arm: Arm,
        rest: ArrayLike | None = None,
        iterations: int = 20000,
        residual: float = 1e-5,
        warm_start: bool = False,
        position_tolerance: float = 1e-2,
        orientation_tolerance: float = 1e-2,
    ):
        self.arm = arm
        self.rest = rest
        self.iterations = iterations
        self.residual = residual
        self.warm_start = warm_start
        self.position_tolerance = position_tolerance
        self.orientation_tolerance = orientation_tolerance
        self._turn = threading.Lock()

    @property
    def robot(self) -> RobotModel:  # type: ignore[override]
        """Model that the answers are judged by: the arm's."""
        return self.arm.robot

    def fit(self, dataset: Dataset) -> PyBulletIK:
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
        check_whole(1, iterations=self.iterations)
        check_positive(
            residual=self.residual,
            position_tolerance=self.position_tolerance,
            orientation_tolerance=self.orientation_tolerance,
        )

    def _search(self, pose: Array, seed: Array | None, deadline: float) -> IKResult:
        self._check()
        rest = self.robot.rest if self.rest is None else self.check_seed(self.rest)
        start = seed if self.warm_start and seed is not None else rest
        with self._turn:  # one simulation, one request at a time
            found = self.arm.inverse_kinematics(pose, start, rest, self.iterations, self.residual)
        return self._judged(pose, self.robot.confined(found), self.iterations)
