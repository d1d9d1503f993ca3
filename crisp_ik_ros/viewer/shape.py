"""What a robot looks like: its links in a tree, how each moves with its joint, and their triangles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crisp_ik_ros.errors import URDFError
from crisp_ik_ros.robots.urdf import LARGEST_LENGTH, parse_tree
from crisp_ik_ros.transforms import Array, invert_pose, quaternion_from_matrix, rotation_exponential
from crisp_ik_ros.viewer.meshes import MOST_TRIANGLES, Part, color_of, parts_of

TURNING, SLIDING = ("revolute", "continuous"), ("prismatic",)


@dataclass(frozen=True)
class Link:
    """One link, and how it hangs on the one above it.

    Attributes
    ----------
    name, parent : str
        ``parent`` is empty for a root.
    joint : str
        Whose position moves it; empty: it does not move.
    slides : bool
        Whether the joint slides instead of turning.
    origin : (4, 4)
        Pose in the parent's frame with the joint at zero [m].
    axis : (3,)
        Unit axis in the link's frame.
    factor, offset : float
        Of the joint's position, where this one only imitates it.
    parts : tuple of Part
    """

    name: str
    parent: str
    joint: str
    slides: bool
    origin: Array
    axis: Array
    factor: float
    offset: float
    parts: tuple[Part, ...]

    def pose(self, positions: Mapping[str, float]) -> tuple[Array, Array]:
        """Position (3,) [m] and quaternion (4,), w x y z, in the parent's frame at joint positions [rad or m]."""
        rotation, position = self.origin[:3, :3], self.origin[:3, 3]
        value = self.factor * positions.get(self.joint, 0.0) + self.offset if self.joint else 0.0
        if self.slides:
            position = position + rotation @ (value * self.axis)
        elif value:
            rotation = rotation @ rotation_exponential(value * self.axis)
        return position, np.roll(quaternion_from_matrix(rotation), 1)


@dataclass(frozen=True)
class Shape:
    """All links, parents before their children.

    Attributes
    ----------
    links : tuple of Link
    base : (4, 4)
        Inverse of the base link's pose in its root's frame, with all joints at zero [m]: the root's pose for who draws
        in the base link's frame.
    refused : tuple of str
        What of the geometry is not shown, and why.
    """

    links: tuple[Link, ...]
    base: Array
    refused: tuple[str, ...]


def read_shape(description: str, base_link: str) -> Shape:
    """Read what a robot looks like from the text of its URDF.

    Geometry that cannot be read is left out, and named; ``package://`` is not known here, as no ROS is.

    Raises
    ------
    URDFError
        When the text is no URDF, or has no link of that name.
    """
    robot, above = parse_tree(description.encode())
    names = [link.name for link in robot.links]
    if base_link not in names:
        raise URDFError(f"the description has no link {base_link!r}; it has {', '.join(sorted(names)[:40])}")
    colors = {item.name: found for item in robot.materials if (found := color_of(item)) is not None}
    refused: list[str] = []
    links, triangles = {}, 0
    for link in robot.links:
        parts: list[Part] = []
        for visual in link.visuals:
            try:
                parts += parts_of(visual, colors)
            except URDFError as error:
                refused.append(f"{link.name}: {error}")
        triangles += sum(len(part.faces) for part in parts)
        if triangles > MOST_TRIANGLES:
            raise URDFError(f"the meshes have more than {MOST_TRIANGLES} triangles up to link {link.name!r}")
        links[link.name] = _link(link.name, above.get(link.name), tuple(parts))
    base = np.eye(4)
    name = base_link
    while name:
        base = links[name].origin @ base
        name = links[name].parent
    return Shape(
        tuple(sorted(links.values(), key=lambda link: len(way(links, link.name)))), invert_pose(base), tuple(refused)
    )


def way(links: Mapping[str, Link], name: str) -> list[str]:
    """Names from a root down to a link."""
    found = []
    while name:
        found.append(name)
        name = links[name].parent
    return found[::-1]


def _link(name: str, joint: Any, parts: tuple[Part, ...]) -> Link:
    if joint is None:
        return Link(name, "", "", False, np.eye(4), np.zeros(3), 1.0, 0.0, parts)
    origin = np.eye(4) if joint.origin is None else np.asarray(joint.origin, dtype=float)
    if origin.shape != (4, 4) or not (np.abs(origin) <= LARGEST_LENGTH).all():
        raise URDFError(f"the joint above {name!r} has an origin that is not finite, or too far away")
    kind, mimic = joint.type, joint.mimic
    axis = np.array([1.0, 0.0, 0.0]) if joint.axis is None else np.asarray(joint.axis, dtype=float)
    length = float(np.linalg.norm(axis))
    if kind not in (*TURNING, *SLIDING) or not (math.isfinite(length) and length > 1e-9):
        return Link(name, joint.parent, "", False, origin, np.zeros(3), 1.0, 0.0, parts)
    moved, factor, offset = joint.name, 1.0, 0.0
    if mimic is not None:
        moved = mimic.joint
        factor, offset = (1.0 if mimic.multiplier is None else float(mimic.multiplier)), float(mimic.offset or 0.0)
    return Link(name, joint.parent, moved, kind in SLIDING, origin, axis / length, factor, offset, parts)
