"""Node ``trajectory_follower``: leads the tool along a path, asking /compute_ik for every target of it."""

from __future__ import annotations

import sys
import time

from geometry_msgs.msg import PoseStamped
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.qos import qos_profile_sensor_data
from std_srvs.srv import Trigger

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.nodes.asking import Asker
from crisp_ik_ros.nodes.conversions import pose_from_message, seconds
from crisp_ik_ros.nodes.description import robot_and_file_of
from crisp_ik_ros.nodes.diagnostics import DiagnosticUpdater
from crisp_ik_ros.nodes.follower_health import FollowerHealth
from crisp_ik_ros.nodes.follower_options import LONGEST_GOAL, LOOKAHEAD, declare_options
from crisp_ik_ros.nodes.guard import Conditioning
from crisp_ik_ros.nodes.health import Health
from crisp_ik_ros.nodes.lead import Lead
from crisp_ik_ros.nodes.lifetime import ManagedNode, run_node
from crisp_ik_ros.nodes.measured_joints import MeasuredJoints
from crisp_ik_ros.nodes.parameters import declare_robot
from crisp_ik_ros.nodes.phase import Phase
from crisp_ik_ros.nodes.route import Route
from crisp_ik_ros.nodes.runs import Runs
from crisp_ik_ros.nodes.time_scaling import Plan
from crisp_ik_ros.nodes.trajectory_action import commander_of
from crisp_ik_ros.nodes.view import View
from crisp_ik_ros.nodes.watch import JOINTS, SERVICE, Timeline, Watch

TICK = 0.01
# After a loss, both are back when they were heard for this long [s].
WELL = 0.2
# Of the time that is waited for that, what a step of the clock counts for at most [s].
LONGEST_STEP = 0.2


