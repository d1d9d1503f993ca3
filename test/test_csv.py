"""Tables of mixed samples, and what is said of those that cannot be read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisp_ik_ros import Dataset
from crisp_ik_ros.datasets.dataset import POSE, POSITION, SAME_POINT, Distance
from crisp_ik_ros.datasets.fields import Fields
from crisp_ik_ros.errors import DatasetError

HEADER = "shoulder,elbow,x,y,z,qx,qy,qz,qw,group,position_noise,orientation_noise\n"
TABLE = (
    "# distance, front/a, front/b, 0.05\n#distance,front/b,left/a,0.25,0.001\n# distance is what the ruler said\n"
    + HEADER
    + "0.1,0.2,1,2,3,0,0,0,1,,1e-4,5e-4\n"
    "0.3,0.4,4,5,6,,,,,bench,2e-4,\n"
    "0.5,0.6,,,,,,,,front/a,,\n"
    "0.7,0.8,,,,,,,,front/b,3e-4,\n"
    "0.9,1.0,,,,,,,,left/a,,\n"
    "1.1,1.2,7,8,9,0,0,0,1,bench,,1e-3\n"
)


def load(folder, text, **options):
    path = folder / "data.csv"
    path.write_text(text, encoding="utf-8")
    return Dataset.load(path, **options)


def test_every_kind_of_row_is_read_for_what_it_is(tmp_path):
    samples = load(tmp_path, TABLE)
    assert samples.joint_names == ("shoulder", "elbow")
    np.testing.assert_array_equal(
        samples.configurations, [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8], [0.9, 1.0], [1.1, 1.2]]
    )
    np.testing.assert_array_equal(samples.kinds, [POSE, POSITION, SAME_POINT, SAME_POINT, SAME_POINT, POSE])
    np.testing.assert_array_equal(samples.poses[[0, 1, 5], :3, 3], [[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    np.testing.assert_array_equal(samples.poses[2], np.eye(4))
    assert samples.group_names == ("bench", "front/a", "front/b", "left/a")
    np.testing.assert_array_equal(samples.groups, [-1, 0, 1, 2, 3, 0])
    assert samples.locations == ("", "bench", "front", "front", "left", "bench")
    nan = np.nan
    np.testing.assert_array_equal(
        samples.noise, [[1e-4, 5e-4], [2e-4, nan], [nan, nan], [3e-4, nan], [nan, nan], [nan, 1e-3]]
    )
    assert samples.distances == (Distance("front/a", "front/b", 0.05, 1e-4), Distance("front/b", "left/a", 0.25, 1e-3))


def test_columns_may_stand_in_any_order_and_be_few(tmp_path):
    samples = load(tmp_path, "group,elbow,shoulder\nhole,0.2,0.1\nhole,0.4,0.3\n")
    assert samples.joint_names == ("elbow", "shoulder")
    np.testing.assert_array_equal(samples.kinds, [SAME_POINT] * 2)
    samples = load(tmp_path, "z,y,x,elbow\n3,2,1,0.5\n")
    np.testing.assert_array_equal(samples.kinds, [POSITION])
    np.testing.assert_array_equal(samples.poses[0, :3, 3], [1, 2, 3])


def test_table_as_spreadsheets_write_it_is_read(tmp_path):
    path = tmp_path / "data.csv"
    text = (
        '"# distance","a","b","0.05","","",""\n"elbow","x","y","z","group","position_noise",note\n'
        '"0.5","1","2","3",,"1e-4",good\n0.6,,,,a,,"so, so"\n0.7,,,,"b",,\n'
    )
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    samples = Dataset.load(path, joint_names=["elbow"])
    np.testing.assert_array_equal(samples.configurations, [[0.5], [0.6], [0.7]])
    assert samples.group_names == ("a", "b")
    assert samples.distances == (Distance("a", "b", 0.05),)


def test_columns_that_are_no_joints_are_left_out_where_the_joints_are_given(tmp_path):
    text = "time,elbow,finger,comment,x,y,z\n17.5,0.1,0.04,good,1,2,3\n"
    samples = load(tmp_path, text, joint_names=["elbow"])
    assert samples.joint_names == ("elbow",)
    np.testing.assert_array_equal(samples.configurations, [[0.1]])
    with pytest.raises(DatasetError, match=r"sample 0 \(line 2\): column comment holds 'good'"):
        load(tmp_path, text)


def test_equal_tables_give_equal_bytes_after_a_round_trip(tmp_path):
    first = load(tmp_path, TABLE)
    first.save(tmp_path / "first.csv")
    Dataset.load(tmp_path / "first.csv").save(tmp_path / "second.csv")
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()
    assert (tmp_path / "first.csv").read_text().splitlines()[:3] == [
        "# distance, front/a, front/b, 0.050000000000000003, 0.0001",
        "# distance, front/b, left/a, 0.25, 0.001",
        "shoulder,elbow,x,y,z,qx,qy,qz,qw,position_noise,orientation_noise,group",
    ]


def test_table_has_no_more_columns_than_it_needs(tmp_path):
    for samples, header in (
        (Dataset.from_positions([[0.1]], [[1, 2, 3]], ["elbow"]), "elbow,x,y,z"),
        (Dataset.from_positions([[0.1]], [[1, 2, 3]], ["elbow"], noise=1e-4), "elbow,x,y,z,position_noise"),
        (Dataset.from_same_points({"a": [[0.1]]}, ["elbow"]), "elbow,group"),
    ):
        samples.save(tmp_path / "data.csv")
        assert (tmp_path / "data.csv").read_text().splitlines()[0] == header


REFUSED = {
    "position without z": ("elbow,x,y\n0,1,2\n", "header elbow, x, y lacks z"),
    "quaternion without position": ("elbow,qx,qy,qz,qw\n0,0,0,0,1\n", "lacks x, y, z"),
    "quaternion without qw": ("elbow,x,y,z,qx,qy,qz\n0,1,2,3,0,0,0\n", "lacks qw"),
    "nothing measured": ("shoulder,elbow\n0,1\n", "lacks x, y, z"),
    "only noise": ("elbow,position_noise\n0,1\n", "lacks|neither"),
    "nameless column": ("elbow,,x,y,z\n0,0,1,2,3\n", "each joint's name once"),
    "semicolons": ("elbow;x;y;z\n0;1;2;3\n", "semicolons; expected commas"),
    "numbers first": ("0,1,2,3\n0,1,2,3\n", "no header line"),
    "empty joint": (HEADER + "0.1,,1,2,3,0,0,0,1,,,\n", r"sample 0 \(line 2\): column elbow is empty"),
    "word": ("# a\n\n" + HEADER + "0.1,0.2,1,2,far,0,0,0,1,,,\n", r"sample 0 \(line 4\): column z holds 'far'"),
    "decimal comma": ("elbow,x,y,z\n0,5,1,0,2,0,3,0\n", "8 cells.*expected 4: elbow, x, y, z"),
    "half a position": (HEADER + "0.1,0.2,1,,3,,,,,,,\n", "column y is empty; expected x, y, z"),
    "half a quaternion": (HEADER + "0.1,0.2,1,2,3,0,0,,1,,,\n", "column qz is empty"),
    "quaternion alone": (HEADER + "0.1,0.2,,,,0,0,0,1,a,,\n", "has a quaternion and no x, y, z"),
    "nothing in the row": (HEADER + "0.1,0.2,,,,,,,,,,\n", "has neither x, y, z nor a group"),
    "not a number": (HEADER + "0.1,0.2,nan,2,3,,,,,,,\n", "column x holds 'nan'"),
    "infinite noise": (HEADER + "0.1,0.2,1,2,3,,,,,,inf,\n", "column position_noise holds 'inf'"),
    "negative noise": (HEADER + "0.1,0.2,1,2,3,,,,,,-1,\n", "noise: sample 0"),
    "quaternion too long": (HEADER + "0.1,0.2,1,2,3,1,0,0,1,,,\n", r"sample 0 \(line 2\) has the quaternion"),
    "distance in words": ("# distance, a, b, far\nelbow,group\n0,a\n0,b\n", "line 1 is # distance, a, b, far"),
    "distance of one": ("# distance, a, 0.05\nelbow,group\n0,a\n", "line 1"),
    "distance of none": ("# distance, a, c, 0.05\nelbow,group\n0,a\n0,b\n", "no same-point samples of c"),
    "no distance": ("# distance, a, b, 0\nelbow,group\n0,a\n0,b\n", "above 0"),
    "comma in a group": ('elbow,group\n0,"a,b"\n', "comma"),
    "degrees": (
        "shoulder,elbow,wrist,x,y,z\n10,2,3,0,0,0\n45,-90,5,0,0,0\n",
        "sample 1 has elbow at -90.*degrees, radians are expected",
    ),
    "millimetres": ("elbow,x,y,z\n0,412,-31,221\n0,400,0,0\n", "like 406; these look like millimetres"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_table_that_cannot_be_used_is_refused_with_file_row_and_column(tmp_path, kind):
    text, reason = REFUSED[kind]
    with pytest.raises(DatasetError, match=reason) as caught:
        load(tmp_path, text)
    assert "data.csv" in str(caught.value)


def test_joint_that_turned_often_and_a_far_measuring_device_are_no_mistake(tmp_path):
    samples = load(tmp_path, "shoulder,elbow,wrist,x,y,z\n0.1,0.2,90,60,2,3\n0.1,0.2,91,61,2,3\n")
    assert len(samples) == 2


@pytest.mark.parametrize("name", ["x", "group", "position_noise", "a,b", "#a", " a"])
def test_joint_names_that_no_table_can_hold_are_refused_when_it_is_written(tmp_path, name):
    samples = Dataset([[0.1]], [np.eye(4)], [name])
    with pytest.raises(DatasetError, match=r"joint name.*npz"):
        samples.save(tmp_path / "data.csv")
    assert not list(tmp_path.iterdir())
    samples.save(tmp_path / "data.npz")
    assert Dataset.load(tmp_path / "data.npz").joint_names == (name,)


CELLS = st.sampled_from(
    [
        "",
        "0",
        "1",
        "-0.5",
        "nan",
        "inf",
        "1e400",
        "x",
        "group",
        "elbow",
        '"',
        '"a',
        "a/b",
        "#",
        ";",
        "\x00",
        " ",
        "0x1",
        "é",
    ]
)
LINES = st.lists(CELLS, min_size=1, max_size=9).map(",".join)
# Small damage to a good table finds what random lines do not.
EDITS = st.lists(st.tuples(st.integers(0, len(TABLE)), st.integers(0, 4), CELLS), min_size=1, max_size=4)


def damaged(edits):
    text = TABLE
    for place, length, replacement in edits:
        text = text[:place] + replacement + text[place + length :]
    return text


def only_dataset_errors(path, content):
    path.write_bytes(content)
    try:
        samples = Dataset.load(path)
    except DatasetError:
        return None
    samples.save(path.with_name("again.npz"))
    return samples


@settings(max_examples=300)
@given(st.one_of(EDITS.map(damaged), st.lists(LINES, max_size=6).map("\n".join)))
def test_damaged_tables_are_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "data.csv"
    only_dataset_errors(path, text.encode())


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_table_are_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "data.csv"
    only_dataset_errors(path, content)


FINITE = st.floats(-3.0, 3.0)
NAMES_OF_GROUPS = st.text(
    st.characters(blacklist_categories=("C", "Z"), blacklist_characters=',"'), min_size=1, max_size=5
)


@given(st.data(), st.integers(1, 6))
def test_whatever_a_dataset_holds_a_table_gives_back(tmp_path_factory, data, count):
    def rows(columns, elements=FINITE):
        values = data.draw(st.lists(elements, min_size=count * columns, max_size=count * columns))
        return np.reshape(values, (count, columns))

    kinds = rows(1, st.sampled_from([POSE, POSITION, SAME_POINT]))[:, 0]
    names = data.draw(st.lists(NAMES_OF_GROUPS, min_size=1, max_size=3, unique=True))
    groups = rows(1, st.integers(-1, len(names) - 1))[:, 0]
    groups[(kinds == SAME_POINT) & (groups < 0)] = 0
    noise = rows(2, st.one_of(st.just(np.nan), st.floats(0.0, 1.0)))
    poses = np.broadcast_to(np.eye(4), (count, 4, 4)).copy()
    poses[:, :3, 3] = rows(3)
    samples = Dataset.from_fields(
        Fields(("a", "b"), rows(2), poses, kinds.astype(int), groups.astype(int), tuple(names), (), noise)
    )
    folder = tmp_path_factory.mktemp("trip")
    samples.save(folder / "data.csv")
    loaded = Dataset.load(folder / "data.csv")
    for name in ("configurations", "poses", "kinds", "groups"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(samples, name))
    assert loaded.group_names == samples.group_names
    assert (loaded.noise is None) == (samples.noise is None)
    if samples.noise is not None:
        np.testing.assert_array_equal(loaded.noise, samples.noise)


TOLD = (
    "shoulder,elbow,x,y,z,payload,session,marker,temperature,approach_elbow\n"
    "0.1,0.2,1,2,3,1.25,a,left,21.5,1\n"
    "0.3,0.4,1,2,4,,b,left,,\n"
    "0.5,0.6,1,2,5,0,a,right,22,-1\n"
)


def test_columns_of_the_circumstances_are_read(tmp_path):
    samples = load(tmp_path, TOLD)
    assert samples.joint_names == ("shoulder", "elbow")
    np.testing.assert_array_equal(samples.payloads, [1.25, np.nan, 0.0])
    np.testing.assert_array_equal(samples.temperatures, [21.5, np.nan, 22.0])
    assert samples.session_names == ("a", "b") and samples.marker_names == ("left", "right")
    np.testing.assert_array_equal(samples.sessions, [0, 1, 0])
    np.testing.assert_array_equal(samples.markers, [0, 0, 1])
    np.testing.assert_array_equal(samples.approaches, [[0, 1], [0, 0], [0, -1]])
    samples.save(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text().splitlines()[0] == (
        "shoulder,elbow,x,y,z,payload,temperature,approach_elbow,session,marker"
    )


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (",b,left", ",,left", r"sample 1 \(line 3\): column session is empty"),
        ("a,right", "a,", r"sample 2 \(line 4\): column marker is empty"),
        ("1.25", "-1", "payloads: sample 0 has -1"),
        ("1.25", "1001", "payloads: sample 0 has 1001"),
        ("1.25", "nan", "column payload holds 'nan'"),
        ("1.25", "heavy", "column payload holds 'heavy'"),
        ("21.5,1", "21.5,0.5", "sample 0, joint 1 has 0.5"),
        ("21.5", "warm", "column temperature holds 'warm'"),
        (",x,y,z", ",a,b,c", "lacks x, y, z"),
    ],
)
def test_circumstances_that_cannot_be_are_refused_with_file_and_row(tmp_path, old, new, reason):
    with pytest.raises(DatasetError, match=reason) as caught:
        load(tmp_path, TOLD.replace(old, new))
    assert "data.csv" in str(caught.value)


def test_columns_left_out_are_named(tmp_path, two_link):
    text = "note,shoulder,elbow,x,y,z,approach_finger\ngood,0.1,0.2,1,2,3,1\n"
    samples = load(tmp_path, text, joint_names=("elbow", "shoulder"))
    assert samples.notes == (f"{tmp_path / 'data.csv'}: columns left out: note, approach_finger",)
    assert load(tmp_path, TOLD, joint_names=("elbow", "shoulder")).notes == ()
    first, second = two_link.joint_names
    table = f"{second},{first},x,y,z,time\n0.2,0.1,1,0,0,5\n0.3,0.1,1,0,0,6\n"
    samples = load(tmp_path, table, robot=two_link)
    assert samples.joint_names == two_link.joint_names and "columns left out: time" in samples.notes[0]


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_joint_outside_its_limits_names_file_and_row(tmp_path, two_link, suffix):
    first, second = two_link.joint_names
    outside = two_link.upper[1] + 0.5
    samples = Dataset.from_positions([[0.1, 0.2], [0.3, outside], [0.1, 0.1]], np.zeros((3, 3)), (first, second))
    path = tmp_path / f"data{suffix}"
    samples.save(path)
    where = r"sample 1 \(line 3\)" if suffix == ".csv" else "sample 1"
    with pytest.raises(DatasetError, match=rf"data\{suffix}: {where}: {second} is .*limits.*; 1 of 3 samples"):
        Dataset.load(path, robot=two_link)
    (note,) = Dataset.load(path, robot=two_link, limits="note").notes
    assert str(path) in note and second in note
    assert Dataset.load(path).notes == ()
    with pytest.raises(ValueError, match="limits"):
        Dataset.load(path, robot=two_link, limits="ignore")
