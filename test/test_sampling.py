from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crisp_ik_ros import RobotModel
from crisp_ik_ros.errors import InvalidInputError, SimulationError
from crisp_ik_ros.robots.robot_model import panda_urdf_path
from crisp_ik_ros.simulation import sampling
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.simulation.regions import (
    Box,
    FixedOrientations,
    OrientationRange,
    Tube,
    Workspace,
    circle_torus,
    demo_region,
)
from crisp_ik_ros.simulation.sampling import sample
from crisp_ik_ros.trajectories import CIRCLE_CENTER, circle, spiral, tool_orientation
from crisp_ik_ros.transforms import make_pose, pose_error

PLANAR = Path(__file__).resolve().parents[1] / "models" / "planar5.urdf"


@pytest.fixture(scope="module")
def arm():
    with PyBulletArm(panda_urdf_path(), RobotModel.panda(), np.full(7, np.deg2rad(1.0))) as arm:
        yield arm


@pytest.fixture(scope="module")
def demo(arm):
    return sample(arm, demo_region(), 1500, seed=4)


def test_torus_is_uniform_by_volume():
    count, ring, radius = 30000, 0.03, 0.01
    tube = Tube(circle(points=150), radius)
    position = tube.draw(np.random.default_rng(0), count)[:, :3, 3] - CIRCLE_CENTER
    from_axis = np.hypot(position[:, 0], position[:, 2])
    from_ring = np.hypot(from_axis - ring, position[:, 1])
    assert from_ring.max() <= radius + 1e-5
    # Truths of a solid torus: by volume the square of the distance from the ring is uniform, the angle around the axis
    # too, and the mean distance from the axis is R + r^2 / (4 R) (Pappus).
    deviation = 4.0 / np.sqrt(count)
    assert abs(np.mean(from_ring**2) / radius**2 - 0.5) < deviation
    assert abs(np.mean(from_ring <= radius / 2) - 0.25) < deviation
    assert abs(from_axis.mean() - (ring + radius**2 / (4 * ring))) < deviation * radius
    shares = np.histogram(np.arctan2(position[:, 2], position[:, 0]), 12, (-np.pi, np.pi))[0] / count
    np.testing.assert_allclose(shares, 1 / 12, atol=deviation)


def test_a_straight_tube_has_round_ends():
    path = make_pose([[0.0, 0.0, 0.0], [0.3, 0.3, 0.0], [0.3, 0.3, 0.0]], np.eye(3))
    radius, length = 0.1, 0.3 * np.sqrt(2)
    position = Tube(path, radius).draw(np.random.default_rng(1), 30000)[:, :3, 3]
    along = position @ np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
    beyond = np.mean((along < 0.0) | (along > length))
    assert abs(beyond - (4 / 3 * radius) / (4 / 3 * radius + length)) < 0.015
    assert along.min() > -radius and along.max() < length + radius
    assert abs(along.mean() - length / 2) < 0.005


