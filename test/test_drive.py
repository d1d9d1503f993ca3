"""Paths of the joints, their time scaling, and the commands that come of them: whatever happens, a rest at the end."""

from __future__ import annotations

import numpy as np
import pytest
from commanded import Command, Controller
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.nodes.drive import Drive, straight
from crisp_ik_ros.nodes.joint_path import OVERSHOOT, JointPath
from crisp_ik_ros.nodes.time_scaling import GRID, Limits

J = 3
LOWER, UPPER = np.full(J, -2.0), np.full(J, 2.0)
LIMITS = Limits(np.array([1.0, 0.7, 1.3]), 14.0, 0.04, 0.3)
WHOLE = Limits(LIMITS.velocity, LIMITS.acceleration, LIMITS.braking_time, 3600.0)
HALT = 0.1
# Far from zero, as the time of a real clock is.
BEGIN = 1_700_000_000_000_000_000 // GRID * GRID
MS = 1_000_000


def command_of(plan) -> Command:
    times = 1e-9 * ((np.arange(len(plan.along)) + plan.first) * GRID - BEGIN)
    return Command(times, plan.positions, plan.velocities)


def path_through(points, durations, close=True):
    path = JointPath(points[0], LOWER, UPPER)
    for point, duration in zip(points[1:], durations, strict=True):
        path.add(point, duration)
    if close:
        path.close()
    return path


