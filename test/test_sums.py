"""Sums over samples in chunks, in threads, from files and on a cluster: always the same numbers."""

import sys

import numpy as np
import pytest
from oracles import biased, sample_around
from test_kernels import random_poses
from threadpoolctl import threadpool_limits

from crisp_ik_ros import CRiSP, Dataset
from crisp_ik_ros.errors import DatasetError, InvalidInputError, MissingDependencyError, RegressionError
from crisp_ik_ros.estimators.samples import ConfigurationRows, TargetRows
from crisp_ik_ros.losses.evaluate import make_loss
from crisp_ik_ros.regression import nystrom, sums, threads
from crisp_ik_ros.regression.cluster import open_sums
from crisp_ik_ros.regression.kernels import GaussianKernel, LaplacianKernel
from crisp_ik_ros.regression.nystrom import NystromRidge
from crisp_ik_ros.regression.sums import GramTerm, MomentTerm, NormalTerm, local_sums
from crisp_ik_ros.regression.threads import WORTH_THREADS, available_threads, limit_threads

COUNT = 130
POSES = random_poses(COUNT)
TARGETS = np.random.default_rng(0).normal(size=(COUNT, 3))
KERNEL = LaplacianKernel(0.4, 1.0)
CENTERS = KERNEL.features(POSES[::5])


def terms():
    factor = np.asfortranarray(np.linalg.cholesky(KERNEL.matrix(CENTERS, CENTERS)))
    directions = np.random.default_rng(1).normal(size=(len(CENTERS), 2))
    return {
        "gram": GramTerm(KERNEL, CENTERS, factor, 3),
        "moment": MomentTerm(KERNEL, CENTERS, 3),
        "normal": NormalTerm(KERNEL, CENTERS, directions),
    }


def expected(name):
    term, tall = terms()[name], KERNEL.matrix(KERNEL.features(POSES), CENTERS)
    if name == "moment":
        return (tall.T @ TARGETS,)
    if name == "normal":
        return (tall.T @ (tall @ term.directions),)
    whitened = np.linalg.solve(np.tril(term.factor), tall.T)
    return np.tril(whitened @ whitened.T), whitened @ TARGETS


@pytest.mark.parametrize("name", terms())
@pytest.mark.parametrize("chunk", [1, 17, COUNT, 1000])
@pytest.mark.parametrize("threads", [1, 3])
def test_sums_are_those_of_the_whole_matrix(monkeypatch, name, chunk, threads):
    monkeypatch.setattr(sums, "available_threads", lambda: threads)
    totals = local_sums(terms()[name], POSES, TARGETS, chunk)
    for total, value in zip(totals, expected(name), strict=True):
        np.testing.assert_allclose(total, value, rtol=1e-9, atol=1e-11)


