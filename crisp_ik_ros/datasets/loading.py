"""Choice of the reader that a file or folder needs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crisp_ik_ros.datasets.archive import read_archive
from crisp_ik_ros.datasets.csv import read_csv
from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.datasets.fields import with_joints
from crisp_ik_ros.datasets.point_folder import read_point_folder
from crisp_ik_ros.datasets.units import REFUSE, check_limits
from crisp_ik_ros.errors import DatasetError, MissingDependencyError
from crisp_ik_ros.robots.robot_model import RobotModel

# Files that hold the messages of a recording.
STORAGE_FILES = {".mcap", ".db3"}


def load_dataset(
    path: Path,
    memory_map: bool,
    joint_names: Sequence[str] | None,
    robot: RobotModel | None = None,
    limits: str = REFUSE,
    **options: Any,
) -> Dataset:
    """As ``Dataset.load``."""
    if joint_names is None and robot is not None:
        joint_names = robot.joint_names
    if not os.path.exists(path):
        raise DatasetError(f"no data file at {path}")
    if path.is_dir():
        if memory_map:
            raise DatasetError(f"{path} is a folder and cannot be mapped into memory; load it and save it as .npz")
        if (path / "metadata.yaml").is_file() or any(file.suffix in STORAGE_FILES for file in path.iterdir()):
            return _recording(path, joint_names, robot, limits, **options)
        return read_point_folder(path, joint_names, robot=robot, limits=limits, **options)
    if path.suffix == ".bag":
        raise DatasetError(f"{path} is a recording of ROS 1; make one of ROS 2 of it with rosbags-convert")
    if path.suffix in STORAGE_FILES:
        if memory_map:
            raise DatasetError(f"{path} is a recording and cannot be mapped into memory; load it and save it as .npz")
        return _recording(path, joint_names, robot, limits, **options)
    if options:
        raise DatasetError(f"{path}: options {', '.join(options)}; expected none for such a file")
    if path.suffix == ".csv":
        if memory_map:
            raise DatasetError(f"{path} is text and cannot be mapped into memory; load it and save it as .npz")
        fields = read_csv(path, joint_names, robot, limits)
    else:
        fields = read_archive(path, memory_map)
    try:
        dataset = Dataset.from_fields(fields if joint_names is None else with_joints(fields, joint_names))
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}") from error
    if path.suffix == ".csv":
        return dataset
    left = [name for name in fields.joint_names if name not in dataset.joint_names]
    notes = (f"{path}: joints left out: {', '.join(left)}",) if left else ()
    return _within_limits(dataset, path, robot, limits, notes)


def _within_limits(
    dataset: Dataset, path: Path, robot: RobotModel | None, limits: str, notes: tuple[str, ...] = ()
) -> Dataset:
    notes += check_limits(
        robot, dataset.joint_names, dataset.configurations, lambda sample: f"{path}: sample {sample}", limits
    )
    return dataset.with_notes(notes) if notes else dataset


def _recording(
    path: Path, joint_names: Sequence[str] | None, robot: RobotModel | None, limits: str, **options: Any
) -> Dataset:
    try:
        # Serving needs no recordings.
        from crisp_ik_ros.datasets.rosbag import read_rosbag
    except ImportError as error:
        raise MissingDependencyError(f"recordings are read by rosbags ({error}); pip install rosbags") from error
    return _within_limits(read_rosbag(path, joint_names, **options), path, robot, limits)
