"""Install with pip, without ROS. A build with colcon does not read this file."""

import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent


def version() -> str:
    """Read the version from package.xml, the one place that has it."""
    found = re.search(r"<version>(.+?)</version>", (ROOT / "package.xml").read_text(encoding="utf-8"))
    if found is None:
        raise RuntimeError("package.xml has no <version>")
    return found.group(1)


def share_files() -> list[tuple[str, list[str]]]:
    """List the files that belong in share/crisp_ik, each under its own folder."""
    folders: dict[str, list[str]] = {}
    for name in ("config", "launch", "models"):
        for file in sorted((ROOT / name).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                relative = file.relative_to(ROOT)
                folders.setdefault(f"share/crisp_ik/{relative.parent.as_posix()}", []).append(relative.as_posix())
    return sorted(folders.items())


setup(version=version(), data_files=share_files())
