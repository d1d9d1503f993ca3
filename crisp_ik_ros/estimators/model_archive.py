"""Archives of trained models: .npz without pickles, with a JSON header that says what they are and whom they fit."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.archives import Archive
from crisp_ik_ros.errors import CrispIKError, ModelFileError
from crisp_ik_ros.estimators.header_fields import count, number, numbers, text, vector
from crisp_ik_ros.files import replacing, shortened
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.robots.urdf import LARGEST_LENGTH, LARGEST_LIMIT, MOST_JOINTS, MOVABLE, ChainJoint
from crisp_ik_ros.transforms import Array, check_pose

FORMAT, VERSION = "crisp_ik model", 1
LARGEST_HEADER = 1 << 20
# 2 GiB are more than any model has that answers in time.
LARGEST_MODEL = 1 << 31
# A larger number is none that was learned, and its square may have no place in float64.
LARGEST_VALUE = 1e100
# Lengths of axes may differ from 1 by rounding.
AXIS_TOLERANCE = 1e-6


def write_archive(path: Path, header: dict[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write header and arrays to ``path``; a file that is there is replaced only by a complete one.

    Raises
    ------
    ModelFileError
        When the file cannot be written.
    """
    described = json.dumps({"format": FORMAT, "version": VERSION, **header}, indent=1).encode()
    contents = {"header": np.frombuffer(described, dtype=np.uint8), **arrays}
    with replacing(path, ModelFileError, "model") as stream:
        np.savez(stream, **contents)  # type: ignore[arg-type]


def read_header(archive: Archive) -> dict[str, Any]:
    """Header of a model, once it is known to be one of this release."""
    path = archive.path
    archive.require(["header"], "crisp_ik model")
    claim = archive.claim("header")
    if claim.dtype != np.dtype("uint8") or len(claim.shape) != 1 or claim.shape[0] > LARGEST_HEADER:
        raise ModelFileError(
            f"{path}: field 'header' is {claim.dtype} of shape {claim.shape}, expected at most {LARGEST_HEADER} bytes"
        )
    header = json.loads(bytes(archive.read("header")))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ModelFileError(f"{path} is no crisp_ik model: field 'format' is not {FORMAT!r}")
    version = header.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version != VERSION:
        said = shortened(repr(version))
        raise ModelFileError(f"{path}: field 'version' is {said}, this release reads {VERSION}")
    return header


