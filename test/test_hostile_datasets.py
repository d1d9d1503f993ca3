"""Data files made to harm: each is refused with its path and field, in time, and without taking memory."""

import io
import os
import sqlite3
import zipfile

import numpy as np
import pytest
from bags import STORAGES
from rosbags.rosbag2 import Writer
from test_hostile_models import Harm, npy, packed
from test_model_file import npy_claiming

from crisp_ik_ros import Dataset
from crisp_ik_ros.errors import DatasetError

NAMES = ("shoulder", "elbow")


def arrays(count=5):
    poses = np.broadcast_to(np.eye(4), (count, 4, 4)).copy()
    poses[:, 0, 3] = np.linspace(0.1, 0.5, count)
    return {
        "version": np.array(1),
        "joint_names": np.array(NAMES),
        "configurations": np.random.default_rng(0).normal(size=(count, 2)),
        "poses": poses,
    }


def refused(path, words, **options):
    with pytest.raises(DatasetError, match=words) as caught:
        Dataset.load(path, **options)
    assert path.name in str(caught.value)
    assert len(str(caught.value)) < 2000


# ---- .npz -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory_map", [False, True])
@pytest.mark.parametrize("name", ["version", "joint_names", "configurations", "poses"])
def test_objects_and_claims_are_refused_by_name(tmp_path, name, memory_map):
    path = tmp_path / "data.npz"
    for harm, words in (
        (np.array([Harm()] * 2, dtype=object), f"{name}.*object"),
        (npy_claiming((1 << 40, 16), bytes(100)), f"{name}.*claims shape"),
        (npy_claiming((-1, -100), bytes(800)), f"{name}.*claims shape"),
        (b"PK\x03\x04", f"{name}.*no array"),
    ):
        path.write_bytes(packed({**arrays(), name: harm}))
        refused(path, words, memory_map=memory_map)


