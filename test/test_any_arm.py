"""The dozen arms and the random chains of the benchmarks: forward kinematics three ways, and poses that are solved."""

import json

import numpy as np
import pytest
from oracles import urdf_forward_kinematics

from benchmarks import any_arm, arms
from benchmarks.any_arm import Subject, UrdfChain, as_poses
from crisp_ik_ros import RobotModel
from crisp_ik_ros.errors import InvalidInputError

# Rows, whether the parameters are modified ones, and the flange behind the last joint [m].
DH = {
    "ur3": (arms.UR3, False, 0.0),
    "ur10e": (arms.UR10E, False, 0.0),
    "irb120": (arms.IRB120, False, 0.0),
    "lite6": (arms.LITE6, True, 0.0),
    "m1013": (arms.M1013, True, 0.0),
    "iiwa14": (arms.IIWA14, False, 0.0),
    "panda": (arms.PANDA, True, 0.107),
    "xarm7": (arms.XARM7, True, 0.0),
    "scara": (arms.SCARA, False, 0.0),
    "planar5": (arms.PLANAR, False, 0.0),
}
# Flange positions with all encoders at zero, as the manufacturers' drawings and manuals have them [m].
PUBLISHED = {
    "irb120": (0.374, 0.0, 0.630),
    "lite6": (0.087, 0.0, 0.1542),
    "m1013": (0.0, 0.0345, 1.4525),
    "iiwa14": (0.0, 0.0, 1.306),
    "panda": (0.088, 0.0, 0.926),
    "xarm7": (0.206, 0.0, 0.1205),
}
GENERATED = range(8)
ALL = [*arms.ARMS, *(f"random_{seed}" for seed in GENERATED)]


def find_arm(name):
    return arms.ARMS[name] if name in arms.ARMS else arms.random_arm(int(name.removeprefix("random_")))


@pytest.fixture(scope="module")
def subject_of(tmp_path_factory):
    made, folder = {}, tmp_path_factory.mktemp("urdfs")

    def subject(name):
        if name not in made:
            made[name] = Subject(arms.write_urdfs([find_arm(name)], folder)[0], "base_link", "tool0")
        return made[name]

    return subject


def dh_product(rows, modified, flange, q):
    """Product of Denavit-Hartenberg matrices, each written out by its elements."""
    pose = np.eye(4)
    for (kind, a, alpha, d, theta, *_), value in zip(rows, q, strict=True):
        angle, along = (np.deg2rad(theta), d + value) if kind == "P" else (np.deg2rad(theta) + value, d)
        c, s, ca, sa = np.cos(angle), np.sin(angle), np.cos(np.deg2rad(alpha)), np.sin(np.deg2rad(alpha))
        if modified:
            step = [
                [c, -s, 0.0, a], [s * ca, c * ca, -sa, -along * sa], [s * sa, c * sa, ca, along * ca], [0, 0, 0, 1]
            ]  # fmt: skip
        else:
            step = [[c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s], [0.0, sa, ca, along], [0, 0, 0, 1]]
        pose = pose @ np.array(step)
    pose[:3, 3] += flange * pose[:3, 2]
    return pose


