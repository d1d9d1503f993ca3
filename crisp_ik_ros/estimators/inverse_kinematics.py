"""What every inverse-kinematics estimator does with a request: checks, time, threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.estimators.batch import cores, search_on_threads
from crisp_ik_ros.estimators.branches import solve_branches
from crisp_ik_ros.estimators.decoding import Decoder, Problem
from crisp_ik_ros.estimators.descent import Wish
from crisp_ik_ros.estimators.knowledge import KeptKnowledge, Knowledge, keep
from crisp_ik_ros.estimators.prediction import Learned, expect, nothing_learned
from crisp_ik_ros.estimators.reference_search import one_by_one, search_by_lbfgsb
from crisp_ik_ros.estimators.requests import ANY_STEP, SEED_SLACK, Wanted, check_poses, check_seeds, check_step
from crisp_ik_ros.estimators.starts import make_table
from crisp_ik_ros.estimators.task import (
    Axes,
    PoseTask,
    as_task,
    default_task,
    make_axes,
    make_task,
    remaining_errors,
)
from crisp_ik_ros.estimators.velocity import solve_twist
from crisp_ik_ros.losses.loss import RADIANS, Loss
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.result import SOURCES, Answers, IKResult, PathResult
from crisp_ik_ros.solvers.velocities import VelocityResult
from crisp_ik_ros.transforms import Array, check_pose

# Tasks of an estimator that are kept prepared.
MOST_TASKS = 64
# Two threads with the very first request get one preparation.
_MAKING = threading.Lock()


class InverseKinematics:
    """Base of the estimators that answer requests by decoding what they expect at a pose.

    A subclass provides ``robot``, the tolerances, ``timeout``, ``_loss`` and ``null_space_weight``, and may provide
    ``_learned``: what the data says. One that finds its answers in another way overrides ``_search``, and sets
    ``_compiled`` to False.

    Attributes
    ----------
    null_space_step : float
        Largest motion of a joint in the null space of the task when there is a seed [rad or m].
    """

    robot: RobotModel
    position_tolerance: float
    orientation_tolerance: float
    timeout: float
    random_state: int
    null_space_weight: float = 0.0
    null_space_step: float = 0.1
    solver: str = "levenberg_marquardt"
    _axes: Mapping[PoseTask | str | None, tuple[Axes, tuple[float, float]]] = MappingProxyType({})
    _gathered: tuple[Knowledge, KeptKnowledge] | None = None

    def solve(
        self,
        pose: ArrayLike,
        seed: ArrayLike | None = None,
        timeout: float | None = None,
        *,
        task: PoseTask | str | None = None,
        approximate: bool = False,
        max_joint_step: ArrayLike | None = None,
        nearest: bool = False,
    ) -> IKResult:
        """Find a configuration that puts the tool on ``pose``.

        Starts, in this order, until one is within the tolerances or the time is up: the seed, the configurations of the
        nearest samples, those of a table of the model's poses, configurations drawn at random (always the same ones:
        the answer is a function of the request).

        A seed whose tool is near the target (within 0.15 of the arm's reach and 0.5 rad) is continued: the answer is of
        the seed's own branch, and where that does not reach the pose, the status is CONTINUATION_LOST and the
        configuration the seed's. In the null space of the task, joints move by at most ``null_space_step`` towards the
        posture that the estimator prefers, and not at all near a singularity. Without a seed they go all the way.

        Parameters
        ----------
        pose : (4, 4)
            Target of the tip link, base frame [m].
        seed : (J,), optional
            Configuration to start from, within the limits.
        timeout : float, optional
            Seconds; default: the estimator's.
        task : PoseTask or str, optional
            Directions of the pose that count: "full", "position", "free_x", "free_y" or "free_z" (any rotation about
            that axis of the tool), "reachable" (position first, orientation as near as the arm gets), or tolerances for
            each axis. Default: the full pose, and "reachable" for an arm that has fewer than six directions.
        approximate : bool
            Where nothing reaches the pose, or not in the time, return the nearest configuration that was found, with
            its errors and without success; near a seed, one of a small step from it.
        max_joint_step : float or (J,), optional
            Farthest that a joint may move from the seed [rad or m]. Where only others reach the pose, the status is
            STEP_TOO_LARGE and the configuration the seed's. Infinite: any branch may answer, at any distance.
        nearest : bool
            Look for the solution nearest the seed (in the sum of squares) and not for the first; that takes longer.

        Returns
        -------
        IKResult
            Always within the joint limits; an answer only where ``success`` is true.

        Raises
        ------
        InvalidInputError
            When the pose, the seed, the task, the timeout or the step cannot be used.
        """
        pose = np.array(pose, dtype=float, order="C")
        if pose.shape != (4, 4):
            raise InvalidInputError("pose", f"shape {pose.shape}", "(4, 4); solve_path and solve_many take many")
        start = None if seed is None else np.array(seed, dtype=float, order="C")
        if start is not None and start.shape != (self.robot.dof,):
            start = self.check_seed(start)
        seeds = None if start is None else start[None]
        answers = self._answers(pose[None], seeds, False, Wanted(timeout, task, approximate, max_joint_step, nearest))
        if answers is None:
            # The search has looked at them already, and says no more than that.
            check_pose(pose)
            self.check_seed(self.robot.rest if seed is None else seed)
            raise AssertionError("the search refused what can be used")
        return answers.first()

    def solve_path(
        self,
        poses: ArrayLike,
        seed: ArrayLike | None = None,
        timeout: float | None = None,
        *,
        task: PoseTask | str | None = None,
        approximate: bool = False,
        max_joint_step: ArrayLike | None = None,
        nearest: bool = False,
    ) -> PathResult:
        """Solve poses (n, 4, 4) in turn, each started from the last solution (the paper's section 4.1).

        Parameters
        ----------
        poses : (n, 4, 4)
            Targets of the tip link, base frame [m].
        seed : (J,), optional
            Start of the first.
        timeout : float, optional
            Seconds for each pose; default: the estimator's.
        task, approximate, max_joint_step, nearest
            As for ``solve``; the last two from the last solution, and they need a seed.

        Returns
        -------
        PathResult
            A pose that was not solved holds its predecessor's configuration (the first the seed, or the rest pose), or
            the nearest that was found if ``approximate``, and ``success`` false. Between targets near each other the
            joints never jump to another branch: CONTINUATION_LOST, until the branch reaches the targets again.

        Raises
        ------
        InvalidInputError
            When the poses, the seed, the task, the timeout or the step cannot be used.
        """
        seeds = None if seed is None else self.check_seed(seed)[None]
        wanted = Wanted(timeout, task, approximate, max_joint_step, nearest)
        return self._checked_answers(poses, seeds, True, wanted).together()

    def solve_many(
        self,
        poses: ArrayLike,
        seeds: ArrayLike | None = None,
        timeout: float | None = None,
        *,
        task: PoseTask | str | None = None,
        approximate: bool = False,
        max_joint_step: ArrayLike | None = None,
        nearest: bool = False,
        threads: int | None = None,
    ) -> PathResult:
        """Solve poses (n, 4, 4), each for itself as ``solve`` does, on all cores.

        Parameters
        ----------
        poses : (n, 4, 4)
            Targets of the tip link, base frame [m].
        seeds : (n, J) or (J,), optional
            Start of each, or of all.
        timeout : float, optional
            Seconds for each pose; default: the estimator's.
        task, approximate, max_joint_step, nearest
            As for ``solve``.
        threads : int, optional
            Default: one for each core this process may use.

        Returns
        -------
        PathResult
            In the order of the poses; an answer only where ``success`` is true.

        Raises
        ------
        InvalidInputError
            When a pose, naming its row, a seed, the task, the timeout or the step cannot be used.
        """
        poses = check_poses(poses)
        if seeds is not None:
            seeds = np.asarray(seeds, dtype=float)
            seeds = np.broadcast_to(seeds, (len(poses), self.robot.dof)) if seeds.ndim == 1 else seeds
            seeds = check_seeds(self.robot, seeds, "seeds", (len(poses), self.robot.dof))
        threads = cores() if threads is None else threads
        if not (isinstance(threads, (int, np.integer)) and threads >= 1):
            raise InvalidInputError("threads", repr(threads), "a whole number of at least 1, or None")
        wanted = Wanted(timeout, task, approximate, max_joint_step, nearest)
        return self._checked_answers(poses, seeds, False, wanted, int(threads)).together()

    def solve_all(
        self,
        pose: ArrayLike,
        seed: ArrayLike | None = None,
        limit: int | None = None,
        *,
        timeout: float = 1.0,
    ) -> PathResult:
        """Find all configurations that put the tool on ``pose``: one a posture, nearest the seed first.

        Descents start from the seed, the rest pose and configurations drawn at random, 1024 at least (256 where the arm
        moves in its null space), until each solution was found four times or the time is up. Full turns that the limits
        allow are solutions of their own: a UR10e has up to 256. Of a redundant arm, and at a singularity, a posture is
        a set of solutions that motions of the joints connect while the tool stays; its answer is the one nearest the
        seed that was found.

        Nothing proves that all were found: a solution that hardly any start leads to can be missed. Two isolated ones
        whose joints differ by less than 0.005 rad count as one. A set of a redundant arm can appear in parts, where a
        walk through the null space finds no way from one to the other within the limits; near a singularity, so can
        solutions that the tolerances do not tell apart.

        Measured against the analytical solver ssik 8.2 on 200 random poses of each arm: all that it lists were found on
        all poses of an IRB 120, KR 6 R900, xArm 6 and CRX-10iA, 199 of a UR10e and 198 of a Puma 560; the other three
        poses are within 1e-5 of a singularity. 50 to 80 ms (medians) on two cores, 0.1 to 0.2 s for a Panda.

        Parameters
        ----------
        pose : (4, 4)
            Target of the tip link, base frame [m].
        seed : (J,), optional
            Configuration that distances are taken from, within the limits; default: the rest pose.
        limit : int, optional
            Largest number of answers; default: all.
        timeout : float
            Longest search [s].

        Returns
        -------
        PathResult
            A row for each solution, all with ``success`` true, sorted by the distance from the seed; none where the
            pose was not reached.

        Raises
        ------
        InvalidInputError
            When the pose, the seed, the limit or the timeout cannot be used, and with solver "lbfgsb".
        """
        target = check_pose(pose)
        if target.shape != (4, 4):
            raise InvalidInputError("pose", f"shape {target.shape}", "(4, 4)")
        if limit is not None and not (isinstance(limit, (int, np.integer)) and limit >= 1):
            raise InvalidInputError("limit", repr(limit), "a whole number of at least 1, or None")
        if not 0.0 < timeout < np.inf:
            raise InvalidInputError("timeout", timeout, "a finite number of seconds above 0")
        if not self._compiled:
            raise InvalidInputError("solver", "no search from many starts", "levenberg_marquardt")
        start = self.check_seed(self.robot.rest if seed is None else seed)
        return solve_branches(self, target, start, limit, timeout)

    def solve_velocity(
        self,
        q: ArrayLike,
        twist: ArrayLike,
        *,
        dt: float | None = None,
        max_velocities: ArrayLike | None = None,
        keep_direction: bool = True,
        singularity_threshold: float = 0.02,
    ) -> VelocityResult:
        """Find joint velocities that give the tool a twist, within the limits of the joints.

        Through the Jacobian of the tool that the estimator believes in: of LearnedKinematics the learned one, exactly;
        of CRiSP with the residual loss the model's, corrected by the derivative of what it has learned, where data
        covers pose and configuration; of all others the model's.

        Near a singularity only the directions whose singular value is below the threshold are damped, so the velocities
        never exceed the twist over the threshold, and all other directions stay exact. Where a limit holds a joint
        back the others take over, as far as the arm is redundant; where they cannot, the tool keeps its direction and
        becomes slower, down to a halt, or goes where it comes nearest the twist (``keep_direction`` false).

        Parameters
        ----------
        q : (J,)
            Configuration, within the limits [rad or m].
        twist : (6,)
            Of the tip: linear, then angular velocity [m/s, rad/s], base frame, as the rows of ``robot.jacobian``.
        dt : float, optional
            Time for which the velocities are held [s]: in it no joint passes its position limit. Default: a joint at
            its limit does not move outwards.
        max_velocities : float or (J,), optional
            Largest velocity of each joint [rad/s or m/s]. Default: the robot's; where it has none there is no bound.
        keep_direction : bool
            What is given up where limits do not allow the twist: its speed, or else its direction.
        singularity_threshold : float
            Singular value of the Jacobian (rows in m and rad per unit of the joints) below which a direction is damped.

        Returns
        -------
        VelocityResult
            The velocities, the twist that they give, and what limits it. Of all velocities that do it, the shortest.

        Raises
        ------
        InvalidInputError
            When the configuration, the twist or an option cannot be used.
        """
        configuration = self.check_seed(q)
        return solve_twist(
            self.robot, self._tool_jacobian(configuration), configuration, twist, dt, max_velocities, keep_direction,
            singularity_threshold,
        )  # fmt: skip

    def errors(self, poses: ArrayLike, configurations: ArrayLike) -> tuple[Array, Array]:
        """How far, as the estimator believes, configurations (n, J) put the tool from poses (n, 4, 4).

        On measured pairs this is what the estimator gets wrong: for a model-based one, the error of its model.

        Returns
        -------
        distances (n,) [m], angles (n,) [rad]
            NaN where nothing is known of a pose.
        """
        poses = check_poses(poses)
        configurations = self.robot.check_configuration(configurations, "configurations")
        if configurations.shape != (len(poses), self.robot.dof):
            raise InvalidInputError("configurations", f"shape {configurations.shape}", "one for each pose (n, 4, 4)")
        errors = np.full((len(poses), 2), np.nan)
        decoder = Decoder(self._kinematics, self._loss)
        for row, (pose, configuration) in enumerate(zip(poses, configurations, strict=True)):
            problem = self._problem(pose)
            if problem is not None:
                errors[row] = decoder.errors(problem, configuration)
        return errors[:, 0], errors[:, 1]

    @property
    def _loss(self) -> Loss:
        raise NotImplementedError

    @property
    def _kinematics(self) -> RobotModel:
        """The robot that is believed."""
        return self.robot

    def _tool_jacobian(self, configuration: Array) -> Array:
        """Jacobian (6, J) of the tool that is believed in, at a configuration (J,)."""
        return self._kinematics.jacobian(configuration)

    def _learned(self) -> Learned:
        """What the data says, for compiled code."""
        return nothing_learned(self.robot.dof)

    def _problem(self, pose: Array) -> Problem | None:
        """Return the problem for a pose; None where nothing is known of it."""
        task, learned, _ = self._prepared()[0]
        target, posture = np.empty(self._loss.dimension(self.robot.dof)), np.empty(self.robot.dof)
        known, weight, support, source = expect(task, learned, self.null_space_weight, 1.0, pose, target, posture)
        return Problem(pose, target, posture, weight, support, SOURCES[source]) if known else None

    @property
    def _compiled(self) -> bool:
        """Whether the compiled search answers, and not ``_search``."""
        return self.solver == "levenberg_marquardt"

    def _search(self, pose: Array, seed: Array | None, deadline: float) -> IKResult:
        """Answer one request by other means than the compiled search."""
        return search_by_lbfgsb(
            self._prepared()[0], self._wish(self.timeout), self._problem(pose), self.robot, self._loss,
            self._starts(pose, seed), deadline,
        )  # fmt: skip

    def _answers(
        self, poses: Array, seeds: Array | None, chained: bool, wanted: Wanted, threads: int = 1
    ) -> Answers | None:
        """Answer poses (n, 4, 4) from seeds (n, J), (1, J) or none; None where one of them cannot be used."""
        timeout = self.timeout if wanted.timeout is None else wanted.timeout
        if not 0.0 < timeout < np.inf:
            raise InvalidInputError("timeout", timeout, "a finite number of seconds above 0")
        if (wanted.nearest or wanted.max_joint_step is not None) and seeds is None:
            raise InvalidInputError("seed", None, "the configuration that an answer is to be near")
        if not self._compiled:
            if wanted._replace(timeout=None) != Wanted():
                raise InvalidInputError("solver", "nothing but poses, seeds and a timeout", "levenberg_marquardt")
            starts = None if seeds is None else check_seeds(self.robot, seeds, "seed", seeds.shape)
            return one_by_one(self._search, check_pose(poses), starts, chained, timeout, self.robot.rest)
        starts = np.empty((0, self.robot.dof)) if seeds is None else seeds
        return search_on_threads(self._prepared()[1], self._wish(timeout, wanted), poses, starts, chained, threads)

    def _checked_answers(
        self, poses: ArrayLike, seeds: Array | None, chained: bool, wanted: Wanted, threads: int = 1
    ) -> Answers:
        """Answer poses (n, 4, 4) from seeds that are checked."""
        answers = self._answers(check_poses(poses), seeds, chained, wanted, threads)
        assert answers is not None
        return answers

    def _wish(self, timeout: float, wanted: Wanted = Wanted()) -> Wish:
        axes, remaining = self._prepared_task(wanted.task)
        position, orientation = self._tolerances()
        step = ANY_STEP if wanted.max_joint_step is None else check_step(self.robot, wanted.max_joint_step)
        return Wish(
            float(position),
            float(orientation),
            float(self.null_space_weight),
            float(timeout),
            self.random_state & 0x7FFFFFFFFFFFFFFF,
            bool(wanted.nearest),
            step,
            wanted.max_joint_step is None,
            float(self.null_space_step),
            bool(wanted.approximate),
            axes,
            max(float(position), remaining[0]) if remaining[1] > 0.0 else 0.0,
            remaining[1],
        )

    def _prepared_task(self, task: PoseTask | str | None) -> tuple[Axes, tuple[float, float]]:
        """Return the directions of a task for compiled code, and the errors that it may leave [m, rad]."""
        task = task if task is None or isinstance(task, str) else as_task(task)
        prepared = self._axes.get(task)
        if prepared is None:
            if self._loss.code == RADIANS and task is not None and not as_task(task).is_full:
                raise InvalidInputError("task", repr(task), 'the full pose: the loss "radians" knows no other')
            known = default_task(self.robot) if task is None and self._loss.code != RADIANS else as_task(task)
            prepared = make_axes(known, self.robot), remaining_errors(known, self.robot)
            # Requests may have tolerances without number: those of long ago are prepared again.
            kept = self._axes if len(self._axes) < MOST_TASKS else {}
            self._axes = {**kept, task: prepared}
        return prepared

    def _prepared(self) -> tuple[Knowledge, KeptKnowledge]:
        """Return what compiled code needs to know, and that in its hands, gathered at the first request."""
        if self._gathered is None:
            with _MAKING:
                if self._gathered is None:
                    robot = self._kinematics
                    table = make_table(robot, self.random_state)
                    knowledge = Knowledge(make_task(robot, self._loss), self._learned(), table)
                    self._gathered = knowledge, keep(knowledge)
        return self._gathered

    def _forget_compiled(self) -> None:
        self._gathered, self._axes = None, {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_gathered": None}  # Copies and pickles cannot have what compiled code holds.

    def _tolerances(self) -> tuple[float, float]:
        """Largest position [m] and orientation [rad] error of an answer."""
        return self.position_tolerance, self.orientation_tolerance

    def _nearest(self, pose: Array) -> Array:
        """Configurations (k, J) to start from near a pose, best first, where the search is not compiled."""
        return self.robot.rest[None]

    def _starts(self, pose: Array, seed: Array | None) -> Iterator[Array]:
        if seed is not None:
            yield seed
        yield from self._nearest(pose)
        rng = np.random.default_rng(self.random_state)
        while True:
            yield self.robot.random_configurations(1, rng)[0]

    def check_seed(self, seed: ArrayLike, slack: float = SEED_SLACK) -> Array:
        """Seed (J,) within the limits; continuous joints are turned, and ``slack`` [rad or m] beyond a limit clipped.

        Raises
        ------
        InvalidInputError
            When the shape is wrong, a value is not finite, or farther outside the limits.
        """
        return check_seeds(self.robot, seed, "seed", (self.robot.dof,), slack)