@st.composite
def walks(draw):
    """Waypoints that wander, with the durations between them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(2, 30))
    size = draw(st.sampled_from([0.0, 1e-4, 0.01, 0.05]))
    smooth = draw(st.booleans())
    steps = rng.normal(size=(count - 1, J)) * size
    if smooth:
        steps = np.cumsum(steps, axis=0) / np.sqrt(np.arange(1, count))[:, None] * 0.5
    near_limit = draw(st.booleans())
    points = np.cumsum(np.vstack([np.full(J, 1.95 if near_limit else 0.0), steps]), axis=0)
    points = np.clip(points, LOWER, UPPER)
    durations = np.maximum(
        draw(st.sampled_from([0.01, 0.02, 0.04, 0.3])),
        np.max(np.abs(np.diff(points, axis=0)) / LIMITS.velocity, axis=1),
    )
    return points, durations


# -- the path ----------------------------------------------------------------------------------------------------------


@given(walks())
@settings(max_examples=60, deadline=None)
def test_a_path_goes_through_its_waypoints_smoothly_and_stays_near_them_and_within_the_limits(walk):
    points, durations = walk
    path = path_through(points, durations)
    times = np.concatenate([[0.0], np.cumsum(durations)])
    np.testing.assert_allclose(path.at(times)[0], points, atol=1e-9)
    fine = np.linspace(0.0, path.end, 2000)
    q, slope = path.at(fine)
    passed = 0.5 * (slope[1:] + slope[:-1]) * np.diff(fine)[:, None]
    assert np.max(np.abs(np.diff(q, axis=0) - passed)) <= 0.02 * np.max(np.abs(slope)) * fine[1] + 1e-12
    assert np.all(q >= LOWER - 1e-9) and np.all(q <= UPPER + 1e-9)
    # Never farther from the interval between two waypoints than the stated share of the speeds there.
    i = np.clip(np.searchsorted(times, fine, side="right") - 1, 0, len(durations) - 1)
    low, high = np.minimum(points[i], points[i + 1]), np.maximum(points[i], points[i + 1])
    fastest = np.max(np.abs(path.at(times)[1]), axis=0)
    room = 2.0 * OVERSHOOT * fastest * durations[i][:, None]
    assert np.all(q >= low - room - 1e-9) and np.all(q <= high + room + 1e-9)


def test_what_may_be_driven_never_changes_afterwards():
    rng = np.random.default_rng(0)
    path = JointPath(np.zeros(J), LOWER, UPPER)
    seen = []
    for _ in range(200):
        path.add(path.last + rng.normal(size=J) * 0.01, 0.04)
        places = np.linspace(0.0, path.drivable, 50)
        seen.append((places, path.at(places)))
    path.close()
    for places, (q, slope) in seen:
        np.testing.assert_array_equal(path.at(places)[0], q)
        np.testing.assert_array_equal(path.at(places)[1], slope)
    assert path.count == 201 and path.drivable == path.end == pytest.approx(200 * 0.04)


def test_two_waypoints_make_a_straight_line_and_one_a_rest():
    path = straight(np.zeros(J), np.full(J, 0.5), LOWER, UPPER, LIMITS.velocity)
    q, slope = path.at(np.linspace(0.0, path.end, 11))
    np.testing.assert_allclose(q, np.linspace(0.0, 0.5, 11)[:, None].repeat(J, 1), atol=1e-12)
    assert np.ptp(slope) < 1e-12 and path.end == pytest.approx(0.5 / 0.7)
    alone = JointPath(np.ones(J), LOWER, UPPER)
    alone.close()
    drive = Drive(alone, LIMITS, BEGIN)
    assert drive.run(BEGIN, BEGIN + 100 * MS) is None and drive.arrived(BEGIN)


@pytest.mark.parametrize(
    ("waypoint", "duration", "share"),
    [
        ([np.nan, 0, 0], 0.1, 1.0),
        ([0, 0], 0.1, 1.0),
        ([0, 0, 0], 0.0, 1.0),
        ([0, 0, 0], np.nan, 1.0),
        ([0, 0, 0], 0.1, 0.0),
    ],
)
def test_a_waypoint_that_cannot_be_is_refused(waypoint, duration, share):
    path = JointPath(np.zeros(J), LOWER, UPPER)
    with pytest.raises(InvalidInputError):
        path.add(waypoint, duration, share)
    path.close()
    with pytest.raises(InvalidInputError, match="closed"):
        path.add(np.zeros(J), 0.1)


# -- the commands ------------------------------------------------------------------------------------------------------


class Run:
    """A follower without ROS: ticks, a path that grows, and a controller that gets the commands a little later."""

    def __init__(self, walk, seed=0, latest=12 * MS):
        self.points, self.durations = walk
        self.path = JointPath(self.points[0], LOWER, UPPER)
        self.drive = Drive(self.path, LIMITS, BEGIN)
        self.controller = Controller(self.points[0])
        self.rng, self.latest = np.random.default_rng(seed), latest
        self.now, self.known, self.sent = BEGIN, 1, []

    def grow(self):
        while self.known < len(self.points) and self.path.drivable - self.drive.plan.goal < 0.2:
            self.path.add(self.points[self.known], self.durations[self.known - 1])
            self.known += 1
        if self.known == len(self.points):
            self.path.close()

    def tick(self, heard, after=10 * MS):
        self.grow()
        self.send(self.drive.run(self.now, heard + round(HALT * 1e9)))
        self.now += after

    def send(self, plan):
        if plan is not None:
            assert plan.velocities[-1].tolist() == [0.0] * J
            self.sent.append(plan)
            delay = int(self.rng.integers(0, self.latest))
            self.controller.receive(1e-9 * (self.now + delay - BEGIN), command_of(plan))

    def check(self, until):
        """Nothing in the whole stream exceeds the limits; return it."""
        times, q, v, a = self.controller.over(0.0, 1e-9 * (until - BEGIN))
        assert np.max(np.abs(a), initial=0.0) <= 15.0
        assert np.all(np.abs(v) <= 1.02 * LIMITS.velocity)
        if len(q) > 1:
            assert np.max(np.abs(np.diff(q, axis=0))) <= 1.5e-3 * LIMITS.velocity.max()
        return times, q, v, a


relaxed = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(walks(), st.integers(0, 1000))
@relaxed
def test_with_nothing_lost_the_end_is_reached_within_the_limits(walk, seed):
    run = Run(walk, seed)
    while not run.drive.arrived(run.now):
        run.tick(run.now - int(run.rng.integers(0, 15 * MS)), int(run.rng.integers(8, 14)) * MS)
        assert run.now < BEGIN + (20 + 20 * len(walk[0])) * 1000 * MS, "it does not get there"
    _, q, *_ = run.check(run.now + 200 * MS)
    np.testing.assert_allclose(q[-1], walk[0][-1], atol=1e-9)
    times = [run.drive.time_of(run.path.time_of(run.path.count - 1))]
    assert times[0] <= run.now


@given(walks(), st.integers(0, 1000), st.integers(0, 150))
@relaxed
def test_whoever_falls_silent_the_command_is_at_rest_in_time(walk, seed, ticks):
    run = Run(walk, seed)
    heard = run.now
    for _ in range(ticks):
        heard = run.now - int(run.rng.integers(0, 15 * MS))
        run.tick(heard)
    for _ in range(15):  # ticks go on, nothing is heard any more
        run.tick(heard)
    deadline = heard + round(HALT * 1e9)
    assert all(plan.last * GRID <= deadline or plan.last == plan.first for plan in run.sent[-5:])
    times, q, v, _ = run.check(run.now + 300 * MS)
    still = times >= 1e-9 * (deadline - BEGIN)
    assert np.all(v[still] == 0.0) and np.ptp(q[still], axis=0).max() == 0.0


@given(walks(), st.integers(0, 1000), st.integers(0, 100), st.integers(1, 3000))
@relaxed
def test_a_follower_that_is_held_up_finds_the_arm_at_rest_and_goes_on_without_a_jump(walk, seed, ticks, pause):
    run = Run(walk, seed)
    for _ in range(ticks):
        run.tick(run.now)
    run.now += pause * MS
    for _ in range(30):
        before = len(run.sent)
        run.tick(run.now, 0)
        # What is sent is for now and the future, whatever was missed.
        assert all(plan.first * GRID > run.now - 2 * GRID for plan in run.sent[before:])
        run.now += 10 * MS
    run.check(run.now + 200 * MS)


@given(walks(), st.integers(0, 1000), st.integers(0, 150))
@relaxed
def test_a_stop_ramps_down_from_the_last_command(walk, seed, ticks):
    run = Run(walk, seed)
    for _ in range(ticks):
        run.tick(run.now)
    run.send(run.drive.brake(run.now))
    _, _, v, _ = run.check(run.now + 400 * MS)
    assert np.all(v[-1] == 0.0)
    # As soon as the limits allow: the speeds are such that this is the braking time and the command's way.
    assert run.drive.plan.last * GRID <= run.now + 15 * MS + 2 * round(LIMITS.braking_time * 1e9) + 30 * MS
    assert run.drive.rests(run.drive.plan.last * GRID)


def test_all_of_the_speed_is_used_where_nothing_forbids_it():
    path = straight(np.zeros(J), np.full(J, 1.0), LOWER, UPPER, LIMITS.velocity)
    drive, now, plans = Drive(path, LIMITS, BEGIN), BEGIN, []
    while not drive.arrived(now):
        plans.append(drive.run(now, now + round(HALT * 1e9)))
        now += 10 * MS
    fastest = max(np.abs(plan.velocities).max() for plan in plans if plan is not None)
    assert fastest == pytest.approx(LIMITS.acceleration * LIMITS.braking_time, rel=0.02)
    assert 1e-9 * (now - BEGIN) < 1.0 / fastest + 0.3


def test_a_share_of_the_speed_is_kept_where_only_that_is_allowed():
    path = JointPath(np.zeros(J), LOWER, UPPER)
    for k in range(1, 41):
        path.add(np.full(J, 0.01 * k), 0.04, 0.2 if 15 < k < 25 else 1.0)
    path.close()
    drive, now, seen = Drive(path, LIMITS, BEGIN), BEGIN, []
    while not drive.arrived(now):
        drive.run(now, now + round(HALT * 1e9))
        seen += zip(drive.plan.along, drive.plan.rates, strict=True)
        now += 10 * MS
    slow = [rate for along, rate in seen if 16 * 0.04 < along < 24 * 0.04]
    fast = [rate for along, rate in seen if along < 12 * 0.04]
    assert 0.15 < max(slow) <= 0.25 and max(fast) > 0.9


def test_a_clock_that_jumps_leaves_the_arm_at_rest_and_the_path_goes_on():
    path = straight(np.zeros(J), np.full(J, 0.5), LOWER, UPPER, LIMITS.velocity)
    drive, now = Drive(path, LIMITS, BEGIN), BEGIN
    for _ in range(30):
        drive.run(now, now + round(HALT * 1e9))
        now += 10 * MS
    goal = drive.plan.goal
    now -= 3600_000 * MS
    drive.restart(now)
    assert drive.rests(now) and drive.along(now) == pytest.approx(goal)
    plan = drive.run(now, now + round(HALT * 1e9))
    assert abs(plan.first * GRID - now) < 20 * MS and plan.rates[0] == 0.0


def test_a_command_that_would_come_too_late_is_withdrawn_and_the_one_before_it_holds():
    path = straight(np.zeros(J), np.full(J, 0.5), LOWER, UPPER, LIMITS.velocity)
    drive, now, halt = Drive(path, LIMITS, BEGIN), BEGIN, round(HALT * 1e9)
    for _ in range(20):
        drive.run(now, now + halt)
        assert not drive.withdraw(now + 5 * MS)
        now += 10 * MS
    sent = drive.plan
    assert drive.run(now, now + halt) is not None and drive.plan.goal > sent.goal
    # Held up for a second between the plan and its sending: the arm rests where the last one that was sent ends.
    now += 1000 * MS
    assert drive.withdraw(now)
    assert drive.plan is sent and drive.rests(now)
    later = drive.run(now, now + halt)
    assert later.rates[0] == 0.0 and not drive.withdraw(now)
    np.testing.assert_allclose(later.positions[0], sent.positions[-1])


def bent(count=40):
    """Path round a bend at each waypoint, so fast that it is driven as its bends allow."""
    path = JointPath(np.zeros(J), LOWER, UPPER)
    for k in range(1, count):
        path.add(0.3 * np.sin(0.9 * k + np.arange(J)) - 0.3 * np.sin(np.arange(J)), 0.04)
    path.close()
    return path


@pytest.mark.parametrize("count", [2, 7, 40])
def test_a_whole_path_is_one_command_to_its_end_and_then_none(count):
    path = bent(count)
    drive, now, sent = Drive(path, WHOLE, BEGIN, whole=True), BEGIN, []
    while not drive.arrived(now):
        plan = drive.run(now, now + 3600_000 * MS)
        if plan is not None:
            sent.append(plan)
            assert not drive.withdraw(now + 50 * MS)
        now += 10 * MS
        assert now < BEGIN + 60_000 * MS
    # The last bit may be another one: it never takes as long as the way.
    assert 1 <= len(sent) <= 2 and path.end - sent[0].goal < 1e-3 and drive.plan.goal == pytest.approx(path.end)
    assert np.abs(sent[0].velocities).max() <= LIMITS.velocity.max() * 1.001 and sent[0].rates[-1] == 0.0


def test_a_whole_path_that_takes_long_to_plan_gets_more_time_until_it_is_sent():
    drive, now, tries = Drive(bent(), WHOLE, BEGIN, whole=True), BEGIN, 0
    while True:
        plan = drive.run(now, now + 3600_000 * MS)
        now += 700 * MS  # as long as that takes here
        tries += 1
        if not drive.withdraw(now):
            break
        assert drive.rests(now) and tries < 6
    assert tries > 1 and plan.rates[0] == 0.0 and drive.plan.goal > 0.9 * drive.path.end
