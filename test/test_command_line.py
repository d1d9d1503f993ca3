"""What crisp-ik says of itself, and how it ends: help, choices, completion, errors, exit codes, progress."""

import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from enum import Enum
from io import StringIO
from typing import get_args, get_type_hints

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from crisp_ik_ros import (
    cli_data,
    cli_help,
    cli_options,
    cli_paper,
    cli_progress,
    cli_simulation,
    cli_training,
    commands,
)
from crisp_ik_ros.cli import app
from crisp_ik_ros.cli_completion import files, robot_names, robots
from crisp_ik_ros.cli_outcome import run
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.terminal import print_json, show

GROUP = typer.main.get_command(app)
COMMANDS = dict(GROUP.commands)


def said(*arguments, **environment):
    return CliRunner().invoke(app, [*map(str, arguments)], prog_name="crisp-ik", env={"COLUMNS": "80", **environment})


def examples_of(command):
    """Commands in the help, with what is continued on the next line, and without what they are piped to."""
    text = command.help.replace(r"\[", "[").replace("\\\n", " ").replace("\b", "")
    return [line.split("|")[0].strip() for line in text.splitlines() if line.strip().startswith("crisp-ik ")]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches_within_80_columns_and_without_control_codes(name):
    result = said(name, "--help")
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout and "\b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "Examples" in result.stdout and "--json" in result.stdout
    assert len(COMMANDS[name].short_help) <= cli_help.LONGEST_SUMMARY
    for line in COMMANDS[name].help.replace("\b", "").splitlines():
        if line.startswith("  "):
            assert len(line) <= cli_help.LONGEST_EXAMPLE, line


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_understood_as_they_stand(name):
    examples = examples_of(COMMANDS[name])
    assert examples
    for example in examples:
        _, command, *arguments = shlex.split(example)
        with COMMANDS[command].make_context(command, arguments) as context:
            assert context.params
    with pytest.raises(Exception, match="No such option"):
        COMMANDS[name].make_context(name, [*shlex.split(examples[0])[2:], "--no-such-option"])


def test_units_stand_in_the_help():
    text = said("ik", "--help").stdout
    assert "base frame [m]" in text and "[rad]" in text and "[s]" in text


def test_the_list_of_commands_is_grouped_and_each_has_one_line():
    text = said().stdout
    assert text.strip() == said("--help").stdout.strip()
    lines = [line.strip("│ ") for line in text.splitlines()]
    for name, command in COMMANDS.items():
        assert any(re.fullmatch(rf"{name} +{re.escape(command.short_help)}", line) for line in lines), name
    assert text.index("Start here") < text.index("Your robot") < text.index("The paper")
    assert "Exit codes" in text


def choices():
    from crisp_ik_ros.estimators.measurement_plan import INFORMATION, PREDICTIVE
    from crisp_ik_ros.experiments.measurement_planning import KINDS
    from crisp_ik_ros.experiments.presets import PRESETS
    from crisp_ik_ros.experiments.reproduce import NAMES
    from crisp_ik_ros.nodes.system import LOG_LEVELS, LOSSES
    from crisp_ik_ros.planning_cli import CriterionName, KindName
    from crisp_ik_ros.regression.kernels import KERNELS
    from crisp_ik_ros.training.request import ESTIMATORS, PLACES
    from crisp_ik_ros.trajectories import TRAJECTORIES

    return {
        cli_options.LevelName: LOG_LEVELS,
        cli_options.LossName: LOSSES,
        cli_simulation.TrajectoryName: (*TRAJECTORIES, "both"),
        cli_paper.ResultName: ("all", *NAMES),
        cli_data.PresetName: PRESETS,
        cli_training.KernelName: KERNELS,
        cli_training.EstimatorName: ESTIMATORS,
        cli_training.PlaceName: PLACES,
        KindName: KINDS,
        CriterionName: (INFORMATION, PREDICTIVE),
    }


def test_choices_are_those_of_what_they_are_passed_to():
    for names, known in choices().items():
        assert sorted(name.value for name in names) == sorted(known), names


@pytest.mark.parametrize("name", COMMANDS)
def test_every_choice_stands_in_the_help(name):
    text = said(name, "--help", COLUMNS="120").stdout
    for hint in get_type_hints(COMMANDS[name].callback.__wrapped__).values():
        for kind in (hint, *get_args(hint)):
            if isinstance(kind, type) and issubclass(kind, Enum) and kind is not cli_paper.ResultName:
                assert all(choice.value in text for choice in kind), kind


