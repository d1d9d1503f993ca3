"""Wanted poses as they arrive in a request, checked and made into matrices, one or many at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from crisp_ik_ros.errors import CrispIKError, InvalidInputError
from crisp_ik_ros.transforms import QUATERNION_NORM_TOLERANCE, Array

LAST_ROW = (0.0, 0.0, 0.0, 1.0)


class ErrorCode(IntEnum):
    """The values of moveit_msgs/MoveItErrorCodes that the services use, those on the last lines: /solve_ik alone.

    CONTINUATION_LOST is none of MoveIt's; /solve_ik says NO_IK_SOLUTION instead.
    """

    SUCCESS = 1
    FAILURE = 99999
    TIMED_OUT = -6
    INVALID_ROBOT_STATE = -17
    INVALID_LINK_NAME = -18
    FRAME_TRANSFORM_FAILURE = -21
    NO_IK_SOLUTION = -31
    CONTINUATION_LOST = -1031
    INVALID_GROUP_NAME = -15
    INVALID_GOAL_CONSTRAINTS = -16
    COLLISION_CHECKING_UNAVAILABLE = -22


class RequestError(CrispIKError):
    """A request that cannot be answered, with the code that says so."""

    def __init__(self, code: ErrorCode, message: str):
        super().__init__(message)
        self.code = code


class NotYetKnown(RequestError):
    """A request that cannot be answered now, and perhaps in a moment."""


class Target(NamedTuple):
    """Wanted pose of the tool as it arrives: position (3,) [m], quaternion x y z w, and the frame they are in.

    ``stamp``: time at which that frame is meant [ns]; 0: the latest.
    """

    position: Sequence[float]
    quaternion: Sequence[float]
    frame_id: str = ""
    stamp: int = 0


def code_of(error: CrispIKError) -> ErrorCode:
    """Code of an answer that is this error."""
    return error.code if isinstance(error, RequestError) else ErrorCode.FAILURE


def pose_of(target: Target, base: str) -> Array:
    """Pose (4, 4) [m] of a target in the frame ``base``.

    Raises
    ------
    RequestError
        When it is in another frame.
    InvalidInputError
        When a position is not finite, or the quaternion not of unit length within 1 %.
    """
    if target.frame_id and target.frame_id.lstrip("/") != base:
        raise RequestError(
            ErrorCode.FRAME_TRANSFORM_FAILURE,
            f"pose.header.frame_id: got {target.frame_id!r}, expected {base!r}, the robot's base frame, or nothing",
        )
    if not all(map(math.isfinite, target.position)):
        raise InvalidInputError("pose.position", list(target.position), "finite numbers of metres")
    return pose_at(target.position, target.quaternion, "pose.orientation")


def pose_at(position: Sequence[float], quaternion: Sequence[float], name: str) -> Array:
    """Pose (4, 4) of one position [m], and of one quaternion x y z w that came under a name.

    Plain numbers take a tenth of the time of ``matrix_from_quaternion``.

    Raises
    ------
    InvalidInputError
        When it is not of unit length within 1 %.
    """
    x, y, z, w = quaternion
    norm = math.sqrt(x * x + y * y + z * z + w * w)
    # Written so that NaN is refused too.
    if not abs(norm - 1.0) <= QUATERNION_NORM_TOLERANCE:
        raise InvalidInputError(name, [x, y, z, w], "x y z w of unit length (identity: 0 0 0 1)")
    rows = _rotation(x / norm, y / norm, z / norm, w / norm)
    for row, value in zip(rows, position, strict=True):
        row.append(value)
    return np.array([*rows, LAST_ROW])


def poses_of(targets: Sequence[Target], base: str) -> tuple[Array, dict[int, CrispIKError]]:
    """Poses (n, 4, 4) of n targets, to the last bit as ``pose_of`` has them.

    Returns
    -------
    poses : (n, 4, 4)
    faults : dict
        By index, what ``pose_of`` raises; the pose there is the identity.
    """
    poses = np.tile(np.eye(4), (len(targets), 1, 1))
    if not targets:
        return poses, {}
    positions = np.array([target.position for target in targets], dtype=float)
    quaternions = np.array([target.quaternion for target in targets], dtype=float)
    x, y, z, w = quaternions.T
    with np.errstate(over="ignore", invalid="ignore"):
        norm = np.sqrt(x * x + y * y + z * z + w * w)
    known = {frame: not frame or frame.lstrip("/") == base for frame in {target.frame_id for target in targets}}
    sound = np.isfinite(positions).all(axis=1) & (np.abs(norm - 1.0) <= QUATERNION_NORM_TOLERANCE)
    sound &= [known[target.frame_id] for target in targets]
    x, y, z, w = (quaternions[sound] / norm[sound, None]).T
    poses[sound, :3, :3] = np.moveaxis(np.array(_rotation(x, y, z, w)), -1, 0)
    poses[sound, :3, 3] = positions[sound]
    faults = {}
    for index in np.flatnonzero(~sound).tolist():
        try:
            pose_of(targets[index], base)
        except CrispIKError as error:
            faults[index] = error
    return poses, faults


def _rotation(x: Any, y: Any, z: Any, w: Any) -> list[list[Any]]:
    """Rotation matrix of a unit quaternion, of numbers; or of n of them, of arrays (n,)."""
    return [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
        [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
        [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
    ]
