"""Tables as people have them, against what they were written from, and against the tracked arm of the shared folder."""

import contextlib
import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import ROOT
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from crisp_ik_ros import Dataset, RobotModel
from crisp_ik_ros.cli import app
from crisp_ik_ros.datasets.dataset import POSE, POSITION, SAME_POINT
from crisp_ik_ros.datasets.delimited_text import read_delimited
from crisp_ik_ros.datasets.table_columns import ImportRequest
from crisp_ik_ros.datasets.table_import import import_table
from crisp_ik_ros.errors import DatasetError, InvalidInputError

UR10 = Path(os.environ.get("CRISP_IK_REAL_ROBOTS", ROOT.parent / "shared" / "real_robots")) / "ur10"
needs_ur10 = pytest.mark.skipif(not UR10.is_dir(), reason=f"{UR10} is not there")


def load(folder, text, robot=None, name="table.csv", **options):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_table(path, ImportRequest(**options), robot)


def purposes(report):
    return {name: (entry["taken for"], entry["unit"]) for name, entry in report["columns"].items()}


# Reading of the text

SIMPLE = "joint1{s}joint2{s}x{s}y{s}z\n{a}{s}{b}{s}{c}{s}0{s}{d}\n{b}{s}{a}{s}{d}{s}{c}{s}0\n"
PLAIN = SIMPLE.format(s=",", a="0.5", b="-0.25", c="0.75", d="1e-1")
EXPECTED = [[0.5, -0.25, 0.75, 0.0, 0.1], [-0.25, 0.5, 0.1, 0.75, 0.0]]


def in_order(samples):
    return np.hstack([samples.configurations, samples.poses[:, :3, 3]])


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "  "),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", ", "),
        SIMPLE.format(s=";", a="0,5", b="-0,25", c="0,75", d="1,0e-1"),
        SIMPLE.format(s="\t", a="0,5", b="-0,25", c="0,75", d="1E-1"),
        SIMPLE.format(s=" ", a="0,5", b="-0,25", c="0,75", d="0,1"),
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace("\n", ",\n"),
        PLAIN.replace("\n", "\n\n\n"),
        "sep=;\n" + PLAIN.replace(",", ";"),
        "Export of the tracker\nDate;11.10.2022\n" + PLAIN,
        "# a comment\n% another\n" + PLAIN,
        "# " + PLAIN,
        PLAIN.encode("utf-16"),
        PLAIN.replace("joint1", "joint1 (rad)").replace("x,", "x [m],"),
        PLAIN.replace("\n", "\nrad,rad,m,m,m\n", 1),
        PLAIN.replace("x,y,z", "X,Y,Z"),
        PLAIN.replace("x,y,z", "tool.position.x,tool.position.y,tool.position.z"),
        PLAIN.replace("1e-1", "1d-1"),
        "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in PLAIN.splitlines()),
    ],
    ids=range(24),
)
def test_one_table_is_read_in_every_spelling(tmp_path, text):
    samples, report = load(tmp_path, text)
    np.testing.assert_allclose(in_order(samples), EXPECTED, rtol=1e-15)
    assert samples.joint_names == ("joint1", "joint2")
    np.testing.assert_array_equal(samples.kinds, [POSITION] * 2)
    assert report["rows"] == "2 of 2" and report["left out"] == []


