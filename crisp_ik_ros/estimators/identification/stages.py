"""Identification stage by stage: from measurements to a model that is validated on samples that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crisp_ik_ros.estimators.identification.alignment import align_sessions
from crisp_ik_ros.estimators.identification.identification import (
    Fit,
    identify,
    joints_of,
    linearise,
    nuisance_scales,
    start,
)
from crisp_ik_ros.estimators.identification.kernel_choice import choose_kernel, evidence_gain
from crisp_ik_ros.estimators.identification.measurements import STILL, TAIL, Measurements, position_precision
from crisp_ik_ros.estimators.identification.noise import own_noise, with_noise_shape
from crisp_ik_ros.estimators.identification.parameters import SMOOTH_HARMONICS, Layout
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.identification.uncertainty import Uncertainty, covering_factor, likeliest_factor
from crisp_ik_ros.estimators.identification.validation import (
    OUTLIER,
    Validation,
    assign_folds,
    block_residuals,
    cross_validate,
    typical_error,
)
from crisp_ik_ros.transforms import Array

# Held-out samples that a calibration needs, and the weight below which one is a gross error: about 30 standard
# deviations off.
FEWEST, GROSS = 8, 0.01
# Scales of the second start of the fit, over the priors'.
WIDE = 30.0
# Largest number of Gauss-Newton iterations before lever arms are known, after that, and from a robot nearly right.
FIRST, ITERATIONS, REFINEMENTS = 6, 50, 15
# Finer periods must make held-out errors so many times smaller, or be the better model of held-out samples by so many
# standard errors.
FINER, SURE = 0.95, 3.0
# Gain of log evidence with which the order of the rows tells of backlash.
BEYOND_DOUBT = 20.0
# Gain of log evidence with which the data tells where the load's center of mass is.
CENTER_GAIN = 3.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class KernelChoice:
    """What a kernel term may be: length scales to choose among (none: no such term), and at most so many centers."""

    length_scales: Sequence[float]
    centers: int


@dataclass(frozen=True)
class Learnt:
    """Outcome of an identification.

    Attributes
    ----------
    fit : Fit
    data : Measurements
        What it was fitted to, with the directions of approach that it uses.
    validation : Validation
        Errors on held-out samples.
    evidence : dict
        Logarithm of the marginal likelihood of the kernel terms by name, and of backlash.
    center_deviation : (3,), optional
        Standard deviation of the load's center of mass along the tip's axes [m], where it is not given and there was a
        load.
    """

    fit: Fit
    data: Measurements
    validation: Validation
    evidence: dict[str, float]
    center_deviation: Array | None = None


def learn(
    data: Measurements,
    layout: Layout,
    priors: Priors,
    unknown: tuple[bool, bool],
    kernel: KernelChoice,
    locations: tuple[str, ...],
    random_state: int,
    progress: Progress | None = None,
    fit_center: bool = False,
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
    fit_center : bool
        Whether the load's center of mass may be fitted: it is where the evidence asks for it.

    Raises
    ------
    RegressionError
        When the data and priors give no solution.
    """
    poses = layout.robot.forward_kinematics(data.configurations)
    frame, tool = align_sessions(data, poses, *unknown, random_state)
    plain = replace(layout, harmonics=min(layout.harmonics, SMOOTH_HARMONICS))
    nominal = start(plain, priors, data, frame, tool, nuisance_scales(data, *unknown))
    fit = identify(nominal, data, priors, FIRST, part_of(progress, 0, 4))
    # Once the frames are roughly known, so are the lever arms of gravity. Wrong ones look like frames that are far off.
    fit = replace(fit, layout=fit.layout.with_gravity_on(fit.parameters))
    fit = identify(fit, data, priors, ITERATIONS, part_of(progress, 4, 20))
    fit = _with_unknown_loads(fit, data, priors)
    center_free = fit_center and data.payloads is not None and bool(_masses(fit, data).any())
    if center_free and _center_gain(fit, data, priors) > CENTER_GAIN:
        fit = identify(_with_center(fit, priors), data, priors, ITERATIONS)
    if priors.adapt:
        # At first all that is not explained yet looks like noise, in which small errors are lost. Now that large ones
        # are known, the others get another chance.
        usual, largest = fit.layout.prior_scales(priors), fit.layout.largest_scales(priors)
        wide = np.minimum(np.maximum(fit.scales, WIDE * usual), largest)
        again = identify(replace(fit, scales=wide), data, priors, ITERATIONS, part_of(progress, 20, 35))
        fit = max(fit, again, key=lambda found: found.evidence)
    # Frames that imitate each other may have moved far, and the lever arms with them: then those of before are better.
    again = replace(fit, layout=fit.layout.with_gravity_on(fit.parameters))
    fit = max(
        _settled(fit, data, priors, part_of(progress, 35, 40)),
        _settled(again, data, priors, part_of(progress, 40, 45)),
        key=lambda found: found.evidence,
    )
    folds, method = assign_folds(data, locations, random_state)
    validation = cross_validate(fit, data, folds, method, nominal, random_state, part_of(progress, 45, 50), priors)
    if layout.harmonics > plain.harmonics and priors.adapt:
        finer = _settled(with_harmonics(fit, layout.harmonics, priors), data, priors, part_of(progress, 50, 65))
        other = cross_validate(finer, data, folds, method, nominal, random_state, part_of(progress, 65, 70), priors)
        if is_better(other, validation, finer, fit, data):
            fit, validation = finer, other
    evidence = {"none": fit.evidence}
    if kernel.length_scales:
        richer, evidence = choose_kernel(
            fit, data, priors, kernel.length_scales, kernel.centers, random_state, part_of(progress, 70, 90)
        )
        if richer is not fit:
            other = cross_validate(
                richer, data, folds, method, nominal, random_state, part_of(progress, 90, 100), priors
            )
            # What explains the data better must also be right where there is none.
            if is_better(other, validation, richer, fit, data):
                fit, validation = richer, other
    playing, approached, evidence["backlash"] = _with_backlash(fit, data, priors)
    if playing is not fit:
        other = cross_validate(playing, approached, folds, method, nominal, random_state, None, priors)
        if is_better(other, validation, playing, fit, approached):
            fit, data, validation = playing, approached, other
    if center_free and not fit.layout.center_fitted:
        # Less is left for noise now: small effects show.
        evidence["payload center"] = fit.evidence + (gain := _center_gain(fit, data, priors))
        if gain > CENTER_GAIN:
            fit = _settled(_with_center(fit, priors), data, priors, None)
            validation = cross_validate(fit, data, folds, method, nominal, random_state, None, priors)
    if progress is not None:
        progress(100, 100)
    return Learnt(fit, data, validation, evidence, _center_deviation(fit, data, priors) if center_free else None)


