"""CRiSP: held to the sum over the training set that it collapses, to its limits and to what it promises."""

import inspect
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import LOSSES, biased, homogeneous, kernel, objective, rodrigues, sample_around

from crisp_ik_ros import CRiSP, CrispIKError, Dataset, ModelBasedIK, Status, load_model
from crisp_ik_ros.errors import DatasetError, InvalidInputError, NotFittedError, RegressionError
from crisp_ik_ros.estimators.training import nearness_weights, support_of
from crisp_ik_ros.losses.evaluate import make_loss
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.regression.kernels import GaussianKernel, LaplacianKernel, LinearKernel
from crisp_ik_ros.regression.selection import spread
from crisp_ik_ros.trajectories import spiral
from crisp_ik_ros.transforms import pose_error, rotation_exponential

NAMES = tuple(LOSSES)
every_loss = pytest.mark.parametrize("name", NAMES)
seeds = st.integers(0, 2**32 - 1)
KERNEL = GaussianKernel(0.3, 1.0)


def reached(robot, q, pose):
    """Distance [m] and angle [rad] from a pose."""
    distance, angle = tool_errors(pose[None], robot.forward_kinematics(q)[None])
    return distance[0], angle[0]


def random_pose(rng, reach):
    return homogeneous(rodrigues(rng.uniform(-2.0, 2.0, 3)), rng.uniform(-reach, reach, 3))


# ---- the oracle ----------------------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("centers", [None, 25], ids=["exact", "nystrom"])
@pytest.mark.parametrize(
    ("weights", "rule"), [((1.0, 1.0), KERNEL), ((5.0, 0.5), LaplacianKernel(0.3, 1.0))], ids=["gaussian", "laplacian"]
)
def test_collapsed_objective_is_the_sum_over_the_training_set(robot, name, centers, weights, rule):
    samples = sample_around(robot, biased(robot, 2.0), 45)
    estimator = CRiSP(robot, make_loss(name, *weights), rule, penalty=1e-6, centers=centers).fit(samples)
    rng = np.random.default_rng(1)
    near, seen = robot.forward_kinematics(robot.rest), samples.poses[3]
    for x in (seen, near):
        scores = estimator.scores(x)
        assert scores.shape == (len(samples),)
        collapsed = estimator.objective(x)
        for width in (0.0, 0.1, 0.6):
            y = robot.rest + width * rng.uniform(-1.0, 1.0, robot.dof)
            expected, size = objective(name, robot, weights, scores, y, x, samples)
            assert size > 0.0
            assert abs(collapsed(y) - expected) <= 1e-9 * size


@every_loss
def test_solution_minimises_the_objective(panda, panda_samples, name):
    estimator = CRiSP(panda, name, KERNEL, penalty=1e-7, null_space_weight=0.0).fit(panda_samples)
    rng = np.random.default_rng(2)
    for x in panda_samples.poses[:5]:
        result = estimator.solve(x)
        collapsed = estimator.objective(x)
        best = collapsed(result.configuration)
        for _ in range(20):
            y = np.clip(result.configuration + 0.02 * rng.normal(size=7), panda.lower, panda.upper)
            assert collapsed(y) >= best - 1e-12


@every_loss
@pytest.mark.parametrize("arm", ["panda", "planar5", "iiwa", "endless"])
def test_solvers_agree_when_started_alike(request, arm, name):
    robot = request.getfixturevalue(arm)
    samples = sample_around(robot, biased(robot), 150)
    first, second = (
        CRiSP(robot, name, KERNEL, 1e-6, null_space_weight=0.0, solver=solver, timeout=2.0).fit(samples)
        for solver in ("levenberg_marquardt", "lbfgsb")
    )
    rng = np.random.default_rng(3)
    for i in range(10):
        pose = samples.poses[i]
        seed = np.clip(samples.configurations[i] + rng.uniform(-0.05, 0.05, robot.dof), robot.lower, robot.upper)
        a, b = first.solve(pose, seed), second.solve(pose, seed)
        assert a.success
        assert b.success
        distance, angle = reached(robot, a.configuration, robot.forward_kinematics(b.configuration))
        assert distance < 2e-6
        assert angle < 2e-5


# ---- limits --------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(seeds, st.booleans(), st.booleans())
def test_solutions_never_leave_the_limits(trained, panda, seed, feasible, seeded):
    rng = np.random.default_rng(seed)
    q = panda.random_configurations(1, rng)[0]
    pose = panda.forward_kinematics(q) if feasible else random_pose(rng, 1.2)
    # A start may lie exactly on the limits.
    start = np.where(rng.random(7) < 0.3, panda.lower, panda.random_configurations(1, rng)[0]) if seeded else None
    result = trained.solve(pose, start, timeout=0.01)
    assert (result.configuration >= panda.lower).all()
    assert (result.configuration <= panda.upper).all()


@pytest.mark.parametrize("solver", ["levenberg_marquardt", "lbfgsb"])
@settings(max_examples=9)
@given(seeds)
def test_solutions_never_leave_the_limits_with_any_robot_or_solver(robot, solver, seed):
    rng = np.random.default_rng(seed)
    samples = sample_around(robot, biased(robot), 30, seed=seed % 3)
    estimator = CRiSP(robot, NAMES[seed % 3], KERNEL, 1e-6, solver=solver, timeout=0.005).fit(samples)
    for pose in (samples.poses[0], random_pose(rng, robot.reach)):
        assert robot.within_limits(estimator.solve(pose).configuration)


