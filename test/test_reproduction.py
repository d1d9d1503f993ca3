"""The reproduction's setting and its smallest possible run."""

import csv
import hashlib
import json

import numpy as np
import pytest

from crisp_ik_ros import CRiSP, Dataset, RobotModel
from crisp_ik_ros.errors import DatasetError, InvalidInputError
from crisp_ik_ros.estimators.baselines.paper_crisp import PaperCRiSP
from crisp_ik_ros.experiments import presets, reproduce, table1, table2
from crisp_ik_ros.experiments.grid_search import Grid, search_grid
from crisp_ik_ros.experiments.paper import (
    STANDING,
    biased_model,
    panda_trajectories,
    path_errors,
    printed_tables,
    standing,
    standing_panda,
)
from crisp_ik_ros.experiments.shared_factor import SharedFactorCRiSP
from crisp_ik_ros.experiments.side_by_side import cells, printed_cell
from crisp_ik_ros.experiments.steps import Steps
from crisp_ik_ros.regression.kernels import GaussianKernel
from crisp_ik_ros.transforms import euler_from_matrix, make_pose, matrix_from_euler


def test_trajectories_are_where_the_authors_have_them():
    paths = panda_trajectories(points=200)
    # Their generator: angle over 6 turns, z down and up again by 6 cm around (0, 0.044, -0.45); yaw 0.
    angle = np.linspace(0.0, 12.0 * np.pi, 200)
    along = np.concatenate([np.linspace(0.03, -0.03, 100), np.linspace(-0.03, 0.03, 100)])
    expected = np.column_stack([0.03 * np.cos(angle), 0.044 + 0.03 * np.sin(angle), -0.45 + along])
    np.testing.assert_allclose(paths["S"][:, :3, 3], expected, atol=1e-12)
    for name, yaw in (("S", 0.0), ("C0", 0.0), ("C-pi/4", -np.pi / 4), ("C+pi/4", np.pi / 4)):
        euler = euler_from_matrix(paths[name][:, :3, :3])
        np.testing.assert_allclose(euler, np.tile([np.pi / 2, 0.0, yaw], (200, 1)), atol=1e-12)


def test_a_dataset_in_the_authors_frame_fits_the_robot_in_the_authors_frame():
    robot, panda = standing_panda(), RobotModel.panda()
    q = panda.random_configurations(5, np.random.default_rng(0))
    moved = standing(Dataset(q, panda.forward_kinematics(q), panda.joint_names))
    np.testing.assert_allclose(robot.forward_kinematics(q), moved.poses, atol=1e-12)
    np.testing.assert_allclose(moved.poses, STANDING @ panda.forward_kinematics(q))


def test_joint_bias_has_one_sign_and_link_bias_random_ones_of_one_size():
    robot = standing_panda()
    biased = biased_model(robot, joint_bias_deg=2.0)
    np.testing.assert_allclose(
        biased.forward_kinematics(robot.rest), robot.forward_kinematics(robot.rest + np.deg2rad(2.0)), atol=1e-12
    )
    shifted = biased_model(robot, link_bias_mm=3.0, seed=4)
    steps = [b.origin[:3, 3] - a.origin[:3, 3] for a, b in zip(robot.joints, shifted.joints, strict=True)]
    np.testing.assert_allclose(np.abs(steps), 0.003)
    assert len(np.unique(np.sign(steps))) == 2


def test_both_error_conventions_by_hand():
    target = make_pose([0.1, 0.2, 0.3], matrix_from_euler([0.1, 0.0, 3.1]))[None]
    reached = make_pose([0.1, 0.23, 0.26], matrix_from_euler([0.1, 0.0, -3.1]))[None]
    errors = path_errors(target, reached)
    assert errors["position"][0] == pytest.approx(0.05)
    assert errors["position_l1"][0] == pytest.approx(0.07)
    # Over the wrap the yaws are 2 pi - 6.2 apart.
    assert errors["orientation_l1"][0] == pytest.approx(2.0 * np.pi - 6.2)
    assert errors["orientation"][0] == pytest.approx(2.0 * np.pi - 6.2)


