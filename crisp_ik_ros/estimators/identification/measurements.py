"""Measurements as the identification compares them with a robot: residuals, and how they move with the tool."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import POSE, SAME_POINT, Dataset
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.samples import ConfigurationRows
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, rotation_logarithm

# Degrees of freedom of the Student distribution that residuals are taken to have: a gross error counts little.
TAIL = 4.0
# A real arm may have been where its URDF does not let it, but not in degrees [rad or m].
LIMIT_SLACK = 1.0
# Joints that moved by less stood still [rad or m].
STILL = 1e-3


@dataclass(frozen=True)
class Measurements:
    """Samples of a dataset in a robot's joint order.

    Attributes
    ----------
    configurations : (n, J)
    kinds : (n,)
        POSE, POSITION or SAME_POINT.
    positions, rotations : (n, 3), (n, 3, 3)
        Measured, where the kind says so.
    groups : (n,)
        Group of each sample of the kind SAME_POINT, counted from 0; -1 for the others.
    names : tuple of str
        Of the groups.
    pairs : (k, 2)
        Groups whose points are a known distance apart; ``lengths`` and ``tolerances`` (k,) say how far [m].
    noise : (n, 2)
        Standard deviation of position and orientation, to a factor that is fitted [m, rad].
    stated : bool
        Whether the noise is the data's, and not the priors'.
    frame_of, tool_of : (n,), optional
        Number of the measuring frame and of the marker that each sample was measured in and of. Default: one for all.
    frame_names, tool_names : tuple of str
        Sessions, and sessions with their markers.
    payloads : (n,), optional
        Mass at the tip [kg]; where the data does not state it, that of most other samples.
    load_of : (n,), optional
        Number of the unknown load that a sample was measured with, -1 where its mass is stated. Default: all are.
    load_names : tuple of str
        Sessions of the unknown loads: what does not state its mass within a session is one load.
    approaches : (n, J), optional
        Direction from which each joint came to rest: -1, 1, or 0 where that is not known.
    """

    configurations: Array
    kinds: np.ndarray
    positions: Array
    rotations: Array
    groups: np.ndarray
    names: tuple[str, ...]
    pairs: np.ndarray
    lengths: Array
    tolerances: Array
    noise: Array
    stated: bool
    frame_of: np.ndarray | None = None
    tool_of: np.ndarray | None = None
    frame_names: tuple[str, ...] = ("",)
    tool_names: tuple[str, ...] = ("",)
    payloads: Array | None = None
    approaches: Array | None = None
    load_of: np.ndarray | None = None
    load_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.configurations)

    def subset(self, keep: np.ndarray) -> Measurements:
        """Return the samples where ``keep`` (n,) is true; groups and distances keep their numbers."""
        left = np.unique(self.groups[keep])
        both = np.isin(self.pairs, left).all(axis=1)
        part: dict[str, Any] = {
            name: None if (values := getattr(self, name)) is None else values[keep]
            for name in (
                "configurations", "kinds", "positions", "rotations", "groups", "noise", "frame_of", "tool_of",
                "payloads", "approaches", "load_of",
            )
        }  # fmt: skip
        return replace(
            self, **part, pairs=self.pairs[both], lengths=self.lengths[both], tolerances=self.tolerances[both]
        )


def at_rows(poses: Array, which: np.ndarray | None) -> Array:
    """Pose of each sample (n, 4, 4) among poses (k, 4, 4); one pose (4, 4) where it is the same for all."""
    if which is not None:
        return poses[which] if poses.ndim == 3 else poses
    return poses if poses.ndim == 2 else poses[0]


def first_pose(poses: Array) -> Array:
    """The first of poses (k, 4, 4), or the only one (4, 4)."""
    return poses if poses.ndim == 2 else poses[0]


def read_measurements(
    robot: RobotModel,
    dataset: Dataset,
    priors: Priors,
    unknown: tuple[bool, bool] = (False, False),
    noise: tuple[float | None, float | None] = (None, None),
) -> Measurements:
    """Samples of a dataset as the identification takes them.

    Parameters
    ----------
    unknown : (bool, bool)
        Whether measuring frame and tool are: then each session has its own, and each of its markers.
    noise : (float or None, float or None)
        Standard deviations of the device's positions and orientations where the data does not say them [m, rad].

    Raises
    ------
    DatasetError
        When the joints are not the robot's, a configuration lies outside its limits, or a group has one sample only and
        so says nothing.
    """
    configurations = ConfigurationRows(robot, dataset, LIMIT_SLACK)[:]
    kinds = np.asarray(dataset.kinds)
    same = kinds == SAME_POINT
    numbers, groups = np.unique(dataset.groups[same], return_inverse=True)
    members = np.full(len(dataset), -1)
    members[same] = groups
    names = tuple(dataset.group_names[i] for i in numbers)
    few = [names[i] for i in np.flatnonzero(np.bincount(groups, minlength=len(numbers)) < 2)]
    if few:
        raise DatasetError(
            f"group {few[0]!r} has one sample only; a point must be touched in at least 2 configurations"
        )
    place = {name: i for i, name in enumerate(names)}
    known = [d for d in dataset.distances if d.first in place and d.second in place]
    known_noise = [priors.position_noise, priors.orientation_noise]
    default = np.array([own or other for own, other in zip(noise, known_noise, strict=True)])
    deviations, stated = np.tile(default, (len(dataset), 1)), noise[0] is not None
    if dataset.noise is not None:
        said = np.isfinite(dataset.noise) & (dataset.noise > 0.0)
        deviations[said] = dataset.noise[said]
        stated = stated or bool(said[:, 0].all())
    payloads, loads = dataset.payloads, _unknown_loads(dataset)
    if payloads is not None and np.isnan(payloads).any():
        # What a sample does not say is, until it is fitted, what most of the others do.
        masses = payloads[~np.isnan(payloads)]
        payloads = np.where(np.isnan(payloads), usual_payload(masses) if len(masses) else 0.0, payloads)
    approaches = dataset.approaches
    if approaches is not None:
        approaches = approaches[:, [dataset.joint_names.index(name) for name in robot.joint_names]]
    return Measurements(
        configurations, kinds, np.ascontiguousarray(dataset.poses[:, :3, 3]),
        np.ascontiguousarray(dataset.poses[:, :3, :3]), members, names,
        np.array([(place[d.first], place[d.second]) for d in known], dtype=int).reshape(-1, 2),
        np.array([d.length for d in known]), np.array([d.sd for d in known]), deviations, stated,
        *_mountings(dataset, *unknown), payloads, approaches, *loads,
    )  # fmt: skip


def _unknown_loads(dataset: Dataset) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Number of each sample's unknown load, -1 where its mass is stated, and the sessions of the unknown loads."""
    if dataset.payloads is None or not np.isnan(dataset.payloads).any():
        return None, ()
    unknown = np.isnan(dataset.payloads)
    sessions = np.zeros(len(dataset), dtype=int) if dataset.sessions is None else np.asarray(dataset.sessions)
    numbers, members = np.unique(sessions[unknown], return_inverse=True)
    load_of = np.full(len(dataset), -1)
    load_of[unknown] = members.ravel()
    names = dataset.session_names or ("",)
    return load_of, tuple(names[number] for number in numbers)


