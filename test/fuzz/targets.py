"""One function for each reader: bytes -> None. It returns, or raises what the reader must not raise.

A reader may give a value, which is then held to what is promised of it, or raise a CrispIKError with words.
"""

from __future__ import annotations

import io
import json
import math
import shutil
import tempfile
import zipfile
from array import array
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from crisp_ik_ros import Dataset, ModelBasedIK, RobotModel, load_model
from crisp_ik_ros.errors import CrispIKError, DatasetError, InvalidInputError, ModelFileError, URDFError
from crisp_ik_ros.estimators.model_archive import robot_of_header
from crisp_ik_ros.nodes.answer import Answer, Answerer, PathAnswer, Seed
from crisp_ik_ros.nodes.joint_order import indices_of
from crisp_ik_ros.nodes.paths import requested_paths
from crisp_ik_ros.nodes.targets import ErrorCode
from crisp_ik_ros.nodes.targets import Target as Wanted
from crisp_ik_ros.robots.urdf import parse_bodies
from crisp_ik_ros.trajectories import TRAJECTORIES

from . import mutators, seeds

# Words for a person; a caller's own megabyte is not sent back to him.
LONGEST_MESSAGE = 2000
# Time for one search in a fuzzed request [s].
BRIEFLY = 3e-4
# Position [m] and orientation [rad] that an answer may be off.
TOLERANCES = 1e-3, 1e-2


class Target(NamedTuple):
    """A reader under test.

    Attributes
    ----------
    name : str
    run : callable
        The function.
    seeds : callable
        Inputs to begin with; it is given a folder to write in.
    mutator : Mutator
    share : float
        Of the cases in all: a reader that takes long gets fewer.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[Path], list[bytes]]
    mutator: mutators.Mutator
    share: float


@cache
def scratch() -> Path:
    """Folder for the files that are read; in memory where there is such a place."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="crisp_ik_fuzz_", dir=memory if memory.is_dir() else None))


def forget_scratch() -> None:
    """Remove that folder."""
    shutil.rmtree(scratch(), ignore_errors=True)
    scratch.cache_clear()


def require(holds: Any, what: str) -> None:
    """Raise AssertionError where a promise is not kept."""
    if not holds:
        raise AssertionError(what)


def require_words(error: Exception) -> None:
    """Hold an error to saying something, at bearable length."""
    require(str(error).strip(), f"{type(error).__name__} without words")
    require(len(str(error)) <= LONGEST_MESSAGE, f"{type(error).__name__} of {len(str(error))} characters")


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


def require_robot(robot: RobotModel) -> None:
    """Hold a robot to finite limits and kinematics."""
    require(robot.dof >= 1, "a robot without joints")
    require((robot.lower <= robot.upper).all(), "limits in the wrong order")
    require(not np.isnan(robot.velocity).any() and (robot.velocity > 0).all(), f"velocities {robot.velocity}")
    for configuration in (robot.rest, robot.lower, robot.upper):
        require(np.isfinite(configuration).all(), "limits that are not finite")
        with np.errstate(all="ignore"):
            require(np.isfinite(robot.forward_kinematics(configuration)).all(), "kinematics that are not finite")


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


def require_dataset(data: Dataset) -> None:
    """Hold samples to what every user of them relies on."""
    count, dof = data.configurations.shape
    require(count >= 1 and data.poses.shape == (count, 4, 4), f"shapes {data.configurations.shape}, {data.poses.shape}")
    require(len(data.joint_names) == dof and len(set(data.joint_names)) == dof, f"joint names {data.joint_names}")
    require(all(isinstance(name, str) and name for name in data.joint_names), "joint names that are no names")
    require(np.isfinite(data.configurations).all() and np.isfinite(data.poses).all(), "values that are not finite")
    rotation = data.poses[:, :3, :3]
    require(np.allclose(rotation @ np.swapaxes(rotation, 1, 2), np.eye(3), atol=1e-3), "poses that are no poses")
    require((data.poses[:, 3] == (0.0, 0.0, 0.0, 1.0)).all(), "poses without a last row")


