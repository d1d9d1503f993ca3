"""Archives of trained models: .npz without pickles, with a JSON header that says what they are and whom they fit."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.errors import CrispIKError, ModelFileError
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.robots.urdf import MOVABLE, ChainJoint
from crisp_ik_ros.transforms import Array

FORMAT, VERSION = "crisp_ik model", 1
LARGEST_HEADER = 1 << 20
# 2^28 numbers are 2 GiB: more than any model that answers in time.
LARGEST_ARRAY = 1 << 28


def write_archive(path: Path, header: dict[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write header and arrays to ``path``; a file that is there is replaced only by a complete one.

    Raises
    ------
    ModelFileError
        When the file cannot be written.
    """
    text = json.dumps({"format": FORMAT, "version": VERSION, **header}, indent=1).encode()
    contents = {"header": np.frombuffer(text, dtype=np.uint8), **arrays}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            np.savez(stream, **contents)  # type: ignore[arg-type]
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise ModelFileError(f"cannot write the model to {path}: {error}") from error
    finally:
        # Where the folder is no folder there is nothing to remove, and that has been said.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_header(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """Header of a model, once it is known to be one of this release."""
    if "header.npy" not in archive.namelist():
        raise ModelFileError(f"{path} is no crisp_ik model: it lacks header.npy")
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


@contextlib.contextmanager
def refusing_wrong_headers(path: Path) -> Iterator[None]:
    """Turn what a header raises that lacks a field, or has a wrong one, into a ModelFileError."""
    try:
        yield
    except ModelFileError:
        raise
    except (CrispIKError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelFileError(f"{path}: the header is incomplete or wrong: {type(error).__name__}: {error}") from error


def read_arrays(archive: zipfile.ZipFile, expected: Mapping[str, tuple[int, ...]], path: Path) -> dict[str, Array]:
    """Arrays of these names, read once all are known to have the shapes that the header calls for."""
    missing = {f"{name}.npy" for name in expected} - set(archive.namelist())
    if missing:
        raise ModelFileError(f"{path} is no crisp_ik model: it lacks {', '.join(sorted(missing))}")
    for name, wanted in expected.items():
        shape, dtype = _shape(archive, name, path)
        if dtype != np.dtype("float64") or len(shape) != 2:
            raise ModelFileError(f"{path}: field {name!r} is {dtype} of shape {shape}, expected float64 with two axes")
        if shape != wanted:
            raise ModelFileError(f"{path}: field {name!r} has shape {shape}, the header calls for {wanted}")
    arrays = {}
    for name in expected:
        with archive.open(f"{name}.npy") as stream:
            arrays[name] = np.ascontiguousarray(np.lib.format.read_array(stream, allow_pickle=False))
        if not np.isfinite(arrays[name]).all():
            raise ModelFileError(f"{path}: field {name!r} holds values that are not finite")
    return arrays


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
        masses=masses,
        mass_centers=mass_centers,
    )
    if robot.fingerprint != described.get("fingerprint"):
        raise ModelFileError(f"{path}: field 'robot' does not have the fingerprint it claims; the file was altered")
    return robot


def identity(robot: RobotModel) -> str:
    """Which robot it is, in a few words."""
    links = f"{robot.base_link} -> {robot.tip_link}"
    return f"{robot.name} ({links}, {robot.dof} joints, chain {robot.fingerprint[:12]})"
