"""Neural network from pose to joint angles: the paper's first baseline."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import InvalidInputError, NotFittedError
from crisp_ik_ros.estimators.baselines.base import Baseline, learned_answer
from crisp_ik_ros.estimators.baselines.features import PoseFeatures
from crisp_ik_ros.estimators.baselines.scikit import fit_network
from crisp_ik_ros.estimators.hyperparameters import check_not_negative, check_positive, check_whole
from crisp_ik_ros.estimators.training import configurations_of
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.result import IKResult
from crisp_ik_ros.transforms import Array, check_pose

# With fewer samples there are none to spare for an early stop.
FEWEST_TO_HOLD_OUT = 50


class NeuralNetworkIK(Baseline):
    """Fully connected tanh layers that regress joint angles on the pose (the paper's section 4.3).

    It knows nothing of the robot but the limits, to which predictions are clipped, and it has one answer for a pose: of
    the many configurations of a redundant arm it learns the mean, which is none of them. A seed changes nothing.

    Parameters
    ----------
    robot : RobotModel
        Its joints and limits. Its kinematics serve to say how far an answer is from the target, not to find it.
    layers : tuple of int
        Width of each hidden layer.
    orientation : {"euler", "chordal"}
        How the orientation enters: Euler angles as in the paper, or the rotation matrix.
    learning_rate, weight_decay : float
        Of Adam, and the weight of the squared weights.
    batch_size : int
    epochs : int
        Largest number of passes over the data.
    validation_fraction : float
        Share of the samples held out to stop on; 0: no early stop.
    patience : int
        Epochs without improvement after which to stop.
    random_state : int
        Seed of weights, split and batches.

    Attributes
    ----------
    features_ : PoseFeatures
    weights_, offsets_ : list of (F_l, F_l+1), (F_l+1,)
    target_mean_, target_scale_ : (J,)
        Mean and deviation of the training configurations [rad or m].
    epochs_ : int
    """

    def __init__(
        self,
        robot: RobotModel,
        layers: tuple[int, ...] = (64, 64, 128, 64, 64),
        orientation: str = "euler",
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-5,
        batch_size: int = 200,
        epochs: int = 200,
        validation_fraction: float = 0.1,
        patience: int = 10,
        random_state: int = 0,
    ):
        self.robot = robot
        self.layers = layers
        self.orientation = orientation
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state

    def fit(self, dataset: Dataset) -> NeuralNetworkIK:
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
        check_positive(learning_rate=self.learning_rate)
        check_whole(1, batch_size=self.batch_size, epochs=self.epochs, patience=self.patience)
        check_whole(0, random_state=self.random_state)
        check_not_negative(weight_decay=self.weight_decay)
        if not 0.0 <= self.validation_fraction < 1.0:
            raise InvalidInputError("validation_fraction", self.validation_fraction, "a number from 0 to below 1")
        if len(self.layers) == 0:
            raise InvalidInputError("layers", self.layers, "at least one width")
        for i, width in enumerate(self.layers):
            check_whole(1, False, **{f"layers[{i}]": width})
        dataset.require_poses("NeuralNetworkIK")
        configurations = configurations_of(self.robot, dataset)
        features = PoseFeatures.of(dataset.poses, self.orientation)
        mean, scale = configurations.mean(axis=0), configurations.std(axis=0)
        scale = np.where(scale > 0.0, scale, 1.0)  # a joint that never moved is predicted where it stood
        stops = self.validation_fraction > 0.0 and len(dataset) >= FEWEST_TO_HOLD_OUT
        held_out = math.ceil(self.validation_fraction * len(dataset)) if stops else 0
        weights, offsets, epochs = fit_network(
            features(dataset.poses),
            (configurations - mean) / scale,
            tuple(self.layers),
            stops,
            validation_fraction=self.validation_fraction if stops else 0.1,  # unused without an early stop
            learning_rate_init=self.learning_rate,
            alpha=self.weight_decay,
            batch_size=min(self.batch_size, len(dataset) - held_out),
            max_iter=self.epochs,
            n_iter_no_change=self.patience,
            tol=0.0,
            random_state=int(self.random_state),
        )
        self.features_ = features
        self.target_mean_, self.target_scale_ = mean, scale
        self.weights_, self.offsets_, self.epochs_ = weights, offsets, epochs
        return self

    def predict(self, poses: ArrayLike) -> Array:
        """Configurations (n, J), clipped to the limits, for poses (n, 4, 4).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidInputError
            When the poses cannot be used.
        """
        if not hasattr(self, "weights_"):
            raise NotFittedError("call fit first")
        values = self.features_(check_pose(poses, "poses").reshape(-1, 4, 4))
        last = len(self.weights_) - 1
        for layer, (weight, offset) in enumerate(zip(self.weights_, self.offsets_, strict=True)):
            values = values @ weight + offset
            if layer < last:
                values = np.tanh(values)
        return self.robot.confined(values * self.target_scale_ + self.target_mean_)

    def _search(self, pose: Array, seed: Array | None, deadline: float) -> IKResult:
        # Nothing tells how well the data covers a pose.
        return learned_answer(self.robot, pose, self.predict(pose[None])[0], 0.0, 1)
