"""Where the demonstration's trajectories lie for a robot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Placement:
    """Where the demonstration's trajectories lie for a robot. Without arguments: where the paper has them.

    Attributes
    ----------
    spiral, circle : (3,) or None
        Their middles, base frame [m]; None: the robot has no place for it.
    turn : (3,)
        Roll, pitch, yaw of both from where the paper has them: the spiral's axis and the circle's normal along y [rad].
    tool : (3,)
        Orientation of the tip link on them, base frame: roll, pitch, yaw [rad].
    radius : float
        Of both [m].
    height : float
        Of the spiral [m].
    """

    # The paper's, from the frame its authors used (their robot stands turned by -90 degrees about x) to the base frame:
    # their (0, 0.044, -0.45) and (0, 0.044, -0.55) [m]. The tool points straight down.
    spiral: Triple | None = (0.0, 0.45, 0.044)
    circle: Triple | None = (0.0, 0.55, 0.044)
    turn: Triple = (0.0, 0.0, 0.0)
    tool: Triple = (np.pi, 0.0, 0.0)
    radius: float = 0.03
    height: float = 0.06
