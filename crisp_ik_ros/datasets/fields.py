"""What a dataset holds, as it comes from a caller or a file, and the check that it fits together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crisp_ik_ros.errors import CrispIKError, DatasetError
from crisp_ik_ros.transforms import Array, check_pose

# Kinds of samples: the full tool pose was measured, its position only, or nothing but that the tool was at one point.
POSE, POSITION, SAME_POINT = 0, 1, 2
# Samples checked at a time.
CHUNK = 65536


class Distance(NamedTuple):
    """Known distance between the points of two same-point groups.

    Attributes
    ----------
    first, second : str
        Names of the groups.
    length : float
        [m].
    sd : float
        Standard deviation of ``length`` [m].
    """

    first: str
    second: str
    length: float
    sd: float = 1e-4


@dataclass(frozen=True)
class Fields:
    """Everything that a dataset holds.

    Attributes
    ----------
    joint_names : tuple of str
    configurations : (n, J)
        [rad or m].
    poses : (n, 4, 4)
        Tip in base frame [m]; what was not measured is the identity.
    kinds : (n,) int8, optional
        POSE, POSITION or SAME_POINT; None: all POSE.
    groups : (n,) int64, optional
        Index into ``group_names``, -1 where none; None: no sample is in a group.
    group_names : tuple of str
        In the order in which the samples have them first.
    distances : tuple of Distance
    noise : (n, 2), optional
        Standard deviation of position [m] and orientation [rad]; NaN where not known, None: nowhere known.
    """

    joint_names: tuple[str, ...]
    configurations: Array
    poses: Array
    kinds: NDArray[np.int8] | None = None
    groups: NDArray[np.int64] | None = None
    group_names: tuple[str, ...] = ()
    distances: tuple[Distance, ...] = ()
    noise: Array | None = None

    @property
    def plain(self) -> bool:
        """Whether these are full poses and nothing else."""
        return self.kinds is None and self.groups is None and self.noise is None

    def taken(self, indices: NDArray[Any]) -> Fields:
        """Return the samples of these indices, with those distances of which both groups stay."""
        chosen = replace(
            self,
            configurations=self.configurations[indices],
            poses=self.poses[indices],
            kinds=None if self.kinds is None else self.kinds[indices],
            groups=None if self.groups is None else self.groups[indices],
            noise=None if self.noise is None else self.noise[indices],
        )
        points = chosen.points()
        return replace(chosen, distances=tuple(d for d in self.distances if {d.first, d.second} <= points))

    def points(self) -> set[str]:
        """Names of the groups that hold same-point samples."""
        if self.kinds is None or self.groups is None:
            return set()
        return {self.group_names[group] for group in np.unique(self.groups[self.kinds == SAME_POINT]) if group >= 0}


def checked(fields: Fields) -> Fields:
    """Fields in the one form in which equal data are equal: types, order of the groups, identity where not measured.

    Raises
    ------
    DatasetError
        When shapes do not fit, there is no sample, or a value cannot be; the first wrong row is named.
    """
    names = tuple(fields.joint_names)
    if len(set(names)) != len(names):
        raise DatasetError(f"joint_names: got {', '.join(names)}, expected each name once")
    configurations = numbers("configurations", fields.configurations)
    if configurations.ndim != 2 or configurations.shape[1] != len(names):
        raise DatasetError(
            f"configurations: got shape {configurations.shape}, expected (n, {len(names)}) for {', '.join(names)}"
        )
    poses = numbers("poses", fields.poses)
    if poses.ndim != 3 or poses.shape[1:] != (4, 4):
        raise DatasetError(
            f"poses: got shape {poses.shape}, expected (n, 4, 4), homogeneous matrices; where only positions were "
            "measured use Dataset.from_positions"
        )
    if len(configurations) == 0 or len(configurations) != len(poses):
        raise DatasetError(
            f"got {len(configurations)} configurations and {len(poses)} poses, expected as many of each, at least one"
        )
    _check_values(configurations, poses)
    kinds = _checked_kinds(fields.kinds, len(poses))
    if kinds is not None:
        poses = _without_unmeasured(poses, kinds)
    groups, group_names = _checked_groups(fields.groups, fields.group_names, len(poses))
    result = Fields(
        names, configurations, poses, kinds, groups, group_names, (), _checked_noise(fields.noise, kinds, len(poses))
    )
    lost = _rows_without_anything(result)
    if len(lost):
        raise DatasetError(f"sample {lost[0]} has neither a measurement nor a group, expected one of them")
    return replace(result, distances=_checked_distances(fields.distances, result.points()))


def joined(parts: Sequence[Fields]) -> Fields:
    """Samples of all parts, one after the other; their joints are those of the first. Groups of one name are one."""
    first = parts[0]
    counts = [len(part.configurations) for part in parts]
    names = [name for part in parts for name in part.group_names]
    starts = np.cumsum([0, *(len(part.group_names) for part in parts)])
    return Fields(
        first.joint_names,
        np.concatenate([part.configurations[:, _order(part.joint_names, first.joint_names)] for part in parts]),
        np.concatenate([part.poses for part in parts]),
        _stacked([part.kinds for part in parts], counts, POSE),
        _stacked(
            [None if part.groups is None else np.where(part.groups < 0, -1, part.groups + start)
             for part, start in zip(parts, starts[:-1], strict=True)],
            counts, -1,
        ),
        tuple(names),
        tuple(distance for part in parts for distance in part.distances),
        _stacked([part.noise for part in parts], counts, (np.nan, np.nan)),
    )  # fmt: skip


def with_joints(fields: Fields, joint_names: Sequence[str]) -> Fields:
    """Return the samples with these joints alone, in this order.

    Raises
    ------
    DatasetError
        When one of them is not there.
    """
    missing = [name for name in joint_names if name not in fields.joint_names]
    if missing:
        raise DatasetError(f"the data's joints are {', '.join(fields.joint_names)}; {', '.join(missing)} is not there")
    if tuple(joint_names) == fields.joint_names:
        return fields
    order = [fields.joint_names.index(name) for name in joint_names]
    return replace(fields, joint_names=tuple(joint_names), configurations=fields.configurations[:, order])


def _order(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    if sorted(names) != sorted(wanted):
        raise DatasetError(f"cannot join samples of the joints {', '.join(names)} to those of {', '.join(wanted)}")
    return [names.index(name) for name in wanted]


def _stacked(parts: Sequence[NDArray[Any] | None], counts: Sequence[int], missing: ArrayLike) -> NDArray[Any] | None:
    known = [part for part in parts if part is not None]
    if not known:
        return None
    return np.concatenate(
        [
            np.broadcast_to(np.asarray(missing, dtype=known[0].dtype), (count, *known[0].shape[1:]))
            if part is None
            else part
            for part, count in zip(parts, counts, strict=True)
        ]
    )


def numbers(name: str, values: ArrayLike) -> Array:
    """Values as contiguous float64; DatasetError where they are no numbers or no array."""
    try:
        return np.asarray(values, dtype=float, order="C")
    except (ValueError, TypeError) as error:
        raise DatasetError(f"{name}: {error}, expected rows of as many numbers each") from error


def _check_values(configurations: Array, poses: Array) -> None:
    """Look at every value once, a chunk at a time: both arrays may be mapped from a file larger than memory."""
    wrong, first = 0, -1
    for start in range(0, len(poses), CHUNK):
        rows = slice(start, start + CHUNK)
        finite = np.isfinite(configurations[rows]).all(axis=1) & np.isfinite(poses[rows].reshape(-1, 16)).all(axis=1)
        if first < 0 and not finite.all():
            first = start + int(np.flatnonzero(~finite)[0])
        wrong += int(np.sum(~finite))
    if wrong:
        raise DatasetError(f"{wrong} rows hold values that are not finite, the first is row {first}")
    try:
        for start in range(0, len(poses), CHUNK):
            check_pose(poses[start : start + CHUNK], "poses")
    except CrispIKError as error:
        raise DatasetError(str(error)) from error


def _checked_kinds(kinds: ArrayLike | None, count: int) -> NDArray[np.int8] | None:
    """Kinds (n,), or None where all are POSE."""
    if kinds is None:
        return None
    kinds = np.asarray(kinds)
    if kinds.shape != (count,) or kinds.dtype.kind not in "iu":
        raise DatasetError(f"kinds: got shape {kinds.shape} of {kinds.dtype}, expected ({count},) of integers")
    wrong = np.flatnonzero((kinds < POSE) | (kinds > SAME_POINT))
    if len(wrong):
        raise DatasetError(
            f"sample {wrong[0]} is of kind {kinds[wrong[0]]}, expected {POSE} (pose), {POSITION} (position) or "
            f"{SAME_POINT} (same point)"
        )
    return kinds.astype(np.int8) if np.any(kinds != POSE) else None


def _without_unmeasured(poses: Array, kinds: NDArray[np.int8]) -> Array:
    poses = poses.copy()
    poses[kinds == POSITION, :3, :3] = np.eye(3)
    poses[kinds == SAME_POINT] = np.eye(4)
    return poses


def _checked_groups(
    groups: ArrayLike | None, names: Sequence[str], count: int
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Groups (n,) and their names, each once and in the order of first use; None where no sample is in a group."""
    if groups is None:
        return None, ()
    groups = np.asarray(groups)
    if groups.shape != (count,) or groups.dtype.kind not in "iu":
        raise DatasetError(f"groups: got shape {groups.shape} of {groups.dtype}, expected ({count},) of integers")
    wrong = np.flatnonzero((groups < -1) | (groups >= len(names)))
    if len(wrong):
        raise DatasetError(
            f"sample {wrong[0]} is in group {groups[wrong[0]]}, expected -1 (none) to {len(names) - 1}: "
            f"there are {len(names)} names"
        )
    used, first = np.unique(groups[groups >= 0], return_index=True)
    if not len(used):
        return None, ()
    ordered = [_checked_name(names[index]) for index in used[np.argsort(first)]]
    unique = tuple(dict.fromkeys(ordered))
    # The last entry serves those without a group, whose index is -1.
    renumbered = np.full(len(names) + 1, -1, dtype=np.int64)
    for index, name in zip(used[np.argsort(first)], ordered, strict=True):
        renumbered[index] = unique.index(name)
    return renumbered[groups], unique


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or not name.strip() or name != name.strip() or not name.isprintable():
        raise DatasetError(f"group name {name!r}: expected printable text that neither begins nor ends with a blank")
    if set(name) & set(',"'):
        raise DatasetError(f"group name {name!r}: expected no commas and no quotation marks")
    return name


