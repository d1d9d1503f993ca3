"""Whether a robot needs a kernel term, and of which length scale: by the evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from crisp_ik_ros.estimators.identification.identification import Fit, identify
from crisp_ik_ros.estimators.identification.measurements import Measurements
from crisp_ik_ros.estimators.identification.parameters import KernelTerm, Layout
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.transforms import Array

# On the diagonal of the centers' kernel matrix.
JITTER = 1e-8
# Iterations that tell which length scale is best, and those with the one that was.
TRIAL, FINAL = 3, 8
# Samples and centers that length scales are compared on.
TRIAL_SAMPLES, TRIAL_CENTERS = 800, 100
# By so much a kernel term must be the better explanation (natural logarithm of the odds).
MARGIN = 3.0


def kernel_term(layout: Layout, configurations: Array, length_scale: float) -> KernelTerm:
    """Kernel term with centers at configurations (m, J)."""
    features = layout.features(configurations) / length_scale
    squares = ((features[:, None] - features) ** 2).sum(axis=2)
    matrix = np.exp(-0.5 * squares) + JITTER * np.eye(len(configurations))
    root = cholesky(matrix, lower=True)
    basis = solve_triangular(root, np.eye(len(root)), lower=True).T
    return KernelTerm(np.ascontiguousarray(features.T), length_scale, np.ascontiguousarray(basis))


def with_kernel(fit: Fit, term: KernelTerm, priors: Priors) -> Fit:
    """Return a fit that has a kernel term, of which nothing is known yet."""
    layout = replace(fit.layout, kernel=term)
    scales = layout.prior_scales(priors)
    scales[: fit.layout.parametric] = fit.scales[: fit.layout.parametric]
    parameters = np.zeros(layout.size)
    parameters[: fit.layout.parametric] = fit.parameters[: fit.layout.parametric]
    return replace(fit, layout=layout, scales=scales, parameters=parameters)


def spread_configurations(layout: Layout, configurations: Array, count: int, seed: int) -> Array:
    """At most ``count`` of the configurations (n, J), far from each other (farthest-point sampling)."""
    features = layout.features(configurations)
    chosen = [int(np.random.default_rng(seed).integers(len(features)))]
    distances = ((features - features[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < min(count, len(features)) and distances.max() > 1e-8:
        chosen.append(int(np.argmax(distances)))
        distances = np.minimum(distances, ((features - features[chosen[-1]]) ** 2).sum(axis=1))
    return configurations[chosen]


def choose_kernel(
    fit: Fit,
    data: Measurements,
    priors: Priors,
    length_scales: Sequence[float],
    centers: int,
    random_state: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Fit, dict[str, float]]:
    """Fit with the kernel term that the evidence prefers, or without one; and the log evidence of each, by name."""
    rng = np.random.default_rng(random_state)
    some, known = data, fit
    if len(data) > TRIAL_SAMPLES:
        keep = np.zeros(len(data), dtype=bool)
        keep[rng.choice(len(data), TRIAL_SAMPLES, replace=False)] = True
        some = data.subset(keep)
        known = replace(fit, weights=fit.weights[keep])
    plain = identify(known, some, priors, TRIAL)
    evidence = {"none": plain.evidence}
    chosen = spread_configurations(fit.layout, some.configurations, TRIAL_CENTERS, random_state)
    for done, length_scale in enumerate(length_scales, 1):
        trial = identify(with_kernel(plain, kernel_term(fit.layout, chosen, length_scale), priors), some, priors, TRIAL)
        evidence[str(length_scale)] = trial.evidence
        if progress is not None:
            progress(done, len(length_scales) + 1)
    best = max(length_scales, key=lambda scale: evidence[str(scale)])
    if evidence[str(best)] < evidence["none"] + MARGIN:
        return fit, evidence
    chosen = spread_configurations(fit.layout, data.configurations, centers, random_state)
    return identify(with_kernel(fit, kernel_term(fit.layout, chosen, best), priors), data, priors, FINAL), evidence
