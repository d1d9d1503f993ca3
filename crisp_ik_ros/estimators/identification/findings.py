"""Findings of an identification for people: each parameter with its uncertainty, and what is wrong with the data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from crisp_ik_ros.datasets.dataset import SAME_POINT
from crisp_ik_ros.estimators.identification.identification import Fit
from crisp_ik_ros.estimators.identification.measurements import STILL, Measurements
from crisp_ik_ros.estimators.identification.parameters import named_session
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.transforms import Array

# A parameter of which the data has told less than this is the prior's.
TOLD = 0.1
# Share of a joint's range below which its data is narrow.
NARROW = 0.15
# A parameter is far beyond expectation at so many times the geometric mean of its standard deviation before there was
# data and the largest that it may have.
FAR = 4.0
# Share of outliers that is worth a warning.
MANY_OUTLIERS = 0.03
# Errors that nobody can measure [m].
NEGLIGIBLE = 1e-6
# Orientations that are off by more are another tool's, or in another convention [rad].
ANOTHER_TOOL = 0.1
# A center of mass that is known less well than this, along an axis, is worth a warning [m].
VAGUE_CENTER = 0.04
# A mass is vague with a larger standard deviation than this share of it, and than this [kg].
VAGUE_SHARE, VAGUE_MASS = 0.2, 0.1
# A mass is below 0 by more than chance at so many standard deviations.
BELOW = 2.0
# An arm that is off by more than this after learning is another arm than its URDF [m].
ANOTHER_ARM = 0.02


class Identified(NamedTuple):
    """One parameter of a robot's errors.

    Attributes
    ----------
    name, unit : str
    value : float
    deviation : float
        Standard deviation that is left.
    prior : float
        Standard deviation before there was data, as it was fitted.
    told : float
        How much of it the data has told: 0 (nothing: the prior decides) to 1.
    """

    name: str
    unit: str
    value: float
    deviation: float
    prior: float
    told: float

    @property
    def undetermined(self) -> bool:
        """Whether the prior alone has fixed it."""
        return self.told < TOLD


def findings(fit: Fit) -> tuple[Identified, ...]:
    """Parameters of a fit, those of the kernel term left out."""
    count = fit.layout.parametric
    deviations = np.sqrt(np.diag(fit.covariance())[:count])
    return describe(fit.layout.names(), fit.parameters[:count], deviations, fit.scales[:count])


def describe(names: list[tuple[str, str]], values: Array, deviations: Array, priors: Array) -> tuple[Identified, ...]:
    """Gather parameters, their standard deviations and those of their priors, each (P,)."""
    told = 1.0 - np.clip(deviations / priors, 0.0, 1.0) ** 2
    return tuple(
        Identified(name, unit, *map(float, numbers))
        for (name, unit), *numbers in zip(names, values, deviations, priors, told, strict=True)
    )


def expected_sizes(fit: Fit, priors: Priors) -> Array:
    """Size (P,) that each parameter of an arm can be expected to have at most, by far."""
    sizes = np.empty(fit.layout.size)
    for group in fit.layout.groups():
        # Finer periods are thought to be nothing until the data shows them.
        usual = group.largest_scale(priors) if group.prior == "harmonic" else group.prior_scale(priors)
        sizes[group.columns] = FAR * np.sqrt(usual * group.largest_scale(priors))
    return sizes


def _data_ranges(fit: Fit, data: Measurements) -> list[tuple[str, float]]:
    """Each joint's name, and the share of its range, of a turn at most, that the data spans."""
    robot = fit.layout.robot
    spans = np.maximum(robot.upper - robot.lower, 1e-9)
    spans = np.where(robot.chain.prismatic, spans, np.minimum(spans, 2.0 * np.pi))
    return list(zip(robot.joint_names, np.ptp(data.configurations, axis=0) / spans, strict=True))


