"""Node ``ik_service``: serves /compute_ik and /compute_ik_path with a trained model, or with the URDF alone."""

from __future__ import annotations

import sys
import time
from array import array

from crisp_ik.srv import ComputeIK, ComputeIKPath
from rclpy.qos import QoSProfile
from std_srvs.srv import Trigger

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.nodes import moveit
from crisp_ik_ros.nodes.answer import Answerer
from crisp_ik_ros.nodes.compiling import compile_aside, is_compiled
from crisp_ik_ros.nodes.conversions import TrajectoryPoints, doubles, seconds, seed_from_message, target_from_message
from crisp_ik_ros.nodes.diagnostics import DiagnosticUpdater
from crisp_ik_ros.nodes.drift import DriftWatch
from crisp_ik_ros.nodes.health import Health
from crisp_ik_ros.nodes.lifetime import ManagedNode, run_node
from crisp_ik_ros.nodes.parameters import declare, declare_robot
from crisp_ik_ros.nodes.serving import describe, load_estimator, warm_up, warnings_of
from crisp_ik_ros.nodes.statistics import ServiceStatistics

QUEUE = "Requests, and answers, of each service that wait for their turn. Beyond, the oldest are dropped."


class IKService(ManagedNode):
    """Answers requests for joint angles."""

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
        period = declare(self, "diagnostics_period", 1.0, "Time between messages on /diagnostics [s].", 0.1, 60.0)
        # ROS keeps 10 by default: at 500 requests per second, any pause of 20 ms would lose some.
        queue = QoSProfile(depth=declare(self, "queue", 1000, QUEUE, 1, 100_000))
        begin = time.monotonic()
        self._answerer = self._load()
        self._drift = DriftWatch(self, self._answerer.estimator)
        self._statistics = ServiceStatistics()
        self._points = TrajectoryPoints()
        self._reported = time.monotonic()
        self._diagnostics = DiagnosticUpdater(self, self._answerer.estimator.robot.name, period)
        self._diagnostics.add("inverse kinematics", self._health)
        self._diagnostics.add("drift", self._drift.health)
        self.create_service(ComputeIK, "compute_ik", self._compute_ik, qos_profile=queue)
        self.create_service(ComputeIKPath, "compute_ik_path", self._compute_ik_path, qos_profile=queue)
        self.create_service(Trigger, "~/reload", self._reload)
        self.create_service(Trigger, "~/reset", self._reset)
        offered = "/compute_ik, /compute_ik_path"
        if moveit.available():
            moveit.serve(self, lambda: self._answerer, self._statistics, queue)
            offered += ", /solve_ik"
        self.get_logger().info(
            f"serving {offered} with {describe(self._answerer.estimator, self._name_of_model())} "
            f"(ready after {time.monotonic() - begin:.1f} s)"
        )

    def _name_of_model(self) -> str:
        return self.get_parameter("model").value

    def _load(self) -> Answerer:
        """Read the model named by the parameter and get it ready to answer at full speed.

        Raises
        ------
        CrispIKError
            When it cannot be used.
        """
        estimator: InverseKinematics = load_estimator(self._name_of_model(), **self._robot)
        if not is_compiled():
            self.get_logger().info("model read; compiling (half a minute on the very first start, then cached)")
            compile_aside()
        for warning in warnings_of(estimator):
            self.get_logger().warning(f"{self._name_of_model()}: {warning}")
        warm_up(estimator)
        return Answerer(estimator, self._timeout)

    def _compute_ik(self, request: ComputeIK.Request, response: ComputeIK.Response) -> ComputeIK.Response:
        begin = time.perf_counter()
        answerer = self._answerer
        answer = answerer.answer(
            target_from_message(request.pose),
            seed_from_message(request.seed),
            request.ik_link_name,
            seconds(request.timeout),
        )
        if answer.configuration is not None:
            robot, solution = answerer.estimator.robot, response.solution
            solution.header.frame_id = robot.base_link
            solution.name = robot.joint_names
            solution.position = doubles(answer.configuration)
        response.error_code = int(answer.code)
        response.message = answer.message
        response.position_error = answer.position_error
        response.orientation_error = answer.orientation_error
        response.support = answer.support
        response.source = answer.source
        self._statistics.add(time.perf_counter() - begin, answer.code, answer.support)
        return response

    def _compute_ik_path(
        self, request: ComputeIKPath.Request, response: ComputeIKPath.Response
    ) -> ComputeIKPath.Response:
        begin = time.perf_counter()
        answerer = self._answerer
        path = answerer.answer_path(
            [target_from_message(pose) for pose in request.poses],
            seed_from_message(request.seed),
            request.ik_link_name,
            seconds(request.timeout),
        )
        robot = answerer.estimator.robot
        response.trajectory.header.frame_id = robot.base_link
        response.trajectory.joint_names = list(robot.joint_names)
        response.trajectory.points = self._points.of(path.configurations[: path.solved])
        response.fraction = path.fraction
        response.error_code = int(path.code)
        response.message = path.message
        response.error_codes = array("i", path.codes.tolist())
        response.position_errors = doubles(path.position_errors)
        response.orientation_errors = doubles(path.orientation_errors)
        response.supports = doubles(path.supports)
        self._statistics.add_path(time.perf_counter() - begin, path.codes, path.supports)
        return response

    def _reload(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            answerer = self._load()
        except CrispIKError as error:
            response.message = f"the model in use stays: {error}"
            self.get_logger().error(response.message)
            return response
        self._answerer = answerer
        self._drift.begin(answerer.estimator)
        self._diagnostics.hardware_id = answerer.estimator.robot.name
        response.success = True
        response.message = f"serving {describe(answerer.estimator, self._name_of_model())}"
        self.get_logger().info(response.message)
        return response

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._answerer.reset()
        self._statistics.clear()
        response.success = True
        response.message = "the last solution and the statistics are forgotten"
        return response

    def _health(self) -> Health:
        now = time.monotonic()
        values = self._statistics.report(now - self._reported)
        self._reported = now
        values["model"] = describe(self._answerer.estimator, self._name_of_model())
        words = f"{values['rate [1/s]']} requests/s, {values['failures']} of {values['requests']} failed"
        return Health(message=words, values=values)


def main(args: list[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node(IKService, "ik_service", args)


if __name__ == "__main__":
    sys.exit(main())
