"""Whether a robot still is what its model was made for: measured poses against the model's, over time."""

from __future__ import annotations

import math
from collections import deque
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.transforms import Array

# Fewer readings are no reason to say anything.
FEWEST_READINGS = 5
# Of one stop, this share of all readings counts at most: an arm that is parked says the same again and again.
SHARE_OF_A_STOP = 0.25
# Configurations this near each other are the same stop [rad or m].
SAME_STOP = 5e-3
# A model says most of its errors on held-out samples, and nearly all within so many times them.
FACTOR = 3.0
# What a model learned counts where a sample is within this of every joint [rad or m], or where it is supported so much.
NEAR_THE_DATA = 0.5
LEAST_SUPPORT = 0.5


class DriftReport(NamedTuple):
    """What the last readings come to.

    Attributes
    ----------
    drifted : bool
        Whether their median is beyond the limit.
    median : float
        Of the distances between measured and expected tool [m]; NaN before the first.
    limit : float
        Largest median that is no drift [m].
    validation_error : float
        Of the model [m]; 0 where it has none.
    readings, stops : int
        That the median is of.
    judged : bool
        Whether there are enough of them.
    """

    drifted: bool
    median: float
    limit: float
    validation_error: float
    readings: int
    stops: int
    judged: bool


class DriftMonitor:
    """Judges a model by the last measurements of the arm standing still.

    Parameters
    ----------
    threshold : float
        Distance between measured and expected tool that is no drift in any case [m].
    validation_error : float
        Root mean square of the model's error on held-out samples [m]; three times that is no drift either.
    window : int
        Readings that are judged together; of one and the same stop, a quarter of them at most.

    Raises
    ------
    InvalidInputError
        When an argument is out of range.
    """

    def __init__(self, threshold: float = 1e-3, validation_error: float = 0.0, window: int = 20):
        if not 0.0 < threshold < math.inf:
            raise InvalidInputError("threshold", threshold, "a finite number of metres above 0")
        if not 0.0 <= validation_error < math.inf:
            raise InvalidInputError("validation_error", validation_error, "a finite number of metres, 0 or above")
        if window < FEWEST_READINGS:
            raise InvalidInputError("window", window, f"at least {FEWEST_READINGS}")
        self.limit = max(threshold, FACTOR * validation_error)
        self.validation_error = validation_error
        self.window = window
        # Of each stop its last errors, and all stops oldest first.
        self._of_a_stop = max(FEWEST_READINGS, round(SHARE_OF_A_STOP * window))
        self._stops: deque[deque[float]] = deque()
        self._place: Array | None = None

    def add(self, error: float, configuration: ArrayLike) -> None:
        """Take a reading: distance between measured and expected tool [m], at a configuration (J,) [rad or m].

        Raises
        ------
        InvalidInputError
            When a value is not finite.
        """
        configuration = np.array(configuration, dtype=float)
        if not (0.0 <= error < math.inf and np.isfinite(configuration).all()):
            raise InvalidInputError("error", error, "a finite distance, at finite joint positions")
        if self._place is None or np.abs(configuration - self._place).max() > SAME_STOP:
            self._place = configuration
            self._stops.append(deque(maxlen=self._of_a_stop))
        self._stops[-1].append(error)
        while sum(map(len, self._stops)) > self.window:
            self._stops[0].popleft()
            if not self._stops[0]:
                self._stops.popleft()

    def report(self) -> DriftReport:
        """Return the verdict on the readings there are."""
        errors = [error for stop in self._stops for error in stop]
        median = float(np.median(errors)) if errors else math.nan
        judged = len(errors) >= FEWEST_READINGS
        return DriftReport(
            judged and median > self.limit,
            median,
            self.limit,
            self.validation_error,
            len(errors),
            len(self._stops),
            judged,
        )


def validation_error_of(estimator: InverseKinematics) -> float:
    """Root mean square error of a model on held-out samples [m]; 0 where it has learned nothing.

    NaN where it was not measured as a distance, so that none can be expected of it.
    """
    validation: dict[str, Any] | None = getattr(estimator, "validation_", None)
    return 0.0 if validation is None else float(validation.get("position_rms", math.nan))


def knows(estimator: InverseKinematics, configuration: Array) -> bool:
    """Whether a configuration (J,) is near the data an estimator has learned from; one that has not, knows all."""
    support = getattr(estimator, "support", None)
    if support is not None:
        return bool(np.all(np.asarray(support(configuration[None])) >= LEAST_SUPPORT))
    centers = getattr(estimator, "center_configurations_", None)
    if centers is None:
        return True
    distances = np.abs(centers - configuration)
    turns = np.where(estimator.robot.continuous, 2.0 * math.pi - distances, distances)
    return bool(np.minimum(distances, turns).max(axis=1).min() <= NEAR_THE_DATA)


def model_error(estimator: InverseKinematics, pose: ArrayLike, configuration: ArrayLike) -> float:
    """Distance [m] between the measured tool (4, 4) and where an estimator expects it at a configuration (J,).

    NaN where it expects it nowhere. A learned kinematic model that has found out where the measuring frame and the
    measured point are expects the pose as it is measured; all others expect the tip in the base frame.
    """
    poses, configurations = np.asarray(pose, dtype=float)[None], np.asarray(configuration, dtype=float)[None]
    model = getattr(estimator, "robot_", None)
    if model is None:
        return float(estimator.errors(poses, configurations)[0][0])
    frame, tool = (getattr(estimator, name, None) for name in ("frame_", "tool_"))
    expected = model.forward_kinematics(configurations)
    expected = expected if frame is None else frame @ expected
    expected = expected if tool is None else expected @ tool
    return float(tool_errors(poses, expected)[0][0])


def expects_any_frame(estimator: InverseKinematics) -> bool:
    """Whether an estimator has found out where the measuring frame is, so that poses need not be in the base frame."""
    return getattr(estimator, "frame", "known") == "unknown"
