"""The paper's estimator as printed, held to its formulas."""

import numpy as np
import pytest
from oracles import sample_around

from crisp_ik_ros import CRiSP, RobotModel
from crisp_ik_ros.errors import DatasetError, InvalidInputError, NotFittedError
from crisp_ik_ros.estimators.baselines.paper_crisp import PaperCRiSP, euler_rates
from crisp_ik_ros.losses.forward_kinematics import ForwardKinematicsLoss
from crisp_ik_ros.regression.kernels import GaussianKernel
from crisp_ik_ros.transforms import euler_from_matrix, make_pose, matrix_from_euler, rotation_exponential

# The authors' frame, in which the tool's Euler angles are far from their wrap.
STANDING = make_pose(np.zeros(3), matrix_from_euler([-np.pi / 2.0, 0.0, 0.0]))
KERNEL = GaussianKernel(0.3, 1.0, "euler")


@pytest.fixture(scope="module")
def standing(panda):
    return panda.with_base(STANDING)


@pytest.fixture(scope="module")
def samples(standing):
    return sample_around(standing, standing, 150)


@pytest.fixture(scope="module", params=["forward_kinematics", "radians"])
def fitted(request, standing, samples):
    return PaperCRiSP(standing, request.param, KERNEL, 1e-7).fit(samples)


def wrapped(angles):
    """The paper's equation (5), written as it stands there."""
    angles = np.abs(angles) % (2.0 * np.pi)
    return np.minimum(angles, 2.0 * np.pi - angles) ** 2


def brute_force(estimator, samples, scores, y):
    total = 0.0
    for score, q in zip(scores, samples.configurations, strict=True):
        if estimator.loss == "radians":
            total += score * wrapped(y - q).sum()
            continue
        ours, theirs = (estimator.robot.forward_kinematics(c) for c in (y, q))
        angles = euler_from_matrix(ours[:3, :3]) - euler_from_matrix(theirs[:3, :3])
        total += score * (((ours[:3, 3] - theirs[:3, 3]) ** 2).sum() + wrapped(angles).sum())
    return total


def test_a_robot_on_another_base_has_its_poses_in_the_other_frame(panda, standing):
    np.testing.assert_allclose(
        standing.forward_kinematics(panda.rest), STANDING @ panda.forward_kinematics(panda.rest), atol=1e-14
    )
    assert standing.fingerprint != panda.fingerprint


def test_objective_is_equation_3(fitted, samples):
    rng = np.random.default_rng(0)
    scores = fitted.scores(samples.poses[:3])
    for weights in scores:
        objective = fitted.objective(weights)
        y = fitted.robot.random_configurations(1, rng)[0]
        scale = np.abs(weights).sum()
        assert objective(y)[0] == pytest.approx(brute_force(fitted, samples, weights, y), abs=1e-9 * scale)


def test_gradient_is_the_objectives(fitted, samples):
    objective = fitted.objective(fitted.scores(samples.poses[:1])[0])
    y = samples.configurations[7] + 0.05
    step = 1e-6
    numeric = [(objective(y + step * row)[0] - objective(y - step * row)[0]) / (2.0 * step) for row in np.eye(len(y))]
    np.testing.assert_allclose(objective(y)[1], numeric, rtol=1e-4, atol=1e-5)


def test_scores_are_those_of_a_direct_solve(fitted, samples):
    matrix = KERNEL(samples.poses, samples.poses) + len(samples) * 1e-7 * np.eye(len(samples))
    row = KERNEL(samples.poses, samples.poses[:4])
    np.testing.assert_allclose(fitted.scores(samples.poses[:4]).T, np.linalg.solve(matrix, row), rtol=1e-5, atol=1e-7)


def test_euler_rates_match_finite_differences():
    euler, step = np.array([0.3, -0.7, 1.9]), 1e-6
    for axis in np.eye(3):
        turned = euler_from_matrix(rotation_exponential(step * axis) @ matrix_from_euler(euler))
        np.testing.assert_allclose((turned - euler) / step, euler_rates(euler) @ axis, atol=1e-5)


def test_true_model_tracks_a_path_between_the_samples_and_stays_within_the_limits(standing, samples):
    estimator = PaperCRiSP(standing, "forward_kinematics", KERNEL, 1e-9).fit(samples)
    middle = 0.5 * (samples.configurations[3] + samples.configurations[4])
    path = standing.forward_kinematics(np.linspace(samples.configurations[3], middle, 5))
    result = estimator.solve_path(path, seed=samples.configurations[3])
    reached = standing.forward_kinematics(result.configurations)
    assert np.linalg.norm(reached[:, :3, 3] - path[:, :3, 3], axis=1).max() < 0.02
    assert standing.within_limits(result.configurations).all()


def test_another_model_shares_the_factorisation_and_answers_as_a_fresh_fit(standing, samples):
    biased = standing.with_bias(np.full(7, 0.01))
    shared = PaperCRiSP(standing, "forward_kinematics", KERNEL, 1e-7).fit(samples).with_model(biased)
    fresh = PaperCRiSP(biased, "forward_kinematics", KERNEL, 1e-7).fit(samples)
    poses = samples.poses[:3]
    np.testing.assert_array_equal(shared.solve_path(poses).configurations, fresh.solve_path(poses).configurations)


def test_it_agrees_with_the_collapsed_estimator_where_orientation_differences_are_small(standing, samples):
    """Chordal and Euler losses differ only to third order, so their answers to a training pose are the same."""
    paper = PaperCRiSP(standing, "forward_kinematics", KERNEL, 1e-9).fit(samples)
    ours = CRiSP(standing, ForwardKinematicsLoss(), KERNEL, 1e-9, centers=None, null_space_weight=0.0).fit(samples)
    seed = samples.configurations[11]
    reached = [
        standing.forward_kinematics(estimator.solve_path(samples.poses[11:12], seed=seed).configurations[0])
        for estimator in (paper, ours)
    ]
    np.testing.assert_allclose(reached[0], reached[1], atol=2e-3)


def test_bad_input_is_refused(standing, samples):
    with pytest.raises(NotFittedError):
        PaperCRiSP(standing).solve_path(samples.poses)
    with pytest.raises(InvalidInputError, match="loss"):
        PaperCRiSP(standing, "residual").fit(samples)
    with pytest.raises(InvalidInputError, match="penalty"):
        PaperCRiSP(standing, penalty=-1.0).fit(samples)
    with pytest.raises(DatasetError):
        PaperCRiSP(RobotModel.planar5()).fit(samples)
