"""Samples of any kind of file or folder, for a robot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.robots.robot_model import RobotModel

# A folder with this file is a recording.
RECORDING = "metadata.yaml"
RECORDINGS = (".mcap", ".db3")


def load_samples(
    path: str | Path,
    robot: RobotModel,
    distance: float | None = None,
    memory_map: bool = False,
    limits: str = "refuse",
    pose_files: str | None = None,
) -> Dataset:
    """Read samples of a robot, as ``Dataset.load`` does: the one way in which every command reads data.

    Parameters
    ----------
    path : str or Path
        .csv, .npz, a rosbag2 recording, or a folder of points, the columns of whose files are the robot's joints.
    robot : RobotModel
    distance : float, optional
        Between the points hole_0 and hole_1 of each location, in a folder of points [m].
    memory_map : bool
        Leave the numbers of a large .npz in the file.
    limits : str
        "refuse" samples outside the joint limits, or "note" them: to diagnose what is wrong with them.
    pose_files : str, optional
        Use of files of poses beside files of joints, in a folder of points: "auto" (the default), "leave_out" or
        "measured".

    Raises
    ------
    DatasetError
        When it is not there or cannot be used, or a sample is outside the joint limits; it names file and line.
    InvalidInputError
        When there is a distance, or a use of pose files, and no folder of points.
    """
    path = Path(path).expanduser()
    points = path.is_dir() and not (path / RECORDING).exists() and not _stored(path)
    options: dict[str, Any] = {}
    if distance is not None:
        if path.exists() and not points:
            raise InvalidInputError("distance", f"{distance} m with {path}", "a folder of points, LOCATION/hole_0.csv")
        if not 0.0 < distance < float("inf"):
            raise InvalidInputError("distance", distance, "a finite number of metres above 0")
        options["distance"] = distance
    if pose_files is not None:
        if path.exists() and not points:
            raise InvalidInputError(
                "pose_files", f"{pose_files!r} with {path}", "a folder of points, LOCATION/POINT.csv"
            )
        options["pose_files"] = pose_files
    return Dataset.load(path, memory_map, robot=robot, limits=limits, **options)


def _stored(folder: Path) -> bool:
    return any(file.suffix in RECORDINGS for file in folder.iterdir())


def counts(dataset: Dataset) -> str:
    """Numbers of samples by kind, as text."""
    return f"{len(dataset)} full poses" if dataset.only_poses else ", ".join(dataset._counts())


def payload_range(dataset: Dataset) -> dict[str, float]:
    """Smallest and largest payload of samples [kg]; empty where none is known."""
    if dataset.payloads is None:
        return {}
    return {"from": float(np.nanmin(dataset.payloads)), "to": float(np.nanmax(dataset.payloads))}
