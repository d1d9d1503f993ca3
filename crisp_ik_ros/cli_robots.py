"""The commands ``crisp-ik robots`` and ``crisp-ik new-robot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crisp_ik_ros.cli_completion import files
from crisp_ik_ros.cli_help import argument, option
from crisp_ik_ros.cli_options import BaseLink, Json, TipLink

ROBOTS_EXAMPLES = ("crisp-ik robots",)
NEW_ROBOT_EXAMPLES = (
    "crisp-ik new-robot my_robot.urdf --tip-link tool0\n\n# then, with what it has written\n"
    "crisp-ik sim --robot my_robot.yaml",
)
NAMES = "Names that go into the file"


def robots(as_json: Json = False) -> None:
    """List the robots that have a name.

    For --robot here, and robot:= in launch files.
    """
    from crisp_ik_ros.experiments.new_robot import describe_robots
    from crisp_ik_ros.terminal import show

    show({"robots": describe_robots()}, as_json)


def new_robot(
    urdf: Annotated[
        str,
        argument(
            "URDF or xacro file: a path, or package://PACKAGE/PATH.", files(".urdf", ".xacro"), metavar="URDF"
        ),
    ],
    output: Annotated[
        Path | None,
        option(
            help="Robot file to write (.yaml); default: named after the robot, in this folder.",
            metavar="FILE", complete=files(".yaml"),
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        option(help="Picture to write (.png); default: beside the file.", metavar="FILE", complete=files(".png")),
    ] = None,
    force: Annotated[bool, option("--force", help="Replace a robot file that is there.", metavar="")] = False,
    as_json: Json = False,
    base_link: BaseLink = "",
    tip_link: TipLink = "",
    controller: Annotated[
        str, option(help="ros2_control's controller that takes the trajectories.", panel=NAMES, metavar="NAME")
    ] = "joint_trajectory_controller",
    planning_group: Annotated[
        str, option(help="MoveIt's planning group.", panel=NAMES, metavar="NAME")
    ] = "manipulator",
) -> None:  # fmt: skip
    """Make a robot file of a URDF.

    Checks the chain, finds a rest and a place for the demo's paths, and draws it. Exits with 1, and writes nothing,
    where the chain has errors.
    """
    from crisp_ik_ros.cli_progress import progress_bars
    from crisp_ik_ros.experiments.new_robot import NewRobotRequest, make_robot_file
    from crisp_ik_ros.terminal import show

    request = NewRobotRequest(urdf, base_link, tip_link, output, picture, controller, planning_group, force)
    with progress_bars(as_json) as bar:
        summary = make_robot_file(request, bar)
    show(summary, as_json)
    if summary["robot file"] is None:
        raise typer.Exit(1)
