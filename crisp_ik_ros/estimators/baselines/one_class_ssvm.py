"""One-class structured SVM: inverse kinematics as the support of poses and configurations together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import InvalidInputError, NotFittedError
from crisp_ik_ros.estimators.baselines.base import Baseline, learned_answer
from crisp_ik_ros.estimators.baselines.features import PoseFeatures
from crisp_ik_ros.estimators.baselines.scikit import fit_one_class_svm
from crisp_ik_ros.estimators.hyperparameters import check_positive, check_whole
from crisp_ik_ros.estimators.training import configurations_of
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.lbfgsb import lbfgsb
from crisp_ik_ros.solvers.result import IKResult
from crisp_ik_ros.transforms import Array, check_pose

DECODING_TOLERANCE = 1e-9
# exp(-50) times the number of support vectors is below rounding.
NEGLIGIBLE = 50.0


class OneClassStructuredSVM(Baseline):
    """One-class SVM on joint features of pose and configuration (Bocsi, Nguyen-Tuong, Csato, Schoelkopf, Peters,
    "Learning inverse kinematics with structured prediction", IROS 2011).

    The decision function D(x, y) = sum_s c_s k(psi(x, y), psi_s) - offset is large where pairs of pose x and
    configuration y were seen; the answer to x is the y of the joint box that maximises it, found by L-BFGS-B from the
    last answer, so that along a path one branch is followed.

    The joint kernel is our choice: Gaussian on psi(x, y), the standardised pose divided by ``pose_width`` beside
    (cos y_j, sin y_j) divided by ``joint_width``, which has no seam at 180 degrees (a sliding joint: its position, in
    half ranges). So it is a product of a kernel of poses and one of configurations, and a request weighs every support
    vector by the former once. Maximised is the logarithm of the sum: same maximum, but its gradient does not vanish far
    from the data.

    Parameters
    ----------
    robot : RobotModel
        Its joints and limits. Its kinematics serve to say how far an answer is from the target, not to find it.
    nu : float
        Smallest share of the samples that become support vectors, 0 to 1.
    pose_width : float
        Width of the kernel of poses, in deviations of the training poses.
    joint_width : float
        Width of the kernel of configurations [about rad].
    orientation : {"euler", "chordal"}
        How the orientation enters: Euler angles as in the paper, or the rotation matrix.
    starts : int
        Where there is no seed: number of support vectors near the pose to start from; the best maximum is taken.
    limit : int
        Largest number of iterations of L-BFGS-B.
    cache : float
        Memory that training may use for rows of the kernel matrix [MB].
    tolerance : float
        Of the optimality conditions in training.
    random_state : int
        Not used, training and prediction draw nothing; here so that all systems can be made alike.

    Attributes
    ----------
    features_ : PoseFeatures
    support_indices_ : (S,) int
        Which samples are the support vectors.
    coefficients_ : (S,)
        Above 0.
    offset_ : float
    support_poses_ : (S, F)
        Pose part of psi.
    support_configurations_ : (S, J)
        Within the limits [rad or m].
    """

    def __init__(
        self,
        robot: RobotModel,
        nu: float = 0.1,
        pose_width: float = 0.1,
        joint_width: float = 0.5,
        orientation: str = "euler",
        starts: int = 5,
        limit: int = 200,
        cache: float = 500.0,
        tolerance: float = 1e-3,
        random_state: int = 0,
    ):
        self.robot = robot
        self.nu = nu
        self.pose_width = pose_width
        self.joint_width = joint_width
        self.orientation = orientation
        self.starts = starts
        self.limit = limit
        self.cache = cache
        self.tolerance = tolerance
        self.random_state = random_state

    def fit(self, dataset: Dataset) -> OneClassStructuredSVM:
        """Learn from samples of the real robot.

        Raises
        ------
        InvalidInputError
            When a hyperparameter is out of range.
        DatasetError
            When the samples are not this robot's.
        MissingDependencyError
            When scikit-learn is not installed.
        """
        check_positive(
            nu=self.nu,
            pose_width=self.pose_width,
            joint_width=self.joint_width,
            cache=self.cache,
            tolerance=self.tolerance,
        )
        if self.nu > 1.0:
            raise InvalidInputError("nu", self.nu, "a share of the samples, above 0 and at most 1")
        check_whole(1, starts=self.starts, limit=self.limit)
        check_whole(0, random_state=self.random_state)
        # A sample may read a little beyond its limit; answers may not.
        dataset.require_poses("OneClassStructuredSVM")
        configurations = self.robot.confined(configurations_of(self.robot, dataset))
        features = PoseFeatures.of(dataset.poses, self.orientation)
        poses = features(dataset.poses) / self.pose_width
        joint = np.hstack([poses, _embed(configurations / self._units, self._sliding) / self.joint_width])
        indices, coefficients, offset = fit_one_class_svm(joint, self.nu, self.cache, self.tolerance)
        self.features_ = features
        self.support_indices_ = indices
        self.coefficients_ = coefficients
        self.offset_ = offset
        self.support_poses_ = poses[indices]
        self.support_configurations_ = configurations[indices]
        self.fitted_widths_ = (float(self.pose_width), float(self.joint_width))
        return self

    def decision(self, pose: ArrayLike, configurations: ArrayLike) -> Array:
        """Decision function (n,) at a pose (4, 4) and configurations (n, J); 0 on the border of the support.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        objective = self.objective(pose)
        configurations = self.robot.check_configuration(configurations, "configurations").reshape(-1, self.robot.dof)
        logarithms = np.array([-objective(configuration)[0] for configuration in configurations])
        return np.exp(logarithms) - self.offset_

    def objective(self, pose: ArrayLike) -> Callable[[Array], tuple[float, Array]]:
        """Return what is minimised at a pose (4, 4): y (J,) -> -log(D + offset) and its gradient (J,).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        return self._objective(self._log_weights(check_pose(pose)))

    def _objective(self, log_weights: Array) -> Callable[[Array], tuple[float, Array]]:
        units, sliding = self._units, self._sliding
        precision = 1.0 / self.fitted_widths_[1] ** 2
        # No two configurations are farther apart than this in exponents, so what is left out counts for less than
        # rounding wherever y is.
        farthest = 2.0 * self.robot.dof * precision
        kept = log_weights > log_weights.max() - farthest - NEGLIGIBLE
        log_weights = log_weights[kept]
        cosines, sines = np.hsplit(_embed(self.support_configurations_[kept] / units, sliding), 2)
        cosines, sines = np.ascontiguousarray(cosines), np.ascontiguousarray(sines)

        def value_and_gradient(y: Array) -> tuple[float, Array]:
            gradient = np.empty(len(y))
            value = _negative_log_sum(log_weights, cosines, sines, sliding, precision, y / units, gradient)
            return value, gradient / units

        return value_and_gradient

    def _log_weights(self, pose: Array) -> Array:
        """Logarithms (S,) of each coefficient times its kernel of poses."""
        if not hasattr(self, "coefficients_"):
            raise NotFittedError("call fit first")
        feature = self.features_(pose[None])[0] / self.fitted_widths_[0]
        return np.log(self.coefficients_) - 0.5 * ((self.support_poses_ - feature) ** 2).sum(axis=1)

    def _search(self, pose: Array, seed: Array | None, deadline: float) -> IKResult:
        log_weights = self._log_weights(pose)
        objective = self._objective(log_weights)
        if seed is None:
            count = min(self.starts, len(log_weights))
            initials = self.support_configurations_[np.argsort(-log_weights, kind="stable")[:count]]
        else:
            initials = seed[None]
        best, cost, evaluations = initials[0], np.inf, 0
        # A continuous joint turns freely while solving; its angle is wrapped afterwards.
        lower = np.where(self.robot.continuous, -np.inf, self.robot.lower)
        upper = np.where(self.robot.continuous, np.inf, self.robot.upper)
        for initial in initials:
            result = lbfgsb(objective, initial, lower, upper, self.limit, DECODING_TOLERANCE)
            evaluations += result.iterations
            if result.cost < cost:
                best, cost = result.configuration, result.cost
        support = float(np.exp((log_weights - np.log(self.coefficients_)).max()))
        return learned_answer(self.robot, pose, self.robot.confined(best), support, evaluations)

    @property
    def _sliding(self) -> np.ndarray:
        return np.asarray(self.robot.chain.prismatic)

    @property
    def _units(self) -> Array:
        """What a joint's position is divided by: half its range where it slides."""
        half = 0.5 * (self.robot.upper - self.robot.lower)
        return np.where(self._sliding & (half > 0.0), half, 1.0)