def test_printed_figures_are_the_papers():
    printed = printed_tables()
    assert printed_cell(printed, "joint_bias_deg", "position_mm", "1.0", "S", "crisp_fk") == 7.31
    assert printed_cell(printed, "link_bias_mm", "orientation_1e-4rad", "30.0", "C+pi/4", "sdls") == 21.8
    assert printed_cell(printed, "joint_bias_deg", "position_mm", "1.0", "S", "residual") is None


@pytest.mark.parametrize("name", list(presets.PRESETS))
def test_a_part_of_a_preset_is_drawn_anew_to_the_same_bytes_and_a_shorter_one_is_its_beginning(name, tmp_path):
    for file, count in (("a.npz", 30), ("b.npz", 30), ("c.npz", 12)):
        presets.make_part(name, "test", count).save(tmp_path / file)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    longer, shorter = Dataset.load(tmp_path / "a.npz"), Dataset.load(tmp_path / "c.npz")
    if name != "planar":  # configurations of a workspace are drawn in one go
        np.testing.assert_array_equal(longer.configurations[:12], shorter.configurations)


def test_the_planar_test_part_has_its_published_checksum(tmp_path):
    path = tmp_path / "planar-test.npz"
    presets.make_part("planar", "test").save(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == presets.published_checksums()[path.name]


def test_every_part_has_a_published_checksum():
    expected = {f"{name}-{part}.npz" for name in presets.PRESETS for part in presets.PARTS}
    assert set(presets.published_checksums()) == expected


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="preset"):
        presets.make_part("cube", "train")
    with pytest.raises(InvalidInputError, match="part"):
        presets.make_part("planar", "training")
    with pytest.raises(InvalidInputError, match="table2"):
        reproduce.reproduce("table9", tmp_path)


def patch_smallest(patch):
    patch.setattr(table2, "QUICK", (400, 6, 200, 3))
    patch.setattr(table2, "QUICK_GRID", Grid((0.1,), (0.5,), (1e-7, 1e-9), 200, 4))
    patch.setattr(table2, "CALIBRATION_SAMPLES", 100)
    patch.setattr(table2, "JOINT_BIASES", (0.0, 1.0))
    patch.setattr(table2, "FIGURE5_ROW", ("joint_bias_deg", 1.0))
    patch.setattr(table2, "LINK_BIASES", (10.0,))


@pytest.fixture(scope="module")
def smallest(tmp_path_factory):
    """Table 2 with two rows and few samples."""
    out = tmp_path_factory.mktemp("reproduce")
    with pytest.MonkeyPatch.context() as patch:
        patch_smallest(patch)
        results, text = reproduce.reproduce("table2", out, quick=True)
    return out, results, text


def test_table_2_has_every_method_in_every_cell(smallest):
    table = smallest[1]["table2"]
    for kind, biases in (("joint_bias_deg", ("0.0", "1.0")), ("link_bias_mm", ("10.0",))):
        for quantity in ("position_mm", "orientation_1e-4rad"):
            for bias in biases:
                for trajectory in ("S", "C0", "C-pi/4", "C+pi/4"):
                    assert set(table[kind][quantity][bias][trajectory]) == set(table2.METHODS)


def test_residual_is_exact_where_the_model_is_right_and_far_ahead_of_it_where_it_is_wrong(smallest):
    position = smallest[1]["table2"]["joint_bias_deg"]["position_mm"]
    for trajectory in ("S", "C0", "C-pi/4", "C+pi/4"):
        assert position["0.0"][trajectory]["residual"]["mean"] < 0.01
        biased = position["1.0"][trajectory]
        assert biased["residual"]["mean"] < 0.3 * biased["sdls"]["mean"]
        assert biased["sdls"]["mean"] > 15.0
        assert biased["calibration"]["mean"] < 0.01


