"""A robot and a loss, in the form that compiled code takes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crisp_ik_ros.losses.loss import Loss
from crisp_ik_ros.robots.chain import Chain
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array


class Task(NamedTuple):
    """A robot and a loss, for compiled code; the names are theirs, and ``dimension`` is the embedding's."""

    code: int
    dimension: int
    chain: Chain
    weights: Array
    lower: Array
    upper: Array
    continuous: np.ndarray
    rest: Array
    anchor: Array
    reach: float


def make_task(robot: RobotModel, loss: Loss) -> Task:
    """Gather what compiled code wants of a robot and a loss."""
    # Arrays that may be written to, as all others are: those that may not are of another type to compiled code.
    lower, upper, rest = (np.array(values) for values in (robot.lower, robot.upper, robot.rest))
    return Task(
        loss.code, loss.dimension(robot.dof), robot.chain, loss.weights, lower, upper, robot.continuous, rest,
        robot.anchor, float(robot.reach),
    )  # fmt: skip
