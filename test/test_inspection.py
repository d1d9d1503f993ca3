"""What an inspection says of good samples, and of the same with one thing wrong."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import homogeneous, rodrigues, rotation_vector, sample_around

from crisp_ik_ros import Dataset, RobotModel
from crisp_ik_ros.datasets.inspection import inspect_dataset
from crisp_ik_ros.datasets.inspection_summary import summarize_inspection
from crisp_ik_ros.errors import DatasetError

COUNT = 120
KINDS = ("poses", "positions", "same point")
PANDA = RobotModel.panda()
FRAME = homogeneous(rodrigues([0.4, -0.9, 0.7]), [1.2, -0.4, 0.6])
TOOL = homogeneous(rodrigues([0.6, 0.3, -0.4]), [0.03, 0.05, 0.1])


def biased(seed, degrees=0.5, millimetres=3.0, robot=PANDA):
    rng = np.random.default_rng(seed)
    return robot.with_bias(
        np.deg2rad(degrees) * rng.choice([-1, 1], robot.dof),
        1e-3 * millimetres * rng.choice([-1, 1], (len(robot.joints), 3)),
    )


TRUE = biased(0)


def measured(true, count=COUNT, seed=1, noise=True):
    """Configurations in the whole workspace and the poses measured there, with 0.1 mm and 0.5 mrad of noise."""
    rng = np.random.default_rng(seed)
    q = true.random_configurations(count, rng)
    poses = true.forward_kinematics(q)
    if noise:
        for pose in poses:
            pose[:3, 3] += rng.normal(0, 1e-4, 3)
            pose[:3, :3] = rodrigues(rng.normal(0, 5e-4, 3)) @ pose[:3, :3]
    return q, poses


def at_point(true, point, count, rng, tool=None):
    """Configurations that put the tool's origin at a point, by Newton's method from random starts."""
    arm = np.zeros(3) if tool is None else tool[:3, 3]
    found = []
    while len(found) < count:
        q = true.random_configurations(1, rng)[0]
        for _ in range(60):
            pose, jacobian = true.forward_kinematics(q), true.jacobian(q)
            lever = pose[:3, :3] @ arm
            error = point - pose[:3, 3] - lever
            if np.linalg.norm(error) < 1e-10:
                break
            linear = jacobian[:3] - np.cross(lever, jacobian[3:].T).T
            step = np.linalg.pinv(linear, rcond=1e-3) @ error
            q = q + step / max(1.0, np.linalg.norm(step) / 0.3)
        if np.linalg.norm(error) < 1e-9 and true.within_limits(q):
            found.append(q)
    return np.array(found)


def points_of(true, seed=2, tool=None, groups=6, each=20):
    rng = np.random.default_rng(seed)
    places = [(0.45, 0.0, 0.3), (0.0, 0.5, 0.4), (-0.4, 0.2, 0.5), (0.3, -0.4, 0.6), (0.5, 0.2, 0.1), (0.2, 0.3, 0.7)]
    return {f"place{i // 2}/point{i % 2}": at_point(true, places[i], each, rng, tool) for i in range(groups)}


POINTS = points_of(TRUE)


def dataset_of(kind, change_q=lambda q: q, change_poses=lambda poses: poses, true=TRUE, names=PANDA.joint_names):
    """Good samples of a kind, of which configurations and poses were recorded wrongly."""
    if kind == "same point":
        return Dataset.from_same_points({name: change_q(q) for name, q in POINTS.items()}, names)
    q, poses = measured(true)
    q, poses = change_q(q), change_poses(poses)
    if kind == "positions":
        return Dataset.from_positions(q, poses[:, :3, 3], names)
    return Dataset(q, poses, names)


def names_of(inspection):
    return [diagnosis.name for diagnosis in inspection.diagnoses]


def only(inspection, name):
    """The inspection's diagnosis, which is to be this one alone."""
    assert names_of(inspection) == [name], [str(diagnosis) for diagnosis in inspection.diagnoses]
    return inspection.diagnoses[0]


@pytest.mark.parametrize("kind", KINDS)
def test_good_samples_have_nothing_wrong(kind):
    inspection = inspect_dataset(dataset_of(kind), PANDA)
    assert inspection.diagnoses == ()
    assert inspection.kinds == {kind: COUNT}
    assert inspection.outliers.size == inspection.duplicates.size == 0


