"""OptIK, in Rust, through optik-py."""

from __future__ import annotations

import numpy as np

from benchmarks.peers.base import Peer, Setting
from crisp_ik_ros.transforms import Array


class OptIK:
    """Solver of optik-py."""

    def __init__(self, setting: Setting):
        import optik

        robot, judge = setting.robot, setting.judge
        self.robot = optik.Robot.from_urdf_file(str(setting.urdf), robot.base_link, robot.tip_link)
        # It ends where the squared length of the whole error is below this.
        tolerance = min(judge.position_tolerance, judge.orientation_tolerance) ** 2
        self.config = optik.SolverConfig(solution_mode="speed", max_time=judge.cap, tol_f=tolerance)
        self.middle = 0.5 * (robot.lower + robot.upper)

    def forward_kinematics(self, configuration: Array) -> Array:
        """Tool pose of a configuration."""
        return np.array(self.robot.fk(configuration))

    def solve(self, pose: Array, start: Array | None) -> Array | None:
        """Configuration that reaches a pose."""
        found = self.robot.ik(self.config, pose, self.middle if start is None else start)
        return None if found is None else np.array(found[0])


PEER = Peer(
    "optik",
    "OptIK",
    "optik-py",
    "optik",
    "solution mode speed; max_time 5 ms; tol_f 1e-10, the squared length of the error; one thread a core, "
    "its default; restarts by itself; without a seed from the middle of the joint ranges",
    OptIK,
)
