"""The command ``crisp-ik ik``."""

from __future__ import annotations

from math import pi
from pathlib import Path
from typing import Annotated

import typer

from crisp_ik_ros.cli_options import Json, Triple


def ik(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    position: Annotated[Triple, typer.Option(help="Target of the tip link, base frame [m].")],
    rpy: Annotated[Triple, typer.Option(help="Roll, pitch, yaw about fixed axes [rad].")] = (pi, 0.0, 0.0),
    seed: Annotated[str, typer.Option(help="Configuration to start from, comma separated [rad].")] = "",
    timeout: Annotated[float, typer.Option(help="Seconds.")] = 0.05,
    as_json: Json = False,
) -> None:
    """Solve one pose with a model file, without ROS. Exits with 1 when there is no solution."""
    from crisp_ik_ros import commands
    from crisp_ik_ros.terminal import show

    summary = commands.solve_pose(model, position, rpy, seed, timeout)
    show(summary, as_json)
    if not summary["success"]:
        raise typer.Exit(1)
