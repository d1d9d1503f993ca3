"""How well a robot can move its tool in all directions that it has at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# How many configurations tell in how many directions a robot can move its tool at all.
SAMPLES = 8


def directions_of(robot: RobotModel) -> int:
    """Number of directions, of the six, that a robot can move its tool in; of a planar arm three.

    Of all others the Jacobian says nothing anywhere.
    """
    low, high = np.maximum(robot.lower, -np.pi), np.minimum(robot.upper, np.pi)
    samples = np.random.default_rng(0).uniform(low, high, (SAMPLES, robot.dof))
    return int(np.max(np.linalg.matrix_rank(robot.jacobian(samples))))


def condition_numbers(robot: RobotModel, configurations: ArrayLike, directions: int) -> Array:
    """Condition numbers (...) of the Jacobian at configurations (..., J); infinite at a singularity.

    Its rows are in m and rad per unit of the joints; of its singular values, the first ``directions`` count.
    """
    values = np.linalg.svd(robot.jacobian(configurations), compute_uv=False)
    with np.errstate(divide="ignore"):
        return values[..., 0] / values[..., directions - 1]