def test_narrow_limits_are_kept_where_the_data_lies_at_their_edge(panda, biased_panda):
    narrow = panda.with_limits(panda.rest - 0.2, panda.rest + 0.2)
    estimator = CRiSP(narrow, kernel=KERNEL, penalty=1e-7).fit(sample_around(narrow, biased_panda, 150, spread=0.3))
    for q in narrow.random_configurations(20, np.random.default_rng(4)):
        assert narrow.within_limits(estimator.solve(biased_panda.forward_kinematics(q)).configuration)


# ---- where the model is right --------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(seeds)
def test_residual_loss_reaches_every_reachable_target_when_the_model_is_right(robot, seed):
    estimator = _exact(robot)
    rng = np.random.default_rng(seed)
    inside = np.clip(robot.rest + rng.uniform(-0.3, 0.3, robot.dof), robot.lower, robot.upper)
    for q in (inside, robot.random_configurations(1, rng)[0]):
        pose = robot.forward_kinematics(q)
        result = estimator.solve(pose, timeout=5.0)
        assert result.success, result
        distance, angle = reached(robot, result.configuration, pose)
        assert distance <= 1e-6
        assert angle <= 1e-5
        assert result.position_error == pytest.approx(distance, abs=1e-9)
        assert result.orientation_error == pytest.approx(angle, abs=1e-9)


_exact_estimators = {}


def _exact(robot):
    if robot.fingerprint not in _exact_estimators:
        samples = sample_around(robot, robot, 120)
        _exact_estimators[robot.fingerprint] = CRiSP(robot, kernel=KERNEL, penalty=1e-8).fit(samples)
    return _exact_estimators[robot.fingerprint]


def test_cold_request_is_solved_and_warm_one_takes_no_more_steps(exact_panda, panda):
    q = panda.rest + 0.1
    pose = panda.forward_kinematics(q)
    cold, warm = exact_panda.solve(pose), exact_panda.solve(pose, seed=q)
    assert cold.success
    assert warm.success
    assert warm.iterations <= cold.iterations


def test_answer_depends_on_the_request_alone(exact_panda, panda):
    rng = np.random.default_rng(5)
    poses = panda.forward_kinematics(panda.random_configurations(10, rng))
    forwards = [exact_panda.solve(pose, timeout=5.0).configuration for pose in poses]
    backwards = [exact_panda.solve(pose, timeout=5.0).configuration for pose in poses[::-1]][::-1]
    np.testing.assert_array_equal(forwards, backwards)


def test_requests_from_many_threads_are_answered_as_from_one(panda):
    samples = sample_around(panda, panda, 60)
    expected = [CRiSP(panda, kernel=KERNEL, penalty=1e-6).fit(samples).solve(p).configuration for p in samples.poses]
    shared = CRiSP(panda, kernel=KERNEL, penalty=1e-6, timeout=5.0).fit(samples)
    wrong, barrier = [], threading.Barrier(4)

    def work():
        barrier.wait()
        for pose, configuration in zip(samples.poses, expected, strict=True):
            if not np.array_equal(shared.solve(pose).configuration, configuration):
                wrong.append(pose)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# ---- where the model is wrong --------------------------------------------------------------------------------------


def test_learned_model_beats_the_nominal_one_on_the_spiral(panda, biased_panda, spiral_estimator):
    path = spiral(points=60)
    learned = spiral_estimator.solve_path(path)
    nominal = ModelBasedIK(panda).solve_path(path)
    assert learned.success.all()
    assert nominal.success.all()
    learned_errors, learned_angles = tool_errors(path, biased_panda.forward_kinematics(learned.configurations))
    nominal_errors, _ = tool_errors(path, biased_panda.forward_kinematics(nominal.configurations))
    assert learned_errors.mean() < 0.5e-3
    assert nominal_errors.mean() > 15e-3
    assert learned_angles.mean() < 2e-3
    assert set(learned.sources) == {"learned"}
    # What it reports of itself is not the true error, which it cannot know.
    assert learned.position_errors.max() < 1e-6


def test_path_is_followed_without_jumps(spiral_estimator, panda):
    result = spiral_estimator.solve_path(spiral(points=200))
    assert result.fraction == 1.0
    assert np.abs(np.diff(result.configurations, axis=0)).max() < 0.1
    assert panda.within_limits(result.configurations).all()
    assert result.configurations.shape == (200, 7)
    assert all(status is Status.SUCCESS for status in result.status)


def test_path_starts_from_the_seed_and_goes_on_from_the_last_solution(spiral_estimator):
    path = spiral(points=20)
    whole = spiral_estimator.solve_path(path)
    rest = spiral_estimator.solve_path(path[5:], seed=whole.configurations[4])
    np.testing.assert_array_equal(rest.configurations, whole.configurations[5:])
    by_hand = spiral_estimator.solve(path[5], seed=whole.configurations[4])
    np.testing.assert_array_equal(by_hand.configuration, whole.configurations[5])


@pytest.mark.parametrize("kind", ["too far", "within reach"])
def test_pose_of_a_path_that_has_no_solution_keeps_its_predecessors_configuration(planar5, kind):
    estimator = CRiSP(planar5, kernel=GaussianKernel(3.0, 1.0), penalty=1e-6, timeout=0.02)
    estimator.fit(sample_around(planar5, planar5, 60))
    path = planar5.forward_kinematics(planar5.rest + np.linspace(0.0, 0.05, 4)[:, None] * np.ones(5))
    # Above the plane in which the arm moves.
    path[2, :3, 3] += [0.0, 0.0, 30.0 if kind == "too far" else 0.5]
    result = estimator.solve_path(path)
    np.testing.assert_array_equal(result.success, [True, True, False, True])
    np.testing.assert_array_equal(result.configurations[2], result.configurations[1])
    assert result.fraction == 0.75


