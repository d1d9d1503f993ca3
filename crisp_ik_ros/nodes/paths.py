"""Which trajectories a follower is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.robots.placement import Placement
from crisp_ik_ros.trajectories import LARGEST, PAPER, TRAJECTORIES, place_trajectory, placed_trajectories
from crisp_ik_ros.transforms import Array

BOTH = "both"


def requested_paths(
    trajectory: str,
    points: int,
    radius: float,
    yaw: float,
    offset: Sequence[float] = (0.0, 0.0, 0.0),
    placement: Placement = PAPER,
) -> dict[str, Array]:
    """Paths (points, 4, 4) by name, in the order they are to be followed.

    Parameters
    ----------
    trajectory : str
        "spiral", "circle" or "both": of these, those that the robot has a place for.
    points : int
    radius, yaw : float
        [m], 0: that of the placement; [rad]
    offset : (3,)
        Shift of the trajectories [m].
    placement : Placement
        Where they lie without it.

    Raises
    ------
    InvalidInputError
        When one of them cannot be used.
    """
    names = list(placed_trajectories(placement)) if trajectory == BOTH else [trajectory]
    if trajectory not in (BOTH, *TRAJECTORIES):
        raise InvalidInputError("trajectory", repr(trajectory), " or ".join(map(repr, (*TRAJECTORIES, BOTH))))
    if len(offset) != 3 or not (np.abs(offset) <= LARGEST).all():
        raise InvalidInputError("offset", list(offset), f"three numbers of metres, none beyond {LARGEST:g}")
    paths = {name: place_trajectory(name, placement, points, radius or None, yaw) for name in names}
    for path in paths.values():
        path[:, :3, 3] += offset
    return paths
