"""The simulated Panda follows a spiral and a circle through /compute_ik.

    ros2 launch crisp_ik panda_sim.launch.py joint_bias_deg:=1.0

`ros2 launch crisp_ik panda_sim.launch.py --show-args` lists the arguments.
"""

from __future__ import annotations

import dataclasses
import difflib

from launch.actions import DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from crisp_ik_ros.nodes.system import NodeSpec, SystemArguments, panda_sim_system
from launch import LaunchDescription

NAMES = {item.name: item for item in dataclasses.fields(SystemArguments)}


def generate_launch_description():
    declared = [
        DeclareLaunchArgument(name, default_value=_text(item.default), description=item.metadata["description"])
        for name, item in NAMES.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_nodes)])


def _nodes(context):
    _warn_of_misspelt_names(context)
    texts = {name: LaunchConfiguration(name).perform(context) for name in NAMES}
    specs = panda_sim_system(SystemArguments.parse(texts))
    actions = {spec.name: _action(spec) for spec in specs}
    start = []
    for spec in specs:
        if spec.after:
            then = _when_ended_well(spec.after, actions[spec.name])
            start.append(RegisterEventHandler(OnProcessExit(target_action=actions[spec.after], on_exit=then)))
    return start + [actions[spec.name] for spec in specs if not spec.after]


def _warn_of_misspelt_names(context):
    # launch passes over what no file has declared; a file that includes this one may have arguments of its own.
    for name in context.launch_configurations:
        nearest = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.75)
        if nearest and name not in NAMES:
            get_logger("panda_sim").warning(f"there is no argument '{name}'; '{nearest[0]}' is the nearest there is")


def _action(spec: NodeSpec) -> Node:
    parameters = [str(spec.config)] if spec.config else []
    return Node(
        package=spec.package,
        executable=spec.executable,
        name=spec.name,
        parameters=[*parameters, spec.parameters] if spec.parameters else parameters,
        remappings=list(spec.remappings),
        arguments=list(spec.arguments),
        ros_arguments=spec.ros_arguments or None,
        output="screen",
        on_exit=[Shutdown(reason=f"{spec.name} has ended")] if spec.required else None,
    )


def _when_ended_well(name: str, action: Node):
    def on_exit(event, context):
        if context.is_shutdown:
            return []
        if event.returncode != 0:
            return [Shutdown(reason=f"{name} has failed")]
        return [action]

    return on_exit


def _text(value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
