"""What ``trajectory_follower`` has to say about itself on /diagnostics, without ROS."""

from __future__ import annotations

import math

from crisp_ik_ros.nodes.following import Following
from crisp_ik_ros.nodes.health import Health, Level
from crisp_ik_ros.nodes.phase import Phase
from crisp_ik_ros.nodes.watch import JOINTS, SERVICE, Watch


class FollowerHealth:
    """Why the arm was halted and stopped, and how the follower is doing.

    Parameters
    ----------
    watch : Watch
        Knows when the service and the joint states were last heard.

    Attributes
    ----------
    refusal : str
        Why the motion was stopped for good; empty: it was not, or another has begun.
    last_refusal : str
        The same, and kept when another motion begins.
    halted : str
        Why the arm was last brought to rest until all is well again.
    """

    def __init__(self, watch: Watch):
        self._watch = watch
        self._refusal = self.last_refusal = self.halted = ""

    @property
    def refusal(self) -> str:
        """Why the motion was stopped for good."""
        return self._refusal

    @refusal.setter
    def refusal(self, reason: str) -> None:
        self._refusal = reason
        self.last_refusal = reason or self.last_refusal

    def health(self, phase: Phase, run: Following | None, steady: float) -> Health:
        """Health in a phase.

        Parameters
        ----------
        phase : Phase
        run : Following or None
            The path that is followed, or was last.
        steady : float
            Time of the steady clock [s].
        """
        values: dict[str, object] = {"phase": phase.value}
        level, words = Level.OK, phase.value
        if run is not None:
            done = f"{len(run.configurations)} of {len(run.targets)}"
            words += f"; {run.name}, {done} targets done"
            values |= {
                "path": run.name,
                "targets done": done,
                "targets without a solution": run.failures,
                "halts on this path": run.halts,
                "slow-downs on this path": run.slow_downs,
            }
        if phase is Phase.HELD:
            level, words = Level.WARN, f"halted: {self.halted}"
        if self._refusal and phase in (Phase.IDLE, Phase.STOPPING):
            level, words = Level.ERROR, f"stopped: {self._refusal}"
        values |= {
            "last halted because": self.halted,
            "last refusal": self.last_refusal,
            "age of the service [s]": _age(self._watch.age(steady, SERVICE)),
            "age of the joint states [s]": _age(self._watch.age(steady, JOINTS)),
        }
        return Health(level, words, values)


def _age(seconds: float) -> str:
    return f"{seconds:.3f}" if math.isfinite(seconds) else "never heard"
