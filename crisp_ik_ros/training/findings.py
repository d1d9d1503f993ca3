"""What a fitted LearnedKinematics amounts to, in figures and words."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import commonprefix
from typing import NamedTuple

import numpy as np

from crisp_ik_ros.datasets.dataset import SAME_POINT, Dataset
from crisp_ik_ros.errors import NotFittedError
from crisp_ik_ros.estimators.identification.findings import Identified
from crisp_ik_ros.estimators.identification.uncertainty import error_bounds
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.transforms import Array, euler_from_matrix

# More places than this are not shown one by one.
MOST_REGIONS = 24
# Parts that positions are divided into, along the distance from the base's axis and along the height.
PARTS = 3
# End of the name of a parameter that is a backlash.
BACKLASH = ": backlash"


class HeldOut(NamedTuple):
    """Errors on held-out samples, row by row; NaN where a sample was not held out or has no orientation.

    Attributes
    ----------
    rows : (n,)
        Of the data.
    dataset : Dataset
        Its samples in these rows.
    method : str
    position, orientation : (n, 3)
        Residuals of the model, measuring frame [m, rad].
    before, after : (n,)
        Distance between measured and expected tool, of the nominal robot and of the model [m].
    turned_before, turned_after : (n,)
        Angle [rad].
    places : (n, 3)
        Measured positions, base frame [m]; meaningless where none was measured.
    bounds : (n,)
        What ``after`` stays below in 95 of 100 cases, the measurement's noise included [m].
    """

    rows: np.ndarray
    dataset: Dataset
    method: str
    position: Array
    orientation: Array
    before: Array
    after: Array
    turned_before: Array
    turned_after: Array
    places: Array
    bounds: Array

    @property
    def known(self) -> np.ndarray:
        """Samples (n,) that were held out."""
        return np.isfinite(self.after)

    @property
    def turned(self) -> np.ndarray:
        """Samples (n,) that were held out with an orientation."""
        return np.isfinite(self.turned_after)


def held_out(model: LearnedKinematics, dataset: Dataset) -> HeldOut:
    """Errors of a model on samples of the dataset that it was fitted to, each held out once.

    Raises
    ------
    NotFittedError
        When the model comes from a file, which does not keep them.
    """
    if not hasattr(model, "held_out_"):
        raise NotFittedError("a model from a file has no residuals; a report is made where the model is fitted")
    found = model.held_out_
    uncertainty, rows = model._uncertainty, model.rows_
    turn = model.frame_[:3, :3]
    own = turn @ uncertainty.unexplained(model.robot.wrapped(dataset.configurations[rows])) @ turn.T
    noise = _noise(model, dataset)[rows, None, None] ** 2 * np.eye(3)
    covariances = uncertainty.factor**2 * found.covariances + own + noise
    known = np.isfinite(covariances).all(axis=(1, 2))
    bounds = np.full(len(rows), np.nan)
    bounds[known] = error_bounds(covariances[known])
    before, after, turned_before, turned_after = (
        np.linalg.norm(values, axis=1)
        for values in (found.nominal_position, found.position, found.nominal_orientation, found.orientation)
    )
    places = np.asarray(dataset.poses)[rows, :3, 3]
    places = (places - model.frame_[:3, 3]) @ model.frame_[:3, :3]
    return HeldOut(
        rows, dataset.subset(rows), found.method, found.position, found.orientation,
        before, after, turned_before, turned_after, places, bounds,
    )  # fmt: skip


def _noise(model: LearnedKinematics, dataset: Dataset) -> Array:
    """Standard deviation of the device's positions [m]; where it is not known, the model takes all for the arm's."""
    known = 0.0 if model.position_noise is None else model.position_noise
    if dataset.noise is None:
        return np.full(len(dataset), known)
    return np.where(np.isfinite(dataset.noise[:, 0]), dataset.noise[:, 0], known)


def verdict(model: LearnedKinematics, found: HeldOut) -> tuple[str, str]:
    """Sentence that says how good a model is, and "good", "unknown" or "bad"."""
    known = found.known
    if not known.any():
        return "How good this model is, is not known: nothing could be held out.", "unknown"
    before, after = 1e3 * np.median(found.before[known]), 1e3 * np.median(found.after[known])
    what = "spread of the tool at one point" if _only_points(found.dataset) else "error of the tool's position"
    if after >= before:
        return (
            f"Do not use this model: on held-out samples its {what} is {after:.3g} mm (median), and the nominal "
            f"model's {before:.3g} mm.",
            "bad",
        )
    return (
        f"On samples that it has not seen, the {what} goes from {before:.3g} mm to {after:.3g} mm (median): "
        f"{before / after:.3g} times less.",
        "good",
    )


def _only_points(dataset: Dataset) -> bool:
    return bool((dataset.kinds == SAME_POINT).all())


class Region(NamedTuple):
    """Some of the samples: a place's name and the rows (k,)."""

    name: str
    rows: np.ndarray


