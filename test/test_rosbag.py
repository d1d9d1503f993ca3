"""Recordings of an arm that moves and stops."""

import dataclasses

import numpy as np
import pytest
from bags import (
    NAMES,
    TYPES,
    Arm,
    Device,
    joint_state,
    point_stamped,
    pose_stamped,
    pose_with_covariance,
    quaternion_of,
    tf_message,
    transform_stamped,
    true_pose,
    write_bag,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from crisp_ik_ros import Dataset
from crisp_ik_ros.datasets.rosbag import read_rosbag
from crisp_ik_ros.errors import DatasetError

ARM = Arm.random(12)


def angle_between(first, second):
    return np.arccos(np.clip((np.trace(first[:3, :3].T @ second[:3, :3]) - 1.0) / 2.0, -1.0, 1.0))


def assert_stops(samples, arm, position=1.5e-4, rotation=8e-4, rows=None):
    """One sample at each stop, its numbers those of the arm."""
    stops = arm.stops if rows is None else arm.stops[rows]
    assert len(samples) == len(stops)
    np.testing.assert_allclose(samples.configurations, stops, atol=3e-5)
    for pose, stop in zip(samples.poses, stops, strict=True):
        true = true_pose(stop)
        assert np.linalg.norm(pose[:3, 3] - true[:3, 3]) < position
        if samples.only_poses:
            assert angle_between(pose, true) < rotation


def replaced(messages, topic, change):
    """Messages with those of a topic replaced by what ``change(time, message)`` returns, None: left out."""
    for name, time, message in messages:
        if name == topic:
            message = change(time, message)
        if message is not None:
            yield name, time, message


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
@pytest.mark.parametrize("compression", [None, "FILE", "MESSAGE"])
def test_each_stop_is_one_sample(tmp_path, storage, compression):
    path = write_bag(tmp_path / "bag", Device().messages(ARM), storage, compression)
    samples = Dataset.load(path)
    assert samples.joint_names == NAMES and samples.only_poses
    assert_stops(samples, ARM)


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_the_storage_file_alone_is_enough(tmp_path, storage):
    path = write_bag(tmp_path / "bag", Device().messages(ARM), storage)
    (file,) = (item for item in path.iterdir() if item.suffix in (".db3", ".mcap"))
    assert_stops(Dataset.load(file), ARM)
    (path / "metadata.yaml").unlink()
    assert_stops(Dataset.load(path), ARM)


@pytest.mark.parametrize("make", [pose_stamped, pose_with_covariance, transform_stamped])
def test_every_type_of_pose_is_read(tmp_path, make):
    assert_stops(read_rosbag(write_bag(tmp_path / "bag", Device().messages(ARM, make))), ARM)


def test_points_are_positions_alone(tmp_path):
    samples = read_rosbag(write_bag(tmp_path / "bag", Device().messages(ARM, point_stamped)))
    assert not samples.only_poses
    assert_stops(samples, ARM)
    np.testing.assert_array_equal(samples.poses[:, :3, :3], np.broadcast_to(np.eye(3), (12, 3, 3)))
    assert np.isfinite(samples.noise[:, 0]).all() and np.isnan(samples.noise[:, 1]).all()


def with_other_frames(time, pose):
    elsewhere = np.eye(4)
    elsewhere[0, 3] = 9.0
    return tf_message(
        transform_stamped(time, elsewhere, "camera", "world"), transform_stamped(time, pose, "/tool", "base")
    )


def test_frame_of_a_tf_topic_is_chosen_by_its_name(tmp_path):
    messages = Device().messages(ARM, with_other_frames, "/tf")
    messages.append(("/tf_static", 0.0, tf_message(transform_stamped(0.0, np.eye(4), "flange"))))
    path = write_bag(tmp_path / "bag", messages)
    for name in ("tool", "/tool"):
        assert_stops(Dataset.load(path, child_frame=name), ARM)
    assert_stops(read_rosbag(path, pose_topic="/tf", child_frame="tool"), ARM)
    with pytest.raises(DatasetError, match=r"/tf \(child frame camera\), /tf \(child frame tool\); expected one"):
        read_rosbag(path)
    with pytest.raises(DatasetError, match=r"on any topic with the child frame finger.*child frame camera"):
        read_rosbag(path, child_frame="finger")
    with pytest.raises(DatasetError, match=r"child frame flange.*the recording has"):
        read_rosbag(path, child_frame="flange")


def test_noise_is_that_of_the_averages(tmp_path):
    arm = Arm.random(40, seed=3)
    samples = read_rosbag(write_bag(tmp_path / "bag", Device(noise=(2e-4, 1e-3)).messages(arm)))
    errors = np.array([pose[:3, 3] - true_pose(q)[:3, 3] for pose, q in zip(samples.poses, arm.stops, strict=True)])
    angles = np.array([angle_between(pose, true_pose(q)) for pose, q in zip(samples.poses, arm.stops, strict=True)])
    # Along an axis; an angle is made of three.
    assert 0.75 < np.sqrt(np.mean((errors / samples.noise[:, :1]) ** 2)) < 1.25
    assert 0.75 < np.sqrt(np.mean((angles / samples.noise[:, 1]) ** 2) / 3.0) < 1.25


def test_noise_is_not_known_where_readings_are_few_or_do_not_scatter(tmp_path):
    few = read_rosbag(write_bag(tmp_path / "few", Device(tool_rate=8.0).messages(ARM)))
    assert few.noise is None or np.isnan(few.noise[np.isnan(few.noise[:, 0])]).all()
    assert len(few) >= 10
    exact = read_rosbag(write_bag(tmp_path / "exact", Device(noise=(0.0, 0.0)).messages(ARM)))
    assert exact.noise is None
    assert_stops(exact, ARM, 1e-4, 1e-4)


def test_mean_rotation_does_not_depend_on_the_signs_of_quaternions(tmp_path):
    rng = np.random.default_rng(0)

    def make(time, pose):
        return pose_stamped(time, pose, quaternion_of(pose) * rng.choice([-1.0, 1.0]))

    assert_stops(read_rosbag(write_bag(tmp_path / "bag", Device().messages(ARM, make))), ARM)


def test_times_that_jitter_and_messages_out_of_order_are_matched(tmp_path):
    assert_stops(read_rosbag(write_bag(tmp_path / "bag", Device(jitter=0.9).messages(ARM))), ARM)


@pytest.mark.parametrize("offset", [-0.7, -0.05, 0.05, 0.4, 1.5])
def test_clocks_that_differ_are_matched_by_the_motion(tmp_path, offset):
    path = write_bag(tmp_path / "bag", Device(offset=offset).messages(ARM))
    assert_stops(read_rosbag(path), ARM)
    assert_stops(read_rosbag(path, time_offset=-offset), ARM)


def test_stops_are_not_matched_with_the_poses_of_others(tmp_path):
    path = write_bag(tmp_path / "bag", Device(offset=0.4).messages(ARM))
    samples = read_rosbag(path, time_offset=0.0)
    assert len(samples) > 6
    for configuration, pose in zip(samples.configurations, samples.poses, strict=True):
        assert np.linalg.norm(pose[:3, 3] - true_pose(configuration)[:3, 3]) < 2e-3
    short = Arm(ARM.stops, np.full(12, 0.6), np.full(12, 1.2))
    path = write_bag(tmp_path / "other", Device(offset=0.9).messages(short))
    with pytest.raises(DatasetError, match=r"the tool moves at \d+ of 12 stops.*do both use one clock"):
        read_rosbag(path, time_offset=0.0)


def test_an_arm_that_repeats_itself_is_matched_where_its_clocks_agree(tmp_path):
    arm = Arm(np.tile([[0.0, 0.5, 0.2], [0.8, -0.3, 0.4]], (8, 1)), np.full(16, 1.0), np.full(16, 0.8))
    assert_stops(read_rosbag(write_bag(tmp_path / "bag", Device().messages(arm))), arm)


def test_an_arm_that_repeats_itself_is_refused_where_its_clocks_do_not_agree(tmp_path):
    arm = Arm(ARM.stops, np.full(12, 1.0), np.full(12, 0.8))
    path = write_bag(tmp_path / "bag", Device(offset=0.8).messages(arm))
    with pytest.raises(DatasetError, match=r"the motion repeats.* -1\.0\d? or 0\.[78]\d? s; give time_offset"):
        read_rosbag(path)
    assert_stops(read_rosbag(path, time_offset=-0.8), arm)


def test_headers_without_times_leave_those_of_the_recording(tmp_path):
    messages = replaced(Device().messages(ARM), "/joint_states", lambda t, m: joint_state(t, m.position, stamped=False))
    assert_stops(read_rosbag(write_bag(tmp_path / "bag", messages, delay=1000.0)), ARM)
    messages = Device().messages(ARM, lambda time, pose: pose_stamped(time, pose, stamped=False))
    assert_stops(read_rosbag(write_bag(tmp_path / "other", messages)), ARM)


def test_headers_count_where_messages_were_recorded_late(tmp_path):
    rng = np.random.default_rng(0)
    messages = [(topic, time + rng.uniform(0.0, 1.0), message) for topic, time, message in Device().messages(ARM)]
    assert_stops(read_rosbag(write_bag(tmp_path / "bag", messages)), ARM)


def test_joints_are_mapped_by_name_and_a_gripper_of_its_own_is_left_out(tmp_path):
    rng = np.random.default_rng(0)
    messages = []
    for topic, time, message in Device().messages(ARM):
        if topic == "/joint_states":
            order = rng.permutation(3)
            message = joint_state(time, message.position[order], [NAMES[i] for i in order])
            messages.append((topic, time + 1e-3, joint_state(time + 1e-3, [0.04 * rng.random()], ["finger"])))
        messages.append((topic, time, message))
    path = write_bag(tmp_path / "bag", messages)
    assert_stops(read_rosbag(path, NAMES), ARM)
    assert_stops(Dataset.load(path, joint_names=NAMES), ARM)
    turned = read_rosbag(path, NAMES[::-1])
    assert turned.joint_names == NAMES[::-1]
    np.testing.assert_allclose(turned.configurations, ARM.stops[:, ::-1], atol=3e-5)
    with pytest.raises(DatasetError, match=r"different joints; give joint_names.*finger"):
        read_rosbag(path)
    with pytest.raises(DatasetError, match=r"no joint state of /joint_states holds all of shoulder, knee"):
        read_rosbag(path, ["shoulder", "knee"])


def test_a_joint_that_jumps_by_a_turn_stands_still_all_the_same(tmp_path):
    stops = np.array([[np.pi - 1e-6, 0.3, 0.1], [0.4, 0.5, 0.2], [-np.pi + 1e-6, 0.1, 0.3], [1.0, 0.2, 0.0]])
    arm = Arm(stops, np.full(4, 1.0), np.full(4, 1.0))

    def wrapped(time, message):
        q = np.array(message.position)
        q[0] = np.arctan2(np.sin(q[0]), np.cos(q[0]))
        return joint_state(time, q)

    samples = read_rosbag(write_bag(tmp_path / "bag", replaced(Device().messages(arm), "/joint_states", wrapped)))
    assert len(samples) == 4
    np.testing.assert_allclose(np.exp(1j * samples.configurations), np.exp(1j * stops), atol=3e-5)
    assert np.abs(samples.configurations).max() < np.pi + 1e-4


def test_readings_that_are_no_poses_and_glitches_do_not_count(tmp_path):
    rng = np.random.default_rng(0)

    def lost(time, message):
        pose, kind = message.pose.position, rng.integers(0, 12)
        if kind == 0:
            return dataclasses.replace(
                message, pose=dataclasses.replace(message.pose, position=type(pose)(np.nan, 0.0, 0.0))
            )
        if kind == 1:
            nothing = type(message.pose.orientation)(0.0, 0.0, 0.0, 0.0)
            return dataclasses.replace(message, pose=dataclasses.replace(message.pose, orientation=nothing))
        if kind == 2:
            far = type(pose)(pose.x + 0.5, pose.y, pose.z)
            return dataclasses.replace(message, pose=dataclasses.replace(message.pose, position=far))
        return message

    assert_stops(read_rosbag(write_bag(tmp_path / "bag", replaced(Device().messages(ARM), "/tool/pose", lost))), ARM)


def test_joint_states_that_are_not_whole_do_not_count(tmp_path):
    def broken(time, message):
        if int(time * 100) % 7 == 0:
            return joint_state(time, [np.nan, 0.0, 0.0])
        if int(time * 100) % 7 == 1:
            return joint_state(time, [0.0])
        return message

    assert_stops(
        read_rosbag(write_bag(tmp_path / "bag", replaced(Device().messages(ARM), "/joint_states", broken))), ARM
    )


def test_stops_at_which_the_tool_was_not_seen_are_left_out(tmp_path):
    hidden = (2, 7)
    spans = [(ARM.arrivals[k] - 0.2, ARM.arrivals[k] + ARM.dwells[k] + 0.2) for k in hidden]

    def seen(time, message):
        return None if any(begin < time < end for begin, end in spans) else message

    samples = read_rosbag(write_bag(tmp_path / "bag", replaced(Device().messages(ARM), "/tool/pose", seen)))
    assert_stops(samples, ARM, rows=[k for k in range(12) if k not in hidden])


def test_short_stops_do_not_count(tmp_path):
    dwells = np.where(np.arange(12) % 3 == 0, 0.15, 1.0)
    arm = Arm(ARM.stops, dwells, np.full(12, 1.0))
    path = write_bag(tmp_path / "bag", Device().messages(arm))
    assert_stops(read_rosbag(path), arm, rows=[k for k in range(12) if k % 3])
    with pytest.raises(
        DatasetError, match=r"never stands still for 2 s within 0.001 rad or m: for 1(\.\d+)? s at most"
    ):
        read_rosbag(path, still_for=2.0)


def test_nothing_is_known_of_an_arm_while_no_joint_state_comes(tmp_path):
    gap = (ARM.arrivals[4] - 2.0, ARM.arrivals[4] + 0.5 * ARM.dwells[4])

    def dropped(time, message):
        return None if gap[0] < time < gap[1] else message

    samples = read_rosbag(
        write_bag(tmp_path / "bag", replaced(Device().messages(ARM), "/joint_states", dropped)), time_offset=0.0
    )
    for configuration, pose in zip(samples.configurations, samples.poses, strict=True):
        assert np.linalg.norm(pose[:3, 3] - true_pose(configuration)[:3, 3]) < 2e-4


# What is refused


class Swinging:
    """An arm that never stops."""

    duration = 12.0

    def at(self, time):
        return np.array([np.sin(time), np.cos(1.3 * time), 0.5 * time])


def test_an_arm_that_never_stops_is_refused(tmp_path):
    path = write_bag(tmp_path / "bag", Device().messages(Swinging()))
    with pytest.raises(DatasetError, match=r"never stands still for 0\.3 s") as caught:
        Dataset.load(path)
    assert str(path) in str(caught.value)


def test_joints_that_scatter_more_than_a_stop_may_are_refused_with_the_setting(tmp_path):
    path = write_bag(tmp_path / "bag", Device(joint_noise=2e-3).messages(ARM))
    with pytest.raises(DatasetError, match="still_within"):
        read_rosbag(path)
    samples = read_rosbag(path, still_within=0.02)
    np.testing.assert_allclose(samples.configurations, ARM.stops, atol=3e-3)


def test_joints_that_are_read_too_seldom_are_refused_with_the_setting(tmp_path):
    arm = Arm(ARM.stops, np.full(12, 4.0), np.full(12, 1.0))
    path = write_bag(tmp_path / "bag", Device(joint_rate=2.0).messages(arm))
    with pytest.raises(DatasetError, match=r"read every 0\.5 s; a longer still_for"):
        read_rosbag(path)
    assert len(read_rosbag(path, still_for=2.0)) == 12


def test_missing_topics_are_refused_with_those_that_are_there(tmp_path):
    messages = Device().messages(ARM)
    path = write_bag(tmp_path / "bag", messages)
    with pytest.raises(
        DatasetError, match=r"no joint positions on /arm/states.*/joint_states \(sensor_msgs/msg/JointState\)"
    ):
        read_rosbag(path, joint_topic="/arm/states")
    with pytest.raises(
        DatasetError, match=r"on /camera; the recording has.*/tool/pose \(geometry_msgs/msg/PoseStamped\)"
    ):
        read_rosbag(path, pose_topic="/camera")
    with pytest.raises(DatasetError, match="no joint positions"):
        read_rosbag(path, joint_topic="/tool/pose")
    joints = write_bag(tmp_path / "joints", [entry for entry in messages if entry[0] == "/joint_states"])
    with pytest.raises(DatasetError, match=r"on any topic; the recording has /joint_states"):
        read_rosbag(joints)
    tool = write_bag(tmp_path / "tool", [entry for entry in messages if entry[0] != "/joint_states"])
    with pytest.raises(DatasetError, match="no joint positions on /joint_states"):
        read_rosbag(tool)
    with pytest.raises(DatasetError, match="no topics"):
        read_rosbag(write_bag(tmp_path / "nothing", []))


def test_several_candidates_are_refused_by_name_and_one_can_be_chosen(tmp_path):
    messages = Device().messages(ARM)
    messages += [("/goal", time, pose_stamped(time, np.eye(4))) for time in np.arange(0.0, ARM.duration, 0.5)]
    path = write_bag(tmp_path / "bag", messages)
    with pytest.raises(
        DatasetError, match=r"open which is the tool: (/tool/pose, /goal|/goal, /tool/pose); expected one"
    ):
        Dataset.load(path)
    assert_stops(Dataset.load(path, pose_topic="/tool/pose"), ARM)


def test_poses_in_changing_frames_are_refused(tmp_path):
    def make(time, pose):
        return pose_stamped(time, pose, frame="base" if time < 5.0 else "world")

    with pytest.raises(DatasetError, match="frames base, world; expected one"):
        read_rosbag(write_bag(tmp_path / "bag", Device().messages(ARM, make)))


def test_a_device_that_never_saw_the_tool_is_refused(tmp_path):
    messages = Device().messages(ARM, lambda time, pose: pose_stamped(time, pose, (0.0, 0.0, 0.0, 0.0)))
    with pytest.raises(DatasetError, match=r"/tool/pose has \d+ readings that are no poses"):
        read_rosbag(write_bag(tmp_path / "bag", messages))


def test_clocks_without_common_times_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="do both use one clock"):
        read_rosbag(write_bag(tmp_path / "bag", Device(offset=3600.0).messages(ARM)))


