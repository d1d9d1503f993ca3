"""Registration of a model file: measuring frame and tool found anew from a few rows, with what that changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import POSE, Dataset
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.estimators.identification.measurements import read_measurements, residuals
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.estimators.model_file import load_model
from crisp_ik_ros.training.evaluation import figures
from crisp_ik_ros.training.samples import counts, load_samples
from crisp_ik_ros.transforms import Array, rotation_logarithm


def register_model(
    path: Path,
    data: Path,
    output: Path | None = None,
    frame: str | None = None,
    tool: str | None = None,
    in_place: bool = False,
    payload: float | None = None,
    pose_files: str | None = None,
) -> dict[str, Any]:
    """Register a model file to a few rows, write the result, and return what is to be shown.

    Parameters
    ----------
    path : Path
        Model file of LearnedKinematics.
    data : Path
        Rows of one session and one marker.
    output : Path, optional
        File to write. Default: ``path``, with ``in_place`` only.
    frame, tool : "known" or "unknown", optional
        As in ``LearnedKinematics.register``.
    in_place : bool
        Permit to replace ``path``.
    payload : float, optional
        What the tip carries where the rows do not say it [kg].
    pose_files : str, optional
        As for ``load_samples``.

    Raises
    ------
    InvalidInputError
        When the model would be replaced without ``in_place``, it is CRiSP, or nothing is to be found.
    DatasetError
        When the rows are too few, or do not tell frame and tool.
    """
    target = path if output is None else output
    if not in_place and target.resolve() == path.resolve():
        raise InvalidInputError("output", str(target), "another file than the model, or --in-place")
    model = load_model(path)
    if not isinstance(model, LearnedKinematics):
        raise InvalidInputError(
            "model", "CRiSP, whose corrections are tied to the frame of its samples", "a LearnedKinematics model"
        )
    dataset = load_samples(data, model.robot, pose_files=pose_files)
    carrying = model if payload is None else model.with_payload(payload)
    found = carrying.register(dataset, frame, tool)
    # The rows were taken with that load; the model keeps its own.
    registered = found if payload is None else found.with_payload(model.payload_)
    registered.save(target)
    summary = registered.training_summary["registered"]
    assert isinstance(summary, dict)
    return {
        "warnings": list(found.warnings_[len(model.warnings_) :]),
        "file": str(target),
        "kinds": counts(dataset),
        "frame": summary["frame"],
        "tool": summary["tool"],
        **_errors("before", carrying, dataset),
        **_errors("after", found, dataset),
        "frame moved": _moved(model.frame_, registered.frame_),
        "tool moved": _moved(model.tool_, registered.tool_),
        "notes": list(dataset.notes),
    }


def _errors(label: str, model: LearnedKinematics, dataset: Dataset) -> dict[str, Any]:
    """Errors on the rows, and the bound there."""
    data = read_measurements(model.robot, dataset, Priors())
    poses = model.poses_with_payload(data.configurations, model.payloads_of(dataset))
    position, orientation = residuals(data, poses, model.frame_, model.tool_)
    shown = {f"{label} [mm]": figures(np.linalg.norm(position, axis=1))}
    full = data.kinds == POSE
    if full.any():
        shown[f"{label} [mrad]"] = figures(np.linalg.norm(orientation[full], axis=1))
    return {**shown, f"predicted bound {label} [mm]": figures(np.asarray(model.predicted_error(data.configurations)))}


def _moved(before: Array, after: Array) -> dict[str, float]:
    """Distance and angle between two poses (4, 4)."""
    turn = rotation_logarithm((after[:3, :3] @ before[:3, :3].T)[None])[0]
    return {
        "mm": 1e3 * float(np.linalg.norm(after[:3, 3] - before[:3, 3])),
        "deg": float(np.degrees(np.linalg.norm(turn))),
    }
