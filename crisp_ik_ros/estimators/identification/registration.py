"""Registration of a measuring frame and a tool: all that changes when a device is set up, or a tool mounted, again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crisp_ik_ros.datasets.dataset import POSE, SAME_POINT, Dataset
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.estimators.identification.alignment import align
from crisp_ik_ros.estimators.identification.measurements import read_measurements, residuals
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.transforms import Array, cross_matrices, rotation_exponential

# Gauss-Newton steps from the alignment, and the weight of a radian against a metre in them.
STEPS, METRES_A_RADIAN = 20, 0.3
# Of the smallest direction that the samples tell, against the largest.
CONDITION = 1e-6


def register(
    layout: Layout, parameters: Array, dataset: Dataset, places: Sequence[str], payload: float
) -> tuple[Array, Array]:
    """Measuring frame and tool (4, 4) that bring an identified robot nearest to samples, by least squares.

    Parameters
    ----------
    layout : Layout
    parameters : (P,)
        Of the robot, which stay as they are.
    dataset : Dataset
        Poses or positions.
    places : (str, str)
        "known" or "unknown": measuring frame and tool.
    payload : float
        What the tip carries where the samples do not say it [kg].

    Raises
    ------
    DatasetError
        When the samples are too few, or their configurations do not tell frame from tool.
    """
    data = read_measurements(layout.robot, dataset, Priors())
    if (data.kinds == SAME_POINT).any():
        raise DatasetError("samples at one point tell neither frame nor tool; expected poses or positions")
    payloads = np.full(len(data), payload) if data.payloads is None else data.payloads
    poses = np.empty((len(data), 4, 4))
    for rows, loaded in layout.by_payload(payloads, len(data)):
        poses[rows] = loaded.robot_with(parameters).forward_kinematics(data.configurations[rows])
    unknown = places[0] == "unknown", places[1] == "unknown"
    full = (data.kinds == POSE)[:, None]
    free = np.repeat([unknown[0], unknown[1], unknown[1] and bool(full.any())], [6, 3, 3])
    numbers = int(3 * len(data) + 3 * full.sum())
    if numbers < free.sum() + 3:
        raise DatasetError(
            f"{len(data)} samples give {numbers} numbers for the {free.sum()} of frame and tool: measure at more "
            "configurations"
        )
    frame, tool = align(data, poses, *unknown, 0)
    for _ in range(STEPS):
        position, orientation = residuals(data, poses, frame, tool)
        reached = frame @ poses
        arm = (reached @ tool)[:, :3, 3] - frame[:3, 3]
        rows = np.zeros((len(data), 6, 12))
        rows[:, :3, :3], rows[:, :3, 3:6], rows[:, :3, 6:9] = np.eye(3), -cross_matrices(arm), reached[:, :3, :3]
        rows[:, 3:, 3:6], rows[:, 3:, 9:] = np.eye(3), reached[:, :3, :3]
        rows[:, 3:] *= METRES_A_RADIAN * full[:, :, None]
        right = np.concatenate([position, METRES_A_RADIAN * orientation], axis=1)
        flat = rows.reshape(-1, 12)[:, free]
        if np.linalg.cond(flat) > 1.0 / CONDITION:
            raise DatasetError("these configurations do not tell frame from tool: turn the last joints between samples")
        step = np.zeros(12)
        step[free] = np.linalg.lstsq(flat, right.ravel(), rcond=None)[0]
        turn = rotation_exponential(step[3:6])
        frame[:3, :3], frame[:3, 3] = turn @ frame[:3, :3], frame[:3, 3] + step[:3]
        tool[:3, :3], tool[:3, 3] = rotation_exponential(step[9:]) @ tool[:3, :3], tool[:3, 3] + step[6:9]
    return frame, tool
