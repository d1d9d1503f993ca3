"""The benchmarks: who judges, who takes part, and what is written. No test asserts a time."""

import getpass
import importlib
import json
import re
import socket
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from oracles import ROOT
from scipy.spatial.transform import Rotation

from benchmarks import measured_poses, unmodeled
from benchmarks.chain_urdf import write_chain_urdf
from benchmarks.judge import CAP, LIMIT_SLACK, Judge, Outcome
from benchmarks.machine import describe_machine
from benchmarks.methods import OURS, Method
from benchmarks.peers.base import AGREEMENT, Peer, PeerError, Setting, set_up
from benchmarks.peers.registry import PEERS, find_peers, make_methods
from benchmarks.run import BENCHMARKS, Benchmark, find_benchmarks, run_benchmarks
from benchmarks.settings import constructor_arguments
from benchmarks.targets import Target, targets_text
from benchmarks.turns import take_turns
from crisp_ik_ros import Dataset, ModelBasedIK, RobotModel
from crisp_ik_ros.errors import DatasetError, InvalidInputError
from crisp_ik_ros.trajectories import spiral
from crisp_ik_ros.transforms import make_pose, rotation_exponential


@pytest.fixture(scope="module")
def judge(panda):
    return Judge(panda)


@pytest.fixture(scope="module")
def setting(panda, judge, tmp_path_factory):
    return Setting(panda, write_chain_urdf(panda, tmp_path_factory.mktemp("urdf") / "chain.urdf"), judge)


class FakeSolver:
    """Answers as the model-based estimator does."""

    def __init__(self, setting):
        self.robot = setting.robot
        self.estimator = ModelBasedIK(setting.robot)

    def forward_kinematics(self, configuration):
        return self.robot.forward_kinematics(configuration)

    def solve(self, pose, start):
        return self.estimator.solve(pose, start).configuration


FAKE = Peer("fake", "a fake", "numpy", "numpy", "as ours", FakeSolver)
ABSENT = Peer("absent", "not there", "no-such-library", "no_such_library", "", FakeSolver)


def test_judge_accepts_a_right_answer(panda, judge):
    pose = panda.forward_kinematics(panda.rest)
    verdict = judge.verdict(pose, panda.rest, 0.5 * CAP)
    assert verdict.outcome is Outcome.SOLVED
    assert verdict.position_error < 1e-12 and verdict.orientation_error < 1e-7


def test_judge_rejects_an_answer_that_is_off(panda, judge):
    pose = panda.forward_kinematics(panda.rest)
    shifted = pose.copy()
    shifted[0, 3] += 2e-5
    assert judge.verdict(shifted, panda.rest, 0.0).outcome is Outcome.INACCURATE
    # The last joint turns the tool and hardly moves it.
    turned = panda.rest + np.array([0, 0, 0, 0, 0, 0, 2e-5])
    verdict = judge.verdict(pose, turned, 0.0)
    assert verdict.outcome is Outcome.INACCURATE and verdict.position_error < 1e-5 < verdict.orientation_error


def test_judge_rejects_an_answer_outside_the_limits(panda, judge):
    outside = panda.rest.copy()
    outside[5] = panda.upper[5] + 1e-3
    assert judge.verdict(panda.forward_kinematics(outside), outside, 0.0).outcome is Outcome.OUTSIDE
    # Single precision is no offence.
    rounded = panda.rest.copy()
    rounded[5] = panda.upper[5] + 0.5 * LIMIT_SLACK
    assert judge.verdict(panda.forward_kinematics(rounded), rounded, 0.0).outcome is Outcome.SOLVED


def test_judge_rejects_a_late_answer(panda, judge):
    verdict = judge.verdict(panda.forward_kinematics(panda.rest), panda.rest, 1.01 * CAP)
    assert verdict.outcome is Outcome.LATE


@pytest.mark.parametrize("answer", [None, np.full(7, np.nan), np.zeros(6), np.zeros((1, 7))])
def test_judge_rejects_what_is_no_configuration(panda, judge, answer):
    assert judge.verdict(panda.forward_kinematics(panda.rest), answer, 0.0).outcome is Outcome.NOTHING


