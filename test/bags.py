"""Recordings of an arm that stops here and there, written by rosbags' own writer."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from oracles import homogeneous, rodrigues
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

TYPES = get_typestore(Stores.ROS2_HUMBLE)
NAMES = ("shoulder", "elbow", "wrist")
STORAGES = {"sqlite3": StoragePlugin.SQLITE3, "mcap": StoragePlugin.MCAP}
# A time since 1970 [s].
EPOCH = 1_760_000_000


def true_pose(q):
    """Tool of an arm in the plane with links of 0.4, 0.3 and 0.2 m, tilted by its wrist."""
    angles = np.cumsum(q)
    position = [
        0.4 * np.cos(angles[0]) + 0.3 * np.cos(angles[1]) + 0.2 * np.cos(angles[2]),
        0.4 * np.sin(angles[0]) + 0.3 * np.sin(angles[1]) + 0.2 * np.sin(angles[2]),
        0.1,
    ]
    return homogeneous(rodrigues([0.0, 0.0, angles[2]]) @ rodrigues([2.8, 0.0, 0.0]), np.array(position))


@dataclass
class Arm:
    """Stays at each configuration for its dwell, and goes to the next with a smooth start and end.

    Attributes
    ----------
    stops : (n, J)
    dwells, moves : (n,)
        [s]
    """

    stops: np.ndarray
    dwells: np.ndarray
    moves: np.ndarray
    arrivals: np.ndarray = field(init=False)

    def __post_init__(self):
        self.arrivals = np.concatenate([[0.0], np.cumsum(self.dwells + self.moves)[:-1]])

    @classmethod
    def random(cls, count, seed=0, dwell=(0.8, 1.6), move=(0.6, 1.4)):
        rng = np.random.default_rng(seed)
        return cls(rng.uniform(-1.2, 1.2, (count, 3)), rng.uniform(*dwell, count), rng.uniform(*move, count))

    @property
    def duration(self):
        return float(self.arrivals[-1] + self.dwells[-1])

    def at(self, time):
        """Configuration (J,) at a time [s]."""
        k = int(np.clip(np.searchsorted(self.arrivals, time, side="right") - 1, 0, len(self.stops) - 1))
        share = np.clip((time - self.arrivals[k] - self.dwells[k]) / self.moves[k], 0.0, 1.0)
        after = self.stops[min(k + 1, len(self.stops) - 1)]
        return self.stops[k] + (0.5 - 0.5 * np.cos(np.pi * share)) * (after - self.stops[k])


def times(duration, rate, jitter, rng):
    """Times [s] at a rate [1/s], each off by up to ``jitter`` intervals, not always in order."""
    grid = np.arange(0.0, duration, 1.0 / rate)
    return grid + rng.uniform(-jitter, jitter, len(grid)) / rate


def stamp(time):
    nanoseconds = round(time * 1e9) + EPOCH * 1_000_000_000
    return TYPES.types["builtin_interfaces/msg/Time"](nanoseconds // 1_000_000_000, nanoseconds % 1_000_000_000)


def header(time, frame="base", stamped=True):
    Time = TYPES.types["builtin_interfaces/msg/Time"]
    return TYPES.types["std_msgs/msg/Header"](stamp(time) if stamped else Time(0, 0), frame)


def joint_state(time, q, names=NAMES, stamped=True):
    empty = np.empty(0)
    return TYPES.types["sensor_msgs/msg/JointState"](
        header(time, "", stamped), list(names), np.asarray(q, dtype=float), empty, empty
    )


def _parts(pose, quaternion):
    Point, Quaternion = TYPES.types["geometry_msgs/msg/Point"], TYPES.types["geometry_msgs/msg/Quaternion"]
    return Point(*map(float, pose[:3, 3])), Quaternion(*map(float, quaternion))


def quaternion_of(pose):
    """x y z w by the eigenvector of Bar-Itzhack's matrix."""
    r = pose[:3, :3]
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], r[1, 0] + r[0, 1], r[2, 0] + r[0, 2], r[2, 1] - r[1, 2]],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], r[2, 1] + r[1, 2], r[0, 2] - r[2, 0]],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r[0, 0] + r[1, 1] + r[2, 2]],
        ]
    )
    return np.linalg.eigh(k)[1][:, 3]


