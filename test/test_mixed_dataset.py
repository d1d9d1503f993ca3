"""Full poses, positions only and same-point groups side by side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import homogeneous, rodrigues, sample_around

from crisp_ik_ros import CRiSP, Dataset
from crisp_ik_ros.commands import evaluate_model
from crisp_ik_ros.datasets.dataset import POSE, POSITION, SAME_POINT, Distance
from crisp_ik_ros.datasets.fields import Fields
from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.estimators.baselines.calibration import KinematicCalibration
from crisp_ik_ros.estimators.baselines.neural_network import NeuralNetworkIK
from crisp_ik_ros.estimators.baselines.one_class_ssvm import OneClassStructuredSVM
from crisp_ik_ros.estimators.baselines.paper_crisp import PaperCRiSP

NAMES = ("shoulder", "elbow")
HOLES = Distance("front/hole_0", "front/hole_1", 0.05)


def random_poses(rng, count):
    return np.array([homogeneous(rodrigues(rng.uniform(-1.8, 1.8, 3)), rng.normal(size=3)) for _ in range(count)])


def full(count, seed=0, **options):
    rng = np.random.default_rng(seed)
    return Dataset(rng.normal(size=(count, 2)), random_poses(rng, count), NAMES, **options)


def positions(count, seed=1, **options):
    rng = np.random.default_rng(seed)
    return Dataset.from_positions(rng.normal(size=(count, 2)), rng.normal(size=(count, 3)), NAMES, **options)


def points(sizes=(5, 3, 4), seed=2, names=("front/hole_0", "front/hole_1", "left/hole_0"), **options):
    rng = np.random.default_rng(seed)
    groups = {name: rng.normal(size=(size, 2)) for name, size in zip(names, sizes, strict=True)}
    return Dataset.from_same_points(groups, NAMES, **options)


def placed(count, places, seed=3):
    """Full poses with the place of each in ``places``, by turns."""
    samples = full(count, seed)
    groups = np.arange(count) % len(places)
    return Dataset.from_fields(Fields(NAMES, samples.configurations, samples.poses, None, groups, tuple(places)))


def mixed():
    return Dataset.concatenate(
        [
            full(6),
            positions(4, noise=2e-4),
            points(distances=[HOLES], noise=[*np.arange(1, 13) * 1e-4]),
            placed(3, ["up"]),
        ]
    )


def assert_same(first, second, atol=0.0):
    assert first.joint_names == second.joint_names
    assert first.group_names == second.group_names
    assert first.distances == second.distances
    np.testing.assert_array_equal(first.configurations, second.configurations)
    np.testing.assert_allclose(first.poses, second.poses, rtol=0.0, atol=atol)
    np.testing.assert_array_equal(first.kinds, second.kinds)
    np.testing.assert_array_equal(first.groups, second.groups)
    assert (first.noise is None) == (second.noise is None)
    if first.noise is not None:
        np.testing.assert_array_equal(first.noise, second.noise)


# What each kind holds


def test_full_poses_have_nothing_else():
    samples = full(5)
    assert samples.only_poses
    assert samples.kinds.dtype == np.int8 and samples.groups.dtype == np.int64
    np.testing.assert_array_equal(samples.kinds, [POSE] * 5)
    np.testing.assert_array_equal(samples.groups, [-1] * 5)
    assert samples.group_names == () and samples.distances == () and samples.noise is None
    assert samples.locations == ("",) * 5


def test_what_full_poses_share_takes_no_memory_a_sample():
    samples = full(5)
    assert samples.kinds.strides == samples.groups.strides == (0,)


def test_positions_have_no_rotation():
    given_positions = np.random.default_rng(0).normal(size=(4, 3))
    samples = Dataset.from_positions(np.zeros((4, 2)), given_positions, NAMES, noise=[1e-4, 2e-4, np.nan, 4e-4])
    assert not samples.only_poses
    np.testing.assert_array_equal(samples.kinds, [POSITION] * 4)
    np.testing.assert_array_equal(samples.poses[:, :3, 3], given_positions)
    np.testing.assert_array_equal(samples.poses[:, :3, :3], np.broadcast_to(np.eye(3), (4, 3, 3)))
    np.testing.assert_array_equal(samples.noise, [[1e-4, np.nan], [2e-4, np.nan], [np.nan, np.nan], [4e-4, np.nan]])


def test_same_points_have_groups_locations_and_no_pose():
    samples = points(distances=[HOLES])
    np.testing.assert_array_equal(samples.kinds, [SAME_POINT] * 12)
    np.testing.assert_array_equal(samples.poses, np.broadcast_to(np.eye(4), (12, 4, 4)))
    assert samples.group_names == ("front/hole_0", "front/hole_1", "left/hole_0")
    np.testing.assert_array_equal(samples.groups, [0] * 5 + [1] * 3 + [2] * 4)
    assert samples.locations == ("front",) * 8 + ("left",) * 4
    assert samples.distances == (Distance("front/hole_0", "front/hole_1", 0.05, 1e-4),)
    assert samples.noise is None


@pytest.mark.parametrize(
    ("group", "location"), [("a/b/c", "a/b"), ("front/hole_0", "front"), ("bench", "bench"), ("/bench", "")]
)
def test_location_is_what_stands_before_the_last_slash(group, location):
    assert points((2,), names=(group,)).locations == (location,) * 2


def test_noise_of_one_pair_holds_for_all_samples():
    samples = full(3, noise=(1e-4, 5e-4))
    np.testing.assert_array_equal(samples.noise, [[1e-4, 5e-4]] * 3)
    np.testing.assert_array_equal(full(3, noise=np.arange(6).reshape(3, 2)).noise, [[0, 1], [2, 3], [4, 5]])


def test_noise_that_is_known_nowhere_is_none():
    assert full(3, noise=(np.nan, np.nan)).noise is None
    assert positions(3, noise=np.nan).noise is None


def test_repr_counts_the_kinds():
    assert repr(mixed()) == ("Dataset(25 samples (9 with poses, 4 with positions, 12 at 3 points), shoulder, elbow)")


# Putting together and taking apart


def test_concatenated_samples_keep_what_they_are():
    parts = [full(6), positions(4, noise=2e-4), points(distances=[HOLES])]
    together = Dataset.concatenate(parts)
    np.testing.assert_array_equal(together.kinds, [0] * 6 + [1] * 4 + [2] * 12)
    np.testing.assert_array_equal(together.configurations, np.vstack([part.configurations for part in parts]))
    np.testing.assert_array_equal(together.poses, np.vstack([part.poses for part in parts]))
    np.testing.assert_array_equal(together.groups, [-1] * 10 + [0] * 5 + [1] * 3 + [2] * 4)
    np.testing.assert_array_equal(together.noise[:, 0], [np.nan] * 6 + [2e-4] * 4 + [np.nan] * 12)
    assert together.distances == (HOLES,)


def test_concatenated_samples_follow_the_joint_order_of_the_first():
    first, second = full(3), positions(2)
    turned = Dataset.from_positions(second.configurations[:, ::-1], second.poses[:, :3, 3], NAMES[::-1])
    assert_same(Dataset.concatenate([first, turned]), Dataset.concatenate([first, second]))
    assert Dataset.concatenate([turned, first]).joint_names == NAMES[::-1]


def test_groups_of_one_name_are_one_group():
    together = Dataset.concatenate([points((2, 2), names=("a", "b")), points((1, 2), names=("b", "c"), seed=5)])
    assert together.group_names == ("a", "b", "c")
    np.testing.assert_array_equal(together.groups, [0, 0, 1, 1, 1, 2, 2])


def test_a_distance_that_comes_twice_is_kept_once():
    together = Dataset.concatenate([points(distances=[HOLES]), points(distances=[HOLES, HOLES])])
    assert together.distances == (HOLES,)


def test_samples_of_other_joints_are_not_joined():
    other = Dataset(np.zeros((1, 2)), np.eye(4)[None], ("shoulder", "wrist"))
    with pytest.raises(DatasetError, match=r"shoulder, wrist.*shoulder, elbow"):
        Dataset.concatenate([full(2), other])
    with pytest.raises(DatasetError, match="no dataset"):
        Dataset.concatenate([])


def test_subset_keeps_kinds_groups_and_noise_in_the_order_asked_for():
    samples = mixed()
    rows = [24, 11, 7, 0, 20]
    chosen = samples.subset(rows)
    np.testing.assert_array_equal(chosen.kinds, samples.kinds[rows])
    np.testing.assert_array_equal(chosen.configurations, samples.configurations[rows])
    np.testing.assert_array_equal(chosen.poses, samples.poses[rows])
    np.testing.assert_array_equal(chosen.noise, samples.noise[rows])
    # In the order in which the chosen samples have them.
    assert chosen.group_names == ("up", "front/hole_0", "left/hole_0")
    np.testing.assert_array_equal(chosen.groups, [0, 1, -1, -1, 2])
    assert chosen.distances == ()


def test_distances_follow_where_both_groups_do():
    samples = mixed()
    both = np.flatnonzero(np.isin(samples.groups, [0, 1]))
    assert samples.subset(both).distances == (HOLES,)
    assert samples.subset(np.flatnonzero(samples.groups == 0)).distances == ()


def test_subset_of_full_poses_alone_is_a_dataset_of_full_poses():
    chosen = mixed().subset(range(6))
    assert chosen.only_poses and chosen.noise is None and chosen.group_names == ()
    assert_same(chosen, full(6))


def test_locations_are_selected_and_left_out():
    samples = mixed()
    front = samples.select_locations(["front"])
    assert set(front.locations) == {"front"} and len(front) == 8
    assert front.distances == (HOLES,)
    rest = samples.without_locations(["front", "up"])
    assert set(rest.locations) == {"", "left"} and len(rest) == 14
    assert rest.distances == ()
    assert len(samples.select_locations("left")) == 4
    np.testing.assert_array_equal(
        np.sort(np.vstack([front.configurations, samples.without_locations("front").configurations]), axis=0),
        np.sort(samples.configurations, axis=0),
    )


def test_locations_that_are_not_there_are_refused_with_those_that_are():
    with pytest.raises(DatasetError, match=r"'back'; the locations are '', 'front', 'left', 'up'"):
        mixed().select_locations(["front", "back"])
    with pytest.raises(DatasetError, match="back"):
        mixed().without_locations(["back"])
    with pytest.raises(DatasetError, match="at least one"):
        points((2,), names=("front/a",)).without_locations(["front"])


# Splits


def rows_of(part, samples):
    return [int(np.flatnonzero((samples.configurations == q).all(axis=1))[0]) for q in part.configurations]


@given(
    st.integers(0, 12),
    st.integers(0, 12),
    st.lists(st.integers(1, 9), max_size=5),
    st.floats(0.02, 0.98),
    st.integers(0, 9),
)
def test_split_shares_out_every_kind_and_group(poses, others, sizes, fraction, seed):
    parts = [full(poses)] if poses else []
    parts += [positions(others)] if others else []
    parts += [points(sizes, names=[f"p{i}" for i in range(len(sizes))])] if sizes else []
    if sum(map(len, parts)) < 2:
        return
    samples = Dataset.concatenate(parts)
    first, second = samples.split(fraction, seed)
    assert sorted(rows_of(first, samples) + rows_of(second, samples)) == list(range(len(samples)))
    assert len(first) and len(second)
    for kind in (POSE, POSITION, SAME_POINT):
        count = int(np.sum(samples.kinds == kind))
        held = int(np.sum(first.kinds == kind))
        if count > 1:
            assert 1 <= held <= count - 1
            assert abs(held - fraction * count) < 1.0
    for name, size in zip(samples.group_names, sizes, strict=True):
        held = list(np.array([*first.group_names, ""])[first.groups]).count(name)
        part = np.sum(first.kinds == SAME_POINT) / sum(sizes)
        assert abs(held - part * size) < 1.0


def test_split_of_groups_depends_on_its_seed():
    samples = points((1,) * 12, names=[f"p{i}" for i in range(12)])
    chosen = {tuple(rows_of(samples.split(0.5, seed)[0], samples)) for seed in range(8)}
    assert len(chosen) > 4
    assert rows_of(samples.split(0.5, 3)[0], samples) == rows_of(samples.split(0.5, 3)[0], samples)


def test_split_of_two_samples_of_two_kinds_leaves_neither_part_empty():
    samples = Dataset.concatenate([full(1), positions(1)])
    for fraction in (0.1, 0.5, 0.9):
        assert [len(part) for part in samples.split(fraction)] == [1, 1]


# Files


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
@pytest.mark.parametrize(
    "make",
    [
        mixed,
        points,
        lambda: positions(4),
        lambda: placed(4, ["a", "b/c"]),
        lambda: full(4, noise=(1e-4, np.nan)),
        lambda: full(4, noise=(np.nan, 1e-3)),
        lambda: points(distances=[HOLES, Distance("left/hole_0", "front/hole_0", 1 / 3, 2e-3)]),
    ],
)
def test_files_give_back_every_field(tmp_path, suffix, make):
    path, again = tmp_path / f"data{suffix}", tmp_path / f"again{suffix}"
    make().save(path)
    assert_same(Dataset.load(path), make(), atol=1e-15)
    make().save(again)
    assert path.read_bytes() == again.read_bytes()
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted([path.name, again.name])


def test_full_poses_are_saved_as_version_1_with_the_fields_of_old(tmp_path):
    samples = full(5)
    samples.save(tmp_path / "data.npz")
    np.savez(
        tmp_path / "old.npz", version=np.array(1), joint_names=np.array(NAMES),
        configurations=samples.configurations, poses=samples.poses,
    )  # fmt: skip
    assert (tmp_path / "data.npz").read_bytes() == (tmp_path / "old.npz").read_bytes()


def test_full_poses_that_went_through_a_mixture_are_saved_as_before(tmp_path):
    full(5).save(tmp_path / "direct.npz")
    Dataset.concatenate([full(5), positions(2, noise=1e-4)]).subset(range(5)).save(tmp_path / "taken.npz")
    assert (tmp_path / "direct.npz").read_bytes() == (tmp_path / "taken.npz").read_bytes()


def test_everything_else_is_version_2(tmp_path):
    for number, samples in enumerate((positions(2), points(), placed(2, ["a"]), full(2, noise=(1e-4, 1e-4)))):
        path = tmp_path / f"{number}.npz"
        samples.save(path)
        with np.load(path) as archive:
            assert archive["version"] == 2


def test_equal_groups_numbered_otherwise_give_equal_bytes(tmp_path):
    samples = placed(4, ["a", "b"])
    other = Fields(NAMES, samples.configurations, samples.poses, None, np.array([2, 0, 2, 0]), ("b", "unused", "a"))
    samples.save(tmp_path / "first.npz")
    Dataset.from_fields(other).save(tmp_path / "second.npz")
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()


def test_mixed_samples_can_be_mapped(tmp_path):
    mixed().save(tmp_path / "data.npz")
    assert_same(Dataset.load(tmp_path / "data.npz", memory_map=True), mixed())


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_loaded_joints_are_those_asked_for_in_their_order(tmp_path, suffix):
    samples = mixed()
    samples.save(tmp_path / f"data{suffix}")
    turned = Dataset.load(tmp_path / f"data{suffix}", joint_names=NAMES[::-1])
    assert turned.joint_names == NAMES[::-1]
    np.testing.assert_array_equal(turned.configurations, samples.configurations[:, ::-1])
    one = Dataset.load(tmp_path / f"data{suffix}", joint_names=["elbow"])
    np.testing.assert_array_equal(one.configurations, samples.configurations[:, 1:])
    with pytest.raises(DatasetError, match="wrist"):
        Dataset.load(tmp_path / f"data{suffix}", joint_names=["elbow", "wrist"])


def test_options_that_a_file_does_not_have_are_refused(tmp_path):
    full(2).save(tmp_path / "data.npz")
    with pytest.raises(DatasetError, match="still_for"):
        Dataset.load(tmp_path / "data.npz", still_for=0.3)


# What cannot be


def fields(**changes):
    values = {
        "joint_names": NAMES,
        "configurations": np.zeros((3, 2)),
        "poses": np.broadcast_to(np.eye(4), (3, 4, 4)),
        "kinds": np.array([0, 1, 2]),
        "groups": np.array([-1, 0, 1]),
        "group_names": ("a", "b"),
    }
    return Fields(**{**values, **changes})


def test_the_fields_that_the_refusals_change_are_good():
    assert len(Dataset.from_fields(fields())) == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kinds": np.array([0, 1, 3])}, "sample 2 is of kind 3"),
        ({"kinds": np.array([0, 1])}, r"kinds: got shape \(2,\)"),
        ({"kinds": np.array([0.0, 1.0, 2.0])}, "float64"),
        ({"groups": np.array([-1, 0, 2])}, "sample 2 is in group 2"),
        ({"groups": np.array([-2, 0, 1])}, "sample 0 is in group -2"),
        ({"groups": np.array([-1, 0, -1])}, "sample 2 has neither"),
        ({"groups": None}, "sample 2 has neither"),
        ({"groups": np.array([[-1, 0, 1]])}, r"groups: got shape \(1, 3\)"),
        ({"group_names": ("a", "")}, "group name ''"),
        ({"group_names": ("a", "b,c")}, "comma"),
        ({"group_names": ("a", 'b"')}, "quotation"),
        ({"group_names": ("a", " b")}, "blank"),
        ({"group_names": ("a", "b\nc")}, "printable"),
        ({"group_names": ("a", 7)}, "group name 7"),
        ({"noise": np.zeros((2, 2))}, r"noise: got shape \(2, 2\), expected \(3, 2\)"),
        ({"noise": [[1e-4, 1e-4], [-1e-4, 0.0], [0.0, 0.0]]}, "noise: sample 1"),
        ({"noise": [[1e-4, 1e-4], [0.0, 0.0], [np.inf, 0.0]]}, "noise: sample 2"),
        ({"noise": "much"}, "noise"),
        ({"distances": [("a", "b", 0.05)]}, "no same-point samples of a"),
        ({"distances": [("b", "b", 0.05)]}, "to itself"),
        ({"distances": [("b",)]}, "distance"),
        ({"configurations": [[0.0, 1.0], [2.0]]}, "configurations"),
    ],
)
def test_fields_that_do_not_fit_are_refused_with_what_is_wrong(changes, reason):
    with pytest.raises(DatasetError, match=reason):
        Dataset.from_fields(fields(**changes))


@pytest.mark.parametrize(
    "distance", [(0.0, 1e-4), (-0.1, 1e-4), (np.nan, 1e-4), (np.inf, 1e-4), (0.1, 0.0), (0.1, -1.0)]
)
def test_distances_that_cannot_be_are_refused(distance):
    with pytest.raises(DatasetError, match="front/hole_0 to front/hole_1"):
        points(distances=[Distance("front/hole_0", "front/hole_1", *distance)])


def test_distances_of_unknown_groups_are_refused():
    with pytest.raises(DatasetError, match="back/hole_0"):
        points(distances=[Distance("front/hole_0", "back/hole_0", 0.1)])


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        ({}, "no group"),
        ({"a": np.zeros((2, 2)), "b": np.zeros((2, 3))}, r"group b: got shape \(2, 3\), expected \(k, 2\)"),
        ({"a": np.zeros((0, 2))}, "group a"),
        ({"a": np.zeros(2)}, "group a"),
        ({"a": np.zeros((2, 2)), "b": [[0.0, 1.0], [np.nan, 0.0]]}, "group b: row 1"),
        ({"a": [[0.0, "x"]]}, "group a"),
    ],
)
def test_groups_that_cannot_be_used_are_refused_by_name(groups, reason):
    with pytest.raises(DatasetError, match=reason):
        Dataset.from_same_points(groups, NAMES)


def test_positions_that_cannot_be_used_are_refused():
    for wrong in (np.zeros((3, 4)), np.zeros(3), np.broadcast_to(np.eye(4), (3, 4, 4))):
        with pytest.raises(DatasetError, match=r"expected \(n, 3\)"):
            Dataset.from_positions(np.zeros((3, 2)), wrong, NAMES)
    with pytest.raises(DatasetError, match="2 configurations and 3"):
        Dataset.from_positions(np.zeros((2, 2)), np.zeros((3, 3)), NAMES)
    with pytest.raises(DatasetError, match="row 2"):
        Dataset.from_positions(np.zeros((3, 2)), [[0, 0, 0], [0, 0, 0], [0, np.nan, 0]], NAMES)
    with pytest.raises(DatasetError, match="noise"):
        positions(3, noise=[1e-4, 1e-4])


# Those who need full poses


def test_full_poses_satisfy_those_who_need_them():
    placed(3, ["a"]).require_poses("CRiSP")
    full(3, noise=(1e-4, 1e-4)).require_poses("CRiSP")


def test_those_who_need_poses_say_how_many_are_missing_and_what_to_use():
    with pytest.raises(
        DatasetError,
        match=r"CRiSP needs full poses; 4 samples have only a position and 12 samples only say that the tool was at "
        r"the same point, the first is row 6: use LearnedKinematics \(crisp-ik train --estimator learned_kinematics\)",
    ):
        mixed().require_poses("CRiSP")
    with pytest.raises(DatasetError, match=r"poses; 3 samples have only a position, the first is row 0: use"):
        positions(3).require_poses("CRiSP")


@pytest.mark.parametrize("estimator", [CRiSP, PaperCRiSP, KinematicCalibration, NeuralNetworkIK, OneClassStructuredSVM])
def test_estimators_of_poses_refuse_other_samples(estimator, two_link):
    q = np.random.default_rng(0).uniform(-1.0, 1.0, (30, 2))
    samples = Dataset.from_positions(q, two_link.forward_kinematics(q)[:, :3, 3], two_link.joint_names)
    with pytest.raises(DatasetError, match=f"{estimator.__name__} needs full poses; 30 samples"):
        estimator(two_link).fit(samples)


def test_evaluation_refuses_samples_without_poses(two_link, tmp_path):
    samples = sample_around(two_link, two_link, 20)
    model, data = tmp_path / "model.npz", tmp_path / "data.npz"
    CRiSP(two_link, penalty=1e-6).fit(samples).save(model)
    Dataset.from_positions(samples.configurations, samples.poses[:, :3, 3], samples.joint_names).save(data)
    with pytest.raises(DatasetError, match="crisp-ik evaluate needs full poses; 20 samples"):
        evaluate_model(model, data)
