"""Folders of joint logs of which each is one point."""

import numpy as np
import pytest

from crisp_ik_ros import Dataset
from crisp_ik_ros.datasets.dataset import SAME_POINT, Distance
from crisp_ik_ros.datasets.point_folder import read_point_folder
from crisp_ik_ros.errors import DatasetError

NAMES = ("shoulder", "elbow")
FILES = {
    "front/hole_0": [[0.1, 0.2], [0.3, 0.4]],
    "front/hole_1": [[0.5, 0.6]],
    "left/hole_0": [[0.7, 0.8], [0.9, 1.0], [1.1, 1.2]],
}


@pytest.fixture
def folder(tmp_path):
    for name, rows in FILES.items():
        path = tmp_path / "arm" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, rows, delimiter=",")
    (tmp_path / "arm" / "README.md").write_text("not a log")
    return tmp_path / "arm"


def test_each_file_is_a_group_named_after_its_location_and_itself(folder):
    samples = Dataset.load(folder, joint_names=NAMES)
    assert samples.joint_names == NAMES
    assert samples.group_names == tuple(FILES)
    assert samples.locations == ("front",) * 3 + ("left",) * 3
    np.testing.assert_array_equal(samples.kinds, [SAME_POINT] * 6)
    np.testing.assert_array_equal(samples.configurations, np.vstack(list(FILES.values())))
    assert samples.distances == () and samples.noise is None


def test_distance_is_between_the_holes_of_each_location_that_has_both(folder):
    samples = read_point_folder(folder, NAMES, distance=0.05, noise=1e-4)
    assert samples.distances == (Distance("front/hole_0", "front/hole_1", 0.05, 1e-4),)
    np.testing.assert_array_equal(samples.noise[:, 0], [1e-4] * 6)
    assert Dataset.load(folder, joint_names=NAMES, distance=0.05, distance_sd=2e-3).distances[0].sd == 2e-3
    (folder / "front" / "hole_1.csv").unlink()
    with pytest.raises(DatasetError, match=r"hole_0\.csv and hole_1\.csv"):
        read_point_folder(folder, NAMES, distance=0.05)


def test_a_file_can_say_the_distances(folder):
    (folder / "distances.csv").write_text(
        "first,second,length_m,sd_m\n# by ruler\n"
        "front/hole_0,left/hole_0,0.75,0.002\nfront/hole_1,front/hole_0,0.05,1e-5\n"
    )
    assert Dataset.load(folder, joint_names=NAMES).distances == (
        Distance("front/hole_0", "left/hole_0", 0.75, 0.002),
        Distance("front/hole_1", "front/hole_0", 0.05, 1e-5),
    )
    (folder / "distances.csv").write_text("first,second,length_m\nfront/hole_0,left/hole_0,0.75\n")
    assert Dataset.load(folder, joint_names=NAMES).distances == (Distance("front/hole_0", "left/hole_0", 0.75),)


def test_files_of_one_location_alone_are_named_like_those_of_many(folder):
    samples = Dataset.load(folder / "front", joint_names=NAMES, distance=0.05)
    assert samples.group_names == ("front/hole_0", "front/hole_1")
    together = Dataset.concatenate([Dataset.load(folder / name, joint_names=NAMES) for name in ("front", "left")])
    np.testing.assert_array_equal(together.groups, Dataset.load(folder, joint_names=NAMES).groups)


def test_points_can_be_saved_and_loaded(folder, tmp_path):
    samples = read_point_folder(folder, NAMES, distance=0.05)
    for suffix in (".csv", ".npz"):
        samples.save(tmp_path / f"data{suffix}")
        loaded = Dataset.load(tmp_path / f"data{suffix}")
        assert loaded.group_names == samples.group_names and loaded.distances == samples.distances
        np.testing.assert_array_equal(loaded.configurations, samples.configurations)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("left/hole_0.csv", "", r"hole_0\.csv is empty"),
        (
            "left/hole_0.csv",
            "0.1,0.2\n0.1,0.2,0.3\n",
            r"hole_0\.csv: line 2 has 3 columns; expected 2: shoulder, elbow",
        ),
        ("left/hole_0.csv", "0.1,0.2\n0.1,\n", r"line 2, column 1 \(elbow\) holds ''"),
        ("left/hole_0.csv", "shoulder,elbow\n0.1,0.2\n", r"line 1, column 0 \(shoulder\).*no header"),
        ("left/hole_0.csv", "0.1,0.2\nnan,0.2\n", r"line 2, column 0 \(shoulder\) holds 'nan'"),
        ("left/hole_0.csv", "40.1,-20.2\n70.0,0.0\n", "hole_0.*degrees"),
        ("left/hole_0.csv", b"\xff\xfe\x00", "UTF-8"),
        ("left/a,b.csv", "0.1,0.2\n", "comma"),
        (
            "distances.csv",
            "front/hole_0,left/hole_0,0.75\n",
            r"distances\.csv begins with .*first,second,length_m,sd_m",
        ),
        ("distances.csv", "", "begins with nothing"),
        ("distances.csv", "first,second,length_m\nfront/hole_0,left/hole_0,far\n", r"distances\.csv: line 2"),
        ("distances.csv", "first,second,length_m\nfront/hole_0,left/hole_0\n", r"distances\.csv: line 2"),
        (
            "distances.csv",
            "first,second,length_m\nfront/hole_0,back/hole_0,1.0\n",
            "no same-point samples of back/hole_0",
        ),
    ],
)
def test_files_that_cannot_be_used_are_refused_with_file_line_and_column(folder, name, text, reason):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DatasetError, match=reason):
        Dataset.load(folder, joint_names=NAMES)


def test_folders_without_logs_or_joint_names_are_refused(folder, tmp_path):
    with pytest.raises(DatasetError, match="joint_names"):
        Dataset.load(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no recording"):
        Dataset.load(tmp_path / "empty", joint_names=NAMES)
    with pytest.raises(DatasetError, match="no folder"):
        read_point_folder(tmp_path / "nothing", NAMES)
    with pytest.raises(DatasetError, match="mapped"):
        Dataset.load(folder, memory_map=True, joint_names=NAMES)
