"""The compiled Levenberg-Marquardt solver of Corke and Haviland's Robotics Toolbox."""

from __future__ import annotations

import warnings

import numpy as np

from benchmarks.peers.base import Peer, Setting
from crisp_ik_ros.transforms import Array

# More iterations than these are seldom worth waiting for.
SEARCHES, ITERATIONS = 100, 15


class RoboticsToolbox:
    """Solver of roboticstoolbox-python."""

    def __init__(self, setting: Setting):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import roboticstoolbox

            model = roboticstoolbox.Robot.URDF(str(setting.urdf))
        self.chain = model.ets(start=setting.robot.base_link, end=setting.robot.tip_link)
        # It ends where half the squared length of the whole error is below this.
        self.tolerance = 0.5 * min(setting.judge.position_tolerance, setting.judge.orientation_tolerance) ** 2
        self.middle = 0.5 * (setting.robot.lower + setting.robot.upper)

    def forward_kinematics(self, configuration: Array) -> Array:
        """Tool pose of a configuration."""
        return np.asarray(self.chain.eval(configuration))

    def solve(self, pose: Array, start: Array | None) -> Array | None:
        """Configuration that reaches a pose."""
        # Of its own: the compiled code takes no array that must not be written to.
        start = np.array(self.middle if start is None else start)
        found = self.chain.ik_LM(pose, start, ilimit=ITERATIONS, slimit=SEARCHES, tol=self.tolerance, joint_limits=True)
        return np.asarray(found.q) if found.success else None


PEER = Peer(
    "roboticstoolbox",
    "Robotics Toolbox",
    "roboticstoolbox-python",
    "roboticstoolbox",
    "ETS.ik_LM (compiled; Chan's damping, its default), tol 5e-11, half the squared length of the error; 15 "
    "iterations a search, which is faster here than its default of 30, and 100 searches, as it knows no time limit; "
    "restarts by itself; without a seed from the middle of the joint ranges",
    RoboticsToolbox,
)
