"""Joint velocities for a twist: against finite differences, closed forms, linear programs and optimality conditions."""

import numpy as np
import pytest
from scipy.optimize import linprog

from crisp_ik_ros import CRiSP, Dataset, LearnedKinematics, ModelBasedIK
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.regression.kernels import GaussianKernel
from crisp_ik_ros.solvers.velocities import damped_inverse, solve_velocities
from crisp_ik_ros.transforms import pose_error

THRESHOLD = 0.02


def moved(robot, q, velocities, step=1e-5):
    """Twist of the tool by central differences of the poses."""
    ahead, behind = (robot.forward_kinematics(q + sign * step * velocities) for sign in (1.0, -1.0))
    return pose_error(ahead, behind) / (2.0 * step)


def regular(robot, count, seed=0):
    """Configurations well within the limits and away from singularities."""
    rng = np.random.default_rng(seed)
    middle, width = 0.5 * (robot.lower + robot.upper), 0.5 * (robot.upper - robot.lower)
    q = middle + 0.9 * width * rng.uniform(-1.0, 1.0, (50 * count, robot.dof))
    values = np.linalg.svd(robot.jacobian(q), compute_uv=False)
    return q[values[:, robot.directions - 1] > 2.0 * THRESHOLD][:count]


@pytest.fixture(scope="module")
def pair(panda):
    return ModelBasedIK(panda)


def test_the_tool_gets_the_twist_by_finite_differences(robot):
    estimator, rng = ModelBasedIK(robot), np.random.default_rng(1)
    for q in regular(robot, 20):
        # A twist that the arm can give, from velocities within the limits.
        twist = robot.jacobian(q) @ (0.05 * rng.uniform(-1.0, 1.0, robot.dof))
        result = estimator.solve_velocity(q, twist)
        assert result.success and result.share == 1.0 and not result.damped and not result.limited.any()
        np.testing.assert_allclose(moved(robot, q, result.velocities), twist, atol=1e-7)
        np.testing.assert_allclose(result.twist, twist, atol=1e-9)
        assert max(result.linear_error, result.angular_error) < 1e-9
        # The shortest of all.
        np.testing.assert_allclose(result.velocities, np.linalg.pinv(robot.jacobian(q), 1e-9) @ twist, atol=1e-9)


def test_no_twist_is_no_motion(pair, panda):
    result = pair.solve_velocity(panda.rest, np.zeros(6))
    assert result.success and not result.velocities.any() and not result.limited.any()


@pytest.mark.parametrize("distance", [0.0, 1e-9, 1e-4, 1e-2])
def test_near_a_singularity_only_its_direction_is_damped(distance):
    jacobian = np.diag([1.0, 0.8, 0.5, 0.7, distance, 0.9])
    twist, bound = np.array([0.3, -0.2, 0.1, 0.4, 0.25, 0.1]), np.full(6, np.inf)
    velocities, _, share, damped, limited = solve_velocities(jacobian, twist, -bound, bound, 6, THRESHOLD, True)
    expected = twist / np.diag(jacobian + 1e-300 * np.eye(6))
    expected[4] = twist[4] * distance / THRESHOLD**2
    np.testing.assert_allclose(velocities, expected, atol=1e-12)
    assert damped and share == 1.0 and not limited.any()


def test_damping_is_continuous_and_bounds_the_velocities(panda, pair):
    values = np.linspace(0.0, 2.0 * THRESHOLD, 10001)
    inverse = damped_inverse(values, THRESHOLD)
    assert inverse.max() == pytest.approx(1.0 / THRESHOLD, rel=1e-4) and inverse[0] == 0.0
    assert np.abs(np.diff(inverse)).max() < 0.02
    np.testing.assert_allclose(inverse[values >= THRESHOLD], 1.0 / values[values >= THRESHOLD])
    # The stretched Panda cannot go farther up.
    stretched = np.array([0.0, 0.0, 0.0, -0.0698, 0.0, 0.0, 0.0])
    stretched = np.clip(stretched, panda.lower, panda.upper)
    for angle in np.linspace(0.0, 0.3, 31):
        q = stretched - angle * np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
        result = pair.solve_velocity(q, [0.0, 0.0, 0.1, 0.0, 0.0, 0.0], max_velocities=1e6)
        assert np.linalg.norm(result.velocities) <= 0.1 / THRESHOLD * (1.0 + 1e-9)


