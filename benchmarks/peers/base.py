"""What another library's solver has to offer to take part, and how all of them are set up."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.judge import Judge
from benchmarks.machine import version_of
from benchmarks.methods import LIMIT, PEER, Method
from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# Largest difference of any entry of a tool pose, and how many configurations it is looked for at.
AGREEMENT, CONFIGURATIONS = 1e-6, 20


class PeerError(CrispIKError, RuntimeError):
    """A library cannot take part: it is not installed, does not start, or has another robot."""


class Solver(Protocol):
    """Another library's inverse kinematics of the robot."""

    def forward_kinematics(self, configuration: Array) -> Array:
        """Tool pose (4, 4), base frame [m], of a configuration (J,)."""
        ...

    def solve(self, pose: Array, start: Array | None) -> Array | None:
        """Configuration (J,) that reaches a tool pose (4, 4), sought for no longer than the cap; None: none found."""
        ...


@dataclass(frozen=True)
class Setting:
    """What every library is given.

    Attributes
    ----------
    robot : RobotModel
    urdf : Path
        The robot's chain with its limits.
    judge : Judge
        Its tolerances and its cap; what it accepts needs no further start.
    """

    robot: RobotModel
    urdf: Path
    judge: Judge


@dataclass(frozen=True)
class Peer:
    """Another library.

    Attributes
    ----------
    name, label : str
        Key in the JSON files; as pictures call it.
    distribution : str
        Name on PyPI.
    module : str
        What is imported, to see whether it is there.
    how : str
        How it is configured.
    make : callable
    every : int
        1, or more for one so slow that it takes part at every so-manieth pose only.
    analytic : bool
        Whether it knows this robot's solution in closed form: the limit, not a competitor.
    """

    name: str
    label: str
    distribution: str
    module: str
    how: str
    make: Callable[[Setting], Solver]
    every: int = 1
    analytic: bool = False


def starts(robot: RobotModel, start: Array | None, rng: np.random.Generator) -> Iterator[Array]:
    """Where to begin a search: the given start, or the middle of the joint ranges, then anywhere within the limits."""
    yield 0.5 * (robot.lower + robot.upper) if start is None else np.clip(start, robot.lower, robot.upper)
    while True:
        yield robot.random_configurations(1, rng)[0]


def set_up(peer: Peer, setting: Setting) -> tuple[Method, dict[str, Any]]:
    """Make a library's solver, and see that it has the same robot.

    Returns
    -------
    Method
    dict
        Version, and the largest difference of its forward kinematics from ours.

    Raises
    ------
    PeerError
        When it cannot take part; the message says why.
    """
    try:
        importlib.import_module(peer.module)
    except Exception as error:  # a compiled library fails in many ways
        raise PeerError(f"not installed: {type(error).__name__}: {error}") from error
    try:
        solver = peer.make(setting)
        difference = disagreement(solver, setting.robot)
    except Exception as error:
        raise PeerError(f"does not start: {type(error).__name__}: {error}") from error
    if not difference <= AGREEMENT:
        raise PeerError(f"has another robot: its forward kinematics differ from ours by {difference:.2g}")
    method = Method(peer.name, peer.label, LIMIT if peer.analytic else PEER, peer.how, solver.solve, peer.every)
    return method, {"version": version_of(peer.distribution), "forward_kinematics_difference": difference}


def disagreement(solver: Solver, robot: RobotModel) -> float:
    """Largest difference of any entry of a tool pose between a library's forward kinematics and ours."""
    configurations = robot.random_configurations(CONFIGURATIONS, np.random.default_rng(0))
    theirs = np.array([solver.forward_kinematics(configuration) for configuration in configurations])
    return float(np.abs(theirs - robot.forward_kinematics(configurations)).max())
