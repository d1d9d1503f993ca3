"""Node ``recorder``: collects samples from a real arm, one at each stop, into a data file."""

from __future__ import annotations

import sys
import time

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future
from std_srvs.srv import Trigger

from crisp_ik_ros.errors import CrispIKError, InvalidInputError
from crisp_ik_ros.nodes.description import robot_of
from crisp_ik_ros.nodes.diagnostics import DiagnosticUpdater
from crisp_ik_ros.nodes.health import Health, Level
from crisp_ik_ros.nodes.lifetime import ManagedNode, Patiently, run_node
from crisp_ik_ros.nodes.listening import Listener
from crisp_ik_ros.nodes.measurements import Measurement
from crisp_ik_ros.nodes.parameters import declare, declare_robot
from crisp_ik_ros.nodes.recording import Departure, Recording

# Time between two looks at what has come in [s].
TICK = 0.05


class Recorder(ManagedNode):
    """Waits for the arm to stand still, averages what is measured meanwhile, and appends a sample."""

    def __init__(self) -> None:
        super().__init__("recorder")
        robot = robot_of(**declare_robot(self))
        mode = declare(
            self,
            "mode",
            "poses",
            "What is measured: 'poses' of the tool, its 'positions' only, or nothing but that the tool is at the "
            "'same_point' as before.",
        )
        pose_topic = declare(
            self, "pose_topic", "/panda_sim/tip_pose", "Measured tool poses (geometry_msgs/PoseStamped)."
        )
        declare(
            self,
            "group",
            "",
            "Name of the point that the tool is at, such as table_left/ball_0; with measured poses, of the place.",
            read_only=False,
        )
        output = declare(self, "output", "", "Path of the data file to write, .csv or .npz.")
        overwrite = declare(self, "overwrite", False, "Whether a file that is there is replaced; else it is continued.")
        self._autosave = declare(self, "autosave", True, "Whether the file is written after each sample.")
        declare(self, "automatic", False, "Whether every new stop is captured without being asked.", read_only=False)
        distance = declare(
            self,
            "new_stop_distance",
            0.05,
            "A stop is a new one when a joint has been farther than this from the last sample [rad or m].",
            1e-4,
            10.0,
        )
        settle_time = declare(
            self, "settle_time", 0.5, "Time that the arm stands still and is measured [s].", 0.05, 60.0
        )
        settle_tolerance = declare(
            self, "settle_tolerance", 1e-3, "Largest motion of a joint in that time [rad or m].", 1e-6, 0.1
        )
        pose_tolerance = declare(
            self,
            "pose_settle_tolerance",
            2e-4,
            "Largest motion of the mean measured position in that time, where it is more than noise [m].",
            1e-6,
            1.0,
        )
        self._patience = declare(
            self, "capture_timeout", 10.0, "Longest wait of ~/capture for the arm to stand still [s].", 0.0, 600.0
        )
        accuracy = (
            declare(self, "position_accuracy", 0.0, "Systematic error of the measuring device [m].", 0.0, 1.0),
            declare(self, "orientation_accuracy", 0.0, "The same of orientations [rad].", 0.0, 1.0),
        )
        period = declare(self, "diagnostics_period", 1.0, "Time between messages on /diagnostics [s].", 0.1, 60.0)
        self._recording = Recording(robot, mode, output, overwrite, accuracy)
        self._recording.warm_up()
        if mode == "same_point":
            pose_topic = ""
        elif not pose_topic:
            raise InvalidInputError("pose_topic", "nothing", f"the topic of the measured {mode}")
        self._departure = Departure(distance, self._recording.last)
        self._wanted: tuple[Future, float, float] | None = None
        self._trouble = ""
        self._listener = Listener(
            self,
            robot,
            pose_topic,
            self._departure.moved,
            still_for=settle_time,
            still_within=settle_tolerance,
            pose_within=pose_tolerance,
            orientation=mode == "poses",
        )
        self.create_timer(TICK, self._tick)
        DiagnosticUpdater(self, robot.name, period).add("recording", self._health)
        # A capture may wait, while messages and timers go on.
        self.create_service(Trigger, "~/capture", self._capture, callback_group=ReentrantCallbackGroup())
        self.create_service(Trigger, "~/save", self._save)
        found = f", which has {self._recording.count()}" if len(self._recording) else ""
        topics = " and ".join(filter(None, [self._joint_topic, pose_topic]))
        self.get_logger().info(f"recording {mode} of {robot.name} from {topics} to {self._recording.path}{found}")

    def close(self) -> None:
        """Save what is not saved yet."""
        if self._recording.unsaved:
            self._write()

    @property
    def _joint_topic(self) -> str:
        return self._listener.measurements.joints.topic

    # -- capturing -----------------------------------------------------------------------------------------------------

    async def _capture(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._wanted is not None:
            response.message = "another capture is under way"
            return response
        future: Future = Future()
        self._wanted = (future, self._listener.now(), time.monotonic() + self._patience)
        self._tick()
        response.success, response.message = await Patiently(future)
        return response

    def _tick(self) -> None:
        if self._wanted is not None:
            future, since, deadline = self._wanted
            found = self._listener.measurements.look(self._listener.now(), since)
            if isinstance(found, Measurement) or time.monotonic() >= deadline:
                self._wanted = None
                future.set_result((False, found) if isinstance(found, str) else self._add(found))
        elif self._departure.left and self.get_parameter("automatic").value:
            found = self._listener.measurements.look(self._listener.now())
            if isinstance(found, Measurement):
                self._add(found)

    def _add(self, measurement: Measurement) -> tuple[bool, str]:
        """Append a sample; return whether it was, and words for it."""
        # Also where it fails, so that one stop is not tried for ever.
        self._departure.captured(measurement.configuration)
        try:
            words = self._recording.add(
                measurement, self.get_parameter("group").value, self._listener.measurements.in_base_frame()
            )
        except CrispIKError as error:
            self.get_logger().error(f"not captured: {error}")
            return False, str(error)
        self.get_logger().info(words)
        if self._autosave and not self._write():
            words += f"; {self._trouble}"
        return True, words

    # -- saving --------------------------------------------------------------------------------------------------------

    def _save(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if not len(self._recording):
            response.message = "no sample has been captured yet"
            return response
        response.success = self._write()
        response.message = self._trouble or f"{self._recording.count()} in {self._recording.path}"
        return response

    def _write(self) -> bool:
        """Write the file; return whether that went well."""
        try:
            self.get_logger().info(self._recording.save())
        except CrispIKError as error:
            self._trouble = str(error)
            self.get_logger().error(self._trouble)
        else:
            self._trouble = ""
        return not self._trouble

    # -- what it has to say --------------------------------------------------------------------------------------------

    def _health(self) -> Health:
        measurements, now = self._listener.measurements, self._listener.now()
        found = measurements.look(now)
        automatic = self.get_parameter("automatic").value
        if isinstance(found, str):
            state = found
        elif self._wanted is not None or (automatic and self._departure.left):
            state = "capturing"
        else:
            state = (
                "captured; waiting for the next stop" if automatic else "the arm stands still; waiting for ~/capture"
            )
        values = {
            "samples": len(self._recording),
            "unsaved": self._recording.unsaved,
            "waiting for": state,
            "mode": self._recording.mode,
            "group": self.get_parameter("group").value,
            "automatic": str(automatic).lower(),
            "output": self._recording.path,
            "pose frame": measurements.frame_id,
        }
        ill = self._trouble or measurements.silence(now)
        words = f"{self._recording.count()}; {self._trouble or state}"
        return Health(Level.WARN if ill else Level.OK, words, values)


def main(args: list[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node(Recorder, "recorder", args)


if __name__ == "__main__":
    sys.exit(main())