def _checked_noise(noise: ArrayLike | None, kinds: NDArray[np.int8] | None, count: int) -> Array | None:
    """Noise (n, 2), NaN where nothing was measured; None where it is known nowhere."""
    if noise is None:
        return None
    noise = numbers("noise", noise)
    if noise.shape not in ((2,), (count, 2)):
        raise DatasetError(f"noise: got shape {noise.shape}, expected ({count}, 2) or (2,), metres and radians")
    noise = np.broadcast_to(noise, (count, 2)).copy()
    wrong = np.flatnonzero(np.any((noise < 0.0) | np.isinf(noise), axis=1))
    if len(wrong):
        raise DatasetError(
            f"noise: sample {wrong[0]} has {noise[wrong[0]].tolist()}, expected standard deviations [m, rad], or NaN "
            "where not known"
        )
    if kinds is not None:
        noise[kinds != POSE, 1] = np.nan
    return None if np.isnan(noise).all() else noise


def _rows_without_anything(fields: Fields) -> NDArray[np.int64]:
    if fields.kinds is None:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero((fields.kinds == SAME_POINT) & (True if fields.groups is None else fields.groups < 0))


def _checked_distances(distances: Iterable[Distance], points: set[str]) -> tuple[Distance, ...]:
    """Distances, each once, between groups of same-point samples."""
    result: list[Distance] = []
    for entry in distances:
        try:
            first, second, length, sd = Distance(*entry)
            distance = Distance(str(first), str(second), float(length), float(sd))
        except (TypeError, ValueError) as error:
            raise DatasetError(f"distance {entry!r}: expected two groups, length and its deviation [m]") from error
        unknown = [name for name in distance[:2] if name not in points]
        if unknown:
            raise DatasetError(
                f"distance {', '.join(map(str, distance))}: there are no same-point samples of {' and '.join(unknown)}"
            )
        if distance.first == distance.second:
            raise DatasetError(f"distance of {distance.first} to itself: expected two groups")
        if not (0.0 < distance.length < np.inf and 0.0 < distance.sd < np.inf):
            raise DatasetError(
                f"distance {distance.first} to {distance.second}: got length {distance.length} and deviation "
                f"{distance.sd}, expected both above 0 [m]"
            )
        if distance not in result:
            result.append(distance)
    return tuple(result)
