"""Requests by the thousand, and wishes about the answer: nearest the seed, no farther than so."""

import copy
import pickle

import numpy as np
import pytest
from oracles import TWO_LINK

from crisp_ik_ros import CRiSP, ModelBasedIK, RobotModel, Status
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.estimators.baselines.sdls_ik import SDLSIK
from crisp_ik_ros.estimators.descent import descend
from crisp_ik_ros.estimators.precompilation import compile_descent
from crisp_ik_ros.estimators.search import search
from crisp_ik_ros.estimators.starts import draw
from crisp_ik_ros.losses.residual import ResidualLoss
from crisp_ik_ros.regression.kernels import GaussianKernel


@pytest.fixture(scope="module", params=["model", "residual", "forward_kinematics", "radians"])
def estimator(request, panda, panda_samples):
    if request.param == "model":
        return ModelBasedIK(panda, timeout=5.0)
    return CRiSP(panda, request.param, GaussianKernel(0.3, 1.0), 1e-7, timeout=5.0).fit(panda_samples)


class PositionOnly(ModelBasedIK):
    """Two links reach a position with the elbow up or down."""

    def __init__(self, robot, **options):
        super().__init__(robot, **options)
        self._residual_loss = ResidualLoss(1.0, 0.0)


@pytest.fixture
def positioned():
    return PositionOnly(RobotModel.from_urdf(TWO_LINK), timeout=1.0)


def elbows(x, y):
    """Both solutions of the arm with links of 1 and 0.5 m, from the law of cosines."""
    elbow = np.arccos((x * x + y * y - 1.25) / 1.0)
    return [
        np.array([np.arctan2(y, x) - np.arctan2(0.5 * np.sin(e), 1.0 + 0.5 * np.cos(e)), e]) for e in (elbow, -elbow)
    ]


def at(x, y):
    pose = np.eye(4)
    pose[:2, 3] = x, y
    return pose


@pytest.mark.parametrize("seeded", ["each", "one", "none"])
def test_many_are_answered_as_one_by_one_and_in_order(estimator, panda, panda_samples, seeded):
    poses = panda_samples.poses[:100]
    seeds = {"each": np.clip(panda_samples.configurations[:100] + 0.02, panda.lower, panda.upper), "one": panda.rest}
    seeds = seeds.get(seeded)
    many = estimator.solve_many(poses, seeds, threads=3)
    single = estimator.solve_many(poses, seeds, threads=1)
    np.testing.assert_array_equal(many.configurations, single.configurations)
    for row in range(0, 100, 7):
        one = estimator.solve(poses[row], seeds[row] if seeded == "each" else seeds)
        np.testing.assert_array_equal(many.configurations[row], one.configuration)
        assert many.position_errors[row] == one.position_error
        assert many.orientation_errors[row] == one.orientation_error
        assert many.supports[row] == one.support
        assert many.status[row] is one.status
        assert many.sources[row] == one.source
    assert many.success.all()


def test_a_failure_among_many_is_one_of_its_own(panda):
    poses = panda.forward_kinematics(panda.rest + np.linspace(0.0, 0.1, 70)[:, None])
    poses[33, :3, 3] += 5.0
    result = ModelBasedIK(panda).solve_many(poses)
    np.testing.assert_array_equal(np.flatnonzero(~result.success), [33])
    assert result.status[33] is Status.NO_SOLUTION
    assert result.fraction == 69 / 70


def test_none_are_an_empty_result(panda):
    assert ModelBasedIK(panda).solve_many(np.zeros((0, 4, 4))).configurations.shape == (0, 7)


def test_bad_rows_are_refused_by_their_number(estimator, panda, panda_samples):
    poses, seeds = panda_samples.poses[:50].copy(), panda_samples.configurations[:50].copy()
    poses[17, 0, 3] = np.nan
    with pytest.raises(InvalidInputError, match=r"poses\[17\]"):
        estimator.solve_many(poses)
    with pytest.raises(InvalidInputError, match=r"poses\[17\]"):
        estimator.solve_path(poses)
    seeds[31, 3] = 0.5
    with pytest.raises(InvalidInputError, match=r"seeds\[31\].*panda_joint4"):
        estimator.solve_many(panda_samples.poses[:50], seeds)
    with pytest.raises(InvalidInputError, match="seeds"):
        estimator.solve_many(panda_samples.poses[:50], seeds[:3])
    with pytest.raises(InvalidInputError, match="threads"):
        estimator.solve_many(panda_samples.poses[:50], threads=0)


def test_other_systems_answer_many_too(two_link):
    poses = two_link.forward_kinematics(np.array([[0.2, 0.5], [0.4, 0.7]]))
    system = SDLSIK(two_link)
    result = system.solve_many(poses, [[0.2, 0.4], [0.4, 0.6]])
    assert result.success.all()
    np.testing.assert_array_equal(result.configurations[1], system.solve(poses[1], [0.4, 0.6]).configuration)


@pytest.mark.parametrize("elbow", [0, 1])
def test_nearest_is_the_solution_nearest_the_seed(positioned, elbow):
    rng = np.random.default_rng(elbow)
    for _ in range(20):
        x, y = 1.2 * np.array([np.cos(a := rng.uniform(-1.0, 1.0)), np.sin(a)])
        solutions = elbows(x, y)
        seed = solutions[elbow] + rng.uniform(-0.2, 0.2, 2)
        wanted = min(solutions, key=lambda q: np.linalg.norm(q - seed))
        result = positioned.solve(at(x, y), seed, nearest=True)
        assert result.success
        np.testing.assert_allclose(result.configuration, wanted, atol=1e-5)


