"""trainer as a process: a model file, or a clear word and none."""

from __future__ import annotations

import re
import signal

import numpy as np
import pytest
from crisp_ik.srv import ComputeIK
from measured import measured_positions, true_robot

from crisp_ik_ros import Dataset, LearnedKinematics, RobotModel, load_model
from crisp_ik_ros.nodes.answer import ErrorCode
from crisp_ik_ros.nodes.conversions import pose_stamped_message

pytest.importorskip("pybullet")


def test_it_samples_fits_saves_and_reuses(ros, start, tmp_path, panda):
    output = tmp_path / "new" / "model.npz"
    parameters = {"output": str(output), "samples": 400, "centers": 200, "joint_bias_deg": 1.0, "reuse": True}
    process = start("trainer", **parameters)
    assert process.wait() == 0, process.text
    assert "100 %" in process.text
    assert re.search(r"validation error: nominal model [\d.]+ mm rms, position [\d.]+ mm rms", process.text)
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


def test_positions_make_a_model_a_report_and_a_urdf_that_the_service_serves(ros, start, client, tmp_path, panda):
    pytest.importorskip("matplotlib")
    true = true_robot(panda)
    data, output = tmp_path / "data.csv", tmp_path / "model.npz"
    report, urdf = tmp_path / "report.html", tmp_path / "corrected.urdf"
    measured_positions(true, 60, 0).save(data)
    process = start(
        "trainer", dataset=str(data), output=str(output), report=str(report), corrected_urdf=str(urdf), tool="unknown"
    )
    assert process.wait(240.0) == 0, process.text
    assert "learned_kinematics (the data has samples without a full pose)" in process.text
    assert "validation error: nominal model" in process.text
    model = load_model(output, panda)
    assert isinstance(model, LearnedKinematics) and model.tool == "unknown"
    assert report.read_text().startswith("<!doctype html>")
    q = panda.random_configurations(20, np.random.default_rng(1))
    corrected = RobotModel.from_urdf(urdf, panda.base_link, panda.tip_link)
    np.testing.assert_allclose(
        corrected.forward_kinematics(q), model.geometric_robot_.forward_kinematics(q), rtol=0, atol=1e-12
    )

    service = start("ik_service", model=str(output))
    service.wait_for("serving /compute_ik")
    assert "LearnedKinematics, 60 samples" in service.text
    sources = set()
    for pose in model.forward_kinematics(q):
        request = ComputeIK.Request(pose=pose_stamped_message(pose, panda.base_link))
        request.timeout.sec = 2
        answer = client.call(ComputeIK, "compute_ik", request)
        assert answer.error_code == ErrorCode.SUCCESS, answer.message
        assert answer.source in ("learned", "corrected", "blended", "nominal") and 0.0 < answer.support <= 1.0
        found = re.fullmatch(r"within ([\d.e+-]+) mm \(95 %\) of the target, as far as the model knows", answer.message)
        assert found, answer.message
        bound = 1e3 * float(model.predicted_error(list(answer.solution.position)))
        assert float(found.group(1)) == pytest.approx(bound, rel=0.06)
        sources.add(answer.source)
    assert "learned" in sources
    assert service.stopped_cleanly()


def test_words_that_mean_nothing_are_refused(ros, start, tmp_path):
    cases = [
        ({"estimator": "ridge"}, "ridge"),
        ({"frame": "somewhere"}, "frame"),
        ({"estimator": "crisp", "tool": "unknown"}, "an unknown tool"),
        ({"distance": 0.05}, "folder of points"),
    ]
    output = str(tmp_path / "model.npz")
    for process, word in [(start("trainer", output=output, **parameters), word) for parameters, word in cases]:
        assert process.wait() == 1, process.text
        assert "FATAL" in process.text and word in process.text and "Traceback" not in process.text


def test_data_that_no_good_model_can_come_of_is_refused_unless_forced(ros, start, tmp_path, panda):
    q = panda.random_configurations(40, np.random.default_rng(0))
    poses = np.tile(panda.forward_kinematics(panda.rest), (40, 1, 1))
    data, output = tmp_path / "frozen.csv", tmp_path / "model.npz"
    Dataset(q, poses, panda.joint_names).save(data)
    process = start("trainer", dataset=str(data), output=str(output))
    assert process.wait() == 1 and not output.exists()
    assert "frozen measurement" in process.text and "force" in process.text
    process = start("trainer", dataset=str(data), output=str(output), force=True, harmonics=2)
    assert process.wait() == 0, process.text
    assert "[WARN]" in process.text and "frozen measurement" in process.text
    assert load_model(output).harmonics == 2
