"""CRiSP: structured prediction of inverse kinematics from data and a possibly wrong model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.datasets.stops import stops_of
from crisp_ik_ros.errors import DatasetError, NotFittedError
from crisp_ik_ros.estimators.fitting import FEWEST_TO_CHOOSE, doubts, fit_regression, nearness_factor, validate
from crisp_ik_ros.estimators.hyperparameters import check_hyperparameters
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.estimators.prediction import Learned, regress
from crisp_ik_ros.estimators.samples import ConfigurationRows, TargetRows
from crisp_ik_ros.estimators.search import KNOWN_CONFIGURATION, NEAREST_SAMPLES
from crisp_ik_ros.estimators.training import answer_error, largest_corrections, nearness_weights, trust_of
from crisp_ik_ros.estimators.velocity import corrected_jacobian, expected_targets, supports_of
from crisp_ik_ros.losses.evaluate import make_loss
from crisp_ik_ros.losses.loss import RESIDUAL, Loss
from crisp_ik_ros.regression.kernel_ridge import KernelRidge, Regression
from crisp_ik_ros.regression.kernels import Kernel
from crisp_ik_ros.regression.nystrom import NystromRidge
from crisp_ik_ros.regression.selection import Grouping, choose_hyperparameters
from crisp_ik_ros.regression.sums import Rows
from crisp_ik_ros.regression.threads import limit_threads
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, check_pose

# Share of the time of a fit that choosing hyperparameters takes, roughly [%].
CHOOSING = 70


class CRiSP(InverseKinematics):
    """CRiSP estimator (Marconi, Camoriano, Rosasco, Ciliberto, RA-L 2021), collapsed (DESIGN, section 2).

    Parameters
    ----------
    robot : RobotModel
        The model g~, possibly wrong.
    loss : str or Loss
        "residual" (ours), "forward_kinematics" (CRiSP-FK) or "radians" (CRiSP-R).
    kernel : Kernel, str or None
        Kernel on poses; None or a name ("gaussian", "laplacian", "linear"): length scales chosen on held-out samples.
    penalty : float or None
        Ridge penalty, multiplied by the number of samples; None: chosen on held-out samples.
    centers : int or None
        Nystrom centers; None, or no fewer than the samples: exact regression.
    null_space_weight : float
        Pull, among the solutions of the task, to where the training data lies; 0: none.
    position_tolerance, orientation_tolerance : float
        Largest errors of an answer, as far as the estimator can tell [m, rad].
    timeout : float
        Seconds a request may take where it names none.
    solver : {"levenberg_marquardt", "lbfgsb"}
    random_state : int
        Seed of splits, centers and restarts.
    center_selection : {"uniform", "kmeans++", "leverage"}
        How Nystrom centers are chosen, see ``select_centers``.
    validation : {"held_out", "leave_one_out"}
        What hyperparameters are chosen by, see ``choose_hyperparameters``.
    regression_solver : {"cholesky", "conjugate_gradients"} or None
        Of Nystrom regression, see ``NystromRidge``; None: by the number of centers.
    scheduler : str or None
        Address of a Dask scheduler whose cluster sums over the samples of a Nystrom regression; None: this process.

    Attributes
    ----------
    kernel_ : Kernel
    penalty_ : float
    nearness_ : (2,)
        Weights that take the kernel's squared distances, position and orientation, to the scale of the data's spread,
        or to a shorter one where held-out parts of space show that corrections do not carry that far.
    regression_ : KernelRidge, NystromRidge or FittedRegression
        Regression of (1, phi, |phi|^2, y) on the pose.
    center_configurations_ : (m, J)
    samples_ : int
        Number of training samples.
    training_summary : dict
        Anything that is worth keeping of how the samples came about; written to the model file's header.
    validation_ : dict
        Error of the predicted embedding on held-out samples: position_rms [m], orientation_rms [rad] (where the loss
        has them), of the predicted posture, posture_rms [rad], and the mean support there; of the model itself,
        nominal_position_rms [m] and nominal_orientation_rms [rad]. No stop is torn apart (``stops_of``).
    """

    regression_: Regression

    def __init__(
        self,
        robot: RobotModel,
        loss: str | Loss = "residual",
        kernel: Kernel | str | None = None,
        penalty: float | None = None,
        centers: int | None = 2000,
        null_space_weight: float = 0.03,
        position_tolerance: float = 1e-6,
        orientation_tolerance: float = 1e-5,
        timeout: float = 0.05,
        solver: str = "levenberg_marquardt",
        random_state: int = 0,
        center_selection: str = "uniform",
        validation: str = "held_out",
        regression_solver: str | None = None,
        scheduler: str | None = None,
    ):
        self.robot = robot
        self.loss = loss
        self.kernel = kernel
        self.penalty = penalty
        self.centers = centers
        self.null_space_weight = null_space_weight
        self.position_tolerance = position_tolerance
        self.orientation_tolerance = orientation_tolerance
        self.timeout = timeout
        self.solver = solver
        self.random_state = random_state
        self.center_selection = center_selection
        self.validation = validation
        self.regression_solver = regression_solver
        self.scheduler = scheduler

    def fit(self, dataset: Dataset, progress: Callable[[int, int], None] | None = None) -> CRiSP:
        """Learn from samples of the real robot.

        Parameters
        ----------
        dataset : Dataset
            At least two samples; its joints may be in another order than the robot's. A memory-mapped one is read in
            chunks by Nystrom regression, however large it is.
        progress : callable, optional
            Called as progress(done, total).

        Raises
        ------
        InvalidInputError
            When a hyperparameter is out of range.
        DatasetError
            When the samples are not this robot's.
        RegressionError
            When the kernel system cannot be solved.
        """

        def tell(share: int) -> None:
            if progress is not None:
                progress(share, 100)

        self._validate_hyperparameters()
        loss = self.loss if isinstance(self.loss, Loss) else make_loss(self.loss)
        dataset.require_poses("CRiSP")
        configurations = ConfigurationRows(self.robot, dataset)

        def groups(rows: np.ndarray) -> np.ndarray:
            return stops_of(self.robot, configurations[rows])

        targets = TargetRows(self.robot, loss, configurations, dataset.poses)
        kernel: Kernel | str = self.kernel if self.kernel is not None else "gaussian"
        penalty = self.penalty
        count = len(dataset)
        summary = doubts(self.robot, groups, count)
        if isinstance(kernel, str) or penalty is None:
            if count < FEWEST_TO_CHOOSE:
                raise DatasetError(
                    f"{count} samples are too few to choose hyperparameters: give kernel and penalty, or 8"
                )
            criterion = answer_error(self.robot, loss, configurations, dataset.poses, targets)
            ridge = None if penalty is None else count * penalty
            choosing = None if progress is None else lambda done, total: tell(CHOOSING * done // total)
            with limit_threads(0.0):
                chosen = choose_hyperparameters(
                    dataset.poses, targets, criterion, kernel, ridge, self.random_state, choosing, self.validation,
                    groups,
                )  # fmt: skip
            kernel, penalty = chosen.kernel, chosen.ridge / count
        validation = self._validate(loss, kernel, penalty, dataset.poses, targets, groups)
        nearness = nearness_weights(kernel, dataset.poses)
        nearness = nearness * self._reach(loss, kernel, nearness, count * penalty, dataset.poses, targets)
        tell((CHOOSING + 100) // 2)
        regression = self._fit_regression(kernel, penalty, dataset.poses, targets)
        indices = getattr(regression, "center_indices_", slice(None))
        # Only now, that nothing can fail, does the estimator change.
        self.loss_ = loss
        self.kernel_ = kernel
        self.penalty_ = float(penalty)
        self.nearness_ = nearness
        self.regression_ = regression
        self.center_configurations_ = np.clip(configurations[indices], self.robot.lower, self.robot.upper)
        self.samples_ = count
        self.training_summary: dict[str, object] = summary
        self.validation_ = validation
        self._forget_compiled()
        tell(100)
        return self

    @property
    def warnings_(self) -> tuple[str, ...]:
        """Doubts about the data, in sentences; they are kept in ``training_summary``."""
        self._check_fitted()
        listed = self.training_summary.get("warnings", ())
        return tuple(str(text) for text in listed) if isinstance(listed, (list, tuple)) else ()

    def scores(self, poses: ArrayLike) -> Array:
        """Scores a(x) (n,), or (k, n), of the training samples at a pose (4, 4), or poses (k, 4, 4).

        Raises
        ------
        NotFittedError
            Before ``fit``, and for a model read from a file, which does not hold the samples.
        """
        self._check_fitted()
        poses = check_pose(poses)
        if not hasattr(self.regression_, "scores"):
            raise NotFittedError("a model file does not hold the training samples that scores belong to; fit again")
        scores = self.regression_.scores(poses.reshape(-1, 4, 4))
        return scores[0] if poses.ndim == 2 else scores

    def objective(self, pose: ArrayLike) -> Callable[[ArrayLike], float]:
        """Objective F(y) of equation (3) at a pose (4, 4), collapsed: s |phi(y)|^2 - 2 phi(y).c + const.

        The constant is kept, so that the value equals the sum over the training set.
        """
        self._check_fitted()
        pose = check_pose(pose)
        learned = self._prepared()[0].learned
        row = np.empty(len(learned.coefficients))
        regress(learned, pose, row)
        total, moment, constant = row[0], row[1 : -1 - self.robot.dof], row[-1 - self.robot.dof]

        def value(y: ArrayLike) -> float:
            phi = self.loss_.embed(self.robot, self.robot.check_configuration(y)[None], pose[None])[0]
            return float(total * (phi @ phi) - 2.0 * (phi @ moment) + constant)

        return value

    def position_residuals(self, poses: ArrayLike, configurations: ArrayLike) -> tuple[Array, Array]:
        """Distance vectors (n, 3) [m] from the believed tool to poses (n, 4, 4) at configurations (n, J), and supports.

        Their lengths are the distances of ``errors``; NaN, with support 0, where nothing is known of a pose.
        """
        self._check_fitted()
        poses, configurations = check_pose(poses), self.robot.check_configuration(configurations, "configurations")
        vectors, supports = np.full((len(poses), 3), np.nan), np.zeros(len(poses))
        tips = self.robot.forward_kinematics(configurations)[:, :3, 3]
        for row, (pose, tip) in enumerate(zip(poses, tips, strict=True)):
            problem = self._problem(pose)
            if problem is None:
                continue
            supports[row] = problem.support
            weight = self.loss_.position_weight
            believed = pose[:3, 3]
            if weight > 0.0 and self.loss_.name == "residual":
                believed = believed - problem.target[:3] / weight
            elif weight > 0.0 and self.loss_.name == "forward_kinematics":
                believed = problem.target[:3] / weight
            vectors[row] = believed - tip
        return vectors, supports

    def save(self, path: str | Path) -> None:
        """Write the fitted model to ``path`` (.npz), replacing it only when it is complete."""
        from crisp_ik_ros.estimators.model_file import save_model

        self._check_fitted()
        save_model(self, path)

    @property
    def _loss(self) -> Loss:
        self._check_fitted()
        return self.loss_

    def _tool_jacobian(self, configuration: Array) -> Array:
        jacobian, loss = self.robot.jacobian(configuration), self._loss
        if loss.code != RESIDUAL or not loss.weights.all():
            return jacobian
        kept, pose = self._prepared()[1], self.robot.forward_kinematics(configuration)
        of_pose, of_answer = supports_of(kept, self.null_space_weight, pose, configuration)
        if of_pose == 0.0 or of_answer < min(KNOWN_CONFIGURATION, of_pose):
            return jacobian

        def correction(poses: Array) -> Array:
            targets = np.empty((len(poses), 6))
            expected_targets(kept, self.null_space_weight, poses, targets)
            return targets / np.repeat(loss.weights, 3)

        return corrected_jacobian(jacobian, correction, pose)

    def _learned(self) -> Learned:
        regression = self.regression_
        return Learned(
            self.kernel_.profile,
            self.kernel_.scales,
            self.nearness_,
            np.ascontiguousarray(regression.centers_.T),
            np.ascontiguousarray(regression.coefficients_.T),
            self.center_configurations_,
            float(self.validation_.get("posture_rms", -1.0)),
            trust_of(self.validation_),
            largest_corrections(
                self.loss_, self.robot.dof, self.kernel_, regression.centers_, regression.coefficients_
            ),
        )

    def _tolerances(self) -> tuple[float, float]:
        position, orientation = super()._tolerances()
        if self.robot.dof >= 6:
            return position, orientation
        # Fewer joints reach a surface of poses, and a learned target lies beside it by what was not learned. Then an
        # answer is as good as the regression: three times its error on held-out samples.
        return (
            max(position, 3.0 * self.validation_.get("position_rms", 0.0)),
            max(orientation, 3.0 * self.validation_.get("orientation_rms", 0.0)),
        )

    def _nearest(self, pose: Array) -> Array:
        features = self.regression_.centers_
        distances = ((features - self.kernel_.features(pose[None])) ** 2).sum(axis=1)
        count = min(NEAREST_SAMPLES, len(distances))
        nearest = np.argpartition(distances, count - 1)[:count]
        return self.center_configurations_[nearest[np.argsort(distances[nearest], kind="stable")]]

    def _fit_regression(self, kernel: Kernel, penalty: float, poses: Rows, targets: Rows) -> KernelRidge | NystromRidge:
        return fit_regression(self, kernel, penalty, poses, targets)

    def _validate(
        self, loss: Loss, kernel: Kernel, penalty: float, poses: Rows, targets: Rows, groups: Grouping
    ) -> dict[str, float]:
        return validate(self, loss, kernel, penalty, poses, targets, groups)

    def _reach(self, loss: Loss, kernel: Kernel, nearness: Array, ridge: float, poses: Rows, targets: Rows) -> float:
        return nearness_factor(self, loss, kernel, nearness, ridge, poses, targets)

    def _validate_hyperparameters(self) -> None:
        check_hyperparameters(self)

    def _check_fitted(self) -> None:
        if not hasattr(self, "regression_"):
            raise NotFittedError("call fit first, or load a trained model with load_model")