def regions(found: HeldOut) -> tuple[str, list[Region]]:
    """Parts of the held-out samples, by the places that the data names or by where the tool was, and how divided."""
    dataset, known = found.dataset, found.known
    locations = np.array(dataset.locations, dtype=object)
    places = [name for name in dict.fromkeys(dataset.locations) if name]
    if len(places) >= 2:
        parts = [Region(name, np.flatnonzero(known & (locations == name))) for name in places]
        parts.append(Region("elsewhere", np.flatnonzero(known & (locations == ""))))
        return "location", _few([part for part in parts if len(part.rows)])
    if _only_points(dataset):
        parts = [Region(name, np.flatnonzero(known & (dataset.groups == k)))
                 for k, name in enumerate(dataset.group_names)]  # fmt: skip
        return "point", _few([part for part in parts if len(part.rows)])
    return "place of the tool, base frame", _bins(found.places, np.flatnonzero(known & (dataset.kinds != SAME_POINT)))


def _few(parts: list[Region]) -> list[Region]:
    """At most so many regions; the smallest are put together."""
    if len(parts) <= MOST_REGIONS:
        return parts
    kept = sorted(parts, key=lambda part: -len(part.rows))
    rest = np.concatenate([part.rows for part in kept[MOST_REGIONS - 1 :]])
    return [*kept[: MOST_REGIONS - 1], Region(f"{len(kept) - MOST_REGIONS + 1} others", rest)]


def _bins(places: Array, rows: np.ndarray) -> list[Region]:
    """Regions of like many samples (k,) by distance from the base's z axis and by height."""
    if not len(rows):
        return []
    positions = places[rows]
    far, high = np.hypot(positions[:, 0], positions[:, 1]), positions[:, 2]
    found = []
    edges = np.quantile(far, np.linspace(0.0, 1.0, PARTS + 1))
    ring = np.clip(np.searchsorted(edges, far, side="right") - 1, 0, PARTS - 1)
    for i in range(PARTS):
        inside = ring == i
        if not inside.any():
            continue
        levels = np.quantile(high[inside], np.linspace(0.0, 1.0, PARTS + 1))
        level = np.clip(np.searchsorted(levels, high, side="right") - 1, 0, PARTS - 1)
        for k in range(PARTS):
            members = rows[inside & (level == k)]
            name = (
                f"{edges[i]:.2f} to {edges[i + 1]:.2f} m from the z axis, {levels[k]:.2f} to {levels[k + 1]:.2f} m up"
            )
            if len(members):
                found.append(Region(name, members))
    return found


def kernel_term(model: LearnedKinematics) -> str:
    """What kernel term a model has, in words."""
    term = model._uncertainty.layout.kernel
    if term is None:
        return "none"
    return f"{model._uncertainty.layout.centers} centers, length scale {term.length_scale:g} rad"


def mountings(model: LearnedKinematics) -> dict[str, dict[str, dict[str, float]]]:
    """Measuring frames by session and tools by marker, of those that were found: x y z [m] and angles [deg]."""
    found = {}
    for title, poses, unknown in (
        ("measuring frames", model.frames_, model.frame == "unknown"),
        ("tools", model.tools_, model.tool == "unknown" or len(model.tools_) > 1),
    ):
        if unknown:
            found[title] = {name or "all": _placed(pose) for name, pose in poses.items()}
    return found


def _placed(pose: Array) -> dict[str, float]:
    """Numbers of a pose (4, 4), by name."""
    angles = np.degrees(euler_from_matrix(pose[:3, :3]))
    numbers = zip(
        ("x [m]", "y [m]", "z [m]", "roll [deg]", "pitch [deg]", "yaw [deg]"), (*pose[:3, 3], *angles), strict=True
    )
    return {name: float(value) for name, value in numbers}


