"""Which nodes make up a system, and with which parameters: one description for `ros2 launch` and `crisp-ik sim`."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.nodes.description import description_of, robot_file_of
from crisp_ik_ros.nodes.paths import BOTH, requested_paths
from crisp_ik_ros.nodes.serving import NOMINAL
from crisp_ik_ros.resources import config_path
from crisp_ik_ros.robots.catalog import PANDA
from crisp_ik_ros.robots.robot_file import is_robot_file
from crisp_ik_ros.trajectories import TRAJECTORIES

PACKAGE = "crisp_ik"
# Parent of the enclaves in config/security/policy.xml, each of which has the name of its node.
ENCLAVES = f"/{PACKAGE}"
AUTO = "auto"
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")
LOSSES = ("residual", "forward_kinematics", "radians")
TRUE, FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def _argument(default: Any, description: str) -> Any:
    return field(default=default, metadata={"description": description})


@dataclass(frozen=True)
class SystemArguments:
    """Arguments of the launch file and of ``crisp-ik sim``; each field tells what it is in its metadata."""

    robot: str = _argument(PANDA, "Name of a robot ('crisp-ik robots' lists them), or path of a robot file (.yaml).")
    trajectory: str = _argument(BOTH, "What to follow: spiral, circle or both.")
    joint_bias_deg: float = _argument(0.0, "Offset of every joint of the simulated robot from its URDF [degrees].")
    link_bias_mm: float = _argument(0.0, "Offset of every link of the simulated robot, along x, y and z [mm].")
    bias_seed: int = _argument(-1, "Seed of the random signs of the offsets; -1: all positive.")
    model: str = _argument(
        AUTO,
        "What the service answers with: a trained model (path), 'nominal' (the URDF alone), or 'auto' (the model that "
        "ships, for an unbiased Panda; for all else a model is trained first, and kept for the next time).",
    )
    loss: str = _argument("residual", "Loss of a model that is trained: residual, forward_kinematics or radians.")
    samples: int = _argument(5000, "Number of samples for a model that is trained.")
    rate: float = _argument(25.0, "Targets per second [Hz].")
    points: int = _argument(200, "Targets on each trajectory.")
    rviz: bool = _argument(True, "Whether to start RViz.")
    robot_state_publisher: bool = _argument(True, "Whether to start robot_state_publisher (RViz needs its frames).")
    gui: bool = _argument(False, "Whether PyBullet opens its window.")
    view: bool = _argument(False, "Whether the arm is shown in a browser (node viewer).")
    view_host: str = _argument("127.0.0.1", "Address that the page is served at; 0.0.0.0: open to the network.")
    view_port: int = _argument(8080, "Port of the page; where it is taken, the next free one.")
    open_browser: bool = _argument(False, "Whether the page is opened in this machine's browser.")
    loop: bool = _argument(False, "Whether to begin again after the last target.")
    exit_when_done: bool = _argument(False, "Whether all ends after the last target.")
    report: str = _argument("", "Path of a JSON file for all that was measured; empty: none.")
    security: bool = _argument(
        False, f"Whether each node runs in its SROS2 enclave, {ENCLAVES}/NODE (see docs/security.md)."
    )
    log_level: str = _argument("info", "Least level that this package's nodes log: debug, info, warn, error or fatal.")

    def __post_init__(self) -> None:
        choices = {"trajectory": (*TRAJECTORIES, BOTH), "loss": LOSSES, "log_level": LOG_LEVELS}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise InvalidInputError(name, repr(getattr(self, name)), " or ".join(map(repr, allowed)))
        for name, lowest in {"samples": 8, "points": 2, "bias_seed": -1}.items():
            if getattr(self, name) < lowest:
                raise InvalidInputError(name, getattr(self, name), f"at least {lowest}")
        if not 1 <= self.view_port <= 65535:
            raise InvalidInputError("view_port", self.view_port, "a port, 1 to 65535")
        if not 0.0 < self.rate <= 500.0:
            raise InvalidInputError("rate", self.rate, "targets per second, above 0 and at most 500")
        if not (abs(self.joint_bias_deg) <= 45.0 and abs(self.link_bias_mm) <= 500.0):
            raise InvalidInputError(
                "joint_bias_deg, link_bias_mm",
                f"{self.joint_bias_deg}, {self.link_bias_mm}",
                "at most 45 degrees and 500 mm",
            )
        if not self.model:
            raise InvalidInputError("model", "nothing", f"a path, {NOMINAL!r} or {AUTO!r}")

    @classmethod
    def parse(cls, texts: Mapping[str, str]) -> SystemArguments:
        """Arguments from texts, as a launch file has them; what is left out has its default.

        Raises
        ------
        InvalidInputError
            When an argument is unknown or its text is not of its type.
        """
        defaults = {item.name: item.default for item in dataclasses.fields(cls)}
        unknown = sorted(set(texts) - set(defaults))
        if unknown:
            raise InvalidInputError("argument", ", ".join(unknown), "one of " + ", ".join(defaults))
        return cls(**{name: _convert(name, text, type(defaults[name])) for name, text in texts.items()})

    @property
    def biased(self) -> bool:
        """Whether the simulated robot differs from its URDF."""
        return self.joint_bias_deg != 0.0 or self.link_bias_mm != 0.0


@dataclass(frozen=True)
class NodeSpec:
    """One process of a system.

    Attributes
    ----------
    name : str
        Of the node.
    executable, package : str
    parameters : dict
    config : Path or None
        Parameter file, read before ``parameters``.
    after : str
        Name of the node that must have ended well before this one starts; empty: at once.
    required : bool
        Whether the system ends when this node does.
    remappings : tuple of (str, str)
    arguments : tuple of str
        Further arguments of the command line.
    enclave : str
        SROS2 enclave; empty: that of the environment.
    log_level : str
        Least level that is logged; empty: ROS's default.
    """

    name: str
    executable: str
    package: str = PACKAGE
    parameters: dict[str, Any] = field(default_factory=dict)
    config: Path | None = None
    after: str = ""
    required: bool = True
    remappings: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()
    enclave: str = ""
    log_level: str = ""

    @property
    def ros_arguments(self) -> list[str]:
        """What goes behind ``--ros-args`` beside names and parameters."""
        options = {"--enclave": self.enclave, "--log-level": self.log_level}
        return [word for option, value in options.items() if value for word in (option, value)]


def panda_sim_system(arguments: SystemArguments, cache: Path | None = None) -> list[NodeSpec]:
    """Nodes with which a simulated robot follows its trajectories, in the order they are to be started.

    Parameters
    ----------
    arguments : SystemArguments
    cache : Path, optional
        Folder for models that are trained; default: ``cache_directory()``.

    Raises
    ------
    CrispIKError
        When the robot's file cannot be used, or has no place for the trajectory.
    """
    file = robot_file_of(robot=arguments.robot)
    requested_paths(arguments.trajectory, arguments.points, 0.0, 0.0, placement=file.placement())
    robot = {} if arguments.robot == PANDA else {"robot": _portable(arguments.robot)}
    bias = {
        "joint_bias_deg": float(arguments.joint_bias_deg),
        "link_bias_mm": float(arguments.link_bias_mm),
        "bias_seed": arguments.bias_seed,
    }
    nodes = []
    model, after = arguments.model, ""
    if model == AUTO:
        model = ""
        if arguments.biased or arguments.loss != "residual" or robot:
            model, after = str(trained_model_path(arguments, cache)), "trainer"
            parameters = {
                **robot,
                **bias,
                "loss": arguments.loss,
                "samples": arguments.samples,
                "output": model,
                "reuse": True,
            }
            nodes.append(_node("trainer", parameters, required=False))
    elif model != NOMINAL:
        model = str(Path(model).expanduser().absolute())
    simulation = {
        **robot,
        **bias,
        "gui": arguments.gui,
        "publish_robot_description": not arguments.robot_state_publisher,
    }
    nodes.append(_node("panda_sim", simulation))
    nodes.append(_node("ik_service", {**robot, "model": model}, after=after))
    following = {
        **robot,
        "trajectory": arguments.trajectory,
        "points": arguments.points,
        "rate": float(arguments.rate),
        "loop": arguments.loop,
        "exit_when_done": arguments.exit_when_done,
        "report": str(Path(arguments.report).expanduser().absolute()) if arguments.report else "",
    }
    nodes.append(_node("trajectory_follower", following))
    if arguments.view:
        page = {"host": arguments.view_host, "port": arguments.view_port, "open_browser": arguments.open_browser}
        nodes.append(_node("viewer", {**robot, "model": model, **page}, after=after, required=False))
    # A handle is of no use without RViz, whose package brings what it is made with.
    if arguments.rviz and find_spec("interactive_markers") is not None:
        nodes.append(_node("target_marker", {**robot}, required=False))
    nodes = [dataclasses.replace(node, log_level=arguments.log_level) for node in nodes]
    if arguments.robot_state_publisher:
        description = {"robot_description": description_of(file.urdf_path())}
        publisher = "robot_state_publisher"
        nodes.append(NodeSpec(publisher, publisher, publisher, parameters=description, required=False))
    if arguments.rviz:
        view = ("-d", str(config_path("panda.rviz")), "-f", file.model().base_link)
        nodes.append(NodeSpec("rviz2", "rviz2", "rviz2", required=False, arguments=view))
    if arguments.security:
        nodes = [dataclasses.replace(node, enclave=f"{ENCLAVES}/{node.name}") for node in nodes]
    return nodes


def cache_directory() -> Path:
    """Folder for models that are trained on the way: ``crisp_ik`` in $ROS_HOME, else in ~/.ros."""
    home = os.environ.get("ROS_HOME")
    return (Path(home) if home else Path.home() / ".ros") / "crisp_ik"


def trained_model_path(arguments: SystemArguments, cache: Path | None = None) -> Path:
    """Where the model for a robot and its bias is kept; all that it depends on is in its name."""
    signs = "positive" if arguments.bias_seed < 0 else f"seed{arguments.bias_seed}"
    bias = f"{arguments.joint_bias_deg:g}deg_{arguments.link_bias_mm:g}mm_{signs}"
    robot = robot_file_of(robot=arguments.robot)
    name = robot.name
    if name != arguments.robot:
        # Other files may have this name, and this one may come to say something else.
        name += "_" + hashlib.sha256(f"{robot.demo}{robot.model().fingerprint}".encode()).hexdigest()[:8]
    name = f"{name}_{bias}_{arguments.loss}_{arguments.samples}.npz"
    return (cache_directory() if cache is None else cache) / name


def _portable(robot: str) -> str:
    """Name of a robot, or path of its file from anywhere."""
    return str(Path(robot).expanduser().absolute()) if is_robot_file(robot) else robot


def _node(name: str, parameters: dict[str, Any], after: str = "", required: bool = True) -> NodeSpec:
    return NodeSpec(
        name, name, parameters=parameters, config=config_path(f"{name}.yaml"), after=after, required=required
    )


def _convert(name: str, text: str, kind: type) -> Any:
    text = str(text).strip()
    if kind is bool:
        if text.lower() not in (*TRUE, *FALSE):
            raise InvalidInputError(name, repr(text), "true or false")
        return text.lower() in TRUE
    try:
        return kind(text)
    except ValueError as error:
        raise InvalidInputError(name, repr(text), "a whole number" if kind is int else "a number") from error
