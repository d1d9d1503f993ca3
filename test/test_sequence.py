"""Faults of a recording that the order of its rows shows, and of its orientations; and none in good recordings."""

from __future__ import annotations

import numpy as np
import pytest
from measured import measured_poses, measured_positions, true_robot
from oracles import rodrigues
from scipy.spatial.transform import Rotation

from crisp_ik_ros import Dataset
from crisp_ik_ros.datasets.diagnosis import listed
from crisp_ik_ros.datasets.inspection import inspect_dataset


@pytest.fixture(scope="module")
def true(panda):
    return true_robot(panda)


@pytest.fixture(scope="module")
def good(true):
    return measured_poses(true, 300, 0)


def changed(dataset, change, rows=slice(None)):
    poses = np.array(dataset.poses)
    change(poses)
    return Dataset(dataset.configurations[rows], poses[rows], dataset.joint_names)


def found(dataset, robot):
    return {one.name: one for one in inspect_dataset(dataset, robot).diagnoses}


def test_good_recordings_have_nothing_wrong(good, true, panda):
    rng = np.random.default_rng(0)
    assert found(good, panda) == {} == found(measured_positions(true, 200, 1), panda)
    # Readings of each stop, and a scan in the order of a joint.
    q = np.repeat(panda.random_configurations(60, rng), 5, axis=0)
    poses = np.array(true.forward_kinematics(q))
    poses[:, :3, 3] += rng.normal(0.0, 2e-5, (len(q), 3))
    assert not set(found(Dataset(q, poses, panda.joint_names), panda)) - {"duplicates", "outliers"}
    order = np.argsort(good.configurations[:, 0])
    assert found(good.subset(order), panda) == {}


@pytest.mark.parametrize("jitter", [0.0, 2e-5])
@pytest.mark.parametrize("kind", ["poses", "positions"])
def test_a_frozen_device_is_named_and_nothing_else(good, panda, jitter, kind):
    poses = np.tile(good.poses[:1], (60, 1, 1))
    poses[:, :3, 3] += np.random.default_rng(0).normal(0.0, 1.0, (60, 3)) * jitter
    dataset = Dataset(good.configurations[:60], poses, good.joint_names)
    if kind == "positions":
        dataset = Dataset.from_positions(good.configurations[:60], poses[:, :3, 3], good.joint_names)
    (one,) = inspect_dataset(dataset, panda).diagnoses
    assert one.name == "frozen measurement" and one.worthless and one.rows == tuple(range(60))
    assert "rows 0 to 59" in one.finding


def test_a_part_of_a_recording_that_is_frozen_is_named_by_its_rows(good, panda):
    def freeze(poses):
        poses[100:140] = poses[100]

    one = found(changed(good, freeze), panda)
    assert set(one) == {"frozen measurement"} and one["frozen measurement"].rows == tuple(range(100, 140))
    shuffled = np.random.default_rng(1).permutation(300)
    again = found(changed(good, freeze).subset(shuffled), panda)["frozen measurement"]
    assert set(shuffled[list(again.rows)]) == set(range(100, 140))


def test_a_tool_in_a_socket_is_not_frozen(true, panda):
    """One position at many configurations, which an offset of the tool explains."""
    offset, rng = np.array([0.02, 0.0, 0.1]), np.random.default_rng(2)
    point, kept = np.array([0.4, 0.1, 0.4]), []
    while len(kept) < 30:
        q = panda.random_configurations(1, rng)[0]
        for _ in range(60):
            pose, jacobian = true.forward_kinematics(q), true.jacobian(q)
            lever = pose[:3, :3] @ offset
            linear = jacobian[:3] - np.cross(lever, jacobian[3:].T).T
            step = np.linalg.pinv(linear, rcond=1e-3) @ (point - pose[:3, 3] - lever)
            q = q + step / max(1.0, np.linalg.norm(step) / 0.3)
        if np.linalg.norm(step) < 1e-9 and panda.within_limits(q):
            kept.append(q)
    positions = np.tile(point, (30, 1))
    assert "frozen measurement" not in found(Dataset.from_positions(kept, positions, panda.joint_names), panda)


@pytest.mark.parametrize("share", [0.01, 0.002, -0.005])
def test_readings_before_the_arm_stood_still_are_named_with_the_missing_share(true, panda, share):
    rng = np.random.default_rng(3)
    q = panda.random_configurations(300, rng)
    real = q.copy()
    real[1:] -= share * (q[1:] - q[:-1])
    poses = np.array(true.forward_kinematics(real))
    poses[:, :3, 3] += rng.normal(0.0, 1e-4, (300, 3))
    one = found(Dataset(q, poses, panda.joint_names), panda)["read before the arm stood still"]
    said = float(one.finding.split(" %")[0])
    assert said == pytest.approx(100.0 * abs(share), rel=0.1) and not one.worthless


def test_drift_is_named_with_its_size(good, panda):
    def drift(poses):
        poses[:, 2, 3] += np.linspace(0.0, 1.5e-3, 300)

    one = found(changed(good, drift), panda)["drift"]
    assert float(one.finding.split("by ")[1].split(" mm")[0]) == pytest.approx(0.5, rel=0.2)


def test_drift_with_the_temperature_is_named_where_that_is_recorded(good, panda):
    warmth = np.random.default_rng(4).uniform(20.0, 30.0, 300)

    def expand(poses):
        poses[:, 0, 3] += 1.5e-4 * (warmth - 20.0)

    dataset = changed(good, expand)
    assert "drift with temperature" not in found(dataset, panda)
    dataset.temperatures = warmth
    one = found(dataset, panda)["drift with temperature"]
    assert float(one.finding.split("by ")[1].split(" mm")[0]) == pytest.approx(0.15, rel=0.2)


def test_orientations_are_checked_as_positions_are(good, panda):
    def constant(poses):
        poses[:, :3, :3] = rodrigues([0.3, 0.1, -0.2])

    assert set(found(changed(good, constant), panda)) == {"constant orientation"}

    def transposed(poses):
        poses[:, :3, :3] = np.swapaxes(poses[:, :3, :3].copy(), -1, -2)

    assert set(found(changed(good, transposed), panda)) == {"inverse orientations"}

    def intrinsic(poses):
        angles = Rotation.from_matrix(poses[:, :3, :3]).as_euler("XYZ")
        poses[:, :3, :3] = Rotation.from_euler("xyz", angles).as_matrix()

    assert set(found(changed(good, intrinsic), panda)) == {"Euler angle order"}

    def another(poses):
        angles = Rotation.from_matrix(poses[:, :3, :3]).as_euler("zyx")
        poses[:, :3, :3] = Rotation.from_euler("xyz", angles).as_matrix()

    one = found(changed(good, another, slice(0, 120)), panda)
    assert set(one) == {"orientation convention"} and one["orientation convention"].worthless

    def some(poses):
        poses[[5, 9, 20], :3, :3] = poses[[6, 10, 21], :3, :3]

    outliers = found(changed(good, some), panda)["outliers"]
    assert outliers.rows == (5, 9, 20) and "mrad" in outliers.finding


def test_rows_are_those_of_the_whole_recording(good, panda):
    def freeze(poses):
        poses[100:140] = poses[100]

    rows = np.arange(80, 160)
    one = inspect_dataset(changed(good, freeze, rows), panda, rows).diagnoses[0]
    assert one.rows == tuple(range(100, 140)) and "rows 100 to 139" in one.finding
    assert listed(np.array([3, 4])) == "rows 3, 4" and listed([7]) == "row 7"
