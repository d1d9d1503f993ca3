"""Columns of a table of measurements: those of the joints, of the position, and the ways to read an orientation."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from crisp_ik_ros.datasets.delimited_text import Column, TextTable
from crisp_ik_ros.errors import DatasetError, InvalidInputError
from crisp_ik_ros.files import shortened
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

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


class Reading(NamedTuple):
    """One way to read the angles or numbers of an orientation."""

    label: str
    options: str
    kind: str
    columns: tuple[Column, ...]
    rotations: Callable[[Array, float], Array]
    unit: str = "rad"


@dataclass
class ColumnUses:
    """Columns of a table by what they are taken for."""

    table: TextTable
    joints: list[Column]
    joint_names: tuple[str, ...]
    position: list[Column]
    readings: list[Reading]
    joint_units: list[str] = field(default_factory=list)
    length_units: list[str] = field(default_factory=list)
    use: dict[str, tuple[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, column: Column, purpose: str, unit: str = "-") -> None:
        """Note a column's purpose, and its unit."""
        self.use[column.name] = (purpose, unit)


def words_of(name: str) -> list[str]:
    """Words of a name in lower case: split at signs, and where a capital follows a small letter."""
    return [word.lower() for word in re.findall(r"[A-Za-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))]


def find_joints(
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
        words = words_of(column.bare)
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
        words = words_of(column.bare)
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


def find_position(table: TextTable, request: ImportRequest, joints: Sequence[Column]) -> list[Column]:
    """Columns of x, y and z; DatasetError where several may be these, or none."""
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


def find_orientation(
    table: TextTable, request: ImportRequest, found: ColumnUses, robot: RobotModel | None
) -> list[Reading]:
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
    prefix = tuple(words_of(found.position[0].bare)[:-1])
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
) -> list[Reading]:
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
        return [Reading("rotation matrix, row by row", "", MATRIX, chosen, _from_matrices, "-")]
    if kinds[0] == QUATERNION:
        orders = [request.quaternion_order]
        if request.quaternion_order == AUTOMATIC:
            orders = ["xyzw"] if known_axes else [*QUATERNION_ORDERS]
        return [
            Reading(f"quaternion {', '.join(order)}", f"--quaternion-order {order}", QUATERNION, chosen,
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
            result.append(Reading(label, f"--euler {axes}", EULER, ordered, _from_euler(axes)))
    if ROTATION_VECTOR in kinds:
        result.append(
            Reading("rotation vector", "--orientation rotation_vector", ROTATION_VECTOR, chosen, _from_vectors)
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
