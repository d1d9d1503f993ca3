"""When an arm stands still and what its readings average to, against brute force and hand-made numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from crisp_ik_ros.datasets.averages import average_poses, average_positions, nearest_rotation
from crisp_ik_ros.datasets.capture import StillWindow, find_stops
from crisp_ik_ros.datasets.readings import Readings
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.transforms import make_pose

# A time as stamps have it: seconds since 1970, where a double resolves a quarter of a microsecond.
EPOCH = 1.7e9


def moves_and_stops(stops, rate=100.0, stop=1.0, move=0.5, noise=0.0, seed=0):
    """Times and readings of two joints that stand at each of ``stops`` (n, 2) and move evenly between them."""
    parts = []
    for index, place in enumerate(stops):
        parts.append(np.repeat([place], round(stop * rate), axis=0))
        if index + 1 < len(stops):
            share = np.arange(1, round(move * rate)) / (move * rate)
            parts.append(place + share[:, None] * (np.subtract(stops[index + 1], place)))
    readings = np.concatenate(parts)
    readings = readings + noise * np.random.default_rng(seed).standard_normal(readings.shape)
    return EPOCH + np.arange(len(readings)) / rate, readings


# -- stops -------------------------------------------------------------------------------------------------------------


def test_every_stop_is_found_where_it_is():
    places = [[0.0, 0.0], [0.5, -0.2], [0.5, 0.3], [-1.0, 0.3]]
    times, readings = moves_and_stops(places, noise=1e-5)
    stops = find_stops(times, readings, 0.3, 1e-3)
    assert len(stops) == 4
    for stop, place in zip(stops, places, strict=True):
        np.testing.assert_allclose(readings[stop.first : stop.last].mean(axis=0), place, atol=1e-4)
        assert 0.98 <= stop.end - stop.begin <= 1.01
        assert stop.begin == times[stop.first] and stop.end == times[stop.last - 1]
    # None of them is long enough.
    assert find_stops(times, readings, 1.2, 1e-3) == []


def test_an_arm_that_comes_to_rest_slowly_stands_there_once():
    # Within the tolerance of its place for half a second before it is there; then noise takes it out of it.
    times, readings = moves_and_stops([[0.0, 0.0]], stop=3.0, noise=1e-5)
    readings[:100] += np.outer(np.linspace(0.03, 0.0, 100), [1.0, 0.5])
    assert np.ptp(readings[60:], axis=0).max() > 1e-3
    (stop,) = find_stops(times, readings, 0.3, 1e-3)
    assert stop.end == times[-1] and np.abs(readings[stop.first]).max() <= 1.1e-3


def test_a_gap_between_readings_ends_a_stop():
    times, readings = moves_and_stops([[0.0, 0.0]], stop=2.0)
    rows = {}
    for gap in (0.1, 0.2, 1.0):
        later = np.where(np.arange(200) < 120, times, times + gap)
        rows[gap] = [(stop.first, stop.last) for stop in find_stops(later, readings, 0.3, 1e-3)]
    # After a short one the arm is known to stand where it stood.
    assert rows == {0.1: [(0, 200)], 0.2: [(0, 120)], 1.0: [(0, 120), (120, 200)]}
    times[120:] += 0.2
    assert len(find_stops(times, readings, 0.3, 1e-3, largest_gap=0.25)) == 1


def test_a_slow_drift_is_no_one_stop():
    times, readings = moves_and_stops([[0.0, 0.0]], stop=4.0)
    drifting = readings + np.outer(times - EPOCH, [1e-3, 0.0])
    for stop in find_stops(times, drifting, 0.3, 1e-3):
        assert np.ptp(drifting[stop.first : stop.last], axis=0).max() <= 1e-3
    assert find_stops(times, 10.0 * drifting, 0.3, 1e-3) == []


@st.composite
def recordings(draw):
    """Short recordings of one or two joints on a coarse grid, so that readings are just within or just beyond."""
    count, joints = draw(st.integers(1, 40)), draw(st.integers(1, 2))
    steps = draw(st.lists(st.sampled_from([0.1, 0.1, 0.1, 0.2, 0.5]), min_size=count, max_size=count))
    values = draw(st.lists(st.integers(0, 3), min_size=count * joints, max_size=count * joints))
    return EPOCH + np.cumsum(steps), 1e-3 * np.reshape(values, (count, joints)).astype(float)


FOR, WITHIN, GAP = 0.3, 1.5e-3, 0.25


def is_still(times, readings, first, last):
    """Whether rows first..last-1 are one stretch of standing still, by the definition."""
    return (
        np.ptp(readings[first:last], axis=0).max() <= WITHIN
        and (last - first < 2 or np.diff(times[first:last]).max() <= GAP)
        and times[last - 1] - times[first] >= FOR - 1e-5
    )


@given(recordings())
def test_stops_are_the_first_and_longest_that_there_are(recording):
    times, readings = recording
    expected, row = [], 0
    while row < len(times):
        ends = [last for last in range(row + 1, len(times) + 1) if is_still(times, readings, row, last)]
        if ends:
            expected.append((row, ends[-1]))
            row = ends[-1]
        else:
            row += 1
    places = []
    for first, last in expected:
        middle = readings[first:last].mean(axis=0)
        if (
            not places
            or times[first] - places[-1][-1][1] >= FOR
            or np.abs(middle - places[-1][-1][2]).max() > 2 * WITHIN
        ):
            places.append([])
        places[-1].append((times[last - 1] - times[first], times[last - 1], middle, (first, last)))
    found = find_stops(times, readings, FOR, WITHIN, GAP)
    assert len(found) == len(places)
    for stop, place in zip(found, places, strict=True):
        assert (stop.first, stop.last) in [entry[3] for entry in place]
        assert stop.end - stop.begin == max(entry[0] for entry in place)


@given(recordings())
def test_reading_by_reading_the_arm_stands_still_exactly_where_the_last_of_them_do(recording):
    times, readings = recording
    window = StillWindow(["a", "b"][: readings.shape[1]], FOR, WITHIN, largest_gap=GAP)
    for row, (time, reading) in enumerate(zip(times, readings, strict=True)):
        window.add(time, reading)
        assert window.still() == any(is_still(times, readings, first, row + 1) for first in range(row))


@given(recordings())
def test_a_window_of_the_past_is_what_the_last_one_was(recording):
    times, readings = recording
    names = ["a", "b"][: readings.shape[1]]
    past, last = (StillWindow(names, FOR, WITHIN, keep, largest_gap=GAP) for keep in (1e3, None))
    for time, reading in zip(times, readings, strict=True):
        past.add(time, reading)
    for time, reading in zip(times, readings, strict=True):
        last.add(time, reading)
        assert past.still(time) == last.still()
        if last.still():
            np.testing.assert_array_equal(past.mean(time), last.mean())


def test_what_is_missing_is_said_in_words():
    window = StillWindow(["shoulder", "lift"], 0.5, 1e-3, prismatic=[False, True])
    assert "not read" in window.fault() and window.last == -np.inf
    for time in np.arange(0.0, 0.3, 0.01):
        window.add(EPOCH + time, [0.0, 0.0])
    assert window.fault() == "the joints have been read for 0.29 s only"
    for time in np.arange(0.3, 1.0, 0.01):
        window.add(EPOCH + time, [0.0, 0.02 * time])
    assert window.fault() == "the arm is still moving: joint lift 0.02 m/s"
    for time in np.arange(1.0, 2.0, 0.01):
        window.add(EPOCH + time, [0.0, 0.02])
    assert window.fault() == "" and window.still()
    assert window.fault(EPOCH + 2.5) == "the joints were not read for 0.51 s"
    np.testing.assert_allclose(window.mean(), [0.0, 0.02])
    with pytest.raises(InvalidInputError, match="end"):
        window.mean(EPOCH - 10.0)
    window.clear()
    assert not window.still()


def test_a_clock_that_goes_back_begins_anew_and_a_reading_that_comes_twice_counts_once():
    window = StillWindow(["a"], 0.2, 1e-3)
    for _ in range(2):
        for time in np.arange(0.0, 0.3, 0.01):
            window.add(EPOCH + time, [0.0])
    assert window.still() and len(window.window()[0]) == 21
    window.add(EPOCH - 5.0, [0.0])
    assert not window.still()


def test_a_continuous_joint_may_be_read_on_both_sides_of_half_a_turn():
    readings = np.pi + 1e-4 * np.array([-2.0, 1.0, -1.0, 2.0, 0.5, -0.5])
    wrapped = (readings + np.pi) % (2.0 * np.pi) - np.pi
    assert np.ptp(wrapped) > 6.0
    window, other = (StillWindow(["a"], 0.5, 1e-3, continuous=[flag]) for flag in (True, False))
    for time, reading in zip(np.arange(6) * 0.1, wrapped, strict=True):
        window.add(time, [reading])
        other.add(time, [reading])
    assert window.still() and not other.still()
    difference = window.mean()[0] - readings.mean()
    assert abs(difference - 2.0 * np.pi * round(difference / (2.0 * np.pi))) < 1e-12


def test_what_cannot_be_used_is_refused():
    window = StillWindow(["a", "b"], 0.5, 1e-3)
    for reading in ([0.0], [[0.0, 0.0]], [np.nan, 0.0], [np.inf, 0.0]):
        with pytest.raises(InvalidInputError, match="configuration"):
            window.add(0.0, reading)
    with pytest.raises(InvalidInputError, match="configuration"):
        window.add(np.nan, [0.0, 0.0])
    for wrong in ((0.0, 1e-3, None), (0.5, -1.0, None), (0.5, np.nan, None), (np.inf, 1e-3, None), (0.5, 1e-3, 0.0)):
        with pytest.raises(InvalidInputError, match=r"still_for|still_within|largest_gap"):
            find_stops([0.0], [[0.0]], *wrong)
    with pytest.raises(InvalidInputError, match="row 2"):
        find_stops([0.0, 1.0, 1.0], np.zeros((3, 1)), 0.5, 1e-3)
    with pytest.raises(InvalidInputError, match="times"):
        find_stops([0.0, 1.0], np.zeros((3, 1)), 0.5, 1e-3)
    with pytest.raises(InvalidInputError, match="finite"):
        find_stops([0.0, 1.0], [[0.0], [np.nan]], 0.5, 1e-3)
    assert find_stops([], np.zeros((0, 3)), 0.5, 1e-3) == []


def test_readings_are_forgotten_when_they_are_old():
    readings = Readings(1.0)
    for time in range(10):
        readings.add(float(time), np.array([time]))
    assert len(readings) == 2
    times, values = readings.between(8.5, 9.0)
    assert times.tolist() == [9.0] and values.tolist() == [[9]]
    assert readings.between(8.5, 9.0, covering=True)[0].tolist() == [8.0, 9.0]
    assert readings.between(8.0, 9.0, covering=True)[0].tolist() == [8.0, 9.0]
    assert len(readings.between(20.0, 30.0)[1]) == 0


@given(st.lists(st.tuples(st.floats(1e-3, 2.0), st.floats(-1.0, 1.0)), min_size=1, max_size=300), st.floats(0.0, 20.0))
def test_readings_are_those_that_are_not_too_old_however_many_there_were(steps, keep):
    readings, time = Readings(keep), EPOCH
    everything = []
    for step, value in steps:
        time += step
        readings.add(time, np.array([value, -value]))
        everything.append((time, value))
    expected = [(t, value) for t, value in everything if t >= time - keep - 1e-6]
    times, values = readings.between(-np.inf, np.inf)
    assert times.tolist() == [t for t, _ in expected] and len(readings) == len(expected)
    assert values.tolist() == [[value, -value] for _, value in expected]


# -- averages ----------------------------------------------------------------------------------------------------------


def noisy_poses(count, position=1e-4, orientation=1e-3, seed=0, truth=None):
    rng = np.random.default_rng(seed)
    truth = make_pose([0.3, -0.2, 0.5], Rotation.random(random_state=seed).as_matrix()) if truth is None else truth
    turns = Rotation.from_rotvec(orientation * rng.standard_normal((count, 3))).as_matrix()
    return truth, make_pose(truth[:3, 3] + position * rng.standard_normal((count, 3)), turns @ truth[:3, :3])


def angle(first, second):
    return np.linalg.norm(Rotation.from_matrix(first @ second.T).as_rotvec())


def test_the_mean_is_scipys_and_its_noise_is_what_it_is_off_by():
    errors = []
    for seed in range(60):
        truth, poses = noisy_poses(40, seed=seed)
        average = average_poses(poses)
        np.testing.assert_allclose(average.pose[:3, 3], poses[:, :3, 3].mean(axis=0), atol=1e-12)
        expected = Rotation.from_matrix(poses[:, :3, :3]).mean().as_matrix()
        assert angle(average.pose[:3, :3], expected) < 1e-6
        assert average.readings == 40 and average.left_out == 0
        off = np.array([np.linalg.norm(average.pose[:3, 3] - truth[:3, 3]), angle(average.pose[:3, :3], truth[:3, :3])])
        errors.append([off, average.noise, average.scatter])
    off, noise, scatter = np.moveaxis(np.array(errors), 1, 0)
    # Of three axes each, over 60 draws: the deviation of such an estimate is below 6 %.
    real = np.sqrt((off**2).mean(axis=0) / 3.0)
    np.testing.assert_allclose(np.sqrt((noise**2).mean(axis=0)), real, rtol=0.3)
    np.testing.assert_allclose(np.sqrt((scatter**2).mean(axis=0)), [1e-4, 1e-3], rtol=0.05)


def test_noise_that_lasts_from_reading_to_reading_is_not_averaged_away():
    rng = np.random.default_rng(0)
    off, noise = [], []
    for _ in range(60):
        # A reading holds for ten: 80 readings are worth 8.
        positions = np.repeat(1e-4 * rng.standard_normal((8, 3)), 10, axis=0)
        average = average_positions(positions)
        off.append(np.linalg.norm(average.pose[:3, 3]))
        noise.append(average.noise[0])
    real = np.sqrt(np.mean(np.square(off)) / 3.0)
    assert np.sqrt(np.mean(np.square(noise))) == pytest.approx(real, rel=0.3)
    # As if they were all worth something of their own.
    assert 1e-4 / np.sqrt(80) < 0.5 * real


def test_glitches_are_left_out():
    truth, poses = noisy_poses(50)
    poses[7, :3, 3] += [0.0, 0.3, 0.0]
    poses[20, :3, :3] = Rotation.from_rotvec([0.0, 0.0, np.pi]).as_matrix() @ poses[20, :3, :3]
    average = average_poses(poses)
    assert average.left_out == 2 and average.readings == 48
    assert np.linalg.norm(average.pose[:3, 3] - truth[:3, 3]) < 1e-4
    assert angle(average.pose[:3, :3], truth[:3, :3]) < 1e-3
    assert average_positions(poses[:, :3, 3]).left_out == 1


@given(st.integers(1, 60), st.integers(0, 1000), st.floats(0.0, 0.1))
def test_the_mean_is_a_rotation_and_moves_with_the_frame(count, seed, size):
    truth, poses = noisy_poses(count, size, size, seed)
    average = average_poses(poses)
    rotation = average.pose[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert average.readings >= 1 and average.readings + average.left_out == count
    moved = average_poses(truth @ poses)
    np.testing.assert_allclose(moved.pose, truth @ average.pose, atol=1e-9)


def test_too_few_readings_and_readings_that_are_all_the_same_tell_no_noise():
    _, poses = noisy_poses(7)
    assert np.isnan(average_poses(poses).noise).all()
    same = average_poses(np.repeat(poses[:1], 30, axis=0))
    assert np.isnan(same.noise).all() and np.isnan(same.scatter).all() and same.drift < 1e-12
    np.testing.assert_allclose(same.pose, poses[0], atol=1e-12)
    single = average_poses(poses[:1])
    assert single.readings == 1 and single.drift == 0.0 and single.drift_noise == 0.0


def test_a_tool_that_moves_is_seen_in_the_noise_and_one_that_stands_is_not():
    ramp = np.outer(np.linspace(0.0, 1e-3, 60), [1.0, 0.0, 0.0])
    for seed in range(30):
        _, poses = noisy_poses(60, seed=seed)
        standing = average_positions(poses[:, :3, 3])
        moving = average_positions(poses[:, :3, 3] + ramp)
        assert standing.drift < 3.0 * standing.drift_noise
        assert moving.drift == pytest.approx(5e-4, abs=1e-4) and moving.drift > 3.0 * moving.drift_noise


def test_positions_have_no_orientation():
    average = average_positions(np.random.default_rng(0).normal(size=(30, 3)))
    np.testing.assert_array_equal(average.pose[:3, :3], np.eye(3))
    assert np.isnan(average.noise[1]) and np.isfinite(average.noise[0])


def test_the_nearest_rotation_of_a_reflection_is_one():
    rotation = nearest_rotation(np.diag([1.0, 1.0, -0.5]))
    assert np.linalg.det(rotation) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "average, readings",
    [
        (average_poses, np.zeros((0, 4, 4))),
        (average_poses, np.zeros((3, 3))),
        (average_poses, np.full((2, 4, 4), np.nan)),
        (average_positions, np.zeros((0, 3))),
        (average_positions, np.zeros(3)),
        (average_positions, [[0.0, np.inf, 0.0]]),
    ],
)
def test_readings_that_cannot_be_averaged_are_refused(average, readings):
    with pytest.raises(InvalidInputError):
        average(readings)
