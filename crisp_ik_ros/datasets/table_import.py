"""Import of measurements from tables as people have them: units, orientation conventions, columns by name or number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from crisp_ik_ros.datasets.agreement import Agreement, aligned_agreement
from crisp_ik_ros.datasets.csv import APPROACH_PREFIX, NOISE_COLUMNS
from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.datasets.delimited_text import Column, TextTable, number_of, read_delimited
from crisp_ik_ros.datasets.fields import POSE, POSITION, SAME_POINT, Fields, indexed
from crisp_ik_ros.datasets.table_columns import (
    ANGLE_UNITS,
    AUTOMATIC,
    LENGTH_UNITS,
    MATRIX,
    NOISE_WORDS,
    NONE,
    QUATERNION,
    ColumnUses,
    ImportRequest,
    Reading,
    find_joints,
    find_orientation,
    find_position,
    words_of,
)
from crisp_ik_ros.datasets.units import LARGEST_ANGLE, LARGEST_POSITION, check_limits
from crisp_ik_ros.errors import DatasetError, InvalidInputError
from crisp_ik_ros.files import shortened
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, make_pose

# Lengths of a robot's workspace lie between these, in meters [m]; of millimeters they are a thousand times as much.
LARGEST_METERS, LEAST_MILLIMETERS = 10.0, 20.0
# Angles smaller than this may be degrees of a tool that hardly turned, and radians as well.
CLEARLY_RADIANS = 1.5
# Quaternions and matrices were rounded by no more than this.
UNIT_TOLERANCE = 0.02
# Rows by which interpretations are compared.
ROWS_TO_COMPARE = 300
# An interpretation is right where the URDF fits within this [m], and the next best one worse by this factor.
GOOD_FIT, CLEARLY_WORSE = 0.05, 3.0
# Radians of a mean orientation error count as so many meters.
LEVER = 0.3
# Where frame and tool are aligned and the URDF misses by so much, something is wrong with the table [m].
SUSPICIOUS = 0.03


def import_table(path: Path, request: ImportRequest, robot: RobotModel | None = None) -> tuple[Dataset, dict[str, Any]]:
    """Read a table as people have it.

    Parameters
    ----------
    path : Path
    request : ImportRequest
    robot : RobotModel, optional
        Its joint names find the joints' columns, and its kinematics decide between units and orientation conventions
        that are not said: that one is taken which the URDF fits, frame and tool aligned, far better than any other.

    Returns
    -------
    dataset : Dataset
    report : dict
        Each column's purpose and unit, and everything that was left out.

    Raises
    ------
    DatasetError
        When the table cannot be read, or leaves open what it means; the error lists the options that settle it.
    InvalidInputError
        When an option has a value that it cannot have.
    """
    request.check()
    table = read_delimited(path, request.separator, request.decimal, request.header)
    found = _find_columns(table, request, robot)
    configurations = np.column_stack([table.numbers(column) for column in found.joints])
    same_point = request.position == NONE
    positions = (
        np.full((len(table), 3), np.nan)
        if same_point
        else np.column_stack([table.numbers(column) for column in found.position])
    )
    keep = np.isfinite(configurations).all(axis=1) & (same_point | np.isfinite(positions).all(axis=1))
    _note_incomplete(found, keep)
    if not keep.any():
        raise DatasetError(f"{path}: no row has all joints and a position; expected at least one")
    raw = _Raw(configurations[keep], positions[keep], [
        np.column_stack([table.numbers(column) for column in reading.columns])[keep] for reading in found.readings
    ])  # fmt: skip
    _drop_constant(found, raw, request)
    rows = np.flatnonzero(keep)
    sessions = _labels(found, request.session, "session", rows)
    markers = _labels(found, request.marker, "marker", rows)
    choice = _choose(found, raw, _of_one_mounting(sessions[0], markers[0], len(rows)), request, robot)
    fields = replace(
        _fields(found, raw, choice, request, rows, same_point, robot),
        sessions=sessions[0],
        session_names=sessions[1],
        markers=markers[0],
        marker_names=markers[1],
    )
    lines = [table.lines[row] for row in rows]
    check_limits(robot, found.joint_names, fields.configurations, lambda row: f"{path}: line {lines[row]}")
    try:
        dataset = Dataset.from_fields(fields)
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}; samples are counted from 0, without the rows left out") from error
    return dataset, _report(found, choice, dataset, robot, keep)


class _Raw(NamedTuple):
    """Numbers of the complete rows in the table's own units; orientations as each reading has its columns."""

    configurations: Array
    positions: Array
    orientations: list[Array]


