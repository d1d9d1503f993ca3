"""Errors of the tool against its targets, in the units that tables are printed in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.transforms import Array, pose_error


def tool_errors(targets: ArrayLike, poses: ArrayLike) -> tuple[Array, Array]:
    """Distances (n,) [m] and angles (n,) [rad] between target and reached poses, each (n, 4, 4)."""
    error = pose_error(targets, poses)
    return np.linalg.norm(error[..., :3], axis=-1), np.linalg.norm(error[..., 3:], axis=-1)


@dataclass(frozen=True)
class Summary:
    """Mean, deviation and extremes of an error along a path."""

    mean: float
    std: float
    median: float
    max: float

    @classmethod
    def of(cls, values: ArrayLike, scale: float = 1.0) -> Summary:
        """Summary of values (n,), multiplied by ``scale`` (1000: metres to millimetres)."""
        values = scale * np.asarray(values, dtype=float)
        return cls(float(values.mean()), float(values.std()), float(np.median(values)), float(values.max()))