def read_dataset(path: Path, **options: Any) -> None:
    """Read samples, in every way there is."""
    try:
        data = Dataset.load(path, **options)
    except DatasetError as error:
        require_words(error)
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


@cache
def answerer() -> Answerer:
    """Answers for two links in the plane; no search takes long."""

    class Brief(ModelBasedIK):
        def solve(self, pose: Any, seed: Any = None, timeout: Any = None, **options: Any) -> Any:
            return super().solve(pose, seed, BRIEFLY if timeout is None else min(timeout, BRIEFLY), **options)

        def solve_path(self, poses: Any, seed: Any = None, timeout: Any = None, **options: Any) -> Any:
            return super().solve_path(poses, seed, BRIEFLY if timeout is None else min(timeout, BRIEFLY), **options)

    return Answerer(Brief(seeds.robot(), position_tolerance=1e-5, orientation_tolerance=1e-4), BRIEFLY)


def _doubles(value: Any) -> array:
    """As messages hold numbers: a double each, whatever it is."""
    numbers = array("d")
    for item in value if isinstance(value, list) else ():
        try:
            numbers.append(float(item))
        except (TypeError, ValueError, OverflowError):
            numbers.append(math.nan)
    return numbers


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _wanted(value: dict[str, Any]) -> Wanted:
    position, quaternion = ([*_doubles(value.get(name)), 0.0, 0.0, 0.0, 0.0] for name in ("position", "quaternion"))
    return Wanted(tuple(position[:3]), tuple(quaternion[:4]), str(value.get("frame", "")))


def _arguments(value: dict[str, Any]) -> tuple[Seed, str, float]:
    seed = Seed(_texts(value.get("names")), _doubles(value.get("positions")))
    return seed, str(value.get("link", "")), (*_doubles([value.get("timeout")]), 0.0)[0]


def require_within(configuration: Any, robot: RobotModel) -> None:
    """Hold a configuration to the limits, to the last bit."""
    require(np.isfinite(configuration).all(), f"configuration {configuration}")
    require((configuration >= robot.lower).all() and (configuration <= robot.upper).all(), f"outside: {configuration}")


def require_reached(wanted: Wanted, configuration: np.ndarray) -> None:
    """Hold an answer for two links of 1 and 0.5 m to the pose, by plain trigonometry."""
    first, second = configuration[0], configuration[0] + configuration[1]
    tip = (math.cos(first) + 0.5 * math.cos(second), math.sin(first) + 0.5 * math.sin(second), 0.0)
    require(math.dist(tip, wanted.position) <= TOLERANCES[0], f"{tip} is not {wanted.position}")
    _, _, z, w = np.divide(wanted.quaternion, np.linalg.norm(wanted.quaternion))
    angle = 2.0 * math.acos(min(1.0, abs(w * math.cos(second / 2) + z * math.sin(second / 2))))
    require(angle <= TOLERANCES[1], f"turned by {angle} rad")


def require_answer(answer: Answer, wanted: Wanted) -> None:
    """Hold an answer to the contract of the service."""
    require(answer.code in tuple(ErrorCode), f"code {answer.code}")
    require(len(answer.message) <= LONGEST_MESSAGE, f"message of {len(answer.message)} characters")
    require((answer.configuration is not None) == (answer.code == ErrorCode.SUCCESS), "a solution rides on an error")
    values = (answer.position_error, answer.orientation_error, answer.support)
    require(np.isfinite(values).all() and 0.0 <= answer.support <= 1.0, f"values {values}")
    if answer.configuration is None:
        require(answer.message.strip(), "an error without words")
        return
    require_within(answer.configuration, answerer().estimator.robot)
    require_reached(wanted, answer.configuration)


def request(data: bytes) -> None:
    """Requests of single poses."""
    value = _object(data)
    if value is not None:
        wanted = _wanted(value)
        require_answer(answerer().answer(wanted, *_arguments(value)), wanted)


