"""Masses that a URDF's joints carry, against PyBullet's inverse dynamics and hand-made numbers."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import GANTRY, TWO_LINK, forward_kinematics, roll_pitch_yaw

from crisp_ik_ros.errors import URDFError
from crisp_ik_ros.robots.masses import link_masses
from crisp_ik_ros.robots.robot_model import RobotModel, panda_urdf_path
from crisp_ik_ros.robots.urdf import parse_bodies, read_urdf

GRAVITY = 9.81
INERTIA = '<inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/>'


def inertial(mass, xyz="0 0 0", rpy="0 0 0"):
    return f'<inertial><origin xyz="{xyz}" rpy="{rpy}"/><mass value="{mass}"/>{INERTIA}</inertial>'


def numbers(values):
    return " ".join(repr(float(value)) for value in values)


def with_mass(xml, **masses):
    for link, element in masses.items():
        xml = xml.replace(f'<link name="{link}"/>', f'<link name="{link}">{element}</link>')
    return xml


def gravity_torques(robot, masses, centers, q, gravity=(0.0, 0.0, -GRAVITY)):
    """Torques (J,) that hold the lumps up: the derivative of their potential energy, from plain products of poses."""

    def energy(q):
        total, j = 0.0, -1
        for i, joint in enumerate(robot.joints):
            if joint.movable:
                j += 1
                pose = forward_kinematics(robot.joints[: i + 1], q[: j + 1])
                total -= masses[j] * np.dot(gravity, pose[:3, :3] @ centers[j] + pose[:3, 3])
        return total

    # The energy is a sum of sines: differences over two steps of Richardson leave an error of step^4.
    torques = np.zeros(len(q))
    for j in range(len(q)):
        differences = []
        for step in (2e-3, 1e-3):
            shift = np.zeros(len(q))
            shift[j] = step
            differences.append((energy(q + shift) - energy(q - shift)) / (2.0 * step))
        torques[j] = (4.0 * differences[1] - differences[0]) / 3.0
    return torques


def bullet_torques(path, robot, configurations):
    """Joint torques by PyBullet's inverse dynamics at rest, all joints beside the chain at zero."""
    bullet = pytest.importorskip("pybullet")
    client = bullet.connect(bullet.DIRECT)
    try:
        body = bullet.loadURDF(
            str(path), useFixedBase=True, flags=bullet.URDF_USE_INERTIA_FROM_FILE, physicsClientId=client
        )
        bullet.setGravity(0.0, 0.0, -GRAVITY, physicsClientId=client)
        count = bullet.getNumJoints(body, physicsClientId=client)
        infos = [bullet.getJointInfo(body, i, physicsClientId=client) for i in range(count)]
        movable = [info[1].decode() for info in infos if info[3] >= 0]
        places = [movable.index(name) for name in robot.joint_names]
        found = []
        for q in configurations:
            positions = np.zeros(len(movable))
            positions[places] = q
            still = [0.0] * len(movable)
            torques = bullet.calculateInverseDynamics(body, positions.tolist(), still, still, physicsClientId=client)
            found.append(np.array(torques)[places])
        return np.array(found)
    finally:
        bullet.disconnect(client)


@pytest.mark.parametrize("tip_link", ["panda_grasptarget", "panda_link8", "panda_leftfinger"])
def test_gravity_torques_of_the_panda_are_pybullets(tip_link):
    path = panda_urdf_path()
    robot = RobotModel.from_urdf(path, "panda_link0", tip_link)
    masses, centers = link_masses(*parse_bodies(path.read_bytes(), "panda_link0", tip_link))
    configurations = robot.random_configurations(30, np.random.default_rng(0))
    expected = bullet_torques(path, robot, configurations)
    assert np.abs(expected).max() > 10.0
    for q, torques in zip(configurations, expected, strict=True):
        np.testing.assert_allclose(gravity_torques(robot, masses, centers, q), torques, rtol=0, atol=1e-6)


def test_gravity_torques_of_a_branched_arm_with_slanted_axes_are_pybullets(tmp_path, gantry):
    """PyBullet gives links without <inertial> a mass of 1 kg, hence one on each link here."""
    rng = np.random.default_rng(1)
    xml = GANTRY.replace('<link name="camera"/>', "").split('<joint name="bracket"')[0] + "</robot>"
    for text in ("0.3 -0.5 0.8", "1 1 -0.5"):  # PyBullet would slide a joint by the length of its axis
        axis = np.array(text.split(), dtype=float)
        xml = xml.replace(f'<axis xyz="{text}"/>', f'<axis xyz="{numbers(axis / np.linalg.norm(axis))}"/>')
    bodies = {"floor": inertial(1)}  # turned, PyBullet's inverse dynamics would turn gravity with it
    for link in ("column", "arm", "plate", "wrist", "tool", "finger_left", "finger_right"):
        bodies[link] = inertial(rng.uniform(0.1, 3.0), numbers(rng.uniform(-0.2, 0.2, 3)), "0.3 -0.2 0.7")
    xml = with_mass(xml, **bodies)
    path = tmp_path / "gantry.urdf"
    path.write_text(xml)
    robot = RobotModel.from_urdf(path, "floor", "tool")
    masses, centers = link_masses(*parse_bodies(xml.encode(), "floor", "tool"))
    configurations = robot.random_configurations(20, rng)
    for q, torques in zip(configurations, bullet_torques(path, robot, configurations), strict=True):
        np.testing.assert_allclose(gravity_torques(robot, masses, centers, q), torques, rtol=0, atol=1e-6)


def test_two_bodies_on_one_joint_are_lumped_by_hand():
    xml = with_mass(TWO_LINK, base=inertial(50), lower=inertial(3, "0.2 0 0.1", "1 2 3"), tip=inertial(1, "0 0.4 0"))
    masses, centers = link_masses(*parse_bodies(xml.encode()))
    np.testing.assert_array_equal(masses, [0.0, 4.0])
    np.testing.assert_array_equal(centers[0], 0.0)
    np.testing.assert_allclose(centers[1], [(3 * 0.2 + 0.5) / 4, 0.4 / 4, 0.3 / 4], atol=1e-15)


def test_branches_hang_from_the_joint_that_carries_them():
    xml = with_mass(GANTRY, camera=inertial(2, "0 0 1"), finger_left=inertial(0.5), wrist=inertial(1, "0.1 0 0"))
    masses, centers = link_masses(*parse_bodies(xml.encode(), "floor", "tool"))
    np.testing.assert_array_equal(masses, [2.0, 0.0, 1.0, 0.5])
    np.testing.assert_allclose(centers[0], [0, 0, 1], atol=1e-15)
    np.testing.assert_allclose(centers[2], [0.05, 0.02, 0.2] + roll_pitch_yaw(0, 0.9, 0.1) @ [0.1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(centers[3], [0, 0.03, 0.1], atol=1e-15)


def test_a_robot_without_masses_has_none(gantry, planar5):
    masses, centers = link_masses(*parse_bodies(GANTRY.encode(), "floor", "tool"))
    assert not masses.any() and not centers.any()
    assert masses.shape == (4,) and centers.shape == (4, 3)


@pytest.mark.parametrize("mass", ["-1", "nan", "inf"])
def test_an_impossible_mass_is_refused_with_its_link(mass):
    with pytest.raises(URDFError, match="lower"):
        link_masses(*parse_bodies(with_mass(TWO_LINK, lower=inertial(mass)).encode()))


def test_an_unknown_link_is_refused():
    with pytest.raises(URDFError, match="nowhere"):
        link_masses(*parse_bodies(read_urdf(TWO_LINK), "nowhere"))
