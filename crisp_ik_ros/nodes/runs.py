"""The trajectories of a follower, one after the other, and the record of those that were followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rclpy.impl.rcutils_logger import RcutilsLogger

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.nodes.following import Following, write_report
from crisp_ik_ros.transforms import Array


class Runs:
    """What is still to be followed, and what became of the rest.

    Parameters
    ----------
    paths : mapping of str to (n, 4, 4)
        Targets by name, in their order.
    joint_names : sequence of str
    report : str
        Path of the file that ``write`` writes; empty: none.
    """

    def __init__(self, paths: Mapping[str, Array], joint_names: Sequence[str], report: str):
        self._paths, self._joint_names, self._report = paths, joint_names, report
        self._queue: list[Following] = []
        self._done: list[Following] = []

    @property
    def more(self) -> bool:
        """Whether there are any still to be followed."""
        return bool(self._queue)

    @property
    def complete(self) -> bool:
        """Whether every target of those that are over was solved and commanded."""
        return all(run.complete for run in self._done)

    def begin(self) -> None:
        """Take all of them as still to be followed."""
        self._queue = [Following(name, path) for name, path in self._paths.items()]
        self._done = []

    def next(self) -> Following:
        """Return the next, which is then no longer still to be followed."""
        return self._queue.pop(0)

    def drop(self) -> None:
        """Follow no more of them."""
        self._queue = []

    def add(self, run: Following) -> None:
        """Note one that is over; it may have been noted."""
        if not any(run is other for other in self._done):
            self._done.append(run)

    def write(self, logger: RcutilsLogger) -> bool:
        """Write the report, where there is to be one, and tell the log; return whether all is well."""
        if self._report:
            try:
                write_report(Path(self._report), self._joint_names, self._done)
                logger.info(f"report in {self._report}")
            except CrispIKError as error:
                logger.error(str(error))
                return False
        return True
