"""A few thousand changed inputs of every reader, the same in each run; ``make soak`` runs a million."""

import importlib.util
import json
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fuzz.engines import Case, Outcome, run_plainly
from fuzz.files import fingerprint_of, forget_scratch, scratch
from fuzz.mutators import packed, scrambled, unpacked
from fuzz.targets import TARGETS, Target
from oracles import ROOT, TWO_LINK
from untraced import untraced

from crisp_ik_ros import Dataset, RobotModel, load_model
from crisp_ik_ros.nodes.joint_order import indices_of

BY_NAME = {target.name: target for target in TARGETS}
FILES = {"model": "model.npz", "archive": "data.npz", "table": "data.csv"}
CASES = {"plain": 2000, "atheris": 1000}


@pytest.fixture
def folder():
    yield scratch()
    forget_scratch()


@pytest.mark.slow
@pytest.mark.parametrize("engine", CASES)
def test_readers_and_requests_raise_nothing_but_their_own_errors(engine, tmp_path):
    if importlib.util.find_spec("atheris") is None and engine == "atheris":
        pytest.skip("Atheris is not installed: it has no wheel for this machine")
    # Not seen by the coverage of the tests: it would take several times as long, and Atheris marks the code itself.
    command = [sys.executable, "-m", "fuzz", "--engine", engine, "--runs", str(CASES[engine])]
    command += ["--findings", str(tmp_path / "findings"), "--out", str(tmp_path / "out.json")]
    done = subprocess.run(command, cwd=ROOT / "test", env=untraced(), capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["cases"] >= CASES[engine]
    assert {target["target"] for target in record["targets"]} == set(BY_NAME)


@pytest.mark.parametrize("name", BY_NAME)
def test_what_the_changes_begin_with_is_whole(name, tmp_path, folder):
    for data in BY_NAME[name].seeds(tmp_path):
        BY_NAME[name].run(data)
        if name in FILES:
            path = folder / FILES[name]
            assert (load_model(path) if name == "model" else Dataset.load(path)) is not None
        elif name == "urdf":
            ends = ("floor", "tool") if b"gantry" in data else (None, None)
            assert RobotModel.from_urdf(data.decode(), *ends).dof
        elif name in ("recording", "point_folder"):
            single = folder / ("recording.db3" if data[:6] == b"SQLite" else "recording.mcap")
            path = folder / {"recording": "recording", "point_folder": "points"}[name]
            path = path if path.is_dir() and any(path.iterdir()) else single
            options = {} if name == "recording" else {"joint_names": ["shoulder", "elbow"]}
            assert len(Dataset.load(path, **options)) >= 3


@pytest.mark.parametrize("name", BY_NAME)
def test_changes_are_the_same_for_the_same_seed_and_change_something(name, tmp_path):
    target = BY_NAME[name]
    for data in target.seeds(tmp_path):
        results = []
        for _ in range(2):
            rng = random.Random(3)
            results.append([target.mutator(data, rng, lambda part, rng=rng: scrambled(part, rng)) for _ in range(20)])
        assert results[0] == results[1]
        assert len({*results[0], data}) > 10


def test_faults_are_counted_kept_and_told_apart(tmp_path):
    def reader(data):
        if b"7" in data:
            raise KeyError("seven")
        if b"nan" in data:
            return [][0]

    target = Target("broken", reader, lambda folder: [b"1234567"], BY_NAME["table"].mutator, 1.0)
    outcome = Outcome("broken", "plain", 1)
    case = Case(target, outcome, tmp_path)
    run_plainly(target, [b"1,2,3,4,5,6,7\n1,2\n"], case, 500, 1, lambda: None)
    assert outcome.cases == 500
    assert {kind.split(" at ")[0] for kind in outcome.faults} == {"KeyError", "IndexError"}
    for fault in outcome.faults.values():
        assert 1 <= len(fault["inputs"]) <= 3
        with pytest.raises((KeyError, IndexError)):
            reader(Path(fault["inputs"][0]).read_bytes())


# What the fuzzing has found.


def changed(target, name, change, tmp_path, which=0):
    """The seed of a target, with one member of its archive changed."""
    members = unpacked(BY_NAME[target].seeds(tmp_path)[which])
    assert name in dict(members)
    return packed([(member, change(data) if member == name else data) for member, data in members])


def with_header(data, text):
    """An array whose header says something else."""
    return data[:8] + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    "target, member",
    [("model", "header.npy"), ("model", "centers.npy"), ("archive", "poses.npy"), ("archive", "version.npy")],
)
def test_an_array_whose_header_ends_within_a_bracket_is_refused(target, member, tmp_path, folder):
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,\n"
    BY_NAME[target].run(changed(target, member, lambda data: with_header(data, text), tmp_path))