def test_path_without_poses_is_an_empty_result(exact_panda):
    result = exact_panda.solve_path(np.zeros((0, 4, 4)))
    assert result.configurations.shape == (0, 7)
    assert result.fraction == 0.0


# ---- support -------------------------------------------------------------------------------------------------------


@given(seeds, st.floats(0.01, 3.0))
def test_support_is_between_zero_and_one(trained, seed, reach):
    support = trained.solve(random_pose(np.random.default_rng(seed), reach), timeout=0.002).support
    assert 0.0 <= support <= 1.0


@pytest.mark.parametrize(
    ("total", "support"), [(1.0, 1.0), (0.75, 0.75), (1.25, 0.75), (0.0, 0.0), (-3.0, 0.0), (2.0, 0.0), (9.0, 0.0)]
)
def test_support_falls_with_the_distance_of_the_scores_sum_from_one(total, support):
    assert support_of(total) == support


@pytest.mark.parametrize(("of_position", "of_angle"), [(1.0, 1.0), (4.0, 20.0), (0.1, 50.0)])
def test_nearness_is_measured_in_spreads_of_the_data_whatever_the_length_scales(panda_samples, of_position, of_angle):
    position, angle = spread(panda_samples.poses)
    kernel = GaussianKernel(of_position * position, of_angle * angle)
    weights = nearness_weights(kernel, panda_samples.poses)
    pose, moved = panda_samples.poses[0], panda_samples.poses[0].copy()
    moved[2, 3] += position
    squared = ((kernel.features(moved[None]) - kernel.features(pose[None])) ** 2)[0]
    assert weights[0] * squared[:3].sum() == pytest.approx(1.0)
    moved = pose.copy()
    moved[:3, :3] = rotation_exponential([0.0, 0.0, 0.01 * angle]) @ pose[:3, :3]
    squared = ((kernel.features(moved[None]) - kernel.features(pose[None])) ** 2)[0]
    assert weights[1] * squared[3:].sum() == pytest.approx(1e-4, rel=1e-3)


def test_what_the_kernel_leaves_out_does_not_count_as_far(panda_samples):
    position, _ = spread(panda_samples.poses)
    np.testing.assert_allclose(
        nearness_weights(GaussianKernel(3.0 * position, np.inf), panda_samples.poses), [9.0, 0.0], rtol=1e-12
    )


def test_support_wants_scores_that_add_up_to_one_and_a_sample_nearby(trained, panda_samples):
    pose = panda_samples.poses[0]
    # Support falls faster where held-out parts of space show that corrections do not carry a spread far.
    shorter = np.sqrt(trained.nearness_ / nearness_weights(trained.kernel_, panda_samples.poses))
    position, angle = spread(panda_samples.poses) / shorter
    for shift in (0.0, 0.02, 0.1, 0.3, 1.0):
        moved = pose.copy()
        moved[0, 3] += shift
        nearest = max(kernel("gaussian", moved, other, position, angle) for other in panda_samples.poses)
        expected = min(support_of(trained.scores(moved).sum()), nearest)
        expected = expected if expected >= 0.05 else 0.0
        assert trained.solve(moved, timeout=0.001).support == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["residual", "forward_kinematics"])
def test_answers_go_over_from_learned_to_nominal_with_the_distance_from_the_data(panda, biased_panda, name):
    samples = sample_around(panda, biased_panda, 150, spread=0.15)
    estimator = CRiSP(panda, name, GaussianKernel(0.1, 0.5), 1e-6, timeout=1.0).fit(samples)
    away = np.array([1.2, -0.3, -0.5, 0.4, 0.3, -0.5, -0.8])
    results = []
    for share in np.linspace(0.0, 1.0, 60):
        pose = panda.forward_kinematics(panda.rest + share * away)
        results.append((estimator.solve(pose), pose))
    sources = [result.source for result, _ in results]
    order = list(dict.fromkeys(sources))
    assert order in (["learned", "blended"], ["learned", "blended", "nominal"])
    assert results[0][0].support > 0.9
    for result, _ in results:
        assert result.success
        assert (result.source == "learned") == (result.support >= 0.5)
        assert (result.source == "nominal") == (result.support == 0.0)
    # Far away the model is taken at its word.
    assert results[-1][0].support < 1e-3
    assert reached(panda, results[-1][0].configuration, results[-1][1])[0] < 1e-5
    errors = [reached(biased_panda, result.configuration, pose)[0] for result, pose in results]
    assert errors[0] < 3e-3
    assert errors[-1] > 10e-3


@every_loss
def test_far_away_support_vanishes(panda, panda_samples, name):
    estimator = CRiSP(panda, name, GaussianKernel(0.05, 0.3), 1e-6).fit(panda_samples)
    pose = homogeneous(np.diag([1.0, -1.0, -1.0]), [-0.4, -0.4, 0.5])
    result = estimator.solve(pose)
    assert result.support < 1e-6
    if name == "radians":
        assert not result.success
        assert result.status is Status.NO_SOLUTION


