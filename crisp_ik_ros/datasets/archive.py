"""Samples as an .npz archive, of which the large arrays can stay in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from crisp_ik_ros.archives import Archive, open_archive
from crisp_ik_ros.datasets.fields import CIRCUMSTANCES, Distance, Fields
from crisp_ik_ros.datasets.memory_map import map_array
from crisp_ik_ros.errors import DatasetError

# Full poses alone; also other kinds, groups and noise; also the samples' circumstances.
PLAIN_VERSION, MIXED_VERSION, VERSION = 1, 2, 3
NAMES = ("group_names", "session_names", "marker_names")
OPTIONAL = ("kinds", "groups", "group_names", "noise", "distance_groups", "distance_values")
# Earlier versions of this package would overlook these.
SINCE_VERSION = (*CIRCUMSTANCES, "session_names", "marker_names")
# More samples than anyone has: 16 TiB of file.
LARGEST = 1 << 44
# Joints and groups, and letters of their names, beyond those of any robot.
MOST_JOINTS, MOST_GROUPS, LONGEST_NAME = 1000, 1_000_000, 1000
# Kinds of types that numbers have in NumPy.
NUMBERS = "fiub"
REMEDY = "map it into memory (--memory-map, memory_map=True), or use fewer samples"


def write_archive(stream: BinaryIO, fields: Fields) -> None:
    """Write fields as an archive of the oldest version that holds them; equal fields give equal bytes."""
    version = PLAIN_VERSION if fields.plain else VERSION if fields.has_circumstances else MIXED_VERSION
    arrays = {
        "version": np.array(version),
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
    for name in CIRCUMSTANCES:
        if getattr(fields, name) is not None:
            arrays[name] = getattr(fields, name)
    for name in ("session_names", "marker_names"):
        if getattr(fields, name):
            arrays[name] = np.array(getattr(fields, name))
    np.savez(stream, **arrays)  # type: ignore[arg-type]


def read_archive(path: Path, memory_map: bool = False) -> Fields:
    """Read what ``write_archive`` wrote; with ``memory_map`` configurations and poses stay in the file.

    Raises
    ------
    DatasetError
        When the file is damaged or holds something else.
    """
    with open_archive(path, LARGEST, DatasetError, "dataset") as archive:
        archive.require(("version", "joint_names", "configurations", "poses"), "dataset")
        if archive.claim("version").shape != ():
            raise DatasetError(f"{path} cannot be read as a dataset: field 'version' is no single number")
        version = int(archive.read("version"))
        if not PLAIN_VERSION <= version <= VERSION:
            raise DatasetError(f"{path} has format version {version}, expected {PLAIN_VERSION} to {VERSION}")
        names = _names(archive, "joint_names", MOST_JOINTS)
        known = {PLAIN_VERSION: (), MIXED_VERSION: OPTIONAL, VERSION: OPTIONAL + SINCE_VERSION}[version]
        optional = [name for name in known if name in archive.names]
        for name in ("configurations", "poses", *optional):
            kind = archive.claim(name).dtype
            if kind.kind not in NUMBERS and name not in (*NAMES, "distance_values"):
                raise DatasetError(f"{path}: field {name!r} holds {kind}, expected numbers")
        if memory_map:
            configurations, poses = map_array(archive, "configurations"), map_array(archive, "poses")
            archive.check_memory(optional, "split it")
        else:
            archive.check_memory(["configurations", "poses", *optional], REMEDY)
            configurations, poses = archive.read("configurations"), archive.read("poses")
        if version == PLAIN_VERSION:
            return Fields(names, configurations, poses)
        words = {name: _names(archive, name, MOST_GROUPS) if name in optional else () for name in NAMES}
        held = {name: archive.read(name) for name in optional if name not in NAMES}
    content: dict[str, Any] = {name: values for name, values in held.items() if not name.startswith("distance_")}
    content |= words
    return Fields(names, configurations, poses, distances=_distances(path, held, words["group_names"]), **content)


def _names(archive: Archive, name: str, most: int) -> tuple[str, ...]:
    """Names of joints or groups, once their number and length are known to be possible."""
    shape, dtype = archive.claim(name)[:2]
    count, letters = int(np.prod(shape, dtype=float)), dtype.itemsize // 4
    if dtype.kind != "U" or len(shape) != 1 or count > most or (count and letters > LONGEST_NAME):
        raise DatasetError(
            f"{archive.path}: field {name!r} holds {dtype} of shape {shape}, expected a row of at most "
            f"{most} names of at most {LONGEST_NAME} letters"
        )
    return tuple(map(str, archive.read(name).ravel()))


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
