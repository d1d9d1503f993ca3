"""The masses that each joint of a chain carries along, from a URDF: what gravity bends the arm with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crisp_ik_ros.robots.urdf import Body, ParsedChain
from crisp_ik_ros.transforms import Array


def link_masses(chain: ParsedChain, bodies: Sequence[Body]) -> tuple[Array, Array]:
    """Mass and centre of mass of what moves rigidly with each movable joint of a chain.

    That is the joint's child link with all that hangs below it up to the chain's next movable joint: links on fixed
    joints, and branches such as a gripper with their joints at zero.

    Parameters
    ----------
    chain, bodies
        As ``parse_bodies`` returns them.

    Returns
    -------
    masses : (J,)
        0 where the URDF names none [kg].
    centers : (J, 3)
        In the frame of the joint's child link, which is the joint's frame after its motion [m]; 0 where there is no
        mass.
    """
    below: dict[str, list[int]] = {}
    for i, body in enumerate(bodies):
        below.setdefault(body.parent, []).append(i)
    number = {body.name: i for i, body in enumerate(bodies)}
    carriers = [joint.child_link for joint in chain.joints if joint.movable]
    masses, centers = np.zeros(len(carriers)), np.zeros((len(carriers), 3))
    moved = set(carriers)
    for j, carrier in enumerate(carriers):
        waiting = [(number[carrier], np.eye(4))]
        moment = np.zeros(3)
        while waiting:
            i, pose = waiting.pop()
            body = bodies[i]
            masses[j] += body.mass
            moment += body.mass * (pose[:3, :3] @ body.center + pose[:3, 3])
            waiting += [(k, pose @ bodies[k].origin) for k in below.get(body.name, []) if bodies[k].name not in moved]
        if masses[j] > 0.0:
            centers[j] = moment / masses[j]
    return masses, centers
