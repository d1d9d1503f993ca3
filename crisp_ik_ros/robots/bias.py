"""Joint and link offsets that make a robot differ from its model: on a chain, and on a URDF for the simulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.robots.corrected_urdf import urdf_with_joints
from crisp_ik_ros.robots.urdf import ChainJoint
from crisp_ik_ros.transforms import Array, rotation_exponential


def bias_joints(
    joints: Sequence[ChainJoint], joint_offsets: ArrayLike | None, link_offsets: ArrayLike | None
) -> tuple[ChainJoint, ...]:
    """Joints of a robot whose encoders and links are off.

    Parameters
    ----------
    joints : sequence of ChainJoint
        The chain, fixed joints included.
    joint_offsets : (J,), optional
        Added to every commanded configuration: g(q) = g~(q + offsets) [rad, or m for prismatic joints].
    link_offsets : (number of joints in the chain, 3) or (J, 3), optional
        Added to the ``xyz`` of each joint's origin, in its parent link's frame [m]; J rows: to movable joints only.

    Returns
    -------
    tuple of ChainJoint
        Limits are unchanged: they are what the controller accepts.

    Raises
    ------
    InvalidInputError
        When a shape is wrong or a value is not finite.
    """
    movable = [i for i, joint in enumerate(joints) if joint.movable]
    turn = np.zeros(len(joints))
    if joint_offsets is not None:
        turn[movable] = _checked(joint_offsets, "joint_offsets", {(len(movable),)})
    shift = np.zeros((len(joints), 3))
    if link_offsets is not None:
        offsets = _checked(link_offsets, "link_offsets", {(len(joints), 3), (len(movable), 3)})
        shift[slice(None) if len(offsets) == len(joints) else movable] = offsets
    return tuple(_bias(joint, turn[i], shift[i]) for i, joint in enumerate(joints))


def bias_urdf(
    xml: bytes, joints: Sequence[ChainJoint], joint_offsets: ArrayLike | None, link_offsets: ArrayLike | None
) -> bytes:
    """URDF of a robot whose encoders and links are off: the chain's origins are those of ``bias_joints``.

    Parameters
    ----------
    xml : bytes
        The URDF that the chain was read from.
    joints, joint_offsets, link_offsets
        As in ``bias_joints``.

    Returns
    -------
    bytes
        The same URDF, with other ``xyz`` and ``rpy`` in the origins of the chain's joints, in all digits. File names of
        meshes stay as they are.

    Raises
    ------
    InvalidInputError
        When an offset cannot be used.
    URDFError
        When the text is no XML, or lacks a joint of the chain.
    """
    return urdf_with_joints(xml, bias_joints(joints, joint_offsets, link_offsets))


def random_bias(
    joints: Sequence[ChainJoint], joint_bias: float, link_bias: float, random_state: int | None = None
) -> tuple[Array, Array]:
    """Offsets of one size everywhere, as in the paper's section 4.4.

    Parameters
    ----------
    joint_bias : float
        Size of every joint offset [rad].
    link_bias : float
        Size of every component of every link offset [m].
    random_state : int, optional
        Seed of the random signs; None or below 0: all positive.

    Returns
    -------
    joint_offsets (J,), link_offsets (number of joints in the chain, 3)
    """
    dof = sum(joint.movable for joint in joints)
    if random_state is None or random_state < 0:
        return np.full(dof, joint_bias), np.full((len(joints), 3), link_bias)
    rng = np.random.default_rng(random_state)
    return joint_bias * rng.choice([-1.0, 1.0], dof), link_bias * rng.choice([-1.0, 1.0], (len(joints), 3))


def _bias(joint: ChainJoint, turn: float, shift: Array) -> ChainJoint:
    # origin . Z(q + d) = (origin . Z(d)) . Z(q): the offset moves into the fixed origin
    motion = np.eye(4)
    if joint.kind == "prismatic":
        motion[:3, 3] = joint.axis * turn
    elif joint.movable:
        motion[:3, :3] = rotation_exponential(joint.axis * turn)
    origin = joint.origin @ motion
    origin[:3, 3] += shift
    return replace(joint, origin=origin)


def _checked(values: ArrayLike, name: str, shapes: set[tuple[int, ...]]) -> Array:
    array = np.asarray(values, dtype=float)
    if array.shape not in shapes:
        raise InvalidInputError(name, f"shape {array.shape}", " or ".join(str(shape) for shape in sorted(shapes)))
    if not np.isfinite(array).all():
        raise InvalidInputError(name, array.tolist(), "finite numbers")
    return array
