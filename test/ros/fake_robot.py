"""A service and an arm that do what a test wants, in a thread of the test's process."""

from __future__ import annotations

import threading
import time

import numpy as np
import rclpy
from commanded import Command, Controller
from crisp_ik.srv import ComputeIK
from rclpy.callback_groups import ReentrantCallbackGroup
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from crisp_ik_ros.nodes.conversions import pose_from_message, seconds, time_message

# Between joint states, and between steps of simulated time [s].
PERIOD = 0.01


def command_of(message: JointTrajectory, origin: float = 0.0) -> Command:
    """Times since ``origin`` [s]."""
    begin = message.header.stamp.sec - origin + 1e-9 * message.header.stamp.nanosec
    times = np.array([begin + seconds(point.time_from_start) for point in message.points])
    positions = np.array([point.positions for point in message.points])
    return Command(times, positions, np.array([point.velocities for point in message.points]))


def meant_for(command: Command, received: float) -> float:
    """Time at which a command is to take over, however late it comes to a busy machine."""
    # A single point is where the arm is to be in a moment, for a motion that begins then.
    return min(received, command.times[0]) if len(command.times) == 1 else command.times[0]


class Stream:
    """All commands of a follower, as they were meant: each takes over at its own first point."""

    def __init__(self, messages, received, origin: float):
        self.commands = [command_of(message, origin) for message in messages]
        self._received = received

    def over(self, begin: float | None = None, end: float | None = None):
        """Times since the origin, positions, velocities, accelerations."""
        first = self.commands[0]
        controller = Controller(first.positions[0])
        now = -np.inf
        for command, received in zip(self.commands, self._received, strict=True):
            now = max(now, meant_for(command, received))
            controller.receive(now, command)
        return controller.over(first.times[0] if begin is None else begin, self.rest() + 0.1 if end is None else end)

    def rest(self) -> float:
        """Time at which the last one ends."""
        return float(self.commands[-1].times[-1])

    def check(self, robot, acceleration: float = 15.0) -> float:
        """Every command is finite and ends at rest, and the whole stays below the limits; its largest acceleration."""
        for command in self.commands:
            assert np.isfinite(command.positions).all() and np.isfinite(command.velocities).all()
            assert np.all(command.velocities[-1] == 0.0) and robot.within_limits(command.positions, 1e-6).all()
        _, q, v, a = self.over()
        assert np.max(np.abs(a)) <= acceleration
        assert np.all(np.abs(v) <= robot.velocity)
        assert np.max(np.abs(np.diff(q, axis=0))) < 2e-3 * np.max(robot.velocity)
        return float(np.max(np.abs(a)))


class FakeRobot:
    """Answers /compute_ik from what is known of a path, and plays commands exactly.

    ``answer`` changes an answer (response, index of the target) in place, or returns False for none at all;
    ``measure`` changes a JointState in place, or returns False for none at all.
    """

    def __init__(self, robot, targets, solutions, start, simulated: bool = False):
        self.robot, self.targets, self.solutions = robot, np.asarray(targets), np.asarray(solutions)
        self.node = rclpy.create_node("fake_robot")
        self.origin = float(int(time.time()))
        self.time = self.origin if simulated else None  # simulated time
        self.rate = 1.0
        self._controller, self._latest = Controller(start), -np.inf
        self._lock = threading.Lock()
        self.messages: list[JointTrajectory] = []
        self._received: list[float] = []
        self.asked: list[int] = []
        self.answer = self.measure = lambda *_: True
        group = ReentrantCallbackGroup()
        self.service = self.node.create_service(ComputeIK, "compute_ik", self._serve, callback_group=group)
        self._states = self.node.create_publisher(JointState, "joint_states", 10)
        self._clock = self.node.create_publisher(Clock, "/clock", 10) if simulated else None
        self.node.create_subscription(
            JointTrajectory, "panda_arm_controller/joint_trajectory", self._command, 5000, callback_group=group
        )
        self.node.create_timer(PERIOD, self._publish, callback_group=group)
        self._executor = rclpy.executors.SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def now(self) -> float:
        """Seconds since the origin on the clock of the nodes."""
        return (time.time() if self.time is None else self.time) - self.origin

    def joints(self):
        with self._lock:
            return self._controller.at(self.now())[0]

    def place(self, joints) -> None:
        """Be elsewhere, at rest, as an arm that was started anew."""
        with self._lock:
            self._controller, self._latest = Controller(joints), -np.inf

    def stream(self, first: int = 0) -> Stream:
        with self._lock:
            return Stream(self.messages[first:], self._received[first:], self.origin)

    def close(self) -> None:
        self._ends.set()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()

    def _spin(self) -> None:
        while not self._ends.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def _serve(self, request, response):
        pose = pose_from_message(request.pose.pose)
        index = int(np.argmin(np.linalg.norm(self.targets[:, :3, 3] - pose[:3, 3], axis=1)))
        self.asked.append(index)
        response.error_code = ComputeIK.Response.SUCCESS
        response.solution.name = list(self.robot.joint_names)
        response.solution.position = self.solutions[index].tolist()
        response.support, response.source = 1.0, "nominal"
        self.answer(response, index)
        return response

    def _command(self, message: JointTrajectory) -> None:
        with self._lock:
            self.messages.append(message)
            command = command_of(message, self.origin)
            self._received.append(self.now())
            # As a controller does it, none of another time is played.
            if abs(command.times[0] - self.now()) < 2.0:
                self._latest = max(self._latest, meant_for(command, self.now()))
                self._controller.receive(self._latest, command)

    def _publish(self) -> None:
        if self._clock is not None:
            self.time += PERIOD * self.rate
            self._clock.publish(Clock(clock=time_message(self.time)))
        joints = self.joints()
        message = JointState(name=list(self.robot.joint_names), position=joints.tolist())
        message.header.stamp = time_message(self.origin + self.now())
        if self.measure(message) is not False:
            self._states.publish(message)
