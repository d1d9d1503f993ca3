"""Every loss against its formula written out, its derivative against finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import LOSSES, homogeneous, numeric_gradient, rodrigues
from oracles import forward_kinematics as plain_forward_kinematics

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.losses import evaluate as losses
from crisp_ik_ros.losses.evaluate import evaluate, fallback_target, make_loss
from crisp_ik_ros.losses.loss import make_workspace

NAMES = tuple(LOSSES)
WEIGHTS = [(1.0, 1.0), (2.0, 0.5), (0.0, 1.0), (3.0, 0.0)]
every_loss = pytest.mark.parametrize("name", NAMES)


def compiled(loss, robot, goal, q, target):
    """Residual and Jacobian that the solvers see."""
    work = make_workspace(robot.dof, loss.dimension(robot.dof))
    evaluate(loss.code, robot.chain, loss.weights, goal, np.array(q), target, work)
    return work.residual, work.jacobian


def test_the_suite_covers_every_loss():
    assert set(NAMES) == set(losses.LOSSES)


@every_loss
@pytest.mark.parametrize("weights", WEIGHTS)
def test_squared_distance_of_embeddings_is_the_loss(name, weights, robot):
    rng = np.random.default_rng(0)
    loss = make_loss(name, *weights)
    q = robot.random_configurations(12, rng)
    # Measured poses near the model's, so that no error has an angle close to pi.
    real = robot.with_bias(np.full(robot.dof, 0.05), np.full((len(robot.joints), 3), 0.01))
    poses = real.forward_kinematics(q)
    embedded = loss.embed(robot, q, poses)
    assert embedded.shape == (12, loss.dimension(robot.dof))
    for i in range(0, 12, 2):
        distance = np.sum((embedded[i] - embedded[i + 1]) ** 2)
        expected = LOSSES[name](robot.joints, weights, q[i], poses[i], q[i + 1], poses[i + 1])
        assert distance == pytest.approx(expected, rel=1e-9, abs=1e-13)


@every_loss
@pytest.mark.parametrize("weights", WEIGHTS)
def test_compiled_residual_is_the_embedding_minus_the_target(name, weights, robot):
    rng = np.random.default_rng(1)
    loss = make_loss(name, *weights)
    q = robot.random_configurations(10, rng)
    goals = robot.forward_kinematics(robot.random_configurations(10, rng))
    target = rng.normal(size=loss.dimension(robot.dof))
    expected = loss.embed(robot, q, goals) - target
    for i in range(10):
        np.testing.assert_allclose(compiled(loss, robot, goals[i], q[i], target)[0], expected[i], atol=1e-9)


@every_loss
@pytest.mark.parametrize("weights", WEIGHTS)
def test_compiled_jacobian_is_the_derivative_of_the_residual(name, weights, robot):
    rng = np.random.default_rng(2)
    loss = make_loss(name, *weights)
    target = rng.normal(size=loss.dimension(robot.dof))
    checked = 0
    for q in robot.random_configurations(12, rng):
        goal = robot.forward_kinematics(np.clip(q + rng.uniform(-0.4, 0.4, robot.dof), robot.lower, robot.upper))
        numeric = numeric_gradient(lambda y, goal=goal: compiled(loss, robot, goal, y, target)[0].copy(), q)
        np.testing.assert_allclose(compiled(loss, robot, goal, q, target)[1], numeric, atol=2e-7)
        checked += np.abs(numeric).max() > 0.1 * max(weights)
    assert checked > 6


@every_loss
@given(st.integers(0, 2**32 - 1))
def test_loss_is_zero_between_equals_symmetric_and_never_negative(name, gantry, seed):
    loss = make_loss(name)
    q = gantry.random_configurations(2, np.random.default_rng(seed))
    poses = gantry.with_bias(np.full(4, 0.02)).forward_kinematics(q)
    phi = loss.embed(gantry, q[[0, 1, 0]], poses[[0, 1, 0]])
    assert np.sum((phi[0] - phi[2]) ** 2) == 0.0
    assert np.sum((phi[0] - phi[1]) ** 2) == np.sum((phi[1] - phi[0]) ** 2) >= 0.0


@every_loss
def test_target_that_is_reached_leaves_no_residual(name, robot):
    loss = make_loss(name, 2.0, 3.0)
    q = robot.random_configurations(1, np.random.default_rng(3))
    pose = robot.forward_kinematics(q)
    residual, _ = compiled(loss, robot, pose[0], q[0], loss.embed(robot, q, pose)[0])
    np.testing.assert_allclose(residual, 0.0, atol=1e-14)


@pytest.mark.parametrize("name", ["forward_kinematics", "residual"])
def test_fallback_is_what_the_model_alone_would_aim_at(name, robot):
    loss = make_loss(name, 2.0, 3.0)
    q = robot.random_configurations(1, np.random.default_rng(4))[0]
    goal = robot.forward_kinematics(q)
    target = np.full(loss.dimension(robot.dof), np.nan)
    assert fallback_target(loss.code, loss.weights, goal, target)
    residual, _ = compiled(loss, robot, goal, q, target)
    np.testing.assert_allclose(residual, 0.0, atol=1e-14)


def test_radians_loss_has_no_fallback_and_does_not_look_at_poses(robot):
    loss = make_loss("radians")
    q = robot.random_configurations(2, np.random.default_rng(5))
    assert not fallback_target(loss.code, loss.weights, np.eye(4), np.zeros(loss.dimension(robot.dof)))
    nowhere = np.full((2, 4, 4), np.nan)
    np.testing.assert_array_equal(loss.embed(robot, q, nowhere), np.hstack([np.cos(q), np.sin(q)]))


def test_radians_loss_is_the_wrapped_square_for_small_differences(two_link):
    loss = make_loss("radians")
    phi = loss.embed(two_link, np.array([[3.0, 0.0], [3.0 + 2 * np.pi, 1e-3]]), np.zeros((2, 4, 4)))
    assert np.sum((phi[0] - phi[1]) ** 2) == pytest.approx(1e-6, rel=1e-6)


def test_orientation_part_of_the_forward_kinematics_loss_is_the_angle_for_small_ones(two_link):
    loss = make_loss("forward_kinematics", 0.0, 1.0)
    phi = loss.embed(two_link, np.array([[0.3, 0.0], [0.3 + 1e-3, 0.0]]), np.zeros((2, 4, 4)))
    assert np.linalg.norm(phi[0] - phi[1]) == pytest.approx(1e-3, rel=1e-6)


@pytest.mark.parametrize("below_pi", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("axis", [[1, 0, 0], [0, 1, 0], [0, 0, -1], [1, -2, 0.5]])
def test_residual_loss_holds_up_to_orientation_errors_near_pi(panda, axis, below_pi):
    loss = make_loss("residual")
    q = panda.rest
    turn = np.array(axis) / np.linalg.norm(axis) * (np.pi - below_pi)
    model = plain_forward_kinematics(panda.joints, q)
    goal = homogeneous(rodrigues(turn) @ model[:3, :3], model[:3, 3])
    residual, jacobian = compiled(loss, panda, goal, q, np.zeros(6))
    np.testing.assert_allclose(residual, [0, 0, 0, *turn], atol=1e-8)
    assert np.isfinite(jacobian).all()
    step = 1e-2 * below_pi
    numeric = numeric_gradient(lambda y: compiled(loss, panda, goal, y, np.zeros(6))[0].copy(), q, step)
    np.testing.assert_allclose(jacobian, numeric, atol=1e-6 + 1e-10 / step)


def test_residual_loss_is_finite_at_pi_itself(panda):
    model = panda.forward_kinematics(panda.rest)
    goal = homogeneous(np.diag([1.0, -1.0, -1.0]) @ model[:3, :3], model[:3, 3])
    residual, jacobian = compiled(make_loss("residual"), panda, goal, panda.rest, np.zeros(6))
    assert np.linalg.norm(residual[3:]) == pytest.approx(np.pi)
    assert np.isfinite(jacobian).all()


@every_loss
def test_parameters_make_the_same_loss_again(name):
    loss = make_loss(name, 2.0, 0.25)
    again = make_loss(**loss.parameters())
    assert type(again) is type(loss)
    np.testing.assert_array_equal(again.weights, [2.0, 0.25])
    assert type(loss).__name__ in repr(loss)


@every_loss
@pytest.mark.parametrize("weights", [(-1.0, 1.0), (1.0, np.nan), (np.inf, 1.0), (0.0, 0.0)])
def test_weights_that_are_none_are_refused(name, weights):
    with pytest.raises(InvalidInputError, match="weight"):
        make_loss(name, *weights)


def test_unknown_loss_is_refused():
    with pytest.raises(InvalidInputError, match="'radians' or 'forward_kinematics' or 'residual'"):
        make_loss("degrees")
