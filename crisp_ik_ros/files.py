"""Files as they are opened and replaced: nothing that blocks or never ends is read, nothing half-written is left."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from crisp_ik_ros.errors import CrispIKError

# What is to be written may take so many times the estimate, and this much more [bytes].
SPACE_FACTOR, SPACE_MARGIN = 1.2, 1 << 20
# Of a long file name, so much stands in that of its temporary file: a name has 255 bytes at most.
KEPT_OF_NAME = 50
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def open_file(path: Path, largest: int, error: type[CrispIKError], what: str = "file") -> BinaryIO:
    """Open a regular file for reading.

    Parameters
    ----------
    path : Path
    largest : int
        Bytes that it may have.
    error : type
        What is raised.
    what : str
        What it is to be, for the message.

    Raises
    ------
    CrispIKError
        Of the type ``error``: when it cannot be opened, is larger, or is a folder, a pipe, a device or a socket. A pipe
        would have to be waited for, and a device might have no end.
    """
    try:
        _require_regular(os.stat(path))
        # It may have become something else meanwhile: a pipe must not block.
        with contextlib.ExitStack() as stack:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
            stream = stack.enter_context(os.fdopen(descriptor, "rb"))
            status = os.fstat(descriptor)
            _require_regular(status)
            if status.st_size <= largest:
                stack.pop_all()
                return stream
    except (OSError, ValueError) as reason:
        raise error(f"{shortened(str(path))} cannot be read: {_words(reason)}; expected a {what}") from reason
    raise error(f"{path} has {readable(status.st_size)}, expected a {what} of at most {readable(largest)}")


def read_file(path: Path, largest: int, error: type[CrispIKError], what: str = "file") -> bytes:
    """Bytes of a regular file of at most ``largest``; raises as ``open_file`` does."""
    with open_file(path, largest, error, what) as stream:
        try:
            # A file that grows while it is read is cut off here.
            content = stream.read(largest + 1)
        except OSError as reason:
            raise error(f"{path} cannot be read: {_words(reason)}") from reason
    if len(content) > largest:
        raise error(f"{path} has more than {readable(largest)}, expected a {what} of at most as many")
    return content


@contextlib.contextmanager
def replacing(path: Path, error: type[CrispIKError], what: str = "file") -> Iterator[BinaryIO]:
    """Write a file that appears only when it is complete and on the disk; one that is there stays until then.

    Whatever goes wrong meanwhile, an interruption too, leaves the old file and nothing else. A process that is killed
    leaves the old file and a temporary one, ``.NAME.PROCESS.tmp`` beside it, which the next one to write that file
    removes.

    Yields
    ------
    BinaryIO
        What to write to.

    Raises
    ------
    CrispIKError
        Of the type ``error``, when the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            # Of a device or a pipe, a file would take the place.
            _require_regular(path.stat())
        _remove_leftovers(path)
        temporary, stream = _temporary(path)
        try:
            with stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        _to_disk(path.parent)
    except OSError as reason:
        raise error(f"cannot write the {what} to {path}: {_words(reason)}") from reason


def check_writable(path: Path, size: int, error: type[CrispIKError], what: str = "file") -> None:
    """Refuse, before any work, a file that could not be written later; nothing is written or made.

    Parameters
    ----------
    path : Path
    size : int
        Bytes that it may come to have, about.
    error : type
        What is raised.
    what : str
        What the file is, for the message.

    Raises
    ------
    CrispIKError
        Of the type ``error``: when the path is no regular file, its folder cannot be written to or made, or the disk
        lacks the space.
    """
    try:
        if path.exists():
            _require_regular(path.stat())
        folder = path.absolute().parent
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{folder} is no folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"the folder {folder} cannot be written to")
        free = shutil.disk_usage(folder).free
    except OSError as reason:
        raise error(f"cannot write the {what} to {path}: {_words(reason)}") from reason
    needed = int(SPACE_FACTOR * size) + SPACE_MARGIN
    if free < needed:
        raise error(
            f"cannot write the {what} to {path}: it takes up to {readable(needed)}, and {readable(free)} are free "
            "there; free some, or write it elsewhere"
        )


def readable(size: float) -> str:
    """Return a number of bytes in words."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{int(size)} bytes"


def shortened(text: str, longest: int = 200) -> str:
    """Text that fits into a message: of a longer one its beginning, and how long it is."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(stat.S_IFMT(status.st_mode), 'no regular file')}")


def _words(reason: BaseException) -> str:
    text = getattr(reason, "strerror", None)
    return str(text) if text else str(reason)


def _temporary(path: Path) -> tuple[Path, BinaryIO]:
    """Make a file beside ``path`` that is locked, so that nobody takes it for a leftover."""
    number = 0
    while True:
        temporary = path.with_name(f"{_prefix(path)}{os.getpid()}{f'-{number}' if number else ''}.tmp")
        number += 1
        try:
            stream = temporary.open("xb")
        except FileExistsError:
            # Of another thread, or of a process of this number elsewhere.
            continue
        try:
            _lock(stream)
            # Between the two lines above it may have been taken for one and removed.
            if os.fstat(stream.fileno()).st_nlink:
                return temporary, stream
        except BaseException:
            temporary.unlink(missing_ok=True)
            stream.close()
            raise
        stream.close()


def _remove_leftovers(path: Path) -> None:
    """Remove temporary files of processes that were killed: those that nobody holds the lock of."""
    with os.scandir(path.parent) as entries:
        names = [e.name for e in entries if e.name.startswith(_prefix(path)) and e.name.endswith(".tmp")]
    for name in names:
        leftover = path.with_name(name)
        # It may be somebody else's, or gone by now.
        with contextlib.suppress(OSError):
            descriptor = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as stream:
                if stat.S_ISREG(os.fstat(descriptor).st_mode) and _lock(stream, wait=False):
                    leftover.unlink()


def _prefix(path: Path) -> str:
    return f".{path.name[:KEPT_OF_NAME]}."


def _lock(stream: BinaryIO, wait: bool = True) -> bool:
    """Lock a file until it is closed; false where another process has it, or the file system knows no locks."""
    import fcntl

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _to_disk(folder: Path) -> None:
    """Have the names in a folder written too: else a power cut could bring the old file back, or none."""
    # Some file systems cannot.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
