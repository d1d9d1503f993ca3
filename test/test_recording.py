"""From readings to samples in a file, without ROS."""

from __future__ import annotations

import os

import numpy as np
import pytest

from crisp_ik_ros import Dataset
from crisp_ik_ros.datasets.averages import average_poses
from crisp_ik_ros.datasets.dataset import POSE, POSITION, SAME_POINT
from crisp_ik_ros.errors import CrispIKError, DatasetError, InvalidInputError
from crisp_ik_ros.nodes.measurements import LARGEST_DELAY, Measurement, Measurements
from crisp_ik_ros.nodes.recording import Departure, Recording
from crisp_ik_ros.transforms import quaternion_from_matrix

EPOCH = 1.7e9
TOPIC = "/tracker/pose"


class Arm:
    """Feeds readings of an arm and of what tracks its tool, a hundred a second."""

    def __init__(self, robot, **options):
        self.robot = robot
        self.measurements = Measurements(robot, 0.5, 1e-3, pose_within=2e-4, pose_topic=TOPIC, **options)
        self.now = EPOCH
        self.q = robot.rest.copy()
        self.rng = np.random.default_rng(0)
        self.measured = []

    def joints(self, q=None, names=None, stamp=None):
        return self.measurements.read_joints(
            self.now if stamp is None else stamp,
            self.now,
            self.robot.joint_names if names is None else names,
            (self.q if q is None else q).tolist(),
        )

    def pose(self, shift=(0.0, 0.0, 0.0), noise=0.0, frame="", stamp=None, turn=1.0, q=None):
        pose = self.robot.forward_kinematics(self.q if q is None else q)
        position = pose[:3, 3] + shift + noise * self.rng.standard_normal(3)
        self.measurements.read_pose(
            self.now if stamp is None else stamp, self.now, position, turn * quaternion_from_matrix(pose[:3, :3]), frame
        )

    def run(self, duration, speed=0.0, tracked=True, delay=0.0, clock=0.0, **options):
        """Go on for some seconds.

        ``delay``: poses come that much later than they are measured [s]; ``clock``: their stamps are ahead by that [s].
        """
        for _ in range(round(100 * duration)):
            self.now += 0.01
            self.q = self.q + 0.01 * speed * np.eye(self.robot.dof)[3]
            self.joints()
            if tracked:
                self.measured.append((self.now, self.q))
            while self.measured and self.measured[0][0] <= self.now - delay:
                time, q = self.measured.pop(0)
                self.pose(stamp=time + clock, q=q, **options)

    def look(self, **options):
        return self.measurements.look(self.now, **options)


@pytest.fixture
def arm(panda):
    return Arm(panda)


def test_an_arm_that_stands_still_is_measured(arm, panda):
    arm.run(0.6, noise=1e-4)
    found = arm.look()
    assert isinstance(found, Measurement)
    np.testing.assert_allclose(found.configuration, panda.rest, atol=1e-12)
    assert found.readings == 51 and found.tool.readings == 51
    assert found.end == arm.now and found.end - found.begin == pytest.approx(0.5, abs=1e-5)
    assert np.linalg.norm(found.tool.pose[:3, 3] - panda.forward_kinematics(panda.rest)[:3, 3]) < 1e-4
    assert found.tool.scatter[0] == pytest.approx(1e-4, rel=0.3)


def test_an_arm_that_moves_or_is_not_heard_of_is_not_and_this_is_said(arm):
    assert arm.look() == "no joint states received in the last 0.5 s on /joint_states; is the robot's driver running?"
    arm.run(0.6, tracked=False)
    assert arm.look() == f"no pose received in the last 0.5 s on {TOPIC}; is the publisher running?"
    arm.run(0.6)
    assert isinstance(arm.look(), Measurement)
    arm.run(1.0, speed=0.02)
    assert arm.look() == "the arm is still moving: joint panda_joint4 0.02 rad/s"
    arm.run(0.4)
    assert "still moving" in arm.look()
    arm.run(0.2)
    assert isinstance(arm.look(), Measurement)
    arm.now += 2.0
    assert "no joint states received" in arm.look()