def path_request(data: bytes) -> None:
    """Requests of whole paths."""
    value = _object(data)
    if value is None:
        return
    poses = value.get("poses")
    wanted = [_wanted(pose) for pose in (poses if isinstance(poses, list) else [])[:50] if isinstance(pose, dict)]
    answer: PathAnswer = answerer().answer_path(wanted, *_arguments(value))
    require(answer.configurations.shape == (len(wanted), 2) and len(answer.codes) == len(wanted), "shapes")
    require((answer.code == ErrorCode.SUCCESS) == (answer.fraction == 1.0), f"{answer.code}, {answer.fraction}")
    require(len(answer.message) <= LONGEST_MESSAGE, f"message of {len(answer.message)} characters")
    require(answer.code == ErrorCode.SUCCESS or answer.message.strip(), "an error without words")
    for pose, code, configuration in zip(wanted, answer.codes.tolist(), answer.configurations, strict=True):
        require(code in tuple(ErrorCode), f"code {code}")
        if code == ErrorCode.SUCCESS:
            require_within(configuration, answerer().estimator.robot)
            require_reached(pose, configuration)
    for values in (answer.position_errors, answer.orientation_errors, answer.supports):
        require(len(values) == len(wanted) and np.isfinite(values).all(), "errors that are not finite")


def joint_order(data: bytes) -> None:
    """Joint names in any order."""
    value = _object(data)
    if value is None:
        return
    names, wanted = _texts(value.get("names")), list(dict.fromkeys(_texts(value.get("wanted"))))
    wanted = [name for name in wanted[:20] if len(name) <= 50]  # a robot's
    allowed = bool(value.get("others_allowed", True))
    fits = len(set(names)) == len(names) and set(wanted) <= set(names) and (allowed or set(names) == set(wanted))
    try:
        places = indices_of(names, wanted, "seed", allowed)
    except InvalidInputError as error:
        require(not fits, f"refused: {error}")
        require_words(error)
        return
    require(fits, "taken, but it does not fit")
    require([names[place] for place in places] == wanted, f"places {places}")


def trajectory(data: bytes) -> None:
    """Trajectories that a follower is asked for, by parameters of the types that ROS holds them to."""
    value = _object(data)
    if value is None:
        return
    points = value.get("points")
    points = min(points, 1000) if isinstance(points, int) and not isinstance(points, bool) else 20
    radius, yaw = _doubles([value.get("radius"), value.get("yaw")])
    try:
        paths = requested_paths(str(value.get("trajectory")), points, radius, yaw, _doubles(value.get("offset")))
    except InvalidInputError as error:
        require_words(error)
        return
    require(set(paths) <= set(TRAJECTORIES) and paths, f"paths {list(paths)}")
    for path in paths.values():
        require(path.shape == (points, 4, 4) and np.isfinite(path).all(), f"path of shape {path.shape}, or not finite")


def _object(data: bytes) -> dict[str, Any] | None:
    """JSON object; None where these bytes are none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _model_member(name: str) -> mutators.Mutator:
    return header_mutator if name == "header.npy" else mutators.array_mutator


def _array(name: str) -> mutators.Mutator:
    return mutators.array_mutator


def _log(name: str) -> mutators.Mutator:
    return mutators.text_mutator


def _recording_member(name: str) -> mutators.Mutator:
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
        value = _object(text)
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
        return mutators.archive_mutator(_recording_member)(data, rng, scramble)
    return scramble(data)


TARGETS = (
    Target("urdf", urdf, seeds.descriptions, mutators.xml_mutator, 0.10),
    Target("model", model, seeds.models, mutators.archive_mutator(_model_member), 0.05),
    Target("model_robot", model_robot, seeds.headers, mutators.json_mutator, 0.06),
    Target("archive", archive, seeds.archives, mutators.archive_mutator(_array), 0.08),
    Target("table", table, seeds.tables, mutators.text_mutator, 0.08),
    Target("point_folder", point_folder, seeds.point_folders, mutators.archive_mutator(_log), 0.05),
    Target("recording", recording, seeds.recordings, recording_mutator, 0.02),
    Target("request", request, seeds.requests, mutators.json_mutator, 0.20),
    Target("path_request", path_request, seeds.paths, mutators.json_mutator, 0.06),
    Target("joint_order", joint_order, seeds.orders, mutators.json_mutator, 0.20),
    Target("trajectory", trajectory, seeds.trajectories, mutators.json_mutator, 0.10),
)  # fmt: skip
