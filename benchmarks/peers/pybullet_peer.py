"""PyBullet's damped least squares."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.peers.base import Peer, Setting, starts
from crisp_ik_ros.simulation.loading import quiet
from crisp_ik_ros.transforms import Array, make_pose, matrix_from_quaternion, quaternion_from_matrix

ITERATIONS, RESIDUAL = 100, 1e-5
# Calls from one start, each from where the last one ended.
CALLS = 3


class PyBullet:
    """Solver of pybullet."""

    def __init__(self, setting: Setting):
        import pybullet

        self.bullet, self.setting = pybullet, setting
        self.client = pybullet.connect(pybullet.DIRECT)
        with quiet():
            self.body = pybullet.loadURDF(str(setting.urdf), useFixedBase=True, physicsClientId=self.client)
        joints = range(pybullet.getNumJoints(self.body, physicsClientId=self.client))
        infos = {joint: pybullet.getJointInfo(self.body, joint, physicsClientId=self.client) for joint in joints}
        self.movable = [joint for joint, info in infos.items() if info[3] >= 0]
        self.tip = next(joint for joint, info in infos.items() if info[12].decode() == setting.robot.tip_link)
        self.rng = np.random.default_rng(0)

    def forward_kinematics(self, configuration: Array) -> Array:
        """Tool pose of a configuration."""
        self._stand(configuration)
        state = self.bullet.getLinkState(self.body, self.tip, computeForwardKinematics=1, physicsClientId=self.client)
        return make_pose(state[4], matrix_from_quaternion(state[5]))

    def solve(self, pose: Array, start: Array | None) -> Array | None:
        """Configuration that reaches a pose."""
        judge, robot = self.setting.judge, self.setting.robot
        end = time.perf_counter() + judge.cap
        position, quaternion = pose[:3, 3].tolist(), quaternion_from_matrix(pose[:3, :3]).tolist()
        for begin in starts(robot, start, self.rng):
            found = begin
            for _ in range(CALLS):
                self._stand(found)
                found = np.array(
                    self.bullet.calculateInverseKinematics(
                        self.body, self.tip, position, quaternion,
                        maxNumIterations=ITERATIONS, residualThreshold=RESIDUAL, physicsClientId=self.client,
                    )
                )  # fmt: skip
                found = found - 2.0 * np.pi * np.round(found / (2.0 * np.pi))
                if judge.accepts(pose, found):
                    return found
                if time.perf_counter() >= end:
                    return None
                if not robot.within_limits(found):
                    break
        return None

    def _stand(self, configuration: Array) -> None:
        for joint, value in zip(self.movable, configuration, strict=True):
            self.bullet.resetJointState(self.body, joint, value, physicsClientId=self.client)


PEER = Peer(
    "pybullet",
    "PyBullet",
    "pybullet",
    "pybullet",
    "damped least squares without null-space arguments, which would keep it some tenths of a millimetre off the "
    "target; 100 iterations a call, residual 1e-5, and up to three calls from a start; it does not keep joint "
    "limits: restarts, by us, from random configurations until 5 ms are up; without a seed first from the middle of "
    "the joint ranges",
    PyBullet,
)
