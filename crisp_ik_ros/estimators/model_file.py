"""Trained models on disk: an .npz without pickles, with a JSON header that says what it is and whom it fits."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.archive import UNREADABLE
from crisp_ik_ros.errors import CrispIKError, ModelFileError
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.losses.evaluate import make_loss
from crisp_ik_ros.regression.kernels import Kernel, make_kernel
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.robots.urdf import MOVABLE, ChainJoint
from crisp_ik_ros.transforms import Array

FORMAT, VERSION = "crisp_ik model", 1
ARRAYS = ("centers", "coefficients", "configurations")
LARGEST_HEADER = 1 << 20
# 2^28 numbers are 2 GiB: more than any model that answers in time.
LARGEST_ARRAY = 1 << 28
HYPERPARAMETERS = (
    "null_space_weight",
    "position_tolerance",
    "orientation_tolerance",
    "timeout",
    "solver",
    "random_state",
)


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


def save_model(estimator: CRiSP, path: str | Path) -> None:
    """Write a fitted estimator to ``path``; a file that is there is replaced only by a complete one.

    Raises
    ------
    ModelFileError
        When the file cannot be written.
    """
    path = Path(path)
    header = json.dumps(_header(estimator), indent=1).encode()
    arrays = {
        "header": np.frombuffer(header, dtype=np.uint8),
        "centers": estimator.regression_.centers_,
        "coefficients": estimator.regression_.coefficients_,
        "configurations": estimator.center_configurations_,
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise ModelFileError(f"cannot write the model to {path}: {error}") from error
    finally:
        # Where the folder is no folder there is nothing to remove, and that has been said.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def load_model(path: str | Path, robot: RobotModel | None = None) -> CRiSP:
    """Read a trained model.

    Parameters
    ----------
    path : str or Path
    robot : RobotModel, optional
        Robot it is to serve; a model trained for another one is refused.

    Returns
    -------
    CRiSP
        Ready to solve. It carries its robot model: neither URDF nor simulator is needed.

    Raises
    ------
    ModelFileError
        When the file is missing, truncated, no model, of another version, or for another robot. Nothing large is
        allocated before the header and the shapes of the arrays have been checked.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"no model file at {path}; train one with: crisp-ik train --help")
    try:
        with zipfile.ZipFile(path) as archive:
            header = _read_header(archive, path)
            shapes = {name: _matrix_shape(archive, name, path) for name in ARRAYS}
            estimator = _estimator(header, path)
            _check_fit(header, shapes, estimator, path)
            if robot is not None and robot.fingerprint != estimator.robot.fingerprint:
                raise ModelFileError(
                    f"{path} was trained for {_identity(estimator.robot)}; the robot here is {_identity(robot)}"
                )
            arrays = {name: _read_array(archive, name) for name in ARRAYS}
    except UNREADABLE as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path} is damaged or no model file: {type(error).__name__}: {error}") from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelFileError(f"{path}: field {name!r} holds values that are not finite")
    estimator.regression_ = FittedRegression(estimator.kernel_, arrays["centers"], arrays["coefficients"])
    estimator.center_configurations_ = np.clip(arrays["configurations"], estimator.robot.lower, estimator.robot.upper)
    return estimator


