"""Whether numbers can be radians and metres at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.transforms import Array

# An arm does not turn most of its joints by more than two turns [rad].
LARGEST_ANGLE = 4.0 * np.pi
# A tool does not reach so far, and its measurements do not begin so far away [m].
LARGEST_POSITION = 100.0


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
