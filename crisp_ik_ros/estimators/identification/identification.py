"""The identification: Gauss-Newton on all parameters, with prior and noise scales fitted by the evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve, lapack

from crisp_ik_ros.datasets.dataset import POSE
from crisp_ik_ros.errors import RegressionError
from crisp_ik_ros.estimators.identification.design import Design, Joints
from crisp_ik_ros.estimators.identification.measurements import (
    TAIL,
    Measurements,
    centred,
    residuals,
    robust_weights,
    squared_errors,
)
from crisp_ik_ros.estimators.identification.normal_equations import NUISANCES, NormalEquations, normal_equations
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.transforms import Array, rotation_exponential

# Scales change by less than this, and steps are shorter than so many standard deviations, when the fit ends.
SETTLED = 0.01
# Halvings of a step that makes things worse.
HALVINGS = 6
# Noise is at least this part of its prior: data of a simulator has none.
LEAST_NOISE = 1e-3
# No scale gets smaller than this part of its prior, or larger than its inverse.
LEAST_SCALE = 1e-3
# Standard deviations of an unknown measuring frame and tool: so much as any are (translation [m], rotation [rad]).
UNKNOWN = (10.0, 10.0)
KNOWN = 1e-9
# Multiples of the rounding error that are added to a precision which without is not positive definite.
GUARDS = (0.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True)
class Fit:
    """A robot's parameters and what they are known to.

    Attributes
    ----------
    layout : Layout
    parameters : (P,)
    scales : (P,)
        Standard deviations of the priors.
    frame, tool : (4, 4)
        The base in the measuring frame; what is measured, in the tip's frame.
    factors : (2,)
        Of the noise, position and orientation.
    weights : (n,)
        Of the samples: small for gross errors.
    equations : NormalEquations
        At the parameters.
    position, orientation : (n, 3)
        Residuals, positions centred.
    """

    layout: Layout
    parameters: Array
    scales: Array
    frame: Array
    tool: Array
    factors: Array
    weights: Array
    equations: NormalEquations
    position: Array
    orientation: Array
    nuisance: Array
    evidence: float = -np.inf
    iterations: int = 0

    @property
    def all_scales(self) -> Array:
        """Standard deviations (C,) of the priors, with those of measuring frame and tool."""
        return np.concatenate([self.scales, self.nuisance])

    def posterior(self) -> Array:
        """Factor L (C, C), lower, of the precision of the parameters over their prior scales."""
        hessian, _ = self.equations.at(self.factors)
        return _factor(hessian, self.all_scales)

    def covariance(self) -> Array:
        """Posterior covariance (P, P) of the robot's parameters."""
        scales = self.all_scales
        return (scales[:, None] * _inverse(self.posterior()) * scales)[: len(self.scales), : len(self.scales)]


def start(layout: Layout, priors: Priors, data: Measurements, frame: Array, tool: Array, nuisance: Array) -> Fit:
    """Return the nominal robot, with the noise that its errors look like."""
    parameters = np.zeros(layout.size)
    poses = layout.robot_with(parameters).forward_kinematics(data.configurations)
    position, orientation = residuals(data, poses, frame, tool)
    weights = np.ones(len(data))
    position = centred(data, position, weights)
    typical = np.median(np.linalg.norm(position / data.noise[:, :1], axis=1)) / 1.54
    full = data.kinds == POSE
    turned = np.linalg.norm(orientation[full] / data.noise[full, 1:], axis=1)
    factors = np.array([max(typical, 1.0), max(np.median(turned) / 1.54, 1.0) if full.any() else 1.0])
    nothing = NormalEquations(np.zeros((3, 0, 0)), np.zeros((3, 0)))
    return Fit(
        layout, parameters, layout.prior_scales(priors), frame, tool, factors, weights, nothing, position, orientation,
        nuisance,
    )  # fmt: skip


