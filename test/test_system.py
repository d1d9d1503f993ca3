"""Which nodes make up the system, without starting them."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from crisp_ik_ros.errors import InvalidInputError, MissingDependencyError
from crisp_ik_ros.nodes import runner
from crisp_ik_ros.nodes.description import bias_of, description_of, other_joints
from crisp_ik_ros.nodes.following import Following, TipPoses, write_report
from crisp_ik_ros.nodes.runner import TIMED_OUT, command_of, run_system
from crisp_ik_ros.nodes.system import NodeSpec, SystemArguments, panda_sim_system, trained_model_path
from crisp_ik_ros.resources import config_path
from crisp_ik_ros.robots.robot_model import panda_urdf_path
from crisp_ik_ros.trajectories import circle

NODES = ("ik_service", "panda_sim", "recorder", "target_marker", "trajectory_follower", "trainer", "viewer")
BARE = {"rviz": False, "robot_state_publisher": False}


def system(**arguments) -> dict[str, NodeSpec]:
    specs = panda_sim_system(SystemArguments(**{**BARE, **arguments}), Path("/cache"))
    return {spec.name: spec for spec in specs}


def test_a_true_robot_is_served_by_the_model_that_ships():
    nodes = system()
    assert list(nodes) == ["panda_sim", "ik_service", "trajectory_follower"]
    assert nodes["ik_service"].parameters == {"model": ""} and not nodes["ik_service"].after
    assert nodes["panda_sim"].parameters["publish_robot_description"]


def test_a_biased_robot_is_learned_first():
    nodes = system(joint_bias_deg=1.0, link_bias_mm=2.0, bias_seed=3, samples=700)
    trainer = nodes["trainer"].parameters
    assert nodes["ik_service"].after == "trainer" and not nodes["trainer"].required
    assert nodes["ik_service"].parameters["model"] == trainer["output"]
    assert trainer["output"] == "/cache/panda_1deg_2mm_seed3_residual_700.npz" and trainer["reuse"]
    for name in ("joint_bias_deg", "link_bias_mm", "bias_seed"):
        assert trainer[name] == nodes["panda_sim"].parameters[name]
    assert "joint_bias_deg" not in nodes["ik_service"].parameters
    assert "joint_bias_deg" not in nodes["trajectory_follower"].parameters


def test_another_loss_is_learned_too_and_every_case_has_a_file_of_its_own():
    assert "trainer" in system(loss="radians")
    cases = [{}, {"joint_bias_deg": 1.0}, {"link_bias_mm": 1.0}, {"bias_seed": 0}, {"loss": "radians"}, {"samples": 9}]
    assert len({trained_model_path(SystemArguments(**case), Path()) for case in cases}) == len(cases)


def test_the_cache_follows_ros_home(monkeypatch, tmp_path):
    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    assert trained_model_path(SystemArguments()).parent == tmp_path / "crisp_ik"
    monkeypatch.delenv("ROS_HOME")
    assert trained_model_path(SystemArguments()).parent == Path.home() / ".ros" / "crisp_ik"


def test_a_model_that_is_named_is_served_as_it_is():
    assert system(model="nominal", joint_bias_deg=1.0)["ik_service"].parameters == {"model": "nominal"}
    assert Path(system(model="mine.npz")["ik_service"].parameters["model"]) == Path("mine.npz").absolute()


def test_the_page_is_there_when_wanted_with_the_model_that_is_served():
    assert "viewer" not in system()
    nodes = system(view=True, view_port=9000, joint_bias_deg=1.0)
    viewer = nodes["viewer"]
    assert viewer.parameters["port"] == 9000 and viewer.parameters["host"] == "127.0.0.1" and not viewer.required
    assert viewer.parameters["model"] == nodes["ik_service"].parameters["model"] and viewer.after == "trainer"


def test_rviz_and_robot_state_publisher_come_when_wanted():
    nodes = system(rviz=True, robot_state_publisher=True)
    assert Path(nodes["rviz2"].arguments[1]).name == "panda.rviz"
    assert "<robot" in nodes["robot_state_publisher"].parameters["robot_description"]
    assert not nodes["panda_sim"].parameters["publish_robot_description"]


def test_texts_become_arguments():
    arguments = SystemArguments.parse({"rate": "40", "rviz": "False", "trajectory": "circle", "bias_seed": "2"})
    assert arguments.rate == 40.0 and arguments.rviz is False and arguments.bias_seed == 2
    assert SystemArguments.parse({}) == SystemArguments()
    assert all(item.metadata["description"] for item in dataclasses.fields(SystemArguments))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rate", "fast"),
        ("rate", "0"),
        ("rate", "nan"),
        ("rviz", "perhaps"),
        ("trajectory", "square"),
        ("loss", "hinge"),
        ("samples", "1.5"),
        ("joint_bias_deg", "90"),
        ("joint_bias_deg", "nan"),
        ("view_port", "0"),
        ("model", ""),
        ("log_level", "loud"),
        ("speed", "3"),
    ],
)
def test_bad_arguments_are_refused_by_name(name, text):
    with pytest.raises(InvalidInputError, match=name):
        SystemArguments.parse({name: text})


@pytest.mark.parametrize("node", NODES)
def test_every_node_has_a_configuration_whose_parameters_it_declares(node):
    content = yaml.safe_load(config_path(f"{node}.yaml").read_text())
    parameters = content["/**"]["ros__parameters"]
    sources = [Path(runner.__file__).parent / f"{name}.py" for name in (node, "parameters")]
    parts = {"trajectory_follower": "follower_options.py", "ik_service": "drift.py", "viewer": "viewer_options.py"}
    if node in parts:
        sources.append(Path(runner.__file__).parent / parts[node])
    text = "".join(path.read_text() for path in sources)
    assert parameters and [name for name in parameters if f'"{name}"' not in text] == []


def test_rviz_shows_what_the_nodes_publish():
    content = yaml.safe_load(config_path("panda.rviz").read_text())
    displays = content["Visualization Manager"]["Displays"]
    topics = {str(display.get("Topic", display.get("Description Topic", {})).get("Value")) for display in displays}
    follower = "/trajectory_follower/"
    assert {"/robot_description", follower + "target_path", follower + "actual_path", follower + "markers"} <= topics
    assert content["Visualization Manager"]["Global Options"]["Fixed Frame"] == "panda_link0"


def test_a_command_line_carries_all_of_a_node():
    spec = system(model="a b.npz")["ik_service"]
    command = command_of(dataclasses.replace(spec, remappings=(("compute_ik", "ik"),)))
    assert command[:3] == [sys.executable, "-m", "crisp_ik_ros.nodes.ik_service"]
    assert "compute_ik:=ik" in command and "__node:=ik_service" in command
    assert json.loads(command[-1].partition(":=")[2]).endswith("a b.npz")


def test_the_log_level_is_for_the_nodes_of_this_package_only():
    nodes = system(log_level="debug", robot_state_publisher=True)
    for name in ("panda_sim", "ik_service", "trajectory_follower"):
        command = command_of(nodes[name])
        assert command[command.index("--log-level") + 1] == "debug"
        assert command.index("--log-level") > command.index("--ros-args")
    assert not nodes["robot_state_publisher"].log_level


def test_a_package_that_is_missing_is_named():
    with pytest.raises(MissingDependencyError, match="no_such_package"):
        command_of(NodeSpec("x", "x", "no_such_package"))


# -- the runner, on small programs in place of nodes -------------------------------------------------------------------

IMPORTS = "import os, signal, sys, time; from pathlib import Path\n"
HEED = IMPORTS + "signal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n"
IGNORE = IMPORTS + "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
SLEEP = "time.sleep(60)\n"


@pytest.fixture
def programs(monkeypatch):
    def use(**texts):
        monkeypatch.setattr(runner, "command_of", lambda spec: [sys.executable, "-c", texts[spec.name]])

    return use


@pytest.fixture
def up(tmp_path):
    """Lines of programs that say that they are up, and that wait until that was said."""
    mark = f"Path({str(tmp_path / 'up')!r})"
    return f"{mark}.touch()\n", f"while not {mark}.exists(): time.sleep(0.02)\n"


def test_the_system_ends_with_the_node_that_is_required(programs, up, tmp_path):
    say, wait = up
    for code in (0, 3):
        programs(server=HEED + say + SLEEP, follower=IMPORTS + wait + f"sys.exit({code})")
        assert run_system([NodeSpec("server", "x"), NodeSpec("follower", "x")]) == code
        (tmp_path / "up").unlink()


def test_a_node_waits_for_the_one_before_it(programs, tmp_path):
    mark = tmp_path / "mark"
    write = f"open({str(mark)!r}, 'w').close()"
    programs(
        first=f"import time; time.sleep(0.3); {write}", second=f"assert __import__('os').path.exists({str(mark)!r})"
    )
    specs = [NodeSpec("first", "x", required=False), NodeSpec("second", "x", after="first")]
    assert run_system(specs) == 0
    programs(first="raise SystemExit(2)", second=write)
    mark.unlink()
    assert run_system(specs) == 2
    assert not mark.exists()


def test_a_signal_ends_all_of_them(programs, up):
    say, wait = up
    programs(a=HEED + say + SLEEP, b=HEED + wait + f"os.kill({os.getpid()}, signal.SIGTERM)\n" + SLEEP)
    before = signal.getsignal(signal.SIGTERM)
    assert run_system([NodeSpec("a", "x"), NodeSpec("b", "x")]) == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_does_not_end_is_killed_and_the_time_limit_is_told(programs, up):
    say, wait = up
    programs(a=HEED + SLEEP)
    assert run_system([NodeSpec("a", "x")], timeout=0.5) == TIMED_OUT
    programs(a=IGNORE + say + SLEEP, b=IMPORTS + wait)
    assert run_system([NodeSpec("a", "x"), NodeSpec("b", "x")], grace=0.3) == 1


# -- what the nodes are made of ----------------------------------------------------------------------------------------


def test_the_description_names_meshes_that_are_there_and_fingers_in_their_limits(panda):
    text = description_of(panda_urdf_path())
    assert "package://" not in text
    names = {part.split('"')[0] for part in text.split('filename="')[1:]}
    assert names and all(Path(name.removeprefix("file://")).is_file() for name in names)
    assert other_joints(text, panda) == {"panda_finger_joint1": 0.0, "panda_finger_joint2": 0.0}


def test_a_bias_is_positive_or_has_the_signs_of_its_seed(panda):
    joints, links = bias_of(panda, 0.02, 0.001, -1)
    assert (joints == 0.02).all() and (links == 0.001).all()
    joints, links = bias_of(panda, 0.02, 0.001, 1)
    assert set(np.abs(joints)) == {0.02} and (joints < 0).any()


def test_tip_poses_are_interpolated():
    tips = TipPoses()
    path = circle(points=3)
    moved = path[0].copy()
    moved[0, 3] += 0.01
    tips.add(1.0, path[0])
    tips.add(1.02, moved)
    tips.add(1.01, path[2])
    assert len(tips.times) == 2
    middle = tips.at(1.01)
    assert middle is not None
    assert middle[0, 3] - path[0, 0, 3] == pytest.approx(0.005)
    assert tips.at(0.9) is None and tips.at(1.1) is None
    tips.add(9.0, moved)
    assert tips.at(5.0) is None


def test_a_report_has_an_entry_for_every_target(tmp_path):
    targets = circle(points=3)
    run = Following("circle", targets)
    for index in range(3):
        run.tips.add(float(index) * 0.05, targets[index])
        run.answered(1 if index else -31, "" if index else "far", 0.001, 0.5, "learned")
        run.commanded(np.zeros(7) if index else None, 0.05 * index if index else None)
    assert run.failures == 1 and not run.complete
    assert "2 of 3" in run.summary() and "target 0, code -31: far" in run.summary()
    path = tmp_path / "new" / "report.json"
    write_report(path, ["a"], [run])
    content = json.loads(path.read_text())
    (entry,) = content["runs"]
    assert not content["complete"] and entry["configurations"][0] is None and entry["measured"][0] is None
    np.testing.assert_allclose(entry["measured"][2], targets[2], atol=1e-12)
    assert [len(entry[name]) for name in ("targets", "configurations", "measured", "latencies", "supports")] == [3] * 5
