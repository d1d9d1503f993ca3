"""Measured or simulated samples: configurations and the tool poses that were measured there."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.datasets.csv import read_csv, write_csv
from crisp_ik_ros.datasets.memory_map import map_array
from crisp_ik_ros.errors import CrispIKError, DatasetError
from crisp_ik_ros.transforms import check_pose

FORMAT_VERSION = 1
# Samples checked at a time.
CHUNK = 65536
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
    zipfile.BadZipFile,
    zlib.error,
)


class Dataset:
    """Pairs of a configuration and the pose measured at it.

    Parameters
    ----------
    configurations : (n, J)
        Joint positions [rad or m], in the order of ``joint_names``.
    poses : (n, 4, 4)
        Measured tool poses, tip in base frame [m].
    joint_names : sequence of str

    Raises
    ------
    DatasetError
        When shapes do not fit, there is no sample, or a value is not finite; the first wrong row is named.
    """

    def __init__(self, configurations: ArrayLike, poses: ArrayLike, joint_names: Sequence[str]):
        self.joint_names = tuple(joint_names)
        if len(set(self.joint_names)) != len(self.joint_names):
            raise DatasetError(f"joint_names: got {', '.join(self.joint_names)}, expected each name once")
        self.configurations = np.ascontiguousarray(configurations, dtype=float)
        if self.configurations.ndim != 2 or self.configurations.shape[1] != len(self.joint_names):
            raise DatasetError(
                f"configurations: got shape {self.configurations.shape}, expected (n, {len(self.joint_names)}) "
                f"for {', '.join(self.joint_names)}"
            )
        poses = np.ascontiguousarray(poses, dtype=float)
        if poses.ndim != 3 or poses.shape[1:] != (4, 4):
            raise DatasetError(f"poses: got shape {poses.shape}, expected (n, 4, 4), homogeneous matrices")
        if len(self.configurations) == 0 or len(self.configurations) != len(poses):
            raise DatasetError(
                f"got {len(self.configurations)} configurations and {len(poses)} poses, expected as many of each, "
                "at least one"
            )
        self.poses = poses
        self._check_values()

    def __len__(self) -> int:
        return len(self.configurations)

    def __repr__(self) -> str:
        return f"Dataset({len(self)} samples, {', '.join(self.joint_names)})"

    def _check_values(self) -> None:
        """Look at every value once, a chunk at a time: both arrays may be mapped from a file larger than memory."""
        wrong, first = 0, -1
        for start in range(0, len(self), CHUNK):
            poses = self.poses[start : start + CHUNK].reshape(-1, 16)
            finite = np.isfinite(self.configurations[start : start + CHUNK]).all(axis=1) & np.isfinite(poses).all(1)
            if first < 0 and not finite.all():
                first = start + int(np.flatnonzero(~finite)[0])
            wrong += int(np.sum(~finite))
        if wrong:
            raise DatasetError(f"{wrong} rows hold values that are not finite, the first is row {first}")
        try:
            for start in range(0, len(self), CHUNK):
                check_pose(self.poses[start : start + CHUNK], "poses")
        except CrispIKError as error:
            raise DatasetError(str(error)) from error

    def subset(self, indices: ArrayLike) -> Dataset:
        """Return the samples of these indices."""
        indices = np.asarray(indices)
        return Dataset(self.configurations[indices], self.poses[indices], self.joint_names)

    def split(self, fraction: float, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Split at random into two datasets, the first with ``fraction`` of the samples, neither empty.

        Raises
        ------
        DatasetError
            When the fraction is not between 0 and 1 or there are fewer than two samples.
        """
        if not 0.0 < fraction < 1.0 or len(self) < 2:
            raise DatasetError(
                f"cannot split {len(self)} samples by {fraction}: expected 0 < fraction < 1 and 2 samples"
            )
        order = np.random.default_rng(seed).permutation(len(self))
        cut = min(max(round(fraction * len(self)), 1), len(self) - 1)
        return self.subset(np.sort(order[:cut])), self.subset(np.sort(order[cut:]))

    def save(self, path: str | Path) -> None:
        """Write to ``path``: .csv (columns as in ``read_csv``), else .npz. Equal datasets give equal bytes."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        try:
            if path.suffix == ".csv":
                write_csv(temporary, self.joint_names, self.configurations, self.poses)
            else:
                arrays = {
                    "version": np.array(FORMAT_VERSION),
                    "joint_names": np.array(self.joint_names),
                    "configurations": self.configurations,
                    "poses": self.poses,
                }
                with temporary.open("wb") as stream:
                    np.savez(stream, **arrays)  # type: ignore[arg-type]
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | Path, memory_map: bool = False) -> Dataset:
        """Read a .npz written by ``save``, or a .csv.

        With ``memory_map`` the arrays of a .npz stay in the file: the system reads pages of them as they are used, and
        drops them again when memory is short. ``save`` writes such a file; one that is compressed, and a .csv, cannot
        be mapped. The file must not change while the dataset is in use.

        Raises
        ------
        DatasetError
            When the file is missing, damaged, or holds something else.
        """
        path = Path(path)
        if not path.is_file():
            raise DatasetError(f"no data file at {path}")
        if path.suffix == ".csv":
            if memory_map:
                raise DatasetError(f"{path} is text and cannot be mapped into memory; load it and save it as .npz")
            joint_names, configurations, poses = read_csv(path)
            return cls(configurations, poses, joint_names)
        try:
            with np.load(path, allow_pickle=False) as archive:
                missing = {"version", "joint_names", "configurations", "poses"} - set(archive.files)
                if missing:
                    raise DatasetError(f"{path} is no dataset: it lacks {', '.join(sorted(missing))}")
                if int(archive["version"]) != FORMAT_VERSION:
                    raise DatasetError(f"{path} has format version {archive['version']}, expected {FORMAT_VERSION}")
                names = [str(name) for name in archive["joint_names"]]
                if memory_map:
                    return cls(map_array(path, "configurations"), map_array(path, "poses"), names)
                return cls(archive["configurations"], archive["poses"], names)
        except UNREADABLE as error:
            if isinstance(error, DatasetError):
                raise
            raise DatasetError(f"{path} cannot be read as a dataset: {error}") from error
