"""Joint logs of a tool that was at one point in each file, as they come from calibration by a fixed socket."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.datasets.csv import number_in, read_lines
from crisp_ik_ros.datasets.dataset import Dataset, Distance
from crisp_ik_ros.datasets.units import check_units
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.files import shortened
from crisp_ik_ros.transforms import Array

# A file of this name says the distances between points.
DISTANCES_FILE = "distances.csv"
DISTANCE_COLUMNS = ("first", "second", "length_m", "sd_m")
# More points nobody measures.
MOST_FILES = 100_000
# The two points of a location that ``distance`` is between.
PAIR = ("hole_0", "hole_1")


def read_point_folder(
    path: str | Path,
    joint_names: Sequence[str] | None = None,
    distance: float | None = None,
    distance_sd: float = 1e-4,
    noise: ArrayLike | None = None,
) -> Dataset:
    """Read the .csv files of a folder, ``LOCATION/POINT.csv`` each, as one same-point group each.

    A file has no header, one row a sample and one column a joint. Its group is named ``LOCATION/POINT``, of files in
    the folder itself ``FOLDER/POINT``. A file ``distances.csv`` in the folder, with the columns first, second, length_m
    and, if wanted, sd_m, says how far the points of two groups are from each other and how exactly that is known.

    Parameters
    ----------
    path : str or Path
    joint_names : sequence of str
        The columns, in order.
    distance : float, optional
        Between the points ``hole_0`` and ``hole_1`` of each location that has both [m].
    distance_sd : float
        Standard deviation of ``distance`` [m].
    noise : (n,) or float, optional
        As in ``Dataset.from_same_points`` [m].

    Raises
    ------
    DatasetError
        When there is no such file, one cannot be read, or joint names are missing; it names file, line and column.
    """
    path = Path(path)
    if not path.is_dir():
        raise DatasetError(f"no folder at {path}")
    here = path.resolve().name
    files = {f"{here}/{file.stem}": file for file in sorted(path.glob("*.csv")) if file.name != DISTANCES_FILE}
    files |= {f"{file.parent.name}/{file.stem}": file for file in sorted(path.glob("*/*.csv"))}
    if len(files) > MOST_FILES:
        raise DatasetError(f"{path} holds {len(files)} .csv files, expected at most {MOST_FILES}")
    if not files:
        raise DatasetError(
            f"{path} is no recording (it has no metadata.yaml) and holds no .csv or LOCATION/*.csv files"
        )
    if joint_names is None:
        raise DatasetError(f"{path}: files of points do not name their joints; give joint_names, in the columns' order")
    groups = {name: _read_points(file, joint_names) for name, file in files.items()}
    distances = _read_distances(path / DISTANCES_FILE) if (path / DISTANCES_FILE).is_file() else []
    if distance is not None:
        locations = dict.fromkeys(name.rsplit("/", 1)[0] for name in groups)
        pairs = [[f"{location}/{point}" for point in PAIR] for location in locations]
        found = [
            Distance(first, second, distance, distance_sd) for first, second in pairs if {first, second} <= {*groups}
        ]
        if not found:
            raise DatasetError(
                f"{path}: no location has both {PAIR[0]}.csv and {PAIR[1]}.csv, of which the distance is"
            )
        distances += found
    try:
        return Dataset.from_same_points(groups, joint_names, distances=distances, noise=noise)
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}") from error


def _read_points(path: Path, joint_names: Sequence[str]) -> Array:
    lines, _ = read_lines(path)
    if not lines:
        raise DatasetError(f"{path} is empty; expected rows of {len(joint_names)} numbers")
    rows = np.empty((len(lines), len(joint_names)))
    for row, (number, cells) in enumerate(lines):
        if len(cells) != len(joint_names):
            raise DatasetError(
                f"{path}: line {number} has {len(cells)} columns; expected {len(joint_names)}: {', '.join(joint_names)}"
            )
        for column, (name, cell) in enumerate(zip(joint_names, cells, strict=True)):
            value = number_in(cell)
            if value is None or not np.isfinite(value):
                raise DatasetError(
                    f"{path}: line {number}, column {column} ({name}) holds {shortened(cell)!r}; expected a finite "
                    "number, and no header line"
                )
            rows[row, column] = value
    check_units(str(path), joint_names, rows)
    return rows


def _read_distances(path: Path) -> list[Distance]:
    lines, _ = read_lines(path)
    wanted = f"expected a header line {','.join(DISTANCE_COLUMNS)}, of which the last may be missing"
    if not lines or tuple(lines[0].cells) not in (DISTANCE_COLUMNS, DISTANCE_COLUMNS[:3]):
        raise DatasetError(
            f"{path} begins with {shortened(', '.join(lines[0].cells)) if lines else 'nothing'}; {wanted}"
        )
    result = []
    for number, cells in lines[1:]:
        values = [value for cell in cells[2:] if (value := number_in(cell)) is not None]
        if len(cells) != len(lines[0].cells) or len(values) != len(cells) - 2:
            raise DatasetError(
                f"{path}: line {number} is {shortened(', '.join(cells))}; expected two groups and lengths [m]"
            )
        result.append(Distance(cells[0], cells[1], *values))
    return result
