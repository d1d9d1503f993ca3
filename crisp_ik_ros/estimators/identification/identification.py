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
    at_rows,
    centred,
    residuals,
    robust_weights,
    squared_errors,
)
from crisp_ik_ros.estimators.identification.normal_equations import NormalEquations, normal_equations, nuisance_columns
from crisp_ik_ros.estimators.identification.parameters import Group, Layout
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.transforms import Array, rotation_exponential

# Scales change by less than this, and steps are shorter than so many standard deviations, when the fit ends.
SETTLED = 0.01
# Halvings of a step that makes things worse.
HALVINGS = 6
# Noise is at least this part of its prior: data of a simulator has none.
LEAST_NOISE = 1e-3
# No scale gets smaller than this part of its prior.
LEAST_SCALE = 1e-3
# Updates of the scales at one linearization, at most, and the longest step after which there is more than one, in
# standard deviations.
UPDATES, CALM = 12, 3.0
# Weight of the scales of other joints against a joint's own, and of the prior against all of them, in numbers seen.
FAMILY_WEIGHT, BAND_WEIGHT = 4.0, 0.5
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
    frame, tool : (4, 4) or (k, 4, 4)
        The base in the measuring frame, or in that of each session; what is measured, in the tip's frame, or each
        marker of each session.
    factors : (2,)
        Of the noise, position and orientation.
    weights : (n,)
        Of the samples: small for gross errors.
    equations : NormalEquations
        At the parameters.
    position, orientation : (n, 3)
        Residuals, positions centred.
    excess, joint_noise : float
        Standard deviations, at a noise factor of 1, of what else there is in a measured position: along every axis [m],
        and of each joint [rad], by which the tool moves the more the longer its lever.
    precision : (n, 3, 3)
        Inverse covariance of each measured position at a noise factor of 1 [1/m^2].
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
    excess: float = 0.0
    joint_noise: float = 0.0
    precision: Array | None = None

    @property
    def all_scales(self) -> Array:
        """Standard deviations (C,) of the priors, with those of measuring frame and tool."""
        return np.concatenate([self.scales, self.nuisance])

    def posterior(self) -> Array:
        """Factor L (C, C), lower, of the precision of the parameters over their prior scales."""
        hessian, _ = self.equations.at(self.factors)
        return _factor(hessian, self.all_scales)

    def inverse(self) -> Array:
        """Posterior covariance (C, C) of all parameters over their prior scales."""
        return _inverse(self.posterior())

    def covariance(self) -> Array:
        """Posterior covariance (P, P) of the robot's parameters."""
        scales = self.all_scales
        return (scales[:, None] * self.inverse() * scales)[: len(self.scales), : len(self.scales)]


def start(layout: Layout, priors: Priors, data: Measurements, frame: Array, tool: Array, nuisance: Array) -> Fit:
    """Return the nominal robot, with the noise that its errors look like."""
    parameters = np.zeros(layout.size)
    poses = predicted_poses(layout, parameters, data)
    position, orientation = residuals(data, poses, frame, tool)
    weights = np.ones(len(data))
    position = centred(data, position, weights)
    typical = np.median(np.linalg.norm(position / data.noise[:, :1], axis=1)) / 1.54
    full = data.kinds == POSE
    turned = np.linalg.norm(orientation[full] / data.noise[full, 1:], axis=1)
    factors = np.array([max(typical, 1.0), max(np.median(turned) / 1.54, 1.0) if full.any() else 1.0])
    nothing = NormalEquations(np.zeros((3, 0, 0)), np.zeros((3, 0)), np.zeros(3))
    return Fit(
        layout, parameters, layout.prior_scales(priors), frame, tool, factors, weights, nothing, position, orientation,
        nuisance,
    )  # fmt: skip


def nuisance_scales(data: Measurements, unknown_frame: bool, unknown_tool: bool) -> Array:
    """Standard deviations (12 or more,) of measuring frames and tools."""
    frames, tools = nuisance_columns(len(data.frame_names), len(data.tool_names))
    scales = np.full(6 * (len(frames) + len(tools)), KNOWN)
    for place in frames if unknown_frame else ():
        scales[place] = np.repeat(UNKNOWN, 3)
    for k, place in enumerate(tools if unknown_tool else ()):
        own = data.kinds == POSE if data.tool_of is None else (data.kinds == POSE) & (data.tool_of == k)
        scales[place] = np.repeat([UNKNOWN[0], UNKNOWN[1] if own.any() else KNOWN], 3)
    return scales


def predicted_poses(layout: Layout, parameters: Array, data: Measurements) -> Array:
    """Tip poses (n, 4, 4) of measurements, each with its payload and side of approach, base frame [m]."""
    return layout.forward_kinematics(parameters, data.configurations, data.payloads, data.approaches, data.load_of)


