"""Where compiled functions are kept between runs."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numba

from crisp_ik_ros.errors import CrispIKError

PREFIX = "compiled-"


def use_cache(package: Path) -> Path | None:
    """Keep compiled functions in a folder of their own for each state of the sources; return it.

    Numba looks only at the file that a function stands in: after a change to a function that it calls, in another file,
    it would run the old code. Folders of earlier states are removed. NUMBA_CACHE_DIR, where it is set, is left alone.
    Where nothing can be kept, the folder is one of this process alone, with a copy of what was compiled before, and a
    warning is given. To be called before the first compiled function is defined.

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
    name = f"{PREFIX}{state.hexdigest()[:16]}"
    folder = _kept(package, name) or _passing(package, name)
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    return folder


def _kept(package: Path, name: str) -> Path | None:
    """Folder beside the sources, or, where those cannot be written to, one of the user's own, or none."""
    for root in _roots(package):
        folder = root / name
        try:
            new = not folder.is_dir()
            folder.mkdir(parents=True, exist_ok=True)
            # Rights do not tell of a file system that is read-only.
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError:
            continue
        if new:
            for old in root.glob(f"{PREFIX}*"):
                if old != folder:
                    shutil.rmtree(old, ignore_errors=True)
        return folder
    return None


def _roots(package: Path) -> Iterator[Path]:
    yield package / "__pycache__"
    name = hashlib.sha256(str(package.resolve()).encode()).hexdigest()[:16]
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        yield (Path(home) if home else Path.home() / ".cache") / "crisp_ik" / name
    except RuntimeError:
        # A user without a home folder.
        return


def _passing(package: Path, name: str) -> Path:
    """Folder that goes with the process. Nobody else may write to it: what is in it is run."""
    for place in (None, "/dev/shm"):
        try:
            root = Path(tempfile.mkdtemp(prefix="crisp_ik_", dir=place))
        except OSError:
            continue
        atexit.register(shutil.rmtree, root, ignore_errors=True)
        folder = root / name
        compiled = package / "__pycache__" / name
        if compiled.is_dir():
            shutil.copytree(compiled, folder)
        else:
            folder.mkdir()
        # For the processes that this one starts, too.
        os.environ["NUMBA_CACHE_DIR"] = str(folder)
        places = " or ".join(map(str, _roots(package)))
        warnings.warn(
            f"compiled functions cannot be kept in {places}: what is compiled now is compiled again at the next start, "
            "which takes about a minute; NUMBA_CACHE_DIR can name another folder",
            RuntimeWarning,
            stacklevel=3,
        )
        return folder
    raise CrispIKError("no folder can be written for compiled functions; NUMBA_CACHE_DIR or TMPDIR can name one")
