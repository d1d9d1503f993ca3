"""Errors of an identified robot on samples that it was not fitted to: held out at random, and in blocks of joint space.

Random samples tell how good a robot is among those it was fitted to. Blocks, of the lowest and the highest positions of
each joint, tell how far to trust it beyond. Repeated readings of one configuration are never on both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import POSE, SAME_POINT
from crisp_ik_ros.datasets.stops import stops_of
from crisp_ik_ros.estimators.identification.identification import (
    Fit,
    adapt,
    joints_of,
    linearise,
    moved,
    predicted_poses,
    solution,
    solve,
)
from crisp_ik_ros.estimators.identification.measurements import Measurements, at_rows, centred, residuals
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.identification.uncertainty import Uncertainty
from crisp_ik_ros.transforms import Array

FOLDS = 5
# Updates of the scales where a fold is held out, and the most parameters with which there is time for them.
UPDATES, LARGEST_ADAPTED = 6, 1200
# Weight below which a sample is called an outlier: about 6 standard deviations off.
OUTLIER = 0.2


# Share of the samples in a block, at either end of a joint's positions, and how far these must reach for there to be
# blocks [rad].
BLOCK, LEAST_RANGE = 0.15, 0.3


@dataclass(frozen=True)
class Validation:
    """Errors on held-out samples; NaN where a sample was in no fold.

    Attributes
    ----------
    method : str
        How samples were held out, for people.
    position, orientation : (n, 3)
        Residuals of the fit to the other samples [m, rad]; of a same-point group from its mean.
    nominal_position, nominal_orientation : (n, 3)
        Of the nominal robot.
    covariances, unexplained : (n, 3, 3)
        Of the tool's position, as the fit to the other samples has it, in the measuring frame: of its parameters, and
        of joints that it was not fitted to measurements of there [m^2].
    """

    method: str
    position: Array
    orientation: Array
    nominal_position: Array
    nominal_orientation: Array
    covariances: Array
    unexplained: Array


def assign_folds(data: Measurements, locations: tuple[str, ...], random_state: int) -> tuple[np.ndarray, str]:
    """Fold of each sample (n,), -1 for none, and how they were made, for people.

    Samples of one place are held out together, and so are readings of one configuration: what was learned at the others
    has to hold there.
    """
    names = np.array(locations, dtype=object)
    places = sorted(set(locations) - {""})
    folds = np.full(len(data), -1)
    rng = np.random.default_rng(random_state)
    stops = stops_of(None, data.configurations)
    if len(places) >= 2:
        for k, place in enumerate(places):
            folds[names == place] = k if len(places) <= 2 * FOLDS else k % FOLDS
        _spread_stops(folds, np.flatnonzero(names == ""), stops, int(folds.max()) + 1, rng)
        return folds, f"{int(folds.max()) + 1} folds by location"
    same = data.kinds == SAME_POINT
    groups = np.unique(data.groups[same])
    if len(groups) >= 2:
        count = min(FOLDS, len(groups))
        for k, group in enumerate(groups):
            folds[data.groups == group] = k % count
        _spread_stops(folds, np.flatnonzero(~same), stops, count, rng)
        return folds, f"{count} folds by point"
    rest = np.flatnonzero(~same)
    if len(np.unique(stops[rest])) >= 2 * FOLDS:
        _spread_stops(folds, rest, stops, FOLDS, rng)
        return folds, f"{FOLDS} folds at random"
    return folds, "none: too few samples"


def _spread_stops(folds: np.ndarray, rows: np.ndarray, stops: np.ndarray, count: int, rng: np.random.Generator) -> None:
    """Draw a fold for each stop among some rows."""
    names, members = np.unique(stops[rows], return_inverse=True)
    folds[rows] = (rng.permutation(len(names)) % count)[members]


def joint_blocks(fit: Fit, data: Measurements) -> list[np.ndarray]:
    """Samples (n,) of each block: those at the lowest and at the highest positions of each joint."""
    found: list[np.ndarray] = []
    if (data.kinds == SAME_POINT).any():
        # What is left of a group says nothing of where its point is for the others.
        return found
    for angles in (fit.layout.rates * data.configurations).T:
        if np.ptp(angles) < LEAST_RANGE:
            continue
        low, high = np.quantile(angles, [BLOCK, 1.0 - BLOCK])
        found += [angles < low, angles > high]
    return [block for block in found if block.any() and len(data) - block.sum() >= FOLDS]


def cross_validate(
    fit: Fit,
    data: Measurements,
    folds: np.ndarray,
    method: str,
    nominal: Fit,
    random_state: int,
    progress: Callable[[int, int], None] | None = None,
    priors: Priors | None = None,
) -> Validation:
    """Fit again without each fold, and look at the fold's samples.

    Scales stay as they were found or, where there are ``priors``, are found again: fitted to the samples that are held
    out too, they would make these look better than others will be.
    """
    found = Validation(method, *(np.full((len(data), *shape), np.nan) for shape in 4 * ((3,),) + 2 * ((3, 3),)))
    count = int(folds.max()) + 1
    for k in range(count):
        held = folds == k
        test = data.subset(held)
        trained = _refit(fit, data, held, priors)
        for model, where in (
            (trained, (found.position, found.orientation)),
            (nominal, (found.nominal_position, found.nominal_orientation)),
        ):
            where[0][held], where[1][held] = held_out_residuals(model, test, fit.weights[held])
        found.covariances[held], found.unexplained[held] = _unknown(trained, data, held, random_state)
        if progress is not None:
            progress(k + 1, count)
    return found


def block_residuals(fit: Fit, data: Measurements, random_state: int) -> tuple[Array, Array, Array, np.ndarray]:
    """Fit again without each block, with the scales that were found, and look at the block.

    Returns
    -------
    position : (m, 3)
        Residuals [m].
    covariances, unexplained : (m, 3, 3)
        As in ``Validation``.
    rows : (m,)
        Of the data.
    """
    parts: list[tuple[Any, ...]] = [
        (np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros((0, 3, 3)), np.zeros(0, dtype=int))
    ]
    for held in joint_blocks(fit, data):
        trained = _refit(fit, data, held, None)
        position, _ = held_out_residuals(trained, data.subset(held), fit.weights[held])
        parts.append((position, *_unknown(trained, data, held, random_state), np.flatnonzero(held)))
    position, covariances, unexplained, rows = (np.concatenate(values) for values in zip(*parts, strict=True))
    return position, covariances, unexplained, rows


def held_out_residuals(fit: Fit, test: Measurements, weights: Array) -> tuple[Array, Array]:
    """Residuals (k, 3) [m] and (k, 3) [rad] of a fit on samples with these weights, NaN without an orientation."""
    poses = predicted_poses(fit.layout, fit.parameters, test)
    shift, turn = residuals(test, poses, fit.frame, fit.tool)
    turn[test.kinds != POSE] = np.nan
    return centred(test, shift, weights), turn


def _unknown(trained: Fit, data: Measurements, held: np.ndarray, random_state: int) -> tuple[Array, Array]:
    """Covariances (k, 3, 3) of held-out positions: of the parameters, and of joints that were not measured there."""
    uncertainty = Uncertainty.of(trained, 0.0, random_state, data.configurations[~held])
    q, which = data.configurations[held], None if data.frame_of is None else data.frame_of[held]
    turn = at_rows(trained.frame, which)[..., :3, :3]
    back = np.swapaxes(turn, -1, -2)
    covariances = uncertainty.covariances(q)
    carried = trained.layout.load_masses(trained.parameters, data.payloads, data.load_of)
    if trained.layout.center_fitted and carried is not None:
        # What is not known of the load's center moves the tool by the load's weight.
        carried = carried[held]
        for mass in np.unique(carried[carried > 0.0]):
            own = carried == mass
            covariances[own] = uncertainty.carrying(trained.layout, float(mass)).covariances(q[own])
    return turn @ covariances @ back, turn @ uncertainty.unexplained(q, True) @ back


def _refit(fit: Fit, data: Measurements, held: np.ndarray, priors: Priors | None) -> Fit:
    """One Gauss-Newton step from a fit to what the samples that are not held out say."""
    rest = data.subset(~held)
    if (data.groups >= 0).any():
        equations, _ = linearise(replace(fit, weights=fit.weights[~held]), rest, joints_of(fit, rest))
    else:
        # Sums over samples: what the others say is all that is said less what these say.
        test = data.subset(held)
        equations, _ = linearise(replace(fit, weights=fit.weights[held]), test, joints_of(fit, test))
        equations = fit.equations - equations
    fit = replace(fit, equations=equations)
    here = np.concatenate([fit.parameters, np.zeros(len(fit.nuisance))])
    if priors is not None and priors.adapt and fit.layout.size <= LARGEST_ADAPTED:
        for _ in range(UPDATES):
            fit, _ = adapt(fit, rest, priors, *solution(fit, here), here)
    return moved(fit, solve(fit, here)[0] - here)


def typical_error(validation: Validation, weights: Array) -> float:
    """Mean length of the held-out position residuals [m] but for outliers, by their weights (n,); NaN without any."""
    usable = np.isfinite(validation.position).all(axis=1) & (weights >= OUTLIER)
    return float(np.linalg.norm(validation.position[usable], axis=1).mean()) if usable.any() else np.nan


def summary(validation: Validation) -> dict[str, object]:
    """Figures of a validation for people and files [m, rad]."""
    found: dict[str, object] = {"method": validation.method}
    for prefix, position, orientation in (
        ("", validation.position, validation.orientation),
        ("nominal_", validation.nominal_position, validation.nominal_orientation),
    ):
        for name, values in (("position", position), ("orientation", orientation)):
            lengths = np.linalg.norm(values, axis=1)
            lengths = lengths[np.isfinite(lengths)]
            if len(lengths):
                found[f"{prefix}{name}_rms"] = float(np.sqrt(np.mean(lengths**2)))
                found[f"{prefix}{name}_mean"] = float(np.mean(lengths))
                found[f"{prefix}{name}_median"] = float(np.median(lengths))
                found[f"{prefix}{name}_max"] = float(np.max(lengths))
    return found