def nuisance_scales(data: Measurements, unknown_frame: bool, unknown_tool: bool) -> Array:
    """Standard deviations (12,) of measuring frame and tool."""
    scales = np.full(NUISANCES, KNOWN)
    if unknown_frame:
        scales[0:3], scales[3:6] = UNKNOWN
    if unknown_tool:
        scales[6:9] = UNKNOWN[0]
        scales[9:12] = UNKNOWN[1] if (data.kinds == POSE).any() else KNOWN
    return scales


def identify(
    fit: Fit, data: Measurements, priors: Priors, limit: int, progress: Callable[[int, int], None] | None = None
) -> Fit:
    """Improve a fit until it settles, or for ``limit`` iterations.

    Raises
    ------
    RegressionError
        When the data and priors give no solution.
    """
    layout = fit.layout
    start_scales = layout.prior_scales(priors)
    joints = Joints(layout, data.configurations)
    for iteration in range(1, limit + 1):
        equations, fit = linearise(fit, data, joints)
        scales = fit.all_scales
        hessian, gradient = equations.at(fit.factors)
        lower = _factor(hessian, scales)
        here = np.concatenate([fit.parameters, np.zeros(NUISANCES)])
        target = scales * cho_solve((lower, True), scales * (gradient + hessian @ here))
        inverse = _inverse(lower)
        step = target - here
        fit, length = _advance(fit, data, step)
        longest = np.max(
            np.abs(step[: layout.size]) / (fit.scales * np.sqrt(np.diag(inverse)[: layout.size])), initial=0
        )
        changed = 0.0
        if priors.adapt:
            fit, changed = adapt(fit, data, priors, start_scales, equations, inverse)
        fit = replace(fit, equations=equations, iterations=fit.iterations + 1)
        if progress is not None:
            progress(iteration, limit)
        if length == 1.0 and longest < 0.1 and changed < SETTLED:
            break
    equations, fit = linearise(fit, data, joints)
    fit = replace(fit, equations=equations)
    return replace(fit, evidence=log_evidence(fit, data))


def linearise(fit: Fit, data: Measurements, joints: Joints) -> tuple[NormalEquations, Fit]:
    """Normal equations at the parameters of a fit, and the fit with its residuals and weights."""
    robot = fit.layout.robot_with(fit.parameters)
    design = Design(fit.layout, fit.parameters, data.configurations, joints, robot)
    position, orientation = residuals(data, design.poses, fit.frame, fit.tool)
    weights, middle = robust_weights(data, position, orientation, fit.factors, fit.weights)
    equations = normal_equations(
        data, fit.layout, design, joints, fit.frame, fit.tool, position, orientation, weights
    )  # fmt: skip
    return equations, replace(fit, weights=weights, position=middle, orientation=orientation)


def _advance(fit: Fit, data: Measurements, step: Array) -> tuple[Fit, float]:
    """Go along a step (C,), or as far as that does not make things worse."""
    before, share = _cost(fit, data), 1.0
    for _ in range(HALVINGS):
        trial = moved(fit, share * step)
        if _cost(trial, data) <= before + 1e-9 * abs(before):
            return trial, share
        share *= 0.5
    return fit, 1.0


def moved(fit: Fit, step: Array) -> Fit:
    """Return the fit with its parameters, frame and tool moved by a step (C,)."""
    change = step[fit.layout.size :]
    turn = rotation_exponential(change[3:6])
    frame, tool = fit.frame.copy(), fit.tool.copy()
    frame[:3, :3], frame[:3, 3] = turn @ frame[:3, :3], frame[:3, 3] + change[:3]
    tool[:3, 3] = tool[:3, 3] + change[6:9]
    tool[:3, :3] = rotation_exponential(change[9:12]) @ tool[:3, :3]
    return replace(fit, parameters=fit.parameters + step[: fit.layout.size], frame=frame, tool=tool)


