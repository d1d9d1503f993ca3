"""Decisions of ``train`` by the data, its refusals and warnings; by the command line and in Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from measured import measured_poses, measured_positions, true_robot
from oracles import sample_around
from typer.testing import CliRunner

from crisp_ik_ros import CRiSP, Dataset, LearnedKinematics, load_model
from crisp_ik_ros.cli import app
from crisp_ik_ros.errors import DatasetError, InvalidInputError
from crisp_ik_ros.training import comparison
from crisp_ik_ros.training import train as module
from crisp_ik_ros.training.checks import INSPECTED, inspected_rows
from crisp_ik_ros.training.comparison import choose_estimator
from crisp_ik_ros.training.request import TrainingRequest
from crisp_ik_ros.training.train import train

FRAME = np.array([[0.0, -1, 0, 3], [1, 0, 0, -2], [0, 0, 1, 1], [0, 0, 0, 1.0]])
TOOL = np.array([[1.0, 0, 0, 0.02], [0, 0, -1, 0.03], [0, 1, 0, 0.3], [0, 0, 0, 1.0]])


@pytest.fixture(scope="module")
def true(panda):
    return true_robot(panda)


@pytest.fixture(scope="module")
def stops(true):
    return measured_poses(true, 60, 0)


@pytest.fixture(scope="module")
def frozen(stops):
    return Dataset(stops.configurations, np.tile(stops.poses[:1], (60, 1, 1)), stops.joint_names)


@pytest.fixture(scope="module")
def run():
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(argument) for argument in arguments])


def made(robot, dataset, path, said=None, **request):
    return train(
        TrainingRequest(path, **request), robot, lambda: dataset, {"data": "here"},
        lambda label: lambda done, total: None, (lambda text: None) if said is None else said.append,
    )  # fmt: skip


# -- the estimator -----------------------------------------------------------------------------------------------------


def test_the_better_estimator_on_held_out_stops_is_taken_and_said(panda, stops, tmp_path):
    said = []
    trained = made(panda, stops, tmp_path / "m.npz", said)
    assert isinstance(trained.model, LearnedKinematics)
    figures = trained.figures
    assert figures["learned_kinematics"]["median"] < 0.1 * figures["crisp"]["median"]
    assert figures["nominal"]["median"] > 10.0 and figures["held-out samples"] == 15
    assert f"learned_kinematics {figures['learned_kinematics']['median']:.3g} mm" in said[-1]
    assert f"crisp {figures['crisp']['median']:.3g} mm" in said[-1]
    loaded = load_model(tmp_path / "m.npz")
    assert loaded.training_summary["comparison"] == figures and loaded.training_summary["data"] == "here"
    assert trained.summary()["comparison, held out [mm]"] == figures


def test_crisp_is_taken_where_it_is_better(panda, biased_panda, monkeypatch, tmp_path):
    """Errors that no model of joints and links explains, around one place."""
    samples = sample_around(panda, biased_panda, 400, spread=0.1)
    poses = np.array(samples.poses)
    poses[:, 2, 3] += 5e-3 * np.sin(30.0 * poses[:, 0, 3])
    samples = Dataset(samples.configurations, poses, samples.joint_names)
    trained = made(panda, samples, tmp_path / "m.npz")
    best = min(("crisp", "learned_kinematics"), key=lambda name: trained.figures[name]["median"])
    assert trained.choice.startswith(best)


def test_the_held_out_rows_are_other_stops(panda, true, monkeypatch):
    rng = np.random.default_rng(0)
    q = np.repeat(panda.random_configurations(60, rng), 5, axis=0)
    samples = Dataset(q, true.forward_kinematics(q), panda.joint_names)
    seen = []
    fit = CRiSP.fit

    def watched(self, dataset, progress=None):
        seen.append(np.unique(dataset.configurations, axis=0))
        return fit(self, dataset, progress)

    monkeypatch.setattr(CRiSP, "fit", watched)
    choice = choose_estimator(TrainingRequest(Path("m.npz")), panda, samples)
    assert len(seen) == 1 and len(seen[0]) == 45
    assert choice.figures["held-out samples"] == 75


def test_few_stops_and_many_need_no_comparison(panda, true, monkeypatch):
    few = measured_poses(true, 20, 0)
    few = few.subset(np.repeat(np.arange(20), 30))
    request = TrainingRequest(Path("m.npz"))
    choice = choose_estimator(request, panda, few)
    assert choice.name == "learned_kinematics" and "20 distinct configurations" in choice.why
    monkeypatch.setattr(comparison, "MANY_STOPS", 100)
    choice = choose_estimator(request, panda, measured_poses(true, 120, 0))
    assert choice.name == "crisp" and "more than 100" in choice.why and not choice.figures
    choice = choose_estimator(request, panda, few, simulated=True)
    assert choice.name == "crisp" and "simulation" in choice.why


# -- frame and tool ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "tool", "expected"),
    [(None, None, ("known", "known")), (FRAME, None, ("unknown", "known")), (FRAME, TOOL, ("unknown", "unknown"))],
)
def test_frame_and_tool_are_as_the_data_shows(panda, true, tmp_path, frame, tool, expected):
    said = []
    dataset = measured_poses(true, 80, 0, frame, tool)
    trained = made(panda, dataset, tmp_path / "m.npz", said, frame="auto", tool="auto", estimator="auto")
    model = trained.model
    assert (model.frame, model.tool) == expected
    assert model.validation_["position_median"] < 5e-4
    assert said[0].startswith(f"frame {expected[0]}, tool {expected[1]}: ")
    assert load_model(tmp_path / "m.npz").training_summary["placement"]["frame"] == expected[0]
    assert not any("measurement frame" in text for text in trained.warnings)


def test_what_is_said_of_frame_and_tool_stands_with_a_warning(panda, true, tmp_path):
    dataset = measured_positions(true, 80, 1, FRAME)
    trained = made(panda, dataset, tmp_path / "m.npz", frame="known", tool="auto", force=True)
    assert trained.model.frame == "known"
    assert any(text.startswith("measurement frame: ") for text in trained.warnings)


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ["auto", "crisp", "learned_kinematics"])
def test_a_frozen_tracker_is_refused(panda, frozen, tmp_path, estimator):
    with pytest.raises(DatasetError, match=r"frozen measurement.*rows 0 to 59.*Measure again.*--force"):
        made(panda, frozen, tmp_path / "m.npz", estimator=estimator)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda q, poses: (np.rad2deg(q), poses), "degrees for radians"),
        (lambda q, poses: (q[:, [1, 0, 2, 3, 4, 5, 6]], poses), "swapped joints"),
        (lambda q, poses: (q, np.random.default_rng(0).permutation(poses)), "wrong robot"),
    ],
)
def test_faults_that_make_the_data_worthless_stop_training(panda, stops, tmp_path, change, name):
    q, poses = change(np.array(stops.configurations), np.array(stops.poses))
    with pytest.raises(DatasetError, match=name):
        made(panda, Dataset(q, poses, stops.joint_names), tmp_path / "m.npz")


def test_other_faults_are_warnings_in_summary_and_file(panda, stops, tmp_path):
    poses = np.array(stops.poses)
    poses[[7, 40], 2, 3] += 0.05
    trained = made(panda, Dataset(stops.configurations, poses, stops.joint_names), tmp_path / "m.npz")
    assert any(text.startswith("outliers: 2 samples of 60") for text in trained.warnings)
    assert trained.summary()["warnings"] == list(trained.warnings)
    assert load_model(tmp_path / "m.npz").training_summary["data_warnings"][0].startswith("outliers")


def test_the_command_refuses_names_the_fault_and_can_be_forced(run, frozen, tmp_path):
    frozen.save(tmp_path / "frozen.csv")
    result = run("train", tmp_path / "m.npz", "--data", tmp_path / "frozen.csv", "--json")
    assert result.exit_code != 0 and isinstance(result.exception, DatasetError)
    assert "frozen measurement" in str(result.exception) and not (tmp_path / "m.npz").exists()
    result = run("train", tmp_path / "m.npz", "--data", tmp_path / "frozen.csv", "--force", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["warnings"][0].startswith("frozen measurement")


def test_samples_of_the_simulation_are_not_looked_into(panda, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "check_samples", lambda *arguments: pytest.fail("looked into"))
    samples = sample_around(panda, panda.with_bias(np.full(7, 0.01)), 60)
    request = TrainingRequest(tmp_path / "m.npz", frame="auto", tool="auto")
    trained = train(request, panda, lambda: samples, {}, lambda label: lambda done, total: None, count=60)
    assert isinstance(trained.model, CRiSP)


def test_large_data_is_looked_into_in_runs():
    rows = inspected_rows(100_000)
    assert len(rows) == INSPECTED and rows[0] == 0 and rows[-1] == 99_999
    assert (np.diff(rows) == 1).sum() > 0.9 * INSPECTED
    np.testing.assert_array_equal(inspected_rows(300), np.arange(300))


# -- options of LearnedKinematics --------------------------------------------------------------------------------------


def test_harmonics_and_noise_are_passed_on_only_where_they_are_given(panda, stops, monkeypatch, tmp_path):
    given = []

    class Watched(LearnedKinematics):
        def __init__(self, robot, **options):
            given.append(options.copy())
            options.pop("position_noise", None)
            super().__init__(robot, kernel="none", **options)

    monkeypatch.setattr(module, "LearnedKinematics", Watched)
    made(panda, stops, tmp_path / "a.npz", estimator="learned_kinematics")
    assert not {"harmonics", "position_noise"} & set(given[0])
    trained = made(panda, stops, tmp_path / "b.npz", harmonics=3, position_noise=2e-5)
    assert given[1]["harmonics"] == 3 and given[1]["position_noise"] == 2e-5
    assert "periodic errors and the noise of the device" in trained.choice


@pytest.mark.parametrize(
    ("option", "value"), [("harmonics", 101), ("harmonics", -1), ("position_noise", 0.0), ("position_noise", 1.0)]
)
def test_values_that_no_device_or_joint_has_are_refused(option, value):
    with pytest.raises(InvalidInputError, match=option):
        TrainingRequest(Path("m.npz"), **{option: value}).check()


def test_the_command_passes_harmonics_on(run, stops, tmp_path):
    stops.save(tmp_path / "d.csv")
    result = run("train", tmp_path / "m.npz", "--data", tmp_path / "d.csv", "--harmonics", 2, "--json")
    assert result.exit_code == 0, result.output
    names = [one.name for one in load_model(tmp_path / "m.npz").identified_]
    assert any("periodic" in name or "2" in name for name in names)
    assert load_model(tmp_path / "m.npz").harmonics == 2
    assert run("train", tmp_path / "m.npz", "--harmonics", 101).exit_code == 2


# -- evaluate ----------------------------------------------------------------------------------------------------------


def test_evaluate_writes_what_is_left_at_each_row(run, panda, true, stops, tmp_path):
    stops.save(tmp_path / "train.npz")
    test = measured_poses(true, 40, 5)
    test.save(tmp_path / "test.csv")
    for estimator in ("learned_kinematics", "crisp"):
        model = tmp_path / f"{estimator}.npz"
        result = run("train", model, "--data", tmp_path / "train.npz", "--estimator", estimator, "--json")
        assert result.exit_code == 0, result.output
        table = tmp_path / f"{estimator}.csv"
        result = run("evaluate", model, tmp_path / "test.csv", "--residuals", table, "--json")
        assert result.exit_code == 0, result.output
        summary = json.loads(result.stdout)
        rows = np.genfromtxt(table, delimiter=",", names=True)
        assert len(rows) == 40 and rows.dtype.names[1:8] == panda.joint_names
        length = np.sqrt(rows["error_x_m"] ** 2 + rows["error_y_m"] ** 2 + rows["error_z_m"] ** 2)
        np.testing.assert_allclose(rows["error_m"], length, rtol=1e-6)
        for label, column in (("[mm]", "error_m"), ("[mrad]", "orientation_error_rad")):
            figures = summary[f"learned {label}"]
            assert figures["p95"] == pytest.approx(1e3 * np.quantile(rows[column], 0.95), rel=1e-6)
            assert figures["median"] == pytest.approx(1e3 * np.median(rows[column]), rel=1e-6)
        assert ((rows["support"] >= 0.0) & (rows["support"] <= 1.0)).all()
        assert np.isfinite(rows["bound_m"]).all() == (estimator == "learned_kinematics")
        loaded = load_model(model)
        if estimator == "learned_kinematics":
            np.testing.assert_allclose(rows["bound_m"], loaded.predicted_error(test.configurations), rtol=1e-6)
            off = test.poses[:, :3, 3] - loaded.forward_kinematics(test.configurations)[:, :3, 3]
            np.testing.assert_allclose(rows["error_x_m"], off[:, 0], atol=1e-9)
        else:
            np.testing.assert_allclose(rows["error_m"], loaded.errors(test.poses, test.configurations)[0], rtol=1e-6)


def test_frame_and_tool_are_fitted_to_the_evaluated_rows_where_asked_for(run, true, stops, tmp_path):
    stops.save(tmp_path / "train.npz")
    run("train", tmp_path / "m.npz", "--data", tmp_path / "train.npz", "--estimator", "learned_kinematics", "--json")
    measured_poses(true, 60, 6, FRAME, TOOL).save(tmp_path / "other.npz")
    as_is = json.loads(run("evaluate", tmp_path / "m.npz", tmp_path / "other.npz", "--json").stdout)
    assert as_is["learned [mm]"]["median"] > 1000.0
    both = ("--frame", "unknown", "--tool", "unknown", "--json")
    fitted = json.loads(run("evaluate", tmp_path / "m.npz", tmp_path / "other.npz", *both).stdout)
    assert fitted["learned [mm]"]["median"] < 0.4 and fitted["learned [mrad]"]["median"] < 3.0
    assert fitted["fitted to these samples"].startswith("frame and tool, by least squares")
    assert fitted["solved without a seed"] > 0.9 and fitted["nominal [mm]"]["median"] > 5.0
    only = json.loads(run("evaluate", tmp_path / "m.npz", tmp_path / "other.npz", *both[:2], "--json").stdout)
    assert only["learned [mm]"]["median"] > 10.0


def test_crisp_has_no_frame_or_tool_to_fit(run, biased_panda, panda, tmp_path):
    samples = sample_around(panda, biased_panda, 60)
    CRiSP(panda).fit(samples).save(tmp_path / "m.npz")
    samples.save(tmp_path / "d.npz")
    result = run("evaluate", tmp_path / "m.npz", tmp_path / "d.npz", "--frame", "unknown")
    assert isinstance(result.exception, InvalidInputError)
