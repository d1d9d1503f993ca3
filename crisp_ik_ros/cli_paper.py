"""The commands ``crisp-ik reproduce`` and ``crisp-ik bench``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

from crisp_ik_ros.cli_help import argument, option
from crisp_ik_ros.cli_options import Json

REPRODUCE_EXAMPLES = (
    "# everything, small, in a few minutes\ncrisp-ik reproduce all --quick",
    "# one table at the paper's size\ncrisp-ik reproduce table2 --out out/table2",
)
BENCH_EXAMPLES = ("crisp-ik bench --quick",)


class ResultName(str, Enum):
    """Tables and figures of the paper, by name."""

    all = "all"
    table1 = "table1"
    table2 = "table2"
    figure2 = "figure2"
    figure3 = "figure3"
    figure4 = "figure4"
    figure5 = "figure5"
    figure6 = "figure6"
    theorems = "theorems"
    times = "times"


def reproduce(
    name: Annotated[
        ResultName,
        argument("table1, table2, figure2 to figure6, theorems, times (section 4.6), or all.", metavar="NAME"),
    ],
    out: Annotated[Path, option(help="Folder for JSON, CSV and PNG.", metavar="FOLDER")] = Path("out/reproduce"),
    quick: Annotated[bool, option("--quick", help="Fewer samples and points: minutes, not hours.", metavar="")] = False,
    seed: Annotated[int, option(help="Seed of subsets, centers and random signs.", metavar="N")] = 0,
    methods: Annotated[
        str,
        option(
            help="Of table2, measure only these (a,b), and add them to the table in the folder.", metavar="NAME,..."
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Measure a table or figure of the paper anew.

    With every method, beside the printed figures. What one run makes together (Table 1 and Figure 3, Table 2 and
    Figures 5 and 6) is written together, as JSON, CSV and PNG.
    """
    from crisp_ik_ros.cli_progress import progress_bars
    from crisp_ik_ros.experiments.reproduce import reproduce as run
    from crisp_ik_ros.terminal import print_json

    chosen = [method for method in methods.split(",") if method]
    with progress_bars(as_json, measuring=True) as bar:
        results, text = run(name.value, out, quick, seed, bar, chosen)
    if as_json:
        print_json(results)
    else:
        print(f"{text}\nWritten to {out}")


def bench(
    quick: Annotated[bool, option("--quick", help="Fewer repetitions.", metavar="")] = False,
    as_json: Json = False,
) -> None:
    """Measure prediction times on this machine.

    Learned, model-based and the paper's brute force on the Panda's spiral, in one run. From a clone, 'make bench'
    compares with other libraries.
    """
    from crisp_ik_ros import commands
    from crisp_ik_ros.cli_progress import progress_bars
    from crisp_ik_ros.terminal import show

    with progress_bars(as_json, measuring=True) as bar:
        summary = commands.run_benchmark(quick, bar)
    show(summary, as_json)
