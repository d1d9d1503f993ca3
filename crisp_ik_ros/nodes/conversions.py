"""Between messages and arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Pose, PoseStamped
from nav_msgs.msg import Path
from numpy.typing import ArrayLike
from sensor_msgs.msg import JointState

from crisp_ik_ros.nodes.answer import Seed, Target
from crisp_ik_ros.transforms import Array, make_pose, matrix_from_quaternion, quaternion_from_matrix


def target_from_message(message: PoseStamped) -> Target:
    """Wanted pose as it arrived, not yet checked."""
    position, orientation = message.pose.position, message.pose.orientation
    return Target(
        (position.x, position.y, position.z),
        (orientation.x, orientation.y, orientation.z, orientation.w),
        message.header.frame_id,
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
    rotation = matrix_from_quaternion([orientation.x, orientation.y, orientation.z, orientation.w])
    return make_pose([position.x, position.y, position.z], rotation)


def pose_message(pose: Array) -> Pose:
    """Message of a pose (4, 4) [m]."""
    message = Pose()
    x, y, z = pose[:3, 3].tolist()
    message.position.x, message.position.y, message.position.z = x, y, z
    orientation = message.orientation
    orientation.x, orientation.y, orientation.z, orientation.w = quaternion_from_matrix(pose[:3, :3]).tolist()
    return message


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


def joint_state_message(
    names: Sequence[str],
    positions: ArrayLike,
    stamp: Time | None = None,
    velocities: ArrayLike = (),
    efforts: ArrayLike = (),
) -> JointState:
    """Message of joint positions [rad or m]; velocities and efforts may be left out."""
    message = JointState(
        name=list(names),
        position=np.asarray(positions, dtype=float).tolist(),
        velocity=np.asarray(velocities, dtype=float).tolist(),
        effort=np.asarray(efforts, dtype=float).tolist(),
    )
    if stamp is not None:
        message.header.stamp = stamp
    return message


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
