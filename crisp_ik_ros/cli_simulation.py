"""The commands ``crisp-ik sim`` and ``crisp-ik demo``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from crisp_ik_ros.cli_completion import files, models_or, robots
from crisp_ik_ros.cli_help import option
from crisp_ik_ros.cli_options import BiasSeed, JointBias, Json, LevelName, LinkBias, LogLevel, LossName

SIM_EXAMPLES = (
    "# a Panda whose joints are one degree off: learns first, then follows\ncrisp-ik sim --joint-bias-deg 1",
    "# what its URDF alone does; ends by itself, with a summary\n"
    "crisp-ik sim --joint-bias-deg 1 --model nominal \\\n  --no-loop --exit-when-done --json",
)
DEMO_EXAMPLES = ("crisp-ik demo --out out/demo",)
FOLLOWING = "What is followed, and how it ends"
VIEW = "In a browser"


class TrajectoryName(str, Enum):
    """Trajectories of the follower, by name."""

    spiral = "spiral"
    circle = "circle"
    both = "both"


def sim(
    robot: Annotated[
        str,
        option(
            help="A name that 'crisp-ik robots' lists, or path of a robot file (.yaml).",
            metavar="NAME|FILE", complete=robots,
        ),
    ] = "panda",
    model: Annotated[
        str,
        option(
            help="auto: the shipped one for an unbiased Panda, else trained first; nominal: the URDF alone; or a path.",
            metavar="NAME|MODEL", complete=models_or("auto", "nominal"),
        ),
    ] = "auto",
    loss: Annotated[
        LossName,
        option(help="Loss of the model that auto trains: residual, forward_kinematics, radians.", metavar="NAME"),
    ] = LossName.residual,
    gui: Annotated[bool, option("--gui/--no-gui", help="Show PyBullet's window.", metavar="")] = False,
    security: Annotated[
        bool,
        option("--security/--no-security", help="Each node in its SROS2 enclave, see docs/security.md.", metavar=""),
    ] = False,
    log_level: LogLevel = LevelName.info,
    as_json: Json = False,
    trajectory: Annotated[
        TrajectoryName, option(help="spiral, circle or both.", panel=FOLLOWING, metavar="NAME")
    ] = TrajectoryName.both,
    rate: Annotated[
        float, option(min=1.0, max=500.0, help="Targets a second [Hz].", panel=FOLLOWING, metavar="HZ")
    ] = 25.0,
    loop: Annotated[
        bool,
        option("--loop/--no-loop", help="Begin again after the last target.", panel=FOLLOWING, metavar=""),
    ] = True,
    exit_when_done: Annotated[
        bool,
        option("--exit-when-done", help="End after the last target (with --no-loop).", panel=FOLLOWING, metavar=""),
    ] = False,
    report: Annotated[
        str,
        option(
            help="JSON file to write at the end: all that was measured.", panel=FOLLOWING, metavar="FILE",
            complete=files(".json"),
        ),
    ] = "",
    joint_bias_deg: JointBias = 0.0,
    link_bias_mm: LinkBias = 0.0,
    bias_seed: BiasSeed = -1,
    view: Annotated[
        bool,
        option("--view/--no-view", help="Show the arm in a browser; the address is printed.", panel=VIEW, metavar=""),
    ] = False,
    view_host: Annotated[
        str, option(help="Address of that page; 0.0.0.0: open to the network.", panel=VIEW, metavar="HOST")
    ] = "127.0.0.1",
    view_port: Annotated[
        int, option(min=1, max=65535, help="Its port, or the next free one.", panel=VIEW, metavar="PORT")
    ] = 8080,
    open_browser: Annotated[
        bool, option("--open/--no-open", help="Open the page, where there is a display.", panel=VIEW, metavar="")
    ] = True,
) -> None:  # fmt: skip
    """Run simulator, service and follower, until Ctrl-C.

    The same nodes as 'ros2 launch crisp_ik panda_sim.launch.py' starts, without ros2 launch and without RViz. With
    --json the nodes write to stderr, and a summary comes at the end: errors of the tool, latencies.
    """
    from crisp_ik_ros import commands
    from crisp_ik_ros.terminal import print_json

    arguments = {
        "robot": robot,
        "trajectory": trajectory.value,
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
        "log_level": log_level.value,
    }
    if not as_json:
        raise typer.Exit(commands.run_simulation(arguments))
    summary = commands.summarise_simulation(arguments)
    print_json(summary)
    raise typer.Exit(summary["exit_code"])


def demo(
    out: Annotated[Path, option(help="Folder for summary.json, the picture and logs.", metavar="FOLDER")] = Path(
        "out/demo"
    ),
    as_json: Json = False,
    log_level: LogLevel = LevelName.info,
) -> None:
    """See it all: learned and model-based, side by side.

    The simulated Panda follows a spiral and a circle with the real nodes, first as its URDF says, then with all joints
    one degree off. Ends by itself, after two or three minutes, with a table of errors.
    """
    from crisp_ik_ros.demo import run_demo
    from crisp_ik_ros.terminal import print_json

    summary = run_demo(out, quiet=as_json, log_level=log_level.value)
    if as_json:
        print_json(summary)
