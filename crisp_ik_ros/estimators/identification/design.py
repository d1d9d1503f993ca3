"""How the tool moves with each parameter of a robot's errors."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.compiled import entry
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.robots.corrections import (
    all_gravity_moments,
    all_periodic_terms,
    corrected_walk,
    kernel_rows,
    motions,
)
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array


class Joints:
    """What the parameters of the joints do at n configurations, which does not depend on the parameters.

    Attributes
    ----------
    terms : (n, J, 1 + 2 H)
        What scale and harmonics move each joint by [rad or m].
    moments : (n, J, 3)
        What compliances turn its frame by [Nm, or N along a prismatic joint].
    rows : (n, m)
        The same for the kernel term, but for the unit of a joint.
    """

    def __init__(self, layout: Layout, configurations: Array):
        units = layout.units[:, None]
        scale = (configurations - layout.middles)[:, :, None]
        periodic = all_periodic_terms(layout.rates, configurations, layout.harmonics) * units
        self.terms = np.concatenate([scale, periodic], axis=2)
        self.moments = all_gravity_moments(layout.bodies, configurations)
        self.rows = np.zeros((len(configurations), 0))
        if layout.kernel is not None:
            self.rows = kernel_rows(layout.corrections(np.zeros(layout.size)), configurations) @ layout.kernel.basis


class Design:
    """Tool poses of n configurations, and their derivatives.

    Attributes
    ----------
    poses : (n, 4, 4)
        Base frame [m].
    rows : (n, 6, parametric)
        Twist of the tool (linear, then angular; base frame) with each parameter but those of the kernel term.
    motions : (n, 6, J)
        The same with the joints' actual motion, times the joint's unit: with ``Joints.rows`` what the kernel term does.
    """

    def __init__(self, layout: Layout, parameters: Array, configurations: Array, joints: Joints, robot: RobotModel):
        unturned = np.ascontiguousarray(layout.turns(parameters).transpose(0, 2, 1))
        moved = motions(robot.chain.corrections, configurations)
        self.poses, frames, jacobian = _frame_rows(robot.chain, unturned, moved)
        count = len(configurations)
        self.rows = np.empty((count, 6, layout.parametric))
        self.rows[:, :, : layout.geometric] = frames
        where = layout.slices()
        terms = joints.terms
        self.rows[:, :, where["scale"]] = jacobian * terms[:, None, :, 0]
        self.rows[:, :, where["harmonics"]] = (jacobian[:, :, :, None] * terms[:, None, :, 1:]).reshape(count, 6, -1)
        bending = frames.reshape(count, 6, -1, 6)[:, :, : layout.dof, 3:].copy()
        bending[:, :, :, 2] = jacobian
        self.rows[:, :, where["compliance"]] = (bending * joints.moments[:, None]).reshape(count, 6, -1)
        self.motions = jacobian * layout.units

    def displacements(self, joints: Joints, layout: Layout, parameters: Array) -> Array:
        """Twists (n, 6, S) of the tool for changes (P, S) of the parameters."""
        moved = self.rows @ parameters[: layout.parametric]
        if layout.centers:
            changes = parameters[layout.parametric :].reshape(layout.dof, layout.centers, -1)
            for j in range(layout.dof):
                moved += self.motions[:, :, j, None] * (joints.rows @ changes[j])[:, None]
        return moved


@entry
def _frame_rows(chain, unturned, moved):
    """Tip poses (n, 4, 4), derivatives with the frames (n, 6, 6 (J + 1)), and with the joints' motion (n, 6, J)."""
    count, joints = moved.shape[:2]
    poses, rows = np.zeros((count, 4, 4)), np.zeros((count, 6, 6 * (joints + 1)))
    jacobian = np.zeros((count, 6, joints))
    rotation, position = np.empty((3, 3)), np.empty(3)
    # Where the frames are, and the axes of tilts: x before any, y between the two.
    axes, origins, tilts = np.empty((joints, 3)), np.empty((joints + 1, 3)), np.empty((joints, 2, 3))
    after = np.empty((joints + 1, 3, 3))
    for i in range(count):
        corrected_walk(chain, moved[i], rotation, position, axes, origins[:joints], tilts)
        for a in range(3):
            poses[i, a, 3], origins[joints, a] = position[a], position[a]
            for b in range(3):
                poses[i, a, b], after[joints, a, b] = rotation[a, b], rotation[a, b]
        poses[i, 3, 3] = 1.0
        for f in range(joints):
            # Frame before its tilts: x is known, z has only been turned about x and y.
            c, s = np.cos(moved[i, f, 0]), np.sin(moved[i, f, 0])
            x, y = tilts[f, 0], tilts[f, 1]
            for a in range(3):
                b, d = (a + 1) % 3, (a + 2) % 3
                z = x[b] * y[d] - x[d] * y[b]
                after[f, a, 0], after[f, a, 1], after[f, a, 2] = x[a], c * y[a] - s * z, s * y[a] + c * z
        for f in range(joints + 1):
            x, y, z = position[0] - origins[f, 0], position[1] - origins[f, 1], position[2] - origins[f, 2]
            for b in range(3):
                ax, ay, az = after[f, 0, b], after[f, 1, b], after[f, 2, b]
                column = 6 * f + 3 + b
                rows[i, 0, column], rows[i, 1, column] = ay * z - az * y, az * x - ax * z
                rows[i, 2, column] = ax * y - ay * x
                for a in range(3):
                    rows[i, 3 + a, column] = after[f, a, b]
                    total = 0.0
                    for k in range(3):
                        total += after[f, a, k] * unturned[f, k, b]
                    rows[i, a, 6 * f + b] = total
            if f < joints:
                ax, ay, az = axes[f, 0], axes[f, 1], axes[f, 2]
                if chain.prismatic[f]:
                    jacobian[i, 0, f], jacobian[i, 1, f], jacobian[i, 2, f] = ax, ay, az
                else:
                    jacobian[i, 0, f], jacobian[i, 1, f] = ay * z - az * y, az * x - ax * z
                    jacobian[i, 2, f] = ax * y - ay * x
                    jacobian[i, 3, f], jacobian[i, 4, f], jacobian[i, 5, f] = ax, ay, az
    return poses, rows, jacobian