def test_table_without_a_header_goes_by_numbers(tmp_path):
    text = "".join(PLAIN.splitlines(True)[1:])
    samples, report = load(tmp_path, text, joints="1-2", position="3,4,5")
    np.testing.assert_allclose(in_order(samples), EXPECTED)
    assert samples.joint_names == ("joint1", "joint2") and "no header" in report["read as"]
    samples, _ = load(tmp_path, text, joints="1:2", position="3-5", joint_names="shoulder elbow")
    assert samples.joint_names == ("shoulder", "elbow")
    # All of it numbers, the first line too: a header only where one is claimed.
    assert len(load(tmp_path, text, joints="1 2", position="3-5", header="no")[0]) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "holds no lines"),
        (b"PK\x03\x04", "spreadsheet"),
        (b"\x1f\x8b\x08", "gzip"),
        (bytes(range(256)), "zero bytes"),
        (b"\xff\xfe\x00", "UTF-16"),
        ("1\n2\n3\n", "no separator"),
        ("joint1,joint2,x,y,z\n", "no rows of numbers"),
        (PLAIN + "1,2,3\n", r"line 4 has 3 cells, 1 \| 2 \| 3; expected 5"),
        (PLAIN.replace("0.75", "far", 1), "line 2, column x holds 'far'"),
        ("j1;j2;x;y;z\n0.1;0,2;0,3;0;0\n", r"decimal points \(0.1\) and decimal commas \(0,2\); give --decimal"),
        ("j1;j2;x;y;z\n1;2;1,234;2,345;1,111\n", "thousands"),
        (PLAIN.replace("y", "x"), "position cannot be told"),
        ("j1,j2,x,y,z\n8,7,1,1,1\n-7,8,1,1,2\n", "radians or degrees; give --joint-unit"),
        ("j1,j2,x,y,z\n1,2,15,1,1\n-1,2,1,15,1\n", "meters or millimeters; give --length-unit"),
        ("j1,j2,x [cm],y [cm],z [cm]\n1,2,15,1,1\n-1,2,1,15,1\n", "header says cm of the position; expected m or mm"),
        ("a,b,x,y,z\n1,2,1,1,1\n-1,2,1,1,1\n", "joints' columns cannot be told; the columns are a, b, x, y, z"),
        (
            "joint1_read,joint2_read,joint1_set,joint2_set,x,y,z\n1,2,1,2,1,1,1\n",
            "may be joint1_read, joint2_read; or joint1_set, joint2_set. Give --joints",
        ),
        ("j1,j2,left_x,left_y,left_z,right_x,right_y,right_z\n1,2,1,1,1,1,1,1\n", "may be left_x, .*; or right_x"),
        (PLAIN.replace("0.5", "", 1).replace("-0.25", "nan", 1).replace("-0.25", "", 1), "no row has all joints"),
    ],
    ids=range(19),
)
def test_text_that_leaves_open_what_it_means_is_refused(tmp_path, text, reason):
    with pytest.raises(DatasetError, match=reason) as caught:
        load(tmp_path, text)
    assert "table.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"joint_unit": "turns"}, "--joint-unit: got 'turns', expected auto, rad, deg"),
        ({"length_unit": "inch"}, "--length-unit"),
        ({"orientation": "angles"}, "--orientation"),
        ({"euler": "XxY"}, "--euler: got 'XxY'"),
        ({"euler": "XXY"}, "--euler"),
        ({"euler": "XYZ", "orientation": "matrix"}, "--euler"),
        ({"position": "x,y"}, "--position: got 2 columns"),
        ({"orientation_columns": "x,y"}, "--orientation-columns: got 2 columns"),
        ({"orientation_columns": "x,y,z", "orientation": "quaternion"}, "4 for quaternion"),
        ({"noise_columns": "joint1,joint2,x,y,z"}, "--noise-columns: got 5 columns"),
        ({"constant_orientation": "1,1,1,1"}, "unit length"),
        ({"constant_orientation": "up"}, "--constant-orientation"),
        ({"joint_names": "a"}, "--joint-names: got 1 names"),
        ({"separator": "dot"}, "--separator"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(tmp_path, options, reason):
    with pytest.raises(InvalidInputError, match=reason):
        load(tmp_path, PLAIN, **options)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"joints": "joint1 wrist"}, "--joints: .* has no column 'wrist'; expected some of joint1, joint2, x, y, z"),
        ({"payload": "mass"}, "--payload: .* has no column 'mass'"),
        ({"payload": "2000"}, "payloads: sample 0 has 2000"),
        ({"orientation": "quaternion"}, "no columns look like an orientation"),
        ({"group": "hole"}, "--group"),
        ({"position": "none"}, "--group COLUMN"),
    ],
)
def test_columns_that_are_not_there_are_named(tmp_path, options, reason):
    with pytest.raises(DatasetError, match=reason):
        load(tmp_path, PLAIN, **options)


