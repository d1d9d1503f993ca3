"""Which samples become Nystrom centers."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.regression.kernels import Kernel, squared_distances
from crisp_ik_ros.regression.leverage import leverage_scores, resolved_ridge
from crisp_ik_ros.regression.sums import CHUNK, Rows, read, slices
from crisp_ik_ros.transforms import Array

CENTER_SELECTIONS = ("uniform", "kmeans++", "leverage")
# The selections that look at the samples look at no more than this many of them, or ten for a center, drawn uniformly.
CANDIDATES, CANDIDATES_PER_CENTER = 40000, 10


def select_centers(
    selection: str, kernel: Kernel, poses: Rows, ridge: float, centers: int, random_state: int = 0
) -> np.ndarray:
    """Indices (centers,), ascending, of the samples that become centers.

    Parameters
    ----------
    selection : {"uniform", "kmeans++", "leverage"}
        Each sample as likely as any other; spread out by k-means++ on the kernel's features; or with probabilities in
        proportion to approximate ridge leverage scores, without replacement.
    kernel : Kernel
    poses : (n, 4, 4)
    ridge : float
        n * penalty, above zero; only leverage scores depend on it.
    centers : int
    random_state : int

    Raises
    ------
    InvalidInputError
        When more centers are asked for than there are samples, or the selection is none of the three.
    """
    check_center_selection(selection)
    drawn = choose_centers(len(poses), centers, random_state)
    if selection == "uniform" or centers == len(poses):
        return drawn
    rng = np.random.default_rng(random_state)
    bound = max(CANDIDATES, CANDIDATES_PER_CENTER * centers)
    if len(poses) > bound:
        candidates = np.sort(rng.choice(len(poses), bound, replace=False))
    else:
        candidates = np.arange(len(poses))
    features = np.vstack([kernel.features(read(poses, candidates[rows])) for rows in slices(len(candidates), CHUNK)])
    if selection == "kmeans++":
        chosen = plus_plus_centers(features, centers, rng)
    else:
        dictionary = kernel.features(read(poses, drawn))
        weight = len(drawn) / len(poses)
        resolved = resolved_ridge(kernel, dictionary, weight, ridge)
        scores = leverage_scores(kernel, features, dictionary, weight, resolved)
        chosen = rng.choice(len(candidates), centers, replace=False, p=scores / scores.sum())
    return np.sort(candidates[chosen])


def choose_centers(count: int, centers: int, random_state: int = 0) -> np.ndarray:
    """Indices (centers,), ascending, of samples drawn uniformly without replacement from ``count``.

    Raises
    ------
    InvalidInputError
        When more centers are asked for than there are samples.
    """
    if not 1 <= centers <= count:
        raise InvalidInputError("centers", centers, f"between 1 and the number of samples, {count}")
    return np.sort(np.random.default_rng(random_state).choice(count, centers, replace=False))


def plus_plus_centers(features: Array, centers: int, rng: np.random.Generator) -> np.ndarray:
    """Indices (centers,), distinct, in the order in which they were drawn, by k-means++ (Arthur, Vassilvitskii 2007).

    The first is uniform, each other sample has a probability in proportion to its squared distance to the nearest one
    drawn before. When all that are left coincide with those drawn, the rest is uniform.

    Parameters
    ----------
    features : (n, D)
    centers : int
        At most n.
    rng : numpy.random.Generator
    """
    chosen = np.empty(centers, dtype=np.int64)
    nearest = np.full(len(features), np.inf)
    left = np.ones(len(features), dtype=bool)
    for position in range(centers):
        weights = np.where(left, nearest, 0.0) if position else left.astype(float)
        if not weights.any():
            weights = left.astype(float)
        cumulative = np.cumsum(weights)
        # The first index whose cumulative weight exceeds the draw has a weight above zero.
        index = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
        index = min(index, int(np.flatnonzero(weights)[-1]))
        chosen[position] = index
        left[index] = False
        np.minimum(nearest, squared_distances(features, features[index : index + 1])[:, 0], out=nearest)
    return chosen


def check_center_selection(selection: str) -> None:
    """Raise InvalidInputError unless there is a selection of that name."""
    if selection not in CENTER_SELECTIONS:
        raise InvalidInputError("center_selection", repr(selection), " or ".join(map(repr, CENTER_SELECTIONS)))
