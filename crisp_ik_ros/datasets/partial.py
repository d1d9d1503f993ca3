"""Samples without a full pose: of the position only, and of nothing but that the tool was at one point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.datasets.fields import POSITION, SAME_POINT, Distance, Fields, numbers
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.transforms import Array, make_pose


def position_fields(
    configurations: ArrayLike, positions: ArrayLike, joint_names: Sequence[str], noise: ArrayLike | None
) -> Fields:
    """What ``Dataset.from_positions`` holds."""
    configurations, positions = numbers("configurations", configurations), numbers("positions", positions)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise DatasetError(f"positions: got shape {positions.shape}, expected (n, 3), metres")
    count = len(positions)
    kinds = np.full(count, POSITION, dtype=np.int8)
    poses = make_pose(positions, np.eye(3))
    return Fields(tuple(joint_names), configurations, poses, kinds, noise=_noise(noise, count))


def same_point_fields(
    groups: Mapping[str, ArrayLike], joint_names: Sequence[str], distances: Sequence[Distance], noise: ArrayLike | None
) -> Fields:
    """What ``Dataset.from_same_points`` holds."""
    if not groups:
        raise DatasetError("got no group, expected at least one")
    parts = []
    for name, configurations in groups.items():
        part = numbers(f"group {name}", configurations)
        if part.ndim != 2 or part.shape[1] != len(joint_names) or not len(part):
            raise DatasetError(f"group {name}: got shape {part.shape}, expected (k, {len(joint_names)}), k at least 1")
        wrong = np.flatnonzero(~np.isfinite(part).all(axis=1))
        if len(wrong):
            raise DatasetError(f"group {name}: row {wrong[0]} holds a value that is not finite")
        parts.append(part)
    count = sum(map(len, parts))
    return Fields(
        tuple(joint_names),
        np.concatenate(parts),
        np.broadcast_to(np.eye(4), (count, 4, 4)),
        np.full(count, SAME_POINT, dtype=np.int8),
        np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        tuple(groups),
        tuple(distances),
        _noise(noise, count),
    )


def _noise(noise: ArrayLike | None, count: int) -> Array | None:
    """Noise (n, 2) of samples without an orientation, from that of their positions, (n,) or one number."""
    if noise is None:
        return None
    noise = numbers("noise", noise)
    if noise.shape not in ((), (count,)):
        raise DatasetError(f"noise: got shape {noise.shape}, expected one number or ({count},), metres")
    return np.column_stack([np.broadcast_to(noise, (count,)), np.full(count, np.nan)])
