"""Kinematic calibration: the offsets that explain the data, and inverse kinematics with them."""

import numpy as np
import pytest
from oracles import biased, rotation_vector, sample_around

from crisp_ik_ros import Dataset
from crisp_ik_ros.errors import NotFittedError
from crisp_ik_ros.estimators.baselines.calibration import KinematicCalibration, pose_derivatives
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.robots.bias import random_bias
from crisp_ik_ros.trajectories import spiral
from crisp_ik_ros.transforms import make_pose, rotation_exponential


@pytest.fixture(scope="module")
def real_panda(panda):
    """One degree in every joint and 3 mm in every direction of every link, signs at random."""
    return panda.with_bias(*random_bias(panda.joints, np.deg2rad(1.0), 0.003, 3))


def workspace_samples(robot, real, count, seed=0, position_noise=0.0, orientation_noise=0.0):
    rng = np.random.default_rng(seed)
    configurations = robot.random_configurations(count, rng)
    poses = real.forward_kinematics(configurations)
    noise = rotation_exponential(orientation_noise * rng.normal(size=(count, 3)))
    position = poses[:, :3, 3] + position_noise * rng.normal(size=(count, 3))
    return Dataset(configurations, make_pose(position, noise @ poses[:, :3, :3]), robot.joint_names)


def test_derivatives_are_those_of_the_biased_kinematics(robot):
    rng = np.random.default_rng(0)
    configurations = robot.random_configurations(3, rng)
    derivative = pose_derivatives(robot, configurations)
    step = 1e-6
    for column in range(derivative.shape[2]):
        poses = []
        for sign in (1.0, -1.0):
            offsets = np.zeros(derivative.shape[2])
            offsets[column] = sign * step
            shifted = robot.with_bias(offsets[: robot.dof], offsets[robot.dof :].reshape(-1, 3))
            poses.append(shifted.forward_kinematics(configurations))
        for row in range(3):
            linear = (poses[0][row, :3, 3] - poses[1][row, :3, 3]) / (2.0 * step)
            angular = rotation_vector(poses[0][row, :3, :3] @ poses[1][row, :3, :3].T) / (2.0 * step)
            np.testing.assert_allclose(derivative[row, :3, column], linear, atol=1e-7)
            np.testing.assert_allclose(derivative[row, 3:, column], angular, atol=1e-7)


def test_exact_data_give_the_real_robot(panda, real_panda):
    calibration = KinematicCalibration(panda).fit(workspace_samples(panda, real_panda, 500))
    others = panda.random_configurations(300, np.random.default_rng(9))
    distance, angle = tool_errors(real_panda.forward_kinematics(others), calibration.robot_.forward_kinematics(others))
    assert distance.max() < 1e-8
    assert angle.max() < 1e-8
    assert calibration.position_rms_[0] > 5e-3 and calibration.position_rms_[1] < 1e-8
    assert calibration.orientation_rms_[0] > 5e-3 and calibration.orientation_rms_[1] < 1e-8
    path = spiral(points=40)
    result = calibration.solve_path(path)
    assert result.success.all()
    assert tool_errors(path, real_panda.forward_kinematics(result.configurations))[0].max() < 1e-6


def test_noise_is_averaged_out(panda, real_panda):
    data = workspace_samples(panda, real_panda, 1000, 4, position_noise=3e-4, orientation_noise=1e-3)
    calibration = KinematicCalibration(panda).fit(data)
    # What is left on the samples is the noise ...
    assert calibration.position_rms_[1] == pytest.approx(np.sqrt(3.0) * 3e-4, rel=0.1)
    assert calibration.orientation_rms_[1] == pytest.approx(np.sqrt(3.0) * 1e-3, rel=0.1)
    # ... and the model is far better than a single measurement.
    others = panda.random_configurations(300, np.random.default_rng(9))
    distance, _ = tool_errors(real_panda.forward_kinematics(others), calibration.robot_.forward_kinematics(others))
    assert np.sqrt((distance**2).mean()) < 2e-4


def test_offsets_that_the_data_do_not_show_stay_small(panda):
    # A region of a few centimetres, and the real robot is the model: noise must not be explained by wild offsets.
    rng = np.random.default_rng(0)
    configurations = panda.rest + rng.uniform(-0.05, 0.05, (200, 7))
    poses = panda.forward_kinematics(configurations)
    poses[:, :3, 3] += 1e-4 * rng.normal(size=(200, 3))
    data = Dataset(configurations, poses, panda.joint_names)
    calibration = KinematicCalibration(panda, ridge=1e-6).fit(data)
    assert np.abs(calibration.joint_offsets_).max() < 0.02
    assert np.abs(calibration.link_offsets_).max() < 0.02
    assert calibration.position_rms_[1] < 2e-4


def test_every_robot_is_calibrated(robot):
    real = biased(robot)
    calibration = KinematicCalibration(robot, ridge=1e-12).fit(workspace_samples(robot, real, 200))
    assert calibration.joint_offsets_.shape == (robot.dof,)
    assert calibration.link_offsets_.shape == (len(robot.joints), 3)
    assert calibration.position_rms_[1] < 1e-7 * robot.reach
    assert calibration.orientation_rms_[1] < 1e-7


def test_errors_are_those_of_the_calibrated_robot(panda, real_panda):
    data = workspace_samples(panda, real_panda, 100)
    calibration = KinematicCalibration(panda)
    with pytest.raises(NotFittedError):
        calibration.errors(data.poses, data.configurations)
    distance, _ = calibration.fit(data).errors(data.poses, data.configurations)
    assert np.sqrt((distance**2).mean()) == pytest.approx(calibration.position_rms_[1], abs=1e-12)


def test_refit_forgets_the_first_data(panda, real_panda):
    calibration = KinematicCalibration(panda).fit(sample_around(panda, real_panda, 100))
    calibration.fit(workspace_samples(panda, panda, 100))
    np.testing.assert_allclose(calibration.joint_offsets_, 0.0, atol=1e-9)
    np.testing.assert_allclose(calibration.link_offsets_, 0.0, atol=1e-9)
