"""Answers that stay on the seed's branch, tasks with fewer than six directions, and approximate answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import LIMITED, sample_around
from scipy.spatial.transform import Rotation

from benchmarks import any_arm, arms
from crisp_ik_ros import CRiSP, Dataset, LearnedKinematics, ModelBasedIK, PoseTask, RobotModel, Status
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.regression.kernels import GaussianKernel

SERIAL = ("ur3", "ur10e", "irb120", "lite6", "m1013")
REDUNDANT = ("iiwa14", "panda", "xarm7", "fetch")
FEWER = ("scara", "planar5", "so101", "stretch")


@pytest.fixture(scope="module")
def arm(request):
    def make(name):
        if name not in made:
            xml = arms.ARMS[name].urdf()
            tips = {"so101": "tool0", "stretch": "tool0"}
            made[name] = RobotModel.from_urdf(xml, None, tips.get(name))
        return made[name]

    made = {}
    return make


def steps(robot, before, after):
    """Motions of the joints, of continuous ones the shorter way."""
    motions = after - before
    return np.abs(np.where(robot.continuous, (motions + np.pi) % (2.0 * np.pi) - np.pi, motions))


def errors_along_axes(poses, reached):
    """Distances along (n, 3) and rotations about (n, 3) the axes of the targets, by SciPy."""
    turned = Rotation.from_matrix(poses[:, :3, :3]).inv() * Rotation.from_matrix(reached[:, :3, :3])
    return np.einsum("nki,nk->ni", poses[:, :3, :3], reached[:, :3, 3] - poses[:, :3, 3]), turned.as_rotvec()


# -- the seed's branch -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SERIAL, *REDUNDANT, *FEWER])
def test_a_seed_near_a_solution_is_answered_by_that_branch(arm, name):
    robot, rng = arm(name), np.random.default_rng(0)
    solver = ModelBasedIK(robot, timeout=0.5)
    q = robot.random_configurations(300, rng)
    seeds = np.clip(q + rng.uniform(-0.02, 0.02, q.shape), robot.lower, robot.upper)
    result = solver.solve_many(robot.forward_kinematics(q), seeds)
    assert result.success.all()
    assert steps(robot, seeds, result.configurations).max() < 0.3


@pytest.mark.parametrize("name", [*SERIAL, *REDUNDANT, *FEWER])
def test_smooth_paths_clear_of_singularities_are_followed_without_a_jump(arm, name):
    robot, rng = arm(name), np.random.default_rng(1)
    solver, found = ModelBasedIK(robot, timeout=0.5), 0
    while found < 4:
        path = any_arm.random_path(robot, rng)
        if any_arm.is_clear(robot, path, robot.directions):
            found += 1
            result = solver.solve_path(robot.forward_kinematics(path), path[0])
            assert result.success.all()
            assert steps(robot, result.configurations[:-1], result.configurations[1:]).max() < 0.3


@pytest.mark.parametrize("name", SERIAL)
def test_paths_through_singularities_are_gone_straight_through(arm, name):
    robot, rng = arm(name), np.random.default_rng(2)
    q = 0.3 * robot.random_configurations(1, rng)[0]
    # The last but one joint of these wrists passes through zero, where two axes align.
    path = np.repeat(q[None], 200, axis=0)
    path[:, 4] = np.linspace(-0.5, 0.5, 200)
    result = ModelBasedIK(robot, timeout=0.5).solve_path(robot.forward_kinematics(path), path[0])
    assert result.success.all()
    assert steps(robot, result.configurations[:-1], result.configurations[1:]).max() < 0.1


@pytest.mark.parametrize("name", SERIAL)
def test_the_pull_moves_no_arm_without_a_null_space(arm, name):
    robot, rng = arm(name), np.random.default_rng(3)
    q = robot.random_configurations(100, rng)
    seeds = np.clip(q + rng.uniform(-0.1, 0.1, q.shape), robot.lower, robot.upper)
    pulled, free = (
        ModelBasedIK(robot, weight, timeout=0.5).solve_many(robot.forward_kinematics(q), seeds) for weight in (0.1, 0.0)
    )
    np.testing.assert_array_equal(pulled.configurations, free.configurations)


def test_motion_in_the_null_space_is_bounded_and_goes_to_the_posture(panda):
    rng = np.random.default_rng(4)
    q = panda.random_configurations(200, rng)
    poses = panda.forward_kinematics(q)
    for bound in (0.02, 0.1):
        solver = ModelBasedIK(panda, timeout=0.5)
        solver.null_space_step = bound
        result = solver.solve_many(poses, q)
        moved = steps(panda, q, result.configurations).max(axis=1)
        assert result.success.all()
        # What brings the tool back onto the pose is of the second order.
        assert 0.5 * bound < np.median(moved) and moved.max() < 1.6 * bound
        free = np.linalg.norm(q - panda.rest, axis=1) > 1.0
        nearer = np.linalg.norm(result.configurations - panda.rest, axis=1) < np.linalg.norm(q - panda.rest, axis=1)
        assert nearer[free].mean() > 0.6
    still = ModelBasedIK(panda, 0.0, timeout=0.5).solve_many(poses, q)
    np.testing.assert_allclose(still.configurations, q, atol=1e-9)


def test_the_pull_fades_out_near_a_singularity(arm):
    # Stretched out: the tool cannot move along the arm.
    robot = arm("iiwa14")
    q = np.array([0.3, 0.5, 0.0, 0.0, 0.4, 0.6, 0.2])
    assert np.linalg.svd(robot.jacobian(q), compute_uv=False)[5] < 0.01
    result = ModelBasedIK(robot, timeout=0.5).solve(robot.forward_kinematics(q), q)
    assert result.success
    np.testing.assert_allclose(result.configuration, q, atol=1e-9)


# -- a branch that ends ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def limited():
    """Three links in a plane: its last joint has a limit at -0.7, where the branch of a positive elbow ends."""
    robot = RobotModel.from_urdf(LIMITED)
    last = np.linspace(-0.3, -0.7, 41)
    path = np.column_stack([np.zeros(41), np.full(41, 1.2), last])
    beyond = path[-1] + np.column_stack([np.zeros(20), np.zeros(20), -0.01 * np.arange(1, 21)])
    # Poses behind the limit, which the other elbow reaches; forward kinematics knows no limits.
    poses = robot.forward_kinematics(np.vstack([path, beyond]))
    return ModelBasedIK(robot, timeout=0.05), path, poses


def test_a_branch_that_ends_is_said_and_not_answered_by_a_jump(limited):
    solver, path, poses = limited
    elsewhere = solver.solve(poses[-1])
    assert elsewhere.success and elsewhere.configuration[1] < 0.0
    result = solver.solve_path(poses, path[0])
    assert result.success[:41].all()
    assert set(result.status[41:]) == {Status.CONTINUATION_LOST}
    np.testing.assert_array_equal(result.configurations[41:], np.repeat(result.configurations[40:41], 20, axis=0))
    single = solver.solve(poses[41], path[-1])
    assert single.status is Status.CONTINUATION_LOST
    np.testing.assert_array_equal(single.configuration, path[-1])


def test_the_branch_is_taken_up_again_where_the_path_comes_back(limited):
    solver, path, poses = limited
    there_and_back = np.concatenate([poses, poses[::-1]])
    result = solver.solve_path(there_and_back, path[0])
    assert result.success[:41].all() and result.success[-41:].all() and not result.success[41:-41].any()
    np.testing.assert_allclose(result.configurations[-41:], path[::-1], atol=1e-6)


def test_any_branch_answers_where_any_step_is_allowed(limited):
    solver, path, poses = limited
    result = solver.solve(poses[-1], path[-1], max_joint_step=np.inf)
    assert result.success and result.configuration[1] < 0.0


def test_a_target_far_from_the_seed_is_answered_by_any_branch(limited):
    solver, path, _ = limited
    far = solver.robot.forward_kinematics([-2.5, -2.0, 1.0])
    assert solver.solve(far, path[0]).success


def test_a_pose_that_nothing_reaches_is_no_lost_continuation(limited):
    solver, path, poses = limited
    beyond = poses[0].copy()
    # Nearer than 0.3 m to the base's axis no elbow folds.
    beyond[:2, 3] = 0.0
    assert solver.solve(beyond, path[0]).status is Status.NO_SOLUTION


# -- approximate answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [None, [0.1, 0.2]])
def test_approximate_answer_is_the_nearest_configuration(two_link, seed):
    pose = two_link.forward_kinematics([0.4, 0.0])
    pose[:2, 3] *= 3.0 / np.linalg.norm(pose[:2, 3])
    solver = ModelBasedIK(two_link, timeout=0.05)
    result = solver.solve(pose, seed, approximate=True, task="position")
    assert not result.success and result.status is Status.NO_SOLUTION
    # Stretched out in its direction: the arm reaches as far as its two links.
    reach = np.linalg.norm(two_link.forward_kinematics([0.0, 0.0])[:2, 3])
    assert result.position_error == pytest.approx(3.0 - reach, abs=1e-4)
    np.testing.assert_allclose(result.configuration, [0.4, 0.0], atol=1e-2)


def test_approximate_answer_near_a_seed_is_a_small_step_away(limited):
    solver, path, poses = limited
    result = solver.solve_path(poses, path[0], approximate=True)
    assert not result.success[41:].any()
    assert np.abs(np.diff(result.configurations, axis=0)).max() < 0.25
    assert (result.position_errors[41:] < 0.1).all()
    assert (result.position_errors[41:] + result.orientation_errors[41:] > 1e-4).all()


# -- tasks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["position", "free_x", "free_y", "free_z"])
def test_named_tasks_leave_free_what_they_say_and_nothing_else(panda, name):
    rng = np.random.default_rng(5)
    poses = panda.forward_kinematics(panda.random_configurations(60, rng))
    # Targets turned at random about what is free: their own rotation is out of reach for some.
    axis = {"position": None, "free_x": 0, "free_y": 1, "free_z": 2}[name]
    turns = Rotation.random(60, rng)
    if axis is not None:
        turns = Rotation.from_rotvec(rng.uniform(-3, 3, (60, 1)) * np.eye(3)[axis])
    poses[:, :3, :3] = poses[:, :3, :3] @ turns.as_matrix()
    result = ModelBasedIK(panda, timeout=1.0).solve_many(poses, task=name)
    assert result.success.all()
    along, about = errors_along_axes(poses, panda.forward_kinematics(result.configurations))
    assert np.abs(along).max() < 1e-6
    if axis is not None:
        assert np.abs(np.delete(about, axis, axis=1)).max() < 2e-5
        assert np.median(np.abs(about[:, axis])) > 0.1


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.sampled_from([0.0, 0.01, 0.1, np.inf])] * 3),
    st.tuples(*[st.sampled_from([0.0, 0.05, 0.5, np.inf])] * 3),
    st.integers(0, 1000),
)
def test_answers_are_within_the_tolerances_of_each_axis(panda, positions, orientations, seed):
    if np.isinf([*positions, *orientations]).all():
        return
    task = PoseTask(positions, orientations)
    pose = panda.forward_kinematics(panda.random_configurations(1, np.random.default_rng(seed)))
    result = ModelBasedIK(panda, timeout=1.0).solve(pose[0], task=task)
    assert result.success
    along, about = errors_along_axes(pose, panda.forward_kinematics(result.configuration)[None])
    assert (np.abs(along) <= np.maximum(positions, 1e-6)).all()
    assert (np.abs(about) <= np.maximum(orientations, 2e-5)).all()


@pytest.mark.parametrize("loss", ["residual", "forward_kinematics"])
def test_learned_errors_count_in_tasks_too(panda, biased_panda, panda_samples, loss):
    estimator = CRiSP(panda, loss, GaussianKernel(0.3, 1.0), 1e-7, timeout=1.0).fit(panda_samples)
    pose = panda_samples.poses[3]
    result = estimator.solve(pose, task="free_z")
    assert result.success and result.source == "learned"
    along, about = errors_along_axes(pose[None], biased_panda.forward_kinematics(result.configuration)[None])
    urdf, _ = errors_along_axes(pose[None], panda.forward_kinematics(result.configuration)[None])
    assert np.linalg.norm(along) < 0.2 * np.linalg.norm(urdf)
    assert np.abs(about[0, :2]).max() < 5e-3


def test_the_radians_loss_knows_no_task(panda, panda_samples):
    estimator = CRiSP(panda, "radians", GaussianKernel(0.3, 1.0), 1e-6).fit(panda_samples)
    with pytest.raises(InvalidInputError, match="radians"):
        estimator.solve(panda_samples.poses[0], task="position")


@pytest.mark.parametrize("task", ["nothing", 3, ["position"], ""])
def test_tasks_that_are_none_are_refused(panda, task):
    with pytest.raises(InvalidInputError, match="task"):
        ModelBasedIK(panda).solve(np.eye(4), task=task)


@pytest.mark.parametrize("tolerances", [(0.0, 0.0), (-1.0, 0.0, 0.0), (np.nan, 0.0, 0.0), "abc", (np.inf,) * 3])
def test_tolerances_that_are_none_are_refused(tolerances):
    with pytest.raises(InvalidInputError):
        PoseTask(tolerances, (np.inf, np.inf, np.inf))


# -- arms with fewer than six directions -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FEWER)
def test_arms_with_fewer_directions_reach_exactly_what_they_can(arm, name):
    robot = arm(name)
    assert robot.directions < 6
    poses = robot.forward_kinematics(robot.random_configurations(200, np.random.default_rng(6)))
    result = ModelBasedIK(robot, timeout=0.5).solve_many(poses)
    assert result.success.all()
    np.testing.assert_allclose(robot.forward_kinematics(result.configurations), poses, atol=1e-4)


@pytest.mark.parametrize("name", ["so101", "stretch"])
def test_an_orientation_that_an_arm_does_not_have_is_reached_as_near_as_it_gets(arm, name):
    robot, rng = arm(name), np.random.default_rng(7)
    q = robot.random_configurations(100, rng)
    poses = robot.forward_kinematics(q)
    poses[:, :3, :3] = Rotation.from_rotvec(np.deg2rad(1.0) * any_direction(rng, 100)).as_matrix() @ poses[:, :3, :3]
    solver = ModelBasedIK(robot, timeout=0.5)
    result = solver.solve_many(poses, q)
    assert result.success.mean() >= 0.97
    assert result.position_errors[result.success].max() < 1e-6
    assert result.orientation_errors[result.success].max() < np.deg2rad(1.0) + 1e-4
    assert not solver.solve_many(poses[:5], q[:5], timeout=0.02, task="full").success.any()


def any_direction(rng, count):
    vectors = rng.normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("name", FEWER)
def test_a_learned_arm_with_fewer_directions_reaches_what_the_real_one_does(arm, name):
    robot, rng = arm(name), np.random.default_rng(8)
    links = 3e-3 * rng.normal(size=(len(robot.joints), 3))
    real = robot.with_bias(np.where(robot.chain.prismatic, 2e-3, np.deg2rad(1.0)), links)
    q = robot.random_configurations(150, rng)
    poses = np.array(real.forward_kinematics(q))
    poses[:, :3, 3] += 2e-5 * rng.normal(size=(150, 3))
    model = LearnedKinematics(robot, timeout=0.5).fit(Dataset(q, poses, robot.joint_names))
    targets = real.forward_kinematics(robot.random_configurations(100, rng))
    result = model.solve_many(targets)
    assert result.success.mean() >= 0.99
    reached = real.forward_kinematics(result.configurations[result.success])
    errors = np.linalg.norm(reached[:, :3, 3] - targets[result.success, :3, 3], axis=1)
    bounds = model.predicted_error(result.configurations[result.success])
    assert (errors <= bounds + 1e-5).mean() >= 0.95


def test_samples_around_a_posture_still_draw_first_answers_whole(panda, biased_panda):
    estimator = CRiSP(panda, kernel=GaussianKernel(0.5, 1.0), penalty=1e-7, timeout=1.0).fit(
        sample_around(panda, biased_panda, 200)
    )
    pose = biased_panda.forward_kinematics(panda.rest)
    first = estimator.solve(pose)
    assert first.success and np.abs(first.configuration - panda.rest).max() < 0.3


def test_no_more_tasks_are_kept_prepared_than_are_of_use(two_link):
    solver, pose = ModelBasedIK(two_link), two_link.forward_kinematics([0.3, 0.4])
    for number in range(200):
        solver.solve(pose, task=PoseTask(orientation_tolerances=(np.inf, np.inf, 1.0 + 1e-3 * number)))
    assert len(solver._axes) <= 64
