"""Inverse kinematics that learns from data what is wrong with a robot's model (CRiSP), for ROS 2."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Numba keeps compiled functions by the path of their source: it is to be one path, also for who comes through a link.
__path__ = [os.path.realpath(folder) for folder in __path__]

from crisp_ik_ros.early_end import end_quietly

# Before all that takes its time to be imported.
end_quietly()

if TYPE_CHECKING:
    from crisp_ik_ros.datasets.dataset import Dataset
    from crisp_ik_ros.errors import CrispIKError
    from crisp_ik_ros.estimators.crisp import CRiSP
    from crisp_ik_ros.estimators.identification.priors import Priors
    from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
    from crisp_ik_ros.estimators.model_based import ModelBasedIK
    from crisp_ik_ros.estimators.model_file import load_model
    from crisp_ik_ros.estimators.task import PoseTask
    from crisp_ik_ros.robots.robot_model import RobotModel
    from crisp_ik_ros.solvers.result import IKResult, PathResult, Status
    from crisp_ik_ros.solvers.velocities import VelocityResult

# Imported when they are asked for: a second and a half, which `crisp-ik --help` and a shell that completes do without.
_MODULES = {
    "CRiSP": "estimators.crisp",
    "CrispIKError": "errors",
    "Dataset": "datasets.dataset",
    "IKResult": "solvers.result",
    "LearnedKinematics": "estimators.learned_kinematics",
    "ModelBasedIK": "estimators.model_based",
    "PathResult": "solvers.result",
    "PoseTask": "estimators.task",
    "Priors": "estimators.identification.priors",
    "RobotModel": "robots.robot_model",
    "Status": "solvers.result",
    "VelocityResult": "solvers.velocities",
    "load_model": "estimators.model_file",
}
__all__ = [
    "CRiSP",
    "CrispIKError",
    "Dataset",
    "IKResult",
    "LearnedKinematics",
    "ModelBasedIK",
    "PathResult",
    "PoseTask",
    "Priors",
    "RobotModel",
    "Status",
    "VelocityResult",
    "load_model",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
