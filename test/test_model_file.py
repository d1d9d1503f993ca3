"""Trained models on disk: exact round trips, and a refusal for every file that is not one."""

import contextlib
import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from oracles import LOSSES, ROOT, biased, sample_around

from crisp_ik_ros import CRiSP, RobotModel, load_model
from crisp_ik_ros.errors import ModelFileError, NotFittedError
from crisp_ik_ros.losses.evaluate import make_loss
from crisp_ik_ros.regression.kernels import GaussianKernel, LaplacianKernel, LinearKernel
from crisp_ik_ros.trajectories import spiral

KERNEL = GaussianKernel(0.5, 1.0)
HYPERPARAMETERS = (
    "null_space_weight", "position_tolerance", "orientation_tolerance", "timeout", "solver", "random_state",
)  # fmt: skip


@pytest.fixture(scope="module")
def samples(two_link):
    return sample_around(two_link, biased(two_link), 30)


@pytest.fixture(scope="module")
def estimator(two_link, samples):
    return CRiSP(two_link, kernel=KERNEL, penalty=1e-7).fit(samples)


@pytest.fixture
def saved(estimator, tmp_path):
    path = tmp_path / "model.npz"
    estimator.save(path)
    return path


def answers(estimator, poses):
    results = [estimator.solve(pose, seed=estimator.robot.rest, timeout=1e-9) for pose in poses]
    return np.array([[*r.configuration, r.position_error, r.orientation_error, r.support] for r in results])


def rewrite(path, alter=None, drop=(), **arrays):
    """Write the archive again with the header passed through ``alter`` and other arrays or raw bytes."""
    with np.load(path, allow_pickle=False) as archive:
        contents = {name: archive[name] for name in archive.files}
    described = json.loads(bytes(contents["header"]))
    if alter is not None:
        described = alter(described) or described
    contents["header"] = np.frombuffer(json.dumps(described).encode(), np.uint8)
    contents.update(arrays)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            if name in drop:
                continue
            if not isinstance(content, bytes):
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, np.asarray(content), allow_pickle=True)
                content = buffer.getvalue()
            archive.writestr(f"{name}.npy", content)


