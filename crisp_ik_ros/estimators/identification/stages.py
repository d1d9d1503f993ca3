"""The identification from measurements to a model that was held to its word, stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crisp_ik_ros.estimators.identification.alignment import align
from crisp_ik_ros.estimators.identification.identification import Fit, identify, nuisance_scales, start
from crisp_ik_ros.estimators.identification.kernel_choice import choose_kernel
from crisp_ik_ros.estimators.identification.measurements import Measurements
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.identification.uncertainty import Uncertainty, calibrate
from crisp_ik_ros.estimators.identification.validation import (
    OUTLIER,
    Validation,
    assign_folds,
    cross_validate,
    typical_error,
)

# Scales of the second start of the fit, over the priors'.
WIDE = 30.0
# Largest number of Gauss-Newton iterations without the kernel term.
ITERATIONS = 50
# Part of the noise that is not the measurement's but the arm's, and so the tool's error. With none, the bounds held for
# 71 to 95 % of the poses of simulated arms (300 samples); with this, for 93 to 100 %.
MISFIT = 0.4
# Held-out samples that a calibration needs.
FEWEST = 8

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class KernelChoice:
    """What a kernel term may be: length scales to choose among (none: no such term), and at most so many centers."""

    length_scales: Sequence[float]
    centers: int


@dataclass(frozen=True)
class Learnt:
    """What came of it: the fit, its errors on held-out samples, and the log evidence of the kernel terms by name."""

    fit: Fit
    validation: Validation
    evidence: dict[str, float]


def learn(
    data: Measurements,
    layout: Layout,
    priors: Priors,
    unknown: tuple[bool, bool],
    kernel: KernelChoice,
    locations: tuple[str, ...],
    random_state: int,
    progress: Progress | None = None,
) -> Learnt:
    """Identify a robot.

    Parameters
    ----------
    data : Measurements
        n samples.
    layout : Layout
        Of the nominal robot, without a kernel term.
    unknown : (bool, bool)
        Whether measuring frame and tool are.
    locations : n of str
        Where each sample was taken; "" where that is not known.

    Raises
    ------
    RegressionError
        When the data and priors give no solution.
    """
    poses = layout.robot.forward_kinematics(data.configurations)
    frame, tool = align(data, poses, *unknown, random_state)
    nominal = start(layout, priors, data, frame, tool, nuisance_scales(data, *unknown))
    fit = identify(nominal, data, priors, ITERATIONS, part_of(progress, 0, 25))
    if priors.adapt:
        # At first all that is not explained yet looks like noise, in which small errors are lost. Now that large ones
        # are known, the others get another chance.
        again = replace(fit, scales=np.maximum(fit.scales, WIDE * nominal.scales))
        again = identify(again, data, priors, ITERATIONS, part_of(progress, 25, 50))
        fit = max(fit, again, key=lambda found: found.evidence)
    # Once the frames are known, so are the lever arms of gravity.
    fit = replace(fit, layout=fit.layout.with_gravity_on(fit.parameters))
    fit = identify(fit, data, priors, ITERATIONS, part_of(progress, 50, 60))
    folds, method = assign_folds(data, locations, random_state)
    validation = cross_validate(fit, data, folds, method, nominal, random_state, part_of(progress, 60, 70))
    evidence = {"none": fit.evidence}
    if kernel.length_scales:
        richer, evidence = choose_kernel(
            fit, data, priors, kernel.length_scales, kernel.centers, random_state, part_of(progress, 70, 90)
        )
        if richer is not fit:
            other = cross_validate(richer, data, folds, method, nominal, random_state, part_of(progress, 90, 100))
            # What explains the data better must also be right where there is none.
            if not typical_error(other, fit.weights) >= typical_error(validation, fit.weights):
                fit, validation = richer, other
    if progress is not None:
        progress(100, 100)
    return Learnt(fit, validation, evidence)


def calibrated_uncertainty(fit: Fit, data: Measurements, validation: Validation, random_state: int) -> Uncertainty:
    """Uncertainty of a fit, calibrated on its held-out samples."""
    noise = fit.factors[0] * data.noise[:, 0]
    # What was measured with a known noise, and is off by more, no parameter explains; and part of any noise.
    excess = float(np.sqrt(max(np.median(noise**2 - data.noise[:, 0] ** 2), 0.0))) if data.stated else 0.0
    misfit = max(excess, MISFIT * float(np.median(noise)))
    found = Uncertainty.of(fit, misfit, random_state)
    found = replace(found, amid=float(np.median(found.supports(data.configurations)[:, 2])))
    usable = np.isfinite(validation.position).all(axis=1) & (fit.weights >= OUTLIER)
    if usable.sum() < FEWEST:
        return found
    factor = calibrate(validation.covariances[usable], validation.position[usable], noise[usable])
    return replace(found, factor=max(factor, 1.0))


def part_of(progress: Progress | None, begin: int, end: int) -> Progress | None:
    """Progress of a part of the work, between two of a hundred steps."""
    if progress is None:
        return None
    whole = progress

    def report(done: int, total: int) -> None:
        whole(begin + (end - begin) * done // total, 100)

    return report
