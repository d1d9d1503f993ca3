"""Payload: an arm sags with what its tip carries, and the model is asked for it by its mass."""

import json

import numpy as np
import pytest
from test_learned_kinematics import measured, plain
from typer.testing import CliRunner

from crisp_ik_ros import CRiSP, Dataset, load_model
from crisp_ik_ros.cli import app
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.estimators.learned_kinematics import carrying
from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.regression.kernels import make_kernel

pytest.importorskip("matplotlib")

CENTER = (0.02, -0.01, 0.08)
COMPLIANCE = 2e-4
GRAVITY = np.array([0.0, 0.0, -9.81])


@pytest.fixture(scope="module")
def real(panda):
    """A Panda whose joints give way under gravity, by what its tip carries."""
    layout = Layout(panda, 1, panda.bodies(), payload_center=CENTER)
    values = np.zeros(layout.size)
    values[layout.slices()["compliance"]] = np.tile([0.0, 0.0, COMPLIANCE], panda.dof)
    return lambda mass: layout.with_payload(mass).robot_with(values)


@pytest.fixture(scope="module")
def data(real):
    """50 samples, without a load and with 2 kg."""
    parts = [measured(real(mass), 25, seed).with_circumstances(payloads=mass) for seed, mass in ((0, 0.0), (1, 2.0))]
    return Dataset.concatenate(parts)


@pytest.fixture(scope="module")
def model(panda, data):
    return plain(panda, harmonics=1, payload_center=CENTER).fit(data)


@pytest.fixture(scope="module")
def crisp(panda, data):
    return CRiSP(panda, kernel=make_kernel("gaussian", 1.0, 1.0), penalty=1e-4, centers=None).fit(data)


def test_the_arm_sags_as_the_moments_of_the_load_say(panda, real):
    """Held against the Jacobian: each joint turns by its compliance times the load's moment about its axis."""
    mass, q = 3.0, panda.random_configurations(50, np.random.default_rng(3))
    poses = panda.forward_kinematics(q)
    jacobian = panda.jacobian(q)
    lever = np.einsum("nab,b->na", poses[:, :3, :3], CENTER)
    at_load = jacobian[:, :3] + np.cross(jacobian[:, 3:], lever[:, :, None], axis=1)
    turns = COMPLIANCE * np.einsum("naj,a->nj", at_load, mass * GRAVITY)
    expected = np.einsum("naj,nj->na", jacobian[:, :3], turns)
    sagged = (real(mass).forward_kinematics(q) - real(0.0).forward_kinematics(q))[:, :3, 3]
    assert np.linalg.norm(expected, axis=1).max() > 2e-3
    np.testing.assert_allclose(sagged, expected, atol=0.05 * np.linalg.norm(expected, axis=1).max())


def test_a_load_that_was_never_measured_is_predicted(model, real):
    q = real(0.0).random_configurations(200, np.random.default_rng(9))
    true = real(4.0).forward_kinematics(q)[:, :3, 3]
    loaded = model.with_payload(4.0)
    untold = np.linalg.norm(model.forward_kinematics(q)[:, :3, 3] - true, axis=1)
    told = np.linalg.norm(loaded.forward_kinematics(q)[:, :3, 3] - true, axis=1)
    assert np.median(told) < 0.25 * np.median(untold)
    assert np.mean(told <= loaded.predicted_error(q)) >= 0.88
    np.testing.assert_allclose(model.poses_with_payload(q, 4.0), loaded.forward_kinematics(q), atol=1e-12)
    # The solution puts the loaded arm's tool on the target.
    pose = loaded.forward_kinematics(q[0])
    result = loaded.solve(pose, q[0], timeout=1.0)
    assert result.success
    np.testing.assert_allclose(loaded.robot_.forward_kinematics(result.configuration), pose, atol=2e-5)
    assert np.linalg.norm(model.forward_kinematics(result.configuration)[:3, 3] - pose[:3, 3]) > 1e-4


def test_the_model_keeps_its_own_payload(model, real):
    before = model.forward_kinematics(model.robot.rest)
    assert model.payload_ in (0.0, 2.0)
    assert model.with_payload(3.0).payload_ == 3.0
    assert model.with_payload(3.0).with_payload(model.payload_).fingerprint == model.fingerprint
    np.testing.assert_array_equal(model.forward_kinematics(model.robot.rest), before)