def pose_stamped(time, pose, quaternion=None, frame="base", stamped=True):
    position, orientation = _parts(pose, quaternion_of(pose) if quaternion is None else quaternion)
    pose_type = TYPES.types["geometry_msgs/msg/Pose"]
    return TYPES.types["geometry_msgs/msg/PoseStamped"](header(time, frame, stamped), pose_type(position, orientation))


def pose_with_covariance(time, pose):
    plain = pose_stamped(time, pose)
    inner = TYPES.types["geometry_msgs/msg/PoseWithCovariance"](plain.pose, np.zeros(36))
    return TYPES.types["geometry_msgs/msg/PoseWithCovarianceStamped"](plain.header, inner)


def point_stamped(time, pose):
    return TYPES.types["geometry_msgs/msg/PointStamped"](header(time), _parts(pose, (0, 0, 0, 1))[0])


def transform_stamped(time, pose, child="tool", frame="base"):
    position, orientation = _parts(pose, quaternion_of(pose))
    translation = TYPES.types["geometry_msgs/msg/Vector3"](position.x, position.y, position.z)
    transform = TYPES.types["geometry_msgs/msg/Transform"](translation, orientation)
    return TYPES.types["geometry_msgs/msg/TransformStamped"](header(time, frame), child, transform)


def tf_message(*transforms):
    return TYPES.types["tf2_msgs/msg/TFMessage"](list(transforms))


def write_bag(path, messages, storage="sqlite3", compression=None, delay=0.0):
    """Write a recording.

    Parameters
    ----------
    path : Path
    messages : iterable of (str, float, message)
        Topic, time of recording [s], message.
    storage : str
    compression : str, optional
        "FILE" or "MESSAGE".
    delay : float
        Added to the times of recording [s].
    """
    writer = Writer(path, version=9, storage_plugin=STORAGES[storage])
    if compression:
        writer.set_compression(CompressionMode[compression], CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, time, message in sorted(messages, key=lambda entry: entry[1]):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=TYPES)
            nanoseconds = round((time + delay) * 1e9) + EPOCH * 1_000_000_000
            writer.write(connections[topic], nanoseconds, TYPES.serialize_cdr(message, kind))
    return path


@dataclass
class Device:
    """How an arm's joints and tool are read.

    Attributes
    ----------
    joint_rate, tool_rate : float
        [1/s]
    joint_noise : float
        [rad]
    noise : (float, float)
        Of the tool, along an axis [m, rad].
    offset : float
        By which the tool's clock is ahead [s].
    jitter : float
        Of the times, in intervals.
    """

    joint_rate: float = 50.0
    tool_rate: float = 40.0
    joint_noise: float = 1e-5
    noise: tuple[float, float] = (1e-4, 5e-4)
    offset: float = 0.0
    jitter: float = 0.0

    def joints(self, arm, seed=1):
        """Times [s] and configurations as read."""
        rng = np.random.default_rng(seed)
        for time in times(arm.duration, self.joint_rate, self.jitter, rng):
            yield time, arm.at(time) + rng.normal(scale=self.joint_noise, size=3)

    def tool(self, arm, seed=2):
        """Times [s] of the tool's clock and poses as read."""
        rng = np.random.default_rng(seed)
        for time in times(arm.duration, self.tool_rate, self.jitter, rng):
            pose = true_pose(arm.at(time))
            pose[:3, 3] += rng.normal(scale=self.noise[0], size=3)
            pose[:3, :3] = rodrigues(rng.normal(scale=self.noise[1], size=3)) @ pose[:3, :3]
            yield time + self.offset, pose

    def messages(self, arm, make=pose_stamped, topic="/tool/pose"):
        """Messages of both, recorded when they were read."""
        result = [("/joint_states", time, joint_state(time, q)) for time, q in self.joints(arm)]
        return result + [(topic, time - self.offset, make(time, pose)) for time, pose in self.tool(arm)]
