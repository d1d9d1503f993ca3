"""Alignment of an unknown measuring frame and tool with the nominal robot: the start of the identification."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.datasets.averages import nearest_rotation
from crisp_ik_ros.datasets.dataset import POSE, SAME_POINT
from crisp_ik_ros.estimators.identification.measurements import Measurements
from crisp_ik_ros.transforms import Array, rotation_logarithm

# Rounds of the alternation between frame and tool where only positions are measured.
ROUNDS = 200
# Pairs of samples whose relative rotations are compared.
PAIRS = 4000


def align_sessions(
    data: Measurements, poses: Array, unknown_frame: bool, unknown_tool: bool, random_state: int
) -> tuple[Array, Array]:
    """As ``align``, for each session and each of its markers: poses (4, 4), or (k, 4, 4) where there are several."""
    if data.frame_of is None and data.tool_of is None:
        return align(data, poses, unknown_frame, unknown_tool, random_state)
    frames, tools = np.tile(np.eye(4), (2, len(data), 1, 1))
    session = np.zeros(len(data), dtype=int) if data.frame_of is None else data.frame_of
    marker = np.zeros(len(data), dtype=int) if data.tool_of is None else data.tool_of
    for number in np.unique(session):
        own = session == number
        # The marker that was seen most often in it shows where its frame is, and the others where they are.
        seen, times = np.unique(marker[own], return_counts=True)
        first = own & (marker == seen[np.argmax(times)])
        frame, _ = align(data.subset(first), poses[first], unknown_frame, unknown_tool, random_state)
        frames[own] = frame
        for name in seen:
            rows = own & (marker == name)
            tools[rows] = align(data.subset(rows), frame @ poses[rows], False, unknown_tool, random_state)[1]
    found = []
    for each, which, unknown in ((frames, data.frame_of, unknown_frame), (tools, data.tool_of, unknown_tool)):
        if which is None:
            found.append(each[0] if unknown else np.eye(4))
        else:
            found.append(np.array([each[np.flatnonzero(which == k)[0]] for k in range(which.max() + 1)]))
    return found[0], found[1]


def align(
    data: Measurements, poses: Array, unknown_frame: bool, unknown_tool: bool, random_state: int
) -> tuple[Array, Array]:
    """Measuring frame and tool (4, 4) that bring the model's tip poses (n, 4, 4) near what was measured."""
    frame, tool = np.eye(4), np.eye(4)
    measured = data.kinds != SAME_POINT
    if not measured.any() or not (unknown_frame or unknown_tool):
        return frame, tool
    full = data.kinds == POSE
    rotations, tips = data.rotations[full], poses[full, :3, :3]
    if unknown_frame and full.sum() >= 3:
        frame[:3, :3] = _frame_rotation(rotations, tips, unknown_tool, random_state)
    if unknown_tool and full.any():
        tool[:3, :3] = nearest_rotation((tips.transpose(0, 2, 1) @ frame[:3, :3].T @ rotations).mean(axis=0))
    _shift(
        frame, tool, data.positions[measured], poses[measured], unknown_frame, unknown_tool,
        turning=unknown_frame and full.sum() < 3,
    )  # fmt: skip
    return frame, tool


def _frame_rotation(measured: Array, tips: Array, unknown_tool: bool, random_state: int) -> Array:
    """Rotation of the measuring frame: it turns the model's rotations from one sample to another into the measured."""
    if not unknown_tool:
        return nearest_rotation((measured @ tips.transpose(0, 2, 1)).mean(axis=0))
    rng = np.random.default_rng(random_state)
    count = len(measured)
    first, second = rng.integers(0, count, (2, PAIRS))
    left = rotation_logarithm(measured[first] @ measured[second].transpose(0, 2, 1))
    right = rotation_logarithm(tips[first] @ tips[second].transpose(0, 2, 1))
    # Half turns have two axes.
    good = (np.linalg.norm(left, axis=1) < 3.0) & (np.linalg.norm(right, axis=1) < 3.0)
    return nearest_rotation(left[good].T @ right[good])


def _shift(
    frame: Array, tool: Array, positions: Array, poses: Array, unknown_frame: bool, unknown_tool: bool, turning: bool
) -> None:
    """Find the translations, and by ``turning`` the frame's rotation too, each with the others held."""
    for _ in range(ROUNDS if turning else 1):
        if turning:
            points = poses[:, :3, 3] + poses[:, :3, :3] @ tool[:3, 3]
            frame[:3, :3] = nearest_rotation((positions - positions.mean(axis=0)).T @ (points - points.mean(axis=0)))
        rotations = frame[:3, :3] @ poses[:, :3, :3]
        target = positions - poses[:, :3, 3] @ frame[:3, :3].T
        columns = []
        if unknown_frame:
            columns.append(np.broadcast_to(np.eye(3), (len(poses), 3, 3)))
        if unknown_tool:
            columns.append(rotations)
        solution = np.linalg.lstsq(np.concatenate(columns, axis=2).reshape(-1, 3 * len(columns)), target.ravel())[0]
        if unknown_frame:
            frame[:3, 3] = solution[:3]
        if unknown_tool:
            tool[:3, 3] = solution[-3:]
