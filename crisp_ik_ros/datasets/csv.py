"""Samples as a table that any spreadsheet reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crisp_ik_ros.datasets.fields import Fields
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.transforms import (
    QUATERNION_NORM_TOLERANCE,
    make_pose,
    matrix_from_quaternion,
    quaternion_from_matrix,
)

POSE_COLUMNS = ("x", "y", "z", "qx", "qy", "qz", "qw")


def read_csv(path: Path) -> Fields:
    """Read samples from a table with a header line.

    Columns: one for each joint, named after it [rad or m], then x, y, z [m] and qx, qy, qz, qw of the measured tool
    pose in the base frame. Lines that begin with # are comments.

    Raises
    ------
    DatasetError
        When a column is missing, a cell is no number, or a quaternion is not of unit length.
    """
    try:
        # Spreadsheets write a byte order mark, which is no part of the first name.
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not text in UTF-8: {error}") from error
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise DatasetError(f"{path} is empty; expected a header line with joint names and {', '.join(POSE_COLUMNS)}")
    header = [name.strip() for name in lines[0].split(",")]
    missing = [name for name in POSE_COLUMNS if name not in header]
    joint_names = [name for name in header if name not in POSE_COLUMNS]
    if missing or not joint_names or len(set(header)) != len(header):
        raise DatasetError(
            f"{path}: header {', '.join(header)}; expected each joint's name once and {', '.join(POSE_COLUMNS)}"
        )
    rows = np.empty((len(lines) - 1, len(header)))
    for number, line in enumerate(lines[1:]):
        cells = line.split(",")
        try:
            numbers = [float(cell) for cell in cells]
        except ValueError:
            numbers = []
        if len(numbers) != len(header):
            raise DatasetError(f"{path}: sample {number} is {line!r}; expected {len(header)} numbers")
        rows[number] = numbers
    table = {name: rows[:, column] for column, name in enumerate(header)}
    position = np.column_stack([table[name] for name in POSE_COLUMNS[:3]])
    quaternion = np.column_stack([table[name] for name in POSE_COLUMNS[3:]])
    wrong = np.flatnonzero(~(np.abs(np.linalg.norm(quaternion, axis=1) - 1.0) <= QUATERNION_NORM_TOLERANCE))
    if len(wrong):
        raise DatasetError(
            f"{path}: sample {wrong[0]} has the quaternion {quaternion[wrong[0]].tolist()}; unit length is expected"
        )
    pose = make_pose(position, matrix_from_quaternion(quaternion))
    return Fields(tuple(joint_names), np.column_stack([table[name] for name in joint_names]), pose)


def write_csv(path: Path, fields: Fields) -> None:
    """Write samples as ``read_csv`` reads them, with digits enough to give back the same numbers."""
    if not fields.plain:
        raise DatasetError("a table holds full poses alone so far; save as .npz")
    quaternions = quaternion_from_matrix(fields.poses[:, :3, :3])
    rows = np.hstack([fields.configurations, fields.poses[:, :3, 3], quaternions])
    header = ",".join((*fields.joint_names, *POSE_COLUMNS))
    np.savetxt(path, rows, fmt="%.17g", delimiter=",", header=header, comments="")
