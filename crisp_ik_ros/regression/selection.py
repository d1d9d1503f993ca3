"""Length scales and penalty by their error on samples that were held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crisp_ik_ros.errors import RegressionError
from crisp_ik_ros.regression.cholesky import factorise, solve_factorised
from crisp_ik_ros.regression.kernels import Kernel, make_kernel
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

Criterion = Callable[[Array, np.ndarray], float]


@dataclass(frozen=True)
class Selection:
    """Outcome of a search: the kernel, n * penalty, their criterion, and the number of candidates tried."""

    kernel: Kernel
    ridge: float
    criterion: float
    tried: int


def spread(poses: Array) -> tuple[float, float]:
    """Root mean square distance [m] and angle [rad] of poses (n, 4, 4) from their mean."""
    positions, rotations = poses[:, :3, 3], poses[:, :3, :3]
    position = float(np.sqrt(np.mean(np.sum((positions - positions.mean(axis=0)) ** 2, axis=1))))
    left, _, right = np.linalg.svd(rotations.mean(axis=0))
    mean = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    angles = np.linalg.norm(rotation_logarithm(rotations @ mean.T), axis=1)
    return position, float(np.sqrt(np.mean(angles**2)))


def choose_hyperparameters(
    poses: Array,
    targets: Array,
    criterion: Criterion,
    kernel: Kernel | str = "gaussian",
    ridge: float | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Choose what is not given by the error on a validation split.

    First a coarse grid over both length scales and the ridge, then each of the three alone, in rounds, until none
    improves, and, where there are many samples, all again on more of them. Among errors that are negligible the
    longest length scales win.

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

    Raises
    ------
    RegressionError
        When no candidate gives a finite error.
    """
    order = np.random.default_rng(seed).permutation(len(poses))
    held_out = min(max(len(poses) // 4, 1), VALIDATION_SAMPLES)
    validation, remaining = order[:held_out], order[held_out:]
    position_spread, angle_spread = spread(poses[remaining[:TRAINING_SAMPLES]])
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

    best = (np.inf, 1.0, 1.0, ridges[0])
    few, many = remaining[:TRAINING_SAMPLES], remaining[:REFINEMENT_SAMPLES]
    refine = len(many) > 2 * len(few) and (searching or ridge is None)
    tried: dict[tuple[int, float, float, float], float] = {}
    # The rounds may end early; then the bar does.
    total = len(factors) ** 2 * len(ridges[::2]) + 12 * ROUNDS + (15 if refine else 0)

    def try_all(training: np.ndarray, candidates: list[tuple[float, float, float]]) -> None:
        nonlocal best
        for candidate in candidates:
            key = (len(training), *candidate)
            if key in tried:
                continue
            chosen = make(candidate[0], candidate[1])
            error = _validation_error(chosen, candidate[2], poses, targets, training, validation, criterion)
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


def _rank(error: float, candidate: tuple[float, float, float]) -> tuple[float, float, float]:
    """Order of candidates: by error, and where nobody could measure a difference, the smoother one first."""
    return max(error, NEGLIGIBLE), -candidate[0] * candidate[1], error


def _validation_error(
    kernel: Kernel,
    ridge: float,
    poses: Array,
    targets: Array,
    training: np.ndarray,
    validation: np.ndarray,
    criterion: Criterion,
) -> float:
    features = kernel.features(poses[training])
    matrix = kernel.matrix(features, features)
    matrix[np.diag_indices_from(matrix)] += ridge
    try:
        factor, _ = factorise(matrix)
    except RegressionError:
        return np.inf
    coefficients = solve_factorised(factor, targets[training])
    error = criterion(kernel.matrix(kernel.features(poses[validation]), features) @ coefficients, validation)
    return error if np.isfinite(error) else np.inf
