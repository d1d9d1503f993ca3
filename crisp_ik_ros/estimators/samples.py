"""A dataset as CRiSP regresses it, row by row as it is asked for: memory does not grow with the number of samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.datasets.units import LIMIT_SLACK
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.losses.loss import Loss
from crisp_ik_ros.regression.sums import CHUNK, Rows, read, slices
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array


class ConfigurationRows:
    """Configurations (n, J) of a dataset in the robot's joint order, wrapped into its limits.

    Raises
    ------
    DatasetError
        When there are fewer than two samples, the joints are not the robot's, or a sample is outside the limits by more
        than ``slack`` [rad or m].
    """

    def __init__(self, robot: RobotModel, dataset: Dataset, slack: float = LIMIT_SLACK):
        if len(dataset) < 2:
            raise DatasetError(f"got {len(dataset)} sample, expected at least 2")
        names = dataset.joint_names
        if sorted(names) != sorted(robot.joint_names):
            raise DatasetError(
                f"the data's joints are {', '.join(names)}, the robot's are {', '.join(robot.joint_names)}"
            )
        self.robot = robot
        self.shape = (len(dataset), robot.dof)
        self._configurations = dataset.configurations
        self._order = [names.index(name) for name in robot.joint_names]
        outside, first, reading = 0, -1, ""
        for rows in slices(len(self), CHUNK):
            configurations = self[rows]
            wrong = ~robot.within_limits(configurations, slack)
            if wrong.any() and first < 0:
                row = int(np.flatnonzero(wrong)[0])
                first, reading = rows.start + row, str(configurations[row].round(4).tolist())
            outside += int(wrong.sum())
        if outside:
            raise DatasetError(
                f"{outside} samples are outside the joint limits, the first is row {first}: {reading}; "
                "radians and metres are expected"
            )

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Array:
        return np.ascontiguousarray(self.robot.wrapped(read(self._configurations, rows)[:, self._order]))


class TargetRows:
    """Columns (n, 2 + D + J) to regress on the pose: 1, phi, |phi|^2 and the configuration.

    The first two blocks give s and c of the collapsed objective, the third its constant, the last where the data lies.

    Parameters
    ----------
    robot : RobotModel
    loss : Loss
    configurations : (n, J)
    poses : (n, 4, 4)
    """

    def __init__(self, robot: RobotModel, loss: Loss, configurations: Rows, poses: Rows):
        self.robot, self.loss = robot, loss
        self.configurations, self.poses = configurations, poses
        self.shape = (len(poses), 2 + loss.dimension(robot.dof) + robot.dof)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Array:
        configurations = self.configurations[rows]
        phi = self.loss.embed(self.robot, configurations, read(self.poses, rows))
        return np.hstack([np.ones((len(phi), 1)), phi, (phi**2).sum(axis=1, keepdims=True), configurations])
