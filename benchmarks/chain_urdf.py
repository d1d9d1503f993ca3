"""A robot model's chain as a URDF of its own, so that every library reads the same robot and the same limits."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, euler_from_matrix

# Libraries that also do dynamics refuse links without mass; kinematics do not depend on it.
INERTIA = {"ixx": "0.01", "iyy": "0.01", "izz": "0.01", "ixy": "0", "ixz": "0", "iyz": "0"}
EFFORT, VELOCITY = "100", "2"


def write_chain_urdf(robot: RobotModel, path: Path) -> Path:
    """Write the chain from base to tip link, with the model's limits and without meshes, branches or fingers."""
    root = ElementTree.Element("robot", name=robot.name)
    # MuJoCo would merge the tool's link into the link before it.
    ElementTree.SubElement(ElementTree.SubElement(root, "mujoco"), "compiler", fusestatic="false")
    links = [robot.base_link, *(joint.child_link for joint in robot.joints)]
    for index, name in enumerate(links):
        link = ElementTree.SubElement(root, "link", name=name)
        if index > 0:  # KDL warns of a root link with a mass
            inertial = ElementTree.SubElement(link, "inertial")
            ElementTree.SubElement(inertial, "mass", value="1")
            ElementTree.SubElement(inertial, "inertia", INERTIA)
    for parent, joint in zip(links, robot.joints, strict=False):
        element = ElementTree.SubElement(root, "joint", name=joint.name, type=joint.kind)
        ElementTree.SubElement(element, "parent", link=parent)
        ElementTree.SubElement(element, "child", link=joint.child_link)
        origin = {"rpy": _numbers(euler_from_matrix(joint.origin[:3, :3])), "xyz": _numbers(joint.origin[:3, 3])}
        ElementTree.SubElement(element, "origin", origin)
        if joint.movable:
            ElementTree.SubElement(element, "axis", xyz=_numbers(joint.axis))
            limits = {"lower": repr(joint.lower), "upper": repr(joint.upper)}
            ElementTree.SubElement(element, "limit", **limits, effort=EFFORT, velocity=VELOCITY)
    ElementTree.ElementTree(root).write(path)
    return path


def _numbers(values: Array) -> str:
    return " ".join(repr(float(value)) for value in values)
