"""Loads that are not known: the center of mass and the masses, fitted from how the arm sags."""

import json
from dataclasses import replace

import numpy as np
import pytest
from test_learned_kinematics import plain
from test_payload import answer
from typer.testing import CliRunner

from crisp_ik_ros import Dataset, RobotModel, load_model
from crisp_ik_ros.cli import app
from crisp_ik_ros.estimators.identification.design import Design, Joints
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.transforms import rotation_exponential, rotation_logarithm

CENTER = np.array([0.0, 0.0, 0.12])
POSITION_NOISE, ORIENTATION_NOISE = 5e-5, 2e-4
COUNT = 40


class CompliantArm:
    """A Panda with wrong frames whose joints sag under the arm and a load off the tip."""

    def __init__(self, robot, compliance=1e-4, center=CENTER):
        layout = Layout(robot, 1, robot.bodies(), payload_center=tuple(center))
        self.values = np.zeros(layout.size)
        self.values[: layout.geometric] = np.random.default_rng(4).normal(0.0, 2e-3, layout.geometric)
        self.values[layout.slices()["compliance"]] = np.tile([0.0, 0.0, compliance], robot.dof)
        self.robot, self.layout = robot, layout.with_gravity_on(self.values)

    def poses(self, q, mass):
        return self.layout.with_payload(mass).robot_with(self.values).forward_kinematics(q)

    def measured(self, loads, seed=0, count=COUNT):
        """Samples of sessions, each with a true mass and the one that the data states [kg]."""
        rng, parts = np.random.default_rng(seed), []
        for number, (mass, stated) in enumerate(loads):
            q = self.robot.random_configurations(count, rng)
            poses = self.poses(q, mass)
            poses[:, :3, 3] += rng.normal(0.0, POSITION_NOISE, (count, 3))
            turns = rotation_exponential(rng.normal(0.0, ORIENTATION_NOISE, (count, 3)))
            poses[:, :3, :3] = poses[:, :3, :3] @ turns
            names = [f"s{number}"] * count
            parts.append(Dataset(q, poses, self.robot.joint_names, payloads=np.full(count, stated), sessions=names))
        return Dataset.concatenate(parts)


def learn(robot, data, **options):
    return plain(robot, harmonics=1, **options).fit(data)


def heavy_errors(model, arm, mass=2.5):
    """Errors (200,) [m] at configurations that were not measured, with a load, and the model's bounds there."""
    q = arm.robot.random_configurations(200, np.random.default_rng(99))
    loaded = model.with_payload(mass)
    return np.linalg.norm(
        (loaded.forward_kinematics(q) - arm.poses(q, mass))[:, :3, 3], axis=1
    ), loaded.predicted_error(q)


@pytest.fixture(scope="module")
def arm(panda):
    return CompliantArm(panda)


@pytest.fixture(scope="module")
def light(arm):
    """0 and 1.25 kg: what the 2.5 kg are predicted from."""
    return arm.measured([(0.0, 0.0), (1.25, 1.25)])


@pytest.fixture(scope="module")
def fitted(panda, light):
    return learn(panda, light)


@pytest.fixture(scope="module")
def unknown(panda, arm):
    return learn(panda, arm.measured([(0.0, 0.0), (1.25, 1.25), (2.5, np.nan)]))


