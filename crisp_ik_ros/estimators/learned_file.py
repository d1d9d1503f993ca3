"""Model files of LearnedKinematics."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from crisp_ik_ros.archives import Archive
from crisp_ik_ros.datasets.checks import HEAVIEST_PAYLOAD
from crisp_ik_ros.estimators.header_fields import count, counts, number, numbers, texts
from crisp_ik_ros.estimators.identification.findings import describe
from crisp_ik_ros.estimators.identification.normal_equations import NUISANCES
from crisp_ik_ros.estimators.identification.parameters import MOST_HARMONICS, KernelTerm, Layout
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.identification.uncertainty import PLACES, SAMPLES, Uncertainty
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.estimators.model_archive import (
    LARGEST_VALUE,
    check_robot,
    read_arrays,
    refusing_wrong_headers,
    robot_header,
    robot_of_header,
    summary_of,
    training_of,
    validation_of,
)
from crisp_ik_ros.files import shortened
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.robots.urdf import LARGEST_LENGTH, LARGEST_MASS
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
# Of models that were made before there were these, the values.
LATER = {"position_noise": None, "orientation_noise": None}
# Rows of the array ``parameters``.
VALUE, SCALE, DEVIATION = range(3)
# Samples of rotations are changes of the parameters; before, they were rotations of the turned frames.
SAMPLES_OF_PARAMETERS = "changes of parameters"
# Origins of the load's center of mass.
CENTER_SOURCES = ("given", "fitted", "assumed")
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
        "hyperparameters": {name: getattr(estimator, name) for name in (*HYPERPARAMETERS, *LATER)},
        "harmonics": layout.harmonics,
        "backlash": layout.backlash,
        "samples_are": SAMPLES_OF_PARAMETERS,
        "payload": estimator.payload_,
        "payload_center": list(layout.payload_center),
        "payload_center_source": estimator.payload_center_source_,
        "fitted_payloads": {name: list(found) for name, found in estimator.fitted_payloads_.items()},
        "sessions": {name: pose.tolist() for name, pose in estimator.frames_.items()},
        "markers": {name: pose.tolist() for name, pose in estimator.tools_.items()},
        "kernel_centers": layout.centers,
        "length_scale": None if term is None else term.length_scale,
        "frame": estimator.frame_.tolist(),
        "tool": estimator.tool_.tolist(),
        "noise": list(estimator.noise_),
        "evidence": estimator.evidence_,
        "error_factor": uncertainty.factor,
        "misfit": uncertainty.misfit,
        "joint_misfit": uncertainty.joint_misfit,
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
        "nearness": np.zeros((0, PLACES)) if uncertainty.nearness is None else uncertainty.nearness,
        "kernel_features": np.zeros((2 * layout.dof, 0)) if term is None else term.features,
        "kernel_basis": np.zeros((0, 0)) if term is None else term.basis,
    }
    return header, arrays


def read_learned(archive: Archive, header: dict[str, Any], serving: RobotModel | None) -> LearnedKinematics:
    """Model that a header and the arrays beside it describe, for a robot where one is given.

    Raises
    ------
    ModelFileError
        When they do not fit together, or it is another robot's.
    """
    path = archive.path
    with refusing_wrong_headers(path):
        dof = len(header["robot"]["joint_names"])
        masses, centers = numbers(header, "masses", (dof,)), numbers(header, "mass_centers", (dof, 3))
        if masses.min() < 0.0 or masses.max() > LARGEST_MASS or np.abs(centers).max() > LARGEST_LENGTH:
            raise ValueError(f"masses of {masses.min():g} to {masses.max():g} kg, or their centers, cannot be")
        robot = robot_of_header(header["robot"], path, masses, centers)
        check_robot(path, robot, serving)
        given = header["hyperparameters"]
        values = {name: given[name] for name in HYPERPARAMETERS} | {k: given.get(k, v) for k, v in LATER.items()}
        priors = Priors(**header["priors"])
        center = numbers(header, "payload_center", (3,)).tolist() if "payload_center" in header else (0.0, 0.0, 0.0)
        # Models of releases before have a center that was given.
        source = header.get("payload_center_source", "given")
        if source not in CENTER_SOURCES:
            raise ValueError(
                f"payload_center_source is {shortened(repr(source))}, expected {', '.join(CENTER_SOURCES)}"
            )
        if not isinstance(priors.adapt, bool):
            raise TypeError(f"priors: adapt is {shortened(repr(priors.adapt))}, expected true or false")
        estimator = LearnedKinematics(
            robot, priors=priors, length_scales=header["length_scales"], gravity=header["gravity"],
            payload_center=center if source == "given" else None, **values,
        )  # fmt: skip
        estimator._check_hyperparameters()
        frame, tool = (check_pose(numbers(header, name, (4, 4)), name) for name in ("frame", "tool"))
        factor = number(header, "error_factor", np.finfo(float).tiny, LARGEST_VALUE)
        misfit = number(header, "misfit", 0.0, LARGEST_VALUE)
        # Infinite where nothing is known: then no sample is near anything.
        amid = np.inf if header["amid"] == np.inf else number(header, "amid", 0.0)
        terms = count(header, "kernel_centers", 0, LARGEST_CENTERS)
        length_scale = number(header, "length_scale", 1e-9, LARGEST_VALUE) if terms else 1.0
        noise = tuple(numbers(header, "noise", (2,)).tolist())
        if min(noise) < 0.0:
            raise ValueError(f"noise {noise}")
        links = robot.dof + 1
        chain = {
            "rotations": numbers(header["gravity_acts_on"], "rotations", (links, 3, 3)),
            "translations": numbers(header["gravity_acts_on"], "translations", (links, 3)),
        }
        if max(np.abs(part).max() for part in chain.values()) > LARGEST_LENGTH:
            raise ValueError("gravity_acts_on is no chain of this robot")
        harmonics = count(header, "harmonics", 0, MOST_HARMONICS) if "harmonics" in header else estimator.harmonics
        backlash = header.get("backlash", False)
        if not isinstance(backlash, bool):
            raise TypeError(f"backlash is {shortened(repr(backlash))}, expected true or false")
        bodies = robot.bodies(estimator.gravity)._replace(**chain)
        loads = _fitted_payloads(header)
        plain = Layout(
            robot, harmonics, bodies, None, backlash, tuple(center), source == "fitted", tuple(loads)
        )  # fmt: skip
        size = plain.parametric + robot.dof * terms
        expected = {
            "parameters": (3, size),
            "samples": (size, SAMPLES),
            "measuring": (NUISANCES, SAMPLES),
            "kernel_features": (2 * robot.dof, terms),
            "kernel_basis": (terms, terms),
        }
        # Models of releases before know of no nearness: for them a joint is measured wherever it is.
        if "nearness" in archive.names:
            expected["nearness"] = (0 if archive.claim("nearness")[0][0] == 0 else robot.dof, PLACES)
        arrays = read_arrays(archive, expected)
        nearness = arrays.get("nearness")
        if nearness is not None and nearness.size and not 0.0 <= nearness.min() <= nearness.max() <= 1.0:
            raise ValueError(f"nearness of {nearness.min():g} to {nearness.max():g}, expected 0 to 1")
        term = KernelTerm(arrays["kernel_features"], length_scale, arrays["kernel_basis"]) if terms else None
        layout = replace(plain, kernel=term)
        parameters = np.ascontiguousarray(arrays["parameters"])
        samples = arrays["samples"]
        if header.get("samples_are") != SAMPLES_OF_PARAMETERS:
            samples = np.array(samples)
            turned = samples[: layout.geometric].reshape(dof + 1, 6, -1)[:, 3:]
            turned[...] = np.linalg.solve(layout.turn_rates(parameters[VALUE]), turned)
        payload = number(header, "payload", 0.0, HEAVIEST_PAYLOAD) if "payload" in header else 0.0
        estimator.payload_, estimator.payload_center_source_, estimator.fitted_payloads_ = payload, source, loads
        estimator.frames_, estimator.tools_ = (
            _poses(header, name, first) for name, first in (("sessions", frame), ("markers", tool))
        )
        estimator._take_parameters(layout, parameters[VALUE], frame, tool)
        estimator._uncertainty = Uncertainty(
            layout.with_payload(payload, parameters[VALUE]),
            parameters[VALUE],
            parameters[SCALE],
            samples,
            arrays["measuring"],
            frame,
            tool,
            factor,
            misfit,
            amid,
            number(header, "joint_misfit", 0.0, LARGEST_VALUE) if "joint_misfit" in header else 0.0,
            nearness if nearness is not None and nearness.size else None,
            payload,
        )
        part = parameters[:, : layout.parametric]
        estimator.identified_ = describe(layout.names(), part[VALUE], part[DEVIATION], part[SCALE])
        estimator.noise_ = noise
        estimator.evidence_ = summary_of(header, "evidence")
        estimator.outliers_ = np.array(counts(header, "outliers", 1 << 53), dtype=int)
        estimator.warnings_ = texts(header, "warnings")
        estimator.samples_, estimator.training_summary = training_of(header)
        estimator.validation_ = validation_of(header)
    return estimator


def _fitted_payloads(header: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Mass and standard deviation [kg] of each load that was fitted, by session; none in files of releases before."""
    held = header.get("fitted_payloads", {})
    if not isinstance(held, dict) or len(held) > LARGEST_CENTERS:
        raise TypeError(f"fitted_payloads is {shortened(repr(held))}, expected mass and deviation of each session")
    found = {}
    for name in held:
        mass, deviation = numbers(held, name, (2,)).tolist()
        if not (0.0 <= mass <= HEAVIEST_PAYLOAD and 0.0 <= deviation <= LARGEST_VALUE):
            raise ValueError(f"fitted_payloads: {mass:g} kg with a deviation of {deviation:g} kg")
        found[name] = mass, deviation
    return found


def _poses(header: dict[str, Any], name: str, first: Array) -> dict[str, Array]:
    """Poses by name, of sessions or markers; the first alone where the file has none."""
    held = header.get(name, {"": first.tolist()})
    if not isinstance(held, dict) or not held:
        raise TypeError(f"{name} is {shortened(repr(held))}, expected a pose for each name")
    return {key: check_pose(numbers(held, key, (4, 4)), name) for key in held}
