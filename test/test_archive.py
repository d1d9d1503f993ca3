"""Archives of mixed samples, good and damaged."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisp_ik_ros import Dataset
from crisp_ik_ros.datasets.dataset import Distance
from crisp_ik_ros.errors import DatasetError

NAMES = ("shoulder", "elbow")


def samples():
    rng = np.random.default_rng(0)
    poses = np.broadcast_to(np.eye(4), (3, 4, 4)).copy()
    poses[:, :3, 3] = rng.normal(size=(3, 3))
    return Dataset.concatenate(
        [
            Dataset(rng.normal(size=(3, 2)), poses, NAMES, noise=(1e-4, 1e-3)),
            Dataset.from_positions(rng.normal(size=(2, 2)), rng.normal(size=(2, 3)), NAMES),
            Dataset.from_same_points(
                {"a/0": rng.normal(size=(2, 2)), "a/1": rng.normal(size=(3, 2))}, NAMES,
                distances=[Distance("a/0", "a/1", 0.05)],
            ),
        ]
    )  # fmt: skip


def content_of(**changes):
    """Archive of the samples with these fields changed, or left out where they are None."""
    buffer = io.BytesIO()
    samples().save(SCRATCH / "good.npz")
    with np.load(SCRATCH / "good.npz") as archive:
        arrays = {**archive, **changes}
    np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
    return buffer.getvalue()


@pytest.fixture(autouse=True, scope="module")
def scratch(tmp_path_factory):
    global SCRATCH
    SCRATCH = tmp_path_factory.mktemp("archives")


def load(content):
    path = SCRATCH / "data.npz"
    path.write_bytes(content)
    return Dataset.load(path)


def test_the_archive_that_the_refusals_change_is_good():
    assert repr(load(content_of())) == repr(samples())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": np.array(4)}, "version 4, expected 1 to 3"),
        ({"version": np.array([1, 2])}, "cannot be read"),
        ({"poses": None}, "lacks poses"),
        ({"kinds": np.full(10, 7)}, "sample 0 is of kind 7"),
        ({"kinds": np.zeros(4, dtype=int)}, "kinds"),
        ({"kinds": np.array(["a"] * 10)}, "kinds"),
        ({"groups": np.full(10, 5)}, "sample 0 is in group 5"),
        ({"groups": np.zeros((10, 2), dtype=int)}, "groups"),
        ({"groups": None}, "sample 5 has neither|distance"),
        ({"group_names": None}, "group"),
        ({"group_names": np.array(["a", "b,c"])}, "comma"),
        ({"noise": np.zeros(10)}, "noise"),
        ({"noise": np.full((10, 2), -1.0)}, "noise"),
        ({"noise": np.array(["a"] * 20).reshape(10, 2)}, "noise"),
        ({"distance_groups": np.array([[0, 2]])}, "group 2, expected 0 to 1"),
        ({"distance_groups": np.array([[-1, 1]])}, "distance"),
        ({"distance_groups": np.array([[0.0, 1.0]])}, "distances"),
        ({"distance_groups": np.array([0, 1])}, "distances"),
        ({"distance_values": None}, "distances"),
        ({"distance_values": np.array([[0.05, 0.0]])}, "above 0"),
        ({"distance_values": np.array([["a", "b"]])}, "distances"),
        ({"joint_names": np.array([["a", "b"]])}, "configurations|joint"),
    ],
)  # fmt: skip
def test_archive_that_cannot_be_used_is_refused(changes, reason):
    with pytest.raises(DatasetError, match=reason) as caught:
        load(content_of(**changes))
    assert "data.npz" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"payloads": np.zeros(3)}, "payloads: got shape"),
        ({"payloads": np.full(10, -1.0)}, "payloads: sample 0"),
        ({"payloads": np.array(["a"] * 10)}, "'payloads' holds"),
        ({"sessions": np.zeros(10, int)}, "session 0, expected 0 to -1"),
        ({"sessions": np.full(10, -1), "session_names": np.array(["a"])}, "session -1, expected 0 to 0"),
        ({"sessions": np.zeros(10), "session_names": np.array(["a"])}, "sessions: got shape .* of float64"),
        ({"sessions": np.zeros(10, int), "session_names": np.zeros(1)}, "'session_names' holds float64"),
        ({"markers": np.ones(10, int), "marker_names": np.array(["a"])}, "marker 1, expected 0 to 0"),
        ({"markers": np.zeros(10, int), "marker_names": np.array([" a"])}, "marker name ' a'"),
        ({"temperatures": np.full(10, 1e4)}, "temperatures: sample 0"),
        ({"approaches": np.zeros((10, 3))}, "approaches: got shape"),
        ({"approaches": np.full((10, 2), 2.0)}, "approaches: sample 0, joint 0"),
    ],
)
def test_circumstances_that_cannot_be_are_refused(changes, reason):
    with pytest.raises(DatasetError, match=reason) as caught:
        load(content_of(version=np.array(3), **changes))
    assert "data.npz" in str(caught.value)


def test_an_archive_of_an_earlier_version_has_no_circumstances():
    assert load(content_of(payloads=np.zeros(10))).payloads is None
    assert load(content_of(version=np.array(3), payloads=np.zeros(10))).payloads is not None


def test_what_is_no_archive_is_refused():
    np.save(SCRATCH / "array.npy", np.zeros(3))
    for content in ((SCRATCH / "array.npy").read_bytes(), b"", b"PK", b"text"):
        with pytest.raises(DatasetError, match=r"data\.npz"):
            load(content)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("version", "joint_names", "configurations", "poses"):
            archive.writestr(f"{name}.txt", "1")
    with pytest.raises(DatasetError):
        load(buffer.getvalue())


FIELDS = "version joint_names configurations poses kinds groups group_names noise distance_groups distance_values"
SINCE_VERSION_3 = "payloads sessions session_names markers marker_names temperatures approaches"
ARRAYS = st.sampled_from(FIELDS.split() + SINCE_VERSION_3.split())
VALUES = st.one_of(
    st.none(),
    st.builds(
        lambda shape, dtype, value: np.full(shape, value).astype(dtype),
        st.lists(st.integers(0, 10), max_size=3).map(tuple),
        st.sampled_from(["f8", "i8", "i1", "u8", "U3", "?", "c16", "S2", "f2"]),
        st.sampled_from([0, 1, -1, 2, 127]),
    ),
)


@settings(max_examples=300)
@given(st.dictionaries(ARRAYS, VALUES, min_size=1, max_size=3))
def test_archives_of_strange_arrays_are_read_or_refused(changes):
    try:
        loaded = load(content_of(**{"version": np.array(3), **changes}))
    except DatasetError:
        return
    loaded.save(SCRATCH / "again.npz")
    assert repr(Dataset.load(SCRATCH / "again.npz")) == repr(loaded)


@settings(max_examples=300)
@given(st.data())
def test_damaged_archives_are_read_or_refused(data):
    content = bytearray(content_of())
    # Headers and the directory at the end matter most.
    place = st.one_of(st.integers(0, len(content) - 1), st.integers(len(content) - 900, len(content) - 1))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(place)] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]
    try:
        load(bytes(content))
    except DatasetError:
        return


@settings(max_examples=100)
@given(st.data())
def test_damaged_archives_are_mapped_or_refused(data):
    content = bytearray(content_of())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = SCRATCH / "mapped.npz"
    path.unlink(missing_ok=True)
    path.write_bytes(bytes(content))
    try:
        Dataset.load(path, memory_map=True)
    except DatasetError:
        return