@pytest.mark.parametrize("name", DH)
def test_forward_kinematics_is_the_product_of_the_published_parameters(name):
    rows, modified, flange = DH[name]
    robot = RobotModel.from_urdf(arms.ARMS[name].urdf(), "base_link", "tool0")
    for q in robot.random_configurations(10, np.random.default_rng(0)):
        expected = dh_product(rows, modified, flange, q)
        np.testing.assert_allclose(robot.forward_kinematics(q), expected, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_flange_is_where_the_manufacturer_draws_it(name):
    robot = RobotModel.from_urdf(arms.ARMS[name].urdf(), "base_link", "tool0")
    np.testing.assert_allclose(robot.forward_kinematics(np.zeros(robot.dof))[:3, 3], PUBLISHED[name], atol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_forward_kinematics_three_ways(name):
    xml = find_arm(name).urdf()
    robot, chain = RobotModel.from_urdf(xml, "base_link", "tool0"), UrdfChain(xml, "base_link", "tool0")
    q = robot.random_configurations(20, np.random.default_rng(1))
    poses = as_poses(*chain.poses(q))
    np.testing.assert_allclose(robot.forward_kinematics(q), poses, rtol=0.0, atol=1e-11)
    for configuration, pose in zip(q, poses, strict=True):
        expected = urdf_forward_kinematics(xml, "base_link", "tool0", configuration)
        np.testing.assert_allclose(pose, expected, rtol=0.0, atol=1e-11)


def test_link_offsets_move_the_joints_as_a_bias_of_the_model_does():
    xml = arms.ARMS["fetch"].urdf()
    robot, chain = RobotModel.from_urdf(xml, "base_link", "tool0"), UrdfChain(xml, "base_link", "tool0")
    rng = np.random.default_rng(2)
    q, zeros = robot.random_configurations(10, rng), rng.normal(0.0, 0.02, robot.dof)
    links = rng.normal(0.0, 0.003, (len(robot.joints), 3))
    biased = robot.with_bias(zeros, links)
    np.testing.assert_allclose(biased.forward_kinematics(q), as_poses(*chain.poses(q + zeros, links)), atol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_reachable_poses_are_solved(name, subject_of):
    subject = subject_of(name)
    rng = np.random.default_rng(3)
    poses = as_poses(*subject.chain.poses(subject.robot.random_configurations(30, rng)))
    answers = [subject.solver.solve(pose, timeout=1.0) for pose in poses]
    assert all(answer.success for answer in answers)
    assert subject.confirmed(poses, np.array([answer.configuration for answer in answers])).all()


def test_random_chains_are_of_all_kinds_and_sizes():
    found = [arms.random_arm(seed) for seed in range(65)]
    assert {len(arm.joints) for arm in found} == set(range(3, 11))
    joints = [joint for arm in found for joint in arm.joints]
    assert {joint.kind for joint in joints} == {"revolute", "prismatic", "continuous"}
    assert all(joint.lower < joint.upper for joint in joints)
    assert len({arm.urdf() for arm in found}) == 65
    assert arms.random_arm(7).urdf() == found[7].urdf()


# ------------------------------------------------------------------------------------------------------- the benchmark


def test_an_answer_counts_only_where_forward_kinematics_confirms_it(subject_of):
    subject = subject_of("scara")
    robot = subject.robot
    q = robot.random_configurations(4, np.random.default_rng(4))
    poses = as_poses(*subject.chain.poses(q))
    assert subject.confirmed(poses, q).all()
    off, beyond = q.copy(), q.copy()
    off[:, 2] = np.clip(q[:, 2] + 1e-5, None, robot.upper[2])
    assert not subject.confirmed(poses, off).any()
    # The last joint turns by a whole turn: the same pose, beyond the limit.
    beyond[:, 3] += np.where(q[:, 3] > 0.0, 1.0, -1.0) * 2.0 * np.pi
    assert not subject.confirmed(poses, beyond).any()


def test_continuous_joints_take_the_short_way_and_others_do_not(subject_of):
    subject = subject_of("ur3")
    near = np.zeros((3, 6))
    near[1, 5], near[2, 0] = 3.1, 3.1
    assert subject.steps(near, -near) == pytest.approx([0.0, 2.0 * np.pi - 6.2, 6.2])


def test_jumps_and_poses_without_an_answer_are_counted(subject_of):
    subject = subject_of("irb120")

    class Follower:
        """Answers every path with the one that is given, a part of it marked as not solved."""

        def __init__(self, path, unsolved):
            self.configurations, self.success = path, np.arange(len(path)) >= unsolved

        def solve_path(self, poses, seed):
            return self

    path = any_arm.random_path(subject.robot, np.random.default_rng(5))
    assert path.shape == (any_arm.STEPS, 6) and subject.robot.within_limits(path).all()
    assert np.abs(np.diff(path, axis=0)).max() < 0.05
    jumping = path + np.where(np.arange(len(path)) == 100, 0.6, 0.0)[:, None]
    for answers, unsolved, jumps in ((path, 0, 0), (path, 3, 0), (jumping, 0, 1)):
        fake = Subject.__new__(Subject)
        fake.robot, fake.chain, fake.solver = subject.robot, subject.chain, Follower(answers, unsolved)
        counted = any_arm.follow(fake, [path])
        assert (counted["paths"], counted["jumps"], counted["unsolved"]) == (1, jumps, unsolved)


def test_clear_paths_are_away_from_singularities(subject_of):
    robot = subject_of("irb120").robot
    path = np.tile([0.1, 0.2, 0.3, 0.4, 0.8, 0.5], (40, 1))
    assert any_arm.is_clear(robot, path, 6)
    # A stretched wrist at one point.
    path[33, 4] = 0.0
    assert not any_arm.is_clear(robot, path, 6)
    # A planar arm moves its tool in three directions.
    planar = subject_of("planar5").robot
    bent = np.tile([0.1, 0.5, 0.5, 0.5, 0.5], (40, 1))
    assert any_arm.is_clear(planar, bent, 3) and not any_arm.is_clear(planar, bent, 4)


def test_the_chain_ends_at_the_tool_where_several_links_could_be_the_tip(tmp_path):
    path = arms.write_urdfs([arms.ARMS["so101"]], tmp_path)[0]
    assert any_arm.chain_of(path) == ("base_link", "tool0")


def test_the_benchmark_writes_a_table_and_figures(tmp_path, capsys):
    figures = tmp_path / "figures.json"
    counts = ["--quick", "--parts", "solve,near,paths,learn", "--set", "kernel=none", "--json", str(figures)]
    any_arm.main(["--generated", "3", "--arms", "random_000_9", *counts])
    (row,) = json.loads(figures.read_text())["rows"]
    assert row["arm"] == "random_000_9" and row["joints"] == 9
    assert row["solve"]["solved"] == 1.0 and row["solve"]["wrong"] == 0
    assert row["near"]["failed"] == 0.0 and row["paths"]["any"]["paths"] == any_arm.QUICK[2]
    assert row["learn"]["solved_within"] > 0.8 and row["learn"]["median_mm"] < 0.1 < row["learn"]["nominal_median_mm"]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == any_arm.head(any_arm.PARTS[1:]) and said[1].startswith("random_000_9")
    assert "solve: 100.0 % of all poses" in said[2]


def test_a_folder_without_urdfs_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        any_arm.main([str(tmp_path)])
    assert "any_arm: " in capsys.readouterr().err
    with pytest.raises(InvalidInputError):
        any_arm.chosen("arms", "nonsense", ["ur3"])
