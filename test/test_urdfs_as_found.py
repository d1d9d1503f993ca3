"""URDFs as they are found: meshes missing or unreadable, grippers at the end, xacro files, a simulator that crashes."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import time
from itertools import product

import numpy as np
import pytest
from oracles import ENDLESS, GANTRY, TWO_LINK, forward_kinematics
from typer.testing import CliRunner

from crisp_ik_ros import RobotModel
from crisp_ik_ros.cli import app
from crisp_ik_ros.errors import (
    CrispIKError,
    InvalidInputError,
    MissingDependencyError,
    SimulationError,
    SimulatorCrashError,
    URDFError,
)
from crisp_ik_ros.robots.catalog import find_robot
from crisp_ik_ros.robots.chain_report import Description
from crisp_ik_ros.robots.mesh_files import MeshFinder
from crisp_ik_ros.robots.robot_file import read_robot_file
from crisp_ik_ros.robots.urdf import read_urdf

# PyBullet takes the unit's attribute for granted, and reads from address 0.
CRASHING_MESH = """<?xml version="1.0"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1"><asset><unit/></asset></COLLADA>
"""
XACRO = """<robot name="endless" xmlns:xacro="http://www.ros.org/wiki/xacro">
  <xacro:property name="lift" value="0.1"/>
  <xacro:macro name="bar" params="name"><link name="${name}"/></xacro:macro>
  <xacro:bar name="a"/> <xacro:bar name="b"/>
  <joint name="hinge" type="revolute"> <origin xyz="0 0 ${2 * lift}"/> <parent link="a"/> <child link="b"/>
    <axis xyz="0 0 1"/> <limit lower="-1" upper="1" effort="1" velocity="1"/> </joint>
</robot>
"""
EXPANDED = """<robot name="endless"> <link name="a"/> <link name="b"/>
  <joint name="hinge" type="revolute"> <origin xyz="0 0 0.2"/> <parent link="a"/> <child link="b"/>
    <axis xyz="0 0 1"/> <limit lower="-1" upper="1" effort="1" velocity="1"/> </joint>
