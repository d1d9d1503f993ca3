"""Declaration of ROS parameters with description, range and read-only flag."""

from __future__ import annotations

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node


def declare(
    node: Node,
    name: str,
    default: Any,
    description: str,
    minimum: float | None = None,
    maximum: float | None = None,
    read_only: bool = True,
) -> Any:
    """Declare a parameter and return its value.

    Parameters
    ----------
    node : Node
    name : str
    default : bool, int, float, str or list
        It fixes the type.
    description : str
        With the unit.
    minimum, maximum : float, optional
        Both or none.
    read_only : bool
        Whether it is fixed once the node runs.

    Raises
    ------
    rclpy.exceptions.ParameterException
        When the value that was given is of another type or out of range.
    """
    descriptor = ParameterDescriptor(description=description, read_only=read_only)
    if minimum is not None and maximum is not None:
        if isinstance(default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(minimum), to_value=float(maximum))]
        else:
            descriptor.integer_range = [IntegerRange(from_value=int(minimum), to_value=int(maximum), step=1)]
    return node.declare_parameter(name, default, descriptor).value


def declare_robot(node: Node) -> dict[str, str]:
    """Declare which robot a node works with, as arguments of ``description.robot_of``."""
    return {
        "robot": declare(
            node, "robot", "", "Name of a known robot, or path of a robot file (.yaml). Empty: by the URDF."
        ),
        "urdf": declare(node, "urdf", "", "Path of the robot's URDF, without a robot. Empty: the Franka Panda."),
        "base_link": declare(node, "base_link", "", "First link of the chain. Empty: the root (Panda: panda_link0)."),
        "tip_link": declare(node, "tip_link", "", "Tool link. Empty: the only arm's tip (Panda: panda_grasptarget)."),
    }


def declare_bias(node: Node) -> dict[str, Any]:
    """Declare how the simulated true robot differs from its URDF, as arguments of ``description.bias_of`` (rad, m)."""
    joint = declare(
        node, "joint_bias_deg", 0.0, "Offset of every joint of the true robot from its URDF [degrees].", -45.0, 45.0
    )
    link = declare(
        node, "link_bias_mm", 0.0, "Offset of every link of the true robot, along x, y and z [mm].", -500.0, 500.0
    )
    seed = declare(
        node, "bias_seed", -1, "Seed of the random signs of the offsets. -1: all positive.", -1, 2_147_483_647
    )
    return {"joint_bias": joint * 0.017453292519943295, "link_bias": link * 1e-3, "seed": seed}
