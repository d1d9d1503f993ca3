"""Normal equations of the identification: what the data says of the parameters, in sums over the samples.

The columns of the kernel term are products of a joint's motion and a basis function, so their sums are taken as such: a
Gram matrix of the basis for each pair of joints, and never a matrix of all samples by all columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crisp_ik_ros.datasets.dataset import POSE, SAME_POINT
from crisp_ik_ros.estimators.identification.design import Design, Joints
from crisp_ik_ros.estimators.identification.measurements import Measurements, at_rows, position_precision
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.transforms import Array, cross_matrices

# Columns behind the robot's parameters: measuring frame, then tool; translation, then rotation. Of further sessions'
# frames, and of further markers, there are 6 each behind these.
NUISANCES = 12


def nuisance_columns(frames: int, tools: int) -> tuple[list[slice], list[slice]]:
    """Columns of each measuring frame and of each tool among the nuisances."""
    places = [slice(0, 6), slice(6, NUISANCES)]
    places += [slice(NUISANCES + 6 * k, NUISANCES + 6 * k + 6) for k in range(frames + tools - 2)]
    return [places[0], *places[2 : frames + 1]], [places[1], *places[frames + 1 :]]


@dataclass(frozen=True)
class NormalEquations:
    """Sums over the samples, C = P + 12 columns.

    Attributes
    ----------
    hessians : (3, C, C)
        Of positions and orientations, at a noise factor of 1; of known distances.
    gradients : (3, C)
    squares : (3,)
        Sums of the squared residuals.
    """

    hessians: Array
    gradients: Array
    squares: Array

    def __sub__(self, other: NormalEquations) -> NormalEquations:
        """Sums over the samples that are in these and not in the others."""
        return NormalEquations(
            self.hessians - other.hessians, self.gradients - other.gradients, self.squares - other.squares
        )

    def squares_after(self, part: int, step: Array) -> float:
        """Sum of the squared residuals of a part after a step (C,), to second order."""
        after = self.squares[part] + step @ (self.hessians[part] @ step - 2.0 * self.gradients[part])
        return max(float(after), 0.0)

    def at(self, factors: Array) -> tuple[Array, Array]:
        """Hessian (C, C) and gradient (C,) at noise factors (2,)."""
        precision = 1.0 / factors**2
        hessian = self.hessians[0] * precision[0]
        hessian += self.hessians[1] * precision[1]
        hessian += self.hessians[2]
        return hessian, self.gradients[0] * precision[0] + self.gradients[1] * precision[1] + self.gradients[2]


def normal_equations(
    data: Measurements,
    layout: Layout,
    design: Design,
    joints: Joints,
    frame: Array,
    tool: Array,
    position: Array,
    orientation: Array,
    weights: Array,
    precision: Array | None = None,
) -> NormalEquations:
    """Sum over the samples.

    Parameters
    ----------
    position, orientation : (n, 3)
        As ``residuals`` gives them: positions of same-point groups are not centred.
    weights : (n,)
        Of the samples.
    precision : (n, 3, 3), optional
        Inverse covariance of each position at a noise factor of 1 [1/m^2]. Default: the data's noise along every axis.
    """
    columns = layout.size + NUISANCES + 6 * (len(data.frame_names) + len(data.tool_names) - 2)
    hessians, gradients, squares = np.zeros((3, columns, columns)), np.zeros((3, columns)), np.zeros(3)
    linear, angular = measured_rows(data, layout, design, frame, tool)
    share = weights[:, None, None] * position_precision(data, precision)
    squares[0] = _add(hessians[0], gradients[0], linear, joints.rows, layout, position, share)
    _eliminate_groups(hessians, gradients, squares, data, layout, linear, joints.rows, position, share)
    full = data.kinds == POSE
    if full.any():
        share = np.where(full, weights / data.noise[:, 1] ** 2, 0.0)[:, None, None] * np.eye(3)
        squares[1] = _add(hessians[1], gradients[1], angular, joints.rows, layout, orientation, share)
    return NormalEquations(hessians, gradients, squares)


# Keeps rows without weight from having no Cholesky factor.
_LEAST_SHARE = 1e-30
# Rows (n, 3, parametric), (n, 3, J) of the joints' motion, (n, 3, 12 or more) of frames and tools.
_Rows = tuple[Array, Array, Array]


def measured_rows(data: Measurements, layout: Layout, design: Design, frame: Array, tool: Array) -> tuple[_Rows, _Rows]:
    """How the measured point, and the measured orientation, move, in the measuring frame."""
    frame, tool = at_rows(frame, data.frame_of), at_rows(tool, data.tool_of)
    turn = frame[..., :3, :3]
    rotations = turn @ design.poses[:, :3, :3]
    lever = (design.poses[:, :3, :3] @ tool[..., :3, 3, None])[:, :, 0]

    def at_marker(rows: Array) -> tuple[Array, Array]:
        # The marker sits off the tip, and moves when that turns.
        moved = rows[:, :3] + np.cross(rows[:, 3:], lever[:, :, None], axis=1)
        return turn @ moved, turn @ rows[:, 3:]

    linear, angular = at_marker(design.rows)
    moving, turning = at_marker(design.motions)
    frames, tools = nuisance_columns(len(data.frame_names), len(data.tool_names))
    count = len(data)
    nuisance, turned = np.zeros((2, count, 3, 6 * (len(frames) + len(tools))))
    measured = data.kinds != SAME_POINT
    arm = (turn @ (design.poses[:, :3, 3] + lever)[:, :, None])[:, :, 0]
    for k, place in enumerate(frames):
        own = measured if data.frame_of is None else measured & (data.frame_of == k)
        nuisance[own, :, place.start : place.start + 3] = np.eye(3)
        # Turned about the base.
        nuisance[own, :, place.start + 3 : place.stop] = -cross_matrices(arm[own])
        turned[own, :, place.start + 3 : place.stop] = np.eye(3)
    for k, place in enumerate(tools):
        own = np.ones(count, dtype=bool) if data.tool_of is None else data.tool_of == k
        nuisance[own, :, place.start : place.start + 3] = rotations[own]
        turned[own, :, place.start + 3 : place.stop] = rotations[own]
    return (linear, moving, nuisance), (angular, turning, turned)


def _add(
    hessian: Array, gradient: Array, rows: _Rows, basis: Array, layout: Layout, residual: Array, share: Array
) -> float:
    """Add to Hessian and gradient; return the sum of the squared residuals. ``share`` (n, 3, 3) weighs the rows."""
    plain, moving, nuisance = rows
    size, joints, centers = layout.size, layout.dof, layout.centers
    ends = np.r_[0 : layout.parametric, size : size + nuisance.shape[2]]
    root = np.linalg.cholesky(share + _LEAST_SHARE * np.eye(3)).transpose(0, 2, 1)
    tall = root @ np.concatenate([plain, nuisance], axis=2)
    pulled = (root @ residual[:, :, None])[:, :, 0]
    flat = tall.reshape(-1, len(ends))
    hessian[np.ix_(ends, ends)] += flat.T @ flat
    gradient[ends] += flat.T @ pulled.ravel()
    total = float((pulled**2).sum())
    if not centers:
        return total
    moved = root @ moving
    pull = np.einsum("naj,na->nj", moved, pulled, optimize=True)
    coupling = np.einsum("naj,nak->njk", moved, moved)
    mixed = np.einsum("nap,naj->njp", tall, moved, optimize=True)
    for j in range(joints):
        own = slice(layout.parametric + j * centers, layout.parametric + (j + 1) * centers)
        gradient[own] += basis.T @ pull[:, j]
        block = basis.T @ mixed[:, j]
        hessian[own, ends] += block
        hessian[ends, own] += block.T
        for k in range(j + 1):
            other = slice(layout.parametric + k * centers, layout.parametric + (k + 1) * centers)
            block = (basis * coupling[:, j, k, None]).T @ basis
            hessian[own, other] += block
            if k != j:
                hessian[other, own] += block.T
    return total


def _eliminate_groups(
    hessians: Array,
    gradients: Array,
    squares: Array,
    data: Measurements,
    layout: Layout,
    rows: _Rows,
    basis: Array,
    position: Array,
    share: Array,
) -> None:
    """Take out what a group's unknown point explains, and add what known distances between points say."""
    plain, moving, nuisance = rows
    means: dict[int, tuple[Array, Array]] = {}
    for group in np.unique(data.groups[data.groups >= 0]):
        members = data.groups == group
        part = share[members]
        total = part.sum(axis=0)
        moved = part @ moving[members]
        kernel = np.einsum("naj,nc->ajc", moved, basis[members], optimize=True)
        pieces = [
            np.einsum("nab,nbp->ap", part, plain[members], optimize=True), kernel.reshape(3, -1),
            np.einsum("nab,nbp->ap", part, nuisance[members], optimize=True),
        ]  # fmt: skip
        summed = np.concatenate(pieces, axis=1)
        pulled = np.einsum("nab,nb->a", part, position[members])
        mean, offset = np.linalg.solve(total, summed), np.linalg.solve(total, pulled)
        hessians[0] -= summed.T @ mean
        gradients[0] -= summed.T @ offset
        squares[0] -= pulled @ offset
        means[int(group)] = mean, offset
    for (first, second), length, tolerance in zip(data.pairs, data.lengths, data.tolerances, strict=True):
        # Residuals are negative positions.
        between = means[second][1] - means[first][1]
        distance = max(float(np.linalg.norm(between)), 1e-9)
        row = (between / distance) @ (means[first][0] - means[second][0]) / tolerance
        hessians[2] += np.outer(row, row)
        gradients[2] += row * (length - distance) / tolerance
        squares[2] += ((length - distance) / tolerance) ** 2
