"""A simulated arm in a process of its own: where PyBullet crashes or hangs, this process goes on."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from crisp_ik_ros.errors import SimulationError, SimulatorCrashError
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.transforms import Array

# Time to start a process and to load a URDF, and for an answer [s].
MAX_START_S, MAX_ANSWER_S = 60.0, 120.0
# Time that the process has to end by itself [s].
MAX_END_S = 2.0
_Result = TypeVar("_Result")


class ArmProcess:
    """A ``PyBulletArm`` in a child process.

    Parameters
    ----------
    urdf : str or Path
    robot : RobotModel
        As ``PyBulletArm`` takes them.
    meshes : bool
        Whether the meshes of the URDF are loaded.
    max_answer : float
        Time after which the process is taken to hang [s].

    Raises
    ------
    MissingDependencyError, SimulationError
        As ``PyBulletArm`` does.
    SimulatorCrashError
        When the process ends, or does not answer.
    """

    def __init__(self, urdf: str | Path, robot: RobotModel, meshes: bool = True, max_answer: float = MAX_ANSWER_S):
        self.robot = robot
        self.meshes = meshes
        self._max_answer = max_answer
        self._connection, remote = multiprocessing.Pipe()
        # A fresh interpreter: a fork would share the compiled code's threads, and multiprocessing's own way to start
        # one runs the caller's script again. In its own session: Ctrl-C in a terminal comes to the parent alone.
        with remote:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import serve; serve({remote.fileno()})"],
                pass_fds=(remote.fileno(),), stdin=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )  # fmt: skip
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # what it died of is said below
                self._connection.send((urdf, robot, meshes))
            self._receive("reads the URDF", MAX_START_S)
        except BaseException:
            self.close()
            raise

    def run(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """Result of ``function(arm, *arguments)`` in the child process; all of them have to be picklable.

        Raises
        ------
        SimulatorCrashError
            When the process ends meanwhile, or does not answer.
        CrispIKError
            As the function does.
        """
        doing = f"runs {getattr(function, '__name__', function)}"
        try:
            self._connection.send((function, arguments))
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._crash(doing) from error
        return self._receive(doing, self._max_answer)

    def collision_free(self, configurations: Array, clearance: float = 0.0, floor: float | None = None) -> np.ndarray:
        """Whether the arm touches neither itself nor the floor, as ``PyBulletArm.collision_free`` says."""
        return self.run(PyBulletArm.collision_free, configurations, clearance, floor)

    def close(self) -> None:
        """End the process; a second call does nothing."""
        self._connection.close()
        try:
            self._process.wait(MAX_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> ArmProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _receive(self, doing: str, timeout: float) -> Any:
        try:
            if not self._connection.poll(timeout):
                self._process.kill()
                raise SimulatorCrashError(
                    f"PyBullet has been ended: it {doing} of {self.robot.name!r} for more than {timeout:g} s"
                )
            result, error = self._connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise self._crash(doing) from error
        if error is not None:
            raise error
        return result

    def _crash(self, doing: str) -> SimulatorCrashError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(MAX_END_S)
        code = self._process.returncode
        how = f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name
        return SimulatorCrashError(f"PyBullet has crashed ({how}) while it {doing} of {self.robot.name!r}")


def with_arm_process(
    urdf: str | Path,
    robot: RobotModel,
    work: Callable[[ArmProcess], _Result],
    max_answer: float = MAX_ANSWER_S,
) -> tuple[_Result, str]:
    """Do some work with a simulated arm; where PyBullet cannot bear its meshes, without them.

    Parameters
    ----------
    urdf, robot, max_answer
        As ``ArmProcess`` takes them.
    work : callable
        Called with an ``ArmProcess``, a second time where PyBullet crashes.

    Returns
    -------
    result
        Of the work.
    warning : str
        Why the meshes are left out; empty where they are not.

    Raises
    ------
    MissingDependencyError, SimulationError, SimulatorCrashError
        When PyBullet cannot load the URDF without meshes either, or crashes again.
    """
    try:
        arm = ArmProcess(urdf, robot, max_answer=max_answer)
    except SimulationError as error:
        reason = error
    else:
        with arm:
            try:
                return work(arm), ""
            except SimulatorCrashError as error:
                reason = error
    with ArmProcess(urdf, robot, meshes=False, max_answer=max_answer) as arm:
        return work(arm), f"{reason}; without the meshes it works, so they are left out"


def serve(descriptor: int) -> None:
    """Load an arm and answer requests, in the child process, until the other end of the connection is closed."""
    connection = Connection(descriptor)
    try:
        urdf, robot, meshes = connection.recv()
        arm = PyBulletArm(urdf, robot, meshes=meshes)
    except Exception as error:
        connection.send((None, error))
        return
    connection.send((None, None))
    # The other end may be closed at any time, also before an answer.
    with arm, contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            function, arguments = connection.recv()
            try:
                answer: tuple[Any, Exception | None] = function(arm, *arguments), None
            except Exception as error:
                answer = None, error
            connection.send(answer)
