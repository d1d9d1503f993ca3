"""crisp-ik new-robot and crisp-ik robots, on URDFs with and without faults."""

from __future__ import annotations

import json

import numpy as np
import pytest
from oracles import ENDLESS, GANTRY, TWO_LINK, forward_kinematics
from typer.testing import CliRunner

from crisp_ik_ros import ModelBasedIK
from crisp_ik_ros.cli import app
from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.robots.catalog import find_robot, robot_names
from crisp_ik_ros.robots.robot_file import read_robot_file
from crisp_ik_ros.trajectories import place_trajectory, placed_trajectories

pytest.importorskip("pybullet")
pytest.importorskip("matplotlib")


def run(*arguments: object) -> dict:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=True)
    if isinstance(result.exception, CrispIKError):
        raise result.exception
    return {**json.loads(result.stdout), "exit": result.exit_code}


@pytest.fixture
def urdf(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text: str):
        path = tmp_path / "arm.urdf"
        path.write_text(text)
        return path

    return write


def solved(path):
    """Largest errors of the arm on its trajectories, by an independent product of transforms."""
    file, robot = read_robot_file(path), find_robot(path)
    errors = []
    for name in placed_trajectories(file.placement()):
        targets = place_trajectory(name, file.placement(), 30)
        way = ModelBasedIK(robot, timeout=30.0).solve_path(targets, robot.rest)
        assert robot.within_limits(way.configurations).all()
        errors += [forward_kinematics(robot.joints, q) - t for q, t in zip(way.configurations, targets, strict=True)]
    return np.abs(errors).max()


def test_an_arm_of_six_joints_gets_a_rest_a_place_and_a_picture(urdf, tmp_path):
    result = run("new-robot", urdf(ENDLESS))
    assert result["exit"] == 0 and result["robot file"] == "endless.yaml"
    assert result["chain"] == "l0 to tip" and result["joints"] == 6
    file = read_robot_file("endless.yaml")
    assert file.urdf == "arm.urdf" and set(placed_trajectories(file.placement())) == {"spiral", "circle"}
    assert solved(tmp_path / "endless.yaml") < 2e-5
    # The tool, along x of its frame, points down.
    pose = place_trajectory("circle", file.placement(), 2)[0]
    np.testing.assert_allclose(pose[:3, 0], [0.0, 0.0, -1.0], atol=1e-5)
    from matplotlib.image import imread

    picture = imread("endless.png")[..., :3]
    assert picture.shape[0] > 500 and picture.std() > 0.05
    texts = {one["what"]: one["about"] for one in result["findings"]}
    assert "j1" in texts["turns without end"] and "j4" in texts["turns without end"]
    assert "l6" in texts["no mass"] and "j1" in texts["no largest velocity"] and "no collision shapes" in texts
    with pytest.raises(CrispIKError, match="--force"):
        run("new-robot", urdf(ENDLESS))


def test_an_arm_that_cannot_hold_its_tool_gets_a_file_without_a_place(urdf):
    result = run("new-robot", urdf(TWO_LINK), "--output", "two.yaml", "--picture", "two_arm.png")
    assert result["demo"] is None and result["directions of the tool"] == "2 of 6"
    assert any("no place was found" in one["what"] for one in result["findings"])
    robot = find_robot("two.yaml")
    assert robot.within_limits(robot.rest) and read_robot_file("two.yaml").demo is None


def test_several_ends_are_listed_and_one_is_to_be_named(urdf):
    path = urdf(GANTRY)
    with pytest.raises(CrispIKError, match=r"--base-link is needed|--tip-link is needed.*finger_left \(5 joints\)"):
        run("new-robot", path)
    result = run("new-robot", path, "--tip-link", "tool", "--base-link", "floor", "--output", "g.yaml")
    assert result["joints"] == 4 and find_robot("g.yaml").tip_link == "tool"
    with pytest.raises(CrispIKError, match=r"\.yaml"):
        run("new-robot", path, "--tip-link", "tool", "--base-link", "floor", "--output", "g.txt")


def test_faults_of_the_chain_are_told_all_at_once_and_nothing_is_written(urdf, tmp_path):
    broken = ENDLESS.replace('<limit lower="-2" upper="2" effort="1" velocity="1"/>', "")
    broken = broken.replace('lower="-2.5" upper="2.5"', 'lower="2.5" upper="-2.5"').replace(
        '<link name="l5"/>', '<link name="l5"><visual><geometry><mesh filename="a/b.stl"/></geometry></visual></link>'
    )
    result = run("new-robot", urdf(broken))
    assert result["exit"] == 1 and result["robot file"] is None
    texts = {one["what"]: one["about"] for one in result["findings"]}
    assert texts["no limits"].startswith("error") and "j2" in texts["no limits"] and "j5" in texts["no limits"]
    assert "j3" in texts["limits 2.5 to -2.5"] and "a/b.stl" in texts["meshes that are not found"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arm.urdf"]


def test_zero_ranges_and_mimics_are_told(urdf):
    odd = TWO_LINK.replace('lower="-2.5" upper="2.5" effort="1" velocity="3"/>', 'lower="1" upper="1" effort="1"/>'
                           '<mimic joint="shoulder"/>')  # fmt: skip
    result = run("new-robot", urdf(odd), "--output", "odd.yaml")
    texts = " ".join(one["what"] for one in result["findings"])
    assert "its range is zero" in texts and "mimics shoulder" in texts


def test_a_xacro_file_is_to_be_expanded_first(urdf, tmp_path):
    with pytest.raises(CrispIKError, match=r"xacro ROBOT\.urdf\.xacro > robot\.urdf"):
        run("new-robot", tmp_path / "arm.urdf.xacro")
    text = '<robot xmlns:xacro="http://www.ros.org/wiki/xacro"><xacro:include filename="a"/><link name="a"/></robot>'
    with pytest.raises(CrispIKError, match="expand it first"):
        run("new-robot", urdf(text))


def test_the_known_robots_are_listed():
    rows = run("robots")["robots"]
    assert set(rows) == set(robot_names())
    assert rows["ur"]["joints"] == 6 and rows["ur"]["paths"] == "both" and rows["planar5"]["paths"] == "circle"
    text = CliRunner().invoke(app, ["robots"]).stdout
    assert "UFACTORY xArm 6" in text and "fr3_hand_tcp" in text
