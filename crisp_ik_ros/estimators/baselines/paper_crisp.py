"""The paper's estimator as printed: all scores, Euler angles, wrapped squares, and the sum over the training set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import InvalidInputError, NotFittedError
from crisp_ik_ros.estimators.baselines.base import learned_answer
from crisp_ik_ros.estimators.training import configurations_of, support_of
from crisp_ik_ros.regression.kernel_ridge import KernelRidge
from crisp_ik_ros.regression.kernels import GaussianKernel, Kernel
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.lbfgsb import lbfgsb
from crisp_ik_ros.solvers.result import PathResult
from crisp_ik_ros.transforms import Array, check_pose, euler_from_matrix

# The authors' kernel: width 0.5 on (20 p, rpy).
PAPER_KERNEL = GaussianKernel(0.5 / 20.0, 0.5, "euler")
LOSSES = ("forward_kinematics", "radians")


class PaperCRiSP:
    """CRiSP-FK and CRiSP-R of the paper: Algorithm 1 with the losses (4) and (5), minimised by L-BFGS-B.

    Orientations are fixed-axis roll, pitch, yaw, each compared by the wrapped square (5). Every evaluation of the
    objective sums over all n samples, and every prediction solves an n x n system: it is the reference that ``CRiSP``
    collapses.

    Parameters
    ----------
    robot : RobotModel
        The model g~, possibly wrong.
    loss : {"forward_kinematics", "radians"}
    kernel : Kernel
    penalty : float

    Attributes
    ----------
    regression_ : KernelRidge
        Holds the factorised kernel matrix.
    configurations_ : (n, J)
    embedding_ : (n, 6) or (n, J)
        Position and Euler angles of the model at the samples, or the configurations.
    """

    def __init__(
        self,
        robot: RobotModel,
        loss: str = "forward_kinematics",
        kernel: Kernel = PAPER_KERNEL,
        penalty: float = 1e-6,
    ):
        self.robot = robot
        self.loss = loss
        self.kernel = kernel
        self.penalty = penalty

    def fit(self, dataset: Dataset) -> PaperCRiSP:
        """Factorise the kernel matrix of the samples' poses.

        Raises
        ------
        InvalidInputError
            When a hyperparameter is out of range.
        DatasetError
            When the samples are not this robot's.
        RegressionError
            When the kernel matrix is singular.
        """
        if self.loss not in LOSSES:
            raise InvalidInputError("loss", repr(self.loss), " or ".join(map(repr, LOSSES)))
        dataset.require_poses("PaperCRiSP")
        configurations = configurations_of(self.robot, dataset)
        self.regression_ = KernelRidge(self.kernel, self.penalty).fit(dataset.poses, np.ones((len(dataset), 1)))
        self.configurations_ = configurations
        self.embedding_ = self._embed(configurations)
        return self

    def with_model(self, robot: RobotModel, loss: str | None = None) -> PaperCRiSP:
        """Return the estimator that ``fit`` would give with another model or loss; the factorisation is shared."""
        self._check_fitted()
        other = PaperCRiSP(robot, self.loss if loss is None else loss, self.kernel, self.penalty)
        other.regression_, other.configurations_ = self.regression_, self.configurations_
        other.embedding_ = other._embed(self.configurations_)
        return other

    def scores(self, poses: ArrayLike) -> Array:
        """Scores a(x) (k, n) of the training samples at poses (k, 4, 4)."""
        self._check_fitted()
        return self.regression_.scores(check_pose(poses).reshape(-1, 4, 4))

    def objective(self, scores: Array) -> Callable[[Array], tuple[float, Array]]:
        """F(y) of equation (3) and its gradient (J,), as a function of y (J,), for scores (n,)."""
        embedding, joint_space = self.embedding_, self.loss == "radians"

        def value_and_gradient(y: Array) -> tuple[float, Array]:
            if joint_space:
                value, slope = _weighted_sum(y, embedding, scores, 0)
                return value, slope
            value, slope = _weighted_sum(self._embed(y[None])[0], embedding, scores, 3)
            return value, self._jacobian(y).T @ slope

        return value_and_gradient

    def solve_path(self, poses: ArrayLike, seed: ArrayLike | None = None, scores: Array | None = None) -> PathResult:
        """Solve poses (k, 4, 4) in turn, each started from the last solution.

        The first starts from the seed, or else from the sample of the largest score, as the authors do. ``scores``
        (k, n) may be given where they are known.
        """
        poses = check_pose(poses, "poses")
        if poses.ndim != 3:
            raise InvalidInputError("poses", f"shape {poses.shape}", "(n, 4, 4)")
        scores = self.scores(poses) if scores is None else scores
        last = self.configurations_[np.argmax(scores[0])] if seed is None else self.robot.check_configuration(seed)
        results = []
        for pose, weights in zip(poses, scores, strict=True):
            found = lbfgsb(self.objective(weights), last, self.robot.lower, self.robot.upper, tolerance=1e-12)
            last = found.configuration
            results.append(learned_answer(self.robot, pose, last, support_of(weights.sum()), found.iterations))
        return PathResult.from_results(results, self.robot.dof)

    def _embed(self, configurations: Array) -> Array:
        if self.loss == "radians":
            return configurations
        poses = self.robot.forward_kinematics(configurations)
        return np.hstack([poses[:, :3, 3], euler_from_matrix(poses[:, :3, :3])])

    def _jacobian(self, y: Array) -> Array:
        """Jacobian (6, J) of position and Euler angles."""
        jacobian = self.robot.jacobian(y)
        roll_pitch_yaw = self._embed(y[None])[0, 3:]
        jacobian[3:] = euler_rates(roll_pitch_yaw) @ jacobian[3:]
        return jacobian

    def _check_fitted(self) -> None:
        if not hasattr(self, "regression_"):
            raise NotFittedError("call fit first")


def euler_rates(euler: Array) -> Array:
    """Matrix (3, 3) from angular velocity, base frame, to the rates of fixed-axis roll, pitch, yaw (3,) [rad]."""
    _, pitch, yaw = euler
    velocity = np.array(
        [
            [np.cos(pitch) * np.cos(yaw), -np.sin(yaw), 0.0],
            [np.cos(pitch) * np.sin(yaw), np.cos(yaw), 0.0],
            [-np.sin(pitch), 0.0, 1.0],
        ]
    )
    # At a pitch of 90 degrees the angles have no rates; the least squares solution keeps the minimiser going.
    return np.linalg.pinv(velocity)


@njit(cache=True)
def _weighted_sum(point, samples, scores, first_angle):
    """Sum of a_i loss_i and its gradient (D,): coordinates from ``first_angle`` on are angles, by equation (5)."""
    count, dimension = samples.shape
    value = 0.0
    gradient = np.zeros(dimension)
    for i in range(count):
        total = 0.0
        for d in range(dimension):
            difference = point[d] - samples[i, d]
            if d >= first_angle:
                difference -= 2.0 * np.pi * np.round(difference / (2.0 * np.pi))
            total += difference * difference
            gradient[d] += 2.0 * scores[i] * difference
        value += scores[i] * total
    return value, gradient
