"""Conjugate gradients for several right-hand sides at once, with a preconditioner."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crisp_ik_ros.transforms import Array


def conjugate_gradients(
    product: Callable[[Array], Array],
    precondition: Callable[[Array], Array],
    right: Array,
    tolerance: float,
    iterations: int,
) -> tuple[Array, Array, int]:
    """Solve A X = right for a symmetric positive A, each column on its own but with common products.

    Preconditioned conjugate gradients (Hestenes, Stiefel 1952; Saad, Iterative Methods, algorithm 9.1).

    Parameters
    ----------
    product : callable
        (m, C) -> A times it, (m, C).
    precondition : callable
        (m, C) -> an approximate inverse of A times it, (m, C); symmetric and positive too.
    right : (m, C)
    tolerance : float
        A column is done when its residual r has r^T M r at most ``tolerance``^2 times what it was with X = 0, M being
        the approximate inverse.
    iterations : int
        At most so many products.

    Returns
    -------
    solution : (m, C)
    residual : (C,)
        The relative sizes that ``tolerance`` bounds; larger where the iterations did not suffice.
    used : int
        Number of products.
    """
    solution = np.zeros_like(right)
    residual = right.copy()
    conditioned = precondition(residual)
    direction = conditioned.copy()
    size = np.einsum("ij,ij->j", residual, conditioned)
    first = np.where(size > 0.0, size, 1.0)
    best, best_size = solution.copy(), size.copy()
    used = 0
    active = size > 0.0
    while active.any() and used < iterations:
        used += 1
        image = product(direction)
        curvature = np.einsum("ij,ij->j", direction, image)
        # Rounding has used up a direction whose curvature is not positive.
        active &= curvature > 0.0
        step = np.where(active, size / np.where(active, curvature, 1.0), 0.0)
        solution += step * direction
        residual -= step * image
        conditioned = precondition(residual)
        new = np.einsum("ij,ij->j", residual, conditioned)
        better = active & (new < best_size)
        best[:, better], best_size[better] = solution[:, better], new[better]
        ratio = np.where(active, new / np.where(size > 0.0, size, 1.0), 0.0)
        direction = conditioned + ratio * direction
        size = new
        active &= size > tolerance**2 * first
    return best, np.sqrt(np.maximum(best_size, 0.0) / first), used
