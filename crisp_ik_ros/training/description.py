"""What is in a model file, for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.estimators.model_archive import identity
from crisp_ik_ros.estimators.model_file import load_model
from crisp_ik_ros.training.findings import arm, kernel_term, loads

# Units of a joint's limits.
UNITS = {"prismatic": "m"}


def describe_model(path: Path) -> dict[str, Any]:
    """Estimator, robot, training, validation and warnings of a model file.

    Raises
    ------
    ModelFileError
        When it is missing, damaged or of another release.
    """
    model = load_model(path)
    robot = model.robot
    shown: dict[str, Any] = {
        "warnings": [*_texts(model.training_summary.get("data_warnings")), *model.warnings_],
        "file": str(path),
        "kilobytes": path.stat().st_size // 1000,
        "estimator": type(model).__name__,
        "robot": identity(robot),
        "samples": model.samples_,
        "training": dict(model.training_summary),
    }
    if isinstance(model, LearnedKinematics):
        position, orientation = model.noise_
        shown |= {
            "measuring frame": model.frame,
            "tool": model.tool,
            "payload [kg]": model.payload_,
            "payload center [m]": model.payload_center_.tolist(),
            **loads(model),
            "noise": {"mm": 1e3 * position, "mrad": 1e3 * orientation},
            "kernel term": kernel_term(model),
            **arm(model),
            "outliers": len(model.outliers_),
        }
    else:
        shown |= {
            "loss": model.loss_.parameters(),
            "kernel": repr(model.kernel_),
            "penalty": model.penalty_,
            "centers": len(model.center_configurations_),
        }
    shown["validation"] = _readable(model.validation_)
    movable = [joint for joint in robot.joints if joint.movable]
    shown["joints"] = {
        joint.name: {"from": float(lower), "to": float(upper), "unit": UNITS.get(joint.kind, "rad")}
        for joint, lower, upper in zip(movable, robot.lower, robot.upper, strict=True)
    }
    return shown


def _texts(listed: object) -> list[str]:
    return [str(text) for text in listed] if isinstance(listed, list) else []


def _readable(validation: dict[str, Any]) -> dict[str, Any]:
    """Errors on held-out samples in millimetres and milliradians, under names that say so."""
    shown: dict[str, Any] = {}
    for name, value in validation.items():
        words = name.replace("_", " ")
        if "position" in name:
            shown[f"{words} [mm]"] = 1e3 * value
        elif "orientation" in name:
            shown[f"{words} [mrad]"] = 1e3 * value
        else:
            shown[words] = value
    return shown