def test_rows_without_a_value_are_left_out_and_named(tmp_path):
    text = PLAIN + "0.1,,1,1,1\n0.1,0.2,nan,1,1\n0.2,0.2,N/A,-,\n0.3,0.3,0.1,0.2,0.3\n"
    samples, report = load(tmp_path, text)
    assert len(samples) == 3 and report["rows"] == "3 of 6"
    assert any("3 of 6 rows left out" in note and "lines 4, 5, 6" in note for note in report["notes"])


# Units and purposes of the columns.


def test_units_come_from_the_header_options_or_size(tmp_path):
    degrees = "q1_deg,q2_deg,x_mm,y_mm,z_mm\n10,20,300,400,500\n-10,30,310,400,500\n"
    for text, options in (
        (degrees, {}),
        (degrees.replace("_deg", "").replace("_mm", ""), {}),
        (degrees.replace("_deg", "").replace("_mm", ""), {"joint_unit": "deg", "length_unit": "mm"}),
    ):
        samples, report = load(tmp_path, text, **options)
        np.testing.assert_allclose(samples.configurations, np.deg2rad([[10, 20], [-10, 30]]))
        np.testing.assert_allclose(samples.poses[0, :3, 3], [0.3, 0.4, 0.5])
        assert {unit for _, unit in purposes(report).values()} == {"deg", "mm"}


def test_everything_left_out_is_named(tmp_path):
    header = "time,joint1,joint2,goal x,goal y,goal z,x,y,z,comment\n"
    samples, report = load(tmp_path, header + "1,0.1,0.2,9,9,9,1,2,3,ok\n2,0.2,0.1,9,9,9,1,2,4,\n")
    assert report["left out"] == ["time", "goal x", "goal y", "goal z", "comment"]
    np.testing.assert_array_equal(samples.poses[:, :3, 3], [[1, 2, 3], [1, 2, 4]])


def test_columns_and_values_of_the_circumstances(tmp_path):
    text = "joint1,joint2,x,y,z,session,tip,mass,amb temperature,spot\n" + "".join(
        f"0.{i},0.2,1,2,{i},{'ab'[i // 2]},m{i % 2},{i},2{i},{'p' if i else ''}\n" for i in range(4)
    )
    samples, report = load(tmp_path, text, marker="tip", payload="mass", group="spot")
    assert samples.session_names == ("a", "b") and samples.marker_names == ("m0", "m1")
    np.testing.assert_array_equal(samples.payloads, [0, 1, 2, 3])
    np.testing.assert_array_equal(samples.temperatures, [20, 21, 22, 23])
    np.testing.assert_array_equal(samples.groups, [-1, 0, 0, 0])
    assert report["left out"] == [] and report["markers"] == ["m0", "m1"]
    samples, report = load(tmp_path, PLAIN, session="monday", payload="1.5", position_noise=2e-5, temperature="21")
    assert samples.session_names == ("monday",) and samples.markers is None
    np.testing.assert_array_equal(samples.payloads, [1.5] * 2)
    np.testing.assert_array_equal(samples.noise[:, 0], [2e-5] * 2)
    assert any("monday" in note for note in report["notes"]) and any("1.5 kg" in note for note in report["notes"])


def test_session_of_a_row_that_is_missing_names_the_line(tmp_path):
    with pytest.raises(DatasetError, match="line 3, column session is empty"):
        load(tmp_path, "joint1,joint2,x,y,z,session\n0.1,0.2,1,1,1,a\n0.2,0.2,1,1,1,\n")


