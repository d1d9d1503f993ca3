"""Which trajectories a follower is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.trajectories import LARGEST, TRAJECTORIES, make_trajectory
from crisp_ik_ros.transforms import Array

BOTH = "both"


def requested_paths(
    trajectory: str, points: int, radius: float, yaw: float, offset: Sequence[float] = (0.0, 0.0, 0.0)
) -> dict[str, Array]:
    """Paths (points, 4, 4) by name, in the order they are to be followed.

    Parameters
    ----------
    trajectory : str
        "spiral", "circle" or "both".
    points : int
    radius, yaw : float
        [m], [rad]
    offset : (3,)
        Shift of the trajectories [m].

    Raises
    ------
    InvalidInputError
        When one of them cannot be used.
    """
    names = list(TRAJECTORIES) if trajectory == BOTH else [trajectory]
    if trajectory not in (BOTH, *TRAJECTORIES):
        raise InvalidInputError("trajectory", repr(trajectory), " or ".join(map(repr, (*TRAJECTORIES, BOTH))))
    if len(offset) != 3 or not (np.abs(offset) <= LARGEST).all():
        raise InvalidInputError("offset", list(offset), f"three numbers of metres, none beyond {LARGEST:g}")
    paths = {name: make_trajectory(name, points=points, radius=radius, yaw=yaw) for name in names}
    for path in paths.values():
        path[:, :3, 3] += offset
    return paths
