"""Ends of an arm in a URDF's tree of links: leaves, flanges, and joints of a gripper."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crisp_ik_ros.errors import URDFError

MOVABLE = ("revolute", "continuous", "prismatic")
# Links that are named in an error, and joints that a gripper has in series, at most.
MAX_LISTED, MAX_GRIPPER_JOINTS = 20, 20
_GRIPPER = re.compile(r"grip|finger|jaw|claw|thumb|knuckle|pincer", re.IGNORECASE)
_FLANGE = re.compile(
    r"(^|[_\-/])(flange|tool\d*|tool_?(tip|frame|center_?point)|tcp|eef?|end_?effector|grasp_?\w*)([_\-]?(link|frame))?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class TreeJoint:
    """A joint of a URDF: its name and type, and the links that it connects."""

    name: str
    kind: str
    parent: str
    child: str


class LinkTree:
    """Links of a URDF, and the joints between them.

    Parameters
    ----------
    links : iterable of str
    joints : iterable of TreeJoint
        At most one above each link.
    """

    def __init__(self, links: Iterable[str], joints: Iterable[TreeJoint]):
        self._links = list(links)
        self._children = {joint.child for joint in joints}
        self._below: dict[str, list[TreeJoint]] = {}
        for joint in joints:
            self._below.setdefault(joint.parent, []).append(joint)

    def default_base(self, option: str) -> str:
        """The only root.

        Raises
        ------
        URDFError
            When there are several; they are listed, as what ``option`` can be.
        """
        roots = [link for link in self._links if link not in self._children]
        if len(roots) != 1:
            raise URDFError(f"{option} is needed: the URDF has {len(roots)} root links: {_listed(roots)}")
        return roots[0]

    def default_tip(self, base: str, option: str) -> str:
        """Tip of the only arm below ``base``: the only leaf behind moving joints, or where a gripper begins.

        Joints of a gripper at the end of a branch do not count. Of several ends that the same joints move, a leaf that
        is no part of the gripper is taken. Where all joints are a gripper's, the only leaf is taken.

        Raises
        ------
        URDFError
            When that leaves a choice; leaves and flanges are listed, as what ``option`` can be.
        """
        branches = self._branches(base)
        leaves = [link for link in self._links if link not in self._below]
        moving = [leaf for leaf in leaves if leaf in branches and branches[leaf].moving]
        ends = {leaf: self._before_gripper(branches, leaf) for leaf in moving}
        if len({branches[end].joint for end in ends.values()}) == 1:
            bare = [leaf for leaf in moving if ends[leaf] == leaf] or list(dict.fromkeys(ends.values()))
            if len(bare) == 1 and branches[bare[0]].moving:
                return bare[0]
        if len(leaves) == 1 or len(moving) == 1:
            return (moving or leaves)[0]

        def counted(links: Sequence[str]) -> str:
            counts = {link: branches[link].moving if link in branches else 0 for link in links}
            return _listed([f"{link} ({count} joints)" for link, count in counts.items()])

        flanges = [link for link in self._links if _FLANGE.search(link) and link not in leaves]
        mounts = [end for end in dict.fromkeys(ends.values()) if end not in leaves and end not in flanges]
        text = f"{option} is needed: the URDF has {len(leaves)} leaf links: {counted(leaves)}"
        text += f"; flanges: {counted(flanges)}" if flanges else ""
        raise URDFError(text + (f"; where a gripper begins: {counted(mounts)}" if mounts else ""))

    def gripper_joints(self, base: str, tip: str) -> list[TreeJoint]:
        """Moving joints at the end of the chain from base to tip that are a gripper's by their names."""
        return _gripper_joints(self._branches(base), tip)

    def grippers_left_out(self, base: str, tip: str) -> list[TreeJoint]:
        """Moving joints behind the last one of the chain, and not in it, that are a gripper's by their names."""
        last = self._branches(base).get(tip, _Branch(None, 0)).joint
        behind = {branch.joint for branch in self._branches(base if last is None else last.child).values()}
        joints = [joint for joint in behind - {None, last} if joint is not None and _is_gripper(joint)]
        return sorted(joints, key=lambda joint: joint.name)

    def _before_gripper(self, branches: dict[str, _Branch], tip: str) -> str:
        joints = _gripper_joints(branches, tip)
        return joints[0].parent if joints else tip

    def _branches(self, base: str) -> dict[str, _Branch]:
        """Links below ``base``, itself among them, each with what moves it."""
        found, waiting = {base: _Branch(None, 0)}, [base]
        while waiting:
            above = found[link := waiting.pop()]
            for joint in self._below.get(link, ()):
                if joint.child not in found:
                    found[joint.child] = _Branch(joint, above.moving + 1) if joint.kind in MOVABLE else above
                    waiting.append(joint.child)
        return found


@dataclass(frozen=True)
class _Branch:
    """Way from the base to a link: its last moving joint, and the number of moving joints."""

    joint: TreeJoint | None
    moving: int


def _gripper_joints(branches: dict[str, _Branch], tip: str) -> list[TreeJoint]:
    found: list[TreeJoint] = []
    joint = branches[tip].joint if tip in branches else None
    while joint is not None and _is_gripper(joint) and len(found) < MAX_GRIPPER_JOINTS:
        found.insert(0, joint)
        joint = branches[joint.parent].joint
    return found


def _is_gripper(joint: TreeJoint) -> bool:
    # The joint that turns a gripper as a whole has a gripper below it, and none above.
    links = (joint.parent, joint.child)
    return bool(_GRIPPER.search(joint.name)) or all(_GRIPPER.search(link) for link in links)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more
