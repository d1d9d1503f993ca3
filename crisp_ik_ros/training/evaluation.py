"""Errors of a model, and of its robot's plain URDF, on samples that it was not trained on."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import POSE, SAME_POINT, Dataset
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.estimators.identification.alignment import align
from crisp_ik_ros.estimators.identification.measurements import centred, read_measurements, residuals
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.identification.uncertainty import error_bounds
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.metrics import Summary
from crisp_ik_ros.training.samples import counts, load_samples
from crisp_ik_ros.transforms import Array

# Poses solved without a seed to see how often and how fast that works.
COLD_POSES = 500


def evaluate(estimator: CRiSP | LearnedKinematics, data: Path, distance: float | None = None) -> dict[str, Any]:
    """Errors on the samples of a file or folder, and how often and fast requests without a seed are solved.

    A nominal robot whose measuring frame or tool is unknown is put where it fits these samples best.

    Raises
    ------
    DatasetError
        When the data cannot be read, is another robot's, or is not of a kind that the estimator can be held against.
    """
    dataset = load_samples(data, estimator.robot, distance)
    if isinstance(estimator, LearnedKinematics):
        result, poses = _learned(estimator, dataset)
    else:
        result, poses = _crisp(estimator, dataset, data)
    return {**result, **_cold(estimator, poses[:COLD_POSES]), "notes": list(dataset.notes)}


def _crisp(estimator: CRiSP, dataset: Dataset, data: Path) -> tuple[dict[str, Any], Array]:
    names = estimator.robot.joint_names
    if dataset.joint_names != names:
        raise DatasetError(f"{data} has the joints {', '.join(dataset.joint_names)}, the model {', '.join(names)}")
    dataset.require_poses("crisp-ik evaluate")
    result: dict[str, Any] = {"samples": len(dataset)}
    for label, method in (("nominal", ModelBasedIK(estimator.robot)), ("learned", estimator)):
        position, orientation = method.errors(dataset.poses, dataset.configurations)
        result[f"{label} [mm]"] = asdict(Summary.of(position, 1e3))
        result[f"{label} [mrad]"] = asdict(Summary.of(orientation, 1e3))
    return result, dataset.poses


def _learned(model: LearnedKinematics, dataset: Dataset) -> tuple[dict[str, Any], Array]:
    data = read_measurements(model.robot, dataset, Priors() if model.priors is None else model.priors)
    full, q = data.kinds == POSE, data.configurations
    nominal = model.robot.forward_kinematics(q)
    unknown = model.frame == "unknown", model.tool == "unknown"
    places = {"nominal": align(data, nominal, *unknown, model.random_state), "learned": (model.frame_, model.tool_)}
    result: dict[str, Any] = {"warnings": [], "samples": len(dataset), "kinds": counts(dataset)}
    medians = {}
    for label, poses in (("nominal", nominal), ("learned", model.forward_kinematics(q))):
        position, orientation = residuals(data, poses, *places[label])
        position = centred(data, position, np.ones(len(data)))
        lengths = np.linalg.norm(position, axis=1)
        medians[label] = 1e3 * float(np.median(lengths))
        result[f"{label} [mm]"] = asdict(Summary.of(lengths, 1e3))
        if full.any():
            result[f"{label} [mrad]"] = asdict(Summary.of(np.linalg.norm(orientation[full], axis=1), 1e3))
    measured = data.kinds != SAME_POINT
    if measured.any():
        # What is measured has its own noise, beside what the bound is of.
        noise = data.noise[measured, 0] if data.stated else np.full(int(measured.sum()), model.noise_[0])
        bounds = np.hypot(model.predicted_error(q[measured]), _noise_bound(noise))
        result["predicted bound [mm]"] = asdict(Summary.of(model.predicted_error(q[measured]), 1e3))
        result["within the bound, with noise"] = float(np.mean(lengths[measured] <= bounds))
    if medians["learned"] >= medians["nominal"]:
        result["warnings"] = [
            f"On these samples the model is worse than the nominal one: {medians['learned']:.3g} mm and "
            f"{medians['nominal']:.3g} mm (median)."
        ]
    poses = model.forward_kinematics(q)
    if full.any():
        poses[full] = model.tip_poses(np.asarray(dataset.poses)[full])
    return result, poses


def _noise_bound(deviations: Array) -> Array:
    """Length (n,) that noise of these standard deviations along each axis stays below with 95 % probability."""
    return error_bounds(deviations[:, None, None] ** 2 * np.eye(3))


def _cold(estimator: InverseKinematics, poses: Array) -> dict[str, Any]:
    estimator.solve(poses[0])
    times, solved = [], 0
    for pose in poses:
        begin = time.perf_counter()
        solved += estimator.solve(pose).success
        times.append(time.perf_counter() - begin)
    return {
        "solved without a seed": solved / len(poses),
        "time without a seed [us]": {
            "median": 1e6 * float(np.median(times)),
            "p99": 1e6 * float(np.percentile(times, 99)),
        },
    }
