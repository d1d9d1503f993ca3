"""The ``crisp-ik`` command: its commands stand in ``cli_*.py`` and do nothing until they are called."""

from __future__ import annotations

import sys

import typer

from crisp_ik_ros import cli_data, cli_paper, cli_simulation, cli_solving, cli_training, planning_cli
from crisp_ik_ros.errors import CrispIKError

app = typer.Typer(
    help="Inverse kinematics that learns from data what is wrong with a robot's model.\n\n"
    "Start with: crisp-ik sample, crisp-ik train, crisp-ik evaluate; or see it all at once: crisp-ik demo.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(cli_data.sample)
app.command()(cli_training.train)
app.command()(cli_training.evaluate)
app.command()(cli_data.inspect)
app.command()(cli_solving.ik)
app.command()(cli_simulation.sim)
app.command()(cli_simulation.demo)
app.command()(cli_paper.reproduce)
app.command()(cli_paper.bench)
app.command("plan-measurements")(planning_cli.plan_measurements)


def main() -> None:
    """Run the command line; expected errors become one line and exit code 1."""
    try:
        app(standalone_mode=True)
    except CrispIKError as error:
        print(f"crisp-ik: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
