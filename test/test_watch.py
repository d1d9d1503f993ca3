"""Signs of life and jumps of clocks; what a follower takes and refuses."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from crisp_ik_ros import RobotModel
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.nodes.follower_health import FollowerHealth
from crisp_ik_ros.nodes.following import Following
from crisp_ik_ros.nodes.guard import Conditioning, SingularityError, check_command, check_solution
from crisp_ik_ros.nodes.health import Level
from crisp_ik_ros.nodes.phase import Phase
from crisp_ik_ros.nodes.route import Route
from crisp_ik_ros.nodes.targets import ErrorCode
from crisp_ik_ros.nodes.watch import DOUBT, JOINTS, SERVICE, Timeline, Watch
from crisp_ik_ros.trajectories import circle


def hear(watch, steady, stamp=None, values=None, must_change=False):
    watch.answered(steady)
    values = np.array([steady]) if values is None else values
    return watch.measured(steady, int(steady * 1e9) if stamp is None else stamp, values, must_change)


def test_who_is_silent_is_named_and_the_deadline_is_that_of_the_one_silent_for_longer():
    watch = Watch(0.1)
    assert watch.silent(0.0) == [SERVICE, JOINTS]
    hear(watch, 10.0)
    assert watch.silent(10.05) == [] and watch.deadline == pytest.approx(10.1)
    watch.answered(10.08)
    assert watch.deadline == pytest.approx(10.1) and watch.silent(10.15) == [JOINTS]
    watch.answered(9.0)  # an answer that overtook another
    assert watch.age(10.15, SERVICE) == pytest.approx(0.07)


def test_while_nobody_listens_nobody_is_silent():
    watch = Watch(0.1)
    hear(watch, 10.0)
    assert watch.silent(10.5) == [SERVICE, JOINTS]
    watch.excuse(0.45)
    assert watch.silent(10.5) == [] and watch.silent(10.6) == [SERVICE, JOINTS]


def test_a_stamp_that_stays_is_no_sign_of_life_and_none_at_all_is_one():
    watch = Watch(0.1)
    assert hear(watch, 1.0, stamp=5) and not hear(watch, 1.05, stamp=5) and hear(watch, 1.1, stamp=4)
    assert hear(watch, 1.2, stamp=0) and hear(watch, 1.3, stamp=0)


def test_values_that_stay_while_the_arm_moves_are_no_sign_of_life_nor_at_rest_after_two_losses():
    watch, same = Watch(0.1), np.zeros(2)
    assert hear(watch, 1.0, values=same) and hear(watch, 1.1, values=same)
    for time in (2.0, 3.0):
        assert not hear(watch, time, values=same, must_change=True)
        watch.lost(time)
        assert hear(watch, time + 0.1, values=same) == (time == 2.0)
    assert hear(watch, 4.0, values=same + 1.0) and hear(watch, 4.1, values=same + 1.0)


def test_joint_states_that_seemed_frozen_are_tried_again_after_a_while_that_doubles():
    watch, same, time, waits = Watch(0.1), np.zeros(2), 1.0, []
    hear(watch, time, values=same)
    for _ in range(5):
        begin = time = time + 0.01
        assert not hear(watch, time, values=same, must_change=True)
        watch.lost(time)
        while True:
            time += 0.01
            if hear(watch, time, values=same):
                break
        waits.append(time - begin)
    np.testing.assert_allclose(waits, [0.0, DOUBT, 2.0 * DOUBT, 4.0 * DOUBT, 8.0 * DOUBT], atol=0.03)
    # Within the time after which the follower gives up they are tried a few times only.
    assert sum(waits) < 60.0


def test_all_is_well_again_when_both_were_heard_for_long_enough_since_the_loss():
    watch = Watch(0.1)
    for time in np.arange(0.0, 1.0, 0.02):
        hear(watch, time)
    assert watch.well(1.0, 0.2)
    watch.lost(1.0)
    hear(watch, 1.05)
    assert not watch.well(1.06, 0.2) and not watch.well(1.3, 0.2)
    for time in np.arange(1.32, 1.6, 0.02):
        hear(watch, time)
        assert watch.well(time, 0.2) == (time > 1.5)


@pytest.mark.parametrize(
    ("simulated", "step", "real", "jumped"),
    [
        (False, 0.01, 0.01, False),
        (False, 1.0, 1.0, False),  # held up
        (False, 0.11, 0.01, True),
        (False, -0.1, 0.01, True),
        (True, 0.0, 1.0, False),  # it stands still
        (True, 0.1, 0.01, False),
        (True, -1e-3, 0.01, True),
        (True, 0.3, 0.01, True),
    ],
)
def test_a_jump_of_a_clock_is_told_from_time_that_passes(simulated, step, real, jumped):
    timeline = Timeline(simulated)
    assert timeline.advance(1_000_000_000_000, 50.0) == (0.0, False)
    passed, found = timeline.advance(1_000_000_000_000 + round(step * 1e9), 50.0 + real)
    assert passed == pytest.approx(step) and found is jumped


def test_solutions_are_put_in_order_and_refused_with_words_where_they_cannot_be_used(panda):
    names, rest = list(panda.joint_names), panda.rest
    order = [6, 0, 1, 2, 5, 4, 3]
    mixed = check_solution(panda, [names[i] for i in order], rest[order], rest, 0.1)
    np.testing.assert_array_equal(mixed, rest)
    for got, words in (
        (np.where(np.arange(7) == 2, np.nan, rest), "not finite"),
        (np.where(np.arange(7) == 1, 3.0, rest), "panda_joint2 at 3.0000"),
        (rest[:6], "6 positions"),
        (rest + 0.2, "a step of 0.200"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            check_solution(panda, names, got, rest, 0.1)
    with pytest.raises(InvalidInputError, match="no panda_joint1"):
        check_solution(panda, ["a", *names[1:]], rest, rest, 0.1)
    check_command(panda, rest[None], np.zeros((1, 7)))
    for q, v, words in (
        (rest + 9.0, np.zeros(7), "outside"),
        (rest * np.nan, np.zeros(7), "finite"),
        (rest, np.full(7, np.inf), "finite"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            check_command(panda, q[None], v[None])


def test_the_way_to_a_singularity_is_slow_and_ends_and_the_way_out_is_free(panda):
    straight = panda.rest.copy()
    path = np.array([straight + share * (np.array([0, 0, 0, 2.1, 0, 0, 0])) for share in np.linspace(0.0, 1.0, 200)])
    numbers = np.linalg.cond(panda.jacobian(path))
    top = int(np.argmax(numbers))
    lower, hard = float(numbers[top // 2]), float(numbers[int(0.9 * top)])
    conditioning = Conditioning(panda, lower, hard)
    shares = []
    for before, after in pairwise(path[:top]):
        try:
            shares.append(conditioning.share(before, after))
        except SingularityError as error:
            assert "hard_stop_singularity_threshold" in str(error)
            break
    else:
        pytest.fail("it never stopped")
    assert shares[0] == 1.0 and 0.05 <= shares[-1] < 0.2
    assert conditioning.share(path[top], path[top - 5]) == 1.0
    with pytest.raises(InvalidInputError, match="lower_singularity_threshold"):
        Conditioning(panda, 5.0, 5.0)


def test_a_planar_arm_is_judged_in_the_directions_it_can_move_in():
    planar = RobotModel.planar5()
    assert Conditioning(planar, 10.0, 20.0).number(np.array([0.3, 0.5, -0.4, 0.6, 0.2])) < 100.0


def test_targets_without_a_solution_are_left_out_and_their_time_is_kept(panda):
    run = Following("circle", circle(points=5))
    route = Route(panda, run, Conditioning(panda, 1e3, 1e4), 0.5 * panda.velocity, 0.1, 0.3)
    names = list(panda.joint_names)
    for index, code in enumerate([1, -31, -31, 1, 1]):
        assert not route.over and route.asked == index
        positions = panda.rest + 0.01 * index if code == 1 else []
        route.answered(code, "", 0.001, 1.0, "nominal", names if code == 1 else [], positions)
    assert route.over and route.path.closed and route.path.count == 3
    assert route.path.end == pytest.approx(0.4) and run.failures == 2
    route.note_passed(None, 0)
    assert run.configurations == [] and run.codes.count(ErrorCode.SUCCESS) == 3


# -- what the follower says of itself ----------------------------------------------------------------------------------


@pytest.fixture
def told():
    watch = Watch(0.1)
    hear(watch, 10.0)
    return FollowerHealth(watch)


def test_before_anything_was_heard_there_is_no_path_and_no_age():
    health = FollowerHealth(Watch(0.1)).health(Phase.WAITING, None, 1.0)
    assert health.level is Level.OK and health.message == Phase.WAITING.value
    assert {value for key, value in health.values.items() if key.startswith("age of")} == {"never heard"}
    assert "path" not in health.values


def test_on_the_way_it_tells_how_far_it_is_and_how_old_what_it_hears_is(told):
    run = Following("circle", circle(points=20), halts=2, slow_downs=3)
    run.answered(ErrorCode.SUCCESS, "", 0.001, 1.0, "learned")
    run.answered(ErrorCode.NO_IK_SOLUTION, "out of reach", 0.001, 0.0, "")
    run.commanded(np.zeros(7), 1.0)
    health = told.health(Phase.FOLLOWING, run, 10.25)
    assert health.level is Level.OK and health.message == "following; circle, 1 of 20 targets done"
    assert health.values["targets without a solution"] == 1
    assert (health.values["halts on this path"], health.values["slow-downs on this path"]) == (2, 3)
    assert health.values["age of the service [s]"] == health.values["age of the joint states [s]"] == "0.250"


def test_an_arm_that_is_held_is_a_warning_with_the_reason_until_it_goes_on(told):
    told.halted = "nothing heard of the service"
    health = told.health(Phase.HELD, None, 10.0)
    assert health.level is Level.WARN and health.message == "halted: nothing heard of the service"
    health = told.health(Phase.FOLLOWING, None, 10.0)
    assert health.level is Level.OK and health.values["last halted because"] == "nothing heard of the service"


def test_a_refusal_is_an_error_until_another_motion_begins_and_is_kept_in_mind(told):
    told.refusal = "a step of 0.5"
    for phase in (Phase.STOPPING, Phase.IDLE):
        health = told.health(phase, None, 10.0)
        assert health.level is Level.ERROR and health.message == "stopped: a step of 0.5"
    told.refusal = ""
    for phase in (Phase.FOLLOWING, Phase.IDLE):
        health = told.health(phase, None, 10.0)
        assert health.level is Level.OK and health.values["last refusal"] == "a step of 0.5"
