"""Robot files: one YAML a robot, with all that its URDF does not say. They are read here, and refused where wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from crisp_ik_ros.errors import RobotFileError, quoted
from crisp_ik_ros.files import read_file
from crisp_ik_ros.robots.placement import Placement, Triple
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.robots.sources import locate
from crisp_ik_ros.robots.urdf import LARGEST_LENGTH, LARGEST_LIMIT, ChainJoint

SUFFIXES = (".yaml", ".yml")
LARGEST = 1 << 17
ROS_NAME = re.compile(r"[A-Za-z_]\w*(/[A-Za-z_]\w*)*\Z")


@dataclass(frozen=True)
class Limits:
    """What a joint's limits are where the URDF has others; None: the URDF's [rad or m, rad/s or m/s]."""

    lower: float | None = None
    upper: float | None = None
    velocity: float | None = None


@dataclass(frozen=True)
class RobotFile:
    """A robot as its file describes it.

    Attributes
    ----------
    path : Path
        Of the file.
    urdf : str
        As ``sources.locate`` takes it.
    description : str
        The robot in a few words.
    base_link, tip_link : str
        Ends of the chain; empty: the URDF's root, and the tip of its only arm.
    rest : dict of str to float
        Configuration that redundancy is resolved towards, by joint [rad or m]; empty: the middles of the limits.
    limits : dict of str to Limits
        Official limits of joints, where the URDF has others.
    controller : str
        Of ros2_control, that takes the trajectories.
    planning_group : str
        Of MoveIt.
    demo : Placement or None
        Of the demonstration's trajectories; None: there is no place for them.
    """

    path: Path
    urdf: str
    description: str = ""
    base_link: str = ""
    tip_link: str = ""
    rest: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, Limits] = field(default_factory=dict)
    controller: str = "joint_trajectory_controller"
    planning_group: str = "manipulator"
    demo: Placement | None = None

    @property
    def name(self) -> str:
        """Name of the robot: that of its file."""
        return self.path.stem

    @property
    def command_topic(self) -> str:
        """Topic that the controller takes trajectories from."""
        return f"{self.controller}/joint_trajectory"

    @property
    def command_action(self) -> str:
        """Action FollowJointTrajectory that the controller serves."""
        return f"{self.controller}/follow_joint_trajectory"

    def placement(self) -> Placement:
        """Where the trajectories lie.

        Raises
        ------
        RobotFileError
            When the file does not say.
        """
        if self.demo is None:
            raise _wrong(self.path, "demo", "nothing", "the places of spiral and circle, or of one of them")
        return self.demo

    def urdf_path(self) -> Path:
        """Path of the URDF.

        Raises
        ------
        RobotFileError
            When the URDF's package is not in the environment.
        MissingDependencyError
            When pybullet, which brings the URDF, is not installed.
        """
        try:
            return locate(self.urdf, self.path.parent)
        except ValueError as error:
            raise _wrong(self.path, "urdf", self.urdf, f"a file that is there: {error}") from error

    def model(self, base_link: str = "", tip_link: str = "") -> RobotModel:
        """Robot model, between other links where they are named; rest and limits are then those of its joints.

        Raises
        ------
        RobotFileError
            When the URDF is not there, or a joint, its limits or its rest position do not belong to it.
        URDFError
            When the URDF cannot be used.
        MissingDependencyError
            When pybullet, which brings the URDF, is not installed.
        """
        path = self.urdf_path()
        if not path.is_file():
            raise _wrong(self.path, "urdf", self.urdf, f"a file that is there, not {path}")
        model = RobotModel.from_urdf(path, base_link or self.base_link or None, tip_link or self.tip_link or None)
        if not (base_link or tip_link):
            self._check_joints(model)
        joints = tuple(self._limited(joint) for joint in model.joints)
        lower, upper = ({j.name: getattr(j, end) for j in joints} for end in ("lower", "upper"))
        rest = [self.rest.get(name, 0.5 * (lower[name] + upper[name])) for name in model.joint_names]
        for name, value in zip(model.joint_names, rest, strict=True):
            if not lower[name] <= value <= upper[name]:
                expected = f"a value within the limits, [{lower[name]:g}, {upper[name]:g}]"
                raise _wrong(self.path, f"rest.{name}", value, expected)
        return RobotModel(
            joints, model.base_link, model.tip_link, model.name, model.urdf_sha256, rest, masses=model.masses,
            mass_centers=model.mass_centers,
        )  # fmt: skip

    def _check_joints(self, model: RobotModel) -> None:
        for name in ("rest", "limits"):
            unknown = [joint for joint in getattr(self, name) if joint not in model.joint_names]
            if unknown:
                expected = f"a joint of the chain: {', '.join(model.joint_names)}"
                raise _wrong(self.path, f"{name}.{unknown[0]}", unknown[0], expected)

    def _limited(self, joint: ChainJoint) -> ChainJoint:
        own = self.limits.get(joint.name)
        if own is None or not joint.movable:
            return joint
        place = f"limits.{joint.name}"
        if joint.kind == "continuous" and (own.lower is not None or own.upper is not None):
            raise _wrong(self.path, place, "lower or upper", "none: the joint turns without end")
        values = {item.name: getattr(own, item.name) for item in fields(own) if getattr(own, item.name) is not None}
        joint = replace(joint, **values)
        if joint.lower > joint.upper:
            raise _wrong(self.path, place, [joint.lower, joint.upper], "lower at most upper")
        return joint


def is_robot_file(robot: str | Path) -> bool:
    """Whether this is the path of a robot file, by its suffix."""
    text = str(robot)
    return "<" not in text and text.lower().endswith(SUFFIXES)


def read_robot_file(path: str | Path) -> RobotFile:
    """Read a robot file.

    Raises
    ------
    RobotFileError
        When it is not there, is no plain YAML, or has a field that is unknown or cannot be used; the field is named.
    """
    path = Path(path).expanduser()
    content = read_file(path, LARGEST, RobotFileError, "robot file (.yaml)")
    try:
        values = yaml.load(content, _PlainLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise RobotFileError(f"{path} is no plain YAML: {quoted(error)}") from error
    return _Reader(path).robot(values)


class _PlainLoader(yaml.SafeLoader):
    """Neither aliases, with which a few lines can stand for gigabytes, nor fields that are there twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias (*name); write out what it stands for")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise yaml.YAMLError(f"the field {twice[0]!r} is there twice")
        return super().construct_mapping(node, deep)


