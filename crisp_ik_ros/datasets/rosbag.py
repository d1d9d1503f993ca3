"""Recordings of ROS 2: joint states and a measured pose, one sample at each stop of the arm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import Reader, storage_mcap
from rosbags.rosbag2 import reader as reader_module
from rosbags.typesys import Stores, get_typestore

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.datasets.matching import FEWEST, match_stops
from crisp_ik_ros.datasets.recording_guard import METADATA, bounded_unpacking, check_recording
from crisp_ik_ros.datasets.series import Series
from crisp_ik_ros.errors import CrispIKError, DatasetError
from crisp_ik_ros.files import shortened
from crisp_ik_ros.transforms import QUATERNION_NORM_TOLERANCE, make_pose, matrix_from_quaternion

JOINT_STATE = "sensor_msgs/msg/JointState"
POINT = "geometry_msgs/msg/PointStamped"
STORAGE_FILES = (".mcap", ".db3")


def read_rosbag(
    path: str | Path,
    joint_names: Sequence[str] | None = None,
    joint_topic: str = "/joint_states",
    pose_topic: str | None = None,
    child_frame: str | None = None,
    still_for: float = 0.3,
    still_within: float = 1e-3,
    time_offset: float | None = None,
) -> Dataset:
    """Read a rosbag2 recording (sqlite3 or mcap) of an arm that stopped at many places while its tool was measured.

    Wherever the joints stand still, their readings and those of the tool are averaged to one sample; its noise is that
    of the average, where there are readings enough to tell. Messages are matched by the times in their headers, or by
    when they were recorded where one of the topics has no times. Stops at which the tool was not read, or moved, are
    left out, and so are readings that are not finite, or whose quaternion is not of unit length: devices send such when
    they do not see the tool.

    Parameters
    ----------
    path : str or Path
        The recording's folder, or its .mcap or .db3.
    joint_names : sequence of str, optional
        The joints wanted, in this order; default: all in the joint states.
    joint_topic : str
        Of type JointState.
    pose_topic : str, optional
        Of type PoseStamped, PoseWithCovarianceStamped, TransformStamped or TFMessage, or, for positions without
        orientation, PointStamped; default: the only one there is.
    child_frame : str, optional
        Which frame of a TransformStamped or TFMessage topic is the tool; default: the only one there is.
    still_for, still_within : float
        The arm stands still where no joint moves by more than ``still_within`` [rad or m] for ``still_for`` [s].
    time_offset : float, optional
        Added to the tool's times [s]; default: found from when joints and tool move, 0 where that is not clear.

    Raises
    ------
    DatasetError
        When the recording is damaged, lacks a topic, leaves open which one is meant, or has no stop; it names what is
        there.
    """
    path = Path(path)
    for name, value in (("still_for", still_for), ("still_within", still_within)):
        if not 0.0 < value < np.inf:
            raise DatasetError(f"{name}: got {value}, expected a number above 0")
    try:
        joints, tools, topics = _read(path, joint_topic, pose_topic)
        joints.choose(joint_names, topics)
        tool = _chosen(tools, pose_topic, child_frame, topics)
        stamped = joints.readings.stamped and tool.readings.stamped
        start = min(joints.readings.first(stamped), tool.readings.first(stamped))
        joint_times, configurations = joints.readings.ordered(stamped, start)
        tool_times, values = tool.readings.ordered(stamped, start)
        rotations = values.shape[1] == 7
        rotation = matrix_from_quaternion(values[:, 3:]) if rotations else np.eye(3)
        poses = make_pose(values[:, :3], rotation)
        matched = match_stops(
            joint_times, configurations, tool_times, poses, rotations, still_for, still_within, time_offset
        )
    except CrispIKError as error:
        raise DatasetError(f"{path}: {error}") from error
    if rotations:
        return Dataset(matched.configurations, matched.poses, joints.names, noise=matched.noise)
    return Dataset.from_positions(
        matched.configurations, matched.poses[:, :3, 3], joints.names, noise=matched.noise[:, 0]
    )


class _Joints:
    """Joint states: readings for each set of joint names that comes, the wanted ones chosen at the end."""

    def __init__(self, topic: str):
        self.topic = topic
        self.names: tuple[str, ...] = ()
        self._by_names: dict[tuple[str, ...], Series] = {}

    def add(self, message: Any, recorded: int) -> None:
        """Append a JointState; one that is not whole, or not finite, is left out."""
        names = tuple(message.name)
        if names and len(message.position) == len(names) and np.isfinite(message.position).all():
            self._by_names.setdefault(names, Series(len(names))).add(message.header.stamp, recorded, message.position)

    def choose(self, wanted: Sequence[str] | None, topics: dict[str, str]) -> None:
        """Take the readings that hold all wanted joints, in their order; without wanted ones all must be alike."""
        if not self._by_names:
            raise DatasetError(
                f"no joint positions on {self.topic}; expected {JOINT_STATE}, the recording has {_listed(topics)}"
            )
        sets = {frozenset(names) for names in self._by_names}
        held = "; ".join(", ".join(names) for names in self._by_names)
        if wanted is None and len(sets) > 1:
            raise DatasetError(f"the joint states of {self.topic} are of different joints; give joint_names: {held}")
        self.names = tuple(next(iter(self._by_names)) if wanted is None else wanted)
        self.readings = Series(len(self.names))
        for names, readings in self._by_names.items():
            if set(self.names) <= set(names):
                self.readings.extend(readings, [names.index(name) for name in self.names])
        if not len(self.readings):
            raise DatasetError(f"no joint state of {self.topic} holds all of {', '.join(self.names)}; they hold {held}")


@dataclass
class _Tool:
    """Readings of one thing that may be the tool, and the frames in which they came."""

    topic: str
    child_frame: str
    readings: Series
    frames: set[str] = field(default_factory=set)
    refused: int = 0

    def __str__(self) -> str:
        return f"{self.topic} (child frame {self.child_frame})" if self.child_frame else self.topic


# A frame, a header, the position and the rotation, None where there is none.
Measurement = tuple[str, Any, Any, Any]


def _pose(message: Any) -> Iterator[Measurement]:
    yield "", message.header, message.pose.position, message.pose.orientation


def _pose_with_covariance(message: Any) -> Iterator[Measurement]:
    yield "", message.header, message.pose.pose.position, message.pose.pose.orientation


def _point(message: Any) -> Iterator[Measurement]:
    yield "", message.header, message.point, None


def _transform(message: Any) -> Iterator[Measurement]:
    transform = message.transform
    yield message.child_frame_id.lstrip("/"), message.header, transform.translation, transform.rotation


def _transforms(message: Any) -> Iterator[Measurement]:
    for transform in message.transforms:
        yield from _transform(transform)


MEASUREMENTS: dict[str, Callable[[Any], Iterator[Measurement]]] = {
    "geometry_msgs/msg/PoseStamped": _pose,
    "geometry_msgs/msg/PoseWithCovarianceStamped": _pose_with_covariance,
    "geometry_msgs/msg/TransformStamped": _transform,
    "tf2_msgs/msg/TFMessage": _transforms,
    POINT: _point,
}


def _read(
    path: Path, joint_topic: str, pose_topic: str | None
) -> tuple[_Joints, dict[tuple[str, str], _Tool], dict[str, str]]:
    """Joint states, everything that may be the tool by topic and frame, and the type of each topic."""
    if not path.exists():
        raise DatasetError("there is no such file or folder")
    # Standard messages, the same in all distributions: the recording's own definitions, which may hold others that
    # cannot be understood, are not needed.
    types = get_typestore(Stores.LATEST)
    joints = _Joints(joint_topic)
    tools: dict[tuple[str, str], _Tool] = {}
    storage = _storage(path)
    most = check_recording(*_files(storage))
    try:
        with bounded_unpacking(most, reader_module, storage_mcap), Reader(storage) as reader:
            topics = {connection.topic: connection.msgtype for connection in reader.connections}
            wanted = [
                connection
                for connection in reader.connections
                if (connection.topic == joint_topic and connection.msgtype == JOINT_STATE)
                or (connection.msgtype in MEASUREMENTS and connection.topic == (pose_topic or connection.topic))
            ]
            # No connection at all would mean every one.
            for connection, recorded, data in reader.messages(wanted) if wanted else ():
                message = types.deserialize_cdr(data, connection.msgtype)
                if connection.msgtype == JOINT_STATE:
                    joints.add(message, recorded)
                    continue
                for measurement in MEASUREMENTS[connection.msgtype](message):
                    _add(tools, connection.topic, measurement, recorded)
    except Exception as error:
        # A damaged file makes the libraries that read it raise whatever they come upon.
        said = shortened(str(error) or type(error).__name__, 500)
        raise DatasetError(f"it cannot be read as a rosbag2 recording: {said}") from error
    return joints, tools, topics


def _add(tools: dict[tuple[str, str], _Tool], topic: str, measurement: Measurement, recorded: int) -> None:
    child_frame, header, position, rotation = measurement
    values = [position.x, position.y, position.z]
    if rotation is not None:
        values += [rotation.x, rotation.y, rotation.z, rotation.w]
    tool = tools.setdefault((topic, child_frame), _Tool(topic, child_frame, Series(len(values))))
    good = np.isfinite(values).all()
    if rotation is not None:
        good &= abs(np.linalg.norm(values[3:]) - 1.0) <= QUATERNION_NORM_TOLERANCE
    if not good:
        tool.refused += 1
        return
    tool.frames.add(header.frame_id)
    tool.readings.add(header.stamp, recorded, values)


def _chosen(
    tools: dict[tuple[str, str], _Tool], pose_topic: str | None, child_frame: str | None, topics: dict[str, str]
) -> _Tool:
    """Return the one that is the tool, with readings enough, all in one frame."""
    wanted = None if child_frame is None else child_frame.lstrip("/")
    candidates = [tool for tool in tools.values() if wanted is None or tool.child_frame == wanted]
    # What comes once is a fixed frame, and no measurement.
    read = [tool for tool in candidates if len(tool.readings) >= FEWEST]
    if len(read) > 1:
        raise DatasetError(
            f"pose_topic and child_frame leave open which is the tool: {', '.join(map(str, read))}; expected one"
        )
    if not read:
        asked = pose_topic or "any topic"
        asked += "" if child_frame is None else f" with the child frame {child_frame}"
        refused = "".join(f"; {t} has {t.refused} readings that are no poses" for t in candidates if t.refused)
        there = ", ".join(str(tool) for tool in tools.values()) or _listed(topics)
        raise DatasetError(f"no {FEWEST} readings of the tool on {asked}{refused}; the recording has {there}")
    tool = read[0]
    if len(tool.frames) > 1:
        raise DatasetError(f"the readings of {tool} are in the frames {', '.join(sorted(tool.frames))}; expected one")
    return tool


def _storage(path: Path) -> Path:
    """What to open: a folder without metadata, of a recording that was cut short, holds its messages all the same."""
    files = _storage_files(path) if path.is_dir() else []
    return files[0] if len(files) == 1 and not (path / METADATA).exists() else path


def _files(path: Path) -> tuple[Path | None, list[Path]]:
    """Folder of a recording that describes itself there, and its files."""
    if not path.is_dir():
        return None, [path]
    # Compressed files end otherwise, in .zstd.
    files = sorted(file for file in path.iterdir() if set(file.suffixes) & set(STORAGE_FILES))
    return (path if (path / METADATA).exists() else None), files


def _storage_files(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if file.suffix in STORAGE_FILES)


def _listed(topics: dict[str, str]) -> str:
    return ", ".join(f"{topic} ({kind})" for topic, kind in sorted(topics.items())) or "no topics"
