"""Parameters of the node ``trajectory_follower``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from crisp_ik_ros.errors import CrispIKError, InvalidInputError
from crisp_ik_ros.nodes.parameters import declare
from crisp_ik_ros.nodes.paths import requested_paths
from crisp_ik_ros.nodes.time_scaling import Limits
from crisp_ik_ros.robots.placement import Placement
from crisp_ik_ros.transforms import Array

# What to do where service or joint states are lost.
RESUME, ABORT = "resume", "abort"
# So much of the path is known before the arm gets there [s].
LOOKAHEAD = 0.2
# Commands go to a topic, as a stream, or to an action, each the whole of what is to come; no longer than this [s].
TOPIC, ACTION = "topic", "action"
LONGEST_GOAL = 3600.0
# Of the halt time, what goes by before the arm slows down: an answer's age, a tick, a command's way, its samples [s].
REACTION = 0.06
SHORTEST_BRAKING = 0.02


@dataclass(frozen=True)
class FollowerOptions:
    """How a follower moves and what it does before, after and beside that.

    Attributes
    ----------
    paths : dict of (n, 4, 4)
        What to follow, by name, in order; it follows the parameter ``trajectory``.
    period : float
        Between targets [s].
    scaling : float
        Share of the joints' largest speeds.
    joint_step : float
        Largest step between two targets [rad or m].
    timeout, patience : float
        Time the service may search, and time to wait for its answer [s].
    halt_time, acceleration : float
        Time to come to rest where service or joint states are lost [s], with at most this acceleration of every joint
        [rad/s^2 or m/s^2].
    action : bool
        Whether commands are goals of an action.
    abort : bool
        Whether to give up where they are lost.
    resume_timeout : float
        Longest wait for them to come back [s]; 0: no limit.
    tolerance : float
        Largest distance of a joint from where it is commanded to be [rad or m].
    slow_from, stop_at : float
        Condition numbers of the Jacobian.
    settle, start_timeout : float
        [s]
    loop, autostart, exit : bool
    report : str
    error_scale, marker_lifetime : float
    diagnostics_period : float
        [s]
    """

    paths: dict[str, Array]
    period: float
    scaling: float
    joint_step: float
    timeout: float
    patience: float
    halt_time: float
    acceleration: float
    action: bool
    abort: bool
    resume_timeout: float
    tolerance: float
    slow_from: float
    stop_at: float
    settle: float
    start_timeout: float
    loop: bool
    autostart: bool
    exit: bool
    report: str
    error_scale: float
    marker_lifetime: float
    diagnostics_period: float

    def limits(self, velocity: Array) -> Limits:
        """What joints with largest speeds (J,) may do on the way."""
        braking = max(SHORTEST_BRAKING, self.halt_time - REACTION)
        horizon = LONGEST_GOAL if self.action else self.halt_time + LOOKAHEAD
        return Limits(self.scaling * velocity, self.acceleration, braking, horizon)


def declare_options(node: Node, placement: Placement) -> FollowerOptions:
    """Declare the parameters and return their values.

    Parameters
    ----------
    node : Node
    placement : Placement
        Where the trajectories lie for the robot.

    Raises
    ------
    InvalidInputError
        When a trajectory cannot be made of them, or ``on_loss`` or ``command_interface`` is no word that it may be.
    """
    on_loss = declare(node, "on_loss", RESUME, "Service or joint states lost: 'resume' when they are back, or 'abort'.")
    if on_loss not in (RESUME, ABORT):
        raise InvalidInputError("on_loss", repr(on_loss), f"{RESUME!r} or {ABORT!r}")
    interface = declare(
        node,
        "command_interface",
        TOPIC,
        "Commands: 'topic', a stream that ends at rest without this node, or 'action', whole paths that do not.",
    )
    if interface not in (TOPIC, ACTION):
        raise InvalidInputError("command_interface", repr(interface), f"{TOPIC!r} or {ACTION!r}")
    paths = requested_paths(
        declare(
            node,
            "trajectory",
            "both",
            "'spiral', 'circle' or 'both', one after the other; another one holds from the next start on.",
            read_only=False,
        ),
        declare(node, "points", 200, "Targets on each trajectory.", 2, 100_000),
        declare(node, "radius", 0.0, "Radius of spiral and circle [m]. 0: the robot's (Panda: 0.03).", 0.0, 100.0),
        declare(node, "yaw", 0.0, "Turn of the tool about the base frame's y axis [rad].", -math.pi, math.pi),
        declare(node, "offset", [0.0, 0.0, 0.0], "Shift of the trajectories, x y z in the base frame [m]."),
        placement,
    )
    options = FollowerOptions(
        paths=paths,
        period=1.0 / declare(node, "rate", 25.0, "Targets per second [Hz], where speed limits allow.", 0.1, 500.0),
        scaling=declare(node, "velocity_scaling", 0.5, "Share of the joints' largest speeds that is used.", 0.01, 1.0),
        joint_step=declare(
            node, "joint_step", 0.3, "Largest step of a joint between two targets [rad or m]; beyond: stop.", 1e-4, 6.3
        ),
        timeout=declare(node, "ik_timeout", 0.05, "Time the service may search for a target [s].", 1e-4, 10.0),
        patience=declare(node, "service_timeout", 2.0, "Longest wait for an answer [s]; then: ask again.", 0.01, 60.0),
        halt_time=declare(
            node,
            "halt_time",
            0.1,
            "The arm rests so long after service or joint states were last heard [s].",
            0.08,
            1.0,
        ),
        acceleration=declare(
            node, "joint_acceleration", 14.0, "Largest acceleration of a joint [rad/s^2 or m/s^2].", 0.1, 1000.0
        ),
        action=interface == ACTION,
        abort=on_loss == ABORT,
        resume_timeout=declare(
            node, "resume_timeout", 60.0, "Longest wait at rest after a loss [s], then: stop; 0: no limit.", 0.0, 1e5
        ),
        tolerance=declare(
            node, "tracking_tolerance", 0.1, "Joints farther than this from the command: halt [rad or m].", 1e-3, 6.3
        ),
        slow_from=declare(
            node, "lower_singularity_threshold", 40.0, "Condition number from which on it is slower.", 1.0, 1e9
        ),
        stop_at=declare(
            node, "hard_stop_singularity_threshold", 140.0, "Condition number at which the path ends.", 1.0, 1e9
        ),
        settle=declare(node, "settle_time", 0.5, "Rest at the first and the last target [s].", 0.0, 60.0),
        start_timeout=declare(
            node, "start_timeout", 0.0, "Longest wait for service and joint states [s]; 0: no limit.", 0.0, 1e5
        ),
        loop=declare(node, "loop", False, "Whether to begin again after the last target."),
        autostart=declare(node, "autostart", True, "Whether to begin without a call of ~/start."),
        exit=declare(node, "exit_when_done", False, "Whether the node ends after the last target."),
        report=declare(node, "report", "", "Path of a JSON file for all that was measured. Empty: none."),
        error_scale=declare(node, "error_scale", 20.0, "Error lines are drawn this many times as long.", 1.0, 1e4),
        marker_lifetime=declare(node, "marker_lifetime", 10.0, "Time that markers stay [s]. 0: for ever.", 0.0, 1e4),
        diagnostics_period=declare(
            node, "diagnostics_period", 1.0, "Time between messages on /diagnostics [s].", 0.1, 60.0
        ),
    )
    _let_trajectory_change(node, options, placement)
    return options


def _let_trajectory_change(node: Node, options: FollowerOptions, placement: Placement) -> None:
    """Let the parameter ``trajectory`` take another value, and ``options`` with it; nonsense is refused in words."""

    def check(parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name == "trajectory":
                points, radius, yaw, offset = (
                    node.get_parameter(name).value for name in ("points", "radius", "yaw", "offset")
                )
                try:
                    paths = requested_paths(parameter.value, points, radius, yaw, offset, placement)
                except CrispIKError as error:
                    return SetParametersResult(successful=False, reason=str(error))
                # What is followed has its path already: these are for the next start.
                options.paths.clear()
                options.paths.update(paths)
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)
