"""Import of measurements from tables as people have them: units, orientation conventions, columns by name or number."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
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
from crisp_ik_ros.datasets.units import LARGEST_ANGLE, LARGEST_POSITION, check_limits
from crisp_ik_ros.errors import DatasetError, InvalidInputError
from crisp_ik_ros.files import shortened
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, make_pose

AUTOMATIC, NONE = "auto", "none"
ANGLE_UNITS = {"rad": 1.0, "deg": np.pi / 180.0}
LENGTH_UNITS = {"m": 1.0, "mm": 1e-3}
QUATERNION, EULER, ROTATION_VECTOR, MATRIX = "quaternion", "euler", "rotation_vector", "matrix"
ORIENTATIONS = (AUTOMATIC, NONE, QUATERNION, EULER, ROTATION_VECTOR, MATRIX)
# Numbers that an orientation has.
COLUMNS_OF = {QUATERNION: 4, EULER: 3, ROTATION_VECTOR: 3, MATRIX: 9}
QUATERNION_ORDERS = {"xyzw": (0, 1, 2, 3), "wxyz": (1, 2, 3, 0)}
# Words in the names of columns that hold something else than readings.
OTHER_WORDS = {
    "goal", "target", "command", "commanded", "cmd", "desired", "setpoint", "reference", "ref", "nominal", "planned",
    "vel", "velocity", "speed", "acc", "acceleration", "effort", "torque", "current", "error", "err", "residual",
    "temp", "temperature", "approach",
}  # fmt: skip
NOISE_WORDS = {"std", "stddev", "sigma", "stdev", "sd", "noise", "deviation", "dev"}
ORIENTATION_WORDS = {"orientation", "rotation", "quaternion", "quat", "rot", "ori"}
# Last words of the names of columns of one kind: positions, quaternions (x, y, z, w), angles, matrices.
POSITION_ENDS = (("x", "y", "z"), ("px", "py", "pz"), ("tx", "ty", "tz"), ("posx", "posy", "posz"))
QUATERNION_ENDS = (("qx", "qy", "qz", "qw"), ("x", "y", "z", "w"))
NUMBERED_QUATERNION_ENDS = (("q0", "q1", "q2", "q3"), ("q1", "q2", "q3", "q4"))
# Of these the axis of each angle is known, and neither the order nor whether they are a rotation vector.
ANGLE_ENDS = (("rx", "ry", "rz"), ("roll", "pitch", "yaw"), ("w", "p", "r"), ("c", "b", "a"))
VECTOR_ENDS = (("rvx", "rvy", "rvz"), ("rotvecx", "rotvecy", "rotvecz"))
MATRIX_ENDS = tuple(tuple(f"r{i}{j}" for i in base for j in base) for base in ((1, 2, 3), (0, 1, 2)))
# Beginnings of the names of numbered joints, of which each column is one.
JOINT_FAMILIES = ("joint", "q", "j", "axis", "a", "theta", "jnt", "joints")
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


@dataclass(frozen=True)
class ImportRequest:
    """Interpretation of a table; what is "auto" or empty is found out and said.

    Attributes
    ----------
    separator, decimal, header : str
        As in ``read_delimited``.
    joints : str
        Columns: names, patterns, numbers or ranges, as in ``TextTable.select``.
    joint_names : str
        Names that they get, separated by blanks.
    joint_unit, angle_unit : str
        "rad", "deg" or "auto": of the joints, and of the measured orientation.
    position : str
        Three columns, or "none": the tool was at the point that ``group`` says.
    length_unit : str
        "m", "mm" or "auto".
    orientation : str
        "auto", "none", "quaternion", "euler", "rotation_vector" or "matrix" (row by row).
    orientation_columns : str
        Its 3, 4 or 9 columns.
    quaternion_order : str
        "xyzw", "wxyz" or "auto".
    euler : str
        Axes as in SciPy's Rotation: "XYZ" turns about the moving axes (intrinsic), "xyz" about the fixed ones.
    constant_orientation : str
        Quaternion x, y, z, w of the tool in all rows.
    noise_columns : str
        Standard deviations: one or three columns of the position, then one or three of the orientation.
    position_noise, orientation_noise : float, optional
        The same for all rows [m, rad].
    payload, temperature : str
        A column or a number [kg, degrees C].
    session, marker : str
        A column or a name.
    group : str
        A column.
    """

    separator: str = AUTOMATIC
    decimal: str = AUTOMATIC
    header: str = AUTOMATIC
    joints: str = ""
    joint_names: str = ""
    joint_unit: str = AUTOMATIC
    position: str = ""
    length_unit: str = AUTOMATIC
    orientation: str = AUTOMATIC
    orientation_columns: str = ""
    quaternion_order: str = AUTOMATIC
    euler: str = ""
    angle_unit: str = AUTOMATIC
    constant_orientation: str = ""
    noise_columns: str = ""
    position_noise: float | None = None
    orientation_noise: float | None = None
    payload: str = ""
    session: str = ""
    marker: str = ""
    group: str = ""
    temperature: str = ""

    def check(self) -> None:
        """Refuse values that no option takes; InvalidInputError names the option."""
        choices: dict[str, Sequence[str]] = {
            "joint_unit": (AUTOMATIC, *ANGLE_UNITS),
            "angle_unit": (AUTOMATIC, *ANGLE_UNITS),
            "length_unit": (AUTOMATIC, *LENGTH_UNITS),
            "orientation": ORIENTATIONS,
            "quaternion_order": (AUTOMATIC, *QUATERNION_ORDERS),
            "separator": (AUTOMATIC, "semicolon", "tab", "comma", "space"),
            "decimal": (AUTOMATIC, "point", "comma"),
            "header": (AUTOMATIC, "yes", "no"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise InvalidInputError(f"--{name.replace('_', '-')}", repr(getattr(self, name)), ", ".join(known))
        if self.euler:
            _check_euler(self.euler)
        if self.euler and self.orientation not in (AUTOMATIC, EULER):
            raise InvalidInputError("--euler", f"{self.euler!r} with --orientation {self.orientation}", "one of them")


class _Reading(NamedTuple):
    """One way to read the angles or numbers of an orientation."""

    label: str
    options: str
    kind: str
    columns: tuple[Column, ...]
    rotations: Callable[[Array, float], Array]
    unit: str = "rad"


@dataclass
class _Table:
    """Columns of a table by what they are taken for."""

    table: TextTable
    joints: list[Column]
    joint_names: tuple[str, ...]
    position: list[Column]
    readings: list[_Reading]
    joint_units: list[str] = field(default_factory=list)
    length_units: list[str] = field(default_factory=list)
    use: dict[str, tuple[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, column: Column, purpose: str, unit: str = "-") -> None:
        self.use[column.name] = (purpose, unit)


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


def _words(name: str) -> list[str]:
    """Words of a name in lower case: split at signs, and where a capital follows a small letter."""
    return [word.lower() for word in re.findall(r"[A-Za-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))]


def _find_columns(table: TextTable, request: ImportRequest, robot: RobotModel | None) -> _Table:
    joints, names = _find_joints(table, request, robot)
    position = [] if request.position == NONE else _find_position(table, request, joints)
    found = _Table(table, joints, names, position, [], notes=list(table.notes))
    for column, name in zip(joints, names, strict=True):
        found.take(column, "joint" if name in (column.bare, column.name) else f"joint {name}")
    for column, axis in zip(position, "xyz", strict=False):
        found.take(column, f"position {axis}")
    found.readings = _find_orientation(table, request, found, robot)
    found.joint_units = _joint_units(found, request, robot)
    found.length_units = _length_units(found, request, robot)
    return found


def _find_joints(
    table: TextTable, request: ImportRequest, robot: RobotModel | None
) -> tuple[list[Column], tuple[str, ...]]:
    """Columns of the joints in the order of the robot's, and the joints' names."""
    said = tuple(request.joint_names.replace(",", " ").split())
    if request.joints:
        columns = table.select(request.joints, "--joints")
        names = _names_for(columns, said, robot, table, "--joints")
        if robot is not None and not said and {*names} == {*robot.joint_names}:
            order = [names.index(name) for name in robot.joint_names]
            return [columns[i] for i in order], robot.joint_names
        return columns, names
    if robot is not None:
        bare = {_plain(column.bare): column for column in reversed(table.columns)}
        matched = [bare.get(_plain(name)) for name in robot.joint_names]
        if all(column is not None for column in matched):
            return [column for column in matched if column is not None], robot.joint_names
    columns = _joint_family(table, robot)
    return columns, _names_for(columns, said, robot, table, "joints")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _names_for(
    columns: Sequence[Column], said: tuple[str, ...], robot: RobotModel | None, table: TextTable, what: str
) -> tuple[str, ...]:
    shown = ", ".join(column.name for column in columns)
    if said:
        if len(said) != len(columns):
            raise InvalidInputError("--joint-names", f"{len(said)} names", f"one for each of the columns {shown}")
        return said
    if robot is not None:
        plain = {_plain(name): name for name in robot.joint_names}
        matched = [plain.get(_plain(column.bare)) for column in columns]
        if all(matched) and len({*matched}) == len(matched) == robot.dof:
            return tuple(name for name in matched if name is not None)
        if len(columns) != robot.dof:
            raise DatasetError(
                f"{table.path}: {what} are {len(columns)} columns, {shortened(shown)}; the robot has {robot.dof} "
                f"joints: {', '.join(robot.joint_names)}. Give --joints"
            )
        return robot.joint_names
    if table.named:
        return tuple(column.bare for column in columns)
    return tuple(f"joint{i + 1}" for i in range(len(columns)))


def _joint_family(table: TextTable, robot: RobotModel | None) -> list[Column]:
    """Columns whose names are those of joints: numbered ones of one kind, or all with the word "joint"."""
    families: dict[str, list[Column]] = {}
    for column in table.columns:
        words = _words(column.bare)
        if {*words} & (OTHER_WORDS | NOISE_WORDS):
            continue
        plain = re.fullmatch(r"(.*?)([a-z]+)[ _.-]?\[?(\d+)\]?([a-z_. -]*)", column.bare.lower())
        if plain is not None and plain[2] in JOINT_FAMILIES:
            families.setdefault(f"{plain[1]}{plain[2]}#{plain[4]}", []).append(column)
        elif "joint" in words:
            families.setdefault("*joint*", []).append(column)
    found = {name: columns for name, columns in families.items() if len(columns) > 1}
    if robot is not None:
        found = {name: columns for name, columns in found.items() if len(columns) == robot.dof}
    # Where some say "joint", q0 to q3 are a quaternion.
    said = {name: columns for name, columns in found.items() if "joint" in name}
    if len(said) == 1:
        found = said
    if len(found) != 1:
        several = "; or ".join(", ".join(column.name for column in columns) for columns in found.values())
        there = f"they may be {shortened(several)}" if found else f"the columns are {shortened(', '.join(table.names))}"
        raise DatasetError(
            f"{table.path}: the joints' columns cannot be told; {there}. Give --joints with their names, numbers or "
            "a pattern, such as --joints '*_joint' or --joints 1-6" + ("" if robot else ", or --robot URDF")
        )
    return next(iter(found.values()))


Groups = list[tuple[tuple[str, ...], list[Column]]]


def _families(table: TextTable, ends: Sequence[Sequence[str]], taken: Sequence[Column], noise: bool = False) -> Groups:
    """Sets of columns that differ only by the last word of their names, with the words before it."""
    by_prefix: dict[tuple[str, ...], dict[str, Column]] = {}
    for column in table.columns:
        words = _words(column.bare)
        other = {*words} & OTHER_WORDS or bool({*words} & NOISE_WORDS) != noise
        if not words or other or column in taken:
            continue
        by_prefix.setdefault(tuple(words[:-1]), {}).setdefault(words[-1], column)
    return [
        (prefix, [held[end] for end in names])
        for names in ends
        for prefix, held in by_prefix.items()
        if all(end in held for end in names)
    ]


def _find_position(table: TextTable, request: ImportRequest, joints: Sequence[Column]) -> list[Column]:
    if request.position:
        columns = table.select(request.position, "--position")
        if len(columns) != 3:
            raise InvalidInputError("--position", f"{len(columns)} columns", "three, of x, y and z")
        return columns
    found = [
        columns for prefix, columns in _families(table, POSITION_ENDS, joints) if not {*prefix} & ORIENTATION_WORDS
    ]
    if len(found) != 1:
        several = "; or ".join(", ".join(column.name for column in columns) for columns in found)
        there = f"they may be {shortened(several)}" if found else f"the columns are {shortened(', '.join(table.names))}"
        raise DatasetError(
            f"{table.path}: the columns of the measured position cannot be told; {there}. Give --position x,y,z with "
            "their names or numbers, or --position none with --group, where the tool was at one point"
        )
    return found[0]


def _find_orientation(
    table: TextTable, request: ImportRequest, found: _Table, robot: RobotModel | None
) -> list[_Reading]:
    """All ways in which the orientation may be read: one where that is clear, none without an orientation."""
    if request.orientation == NONE or request.constant_orientation or request.position == NONE:
        return []
    taken = [*found.joints, *found.position]
    if request.orientation_columns:
        columns = table.select(request.orientation_columns, "--orientation-columns")
        kinds = [kind for kind, count in COLUMNS_OF.items() if count == len(columns)]
        if not kinds:
            raise InvalidInputError("--orientation-columns", f"{len(columns)} columns", "3, 4 or 9")
        return _readings(table, request, columns, kinds, known_axes=False)
    candidates: list[tuple[tuple[str, ...], list[Column], list[str], bool]] = []
    for ends, kinds, known in (
        (QUATERNION_ENDS, [QUATERNION], True),
        (NUMBERED_QUATERNION_ENDS, [QUATERNION], False),
        (ANGLE_ENDS, [EULER, ROTATION_VECTOR], True),
        (VECTOR_ENDS, [ROTATION_VECTOR], True),
        (MATRIX_ENDS, [MATRIX], True),
    ):
        candidates += [(prefix, columns, kinds, known) for prefix, columns in _families(table, ends, taken)]
    if request.orientation != AUTOMATIC:
        candidates = [one for one in candidates if request.orientation in one[2]]
    elif request.euler:
        candidates = [one for one in candidates if EULER in one[2]]
    # Of the same device as the position, where it is one of several.
    prefix = tuple(_words(found.position[0].bare)[:-1])
    near = [one for one in candidates if one[0] == prefix]
    candidates = near or candidates
    if len(candidates) > 1:
        several = "; or ".join(", ".join(column.name for column in one[1]) for one in candidates)
        raise DatasetError(
            f"{table.path}: the columns of the orientation may be {shortened(several)}; give --orientation-columns, or "
            "--orientation none"
        )
    if not candidates:
        if request.orientation != AUTOMATIC or request.euler:
            raise DatasetError(
                f"{table.path}: no columns look like an orientation; give --orientation-columns with some of "
                f"{shortened(', '.join(table.names))}"
            )
        return []
    _, columns, kinds, known = candidates[0]
    return _readings(table, request, columns, kinds, known)


def _readings(
    table: TextTable, request: ImportRequest, columns: Sequence[Column], kinds: Sequence[str], known_axes: bool
) -> list[_Reading]:
    """Ways to read columns as an orientation of one of these kinds."""
    if request.euler:
        kinds = [EULER]
    elif request.orientation != AUTOMATIC:
        kinds = [request.orientation]
    names = ", ".join(column.name for column in columns)
    if len(columns) != COLUMNS_OF[kinds[0]]:
        raise InvalidInputError(
            "--orientation-columns", f"{len(columns)} columns", f"{COLUMNS_OF[kinds[0]]} for {kinds[0]}"
        )
    chosen = tuple(columns)
    if kinds[0] == MATRIX:
        return [_Reading("rotation matrix, row by row", "", MATRIX, chosen, _from_matrices, "-")]
    if kinds[0] == QUATERNION:
        orders = [request.quaternion_order]
        if request.quaternion_order == AUTOMATIC:
            orders = ["xyzw"] if known_axes else [*QUATERNION_ORDERS]
        return [
            _Reading(f"quaternion {', '.join(order)}", f"--quaternion-order {order}", QUATERNION, chosen,
                     _from_quaternions(QUATERNION_ORDERS[order]), "-")
            for order in orders
        ]  # fmt: skip
    result = []
    if EULER in kinds:
        if known_axes and not request.euler:
            # The axis of each angle is known: what is open is the order in which they are turned.
            sequences = ["XYZ", "xyz", "XZY", "YXZ", "YZX", "ZXY"]
        else:
            axes_of_all = ["".join(axes) for axes in itertools.product("XYZ", repeat=3)]
            axes_of_all = [axes for axes in axes_of_all if axes[0] != axes[1] != axes[2]]
            sequences = [request.euler] if request.euler else [*axes_of_all, *map(str.lower, axes_of_all)]
        for axes in sequences:
            ordered = chosen
            if known_axes and {*axes.upper()} == {*"XYZ"}:
                ordered = tuple(columns["XYZ".index(axis)] for axis in axes.upper())
            elif known_axes:
                ordered = tuple(sorted(columns, key=table.columns.index))
            label = f"Euler angles {axes}, {'intrinsic' if axes.isupper() else 'extrinsic'}"
            if ordered != chosen:
                label += f", of {', '.join(column.name for column in ordered)}"
            result.append(_Reading(label, f"--euler {axes}", EULER, ordered, _from_euler(axes)))
    if ROTATION_VECTOR in kinds:
        result.append(
            _Reading("rotation vector", "--orientation rotation_vector", ROTATION_VECTOR, chosen, _from_vectors)
        )
    if not result:
        raise InvalidInputError("--orientation", kinds[0], f"one that {names} may be")
    return result


def _check_euler(axes: str) -> None:
    same_case = axes.isupper() or axes.islower()
    if len(axes) != 3 or not same_case or {*axes.upper()} - {*"XYZ"} or axes[0] == axes[1] or axes[1] == axes[2]:
        raise InvalidInputError(
            "--euler", repr(axes), "three axes: XYZ, ZYX, ZYZ, ... (intrinsic) or xyz, zyx, ... (extrinsic)"
        )


def _from_euler(axes: str) -> Callable[[Array, float], Array]:
    return lambda values, scale: Rotation.from_euler(axes, values * scale).as_matrix()


def _from_vectors(values: Array, scale: float) -> Array:
    return np.asarray(Rotation.from_rotvec(values * scale).as_matrix())


def _from_quaternions(order: Sequence[int]) -> Callable[[Array, float], Array]:
    return lambda values, _: Rotation.from_quat(values[:, list(order)]).as_matrix()


def _from_matrices(values: Array, scale: float) -> Array:
    left, _, right = np.linalg.svd(values.reshape(-1, 3, 3))
    return np.asarray(left @ right)


def _joint_units(found: _Table, request: ImportRequest, robot: RobotModel | None) -> list[str]:
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


def _length_units(found: _Table, request: ImportRequest, robot: RobotModel | None) -> list[str]:
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


def _angle_units(found: _Table, reading: _Reading, values: Array, request: ImportRequest, robot: bool) -> list[str]:
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


def _known_unit(found: _Table, unit: str, known: dict[str, float], option: str, what: str) -> str:
    if unit not in known:
        raise DatasetError(
            f"{found.table.path}: the header says {unit} of {what}; expected {' or '.join(known)}. Convert the column, "
            f"or give {option}"
        )
    return unit


def _values(found: _Table, columns: Sequence[Column]) -> Array:
    return np.column_stack([found.table.numbers(column) for column in columns])


def _turning(joints: Sequence[Column], robot: RobotModel | None) -> list[Column]:
    prismatic = _prismatic(robot, len(joints))
    return [column for column, slides in zip(joints, prismatic, strict=True) if not slides]


def _prismatic(robot: RobotModel | None, count: int) -> NDArray[np.bool_]:
    return np.zeros(count, dtype=bool) if robot is None else np.asarray(robot.chain[2], dtype=bool)[:count]


def _largest(found: _Table, columns: Sequence[Column]) -> float:
    """Largest absolute value of most columns: a wrist may have turned more often."""
    if not columns:
        return 0.0
    return float(np.median(np.nanmax(np.abs(_values(found, columns)), axis=0, initial=0.0)))


def _note_incomplete(found: _Table, keep: NDArray[np.bool_]) -> None:
    lost = np.flatnonzero(~keep)
    if len(lost):
        lines = ", ".join(str(found.table.lines[row]) for row in lost[:8])
        found.notes.append(
            f"{len(lost)} of {len(keep)} rows left out, in which a joint or the position is missing: lines {lines}"
            + (", ..." if len(lost) > 8 else "")
        )


def _drop_constant(found: _Table, raw: _Raw, request: ImportRequest) -> None:
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
    found: _Table, raw: _Raw, comparable: NDArray[np.bool_], request: ImportRequest, robot: RobotModel | None
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


def _described(found: _Table, option: tuple[str, str, int, str]) -> str:
    joint, length, reading, angle = option
    words = [f"joints in {joint}" if len(found.joint_units) > 1 else "", length if len(found.length_units) > 1 else ""]
    if reading >= 0:
        words.append(found.readings[reading].label + ("" if angle == "-" else f" in {angle}"))
    return ", ".join(word for word in words if word)


def _distance(agreement: Agreement) -> str:
    words = f"{1e3 * agreement.position:.3g} mm"
    return words if np.isnan(agreement.orientation) else f"{words} and {np.rad2deg(agreement.orientation):.3g} degrees"


def _open_question(found: _Table) -> str:
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


def _unit_length(found: _Table, values: Array, reading: int) -> Array:
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
    found: _Table,
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


def _column_called(found: _Table, word: str) -> Column | None:
    """Column of this very name or, of temperatures, the only one with the word in it; None where it is used already."""
    table = found.table
    same = [column for column in table.columns if _words(column.bare) == [word]]
    if not same and word == "temperature":
        same = [column for column in table.columns if word in _words(column.bare)]
    return same[0] if len(same) == 1 and same[0].name not in found.use else None


def _quantity(found: _Table, wanted: str, word: str, unit: str, rows: NDArray[np.intp]) -> Array | None:
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
    found: _Table, wanted: str, word: str, rows: NDArray[np.intp]
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


def _groups(found: _Table, wanted: str, rows: NDArray[np.intp]) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    column = found.table.one(wanted, "--group") if wanted else _column_called(found, "group")
    if column is None:
        return None, ()
    found.take(column, "group")
    cells = [column.cells[row] for row in rows]
    names = {name: index for index, name in enumerate(dict.fromkeys(filter(None, cells)))}
    return np.array([names.get(cell, -1) for cell in cells], dtype=np.int64), tuple(names)


def _noise(found: _Table, request: ImportRequest, choice: _Choice, rows: NDArray[np.intp]) -> Array | None:
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


def _noise_beside(found: _Table, columns: Sequence[Column]) -> list[Column]:
    """Columns named as these, but for a word such as "std" among theirs; none where one is missing."""
    result = []
    for column in columns:
        words = _words(column.bare)
        beside = [
            one
            for one in found.table.columns
            if {*_words(one.bare)} & NOISE_WORDS
            and [word for word in _words(one.bare) if word not in NOISE_WORDS] == words
        ]
        if len(beside) != 1:
            return []
        result.append(beside[0])
    return result


def _approaches(found: _Table, rows: NDArray[np.intp]) -> Array | None:
    approaches = np.zeros((len(rows), len(found.joints)))
    for joint, name in enumerate(found.joint_names):
        for column in found.table.columns:
            if column.bare == APPROACH_PREFIX + name:
                found.take(column, f"approach of {name}")
                approaches[:, joint] = np.nan_to_num(found.table.numbers(column)[rows])
    return approaches if approaches.any() else None


def _report(
    found: _Table, choice: _Choice, dataset: Dataset, robot: RobotModel | None, keep: NDArray[np.bool_]
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