@pytest.mark.parametrize(("degrees", "millimetres"), [(0.0, 0.0), (1.0, 5.0), (3.0, 30.0)])
@pytest.mark.parametrize("count", [40, 400])
def test_samples_of_a_robot_that_is_more_or_less_off_have_nothing_wrong(degrees, millimetres, count):
    true = biased(4, degrees, millimetres)
    q, poses = measured(true, count, seed=5, noise=degrees != 1.0)
    for dataset in (
        Dataset(q, poses, PANDA.joint_names),
        Dataset.from_positions(q, poses[:, :3, 3], PANDA.joint_names),
    ):
        assert inspect_dataset(dataset, PANDA).diagnoses == ()


@pytest.mark.parametrize("joint", range(7))
def test_one_joint_that_is_off_is_no_other_frame_or_tool(joint):
    """The first joint's zero turns the whole robot, the last one's the tool: neither needs to be said."""
    offsets = np.zeros(7)
    offsets[joint] = np.deg2rad(2.0)
    dataset = sample_around(PANDA, PANDA.with_bias(offsets), 60)
    assert inspect_dataset(dataset, PANDA).diagnoses == ()


@pytest.mark.parametrize("name", ["gantry", "iiwa", "planar5", "endless"])
def test_good_samples_of_other_robots_have_nothing_wrong(name, request):
    robot = request.getfixturevalue(name)
    true = biased(6, 0.3, 2.0, robot)
    q = true.random_configurations(COUNT, np.random.default_rng(7))
    assert inspect_dataset(Dataset(q, true.forward_kinematics(q), robot.joint_names), robot).diagnoses == ()


def test_errors_of_the_nominal_model_are_those_of_plain_formulas():
    q, poses = measured(TRUE)
    inspection = inspect_dataset(Dataset(q, poses, PANDA.joint_names), PANDA)
    model = PANDA.forward_kinematics(q)
    position = [np.sqrt(np.sum((one[:3, 3] - two[:3, 3]) ** 2)) for one, two in zip(poses, model, strict=True)]
    angle = [np.linalg.norm(rotation_vector(a[:3, :3] @ b[:3, :3].T)) for a, b in zip(poses, model, strict=True)]
    np.testing.assert_allclose(inspection.position_error, position, rtol=1e-9)
    np.testing.assert_allclose(inspection.orientation_error, angle, rtol=1e-6)
    assert inspection.nominal_position == pytest.approx((np.mean(position), np.median(position), np.max(position)))
    assert inspection.nominal_orientation == pytest.approx((np.mean(angle), np.median(angle), np.max(angle)))
    # A geometric fit explains a geometric error down to the noise.
    assert np.median(inspection.fitted_position) < 3e-4
    assert np.median(inspection.fitted_orientation) < 2e-3


def test_scatter_of_a_group_is_the_mean_distance_from_the_mean():
    inspection = inspect_dataset(dataset_of("same point"), PANDA)
    assert list(inspection.scatter) == list(POINTS)
    for name, q in POINTS.items():
        positions = PANDA.forward_kinematics(q)[:, :3, 3]
        mean = sum(positions) / len(positions)
        expected = np.mean([np.sqrt(np.sum((position - mean) ** 2)) for position in positions])
        assert inspection.scatter[name] == pytest.approx(expected)
    assert inspection.nominal_position is None and inspection.aligned_position is None
    assert np.isnan(inspection.orientation_error).all()
    assert inspection.groups == {name: 20 for name in POINTS}


def test_kinds_can_be_mixed():
    q, poses = measured(TRUE)
    dataset = Dataset.concatenate(
        [
            Dataset(q[:40], poses[:40], PANDA.joint_names),
            Dataset.from_positions(q[40:90], poses[40:90, :3, 3], PANDA.joint_names),
            Dataset.from_same_points(POINTS, PANDA.joint_names),
        ]
    )
    inspection = inspect_dataset(dataset, PANDA)
    assert inspection.diagnoses == ()
    assert inspection.kinds == {"poses": 40, "positions": 50, "same point": 120}
    assert np.isfinite(inspection.orientation_error).sum() == 40
    error = np.linalg.norm(PANDA.forward_kinematics(q[:90])[:, :3, 3] - poses[:90, :3, 3], axis=1)
    assert inspection.nominal_position.max == pytest.approx(error.max())