# ---- targets that cannot be reached --------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize(
    "rule", [KERNEL, GaussianKernel(3.0, 3.0), LaplacianKernel(0.3, 1.0), LinearKernel(0.3, 1.0)], ids=str
)
def test_pose_a_metre_outside_the_workspace_is_never_a_success(panda, panda_samples, name, rule):
    estimator = CRiSP(panda, name, rule, 1e-6).fit(panda_samples)
    rng = np.random.default_rng(6)
    for _ in range(10):
        pose = random_pose(rng, 1.0)
        direction = pose[:3, 3] / np.linalg.norm(pose[:3, 3])
        pose[:3, 3] = panda.anchor + direction * (panda.reach + 1.0)
        result = estimator.solve(pose)
        assert not result.success
        assert result.status is not Status.SUCCESS
        assert panda.within_limits(result.configuration)
        assert result.position_error > 0.9
        assert result.orientation_error >= 0.0


@pytest.mark.parametrize("name", ["residual", "forward_kinematics"])
def test_pose_outside_the_reach_fails_without_a_search(panda, panda_samples, name):
    estimator = CRiSP(panda, name, KERNEL, 1e-6).fit(panda_samples)
    result = estimator.solve(homogeneous(np.eye(3), [2.5, 0.0, 0.3]), timeout=60.0)
    assert result.status is Status.NO_SOLUTION
    assert result.iterations == 0


def test_reported_error_of_a_failure_is_never_negative(two_link):
    # The real links are shorter than the model's: what the nominal arm would have to reach lies beyond its reach,
    # though the target itself does not.
    real = two_link.with_bias(link_offsets=[[0, 0, 0], [-0.1, 0, 0], [-0.1, 0, 0]])
    rng = np.random.default_rng(7)
    q = np.column_stack([rng.uniform(-1, 1, 80), rng.uniform(-0.5, 0.5, 80)])
    samples = Dataset(q, real.forward_kinematics(q), two_link.joint_names)
    estimator = CRiSP(two_link, kernel=GaussianKernel(0.5, 2.0), penalty=1e-8, timeout=0.02).fit(samples)
    for distance in (1.32, 1.36, 1.4, 1.45, 1.49):
        result = estimator.solve(homogeneous(np.eye(3), [distance, 0.0, 0.0]))
        assert not result.success
        assert result.position_error > 0.0


def test_infeasible_pose_within_reach_is_a_failure_with_its_distance(planar5):
    estimator = _exact(planar5)
    pose = planar5.forward_kinematics(planar5.rest)
    pose[2, 3] = 0.5
    result = estimator.solve(pose, timeout=0.05)
    assert not result.success
    assert result.status in (Status.NO_SOLUTION, Status.TIMED_OUT)
    assert result.position_error == pytest.approx(0.5, abs=0.05)


# ---- continuous joints ---------------------------------------------------------------------------------------------


@given(seeds)
def test_continuous_joints_are_wrapped_into_plus_minus_pi(endless, seed):
    estimator = _exact(endless)
    q = endless.random_configurations(1, np.random.default_rng(seed))[0]
    pose = endless.forward_kinematics(q)
    result = estimator.solve(pose, timeout=5.0)
    assert result.success
    assert endless.within_limits(result.configuration)
    assert reached(endless, result.configuration, pose)[0] < 1e-6


def test_path_goes_through_pi_of_a_continuous_joint(endless):
    estimator = _exact(endless)
    q = np.tile([0.0, 0.5, 0.8, 0.0, 0.6, 0.0], (41, 1))
    q[:, 0] = np.linspace(np.pi - 0.5, np.pi + 0.5, 41)
    q[:, 5] = -np.linspace(np.pi - 0.5, np.pi + 0.5, 41)
    start = q[0].copy()
    result = estimator.solve_path(endless.forward_kinematics(q), seed=start)
    assert result.success.all()
    assert endless.within_limits(result.configurations).all()
    turns = np.diff(result.configurations[:, [0, 5]], axis=0)
    turns = (turns + np.pi) % (2.0 * np.pi) - np.pi
    assert np.abs(turns).max() < 0.1
    assert np.abs(np.diff(result.configurations[:, 1:5], axis=0)).max() < 0.05


# ---- fit -----------------------------------------------------------------------------------------------------------


def test_constructor_stores_what_it_is_given_and_nothing_else(panda):
    given_values = {
        "robot": panda,
        "loss": make_loss("radians"),
        "kernel": KERNEL,
        "penalty": "not checked yet",
        "centers": -1,
        "null_space_weight": None,
        "position_tolerance": 3,
        "orientation_tolerance": 4,
        "timeout": 5,
        "solver": "none",
        "random_state": 6,
        "center_selection": 7,
        "validation": 8,
        "regression_solver": 9,
        "scheduler": 10,
    }
    estimator = CRiSP(**given_values)
    assert vars(estimator) == given_values
    assert list(inspect.signature(CRiSP).parameters) == list(given_values)


def test_fit_leaves_hyperparameters_alone_and_learned_names_end_in_an_underscore(panda, panda_samples):
    estimator = CRiSP(panda, kernel=None, penalty=None, centers=50)
    before = dict(vars(estimator))
    assert estimator.fit(panda_samples) is estimator
    after = vars(estimator)
    assert {name: after[name] for name in before} == before
    for name in ("loss_", "kernel_", "penalty_", "regression_", "samples_", "validation_", "center_configurations_"):
        assert name in after
    assert estimator.samples_ == len(panda_samples)
    assert len(estimator.center_configurations_) == 50


@every_loss
def test_same_data_and_seed_give_the_same_model(panda, panda_samples, name):
    first, second = (CRiSP(panda, name, centers=60, random_state=3).fit(panda_samples) for _ in range(2))
    np.testing.assert_array_equal(first.regression_.coefficients_, second.regression_.coefficients_)
    assert first.kernel_.parameters() == second.kernel_.parameters()
    assert first.penalty_ == second.penalty_
    assert first.validation_ == second.validation_
    other = CRiSP(panda, name, centers=60, random_state=4).fit(panda_samples)
    assert not np.array_equal(first.regression_.centers_, other.regression_.centers_)


