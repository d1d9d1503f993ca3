"""frankik: the Panda's inverse kinematics in closed form (He and Liu 2021)."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.peers.base import Peer, Setting
from crisp_ik_ros.transforms import Array, invert_pose


class FrankIK:
    """Solver of frankik."""

    def __init__(self, setting: Setting):
        import frankik

        self.library, self.setting = frankik, setting
        robot = setting.robot
        # Its tool frames, one for each direction, are ours but for fixed transformations.
        self.tool = invert_pose(frankik.fk(robot.rest)) @ robot.forward_kinematics(robot.rest)
        # Not every pose has an answer in the other frame; the first that has one tells how the frames lie.
        for configuration in robot.random_configurations(100, np.random.default_rng(0)):
            target = frankik.fk(configuration)
            known = [q for q in frankik.ik_full(target, None, configuration[6]) if not np.isnan(q[0])]
            if known:
                self.to_target = invert_pose(robot.forward_kinematics(known[0])) @ target
                break
        self.rng = np.random.default_rng(0)

    def forward_kinematics(self, configuration: Array) -> Array:
        """Tool pose of a configuration."""
        return self.library.fk(configuration) @ self.tool

    def solve(self, pose: Array, start: Array | None) -> Array | None:
        """Configuration that reaches a pose."""
        target, robot = pose @ self.to_target, self.setting.robot
        if start is not None:
            found = self.library.ik(target, start, start[6])
            if not np.isnan(found[0]):
                return found
        end = time.perf_counter() + self.setting.judge.cap
        while time.perf_counter() < end:
            # Redundancy is the last joint's angle; at some angles there is no solution.
            solutions = self.library.ik_full(target, None, self.rng.uniform(robot.lower[6], robot.upper[6]))
            for found in solutions:
                if not np.isnan(found[0]):
                    return found
        return None


PEER = Peer(
    "frankik",
    "frankik (analytic)",
    "frankik",
    "frankik",
    "closed form for this robot, given the last joint's angle: that of the start; without a seed, or where that has no "
    "solution, angles are drawn, by us, until one has or 5 ms are up; its tool frames, another for fk than for "
    "ik, are ours but for fixed transformations",
    FrankIK,
    analytic=True,
)
