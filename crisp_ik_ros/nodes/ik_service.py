"""Node ``ik_service``: serves /compute_ik and /compute_ik_path with a trained model, or with the URDF alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from crisp_ik.srv import ComputeIK, ComputeIKPath
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.estimators.task import as_task
from crisp_ik_ros.nodes import frames, moveit
from crisp_ik_ros.nodes.answer import LONGEST_PATH, LONGEST_TIMEOUT, Answerer, Question
from crisp_ik_ros.nodes.compiling import compile_aside, is_compiled
from crisp_ik_ros.nodes.conversions import TrajectoryPoints, seconds, seed_from_message, target_from_message
from crisp_ik_ros.nodes.diagnostics import DiagnosticUpdater
from crisp_ik_ros.nodes.drift import DriftWatch
from crisp_ik_ros.nodes.health import Health, Level
from crisp_ik_ros.nodes.intake import ENDING, Call, Intake
from crisp_ik_ros.nodes.lifetime import ManagedNode, run_node
from crisp_ik_ros.nodes.outcomes import Answer, PathAnswer
from crisp_ik_ros.nodes.parameters import declare, declare_robot
from crisp_ik_ros.nodes.replies import (
    options_from_message,
    question_from_message,
    refusal,
    refusal_of_path,
    refusal_of_trigger,
    reply_of,
    reply_of_path,
)
from crisp_ik_ros.nodes.serving import Served, read_model, warm_up, warnings_of
from crisp_ik_ros.nodes.statistics import ServiceStatistics, Throttle
from crisp_ik_ros.nodes.target_frames import TargetFrames
from crisp_ik_ros.nodes.targets import ErrorCode, code_of
from crisp_ik_ros.nodes.twins import Twins
from crisp_ik_ros.nodes.worker import Steps, Worker
from crisp_ik_ros.robots.robot_model import RobotModel

# A search that takes longer goes on in the other thread, and the next request has its turn [s].
PROMPT = 0.01
# Longest wait for the other thread, where the node is to end [s].
PATIENCE = 0.5


class IKService(ManagedNode):
    """Answers requests for joint angles.

    Requests are answered in the order they come, in this thread, which no more than ``PROMPT`` is spent on at a time.
    Paths, searches that take longer, and models that are read have another thread: what is solved there starts from the
    last solution as it was when its turn came, and is the last solution once it is sent.
    """

    def __init__(self) -> None:
        super().__init__("ik_service")
        declare(
            self,
            "model",
            "",
            "Path of a trained model (.npz). Empty: the Panda model that ships with the package. 'nominal': no model, "
            "the URDF is taken at its word. Read again by ~/reload.",
            read_only=False,
        )
        self._robot = declare_robot(self)
        self._timeout = declare(
            self, "default_timeout", 0.05, "Longest search for a request that names no timeout [s].", 1e-4, 60.0
        )
        self._longest_timeout = declare(
            self, "longest_timeout", LONGEST_TIMEOUT, "Longest search for any request [s].", 1e-4, 600.0
        )
        self._longest_path = declare(
            self, "longest_path", LONGEST_PATH, "Poses of a path; one of more is refused.", 1, 10_000_000
        )
        self._payload = declare(
            self,
            "payload",
            -1.0,
            "Mass that the tip carries [kg], for a LearnedKinematics model; may change while the node runs. -1: the "
            "model's own.",
            -1.0,
            1000.0,
            read_only=False,
        )
        self._task = declare(
            self,
            "task",
            "",
            "Directions of a pose that count where a request names no task: full, position, free_x, free_y, free_z or "
            "reachable. Empty: what the arm can.",
        )
        as_task(self._task or None)
        self._null_space_step = declare(
            self,
            "null_space_step",
            0.1,
            "Largest motion of a joint in the null space in one request with a seed [rad or m].",
            0.0,
            10.0,
        )
        period = declare(self, "diagnostics_period", 1.0, "Time between messages on /diagnostics [s].", 0.1, 60.0)
        queue = declare(self, "queue", 1000, "Requests of each service that wait; one more is told 'busy'.", 1, 100_000)
        self._group = declare(
            self, "moveit_group", "", "The only planning group that /solve_ik answers for. Empty: any."
        )
        begin = time.monotonic()
        # As the file has it: without the parameter's payload.
        self._read = self._load(self._name_of_model())
        served = self._read.carrying(self._payload)
        self._transforms = frames.TransformFrames(self) if frames.available() else None
        self._drift = DriftWatch(self, served.estimator)
        self._statistics = ServiceStatistics()
        self._points = TrajectoryPoints()
        self._reported = time.monotonic()
        self._complain = Throttle(self.get_logger().warning)
        self._diagnostics = DiagnosticUpdater(self, "", period)
        self._serve(served)
        self._twins = Twins(self, "compute_ik")
        self._diagnostics.add("inverse kinematics", self._health)
        self._diagnostics.add("drift", self._drift.health)
        self._worker = Worker(queue)
        self._aside: set[Call] = set()
        # Nothing is offered before it can be answered.
        self._intakes = [
            Intake(self, ComputeIK, "compute_ik", self._compute_ik, refusal, queue),
            Intake(self, ComputeIKPath, "compute_ik_path", self._compute_ik_path, refusal_of_path, queue),
            Intake(self, Trigger, "~/reload", self._reload, refusal_of_trigger, queue),
            Intake(self, Trigger, "~/reset", self._reset, refusal_of_trigger, queue),
        ]
        self.add_on_set_parameters_callback(self._set_parameters)
        offered = "/compute_ik, /compute_ik_path"
        if moveit.available():
            kind = moveit.GetPositionIK
            self._intakes.append(Intake(self, kind, "solve_ik", self._solve_ik, moveit.refusal, queue))
            offered += ", /solve_ik"
        self.get_logger().info(f"serving {offered} with {served} (ready after {time.monotonic() - begin:.1f} s)")

    def close(self) -> None:
        """Tell those who wait that there will be no answer."""
        self.abandoned = not self._worker.stop(PATIENCE)
        for call in self._aside:
            call.refuse(ENDING)
        for intake in self._intakes:
            intake.close()

    # -- the model -----------------------------------------------------------------------------------------------------

    def _name_of_model(self) -> str:
        return self.get_parameter("model").value

    def _load(self, name: str) -> Served:
        """Read a model and get it ready to answer at full speed.

        Raises
        ------
        CrispIKError
            When it cannot be used.
        """
        served = read_model(name, with_check=moveit.available(), **self._robot)
        if not is_compiled():
            self.get_logger().info("model read; compiling (about a minute on the very first start, then cached)")
            compile_aside()
        for warning in warnings_of(served.estimator):
            self.get_logger().warning(f"{name}: {warning}")
        if served.unchecked and moveit.available():
            self.get_logger().warning(f"avoid_collisions of /solve_ik is not heeded: {served.unchecked}")
        warm_up(served.estimator)
        return served

    def _serve(self, served: Served) -> None:
        """Answer with a model from now on."""
        self._served = served
        served.estimator.null_space_step = self._null_space_step
        robot = served.estimator.robot
        if self._transforms is not None:
            self._transforms.base = robot.base_link
        target_frames = TargetFrames(robot, served.bodies, self._transforms)
        is_free = None if served.check is None else served.check.free
        self._answerer = Answerer(
            served.estimator,
            self._timeout,
            self._longest_timeout,
            self._longest_path,
            target_frames,
            is_free,
            self._task,
        )
        self._diagnostics.hardware_id = served.estimator.robot.name

    def _reload(self, call: Call) -> None:
        name = self._name_of_model()

        def steps() -> Steps:
            try:
                served = self._load(name)
            except CrispIKError as error:
                return error
            self._drift.warm_up(served.estimator)
            return served
            yield

        def finish(found: Served | CrispIKError) -> Trigger.Response:
            if isinstance(found, CrispIKError):
                words = f"the model in use stays, {self._served}: {found}"
                self.get_logger().error(words)
                return refusal_of_trigger(words)
            try:
                served = found.carrying(self._payload)
            except CrispIKError as error:
                words = f"the model in use stays, {self._served}: {error}; or set the parameter payload to -1"
                self.get_logger().error(words)
                return refusal_of_trigger(words)
            self._read = found
            self._serve(served)
            self._drift.begin(served.estimator)
            words = f"serving {served}"
            self.get_logger().info(words)
            return Trigger.Response(success=True, message=words)

        self._leave(call, steps(), finish)

    def _set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Serve the model with another payload, or say why not."""
        for parameter in parameters:
            if parameter.name == "payload":
                try:
                    served = self._read.carrying(parameter.value)
                except CrispIKError as error:
                    return SetParametersResult(successful=False, reason=str(error))
                # No request is to wait for what the compiled code is handed.
                estimator, last = served.estimator, self._answerer.last
                estimator.solve(estimator.robot.forward_kinematics(estimator.robot.rest), estimator.robot.rest)
                self._payload = parameter.value
                self._serve(served)
                self._answerer.last = last
                self._drift.begin(estimator)
                self.get_logger().info(f"serving {served}")
        return SetParametersResult(successful=True)

    def _reset(self, call: Call) -> Trigger.Response:
        self._answerer.reset()
        self._statistics.clear()
        return Trigger.Response(success=True, message="the last solution and the statistics are forgotten")

    # -- requests ------------------------------------------------------------------------------------------------------

    def _compute_ik(self, call: Call) -> ComputeIK.Response | None:
        return self._solve(call, question_from_message(call.request), reply_of)

    def _solve_ik(self, call: Call) -> Any:
        try:
            question = moveit.question_of(call.request.ik_request, self._group)
        except CrispIKError as error:
            answer = Answer(code_of(error), str(error))
            self._count(call, answer)
            return moveit.reply_of(answer, self._answerer.estimator.robot)
        return self._solve(call, question, partial(moveit.reply_of, others=question.seed))

    def _solve(self, call: Call, question: Question, reply: Callable[[Answer, RobotModel], Any]) -> Any:
        """Answer a question now, or begin to search for the answer in the other thread."""
        answerer = self._answerer
        answer = answerer.answer(*question, waited=call.waited, at_most=PROMPT)
        if answer.unfinished:
            other = answerer.aside()

            def steps() -> Steps:
                return other.answer(*question, waited=call.waited)
                yield

            def finish(answer: Answer) -> Any:
                self._count(call, answer)
                if answer.configuration is not None:
                    answerer.last = answer.configuration
                return reply(answer, answerer.estimator.robot)

            self._leave(call, steps(), finish)
            return None
        self._count(call, answer)
        return reply(answer, answerer.estimator.robot)

    def _compute_ik_path(self, call: Call) -> None:
        answerer, request = self._answerer, call.request
        other = answerer.aside()
        before = other.last

        def steps() -> Steps:
            short = len(request.poses) <= self._longest_path
            # What is too long need not be read to be refused.
            targets = [target_from_message(pose) for pose in request.poses] if short else request.poses
            seed, timeout = seed_from_message(request.seed), seconds(request.timeout)
            options = options_from_message(request)
            return (yield from other.path_steps(targets, seed, request.ik_link_name, timeout, call.waited, options))

        def finish(path: PathAnswer) -> ComputeIKPath.Response:
            self._statistics.add_path(call.waited, path.codes, path.supports)
            if path.code != ErrorCode.SUCCESS:
                self._complain(f"/compute_ik_path failed, {path.code.name}: {path.message}")
            if other.last is not before:
                answerer.last = other.last
            return reply_of_path(path, answerer.estimator.robot, self._points)

        self._leave(call, steps(), finish)

    def _count(self, call: Call, answer: Answer) -> None:
        self._statistics.add(call.waited, answer.code, answer.support)
        if answer.code != ErrorCode.SUCCESS:
            self._complain(f"a request failed, {answer.code.name}: {answer.message}")

    # -- the other thread ----------------------------------------------------------------------------------------------

    def _leave(self, call: Call, steps: Steps, finish: Callable[[Any], Any]) -> None:
        """Leave a call to the other thread; ``finish`` makes what it found a response, in this one."""

        def done(result: Any, error: BaseException | None) -> None:
            executor = self.executor
            # One that is shut down may refuse: whoever waits is told by ``close``.
            with suppress(Exception):
                if executor is not None:
                    executor.create_task(partial(self._return, call, finish, result, error))

        if self._worker.submit(steps, done):
            self._aside.add(call)
        else:
            call.turn_away(len(self._worker))

    def _return(self, call: Call, finish: Callable[[Any], Any], result: Any, error: BaseException | None) -> None:
        self._aside.discard(call)
        if error is not None:
            call.fail(error)
            return
        try:
            response = finish(result)
        except Exception as raised:
            call.fail(raised)
        else:
            call.reply(response)

    # -- what it has to say --------------------------------------------------------------------------------------------

    def _health(self) -> Health:
        now = time.monotonic()
        values: dict[str, object] = {**self._statistics.report(now - self._reported)}
        self._reported = now
        values["waiting"] = sum(map(len, self._intakes)) + len(self._worker)
        for name in ("busy", "faults", "undelivered"):
            values[name] = sum(getattr(intake, name) for intake in self._intakes)
        values["servers of this name"] = self._twins.count()
        values.update(self._served.facts())
        words = [f"{values['rate [1/s]']} requests/s, {values['failures']} of {values['requests']} failed"]
        troubles = {
            "most requests fail": self._statistics.failing,
            "another node serves /compute_ik too": self._twins.warning,
            "the model has warnings": warnings_of(self._served.estimator),
        }
        words += [text for text, troubled in troubles.items() if troubled]
        return Health(Level.WARN if any(troubles.values()) else Level.OK, "; ".join(words), values)


def main(args: list[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node(IKService, "ik_service", args)


if __name__ == "__main__":
    sys.exit(main())
