"""The systems that CRiSP is compared with: one contract for all, and what each is known for."""

import inspect

import numpy as np
import pytest
from oracles import ROOT, TWO_LINK, biased, numeric_gradient, sample_around

from crisp_ik_ros import Dataset, RobotModel, Status
from crisp_ik_ros.errors import CrispIKError, DatasetError, InvalidInputError, NotFittedError
from crisp_ik_ros.estimators.baselines.calibration import KinematicCalibration
from crisp_ik_ros.estimators.baselines.features import PoseFeatures
from crisp_ik_ros.estimators.baselines.neural_network import NeuralNetworkIK
from crisp_ik_ros.estimators.baselines.one_class_ssvm import OneClassStructuredSVM
from crisp_ik_ros.estimators.baselines.pybullet_ik import PyBulletIK
from crisp_ik_ros.estimators.baselines.sdls_ik import SDLSIK
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.robots.robot_model import panda_urdf_path
from crisp_ik_ros.trajectories import circle, spiral, tool_orientation
from crisp_ik_ros.transforms import make_pose, matrix_from_euler


@pytest.fixture(scope="module")
def arms():
    """Simulated arms by name, made when they are first asked for."""
    pytest.importorskip("pybullet")
    from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm

    made = {}

    def make(name):
        if name not in made:
            if name == "panda":
                made[name] = PyBulletArm(panda_urdf_path(), RobotModel.panda())
            elif name == "planar5":
                made[name] = PyBulletArm(ROOT / "models" / "planar5.urdf", RobotModel.planar5())
            else:
                made[name] = PyBulletArm(TWO_LINK, RobotModel.from_urdf(TWO_LINK))
        return made[name]

    yield make
    for arm in made.values():
        arm.close()


MAKERS = {
    "neural_network": lambda robot, arms, seed: NeuralNetworkIK(robot, layers=(16, 16), epochs=15, random_state=seed),
    "one_class_ssvm": lambda robot, arms, seed: OneClassStructuredSVM(robot, random_state=seed),
    "sdls": lambda robot, arms, seed: SDLSIK(robot, random_state=seed, timeout=60.0),
    "pybullet": lambda robot, arms, seed: PyBulletIK(arms(robot.name), iterations=200),
    "calibration": lambda robot, arms, seed: KinematicCalibration(robot, random_state=seed, timeout=60.0),
}
LEARNERS = ("neural_network", "one_class_ssvm", "calibration")


@pytest.fixture(params=MAKERS)
def system(request, arms):
    """Name of a system, and what makes a fresh one for a robot."""

    def make(robot, seed=0):
        return MAKERS[request.param](robot, arms, seed)

    return request.param, make


@pytest.fixture(scope="module")
def two_link_samples(two_link):
    """Elbow to one side only: then a pose has one configuration."""
    rng = np.random.default_rng(0)
    configurations = rng.uniform([-1.2, 0.3], [1.2, 2.2], (800, 2))
    return Dataset(configurations, two_link.forward_kinematics(configurations), two_link.joint_names)


@pytest.mark.parametrize("name", ["panda", "planar5"])
def test_answers_are_within_the_limits_and_as_many_as_the_poses(system, request, name):
    robot = request.getfixturevalue(name)
    samples = sample_around(robot, biased(robot), 60, spread=0.5)
    estimator = system[1](robot)
    if system[0] == "calibration":
        estimator.timeout = 0.02  # it would search for what is out of reach until then
    estimator.fit(samples)
    # Half of them nowhere near the samples, some out of reach.
    rng = np.random.default_rng(1)
    far = make_pose(
        rng.uniform(-1.3, 1.3, (6, 3)) * robot.reach * [1, 1, name == "panda"],
        matrix_from_euler(rng.uniform(-3, 3, (6, 3)) * [name == "panda", name == "panda", 1]),
    )
    poses = np.concatenate([samples.poses[:6], far])
    result = estimator.solve_path(poses, seed=robot.rest)
    assert result.configurations.shape == (12, robot.dof)
    assert robot.within_limits(result.configurations).all()
    for values in (result.success, result.position_errors, result.orientation_errors, result.supports):
        assert values.shape == (12,)
    assert len(result.status) == len(result.sources) == 12
    assert np.all((result.supports >= 0.0) & (result.supports <= 1.0))
    assert estimator.solve_path(np.empty((0, 4, 4))).configurations.shape == (0, robot.dof)
    single = estimator.solve(poses[0])
    assert single.configuration.shape == (robot.dof,)
    assert robot.within_limits(single.configuration)


