"""How the tool moves with each parameter of a robot's errors."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.compiled import allocating, entry
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.robots.corrected_chain import corrected_walk
from crisp_ik_ros.robots.corrections import all_periodic_terms, kernel_rows, motions
from crisp_ik_ros.robots.gravity import all_gravity_moments
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array


class Joints:
    """What the parameters of the joints do at n configurations, which does not depend on the parameters.

    Attributes
    ----------
    terms : (n, J, 1 + 2 H)
        What scale and harmonics move each joint by [rad or m].
    moments : (n, J, 3)
        What compliances turn its frame by [Nm, or N along a prismatic joint]; without the load's where parameters are.
    load_moments : (n, J, 3, 4), optional
        The same of 1 kg at the tip, then how these change as it moves along the tip's x, y and z [1/kg, 1/(kg m)].
        Where parameters of the load are fitted.
    load_of : (n,), optional
        Number of each sample's unknown load, -1 where the load is known.
    approaches : (n, J)
        Direction of approach that backlash moves it by.
    rows : (n, m)
        The same for the kernel term, but for the unit of a joint.
    """

    def __init__(
        self,
        layout: Layout,
        configurations: Array,
        payloads: Array | None = None,
        approaches: Array | None = None,
        load_of: np.ndarray | None = None,
    ):
        units = layout.units[:, None]
        scale = (configurations - layout.middles)[:, :, None]
        periodic = all_periodic_terms(layout.rates, configurations, layout.harmonics) * units
        self.terms = np.concatenate([scale, periodic], axis=2)
        self.moments = np.empty((*configurations.shape, 3))
        self.load_moments, self.load_of = None, load_of
        fitted = layout.load_parameters > 0 and payloads is not None
        for chosen, loaded in layout.by_payload(None if fitted else payloads, len(configurations)):
            self.moments[chosen] = all_gravity_moments(loaded.bodies, configurations[chosen])
        if fitted:
            # Linear in mass and center, so these four say all.
            at_tip, *shifted = (
                all_gravity_moments(layout.with_unit_load(shift).bodies, configurations)
                for shift in np.vstack([np.zeros(3), np.eye(3)])
            )
            self.load_moments = np.stack([at_tip, *(moments - at_tip for moments in shifted)], axis=3)
        self.approaches = np.zeros_like(configurations) if approaches is None else approaches
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

    def __init__(
        self,
        layout: Layout,
        parameters: Array,
        configurations: Array,
        joints: Joints,
        robot: RobotModel | None = None,
        payloads: Array | None = None,
    ):
        robot = layout.robot_with(parameters) if robot is None else robot
        unturned = np.ascontiguousarray(layout.turns(parameters).transpose(0, 2, 1))
        moved = np.empty((*configurations.shape, 3))
        at_rest = layout.at_rest(parameters, configurations, joints.approaches)
        masses = layout.load_masses(parameters, payloads, joints.load_of)
        for chosen, loaded in layout.by_payload(masses, len(configurations), parameters):
            corrections = robot.chain.corrections._replace(bodies=loaded.bodies)
            moved[chosen] = motions(corrections, at_rest[chosen])
        self.poses, frames, jacobian, tilted = _all_frame_rows(robot.chain, unturned, moved)
        count = len(configurations)
        turning = frames.reshape(count, 6, layout.dof + 1, 6)[:, :, :, 3:]
        # Not the same as a rotation of the turned frame: next to frames that nearly cancel, the difference counts.
        turning[...] = np.einsum("nafb,fbc->nafc", turning, layout.turn_rates(parameters))
        self.rows = np.empty((count, 6, layout.parametric))
        self.rows[:, :, : layout.geometric] = frames
        where = layout.slices()
        terms = joints.terms
        self.rows[:, :, where["scale"]] = jacobian * terms[:, None, :, 0]
        self.rows[:, :, where["harmonics"]] = (jacobian[:, :, :, None] * terms[:, None, :, 1:]).reshape(count, 6, -1)
        bending = np.concatenate([tilted, jacobian[:, :, :, None]], axis=3)
        moments = joints.moments
        if layout.load_parameters:
            self.rows[:, :, where["payload_center"].start : where["unknown_loads"].stop] = 0.0
        if joints.load_moments is not None and masses is not None:
            compliant = bending * parameters[where["compliance"]].reshape(-1, 3)
            by_mass = joints.load_moments @ np.append(1.0, layout.load_center(parameters))
            moments = moments + masses[:, None, None] * by_mass
            sags = np.einsum("nfjb,njb->nf", compliant, by_mass)
            for k in range(len(layout.unknown_loads) if joints.load_of is not None else 0):
                own = joints.load_of == k
                self.rows[own, :, where["unknown_loads"].start + k] = sags[own]
            if layout.center_fitted:
                turned = np.einsum("nfjb,njba->nfa", compliant, joints.load_moments[..., 1:], optimize=True)
                self.rows[:, :, where["payload_center"]] = masses[:, None, None] * turned
        self.rows[:, :, where["compliance"]] = (bending * moments[:, None]).reshape(count, 6, -1)
        if layout.backlash:
            self.rows[:, :, where["backlash"]] = jacobian * (layout.units * joints.approaches)[:, None]
        self.motions = jacobian * layout.units

    def displacements(self, joints: Joints, layout: Layout, parameters: Array) -> Array:
        """Twists (n, 6, S) of the tool for changes (P, S) of the parameters."""
        moved = self.rows @ parameters[: layout.parametric]
        if layout.centers:
            changes = parameters[layout.parametric :].reshape(layout.dof, layout.centers, -1)
            for j in range(layout.dof):
                moved += self.motions[:, :, j, None] * (joints.rows @ changes[j])[:, None]
        return moved


@allocating
def frame_rows(chain, unturned, offset, moved, pose, rows, jacobian, tilted):
    """Write the tip's pose (4, 4), and motion with frames (6, 6 (J + 1)), joints (6, J) and tilts (6, J, 2).

    The linear motion is that of a point with the tip, ``offset`` (3,) from it in its frame.
    """
    joints = moved.shape[0]
    rotation, position, point = np.empty((3, 3)), np.empty(3), np.empty(3)
    # Where the frames are, and the axes of tilts: x before any, y between the two.
    axes, origins, tilts = np.empty((joints, 3)), np.empty((joints + 1, 3)), np.empty((joints, 2, 3))
    before = np.empty((3, 3))
    corrected_walk(chain, moved, rotation, position, axes, origins[:joints], tilts)
    for a in range(3):
        pose[a, 3], origins[joints, a] = position[a], position[a]
        pose[3, a], point[a] = 0.0, position[a]
        for b in range(3):
            pose[a, b] = rotation[a, b]
            point[a] += rotation[a, b] * offset[b]
    pose[3, 3] = 1.0
    for f in range(joints + 1):
        x, y, z = point[0] - origins[f, 0], point[1] - origins[f, 1], point[2] - origins[f, 2]
        if f == joints:
            before[:, :] = rotation
        else:
            # Frame before its tilts: x is known, z has only been turned about x and y.
            c, s = np.cos(moved[f, 0]), np.sin(moved[f, 0])
            u, v = tilts[f, 0], tilts[f, 1]
            for a in range(3):
                b, d = (a + 1) % 3, (a + 2) % 3
                w = u[b] * v[d] - u[d] * v[b]
                before[a, 0], before[a, 1], before[a, 2] = u[a], c * v[a] - s * w, s * v[a] + c * w
        for b in range(3):
            ax, ay, az = before[0, b], before[1, b], before[2, b]
            column = 6 * f + 3 + b
            rows[0, column], rows[1, column], rows[2, column] = ay * z - az * y, az * x - ax * z, ax * y - ay * x
            for a in range(3):
                rows[3 + a, column] = before[a, b]
                total = 0.0
                for k in range(3):
                    total += before[a, k] * unturned[f, k, b]
                rows[a, 6 * f + b] = total
                rows[3 + a, 6 * f + b] = 0.0
        if f == joints:
            break
        for b in range(3):
            axis = axes[f] if b == 2 else tilts[f, b]
            ax, ay, az = axis[0], axis[1], axis[2]
            out = jacobian[:, f] if b == 2 else tilted[:, f, b]
            if b == 2 and chain.prismatic[f]:
                out[0], out[1], out[2], out[3], out[4], out[5] = ax, ay, az, 0.0, 0.0, 0.0
            else:
                out[0], out[1], out[2] = ay * z - az * y, az * x - ax * z, ax * y - ay * x
                out[3], out[4], out[5] = ax, ay, az


@entry
def _all_frame_rows(chain, unturned, moved):
    """Write ``frame_rows`` of n configurations: poses (n, 4, 4), rows, motion of joints, and tilts."""
    count, joints = moved.shape[:2]
    poses, rows = np.empty((count, 4, 4)), np.empty((count, 6, 6 * (joints + 1)))
    jacobian, tilted = np.empty((count, 6, joints)), np.empty((count, 6, joints, 2))
    for i in range(count):
        frame_rows(chain, unturned, np.zeros(3), moved[i], poses[i], rows[i], jacobian[i], tilted[i])
    return poses, rows, jacobian, tilted
