"""What RViz draws of a trajectory that is followed: lines from targets to where the tool was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from crisp_ik_ros.nodes.conversions import duration_message
from crisp_ik_ros.transforms import Array

LINE_WIDTH, TARGET_SIZE = 0.0008, 0.006
LINE_COLOR, TARGET_COLOR = (0.9, 0.15, 0.1, 1.0), (0.1, 0.5, 0.9, 0.9)
# Of the two paths, as config/panda.rviz draws them.
TARGET_PATH_COLOR, ACTUAL_PATH_COLOR = (25 / 255, 120 / 255, 230 / 255, 1.0), (240 / 255, 140 / 255, 20 / 255, 1.0)
TEXT_HEIGHT, TEXT_CLEARANCE = 0.012, 0.05


def error_markers(
    targets: Array,
    reached: Sequence[Array | None],
    scale: float,
    frame_id: str,
    stamp: Time,
    lifetime: float,
) -> MarkerArray:
    """Lines from each target to the pose that was reached, and a ball at the latest target.

    Parameters
    ----------
    targets : (n, 4, 4)
    reached : sequence of (4, 4) or None
    scale : float
        Errors are drawn this many times as long as they are.
    frame_id : str
    stamp : Time
    lifetime : float
        Seconds after which RViz takes them away; 0: never.
    """
    lines = new_marker("errors", Marker.LINE_LIST, LINE_COLOR, frame_id, stamp, lifetime)
    lines.scale.x = LINE_WIDTH
    ball = new_marker("target", Marker.SPHERE, TARGET_COLOR, frame_id, stamp, lifetime)
    ball.scale.x = ball.scale.y = ball.scale.z = TARGET_SIZE
    message = MarkerArray(markers=[lines, ball])
    extend_markers(message, targets, reached, scale, stamp)
    return message


def extend_markers(
    message: MarkerArray, targets: Array, reached: Sequence[Array | None], scale: float, stamp: Time
) -> None:
    """Add the lines of more targets to those that are there, and move the ball to the latest target of all.

    Parameters
    ----------
    message : MarkerArray
        As ``error_markers`` made it; markers behind those, such as a legend, only stay.
    targets : (n, 4, 4)
        New ones, in order; there may be more than poses that were reached.
    reached : sequence of (4, 4) or None
    scale : float
    stamp : Time
    """
    lines, ball = message.markers[:2]
    for marker in message.markers:
        marker.header.stamp = stamp
    for target, pose in zip(targets, reached, strict=False):
        if pose is not None:
            begin = target[:3, 3]
            lines.points += [point_message(begin), point_message(begin + scale * (pose[:3, 3] - begin))]
    if len(targets):
        ball.pose.position = point_message(targets[-1][:3, 3])


def legend_markers(targets: Array, scale: float, frame_id: str, stamp: Time, lifetime: float) -> list[Marker]:
    """Words above a path that say what is drawn, each in the colour of what it means.

    Parameters
    ----------
    targets : (n, 4, 4)
    scale, frame_id, stamp, lifetime
        As for ``error_markers``.
    """
    words = (
        (TARGET_PATH_COLOR, "targets; ball: the latest"),
        (ACTUAL_PATH_COLOR, "the tool, as measured"),
        (LINE_COLOR, f"from target to tool, {scale:g} times as long"),
    )
    positions = targets[:, :3, 3]
    top = 0.5 * (positions.min(axis=0) + positions.max(axis=0))
    top[2] = positions[:, 2].max() + TEXT_CLEARANCE
    markers = []
    for row, (color, text) in enumerate(words):
        marker = new_marker("legend", Marker.TEXT_VIEW_FACING, color, frame_id, stamp, lifetime)
        marker.id, marker.text, marker.scale.z = row, text, TEXT_HEIGHT
        marker.pose.position = point_message(top + np.array([0.0, 0.0, 1.5 * TEXT_HEIGHT * (len(words) - 1 - row)]))
        markers.append(marker)
    return markers


def new_marker(
    namespace: str, kind: int, color: tuple[float, ...], frame_id: str, stamp: Time, lifetime: float
) -> Marker:
    """Marker number 0 at the frame's origin; colour: red, green, blue, opacity, 0 to 1; lifetime [s], 0: for ever."""
    r, g, b, a = color
    marker = Marker(ns=namespace, id=0, type=kind, action=Marker.ADD, color=ColorRGBA(r=r, g=g, b=b, a=a))
    marker.header.frame_id = frame_id
    marker.header.stamp = stamp
    marker.lifetime = duration_message(lifetime)
    marker.pose.orientation.w = 1.0
    return marker


def point_message(position: Array) -> Point:
    """Message of a position (3,) [m]."""
    x, y, z = position.tolist()
    return Point(x=x, y=y, z=z)
