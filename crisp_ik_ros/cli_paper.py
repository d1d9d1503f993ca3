"""The commands ``crisp-ik reproduce`` and ``crisp-ik bench``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from crisp_ik_ros.cli_options import Json


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
    from crisp_ik_ros.terminal import progress_bar

    chosen = [method for method in methods.split(",") if method]
    results, text = run(name, out, quick, seed, lambda label: progress_bar(label, as_json), chosen)
    print(json.dumps(results) if as_json else f"{text}\nWritten to {out}")


def bench(
    quick: Annotated[bool, typer.Option(help="Fewer repetitions.")] = False,
    as_json: Json = False,
) -> None:
    """Measure prediction and training times on this machine, all in one run."""
    from crisp_ik_ros import commands
    from crisp_ik_ros.terminal import show

    show(commands.run_benchmark(quick), as_json)