def test_a_measurement_is_of_readings_after_the_question(arm):
    arm.run(0.6)
    since = arm.now + 0.005
    assert arm.look(since=since) == "waiting for readings"
    arm.run(0.01)
    assert isinstance(arm.look(since=since), Measurement)


def test_poses_that_come_late_are_matched_by_their_stamps(arm):
    start = arm.q.copy()
    arm.run(1.0, delay=0.3)
    # The arm moves off, and what arrives is still of when it stood.
    arm.run(0.2, speed=1.0, delay=0.3)
    found = arm.look()
    assert isinstance(found, Measurement) and found.end == pytest.approx(arm.now - 0.3, abs=0.011)
    np.testing.assert_allclose(found.configuration, start, atol=1e-12)
    np.testing.assert_allclose(found.tool.pose, arm.robot.forward_kinematics(start), atol=1e-12)
    arm.run(0.2, speed=1.0, delay=0.3)
    assert "still moving" in arm.look()


def test_stamps_of_another_clock_do_not_count(arm):
    arm.run(0.6, clock=100.0)
    assert arm.measurements.tool.foreign_clock and not arm.measurements.joints.foreign_clock
    found = arm.look()
    assert isinstance(found, Measurement) and found.end == arm.now
    assert LARGEST_DELAY < 100.0


def test_a_tool_that_moves_while_the_joints_do_not_is_not_measured(arm):
    # Such as poses whose stamps are wrong by a little.
    for step in range(60):
        arm.run(0.01, shift=(2e-5 * step, 0.0, 0.0), noise=1e-5)
    assert arm.look() == "the measured position is still moving: by 0.51 mm within 0.5 s"
    arm.run(0.6, noise=1e-3)
    assert isinstance(arm.look(), Measurement)


def test_few_poses_are_not_enough(arm):
    arm.run(0.6, tracked=False)
    arm.pose()
    words = f"too few poses on {TOPIC} in the 0.5 s that the arm has stood still: {{}}, expected 3 or more, all along"
    assert arm.look() == words.format(1)
    arm.run(0.2)
    assert arm.look() == words.format(21)
    arm.run(0.1)
    assert isinstance(arm.look(), Measurement)


def test_joints_may_come_in_any_order_with_others_and_from_two_drivers(arm, panda):
    order = [6, 0, 1, 2, 5, 4, 3]
    names = ["panda_finger_joint1", *(panda.joint_names[joint] for joint in order)]
    for _ in range(60):
        arm.now += 0.01
        arm.joints(np.array([0.02, *panda.rest[order]]), names)
        assert arm.joints(np.array([0.02, 0.02]), ["panda_finger_joint1", "panda_finger_joint2"]) is None
        arm.pose()
    found = arm.look()
    assert isinstance(found, Measurement)
    np.testing.assert_allclose(found.configuration, panda.rest, atol=1e-12)


def test_readings_that_cannot_be_used_are_refused_and_change_nothing(arm, panda):
    arm.run(0.6)
    before = arm.look()
    for q, names in (
        (np.full(7, np.nan), None),
        (np.array([np.inf, *panda.rest[1:]]), None),
        (panda.rest[:6], None),
        (panda.rest, panda.joint_names[:6]),
        (panda.rest[:6], panda.joint_names[:6]),
        (panda.rest, [panda.joint_names[0]] * 7),
    ):
        with pytest.raises(InvalidInputError):
            arm.joints(q, names, stamp=0.0)
    for options in ({"shift": (np.nan, 0.0, 0.0)}, {"turn": 0.0}, {"turn": np.nan}, {"turn": 1.5}, {"frame": "other"}):
        with pytest.raises(InvalidInputError):
            arm.pose(**options, stamp=0.0)
    assert not arm.measurements.joints.foreign_clock and not arm.measurements.tool.foreign_clock
    after = arm.look()
    np.testing.assert_array_equal(after.configuration, before.configuration)
    np.testing.assert_array_equal(after.tool.pose, before.tool.pose)
    arm.now += 2.0
    with pytest.raises(InvalidInputError):
        arm.joints(np.full(7, np.nan))
    assert "what comes on /joint_states is refused" in arm.look() and "finite numbers" in arm.look()