def test_derivatives_of_the_load_are_those_of_the_tool(arm, panda):
    """Design rows of center, masses and compliances against finite differences of the forward kinematics."""
    rng = np.random.default_rng(1)
    layout = replace(arm.layout, center_fitted=True, unknown_loads=("a", "b"))
    q, payloads, load_of = panda.random_configurations(12, rng), np.repeat([0.0, 1.0, 1.5], 4), np.repeat([-1, 0, 1], 4)
    w = np.insert(arm.values, layout.parametric - 5, np.zeros(5))
    where = layout.slices()
    w[where["payload_center"]], w[where["unknown_loads"]] = [0.03, -0.02, 0.01], [0.4, -0.3]
    w[where["compliance"]] *= rng.uniform(0.5, 1.5, 3 * panda.dof)
    joints = Joints(layout, q, payloads, None, load_of)
    design = Design(layout, w, q, joints, payloads=payloads)
    found = layout.forward_kinematics(w, q, payloads, None, load_of)
    np.testing.assert_allclose(design.poses, found, atol=1e-12)
    columns = np.r_[where["payload_center"], where["unknown_loads"], where["compliance"]]
    assert len(columns) == 5 + 3 * panda.dof
    for column in columns:
        # Compliances are about 1e-4 rad/Nm.
        step = 1e-3 if column >= where["payload_center"].start else 1e-6
        sides = [
            layout.forward_kinematics(w + sign * step * np.eye(layout.size)[column], q, payloads, None, load_of)
            for sign in (1.0, -1.0)
        ]
        linear = (sides[0] - sides[1])[:, :3, 3] / (2.0 * step)
        angular = rotation_logarithm(sides[0][:, :3, :3] @ sides[1][:, :3, :3].transpose(0, 2, 1)) / (2.0 * step)
        expected = np.concatenate([linear, angular], axis=1)
        np.testing.assert_allclose(design.rows[:, :, column], expected, atol=2e-4 * np.abs(expected).max() + 1e-9)


def test_the_center_of_the_load_is_found(fitted, arm):
    """Within 5 of its own standard deviations, and these are as small as the noise lets them be."""
    deviations = np.array([one.deviation for one in fitted.identified_ if one.name.startswith("payload: center")])
    assert fitted.payload_center_source_ == "fitted" and fitted.payload_center is None
    assert (np.abs(fitted.payload_center_ - CENTER) < 5.0 * deviations).all()
    # A joint's sag by the load's shift d is compliance * mass * g * d, and the orientation shows it: the noise of the
    # mean of the loaded samples, over that, is the deviation but for a small factor.
    least = ORIENTATION_NOISE / np.sqrt(COUNT) / (1e-4 * 1.25 * 9.81)
    assert deviations.max() < 3.0 * least
    errors, bounds = heavy_errors(fitted, arm)
    assert np.mean(errors <= bounds) >= 0.95
    assert not any("center of mass" in warning for warning in fitted.warnings_)


def test_a_heavier_load_is_predicted_better_with_the_fitted_center(fitted, light, panda, arm):
    at_tip, given = (learn(panda, light, payload_center=center) for center in (np.zeros(3), CENTER))
    medians = [np.median(heavy_errors(model, arm)[0]) for model in (fitted, at_tip, given)]
    assert medians[0] < 0.5 * medians[1] and medians[0] < 1.5 * medians[2]
    assert at_tip.payload_center_source_ == given.payload_center_source_ == "given"
    np.testing.assert_array_equal(given.payload_center_, CENTER)


def test_a_center_at_the_tip_needs_no_parameters(panda):
    model = learn(panda, CompliantArm(panda, center=np.zeros(3)).measured([(0.0, 0.0), (1.25, 1.25)]))
    assert model.payload_center_source_ == "assumed" and not model._layout.load_parameters
    np.testing.assert_array_equal(model.payload_center_, np.zeros(3))
    assert not any("payload" in warning or "load's" in warning for warning in model.warnings_)


def test_data_without_loads_knows_of_none(panda, arm):
    bare = arm.measured([(0.0, 0.0)], count=60)
    model = learn(panda, bare)
    assert model.payload_center_source_ == "assumed" and model.fitted_payloads_ == {}
    without = learn(panda, Dataset(bare.configurations, bare.poses, bare.joint_names))
    np.testing.assert_array_equal(model._parameters, without._parameters)


def test_an_unknown_mass_is_found_where_another_is_known(unknown, arm):
    mass, deviation = unknown.fitted_payloads_["s2"]
    assert abs(mass - 2.5) < 5.0 * deviation and deviation < 0.1
    assert unknown._layout.unknown_loads == ("s2",)
    assert not any("payload" in warning for warning in unknown.warnings_)
    assert np.abs(unknown.payload_center_ - CENTER).max() < 0.01
    errors, bounds = heavy_errors(unknown, arm, 4.0)
    assert np.mean(errors <= bounds) >= 0.95


def test_samples_joined_without_a_payload_turn_out_to_have_none(panda, arm):
    model = learn(panda, arm.measured([(0.0, np.nan), (1.25, 1.25)]))
    mass, deviation = model.fitted_payloads_["s0"]
    assert 0.0 <= mass < 0.05 + 5.0 * deviation