</robot>
"""


def with_meshes(name, text=ENDLESS):
    """URDF whose links l2 and l3 are meshes, and whose link l1 is a box."""
    shapes = "".join(f"<{kind}><geometry>{{}}</geometry></{kind}>" for kind in ("visual", "collision"))
    box, mesh = '<box size="0.1 0.1 0.1"/>', f'<mesh filename="{name}"/>'
    for link, geometry in (("l1", box), ("l2", mesh), ("l3", mesh)):
        text = text.replace(f'<link name="{link}"/>', f'<link name="{link}">{shapes.format(geometry, geometry)}</link>')
    return text


def tree(*joints, links=()):
    """URDF of joints given as (name, parent, child) or (name, parent, child, type)."""
    limit = '<limit lower="-1" upper="1" effort="1" velocity="1"/>'
    names = dict.fromkeys([*links, *(link for joint in joints for link in joint[1:3])])
    text = "".join(f'<link name="{link}"/>' for link in names)
    for name, parent, child, *kind in joints:
        text += (
            f'<joint name="{name}" type="{kind[0] if kind else "revolute"}"><parent link="{parent}"/>'
            f'<child link="{child}"/>{limit}</joint>'
        )
    return f'<robot name="r">{text}</robot>'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def simulator():
    pytest.importorskip("pybullet")
    pytest.importorskip("matplotlib")


def run(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=True)
    if isinstance(result.exception, CrispIKError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def texts_of(summary):
    return {one["what"]: one["about"] for one in summary["findings"]}


def tip_of(xml):
    """Default tip, by what new-robot uses and by what all else does: they have to agree."""
    ends = Description(xml.encode()).ends()
    robot = RobotModel.from_urdf(xml)
    assert ends == (robot.base_link, robot.tip_link)
    return robot.tip_link


# Ends of the chain.


def test_the_only_leaf_behind_moving_joints_is_the_tip():
    arm = (("a", "base_link", "l1"), ("b", "l1", "l2"), ("f", "l2", "tool0", "fixed"))
    assert tip_of(tree(("m", "base_link", "base", "fixed"), *arm)) == "tool0"


def test_a_choice_of_tips_lists_leaves_and_flanges_with_their_joints():
    xml = tree(
        ("a", "base", "l1"), ("b", "l1", "l2"), ("c", "l2", "flange", "fixed"), ("d", "flange", "left_cup", "fixed"),
        ("e", "flange", "right_cup", "fixed"), ("f", "l1", "arm_ee", "fixed"), ("g", "arm_ee", "camera", "fixed"),
    )  # fmt: skip
    said = r"tip.link is needed: (?=.*left_cup \(2 joints\))(?=.*camera \(1 joints\)).*; flanges: .*flange \(2 joints\)"
    with pytest.raises(URDFError, match=said):
        Description(xml.encode()).ends()
    with pytest.raises(URDFError, match=said):
        RobotModel.from_urdf(xml)


SO100 = (("shoulder_pan", "base", "arm"), ("wrist_roll", "arm", "gripper"), ("6", "gripper", "moving_jaw"))


def test_a_jaw_at_the_end_is_no_part_of_the_arm_and_is_named():
    # The joint that turns the gripper as a whole belongs to the arm, though its link is the gripper.
    assert tip_of(tree(*SO100)) == "gripper"
    assert RobotModel.from_urdf(tree(*SO100)).joint_names == ("shoulder_pan", "wrist_roll")
    (note,) = Description(tree(*SO100).encode()).shape_and_gripper_findings("base", "gripper", None)
    assert note.about == "6" and "left out" in note.what and "--tip-link moving_jaw" in note.remedy


def test_a_jaw_that_is_asked_for_is_a_warning_with_the_way_out():
    (warning,) = Description(tree(*SO100).encode()).shape_and_gripper_findings("base", "moving_jaw", None)
    assert warning.level == "warning" and warning.about == "6" and "part of the arm" in warning.what
    assert "--tip-link gripper" in warning.remedy


def test_fingers_beside_a_tool_frame_leave_the_tool_frame():
    hand = (("left_finger", "hand", "f1", "prismatic"), ("right_finger", "hand", "f2", "prismatic"))
    assert tip_of(tree(("a", "base", "hand"), *hand, ("t", "hand", "hand_tcp", "fixed"))) == "hand_tcp"
    assert tip_of(tree(("a", "base", "hand"), *hand)) == "hand"
    xml = tree(("a", "base", "hand"), *hand, ("t", "hand", "hand_tcp", "fixed"))
    (note,) = Description(xml.encode()).shape_and_gripper_findings("base", "hand_tcp", None)
    assert note.about == "left_finger, right_finger"


def test_a_gripper_by_itself_keeps_its_joints():
    assert tip_of(tree(("finger_joint", "base", "finger"))) == "finger"


def test_fingers_and_a_camera_on_another_joint_leave_a_choice():
    with pytest.raises(URDFError, match=r"--tip-link is needed.*finger_left \(5 joints\).*flanges: tool \(4"):
        Description(GANTRY.encode()).ends()


def test_many_leaves_take_no_time():
    joints = [(f"finger{i}", f"gripper{i - 1}", f"gripper{i}") for i in range(1, 3000)]
    joints += [(f"f{i}", f"gripper{i}", f"leaf{i}", "fixed") for i in range(3000)]
    began = time.process_time()
    with pytest.raises(URDFError, match="tip_link is needed"):
        RobotModel.from_urdf(tree(*joints))
    assert time.process_time() - began < 20.0


# Meshes.


def test_meshes_are_found_beside_the_urdf_in_its_package_and_in_sourced_packages(folder, monkeypatch):
    package, share = folder / "arm_description", folder / "install" / "share"
    for place in (package / "urdf", package / "meshes", share / "other" / "meshes"):
        place.mkdir(parents=True)
    for place in (package / "urdf" / "beside.stl", package / "meshes" / "a.stl", share / "other" / "meshes" / "b.stl"):
        place.write_text("solid")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(folder / "install"))
    finder = MeshFinder(package / "urdf")
    assert finder.find("beside.stl") == finder.find((package / "urdf" / "beside.stl").as_uri())
    assert finder.find("package://arm_description/meshes/a.stl") == (package / "meshes" / "a.stl").resolve()
    # The package's name need not be its folder's.
    assert finder.find("package://renamed/meshes/a.stl") == (package / "meshes" / "a.stl").resolve()
    assert finder.find("package://other/meshes/b.stl") == (share / "other" / "meshes" / "b.stl").resolve()
    assert finder.find("package://other/meshes/c.stl") is None and finder.find("a.stl") is None
    assert finder.find("x" * 10_000) is None and finder.find("") is None


@pytest.mark.parametrize("name", ["package://nowhere/meshes/link.stl", "meshes/link.dae", "file:///nowhere/link.obj"])
def test_a_simulated_arm_needs_no_meshes(simulator, folder, name):
    from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm

    (folder / "arm.urdf").write_text(with_meshes(name))
    robot = RobotModel.from_urdf(folder / "arm.urdf")
    q = robot.random_configurations(5, np.random.default_rng(0))
    with PyBulletArm(folder / "arm.urdf", robot) as arm:
        np.testing.assert_allclose(arm.forward_kinematics(q), robot.forward_kinematics(q), atol=1e-6)


def test_new_robot_works_without_meshes_warns_and_draws_what_is_there(simulator, folder):
    from matplotlib.image import imread

    (folder / "arm.urdf").write_text(with_meshes("package://nowhere/meshes/link.stl"))
    began = time.monotonic()
    summary = run("new-robot", "arm.urdf")
    assert time.monotonic() - began < 300.0  # what has to be compiled first is in it
    assert summary["robot file"] == "endless.yaml" and summary["demo"] is not None
    assert texts_of(summary)["meshes that are not found"].startswith("warning, package://nowhere/meshes/link.stl")
    robot, file = find_robot("endless.yaml"), read_robot_file("endless.yaml")
    np.testing.assert_allclose(forward_kinematics(robot.joints, robot.rest), robot.forward_kinematics(robot.rest))
    assert file.demo is not None
    # Lines from joint to joint stand in for the links.
    assert (np.abs(imread("endless.png")[..., :3] - [0.45, 0.47, 0.5]).max(axis=2) < 0.2).sum() > 1000


# A simulator that crashes.


def crash(arm):
    os.kill(os.getpid(), signal.SIGSEGV)


def sleep(arm):
    time.sleep(60.0)


def refuse(arm):
    raise InvalidInputError("box", {"any": lambda: 0}, "a box")


def test_a_crash_in_the_simulator_is_an_error_here(simulator, folder):
    from crisp_ik_ros.simulation.arm_process import ArmProcess

    (folder / "arm.urdf").write_text(TWO_LINK)
    robot = RobotModel.from_urdf(folder / "arm.urdf")
    with ArmProcess(folder / "arm.urdf", robot) as arm:
        assert arm.collision_free(np.zeros((3, 2))).all()
        with pytest.raises(InvalidInputError, match=r"box: got .*, expected a box"):
            arm.run(refuse)
        with pytest.raises(SimulatorCrashError, match=r"crashed \(SIGSEGV\) while it runs crash of 'two_link'"):
            arm.run(crash)
        with pytest.raises(SimulatorCrashError):
            arm.collision_free(np.zeros((3, 2)))
    with (
        ArmProcess(folder / "arm.urdf", robot, max_answer=0.5) as arm,
        pytest.raises(SimulatorCrashError, match=r"ended: it runs sleep .* more than 0\.5 s"),
    ):
        arm.run(sleep)


def test_new_robot_goes_on_without_meshes_that_crash_pybullet(simulator, folder):
    (folder / "link.dae").write_text(CRASHING_MESH)
    (folder / "arm.urdf").write_text(with_meshes("link.dae"))
    summary = run("new-robot", "arm.urdf")
    (what,) = [what for what in texts_of(summary) if "PyBullet has crashed (SIGSEGV)" in what]
    assert "without the meshes it works" in what and summary["robot file"] == "endless.yaml"
    plan = run("plan-measurements", "plan.csv", "--robot", "arm.urdf", "--count", 8, "--candidates", 50)
    assert any("PyBullet has crashed (SIGSEGV)" in warning for warning in plan["warnings"])
    assert len((folder / "plan.csv").read_text().splitlines()) == 9


def test_new_robot_goes_on_without_pybullet(simulator, folder, monkeypatch):
    def fail(*arguments, **options):
        raise SimulatorCrashError("PyBullet has crashed")

    monkeypatch.setattr("crisp_ik_ros.simulation.arm_process.ArmProcess", fail)
    (folder / "arm.urdf").write_text(ENDLESS)
    summary = run("new-robot", "arm.urdf")
    assert any(what.startswith("PyBullet cannot be used") for what in texts_of(summary))
    assert summary["demo"] is not None and (folder / "endless.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SimulationError, match="PyBullet has crashed"):
        run("plan-measurements", "plan.csv", "--robot", "arm.urdf", "--count", 8, "--candidates", 50)


def test_plan_measurements_without_meshes_warns(simulator, folder):
    (folder / "arm.urdf").write_text(with_meshes("package://nowhere/link.stl"))
    plan = run("plan-measurements", "plan.csv", "--robot", "arm.urdf", "--count", 8, "--candidates", 50)
    assert any("nowhere/link.stl: meshes that are not found" in warning for warning in plan["warnings"])


# Searches that end.


def clock(monkeypatch, module, step):
    """Let ``step`` seconds pass between any two looks at the time."""
    ticks = iter(range(10**9))
    monkeypatch.setattr(f"{module}.time", type("Clock", (), {"monotonic": lambda: step * next(ticks)}))


def test_the_search_for_a_place_ends_in_time_and_shows_progress(monkeypatch):
    from crisp_ik_ros.simulation import placing

    robot, steps = RobotModel.from_urdf(ENDLESS), []
    tried = []
    monkeypatch.setattr(placing, "_tried", lambda *arguments: tried.append(1))
    complete = placing.find_posture(robot, progress=lambda done, total: steps.append((done, total)))
    assert complete.placement is None and complete.complete
    assert steps[0] == (0, placing.TRIED) and steps[-1] == (1, 1) and len(steps) == placing.TRIED + 1
    whole = len(tried)
    tried.clear()
    clock(monkeypatch, placing.__name__, 5.0)
    cut = placing.find_posture(robot)
    assert not cut.complete and cut.placement is None and 0 < len(tried) < whole / 4
    assert robot.within_limits(cut.rest)


def test_a_search_that_ends_early_keeps_the_best_so_far(monkeypatch):
    from crisp_ik_ros.simulation import placing

    robot, real = RobotModel.from_urdf(ENDLESS), placing._tried
    found = []

    def tried(search, *arguments):
        posture = real(placing._Search(search.robot, search.collision_free, np.inf), *arguments)
        found.append(posture)
        if posture is not None:
            search.over_now.append(True)
        return posture

    class Search(placing._Search):
        over_now: list = []  # noqa: RUF012

        @property
        def over(self):
            return self.end < np.inf and bool(self.over_now)

    monkeypatch.setattr(placing, "_Search", Search)
    monkeypatch.setattr(placing, "_tried", tried)
    posture = placing.find_posture(robot)
    assert posture.placement == found[-1].placement and not posture.complete


def test_new_robot_says_that_the_search_was_ended(simulator, folder, monkeypatch):
    from crisp_ik_ros.simulation import placing

    (folder / "arm.urdf").write_text(ENDLESS)
    monkeypatch.setattr(placing, "_tried", lambda *arguments: None)
    clock(monkeypatch, placing.__name__, 5.0)
    summary = run("new-robot", "arm.urdf")
    assert summary["demo"] is None and any("was ended after its time" in what for what in texts_of(summary))


def test_drawing_candidates_ends_in_time_once_there_are_enough(monkeypatch):
    from crisp_ik_ros.simulation import candidates

    class Arm:
        robot = RobotModel.from_urdf(TWO_LINK)

        def collision_free(self, configurations, clearance, floor):
            return np.arange(len(configurations)) < 10

    clock(monkeypatch, candidates.__name__, 5.0)
    assert len(candidates.draw_candidates(Arm(), 400, max_time=20.0, fewest=60)) == 90
    assert len(candidates.draw_candidates(Arm(), 400, max_time=20.0, fewest=10)) == 40
    assert len(candidates.draw_candidates(Arm(), 400, max_time=20.0)) == 400


# xacro files.


def hide(monkeypatch, *, program):
    """Leave no Python package for xacro, and only the program that is given, if any."""
    monkeypatch.setitem(sys.modules, "xacrodoc", None)
    monkeypatch.setattr("crisp_ik_ros.robots.xacro_files.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "" if program is None else str(program))


@pytest.mark.parametrize(("name", "there"), product(["arm.urdf.xacro", "arm.urdf"], [True, False]))
def test_without_a_tool_for_xacro_both_are_named(folder, monkeypatch, name, there):
    hide(monkeypatch, program=None)
    if there:
        (folder / name).write_text(XACRO)
    elif not name.endswith(".xacro"):
        pytest.skip("nothing says that it would be a xacro file")
    for command in (("new-robot", name), ("plan-measurements", "plan.csv", "--robot", name)):
        with pytest.raises(MissingDependencyError, match=r"pip install xacrodoc.*ros-\$ROS_DISTRO-xacro"):
            run(*command)


def program(folder, text):
    tools = folder / "tools"
    tools.mkdir()
    (tools / "xacro").write_text(f"#!{sys.executable}\n{text}\n")
    (tools / "xacro").chmod(0o755 | stat.S_IXUSR)
    return tools


def test_a_xacro_file_is_expanded_by_the_program_wherever_a_urdf_is_read(folder, monkeypatch):
    hide(monkeypatch, program=program(folder, f"import sys\nassert open(sys.argv[1]).read()\nprint({EXPANDED!r})"))
    for name in ("arm.urdf.xacro", "arm.urdf"):
        (folder / name).write_text(XACRO)
        robot = find_robot(folder / name)
        assert robot.joint_names == ("hinge",) and robot.fingerprint == RobotModel.from_urdf(EXPANDED).fingerprint
    (folder / "arm.yaml").write_text("urdf: arm.urdf.xacro\n")
    assert find_robot(folder / "arm.yaml").fingerprint == robot.fingerprint


def test_what_xacro_says_against_a_file_is_passed_on(folder, monkeypatch):
    hide(monkeypatch, program=program(folder, "import sys\nsys.exit('name lift is not defined')"))
    (folder / "arm.urdf.xacro").write_text(XACRO)
    with pytest.raises(URDFError, match=r"arm\.urdf\.xacro cannot be expanded: name lift is not defined"):
        read_urdf(folder / "arm.urdf.xacro")


def test_a_xacro_file_is_expanded_by_xacrodoc(folder):
    pytest.importorskip("xacrodoc")
    (folder / "arm.urdf.xacro").write_text(XACRO)
    robot = RobotModel.from_urdf(folder / "arm.urdf.xacro")
    assert robot.fingerprint == RobotModel.from_urdf(EXPANDED).fingerprint
    (folder / "arm.urdf.xacro").write_text(XACRO.replace("2 * lift", "2 * nothing"))
    with pytest.raises(URDFError, match=r"cannot be expanded: .*nothing"):
        read_urdf(folder / "arm.urdf.xacro")


def test_a_urdf_that_only_declares_the_name_space_is_not_expanded(folder, monkeypatch):
    hide(monkeypatch, program=None)
    (folder / "arm.urdf").write_text(EXPANDED.replace("<robot ", '<robot xmlns:xacro="http://www.ros.org/wiki/xacro" '))
    assert RobotModel.from_urdf(folder / "arm.urdf").joint_names == ("hinge",)
