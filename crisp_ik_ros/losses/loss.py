"""What every loss is: the squared distance of a finite embedding of the configuration (DESIGN, section 2)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# Codes of the losses in compiled code.
RADIANS, FORWARD_KINEMATICS, RESIDUAL = 0, 1, 2


class Workspace(NamedTuple):
    """Memory of one evaluation in compiled code; ``residual`` (R,) and ``jacobian`` (R, J) hold its outcome."""

    residual: Array
    jacobian: Array
    rotation: Array
    position: Array
    geometric: Array
    axes: Array
    origins: Array
    relative: Array
    inverse: Array
    vector: Array
    square: Array
    vectors: Array


def make_workspace(dof: int, rows: int) -> Workspace:
    """Memory for ``dof`` joints and an embedding of ``rows`` numbers."""
    shapes = [(rows,), (rows, dof), (3, 3), (3,), (6, dof), (dof, 3), (dof, 3), (3, 3), (3, 3), (3,), (4, 4), (4, 4)]
    return Workspace(*(np.zeros(shape) for shape in shapes))


class Loss:
    """A structured loss |phi(y; x) - phi(y_i; x_i)|^2 between a configuration y and a sample's y_i.

    Parameters
    ----------
    position_weight : float
        Weight of positions [1/m]; 1 m then counts as much as 1 rad.
    orientation_weight : float
        Weight of orientations [1/rad].
    """

    name = ""
    code = -1

    def __init__(self, position_weight: float = 1.0, orientation_weight: float = 1.0):
        for label, value in (("position_weight", position_weight), ("orientation_weight", orientation_weight)):
            if not (np.isfinite(value) and value >= 0.0):
                raise InvalidInputError(label, value, "a finite weight of at least 0")
        if position_weight == orientation_weight == 0.0:
            raise InvalidInputError("weights", (0.0, 0.0), "at least one above 0")
        self.position_weight = float(position_weight)
        self.orientation_weight = float(orientation_weight)

    @property
    def weights(self) -> Array:
        """Position and orientation weight (2,)."""
        return np.array([self.position_weight, self.orientation_weight])

    def dimension(self, dof: int) -> int:
        """Length D of the embedding for a robot of ``dof`` joints."""
        raise NotImplementedError

    def embed(self, robot: RobotModel, configurations: Array, poses: Array) -> Array:
        """Embedding phi (n, D) of samples: configurations (n, J) and the poses (n, 4, 4) measured there."""
        raise NotImplementedError

    def parameters(self) -> dict[str, float | str]:
        """Everything needed to make this loss again with ``make_loss``."""
        return {
            "name": self.name,
            "position_weight": self.position_weight,
            "orientation_weight": self.orientation_weight,
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.position_weight:g}, {self.orientation_weight:g})"