def test_a_mass_that_only_the_arm_tells_comes_with_a_warning(panda, arm):
    model = learn(panda, arm.measured([(0.0, 0.0), (2.5, np.nan)]))
    assert abs(model.fitted_payloads_["s1"][0] - 2.5) < 0.25
    warning = next(warning for warning in model.warnings_ if "payload of session s1" in warning)
    assert "arm's own weight" in warning and "known mass" in warning


def test_a_mass_that_nothing_tells_stays_where_it_was(panda, arm):
    """Without masses in the URDF, a sag is compliance times mass, and only their product shows."""
    weightless = RobotModel(panda.joints, panda.base_link, panda.tip_link, panda.name, rest=panda.rest)
    assert not weightless.masses.any()
    model = learn(weightless, arm.measured([(0.0, 0.0), (2.5, np.nan)]))
    assert model.fitted_payloads_ == {} and not model._layout.unknown_loads
    warning = next(warning for warning in model.warnings_ if "payload of session s1" in warning)
    assert "cannot be told" in warning and "taken for 0 kg" in warning and "column payload" in warning


def test_loads_that_do_not_show_are_named(panda):
    """Joints that do not give way say nothing of what they carry."""
    model = learn(panda, CompliantArm(panda, compliance=0.0).measured([(0.0, 0.0), (1.25, 1.25), (2.0, np.nan)]))
    assert model.payload_center_source_ == "assumed"
    told = " ".join(model.warnings_)
    assert "center of mass is taken for the tip's origin" in told and "--payload-center" in told
    assert "payload of session s2 is not determined" in told


def test_a_file_keeps_the_fitted_load(unknown, panda, tmp_path):
    q = panda.random_configurations(20, np.random.default_rng(2))
    for number, kept in enumerate((unknown, unknown.with_payload(1.7))):
        kept.save(tmp_path / f"{number}.npz")
        loaded = load_model(tmp_path / f"{number}.npz")
        assert loaded.payload_center is None and loaded.payload_center_source_ == "fitted"
        assert loaded.fitted_payloads_ == kept.fitted_payloads_ and loaded.payload_ == kept.payload_
        np.testing.assert_array_equal(loaded.payload_center_, kept.payload_center_)
        assert [one.name for one in loaded.identified_] == [one.name for one in kept.identified_]
        for one, other in ((loaded, kept), (loaded.with_payload(3.0), kept.with_payload(3.0))):
            np.testing.assert_array_equal(one.forward_kinematics(q), other.forward_kinematics(q))
            np.testing.assert_allclose(one.predicted_error(q), other.predicted_error(q), rtol=1e-9)


def test_the_bound_has_what_is_not_known_of_the_center(fitted, panda):
    """Brute force: the tool of robots whose load sits where the posterior's samples have it."""
    loaded, q = fitted.with_payload(2.5), panda.random_configurations(10, np.random.default_rng(6))
    uncertainty, layout = loaded._uncertainty, fitted._layout
    own = layout.slices()["payload_center"]
    # The center alone is not known, and by 30 mm.
    samples = np.zeros_like(uncertainty.samples)
    samples[own] = 0.03 * np.random.default_rng(0).standard_normal(samples[own].shape)
    alone = replace(uncertainty, samples=samples, measuring=np.zeros_like(uncertainty.measuring))
    expected = np.zeros((len(q), 3, 3))
    for sample in samples.T:
        moved = layout.forward_kinematics(fitted._parameters + sample, q, np.full(len(q), 2.5))
        shift = (moved - loaded.forward_kinematics(q))[:, :3, 3]
        expected += shift[:, :, None] * shift[:, None] / samples.shape[1]
    assert np.sqrt(np.trace(expected, axis1=1, axis2=2)).max() > 1e-5
    np.testing.assert_allclose(alone.covariances(q), expected, atol=0.05 * np.abs(expected).max())


