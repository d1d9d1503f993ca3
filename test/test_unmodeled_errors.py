"""Errors that no model expects, on arms of plain NumPy: learned kinematics neither adds to them nor hides them."""

from dataclasses import replace

import numpy as np
import pytest
from oracles import homogeneous, random_arm, rodrigues

from crisp_ik_ros import Dataset, LearnedKinematics, RobotModel, load_model
from crisp_ik_ros.estimators.identification.parameters import SMOOTH_HARMONICS
from crisp_ik_ros.estimators.identification.priors import LARGEST_SCALES, Priors
from crisp_ik_ros.robots.urdf import ChainJoint

# Standard deviations of a tracker's readings [m, rad].
NOISE = (3e-5, 1e-4)
GRAVITY = np.array([0.0, 0.0, -9.80665])
# Half width of the narrow box [rad], and least share of errors within the bound.
NARROW, COVERED = 0.4, 0.88


class TrueArm:
    """A revolute arm of plain NumPy: small errors of zeros, links and gears, and joints that err by ``error``."""

    def __init__(self, robot, seed=0, error=None, compliance=0.0, payload_center=(0.0, 0.0, 0.0)):
        rng = np.random.default_rng(seed)
        self.robot, self.error, self.compliance = robot, error, compliance
        self.payload_center = np.asarray(payload_center)
        self.offsets, self.scales = rng.normal(0.0, 3e-3, robot.dof), rng.normal(0.0, 3e-4, robot.dof)
        self.shifts = rng.normal(0.0, 1e-3, (len(robot.joints), 3))

    def chain(self, angles):
        """Tip pose, and the origin, axis and mass center of each joint's link, in the base frame."""
        pose, found, values = np.eye(4), [], iter(angles)
        for joint, shift in zip(self.robot.joints, self.shifts, strict=True):
            pose = pose @ joint.origin
            pose[:3, 3] += pose[:3, :3] @ joint.origin[:3, :3].T @ shift
            if joint.movable:
                origin, axis = pose[:3, 3].copy(), pose[:3, :3] @ joint.axis
                pose = pose @ homogeneous(rodrigues(joint.axis * next(values)), np.zeros(3))
                center = self.robot.mass_centers[len(found)]
                found.append((origin, axis, pose[:3, 3] + pose[:3, :3] @ center))
        return pose, found

    def pose(self, q, approach=0.0, payload=0.0):
        angles = q + self.offsets + self.scales * q
        if self.error is not None:
            angles = angles + self.error(q)
        if self.compliance:
            tip, links = self.chain(angles)
            masses = [*self.robot.masses, payload]
            centers = [link[2] for link in links] + [tip[:3, 3] + tip[:3, :3] @ self.payload_center]
            for j, (origin, axis, _) in enumerate(links):
                torque = sum(
                    axis @ np.cross(c - origin, m * GRAVITY) for c, m in zip(centers[j:], masses[j:], strict=True)
                )
                angles[j] += self.compliance * torque
        return self.chain(angles + approach)[0]

    def poses(self, q, approaches=None, payloads=None):
        approaches = np.zeros_like(q) if approaches is None else approaches
        payloads = np.zeros(len(q)) if payloads is None else payloads
        return np.array([self.pose(*row) for row in zip(q, approaches, payloads, strict=True)])

    def measure(self, q, seed=1, noise=NOISE, **circumstances):
        """Tracked poses of configurations (n, J)."""
        rng = np.random.default_rng(seed)
        return Dataset(q, noisy(self.poses(q), rng, noise), self.robot.joint_names, **circumstances)

    def off(self, model, q):
        """Distances (n,) [m] of a model's tool from the true one."""
        return np.linalg.norm(model.forward_kinematics(q)[:, :3, 3] - self.poses(q)[:, :3, 3], axis=1)


def noisy(poses, rng, noise=NOISE):
    poses = np.array(poses)
    poses[:, :3, 3] += noise[0] * rng.normal(size=(len(poses), 3))
    poses[:, :3, :3] = [rodrigues(noise[1] * rng.normal(size=3)) @ pose[:3, :3] for pose in poses]
    return poses


