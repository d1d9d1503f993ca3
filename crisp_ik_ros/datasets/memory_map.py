"""Arrays of an uncompressed .npz archive as views of the file."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.transforms import Array

# Fixed part of the header before each member of a zip archive, with the lengths of name and extra field at its end.
LOCAL_HEADER, LENGTHS = 30, slice(26, 30)


def map_array(path: Path, name: str) -> Array:
    """Array of this name in a .npz file, mapped read-only; its numbers need not be aligned in memory.

    ``numpy.load`` maps .npy files only. A member of a zip archive that is stored as it is can be mapped too, from where
    its bytes begin.

    Raises
    ------
    DatasetError
        When it is compressed, not in C order, of another type than float64, or the file is shorter than it claims.
    """
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"{name}.npy")
        if info.compress_type != zipfile.ZIP_STORED:
            raise DatasetError(f"{path}: field {name!r} is compressed and cannot be mapped; load it and save it again")
        with archive.open(info) as member:
            version = np.lib.format.read_magic(member)  # type: ignore[arg-type]
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(member)  # type: ignore[arg-type]
            inner = member.tell()
    if fortran or dtype != np.dtype("<f8"):
        raise DatasetError(f"{path}: field {name!r} is not float64 in C order and cannot be mapped; load and save it")
    with path.open("rb") as stream:
        stream.seek(info.header_offset)
        header = stream.read(LOCAL_HEADER)
    lengths = np.frombuffer(header[LENGTHS], dtype="<u2")
    offset = info.header_offset + LOCAL_HEADER + int(lengths.sum()) + inner
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