def test_a_file_keeps_payload_and_center(model, tmp_path):
    q = model.robot.random_configurations(20, np.random.default_rng(2))
    for name, kept in (("own", model), ("loaded", model.with_payload(1.5))):
        kept.save(tmp_path / f"{name}.npz")
        loaded = load_model(tmp_path / f"{name}.npz")
        assert loaded.payload_ == kept.payload_ and tuple(loaded.payload_center) == CENTER
        np.testing.assert_allclose(loaded.forward_kinematics(q), kept.forward_kinematics(q), atol=1e-12)
        np.testing.assert_allclose(loaded.predicted_error(q), kept.predicted_error(q), rtol=1e-9)
        other = loaded.with_payload(2.5)
        np.testing.assert_allclose(
            other.forward_kinematics(q), model.with_payload(2.5).forward_kinematics(q), atol=1e-12
        )


def test_a_payload_that_cannot_be_is_refused(model, crisp, panda):
    for mass in (-0.1, 1001.0, float("nan"), float("inf")):
        with pytest.raises(InvalidInputError, match="payload"):
            model.with_payload(mass)
    for estimator in (crisp, ModelBasedIK(panda)):
        with pytest.raises(InvalidInputError, match="knows of loads"):
            carrying(estimator, 1.0)
        assert carrying(estimator, None) is estimator
    assert carrying(model, None) is model


@pytest.fixture(scope="module")
def run():
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def files(model, crisp, real, tmp_path_factory):
    folder = tmp_path_factory.mktemp("payload")
    model.save(folder / "model.npz")
    crisp.save(folder / "crisp.npz")
    loaded = measured(real(4.0), 30, 5)
    loaded.save(folder / "untold.csv")
    loaded.with_circumstances(payloads=4.0).save(folder / "told.csv")
    return folder


def answer(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_commands_take_a_payload(run, files, model):
    untold, option, column = (
        answer(run("evaluate", files / "model.npz", files / name, *options, "--json"))["learned [mm]"]["median"]
        for name, options in (("untold.csv", ()), ("untold.csv", ("--payload", 4.0)), ("told.csv", ()))
    )
    assert option == pytest.approx(column) and option < 0.3 * untold
    position = model.robot.forward_kinematics(model.robot.rest)[:3, 3]
    asked = ("ik", files / "model.npz", "--position", *position, "--timeout", 1.0, "--json")
    plain_, loaded = (answer(run(*asked, *options)) for options in ((), ("--payload", 4.0)))
    assert plain_["configuration"] != loaded["configuration"]


def test_the_commands_refuse_a_payload_where_nothing_knows_of_it(run, files):
    for arguments in (
        ("ik", files / "crisp.npz", "--position", 0.4, 0.0, 0.3, "--payload", 1.0),
        ("evaluate", files / "crisp.npz", files / "untold.csv", "--payload", 1.0),
    ):
        result = run(*arguments)
        assert isinstance(result.exception, InvalidInputError) and "knows of loads" in str(result.exception)
    assert run("ik", files / "model.npz", "--position", 0.4, 0.0, 0.3, "--payload", -2.0).exit_code != 0


def test_training_hands_on_the_center_of_the_payload(run, files, data, tmp_path):
    data.subset(np.arange(0, 50)).save(tmp_path / "data.csv")
    summary = answer(
        run(
            "train", tmp_path / "model.npz", "--data", tmp_path / "data.csv", "--harmonics", 1, "--frame", "known",
            "--tool", "known", "--payload-center", *CENTER, "--report", tmp_path / "report.html", "--json",
        )
    )  # fmt: skip
    assert tuple(load_model(tmp_path / "model.npz").payload_center) == CENTER
    assert summary["payload [kg]"] == {"from": 0.0, "to": 2.0, "the model's own": load_model(
        tmp_path / "model.npz"
    ).payload_}  # fmt: skip
    assert summary["periods a turn learned"] in (0, 1) and summary["arm's own misfit"]["mm"] < 1.0
    assert "Payloads of 0 to 2 kg" in (tmp_path / "report.html").read_text()
    shown = answer(run("describe", tmp_path / "model.npz", "--json"))
    assert shown["payload [kg]"] == load_model(tmp_path / "model.npz").payload_
    assert shown["payload center [m]"] == list(CENTER)
