"""The guide from a URDF and a table to a served model, typed as it stands; and the parameters' reference."""

from __future__ import annotations

import sys
from importlib import import_module
from unittest.mock import MagicMock

import pytest
from oracles import ROOT
from processes import ENVIRONMENT
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters
from snippets import missing_lines, run_page

sys.path.append(str(ROOT / "docs" / "_ext"))
import declared

TYPES = {
    ParameterType.PARAMETER_BOOL: "bool",
    ParameterType.PARAMETER_INTEGER: "integer",
    ParameterType.PARAMETER_DOUBLE: "double",
    ParameterType.PARAMETER_STRING: "string",
    ParameterType.PARAMETER_DOUBLE_ARRAY: "array",
}
# What rclpy declares of every node.
COMMON = {"use_sim_time", "start_type_description_service"}


def test_the_commands_of_the_guide_end_in_an_answer(ros, tmp_path):
    pytest.importorskip("pybullet_data")
    outputs = run_page(ROOT / "docs" / "guide.md", tmp_path, ENVIRONMENT)
    for block, printed in outputs.items():
        assert not missing_lines(block.text, printed), printed
    answer = list(outputs.values())[-1]
    assert "support 1" in answer or "support 0.9" in answer, answer
    assert (tmp_path / "report.html").exists()


def test_the_reference_says_what_the_nodes_say_of_their_parameters(ros, start, module_client, tmp_path):
    given = {
        "ik_service": {"model": "nominal"},
        "panda_sim": {},
        "recorder": {"output": str(tmp_path / "samples.csv")},
        "trajectory_follower": {"autostart": False},
        "viewer": {"model": "nominal", "port": 18080},
    }
    for name, parameters in given.items():
        start(name, **parameters)
    for name in given:
        told = describe(module_client, name)
        read = {parameter.name: parameter for parameter in declared.parameters_of(name)}
        assert set(told) - COMMON == set(read), name
        for key, parameter in read.items():
            compare(parameter, *told[key])


@pytest.mark.parametrize(("name", "kind"), [("trainer", "Trainer"), ("target_marker", "TargetMarker")])
def test_the_reference_says_what_a_node_in_this_process_says_of_its_parameters(ros, monkeypatch, name, kind):
    module = import_module(f"crisp_ik_ros.nodes.{name}")
    # Its server of markers is a package of its own, which may not be there, and declares nothing.
    monkeypatch.setattr(module, "InteractiveMarkerServer", MagicMock(), raising=False)
    node = getattr(module, kind)()
    try:
        read = {parameter.name: parameter for parameter in declared.parameters_of(name)}
        assert set(node._parameters) - COMMON == set(read)
        for key, parameter in read.items():
            compare(parameter, node.describe_parameter(key), node.get_parameter(key).get_parameter_value())
    finally:
        node.destroy_node()


def describe(client, node):
    """Descriptor and value of each parameter of a running node, by name."""
    listed = client.call(ListParameters, f"/{node}/list_parameters", ListParameters.Request()).result.names
    described = client.call(
        DescribeParameters, f"/{node}/describe_parameters", DescribeParameters.Request(names=listed)
    ).descriptors
    values = client.call(GetParameters, f"/{node}/get_parameters", GetParameters.Request(names=listed)).values
    return {name: pair for name, *pair in zip(listed, described, values, strict=True)}


def compare(parameter, descriptor, value):
    assert parameter.description == descriptor.description, parameter.name
    assert parameter.read_only == descriptor.read_only, parameter.name
    if parameter.known:
        assert parameter.kind == TYPES[value.type], parameter.name
    ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
    limits = (ranges[0].from_value, ranges[0].to_value) if ranges else (None, None)
    assert (parameter.minimum, parameter.maximum) == limits, parameter.name