def test_where_a_joint_is_at_its_limit_the_others_take_over(panda, pair):
    tried = 0
    for inside in regular(panda, 30, seed=3):
        for joint in range(panda.dof):
            q = inside.copy()
            q[joint] = panda.upper[joint]
            jacobian = panda.jacobian(q)
            rest = np.delete(jacobian, joint, axis=1)
            if np.linalg.svd(rest, compute_uv=False)[5] < 2.0 * THRESHOLD:
                continue
            twist = 0.02 * np.random.default_rng(tried).normal(size=6)
            free = np.linalg.pinv(jacobian) @ twist
            result = pair.solve_velocity(q, twist)
            if free[joint] <= 0.0:
                np.testing.assert_allclose(result.velocities, free, atol=1e-9)
                continue
            tried += 1
            # The closed form without that joint, unless that wants to move it inwards.
            assert result.success and result.share == pytest.approx(1.0, abs=1e-6)
            assert result.velocities[joint] == 0.0
            np.testing.assert_array_equal(np.flatnonzero(result.limited), [joint])
            np.testing.assert_allclose(np.delete(result.velocities, joint), np.linalg.pinv(rest) @ twist, atol=1e-5)
    assert tried > 20


def largest_share(jacobian, twist, lower, upper):
    """Largest share of a twist within bounds, by a linear program."""
    joints = len(lower)
    bounds = [*zip(lower, upper, strict=True), (0.0, 1.0)]
    answer = linprog(
        np.append(np.zeros(joints), -1.0), A_eq=np.hstack([jacobian, -twist[:, None]]), b_eq=np.zeros(6), bounds=bounds
    )
    return -answer.fun


@pytest.mark.parametrize("name", ["panda", "planar5", "gantry"])
def test_the_largest_share_is_that_of_a_linear_program(name, request):
    robot = request.getfixturevalue(name)
    estimator, rng, slower = ModelBasedIK(robot), np.random.default_rng(2), 0
    for q in regular(robot, 40, seed=5):
        jacobian = robot.jacobian(q)
        twist = jacobian @ rng.uniform(-3.0, 3.0, robot.dof)
        dt = 0.05
        lower = np.maximum(-robot.velocity, (robot.lower - q) / dt)
        upper = np.minimum(robot.velocity, (robot.upper - q) / dt)
        result = estimator.solve_velocity(q, twist, dt=dt)
        assert result.share == pytest.approx(largest_share(jacobian, twist, lower, upper), abs=1e-5)
        np.testing.assert_allclose(result.twist, result.share * twist, atol=1e-5 * np.linalg.norm(twist))
        np.testing.assert_allclose(moved(robot, q, result.velocities, 1e-6), result.twist, atol=1e-5)
        assert (result.velocities >= lower - 1e-12).all() and (result.velocities <= upper + 1e-12).all()
        slower += result.share < 0.99
        if result.share < 0.99:
            assert result.limited.any() and not result.success
            missed = np.abs(result.twist - twist)
            assert result.linear_error == pytest.approx(np.linalg.norm(missed[:3]), abs=1e-12)
            assert result.angular_error == pytest.approx(np.linalg.norm(missed[3:]), abs=1e-12)
    assert slower > 5


def test_without_the_direction_the_answer_is_optimal(panda, pair):
    rng, bounded = np.random.default_rng(4), 0
    for q in regular(panda, 40, seed=6):
        jacobian, twist = panda.jacobian(q), rng.normal(size=6)
        result = pair.solve_velocity(q, twist, keep_direction=False, max_velocities=0.5)
        v = result.velocities
        # Karush-Kuhn-Tucker: no joint that is free to move can bring the twist nearer.
        gradient = jacobian.T @ (jacobian @ v - twist) / np.linalg.norm(twist)
        assert (gradient[v > -0.5 + 1e-9] < 1e-6).all() and (gradient[v < 0.5 - 1e-9] > -1e-6).all()
        assert result.share == 1.0
        bounded += (np.abs(v) == 0.5).any()
    assert bounded > 20