def test_orientations():
    rng = np.random.default_rng(0)
    fixed = FixedOrientations(np.stack([tool_orientation(0.3), tool_orientation(-0.3)])).draw(rng, 4000)
    first = np.isclose(fixed, tool_orientation(0.3)).all(axis=(1, 2))
    assert abs(first.mean() - 0.5) < 0.04
    assert np.isclose(fixed[~first], tool_orientation(-0.3)).all()
    center = tool_orientation(0.2)
    drawn = center.T @ OrientationRange(center, 0.5, -0.2, 0.4).draw(rng, 20000)
    height = drawn[:, 2, 2]
    assert height.min() >= np.cos(0.5) - 1e-12
    assert abs(height.mean() - 0.5 * (1.0 + np.cos(0.5))) < 0.002
    # All rotations: the mean is zero, and the angle has the density (1 - cos a) / pi.
    free = OrientationRange().draw(rng, 40000)
    assert np.abs(free.mean(axis=0)).max() < 0.02
    angle = np.arccos(np.clip((np.trace(free, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert abs(angle.mean() - (np.pi / 2 + 2 / np.pi)) < 0.015
    turned = OrientationRange(np.eye(3), 0.0, 0.1, 0.2).draw(rng, 1000)
    yaw = np.arctan2(turned[:, 1, 0], turned[:, 0, 0])
    assert yaw.min() >= 0.1 and yaw.max() <= 0.2


def test_the_demo_region_holds_the_demo_paths():
    box = demo_region()
    position = np.concatenate([spiral(), circle()])[:, :3, 3]
    assert np.all(np.abs(position - box.center) <= np.asarray(box.size) / 2 - 0.0199)
    drawn = box.draw(np.random.default_rng(0), 5000)
    assert np.all(drawn[:, 2, 2] <= -np.cos(0.1) + 1e-9)
    np.testing.assert_allclose(drawn[:, :3, 3].mean(axis=0), box.center, atol=0.005)


def test_samples_are_true_and_inside(arm, demo):
    assert len(demo) == 1500 and demo.joint_names == arm.robot.joint_names
    assert arm.robot.within_limits(demo.configurations).all()
    error = pose_error(arm.true_robot.forward_kinematics(demo.configurations), demo.poses)
    assert np.abs(error).max() < 1e-6
    box = demo_region()
    assert np.all(np.abs(demo.poses[:, :3, 3] - box.center) <= np.asarray(box.size) / 2 + 1e-4)
    assert np.all(demo.poses[:, 2, 2] <= -np.cos(0.1 + 1e-3))
    # The nominal robot is elsewhere: these are samples of the biased one.
    nominal = arm.robot.forward_kinematics(demo.configurations)
    assert np.linalg.norm(nominal[:, :3, 3] - demo.poses[:, :3, 3], axis=1).min() > 5e-3


def test_same_seed_same_bytes(arm, demo, tmp_path, monkeypatch):
    arm.reset(arm.robot.lower)  # where the arm stands has no say
    again = sample(arm, demo_region(), 1500, seed=4)
    for suffix in ("npz", "csv"):
        demo.save(tmp_path / f"one.{suffix}")
        again.save(tmp_path / f"two.{suffix}")
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    few = sample(arm, demo_region(), 10, seed=4)
    np.testing.assert_array_equal(few.configurations, demo.configurations[:10])
    other = sample(arm, demo_region(), 10, seed=5)
    assert not np.array_equal(other.configurations, few.configurations)


def test_missed_targets_are_drawn_again(arm):
    robot = arm.robot
    # Half of this box is out of reach.
    center, size = np.array([0.0, 0.75, 0.1]), np.array([0.1, 0.5, 0.1])
    seen = []
    data = sample(arm, Box(center, size), 600, progress=lambda done, total: seen.append((done, total)))
    assert len(data) == 600 and seen[-1] == (600, 600)
    assert np.all(np.abs(data.poses[:, :3, 3] - center) <= size / 2 + 1e-4)
    error = pose_error(make_pose(np.zeros(3), tool_orientation(0.0)), data.poses)[:, 3:]
    assert np.linalg.norm(error, axis=1).max() <= 1e-3
    drawn = Box(center, size).draw(np.random.default_rng(0), sampling.BLOCK)
    far = (
        np.linalg.norm(drawn[:, :3, 3] - robot.anchor, axis=1)
        > np.linalg.norm(data.poses[:, :3, 3] - robot.anchor, axis=1).max()
    )
    assert far.mean() > 0.1


def test_the_torus_has_both_orientations(arm):
    data = sample(arm, circle_torus(), 400)
    assert circle_torus().distance(data.poses[:, :3, 3]).max() <= 0.01 + 1e-4
    for yaw in (np.pi / 4, -np.pi / 4):
        near = np.abs(data.poses[:, :3, :3] - tool_orientation(yaw)).max(axis=(1, 2)) < 1e-3
        assert abs(near.mean() - 0.5) < 0.15


def test_workspace_and_planar_arm():
    robot = RobotModel.from_urdf(PLANAR)
    with PyBulletArm(PLANAR, robot) as arm:
        data = sample(arm, Workspace(), 2000, seed=1)
        spread = (data.configurations - robot.lower) / (robot.upper - robot.lower)
        np.testing.assert_allclose(spread.mean(axis=0), 0.5, atol=0.03)
        np.testing.assert_allclose(data.poses, robot.forward_kinematics(data.configurations), atol=2e-6)
        flat = Box([5.0, 4.0, 0.0], [1.0, 1.0, 0.0], OrientationRange(np.eye(3), 0.0, -0.5, 0.5))
        data = sample(arm, flat, 200)
        assert np.abs(data.poses[:, 2, 3]).max() < 1e-6


def test_hopeless_regions_are_refused(arm):
    with pytest.raises(SimulationError, match="reaches only 0 of"):
        sample(arm, Box([3.0, 0.0, 0.0], [0.1, 0.1, 0.1]), 5)
    for wrong in ({"count": 0}, {"count": 1, "rest": np.zeros(3)}, {"count": 1, "rest": np.full(7, 5.0)}):
        with pytest.raises(InvalidInputError):
            sample(arm, demo_region(), **wrong)
    with pytest.raises(InvalidInputError, match="position_tolerance"):
        sample(arm, demo_region(), 1, position_tolerance=0.0)
    for build in (
        lambda: Tube(circle(), 0.0),
        lambda: Tube(circle()[:1], 0.01),
        lambda: Box([0, 0, 0], [1, -1, 1]),
        lambda: OrientationRange(tilt=-0.1),
        lambda: OrientationRange(yaw_lower=1.0, yaw_upper=0.0),
        lambda: FixedOrientations(2 * np.eye(3)),
    ):
        with pytest.raises(InvalidInputError):
            build()
