"""IKPy: SciPy's least squares on forward kinematics in NumPy."""

from __future__ import annotations

import time
import warnings

import numpy as np

from benchmarks.peers.base import Peer, Setting, starts
from crisp_ik_ros.transforms import Array


class IKPy:
    """Solver of ikpy."""

    def __init__(self, setting: Setting):
        from ikpy.chain import Chain

        self.setting = setting
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            chain = Chain.from_urdf_file(str(setting.urdf), base_elements=[setting.robot.base_link])
            movable = [link.joint_type != "fixed" for link in chain.links]
            self.chain = Chain(chain.links, active_links_mask=movable)
        self.movable = np.array(movable)
        self.rng = np.random.default_rng(0)

    def forward_kinematics(self, configuration: Array) -> Array:
        """Tool pose of a configuration."""
        return self.chain.forward_kinematics(self._whole(configuration))

    def solve(self, pose: Array, start: Array | None) -> Array | None:
        """Configuration that reaches a pose."""
        end = time.perf_counter() + self.setting.judge.cap
        for begin in starts(self.setting.robot, start, self.rng):
            found = self.chain.inverse_kinematics_frame(
                pose, initial_position=self._whole(begin), orientation_mode="all"
            )[self.movable]
            if self.setting.judge.accepts(pose, found):
                return found
            if time.perf_counter() >= end:
                return None
        return None

    def _whole(self, configuration: Array) -> Array:
        """Values of all links, the fixed ones included."""
        values = np.zeros(len(self.movable))
        values[self.movable] = configuration
        return values


PEER = Peer(
    "ikpy",
    "IKPy",
    "ikpy",
    "ikpy",
    "NumPy backend, least_squares with its default tolerances of 1e-8, all of the orientation; knows no time limit; "
    "restarts, by us, from random configurations until 5 ms are up; without a seed first from the middle of the joint "
    "ranges; takes part at every 20th pose",
    IKPy,
    every=20,
)