def test_same_data_and_seed_give_the_same_answers(system, planar5):
    samples = sample_around(planar5, planar5, 80, spread=0.4)
    answers = [system[1](planar5, seed).fit(samples).solve_path(samples.poses[:8]).configurations for seed in (3, 3)]
    np.testing.assert_array_equal(*answers)


def test_refit_forgets_the_first_data(system, planar5):
    first = sample_around(planar5, biased(planar5, 3.0), 70, spread=0.4)
    second = sample_around(planar5, planar5, 80, spread=0.4, seed=1)
    twice = system[1](planar5).fit(first).fit(second)
    once = system[1](planar5).fit(second)
    np.testing.assert_array_equal(
        twice.solve_path(second.poses[:5]).configurations, once.solve_path(second.poses[:5]).configurations
    )


def test_hyperparameters_are_stored_untouched_and_fit_returns_self(system, two_link, two_link_samples):
    estimator = system[1](two_link)
    names = list(inspect.signature(type(estimator).__init__).parameters)[1:]
    before = {name: getattr(estimator, name) for name in names}
    assert estimator.fit(two_link_samples) is estimator
    for name in names:
        assert getattr(estimator, name) is before[name]


def test_joints_may_be_in_another_order(system, two_link, two_link_samples):
    turned = Dataset(
        two_link_samples.configurations[:, ::-1], two_link_samples.poses, two_link_samples.joint_names[::-1]
    )
    poses = two_link_samples.poses[:4]
    np.testing.assert_array_equal(
        system[1](two_link).fit(turned).solve_path(poses).configurations,
        system[1](two_link).fit(two_link_samples).solve_path(poses).configurations,
    )


def test_samples_of_another_robot_are_refused(system, two_link, planar5):
    with pytest.raises(DatasetError):
        system[1](two_link).fit(sample_around(planar5, planar5, 10))
    with pytest.raises(DatasetError, match="at least 2"):
        system[1](two_link).fit(sample_around(two_link, two_link, 1))
    outside = Dataset(np.full((3, 2), 2.9), np.broadcast_to(np.eye(4), (3, 4, 4)), two_link.joint_names)
    with pytest.raises(DatasetError, match="limits"):
        system[1](two_link).fit(outside)


def test_poses_and_seeds_that_cannot_be_used_are_refused(system, two_link, two_link_samples):
    estimator = system[1](two_link).fit(two_link_samples)
    pose = two_link_samples.poses[0]
    broken = pose.copy()
    broken[0, 3] = np.nan
    sheared = pose.copy()
    sheared[0, 1] += 0.5
    for bad in (pose[:3], broken, sheared, pose[None]):
        with pytest.raises(InvalidInputError):
            estimator.solve(bad)
    for bad in (pose, broken[None], sheared[None]):
        with pytest.raises(InvalidInputError):
            estimator.solve_path(bad)
    for bad in ([0.1], [0.1, np.nan], [0.0, 2.9]):
        with pytest.raises(InvalidInputError):
            estimator.solve(pose, seed=bad)
        with pytest.raises(InvalidInputError):
            estimator.solve_path(pose[None], seed=bad)
    with pytest.raises(InvalidInputError, match="timeout"):
        estimator.solve(pose, timeout=0.0)


def test_what_must_be_learned_is_not_known_before(system, two_link):
    name, make = system
    pose = two_link.forward_kinematics([0.3, 0.8])
    estimator = make(two_link)
    if name in LEARNERS:
        with pytest.raises(NotFittedError):
            estimator.solve(pose)
        with pytest.raises(NotFittedError):
            estimator.solve_path(pose[None])
    else:
        assert two_link.within_limits(estimator.solve(pose).configuration)


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (NeuralNetworkIK, {"layers": ()}),
        (NeuralNetworkIK, {"layers": (8, 0)}),
        (NeuralNetworkIK, {"orientation": "quaternion"}),
        (NeuralNetworkIK, {"learning_rate": 0.0}),
        (NeuralNetworkIK, {"weight_decay": -1.0}),
        (NeuralNetworkIK, {"batch_size": 1.5}),
        (NeuralNetworkIK, {"epochs": 0}),
        (NeuralNetworkIK, {"validation_fraction": 1.0}),
        (NeuralNetworkIK, {"random_state": -1}),
        (OneClassStructuredSVM, {"nu": 0.0}),
        (OneClassStructuredSVM, {"nu": 1.1}),
        (OneClassStructuredSVM, {"pose_width": np.nan}),
        (OneClassStructuredSVM, {"joint_width": "wide"}),
        (OneClassStructuredSVM, {"starts": 0}),
        (OneClassStructuredSVM, {"orientation": None}),
        (SDLSIK, {"length": -1.0}),
        (SDLSIK, {"largest_angle": 0.0}),
        (SDLSIK, {"starts": True}),
        (KinematicCalibration, {"ridge": 0.0}),
        (KinematicCalibration, {"limit": 0}),
    ],
)
def test_hyperparameters_out_of_range_are_named(cls, wrong, two_link, two_link_samples):
    with pytest.raises(InvalidInputError, match=next(iter(wrong))) as caught:
        cls(two_link, **wrong).fit(two_link_samples)
    assert isinstance(caught.value, CrispIKError)


