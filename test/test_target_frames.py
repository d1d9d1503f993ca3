"""Links that are fixed to the tool, frames that are fixed to the base, and frames that others know."""

from __future__ import annotations

import numpy as np
import pytest

from crisp_ik_ros import ModelBasedIK, RobotModel
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.nodes.answer import Answerer, Seed
from crisp_ik_ros.nodes.target_frames import TargetFrames
from crisp_ik_ros.nodes.targets import ErrorCode, NotYetKnown, RequestError, Target
from crisp_ik_ros.robots.fixed_links import fixed_to_base, fixed_to_tip
from crisp_ik_ros.robots.urdf import parse_bodies
from crisp_ik_ros.transforms import invert_pose, quaternion_from_matrix

# A table under the arm and a camera on it; on the arm's last link a flange, with the tool and a hook side by side.
URDF = """<robot name="r">
  <link name="world"/><link name="table"/><link name="camera"/><link name="base"/><link name="upper"/>
  <link name="fore"/><link name="flange"/><link name="tool"/><link name="hook"/><link name="finger"/>
  <joint name="stand" type="fixed"><parent link="world"/><child link="table"/><origin xyz="0 0 0.8"/></joint>
  <joint name="bolt" type="fixed"><parent link="table"/><child link="base"/>
    <origin xyz="0.1 0 0.2" rpy="0 0 1.5707963267948966"/></joint>
  <joint name="mast" type="fixed"><parent link="table"/><child link="camera"/>
    <origin xyz="0 1 1" rpy="0.3 0 0"/></joint>
  <joint name="j1" type="revolute"><parent link="base"/><child link="upper"/><axis xyz="0 0 1"/>
    <limit lower="-3" upper="3" velocity="1" effort="1"/></joint>
  <joint name="j2" type="revolute"><parent link="upper"/><child link="fore"/><origin xyz="1 0 0"/><axis xyz="0 0 1"/>
    <limit lower="-3" upper="3" velocity="1" effort="1"/></joint>
  <joint name="f1" type="fixed"><parent link="fore"/><child link="flange"/><origin xyz="0.8 0 0"/></joint>
  <joint name="f2" type="fixed"><parent link="flange"/><child link="tool"/><origin xyz="0.2 0 0" rpy="0 0 0.5"/></joint>
  <joint name="f3" type="fixed"><parent link="flange"/><child link="hook"/><origin xyz="0 0.3 0"/></joint>
  <joint name="f4" type="prismatic"><parent link="flange"/><child link="finger"/><axis xyz="1 0 0"/>
    <limit lower="0" upper="1" velocity="1" effort="1"/></joint>
</robot>"""


class Known:
    """Frames that somebody tells of."""

    def __init__(self, **frames):
        self.frames, self.asked = frames, []

    def pose_of(self, frame, stamp, patience):
        self.asked.append((frame, stamp, patience))
        found = self.frames.get(frame)
        if found is None:
            raise RequestError(ErrorCode.FRAME_TRANSFORM_FAILURE, f"tf2 has no {frame!r}")
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture(scope="module")
def robot():
    return RobotModel.from_urdf(URDF, "base", "tool")


@pytest.fixture(scope="module")
def bodies():
    return parse_bodies(URDF.encode(), "base", "tool")[1]


def target_of(pose, frame="", stamp=0) -> Target:
    return Target(pose[:3, 3].tolist(), quaternion_from_matrix(pose[:3, :3]).tolist(), frame, stamp)


def some_pose(seed=0):
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = q * np.sign(np.linalg.det(q)), rng.normal(size=3)
    return pose


def tip_of(robot, link, configuration):
    """Pose of any link of the URDF, by a model of the chain to it: the independent way."""
    return RobotModel.from_urdf(URDF, "base", link).forward_kinematics(configuration)


def test_every_link_that_is_fixed_to_the_tool_is_where_the_urdf_has_it(robot, bodies):
    configuration = np.array([0.4, -1.1])
    tips = fixed_to_tip(robot, bodies)
    assert set(tips) == {"fore", "flange", "tool", "hook"}
    for link, offset in tips.items():
        got = tip_of(robot, link, configuration) @ offset
        np.testing.assert_allclose(got, robot.forward_kinematics(configuration), atol=1e-12)


def test_without_a_urdf_the_links_of_the_chain_are_known(robot):
    assert set(fixed_to_tip(robot)) == {"fore", "flange", "tool"}
    assert set(fixed_to_base(robot)) == {"base"}
    assert set(fixed_to_base(RobotModel.from_urdf(URDF, "world", "tool"))) == {"world", "table", "base"}