@pytest.mark.parametrize("kind", KINDS)
def test_degrees(kind):
    finding = only(inspect_dataset(dataset_of(kind, np.rad2deg), PANDA), "degrees for radians")
    assert "radians" in finding.advice


@pytest.mark.parametrize("kind", ["poses", "positions"])
def test_degrees_that_could_be_radians(kind):
    """Joints that moved by a few degrees: only the tool tells."""
    rng = np.random.default_rng(8)
    q = np.deg2rad(rng.uniform(-3.0, 3.0, (COUNT, 7)))
    q[:, 3] -= 0.1
    q[:, 5] += 0.05
    poses = PANDA.forward_kinematics(q)
    degrees = np.rad2deg(q)
    dataset = Dataset(degrees, poses, PANDA.joint_names)
    if kind == "positions":
        dataset = Dataset.from_positions(degrees, poses[:, :3, 3], PANDA.joint_names)
    assert names_of(inspect_dataset(dataset, PANDA))[0] == "degrees for radians"


def in_units(factor):
    def change(poses):
        poses = poses.copy()
        poses[:, :3, 3] *= factor
        return poses

    return change


@pytest.mark.parametrize("kind", ["poses", "positions"])
@pytest.mark.parametrize(("unit", "factor"), [("millimetres", 1000.0), ("centimetres", 100.0), ("inches", 1 / 0.0254)])
def test_lengths_in_other_units(kind, unit, factor):
    inspection = inspect_dataset(dataset_of(kind, change_poses=in_units(factor)), PANDA)
    assert "metres" in only(inspection, f"{unit} for metres").advice


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pair", [(0, 2), (4, 5)])
def test_swapped_joints(kind, pair):
    order = list(range(7))
    order[pair[0]], order[pair[1]] = pair[1], pair[0]
    finding = only(inspect_dataset(dataset_of(kind, lambda q: q[:, order]), PANDA), "swapped joints")
    assert all(f"panda_joint{joint + 1} " in finding.finding for joint in pair)


def test_reversed_joints():
    only(inspect_dataset(dataset_of("positions", lambda q: q[:, ::-1]), PANDA), "reversed joints")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("joint", [0, 5])
def test_the_sign_of_a_joint(kind, joint):
    sign = np.ones(7)
    sign[joint] = -1.0
    inspection = inspect_dataset(dataset_of(kind, lambda q: q * sign), PANDA)
    assert f"panda_joint{joint + 1} " in only(inspection, "sign of a joint").finding


def test_two_mistakes_at_once_are_both_named():
    sign = np.array([1, 1, 1, 1, 1, -1, 1])
    dataset = dataset_of("poses", lambda q: np.rad2deg(q * sign), lambda poses: in_units(1000.0)(FRAME @ poses))
    assert sorted(names_of(inspect_dataset(dataset, PANDA))) == [
        "degrees for radians", "measurement frame", "millimetres for metres", "sign of a joint",
    ]  # fmt: skip


def test_a_joint_that_counts_from_elsewhere():
    shift = np.zeros(7)
    shift[3] = np.pi / 2
    finding = only(inspect_dataset(dataset_of("poses", lambda q: q + shift), PANDA), "zero of a joint")
    assert "-90 degrees" in finding.finding and "panda_joint4" in finding.finding


