"""Registration: measuring frame and tool found anew from a few rows, with a bound that says how well."""

import json
from pathlib import Path

import numpy as np
import pytest
from measured import measured_poses, measured_positions
from oracles import homogeneous, random_arm, rodrigues
from test_learned_kinematics import known_errors, measured, plain
from typer.testing import CliRunner

from crisp_ik_ros import Dataset, load_model
from crisp_ik_ros.cli import app
from crisp_ik_ros.errors import DatasetError, InvalidInputError

FRAME = homogeneous(rodrigues([0.3, -0.8, 1.9]), [2.0, -1.0, 0.7])
TOOL = homogeneous(rodrigues([-0.5, 0.2, 0.4]), [0.03, -0.05, 0.12])
EARLIER = Path(__file__).parent / "data" / "learned_391291e"


@pytest.fixture(scope="module")
def arm():
    return random_arm(np.random.default_rng(7), 5, prismatic=0.0)


@pytest.fixture(scope="module")
def real(arm):
    return known_errors(arm, np.random.default_rng(1))[0]


@pytest.fixture(scope="module")
def model(arm, real):
    return plain(arm, frame="unknown", tool="unknown").fit(measured(real, 100, 0, FRAME, TOOL))


@pytest.fixture(scope="module")
def known(arm, real):
    return plain(arm).fit(measured(real, 100, 0))


def drawn(seed):
    """A new frame and tool."""
    rng = np.random.default_rng(seed)
    return (
        homogeneous(rodrigues(rng.uniform(-2.0, 2.0, 3)), rng.uniform(-2.0, 2.0, 3)),
        homogeneous(rodrigues(rng.uniform(-1.0, 1.0, 3)), rng.uniform(-0.1, 0.1, 3)),
    )


def errors(registered, real, frame, tool, count=200):
    """Distances [m] between what the device shows and what the model says of it, over the workspace; and bounds."""
    q = real.random_configurations(count, np.random.default_rng(99))
    true = (frame @ real.forward_kinematics(q) @ tool)[:, :3, 3]
    expected = (registered.frame_ @ registered.robot_.forward_kinematics(q) @ registered.tool_)[:, :3, 3]
    return np.linalg.norm(true - expected, axis=1), np.asarray(registered.predicted_error(q))


@pytest.mark.parametrize(
    ("measure", "count", "largest"),
    [(measured_poses, 3, 2e-3), (measured_poses, 5, 1e-3), (measured_poses, 10, 5e-4), (measured_positions, 5, 2e-3)],
)
def test_the_bound_holds_what_few_rows_leave_unknown(model, real, measure, count, largest):
    shares, typical, bounds = [], [], []
    for seed in range(12):
        frame, tool = drawn(seed)
        registered = model.register(measure(real, count, 100 + seed, frame, tool))
        off, bound = errors(registered, real, frame, tool)
        shares.append(np.mean(off <= bound))
        typical.append(np.median(off))
        bounds.append(np.median(bound))
    assert np.mean(shares) >= 0.88, shares
    assert np.median(typical) < largest
    # A bound that says nothing would hold as well.
    assert np.median(bounds) < 6.0 * np.median(typical)


def test_more_rows_leave_less_unknown_and_the_model_stays_as_it_was(model, real):
    before = model.frame_.copy()
    frame, tool = drawn(3)
    bounds = [
        np.median(errors(model.register(measured_poses(real, count, 5, frame, tool)), real, frame, tool)[1])
        for count in (3, 10, 100)
    ]
    assert bounds[0] > bounds[1] > bounds[2]
    own = np.median(errors(model, real, FRAME, TOOL)[1])
    assert 0.5 * own < bounds[2] < 1.5 * own
    np.testing.assert_array_equal(model.frame_, before)
    assert "registered" not in model.training_summary


@pytest.mark.parametrize("part", ["frame", "tool", "both"])
def test_a_model_whose_set_up_was_known_is_registered_where_that_is_asked_for(known, real, part):
    frame, tool = drawn(4)
    frame = frame if part != "tool" else np.eye(4)
    tool = tool if part != "frame" else np.eye(4)
    places = {name: "unknown" if part in (name, "both") else "known" for name in ("frame", "tool")}
    shares = []
    for seed in range(8):
        registered = known.register(measured_poses(real, 5, 50 + seed, frame, tool), **places)
        off, bound = errors(registered, real, frame, tool)
        shares.append(np.mean(off <= bound))
        for name in ("frame", "tool"):
            assert getattr(registered, name) == places[name]
            poses = getattr(registered, f"{name}_"), getattr(known, f"{name}_")
            assert np.array_equal(*poses) == (places[name] == "known")
    assert np.mean(shares) >= 0.88, shares


def test_a_known_part_stays_as_the_model_found_it(model, real):
    frame = drawn(6)[0]
    registered = model.register(measured_poses(real, 5, 8, frame, TOOL), frame="unknown", tool="known")
    np.testing.assert_array_equal(registered.tool_, model.tool_)
    off, bound = errors(registered, real, frame, TOOL)
    assert np.mean(off <= bound) >= 0.88


