"""Archives of arrays (.npz) from anywhere: what they claim is checked before anything is allocated for it."""

from __future__ import annotations

import contextlib
import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.files import open_file, readable, shortened
from crisp_ik_ros.memory import check_memory

# What NumPy, zipfile and zlib raise on archives that are damaged or made to harm.
UNREADABLE = (
    ValueError,
    TypeError,
    OSError,
    KeyError,
    EOFError,
    OverflowError,
    MemoryError,
    RuntimeError,
    NotImplementedError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
# More entries, or a larger directory of them [bytes], no archive of ours has.
MOST_ENTRIES, LARGEST_DIRECTORY = 64, 1 << 20
# An archive may unpack to this size [bytes], or to so many times its own.
UNPACKED_FREELY, UNPACKED_RATIO = 1 << 26, 16
# An array's own header [bytes]; NumPy's limit too.
LARGEST_ARRAY_HEADER = 10_000
# Arrays are looked through so many bytes at a time.
CHUNK = 1 << 20
MAGIC = b"\x93NUMPY"


class Claim(NamedTuple):
    """What an array's header claims, once the file is known to hold as many bytes.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
        Never of objects, which would be a pickle.
    fortran : bool
        Whether it is stored column by column.
    begin : int
        Where its numbers begin in the entry [bytes].
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    begin: int


@contextlib.contextmanager
def open_archive(path: Path, largest: int, error: type[CrispIKError], what: str) -> Iterator[Archive]:
    """Open an archive for reading.

    Parameters
    ----------
    path : Path
    largest : int
        Bytes that the file may have, and unpack to.
    error : type
        What is raised of everything that is wrong with it, within the block too.
    what : str
        What the file is to be, for the messages.

    Raises
    ------
    CrispIKError
        Of the type ``error``.
    """
    with open_file(path, largest, error, what) as stream:
        try:
            yield Archive(stream, path, largest, error)
        except UNREADABLE as reason:
            if isinstance(reason, error):
                raise
            said = shortened(f"{type(reason).__name__}: {reason}", 500)
            raise error(f"{path} is damaged or no {what}: {said}") from reason


class Archive:
    """Arrays of an .npz file by name, none of which is taken at its word.

    Parameters
    ----------
    stream : BinaryIO
        The file.
    path : Path
        Its name, for the errors.
    largest : int
        Bytes that it may unpack to.
    error : type
        What is raised.

    Attributes
    ----------
    names : tuple of str
        Of the arrays.
    """

    def __init__(self, stream: BinaryIO, path: Path, largest: int, error: type[CrispIKError]):
        self.path = path
        self._error = error
        self._stream = stream
        self._size = stream.seek(0, io.SEEK_END)
        sparing = _Sparing(stream)
        self._zip = zipfile.ZipFile(sparing)  # type: ignore[arg-type]
        sparing.longest = None
        self._entries = self._checked_entries(largest)
        self.names = tuple(self._entries)

    def require(self, names: Any, what: str) -> None:
        """Refuse an archive that lacks one of these arrays, and so is no ``what``."""
        missing = set(names) - set(self.names)
        if missing:
            raise self._error(f"{self.path} is no {what}: it lacks {', '.join(sorted(missing))}")

    def compressed(self, name: str) -> bool:
        """Whether an array is."""
        return self._entries[name].compress_type != zipfile.ZIP_STORED

    def offset(self, name: str) -> int:
        """Where the header of an array's entry begins in the file [bytes]."""
        return self._entries[name].header_offset

    def bytes_at(self, offset: int, size: int) -> bytes:
        """So many bytes of the file."""
        self._stream.seek(offset)
        return self._stream.read(size)

    def claim(self, name: str) -> Claim:
        """What an array says it is; refused where the file holds another number of bytes."""
        entry = self._entries[name]
        with self._zip.open(entry) as stream:
            head = stream.read(len(MAGIC) + 2)
            version = head[len(MAGIC) :]
            if not head.startswith(MAGIC) or version not in (b"\x01\x00", b"\x02\x00"):
                raise self._error(f"{self.path}: field {name!r} is no array (it begins with {head!r})")
            width = 2 * version[0]
            head += stream.read(width)
            length = int.from_bytes(head[-width:], "little")
            if length > LARGEST_ARRAY_HEADER:
                raise self._error(f"{self.path}: field {name!r} has a header of {readable(length)}, no array's")
            head += stream.read(length)
        content = io.BytesIO(head)
        np.lib.format.read_magic(content)  # type: ignore[arg-type]
        read = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(content)  # type: ignore[arg-type]
        if dtype.hasobject or dtype.fields is not None or dtype.subdtype is not None:
            raise self._error(f"{self.path}: field {name!r} holds {dtype}; plain numbers or text are expected")
        plain = all(isinstance(length, int) and not isinstance(length, bool) and length >= 0 for length in shape)
        if not plain or entry.file_size != len(head) + dtype.itemsize * math.prod(shape):
            claimed = shortened(str(shape), 80)
            raise self._error(f"{self.path}: field {name!r} claims shape {claimed} but has {entry.file_size} bytes")
        return Claim(tuple(shape), dtype, bool(fortran), len(head))

    def check_finite(self, name: str, largest: float = math.inf) -> None:
        """Refuse an array of float64 with a value that is not finite, or above ``largest``, without holding it."""
        claim, entry = self.claim(name), self._entries[name]
        with self._zip.open(entry) as stream:
            stream.read(claim.begin)
            while part := stream.read(CHUNK):
                values = np.frombuffer(part, dtype=claim.dtype)
                if not np.isfinite(values).all():
                    raise self._error(f"{self.path}: field {name!r} holds values that are not finite")
                if np.abs(values).max() > largest:
                    raise self._error(f"{self.path}: field {name!r} holds {np.abs(values).max():g}, above {largest:g}")

    def read(self, name: str) -> Any:
        """Array of this name, once it is known to be what it claims."""
        self.claim(name)
        with self._zip.open(self._entries[name]) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)

    def check_memory(self, names: Any, remedy: str) -> None:
        """Refuse arrays that do not fit into memory together."""
        size = sum(self._entries[name].file_size for name in names)
        check_memory(size, self._error, f"{self.path}, unpacked,", remedy)

    def _checked_entries(self, largest: int) -> dict[str, zipfile.ZipInfo]:
        entries = self._zip.infolist()
        if len(entries) > MOST_ENTRIES:
            raise self._error(f"{self.path} has {len(entries)} entries, expected at most {MOST_ENTRIES}")
        found: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            label = repr(shortened(entry.filename, 80))
            name = entry.filename.removesuffix(".npy")
            if name == entry.filename or set(name) & set("/\\\0") or not name.isprintable():
                raise self._error(f"{self.path} has an entry {label}; arrays, NAME.npy, are expected and no folders")
            if name in found:
                raise self._error(f"{self.path} has two entries {label}, expected one")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
                raise self._error(f"{self.path}: entry {label} is encrypted or packed in a way that is not read")
            stored = entry.compress_type == zipfile.ZIP_STORED
            if entry.compress_size + entry.header_offset > self._size or (
                stored and entry.compress_size != entry.file_size
            ):
                raise self._error(f"{self.path}: entry {label} claims more bytes than the file has")
            found[name] = entry
        if sum(entry.compress_size for entry in entries) > self._size:
            raise self._error(f"{self.path}: the entries overlap")
        unpacked = sum(entry.file_size for entry in entries)
        most = min(largest, UNPACKED_FREELY + UNPACKED_RATIO * self._size)
        if unpacked > most:
            raise self._error(
                f"{self.path} has {readable(self._size)} and would unpack to {readable(unpacked)}, "
                f"expected at most {readable(most)}"
            )
        return found


class _Sparing:
    """File of which no more than ``longest`` bytes are read at once: zipfile reads a directory of any size in one."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self.longest: int | None = LARGEST_DIRECTORY

    def read(self, size: int = -1) -> bytes:
        if self.longest is None:
            return self._stream.read(size)
        if size > self.longest:
            raise zipfile.BadZipFile(f"its directory has {size} bytes")
        content = self._stream.read(self.longest + 1 if size is None or size < 0 else size)
        if len(content) > self.longest:
            raise zipfile.BadZipFile(f"its directory has more than {self.longest} bytes")
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True