def backlash(model: LearnedKinematics) -> dict[str, float]:
    """Backlash of each joint [mrad], or [mm] with that in its name, by name; empty where none was looked for."""
    return {
        parameter.name.removesuffix(BACKLASH) + (" [mm]" if parameter.unit == "m" else ""): 1e3 * parameter.value
        for parameter in model.identified_
        if parameter.name.endswith(BACKLASH)
    }


def loads(model: LearnedKinematics) -> dict[str, object]:
    """Origin of the load's center of mass, and the masses that were fitted, by name, as the commands show them."""
    masses = {
        name or "not stated": {"kg": mass, "standard deviation": deviation}
        for name, (mass, deviation) in model.fitted_payloads_.items()
    }
    return {
        "payload center is": model.payload_center_source_,
        **({"fitted payloads": masses} if masses else {}),
    }


def arm(model: LearnedKinematics) -> dict[str, object]:
    """Frames, payload, periods, backlash and misfit of a model, by name, as the commands show them."""
    misfit, joint_misfit = model.misfit_
    lash = backlash(model)
    return {
        **mountings(model),
        "periods a turn learned": model.harmonics_,
        **({"backlash [mrad]": lash} if lash else {}),
        "arm's own misfit": {"mm": 1e3 * misfit, "of each joint, mrad": 1e3 * joint_misfit},
    }


class Bars(NamedTuple):
    """Parameters of one kind, as they are drawn.

    Attributes
    ----------
    title, unit : str
    labels : list of str
    values, deviations, priors : (k,)
        In ``unit``.
    undetermined : (k,)
    """

    title: str
    unit: str
    labels: list[str]
    values: Array
    deviations: Array
    priors: Array
    undetermined: np.ndarray


# Unit of a parameter, the unit that people read, and how many of the second the first is.
UNITS = {"m": ("mm", 1e3), "rad": ("mrad", 1e3), "1": ("1e-3", 1e3), "rad/Nm": ("mrad/Nm", 1e3), "m/N": ("mm/N", 1e3)}


def readable_unit(parameter: Identified) -> tuple[str, float]:
    """Unit in which a parameter is shown, and the factor to it."""
    return UNITS.get(parameter.unit, (parameter.unit, 1.0))


def kind_of(name: str) -> str:
    """Kind of a parameter by its name: "frame translation" for "panda_joint1: frame translation x"."""
    owner, _, what = name.partition(": ")
    if what == "frame rotation z" and owner != "tip":
        return "joint zero"
    if what.startswith("frame"):
        return what.rsplit(" ", 1)[0].replace("frame", "tip" if owner == "tip" else "frame")
    if " a turn" in what:
        return "periodic error, " + what.partition(" of ")[2]
    return "bending" if what.startswith("bending") else what


def bars(identified: Sequence[Identified]) -> list[Bars]:
    """Parameters by kind and unit, in the order in which they first come."""
    kinds: dict[tuple[str, str], list[Identified]] = {}
    for parameter in identified:
        kinds.setdefault((kind_of(parameter.name), parameter.unit), []).append(parameter)
    owners = {parameter.name.partition(": ")[0] for parameter in identified} - {"tip"}
    prefix = commonprefix([*owners]) if len(owners) > 1 else ""  # noqa: RUF071  (letters, not folders)
    found = []
    for (kind, _), parameters in kinds.items():
        unit, factor = readable_unit(parameters[0])
        numbers = np.array([(p.value, p.deviation, p.prior) for p in parameters]) * factor
        labels = [_label(p.name, prefix) for p in parameters]
        values, deviations, priors = numbers.T
        undetermined = np.array([p.undetermined for p in parameters])
        found.append(Bars(kind, unit, labels, values, deviations, priors, undetermined))
    return found


def _label(name: str, prefix: str) -> str:
    """Short label of a parameter in a picture of its kind; ``prefix`` is what all joints' names begin with."""
    owner, _, what = name.partition(": ")
    words = what.split()
    joint = owner.removeprefix(prefix)
    if kind_of(name) == "joint zero":
        return joint
    if what.startswith(("frame", "bending")):
        return words[-1] if owner == "tip" else f"{joint} {words[-1]}"
    return f"{joint} {words[0][:3]}" if words[0] in ("cosine", "sine") else joint