def test_noise_of_columns_is_the_root_mean_square_of_the_axes(tmp_path):
    header = "joint1,joint2,x,std_x,y,std_y,z,std_z\n"
    samples, report = load(tmp_path, header + "0.1,0.2,300,0.03,400,0,500,0.04\n0.2,0.2,300,0,400,0,510,0\n")
    np.testing.assert_allclose(samples.noise[0, 0], 1e-3 * np.sqrt((0.03**2 + 0.04**2) / 3))
    assert np.isnan(samples.noise[1, 0]) and purposes(report)["std_y"] == ("noise of the position", "mm")
    with pytest.raises(DatasetError, match="line 2, column e holds -1"):
        load(tmp_path, "joint1,joint2,x,y,z,e\n0.1,0.2,1,1,1,-1\n", noise_columns="e")


def test_tool_at_one_point_without_a_position(tmp_path):
    samples, _ = load(tmp_path, "j1,j2,hole\n0.1,0.2,a\n0.2,0.3,a\n0.3,0.3,b\n", position="none", group="hole")
    np.testing.assert_array_equal(samples.kinds, [SAME_POINT] * 3)
    assert samples.group_names == ("a", "b")


# Orientations.

RNG = np.random.default_rng(5)
TURNS = Rotation.random(6, RNG)


def table_of(header, *blocks):
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["joint1", "joint2", "x", "y", "z", *header])
    for i, row in enumerate(np.hstack([np.reshape(block, (6, -1)) for block in blocks])):
        writer.writerow([0.1 * i, 0.2, 1, 2, i, *(f"{value:.12f}" for value in row)])
    return stream.getvalue()


@pytest.mark.parametrize(
    ("header", "values", "options"),
    [
        ("qx qy qz qw", TURNS.as_quat(), {}),
        ("qw qx qy qz", TURNS.as_quat()[:, [3, 0, 1, 2]], {}),
        ("q0 q1 q2 q3", TURNS.as_quat()[:, [3, 0, 1, 2]], {"quaternion_order": "wxyz"}),
        ("a b c d", TURNS.as_quat(), {"orientation_columns": "a b c d", "quaternion_order": "xyzw"}),
        ("rx ry rz", TURNS.as_euler("XYZ", degrees=True), {"euler": "XYZ"}),
        ("rx ry rz", TURNS.as_euler("xyz"), {"euler": "xyz"}),
        # Named angles are of the axis of their name, whatever the order they are turned in.
        ("rx ry rz", TURNS.as_euler("ZYX")[:, ::-1], {"euler": "ZYX"}),
        ("roll pitch yaw", TURNS.as_euler("xyz"), {"euler": "xyz"}),
        ("A B C", TURNS.as_euler("ZYX", degrees=True), {"euler": "ZYX"}),
        ("u v w", TURNS.as_euler("ZYZ", degrees=True), {"euler": "ZYZ", "orientation_columns": "u,v,w"}),
        ("rx ry rz", TURNS.as_rotvec(), {"orientation": "rotation_vector"}),
        ("rvx rvy rvz", TURNS.as_rotvec(degrees=True), {"angle_unit": "deg"}),
        ("r11 r12 r13 r21 r22 r23 r31 r32 r33", TURNS.as_matrix(), {}),
        ("a b c d e f g h i", TURNS.as_matrix(), {"orientation_columns": "6-14"}),
    ],
    ids=range(14),
)
def test_every_way_to_write_an_orientation(tmp_path, header, values, options):
    samples, report = load(tmp_path, table_of(header.split(), values), **options)
    np.testing.assert_array_equal(samples.kinds, [POSE] * 6)
    np.testing.assert_allclose(samples.poses[:, :3, :3], TURNS.as_matrix(), atol=1e-9)
    assert report["left out"] == []


