"""Samples that are recorded one by one, without ROS: from measurements to a data file that is always complete."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np

from crisp_ik_ros.datasets.averages import average_poses
from crisp_ik_ros.datasets.dataset import POSE, POSITION, SAME_POINT, Dataset
from crisp_ik_ros.datasets.fields import Fields
from crisp_ik_ros.errors import CrispIKError, DatasetError, InvalidInputError
from crisp_ik_ros.nodes.measurements import Measurement
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

KINDS = {"poses": POSE, "positions": POSITION, "same_point": SAME_POINT}
ENDINGS = (".csv", ".npz")
# A configuration this near the last one is the same stop again [rad or m].
SAME_STOP = 2e-3


class Recording:
    """Samples of one robot and the file they go to.

    Parameters
    ----------
    robot : RobotModel
    mode : {"poses", "positions", "same_point"}
        What is measured.
    output : str
        Path of the file, .csv or .npz. One that is there is continued.
    overwrite : bool
        Begin anew instead; the file is replaced at the first ``save``.
    accuracy : (float, float)
        Standard deviation of what the measuring device gets wrong the same way in all readings of a stop, position [m]
        and orientation [rad]; it is added to the noise that the readings show.

    Raises
    ------
    InvalidInputError
        When an argument cannot be used, or the file's folder cannot be written to.
    DatasetError
        When the file that is to be continued cannot be read or holds other joints.
    """

    def __init__(
        self,
        robot: RobotModel,
        mode: str,
        output: str,
        overwrite: bool = False,
        accuracy: tuple[float, float] = (0.0, 0.0),
    ):
        if mode not in KINDS:
            raise InvalidInputError("mode", repr(mode), " or ".join(map(repr, KINDS)))
        self.robot = robot
        self.mode = mode
        self.path = _checked_path(output)
        self.accuracy = accuracy
        self._parts: list[Dataset] = []
        self._saved = 0
        if self.path.exists() and not overwrite:
            dataset = Dataset.load(self.path)
            if sorted(dataset.joint_names) != sorted(robot.joint_names):
                raise DatasetError(
                    f"{self.path} cannot be continued: its joints are {', '.join(dataset.joint_names)}, the robot's "
                    f"are {', '.join(robot.joint_names)}; take another output, or overwrite it"
                )
            self._parts.append(dataset)
            self._saved = len(dataset)

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def count(self) -> str:
        """Return the number of samples in words."""
        return f"{len(self)} sample{'' if len(self) == 1 else 's'}"

    @property
    def unsaved(self) -> int:
        """Number of samples that are not in the file yet."""
        return len(self) - self._saved

    @property
    def last(self) -> Array | None:
        """Configuration (J,) of the last sample [rad or m], in the robot's order; None before the first."""
        if not self._parts:
            return None
        dataset = self._parts[-1]
        return dataset.configurations[-1, [dataset.joint_names.index(name) for name in self.robot.joint_names]]

    def dataset(self) -> Dataset:
        """All samples.

        Raises
        ------
        DatasetError
            When there is none.
        """
        if len(self._parts) > 1:
            self._parts = [Dataset.concatenate(self._parts)]
        if not self._parts:
            raise DatasetError("no sample has been captured yet")
        return self._parts[0]

    def warm_up(self) -> None:
        """Make a sample that is thrown away, so that nothing is compiled while readings of a real one come in."""
        configuration = self.robot.confined(self.robot.rest)
        tool = average_poses(self.robot.forward_kinematics(configuration)[None])
        self._sample(Measurement(configuration, tool, 0.0, 0.0, 1), "nowhere")

    def add(self, measurement: Measurement, group: str = "", in_base_frame: bool = True) -> str:
        """Append a sample; return what it is in words.

        Parameters
        ----------
        measurement : Measurement
        group : str
            Name of the point the tool is at, or of the place where it is measured; empty: none.
        in_base_frame : bool
            Whether poses are in the robot's base frame, so that they can be compared with its model.

        Raises
        ------
        InvalidInputError
            When the tool is at a point that has no name.
        DatasetError
            When the name cannot be one.
        """
        sample = self._sample(measurement, group)
        words = self._words(measurement, sample, group, in_base_frame)
        self._parts.append(sample)
        return words

    def _sample(self, measurement: Measurement, group: str) -> Dataset:
        kind, tool = KINDS[self.mode], measurement.tool
        if kind == SAME_POINT and not group:
            raise InvalidInputError("group", "nothing", "the name of the point that the tool is at")
        noise = np.full(2, np.nan)
        if kind != SAME_POINT:
            assert tool is not None
            known = np.where(np.isnan(tool.noise), 0.0, tool.noise)
            # Nothing known at all stays unknown.
            noise = np.hypot(known, self.accuracy)
            noise[noise == 0.0] = np.nan
        return Dataset.from_fields(
            Fields(
                self.robot.joint_names,
                measurement.configuration[None],
                np.eye(4)[None] if tool is None or kind == SAME_POINT else tool.pose[None],
                np.array([kind], dtype=np.int8),
                np.array([0 if group else -1]),
                (group,) if group else (),
                (),
                noise[None],
            )
        )

    def _words(self, measurement: Measurement, sample: Dataset, group: str, in_base_frame: bool) -> str:
        tool, parts = measurement.tool, []
        if self.mode != "same_point":
            assert tool is not None
            parts.append("tool at " + " ".join(f"{value:.4f}" for value in tool.pose[:3, 3]) + " m")
            if in_base_frame:
                nominal = self.robot.forward_kinematics(measurement.configuration)
                distance = np.linalg.norm(nominal[:3, 3] - tool.pose[:3, 3])
                parts.append(f"{1e3 * distance:.2f} mm from the nominal model")
            parts.append(_noise_words(sample.noise))
            glitches = f" ({tool.left_out} glitches left out)" if tool.left_out else ""
            parts.append(f"{tool.readings} poses{glitches} and {measurement.readings} joint states averaged")
        if group:
            same = sum(int(np.sum(part.groups == part.group_names.index(group))) for part in self._with(group))
            parts.insert(0, f"{group}, its configuration {same + 1}")
        if self.mode == "same_point":
            parts.append(f"{measurement.readings} joint states averaged")
        last = self.last
        if last is not None and np.abs(measurement.configuration - last).max() < SAME_STOP:
            parts.append("the arm has not moved since the last sample")
        return f"sample {len(self) + 1}: {', '.join(parts)}"

    def _with(self, group: str) -> list[Dataset]:
        return [part for part in self._parts if group in part.group_names]

    def save(self) -> str:
        """Write all samples to the file, which is replaced only when that is complete; return words for it.

        Raises
        ------
        CrispIKError
            When there is no sample, or the file cannot be written; the samples are kept.
        """
        dataset = self.dataset()
        try:
            dataset.save(self.path)
        except DatasetError as error:
            raise CrispIKError(f"not saved ({self.count()}): {error}") from error
        self._saved = len(dataset)
        return f"{self.count()} in {self.path}"


