"""Robot files: what ships, held to the makers' tables; and what is refused, by file and field."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest
from oracles import TWO_LINK, forward_kinematics, homogeneous, rodrigues

from crisp_ik_ros import ModelBasedIK
from crisp_ik_ros.errors import CrispIKError, RobotFileError, URDFError
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.robots.catalog import find_robot, find_robot_file, find_urdf, robot_names
from crisp_ik_ros.robots.conditioning import condition_numbers, directions_of
from crisp_ik_ros.robots.robot_file import read_robot_file
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.robots.sources import locate
from crisp_ik_ros.trajectories import circle, place_trajectory, placed_trajectories, spiral

NAMES = ("fr3", "kuka_iiwa", "panda", "planar5", "ur", "xarm6")
X, Z = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])


def craig(a, d, alpha, theta):
    """Link by Craig's Denavit-Hartenberg parameters, as Franka publishes them."""
    return homogeneous(rodrigues(alpha * X), a * X) @ homogeneous(rodrigues(theta * Z), d * Z)


def standard(a, d, alpha, theta):
    """Link by the standard Denavit-Hartenberg parameters, as Universal Robots publishes them."""
    return homogeneous(rodrigues(theta * Z), d * Z) @ homogeneous(rodrigues(alpha * X), a * X)


def fr3(q):
    half = np.pi / 2
    table = [(0, 0.333, 0), (0, 0, -half), (0, 0.316, half), (0.0825, 0, half), (-0.0825, 0.384, -half), (0, 0, half)]
    table += [(0.088, 0, half)]
    pose = np.eye(4)
    for (a, d, alpha), theta in zip(table, q, strict=True):
        pose = pose @ craig(a, d, alpha, theta)
    # The flange, and the hand with its tool point 0.1034 m before it, turned by -45 degrees.
    return pose @ craig(0, 0.107, 0, 0.0) @ craig(0, 0.1034, 0, -np.pi / 4)


def ur5e(q):
    half = np.pi / 2
    table = [(0, 0.1625, half), (-0.425, 0, 0), (-0.3922, 0, 0), (0, 0.1333, half), (0, 0.0997, -half), (0, 0.0996, 0)]
    pose = homogeneous(rodrigues(np.pi * Z), np.zeros(3))  # from base_link to the base of the table
    for (a, d, alpha), theta in zip(table, q, strict=True):
        pose = pose @ standard(a, d, alpha, theta)
    return pose


