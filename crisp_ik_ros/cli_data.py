"""The commands ``crisp-ik sample``, ``crisp-ik inspect`` and ``crisp-ik import``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

from crisp_ik_ros.cli_completion import files, robots
from crisp_ik_ros.cli_help import argument, option
from crisp_ik_ros.cli_options import (
    DATA_KINDS,
    WHICH_ROBOT,
    BaseLink,
    BiasSeed,
    JointBias,
    Json,
    LinkBias,
    PoseFiles,
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
IMPORT_EXAMPLES = (
    "# columns by name, orientation by the arm: says what it took each for\n"
    "crisp-ik import tracker.csv measured.csv --robot my_robot.urdf \\\n"
    "  --base-link base_link --tip-link tool0",
    "# all of it said: decimal commas, degrees, millimeters, Euler angles\n"
    "crisp-ik import tracker.csv measured.csv --joints '*_joint' \\\n"
    "  --joint-unit deg --position X,Y,Z --length-unit mm \\\n"
    "  --orientation-columns A,B,C --euler ZYX --angle-unit deg",
    "# no header: columns by number; one session, payload in a column\n"
    "crisp-ik import log.txt measured.csv --joints 1-6 --position 7-9 \\\n"
    "  --orientation none --session monday --payload 10",
)  # fmt: skip


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
            simulated = commands.SimulatedRobot(robot, base_link, tip_link, joint_bias_deg, link_bias_mm, bias_seed)
            summary = commands.sample_dataset(
                simulated,
                commands.make_region(region.value, center, size, simulated),
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
    pose_files: PoseFiles = None,
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
        summary = commands.inspect_data(
            data, commands.SimulatedRobot(robot, base_link, tip_link), picture, pose_files and pose_files.value
        )
    show(summary, as_json)


HOW_TO_READ, JOINTS, TOOL, ROWS = "The file", "The joints", "The measured tool", "What else is known of the rows"


def import_table(
    table: Annotated[
        Path, argument("Table: .csv, .txt, .tsv, ...", files(".csv", ".txt", ".tsv", ".dat"), metavar="TABLE")
    ],
    output: Annotated[
        Path, argument("File to write: .csv, or .npz.", files(".csv", ".npz"), metavar="OUT")
    ],
    robot: Annotated[
        str,
        option(
            help="Robot of the data: its joint names find their columns, and its kinematics tell units and "
            "orientation conventions that are not given. A name that 'crisp-ik robots' lists, a robot file (.yaml) or "
            "a URDF.",
            panel=WHICH_ROBOT, metavar="NAME|FILE", complete=robots,
        ),
    ] = "",
    base_link: BaseLink = "",
    tip_link: TipLink = "",
    joints: Annotated[
        str,
        option(help="Columns: 'a b c', a pattern '*_joint', numbers '1-6'.", panel=JOINTS, metavar="COLUMNS"),
    ] = "",
    joint_names: Annotated[
        str, option(help="Names to give them; default: the robot's, or the columns'.", panel=JOINTS, metavar="NAMES")
    ] = "",
    joint_unit: Annotated[str, option(help="rad, deg or auto.", panel=JOINTS, metavar="UNIT")] = "auto",
    position: Annotated[
        str,
        option(
            help="Three columns, x,y,z; or none: the tool was at the point that --group says.", panel=TOOL,
            metavar="COLUMNS",
        ),
    ] = "",
    length_unit: Annotated[str, option(help="m, mm or auto.", panel=TOOL, metavar="UNIT")] = "auto",
    orientation: Annotated[
        str,
        option(
            help="quaternion, euler, rotation_vector, matrix (9 elements, row by row), none (positions only) or auto.",
            panel=TOOL, metavar="KIND",
        ),
    ] = "auto",
    orientation_columns: Annotated[
        str, option(help="Its 3, 4 or 9 columns.", panel=TOOL, metavar="COLUMNS")
    ] = "",
    euler: Annotated[
        str,
        option(
            help="Axes of Euler angles in the order of the columns: XYZ, ZYX, ZYZ, ... about the moving axes "
            "(intrinsic), xyz, ... about the fixed ones (extrinsic), as in SciPy's Rotation.",
            panel=TOOL, metavar="AXES",
        ),
    ] = "",
    angle_unit: Annotated[
        str, option(help="Of Euler angles and rotation vectors: rad, deg or auto.", panel=TOOL, metavar="UNIT")
    ] = "auto",
    quaternion_order: Annotated[
        str, option(help="xyzw, wxyz or auto: by name, or by the robot.", panel=TOOL, metavar="ORDER")
    ] = "auto",
    constant_orientation: Annotated[
        str,
        option(help="Quaternion x,y,z,w that the tool had in all rows.", panel=TOOL, metavar="X,Y,Z,W"),
    ] = "",
    noise_columns: Annotated[
        str,
        option(
            help="Standard deviations: 1 or 3 columns of the position, then none, 1 or 3 of the orientation; default: "
            "columns named like the measured ones, with 'std'.",
            panel=TOOL, metavar="COLUMNS",
        ),
    ] = "",
    position_noise: Annotated[
        float | None, option(help="Standard deviation of all positions [m].", panel=TOOL, min=0.0, metavar="M")
    ] = None,
    orientation_noise: Annotated[
        float | None, option(help="Standard deviation of all orientations [rad].", panel=TOOL, min=0.0, metavar="RAD")
    ] = None,
    session: Annotated[
        str,
        option(
            help="Column, or one name for all rows: a session is one mounting of the measuring device and the tool.",
            panel=ROWS, metavar="COLUMN|NAME",
        ),
    ] = "",
    payload: Annotated[
        str, option(help="Column, or one mass for all rows [kg].", panel=ROWS, metavar="COLUMN|KG")
    ] = "",
    marker: Annotated[
        str,
        option(
            help="Column, or one name for all rows: the target on the tool that was measured.", panel=ROWS,
            metavar="COLUMN|NAME",
        ),
    ] = "",
    group: Annotated[str, option(help="Column: the point that the tool was at.", panel=ROWS, metavar="COLUMN")] = "",
    temperature: Annotated[
        str, option(help="Column, or one number for all rows [degrees C].", panel=ROWS, metavar="COLUMN|C")
    ] = "",
    separator: Annotated[
        str, option(help="comma, semicolon, tab, space or auto.", panel=HOW_TO_READ, metavar="NAME")
    ] = "auto",
    decimal: Annotated[str, option(help="point, comma or auto.", panel=HOW_TO_READ, metavar="NAME")] = "auto",
    header: Annotated[
        str,
        option(
            help="yes, no or auto: whether the first line has names. Without them columns are called by their numbers, "
            "from 1.",
            panel=HOW_TO_READ, metavar="ANSWER",
        ),
    ] = "auto",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Turn a table as you have it into one that train reads.

    Separators, decimal commas, degrees, millimeters, quaternions, Euler angles, rotation vectors and matrices. It says
    what it took each column for and names what it left out. What the table leaves open is never guessed: with --robot
    it is told by the arm's kinematics, else the error lists the options that settle it.
    """
    from crisp_ik_ros import commands
    from crisp_ik_ros.datasets.table_columns import ImportRequest
    from crisp_ik_ros.terminal import show

    request = ImportRequest(
        separator=separator, decimal=decimal, header=header, joints=joints, joint_names=joint_names,
        joint_unit=joint_unit, position=position, length_unit=length_unit, orientation=orientation,
        orientation_columns=orientation_columns, quaternion_order=quaternion_order, euler=euler,
        angle_unit=angle_unit, constant_orientation=constant_orientation, noise_columns=noise_columns,
        position_noise=position_noise, orientation_noise=orientation_noise, payload=payload, session=session,
        marker=marker, group=group, temperature=temperature,
    )  # fmt: skip
    which = commands.SimulatedRobot(robot, base_link, tip_link) if robot else None
    show(commands.import_samples(table, output, request, which), as_json)
