"""Solutions in which the arm does not touch itself."""

from __future__ import annotations

import time

import numpy as np
import pytest

from crisp_ik_ros import ModelBasedIK
from crisp_ik_ros.nodes.answer import Answerer, Seed
from crisp_ik_ros.nodes.collision_free import MOST_TRIES, self_collision_check, solve_free
from crisp_ik_ros.nodes.targets import ErrorCode, Target
from crisp_ik_ros.robots.robot_model import panda_urdf_path
from crisp_ik_ros.transforms import quaternion_from_matrix

# Folded so far that the hand is in the forearm.
FOLDED = np.array([0.0, 0.0, 0.0, -3.0, 0.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def check(panda):
    pytest.importorskip("pybullet")
    found, reason = self_collision_check(panda_urdf_path(), panda)
    assert found is not None, reason
    return found


@pytest.fixture(scope="module")
def estimator(panda):
    return ModelBasedIK(panda)


def target_at(robot, configuration) -> Target:
    pose = robot.forward_kinematics(configuration)
    return Target(pose[:3, 3].tolist(), quaternion_from_matrix(pose[:3, :3]).tolist())


def test_a_folded_arm_touches_itself_and_one_at_rest_does_not(panda, check):
    assert check.free(panda.rest) and not check.free(FOLDED)


def test_other_starts_are_tried_until_one_is_free(panda, estimator):
    pose = panda.forward_kinematics(panda.rest)
    first = estimator.solve(pose, panda.rest).configuration
    seen = []

    def is_free(configuration):
        seen.append(configuration)
        return bool(np.abs(configuration - first).max() > 0.05)

    result, refused = solve_free(estimator, pose, panda.rest, 5.0, is_free)
    assert result.success and refused == len(seen) - 1 >= 1
    np.testing.assert_allclose(panda.forward_kinematics(result.configuration), pose, atol=1e-4)
    assert np.abs(result.configuration - first).max() > 0.05
    again, _ = solve_free(estimator, pose, panda.rest, 5.0, is_free)
    np.testing.assert_array_equal(again.configuration, result.configuration)


def test_where_every_solution_touches_there_is_none_and_the_words_say_so(panda, estimator):
    answerer = Answerer(estimator, default_timeout=5.0, is_free=lambda configuration: False)
    target, seed = target_at(panda, panda.rest), Seed((), panda.rest.tolist())
    answer = answerer.answer(target, seed, avoid_collisions=True)
    assert answer.code == ErrorCode.NO_IK_SOLUTION and answer.configuration is None
    assert "the arm touches itself" in answer.message and answerer.last is None
    assert answerer.answer(target, seed).code == ErrorCode.SUCCESS


def test_the_search_ends_with_its_time_and_after_enough_tries(panda, estimator):
    pose = panda.forward_kinematics(panda.rest)

    def slow(configuration):
        time.sleep(0.02)
        return False

    result, refused = solve_free(estimator, pose, panda.rest, 0.1, slow)
    assert not result.success and 1 <= refused <= 6
    result, refused = solve_free(estimator, pose, panda.rest, 600.0, lambda configuration: False)
    assert not result.success and refused <= MOST_TRIES


def test_a_search_that_is_held_to_less_time_goes_on_elsewhere(panda, estimator):
    answerer = Answerer(estimator, default_timeout=5.0, is_free=lambda configuration: bool(time.sleep(0.02)))
    answer = answerer.answer(target_at(panda, panda.rest), Seed((), panda.rest.tolist()), "", 0.0, True, at_most=0.01)
    assert answer.unfinished and answer.code == ErrorCode.NO_IK_SOLUTION


def test_answers_to_touching_seeds_do_not_touch(panda, estimator, check):
    answerer = Answerer(estimator, default_timeout=2.0, is_free=check.free)
    drawn = panda.random_configurations(200, np.random.default_rng(4))
    touching = [configuration for configuration in drawn if not check.free(configuration)][:4]
    assert len(touching) == 4
    solved = 0
    for configuration in touching:
        seed = Seed((), configuration.tolist())
        plain = answerer.answer(target_at(panda, configuration), seed)
        assert plain.code == ErrorCode.SUCCESS
        answer = answerer.answer(target_at(panda, configuration), seed, avoid_collisions=True)
        if answer.code == ErrorCode.SUCCESS:
            solved += 1
            assert check.free(answer.configuration)
        else:
            assert answer.code in (ErrorCode.NO_IK_SOLUTION, ErrorCode.TIMED_OUT) and answer.configuration is None
    assert solved >= 1


def test_a_urdf_of_another_robot_is_no_check_and_says_why(two_link):
    pytest.importorskip("pybullet")
    found, reason = self_collision_check(panda_urdf_path(), two_link)
    assert found is None and "shoulder" in reason