@pytest.mark.parametrize(("name", "formula"), [("fr3", fr3), ("ur", ur5e)])
def test_our_descriptions_are_the_makers_tables(name, formula):
    robot = find_robot(name)
    for q in robot.random_configurations(50, np.random.default_rng(1)):
        np.testing.assert_allclose(robot.forward_kinematics(q), formula(q), atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_pybullet_agrees_and_the_arm_rests_free_of_itself(name):
    pytest.importorskip("pybullet")
    from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm

    robot = find_robot(name)
    configurations = robot.random_configurations(20, np.random.default_rng(2))
    with PyBulletArm(find_urdf(name), robot) as arm:
        position, orientation = tool_errors(
            robot.forward_kinematics(configurations), arm.forward_kinematics(configurations)
        )
        assert position.max() < 1e-5 * robot.reach and orientation.max() < 1e-5
        assert arm.collision_free(robot.rest[None]).all()


@pytest.mark.parametrize("name", NAMES)
def test_an_arm_follows_its_trajectories_far_from_limits_and_singularities(name):
    file, robot = find_robot_file(name), find_robot(name)
    solver = ModelBasedIK(robot, timeout=30.0)
    for trajectory in placed_trajectories(file.placement()):
        path = place_trajectory(trajectory, file.placement(), 40)
        way = solver.solve_path(path, robot.rest)
        assert way.success.all()
        reached = np.array([forward_kinematics(robot.joints, q) for q in way.configurations])
        assert np.abs(reached - path).max() < 2e-5
        assert np.abs(np.diff(way.configurations, axis=0)).max() < 0.3
        span = robot.upper - robot.lower
        distance = np.minimum(way.configurations - robot.lower, robot.upper - way.configurations) / span
        assert distance.min() > 0.02
        assert condition_numbers(robot, way.configurations, directions_of(robot)).max() < 60.0


def test_the_panda_and_the_planar_arm_are_what_they_were(panda, planar5):
    np.testing.assert_array_equal(panda.lower, [-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])
    np.testing.assert_array_equal(panda.upper, [2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])
    np.testing.assert_array_equal(panda.rest, [0.98, 0.458, 0.31, -2.24, -0.30, 2.66, 2.32])
    assert find_robot("panda").fingerprint == RobotModel.panda().fingerprint == panda.fingerprint
    assert RobotModel.planar5().fingerprint == planar5.fingerprint
    file = find_robot_file("panda")
    assert file.command_topic == "panda_arm_controller/joint_trajectory" and file.name == "panda"
    for made, name in ((spiral, "spiral"), (circle, "circle")):
        for yaw in (0.0, 0.7):
            np.testing.assert_allclose(
                place_trajectory(name, file.placement(), 30, yaw=yaw), made(points=30, yaw=yaw), atol=1e-15
            )


def test_the_official_limits_of_the_fr3_and_the_iiwa():
    robot = find_robot("fr3")
    np.testing.assert_array_equal(robot.lower, [-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159])
    np.testing.assert_array_equal(robot.velocity, [2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26])
    np.testing.assert_allclose(
        np.rad2deg(find_robot("kuka_iiwa").velocity), [85, 85, 100, 75, 130, 135, 135], atol=0.01
    )


def test_all_that_ships_is_known_and_a_name_that_is_not_is_told_which_are():
    assert robot_names() == NAMES
    with pytest.raises(URDFError, match=r"no robot 'pandda'.*fr3, kuka_iiwa, panda"):
        find_robot("pandda")
    assert find_robot_file(TWO_LINK) is None and find_robot_file("arm.urdf") is None


def test_other_ends_of_a_known_robot_keep_its_limits(panda):
    hand = find_robot("panda", tip_link="panda_link6")
    np.testing.assert_array_equal(hand.upper, panda.upper[:6])
    np.testing.assert_array_equal(hand.rest, panda.rest[:6])


# -- files of one's own ------------------------------------------------------------------------------------------------

GOOD = """
urdf: arm.urdf
rest: {shoulder: 0.5}
limits:
  elbow: {upper: 1.5, velocity: 2}
controller: group/arm_controller
demo: {circle: [0.5, 0.2, 0.0], radius: 0.1}
"""


@pytest.fixture
def written(tmp_path):
    (tmp_path / "arm.urdf").write_text(TWO_LINK)

    def write(text: str):
        path = tmp_path / "mine.yaml"
        path.write_text(textwrap.dedent(text))
        return path

    return write


def test_a_file_says_what_the_urdf_does_not(written, two_link):
    path = written(GOOD)
    file, robot = read_robot_file(path), find_robot(path)
    assert robot.joint_names == two_link.joint_names and find_urdf(str(path)) == path.parent / "arm.urdf"
    np.testing.assert_array_equal(robot.upper, [two_link.upper[0], 1.5])
    np.testing.assert_array_equal(robot.lower, two_link.lower)
    assert robot.velocity[1] == 2.0 and robot.rest[0] == 0.5
    assert robot.rest[1] == pytest.approx(0.5 * (two_link.lower[1] + 1.5))
    assert file.command_topic == "group/arm_controller/joint_trajectory"
    assert placed_trajectories(file.placement()) == ("circle",)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("- 1", "the file"),
        ("", "the file"),
        ("controller: arm", "urdf"),
        ("urdf: 3", "urdf"),
        (GOOD + "speed: 3", "speed"),
        (GOOD.replace("{upper: 1.5, velocity: 2}", "{upper: high}"), "limits.elbow.upper"),
        (GOOD.replace("upper: 1.5", "upper: .nan"), "limits.elbow.upper"),
        (GOOD.replace("upper: 1.5", "upper: true"), "limits.elbow.upper"),
        (GOOD.replace("upper: 1.5", "highest: 1.5"), "limits.elbow.highest"),
        (GOOD.replace("velocity: 2", "velocity: -2"), "limits.elbow.velocity"),
        (GOOD.replace("elbow: {upper: 1.5, velocity: 2}", "elbow: 3"), "limits.elbow"),
        (GOOD.replace("rest: {shoulder: 0.5}", "rest: [0.5, 0.1]"), "rest"),
        (GOOD.replace("shoulder: 0.5", "shoulder: half"), "rest.shoulder"),
        (GOOD.replace("group/arm_controller", "2nd arm"), "controller"),
        (GOOD.replace("[0.5, 0.2, 0.0]", "[0.5, 0.2]"), "demo.circle"),
        (GOOD.replace("radius: 0.1", "radius: 0"), "demo.radius"),
        (GOOD.replace("radius: 0.1", "colour: 0"), "demo.colour"),
        (GOOD.replace("circle: [0.5, 0.2, 0.0], ", ""), "demo"),
        # Only with the URDF can it be seen that these are wrong.
        (GOOD.replace("elbow: {upper", "wrist: {upper"), "limits.wrist"),
        (GOOD.replace("shoulder: 0.5", "wrist: 0.5"), "rest.wrist"),
        (GOOD.replace("shoulder: 0.5", "shoulder: 50"), "rest.shoulder"),
        (GOOD.replace("upper: 1.5", "upper: -3"), "limits.elbow"),
        (GOOD.replace("arm.urdf", "none.urdf"), "urdf"),
        (GOOD.replace("arm.urdf", "package://no_such_package/arm.urdf"), "urdf"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_file_and_place(written, text, place):
    path = written(text)
    with pytest.raises(RobotFileError) as raised:
        find_robot(path)
    assert f"{path}: {place}: got " in str(raised.value) and ", expected " in str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("urdf: [a", "no plain YAML"),
        ("urdf: &a x\ntip_link: *a", "alias"),
        ("urdf: a\nurdf: b", "'urdf' is there twice"),
        ("urdf: !!python/object/apply:os.system [ls]", "no plain YAML"),
        ("[" * 3000, "no plain YAML"),
        ("urdf: " + "a" * 200_000, "at most"),
    ],
)
def test_what_is_no_plain_yaml_is_refused(written, text, words):
    with pytest.raises(RobotFileError, match=words):
        read_robot_file(written(text))


def test_a_robot_without_a_place_says_so(written):
    file = read_robot_file(written("urdf: arm.urdf"))
    with pytest.raises(RobotFileError, match="demo"):
        file.placement()
    with pytest.raises(RobotFileError, match="cannot be read"):
        find_robot("there_is_none.yaml")


def test_a_trajectory_that_has_no_place_is_refused():
    placement = find_robot_file("planar5").placement()
    with pytest.raises(CrispIKError, match="'circle'"):
        place_trajectory("spiral", placement)


def test_descriptions_are_found_in_ros_packages_and_beside_files(tmp_path, monkeypatch):
    share = tmp_path / "install" / "share" / "arms" / "urdf"
    share.mkdir(parents=True)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'other'}:{tmp_path / 'install'}")
    assert locate("package://arms/urdf/arm.urdf", tmp_path) == share / "arm.urdf"
    assert locate("models:ur5e.urdf", tmp_path).is_file()
    assert locate("sub/arm.urdf", tmp_path) == tmp_path / "sub" / "arm.urdf"
    assert locate(str(share), tmp_path / "x") == share
