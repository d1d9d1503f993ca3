"""Frames that tf2 knows, where tf2_ros is installed."""

from __future__ import annotations

import time
from typing import Any

from geometry_msgs.msg import TransformStamped
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.nodes.targets import ErrorCode, NotYetKnown, RequestError, pose_at
from crisp_ik_ros.transforms import Array

try:
    import tf2_ros
except ImportError:
    tf2_ros = None  # type: ignore[assignment]

# A frame that nobody has told of so long after listening began is not there [s].
DISCOVERY = 1.0
# Longest wait for the transforms up to a time that is still to come [s].
LATENESS = 0.1
BETWEEN_LOOKS = 0.005


def available() -> bool:
    """Whether tf2_ros is installed."""
    return tf2_ros is not None


class TransformFrames:
    """Poses of frames in a base frame, from /tf and /tf_static.

    Nothing is listened to before a frame is asked for: most services are asked in the base frame for ever, and each
    message on /tf costs time. It may be asked from any thread, but waits only in threads that are not the node's own.

    Parameters
    ----------
    node : Node
        That listens.

    Attributes
    ----------
    base : str
        Frame that poses are in.
    """

    def __init__(self, node: Node, base: str = ""):
        self._node, self.base = node, base
        self._buffer: Any = None
        self._listener: Any = None
        self._since: float | None = None

    def pose_of(self, frame: str, stamp: int, patience: float) -> Array:
        """Pose (4, 4) of a frame in the base frame [m], at a time [ns]; 0: the latest.

        ``patience``: longest wait for it [s].

        Raises
        ------
        NotYetKnown
            When others may still tell of it.
        RequestError
            When nobody does.
        """
        if stamp < 0:
            raise RequestError(*_failure(frame, self.base, "no time before 1970 is known"))
        self._begin()
        begin = time.monotonic()
        while True:
            try:
                return self._look(frame, stamp, time.monotonic() - begin)
            except NotYetKnown:
                if time.monotonic() - begin >= patience:
                    raise
                time.sleep(BETWEEN_LOOKS)

    def _begin(self) -> None:
        if self._since is None:
            self._since = time.monotonic()
            executor = self._node.executor
            # A subscription is made in the thread that spins the node.
            if executor is not None:
                executor.create_task(self._listen)

    def _listen(self) -> None:
        buffer = tf2_ros.Buffer()
        # The buffer watches a clock of its own for jumps; what counts is the node's, which may be simulated.
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(seconds=-1), on_clock_change=True)
        self._jumps = self._node.get_clock().create_jump_callback(threshold, post_callback=lambda jump: buffer.clear())
        self._listener = tf2_ros.TransformListener(buffer, self._node, spin_thread=False)
        self._since = time.monotonic()
        self._buffer = buffer
        self._node.get_logger().info("a target in another frame: listening to /tf and /tf_static")

    def _look(self, frame: str, stamp: int, waited: float) -> Array:
        assert self._since is not None
        fresh = time.monotonic() - self._since < DISCOVERY
        if self._buffer is None:
            words = "listening to /tf has only just begun"
            raise (NotYetKnown if fresh else RequestError)(*_failure(frame, self.base, words))
        try:
            # Without a wait: nothing here may hold up the node.
            return pose_of_transform(self._buffer.lookup_transform(self.base, frame, Time(nanoseconds=stamp)))
        except tf2_ros.ExtrapolationException as error:
            kind = NotYetKnown if fresh or waited < LATENESS else RequestError
            raise kind(*_failure(frame, self.base, str(error))) from error
        except (tf2_ros.TransformException, InvalidInputError) as error:
            raise (NotYetKnown if fresh else RequestError)(*_failure(frame, self.base, str(error))) from error


def pose_of_transform(message: TransformStamped) -> Array:
    """Pose (4, 4) [m] of a transform's child frame in its parent.

    Raises
    ------
    InvalidInputError
        When the quaternion is not of unit length within 1 %.
    """
    translation, rotation = message.transform.translation, message.transform.rotation
    return pose_at(
        (translation.x, translation.y, translation.z), (rotation.x, rotation.y, rotation.z, rotation.w), "transform"
    )


def _failure(frame: str, base: str, words: str) -> tuple[ErrorCode, str]:
    return (
        ErrorCode.FRAME_TRANSFORM_FAILURE,
        f"pose.header.frame_id: tf2 has no transform from {frame!r} to {base!r}, the robot's base frame: {words}",
    )
