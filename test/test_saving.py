"""Files that are written: whole or not at all, whatever happens meanwhile. What cannot fit is refused before work."""

import contextlib
import errno
import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from oracles import biased, sample_around

from crisp_ik_ros import CRiSP, Dataset, load_model
from crisp_ik_ros.errors import CrispIKError, DatasetError, InvalidInputError, ModelFileError, ResourceError
from crisp_ik_ros.files import check_writable, replacing
from crisp_ik_ros.memory import SHARE, available_memory
from crisp_ik_ros.nodes.recording import Recording
from crisp_ik_ros.regression.kernels import GaussianKernel
from crisp_ik_ros.training.request import TrainingRequest
from crisp_ik_ros.training.resources import training_memory
from crisp_ik_ros.training.train import train

KERNEL = GaussianKernel(0.5, 1.0)


@pytest.fixture(scope="module")
def samples(two_link):
    return sample_around(two_link, biased(two_link), 30)


@pytest.fixture(scope="module")
def model(two_link, samples):
    return CRiSP(two_link, kernel=KERNEL, penalty=1e-7).fit(samples)


@pytest.fixture(scope="module")
def large_model(two_link):
    """Some 5 MB: writing it takes a while."""
    fitted = CRiSP(two_link, kernel=KERNEL, penalty=1e-5, centers=500).fit(
        sample_around(two_link, biased(two_link), 600)
    )
    rng = np.random.default_rng(0)
    fitted.regression_.centers_ = rng.normal(size=(30000, 12))
    fitted.regression_.coefficients_ = rng.normal(size=(30000, fitted.regression_.coefficients_.shape[1]))
    fitted.center_configurations_ = np.zeros((30000, 2))
    return fitted


@contextlib.contextmanager
def mounted(folder: Path, options: str):
    """File system of its own at a folder, in memory; skips where that is not allowed."""
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root mounts file systems")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def forked(work) -> int:
    """Process number of a copy of this process that does ``work`` and ends with 0, or with 1 where that raised."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# ---- killed ---------------------------------------------------------------------------------------------------------


def test_killed_at_any_moment_of_saving_leaves_the_old_model_or_the_new_one(model, large_model, tmp_path):
    path = tmp_path / "model.npz"
    model.save(path)
    sizes = {len(load_model(path).regression_.centers_)}
    began = time.perf_counter()
    large_model.save(tmp_path / "timed.npz")
    took = time.perf_counter() - began
    (tmp_path / "timed.npz").unlink()
    found, leftovers = set(), 0
    moments = [*np.linspace(0.0, 1.0, 20), *2.0 ** np.arange(1, 10)]
    while moments and not (len(moments) < 9 and found == sizes | {30000}):
        moment = moments.pop(0)
        model.save(path)
        assert names(tmp_path) == ["model.npz"], "what was left over is still there"
        child = forked(lambda: large_model.save(path))
        time.sleep(moment * took)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found.add(len(load_model(path).regression_.centers_))
        leftovers += len(names(tmp_path)) - 1
    assert found == sizes | {30000}, "both outcomes were seen"
    assert leftovers, "some were killed while writing"


def test_temporary_files_of_living_processes_stay(model, tmp_path):
    path = tmp_path / "model.npz"
    reading, writing = os.pipe()

    def write_slowly():
        with replacing(path, ModelFileError) as stream:
            stream.write(b"half")
            os.write(writing, b"!")
            signal.pause()

    child = forked(write_slowly)
    try:
        assert os.read(reading, 1) == b"!"
        model.save(path)
        assert len(names(tmp_path)) == 2 and any(str(child) in name for name in names(tmp_path))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    model.save(path)
    assert names(tmp_path) == ["model.npz"]


def test_what_only_looks_like_a_temporary_file_stays(model, tmp_path):
    (tmp_path / ".model.npz.backup").write_text("mine")
    (tmp_path / ".other.npz.123.tmp").write_text("another's")
    (tmp_path / ".model.npz.1.tmp").symlink_to(tmp_path / ".model.npz.backup")
    model.save(tmp_path / "model.npz")
    assert (tmp_path / ".model.npz.backup").read_text() == "mine"
    assert (tmp_path / ".other.npz.123.tmp").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_writing_leaves_the_old_file_and_no_other(tmp_path, number):
    path = tmp_path / "file"
    path.write_text("old")
    reading, writing = os.pipe()

    def write_slowly():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with replacing(path, CrispIKError) as stream:
            stream.write(b"new")
            os.write(writing, b"!")
            time.sleep(60)

    child = forked(write_slowly)
    os.read(reading, 1)
    os.kill(child, number)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert path.read_text() == "old" and names(tmp_path) == ["file"]


# ---- no space, no permission ----------------------------------------------------------------------------------------


def limited(work, most=4000):
    """Error that ``work`` meets in a process whose files may have so many bytes, as where a disk is full."""
    reading, writing = os.pipe()

    def attempt():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        try:
            work()
        except CrispIKError as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode())

    child = forked(attempt)
    os.close(writing)
    said = os.read(reading, 10000).decode()
    os.close(reading)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "another error than one of the package"
    return said


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_samples_that_do_not_fit_leave_the_old_file_and_no_other(samples, tmp_path, suffix):
    path = tmp_path / f"data{suffix}"
    samples.subset(np.arange(3)).save(path)
    before = path.read_bytes()
    said = limited(lambda: samples.save(path), 1000)
    assert said.startswith("DatasetError: cannot write the samples to") and os.strerror(errno.EFBIG) in said
    assert path.read_bytes() == before and names(tmp_path) == [path.name]


def test_model_that_does_not_fit_leaves_the_old_file_and_no_other(model, large_model, tmp_path):
    path = tmp_path / "model.npz"
    model.save(path)
    before = path.read_bytes()
    said = limited(lambda: large_model.save(path), 1 << 20)
    assert said.startswith("ModelFileError: cannot write the model to") and os.strerror(errno.EFBIG) in said
    assert path.read_bytes() == before and names(tmp_path) == ["model.npz"]


def test_full_disk_is_said_and_leaves_the_old_model(model, large_model, tmp_path):
    with mounted(tmp_path / "disk", "size=1m") as disk:
        path = disk / "model.npz"
        model.save(path)
        before = path.read_bytes()
        with pytest.raises(ModelFileError, match=os.strerror(errno.ENOSPC)):
            large_model.save(path)
        assert path.read_bytes() == before and names(disk) == ["model.npz"]
        recording_is_kept(disk)


def recording_is_kept(disk):
    """A recorder's file on a full disk: what was saved stays, and the samples are kept."""
    from crisp_ik_ros import RobotModel

    robot = RobotModel.planar5()
    q = robot.random_configurations(3, np.random.default_rng(0))
    recording = Recording(robot, "poses", str(disk / "data.csv"))
    recording._parts = [Dataset(q, robot.forward_kinematics(q), robot.joint_names)]
    recording.save()
    before = (disk / "data.csv").read_bytes()
    many = robot.random_configurations(20000, np.random.default_rng(0))
    recording._parts.append(Dataset(many, robot.forward_kinematics(many), robot.joint_names))
    with pytest.raises(CrispIKError, match=r"not saved \(20003 samples\).*No space"):
        recording.save()
    assert recording.unsaved == 20000 and (disk / "data.csv").read_bytes() == before


