"""The visual geometry of a robot description, read from the files that it names."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from crisp_ik_ros.errors import URDFError
from crisp_ik_ros.files import read_file, shortened
from crisp_ik_ros.robots.urdf import LARGEST_LENGTH
from crisp_ik_ros.transforms import Array
from crisp_ik_ros.viewer.thinning import thinned

# Bytes of a mesh, and triangles of a robot, that a page can bear.
LARGEST_MESH, MOST_TRIANGLES = 1 << 26, 2_000_000
FORMATS = (".dae", ".glb", ".obj", ".off", ".ply", ".stl")
MATERIALS = ".mtl"
GREY = (170, 174, 180)


@dataclass(frozen=True)
class Part:
    """Triangles of one colour.

    Attributes
    ----------
    vertices : (n, 3)
        In the link's frame [m].
    faces : (m, 3)
        Indices of vertices.
    color : (int, int, int)
        0 to 255.
    """

    vertices: Array
    faces: np.ndarray
    color: tuple[int, int, int]


def parts_of(visual: Any, colors: dict[str, tuple[int, int, int]]) -> list[Part]:
    """Triangles of a ``<visual>``, as yourdfpy has it, one part for each colour.

    Parameters
    ----------
    visual
    colors : dict
        Of the materials that the robot names.

    Raises
    ------
    URDFError
        When its file is missing, too large, of a format that is not read, or anywhere but on this machine.
    """
    geometry, color = visual.geometry, _color(visual.material, colors)
    if geometry is None:
        return []
    try:
        meshes = list(_meshes(geometry))
    except URDFError:
        raise
    except Exception as error:  # the readers of the formats raise many kinds
        raise URDFError(f"the geometry cannot be read: {shortened(f'{type(error).__name__}: {error}')}") from error
    origin = np.eye(4) if visual.origin is None else np.asarray(visual.origin, dtype=float)
    gathered: dict[tuple[int, int, int], list[tuple[Array, np.ndarray]]] = {}
    for mesh, own in meshes:
        vertices = np.asarray(mesh.vertices, dtype=float) @ origin[:3, :3].T + origin[:3, 3]
        if not (np.abs(vertices) <= LARGEST_LENGTH).all():
            raise URDFError("the geometry has vertices that are not finite, or too far away")
        gathered.setdefault(own or color or GREY, []).append((vertices, np.asarray(mesh.faces)))
    return [Part(*thinned(*_joined(pieces)), found) for found, pieces in gathered.items()]


def _joined(pieces: list[tuple[Array, np.ndarray]]) -> tuple[Array, np.ndarray]:
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in pieces[:-1])])
    faces = [faces + start for (_, faces), start in zip(pieces, starts, strict=True)]
    return np.concatenate([vertices for vertices, _ in pieces]), np.concatenate(faces)


def _meshes(geometry: Any) -> Iterator[tuple[Any, tuple[int, int, int] | None]]:
    """Meshes of a geometry, each with its own colour where it has one."""
    # Imported here: it costs a second.
    import trimesh

    if geometry.mesh is not None:
        path = _path(geometry.mesh.filename)
        content = read_file(path, LARGEST_MESH, URDFError, "mesh")
        beside: Any = _Beside(path.parent)
        scene = trimesh.load_scene(io.BytesIO(content), file_type=path.suffix[1:].lower(), resolver=beside)
        scale = geometry.mesh.scale
        for mesh in scene.dump():
            if isinstance(mesh, trimesh.Trimesh):
                if scale is not None:
                    mesh.vertices = mesh.vertices * np.broadcast_to(np.asarray(scale, dtype=float), 3)
                yield mesh, _own_color(mesh)
    elif geometry.box is not None:
        yield trimesh.creation.box(np.asarray(geometry.box.size, dtype=float)), None
    elif geometry.cylinder is not None:
        yield trimesh.creation.cylinder(float(geometry.cylinder.radius), float(geometry.cylinder.length)), None
    elif geometry.sphere is not None:
        yield trimesh.creation.icosphere(2, float(geometry.sphere.radius)), None


class _Beside:
    """What a mesh may read beside itself: lists of colours in its own folder, and nothing else."""

    def __init__(self, folder: Path):
        self._folder = folder

    def get(self, name: str) -> bytes:
        """Content of a file; raises what the readers take for a file that is not there."""
        if Path(name).name != name or not name.lower().endswith(MATERIALS):
            raise FileNotFoundError(name)
        try:
            return read_file(self._folder / name, LARGEST_MESH, URDFError, "list of materials")
        except URDFError as error:
            raise FileNotFoundError(name) from error

    __getitem__ = get


def _path(filename: str) -> Path:
    """Path of a mesh, given as a path or as ``file://``.

    Raises
    ------
    URDFError
        When it is anything else.
    """
    parts = urlsplit(filename)
    if parts.scheme not in ("", "file") or parts.netloc:
        raise URDFError(f"mesh {shortened(filename)} is not a file of this machine; file:// or a path expected")
    path = Path(unquote(parts.path))
    if not path.is_absolute() or path.suffix.lower() not in FORMATS:
        raise URDFError(f"mesh {shortened(filename)}: a whole path to one of {', '.join(FORMATS)} expected")
    return path


def _own_color(mesh: Any) -> tuple[int, int, int] | None:
    if not mesh.visual.defined:
        return None
    material = getattr(mesh.visual, "material", None)
    color = mesh.visual.main_color if material is None else material.main_color
    return None if color is None else _bytes(np.asarray(color[:3], dtype=float))


def _color(material: Any, colors: dict[str, tuple[int, int, int]]) -> tuple[int, int, int] | None:
    if material is None:
        return None
    return color_of(material) or colors.get(material.name)


def color_of(material: Any) -> tuple[int, int, int] | None:
    """Colour of a ``<material>``, as yourdfpy has it; None where it has none that can be shown."""
    if material.color is None or material.color.rgba is None:
        return None
    values = [float(value) for value in list(material.color.rgba)[:3]]
    return _bytes(255.0 * np.array(values)) if all(map(math.isfinite, values)) and len(values) == 3 else None


def _bytes(color: Array) -> tuple[int, int, int]:
    red, green, blue = np.clip(np.round(color), 0, 255).astype(int).tolist()
    return red, green, blue