def test_learned_kinematics_is_exact_in_every_cell(smallest):
    for kind, quantity, bias, trajectory, methods in cells(smallest[1]["table2"]):
        # A tenth of a millimetre, and of a milliradian.
        most = 0.1 if quantity == "position_mm" else 1.0
        assert methods["learned_kinematics"]["mean"] < most, (kind, quantity, bias, trajectory)


def test_one_method_is_measured_anew_and_put_into_the_table_that_is_there(smallest, tmp_path, monkeypatch):
    patch_smallest(monkeypatch)
    before = json.loads((smallest[0] / "table2.json").read_text())
    without = json.loads((smallest[0] / "table2.json").read_text())
    for *_, methods in cells(without):
        del methods["sdls"]
        methods["residual"]["mean"] = 77.0
    (tmp_path / "table2.json").write_text(json.dumps(without))
    results, text = reproduce.reproduce("table2", tmp_path, quick=True, methods=["sdls"])
    after = json.loads((tmp_path / "table2.json").read_text())
    assert results == {"table2": after} and "sdls" in text
    for (*_, old), (*_, new) in zip(cells(before), cells(after), strict=True):
        assert new["sdls"] == pytest.approx(old["sdls"])
        assert new["residual"]["mean"] == 77.0 and new["crisp_fk"] == old["crisp_fk"]
    assert after["run"]["command"] == before["run"]["command"]
    assert "--methods sdls" in after["run"]["added"]["sdls"]["command"]
    assert (tmp_path / "table2.png").stat().st_size > 20_000 and not (tmp_path / "figure6.json").exists()
    with pytest.raises(DatasetError, match="seed 0"):
        reproduce.reproduce("table2", tmp_path, quick=True, seed=1, methods=["sdls"])
    assert json.loads((tmp_path / "table2.json").read_text()) == after


def test_methods_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="learned_kinematics"):
        reproduce.reproduce("table2", tmp_path, quick=True, methods=["guessing"])
    with pytest.raises(InvalidInputError, match="only table2"):
        reproduce.reproduce("table1", tmp_path, quick=True, methods=["sdls"])


