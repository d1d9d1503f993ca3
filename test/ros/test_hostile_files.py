"""Nodes that meet files made to harm, and a trainer that is killed: a word and an exit code, and whole files."""

from __future__ import annotations

import os
import pickle
import time

import numpy as np
import pytest
from std_srvs.srv import Trigger

from crisp_ik_ros import CRiSP, Dataset, RobotModel, load_model
from crisp_ik_ros.regression.kernels import GaussianKernel

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def data(panda, tmp_path_factory):
    q = np.clip(panda.rest + 0.1 * np.random.default_rng(0).standard_normal((60, 7)), panda.lower, panda.upper)
    path = tmp_path_factory.mktemp("data") / "data.npz"
    Dataset(q, panda.forward_kinematics(q), panda.joint_names).save(path)
    return path


def state(path):
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


@pytest.mark.parametrize("moment", ["fitting", "writing", "written"])
def test_a_trainer_killed_at_any_moment_leaves_the_old_model_or_the_new_one(
    ros, start, tmp_path, panda, small_model, data, moment
):
    output = tmp_path / "out" / "model.npz"
    output.parent.mkdir()
    output.write_bytes(small_model.read_bytes())
    before = state(output)
    process = start("trainer", dataset=str(data), output=str(output))
    reached = {
        "fitting": lambda: "fitting" in process.text,
        "writing": lambda: len(os.listdir(output.parent)) > 1 or state(output) != before,
        "written": lambda: state(output) != before,
    }[moment]
    deadline = time.monotonic() + 120.0
    while not reached():
        assert process.process.poll() is None or state(output) != before, process.text
        assert time.monotonic() < deadline, process.text
    process.process.kill()
    process.process.wait()
    assert load_model(output, panda).samples_ == (300 if state(output) == before else 60)
    # The next one clears up.
    load_model(output, panda).save(output)
    assert os.listdir(output.parent) == ["model.npz"]


def test_a_training_that_cannot_be_kept_is_refused_before_samples_are_drawn(ros, start, tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "file").touch()
    cases = [
        ({"output": str(tmp_path / "pipe.npz")}, "cannot write the model"),
        ({"output": str(tmp_path / "file" / "model.npz")}, "cannot write the model"),
        ({"output": str(tmp_path / "model.npz"), "samples": 10_000_000, "centers": 100_000}, "of memory"),
    ]
    for process, words in [(start("trainer", **parameters), words) for parameters, words in cases]:
        assert process.wait(120.0) == 1, process.text
        assert words in process.text and "sampling" not in process.text and "Traceback" not in process.text
    assert not (tmp_path / "model.npz").exists()


def hostile(small_model, panda):
    """Contents of model files, each with words of its refusal."""
    content = small_model.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 16
    robot = RobotModel.planar5()
    q = robot.random_configurations(20, np.random.default_rng(0))
    other = small_model.with_name("other.npz")
    samples = Dataset(q, robot.forward_kinematics(q), robot.joint_names)
    CRiSP(robot, kernel=GaussianKernel(1.0, 1.0), penalty=1e-6).fit(samples).save(other)
    return {
        "truncated": (content[: 5 * len(content) // 16], "damaged or no model file"),
        "bit-flipped": (bytes(flipped), "CRC"),
        "pickled": (pickle.dumps({"model": 1}), "damaged or no model file"),
        "of another robot": (other.read_bytes(), "was trained for planar5"),
    }


def test_a_service_does_not_start_with_a_hostile_model(ros, start, tmp_path, panda, small_model):
    running = []
    for name, (content, words) in hostile(small_model, panda).items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        running.append((start("ik_service", model=str(path), urdf="panda"), words))
    for process, words in running:
        assert process.wait(120.0) == 1, process.text
        assert "FATAL" in process.text and words in process.text and "Traceback" not in process.text


def test_a_service_keeps_its_model_when_a_hostile_one_is_to_be_reloaded(
    ros, start, client, tmp_path, panda, small_model
):
    path = tmp_path / "model.npz"
    path.write_bytes(small_model.read_bytes())
    service = start("ik_service", model=str(path), urdf="panda")
    service.wait_for("serving /compute_ik", 120.0)
    for content, words in hostile(small_model, panda).values():
        path.write_bytes(content)
        answer = client.call(Trigger, "ik_service/reload", Trigger.Request())
        assert not answer.success and words in answer.message and "stays" in answer.message
    path.unlink()
    os.mkfifo(path)
    answer = client.call(Trigger, "ik_service/reload", Trigger.Request())
    assert not answer.success and "named pipe" in answer.message
    path.unlink()
    path.write_bytes(small_model.read_bytes())
    assert client.call(Trigger, "ik_service/reload", Trigger.Request()).success
    assert service.stopped_cleanly()
