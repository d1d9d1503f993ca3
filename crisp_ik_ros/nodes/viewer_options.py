"""Parameters of the node ``viewer``."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.node import Node

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.nodes.parameters import declare, declare_robot


@dataclass(frozen=True)
class ViewerOptions:
    """What is shown, and where.

    Attributes
    ----------
    robot : dict of str
        Arguments of ``description.robot_of``.
    model : str
        As ``ik_service`` takes it.
    host, port : str, int
        Where the page is.
    open_browser, controls : bool
    rate : float
        Of the page [Hz].
    error_scale : float
    follower, pose_topic : str
    timeout, patience : float
        Time that the service may search, and longest wait for its answer [s].
    """

    robot: dict[str, str]
    model: str
    host: str
    port: int
    open_browser: bool
    controls: bool
    rate: float
    error_scale: float
    follower: str
    pose_topic: str
    timeout: float
    patience: float


def declare_viewer(node: Node) -> ViewerOptions:
    """Declare the parameters and return their values.

    Raises
    ------
    InvalidInputError
        When a name that is needed is empty.
    """
    options = ViewerOptions(
        robot=declare_robot(node),
        model=declare(node, "model", "", "The model whose samples are shown, as ik_service takes it."),
        host=declare(node, "host", "127.0.0.1", "Address to serve the page at; 0.0.0.0: open to the whole network."),
        port=declare(node, "port", 8080, "Port of the page; where it is taken, the next free one.", 1, 65535),
        open_browser=declare(node, "open_browser", False, "Whether to open the page in this machine's browser."),
        controls=declare(node, "controls", True, "Whether the page can start and stop the follower."),
        rate=declare(node, "rate", 30.0, "Pictures of the arm a second [Hz].", 1.0, 60.0),
        error_scale=declare(node, "error_scale", 20.0, "Error lines are drawn this many times as long.", 1.0, 200.0),
        follower=declare(node, "follower", "trajectory_follower", "Name of the follower whose paths are shown."),
        pose_topic=declare(node, "pose_topic", "panda_sim/tip_pose", "Measured tool poses (PoseStamped), base frame."),
        timeout=declare(node, "ik_timeout", 0.05, "Time the service may search for a dragged target [s].", 1e-4, 10.0),
        patience=declare(node, "service_timeout", 2.0, "Longest wait for an answer [s].", 0.01, 60.0),
    )
    for name in ("host", "follower", "pose_topic"):
        if not str(node.get_parameter(name).value).strip():
            raise InvalidInputError(name, "nothing", "a name")
    return options
