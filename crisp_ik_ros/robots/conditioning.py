"""Conditioning of a Jacobian: the directions a robot can move its tool in, manipulability, condition number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crisp_ik_ros.transforms import Array

if TYPE_CHECKING:
    from crisp_ik_ros.robots.robot_model import RobotModel

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
    return condition_of(np.linalg.svd(robot.jacobian(configurations), compute_uv=False), directions)


def condition_of(singular_values: NDArray[np.floating], directions: int) -> Array:
    """Condition numbers (...) from the singular values (..., k) of a Jacobian, largest first; inf at a singularity."""
    with np.errstate(divide="ignore"):
        return np.asarray(singular_values[..., 0] / singular_values[..., directions - 1])


def manipulability_of(singular_values: NDArray[np.floating], directions: int) -> Array:
    """Manipulability (...) from the singular values (..., k) of a Jacobian, largest first: their product."""
    return np.asarray(np.prod(singular_values[..., :directions], axis=-1))