def test_errors_are_those_of_the_model(planar5, arms):
    samples = sample_around(planar5, biased(planar5), 30)
    expected = tool_errors(samples.poses, planar5.forward_kinematics(samples.configurations))
    for make in ("neural_network", "one_class_ssvm", "sdls", "pybullet"):
        found = MAKERS[make](planar5, arms, 0).errors(samples.poses, samples.configurations)
        np.testing.assert_allclose(found, expected, atol=1e-12)


# Features


def test_features_of_a_planar_arm_are_x_y_and_yaw(planar5):
    poses = planar5.forward_kinematics(planar5.random_configurations(200, np.random.default_rng(0)))
    features = PoseFeatures.of(poses, "euler")
    np.testing.assert_array_equal(features.columns, [0, 1, 5])
    values = features(poses)
    np.testing.assert_allclose(values.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(values.std(axis=0), 1.0)
    # x, y and the four entries of a rotation in the plane
    np.testing.assert_array_equal(PoseFeatures.of(poses, "chordal").columns, [0, 1, 3, 4, 6, 7])


@pytest.mark.parametrize("orientation", ["euler", "chordal"])
def test_features_have_no_seam_where_the_tool_points_down(orientation):
    # A roll of 180 degrees, give or take a degree: as Euler angles these are at both ends of the range.
    rng = np.random.default_rng(0)
    tilt = matrix_from_euler(np.deg2rad(rng.uniform(-1, 1, (100, 3))))
    poses = make_pose(rng.uniform(-0.1, 0.1, (100, 3)), tilt @ tool_orientation(0.0))
    values = PoseFeatures.of(poses, orientation)(poses)
    assert np.abs(values).max() < 4.0


def test_features_of_a_single_place_are_finite(planar5):
    poses = np.repeat(planar5.forward_kinematics(planar5.rest)[None], 3, axis=0)
    assert np.isfinite(PoseFeatures.of(poses, "euler")(poses)).all()


# Neural network


def test_network_has_the_papers_layers(planar5):
    samples = sample_around(planar5, planar5, 60)
    estimator = NeuralNetworkIK(planar5, epochs=1).fit(samples)
    assert [len(offset) for offset in estimator.offsets_] == [64, 64, 128, 64, 64, 5]
    assert estimator.weights_[0].shape == (3, 64)


@pytest.mark.parametrize("orientation", ["euler", "chordal"])
def test_network_learns_a_two_link_arm(two_link, two_link_samples, orientation):
    estimator = NeuralNetworkIK(two_link, layers=(32, 32), orientation=orientation, learning_rate=5e-3, patience=20)
    estimator.fit(two_link_samples)
    rng = np.random.default_rng(5)
    wanted = rng.uniform([-1.1, 0.4], [1.1, 2.1], (100, 2))
    path = estimator.solve_path(two_link.forward_kinematics(wanted))
    assert np.sqrt(((path.configurations - wanted) ** 2).mean()) < 0.03
    assert path.success.all() and set(path.sources) == {"learned"}
    assert path.position_errors.mean() < 0.05


def test_network_predictions_are_clipped(two_link, two_link_samples):
    estimator = NeuralNetworkIK(two_link, layers=(8,), epochs=5).fit(two_link_samples)
    estimator.target_scale_ = np.array([100.0, 100.0])
    answers = estimator.solve_path(two_link_samples.poses[:50]).configurations
    at_limit = (answers == two_link.lower) | (answers == two_link.upper)
    assert at_limit.mean() > 0.5
    assert two_link.within_limits(answers).all()


# One-class structured SVM


@pytest.mark.parametrize("name", ["planar5", "gantry", "endless"])
def test_decision_gradient_is_that_of_the_decision_function(request, name):
    robot = request.getfixturevalue(name)
    samples = sample_around(robot, robot, 60, spread=0.4)
    estimator = OneClassStructuredSVM(robot, nu=0.5, pose_width=0.7).fit(samples)
    rng = np.random.default_rng(2)
    for pose in samples.poses[:4]:
        objective = estimator.objective(pose)
        for y in robot.random_configurations(3, rng):
            numeric = numeric_gradient(lambda q, f=objective: np.array([f(q)[0]]), y)[0]
            np.testing.assert_allclose(objective(y)[1], numeric, rtol=1e-5, atol=1e-6)


def test_decision_function_is_the_machines(planar5):
    # Term by term from the kernel's definition; on the border of the support it is 0, and nu counts the outliers.
    samples = sample_around(planar5, planar5, 150, spread=0.6)
    estimator = OneClassStructuredSVM(planar5, nu=0.2, pose_width=1.0, joint_width=0.8, tolerance=1e-8).fit(samples)

    def feature(pose, y):
        return np.concatenate([estimator.features_(pose[None])[0] / 1.0, np.cos(y) / 0.8, np.sin(y) / 0.8])

    features = np.array([feature(pose, y) for pose, y in zip(samples.poses, samples.configurations, strict=True)])
    gram = np.exp(-0.5 * ((features[:, None] - features[None]) ** 2).sum(axis=2))
    expected = gram[:, estimator.support_indices_] @ estimator.coefficients_ - estimator.offset_
    found = [estimator.decision(p, y[None])[0] for p, y in zip(samples.poses, samples.configurations, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert np.mean(expected < -1e-6) <= 0.2 <= len(estimator.coefficients_) / len(samples)
    border = estimator.coefficients_ < 1.0 - 1e-6
    np.testing.assert_allclose(expected[estimator.support_indices_[border]], 0.0, atol=1e-6)


def test_training_poses_decode_to_near_their_configurations(planar5):
    rng = np.random.default_rng(0)
    configurations = planar5.rest + rng.uniform(-0.4, 0.4, (600, 5))
    samples = Dataset(configurations, planar5.forward_kinematics(configurations), planar5.joint_names)
    estimator = OneClassStructuredSVM(planar5, nu=0.1, pose_width=0.1).fit(samples)
    found = np.array([estimator.solve(pose).configuration for pose in samples.poses[:40]])
    off = np.abs(found - samples.configurations[:40]).max(axis=1)
    assert np.median(off) < 0.15
    # ... and a seed keeps to its branch.
    seeded = [estimator.solve(p, seed=q) for p, q in zip(samples.poses[:40], samples.configurations[:40], strict=True)]
    assert max(np.abs(r.configuration - q).max() for r, q in zip(seeded, configurations[:40], strict=True)) < 0.45
    assert min(r.support for r in seeded) > 0.01


def test_answer_is_the_best_configuration_nearby(two_link, two_link_samples):
    estimator = OneClassStructuredSVM(two_link).fit(two_link_samples)
    pose = two_link.forward_kinematics([0.4, 1.1])
    result = estimator.solve(pose)
    grid = np.stack(np.meshgrid(np.linspace(-3, 3, 121), np.linspace(-2.5, 2.5, 101)), axis=-1).reshape(-1, 2)
    assert estimator.decision(pose, result.configuration[None])[0] >= estimator.decision(pose, grid).max() - 1e-12
    np.testing.assert_allclose(result.configuration, [0.4, 1.1], atol=0.1)
    assert result.support > 0.5
    far = two_link.forward_kinematics([3.0, -2.0])
    assert estimator.solve(far).support < 1e-3
    assert two_link.within_limits(estimator.solve(far).configuration)


# SDLS


def test_sdls_reaches_what_the_model_reaches(robot):
    estimator = SDLSIK(robot, timeout=60.0, starts=50)
    configurations = robot.random_configurations(25, np.random.default_rng(0))
    results = [estimator.solve(pose) for pose in robot.forward_kinematics(configurations)]
    assert np.mean([result.success for result in results]) >= 0.9
    for result, pose in zip(results, robot.forward_kinematics(configurations), strict=True):
        distance, angle = tool_errors(pose, robot.forward_kinematics(result.configuration))
        assert result.position_error == pytest.approx(distance, abs=1e-12)
        assert result.success == (distance <= 1e-6 and angle <= 1e-5)
        assert result.status is (Status.SUCCESS if result.success else Status.NO_SOLUTION)


@pytest.mark.parametrize("poses", [spiral(points=80), circle(yaw=np.pi / 4, points=40), circle(yaw=-np.pi / 4)])
def test_sdls_follows_the_papers_paths_without_jumps(panda, poses):
    result = SDLSIK(panda, timeout=60.0).solve_path(poses, seed=panda.rest)
    assert result.success.all()
    assert tool_errors(poses, panda.forward_kinematics(result.configurations))[0].max() < 1e-6
    assert np.abs(np.diff(result.configurations, axis=0)).max() < 0.2


def test_sdls_turns_continuous_joints_across_their_seam(endless):
    q = np.array([np.pi - 0.05, 0.4, 0.7, 0.3, 0.5, -np.pi + 0.05])
    turn = np.array([0.1, 0.0, 0.0, 0.0, 0.0, -0.1])
    target = endless.forward_kinematics(q + turn)
    result = SDLSIK(endless, starts=1).solve(target, seed=q)
    assert result.success
    assert endless.within_limits(result.configuration)
    np.testing.assert_allclose(result.configuration, q + turn - 2.0 * np.pi * np.sign(turn), atol=1e-4)


# PyBullet


def test_pybullet_comes_as_near_as_in_the_papers_table(panda, arms):
    # Its "SDLS" rows at no bias: S 1.33, C0 0.749 mm; 2000 iterations are a tenth of theirs.
    estimator = PyBulletIK(arms("panda"), iterations=2000)
    for poses in (spiral(points=4), circle(points=4)):
        result = estimator.solve_path(poses)
        assert result.success.all()
        reached = panda.forward_kinematics(result.configurations)
        distance, angle = tool_errors(poses, reached)
        np.testing.assert_allclose(result.position_errors, distance, atol=1e-12)
        assert 1e-4 < distance.mean() < 2e-3
        assert angle.max() < 5e-3


def test_pybullet_ends_in_the_same_place_from_anywhere(panda, arms):
    pose = spiral(points=3)[1]
    cold = PyBulletIK(arms("panda"), iterations=4000).solve(pose, seed=panda.rest + 0.1)
    warm = PyBulletIK(arms("panda"), iterations=4000, warm_start=True).solve(pose, seed=panda.rest + 0.1)
    np.testing.assert_allclose(cold.configuration, warm.configuration, atol=2e-3)


def test_pybullet_leaves_the_arm_as_it_was(panda, arms):
    arm = arms("panda")
    arm.reset(panda.rest)
    before = arm.joint_state()
    PyBulletIK(arm, iterations=10, rest=panda.rest + 0.05).solve(spiral(points=2)[0])
    np.testing.assert_array_equal(arm.joint_state()[0], before[0])


def test_arms_inverse_kinematics_aims_at_the_tool_in_the_base_frame(arms):
    # A base away from the world's origin, tool and base links with their centres of mass elsewhere.
    pytest.importorskip("pybullet")
    from test_pybullet_arm import SLIDER

    from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm

    robot = RobotModel.from_urdf(SLIDER, "base", "tool")
    with PyBulletArm(SLIDER, robot) as arm:
        wanted = np.array([0.3, 0.12, 0.4])
        pose = robot.forward_kinematics(wanted)
        found = arm.inverse_kinematics(pose, seed=[0.32, 0.13, 0.38], rest=wanted, iterations=3000)
        distance, angle = tool_errors(pose, robot.forward_kinematics(found))
        assert distance < 1e-3 and angle < 1e-2
        for bad in (pose[None], np.eye(3)):
            with pytest.raises(InvalidInputError):
                arm.inverse_kinematics(bad)
        with pytest.raises(InvalidInputError):
            arm.inverse_kinematics(pose, seed=[0.0])


def test_pybullet_hyperparameters_out_of_range_are_named(arms, panda, panda_samples):
    for wrong in ({"iterations": 0}, {"residual": 0.0}, {"position_tolerance": -1.0}):
        with pytest.raises(InvalidInputError, match=next(iter(wrong))):
            PyBulletIK(arms("panda"), **wrong).fit(panda_samples)
    with pytest.raises(InvalidInputError):
        PyBulletIK(arms("panda"), rest=[0.0]).solve(spiral(points=2)[0])
