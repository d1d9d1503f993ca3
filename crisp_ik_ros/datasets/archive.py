"""Samples as an .npz archive, of which the large arrays can stay in the file."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.fields import Distance, Fields
from crisp_ik_ros.datasets.memory_map import map_array
from crisp_ik_ros.errors import DatasetError

# Full poses alone, and everything else.
PLAIN_VERSION, VERSION = 1, 2
OPTIONAL = ("kinds", "groups", "group_names", "noise", "distance_groups", "distance_values")
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
    zipfile.BadZipFile,
    zlib.error,
)


def write_archive(path: Path, fields: Fields) -> None:
    """Write fields to an archive; equal fields give equal bytes, and full poses alone those of version 1."""
    arrays = {
        "version": np.array(PLAIN_VERSION if fields.plain else VERSION),
        "joint_names": np.array(fields.joint_names),
        "configurations": fields.configurations,
        "poses": fields.poses,
    }
    if fields.kinds is not None:
        arrays["kinds"] = fields.kinds
    if fields.groups is not None:
        arrays |= {"groups": fields.groups, "group_names": np.array(fields.group_names)}
    if fields.noise is not None:
        arrays["noise"] = fields.noise
    if fields.distances:
        index = fields.group_names.index
        arrays["distance_groups"] = np.array([(index(d.first), index(d.second)) for d in fields.distances])
        arrays["distance_values"] = np.array([(d.length, d.sd) for d in fields.distances])
    with path.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def read_archive(path: Path, memory_map: bool = False) -> Fields:
    """Read what ``write_archive`` wrote; with ``memory_map`` configurations and poses stay in the file.

    Raises
    ------
    DatasetError
        When the file is damaged or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DatasetError(f"{path} is one array and no dataset")
            missing = {"version", "joint_names", "configurations", "poses"} - set(archive.files)
            if missing:
                raise DatasetError(f"{path} is no dataset: it lacks {', '.join(sorted(missing))}")
            version = int(archive["version"])
            if version not in (PLAIN_VERSION, VERSION):
                raise DatasetError(f"{path} has format version {version}, expected {PLAIN_VERSION} or {VERSION}")
            names = tuple(str(name) for name in archive["joint_names"])
            if memory_map:
                configurations, poses = map_array(path, "configurations"), map_array(path, "poses")
            else:
                configurations, poses = archive["configurations"], archive["poses"]
            if version == PLAIN_VERSION:
                return Fields(names, configurations, poses)
            held = {name: archive[name] for name in archive.files if name in OPTIONAL}
    except UNREADABLE as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path} cannot be read as a dataset: {error}") from error
    group_names = tuple(map(str, held["group_names"].ravel())) if "group_names" in held else ()
    return Fields(
        names,
        configurations,
        poses,
        held.get("kinds"),
        held.get("groups"),
        group_names,
        _distances(path, held, group_names),
        held.get("noise"),
    )


def _distances(path: Path, held: dict[str, Any], group_names: tuple[str, ...]) -> tuple[Distance, ...]:
    if "distance_groups" not in held:
        return ()
    pairs, values = held["distance_groups"], held.get("distance_values", np.empty(0))
    if pairs.shape != values.shape or pairs.shape[1:] != (2,) or pairs.dtype.kind != "i" or values.dtype.kind != "f":
        raise DatasetError(
            f"{path}: distances of groups {pairs.shape} with values {values.shape}, expected (d, 2) both"
        )
    if pairs.size and not 0 <= pairs.min() <= pairs.max() < len(group_names):
        raise DatasetError(f"{path}: a distance is of group {pairs.max()}, expected 0 to {len(group_names) - 1}")
    return tuple(
        Distance(group_names[first], group_names[second], float(length), float(sd))
        for (first, second), (length, sd) in zip(pairs, values, strict=True)
    )
