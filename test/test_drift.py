"""Whether a model still holds, from measurements of the arm standing still."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured import measured_poses, true_robot

from crisp_ik_ros import CRiSP, LearnedKinematics, ModelBasedIK
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.estimators.drift import (
    FEWEST_READINGS,
    DriftMonitor,
    expects_any_frame,
    knows,
    model_error,
    validation_error_of,
)
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.transforms import make_pose, rotation_exponential


def fill(monitor, errors, first=0):
    """Readings, each at a stop of its own."""
    for index, error in enumerate(errors):
        monitor.add(error, [0.1 * (first + index)])
    return monitor.report()


def test_nothing_is_said_before_there_are_readings_enough():
    monitor = DriftMonitor(1e-3)
    report = monitor.report()
    assert np.isnan(report.median) and not report.judged and not report.drifted and report.readings == 0
    report = fill(monitor, [1.0] * (FEWEST_READINGS - 1))
    assert not report.judged and not report.drifted and report.median == 1.0
    report = fill(monitor, [1.0], FEWEST_READINGS)
    assert report.judged and report.drifted and report.readings == report.stops == FEWEST_READINGS


def test_the_limit_is_the_threshold_or_three_times_the_validation_error():
    for validation_error, error, drifted in ((0.0, 0.9e-3, False), (0.0, 1.1e-3, True), (5e-4, 1.4e-3, False),
                                             (5e-4, 1.6e-3, True)):  # fmt: skip
        report = fill(DriftMonitor(1e-3, validation_error), [error] * 8)
        assert report.drifted == drifted and report.limit == max(1e-3, 3.0 * validation_error)
        assert report.validation_error == validation_error


def test_a_few_wild_readings_are_no_drift_and_the_past_is_forgotten():
    monitor = DriftMonitor(1e-3, window=20)
    assert not fill(monitor, [1e-4] * 11 + [5.0] * 9).drifted
    report = fill(monitor, [2e-3] * 20, 20)
    assert report.drifted and report.median == 2e-3 and report.readings == 20
    assert not fill(monitor, [1e-4] * 20, 40).drifted


def test_an_arm_that_is_parked_does_not_outvote_other_stops():
    monitor = DriftMonitor(1e-3, window=20)
    fill(monitor, [1e-4] * 15)
    for _ in range(1000):
        monitor.add(9e-3, [50.0])
    report = monitor.report()
    assert report.readings == 20 and report.stops == 16 and not report.drifted
    # With nothing else to go by, one stop is enough.
    alone = DriftMonitor(1e-3, window=20)
    for index in range(1000):
        alone.add(9e-3, [1e-4 * (index % 2)])
    assert alone.report().drifted and alone.report().readings == 5 and alone.report().stops == 1


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(0, 4)), max_size=60), st.integers(5, 30))
def test_the_median_is_of_the_last_readings_of_each_stop(readings, window):
    monitor = DriftMonitor(1e-3, window=window)
    stops: list[list[float]] = []
    before = None
    for error, place in readings:
        monitor.add(error, [float(place)])
        if place != before:
            stops.append([])
        stops[-1].append(error)
        before = place
    # Newest first, each stop with its share; the oldest that no longer fit are gone.
    share = max(FEWEST_READINGS, round(0.25 * window))
    report = monitor.report()
    assert report.readings <= window
    kept = [error for stop in stops for error in stop[-share:]][-report.readings :] if report.readings else []
    assert report.readings == len(kept) and (not kept or report.median == np.median(kept))
    if len(stops) <= window // share:
        assert report.readings == sum(min(len(stop), share) for stop in stops)


def test_values_that_cannot_be_are_refused():
    for options in ({"threshold": 0.0}, {"threshold": np.nan}, {"validation_error": -1.0}, {"validation_error": np.nan},
                    {"window": 4}):  # fmt: skip
        with pytest.raises(InvalidInputError, match=next(iter(options))):
            DriftMonitor(**options)
    monitor = DriftMonitor()
    for error, place in ((np.nan, [0.0]), (-1.0, [0.0]), (1.0, [np.nan])):
        with pytest.raises(InvalidInputError):
            monitor.add(error, place)
    assert monitor.report().readings == 0


# -- what a model expects ----------------------------------------------------------------------------------------------


def test_a_model_that_learned_a_robot_is_right_about_it_and_wrong_about_another(panda, biased_panda, spiral_estimator):
    q = spiral_estimator.center_configurations_[::50]
    other = panda.with_bias(joint_offsets=np.full(7, np.deg2rad(-1.0)))
    right, wrong = (
        np.array([model_error(spiral_estimator, robot.forward_kinematics(row), row) for row in q])
        for robot in (biased_panda, other)
    )
    limit = 3.0 * validation_error_of(spiral_estimator)
    assert np.median(right) < max(1e-3, limit) and wrong.min() > max(1e-3, limit)
    assert validation_error_of(spiral_estimator) == spiral_estimator.validation_["position_rms"]


def test_a_model_of_the_urdf_is_off_by_what_the_urdf_is(panda, biased_panda):
    estimator = ModelBasedIK(panda)
    pose = biased_panda.forward_kinematics(panda.rest)
    expected = tool_errors(pose[None], panda.forward_kinematics(panda.rest)[None])[0][0]
    assert model_error(estimator, pose, panda.rest) == pytest.approx(expected)
    assert validation_error_of(estimator) == 0.0 and knows(estimator, panda.rest) and not expects_any_frame(estimator)


def test_learned_kinematics_expect_what_is_measured_where_it_is_measured(panda, biased_panda):
    frame = make_pose([1.0, -0.5, 0.2], rotation_exponential([0.1, 0.2, 3.0]))
    tool = make_pose([0.0, 0.02, 0.05], np.eye(3))
    plain = SimpleNamespace(robot=panda, robot_=biased_panda)
    placed = SimpleNamespace(robot=panda, robot_=biased_panda, frame="unknown", frame_=frame, tool_=tool)
    pose = biased_panda.forward_kinematics(panda.rest)
    assert model_error(plain, pose, panda.rest) < 1e-12 and not expects_any_frame(plain)
    assert model_error(placed, frame @ pose @ tool, panda.rest) < 1e-12 and expects_any_frame(placed)
    assert model_error(placed, pose, panda.rest) > 1.0


@pytest.mark.parametrize("placed", [False, True])
def test_a_fitted_learned_kinematics_is_right_about_its_robot_and_wrong_about_another(panda, placed):
    # Where the device stands and what it measures are given, or found out with the rest.
    frame = make_pose([1.0, -0.5, 0.2], rotation_exponential([0.1, 0.2, 3.0])) if placed else None
    tool = make_pose([0.0, 0.02, 0.05], np.eye(3)) if placed else None
    word = "unknown" if placed else "known"
    model = LearnedKinematics(panda, frame=word, tool=word, kernel="none").fit(
        measured_poses(true_robot(panda), 80, 0, frame, tool)
    )
    assert expects_any_frame(model) == placed
    assert validation_error_of(model) == model.validation_["position_rms"] < 5e-4
    for seed, drifted in ((0, False), (5, True)):
        live = measured_poses(true_robot(panda, seed), 12, 1, frame, tool)
        monitor = DriftMonitor(1e-3, validation_error_of(model))
        for pose, q in zip(live.poses, live.configurations, strict=True):
            # A frame that is not known leaves the base's place open, which counts as not knowing the arm there.
            assert placed or knows(model, q)
            monitor.add(model_error(model, pose, q), q)
        assert monitor.report().judged and monitor.report().drifted == drifted


def test_what_is_far_from_the_data_is_not_known(panda, spiral_estimator, endless):
    q = spiral_estimator.center_configurations_[3]
    assert knows(spiral_estimator, q) and knows(spiral_estimator, q + 0.1)
    assert not knows(spiral_estimator, q + np.array([2.0, 0, 0, 0, 0, 0, 0]))
    supported = SimpleNamespace(support=lambda q: np.full(len(q), 0.7))
    assert knows(supported, q)
    supported.support = lambda q: np.full(len(q), 0.3)
    assert not knows(supported, q)
    # A joint that turns without end is near itself a turn later.
    assert endless.continuous.any()
    around = SimpleNamespace(
        robot=endless, center_configurations_=np.where(endless.continuous, 3.1, endless.rest)[None]
    )
    assert knows(around, np.where(endless.continuous, -3.1, endless.rest))
    assert not knows(around, np.where(endless.continuous, 0.0, endless.rest))


def test_a_model_that_does_not_work_in_metres_has_no_error_to_expect(panda, panda_samples):
    estimator = CRiSP(panda, loss="radians", centers=50).fit(panda_samples)
    assert np.isnan(validation_error_of(estimator))