def npy_claiming(shape, payload, descr="<f8"):
    """Bytes of an .npy file whose header claims ``shape`` whatever ``payload`` holds."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + payload


# ---- round trips ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    "kernel",
    [KERNEL, LaplacianKernel(0.5, np.inf), LinearKernel(0.5, 1.0), GaussianKernel(0.5, 1.0, "euler")],
    ids=str,
)
@pytest.mark.parametrize("centers", [None, 12], ids=["exact", "nystrom"])
def test_loaded_model_answers_with_the_same_bits(gantry, tmp_path, name, kernel, centers):
    samples = sample_around(gantry, biased(gantry), 40)
    fitted = CRiSP(gantry, make_loss(name, 2.0, 0.5), kernel, 1e-5, centers, timeout=0.5, random_state=5).fit(samples)
    fitted.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    for pose in samples.poses[:4]:
        fitted_problem, loaded_problem = fitted._problem(pose), loaded._problem(pose)
        np.testing.assert_array_equal(fitted_problem.target, loaded_problem.target)
        # One start, whatever the clock says.
        first, second = (model.solve(pose, seed=gantry.rest, timeout=1e-9) for model in (fitted, loaded))
        np.testing.assert_array_equal(first.configuration, second.configuration)
        assert first.position_error == second.position_error
        assert first.support == second.support
        assert first.source == second.source
        q = np.array([0.1, 0.2, 0.3, 0.4])
        assert fitted.objective(pose)(q) == loaded.objective(pose)(q)


def test_loaded_model_carries_the_robot_and_everything_that_answers_depend_on(tmp_path, endless):
    samples = sample_around(endless, biased(endless), 40)
    values = {
        "null_space_weight": 0.01, "position_tolerance": 2e-6, "orientation_tolerance": 3e-5, "timeout": 0.2,
        "solver": "lbfgsb", "random_state": 11,
    }  # fmt: skip
    fitted = CRiSP(endless, kernel=KERNEL, penalty=1e-5, centers=20, **values).fit(samples)
    fitted.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    assert loaded.robot.fingerprint == endless.fingerprint
    assert loaded.robot.joint_names == endless.joint_names
    assert loaded.robot.urdf_sha256 == endless.urdf_sha256
    for name in ("lower", "upper", "velocity", "rest", "continuous"):
        np.testing.assert_array_equal(getattr(loaded.robot, name), getattr(endless, name))
    np.testing.assert_array_equal(
        loaded.robot.forward_kinematics(endless.rest), endless.forward_kinematics(endless.rest)
    )
    assert {name: getattr(loaded, name) for name in HYPERPARAMETERS} == values
    assert loaded.kernel_.parameters() == KERNEL.parameters()
    assert loaded.penalty_ == 1e-5
    assert loaded.samples_ == 40
    assert loaded.validation_ == fitted.validation_


def test_loaded_model_can_be_saved_again_to_the_same_bytes(saved, tmp_path):
    load_model(saved).save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == saved.read_bytes()


def test_equal_models_make_equal_files(two_link, samples, saved, tmp_path):
    CRiSP(two_link, kernel=KERNEL, penalty=1e-7).fit(samples).save(tmp_path / "other.npz")
    assert (tmp_path / "other.npz").read_bytes() == saved.read_bytes()


def test_loaded_model_can_be_fitted_to_new_data(saved, two_link, samples):
    loaded = load_model(saved)
    fresh = CRiSP(two_link, kernel=KERNEL, penalty=1e-7).fit(samples.subset(np.arange(20)))
    loaded.fit(samples.subset(np.arange(20)))
    np.testing.assert_array_equal(loaded.regression_.coefficients_, fresh.regression_.coefficients_)


def test_loaded_model_has_no_scores_and_says_so(saved, samples):
    with pytest.raises(NotFittedError, match="training samples"):
        load_model(saved).scores(samples.poses[0])


def test_training_summary_is_kept(estimator, two_link, samples, tmp_path):
    fitted = CRiSP(two_link, kernel=KERNEL, penalty=1e-7).fit(samples)
    fitted.training_summary["region"] = "around the rest pose"
    fitted.save(tmp_path / "model.npz")
    assert load_model(tmp_path / "model.npz").training_summary == {"region": "around the rest pose"}


def test_header_says_what_the_model_is_and_whom_it_fits(saved, estimator, two_link):
    with np.load(saved, allow_pickle=False) as archive:
        header = json.loads(bytes(archive["header"]))
    assert isinstance(header["version"], int)
    robot = header["robot"]
    assert robot["urdf_sha256"] == two_link.urdf_sha256
    assert robot["joint_names"] == ["shoulder", "elbow"]
    assert (robot["base_link"], robot["tip_link"]) == ("base", "tip")
    limits = [(joint["lower"], joint["upper"]) for joint in robot["joints"] if joint["kind"] != "fixed"]
    assert limits == [(-3.0, 3.0), (-2.5, 2.5)]
    assert header["loss"]["name"] == "residual"
    assert header["kernel"] == KERNEL.parameters()
    assert header["penalty"] == 1e-7
    assert header["training"]["samples"] == 30
    assert header["validation"]["position_rms"] == estimator.validation_["position_rms"]


def test_header_is_standard_json_even_with_an_infinite_length_scale(two_link, samples, tmp_path):
    CRiSP(two_link, kernel=GaussianKernel(0.5, np.inf), penalty=1e-7).fit(samples).save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as archive:
        text = bytes(archive["header"]).decode()

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    json.loads(text, parse_constant=refuse)


def test_panda_model_with_2000_centers_is_under_3_mb(panda, biased_panda, tmp_path):
    samples = sample_around(panda, biased_panda, 2001)
    for name in LOSSES:
        fitted = CRiSP(panda, name, LaplacianKernel(0.3, 1.0), 1e-6, centers=10).fit(samples)
        rng = np.random.default_rng(0)
        fitted.regression_.centers_ = rng.normal(size=(2000, fitted.regression_.centers_.shape[1]))
        fitted.regression_.coefficients_ = rng.normal(size=(2000, fitted.regression_.coefficients_.shape[1]))
        fitted.center_configurations_ = samples.configurations[:2000]
        fitted.save(tmp_path / f"{name}.npz")
        assert (tmp_path / f"{name}.npz").stat().st_size < 3_000_000
        assert len(load_model(tmp_path / f"{name}.npz").regression_.centers_) == 2000


def test_shipped_panda_model_is_small_and_solves_the_spiral(panda):
    path = ROOT / "models" / "panda_residual.npz"
    assert path.stat().st_size < 3_000_000
    shipped = load_model(path, panda)
    result = shipped.solve_path(spiral())
    assert result.success.all()
    assert result.supports.min() > 0.5


# ---- files that are no model ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sixteenths", range(16))
def test_truncated_file_is_refused(saved, sixteenths):
    content = saved.read_bytes()
    saved.write_bytes(content[: len(content) * sixteenths // 16])
    with pytest.raises(ModelFileError):
        load_model(saved)


def test_file_cut_by_a_single_byte_or_grown_is_refused_or_still_the_same(saved, estimator, samples):
    content, expected = saved.read_bytes(), answers(estimator, samples.poses[:2])
    for changed in (content[:-1], content[1:], content + b"\0", b"\0" + content):
        saved.write_bytes(changed)
        try:
            loaded = load_model(saved)
        except ModelFileError:
            continue
        np.testing.assert_array_equal(answers(loaded, samples.poses[:2]), expected)


def _flipped_bits(content):
    """Positions of bits: all of what zip and npy need to find their way, some of the arrays and of the JSON."""
    rng = np.random.default_rng(0)
    total = len(content)
    offsets = [*range(200), *range(total - 600, total), *rng.integers(0, total, 500)]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist():
            offsets += range(info.header_offset, info.header_offset + 200)
    return [(offset, int(bit)) for offset, bit in zip(offsets, rng.integers(0, 8, len(offsets)), strict=True)]


def test_flipped_bit_is_refused_or_changes_no_answer(saved, estimator, samples):
    content = saved.read_bytes()
    pose = samples.poses[:1]
    expected = answers(estimator, pose)
    strange, refused, kept = {}, 0, 0
    for offset, bit in _flipped_bits(content):
        damaged = bytearray(content)
        damaged[offset] ^= 1 << bit
        saved.write_bytes(damaged)
        try:
            loaded = load_model(saved)
        except ModelFileError:
            refused += 1
        except Exception as error:
            strange[f"{type(error).__name__}: {error}"] = (offset, bit)
        else:
            kept += 1
            np.testing.assert_array_equal(answers(loaded, pose), expected)
            assert loaded.robot.continuous.sum() == 0
    assert not strange
    assert refused > 500


def test_missing_file_and_folder_are_refused_with_advice(tmp_path):
    with pytest.raises(ModelFileError, match="crisp-ik train"):
        load_model(tmp_path / "nothing.npz")
    with pytest.raises(ModelFileError):
        load_model(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), bytes(1000)])
def test_file_that_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "model.npz"
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        load_model(path)


def test_other_archives_are_refused_with_what_they_lack(saved, samples, tmp_path):
    samples.save(tmp_path / "data.npz")
    with pytest.raises(ModelFileError, match="header"):
        load_model(tmp_path / "data.npz")
    for name in ("header", "centers", "coefficients", "configurations"):
        path = tmp_path / f"{name}.npz"
        shutil.copy(saved, path)
        rewrite(path, drop=(name,))
        with pytest.raises(ModelFileError, match=name):
            load_model(path)


def test_rewritten_file_is_still_a_model(saved, estimator, samples):
    rewrite(saved)
    np.testing.assert_array_equal(answers(load_model(saved), samples.poses[:2]), answers(estimator, samples.poses[:2]))


class Bomb:
    """Would leave a file behind if it were unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("name", ["header", "centers", "coefficients", "configurations"])
