"""The commands ``crisp-ik robots`` and ``crisp-ik new-robot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crisp_ik_ros.cli_options import Json
from crisp_ik_ros.experiments.new_robot import NewRobotRequest, describe_robots, make_robot_file
from crisp_ik_ros.terminal import show


def robots(as_json: Json = False) -> None:
    """List the robots that are known by name, for --robot here and robot:= in launch files."""
    show({"robots": describe_robots()}, as_json)


def new_robot(
    urdf: Annotated[str, typer.Argument(help="URDF: a path, or package://PACKAGE/PATH. Expand xacro files first.")],
    base_link: Annotated[str, typer.Option(help="First link of the chain; default: the URDF's root.")] = "",
    tip_link: Annotated[str, typer.Option(help="Tool link; default: the URDF's only leaf.")] = "",
    output: Annotated[
        Path | None, typer.Option(help="Robot file to write (.yaml); default: named after the robot, in this folder.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Picture to write (.png); default: beside the file.")] = None,
    controller: Annotated[
        str, typer.Option(help="ros2_control's controller that takes the trajectories.")
    ] = "joint_trajectory_controller",
    planning_group: Annotated[str, typer.Option(help="MoveIt's planning group.")] = "manipulator",
    force: Annotated[bool, typer.Option("--force", help="Replace a robot file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Make a robot file of a URDF: check the chain, find a rest and a place for the demo's paths, and draw it.

    Then: crisp-ik sim --robot my_robot.yaml. Exits with 1, and writes nothing, where the chain has errors.
    """
    summary = make_robot_file(
        NewRobotRequest(urdf, base_link, tip_link, output, picture, controller, planning_group, force)
    )
    show(summary, as_json)
    if summary["robot file"] is None:
        raise typer.Exit(1)
