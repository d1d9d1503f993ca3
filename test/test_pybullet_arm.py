from __future__ import annotations

from pathlib import Path

import numpy as np
import pybullet_data
import pytest

from crisp_ik_ros import RobotModel
from crisp_ik_ros.errors import InvalidInputError, SimulationError, URDFError
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.robots.bias import bias_urdf, random_bias
from crisp_ik_ros.robots.robot_model import panda_urdf_path
from crisp_ik_ros.simulation.camera import Camera
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.simulation.rendering import TARGET_COLOR, close_up, render_scene, save_picture, tube_mesh

# A turning and a sliding joint about slanted axes, an endless joint, a base whose centre of mass is off its frame and
# which hangs below a root, a branch off the chain, a mimic finger, an origin at a pitch of 90 degrees.
SLIDER = """<?xml version="1.0"?>
<robot name="slider">
  <!-- a comment -->
  <link name="world"/>
  <joint name="stand" type="fixed">
    <parent link="world"/><child link="base"/><origin xyz="0.3 -0.2 0.7" rpy="0.4 -0.3 1.1"/>
  </joint>
  <link name="base">
    <inertial><origin xyz="0.1 0.2 -0.3" rpy="0.5 0.6 0.7"/><mass value="3"/>
      <inertia ixx="0.1" iyy="0.2" izz="0.15" ixy="0.01" ixz="0" iyz="0"/></inertial>
  </link>
  <joint name="turn" type="revolute">
    <parent link="base"/><child link="a"/><origin xyz="0.1 0.2 0.3" rpy="0.3 1.5707963267948966 -0.4"/>
    <axis xyz="1 2 -0.5"/><limit lower="-2.5" upper="2.0" effort="200" velocity="3"/>
  </joint>
  <link name="a">
    <inertial><origin xyz="0.05 0 0.1" rpy="0.1 0.2 0.3"/><mass value="1"/>
      <inertia ixx="0.02" iyy="0.03" izz="0.04" ixy="0" ixz="0" iyz="0"/></inertial>
  </link>
  <joint name="slide" type="prismatic">
    <parent link="a"/><child link="b"/><origin xyz="0.2 -0.1 0.15" rpy="-0.6 0.2 0.9"/>
    <axis xyz="0.3 -1 0.4"/><limit lower="-0.1" upper="0.4" effort="200" velocity="1"/>
  </joint>
  <link name="b">
    <inertial><origin xyz="0 0.02 0.03" rpy="0 0.4 0"/><mass value="0.7"/>
      <inertia ixx="0.02" iyy="0.03" izz="0.04" ixy="0" ixz="0" iyz="0"/></inertial>
  </link>
  <joint name="spin" type="continuous">
    <parent link="b"/><child link="c"/><origin xyz="0 0.1 0.2" rpy="1 0 0"/><axis xyz="0 1 1"/>
    <limit effort="50" velocity="4"/>
  </joint>
  <link name="c">
    <inertial><origin xyz="0 0.02 0.03"/><mass value="0.4"/>
      <inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial>
  </link>
  <joint name="tool_joint" type="fixed">
    <parent link="c"/><child link="tool"/><origin xyz="0.05 0 0.1" rpy="0 -1.2 0.2"/>
  </joint>
  <link name="tool"/>
  <joint name="finger" type="prismatic">
    <parent link="c"/><child link="left"/><axis xyz="0 1 0"/><limit lower="0.01" upper="0.04" effort="5" velocity="1"/>
  </joint>
  <link name="left"><inertial><mass value="0.05"/>
    <inertia ixx="0.001" iyy="0.001" izz="0.001" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="finger2" type="prismatic">
    <parent link="c"/><child link="right"/><axis xyz="0 -1 0"/><limit lower="0" upper="0.04" effort="5" velocity="1"/>
    <mimic joint="finger"/>
  </joint>
  <link name="right"><inertial><mass value="0.05"/>
    <inertia ixx="0.001" iyy="0.001" izz="0.001" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <transmission name="t"><joint name="turn"/></transmission>
</robot>
"""
KUKA = Path(pybullet_data.getDataPath()) / "kuka_iiwa" / "model.urdf"
PLANAR = Path(__file__).resolve().parents[1] / "models" / "planar5.urdf"


def make(name: str) -> tuple[str | Path, RobotModel]:
    if name == "panda":
        return panda_urdf_path(), RobotModel.panda()
    if name == "slider":
        return SLIDER, RobotModel.from_urdf(SLIDER, "base", "tool")
    path = {"planar5": PLANAR, "kuka": KUKA}[name]
    return path, RobotModel.from_urdf(path)


ARMS = ["panda", "planar5", "kuka", "slider"]


