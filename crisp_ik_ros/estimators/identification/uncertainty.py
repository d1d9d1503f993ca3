"""How far the tool may be from where an identified robot says: from samples of the posterior of its parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri

from crisp_ik_ros.estimators.identification.design import Design, Joints
from crisp_ik_ros.estimators.identification.identification import Fit
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# Samples of the posterior: a standard deviation from so many is right to 7 %.
SAMPLES = 64
# Configurations worked on at a time.
BLOCK = 512
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
    factor : float
        What the deviations are multiplied by to fit the errors on held-out samples.
    misfit : float
        Standard deviation of the tool's position along each axis that no parameter explains, beyond the measurement's
        noise [m].
    """

    layout: Layout
    parameters: Array
    scales: Array
    samples: Array
    factor: float = 1.0
    misfit: float = 0.0

    @classmethod
    def of(cls, fit: Fit, misfit: float, random_state: int) -> Uncertainty:
        """Draw samples from the posterior of a fit."""
        from scipy.linalg import solve_triangular

        scales = np.concatenate([fit.scales, fit.nuisance])
        draws = np.random.default_rng(random_state).standard_normal((len(scales), SAMPLES))
        samples = scales[:, None] * solve_triangular(fit.posterior(), draws, lower=True, trans="T")
        return cls(fit.layout, fit.parameters, fit.scales, samples[: len(fit.scales)], 1.0, misfit)

    def covariances(self, robot: RobotModel, configurations: Array) -> tuple[Array, Array, Array]:
        """What is not known of the tool at configurations (n, J) of the identified robot.

        Returns
        -------
        covariances : (n, 3, 3)
            Of the tool's position, base frame [m^2].
        priors : (n,)
            Traces of the same before there was data [m^2].
        coverages : (n,)
            0 to 1: how near the kernel term's centers are; 1 where there is no such term.
        """
        parts = [
            self._block(robot, configurations[begin : begin + BLOCK]) for begin in range(0, len(configurations), BLOCK)
        ]
        covariances, priors, coverages = (np.concatenate(values) for values in zip(*parts, strict=True))
        return covariances, priors, coverages

    def _block(self, robot: RobotModel, configurations: Array) -> tuple[Array, Array, Array]:
        layout = self.layout
        joints = Joints(layout, configurations)
        design = Design(layout, self.parameters, configurations, joints, robot)
        spread = design.displacements(joints, layout, self.samples)[:, :3]
        covariances = spread @ spread.transpose(0, 2, 1) / self.samples.shape[1]
        priors = ((design.rows[:, :3] * self.scales[: layout.parametric]) ** 2).sum(axis=(1, 2))
        coverages = np.ones(len(configurations))
        if layout.centers:
            sizes = self.scales[layout.parametric :: layout.centers] ** 2
            lengths = (design.motions[:, :3] ** 2).sum(axis=1)
            coverages = np.minimum((joints.rows**2).sum(axis=1), 1.0)
            # Between the centers the term has its prior.
            moving = design.motions[:, :3] * np.sqrt(sizes)
            unseen = (1.0 - coverages)[:, None, None]
            covariances = covariances + unseen * (moving @ moving.transpose(0, 2, 1))
            priors = priors + lengths @ sizes
        return covariances, priors, coverages

    def bounds(self, robot: RobotModel, configurations: Array) -> Array:
        """Distances (n,) [m] that the tool's position is within, with 95 % probability, of the identified robot's."""
        covariances, _, _ = self.covariances(robot, configurations)
        return error_bounds(self.factor**2 * covariances + self.misfit**2 * np.eye(3))

    def supports(self, robot: RobotModel, configurations: Array) -> tuple[Array, Array]:
        """Support and coverage (n,), 0 to 1: how much of what was unknown of the tool's position the data has told."""
        covariances, priors, coverages = self.covariances(robot, configurations)
        left = np.trace(covariances, axis1=1, axis2=2) / np.maximum(priors, 1e-300)
        return 1.0 - np.sqrt(np.clip(left, 0.0, 1.0)), coverages


def error_bounds(covariances: Array, beyond: float = BEYOND) -> Array:
    """Lengths (n,) that normal vectors of covariances (n, 3, 3) exceed with a probability of ``beyond``.

    The squared length is taken for a multiple of a chi-squared number with the same mean and variance (Satterthwaite
    1946).
    """
    means = np.trace(covariances, axis1=1, axis2=2)
    squares = (covariances**2).sum(axis=(1, 2))
    freedom = means**2 / np.maximum(squares, 1e-300)
    return np.sqrt(means * chdtri(freedom, beyond) / np.maximum(freedom, 1e-300))


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
