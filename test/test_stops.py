"""Stops of a recording: readings of one configuration belong together."""

from __future__ import annotations

import numpy as np
from oracles import ENDLESS

from crisp_ik_ros import RobotModel
from crisp_ik_ros.datasets.stops import STOP_TOLERANCE, first_readings, hold_out_stops, stops_of


def test_readings_of_one_stop_are_one_whatever_their_order(panda):
    rng = np.random.default_rng(0)
    centers = panda.random_configurations(20, rng) * 0.9
    order = rng.permutation(np.repeat(np.arange(20), 5))
    q = centers[order] + rng.uniform(-0.4, 0.4, (100, 7)) * STOP_TOLERANCE
    stops = stops_of(panda, q)
    for one in range(20):
        assert len(np.unique(stops[order == one])) == 1
    assert stops.max() == 19
    # Numbered in the order of their first readings.
    np.testing.assert_array_equal(stops[first_readings(stops)], np.arange(20))


def test_other_configurations_are_other_stops(panda):
    q = panda.random_configurations(200, np.random.default_rng(1))
    np.testing.assert_array_equal(stops_of(panda, q), np.arange(200))
    assert stops_of(panda, q[:1]).tolist() == [0]


def test_a_recording_without_rest_is_no_single_stop(panda):
    path = panda.rest + np.linspace(0.0, 0.1, 500)[:, None] * np.ones(7)
    stops = stops_of(panda, path)
    assert 15 < stops.max() < 200
    for one in np.unique(stops):
        assert np.ptp(path[stops == one], axis=0).max() <= 2.0 * STOP_TOLERANCE


def test_a_joint_that_turns_endlessly_has_no_seam():
    robot = RobotModel.from_urdf(ENDLESS)
    q = np.zeros((2, robot.dof))
    joint = int(np.flatnonzero(robot.continuous)[0])
    q[:, joint] = np.pi - 1e-5, -np.pi + 1e-5
    assert stops_of(robot, q).tolist() == [0, 0]


def test_no_stop_is_on_both_sides_of_a_split():
    stops = np.repeat(np.arange(30), 4)
    train, test = hold_out_stops(stops, 0.25, 0)
    assert not set(stops[train]) & set(stops[test]) and len(train) + len(test) == 120
    assert len(set(stops[test])) == 8
    assert len(hold_out_stops(np.zeros(5, dtype=int), 0.25, 0)[1]) == 0
