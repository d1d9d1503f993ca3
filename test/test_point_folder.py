"""Folders of joint logs of which each is one point."""

import numpy as np
import pytest
from oracles import homogeneous
from scipy.spatial.transform import Rotation

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


# Files of poses beside files of joints, as calibration data are published.


def pivoting(count, rng, scatter=5e-3):
    """Poses (count, 7), x, y, z and quaternion x, y, z, w, of a tool one point of which rests, within a scatter [m]."""
    turns = Rotation.random(count, rng)
    positions = [0.4, 0.1, 0.2] - turns.apply([0.01, 0.0, 0.03]) + rng.normal(0, scatter, (count, 3))
    return np.hstack([positions, turns.as_quat()])


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, rows, delimiter=",")


@pytest.fixture
def logged(panda, tmp_path):
    """A Panda's joints and the poses that a tracker in another frame measured of it."""
    rng = np.random.default_rng(1)
    q = panda.random_configurations(20, rng)
    poses = homogeneous(Rotation.random(rng=rng).as_matrix(), [1, 2, 3]) @ panda.forward_kinematics(q)
    poses[:, :3, 3] += rng.normal(0, 5e-4, (20, 3))
    return tmp_path / "data", q, poses


def as_rows(poses, order=(0, 1, 2, 3)):
    return np.hstack([poses[:, :3, 3], Rotation.from_matrix(poses[:, :3, :3]).as_quat()[:, list(order)]])


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 0, 1, 2]])
def test_poses_that_the_controller_computed_of_a_tool_at_a_point_are_left_out(panda, tmp_path, order):
    rng = np.random.default_rng(0)
    rows = {name: panda.random_configurations(12, rng) for name in ("hole_0", "hole_1")}
    for name, q in rows.items():
        write(tmp_path / "arm" / "front" / f"{name}.csv", q)
        # Published ones have a row more here and there.
        write(tmp_path / "arm" / "front" / f"{name}_pose.csv", pivoting(13, rng)[:, [0, 1, 2, *np.add(order, 3)]])
    samples = Dataset.load(tmp_path / "arm", robot=panda)
    assert samples.group_names == ("front/hole_0", "front/hole_1")
    np.testing.assert_array_equal(samples.kinds, [SAME_POINT] * 24)
    np.testing.assert_array_equal(samples.configurations, np.vstack([*rows.values()]))
    (note,) = samples.notes
    assert "front/hole_0_pose.csv, front/hole_1_pose.csv" in note and "pivot" in note
    assert Dataset.load(tmp_path / "arm", joint_names=panda.joint_names, distance=0.05).distances


@pytest.mark.parametrize(
    ("joints", "poses"),
    [
        ("joints", "poses"),
        ("joint_angles", "robot_pose"),
        ("a_q", "a_pose"),
        ("run1", "run1_pose"),
        ("robot_q1", "robot_pose1"),
    ],
)
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 0, 1, 2)])
def test_measured_poses_beside_joints_are_full_poses(panda, logged, joints, poses, order):
    folder, q, measured = logged
    write(folder / "desk" / f"{joints}.csv", q)
    write(folder / "desk" / f"{poses}.csv", as_rows(measured, order))
    samples = Dataset.load(folder, robot=panda)
    assert samples.only_poses and samples.group_names == (f"desk/{joints}",)
    np.testing.assert_array_equal(samples.configurations, q)
    np.testing.assert_allclose(samples.poses, measured, atol=1e-9)
    assert any(f"{poses}.csv: read as the measured poses of {joints}.csv" in note for note in samples.notes)
    with pytest.raises(DatasetError, match="order of the quaternions"):
        Dataset.load(folder, joint_names=panda.joint_names)


@pytest.mark.parametrize("columns", [12, 16])
def test_rows_of_homogeneous_matrices_are_poses(panda, logged, columns):
    folder, q, measured = logged
    write(folder / "joints.csv", q)
    write(folder / "measured.csv", measured.reshape(-1, 16)[:, :columns])
    samples = Dataset.load(folder, joint_names=panda.joint_names)
    assert samples.only_poses
    np.testing.assert_allclose(samples.poses, measured, atol=1e-9)


def test_poses_in_a_file_of_any_name_are_never_joints(panda, logged):
    folder, q, measured = logged
    write(folder / "hole_0.csv", q)
    write(folder / "tracker_log.csv", as_rows(measured))
    write(folder / "hole_1.csv", q[:5])
    samples = Dataset.load(folder, robot=panda)
    assert samples.group_names == ("data/hole_0", "data/hole_1")
    assert any("belong to no file of joints: tracker_log.csv" in note for note in samples.notes)
    for name in ("hole_0", "hole_1"):
        (folder / f"{name}.csv").unlink()
    with pytest.raises(DatasetError, match=r"tracker_log\.csv holds poses, and no other file holds joints"):
        Dataset.load(folder, robot=panda)


def test_poses_that_cannot_be_paired_are_refused_with_both_files(panda, logged):
    folder, q, measured = logged
    write(folder / "joints.csv", q)
    write(folder / "poses.csv", as_rows(measured)[:-1])
    with pytest.raises(DatasetError, match=r"joints\.csv has 20 rows and .*poses\.csv, which belongs to it, 19"):
        Dataset.load(folder, robot=panda)
    assert not Dataset.load(folder, robot=panda, pose_files="leave_out").only_poses
    write(folder / "poses.csv", as_rows(measured)[:3])
    with pytest.raises(DatasetError, match="too few"):
        Dataset.load(folder, robot=panda)
    write(folder / "poses.csv", pivoting(20, np.random.default_rng(0)))
    with pytest.raises(DatasetError, match=r"one point, and joints\.csv does not tell"):
        Dataset.load(folder, robot=panda)
    write(folder / "poses.csv", as_rows(measured)[:, :6])
    with pytest.raises(DatasetError, match=r"poses\.csv: its name says poses"):
        Dataset.load(folder, robot=panda)
    write(folder / "poses.csv", as_rows(measured[::-1]))
    with pytest.raises(DatasetError, match="no order of the quaternions fits the robot"):
        Dataset.load(folder, robot=panda)
    with pytest.raises(ValueError, match="pose_files"):
        Dataset.load(folder, robot=panda, pose_files="maybe")


def test_poses_computed_from_the_urdf_are_named(panda, tmp_path):
    q = panda.random_configurations(10, np.random.default_rng(0))
    write(tmp_path / "joints.csv", q)
    write(tmp_path / "poses.csv", as_rows(panda.forward_kinematics(q)))
    samples = Dataset.load(tmp_path, robot=panda)
    assert any("computed by the controller?" in note for note in samples.notes)


def test_joint_outside_its_limits_names_file_and_line(panda, tmp_path):
    q = panda.random_configurations(4, np.random.default_rng(0))
    q[2, 3] = 0.5
    write(tmp_path / "front" / "hole_0.csv", q)
    with pytest.raises(DatasetError, match=r"hole_0\.csv: line 3: panda_joint4 is 0\.5, outside its limits -3.* to -0"):
        Dataset.load(tmp_path, robot=panda)
    (note,) = Dataset.load(tmp_path, robot=panda, limits="note").notes
    assert "hole_0.csv: line 3" in note