@pytest.fixture(scope="module")
def smallest_table1(tmp_path_factory):
    out = tmp_path_factory.mktemp("table1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table1, "QUICK", (600, 12, 300))
        patch.setattr(table1, "QUICK_GRID", Grid((4.8,), (0.3, 0.6), (1e-12,), 300, 6))
        results, text = reproduce.reproduce("figure3", out, quick=True)
    return out, results, text


def test_table_1_shows_the_papers_claim_that_a_loss_through_the_kinematics_is_far_ahead(smallest_table1):
    out, results, text = smallest_table1
    table = results["table1"]
    for trajectory in ("eight", "circle"):
        position = {method: mean for method, (mean, _) in table[trajectory]["position_cm"].items()}
        assert set(position) == set(table1.METHODS)
        assert position["residual"] < 1e-3 and position["crisp_fk_chordal"] < 1e-3
        for other in ("nn", "ocsvm", "crisp_r"):
            assert position[other] > 10.0 * position["crisp_fk"]
    assert "(0.05 +- 0.04)" in text
    assert json.loads((out / "table1.json").read_text()) == table
    assert json.loads((out / "figure3.json").read_text()) == results["figure3"]
    for name in ("table1", "figure3"):
        assert (out / f"{name}.png").stat().st_size > 20_000


def test_figure_3_has_the_paths_that_table_1_measures(smallest_table1):
    _, results, _ = smallest_table1
    for trajectory in ("eight", "circle"):
        paths = results["figure3"][trajectory]
        assert set(paths) == {"target", *table1.METHODS}
        for method in table1.METHODS:
            distances = np.linalg.norm(np.array(paths[method]) - np.array(paths["target"]), axis=1)
            expected = results["table1"][trajectory]["position_cm"][method]
            np.testing.assert_allclose(1e2 * distances.mean(), expected[0], rtol=1e-6, atol=1e-9)


def test_files_hold_the_results_and_the_pictures_are_drawn(smallest):
    out, results, text = smallest
    assert set(results) == {"table2", "figure5", "figure6"}
    for name, result in results.items():
        assert json.loads((out / f"{name}.json").read_text()) == result
        assert (out / f"{name}.png").stat().st_size > 20_000
        assert (out / f"{name}.csv").stat().st_size > 200
    with (out / "table2.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 * 2 * 4 * len(table2.METHODS)
    assert "(7.31)" in text


def test_figure_5_has_the_paths_that_table_2_measures(smallest):
    _, results, _ = smallest
    for trajectory in ("S", "C0"):
        paths = results["figure5"][trajectory]
        cells = results["table2"]["joint_bias_deg"]["position_mm"]["1.0"][trajectory]
        assert set(paths) == {"target", *table2.FIGURE5[1]}
        for method in table2.FIGURE5[1]:
            goals = np.array(paths["target"])[:: 3 if method == "pybullet" else 1]
            distances = np.linalg.norm(np.array(paths[method]) - goals, axis=1)
            assert 1e3 * distances.mean() == pytest.approx(cells[method]["mean"], rel=1e-9)


def test_figure_6_has_the_largest_scores_and_where_they_are(smallest):
    _, results, _ = smallest
    for data in (results["figure6"][name] for name in ("S", "C0")):
        magnitudes = np.array(data["magnitudes"])
        assert len(magnitudes) == len(data["positions"]) == data["samples"] == 400
        largest = np.sort(magnitudes)[::-1]
        assert 1 <= data["samples_with_90_percent"] <= 400
        count = data["samples_with_90_percent"]
        assert largest[:count].sum() >= 0.9 * largest.sum() * (1.0 - 1e-6) > largest[: count - 1].sum()


def test_grid_search_takes_the_candidate_of_the_smallest_error_and_records_all():
    robot = RobotModel.planar5()
    train, validation = presets.make_part("planar", "train", 300), presets.make_part("planar", "validation", 8)
    grid = Grid((0.5, 2.0), (0.5,), (1e-3, 1e-9), 250, 6)
    choice = search_grid(robot, train, validation, grid)
    tried = choice.record["tried"]
    assert len(tried) == 4
    assert choice.record["grid"]["samples"] == 250
    assert choice.record["grid"]["poses"] == 6
    best = min(tried, key=lambda candidate: candidate["error"])
    assert choice.record["chosen"] == best
    assert choice.penalty == best["penalty"]
    # Recomputed for the winner: fit, predict each pose from the sample of its largest score, median of the distance.
    paper = PaperCRiSP(robot, kernel=choice.kernel, penalty=choice.penalty).fit(train.subset(np.arange(250)))
    errors = []
    for pose in validation.poses[:6]:
        reached = robot.forward_kinematics(paper.solve_path(pose[None]).configurations)
        found = path_errors(pose[None], reached)
        errors.append(found["position_l1"][0] + 0.05 * found["orientation_l1"][0])
    assert best["error"] == pytest.approx(np.median(errors), rel=1e-6)


def test_a_shared_factor_gives_what_a_fit_of_its_own_gives():
    robot = standing_panda()
    dataset = standing(presets.make_part("panda-torus", "train", 80))
    models = [biased_model(robot, joint_bias_deg=bias) for bias in (0.5, 2.0)]
    kernel = GaussianKernel(0.1, 1.0)
    first = SharedFactorCRiSP(models[0], kernel, 1e-8)
    first.fit(dataset)
    shared = SharedFactorCRiSP(models[1], kernel, 1e-8, first)
    shared.fit(dataset)
    alone = CRiSP(models[1], "residual", kernel, 1e-8, centers=None).fit(dataset)
    target = dataset.poses[3]
    np.testing.assert_array_equal(shared.solve(target).configuration, alone.solve(target).configuration)


def test_progress_of_several_parts_is_counted_together():
    seen = []
    steps = Steps(3, lambda done, total: seen.append((done, total)))
    steps()
    steps(7, 20)
    steps()
    assert seen == [(1, 3), (2, 3), (3, 3)]
    Steps(1, None)()