def ripple(joint, amplitude=3.5e-4, periods=12):
    def error(q):
        found = np.zeros_like(q)
        found[joint] = amplitude * np.sin(periods * q[joint] + 0.7)
        return found

    return error


def step(joint, at, size=1e-3):
    def error(q):
        found = np.zeros_like(q)
        found[joint] = size * (q[joint] > at)
        return found

    return error


def wide_arm(joints, seed):
    """Revolute arm whose joints turn by 2.6 rad to either side, links of 0.2 to 0.4 m."""
    rng = np.random.default_rng(seed)
    chain = []
    for j in range(joints):
        axis = np.eye(3)[[2, 1, 1, 0, 1, 0][j % 6]]
        origin = homogeneous(rodrigues(rng.uniform(-0.3, 0.3, 3)), [0.02, -0.01, rng.uniform(0.2, 0.4)])
        chain.append(ChainJoint(f"joint_{j}", "revolute", f"link_{j}", origin, axis, -2.6, 2.6, 1.0))
    chain.append(ChainJoint("end", "fixed", "tip", homogeneous(np.eye(3), [0.05, 0.0, 0.15]), np.array([1.0, 0, 0])))
    return RobotModel(
        chain, "base", "tip", f"wide_{joints}", masses=np.linspace(5.0, 1.0, joints),
        mass_centers=np.tile([0.0, 0.02, 0.1], (joints, 1)),
    )  # fmt: skip


def learned(robot, dataset, **options):
    """Without a kernel term: fast, and what is looked at here is not in it."""
    return LearnedKinematics(robot, **{"kernel": "none", **options}).fit(dataset)


@pytest.fixture(scope="module")
def arm():
    return wide_arm(4, 0)


@pytest.fixture(scope="module")
def anywhere(arm):
    return arm.random_configurations(400, np.random.default_rng(99))


# ---- finer periodic errors -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rippled(arm):
    true = TrueArm(arm, error=ripple(1))
    q = arm.random_configurations(300, np.random.default_rng(2))
    return true, learned(arm, true.measure(q))


def test_a_ripple_of_12_periods_a_turn_is_learned(arm, rippled, anywhere):
    true, model = rippled
    assert model._layout.harmonics >= 12
    # Smooth periods leave what the ripple is: 0.35 mrad at most, a quarter of a millimetre over the arm.
    smooth = learned(arm, Dataset(*measured_of(true, 300)), harmonics=SMOOTH_HARMONICS)
    errors, before = true.off(model, anywhere), true.off(smooth, anywhere)
    assert np.median(errors) < 0.3 * np.median(before)
    assert model.validation_["position_mean"] < 2.0 * NOISE[0] * np.sqrt(3.0)
    # The joint's own periods say it, and no other joint's.
    amplitudes = np.hypot(*periodic(model)[:, 11].T)
    assert amplitudes[1] == pytest.approx(3.5e-4, rel=0.1)
    assert np.delete(amplitudes, 1).max() < 0.1 * amplitudes[1]


def periodic(model):
    """Amplitudes (J, H, 2) of cosines and sines."""
    where = model._layout.slices()["harmonics"]
    return model._parameters[where].reshape(model.dof, model._layout.harmonics, 2)


def measured_of(true, count):
    data = true.measure(true.robot.random_configurations(count, np.random.default_rng(2)))
    return data.configurations, data.poses, data.joint_names


@pytest.mark.parametrize("count", [100, 300])
def test_smooth_errors_need_no_fine_periods(arm, anywhere, count):
    true = TrueArm(arm, error=lambda q: 3e-4 * np.sin(q + 0.2) + 1e-4 * np.cos(2.0 * q))
    model = learned(arm, Dataset(*measured_of(true, count)))
    assert model._layout.harmonics == SMOOTH_HARMONICS and not model._layout.backlash
    assert np.median(true.off(model, anywhere)) < 1e-4