@pytest.mark.parametrize("name", ARMS)
@pytest.mark.parametrize("biased", [False, True])
def test_forward_kinematics_agree_with_the_model(name, biased):
    urdf, robot = make(name)
    rng = np.random.default_rng(1)
    offsets = (rng.normal(0, 0.05, robot.dof), rng.normal(0, 0.01, (len(robot.joints), 3))) if biased else (None, None)
    configurations = robot.random_configurations(500, rng)
    with PyBulletArm(urdf, robot, *offsets) as arm:
        poses = arm.forward_kinematics(configurations)
        position, orientation = tool_errors(robot.with_bias(*offsets).forward_kinematics(configurations), poses)
        assert position.max() < 1e-6 and orientation.max() < 1e-6
        if biased:
            assert tool_errors(robot.forward_kinematics(configurations), poses)[0].min() > 1e-3
        arm.reset(configurations[0])
        position, orientation = tool_errors(poses[0], arm.tip_pose())
        assert position < 1e-6 and orientation < 1e-6


@pytest.mark.parametrize("name", ARMS)
def test_bias_urdf_is_what_with_bias_says(name):
    urdf, robot = make(name)
    joint_offsets, link_offsets = random_bias(robot.joints, 0.03, 0.004, 3)
    xml = urdf.encode() if isinstance(urdf, str) else urdf.read_bytes()
    parsed = RobotModel.from_urdf(
        bias_urdf(xml, robot.joints, joint_offsets, link_offsets).decode().split("?>", 1)[1],
        robot.base_link,
        robot.tip_link,
    )
    expected = robot.with_bias(joint_offsets, link_offsets)
    for one, other in zip(parsed.joints, expected.joints, strict=True):
        np.testing.assert_allclose(one.origin, other.origin, rtol=0, atol=5e-15)
    configurations = robot.random_configurations(50, np.random.default_rng(0))
    np.testing.assert_allclose(
        parsed.forward_kinematics(configurations), expected.forward_kinematics(configurations), rtol=0, atol=1e-12
    )


def test_bias_urdf_leaves_the_rest_alone():
    robot = RobotModel.panda()
    text = bias_urdf(panda_urdf_path().read_bytes(), robot.joints, np.full(7, 0.1), None).decode()
    assert text.count("package://meshes/visual/link3.obj") == 1
    assert "panda_finger_joint2" in text
    turned = bias_urdf(SLIDER.encode(), make("slider")[1].joints, [0.1, 0.2, 0.3], None).decode()
    assert (
        "<!-- a comment -->" in turned
        and '<mimic joint="finger"' in turned
        and turned.count("<joint") == SLIDER.count("<joint")
    )
    with pytest.raises(URDFError, match="panda_joint1"):
        bias_urdf(SLIDER.encode(), robot.joints, None, None)
    with pytest.raises(URDFError, match="cannot be read"):
        bias_urdf(b"<robot>", robot.joints, None, None)


def test_position_control_reaches_its_targets():
    urdf, robot = make("panda")
    rng = np.random.default_rng(0)
    with PyBulletArm(urdf, robot, np.full(7, np.deg2rad(1.0))) as arm:
        for _ in range(3):
            target = robot.rest + rng.uniform(-0.3, 0.3, 7)
            target = np.clip(target, robot.lower, robot.upper)
            before = arm.joint_state()[0]
            arm.command(target)
            arm.step(3)
            moved = np.abs(arm.joint_state()[0] - before)
            assert moved.max() > 1e-4
            # The URDF's velocity limits hold on the way.
            assert np.all(moved <= robot.velocity * 3 * arm.time_step * 1.05 + 1e-6)
            arm.step(480)
            position, velocity, effort = arm.joint_state()
            np.testing.assert_allclose(position, target, rtol=0, atol=1e-4)
            assert np.abs(velocity).max() < 1e-3
            assert np.isfinite(effort).all() and np.abs(effort).max() > 0.1
            error = tool_errors(arm.true_robot.forward_kinematics(position), arm.tip_pose())
            assert error[0] < 1e-6 and error[1] < 1e-6


def test_target_velocities_keep_the_arm_from_trailing():
    urdf, robot = make("panda")
    speed, lags = np.array([0.3, -0.2, 0.3, -0.2, 0.3, -0.2, 0.3]), []
    for velocity in (None, speed):
        with PyBulletArm(urdf, robot) as arm:
            for i in range(1, 121):
                target = robot.rest + speed * i * arm.time_step
                arm.command(target, velocity)
                arm.step()
            lags.append(np.abs(arm.joint_state()[0] - target).max())
    assert lags[1] < 0.002 < lags[0]


