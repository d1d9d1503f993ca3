"""From a request for joint angles to its answer, without ROS: checks, seeds, time, error codes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from crisp_ik_ros.errors import CrispIKError, InvalidInputError
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.estimators.search import NEAR_ANGLE, NEAR_DISTANCE, SMALL_STEP
from crisp_ik_ros.estimators.task import PoseTask, as_task
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.nodes.collision_free import solve_free
from crisp_ik_ros.nodes.joint_order import indices_of
from crisp_ik_ros.nodes.outcomes import CODES, Answer, PathAnswer, answer_of, reason, shorten, touching
from crisp_ik_ros.nodes.target_frames import TargetFrames
from crisp_ik_ros.nodes.targets import ErrorCode, NotYetKnown, RequestError, Target, code_of
from crisp_ik_ros.solvers.result import IKResult, Status
from crisp_ik_ros.transforms import Array

# A measured joint may read this far beyond its limit; the seed is then moved onto the limit [rad or m].
SEED_SLACK = 1e-3
# A request that has waited for its turn is searched this long even where its time was up [s]: most need less.
LEAST_SEARCH = 0.005
# Poses of a path that are solved in one go: between two goes others may be served.
POSES_AT_ONCE = 16
# Longest wait for the transform of a target's frame [s].
FRAME_PATIENCE = 1.0
LONGEST_TIMEOUT = 5.0
UNCHECKED = "whether the arm touches itself was not checked (avoid_collisions)"
LONGEST_PATH = 10_000


class Seed(NamedTuple):
    """Where a search is to start: joint names and positions [rad or m]; both empty where the caller gave none."""

    names: Sequence[str] = ()
    positions: Sequence[float] = ()


class Options(NamedTuple):
    """Options of a request as they arrive, with the names and the zero values of the services' fields."""

    max_joint_step: float = 0.0
    prefer_nearest: bool = False
    approximate: bool = False
    task: str = ""
    position_tolerances: tuple[float, float, float] = (0.0, 0.0, 0.0)
    orientation_tolerances: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def arguments(self, default_task: str, seeded: bool) -> dict[str, Any]:
        """Arguments of ``InverseKinematics.solve``.

        Raises
        ------
        RequestError
            When one of them cannot be used, or a step is to be bounded and there is no seed.
        """
        step = self.max_joint_step
        if not step >= 0.0:
            raise RequestError(ErrorCode.FAILURE, f"max_joint_step: got {step}, expected 0 (default) or more, or inf")
        if not seeded and math.isfinite(step) and step > 0.0:
            words = f"max_joint_step: got {step} without a seed, expected the configuration that it counts from"
            raise RequestError(ErrorCode.INVALID_ROBOT_STATE, words)
        arguments = {
            "task": self._task(default_task),
            "approximate": bool(self.approximate),
            "max_joint_step": step if seeded and step > 0.0 else None,
            "nearest": bool(self.prefer_nearest) and seeded,
        }
        return {name: value for name, value in arguments.items() if value}

    def _task(self, default: str) -> PoseTask | str | None:
        tolerances = [*self.position_tolerances, *self.orientation_tolerances]
        if not any(tolerances):
            return self.task or default or None
        PoseTask(self.position_tolerances, self.orientation_tolerances)  # Says which of them cannot be used.
        named = PoseTask.named(self.task or default or "full")
        wide = np.maximum(tolerances, named.tolerances).tolist()
        return PoseTask((wide[0], wide[1], wide[2]), (wide[3], wide[4], wide[5]), named.nearest)


class Question(NamedTuple):
    """What a request asks; no link: the tip, timeout [s] 0: the default."""

    target: Target
    seed: Seed
    link: str = ""
    timeout: float = 0.0
    avoid_collisions: bool = False
    options: Options = Options()


