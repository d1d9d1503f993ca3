"""What holds of every request, whatever is in it: two links in the plane, by Hypothesis."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fuzz.asked import answerer as make_brief
from fuzz.promises import require_answer, require_reached, require_within
from hypothesis import assume, given
from hypothesis import strategies as st

from crisp_ik_ros import ModelBasedIK
from crisp_ik_ros.nodes.answer import Answerer, Seed
from crisp_ik_ros.nodes.targets import ErrorCode, Target
from crisp_ik_ros.robots.fixed_links import fixed_to_tip
from crisp_ik_ros.transforms import invert_pose, quaternion_from_matrix

NAMES = ("shoulder", "elbow")
anything = st.floats(width=64) | st.sampled_from((0.0, 1.0, 1e9, 1e308, 5e-324, math.nan, math.inf))
texts = st.sampled_from(("", "base", "/base", "tip", "world")) | st.text(max_size=20)
targets = st.builds(Target, st.tuples(*[anything] * 3), st.tuples(*[anything] * 4), texts)
seeds = st.builds(
    Seed, st.lists(st.sampled_from(NAMES) | st.text(max_size=5), max_size=4), st.lists(anything, max_size=4)
)
# Clear of the stretched arm, where two answers meet.
configurations = st.tuples(st.floats(-2.5, 2.5), st.floats(0.3, 2.2) | st.floats(-2.2, -0.3))


@pytest.fixture(scope="module")
def robot(two_link):
    return two_link


@pytest.fixture(scope="module")
def brief(robot):
    """No search takes long."""
    return make_brief()


@pytest.fixture(scope="module")
def answerer(robot):
    return Answerer(ModelBasedIK(robot), default_timeout=1.0)


def target_at(robot, configuration, **changes) -> Target:
    pose = robot.forward_kinematics(np.array(configuration))
    quaternion = quaternion_from_matrix(pose[:3, :3]).tolist()
    return Target(tuple(pose[:3, 3].tolist()), tuple(quaternion))._replace(**changes)


def near(configuration) -> Seed:
    return Seed(NAMES, [value + 0.05 for value in configuration])


@given(target=targets, seed=seeds, link=texts, timeout=anything)
def test_every_request_gets_a_code_and_words_or_a_sound_solution(brief, robot, target, seed, link, timeout):
    require_answer(brief.answer(target, seed, link, timeout), target, robot)


@given(configuration=configurations, start=configurations)
def test_every_pose_within_reach_is_reached_from_anywhere(answerer, robot, configuration, start):
    wanted = target_at(robot, configuration)
    answer = answerer.answer(wanted, Seed(NAMES, start))
    assert answer.code == ErrorCode.SUCCESS, answer.message
    require_within(answer.configuration, robot)
    require_reached(wanted, answer.configuration)


@given(configuration=configurations, other=configurations)
def test_an_answer_with_a_seed_does_not_depend_on_what_was_asked_before(answerer, robot, configuration, other):
    wanted = target_at(robot, configuration)
    first = answerer.answer(wanted, near(configuration))
    answerer.answer(target_at(robot, other), near(other))
    second = answerer.answer(wanted, near(configuration))
    assert first.code == second.code == ErrorCode.SUCCESS
    np.testing.assert_array_equal(first.configuration, second.configuration)


@given(configuration=configurations, data=st.data())
def test_a_seed_means_the_same_in_any_order_and_with_other_joints_in_it(answerer, robot, configuration, data):
    wanted, seed = target_at(robot, configuration), near(configuration)
    pairs = [*zip(seed.names, seed.positions, strict=True), ("finger", 0.02), ("head", 9.0)]
    shuffled = data.draw(st.permutations(pairs))
    names, positions = zip(*shuffled, strict=True)
    plain, mixed = answerer.answer(wanted, seed), answerer.answer(wanted, Seed(names, positions))
    assert mixed.code == ErrorCode.SUCCESS
    np.testing.assert_array_equal(plain.configuration, mixed.configuration)


@given(configuration=configurations, positions=st.lists(anything, max_size=5))
def test_a_seed_that_is_no_configuration_of_the_robot_is_refused(answerer, robot, configuration, positions):
    inside = len(positions) == 2 and all(
        low <= value <= high for value, low, high in zip(positions, robot.lower, robot.upper, strict=True)
    )
    # A little beyond a limit is a reading of a joint that stands there.
    assume(not inside and positions and not all(abs(value) < 3.1 for value in positions))
    answer = answerer.answer(target_at(robot, configuration), Seed((), positions))
    assert answer.code == ErrorCode.INVALID_ROBOT_STATE
    assert "seed" in answer.message
    assert answer.configuration is None


@given(configuration=configurations, factor=st.floats(0.5, 2.0) | st.sampled_from((0.0, 0.992, 1.008, 1e-300, 1e300)))
def test_a_quaternion_is_taken_within_one_percent_of_unit_length(answerer, robot, configuration, factor):
    assume(abs(abs(factor - 1.0) - 0.01) > 1e-6)
    wanted = target_at(robot, configuration)
    wanted = wanted._replace(quaternion=tuple(factor * value for value in wanted.quaternion))
    answer = answerer.answer(wanted, near(configuration))
    if abs(factor - 1.0) < 0.01:
        assert answer.code == ErrorCode.SUCCESS
        require_reached(wanted, answer.configuration)
    else:
        assert answer.code == ErrorCode.FAILURE
        assert "unit length" in answer.message


@given(configuration=configurations, frame=st.text(min_size=1, max_size=30))
def test_a_pose_in_another_frame_is_refused_with_its_name(answerer, robot, configuration, frame):
    assume(frame.lstrip("/") not in ("base", ""))
    answer = answerer.answer(target_at(robot, configuration, frame_id=frame), near(configuration))
    assert answer.code == ErrorCode.FRAME_TRANSFORM_FAILURE
    assert repr(frame) in answer.message
    assert "'base'" in answer.message


@given(configuration=configurations, link=st.text(min_size=1, max_size=30))
def test_another_link_is_refused_with_its_name(answerer, robot, configuration, link):
    assume(link not in fixed_to_tip(robot))
    answer = answerer.answer(target_at(robot, configuration), near(configuration), link)
    assert answer.code == ErrorCode.INVALID_LINK_NAME
    assert repr(link) in answer.message
    assert "'tip'" in answer.message


@given(configuration=configurations, data=st.data())
def test_any_link_that_is_fixed_to_the_tool_is_put_where_its_pose_is(answerer, robot, configuration, data):
    link = data.draw(st.sampled_from(sorted(fixed_to_tip(robot))))
    tip = robot.forward_kinematics(np.array(configuration))
    pose = tip @ invert_pose(fixed_to_tip(robot)[link])
    wanted = Target(tuple(pose[:3, 3].tolist()), tuple(quaternion_from_matrix(pose[:3, :3]).tolist()))
    answer = answerer.answer(wanted, near(configuration), link)
    assert answer.code == ErrorCode.SUCCESS, answer.message
    require_reached(target_at(robot, configuration), answer.configuration)


@given(target=targets, seed=seeds, configuration=configurations, touches=st.booleans())
def test_no_answer_touches_itself_whatever_is_asked(robot, target, seed, configuration, touches):
    elbow = configuration[1]

    def is_free(candidate):
        return not touches and (candidate[1] > 0.0) == (elbow > 0.0)

    picky = Answerer(ModelBasedIK(robot), default_timeout=0.05, is_free=is_free)
    require_answer(picky.answer(target, seed, avoid_collisions=True), target, robot)
    wanted = target_at(robot, configuration)
    # The seed has the elbow on the other side.
    answer = picky.answer(wanted, Seed(NAMES, (configuration[0], -elbow)), timeout=1.0, avoid_collisions=True)
    require_answer(answer, wanted, robot)
    assert answer.configuration is None or is_free(answer.configuration)
    assert answer.code == (ErrorCode.NO_IK_SOLUTION if touches else ErrorCode.SUCCESS)


@given(configuration=configurations, timeout=st.floats(max_value=-1e-300) | st.sampled_from((math.nan, math.inf)))
def test_a_time_that_is_none_is_refused(answerer, robot, configuration, timeout):
    answer = answerer.answer(target_at(robot, configuration), near(configuration), timeout=timeout)
    assert answer.code == ErrorCode.FAILURE
    assert "timeout" in answer.message


@given(wanted=st.lists(targets | configurations.map(lambda value: value), min_size=1, max_size=6))
def test_a_path_has_for_each_pose_what_a_single_request_would_get(answerer, robot, wanted):
    wanted = [one if isinstance(one, Target) else target_at(robot, one) for one in wanted]
    # A search that finds nothing takes its time; here it is about what can be told without one.
    far = [all(map(math.isfinite, one.position)) and max(map(abs, one.position)) > 2.0 for one in wanted]
    assume(not any(far))
    path = answerer.answer_path(wanted, Seed(NAMES, [0.1, 0.8]), timeout=1.0 * len(wanted))
    singles = [answerer.answer(one, Seed(NAMES, [0.1, 0.8])) for one in wanted]
    assert path.codes.tolist() == [single.code for single in singles]
    first = next((index for index, single in enumerate(singles) if single.code != ErrorCode.SUCCESS), None)
    assert path.solved == (len(wanted) if first is None else first)
    if first is None:
        assert path.code == ErrorCode.SUCCESS
    else:
        assert path.message.startswith(f"poses[{first}]: ")
    for one, code, configuration in zip(wanted, path.codes, path.configurations, strict=True):
        if code == ErrorCode.SUCCESS:
            require_within(configuration, robot)
            require_reached(one, configuration)
