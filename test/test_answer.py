"""From request to answer, without ROS."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from crisp_ik_ros import ModelBasedIK
from crisp_ik_ros.nodes.answer import Answerer, ErrorCode, Seed, Target, check_seed
from crisp_ik_ros.nodes.statistics import ServiceStatistics
from crisp_ik_ros.transforms import quaternion_from_matrix


@pytest.fixture
def answerer(panda):
    return Answerer(ModelBasedIK(panda), default_timeout=0.5)


def target_of(panda, configuration, scale=1.0) -> Target:
    pose = panda.forward_kinematics(configuration)
    return Target(pose[:3, 3], scale * quaternion_from_matrix(pose[:3, :3]))


def test_any_orientation_is_understood_also_a_little_longer_than_it_should_be(panda, answerer):
    for quaternion in Rotation.random(50, random_state=0).as_quat():
        pose = answerer._pose(Target((0.1, 0.2, 0.3), 1.005 * quaternion))
        np.testing.assert_allclose(pose[:3, :3], Rotation.from_quat(quaternion).as_matrix(), atol=1e-14)
    assert answerer.answer(target_of(panda, panda.rest, 1.02), Seed()).code == ErrorCode.FAILURE


def test_the_seed_is_the_requests_then_the_last_solution_then_none(panda, answerer, monkeypatch):
    seen = []
    solve = answerer.estimator.solve
    monkeypatch.setattr(answerer.estimator, "solve", lambda pose, seed, timeout: seen.append(seed) or solve(pose, seed))
    target = target_of(panda, panda.rest + 0.02)
    first = answerer.answer(target, Seed())
    answerer.answer(target, Seed())
    answerer.answer(target, Seed(panda.joint_names, panda.rest))
    answerer.reset()
    answerer.answer(target, Seed())
    assert seen[0] is None and seen[3] is None
    np.testing.assert_array_equal(seen[1], first.configuration)
    np.testing.assert_array_equal(seen[2], panda.rest)


def test_a_failure_neither_carries_nor_becomes_a_solution(panda, answerer):
    good = answerer.answer(target_of(panda, panda.rest), Seed())
    far = answerer.answer(Target((0.0, 5.0, 0.0), (0.0, 0.0, 0.0, 1.0)), Seed())
    assert far.code == ErrorCode.NO_IK_SOLUTION and far.configuration is None and "mm" in far.message
    np.testing.assert_array_equal(answerer.last, good.configuration)


def test_a_seed_measured_just_beyond_a_limit_is_taken_to_it(panda, answerer):
    seed = panda.upper + 5e-4
    assert answerer.answer(target_of(panda, panda.rest), Seed(panda.joint_names, seed)).code == ErrorCode.SUCCESS
    outside = answerer.answer(target_of(panda, panda.rest), Seed(panda.joint_names, panda.upper + 5e-3))
    assert outside.code == ErrorCode.INVALID_ROBOT_STATE and "panda_joint1" in outside.message


def test_the_time_of_a_path_is_for_the_whole_of_it(panda, answerer):
    targets = [target_of(panda, panda.rest)] * 400
    path = answerer.answer_path(targets, Seed(), timeout=1e-3)
    assert path.code == ErrorCode.TIMED_OUT and len(path.answers) == 400
    assert path.answers[-1].code == ErrorCode.TIMED_OUT and path.answers[-1].configuration is None


def test_statistics_count_and_begin_anew():
    statistics = ServiceStatistics()
    for code in (1, 1, -31, 99999):
        statistics.add(0.002, code, 0.5)
    values = statistics.report(2.0)
    assert values["rate [1/s]"] == "2.0" and values["failures"] == "2" and values["failures NO_IK_SOLUTION"] == "1"
    assert values["latency p50 [ms]"] == "2.000" and values["support min"] == "0.500"
    assert statistics.report(1.0)["rate [1/s]"] == "0.0"
    statistics.clear()
    assert statistics.report(1.0)["requests"] == "0"


def test_a_continuous_joint_of_a_seed_may_have_turned_more_than_once(endless):
    estimator = ModelBasedIK(endless)
    configuration = 0.5 * endless.rest + 0.3
    turned = configuration + 2.0 * np.pi * endless.continuous
    assert endless.continuous.any()
    np.testing.assert_allclose(check_seed(estimator, Seed((), turned.tolist())), configuration, atol=1e-12)