class _Reader:
    """Values of a file as those of a ``RobotFile``."""

    def __init__(self, path: Path):
        self._path = path

    def robot(self, values: Any) -> RobotFile:
        readers: dict[str, Callable[[str, Any], Any]] = {
            "urdf": self._text,
            "description": self._text,
            "base_link": self._text,
            "tip_link": self._text,
            "rest": lambda place, value: self._by_joint(place, value, self._number),
            "limits": lambda place, value: self._by_joint(place, value, self._limits),
            "controller": self._name,
            "planning_group": self._text,
            "demo": self._demo,
        }
        read = self._fields("", values, readers)
        if not read.get("urdf"):
            raise _wrong(self._path, "urdf", "nothing", "where the robot's URDF is")
        return RobotFile(self._path, **read)

    def _fields(self, place: str, values: Any, readers: Mapping[str, Callable[[str, Any], Any]]) -> dict[str, Any]:
        values = self._mapping(place, values, f"fields: {', '.join(readers)}")
        for name in values:
            if name not in readers:
                raise self._error(f"{place}{name}", "a field of this name", f"one of {', '.join(readers)}")
        return {name: readers[name](f"{place}{name}", value) for name, value in values.items()}

    def _mapping(self, place: str, value: Any, expected: str) -> dict:
        if not isinstance(value, dict):
            raise self._error(place.rstrip(".") or "the file", _kind(value), expected)
        return value

    def _by_joint(self, place: str, value: Any, read: Callable[[str, Any], Any]) -> dict[str, Any]:
        values = self._mapping(place, value, "joint names, each with its values")
        return {str(joint): read(f"{place}.{joint}", one) for joint, one in values.items()}

    def _limits(self, place: str, value: Any) -> Limits:
        limits = Limits(**self._fields(f"{place}.", value, {item.name: self._number for item in fields(Limits)}))
        if limits.velocity is not None and not limits.velocity > 0.0:
            raise self._error(f"{place}.velocity", limits.velocity, "a number above 0")
        return limits

    def _demo(self, place: str, value: Any) -> Placement:
        triples, numbers = ("spiral", "circle", "turn", "tool"), ("radius", "height")
        read = self._fields(
            f"{place}.", value, {**dict.fromkeys(triples, self._triple), **dict.fromkeys(numbers, self._number)}
        )
        for name in numbers:
            if name in read and not 0.0 < read[name] <= LARGEST_LENGTH:
                raise self._error(f"{place}.{name}", read[name], "a positive number of metres")
        if not {"spiral", "circle"} & set(read):
            raise self._error(place, "neither spiral nor circle", "the middle of one of them at least")
        return Placement(**{"spiral": None, "circle": None, **read})

    def _triple(self, place: str, value: Any) -> Triple:
        if not isinstance(value, list) or len(value) != 3:
            raise self._error(place, _kind(value), "three numbers, [x, y, z]")
        x, y, z = (self._number(place, one) for one in value)
        return x, y, z

    def _number(self, place: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._error(place, _kind(value), "a number (YAML wants 1.0e-3, not 1e-3)")
        if not abs(value) <= LARGEST_LIMIT:
            raise self._error(place, value, f"a number, none beyond {LARGEST_LIMIT:g}")
        return float(value)

    def _text(self, place: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self._error(place, _kind(value), "a text")
        return value.strip()

    def _name(self, place: str, value: Any) -> str:
        if not ROS_NAME.match(self._text(place, value)):
            raise self._error(place, repr(value), "a ROS name: letters, digits, _ and /, no digit first")
        return value.strip()

    def _error(self, place: str, got: object, expected: str) -> RobotFileError:
        return _wrong(self._path, place, got, expected)


def _wrong(path: Path, place: str, got: object, expected: str) -> RobotFileError:
    """Error that names the file and the field, with those that it stands in: ``limits.joint1.lower``."""
    return RobotFileError(f"{path}: {place}: got {quoted(got)}, expected {expected}")


def _kind(value: Any) -> str:
    kinds = {dict: "fields", list: f"a list of {len(value) if isinstance(value, list) else 0}", type(None): "nothing"}
    return kinds.get(type(value), repr(value))
