"""Uncertainty of an identified robot's tool: posterior samples of its parameters, and what no parameter explains.

A bound is made of three parts. What the data leaves unknown of the parameters is in samples of their posterior. What no
parameter explains shows at the samples: it is the arm's own, along every axis and by every joint. And where a joint was
never measured it may do what no other joint does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import chdtri

from crisp_ik_ros.estimators.identification.identification import Fit
from crisp_ik_ros.estimators.identification.measurements import TAIL, first_pose
from crisp_ik_ros.estimators.identification.normal_equations import NUISANCES
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.estimators.identification.spread import Samples, nearness_of, spreads, supports
from crisp_ik_ros.estimators.knowledge import KeptKnowledge, keep
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# Samples of the posterior: a standard deviation from so many is right to 7 %.
SAMPLES = 64
# Chance that the tool is farther off than the bound.
BEYOND = 0.05
# Standard deviation of what a joint does, beside what was identified, where it was never measured [rad].
UNMEASURED = 7e-4
# Largest factor of calibration.
LARGEST_FACTOR = 10.0
# Distance from a measured position to which a joint is known as well as there, and over which that fades [rad]; number
# of positions at which that is kept.
KNOWN_WITHIN, FADING, PLACES = 0.1, 0.3, 257


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
    misfit, joint_misfit : float
        Standard deviations of what no parameter explains and is not the device's noise: of the tool's position along
        each axis [m], and of each joint [rad].
    nearness : (J, 257), optional
        Nearness of the measured positions of each joint, as ``nearness_table`` gives it. Default: all are measured.
    payload : float
        Mass that the tip carries, which ``layout`` has among its bodies [kg].
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
    joint_misfit: float = 0.0
    nearness: Array | None = None
    payload: float = 0.0

    @classmethod
    def of(cls, fit: Fit, misfit: float, random_state: int, configurations: Array | None = None) -> Uncertainty:
        """Draw samples from the posterior of a fit to measurements at configurations (n, J)."""
        scales = fit.all_scales
        draws = np.random.default_rng(random_state).standard_normal((len(scales), SAMPLES))
        samples = scales[:, None] * solve_triangular(fit.posterior(), draws, lower=True, trans="T")
        count = len(fit.scales)
        return cls(
            fit.layout, fit.parameters, fit.scales, samples[:count],
            samples[count : count + NUISANCES], first_pose(fit.frame), first_pose(fit.tool), 1.0, misfit,
            nearness=None if configurations is None else nearness_table(fit.layout, configurations),
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
        # As rotations of the turned frames, which is what compiled code knows.
        deviations = self.samples[:plain].copy()
        turned = deviations[: layout.geometric].reshape(joints + 1, 6, -1)[:, 3:]
        turned[...] = layout.turn_rates(self.parameters) @ turned
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
            np.ascontiguousarray(deviations), np.ascontiguousarray(kernel), self.scales[:plain].copy(),
            scales, np.ascontiguousarray(basis @ basis.T), self.tool[:3, 3].copy(), np.ascontiguousarray(moves),
            np.ones((joints, 2)) if self.nearness is None else self.nearness, *joint_ranges(layout.robot), UNMEASURED,
            self.payload if layout.center_fitted else 0.0, layout.slices()["payload_center"].start,
        )  # fmt: skip

    def __getstate__(self) -> dict[str, Any]:
        # For copies and pickles, which cannot have what compiled code holds.
        return {name: value for name, value in self.__dict__.items() if name != "_kept"}

    def carrying(self, layout: Layout, mass: float) -> Uncertainty:
        """Return the same of the robot of a layout without a load whose tip carries a mass [kg]."""
        return replace(self, layout=layout.with_payload(mass, self.parameters), payload=mass)

    def at(self, frame: Array, tool: Array, measuring: Array | None = None) -> Uncertainty:
        """Return the same of a robot that is measured in another frame, or by another tool (4, 4)."""
        return replace(self, frame=frame, tool=tool, measuring=self.measuring if measuring is None else measuring)

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

    def unexplained(self, configurations: Array, approached: bool = False) -> Array:
        """Covariance (n, 3, 3) of the position that no parameter explains at configurations (n, J) [m^2].

        Along the axes of ``covariances``: what no parameter explains at the samples, and what joints may do where they
        were never measured; and their play, but where ``approached`` says that the side they came from is known.
        """
        found = np.tile(self.misfit**2 * np.eye(3), (len(configurations), 1, 1))
        variances = np.full(configurations.shape, self.joint_misfit**2)
        if self.layout.backlash and not approached:
            # From which side a joint will come to rest is not known.
            variances += self.parameters[self.layout.slices()["backlash"]] ** 2
        if self.nearness is not None:
            near = nearness_of(self.nearness, *joint_ranges(self.layout.robot), configurations)
            variances += UNMEASURED**2 * (1.0 - near**2)
        if not variances.any():
            return found
        jacobian = self.robot.jacobian(configurations)
        lever = self.robot.forward_kinematics(configurations)[:, :3, :3] @ self.tool[:3, 3]
        moving = jacobian[:, :3] + np.cross(jacobian[:, 3:], lever[:, :, None], axis=1)
        moving = moving * (self.layout.units * np.sqrt(variances))[:, None]
        return found + moving @ moving.transpose(0, 2, 1)

    def bounds(self, configurations: Array) -> Array:
        """Distances (n,) [m] that the tool's position is within, with 95 % probability, of the identified robot's."""
        covariances = self.covariances(configurations)
        return error_bounds(self.factor**2 * covariances + self.unexplained(configurations))

    def supports(self, configurations: Array) -> Array:
        """Support, coverage and spread (n, 3) at configurations (n, J), or of rows that begin with them.

        The support is how much of what was unknown of the tool's position the data has told, the coverage how near the
        kernel term's centers are, and 1 where there is no such term, both 0 to 1; the spread is the standard deviation
        of the tool's position that is left [m].
        """
        return supports(self._kept, configurations)


def nearness_table(layout: Layout, configurations: Array) -> Array:
    """Nearness (J, 257) of measured configurations (n, J) at 257 positions over the range of each joint, ends included.

    It is 1 near a measured position and 0 far from all. A turn away is far, but for a joint without limits: cables and
    bearings are not where they were.
    """
    lower, spans = joint_ranges(layout.robot)
    table = np.empty((layout.dof, PLACES))
    for j, own in enumerate(configurations.T):
        places, measured = np.linspace(lower[j], lower[j] + spans[j], PLACES), np.sort(own)
        if layout.robot.continuous[j]:
            measured = np.concatenate([measured[-1:] - spans[j], measured, measured[:1] + spans[j]])
        above = np.searchsorted(measured, places)
        distance = np.minimum(
            np.abs(places - measured[np.maximum(above - 1, 0)]),
            np.abs(measured[np.minimum(above, len(measured) - 1)] - places),
        )
        beyond = np.maximum(distance / layout.units[j] - KNOWN_WITHIN, 0.0)
        table[j] = np.exp(-0.5 * (beyond / FADING) ** 2)
    return table


def joint_ranges(robot: RobotModel) -> tuple[Array, Array]:
    """Beginning and length (J,) of the range of each joint [rad or m]."""
    return robot.lower, np.maximum(robot.upper - robot.lower, 1e-9)


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


def covering_factor(residuals: Array, covariances: Array, others: Array) -> float:
    """Smallest factor from 1 to 10 of standard deviations with which bounds hold for 95 % of residuals.

    Parameters
    ----------
    residuals : (n, 3)
        Of held-out samples: measured minus predicted positions [m].
    covariances : (n, 3, 3)
        Whose standard deviations are multiplied [m^2].
    others : (n, 3, 3)
        What else is in a residual [m^2].
    """
    if not len(residuals):
        return 1.0
    lengths = np.linalg.norm(residuals, axis=1)
    for factor in np.geomspace(1.0, LARGEST_FACTOR, 60):
        if np.mean(lengths <= error_bounds(factor**2 * covariances + others)) >= 1.0 - BEYOND:
            return float(factor)
    return LARGEST_FACTOR


def likeliest_factor(residuals: Array, covariances: Array, others: Array) -> float:
    """Factor from 1 to 10 of standard deviations that makes residuals likeliest; arguments as in ``covering_factor``.

    Where noise hides how large the covariances ought to be, a share of residuals within bounds does not show it.
    """
    factors = np.geomspace(1.0, LARGEST_FACTOR, 40)
    costs = []
    for factor in factors:
        variances = factor**2 * covariances + others
        squares = np.einsum("na,na->n", residuals, np.linalg.solve(variances, residuals[:, :, None])[:, :, 0])
        # Student's, so that a few samples far off do not decide.
        costs.append(float((np.linalg.slogdet(variances)[1] + (TAIL + 3.0) * np.log1p(squares / TAIL)).sum()))
    return float(factors[np.argmin(costs)])