def test_read_only_folder_is_refused_in_words(model, samples, tmp_path):
    with mounted(tmp_path / "disk", "size=1m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(ModelFileError, match=r"cannot write the model.*Read-only"):
            model.save(disk / "model.npz")
        with pytest.raises(DatasetError, match=r"cannot write the samples.*Read-only"):
            samples.save(disk / "data.csv")
        with pytest.raises(ResourceError, match="cannot be written to"):
            check_writable(disk / "new" / "model.npz", 10, ResourceError)


def test_devices_pipes_and_folders_are_not_replaced(model, samples, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelFileError, match="named pipe"):
        model.save(tmp_path / "pipe")
    with pytest.raises(DatasetError, match="folder"):
        samples.save(tmp_path)
    # In a folder of our own: as root, a mistake would replace the real one.
    (tmp_path / "null").symlink_to("/dev/null")
    with pytest.raises(ModelFileError, match="device"):
        model.save(tmp_path / "null")
    with pytest.raises(ModelFileError, match="cannot write"):
        model.save(tmp_path / ("x" * 300))
    model.save(tmp_path / ("x" * 250))


# ---- refused before any work ----------------------------------------------------------------------------------------


def gathered():
    raise AssertionError("the samples were gathered all the same")


def bar(label):
    return lambda done, total: None


def refused(robot, words, count=5000, **values):
    request = TrainingRequest(**values)
    with pytest.raises(CrispIKError, match=words) as caught:
        train(request, robot, gathered, {}, bar, count=count)
    return str(caught.value)


def test_regression_that_does_not_fit_into_memory_is_refused_with_what_does(two_link, tmp_path):
    output = tmp_path / "model.npz"
    said = refused(two_link, "of memory", 10_000_000, output=output, centers=None)
    fits = int(said.split("at most ")[1].split()[0])
    room = available_memory()
    # Others use memory too meanwhile.
    assert 0.3 * SHARE * room < training_memory(fits, None, 2) < 3.0 * SHARE * room
    assert "exact regression on 10000000 samples takes about 8.01e+05 GB" in said
    said = refused(two_link, "of memory", 10_000_000, output=output, centers=5_000_000)
    centers = int(said.split("with at most ")[1].split()[0])
    assert 1000 < centers < 5_000_000
    assert not output.exists() and names(tmp_path) == []


def test_estimate_grows_with_samples_and_centers():
    assert training_memory(20000, None, 7) > 8 * 20000**2
    assert training_memory(20000, 20000, 7) == training_memory(20000, None, 7)
    assert training_memory(20000, 1000, 7) < training_memory(20000, 2000, 7) < training_memory(20000, None, 7)
    # A million samples with 2000 centers are trained on machines of a few gigabytes.
    assert training_memory(1_000_000, 2000, 7) < 3e9


def test_data_that_does_not_fit_is_refused_before_it_is_fitted(two_link, samples, tmp_path, monkeypatch):
    import crisp_ik_ros.memory as memory

    monkeypatch.setattr(memory, "available_memory", lambda: 1000.0)
    with pytest.raises(ResourceError, match="of memory"):
        train(TrainingRequest(tmp_path / "m.npz"), two_link, lambda: samples, {}, bar)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"penalty": 0.0}, "penalty: got 0.0, expected a finite number above 0"),
        ({"penalty": -1.0}, "penalty"),
        ({"penalty": float("nan")}, "penalty"),
        ({"centers": 0}, "centers"),
        ({"kernel": "cubic"}, "kernel.*gaussian"),
        ({"loss": "hinge"}, "loss.*residual"),
        ({"seed": -1}, "seed"),
        ({"center_selection": "best"}, "center_selection"),
        ({"validation": "none"}, "validation"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_samples_are_drawn(two_link, tmp_path, values, words):
    refused(two_link, words, output=tmp_path / "model.npz", **values)


def test_outputs_that_cannot_be_written_are_refused_before_samples_are_drawn(two_link, tmp_path):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    for output in (tmp_path, tmp_path / "pipe", tmp_path / "file" / "model.npz", tmp_path / ("x" * 300)):
        refused(two_link, "cannot write the model", output=output)
    good = tmp_path / "new" / "model.npz"
    refused(two_link, "cannot write the report", output=good, report=tmp_path)
    refused(two_link, "cannot write the corrected URDF", output=good, corrected_urdf=tmp_path)
    assert names(tmp_path) == ["file", "pipe"], "and nothing is made"


def test_disk_without_the_space_is_refused_before_samples_are_drawn(two_link, tmp_path):
    with mounted(tmp_path / "disk", "size=1m") as disk:
        said = refused(two_link, "are free there", output=disk / "model.npz", count=100_000)
    assert "1.05 MB" in said


# ---- samples that make no model, or only with a remedy --------------------------------------------------------------


def test_fewer_than_two_samples_are_refused(two_link, samples):
    with pytest.raises(DatasetError, match="got 1 sample, expected at least 2"):
        CRiSP(two_link, kernel=KERNEL, penalty=1e-7).fit(samples.subset([0]))


def test_rows_that_are_not_finite_are_refused_by_number(samples, tmp_path):
    path = tmp_path / "data.npz"
    samples.save(path)
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["poses"][[4, 9], 0, 3] = np.nan
    np.savez(path, **arrays)
    with pytest.raises(DatasetError, match="2 rows hold values that are not finite, the first is row 4"):
        Dataset.load(path)


@pytest.mark.parametrize("penalty", [0.0, -1e-6, np.nan, np.inf])
def test_penalties_that_are_not_positive_are_refused(two_link, samples, penalty):
    with pytest.raises(InvalidInputError, match="penalty"):
        CRiSP(two_link, kernel=KERNEL, penalty=penalty).fit(samples)


@pytest.mark.parametrize("centers", [None, 40])
def test_samples_that_stand_there_several_times_are_fitted_as_one_with_their_weight(two_link, samples, centers):
    """The kernel matrix is singular then; the penalty, and a jitter of at most 1e-8, bear it."""
    once = CRiSP(two_link, kernel=KERNEL, penalty=1e-7).fit(samples)
    thrice = CRiSP(two_link, kernel=KERNEL, penalty=1e-7, centers=centers).fit(
        samples.subset(np.tile(np.arange(len(samples)), 3))
    )
    assert 0.0 <= thrice.regression_.jitter_ <= 1e-8
    for pose in samples.poses[:5]:
        features = once.kernel_.features(pose[None])
        first, second = (
            m.kernel_.matrix(features, m.regression_.centers_) @ m.regression_.coefficients_ for m in (once, thrice)
        )
        np.testing.assert_allclose(second, first, rtol=0, atol=1e-3)


def test_samples_that_are_all_one_are_fitted_or_refused_in_words(two_link, samples):
    same = samples.subset(np.zeros(20, dtype=int))
    with contextlib.suppress(CrispIKError):
        fitted = CRiSP(two_link).fit(same)
        assert np.isfinite(fitted.regression_.coefficients_).all()
