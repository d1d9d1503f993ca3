"""What RViz draws of an answer: the arm as lines from joint to joint, and words."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import ArrayLike
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from crisp_ik_ros.nodes.markers import new_marker, point_message
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, rotation_exponential
from crisp_ik_ros.viewer.words import SUCCESS, Answer

BONE, JOINT, TEXT = 0.02, 0.04, 0.03
GOOD, BAD = (0.2, 0.8, 0.3, 0.6), (0.9, 0.2, 0.1, 0.6)
# Of the words above the target [m].
ABOVE = 0.12


def joint_positions(robot: RobotModel, configuration: ArrayLike) -> Array:
    """Positions of base, joints and tip (n, 3) [m] of the nominal arm at a configuration (J,), base frame."""
    values = iter(np.asarray(configuration, dtype=float))
    frame, positions = np.eye(4), [np.zeros(3)]
    for joint in robot.joints:
        frame = frame @ joint.origin
        positions.append(frame[:3, 3])
        if joint.movable:
            value, motion = next(values), np.eye(4)
            if joint.kind == "prismatic":
                motion[:3, 3] = value * joint.axis
            else:
                motion[:3, :3] = rotation_exponential(value * joint.axis)
            frame = frame @ motion
    return np.array([*positions, frame[:3, 3]])


def ghost_markers(
    robot: RobotModel, configuration: ArrayLike, target: Array, words: str, good: bool, stamp: Time
) -> MarkerArray:
    """Arm at a configuration (J,), in green where that is an answer, else in red, and words above the target (4, 4)."""
    color = GOOD if good else BAD
    points = [point_message(position) for position in joint_positions(robot, configuration)]
    bones = new_marker("ghost", Marker.LINE_STRIP, color, robot.base_link, stamp, 0.0)
    bones.scale.x, bones.points = BONE, points
    joints = new_marker("ghost", Marker.SPHERE_LIST, color, robot.base_link, stamp, 0.0)
    joints.id, joints.points = 1, points
    joints.scale.x = joints.scale.y = joints.scale.z = JOINT
    text = new_marker("answer", Marker.TEXT_VIEW_FACING, color, robot.base_link, stamp, 0.0)
    text.color = ColorRGBA(r=color[0], g=color[1], b=color[2], a=1.0)
    text.text, text.scale.z = words, TEXT
    text.pose.position = point_message(target[:3, 3] + [0.0, 0.0, ABOVE])
    return MarkerArray(markers=[bones, joints, text])


def words_of(answer: Answer, name: str) -> str:
    """What an answer, whose code has a name, amounts to, in a line or two for a person."""
    if answer.code == SUCCESS:
        first = f"{1e3 * answer.position_error:.3f} mm off by the model, support {answer.support:.2f}"
    else:
        first = f"{name} ({answer.code})"
    return f"{first}\n{answer.message}".strip()