def test_few_samples_of_a_rippled_arm_do_no_harm(arm, rippled, anywhere):
    true, _ = rippled
    model = learned(arm, Dataset(*measured_of(true, 20)))
    errors, nominal = true.off(model, anywhere), true.off(arm, anywhere)
    assert np.median(errors) < 0.5 * np.median(nominal)
    assert np.percentile(errors, 95) < np.percentile(nominal, 95)
    assert np.mean(errors <= model.predicted_error(anywhere)) >= COVERED


# ---- parts of the joint ranges -------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["ripple", "step"])
def narrow(request, arm):
    """A model of 200 poses within 0.4 rad of a posture, its true arm, and the posture."""
    posture = np.array([0.5, -0.8, 1.1, 0.4])
    true = TrueArm(arm, 3, ripple(1) if request.param == "ripple" else step(1, -0.85))
    rng = np.random.default_rng(4)
    return true, learned(arm, true.measure(posture + rng.uniform(-NARROW, NARROW, (200, 4)))), posture


def test_a_narrow_box_makes_nothing_worse(arm, narrow, anywhere):
    true, model, posture = narrow
    errors, nominal = true.off(model, anywhere), true.off(arm, anywhere)
    for figure in (np.median, np.mean, lambda values: np.percentile(values, 95)):
        assert figure(errors) <= figure(nominal)
    assert np.mean(errors <= model.predicted_error(anywhere)) >= COVERED
    inside = posture + np.random.default_rng(5).uniform(-NARROW, NARROW, (400, 4))
    near = true.off(model, inside)
    assert np.mean(near <= model.predicted_error(inside)) >= COVERED
    assert np.median(near) < 0.1 * np.median(true.off(arm, inside))
    assert np.median(model.predicted_error(anywhere)) > 5.0 * np.median(model.predicted_error(inside))
    assert np.median(model.support(anywhere)) < 0.8 * np.median(model.support(inside))


def test_no_scale_is_larger_than_an_arms_can_be(arm, narrow):
    _, model, _ = narrow
    scales = model._uncertainty.scales
    for group in model._layout.groups():
        largest = max(LARGEST_SCALES[group.prior], group.prior_scale(Priors()))
        assert scales[group.columns].max() <= largest * (1.0 + 1e-12), group.name
        assert np.abs(model._parameters[group.columns]).max() < 6.0 * largest, group.name


def test_a_parameter_that_no_arm_has_is_named(arm):
    # A gear ratio of 3 %: of a joint that was measured in all of its range, so that the data does tell it.
    true = TrueArm(arm)
    true.scales[2] = 0.03
    model = learned(arm, Dataset(*measured_of(true, 150)))
    [warning] = [text for text in model.warnings_ if "far beyond what an arm's can be" in text]
    assert "joint_2: scale 0.03" in warning
    good = learned(arm, Dataset(*measured_of(TrueArm(arm), 150)))
    assert not any("far beyond" in text for text in good.warnings_)


def test_the_unseen_half_of_a_joint_is_unknown(arm):
    true = TrueArm(arm, 6, lambda q: np.array([0.0, 4e-4, 0.0, 0.0]) * np.sin(3.0 * q + 1.0))
    rng = np.random.default_rng(7)
    q = arm.random_configurations(200, rng)
    q[:, 1] = -np.abs(q[:, 1])
    model = learned(arm, true.measure(q))
    seen = arm.random_configurations(300, rng)
    seen[:, 1] = -np.abs(seen[:, 1])
    unseen = seen * np.array([1.0, -1.0, 1.0, 1.0])
    unseen[:, 1] = np.maximum(unseen[:, 1], 1.0)
    assert np.median(model.support(unseen)) < 0.7 * np.median(model.support(seen))
    assert np.median(model.predicted_error(unseen)) > 3.0 * np.median(model.predicted_error(seen))
    for places in (seen, unseen):
        assert np.mean(true.off(model, places) <= model.predicted_error(places)) >= COVERED


# ---- repeated configurations ---------------------------------------------------------------------------------------


