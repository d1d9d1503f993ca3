"""The serial chain between two links of a URDF."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.errors import URDFError
from crisp_ik_ros.files import read_file, shortened
from crisp_ik_ros.robots.ends import MOVABLE, LinkTree, TreeJoint
from crisp_ik_ros.robots.guarded_xml import LARGEST, plain_xml
from crisp_ik_ros.robots.xacro_files import SUFFIX as XACRO_SUFFIX
from crisp_ik_ros.robots.xacro_files import expand_xacro, is_xacro, require_xacro
from crisp_ik_ros.transforms import Array

# No file system takes a longer path.
LONGEST_PATH = 4096
# More than any arm has: joints of a chain, lengths [m], joint limits [rad or m], masses of links [kg].
MOST_JOINTS, LARGEST_LENGTH, LARGEST_LIMIT, LARGEST_MASS = 1000, 1e6, 1e12, 1e9


@dataclass(frozen=True)
class ChainJoint:
    """One joint of a chain, as its URDF has it.

    Attributes
    ----------
    name, kind, child_link : str
        ``kind`` is revolute, continuous, prismatic or fixed.
    origin : (4, 4)
        Pose of the joint frame in the parent link's frame [m].
    axis : (3,)
        Unit axis in the joint frame.
    lower, upper : float
        Limits [rad or m]; -pi and pi for a continuous joint, 0 for a fixed one.
    velocity : float
        Largest speed [rad/s or m/s]; infinity where the URDF names none.
    """

    name: str
    kind: str
    child_link: str
    origin: Array
    axis: Array
    lower: float = 0.0
    upper: float = 0.0
    velocity: float = np.inf

    @property
    def movable(self) -> bool:
        """Whether the joint has a degree of freedom."""
        return self.kind != "fixed"


@dataclass(frozen=True)
class ParsedChain:
    """What a URDF says of the chain from ``base_link`` to ``tip_link``: its joints in order, and the robot's name."""

    name: str
    base_link: str
    tip_link: str
    joints: tuple[ChainJoint, ...]


@dataclass(frozen=True)
class Body:
    """A link of a URDF, and where it hangs.

    Attributes
    ----------
    name, parent : str
        The link and the one above it; ``parent`` is empty for the root.
    origin : (4, 4)
        Pose in the parent's frame with the joint between them at zero [m].
    mass : float
        0 where the URDF names none [kg].
    center : (3,)
        Centre of mass in the link's frame [m].
    fixed : bool
        Whether it never moves to its parent.
    """

    name: str
    parent: str
    origin: Array
    mass: float
    center: Array
    fixed: bool = False


def read_urdf(path_or_xml: str | Path) -> bytes:
    """Bytes of a URDF given as a path or as its XML text; a xacro file is expanded.

    Raises
    ------
    URDFError
        When there is no such file, it is larger than 16 MiB, or it is a xacro file that cannot be expanded.
    MissingDependencyError
        When it is a xacro file, and nothing is installed that expands it.
    """
    text = str(path_or_xml)
    if text.lstrip().startswith("<"):
        return text.encode()
    path = Path(path_or_xml)
    try:
        if path.suffix.lower() == XACRO_SUFFIX:
            require_xacro(path)
        content = read_file(path, LARGEST, URDFError, "URDF")
    except URDFError as error:
        said = "" if len(text) > LONGEST_PATH else f" ({error})"
        raise URDFError(f"no URDF file at {shortened(text)}; give a path to one, or its XML text{said}") from error
    return expand_xacro(path) if is_xacro(path, content) else content


def parse_chain(xml: bytes, base_link: str | None = None, tip_link: str | None = None) -> ParsedChain:
    """Parse the chain between two links of a URDF.

    Parameters
    ----------
    xml : bytes
        The URDF. Document type declarations are refused: nothing is expanded or fetched.
    base_link, tip_link : str, optional
        The ends. Default: the root link, and the tip of the only arm, as ``LinkTree.default_tip`` has it.

    Returns
    -------
    ParsedChain
        Joints from base to tip. A ``mimic`` tag is ignored; so are branches off the chain.

    Raises
    ------
    URDFError
        When the XML is no URDF, a link is unknown, the links are not connected, or a joint of the chain lacks limits,
        has a zero axis or a type that is not supported.
    """
    return _chain(_parse_with_yourdfpy(plain_xml(xml)), base_link, tip_link)