class TrajectoryFollower(ManagedNode):
    """Asks for targets ahead of the arm, and commands only what ends at rest, whatever happens next."""

    def __init__(self) -> None:
        super().__init__("trajectory_follower")
        self._robot, file = robot_and_file_of(**declare_robot(self))
        self._options = options = declare_options(self, file.placement())
        self._conditioning = Conditioning(self._robot, options.slow_from, options.stop_at)
        self._limits = options.limits(self._robot.velocity)
        self._view = View(self, self._robot.base_link, options.error_scale, options.marker_lifetime)
        self._commander = commander_of(self, self._robot, file, options.action, self._lose_goal)
        self.create_subscription(PoseStamped, "panda_sim/tip_pose", self._on_tip_pose, qos_profile_sensor_data)
        self.create_service(Trigger, "~/start", self._on_start)
        self.create_service(Trigger, "~/stop", self._on_stop)

        self._phase = Phase.IDLE
        self._watch = Watch(options.halt_time)
        self._trouble = FollowerHealth(self._watch)
        self._asker = Asker(self, self._robot, options, self._watch, self._fail, self._keep_asking)
        self._measured = MeasuredJoints(self, self._robot, self._watch, self._must_change)
        self._timeline = Timeline(bool(self.get_parameter("use_sim_time").value))
        self._runs = Runs(options.paths, self._robot.joint_names, options.report)
        self._route: Route | None = None
        self._lead: Lead | None = None
        self._again = self._late = False
        self._due = 0
        self._held = self._since = self._complained = 0.0
        # A steady clock drives it: a signal, or a lost node, is noticed also where simulated time stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(TICK, self._tick, clock=steady)
        self.create_timer(0.2, self._draw, clock=steady)
        DiagnosticUpdater(self, self._robot.name, options.diagnostics_period).add("following", self._health)
        if options.autostart:
            self._start()

    def _start(self) -> None:
        self._route = self._lead = None
        self._runs.begin()
        self._phase = Phase.WAITING
        self._again, self._trouble.refusal = False, ""
        self._since = self._complained = time.monotonic()

    def _on_start(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        stopping = self._phase is Phase.STOPPING and not self._trouble.refusal
        response.success = stopping or self._phase is Phase.IDLE
        response.message = "started" if response.success else f"already {self._phase.value}"
        if stopping:
            self._again = True
        elif response.success:
            self._start()
        return response

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._phase not in (Phase.IDLE, Phase.STOPPING)
        response.message = "slowing down to a stop" if response.success else "nothing to stop"
        self._again = False
        if response.success:
            self.get_logger().info("stopped, as asked")
            self._stop()
        return response

    def wind_down(self) -> bool:
        """Slow down to a stop; return whether the arm is at rest."""
        if self._phase not in (Phase.IDLE, Phase.STOPPING):
            self._stop()
        self._again = False
        return self._lead is None or self._lead.rests(self._now())

    def _stop(self, refusal: str = "") -> None:
        """Slow down from the last command; afterwards idle, and with a refusal the end."""
        self._asker.forget()
        self._runs.drop()
        self._trouble.refusal = refusal
        self._phase = Phase.STOPPING
        if self._lead is not None:
            self._send(self._lead.brake(self._now()))
        else:
            self._stopped()

    def _stopped(self) -> None:
        self._phase = Phase.IDLE
        if self._trouble.refusal:
            if self._route is not None:
                self._runs.add(self._route.run)
            self._finish(1)
        elif self._again:
            self._start()

    def _fail(self, reason: str) -> None:
        self.get_logger().error(f"stopped: {reason}")
        self._stop(reason)

    def _finish(self, code: int) -> None:
        written = self._runs.write(self.get_logger())
        if self._options.exit and not self.finished.done():
            self.finished.set_result(code if written else 1)

    def _must_change(self) -> bool:
        return self._lead is not None and self._lead.moves(self._now())

    def _keep_asking(self) -> None:
        assert self._route is not None and self._measured.joints is not None
        far = self._lead is not None and self._lead.left > LOOKAHEAD
        self._asker.keep_asking(self._route, far, self._measured.joints, self._phase is Phase.HELD)

    def _on_tip_pose(self, message: PoseStamped) -> None:
        if self._route is not None and self._phase in (Phase.FOLLOWING, Phase.HELD, Phase.SETTLING):
            self._route.run.tips.add(seconds(message.header.stamp), pose_from_message(message.pose))

    def _now(self) -> int:
        return self.get_clock().now().nanoseconds

    def _tick(self) -> None:
        now, steady = self._now(), time.monotonic()
        step, jumped = self._timeline.advance(now, steady)
        if self._phase is Phase.WAITING:
            self._wait(steady)
        elif self._phase is not Phase.IDLE:
            if jumped:
                self._on_jump(now, step)
            if self._phase in (Phase.FOLLOWING, Phase.HELD):
                self._keep_asking()
            # Where simulated time stands still, nothing moves and nothing is late.
            if step > 0.0:
                self._advance(now, steady, step)

    def _advance(self, now: int, steady: float, step: float) -> None:
        if self._route is not None:
            self._route.note_passed(self._lead, now)
        if self._phase is Phase.FOLLOWING:
            self._follow(now, steady)
        elif self._phase is Phase.HELD:
            self._hold(now, steady, step)
        elif self._phase is Phase.SETTLING and now >= self._due:
            self._end_trajectory()
        elif self._phase is Phase.STOPPING and (self._lead is None or self._lead.rests(now)):
            self._stopped()

    def _wait(self, steady: float) -> None:
        missing = [] if self._asker.ready else [f"service {self._asker.name}"]
        if self._measured.joints is None or JOINTS in self._watch.silent(steady):
            missing.append("joint states")
        missing += self._commander.missing
        if not missing:
            self._begin_trajectory()
        elif self._options.start_timeout and steady - self._since > self._options.start_timeout:
            self._fail(f"no {' and no '.join(missing)} within {self._options.start_timeout:g} s")
        elif steady - self._complained > 5.0:
            self._complained = steady
            self.get_logger().info(f"waiting for {' and '.join(missing)}")

    def _begin_trajectory(self) -> None:
        run, options = self._runs.next(), self._options
        velocity, step = self._limits.velocity, options.joint_step
        self._route = Route(self._robot, run, self._conditioning, velocity, options.period, step)
        self._lead, self._held = None, 0.0
        self._asker.forget()
        self._phase, self._since = Phase.FOLLOWING, time.monotonic()
        self._view.begin(run)
        self.get_logger().info(f"{run.name}: {len(run.targets)} targets")
        self._keep_asking()

    def _follow(self, now: int, steady: float) -> None:
        """Command the arm to go on, as long as all is well."""
        route, options, whole = self._route, self._options, self._commander.whole
        assert route is not None and self._measured.joints is not None
        if self._lead is None:
            if route.path is not None and (route.over or not whole):
                self._lead = Lead(self._robot, route.path, self._limits, options.settle, options.tolerance, whole)
                self._send(self._lead.begin(now, self._commander.place(self._measured.joints, options.tolerance)))
            elif route.over:
                self._settle(now)
            elif self._watch.age(steady, SERVICE) > options.patience and steady - self._since > options.patience:
                self._lose(f"no answer from {self._asker.name} within {options.patience:g} s")
            return
        lead = self._lead
        silent = self._watch.silent(steady)
        elsewhere = lead.elsewhere(now, self._measured.stamp, self._measured.joints)
        # What was sent last ends at rest by itself, unless it is a goal.
        if elsewhere or (silent and whole):
            self._send(lead.brake(now))
        if silent or elsewhere:
            words = f"nothing heard of {' and '.join(silent)}, for {steady - self._watch.oldest:.2f} s"
            self._lose(words if silent else elsewhere)
        elif lead.arrived(now):
            if route.refusal:
                self._fail(route.refusal)
            elif route.over:
                self._settle(now)
        else:
            late = steady > self._watch.deadline - 0.5 * options.halt_time and not whole
            if late and not self._late and not lead.rests(now):
                route.run.slow_downs += 1
                text = f"slower for a moment: nothing heard for {steady - self._watch.oldest:.3f} s"
                self.get_logger().warning(text, throttle_duration_sec=1.0)
            self._late = late
            rest_in = LONGEST_GOAL if whole else self._watch.deadline - steady
            self._send(lead.run(now, now + round(1e9 * rest_in)))
            if whole:  # to plan all of a path takes a while
                self._watch.excuse(time.monotonic() - steady)

    def _lose(self, reason: str) -> None:
        """Wait at rest; what was commanded last ends there."""
        assert self._route is not None
        self._route.run.halts += 1
        self._phase, self._held = Phase.HELD, 0.0
        self._watch.lost(time.monotonic())
        self._trouble.halted = reason
        if self._options.abort:
            self._fail(reason)
        else:
            self.get_logger().warning(f"halted: {reason}")

    def _lose_goal(self, reason: str, refused: bool) -> None:
        """The controller does not do what it is told."""
        if self._lead is not None:
            self._lead.let_go(self._now())
        if self._phase is Phase.FOLLOWING:
            (self._fail if refused else self._lose)(reason)
        else:
            self.get_logger().error(reason)

    def _hold(self, now: int, steady: float, step: float) -> None:
        assert self._measured.joints is not None
        if self._lead is not None and not self._lead.rests(now):
            # What is measured while the arm slows down does not say where it rests.
            self._watch.count_anew(steady)
            return
        self._held += min(step, LONGEST_STEP)
        if self._watch.well(steady, WELL):
            self.get_logger().info("service and joint states are back, going on")
            self._phase, self._since = Phase.FOLLOWING, steady
            if self._lead is not None:
                self._send(self._lead.resume(now, self._measured.joints))
        elif 0.0 < self._options.resume_timeout < self._held:
            missing = " and ".join(self._watch.silent(steady)) or "the arm"
            self._fail(f"{missing} not back within {self._options.resume_timeout:g} s")

    def _on_jump(self, now: int, step: float) -> None:
        """The clock was set: what was commanded means nothing any more, and the arm has come to rest somewhere."""
        self._due += (shift := round(1e9 * step))
        if self._lead is not None:
            self._lead.forget_time(now, shift)
        if self._phase is Phase.FOLLOWING and self._lead is not None:
            self._lose(f"the clock has jumped by {step:.3f} s")

    def _send(self, plan: Plan | None) -> None:
        try:
            if plan is not None:
                self._commander.send(plan, lambda: self._lead is not None and self._lead.withdraw(self._now()))
        except CrispIKError as error:
            self.get_logger().error(f"stopped: {error}")
            self._phase, self._trouble.refusal = Phase.STOPPING, str(error)

    def _settle(self, now: int) -> None:
        self._due, self._phase = now + round(1e9 * self._options.settle), Phase.SETTLING

    def _end_trajectory(self) -> None:
        assert self._route is not None
        run = self._route.run
        self._draw()
        self._runs.add(run)
        self.get_logger().info(run.summary())
        if self._runs.more:
            self._begin_trajectory()
            return
        self._phase = Phase.IDLE
        self._asker.forget()
        self._finish(0 if self._runs.complete else 1)
        if self._options.loop and not self.finished.done():
            self._start()

    def _draw(self) -> None:
        if self._route is not None and self._phase in (Phase.FOLLOWING, Phase.HELD, Phase.SETTLING):
            self._view.update(self._route.run)

    def _health(self) -> Health:
        run = None if self._route is None else self._route.run
        return self._trouble.health(self._phase, run, time.monotonic())


def main(args: list[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node(TrajectoryFollower, "trajectory_follower", args)


if __name__ == "__main__":
    sys.exit(main())
