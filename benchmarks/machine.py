"""What the numbers were measured on, without anything that names the machine or its owner."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

from crisp_ik_ros.estimators.batch import cores

LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "pybullet")


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory, system, Python, libraries, and how busy it all was at the start."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = platform.system()
    kernel = re.match(r"[\d.]*", platform.release())[0]  # what follows may say whose machine it is
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "cores this process may use": cores(),
        "memory_gib": round(_memory() / 2**30, 1),
        "system": f"{system}, {platform.system()} {kernel}, {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: version_of(name) for name in LIBRARIES},
        "load_average_at_start": round(os.getloadavg()[0], 2),
    }


def version_of(distribution: str) -> str | None:
    """Version of an installed distribution; None where there is none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _field(path: str, name: str) -> str:
    """Value of the first line "name : value" of a file; empty where there is none."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")