def test_quaternions_in_the_order_w_x_y_z():
    def shuffled(poses):
        poses = poses.copy()
        for pose in poses:
            angle = np.linalg.norm(vector := rotation_vector(pose[:3, :3]))
            w, (x, y, z) = np.cos(angle / 2), vector / angle * np.sin(angle / 2)
            # The file has w, x, y, z; its reader takes them for x, y, z, w.
            x, y, z, w = w, x, y, z
            pose[:3, :3] = [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        return poses

    finding = only(inspect_dataset(dataset_of("poses", change_poses=shuffled), PANDA), "quaternion order")
    assert "x, y, z, w" in finding.advice


def test_poses_of_the_base_in_the_tool():
    only(inspect_dataset(dataset_of("poses", change_poses=np.linalg.inv), PANDA), "inverse poses")


@pytest.mark.parametrize("kind", ["poses", "positions"])
@pytest.mark.parametrize("degrees", [0.0, 0.5])
def test_another_measurement_frame(kind, degrees):
    true = biased(9, degrees, 4.0 * degrees)
    finding = only(
        inspect_dataset(dataset_of(kind, change_poses=lambda poses: FRAME @ poses, true=true), PANDA),
        "measurement frame",
    )
    assert 'frame="unknown"' in finding.advice
    assert "1.4 m" in finding.finding  # of sqrt(1.2^2 + 0.4^2 + 0.6^2)


@pytest.mark.parametrize("kind", ["poses", "positions"])
def test_a_slightly_misplaced_frame_of_a_precise_robot(kind):
    near = homogeneous(rodrigues([0.0, 0.02, 0.01]), [0.01, -0.02, 0.01])
    dataset = dataset_of(kind, change_poses=lambda poses: near @ poses, true=PANDA)
    only(inspect_dataset(dataset, PANDA), "measurement frame")


def test_a_frame_and_a_robot_that_are_off_by_as_much():
    """Neither the frame alone nor the robot's geometry alone explains the poses."""
    near = homogeneous(rodrigues([0.1, 0.2, -0.1]), [0.2, -0.2, 0.1])
    dataset = dataset_of("poses", change_poses=lambda poses: near @ poses, true=biased(3, 3.0, 20.0))
    finding = only(inspect_dataset(dataset, PANDA), "measurement frame")
    # 300 mm and 14 degrees, but for what the robot's own offsets look like.
    length, angle = (float(number) for number in re.findall(r"([\d.]+) (?:mm|degrees)", finding.finding))
    assert 200.0 < length < 400.0 and 9.0 < angle < 19.0


@pytest.mark.parametrize("kind", ["poses", "positions"])
def test_a_marker_off_the_tip_link(kind):
    inspection = inspect_dataset(dataset_of(kind, change_poses=lambda poses: poses @ TOOL), PANDA)
    finding = only(inspection, "tool")
    assert 'tool="unknown"' in finding.advice
    (length,) = (float(number) for number in re.findall(r"([\d.]+) mm", finding.finding))
    assert 105.0 < length < 127.0  # 116 mm, and what the bias makes of it


def test_a_ball_off_the_tip_link_at_common_points():
    tool = homogeneous(np.eye(3), [0.02, 0.0, 0.08])
    inspection = inspect_dataset(Dataset.from_same_points(points_of(PANDA, 3, tool), PANDA.joint_names), PANDA)
    finding = only(inspection, "tool")
    assert "82.5 mm" in finding.finding


@pytest.mark.parametrize("kind", ["poses", "positions"])
def test_frame_and_tool_together(kind):
    inspection = inspect_dataset(dataset_of(kind, change_poses=lambda poses: FRAME @ poses @ TOOL), PANDA)
    assert names_of(inspection) == ["measurement frame", "tool"]


def test_another_robot(iiwa):
    q, poses = measured(biased(0, robot=iiwa))
    only(inspect_dataset(Dataset(q, poses, PANDA.joint_names), PANDA), "wrong robot")


def test_poses_of_other_configurations():
    """The clocks of arm and camera do not agree: each configuration has the next one's pose."""
    finding = only(
        inspect_dataset(dataset_of("positions", change_poses=lambda p: np.roll(p, 1, axis=0)), PANDA), "wrong robot"
    )
    assert "same time" in finding.advice


@pytest.mark.parametrize("kind", ["poses", "positions"])
@pytest.mark.parametrize("misplaced", [False, True])
def test_gross_outliers_are_named_by_their_rows(kind, misplaced):
    rows = np.arange(3, COUNT, 10)

    def spoilt(poses):
        poses = FRAME @ poses if misplaced else poses.copy()
        poses[rows, :3, 3] += np.random.default_rng(10).uniform(0.03, 0.3, (len(rows), 3))
        return poses

    inspection = inspect_dataset(dataset_of(kind, change_poses=spoilt), PANDA)
    assert names_of(inspection) == (["measurement frame"] if misplaced else []) + ["outliers"]
    assert inspection.outliers.tolist() == rows.tolist()
    assert inspection.diagnoses[-1].rows == tuple(rows)


def test_outliers_in_orientation_alone():
    def spoilt(poses):
        poses = poses.copy()
        poses[17, :3, :3] = rodrigues([0.3, 0.0, 0.0]) @ poses[17, :3, :3]
        return poses

    finding = only(inspect_dataset(dataset_of("poses", change_poses=spoilt), PANDA), "outliers")
    assert finding.rows == (17,)


def test_an_outlier_at_a_common_point():
    groups = {name: q.copy() for name, q in POINTS.items()}
    groups["place1/point0"][4, 3] += 0.1
    inspection = inspect_dataset(Dataset.from_same_points(groups, PANDA.joint_names), PANDA)
    assert only(inspection, "outliers").rows == (44,)


@pytest.mark.parametrize("kind", KINDS)
def test_duplicated_rows(kind):
    dataset = dataset_of(kind)
    doubled = dataset.subset(np.concatenate([np.arange(COUNT), [5, 5, 17]]))
    inspection = inspect_dataset(doubled, PANDA)
    assert only(inspection, "duplicates").rows == (120, 121, 122)
    assert inspection.near_duplicates.tolist() == [5, 17, 120, 121, 122]


def test_measuring_a_configuration_twice_is_no_fault():
    q, poses = measured(TRUE)
    _, again = measured(TRUE, seed=1)
    again[:, :3, 3] += 5e-5
    inspection = inspect_dataset(
        Dataset(np.concatenate([q, q[:20]]), np.concatenate([poses, again[:20]]), PANDA.joint_names), PANDA
    )
    assert inspection.diagnoses == ()
    assert len(inspection.near_duplicates) == 40


@pytest.mark.parametrize(("kind", "enough"), [("poses", 14), ("positions", 25)])
def test_too_few_samples(kind, enough):
    """Of 7 joints with 4 numbers each, frame (6) and tool (6 or 3), each twice: 80 or 74."""
    dataset = dataset_of(kind)
    assert inspect_dataset(dataset.subset(np.arange(enough)), PANDA).diagnoses == ()
    finding = only(inspect_dataset(dataset.subset(np.arange(enough - 1)), PANDA), "too few samples")
    assert f"about {enough} such samples" in finding.advice


def test_samples_outside_of_the_limits():
    q, poses = measured(TRUE)
    narrow = PANDA.with_limits(PANDA.lower, np.where(np.arange(7) == 2, 2.0, PANDA.upper))
    finding = only(inspect_dataset(Dataset(q, poses, PANDA.joint_names), narrow), "outside limits")
    assert finding.rows == tuple(np.flatnonzero(q[:, 2] > 2.05))
    assert "panda_joint3" in finding.finding


def test_a_joint_that_holds_still():
    rng = np.random.default_rng(11)
    q = PANDA.random_configurations(COUNT, rng)
    q[:, 2] = 0.3
    finding = only(inspect_dataset(Dataset(q, TRUE.forward_kinematics(q), PANDA.joint_names), PANDA), "coverage")
    assert finding.finding.startswith("panda_joint3 holds still")


def test_joints_that_move_together():
    rng = np.random.default_rng(12)
    q = PANDA.random_configurations(COUNT, rng)
    q[:, 4] = 0.2 - 0.5 * q[:, 0]
    finding = only(inspect_dataset(Dataset(q, TRUE.forward_kinematics(q), PANDA.joint_names), PANDA), "coverage")
    assert "panda_joint1, panda_joint5 only move together" in finding.finding


def test_a_single_sample_and_two():
    dataset = dataset_of("poses")
    for count in (1, 2):
        assert names_of(inspect_dataset(dataset.subset(np.arange(count)), PANDA)) == ["too few samples"]


def test_groups_of_one_sample_say_nothing():
    groups = {f"place/{i}": q[None] for i, q in enumerate(np.concatenate(list(POINTS.values())))}
    inspection = inspect_dataset(Dataset.from_same_points(groups, PANDA.joint_names), PANDA)
    assert "more samples a point" in only(inspection, "too few samples").advice


def test_columns_in_another_order_are_taken_by_name():
    order = [6, 0, 5, 1, 4, 2, 3]
    q, poses = measured(TRUE)
    dataset = Dataset(q[:, order], poses, [PANDA.joint_names[i] for i in order])
    inspection = inspect_dataset(dataset, PANDA)
    assert inspection.diagnoses == ()
    assert [joint.name for joint in inspection.joints] == list(PANDA.joint_names)
    assert inspection.joints[6].largest == q[:, 6].max()


def test_joints_of_another_robot_are_refused(two_link):
    with pytest.raises(DatasetError, match="shoulder"):
        inspect_dataset(dataset_of("poses"), two_link)


def test_sliding_joints_in_millimetres(gantry):
    true = biased(13, 0.3, 2.0, gantry)
    q = true.random_configurations(COUNT, np.random.default_rng(14))
    poses = true.forward_kinematics(q)
    q[:, 1] *= 1000.0
    only(inspect_dataset(Dataset(q, poses, gantry.joint_names), gantry), "sliding joints in millimetres")


@settings(max_examples=15)
@given(
    seed=st.integers(0, 1000),
    degrees=st.floats(0.0, 2.0),
    millimetres=st.floats(0.0, 10.0),
    count=st.integers(40, 200),
    positions=st.booleans(),
)
def test_no_robot_makes_good_samples_look_wrong(seed, degrees, millimetres, count, positions):
    q, poses = measured(biased(seed, degrees, millimetres), count, seed)
    if positions:
        dataset = Dataset.from_positions(q, poses[:, :3, 3], PANDA.joint_names)
    else:
        dataset = Dataset(q, poses, PANDA.joint_names)
    assert inspect_dataset(dataset, PANDA).diagnoses == ()


def test_the_summary_names_units_and_can_be_written_as_json():
    import json

    inspection = inspect_dataset(dataset_of("same point"), PANDA)
    summary = json.loads(json.dumps(summarize_inspection(inspection)))
    assert summary["samples"] == COUNT and summary["kinds"] == {"same point": COUNT}
    group = summary["groups"]["place0/point0"]
    assert group == {"samples": 20, "scatter, nominal [mm]": pytest.approx(1e3 * inspection.scatter["place0/point0"])}
    assert summary["errors"]["scatter of groups [mm]"]["mean"] == pytest.approx(
        1e3 * np.mean(list(inspection.scatter.values()))
    )
    assert "nominal [mm]" not in summary["errors"] and summary["diagnoses"] == []
    joint = summary["joints"]["panda_joint1"]
    assert joint["limits"] == [PANDA.lower[0], PANDA.upper[0]] and joint["unit"] == "rad"
    found = summarize_inspection(inspect_dataset(dataset_of("poses", np.rad2deg), PANDA))
    assert found["diagnoses"][0]["name"] == "degrees for radians"
    assert set(found["errors"]) == {
        "nominal [mm]", "nominal [mrad]", "after rigid alignment [mm]", "after a quick fit [mm]",
        "after a quick fit [mrad]",
    }  # fmt: skip


def test_sessions_with_frames_of_their_own_are_judged_one_by_one(panda):
    rng = np.random.default_rng(0)
    parts = []
    for number in range(2):
        frame = homogeneous(rodrigues(rng.uniform(-1.0, 1.0, 3)), rng.uniform(-1.0, 1.0, 3))
        q = panda.random_configurations(40, rng)
        poses = frame @ panda.forward_kinematics(q)
        parts.append(Dataset(q, poses, panda.joint_names, sessions=[f"day {number}"] * 40))
    mixed = Dataset.concatenate(parts)
    inspection = inspect_dataset(mixed, panda)
    names = {one.name for one in inspection.diagnoses}
    assert "wrong robot" not in names and "measurement frame" in names
    assert np.nanmax(inspection.fitted_position) < 1e-4 and not len(inspection.outliers)
    # The same samples without their sessions fit nothing.
    bare = Dataset(mixed.configurations, mixed.poses, panda.joint_names)
    assert any(one.worthless for one in inspect_dataset(bare, panda).diagnoses)
