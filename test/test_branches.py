"""All solutions of a pose: against closed forms, and against what many more starts find."""

import json

import numpy as np
import pytest
from oracles import ENDLESS, ROOT, TWO_LINK
from typer.testing import CliRunner

from crisp_ik_ros import CRiSP, Dataset, LearnedKinematics, ModelBasedIK, RobotModel
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.estimators.branches import NullSpace, full_turns
from crisp_ik_ros.estimators.decoding import Decoder
from crisp_ik_ros.losses.residual import ResidualLoss
from crisp_ik_ros.regression.kernels import GaussianKernel

FULL_TURN = 2.0 * np.pi


class PositionOnly(ModelBasedIK):
    """Reaches positions and lets the orientation be."""

    def __init__(self, robot, **options):
        super().__init__(robot, **options)
        self._residual_loss = ResidualLoss(1.0, 0.0)


def elbows(x, y):
    """Both solutions of the arm with links of 1 and 0.5 m, from the law of cosines."""
    elbow = np.arccos((x * x + y * y - 1.25) / 1.0)
    return [
        np.array([np.arctan2(y, x) - np.arctan2(0.5 * np.sin(e), 1.0 + 0.5 * np.cos(e)), e]) for e in (elbow, -elbow)
    ]


def at(x, y):
    pose = np.eye(4)
    pose[:2, 3] = x, y
    return pose


def turned(difference):
    return difference - FULL_TURN * np.rint(difference / FULL_TURN)


def is_among(configuration, others, tolerance=1e-4):
    return bool((np.abs(others - configuration).max(axis=1) < tolerance).any())


def assert_sound(robot, pose, result, seed):
    """All are solutions within the limits, each once, nearest first."""
    q = result.configurations
    assert result.success.all() and robot.within_limits(q).all()
    np.testing.assert_allclose(robot.forward_kinematics(q), np.broadcast_to(pose, (len(q), 4, 4)), atol=1e-5)
    assert (np.diff(np.linalg.norm(q - seed, axis=1)) > -1e-9).all()
    for row, other in enumerate(q):
        assert not is_among(other, np.delete(q, row, axis=0), 1e-3) or len(q) == 1


def test_two_links_have_both_elbows():
    estimator, rng, both = PositionOnly(RobotModel.from_urdf(TWO_LINK)), np.random.default_rng(0), 0
    for _ in range(20):
        radius, angle = rng.uniform(0.6, 1.4), rng.uniform(-3.0, 3.0)
        x, y = radius * np.cos(angle), radius * np.sin(angle)
        expected = [q for q in map(turned, elbows(x, y)) if estimator.robot.within_limits(q)]
        found = estimator.solve_all(at(x, y)).configurations
        assert len(found) == len(expected)
        assert all(is_among(q, found) for q in expected)
        both += len(expected) == 2
    assert both > 5


def test_full_turns_that_the_limits_allow_are_solutions_of_their_own():
    robot = RobotModel.from_urdf(TWO_LINK).with_limits([-7.0, -3.0], [7.0, 3.0])
    turns = [np.array([FULL_TURN * k, 0.0]) for k in (-1, 0, 1)]
    expected = [q + turn for q in elbows(0.9, 0.4) for turn in turns if robot.within_limits(q + turn)]
    found = PositionOnly(robot).solve_all(at(0.9, 0.4)).configurations
    assert len(found) == len(expected) and all(is_among(q, found) for q in expected)
    # Sorted from the seed, and no more than wanted.
    seed = np.array([-6.0, 1.0])
    nearest = sorted(expected, key=lambda q: np.linalg.norm(q - seed))[:2]
    np.testing.assert_allclose(PositionOnly(robot).solve_all(at(0.9, 0.4), seed, 2).configurations, nearest, atol=1e-5)


def test_turns_of_many_joints_are_bounded(endless):
    robot = RobotModel.from_urdf(ENDLESS).with_limits(np.full(6, -60.0), np.full(6, 60.0))
    q = np.zeros(6)
    rows = full_turns(robot, q, q)
    assert len(rows) <= 4096 and is_among(q, rows)
    # Endless joints are wrapped, and have no turns.
    assert (rows[:, robot.continuous] == 0.0).all()


def wrist_partner(q):
    """The other solution of a spherical wrist whose axes are x, y, x."""
    return np.append(q[:3], [q[3] + np.pi, -q[4], q[5] + np.pi])