@pytest.mark.parametrize(
    ("header", "values", "settles"),
    [
        ("rx ry rz", TURNS.as_euler("xyz"), ["--euler XYZ", "--euler xyz", "rotation_vector", "--robot", "none"]),
        ("q0 q1 q2 q3", TURNS.as_quat(), ["--quaternion-order xyzw", "--quaternion-order wxyz"]),
        ("roll pitch yaw", TURNS.as_euler("xyz"), ["--euler"]),
    ],
)
def test_orientation_that_is_open_is_refused_with_what_settles_it(tmp_path, header, values, settles):
    with pytest.raises(DatasetError) as caught:
        load(tmp_path, table_of(header.split(), values))
    assert all(option in str(caught.value) for option in settles)
    assert load(tmp_path, table_of(header.split(), values), orientation="none")[0].kinds.tolist() == [POSITION] * 6


def test_small_angles_have_no_unit_by_themselves(tmp_path):
    text = table_of(["rx", "ry", "rz"], 0.1 * TURNS.as_rotvec())
    with pytest.raises(DatasetError, match="radians or degrees; give --angle-unit"):
        load(tmp_path, text, euler="xyz")
    assert load(tmp_path, text, euler="xyz", angle_unit="deg")[0].only_poses


def test_orientation_that_never_changes_was_not_measured(tmp_path):
    text = table_of(["qx", "qy", "qz", "qw"], np.tile([0, 0, 0, 1], (6, 1)))
    samples, report = load(tmp_path, text)
    np.testing.assert_array_equal(samples.kinds, [POSITION] * 6)
    assert any("same in all rows" in note for note in report["notes"])
    assert load(tmp_path, text, orientation="quaternion")[0].only_poses
    turned = load(tmp_path, PLAIN, constant_orientation="1,0,0,0")[0]
    np.testing.assert_allclose(turned.poses[:, :3, :3], [np.diag([1, -1, -1])] * 2)


def test_orientation_that_was_lost_leaves_the_position(tmp_path):
    rows = TURNS.as_quat()
    rows[1] = 0.0
    samples, report = load(tmp_path, table_of(["qx", "qy", "qz", "qw"], rows))
    np.testing.assert_array_equal(samples.kinds, [POSE, POSITION, POSE, POSE, POSE, POSE])
    assert any("1 of 6 rows have no orientation" in note for note in report["notes"])
    rows[2] *= 1.5
    with pytest.raises(DatasetError, match=r"quaternion of length 1\.5"):
        load(tmp_path, table_of(["qx", "qy", "qz", "qw"], rows))
    mirrored = TURNS.as_matrix() * [1, 1, -1]
    with pytest.raises(DatasetError, match="no rotation"):
        load(tmp_path, table_of([f"r{i}{j}" for i in "123" for j in "123"], mirrored))


def test_device_that_is_frozen_is_a_warning(tmp_path):
    _, report = load(tmp_path, "j1,j2,x,y,z\n0.1,0.2,1,1,1\n0.2,0.2,1,1,1\n0.3,0.2,1,1,1\n")
    assert any("same in all rows" in warning for warning in report["warnings"])


# The robot as evidence.


@pytest.fixture(scope="module")
def tracked(panda):
    """Joints of a Panda [rad] and what a tracker with a frame of its own sees of a target on its tool."""
    rng = np.random.default_rng(3)
    q = panda.random_configurations(60, rng)
    frame, tool = np.eye(4), np.eye(4)
    frame[:3, :3], frame[:3, 3] = Rotation.random(rng=rng).as_matrix(), [1.0, -2.0, 0.5]
    tool[:3, :3], tool[:3, 3] = Rotation.random(rng=rng).as_matrix(), [0.02, 0.03, 0.1]
    poses = frame @ panda.forward_kinematics(q) @ tool
    poses[:, :3, 3] += rng.normal(0, 1e-3, (60, 3))
    return q, poses


