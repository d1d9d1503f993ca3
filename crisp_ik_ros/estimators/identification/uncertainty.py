"""How far the tool may be from where an identified robot says: from samples of the posterior of its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import chdtri

from crisp_ik_ros.estimators.identification.identification import Fit
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.estimators.identification.spread import Samples, spreads, supports
from crisp_ik_ros.estimators.knowledge import KeptKnowledge, keep
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# Samples of the posterior: a standard deviation from so many is right to 7 %.
SAMPLES = 64
# Chance that the tool is farther off than the bound.
BEYOND = 0.05


@dataclass(frozen=True)
class Uncertainty:
    """What is not known of a robot's errors.

    Attributes
    ----------
    layout : Layout
    parameters : (P,)
    scales : (P,)
        Standard deviations of the priors.
    samples : (P, S)
        Deviations of the parameters, drawn from the posterior.
    measuring : (12, S)
        The same of measuring frame and tool, as the normal equations have them; 0 where both are known.
    frame, tool : (4, 4)
        The base in the measuring frame; what is measured, in the tip's frame.
    factor : float
        What the deviations are multiplied by to fit the errors on held-out samples.
    misfit : float
        Standard deviation of the tool's position along each axis that no parameter explains, beyond the measurement's
        noise [m].
    amid : float
        Spread of the tool that is usual at the samples [m].
    """

    layout: Layout
    parameters: Array
    scales: Array
    samples: Array
    measuring: Array
    frame: Array
    tool: Array
    factor: float = 1.0
    misfit: float = 0.0
    amid: float = np.inf

    @classmethod
    def of(cls, fit: Fit, misfit: float, random_state: int) -> Uncertainty:
        """Draw samples from the posterior of a fit."""
        scales = fit.all_scales
        draws = np.random.default_rng(random_state).standard_normal((len(scales), SAMPLES))
        samples = scales[:, None] * solve_triangular(fit.posterior(), draws, lower=True, trans="T")
        count = len(fit.scales)
        return cls(
            fit.layout, fit.parameters, fit.scales, samples[:count], samples[count:], fit.frame, fit.tool, 1.0, misfit
        )  # fmt: skip

    @cached_property
    def robot(self) -> RobotModel:
        """The identified robot."""
        return self.layout.robot_with(self.parameters)

    @cached_property
    def _kept(self) -> KeptKnowledge:
        return keep(self._for_compiled_code)

    @cached_property
    def _for_compiled_code(self) -> Samples:
        layout = self.layout
        joints, centers, plain = layout.dof, layout.centers, layout.parametric
        kernel, basis = np.zeros((joints, 0, self.samples.shape[1])), np.zeros((0, 0))
        scales, back = np.zeros(joints), self.frame[:3, :3].T
        # Seen from the base, which is where the tool is.
        moves = np.concatenate([back @ self.measuring[:3], back @ self.measuring[3:6], self.measuring[6:9]])
        if layout.kernel is not None:
            basis = layout.kernel.basis
            kernel = basis @ self.samples[plain:].reshape(joints, centers, -1)
            scales = self.scales[plain::centers].copy()
        return Samples(
            self.robot.chain, np.ascontiguousarray(layout.turns(self.parameters).transpose(0, 2, 1)), layout.units,
            np.ascontiguousarray(self.samples[:plain]), np.ascontiguousarray(kernel), self.scales[:plain].copy(),
            scales, np.ascontiguousarray(basis @ basis.T), self.tool[:3, 3].copy(), np.ascontiguousarray(moves),
        )  # fmt: skip

    def __getstate__(self) -> dict[str, Any]:
        # For copies and pickles, which cannot have what compiled code holds.
        return {name: value for name, value in self.__dict__.items() if name != "_kept"}

    def covariances(self, configurations: Array) -> Array:
        """What is not known of the position at configurations (n, J): (n, 3, 3), along the base frame's axes [m^2].

        It is the position that is measured: where frame or tool are unknown, that of the marker in the measuring frame.
        """
        displacements, coverages = spreads(self._kept, configurations)
        covariances = displacements @ displacements.transpose(0, 2, 1) / displacements.shape[2]
        if self.layout.centers:
            # Between the centers the term has its prior.
            scales = self.layout.units * self._for_compiled_code.kernel_scales
            moving = self.robot.jacobian(configurations)[:, :3] * scales
            covariances += (1.0 - coverages)[:, None, None] * (moving @ moving.transpose(0, 2, 1))
        return covariances

    def bounds(self, configurations: Array) -> Array:
        """Distances (n,) [m] that the tool's position is within, with 95 % probability, of the identified robot's."""
        covariances = self.covariances(configurations)
        return error_bounds(self.factor**2 * covariances + self.misfit**2 * np.eye(3))

    def supports(self, configurations: Array) -> Array:
        """Support, coverage and spread (n, 3) at configurations (n, J), or of rows that begin with them.

        The support is how much of what was unknown of the tool's position the data has told, the coverage how near the
        kernel term's centers are, and 1 where there is no such term, both 0 to 1; the spread is the standard deviation
        of the tool's position that is left [m].
        """
        return supports(self._kept, configurations)


def error_bounds(covariances: Array, beyond: float = BEYOND) -> Array:
    """Lengths (n,) that normal vectors of covariances (n, 3, 3) exceed with a probability of ``beyond``.

    The squared length is taken for a multiple of a chi-squared number with the same mean and variance (Satterthwaite
    1946).
    """
    means = np.trace(covariances, axis1=1, axis2=2)
    squares = (covariances**2).sum(axis=(1, 2))
    # Between 1 (along a line) and 3, but where nothing is unknown at all.
    freedom = np.maximum(means**2 / np.maximum(squares, 1e-300), 1.0)
    return np.sqrt(means * chdtri(freedom, beyond) / freedom)


def calibrate(covariances: Array, residuals: Array, noise: Array) -> float:
    """Factor of the standard deviations that makes residuals (n, 3) of held-out samples likeliest.

    Parameters
    ----------
    covariances : (n, 3, 3)
        As ``Uncertainty.covariances`` gives them [m^2].
    residuals : (n, 3)
        Measured minus predicted positions [m].
    noise : (n,)
        Standard deviation of what else is in a residual, along each axis [m].
    """
    values, vectors = np.linalg.eigh(covariances)
    squares = np.einsum("nab,na->nb", vectors, residuals) ** 2
    best, highest = 1.0, -np.inf
    for factor in np.geomspace(0.7, 10.0, 80):
        variances = factor**2 * np.maximum(values, 0.0) + noise[:, None] ** 2
        likelihood = -0.5 * float((np.log(variances) + squares / variances).sum())
        if likelihood > highest:
            best, highest = float(factor), likelihood
    return best
