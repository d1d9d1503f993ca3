"""From answers for targets to a path of the joints, and the record of both."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from crisp_ik_ros.nodes.answer import ErrorCode
from crisp_ik_ros.nodes.following import Following
from crisp_ik_ros.nodes.guard import Conditioning, SingularityError, check_solution
from crisp_ik_ros.nodes.joint_path import JointPath
from crisp_ik_ros.nodes.lead import Lead
from crisp_ik_ros.nodes.motion import segment_duration
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array


class Route:
    """The path of one trajectory, which grows with every answer.

    Parameters
    ----------
    robot : RobotModel
    run : Following
        Where everything is noted.
    conditioning : Conditioning
    velocity : (J,)
        Largest speeds of the joints [rad/s or m/s].
    period : float
        Between targets [s].
    joint_step : float
        Largest step of a joint between two targets [rad or m].

    Attributes
    ----------
    path : JointPath or None
        None until the first solution.
    refusal : str
        Why the path ends before its last target; empty: it does not.
    """

    def __init__(
        self,
        robot: RobotModel,
        run: Following,
        conditioning: Conditioning,
        velocity: Array,
        period: float,
        joint_step: float,
    ):
        self.run = run
        self.path: JointPath | None = None
        self.refusal = ""
        self._robot, self._conditioning, self._velocity = robot, conditioning, velocity
        self._period, self._joint_step = period, joint_step
        # Answers for targets that the arm has not passed yet: configuration and number of the waypoint, or None and 0.
        self._ahead: deque[tuple[Array | None, int]] = deque()
        self._left_out = 0

    @property
    def asked(self) -> int:
        """Number of targets that were answered."""
        return len(self.run.codes)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to ask for."""
        return bool(self.refusal) or self.asked == len(self.run.targets)

    def answered(
        self,
        code: int,
        message: str,
        latency: float,
        support: float,
        source: str,
        names: Sequence[str],
        positions: Sequence[float],
    ) -> None:
        """Note the answer for the next target, and lead the path on to its solution; on an error it is left out.

        Raises
        ------
        InvalidInputError
            When a solution cannot be used.
        """
        self.run.answered(code, message, latency, support, source)
        if code != ErrorCode.SUCCESS:
            self._ahead.append((None, 0))
            self._left_out += 1
        else:
            try:
                self._add(names, positions)
            except SingularityError as error:
                self.refusal = str(error)
        if self.over and self.path is not None:
            self.path.close()

    def note_passed(self, lead: Lead | None, now: int) -> None:
        """Note the targets that the command has led through until now [ns]."""
        while self._ahead:
            configuration, waypoint = self._ahead[0]
            if configuration is None:
                self.run.commanded(None, None)
            else:
                time = None if lead is None else lead.passed(now, waypoint)
                if time is None:
                    return
                self.run.commanded(configuration, 1e-9 * time)
            self._ahead.popleft()

    def _add(self, names: Sequence[str], positions: Sequence[float]) -> None:
        before = None if self.path is None else self.path.last
        configuration = check_solution(self._robot, names, positions, before, self._joint_step)
        if self.path is None or before is None:
            self.path = JointPath(configuration, self._robot.lower, self._robot.upper)
        else:
            share = self._conditioning.share(before, configuration)
            # Targets that were left out in between get their time.
            period = self._period * (1 + self._left_out)
            self.path.add(configuration, segment_duration(configuration - before, self._velocity, 1.0, period), share)
        self._left_out = 0
        self._ahead.append((configuration, self.path.count - 1))
