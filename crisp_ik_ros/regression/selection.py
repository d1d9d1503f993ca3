"""Length scales and penalty by their error on samples that were held out, one split or one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crisp_ik_ros.errors import InvalidInputError, RegressionError
from crisp_ik_ros.regression.cholesky import factorise, solve_factorised
from crisp_ik_ros.regression.kernels import Kernel, make_kernel
from crisp_ik_ros.regression.leave_one_out import leave_group_out_errors
from crisp_ik_ros.regression.sums import CHUNK, Rows, read, slices
from crisp_ik_ros.transforms import Array, rotation_logarithm

# Samples used to choose: enough to rank the candidates, few enough to do it in seconds.
TRAINING_SAMPLES, VALIDATION_SAMPLES = 1000, 300
# Samples used to refine the choice.
REFINEMENT_SAMPLES = 3000
# A squared error below that of the best measuring device, (10 um, 10 urad): smaller ones are alike, and the smoother
# candidate carries farther between and beyond the samples.
NEGLIGIBLE = 1e-10

SCALE_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
# n * penalty, the ridge itself: noise variance over signal variance, which does not change with n.
RIDGES = (1e-11, 1e-9, 1e-7, 1e-5, 1e-3)
# Rounds of changing one hyperparameter at a time.
ROUNDS = 3
# Length scales are at most so many times the spread of the samples: beyond, a Gaussian is a polynomial over the data to
# many digits, and says nothing of how far it can be believed outside. On noise-free samples of the demo, errors with 8
# were a quarter of those without a bound.
LONGEST_SCALE_FACTOR = 8.0
# A ridge below so many times the rounding of the kernel matrix, whose largest eigenvalue is up to n, fits rounding.
LEAST_RIDGE_PER_SAMPLE = 10.0 * float(np.finfo(float).eps)

VALIDATIONS = ("held_out", "leave_one_out")

Criterion = Callable[[Array, np.ndarray], float]
Grouping = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Selection:
    """Outcome of a search: the kernel, n * penalty, their criterion, and the number of candidates tried."""

    kernel: Kernel
    ridge: float
    criterion: float
    tried: int


def spread(poses: Rows) -> tuple[float, float]:
    """Root mean square distance [m] and angle [rad] of poses (n, 4, 4) from their mean."""
    count = len(poses)
    total = sum(read(poses, rows)[:, :3].sum(axis=0) for rows in slices(count, CHUNK)) / count
    left, _, right = np.linalg.svd(total[:, :3])
    mean = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    position = angle = 0.0
    for rows in slices(count, CHUNK):
        chunk = read(poses, rows)
        position += float(np.sum((chunk[:, :3, 3] - total[:, 3]) ** 2))
        angle += float(np.sum(rotation_logarithm(chunk[:, :3, :3] @ mean.T) ** 2))
    return float(np.sqrt(position / count)), float(np.sqrt(angle / count))


def choose_hyperparameters(
    poses: Rows,
    targets: Rows,
    criterion: Criterion,
    kernel: Kernel | str = "gaussian",
    ridge: float | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    validation: str = "held_out",
    groups: Grouping | None = None,
) -> Selection:
    """Choose what is not given by the error on samples that a regression has not seen.

    First a coarse grid over both length scales and the ridge, then each of the three alone, in rounds, until none
    improves, and, where there are many samples, all again on more of them. Among errors that are negligible the
    longest length scales win, up to ``LONGEST_SCALE_FACTOR`` spreads of the samples; the ridge stays above rounding.

    Parameters
    ----------
    poses : (n, 4, 4)
    targets : (n, C)
    criterion : callable
        Predictions (k, C) at validation samples and their indices (k,) -> error to minimise.
    kernel : Kernel or str
        A kernel to keep as it is, or the name of one whose length scales are to be chosen.
    ridge : float, optional
        n * penalty, where it is given.
    seed : int
        Seed of the split.
    progress : callable, optional
        Called as progress(done, total) after each candidate.
    validation : {"held_out", "leave_one_out"}
        Which samples those are: up to 300 apart from the up to 3000 that candidates are fitted to, or each of the
        latter, predicted from all others in closed form. With few samples the second wastes none, and hangs less on
        one split.
    groups : callable, optional
        Takes rows (k,) to the label (k,) of each one's group, such as the stop it was read at. A group is held out or
        predicted as a whole: readings of one stop on both sides of a split would judge nothing but their noise.

    Raises
    ------
    InvalidInputError
        When there is no such validation.
    RegressionError
        When no candidate gives a finite error, or all samples are one group.
    """
    check_validation(validation)
    order = np.random.default_rng(seed).permutation(len(poses))
    if validation == "leave_one_out":
        held_out, remaining = order[:0], order[:REFINEMENT_SAMPLES]
    else:
        held_out, remaining = split_groups(order, len(poses) // 4, VALIDATION_SAMPLES, REFINEMENT_SAMPLES, groups)
    labels = remaining if groups is None else groups(remaining)
    if validation == "leave_one_out" and len(np.unique(labels)) < 2:
        raise RegressionError("all samples are one group: nothing can be held out to choose hyperparameters by")
    sample_poses, sample_targets = read(poses, remaining), read(targets, remaining)
    held_out_poses = read(poses, held_out)
    position_spread, angle_spread = spread(sample_poses[:TRAINING_SAMPLES])
    ridges = RIDGES if ridge is None else (ridge,)
    searching = isinstance(kernel, str)
    factors = SCALE_FACTORS if searching else (1.0,)

    def make(position_factor: float, orientation_factor: float) -> Kernel:
        if not isinstance(kernel, str):
            return kernel
        # Samples that all share one position or orientation leave that part out.
        position = position_factor * position_spread if position_spread > 1e-9 else np.inf
        orientation = orientation_factor * angle_spread if angle_spread > 1e-9 else np.inf
        return make_kernel(kernel, position, orientation)

    def allowed(candidate: tuple[float, float, float], training: int) -> bool:
        """Tell if what is free of a candidate is within its bounds."""
        scales = not searching or max(candidate[:2]) <= LONGEST_SCALE_FACTOR
        return scales and (ridge is not None or candidate[2] >= LEAST_RIDGE_PER_SAMPLE * training)

    def error_of(kernel: Kernel, value: float, training: int) -> float:
        features = kernel.features(sample_poses[:training])
        matrix = kernel.matrix(features, features)
        matrix[np.diag_indices_from(matrix)] += value
        try:
            factor, _ = factorise(matrix)
        except RegressionError:
            return np.inf
        wanted = sample_targets[:training]
        if validation == "leave_one_out":
            errors = leave_group_out_errors(factor, wanted, labels[:training])
            error = criterion(wanted - errors, remaining[:training])
        else:
            row = kernel.matrix(kernel.features(held_out_poses), features)
            error = criterion(row @ solve_factorised(factor, wanted), held_out)
        return error if np.isfinite(error) else np.inf

    best = (np.inf, 1.0, 1.0, ridges[0])
    few, many = min(TRAINING_SAMPLES, len(remaining)), len(remaining)
    refine = many > 2 * few and (searching or ridge is None)
    tried: dict[tuple[int, float, float, float], float] = {}
    # The rounds may end early; then the bar does.
    total = len(factors) ** 2 * len(ridges[::2]) + 12 * ROUNDS + (15 if refine else 0)

    def try_all(training: int, candidates: list[tuple[float, float, float]]) -> None:
        nonlocal best
        for candidate in candidates:
            key = (training, *candidate)
            if key in tried or not allowed(candidate, training):
                continue
            error = error_of(make(candidate[0], candidate[1]), candidate[2], training)
            tried[key] = error
            if _rank(error, candidate) < _rank(best[0], best[1:]):
                best = (error, *candidate)
            if progress is not None:
                progress(len(tried), max(total, len(tried)))

    coarse = ridges[::2]
    try_all(few, [(first, second, value) for first in factors for second in factors for value in coarse])
    for _ in range(ROUNDS):
        before = best
        if searching:
            try_all(few, [(best[1], best[2] * f, best[3]) for f in (0.25, 0.5, 2.0, 4.0)])
            try_all(few, [(best[1] * f, best[2], best[3]) for f in (0.25, 0.5, 2.0, 4.0)])
        if ridge is None:
            try_all(few, [(best[1], best[2], best[3] * f) for f in (0.01, 0.1, 10.0, 100.0)])
        if best == before:
            break
    if refine:
        # More samples bear shorter length scales.
        shorter = ((1.0, 1.0), (0.5, 0.5), (0.25, 0.25), (1.0, 0.5), (0.5, 1.0)) if searching else ((1.0, 1.0),)
        _, position, orientation, value = best
        best = (np.inf, position, orientation, value)
        try_all(
            many,
            [
                (position * f, orientation * g, value * h)
                for f, g in shorter
                for h in ((1.0, 0.01, 100.0) if ridge is None else (1.0,))
            ],
        )
    if progress is not None:
        progress(len(tried), len(tried))
    if not np.isfinite(best[0]):
        raise RegressionError("no candidate of length scales and penalty gives a finite validation error")
    return Selection(make(best[1], best[2]), best[3], float(best[0]), len(tried))


def split_groups(
    order: np.ndarray, wanted: int, most: int, most_remaining: int, groups: Grouping | None
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows in a random order into ``wanted`` of them, at least one and at most ``most``, and others.

    With ``groups`` the first are whole groups, about the share of all groups that was wanted of the rows, and none of
    the others belongs to one of them.

    Raises
    ------
    RegressionError
        When all rows are one group.
    """
    count = min(max(wanted, 1), most)
    held_out, remaining = order[:count], order[count : count + most_remaining]
    if groups is None:
        return held_out, remaining
    rows = order[: count + most_remaining]
    _, first, place, sizes = np.unique(groups(rows), return_index=True, return_inverse=True, return_counts=True)
    if len(first) == len(rows):
        return held_out, remaining
    if len(first) < 2:
        raise RegressionError("all samples are one group: nothing can be held out")
    # Groups in the order in which they appear, as many of them as the share of the rows comes to.
    appearance = np.argsort(first, kind="stable")
    chosen = appearance[: min(max(round(len(first) * count / len(rows)), 1), len(first) - 1)]
    within = max(int(np.searchsorted(np.cumsum(sizes[chosen]), most, side="right")), 1)
    taken = np.isin(place, chosen[:within])
    return rows[taken], rows[~taken]


def _rank(error: float, candidate: tuple[float, float, float]) -> tuple[float, float, float]:
    """Order of candidates: by error, and where nobody could measure a difference, the smoother one first."""
    return max(error, NEGLIGIBLE), -candidate[0] * candidate[1], error


def check_validation(validation: str) -> None:
    """Raise InvalidInputError unless there is a validation of that name."""
    if validation not in VALIDATIONS:
        raise InvalidInputError("validation", repr(validation), " or ".join(map(repr, VALIDATIONS)))
