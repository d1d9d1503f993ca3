"""Checks that the contents of a dataset fit together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crisp_ik_ros.datasets.fields import POSE, POSITION, SAME_POINT, Distance, Fields, numbers
from crisp_ik_ros.errors import CrispIKError, DatasetError, quoted
from crisp_ik_ros.transforms import Array, check_pose

# Samples checked at a time.
CHUNK = 65536
# No arm carries more [kg].
HEAVIEST_PAYLOAD = 1000.0
# Temperatures beyond these are no temperatures [degrees C].
COLDEST, HOTTEST = -273.15, 1000.0


def checked(fields: Fields) -> Fields:
    """Fields in the one form in which equal data are equal: types, order of the groups, identity where not measured.

    Raises
    ------
    DatasetError
        When shapes do not fit, there is no sample, or a value cannot be; the first wrong row is named.
    """
    names = tuple(fields.joint_names)
    if not all(isinstance(name, str) and name for name in names):
        raise DatasetError(f"joint_names: got {quoted(names)}, expected a word for each joint")
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
    sessions, session_names = _checked_labels("session", fields.sessions, fields.session_names, len(poses))
    markers, marker_names = _checked_labels("marker", fields.markers, fields.marker_names, len(poses))
    result = Fields(
        names,
        configurations,
        poses,
        kinds,
        groups,
        group_names,
        (),
        _checked_noise(fields.noise, kinds, len(poses)),
        _checked_column("payloads", fields.payloads, len(poses), 0.0, HEAVIEST_PAYLOAD, "kg"),
        sessions,
        session_names,
        markers,
        marker_names,
        _checked_column("temperatures", fields.temperatures, len(poses), COLDEST, HOTTEST, "degrees C"),
        _checked_approaches(fields.approaches, configurations.shape),
        tuple(fields.notes),
    )
    lost = _rows_without_anything(result)
    if len(lost):
        raise DatasetError(f"sample {lost[0]} has neither a measurement nor a group, expected one of them")
    return replace(result, distances=_checked_distances(fields.distances, result.points()))


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
    if not np.any(groups >= 0):
        return None, ()
    return _renumbered("group", groups, names)


def _checked_labels(
    word: str, indices: ArrayLike | None, names: Sequence[str], count: int
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Sessions or markers (n,) and their names, each once and in the order of first use; every sample has one."""
    if indices is None:
        return None, ()
    indices = np.asarray(indices)
    if indices.shape != (count,) or indices.dtype.kind not in "iu":
        raise DatasetError(f"{word}s: got shape {indices.shape} of {indices.dtype}, expected ({count},) of integers")
    wrong = np.flatnonzero((indices < 0) | (indices >= len(names)))
    if len(wrong):
        raise DatasetError(
            f"sample {wrong[0]} has the {word} {indices[wrong[0]]}, expected 0 to {len(names) - 1}: "
            f"there are {len(names)} names, and every sample has one"
        )
    return _renumbered(word, indices, names)


def _renumbered(
    word: str, indices: NDArray[np.integer], names: Sequence[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Indices (n,), -1 where none, into names of which each is used and none stands twice."""
    used, first = np.unique(indices[indices >= 0], return_index=True)
    order = used[np.argsort(first)]
    numbers: dict[str, int] = {}
    # The last entry serves the samples without a name, whose index is -1.
    renumbered = np.full(len(names) + 1, -1, dtype=np.int64)
    for index in order.tolist():
        renumbered[index] = numbers.setdefault(_checked_name(word, names[index]), len(numbers))
    return renumbered[indices], tuple(numbers)


def _checked_name(word: str, name: str) -> str:
    if not isinstance(name, str) or not name.strip() or name != name.strip() or not name.isprintable():
        raise DatasetError(f"{word} name {name!r}: expected printable text that neither begins nor ends with a blank")
    if set(name) & set(',"'):
        raise DatasetError(f"{word} name {name!r}: expected no commas and no quotation marks")
    return name


def _checked_column(
    name: str, values: ArrayLike | None, count: int, least: float, most: float, unit: str
) -> Array | None:
    """Numbers (n,) in a range, NaN where not said; None where nowhere said."""
    if values is None:
        return None
    values = numbers(name, values)
    if values.shape not in ((), (count,)):
        raise DatasetError(f"{name}: got shape {values.shape}, expected ({count},) or one number [{unit}]")
    values = np.broadcast_to(values, (count,)).copy()
    wrong = np.flatnonzero((values < least) | (values > most))
    if len(wrong):
        raise DatasetError(
            f"{name}: sample {wrong[0]} has {values[wrong[0]]:g}, expected {least:g} to {most:g} [{unit}], or NaN "
            "where not known"
        )
    return None if np.isnan(values).all() else values


def _checked_approaches(approaches: ArrayLike | None, shape: tuple[int, ...]) -> Array | None:
    """Directions of approach (n, J), each -1, 0 or 1; None where none is known."""
    if approaches is None:
        return None
    # Adding zero makes -0 the 0 that it equals.
    approaches = numbers("approaches", approaches) + 0.0
    if approaches.shape != shape:
        raise DatasetError(f"approaches: got shape {approaches.shape}, expected {shape}, one for each joint")
    wrong = np.argwhere(~np.isin(approaches, (-1.0, 0.0, 1.0)))
    if len(wrong):
        row, joint = wrong[0]
        raise DatasetError(
            f"approaches: sample {row}, joint {joint} has {approaches[row, joint]:g}, expected 1 (it came to rest "
            "moving upward), -1 (downward) or 0 (not known)"
        )
    return approaches if approaches.any() else None


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