class _Choice(NamedTuple):
    """Units and orientation that are taken, and how well the robot fits them."""

    joint_unit: str
    length_unit: str
    reading: int
    angle_unit: str
    agreement: Agreement | None
    evidence: str


def _find_columns(table: TextTable, request: ImportRequest, robot: RobotModel | None) -> ColumnUses:
    joints, names = find_joints(table, request, robot)
    position = [] if request.position == NONE else find_position(table, request, joints)
    found = ColumnUses(table, joints, names, position, [], notes=list(table.notes))
    for column, name in zip(joints, names, strict=True):
        found.take(column, "joint" if name in (column.bare, column.name) else f"joint {name}")
    for column, axis in zip(position, "xyz", strict=False):
        found.take(column, f"position {axis}")
    found.readings = find_orientation(table, request, found, robot)
    found.joint_units = _joint_units(found, request, robot)
    found.length_units = _length_units(found, request, robot)
    return found


def _joint_units(found: ColumnUses, request: ImportRequest, robot: RobotModel | None) -> list[str]:
    """Units that the joints' angles may have."""
    if request.joint_unit != AUTOMATIC:
        return [request.joint_unit]
    said = {column.unit for column in found.joints} - {"", "m", "mm"}
    if len(said) == 1:
        return [_known_unit(found, said.pop(), ANGLE_UNITS, "--joint-unit", "the joints")]
    largest = _largest(found, _turning(found.joints, robot))
    if largest > LARGEST_ANGLE:
        return ["deg"]
    if robot is not None:
        return ["rad", "deg"]
    if largest > 2.0 * np.pi * 1.01:
        raise DatasetError(
            f"{found.table.path}: joints go up to {largest:g}, which may be radians or degrees; give --joint-unit"
        )
    return ["rad"]


def _length_units(found: ColumnUses, request: ImportRequest, robot: RobotModel | None) -> list[str]:
    if request.length_unit != AUTOMATIC:
        return [request.length_unit]
    if not found.position:
        return ["m"]
    said = {column.unit for column in found.position} - {""}
    if len(said) == 1:
        return [_known_unit(found, said.pop(), LENGTH_UNITS, "--length-unit", "the position")]
    far = float(np.nanmedian(np.nanmax(np.abs(_values(found, found.position)), axis=1, initial=0.0)))
    if far > LARGEST_POSITION:
        return ["mm"]
    if robot is not None:
        return ["m", "mm"]
    if LARGEST_METERS < far < LEAST_MILLIMETERS:
        raise DatasetError(
            f"{found.table.path}: positions are like {far:g}, which may be meters or millimeters; give --length-unit"
        )
    return ["m" if far <= LARGEST_METERS else "mm"]


def _angle_units(found: ColumnUses, reading: Reading, values: Array, request: ImportRequest, robot: bool) -> list[str]:
    if reading.unit == "-":
        return ["-"]
    if request.angle_unit != AUTOMATIC:
        return [request.angle_unit]
    said = {column.unit for column in reading.columns} - {""}
    if len(said) == 1:
        return [_known_unit(found, said.pop(), ANGLE_UNITS, "--angle-unit", "the orientation")]
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    if largest > 2.0 * np.pi * 1.01:
        return ["deg"]
    if robot:
        return ["rad", "deg"]
    if largest < CLEARLY_RADIANS:
        raise DatasetError(
            f"{found.table.path}: the angles {', '.join(column.name for column in reading.columns)} go up to "
            f"{largest:g}, which may be radians or degrees; give --angle-unit"
        )
    return ["rad"]


