"""The RViz configuration, against what rviz_default_plugins has and what the nodes publish.

Classes and properties are those in the sources of rviz_default_plugins and rviz_common, Humble to Kilted.
"""

from __future__ import annotations

import pytest
import yaml
from policies import allowed

from crisp_ik_ros.resources import config_path

DISPLAY = {"Class", "Enabled", "Name", "Value"}
TOPIC = {"Depth", "Durability Policy", "History Policy", "Reliability Policy", "Value"}
# What a display's own properties may be called; of a topic with a message filter also the size of that.
PROPERTIES = {
    "Grid": {
        "Alpha", "Cell Size", "Color", "Line Style", "Normal Cell Count", "Offset", "Plane", "Plane Cell Count",
        "Reference Frame",
    },
    "RobotModel": {
        "Alpha", "Collision Enabled", "Description File", "Description Source", "Description Topic", "Links",
        "Mass Properties", "TF Prefix", "Update Interval", "Visual Enabled",
    },
    "Path": {
        "Alpha", "Buffer Length", "Color", "Head Diameter", "Head Length", "Length", "Line Style", "Line Width",
        "Offset", "Pose Color", "Pose Style", "Radius", "Shaft Diameter", "Shaft Length", "Topic",
    },
    "MarkerArray": {"Namespaces", "Topic"},
    "InteractiveMarkers": {
        "Enable Transparency", "Interactive Markers Namespace", "Show Axes", "Show Descriptions", "Show Visual Aids",
    },
    "TF": {
        "Filter (blacklist)", "Filter (whitelist)", "Frame Timeout", "Frames", "Marker Scale", "Show Arrows",
        "Show Axes", "Show Names", "Tree", "Update Interval",
    },
}  # fmt: skip
TOOLS = {
    "Interact", "MoveCamera", "Select", "FocusCamera", "Measure", "SetInitialPose", "SetGoal", "PublishPoint",
}  # fmt: skip
POLICIES = {
    "Durability Policy": {"System Default", "Transient Local", "Volatile"},
    "History Policy": {"System Default", "Keep Last", "Keep All"},
    "Reliability Policy": {"System Default", "Reliable", "Best Effort"},
}


@pytest.fixture(scope="module")
def manager():
    return yaml.safe_load(config_path("panda.rviz").read_text())["Visualization Manager"]


@pytest.fixture(scope="module")
def displays(manager):
    return manager["Displays"]


def kind_of(display) -> str:
    package, _, kind = display["Class"].partition("/")
    assert package == "rviz_default_plugins"
    return kind


def topic_of(display) -> dict | None:
    return display.get("Topic", display.get("Description Topic"))


def test_every_display_is_one_that_rviz_has_with_its_own_properties_and_no_others(displays):
    for display in displays:
        assert set(display) <= DISPLAY | PROPERTIES[kind_of(display)], display["Name"]
        assert {"Class", "Enabled", "Name", "Value"} <= set(display)
        assert display["Enabled"] == display["Value"]
    names = [display["Name"] for display in displays]
    assert len(set(names)) == len(names)


def test_every_topic_has_the_policies_that_rviz_knows(displays):
    for display in displays:
        topic = topic_of(display)
        if topic is None:
            continue
        assert set(topic) - ({"Filter size"} if kind_of(display) == "Path" else set()) == TOPIC
        for name, words in POLICIES.items():
            assert topic[name] in words
        assert topic["Depth"] >= 1


def test_every_topic_is_one_that_a_node_publishes_and_what_is_latched_is_heard_late(displays):
    published = set().union(*(rights.publish for rights in allowed().values()))
    for display in displays:
        topic = topic_of(display)
        if topic is not None:
            assert topic["Value"] in published, display["Name"]
            # All of these are published for those, too, who come later.
            assert topic["Durability Policy"] == "Transient Local" and topic["Reliability Policy"] == "Reliable"
        if kind_of(display) == "InteractiveMarkers":
            server = display["Interactive Markers Namespace"]
            assert f"{server}/update" in allowed()["target_marker"].publish
            assert f"{server}/feedback" in allowed()["target_marker"].subscribe
            assert f"{server}/get_interactive_markers" in allowed()["target_marker"].reply


def test_the_namespaces_of_the_markers_are_those_that_are_published(displays):
    namespaces = {display["Name"]: set(display["Namespaces"]) for display in displays if "Namespaces" in display}
    assert namespaces == {"Errors": {"errors", "legend", "target"}, "Answer to it": {"answer", "ghost"}}


def test_fixed_frame_tools_and_view_exist(manager):
    assert manager["Global Options"]["Fixed Frame"] == "panda_link0"
    assert {tool["Class"].removeprefix("rviz_default_plugins/") for tool in manager["Tools"]} <= TOOLS
    assert manager["Views"]["Current"]["Class"] == "rviz_default_plugins/Orbit"
    assert manager["Transformation"]["Current"]["Class"] == "rviz_default_plugins/TF"
