"""The paper's three datasets (section 4.2), drawn anew: who runs this gets the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.robots.catalog import find_robot, find_urdf
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.simulation.regions import Box, OrientationRange, Region, Workspace, circle_torus
from crisp_ik_ros.simulation.sampling import sample
from crisp_ik_ros.trajectories import SPIRAL_CENTER, tool_orientation

# SHA-256 of each part as published.
CHECKSUMS = Path(__file__).with_name("checksums.json")
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Preset:
    """A dataset in three parts, each with a seed of its own.

    Attributes
    ----------
    robot : str
    counts : (int, int, int)
        Samples of the training, validation and test part.
    region : callable
        Makes the region that the samples are drawn from.
    description : str
    """

    robot: str
    counts: tuple[int, int, int]
    region: Callable[[], Region | Workspace]
    description: str


def _box() -> Box:
    """Cube of 10 cm around the spiral, every tool orientation."""
    return Box(SPIRAL_CENTER, (0.1, 0.1, 0.1), OrientationRange(tool_orientation(0.0), np.pi, -np.pi, np.pi))


PRESETS = {
    "planar": Preset(
        "planar5", (25000, 10000, 5000), Workspace, "planar arm, configurations uniform within the joint limits"
    ),
    "panda-torus": Preset(
        "panda",
        (35000, 10000, 5000),
        circle_torus,
        "Panda, 1 cm around the circle, two tool orientations (+-pi/4)",
    ),
    "panda-box": Preset(
        "panda", (35000, 10000, 5000), _box, "Panda, a cube of 10 cm around the spiral, every tool orientation"
    ),
}


def make_part(
    name: str, part: str, count: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Dataset:
    """Draw one part of a preset; ``count``: its first samples only.

    Raises
    ------
    InvalidInputError
        When there is no such preset or part.
    """
    if name not in PRESETS:
        raise InvalidInputError("preset", repr(name), " or ".join(map(repr, PRESETS)))
    if part not in PARTS:
        raise InvalidInputError("part", repr(part), " or ".join(map(repr, PARTS)))
    preset, seed = PRESETS[name], PARTS.index(part)
    with PyBulletArm(find_urdf(preset.robot), find_robot(preset.robot)) as arm:
        return sample(arm, preset.region(), count or preset.counts[seed], seed, progress=progress)


def write_preset(name: str, folder: Path, progress: Callable[[int, int], None] | None = None) -> dict[str, str]:
    """Write the parts of a preset to ``folder``; return the SHA-256 of each file, by its name."""
    sums = {}
    for part in PARTS:
        path = folder / f"{name}-{part}.npz"
        make_part(name, part, progress=progress).save(path)
        sums[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return sums


def published_checksums() -> dict[str, str]:
    """Return the SHA-256 of every part as published, by file name."""
    return json.loads(CHECKSUMS.read_text())
