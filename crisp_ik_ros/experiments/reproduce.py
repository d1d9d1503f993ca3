"""The paper's tables and figures by name, each from scratch into a folder."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.experiments.paper import printed_tables
from crisp_ik_ros.experiments.side_by_side import (
    draw_table1,
    draw_table2,
    rows_text,
    table1_rows,
    table2_rows,
    table2_text,
    write_csv,
)
from crisp_ik_ros.experiments.table1 import run_table1
from crisp_ik_ros.experiments.table2 import run_table2

Progress = Callable[[int, int], None]
NAMES = ("table1", "table2")


def reproduce(
    name: str, out: Path, quick: bool = False, seed: int = 0, progress: Progress | None = None
) -> tuple[dict[str, Any], str]:
    """Measure a table anew and write it, as JSON, CSV and PNG, to a folder.

    Parameters
    ----------
    name : str
        "table1" (with Figure 3's paths) or "table2".
    out : Path
        Folder; made where it does not exist.
    quick : bool
        Fewer samples and points.
    seed : int
    progress : callable, optional
        Called as progress(done, total).

    Returns
    -------
    dict
        What the JSON file holds.
    str
        Ours beside the printed figures.

    Raises
    ------
    InvalidInputError
        When there is no such table.
    """
    if name not in NAMES:
        raise InvalidInputError("name", repr(name), " or ".join(map(repr, NAMES)))
    begin = time.perf_counter()
    printed = printed_tables()
    table = run_table1(quick, seed, progress) if name == "table1" else run_table2(quick, seed, progress)
    table["run"] = {
        "command": f"crisp-ik reproduce {name} --seed {seed}" + (" --quick" if quick else ""),
        "seconds": round(time.perf_counter() - begin, 1),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(table, indent=1) + "\n")
    if name == "table1":
        rows = table1_rows(table, printed)
        text = rows_text(rows)
        draw_table1(table, out / f"{name}.png")
    else:
        rows, text = table2_rows(table, printed), table2_text(table, printed)
        draw_table2(table, printed, out / f"{name}.png")
    write_csv(rows, out / f"{name}.csv")
    return table, text
