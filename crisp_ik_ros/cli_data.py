"""The commands ``crisp-ik sample`` and ``crisp-ik inspect``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from crisp_ik_ros.cli_options import BaseLink, BiasSeed, JointBias, Json, LinkBias, Robot, TipLink, Triple


class RegionName(str, Enum):
    """Regions to sample in, by name."""

    demo = "demo"
    torus = "torus"
    workspace = "workspace"
    box = "box"


def sample(
    output: Annotated[Path, typer.Argument(help="File to write: .npz, or .csv. With --preset: a folder.")],
    preset: Annotated[
        str | None,
        typer.Option(
            help="One of the paper's datasets, whole: 'planar', 'panda-torus' or 'panda-box'. Files and sums."
        ),
    ] = None,
    robot: Robot = "panda",
    base_link: BaseLink = "",
    tip_link: TipLink = "",
    region: Annotated[
        RegionName,
        typer.Option(
            help="Where the target poses lie. demo: a box around the demo's spiral and circle. torus: 1 cm around the "
            "paper's circle. workspace: configurations uniform in the limits. box: --center and --size, tool down."
        ),
    ] = RegionName.demo,
    center: Annotated[Triple, typer.Option(help="Centre of the box, base frame [m].")] = (0.0, 0.5, 0.05),
    size: Annotated[Triple, typer.Option(help="Edges of the box [m].")] = (0.2, 0.2, 0.2),
    count: Annotated[int, typer.Option(min=1, help="Number of samples.")] = 5000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same file.")] = 0,
    joint_bias_deg: JointBias = 0.0,
    link_bias_mm: LinkBias = 0.0,
    bias_seed: BiasSeed = -1,
    as_json: Json = False,
) -> None:
    """Sample configurations and true tool poses of a simulated robot.

    The robot may be biased: then its poses are not what its URDF says, as with a real one.
    """
    from crisp_ik_ros import commands
    from crisp_ik_ros.terminal import progress_bar, show

    if preset is not None:
        show(commands.sample_preset(preset, output, progress_bar(preset, as_json)), as_json)
        return
    summary = commands.sample_dataset(
        commands.SimulatedRobot(robot, base_link, tip_link, joint_bias_deg, link_bias_mm, bias_seed),
        commands.make_region(region.value, center, size),
        count,
        seed,
        output,
        progress_bar("sampling", as_json),
    )
    show(summary, as_json)


def inspect(
    data: Annotated[Path, typer.Argument(help="Samples: .npz, .csv, a rosbag2 recording or a folder of points.")],
    robot: Robot = "panda",
    base_link: BaseLink = "",
    tip_link: TipLink = "",
    picture: Annotated[Path | None, typer.Option(help="PNG to write: coverage and errors along the data.")] = None,
    as_json: Json = False,
) -> None:
    """Say what is in measured data, how well the URDF fits it, and what is wrong with it.

    Degrees for radians, swapped joints, another frame or tool than the URDF's, outliers, joints that hold still: each
    is named with what to do about it.
    """
    from crisp_ik_ros import commands
    from crisp_ik_ros.terminal import show

    show(commands.inspect_data(data, commands.SimulatedRobot(robot, base_link, tip_link), picture), as_json)
