"""The identification, part by part: held to finite differences, dense algebra, closed formulas and drawn numbers."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import homogeneous, numeric_jacobian, random_arm, rodrigues, rotation_vector
from scipy.stats import chi2, multivariate_normal

from crisp_ik_ros import Dataset, LearnedKinematics
from crisp_ik_ros.datasets.dataset import POSE, POSITION, SAME_POINT, Distance
from crisp_ik_ros.errors import DatasetError, InvalidInputError
from crisp_ik_ros.estimators.identification import identification, kernel_choice, measurements
from crisp_ik_ros.estimators.identification.alignment import align
from crisp_ik_ros.estimators.identification.design import Design, Joints
from crisp_ik_ros.estimators.identification.findings import findings
from crisp_ik_ros.estimators.identification.identification import (
    Fit,
    identify,
    linearise,
    log_evidence,
    moved,
    nuisance_scales,
    predicted_poses,
    start,
)
from crisp_ik_ros.estimators.identification.kernel_choice import (
    choose_kernel,
    evidence_gain,
    kernel_term,
    spread_configurations,
    with_kernel,
)
from crisp_ik_ros.estimators.identification.measurements import (
    TAIL,
    centred,
    read_measurements,
    residuals,
    robust_weights,
    squared_errors,
)
from crisp_ik_ros.estimators.identification.normal_equations import NUISANCES, normal_equations
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.identification.stages import calibrated_uncertainty
from crisp_ik_ros.estimators.identification.uncertainty import (
    Uncertainty,
    covering_factor,
    error_bounds,
    nearness_table,
)
from crisp_ik_ros.estimators.identification.validation import assign_folds, cross_validate, joint_blocks, summary

PRIORS = Priors()
seeds = st.integers(0, 2**32 - 1)
FRAME = homogeneous(rodrigues([0.3, -0.8, 1.9]), [2.0, -1.0, 0.7])
TOOL = homogeneous(rodrigues([-0.5, 0.2, 0.4]), [0.03, -0.05, 0.12])


def arm_of(seed, joints, **options):
    return random_arm(np.random.default_rng(seed), joints, **options)


def layout_of(robot, rng, harmonics=2, centers=0):
    layout = Layout(robot, harmonics, robot.bodies())
    if centers:
        layout = replace(layout, kernel=kernel_term(layout, robot.random_configurations(centers, rng), 1.5))
    return layout


def some_parameters(layout, rng, size=1.0):
    return size * layout.prior_scales(PRIORS) * rng.normal(size=layout.size)


def noisy(poses, rng, noise=(1e-4, 5e-4)):
    poses = np.array(poses)
    poses[:, :3, 3] += noise[0] * rng.normal(size=(len(poses), 3))
    poses[:, :3, :3] = [rodrigues(noise[1] * rng.normal(size=3)) @ pose[:3, :3] for pose in poses]
    return poses


def samples_of(real, count, rng, frame=None, tool=None, noise=(1e-4, 5e-4), stated=True):
    """Full poses of a robot as a device shows them."""
    frame, tool = np.eye(4) if frame is None else frame, np.eye(4) if tool is None else tool
    q = real.random_configurations(count, rng)
    poses = noisy(frame @ real.forward_kinematics(q) @ tool, rng, noise)
    return Dataset(q, poses, real.joint_names, noise=noise if stated and min(noise) > 0.0 else None)


def mixture(robot, rng, poses=7, positions=6, groups=(4, 5)):
    """Samples of every kind with what noise they have, two groups a known distance apart."""
    names = robot.joint_names
    count = poses + positions + sum(groups)
    q = robot.random_configurations(count, rng)
    measured = FRAME @ robot.forward_kinematics(q) @ TOOL
    begin = np.cumsum([0, poses, positions, *groups])
    parts = [
        Dataset(q[:poses], measured[:poses], names, noise=rng.uniform(1e-4, 1e-3, (poses, 2))),
        Dataset.from_positions(
            q[begin[1] : begin[2]],
            measured[begin[1] : begin[2], :3, 3],
            names,
            noise=rng.uniform(1e-4, 1e-3, positions),
        ),
        Dataset.from_same_points(
            {f"place/hole_{k}": q[begin[2 + k] : begin[3 + k]] for k in range(len(groups))},
            names,
            distances=[Distance("place/hole_0", "place/hole_1", 0.05, 2e-4)],
            noise=rng.uniform(1e-4, 1e-3, sum(groups)),
        ),
    ]
    return Dataset.concatenate(parts)


def fitted(robot, data, priors=PRIORS, harmonics=1, frame=False, tool=False, limit=50, layout=None):
    layout = layout or Layout(robot, harmonics, robot.bodies())
    poses = robot.forward_kinematics(data.configurations)
    begin = start(layout, priors, data, *align(data, poses, frame, tool, 0), nuisance_scales(data, frame, tool))
    return identify(begin, data, priors, limit), begin


# ---- parameters ----------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(seeds, st.integers(1, 10), st.integers(0, 3), st.sampled_from([0, 3]))
def test_every_parameter_is_in_one_group_and_has_a_name(seed, joints, harmonics, centers):
    rng = np.random.default_rng(seed)
    layout = layout_of(random_arm(rng, joints), rng, harmonics, centers)
    columns = np.concatenate([group.columns for group in layout.groups()])
    np.testing.assert_array_equal(np.sort(columns), np.arange(layout.size))
    names = layout.names()
    assert len(names) == layout.parametric == 6 * (joints + 1) + joints * (4 + 2 * harmonics)
    assert len({name for name, _ in names}) == len(names)
    units = dict(names)
    for j, slides in enumerate(layout.robot.chain.prismatic):
        assert units[f"joint_{j}: compliance"] == ("m/N" if slides else "rad/Nm")
    assert (layout.prior_scales(PRIORS) > 0.0).all()


def test_names_say_what_a_parameter_does():
    # The parameter called so moves that joint, or turns that frame, and nothing else.
    robot = arm_of(3, 4, prismatic=0.0)
    layout = layout_of(robot, np.random.default_rng(0))
    names = [name for name, _ in layout.names()]
    values = np.zeros(layout.size)
    values[names.index("joint_2: scale")] = 0.1
    values[names.index("joint_1: sine of 2 a turn")] = 0.2
    values[names.index("joint_3: cosine of 1 a turn")] = 0.3
    values[names.index("joint_0: compliance")] = 0.4
    values[names.index("joint_1: bending about y")] = 0.5
    found = layout.corrections(values)
    np.testing.assert_array_equal(found.scales, [0.0, 0.0, 0.1, 0.0])
    assert found.harmonics[1, 3] == 0.2 and found.harmonics[3, 0] == 0.3 and np.count_nonzero(found.harmonics) == 2
    assert found.compliances[0, 2] == 0.4 and found.compliances[1, 1] == 0.5
    assert np.count_nonzero(found.compliances) == 2
    shift = np.zeros(layout.size)
    shift[names.index("joint_2: frame translation y")] = 0.01
    shift[names.index("tip: frame rotation x")] = 0.02
    chain, nominal = layout.geometric_robot(shift).chain, robot.chain
    np.testing.assert_allclose(chain.translations[2] - nominal.translations[2], 0.01 * nominal.rotations[2][:, 1])
    np.testing.assert_allclose(chain.rotations[4], nominal.rotations[4] @ rodrigues([0.02, 0, 0]), atol=1e-15)
    assert np.abs(chain.rotations[:4] - nominal.rotations[:4]).max() < 1e-15


@settings(max_examples=15)
@given(seeds, st.integers(1, 8), st.booleans())
def test_frames_are_corrected_in_their_own_axes(seed, joints, end):
    rng = np.random.default_rng(seed)
    robot = random_arm(rng, joints, end=end)
    layout = layout_of(robot, rng)
    values = some_parameters(layout, rng, 5.0)
    chain = layout.robot_with(values).chain
    for f, frame in enumerate(values[: layout.geometric].reshape(-1, 6)):
        nominal = homogeneous(robot.chain.rotations[f], robot.chain.translations[f])
        corrected = nominal @ homogeneous(rodrigues(frame[3:]), frame[:3])
        np.testing.assert_allclose(chain.rotations[f], corrected[:3, :3], atol=1e-12)
        np.testing.assert_allclose(chain.translations[f], corrected[:3, 3], atol=1e-12)
    np.testing.assert_array_equal(layout.geometric_robot(values).chain.rotations, chain.rotations)
    assert not layout.geometric_robot(values).chain.corrections.active


def test_priors_must_be_above_zero():
    for field in fields(Priors):
        if field.name != "adapt":
            with pytest.raises(InvalidInputError, match=field.name):
                replace(PRIORS, **{field.name: 0.0}).check()
    PRIORS.check()


# ---- the design ----------------------------------------------------------------------------------------------------


def numeric_rows(function, size, step=1e-6):
    """Twists (n, 6, P) of the poses (n, 4, 4) that a function of P numbers gives, by central differences."""
    columns = []
    for p in range(size):
        change = np.zeros(size)
        change[p] = step
        ahead, behind = function(change), function(-change)
        columns.append(
            [
                np.r_[a[:3, 3] - b[:3, 3], rotation_vector(a[:3, :3] @ b[:3, :3].T)]
                for a, b in zip(ahead, behind, strict=True)
            ]
        )
    return np.array(columns).transpose(1, 2, 0) / (2.0 * step)


@settings(max_examples=12)
@given(seeds, st.integers(4, 10), st.booleans(), st.sampled_from([0.0, 1.0]))
def test_design_is_the_derivative_in_every_parameter(seed, joints, end, size):
    rng = np.random.default_rng(seed)
    robot = random_arm(rng, joints, end=end)
    layout = layout_of(robot, rng, harmonics=2, centers=4)
    values = some_parameters(layout, rng, size)
    q = robot.random_configurations(2, rng)
    parts = Joints(layout, q)
    design = Design(layout, values, q, parts, layout.robot_with(values))
    np.testing.assert_allclose(design.poses, layout.robot_with(values).forward_kinematics(q), atol=1e-12)
    expected = numeric_rows(lambda change: layout.robot_with(values + change).forward_kinematics(q), layout.size)
    rows = np.concatenate(
        [design.rows, (design.motions[:, :, :, None] * parts.rows[:, None, None]).reshape(2, 6, -1)], axis=2
    )
    turns = values[: layout.geometric].reshape(-1, 6)[:, 3:]
    # Rotation vectors are taken to add up, which is right to half the turn that there is.
    turned = 0.7 * np.linalg.norm(turns, axis=1).max()
    for group in layout.groups():
        columns = group.columns
        largest = np.abs(expected[:, :, columns]).max()
        rotates = group.name in ("frame rotation", "joint offset", "tip rotation")
        tolerance = (turned if rotates else 0.0) * largest + 1e-7 + 1e-8 * largest
        np.testing.assert_allclose(rows[:, :, columns], expected[:, :, columns], atol=tolerance, err_msg=group.name)
    changes = rng.normal(size=(layout.size, 3))
    np.testing.assert_allclose(
        design.displacements(parts, layout, changes), rows @ changes, atol=1e-10 * (1.0 + np.abs(rows @ changes).max())
    )


@settings(max_examples=6)
@given(seeds, st.integers(3, 6), st.sampled_from([0, 3]))
def test_normal_equations_are_sums_of_dense_rows(seed, joints, centers):
    # Rows by finite differences of what would be measured, groups' means taken off, distances as rows of their own.
    rng = np.random.default_rng(seed)
    robot = random_arm(rng, joints)
    layout = layout_of(robot, rng, 1, centers)
    data = read_measurements(robot, mixture(robot, rng), PRIORS)
    assert set(data.kinds) == {POSE, POSITION, SAME_POINT}
    count, columns = len(data), layout.size + NUISANCES
    values = np.zeros(layout.size)
    parts = Joints(layout, data.configurations)
    design = Design(layout, values, data.configurations, parts, layout.robot_with(values))
    weights = rng.uniform(0.1, 2.0, count)
    # Residuals that have nothing to do with the model, so that all their parts are seen.
    position, orientation = 1e-3 * rng.normal(size=(2, count, 3))
    point = residuals(data, design.poses, FRAME, TOOL)[0]
    same = data.kinds == SAME_POINT
    position[same] = point[same]
    orientation[data.kinds != POSE] = 0.0
    found = normal_equations(data, layout, design, parts, FRAME, TOOL, position, orientation, weights)

    blank = Fit(
        layout, values, np.ones(layout.size), FRAME, TOOL, np.ones(2), weights, None, position, orientation, np.ones(12)
    )

    def predicted(change):
        fit = moved(blank, change)
        return fit.frame @ layout.robot_with(fit.parameters).forward_kinematics(data.configurations) @ fit.tool

    rows = numeric_rows(predicted, columns)
    # Where the measuring frame is does not count among points that were not measured.
    rows[same, :, layout.size : layout.size + 6] = 0.0
    linear, angular = rows[:, :3].copy(), rows[:, 3:].copy()
    shift = position.copy()
    means, offsets = [], []
    for group in range(len(data.names)):
        members = data.groups == group
        share = weights[members] / data.noise[members, 0] ** 2
        means.append(np.average(linear[members], axis=0, weights=share))
        offsets.append(np.average(shift[members], axis=0, weights=share))
        linear[members] -= means[-1]
        shift[members] -= offsets[-1]
    np.testing.assert_allclose(centred(data, position, weights), shift, atol=1e-12)
    share = (weights / data.noise[:, 0] ** 2)[:, None, None]
    full = data.kinds == POSE
    expected = [
        (
            (share * linear).reshape(-1, columns).T @ linear.reshape(-1, columns),
            (share * linear).reshape(-1, columns).T @ shift.ravel(),
        )
    ]
    turned = ((weights / data.noise[:, 1] ** 2)[full, None, None] * angular[full]).reshape(-1, columns)
    expected.append((turned.T @ angular[full].reshape(-1, columns), turned.T @ orientation[full].ravel()))
    [(first, second)], [length], [tolerance] = data.pairs, data.lengths, data.tolerances
    between = offsets[first] - offsets[second]
    distance = np.sqrt(between @ between)
    # Points are where the residuals are not: the sign is of both.
    row = -(between / distance) @ (means[first] - means[second]) / tolerance
    expected.append((np.outer(row, row), row * (length - distance) / tolerance))
    for part, (hessian, gradient) in enumerate(expected):
        np.testing.assert_allclose(found.hessians[part], hessian, atol=1e-6 * np.abs(hessian).max(), err_msg=str(part))
        np.testing.assert_allclose(
            found.gradients[part], gradient, atol=1e-6 * np.abs(gradient).max(), err_msg=str(part)
        )
    hessian, gradient = found.at(np.array([2.0, 3.0]))
    np.testing.assert_allclose(hessian, found.hessians[0] / 4.0 + found.hessians[1] / 9.0 + found.hessians[2])
    np.testing.assert_allclose(gradient, found.gradients[0] / 4.0 + found.gradients[1] / 9.0 + found.gradients[2])


@pytest.mark.parametrize("unknown", [(True, True), (True, False), (False, True)], ids=str)
def test_frames_and_tools_of_sessions_are_columns_of_their_own(unknown):
    # Rows by finite differences of what each session's device would show of each of its markers.
    rng = np.random.default_rng(31)
    robot = arm_of(31, 4)
    layout = layout_of(robot, rng, 1)
    q = robot.random_configurations(24, rng)
    names = [f"day {k}" for k in rng.permutation(np.repeat([0, 1, 2], 8))]
    markers = ["left" if k else "right" for k in rng.integers(0, 2, 24)]
    poses = robot.forward_kinematics(q)
    dataset = Dataset(q, poses, robot.joint_names, noise=rng.uniform(1e-4, 1e-3, (24, 2)))
    dataset = dataset.with_circumstances(sessions=names, markers=markers)
    data = read_measurements(robot, dataset, PRIORS, unknown)
    frames, tools = len(data.frame_names), len(data.tool_names)
    assert (frames, tools) == (3 if unknown[0] else 1, 6 if unknown[1] else 1)
    frame, tool = (
        np.array([homogeneous(rodrigues(rng.normal(size=3)), rng.normal(size=3)) for _ in range(count)])
        for count in (frames, tools)
    )
    if frames == 1:
        frame = frame[0]
    if tools == 1:
        tool = tool[0]
    nuisances = 6 * (frames + tools)
    assert len(nuisance_scales(data, *unknown)) == nuisances
    values, parts = np.zeros(layout.size), Joints(layout, q)
    design = Design(layout, values, q, parts)
    position, orientation = 1e-3 * rng.normal(size=(2, 24, 3))
    weights = rng.uniform(0.1, 2.0, 24)
    root = rng.normal(size=(24, 3, 3)) / data.noise[:, :1, None]
    precision = root @ root.transpose(0, 2, 1)
    found = normal_equations(data, layout, design, parts, frame, tool, position, orientation, weights, precision)
    blank = Fit(
        layout, values, np.ones(layout.size), frame, tool, np.ones(2), weights, None, position, orientation,
        np.ones(nuisances),
    )  # fmt: skip

    def predicted(change):
        fit = moved(blank, change)
        here = layout.robot_with(fit.parameters).forward_kinematics(q)
        which = [dataset.session_names.index(name) for name in names], [dataset.marker_names.index(m) for m in markers]
        pairs = sorted(set(zip(*which, strict=True)))
        out = []
        for i, pair in enumerate(zip(*which, strict=True)):
            own = fit.frame if frames == 1 else fit.frame[pair[0]]
            out.append(own @ here[i] @ (fit.tool if tools == 1 else fit.tool[pairs.index(pair)]))
        return np.array(out)

    rows = numeric_rows(predicted, layout.size + nuisances)
    linear, angular = rows[:, :3], rows[:, 3:]
    hessian = np.einsum("n,nap,nab,nbq->pq", weights, linear, precision, linear, optimize=True)
    gradient = np.einsum("n,nap,nab,nb->p", weights, linear, precision, position, optimize=True)
    np.testing.assert_allclose(found.hessians[0], hessian, atol=1e-6 * np.abs(hessian).max())
    np.testing.assert_allclose(found.gradients[0], gradient, atol=1e-6 * np.abs(gradient).max())
    share = weights / data.noise[:, 1] ** 2
    hessian = np.einsum("n,nap,naq->pq", share, angular, angular, optimize=True)
    gradient = np.einsum("n,nap,na->p", share, angular, orientation, optimize=True)
    np.testing.assert_allclose(found.hessians[1], hessian, atol=1e-6 * np.abs(hessian).max())
    np.testing.assert_allclose(found.gradients[1], gradient, atol=1e-6 * np.abs(gradient).max())


def test_backlash_moves_poses_and_is_their_derivative():
    rng = np.random.default_rng(32)
    robot = arm_of(32, 5)
    layout = replace(layout_of(robot, rng, 1), backlash=True)
    values = some_parameters(layout, rng, 0.3)
    where = layout.slices()["backlash"]
    q, approaches = robot.random_configurations(6, rng), rng.choice([-1.0, 0.0, 1.0], (6, 5))
    dataset = Dataset(q, robot.forward_kinematics(q), robot.joint_names, approaches=approaches)
    data = read_measurements(robot, dataset, PRIORS)
    without = values.copy()
    without[where] = 0.0
    at_rest = q + np.where(robot.chain.prismatic, 0.2, 1.0) * values[where] * approaches
    expected = layout.robot_with(without).forward_kinematics(at_rest)
    np.testing.assert_allclose(predicted_poses(layout, values, data), expected, atol=1e-12)
    parts = Joints(layout, q, None, data.approaches)
    design = Design(layout, values, q, parts)
    np.testing.assert_allclose(design.poses, expected, atol=1e-12)
    rows = numeric_rows(lambda change: predicted_poses(layout, values + change, data), layout.size)[:, :, where]
    np.testing.assert_allclose(design.rows[:, :, where], rows, atol=3e-3 * np.abs(rows).max())


# ---- measurements --------------------------------------------------------------------------------------------------


def test_means_with_matrix_weights_are_those_of_least_squares():
    rng = np.random.default_rng(33)
    robot = arm_of(33, 4)
    data = read_measurements(robot, mixture(robot, rng), PRIORS)
    root = rng.normal(size=(len(data), 3, 3))
    precision, weights = root @ root.transpose(0, 2, 1), rng.uniform(0.1, 2.0, len(data))
    position = rng.normal(size=(len(data), 3))
    found = centred(data, position, weights, precision)
    np.testing.assert_array_equal(found[data.groups < 0], position[data.groups < 0])
    for group in range(len(data.names)):
        members = np.flatnonzero(data.groups == group)
        rows = np.concatenate([np.sqrt(weights[i]) * root[i].T for i in members])
        right = np.concatenate([np.sqrt(weights[i]) * root[i].T @ position[i] for i in members])
        mean = np.linalg.lstsq(rows, right, rcond=None)[0]
        np.testing.assert_allclose(found[members], position[members] - mean, atol=1e-9)


def test_a_payload_that_is_not_said_is_the_usual_one():
    robot = arm_of(2, 4)
    q = robot.random_configurations(6, np.random.default_rng(0))
    data = Dataset(q, robot.forward_kinematics(q), robot.joint_names, payloads=[1.0, np.nan, 2.0, 1.0, np.nan, 0.0])
    np.testing.assert_array_equal(read_measurements(robot, data, PRIORS).payloads, [1.0, 1.0, 2.0, 1.0, 1.0, 0.0])
    data = Dataset(q, robot.forward_kinematics(q), robot.joint_names, payloads=np.full(6, np.nan))
    loads = read_measurements(robot, data, PRIORS).payloads
    assert loads is None or not loads.any()


def test_residuals_are_measured_minus_predicted():
    rng = np.random.default_rng(1)
    robot = arm_of(1, 5)
    data = read_measurements(robot, mixture(robot, rng), PRIORS)
    assert data.stated and data.names == ("place/hole_0", "place/hole_1")
    off = homogeneous(rodrigues([0.01, 0.02, -0.01]), [1e-3, 2e-3, 3e-3])
    poses = robot.forward_kinematics(data.configurations)
    position, orientation = residuals(data, poses, off @ FRAME, TOOL)
    for i, kind in enumerate(data.kinds):
        predicted = off @ FRAME @ poses[i] @ TOOL
        if kind == SAME_POINT:
            np.testing.assert_allclose(position[i], -predicted[:3, 3], atol=1e-12)
        else:
            np.testing.assert_allclose(position[i], data.positions[i] - predicted[:3, 3], atol=1e-12)
        turn = rotation_vector(data.rotations[i] @ predicted[:3, :3].T) if kind == POSE else np.zeros(3)
        np.testing.assert_allclose(orientation[i], turn, atol=1e-9)
    # Of two standard deviations in everything: four for each number.
    units = np.full((len(data), 3), 2.0)
    squares, numbers = squared_errors(
        data, 3.0 * units * data.noise[:, :1], 5.0 * units * data.noise[:, 1:], np.array([3.0, 5.0])
    )
    np.testing.assert_array_equal(numbers, np.where(data.kinds == POSE, 6, 3))
    np.testing.assert_allclose(squares, 4.0 * numbers)


def test_subset_keeps_what_belongs_together():
    rng = np.random.default_rng(2)
    robot = arm_of(2, 4)
    data = read_measurements(robot, mixture(robot, rng), PRIORS)
    keep = data.groups != 1
    part = data.subset(keep)
    assert len(part) == keep.sum() and len(part.pairs) == 0 and len(part.lengths) == 0
    np.testing.assert_array_equal(part.configurations, data.configurations[keep])
    some = np.ones(len(data), dtype=bool)
    some[np.flatnonzero(data.groups == 1)[0]] = False
    np.testing.assert_array_equal(data.subset(some).pairs, data.pairs)


def test_noise_that_is_not_said_is_the_priors():
    robot = arm_of(2, 4)
    q = robot.random_configurations(3, np.random.default_rng(0))
    poses = robot.forward_kinematics(q)
    data = read_measurements(robot, Dataset(q, poses, robot.joint_names), PRIORS)
    np.testing.assert_array_equal(data.noise, np.tile([PRIORS.position_noise, PRIORS.orientation_noise], (3, 1)))
    assert not data.stated
    noise = np.array([[1e-3, np.nan], [np.nan, 2e-3], [3e-3, 4e-3]])
    data = read_measurements(robot, Dataset(q, poses, robot.joint_names, noise=noise), PRIORS)
    np.testing.assert_array_equal(data.noise, [[1e-3, 5e-4], [1.5e-4, 2e-3], [3e-3, 4e-3]])
    assert not data.stated


def test_a_point_touched_once_is_refused():
    robot = arm_of(2, 4)
    q = robot.random_configurations(5, np.random.default_rng(0))
    data = Dataset.from_same_points({"good": q[:4], "alone": q[4:]}, robot.joint_names)
    with pytest.raises(DatasetError, match="'alone'"):
        read_measurements(robot, data, PRIORS)


def test_robust_weights_are_those_of_student():
    rng = np.random.default_rng(3)
    robot = arm_of(4, 4)
    data = read_measurements(robot, mixture(robot, rng), PRIORS)
    measured = data.groups < 0
    position = data.noise[:, :1] * rng.normal(size=(len(data), 3))
    orientation = np.where((data.kinds == POSE)[:, None], data.noise[:, 1:] * rng.normal(size=(len(data), 3)), 0.0)
    position[2] += 1.0
    bad = np.flatnonzero(data.groups == 0)[1]
    position[bad] += [0.0, 0.5, 0.0]
    factors = np.array([1.5, 0.7])
    weights, middle = robust_weights(data, position, orientation, factors, np.ones(len(data)))
    squares, numbers = squared_errors(data, position, orientation, factors)
    np.testing.assert_allclose(weights[measured], ((TAIL + numbers) / (TAIL + squares))[measured])
    assert weights[2] < 1e-3 and weights[bad] < 1e-3
    others = np.delete(np.arange(len(data)), [2, bad])
    assert weights[others].min() > 0.2
    # The gross error does not drag the mean of its group along.
    good = (data.groups == 0) & (np.arange(len(data)) != bad)
    assert np.abs(middle[good] / data.noise[good, :1]).max() < 5.0
    np.testing.assert_allclose(middle, centred(data, position, weights), atol=1e-15)


# ---- alignment -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["poses", "positions", "both"])
@pytest.mark.parametrize(
    ("frame", "tool"), [(True, False), (False, True), (True, True)], ids=["frame", "tool", "frame and tool"]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_alignment_finds_a_rigid_transform(panda, seed, kind, frame, tool):
    rng = np.random.default_rng(seed)
    place = homogeneous(rodrigues(rng.uniform(-2.0, 2.0, 3)), rng.uniform(-3.0, 3.0, 3)) if frame else np.eye(4)
    marker = homogeneous(rodrigues(rng.uniform(-1.0, 1.0, 3)), rng.uniform(-0.2, 0.2, 3)) if tool else np.eye(4)
    q = panda.random_configurations(60, rng)
    measured, names = place @ panda.forward_kinematics(q) @ marker, panda.joint_names
    split = {"poses": 60, "positions": 0, "both": 30}[kind]
    parts = [Dataset(q[:split], measured[:split], names)] if split else []
    if split < 60:
        parts.append(Dataset.from_positions(q[split:], measured[split:, :3, 3], names))
    data = read_measurements(panda, Dataset.concatenate(parts), PRIORS)
    found = align(data, panda.forward_kinematics(data.configurations), frame, tool, 0)
    # Where only positions are measured, frame and tool are found in turns.
    tolerance = 1e-5 if kind == "positions" and frame and tool else 1e-8
    np.testing.assert_allclose(found[0], place, atol=tolerance)
    np.testing.assert_allclose(found[1][:3, 3], marker[:3, 3], atol=tolerance)
    if split:
        np.testing.assert_allclose(found[1][:3, :3], marker[:3, :3], atol=tolerance)


def test_alignment_of_what_is_known_is_none(panda):
    rng = np.random.default_rng(0)
    data = read_measurements(panda, samples_of(panda, 20, rng, FRAME), PRIORS)
    for pose in align(data, panda.forward_kinematics(data.configurations), False, False, 0):
        np.testing.assert_array_equal(pose, np.eye(4))


# ---- the fit -------------------------------------------------------------------------------------------------------


@pytest.fixture
def gaussian(monkeypatch):
    """Residuals are normal: what remains is a linear Gaussian model, of which everything is known."""
    for module in (identification, measurements):
        monkeypatch.setattr(module, "TAIL", 1e12)


def whitened(fit, data):
    """Rows (N, C) and residuals (N,) over their noise, group means projected out, and the sum of log noise."""
    layout = fit.layout
    parts = Joints(layout, data.configurations)
    design = Design(layout, fit.parameters, data.configurations, parts, layout.robot_with(fit.parameters))
    lever = design.poses[:, :3, :3] @ fit.tool[:3, 3]
    turn = fit.frame[:3, :3]
    rows = np.concatenate(
        [design.rows, (design.motions[:, :, :, None] * parts.rows[:, None, None]).reshape(len(data), 6, -1)], axis=2
    )
    linear = turn @ (rows[:, :3] + np.cross(rows[:, 3:], lever[:, :, None], axis=1))
    position, orientation = residuals(data, design.poses, fit.frame, fit.tool)
    noise = data.noise * fit.factors
    blocks, values, logs = [], [], 0.0
    for group in [-1, *range(len(data.names))]:
        members = np.flatnonzero(data.groups == group)
        if not len(members):
            continue
        basis = np.eye(len(members))
        if group >= 0:
            assert np.ptp(noise[members, 0]) == 0.0
            basis = np.linalg.qr(np.c_[np.ones(len(members)), np.eye(len(members))[:, 1:]])[0][:, 1:]
        blocks.append(
            np.einsum("nk,nap->kap", basis, linear[members] / noise[members, 0, None, None]).reshape(-1, layout.size)
        )
        values.append((basis.T @ (position[members] / noise[members, :1])).ravel())
        logs += 3.0 * np.log(noise[members, 0][: basis.shape[1]]).sum()
    full = data.kinds == POSE
    blocks.append((turn @ rows[full, 3:] / noise[full, 1, None, None]).reshape(-1, layout.size))
    values.append((orientation[full] / noise[full, 1:]).ravel())
    logs += 3.0 * np.log(noise[full, 1]).sum()
    return np.concatenate(blocks), np.concatenate(values), logs


def closed_evidence(fit, data):
    """Log density of the data of a linear Gaussian model: y = rows w + noise, w from the prior."""
    rows, values, logs = whitened(fit, data)
    covariance = (rows * fit.scales**2) @ rows.T + np.eye(len(values))
    return multivariate_normal.logpdf(values + rows @ fit.parameters, cov=covariance, allow_singular=False) - logs


@pytest.mark.parametrize("kind", ["poses", "positions", "points"])
def test_evidence_of_a_linear_gaussian_model(gaussian, kind):
    rng = np.random.default_rng(5)
    robot = arm_of(5, 4, prismatic=0.0)
    layout = layout_of(robot, rng, 1, 5)
    real = layout.robot_with(some_parameters(layout, rng, 0.1))
    q = real.random_configurations(24, rng)
    measured, names = noisy(real.forward_kinematics(q), rng), real.joint_names
    dataset = {
        "poses": lambda: Dataset(q, measured, names, noise=(1e-4, 5e-4)),
        "positions": lambda: Dataset.from_positions(q, measured[:, :3, 3], names, noise=1e-4),
        "points": lambda: Dataset.concatenate([
            Dataset(q[:8], measured[:8], names, noise=(1e-4, 5e-4)),
            Dataset.from_same_points({"a": q[8:15], "b": q[15:]}, names, noise=0.5),
        ]),
    }[kind]()  # fmt: skip
    data = read_measurements(robot, dataset, PRIORS)
    priors = replace(PRIORS, adapt=False)
    found, expected = [], []
    for size, factor in ((1.0, 1.0), (0.3, 1.0), (1.0, 2.0), (3.0, 0.7)):
        begin = start(layout, priors, data, np.eye(4), np.eye(4), nuisance_scales(data, False, False))
        begin = replace(begin, scales=size * begin.scales, factors=np.full(2, factor))
        fit = identify(begin, data, priors, 30)
        np.testing.assert_allclose(fit.weights, 1.0, atol=1e-6)
        # The step that would still be made is none: the formula's expansion is about the mode.
        found.append(fit.evidence)
        expected.append(closed_evidence(fit, data))
    # Constants: the density's normalisation, and the noise before its factor.
    numbers = 3 * 24 - 3 * 2 * (kind == "points") + 3 * (data.kinds == POSE).sum()
    logs = 3.0 * np.log(data.noise[:, 0]).sum() + 3.0 * np.log(data.noise[data.kinds == POSE, 1]).sum()
    if kind == "points":
        logs -= 2 * 3.0 * np.log(0.5)
    constant = -0.5 * numbers * np.log(2.0 * np.pi) - logs
    np.testing.assert_allclose(np.array(found) + constant, expected, atol=0.05)
    assert np.ptp(expected) > 5.0


def test_evidence_with_joint_noise_is_that_of_the_dense_model(gaussian):
    rng = np.random.default_rng(34)
    robot = arm_of(34, 4, prismatic=0.0)
    layout = layout_of(robot, rng, 1)
    real = layout.robot_with(some_parameters(layout, rng, 0.1))
    q = real.random_configurations(24, rng)
    data = read_measurements(
        robot, Dataset(q, noisy(real.forward_kinematics(q), rng), robot.joint_names, noise=(1e-4, 5e-4)), PRIORS
    )
    priors = replace(PRIORS, adapt=False)
    begin = start(layout, priors, data, np.eye(4), np.eye(4), nuisance_scales(data, False, False))
    found, expected = [], []
    for joint_noise, excess, factor in ((0.0, 0.0, 1.0), (2e-4, 0.0, 1.0), (5e-4, 2e-4, 1.0), (3e-4, 0.0, 0.6)):
        model = replace(begin, joint_noise=joint_noise, excess=excess, factors=np.array([factor, 1.0]))
        fit = identify(model, data, priors, 30)
        found.append(fit.evidence)
        here = layout.robot_with(fit.parameters)
        parts = Joints(layout, q)
        design = Design(layout, fit.parameters, q, parts, here)
        position, orientation = residuals(data, design.poses, np.eye(4), np.eye(4))
        rows = np.concatenate([design.rows[:, :3].reshape(72, -1), design.rows[:, 3:].reshape(72, -1)])
        covariance = (rows * fit.scales**2) @ rows.T
        for i in range(24):
            moving = joint_noise * numeric_jacobian(here, q[i])[:3]
            own = slice(3 * i, 3 * i + 3)
            covariance[own, own] += factor**2 * ((1e-8 + excess**2) * np.eye(3) + moving @ moving.T)
        covariance[72:, 72:] += 5e-4**2 * np.eye(72)
        values = np.concatenate([position.ravel(), orientation.ravel()]) + rows @ fit.parameters
        expected.append(multivariate_normal.logpdf(values, cov=covariance))
    np.testing.assert_allclose(np.diff(found), np.diff(expected), atol=0.1)
    assert np.ptp(expected) > 5.0


@pytest.mark.parametrize("size", [0.3, 1.0, 5.0])
def test_gain_of_a_kernel_term_is_that_of_the_dense_model(gaussian, monkeypatch, size):
    rng = np.random.default_rng(35)
    robot = arm_of(35, 4, prismatic=0.0)
    layout = layout_of(robot, rng, 1)
    term = kernel_term(layout, robot.random_configurations(8, rng), 1.5)
    rich = replace(layout, kernel=term)
    truth = np.zeros(rich.size)
    truth[layout.parametric :] = size * 5e-4 * rng.normal(size=rich.size - layout.parametric)
    real = rich.robot_with(truth)
    data = read_measurements(robot, samples_of(real, 30, rng), PRIORS)
    fit, _ = fitted(robot, data, replace(PRIORS, adapt=False), layout=layout)
    grown = with_kernel(fit, term, PRIORS)
    monkeypatch.setattr(kernel_choice, "TRIAL", 0)
    gain = evidence_gain(grown, data)
    expected = closed_evidence(grown, data) - closed_evidence(fit, data)
    assert gain == pytest.approx(expected, abs=0.02 + 1e-3 * abs(expected))
    # Fitted scales explain it no worse.
    monkeypatch.setattr(kernel_choice, "TRIAL", 10)
    assert evidence_gain(grown, data) > gain - 0.5


def test_gain_that_rounding_hides_is_none():
    # A marker for each sample: more unknowns than numbers.
    rng = np.random.default_rng(0)
    robot = random_arm(rng, 5, prismatic=0.0, continuous=0.0)
    q = robot.random_configurations(30, rng)
    data = Dataset.from_positions(q, robot.forward_kinematics(q)[:, :3, 3], robot.joint_names)
    data = data.with_circumstances(markers=[f"m{k}" for k in range(30)])
    model = LearnedKinematics(robot, frame="unknown", harmonics=6).fit(data)
    assert all(np.isfinite(value) for value in model.evidence_.values())
    bounds = model.predicted_error(q)
    assert np.isfinite(bounds).all() and (bounds > 0.0).all()


def test_posterior_of_a_linear_gaussian_model(gaussian):
    rng = np.random.default_rng(6)
    robot = arm_of(6, 4)
    layout = layout_of(robot, rng, 1, 4)
    data = read_measurements(robot, samples_of(robot, 30, rng), PRIORS)
    fit, _ = fitted(robot, data, replace(PRIORS, adapt=False), layout=layout)
    rows, values, _ = whitened(fit, data)
    precision = rows.T @ rows + np.diag(fit.scales**-2.0)
    np.testing.assert_allclose(fit.covariance(), np.linalg.inv(precision), atol=1e-6 * np.max(fit.scales**2))
    # At the mode the pull of the data is that of the prior.
    step = np.linalg.solve(precision, rows.T @ values - fit.parameters / fit.scales**2)
    assert np.abs(step / np.sqrt(np.diag(np.linalg.inv(precision)))).max() < 0.1


def test_found_scales_and_noise_are_the_likeliest(gaussian):
    # Without pseudo-observations: any other scale of a group, or of the noise, explains the data worse.
    rng = np.random.default_rng(7)
    robot = arm_of(7, 5, prismatic=0.0)
    layout = layout_of(robot, rng, 1)
    real = layout.robot_with(some_parameters(layout, rng, 2.0))
    data = read_measurements(robot, samples_of(real, 120, rng, noise=(3e-4, 1e-3), stated=False), PRIORS)
    priors = replace(PRIORS, pseudo_observations=1e-9)
    fit, _ = fitted(robot, data, priors, layout=layout, limit=200)
    np.testing.assert_allclose(fit.factors, [2.0, 2.0], rtol=0.1)
    best, fixed, looked = log_evidence(fit, data), replace(priors, adapt=False), 0
    for group in layout.groups():
        for change in (0.7, 1.4):
            scales = fit.scales.copy()
            scales[group.columns] *= change
            other = identify(replace(fit, scales=scales), data, fixed, 5)
            assert other.evidence < best + 0.05, group.name
            looked += other.evidence < best - 0.05
    for part in range(2):
        for change in (0.8, 1.25):
            factors = fit.factors.copy()
            factors[part] *= change
            assert identify(replace(fit, factors=factors), data, fixed, 5).evidence < best - 1.0
    assert looked > 6


def test_noise_that_is_fitted_is_the_noise_that_there_is():
    rng = np.random.default_rng(8)
    robot = arm_of(8, 4)
    for noise in ((5e-5, 2e-4), (2e-3, 5e-3)):
        data = read_measurements(robot, samples_of(robot, 200, rng, noise=noise, stated=False), PRIORS)
        fit, _ = fitted(robot, data)
        # Student's distribution has a normal core; its spread is a little smaller.
        np.testing.assert_allclose(fit.factors * data.noise[0], noise, rtol=0.2)


def test_a_fit_recovers_what_it_can_tell():
    rng = np.random.default_rng(9)
    robot = arm_of(9, 6)
    layout = layout_of(robot, rng, 1)
    truth = some_parameters(layout, rng)
    data = read_measurements(robot, samples_of(layout.robot_with(truth), 150, rng), PRIORS)
    fit, _ = fitted(robot, data, layout=layout)
    deviations = np.sqrt(np.diag(fit.covariance()))
    assert np.abs((fit.parameters - truth) / deviations).max() < 4.5
    assert np.mean(np.abs((fit.parameters - truth) / deviations) < 2.0) > 0.88
    q = robot.random_configurations(50, rng)
    real = layout.robot_with(truth).forward_kinematics(q)[:, :3, 3]
    off = [np.linalg.norm(arm.forward_kinematics(q)[:, :3, 3] - real, axis=1).mean() for arm in (
        layout.robot_with(fit.parameters), robot)]  # fmt: skip
    assert off[0] < 0.03 * off[1]
    found = findings(fit)
    np.testing.assert_allclose([f.deviation for f in found], deviations)
    # What is twice in the chain is told by half, and that is said; a tip's place is told well.
    assert all(0.0 <= f.told <= 1.0 for f in found)
    np.testing.assert_allclose([f.told for f in found], 1.0 - (deviations / fit.scales) ** 2, atol=1e-9)


def test_what_data_cannot_tell_is_the_priors():
    # Nothing turns the base: its frame along a first axis that is vertical, and gravity about it, say nothing.
    rng = np.random.default_rng(10)
    robot = arm_of(10, 4, prismatic=0.0)
    data = read_measurements(robot, Dataset.from_positions(
        q := robot.random_configurations(40, rng), robot.forward_kinematics(q)[:, :3, 3], robot.joint_names
    ), PRIORS)  # fmt: skip
    fit, _ = fitted(robot, data, tool=True)
    found = {f.name: f for f in findings(fit)}
    # The tool takes the tip's translation's place, and positions say nothing of the tip's rotation.
    for axis in "xyz":
        assert found[f"tip: frame rotation {axis}"].undetermined
        assert found[f"tip: frame rotation {axis}"].value == pytest.approx(0.0, abs=1e-9)
        assert found[f"tip: frame translation {axis}"].undetermined
    assert not found["joint_2: frame rotation z"].undetermined


# ---- cross-validation ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["poses", "points"])
def test_cross_validation_is_refitting_from_scratch(kind):
    rng = np.random.default_rng(11)
    robot = arm_of(11, 5, prismatic=0.0)
    layout = layout_of(robot, rng, 1)
    real = layout.robot_with(some_parameters(layout, rng))
    if kind == "poses":
        dataset = samples_of(real, 90, rng)
    else:
        q = real.random_configurations(90, rng)
        measured = noisy(real.forward_kinematics(q), rng)[:, :3, 3]
        parts = [Dataset.from_positions(q[:45], measured[:45], real.joint_names)]
        # Points of one joint cannot be reached twice by chance: they are measured ones with their own mean.
        parts.append(
            Dataset.from_same_points(
                {f"p{k}": q[45 + 9 * k : 54 + 9 * k] for k in range(5)}, real.joint_names, noise=0.3
            )
        )
        dataset = Dataset.concatenate(parts)
    data = read_measurements(robot, dataset, PRIORS)
    fit, begin = fitted(robot, data, layout=layout)
    folds, method = assign_folds(data, dataset.locations, 0)
    assert method.startswith("5 folds")
    found = cross_validate(fit, data, folds, method, begin, 0)
    fixed = replace(PRIORS, adapt=False)
    for k in range(5):
        held = folds == k
        others, test = data.subset(~held), data.subset(held)
        scratch = start(layout, fixed, others, np.eye(4), np.eye(4), fit.nuisance)
        scratch = identify(replace(scratch, scales=fit.scales, factors=fit.factors), others, fixed, 30)
        for model, position, orientation in (
            (scratch, found.position, found.orientation), (begin, found.nominal_position, found.nominal_orientation)
        ):  # fmt: skip
            poses = layout.robot_with(model.parameters).forward_kinematics(test.configurations)
            shift, turn = residuals(test, poses, model.frame, model.tool)
            shift = centred(test, shift, fit.weights[held])
            typical = np.sqrt(np.mean(shift[test.groups < 0] ** 2))
            # The one step of a fold holds the robust weights, a fit from scratch does not quite.
            np.testing.assert_allclose(position[held], shift, atol=0.4 * typical)
            assert np.sqrt(np.mean((position[held] - shift) ** 2)) < 0.2 * typical
            full = test.kinds == POSE
            np.testing.assert_allclose(orientation[held][full], turn[full], atol=1e-4)
            assert np.isnan(orientation[held][~full]).all()
    figures = summary(found)
    lengths = np.linalg.norm(found.position, axis=1)
    assert figures["position_mean"] == pytest.approx(lengths.mean())
    assert figures["position_max"] == pytest.approx(lengths.max())
    assert figures["position_rms"] == pytest.approx(np.sqrt((lengths**2).mean()))
    assert figures["nominal_position_median"] == pytest.approx(
        np.median(np.linalg.norm(found.nominal_position, axis=1))
    )
    assert ("orientation_rms" in figures) == (kind == "poses")


def test_samples_of_one_place_are_held_out_together():
    robot = arm_of(12, 4)
    q = robot.random_configurations(40, np.random.default_rng(0))
    names = robot.joint_names
    groups = {
        f"{place}/hole_{k}": q[10 * i + 5 * k : 10 * i + 5 * k + 5] for i, place in enumerate("abc") for k in (0, 1)
    }
    dataset = Dataset.concatenate(
        [
            Dataset.from_same_points(groups, names),
            Dataset.from_positions(q[30:], robot.forward_kinematics(q[30:])[:, :3, 3], names),
        ]
    )
    data = read_measurements(robot, dataset, PRIORS)
    folds, method = assign_folds(data, dataset.locations, 0)
    assert method == "3 folds by location"
    locations = np.array(dataset.locations)
    assert all(len(set(folds[locations == place])) == 1 for place in "abc")
    assert len({folds[locations == place][0] for place in "abc"}) == 3
    assert set(folds) == {0, 1, 2}
    # Too few, or one point: nothing is held out.
    few = dataset.subset(np.arange(30, 39))
    assert set(assign_folds(read_measurements(robot, few, PRIORS), few.locations, 0)[0]) == {-1}
    one = Dataset.from_same_points({"a/hole": q[:10]}, names)
    folds, method = assign_folds(read_measurements(robot, one, PRIORS), one.locations, 0)
    assert set(folds) == {-1} and method.startswith("none")


# ---- uncertainty ---------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(seeds)
def test_bounds_hold_for_19_of_20_normal_vectors(seed):
    rng = np.random.default_rng(seed)
    spread = rng.normal(size=(3, 3)) * rng.uniform(0.01, 1.0, 3)
    [bound] = error_bounds((spread @ spread.T)[None])
    lengths = np.linalg.norm(spread @ rng.normal(size=(3, 40000)), axis=0)
    assert 0.94 < np.mean(lengths < bound) < 0.965


def test_bounds_of_round_and_flat_covariances():
    found = error_bounds(
        np.array([4.0 * np.eye(3), np.diag([9.0, 0.0, 0.0]), np.diag([1.0, 0.0, 1.0]), np.zeros((3, 3))])
    )
    expected = np.sqrt([4.0 * chi2.ppf(0.95, 3), 9.0 * chi2.ppf(0.95, 1), chi2.ppf(0.95, 2), 0.0])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("factor", [0.8, 1.0, 2.0, 5.0])
def test_calibration_finds_the_factor(factor):
    rng = np.random.default_rng(13)
    spread = 1e-3 * rng.normal(size=(3000, 3, 3))
    noise = rng.uniform(1e-5, 2e-4, 3000)
    errors = factor * (spread @ rng.normal(size=(3000, 3, 1)))[:, :, 0] + noise[:, None] * rng.normal(size=(3000, 3))
    others = noise[:, None, None] ** 2 * np.eye(3)
    found = covering_factor(errors, spread @ spread.transpose(0, 2, 1), others)
    # Bounds are never made smaller than what the posterior says.
    assert found == pytest.approx(max(factor, 1.0), rel=0.08)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_calibration_without_residuals_changes_nothing():
    assert covering_factor(np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros((0, 3, 3))) == 1.0
    # Same-point data has no blocks to hold out.
    robot = arm_of(16, 4)
    q = robot.random_configurations(20, np.random.default_rng(0))
    dataset = Dataset.from_same_points({f"p{k}": q[5 * k : 5 * k + 5] for k in range(4)}, robot.joint_names)
    data = read_measurements(robot, dataset, PRIORS)
    fit, begin = fitted(robot, data)
    assert not joint_blocks(fit, data)
    folds, method = assign_folds(data, dataset.locations, 0)
    validation = cross_validate(fit, data, folds, method, begin, 0)
    found = calibrated_uncertainty(fit, data, validation, 0).bounds(q)
    assert np.isfinite(found).all() and (found > 0.0).all()


def test_nearness_is_that_of_the_nearest_measured_position():
    robot = arm_of(15, 4, prismatic=0.0, continuous=0.0)
    layout = Layout(robot, 1, robot.bodies())
    q = robot.random_configurations(6, np.random.default_rng(0))
    table = nearness_table(layout, q)
    for j in range(4):
        places = np.linspace(robot.lower[j], robot.upper[j], 257)
        distance = np.abs(places[:, None] - q[:, j]).min(axis=1)
        np.testing.assert_allclose(table[j], np.exp(-0.5 * (np.maximum(distance - 0.1, 0.0) / 0.3) ** 2), atol=1e-12)
    # Of a joint without limits the ends of the range are one place.
    free = arm_of(15, 4, prismatic=0.0, continuous=1.0)
    assert free.continuous.all()
    q = np.full((1, 4), 3.1)
    np.testing.assert_allclose(nearness_table(Layout(free, 1, free.bodies()), q)[:, [0, -1]], 1.0)


@pytest.mark.parametrize("centers", [0, 8])
def test_uncertainty_is_that_of_the_posterior(centers):
    rng = np.random.default_rng(14)
    robot = arm_of(14, 5)
    layout = layout_of(robot, rng, 1, centers)
    data = read_measurements(robot, samples_of(robot, 40, rng), PRIORS)
    fit, _ = fitted(robot, data, layout=layout)
    q = robot.random_configurations(40, rng)
    parts = Joints(layout, q)
    design = Design(layout, fit.parameters, q, parts, layout.robot_with(fit.parameters))
    rows = np.concatenate(
        [design.rows, (design.motions[:, :, :, None] * parts.rows[:, None, None]).reshape(40, 6, -1)], axis=2
    )[:, :3]
    uncertainty = Uncertainty.of(fit, 0.0, 0)
    drawn = rows @ uncertainty.samples
    expected = drawn @ drawn.transpose(0, 2, 1) / drawn.shape[2]
    # The drawn deviations are those of the posterior.
    ratio = np.trace(expected, axis1=1, axis2=2)
    ratio /= np.trace(rows @ fit.covariance() @ rows.transpose(0, 2, 1), axis1=1, axis2=2)
    assert abs(ratio.mean() - 1.0) < 0.2 and ratio.min() > 0.5 and ratio.max() < 1.8
    plain = rows[:, :, : layout.parametric] @ uncertainty.samples[: layout.parametric]
    left, prior, coverage = (plain**2).mean(axis=2).sum(axis=1), np.zeros(40), np.ones(40)
    prior += ((rows[:, :, : layout.parametric] * fit.scales[: layout.parametric]) ** 2).sum(axis=(1, 2))
    if centers:
        # What lies between the centers nobody knows.
        coverage = np.minimum((parts.rows**2).sum(axis=1), 1.0)
        sizes = fit.scales[layout.parametric :: centers]
        term = (design.motions[:, :3] * sizes**2) @ design.motions[:, :3].transpose(0, 2, 1)
        expected += (1.0 - coverage)[:, None, None] * term
        left += (1.0 - coverage) * np.trace(term, axis1=1, axis2=2)
        prior += np.trace(term, axis1=1, axis2=2)
    covariances = uncertainty.covariances(q)
    np.testing.assert_allclose(covariances, expected, atol=0.02 * np.abs(expected).max() if centers else 1e-12)
    support = uncertainty.supports(q)
    np.testing.assert_allclose(support[:, :2], np.column_stack([1.0 - np.sqrt(left / prior), coverage]), atol=1e-3)
    np.testing.assert_allclose(support[:, 2], np.sqrt(left), rtol=1e-4)
    assert ((support[:, :2] >= 0.0) & (support[:, :2] <= 1.0)).all()
    np.testing.assert_allclose(uncertainty.bounds(q), error_bounds(covariances), rtol=1e-12)
    wider = replace(uncertainty, factor=2.0, misfit=1e-3)
    np.testing.assert_allclose(wider.bounds(q), error_bounds(4.0 * covariances + 1e-6 * np.eye(3)), rtol=1e-12)


# ---- the kernel term -----------------------------------------------------------------------------------------------


def test_kernel_term_is_nystrom():
    rng = np.random.default_rng(15)
    robot = arm_of(15, 5)
    layout = layout_of(robot, rng)
    centers, q = robot.random_configurations(12, rng), robot.random_configurations(7, rng)
    term = kernel_term(layout, centers, 1.7)
    rows = Joints(replace(layout, kernel=term), q).rows

    def gram(left, right):
        angles = layout.rates * left, layout.rates * right
        squares = sum((f(angles[0])[:, None] - f(angles[1])) ** 2 for f in (np.cos, np.sin)).sum(axis=2)
        return np.exp(-0.5 * squares / 1.7**2)

    near = gram(q, centers)
    np.testing.assert_allclose(rows @ rows.T, near @ np.linalg.solve(gram(centers, centers), near.T), atol=1e-5)
    # On the centers themselves it is the kernel.
    own = Joints(replace(layout, kernel=term), centers).rows
    np.testing.assert_allclose(own @ own.T, gram(centers, centers), atol=1e-6)


def test_centers_are_far_from_each_other():
    rng = np.random.default_rng(16)
    robot = arm_of(16, 4)
    layout = layout_of(robot, rng)
    q = np.repeat(robot.random_configurations(30, rng), 2, axis=0)
    chosen = spread_configurations(layout, q, 10, 0)
    assert chosen.shape == (10, 4)

    def place(values):
        return np.hstack([np.cos(layout.rates * values), np.sin(layout.rates * values)])

    for k in range(1, 10):
        apart = np.linalg.norm(place(q)[:, None] - place(chosen[:k]), axis=2).min(axis=1)
        new = np.linalg.norm(place(chosen[k : k + 1]) - place(chosen[:k]), axis=1).min()
        assert new == pytest.approx(apart.max())
    # Repeated configurations are taken once.
    assert len(spread_configurations(layout, q, 100, 0)) == 30


@pytest.mark.parametrize("wanted", [True, False], ids=["smooth error", "none"])
def test_evidence_asks_for_a_kernel_term_where_there_is_one(wanted):
    rng = np.random.default_rng(17)
    robot = arm_of(17, 4, prismatic=0.0)
    layout = layout_of(robot, rng, 1)
    if wanted:
        layout = replace(layout, kernel=kernel_term(layout, robot.random_configurations(40, rng), 2.0))
    scales = layout.prior_scales(PRIORS)
    scales[layout.parametric :] *= 10.0
    real = layout.robot_with(scales * rng.normal(size=layout.size))
    data = read_measurements(robot, samples_of(real, 150, rng), PRIORS)
    fit, _ = fitted(robot, data)
    chosen, evidence = choose_kernel(fit, data, PRIORS, (1.0, 2.0), 60, 0)
    assert set(evidence) == {"none", "1.0", "2.0"}
    assert (chosen.layout.kernel is not None) == wanted
    if wanted:
        assert max(evidence["1.0"], evidence["2.0"]) > evidence["none"] + 10.0
        q = robot.random_configurations(100, rng)
        truth = real.forward_kinematics(q)[:, :3, 3]
        off = [
            np.median(np.linalg.norm(f.layout.robot_with(f.parameters).forward_kinematics(q)[:, :3, 3] - truth, axis=1))
            for f in (fit, chosen)
        ]
        assert off[1] < 0.6 * off[0]
    else:
        assert chosen is fit


def test_a_kernel_term_begins_with_nothing():
    rng = np.random.default_rng(18)
    robot = arm_of(18, 4)
    data = read_measurements(robot, samples_of(robot, 40, rng), PRIORS)
    fit, _ = fitted(robot, data)
    grown = with_kernel(fit, kernel_term(fit.layout, data.configurations[:6], 1.0), PRIORS)
    assert grown.layout.size == fit.layout.size + 4 * 6
    q = robot.random_configurations(5, rng)
    np.testing.assert_allclose(
        grown.layout.robot_with(grown.parameters).forward_kinematics(q),
        fit.layout.robot_with(fit.parameters).forward_kinematics(q),
        atol=1e-14,
    )
    equations, linear = linearise(grown, data, Joints(grown.layout, data.configurations))
    assert equations.hessians.shape == (3, grown.layout.size + NUISANCES, grown.layout.size + NUISANCES)
    np.testing.assert_allclose(linear.weights, fit.weights, rtol=1e-6)