def _known_unit(found: ColumnUses, unit: str, known: dict[str, float], option: str, what: str) -> str:
    if unit not in known:
        raise DatasetError(
            f"{found.table.path}: the header says {unit} of {what}; expected {' or '.join(known)}. Convert the column, "
            f"or give {option}"
        )
    return unit


def _values(found: ColumnUses, columns: Sequence[Column]) -> Array:
    return np.column_stack([found.table.numbers(column) for column in columns])


def _turning(joints: Sequence[Column], robot: RobotModel | None) -> list[Column]:
    prismatic = _prismatic(robot, len(joints))
    return [column for column, slides in zip(joints, prismatic, strict=True) if not slides]


def _prismatic(robot: RobotModel | None, count: int) -> NDArray[np.bool_]:
    return np.zeros(count, dtype=bool) if robot is None else np.asarray(robot.chain[2], dtype=bool)[:count]


def _largest(found: ColumnUses, columns: Sequence[Column]) -> float:
    """Largest absolute value of most columns: a wrist may have turned more often."""
    if not columns:
        return 0.0
    return float(np.median(np.nanmax(np.abs(_values(found, columns)), axis=0, initial=0.0)))


def _note_incomplete(found: ColumnUses, keep: NDArray[np.bool_]) -> None:
    lost = np.flatnonzero(~keep)
    if len(lost):
        lines = ", ".join(str(found.table.lines[row]) for row in lost[:8])
        found.notes.append(
            f"{len(lost)} of {len(keep)} rows left out, in which a joint or the position is missing: lines {lines}"
            + (", ..." if len(lost) > 8 else "")
        )


def _drop_constant(found: ColumnUses, raw: _Raw, request: ImportRequest) -> None:
    """Leave out an orientation that never changes, unless it was asked for; warn of a position that never does."""
    moved = len(raw.configurations) > 2 and np.ptp(raw.configurations, axis=0).max() > 0.0
    if moved and found.position and np.ptp(raw.positions, axis=0).max() == 0.0:
        found.warnings.append(
            "the position is the same in all rows while the joints move: was the device frozen, or is it one point "
            "(--position none --group COLUMN)?"
        )
    if not found.readings or request.orientation_columns or request.orientation != AUTOMATIC or request.euler:
        return
    values = raw.orientations[0]
    if moved and not np.isnan(values).all() and np.nanmax(np.nanmax(values, axis=0) - np.nanmin(values, axis=0)) == 0.0:
        names = ", ".join(column.name for column in found.readings[0].columns)
        found.notes.append(
            f"orientation left out: {names} are the same in all rows, so that it was not measured; --orientation KIND "
            "takes it all the same"
        )
        found.readings.clear()
        raw.orientations.clear()


