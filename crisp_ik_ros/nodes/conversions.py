"""Between messages and arrays."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Pose, PoseStamped
from nav_msgs.msg import Path
from numpy.typing import ArrayLike
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectoryPoint

from crisp_ik_ros.nodes.answer import Seed
from crisp_ik_ros.nodes.targets import Target, pose_at
from crisp_ik_ros.transforms import Array

# Points of a trajectory that are kept for the next one.
POINTS_KEPT = 4096


def target_from_message(message: PoseStamped) -> Target:
    """Wanted pose as it arrived, not yet checked."""
    position, orientation = message.pose.position, message.pose.orientation
    return Target(
        (position.x, position.y, position.z),
        (orientation.x, orientation.y, orientation.z, orientation.w),
        message.header.frame_id,
        message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec,
    )


def seed_from_message(message: JointState) -> Seed:
    """Seed as it arrived, not yet checked."""
    return Seed(message.name, message.position)


def pose_from_message(message: Pose) -> Array:
    """Pose (4, 4) [m].

    Raises
    ------
    InvalidInputError
        When the quaternion is not of unit length within 1 %.
    """
    position, orientation = message.position, message.orientation
    return pose_at(
        (position.x, position.y, position.z),
        (orientation.x, orientation.y, orientation.z, orientation.w),
        "quaternion",
    )


def pose_message(pose: Array) -> Pose:
    """Message of a pose (4, 4) [m]."""
    message = Pose()
    x, y, z = pose[:3, 3].tolist()
    message.position.x, message.position.y, message.position.z = x, y, z
    orientation = message.orientation
    orientation.x, orientation.y, orientation.z, orientation.w = _quaternion(*pose[:3, :3].ravel().tolist())
    return message


def _quaternion(
    xx: float, xy: float, xz: float, yx: float, yy: float, yz: float, zx: float, zy: float, zz: float
) -> tuple[float, float, float, float]:
    """Quaternion x y z w, w >= 0, of a rotation matrix; plain numbers take a fifth of the time of SciPy's."""
    # The largest component first (Shepperd), so that no other is divided by a small one.
    trace = xx + yy + zz
    if trace >= max(xx, yy, zz):
        x, y, z, w = zy - yz, xz - zx, yx - xy, 1.0 + trace
    elif xx >= max(yy, zz):
        x, y, z, w = 1.0 + xx - yy - zz, xy + yx, xz + zx, zy - yz
    elif yy >= zz:
        x, y, z, w = xy + yx, 1.0 + yy - xx - zz, yz + zy, xz - zx
    else:
        x, y, z, w = xz + zx, yz + zy, 1.0 + zz - xx - yy, yx - xy
    norm = math.copysign(math.sqrt(x * x + y * y + z * z + w * w), w)
    return x / norm, y / norm, z / norm, w / norm


def pose_stamped_message(pose: Array, frame_id: str, stamp: Time | None = None) -> PoseStamped:
    """Message of a pose (4, 4) [m] in a frame."""
    message = PoseStamped(pose=pose_message(pose))
    message.header.frame_id = frame_id
    if stamp is not None:
        message.header.stamp = stamp
    return message


def path_message(poses: Iterable[Array], frame_id: str, stamp: Time) -> Path:
    """Message of poses (4, 4) [m] in a frame."""
    message = Path(poses=[pose_stamped_message(pose, frame_id, stamp) for pose in poses])
    message.header.frame_id = frame_id
    message.header.stamp = stamp
    return message


def doubles(values: ArrayLike) -> array:
    """Numbers (n,) as the field of a message keeps them: of a list it would check and copy one by one."""
    return array("d", np.asarray(values, dtype=float).tobytes())


def joint_state_message(
    names: Sequence[str],
    positions: ArrayLike,
    stamp: Time | None = None,
    velocities: Sequence[float] | Array = (),
    efforts: Sequence[float] | Array = (),
) -> JointState:
    """Message of joint positions [rad or m]; velocities and efforts may be left out."""
    message = JointState(name=list(names), position=doubles(positions))
    if len(velocities):
        message.velocity = doubles(velocities)
    if len(efforts):
        message.effort = doubles(efforts)
    if stamp is not None:
        message.header.stamp = stamp
    return message


class TrajectoryPoints:
    """Messages of the points of trajectories, used anew for each: making a thousand takes 5 ms, filling them 1 ms.

    A trajectory is to be sent before the next one is asked for.
    """

    def __init__(self) -> None:
        self._kept: list[JointTrajectoryPoint] = []

    def of(self, configurations: Array) -> list[JointTrajectoryPoint]:
        """Points at configurations (n, J) [rad or m], without times."""
        points = self._kept[: len(configurations)]
        points += [JointTrajectoryPoint() for _ in range(len(configurations) - len(points))]
        for point, positions in zip(points, configurations.tolist(), strict=True):
            point.positions = array("d", positions)
        if len(points) > len(self._kept):
            self._kept = points[:POINTS_KEPT]
        return points


def seconds(message: Duration | Time) -> float:
    """Seconds of a duration or a time."""
    return message.sec + 1e-9 * message.nanosec


def _split(value: float) -> tuple[int, int]:
    nanoseconds = round(value * 1e9)
    return nanoseconds // 1_000_000_000, nanoseconds % 1_000_000_000


def duration_message(value: float) -> Duration:
    """Duration of seconds."""
    sec, nanosec = _split(value)
    return Duration(sec=sec, nanosec=nanosec)


def time_message(value: float) -> Time:
    """Time of seconds since the epoch."""
    sec, nanosec = _split(value)
    return Time(sec=sec, nanosec=nanosec)