def test_data_in_another_order_of_joints_gives_the_same_model(panda, panda_samples):
    order = [3, 0, 6, 1, 5, 2, 4]
    shuffled = Dataset(
        panda_samples.configurations[:, order], panda_samples.poses, [panda.joint_names[i] for i in order]
    )
    first, second = (CRiSP(panda, kernel=KERNEL, penalty=1e-7).fit(data) for data in (panda_samples, shuffled))
    np.testing.assert_array_equal(first.regression_.coefficients_, second.regression_.coefficients_)
    np.testing.assert_array_equal(first.center_configurations_, second.center_configurations_)


def test_fit_does_not_change_the_data(panda, panda_samples):
    configurations, poses = panda_samples.configurations.copy(), panda_samples.poses.copy()
    CRiSP(panda).fit(panda_samples)
    np.testing.assert_array_equal(panda_samples.configurations, configurations)
    np.testing.assert_array_equal(panda_samples.poses, poses)


def test_kernel_may_be_a_name(panda, panda_samples):
    estimator = CRiSP(panda, kernel="laplacian").fit(panda_samples)
    assert isinstance(estimator.kernel_, LaplacianKernel)


def test_centers_from_the_number_of_samples_on_mean_exact_regression(panda, panda_samples):
    exact, all_of_them = (
        CRiSP(panda, kernel=KERNEL, penalty=1e-6, centers=centers).fit(panda_samples) for centers in (None, 5000)
    )
    np.testing.assert_array_equal(exact.regression_.coefficients_, all_of_them.regression_.coefficients_)


def test_validation_error_is_that_of_new_samples(panda, biased_panda, panda_samples):
    estimator = CRiSP(panda, kernel=KERNEL, penalty=1e-7).fit(panda_samples)
    nominal = {"nominal_position_rms", "nominal_orientation_rms"}
    assert set(estimator.validation_) == {"position_rms", "orientation_rms", "posture_rms", "support_mean"} | nominal
    # Without any learning the error would be that of the model, about 15 mm.
    assert 0.0 < estimator.validation_["position_rms"] < 5e-3
    assert 0.0 < estimator.validation_["orientation_rms"] < 5e-2
    assert estimator.validation_["support_mean"] > 0.9


def _rows(dataset, **changes):
    values = {"configurations": dataset.configurations, "poses": dataset.poses, "joint_names": dataset.joint_names}
    return Dataset(**{**values, **changes})


def test_too_few_samples_are_refused(panda, panda_samples):
    with pytest.raises(DatasetError, match="1 sample"):
        CRiSP(panda, kernel=KERNEL, penalty=1e-6).fit(panda_samples.subset([0]))
    with pytest.raises(DatasetError, match="7 samples are too few"):
        CRiSP(panda).fit(panda_samples.subset(np.arange(7)))
    CRiSP(panda).fit(panda_samples.subset(np.arange(8)))
    CRiSP(panda, kernel=KERNEL, penalty=1e-6).fit(panda_samples.subset([0, 1]))


def test_joints_of_another_robot_are_refused_by_name(panda, panda_samples):
    names = (*panda.joint_names[:6], "wheel")
    with pytest.raises(DatasetError, match=r"wheel.*panda_joint7"):
        CRiSP(panda).fit(_rows(panda_samples, joint_names=names))
    fewer = Dataset(panda_samples.configurations[:, :6], panda_samples.poses, panda.joint_names[:6])
    with pytest.raises(DatasetError, match="panda_joint7"):
        CRiSP(panda).fit(fewer)


def test_degrees_are_refused_with_a_hint(panda, panda_samples):
    degrees = _rows(panda_samples, configurations=np.rad2deg(panda_samples.configurations))
    with pytest.raises(DatasetError, match="radians"):
        CRiSP(panda).fit(degrees)


def test_samples_outside_the_limits_are_refused_with_their_row(panda, panda_samples):
    configurations = panda_samples.configurations.copy()
    configurations[17, 3] = 0.2
    with pytest.raises(DatasetError, match="1 samples are outside the joint limits, the first is row 17"):
        CRiSP(panda).fit(_rows(panda_samples, configurations=configurations))


def test_encoder_noise_at_a_limit_is_accepted_and_answers_stay_inside(panda, biased_panda, panda_samples):
    configurations = panda_samples.configurations.copy()
    configurations[0] = panda.upper + 0.01
    samples = _rows(panda_samples, configurations=configurations)
    estimator = CRiSP(panda, "radians", KERNEL, 1e-7).fit(samples)
    assert panda.within_limits(estimator.center_configurations_).all()
    assert panda.within_limits(estimator.solve(biased_panda.forward_kinematics(panda.upper)).configuration)


