"""Ridge leverage scores: how much a sample matters that the others cannot stand in for."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigvalsh
from scipy.linalg.blas import dtrsm

from crisp_ik_ros.regression.cholesky import factorise
from crisp_ik_ros.regression.kernels import Kernel
from crisp_ik_ros.regression.sums import CHUNK, slices
from crisp_ik_ros.transforms import Array

# Samples whose eigenvalues tell the effective dimension.
SPECTRUM_SAMPLES = 2000


def leverage_scores(kernel: Kernel, features: Array, dictionary: Array, weight: float, ridge: float) -> Array:
    """Approximate ridge leverage scores (k,) of samples, between 0 and 1 (Rudi, Calandriello, Carratino, Rosasco 2018).

    The scores of n samples are diag(K (K + ridge I)^-1). With a uniform sample J of them, the dictionary, in place of
    all, and w = |J| / n, they are approximately (k(x, x) - k_J(x)^T (K_JJ + w ridge I)^-1 k_J(x)) / ridge; exactly,
    when J is all samples. They sum up to about the effective dimension of the problem.

    Parameters
    ----------
    kernel : Kernel
    features : (k, D)
        Features of the samples whose scores are wanted.
    dictionary : (M, D)
        Features of the samples J.
    weight : float
        w, above zero, at most 1.
    ridge : float
        n * penalty, above zero.

    Raises
    ------
    RegressionError
        When the kernel matrix of the dictionary stays singular.
    """
    matrix = kernel.matrix(dictionary, dictionary)
    matrix[np.diag_indices_from(matrix)] += weight * ridge
    factor, _ = factorise(matrix)
    scores = np.empty(len(features))
    for rows in slices(len(features), CHUNK):
        row = kernel.matrix(features[rows], dictionary).T
        whitened = dtrsm(1.0, factor, row, lower=1, overwrite_b=1)
        scores[rows] = (kernel.diagonal(features[rows]) - (whitened**2).sum(axis=0)) / ridge
    # A score is at most 1, and rounding may leave nothing of one that is almost 0; each sample keeps a chance.
    return np.clip(scores, np.finfo(float).tiny, 1.0)


def resolved_ridge(kernel: Kernel, dictionary: Array, weight: float, ridge: float) -> float:
    """Ridge, at least ``ridge``, at which the effective dimension is at most half of a uniform dictionary (M, D).

    At a smaller one a dictionary cannot stand in for all samples: then ``leverage_scores`` would be near 1 wherever it
    has no sample, and at most ``weight`` where it has one. Rudi et al. 2018 come down to small ridges in steps for the
    same reason.
    """
    sample = dictionary[:: -(-len(dictionary) // SPECTRUM_SAMPLES)]
    values = np.maximum(eigvalsh(kernel.matrix(sample, sample), overwrite_a=True, check_finite=False), 0.0)
    values /= weight * len(sample) / len(dictionary)

    def dimension(candidate: float) -> float:
        return float(np.sum(values / (values + candidate)))

    if dimension(ridge) <= 0.5 * len(sample):
        return ridge
    low, high = ridge, float(values.max()) * len(sample)
    for _ in range(60):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if dimension(middle) > 0.5 * len(sample) else (low, middle)
    return high
