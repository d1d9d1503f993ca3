"""What the README says is there."""

import re

import pytest
import yaml
from oracles import ROOT

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "node", ["ik_service", "panda_sim", "recorder", "target_marker", "trainer", "trajectory_follower", "viewer"]
)
def test_every_parameter_of_a_node_is_in_the_readme(node):
    parameters = yaml.safe_load((ROOT / "config" / f"{node}.yaml").read_text())["/**"]["ros__parameters"]
    missing = [name for name in parameters if f"`{name}`" not in README]
    assert not missing


def test_every_command_of_crisp_ik_in_the_readme_exists():
    from crisp_ik_ros.cli import app

    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    used = set(re.findall(r"crisp-ik ([a-z][a-z-]*)", README))
    assert used and used <= commands


def test_files_that_the_readme_links_to_exist():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in link:
            assert (ROOT / link).exists(), link