class Answerer:
    """Answers requests with an estimator and remembers the last solution.

    Times are measured with the steady clock: neither simulated time nor a clock that is set shortens or lengthens one.

    Parameters
    ----------
    estimator : InverseKinematics
    default_timeout : float
        Seconds for a request that names none; a path gets them for each pose.
    longest_timeout : float
        No request is searched for longer [s], however long it allows; a path may take the default for each pose, where
        that is longer.
    longest_path : int
        A path of more poses is refused.
    frames : TargetFrames, optional
        Links and frames that a request may name; default: those of the robot's chain.
    is_free : callable, optional
        Whether the arm does not touch itself at a configuration (J,); without it nothing is known of that.
    task : str
        Name of the task of a request that names none; empty: what the arm can.
    """

    def __init__(
        self,
        estimator: InverseKinematics,
        default_timeout: float,
        longest_timeout: float = LONGEST_TIMEOUT,
        longest_path: int = LONGEST_PATH,
        frames: TargetFrames | None = None,
        is_free: Callable[[Array], bool] | None = None,
        task: str = "",
    ):
        self.estimator = estimator
        self.default_timeout = default_timeout
        self.longest_timeout = max(longest_timeout, default_timeout)
        self.longest_path = longest_path
        self.last: Array | None = None
        self._frames = TargetFrames(estimator.robot) if frames is None else frames
        self._is_free = is_free
        self._task = task
        self._limits = list(zip(estimator.robot.lower.tolist(), estimator.robot.upper.tolist(), strict=True))

    def reset(self) -> None:
        """Forget the last solution."""
        self.last = None

    def aside(self) -> Answerer:
        """Return an answerer for another thread: the same estimator, and this one's last solution as it is now."""
        other = Answerer(
            self.estimator,
            self.default_timeout,
            self.longest_timeout,
            self.longest_path,
            self._frames,
            self._is_free,
            self._task,
        )
        other.last = self.last
        return other

    def answer(
        self,
        target: Target,
        seed: Seed,
        link: str = "",
        timeout: float = 0.0,
        avoid_collisions: bool = False,
        options: Options = Options(),
        *,
        waited: float = 0.0,
        at_most: float = math.inf,
    ) -> Answer:
        """Answer one request; never raises for what the caller sent.

        Parameters
        ----------
        target : Target
        seed : Seed
            Empty: the last solution, else the nearest training samples.
        link : str
            Link that is to reach the target; empty: the tip link.
        timeout : float
            Seconds; 0: the default.
        avoid_collisions : bool
            Give no answer in which the arm touches itself, where that can be known.
        options : Options
        waited : float
            How long the request has waited for its turn [s]: that comes off its time.
        at_most : float
            Longest search now [s]. Where the request allows more, and more may help, the answer is ``unfinished``.
        """
        refused = 0
        try:
            self._frames.check_link(link)
            limit = self._timeout(timeout)
            limit = max(limit - waited, min(limit, LEAST_SEARCH))
            start = self._seed(seed)
            pose = self._frames.pose_of(target, link, FRAME_PATIENCE if math.isinf(at_most) else 0.0)
            begin = time.monotonic()
            start, longest = self.last if start is None else start, min(limit, at_most)
            arguments = options.arguments(self._task, start is not None)
            self._check_task(link, arguments)
            if avoid_collisions and self._is_free is not None:
                result, refused = solve_free(self.estimator, pose, start, longest, self._is_free, arguments)
            else:
                result = self.estimator.solve(pose, start, longest, **arguments)
        except NotYetKnown as error:
            return Answer(error.code, shorten(str(error)), unfinished=math.isfinite(at_most))
        except CrispIKError as error:
            return Answer(code_of(error), shorten(str(error)))
        if not result.success:
            unfinished = limit > at_most and time.monotonic() - begin >= at_most
            answer = touching(result, refused) if refused else answer_of(result)
            if options.approximate and not refused:
                answer = answer._replace(nearest=result.configuration)
            return answer._replace(unfinished=unfinished)
        if not self._is_inside(result.configuration):
            return Answer(ErrorCode.FAILURE, refusal_of(result.configuration))
        self.last = result.configuration
        words = remaining(self.estimator, result)
        expected = expectation(self.estimator, result.configuration)
        words = f"{words}; {expected}" if words and expected else words or expected
        if avoid_collisions and self._is_free is None:
            words = f"{words}; {UNCHECKED}" if words else UNCHECKED
        return answer_of(result, words)

    def answer_path(
        self,
        targets: Sequence[Target],
        seed: Seed,
        link: str = "",
        timeout: float = 0.0,
        options: Options = Options(),
    ) -> PathAnswer:
        """Answer a path, each pose started from the solution before it; ``timeout`` is for the whole of it.

        The poses behind one that fails are tried as well, from the last that was solved. So that there is time for
        them, none takes longer than the default, or than its share of a timeout that is longer.
        """
        steps = self.path_steps(targets, seed, link, timeout, options=options)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value

    def path_steps(
        self,
        targets: Sequence[Target],
        seed: Seed,
        link: str = "",
        timeout: float = 0.0,
        waited: float = 0.0,
        options: Options = Options(),
    ) -> Generator[None, None, PathAnswer]:
        """Answer a path as ``answer_path`` does, some poses at a time; return the answer.

        ``waited`` comes off its time [s].
        """
        robot = self.estimator.robot
        try:
            self.check_length(len(targets))
            self._frames.check_link(link)
            limit = self._timeout(timeout, len(targets))
            start = self._seed(seed)
            start = self.last if start is None else start
            # What the first pose has no seed for, the others have.
            arguments = [options.arguments(self._task, seeded) for seeded in (start is not None, True)]
            as_task(arguments[0].get("task"))
            self._check_task(link, arguments[0])
        except CrispIKError as error:
            count = len(targets) if len(targets) <= self.longest_path else 0
            return PathAnswer.blank(count, robot.dof, code_of(error), shorten(str(error)))
        deadline = time.monotonic() + max(limit - waited, min(limit, LEAST_SEARCH))
        longest = max(self.default_timeout, limit / len(targets))
        poses, faults = self._frames.poses_of(targets, link, FRAME_PATIENCE)
        path = PathAnswer.blank(len(targets), robot.dof, ErrorCode.TIMED_OUT)
        path = replace(path, approximate=bool(options.approximate))
        words: dict[int, str] = {}
        for index, fault in faults.items():
            path.codes[index], words[index] = code_of(fault), str(fault)
        rows = np.array([row for row in range(len(targets)) if row not in faults], dtype=int)
        before = None
        while len(rows) and (remaining := deadline - time.monotonic()) > 0.0:
            # As many at once as are sure to be over in time, where none takes longer than it may.
            # Behind a pose that was not reached the branch goes on: one at a time, and each near the seed or lost.
            goes_on = before is not None and start is not None and self._are_near(before, poses[rows[0]])
            most = 1 if goes_on else POSES_AT_ONCE
            part, rows = np.split(rows, [min(max(1, int(remaining / longest)), most)])
            chosen = arguments[start is not None]
            start = self._solve_part(path, part, poses[part], start, min(longest, remaining), words, goes_on, chosen)
            reached = path.codes[part[-1]] in (ErrorCode.SUCCESS, ErrorCode.FAILURE)
            before = None if reached else poses[part[-1]]
            yield
        return self._conclude(path, words)

    def _check_task(self, link: str, arguments: dict[str, Any]) -> None:
        """Refuse a task in the axes of another link than the tip: what is free there is not free at the tip.

        Raises
        ------
        RequestError
        """
        tip = self.estimator.robot.tip_link
        if link not in ("", tip) and arguments.get("task") not in (None, "full", "reachable"):
            words = (
                f"task or tolerances for {link!r}: expected the full pose, or the tip link {tip!r}, whose axes count"
            )
            raise RequestError(ErrorCode.INVALID_LINK_NAME, words)

    def _are_near(self, first: Array, second: Array) -> bool:
        """Whether two poses (4, 4) are near each other, as the search has it."""
        (distance,), (angle,) = tool_errors(first[None], second[None])
        return bool(distance <= NEAR_DISTANCE * self.estimator.robot.reach and angle <= NEAR_ANGLE)

    def check_length(self, count: int) -> None:
        """Refuse a path of no poses, or of more than may be.

        Raises
        ------
        RequestError
        """
        if not 0 < count <= self.longest_path:
            expected = f"at least one and at most {self.longest_path} (parameter longest_path)"
            raise RequestError(ErrorCode.FAILURE, f"poses: got {count or 'none'}, expected {expected}")

    def _solve_part(
        self,
        path: PathAnswer,
        part: np.ndarray,
        poses: Array,
        start: Array | None,
        timeout: float,
        words: dict[int, str],
        goes_on: bool,
        arguments: dict[str, Any],
    ) -> Array | None:
        """Write the answers to some poses to these rows of ``path``; return where to start from next.

        ``goes_on``: the pose in front of them is near and was not reached.
        """
        if goes_on and "max_joint_step" not in arguments:
            arguments = {**arguments, "max_joint_step": SMALL_STEP}
        try:
            result = self.estimator.solve_path(poses, start, timeout, **arguments)
        except CrispIKError as error:
            path.codes[part] = code_of(error)
            words.update(dict.fromkeys(part.tolist(), str(error)))
            return start
        path.codes[part] = [CODES[status] for status in result.status]
        if goes_on and result.status[0] is Status.STEP_TOO_LARGE:
            path.codes[part] = ErrorCode.CONTINUATION_LOST
        path.configurations[part] = result.configurations
        path.position_errors[part] = result.position_errors
        path.orientation_errors[part] = result.orientation_errors
        path.supports[part] = result.supports
        for index in np.flatnonzero(~result.success)[:1].tolist():
            words[int(part[index])] = reason(
                result.status[index], result.position_errors[index], result.orientation_errors[index]
            )
        sound = self.estimator.robot.within_limits(result.configurations)
        for index in np.flatnonzero(result.success & ~sound).tolist():
            path.codes[part[index]] = ErrorCode.FAILURE
            words[int(part[index])] = refusal_of(result.configurations[index])
        solved = np.flatnonzero(result.success & sound)
        if path.approximate:
            start = result.configurations[-1].copy()
        elif len(solved):
            start = result.configurations[solved[-1]].copy()
        if len(solved):
            self.last = result.configurations[solved[-1]].copy()
        return start

    def _conclude(self, path: PathAnswer, words: dict[int, str]) -> PathAnswer:
        """Give a path the code and the message of its first failure."""
        first = path.solved
        if first == len(path.codes):
            return replace(path, code=ErrorCode.SUCCESS)
        words_of_first = words.get(first, "the time for the whole path was up before this pose")
        return replace(
            path, code=ErrorCode(int(path.codes[first])), message=shorten(f"poses[{first}]: {words_of_first}")
        )

    def _is_inside(self, configuration: Array) -> bool:
        """Whether a solution may leave: NaN is inside of nothing."""
        return all(
            low <= value <= high for value, (low, high) in zip(configuration.tolist(), self._limits, strict=True)
        )

    def _timeout(self, timeout: float, poses: int = 1) -> float:
        if not math.isfinite(timeout) or timeout < 0.0:
            raise RequestError(ErrorCode.FAILURE, f"timeout: got {timeout} s, expected a positive time, or 0: default")
        default = poses * self.default_timeout
        return min(timeout or default, max(self.longest_timeout, default))

    def _seed(self, seed: Seed) -> Array | None:
        if len(seed.names) == 0 and len(seed.positions) == 0:
            return None
        try:
            return check_seed(self.estimator, seed)
        except CrispIKError as error:
            raise RequestError(ErrorCode.INVALID_ROBOT_STATE, str(error)) from error