@pytest.mark.parametrize("member", ["distance_groups", "distance_values", "version", "joint_names", "kinds", "noise"])
def test_members_of_a_dataset_that_are_no_arrays_are_refused(member, tmp_path, folder):
    members = unpacked(BY_NAME["archive"].seeds(tmp_path)[3])
    renamed = [(member if name == f"{member}.npy" else name, data) for name, data in members]
    damaged = [(name, b"abc" if name == f"{member}.npy" else data) for name, data in members]
    for data in (packed(renamed), packed(damaged)):
        BY_NAME["archive"].run(data)


@pytest.mark.parametrize("name", ["velocity", "lower", "upper", "origin", "axis"])
@pytest.mark.parametrize("value", ["a", True, -1.0, 0.0, float("nan"), 1e308, [[1e308] * 4] * 4, [0.0, 0.0, 5.0]])
def test_a_robot_of_a_model_that_cannot_be_is_refused(name, value, tmp_path):
    header = json.loads(BY_NAME["model_robot"].seeds(tmp_path)[0])
    described = header["robot"]
    described["joints"][0][name] = value
    described["fingerprint"] = fingerprint_of(described) or described["fingerprint"]
    BY_NAME["model_robot"].run(json.dumps(header).encode())


@pytest.mark.parametrize("velocity", ["nan", "-1"])
def test_a_urdf_whose_speed_limit_is_no_speed_is_refused(velocity):
    BY_NAME["urdf"].run(TWO_LINK.replace('velocity="2"', f'velocity="{velocity}"').encode())


def test_a_long_cell_is_not_quoted_in_full(tmp_path, folder):
    cell = b"x" * 50_000
    BY_NAME["table"].run(BY_NAME["table"].seeds(tmp_path)[0].replace(b"\n", b"\n" + cell + b",", 1))
    BY_NAME["table"].run(cell)
    BY_NAME["point_folder"].run(packed([("a.csv", b"1," + cell)]))


@pytest.mark.parametrize("far", [1e308, -1e200, 1e30])
def test_a_request_farther_away_than_numbers_reach_is_answered_with_numbers(far, tmp_path):
    one = {**json.loads(BY_NAME["request"].seeds(tmp_path)[0]), "position": [far, far, 0.0]}
    BY_NAME["request"].run(json.dumps(one).encode())
    whole = {**json.loads(BY_NAME["path_request"].seeds(tmp_path)[0]), "poses": [one, one]}
    BY_NAME["path_request"].run(json.dumps(whole).encode())


@pytest.mark.parametrize("name", ["frame", "link", "names"])
def test_what_a_request_says_at_length_is_not_sent_back_in_full(name, tmp_path):
    long = "x" * 100_000
    value = {**json.loads(BY_NAME["request"].seeds(tmp_path)[1]), name: [long, "elbow"] if name == "names" else long}
    BY_NAME["request"].run(json.dumps(value).encode())


def test_a_hundred_thousand_doubled_joint_names_are_refused_at_once():
    names = [f"joint{index // 2}" for index in range(100_000)]
    begin = time.process_time()
    with pytest.raises(ValueError, match="more than once") as error:
        indices_of(names, ["a", "b"], "seed")
    assert time.process_time() - begin < 5.0
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("values", [{"yaw": float("nan")}, {"yaw": float("inf")}, {"offset": [1e308, 0.0, 0.0]}])
def test_a_trajectory_that_is_not_finite_is_refused(values, tmp_path):
    for seed in BY_NAME["trajectory"].seeds(tmp_path):
        BY_NAME["trajectory"].run(json.dumps({**json.loads(seed), **values}).encode())
