"""Position control of a body's joints in a PyBullet world."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

# Share of the position error that a motor makes good in one time step. PyBullet's default of 0.1 trails a moving target
# by 40 ms, this by half of it; with more, a Panda still swings a second after a jump of 0.3 rad in all joints.
POSITION_GAIN = 0.2
# Of motors whose URDF names no effort or no velocity [N m or N], [rad/s or m/s].
DEFAULT_EFFORT, DEFAULT_VELOCITY = 1000.0, 10.0


def hold(bullet: Any, client: int, body: int, joint: tuple, position: float, speed: float = 0.0) -> None:
    """Give a motor a new target.

    Parameters
    ----------
    bullet : module
        PyBullet.
    client, body : int
        Its world, and a body there.
    joint : tuple
        What PyBullet says of the joint.
    position, speed : float
        Of the target [rad or m], [rad/s or m/s].
    """
    bullet.setJointMotorControl2(
        body,
        joint[0],
        bullet.POSITION_CONTROL,
        targetPosition=float(position),
        force=joint[10] if joint[10] > 0.0 else DEFAULT_EFFORT,
        targetVelocity=float(speed),
        maxVelocity=joint[11] if joint[11] > 0.0 else DEFAULT_VELOCITY,
        positionGain=POSITION_GAIN,
        physicsClientId=client,
    )


def hold_others(bullet: Any, client: int, body: int, joints: Sequence[tuple], moving: Container[int]) -> None:
    """Put a body's joints that are not among the ``moving`` ones at zero, or the limit nearest to it, for good."""
    for info in joints:
        if info[0] in moving or info[2] not in (bullet.JOINT_REVOLUTE, bullet.JOINT_PRISMATIC):
            continue
        value = min(max(0.0, info[8]), info[9]) if info[8] <= info[9] else 0.0
        bullet.resetJointState(body, info[0], value, physicsClientId=client)
        hold(bullet, client, body, info, value)