def test_threads_add_up_in_a_fixed_order(monkeypatch):
    monkeypatch.setattr(sums, "available_threads", lambda: 3)
    first, second = (local_sums(terms()["gram"], POSES, TARGETS, 10) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_little_work_gets_one_thread_and_much_work_all_there_are():
    with threadpool_limits(limits=2):
        assert available_threads() == 2
        with limit_threads(0.99 * WORTH_THREADS):
            assert available_threads() == 1
        with limit_threads(WORTH_THREADS):
            assert available_threads() == 2
        assert available_threads() == 2


def test_without_any_library_of_linear_algebra_there_is_one_thread(monkeypatch):
    monkeypatch.setattr(threads, "threadpool_info", lambda: [{"user_api": "openmp", "num_threads": 8}])
    assert available_threads() == 1


def test_large_sums_are_kept_once(monkeypatch):
    made = []
    term = terms()["gram"]
    monkeypatch.setattr(sums, "available_threads", lambda: 3)
    monkeypatch.setattr(sums, "LARGE", 10)
    monkeypatch.setattr(GramTerm, "add", lambda self, poses, targets, totals, memory: made.append(id(totals[0])))
    local_sums(term, POSES, TARGETS, 10)
    assert len(made) == 13
    assert len(set(made)) == 1


# ---- samples that stay in a file -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def samples(panda):
    return sample_around(panda, biased(panda), 400)


@pytest.fixture(scope="module")
def file(samples, tmp_path_factory):
    path = tmp_path_factory.mktemp("map") / "samples.npz"
    samples.save(path)
    return path


def test_mapped_arrays_are_the_file_and_not_a_copy(samples, file):
    mapped = Dataset.load(file, memory_map=True)
    for name in ("configurations", "poses"):
        array, whole = getattr(mapped, name), getattr(samples, name)
        np.testing.assert_array_equal(array, whole)
        assert not array.flags.writeable
        base = array
        while not isinstance(base, np.memmap) and base.base is not None:
            base = base.base
        assert isinstance(base, np.memmap)
    assert mapped.joint_names == samples.joint_names


@pytest.mark.parametrize("centers", [60, None])
def test_mapped_samples_give_the_same_model_bit_for_bit(panda, samples, file, centers):
    first, second = (
        CRiSP(panda, kernel=GaussianKernel(0.3, 1.0), penalty=1e-8, centers=centers).fit(data)
        for data in (samples, Dataset.load(file, memory_map=True))
    )
    np.testing.assert_array_equal(first.regression_.coefficients_, second.regression_.coefficients_)
    np.testing.assert_array_equal(first.center_configurations_, second.center_configurations_)
    np.testing.assert_array_equal(first.nearness_, second.nearness_)
    assert first.validation_ == second.validation_


def test_nystrom_never_reads_more_than_a_chunk(panda, samples, monkeypatch):
    """Whatever is asked of the samples at once is bounded, so memory does not grow with their number."""
    largest = []

    class Recorder:
        def __init__(self, array):
            self.array, self.shape = array, array.shape

        def __len__(self):
            return len(self.array)

        def __getitem__(self, rows):
            values = self.array[rows]
            largest.append(len(values))
            return values

    monkeypatch.setattr(nystrom, "CHUNK", 32)
    regression = NystromRidge(GaussianKernel(0.3, 1.0), 1e-8, centers=40)
    whole = regression.fit(samples.poses, samples.configurations).coefficients_
    recorded = NystromRidge(GaussianKernel(0.3, 1.0), 1e-8, centers=40)
    recorded.fit(Recorder(samples.poses), Recorder(samples.configurations))
    np.testing.assert_array_equal(recorded.coefficients_, whole)
    assert max(largest) == 40


def test_what_cannot_be_mapped_is_refused_by_name(samples, tmp_path):
    samples.save(tmp_path / "samples.csv")
    with pytest.raises(DatasetError, match=r"csv.*text"):
        Dataset.load(tmp_path / "samples.csv", memory_map=True)
    arrays = {"configurations": samples.configurations, "poses": samples.poses}
    names = {"version": np.array(1), "joint_names": np.array(samples.joint_names)}
    np.savez_compressed(tmp_path / "packed.npz", **arrays, **names)
    with pytest.raises(DatasetError, match=r"configurations.*compressed"):
        Dataset.load(tmp_path / "packed.npz", memory_map=True)
    np.savez(tmp_path / "single.npz", **{name: array.astype("f4") for name, array in arrays.items()}, **names)
    with pytest.raises(DatasetError, match=r"configurations.*float64"):
        Dataset.load(tmp_path / "single.npz", memory_map=True)


def test_mapped_values_are_checked_too(samples, tmp_path):
    samples.save(tmp_path / "samples.npz")
    data = bytearray((tmp_path / "samples.npz").read_bytes())
    needle = samples.poses[7, 0, 3].tobytes()
    at = data.find(needle)
    data[at : at + 8] = np.array(np.nan).tobytes()
    (tmp_path / "samples.npz").write_bytes(data)
    with pytest.raises(DatasetError, match="row 7"):
        Dataset.load(tmp_path / "samples.npz", memory_map=True)


def test_rows_on_demand_are_the_rows_of_the_whole(panda, samples):
    order = [3, 0, 1, 2, 6, 5, 4]
    shuffled = Dataset(samples.configurations[:, order], samples.poses, [samples.joint_names[i] for i in order])
    configurations = ConfigurationRows(panda, shuffled)
    np.testing.assert_array_equal(configurations[:], samples.configurations)
    loss = make_loss("residual")
    targets = TargetRows(panda, loss, configurations, samples.poses)
    phi = loss.embed(panda, samples.configurations, samples.poses)
    whole = np.column_stack([np.ones(len(phi)), phi, np.sum(phi**2, axis=1), samples.configurations])
    assert targets.shape == whole.shape
    np.testing.assert_array_equal(targets[:], whole)
    np.testing.assert_allclose(targets[50:60], whole[50:60], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(targets[np.array([9, 2])], whole[[9, 2]], rtol=1e-13, atol=1e-15)


# ---- on a cluster --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, protocol="inproc"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.mark.parametrize("name", terms())
def test_a_cluster_gives_the_sums_of_this_process_to_rounding(cluster, name):
    with open_sums(cluster) as cluster_sums:
        totals = cluster_sums(terms()[name], POSES, TARGETS, 7)
    for total, value in zip(totals, expected(name), strict=True):
        np.testing.assert_allclose(total, value, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("solver", ["cholesky", "conjugate_gradients"])
def test_training_on_a_cluster_gives_the_model_of_this_process(cluster, panda, samples, monkeypatch, solver):
    monkeypatch.setattr(nystrom, "CHUNK", 16)
    here, there = (
        CRiSP(
            panda,
            kernel=LaplacianKernel(0.3, 1.0),
            penalty=1e-6,
            centers=50,
            regression_solver=solver,
            scheduler=address,
        ).fit(samples)
        for address in (None, cluster)
    )
    expected = here.regression_.predict(samples.poses[:50])
    np.testing.assert_allclose(there.regression_.predict(samples.poses[:50]), expected, rtol=1e-9, atol=1e-10)
    assert there.scores(samples.poses[0]).shape == (len(samples),)


def test_without_dask_the_error_names_the_extra(panda, samples, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependencyError, match=r"crisp_ik\[dask\]"):
        CRiSP(panda, kernel=KERNEL, penalty=1e-6, centers=50, scheduler="tcp://127.0.0.1:1").fit(samples)


def test_a_scheduler_that_does_not_answer_is_an_error(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("crisp_ik_ros.regression.cluster.CONNECTION_TIMEOUT", 0.2)
    with pytest.raises(RegressionError, match=r"127\.0\.0\.1:1"), open_sums("tcp://127.0.0.1:1"):
        pass


@pytest.mark.parametrize(
    ("name", "value"),
    [("center_selection", "best"), ("validation", "none"), ("regression_solver", "lu"), ("scheduler", "")],
)
def test_settings_that_do_not_exist_are_refused_by_name(panda, samples, name, value):
    with pytest.raises(InvalidInputError, match=name):
        CRiSP(panda, **{name: value}).fit(samples)
