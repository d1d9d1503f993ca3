"""Models from measured data of any kind, with what is written beside them: report, corrected URDF, summary."""

from __future__ import annotations

import base64
import json
import re
from copy import copy
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import bags
import numpy as np
import pytest
from measured import measured_poses, measured_positions, touched_points, true_robot, write_points
from typer.testing import CliRunner

from crisp_ik_ros import CRiSP, Dataset, LearnedKinematics, RobotModel, load_model
from crisp_ik_ros.cli import app
from crisp_ik_ros.datasets.rosbag import read_rosbag
from crisp_ik_ros.errors import CrispIKError, DatasetError, InvalidInputError, NotFittedError
from crisp_ik_ros.resources import model_path
from crisp_ik_ros.robots.robot_model import panda_urdf_path
from crisp_ik_ros.terminal import show
from crisp_ik_ros.training.comparison import choose_estimator
from crisp_ik_ros.training.findings import held_out, kind_of, regions, verdict
from crisp_ik_ros.training.geometry import write_corrected_urdf
from crisp_ik_ros.training.report import report, write_report
from crisp_ik_ros.training.request import TrainingRequest
from crisp_ik_ros.training.samples import counts, load_samples
from crisp_ik_ros.training.train import train

pytest.importorskip("pybullet_data")
pytest.importorskip("matplotlib")

PLACES = {"left": (0.35, 0.35, 0.25), "right": (0.45, -0.3, 0.2)}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta"}


@pytest.fixture(scope="module")
def true(panda):
    return true_robot(panda)


@pytest.fixture(scope="module")
def poses(true):
    """80 poses, of which rows 7 and 40 are wrong by 50 mm."""
    data = measured_poses(true, 80, 0)
    wrong = np.array(data.poses)
    wrong[[7, 40], 2, 3] += 0.05
    return Dataset(data.configurations, wrong, data.joint_names)


@pytest.fixture(scope="module")
def learned(panda, poses):
    return LearnedKinematics(panda, kernel="none").fit(poses)


@pytest.fixture(scope="module")
def points(true):
    return touched_points(true, PLACES, 10, 0)