def test_registration_and_unstated_masses_use_the_fitted_load(unknown, arm):
    data = arm.measured([(0.0, 0.0), (1.25, np.nan), (2.5, np.nan)], seed=7, count=5)
    masses = unknown.payloads_of(data)
    np.testing.assert_array_equal(masses[:10], np.repeat([0.0, unknown.payload_], 5))
    np.testing.assert_array_equal(masses[10:], unknown.fitted_payloads_["s2"][0])
    assert unknown.payloads_of(Dataset(data.configurations, data.poses, data.joint_names)) is None
    found = unknown.register(arm.measured([(1.25, 1.25)], seed=8, count=8), "unknown", "known")
    assert np.linalg.norm(found.frame_[:3, 3]) < 5e-4
    np.testing.assert_array_equal(found.payload_center_, unknown.payload_center_)


def test_the_commands_find_and_show_the_load(arm, tmp_path):
    runner = CliRunner()
    run = lambda *arguments: answer(runner.invoke(app, [str(argument) for argument in (*arguments, "--json")]))  # noqa: E731
    table, model = tmp_path / "data.csv", tmp_path / "model.npz"
    arm.measured([(0.0, 0.0), (1.25, 1.25), (2.5, np.nan)]).save(table)
    lines = table.read_text().splitlines()
    place = lines[0].split(",").index("payload")
    for row, line in enumerate(lines):
        cells = line.split(",")
        cells[place] = cells[place] or "unknown"
        lines[row] = ",".join(cells)
    assert sum("unknown" in line for line in lines) == COUNT
    table.write_text("\n".join(lines) + "\n")
    options = ("--frame", "known", "--tool", "known", "--harmonics", 1)
    trained = run("train", model, "--data", table, *options, "--report", tmp_path / "report.html")
    shown = run("describe", model)
    for one in (trained, shown):
        assert one["payload center is"] == "fitted"
        np.testing.assert_allclose(one["payload center [m]"], CENTER, atol=0.01)
        assert one["fitted payloads"]["s2"]["kg"] == pytest.approx(2.5, abs=0.2)
    assert "m in the tip link's frame (fitted)" in (tmp_path / "report.html").read_text()
    heavy = tmp_path / "heavy.csv"
    plain_rows = arm.measured([(2.5, 2.5)], seed=3)
    Dataset(plain_rows.configurations, plain_rows.poses, plain_rows.joint_names).save(heavy)
    told, untold = (
        run("evaluate", model, heavy, *options)["learned [mm]"]["median"]
        for options in (("--payload", 2.5), ("--payload", 0.0))
    )
    assert told < 0.2 < untold
    assert run("evaluate", model, table)["learned [mm]"]["median"] < 0.2


def test_a_table_of_unknown_loads_alone_says_so(arm, tmp_path):
    path = tmp_path / "unknown.csv"
    arm.measured([(1.0, 1.0)], count=3).save(path)
    text = path.read_text()
    place = text.splitlines()[0].split(",").index("payload")
    rows = [line.split(",") for line in text.splitlines()]
    for row in rows[1:]:
        row[place] = "unknown"
    path.write_text("\n".join(map(",".join, rows)) + "\n")
    data = Dataset.load(path)
    assert data.payloads is None and "states no mass" in data.notes[0]


def test_a_file_with_a_load_that_cannot_be_is_refused(unknown, tmp_path):
    from crisp_ik_ros.errors import ModelFileError

    path = tmp_path / "model.npz"
    unknown.save(path)
    with np.load(path) as content:
        arrays = dict(content)
    name = next(key for key, value in arrays.items() if value.dtype.kind in "US" or value.dtype == np.uint8)
    raw = arrays[name]
    text = raw.tobytes().decode() if raw.dtype == np.uint8 else str(raw)
    header = json.loads(text)
    for change in (
        {"payload_center_source": "guessed"},
        {"fitted_payloads": {"s2": [-1.0, 0.1]}},
        {"fitted_payloads": {"s2": [1.0]}},
        {"fitted_payloads": []},
        {"fitted_payloads": {}},
    ):
        encoded = json.dumps({**header, **change})
        arrays[name] = np.frombuffer(encoded.encode(), dtype=np.uint8) if raw.dtype == np.uint8 else np.array(encoded)
        np.savez(tmp_path / "wrong.npz", **arrays)
        with pytest.raises(ModelFileError):
            load_model(tmp_path / "wrong.npz")