def test_joints_of_another_robot_are_named_in_the_silence(arm):
    arm.joints(np.zeros(2), ["elbow", "wrist"])
    assert "elbow, wrist" in arm.look() and "panda_joint1" in arm.look()


def test_degrees_are_seen_for_what_they_are(arm):
    arm.q = np.degrees(arm.robot.rest)
    for _ in range(60):
        arm.now += 0.01
        arm.joints()
        arm.pose()
    assert "panda_joint6 is at 152.4" in arm.look() and "degrees" in arm.look()


def test_positions_need_no_orientation(panda):
    arm = Arm(panda, orientation=False)
    arm.run(0.6, turn=0.0, noise=1e-4)
    found = arm.look()
    assert isinstance(found, Measurement) and np.isnan(found.tool.noise[1])
    np.testing.assert_array_equal(found.tool.pose[:3, :3], np.eye(3))


# -- samples -----------------------------------------------------------------------------------------------------------


def measurement(robot, q, noise=1e-4, seed=0):
    rng = np.random.default_rng(seed)
    poses = np.repeat(robot.forward_kinematics(q)[None], 50, axis=0)
    poses[:, :3, 3] += noise * rng.standard_normal((50, 3))
    return Measurement(np.asarray(q, dtype=float), average_poses(poses), 0.0, 0.5, 60)


@pytest.fixture
def configurations(panda):
    return panda.rest + 0.2 * np.random.default_rng(1).uniform(-1.0, 1.0, (4, 7))


def test_poses_are_recorded_saved_and_continued(panda, biased_panda, configurations, tmp_path):
    path = tmp_path / "new" / "data.csv"
    recording = Recording(panda, "poses", str(path))
    assert recording.last is None and len(recording) == 0
    words = [recording.add(measurement(biased_panda, q, seed=row)) for row, q in enumerate(configurations[:3])]
    assert words[2].startswith("sample 3: tool at ") and "mm from the nominal model" in words[2]
    assert "50 poses and 60 joint states averaged" in words[2]
    assert recording.unsaved == 3 and not path.exists()
    assert recording.save() == f"3 samples in {path}"
    assert recording.unsaved == 0
    again = Recording(panda, "poses", str(path))
    assert len(again) == 3 and again.unsaved == 0
    np.testing.assert_array_equal(again.last, configurations[2])
    again.add(measurement(biased_panda, configurations[3], seed=3))
    again.save()
    dataset = Dataset.load(path)
    np.testing.assert_array_equal(dataset.configurations, configurations)
    np.testing.assert_allclose(dataset.poses, biased_panda.forward_kinematics(configurations), atol=1e-4)
    np.testing.assert_allclose(dataset.noise[:, 0], 1e-4 / np.sqrt(50), rtol=0.6)
    anew = Recording(panda, "poses", str(path), overwrite=True)
    assert len(anew) == 0 and len(Dataset.load(path)) == 4
    assert [item.name for item in path.parent.iterdir()] == ["data.csv"]


def test_a_file_of_another_order_of_joints_keeps_it(panda, configurations, tmp_path):
    path = tmp_path / "data.npz"
    order = [6, 0, 1, 2, 5, 4, 3]
    names = [panda.joint_names[joint] for joint in order]
    Dataset(configurations[:2, order], panda.forward_kinematics(configurations[:2]), names).save(path)
    recording = Recording(panda, "poses", str(path))
    np.testing.assert_array_equal(recording.last, configurations[1])
    recording.add(measurement(panda, configurations[2]))
    recording.save()
    np.testing.assert_array_equal(Dataset.load(path).configurations, configurations[:3, order])


def test_the_three_kinds_are_mixed_in_one_file(panda, configurations, tmp_path):
    path = str(tmp_path / "data.npz")
    for mode, q, group in zip(
        ("poses", "positions", "same_point", "same_point"),
        configurations,
        ("", "left", "left/a", "left/a"),
        strict=True,
    ):
        recording = Recording(panda, mode, path)
        words = recording.add(measurement(panda, q), group)
        recording.save()
    assert "left/a, its configuration 2" in words and "noise" not in words
    dataset = Dataset.load(path)
    assert dataset.kinds.tolist() == [POSE, POSITION, SAME_POINT, SAME_POINT]
    assert dataset.group_names == ("left", "left/a") and dataset.groups.tolist() == [-1, 0, 1, 1]
    assert np.isnan(dataset.noise[2:]).all() and np.isfinite(dataset.noise[:2, 0]).all()
    np.testing.assert_array_equal(dataset.poses[2:], np.repeat(np.eye(4)[None], 2, axis=0))


