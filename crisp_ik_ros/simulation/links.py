"""Links and joints of a body in a PyBullet world: where they are, and PyBullet's inverse kinematics of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.transforms import Array, invert_pose, make_pose, matrix_from_quaternion, quaternion_from_matrix

PROGRESS_EVERY = 1000


def joints_and_links(bullet: Any, client: int, body: int) -> tuple[list[tuple], dict[str, int]]:
    """What PyBullet says of each joint of a body, in its order, and the number of each link by name; -1 is the root."""
    infos = [
        bullet.getJointInfo(body, index, physicsClientId=client)
        for index in range(bullet.getNumJoints(body, physicsClientId=client))
    ]
    links = {info[12].decode(): info[0] for info in infos}
    links[bullet.getBodyInfo(body, physicsClientId=client)[0].decode()] = -1
    return infos, links


def link_pose(bullet: Any, client: int, body: int, link: int) -> Array:
    """Pose (4, 4) in the world of a link's URDF frame [m]; -1 is the root link.

    Parameters
    ----------
    bullet : module
        PyBullet.
    client, body, link : int
        Its world, a body there, a link of that.
    """
    if link >= 0:
        state = bullet.getLinkState(body, link, computeForwardKinematics=1, physicsClientId=client)
        return _pose(state[4], state[5])
    # Of the root link PyBullet tells the centre of mass.
    center = _pose(*bullet.getBasePositionAndOrientation(body, physicsClientId=client))
    dynamics = bullet.getDynamicsInfo(body, -1, physicsClientId=client)
    return center @ invert_pose(_pose(dynamics[3], dynamics[4]))


def link_poses(
    bullet: Any,
    client: int,
    body: int,
    link: int,
    joints: Sequence[int],
    configurations: Array,
    progress: Callable[[int, int], None] | None = None,
) -> Array:
    """Poses (n, 4, 4) in the world of a link's URDF frame [m], and not of the root's, at many configurations.

    The body is left at the last one.

    Parameters
    ----------
    bullet : module
        PyBullet.
    client, body, link : int
        Its world, a body there, a link of that.
    joints : sequence of int
        Joints that are placed.
    configurations : (n, J)
        Their positions [rad or m].
    progress : callable, optional
        Called now and then with the number done and n.
    """
    # Column by column: converting one number at a time to what PyBullet takes would cost as much as the kinematics.
    rows = configurations[:, :, None].tolist()
    count = len(rows)
    frames = np.empty((count, 7))
    place, look = bullet.resetJointStatesMultiDof, bullet.getLinkState
    for i, row in enumerate(rows):
        place(body, joints, row, physicsClientId=client)
        state = look(body, link, computeForwardKinematics=1, physicsClientId=client)
        frames[i, :3], frames[i, 3:] = state[4], state[5]
        if progress is not None and ((i + 1) % PROGRESS_EVERY == 0 or i + 1 == count):
            progress(i + 1, count)
    return make_pose(frames[:, :3], matrix_from_quaternion(frames[:, 3:]))


def null_space_inverse_kinematics(
    bullet: Any,
    client: int,
    body: int,
    link: int,
    target: Array,
    joints: Sequence[int],
    lower: Array,
    upper: Array,
    rest: Array,
    iterations: int,
    residual: float,
) -> Array:
    """PyBullet's damped least squares with a pull to a rest pose, from where the body stands.

    Parameters
    ----------
    bullet : module
        PyBullet.
    client, body, link : int
        Its world, a body there, the link that is to get to the target.
    target : (4, 4)
        Pose of the link's URDF frame in the world [m].
    joints : sequence of int
        Joints that matter; the body's others keep their limits and rest where they stand.
    lower, upper, rest : (J,)
        Of these joints [rad or m].
    iterations, residual
        Largest number of iterations, and the residual at which PyBullet ends.

    Returns
    -------
    (J,)
        Of these joints; not always within the limits, which PyBullet does not enforce.
    """
    place = {joint: i for i, joint in enumerate(joints)}
    numbers, lows, highs, rests = [], [], [], []
    # PyBullet takes all movable joints of the body, in its own order, or else forgets about the null space.
    for info in joints_and_links(bullet, client, body)[0]:
        index = info[0]
        if info[3] < 0:  # fixed
            continue
        numbers.append(index)
        if index in place:
            i = place[index]
            low, high, calm = lower[i], upper[i], rest[i]
        else:
            low, high = (info[8], info[9]) if info[8] <= info[9] else (-np.pi, np.pi)
            calm = bullet.getJointState(body, index, physicsClientId=client)[0]
        lows.append(float(low))
        highs.append(float(high))
        rests.append(float(calm))
    found = bullet.calculateInverseKinematics(
        body,
        link,
        target[:3, 3].tolist(),
        quaternion_from_matrix(target[:3, :3]).tolist(),
        lowerLimits=lows,
        upperLimits=highs,
        jointRanges=[high - low for low, high in zip(lows, highs, strict=True)],
        restPoses=rests,
        maxNumIterations=int(iterations),
        residualThreshold=float(residual),
        physicsClientId=client,
    )
    return np.array([found[numbers.index(joint)] for joint in joints])


def _pose(position: ArrayLike, quaternion: ArrayLike) -> Array:
    return make_pose(position, matrix_from_quaternion(quaternion))
