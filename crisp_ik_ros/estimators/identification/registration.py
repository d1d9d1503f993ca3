"""Registration of a measuring frame and a tool: all that changes when a device is set up, or a tool mounted, again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from crisp_ik_ros.datasets.dataset import POSE, SAME_POINT, Dataset
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.estimators.identification.alignment import align
from crisp_ik_ros.estimators.identification.design import Design, Joints
from crisp_ik_ros.estimators.identification.measurements import Measurements, read_measurements, residuals
from crisp_ik_ros.estimators.identification.normal_equations import NUISANCES, measured_rows
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.identification.uncertainty import Uncertainty
from crisp_ik_ros.transforms import Array, rotation_exponential

# Gauss-Newton steps from the alignment, and the weight of a radian against a metre in the first of them.
STEPS, METRES_A_RADIAN = 20, 0.3
# Of the smallest direction that the samples tell, against the largest.
CONDITION = 1e-6
# Least standard deviation of a measurement [m, rad]: samples without noise would weigh without bound.
LEAST_NOISE = 1e-7
# Residuals of so many times their expected size are worth a warning.
MISFIT = 3.0
# Fewest numbers beyond those that are fitted: without any, nothing shows a row that is wrong.
SPARE = 3


class Registration(NamedTuple):
    """Measuring frame and tool that were found anew.

    Attributes
    ----------
    frame, tool : (4, 4)
        The base in the measuring frame; what is measured, in the tip's frame.
    measuring : (12, S)
        Deviations of both, as in ``Uncertainty``: sample by sample those that go with the deviations of the robot.
    position, orientation : (n, 3)
        Residuals of the samples [m, rad], measuring frame.
    excess : float
        Size of the residuals against the expected one; at least 1.
    worst : int
        Sample that fits worst.
    """

    frame: Array
    tool: Array
    measuring: Array
    position: Array
    orientation: Array
    excess: float
    worst: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentence that names the sample that fits worst where the samples do not fit."""
        if self.excess < MISFIT:
            return ()
        return (
            f"The {len(self.position)} samples of the registration fit no frame and tool: their residuals are "
            f"{self.excess:.2g} times those expected, largest in row {self.worst}. Measure again, or leave it out.",
        )