def spherical(limit=np.pi - 1e-9):
    """An arm of 6 joints with a spherical wrist and an offset shoulder: 8 solutions at most."""
    axes, offsets = ["0 0 1", "0 1 0", "0 1 0", "1 0 0", "0 1 0", "1 0 0"], [
        "0 0 0.4", "0.1 0 0", "0 0 0.45", "0.4 0 0.02", "0 0 0", "0 0 0",
    ]  # fmt: skip
    links = "".join(f'<link name="l{i}"/>' for i in range(8))
    joints = "".join(
        f'<joint name="j{i}" type="revolute"><origin xyz="{offset}"/><parent link="l{i}"/><child link="l{i + 1}"/>'
        f'<axis xyz="{axis}"/><limit lower="{-limit}" upper="{limit}" effort="1" velocity="2"/></joint>'
        for i, (axis, offset) in enumerate(zip(axes, offsets, strict=True))
    )
    tip = '<joint name="t" type="fixed"><origin xyz="0.1 0 0"/><parent link="l6"/><child link="l7"/></joint>'
    return RobotModel.from_urdf(f'<robot name="spherical">{links}{joints}{tip}</robot>')


def arm_solutions(robot, pose):
    """Joints 1 to 3 (k, 3) that put the wrist where the pose wants it, by the law of cosines."""
    x, y, z = pose[:3, 3] - 0.1 * pose[:3, 0]
    found, upper, fore = [], 0.45, np.hypot(0.4, 0.02)
    bent = np.arctan2(0.02, 0.4)
    for pan, r in ((np.arctan2(y, x), np.hypot(x, y)), (np.arctan2(-y, -x), -np.hypot(x, y))):
        across, up = r - 0.1, z - 0.4
        cosine = (across**2 + up**2 - upper**2 - fore**2) / (2.0 * upper * fore)
        if abs(cosine) > 1.0:
            continue
        for elbow in (np.arccos(cosine), -np.arccos(cosine)):
            # Angles from the vertical; the forearm stands at pi/2 - bent where joint 3 is at 0.
            lift = np.arctan2(across, up) - np.arctan2(fore * np.sin(elbow), upper + fore * np.cos(elbow))
            found.append(turned(np.array([pan, lift, elbow - np.pi / 2.0 + bent])))
    return np.array(found).reshape(-1, 3)


def test_a_spherical_wrist_has_two_for_each_of_the_arm():
    robot, rng, full = spherical(), np.random.default_rng(4), 0
    estimator = ModelBasedIK(robot)
    for q in robot.random_configurations(12, rng):
        pose = robot.forward_kinematics(q)
        arms = arm_solutions(robot, pose)
        result = estimator.solve_all(pose)
        assert_sound(robot, pose, result, robot.rest)
        assert len(result.success) == 2 * len(arms)
        for arm in arms:
            assert (np.abs(turned(result.configurations[:, :3] - arm)).max(axis=1) < 1e-4).sum() == 2
        assert is_among(q, result.configurations) and is_among(turned(wrist_partner(q)), result.configurations)
        full += len(arms) == 4
    assert full > 2


@pytest.fixture(scope="module")
def ur():
    return RobotModel.from_urdf(ROOT / "models" / "ur5e.urdf", "base_link", "tool0")


def test_an_arm_with_three_parallel_axes_has_eight_and_their_turns(ur):
    within = ur.with_limits(np.full(6, -np.pi), np.full(6, np.pi))
    estimator, rng = ModelBasedIK(within), np.random.default_rng(1)
    for q in within.random_configurations(6, rng):
        pose = within.forward_kinematics(q)
        result = estimator.solve_all(pose)
        assert_sound(within, pose, result, within.rest)
        assert is_among(q, result.configurations)
        # What ten times as many starts find.
        starts = within.random_configurations(10000, rng)
        brute = ModelBasedIK(within, null_space_weight=0.0).solve_many(np.repeat(pose[None], 10000, axis=0), starts)
        found = np.unique(np.round(brute.configurations[brute.success], 2), axis=0)
        assert all(is_among(other, result.configurations, 0.02) for other in found)
        assert len(result.success) in (2, 4, 6, 8)
        wide = ModelBasedIK(ur).solve_all(pose)
        turns = np.prod(np.where(ur.upper - ur.lower > FULL_TURN + 0.1, 2, 1))
        assert len(wide.success) == turns * len(result.success)


def test_seven_joints_have_one_a_branch(panda):
    estimator, rng = ModelBasedIK(panda), np.random.default_rng(3)
    for q in panda.random_configurations(5, rng):
        pose = panda.forward_kinematics(q)
        result = estimator.solve_all(pose)
        assert_sound(panda, pose, result, panda.rest)
        problem = estimator._problem(pose)
        space = NullSpace(panda, panda, Decoder(panda, estimator._loss), problem)
        assert space.exists(result.configurations).all()
        away = np.linalg.norm(result.configurations - panda.rest, axis=1)
        assert (
            away[0] <= np.linalg.norm(estimator.solve(pose, panda.rest, nearest=True).configuration - panda.rest) + 0.05
        )