def test_frames_that_are_fixed_to_the_base_are_found_up_and_down_the_tree(robot, bodies):
    frames = fixed_to_base(robot, bodies)
    assert set(frames) == {"world", "table", "camera", "base"}
    # The arm stands 1 m above the world's origin and 0.1 m along its x, turned a quarter to the left.
    np.testing.assert_allclose(invert_pose(frames["world"])[:3, 3], [0.1, 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(frames["world"] @ [0.1, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0], atol=1e-12)


def test_a_target_is_shifted_for_the_link_and_turned_for_the_frame(robot, bodies):
    target_frames, wanted = TargetFrames(robot, bodies), some_pose()
    frames, tips = fixed_to_base(robot, bodies), fixed_to_tip(robot, bodies)
    np.testing.assert_allclose(target_frames.pose_of(target_of(wanted)), wanted, atol=1e-12)
    for frame in ("world", "/world", "camera"):
        got = target_frames.pose_of(target_of(wanted, frame), "hook")
        np.testing.assert_allclose(got, frames[frame.lstrip("/")] @ wanted @ tips["hook"], atol=1e-12)


def test_a_link_that_moves_to_the_tool_is_refused_with_those_that_may_be_named(robot, bodies):
    frames = TargetFrames(robot, bodies)
    for link in ("", "tool", "hook", "fore"):
        frames.check_link(link)
    for link in ("upper", "finger", "base", "nothing"):
        with pytest.raises(RequestError, match=r"'tool', the tool link, .*flange, fore, hook") as raised:
            frames.check_link(link)
        assert raised.value.code == ErrorCode.INVALID_LINK_NAME


def test_other_frames_are_asked_for_and_unknown_ones_refused(robot):
    frame, wanted = some_pose(3), some_pose(4)
    known = Known(belt=frame)
    frames = TargetFrames(robot, (), known)
    got = frames.pose_of(target_of(wanted, "/belt", stamp=7), "flange", 0.25)
    np.testing.assert_allclose(got, frame @ wanted @ fixed_to_tip(robot)["flange"], atol=1e-12)
    assert known.asked == [("belt", 7, 0.25)]
    for transforms in (known, None):
        with pytest.raises(RequestError) as raised:
            TargetFrames(robot, (), transforms).pose_of(target_of(wanted, "moon"))
        assert raised.value.code == ErrorCode.FRAME_TRANSFORM_FAILURE and "moon" in str(raised.value)


def test_a_path_in_many_frames_is_placed_as_its_targets_are_one_by_one(robot, bodies):
    known = Known(belt=some_pose(5), lift=some_pose(6))
    frames = TargetFrames(robot, bodies, known)
    names = ("", "world", "belt", "moon", "base", "lift", "belt", "camera")
    targets = [target_of(some_pose(10 + k), name, k % 2) for k, name in enumerate(names)]
    targets[6] = targets[6]._replace(quaternion=(0.0, 0.0, 0.0, 0.0))
    targets[0] = targets[0]._replace(position=(np.nan, 0.0, 0.0))
    poses, faults = frames.poses_of(targets, "hook")
    assert set(faults) == {0, 3, 6}
    for index, target in enumerate(targets):
        if index in faults:
            with pytest.raises((RequestError, InvalidInputError)) as raised:
                frames.pose_of(target, "hook")
            assert str(raised.value) == str(faults[index])
        else:
            np.testing.assert_allclose(poses[index], frames.pose_of(target, "hook"), atol=1e-12)


@pytest.mark.parametrize("link", ["", "flange", "hook", "fore"])
def test_the_answer_puts_the_named_link_on_the_target(robot, bodies, link):
    answerer = Answerer(ModelBasedIK(robot), 1.0, frames=TargetFrames(robot, bodies))
    wanted = tip_of(robot, link or "tool", np.array([0.7, -1.2]))
    seed = Seed(robot.joint_names, (0.6, -1.0))
    answer = answerer.answer(target_of(wanted), seed, link)
    assert answer.code == ErrorCode.SUCCESS, answer.message
    np.testing.assert_allclose(tip_of(robot, link or "tool", answer.configuration), wanted, atol=1e-4)
    path = answerer.answer_path([target_of(wanted)] * 2, seed, link)
    assert path.code == ErrorCode.SUCCESS
    np.testing.assert_allclose(tip_of(robot, link or "tool", path.configurations[1]), wanted, atol=1e-4)


def test_a_frame_that_may_come_is_unfinished_where_there_is_no_time_to_wait_and_refused_in_the_end(robot):
    error = NotYetKnown(ErrorCode.FRAME_TRANSFORM_FAILURE, "not yet")
    known = Known(late=error)
    answerer = Answerer(ModelBasedIK(robot), 1.0, frames=TargetFrames(robot, (), known))
    target = target_of(np.eye(4), "late")
    first = answerer.answer(target, Seed(), at_most=0.01)
    assert first.unfinished and known.asked[-1][2] == 0.0
    second = answerer.answer(target, Seed())
    assert not second.unfinished and second.code == ErrorCode.FRAME_TRANSFORM_FAILURE and second.message == "not yet"
    assert known.asked[-1][2] > 0.0
