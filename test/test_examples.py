"""Every example runs, and what it prints is true."""

import importlib.util
import re

import pytest
from oracles import ROOT

EXAMPLES = ROOT / "examples"
# Needs ROS 2: test/ros/test_example.py runs it.
WITH_ROS = "08_call_the_service"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run an example in an empty folder; return its figures and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(name):
        spec = importlib.util.spec_from_file_location(f"example_{name[:2]}", EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main(), capsys.readouterr().out

    return run


def test_every_example_is_in_the_index_and_has_a_test():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    index = set(re.findall(r"\]\((\w+)\.py\)", (EXAMPLES / "README.md").read_text()))
    tested = set(re.findall(r'run\("(\w+)"\)', (ROOT / "test" / "test_examples.py").read_text())) | {WITH_ROS}
    assert names == index == tested
    assert sorted(int(name[:2]) for name in names) == list(range(1, len(names) + 1))


def test_one_pose_is_solved_and_one_out_of_reach_is_not(run):
    figures, printed = run("01_solve_a_pose")
    assert figures["error_mm"] < 0.02 and printed.count("degrees") == 7
    # Five metres from the base, with an arm that reaches less than 1.2 m.
    assert not figures["found"] and 3.8 < figures["short_m"] < 5.0


def test_what_is_learned_from_the_table_beats_the_urdf_a_hundred_times(run, tmp_path):
    figures, printed = run("02_learn_from_a_table")
    assert figures["urdf"] > 15.0 and figures["learned"] < figures["urdf"] / 100
    header, *rows = (tmp_path / "out/examples/measured.csv").read_text().splitlines()
    assert "qw" in header and len(rows) == 500
    assert (tmp_path / "out/examples/learned.npz").is_file() and "ik_service" in printed


def test_sixty_positions_in_an_unknown_frame_identify_the_arm(run):
    figures, _ = run("03_identify_an_arm")
    assert figures["urdf"] > 5.0 and figures["learned"] < 0.5
    assert figures["learned"] < figures["predicted"] < figures["urdf"]
    assert figures["frame"] < 1.0


def test_the_path_keeps_its_bound_and_a_tighter_one_refuses(run, tmp_path):
    figures, _ = run("04_follow_a_path")
    assert figures["solved"] == figures["many"] == 200
    assert 0.0 < figures["largest"] <= 0.05 and figures["refused"] > 0
    assert (tmp_path / "out/examples/joints.png").read_bytes().startswith(b"\x89PNG")


def test_an_arm_of_ones_own_is_solved_within_its_limits(run):
    figures, _ = run("05_your_own_robot")
    assert figures["solved"] > 0.97 and figures["worst_mm"] < 0.01 and figures["inside"]


def test_an_estimator_of_ones_own_finds_the_shift_of_the_tool(run):
    figures, printed = run("06_extend_it")
    assert figures["urdf"] > 4.0 and figures["own kernel"] < figures["urdf"] / 4 and figures["own estimator"] < 0.01
    assert re.search(r"found \[ *4\. +-2\. +3\. *\] mm", printed)


def test_planned_measurements_are_expected_to_tell_more(run):
    figures, _ = run("07_choose_where_to_measure")
    assert figures["expected planned"] < figures["expected by chance"] < figures["before_mm"]
    assert figures["planned"] < 1.0


def test_a_knocked_arm_is_noticed(run):
    verdicts, printed = run("09_notice_drift")
    assert verdicts == {"as trained": False, "knocked": True}
    assert printed.count("no drift") == 1
