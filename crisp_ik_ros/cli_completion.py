"""What a shell is told that completes ``crisp-ik``: files of a kind, and robots. Nothing slow is imported here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.resources import config_path

Completion = Callable[[str], "list[str]"]


def files(*suffixes: str) -> Completion:
    """Return what completes paths: files with one of these suffixes, and folders on the way to them."""

    def complete(incomplete: str) -> list[str]:
        found = _matching(incomplete, suffixes)
        # A folder alone is no answer, and the shell would put a space behind it: what is in it comes too.
        if len(found) == 1 and found[0].endswith("/"):
            found += _matching(found[0], suffixes)
        return found

    return complete


def robots(incomplete: str) -> list[str]:
    """Robots that ship with the package, and the paths of others."""
    names = [name for name in robot_names() if name.startswith(incomplete)]
    return names + files(".urdf", ".yaml")(incomplete)


def robot_names() -> list[str]:
    """List the names of the catalog, from its files: reading them would take a second."""
    try:
        return sorted(path.stem for path in config_path("robots").glob("*.yaml")) or ["panda", "planar5"]
    except CrispIKError:
        return []


def models_or(*words: str) -> Completion:
    """Return what completes these words, and the paths of model files."""
    complete_files = files(".npz")
    return lambda incomplete: [word for word in words if word.startswith(incomplete)] + complete_files(incomplete)


def _matching(incomplete: str, suffixes: tuple[str, ...]) -> list[str]:
    # Shells expand the home folder themselves.
    if incomplete.startswith("~"):
        return []
    folder, _, begin = incomplete.rpartition("/")
    where = Path(f"{folder}/" if incomplete.startswith("/") or folder else ".")
    prefix = incomplete[: len(incomplete) - len(begin)]
    try:
        entries = sorted(where.iterdir())
    except OSError:
        return []
    return [
        f"{prefix}{entry.name}{'/' * entry.is_dir()}"
        for entry in entries
        if entry.name.startswith(begin)
        and (begin or not entry.name.startswith("."))
        and (entry.is_dir() or entry.suffix in suffixes)
    ]
