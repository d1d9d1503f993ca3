"""Where compiled functions are kept between runs."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numba

PREFIX = "compiled-"


def use_cache(package: Path) -> Path | None:
    """Keep compiled functions in a folder of their own for each state of the sources; return it.

    Numba looks only at the file that a function stands in: after a change to a function that it calls, in another file,
    it would run the old code. Folders of earlier states are removed. NUMBA_CACHE_DIR, where it is set, is left alone.
    To be called before the first compiled function is defined.

    Parameters
    ----------
    package : Path
        Folder of the sources.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return None
    state = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        status = path.stat()
        state.update(f"{path.relative_to(package)} {status.st_size} {status.st_mtime_ns}\n".encode())
    folder = _root(package) / f"{PREFIX}{state.hexdigest()[:16]}"
    if not folder.is_dir():
        for old in folder.parent.glob(f"{PREFIX}*"):
            shutil.rmtree(old, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    return folder


def _root(package: Path) -> Path:
    """Folder beside the sources, or, where those cannot be written to, one of the user's own."""
    beside = package / "__pycache__"
    try:
        beside.mkdir(exist_ok=True)
        if os.access(beside, os.W_OK):
            return beside
    except OSError:
        pass
    name = hashlib.sha256(str(package.resolve()).encode()).hexdigest()[:16]
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crisp_ik" / name
