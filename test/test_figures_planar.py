"""Figures 2 and 4 of the reproduction at their smallest, against planar kinematics written out by hand."""

import json

import numpy as np
import pytest

from crisp_ik_ros import RobotModel
from crisp_ik_ros.experiments import figure2, figure4
from crisp_ik_ros.experiments.figure4_picture import draw_figure4
from crisp_ik_ros.experiments.table1 import planar_trajectories

LINK = 2.0


def by_hand(configurations, lengths=(LINK,) * 5):
    """Joints and tool (..., 6, 2) [m] of the planar arm, and the tool's angle (...) [rad]."""
    angles = np.cumsum(configurations, axis=-1)
    steps = np.asarray(lengths)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    points = np.cumsum(steps, axis=-2)
    return np.concatenate([np.zeros_like(points[..., :1, :]), points], axis=-2), angles[..., -1]


@pytest.fixture(scope="module")
def second():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure2, "QUICK", 15)
        return figure2.run_figure2(quick=True, seed=3), figure2.run_figure2(quick=True, seed=3)


def arms_of(result):
    return [result["target"], *result["samples"], *result["estimates"].values()]


def test_arms_of_figure_2_are_where_planar_kinematics_has_them(second):
    result, _ = second
    target = np.array(result["target"]["joints"][-1])
    for arm in arms_of(result):
        points, _ = by_hand(np.array(arm["configuration"]))
        np.testing.assert_allclose(arm["joints"], points, atol=1e-9)
        assert arm["position_m"] == pytest.approx(np.linalg.norm(points[-1] - target), abs=1e-9)


def test_only_the_loss_through_the_kinematics_reaches_the_target_of_figure_2(second):
    estimates = second[0]["estimates"]
    reached, averaged = estimates["forward_kinematics"]["position_m"], estimates["radians"]["position_m"]
    assert reached < 1e-3
    assert averaged > 1000.0 * reached and averaged > 0.3
    # The paper's "even if possibly inaccurate".
    assert reached < estimates["forward_kinematics_biased"]["position_m"] < 0.2 * averaged


def test_the_configuration_space_estimate_is_the_mean_of_the_samples(second):
    result, _ = second
    scores = np.array([sample["score"] for sample in result["samples"]])
    configurations = np.array([sample["configuration"] for sample in result["samples"]])
    # Within the planar arm's limits no two angles of a joint are more than half a turn apart: nothing wraps.
    np.testing.assert_allclose(
        result["estimates"]["radians"]["configuration"], scores @ configurations / scores.sum(), atol=1e-6
    )


def test_samples_of_figure_2_are_near_the_target_in_postures_far_apart(second):
    samples = second[0]["samples"]
    configurations = np.array([sample["configuration"] for sample in samples])
    distances = np.linalg.norm(configurations[:, None] - configurations, axis=2)
    assert distances[np.triu_indices(3, 1)].min() > 1.0
    for sample in samples:
        assert sample["position_m"] == pytest.approx(figure2.DISTANCE, abs=1e-5)
        assert sample["score"] == pytest.approx(1.0 / 3.0, abs=0.02)


def test_figure_2_is_the_same_for_the_same_seed_and_is_written(second, tmp_path):
    result, again = second
    assert json.loads(json.dumps(result)) == again
    rows = figure2.figure2_rows(result)
    assert [row["arm"] for row in rows] == ["target", "sample 1", "sample 2", "sample 3", *figure2.LOSSES]
    assert len({tuple(row) for row in rows}) == 1
    assert "m, " in figure2.figure2_text(result)
    figure2.draw_figure2(result, tmp_path / "figure2.png")
    assert (tmp_path / "figure2.png").stat().st_size > 20_000


@pytest.fixture(scope="module")
def fourth():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure4, "QUICK", (200, 5, 100, 2))
        patch.setattr(figure4, "POOL", 1000)
        patch.setattr(figure4, "QUICK_BIASES", {"joint_bias_deg": (0.0, 5.0), "link_bias_cm": (0.0, 2.0)})
        return figure4.run_figure4(quick=True, seed=1)


def test_figure_4_has_every_method_at_every_bias_in_both_conventions(fourth):
    assert json.loads(json.dumps(fourth)) == fourth
    for kind in ("joint_bias_deg", "link_bias_cm"):
        for trajectory in ("eight", "circle"):
            assert set(fourth[kind][trajectory]) == set(figure4.MEASURES)
            for methods in fourth[kind][trajectory].values():
                assert set(methods) == set(figure4.METHODS)
                assert all(np.shape(values) == (2, 2) for values in methods.values())
            measures = fourth[kind][trajectory]
            for quantity in ("position_cm", "orientation_rad"):
                for method in figure4.METHODS:
                    euclidean = np.array(measures[quantity][method])
                    assert np.all(np.array(measures[f"{quantity}_l1"][method]) >= euclidean * (1.0 - 1e-6) - 1e-9)
    # No bias is no bias, of whichever kind.
    joint, link = fourth["joint_bias_deg"]["eight"], fourth["link_bias_cm"]["eight"]
    assert joint["position_cm"]["crisp_fk"][0] == link["position_cm"]["crisp_fk"][0]