def warnings_of(
    fit: Fit, data: Measurements, priors: Priors, validation: dict[str, Any], outliers: np.ndarray
) -> tuple[str, ...]:
    """Sentences that a user should read before trusting a fit."""
    found = []
    learned, nominal = validation.get("position_median"), validation.get("nominal_position_median")
    if learned is None or nominal is None:
        found.append(
            "Nothing could be held out for validation (one same-point group, or too few samples): how good the model "
            "is elsewhere is not known. Measure in at least two places."
        )
    else:
        if learned >= nominal and learned > NEGLIGIBLE:
            found.append(
                f"On held-out samples the model is worse than the nominal one: {1e3 * learned:.3g} mm and "
                f"{1e3 * nominal:.3g} mm. Do not use it; see what is in the data with: crisp-ik inspect."
            )
        if learned > ANOTHER_ARM:
            found.append(
                f"Held-out samples are still off by {1e3 * learned:.3g} mm: the data or the URDF is another arm's, or "
                "columns are swapped, or units are wrong. See: crisp-ik inspect."
            )
    turned = validation.get("orientation_median", 0.0)
    if turned > ANOTHER_TOOL:
        found.append(
            f"Held-out orientations are still off by {np.rad2deg(turned):.3g} degrees: the tool is turned, or the "
            "columns are in another order or convention. Say that the tool is unknown, or measure positions only."
        )
    measured = data.kinds != SAME_POINT
    still, moved = (
        float(np.ptp(values[measured], axis=0).max()) if measured.any() else 0.0
        for values in (data.positions, data.configurations)
    )
    if still < NEGLIGIBLE < STILL < moved:
        found.append(
            f"All {int(measured.sum())} measured positions are the same while the joints moved: the tracker was "
            "frozen, or its column is a constant. Do not use this model."
        )
    sizes = expected_sizes(fit, priors)
    far = [one for one, size in zip(findings(fit), sizes, strict=False) if abs(one.value) > size]
    if far:
        named = ", ".join(f"{one.name} {one.value:.3g} {one.unit}" for one in far[:3])
        found.append(
            f"{len(far)} parameter{'s are' if len(far) > 1 else ' is'} far beyond what an arm's can be expected to be: "
            f"{named}{', ...' if len(far) > 3 else ''}. The data may not tell it from others, or the URDF is another "
            "arm's: trust the model only where joints were measured."
        )
    if len(outliers) > MANY_OUTLIERS * len(data):
        found.append(
            f"{len(outliers)} of {len(data)} samples fit nothing else and hardly count; the first is row {outliers[0]}."
        )
    groups = len(np.unique(data.groups[data.kinds == SAME_POINT]))
    if groups and not len(data.pairs) and not (data.kinds != SAME_POINT).any():
        found.append(
            "All that is known is that points were the same: the size of the arm cannot be told from that. Give a "
            "known distance between two of the points."
        )
    small = [name for name, size in _data_ranges(fit, data) if size < NARROW]
    if small:
        found.append(
            f"{', '.join(small)} moved through less than {NARROW:g} of {'their' if len(small) > 1 else 'its'} range or "
            "a turn: "
            "beyond what was measured the bound grows, and the URDF decides."
        )
    unique = len(np.unique(np.round(data.configurations, 9), axis=0))
    if unique < len(data):
        found.append(f"{len(data) - unique} of {len(data)} samples repeat a configuration: they only average noise.")
    if 3 * len(data) < fit.layout.geometric:
        found.append(
            f"{len(data)} samples are few for {fit.layout.geometric} frame parameters; the priors decide much."
        )
    return tuple(found)


def load_masses_of(fit: Fit, data: Measurements) -> dict[str, tuple[float, float]]:
    """Mass and standard deviation [kg] of each load that was fitted, by session; a mass may be below 0."""
    names = fit.layout.unknown_loads
    if not names or data.payloads is None:
        return {}
    own = fit.layout.slices()["unknown_loads"]
    deviations = np.sqrt(np.diag(fit.covariance())[own])
    masses = [float(data.payloads[data.load_of == k][0] + value) for k, value in enumerate(fit.parameters[own])]
    return dict(zip(names, zip(masses, map(float, deviations), strict=True), strict=True))


def load_warnings(fit: Fit, data: Measurements, center_deviation: Array | None) -> tuple[str, ...]:
    """Sentences on what a fit does not tell of the loads, and what to measure or to state.

    ``center_deviation`` (3,) [m] is what is not known of the center of mass; None where it is given or nothing was
    carried.
    """
    found: list[str] = []
    if data.payloads is not None and data.load_of is not None:
        known = bool((data.payloads[data.load_of < 0] > 0.0).any())
        masses = load_masses_of(fit, data)
        for k, name in enumerate(data.load_names):
            prior = float(data.payloads[data.load_of == k][0])
            found += _mass_warnings(named_session(name), prior, masses.get(name), known)
    if center_deviation is not None and (vague := center_deviation > VAGUE_CENTER).any():
        along = ", ".join(axis for axis, one in zip("xyz", vague, strict=True) if one)
        state = (
            "is fitted, but not determined" if fit.layout.center_fitted else "is taken for the tip's origin, unknown"
        )
        found.append(
            f"The load's center of mass {state} along {along} of the tip's frame: standard deviation "
            f"{1e3 * center_deviation.max():.0f} mm. State it (--payload-center), or measure more configurations with "
            "the load, the tool turned in every direction."
        )
    return tuple(found)


def _mass_warnings(name: str, prior: float, found: tuple[float, float] | None, known: bool) -> list[str]:
    """Sentences on the mass of one unknown load; ``known`` says whether the mass of any other is."""
    remedy = "State its mass in the column payload, or measure some configurations with a load of known mass."
    if found is None:
        return [
            f"The payload of {name} cannot be told from the compliance of the joints: no other load is known, and the "
            f"URDF has no masses. It is taken for {prior:.3g} kg. {remedy}"
        ]
    mass, deviation = found
    if deviation > max(VAGUE_SHARE * mass, VAGUE_MASS):
        return [
            f"The payload of {name} is not determined: {max(mass, 0.0):.3g} kg with a standard deviation of "
            f"{deviation:.2g} kg, for which the prior decides. {remedy}"
        ]
    told = [] if known else [
        f"The payload of {name}, {mass:.3g} kg, is told by comparison with the arm's own weight alone: it is as wrong "
        f"as the masses in the URDF are. {remedy}"
    ]  # fmt: skip
    if mass < -BELOW * deviation:
        told.append(
            f"The payload of {name} comes out at {mass:.3g} kg and is taken for 0: the masses in the column payload of "
            "the other samples may be wrong."
        )
    return told
