"""A URDF with other joint origins: a biased robot for the simulator, a corrected one for other tools."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree import ElementTree

from crisp_ik_ros.errors import URDFError
from crisp_ik_ros.robots.guarded_xml import parse_xml
from crisp_ik_ros.robots.urdf import ChainJoint
from crisp_ik_ros.transforms import Array


def urdf_with_joints(xml: bytes, joints: Sequence[ChainJoint]) -> bytes:
    """URDF whose chain has the origins of other joints, in all digits.

    Parameters
    ----------
    xml : bytes
        The URDF.
    joints : sequence of ChainJoint
        Joints that it has, by name; of these only the ``origin`` is written. All others stay as they are.

    Returns
    -------
    bytes
        The same URDF with other ``xyz`` and ``rpy``. File names of meshes stay as they are.

    Raises
    ------
    URDFError
        When the text is no XML, or lacks one of the joints.
    """
    root = parse_xml(xml, comments=True)
    elements = {element.get("name"): element for element in root.findall("joint")}
    for joint in joints:
        if joint.name not in elements:
            raise URDFError(f"joint {joint.name!r} of the chain is not in the URDF")
        origin = elements[joint.name].find("origin")
        if origin is None:
            origin = ElementTree.SubElement(elements[joint.name], "origin")
        origin.attrib = {
            "xyz": " ".join(repr(float(value)) for value in joint.origin[:3, 3]),
            "rpy": " ".join(repr(value) for value in _exact_rpy(joint.origin[:3, :3])),
        }
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _exact_rpy(rotation: Array) -> tuple[float, float, float]:
    """Roll, pitch, yaw that give ``rotation`` (3, 3) back to rounding, also at a pitch of 90 degrees."""
    yaw = math.atan2(rotation[1, 0], rotation[0, 0])
    # Roll and pitch are read off after the yaw is undone, so that whatever the yaw got wrong they make good.
    sine, cosine = math.sin(yaw), math.cos(yaw)
    pitch = math.atan2(-rotation[2, 0], cosine * rotation[0, 0] + sine * rotation[1, 0])
    roll = math.atan2(sine * rotation[0, 2] - cosine * rotation[1, 2], cosine * rotation[1, 1] - sine * rotation[0, 1])
    return roll, pitch, yaw
