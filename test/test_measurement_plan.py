"""Where to measure next, against brute force on small problems and on the simulated arm."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import GANTRY
from typer.testing import CliRunner

from crisp_ik_ros import Dataset, LearnedKinematics, Priors, RobotModel
from crisp_ik_ros.cli import app
from crisp_ik_ros.datasets.dataset import POSE, POSITION, SAME_POINT
from crisp_ik_ros.errors import CrispIKError, DatasetError, InvalidInputError, SimulationError
from crisp_ik_ros.estimators.identification.kernel_choice import kernel_term
from crisp_ik_ros.estimators.identification.measurements import read_measurements
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.estimators.identification.sensitivities import (
    Belief,
    Sensitivities,
    covariance_after,
)
from crisp_ik_ros.estimators.measurement_plan import (
    INFORMATION,
    PREDICTIVE,
    _Search,
    expected_errors,
    plan_measurements,
    visiting_order,
)
from crisp_ik_ros.experiments.measurement_planning import travelled
from crisp_ik_ros.robots.robot_model import panda_urdf_path
from crisp_ik_ros.simulation.candidates import draw_candidates
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.transforms import make_pose, rotation_exponential, rotation_logarithm

NOISE = np.array([1e-4, 5e-4])
FRAME = make_pose([0.4, -0.2, 0.1], rotation_exponential(np.array([0.3, -0.5, 1.1])))
TOOL = make_pose([0.03, 0.02, 0.05], rotation_exponential(np.array([-0.4, 0.2, 0.7])))


def belief_of(robot, harmonics=2, centers=0, frame=None, tool=None, seed=0):
    """Parameters that are not zero, and unknown frame and tool where these are given."""
    layout = Layout(robot, harmonics, robot.bodies())
    rng = np.random.default_rng(seed)
    if centers:
        layout = replace(layout, kernel=kernel_term(layout, robot.random_configurations(centers, rng), 2.0))
    scales = layout.prior_scales(Priors())
    known = np.full(12, 1e-9)
    wide = np.full(12, 0.1)
    nuisance = np.where(np.repeat([frame is not None, tool is not None], 6), wide, known)
    # Derivatives with a frame's rotation are taken for small rotations, and exact at none.
    parameters = scales * rng.normal(size=layout.size)
    parameters[: layout.geometric].reshape(-1, 6)[:, 3:] = 0.0
    return Belief(
        layout, parameters, np.concatenate([scales, nuisance]),
        np.eye(4) if frame is None else frame, np.eye(4) if tool is None else tool,
    )  # fmt: skip


def predicted(belief, change, q):
    """What is measured at configurations (n, J) after a change (C,) of all parameters."""
    size = belief.layout.size
    tips = belief.layout.robot_with(belief.parameters + change[:size]).forward_kinematics(q)
    frame, tool, extra = belief.frame.copy(), belief.tool.copy(), change[size:]
    frame = make_pose(frame[:3, 3] + extra[:3], rotation_exponential(extra[3:6]) @ frame[:3, :3])
    tool = make_pose(tool[:3, 3] + extra[6:9], rotation_exponential(extra[9:]) @ tool[:3, :3])
    return frame @ tips @ tool


def numerical(belief, q, noise=NOISE, kind=POSE):
    """Derivatives (n, numbers, C) by central differences."""
    columns = []
    for column, scale in enumerate(belief.scales):
        step = np.zeros(len(belief.scales))
        step[column] = max(1e-2 * scale, 1e-7)
        above, below = predicted(belief, step, q), predicted(belief, -step, q)
        linear = (above - below)[:, :3, 3] / noise[0]
        angular = rotation_logarithm(above[:, :3, :3] @ below[:, :3, :3].transpose(0, 2, 1)) / noise[1]
        rows = np.hstack([linear, angular]) if kind == POSE else linear
        columns.append(rows * scale / (2 * step[column]))
    return np.stack(columns, axis=2)


@pytest.mark.parametrize("kind", [POSE, POSITION])
@pytest.mark.parametrize("centers", [0, 4])
def test_derivatives_are_those_of_what_would_be_measured(gantry, kind, centers):
    belief = belief_of(gantry, centers=centers, frame=FRAME, tool=TOOL)
    q = gantry.random_configurations(5, np.random.default_rng(1))
    found = Sensitivities(belief, q, NOISE, kind)
    expected = numerical(belief, q, kind=kind)
    assert expected.shape == (5, 6 if kind == POSE else 3, belief.layout.size + 12)
    got = np.array([found.of(i) for i in range(5)])
    np.testing.assert_allclose(got, expected, atol=2e-4 * np.abs(expected).max(), rtol=2e-3)
    right = np.random.default_rng(2).normal(size=(found.columns, 3))
    np.testing.assert_allclose(found.times(right), got @ right, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        found.products(right), got @ right @ right.T @ got.transpose(0, 2, 1), rtol=1e-9, atol=1e-9
    )


def brute_force(model, q, references, count, criterion, kind):
    """Choices and covariances, each by inverting the whole precision anew, from numerical derivatives."""
    layout = Layout(model.robot, model.harmonics, model.robot.bodies())
    scales = np.concatenate([layout.prior_scales(Priors()), np.full(12, 1e-9)])
    belief = Belief(layout, np.zeros(layout.size), scales, np.eye(4), np.eye(4))
    priors = Priors()
    rows = numerical(belief, q, np.array([priors.position_noise, priors.orientation_noise]), kind)
    tips = numerical(belief, references, np.ones(2), POSITION).reshape(-1, len(scales))
    precision, chosen, covariances = np.eye(len(scales)), [], []
    for _ in range(count):
        values = np.full(len(q), -np.inf)
        for i in set(range(len(q))) - set(chosen):
            after = precision + rows[i].T @ rows[i]
            if criterion == INFORMATION:
                values[i] = np.linalg.slogdet(after)[1]
            else:
                values[i] = -np.trace(tips @ np.linalg.inv(after) @ tips.T)
        chosen.append(int(np.argmax(values)))
        precision = precision + rows[chosen[-1]].T @ rows[chosen[-1]]
        covariances.append(np.linalg.inv(precision))
    return chosen, covariances, rows, tips


@pytest.mark.parametrize("kind", [POSE, POSITION])
@pytest.mark.parametrize("criterion", [PREDICTIVE, INFORMATION])
@pytest.mark.parametrize("name", ["two_link", "gantry"])
def test_choices_are_those_of_brute_force(request, name, criterion, kind):
    robot = request.getfixturevalue(name)
    rng = np.random.default_rng(3)
    q, references = robot.random_configurations(25, rng), robot.random_configurations(10, rng)
    model = LearnedKinematics(robot, harmonics=2)
    chosen, covariances, _, tips = brute_force(model, q, references, 6, criterion, kind)
    plan = plan_measurements(model, 6, q, kind, criterion=criterion, references=references)
    assert plan.chosen.tolist() == chosen
    assert sorted(plan.indices.tolist()) == sorted(chosen)
    np.testing.assert_array_equal(plan.configurations, q[plan.indices])
    # The variance that is left, by simulating the normal distribution that brute force ends with.
    draws = np.random.default_rng(0).normal(size=(len(covariances[-1]), 4000))
    lengths = np.linalg.norm((tips @ np.linalg.cholesky(covariances[-1]) @ draws).reshape(10, 3, -1), axis=1)
    np.testing.assert_allclose(plan.errors[-1], np.median(np.median(lengths, axis=1)), rtol=0.08)
    assert (np.diff(plan.errors) <= 1e-12).all()


def test_updates_by_a_few_columns_are_the_inverse_of_the_whole(panda):
    rng = np.random.default_rng(4)
    q, references = panda.random_configurations(40, rng), panda.random_configurations(15, rng)
    model = LearnedKinematics(panda, frame="unknown", tool="unknown")
    search = _Search(model, q, references, POSE, None)
    for row in range(30):
        search.take(row)
    rows = np.array([search._candidates.of(i) for i in range(40)])
    told = rows[:30].reshape(-1, rows.shape[2])
    covariance = np.linalg.inv(np.eye(rows.shape[2]) + told.T @ told)
    np.testing.assert_allclose(search._covariance, covariance, atol=1e-7)
    known = rows @ covariance @ rows.transpose(0, 2, 1)
    np.testing.assert_allclose(search._known[30:], known[30:], rtol=1e-4, atol=1e-4)
    flat = search._references.reshape(-1, rows.shape[2])
    reach = rows @ covariance @ flat.T
    precision = np.eye(6) + known
    expected = np.trace(np.linalg.solve(precision, reach @ reach.transpose(0, 2, 1)), axis1=1, axis2=2)
    gains = search.gains(PREDICTIVE)
    assert np.isneginf(gains[:30]).all()
    np.testing.assert_allclose(gains[30:], expected[30:], rtol=1e-4)
    np.testing.assert_allclose(search.gains(INFORMATION)[30:], np.linalg.slogdet(precision)[1][30:], rtol=1e-5)


def test_what_has_been_measured_counts_as_if_it_had_been_planned(gantry):
    rng = np.random.default_rng(5)
    q, others = gantry.random_configurations(12, rng), gantry.random_configurations(30, rng)
    known = Dataset(q, gantry.forward_kinematics(q), gantry.joint_names)
    model = LearnedKinematics(gantry, harmonics=2)
    references = gantry.random_configurations(20, rng)
    after = expected_errors(model, others[:1], known=known, references=references)
    np.testing.assert_allclose(after[0], expected_errors(model, q, references=references)[-1], rtol=1e-6)
    assert after[0] < 0.5 * expected_errors(model, others[:1], references=references)[0]


def test_points_that_were_the_same_tell_all_but_where_they_are(gantry):
    belief = belief_of(gantry, frame=None)
    rng = np.random.default_rng(6)
    groups = {"a": gantry.random_configurations(4, rng), "b": gantry.random_configurations(5, rng)}
    data = read_measurements(gantry, Dataset.from_same_points(groups, gantry.joint_names), Priors())
    precision = np.eye(len(belief.scales))
    for q in groups.values():
        rows = numerical(belief, q, np.full(2, Priors().position_noise), POSITION)
        rows = (rows - rows.mean(axis=0)).reshape(-1, rows.shape[2])
        precision += rows.T @ rows
    np.testing.assert_allclose(covariance_after(belief, data, np.ones(2)), np.linalg.inv(precision), atol=1e-4)


@given(st.integers(1, 9), st.integers(0, 10**6))
def test_an_order_is_of_all_and_cannot_be_shortened_by_turning_a_part_of_it(count, seed):
    rng = np.random.default_rng(seed)
    q, start = rng.uniform(-3, 3, (count, 3)), rng.uniform(-3, 3, 3)
    order = visiting_order(q, start)
    assert sorted(order.tolist()) == list(range(count))
    best = travelled(q[order], start)
    assert best <= travelled(q, start) + 1e-9 or count > 2
    for i in range(count):
        for k in range(i + 1, count):
            turned = np.concatenate([order[:i], order[i : k + 1][::-1], order[k + 1 :]])
            assert best <= travelled(q[turned], start) + 1e-6


def test_an_order_is_nearly_the_shortest_of_all():
    rng = np.random.default_rng(8)
    ratios = []
    for _ in range(10):
        q, start = rng.uniform(-3, 3, (6, 4)), np.zeros(4)
        shortest = min(travelled(q[list(order)], start) for order in permutations(range(6)))
        ratios.append(travelled(q[visiting_order(q, start)], start) / shortest)
    assert np.mean(ratios) < 1.1 and max(ratios) < 1.4


def simulated_arm(seed):
    """Panda off by 3 degrees and 30 mm, with gear errors and deflection under gravity; nominal, then true."""
    nominal = RobotModel.panda()
    rng = np.random.default_rng(seed)
    true = nominal.with_bias(
        np.deg2rad(3.0) * rng.choice([-1, 1], 7), 0.03 * rng.choice([-1, 1], (len(nominal.joints), 3))
    )
    harmonics = np.zeros((7, 10))
    for periods, degrees in ((2, 0.3), (5, 0.1)):
        phases = rng.uniform(0, 2 * np.pi, 7)
        harmonics[:, 2 * periods - 2] = np.deg2rad(degrees) * np.cos(phases)
        harmonics[:, 2 * periods - 1] = np.deg2rad(degrees) * np.sin(phases)
    compliances = np.column_stack([np.zeros((7, 2)), np.full(7, 2e-4)])
    corrections = true.chain.corrections._replace(
        active=True, harmonics=harmonics, compliances=compliances, bodies=true.bodies()
    )
    return nominal, true.corrected(true.joints, corrections)


def measured(true, q, seed):
    rng = np.random.default_rng(seed)
    poses = true.forward_kinematics(q)
    poses[:, :3, 3] += rng.normal(0, NOISE[0], (len(q), 3))
    poses[:, :3, :3] = rotation_exponential(rng.normal(0, NOISE[1], (len(q), 3))) @ poses[:, :3, :3]
    return Dataset(q, poses, true.joint_names)


def median_error(model, true):
    q = true.random_configurations(300, np.random.default_rng(99))
    return np.median(
        np.linalg.norm((true.forward_kinematics(q) - model.robot_.forward_kinematics(q))[:, :3, 3], axis=1)
    )


@pytest.fixture(scope="module")
def arm():
    with PyBulletArm(panda_urdf_path(), RobotModel.panda()) as arm:
        yield arm


@pytest.fixture(scope="module")
def candidates(arm):
    return draw_candidates(arm, 1000, seed=1)


@pytest.fixture(scope="module")
def plan(arm, candidates):
    """60 poses, planned before anything is measured."""
    return plan_measurements(LearnedKinematics(arm.robot), 60, candidates)


def test_planned_configurations_are_within_limits_and_touch_nothing(arm, plan):
    q = plan.configurations
    assert q.shape == (60, 7) and len(np.unique(q, axis=0)) == 60
    assert arm.robot.within_limits(q).all()
    with PyBulletArm(panda_urdf_path(), arm.robot) as fresh:
        assert fresh.collision_free(q).all()
    assert travelled(q, arm.robot.rest) < 0.7 * travelled(q[np.random.default_rng(0).permutation(60)], arm.robot.rest)


def test_planned_poses_make_a_better_model_than_as_many_random_ones(arm, plan, candidates):
    planned, random = [], []
    for seed in range(3):
        nominal, true = simulated_arm(seed)
        draw = np.random.default_rng(50 + seed).choice(len(candidates), 60, replace=False)
        for q, errors in ((plan.configurations, planned), (candidates[draw], random)):
            model = LearnedKinematics(nominal, kernel="none").fit(measured(true, q, seed))
            errors.append(median_error(model, true))
    assert np.mean(planned) < 0.95 * np.mean(random)
    assert max(planned) < 3e-4


def test_planned_poses_are_worth_a_sixth_more_random_ones(arm, plan, candidates):
    draws = [np.random.default_rng(seed).choice(len(candidates), 70, replace=False) for seed in range(3)]
    model = LearnedKinematics(arm.robot)
    random = np.mean([expected_errors(model, candidates[draw]) for draw in draws], axis=0)
    assert plan.errors[-1] < random[-1]
    assert (plan.errors[10:] < random[10:61]).all()


def test_a_fitted_model_is_measured_where_it_has_not_been(two_link):
    """All samples have the second joint in the lower half of its range: what is planned is elsewhere."""
    rng = np.random.default_rng(9)
    middle = 0.5 * (two_link.lower[1] + two_link.upper[1])
    q = two_link.random_configurations(40, rng)
    q[:, 1] = rng.uniform(two_link.lower[1], middle, 40)
    true = two_link.with_bias(np.full(two_link.dof, 0.02))
    known = measured(true, q, 0)
    model = LearnedKinematics(two_link, kernel="none").fit(known)
    pool = two_link.random_configurations(400, rng)
    gains = _Search(model, pool, two_link.random_configurations(50, rng), POSE, known).gains(PREDICTIVE)
    elsewhere = pool[:, 1] > middle
    assert gains[elsewhere].mean() > 1.5 * gains[~elsewhere].mean()
    with pytest.raises(InvalidInputError, match="known: got nothing"):
        plan_measurements(model, 3, pool)


def test_a_plan_from_a_fitted_model_lowers_its_error_more_than_random_poses(arm, candidates):
    nominal, true = simulated_arm(0)
    known = measured(true, candidates[:30], 0)
    model = LearnedKinematics(nominal, kernel="none").fit(known)
    plan = plan_measurements(model, 15, candidates[30:600], known=known)
    draws = [candidates[30 + np.random.default_rng(s).choice(570, 15, replace=False)] for s in range(3)]
    random = [expected_errors(model, q, known=known) for q in draws]
    assert plan.errors[-1] < min(errors[-1] for errors in random) < plan.errors[0]
    # What is expected is what is seen, but for chance and for the calibration on held-out samples.
    assert 0.4 < plan.errors[0] / median_error(model, true) < 3.0


def test_candidates_are_in_the_box_above_the_floor_and_off_the_limits(arm):
    box = [[0.2, -0.4, -0.1], [0.7, 0.4, 0.6]]
    q = draw_candidates(arm, 40, seed=2, margin=0.1, box=box, floor=0.1, clearance=0.03)
    tips = arm.robot.forward_kinematics(q)[:, :3, 3]
    assert (tips >= [0.2, -0.4, 0.1]).all() and (tips <= box[1]).all()
    span = arm.robot.upper - arm.robot.lower
    assert (q >= arm.robot.lower + 0.1 * span).all() and (q <= arm.robot.upper - 0.1 * span).all()
    assert arm.collision_free(q, clearance=0.03, floor=0.1).all()
    np.testing.assert_array_equal(
        q[:10], draw_candidates(arm, 10, seed=2, margin=0.1, box=box, floor=0.1, clearance=0.03)
    )


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"count": 0}, "count"),
        ({"margin": 0.5}, "margin"),
        ({"margin": -0.1}, "margin"),
        ({"clearance": np.nan}, "clearance"),
        ({"floor": np.inf}, "floor"),
        ({"box": [[0, 0, 0], [1, 1, 0]]}, "box"),
        ({"box": [0, 0, 0]}, "box"),
    ],
)
def test_candidates_refuse_bad_arguments_by_name(arm, arguments, name):
    with pytest.raises(InvalidInputError, match=name):
        draw_candidates(arm, **{"count": 5, **arguments})


def test_a_box_out_of_reach_is_said_to_be_one(arm):
    with pytest.raises(SimulationError, match=r"0 of .* are allowed"):
        draw_candidates(arm, 5, box=[[3, 3, 3], [4, 4, 4]])


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"count": 0}, "count"),
        ({"count": 2.5}, "count"),
        ({"count": 11}, "count"),
        ({"candidates": np.zeros((3, 1))}, "candidates"),
        ({"candidates": np.full((3, 2), 99.0)}, "candidates: got row 0"),
        ({"candidates": np.full((3, 2), np.nan)}, "candidates"),
        ({"kind": SAME_POINT}, "kind"),
        ({"criterion": "best"}, "criterion"),
        ({"references": np.zeros((0, 2))}, "references"),
        ({"start": [0.0]}, "start"),
    ],
)
def test_a_plan_refuses_bad_arguments_by_name(two_link, arguments, name):
    pool = two_link.random_configurations(10, np.random.default_rng(0))
    with pytest.raises(InvalidInputError, match=name):
        plan_measurements(LearnedKinematics(two_link), **{"count": 2, "candidates": pool, **arguments})


def test_data_of_another_robot_is_refused(two_link, panda_samples):
    pool = two_link.random_configurations(10, np.random.default_rng(0))
    with pytest.raises(DatasetError, match="joints"):
        plan_measurements(LearnedKinematics(two_link), 2, pool, known=panda_samples)


def run(*arguments):
    return CliRunner().invoke(app, ["plan-measurements", *map(str, arguments)])


def test_the_command_writes_configurations_and_says_what_they_bring(tmp_path, arm):
    few = ("--count", 12, "--candidates", 100)
    result = run(tmp_path / "plan.csv", *few, "--floor", 0.0, "--picture", tmp_path / "plan.png", "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    header, *lines = (tmp_path / "plan.csv").read_text().splitlines()
    assert header.split(",") == list(arm.robot.joint_names)
    q = np.array([[float(cell) for cell in line.split(",")] for line in lines])
    assert q.shape == (12, 7) and arm.collision_free(q, floor=0.0).all()
    table = summary["expected median error of the tool [mm]"]
    assert table["after 0"]["planned"] == pytest.approx(table["after 0"]["random"])
    assert table["after 12"]["planned"] < table["after 12"]["random"] < 1.0 < table["after 0"]["planned"]
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")
    again = run(tmp_path / "again.csv", *few, "--floor", 0.0)
    assert again.exit_code == 0 and "after 12" in again.stdout
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "plan.csv").read_bytes()


def test_the_command_goes_on_from_a_model_and_from_data(tmp_path, candidates):
    nominal, true = simulated_arm(1)
    known = measured(true, candidates[:40], 0)
    known.save(tmp_path / "known.csv")
    LearnedKinematics(nominal, kernel="none").fit(known).save(tmp_path / "model.npz")
    few = ("--count", 5, "--candidates", 40, "--kind", "positions", "--json")
    for name, options in {
        "model": ("--model", tmp_path / "model.npz", "--data", tmp_path / "known.csv"),
        "data": ("--data", tmp_path / "known.csv"),
    }.items():
        result = run(tmp_path / f"{name}.csv", *options, *few)
        assert result.exit_code == 0, result.output
        table = json.loads(result.stdout)["expected median error of the tool [mm]"]
        assert table["after 5"]["planned"] < table["after 0"]["planned"] < 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plan.txt",), "ends in .csv"),
        (("plan.csv", "--count", 30, "--candidates", 20), "--candidates"),
        (("plan.csv", "--model", "missing.npz"), "--data: got nothing"),
        (("plan.csv", "--model", "missing.npz", "--data", "x.csv"), "no model file at missing.npz"),
        (("plan.csv", "--robot", "missing.urdf"), "no URDF file at missing.urdf"),
        (("plan.csv", "--data", "missing.csv"), "no data file at missing.csv"),
        (("plan.csv", "--box", 0, 0, 0, -1, 1, 1), "box"),
        (("plan.csv", "--margin", 0.7), "margin"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, message):
    result = run(*arguments)
    assert isinstance(result.exception, CrispIKError)
    assert message in str(result.exception)


def test_the_command_wants_a_learned_model_and_the_urdf_of_its_robot(tmp_path, exact_panda, gantry):
    exact_panda.save(tmp_path / "crisp.npz")
    data = ("--data", tmp_path / "known.csv")
    result = run(tmp_path / "plan.csv", "--model", tmp_path / "crisp.npz", *data)
    assert "a CRiSP" in str(result.exception)
    known = measured(gantry, gantry.random_configurations(30, np.random.default_rng(0)), 0)
    known.save(tmp_path / "known.csv")
    LearnedKinematics(gantry, kernel="none").fit(known).save(tmp_path / "gantry.npz")
    model = (tmp_path / "plan.csv", "--model", tmp_path / "gantry.npz", *data, "--count", 3, "--candidates", 10)
    assert "URDF of" in str(run(*model).exception)
    assert "another robot" in str(run(*model, "--robot", "panda").exception)
    (tmp_path / "gantry.urdf").write_text(GANTRY)
    result = run(*model, "--robot", tmp_path / "gantry.urdf", "--base-link", "floor", "--tip-link", "tool")
    assert result.exit_code == 0, result.output