def test_bombs_are_refused_with_what_they_would_unpack_to(tmp_path):
    path = tmp_path / "data.npz"
    count = 2_000_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in {**arrays(), "configurations": b"", "poses": b""}.items():
            shape = (count, 2) if name == "configurations" else (count, 4, 4)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                if isinstance(array, bytes):
                    stream.write(npy_claiming(shape, b""))
                    for _ in range(np.prod(shape[1:]) * 8 * count // 1_000_000):
                        stream.write(bytes(1_000_000))
                else:
                    stream.write(npy(array))
    assert path.stat().st_size < 1 << 20
    refused(path, "would unpack to 288 MB")


def test_names_without_end_are_refused(tmp_path):
    path = tmp_path / "data.npz"
    for names in (np.array(["x" * 5000, "y"]), np.array([f"j{i}" for i in range(2000)]), np.array([1.0, 2.0])):
        path.write_bytes(packed({**arrays(), "joint_names": names}))
        refused(path, "joint_names.*at most 1000 names of at most 1000 letters")


def test_archives_larger_than_memory_are_refused_unless_mapped(tmp_path, monkeypatch):
    import crisp_ik_ros.memory as memory

    path = tmp_path / "data.npz"
    path.write_bytes(packed(arrays(100)))
    monkeypatch.setattr(memory, "available_memory", lambda: 1000.0)
    refused(path, "of memory.*memory-map")
    assert len(Dataset.load(path, memory_map=True)) == 100


def test_special_files_are_refused_at_once(tmp_path):
    for suffix in (".npz", ".csv", ".mcap", ".db3"):
        path = tmp_path / f"pipe{suffix}"
        os.mkfifo(path)
        refused(path, "named pipe")
        path = tmp_path / f"zero{suffix}"
        path.symlink_to("/dev/zero")
        refused(path, "device")
        path = tmp_path / f"loop{suffix}"
        path.symlink_to(path)
        refused(path, "no data file|symbolic")


# ---- .csv -----------------------------------------------------------------------------------------------------------

HEADER = "shoulder,elbow,x,y,z\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEADER + "0.1,0.2,0.3,0.4," + "5" * (1 << 20), "line 2 has more than"),
        (HEADER + "0.1,0.2,0.3,0.4\0,0.5\n", "line 2.*column y"),
        (",".join(f"j{i}" for i in range(3000)), "line 1 has 3000 cells, expected at most 2000"),
        (HEADER + "," * 100_000, "line 2 has 100001 cells"),
        (HEADER + "0.1,0.2,0.3,0.4,0.5\n0.1,nan,0.3,0.4,0.5\n", r"sample 1 \(line 3\): column elbow.*'nan'.*row 1"),
        (HEADER + "0.1,0.2,0.3,0.4,0.5\n0.1,0.2,0.3,1e999,0.5\n", r"sample 1 \(line 3\): column y"),
        (HEADER + "0.1,0.2,0.3,0.4," + "x" * 100_000, "line 2.*column z holds 'xxx.*100000 characters"),
        (HEADER + '"0.1,0.2,0.3,0.4,0.5\n', "line 2"),
        ('"shoulder,elbow,x,y,z\n0.1,0.2,0.3,0.4,0.5\n', "header"),
        (HEADER.replace("elbow", "shoulder") + "0.1,0.2,0.3,0.4,0.5\n", "header"),
        (HEADER + '"' * 5000 + "\n", "line 2"),
        ("=cmd|'/c calc'!A1,elbow,x,y,z\n=1+1,0.2,0.3,0.4,0.5\n", "'=1"),
        ("\n" * 1000, "empty"),
    ],
    ids=range(13),
)
def test_tables_are_refused_with_row_and_column(tmp_path, text, words):
    path = tmp_path / "data.csv"
    path.write_text(text)
    refused(path, words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEADER.encode() + b"0.1,0.2,0.3,0.4,\xff\n", "line 2 is not text in UTF-8"),
        ((HEADER + "0.1,0.2,0.3,0.4,0.5\n").encode("utf-16"), "line 1 is not text in UTF-8"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10, "line 1 is not text"),
        (os.urandom(0) + b"\0" * (1 << 21), "line 1 has more than"),
    ],
    ids=range(4),
)
def test_bytes_that_are_no_table_are_refused_with_the_line(tmp_path, content, words):
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    refused(path, words)


def test_tables_larger_than_memory_are_refused(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(HEADER)
    os.truncate(path, 1 << 40)
    refused(path, "1.1e.03 GB, expected a table of at most")
    os.truncate(path, 1 << 36)
    refused(path, "of memory|line 2 has more than")


def test_folders_of_points_name_file_line_and_column(tmp_path):
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "0.csv")
    with pytest.raises(DatasetError, match=r"0\.csv is a named pipe|0\.csv cannot be read: it is a named pipe"):
        Dataset.load(tmp_path, joint_names=NAMES)
    (tmp_path / "a" / "0.csv").unlink()
    (tmp_path / "a" / "0.csv").write_text("0.1,0.2\n0.1," + "y" * 100_000)
    with pytest.raises(DatasetError, match=r"0\.csv: line 2, column 1 \(elbow\) holds 'yyy.*characters"):
        Dataset.load(tmp_path, joint_names=NAMES)


# ---- recordings -----------------------------------------------------------------------------------------------------


def folder_with(tmp_path, metadata, files=()):
    folder = tmp_path / "bag"
    folder.mkdir()
    (folder / "metadata.yaml").write_text(metadata)
    for name, content in files:
        (folder / name).write_bytes(content)
    return folder