def identify(
    fit: Fit,
    data: Measurements,
    priors: Priors,
    limit: int,
    progress: Callable[[int, int], None] | None = None,
    updates: int = UPDATES,
) -> Fit:
    """Improve a fit until it settles, or for ``limit`` iterations with so many ``updates`` of the scales in each.

    Raises
    ------
    RegressionError
        When the data and priors give no solution.
    """
    layout = fit.layout
    joints = joints_of(fit, data)
    calm = False
    for iteration in range(1, limit + 1):
        equations, fit = linearise(fit, data, joints)
        fit = replace(fit, equations=equations)
        here, changed = np.concatenate([fit.parameters, np.zeros(len(fit.nuisance))]), 0.0
        target, inverse = solution(fit, here)
        # Near the solution the equations stay what they are, and scales and noise settle with them. Far from it one
        # update a step is enough: they would settle on residuals that are never reached.
        for _ in range(updates if calm and priors.adapt else 0):
            fit, change = adapt(fit, data, priors, target, inverse, here)
            target, inverse = solution(fit, here)
            changed = max(changed, change)
            if change < SETTLED:
                break
        step = target - here
        reached, length = _advance(fit, data, step)
        longest = np.max(
            np.abs(step[: layout.size]) / (fit.scales * np.sqrt(np.diag(inverse)[: layout.size])), initial=0
        )
        if priors.adapt and not calm:
            reached, changed = adapt(
                replace(fit, parameters=reached.parameters, frame=reached.frame, tool=reached.tool),
                data, priors, here + length * step, inverse, here,
            )  # fmt: skip
        calm = length == 1.0 and longest < CALM
        fit = replace(reached, iterations=fit.iterations + 1)
        if progress is not None:
            progress(iteration, limit)
        if length == 1.0 and longest < 0.1 and changed < 5.0 * SETTLED:
            break
    equations, fit = linearise(fit, data, joints)
    fit = replace(fit, equations=equations)
    return replace(fit, evidence=log_evidence(fit, data))


def solve(fit: Fit, here: Array) -> tuple[Array, Array]:
    """Parameters (C,) that the equations about ``here`` lead to, and the factor (C, C) of their precision."""
    hessian, gradient = fit.equations.at(fit.factors)
    scales = fit.all_scales
    lower = _factor(hessian, scales)
    return scales * cho_solve((lower, True), scales * (gradient + hessian @ here)), lower


def solution(fit: Fit, here: Array) -> tuple[Array, Array]:
    """Parameters (C,) that the equations about ``here`` lead to, and their covariance (C, C) over the prior scales."""
    target, lower = solve(fit, here)
    return target, _inverse(lower)


def linearise(fit: Fit, data: Measurements, joints: Joints) -> tuple[NormalEquations, Fit]:
    """Normal equations at the parameters of a fit, and the fit with its residuals, weights and precision."""
    design = Design(fit.layout, fit.parameters, data.configurations, joints, payloads=data.payloads)
    position, orientation = residuals(data, design.poses, fit.frame, fit.tool)
    precision = _precision(fit, data, design)
    weights, middle = robust_weights(data, position, orientation, fit.factors, fit.weights, precision)
    equations = normal_equations(
        data, fit.layout, design, joints, fit.frame, fit.tool, position, orientation, weights, precision
    )  # fmt: skip
    return equations, replace(fit, weights=weights, position=middle, orientation=orientation, precision=precision)


def joints_of(fit: Fit, data: Measurements) -> Joints:
    """Effects of the parameters of the joints at the configurations of measurements."""
    return Joints(fit.layout, data.configurations, data.payloads, data.approaches, data.load_of)


def joint_motions(fit: Fit, data: Measurements, design: Design) -> Array:
    """Motion (n, 3, J) of the measured point with each joint, in the joint's units and the measuring frame [m/rad]."""
    lever = design.poses[:, :3, :3] @ at_rows(fit.tool, data.tool_of)[..., :3, 3, None]
    moved = design.motions[:, :3] + np.cross(design.motions[:, 3:], lever, axis=1)
    return np.asarray(at_rows(fit.frame, data.frame_of)[..., :3, :3] @ moved)


def _precision(fit: Fit, data: Measurements, design: Design) -> Array | None:
    if fit.joint_noise == 0.0 and fit.excess == 0.0:
        return None
    moved = fit.joint_noise * joint_motions(fit, data, design)
    covariance = (data.noise[:, 0] ** 2 + fit.excess**2)[:, None, None] * np.eye(3) + moved @ moved.transpose(0, 2, 1)
    return np.asarray(np.linalg.inv(covariance))


def _advance(fit: Fit, data: Measurements, step: Array) -> tuple[Fit, float]:
    """Go along a step (C,), or as far as that does not make things worse, and say which share of it that was."""
    before, share = _cost(fit, data), 1.0
    for _ in range(HALVINGS):
        trial = moved(fit, share * step)
        if _cost(trial, data) <= before + 1e-9 * abs(before):
            return trial, share
        share *= 0.5
    return fit, 0.0


