"""What measurements that are still to be made would say of a robot's parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky

from crisp_ik_ros.datasets.dataset import POSE
from crisp_ik_ros.estimators.identification.design import Design, Joints
from crisp_ik_ros.estimators.identification.measurements import Measurements
from crisp_ik_ros.estimators.identification.normal_equations import NUISANCES, measured_rows, normal_equations
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.transforms import Array

# Configurations worked on at a time.
BLOCK = 128


@dataclass(frozen=True)
class Belief:
    """What is known of a robot: parameters, and how sure they are.

    Attributes
    ----------
    layout : Layout
    parameters : (P,)
    scales : (C,)
        Standard deviations of the priors; C = P + 12, with those of measuring frame and tool.
    frame, tool : (4, 4)
        The base in the measuring frame; what is measured, in the tip's frame.
    """

    layout: Layout
    parameters: Array
    scales: Array
    frame: Array
    tool: Array


class Sensitivities:
    """Derivatives of n measurements with all parameters, in standard deviations of the noise and of the priors.

    Of a pose 6 numbers are measured (position, then rotation vector), of a position 3. The kernel term's part is never
    written out.

    Parameters
    ----------
    belief : Belief
    configurations : (n, J)
    noise : (2,)
        Standard deviations of a measurement's position and orientation [m, rad].
    kind : int
        POSE or POSITION.
    """

    def __init__(self, belief: Belief, configurations: Array, noise: Array, kind: int):
        layout, count = belief.layout, len(configurations)
        joints = Joints(layout, configurations)
        robot = layout.robot_with(belief.parameters)
        design = Design(layout, belief.parameters, configurations, joints, robot)
        nothing = np.zeros(count)
        data = Measurements(
            configurations, np.full(count, kind), np.zeros((count, 3)), np.zeros((count, 3, 3)),
            np.full(count, -1), (), np.zeros((0, 2), dtype=int), nothing[:0], nothing[:0], np.tile(noise, (count, 1)),
            True,
        )  # fmt: skip
        linear, angular = measured_rows(data, layout, design, belief.frame, belief.tool)
        parts = [[rows / noise[0] for rows in linear]]
        if kind == POSE:
            parts.append([rows / noise[1] for rows in angular])
        plain, moving, nuisance = (np.concatenate(rows, axis=1) for rows in zip(*parts, strict=True))
        size = layout.size
        self._ends = np.r_[0 : layout.parametric, size : size + NUISANCES]
        self._plain = np.concatenate([plain, nuisance], axis=2) * belief.scales[self._ends]
        # Scales of the kernel term are alike for a joint.
        scales = belief.scales[layout.parametric : size : max(layout.centers, 1)]
        self._moving = moving * scales if layout.centers else moving[:, :, :0]
        self._basis = joints.rows
        self._kernel = slice(layout.parametric, size)
        self.numbers = self._plain.shape[1]
        self.columns = size + NUISANCES

    def __len__(self) -> int:
        return len(self._plain)

    def times(self, changes: Array, rows: slice = slice(None)) -> Array:
        """Changes (n, numbers, S) of the measurements for changes (C, S) of the parameters."""
        plain = self._plain[rows]
        count, numbers, width = plain.shape
        moved = (plain.reshape(-1, width) @ changes[self._ends]).reshape(count, numbers, -1)
        joints = self._moving.shape[2]
        if joints:
            parts = changes[self._kernel].reshape(joints, -1, changes.shape[1])
            for j in range(joints):
                moved += self._moving[rows][:, :, j, None] * (self._basis[rows] @ parts[j])[:, None]
        return moved

    def of(self, row: int) -> Array:
        """Derivatives (numbers, C) of one measurement."""
        return self.times(np.eye(self.columns), slice(row, row + 1))[0]

    def products(self, right: Array) -> Array:
        """For each measurement with derivatives A: A R R^T A^T (n, numbers, numbers), for R (C, S)."""
        found = np.empty((len(self), self.numbers, self.numbers))
        for begin in range(0, len(self), BLOCK):
            rows = slice(begin, begin + BLOCK)
            moved = self.times(right, rows)
            found[rows] = moved @ moved.transpose(0, 2, 1)
        return found


def covariance_after(belief: Belief, data: Measurements, factors: Array) -> Array:
    """Covariance (C, C), in units of the priors' standard deviations, that measurements leave.

    ``factors`` (2,) times the data's noise are the standard deviations.
    """
    layout = belief.layout
    joints = Joints(layout, data.configurations)
    robot = layout.robot_with(belief.parameters)
    design = Design(layout, belief.parameters, data.configurations, joints, robot)
    # Only the points' directions from each other count, and the robot knows these.
    position = -(belief.frame @ design.poses @ belief.tool)[:, :3, 3]
    equations = normal_equations(
        data, layout, design, joints, belief.frame, belief.tool, position, np.zeros_like(position), np.ones(len(data))
    )
    hessian, _ = equations.at(factors)
    precision = belief.scales[:, None] * hessian * belief.scales
    precision[np.diag_indices_from(precision)] += 1.0
    root = cholesky(precision, lower=True)
    half = np.linalg.solve(root, np.eye(len(root)))
    return half.T @ half