@contextlib.contextmanager
def refusing_wrong_headers(path: Path) -> Iterator[None]:
    """Turn what a header raises that lacks a field, or has a wrong one, into a ModelFileError."""
    try:
        yield
    except ModelFileError:
        raise
    except (CrispIKError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        said = shortened(f"{type(error).__name__}: {error}", 500)
        raise ModelFileError(f"{path}: the header is incomplete or wrong: {said}") from error


def read_arrays(archive: Archive, expected: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Arrays of these names, read once all are known to be finite and to have the shapes that the header calls for."""
    path = archive.path
    archive.require(expected, "crisp_ik model")
    for name, wanted in expected.items():
        shape, dtype = archive.claim(name)[:2]
        if dtype != np.dtype("float64") or len(shape) != 2:
            raise ModelFileError(f"{path}: field {name!r} is {dtype} of shape {shape}, expected float64 with two axes")
        if shape != wanted:
            raise ModelFileError(f"{path}: field {name!r} has shape {shape}, the header calls for {wanted}")
    for name in expected:
        archive.check_finite(name, LARGEST_VALUE)
    archive.check_memory(expected, "train one with fewer centers")
    return {name: np.ascontiguousarray(archive.read(name)) for name in expected}


def robot_header(robot: RobotModel) -> dict[str, Any]:
    """Return what the header says of a robot.

    Raises
    ------
    ModelFileError
        When its joints do other than they are told, which only a LearnedKinematics model can say.
    """
    if robot.chain.corrections.active:
        raise ModelFileError("the model's robot carries learned corrections; save that LearnedKinematics model itself")
    joints = []
    for joint in robot.joints:
        values = dataclasses.asdict(joint)
        values["origin"], values["axis"] = joint.origin.tolist(), joint.axis.tolist()
        values["velocity"] = joint.velocity if np.isfinite(joint.velocity) else None
        joints.append(values)
    return {
        "name": robot.name,
        "urdf_sha256": robot.urdf_sha256,
        "fingerprint": robot.fingerprint,
        "base_link": robot.base_link,
        "tip_link": robot.tip_link,
        "joint_names": list(robot.joint_names),
        "rest": robot.rest.tolist(),
        "joints": joints,
    }


def robot_of_header(
    described: dict[str, Any], path: Path, masses: Array | None = None, mass_centers: Array | None = None
) -> RobotModel:
    """Robot that a header describes; KeyError, TypeError or ValueError where it does not.

    Raises
    ------
    ModelFileError
        When it is not the robot that it claims to be.
    """
    listed = described["joints"]
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_JOINTS:
        raise ValueError(f"joints: expected a list of 1 to {MOST_JOINTS}")
    joints = [_joint_of(values) for values in listed]
    if len({joint.name for joint in joints}) < len(joints):
        raise ValueError("joints: expected each name once")
    movable = [joint.name for joint in joints if joint.movable]
    if described["joint_names"] != movable:
        raise ValueError(f"joint_names: expected those of the joints that move, {shortened(', '.join(movable))}")
    if not re.fullmatch("[0-9a-f]{64}|", text(described, "urdf_sha256")):
        raise ValueError("urdf_sha256: expected a hash, or nothing")
    rest = vector(described, "rest", len(movable))
    if np.abs(rest).max(initial=0.0) > LARGEST_LIMIT:
        raise ValueError(f"rest: expected nothing beyond {LARGEST_LIMIT:g}")
    robot = RobotModel(
        joints,
        text(described, "base_link"),
        text(described, "tip_link"),
        text(described, "name"),
        described["urdf_sha256"],
        rest,
        masses=masses,
        mass_centers=mass_centers,
    )
    if robot.fingerprint != described.get("fingerprint"):
        raise ModelFileError(f"{path}: field 'robot' does not have the fingerprint it claims; the file was altered")
    return robot


def check_robot(path: Path, trained_for: RobotModel, robot: RobotModel | None) -> None:
    """Refuse a model of another robot than the one here, where there is one."""
    if robot is not None and robot.fingerprint != trained_for.fingerprint:
        raise ModelFileError(f"{path} was trained for {identity(trained_for)}; the robot here is {identity(robot)}")


def summary_of(header: dict[str, Any], name: str) -> dict[str, Any]:
    """Field of a header that holds what is only shown, with names."""
    values = header[name]
    if not isinstance(values, dict):
        raise TypeError(f"{name}: got {shortened(repr(values))}, expected names with values")
    return dict(values)


def training_of(header: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Number of samples that a model was fitted to, and what else there is to say of its training."""
    training = summary_of(header, "training")
    samples = count(training, "samples", 1)
    return samples, {key: value for key, value in training.items() if key != "samples"}


def validation_of(header: dict[str, Any]) -> dict[str, Any]:
    """Errors on held-out samples, of which some decide on answers; NaN where nothing was measured."""
    validation = summary_of(header, "validation")
    for name in validation:
        if name == "method":
            text(validation, name)
        else:
            number(validation, name, 0.0, LARGEST_VALUE, not_known=True)
    return validation


def _joint_of(values: Any) -> ChainJoint:
    if not isinstance(values, dict):
        raise TypeError(f"joint: got {shortened(repr(values))}, expected names with values")
    name = text(values, "name")
    if values["kind"] not in (*MOVABLE, "fixed"):
        raise ValueError(f"joint {name!r}: kind {shortened(repr(values['kind']))}")
    velocity = np.inf if values["velocity"] is None else number(values, "velocity", np.finfo(float).tiny, LARGEST_VALUE)
    lower, upper = (number(values, limit, -LARGEST_LIMIT, LARGEST_LIMIT) for limit in ("lower", "upper"))
    axis = numbers(values, "axis", (3,))
    origin = check_pose(numbers(values, "origin", (4, 4)), f"origin of joint {name!r}")
    if lower > upper or np.abs(origin).max() > LARGEST_LENGTH or np.abs(axis).max() > 2.0:
        raise ValueError(f"joint {name!r} has no valid origin, axis or limits")
    if abs(np.linalg.norm(axis) - 1.0) > AXIS_TOLERANCE:
        raise ValueError(f"joint {name!r} has an axis of other than unit length")
    given = {"origin": origin, "axis": axis, "velocity": velocity, "lower": lower, "upper": upper}
    text(values, "child_link")
    # A field that no joint has is a TypeError.
    return ChainJoint(**{**values, **given})


def identity(robot: RobotModel) -> str:
    """Which robot it is, in a few words."""
    links = f"{robot.base_link} -> {robot.tip_link}"
    return f"{robot.name} ({links}, {robot.dof} joints, chain {robot.fingerprint[:12]})"