def test_validation_of_repeated_readings_is_that_of_new_places(arm, anywhere):
    true = TrueArm(arm, 8, ripple(0))
    q = np.repeat(arm.random_configurations(20, np.random.default_rng(9)), 30, axis=0)
    # Encoders scatter a little at rest.
    q += np.random.default_rng(10).normal(0.0, 1e-5, q.shape)
    model = learned(arm, true.measure(q))
    errors = true.off(model, anywhere)
    assert model.validation_["position_mean"] > 0.5 * errors.mean()
    assert np.mean(errors <= model.predicted_error(anywhere)) >= COVERED
    assert np.median(errors) < np.median(true.off(arm, anywhere))


# ---- noise ---------------------------------------------------------------------------------------------------------


def test_noise_that_is_stated_is_the_devices(arm):
    # A coarse device on an arm without surprises.
    true, device = TrueArm(arm, 11), (4e-4, 1e-3)
    q = arm.random_configurations(200, np.random.default_rng(12))
    data = true.measure(q, noise=device)
    silent, told = learned(arm, data), learned(arm, data, position_noise=device[0])
    places = arm.random_configurations(200, np.random.default_rng(13))
    own, others = np.median(told.predicted_error(places)), np.median(silent.predicted_error(places))
    assert others > 1.5 * own
    # Untold, the bound has the noise in it: chi, 3 numbers.
    assert others > device[0] * 2.5
    assert told.noise_[0] == pytest.approx(device[0], rel=0.15)
    assert np.mean(true.off(told, places) <= told.predicted_error(places)) >= COVERED


def test_noise_of_joint_readings_is_found(arm):
    rng = np.random.default_rng(14)
    true = TrueArm(arm, 15)
    q = arm.random_configurations(300, rng)
    poses = true.poses(q + rng.normal(0.0, 2e-4, q.shape))
    model = learned(arm, Dataset(q, noisy(poses, rng, (5e-6, 1e-4)), arm.joint_names), position_noise=5e-6)
    assert 2e-4 / 1.5 < model._uncertainty.joint_misfit < 2e-4 * 1.5
    # What moves with the lever is no noise along all axes.
    assert model._uncertainty.misfit < 5e-5


# ---- sessions and markers ------------------------------------------------------------------------------------------


def mounting(seed, reach=1.5):
    rng = np.random.default_rng(seed)
    frame = homogeneous(rodrigues(rng.uniform(-2.0, 2.0, 3)), rng.uniform(-reach, reach, 3))
    return frame, homogeneous(rodrigues(rng.uniform(-1.0, 1.0, 3)), rng.uniform(-0.1, 0.1, 3))


@pytest.fixture(scope="module")
def sessions():
    """An exact arm in three sessions, each with its own frame and tool; the model, and the mountings."""
    robot = wide_arm(5, 20)
    rng = np.random.default_rng(21)
    q = robot.random_configurations(150, rng)
    mountings = {name: mounting(k) for k, name in enumerate(("morning", "noon", "night"))}
    names = np.repeat(list(mountings), 50)
    true = TrueArm(robot)
    true.offsets[:], true.scales[:], true.shifts[:] = 0.0, 0.0, 0.0
    poses = np.array(
        [mountings[name][0] @ true.pose(row) @ mountings[name][1] for name, row in zip(names, q, strict=True)]
    )
    data = Dataset(q, noisy(poses, rng, (1e-6, 1e-6)), robot.joint_names, sessions=names.tolist())
    return true, learned(robot, data, frame="unknown", tool="unknown"), mountings


def test_each_session_has_its_frame_and_tool(sessions):
    true, model, mountings = sessions
    assert set(model.frames_) == set(model.tools_) == set(mountings)
    q = true.robot.random_configurations(40, np.random.default_rng(22))
    for name, (frame, tool) in mountings.items():
        expected = frame @ true.poses(q) @ tool
        found = model.measured_poses(q, session=name)
        assert np.linalg.norm(found[:, :3, 3] - expected[:, :3, 3], axis=1).max() < 1e-4
        np.testing.assert_allclose(model.frames_[name], frame, atol=1e-4)
        np.testing.assert_allclose(model.tools_[name], tool, atol=1e-4)
    with pytest.raises(Exception, match="'morning' or 'noon' or 'night'"):
        model.measured_poses(q, session="evening")


