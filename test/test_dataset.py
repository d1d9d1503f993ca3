"""Samples in memory and on disk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import homogeneous, rodrigues

from crisp_ik_ros import CrispIKError, Dataset
from crisp_ik_ros.errors import DatasetError

NAMES = ("shoulder", "elbow")
HEADER = "shoulder,elbow,x,y,z,qx,qy,qz,qw\n"
ROW = "0.1,0.2,1,2,3,0,0,0,1\n"


def random_dataset(count=20, seed=0):
    rng = np.random.default_rng(seed)
    poses = [homogeneous(rodrigues(rng.uniform(-1.8, 1.8, 3)), rng.normal(size=3)) for _ in range(count)]
    return Dataset(rng.normal(size=(count, 2)), np.array(poses), NAMES)


def assert_same(first, second, atol=0.0):
    assert first.joint_names == second.joint_names
    np.testing.assert_array_equal(first.configurations, second.configurations)
    np.testing.assert_allclose(first.poses, second.poses, rtol=0.0, atol=atol)


def test_npz_gives_back_the_same_numbers(tmp_path):
    samples = random_dataset()
    samples.save(tmp_path / "data.npz")
    assert_same(Dataset.load(tmp_path / "data.npz"), samples)


def test_csv_gives_back_the_same_numbers_up_to_the_rounding_of_quaternions(tmp_path):
    samples = random_dataset()
    samples.save(tmp_path / "data.csv")
    loaded = Dataset.load(tmp_path / "data.csv")
    assert_same(loaded, samples, atol=1e-15)
    np.testing.assert_array_equal(loaded.poses[:, :3, 3], samples.poses[:, :3, 3])


@given(st.integers(0, 2**32 - 1))
def test_csv_survives_any_number_of_round_trips(tmp_path_factory, seed):
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    first = random_dataset(4, seed)
    first.save(path)
    second = Dataset.load(path)
    second.save(path)
    assert_same(Dataset.load(path), first, atol=5e-15)


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_equal_data_give_equal_bytes(tmp_path, suffix):
    first, second = tmp_path / f"a{suffix}", tmp_path / "sub" / f"b{suffix}"
    random_dataset().save(first)
    random_dataset().save(str(second))
    assert first.read_bytes() == second.read_bytes()
    random_dataset(seed=1).save(second)
    assert first.read_bytes() != second.read_bytes()


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_save_replaces_the_file_and_leaves_nothing_else(tmp_path, suffix):
    path = tmp_path / f"data{suffix}"
    path.write_bytes(b"old")
    random_dataset(5).save(path)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    assert len(Dataset.load(path)) == 5


def test_failed_save_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "data.npz"
    random_dataset(5).save(path)

    def full(stream, **arrays):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(DatasetError, match="No space"):
        random_dataset(6).save(path)
    monkeypatch.undo()
    assert len(Dataset.load(path)) == 5
    assert [item.name for item in tmp_path.iterdir()] == ["data.npz"]


def test_csv_has_names_in_its_header_and_may_have_comments_blanks_and_another_order(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(
        "# measured on Monday\n\nx, y, z, elbow, qx, qy, qz, qw, shoulder\n"
        "1,2,3,0.2,0,0,0.7071067811865476,0.7071067811865476,0.1\n# a pause\n4,5,6,0.4,0,0,0,1,0.3\n"
    )
    loaded = Dataset.load(path)
    assert loaded.joint_names == ("elbow", "shoulder")
    np.testing.assert_array_equal(loaded.configurations, [[0.2, 0.1], [0.4, 0.3]])
    np.testing.assert_array_equal(loaded.poses[:, :3, 3], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_allclose(loaded.poses[0, :3, :3], [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-15)


def test_csv_may_end_its_lines_as_windows_does(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes((HEADER + ROW).replace("\n", "\r\n").encode())
    np.testing.assert_array_equal(Dataset.load(path).configurations, [[0.1, 0.2]])


def test_csv_may_have_a_byte_order_mark(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + ROW).encode())
    assert Dataset.load(path).joint_names == NAMES


REFUSED = {
    "empty": ("", "empty"),
    "only comments": ("# nothing\n", "empty"),
    "only a header": (HEADER, "0 configurations|no sample"),
    "no z": (HEADER.replace("z,", "", 1) + "0.1,0.2,1,2,0,0,0,1\n", "z"),
    "no joints": ("x,y,z,qx,qy,qz,qw\n1,2,3,0,0,0,1\n", "joint"),
    "column twice": ("elbow," + HEADER + "0," + ROW, "elbow, shoulder, elbow"),
    "no header": (ROW + ROW, "header"),
    "a word": (HEADER + ROW + ROW.replace("0.2", "wide"), "sample 1"),
    "an empty cell": (HEADER + ROW + ROW.replace("0.2", ""), "sample 1"),
    "too few cells": (HEADER + ROW + "0.1,0.2,1\n", "sample 1"),
    "one cell": (HEADER + ROW + "0.5\n", "sample 1"),
    "too many cells": (HEADER + ROW + ROW.strip() + ",7\n", "sample 1"),
    "not finite": (HEADER + ROW + ROW.replace("0.2", "nan"), "row 1"),
    "infinite": (HEADER + ROW + ROW.replace("0.2", "inf"), "row 1"),
    "quaternion of no length": (
        HEADER + ROW + ROW.replace("0,0,0,1", "0,0,0,0"),
        "row 1|sample 1",
    ),
    "quaternion of another length": (HEADER + ROW + ROW.replace("0,0,0,1", "0,0,1,1"), "row 1|sample 1"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_csv_that_cannot_be_used_is_refused_with_its_row_or_column(tmp_path, kind):
    text, reason = REFUSED[kind]
    path = tmp_path / "data.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match=reason):
        Dataset.load(path)


def test_csv_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes((HEADER.replace("elbow", "coud\xe9") + ROW).encode("latin-1"))
    with pytest.raises(DatasetError):
        Dataset.load(path)


def test_missing_file_is_refused_with_its_path(tmp_path):
    for name in ("nothing.npz", "nothing.csv"):
        with pytest.raises(DatasetError, match=name):
            Dataset.load(tmp_path / name)
    with pytest.raises(DatasetError):
        Dataset.load(tmp_path)


@pytest.mark.parametrize("sixteenths", range(16))
def test_truncated_npz_is_refused(tmp_path, sixteenths):
    path = tmp_path / "data.npz"
    random_dataset().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * sixteenths // 16])
    with pytest.raises(DatasetError):
        Dataset.load(path)


def test_damaged_npz_is_refused_or_reads_the_same(tmp_path):
    path = tmp_path / "data.npz"
    samples = random_dataset()
    samples.save(path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    offsets = [*range(200), *range(len(content) - 500, len(content)), *rng.integers(0, len(content), 200)]
    strange, refused = {}, 0
    for offset in offsets:
        damaged = bytearray(content)
        damaged[offset] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(damaged)
        try:
            loaded = Dataset.load(path)
        except DatasetError:
            refused += 1
        except Exception as error:
            strange[f"{type(error).__name__}: {error}"] = offset
        else:
            assert_same(loaded, samples)
    assert not strange
    assert refused > 200


def test_npz_of_something_else_is_refused_with_what_it_lacks(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, poses=np.eye(4)[None])
    with pytest.raises(DatasetError, match="configurations, joint_names, version"):
        Dataset.load(path)


def test_npz_of_another_version_is_refused(tmp_path):
    path = tmp_path / "data.npz"
    samples = random_dataset(3)
    np.savez(path, version=99, joint_names=NAMES, configurations=samples.configurations, poses=samples.poses)
    with pytest.raises(DatasetError, match=r"version 99, expected 1"):
        Dataset.load(path)


def test_pickles_are_refused(tmp_path):
    path = tmp_path / "data.npz"
    samples = random_dataset(3)
    objects = np.array([{"a": 1}] * 3, dtype=object)
    np.savez(path, version=1, joint_names=NAMES, configurations=objects, poses=samples.poses, allow_pickle=True)
    with pytest.raises(DatasetError):
        Dataset.load(path)


def _spoilt(array, index, value):
    array = array.copy()
    array[index] = value
    return array


GOOD = random_dataset(5)


@pytest.mark.parametrize(
    ("configurations", "poses", "reason"),
    [
        (GOOD.configurations[:, :1], GOOD.poses, r"\(5, 1\), expected \(n, 2\)"),
        (GOOD.configurations[0], GOOD.poses, "configurations"),
        (GOOD.configurations[:4], GOOD.poses, "4 configurations and 5 poses"),
        (GOOD.configurations[:0], GOOD.poses[:0], "at least one"),
        (_spoilt(GOOD.configurations, (3, 1), np.nan), GOOD.poses, "1 rows.*row 3"),
        (GOOD.configurations, _spoilt(GOOD.poses, (2, 0, 3), np.inf), "1 rows.*row 2"),
        (GOOD.configurations, _spoilt(GOOD.poses, (2, 0, 0), 5.0), "rotation"),
        (GOOD.configurations, _spoilt(GOOD.poses, (2, 3, 3), 5.0), "last row"),
        (GOOD.configurations, GOOD.poses[:, :3], "poses"),
        (GOOD.configurations, GOOD.poses[:, :3, 3], "poses"),
    ],
)
def test_samples_that_do_not_fit_together_are_refused_with_what_is_wrong(configurations, poses, reason):
    with pytest.raises(DatasetError, match=reason):
        Dataset(configurations, poses, NAMES)


@pytest.mark.parametrize("names", [("shoulder", ""), ("shoulder", 3)])
def test_a_joint_without_a_name_is_refused(names, tmp_path):
    with pytest.raises(DatasetError, match="joint_names"):
        Dataset(np.zeros((2, 2)), np.tile(np.eye(4), (2, 1, 1)), names)
    np.savez(
        tmp_path / "data.npz", version=1, joint_names=["shoulder", ""],
        configurations=np.zeros((2, 2)), poses=np.tile(np.eye(4), (2, 1, 1)),
    )  # fmt: skip
    with pytest.raises(DatasetError, match="joint_names"):
        Dataset.load(tmp_path / "data.npz")


def test_two_joints_of_one_name_are_refused():
    with pytest.raises(DatasetError, match="elbow"):
        Dataset(GOOD.configurations, GOOD.poses, ("elbow", "elbow"))


def test_refusals_are_errors_of_the_package_and_value_errors():
    with pytest.raises(CrispIKError):
        Dataset(GOOD.configurations, GOOD.poses[:2], NAMES)
    with pytest.raises(ValueError, match="poses"):
        Dataset(GOOD.configurations, GOOD.poses[:2], NAMES)


def test_lists_and_integers_become_numbers():
    samples = Dataset([[0, 1]], [np.eye(4, dtype=int).tolist()], list(NAMES))
    assert samples.configurations.dtype == samples.poses.dtype == np.float64
    assert samples.joint_names == NAMES
    assert len(samples) == 1


@pytest.mark.parametrize("fraction", [0.01, 0.25, 0.5, 0.8, 0.99])
def test_split_shares_every_sample_out_once_and_leaves_neither_part_empty(fraction):
    samples = random_dataset(40)
    first, second = samples.split(fraction, seed=3)
    assert len(first) == min(max(round(40 * fraction), 1), 39)
    together = np.vstack([first.configurations, second.configurations])
    np.testing.assert_array_equal(np.sort(together, axis=0), np.sort(samples.configurations, axis=0))
    assert len(np.unique(together, axis=0)) == 40
    for part in (first, second):
        rows = [np.flatnonzero((samples.configurations == q).all(axis=1))[0] for q in part.configurations]
        np.testing.assert_array_equal(part.poses, samples.poses[rows])
        assert part.joint_names == NAMES


def test_split_depends_on_its_seed_alone():
    samples = random_dataset(40)
    assert_same(samples.split(0.5, seed=1)[0], samples.split(0.5, seed=1)[0])
    assert not np.array_equal(samples.split(0.5, seed=1)[0].configurations, samples.split(0.5, 2)[0].configurations)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, 1.5, np.nan])
def test_split_by_no_fraction_is_refused(fraction):
    with pytest.raises(DatasetError, match="fraction"):
        random_dataset().split(fraction)


def test_one_sample_cannot_be_split():
    with pytest.raises(DatasetError, match="1 samples"):
        random_dataset(1).split(0.5)


def test_subset_takes_the_samples_in_the_order_asked_for():
    samples = random_dataset(5)
    chosen = samples.subset([4, 0])
    np.testing.assert_array_equal(chosen.configurations, samples.configurations[[4, 0]])
    np.testing.assert_array_equal(chosen.poses, samples.poses[[4, 0]])


def test_repr_says_how_many_samples_of_which_joints():
    assert repr(random_dataset(5)) == "Dataset(5 samples, shoulder, elbow)"


CIRCUMSTANCES = {
    "payloads": [0.0, 1.25, np.nan, 2.5],
    "sessions": ["monday", "tuesday", "monday", "tuesday"],
    "markers": ["m2", "m1", "m1", "m2"],
    "temperatures": [21.5, np.nan, 22.0, 22.5],
    "approaches": [[1, -1], [0, 0], [-1, 0], [0, 1]],
}
OPTIONAL = ("payloads", "sessions", "markers", "temperatures", "approaches")


def with_circumstances(**changes):
    return random_dataset(4).with_circumstances(**{**CIRCUMSTANCES, **changes})


def assert_same_circumstances(first, second):
    for name in OPTIONAL:
        values, others = getattr(first, name), getattr(second, name)
        assert (values is None) == (others is None), name
        if values is not None:
            np.testing.assert_array_equal(values, others)
    assert (first.session_names, first.marker_names) == (second.session_names, second.marker_names)


def test_circumstances_are_none_where_nothing_is_said():
    samples = random_dataset(4)
    assert all(getattr(samples, name) is None for name in OPTIONAL)
    assert samples.session_names == samples.marker_names == samples.notes == ()
    unknown = samples.with_circumstances(payloads=[np.nan] * 4, temperatures=np.nan, approaches=np.zeros((4, 2)))
    assert all(getattr(unknown, name) is None for name in OPTIONAL)


def test_circumstances_are_held_as_they_are_given():
    samples = with_circumstances()
    np.testing.assert_array_equal(samples.payloads, CIRCUMSTANCES["payloads"])
    np.testing.assert_array_equal(samples.sessions, [0, 1, 0, 1])
    assert samples.session_names == ("monday", "tuesday") and samples.marker_names == ("m2", "m1")
    np.testing.assert_array_equal(samples.markers, [0, 1, 1, 0])
    np.testing.assert_array_equal(samples.temperatures, CIRCUMSTANCES["temperatures"])
    np.testing.assert_array_equal(samples.approaches, CIRCUMSTANCES["approaches"])
    made = Dataset(samples.configurations, samples.poses, NAMES, **CIRCUMSTANCES)
    assert_same_circumstances(made, samples)
    np.testing.assert_array_equal(random_dataset(4).with_circumstances(payloads=1.5).payloads, [1.5] * 4)


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_circumstances_survive_a_round_trip(tmp_path, suffix):
    samples = Dataset(np.zeros((4, 2)), np.broadcast_to(np.eye(4), (4, 4, 4)), NAMES, **CIRCUMSTANCES)
    samples.save(tmp_path / f"a{suffix}")
    loaded = Dataset.load(tmp_path / f"a{suffix}")
    assert_same_circumstances(loaded, samples)
    loaded.save(tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_circumstances_go_with_their_samples():
    samples = with_circumstances()
    part = samples.subset([3, 1])
    np.testing.assert_array_equal(part.payloads, [2.5, 1.25])
    assert part.session_names == ("tuesday",) and part.marker_names == ("m2", "m1")
    np.testing.assert_array_equal(part.approaches, [[0, 1], [0, 0]])
    assert samples.subset([1]).approaches is None
    together = Dataset.concatenate([part, samples.subset([2, 0])])
    assert [together.session_names[i] for i in together.sessions] == ["tuesday", "tuesday", "monday", "monday"]
    np.testing.assert_array_equal(together.temperatures, [22.5, np.nan, 22.0, 21.5])
    bare = random_dataset(2)
    loaded = Dataset.concatenate([bare, bare.with_circumstances(payloads=[1, 2])])
    np.testing.assert_array_equal(loaded.payloads, [np.nan, np.nan, 1, 2])


def test_directions_of_approach_follow_their_joints(tmp_path):
    samples = with_circumstances()
    samples.save(tmp_path / "data.npz")
    turned = Dataset.load(tmp_path / "data.npz", joint_names=NAMES[::-1])
    np.testing.assert_array_equal(turned.approaches, samples.approaches[:, ::-1])
    together = Dataset.concatenate([samples, turned])
    np.testing.assert_array_equal(together.approaches, np.vstack([samples.approaches] * 2))


def test_sessions_are_on_both_sides_of_a_split():
    count = 40
    names = ["a"] * 20 + ["b"] * 12 + ["c"] * 8
    samples = random_dataset(count).with_circumstances(sessions=names)
    first, second = samples.split(0.25)
    assert [int(np.sum(first.sessions == i)) for i in map(first.session_names.index, "abc")] == [5, 3, 2]
    assert {*second.session_names} == {"a", "b", "c"} and len(first) == 10


@pytest.mark.parametrize("word", ["session", "marker"])
def test_samples_with_and_without_session_are_not_joined(word):
    bare = random_dataset(2)
    with pytest.raises(DatasetError, match=f"with a {word} to samples without: part 1"):
        Dataset.concatenate([bare.with_circumstances(**{f"{word}s": ["a", "b"]}), bare])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"payloads": [0, 1, -1, 2]}, r"payloads: sample 2 has -1, expected 0 to 1000 \[kg\]"),
        ({"payloads": [0, np.inf, 1, 2]}, "payloads: sample 1 has inf"),
        ({"payloads": [0, 1001, 1, 2]}, "payloads: sample 1 has 1001"),
        ({"payloads": [0, 1]}, r"payloads: got shape \(2,\)"),
        ({"payloads": ["a"] * 4}, "payloads"),
        ({"temperatures": [20, 20, 20, -300]}, "temperatures: sample 3 has -300"),
        ({"sessions": ["a", "b", "c"]}, r"sessions: got shape \(3,\)"),
        ({"sessions": ["a", "", "c", "d"]}, "session name ''"),
        ({"sessions": ["a", "b,c", "c", "d"]}, "no commas"),
        ({"markers": ["a", 3, "c", "d"]}, "marker name 3"),
        ({"approaches": [[0, 0]] * 3}, r"approaches: got shape \(3, 2\), expected \(4, 2\)"),
        ({"approaches": [[0, 0], [0, 0.5], [0, 0], [0, 0]]}, "sample 1, joint 1 has 0.5"),
        ({"approaches": [[0, 0], [np.nan, 0], [0, 0], [0, 0]]}, "sample 1, joint 0 has nan"),
    ],
)
def test_circumstances_that_cannot_be_are_refused_with_the_sample(changes, reason):
    with pytest.raises(DatasetError, match=reason):
        with_circumstances(**changes)


def test_archives_keep_their_bytes_and_version_without_circumstances(tmp_path):
    for samples, version in (
        (random_dataset(), 1),
        (Dataset(np.zeros((2, 2)), np.broadcast_to(np.eye(4), (2, 4, 4)), NAMES, noise=(1e-4, 1e-4)), 2),
        (with_circumstances(), 3),
        (random_dataset(4).with_circumstances(payloads=0.0), 3),
    ):
        samples.save(tmp_path / "data.npz")
        with np.load(tmp_path / "data.npz") as archive:
            assert int(archive["version"]) == version
            assert version == 3 or not {*OPTIONAL} & {*archive.files}


def test_remarks_stay_with_the_samples_and_not_in_the_file(tmp_path):
    samples = random_dataset(4).with_notes(["columns left out: a"]).with_notes(["b"])
    assert samples.notes == samples.subset([0, 1]).notes == ("columns left out: a", "b")
    assert Dataset.concatenate([samples, samples]).notes == samples.notes
    samples.save(tmp_path / "data.npz")
    assert Dataset.load(tmp_path / "data.npz").notes == ()


@given(st.data(), st.integers(1, 6))
def test_whatever_the_circumstances_table_and_archive_give_them_back(tmp_path_factory, data, count):
    numbers = st.one_of(st.just(np.nan), st.floats(0.0, 1000.0))
    names = st.text(st.characters(blacklist_categories=("C", "Z"), blacklist_characters=',"'), min_size=1, max_size=4)

    def drawn(elements, size=count):
        return data.draw(st.one_of(st.none(), st.lists(elements, min_size=size, max_size=size)))

    approaches = drawn(st.sampled_from([-1, 0, 1]), 2 * count)
    samples = random_dataset(count).with_circumstances(
        payloads=drawn(numbers),
        sessions=drawn(names),
        markers=drawn(names),
        temperatures=drawn(numbers),
        approaches=None if approaches is None else np.reshape(approaches, (count, 2)),
    )
    folder = tmp_path_factory.mktemp("trip")
    for suffix in (".csv", ".npz"):
        samples.save(folder / f"data{suffix}")
        assert_same_circumstances(Dataset.load(folder / f"data{suffix}"), samples)
