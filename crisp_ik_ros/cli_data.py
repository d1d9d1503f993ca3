"""The commands ``crisp-ik sample`` and ``crisp-ik inspect``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

from crisp_ik_ros.cli_completion import files
from crisp_ik_ros.cli_help import argument, option
from crisp_ik_ros.cli_options import (
    DATA_KINDS,
    BaseLink,
    BiasSeed,
    JointBias,
    Json,
    LinkBias,
    Robot,
    TipLink,
    Triple,
    complete_data,
)

SAMPLE_EXAMPLES = (
    "# 5000 samples of a Panda whose joints are all one degree off\n"
    "crisp-ik sample samples.npz --joint-bias-deg 1",
    "# 1000 in a box of 20 cm, tool down, as a table\n"
    "crisp-ik sample box.csv --region box --center 0 0.5 0.05 --count 1000",
    "# one of the paper's datasets, to the same bytes\n"
    "crisp-ik sample data --preset panda-torus",
)  # fmt: skip
INSPECT_EXAMPLES = (
    "crisp-ik inspect measured.csv --robot my_robot.urdf \\\n  --base-link base_link --tip-link tool0",
    "# and a picture of it\ncrisp-ik inspect samples.npz --picture samples.png",
)


class RegionName(str, Enum):
    """Regions to sample in, by name."""

    demo = "demo"
    torus = "torus"
    workspace = "workspace"
    box = "box"


class PresetName(str, Enum):
    """The paper's datasets, by name."""

    planar = "planar"
    panda_torus = "panda-torus"
    panda_box = "panda-box"


def sample(
    output: Annotated[
        Path, argument("File to write: .npz, or .csv. With --preset: a folder.", files(".npz", ".csv"), metavar="FILE")
    ],
    count: Annotated[int, option(min=1, help="Number of samples.", metavar="N")] = 5000,
    seed: Annotated[int, option(help="The same seed gives the same file.", metavar="N")] = 0,
    preset: Annotated[
        PresetName | None,
        option(
            help="One of the paper's datasets, whole, with checksums: planar, panda-torus or panda-box.",
            metavar="NAME",
        ),
    ] = None,
    as_json: Json = False,
    region: Annotated[
        RegionName,
        option(
            help="demo: a box around the demo's spiral and circle. torus: 1 cm around the paper's circle. workspace: "
            "configurations uniform in the limits. box: --center and --size, tool down.",
            panel="Where", metavar="NAME",
        ),
    ] = RegionName.demo,
    center: Annotated[
        Triple, option(help="Centre of the box, base frame [m].", panel="Where", metavar="X Y Z")
    ] = (0.0, 0.5, 0.05),
    size: Annotated[Triple, option(help="Edges of the box [m].", panel="Where", metavar="X Y Z")] = (0.2, 0.2, 0.2),
    robot: Robot = "panda",
    base_link: BaseLink = "",
    tip_link: TipLink = "",
    joint_bias_deg: JointBias = 0.0,
    link_bias_mm: LinkBias = 0.0,
    bias_seed: BiasSeed = -1,
) -> None:  # fmt: skip
    """Draw samples (joints, true tool pose) in simulation.

    The robot may be biased: then its poses are not what its URDF says, as with a real one.
    """
    from crisp_ik_ros import commands
    from crisp_ik_ros.cli_progress import progress_bars
    from crisp_ik_ros.terminal import show

    with progress_bars(as_json) as bar:
        if preset is not None:
            summary = commands.sample_preset(preset.value, output, bar(preset.value))
        else:
            summary = commands.sample_dataset(
                commands.SimulatedRobot(robot, base_link, tip_link, joint_bias_deg, link_bias_mm, bias_seed),
                commands.make_region(region.value, center, size),
                count,
                seed,
                output,
                bar("sampling"),
            )
    show(summary, as_json)


def inspect(
    data: Annotated[Path, argument(f"Samples: {DATA_KINDS}.", complete_data, metavar="DATA")],
    picture: Annotated[
        Path | None,
        option(help="PNG to write: coverage and errors along the data.", metavar="PNG", complete=files(".png")),
    ] = None,
    as_json: Json = False,
    robot: Robot = "panda",
    base_link: BaseLink = "",
    tip_link: TipLink = "",
) -> None:
    """Say what is in measured data, and what is wrong with it.

    How well the URDF fits it, what it covers, and: degrees for radians, swapped joints, another frame or tool than the
    URDF's, outliers, joints that hold still. Each is named with what to do about it.
    """
    from crisp_ik_ros import commands
    from crisp_ik_ros.cli_progress import progress_bars
    from crisp_ik_ros.terminal import show

    with progress_bars(as_json) as bar:
        bar("inspecting")
        summary = commands.inspect_data(data, commands.SimulatedRobot(robot, base_link, tip_link), picture)
    show(summary, as_json)