def test_chain_urdf_is_the_same_robot(panda, setting):
    read = RobotModel.from_urdf(setting.urdf)
    assert (read.base_link, read.tip_link, read.joint_names) == (panda.base_link, panda.tip_link, panda.joint_names)
    np.testing.assert_array_equal(read.lower, panda.lower)
    np.testing.assert_array_equal(read.upper, panda.upper)
    q = panda.random_configurations(20, np.random.default_rng(0))
    np.testing.assert_allclose(read.forward_kinematics(q), panda.forward_kinematics(q), atol=1e-12)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_library_has_our_robot_or_says_that_it_is_not_there(panda, judge, setting, peer):
    try:
        method, facts = set_up(peer, setting)
    except PeerError as error:
        if str(error).startswith("not installed: "):
            return
        raise
    assert facts["version"] and facts["forward_kinematics_difference"] <= AGREEMENT
    assert peer.how and method.how == peer.how
    # From the solution itself even one that keeps no limits gets there.
    pose = panda.forward_kinematics(panda.rest)
    assert judge.accepts(pose, method.solve(pose, panda.rest))


def test_pybullet_takes_part(judge):
    methods, report = make_methods(find_peers(["pybullet"]), judge)
    assert [method.name for method in methods] == ["pybullet"] and report["pybullet"]["takes_part"]


def test_a_library_that_is_not_there_is_reported(judge):
    methods, report = make_methods([FAKE, ABSENT], judge)
    assert [method.name for method in methods] == ["fake"]
    assert report["fake"]["takes_part"]
    assert not report["absent"]["takes_part"] and report["absent"]["reason"].startswith("not installed: ")


def test_a_library_with_another_robot_is_refused(panda, setting):
    class Moved(FakeSolver):
        def forward_kinematics(self, configuration):
            pose = self.robot.forward_kinematics(configuration)
            pose[2, 3] += 1e-3
            return pose

    with pytest.raises(PeerError, match="another robot"):
        set_up(replace(FAKE, make=Moved), setting)


def test_a_library_that_does_not_start_is_reported(setting):
    def fail(setting):
        raise RuntimeError("no licence")

    with pytest.raises(PeerError, match="does not start: RuntimeError: no licence"):
        set_up(replace(FAKE, make=fail), setting)


def test_unknown_names_are_refused():
    with pytest.raises(InvalidInputError, match="nonsense"):
        find_peers(["nonsense"])
    with pytest.raises(InvalidInputError, match="nonsense"):
        find_benchmarks(["nonsense"])
    assert find_benchmarks([]) == BENCHMARKS and find_peers(None) == PEERS


def make_method(name, solve, every=1):
    return Method(name, name, OURS, "", solve, every)


def test_turns_count_outcomes_and_exceptions(panda, judge):
    q = panda.random_configurations(30, np.random.default_rng(3))
    poses = panda.forward_kinematics(q)
    known = {pose.tobytes(): configuration for pose, configuration in zip(poses, q, strict=True)}

    def broken(pose, start):
        raise ValueError("unheard-of")

    # Judged without a cap: a test has no say on times.
    tallies = take_turns(
        [
            make_method("right", lambda pose, start: known[pose.tobytes()]),
            make_method("wrong", lambda pose, start: panda.rest),
            make_method("silent", lambda pose, start: None, every=10),
            make_method("broken", broken),
        ],
        replace(judge, cap=np.inf),
        poses,
    )
    summaries = {name: tally.summary() for name, tally in tallies.items()}
    assert summaries["right"]["solved"] == 1.0
    assert summaries["wrong"]["outcomes"] == {Outcome.INACCURATE.value: 30}
    assert summaries["silent"]["poses"] == 3 and summaries["silent"]["outcomes"] == {Outcome.NOTHING.value: 3}
    assert summaries["broken"]["solved"] == 0.0 and "unheard-of" in summaries["broken"]["first_exception"]


def test_turns_start_each_method_from_its_own_last_answer(panda, judge):
    poses, starts = spiral(points=50), []
    estimator = ModelBasedIK(panda)

    def solve(pose, start):
        starts.append(start)
        return estimator.solve(pose, start).configuration

    lost = make_method("lost", lambda pose, start: None)
    take_turns([make_method("ours", solve), lost], replace(judge, cap=np.inf), poses, panda.rest)
    assert all(start is not None for start in starts)
    assert len({start.tobytes() for start in starts}) >= len(poses)


