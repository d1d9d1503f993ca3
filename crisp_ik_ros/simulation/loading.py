"""What it takes to hand a URDF to a simulator in peace: mesh files found, chatter kept off the terminal."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from crisp_ik_ros.errors import SimulationError
from crisp_ik_ros.robots.guarded_xml import parse_xml
from crisp_ik_ros.robots.mesh_files import MeshFinder, mesh_shapes

_lock = threading.Lock()


def portable_urdf(xml: bytes, folder: Path | None, meshes: bool = True) -> bytes:
    """URDF that PyBullet reads as it is meant, and from anywhere: absolute mesh paths, axes of unit length.

    A shape whose mesh file is nowhere is left out, where PyBullet would refuse the whole robot.

    Parameters
    ----------
    xml : bytes
        The URDF.
    folder : Path or None
        Where it lies; files are looked for as ``MeshFinder`` does.
    meshes : bool
        False: all meshes are left out.
    """
    root = parse_xml(xml)
    finder = MeshFinder(folder)
    for link, shape, mesh in list(mesh_shapes(root)):
        found = finder.find(mesh.get("filename", "")) if meshes else None
        if found is not None:
            mesh.set("filename", str(found))
        elif shape in link:
            link.remove(shape)
    for axis in root.iter("axis"):
        # PyBullet would slide a prismatic joint by the length of its axis.
        vector = [float(value) for value in axis.get("xyz", "1 0 0").split()]
        length = math.hypot(*vector)
        if length > 0.0:
            axis.set("xyz", " ".join(repr(value / length) for value in vector))
    return ElementTree.tostring(root)


def load_body(bullet: Any, client: int, xml: bytes, name: str) -> int:
    """Load a URDF that stands fixed into a PyBullet world; return PyBullet's number of the body.

    Raises
    ------
    SimulationError
        When PyBullet cannot, with what it said of the robot called ``name``.
    """
    flags = bullet.URDF_USE_INERTIA_FROM_FILE | bullet.URDF_USE_MATERIAL_COLORS_FROM_MTL
    body = -1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "robot.urdf"
        path.write_bytes(xml)
        with quiet() as said, contextlib.suppress(bullet.error):
            body = bullet.loadURDF(str(path), useFixedBase=True, flags=flags, physicsClientId=client)
    if body < 0:
        raise SimulationError(f"PyBullet cannot load the URDF of {name!r}. {' '.join(said)}")
    return body


def has_materials(mesh: Path) -> bool:
    """Whether a mesh brings its colours along: false for a Wavefront file whose material file is nowhere."""
    if mesh.suffix.lower() != ".obj" or not mesh.is_file():
        return True
    named = re.search(rb"^mtllib\s+(.+?)\s*$", mesh.read_bytes(), re.MULTILINE)
    return named is not None and (mesh.parent / named[1].decode(errors="replace")).is_file()


@contextlib.contextmanager
def quiet() -> Iterator[list[str]]:
    """Keep what compiled code prints off the terminal, in the file descriptors that it writes to.

    Yields
    ------
    list of str
        Filled at the end with the last lines that were printed. Whatever other threads print meanwhile lands there too.
    """
    said: list[str] = []
    with _lock, contextlib.ExitStack() as stack:
        try:
            saved = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
        except OSError:  # started without these streams: nothing to keep quiet
            yield said
            return
        catch = stack.enter_context(tempfile.TemporaryFile())
        _flush()
        for descriptor, _ in saved:
            os.dup2(catch.fileno(), descriptor)
        try:
            yield said
        finally:
            _flush()
            for descriptor, copy in saved:
                os.dup2(copy, descriptor)
                os.close(copy)
            catch.seek(0)
            said += catch.read().decode(errors="replace").splitlines()[-5:]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a replaced or closed stream has nothing to flush
            stream.flush()
    with contextlib.suppress(Exception):  # not every C library can be asked
        ctypes.CDLL(None).fflush(None)