@pytest.fixture(scope="module")
def run():
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(run, true, tmp_path_factory):
    """All that the command writes for positions in a frame of the device's own."""
    folder = tmp_path_factory.mktemp("trained")
    frame = np.array([[0.0, -1, 0, 3], [1, 0, 0, -2], [0, 0, 1, 1], [0, 0, 0, 1.0]])
    measured_positions(true, 80, 1, frame).save(folder / "train.csv")
    measured_positions(true, 40, 2, frame).save(folder / "test.npz")
    result = run(
        "train", folder / "model.npz", "--data", folder / "train.csv", "--frame", "unknown", "--json",
        "--report", folder / "page" / "report.html", "--corrected-urdf", folder / "corrected.urdf",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return folder, json.loads(result.stdout), frame


class Page(HTMLParser):
    """Elements of a page: all closed, in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.sources, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


# -- which estimator ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "kind", "expected"),
    [
        ({}, "poses", "learned_kinematics"),
        ({"penalty": 1e-6}, "poses", "crisp"),
        ({}, "points", "learned_kinematics"),
        ({"tool": "unknown"}, "poses", "learned_kinematics"),
        ({"frame": "unknown"}, "poses", "learned_kinematics"),
        ({"report": Path("r.html")}, "poses", "learned_kinematics"),
        ({"corrected_urdf": Path("r.urdf")}, "poses", "learned_kinematics"),
        ({"estimator": "learned_kinematics"}, "poses", "learned_kinematics"),
        ({"estimator": "crisp"}, "poses", "crisp"),
    ],
)
def test_the_data_and_the_options_decide_on_the_estimator(panda, poses, points, request_, kind, expected):
    request = TrainingRequest(Path("m.npz"), **request_)
    request.check()
    choice = choose_estimator(request, panda, poses if kind == "poses" else points)
    assert choice.name == expected and choice.why


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        ({"estimator": "ridge"}, "ridge"),
        ({"frame": "maybe"}, "frame"),
        ({"tool": ""}, "tool"),
        ({"estimator": "crisp", "tool": "unknown"}, "an unknown tool"),
        ({"estimator": "crisp", "report": Path("r.html")}, "a report"),
        ({"report": Path("m.npz")}, "twice"),
    ],
)
def test_what_cannot_be_is_refused_before_the_data_is_read(panda, request_, word):
    def never() -> Dataset:
        raise AssertionError("the data was read")

    with pytest.raises(InvalidInputError, match=word):
        train(TrainingRequest(Path("m.npz"), **request_), panda, never, {}, lambda label: lambda done, total: None)


def test_crisp_refuses_what_it_cannot_use_and_names_the_way_out(panda, points, tmp_path):
    request = TrainingRequest(tmp_path / "m.npz", "crisp")
    with pytest.raises(DatasetError, match="learned_kinematics"):
        train(request, panda, lambda: points, {}, lambda label: lambda done, total: None)
    assert not list(tmp_path.iterdir())


# -- samples -----------------------------------------------------------------------------------------------------------


def test_a_folder_of_points_has_the_robots_joints_and_the_known_distance(panda, points, tmp_path):
    folder = write_points(points, tmp_path / "points")
    read = load_samples(folder, panda, 0.05)
    assert read.joint_names == panda.joint_names and len(read) == len(points)
    assert {(d.first, d.second, d.length) for d in read.distances} == {
        (f"{name}/hole_0", f"{name}/hole_1", 0.05) for name in PLACES
    }
    assert not load_samples(folder, panda).distances


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_a_recording_is_taken_as_a_folder_and_as_its_file(tmp_path, storage):
    arm = bags.Arm.random(12)
    folder = bags.write_bag(tmp_path / "bag", bags.Device().messages(arm), storage)
    # A robot without limits: the recorded arm has none.
    names = read_rosbag(folder).joint_names
    robot = SimpleNamespace(joint_names=names, within_limits=lambda q, _: np.ones(len(q), dtype=bool))
    file = next(path for path in folder.iterdir() if path.suffix in (".mcap", ".db3"))
    for path in (folder, file):
        np.testing.assert_allclose(load_samples(path, robot).configurations, arm.stops, atol=3e-5)
    with pytest.raises(InvalidInputError, match="folder of points"):
        load_samples(folder, robot, 0.05)


def test_a_distance_without_points_is_refused(panda, poses, tmp_path):
    poses.save(tmp_path / "data.csv")
    with pytest.raises(InvalidInputError, match="folder of points"):
        load_samples(tmp_path / "data.csv", panda, 0.05)
    with pytest.raises(InvalidInputError, match="distance"):
        load_samples(tmp_path, panda, -0.05)


# -- the commands ------------------------------------------------------------------------------------------------------


def test_train_on_positions_makes_a_model_of_the_true_robot(trained, true, panda):
    folder, summary, _ = trained
    assert summary["estimator"].startswith("learned_kinematics (the data has samples without a full pose)")
    assert next(iter(summary)) == "warnings"
    assert summary["samples"] == 80 and summary["kinds"] == "80 with positions"
    model = load_model(folder / "model.npz", panda)
    assert model.training_summary["source"] == {"data": "train.csv"} and model.frame == "unknown"
    q = panda.random_configurations(50, np.random.default_rng(5))
    # What positions in an unknown frame tell is where the tool is in that frame.
    expected = (trained[2] @ true.forward_kinematics(q))[:, :3, 3]
    off = np.linalg.norm(model.measured_poses(q)[:, :3, 3] - expected, axis=1)
    nominal = summary["nominal, held out [mm]"]["median"]
    assert 1e3 * np.median(off) < nominal / 20.0


def test_evaluate_takes_positions_and_says_what_numpy_says(run, trained):
    folder, _, frame = trained
    result = run("evaluate", folder / "model.npz", folder / "test.npz", "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    model, data = load_model(folder / "model.npz"), Dataset.load(folder / "test.npz")
    predicted = model.frame_ @ model.robot_.forward_kinematics(data.configurations) @ model.tool_
    off = np.linalg.norm(predicted[:, :3, 3] - data.poses[:, :3, 3], axis=1)
    assert summary["learned [mm]"]["median"] == pytest.approx(1e3 * np.median(off))
    assert summary["learned [mm]"]["max"] == pytest.approx(1e3 * off.max())
    # The nominal robot stands where it fits best, which is no worse than where it truly stands.
    there = frame @ model.robot.forward_kinematics(data.configurations)
    at_best = np.sqrt(summary["nominal [mm]"]["mean"] ** 2 + summary["nominal [mm]"]["std"] ** 2)
    assert at_best <= 1e3 * np.sqrt(np.mean(np.sum((there - data.poses)[:, :3, 3] ** 2, axis=1))) * (1 + 1e-9)
    assert summary["learned [mm]"]["median"] < summary["nominal [mm]"]["median"] / 10.0
    assert summary["within the bound, with noise"] > 0.8 and summary["solved without a seed"] > 0.9
    assert "learned [mrad]" not in summary


def test_ik_says_how_far_off_the_tool_may_be(run, trained):
    folder, _, _ = trained
    result = run("ik", folder / "model.npz", "--position", 0.4, 0.1, 0.4, "--timeout", 1.0, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    model = load_model(folder / "model.npz")
    q = list(answer["configuration"].values())
    assert answer["predicted_error"] == pytest.approx(model.predicted_error(q)) and answer["predicted_error"] > 0.0
    np.testing.assert_allclose(model.robot_.forward_kinematics(q)[:3, 3], [0.4, 0.1, 0.4], atol=1e-5)


def test_points_are_trained_on_and_evaluated_by_their_scatter(run, points, true, tmp_path):
    folder = write_points(points, tmp_path / "points")
    result = run("train", tmp_path / "m.npz", "--data", folder, "--distance", 0.05, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["kinds"] == "40 at 4 points"
    other = touched_points(true, {"front": (0.5, 0.05, 0.3)}, 10, 1)
    result = run("evaluate", tmp_path / "m.npz", write_points(other, tmp_path / "test"), "--distance", 0.05, "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    model = load_model(tmp_path / "m.npz")
    for label, robot in (("nominal", model.robot), ("learned", model.robot_)):
        tips = robot.forward_kinematics(other.configurations)[:, :3, 3]
        off = [np.linalg.norm(tips[other.groups == k] - tips[other.groups == k].mean(axis=0), axis=1) for k in (0, 1)]
        assert summary[f"{label} [mm]"]["mean"] == pytest.approx(1e3 * np.concatenate(off).mean())
    assert summary["learned [mm]"]["mean"] < summary["nominal [mm]"]["mean"]


def test_the_commands_say_what_pose_files_are(run, true, tmp_path):
    """Three poses beside joints are too few to tell: the option does, and the error names it."""
    folder = tmp_path / "points"
    folder.mkdir()
    q = true.random_configurations(3, np.random.default_rng(3))
    rows = true.forward_kinematics(q).reshape(-1, 16)
    for k in range(4):
        np.savetxt(folder / f"hole_{k}.csv", q, delimiter=",")
    np.savetxt(folder / "hole_0_pose.csv", rows, delimiter=",")
    refused = run("inspect", folder, "--json")
    assert "--pose-files" in str(refused.exception) and "too few" in str(refused.exception)
    for use, expected in (("leave_out", "12 at 4 points"), ("measured", "3 with poses, 9 at 3 points")):
        data = load_samples(folder, true, pose_files=use)
        assert counts(data) == expected
        assert run("inspect", folder, "--pose-files", use, "--json").exit_code == 0
    single = tmp_path / "one.csv"
    data.save(single)
    for command in (
        ("inspect", single),
        ("train", tmp_path / "m.npz", "--data", single),
        ("train", tmp_path / "m.npz"),
    ):
        result = run(*command, "--pose-files", "measured")
        assert isinstance(result.exception, InvalidInputError) and "folder of points" in str(result.exception)
    result = run("train", tmp_path / "m.npz", "--data", folder, "--pose-files", "measured", "--force", "--json")
    assert result.exit_code == 0, result.output
    assert "3 with poses" in json.loads(result.stdout)["kinds"]
    for command in (
        ("evaluate", tmp_path / "m.npz", folder),
        ("register", tmp_path / "m.npz", folder, tmp_path / "r.npz"),
    ):
        assert "too few" in str(run(*command).exception)
    assert run("evaluate", tmp_path / "m.npz", folder, "--pose-files", "measured").exit_code == 0


def test_warnings_come_first_and_notes_last(capsys):
    show({"file": "m.npz", "notes": ["last"], "warnings": ["beware", "again"]}, False)
    assert capsys.readouterr().out.splitlines() == ["Warning: beware", "Warning: again", "file  m.npz", "Note: last"]


# -- the corrected URDF ------------------------------------------------------------------------------------------------


def test_the_corrected_urdf_is_the_geometric_robot_and_better_than_the_nominal(learned, true, panda, tmp_path):
    path = tmp_path / "new" / "corrected.urdf"
    notes = write_corrected_urdf(learned, panda_urdf_path(), path)
    read = RobotModel.from_urdf(path, panda.base_link, panda.tip_link)
    q = panda.random_configurations(200, np.random.default_rng(3))
    np.testing.assert_allclose(
        read.forward_kinematics(q), learned.geometric_robot_.forward_kinematics(q), rtol=0, atol=1e-12
    )
    truth = true.forward_kinematics(q)[:, :3, 3]
    off = [np.median(np.linalg.norm(m.forward_kinematics(q)[:, :3, 3] - truth, axis=1)) for m in (panda, read, learned)]
    assert off[1] < off[0] / 3.0 and off[2] < off[1]
    assert len(notes) == 1 and "mm (median) from the model's" in notes[0]


def test_a_tip_without_a_fixed_joint_is_left_out_of_the_urdf_and_said(tmp_path):
    urdf = model_path("planar5.urdf")
    robot = RobotModel.from_urdf(urdf, None, "link5")
    assert robot.joints[-1].movable
    true = robot.with_bias(np.full(5, 0.03))
    model = LearnedKinematics(robot, kernel="none").fit(measured_poses(true, 60, 0))
    notes = write_corrected_urdf(model, urdf, tmp_path / "c.urdf")
    assert any("left out" in note and robot.joints[-1].name in note for note in notes)
    read = RobotModel.from_urdf(tmp_path / "c.urdf", None, "link5")
    q = robot.random_configurations(5, np.random.default_rng(0))
    tip = model.geometric_robot_.joints[-1]
    assert tip.name.endswith("_tip_correction")
    whole = model.geometric_robot_.forward_kinematics(q)
    # Without that joint the URDF ends where the last frame that it has is.
    joints = model.geometric_robot_.joints[:-1]
    without = RobotModel(joints, robot.base_link, robot.tip_link).forward_kinematics(q)
    np.testing.assert_allclose(read.forward_kinematics(q), without, rtol=0, atol=1e-12)
    np.testing.assert_allclose(without @ tip.origin, whole, rtol=0, atol=1e-12)


def test_a_urdf_that_cannot_be_written_is_said(learned, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CrispIKError, match="cannot write"):
        write_corrected_urdf(learned, panda_urdf_path(), tmp_path / "file" / "c.urdf")


# -- the report --------------------------------------------------------------------------------------------------------


def test_the_report_is_one_page_that_needs_nothing_else(trained):
    folder, _, _ = trained
    text = (folder / "page" / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.sources) == page.tags.count("img") >= 6
    for source in page.sources:
        head, _, data = source.partition(",")
        assert head == "data:image/png;base64"
        assert base64.b64decode(data, validate=True)[:8] == b"\x89PNG\r\n\x1a\n"
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert not re.search(r"(https?:)?//|@import|url\(", re.sub(r'src="[^"]*"', "", text))
    model = load_model(folder / "model.npz")
    for parameter in model.identified_:
        assert parameter.name in page.words
    assert page.words.count("fixed by the prior") >= sum(p.undetermined for p in model.identified_)
    assert any("as it was found" in words for words in page.words)


def test_the_report_begins_with_a_verdict_and_names_outliers(learned, poses):
    text = report(learned, poses, {"data": "<script>.csv"})
    words = " ".join(Page(text).words)
    found = held_out(learned, poses)
    before, after = 1e3 * np.median(found.before), 1e3 * np.median(found.after)
    assert f"from {before:.3g} mm to {after:.3g} mm (median)" in words
    assert {7, 40} <= set(learned.outliers_.tolist())
    assert "<script>" not in text and "&lt;script&gt;" in text
    table = text[text.index("row (from 0)") :]
    assert "<td>7</td>" in table and "<td>40</td>" in table
    # The worst stand first: a sample of 50 mm is off by about that.
    assert 40.0 < float(re.search(r'<td class="number">([\d.]+)</td>', table).group(1)) < 60.0


def test_the_report_shows_joints_and_where_there_are_some_payloads_and_drift(learned, poses):
    bare = report(learned, poses, {})
    assert 'alt="Periodic error of each joint over its range"' in bare
    assert f"up to {learned.harmonics_} periods a turn" in bare and f"{1e3 * learned.misfit_[0]:.3g} mm" in bare
    assert "<h2>Drift</h2>" not in bare and "Payloads" not in bare
    told = copy(learned)
    told.training_summary = {
        "data_warnings": ["drift: the residuals move by 2 mm per 100 rows."], "payloads": {"from": 0.0, "to": 2.5},
    }  # fmt: skip
    count = len(poses)
    text = report(told, poses.with_circumstances(temperatures=np.linspace(20.0, 30.0, count)), {})
    assert 'alt="Residuals over what they drift with"' in text and "2 mm per 100 rows" in text
    assert "Payloads of 0 to 2.5 kg" in text


def test_periodic_errors_are_those_of_the_arm(learned, true):
    """Held against the 0.2 degrees twice a turn that each joint of the true arm has."""
    positions = np.linspace(learned.robot.lower, learned.robot.upper, 50)
    errors, deviations = learned.periodic_errors(positions)
    corrections = true.chain.corrections
    expected = corrections.harmonics[:, 2] * np.cos(2 * positions) + corrections.harmonics[:, 3] * np.sin(2 * positions)
    # What is a constant or a slope over a joint's range is in its zero and scale as well.
    for j in range(7):
        basis = np.column_stack([np.ones(50), positions[:, j]])
        left = errors[:, j] - expected[:, j]
        left = left - basis @ np.linalg.lstsq(basis, left, rcond=None)[0]
        assert np.abs(left).max() < 0.35 * np.abs(expected[:, j]).max(), j
    assert (deviations > 0.0).all() and learned.measured_nearness(positions).shape == (50, 7)


def test_held_out_errors_are_those_of_the_samples(learned, poses, panda):
    found = held_out(learned, poses)
    nominal = np.linalg.norm(poses.poses[:, :3, 3] - panda.forward_kinematics(poses.configurations)[:, :3, 3], axis=1)
    np.testing.assert_allclose(found.before, nominal, rtol=1e-9)
    fitted = np.linalg.norm(poses.poses[:, :3, 3] - learned.forward_kinematics(poses.configurations)[:, :3, 3], axis=1)
    good = np.setdiff1d(np.arange(80), learned.outliers_)
    # A model that has not seen a sample is on the whole worse at it than one that has.
    assert np.mean(found.after[good] ** 2) > np.mean(fitted[good] ** 2)
    assert np.mean(found.after[good] <= found.bounds[good]) > 0.8


def test_regions_share_out_all_samples_once(learned, poses, points, panda, true):
    how, parts = regions(held_out(learned, poses))
    assert "base frame" in how and len(parts) == 9
    assert sorted(np.concatenate([part.rows for part in parts]).tolist()) == list(range(80))
    model = LearnedKinematics(panda, kernel="none").fit(points)
    how, parts = regions(held_out(model, points))
    assert how == "location" and [part.name for part in parts] == ["left", "right"]
    assert [len(part.rows) for part in parts] == [20, 20]
    Page(report(model, points, {}))


def test_a_model_that_is_worse_than_the_nominal_one_is_condemned(learned, poses):
    found = held_out(learned, poses)
    worse = found._replace(before=found.after, after=found.before)
    sentence, grade = verdict(learned, worse)
    assert grade == "bad" and "Do not use" in sentence
    nothing = found._replace(after=np.full(80, np.nan))
    assert verdict(learned, nothing)[1] == "unknown"


def test_a_report_without_held_out_samples_says_so(panda, points):
    one = points.subset(np.flatnonzero(points.groups == 0))
    model = LearnedKinematics(panda, kernel="none").fit(one)
    text = report(model, one, {})
    Page(text)
    assert 'class="verdict unknown"' in text and "No sample could be held out" in text


def test_rows_are_those_of_the_data_where_only_some_were_used(panda, poses):
    model = LearnedKinematics(panda, kernel="none", largest=60).fit(poses)
    found = held_out(model, poses)
    assert len(found.rows) == 60 and len(found.dataset) == 60
    np.testing.assert_array_equal(found.dataset.configurations, poses.configurations[found.rows])
    assert set(model.outliers_) <= set(found.rows)


def test_a_model_from_a_file_has_no_report(learned, poses, tmp_path):
    learned.save(tmp_path / "m.npz")
    with pytest.raises(NotFittedError, match="fitted"):
        write_report(load_model(tmp_path / "m.npz"), poses, tmp_path / "r.html", {})
    assert not (tmp_path / "r.html").exists()


def test_kinds_of_parameters_are_told_by_their_names(learned):
    kinds = {kind_of(parameter.name) for parameter in learned.identified_}
    assert kinds == {
        "frame translation", "frame rotation", "joint zero", "tip translation", "tip rotation", "scale", "compliance",
        "bending", *(f"periodic error, {k} a turn" for k in range(1, 7)),
    }  # fmt: skip


def test_a_crisp_model_is_made_by_the_same_function(panda, poses, tmp_path):
    request = TrainingRequest(tmp_path / "m.npz", centers=None, penalty=1e-6)
    made = train(request, panda, lambda: poses, {"data": "here"}, lambda label: lambda done, total: None)
    assert isinstance(made.model, CRiSP) and len(made.warnings) == 1 and made.warnings[0].startswith("outliers: ")
    summary = load_model(tmp_path / "m.npz").training_summary
    assert summary["data"] == "here" and summary["data_warnings"] == list(made.warnings)
    assert made.summary()["estimator"].startswith("crisp (asked for its penalty)")
    # Options that the other estimator has no use for are named.
    other = replace(request, estimator="learned_kinematics", output=tmp_path / "n.npz")
    made = train(other, panda, lambda: poses, {}, lambda label: lambda done, total: None)
    assert "penalty" in made.notes[0]
