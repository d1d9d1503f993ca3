"""crisp-ik inspect, run in this process, and the tables it prints."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from crisp_ik_ros import Dataset, RobotModel
from crisp_ik_ros.cli import app
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.resources import model_path
from crisp_ik_ros.terminal import show, width


def run(*arguments):
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)])


@pytest.fixture(scope="module")
def samples():
    """A Panda that is a little off: rows of good samples, of which one is an outlier."""
    robot = RobotModel.panda()
    q = robot.random_configurations(60, np.random.default_rng(0))
    poses = robot.with_bias(np.full(7, 0.003)).forward_kinematics(q)
    poses[31, :3, 3] += 0.2
    return q, poses, robot.joint_names


@pytest.fixture(scope="module")
def file(samples, tmp_path_factory):
    path = tmp_path_factory.mktemp("inspect") / "measured.csv"
    Dataset(*samples).save(path)
    return path


def test_json_has_all_that_was_found(file, samples):
    result = run(file, "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["samples"] == 60 and summary["kinds"] == {"poses": 60}
    assert summary["outliers"] == [31]
    assert [one["name"] for one in summary["diagnoses"]] == ["outliers"]
    assert summary["diagnoses"][0]["rows"] == [31]
    q, poses, _ = samples
    error = np.linalg.norm(RobotModel.panda().forward_kinematics(q)[:, :3, 3] - poses[:, :3, 3], axis=1)
    assert summary["errors"]["nominal [mm]"]["max"] == pytest.approx(1e3 * error.max())
    assert summary["joints"]["panda_joint2"]["from"] == pytest.approx(q[:, 1].min())


def test_text_names_joints_and_findings_within_the_width(file):
    result = run(file)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    # The path of a file may be as long as it is.
    assert max(len(line) for line in lines if not line.startswith("file")) <= width()
    assert any(line.startswith("  panda_joint7") for line in lines)
    assert "outliers: 1 sample of 60" in result.stdout
    assert "nominal [mm]" in result.stdout


def test_good_data_say_so(samples, tmp_path):
    q, poses, names = samples
    Dataset(np.delete(q, 31, 0), np.delete(poses, 31, 0), names).save(tmp_path / "good.npz")
    lines = run(tmp_path / "good.npz").stdout.splitlines()
    assert [line.split() for line in lines if line.startswith("diagnoses")] == [["diagnoses", "none"]]


@pytest.mark.parametrize("kind", ["poses", "positions", "same point"])
def test_a_picture_of_each_kind(samples, tmp_path, kind):
    q, poses, names = samples
    dataset = {
        "poses": lambda: Dataset(q, poses, names),
        "positions": lambda: Dataset.from_positions(q, poses[:, :3, 3], names),
        "same point": lambda: Dataset.from_same_points(
            {f"place{i}/point": q[20 * i : 20 * i + 20] for i in (0, 1)}, names
        ),
    }[kind]()
    dataset.save(tmp_path / "data.npz")
    picture = tmp_path / "folder" / "data.png"
    result = run(tmp_path / "data.npz", "--picture", picture, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["picture"] == str(picture)
    from PIL import Image

    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    # Something is drawn in the colours of histograms and errors.
    assert np.sum(np.all(np.abs(pixels.astype(int) - (31, 119, 180)) < 8, axis=1)) > 1000


def test_another_robot_by_its_urdf(two_link, tmp_path):
    from oracles import TWO_LINK

    q = two_link.random_configurations(40, np.random.default_rng(1))
    Dataset(q, two_link.forward_kinematics(q), two_link.joint_names).save(tmp_path / "two.npz")
    (tmp_path / "two.urdf").write_text(TWO_LINK)
    result = run(
        tmp_path / "two.npz", "--robot", tmp_path / "two.urdf", "--base-link", "base", "--tip-link", "tip", "--json"
    )
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["robot"] == "two_link, base to tip"
    assert summary["errors"]["nominal [mm]"]["max"] == pytest.approx(0.0, abs=1e-9)
    assert summary["diagnoses"] == []


def test_what_cannot_be_read_is_an_error_that_names_it(file, tmp_path):
    text = file.read_text().splitlines()
    text[5] = "nan" + text[5][text[5].index(",") :]
    (tmp_path / "nan.csv").write_text("\n".join(text))
    result = run(tmp_path / "nan.csv")
    assert isinstance(result.exception, DatasetError)
    assert "nan.csv" in str(result.exception)
    result = run(file, "--robot", "planar5")
    assert isinstance(result.exception, DatasetError) and "panda_joint1" in str(result.exception)
    assert isinstance(run(tmp_path / "nowhere.npz").exception, DatasetError)


def test_tables_are_aligned_and_long_ones_cut(capsys):
    rows = {f"joint{i}": {"from": -float(i), "limits": [0.0, 1.5], "scatter": None} for i in range(30)}
    show({"name": "short", "joints": rows, "empty": []}, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "name   short"
    assert lines[1] == "joints"
    assert lines[2].split() == ["from", "limits", "scatter"]
    assert lines[3].split() == ["joint0", "-0", "0", "to", "1.5", "-"]
    assert len({len(line) for line in lines[2:27]}) == 1
    assert lines[27].split() == ["...", "6", "more"]
    assert lines[28] == "empty  none"


def test_long_lines_are_broken_between_words(capsys):
    words = [f"word{i}" for i in range(60)]
    show(
        {"short": 1, "list": words, "found": [{"name": "fault", "finding": " ".join(words), "rows": [1]}]},
        as_json=False,
    )
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= width()
    assert text.split() == [
        "short", "1", "list", *(f"{word}," for word in words[:-1]), words[-1], "found", "fault:", "Word0", *words[1:-1],
        f"{words[-1]}.",
    ]  # fmt: skip


def test_columns_left_out_are_named_by_every_command_alike(samples, tmp_path):
    q, poses, names = samples
    Dataset(np.delete(q, 31, 0), np.delete(poses, 31, 0), names).save(tmp_path / "good.csv")
    lines = (tmp_path / "good.csv").read_text().splitlines()
    (tmp_path / "extra.csv").write_text("\n".join([f"time,{lines[0]},note", *(f"7,{line},good" for line in lines[1:])]))
    model = model_path("panda_residual.npz")
    for arguments in (["inspect", tmp_path / "extra.csv"], ["evaluate", model, tmp_path / "extra.csv"]):
        result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
        assert result.exit_code == 0, result.output
        (note,) = json.loads(result.stdout)["notes"]
        assert "extra.csv: columns left out: time, note" in note
    result = CliRunner().invoke(app, ["inspect", str(tmp_path / "good.csv"), "--json"])
    assert json.loads(result.stdout)["notes"] == []


def test_joint_outside_its_limits_is_named_with_its_line(samples, tmp_path):
    q, poses, names = samples
    q = q.copy()
    q[4, 3] = 0.4
    Dataset(q, poses, names).save(tmp_path / "out.csv")
    result = run(tmp_path / "out.csv", "--json")
    assert result.exit_code == 0, result.output
    assert any("sample 4 (line 6): panda_joint4 is 0.4" in note for note in json.loads(result.stdout)["notes"])
    result = CliRunner().invoke(app, ["evaluate", str(model_path("panda_residual.npz")), str(tmp_path / "out.csv")])
    assert result.exit_code == 1 and "sample 4 (line 6): panda_joint4 is 0.4" in str(result.exception)