def test_numbers_that_are_not_finite_are_refused(panda, panda_samples):
    with pytest.raises(DatasetError, match="row 4"):
        configurations = panda_samples.configurations.copy()
        configurations[4, 2] = np.nan
        CRiSP(panda).fit(_rows(panda_samples, configurations=configurations))
    # Written into the arrays after the dataset was checked.
    spoilt = _rows(panda_samples, configurations=panda_samples.configurations.copy())
    spoilt.configurations[4, 2] = np.nan
    with pytest.raises(CrispIKError):
        CRiSP(panda, kernel=KERNEL, penalty=1e-6).fit(spoilt)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", "degrees"),
        ("kernel", "cubic"),
        ("kernel", 3),
        ("penalty", 0.0),
        ("penalty", -1e-6),
        ("penalty", np.nan),
        ("centers", 0),
        ("centers", 2.5),
        ("null_space_weight", -0.1),
        ("null_space_weight", np.nan),
        ("position_tolerance", 0.0),
        ("orientation_tolerance", -1.0),
        ("timeout", 0.0),
        ("timeout", np.inf),
        ("solver", "newton"),
        ("random_state", -1),
        ("random_state", "seven"),
    ],
)
def test_hyperparameters_out_of_range_are_refused_by_name_in_fit(panda, panda_samples, name, value):
    estimator = CRiSP(panda, **{"kernel": KERNEL, "penalty": 1e-6, name: value})
    with pytest.raises(InvalidInputError, match=name):
        estimator.fit(panda_samples)


def test_singular_kernel_is_a_regression_error(panda, panda_samples):
    twice = panda_samples.subset(np.repeat(np.arange(20), 10))
    estimator = CRiSP(panda, kernel=GaussianKernel(1e6, 1e6), penalty=1e-300)
    try:
        estimator.fit(twice)
    except RegressionError as error:
        assert "penalty" in str(error)
    else:
        assert np.isfinite(estimator.regression_.coefficients_).all()


def test_failed_refit_leaves_the_old_model_in_place(panda, panda_samples):
    estimator = CRiSP(panda, kernel=KERNEL, penalty=1e-7).fit(panda_samples)
    pose = panda_samples.poses[0]
    before, state = estimator.solve(pose), dict(vars(estimator))
    with pytest.raises(DatasetError):
        estimator.fit(_rows(panda_samples, configurations=np.rad2deg(panda_samples.configurations)))
    estimator.penalty = -1.0
    with pytest.raises(InvalidInputError):
        estimator.fit(panda_samples)
    estimator.penalty = 1e-7
    assert vars(estimator) == state
    np.testing.assert_array_equal(estimator.solve(pose).configuration, before.configuration)


def test_refit_forgets_the_old_data(panda, biased_panda, panda_samples):
    estimator = CRiSP(panda, kernel=KERNEL, penalty=1e-7).fit(sample_around(panda, panda, 150))
    estimator.solve(panda_samples.poses[0])
    estimator.fit(panda_samples)
    fresh = CRiSP(panda, kernel=KERNEL, penalty=1e-7).fit(panda_samples)
    for pose in panda_samples.poses[:5]:
        np.testing.assert_array_equal(estimator.solve(pose).configuration, fresh.solve(pose).configuration)


def test_refit_with_another_loss_decodes_with_it(panda, panda_samples):
    estimator = CRiSP(panda, "residual", KERNEL, 1e-7).fit(panda_samples)
    estimator.solve(panda_samples.poses[0])
    estimator.loss = "forward_kinematics"
    estimator.fit(panda_samples)
    fresh = CRiSP(panda, "forward_kinematics", KERNEL, 1e-7).fit(panda_samples)
    expected = fresh.solve(panda_samples.poses[0]).configuration
    np.testing.assert_array_equal(estimator.solve(panda_samples.poses[0]).configuration, expected)


@pytest.mark.parametrize(
    "ask",
    [
        lambda estimator, path: estimator.solve(np.eye(4)),
        lambda estimator, path: estimator.solve_path(np.eye(4)[None]),
        lambda estimator, path: estimator.scores(np.eye(4)),
        lambda estimator, path: estimator.objective(np.eye(4)),
        lambda estimator, path: estimator.save(path),
    ],
    ids=["solve", "solve_path", "scores", "objective", "save"],
)
def test_nothing_can_be_asked_before_fit(panda, tmp_path, ask):
    with pytest.raises(NotFittedError, match="fit"):
        ask(CRiSP(panda), tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


# ---- scores and requests -------------------------------------------------------------------------------------------


def test_scores_have_one_row_a_pose_and_one_column_a_sample(panda, panda_samples):
    for centers in (None, 50):
        estimator = CRiSP(panda, kernel=KERNEL, penalty=1e-6, centers=centers).fit(panda_samples)
        poses = panda_samples.poses[:3]
        scores = estimator.scores(poses)
        assert scores.shape == (3, len(panda_samples))
        np.testing.assert_allclose(scores[1], estimator.scores(poses[1]), rtol=1e-9, atol=1e-12)


def test_scores_are_the_papers(panda, panda_samples):
    estimator = CRiSP(panda, kernel=KERNEL, penalty=1e-5).fit(panda_samples)
    count = len(panda_samples)
    system = KERNEL(panda_samples.poses, panda_samples.poses) + count * 1e-5 * np.eye(count)
    new = panda_samples.poses[:2].copy()
    new[:, :3, 3] += 0.01
    expected = np.linalg.solve(system, KERNEL(panda_samples.poses, new)).T
    np.testing.assert_allclose(estimator.scores(new), expected, rtol=1e-6, atol=1e-8)


def _seed(index=None, value=0.0):
    seed = np.array([0.98, 0.458, 0.31, -2.24, -0.30, 2.66, 2.32])
    if index is not None:
        seed[index] = value
    return seed


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"pose": np.eye(3)}, "pose"),
        ({"pose": np.full((4, 4), np.nan)}, "pose"),
        ({"pose": np.zeros((4, 4))}, "pose"),
        ({"pose": np.eye(4)[None]}, "pose"),
        ({"seed": np.zeros(6)}, "seed"),
        ({"seed": np.zeros((1, 7))}, "seed"),
        ({"seed": _seed(2, np.nan)}, "seed"),
        ({"seed": _seed(3, 0.5)}, "seed"),
        ({"timeout": 0.0}, "timeout"),
        ({"timeout": -1.0}, "timeout"),
        ({"timeout": np.nan}, "timeout"),
        ({"timeout": np.inf}, "timeout"),
    ],
)
def test_bad_request_is_refused_by_name_and_the_next_good_one_answered_as_before(exact_panda, panda, request_, name):
    pose = panda.forward_kinematics(panda.rest)
    before = exact_panda.solve(pose).configuration
    with pytest.raises(InvalidInputError, match=name):
        exact_panda.solve(**{"pose": pose, **request_})
    np.testing.assert_array_equal(exact_panda.solve(pose).configuration, before)