def parse_bodies(
    xml: bytes, base_link: str | None = None, tip_link: str | None = None
) -> tuple[ParsedChain, tuple[Body, ...]]:
    """Parse the chain between two links of a URDF, and all links with their masses.

    Parameters
    ----------
    xml, base_link, tip_link
        As in ``parse_chain``.

    Returns
    -------
    ParsedChain
        As ``parse_chain`` has it.
    tuple of Body
        All links of the URDF, those beside the chain too.

    Raises
    ------
    URDFError
        As ``parse_chain`` does, and when a mass is negative, or it or a position is not finite.
    """
    robot = _parse_with_yourdfpy(plain_xml(xml))
    chain = _chain(robot, base_link, tip_link)
    above = {joint.child: joint for joint in robot.joints}
    return chain, tuple(_body(link, above.get(link.name)) for link in robot.links)


def parse_tree(xml: bytes) -> tuple[Any, dict[str, Any]]:
    """Parse a whole URDF: the robot as yourdfpy has it, and the joint above each of its links but the roots.

    Raises
    ------
    URDFError
        When the XML is no URDF, or its joints and links are no trees.
    """
    robot = _parse_with_yourdfpy(plain_xml(xml))
    return robot, _joints_above(robot, {link.name for link in robot.links})


def _chain(robot: Any, base_link: str | None, tip_link: str | None) -> ParsedChain:
    links = {link.name for link in robot.links}
    joint_above = _joints_above(robot, links)
    tree = LinkTree(sorted(links), [TreeJoint(j.name, j.type, j.parent, j.child) for j in robot.joints])
    for label, link in (("base_link", base_link), ("tip_link", tip_link)):
        if link and link not in links:
            raise URDFError(f"{label} {link!r} is not in the URDF; it has {', '.join(sorted(links)[:40])}")
    base_link = base_link or tree.default_base("base_link")
    tip_link = tip_link or tree.default_tip(base_link, "tip_link")
    chain: list[ChainJoint] = []
    link = tip_link
    while link != base_link:
        if link not in joint_above:
            raise URDFError(f"{tip_link!r} does not hang below {base_link!r}: the chain upwards ends at {link!r}")
        joint = joint_above[link]
        chain.append(_convert(joint))
        link = joint.parent
        if len(chain) > MOST_JOINTS:
            raise URDFError(f"the chain from {base_link!r} to {tip_link!r} has more than {MOST_JOINTS} joints")
    chain.reverse()
    if not any(joint.movable for joint in chain):
        raise URDFError(f"the chain from {base_link!r} to {tip_link!r} has no joint that moves")
    return ParsedChain(str(robot.name), base_link, tip_link, tuple(chain))


def _joints_above(robot: Any, links: set[str]) -> dict[str, Any]:
    """Joint above each link but the roots; refused where joints and links are no trees."""
    for what, named in (("link", robot.links), ("joint", robot.joints)):
        counted = Counter(part.name for part in named)
        if not all(isinstance(name, str) and name for name in counted):
            raise URDFError(f"a <{what}> has no name; each {what} needs one of its own")
        twice = sorted(name for name, times in counted.items() if times > 1)
        if twice:
            listed = shortened(", ".join(map(repr, twice)))
            raise URDFError(f"two {what}s are named {listed}; each {what} needs a name of its own")
    above: dict[str, Any] = {}
    for joint in robot.joints:
        for label, link in (("parent", joint.parent), ("child", joint.child)):
            if link not in links:
                raise URDFError(f"joint {joint.name!r} has the {label} {link!r}, and there is no such link")
        if joint.child in above:
            raise URDFError(f"link {joint.child!r} has two parent joints: {above[joint.child].name!r}, {joint.name!r}")
        above[joint.child] = joint
    rooted: set[str] = set()
    for first in above:
        link, way = first, []
        while link in above and link not in rooted:
            rooted.add(link)
            way.append(link)
            link = above[link].parent
        if link in above and link in way:
            raise URDFError(f"the links form a cycle through {link!r}")
    return above


