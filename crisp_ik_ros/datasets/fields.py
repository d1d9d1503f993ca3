"""Contents of a dataset, as they come from a caller or a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.transforms import Array

# Kinds of samples: the full tool pose was measured, its position only, or nothing but that the tool was at one point.
POSE, POSITION, SAME_POINT = 0, 1, 2
# Optional fields of a sample's circumstances, beside what was measured.
CIRCUMSTANCES = ("payloads", "sessions", "markers", "temperatures", "approaches")


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


@dataclass(frozen=True, eq=False)
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
    payloads : (n,), optional
        Mass that the tool carried [kg]; NaN where not said.
    sessions : (n,) int64, optional
        Index into ``session_names``: one session is one mounting of measuring device and tool.
    session_names : tuple of str
    markers : (n,) int64, optional
        Index into ``marker_names``: the target on the tool that was measured.
    marker_names : tuple of str
    temperatures : (n,), optional
        [degrees C]; NaN where not said.
    approaches : (n, J), optional
        Direction from which each joint came to rest: 1 upward, -1 downward, 0 not known.
    notes : tuple of str
        Remarks of the reader, such as columns that it left out; no part of the data.
    """

    joint_names: tuple[str, ...]
    configurations: Array
    poses: Array
    kinds: NDArray[np.int8] | None = None
    groups: NDArray[np.int64] | None = None
    group_names: tuple[str, ...] = ()
    distances: tuple[Distance, ...] = ()
    noise: Array | None = None
    payloads: Array | None = None
    sessions: NDArray[np.int64] | None = None
    session_names: tuple[str, ...] = ()
    markers: NDArray[np.int64] | None = None
    marker_names: tuple[str, ...] = ()
    temperatures: Array | None = None
    approaches: Array | None = None
    notes: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether these are full poses and nothing else."""
        return self.kinds is None and self.groups is None and self.noise is None and not self.has_circumstances

    @property
    def has_circumstances(self) -> bool:
        """True where payload, session, marker, temperature or direction of approach is known of any sample."""
        return any(getattr(self, name) is not None for name in CIRCUMSTANCES)

    def taken(self, indices: NDArray[Any]) -> Fields:
        """Return the samples of these indices, with those distances of which both groups stay."""
        chosen = replace(
            self,
            configurations=self.configurations[indices],
            poses=self.poses[indices],
            kinds=None if self.kinds is None else self.kinds[indices],
            groups=None if self.groups is None else self.groups[indices],
            noise=None if self.noise is None else self.noise[indices],
            **{name: values[indices] for name in CIRCUMSTANCES if (values := getattr(self, name)) is not None},
        )
        points = chosen.points()
        return replace(chosen, distances=tuple(d for d in self.distances if {d.first, d.second} <= points))

    def points(self) -> set[str]:
        """Names of the groups that hold same-point samples."""
        if self.kinds is None or self.groups is None:
            return set()
        return {self.group_names[group] for group in np.unique(self.groups[self.kinds == SAME_POINT]) if group >= 0}


def numbers(name: str, values: ArrayLike) -> Array:
    """Values as contiguous float64; DatasetError where they are no numbers or no array."""
    try:
        array = np.asarray(values)
        if array.dtype.kind != "c":
            return np.asarray(array, dtype=float, order="C")
    except (ValueError, TypeError) as error:
        raise DatasetError(f"{name}: {error}, expected rows of as many numbers each") from error
    raise DatasetError(f"{name}: got complex numbers, expected real ones")


def indexed(names: Sequence[str] | None) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Index (n,) of each sample's name, and the names in the order of first use; nothing where there are none."""
    if names is None:
        return None, ()
    places: dict[str, int] = {}
    return np.array([places.setdefault(name, len(places)) for name in names], dtype=np.int64), tuple(places)


def joined(parts: Sequence[Fields]) -> Fields:
    """Samples of all parts, one after the other; their joints are those of the first.

    Groups, sessions and markers of one name are one.

    Raises
    ------
    DatasetError
        When the joints differ, or only some of the parts have sessions or markers.
    """
    first = parts[0]
    counts = [len(part.configurations) for part in parts]
    orders = [_order(part.joint_names, first.joint_names) for part in parts]
    groups, group_names = _stacked_names([(part.groups, part.group_names) for part in parts], counts)
    _require_all_or_none([part.sessions is None for part in parts], "session")
    _require_all_or_none([part.markers is None for part in parts], "marker")
    sessions, session_names = _stacked_names([(part.sessions, part.session_names) for part in parts], counts)
    markers, marker_names = _stacked_names([(part.markers, part.marker_names) for part in parts], counts)
    approaches = [
        None if part.approaches is None else part.approaches[:, order]
        for part, order in zip(parts, orders, strict=True)
    ]
    return Fields(
        first.joint_names,
        np.concatenate([part.configurations[:, order] for part, order in zip(parts, orders, strict=True)]),
        np.concatenate([part.poses for part in parts]),
        _stacked([part.kinds for part in parts], counts, POSE),
        groups,
        group_names,
        tuple(distance for part in parts for distance in part.distances),
        _stacked([part.noise for part in parts], counts, (np.nan, np.nan)),
        _stacked([part.payloads for part in parts], counts, np.nan),
        sessions,
        session_names,
        markers,
        marker_names,
        _stacked([part.temperatures for part in parts], counts, np.nan),
        _stacked(approaches, counts, np.zeros(len(first.joint_names))),
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


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
    approaches = None if fields.approaches is None else fields.approaches[:, order]
    return replace(
        fields,
        joint_names=tuple(joint_names),
        configurations=fields.configurations[:, order],
        approaches=approaches,
    )


def _order(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    if sorted(names) != sorted(wanted):
        raise DatasetError(f"cannot join samples of the joints {', '.join(names)} to those of {', '.join(wanted)}")
    return [names.index(name) for name in wanted]


def _stacked_names(
    parts: Sequence[tuple[NDArray[np.int64] | None, tuple[str, ...]]], counts: Sequence[int]
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Indices of all parts into the names of all parts, one after the other; -1 stays."""
    starts = np.cumsum([0, *(len(names) for _, names in parts)])
    moved = [
        None if indices is None else np.where(indices < 0, -1, indices + start)
        for (indices, _), start in zip(parts, starts[:-1], strict=True)
    ]
    return _stacked(moved, counts, -1), tuple(name for _, names in parts for name in names)


def _require_all_or_none(lacking: Sequence[bool], word: str) -> None:
    if any(lacking) and not all(lacking):
        raise DatasetError(
            f"cannot join samples with a {word} to samples without: part {lacking.index(True)} has none; expected one "
            f"for each sample, or none at all"
        )


def _stacked(parts: Sequence[NDArray[Any] | None], counts: Sequence[int], missing: ArrayLike) -> NDArray[Any] | None:
    known = [part for part in parts if part is not None]
    if not known:
        return None
    row = np.asarray(missing, dtype=known[0].dtype)
    filled = [np.broadcast_to(row, (count, *row.shape)) for count in counts]
    return np.concatenate([other if part is None else part for part, other in zip(parts, filled, strict=True)])
