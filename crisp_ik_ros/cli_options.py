"""Options that several commands of ``crisp-ik`` have."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from crisp_ik_ros.robots.catalog import robot_names


class LossName(str, Enum):
    """Losses by name."""

    residual = "residual"
    forward_kinematics = "forward_kinematics"
    radians = "radians"


# Names of robots that 'crisp-ik robots' tells more of.
ROBOTS = ", ".join(map(repr, robot_names()))
Robot = Annotated[str, typer.Option(help=f"{ROBOTS}, or the path of a robot file (.yaml) or of a URDF.")]
BaseLink = Annotated[str, typer.Option(help="First link of the chain; default: the URDF's root.")]
TipLink = Annotated[str, typer.Option(help="Last link of the chain; default: the URDF's only leaf.")]
JointBias = Annotated[float, typer.Option(help="Offset of every joint of the simulated true robot [deg].")]
LinkBias = Annotated[float, typer.Option(help="Offset of every link of the simulated true robot, each axis [mm].")]
BiasSeed = Annotated[int, typer.Option(help="Seed of the random signs of the offsets; -1: all positive.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout, and nothing else there.")]
LogLevel = Annotated[str, typer.Option(help="What the nodes log: 'debug', 'info', 'warn', 'error' or 'fatal'.")]
PointDistance = Annotated[
    float | None,
    typer.Option("--distance", help="Folder of points: distance between hole_0 and hole_1 of each location [m]."),
]
