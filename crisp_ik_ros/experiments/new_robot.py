"""A robot file of a URDF: the chain checked, a rest configuration and places for the trajectories found, all drawn."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from crisp_ik_ros.errors import InvalidInputError, MissingDependencyError, RobotFileError, SimulationError, URDFError
from crisp_ik_ros.experiments.steps import Progress
from crisp_ik_ros.files import check_writable, replacing
from crisp_ik_ros.robots.catalog import robot_names
from crisp_ik_ros.robots.chain_report import ERROR, MISSING_MESHES, NOTE, WARNING, Description, Finding
from crisp_ik_ros.robots.conditioning import directions_of
from crisp_ik_ros.robots.robot_file import RobotFile, is_robot_file, read_robot_file
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.robots.sources import IN_MODELS, IN_PACKAGE, IN_PYBULLET, locate
from crisp_ik_ros.robots.urdf import read_urdf
from crisp_ik_ros.trajectories import placed_trajectories

if TYPE_CHECKING:
    import numpy as np

    from crisp_ik_ros.simulation.arm_process import ArmProcess
    from crisp_ik_ros.simulation.placing import Posture

ALL_DIRECTIONS = 6
# Time after which PyBullet is taken to hang, on a busy machine too [s].
MAX_ANSWER_S = 60.0
# Bytes of a robot file, about.
SIZE = 10_000


@dataclass(frozen=True)
class NewRobotRequest:
    """What a robot file is to be made of.

    Attributes
    ----------
    urdf : str
        Path, or a source as ``sources.locate`` takes it; of a URDF or a xacro file.
    base_link, tip_link : str
        Ends of the chain; empty: as ``LinkTree`` finds them.
    output : Path or None
        File to write; None: named after the robot, in this folder.
    picture : Path or None
        None: beside the file.
    controller, planning_group : str
        As in ``RobotFile``.
    force : bool
        Whether a file that is there is replaced.
    """

    urdf: str
    base_link: str = ""
    tip_link: str = ""
    output: Path | None = None
    picture: Path | None = None
    controller: str = "joint_trajectory_controller"
    planning_group: str = "manipulator"
    force: bool = False


def make_robot_file(request: NewRobotRequest, bar: Callable[[str], Progress] | None = None) -> dict[str, Any]:
    """Check a URDF's chain and, where nothing is wrong with it, write a robot file and a picture.

    Meshes that are missing are a warning. Where PyBullet cannot be used, self-collisions are not checked.

    Parameters
    ----------
    request : NewRobotRequest
    bar : callable, optional
        Called with the name of a piece of work; returns what is called as progress(done, total).

    Returns
    -------
    dict
        What was found, and under "robot file" what was written: None where errors were found.

    Raises
    ------
    URDFError
        When the URDF cannot be read or expanded, or has several ends and none was named.
    MissingDependencyError
        When it is a xacro file, and nothing is installed that expands it.
    RobotFileError
        When the file is there already, or cannot be written.
    """
    # Only here: all else does without a simulator.
    from crisp_ik_ros.experiments.robot_picture import draw_robot

    begin = time.perf_counter()
    path = locate(request.urdf, Path.cwd())
    xml = read_urdf(path)
    try:
        description = Description(xml)
    except URDFError as error:
        raise URDFError(f"{path}: {error}") from error
    base, tip = description.ends(request.base_link, request.tip_link)
    name = re.sub(r"\W+", "_", description.name).strip("_") or "robot"
    output = request.output or Path(f"{name}.yaml")
    _check_output(output, request.force)
    picture = request.picture or output.with_suffix(".png")
    findings = description.findings(base, tip, path.parent)
    summary: dict[str, Any] = {"urdf": str(path), "chain": f"{base} to {tip}"}
    if any(finding.level == ERROR for finding in findings):
        return {**summary, "findings": _told(findings), "robot file": None, "next": "correct the errors, then again"}
    robot = RobotModel.from_urdf(path, base, tip)
    directions = directions_of(robot)
    skeleton = any(finding.what == MISSING_MESHES for finding in findings)
    posture, scene, unusual = _look(path, robot, skeleton, (bar or _no_bar)("place of the demonstration"))
    findings += unusual
    rest = dict(zip(robot.joint_names, posture.rest.tolist(), strict=True))
    file = RobotFile(
        output, _source(request.urdf, path, output), description.name, base, tip, rest,
        controller=request.controller, planning_group=request.planning_group, demo=posture.placement,
    )  # fmt: skip
    findings += _of_arm(robot, directions, posture)
    with replacing(output, RobotFileError, "robot file") as stream:
        stream.write(robot_file_text(file).encode())
    written = read_robot_file(output).model()
    draw_robot(written, posture.placement, f"{description.name}: {base} to {tip}", picture, scene)
    placed = {} if posture.placement is None else asdict(posture.placement)
    return {
        **summary,
        "joints": robot.dof,
        "directions of the tool": f"{directions} of {ALL_DIRECTIONS}",
        "reach [m]": robot.reach,
        "findings": _told(findings),
        "rest [rad or m]": rest,
        "demo": {key: value for key, value in placed.items() if value is not None} or None,
        "nearest limit on it [% of the range]": 100.0 * posture.margin,
        "worst condition number on it": posture.condition,
        "robot file": str(output),
        "picture": str(picture),
        "seconds": time.perf_counter() - begin,
        "next": f"crisp-ik sim --robot {output}" if placed else f"crisp-ik train model.npz --robot {output} --data ...",
    }


def robot_file_text(file: RobotFile) -> str:
    """Text of a robot file, which ``read_robot_file`` reads as the same."""
    values: dict[str, Any] = {name: getattr(file, name) for name in ("urdf", "description", "base_link", "tip_link")}
    values["rest"] = dict(file.rest)
    if file.limits:
        values["limits"] = {
            joint: {key: value for key, value in asdict(limits).items() if value is not None}
            for joint, limits in file.limits.items()
        }
    values["controller"], values["planning_group"] = file.controller, file.planning_group
    if file.demo is not None:
        placed = {key: value for key, value in asdict(file.demo).items() if value is not None}
        values["demo"] = {key: list(value) if isinstance(value, tuple) else value for key, value in placed.items()}
    text = yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)
    return (
        "# A robot for crisp_ik, made by 'crisp-ik new-robot'. Angles in rad, lengths in m. Where the manufacturer's\n"
        "# limits differ from the URDF's: limits: {JOINT: {lower: ..., upper: ..., velocity: ...}}\n" + text
    )


def describe_robots() -> dict[str, Any]:
    """Known robots, each with its chain in numbers; of those whose URDF is not installed, what is missing."""
    rows = {}
    for name in robot_names():
        file = _known(name)
        placed = [] if file.demo is None else placed_trajectories(file.demo)
        try:
            robot = file.model()
            joints, reach, missing = robot.dof, round(robot.reach, 2), ""
        except ImportError as error:
            joints, reach, missing = None, None, str(error)
        rows[name] = {
            "robot": file.description + (f" ({missing})" if missing else ""),
            "joints": joints,
            "reach [m]": reach,
            "tip": file.tip_link,
            "paths": "both" if len(placed) == 2 else "".join(placed),
        }
    return rows


def _known(name: str) -> RobotFile:
    from crisp_ik_ros.resources import config_path

    return read_robot_file(config_path("robots") / f"{name}.yaml")


def _check_output(output: Path, force: bool) -> None:
    if not is_robot_file(output):
        raise InvalidInputError("--output", str(output), "a file name that ends in .yaml")
    if output.exists() and not force:
        raise RobotFileError(f"{output} is there already; --force replaces it, --output names another")
    check_writable(output, SIZE, RobotFileError, "robot file")


def _look(
    path: Path, robot: RobotModel, skeleton: bool, progress: Progress
) -> tuple[Posture, np.ndarray | None, list[Finding]]:
    """Posture of the arm, its picture where PyBullet draws one, and what is to be said of that."""
    from crisp_ik_ros.experiments.robot_picture import draw_scene
    from crisp_ik_ros.simulation.arm_process import with_arm_process
    from crisp_ik_ros.simulation.placing import find_posture

    def work(arm: ArmProcess, skeleton: bool) -> tuple[Posture, np.ndarray]:
        posture = find_posture(robot, arm.collision_free, progress=progress)
        return posture, arm.run(draw_scene, posture.rest, posture.placement, skeleton or not arm.meshes)

    try:
        (posture, scene), warning = with_arm_process(path, robot, lambda arm: work(arm, skeleton), MAX_ANSWER_S)
    except (SimulationError, MissingDependencyError) as error:
        what, remedy = f"PyBullet cannot be used: {error}", "nothing for the chain; self-collisions are not checked"
        return find_posture(robot, progress=progress), None, [Finding(WARNING, robot.name, what, remedy)]
    remedy = "look at the meshes, or convert them to .obj or .stl; self-collisions are checked without them"
    return posture, scene, [Finding(WARNING, robot.name, warning, remedy)] if warning else []


def _no_bar(label: str) -> Progress:
    return lambda done, total: None


def _source(urdf: str, path: Path, output: Path) -> str:
    """Where the URDF is, for the file: seen from there where it lies below, else with all of its path."""
    if urdf.startswith((IN_PYBULLET, IN_MODELS, IN_PACKAGE)):
        return urdf
    folder, full = output.absolute().parent.resolve(), path.resolve()
    return str(full.relative_to(folder)) if full.is_relative_to(folder) else str(full)


def _of_arm(robot: RobotModel, directions: int, posture: Posture) -> list[Finding]:
    found = []
    if directions < ALL_DIRECTIONS:
        what = f"it moves its tool in {directions} of {ALL_DIRECTIONS} directions"
        found.append(Finding(NOTE, robot.name, what, "ask for poses that such an arm can take only"))
    if not posture.free:
        what = "no configuration was found in which it does not touch itself"
        found.append(
            Finding(WARNING, robot.name, what, "look at the picture; correct <collision>, or rest in the file")
        )
    if not posture.complete:
        which = "without one" if posture.placement is None else "with the best so far"
        what = f"the search for a place of the demonstration was ended after its time; it goes on {which}"
        found.append(Finding(NOTE, robot.name, what, "look at the picture; rest and demo can be changed in the file"))
    if posture.placement is None:
        remedy = "set demo in the file by hand, or do without 'crisp-ik sim'; training and serving need no demo"
        found.append(Finding(WARNING, robot.name, "no place was found for spiral or circle", remedy))
    return found


def _told(findings: list[Finding]) -> list[dict[str, str]]:
    """Findings as texts, those that are the same for several joints together."""
    joints: dict[tuple[str, str, str], list[str]] = {}
    for one in findings:
        joints.setdefault((one.level, one.what, one.remedy), []).append(one.about)
    order = Counter({ERROR: 3, WARNING: 2, NOTE: 1})
    keys = sorted(joints, key=lambda key: -order[key[0]])
    return [
        {"about": f"{level}, {', '.join(joints[level, what, remedy])}", "what": what, "remedy": remedy}
        for level, what, remedy in keys
    ]
