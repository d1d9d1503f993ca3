"""trajectory_follower over DDS while things go wrong: whatever it sends ends at rest, within the limits."""

from __future__ import annotations

import json
import signal
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from fake_robot import FakeRobot
from faulty import level_of, status_of, values_of
from std_srvs.srv import Trigger

from crisp_ik_ros import ModelBasedIK
from crisp_ik_ros.trajectories import circle

pytestmark = pytest.mark.alone
HALT = 0.1
# A circle that the joints have to hurry for: most of the way they are as fast as they may be.
POINTS, RADIUS, RATE = 150, 0.1, 50.0
FAST = {"trajectory": "circle", "points": POINTS, "radius": RADIUS, "rate": RATE, "settle_time": 0.1}
# Where it is not about the halt itself, one that a busy machine seldom brings about. Longer commands, of which there
# are a hundred in a second, would keep it busy themselves.
PATIENT = {**FAST, "halt_time": 0.5}


@pytest.fixture(scope="module")
def solutions(panda):
    targets = circle(points=POINTS, radius=RADIUS)
    first = ModelBasedIK(panda).solve(targets[0], panda.rest).configuration
    return targets, ModelBasedIK(panda).solve_path(targets, first).configurations


@pytest.fixture
def robot(ros, panda, solutions):
    made = []

    def make(**options):
        made.append(FakeRobot(panda, *solutions, solutions[1][0] + 0.02, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def until(condition, process, timeout=60.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert process.process.poll() is None, process.text
        assert time.monotonic() < deadline, f"it never happened:\n{process.text}"
        time.sleep(0.01)


def in_motion(fake, index=30):
    """Whether the command moves, some way along the circle."""
    if len(fake.messages) < 20 or max(fake.asked, default=0) < index:
        return False
    last = fake.stream(-1).commands[0]
    return np.abs(last.velocities).max() > 0.2


def finished(fake, process):
    return "targets solved" in process.text


HEALTH = "/trajectory_follower: following"


# -- the service -------------------------------------------------------------------------------------------------------


def test_12_a_service_that_dies_is_survived_the_arm_rests_within_a_tenth_of_a_second_and_goes_on(
    ros, start, robot, client, panda, tmp_path
):
    fake = robot()
    # The fake one must not answer: the real one does, and is killed.
    fake.node.destroy_service(fake.service)
    real = start("ik_service", model="nominal")
    report = tmp_path / "report.json"
    follower = start("trajectory_follower", **FAST, exit_when_done=True, report=str(report))
    until(lambda: len(fake.messages) > 80 and np.abs(fake.stream(-1).commands[0].velocities).max() > 0.2, follower)
    real.process.kill()
    killed = fake.now()
    until(lambda: follower.text.rstrip().split("halted: ")[-1].startswith("nothing heard of the service"), follower)
    time.sleep(0.5)
    count = len(fake.messages)
    stream = fake.stream()
    # Of the command stream alone: nothing moves any more a tenth of a second after the death.
    assert stream.rest() <= killed + HALT
    stream.check(panda)
    assert np.abs(fake.joints() - stream.commands[-1].positions[-1]).max() < 1e-6
    start("ik_service", model="nominal")
    assert follower.wait() == 0, follower.text
    assert len(fake.messages) > count
    fake.stream().check(panda)
    run = json.loads(report.read_text())["runs"][0]
    assert len(run["configurations"]) == POINTS and run["halts"] >= 1
    np.testing.assert_allclose(fake.joints(), run["configurations"][-1], atol=1e-9)


def test_12_when_told_to_abort_a_lost_service_ends_the_motion_at_rest(ros, start, robot, panda):
    fake = robot()
    follower = start("trajectory_follower", **PATIENT, exit_when_done=True, on_loss="abort")
    until(lambda: in_motion(fake), follower)
    fake.node.destroy_service(fake.service)
    gone = fake.now()
    assert follower.wait() == 1
    assert "stopped: nothing heard of the service" in follower.text and "Traceback" not in follower.text
    assert fake.stream().rest() <= gone + PATIENT["halt_time"]
    fake.stream().check(panda)


# -- the arm -----------------------------------------------------------------------------------------------------------


def silent(message):
    return False


class FrozenStamp:
    def __init__(self):
        self.stamp = None

    def __call__(self, message):
        self.stamp = self.stamp or message.header.stamp
        message.header.stamp = self.stamp


class FrozenValues:
    def __init__(self):
        self.position = None

    def __call__(self, message):
        self.position = self.position or message.position
        message.position = self.position


def not_a_number(message):
    message.position[2] = float("nan")


def of_another_size(message):
    message.position = message.position[:-1]


def of_another_robot(message):
    message.name = [f"other_{name}" for name in message.name]


@pytest.mark.timeout(180)
def test_14_joint_states_that_stop_freeze_or_make_no_sense_halt_the_arm_and_it_goes_on_when_they_are_back(
    ros, start, robot, panda
):
    fake = robot()
    follower = start("trajectory_follower", **FAST, loop=True)
    for fault in (silent, FrozenStamp(), FrozenValues(), not_a_number, of_another_size, of_another_robot):
        begin = len(fake.messages)
        until(lambda begin=begin: len(fake.messages) > begin + 20 and in_motion(fake), follower)
        fake.measure = fault
        since = fake.now()
        # Values that stay where they are may be right as long as the arm rests, once.
        time.sleep(2.0 if isinstance(fault, FrozenValues) else 0.5)
        if isinstance(fault, FrozenValues):
            assert np.abs(fake.joints() - fault.position).max() < 0.15
        else:
            # What was on its way to a busy machine counts as heard when it is looked at.
            assert fake.stream(begin).rest() <= since + HALT + 0.05, fault
        assert fake.stream().rest() < fake.now() and "halted: nothing heard of" in follower.text
        fake.measure = lambda message: True
    begin = len(fake.messages)
    until(lambda: len(fake.messages) > begin + 50 and in_motion(fake), follower)
    fake.stream().check(panda)
    assert follower.stopped_cleanly()


def test_13_an_arm_that_is_elsewhere_afterwards_is_led_back_slowly_before_the_path_goes_on(
    ros, start, robot, client, panda
):
    fake = robot()
    told = client.collect(DiagnosticArray, "/diagnostics")
    follower = start("trajectory_follower", **PATIENT, exit_when_done=True, diagnostics_period=0.1)
    until(lambda: in_motion(fake), follower)
    client.spin_until(lambda: values_of(status_of(told, HEALTH)).get("phase") == "following")
    assert level_of(told, HEALTH) == DiagnosticStatus.OK and values_of(status_of(told, HEALTH))["path"] == "circle"
    fake.measure = silent
    until(lambda: "halted: nothing heard of the joint states" in follower.text, follower)
    client.spin_until(lambda: level_of(told, HEALTH) == DiagnosticStatus.WARN)
    assert "halted: nothing heard of the joint states" in status_of(told, HEALTH).message
    assert values_of(status_of(told, HEALTH))["halts on this path"] == "1"
    held, count = fake.stream().commands[-1].positions[-1], len(fake.messages)
    elsewhere = held + 0.3 * np.sign(0.5 * (panda.lower + panda.upper) - held)
    fake.place(elsewhere)
    fake.measure = lambda message: True
    assert follower.wait() == 0, follower.text
    fake.stream(count).check(panda)
    back = fake.stream(count)
    np.testing.assert_allclose(back.commands[0].positions[0], elsewhere, atol=1e-6)
    # First of all back to where it was.
    _, q, _, _ = back.over()
    assert np.min(np.max(np.abs(q - held), axis=1)) < 2e-3


def test_14_an_arm_that_does_not_follow_is_halted(ros, start, robot, panda):
    fake = robot()
    follower = start("trajectory_follower", **PATIENT, resume_timeout=1.0, exit_when_done=True)
    until(lambda: in_motion(fake), follower)
    stuck = fake.joints() - 0.09
    rng = np.random.default_rng(0)

    def measure(message):
        message.position = (stuck + 1e-4 * rng.standard_normal(7)).tolist()

    fake.measure = measure
    until(lambda: "from where it should be" in follower.text, follower)
    fake.stream().check(panda)
    assert follower.stopped_cleanly()


# -- late commands, and clocks -----------------------------------------------------------------------------------------


def test_15_a_follower_that_was_held_up_sends_nothing_stale_and_goes_on_from_rest(ros, start, robot, panda):
    fake = robot()
    follower = start("trajectory_follower", **PATIENT, exit_when_done=True)
    until(lambda: in_motion(fake), follower)
    follower.process.send_signal(signal.SIGSTOP)
    time.sleep(1.0)
    count, held = len(fake.messages), fake.now()
    assert fake.stream().rest() < held
    time.sleep(0.3)
    resumed = fake.now()
    follower.process.send_signal(signal.SIGCONT)
    until(lambda: len(fake.messages) > count + 10, follower)
    # What comes now is for now, and begins where the arm came to rest.
    # One that was on its way when the process was stopped may be delivered now: over for long, no controller plays it.
    late = int(fake.stream(count).commands[0].times[0] <= resumed - 0.02)
    assert all(command.times[-1] < resumed - 0.1 for command in fake.stream(count).commands[:late])
    after = fake.stream(count + late)
    assert all(command.times[0] > resumed - 0.02 for command in after.commands)
    np.testing.assert_allclose(after.commands[0].positions[0], fake.stream(count + late - 1).commands[0].positions[-1])
    assert follower.wait() == 0, follower.text
    fake.stream().check(panda)


@pytest.mark.parametrize("jump", [-5.0, 5.0])
def test_16_a_jump_of_simulated_time_halts_the_arm_and_it_goes_on_from_rest(ros, start, robot, panda, jump):
    fake = robot(simulated=True)
    follower = start("trajectory_follower", **PATIENT, exit_when_done=True, use_sim_time=True)
    until(lambda: in_motion(fake), follower)
    count = len(fake.messages)
    held = fake.stream(-1).commands[0].positions[-1]
    fake.place(held)
    fake.time += jump
    until(lambda: "halted: the clock has jumped" in follower.text, follower)
    assert follower.wait() == 0, follower.text
    commands = fake.stream(count - 1).commands
    first = next(i for i, command in enumerate(commands) if abs(command.times[0] - commands[0].times[0]) > 3.0)
    after = fake.stream(count - 1 + first)
    after.check(panda)
    np.testing.assert_allclose(after.commands[0].positions[0], held, atol=0.1)


def test_16_with_simulated_time_standing_still_nothing_moves_and_nothing_fails(ros, start, robot, panda):
    fake = robot(simulated=True)
    follower = start("trajectory_follower", **PATIENT, exit_when_done=True, use_sim_time=True, resume_timeout=1.0)
    until(lambda: in_motion(fake), follower)
    fake.rate = 0.0
    time.sleep(0.3)
    place = fake.joints()
    time.sleep(1.7)
    np.testing.assert_array_equal(fake.joints(), place)
    fake.rate = 1.0
    assert follower.wait() == 0, follower.text
    fake.stream().check(panda)


# -- stops -------------------------------------------------------------------------------------------------------------


def test_17_a_stop_in_mid_motion_ramps_down_and_a_start_begins_anew(ros, start, robot, client, panda):
    fake = robot()
    follower = start("trajectory_follower", **PATIENT)
    until(lambda: in_motion(fake), follower)
    assert client.call(Trigger, "trajectory_follower/stop", Trigger.Request()).success
    stopped = fake.now()
    time.sleep(0.3)
    stream = fake.stream()
    stream.check(panda)
    assert stream.rest() <= stopped + 2.0 * HALT
    _, _, v, _ = stream.over()
    assert np.abs(v).max() > 0.2 and np.all(v[-1] == 0.0)
    assert client.call(Trigger, "trajectory_follower/start", Trigger.Request()).success
    until(lambda: finished(fake, follower), follower)
    fake.stream().check(panda)
    assert follower.stopped_cleanly()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_18_a_signal_in_mid_motion_ramps_down_and_ends_well(ros, start, robot, panda, number):
    fake = robot()
    follower = start("trajectory_follower", **PATIENT)
    until(lambda: in_motion(fake), follower)
    count = len(fake.messages)
    assert follower.stopped_cleanly(number)
    ended = fake.now()
    stream = fake.stream()
    stream.check(panda)
    # It stays until the arm is at rest, and that does not take as long as the halt time.
    assert stream.rest() <= ended
    assert len(stream.commands) >= count


# -- answers -----------------------------------------------------------------------------------------------------------


def set_position(value):
    def change(response, index):
        if index == 40:
            response.solution.position[3] = value

    return change


def other_names(response, index):
    if index == 40:
        response.solution.name = ["elbow", *response.solution.name[1:]]


def other_size(response, index):
    if index == 40:
        response.solution.position = response.solution.position[:-1]


def a_jump(response, index):
    if index == 40:
        response.solution.position[6] -= 0.5


REFUSED = {
    "not finite": set_position(float("nan")),
    "infinite": set_position(float("inf")),
    "panda_joint4 at 5": set_position(5.0),
    "no panda_joint1": other_names,
    "6 positions": other_size,
    "a step of": a_jump,
}


def test_answers_that_cannot_be_commanded_are_refused_in_words_and_the_arm_ramps_down(ros, start, robot, client, panda):
    fake = robot()
    told = client.collect(DiagnosticArray, "/diagnostics")
    follower = start("trajectory_follower", **PATIENT, autostart=False, diagnostics_period=0.1)
    for count, (words, change) in enumerate(REFUSED.items(), 1):
        fake.answer = change
        until(lambda: client.call(Trigger, "trajectory_follower/start", Trigger.Request()).success, follower)
        until(lambda n=count: follower.text.count("stopped: ") == n, follower)
        line = follower.text[follower.text.rindex("stopped: ") :].splitlines()[0]
        assert (words if words != "infinite" else "not finite") in line, line
        time.sleep(0.2)
        fake.stream().check(panda)
    client.spin_until(lambda: level_of(told, HEALTH) == DiagnosticStatus.ERROR)
    assert status_of(told, HEALTH).message.startswith("stopped: ")
    assert follower.stopped_cleanly()


def test_answers_with_the_joints_in_another_order_are_put_in_order(ros, start, robot, panda):
    order = [6, 0, 1, 2, 5, 4, 3]
    fake = robot()

    def shuffle(response, index):
        response.solution.name = [panda.joint_names[i] for i in order]
        response.solution.position = [response.solution.position[i] for i in order]

    def shuffle_state(message):
        message.name = [message.name[i] for i in order]
        message.position = [message.position[i] for i in order]

    fake.answer, fake.measure = shuffle, shuffle_state
    follower = start("trajectory_follower", **PATIENT, exit_when_done=True)
    assert follower.wait() == 0, follower.text
    np.testing.assert_allclose(fake.joints(), fake.solutions[-1], atol=1e-9)
    fake.stream().check(panda)


def test_towards_a_singularity_it_slows_down_and_stops_before_it(ros, start, robot, panda):
    fake = robot()
    # The arm straightens: the elbow goes to where both its halves are in line.
    q = np.repeat(fake.solutions[:1], POINTS, axis=0)
    q[:, 3] = np.linspace(q[0, 3], panda.upper[3], POINTS)
    worst = int(np.argmax(np.linalg.cond(panda.jacobian(q))))
    q[:, 3] = np.linspace(q[0, 3], q[worst, 3], POINTS)
    number = np.linalg.cond(panda.jacobian(q))
    lower, hard = np.percentile(number, 40), np.percentile(number, 80)
    assert np.all(np.diff(number) > 0.0), "the test's path is not what it should be"
    fake.solutions = q
    thresholds = {"lower_singularity_threshold": float(lower), "hard_stop_singularity_threshold": float(hard)}
    follower = start(
        "trajectory_follower", **{**PATIENT, "rate": 10.0, "halt_time": 0.25}, **thresholds, exit_when_done=True
    )
    assert follower.wait(120) == 1
    assert "stopped: the path leads to a singularity: condition number" in follower.text
    stream = fake.stream()
    stream.check(panda)
    _, positions, v, _ = stream.over()
    reached = np.linalg.cond(panda.jacobian(positions[::20]))
    speed = np.abs(v[::20, 3])
    assert reached[-1] < hard and reached[-1] > 0.8 * hard
    assert speed[reached > 0.95 * reached[-1]].max() < 0.5 * speed[reached < lower].max()