def _of_one_mounting(
    sessions: NDArray[np.int64] | None, markers: NDArray[np.int64] | None, count: int
) -> NDArray[np.bool_]:
    """Rows (n,) of the session and marker with the most rows: one frame and one tool fit no others."""
    labels = np.column_stack([np.zeros(count) if one is None else one for one in (sessions, markers)])
    _, indices, counts = np.unique(labels, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(indices.reshape(-1) == np.argmax(counts))


def _choose(
    found: ColumnUses, raw: _Raw, comparable: NDArray[np.bool_], request: ImportRequest, robot: RobotModel | None
) -> _Choice:
    """Units and orientation: as said, else those that the robot fits far better than all others."""
    complete = comparable.copy()
    for values in raw.orientations:
        complete &= np.isfinite(values).all(axis=1) & (np.abs(values).max(axis=1, initial=0.0) > 0.0)
    readings = range(len(found.readings)) if found.readings else (-1,)
    options = [
        (joint, length, reading, angle)
        for joint in found.joint_units
        for length in found.length_units
        for reading in readings
        for angle in (
            ["-"]
            if reading < 0
            else _angle_units(found, found.readings[reading], raw.orientations[reading], request, robot is not None)
        )
    ]
    rows = np.flatnonzero(complete)
    if robot is None or len(rows) < 4 or not found.position:
        if len(options) > 1:
            # Without evidence the units are as their size suggests, but no convention is guessed.
            if len({option[2] for option in options}) > 1:
                raise DatasetError(_open_question(found))
            if len({option[0] for option in options}) > 1 or len({option[3] for option in options}) > 1:
                raise DatasetError(
                    f"{found.table.path}: {len(rows)} complete rows do not tell the units; give --joint-unit, "
                    "--length-unit and --angle-unit"
                )
        return _Choice(*options[0], None, "")
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, ROWS_TO_COMPARE).astype(int))]
    results = []
    tips = {
        unit: robot.forward_kinematics(_configurations(raw.configurations[chosen], unit, "m", robot))
        for unit in found.joint_units
    }
    for option in options:
        joint, length, reading, angle = option
        rotations = None
        if reading >= 0:
            rotations = found.readings[reading].rotations(
                _unit_length(found, raw.orientations[reading][chosen], reading), ANGLE_UNITS.get(angle, 1.0)
            )
        agreement = aligned_agreement(tips[joint], raw.positions[chosen] * LENGTH_UNITS[length], rotations)
        results.append((agreement.position + LEVER * np.nan_to_num(agreement.orientation), option, agreement))
    results.sort(key=lambda result: result[0])
    best = results[0]
    if len(results) == 1:
        return _Choice(*best[1], best[2], "")
    spread = float(np.linalg.norm(np.std(tips[best[1][0]][:, :3, 3], axis=0)))
    fits = best[2].position < max(GOOD_FIT, 0.05 * spread)
    if not fits or results[1][0] < CLEARLY_WORSE * best[0]:
        listed = "; ".join(
            f"{_described(found, option)}: {_distance(agreement)}" for _, option, agreement in results[:4]
        )
        settled = sorted({found.readings[option[2]].options for _, option, _ in results[:4] if option[2] >= 0} - {""})
        wanted = ", ".join([*settled, "--joint-unit", "--length-unit", "--angle-unit"])
        raise DatasetError(
            f"{found.table.path}: no way to read it fits the robot clearly best. {listed}. Give what you know of: "
            f"{wanted}"
        )
    evidence = f"{_described(found, best[1])} fits {robot.name} to {_distance(best[2])}, mean of {len(chosen)} rows"
    evidence += f"; the next best, {_described(found, results[1][1])}, to {_distance(results[1][2])}"
    return _Choice(*best[1], best[2], evidence)


def _described(found: ColumnUses, option: tuple[str, str, int, str]) -> str:
    joint, length, reading, angle = option
    words = [f"joints in {joint}" if len(found.joint_units) > 1 else "", length if len(found.length_units) > 1 else ""]
    if reading >= 0:
        words.append(found.readings[reading].label + ("" if angle == "-" else f" in {angle}"))
    return ", ".join(word for word in words if word)


def _distance(agreement: Agreement) -> str:
    words = f"{1e3 * agreement.position:.3g} mm"
    return words if np.isnan(agreement.orientation) else f"{words} and {np.rad2deg(agreement.orientation):.3g} degrees"


def _open_question(found: ColumnUses) -> str:
    first = found.readings[0]
    names = ", ".join(column.name for column in first.columns)
    common = {"--euler XYZ", "--euler xyz", "--euler ZYX", "--orientation rotation_vector"}
    options = [one for one in found.readings if one.options in common] or found.readings
    listed = "; ".join(f"{reading.options} ({reading.label})" for reading in options[:4])
    return (
        f"{found.table.path}: the columns {names} are an orientation, and leave open which; give one of {listed}; or "
        "--orientation none to take the position only; or --robot URDF to find out which of them fits the arm"
    )


def _configurations(values: Array, joint_unit: str, length_unit: str, robot: RobotModel | None) -> Array:
    """Joint values [rad or m]."""
    factors = np.where(_prismatic(robot, values.shape[1]), LENGTH_UNITS[length_unit], ANGLE_UNITS[joint_unit])
    return np.asarray(values * factors)