def test_held_for_dt_no_joint_passes_its_limit(panda, pair):
    rng, dt = np.random.default_rng(7), 0.1
    for q in regular(panda, 10, seed=8):
        twist = rng.normal(size=6)
        for _ in range(50):
            result = pair.solve_velocity(q, twist, dt=dt)
            q = q + dt * result.velocities
            assert panda.within_limits(q, 1e-9)
            q = np.clip(q, panda.lower, panda.upper)


def test_an_arm_at_a_limit_without_redundancy_halts_and_comes_back(planar5):
    robot = planar5.with_limits(planar5.lower, np.append(planar5.upper[:-1], -0.3))
    estimator = ModelBasedIK(robot)
    q = np.array([0.2, -0.4, -0.3, -0.5, -0.3])
    free = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
    twist = robot.jacobian(q) @ free
    halted = estimator.solve_velocity(q, twist, max_velocities=[1e-9, 1e-9, 1e-9, 1e-9, 1.0])
    assert halted.share == 0.0 and not halted.velocities.any() and halted.limited[-1]
    inward = estimator.solve_velocity(q, -twist, max_velocities=[1e-9, 1e-9, 1e-9, 1e-9, 2.0])
    assert inward.share == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(inward.velocities, -free, atol=1e-5)


def test_an_endless_joint_has_no_limit_to_stop_at(endless):
    q = np.array([np.pi, 0.3, 0.6, 0.2, 0.8, 0.1])
    twist = endless.jacobian(q)[:, 0]
    result = ModelBasedIK(endless).solve_velocity(q, twist, dt=1.0, max_velocities=2.0)
    assert result.success
    np.testing.assert_allclose(result.velocities, np.eye(6)[0], atol=1e-9)


def test_a_planar_arm_says_what_it_cannot_do(planar5):
    q = np.array([0.2, -0.4, -0.3, -0.5, -0.3])
    result = ModelBasedIK(planar5).solve_velocity(q, [0.1, 0.0, 0.3, 0.0, 0.4, 0.0])
    assert not result.success and result.share == 1.0
    np.testing.assert_allclose(result.twist, [0.1, 0.0, 0.0, 0.0, 0.0, 0.0], atol=1e-9)
    assert result.linear_error == pytest.approx(0.3) and result.angular_error == pytest.approx(0.4)


