"""Forward kinematics and Jacobian against closed forms, plain products of matrices and finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import (
    GANTRY,
    ROOT,
    TWO_LINK,
    forward_kinematics,
    numeric_jacobian,
    rodrigues,
    urdf_forward_kinematics,
)

from crisp_ik_ros import RobotModel
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.resources import model_path
from crisp_ik_ros.robots.catalog import find_robot, find_urdf
from crisp_ik_ros.robots.robot_model import rotation_z_to

angles = st.floats(-3.0, 3.0)


@given(angles, angles)
def test_two_link_arm_has_its_closed_form(two_link, a, b):
    pose = two_link.forward_kinematics([a, b])
    expected = [np.cos(a) + 0.5 * np.cos(a + b), np.sin(a) + 0.5 * np.sin(a + b), 0.0]
    np.testing.assert_allclose(pose[:3, 3], expected, atol=1e-14)
    np.testing.assert_allclose(pose[:3, :3], rodrigues([0.0, 0.0, a + b]), atol=1e-14)
    np.testing.assert_array_equal(pose[3], [0.0, 0.0, 0.0, 1.0])
    jacobian = two_link.jacobian([a, b])
    far_x, far_y = 0.5 * np.cos(a + b), 0.5 * np.sin(a + b)
    expected = [
        [-np.sin(a) - far_y, -far_y], [np.cos(a) + far_x, far_x], [0, 0], [0, 0], [0, 0], [1, 1],
    ]  # fmt: skip
    np.testing.assert_allclose(jacobian, expected, atol=1e-14)


def test_compiled_kinematics_are_the_product_of_the_joints_transforms(robot):
    configurations = robot.random_configurations(50, np.random.default_rng(0))
    for q, pose in zip(configurations, robot.forward_kinematics(configurations), strict=True):
        np.testing.assert_allclose(pose, forward_kinematics(robot.joints, q), atol=2e-14)


def test_kinematics_are_those_of_the_urdf_read_independently(panda, planar5, iiwa, iiwa_path, gantry, two_link):
    from crisp_ik_ros.robots.robot_model import panda_urdf_path

    rng = np.random.default_rng(1)
    for robot, xml in (
        (panda, panda_urdf_path().read_text()),
        (planar5, (ROOT / "models" / "planar5.urdf").read_text()),
        (iiwa, iiwa_path.read_text()),
        (gantry, GANTRY),
        (two_link, TWO_LINK),
    ):
        for q in robot.random_configurations(10, rng):
            expected = urdf_forward_kinematics(xml, robot.base_link, robot.tip_link, q)
            np.testing.assert_allclose(robot.forward_kinematics(q), expected, atol=1e-13)


def test_jacobian_is_the_derivative_of_the_kinematics(robot):
    for q in robot.random_configurations(20, np.random.default_rng(2)):
        np.testing.assert_allclose(robot.jacobian(q), numeric_jacobian(robot, q), atol=2e-8)


def test_jacobian_agrees_with_pybullet(panda, iiwa, iiwa_path, gantry, tmp_path):
    pybullet = pytest.importorskip("pybullet")
    from crisp_ik_ros.robots.robot_model import panda_urdf_path

    gantry_path = tmp_path / "gantry.urdf"
    gantry_path.write_text(GANTRY.replace('type="floating"', 'type="fixed"'))
    client = pybullet.connect(pybullet.DIRECT)
    try:
        for robot, path in ((panda, panda_urdf_path()), (iiwa, iiwa_path), (gantry, gantry_path)):
            flags = pybullet.URDF_USE_INERTIA_FROM_FILE
            body = pybullet.loadURDF(str(path), useFixedBase=True, flags=flags, physicsClientId=client)
            infos = [
                pybullet.getJointInfo(body, i, physicsClientId=client)
                for i in range(pybullet.getNumJoints(body, physicsClientId=client))
            ]
            movable = [info[1].decode() for info in infos if info[2] != pybullet.JOINT_FIXED]
            tip = next(info[0] for info in infos if info[12].decode() == robot.tip_link)
            columns = [movable.index(name) for name in robot.joint_names]
            for q in robot.random_configurations(5, np.random.default_rng(3)):
                full = np.zeros(len(movable))
                full[columns] = q
                for info, value in zip([i for i in infos if i[2] != pybullet.JOINT_FIXED], full, strict=True):
                    pybullet.resetJointState(body, info[0], value, physicsClientId=client)
                zeros = [0.0] * len(movable)
                linear, angular = pybullet.calculateJacobian(
                    body, tip, [0.0, 0.0, 0.0], full.tolist(), zeros, zeros, physicsClientId=client
                )
                expected = np.vstack([linear, angular])[:, columns]
                np.testing.assert_allclose(robot.jacobian(q), expected, atol=1e-6)
    finally:
        pybullet.disconnect(client)


@pytest.mark.parametrize("shape", [(), (1,), (6,), (2, 3), (0,)])
def test_batches_keep_their_shape_and_equal_single_calls(robot, shape):
    count = int(np.prod(shape))
    flat = robot.random_configurations(count, np.random.default_rng(4))
    q = flat.reshape(*shape, robot.dof)
    poses, jacobians = robot.forward_kinematics(q), robot.jacobian(q)
    assert poses.shape == (*shape, 4, 4)
    assert jacobians.shape == (*shape, 6, robot.dof)
    for i in range(count):
        np.testing.assert_array_equal(poses.reshape(-1, 4, 4)[i], robot.forward_kinematics(flat[i]))
        np.testing.assert_array_equal(jacobians.reshape(-1, 6, robot.dof)[i], robot.jacobian(flat[i]))


def test_configurations_may_be_lists_integers_or_not_contiguous(two_link):
    expected = two_link.forward_kinematics(np.array([1.0, 0.0]))
    np.testing.assert_array_equal(two_link.forward_kinematics([1, 0]), expected)
    strided = np.zeros((3, 4))
    strided[:, 0] = 1.0
    np.testing.assert_array_equal(two_link.forward_kinematics(strided[:, ::2])[1], expected)


@pytest.mark.parametrize("method", ["forward_kinematics", "jacobian"])
@pytest.mark.parametrize("q", [1.0, [], [1.0], [1.0, 2.0, 3.0], [[1.0], [2.0]], [np.nan, 0.0], [0.0, np.inf]])
def test_wrong_configurations_are_refused_by_name(two_link, method, q):
    with pytest.raises(InvalidInputError, match="configuration"):
        getattr(two_link, method)(q)


def test_error_of_a_wrong_shape_names_the_joints(two_link):
    with pytest.raises(InvalidInputError, match="shoulder, elbow"):
        two_link.forward_kinematics([1.0])


def test_limits_are_the_urdfs_or_the_published_ones(panda, iiwa, gantry, planar5):
    assert gantry.joint_names == ("turn", "slide", "swing", "nod")
    np.testing.assert_allclose(gantry.lower, [-2.0, -0.3, -1.7, -2.2])
    np.testing.assert_allclose(gantry.upper, [2.5, 0.5, 1.7, 2.2])
    np.testing.assert_allclose(gantry.velocity, [1.5, 0.4, 2.0, 2.0])
    np.testing.assert_allclose(panda.lower, [-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])
    np.testing.assert_allclose(panda.upper, [2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])
    assert panda.joint_names == tuple(f"panda_joint{i}" for i in range(1, 8))
    assert (panda.base_link, panda.tip_link) == ("panda_link0", "panda_grasptarget")
    assert iiwa.dof == 7
    assert planar5.dof == 5
    np.testing.assert_allclose(planar5.forward_kinematics(np.zeros(5))[:3, 3], [10.0, 0.0, 0.0])


def test_planar5_is_built_in(planar5):
    assert RobotModel.planar5().fingerprint == planar5.fingerprint


def test_rest_pose_is_inside_the_limits(robot, endless):
    assert robot.within_limits(robot.rest)
    assert endless.within_limits(endless.rest)
    clipped = RobotModel.from_urdf(TWO_LINK, rest=[9.0, -9.0])
    np.testing.assert_allclose(clipped.rest, [3.0, -2.5])


def test_panda_rests_where_the_authors_drew_their_samples(panda):
    np.testing.assert_array_equal(panda.rest, [0.98, 0.458, 0.31, -2.24, -0.30, 2.66, 2.32])


def test_continuous_joints_are_wrapped_and_all_others_only_clipped(endless):
    q = np.array([4.0, 5.0, -5.0, -4.0, 0.1, 7.0])
    turn = 2.0 * np.pi
    expected = np.array([4.0 - turn, 5.0, -5.0, turn - 4.0, 0.1, 7.0 - turn])
    for shape in ((6,), (1, 6), (2, 3, 6)):
        given_configurations = np.broadcast_to(q, shape)
        np.testing.assert_allclose(endless.wrapped(given_configurations), np.broadcast_to(expected, shape), atol=1e-14)
        confined = endless.confined(given_configurations)
        np.testing.assert_allclose(confined, np.broadcast_to(np.clip(expected, endless.lower, endless.upper), shape))
    np.testing.assert_array_equal(q, [4.0, 5.0, -5.0, -4.0, 0.1, 7.0])


def test_random_configurations_are_inside_the_limits_and_fill_them(robot):
    q = robot.random_configurations(2000, np.random.default_rng(5))
    assert q.shape == (2000, robot.dof)
    assert robot.within_limits(q).all()
    np.testing.assert_allclose(q.min(axis=0), robot.lower, atol=0.02 * (robot.upper - robot.lower).max())
    np.testing.assert_allclose(q.max(axis=0), robot.upper, atol=0.02 * (robot.upper - robot.lower).max())


def test_within_limits_has_a_tolerance_and_no_nan_is_within(two_link):
    assert not two_link.within_limits([3.05, 0.0])
    assert two_link.within_limits([3.05, 0.0], tolerance=0.1)
    assert not two_link.within_limits([np.nan, 0.0])
    np.testing.assert_array_equal(two_link.within_limits([[0, 0], [0, 2.6]]), [True, False])


def test_no_tip_is_farther_from_the_anchor_than_the_reach(robot, endless):
    for model in (robot, endless):
        q = model.random_configurations(500, np.random.default_rng(6))
        corners = np.where(np.random.default_rng(7).random((500, model.dof)) < 0.5, model.lower, model.upper)
        for tips in (model.forward_kinematics(q), model.forward_kinematics(corners)):
            assert np.linalg.norm(tips[:, :3, 3] - model.anchor, axis=1).max() <= model.reach + 1e-12


def test_reach_of_a_straight_arm_is_attained(two_link, planar5):
    assert two_link.reach == pytest.approx(1.5)
    assert planar5.reach == pytest.approx(10.0)


@pytest.mark.parametrize(("lower", "upper"), [(-0.3, 0.5), (-0.5, 0.3), (0.1, 0.5)])
def test_reach_of_a_slide_counts_its_longer_side(lower, upper):
    xml = f"""<robot name="slide"><link name="a"/><link name="b"/><link name="c"/>
      <joint name="s" type="prismatic"><origin xyz="0 0 7"/><parent link="a"/><child link="b"/><axis xyz="1 0 0"/>
        <limit lower="{lower}" upper="{upper}" effort="1" velocity="1"/></joint>
      <joint name="e" type="fixed"><origin xyz="0.2 0 0"/><parent link="b"/><child link="c"/></joint></robot>"""
    robot = RobotModel.from_urdf(xml)
    np.testing.assert_array_equal(robot.anchor, [0.0, 0.0, 7.0])
    assert robot.reach == pytest.approx(0.2 + max(abs(lower), abs(upper)))


def test_robots_are_found_by_name_path_or_text_and_between_other_links(panda, planar5, gantry, tmp_path):
    assert find_robot("panda").fingerprint == panda.fingerprint
    assert find_robot("planar5").fingerprint == planar5.fingerprint
    hand = find_robot("panda", tip_link="panda_hand")
    assert (hand.base_link, hand.tip_link) == ("panda_link0", "panda_hand")
    upper = find_robot("panda", base_link="panda_link1", tip_link="panda_hand")
    assert (upper.base_link, upper.dof) == ("panda_link1", 6)
    shorter = find_robot("planar5", base_link=planar5.joints[0].child_link)
    assert shorter.dof == 4 and shorter.tip_link == planar5.tip_link
    path = tmp_path / "gantry.urdf"
    path.write_text(GANTRY)
    for source in (GANTRY, str(path), path):
        assert find_robot(source, "floor", "tool").fingerprint == gantry.fingerprint
        assert find_urdf(source) == source
    assert find_robot(TWO_LINK, "", "").tip_link == "tip"
    assert find_urdf("planar5") == model_path("planar5.urdf")


def test_frames_of_joints_lie_where_stored_models_count_their_tilts():
    # About which axes a joint's frame tilts is part of every stored model: x is the base's x, or y where that is near.
    axes = [[0, 0, 1], [0, -1, 0], [0.6, 0, 0.8], [0.8, 0.6, 0], [1, 0, 0], [-0.96, 0, 0.28]]
    for axis in np.array(axes, dtype=float):
        frame = rotation_z_to(axis)
        helper = np.array([1.0, 0.0, 0.0] if abs(axis[0]) < 0.9 else [0.0, 1.0, 0.0])
        np.testing.assert_allclose(frame.T @ frame, np.eye(3), atol=1e-15)
        np.testing.assert_array_equal(frame[:, 2], axis)
        assert np.linalg.det(frame) == pytest.approx(1.0)
        # The helper lies in the plane of x and z, on the side of x.
        assert frame[:, 1] @ helper == pytest.approx(0.0, abs=1e-15) and frame[:, 0] @ helper > 0.0
    np.testing.assert_array_equal(rotation_z_to(np.array([0.0, 0.0, 1.0])), np.eye(3))


def test_with_limits_changes_limits_only(panda):
    narrow = panda.with_limits(panda.rest - 0.1, panda.rest + 0.1)
    np.testing.assert_allclose(narrow.lower, panda.rest - 0.1)
    np.testing.assert_array_equal(narrow.forward_kinematics(panda.rest), panda.forward_kinematics(panda.rest))
    assert narrow.fingerprint != panda.fingerprint
    assert panda.upper[0] == 2.8973


@pytest.mark.parametrize(
    ("lower", "upper"), [([0.0, 1.0], [1.0, 0.0]), ([0.0], [1.0]), ([np.nan, 0.0], [1.0, 1.0]), ([0.0, 0.0], [1.0])]
)
def test_with_limits_refuses_limits_that_are_none(two_link, lower, upper):
    with pytest.raises(InvalidInputError):
        two_link.with_limits(lower, upper)


def test_model_cannot_be_changed_through_its_arrays(panda):
    for array in (panda.lower, panda.upper, panda.velocity, panda.rest, panda.masses, panda.mass_centers):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0


def test_fingerprint_tells_robots_apart_and_knows_the_same_one_again(panda, robot, tmp_path):
    again = RobotModel.panda()
    assert again.fingerprint == panda.fingerprint
    assert panda.with_bias(joint_offsets=np.full(7, 1e-9)).fingerprint != panda.fingerprint
    assert panda.with_bias(link_offsets=np.full((10, 3), 1e-9)).fingerprint != panda.fingerprint
    renamed = RobotModel.from_urdf(GANTRY.replace('"nod"', '"bow"'), "floor", "tool")
    assert renamed.fingerprint != RobotModel.from_urdf(GANTRY, "floor", "tool").fingerprint


def test_path_and_text_give_the_same_robot(tmp_path, gantry):
    path = tmp_path / "gantry.urdf"
    path.write_text(GANTRY)
    for source in (path, str(path)):
        read = RobotModel.from_urdf(source, "floor", "tool")
        assert read.fingerprint == gantry.fingerprint
        assert read.urdf_sha256 == gantry.urdf_sha256 != ""


def test_repr_names_the_robot_and_its_chain(panda):
    assert "panda_link0" in repr(panda)
    assert "7 joints" in repr(panda)
