"""Options that several commands of ``crisp-ik`` have."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

from crisp_ik_ros.cli_completion import files, robots
from crisp_ik_ros.cli_help import argument, option

SIMULATED = "The simulated robot"
WHICH_ROBOT = "Which robot"
DATA_KINDS = "a .csv or .npz, a rosbag2 recording, or a folder of points (LOCATION/POINT.csv)"
complete_data = files(".csv", ".npz", ".mcap", ".db3")


class LossName(str, Enum):
    """Losses by name."""

    residual = "residual"
    forward_kinematics = "forward_kinematics"
    radians = "radians"


class PoseFilesName(str, Enum):
    """Uses of files of poses beside files of joints, by name."""

    auto = "auto"
    leave_out = "leave_out"
    measured = "measured"


class LevelName(str, Enum):
    """Levels of messages of the nodes, by name."""

    debug = "debug"
    info = "info"
    warn = "warn"
    error = "error"
    fatal = "fatal"


Triple = tuple[float, float, float]
Robot = Annotated[
    str,
    option(
        help="A name that 'crisp-ik robots' lists, or path of a robot file (.yaml) or of a URDF.",
        panel=WHICH_ROBOT, metavar="NAME|FILE", complete=robots,
    ),
]  # fmt: skip
BaseLink = Annotated[
    str, option(help="First link of the chain; default: the URDF's root.", panel=WHICH_ROBOT, metavar="LINK")
]
TipLink = Annotated[
    str,
    option(
        help="Last link of the chain; default: the tip of the only arm, before a gripper.",
        panel=WHICH_ROBOT,
        metavar="LINK",
    ),
]
JointBias = Annotated[
    float, option(help="How far every joint of the true robot is off [degrees].", panel=SIMULATED, metavar="DEGREES")
]
LinkBias = Annotated[
    float, option(help="How far every link is off, along each axis [mm].", panel=SIMULATED, metavar="MM")
]
BiasSeed = Annotated[
    int, option(help="Seed of the random signs of the offsets; -1: all positive.", panel=SIMULATED, metavar="N")
]
Json = Annotated[
    bool, option("--json", help="Print one JSON object to stdout, and nothing else there; errors too.", metavar="")
]
LogLevel = Annotated[
    LevelName,
    option(help="Least level that the nodes log: debug, info, warn, error or fatal.", metavar="LEVEL"),
]
Model = Annotated[Path, argument("Model file (.npz).", files(".npz"), metavar="MODEL")]
Payload = Annotated[
    float | None,
    option(min=0.0, help="Mass that the tip carries [kg]; default: the model's own.", metavar="KG"),
]
PointDistance = Annotated[
    float | None,
    option(
        "--distance", help="Folder of points: distance between hole_0 and hole_1 of each location [m].", metavar="M"
    ),
]
PoseFiles = Annotated[
    PoseFilesName | None,
    option(
        help="Folder of points: use of files of poses beside files of joints. measured: full poses; leave_out: none; "
        "auto, the default: measured unless the tool pivots about one point.",
        metavar="USE",
    ),
]