def _cost(fit: Fit, data: Measurements) -> float:
    """Negative logarithm of the posterior density, but for constants."""
    poses = fit.layout.robot_with(fit.parameters).forward_kinematics(data.configurations)
    position, orientation = residuals(data, poses, fit.frame, fit.tool)
    middle = centred(data, position, fit.weights)
    squares, numbers = squared_errors(data, middle, orientation, fit.factors)
    total = 0.5 * float(((TAIL + numbers) * np.log1p(squares / TAIL)).sum())
    if len(data.pairs):
        off = position - middle
        first = np.array([off[np.flatnonzero(data.groups == group)[0]] for group in data.pairs[:, 0]])
        second = np.array([off[np.flatnonzero(data.groups == group)[0]] for group in data.pairs[:, 1]])
        distances = np.linalg.norm(first - second, axis=1)
        total += 0.5 * float((((distances - data.lengths) / data.tolerances) ** 2).sum())
    return total + 0.5 * float(((fit.parameters / fit.scales) ** 2).sum())


def adapt(
    fit: Fit, data: Measurements, priors: Priors, start_scales: Array, equations: NormalEquations, inverse: Array
) -> tuple[Fit, float]:
    """Scales of priors and noise that explain the parameters better (MacKay 1992), and the largest relative change."""
    scales, changed = fit.scales.copy(), 0.0
    known = 1.0 - np.diag(inverse)[: len(scales)]
    for group in fit.layout.groups():
        columns, begin = group.columns, start_scales[group.columns[0]]
        weight = priors.pseudo_observations
        # Only directions that the data determines tell how large errors of this kind are.
        size = float((fit.parameters[columns] ** 2).sum()) + weight * begin**2
        scale = np.sqrt(size / (max(float(known[columns].sum()), 0.0) + weight))
        scale = min(max(scale, LEAST_SCALE * begin), begin / LEAST_SCALE)
        changed = max(changed, abs(np.log(scale / scales[columns[0]])))
        scales[columns] = scale
    factors = fit.factors.copy()
    full = data.kinds == POSE
    wide = fit.all_scales
    covariance = wide[:, None] * inverse * wide
    positions, orientations = _counts(data)
    parts = ((fit.position, positions, np.ones(len(data), dtype=bool)), (fit.orientation, orientations, full))
    for part, (values, numbers, members) in enumerate(parts):
        if numbers <= 0:
            continue
        squares = (values[members] ** 2).sum(axis=1) / data.noise[members, part] ** 2
        used = float((covariance * equations.hessians[part]).sum()) / factors[part] ** 2
        mean = float(fit.weights[members] @ squares) / max(numbers - used, 0.1 * numbers)
        factor = max(np.sqrt(mean), LEAST_NOISE)
        changed = max(changed, abs(np.log(factor / factors[part])))
        factors[part] = factor
    return replace(fit, scales=scales, factors=factors), changed


def _counts(data: Measurements) -> tuple[int, int]:
    """How many numbers of positions, less those that unknown points take up, and of orientations were measured."""
    groups = len(np.unique(data.groups[data.groups >= 0]))
    return 3 * len(data) - 3 * groups, 3 * int((data.kinds == POSE).sum())


def log_evidence(fit: Fit, data: Measurements) -> float:
    """Logarithm of the marginal likelihood, but for constants that all layouts share, by Laplace's approximation."""
    counts = np.array(_counts(data))
    return -_cost(fit, data) - float(counts @ np.log(fit.factors)) - float(np.log(np.diag(fit.posterior())).sum())


def _factor(hessian: Array, scales: Array) -> Array:
    """Cholesky factor (C, C), lower, of the precision in units of the prior scales."""
    precision = scales[:, None] * hessian * scales
    # Next to what noise-free data says of large errors, the priors are as small as the rounding.
    rounding = np.finfo(float).eps * float(np.max(np.diag(precision)))
    for guard in GUARDS:
        guarded = precision.copy()
        guarded[np.diag_indices_from(guarded)] += 1.0 + guard * rounding
        try:
            return cho_factor(guarded, lower=True, overwrite_a=True, check_finite=False)[0]
        except (np.linalg.LinAlgError, ValueError):
            continue
    raise RegressionError("the parameters cannot be identified: their precision is not positive definite")


def _inverse(lower: Array) -> Array:
    """Inverse (C, C) of a matrix by its Cholesky factor."""
    inverse, code = lapack.dpotri(lower, lower=1)
    assert code == 0
    return np.tril(inverse) + np.tril(inverse, -1).T