def _unit_length(found: ColumnUses, values: Array, reading: int) -> Array:
    """Quaternions of unit length and rotation matrices, up to rounding; DatasetError where they are none."""
    kind = found.readings[reading].kind
    if kind == QUATERNION:
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        wrong = np.flatnonzero(np.abs(lengths[:, 0] - 1.0) > UNIT_TOLERANCE)
        got = f"a quaternion of length {lengths[wrong[0], 0]:.4g}" if len(wrong) else ""
    elif kind == MATRIX:
        matrices = values.reshape(-1, 3, 3)
        off = np.abs(matrices @ matrices.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2))
        wrong = np.flatnonzero((off > UNIT_TOLERANCE) | (np.linalg.det(matrices) < 0.0))
        got = "a matrix that is no rotation" if len(wrong) else ""
    else:
        return values
    if len(wrong):
        names = ", ".join(column.name for column in found.readings[reading].columns)
        row = shortened(np.array2string(values[wrong[0]], precision=5, separator=", "))
        raise DatasetError(
            f"{found.table.path}: {names} hold {got} in {len(wrong)} rows, the first is {row}; give other "
            "--orientation-columns, or --orientation none"
        )
    return values / lengths if kind == QUATERNION else values


def _fields(
    found: ColumnUses,
    raw: _Raw,
    choice: _Choice,
    request: ImportRequest,
    rows: NDArray[np.intp],
    same_point: bool,
    robot: RobotModel | None,
) -> Fields:
    count = len(rows)
    configurations = _configurations(raw.configurations, choice.joint_unit, choice.length_unit, robot)
    for column, slides in zip(found.joints, _prismatic(robot, len(found.joints)), strict=True):
        purpose = found.use[column.name][0]
        found.take(column, purpose, choice.length_unit if slides else choice.joint_unit)
    poses = np.broadcast_to(np.eye(4), (count, 4, 4)).copy()
    kinds = np.full(count, SAME_POINT if same_point else POSITION, dtype=np.int8)
    if not same_point:
        poses[:, :3, 3] = raw.positions * LENGTH_UNITS[choice.length_unit]
        for column, axis in zip(found.position, "xyz", strict=True):
            found.take(column, f"position {axis}", choice.length_unit)
    if request.constant_orientation:
        poses[:, :3, :3] = _constant_rotation(request.constant_orientation)
        kinds[:] = POSE
        found.notes.append(f"orientation: the quaternion {request.constant_orientation} in all rows, as asked for")
    elif choice.reading >= 0:
        reading, values = found.readings[choice.reading], raw.orientations[choice.reading]
        # Devices that lose the orientation write zeros for a quaternion.
        whole = np.isfinite(values).all(axis=1)
        if reading.kind in (QUATERNION, MATRIX):
            whole &= np.abs(np.nan_to_num(values)).max(axis=1) > 0.0
        turned = reading.rotations(
            _unit_length(found, values[whole], choice.reading), ANGLE_UNITS.get(choice.angle_unit, 1.0)
        ) if whole.any() else np.empty((0, 3, 3))  # fmt: skip
        poses[whole] = make_pose(poses[whole, :3, 3], turned)
        kinds[whole] = POSE
        for column in reading.columns:
            found.take(column, reading.label.split(", of ")[0], choice.angle_unit)
        if not whole.all():
            found.notes.append(f"{np.sum(~whole)} of {count} rows have no orientation: their position alone is taken")
    groups, group_names = _groups(found, request.group, rows)
    if same_point and (groups is None or (groups < 0).any()):
        raise DatasetError(f"{found.table.path}: rows without a position need a group; give --group COLUMN")
    return Fields(
        found.joint_names,
        configurations,
        poses,
        kinds,
        groups,
        group_names,
        noise=_noise(found, request, choice, rows),
        payloads=_quantity(found, request.payload, "payload", "kg", rows),
        temperatures=_quantity(found, request.temperature, "temperature", "degrees C", rows),
        approaches=_approaches(found, rows),
    )


