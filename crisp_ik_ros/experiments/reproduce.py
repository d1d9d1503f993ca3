"""The paper's tables and figures by name, each from scratch into a folder."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.experiments import figure2, figure4, panda_pictures, planar_pictures, side_by_side, theorems, times
from crisp_ik_ros.experiments.figure4_picture import draw_figure4
from crisp_ik_ros.experiments.paper import printed_tables
from crisp_ik_ros.experiments.steps import Progress
from crisp_ik_ros.experiments.table1 import run_table1
from crisp_ik_ros.experiments.table2 import merged_table2, run_table2

Result = dict[str, Any]


@dataclass(frozen=True)
class Output:
    """One table or figure of an experiment's result.

    Attributes
    ----------
    rows : callable
        Its numbers as flat rows, for a CSV file.
    text : callable
        Lines for the terminal, with the printed figures where there are any.
    draw : callable
        Draws it to a path.
    """

    rows: Callable[[Result], list[dict[str, Any]]]
    text: Callable[[Result], str]
    draw: Callable[[Result, Path], None]


@dataclass(frozen=True)
class Experiment:
    """One run and what comes of it.

    Attributes
    ----------
    run : callable
        run(quick, seed, progress) -> the result of each output, by its name.
    outputs : callable
        The printed figures -> outputs by name.
    """

    run: Callable[[bool, int, Progress | None], dict[str, Result]]
    outputs: Callable[[Result], dict[str, Output]]


def _single(
    name: str, run: Callable[[bool, int, Progress | None], Result], output: Callable[[Result], Output]
) -> Experiment:
    return Experiment(
        lambda quick, seed, progress: {name: run(quick, seed, progress)}, lambda printed: {name: output(printed)}
    )


def _table1_outputs(printed: Result) -> dict[str, Output]:
    rows = partial(side_by_side.table1_rows, printed=printed)
    text = lambda result: side_by_side.rows_text(rows(result))  # noqa: E731
    return {
        "table1": Output(rows, text, lambda result, path: planar_pictures.draw_table1(result, printed, path)),
        "figure3": Output(planar_pictures.figure3_rows, planar_pictures.figure3_text, planar_pictures.draw_figure3),
    }


def _table2_outputs(printed: Result) -> dict[str, Output]:
    return {
        "table2": Output(
            partial(side_by_side.table2_rows, printed=printed),
            partial(side_by_side.table2_text, printed=printed),
            lambda result, path: side_by_side.draw_table2(result, printed, path),
        ),
        "figure5": Output(panda_pictures.figure5_rows, panda_pictures.figure5_text, panda_pictures.draw_figure5),
        "figure6": Output(panda_pictures.figure6_rows, panda_pictures.figure6_text, panda_pictures.draw_figure6),
    }


EXPERIMENTS = (
    _single(
        "figure2",
        figure2.run_figure2,
        lambda _: Output(figure2.figure2_rows, figure2.figure2_text, figure2.draw_figure2),
    ),
    Experiment(run_table1, _table1_outputs),
    _single(
        "figure4",
        figure4.run_figure4,
        lambda _: Output(figure4.figure4_rows, figure4.figure4_text, draw_figure4),
    ),
    _single(
        "theorems",
        theorems.run_theorems,
        lambda _: Output(theorems.theorems_rows, theorems.theorems_text, theorems.draw_theorems),
    ),
    _single(
        "times",
        times.run_times,
        lambda printed: Output(
            times.times_rows,
            partial(times.times_text, printed=printed),
            lambda result, path: times.draw_times(result, printed, path),
        ),
    ),
    Experiment(run_table2, _table2_outputs),
)
# What one run makes together stands together.
TOGETHER = tuple(tuple(experiment.outputs({})) for experiment in EXPERIMENTS)
NAMES = tuple(sorted(name for names in TOGETHER for name in names))


def reproduce(
    name: str,
    out: Path,
    quick: bool = False,
    seed: int = 0,
    progress: Callable[[str], Progress | None] | None = None,
    methods: Sequence[str] = (),
) -> tuple[dict[str, Result], str]:
    """Measure a table or figure anew and write it, as JSON, CSV and PNG, to a folder.

    Parameters
    ----------
    name : str
        One of ``NAMES``, or "all". What one run makes together (``TOGETHER``: Table 1 and Figure 3, Table 2 and Figures
        5 and 6) is written together.
    out : Path
        Folder; made where it does not exist.
    quick : bool
        Fewer samples and points.
    seed : int
        The same seed gives the same numbers, times excepted.
    progress : callable, optional
        Called with a label at the start of each run; what it returns is called as progress(done, total).
    methods : sequence of str
        Of Table 2: only these are measured, and put into the folder's ``table2.json`` where there is one.

    Returns
    -------
    dict
        What the JSON files hold, by name.
    str
        Ours beside the printed figures.

    Raises
    ------
    InvalidInputError
        When there is no such table or figure, or methods are asked for of another than Table 2.
    DatasetError
        When the folder's table was made with other settings.
    """
    if methods and name != "table2":
        raise InvalidInputError("methods", ", ".join(methods), f"none for {name}: only table2 is measured in parts")
    chosen = [
        (experiment, names)
        for experiment, names in zip(EXPERIMENTS, TOGETHER, strict=True)
        if name == "all" or name in names
    ]
    if not chosen:
        raise InvalidInputError("name", repr(name), " or ".join(map(repr, (*NAMES, "all"))))
    out.mkdir(parents=True, exist_ok=True)
    printed = printed_tables()
    results: dict[str, Result] = {}
    texts = []
    for experiment, names in chosen:
        begin = time.perf_counter()
        command = f"crisp-ik reproduce {names[0]} --seed {seed}" + (" --quick" if quick else "")
        bar = None if progress is None else progress(" ".join(names))
        if methods:
            command += f" --methods {','.join(methods)}"
            made = run_table2(quick, seed, bar, methods)
        else:
            made = experiment.run(quick, seed, bar)
        run = {
            "command": command,
            "seconds": round(time.perf_counter() - begin, 1),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        }
        for output_name, output in experiment.outputs(printed).items():
            if output_name not in made:
                continue
            result = {**made[output_name], "run": run}
            if methods and (out / f"{output_name}.json").is_file():
                result = merged_table2(json.loads((out / f"{output_name}.json").read_text()), result)
            # First what took long, then what can be made again from it.
            (out / f"{output_name}.json").write_text(json.dumps(result, indent=1) + "\n")
            side_by_side.write_csv(output.rows(result), out / f"{output_name}.csv")
            output.draw(result, out / f"{output_name}.png")
            results[output_name] = result
            texts.append(f"{output_name}\n{output.text(result)}")
    return results, "\n\n".join(texts)
