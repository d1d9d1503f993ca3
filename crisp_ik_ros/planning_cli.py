"""The command ``crisp-ik plan-measurements``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

from crisp_ik_ros.cli_completion import files, robots
from crisp_ik_ros.cli_help import argument, option
from crisp_ik_ros.cli_options import DATA_KINDS, BaseLink, Json, TipLink, complete_data

PLAN_EXAMPLES = (
    "# where to measure an arm that nobody has measured yet\n"
    "crisp-ik plan-measurements plan.csv --robot my_robot.urdf \\\n  --base-link base_link --tip-link tool0",
    "# 20 more, where the tracker sees the tool, above a table\n"
    "crisp-ik plan-measurements more.csv --count 20 --data measured.csv \\\n"
    "  --floor 0.02 --box 0.2 -0.5 0.0 0.8 0.5 0.8",
)
ALLOWED = "What the arm may do there"
MEASURED = "What will be measured, and what was"
Corners = tuple[float, float, float, float, float, float]


class KindName(str, Enum):
    """What is measured, by name."""

    poses = "poses"
    positions = "positions"


class CriterionName(str, Enum):
    """What a good measurement is, by name."""

    predictive = "predictive"
    information = "information"


class KnownName(str, Enum):
    """Whether something is known."""

    known = "known"
    unknown = "unknown"


def plan_measurements(
    output: Annotated[
        Path,
        argument("File to write (.csv): a configuration a row [rad or m].", files(".csv"), metavar="FILE"),
    ],
    count: Annotated[int, option(min=1, help="Number of measurements.", metavar="N")] = 60,
    criterion: Annotated[
        CriterionName,
        option(
            help="predictive: the tool's error in the workspace. information: parameters (D-optimal).", metavar="NAME"
        ),
    ] = CriterionName.predictive,
    picture: Annotated[
        Path | None,
        option(
            help="PNG: expected error against number of measurements.", metavar="PNG", complete=files(".png")
        ),
    ] = None,
    candidates: Annotated[int, option(min=1, help="Random configurations to choose from.", metavar="N")] = 3000,
    seed: Annotated[int, option(min=0, help="Seed of the candidates.", metavar="N")] = 0,
    as_json: Json = False,
    robot: Annotated[
        str,
        option(
            help="Name of a robot that ships (panda is the default), or path of a URDF. With --model: its URDF.",
            panel="Which robot", metavar="NAME|URDF", complete=robots,
        ),
    ] = "",
    base_link: BaseLink = "",
    tip_link: TipLink = "",
    kind: Annotated[
        KindName, option(help="poses, or positions only, of the tool.", panel=MEASURED, metavar="WHAT")
    ] = KindName.poses,
    frame: Annotated[
        KnownName,
        option(help="known: measurements are in the base frame; or unknown.", panel=MEASURED, metavar="WHETHER"),
    ] = KnownName.known,
    tool: Annotated[
        KnownName,
        option(help="known: the tip link is what is measured; or unknown.", panel=MEASURED, metavar="WHETHER"),
    ] = KnownName.known,
    data: Annotated[
        Path | None,
        option(
            help=f"What has been measured already, {DATA_KINDS}; with --model: what that was fitted to.",
            panel=MEASURED, metavar="DATA", complete=complete_data,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        option(
            help="LearnedKinematics model to go on from; with --data.",
            panel=MEASURED, metavar="MODEL", complete=files(".npz"),
        ),
    ] = None,
    floor: Annotated[
        float | None, option(help="Height that the arm stays above, base frame [m].", panel=ALLOWED, metavar="M")
    ] = None,
    box: Annotated[
        Corners | None,
        option(
            help="Lowest and highest corner of where the tracker sees the tip, base frame [m].",
            panel=ALLOWED, metavar="X Y Z X Y Z",
        ),
    ] = None,
    clearance: Annotated[
        float, option(min=0.0, help="Links keep this far from each other [m].", panel=ALLOWED, metavar="M")
    ] = 0.02,
    margin: Annotated[
        float,
        option(min=0.0, help="Distance from the limits, share of a joint's range.", panel=ALLOWED, metavar="SHARE"),
    ] = 0.02,
) -> None:  # fmt: skip
    """Choose where measuring tells most.

    Configurations in reach, within limits, free of self-collision, and what error of the tool is to be expected after
    so many of them.
    """
    from crisp_ik_ros.cli_progress import progress_bars
    from crisp_ik_ros.experiments.measurement_planning import PlanRequest, run_plan
    from crisp_ik_ros.terminal import show

    request = PlanRequest(
        count, robot, base_link, tip_link, model, data, kind.value, frame.value, tool.value, box, floor, clearance,
        margin, candidates, criterion.value, seed,
    )  # fmt: skip
    with progress_bars(as_json) as bar:
        summary = run_plan(request, output, picture, bar)
    show(summary, as_json)