def _parse_with_yourdfpy(xml: bytes) -> Any:
    # Imported here: it costs a second, and serving a trained model does not parse a URDF.
    import yourdfpy

    try:
        model = yourdfpy.URDF.load(
            io.BytesIO(xml),
            build_scene_graph=False,
            build_collision_scene_graph=False,
            load_meshes=False,
            load_collision_meshes=False,
        )
    except Exception as error:  # yourdfpy and lxml raise many kinds on text that is no URDF
        said = shortened(f"{type(error).__name__}: {error}", 500)
        raise URDFError(f"cannot be read as a URDF: {said}") from error
    if not model.robot.links:
        raise URDFError("the XML has no <link>; a URDF's <robot> element is expected")
    return model.robot


def _body(link: Any, joint: Any) -> Body:
    mass, center = 0.0, np.zeros(3)
    if link.inertial is not None:
        mass = float(link.inertial.mass or 0.0)
        if not 0.0 <= mass <= LARGEST_MASS:
            raise URDFError(
                f"link {link.name!r} has mass {mass}; a finite number of kilograms, at least 0 and at most "
                f"{LARGEST_MASS:g}, expected"
            )
        center = _origin(link.inertial.origin, f"the <inertial> of link {link.name!r}")[:3, 3]
    if joint is None:
        return Body(link.name, "", np.eye(4), mass, center)
    origin = _origin(joint.origin, f"joint {joint.name!r}")
    return Body(link.name, joint.parent, origin, mass, center, joint.type == "fixed")


def _origin(matrix: Any, owner: str) -> Array:
    origin = np.eye(4) if matrix is None else np.array(matrix, dtype=float)
    if not np.isfinite(origin).all():
        raise URDFError(f"{owner} has an origin that is not finite")
    if origin.shape != (4, 4) or np.abs(origin).max() > LARGEST_LENGTH:
        raise URDFError(f"{owner} has an origin farther than {LARGEST_LENGTH:g} m away, or of other than 3 numbers")
    return origin


def _convert(joint: Any) -> ChainJoint:
    origin = _origin(joint.origin, f"joint {joint.name!r}")
    if joint.type == "fixed":
        return ChainJoint(joint.name, "fixed", joint.child, origin, np.array([1.0, 0.0, 0.0]))
    if joint.type not in MOVABLE:
        raise URDFError(f"joint {joint.name!r} is {joint.type!r}; supported: {', '.join((*MOVABLE, 'fixed'))}")
    # URDF's default axis is x
    axis = np.array([1.0, 0.0, 0.0]) if joint.axis is None else np.array(joint.axis, dtype=float)
    length = np.linalg.norm(axis)
    if not (axis.shape == (3,) and np.isfinite(length) and length > 1e-9):
        raise URDFError(f"joint {joint.name!r} has axis {axis.tolist()}; a finite axis of non-zero length is expected")
    limit = joint.limit
    velocity = float(limit.velocity) if limit is not None and limit.velocity else np.inf
    if not velocity > 0.0:
        raise URDFError(f"joint {joint.name!r} has the largest velocity {velocity}; a number above 0 is expected")
    if joint.type == "continuous":
        return ChainJoint(joint.name, joint.type, joint.child, origin, axis / length, -np.pi, np.pi, velocity)
    if limit is None or limit.lower is None or limit.upper is None:
        raise URDFError(f"joint {joint.name!r} is {joint.type} and has no <limit lower= upper=>")
    lower, upper = float(limit.lower), float(limit.upper)
    if not -LARGEST_LIMIT <= lower <= upper <= LARGEST_LIMIT:
        raise URDFError(
            f"joint {joint.name!r} has limits [{lower}, {upper}]; finite, lower <= upper, none beyond "
            f"{LARGEST_LIMIT:g} expected"
        )
    return ChainJoint(joint.name, joint.type, joint.child, origin, axis / length, lower, upper, velocity)
