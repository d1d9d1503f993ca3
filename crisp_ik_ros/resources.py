"""Where the files that ship with the package are: models, configuration, launch files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from crisp_ik_ros.errors import CrispIKError

PACKAGE = "crisp_ik"


def share_directory() -> Path:
    """Folder that holds ``models/``, ``config/`` and ``launch/``: the checkout, a ROS overlay's share, or pip's.

    Raises
    ------
    CrispIKError
        When none of the places has it.
    """
    candidates = [Path(__file__).resolve().parents[1]]
    prefixes = [prefix for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    candidates += [Path(prefix) / "share" / PACKAGE for prefix in (*prefixes, sys.prefix)]
    for candidate in candidates:
        if (candidate / "models").is_dir() and (candidate / "config").is_dir():
            return candidate
    places = ", ".join(str(candidate) for candidate in candidates)
    raise CrispIKError(f"the files that ship with {PACKAGE} were not found in {places}; reinstall the package")


def model_path(name: str) -> Path:
    """Path of a robot description or trained model that ships with the package."""
    return share_directory() / "models" / name


def config_path(name: str) -> Path:
    """Path of a configuration file that ships with the package."""
    return share_directory() / "config" / name
