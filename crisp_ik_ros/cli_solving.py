"""The commands ``crisp-ik ik`` and ``crisp-ik describe``."""

from __future__ import annotations

from math import pi
from typing import Annotated, Any

import typer

from crisp_ik_ros.cli_help import option
from crisp_ik_ros.cli_options import Json, Model, Payload, Triple

IK_EXAMPLES = (
    "crisp-ik ik models/panda_residual.npz --position 0 0.5 0.05",
    "# tool turned by 90 degrees, from a configuration\n"
    "crisp-ik ik models/panda_residual.npz --position 0 0.5 0.05 \\\n"
    "  --rpy 3.1416 0 1.5708 --seed 1.5,0.4,0,-2,0,2.4,0.8",
    "# the five solutions nearest the rest pose\n"
    "crisp-ik ik models/panda_residual.npz --position 0 0.5 0.05 \\\n"
    "  --all --limit 5",
)
DESCRIBE_EXAMPLES = (
    "crisp-ik describe models/panda_residual.npz",
    "# one field of it\ncrisp-ik describe models/panda_residual.npz --json | jq .validation",
)


def ik(
    model: Model,
    position: Annotated[Triple, option(help="Tip's target, base frame [m].", metavar="X Y Z")],
    rpy: Annotated[
        Triple,
        option(
            help="Roll, pitch, yaw of the tip about fixed axes [rad].",
            metavar="R P Y",
            show_default="pi 0 0: tool down",
        ),
    ] = (pi, 0.0, 0.0),
    seed: Annotated[
        str,
        option(
            help="Configuration to start from, comma separated [rad or m]; default: the nearest training samples.",
            metavar="Q1,Q2,...",
        ),
    ] = "",
    timeout: Annotated[float, option(min=0.0, help="Longest search [s].", metavar="S")] = 0.05,
    every: Annotated[
        bool,
        option("--all", help="List all solutions, one a posture, nearest the seed or rest pose first.", metavar=""),
    ] = False,
    limit: Annotated[
        int | None, option(min=1, help="With --all: at most so many; default: all that are found.", metavar="N")
    ] = None,
    task: Annotated[
        str,
        option(
            help="Directions that count: full, position, free_x, free_y, free_z (any rotation about that axis of the "
            "tool), reachable (position first).",
            show_default="what the arm can",
            metavar="NAME",
        ),
    ] = "",
    approximate: Annotated[
        bool, option("--approximate", help="Show the nearest configuration where nothing reaches the pose.", metavar="")
    ] = False,
    max_joint_step: Annotated[
        float | None,
        option(min=0.0, help="Farthest that a joint may move from --seed [rad or m]; inf: any branch.", metavar="STEP"),
    ] = None,
    nearest: Annotated[
        bool, option("--nearest", help="Look for the solution nearest --seed, not for the first.", metavar="")
    ] = False,
    payload: Payload = None,
    as_json: Json = False,
) -> None:
    """Solve one pose with a model file, without ROS.

    Exits with 1 when there is no solution within the joint limits. support says how much the data has told of the
    place, 0 to 1; source whether the answer rests on data (learned) or on the URDF (nominal).
    """
    from crisp_ik_ros import commands
    from crisp_ik_ros.cli_progress import progress_bars
    from crisp_ik_ros.terminal import show

    if limit is not None and not every:
        raise typer.BadParameter("--limit needs --all")
    options = {
        "task": task or None, "approximate": approximate, "max_joint_step": max_joint_step, "nearest": nearest
    }  # fmt: skip
    if every and any(options.values()):
        raise typer.BadParameter("--all goes with none of --task, --approximate, --max-joint-step and --nearest")
    if (nearest or max_joint_step is not None) and not seed:
        raise typer.BadParameter("--nearest and --max-joint-step need --seed")
    with progress_bars(as_json) as bar:
        bar("compiling (the first time, about a minute)")
        if every:
            summary = commands.solve_pose_all(model, position, rpy, seed, limit, payload)
        else:
            summary = commands.solve_pose(model, position, rpy, seed, timeout, payload, **options)
    show(summary if as_json or not every else _as_table(summary), as_json)
    if not summary["success"]:
        raise typer.Exit(1)


def _as_table(summary: dict[str, Any]) -> dict[str, Any]:
    """Return the summary of all solutions with a row for each; errors, all within the tolerances, are left out."""
    rows = {
        str(number): {
            "distance": solution["distance"],
            **solution["configuration"],
            "support": solution["support"],
            "source": solution["source"],
        }
        for number, solution in enumerate(summary["solutions"], 1)
    }
    return {"success": summary["success"], "count": len(rows), **({"solutions": rows} if rows else {})}


def describe(model: Model, as_json: Json = False) -> None:
    """Show what is in a model file.

    Which estimator and robot, what it was trained on, how well it did on samples it had not seen, and what it warns of.
    Nothing is computed, so this takes no data and no simulator.
    """
    from crisp_ik_ros import commands
    from crisp_ik_ros.terminal import show

    show(commands.describe_model(model), as_json)