def read_registration(layout: Layout, dataset: Dataset, places: Sequence[str]) -> Measurements:
    """Samples for a registration of what ``places`` ("known" or "unknown": frame, tool) says.

    Raises
    ------
    DatasetError
        When they are of several sessions or markers, show no positions, or are too few.
    """
    data = read_measurements(layout.robot, dataset, Priors())
    for kind, names in (("session", dataset.session_names), ("marker", dataset.marker_names)):
        if len(names) > 1:
            raise DatasetError(
                f"got samples of the {kind}s {', '.join(names)}, expected one {kind}: register each by itself"
            )
    if (data.kinds == SAME_POINT).any():
        raise DatasetError("samples at one point tell neither frame nor tool; expected poses or positions")
    full = data.kinds == POSE
    numbers, free = int(3 * len(data) + 3 * full.sum()), int(_free(data, places).sum())
    if numbers < free + SPARE:
        least = -(-(free + SPARE) // (6 if full.all() else 3))
        raise DatasetError(
            f"{len(data)} samples give {numbers} numbers for the {free} of frame and tool: measure at {least} "
            "configurations or more"
        )
    return data


def register(
    uncertainty: Uncertainty,
    layout: Layout,
    data: Measurements,
    places: Sequence[str],
    payload: float,
    noise: Sequence[float],
    random_state: int = 0,
) -> Registration:
    """Measuring frame and tool that bring an identified robot nearest to samples, by weighted least squares.

    What is not known of the robot moves frame and tool with it, and most of it then cancels in what is measured. So
    each sample of the robot's posterior gets its own frame and tool, with noise of its own on the samples.

    Parameters
    ----------
    uncertainty : Uncertainty
        Of the robot, whose parameters stay as they are, with the frame and tool that it had.
    layout : Layout
        Of the robot without a payload.
    data : Measurements
        As ``read_registration`` gives them.
    places : (str, str)
        "known" or "unknown": measuring frame and tool. What is known stays as it was.
    payload : float
        What the tip carries where the samples do not say it [kg].
    noise : (float, float)
        Standard deviations of positions and orientations where the samples do not say them [m, rad].

    Raises
    ------
    DatasetError
        When the configurations do not tell frame from tool.
    """
    payloads = np.full(len(data), payload) if data.payloads is None else data.payloads
    joints = Joints(layout, data.configurations, payloads, data.approaches)
    design = Design(layout, uncertainty.parameters, data.configurations, joints, payloads=payloads)
    free, full = _free(data, places), data.kinds == POSE
    deviations = data.noise if data.stated else np.tile(np.asarray(noise, dtype=float), (len(data), 1))
    plain = np.column_stack([np.ones(len(data)), np.where(full, METRES_A_RADIAN, 0.0)])
    found = [
        _fitted(data, layout, design, start, plain, free)
        for start in _starts(data, design.poses, uncertainty, places, random_state)
    ]
    frame, tool, rows = min(found, key=lambda one: _cost(data, design.poses, one[0], one[1], plain))
    if np.linalg.cond(_weighted(rows, plain)[:, free]) > 1.0 / CONDITION:
        raise DatasetError("these configurations do not tell frame from tool: turn the last joints between samples")
    moved = _displacements(data, layout, design, joints, frame, tool, uncertainty)
    # What is known stays, and is as uncertain as it was.
    moved += rows[..., ~free] @ uncertainty.measuring[~free]
    own, turned = _own_errors(uncertainty, data, design, frame, tool)
    spread = _left_over(rows, moved, plain, free)
    size = np.sqrt(
        np.column_stack([
            deviations[:, 0] ** 2 + np.trace(own, axis1=1, axis2=2) / 3.0,
            deviations[:, 1] ** 2 + turned,
        ])
        + uncertainty.factor**2 * spread
        + LEAST_NOISE**2
    )  # fmt: skip
    weights = np.column_stack([1.0 / size[:, 0], np.where(full, 1.0 / size[:, 1], 0.0)])
    frame, tool, rows = _fitted(data, layout, design, (frame, tool), weights, free)
    position, orientation = residuals(data, design.poses, frame, tool)
    squares = np.sum((weights * np.column_stack([_norms(position), _norms(orientation)])) ** 2, axis=1)
    excess = max(1.0, float(np.sqrt(squares.sum() / (3 * len(data) + 3 * full.sum() - free.sum()))))
    # The factor is for what is not known of the robot only.
    draws = excess / uncertainty.factor * _noise(deviations, own, turned, moved.shape[2], random_state)
    measuring = uncertainty.measuring.copy()
    solver = np.linalg.pinv(_weighted(rows, weights)[:, free])
    measuring[free] = -solver @ _weighted(moved + draws, weights)
    return Registration(frame, tool, measuring, position, orientation, excess, int(np.argmax(squares)))


def _free(data: Measurements, places: Sequence[str]) -> np.ndarray:
    """Columns (12,) of frame and tool that are found."""
    frame, tool = (place == "unknown" for place in places)
    return np.repeat([frame, tool, tool and bool((data.kinds == POSE).any())], [6, 3, 3])


def _starts(
    data: Measurements, poses: Array, uncertainty: Uncertainty, places: Sequence[str], random_state: int
) -> list[tuple[Array, Array]]:
    """Frames and tools that the fit starts from: from nothing, and from the tool that was there before."""
    frame, tool = (place == "unknown" for place in places)
    shown = poses if frame else uncertainty.frame @ poses
    starts = []
    for held in (np.eye(4), uncertainty.tool) if tool else (uncertainty.tool,):
        first, last = align(data, shown @ held, frame, tool, random_state)
        starts.append((first if frame else uncertainty.frame.copy(), held @ last))
    return starts


def _fitted(
    data: Measurements, layout: Layout, design: Design, start: tuple[Array, Array], weights: Array, free: np.ndarray
) -> tuple[Array, Array, Array]:
    """Frame and tool (4, 4) of least weighted squares from a start, and the rows (n, 6, 12) there."""
    frame, tool = start[0].copy(), start[1].copy()
    rows = _rows(data, layout, design, frame, tool)
    for _ in range(STEPS):
        right = np.concatenate(residuals(data, design.poses, frame, tool), axis=1)
        step = np.zeros(NUISANCES)
        step[free] = np.linalg.lstsq(
            _weighted(rows, weights)[:, free], _weighted(right[:, :, None], weights)[:, 0], rcond=None
        )[0]
        frame[:3, :3], frame[:3, 3] = rotation_exponential(step[3:6]) @ frame[:3, :3], frame[:3, 3] + step[:3]
        tool[:3, :3], tool[:3, 3] = rotation_exponential(step[9:]) @ tool[:3, :3], tool[:3, 3] + step[6:9]
        rows = _rows(data, layout, design, frame, tool)
    return frame, tool, rows


def _rows(data: Measurements, layout: Layout, design: Design, frame: Array, tool: Array) -> Array:
    """Twists (n, 6, 12) of what is measured with frame and tool."""
    linear, angular = measured_rows(data, layout, design, frame, tool)
    return np.concatenate([linear[2], angular[2]], axis=1)


def _weighted(rows: Array, weights: Array) -> Array:
    """Rows (n, 6, k) times the weights (n, 2) of positions and orientations, as one matrix (6 n, k)."""
    return (rows * np.repeat(weights, 3, axis=1)[:, :, None]).reshape(-1, rows.shape[2])


def _cost(data: Measurements, poses: Array, frame: Array, tool: Array, weights: Array) -> float:
    left = np.concatenate(residuals(data, poses, frame, tool), axis=1)
    return float((_weighted(left[:, :, None], weights) ** 2).sum())


def _displacements(
    data: Measurements, layout: Layout, design: Design, joints: Joints, frame: Array, tool: Array, known: Uncertainty
) -> Array:
    """Twists (n, 6, S) of what is measured with the deviations of the robot, measuring frame."""
    twists = design.displacements(joints, layout, known.samples)
    lever = (design.poses[:, :3, :3] @ tool[:3, 3])[:, :, None]
    linear = twists[:, :3] + np.cross(twists[:, 3:], lever, axis=1)
    return np.concatenate([frame[:3, :3] @ linear, frame[:3, :3] @ twists[:, 3:]], axis=1)


def _own_errors(
    known: Uncertainty, data: Measurements, design: Design, frame: Array, tool: Array
) -> tuple[Array, Array]:
    """Covariances (n, 3, 3) [m^2] and variances about each axis (n,) [rad^2] of what no parameter explains."""
    here = known.at(frame, tool)
    own = frame[:3, :3] @ here.unexplained(data.configurations) @ frame[:3, :3].T
    turned = (known.joint_misfit**2 * design.motions[:, 3:] ** 2).sum(axis=(1, 2)) / 3.0
    return own, turned


def _left_over(rows: Array, moved: Array, weights: Array, free: np.ndarray) -> Array:
    """Variances (n, 2) along each axis of what frame and tool do not take up of displacements (n, 6, S)."""
    matrix, right = _weighted(rows, weights)[:, free], _weighted(moved, weights)
    left = (right - matrix @ np.linalg.lstsq(matrix, right, rcond=None)[0]).reshape(moved.shape)
    left = left / np.maximum(np.repeat(weights, 3, axis=1), 1e-9)[:, :, None]
    return np.asarray((left.reshape(len(left), 2, 3, -1) ** 2).mean(axis=(2, 3)))


def _noise(deviations: Array, own: Array, turned: Array, count: int, random_state: int) -> Array:
    """Errors (n, 6, S) of measurements, drawn with what no parameter explains."""
    draws = np.random.default_rng(random_state).standard_normal((len(own), 9, count))
    factors = np.linalg.cholesky(own + LEAST_NOISE**2 * np.eye(3))
    position = deviations[:, 0, None, None] * draws[:, :3] + factors @ draws[:, 3:6]
    return np.concatenate([position, np.hypot(deviations[:, 1], np.sqrt(turned))[:, None, None] * draws[:, 6:]], axis=1)


def _norms(vectors: Array) -> Array:
    return np.asarray(np.linalg.norm(vectors, axis=1))
