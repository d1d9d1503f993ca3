"""Node ``panda_sim``: a PyBullet arm in real time, which takes joint trajectories and tells where its tool truly is."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, replace
from functools import partial

from geometry_msgs.msg import PoseStamped
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from crisp_ik_ros.errors import CrispIKError, InvalidInputError
from crisp_ik_ros.nodes.conversions import joint_state_message, pose_stamped_message, seconds, time_message
from crisp_ik_ros.nodes.description import bias_of, description_of, other_joints, robot_file_of, robot_of, urdf_path
from crisp_ik_ros.nodes.diagnostics import DiagnosticUpdater
from crisp_ik_ros.nodes.health import Health, Level
from crisp_ik_ros.nodes.joint_order import indices_of
from crisp_ik_ros.nodes.lifetime import ManagedNode, run_node
from crisp_ik_ros.nodes.motion import Motion, plan_motion
from crisp_ik_ros.nodes.parameters import declare, declare_bias, declare_robot
from crisp_ik_ros.nodes.trajectory_server import TrajectoryServer, available, stopping
from crisp_ik_ros.nodes.watch import Timeline
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm

# Farther than this behind real time, the simulation lets the lost time go [s].
LARGEST_LAG = 1.0


@dataclass
class Counts:
    """What happened since the start, and since the last time that was told.

    Attributes
    ----------
    commands, refused : int
    reason : str
        Why the last was refused.
    lost : float
        Time that the simulation let go [s].
    messages : int
        Published since ``since``, a time of the steady clock [s].
    behind : float
        Farthest that it was behind real time since then [s].
    """

    commands: int = 0
    refused: int = 0
    reason: str = ""
    lost: float = 0.0
    messages: int = 0
    behind: float = 0.0
    refused_before: int = 0
    lost_before: float = 0.0
    since: float = field(default_factory=time.monotonic)

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.messages / max(time.monotonic() - self.since, 1e-9)

    def next(self) -> Counts:
        """Go on counting, once these were told."""
        return replace(
            self,
            messages=0,
            behind=0.0,
            refused_before=self.refused,
            lost_before=self.lost,
            since=time.monotonic(),
        )


class PandaSim(ManagedNode):
    """Simulated arm behind the interface of a ros2_control joint trajectory controller."""

    def __init__(self) -> None:
        super().__init__("panda_sim")
        place = declare_robot(self)
        self._robot = robot = robot_of(**place)
        offsets = bias_of(robot, **declare_bias(self))
        rate = declare(self, "rate", 120.0, "Messages per second on /joint_states and ~/tip_pose [Hz].", 100.0, 240.0)
        step_rate = declare(self, "step_rate", 240.0, "Simulation steps per second [Hz].", 100.0, 2000.0)
        gui = declare(self, "gui", False, "Whether PyBullet opens its window.")
        initial = declare(
            self, "initial_configuration", robot.rest.tolist(), "Joint positions at the start [rad or m], base to tip."
        )
        publish = declare(
            self,
            "publish_robot_description",
            True,
            "Whether to publish /robot_description (robot_state_publisher may).",
        )
        period = declare(self, "diagnostics_period", 1.0, "Time between messages on /diagnostics [s].", 0.1, 60.0)
        if not robot.within_limits(robot.check_configuration(initial, "initial_configuration")):
            raise InvalidInputError("initial_configuration", list(initial), "values within the joint limits")
        path = urdf_path(place["urdf"], place["robot"])
        description = description_of(path)
        self._others = other_joints(description, robot)
        self._arm = PyBulletArm(path, robot, *offsets, gui=gui, time_step=1.0 / step_rate)
        self._arm.reset(initial)
        self._motion = Motion.still(initial)
        # Simulated time is real time: steps are taken until the clock is caught up with. It begins with the first.
        self._time = 0.0
        self._counts = Counts()
        self._timeline = Timeline(bool(self.get_parameter("use_sim_time").value))

        reliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._joint_states = self.create_publisher(JointState, "joint_states", reliable)
        self._tip_pose = self.create_publisher(PoseStamped, "~/tip_pose", reliable)
        self._description = None
        if publish:
            latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._description = self.create_publisher(String, "robot_description", latched)
            self._description.publish(String(data=description))
        file = robot_file_of(place["urdf"], place["robot"])
        self.create_subscription(JointTrajectory, file.command_topic, self._command, reliable)
        # MoveIt's way: where control_msgs is installed.
        self._actions = None
        if available():
            self._actions = TrajectoryServer(self, file.command_action, robot.joint_names, self, self._refuse)
        # A steady clock drives it, so that a clock that is set back does not stop it.
        self.create_timer(1.0 / rate, self._advance, clock=Clock(clock_type=ClockType.STEADY_TIME))
        DiagnosticUpdater(self, robot.name, period).add("simulation", self._health)
        self.get_logger().info(
            f"simulating {robot.name} ({robot.dof} joints) at {step_rate:g} Hz; "
            + (
                "its kinematics are biased"
                if any(offset.any() for offset in offsets)
                else "its kinematics are the URDF's"
            )
        )

    def close(self) -> None:
        """Leave the simulator."""
        if self._actions is not None:
            self._actions.close()
        self._arm.close()

    def _now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9

    def _command(self, message: JointTrajectory) -> None:
        try:
            self.drive(self.check(message))
        except CrispIKError as error:
            self._refuse(str(error))
        else:
            if self._actions is not None:
                self._actions.preempt("a trajectory on the topic has taken its place")

    def _refuse(self, reason: str) -> None:
        self._counts.commands += 1
        self._counts.refused += 1
        self._counts.reason = reason
        self.get_logger().error(f"trajectory refused: {reason}", throttle_duration_sec=1.0)

    def check(self, message: JointTrajectory) -> Motion:
        """Motion that a trajectory asks for.

        Raises
        ------
        CrispIKError
            When it cannot be driven.
        """
        order = indices_of(message.joint_names, self._robot.joint_names, "joint_names", others_allowed=False)
        # Of the simulation: held up, it lags behind the clock, and a command is not late before it is late there.
        now = self._time or self._now()
        stamp = seconds(message.header.stamp)
        pick = partial(_pick, order=order)
        return plan_motion(
            self._robot,
            now,
            self._motion,
            stamp if stamp > 0.0 else now,
            [seconds(point.time_from_start) for point in message.points],
            [pick(point.positions) for point in message.points],
            [pick(point.velocities) for point in message.points],
        )

    def drive(self, motion: Motion) -> None:
        """Move like that from now on."""
        self._counts.commands += 1
        self._motion = motion

    def stop(self, duration: float) -> None:
        """Come to rest within so many seconds."""
        self._motion = stopping(self._time, self._motion, duration, self._robot.lower, self._robot.upper)

    def _advance(self) -> None:
        now = self._now()
        if now == 0.0:
            return  # simulated time has not begun
        _, jumped = self._timeline.advance(round(now * 1e9), time.monotonic())
        if self._time == 0.0:
            self._time = now
        elif jumped or now - self._time > LARGEST_LAG:
            shift = now - self._arm.time_step - self._time
            text = "the clock has jumped" if jumped else "behind real time"
            self.get_logger().warning(f"{shift:.2f} s {text}; going on from here", throttle_duration_sec=5.0)
            self._counts.lost += abs(shift)
            # What is commanded goes on where it is: it was given for a time that there will not be.
            self._time += shift
            self._motion = self._motion.shifted(shift)
        self._counts.behind = max(self._counts.behind, now - self._time)
        while self._time + self._arm.time_step <= now:
            self._time += self._arm.time_step
            # One step ahead of the clock, and with its speed: else the motors would trail the motion by more.
            ahead = self._time + self._arm.time_step
            self._arm.command(self._motion.at(ahead), self._motion.velocity(ahead))
            self._arm.step()
        stamp = time_message(self._time)
        position, velocity, effort = self._arm.joint_state()
        names = [*self._robot.joint_names, *self._others]
        zeros = [0.0] * len(self._others)
        self._joint_states.publish(
            joint_state_message(
                names, [*position, *self._others.values()], stamp, [*velocity, *zeros], [*effort, *zeros]
            )
        )
        if self._actions is not None:
            self._actions.advance(self._time, position, velocity)
        self._tip_pose.publish(pose_stamped_message(self._arm.tip_pose(), self._robot.base_link, stamp))
        self._counts.messages += 1

    def _health(self) -> Health:
        counts, self._counts = self._counts, self._counts.next()
        level = Level.OK
        words = f"{counts.rate:.0f} joint states a second"
        if counts.refused > counts.refused_before:
            level, words = Level.WARN, f"a command was refused: {counts.reason}"
        if counts.lost > counts.lost_before:
            level, words = Level.WARN, "slower than real time: it let time go"
        values = {
            "rate [1/s]": f"{counts.rate:.1f}",
            "farthest behind real time [ms]": f"{1e3 * counts.behind:.1f}",
            "steps behind real time": round(counts.behind / self._arm.time_step),
            "time let go [s]": f"{counts.lost:.2f}",
            "commands": counts.commands,
            "commands refused": counts.refused,
            "last refused because": counts.reason,
        }
        return Health(level, words, values)


def _pick(values: list[float], order: list[int]) -> list[float]:
    """Values in the robot's order; as they are where their number is wrong, which is then refused with its length."""
    return [values[index] for index in order] if len(values) == len(order) else list(values)


def main(args: list[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node(PandaSim, "panda_sim", args)


if __name__ == "__main__":
    sys.exit(main())
