"""Readers of files and robot descriptions under test: bytes -> None.

Each returns, or raises what the reader must not raise. A reader may give a value, which is then held to what is
promised of it, or raise its own error with words.
"""

from __future__ import annotations

import io
import json
import math
import shutil
import tempfile
import zipfile
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from crisp_ik_ros import Dataset, RobotModel, load_model
from crisp_ik_ros.errors import CrispIKError, DatasetError, ModelFileError, URDFError
from crisp_ik_ros.estimators.model_archive import robot_of_header
from crisp_ik_ros.robots.urdf import parse_bodies

from . import mutators
from .promises import (
    require,
    require_dataset,
    require_robot,
    require_within,
    require_words,
)

# Time for one search in a fuzzed request [s].
BRIEFLY = 3e-4


@cache
def scratch() -> Path:
    """Folder for the files that are read; in memory where there is such a place."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="crisp_ik_fuzz_", dir=memory if memory.is_dir() else None))


def forget_scratch() -> None:
    """Remove that folder."""
    shutil.rmtree(scratch(), ignore_errors=True)
    scratch.cache_clear()


def saved(data: bytes, name: str) -> Path:
    """Write a file that holds these bytes."""
    path = scratch() / name
    path.write_bytes(data)
    return path


def saved_folder(data: bytes, name: str) -> Path | None:
    """Unpack an archive to a folder; None where it is none."""
    path = scratch() / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    for member, content in mutators.unpacked(data):
        parts = [part for part in PurePosixPath(member).parts if part not in ("/", "..", ".") and "\0" not in part]
        if not parts or any(len(part.encode("utf-8", "replace")) > 100 for part in parts):
            continue
        file = path.joinpath(*parts)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        except (OSError, UnicodeError):
            continue
    return path if any(path.iterdir()) else None


def urdf(data: bytes) -> None:
    """Robot descriptions; a robot that comes of one has finite kinematics."""
    try:
        chain, bodies = parse_bodies(data)
        robot = RobotModel(chain.joints, chain.base_link, chain.tip_link, chain.name)
        require_robot(robot)
        require(all(np.isfinite(body.origin).all() and math.isfinite(body.mass) for body in bodies), "body")
    except URDFError as error:
        require_words(error)


def model(data: bytes) -> None:
    """Model files; a model that is read answers."""
    try:
        estimator = load_model(saved(data, "model.npz"))
    except ModelFileError as error:
        require_words(error)
        return
    require_robot(estimator.robot)
    try:
        result = estimator.solve(estimator.robot.forward_kinematics(estimator.robot.rest), timeout=BRIEFLY)
    except CrispIKError as error:
        require_words(error)
        return
    require_within(result.configuration, estimator.robot)


def model_robot(data: bytes) -> None:
    """Robots as the headers of models have them, as JSON; the fingerprint is put right, so that more is reached."""
    try:
        described = json.loads(data)["robot"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    for _ in range(2):
        try:
            robot = robot_of_header(described, Path("model.npz"))
        except ModelFileError as error:
            require_words(error)
            fingerprint = fingerprint_of(described)
            if fingerprint is None:
                return
            described["fingerprint"] = fingerprint
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, CrispIKError):
            return  # what its caller turns into a ModelFileError
        else:
            require_robot(robot)
            return


def fingerprint_of(described: dict[str, Any]) -> str | None:
    """Return the fingerprint that a described robot really has, if there is such a robot."""
    from crisp_ik_ros.robots.urdf import ChainJoint

    try:
        joints = [
            ChainJoint(**{
                **joint, "origin": np.array(joint["origin"], dtype=float), "axis": np.array(joint["axis"], dtype=float),
                "velocity": np.inf if joint["velocity"] is None else joint["velocity"],
            })
            for joint in described["joints"]
        ]  # fmt: skip
        ends = described["base_link"], described["tip_link"]
        return RobotModel(joints, *ends, described["name"], described["urdf_sha256"], described["rest"]).fingerprint
    except Exception:  # there is none
        return None


def read_dataset(path: Path, **options: Any) -> None:
    """Read samples, in every way there is."""
    try:
        data = Dataset.load(path, **options)
    except DatasetError as error:
        # rosbags asks for as many bytes as a record says it has, and then reads those that are there.
        require_words(error, memory=path.stem != "recording")
        return
    require_dataset(data)


def archive(data: bytes) -> None:
    """Datasets in archives; mapped into memory they hold the same."""
    path = saved(data, "data.npz")
    read_dataset(path)
    read_dataset(path, memory_map=True)


def table(data: bytes) -> None:
    """Datasets in text."""
    path = saved(data, "data.csv")
    read_dataset(path)
    read_dataset(path, joint_names=["elbow", "shoulder"])


def point_folder(data: bytes) -> None:
    """Folders of joint logs."""
    path = saved_folder(data, "points")
    if path is not None:
        read_dataset(path, joint_names=["shoulder", "elbow"], distance=0.05)
        read_dataset(path, joint_names=["shoulder", "elbow"])


@cache
def _quick_type_stores() -> None:
    """Make rosbags' store of standard types once: it takes longer than everything else, and reads nothing."""
    from crisp_ik_ros.datasets import rosbag

    if hasattr(rosbag, "get_typestore") and not hasattr(rosbag.get_typestore, "cache_info"):
        rosbag.get_typestore = cache(rosbag.get_typestore)


def recording(data: bytes) -> None:
    """Recordings: a folder as an archive, or one file."""
    _quick_type_stores()
    path = saved_folder(data, "recording")
    if path is None:
        path = saved(data, "recording.db3" if data[:6] == b"SQLite" else "recording.mcap")
    read_dataset(path)


def model_member(name: str) -> mutators.Mutator:
    return header_mutator if name == "header.npy" else mutators.array_mutator


def array_member(name: str) -> mutators.Mutator:
    return mutators.array_mutator


def log_member(name: str) -> mutators.Mutator:
    return mutators.text_mutator


def recording_member(name: str) -> mutators.Mutator:
    return mutators.text_mutator if name.endswith(".yaml") else mutators.bytes_mutator


def header_mutator(data: bytes, rng: Any, scramble: mutators.Scramble) -> bytes:
    """For a model's header: JSON in an array of bytes, of the robot that it says it is half of the time."""
    try:
        text = np.load(io.BytesIO(data)).tobytes()
    except Exception:  # a header that is none already
        return mutators.array_mutator(data, rng, scramble)
    if rng.random() < 0.1:
        return mutators.array_mutator(data, rng, scramble)
    text = mutators.json_mutator(text, rng, scramble)
    if rng.random() < 0.5:
        value = mutators.json_object(text)
        described = value.get("robot") if value else None
        if isinstance(described, dict):
            described["fingerprint"] = fingerprint_of(described) or described.get("fingerprint")
            text = json.dumps(value).encode()
    stream = io.BytesIO()
    np.save(stream, np.frombuffer(text, dtype=np.uint8))
    return stream.getvalue()


def recording_mutator(data: bytes, rng: Any, scramble: mutators.Scramble) -> bytes:
    """For recordings: folders as archives, and files."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        return mutators.archive_mutator(recording_member)(data, rng, scramble)
    return scramble(data)
