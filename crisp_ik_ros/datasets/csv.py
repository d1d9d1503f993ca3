"""Samples as a table that any spreadsheet reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crisp_ik_ros.datasets.fields import POSE, POSITION, SAME_POINT, Distance, Fields, indexed
from crisp_ik_ros.datasets.units import REFUSE, check_limits, check_units
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.files import open_file, readable, shortened
from crisp_ik_ros.memory import check_memory
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import (
    QUATERNION_NORM_TOLERANCE,
    Array,
    make_pose,
    matrix_from_quaternion,
    quaternion_from_matrix,
)

POSITION_COLUMNS = ("x", "y", "z")
QUATERNION_COLUMNS = ("qx", "qy", "qz", "qw")
POSE_COLUMNS = POSITION_COLUMNS + QUATERNION_COLUMNS
NOISE_COLUMNS = ("position_noise", "orientation_noise")
GROUP_COLUMN = "group"
PAYLOAD_COLUMN, SESSION_COLUMN, MARKER_COLUMN, TEMPERATURE_COLUMN = "payload", "session", "marker", "temperature"
# A load whose mass is not known, in the column of payloads.
UNKNOWN = "unknown"
KNOWN_COLUMNS = (
    *POSE_COLUMNS, GROUP_COLUMN, *NOISE_COLUMNS, PAYLOAD_COLUMN, SESSION_COLUMN, MARKER_COLUMN, TEMPERATURE_COLUMN
)  # fmt: skip
# Begins the name of the column with a joint's direction of approach.
APPROACH_PREFIX = "approach_"
# Beyond any table: bytes of the file and of a line, and columns. A table takes so many times its size as memory.
LARGEST, LONGEST_LINE, MOST_COLUMNS, MEMORY_FACTOR = 1 << 36, 1 << 20, 2000, 8.0
# A comment that begins so says how far the points of two groups are from each other.
DISTANCE = "distance"


class Line(NamedTuple):
    """A line of a table: where it stands, counted from 1, and its cells."""

    number: int
    cells: list[str]


def read_csv(
    path: Path, joint_names: Sequence[str] | None = None, robot: RobotModel | None = None, limits: str = REFUSE
) -> Fields:
    """Read samples from a table with a header line.

    Columns, in any order: one for each joint, named after it [rad or m]; x, y, z [m] of the measured tool in the base
    frame; qx, qy, qz, qw, of unit length; group; position_noise [m] and orientation_noise [rad], standard deviations of
    the measurement; payload [kg], "unknown" or empty where the mass is not known; temperature [degrees C], session (one
    mounting of the measuring device and tool), marker (the target on the tool that was measured) and approach_JOINT,
    the direction from which the joint came to rest (1 upward, -1 downward, 0 or empty where not known). Where there is
    a column session or marker, every row has one. A table has the position, or position and quaternion, or the group,
    or all of these. Cells that do not apply to a sample are empty: with a position and no quaternion only the position
    was measured; with a group alone the tool was at the same point in all such samples of the group. Lines that begin
    with # are comments, but for ``# distance, GROUP, GROUP, length[, deviation]``: how far the points of two groups are
    from each other [m].

    Parameters
    ----------
    path : Path
    joint_names : sequence of str, optional
        Which columns are joints; others that have no meaning here are left out, and named in ``notes``. Default: all
        of these.
    robot : RobotModel, optional
        Whose joints they are (in place of ``joint_names``), and whose limits hold.
    limits : str
        Treatment of values outside the limits, see ``check_limits``.

    Raises
    ------
    DatasetError
        When a column is missing, a cell is no number, a quaternion is not of unit length, a joint is outside its
        limits, or the numbers are so large that they must be degrees or millimetres; it says where.
    """
    lines, comments = read_lines(path)
    if not lines:
        raise DatasetError(f"{path} is empty; expected a header line with joint names and {', '.join(POSE_COLUMNS)}")
    if joint_names is None and robot is not None:
        joint_names = robot.joint_names
    table = _Table(path, lines, joint_names)
    configurations = np.column_stack([table.numbers(name) for name in table.joint_names])
    positions, has_position = table.block(POSITION_COLUMNS)
    quaternions, has_quaternion = table.block(QUATERNION_COLUMNS)
    groups, group_names = table.groups()
    alone = np.flatnonzero(has_quaternion & ~has_position)
    if len(alone):
        raise DatasetError(f"{table.where(alone[0])} has a quaternion and no x, y, z; expected both or none")
    lost = np.flatnonzero(~has_position & (groups < 0))
    if len(lost):
        raise DatasetError(f"{table.where(lost[0])} has neither x, y, z nor a group; expected one of them")
    check_units(str(path), table.joint_names, configurations, positions[has_position])
    notes = (
        table.notes()
        + table.payload_notes()
        + check_limits(robot, table.joint_names, configurations, table.where, limits)
    )
    norms = np.linalg.norm(quaternions, axis=1)
    wrong = np.flatnonzero(has_quaternion & ~(np.abs(norms - 1.0) <= QUATERNION_NORM_TOLERANCE))
    if len(wrong):
        raise DatasetError(
            f"{table.where(wrong[0])} has the quaternion {quaternions[wrong[0]].tolist()}; unit length is expected"
        )
    poses = make_pose(np.where(has_position[:, None], positions, 0.0), np.eye(3))
    if has_quaternion.any():
        poses[has_quaternion, :3, :3] = matrix_from_quaternion(quaternions[has_quaternion])
    return Fields(
        table.joint_names,
        configurations,
        poses,
        np.where(has_quaternion, POSE, np.where(has_position, POSITION, SAME_POINT)),
        groups,
        group_names,
        _distances(path, comments),
        np.column_stack([table.numbers(name, np.nan) for name in NOISE_COLUMNS]),
        table.payloads(),
        *table.labels(SESSION_COLUMN),
        *table.labels(MARKER_COLUMN),
        table.numbers(TEMPERATURE_COLUMN, np.nan),
        np.column_stack([table.numbers(APPROACH_PREFIX + name, 0.0) for name in table.joint_names]),
        notes,
    )


def write_csv(stream: BinaryIO, fields: Fields) -> None:
    """Write samples as ``read_csv`` reads them, with digits enough to give back the same numbers."""
    taken = {*KNOWN_COLUMNS, *(APPROACH_PREFIX + name for name in fields.joint_names)}
    clash = [name for name in fields.joint_names if name in taken or not _is_column(name)]
    if clash:
        raise DatasetError(f"joint name {clash[0]!r} cannot be a column of a table; save as .npz")
    kinds = np.full(len(fields.poses), POSE) if fields.kinds is None else fields.kinds
    header, blocks = list(fields.joint_names), [fields.configurations]
    measured, turned = kinds != SAME_POINT, kinds == POSE
    if measured.any():
        header += POSITION_COLUMNS
        blocks.append(np.where(measured[:, None], fields.poses[:, :3, 3], np.nan))
    if turned.any():
        header += QUATERNION_COLUMNS
        blocks.append(np.where(turned[:, None], quaternion_from_matrix(fields.poses[:, :3, :3]), np.nan))
    if fields.noise is not None:
        known = np.flatnonzero(np.isfinite(fields.noise).any(axis=0))
        header += [NOISE_COLUMNS[column] for column in known]
        blocks.append(fields.noise[:, known])
    for name, values in ((PAYLOAD_COLUMN, fields.payloads), (TEMPERATURE_COLUMN, fields.temperatures)):
        if values is not None:
            header.append(name)
            blocks.append(values[:, None])
    if fields.approaches is not None:
        known = np.flatnonzero(fields.approaches.any(axis=0))
        header += [APPROACH_PREFIX + fields.joint_names[joint] for joint in known]
        blocks.append(fields.approaches[:, known])
    rows = np.hstack(blocks)
    distances = "".join(
        f"# {DISTANCE}, {d.first}, {d.second}, {d.length:.17g}, {d.sd:.17g}\n" for d in fields.distances
    )
    if fields.plain:
        np.savetxt(stream, rows, fmt="%.17g", delimiter=",", header=",".join(header), comments="")
        return
    cells = [["" if np.isnan(value) else f"{value:.17g}" for value in row] for row in rows]
    for column, labels, names in (
        (GROUP_COLUMN, fields.groups, fields.group_names),
        (SESSION_COLUMN, fields.sessions, fields.session_names),
        (MARKER_COLUMN, fields.markers, fields.marker_names),
    ):
        if labels is not None:
            header.append(column)
            # The last entry serves samples without a group, whose index is -1.
            words = [*names, ""]
            for row, label in zip(cells, labels, strict=True):
                row.append(words[label])
    stream.write((distances + "".join(",".join(row) + "\n" for row in (header, *cells))).encode())


def read_lines(path: Path) -> tuple[list[Line], list[Line]]:
    """Lines of a table with their cells, and its comments without the # likewise; blank lines are left out.

    Raises
    ------
    DatasetError
        When the file cannot be read as text.
    """
    lines, comments = [], []
    for number, line in enumerate(_text_lines(path), 1):
        cells = _cells(line.strip())
        if len(cells) > MOST_COLUMNS:
            raise DatasetError(f"{path}: line {number} has {len(cells)} cells, expected at most {MOST_COLUMNS}")
        if cells[0].startswith("#"):
            # Spreadsheets put a cell with blanks in quotation marks, its # included.
            comments.append(Line(number, [cells[0][1:].strip(), *cells[1:]]))
        elif cells != [""]:
            lines.append(Line(number, cells))
    return lines, comments


def _text_lines(path: Path) -> Iterator[str]:
    """Lines of a text file, none of them longer than any of a table."""
    with open_file(path, LARGEST, DatasetError, "table") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        check_memory(MEMORY_FACTOR * size, DatasetError, f"{path}, read as text,", "save it as .npz")
        number = 1
        while part := stream.readline(LONGEST_LINE + 1):
            if len(part) > LONGEST_LINE:
                raise DatasetError(f"{path}: line {number} has more than {readable(LONGEST_LINE)}; no table's has")
            try:
                # Spreadsheets write a byte order mark, which is no part of the first name.
                text = part.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DatasetError(f"{path}: line {number} is not text in UTF-8: {error.reason}") from error
            # Lines may end in other ways than with a line feed.
            found = text.splitlines()
            number += len(found)
            yield from found


def number_in(cell: str) -> float | None:
    """Return the number that a cell holds; None where it holds none."""
    try:
        return float(cell)
    except ValueError:
        return None


def _cells(line: str) -> list[str]:
    if '"' not in line:
        return [cell.strip() for cell in line.split(",")]
    try:
        return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True))]
    except (csv.Error, StopIteration):
        return [line]


def _is_column(name: str) -> bool:
    return bool(name) and name == name.strip() and name.isprintable() and not set(name) & set(',"#')


class _Table:
    """Columns of a table by name.

    Parameters
    ----------
    path : Path
        For the errors.
    lines : sequence of Line
        The header first.
    joint_names : sequence of str, optional
        As in ``read_csv``.
    """

    def __init__(self, path: Path, lines: Sequence[Line], joint_names: Sequence[str] | None):
        self._path, self._header, self._lines = path, lines[0].cells, lines[1:]
        header = self._header
        held = [name for name in KNOWN_COLUMNS if name in header]
        no_joints = {*KNOWN_COLUMNS, *(APPROACH_PREFIX + name for name in header)}
        self.joint_names = tuple(joint_names or (name for name in header if name not in no_joints))
        missing = [name for name in self.joint_names if name not in header]
        if any(name in held for name in POSE_COLUMNS):
            missing += [name for name in POSITION_COLUMNS if name not in header]
        if any(name in held for name in QUATERNION_COLUMNS):
            missing += [name for name in QUATERNION_COLUMNS if name not in header]
        if not missing and not {*POSE_COLUMNS, GROUP_COLUMN} & {*held}:
            missing = [*POSE_COLUMNS]
        expected = "expected each joint's name once, and x, y, z, or these and qx, qy, qz, qw, or group"
        if all(number_in(cell) is not None for cell in header):
            raise DatasetError(f"{path} begins with numbers and has no header line; {expected}")
        if len(header) == 1 and ";" in header[0]:
            raise DatasetError(
                f"{path}: columns are separated by semicolons; expected commas. crisp-ik import reads such a table"
            )
        if missing or not self.joint_names or "" in header or len(set(header)) != len(header):
            lack = f" lacks {', '.join(missing)};" if missing else ";"
            raise DatasetError(f"{path}: header {shortened(', '.join(header))}{lack} {expected}")
        for number, line in enumerate(self._lines):
            if len(line.cells) != len(header):
                raise DatasetError(
                    f"{self.where(number)} has {len(line.cells)} cells, {shortened(','.join(line.cells))!r}; "
                    f"expected {len(header)}: {shortened(', '.join(header))}"
                )
        columns = zip(*(line.cells for line in self._lines), strict=True)
        self._columns = dict(zip(header, columns if self._lines else [()] * len(header), strict=True))

    def where(self, sample: int) -> str:
        """Return the place of a sample, for an error."""
        return f"{self._path}: sample {sample} (line {self._lines[sample].number})"

    def notes(self) -> tuple[str, ...]:
        """Remark on the columns that are left out, if there are any."""
        used = {*KNOWN_COLUMNS, *self.joint_names, *(APPROACH_PREFIX + name for name in self.joint_names)}
        left = [name for name in self._header if name not in used]
        return (f"{self._path}: columns left out: {shortened(', '.join(left), 500)}",) if left else ()

    def numbers(self, name: str, empty: float | None = None) -> Array:
        """Column (n,) of this name, with this number in empty cells; none of these where it is None."""
        if name not in self._header and empty is not None:
            return np.full(len(self._lines), empty)
        cells = self._columns[name]
        values = [number_in(cell) if cell or empty is None else empty for cell in cells]
        if None in values:
            sample = values.index(None)
            got = f"column {name} holds {shortened(cells[sample])!r}" if cells[sample] else f"column {name} is empty"
            raise DatasetError(f"{self.where(sample)}: {got}; expected a number")
        result = np.array(values, dtype=float)
        for sample in np.flatnonzero(~np.isfinite(result)).tolist():
            if cells[sample]:
                raise DatasetError(
                    f"{self.where(sample)}: column {name} holds {cells[sample]!r}; finite numbers are expected, "
                    f"the first row without is row {sample}"
                )
        return result

    def payloads(self) -> Array:
        """Column payload (n,) [kg], NaN in cells that are empty or say "unknown"."""
        cells = self._columns.get(PAYLOAD_COLUMN, ())
        if UNKNOWN in cells:
            self._columns[PAYLOAD_COLUMN] = tuple("" if cell == UNKNOWN else cell for cell in cells)
        return self.numbers(PAYLOAD_COLUMN, np.nan)

    def payload_notes(self) -> tuple[str, ...]:
        """Remark where the column payload says "unknown" of loads, and states no mass at all to compare with."""
        cells = set(self._columns.get(PAYLOAD_COLUMN, ()))
        if UNKNOWN not in cells or cells - {UNKNOWN, ""}:
            return ()
        return (
            f"{self._path}: column {PAYLOAD_COLUMN} says {UNKNOWN!r} and states no mass: the load is taken for a part "
            "of the arm; state the mass of some rows, 0 where nothing was carried",
        )

    def block(self, names: Sequence[str]) -> tuple[Array, NDArray[np.bool_]]:
        """Columns (n, k) of these names, NaN where empty, and which rows are filled (n,): all cells of one or none."""
        values = np.column_stack([self.numbers(name, np.nan) for name in names])
        empty: NDArray[np.bool_] = np.isnan(values)
        partly = np.flatnonzero(empty.any(axis=1) & ~empty.all(axis=1))
        if len(partly):
            which = [name for name, lacks in zip(names, empty[partly[0]], strict=True) if lacks]
            raise DatasetError(
                f"{self.where(partly[0])}: column {', '.join(which)} is empty; expected {', '.join(names)} all or none"
            )
        return values, np.logical_not(empty[:, 0])

    def labels(self, name: str) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
        """Index (n,) of each sample's word in a column of which no cell is empty, and the words; None without it."""
        if name not in self._header:
            return None, ()
        cells = self._columns[name]
        if "" in cells:
            raise DatasetError(
                f"{self.where(cells.index(''))}: column {name} is empty; expected the {name} of each row, or no such "
                "column"
            )
        return indexed(cells)

    def groups(self) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """Index (n,) of each sample's group, -1 where the cell is empty, and the groups' names."""
        if GROUP_COLUMN not in self._header:
            return np.full(len(self._lines), -1), ()
        cells = self._columns[GROUP_COLUMN]
        names = {name: index for index, name in enumerate(dict.fromkeys(filter(None, cells)))}
        return np.array([names.get(cell, -1) for cell in cells], dtype=np.int64), tuple(names)


def _distances(path: Path, comments: Sequence[Line]) -> tuple[Distance, ...]:
    result = []
    for number, cells in comments:
        if len(cells) < 2 or cells[0].lower() != DISTANCE:
            continue
        while not cells[-1]:
            cells.pop()
        values = [value for cell in cells[3:] if (value := number_in(cell)) is not None]
        if len(values) not in (1, 2) or len(values) != len(cells) - 3:
            raise DatasetError(
                f"{path}: line {number} is # {shortened(', '.join(cells))}; expected # distance, group, group, "
                "length [m] and, if known, its deviation [m]"
            )
        result.append(Distance(cells[1], cells[2], *values))
    return tuple(result)
