"""Noise of measured positions: the device's, and what no parameter explains of the arm, along every axis and by joint.

A joint that is off moves the tool by its lever: what a model leaves out of the joints shows far from their axes, and
hardly near them. Reading noise of the joints, backlash and errors finer than the model's all look like that.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from crisp_ik_ros.datasets.dataset import SAME_POINT
from crisp_ik_ros.estimators.identification.design import Design
from crisp_ik_ros.estimators.identification.identification import LEAST_NOISE, Fit, joint_motions, joints_of
from crisp_ik_ros.estimators.identification.measurements import Measurements
from crisp_ik_ros.transforms import Array

# Fewer samples do not tell one noise from another.
FEWEST = 20
# Standard deviation of the joint noise before there is data [rad], and the largest that there may be.
TYPICAL_JOINT_NOISE, LARGEST_JOINT_NOISE = 2e-4, 2e-3
# Part of the noise that is taken for the arm's own even where the device's is known: noise hides that scales are not
# known exactly. Without this the bounds held for 66 to 97 % of the poses of a simulated arm (150 samples, eight fits).
LEAST_SHARE = 0.3
# Starts of the search, in the noise of the fit [m] and of that over a lever of a metre [rad].
STARTS = ((1.0, 0.1), (0.5, 1.0), (0.1, 0.3))


def with_noise_shape(fit: Fit, data: Measurements) -> Fit:
    """Return a fit with the likeliest shape of its position noise: what is alike along all axes, and by joint.

    Where the device's noise is known, what is more along the axes is ``excess``; otherwise the noise factor tells it.
    """
    if len(data) < FEWEST:
        return fit
    joints = joints_of(fit, data)
    design = Design(fit.layout, fit.parameters, data.configurations, joints, payloads=data.payloads)
    moved = joint_motions(fit, data, design)
    levers, axes = np.linalg.eigh(moved @ moved.transpose(0, 2, 1))
    # Of a planar arm one is 0, and by rounding less.
    levers = np.maximum(levers, 0.0)
    # What the parameters have taken of the noise is in no residual.
    left = _share_left(fit, data)
    squares = fit.weights[:, None] * np.einsum("nab,na->nb", axes, fit.position) ** 2 / left
    device = data.noise[:, 0] ** 2
    typical = fit.factors[0] * float(np.median(data.noise[:, 0]))

    def cost(logs: Array) -> float:
        along, by_joint = np.exp(2.0 * logs)
        # Where no noise is stated that of the data is a shape to scale.
        common = device + along if data.stated else device * (along / np.median(device) + LEAST_NOISE**2)
        variances = common[:, None] + by_joint * levers
        prior = 0.5 * by_joint / TYPICAL_JOINT_NOISE**2
        return 0.5 * float((np.log(variances) + squares / variances).sum()) + prior

    found = [
        minimize(cost, np.log([along * typical, by_joint * typical]), method="Nelder-Mead", options={"maxiter": 200})
        for along, by_joint in STARTS
    ]
    along, by_joint = np.exp(min(found, key=lambda result: result.fun).x)
    by_joint = min(by_joint, LARGEST_JOINT_NOISE)
    if data.stated:
        # The factor stays near 1: it has what the two have not.
        return replace(fit, excess=along, joint_noise=by_joint, factors=np.array([1.0, fit.factors[1]]))
    factor = max(along / float(np.sqrt(np.median(device))), LEAST_NOISE)
    return replace(fit, joint_noise=by_joint / factor, factors=np.array([factor, fit.factors[1]]))


def own_noise(fit: Fit, data: Measurements) -> tuple[float, float]:
    """Standard deviations of what is the arm's own: along each axis [m], and of each joint [rad].

    All of the noise is, but for what the data states of the device's; and of that a part.
    """
    total = fit.factors[0] ** 2 * (data.noise[:, 0] ** 2 + fit.excess**2)
    device = data.noise[:, 0] ** 2 if data.stated else 0.0
    own = np.maximum(total - device, LEAST_SHARE**2 * total)
    return float(np.sqrt(np.median(own))), float(fit.factors[0] * fit.joint_noise)


def _share_left(fit: Fit, data: Measurements) -> float:
    """Share of the noise's variance that is still in the residuals of positions."""
    numbers = 3 * len(data) - 3 * len(np.unique(data.groups[data.kinds == SAME_POINT]))
    hessian = fit.equations.hessians[0] / fit.factors[0] ** 2
    scales = fit.all_scales
    used = float(np.einsum("ab,ab->", scales[:, None] * fit.inverse() * scales, hessian))
    return max(1.0 - used / max(numbers, 1), 0.1)
