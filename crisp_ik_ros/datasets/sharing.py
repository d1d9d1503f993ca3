"""Assignment of samples to the two parts of a split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crisp_ik_ros.datasets.fields import POSE, Fields


def share(fields: Fields, fraction: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of two parts, both sorted and neither empty, the first with ``fraction`` of each kind, group and session.

    Of markers, too.

    Parameters
    ----------
    fields : Fields
        At least two samples.
    fraction : float
        Between 0 and 1.
    seed : int
    """
    count = len(fields.configurations)
    generator = np.random.default_rng(seed)
    order = generator.permutation(count)
    if all(labels is None for labels in (fields.kinds, fields.groups, fields.sessions, fields.markers)):
        cut = _whole(fraction, count)
        return np.sort(order[:cut]), np.sort(order[cut:])
    kinds = np.full(count, POSE) if fields.kinds is None else fields.kinds
    groups, strata = _strata(fields, count)
    # Groups come at random too: of those with one sample each, chance decides which go where.
    ranks = generator.permutation(strata + 1)[groups]
    first = np.zeros(count, dtype=bool)
    for kind in np.unique(kinds):
        rows = order[kinds[order] == kind]
        rows = rows[np.argsort(ranks[rows], kind="stable")]
        cut = _whole(fraction, len(rows))
        # As many steps as are to be taken, spread evenly: every group gets its part of them, but for rounding.
        steps = np.arange(len(rows) + 1) * cut // len(rows)
        first[rows[np.diff(steps) > 0]] = True
    if first.all() or not first.any():
        first[order[0]] = not first[order[0]]
    return np.flatnonzero(first), np.flatnonzero(~first)


def _strata(fields: Fields, count: int) -> tuple[NDArray[np.int64], int]:
    """Index (n,) of each sample's group, session and marker together, and the number of these combinations."""
    groups = np.full(count, -1) if fields.groups is None else fields.groups
    labels = [values for values in (fields.sessions, fields.markers) if values is not None]
    if not labels:
        return groups, len(fields.group_names)
    combined, indices = np.unique(np.column_stack([groups, *labels]), axis=0, return_inverse=True)
    return indices.reshape(-1), len(combined)


def _whole(fraction: float, count: int) -> int:
    """Samples of ``count`` for the first part: some for either where there are two."""
    return min(max(round(fraction * count), 1), count - 1) if count > 1 else round(fraction)
