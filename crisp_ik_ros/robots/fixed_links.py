"""Links that never move to a robot's tool link, or to its base link: through fixed joints, up and down the tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.robots.urdf import Body
from crisp_ik_ros.transforms import Array, invert_pose


def fixed_to_tip(robot: RobotModel, bodies: Sequence[Body] = ()) -> dict[str, Array]:
    """Pose (4, 4) of the tip link in the frame of each link that is fixed to it [m], the tip itself among them.

    Parameters
    ----------
    robot : RobotModel
        Its own chain is looked at in any case.
    bodies : sequence of Body, optional
        All links of its URDF.
    """
    return {name: invert_pose(pose) for name, pose in _fixed_to(robot.tip_link, robot, bodies).items()}


def fixed_to_base(robot: RobotModel, bodies: Sequence[Body] = ()) -> dict[str, Array]:
    """Pose (4, 4) in the base link's frame of each link that is fixed to it [m], the base itself among them.

    Parameters
    ----------
    robot, bodies
        As for ``fixed_to_tip``.
    """
    return _fixed_to(robot.base_link, robot, bodies)


def _fixed_to(link: str, robot: RobotModel, bodies: Sequence[Body]) -> dict[str, Array]:
    """Pose in the frame of a link of each link that is fixed to it."""
    neighbours: dict[str, dict[str, Array]] = {}
    for parent, child, origin in [*_of_chain(robot), *_of_urdf(bodies)]:
        # The chain comes first: where a model has another geometry than its URDF, the model is right.
        neighbours.setdefault(parent, {}).setdefault(child, origin)
        neighbours.setdefault(child, {}).setdefault(parent, invert_pose(origin))
    poses, waiting = {link: np.eye(4)}, [link]
    while waiting:
        name = waiting.pop()
        for other, pose in neighbours.get(name, {}).items():
            if other not in poses:
                poses[other] = poses[name] @ pose
                waiting.append(other)
    return poses


def _of_chain(robot: RobotModel) -> Iterator[tuple[str, str, Array]]:
    parent = robot.base_link
    for joint in robot.joints:
        if not joint.movable:
            yield parent, joint.child_link, joint.origin
        parent = joint.child_link


def _of_urdf(bodies: Sequence[Body]) -> Iterator[tuple[str, str, Array]]:
    for body in bodies:
        if body.fixed:
            yield body.parent, body.name, body.origin
