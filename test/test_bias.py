"""Biased robots against shifted configurations and edited URDFs."""

import numpy as np
import pytest
from oracles import GANTRY, TWO_LINK, shifted_urdf

from crisp_ik_ros import RobotModel
from crisp_ik_ros.errors import InvalidInputError, URDFError
from crisp_ik_ros.robots.bias import bias_urdf, random_bias
from crisp_ik_ros.robots.robot_model import panda_urdf_path


def test_joint_offsets_are_added_to_every_configuration(robot):
    rng = np.random.default_rng(0)
    offsets = rng.uniform(-0.1, 0.1, robot.dof)
    real = robot.with_bias(joint_offsets=offsets)
    q = robot.random_configurations(20, rng)
    np.testing.assert_allclose(real.forward_kinematics(q), robot.forward_kinematics(q + offsets), atol=1e-13)
    np.testing.assert_allclose(real.jacobian(q), robot.jacobian(q + offsets), atol=1e-13)


def test_link_offsets_are_added_to_the_urdfs_origins(gantry, panda, iiwa, iiwa_path, two_link):
    rng = np.random.default_rng(1)
    for robot, xml in (
        (gantry, GANTRY),
        (panda, panda_urdf_path().read_text()),
        (iiwa, iiwa_path.read_text()),
        (two_link, TWO_LINK),
    ):
        offsets = rng.uniform(-0.02, 0.02, (len(robot.joints), 3))
        names = [joint.name for joint in robot.joints]
        edited = RobotModel.from_urdf(shifted_urdf(xml, names, offsets), robot.base_link, robot.tip_link)
        q = robot.random_configurations(20, rng)
        expected = edited.forward_kinematics(q)
        np.testing.assert_allclose(robot.with_bias(link_offsets=offsets).forward_kinematics(q), expected, atol=1e-13)


def test_one_row_a_movable_joint_leaves_fixed_joints_alone(panda):
    rng = np.random.default_rng(2)
    offsets = rng.uniform(-0.02, 0.02, (7, 3))
    assert len(panda.joints) == 10
    full = np.vstack([offsets, np.zeros((3, 3))])
    q = panda.random_configurations(5, rng)
    np.testing.assert_array_equal(
        panda.with_bias(link_offsets=offsets).forward_kinematics(q),
        panda.with_bias(link_offsets=full).forward_kinematics(q),
    )


def test_rows_of_movable_joints_skip_a_fixed_joint_in_between(gantry):
    offsets = np.arange(12.0).reshape(4, 3) / 100.0
    full = np.insert(offsets, 3, 0.0, axis=0)
    q = gantry.random_configurations(5, np.random.default_rng(3))
    np.testing.assert_array_equal(
        gantry.with_bias(link_offsets=offsets).forward_kinematics(q),
        gantry.with_bias(link_offsets=full).forward_kinematics(q),
    )


def test_joint_and_link_offsets_together_are_one_after_the_other(gantry):
    rng = np.random.default_rng(4)
    turn, shift = rng.uniform(-0.1, 0.1, 4), rng.uniform(-0.02, 0.02, (5, 3))
    both = gantry.with_bias(turn, shift)
    in_turn = gantry.with_bias(link_offsets=shift)
    q = gantry.random_configurations(5, rng)
    np.testing.assert_allclose(both.forward_kinematics(q), in_turn.forward_kinematics(q + turn), atol=1e-14)


def test_bias_keeps_limits_names_rest_and_the_nominal_robot(robot):
    before = robot.forward_kinematics(robot.rest)
    real = robot.with_bias(np.full(robot.dof, 0.05))
    np.testing.assert_array_equal(real.lower, robot.lower)
    np.testing.assert_array_equal(real.upper, robot.upper)
    np.testing.assert_array_equal(real.rest, robot.rest)
    assert real.joint_names == robot.joint_names
    np.testing.assert_array_equal(robot.forward_kinematics(robot.rest), before)


def test_no_bias_is_the_same_robot(robot):
    assert robot.with_bias().fingerprint == robot.fingerprint


def test_biased_urdf_describes_the_biased_robot(gantry, panda, iiwa, iiwa_path, two_link):
    rng = np.random.default_rng(5)
    for robot, xml in (
        (gantry, GANTRY.encode()),
        (panda, panda_urdf_path().read_bytes()),
        (iiwa, iiwa_path.read_bytes()),
        (two_link, TWO_LINK.encode()),
    ):
        turn, shift = rng.uniform(-0.1, 0.1, robot.dof), rng.uniform(-0.02, 0.02, (len(robot.joints), 3))
        written = bias_urdf(xml, robot.joints, turn, shift).decode()
        read = RobotModel.from_urdf(written, robot.base_link, robot.tip_link)
        q = robot.random_configurations(10, rng)
        expected = robot.with_bias(turn, shift).forward_kinematics(q)
        np.testing.assert_allclose(read.forward_kinematics(q), expected, atol=1e-13)
        assert read.joint_names == robot.joint_names


