"""Measured or simulated samples: configurations and what was measured of the tool there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crisp_ik_ros.datasets.archive import write_archive
from crisp_ik_ros.datasets.checks import checked
from crisp_ik_ros.datasets.csv import write_csv
from crisp_ik_ros.datasets.fields import (
    POSE,
    POSITION,
    SAME_POINT,
    Distance,
    Fields,
    indexed,
    joined,
)
from crisp_ik_ros.datasets.partial import position_fields, same_point_fields
from crisp_ik_ros.datasets.sharing import share
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.files import replacing
from crisp_ik_ros.robots.robot_model import RobotModel

__all__ = ["POSE", "POSITION", "SAME_POINT", "Dataset", "Distance"]


class Dataset:
    """Samples: a configuration each, and what was measured of the tool there.

    Three kinds can stand side by side: the full pose (``POSE``), the position only (``POSITION``), or no measurement
    but the knowledge that the tool was at one and the same point in all samples of a group (``SAME_POINT``). This makes
    one of full poses; ``from_positions`` and ``from_same_points`` make the others and ``concatenate`` mixes them.

    Parameters
    ----------
    configurations : (n, J)
        Joint positions [rad or m], in the order of ``joint_names``.
    poses : (n, 4, 4)
        Measured tool poses, tip in base frame [m].
    joint_names : sequence of str
    noise : (n, 2) or (2,), optional
        Standard deviation of the measured positions [m] and orientations [rad]; NaN where not known.
    payloads : (n,) or float, optional
        Mass that the tool carried [kg], 0 to 1000; NaN where not known.
    sessions : sequence of str, optional
        Name of each sample's session: one mounting of the measuring device and of the tool.
    markers : sequence of str, optional
        Name of the target on the tool that was measured, for each sample.
    temperatures : (n,) or float, optional
        [degrees C]; NaN where not known.
    approaches : (n, J), optional
        Direction from which each joint came to rest: 1 upward, -1 downward, 0 not known.

    Attributes
    ----------
    configurations, joint_names
        As given.
    poses : (n, 4, 4)
        Rotation is the identity where only the position was measured, and all of it for ``SAME_POINT``.
    kinds : (n,) int8
        ``POSE``, ``POSITION`` or ``SAME_POINT``.
    groups : (n,) int64
        Index into ``group_names``, -1 where none. A sample with a measurement can be in a group too, to say where it
        was taken.
    group_names : tuple of str
        In the order in which the samples have them first.
    distances : tuple of Distance
        Known distances between the points of same-point groups.
    noise : (n, 2) or None
        Standard deviations [m, rad], NaN where not known; None where nowhere known.
    payloads, temperatures : (n,) or None
        [kg] and [degrees C], NaN where not known; None where nowhere known.
    sessions, markers : (n,) int64 or None
        Indices into ``session_names`` and ``marker_names``; None where nowhere known.
    session_names, marker_names : tuple of str
        In the order in which the samples have them first.
    approaches : (n, J) or None
        -1, 0 or 1; None where nowhere known.
    notes : tuple of str
        Remarks of the reader: columns and files that it left out.
    only_poses : bool
        Whether all samples are of kind ``POSE``.

    Raises
    ------
    DatasetError
        When shapes do not fit, there is no sample, or a value is not finite; the first wrong row is named.
    """

    def __init__(
        self,
        configurations: ArrayLike,
        poses: ArrayLike,
        joint_names: Sequence[str],
        *,
        noise: ArrayLike | None = None,
        payloads: ArrayLike | None = None,
        sessions: Sequence[str] | None = None,
        markers: Sequence[str] | None = None,
        temperatures: ArrayLike | None = None,
        approaches: ArrayLike | None = None,
    ):
        fields = Fields(tuple(joint_names), configurations, poses, noise=noise)  # type: ignore[arg-type]
        self._take(_with(fields, payloads, sessions, markers, temperatures, approaches))

    @classmethod
    def from_fields(cls, fields: Fields) -> Dataset:
        """Return the dataset that holds these fields; DatasetError where they do not fit together."""
        dataset = cls.__new__(cls)
        dataset._take(fields)
        return dataset

    @classmethod
    def from_positions(
        cls,
        configurations: ArrayLike,
        positions: ArrayLike,
        joint_names: Sequence[str],
        *,
        noise: ArrayLike | None = None,
    ) -> Dataset:
        """Samples of which the tool's position was measured and its orientation was not.

        Parameters
        ----------
        configurations : (n, J)
            Joint positions [rad or m].
        positions : (n, 3)
            Of the tip in the base frame [m].
        joint_names : sequence of str
        noise : (n,) or float, optional
            Standard deviation of the positions [m].

        Raises
        ------
        DatasetError
            As for poses.
        """
        return cls.from_fields(position_fields(configurations, positions, joint_names, noise))

    @classmethod
    def from_same_points(
        cls,
        groups: Mapping[str, ArrayLike],
        joint_names: Sequence[str],
        *,
        distances: Sequence[Distance] = (),
        noise: ArrayLike | None = None,
    ) -> Dataset:
        """Samples of which it is known only that the tool was at one point, the same in all samples of a group.

        Parameters
        ----------
        groups : mapping of str to (k, J)
            Configurations [rad or m] of each group. What stands before the last "/" of its name is its location.
        joint_names : sequence of str
        distances : sequence of Distance
            Known distances between the points of two groups.
        noise : (n,) or float, optional
            Standard deviation of how exactly the tool is at the point [m], of all samples in the order of the groups.

        Raises
        ------
        DatasetError
            As for poses; it names the group.
        """
        return cls.from_fields(same_point_fields(groups, joint_names, distances, noise))

    @classmethod
    def concatenate(cls, datasets: Iterable[Dataset]) -> Dataset:
        """Samples of all datasets, one after the other, with the first one's order of joints.

        Groups of the same name become one group: the same point. So do sessions and markers.

        Raises
        ------
        DatasetError
            When there is no dataset, their joints are not the same, or only some of them have sessions or markers.
        """
        parts = [dataset._fields for dataset in datasets]
        if not parts:
            raise DatasetError("got no dataset to concatenate, expected at least one")
        return cls.from_fields(joined(parts))

    def _take(self, fields: Fields) -> None:
        self._fields = fields = checked(fields)
        self.joint_names = fields.joint_names
        self.configurations = fields.configurations
        self.poses = fields.poses
        self.group_names = fields.group_names
        self.distances = fields.distances
        self.noise = fields.noise
        self.payloads = fields.payloads
        self.sessions, self.session_names = fields.sessions, fields.session_names
        self.markers, self.marker_names = fields.markers, fields.marker_names
        self.temperatures = fields.temperatures
        self.approaches = fields.approaches
        self.notes = fields.notes
        self.only_poses = fields.kinds is None
        # What all samples share takes no memory a sample.
        count = len(fields.poses)
        self.kinds: NDArray[np.int8] = (
            np.broadcast_to(np.int8(POSE), (count,)) if fields.kinds is None else fields.kinds
        )
        self.groups: NDArray[np.int64] = (
            np.broadcast_to(np.int64(-1), (count,)) if fields.groups is None else fields.groups
        )

    @property
    def locations(self) -> tuple[str, ...]:
        """What stands before the last "/" of each sample's group, all of a name without one; "" without a group."""
        names = [*(name.rsplit("/", 1)[0] for name in self.group_names), ""]
        return tuple(names[group] for group in self.groups)

    def __len__(self) -> int:
        return len(self.configurations)

    def __repr__(self) -> str:
        held = f"{len(self)} samples"
        if not self.only_poses:
            held += f" ({', '.join(self._counts())})"
        return f"Dataset({held}, {', '.join(self.joint_names)})"

    def _counts(self) -> list[str]:
        labels = {POSE: "with poses", POSITION: "with positions", SAME_POINT: f"at {len(self._fields.points())} points"}
        counts = {kind: int(np.sum(self.kinds == kind)) for kind in labels}
        return [f"{count} {labels[kind]}" for kind, count in counts.items() if count]

    def require_poses(self, who: str) -> None:
        """Refuse samples that are not full poses, on behalf of ``who``, which cannot use them.

        Raises
        ------
        DatasetError
            When there are such samples.
        """
        if self.only_poses:
            return
        positions, points = (int(np.sum(self.kinds == kind)) for kind in (POSITION, SAME_POINT))
        found = [f"{positions} samples have only a position"] if positions else []
        found += [f"{points} samples only say that the tool was at the same point"] if points else []
        raise DatasetError(
            f"{who} needs full poses; {' and '.join(found)}, the first is row {np.flatnonzero(self.kinds)[0]}: use "
            "LearnedKinematics (crisp-ik train --estimator learned_kinematics)"
        )

    def with_circumstances(
        self,
        *,
        payloads: ArrayLike | None = None,
        sessions: Sequence[str] | None = None,
        markers: Sequence[str] | None = None,
        temperatures: ArrayLike | None = None,
        approaches: ArrayLike | None = None,
    ) -> Dataset:
        """Return the same samples with these circumstances; what is None stays as it is.

        Parameters
        ----------
        payloads, sessions, markers, temperatures, approaches
            As for the dataset itself, one for each sample.

        Raises
        ------
        DatasetError
            When one has another shape or a value that it cannot have; the first wrong sample is named.
        """
        return self.from_fields(_with(self._fields, payloads, sessions, markers, temperatures, approaches))

    def with_notes(self, notes: Iterable[str]) -> Dataset:
        """Return the same samples with these remarks added; nothing is copied or checked again."""
        result = copy(self)
        result._fields = replace(self._fields, notes=(*self.notes, *notes))
        result.notes = result._fields.notes
        return result

    def subset(self, indices: ArrayLike) -> Dataset:
        """Return the samples of these indices; a distance follows where both its groups do."""
        return self.from_fields(self._fields.taken(np.asarray(indices)))

    def split(self, fraction: float, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Split at random into two datasets, the first with ``fraction`` of the samples, neither empty.

        Each kind of samples is split by this fraction, and so is each group, session and marker, as near as whole
        samples allow; a kind with two samples or more is in both.

        Raises
        ------
        DatasetError
            When the fraction is not between 0 and 1 or there are fewer than two samples.
        """
        if not 0.0 < fraction < 1.0 or len(self) < 2:
            raise DatasetError(
                f"cannot split {len(self)} samples by {fraction}: expected 0 < fraction < 1 and 2 samples"
            )
        first, second = share(self._fields, fraction, seed)
        return self.subset(first), self.subset(second)

    def select_locations(self, names: Iterable[str]) -> Dataset:
        """Return the samples at these locations; DatasetError where one of them is not there."""
        return self.subset(np.flatnonzero(self._at(names)))

    def without_locations(self, names: Iterable[str]) -> Dataset:
        """Return all samples but those at these locations; DatasetError where one is not there or none remain."""
        return self.subset(np.flatnonzero(~self._at(names)))

    def _at(self, names: Iterable[str]) -> NDArray[np.bool_]:
        wanted = {names} if isinstance(names, str) else set(names)
        locations = np.array(self.locations)
        unknown = wanted - set(locations.tolist())
        if unknown:
            known = ", ".join(repr(name) for name in dict.fromkeys(locations.tolist()))
            raise DatasetError(f"no samples at {', '.join(map(repr, sorted(unknown)))}; the locations are {known}")
        return np.isin(locations, list(wanted))

    def save(self, path: str | Path) -> None:
        """Write to ``path``: .csv (columns as in ``read_csv``), else .npz. Equal datasets give equal bytes.

        Raises
        ------
        DatasetError
            When the file cannot be written; one that was there before still is.
        """
        path = Path(path)
        with replacing(path, DatasetError, "samples") as stream:
            (write_csv if path.suffix == ".csv" else write_archive)(stream, self._fields)

    @classmethod
    def load(
        cls,
        path: str | Path,
        memory_map: bool = False,
        joint_names: Sequence[str] | None = None,
        robot: RobotModel | None = None,
        limits: str = "refuse",
        **options: Any,
    ) -> Dataset:
        """Read samples from a file or folder: what it is, its name and contents tell.

        A .npz or .csv that ``save`` wrote or that has the columns of ``read_csv``; a rosbag2 recording (a folder, .mcap
        or .db3; ``read_rosbag``); or a folder of .csv files of which each is one point (``read_point_folder``).

        Parameters
        ----------
        path : str or Path
        memory_map : bool
            The large arrays of a .npz stay in the file: the system reads pages of them as they are used, and drops them
            again when memory is short. ``save`` writes such a file; one that is compressed cannot be mapped, and no
            other kind can. The file must not change while the dataset is in use.
        joint_names : sequence of str, optional
            The joints wanted, in this order. Needed for a folder of points, which does not say them.
        robot : RobotModel, optional
            Whose joints are wanted, and within whose limits all configurations are.
        limits : str
            "refuse" samples outside the limits of ``robot``, or "note" them in ``notes``.
        **options
            Further arguments of ``read_rosbag`` or ``read_point_folder``.

        Raises
        ------
        DatasetError
            When the file is missing, damaged, or holds something else, or a value is outside the joint limits; it names
            file and line or row.
        """
        # It imports this module.
        from crisp_ik_ros.datasets.loading import load_dataset

        return load_dataset(Path(path), memory_map, joint_names, robot, limits, **options)


def _with(
    fields: Fields,
    payloads: ArrayLike | None,
    sessions: Sequence[str] | None,
    markers: Sequence[str] | None,
    temperatures: ArrayLike | None,
    approaches: ArrayLike | None,
) -> Fields:
    """Fields with these circumstances; what is None stays as it is."""
    given: dict[str, Any] = {"payloads": payloads, "temperatures": temperatures, "approaches": approaches}
    given = {name: values for name, values in given.items() if values is not None}
    for word, names in (("session", sessions), ("marker", markers)):
        if names is not None:
            given[f"{word}s"], given[f"{word}_names"] = indexed(names)
    return replace(fields, **given)