def _header(estimator: CRiSP) -> dict[str, Any]:
    robot = estimator.robot
    joints = []
    for joint in robot.joints:
        values = dataclasses.asdict(joint)
        values["origin"], values["axis"] = joint.origin.tolist(), joint.axis.tolist()
        values["velocity"] = joint.velocity if np.isfinite(joint.velocity) else None
        joints.append(values)
    return {
        "format": FORMAT,
        "version": VERSION,
        "estimator": "CRiSP",
        "robot": {
            "name": robot.name,
            "urdf_sha256": robot.urdf_sha256,
            "fingerprint": robot.fingerprint,
            "base_link": robot.base_link,
            "tip_link": robot.tip_link,
            "joint_names": list(robot.joint_names),
            "rest": robot.rest.tolist(),
            "joints": joints,
        },
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


def _read_header(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    names = set(archive.namelist())
    missing = {f"{name}.npy" for name in ("header", *ARRAYS)} - names
    if missing:
        raise ModelFileError(f"{path} is no crisp_ik model: it lacks {', '.join(sorted(missing))}")
    shape, dtype = _shape(archive, "header", path)
    if dtype != np.dtype("uint8") or len(shape) != 1 or shape[0] > LARGEST_HEADER:
        raise ModelFileError(
            f"{path}: field 'header' is {dtype} of shape {shape}, expected at most {LARGEST_HEADER} bytes"
        )
    with archive.open("header.npy") as stream:
        header = json.loads(bytes(np.lib.format.read_array(stream, allow_pickle=False)))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ModelFileError(f"{path} is no crisp_ik model: field 'format' is not {FORMAT!r}")
    if header.get("version") != VERSION:
        raise ModelFileError(f"{path}: field 'version' is {header.get('version')!r}, this release reads {VERSION}")
    return header


def _matrix_shape(archive: zipfile.ZipFile, name: str, path: Path) -> tuple[int, ...]:
    shape, dtype = _shape(archive, name, path)
    if dtype != np.dtype("float64") or len(shape) != 2:
        raise ModelFileError(f"{path}: field {name!r} is {dtype} of shape {shape}, expected float64 with two axes")
    return shape


def _shape(archive: zipfile.ZipFile, name: str, path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type that an array claims, once the file is known to hold as many bytes."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)  # type: ignore[arg-type]
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)  # type: ignore[arg-type]
        begin = stream.tell()
    count = math.prod(shape)
    if count > LARGEST_ARRAY or info.file_size != begin + dtype.itemsize * count:
        raise ModelFileError(f"{path}: field {name!r} claims shape {shape} but has {info.file_size} bytes")
    return tuple(shape), dtype


def _read_array(archive: zipfile.ZipFile, name: str) -> Array:
    with archive.open(f"{name}.npy") as stream:
        return np.ascontiguousarray(np.lib.format.read_array(stream, allow_pickle=False))


def _estimator(header: dict[str, Any], path: Path) -> CRiSP:
    try:
        described = header["robot"]
        joints = []
        for values in described["joints"]:
            velocity = np.inf if values["velocity"] is None else values["velocity"]
            origin, axis = np.array(values["origin"], dtype=float), np.array(values["axis"], dtype=float)
            if origin.shape != (4, 4) or axis.shape != (3,) or values["kind"] not in (*MOVABLE, "fixed"):
                raise ValueError(f"joint {values['name']!r} has no valid origin, axis or kind")
            joints.append(ChainJoint(**{**values, "origin": origin, "axis": axis, "velocity": velocity}))
        robot = RobotModel(
            joints,
            described["base_link"],
            described["tip_link"],
            described["name"],
            described["urdf_sha256"],
            described["rest"],
        )
        parameters: dict[str, Any] = {k: np.inf if v is None else v for k, v in header["kernel"].items()}
        kernel = make_kernel(**parameters)
        estimator = CRiSP(
            robot,
            make_loss(**header["loss"]),
            kernel,
            header["penalty"],
            header["centers"],
            **{name: header["hyperparameters"][name] for name in HYPERPARAMETERS},
        )
        estimator._validate_hyperparameters()
        estimator.loss_ = estimator.loss  # type: ignore[assignment]
        estimator.kernel_ = kernel
        estimator.penalty_ = float(header["penalty"])
        estimator.nearness_ = np.array(header["nearness"], dtype=float)
        if (
            estimator.nearness_.shape != (2,)
            or not (np.isfinite(estimator.nearness_) & (estimator.nearness_ >= 0.0)).all()
        ):
            raise ValueError(f"nearness is {estimator.nearness_}")
        estimator.samples_ = int(header["training"]["samples"])
        estimator.training_summary = {k: v for k, v in header["training"].items() if k != "samples"}
        estimator.validation_ = dict(header["validation"])
    except (CrispIKError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelFileError(f"{path}: the header is incomplete or wrong: {type(error).__name__}: {error}") from error
    if robot.fingerprint != described.get("fingerprint"):
        raise ModelFileError(f"{path}: field 'robot' does not have the fingerprint it claims; the file was altered")
    return estimator


def _check_fit(header: dict[str, Any], shapes: dict[str, tuple[int, ...]], estimator: CRiSP, path: Path) -> None:
    centers, dof = int(header["centers"]), estimator.robot.dof
    features = 6 if estimator.kernel_.orientation == "euler" else 12
    expected = {
        "centers": (centers, features),
        "coefficients": (centers, 2 + estimator.loss_.dimension(dof) + dof),
        "configurations": (centers, dof),
    }
    for name, shape in expected.items():
        if centers < 1 or shapes[name] != shape:
            raise ModelFileError(f"{path}: field {name!r} has shape {shapes[name]}, the header calls for {shape}")


def _identity(robot: RobotModel) -> str:
    links = f"{robot.base_link} -> {robot.tip_link}"
    return f"{robot.name} ({links}, {robot.dof} joints, chain {robot.fingerprint[:12]})"
