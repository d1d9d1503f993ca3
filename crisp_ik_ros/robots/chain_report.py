"""What is to be known of a URDF before a robot is made of it: its ends, and what is missing or odd on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from crisp_ik_ros.errors import URDFError
from crisp_ik_ros.robots.ends import MOVABLE, LinkTree, TreeJoint
from crisp_ik_ros.robots.guarded_xml import parse_xml
from crisp_ik_ros.robots.mesh_files import MeshFinder
from crisp_ik_ros.robots.urdf import MOST_JOINTS
from crisp_ik_ros.robots.xacro_files import EXPAND

ERROR, WARNING, NOTE = "error", "warning", "note"
MISSING_MESHES = "meshes that are not found"
# Joints of grippers that a note names.
MAX_GRIPPERS_NAMED = 6


@dataclass(frozen=True)
class Finding:
    """Something about a joint or link.

    Attributes
    ----------
    level : str
        "error": no robot can be made of it; "warning"; "note".
    about, what, remedy : str
        The joint or link, what is the matter, and what to do about it.
    """

    level: str
    about: str
    what: str
    remedy: str


class Description:
    """A URDF's links and joints as its text has them, before anything is made of them.

    Parameters
    ----------
    xml : bytes

    Raises
    ------
    URDFError
        When it is no XML, has no links, or is a xacro file.
    """

    def __init__(self, xml: bytes):
        root = parse_xml(xml)
        if any("xacro" in str(part.tag) for part in root.iter()):
            raise URDFError(f"it is a xacro file, with macros that only xacro can read; {EXPAND}")
        self._root = root
        self.name = root.get("name") or "robot"
        self._links = {link.get("name", ""): link for link in root.findall("link")}
        joints = root.findall("joint")
        self._above = {_link(joint, "child"): joint for joint in joints}
        self._tree = LinkTree(
            self._links,
            [TreeJoint(j.get("name", ""), j.get("type", ""), _link(j, "parent"), _link(j, "child")) for j in joints],
        )
        if not self._links:
            raise URDFError("it has no <link>; a URDF's <robot> element is expected")

    def ends(self, base_link: str = "", tip_link: str = "") -> tuple[str, str]:
        """Base and tip link.

        Raises
        ------
        URDFError
            When they are not named and the URDF leaves a choice; all that can be named are listed.
        """
        base = base_link or self._tree.default_base("--base-link")
        return base, tip_link or self._tree.default_tip(base, "--tip-link")

    def chain(self, base: str, tip: str) -> list[Element]:
        """Joints from base to tip; none where they are not connected."""
        joints: list[Element] = []
        while tip != base and tip in self._above and len(joints) <= MOST_JOINTS:
            joints.insert(0, self._above[tip])
            tip = _link(self._above[tip], "parent")
        return joints if tip == base else []

    def findings(self, base: str, tip: str, folder: Path | None) -> list[Finding]:
        """All that is to be said of the chain between two links, and of meshes; ``folder`` is where the URDF lies."""
        joints = self.chain(base, tip)
        found = [one for joint in joints for one in _of_joint(joint)]
        found += self.shape_and_gripper_findings(base, tip, folder)
        moving = [joint for joint in joints if joint.get("type") in MOVABLE]
        bare = [_link(joint, "child") for joint in moving if not self._mass(_link(joint, "child"))]
        if bare:
            remedy = "add <inertial> from the data sheet; what gravity bends is else learned from typical masses"
            found.append(Finding(WARNING, ", ".join(bare), "no mass", remedy))
        if not any(link.find("collision") is not None for link in self._links.values()):
            remedy = "add <collision>; nothing can be said of self-collisions without"
            found.append(Finding(NOTE, self.name, "no collision shapes", remedy))
        return found

    def shape_and_gripper_findings(self, base: str, tip: str, folder: Path | None) -> list[Finding]:
        """Meshes that are missing, where the URDF lies in ``folder``, and joints of a gripper."""
        found = self._gripper_findings(base, tip)
        lost = MeshFinder(folder).missing(self._root)
        if lost:
            more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
            remedy = (
                "nothing for the chain, which needs none. For pictures, and to avoid self-collisions, put them beside "
                "the URDF or source the ROS package"
            )
            found.append(Finding(WARNING, ", ".join(lost[:3]) + more, MISSING_MESHES, remedy))
        return found

    def _gripper_findings(self, base: str, tip: str) -> list[Finding]:
        """Joints that are a gripper's by their names: those that the chain has, else those that it leaves out."""
        joints = self._tree.gripper_joints(base, tip)
        if joints:
            remedy = f"--tip-link {joints[0].parent} ends the arm before it"
            about = ", ".join(joint.name for joint in joints)
            return [Finding(WARNING, about, "named like a joint of a gripper, and part of the arm", remedy)]
        joints = self._tree.grippers_left_out(base, tip)
        if joints:
            about = ", ".join(joint.name for joint in joints[:MAX_GRIPPERS_NAMED])
            remedy = f"nothing, or --tip-link {joints[0].child} to make it a joint of the arm"
            return [
                Finding(NOTE, about, f"named like a joint of a gripper, and left out: the arm ends at {tip}", remedy)
            ]
        return []

    def _mass(self, link: str) -> float:
        element = self._links[link].find("inertial/mass") if link in self._links else None
        return _number(None if element is None else element.get("value")) or 0.0


def _of_joint(joint: Element) -> list[Finding]:
    name, kind, limit = joint.get("name", ""), joint.get("type", ""), joint.find("limit")
    if kind == "fixed":
        return []
    if kind not in MOVABLE:
        return [Finding(ERROR, name, f"its type is {kind!r}", f"make it {', '.join((*MOVABLE, 'fixed'))}")]
    found = []
    lower, upper, velocity = (None if limit is None else _number(limit.get(end)) for end in _LIMITS)
    if kind == "continuous":
        found.append(Finding(NOTE, name, "turns without end", "nothing; solutions are given within -pi and pi"))
    elif lower is None or upper is None:
        remedy = "add <limit lower= upper= velocity= effort=> from the data sheet"
        found.append(Finding(ERROR, name, "no limits", remedy))
    elif lower > upper:
        found.append(Finding(ERROR, name, f"limits {lower:g} to {upper:g}", "lower is to be the smaller one"))
    elif lower == upper:
        found.append(Finding(WARNING, name, "its range is zero: it cannot move", 'make it type="fixed", or correct it'))
    if not velocity:
        remedy = "add velocity= to its <limit>, or under limits in the robot file; until then other limits hold"
        found.append(Finding(WARNING, name, "no largest velocity", remedy))
    mimic = joint.find("mimic")
    if mimic is not None:
        what = f"it mimics {mimic.get('joint')}, and is taken as a joint of its own"
        found.append(Finding(WARNING, name, what, "end the chain before it (--tip-link)"))
    return found


_LIMITS = ("lower", "upper", "velocity")


def _link(joint: Element, end: str) -> str:
    element = joint.find(end)
    return "" if element is None else element.get("link", "")


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) else None
