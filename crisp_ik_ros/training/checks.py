"""Samples looked into before a model is made of them: faults that stop a training, warnings, and where they are of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.datasets.diagnosis import Diagnosis
from crisp_ik_ros.datasets.inspection import LEVER, inspect_dataset, mounted_alike
from crisp_ik_ros.datasets.measurements import Measurements, predict, residuals
from crisp_ik_ros.datasets.remedies import most_freedom, some_rows
from crisp_ik_ros.datasets.rough_fit import Freedom, fit_robot, unknowns
from crisp_ik_ros.datasets.stops import hold_out_stops, stops_of
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.training.request import AUTO, CRISP, KNOWN, UNKNOWN, TrainingRequest

# Samples that are looked into at most, in so many runs of consecutive ones, and the fewest that can be.
INSPECTED, RUNS, FEWEST = 1000, 10, 8
# Share of the stops that frame and tool are judged by, samples of a fit at most, and the share of the held-out error of
# a known frame and tool that an unknown one may leave.
HELD_OUT, FITTED, BETTER = 0.25, 150, 0.8
# Names of the diagnoses that call for an unknown frame or tool.
PLACEMENT = {"frame": "measurement frame", "tool": "tool"}


@dataclass(frozen=True)
class Checked:
    """Outcome of a look into samples.

    Attributes
    ----------
    frame, tool : "known" or "unknown"
        As asked for, or as the samples show.
    placement : dict
        The choice where it was left to the samples: held-out errors of both [mm].
    warnings : tuple of str
        Faults with which a model can still be made.
    """

    frame: str
    tool: str
    placement: dict[str, Any]
    warnings: tuple[str, ...] = ()


def check_samples(
    request: TrainingRequest, robot: RobotModel, dataset: Dataset, tell: Callable[[str], object] = lambda text: None
) -> Checked:
    """Look into measured samples, and choose what the request leaves open of frame and tool.

    Raises
    ------
    DatasetError
        When a model of these samples would be worse than none, with all such findings; not with ``request.force``.
    """
    frame, tool = (KNOWN if place == AUTO else place for place in (request.frame, request.tool))
    if len(dataset) < FEWEST:
        return Checked(frame, tool, {})
    rows = inspected_rows(len(dataset))
    part = dataset if len(rows) == len(dataset) else dataset.subset(rows)
    diagnoses = inspect_dataset(part, robot, rows).diagnoses
    parts = mounted_alike(part)
    # Frame and tool are the same within one session only.
    part = part.subset(max(parts, key=len)) if len(parts) > 1 else part
    faults = [one for one in diagnoses if one.worthless]
    if faults and not request.force:
        raise DatasetError(
            f"a model of these samples would be worse than none. {' '.join(map(str, faults))} To train all the same: "
            "--force (parameter force of the trainer node)"
        )
    placement: dict[str, Any] = {}
    open_ = {name for name in PLACEMENT if getattr(request, name) == AUTO}
    named = {name for name in PLACEMENT if any(one.name == PLACEMENT[name] for one in diagnoses)}
    if open_ and request.estimator != CRISP:
        chosen = named & open_
        figures = _held_out_sizes(robot, part, chosen) if chosen else {}
        if chosen and not figures.get("unknown", 0.0) < BETTER * figures.get("known", np.inf):
            chosen = set()
        frame, tool = (
            (UNKNOWN if name in chosen else KNOWN) if name in open_ else getattr(request, name) for name in PLACEMENT
        )
        placement = {"frame": frame, "tool": tool, "why": _why(chosen, figures, diagnoses)}
        tell(f"frame {frame}, tool {tool}: {placement['why']}")
    unknown = {name for name, place in (("frame", frame), ("tool", tool)) if place == UNKNOWN}
    handled = {PLACEMENT[name] for name in unknown}
    warnings = tuple(str(one) for one in diagnoses if one.name not in handled)
    return Checked(frame, tool, placement, warnings)


def inspected_rows(count: int) -> np.ndarray:
    """Rows that are looked into: all, or of many samples runs of consecutive ones from all over the recording."""
    if count <= INSPECTED:
        return np.arange(count)
    length = INSPECTED // RUNS
    starts = np.linspace(0, count - length, RUNS).astype(int)
    return np.unique((starts[:, None] + np.arange(length)).ravel())


def _held_out_sizes(robot: RobotModel, dataset: Dataset, chosen: set[str]) -> dict[str, float]:
    """Typical errors [mm] on held-out stops of quick fits of the arm with frame and tool known, and not."""
    data = Measurements.of(dataset, robot)
    lever = LEVER * robot.reach
    training, tested = hold_out_stops(stops_of(robot, data.configurations), HELD_OUT, 0)
    if len(tested) < FEWEST or len(training) < FEWEST:
        return {}
    few = data.taken(training)
    few = few.taken(some_rows(few, FITTED))
    own = most_freedom(robot, few)
    sizes = {}
    for name, places in (("known", set()), ("unknown", chosen)):
        free = Freedom("frame" in places, "tool" in places, own.joints, own.links)
        if few.numbers < unknowns(robot, free, few):
            return {}
        fit = fit_robot(robot, few, free, lever)
        held_out = data.taken(tested)
        left = residuals(held_out, predict(robot, held_out, fit))[:, :3]
        sizes[name] = 1e3 * float(np.median(np.linalg.norm(left, axis=1)))
    return sizes


def _why(chosen: set[str], figures: dict[str, float], diagnoses: tuple[Diagnosis, ...]) -> str:
    if not chosen:
        return "the samples fit the base frame and the tip link"
    seen = "; ".join(one.finding for one in diagnoses if one.name in {PLACEMENT[name] for name in chosen})
    if not figures:
        return f"{seen}; too few stops to hold some out and compare"
    return (
        f"{seen}; a quick fit leaves {figures['unknown']:.3g} mm on held-out stops, and {figures['known']:.3g} mm "
        "where both are known"
    )
