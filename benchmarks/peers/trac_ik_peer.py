"""TRAC-IK (Beeson and Ames 2015) through pytracik."""

from __future__ import annotations

import numpy as np

from benchmarks.peers.base import Peer, Setting
from crisp_ik_ros.transforms import Array, quaternion_from_matrix


class TracIK:
    """Solver of pytracik."""

    def __init__(self, setting: Setting):
        import pytracik

        self.library = pytracik
        robot, judge = setting.robot, setting.judge
        # It compares each of the six components of the error, we compare the lengths of two vectors of three.
        epsilon = min(judge.position_tolerance, judge.orientation_tolerance) / np.sqrt(3.0)
        self.solver = pytracik.TRAC_IK(
            robot.base_link, robot.tip_link, setting.urdf.read_text(), judge.cap, epsilon, pytracik.SolveType.Speed
        )
        self.middle = 0.5 * (robot.lower + robot.upper)

    def forward_kinematics(self, configuration: Array) -> Array:
        """Tool pose of a configuration."""
        return np.asarray(self.library.fk(self.solver, configuration))

    def solve(self, pose: Array, start: Array | None) -> Array | None:
        """Configuration that reaches a pose."""
        start = self.middle if start is None else start
        found = self.library.ik(self.solver, start, *pose[:3, 3], *quaternion_from_matrix(pose[:3, :3]))
        return found[1:] if found[0] >= 0.0 else None


PEER = Peer(
    "trac_ik",
    "TRAC-IK (pytracik)",
    "pytracik",
    "pytracik",
    "solve type Speed, its default; timeout 5 ms; epsilon 1e-5 / sqrt 3, as it bounds each component of the error; "
    "runs two solvers on two threads and restarts by itself; without a seed from the middle of the joint ranges",
    TracIK,
)
