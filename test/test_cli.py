"""The command line, run in this process."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from crisp_ik_ros import Dataset, RobotModel, load_model
from crisp_ik_ros.cli import app
from crisp_ik_ros.errors import CrispIKError


@pytest.fixture(scope="module")
def run():
    runner = CliRunner()

    def invoke(*arguments):
        return runner.invoke(app, [str(argument) for argument in arguments])

    return invoke


def answer(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def files(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    bias = ("--joint-bias-deg", 1.0)
    answer(run("sample", folder / "train.npz", "--count", 400, "--seed", 1, *bias, "--json"))
    answer(run("sample", folder / "test.csv", "--count", 60, "--seed", 2, *bias, "--json"))
    summary = answer(
        run("train", folder / "model.npz", "--data", folder / "train.npz", "--estimator", "crisp", "--json")
    )
    return folder, summary


def test_sampling_twice_with_one_seed_gives_equal_files(run, tmp_path):
    for name in ("a.npz", "b.npz"):
        answer(run("sample", tmp_path / name, "--count", 20, "--seed", 3, "--json"))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_samples_of_a_biased_robot_have_the_poses_of_the_biased_kinematics(files):
    folder, _ = files
    dataset = Dataset.load(folder / "train.npz")
    true = RobotModel.panda().with_bias(np.full(7, np.deg2rad(1.0)))
    np.testing.assert_allclose(true.forward_kinematics(dataset.configurations), dataset.poses, atol=2e-6)


def test_a_trained_model_misplaces_the_tool_far_less_than_the_urdf(run, files):
    folder, _ = files
    summary = answer(run("evaluate", folder / "model.npz", folder / "test.csv", "--json"))
    assert summary["nominal [mm]"]["mean"] > 15.0
    assert summary["learned [mm]"]["mean"] < 1.0
    assert summary["solved without a seed"] == 1.0


def test_describe_says_what_was_trained(run, files):
    folder, summary = files
    described = answer(run("describe", folder / "model.npz", "--json"))
    assert described["estimator"] == "CRiSP" and described["samples"] == 400
    assert described["kernel"] == summary["kernel"] and described["training"]["source"] == {"data": "train.npz"}
    held_out = summary["validation"]["position_rms"]
    assert described["validation"]["position rms [mm]"] == pytest.approx(1e3 * held_out)
    robot = RobotModel.panda()
    assert list(described["joints"]) == list(robot.joint_names)
    assert [row["to"] for row in described["joints"].values()] == pytest.approx(robot.upper)
    text = run("describe", folder / "model.npz").stdout
    assert "position rms [mm]" in text and "panda_joint7" in text


def test_the_model_file_says_how_its_samples_came_about(files):
    folder, summary = files
    assert load_model(folder / "model.npz").training_summary["source"] == {"data": "train.npz"}
    assert summary["samples"] == 400


def test_ik_prints_a_configuration_that_the_model_puts_on_the_pose(run, files):
    folder, _ = files
    summary = answer(run("ik", folder / "model.npz", "--position", 0.0, 0.5, 0.05, "--json"))
    assert summary["success"]
    true = RobotModel.panda().with_bias(np.full(7, np.deg2rad(1.0)))
    reached = true.forward_kinematics(list(summary["configuration"].values()))
    np.testing.assert_allclose(reached[:3, 3], [0.0, 0.5, 0.05], atol=1e-3)


def test_ik_without_a_solution_exits_with_1_and_gives_no_configuration(run, files):
    folder, _ = files
    result = run("ik", folder / "model.npz", "--position", 0.0, 2.5, 0.05, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["configuration"] == {}


def test_a_table_for_people_names_every_field(run, files):
    folder, _ = files
    result = run("evaluate", folder / "model.npz", folder / "test.csv")
    assert result.exit_code == 0
    assert "nominal [mm]" in result.stdout and "learned [mm]" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "missing.npz", "missing.csv"), "no model file at missing.npz"),
        (("train", "out.npz", "--data", "missing.csv"), "no data file at missing.csv"),
        (("train", "out.npz", "--robot", "missing.urdf"), "no URDF file at missing.urdf"),
        (("train", "out.npz", "--data", "x.csv", "--joint-bias-deg", "1"), "one or the other"),
    ],
)
def test_expected_errors_say_what_is_wrong(run, arguments, message):
    result = run(*arguments)
    assert isinstance(result.exception, CrispIKError)
    assert message in str(result.exception)


def test_main_turns_an_expected_error_into_one_line_and_exit_code_1(monkeypatch, capsys):
    from crisp_ik_ros.cli import main

    monkeypatch.setattr("sys.argv", ["crisp-ik", "ik", "missing.npz", "--position", "0", "0", "0"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("crisp-ik: no model file at missing.npz") and error.count("\n") == 1


def test_training_from_a_mapped_file_on_a_cluster_gives_the_same_model(run, files, tmp_path):
    distributed = pytest.importorskip("distributed")
    folder, _ = files
    options = ("--data", folder / "train.npz", "--centers", 50, "--penalty", 1e-9, "--center-selection", "kmeans++")
    answer(run("train", tmp_path / "here.npz", *options, "--validation", "leave_one_out", "--json"))
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="inproc"
    ) as cluster:
        address = cluster.scheduler_address
        answer(
            run(
                "train", tmp_path / "there.npz", *options, "--validation", "leave_one_out", "--memory-map",
                "--scheduler", address, "--json",
            )
        )  # fmt: skip
    here, there = (load_model(tmp_path / name) for name in ("here.npz", "there.npz"))
    assert here.training_summary["center_selection"] == "kmeans++"
    np.testing.assert_array_equal(here.center_configurations_, there.center_configurations_)
    poses = Dataset.load(folder / "test.csv").poses
    for pose in poses[:5]:
        seed = here.robot.rest
        np.testing.assert_allclose(
            here.solve(pose, seed).configuration, there.solve(pose, seed).configuration, atol=1e-7
        )