def _constant_rotation(text: str) -> Array:
    try:
        values = np.array([float(cell) for cell in text.replace(",", " ").split()])
    except ValueError as error:
        raise InvalidInputError("--constant-orientation", repr(text), "a quaternion x, y, z, w") from error
    if values.shape != (4,) or not abs(np.linalg.norm(values) - 1.0) <= UNIT_TOLERANCE:
        raise InvalidInputError("--constant-orientation", repr(text), "a quaternion x, y, z, w of unit length")
    return np.asarray(Rotation.from_quat(values).as_matrix())


def _column_called(found: ColumnUses, word: str) -> Column | None:
    """Column of this very name or, of temperatures, the only one with the word in it; None where it is used already."""
    table = found.table
    same = [column for column in table.columns if words_of(column.bare) == [word]]
    if not same and word == "temperature":
        same = [column for column in table.columns if word in words_of(column.bare)]
    return same[0] if len(same) == 1 and same[0].name not in found.use else None


def _quantity(found: ColumnUses, wanted: str, word: str, unit: str, rows: NDArray[np.intp]) -> Array | None:
    """Numbers (n,) of a column, of one that is called so, or one number for all."""
    table = found.table
    column = _column_called(found, word) if not wanted else None
    if wanted:
        value = number_of(wanted, "point")
        if value is not None and np.isfinite(value) and wanted not in table.names:
            found.notes.append(f"{word}: {value:g} {unit} in all rows, as asked for")
            return np.full(len(rows), value)
        column = table.one(wanted, f"--{word}")
    if column is None:
        return None
    found.take(column, word, unit)
    return table.numbers(column)[rows]