def test_another_choice_is_refused_by_the_parser(capsys):
    assert run(app, ["sim", "--trajectory", "triangle"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("crisp-ik sim: ") and error.count("\n") == 1
    assert "spiral" in error and error.endswith("See: crisp-ik sim --help\n")


def test_version(capsys):
    from crisp_ik_ros import __version__

    assert run(app, ["--version"]) == 0
    assert capsys.readouterr().out == f"crisp-ik {__version__}\n"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (DatasetError("row 3 is empty"), 1, "row 3 is empty"),
        (MemoryError(), 1, "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device", "out.npz"), 1, "out.npz: the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "here"), 1, "here: no permission"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "there"), 1, "there: no such file"),
        (ModuleNotFoundError("No module", name="matplotlib"), 1, "pip install matplotlib"),
        (KeyError("joint"), 70, "unexpected KeyError: 'joint'"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_whatever_goes_wrong_is_one_line_an_object_or_with_debug_a_traceback(monkeypatch, capsys, error, code, words):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(commands, "evaluate_model", fail)
    assert run(app, ["evaluate", "m.npz", "d.csv"]) == code
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("crisp-ik: ") and shown.err.count("\n") == 1
    assert words in shown.err
    assert run(app, ["evaluate", "m.npz", "d.csv", "--json"]) == code
    shown = capsys.readouterr()
    content = json.loads(shown.out)
    assert shown.err == "" and words in content["error"] and content["exit_code"] == code
    if code != 130:
        assert content["kind"] == type(error).__name__
        assert run(app, ["--debug", "evaluate", "m.npz", "d.csv"]) == code
        assert "Traceback" in capsys.readouterr().err
        assert run(app, ["evaluate", "m.npz", "d.csv", "--debug"]) == code
        assert "Traceback" in capsys.readouterr().err


def test_wrong_usage_is_an_object_too(capsys):
    assert run(app, ["evaluate", "--json"]) == 2
    content = json.loads(capsys.readouterr().out)
    assert content["kind"] == "UsageError" and "MODEL" in content["error"]


PROGRAM = [sys.executable, "-m", "crisp_ik_ros.cli"]


def test_nobody_reading_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*PROGRAM, "--help"], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_ctrl_c_ends_with_130_and_one_line():
    program = (
        # One that is begun in the background may have been told to ignore it.
        "import signal, sys, time; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from crisp_ik_ros.cli import app, main;"
        "app.command('wait')(lambda: (print('on', flush=True), time.sleep(100)));"
        "sys.argv = ['crisp-ik', 'wait']; main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "on\n"
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "crisp-ik: interrupted\n")


def test_help_and_completion_import_nothing_slow():
    program = (
        "import sys; from crisp_ik_ros.cli import app; from crisp_ik_ros.cli_outcome import run;"
        "run(app, ['train', '-h']);"
        "print(*{'numpy', 'numba', 'scipy', 'yaml', 'pybullet', 'rclpy'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "\n"), done.stderr


@pytest.mark.parametrize(
    ("shell", "environment"),
    [
        ("bash", lambda words: {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}),
        ("zsh", lambda words: {"_TYPER_COMPLETE_ARGS": words}),
        ("fish", lambda words: {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_completion_in_each_shell(monkeypatch, tmp_path, shell, environment):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.npz").touch()
    (tmp_path / "mine.txt").touch()

    def completed(words):
        result = said(_CRISP_IK_COMPLETE=f"complete_{shell}", **environment(words))
        return set(re.findall(r"[\w./+-]+", result.stdout.replace("_arguments", "")))

    assert {"train", "describe"} <= completed("crisp-ik ")
    assert {"residual", "radians"} <= completed("crisp-ik train m.npz --loss ")
    assert "panda" in completed("crisp-ik train m.npz --robot pa")
    assert "--joint-bias-deg" in completed("crisp-ik sim --joint")
    found = completed("crisp-ik evaluate mi")
    assert "mine.npz" in found and "mine.txt" not in found


def test_the_shell_script_completes_this_program():
    result = said(_CRISP_IK_COMPLETE="source_bash")
    assert "_CRISP_IK_COMPLETE=complete_bash" in result.stdout and "crisp-ik" in result.stdout


def test_files_are_completed_by_kind(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "deep").mkdir(parents=True)
    for name in ("a.csv", "a.txt", "data/b.csv", "data/.hidden.csv"):
        (tmp_path / name).touch()
    complete = files(".csv")
    assert complete("") == ["a.csv", "data/"]
    assert complete("da") == ["data/", "data/b.csv", "data/deep/"]
    assert complete("data/b") == ["data/b.csv"]
    assert complete(f"{tmp_path}/a") == [f"{tmp_path}/a.csv"]
    assert complete("nowhere/") == [] and complete("~/") == []


def test_robots_are_those_of_the_catalog():
    from crisp_ik_ros.robots import catalog

    names = catalog.robot_names() if hasattr(catalog, "robot_names") else catalog.BUILT_IN
    assert sorted(robot_names()) == sorted(names)
    assert robots("pan")[0].startswith("panda")


def test_a_log_file_shows_life(monkeypatch, capsys):
    monkeypatch.setattr(cli_progress, "LINE_EVERY", 0.01)
    seen = ""
    with cli_progress.progress_bars() as bar:
        tell = bar("sampling")
        tell(1, 4)
        while "sampling" not in seen:
            time.sleep(0.01)
            seen += capsys.readouterr().err
        bar("fitting")
        while "fitting" not in seen:
            time.sleep(0.01)
            seen += capsys.readouterr().err
    assert re.match(r"sampling: 25% after \d+ s, about \d+ s left\n", seen)
    assert re.search(r"fitting: \d+ s so far\n", seen) and "\x1b" not in seen


def test_nothing_is_written_beside_json_into_a_file(monkeypatch, capsys):
    monkeypatch.setattr(cli_progress, "LINE_EVERY", 0.01)
    with cli_progress.progress_bars(quiet=True) as bar:
        bar("sampling")(1, 2)
        time.sleep(0.05)
    assert capsys.readouterr() == ("", "")


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("measuring", [False, True])
def test_a_terminal_shows_a_bar_and_is_left_as_it_was(monkeypatch, measuring):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(KeyError), cli_progress.progress_bars(measuring=measuring) as bar:
        tell = bar("sampling")
        tell(1, 2)
        tell(2, 2)
        bar("fitting")(1, 3)
        raise KeyError
    text = terminal.getvalue()
    assert "sampling" in text and "100%" in text and "fitting" in text
    # The cursor is there again.
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_wide_tables_are_broken_between_columns(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    show({"t": {"row": {f"column {i}": float(i) for i in range(12)}}}, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [word for line in lines for word in re.findall(r"column \d+", line)] == [f"column {i}" for i in range(12)]
    assert sum(line.split()[0] == "row" for line in lines) == len(lines) // 2 > 1


def test_json_knows_no_infinity(capsys):
    print_json({"a": float("nan"), "b": np.array([1.0, np.inf]), 3: np.float64(2.0), "c": np.bool_(True)})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.0, None], "3": 2.0, "c": True}


def test_a_simulation_is_summed_up(monkeypatch, capsys, tmp_path):
    targets = np.tile(np.eye(4), (3, 1, 1))
    measured = targets.copy()
    measured[:, 0, 3] += 1e-3
    run_ = {
        "trajectory": "circle",
        "targets": targets.tolist(),
        "configurations": [[0.0], [0.0], None],
        "measured": [*measured[:2].tolist(), None],
        "latencies": [1e-3, 1e-3],
        "halts": 1,
    }

    def simulate(arguments, output=None):
        assert output is sys.stderr
        with open(arguments["report"], "w") as stream:
            json.dump({"complete": True, "runs": [run_]}, stream)
        return 0

    monkeypatch.setattr(commands, "run_simulation", simulate)
    report = tmp_path / "report.json"
    for arguments in ([], ["--report", str(report)]):
        assert run(app, ["sim", "--json", *arguments]) == 0
        summary = json.loads(capsys.readouterr().out)
        circle = summary["runs"][0]
        assert (circle["targets"], circle["answered"], circle["halts"]) == (3, 2, 1)
        assert circle["position [mm]"]["max"] == pytest.approx(1.0)
        assert circle["latency [ms]"]["median"] == pytest.approx(1.0)
    assert summary["complete"] and summary["report"] == str(report)
    monkeypatch.setattr(commands, "run_simulation", lambda arguments, output=None: 1)
    assert run(app, ["sim", "--json", "--report", str(report)]) == 1
    assert json.loads(capsys.readouterr().out) == {"exit_code": 1, "complete": False, "runs": [], "report": None}