def _mountings(
    dataset: Dataset, unknown_frame: bool, unknown_tool: bool
) -> tuple[np.ndarray | None, np.ndarray | None, tuple[str, ...], tuple[str, ...]]:
    """Number of each sample's measuring frame and of its marker, None where there is one, and their names."""
    count = len(dataset)
    sessions = np.zeros(count, dtype=int) if dataset.sessions is None else np.asarray(dataset.sessions)
    markers = np.zeros(count, dtype=int) if dataset.markers is None else np.asarray(dataset.markers)
    session_names, marker_names = dataset.session_names or ("",), dataset.marker_names or ("",)
    pairs, which = np.unique(np.column_stack([sessions, markers]), axis=0, return_inverse=True)
    tool_names = tuple("/".join(filter(None, (session_names[s], marker_names[m]))) for s, m in pairs)
    frames = unknown_frame and len(session_names) > 1
    tools = unknown_tool and len(pairs) > 1
    return (
        sessions if frames else None,
        which.ravel() if tools else None,
        session_names if frames else ("",),
        tool_names if tools else ("",),
    )


def usual_payload(payloads: Array) -> float:
    """Mass that most samples (n,) were measured with [kg]."""
    values, counts = np.unique(payloads, return_counts=True)
    return float(values[np.argmax(counts)])


