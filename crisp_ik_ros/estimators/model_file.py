"""Trained models on disk: saved and loaded whatever they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.archives import Archive, open_archive
from crisp_ik_ros.errors import ModelFileError
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.estimators.header_fields import count, number, numbers
from crisp_ik_ros.estimators.learned_file import learned_header, read_learned
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.estimators.model_archive import (
    LARGEST_MODEL,
    LARGEST_VALUE,
    check_robot,
    read_arrays,
    read_header,
    refusing_wrong_headers,
    robot_header,
    robot_of_header,
    training_of,
    validation_of,
    write_archive,
)
from crisp_ik_ros.files import shortened
from crisp_ik_ros.losses.evaluate import make_loss
from crisp_ik_ros.regression.kernels import Kernel, make_kernel
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

HYPERPARAMETERS = (
    "null_space_weight",
    "position_tolerance",
    "orientation_tolerance",
    "timeout",
    "solver",
    "random_state",
)
# Length scales [m or rad] and weights with which answers can still be computed.
SHORTEST_SCALE, LONGEST_SCALE, LARGEST_WEIGHT = 1e-12, 1e100, 1e12


class FittedRegression:
    """Regression read from a file: predicts, but knows no training samples.

    Attributes
    ----------
    kernel : Kernel
    centers_ : (m, F)
        Features of the centers.
    coefficients_ : (m, C)
    """

    def __init__(self, kernel: Kernel, centers: Array, coefficients: Array):
        self.kernel = kernel
        self.centers_ = centers
        self.coefficients_ = coefficients


def save_model(estimator: CRiSP | LearnedKinematics, path: str | Path) -> None:
    """Write a fitted estimator to ``path``; a file that is there is replaced only by a complete one.

    Raises
    ------
    ModelFileError
        When the file cannot be written.
    """
    if isinstance(estimator, LearnedKinematics):
        write_archive(Path(path), *learned_header(estimator))
        return
    arrays = {
        "centers": estimator.regression_.centers_,
        "coefficients": estimator.regression_.coefficients_,
        "configurations": estimator.center_configurations_,
    }
    write_archive(Path(path), _header(estimator), arrays)


def load_model(path: str | Path, robot: RobotModel | None = None) -> CRiSP | LearnedKinematics:
    """Read a trained model.

    Parameters
    ----------
    path : str or Path
    robot : RobotModel, optional
        Robot it is to serve; a model trained for another one is refused.

    Returns
    -------
    CRiSP or LearnedKinematics
        Ready to solve. It carries its robot model: neither URDF nor simulator is needed.

    Raises
    ------
    ModelFileError
        When the file is missing, truncated, no model, above 2 GiB, of another version, or for another robot; it names
        the field. Nothing large is allocated before header, robot, shapes and values have been checked.
    """
    path = Path(path)
    if not os.path.exists(path):
        raise ModelFileError(f"no model file at {path}; train one with: crisp-ik train --help")
    with open_archive(path, LARGEST_MODEL, ModelFileError, "model file") as archive:
        header = read_header(archive)
        kind = header.get("estimator")
        if kind not in ("CRiSP", "LearnedKinematics"):
            raise ModelFileError(
                f"{path}: field 'estimator' is {shortened(repr(kind))}, expected CRiSP or LearnedKinematics"
            )
        return (_read_crisp if kind == "CRiSP" else read_learned)(archive, header, robot)


def _header(estimator: CRiSP) -> dict[str, Any]:
    return {
        "estimator": "CRiSP",
        "robot": robot_header(estimator.robot),
        "loss": estimator.loss_.parameters(),
        "kernel": {
            name: value if isinstance(value, str) or np.isfinite(value) else None
            for name, value in estimator.kernel_.parameters().items()
        },
        "penalty": estimator.penalty_,
        "nearness": estimator.nearness_.tolist(),
        "centers": len(estimator.regression_.centers_),
        "hyperparameters": {name: getattr(estimator, name) for name in HYPERPARAMETERS},
        "training": {"samples": estimator.samples_, **estimator.training_summary},
        "validation": estimator.validation_,
    }


def _read_crisp(archive: Archive, header: dict[str, Any], robot: RobotModel | None) -> CRiSP:
    estimator = _estimator(header, archive.path)
    check_robot(archive.path, estimator.robot, robot)
    centers, dof = header["centers"], estimator.robot.dof
    features = 6 if estimator.kernel_.orientation == "euler" else 12
    expected = {
        "centers": (centers, features),
        "coefficients": (centers, 2 + estimator.loss_.dimension(dof) + dof),
        "configurations": (centers, dof),
    }
    arrays = read_arrays(archive, expected)
    estimator.regression_ = FittedRegression(estimator.kernel_, arrays["centers"], arrays["coefficients"])
    estimator.center_configurations_ = np.clip(arrays["configurations"], estimator.robot.lower, estimator.robot.upper)
    return estimator


def _estimator(header: dict[str, Any], path: Path) -> CRiSP:
    with refusing_wrong_headers(path):
        robot = robot_of_header(header["robot"], path)
        parameters: dict[str, Any] = {k: np.inf if v is None else v for k, v in header["kernel"].items()}
        for name in ("position_length_scale", "orientation_length_scale"):
            if header["kernel"][name] is not None:
                number(header["kernel"], name, SHORTEST_SCALE, LONGEST_SCALE)
        kernel = make_kernel(**parameters)
        count(header, "centers", 1)
        for name in ("position_weight", "orientation_weight"):
            number(header["loss"], name, 0.0, LARGEST_WEIGHT)
        estimator = CRiSP(
            robot,
            make_loss(**header["loss"]),
            kernel,
            number(header, "penalty", 0.0, LARGEST_VALUE),
            header["centers"],
            **{name: header["hyperparameters"][name] for name in HYPERPARAMETERS},
        )
        estimator._validate_hyperparameters()
        estimator.loss_ = estimator.loss  # type: ignore[assignment]
        estimator.kernel_ = kernel
        estimator.penalty_ = float(header["penalty"])
        estimator.nearness_ = numbers(header, "nearness", (2,))
        if not ((estimator.nearness_ >= 0.0) & (estimator.nearness_ <= LARGEST_VALUE)).all():
            raise ValueError(f"nearness is {estimator.nearness_}")
        estimator.samples_, estimator.training_summary = training_of(header)
        estimator.validation_ = validation_of(header)
    return estimator
