"""URDFs with other joint origins, read back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import GANTRY, TWO_LINK, homogeneous, rodrigues, roll_pitch_yaw, urdf_forward_kinematics

from crisp_ik_ros import RobotModel
from crisp_ik_ros.errors import URDFError
from crisp_ik_ros.robots.corrected_urdf import urdf_with_joints
from crisp_ik_ros.robots.robot_model import panda_urdf_path

ANGLES = st.one_of(
    st.floats(-4.0, 4.0), st.sampled_from([0.0, np.pi / 2, -np.pi / 2, np.pi, np.pi / 2 - 1e-9, np.pi / 2 + 1e-12])
)


def moved(joints, rng):
    """The joints with origins that are somewhere else altogether."""
    return [
        replace(joint, origin=homogeneous(rodrigues(rng.uniform(-2, 2, 3)), rng.uniform(-1, 1, 3))) for joint in joints
    ]


def test_reading_back_gives_the_same_kinematics(gantry, panda, iiwa, iiwa_path, two_link):
    rng = np.random.default_rng(0)
    for robot, xml in (
        (gantry, GANTRY.encode()),
        (panda, panda_urdf_path().read_bytes()),
        (iiwa, iiwa_path.read_bytes()),
        (two_link, TWO_LINK.encode()),
    ):
        joints = moved(robot.joints, rng)
        written = urdf_with_joints(xml, joints).decode()
        expected = RobotModel(joints, robot.base_link, robot.tip_link)
        read = RobotModel.from_urdf(written, robot.base_link, robot.tip_link)
        q = robot.random_configurations(10, rng)
        np.testing.assert_allclose(read.forward_kinematics(q), expected.forward_kinematics(q), rtol=0, atol=1e-12)
        # A parser that is not ours reads the same.
        one = urdf_forward_kinematics(written, robot.base_link, robot.tip_link, q[0])
        np.testing.assert_allclose(one, expected.forward_kinematics(q[0]), rtol=0, atol=1e-12)


@given(roll=ANGLES, pitch=ANGLES, yaw=ANGLES)
def test_every_rotation_is_written_exactly(roll, pitch, yaw):
    arm = RobotModel.from_urdf(TWO_LINK)
    rotation = roll_pitch_yaw(roll, pitch, yaw)
    joints = [arm.joints[0], replace(arm.joints[1], origin=homogeneous(rotation, [1 / 3, 1e-17, -2e5])), arm.joints[2]]
    read = RobotModel.from_urdf(urdf_with_joints(TWO_LINK.encode(), joints).decode())
    np.testing.assert_allclose(read.joints[1].origin[:3, :3], rotation, rtol=0, atol=2e-15)
    np.testing.assert_array_equal(read.joints[1].origin[:3, 3], [1 / 3, 1e-17, -2e5])


def test_joints_that_are_not_given_stay_as_they_are(gantry):
    joint = replace(gantry.joints[2], origin=np.eye(4))
    written = urdf_with_joints(GANTRY.encode(), [joint]).decode()
    read = RobotModel.from_urdf(written, "floor", "tool")
    for one, other in zip(read.joints, gantry.joints, strict=True):
        np.testing.assert_array_equal(one.origin, np.eye(4) if one.name == joint.name else other.origin)
    assert "mimic" in written


def test_text_that_lacks_a_joint_is_refused(gantry):
    with pytest.raises(URDFError, match="turn"):
        urdf_with_joints(TWO_LINK.encode(), gantry.joints)
    with pytest.raises(URDFError, match="cannot be read"):
        urdf_with_joints(b"<robot", gantry.joints)