def _embed(configurations: Array, sliding: np.ndarray) -> Array:
    """Joint features (n, 2 J): cosine and sine, or the position itself and 0."""
    cosine = np.where(sliding, configurations, np.cos(configurations))
    return np.hstack([cosine, np.where(sliding, 0.0, np.sin(configurations))])


@njit(cache=True)
def _negative_log_sum(log_weights, cosines, sines, sliding, precision, y, gradient):
    """Return -log sum_s exp(log_weights_s - precision d_s^2 / 2), and write its gradient to ``gradient`` (J,).

    ``cosines`` and ``sines`` (S, J) are those of the support vectors' joints; of a sliding joint the position and 0.
    """
    count, joints = cosines.shape
    exponents, differences = np.empty(count), np.empty((count, joints))
    largest = -np.inf
    cosine, sine = np.cos(y), np.sin(y)
    for s in range(count):
        distance = 0.0
        for j in range(joints):
            if sliding[j]:
                difference = y[j] - cosines[s, j]
                distance += 0.5 * difference * difference
            else:
                # |(cos a, sin a) - (cos b, sin b)|^2 / 2 = 1 - cos(a - b)
                difference = sine[j] * cosines[s, j] - cosine[j] * sines[s, j]
                distance += 1.0 - (cosine[j] * cosines[s, j] + sine[j] * sines[s, j])
            differences[s, j] = difference
        exponents[s] = log_weights[s] - precision * distance
        largest = max(largest, exponents[s])
    total = 0.0
    gradient[:] = 0.0
    for s in range(count):
        share = np.exp(exponents[s] - largest)
        total += share
        for j in range(joints):
            gradient[j] += share * differences[s, j]
    for j in range(joints):
        gradient[j] *= precision / total
    return -(largest + np.log(total))
