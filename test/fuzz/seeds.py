"""Small whole inputs that the mutations begin with, made by the package's own writers."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from crisp_ik_ros import CRiSP, Dataset, LearnedKinematics, RobotModel
from crisp_ik_ros.regression.kernels import GaussianKernel

from .mutators import packed

sys.path.append(str(Path(__file__).resolve().parents[1]))

from bags import Arm, Device, transform_stamped, write_bag
from oracles import ENDLESS, GANTRY, TWO_LINK

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = 12


@cache
def robot() -> RobotModel:
    """Two links of 1 and 0.5 m in the plane."""
    return RobotModel.from_urdf(TWO_LINK)


@cache
def dataset() -> Dataset:
    """A few measured poses."""
    configurations = np.random.default_rng(0).uniform(-1.5, 1.5, (SAMPLES, 2))
    return Dataset(configurations, robot().forward_kinematics(configurations), robot().joint_names)


def written(name: str, save: Callable[[Path], object], folder: Path) -> bytes:
    """Bytes of a file that a writer makes; of a folder, as an archive of its files."""
    path = folder / name
    save(path)
    if path.is_file():
        return path.read_bytes()
    return packed(
        [(str(file.relative_to(path)), file.read_bytes()) for file in sorted(path.rglob("*")) if file.is_file()]
    )


def descriptions(folder: Path) -> list[bytes]:
    """URDFs with every kind of joint."""
    return [TWO_LINK.encode(), GANTRY.encode(), ENDLESS.encode(), (ROOT / "models" / "planar5.urdf").read_bytes()]


def models(folder: Path) -> list[bytes]:
    """Both kinds of model."""
    crisp = CRiSP(robot(), kernel=GaussianKernel(0.3, 1.0), penalty=1e-6, centers=None).fit(dataset())
    learned = LearnedKinematics(robot()).fit(dataset())
    return [written("crisp.npz", crisp.save, folder), written("learned.npz", learned.save, folder)]


@cache
def _measured() -> tuple[Dataset, ...]:
    plain = dataset()
    positions = Dataset.from_positions(plain.configurations, plain.poses[:, :3, 3], plain.joint_names, noise=1e-3)
    points = {name: plain.configurations[part] for name, part in (("here/a", slice(0, 6)), ("here/b", slice(6, 12)))}
    same = Dataset.from_same_points(points, plain.joint_names, distances=[("here/a", "here/b", 0.05)])
    return plain, positions, same, Dataset.concatenate([plain, positions, same])


def archives(folder: Path) -> list[bytes]:
    """Datasets of all kinds of samples."""
    return [written(f"{index}.npz", data.save, folder) for index, data in enumerate(_measured())]


def tables(folder: Path) -> list[bytes]:
    """The same as text."""
    return [written(f"{index}.csv", data.save, folder) for index, data in enumerate(_measured())]


def point_folders(folder: Path) -> list[bytes]:
    """Folders of joint logs, as archives."""

    def log(first: int) -> bytes:
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows(dataset().configurations[first : first + 4].tolist())
        return stream.getvalue().encode()

    distances = b"first,second,length_m,sd_m\nhere/hole_0,here/hole_1,0.05,0.001\n"
    nested = [("here/hole_0.csv", log(0)), ("here/hole_1.csv", log(4)), ("distances.csv", distances)]
    return [packed(nested), packed([("a.csv", log(0)), ("b.csv", log(4))])]


def recordings(folder: Path) -> list[bytes]:
    """Recordings of an arm that stops three times: single files, and folders as archives."""
    arm = Arm.random(3, dwell=(0.5, 0.6), move=(0.3, 0.4))
    device = Device(joint_rate=16.0, tool_rate=12.0)
    result = []
    for storage, suffix in (("sqlite3", "db3"), ("mcap", "mcap")):
        for make in (None, transform_stamped):
            name = f"{storage}_{make is None}"
            messages = device.messages(arm) if make is None else device.messages(arm, make)
            whole = written(name, lambda path, m=messages, s=storage: write_bag(path, m, s), folder)
            result.append(next((folder / name).glob(f"*.{suffix}")).read_bytes())
        result.append(whole)
    return result


def headers(folder: Path) -> list[bytes]:
    """Return what models say of themselves, as JSON."""
    models(folder)
    return [np.load(folder / name)["header"].tobytes() for name in ("crisp.npz", "learned.npz")]


def _request(configuration: list[float] | None = None, **values: object) -> dict:
    pose = robot().forward_kinematics(np.array(configuration or [0.3, 0.8]))
    angle = float(np.arctan2(pose[1, 0], pose[0, 0]))
    quaternion = [0.0, 0.0, float(np.sin(angle / 2)), float(np.cos(angle / 2))]
    empty = {"frame": "", "names": [], "positions": [], "link": "", "timeout": 0.0}
    return {"position": pose[:3, 3].tolist(), "quaternion": quaternion, **empty, **values}


def requests(folder: Path) -> list[bytes]:
    """Requests as they arrive at the service, as JSON."""
    seed = {"names": ["shoulder", "elbow"], "positions": [0.2, 0.9]}
    values = [
        _request(),
        _request(**seed, frame="base", link="tip", timeout=0.1),
        _request(names=["elbow", "finger", "shoulder"], positions=[0.9, 0.0, 0.2], frame="/base"),
        _request(positions=[0.2, 0.9]),
        _request(position=[5.0, 0.0, 0.0]),
        _request(
            position=[1e9, 0.0, 0.0], quaternion=[0.0, 0.0, 0.0, 0.0], frame="world", link="gripper", timeout=-1.0
        ),
    ]
    return [json.dumps(value).encode() for value in values]


def paths(folder: Path) -> list[bytes]:
    """Requests of paths, as JSON."""
    points = [_request([0.1 * step, 0.8]) for step in range(5)]
    whole = {"poses": points, "names": [], "positions": [], "link": "", "timeout": 0.0}
    broken = {**whole, "poses": [*points[:2], _request(position=[9.0, 0.0, 0.0]), *points[2:]], "timeout": 0.01}
    return [json.dumps(value).encode() for value in (whole, broken, {**whole, "poses": []})]


def orders(folder: Path) -> list[bytes]:
    """Joint names as they arrive, and as they are wanted, as JSON."""
    wanted = ["a", "b", "c"]
    return [
        json.dumps({"names": names, "wanted": wanted, "others_allowed": allowed}).encode()
        for names in (wanted, ["c", "a", "b"], ["c", "x", "a", "b"], ["a", "a", "b"], [])
        for allowed in (True, False)
    ]


def trajectories(folder: Path) -> list[bytes]:
    """Parameters of the trajectories that a follower is asked for, as JSON."""
    values = {"trajectory": "both", "points": 20, "radius": 0.03, "yaw": 0.0, "offset": [0.0, 0.0, 0.0]}
    return [json.dumps({**values, "trajectory": name}).encode() for name in ("both", "spiral", "circle")]
