"""The command ``crisp-ik plan-measurements``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from crisp_ik_ros.cli_options import ROBOTS
from crisp_ik_ros.experiments.measurement_planning import PlanRequest, run_plan
from crisp_ik_ros.terminal import progress_bar, show

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
    output: Annotated[Path, typer.Argument(help="File to write (.csv): a configuration a row [rad or m].")],
    count: Annotated[int, typer.Option(min=1, help="Number of measurements.")] = 60,
    robot: Annotated[
        str, typer.Option(help=f"{ROBOTS} (default: 'panda'), a robot file or a URDF. With --model: its robot.")
    ] = "",
    base_link: Annotated[str, typer.Option(help="First link of the chain; default: the URDF's root.")] = "",
    tip_link: Annotated[str, typer.Option(help="Last link of the chain; default: the URDF's only leaf.")] = "",
    model: Annotated[Path | None, typer.Option(help="LearnedKinematics model to go on from; with --data.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="What has been measured already; with --model: what that was fitted to.")
    ] = None,
    kind: Annotated[KindName, typer.Option(help="What will be measured of the tool.")] = KindName.poses,
    frame: Annotated[KnownName, typer.Option(help="Whether measurements are in the base frame.")] = KnownName.known,
    tool: Annotated[KnownName, typer.Option(help="Whether what is measured is the tip link.")] = KnownName.known,
    floor: Annotated[float | None, typer.Option(help="Height that the arm stays above, base frame [m].")] = None,
    box: Annotated[
        Corners | None,
        typer.Option(help="Lowest and highest corner of where the tracker sees the tip, base frame [m]."),
    ] = None,
    clearance: Annotated[float, typer.Option(min=0.0, help="Links keep this far from each other [m].")] = 0.02,
    margin: Annotated[float, typer.Option(min=0.0, help="Distance from the limits, share of a joint's range.")] = 0.02,
    candidates: Annotated[int, typer.Option(min=1, help="Random configurations to choose from.")] = 3000,
    criterion: Annotated[
        CriterionName,
        typer.Option(help="predictive: the tool's error in the workspace. information: parameters (D-optimal)."),
    ] = CriterionName.predictive,
    picture: Annotated[Path | None, typer.Option(help="PNG: expected error against number of measurements.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the candidates.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object to stdout, and nothing else there.")
    ] = False,
) -> None:
    """Choose the configurations whose measurements tell most: in reach, within limits, free of self-collision."""
    request = PlanRequest(
        count, robot, base_link, tip_link, model, data, kind.value, frame.value, tool.value, box, floor, clearance,
        margin, candidates, criterion.value, seed,
    )  # fmt: skip
    show(run_plan(request, output, picture, lambda label: progress_bar(label, as_json)), as_json)
