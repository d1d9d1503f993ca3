"""Plausibility of numbers: radians, metres, and a robot's joint limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from crisp_ik_ros.errors import DatasetError, InvalidInputError
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# An arm does not turn most of its joints by more than two turns [rad].
LARGEST_ANGLE = 4.0 * np.pi
# A tool does not reach so far, and its measurements do not begin so far away [m].
LARGEST_POSITION = 100.0
# A measured joint may read this far beyond its limit [rad or m].
LIMIT_SLACK = 0.02
# Treatments of values outside the limits.
REFUSE, NOTE = "refuse", "note"
# Configurations looked at at a time: they may be mapped from a file larger than memory.
CHUNK = 65536


def check_units(label: str, joint_names: Sequence[str], configurations: Array, positions: Array | None = None) -> None:
    """Refuse degrees and millimetres where they cannot be anything else.

    What is smaller, or concerns only some of the joints, is left to whoever knows the robot.

    Parameters
    ----------
    label : str
        What the numbers are called in the error.
    joint_names : sequence of str
    configurations : (n, J)
    positions : (m, 3), optional

    Raises
    ------
    DatasetError
        When most joints turn by more than two turns, or most positions are farther than 100 m away.
    """
    if len(configurations):
        largest = np.abs(configurations).max(axis=0)
        if 2 * np.sum(largest > LARGEST_ANGLE) > len(joint_names) > 0:
            joint = int(np.argmax(largest))
            row = int(np.argmax(np.abs(configurations[:, joint])))
            raise DatasetError(
                f"{label}: sample {row} has {joint_names[joint]} at {configurations[row, joint]:g}, and most joints "
                "turn as far; these look like degrees, radians are expected"
            )
    if positions is not None and len(positions):
        far = float(np.median(np.abs(positions).max(axis=1)))
        if far > LARGEST_POSITION:
            raise DatasetError(f"{label}: positions are like {far:g}; these look like millimetres, metres are expected")


def check_limits(
    robot: RobotModel | None,
    joint_names: Sequence[str],
    configurations: Array,
    where: Callable[[int], str],
    limits: str = REFUSE,
) -> tuple[str, ...]:
    """Find configurations outside the joint limits by more than ``LIMIT_SLACK``.

    Parameters
    ----------
    robot : RobotModel, optional
        Without one, nothing is checked.
    joint_names : sequence of str
        Of the columns; other joints than the robot's are left to whoever needs them.
    configurations : (n, J)
    where : callable
        Place of a sample, for the message: file, and line or row.
    limits : str
        "refuse" or "note".

    Returns
    -------
    tuple of str
        A remark that names the first one, where ``limits`` is "note" and there is one.

    Raises
    ------
    DatasetError
        Likewise, where ``limits`` is "refuse".
    InvalidInputError
        When ``limits`` is something else.
    """
    if limits not in (REFUSE, NOTE):
        raise InvalidInputError("limits", repr(limits), f"{REFUSE!r} or {NOTE!r}")
    if robot is None or sorted(joint_names) != sorted(robot.joint_names):
        return ()
    order = [list(joint_names).index(name) for name in robot.joint_names]
    first, outside = -1, 0
    for start in range(0, len(configurations), CHUNK):
        rows = np.asarray(configurations[start : start + CHUNK], dtype=float)[:, order]
        wrong = np.flatnonzero(~robot.within_limits(rows, LIMIT_SLACK))
        outside += len(wrong)
        if len(wrong) and first < 0:
            first, row = start + int(wrong[0]), robot.wrapped(rows[wrong[0]])
    if first < 0:
        return ()
    joint = int(np.argmax(np.maximum(row - robot.upper, robot.lower - row)))
    message = (
        f"{where(first)}: {robot.joint_names[joint]} is {row[joint]:g}, outside its limits {robot.lower[joint]:g} to "
        f"{robot.upper[joint]:g}; {outside} of {len(configurations)} samples are outside the limits"
    )
    if limits == NOTE:
        return (message,)
    raise DatasetError(
        f"{message}; radians and meters are expected. Is it the right robot, and are the limits in its URDF right?"
    )