def test_step_that_cannot_be_kept_is_refused_and_leaves_the_seed(positioned):
    up, down = elbows(1.0, 0.6)
    seed = down + np.array([0.0, -0.05])
    kept = positioned.solve(at(1.0, 0.6), seed, max_joint_step=0.2)
    assert kept.success
    np.testing.assert_allclose(kept.configuration, down, atol=1e-5)
    # Both solutions are farther away than this.
    refused = positioned.solve(at(1.0, 0.6), seed, max_joint_step=0.01)
    assert not refused.success
    assert refused.status is Status.STEP_TOO_LARGE
    np.testing.assert_array_equal(refused.configuration, seed)
    assert refused.position_error > 1e-3
    # One joint may go far, the other not.
    assert positioned.solve(at(1.0, 0.6), seed, max_joint_step=[3.0, 0.01]).status is Status.STEP_TOO_LARGE
    assert np.abs(up - seed).max() > 0.2


def test_step_is_kept_by_all_answers(estimator, panda, panda_samples):
    rng = np.random.default_rng(0)
    seeds = np.clip(panda_samples.configurations + rng.uniform(-0.1, 0.1, (200, 7)), panda.lower, panda.upper)
    result = estimator.solve_many(panda_samples.poses, seeds, timeout=0.05, max_joint_step=0.12)
    assert result.success.any()
    assert np.abs(result.configurations - seeds).max() <= 0.12 + 1e-12
    np.testing.assert_array_equal(result.configurations[~result.success], seeds[~result.success])


def test_pose_that_nothing_reaches_is_no_question_of_the_step(positioned):
    result = positioned.solve(at(0.1, 0.0), [0.0, 1.0], timeout=0.05, max_joint_step=0.5)
    assert result.status is Status.NO_SOLUTION


@pytest.mark.parametrize("step", [0.0, -1.0, np.nan, -np.inf, "far", [0.1, 0.1, 0.1]])
def test_steps_that_are_none_are_refused(positioned, step):
    with pytest.raises(InvalidInputError, match="max_joint_step"):
        positioned.solve(at(1.0, 0.5), [0.0, 1.0], max_joint_step=step)


@pytest.mark.parametrize("wish", [{"nearest": True}, {"max_joint_step": 0.1}])
def test_wishes_about_the_seed_want_one(positioned, wish):
    with pytest.raises(InvalidInputError, match="seed"):
        positioned.solve(at(1.0, 0.5), **wish)


def test_random_poses_are_reached_from_no_seed(panda):
    poses = panda.forward_kinematics(panda.random_configurations(500, np.random.default_rng(9)))
    solver = ModelBasedIK(panda, position_tolerance=1e-5, orientation_tolerance=1e-5, timeout=5.0)
    result = solver.solve_many(poses)
    assert result.success.all()
    assert panda.within_limits(result.configurations).all()
    np.testing.assert_allclose(panda.forward_kinematics(result.configurations), poses, atol=2e-5)


def test_drawn_configurations_are_uniform_in_the_box_and_differ():
    lower, upper, out = np.array([-1.0, 2.0, 0.0]), np.array([1.0, 6.0, 1e-3]), np.empty(3)
    drawn = []
    for number in range(4000):
        draw(7, number, lower, upper, out)
        drawn.append(out.copy())
    unit = (np.array(drawn) - lower) / (upper - lower)
    assert (unit >= 0.0).all()
    assert (unit < 1.0).all()
    np.testing.assert_allclose(unit.mean(axis=0), 0.5, atol=0.02)
    np.testing.assert_allclose(np.cov(unit.T), np.eye(3) / 12.0, atol=0.005)
    draw(8, 0, lower, upper, out)
    assert not np.array_equal(out, drawn[0])


def test_what_is_compiled_beside_the_search_is_what_it_calls(panda):
    estimator = ModelBasedIK(panda)
    estimator.solve(panda.forward_kinematics(panda.rest))
    # By now it is in memory, or in the cache on the disk; other types would be in neither.
    misses = sum(descend.stats.cache_misses.values())
    compile_descent(estimator)
    assert sum(descend.stats.cache_misses.values()) == misses
    assert len(descend.signatures) == 1


@pytest.mark.parametrize("again", [copy.deepcopy, lambda estimator: pickle.loads(pickle.dumps(estimator))])
def test_copies_answer_alike(estimator, panda_samples, again):
    pose = panda_samples.poses[3]
    first = estimator.solve(pose)
    np.testing.assert_array_equal(again(estimator).solve(pose).configuration, first.configuration)


def test_read_only_arrays_are_nothing_new_to_the_compiler(panda):
    estimator = ModelBasedIK(panda)
    pose, seed = panda.forward_kinematics(panda.rest), np.array(panda.rest)
    estimator.solve_path(pose[None], seed)
    before = set(search.signatures)
    for array in (pose, seed):
        array.setflags(write=False)
    assert estimator.solve(pose, seed).success
    assert estimator.solve_path(pose[None], seed).success.all()
    assert estimator.solve_many(pose[None], seed[None]).success.all()
    assert set(search.signatures) == before
