"""trainer as a process: a model file, or a clear word and none."""

from __future__ import annotations

import signal

import numpy as np
import pytest

from crisp_ik_ros import Dataset, load_model

pytest.importorskip("pybullet")


def test_it_samples_fits_saves_and_reuses(ros, start, tmp_path, panda):
    output = tmp_path / "new" / "model.npz"
    parameters = {"output": str(output), "samples": 400, "centers": 200, "joint_bias_deg": 1.0, "reuse": True}
    process = start("trainer", **parameters)
    assert process.wait() == 0, process.text
    assert "100 %" in process.text and "validation error: position" in process.text
    model = load_model(output, panda)
    assert model.samples_ == 400 and model.loss_.name == "residual"
    again = start("trainer", **parameters)
    assert again.wait() == 0
    assert "reusing" in again.text and "fitting" not in again.text


def test_bad_input_is_said_in_a_line_and_writes_nothing(ros, start, tmp_path):
    output = tmp_path / "model.npz"
    table = tmp_path / "data.csv"
    table.write_text("a,b\n1,2\n")
    cases = [
        ({"output": str(output), "dataset": str(tmp_path / "none.npz")}, "no data file"),
        ({"output": str(output), "dataset": str(table)}, "data.csv"),
        ({"output": str(output), "loss": "hinge"}, "hinge"),
        ({}, "output"),
    ]
    for process, word in [(start("trainer", **parameters), word) for parameters, word in cases]:
        assert process.wait() == 1, process.text
        assert "FATAL" in process.text and word in process.text and "Traceback" not in process.text
    assert not list(tmp_path.glob("*model.npz*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_writes_nothing(ros, start, tmp_path, number):
    output = tmp_path / "model.npz"
    process = start("trainer", output=str(output), samples=1_000_000)
    process.wait_for("sampling:")
    assert process.stopped_cleanly(number)
    assert "no model was written" in process.text and not output.exists()


def test_it_reads_a_file(ros, start, tmp_path, panda):
    q = np.clip(panda.rest + 0.1 * np.random.default_rng(0).standard_normal((60, 7)), panda.lower, panda.upper)
    data, output = tmp_path / "data.npz", tmp_path / "model.npz"
    Dataset(q, panda.forward_kinematics(q), panda.joint_names).save(data)
    process = start("trainer", dataset=str(data), output=str(output))
    assert process.wait() == 0, process.text
    assert load_model(output, panda).samples_ == 60