def _labels(
    found: ColumnUses, wanted: str, word: str, rows: NDArray[np.intp]
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Index (n,) of each row's word in a column, of one that is called so, or one word for all."""
    table = found.table
    column = _column_called(found, word) if not wanted else None
    if wanted and not any(wanted in (one.name, one.bare) for one in table.columns):
        found.notes.append(f"{word}: {wanted!r} in all rows, as asked for; no column is called so")
        return indexed([wanted] * len(rows))
    if wanted:
        column = table.one(wanted, f"--{word}")
    if column is None:
        return None, ()
    found.take(column, word)
    cells = [column.cells[row] for row in rows]
    if "" in cells:
        raise DatasetError(
            f"{table.path}: line {table.lines[rows[cells.index('')]]}, column {column.name} is empty; expected the "
            f"{word} of each row"
        )
    return indexed(cells)


def _groups(found: ColumnUses, wanted: str, rows: NDArray[np.intp]) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    column = found.table.one(wanted, "--group") if wanted else _column_called(found, "group")
    if column is None:
        return None, ()
    found.take(column, "group")
    cells = [column.cells[row] for row in rows]
    names = {name: index for index, name in enumerate(dict.fromkeys(filter(None, cells)))}
    return np.array([names.get(cell, -1) for cell in cells], dtype=np.int64), tuple(names)


def _noise(found: ColumnUses, request: ImportRequest, choice: _Choice, rows: NDArray[np.intp]) -> Array | None:
    """Standard deviations (n, 2) [m, rad] of each row: along an axis, the root mean square of those of the axes."""
    noise = np.full((len(rows), 2), np.nan)
    angle = "rad" if choice.angle_unit == "-" else choice.angle_unit
    reading = found.readings[choice.reading] if choice.reading >= 0 else None
    if request.noise_columns:
        columns = found.table.select(request.noise_columns, "--noise-columns")
        parts = {1: (1, 0), 2: (1, 1), 3: (3, 0), 4: (3, 1), 6: (3, 3)}.get(len(columns))
        if parts is None:
            raise InvalidInputError(
                "--noise-columns",
                f"{len(columns)} columns",
                "1 or 3 of the position, then none, 1 or 3 of the orientation",
            )
        position, orientation = columns[: parts[0]], columns[parts[0] :]
    else:
        position = _noise_beside(found, found.position)
        orientation = [] if reading is None or reading.unit == "-" else _noise_beside(found, reading.columns)
        # So they are called in the tables that crisp_ik writes, in SI units; beside others their unit is open.
        if choice.length_unit == "m" and angle == "rad":
            position = position or [one for one in found.table.columns if one.name == NOISE_COLUMNS[0]]
            orientation = orientation or [one for one in found.table.columns if one.name == NOISE_COLUMNS[1]]
    for place, columns, known, default, what in (
        (0, position, LENGTH_UNITS, choice.length_unit, "noise of the position"),
        (1, orientation, ANGLE_UNITS, angle, "noise of the orientation"),
    ):
        if not columns:
            continue
        squares = np.zeros(len(rows))
        for column in columns:
            unit = column.unit if column.unit in known else default
            values = found.table.numbers(column)[rows]
            wrong = np.flatnonzero(values < 0.0)
            if len(wrong):
                raise DatasetError(
                    f"{found.table.path}: line {found.table.lines[rows[wrong[0]]]}, column {column.name} holds "
                    f"{values[wrong[0]]:g}; expected a standard deviation, 0 or more"
                )
            squares += (values * known[unit]) ** 2
            found.take(column, what, unit)
        noise[:, place] = np.sqrt(squares / len(columns))
    # A device that says 0 did not read twice.
    noise[noise == 0.0] = np.nan
    for place, value, unit in ((0, request.position_noise, "m"), (1, request.orientation_noise, "rad")):
        if value is not None:
            noise[:, place] = value
            found.notes.append(
                f"{('position', 'orientation')[place]} noise: {value:g} {unit} in all rows, as asked for"
            )
    return None if np.isnan(noise).all() else noise


def _noise_beside(found: ColumnUses, columns: Sequence[Column]) -> list[Column]:
    """Columns named as these, but for a word such as "std" among theirs; none where one is missing."""
    result = []
    for column in columns:
        words = words_of(column.bare)
        beside = [
            one
            for one in found.table.columns
            if {*words_of(one.bare)} & NOISE_WORDS
            and [word for word in words_of(one.bare) if word not in NOISE_WORDS] == words
        ]
        if len(beside) != 1:
            return []
        result.append(beside[0])
    return result


def _approaches(found: ColumnUses, rows: NDArray[np.intp]) -> Array | None:
    approaches = np.zeros((len(rows), len(found.joints)))
    for joint, name in enumerate(found.joint_names):
        for column in found.table.columns:
            if column.bare == APPROACH_PREFIX + name:
                found.take(column, f"approach of {name}")
                approaches[:, joint] = np.nan_to_num(found.table.numbers(column)[rows])
    return approaches if approaches.any() else None


def _report(
    found: ColumnUses, choice: _Choice, dataset: Dataset, robot: RobotModel | None, keep: NDArray[np.bool_]
) -> dict[str, Any]:
    table = found.table
    names = [column.name for column in table.columns]
    left = [name for name in names if name not in found.use]
    warnings = list(found.warnings)
    summary: dict[str, Any] = {
        "read as": table.reading,
        "rows": f"{len(dataset)} of {len(keep)}",
        "kinds": ", ".join(dataset._counts()),
        "columns": {
            name: {"taken for": found.use[name][0], "unit": found.use[name][1]} for name in names if name in found.use
        },
        "left out": left,
    }
    for label, values in (("sessions", dataset.session_names), ("markers", dataset.marker_names)):
        if values:
            summary[label] = list(values)
    if choice.agreement is not None and robot is not None:
        summary["URDF, frame and tool aligned"] = f"{_distance(choice.agreement)} (mean)"
        if choice.evidence:
            summary["chosen by"] = choice.evidence
        if choice.agreement.position > SUSPICIOUS:
            warnings.append(
                f"the URDF misses these poses by {1e3 * choice.agreement.position:.3g} mm, frame and tool aligned: is "
                "it the right robot, are units, order of the joints and orientation right?"
            )
    return {"warnings": warnings, **summary, "notes": found.notes}
