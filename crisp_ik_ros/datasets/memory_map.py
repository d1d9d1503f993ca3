"""Arrays of an uncompressed .npz archive as views of the file."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.archives import Archive
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.transforms import Array

# Fixed part of the header before each member of a zip archive, with the lengths of name and extra field at its end.
LOCAL_HEADER, LENGTHS = 30, slice(26, 30)


def map_array(archive: Archive, name: str) -> Array:
    """Array of this name in an archive, mapped read-only; its numbers need not be aligned in memory.

    ``numpy.load`` maps .npy files only. A member of a zip archive that is stored as it is can be mapped too, from where
    its bytes begin.

    Raises
    ------
    DatasetError
        When it is compressed, not in C order, of another type than float64, or the file is shorter than it claims.
    """
    path = archive.path
    if archive.compressed(name):
        raise DatasetError(f"{path}: field {name!r} is compressed and cannot be mapped; load it and save it again")
    shape, dtype, fortran, inner = archive.claim(name)
    if fortran or dtype != np.dtype("<f8"):
        raise DatasetError(f"{path}: field {name!r} is not float64 in C order and cannot be mapped; load and save it")
    header = archive.bytes_at(archive.offset(name), LOCAL_HEADER)
    lengths = np.frombuffer(header[LENGTHS], dtype="<u2")
    offset = archive.offset(name) + LOCAL_HEADER + int(lengths.sum()) + inner
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