def test_a_planar_arm_of_five_links_is_redundant_and_answers_near_the_seed(planar5):
    pose = planar5.forward_kinematics(planar5.rest)
    result = ModelBasedIK(planar5).solve_all(pose)
    assert_sound(planar5, pose, result, planar5.rest)
    np.testing.assert_allclose(result.configurations[0], planar5.rest, atol=1e-3)


def test_out_of_reach_there_is_none(panda, two_link):
    pose = panda.forward_kinematics(panda.rest)
    pose[:3, 3] += 5.0
    result = ModelBasedIK(panda).solve_all(pose)
    assert result.configurations.shape == (0, 7) and result.status == () and result.fraction == 0.0
    # Within reach, but not with this orientation.
    tilted = at(0.9, 0.4)
    tilted[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    assert len(ModelBasedIK(two_link).solve_all(tilted).success) == 0


def test_a_learned_arm_has_all_of_them_too(ur):
    robot = ur.with_limits(np.full(6, -np.pi), np.full(6, np.pi))
    rng = np.random.default_rng(5)
    true = robot.with_bias(joint_offsets=np.deg2rad(rng.choice([-1.0, 1.0], 6)))
    q = robot.random_configurations(80, rng)
    arm = LearnedKinematics(robot, harmonics=2, kernel="none")
    arm.fit(Dataset(q, true.forward_kinematics(q), robot.joint_names))
    for own in q[:3]:
        pose = true.forward_kinematics(own)
        learned = arm.solve_all(pose).configurations
        expected = ModelBasedIK(true).solve_all(pose).configurations
        assert is_among(own, learned, 1e-2)
        assert len(learned) == len(expected)
        np.testing.assert_allclose(
            true.forward_kinematics(learned)[:, :3, 3], pose[None, :3, 3].repeat(len(learned), 0), atol=1e-3
        )


def test_crisp_says_of_each_what_it_rests_on(panda, biased_panda, panda_samples):
    estimator = CRiSP(panda, kernel=GaussianKernel(0.3, 1.0), penalty=1e-7, timeout=1.0).fit(panda_samples)
    q = panda_samples.configurations[3]
    result = estimator.solve_all(panda_samples.poses[3], q)
    assert result.success.all() and len(result.success) > 1
    assert result.sources[0] == "learned" and "nominal" in result.sources
    distance = biased_panda.forward_kinematics(result.configurations[0])[:3, 3] - panda_samples.poses[3][:3, 3]
    assert np.linalg.norm(distance) < 1e-3


def test_the_answers_are_a_function_of_the_request(ur):
    pose = ur.forward_kinematics(ur.rest + 0.3)
    first, second = (ModelBasedIK(ur).solve_all(pose, limit=20) for _ in range(2))
    assert len(first.success) == 20
    np.testing.assert_array_equal(first.configurations, second.configurations)
    whole = ModelBasedIK(ur).solve_all(pose)
    np.testing.assert_allclose(whole.configurations[:20], first.configurations, atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"pose": np.eye(3)}, "pose"),
        ({"pose": np.eye(4)[None]}, "pose"),
        ({"seed": np.zeros(3)}, "seed"),
        ({"limit": 0}, "limit"),
        ({"limit": 2.5}, "limit"),
        ({"timeout": 0.0}, "timeout"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(panda, wrong, name):
    request = {"pose": panda.forward_kinematics(panda.rest), **wrong}
    with pytest.raises(InvalidInputError, match=name):
        ModelBasedIK(panda).solve_all(**request)


def test_the_reference_solver_has_no_search_from_many_starts(panda, panda_samples):
    estimator = CRiSP(panda, kernel=GaussianKernel(0.3, 1.0), penalty=1e-7, solver="lbfgsb").fit(panda_samples)
    with pytest.raises(InvalidInputError, match="solver"):
        estimator.solve_all(panda_samples.poses[0])


def test_the_command_lists_them(tmp_path):
    from crisp_ik_ros.cli import app

    model = str(ROOT / "models" / "panda_residual.npz")
    words = ["ik", model, "--position", "0", "0.5", "0.05"]
    told = CliRunner().invoke(app, [*words, "--all", "--limit", "3", "--json"])
    assert told.exit_code == 0, told.output
    answer = json.loads(told.stdout)
    assert answer["success"] and 1 <= len(answer["solutions"]) <= 3
    distances = [solution["distance"] for solution in answer["solutions"]]
    assert distances == sorted(distances)
    assert len(answer["solutions"][0]["configuration"]) == 7
    shown = CliRunner().invoke(app, [*words, "--all", "--limit", "2"])
    assert shown.exit_code == 0 and "distance" in shown.output
    far = CliRunner().invoke(app, ["ik", model, "--position", "9", "0", "0", "--all", "--json"])
    assert far.exit_code == 1 and json.loads(far.stdout)["solutions"] == []