def test_pickles_are_refused_and_never_opened(saved, tmp_path, name):
    rewrite(saved, **{name: np.array([[Bomb(tmp_path / "exploded")]], dtype=object)})
    with pytest.raises(ModelFileError):
        load_model(saved)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("version", [0, 2, "1", None, 1.5, [1]])
def test_other_version_is_refused_with_both_numbers(saved, version):
    rewrite(saved, lambda header: {**header, "version": version})
    with pytest.raises(ModelFileError, match=r"version.*reads 1"):
        load_model(saved)


def test_robot_the_model_was_made_for_is_accepted(saved, two_link):
    load_model(saved, two_link)
    load_model(saved, robot=two_link)


def test_other_robots_are_refused_with_both_names(saved, panda, two_link):
    with pytest.raises(ModelFileError, match=r"two_link.*panda"):
        load_model(saved, panda)
    for other in (two_link.with_bias([1e-6, 0.0]), two_link.with_limits([-1.0, -1.0], [1.0, 1.0])):
        with pytest.raises(ModelFileError, match="trained for"):
            load_model(saved, other)


def _set(path, value):
    """Change of one entry of the header, deep in it."""

    def change(header):
        part = header
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value

    return change


def _without(path):
    def change(header):
        part = header
        for key in path[:-1]:
            part = part[key]
        del part[path[-1]]

    return change


