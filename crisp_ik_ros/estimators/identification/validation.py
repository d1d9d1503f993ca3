"""What an identified robot gets wrong on samples that it was not fitted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_solve

from crisp_ik_ros.datasets.dataset import POSE, SAME_POINT
from crisp_ik_ros.estimators.identification.design import Joints
from crisp_ik_ros.estimators.identification.identification import Fit, linearise, moved
from crisp_ik_ros.estimators.identification.measurements import Measurements, centred, residuals
from crisp_ik_ros.estimators.identification.normal_equations import NUISANCES
from crisp_ik_ros.estimators.identification.uncertainty import Uncertainty
from crisp_ik_ros.transforms import Array

FOLDS = 5
# Weight below which a sample is called an outlier: about 6 standard deviations off.
OUTLIER = 0.2


@dataclass(frozen=True)
class Validation:
    """Errors on held-out samples; NaN where a sample was in no fold.

    Attributes
    ----------
    method : str
        How samples were held out, in words.
    position, orientation : (n, 3)
        Residuals of the fit to the other samples [m, rad]; of a same-point group from its mean.
    nominal_position, nominal_orientation : (n, 3)
        Of the nominal robot.
    covariances : (n, 3, 3)
        Of the tool's position, as the fit to the other samples has it, in the measuring frame [m^2].
    """

    method: str
    position: Array
    orientation: Array
    nominal_position: Array
    nominal_orientation: Array
    covariances: Array


def assign_folds(data: Measurements, locations: tuple[str, ...], random_state: int) -> tuple[np.ndarray, str]:
    """Fold of each sample (n,), -1 for none, and how they were made, in words.

    Samples of one place are held out together: what was learned at the others has to hold there.
    """
    names = np.array(locations, dtype=object)
    places = sorted(set(locations) - {""})
    folds = np.full(len(data), -1)
    rng = np.random.default_rng(random_state)
    if len(places) >= 2:
        for k, place in enumerate(places):
            folds[names == place] = k if len(places) <= 2 * FOLDS else k % FOLDS
        rest = np.flatnonzero(names == "")
        count = int(folds.max()) + 1
        folds[rest] = rng.permutation(len(rest)) % count
        return folds, f"{count} folds by location"
    same = data.kinds == SAME_POINT
    groups = np.unique(data.groups[same])
    if len(groups) >= 2:
        count = min(FOLDS, len(groups))
        for k, group in enumerate(groups):
            folds[data.groups == group] = k % count
        rest = np.flatnonzero(~same)
        folds[rest] = rng.permutation(len(rest)) % count
        return folds, f"{count} folds by point"
    rest = np.flatnonzero(~same)
    if len(rest) >= 2 * FOLDS:
        folds[rest] = rng.permutation(len(rest)) % FOLDS
        return folds, f"{FOLDS} folds at random"
    return folds, "none: too few samples"


def cross_validate(
    fit: Fit,
    data: Measurements,
    folds: np.ndarray,
    method: str,
    nominal: Fit,
    random_state: int,
    progress: Callable[[int, int], None] | None = None,
) -> Validation:
    """Fit again without each fold, with the scales that were found, and look at the fold's samples."""
    position, orientation = np.full((len(data), 3), np.nan), np.full((len(data), 3), np.nan)
    nominal_position, nominal_orientation = position.copy(), orientation.copy()
    covariances = np.full((len(data), 3, 3), np.nan)
    count = int(folds.max()) + 1
    for k in range(count):
        held = folds == k
        others, test = data.subset(~held), data.subset(held)
        trained = _refit(fit, others, ~held)
        for model, where in ((trained, (position, orientation)), (nominal, (nominal_position, nominal_orientation))):
            poses = model.layout.robot_with(model.parameters).forward_kinematics(test.configurations)
            shift, turn = residuals(test, poses, model.frame, model.tool)
            where[0][held] = centred(test, shift, fit.weights[held])
            turn[test.kinds != POSE] = np.nan
            where[1][held] = turn
        uncertainty, turn = Uncertainty.of(trained, 0.0, random_state), trained.frame[:3, :3]
        covariances[held] = turn @ uncertainty.covariances(test.configurations) @ turn.T
        if progress is not None:
            progress(k + 1, count)
    return Validation(method, position, orientation, nominal_position, nominal_orientation, covariances)


def _refit(fit: Fit, data: Measurements, kept: np.ndarray) -> Fit:
    """One Gauss-Newton step from a fit to what a part of its samples says."""
    fit = replace(fit, weights=fit.weights[kept])
    equations, fit = linearise(fit, data, Joints(fit.layout, data.configurations))
    scales = fit.all_scales
    hessian, gradient = equations.at(fit.factors)
    here = np.concatenate([fit.parameters, np.zeros(NUISANCES)])
    fit = replace(fit, equations=equations)
    target = scales * cho_solve((fit.posterior(), True), scales * (gradient + hessian @ here))
    return moved(fit, target - here)


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
