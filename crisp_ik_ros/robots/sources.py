"""Where robot descriptions lie: beside a file, in this package, in a ROS package, or in pybullet_data."""

from __future__ import annotations

import os
from pathlib import Path

from crisp_ik_ros.errors import MissingDependencyError, URDFError
from crisp_ik_ros.resources import model_path

IN_PYBULLET, IN_MODELS, IN_PACKAGE = "pybullet_data:", "models:", "package://"


def locate(source: str, folder: Path) -> Path:
    """Path of a robot description.

    Parameters
    ----------
    source : str
        ``pybullet_data:PATH``, ``models:NAME`` (of this package), ``package://PACKAGE/PATH`` (of a ROS package in the
        environment), or a path, which counts from ``folder`` where it is relative.
    folder : Path

    Raises
    ------
    MissingDependencyError
        When it is in pybullet_data and that is not installed.
    URDFError
        When the ROS package is not in the environment.
    """
    if source.startswith(IN_PYBULLET):
        return pybullet_data_path(source.removeprefix(IN_PYBULLET))
    if source.startswith(IN_MODELS):
        return model_path(source.removeprefix(IN_MODELS))
    if source.startswith(IN_PACKAGE):
        return _in_package(source.removeprefix(IN_PACKAGE))
    return folder / Path(source).expanduser()


def pybullet_data_path(name: str) -> Path:
    """Path of a file in pybullet_data.

    Raises
    ------
    MissingDependencyError
        When pybullet, which brings it, is not installed.
    """
    try:
        import pybullet_data
    except ImportError as error:
        raise MissingDependencyError(f"{name} comes with pybullet: pip install pybullet") from error
    return Path(pybullet_data.getDataPath()) / name


def _in_package(name: str) -> Path:
    prefixes = [prefix for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    package = name.partition("/")[0]
    for prefix in prefixes:
        share = Path(prefix) / "share"
        if (share / package).is_dir():
            return share / name
    places = ", ".join(prefixes) or "AMENT_PREFIX_PATH, which is empty: source a ROS 2 environment"
    raise URDFError(f"the ROS package {package!r} is not in {places}")
