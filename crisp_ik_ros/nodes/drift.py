"""What ``ik_service`` has to say about a model that no longer is its robot's, where something measures the tool."""

from __future__ import annotations

import math

from rclpy.node import Node

from crisp_ik_ros.estimators.drift import (
    FEWEST_READINGS,
    DriftMonitor,
    DriftReport,
    expects_any_frame,
    knows,
    model_error,
    validation_error_of,
)
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.nodes.health import Health, Level
from crisp_ik_ros.nodes.listening import Listener
from crisp_ik_ros.nodes.measurements import WAITING, Measurement
from crisp_ik_ros.nodes.parameters import declare

# The arm stands still when no joint moves by more in this time [s, rad or m].
STILL_FOR = 0.3
STILL_WITHIN = 1e-3
# Measured positions that move more than this meanwhile are of an arm that is not at rest [m].
POSE_WITHIN = 2e-4
ADVICE = "measure again and retrain: crisp-ik train MODEL.npz --data DATA, then call ~/reload"


class DriftWatch:
    """Compares measured poses with the model that is served, whenever the arm stands still.

    Parameters
    ----------
    node : Node
        Gets the parameters that say what measures the tool, and two subscriptions, where it is measured.
    estimator : InverseKinematics
        What is served.
    """

    def __init__(self, node: Node, estimator: InverseKinematics):
        self._node = node
        topic = declare(
            node,
            "measured_pose_topic",
            "",
            "Measured tool poses (geometry_msgs/PoseStamped), to see whether the model still holds. Empty: none.",
        )
        self._window = declare(
            node, "drift_window", 20, "Measurements of the arm standing still that are judged together.",
            FEWEST_READINGS, 10_000,
        )  # fmt: skip
        self._threshold = declare(
            node,
            "drift_threshold",
            1e-3,
            "Median distance between measured and expected tool that is no drift; nor is three times the model's "
            "validation error [m].",
            1e-6,
            10.0,
        )
        self._listener: Listener | None = None
        if topic:
            self._listener = Listener(
                node,
                estimator.robot,
                topic,
                still_for=STILL_FOR,
                still_within=STILL_WITHIN,
                pose_within=POSE_WITHIN,
            )
            node.create_timer(STILL_FOR / 3.0, self._look)
        self.warm_up(estimator)
        self.begin(estimator)

    def warm_up(self, estimator: InverseKinematics) -> None:
        """Compile what it takes to judge an estimator: no request is to wait for that."""
        if self._listener is not None and math.isfinite(validation_error_of(estimator)):
            rest = estimator.robot.confined(estimator.robot.rest)
            knows(estimator, rest)
            model_error(estimator, estimator.robot.forward_kinematics(rest), rest)

    def begin(self, estimator: InverseKinematics) -> None:
        """Judge an estimator, which may be another one, from now on."""
        self._estimator = estimator
        self._monitor: DriftMonitor | None = None
        self._heard, self._unknown, self._state = -math.inf, 0, "nothing measured yet"
        self._foreign = False
        if self._listener is None:
            return
        self._listener.begin(estimator.robot)
        error = validation_error_of(estimator)
        # A model without an error in metres cannot be judged by one.
        if math.isfinite(error):
            self._monitor = DriftMonitor(self._threshold, error, self._window)

    def _look(self) -> None:
        """Take a measurement where there is one, of readings that none was made of before."""
        assert self._listener is not None
        listener = self._listener
        if listener.now() < self._heard:
            # The clock was set back.
            self._heard = -math.inf
        found = listener.measurements.look(listener.now(), since=self._heard + STILL_FOR)
        if isinstance(found, Measurement):
            self._heard = found.end
            self._state = self._compare(found)
        elif found != WAITING:
            self._state = found

    def _compare(self, found: Measurement) -> str:
        """Take a measurement; return words for what became of it."""
        assert self._listener is not None and found.tool is not None
        measurements, base = self._listener.measurements, self._estimator.robot.base_link
        self._foreign = not (measurements.in_base_frame() or expects_any_frame(self._estimator))
        if self._foreign:
            return f"poses are measured in the frame {measurements.frame_id!r}, expected {base!r}, the robot's base"
        configuration = self._estimator.robot.confined(found.configuration)
        if self._monitor is None or not knows(self._estimator, configuration):
            self._unknown += 1
            return "the arm is where the model has no data"
        error = model_error(self._estimator, found.tool.pose, configuration)
        if not math.isfinite(error):
            self._unknown += 1
            return "the model does not say where the tool is"
        self._monitor.add(error, configuration)
        return "measuring"

    def health(self) -> Health | None:
        """Return what is to be said on /diagnostics; None where nothing measures the tool."""
        if self._listener is None:
            return None
        if self._monitor is None:
            return Health(message="not watched: the model's error is not known in metres")
        report = self._monitor.report()
        values = {
            "median error [mm]": _millimetres(report.median),
            "limit [mm]": _millimetres(report.limit),
            "validation error [mm]": _millimetres(report.validation_error),
            "measurements": report.readings,
            "stops": report.stops,
            "measurements away from the data": self._unknown,
            "state": self._state,
            "advice": ADVICE if report.drifted else "",
        }
        level = Level.WARN if report.drifted or self._foreign else Level.OK
        return Health(level, _message(report, self._state), values)


def _message(report: DriftReport, state: str) -> str:
    if not report.judged:
        return f"{report.readings} of {FEWEST_READINGS} measurements; {state}"
    found = (
        f"the tool is {_millimetres(report.median)} mm from where the model expects it (median of {report.readings} "
        f"measurements at {report.stops} stops), limit {_millimetres(report.limit)} mm"
    )
    return f"{found}: {ADVICE}" if report.drifted else found


def _millimetres(value: float) -> str:
    return f"{1e3 * value:.3g}"
