"""What a file says of a LearnedKinematics model."""

from __future__ import annotations

import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.estimators.identification.findings import describe
from crisp_ik_ros.estimators.identification.normal_equations import NUISANCES
from crisp_ik_ros.estimators.identification.parameters import KernelTerm, Layout
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.identification.uncertainty import SAMPLES, Uncertainty
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.estimators.model_archive import read_arrays, refusing_wrong_headers, robot_header, robot_of_header
from crisp_ik_ros.transforms import Array, check_pose

HYPERPARAMETERS = (
    "frame",
    "tool",
    "harmonics",
    "kernel",
    "centers",
    "largest",
    "null_space_weight",
    "position_tolerance",
    "orientation_tolerance",
    "timeout",
    "random_state",
)
# Rows of the array ``parameters``.
VALUE, SCALE, DEVIATION = range(3)
# More centers than anyone has, so that nothing large is allocated for a header that lies.
LARGEST_CENTERS = 5000


def learned_header(estimator: LearnedKinematics) -> tuple[dict[str, Any], dict[str, Array]]:
    """Header and arrays of a fitted model."""
    uncertainty = estimator._uncertainty
    layout = uncertainty.layout
    term = layout.kernel
    deviations = np.zeros(layout.size)
    deviations[: layout.parametric] = [found.deviation for found in estimator.identified_]
    header = {
        "estimator": "LearnedKinematics",
        "robot": robot_header(estimator.robot),
        "masses": estimator.robot.masses.tolist(),
        "mass_centers": estimator.robot.mass_centers.tolist(),
        "gravity": np.asarray(estimator.gravity, dtype=float).tolist(),
        "gravity_acts_on": {
            "rotations": layout.bodies.rotations.tolist(),
            "translations": layout.bodies.translations.tolist(),
        },
        "priors": asdict(estimator.priors or Priors()),
        "length_scales": [float(scale) for scale in estimator.length_scales],
        "hyperparameters": {name: getattr(estimator, name) for name in HYPERPARAMETERS},
        "kernel_centers": layout.centers,
        "length_scale": None if term is None else term.length_scale,
        "frame": estimator.frame_.tolist(),
        "tool": estimator.tool_.tolist(),
        "noise": list(estimator.noise_),
        "evidence": estimator.evidence_,
        "error_factor": uncertainty.factor,
        "misfit": uncertainty.misfit,
        "amid": uncertainty.amid,
        "outliers": [int(row) for row in estimator.outliers_],
        "warnings": list(estimator.warnings_),
        "training": {"samples": estimator.samples_, **estimator.training_summary},
        "validation": estimator.validation_,
    }
    arrays = {
        "parameters": np.vstack([uncertainty.parameters, uncertainty.scales, deviations]),
        "samples": uncertainty.samples,
        "measuring": uncertainty.measuring,
        "kernel_features": np.zeros((2 * layout.dof, 0)) if term is None else term.features,
        "kernel_basis": np.zeros((0, 0)) if term is None else term.basis,
    }
    return header, arrays


def read_learned(archive: zipfile.ZipFile, header: dict[str, Any], path: Path) -> LearnedKinematics:
    """Model that a header and the arrays beside it describe.

    Raises
    ------
    ModelFileError
        When they do not fit together.
    """
    with refusing_wrong_headers(path):
        masses, centers = (np.array(header[name], dtype=float) for name in ("masses", "mass_centers"))
        robot = robot_of_header(header["robot"], path, masses, centers)
        if masses.shape != (robot.dof,) or centers.shape != (robot.dof, 3):
            raise ValueError(f"masses of shape {masses.shape}, {centers.shape}")
        values = {name: header["hyperparameters"][name] for name in HYPERPARAMETERS}
        priors = Priors(**header["priors"])
        estimator = LearnedKinematics(
            robot, priors=priors, length_scales=header["length_scales"], gravity=header["gravity"], **values
        )
        estimator._check_hyperparameters()
        frame, tool = (check_pose(header[name], name) for name in ("frame", "tool"))
        factor, misfit, amid = (float(header[name]) for name in ("error_factor", "misfit", "amid"))
        count = int(header["kernel_centers"])
        if not (0 <= count <= LARGEST_CENTERS and 0.0 < factor < np.inf and 0.0 <= misfit < np.inf and amid >= 0.0):
            raise ValueError(f"kernel_centers {count}, error_factor {factor}, misfit {misfit}, amid {amid}")
        length_scale = float(header["length_scale"]) if count else 1.0
        noise = tuple(float(value) for value in header["noise"])
        if not 0.0 < length_scale < np.inf or len(noise) != 2 or not all(0.0 <= value < np.inf for value in noise):
            raise ValueError(f"length_scale {length_scale}, noise {noise}")
        chain = {name: np.array(values, dtype=float) for name, values in header["gravity_acts_on"].items()}
        if {name: values.shape for name, values in chain.items()} != {
            "rotations": (robot.dof + 1, 3, 3),
            "translations": (robot.dof + 1, 3),
        }:
            raise ValueError("gravity_acts_on is no chain of this robot")
        plain = Layout(robot, estimator.harmonics, robot.bodies(estimator.gravity)._replace(**chain))
        size = plain.parametric + robot.dof * count
        expected = {
            "parameters": (3, size),
            "samples": (size, SAMPLES),
            "measuring": (NUISANCES, SAMPLES),
            "kernel_features": (2 * robot.dof, count),
            "kernel_basis": (count, count),
        }
        arrays = read_arrays(archive, expected, path)
        term = KernelTerm(arrays["kernel_features"], length_scale, arrays["kernel_basis"]) if count else None
        layout = Layout(robot, estimator.harmonics, plain.bodies, term)
        parameters = np.ascontiguousarray(arrays["parameters"])
        estimator._take_parameters(layout, parameters[VALUE], frame, tool)
        estimator._uncertainty = Uncertainty(
            layout,
            parameters[VALUE],
            parameters[SCALE],
            arrays["samples"],
            arrays["measuring"],
            frame,
            tool,
            factor,
            misfit,
            amid,
        )
        part = parameters[:, : layout.parametric]
        estimator.identified_ = describe(layout.names(), part[VALUE], part[DEVIATION], part[SCALE])
        estimator.noise_ = noise
        estimator.evidence_ = dict(header["evidence"])
        estimator.outliers_ = np.array(header["outliers"], dtype=int)
        estimator.warnings_ = tuple(str(text) for text in header["warnings"])
        estimator.samples_ = int(header["training"]["samples"])
        estimator.training_summary = {k: v for k, v in header["training"].items() if k != "samples"}
        estimator.validation_ = dict(header["validation"])
    return estimator