def test_a_row_that_is_wrong_is_named(model, real):
    rows = measured_poses(real, 8, 3, *drawn(7))
    poses = np.array(rows.poses)
    poses[5, :3, 3] += 0.02
    registered = model.register(Dataset(rows.configurations, poses, rows.joint_names))
    assert any("row 5" in text for text in registered.warnings_)
    assert not any("registration" in text for text in model.register(rows).warnings_)


def test_what_cannot_be_registered_is_refused(model, known, real):
    with pytest.raises(DatasetError, match="3 configurations or more"):
        model.register(measured_poses(real, 2, 0, FRAME, TOOL))
    with pytest.raises(DatasetError, match="4 configurations or more"):
        model.register(measured_positions(real, 3, 0, FRAME, TOOL))
    with pytest.raises(InvalidInputError, match="nothing to register"):
        known.register(measured_poses(real, 5, 0))
    with pytest.raises(InvalidInputError, match="'known' or 'unknown'"):
        known.register(measured_poses(real, 5, 0), frame="auto")
    rows = measured_poses(real, 6, 0, FRAME, TOOL)
    touches = Dataset.from_same_points({"point": rows.configurations}, rows.joint_names)
    with pytest.raises(DatasetError, match="one point tell neither"):
        model.register(touches)
    with pytest.raises(DatasetError, match="sessions a, b"):
        model.register(rows.with_circumstances(sessions=["a", "b"] * 3))
    same = Dataset(np.repeat(rows.configurations[:1], 5, 0), np.repeat(rows.poses[:1], 5, 0), rows.joint_names)
    with pytest.raises(DatasetError, match="turn the last joints"):
        model.register(same)


def test_a_registered_model_is_the_same_from_its_file(model, real, tmp_path):
    registered = model.register(measured_poses(real, 4, 1, *drawn(2)))
    registered.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    q = real.random_configurations(20, np.random.default_rng(0))
    np.testing.assert_allclose(loaded.measured_poses(q), registered.measured_poses(q), atol=1e-12)
    np.testing.assert_allclose(loaded.predicted_error(q), registered.predicted_error(q), rtol=1e-9)
    assert loaded.training_summary["registered"] == {"samples": 4, "frame": "unknown", "tool": "unknown"}


@pytest.fixture(scope="module")
def run():
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def files(model, real, tmp_path):
    model.save(tmp_path / "model.npz")
    measured_poses(real, 6, 1, *drawn(2)).save(tmp_path / "rows.csv")
    return tmp_path


def test_the_command_says_what_moved_and_by_how_much_that_helps(run, files, model):
    result = run("register", files / "model.npz", files / "rows.csv", files / "out.npz", "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert shown["before [mm]"]["median"] > 100.0 > 1.0 > shown["after [mm]"]["max"]
    assert shown["after [mrad]"]["max"] < 5.0 < shown["before [mrad]"]["median"]
    frame, _ = drawn(2)
    expected = 1e3 * np.linalg.norm(frame[:3, 3] - FRAME[:3, 3])
    assert shown["frame moved"]["mm"] == pytest.approx(expected, abs=5.0) and shown["frame moved"]["deg"] > 5.0
    assert 0.05 < shown["predicted bound after [mm]"]["median"] < 3.0
    evaluated = json.loads(run("evaluate", files / "out.npz", files / "rows.csv", "--json").stdout)
    assert evaluated["learned [mm]"]["max"] == pytest.approx(shown["after [mm]"]["max"])
    assert "registered" in json.loads(run("describe", files / "out.npz", "--json").stdout)["training"]


def test_the_command_replaces_a_model_only_where_it_may(run, files):
    content = (files / "model.npz").read_bytes()
    for output in ([], [files / "model.npz"]):
        result = run("register", files / "model.npz", files / "rows.csv", *output)
        assert isinstance(result.exception, InvalidInputError) and "--in-place" in str(result.exception)
        assert (files / "model.npz").read_bytes() == content
    assert run("register", files / "model.npz", files / "rows.csv", "--in-place").exit_code == 0
    assert (files / "model.npz").read_bytes() != content


def test_the_command_refuses_crisp(run, files, small_crisp):
    small_crisp.save(files / "crisp.npz")
    result = run("register", files / "crisp.npz", files / "rows.csv", files / "out.npz")
    assert isinstance(result.exception, InvalidInputError) and "CRiSP" in str(result.exception)
    assert not (files / "out.npz").exists()


@pytest.fixture
def small_crisp(arm, real):
    from crisp_ik_ros import CRiSP
    from crisp_ik_ros.regression.kernels import make_kernel

    return CRiSP(arm, kernel=make_kernel("gaussian", 1.0, 1.0), penalty=1e-4, centers=None).fit(measured(real, 40))


def test_a_model_of_an_earlier_release_says_the_same():
    """Written by commit 391291e, with what that said of six configurations."""
    said = json.loads(EARLIER.with_suffix(".json").read_text())
    model = load_model(EARLIER.with_suffix(".npz"))
    q = np.array(said["q"])
    np.testing.assert_allclose(model.forward_kinematics(q)[:, :3, 3], said["p"], atol=1e-12)
    np.testing.assert_allclose(model.predicted_error(q), said["bound"], rtol=1e-9)
    np.testing.assert_allclose(model.support(q), said["support"], atol=1e-9)
    assert model.payload_ == 0.0 and list(model.frames_) == list(model.tools_) == [""]
