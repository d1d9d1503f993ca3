"""Expansion of xacro files to URDFs, with whichever tool for it is installed."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from crisp_ik_ros.errors import MissingDependencyError, URDFError
from crisp_ik_ros.files import shortened

SUFFIX = ".xacro"
INSTALL = (
    "it takes the Python package xacrodoc (pip install xacrodoc) or ROS's tool xacro (apt install "
    "ros-$ROS_DISTRO-xacro, and a sourced environment), and neither is installed"
)
EXPAND = "expand it first: xacro ROBOT.urdf.xacro > robot.urdf"
# An expansion takes a second or two.
MAX_EXPANSION_S = 60.0
MAX_MESSAGE_LENGTH = 1000
_MACRO = re.compile(rb"<\s*xacro:\w")


def is_xacro(path: Path, content: bytes) -> bool:
    """Whether a file is to be expanded: by its suffix, or for a macro in it."""
    return path.suffix.lower() == SUFFIX or _MACRO.search(content) is not None


def require_xacro(path: Path) -> None:
    """Refuse a xacro file where nothing is installed that expands it.

    Raises
    ------
    MissingDependencyError
        When that is so; both tools are named.
    """
    if find_spec("xacrodoc") is None and shutil.which("xacro") is None:
        raise MissingDependencyError(f"{shortened(str(path))} is a xacro file: {INSTALL}. Or {EXPAND}")


def expand_xacro(path: Path) -> bytes:
    """URDF of a xacro file, with the default values of its arguments.

    Raises
    ------
    MissingDependencyError
        When nothing is installed that expands it.
    URDFError
        When it cannot be expanded.
    """
    require_xacro(path)
    return _with_xacrodoc(path) if find_spec("xacrodoc") is not None else _with_program(path)


def _with_xacrodoc(path: Path) -> bytes:
    from xacrodoc import XacroDoc

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            # Meshes keep their package://: where the packages are not installed, the chain is still there.
            return XacroDoc.from_file(str(path), resolve_packages=False).to_urdf_string().encode()
    except Exception as error:  # xacro raises many kinds, those of the expressions in the file too
        raise _failed(path, f"{type(error).__name__}: {error} {said.getvalue()}") from error


def _with_program(path: Path) -> bytes:
    try:
        done = subprocess.run(
            ["xacro", os.path.abspath(path)], capture_output=True, timeout=MAX_EXPANSION_S, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(path, str(error)) from error
    if done.returncode != 0:
        raise _failed(path, done.stderr.decode(errors="replace"))
    return done.stdout


def _failed(path: Path, said: str) -> URDFError:
    text = shortened(" ".join(said.split()), MAX_MESSAGE_LENGTH)
    return URDFError(f"the xacro file {shortened(str(path))} cannot be expanded: {text}")