def test_markers_of_one_session_have_their_offsets():
    robot = wide_arm(5, 23)
    rng = np.random.default_rng(24)
    q = robot.random_configurations(180, rng)
    frame, _ = mounting(25)
    offsets = {"left": [0.1, 0.0, 0.02], "right": [-0.08, 0.03, 0.05], "top": [0.0, -0.06, 0.12]}
    names = list(offsets) * 60
    true = TrueArm(robot)
    true.offsets[:], true.scales[:], true.shifts[:] = 0.0, 0.0, 0.0
    positions = np.array([
        (frame @ true.pose(row) @ homogeneous(np.eye(3), offsets[name]))[:3, 3]
        for name, row in zip(names, q, strict=True)
    ])  # fmt: skip
    positions += 1e-6 * rng.normal(size=positions.shape)
    data = Dataset.from_positions(q, positions, robot.joint_names).with_circumstances(markers=names)
    model = learned(robot, data, frame="unknown", tool="unknown")
    # A turn of the frame about the first joint is its zero too.
    np.testing.assert_allclose(model.frame_[:3, 3], frame[:3, 3], atol=1e-4)
    np.testing.assert_allclose(model.frame_[:3, :3], frame[:3, :3], atol=1e-3)
    for name, offset in offsets.items():
        np.testing.assert_allclose(model.tools_[name][:3, 3], offset, atol=1e-4, err_msg=name)
        found = model.measured_poses(q[:20], marker=name)[:, :3, 3]
        expected = frame @ true.poses(q[:20]) @ homogeneous(np.eye(3), offset)
        np.testing.assert_allclose(found, expected[:, :3, 3], atol=1e-4)


# ---- payload -------------------------------------------------------------------------------------------------------

PAYLOAD_CENTER = (0.02, -0.01, 0.05)


@pytest.fixture(scope="module")
def loaded():
    """Compliant arm measured at 0 and 1.25 kg: the true arm, the data, and a model that knows the payload."""
    robot = wide_arm(5, 30)
    true = TrueArm(robot, 31, compliance=8e-5, payload_center=PAYLOAD_CENTER)
    rng = np.random.default_rng(32)
    q, payloads = robot.random_configurations(160, rng), np.repeat([0.0, 1.25], 80)
    poses = noisy(true.poses(q, payloads=payloads), rng)
    data = Dataset(q, poses, robot.joint_names, payloads=payloads)
    return true, data, learned(robot, data, payload_center=PAYLOAD_CENTER)


def test_a_payload_that_was_not_measured_is_predicted(loaded):
    true, data, model = loaded
    q = true.robot.random_configurations(300, np.random.default_rng(33))
    truth = true.poses(q, payloads=np.full(len(q), 2.5))[:, :3, 3]
    untold = learned(true.robot, Dataset(data.configurations, data.poses, data.joint_names))
    before = model.forward_kinematics(q)
    heavy = model.with_payload(2.5)
    errors = np.linalg.norm(heavy.forward_kinematics(q)[:, :3, 3] - truth, axis=1)
    blind = np.linalg.norm(untold.forward_kinematics(q)[:, :3, 3] - truth, axis=1)
    assert np.median(errors) < 0.5 * np.median(blind)
    assert np.mean(errors <= heavy.predicted_error(q)) >= COVERED
    # The model that it was made of is what it was.
    np.testing.assert_array_equal(model.forward_kinematics(q), before)
    assert model.payload_ in (0.0, 1.25) and heavy.payload_ == 2.5
    np.testing.assert_array_equal(model.poses_with_payload(q, 2.5), heavy.forward_kinematics(q))
    np.testing.assert_array_equal(heavy.with_payload(model.payload_).forward_kinematics(q), before)