def _masses(fit: Fit, data: Measurements) -> Array:
    """Mass (n,) that the tip carried at each sample [kg]."""
    found = fit.layout.load_masses(fit.parameters, data.payloads, data.load_of)
    return np.zeros(len(data)) if found is None else found


def _with_unknown_loads(fit: Fit, data: Measurements, priors: Priors) -> Fit:
    """Fit with the masses of the loads that the data calls unknown, where something tells them from compliance.

    A sag is compliance times weight: another known load, or the arm's own weight as the URDF has it, says what the
    compliance is. Without either the masses stay at the prior's mean.
    """
    if data.load_of is None or data.payloads is None:
        return fit
    known = data.payloads[data.load_of < 0]
    if not (known > 0.0).any() and not fit.layout.robot.masses.any():
        return fit
    wider = _with_parameters(fit, replace(fit.layout, unknown_loads=data.load_names), "unknown_loads", priors.payload)
    return identify(wider, data, priors, ITERATIONS)


def _with_center(fit: Fit, priors: Priors) -> Fit:
    """Return a fit that has the load's center of mass among its parameters, of which nothing is known yet."""
    return _with_parameters(fit, replace(fit.layout, center_fitted=True), "payload_center", priors.payload_center)


def _center_gain(fit: Fit, data: Measurements, priors: Priors) -> float:
    """Gain of log evidence by a center of mass that is not the tip."""
    return evidence_gain(_with_center(fit, priors), data, "payload_center")


def _center_deviation(fit: Fit, data: Measurements, priors: Priors) -> Array:
    """Standard deviation (3,) that the data leaves of the load's center of mass [m]."""
    if not fit.layout.center_fitted:
        fit = _with_center(fit, priors)
        fit = replace(fit, equations=linearise(fit, data, joints_of(fit, data))[0])
    where = fit.layout.slices()["payload_center"]
    return np.sqrt(np.diag(fit.covariance())[where])


def _with_parameters(fit: Fit, layout: Layout, name: str, scale: float) -> Fit:
    """Return a fit in a layout with further parameters, at zero, of this prior scale."""
    place = layout.slices()[name]
    count = place.stop - place.start
    scales = np.insert(fit.scales, place.start, np.full(count, scale))
    return replace(
        fit, layout=layout, parameters=np.insert(fit.parameters, place.start, np.zeros(count)), scales=scales
    )


def _with_backlash(fit: Fit, data: Measurements, priors: Priors) -> tuple[Fit, Measurements, float]:
    """Fit with each joint's play where the data tells it, the data that says so, and the log evidence of that.

    Where the data does not say from which side the joints came to rest, the row before does, if rows are in order: then
    the evidence must be beyond doubt.
    """
    stated = data.approaches is not None
    if not stated:
        data = replace(data, approaches=approaches_of(data.configurations))
    trial = _with_parameters(fit, replace(fit.layout, backlash=True), "backlash", priors.backlash)
    gain = evidence_gain(trial, data, "backlash")
    if gain <= (0.0 if stated else BEYOND_DOUBT):
        return fit, data, fit.evidence + gain
    return _settled(trial, data, priors, None), data, fit.evidence + gain


