"""All that is under test, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from . import asked, files, mutators, seeds


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


TARGETS = (
    Target("urdf", files.urdf, seeds.descriptions, mutators.xml_mutator, 0.10),
    Target("model", files.model, seeds.models, mutators.archive_mutator(files.model_member), 0.05),
    Target("model_robot", files.model_robot, seeds.headers, mutators.json_mutator, 0.06),
    Target("archive", files.archive, seeds.archives, mutators.archive_mutator(files.array_member), 0.08),
    Target("table", files.table, seeds.tables, mutators.text_mutator, 0.08),
    Target("point_folder", files.point_folder, seeds.point_folders, mutators.archive_mutator(files.log_member), 0.05),
    Target("recording", files.recording, seeds.recordings, files.recording_mutator, 0.02),
    Target("request", asked.request, seeds.requests, mutators.json_mutator, 0.20),
    Target("path_request", asked.path_request, seeds.paths, mutators.json_mutator, 0.06),
    Target("joint_order", asked.joint_order, seeds.orders, mutators.json_mutator, 0.20),
    Target("trajectory", asked.trajectory, seeds.trajectories, mutators.json_mutator, 0.10),
)  # fmt: skip