def test_moments_of_a_payload_are_slopes_of_potential_energy(loaded):
    # Brute force: energy of the payload alone, turned joint by joint.
    true, _, model = loaded
    from crisp_ik_ros.robots.gravity import all_gravity_moments

    nominal = TrueArm(true.robot, payload_center=PAYLOAD_CENTER)
    nominal.shifts[:] = 0.0
    layout = replace(model._layout, bodies=true.robot.bodies())
    q = true.robot.random_configurations(6, np.random.default_rng(34))
    moments = [all_gravity_moments(layout.with_payload(mass).bodies, q) for mass in (0.0, 1.0)]

    def energy(angles):
        tip = nominal.chain(angles)[0]
        return -(tip[:3, 3] + tip[:3, :3] @ PAYLOAD_CENTER) @ GRAVITY

    for i, row in enumerate(q):
        for j in range(len(row)):
            change = 1e-6 * np.eye(len(row))[j]
            slope = (energy(row + change) - energy(row - change)) / 2e-6
            assert moments[1][i, j, 2] - moments[0][i, j, 2] == pytest.approx(-slope, abs=1e-6)
    np.testing.assert_allclose(
        all_gravity_moments(layout.with_payload(3.0).bodies, q) - moments[0], 3.0 * (moments[1] - moments[0]), atol=1e-9
    )


# ---- backlash ------------------------------------------------------------------------------------------------------

PLAY = 3e-4


@pytest.fixture(scope="module")
def played(arm):
    """Every joint rests 0.3 mrad short on the side that it came from: the arm, its poses, and the directions."""
    rng = np.random.default_rng(40)
    true = TrueArm(arm, 41)
    q = arm.random_configurations(200, rng)
    moved = np.diff(q, axis=0, prepend=q[:1] - 1.0)
    poses = noisy(true.poses(q, PLAY * np.sign(moved)), rng)
    return true, q, poses, np.sign(moved)


def test_backlash_is_found_by_the_direction_of_approach(arm, played):
    true, q, poses, approaches = played
    model = learned(arm, Dataset(q, poses, arm.joint_names, approaches=approaches))
    assert model._layout.backlash
    found = model._parameters[model._layout.slices()["backlash"]]
    np.testing.assert_allclose(found, PLAY, rtol=0.15)
    assert model.noise_[0] == pytest.approx(NOISE[0], rel=0.3)
    assert model._uncertainty.joint_misfit < 0.3 * PLAY
    # Directions that are another's tell nothing: play stays noise.
    turned = np.random.default_rng(42).permuted(approaches, axis=0)
    wrong = learned(arm, Dataset(q, poses, arm.joint_names, approaches=turned))
    assert not wrong._layout.backlash and wrong._uncertainty.joint_misfit > 0.5 * PLAY
    assert model.validation_["position_mean"] < 0.4 * wrong.validation_["position_mean"]
    # Nobody says from where a joint will come: the bound has both sides.
    q = arm.random_configurations(200, np.random.default_rng(45))
    sides = np.random.default_rng(46).choice([-1.0, 1.0], q.shape)
    errors = np.linalg.norm(model.forward_kinematics(q)[:, :3, 3] - true.poses(q, PLAY * sides)[:, :3, 3], axis=1)
    assert np.mean(errors <= model.predicted_error(q)) >= COVERED


def test_backlash_is_found_in_the_order_of_the_rows(arm, played):
    _, q, poses, _ = played
    ordered = learned(arm, Dataset(q, poses, arm.joint_names))
    assert ordered._layout.backlash
    np.testing.assert_allclose(ordered._parameters[ordered._layout.slices()["backlash"]], PLAY, rtol=0.15)
    shuffled = np.random.default_rng(43).permutation(len(q))
    assert not learned(arm, Dataset(q[shuffled], poses[shuffled], arm.joint_names))._layout.backlash


# ---- masses, files, answers ----------------------------------------------------------------------------------------


def test_a_mass_that_is_500_m_away_is_named_and_does_no_harm(arm, anywhere):
    centers = arm.mass_centers.copy()
    centers[2] = [0.0, 500.0, 0.0]
    wrong = RobotModel(arm.joints, arm.base_link, arm.tip_link, arm.name, masses=arm.masses, mass_centers=centers)
    true = TrueArm(arm, 50, compliance=2e-5)
    data = Dataset(*measured_of(true, 150))
    good, bad = learned(arm, data), learned(wrong, data)
    [warning] = [text for text in bad.warnings_ if "500 m" in text]
    assert "joint_2" in warning and "<inertial>" in warning
    assert np.median(true.off(bad, anywhere)) < 1.5 * np.median(true.off(good, anywhere))
    assert np.mean(true.off(bad, anywhere) <= bad.predicted_error(anywhere)) >= COVERED


