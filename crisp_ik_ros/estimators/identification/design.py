"""How the tool moves with each parameter of a robot's errors."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.compiled import entry
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.robots.chain import Chain
from crisp_ik_ros.robots.corrections import Corrections, all_gravity_forces, all_periodic_terms, kernel_rows, motions
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array


class Joints:
    """What the parameters of the joints do at n configurations, which does not depend on the parameters.

    Attributes
    ----------
    terms : (n, J, 1 + 2 H + 1)
        What scale, harmonics and compliance move each joint by [rad or m].
    rows : (n, m)
        The same for the kernel term, but for the unit of a joint.
    """

    def __init__(self, layout: Layout, configurations: Array):
        units = layout.units[:, None]
        scale = (configurations - layout.middles)[:, :, None]
        periodic = all_periodic_terms(layout.rates, configurations, layout.harmonics) * units
        gravity = all_gravity_forces(layout.bodies, configurations)[:, :, None]
        self.terms = np.concatenate([scale, periodic, gravity], axis=2)
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
        count, harmonics = len(configurations), 2 * layout.harmonics
        self.rows = np.empty((count, 6, layout.parametric))
        self.rows[:, :, : layout.geometric] = frames
        where = layout.slices()
        terms = joints.terms
        self.rows[:, :, where["scale"]] = jacobian * terms[:, None, :, 0]
        self.rows[:, :, where["harmonics"]] = (
            jacobian[:, :, :, None] * terms[:, None, :, 1 : 1 + harmonics]
        ).reshape(count, 6, -1)
        self.rows[:, :, where["compliance"]] = jacobian * terms[:, None, :, -1]
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
    count, joints = moved.shape
    poses, rows = np.zeros((count, 4, 4)), np.zeros((count, 6, 6 * (joints + 1)))
    jacobian = np.zeros((count, 6, joints))
    after, before = np.empty((joints + 1, 3, 3)), np.empty((joints + 1, 3, 3))
    origins = np.empty((joints + 1, 3))
    rotation, position = np.empty((3, 3)), np.empty(3)
    for i in range(count):
        for a in range(3):
            position[a] = 0.0
            for b in range(3):
                rotation[a, b] = 1.0 if a == b else 0.0
        for f in range(joints + 1):
            for a in range(3):
                for k in range(3):
                    position[a] += rotation[a, k] * chain.translations[f, k]
                for b in range(3):
                    total = 0.0
                    for k in range(3):
                        total += rotation[a, k] * chain.rotations[f, k, b]
                    after[f, a, b] = total
            for a in range(3):
                origins[f, a] = position[a]
                for b in range(3):
                    total = 0.0
                    for k in range(3):
                        total += after[f, a, k] * unturned[f, k, b]
                    before[f, a, b] = total
                    rotation[a, b] = after[f, a, b]
            if f < joints:
                c, s = np.cos(moved[i, f]), np.sin(moved[i, f])
                for a in range(3):
                    if chain.prismatic[f]:
                        position[a] += rotation[a, 2] * moved[i, f]
                    else:
                        x, y = rotation[a, 0], rotation[a, 1]
                        rotation[a, 0], rotation[a, 1] = c * x + s * y, c * y - s * x
        for a in range(3):
            poses[i, a, 3] = position[a]
            for b in range(3):
                poses[i, a, b] = rotation[a, b]
        poses[i, 3, 3] = 1.0
        for f in range(joints + 1):
            x, y, z = position[0] - origins[f, 0], position[1] - origins[f, 1], position[2] - origins[f, 2]
            for b in range(3):
                ax, ay, az = after[f, 0, b], after[f, 1, b], after[f, 2, b]
                column = 6 * f + 3 + b
                rows[i, 0, column], rows[i, 1, column], rows[i, 2, column] = ay * z - az * y, az * x - ax * z, ax * y - ay * x
                rows[i, 3, column], rows[i, 4, column], rows[i, 5, column] = ax, ay, az
                for a in range(3):
                    rows[i, a, 6 * f + b] = before[f, a, b]
            if f < joints:
                for a in range(3):
                    if chain.prismatic[f]:
                        jacobian[i, a, f] = after[f, a, 2]
                    else:
                        jacobian[i, a, f], jacobian[i, 3 + a, f] = rows[i, a, 6 * f + 5], after[f, a, 2]
    return poses, rows, jacobian
