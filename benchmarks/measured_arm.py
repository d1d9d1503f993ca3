"""A Panda that is not as its URDF says, and a device that measures it: the truth of simulated calibration.

Its forward kinematics are plain NumPy, written from the description of its errors, and share no code with the model
that is to find them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, make_pose, rotation_exponential

# Every joint off by so much, and every link along each axis, with random signs [deg, m].
JOINT_OFFSET, LINK_OFFSET = 3.0, 0.03
# Gear errors: periods a turn, and amplitude [deg].
GEARS = ((2, 0.3), (5, 0.1))
# Deflection of each joint under gravity [rad/Nm], and what the URDF's masses are off by, relative.
COMPLIANCE, MASS_ERROR = 2e-4, 0.2
# Of a measurement [m, rad].
NOISE = (1e-4, 5e-4)
# Gross errors of a measurement are up to so much [m, rad].
GROSS = (0.05, 0.1)
# What no parameter of a calibration describes: each joint off by a smooth function of all joints' angles [deg].
COUPLING = 0.1
GRAVITY = 9.80665
STEP = 1e-5


@dataclass(frozen=True)
class MeasuredArm:
    """An arm with errors.

    Attributes
    ----------
    nominal : RobotModel
        What is believed of it.
    offset : RobotModel
        The same with its joints and links off.
    gears : (J, g, 3)
        Periods a turn, amplitude [rad] and phase [rad] of each periodic error.
    masses : (J,)
        Of the links [kg].
    waves : (J, w, J + 2)
        Of the coupling: amplitude [rad], phase and rates of each wave.
    frame, marker : (4, 4)
        The base in the measuring frame, and what is measured in the tip's frame [m].
    """

    nominal: RobotModel
    offset: RobotModel
    gears: Array
    masses: Array
    waves: Array
    frame: Array
    marker: Array

    def joint_positions(self, q: Array) -> Array:
        """Where the joints really are (n, J) when their encoders say q (n, J) [rad]."""
        periods, amplitudes, phases = np.moveaxis(self.gears, 2, 0)
        moved = q + (amplitudes * np.sin(periods * q[:, :, None] + phases)).sum(axis=2)
        rates = self.waves[:, :, 2:]
        phases = np.einsum("jwk,nk->njw", rates, q) + self.waves[:, :, 1]
        moved = moved + (self.waves[:, :, 0] * np.sin(phases)).sum(axis=2)
        return moved + COMPLIANCE * self.gravity_torques(moved)

    def gravity_torques(self, q: Array) -> Array:
        """What gravity turns each joint with (n, J) [Nm]: how its potential energy falls."""
        torques = np.empty_like(q)
        for j in range(q.shape[1]):
            step = STEP * (np.arange(q.shape[1]) == j)
            torques[:, j] = (self._energy(q - step) - self._energy(q + step)) / (2.0 * STEP)
        return torques

    def tip_poses(self, q: Array) -> Array:
        """Poses (n, 4, 4) of the real tip in the base frame [m]."""
        return self.offset.forward_kinematics(self.joint_positions(q))

    def marker_poses(self, q: Array) -> Array:
        """Poses (n, 4, 4) of the real marker in the measuring frame [m]."""
        return self.frame @ self.tip_poses(q) @ self.marker

    def measure(self, count: int, seed: int, kind: str = "poses", outliers: float = 0.0) -> Dataset:
        """Measure at random configurations.

        Parameters
        ----------
        count, seed : int
        kind : "poses" or "positions"
        outliers : float
            Share of measurements with gross errors.
        """
        rng = np.random.default_rng([seed, count])
        q = self.nominal.random_configurations(count, rng)
        poses = self.marker_poses(q)
        shift, turn = NOISE[0] * rng.normal(size=(count, 3)), NOISE[1] * rng.normal(size=(count, 3))
        wrong = rng.permutation(count)[: round(outliers * count)]
        shift[wrong] += rng.uniform(-GROSS[0], GROSS[0], (len(wrong), 3))
        turn[wrong] += rng.uniform(-GROSS[1], GROSS[1], (len(wrong), 3))
        poses[:, :3, 3] += shift
        if kind == "positions":
            return Dataset.from_positions(q, poses[:, :3, 3], self.nominal.joint_names)
        poses[:, :3, :3] = rotation_exponential(turn) @ poses[:, :3, :3]
        return Dataset(q, poses, self.nominal.joint_names)

    def _energy(self, q: Array) -> Array:
        """Potential energy (n,) of the links [J]."""
        rotation, position = np.broadcast_to(np.eye(3), (len(q), 3, 3)), np.zeros((len(q), 3))
        energy, movable = np.zeros(len(q)), 0
        for joint in self.offset.joints:
            position = position + rotation @ joint.origin[:3, 3]
            rotation = rotation @ joint.origin[:3, :3]
            if joint.movable:
                rotation = rotation @ rotation_exponential(q[:, movable, None] * joint.axis)
                center = position + rotation @ self.nominal.mass_centers[movable]
                energy += self.masses[movable] * GRAVITY * center[:, 2]
                movable += 1
        return energy


def make_arm(seed: int, coupled: bool = False, unknown: str = "") -> MeasuredArm:
    """Return an arm with random signs and phases.

    Parameters
    ----------
    seed : int
    coupled : bool
        Whether each joint is also off by a smooth function of all.
    unknown : "", "tool" or "pose"
        Whether the marker is somewhere on the tool, in its own orientation with "pose", and measured in the device's
        own frame.
    """
    rng = np.random.default_rng(seed)
    nominal = RobotModel.panda()
    dof = nominal.dof
    signs = rng.choice([-1.0, 1.0], dof), rng.choice([-1.0, 1.0], (len(nominal.joints), 3))
    gears = np.array([[(k, np.deg2rad(size), rng.uniform(0.0, 2.0 * np.pi)) for k, size in GEARS] for _ in range(dof)])
    masses = nominal.masses * (1.0 + MASS_ERROR * rng.normal(size=dof))
    waves = np.concatenate(
        [
            np.full((dof, 4, 1), np.deg2rad(COUPLING) / 2.0 if coupled else 0.0),
            rng.uniform(0.0, 2.0 * np.pi, (dof, 4, 1)),
            rng.normal(0.0, 0.5, (dof, 4, dof)),
        ],
        axis=2,
    )
    frame, marker = np.eye(4), np.eye(4)
    if unknown:
        frame = make_pose(rng.uniform(-2.0, 2.0, 3), rotation_exponential(rng.uniform(-1.5, 1.5, 3)))
        turn = rng.uniform(-1.5, 1.5, 3) if unknown == "pose" else np.zeros(3)
        marker = make_pose(rng.uniform(-0.08, 0.08, 3), rotation_exponential(turn))
    offset = nominal.with_bias(np.deg2rad(JOINT_OFFSET) * signs[0], LINK_OFFSET * signs[1])
    return MeasuredArm(nominal, offset, gears, masses, waves, frame, marker)
