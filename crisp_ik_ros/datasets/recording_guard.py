"""What is looked at in a recording before it is read, and how far it may unpack: recordings may come from anywhere."""

from __future__ import annotations

import contextlib
import io
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from lz4.frame import LZ4FrameDecompressor

from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.files import open_file, read_file, readable, shortened

METADATA = "metadata.yaml"
# Bytes of the description of a recording, and of its messages.
LARGEST_METADATA, LARGEST_STORAGE = 1 << 20, 1 << 44
# A recording may unpack to this size [bytes], or to so many times its own.
UNPACKED_FREELY, UNPACKED_RATIO = 1 << 28, 32

_lock = threading.Lock()


def check_recording(folder: Path | None, files: list[Path]) -> int:
    """Look a recording through before it is read.

    Parameters
    ----------
    folder : Path or None
        Whose metadata.yaml describes it, where there is one.
    files : list of Path
        With its messages.

    Returns
    -------
    int
        Bytes that it may unpack to.

    Raises
    ------
    DatasetError
        When a file is no regular one, the metadata has references, which could stand for far more than they take, or
        a database has tables that compute what they hold.
    """
    if folder is not None:
        content = read_file(folder / METADATA, LARGEST_METADATA, DatasetError, "recording's metadata")
        try:
            for event in yaml.parse(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                if isinstance(event, yaml.AliasEvent):
                    raise DatasetError(f"{METADATA} has references (*{event.anchor}), which no recorder writes")
        except (yaml.YAMLError, RecursionError) as error:
            raise DatasetError(f"{METADATA} is no YAML: {type(error).__name__}") from error
    size = 0
    for file in files:
        with open_file(file, LARGEST_STORAGE, DatasetError, "recording") as stream:
            size += stream.seek(0, io.SEEK_END)
        if file.suffix == ".db3":
            _check_database(file)
    return UNPACKED_FREELY + UNPACKED_RATIO * size


def _check_database(file: Path) -> None:
    """Refuse tables that are no plain ones: they could compute anything, without end."""
    try:
        with contextlib.closing(sqlite3.connect(f"{file.resolve().as_uri()}?immutable=1", uri=True)) as database:
            for kind, name, text in database.execute("SELECT type, name, sql FROM sqlite_master"):
                virtual = str(text).upper().split()[1:2] == ["VIRTUAL"]
                if kind not in ("table", "index") or virtual:
                    raise DatasetError(f"{file.name} has a {'virtual table' if virtual else kind} {shortened(name)!r}")
            for table in ("messages", "topics"):
                for column in database.execute(f"PRAGMA table_xinfo({table})"):
                    if column[-1]:
                        raise DatasetError(f"{file.name}: a column of {table}, {shortened(column[1])!r}, is computed")
    except (sqlite3.Error, UnicodeDecodeError):
        # What is no database says so when it is read.
        return


@contextlib.contextmanager
def bounded_unpacking(most: int, reader: Any, mcap: Any) -> Iterator[None]:
    """Let rosbags unpack no more than ``most`` bytes within the block.

    It unpacks chunks, messages and whole files however large they become, and has no setting for that; so its functions
    are replaced by ones that count, while one recording is read at a time.

    Parameters
    ----------
    most : int
    reader, mcap : module
        ``rosbags.rosbag2.reader`` and ``storage_mcap``.
    """
    zstd = mcap.zstd
    left = most

    def counted(content: bytes) -> bytes:
        nonlocal left
        left -= len(content)
        if left < 0:
            raise DatasetError(f"it unpacks to more than {readable(most)}")
        return content

    def unpacked(data: bytes, make: Any) -> bytes:
        parts, rest = [], data
        while rest:
            # Several frames may follow each other.
            unpacker = make()
            parts.append(counted(unpacker.decompress(rest, max_length=left + 1)))
            if not unpacker.eof:
                raise DatasetError(f"it unpacks to more than {readable(most)}, or its end is missing")
            rest = unpacker.unused_data or b""
        return b"".join(parts)

    def opened(file: Any, mode: str) -> Any:
        stream = zstd.open(file, mode)
        return contextlib.closing(SimpleNamespace(read=lambda size=-1: counted(stream.read(size)), close=stream.close))

    replaced = {
        "": lambda data, _: counted(data),
        "zstd": lambda data, _: unpacked(data, zstd.ZstdDecompressor),
        "lz4": lambda data, _: unpacked(data, LZ4FrameDecompressor),
    }
    with _lock:
        before, module = dict(mcap.DECOMPRESSORS), reader.zstd
        try:
            mcap.DECOMPRESSORS.update(replaced)
            reader.zstd = SimpleNamespace(decompress=lambda data: unpacked(data, zstd.ZstdDecompressor), open=opened)
            yield
        finally:
            mcap.DECOMPRESSORS.update(before)
            reader.zstd = module
