"""The commands ``crisp-ik sim`` and ``crisp-ik demo``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from crisp_ik_ros.cli_options import BiasSeed, JointBias, Json, LinkBias, LogLevel, LossName


def sim(
    trajectory: Annotated[str, typer.Option(help="'spiral', 'circle' or 'both'.")] = "both",
    joint_bias_deg: JointBias = 0.0,
    link_bias_mm: LinkBias = 0.0,
    bias_seed: BiasSeed = -1,
    model: Annotated[
        str,
        typer.Option(help="'auto': the shipped one, or trained first where the robot is biased; 'nominal'; a path."),
    ] = "auto",
    loss: Annotated[LossName, typer.Option(help="Loss of the model that 'auto' trains.")] = LossName.residual,
    rate: Annotated[float, typer.Option(min=1.0, max=500.0, help="Targets a second.")] = 25.0,
    gui: Annotated[bool, typer.Option(help="Show PyBullet's window.")] = False,
    view: Annotated[bool, typer.Option(help="Show the arm in a browser; the address is printed.")] = False,
    view_host: Annotated[str, typer.Option(help="Address of that page; 0.0.0.0: open to the network.")] = "127.0.0.1",
    view_port: Annotated[int, typer.Option(min=1, max=65535, help="Its port, or the next free one.")] = 8080,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="With --view: open the page, where there is a display.")
    ] = True,
    loop: Annotated[bool, typer.Option(help="Begin again after the last target, until Ctrl-C.")] = True,
    exit_when_done: Annotated[bool, typer.Option(help="End after the last target (with --no-loop).")] = False,
    report: Annotated[str, typer.Option(help="Path of a JSON file for all that was measured.")] = "",
    security: Annotated[bool, typer.Option(help="Each node in its SROS2 enclave, see docs/security.md.")] = False,
    log_level: LogLevel = "info",
) -> None:
    """Run simulator, service and follower, as 'ros2 launch crisp_ik panda_sim.launch.py' does, without ros2 launch."""
    from crisp_ik_ros import commands

    arguments = {
        "trajectory": trajectory,
        "joint_bias_deg": joint_bias_deg,
        "link_bias_mm": link_bias_mm,
        "bias_seed": bias_seed,
        "model": model,
        "loss": loss.value,
        "rate": rate,
        "gui": gui,
        "view": view,
        "view_host": view_host,
        "view_port": view_port,
        "open_browser": open_browser,
        "loop": loop,
        "exit_when_done": exit_when_done,
        "report": report,
        "security": security,
        "log_level": log_level,
    }
    raise typer.Exit(commands.run_simulation(arguments))


def demo(
    out: Annotated[Path, typer.Option(help="Folder for summary.json and the picture.")] = Path("out/demo"),
    as_json: Json = False,
    log_level: LogLevel = "info",
) -> None:
    """See it all: the Panda follows a spiral and a circle, with a true model and with one that is 1 degree off."""
    from crisp_ik_ros.demo import run_demo

    summary = run_demo(out, quiet=as_json, log_level=log_level)
    if as_json:
        print(json.dumps(summary))
