"""The quick fit of geometry, frame and tool, against plain formulas and parameters that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles import forward_kinematics, homogeneous, rodrigues, rotation_vector

from crisp_ik_ros import Dataset
from crisp_ik_ros.datasets.dataset import POSE, POSITION, SAME_POINT
from crisp_ik_ros.datasets.measurements import Fit, Measurements, centered, predict, residuals, walk
from crisp_ik_ros.datasets.rough_fit import Freedom, _jacobian, _stepped, fit_robot, rigid_alignment
from crisp_ik_ros.errors import DatasetError

LEVER = 0.2
ALL = Freedom(frame=True, tool=True, joints=True, links=True)


def data_of(robot, count, kind, seed=0, points=2):
    rng = np.random.default_rng(seed)
    q = robot.random_configurations(count, rng)
    place = rng.integers(points, size=count) if kind == SAME_POINT else np.full(count, -1)
    return Measurements(q, robot.forward_kinematics(q), np.full(count, kind), place)


def some_fit(robot, seed=0):
    rng = np.random.default_rng(seed)
    return Fit(
        homogeneous(rodrigues(rng.normal(0, 0.5, 3)), rng.normal(0, 0.3, 3)),
        homogeneous(rodrigues(rng.normal(0, 0.5, 3)), rng.normal(0, 0.1, 3)),
        rng.uniform(-0.1, 0.1, robot.dof),
        rng.uniform(-0.05, 0.05, (robot.dof + 1, 3)),
    )


def test_the_nominal_fit_predicts_what_the_robot_does(robot):
    data = data_of(robot, 20, POSE)
    np.testing.assert_allclose(predict(robot, data, Fit.nominal(robot)), data.poses, atol=1e-13)


def test_a_fit_predicts_frame_chain_and_tool_in_this_order(panda):
    """Offsets on the origins of movable joints alone, which are translations of the chain one by one."""
    data, fit = data_of(panda, 5, POSE), some_fit(panda)
    for q, predicted in zip(data.configurations, predict(panda, data, fit), strict=True):
        # All axes are z in the Panda's URDF, so that its chain has the frames that the URDF has.
        joints, j = [], 0
        for joint in panda.joints:
            origin = joint.origin.copy()
            if joint.movable:
                origin[:3, 3] += fit.link_offsets[j]
                j += 1
            joints.append(replace(joint, origin=origin))
        after = homogeneous(np.eye(3), fit.link_offsets[7])
        arm = forward_kinematics(joints[:7], q + fit.joint_offsets) @ after @ forward_kinematics(joints[7:], [])
        np.testing.assert_allclose(predicted, fit.frame @ arm @ fit.tool, atol=1e-12)


@pytest.mark.parametrize("kind", [POSE, POSITION, SAME_POINT])
def test_derivatives_are_those_of_the_residuals(robot, kind):
    fit = some_fit(robot)
    data = data_of(robot, 12, kind)
    if kind == POSE:
        # Where the error is none the derivative of the logarithm is the identity.
        data = data.with_poses(predict(robot, data, fit))
    weight = np.random.default_rng(1).uniform(0.2, 1.0, len(data))
    count = 12 + robot.dof + 3 * (robot.dof + 1)
    jacobian = _jacobian(robot, data, fit, walk(robot, data.configurations, fit), weight)
    assert jacobian.shape == (12, 6, count)
    for k in range(count):
        shift = np.zeros(count)
        shift[k] = 1e-6
        ahead, behind = (
            residuals(data, predict(robot, data, _stepped(robot, data, fit, np.arange(count), sign * shift)), weight)
            for sign in (1.0, -1.0)
        )
        np.testing.assert_allclose(jacobian[:, :, k], (behind - ahead) / 2e-6, atol=1e-8)


@pytest.mark.parametrize("kind", [POSE, POSITION])
def test_frame_and_tool_are_found_whatever_they_are(panda, kind):
    rng = np.random.default_rng(2)
    for _ in range(5):
        turn, tool_turn = (rng.uniform(0, np.pi) * v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
        frame = homogeneous(rodrigues(turn), rng.uniform(-3, 3, 3))
        tool = homogeneous(rodrigues(tool_turn), rng.uniform(-0.1, 0.1, 3))
        data = data_of(panda, 60, kind, seed=3)
        data = data.with_poses(frame @ data.poses @ tool)
        fit = fit_robot(panda, data, Freedom(frame=True, tool=True), LEVER)
        assert fit.size < 1e-6
        np.testing.assert_allclose(fit.frame, frame, atol=1e-5)
        np.testing.assert_allclose(fit.tool[:3, 3], tool[:3, 3], atol=1e-5)
        if kind == POSE:
            np.testing.assert_allclose(fit.tool, tool, atol=1e-5)


def test_a_robot_that_is_off_everywhere_is_explained_with_its_frame_and_tool(panda):
    rng = np.random.default_rng(4)
    true = panda.with_bias(rng.choice([-0.05, 0.05], 7), rng.choice([-0.03, 0.03], (10, 3)))
    data = data_of(panda, 150, POSITION)
    frame, tool = homogeneous(rodrigues([1, 2, -0.5]), [1, 2, 3]), homogeneous(np.eye(3), [0.05, 0.02, 0.1])
    poses = frame @ true.forward_kinematics(data.configurations) @ tool
    # One sample in ten is altogether wrong.
    poses[::10, :3, 3] += rng.normal(0, 0.5, (15, 3))
    fit = fit_robot(panda, data.with_poses(poses), ALL, LEVER)
    left = np.linalg.norm(residuals(data.with_poses(poses), predict(panda, data, fit))[:, :3], axis=1)
    wrong = np.zeros(150, dtype=bool)
    wrong[::10] = True
    assert left[~wrong].max() < 2e-3
    assert left[wrong].min() > 0.05


def test_what_no_robot_could_be_is_not_fitted(panda):
    """Positions that hardly move: the links must not shrink to nothing for them."""
    data = data_of(panda, 100, POSITION)
    poses = data.poses.copy()
    poses[:, :3, 3] *= 1e-3
    assert fit_robot(panda, data.with_poses(poses), ALL, LEVER).size > 0.05


def test_common_points_are_judged_by_their_own_middle(panda):
    data = data_of(panda, 30, SAME_POINT, points=3)
    positions = panda.forward_kinematics(data.configurations)[:, :3, 3]
    found = residuals(data, panda.forward_kinematics(data.configurations))
    weight = np.random.default_rng(0).uniform(0.1, 1.0, 30)
    middle = centered(positions, data.points, weight)
    for point in range(3):
        rows = data.points == point
        np.testing.assert_allclose(found[rows, :3], np.median(positions[rows], axis=0) - positions[rows], atol=1e-15)
        mean = sum(w * p for w, p in zip(weight[rows], positions[rows], strict=True)) / weight[rows].sum()
        np.testing.assert_allclose(middle[rows], positions[rows] - mean, atol=1e-15)
    assert not found[:, 3:].any()
    assert data.numbers == 3 * 30 - 3 * 3


def test_orientation_residuals_are_the_rotation_vector_from_predicted_to_measured(panda):
    data = data_of(panda, 4, POSE)
    turned = data.poses.copy()
    turned[:, :3, :3] = rodrigues([0.1, -0.2, 0.3]) @ turned[:, :3, :3]
    found = residuals(data.with_poses(turned), data.poses)
    np.testing.assert_allclose(found[:, 3:], np.tile([0.1, -0.2, 0.3], (4, 1)), atol=1e-12)
    np.testing.assert_allclose(rotation_vector(turned[0, :3, :3] @ data.poses[0, :3, :3].T), found[0, 3:], atol=1e-12)


def test_rigid_alignment_undoes_a_motion_and_leaves_outliers_alone():
    rng = np.random.default_rng(5)
    points = rng.normal(size=(50, 3))
    turn, shift = rodrigues([2.0, 1.0, -1.5]), np.array([3.0, -2.0, 5.0])
    targets = points @ turn.T + shift
    targets[:5] += rng.normal(0, 2.0, (5, 3))
    pose = rigid_alignment(points, targets)
    np.testing.assert_allclose(pose, homogeneous(turn, shift), atol=1e-6)
    # Mirrored points have no rigid motion: what is returned is one all the same.
    mirrored = rigid_alignment(points, points * [1, 1, -1])
    np.testing.assert_allclose(np.linalg.det(mirrored[:3, :3]), 1.0)


def test_measurements_take_a_datasets_joints_by_name(panda):
    data = data_of(panda, 6, POSE)
    order = [3, 1, 0, 2, 6, 5, 4]
    dataset = Dataset(data.configurations[:, order], data.poses, [panda.joint_names[i] for i in order])
    np.testing.assert_array_equal(Measurements.of(dataset, panda).configurations, data.configurations)
    with pytest.raises(DatasetError, match="elbow"):
        Measurements.of(Dataset(data.configurations[:, :1], data.poses, ["elbow"]), panda)
