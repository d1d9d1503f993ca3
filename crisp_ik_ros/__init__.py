"""Inverse kinematics that learns from data what is wrong with a robot's model (CRiSP), for ROS 2."""

from pathlib import Path

from crisp_ik_ros.early_end import end_quietly

# Before all that takes its time to be imported.
end_quietly()

# ruff: noqa: E402
from crisp_ik_ros.compilation_cache import use_cache

# Before any module with compiled functions is imported.
use_cache(Path(__file__).resolve().parent)

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.estimators.model_file import load_model
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.result import IKResult, PathResult, Status

__all__ = [
    "CRiSP",
    "CrispIKError",
    "Dataset",
    "IKResult",
    "LearnedKinematics",
    "ModelBasedIK",
    "PathResult",
    "Priors",
    "RobotModel",
    "Status",
    "load_model",
]
__version__ = "0.1.0"