def test_files_keep_payload_sessions_backlash_and_nearness(tmp_path):
    robot = wide_arm(4, 60)
    true = TrueArm(robot, 61, compliance=5e-5)
    rng = np.random.default_rng(62)
    q, payloads = robot.random_configurations(90, rng), np.repeat([0.5, 1.5, 1.5], 30)
    approaches = rng.choice([-1.0, 1.0], q.shape)
    names = np.tile(["a", "b"], 45)
    places = {"a": mounting(63), "b": mounting(64)}
    poses = true.poses(q, PLAY * approaches, payloads)
    poses = noisy([places[n][0] @ pose @ places[n][1] for n, pose in zip(names, poses, strict=True)], rng)
    data = Dataset(q, poses, robot.joint_names, payloads=payloads, approaches=approaches, sessions=names.tolist())
    model = learned(robot, data, frame="unknown", tool="unknown", payload_center=(0.0, 0.0, 0.1))
    assert model.payload_ == 1.5 and model._layout.backlash and set(model.frames_) == {"a", "b"}
    for number, one in enumerate((model, model.with_payload(2.5))):
        one.save(tmp_path / f"{number}.npz")
        again = load_model(tmp_path / f"{number}.npz", robot)
        assert again.payload_ == one.payload_ and again._layout.backlash
        assert again._layout.payload_center == one._layout.payload_center
        np.testing.assert_array_equal(again._uncertainty.nearness, one._uncertainty.nearness)
        assert again._uncertainty.joint_misfit == one._uncertainty.joint_misfit
        for kind in ("frames_", "tools_"):
            held, read = getattr(one, kind), getattr(again, kind)
            assert list(held) == list(read)
            for name in held:
                np.testing.assert_array_equal(held[name], read[name])
        for session in ("a", "b"):
            np.testing.assert_array_equal(again.measured_poses(q, session), one.measured_poses(q, session))
        for name in ("forward_kinematics", "predicted_error", "support"):
            np.testing.assert_array_equal(getattr(again, name)(q), getattr(one, name)(q), err_msg=name)
        np.testing.assert_array_equal(again.poses_with_payload(q, payloads), one.poses_with_payload(q, payloads))
        np.testing.assert_array_equal(
            again.with_payload(0.7).predicted_error(q), one.with_payload(0.7).predicted_error(q)
        )
        again.save(tmp_path / "again.npz")
        assert (tmp_path / "again.npz").read_bytes() == (tmp_path / f"{number}.npz").read_bytes()


def test_answers_without_support_are_the_urdfs():
    # Ten rough positions of one spot say nothing of the rest of the arm.
    robot = random_arm(np.random.default_rng(70), 6, prismatic=0.0, continuous=0.0)
    rng = np.random.default_rng(71)
    q = np.clip(robot.rest + rng.uniform(-0.005, 0.005, (10, 6)), robot.lower, robot.upper)
    positions = robot.forward_kinematics(q)[:, :3, 3] + 0.02 * rng.normal(size=(10, 3))
    model = learned(robot, Dataset.from_positions(q, positions, robot.joint_names, noise=0.02))
    silent = 0
    for row in robot.random_configurations(40, rng):
        answer = model.solve(model.forward_kinematics(row), seed=row, timeout=0.2)
        if not answer.success or answer.support >= 0.05:
            continue
        own = answer.source == "nominal"
        assert own or answer.source == "blended"
        # Where the URDF's robot cannot reach, at a limit, the answer is the learned one's, and does not say "nominal".
        reached = (robot if own else model).forward_kinematics(answer.configuration)
        np.testing.assert_allclose(reached, model.forward_kinematics(row), atol=1e-4)
        silent += own
        # A bound on the joints' steps holds, whoever answers.
        bounded = model.solve(model.forward_kinematics(row), seed=row, timeout=0.2, max_joint_step=1e-3)
        assert not bounded.success or np.abs(bounded.configuration - row).max() <= 1e-3 + 1e-9
    assert silent >= 10