def test_seed_outside_the_limits_names_the_joint(exact_panda, panda):
    with pytest.raises(InvalidInputError, match="panda_joint4"):
        exact_panda.solve(panda.forward_kinematics(panda.rest), seed=_seed(3, 0.5))


def test_seed_a_rounding_error_outside_the_limits_is_taken_as_on_them(exact_panda, panda):
    seed = _seed(0, panda.upper[0] + 1e-9)
    result = exact_panda.solve(panda.forward_kinematics(panda.rest), seed=seed)
    assert panda.within_limits(result.configuration)


@pytest.mark.parametrize("poses", [np.eye(4), np.zeros((2, 4, 4)), np.eye(3)[None]])
def test_bad_path_is_refused_by_name(exact_panda, poses):
    with pytest.raises(InvalidInputError, match="poses"):
        exact_panda.solve_path(poses)


def test_request_does_not_change_its_arguments(exact_panda, panda):
    pose, seed = panda.forward_kinematics(panda.rest), panda.rest.copy()
    pose_before, seed_before = pose.copy(), seed.copy()
    result = exact_panda.solve(pose, seed)
    np.testing.assert_array_equal(pose, pose_before)
    np.testing.assert_array_equal(seed, seed_before)
    kept = result.configuration.copy()
    exact_panda.solve(panda.forward_kinematics(panda.rest + 0.1))
    np.testing.assert_array_equal(result.configuration, kept)


def test_believed_errors_of_measured_pairs_are_what_is_left_to_learn(panda, biased_panda, panda_samples):
    learned = CRiSP(panda, kernel=KERNEL, penalty=1e-7).fit(panda_samples)
    nominal = ModelBasedIK(panda)
    poses, configurations = panda_samples.poses[:20], panda_samples.configurations[:20]
    expected = tool_errors(poses, panda.forward_kinematics(configurations))
    np.testing.assert_allclose(nominal.errors(poses, configurations), expected, atol=1e-12)
    distances, angles = learned.errors(poses, configurations)
    assert distances.max() < 0.1 * expected[0].min()
    assert angles.max() < 0.1 * expected[1].min()
    with pytest.raises(InvalidInputError, match="configurations"):
        learned.errors(poses, configurations[:3])


def test_believed_error_is_nan_where_nothing_is_known(panda, panda_samples):
    estimator = CRiSP(panda, "radians", GaussianKernel(0.01, 0.01), 1e-6).fit(panda_samples)
    nowhere = homogeneous(np.eye(3), [-0.7, -0.7, 0.1])[None]
    assert np.isnan(estimator.errors(nowhere, panda.rest[None])).all()


def test_null_space_term_draws_answers_to_where_the_data_lies(panda, panda_samples):
    with_pull, without = (
        CRiSP(panda, kernel=KERNEL, penalty=1e-7, null_space_weight=weight).fit(panda_samples) for weight in (0.03, 0.0)
    )
    rng = np.random.default_rng(8)
    distances = {"with": [], "without": []}
    for i in range(10):
        # A start that reaches the same target in another posture.
        seed = np.clip(panda.rest + rng.uniform(-0.8, 0.8, 7), panda.lower, panda.upper)
        pose, q = panda_samples.poses[i], panda_samples.configurations[i]
        for label, estimator in (("with", with_pull), ("without", without)):
            # Each request from the answer before it: a bounded motion at a time.
            result = estimator.solve(pose, seed, timeout=1.0)
            for _ in range(15):
                before, result = result, estimator.solve(pose, result.configuration, timeout=1.0)
                assert np.abs(result.configuration - before.configuration).max() < 0.15
            assert result.success
            distances[label].append(np.linalg.norm(result.configuration - q))
    assert np.median(distances["with"]) < 0.5 * np.median(distances["without"])


def test_an_answer_in_a_posture_that_the_data_does_not_have_loses_its_support(panda, spiral_estimator):
    pose = spiral(points=8)[3]
    usual = spiral_estimator.solve(pose)
    rng = np.random.default_rng(0)
    anywhere = ModelBasedIK(panda, null_space_weight=0.0, timeout=0.5)
    answers = []
    for seed in panda.random_configurations(40, rng):
        other = anywhere.solve(pose, seed)
        if other.success:
            answers.append(spiral_estimator.solve(pose, seed=other.configuration))
    distances = np.array([np.linalg.norm(answer.configuration - usual.configuration) for answer in answers])
    supports = np.array([answer.support for answer in answers])
    assert usual.support > 0.9
    assert (distances > 2.0).any() and (supports[distances > 2.0] < 0.01).all()
    assert (distances < 0.1).any() and (supports[distances < 0.1] > 0.9).all()


# -- readings of few stops ---------------------------------------------------------------------------------------------


