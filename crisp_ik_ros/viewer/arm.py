"""An arm on the page: frames that hang on each other as the links do, with their meshes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crisp_ik_ros.transforms import quaternion_from_matrix
from crisp_ik_ros.viewer.shape import Link, Shape, way

# A joint that has moved less than this is where it was [rad or m].
STILL = 1e-5


class Arm:
    """Draws a robot's links below a node of the scene, and moves them.

    Only what has moved is sent: a frame for each joint, not the poses of all links.

    Parameters
    ----------
    scene
        The page's scene, as viser has it.
    root : str
        Name of a node of the scene.
    shape : Shape
    tint : (int, int, int), optional
        One colour for all of it.
    opacity : float, optional
        Default: none shines through.
    """

    def __init__(
        self,
        scene: Any,
        root: str,
        shape: Shape,
        tint: tuple[int, int, int] | None = None,
        opacity: float | None = None,
    ):
        self._moving: list[tuple[Link, Any]] = []
        self._drawn: dict[str, float] = {}
        base = np.roll(quaternion_from_matrix(shape.base[:3, :3]), 1)
        self._root = scene.add_frame(root, show_axes=False, wxyz=base, position=shape.base[:3, 3])
        links = {link.name: link for link in shape.links}
        for link in shape.links:
            name = "/".join([root, *(_plain(part) for part in way(links, link.name))])
            position, wxyz = link.pose({})
            frame = scene.add_frame(name, show_axes=False, wxyz=wxyz, position=position)
            if link.joint:
                self._moving.append((link, frame))
            for number, part in enumerate(link.parts):
                scene.add_mesh_simple(
                    f"{name}/part{number}",
                    part.vertices,
                    part.faces,
                    color=tint or part.color,
                    opacity=opacity,
                    side="front" if opacity is None else "double",
                    cast_shadow=False,
                    receive_shadow=False,
                )

    @property
    def visible(self) -> bool:
        """Whether it is shown."""
        return self._root.visible

    @visible.setter
    def visible(self, visible: bool) -> None:
        if visible != self._root.visible:
            self._root.visible = visible

    def remove(self) -> None:
        """Take it off the page."""
        self._root.remove()

    def move(self, positions: Mapping[str, float]) -> None:
        """Stand as the joints do, given by name [rad or m]; those that are not named stay."""
        moved = {name for name, value in positions.items() if abs(value - self._drawn.get(name, 0.0)) > STILL}
        if not moved:
            return
        self._drawn.update((name, positions[name]) for name in moved)
        for link, frame in self._moving:
            if link.joint in moved:
                position, wxyz = link.pose(self._drawn)
                if link.slides:
                    frame.position = position
                else:
                    frame.wxyz = wxyz


def _plain(name: str) -> str:
    return name.replace("/", "_")