ALTERED = {
    "another format": _set(["format"], "something else"),
    "no robot": _without(["robot"]),
    "robot is a list": _set(["robot"], []),
    "joints are a number": _set(["robot", "joints"], 7),
    "no joints": _set(["robot", "joints"], []),
    "joint without origin": _without(["robot", "joints", 0, "origin"]),
    "origin of another shape": _set(["robot", "joints", 0, "origin"], [[1, 0], [0, 1]]),
    "origin with a word": _set(["robot", "joints", 0, "origin", 0, 0], "one"),
    "origin that is not finite": _set(["robot", "joints", 0, "origin", 0, 3], float("nan")),
    "other origin": _set(["robot", "joints", 1, "origin", 0, 3], 1.001),
    "other limits": _set(["robot", "joints", 0, "upper"], 3.1),
    "limits that are words": _set(["robot", "joints", 0, "upper"], "wide"),
    "another joint type": _set(["robot", "joints", 0, "kind"], "prismatic"),
    "revolute joint made continuous": _set(["robot", "joints", 0, "kind"], "continuous"),
    "joint of no known type": _set(["robot", "joints", 0, "kind"], "spherical"),
    "renamed joint": _set(["robot", "joints", 0, "name"], "hip"),
    "unknown entry in a joint": _set(["robot", "joints", 0, "colour"], "red"),
    "rest of another length": _set(["robot", "rest"], [0.0]),
    "rest that is not finite": _set(["robot", "rest"], [0.0, float("inf")]),
    "no fingerprint": _without(["robot", "fingerprint"]),
    "unknown loss": _set(["loss", "name"], "degrees"),
    "negative weight": _set(["loss", "position_weight"], -1.0),
    "loss of another size": _set(["loss", "name"], "forward_kinematics"),
    "unknown kernel": _set(["kernel", "name"], "cubic"),
    "kernel is a word": _set(["kernel"], "gaussian"),
    "zero length scale": _set(["kernel", "position_length_scale"], 0.0),
    "length scale is a list": _set(["kernel", "position_length_scale"], [1.0]),
    "kernel with other features": _set(["kernel", "orientation"], "euler"),
    "negative penalty": _set(["penalty"], -1.0),
    "penalty is a word": _set(["penalty"], "small"),
    "more centers": _set(["centers"], 31),
    "no centers": _set(["centers"], 0),
    "centers is a word": _set(["centers"], "many"),
    "infinitely many centers": _set(["centers"], float("inf")),
    "no hyperparameters": _without(["hyperparameters"]),
    "zero timeout": _set(["hyperparameters", "timeout"], 0.0),
    "timeout is a word": _set(["hyperparameters", "timeout"], "long"),
    "seed is a word": _set(["hyperparameters", "random_state"], "seven"),
    "negative seed": _set(["hyperparameters", "random_state"], -1),
    "no training": _without(["training"]),
    "infinitely many samples": _set(["training", "samples"], float("inf")),
    "samples is a word": _set(["training", "samples"], "many"),
    "no validation": _without(["validation"]),
    "validation is a number": _set(["validation"], 3),
}


@pytest.mark.parametrize("change", ALTERED)
def test_altered_header_is_refused(saved, change):
    rewrite(saved, ALTERED[change])
    with pytest.raises(ModelFileError, match=r"model\.npz"):
        load_model(saved)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b"17", b'"word"', b"\xff\xfe\x00", b"[" * 200_000, b'{"format": "crisp_ik model"}'],
    ids=lambda text: repr(text[:12]),
)
def test_header_that_is_no_json_object_is_refused(saved, text):
    rewrite(saved, header=np.frombuffer(text, np.uint8))
    with pytest.raises(ModelFileError):
        load_model(saved)


def test_oversized_header_is_refused(saved):
    rewrite(saved, lambda header: {**header, "padding": "x" * (2 << 20)})
    with pytest.raises(ModelFileError, match="header"):
        load_model(saved)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["centers", "coefficients", "configurations"])
def test_weights_that_are_not_finite_are_refused_by_name(saved, name, value):
    with np.load(saved) as archive:
        array = archive[name].copy()
    array[3, 1] = value
    rewrite(saved, **{name: array})
    with pytest.raises(ModelFileError, match=name):
        load_model(saved)


