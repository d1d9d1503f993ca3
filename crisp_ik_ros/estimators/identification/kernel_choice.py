"""Choice of the kernel term, and of its length scale, by the evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular

from crisp_ik_ros.estimators.identification.identification import Fit, identify, joints_of, linearise
from crisp_ik_ros.estimators.identification.measurements import Measurements
from crisp_ik_ros.estimators.identification.noise import with_noise_shape
from crisp_ik_ros.estimators.identification.parameters import KernelTerm, Layout
from crisp_ik_ros.estimators.identification.priors import LARGEST_SCALES, Priors
from crisp_ik_ros.transforms import Array

# On the diagonal of the centers' kernel matrix.
JITTER = 1e-8
# Updates of the scales that tell which length scale is best; iterations with the one that was, and updates in each.
TRIAL, FINAL, UPDATES = 10, 3, 2
# Weight of a scale against what the data tells of it, in numbers seen.
PSEUDO = 1.0
# Samples and centers that length scales are compared on.
TRIAL_SAMPLES, TRIAL_CENTERS = 400, 40
# Samples that each center stands for, and the fewest centers.
SAMPLES_A_CENTER, FEWEST_CENTERS = 3, 20
# By so much a kernel term must be the better explanation (natural logarithm of the odds), and by so much a sample: a
# term that makes errors a few percent smaller is not worth its time.
MARGIN, MARGIN_A_SAMPLE = 3.0, 0.1


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
    evidence = {"none": fit.evidence}
    chosen = spread_configurations(fit.layout, some.configurations, TRIAL_CENTERS, random_state)
    for done, length_scale in enumerate(length_scales, 1):
        gain = evidence_gain(with_kernel(known, kernel_term(fit.layout, chosen, length_scale), priors), some)
        evidence[str(length_scale)] = fit.evidence + gain
        if progress is not None:
            progress(done, len(length_scales) + 1)
    best = max(length_scales, key=lambda scale: evidence[str(scale)])
    if evidence[str(best)] < evidence["none"] + MARGIN + MARGIN_A_SAMPLE * len(some):
        return fit, evidence
    count = min(centers, max(FEWEST_CENTERS, len(data) // SAMPLES_A_CENTER))
    chosen = spread_configurations(fit.layout, data.configurations, count, random_state)
    richer = with_kernel(fit, kernel_term(fit.layout, chosen, best), priors)
    # The noise that there was is in part what the term explains.
    richer = identify(replace(richer, joint_noise=0.0, precision=None), data, priors, FINAL, updates=UPDATES)
    return identify(with_noise_shape(richer, data), data, priors, FINAL, updates=UPDATES), evidence


def evidence_gain(fit: Fit, data: Measurements, name: str = "kernel") -> float:
    """Gain of log evidence by parameters of which nothing is known yet, at the likeliest scales.

    All other parameters are free, and noise and their scales as they are: what these parameters explain of the
    residuals that the others cannot. 0 where rounding hides it: of data without noise, or with more unknown than known.

    Parameters
    ----------
    fit : Fit
        With the parameters at zero.
    data : Measurements
    name : str
        Of their slice in the layout: "kernel", with a scale for each joint, or "backlash" or "payload_center", with
        one for all.
    """
    layout = fit.layout
    equations, fit = linearise(fit, data, joints_of(fit, data))
    hessian, gradient = equations.at(fit.factors)
    term = np.zeros(len(gradient), dtype=bool)
    term[layout.slices()[name]] = True
    others = hessian[np.ix_(~term, ~term)]
    others[np.diag_indices_from(others)] += fit.all_scales[~term] ** -2.0
    try:
        return _gain_at_likeliest_scales(fit, others, hessian, gradient, term, name)
    except np.linalg.LinAlgError:
        return 0.0


def _gain_at_likeliest_scales(
    fit: Fit, others: Array, hessian: Array, gradient: Array, term: np.ndarray, name: str
) -> float:
    """Gain by the parameters where ``term`` (C,) is true; ``others`` is the precision of all that are not."""
    layout = fit.layout
    values = np.concatenate([fit.parameters, np.zeros(len(fit.nuisance))])[~term]
    pull = gradient[~term] - values / fit.all_scales[~term] ** 2
    across = hessian[np.ix_(~term, term)]
    solved = cho_solve(cho_factor(others, lower=True), np.column_stack([across, pull]))
    inner = hessian[np.ix_(term, term)] - across.T @ solved[:, :-1]
    own = gradient[term] - across.T @ solved[:, -1]
    scales = fit.all_scales[term].reshape(layout.dof if name == "kernel" else 1, -1)
    for step in range(TRIAL + 1):
        flat = scales.ravel()
        root = cholesky(flat[:, None] * inner * flat + np.eye(len(flat)), lower=True)
        half = solve_triangular(root, flat * own, lower=True)
        if step == TRIAL:
            break
        inverse = solve_triangular(root, np.eye(len(root)), lower=True)
        found = (flat * (inverse.T @ half)).reshape(scales.shape)
        counts = (1.0 - (inverse**2).sum(axis=0)).reshape(scales.shape).sum(axis=1)
        sizes = ((found**2).sum(axis=1) + PSEUDO * scales[:, 0] ** 2) / (np.maximum(counts, 0.0) + PSEUDO)
        scales = np.tile(np.minimum(np.sqrt(sizes), LARGEST_SCALES[name])[:, None], (1, scales.shape[1]))
    return float(0.5 * half @ half - np.log(np.diag(root)).sum())