def test_tracking_writes_json_and_picture(tmp_path):
    tracking = importlib.import_module("benchmarks.tracking")
    result = tracking.run(quick=True, peers=[FAKE, ABSENT], sizes=(25, 60, 20, 1))
    assert set(result["methods"]) == {"crisp", "model_based", "paper", "fake"}
    assert result["methods"]["paper"]["poses"] == 1 and result["methods"]["fake"]["poses"] == 25
    assert not result["peers"]["absent"]["takes_part"]
    assert {"what", "target", "measured", "met"} == set(result["targets"][0])
    json.dumps(result)
    tracking.draw(result, tmp_path / "tracking.png")
    assert (tmp_path / "tracking.png").read_bytes().startswith(b"\x89PNG")
    assert "a fake" in tracking.text(result)


def test_random_poses_write_json_and_picture(tmp_path):
    random_poses = importlib.import_module("benchmarks.random_poses")
    result = random_poses.run(quick=True, peers=[FAKE], sizes=(25, 60, 20))
    assert all(len(curve) == len(result["curve_us"]) for curve in result["curves"].values())
    json.dumps(result)
    random_poses.draw(result, tmp_path / "random.png")
    assert (tmp_path / "random.png").is_file()


def test_batch_and_prediction_write_json_and_picture(tmp_path):
    for name, sizes in (("batch", (40, 2, 2, 60, 20)), ("prediction", ((40, 60), (60,), 20, (40,), 5, 1))):
        module = importlib.import_module(f"benchmarks.{name}")
        result = module.run(quick=True, sizes=sizes)
        json.dumps(result)
        module.draw(result, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").is_file() and module.text(result)


def test_training_is_measured_in_another_process(tmp_path):
    training = importlib.import_module("benchmarks.training")
    training.write_samples(tmp_path / "samples.npz", 500)
    measured = training.train(tmp_path / "samples.npz", 100, 20)
    assert measured["seconds"] > 0.0 and 2**25 < measured["peak_bytes"] < 2**34
    with pytest.raises(training.TrainingFailed, match="no data file"):
        training.train(tmp_path / "missing.npz", 100, 20)


def test_training_writes_json_and_picture(tmp_path, monkeypatch):
    training = importlib.import_module("benchmarks.training")
    asked = []

    def train(file, count, centers):
        asked.append((count, centers))
        return {"seconds": 1e-4 * count, "peak_bytes": 2**30, "held_out_position_rms_m": None}

    monkeypatch.setattr(training, "train", train)
    result = training.run(sizes=((35000,), (100, 1000), 20, (10, 20), 1000))
    # One training serves both series it belongs to.
    assert asked == [(35000, None), (100, 20), (1000, 20), (1000, 10)]
    assert result["exponent"] == pytest.approx(1.0)
    # What was not measured at the target's size is neither met nor missed.
    assert [target["met"] for target in result["targets"]] == [True, None, None]
    json.dumps(result)
    training.draw(result, tmp_path / "training.png")
    assert (tmp_path / "training.png").is_file() and "Nystrom" in training.text(result)


def test_files_say_what_they_were_measured_on_and_what_was_not(tmp_path, monkeypatch):
    class Module:
        @staticmethod
        def run(quick, progress):
            progress(1, 1)
            return {"targets": [Target("speed", "fast", "slow", False).record()], "settings": {"quick": quick}}

        @staticmethod
        def draw(result, path):
            path.write_text(result["run"]["command"])

    monkeypatch.setitem(sys.modules, "benchmarks.imagined", Module)
    said = []
    benchmarks = [Benchmark("one", "One", "benchmarks.imagined"), Benchmark("two", "Two", "benchmarks.no_such_module")]
    run_benchmarks(
        benchmarks, tmp_path / "new", True, [], "a command", lambda title: lambda done, total: None, said.append
    )
    one, two = (json.loads((tmp_path / "new" / f"{name}.json").read_text()) for name in ("one", "two"))
    assert one["settings"] == {"quick": True} and one["run"]["machine"]["cores"] >= 1
    assert (tmp_path / "new" / "one.png").read_text() == "a command"
    assert "no_such_module" in two["not_run"] and not (tmp_path / "new" / "two.png").exists()
    assert any("not run" in line for line in said) and any("slow" in line and "NO" in line for line in said)


def test_machine_is_anonymous():
    described = json.dumps(describe_machine())
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", described)
    assert str(ROOT) not in described and f"/{getpass.getuser()}" not in described
    assert describe_machine()["libraries"]["numpy"] == np.__version__


def test_table_of_targets_lines_up():
    rows = [Target("a", "b", "c", True), Target("longer", "b", "c", None)]
    lines = targets_text([row.record() for row in rows]).splitlines()
    assert lines[1].endswith("yes") and lines[2].endswith("-")
    assert len({line.index("c" if place else "measured") for place, line in enumerate(lines)}) == 1


def test_help():
    command = [sys.executable, "-m", "benchmarks", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for word in ("--quick", "--out", "--peers", "tracking", "service"):
        assert word in done.stdout


def test_a_wrong_name_is_one_line():
    command = [sys.executable, "-m", "benchmarks", "nonsense"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "nonsense" in done.stderr and "Traceback" not in done.stderr


def test_messages_to_the_page_are_read_off_its_packets():
    pytest.importorskip("viser")
    import msgspec
    import zstandard

    from benchmarks.page_client import messages_in

    messages = [{"type": "GuiUpdateMessage", "uuid": "a", "updates": {"content": "following"}}, {"type": "other"}]
    text = msgspec.msgpack.encode({"messages": messages, "timestampSec": 1.0})
    packed = zstandard.ZstdCompressor().compress(text)
    packet = len(text).to_bytes(8, "little") + len(packed).to_bytes(8, "little") + packed + b"\0" * 8
    assert messages_in(packet) == messages


# -------------------------------------------------------------------------------- measured poses, and unexpected errors


@pytest.fixture(scope="module")
def iiwa():
    return unmodeled.ARMS["iiwa14"]()


@pytest.fixture(scope="module")
def tracked(iiwa):
    """160 poses of an iiwa with wrong frames, of a marker on its flange, in a tracker's own frame."""
    arm, rng = unmodeled.make_arm(iiwa, "none", 3), np.random.default_rng(5)
    arm = replace(arm, scales=0.0 * arm.scales, compliances=0.0 * arm.compliances)
    measured = arm.measure(iiwa.random_configurations(160, rng), rng)
    frame = make_pose([1.0, -2.0, 0.5], rotation_exponential([0.3, -0.4, 2.0]))
    tool = make_pose([0.02, 0.05, 0.1], rotation_exponential([-0.2, 0.5, 0.1]))
    return Dataset(measured.configurations, frame @ measured.poses @ tool, iiwa.joint_names)


def test_geometric_calibration_finds_frame_tool_and_offsets(iiwa, tracked):
    train, test = tracked.subset(np.arange(100)), measured_poses.samples_of(tracked.subset(np.arange(100, 160)))
    means = {}
    for fit in (measured_poses.fit_nominal, measured_poses.fit_geometric):
        linear, _ = measured_poses.residuals(test, fit(iiwa, train).predict(test.q))
        means[fit] = 1e3 * np.linalg.norm(linear, axis=1).mean()
    # The tracker's noise is 0.05 mm.
    assert means[measured_poses.fit_geometric] < 0.07 < 1.0 < means[measured_poses.fit_nominal]


def test_geometry_is_the_robots(iiwa):
    geometry = measured_poses.Geometry(iiwa, np.broadcast_to(np.eye(4), (7, 4, 4)), np.eye(4), np.eye(4))
    q = iiwa.random_configurations(20, np.random.default_rng(0))
    np.testing.assert_allclose(geometry.predict(q), iiwa.forward_kinematics(q), atol=1e-12)


def test_refitting_undoes_rigid_motions(iiwa):
    q = iiwa.random_configurations(40, np.random.default_rng(0))
    poses = iiwa.forward_kinematics(q)
    left = make_pose([0.01, -0.02, 0.005], rotation_exponential([0.01, 0.0, -0.02]))
    right = make_pose([0.0, 0.03, 0.01], rotation_exponential([0.0, 0.02, 0.01]))
    samples = measured_poses.Samples(q, left @ poses @ right, np.ones(len(q), dtype=bool))
    linear, angular = measured_poses.residuals(samples, measured_poses.refitted(samples, poses))
    assert np.abs(linear).max() < 1e-9 and np.abs(angular).max() < 1e-7


def test_measured_poses_compares_on_the_same_rows(iiwa, tracked, tmp_path):
    said = []
    result = measured_poses.run(
        iiwa, tracked.subset(np.arange(100)), {"later": tracked.subset(np.arange(100, 160))}, (50, 500), 30, 0, 3e-5,
        ("nominal", "geometric", "ours"), {"harmonics": 1, "kernel": "none"}, said.append,
    )  # fmt: skip
    rows = {(row["method"], row["size"], row["test"], row["placed"]): row for row in result["rows"]}
    # 500 rows are not there.
    assert len(rows) == len(said) == 3 * 2 * 3 and {size for _, size, *_ in rows} == {50, 70}
    for (method, *_, placed), row in rows.items():
        assert 0.0 < row["median_mm"] <= row["p95_mm"] <= row["max_mm"]
        assert (row["within"] is not None) == (method == "ours") and placed in ("as is", "refitted")
    for method in ("nominal", "geometric", "ours"):
        assert rows[method, 70, "later", "refitted"]["mean_mm"] < 1.05 * rows[method, 70, "later", "as is"]["mean_mm"]
    assert rows["ours", 70, "held out", "as is"]["mean_mm"] < rows["nominal", 70, "held out", "as is"]["mean_mm"]
    measured_poses.draw(result, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_regression_on_the_residual_helps_where_it_can(iiwa):
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    q = iiwa.random_configurations(150, rng)
    poses = iiwa.forward_kinematics(q)
    poses[:, 0, 3] += 5e-3 * np.sin(q[:, 0])
    samples = measured_poses.Samples(q[:100], poses[:100], np.ones(100, dtype=bool))
    geometry = measured_poses.Geometry(iiwa, np.broadcast_to(np.eye(4), (7, 4, 4)), np.eye(4), np.eye(4))
    for fit, most in ((measured_poses.fit_trees, 2e-3), (measured_poses.fit_gaussian_process, 2e-4)):
        predicted = fit(geometry, samples, 0)(q[100:])
        assert np.linalg.norm(predicted[:, :3, 3] - poses[100:, :3, 3], axis=1).mean() < most


def test_published_tables_with_decimal_commas(iiwa, tmp_path):
    path = tmp_path / "table.csv"
    q = iiwa.random_configurations(40, np.random.default_rng(1))
    poses = iiwa.forward_kinematics(q)
    angles = Rotation.from_matrix(poses[:, :3, :3]).as_euler("XYZ", degrees=True)
    names = [*iiwa.joint_names, *(f"measurement_{axis}" for axis in ("x", "std_x", "y", "z", "rx", "ry", "rz"))]
    numbers = np.column_stack([q, 1e3 * poses[:, 0, 3], np.full(40, 0.01), 1e3 * poses[:, 1:3, 3], angles])
    lines = [";".join(names), *(";".join(f"{value:.9g}".replace(".", ",") for value in row) for row in numbers)]
    path.write_text("\n".join(lines) + "\n")
    read = measured_poses.read_poses(path, iiwa)
    np.testing.assert_allclose(read.configurations, q, atol=1e-8)
    np.testing.assert_allclose(read.poses, poses, atol=1e-8)
    assert read.noise is None
    path.write_text("a;b\n1;2\n")
    with pytest.raises(DatasetError, match=r"table\.csv"):
        measured_poses.read_poses(path, iiwa)


@pytest.mark.parametrize("name", unmodeled.ARMS)
def test_a_simulated_arm_without_errors_is_its_urdf(name):
    nominal = unmodeled.ARMS[name]()
    arm = unmodeled.make_arm(nominal, "none", 0)
    exact = {field: 0.0 * getattr(arm, field) for field in ("offsets", "scales", "compliances", "shifts", "turns")}
    rng = np.random.default_rng(0)
    q = nominal.random_configurations(20, rng)
    np.testing.assert_allclose(replace(arm, **exact).poses(q, rng), nominal.forward_kinematics(q), atol=1e-12)
    # With its errors it is millimetres off, and not more.
    off = np.linalg.norm(arm.poses(q, rng)[:, :3, 3] - nominal.forward_kinematics(q)[:, :3, 3], axis=1)
    assert 1e-3 < off.max() < 5e-2


def test_gravity_torques_are_the_slopes_of_the_energy(iiwa):
    arm = unmodeled.make_arm(iiwa, "none", 0)
    q = iiwa.random_configurations(5, np.random.default_rng(1))

    def energy(angles):
        centers = arm._chain(angles)[3]
        return -sum(mass * center @ unmodeled.GRAVITY for mass, center in zip(iiwa.masses, centers, strict=True))

    for j in range(7):
        step = 1e-5 * (np.arange(7) == j)
        slope = (energy(q + step) - energy(q - step)) / 2e-5
        np.testing.assert_allclose(arm._gravity_torques(q)[:, j], -slope, atol=1e-6)


@pytest.mark.parametrize("case", unmodeled.CASES)
def test_each_case_has_the_error_that_it_names(iiwa, case):
    arm, rng = unmodeled.make_arm(iiwa, case, 1), np.random.default_rng(0)
    error = arm.unmodeled(iiwa.random_configurations(3000, rng), rng)
    joints = {"none": 0, "backlash": 7, "eccentric": 7}.get(case, 1)
    assert (np.abs(error).max(axis=0) > 0.0).sum() == joints
    largest = {
        "none": 0.0,
        "ripple": 3.49e-4,
        "ripple_fine": 1.745e-4,
        "step": 1e-3,
        "backlash": 3e-4,
        "coupling": 5e-4,
    }
    if case in largest:
        assert np.abs(error).max() == pytest.approx(largest[case], rel=0.01)


@pytest.mark.parametrize("name", unmodeled.RANGES)
def test_data_ranges(iiwa, name):
    arm = unmodeled.make_arm(iiwa, "ripple", 1)
    covered = unmodeled.DataRange.of(name, arm)
    q = covered.draw(500, np.random.default_rng(0))
    assert covered.inside(q).all() and iiwa.within_limits(q).all()
    anywhere = iiwa.random_configurations(4000, np.random.default_rng(1))
    width = iiwa.upper[arm.joint] - iiwa.lower[arm.joint]
    share = {"full": 1.0, "narrow": 0.0, "gap": 1.0 - unmodeled.GAP / width, "half": 0.5}[name]
    assert covered.inside(anywhere).mean() == pytest.approx(share, abs=0.03)


def test_unmodeled_errors_from_the_command_line(capsys, tmp_path):
    arguments = "--arms iiwa14 --cases step --ranges half --sizes 40 --quick --json --set harmonics=1 --set kernel=none"
    unmodeled.main([*arguments.split(), "--out", str(tmp_path / "rows.json")])
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    (row,) = result["rows"]
    assert row["passed"] == (not row["failures"]) and row["median_mm"] < row["nominal_median_mm"]
    assert 0.0 <= row["within_outside"] <= 1.0 and sum(row["sources_outside"].values()) == unmodeled.QUICK[2]
    assert json.loads((tmp_path / "rows.json").read_text()) == result and "iiwa14" in printed.err
    with pytest.raises(SystemExit):
        unmodeled.main(["--cases", "nonsense"])
    assert "nonsense" in capsys.readouterr().err


def test_constructor_arguments_from_the_command_line():
    found = constructor_arguments(["harmonics=40", "kernel=none", "length_scales=(1.0, 2.0)", "priors.scale=1e-5"])
    priors = found.pop("priors")
    assert found == {"harmonics": 40, "kernel": "none", "length_scales": (1.0, 2.0)} and priors.scale == 1e-5
    for wrong in ("harmonics", "nonsense=1", "priors.nonsense=1", "robot=1"):
        with pytest.raises(InvalidInputError, match=wrong.partition("=")[0]):
            constructor_arguments([wrong])