@pytest.mark.parametrize("name", ["centers", "coefficients", "configurations"])
@pytest.mark.parametrize(
    "change",
    [
        lambda array: array[:-1],
        lambda array: array[:, :-1],
        lambda array: array.T,
        lambda array: array.astype(np.float32),
        lambda array: array.astype(complex),
        lambda array: array.astype(">f8"),
        lambda array: array[None],
        lambda array: array.ravel(),
        lambda array: array[:0],
        lambda array: array.astype(str),
    ],
    ids=["rows", "columns", "transposed", "float32", "complex", "bytes", "axes", "flat", "empty", "text"],
)
def test_arrays_of_another_shape_or_type_are_refused_by_name(saved, name, change):
    with np.load(saved) as archive:
        array = archive[name]
    rewrite(saved, **{name: change(array)})
    with pytest.raises(ModelFileError, match=name):
        load_model(saved)


@pytest.mark.parametrize("name", ["header", "centers", "coefficients", "configurations"])
@pytest.mark.parametrize(
    "shape",
    [(1 << 40,), (1 << 20, 1 << 20), (1 << 62, 4), (-1, -240), (-30, -12), (True, 12), (1 << 70, 1)],
    ids=str,
)
def test_shapes_that_lie_are_refused_before_anything_is_allocated(saved, name, shape):
    descr = "|u1" if name == "header" else "<f8"
    rewrite(saved, **{name: npy_claiming(shape, bytes(2880), descr)})
    with pytest.raises(ModelFileError):
        load_model(saved)


def test_array_that_says_it_is_column_by_column_is_read_as_such(saved, estimator, samples):
    with np.load(saved) as archive:
        array = np.asfortranarray(archive["coefficients"])
    rewrite(saved, coefficients=array)
    np.testing.assert_array_equal(answers(load_model(saved), samples.poses[:2]), answers(estimator, samples.poses[:2]))


def test_compressed_or_strangely_packed_archives_raise_nothing_else(saved):
    with np.load(saved) as archive:
        contents = {name: archive[name] for name in archive.files}
    np.savez_compressed(saved, **contents)
    content = saved.read_bytes()
    load_model(saved)
    rng = np.random.default_rng(0)
    for offset in rng.integers(0, len(content), 300):
        damaged = bytearray(content)
        damaged[offset] ^= 1 << int(rng.integers(0, 8))
        saved.write_bytes(damaged)
        with contextlib.suppress(ModelFileError):
            load_model(saved)


def test_archive_that_names_a_password_is_refused(saved):
    content = bytearray(saved.read_bytes())
    # Bit 0 of the general purpose flags, in each local header and in the central directory.
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(signature)
        while start >= 0:
            content[start + flags] |= 1
            start = content.find(signature, start + 1)
    saved.write_bytes(content)
    with pytest.raises(ModelFileError):
        load_model(saved)


# ---- saving --------------------------------------------------------------------------------------------------------


def test_failed_save_leaves_the_old_file_and_no_other(saved, estimator, monkeypatch):
    before = saved.read_bytes()

    def full(stream, **arrays):
        stream.write(b"half a model")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(ModelFileError, match="No space left"):
        estimator.save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["model.npz"]


def test_interrupted_save_leaves_the_old_file_and_no_other(saved, estimator, monkeypatch):
    before = saved.read_bytes()

    def interrupted(stream, **arrays):
        stream.write(b"half a model")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        estimator.save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["model.npz"]


def test_save_where_nothing_can_be_written_is_an_error_of_the_package(estimator, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFileError, match="cannot write"):
        estimator.save(tmp_path / "file" / "model.npz")
    with pytest.raises(ModelFileError, match="cannot write"):
        estimator.save(tmp_path)


def test_save_makes_its_folder_replaces_the_file_and_leaves_nothing_else(estimator, tmp_path):
    path = tmp_path / "new" / "folder" / "model.npz"
    for _ in range(2):
        estimator.save(path)
    assert [item.name for item in path.parent.iterdir()] == ["model.npz"]
    load_model(str(path))


def test_serving_a_model_needs_neither_urdf_nor_simulator(saved):
    import subprocess
    import sys

    program = (
        "import sys\n"
        "for name in ('pybullet', 'pybullet_data', 'yourdfpy', 'sklearn', 'rclpy'): sys.modules[name] = None\n"
        "from crisp_ik_ros import load_model\n"
        f"model = load_model({str(saved)!r})\n"
        "pose = model.robot.forward_kinematics([0.1, 0.2])\n"
        "assert model.solve(pose, seed=[0.0, 0.0]).configuration.shape == (2,)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_robot_of_a_loaded_model_is_a_robot_model(saved):
    assert isinstance(load_model(saved).robot, RobotModel)