def approaches_of(configurations: Array) -> Array:
    """Direction (n, J) in which each joint moved to each configuration (n, J) from the one before; 0: not at all."""
    moved = np.diff(configurations, axis=0, prepend=configurations[:1])
    return np.asarray(np.where(np.abs(moved) > STILL, np.sign(moved), 0.0))


def _settled(fit: Fit, data: Measurements, priors: Priors, progress: Progress | None) -> Fit:
    """Fit with the shape of its noise, which in turn weighs the samples."""
    fit = identify(fit, data, priors, REFINEMENTS, part_of(progress, 0, 60))
    if not priors.adapt:
        return fit
    return identify(with_noise_shape(fit, data), data, priors, REFINEMENTS, part_of(progress, 60, 100))


def with_harmonics(fit: Fit, harmonics: int, priors: Priors) -> Fit:
    """Return a fit with finer periods, of which nothing is known yet but that they may be of the size of a ripple."""
    layout, parameters = fit.layout.widened(harmonics, fit.parameters)
    scales, where = fit.layout.widened(harmonics, fit.scales)[1], layout.slices()["harmonics"]
    scales[where] = np.maximum(layout.prior_scales(priors)[where], priors.ripple)
    # The noise that there was is in part what the finer periods explain.
    return replace(fit, layout=layout, parameters=parameters, scales=scales, joint_noise=0.0, precision=None)


def is_better(found: Validation, before: Validation, fit: Fit, fit_before: Fit, data: Measurements) -> bool:
    """Tell by held-out samples if one model is better than another.

    It is where its errors are smaller by more than chance: much smaller, or the likelier ones sample by sample.
    """
    usable = np.isfinite(before.position).all(axis=1) & (np.minimum(fit.weights, fit_before.weights) >= OUTLIER)
    if not usable.any():
        return fit.evidence > fit_before.evidence + SURE
    old, new = (held_out_density(model, one, data)[usable] for model, one in ((before, fit_before), (found, fit)))
    gain = new - old
    certain = gain.mean() > SURE * gain.std() / np.sqrt(len(gain))
    errors, errors_before = typical_error(found, fit.weights), typical_error(before, fit.weights)
    return errors < FINER * errors_before or (errors < errors_before and bool(certain))


def held_out_density(validation: Validation, fit: Fit, data: Measurements) -> Array:
    """Logarithm of the density (n,) of each held-out position, but for a constant."""
    noise = fit.factors[0] ** 2 * np.linalg.inv(position_precision(data, fit.precision))
    covariances = validation.covariances + noise
    known = np.isfinite(covariances).all(axis=(1, 2))
    found = np.full(len(data), np.nan)
    position = validation.position[known]
    squares = np.einsum("na,nab,nb->n", position, np.linalg.inv(covariances[known]), position)
    # Student's, so that one sample far off does not decide.
    found[known] = -0.5 * (TAIL + 3.0) * np.log1p(squares / TAIL) - 0.5 * np.linalg.slogdet(covariances[known])[1]
    return found


def calibrated_uncertainty(fit: Fit, data: Measurements, validation: Validation, random_state: int) -> Uncertainty:
    """Uncertainty of a fit, calibrated on its held-out samples: those at random, and those in blocks of joint space."""
    misfit, joint_misfit = own_noise(fit, data)
    found = Uncertainty.of(fit, misfit, random_state, data.configurations)
    found = replace(found, amid=float(np.median(found.supports(data.configurations)[:, 2])), joint_misfit=joint_misfit)
    # What no robot can explain is the device's fault; what this one cannot, its own.
    credible = fit.weights >= GROSS
    usable = np.isfinite(validation.position).all(axis=1) & credible
    if usable.sum() < FEWEST:
        return found
    noise = fit.factors[0] ** 2 * np.linalg.inv(position_precision(data, fit.precision))
    position, covariances, unexplained, rows = block_residuals(fit, data, random_state)
    kept = credible[rows]
    blocks = position[kept], covariances[kept], unexplained[kept] + noise[rows[kept]]
    drawn = validation.position[usable], validation.covariances[usable], noise[usable] + validation.unexplained[usable]
    factor = max(covering_factor(*blocks), likeliest_factor(*map(np.concatenate, zip(blocks, drawn, strict=True))))
    own = validation.unexplained[usable] + factor**2 * validation.covariances[usable]
    # What is left to explain is in the noise; the device's part of it is nobody's error.
    growth = covering_factor(validation.position[usable], noise[usable], own)
    return replace(found, factor=factor, misfit=growth * misfit, joint_misfit=growth * joint_misfit)


def part_of(progress: Progress | None, begin: int, end: int) -> Progress | None:
    """Progress of a part of the work, between two of a hundred steps."""
    if progress is None:
        return None
    whole = progress

    def report(done: int, total: int) -> None:
        whole(begin + (end - begin) * done // total, 100)

    return report