def test_joint_bias_turns_every_answer_of_sdls_by_as_much(fourth):
    offset = np.deg2rad(5.0)
    for trajectory in ("eight", "circle"):
        measures = fourth["joint_bias_deg"][trajectory]
        assert np.max(measures["missed"]["sdls"]) == 0.0
        # g~(q) = g(q + offset) is on the target, so the true tool's angle lacks five offsets.
        np.testing.assert_allclose(measures["orientation_rad"]["sdls"][1], 5.0 * offset, atol=1e-4)
        np.testing.assert_allclose(measures["orientation_rad_l1"]["sdls"][1], 5.0 * offset, atol=1e-4)
        assert np.max(measures["position_cm"]["sdls"][0]) < 1e-3


def test_position_error_of_sdls_is_that_of_shifted_kinematics(fourth):
    robot, offset = RobotModel.planar5(), np.deg2rad(5.0)
    for trajectory, targets in planar_trajectories(5).items():
        path = figure4.SDLSIK(robot.with_bias(np.full(5, offset))).solve_path(targets)
        goals = targets[:, :2, 3]
        believed, _ = by_hand(path.configurations + offset)
        np.testing.assert_allclose(believed[:, -1], goals, atol=1e-4)
        actual, _ = by_hand(path.configurations)
        expected = 100.0 * np.linalg.norm(actual[:, -1] - goals, axis=1).mean()
        found = fourth["joint_bias_deg"][trajectory]["position_cm"]["sdls"][1]
        np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_learning_is_ahead_of_sdls_at_a_bias_and_behind_it_without(fourth):
    for kind in ("joint_bias_deg", "link_bias_cm"):
        for trajectory in ("eight", "circle"):
            without, biased = (
                {m: np.median(v[place]) for m, v in fourth[kind][trajectory]["position_cm"].items()} for place in (0, 1)
            )
            assert without["sdls"] < without["crisp_fk"]
            assert biased["residual"] < 0.5 * biased["sdls"]
            assert biased["residual"] > without["residual"]


def test_link_bias_changes_the_lengths_of_the_links_and_nothing_else():
    robot, q = RobotModel.planar5(), np.array([1.0, -0.7, 0.4, -1.2, 0.3])
    offsets = figure4.link_length_bias(robot, 0.02, seed=5)
    np.testing.assert_array_equal(offsets[0], 0.0)  # the base is where it was
    np.testing.assert_allclose(np.abs(offsets[1:, 0]), 0.02)
    np.testing.assert_array_equal(offsets[:, 1:], 0.0)
    points, yaw = by_hand(q, LINK + offsets[1:, 0])
    pose = robot.with_bias(link_offsets=offsets).forward_kinematics(q)
    np.testing.assert_allclose(pose[:3, 3], [*points[-1], 0.0], atol=1e-12)
    assert np.arctan2(pose[1, 0], pose[0, 0]) == pytest.approx(yaw)
    signs = {tuple(np.sign(figure4.link_length_bias(robot, 0.02, seed)[1:, 0])) for seed in range(8)}
    assert len(signs) > 2


@pytest.mark.long
def test_figure_4_is_the_same_for_the_same_seed_and_differs_between_repetitions(monkeypatch):
    monkeypatch.setattr(figure4, "QUICK", (60, 3, 30, 2))
    monkeypatch.setattr(figure4, "POOL", 300)
    monkeypatch.setattr(figure4, "QUICK_BIASES", {"link_bias_cm": (2.0,)})
    first, again = (figure4.run_figure4(quick=True, seed=7) for _ in range(2))
    assert first == again
    one, other = first["link_bias_cm"]["eight"]["position_cm"]["sdls"][0]
    assert one != other


def test_figure_4_is_written(fourth, tmp_path):
    rows = figure4.figure4_rows(fourth)
    assert len(rows) == 2 * 2 * 2 * len(figure4.MEASURES) * len(figure4.METHODS)
    assert all(row["least"] <= row["median"] <= row["largest"] for row in rows)
    text = figure4.figure4_text(fourth)
    assert "circle, orientation_rad, link_bias_cm 2" in text and "sdls" in text
    draw_figure4(fourth, tmp_path / "figure4.png")
    assert (tmp_path / "figure4.png").stat().st_size > 20_000
