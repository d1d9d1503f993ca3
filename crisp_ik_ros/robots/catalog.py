"""Robots by name or by URDF."""

from __future__ import annotations

from pathlib import Path

from crisp_ik_ros.resources import model_path
from crisp_ik_ros.robots.robot_model import RobotModel, panda_urdf_path

BUILT_IN = ("panda", "planar5")


def find_robot(robot: str | Path, base_link: str | None = None, tip_link: str | None = None) -> RobotModel:
    """Robot model of a built-in name ("panda", "planar5") or of a URDF's path or text.

    Raises
    ------
    URDFError
        When the URDF cannot be used.
    MissingDependencyError
        When the Panda is wanted and pybullet, which brings its URDF, is not installed.
    """
    if robot in BUILT_IN and not base_link and not tip_link:
        return RobotModel.panda() if robot == "panda" else RobotModel.planar5()
    return RobotModel.from_urdf(find_urdf(robot), base_link or None, tip_link or None)


def find_urdf(robot: str | Path) -> str | Path:
    """Path of a built-in robot's URDF; anything else is returned as it is."""
    if robot == "panda":
        return panda_urdf_path()
    if robot == "planar5":
        return model_path("planar5.urdf")
    return robot