def moved(fit: Fit, step: Array) -> Fit:
    """Return the fit with its parameters, frame and tool moved by a step (C,)."""
    change = step[fit.layout.size :]
    frame, tool = fit.frame.copy(), fit.tool.copy()
    frames, tools = frame.reshape(-1, 4, 4), tool.reshape(-1, 4, 4)
    columns = nuisance_columns(len(frames), len(tools))
    for pose, place in zip(frames, columns[0], strict=True):
        pose[:3, :3] = rotation_exponential(change[place][3:]) @ pose[:3, :3]
        pose[:3, 3] += change[place][:3]
    for pose, place in zip(tools, columns[1], strict=True):
        pose[:3, 3] += change[place][:3]
        pose[:3, :3] = rotation_exponential(change[place][3:]) @ pose[:3, :3]
    return replace(fit, parameters=fit.parameters + step[: fit.layout.size], frame=frame, tool=tool)


def _cost(fit: Fit, data: Measurements) -> float:
    """Negative logarithm of the posterior density, but for constants."""
    poses = predicted_poses(fit.layout, fit.parameters, data)
    position, orientation = residuals(data, poses, fit.frame, fit.tool)
    middle = centred(data, position, fit.weights, fit.precision)
    squares, numbers = squared_errors(data, middle, orientation, fit.factors, fit.precision)
    total = 0.5 * float(((TAIL + numbers) * np.log1p(squares / TAIL)).sum())
    if len(data.pairs):
        off = position - middle
        first = np.array([off[np.flatnonzero(data.groups == group)[0]] for group in data.pairs[:, 0]])
        second = np.array([off[np.flatnonzero(data.groups == group)[0]] for group in data.pairs[:, 1]])
        distances = np.linalg.norm(first - second, axis=1)
        total += 0.5 * float((((distances - data.lengths) / data.tolerances) ** 2).sum())
    return total + 0.5 * float(((fit.parameters / fit.scales) ** 2).sum())


def adapt(
    fit: Fit, data: Measurements, priors: Priors, target: Array, inverse: Array, here: Array
) -> tuple[Fit, float]:
    """Scales of priors and noise that explain the parameters better (MacKay 1992), and the largest relative change.

    Parameters
    ----------
    target : (C,)
        Parameters that the fit's equations lead to.
    inverse : (C, C)
        Their covariance over the prior scales.
    here : (C,)
        Parameters that the equations are about.
    """
    scales, changed = fit.scales.copy(), 0.0
    known = 1.0 - np.diag(inverse)[: len(scales)]
    groups = list(fit.layout.groups())
    # Only directions that the data determines tell how large errors of a kind are.
    sizes = [float((target[group.columns] ** 2).sum()) for group in groups]
    counts = [max(float(known[group.columns].sum()), 0.0) for group in groups]
    middles = _family_scales(groups, sizes, counts, priors)
    for group, size, count in zip(groups, sizes, counts, strict=True):
        columns, begin, weight = group.columns, group.prior_scale(priors), priors.pseudo_observations
        if group.family:
            begin, weight = middles[group.family], FAMILY_WEIGHT
        scale = np.sqrt((size + weight * begin**2) / (count + weight))
        scale = min(max(scale, LEAST_SCALE * group.prior_scale(priors)), group.largest_scale(priors))
        changed = max(changed, abs(np.log(scale / scales[columns[0]])))
        scales[columns] = scale
    factors = fit.factors.copy()
    wide = fit.all_scales
    covariance = wide[:, None] * inverse * wide
    for part, numbers in enumerate(_counts(data)):
        if numbers <= 0:
            continue
        squares = fit.equations.squares_after(part, target - here)
        used = float((covariance * fit.equations.hessians[part]).sum()) / factors[part] ** 2
        factor = max(np.sqrt(squares / max(numbers - used, 0.1 * numbers)), LEAST_NOISE)
        changed = max(changed, abs(np.log(factor / factors[part])))
        factors[part] = factor
    return replace(fit, scales=scales, factors=factors), changed


def _family_scales(groups: list[Group], sizes: list[float], counts: list[float], priors: Priors) -> dict[str, float]:
    """Scale of each family of groups: what their parameters have in common."""
    totals: dict[str, tuple[float, float]] = {}
    for group, size, count in zip(groups, sizes, counts, strict=True):
        if group.family:
            begin = BAND_WEIGHT * group.prior_scale(priors) ** 2, BAND_WEIGHT
            total, number = totals.get(group.family, begin)
            totals[group.family] = total + size, number + count
    return {family: float(np.sqrt(total / number)) for family, (total, number) in totals.items()}


def _counts(data: Measurements) -> tuple[int, int]:
    """How many numbers of positions, less those that unknown points take up, and of orientations were measured."""
    groups = len(np.unique(data.groups[data.groups >= 0]))
    return 3 * len(data) - 3 * groups, 3 * int((data.kinds == POSE).sum())


def log_evidence(fit: Fit, data: Measurements) -> float:
    """Logarithm of the marginal likelihood, but for constants that all layouts share, by Laplace's approximation."""
    counts = np.array(_counts(data))
    volume = float(np.log(np.diag(fit.posterior())).sum())
    if fit.precision is not None:
        volume -= 0.5 * float(np.linalg.slogdet(fit.precision * data.noise[:, 0, None, None] ** 2)[1].sum())
    return -_cost(fit, data) - float(counts @ np.log(fit.factors)) - volume


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
