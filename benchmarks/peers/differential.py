"""Differential inverse kinematics, one small step after the other, as a solver of poses."""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np

from benchmarks.peers.base import Setting, starts
from crisp_ik_ros.transforms import Array

# Steps from one start; what has not converged by then does not.
STEPS = 10


class Stepper(Protocol):
    """A library's single step."""

    def aim(self, pose: Array) -> None:
        """Take a tool pose (4, 4) for the target."""
        ...

    def stand(self, configuration: Array) -> None:
        """Go to a configuration (J,) at once."""
        ...

    def error(self) -> Array:
        """Twist (6,) from where the tool is to the target: linear [m], then angular [rad]."""
        ...

    def step(self) -> None:
        """Take the step that the library's quadratic program says."""
        ...

    def configuration(self) -> Array:
        """Where it stands (J,)."""
        ...


class DifferentialSolver:
    """Takes steps until the tool is on the target, and begins anew elsewhere where that does not come about.

    Parameters
    ----------
    stepper : Stepper
    setting : Setting
    """

    def __init__(self, stepper: Stepper, setting: Setting):
        self.stepper = stepper
        self.setting = setting
        self.rng = np.random.default_rng(0)

    def solve(self, pose: Array, start: Array | None) -> Array | None:
        """Configuration that reaches a pose."""
        stepper, judge = self.stepper, self.setting.judge
        end = time.perf_counter() + judge.cap
        stepper.aim(pose)
        for begin in starts(self.setting.robot, start, self.rng):
            stepper.stand(begin)
            for _ in range(STEPS):
                error = stepper.error()
                if (
                    np.sqrt(error[:3] @ error[:3]) <= judge.position_tolerance
                    and np.sqrt(error[3:] @ error[3:]) <= judge.orientation_tolerance
                ):
                    return stepper.configuration()
                if time.perf_counter() >= end:
                    return None
                stepper.step()
        return None