def test_biased_urdf_is_exact_at_a_pitch_of_a_right_angle():
    text = TWO_LINK.replace('xyz="1 0 0"', 'xyz="1 0 0" rpy="0.3 1.5707963267948966 -0.2"')
    arm = RobotModel.from_urdf(text)
    for offsets in ([0.0, 0.0], [1e-9, 1e-9], [0.0, 0.5]):
        read = RobotModel.from_urdf(bias_urdf(text.encode(), arm.joints, offsets, None).decode())
        q = arm.random_configurations(5, np.random.default_rng(6))
        expected = arm.with_bias(offsets).forward_kinematics(q)
        np.testing.assert_allclose(read.forward_kinematics(q), expected, atol=1e-14)


def test_biased_urdf_leaves_everything_else_as_it_is(gantry):
    before, after = (
        RobotModel.from_urdf(GANTRY, "tool", "finger_left"),
        bias_urdf(GANTRY.encode(), gantry.joints, np.full(4, 0.1), None),
    )
    assert RobotModel.from_urdf(after.decode(), "tool", "finger_left").fingerprint == before.fingerprint
    assert b"mimic" in after


def test_biased_urdf_refuses_text_that_is_not_the_robots(gantry):
    with pytest.raises(URDFError):
        bias_urdf(b"<robot", gantry.joints, None, None)
    with pytest.raises(URDFError, match="turn"):
        bias_urdf(TWO_LINK.encode(), gantry.joints, None, None)
    with pytest.raises(InvalidInputError, match="joint_offsets"):
        bias_urdf(GANTRY.encode(), gantry.joints, np.zeros(9), None)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"joint_offsets": np.zeros(3)}, "joint_offsets"),
        ({"joint_offsets": 0.1}, "joint_offsets"),
        ({"joint_offsets": np.full(4, np.nan)}, "joint_offsets"),
        ({"link_offsets": np.zeros(3)}, "link_offsets"),
        ({"link_offsets": np.zeros((3, 3))}, "link_offsets"),
        ({"link_offsets": np.zeros((5, 2))}, "link_offsets"),
        ({"link_offsets": np.full((5, 3), np.inf)}, "link_offsets"),
    ],
)
def test_wrong_offsets_are_refused_by_name(gantry, parameters, name):
    with pytest.raises(InvalidInputError, match=name):
        gantry.with_bias(**parameters)


def test_random_bias_has_one_size_everywhere_and_random_signs(panda):
    turn, shift = random_bias(panda.joints, 0.02, 0.005, random_state=3)
    assert turn.shape == (7,)
    assert shift.shape == (10, 3)
    np.testing.assert_array_equal(np.abs(turn), 0.02)
    np.testing.assert_array_equal(np.abs(shift), 0.005)
    assert len({*np.sign(shift).ravel()}) == 2
    again = random_bias(panda.joints, 0.02, 0.005, random_state=3)
    np.testing.assert_array_equal(again[0], turn)
    np.testing.assert_array_equal(again[1], shift)


def test_random_bias_has_either_sign_about_as_often_everywhere(panda):
    drawn = [random_bias(panda.joints, 0.02, 0.005, random_state=seed) for seed in range(100)]
    for signs in (np.sign([turn for turn, _ in drawn]), np.sign([shift for _, shift in drawn])):
        assert set(np.unique(signs)) == {-1.0, 1.0}
        # Five standard deviations of a hundred throws of a coin.
        assert np.abs(signs.mean(axis=0)).max() <= 0.5
    zero = random_bias(panda.joints, 0.02, 0.005, random_state=0)
    assert (zero[0] < 0.0).any() and (zero[1] < 0.0).any()
    below = random_bias(panda.joints, 0.02, 0.005, random_state=-1)
    assert (below[0] == 0.02).all() and (below[1] == 0.005).all()


def test_random_bias_without_a_seed_is_positive(panda):
    turn, shift = random_bias(panda.joints, 0.02, 0.005)
    np.testing.assert_array_equal(turn, 0.02)
    np.testing.assert_array_equal(shift, 0.005)
    panda.with_bias(turn, shift)
