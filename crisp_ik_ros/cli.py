"""The ``crisp-ik`` command: sample, inspect, train, evaluate, ik, sim, demo, bench."""

from __future__ import annotations

import json
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from crisp_ik_ros import cli_robots, cli_training, commands, planning_cli
from crisp_ik_ros.cli_options import (
    ROBOTS,
    BaseLink,
    BiasSeed,
    JointBias,
    Json,
    LinkBias,
    LogLevel,
    LossName,
    Robot,
    TipLink,
)
from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.terminal import progress_bar, show

app = typer.Typer(
    help="Inverse kinematics that learns from data what is wrong with a robot's model.\n\n"
    "Start with: crisp-ik sample, crisp-ik train, crisp-ik evaluate; or see it all at once: crisp-ik demo.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class RegionName(str, Enum):
    """Regions to sample in, by name."""

    demo = "demo"
    torus = "torus"
    workspace = "workspace"
    box = "box"


Triple = tuple[float, float, float]


@app.command()
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
    if preset is not None:
        show(commands.sample_preset(preset, output, progress_bar(preset, as_json)), as_json)
        return
    simulated = commands.SimulatedRobot(robot, base_link, tip_link, joint_bias_deg, link_bias_mm, bias_seed)
    summary = commands.sample_dataset(
        simulated,
        commands.make_region(region.value, center, size, simulated),
        count,
        seed,
        output,
        progress_bar("sampling", as_json),
    )
    show(summary, as_json)


app.command()(cli_training.train)
app.command()(cli_training.evaluate)


@app.command()
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
    show(commands.inspect_data(data, commands.SimulatedRobot(robot, base_link, tip_link), picture), as_json)


@app.command()
def ik(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    position: Annotated[Triple, typer.Option(help="Target of the tip link, base frame [m].")],
    rpy: Annotated[Triple, typer.Option(help="Roll, pitch, yaw about fixed axes [rad].")] = (np.pi, 0.0, 0.0),
    seed: Annotated[str, typer.Option(help="Configuration to start from, comma separated [rad].")] = "",
    timeout: Annotated[float, typer.Option(help="Seconds.")] = 0.05,
    as_json: Json = False,
) -> None:
    """Solve one pose with a model file, without ROS. Exits with 1 when there is no solution."""
    summary = commands.solve_pose(model, position, rpy, seed, timeout)
    show(summary, as_json)
    if not summary["success"]:
        raise typer.Exit(1)


@app.command()
def sim(
    robot: Annotated[str, typer.Option(help=f"A robot: {ROBOTS}, or the path of a robot file (.yaml).")] = "panda",
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
    loop: Annotated[bool, typer.Option(help="Begin again after the last target, until Ctrl-C.")] = True,
    exit_when_done: Annotated[bool, typer.Option(help="End after the last target (with --no-loop).")] = False,
    report: Annotated[str, typer.Option(help="Path of a JSON file for all that was measured.")] = "",
    security: Annotated[bool, typer.Option(help="Each node in its SROS2 enclave, see docs/security.md.")] = False,
    log_level: LogLevel = "info",
) -> None:
    """Run simulator, service and follower, as 'ros2 launch crisp_ik panda_sim.launch.py' does, without ros2 launch."""
    arguments = {
        "robot": robot,
        "trajectory": trajectory,
        "joint_bias_deg": joint_bias_deg,
        "link_bias_mm": link_bias_mm,
        "bias_seed": bias_seed,
        "model": model,
        "loss": loss.value,
        "rate": rate,
        "gui": gui,
        "loop": loop,
        "exit_when_done": exit_when_done,
        "report": report,
        "security": security,
        "log_level": log_level,
    }
    raise typer.Exit(commands.run_simulation(arguments))


@app.command()
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


@app.command()
def reproduce(
    name: Annotated[
        str, typer.Argument(help="table1, table2, figure2 to figure6, theorems, times (section 4.6), or all.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for JSON, CSV and PNG.")] = Path("out/reproduce"),
    quick: Annotated[bool, typer.Option(help="Fewer samples and points: minutes instead of hours.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of subsets, centers and random signs.")] = 0,
    methods: Annotated[
        str, typer.Option(help="Of table2, measure only these (a,b), and add them to the table in the folder.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Measure a table or figure of the paper anew, with every method, beside the printed figures."""
    from crisp_ik_ros.experiments.reproduce import reproduce as run

    chosen = [method for method in methods.split(",") if method]
    results, text = run(name, out, quick, seed, lambda label: progress_bar(label, as_json), chosen)
    print(json.dumps(results) if as_json else f"{text}\nWritten to {out}")


@app.command()
def bench(
    quick: Annotated[bool, typer.Option(help="Fewer repetitions.")] = False,
    as_json: Json = False,
) -> None:
    """Measure prediction and training times on this machine, all in one run."""
    show(commands.run_benchmark(quick), as_json)


app.command("plan-measurements")(planning_cli.plan_measurements)
app.command()(cli_robots.robots)
app.command("new-robot")(cli_robots.new_robot)


def main() -> None:
    """Run the command line; expected errors become one line and exit code 1."""
    try:
        app(standalone_mode=True)
    except CrispIKError as error:
        print(f"crisp-ik: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