def test_metadata_that_refers_to_itself_is_refused_before_it_grows(tmp_path):
    levels = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))
    laughs = f"a0: &a0 [lol]\n{levels}\nrosbag2_bagfile_information: *a11\n"
    refused(folder_with(tmp_path, laughs), r"references \(\*a0\)")


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ("rosbag2_bagfile_information:\n  version: !!python/object/apply:os.mkdir [harmed]\n", ""),
        ("[" * 20_000, "no YAML|rosbag2"),
        ("a: b: c", "no YAML"),
        ("", "rosbag2"),
        ("x: " + "y" * (2 << 20), "at most 1.05 MB"),
        ("rosbag2_bagfile_information: [1, 2]\n", "rosbag2"),
        ("rosbag2_bagfile_information: {version: 5, relative_file_paths: [../../etc/passwd]}\n", "rosbag2"),
    ],
    ids=range(7),
)
def test_metadata_that_is_none_is_refused(tmp_path, monkeypatch, metadata, words):
    monkeypatch.chdir(tmp_path)
    refused(folder_with(tmp_path, metadata, [("bag.mcap", b"")]), words)
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (
            [
                "CREATE TABLE topics(id INTEGER, name TEXT, type TEXT, serialization_format TEXT)",
                "CREATE TABLE m(id INTEGER)",
                "CREATE VIEW messages AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT x FROM n",
            ],
            "view 'messages'",
        ),
        (
            [
                "CREATE TABLE topics(id INTEGER, name TEXT, type TEXT, serialization_format TEXT)",
                "CREATE TABLE messages(id INTEGER, topic_id INTEGER, timestamp INTEGER, "
                "data BLOB AS (zeroblob(1000000000)) VIRTUAL)",
                "INSERT INTO messages VALUES (1, 1, 1)",
            ],
            "column of messages, 'data', is computed",
        ),
        (["CREATE VIRTUAL TABLE topics USING fts5(name)"], "virtual table 'topics'"),
        (["CREATE TABLE t(a)", "CREATE TRIGGER messages AFTER INSERT ON t BEGIN SELECT 1; END"], "trigger"),
    ],
    ids=["endless view", "computed column", "virtual table", "trigger"],
)
def test_databases_that_compute_are_refused_before_they_do(tmp_path, statements, words):
    path = tmp_path / "bag.db3"
    database = sqlite3.connect(path)
    try:
        for statement in statements:
            database.execute(statement)
    except sqlite3.OperationalError as error:
        pytest.skip(str(error))
    finally:
        database.commit()
        database.close()
    refused(path, words)


def test_recordings_unpack_to_no_more_than_a_multiple_of_their_size(tmp_path, monkeypatch):
    from rosbags.rosbag2 import CompressionFormat, CompressionMode

    from crisp_ik_ros.datasets import recording_guard

    monkeypatch.setattr(recording_guard, "UNPACKED_FREELY", 1 << 20)
    for number, (storage, mode) in enumerate(
        [
            ("mcap", CompressionMode.STORAGE),
            ("mcap", CompressionMode.MESSAGE),
            ("sqlite3", CompressionMode.MESSAGE),
            ("sqlite3", CompressionMode.FILE),
        ]
    ):
        from bags import TYPES

        folder = tmp_path / f"bag{number}"
        writer = Writer(folder, version=8, storage_plugin=STORAGES[storage])
        writer.set_compression(mode, CompressionFormat.ZSTD)
        with writer:
            kind = "sensor_msgs/msg/JointState"
            connection = writer.add_connection("/joint_states", kind, typestore=TYPES)
            header = TYPES.types["std_msgs/msg/Header"](
                TYPES.types["builtin_interfaces/msg/Time"](1, 0), "0" * (8 << 20)
            )
            empty = np.zeros(0)
            message = TYPES.types[kind](header, [], empty, empty, empty)
            writer.write(connection, 1_000_000_000, TYPES.serialize_cdr(message, kind))
        assert sum(file.stat().st_size for file in folder.iterdir()) < 1 << 17
        refused(folder, "unpacks to more than")


def test_archives_of_archives_and_empty_files_are_refused(tmp_path):
    path = tmp_path / "data.npz"
    inner = io.BytesIO(packed(arrays()))
    path.write_bytes(packed({**arrays(), "poses": inner.getvalue()}))
    refused(path, "poses.*no array")
    for suffix in (".npz", ".csv", ".mcap", ".db3"):
        path = tmp_path / f"empty{suffix}"
        path.touch()
        refused(path, "")
