"""Kinematic calibration: joint and link offsets by least squares, then inverse kinematics on the calibrated model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import NotFittedError
from crisp_ik_ros.estimators.hyperparameters import check_positive, check_whole
from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.estimators.training import configurations_of
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.result import IKResult, PathResult
from crisp_ik_ros.transforms import Array, pose_error, rotation_exponential

# Samples whose derivatives are held in memory at a time.
BLOCK = 4000
# Change of all parameters below which the fit ends [rad, m].
SMALLEST_CHANGE = 1e-12


class KinematicCalibration:
    """Fit the offsets that ``RobotModel.with_bias`` takes, and solve on the robot that has them.

    Minimised over the joint offsets (J,) and link offsets (joints of the chain, 3), by Levenberg-Marquardt with
    analytic derivatives: the mean over the samples of |e|^2 plus ``ridge`` |offsets|^2, where e is the pose error
    between measurement and model, its position divided by a metre and its rotation by a radian. Some offsets cannot be
    told apart (a joint's shift along its axis from the next one's, shifts along a chain of fixed joints, whatever a
    small region of samples does not show): among these the ridge takes the smallest.

    Parameters
    ----------
    robot : RobotModel
        The model to correct.
    ridge : float
        Weight of the offsets' squares [m^-2, rad^-2]; with noisy data in a small region, more of it helps.
    limit : int
        Largest number of iterations.
    null_space_weight, position_tolerance, orientation_tolerance, timeout, random_state
        As in ``ModelBasedIK``.

    Attributes
    ----------
    joint_offsets_ : (J,)
        [rad or m].
    link_offsets_ : (number of joints in the chain, 3)
        [m].
    robot_ : RobotModel
        With these offsets.
    position_rms_, orientation_rms_ : (float, float)
        Root mean square errors of the model on the samples, before and after [m, rad].
    iterations_ : int
    """

    def __init__(
        self,
        robot: RobotModel,
        ridge: float = 1e-10,
        limit: int = 50,
        null_space_weight: float = 0.03,
        position_tolerance: float = 1e-6,
        orientation_tolerance: float = 1e-5,
        timeout: float = 0.05,
        random_state: int = 0,
    ):
        self.robot = robot
        self.ridge = ridge
        self.limit = limit
        self.null_space_weight = null_space_weight
        self.position_tolerance = position_tolerance
        self.orientation_tolerance = orientation_tolerance
        self.timeout = timeout
        self.random_state = random_state

    def fit(self, dataset: Dataset) -> KinematicCalibration:
        """Learn from samples of the real robot.

        Raises
        ------
        InvalidInputError
            When a hyperparameter is out of range.
        DatasetError
            When the samples are not this robot's.
        """
        check_positive(
            ridge=self.ridge,
            position_tolerance=self.position_tolerance,
            orientation_tolerance=self.orientation_tolerance,
            timeout=self.timeout,
        )
        check_whole(1, limit=self.limit)
        check_whole(0, random_state=self.random_state)
        dataset.require_poses("KinematicCalibration")
        configurations = configurations_of(self.robot, dataset)
        offsets, iterations = self._least_squares(configurations, dataset.poses)
        joint_offsets, link_offsets = self._parts(offsets)
        calibrated = self.robot.with_bias(joint_offsets, link_offsets)
        before = _root_mean_squares(self.robot, configurations, dataset.poses)
        after = _root_mean_squares(calibrated, configurations, dataset.poses)
        self.joint_offsets_, self.link_offsets_, self.robot_ = joint_offsets, link_offsets, calibrated
        self.position_rms_ = (before[0], after[0])
        self.orientation_rms_ = (before[1], after[1])
        self.iterations_ = iterations
        self._solver = ModelBasedIK(
            calibrated,
            null_space_weight=self.null_space_weight,
            position_tolerance=self.position_tolerance,
            orientation_tolerance=self.orientation_tolerance,
            timeout=self.timeout,
            random_state=self.random_state,
        )
        return self

    def solve(self, pose: ArrayLike, seed: ArrayLike | None = None, timeout: float | None = None) -> IKResult:
        """As ``ModelBasedIK.solve``, on the calibrated robot; NotFittedError before ``fit``."""
        return self._fitted().solve(pose, seed, timeout)

    def solve_path(self, poses: ArrayLike, seed: ArrayLike | None = None) -> PathResult:
        """As ``ModelBasedIK.solve_path``, on the calibrated robot; NotFittedError before ``fit``."""
        return self._fitted().solve_path(poses, seed)

    def errors(self, poses: ArrayLike, configurations: ArrayLike) -> tuple[Array, Array]:
        """As ``ModelBasedIK.errors``, of the calibrated robot; NotFittedError before ``fit``."""
        return self._fitted().errors(poses, configurations)

    def _fitted(self) -> ModelBasedIK:
        if not hasattr(self, "robot_"):
            raise NotFittedError("call fit first")
        return self._solver

    def _parts(self, offsets: Array) -> tuple[Array, Array]:
        return offsets[: self.robot.dof], offsets[self.robot.dof :].reshape(-1, 3)

    def _least_squares(self, configurations: Array, poses: Array) -> tuple[Array, int]:
        offsets = np.zeros(self.robot.dof + 3 * len(self.robot.joints))
        robot = self.robot
        cost = self._cost(robot, offsets, configurations, poses)
        damping, iteration = 1e-12, 0
        normal, gradient = self._normal_equations(robot, offsets, configurations, poses)
        while iteration < self.limit:
            iteration += 1
            scale = damping * normal.diagonal().max()
            change = np.linalg.solve(normal + scale * np.eye(len(offsets)), gradient)
            trial = offsets + change
            candidate = self.robot.with_bias(*self._parts(trial))
            trial_cost = self._cost(candidate, trial, configurations, poses)
            if trial_cost < cost:
                offsets, robot, cost = trial, candidate, trial_cost
                damping = max(0.1 * damping, 1e-15)
                normal, gradient = self._normal_equations(robot, offsets, configurations, poses)
            else:
                # At the solution rounding decides on better or worse: that is no reason to go on.
                damping = 100.0 * damping
            if np.abs(change).max() < SMALLEST_CHANGE or damping > 1.0:
                break
        return offsets, iteration

    def _cost(self, robot: RobotModel, offsets: Array, configurations: Array, poses: Array) -> float:
        error = pose_error(poses, robot.forward_kinematics(configurations))
        return float((error**2).sum() / len(error) + self.ridge * (offsets @ offsets))

    def _normal_equations(
        self, robot: RobotModel, offsets: Array, configurations: Array, poses: Array
    ) -> tuple[Array, Array]:
        """Half the Gauss-Newton Hessian of the cost, and half its negative gradient."""
        normal = self.ridge * np.eye(len(offsets))
        gradient = -self.ridge * offsets
        count = len(configurations)
        for rows in _blocks(count):
            error = pose_error(poses[rows], robot.forward_kinematics(configurations[rows])).ravel()
            derivative = pose_derivatives(robot, configurations[rows]).reshape(len(error), -1)
            normal += derivative.T @ derivative / count
            gradient += derivative.T @ error / count
        return normal, gradient


def pose_derivatives(robot: RobotModel, configurations: Array) -> Array:
    """How the tool moves with the offsets of ``RobotModel.with_bias``.

    Parameters
    ----------
    robot : RobotModel
        At which the derivatives are taken.
    configurations : (n, J)

    Returns
    -------
    (n, 6, J + 3 * number of joints in the chain)
        Linear and angular motion, base frame, with the joint offsets (the geometric Jacobian), then with x, y, z of
        each link offset.
    """
    count, dof = configurations.shape
    derivative = np.zeros((count, 6, dof + 3 * len(robot.joints)))
    derivative[:, :, :dof] = robot.jacobian(configurations)
    rotation = np.broadcast_to(np.eye(3), (count, 3, 3))
    movable = 0
    for k, joint in enumerate(robot.joints):
        # A link offset is a shift in the parent link's frame.
        derivative[:, :3, dof + 3 * k : dof + 3 * k + 3] = rotation
        rotation = rotation @ joint.origin[:3, :3]
        if joint.movable:
            if joint.kind != "prismatic":
                rotation = rotation @ rotation_exponential(configurations[:, movable, None] * joint.axis)
            movable += 1
    return derivative


def _root_mean_squares(robot: RobotModel, configurations: Array, poses: Array) -> tuple[float, float]:
    squares = pose_error(poses, robot.forward_kinematics(configurations)) ** 2
    return float(np.sqrt(squares[:, :3].sum(axis=1).mean())), float(np.sqrt(squares[:, 3:].sum(axis=1).mean()))


def _blocks(count: int) -> Iterator[slice]:
    for begin in range(0, count, BLOCK):
        yield slice(begin, min(begin + BLOCK, count))
