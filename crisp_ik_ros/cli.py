"""The ``crisp-ik`` command. Its commands stand in ``cli_*.py``, and import what they need when they are called."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from crisp_ik_ros import cli_data, cli_paper, cli_robots, cli_simulation, cli_solving, cli_training, planning_cli
from crisp_ik_ros.cli_help import add_command, option
from crisp_ik_ros.cli_outcome import PROGRAM, run

START, ROBOT, PAPER = "Start here", "Your robot, in the order of use", "The paper and this machine"

app = typer.Typer(
    epilog="Exit codes: 0 done; 1 it could not be done (no solution, wrong file); 2 wrong usage; 70 a fault in "
    "crisp-ik; 130 Ctrl-C; 141 nobody reads the output.\n\n"
    'With --json: one JSON object on stdout; an error is {"error": ..., "kind": ..., "exit_code": ...}. Progress and '
    "messages go to stderr.\n\n"
    "Names, files and choices complete with Tab after: crisp-ik --install-completion",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {sys.modules['crisp_ik_ros'].__version__}")
        raise typer.Exit(0)


@app.callback(invoke_without_command=True)
def crisp_ik(
    context: typer.Context,
    version: Annotated[
        bool, option("--version", help="Print the version.", is_eager=True, callback=_show_version, metavar="")
    ] = False,
    debug: Annotated[
        bool, option("--debug", help="Show the traceback of an error; also behind the command.", metavar="")
    ] = False,
) -> None:
    """Inverse kinematics that learns from data what is wrong with a robot's model.

    'crisp-ik COMMAND --help' explains a command, with examples to paste.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)


add_command(app, cli_simulation.demo, START, cli_simulation.DEMO_EXAMPLES)
add_command(app, cli_simulation.sim, START, cli_simulation.SIM_EXAMPLES)
add_command(app, cli_solving.ik, START, cli_solving.IK_EXAMPLES)
add_command(app, cli_robots.robots, ROBOT, cli_robots.ROBOTS_EXAMPLES)
add_command(app, cli_robots.new_robot, ROBOT, cli_robots.NEW_ROBOT_EXAMPLES, "new-robot")
add_command(app, planning_cli.plan_measurements, ROBOT, planning_cli.PLAN_EXAMPLES, "plan-measurements")
add_command(app, cli_data.import_table, ROBOT, cli_data.IMPORT_EXAMPLES, "import")
add_command(app, cli_data.inspect, ROBOT, cli_data.INSPECT_EXAMPLES)
add_command(app, cli_data.sample, ROBOT, cli_data.SAMPLE_EXAMPLES)
add_command(app, cli_training.train, ROBOT, cli_training.TRAIN_EXAMPLES)
add_command(app, cli_training.evaluate, ROBOT, cli_training.EVALUATE_EXAMPLES)
add_command(app, cli_training.register, ROBOT, cli_training.REGISTER_EXAMPLES)
add_command(app, cli_solving.describe, ROBOT, cli_solving.DESCRIBE_EXAMPLES)
add_command(app, cli_paper.reproduce, PAPER, cli_paper.REPRODUCE_EXAMPLES)
add_command(app, cli_paper.bench, PAPER, cli_paper.BENCH_EXAMPLES)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    raise SystemExit(run(app, sys.argv[1:]))


if __name__ == "__main__":
    main()
