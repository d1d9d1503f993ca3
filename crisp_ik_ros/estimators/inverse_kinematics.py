"""What every inverse-kinematics estimator does with a request: starts, tolerances, time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.estimators.decoding import Decoder, Problem
from crisp_ik_ros.losses.loss import Loss
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.result import IKResult, PathResult, Status
from crisp_ik_ros.transforms import Array, check_pose

# Fewer starts than this within the timeout, and the answer is "timed out" rather than "no solution".
STARTS_FOR_A_VERDICT = 8
# Two threads with the very first request get one decoder.
_MAKING = threading.Lock()


class InverseKinematics:
    """Base of the estimators that answer requests by decoding a ``Problem``.

    A subclass provides ``robot``, the tolerances, ``timeout``, ``_loss`` and ``_problem``, and may provide
    ``_nearest``: configurations to start from where no seed is given.
    """

    robot: RobotModel
    position_tolerance: float
    orientation_tolerance: float
    timeout: float
    random_state: int
    solver: str = "levenberg_marquardt"
    _decoder: Decoder | None = None

    def solve(self, pose: ArrayLike, seed: ArrayLike | None = None, timeout: float | None = None) -> IKResult:
        """Find a configuration that puts the tool on ``pose``.

        Starts, in this order, until one is within the tolerances or the time is up: the seed, the configurations of the
        nearest samples, configurations drawn at random (always the same ones: the answer is a function of the request).

        Parameters
        ----------
        pose : (4, 4)
            Target of the tip link, base frame [m].
        seed : (J,), optional
            Configuration to start from, within the limits.
        timeout : float, optional
            Seconds; default: the estimator's.

        Returns
        -------
        IKResult
            Always within the joint limits; an answer only where ``success`` is true.

        Raises
        ------
        InvalidInputError
            When the pose, the seed or the timeout cannot be used.
        """
        pose = check_pose(pose)
        if pose.shape != (4, 4):
            raise InvalidInputError("pose", f"shape {pose.shape}", "(4, 4); solve_path takes many")
        timeout = self.timeout if timeout is None else timeout
        if not (np.isfinite(timeout) and timeout > 0.0):
            raise InvalidInputError("timeout", timeout, "a finite number of seconds above 0")
        return self._search(pose, None if seed is None else self.check_seed(seed), time.monotonic() + timeout)

    def solve_path(self, poses: ArrayLike, seed: ArrayLike | None = None) -> PathResult:
        """Solve poses (n, 4, 4) in turn, each started from the last solution (the paper's section 4.1).

        Parameters
        ----------
        poses : (n, 4, 4)
            Targets of the tip link, base frame [m].
        seed : (J,), optional
            Start of the first.

        Returns
        -------
        PathResult
            A pose that was not solved holds its predecessor's configuration (the first the seed, or the rest pose) and
            ``success`` false.

        Raises
        ------
        InvalidInputError
            When the poses or the seed cannot be used.
        """
        poses = check_pose(poses, "poses")
        if poses.ndim != 3:
            raise InvalidInputError("poses", f"shape {poses.shape}", "(n, 4, 4)")
        last = None if seed is None else self.check_seed(seed)
        results = []
        for pose in poses:
            result = self._search(pose, last, time.monotonic() + self.timeout)
            if result.success:
                last = result.configuration
            else:
                result = replace(result, configuration=(self.robot.rest if last is None else last).copy())
            results.append(result)
        return PathResult.from_results(results, self.robot.dof)

    def errors(self, poses: ArrayLike, configurations: ArrayLike) -> tuple[Array, Array]:
        """How far, as the estimator believes, configurations (n, J) put the tool from poses (n, 4, 4).

        On measured pairs this is what the estimator gets wrong: for a model-based one, the error of its model.

        Returns
        -------
        distances (n,) [m], angles (n,) [rad]
            NaN where nothing is known of a pose.
        """
        poses = check_pose(poses, "poses")
        configurations = self.robot.check_configuration(configurations, "configurations")
        if poses.ndim != 3 or configurations.shape != (len(poses), self.robot.dof):
            raise InvalidInputError("configurations", f"shape {configurations.shape}", "one for each pose (n, 4, 4)")
        errors = np.full((len(poses), 2), np.nan)
        decoder = self._prepared()
        with decoder.lock:
            for row, (pose, configuration) in enumerate(zip(poses, configurations, strict=True)):
                problem = self._problem(pose)
                if problem is not None:
                    errors[row] = decoder.errors(problem, configuration)
        return errors[:, 0], errors[:, 1]

    @property
    def _loss(self) -> Loss:
        raise NotImplementedError

    def _problem(self, pose: Array) -> Problem | None:
        """Return the problem for a pose; None where nothing is known of it."""
        raise NotImplementedError

    def _nearest(self, pose: Array) -> Array:
        """Configurations (k, J) to start from near a pose, best first."""
        return self.robot.rest[None]

    def _search(self, pose: Array, seed: Array | None, deadline: float) -> IKResult:
        with self._prepared().lock:
            return self._search_locked(pose, seed, deadline)

    def _search_locked(self, pose: Array, seed: Array | None, deadline: float) -> IKResult:
        problem = self._problem(pose)
        begin = self.robot.rest if seed is None else seed
        if problem is None:
            return IKResult(begin.copy(), False, Status.NO_SOLUTION, np.inf, np.inf, 0.0, 0, "nominal")
        decoder = self._prepared()
        if self._out_of_reach(problem):
            errors = decoder.errors(problem, begin)
            return IKResult(begin.copy(), False, Status.NO_SOLUTION, *errors, problem.support, 0, problem.source)
        decode = decoder.decode if self.solver == "levenberg_marquardt" else decoder.decode_lbfgsb
        tolerances = self._tolerances()
        best = (np.inf, begin.copy(), np.inf, np.inf)
        evaluations, starts = 0, 0
        for initial in self._starts(pose, seed):
            configuration, position_error, orientation_error, count = decode(problem, initial)
            evaluations += count
            starts += 1
            badness = max(position_error / tolerances[0], orientation_error / tolerances[1])
            if badness < best[0]:
                best = (badness, configuration, position_error, orientation_error)
            if badness <= 1.0 or not self._certifies or time.monotonic() >= deadline:
                break
        success = best[0] <= 1.0 or not self._certifies
        failure = Status.NO_SOLUTION if starts >= STARTS_FOR_A_VERDICT else Status.TIMED_OUT
        return IKResult(
            configuration=best[1],
            success=success,
            status=Status.SUCCESS if success else failure,
            position_error=best[2],
            orientation_error=best[3],
            support=self._support(problem, best[1]),
            iterations=evaluations,
            source=problem.source,
        )

    def _prepared(self) -> Decoder:
        """Return the decoder, made at the first request."""
        with _MAKING:
            if self._decoder is None:
                self._decoder = Decoder(self.robot, self._loss)
            return self._decoder

    def _forget_compiled(self) -> None:
        self._decoder = None

    def _support(self, problem: Problem, configuration: Array) -> float:
        """How well the data covers an answer: its pose and, where that is known, its configuration (J,)."""
        return problem.support

    def _tolerances(self) -> tuple[float, float]:
        """Largest position [m] and orientation [rad] error of an answer."""
        return self.position_tolerance, self.orientation_tolerance

    @property
    def _certifies(self) -> bool:
        """Whether the loss can tell if a pose is reached; comparing joint angles only, it cannot."""
        return self._loss.name != "radians"

    def _starts(self, pose: Array, seed: Array | None) -> Iterator[Array]:
        if seed is not None:
            yield seed
        yield from self._nearest(pose)
        rng = np.random.default_rng(self.random_state)
        while True:
            yield self.robot.random_configurations(1, rng)[0]

    def _out_of_reach(self, problem: Problem) -> bool:
        """Whether the model's tool cannot get to where it would have to be, wherever the joints are."""
        loss = self._loss
        if loss.position_weight == 0.0:
            return False
        position = problem.goal[:3, 3]
        if self._certifies:
            shift = problem.target[:3] / loss.position_weight
            position = position - shift if loss.name == "residual" else shift
        return bool(np.linalg.norm(position - self.robot.anchor) > self.robot.reach + self.position_tolerance)

    def check_seed(self, seed: ArrayLike, slack: float = 1e-6) -> Array:
        """Seed (J,) within the limits; continuous joints are turned, and ``slack`` [rad or m] beyond a limit clipped.

        Raises
        ------
        InvalidInputError
            When the shape is wrong, a value is not finite, or farther outside the limits.
        """
        seed = self.robot.wrapped(self.robot.check_configuration(seed, "seed"))
        if seed.shape != (self.robot.dof,):
            raise InvalidInputError("seed", f"shape {seed.shape}", f"({self.robot.dof},)")
        if not self.robot.within_limits(seed, slack):
            outside = np.flatnonzero((seed < self.robot.lower - slack) | (seed > self.robot.upper + slack))[0]
            limits = f"[{self.robot.lower[outside]:.4f}, {self.robot.upper[outside]:.4f}]"
            raise InvalidInputError(
                "seed",
                f"{self.robot.joint_names[outside]} at {seed[outside]:.4f}",
                f"a value within its limits {limits}",
            )
        return np.clip(seed, self.robot.lower, self.robot.upper)
