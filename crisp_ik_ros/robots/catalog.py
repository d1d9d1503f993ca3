"""Robots by name, by robot file or by URDF."""

from __future__ import annotations

from pathlib import Path

from crisp_ik_ros.errors import URDFError
from crisp_ik_ros.files import shortened
from crisp_ik_ros.resources import config_path
from crisp_ik_ros.robots.robot_file import RobotFile, is_robot_file, read_robot_file
from crisp_ik_ros.robots.robot_model import RobotModel

PANDA = "panda"


def robot_names() -> tuple[str, ...]:
    """Names of the robots that ship with the package, each with a file of its own in ``config/robots``."""
    return tuple(sorted(path.stem for path in config_path("robots").glob("*.yaml")))


def find_robot_file(robot: str | Path) -> RobotFile | None:
    """File of a robot that is given by its name or by the path of such a file; None where it is a URDF.

    Raises
    ------
    RobotFileError
        When the file is not there or cannot be used.
    """
    if is_robot_file(robot):
        return read_robot_file(robot)
    return read_robot_file(config_path("robots") / f"{robot}.yaml") if robot in robot_names() else None


def find_robot(robot: str | Path, base_link: str | None = None, tip_link: str | None = None) -> RobotModel:
    """Robot model of a name (see ``robot_names``), of a robot file's path, or of a URDF's path or text.

    Raises
    ------
    RobotFileError
        When the robot file cannot be used.
    URDFError
        When the URDF cannot be used, or there is no such robot.
    MissingDependencyError
        When pybullet, which brings the robot's URDF, is not installed.
    """
    file = find_robot_file(robot)
    if file is not None:
        return file.model(base_link or "", tip_link or "")
    return RobotModel.from_urdf(_known(robot), base_link or None, tip_link or None)


def find_urdf(robot: str | Path) -> str | Path:
    """Path of a robot's URDF; a URDF's path or text is returned as it is.

    Raises
    ------
    RobotFileError, URDFError, MissingDependencyError
        As ``find_robot`` does.
    """
    file = find_robot_file(robot)
    return _known(robot) if file is None else file.urdf_path()


def _known(robot: str | Path) -> str | Path:
    """Refuse what can be neither a path nor a URDF's text, with the names that there are."""
    text = str(robot)
    if text.isidentifier() and not Path(text).exists():
        names = ", ".join(robot_names())
        raise URDFError(
            f"no robot {shortened(text)!r}, and no URDF file of this name; known robots: {names}. Others: the path of "
            "a URDF, or of a robot file, which 'crisp-ik new-robot URDF' writes"
        )
    return robot