def test_kinematics_leave_the_motion_as_it_was():
    urdf, robot = make("panda")
    goal = robot.rest + 0.2 * np.array([1, -1, 1, -1, 1, -1, 1])
    ends, done = [], []

    def report(count, total):
        done.append((count, total))

    for disturbed in (False, True):
        with PyBulletArm(urdf, robot) as arm:
            arm.command(goal)
            arm.step(20)
            if disturbed:
                arm.forward_kinematics(robot.random_configurations(1500, np.random.default_rng(0)), report)
                assert done == [(1000, 1500), (1500, 1500)]
            arm.step(20)
            ends.append(arm.joint_state()[0])
    np.testing.assert_allclose(*ends, rtol=0, atol=1e-12)


def test_a_continuous_joint_takes_the_short_way():
    urdf, robot = make("slider")
    spin = robot.joint_names.index("spin")
    start, goal = robot.rest.copy(), robot.rest.copy()
    start[spin], goal[spin] = 3.0, -3.0
    with PyBulletArm(urdf, robot, gravity=False) as arm:
        arm.reset(start)
        arm.command(goal)
        for _ in range(200):
            arm.step()
            assert abs(arm.joint_state()[0][spin]) > 2.5
        np.testing.assert_allclose(arm.joint_state()[0], goal, rtol=0, atol=1e-3)


def test_arms_do_not_share_a_world():
    urdf, robot = make("planar5")
    with PyBulletArm(urdf, robot) as one, PyBulletArm(urdf, robot) as other:
        one.reset(robot.lower)
        other.reset(robot.upper)
        np.testing.assert_allclose(one.joint_state()[0], robot.lower, atol=1e-12)
        one.close()
        one.close()
        np.testing.assert_allclose(other.joint_state()[0], robot.upper, atol=1e-12)


def test_bad_input_is_named(capfd):
    urdf, robot = make("panda")
    with pytest.raises(URDFError, match="no URDF file"):
        PyBulletArm("/does/not/exist.urdf", robot)
    with pytest.raises(InvalidInputError, match="time_step"):
        PyBulletArm(urdf, robot, time_step=0.0)
    with pytest.raises(InvalidInputError, match="joint_offsets"):
        PyBulletArm(urdf, robot, joint_offsets=[0.0])
    # The model reads it, the simulator does not: a link without a name on a branch.
    broken = SLIDER.replace('<link name="right">', '<link name="right"><visual><geometry/></visual>')
    with pytest.raises(SimulationError, match="cannot load"):
        PyBulletArm(broken, RobotModel.from_urdf(SLIDER, "base", "tool"))
    with PyBulletArm(urdf, robot) as arm:
        for wrong in (np.zeros(6), np.full(7, np.nan), np.zeros((2, 7))):
            with pytest.raises(InvalidInputError, match="configuration"):
                arm.command(wrong)
        with pytest.raises(InvalidInputError, match="configurations"):
            arm.forward_kinematics(np.zeros(7))
    assert capfd.readouterr().out == ""


def test_pictures_show_arm_and_paths(tmp_path):
    urdf, robot = make("panda")
    camera = Camera()
    with PyBulletArm(urdf, robot, np.full(7, 0.02)) as arm:
        plain = arm.image(160, 120, camera)
        assert plain.shape == (120, 160, 3) and plain.dtype == np.uint8
        # The meshes were found though the biased URDF lies elsewhere: the arm covers a good part of the picture.
        assert 0.05 < np.mean(np.any(plain < 200, axis=2)) < 0.6
        angle = np.linspace(0, 2 * np.pi, 60)
        path = np.column_stack([0.03 * np.cos(angle), np.full(60, 0.55), 0.05 + 0.03 * np.sin(angle)])
        picture = render_scene(arm, path, path + np.array([0.0, 0.001, 0.02]), 2.0, 160, 120, close_up(path))
        blue = (picture[..., 2] > picture[..., 0] + 60.0).mean()
        orange = (picture[..., 0] > picture[..., 2] + 60.0).mean()
        assert blue > 0.005 and orange > 0.005
        # What was drawn is gone again.
        np.testing.assert_array_equal(arm.image(160, 120, camera), plain)
        with pytest.raises(InvalidInputError, match="error_scale"):
            render_scene(arm, path, path[:5], 2.0)
    save_picture(tmp_path / "out" / "picture.png", picture)
    assert (tmp_path / "out" / "picture.png").stat().st_size > 1000
    assert TARGET_COLOR[2] > TARGET_COLOR[0]


def test_a_tube_keeps_its_radius():
    path = np.column_stack([np.linspace(0, 1, 11), np.zeros(11), np.zeros(11)])
    vertices, triangles, normals = tube_mesh(path, 0.1)
    inside = (vertices[:, 0] >= 0.0) & (vertices[:, 0] <= 1.0)
    np.testing.assert_allclose(np.linalg.norm(vertices[inside, 1:], axis=1), 0.1, atol=1e-12)
    assert triangles.max() == len(vertices) - 1
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0)