def test_velocities_go_through_the_learned_kinematics(panda, biased_panda):
    q = regular(panda, 60, seed=9)
    arm = LearnedKinematics(panda, harmonics=2, kernel="none")
    rng = np.random.default_rng(0)
    before = arm.solve_velocity(q[0], [0.1, 0.0, 0.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(moved(panda, q[0], before.velocities)[:3], [0.1, 0.0, 0.0], atol=1e-7)
    arm.fit(Dataset(q, biased_panda.forward_kinematics(q), panda.joint_names))
    assert arm.directions == 6
    for row in q[:10]:
        twist = 0.05 * rng.normal(size=6)
        result = arm.solve_velocity(row, twist)
        np.testing.assert_allclose(moved(arm, row, result.velocities), result.share * twist, atol=1e-7)
        # The real arm moves so too.
        np.testing.assert_allclose(moved(biased_panda, row, result.velocities), result.share * twist, atol=1e-4)
        values = np.linalg.svd(arm.jacobian(row), compute_uv=False)
        assert result.manipulability == pytest.approx(values.prod())
        assert arm.manipulability(row) == pytest.approx(values.prod())
        assert result.condition_number == pytest.approx(arm.condition_number(row))


def test_tilts_that_were_learned_give_a_planar_arm_no_new_directions(planar5):
    arm = LearnedKinematics(planar5)
    arm.robot_ = arm.robot
    assert arm.directions == planar5.directions == 3


def test_crisp_moves_the_real_tool_better_than_its_model(panda, biased_panda, spiral_samples, spiral_estimator):
    nominal, rng = ModelBasedIK(panda), np.random.default_rng(1)
    missed = {"model": [], "learned": []}
    for q in spiral_samples.configurations[::10]:
        twist = np.append(rng.normal(size=3), np.zeros(3))
        for name, estimator in (("model", nominal), ("learned", spiral_estimator)):
            velocities = estimator.solve_velocity(q, twist, max_velocities=1e3).velocities
            error = moved(biased_panda, q, velocities) - twist
            missed[name].append(np.linalg.norm(error[:3]) / np.linalg.norm(twist))
    assert np.median(missed["learned"]) < 0.5 * np.median(missed["model"])


def test_where_crisp_knows_nothing_its_model_moves(panda, panda_samples):
    estimator = CRiSP(panda, kernel=GaussianKernel(0.3, 1.0), penalty=1e-7).fit(panda_samples)
    far = np.array([-2.0, 1.2, 1.5, -1.0, 1.0, 1.5, -2.0])
    np.testing.assert_array_equal(estimator._tool_jacobian(far), panda.jacobian(far))
    near = panda_samples.configurations[0]
    assert np.abs(estimator._tool_jacobian(near) - panda.jacobian(near)).max() > 1e-4
    for loss in ("radians", "forward_kinematics"):
        other = CRiSP(panda, loss, GaussianKernel(0.3, 1.0), 1e-7).fit(panda_samples)
        np.testing.assert_array_equal(other._tool_jacobian(near), panda.jacobian(near))


def test_manipulability_and_condition_number(robot):
    q = regular(robot, 20, seed=2)
    jacobians = robot.jacobian(q)
    if robot.directions == 6:
        expected = np.sqrt(np.linalg.det(jacobians @ jacobians.transpose(0, 2, 1)))
    elif robot.dof == robot.directions:
        expected = np.sqrt(np.linalg.det(jacobians.transpose(0, 2, 1) @ jacobians))
    else:
        plane = jacobians[:, [0, 1, 5]]
        expected = np.sqrt(np.linalg.det(plane @ plane.transpose(0, 2, 1)))
    np.testing.assert_allclose(robot.manipulability(q), expected, rtol=1e-9)
    assert robot.manipulability(q[0]).shape == () and robot.manipulability(q[None]).shape == (1, 20)
    values = np.linalg.svd(jacobians, compute_uv=False)
    np.testing.assert_allclose(robot.condition_number(q), values[:, 0] / values[:, robot.directions - 1])
    with pytest.raises(InvalidInputError):
        robot.manipulability(np.zeros(robot.dof + 1))


def test_manipulability_of_two_links_in_closed_form(two_link):
    # By Cauchy and Binet the sum of the squared minors: x with y, and the turn with each of them.
    for q in ([0.3, 0.7], [-1.0, -2.0], [2.0, 0.0]):
        along, x, y = 0.5 * np.sin(q[1]), np.cos(q[0]), np.sin(q[0])
        expected = np.sqrt(along**2 + x**2 + y**2)
        assert two_link.manipulability(q) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"q": np.zeros(6)}, "seed"),
        ({"q": np.full(7, 9.0)}, "seed"),
        ({"twist": np.zeros(5)}, "twist"),
        ({"twist": [np.nan] * 6}, "twist"),
        ({"dt": 0.0}, "dt"),
        ({"dt": np.inf}, "dt"),
        ({"max_velocities": 0.0}, "max_velocities"),
        ({"max_velocities": np.ones(3)}, "max_velocities"),
        ({"max_velocities": np.nan}, "max_velocities"),
        ({"singularity_threshold": 0.0}, "singularity_threshold"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(pair, panda, wrong, name):
    request = {"q": panda.rest, "twist": np.zeros(6), **wrong}
    with pytest.raises(InvalidInputError, match=name):
        pair.solve_velocity(**request)