def residuals(data: Measurements, poses: Array, frame: Array, tool: Array) -> tuple[Array, Array]:
    """Measured minus predicted: positions (n, 3) [m] and rotation vectors (n, 3) [rad], in the measuring frame.

    Zero where a kind has none. Samples of the kind SAME_POINT have the negative predicted position, from which the
    mean of the group is still to be taken.

    Parameters
    ----------
    poses : (n, 4, 4)
        Of the tip, base frame.
    frame : (4, 4) or (k, 4, 4)
        The base in the measuring frame, or in each of them.
    tool : (4, 4) or (k, 4, 4)
        What is measured, in the tip's frame.
    """
    predicted = at_rows(frame, data.frame_of) @ poses @ at_rows(tool, data.tool_of)
    position = -predicted[:, :3, 3]
    measured = data.kinds != SAME_POINT
    position[measured] += data.positions[measured]
    orientation = np.zeros_like(position)
    full = data.kinds == POSE
    orientation[full] = rotation_logarithm(data.rotations[full] @ predicted[full, :3, :3].transpose(0, 2, 1))
    return position, orientation


def centred(data: Measurements, position: Array, weights: Array, precision: Array | None = None) -> Array:
    """Position residuals (n, 3) with the weighted mean of each same-point group taken off.

    ``precision`` (n, 3, 3) is the inverse covariance of each position; default: the data's noise along every axis.
    """
    same = data.groups >= 0
    if not same.any():
        return position
    share = weights[:, None, None] * position_precision(data, precision)
    totals, sums = np.zeros((len(data.names), 3, 3)), np.zeros((len(data.names), 3))
    np.add.at(totals, data.groups[same], share[same])
    np.add.at(sums, data.groups[same], (share[same] @ position[same, :, None])[:, :, 0])
    present = totals[:, 0, 0] > 0.0
    means = np.zeros_like(sums)
    means[present] = np.linalg.solve(totals[present], sums[present, :, None])[:, :, 0]
    out = position.copy()
    out[same] -= means[data.groups[same]]
    return out


def position_precision(data: Measurements, precision: Array | None = None) -> Array:
    """Inverse covariance (n, 3, 3) of each measured position at noise factor 1 [1/m^2]: as given, or the data's."""
    if precision is not None:
        return precision
    return data.noise[:, 0, None, None] ** -2.0 * np.eye(3)


def squared_errors(
    data: Measurements, position: Array, orientation: Array, factors: Array, precision: Array | None = None
) -> tuple[Array, Array]:
    """Squared residuals (n,) in standard deviations, and how many numbers (n,) each is of.

    ``factors`` (2,) times the noise are the standard deviations; ``precision`` as in ``centred``.
    """
    full = data.kinds == POSE
    squares = np.einsum("na,nab,nb->n", position, position_precision(data, precision), position) / factors[0] ** 2
    turned = (orientation**2).sum(axis=1) / (data.noise[:, 1] * factors[1]) ** 2
    return squares + np.where(full, turned, 0.0), np.where(full, 6, 3)


def robust_weights(
    data: Measurements,
    position: Array,
    orientation: Array,
    factors: Array,
    weights: Array,
    precision: Array | None = None,
) -> tuple[Array, Array]:
    """Weights (n,) of the samples, small for gross errors, and the centred position residuals (n, 3)."""
    for _ in range(5):
        middle = centred(data, position, weights, precision)
        squares, numbers = squared_errors(data, middle, orientation, factors, precision)
        weights = (TAIL + numbers) / (TAIL + squares)
        if not (data.groups >= 0).any():
            break
    return weights, centred(data, position, weights, precision)
