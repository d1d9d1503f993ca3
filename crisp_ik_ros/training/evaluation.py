"""Errors of a model, and of its robot's plain URDF, on samples that it was not trained on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from crisp_ik_ros.datasets.dataset import POSE, SAME_POINT, Dataset
from crisp_ik_ros.errors import CrispIKError, DatasetError, InvalidInputError
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.estimators.identification.alignment import align
from crisp_ik_ros.estimators.identification.measurements import centred, read_measurements, residuals
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.identification.uncertainty import error_bounds
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.files import replacing
from crisp_ik_ros.metrics import Summary
from crisp_ik_ros.training.samples import counts, load_samples
from crisp_ik_ros.transforms import Array

# Poses solved without a seed to see how often and how fast that works.
COLD_POSES = 500


@dataclass(frozen=True)
class Refit:
    """Parts of the measuring set-up that are fitted to the evaluated samples before anything is compared."""

    frame: bool = False
    tool: bool = False

    def __bool__(self) -> bool:
        return self.frame or self.tool


class Residuals(NamedTuple):
    """Residuals (n, 3) [m] and (n,) [rad] of n samples, bounds (n,) [m] and support (n,); NaN where there is none."""

    position: Array
    orientation: Array
    bound: Array
    support: Array


def evaluate(
    estimator: CRiSP | LearnedKinematics,
    data: Path,
    distance: float | None = None,
    refit: Refit | None = None,
    table: Path | None = None,
    pose_files: str | None = None,
) -> dict[str, Any]:
    """Errors on the samples of a file or folder, and how often and fast requests without a seed are solved.

    A nominal robot whose measuring frame or tool is unknown is put where it fits these samples best.

    Parameters
    ----------
    estimator : CRiSP or LearnedKinematics
    data : Path
    distance : float, optional
        As for ``load_samples``.
    refit : Refit, optional
        Measuring frame and tool that are fitted to these samples, by least squares, for nominal and learned robot
        alike: for samples of another device or marker than those of the training.
    table : Path, optional
        Table of the residuals to write (.csv): a row for each sample.
    pose_files : str, optional
        As for ``load_samples``.

    Raises
    ------
    DatasetError
        When the data cannot be read, is another robot's, or is not of a kind that the estimator can be held against.
    InvalidInputError
        When frame or tool are to be fitted for CRiSP, whose corrections are tied to those of its samples.
    CrispIKError
        When the table cannot be written.
    """
    dataset = load_samples(data, estimator.robot, distance, pose_files=pose_files)
    refit = Refit() if refit is None else refit
    if isinstance(estimator, LearnedKinematics):
        result, poses, left = _learned(estimator, dataset, refit)
    else:
        if refit:
            raise InvalidInputError(
                "frame, tool", "'unknown' with a CRiSP model", "a LearnedKinematics model, or 'known'"
            )
        result, poses, left = _crisp(estimator, dataset, data)
    if table is not None:
        _write_residuals(table, estimator.robot.joint_names, dataset, left)
        result["residuals"] = str(table)
    return {**result, **_cold(estimator, poses[:COLD_POSES]), "notes": list(dataset.notes)}


def _crisp(estimator: CRiSP, dataset: Dataset, data: Path) -> tuple[dict[str, Any], Array, Residuals]:
    names = estimator.robot.joint_names
    if dataset.joint_names != names:
        raise DatasetError(f"{data} has the joints {', '.join(dataset.joint_names)}, the model {', '.join(names)}")
    dataset.require_poses("crisp-ik evaluate")
    result: dict[str, Any] = {"warnings": list(estimator.warnings_), "samples": len(dataset)}
    for label, method in (("nominal", ModelBasedIK(estimator.robot)), ("learned", estimator)):
        position, orientation = method.errors(dataset.poses, dataset.configurations)
        result[f"{label} [mm]"] = figures(position)
        result[f"{label} [mrad]"] = figures(orientation)
    position, support = estimator.position_residuals(dataset.poses, dataset.configurations)
    left = Residuals(position, orientation, np.full(len(position), np.nan), support)
    return result, dataset.poses, left


def _learned(model: LearnedKinematics, dataset: Dataset, refit: Refit) -> tuple[dict[str, Any], Array, Residuals]:
    data = read_measurements(model.robot, dataset, Priors() if model.priors is None else model.priors)
    full, q = data.kinds == POSE, data.configurations
    nominal, learned = model.robot.forward_kinematics(q), model.poses_with_payload(q, model.payloads_of(dataset))
    unknown = model.frame == "unknown" or refit.frame, model.tool == "unknown" or refit.tool
    frame, tool = model.mountings(dataset)
    if refit:
        # What is not fitted anew stays as it was learned.
        shown = learned if refit.tool else learned @ tool
        shown = shown if refit.frame else frame @ shown
        first, last = align(data, shown, refit.frame, refit.tool, model.random_state)
        frame, tool = first if refit.frame else frame, last if refit.tool else tool
    places = {"nominal": align(data, nominal, *unknown, model.random_state), "learned": (frame, tool)}
    result: dict[str, Any] = {"warnings": [], "samples": len(dataset), "kinds": counts(dataset)}
    if refit:
        fitted = " and ".join(name for name in ("frame", "tool") if getattr(refit, name))
        result["fitted to these samples"] = f"{fitted}, by least squares, for the nominal and the learned robot alike"
    medians = {}
    for label, poses in (("nominal", nominal), ("learned", learned)):
        position, orientation = residuals(data, poses, *places[label])
        position = centred(data, position, np.ones(len(data)))
        lengths = np.linalg.norm(position, axis=1)
        medians[label] = 1e3 * float(np.median(lengths))
        result[f"{label} [mm]"] = figures(lengths)
        if full.any():
            result[f"{label} [mrad]"] = figures(np.linalg.norm(orientation[full], axis=1))
    measured = data.kinds != SAME_POINT
    bounds = np.asarray(model.predicted_error(q))
    if measured.any():
        # What is measured has its own noise, beside what the bound is of.
        # Where it is not known, it is in the bound: the model takes all that it cannot explain for the arm's own.
        noise = data.noise[measured, 0] if data.stated else np.full(int(measured.sum()), model.position_noise or 0.0)
        result["predicted bound [mm]"] = figures(bounds[measured])
        within = lengths[measured] <= np.hypot(bounds[measured], _noise_bound(noise))
        result["within the bound, with noise"] = float(np.mean(within))
    if medians["learned"] >= medians["nominal"]:
        result["warnings"] = [
            f"On these samples the model is worse than the nominal one: {medians['learned']:.3g} mm and "
            f"{medians['nominal']:.3g} mm (median)."
        ]
    targets = learned.copy()
    if full.any():
        measured_poses = np.asarray(dataset.poses)[full]
        outside, inside = (pose if pose.ndim == 2 else pose[full] for pose in (frame, tool))
        targets[full] = np.linalg.inv(outside) @ measured_poses @ np.linalg.inv(inside)
    turned = np.where(full, np.linalg.norm(orientation, axis=1), np.nan)
    return result, targets, Residuals(position, turned, bounds, np.asarray(model.support(q)))


def figures(errors: Array) -> dict[str, float]:
    """Mean, deviation, median, 95 % and largest of errors (n,) [m or rad], in thousandths."""
    summary = asdict(Summary.of(errors, 1e3))
    largest = summary.pop("max")
    return {**summary, "p95": 1e3 * float(np.quantile(errors, 0.95)), "max": largest}


def _write_residuals(path: Path, joints: Sequence[str], dataset: Dataset, left: Residuals) -> None:
    """Write a table with a row for each sample; cells of what is not known are empty."""
    order = [dataset.joint_names.index(name) for name in joints]
    header = (
        "row", *joints, "error_x_m", "error_y_m", "error_z_m", "error_m", "orientation_error_rad", "bound_m", "support",
    )  # fmt: skip
    numbers = np.column_stack([
        dataset.configurations[:, order], left.position, np.linalg.norm(left.position, axis=1), left.orientation,
        left.bound, left.support,
    ])  # fmt: skip
    lines = [",".join(header)]
    for row, values in enumerate(numbers):
        lines.append(",".join([str(row), *("" if np.isnan(value) else f"{value:.9g}" for value in values)]))
    with replacing(path, CrispIKError, "residuals") as stream:
        stream.write(("\n".join(lines) + "\n").encode())


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