def check_seed(estimator: InverseKinematics, seed: Seed) -> Array:
    """Configuration (J,) of a seed whose joints may be in any order and may have others, such as fingers, among them.

    Raises
    ------
    InvalidInputError
        When it has the wrong length, lacks a joint or names one twice, or a value is not finite or outside the limits.
    """
    robot = estimator.robot
    positions = np.asarray(seed.positions, dtype=float)
    # Most come as the robot has them.
    if len(seed.names) and (len(positions) != robot.dof or tuple(seed.names) != robot.joint_names):
        if len(positions) != len(seed.names):
            raise InvalidInputError(
                "seed", f"{len(positions)} positions for {len(seed.names)} names", "as many of each"
            )
        positions = positions[indices_of(seed.names, robot.joint_names, "seed")]
    return estimator.check_seed(positions, SEED_SLACK)


def expectation(estimator: InverseKinematics, configuration: Array) -> str:
    """How far the real tool may be from the target, in words, where a model can tell; else nothing."""
    predicted = getattr(estimator, "predicted_error", None)
    if predicted is None:
        return ""
    return f"within {1e3 * float(predicted(configuration)):.2g} mm (95 %) of the target, as far as the model knows"


def remaining(estimator: InverseKinematics, result: IKResult) -> str:
    """Errors that an arm cannot avoid, in words; nothing where there are none."""
    distance, angle = result.position_error, result.orientation_error
    if distance <= estimator.position_tolerance and angle <= estimator.orientation_tolerance:
        return ""
    return (
        f"this arm cannot move its tool in every direction: as near as it gets, {round(1e3 * distance, 4):.3g} mm and "
        f"{round(1e3 * angle, 4):.3g} mrad off"
    )


def refusal_of(configuration: Array) -> str:
    """Why a solution is not passed on, which no estimator should ever give."""
    return f"the solution found is not within the joint limits and is not passed on: {configuration.tolist()}"
