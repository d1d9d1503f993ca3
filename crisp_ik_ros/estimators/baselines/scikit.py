"""The two learners that come from scikit-learn, reduced to the numbers they learn."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from crisp_ik_ros.errors import MissingDependencyError
from crisp_ik_ros.regression.threads import limit_threads
from crisp_ik_ros.transforms import Array


def fit_network(
    inputs: Array, outputs: Array, layers: tuple[int, ...], early_stopping: bool, **options: Any
) -> tuple[list[Array], list[Array], int]:
    """Fit a network of tanh layers by Adam, with an early stop on held-out samples if wanted.

    Parameters
    ----------
    inputs, outputs : (n, F), (n, J)
        Standardised.
    layers : tuple of int
        Width of each hidden layer.
    early_stopping : bool
    options
        Of scikit-learn's ``MLPRegressor``.

    Returns
    -------
    weights, offsets : list of (F_l, F_l+1), (F_l+1,)
    epochs : int

    Raises
    ------
    MissingDependencyError
        When scikit-learn is not installed.
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor
    except ImportError as error:
        raise _missing() from error
    network = MLPRegressor(
        hidden_layer_sizes=layers, activation="tanh", solver="adam", early_stopping=early_stopping, **options
    )
    # One thread: these matrices are small, and the order of a sum must not depend on the machine's load.
    with warnings.catch_warnings(), limit_threads(0.0):
        warnings.simplefilter("ignore", ConvergenceWarning)  # the largest number of epochs is the caller's choice
        # Single precision halves the time; the network is a hundred times less exact than that.
        network.fit(inputs.astype(np.float32), outputs.astype(np.float32))
    weights = [np.asarray(layer, dtype=float) for layer in network.coefs_]
    return weights, [np.asarray(offset, dtype=float) for offset in network.intercepts_], int(network.n_iter_)


def fit_one_class_svm(features: Array, nu: float, cache: float, tolerance: float) -> tuple[np.ndarray, Array, float]:
    """One-class SVM with the kernel exp(-|a - b|^2 / 2).

    Parameters
    ----------
    features : (n, F)
    nu : float
        Largest share of samples outside the support, and smallest share of support vectors, 0..1.
    cache : float
        Memory for rows of the kernel matrix [MB].
    tolerance : float
        Of the optimality conditions.

    Returns
    -------
    indices (S,), coefficients (S,), offset
        The decision function is sum_s coefficients_s k(., features[indices_s]) - offset.

    Raises
    ------
    MissingDependencyError
        When scikit-learn is not installed.
    """
    try:
        from sklearn.svm import OneClassSVM
    except ImportError as error:
        raise _missing() from error
    machine = OneClassSVM(kernel="rbf", gamma=0.5, nu=nu, cache_size=cache, tol=tolerance)
    machine.fit(features)
    return machine.support_.astype(np.int64), machine.dual_coef_[0].copy(), float(-machine.intercept_[0])


def _missing() -> MissingDependencyError:
    return MissingDependencyError("this system needs scikit-learn: pip install scikit-learn")
