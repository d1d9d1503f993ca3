"""Folders of joint logs: a tool at one point in each file, or files of measured poses beside files of joints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.datasets.agreement import aligned_agreement, distance_from_one_point
from crisp_ik_ros.datasets.csv import number_in, read_lines
from crisp_ik_ros.datasets.dataset import POSE, Dataset, Distance
from crisp_ik_ros.datasets.fields import Fields, joined
from crisp_ik_ros.datasets.partial import same_point_fields
from crisp_ik_ros.datasets.units import REFUSE, check_limits, check_units
from crisp_ik_ros.errors import DatasetError, InvalidInputError
from crisp_ik_ros.files import shortened
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, make_pose, matrix_from_quaternion

# A file of this name says the distances between points.
DISTANCES_FILE = "distances.csv"
DISTANCE_COLUMNS = ("first", "second", "length_m", "sd_m")
# More points nobody measures.
MOST_FILES = 100_000
# The two points of a location that ``distance`` is between.
PAIR = ("hole_0", "hole_1")
# Uses of the pose files beside joint files.
AUTOMATIC, LEAVE_OUT, MEASURED = "auto", "leave_out", "measured"
# Words of file names: of poses, of joints, and others that do not say which of several files it is.
POSE_WORDS = {"pose", "poses", "cartesian", "tcp"}
JOINT_WORDS = {"q", "joint", "joints", "angle", "angles", "configuration", "configurations"}
OTHER_WORDS = {"robot", "arm", "measured", "state", "states", "position", "positions"}
# Quaternions in a file were rounded by less than this, and rotation matrices too.
UNIT_TOLERANCE = 1e-3
# A tool whose poses have a point that stays within this, on average, was pivoted about it: the controller computed
# them from the URDF, which is off by some millimeters [m].
PIVOT_DISTANCE = 0.03
# Poses nearer the URDF's than any device measures were computed from it [m].
COMPUTED_DISTANCE = 2e-5
# Fewer poses do not tell a pivot.
FEWEST_TO_TELL = 4
# Another order of the quaternion's components has to fit worse by this factor.
CLEARLY_WORSE = 3.0


def read_point_folder(
    path: str | Path,
    joint_names: Sequence[str] | None = None,
    distance: float | None = None,
    distance_sd: float = 1e-4,
    noise: ArrayLike | None = None,
    robot: RobotModel | None = None,
    limits: str = REFUSE,
    pose_files: str = AUTOMATIC,
) -> Dataset:
    """Read the .csv files of a folder, ``LOCATION/POINT.csv`` each, as one same-point group each.

    A file has no header, one row a sample and one column a joint. Its group is named ``LOCATION/POINT``, of files in
    the folder itself ``FOLDER/POINT``. A file ``distances.csv`` in the folder, with the columns first, second, length_m
    and, if wanted, sd_m, says how far the points of two groups are from each other and how exactly that is known.

    Files that hold poses are never read as joints. They are known by "pose" in their name, by unit quaternions in the
    last or first four of seven columns, or by homogeneous matrices in rows of 12 or 16 numbers. One that belongs to a
    joint file (``hole_0_pose.csv`` to ``hole_0.csv``, ``poses.csv`` to ``joints.csv``, ``a_pose.csv`` to ``a_q.csv``)
    and has as many rows gives it full poses, unless the poses pivot about a point: then the tool was at one point, the
    controller computed the poses from its own model, and they are left out. What is left out is named in ``notes``.

    Parameters
    ----------
    path : str or Path
    joint_names : sequence of str
        The columns, in order; default: those of the robot.
    distance : float, optional
        Between the points ``hole_0`` and ``hole_1`` of each location that has both [m].
    distance_sd : float
        Standard deviation of ``distance`` [m].
    noise : (n,) or float, optional
        As in ``Dataset.from_same_points`` [m]; only of folders without measured poses.
    robot : RobotModel, optional
        Whose limits hold, and whose kinematics tell the order of a quaternion's components.
    limits : str
        "refuse" values outside the limits, or "note" them.
    pose_files : str
        "auto" (as above), "leave_out" or "measured": full poses, whether they pivot or not.

    Raises
    ------
    DatasetError
        When there is no such file, one cannot be read, or joint names are missing; it names file, line and column.
    """
    path = Path(path)
    if pose_files not in (AUTOMATIC, LEAVE_OUT, MEASURED):
        raise InvalidInputError("pose_files", repr(pose_files), f"{AUTOMATIC!r}, {LEAVE_OUT!r} or {MEASURED!r}")
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
    if joint_names is None and robot is not None:
        joint_names = robot.joint_names
    if joint_names is None:
        raise DatasetError(f"{path}: files of points do not name their joints; give joint_names, in the columns' order")
    folder = _Folder(path, files, joint_names, robot, limits, pose_files)
    distances = _read_distances(path / DISTANCES_FILE) if (path / DISTANCES_FILE).is_file() else []
    if distance is not None:
        locations = dict.fromkeys(name.rsplit("/", 1)[0] for name in folder.points)
        pairs = [[f"{location}/{point}" for point in PAIR] for location in locations]
        found = [
            Distance(first, second, distance, distance_sd)
            for first, second in pairs
            if {first, second} <= {*folder.points}
        ]
        if not found:
            raise DatasetError(
                f"{path}: no location has both {PAIR[0]}.csv and {PAIR[1]}.csv, of which the distance is"
            )
        distances += found
    if noise is not None and folder.measured:
        raise DatasetError(f"{path}: noise is of the tool at a point, and {', '.join(folder.measured)} have poses")
    try:
        parts = list(folder.measured.values())
        if folder.points:
            parts.append(same_point_fields(folder.points, joint_names, distances, noise))
        return Dataset.from_fields(joined(parts)).with_notes(folder.notes)
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}") from error


@dataclass(frozen=True)
class _Log:
    """Numbers of a file and the lines in which they stand."""

    path: Path
    rows: Array
    lines: tuple[int, ...]
    poses: tuple[Array, ...]

    def where(self, row: int) -> str:
        return f"{self.path}: line {self.lines[row]}"


class _Folder:
    """Files of a folder as same-point groups and as measured poses.

    Attributes
    ----------
    points : dict of str to (k, J)
    measured : dict of str to Fields
    notes : list of str
    """

    def __init__(
        self,
        path: Path,
        files: dict[str, Path],
        joint_names: Sequence[str],
        robot: RobotModel | None,
        limits: str,
        pose_files: str,
    ):
        self._names, self._robot, self._limits, self._use = tuple(joint_names), robot, limits, pose_files
        self.points: dict[str, Array] = {}
        self.measured: dict[str, Fields] = {}
        self.notes: list[str] = []
        joints: dict[str, _Log] = {}
        poses: dict[str, _Log] = {}
        for name, file in files.items():
            log = _read_log(file, self._names)
            (poses if log.poses else joints)[name] = log
        if not joints:
            first = next(iter(poses.values()))
            raise DatasetError(
                f"{path}: {first.path} holds poses, and no other file holds joints; expected files with the columns "
                f"{', '.join(self._names)}. A table with joints and poses side by side is read by crisp-ik import"
            )
        partners = _partners(list(joints), list(poses))
        for name, log in joints.items():
            check_units(str(log.path), self._names, log.rows)
            self.notes += check_limits(robot, self._names, log.rows, log.where, limits)
            partner = partners.get(name)
            if partner is None or not self._measure(name, log, poses[partner]):
                self.points[name] = log.rows
        left = [str(log.path.relative_to(path)) for name, log in poses.items() if name not in partners.values()]
        if left:
            self.notes.append(f"{path}: files of poses left out, for they belong to no file of joints: {_listed(left)}")
        pivoted = [
            str(poses[partner].path.relative_to(path)) for name, partner in partners.items() if name in self.points
        ]
        if pivoted:
            self.notes.append(
                f"{path}: files of poses left out: {_listed(pivoted)}; their poses pivot about one point, so that the "
                "controller computed them, and the joint files are read as the tool at one point each"
                if pose_files == AUTOMATIC
                else f"{path}: files of poses left out, as asked for: {_listed(pivoted)}"
            )

    def _measure(self, name: str, joints: _Log, poses: _Log) -> bool:
        """Take the poses of a joint file as measured, if they are; false where they are to be left out."""
        if self._use == LEAVE_OUT:
            return False
        if self._use == AUTOMATIC:
            if len(poses.rows) < FEWEST_TO_TELL:
                raise DatasetError(
                    f"{poses.path} has {len(poses.rows)} poses, too few to tell measured ones from those that the "
                    f"controller computed of a tool at one point; give pose_files (--pose-files), "
                    f"{LEAVE_OUT!r} or {MEASURED!r}"
                )
            nearest = min(distance_from_one_point(one[:, :3, 3], one[:, :3, :3]) for one in poses.poses)
            if nearest < PIVOT_DISTANCE:
                # A file that is called "joints" or such names no point.
                if not JOINT_WORDS & {*_words(joints.path.stem)}:
                    return False
                raise DatasetError(
                    f"{poses.path}: the tool stays within {1e3 * nearest:.1f} mm of one point, and {joints.path.name} "
                    f"does not tell a point from a series of measurements; give pose_files (--pose-files), "
                    f"{LEAVE_OUT!r} or {MEASURED!r}"
                )
        if len(joints.rows) != len(poses.rows):
            raise DatasetError(
                f"{joints.path} has {len(joints.rows)} rows and {poses.path}, which belongs to it, {len(poses.rows)}; "
                "expected as many"
            )
        count = len(joints.rows)
        measured = self._ordered(joints, poses)
        group = np.zeros(count, dtype=np.int64)
        self.measured[name] = Fields(
            self._names, joints.rows, measured, np.full(count, POSE, dtype=np.int8), group, (name,)
        )
        self.notes.append(f"{poses.path}: read as the measured poses of {joints.path.name}")
        return True

    def _ordered(self, joints: _Log, poses: _Log) -> Array:
        """Poses with the quaternion's components in the order that fits the robot."""
        if len(poses.poses) == 1 and self._robot is None:
            return poses.poses[0]
        if self._robot is None:
            raise DatasetError(
                f"{poses.path}: without a robot the order of the quaternions (x, y, z, w or w, x, y, z) "
                "cannot be told; give robot, or make one table with crisp-ik import"
            )
        tips = self._robot.forward_kinematics(joints.rows)
        found = [aligned_agreement(tips, one[:, :3, 3], one[:, :3, :3]) for one in poses.poses]
        order = np.argsort([one.orientation for one in found])
        best = found[order[0]]
        if len(found) > 1 and found[order[1]].orientation < CLEARLY_WORSE * best.orientation:
            raise DatasetError(
                f"{poses.path}: no order of the quaternions fits the robot clearly better (mean "
                f"{' and '.join(f'{np.rad2deg(one.orientation):.2f}' for one in found)} degrees); make one table with "
                "crisp-ik import"
            )
        if best.position < COMPUTED_DISTANCE:
            self.notes.append(
                f"{poses.path}: these poses agree with the URDF to {1e3 * best.position:.2g} mm; were they measured, "
                "or computed by the controller?"
            )
        return poses.poses[order[0]]


