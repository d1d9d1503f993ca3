"""What RViz draws of a trajectory that is followed: lines from targets to where the tool was."""

from __future__ import annotations

from collections.abc import Sequence

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from crisp_ik_ros.nodes.conversions import duration_message
from crisp_ik_ros.transforms import Array

LINE_WIDTH, TARGET_SIZE = 0.0008, 0.006
LINE_COLOR, TARGET_COLOR = (0.9, 0.15, 0.1, 1.0), (0.1, 0.5, 0.9, 0.9)


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
    lines = _marker("errors", Marker.LINE_LIST, LINE_COLOR, frame_id, stamp, lifetime)
    lines.scale.x = LINE_WIDTH
    ball = _marker("target", Marker.SPHERE, TARGET_COLOR, frame_id, stamp, lifetime)
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
        As ``error_markers`` made it.
    targets : (n, 4, 4)
        New ones, in order; there may be more than poses that were reached.
    reached : sequence of (4, 4) or None
    scale : float
    stamp : Time
    """
    lines, ball = message.markers
    lines.header.stamp = ball.header.stamp = stamp
    for target, pose in zip(targets, reached, strict=False):
        if pose is not None:
            begin = target[:3, 3]
            lines.points += [_point(begin), _point(begin + scale * (pose[:3, 3] - begin))]
    if len(targets):
        ball.pose.position = _point(targets[-1][:3, 3])


def _marker(namespace: str, kind: int, color: tuple[float, ...], frame_id: str, stamp: Time, lifetime: float) -> Marker:
    r, g, b, a = color
    marker = Marker(ns=namespace, id=0, type=kind, action=Marker.ADD, color=ColorRGBA(r=r, g=g, b=b, a=a))
    marker.header.frame_id = frame_id
    marker.header.stamp = stamp
    marker.lifetime = duration_message(lifetime)
    marker.pose.orientation.w = 1.0
    return marker


def _point(position: Array) -> Point:
    x, y, z = position.tolist()
    return Point(x=x, y=y, z=z)