def tracked_table(names, columns, *blocks):
    rows = np.hstack(blocks)
    lines = [",".join([*names, *columns]), *(",".join(f"{value:.9f}" for value in row) for row in rows)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("joint_unit", ["rad", "deg"])
@pytest.mark.parametrize("length_unit", ["m", "mm"])
@pytest.mark.parametrize(
    ("columns", "angles"),
    [
        ("rx ry rz", lambda turns: turns.as_euler("XYZ")),
        ("rx ry rz", lambda turns: turns.as_euler("xyz", degrees=True)),
        ("rx ry rz", lambda turns: turns.as_rotvec()),
        ("rx ry rz", lambda turns: turns.as_euler("YXZ")[:, [1, 0, 2]]),
        ("A B C", lambda turns: turns.as_euler("ZYX", degrees=True)),
        ("q0 q1 q2 q3", lambda turns: turns.as_quat()[:, [3, 0, 1, 2]]),
        ("q0 q1 q2 q3", lambda turns: turns.as_quat()),
    ],
    ids=range(7),
)
def test_robot_tells_units_and_conventions(tmp_path, panda, tracked, joint_unit, length_unit, columns, angles):
    q, poses = tracked
    scale = {"rad": 1.0, "deg": 180.0 / np.pi}[joint_unit]
    text = tracked_table(
        panda.joint_names,
        ["x", "y", "z", *columns.split()],
        scale * q,
        {"m": 1.0, "mm": 1e3}[length_unit] * poses[:, :3, 3],
        angles(Rotation.from_matrix(poses[:, :3, :3])),
    )
    samples, report = load(tmp_path, text, panda)
    assert samples.joint_names == panda.joint_names
    np.testing.assert_allclose(samples.configurations, q, atol=1e-8)
    np.testing.assert_allclose(samples.poses, poses, atol=1e-7)
    assert "chosen by" in report and report["warnings"] == []


def test_robot_that_nothing_fits_is_refused_with_the_figures(tmp_path, panda, tracked):
    q, poses = tracked
    text = tracked_table(
        panda.joint_names, ["x", "y", "z", "rx", "ry", "rz"], q[::-1], poses[:, :3, 3],
        Rotation.from_matrix(poses[:, :3, :3]).as_rotvec(),
    )  # fmt: skip
    with pytest.raises(DatasetError, match=r"no way to read it fits the robot clearly best.* mm"):
        load(tmp_path, text, panda)
    options = {"joint_unit": "rad", "length_unit": "m", "orientation": "rotation_vector", "angle_unit": "rad"}
    _, report = load(tmp_path, text, panda, **options)
    assert any("the URDF misses these poses" in warning for warning in report["warnings"])


def test_joints_are_matched_to_the_robots(tmp_path, panda, tracked):
    q, poses = tracked
    order = [3, 1, 0, 2, 6, 5, 4]
    shuffled = [panda.joint_names[i].replace("_", " ").upper() for i in order]
    text = tracked_table(shuffled, ["x", "y", "z"], q[:, order], poses[:, :3, 3])
    np.testing.assert_allclose(load(tmp_path, text, panda)[0].configurations, q, atol=1e-8)
    text = tracked_table([f"A{i + 1}" for i in range(7)], ["x", "y", "z"], q, poses[:, :3, 3])
    samples, report = load(tmp_path, text, panda)
    assert samples.joint_names == panda.joint_names and purposes(report)["A1"] == ("joint panda_joint1", "rad")
    with pytest.raises(DatasetError, match=r"are 6 columns.*the robot has 7 joints"):
        load(tmp_path, text, panda, joints="A1 A2 A3 A4 A5 A6")
    q = q.copy()
    q[4, 0] = 3.5
    text = tracked_table(panda.joint_names, ["x", "y", "z"], q, poses[:, :3, 3])
    with pytest.raises(DatasetError, match=r"table\.csv: line 6: panda_joint1 is 3\.5, outside its limits"):
        load(tmp_path, text, panda, joint_unit="rad", length_unit="m")


def test_one_marker_is_compared_where_there_are_several(tmp_path, panda, tracked):
    q, poses = tracked
    poses = poses.copy()
    poses[40:, :3, 3] += poses[40:, :3, :3] @ [0.3, 0.0, 0.2]
    blocks = [
        q,
        poses[:, :3, 3],
        Rotation.from_matrix(poses[:, :3, :3]).as_euler("XYZ"),
        (np.arange(60) >= 40)[:, None],
    ]
    text = tracked_table(panda.joint_names, ["x", "y", "z", "rx", "ry", "rz", "marker"], *blocks)
    samples, report = load(tmp_path, text, panda)
    np.testing.assert_allclose(samples.poses, poses, atol=1e-7)
    assert len(samples.marker_names) == 2 and report["warnings"] == []


# Round trips.


@given(st.data())
def test_what_is_written_in_any_dialect_comes_back(tmp_path_factory, data):
    count, joints = data.draw(st.integers(2, 6)), data.draw(st.integers(1, 7))
    sign, decimal = data.draw(
        st.sampled_from([(";", ","), (";", "."), ("\t", ","), ("\t", "."), (",", "."), (" ", ".")])
    )
    values = data.draw(
        st.lists(st.floats(-3.0, 3.0), min_size=count * (joints + 3), max_size=count * (joints + 3)).map(
            lambda flat: np.reshape(flat, (count, joints + 3))
        )
    )
    # Numbers that are all whole leave the sign open, and need none.
    assume(decimal == "." or np.any(values != np.round(values)))
    names = [f"axis{i}" for i in range(joints)]
    lines = [sign.join([*names, "x", "y", "z"])]
    lines += [sign.join(f"{value:.17e}".replace(".", decimal) for value in row) for row in values]
    folder = tmp_path_factory.mktemp("dialect")
    samples, _ = load(folder, "\n".join(lines), joints=" ".join(names), joint_unit="rad", length_unit="m")
    np.testing.assert_array_equal(in_order(samples), values)
    samples.save(folder / "out.csv")
    np.testing.assert_array_equal(in_order(Dataset.load(folder / "out.csv")), values)


def test_table_that_is_as_it_should_be_stays_so(tmp_path, panda, tracked):
    q, poses = tracked
    count = len(q)
    samples = Dataset(
        q, poses, panda.joint_names, noise=np.tile([1e-4, 2e-4], (count, 1)), payloads=np.arange(count) / 100,
        sessions=["a", "b"] * (count // 2), markers=["m"] * count, temperatures=20.0, approaches=np.sign(q),
    )  # fmt: skip
    samples.save(tmp_path / "measured.csv")
    for robot, options in ((panda, {}), (None, {"joints": "panda_joint*"})):
        again, report = import_table(tmp_path / "measured.csv", ImportRequest(**options), robot)
        again.save(tmp_path / "again.csv")
        assert report["left out"] == [] and again.session_names == ("a", "b")
        np.testing.assert_allclose(again.poses, poses, atol=1e-12)
        for name in ("configurations", "noise", "payloads", "sessions", "markers", "temperatures", "approaches"):
            np.testing.assert_array_equal(getattr(again, name), getattr(samples, name))


@given(st.one_of(st.binary(max_size=200), st.text('0123456789.,;\t\n #"xyzjq-eE', max_size=200).map(str.encode)))
def test_whatever_it_is_it_is_read_or_refused(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("fuzz")
    with contextlib.suppress(DatasetError):
        load(folder, content)
    try:
        table = load(folder, content, joints="1", position="1,1,1")
    except (DatasetError, InvalidInputError):
        return
    assert table


def test_large_tables_are_read_in_a_straight_line(tmp_path):
    path = tmp_path / "large.csv"
    np.savetxt(path, np.random.default_rng(0).uniform(-1, 1, (20000, 9)), delimiter=";", fmt="%.6f")
    table = read_delimited(path)
    assert len(table) == 20000 and not table.named


# The command.


def said(*arguments):
    return CliRunner().invoke(app, ["import", *map(str, arguments)], prog_name="crisp-ik", env={"COLUMNS": "100"})


def test_command_writes_a_table_and_says_what_it_took_each_column_for(tmp_path):
    (tmp_path / "raw.txt").write_text(PLAIN.replace("x,", "x [m],").replace("\n", ",9\n").replace("z,9", "z,note"))
    result = said(tmp_path / "raw.txt", tmp_path / "out.csv", "--session", "monday")
    assert result.exit_code == 0, result.output
    assert "position x" in result.output and "note" in result.output and "monday" in result.output
    loaded = Dataset.load(tmp_path / "out.csv")
    np.testing.assert_allclose(in_order(loaded), EXPECTED)
    assert loaded.session_names == ("monday",)


def test_command_refuses_to_write_over_its_table_or_to_another_kind(tmp_path):
    (tmp_path / "raw.csv").write_text(PLAIN)
    for output, reason in ((tmp_path / "raw.csv", "another file"), (tmp_path / "out.xlsx", ".csv or .npz")):
        result = said(tmp_path / "raw.csv", output)
        assert result.exit_code == 1 and reason in str(result.exception)
    assert (tmp_path / "raw.csv").read_text() == PLAIN


# The tracked arm of the shared folder.


def aligned_distance(robot, samples):
    """Mean distance [m] of the URDF, frame and tool fitted by SciPy to all six numbers of each pose."""
    tips = robot.forward_kinematics(samples.configurations)
    measured = samples.poses

    def errors(unknowns):
        left, right = (Rotation.from_rotvec(unknowns[i : i + 3]).as_matrix() for i in (0, 6))
        position = measured[:, :3, 3] - (tips[:, :3, 3] + tips[:, :3, :3] @ unknowns[9:12]) @ left.T - unknowns[3:6]
        turned = measured[:, :3, :3] - left @ tips[:, :3, :3] @ right
        return np.hstack([position, 0.3 * turned.reshape(-1, 9)])

    def cost(unknowns):
        return errors(unknowns).ravel()

    # Starts at turns about the vertical, for the tracker stands upright, and about the flange.
    starts = [[0, 0, a, 0, 0, 0, 0, 0, b, 0, 0, 0] for a in np.arange(0, 6, 1.5) for b in np.arange(0, 6, 1.5)]
    best = min((least_squares(cost, start) for start in starts), key=lambda found: found.cost)
    return float(np.linalg.norm(errors(best.x)[:, :3], axis=1).mean())


@needs_ur10
def test_ur10_as_published_is_read_with_its_robot_and_without(tmp_path):
    robot = RobotModel.from_urdf(UR10 / "ur10.urdf", "base_link", "tool0")
    samples, report = import_table(UR10 / "series_C.csv", ImportRequest(), robot)
    assert len(samples) == 2773 and samples.only_poses and samples.joint_names == robot.joint_names
    assert purposes(report)["measurement_rx"] == ("Euler angles XYZ, intrinsic", "deg")
    assert purposes(report)["measurement_x"] == ("position x", "mm")
    assert report["left out"][0] == "Timestamp" and "Goal yaw" in report["left out"] and report["warnings"] == []
    assert 5e-6 < np.median(samples.noise[:, 0]) < 5e-5 and np.ptp(samples.temperatures) < 10.0
    by_hand, _ = import_table(UR10 / "series_C.csv", ImportRequest(joints="*_joint", euler="XYZ"))
    np.testing.assert_array_equal(by_hand.poses, samples.poses)
    samples.save(tmp_path / "C.csv")
    loaded = Dataset.load(tmp_path / "C.csv", joint_names=robot.joint_names)
    assert len(loaded) == 2773
    rows = np.random.default_rng(0).permutation(2773)[:400]
    assert aligned_distance(robot, loaded.subset(rows)) < 1.0e-3
    with pytest.raises(DatasetError, match="leave open which; give one of --euler XYZ"):
        import_table(UR10 / "series_C.csv", ImportRequest())