def _listed(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _words(stem: str) -> list[str]:
    return re.findall(r"[a-z]+|\d+", stem.lower())


def _key(stem: str) -> tuple[str, ...]:
    """Words of a file name that tell its point, without those that tell its contents."""
    return tuple(word for word in _words(stem) if word not in POSE_WORDS | JOINT_WORDS | OTHER_WORDS)


def _partners(joints: Sequence[str], poses: Sequence[str]) -> dict[str, str]:
    """Pose file of each joint file, by name: of the same folder and point, or the only two of a folder."""
    result = {}
    for folder in dict.fromkeys(name.rsplit("/", 1)[0] for name in joints):
        inside = [name for name in joints if name.rsplit("/", 1)[0] == folder]
        beside = [name for name in poses if name.rsplit("/", 1)[0] == folder]
        for name in inside:
            key = _key(name.rsplit("/", 1)[1])
            found = [pose for pose in beside if _key(pose.rsplit("/", 1)[1]) == key]
            if len(found) == 1:
                result[name] = found[0]
        if not {*inside} & {*result} and len(inside) == len(beside) == 1:
            result[inside[0]] = beside[0]
    return result


def _read_log(path: Path, joint_names: Sequence[str]) -> _Log:
    """Numbers of a file, and the poses that they may be: none of a file of joints.

    Raises
    ------
    DatasetError
        When it holds neither; it names line and column.
    """
    lines, _ = read_lines(path)
    named = bool(POSE_WORDS & {*_words(path.stem)})
    if not lines:
        raise DatasetError(f"{path} is empty; expected rows of {len(joint_names)} numbers")
    rows = _numbers(lines)
    if named and rows is None and len(lines) > 1:
        # Of poses the header is left out: their columns are known by their number.
        lines = lines[1:]
        rows = _numbers(lines)
    numbers = tuple(line.number for line in lines)
    if rows is not None:
        poses = _poses(rows, named)
        if poses:
            return _Log(path, rows, numbers, poses)
    if named:
        raise DatasetError(
            f"{path}: its name says poses; expected rows of 7 numbers (x, y, z [m] and a unit quaternion), or of 12 or "
            "16 (a homogeneous matrix)"
        )
    return _Log(path, _read_points(path, lines, joint_names), numbers, ())


def _numbers(lines: Sequence[tuple[int, list[str]]]) -> Array | None:
    """Cells as an array; None where they are not all finite numbers, or not as many in each line."""
    values = [[number_in(cell) for cell in cells] for _, cells in lines]
    if len({len(row) for row in values}) != 1 or any(value is None for row in values for value in row):
        return None
    result = np.array(values, dtype=float)
    return result if np.isfinite(result).all() else None


def _poses(rows: Array, named: bool) -> tuple[Array, ...]:
    """Poses (n, 4, 4) that rows of numbers may be: none, one, or one for each order of a quaternion's components."""
    count, columns = rows.shape
    if columns in (12, 16):
        matrices = rows.reshape(count, -1, 4)
        straight = matrices[:, :3, :3] @ matrices[:, :3, :3].transpose(0, 2, 1)
        whole = np.allclose(straight, np.eye(3), atol=UNIT_TOLERANCE)
        bottom = columns == 12 or np.allclose(matrices[:, 3], [0, 0, 0, 1], atol=UNIT_TOLERANCE)
        return (_homogeneous(matrices),) if whole and bottom else ()
    if columns != 7 or (count == 1 and not named):
        return ()
    if _unit(rows[:, 3:]):
        # The robot decides between both.
        quaternions, positions = rows[:, 3:], rows[:, :3]
    elif _unit(rows[:, :4]):
        quaternions, positions = rows[:, :4], rows[:, 4:]
    else:
        return ()
    quaternions = quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
    return tuple(
        make_pose(positions, matrix_from_quaternion(quaternions[:, order])) for order in ([0, 1, 2, 3], [1, 2, 3, 0])
    )


def _unit(quaternions: Array) -> bool:
    return bool(np.all(np.abs(np.linalg.norm(quaternions, axis=1) - 1.0) < UNIT_TOLERANCE))


def _homogeneous(matrices: Array) -> Array:
    left, _, right = np.linalg.svd(matrices[:, :3, :3])
    return np.asarray(make_pose(matrices[:, :3, 3], left @ right))


def _read_points(path: Path, lines: Sequence[tuple[int, list[str]]], joint_names: Sequence[str]) -> Array:
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
