"""Mesh files that a URDF names, looked for beside it and in the environment's ROS packages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

# Folders above the URDF's that may be its package, or hold it: PACKAGE/robots/ARM/urdf/arm.urdf.
MAX_LEVELS_UP = 4
SHAPES = ("visual", "collision")


class MeshFinder:
    """Search for the mesh files of one URDF.

    Parameters
    ----------
    folder : Path or None
        Where the URDF lies; None where it is known as text only.
    """

    def __init__(self, folder: Path | None):
        prefixes = [prefix for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
        self._shares = [Path(prefix) / "share" for prefix in prefixes]
        self._above: list[Path] = []
        if folder is not None:
            folder = folder.resolve()
            self._above = [folder, *list(folder.parents)[:MAX_LEVELS_UP]]

    def find(self, name: str) -> Path | None:
        """Path of a mesh file as a URDF names it: a path, ``file://``, ``package://`` or ``model://``; None: nowhere.

        ``package://`` is looked for in sourced ROS packages, and where the URDF lies in a package that is not sourced.
        """
        scheme, _, rest = name.rpartition("://")
        candidates = [folder / rest for folder in (*self._above[:1], *self._shares)]
        if scheme in ("package", "model"):
            candidates += [folder / rest for folder in self._above[1:]]
            candidates += [folder / rest.partition("/")[2] for folder in self._above if rest.partition("/")[2]]
        elif not self._above or Path(rest).is_absolute():
            candidates.append(Path(rest))
        return next((candidate.resolve() for candidate in candidates if _is_file(candidate)), None)

    def missing(self, root: Element) -> list[str]:
        """Names of a URDF's meshes that are nowhere, sorted."""
        names = {mesh.get("filename", "") for _, _, mesh in mesh_shapes(root)}
        return sorted(name for name in names if self.find(name) is None)


def mesh_shapes(root: Element) -> Iterator[tuple[Element, Element, Element]]:
    """Links of a URDF, each with a ``<visual>`` or ``<collision>`` of it that is a mesh, and the ``<mesh>``."""
    for link in root.iter("link"):
        for shape in [child for child in link if child.tag in SHAPES]:
            for mesh in shape.iter("mesh"):
                yield link, shape, mesh


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file system takes
        return False