class Departure:
    """Whether the arm has left a configuration by more than a distance since it was captured there.

    Parameters
    ----------
    distance : float
        Of the joint that has moved farthest [rad or m].
    captured : (J,), optional
        Where it was captured last; default: nowhere, so that any stop is a new one.
    """

    def __init__(self, distance: float, captured: Array | None = None):
        self.distance = distance
        self._place = captured
        self.left = captured is None

    def moved(self, configuration: Array) -> None:
        """Note where the joints (J,) are [rad or m]."""
        if self._place is not None and np.abs(configuration - self._place).max() > self.distance:
            self.left = True

    def captured(self, configuration: Array) -> None:
        """Note that a sample was taken here (J,) [rad or m]."""
        self._place, self.left = configuration, False


def _noise_words(noise: Array | None) -> str:
    if noise is None:
        return "noise not known"
    units = zip(noise[0], ("mm", "mrad"), strict=True)
    return "noise " + ", ".join(f"{1e3 * value:.2g} {unit}" for value, unit in units if math.isfinite(value))


def _checked_path(output: str) -> Path:
    if not output:
        raise InvalidInputError("output", "nothing", "the path of the data file to write")
    path = Path(output).expanduser()
    if path.suffix not in ENDINGS:
        raise InvalidInputError("output", repr(output), f"a path that ends in {' or '.join(ENDINGS)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError("output", f"{path.parent}, which cannot be made ({error})", "a folder") from error
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise InvalidInputError("output", repr(output), "a file that can be written")
    return path
