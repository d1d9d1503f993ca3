"""The simulated arm that learned kinematics are measured on, and the benchmark that does it."""

import importlib
import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.measured_arm import COMPLIANCE, NOISE, make_arm
from crisp_ik_ros.datasets.dataset import POSITION
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.robots.gravity import all_gravity_moments


@pytest.fixture(scope="module")
def arm():
    return make_arm(4)


@pytest.fixture(scope="module")
def q(arm):
    return arm.nominal.random_configurations(20, np.random.default_rng(2))


def test_an_arm_without_errors_is_the_nominal_one(arm, q):
    right = replace(
        arm, offset=arm.nominal, gears=np.zeros_like(arm.gears), waves=np.zeros_like(arm.waves), masses=np.zeros(7)
    )
    np.testing.assert_allclose(right.tip_poses(q), arm.nominal.forward_kinematics(q), atol=1e-12)


def test_gravity_torques_are_those_of_the_compiled_model(arm, q):
    # Same bodies, other code: moments of forces here, potential energy there.
    bodies = arm.offset.bodies()._replace(masses=arm.masses)
    np.testing.assert_allclose(arm.gravity_torques(q), all_gravity_moments(bodies, q)[:, :, 2], atol=1e-6)
    assert np.abs(arm.gravity_torques(q)).max() > 20.0


def test_joint_errors_are_of_the_stated_size():
    arm = make_arm(1)
    turn = np.linspace(-np.pi, np.pi, 400, endpoint=False)
    q = np.tile(turn[:, None], (1, 7))
    moved = replace(arm, masses=np.zeros(7)).joint_positions(q) - q
    amplitudes = 2.0 * np.abs(np.fft.fft(moved, axis=0)) / len(turn)
    np.testing.assert_allclose(amplitudes[[2, 5]], np.deg2rad([[0.3] * 7, [0.1] * 7]), atol=1e-12)
    assert np.delete(amplitudes[:200], [2, 5], axis=0).max() < 1e-12
    sagged = arm.joint_positions(q) - replace(arm, masses=np.zeros(7)).joint_positions(q)
    np.testing.assert_allclose(sagged, COMPLIANCE * arm.gravity_torques(moved + q))


def test_measurements_are_as_noisy_as_said_and_some_are_grossly_off(arm):
    dataset = arm.measure(2000, 5, outliers=0.1)
    distances, angles = tool_errors(arm.marker_poses(dataset.configurations), dataset.poses)
    gross = np.count_nonzero(distances > 10.0 * NOISE[0])
    assert 180 <= gross <= 200
    # The median length of three normal numbers is 1.538 deviations.
    clean = distances < 10.0 * NOISE[0]
    assert np.median(distances[clean]) == pytest.approx(1.538 * NOISE[0], rel=0.05)
    assert np.median(angles[clean]) == pytest.approx(1.538 * NOISE[1], rel=0.05)


def test_positions_and_an_unknown_marker():
    arm = make_arm(3, unknown="pose")
    dataset = arm.measure(30, 0, "positions")
    assert (dataset.kinds == POSITION).all()
    expected = (arm.frame @ arm.tip_poses(dataset.configurations) @ arm.marker)[:, :3, 3]
    assert np.linalg.norm(dataset.poses[:, :3, 3] - expected, axis=1).max() < 6.0 * NOISE[0]
    assert np.linalg.norm(arm.marker[:3, 3]) > 0.01 and not np.allclose(arm.frame, np.eye(4))
    np.testing.assert_array_equal(make_arm(3, unknown="tool").marker[:3, :3], np.eye(3))


@pytest.mark.long
def test_the_benchmark_writes_json_and_picture(tmp_path):
    module = importlib.import_module("benchmarks.learned_kinematics")
    result = module.run(sizes=((60, 100), 1, 60, 30, 25, 60, 20))
    cases = {(row["method"], row["case"], row["count"]) for row in result["rows"]}
    assert {("learned", case, 60) for case in module.CASES} <= cases and len(cases) == len(result["rows"]) == 12
    medians = {(row["method"], row["case"], row["count"]): row["median_mm"] for row in result["summary"]}
    assert medians["learned", "poses", 100] < 0.2 * medians["calibration", "poses", 100]
    assert medians["calibration", "poses", 100] < 0.2 * medians["nominal", "poses", 0]
    assert medians["learned", "outliers", 60] < medians["calibration", "poses", 100]
    assert {"crisp", "learned", "learned_kernel"} == set(result["warm_solve"])
    assert {"what", "target", "measured", "met"} == set(result["targets"][0])
    json.dumps(result)
    module.draw(result, tmp_path / "learned.png")
    assert (tmp_path / "learned.png").is_file() and "calibration" in module.text(result)