def test_what_the_device_is_known_to_get_wrong_is_part_of_the_noise(panda, configurations, tmp_path):
    known = Recording(panda, "poses", str(tmp_path / "a.npz"), accuracy=(3e-4, 2e-3))
    plain = Recording(panda, "poses", str(tmp_path / "b.npz"))
    for recording in (known, plain):
        recording.add(measurement(panda, configurations[0]))
    one, other = known.dataset().noise[0], plain.dataset().noise[0]
    # All orientations are the same, so that nothing is known of their noise but what was given.
    assert np.isnan(other[1]) and one[1] == 2e-3
    assert one[0] == pytest.approx(np.hypot(3e-4, other[0]))
    unknown = Recording(panda, "poses", str(tmp_path / "c.npz"))
    assert "noise not known" in unknown.add(measurement(panda, configurations[0], noise=0.0))
    assert unknown.dataset().noise is None


def test_an_arm_that_has_not_moved_is_noticed(panda, configurations, tmp_path):
    recording = Recording(panda, "poses", str(tmp_path / "data.npz"))
    assert "not moved" not in recording.add(measurement(panda, configurations[0]))
    assert "not moved" in recording.add(measurement(panda, configurations[0] + 1e-4))
    assert "mm from" not in recording.add(measurement(panda, configurations[1]), in_base_frame=False)
    assert len(recording) == 3


def test_a_point_needs_a_name_that_can_be_one(panda, configurations, tmp_path):
    recording = Recording(panda, "same_point", str(tmp_path / "data.npz"))
    with pytest.raises(InvalidInputError, match="group"):
        recording.add(measurement(panda, configurations[0]))
    with pytest.raises(DatasetError, match="comma"):
        recording.add(measurement(panda, configurations[0]), "a,b")
    assert len(recording) == 0
    with pytest.raises(DatasetError, match="no sample"):
        recording.save()


def test_output_that_cannot_be_is_refused_at_once(panda, planar5, configurations, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    for output in ("", "data.txt", str(tmp_path / "folder.csv"), str(tmp_path / "file" / "data.csv")):
        with pytest.raises(InvalidInputError, match="output"):
            Recording(panda, "poses", output)
    with pytest.raises(InvalidInputError, match="mode"):
        Recording(panda, "velocities", str(tmp_path / "data.csv"))
    other = tmp_path / "other.csv"
    Dataset(configurations, panda.forward_kinematics(configurations), panda.joint_names).save(other)
    with pytest.raises(DatasetError, match="panda_joint1"):
        Recording(planar5, "poses", str(other))
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(b"no archive")
    before = damaged.read_bytes()
    with pytest.raises(DatasetError):
        Recording(panda, "poses", str(damaged))
    assert damaged.read_bytes() == before


def test_samples_that_cannot_be_saved_are_kept(panda, configurations, tmp_path, monkeypatch):
    path = tmp_path / "data.csv"
    recording = Recording(panda, "poses", str(path))
    recording.add(measurement(panda, configurations[0]))
    recording.save()
    recording.add(measurement(panda, configurations[1]))

    def full(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(CrispIKError, match=r"not saved \(2 samples\).*no space left"):
            recording.save()
    assert recording.unsaved == 1 and len(Dataset.load(path)) == 1
    recording.save()
    assert recording.unsaved == 0 and len(Dataset.load(path)) == 2


def test_a_stop_is_new_when_the_arm_has_been_away():
    departure = Departure(0.1)
    assert departure.left
    departure.captured(np.zeros(2))
    departure.moved(np.array([0.05, -0.09]))
    assert not departure.left
    departure.moved(np.array([0.0, -0.11]))
    departure.moved(np.zeros(2))
    assert departure.left
    assert not Departure(0.1, np.zeros(2)).left