@pytest.mark.parametrize("options", [{"still_for": 0.0}, {"still_for": np.nan}, {"still_within": -1.0}])
def test_settings_that_make_no_sense_are_refused(tmp_path, options):
    with pytest.raises(DatasetError, match=next(iter(options))):
        read_rosbag(tmp_path / "bag", **options)


def test_messages_that_nobody_knows_are_left_alone(tmp_path):
    from rosbags.typesys import get_types_from_msg

    TYPES.register(get_types_from_msg("float64 force", "gripper_msgs/msg/Force"))
    force = TYPES.types["gripper_msgs/msg/Force"](1.0)
    messages = [*Device().messages(ARM), *(("/force", 0.1 * i, force) for i in range(100))]
    assert_stops(read_rosbag(write_bag(tmp_path / "bag", messages, "mcap")), ARM)


def test_what_is_no_recording_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"nothing.*no such file"):
        read_rosbag(tmp_path / "nothing")
    for name in ("data.mcap", "data.db3"):
        (tmp_path / name).write_bytes(b"neither")
        with pytest.raises(DatasetError, match=rf"{name}: it cannot be read as a rosbag2 recording"):
            Dataset.load(tmp_path / name)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "metadata.yaml").write_text("rosbag2_bagfile_information: 7\n")
    with pytest.raises(DatasetError, match="folder: it cannot be read"):
        Dataset.load(tmp_path / "folder")
    with pytest.raises(DatasetError, match="mapped"):
        Dataset.load(tmp_path / "data.mcap", memory_map=True)
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n")
    with pytest.raises(DatasetError, match="rosbags-convert"):
        Dataset.load(tmp_path / "old.bag")


@pytest.fixture(scope="module")
def small_bags(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    messages = Device(joint_rate=20.0, tool_rate=20.0).messages(Arm.random(3))
    return {
        storage: next(
            item for item in write_bag(folder / storage, messages, storage).iterdir() if item.suffix != ".yaml"
        )
        for storage in ("sqlite3", "mcap")
    }


@settings(max_examples=150)
@given(st.sampled_from(["sqlite3", "mcap"]), st.data())
def test_damaged_recordings_are_read_or_refused(small_bags, tmp_path_factory, storage, data):
    content = bytearray(small_bags[storage].read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]
    path = tmp_path_factory.mktemp("damaged") / small_bags[storage].name
    path.write_bytes(bytes(content))
    try:
        Dataset.load(path)
    except DatasetError as error:
        assert str(path) in str(error)