def readings_of_stops(robot, stops, each, seed=0, spread=None):
    """Readings of stops of a random true arm, in the whole workspace or around the rest pose, with a device's noise."""
    rng = np.random.default_rng(seed)
    true = robot.with_bias(np.deg2rad(0.5) * rng.normal(size=robot.dof), 2e-3 * rng.normal(size=(len(robot.joints), 3)))
    q = robot.random_configurations(stops, rng)
    if spread is not None:
        q = robot.rest + rng.uniform(-spread, spread, (stops, robot.dof))
    q = np.repeat(q, each, axis=0) + rng.normal(0.0, 2e-5, (stops * each, robot.dof))
    q = np.clip(q, robot.lower, robot.upper)
    poses = np.array(true.forward_kinematics(q))
    poses[:, :3, 3] += rng.normal(0.0, 2e-5, (len(q), 3))
    return true, Dataset(q, poses, robot.joint_names)


@pytest.mark.parametrize(
    ("seed", "spread_", "loss"),
    [(0, None, "residual"), (1, None, "residual"), (0, 0.4, "residual"), (0, None, "forward_kinematics")],
)
def test_readings_of_a_few_stops_make_nothing_worse_than_the_urdf(panda, seed, spread_, loss):
    true, samples = readings_of_stops(panda, 20, 30, seed, spread_)
    estimator = CRiSP(panda, loss, timeout=0.5).fit(samples)
    # Not the scatter of the readings, which is 0.02 mm.
    assert estimator.validation_["position_rms"] > 3e-4
    assert len(estimator.warnings_) == 1 and "20 distinct configurations" in estimator.warnings_[0]
    targets = true.forward_kinematics(panda.random_configurations(150, np.random.default_rng(9)))
    plain = ModelBasedIK(panda, timeout=0.5).solve_many(targets)
    learned = estimator.solve_many(targets)
    assert learned.fraction > plain.fraction - 0.03
    both = learned.success & plain.success
    ours, urdf = (
        np.linalg.norm((true.forward_kinematics(found.configurations) - targets)[both, :3, 3], axis=1)
        for found in (learned, plain)
    )
    assert np.median(ours) < 1.02 * np.median(urdf) and np.quantile(ours, 0.95) < 1.05 * np.quantile(urdf, 0.95)
    assert ours.max() < urdf.max() + 0.02
    low = both & (learned.supports < 0.05)
    assert low.any() and {learned.sources[row] for row in np.flatnonzero(low)} == {"nominal"}
    if loss == "residual":
        np.testing.assert_allclose(learned.configurations[low], plain.configurations[low], atol=1e-9)
    # The other loss weighs the posture against the task in its own way.
    np.testing.assert_allclose(panda.forward_kinematics(learned.configurations[low]), targets[low], rtol=0.0, atol=2e-5)


def test_a_correction_is_no_larger_than_those_that_the_data_shows(panda, biased_panda):
    """A long kernel extrapolates to where the correction has no bound of its own."""
    samples = sample_around(panda, biased_panda, 60, spread=0.05)
    for loss in ("residual", "forward_kinematics"):
        estimator = CRiSP(panda, loss, GaussianKernel(0.5, 2.0), 1e-12).fit(samples)
        errors = pose_error(samples.poses, panda.forward_kinematics(samples.configurations))
        largest = np.linalg.norm(errors[:, :3], axis=1).max()
        found = 0
        for away in np.linspace(0.0, 0.4, 30):
            pose = panda.forward_kinematics(panda.rest + away)
            problem = estimator._problem(pose)
            target = problem.target[:3] if loss == "residual" else problem.target[:3] - pose[:3, 3]
            assert np.linalg.norm(target) < 1.1 * largest
            found += problem.source != "nominal"
        assert found > 3


def test_a_configuration_that_the_data_does_not_cover_is_answered_by_the_urdf(panda, biased_panda):
    """The pose is in the midst of the data, and the seed's branch of the arm is not."""
    samples = sample_around(panda, biased_panda, 300, spread=0.15)
    estimator = CRiSP(panda, timeout=1.0).fit(samples)
    pose = panda.forward_kinematics(panda.rest)
    other = ModelBasedIK(panda, timeout=1.0, null_space_weight=0.0)
    for seed in panda.random_configurations(40, np.random.default_rng(4)):
        result = estimator.solve(pose, seed)
        away = np.abs(result.configuration - panda.rest).max()
        if result.success and away > 2.5:
            break
    assert away > 2.5 and other.solve(pose, seed).success
    assert result.support < 0.05 and result.source == "nominal"
    assert reached(panda, result.configuration, pose)[0] < 1e-5
    near = estimator.solve(pose, panda.rest)
    assert near.source == "learned" and reached(biased_panda, near.configuration, pose)[0] < 2e-3


def test_a_warning_of_few_stops_is_kept_in_the_file(panda, tmp_path):
    _, samples = readings_of_stops(panda, 12, 4)
    estimator = CRiSP(panda).fit(samples)
    estimator.save(tmp_path / "m.npz")
    assert load_model(tmp_path / "m.npz").warnings_ == estimator.warnings_ != ()
    assert CRiSP(panda, kernel=KERNEL, penalty=1e-6).fit(sample_around(panda, panda, 60)).warnings_ == ()


def test_one_stop_cannot_choose_hyperparameters_and_says_so(panda):
    _, samples = readings_of_stops(panda, 1, 40)
    with pytest.raises(RegressionError, match="one group"):
        CRiSP(panda).fit(samples)
    assert CRiSP(panda, kernel=KERNEL, penalty=1e-6).fit(samples).validation_ == {}
