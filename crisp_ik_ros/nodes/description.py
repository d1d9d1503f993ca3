"""The robot a node works with: its model, and its description for RViz."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import cast

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.robots.bias import random_bias
from crisp_ik_ros.robots.catalog import PANDA, find_robot, find_robot_file, find_urdf, robot_names
from crisp_ik_ros.robots.guarded_xml import parse_xml, plain_xml
from crisp_ik_ros.robots.robot_file import RobotFile
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.robots.urdf import MOVABLE, read_urdf
from crisp_ik_ros.transforms import Array


def robot_of(urdf: str = "", base_link: str = "", tip_link: str = "", robot: str = "") -> RobotModel:
    """Robot model of a name, a robot file, or a URDF's path or text; without any, the Panda.

    Raises
    ------
    InvalidInputError
        When both ``urdf`` and ``robot`` are given.
    RobotFileError, URDFError
        When the robot file or the URDF cannot be used.
    MissingDependencyError
        When pybullet, which brings the URDFs of some robots, is not installed.
    """
    return find_robot(_source(urdf, robot), base_link, tip_link)


def robot_and_file_of(
    urdf: str = "", base_link: str = "", tip_link: str = "", robot: str = ""
) -> tuple[RobotModel, RobotFile]:
    """Return what ``robot_of`` and ``robot_file_of`` do."""
    return robot_of(urdf, base_link, tip_link, robot), robot_file_of(urdf, robot)


def urdf_path(urdf: str = "", robot: str = "") -> Path:
    """Path of a robot's URDF; without one, the Panda's."""
    return Path(find_urdf(_source(urdf, robot)))


def robot_file_of(urdf: str = "", robot: str = "") -> RobotFile:
    """File of a robot; where only a URDF is known of it, the Panda's."""
    source = _source(urdf, robot)
    file = find_robot_file(source)
    if file is None and robot:
        known = ", ".join(robot_names())
        expected = f"one of {known}, or the path of a robot file (.yaml), which 'crisp-ik new-robot URDF' writes"
        raise InvalidInputError("robot", robot, expected)
    return file or cast(RobotFile, find_robot_file(PANDA))


def _source(urdf: str, robot: str) -> str:
    if urdf and robot:
        raise InvalidInputError("robot, urdf", f"both, {robot} and {urdf}", "one of them")
    return robot or urdf or PANDA


def bias_of(robot: RobotModel, joint_bias: float, link_bias: float, seed: int) -> tuple[Array, Array]:
    """Offsets of the simulated true robot.

    Parameters
    ----------
    robot : RobotModel
    joint_bias, link_bias : float
        Size of the offsets [rad, m].
    seed : int
        Of the random signs; -1: all positive.

    Returns
    -------
    joint_offsets (J,) [rad], link_offsets (number of joints in the chain, 3) [m]
    """
    return random_bias(robot.joints, joint_bias, link_bias, seed)


def description_of(path: Path) -> str:
    """Text of a URDF whose meshes are found from anywhere: ``package://`` beside the file becomes ``file://``."""
    text = plain_xml(read_urdf(path)).decode()

    def locate(match: re.Match) -> str:
        name = match.group(2)
        for candidate in (path.parent / name, path.parent / name.partition("/")[2]):
            if candidate.is_file():
                return f'{match.group(1)}="{candidate.resolve().as_uri()}"'
        return match.group(0)

    return re.sub(r'(filename)\s*=\s*"(?:package://)?(?![a-z]+://)([^"]+)"', locate, text)


def other_joints(description: str, robot: RobotModel) -> dict[str, float]:
    """Joints of a URDF that move but are not in the chain, such as fingers, each with a position for it to stand at."""
    joints = {}
    for joint in parse_xml(description.encode()).findall("joint"):
        if joint.get("type") not in MOVABLE or joint.get("name") in robot.joint_names:
            continue
        limit = joint.find("limit")
        low, high = (0.0, 0.0) if limit is None else (_number(limit.get("lower")), _number(limit.get("upper")))
        joints[str(joint.get("name"))] = min(max(0.0, low), high) if joint.get("type") != "continuous" else 0.0
    return joints


def _number(text: str | None) -> float:
    """Number of an attribute; 0 where there is none, or none that a joint could stand at."""
    try:
        value = float(text or 0.0)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0
