"""What a robot's joints do beside what they are told: held to a plain model written from the formulas, term by term."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import homogeneous, numeric_jacobian, random_arm, rodrigues

from crisp_ik_ros import RobotModel
from crisp_ik_ros.robots.corrections import (
    Corrections,
    all_periodic_terms,
    arrays_of,
    displace,
    kernel_rows,
    motions,
    no_corrections,
)
from crisp_ik_ros.robots.gravity import GRAVITY, all_gravity_moments

ROBOTS = ("panda", "planar5", "gantry", "two_link", "endless")
# So that arms that move in a horizontal plane are bent too.
SIDEWAYS = (4.0, -3.0, -8.0)
PARTS = ("scale", "harmonics", "compliance", "bending", "kernel")
every_robot = pytest.mark.parametrize("arm", ROBOTS)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture
def robot(request, arm):
    return request.getfixturevalue(arm)


# ---- the plain model -----------------------------------------------------------------------------------------------


def random_corrections(robot, rng, parts=PARTS, size=1.0):
    """Corrections of the named parts, larger than any real arm's, and the configurations of the kernel's centers."""
    joints, slides = robot.dof, robot.chain.prismatic
    span = np.where(robot.upper > robot.lower, robot.upper - robot.lower, 1.0)
    rates = np.where(slides, np.pi / span, 1.0)
    unit = np.where(slides, 0.1, 1.0)[:, None] * size
    scale = 1.7
    places = robot.random_configurations(4, rng)
    angles = rates * places
    found = Corrections(
        True,
        rates,
        0.05 * size * rng.normal(size=joints),
        0.5 * (robot.lower + robot.upper) + 0.1,
        0.02 * unit * rng.normal(size=(joints, 6)),
        2e-3 * unit * rng.normal(size=(joints, 3)),
        robot.bodies(SIDEWAYS),
        np.ascontiguousarray((np.hstack([np.cos(angles), np.sin(angles)]) / scale).T),
        0.05 * unit * rng.normal(size=(joints, 4)),
        scale,
    )
    empty = no_corrections(joints)
    if "scale" not in parts:
        found = found._replace(scales=np.zeros(joints))
    if "harmonics" not in parts:
        found = found._replace(harmonics=np.zeros((joints, 0)))
    wanted = np.array(["bending" in parts, "bending" in parts, "compliance" in parts])
    found = found._replace(compliances=found.compliances * wanted)
    if "kernel" not in parts:
        found = found._replace(centers=empty.centers, weights=empty.weights)
        places = places[:0]
    return found, places


def turn(axis, angle):
    return homogeneous(rodrigues(np.eye(3)[axis] * angle), np.zeros(3))


def slide(shift):
    return homogeneous(np.eye(3), np.array([0.0, 0.0, shift]))


def potential_energy(bodies, q, tilted=None, axis=0, angle=0.0):
    """Energy [J] of the masses on the nominal chain, of which one frame may be turned about one of its axes."""
    pose, energy = np.eye(4), 0.0
    for j, value in enumerate(q):
        pose = pose @ homogeneous(bodies.rotations[j], bodies.translations[j])
        if tilted == j:
            pose = pose @ turn(axis, angle)
        pose = pose @ (slide(value) if bodies.prismatic[j] else turn(2, value))
        energy -= bodies.masses[j] * bodies.gravity @ (pose @ np.append(bodies.centers[j], 1.0))[:3]
    return energy


def moments_by_energy(bodies, q, step=1e-5):
    """Moments (J, 3) with which gravity turns each frame about its axes, and pushes a prismatic joint."""
    out = np.empty((len(q), 3))
    for j in range(len(q)):
        for axis in range(3):
            if axis == 2 and bodies.prismatic[j]:
                moved = np.eye(len(q))[j] * step
                ahead, behind = potential_energy(bodies, q + moved), potential_energy(bodies, q - moved)
            else:
                ahead, behind = (potential_energy(bodies, q, j, axis, sign * step) for sign in (1.0, -1.0))
            out[j, axis] = -(ahead - behind) / (2.0 * step)
    return out


def plain_motion(corrections, places, q):
    """Tilts and actual motion (J, 3) of each joint, term by term."""
    c = corrections
    out = c.compliances * moments_by_energy(c.bodies, q)
    for j in range(len(q)):
        out[j, 2] += q[j] + c.scales[j] * (q[j] - c.middles[j])
        for k in range(1, c.harmonics.shape[1] // 2 + 1):
            angle = k * c.rates[j] * q[j]
            out[j, 2] += c.harmonics[j, 2 * k - 2] * np.cos(angle) + c.harmonics[j, 2 * k - 1] * np.sin(angle)
        for z, place in enumerate(places):
            out[j, 2] += c.weights[j, z] * plain_kernel(c, q, place)
    return out


def plain_kernel(c, q, place):
    """Gaussian of the distance on the circles of all joints."""
    squared = sum((np.cos(r * a) - np.cos(r * b)) ** 2 + (np.sin(r * a) - np.sin(r * b)) ** 2
                  for r, a, b in zip(c.rates, q, place, strict=True))  # fmt: skip
    return np.exp(-0.5 * squared / c.length_scale**2)


def plain_pose(chain, corrections, places, q):
    """Tip pose at one configuration: each frame tilts about x, then y, then the joint moves."""
    pose = np.eye(4)
    for j, (x, y, z) in enumerate(plain_motion(corrections, places, q)):
        pose = pose @ homogeneous(chain.rotations[j], chain.translations[j]) @ turn(0, x) @ turn(1, y)
        pose = pose @ (slide(z) if chain.prismatic[j] else turn(2, z))
    return pose @ homogeneous(chain.rotations[-1], chain.translations[-1])


# ---- forward kinematics and Jacobian -------------------------------------------------------------------------------


@every_robot
@pytest.mark.parametrize("parts", [*((part,) for part in PARTS), PARTS], ids=lambda parts: "+".join(parts))
def test_forward_kinematics_is_the_plain_model(robot, parts):
    rng = np.random.default_rng(1)
    corrections, places = random_corrections(robot, rng, parts)
    corrected = robot.corrected(robot.joints, corrections)
    configurations = robot.random_configurations(5, rng)
    expected = np.array([plain_pose(robot.chain, corrections, places, q) for q in configurations])
    np.testing.assert_allclose(corrected.forward_kinematics(configurations), expected, atol=1e-8)
    # Every part does something: the comparison is not of two nominal robots.
    assert np.abs(expected - robot.forward_kinematics(configurations)).max() > 1e-4


@every_robot
def test_jacobian_is_the_derivative(robot):
    rng = np.random.default_rng(2)
    for parts in (*((part,) for part in PARTS), PARTS):
        corrected = robot.corrected(robot.joints, random_corrections(robot, rng, parts)[0])
        for q in robot.random_configurations(3, rng):
            np.testing.assert_allclose(corrected.jacobian(q), numeric_jacobian(corrected, q), atol=5e-8)


@settings(max_examples=25)
@given(seeds, st.integers(1, 10), st.booleans())
def test_random_arms_follow_the_plain_model(seed, joints, end):
    rng = np.random.default_rng(seed)
    robot = random_arm(rng, joints, end=end)
    corrections, places = random_corrections(robot, rng)
    corrected = robot.corrected(robot.joints, corrections)
    q = robot.random_configurations(1, rng)[0]
    np.testing.assert_allclose(
        corrected.forward_kinematics(q), plain_pose(robot.chain, corrections, places, q), atol=1e-8
    )
    np.testing.assert_allclose(corrected.jacobian(q), numeric_jacobian(corrected, q), atol=2e-7)


@every_robot
def test_motions_and_their_derivative(robot):
    rng = np.random.default_rng(3)
    corrections, places = random_corrections(robot, rng)
    q = robot.random_configurations(1, rng)[0]
    np.testing.assert_allclose(motions(corrections, q[None])[0], plain_motion(corrections, places, q), atol=1e-8)
    motion, derivative = np.empty((robot.dof, 3)), np.empty((robot.dof, 3, robot.dof))
    displace(corrections, q, motion, derivative)
    np.testing.assert_array_equal(motion, motions(corrections, q[None])[0])
    step = 1e-6
    for i in range(robot.dof):
        shift = np.eye(robot.dof)[i] * step
        slope = (motions(corrections, (q + shift)[None])[0] - motions(corrections, (q - shift)[None])[0]) / (2 * step)
        np.testing.assert_allclose(derivative[:, :, i], slope, atol=1e-7)


@every_robot
@pytest.mark.parametrize("gravity", [GRAVITY, (3.0, -7.0, 5.0)], ids=["upright", "on a wall"])
def test_gravity_moments_are_slopes_of_the_potential_energy(robot, gravity):
    rng = np.random.default_rng(4)
    bodies = robot.bodies(gravity)
    configurations = robot.random_configurations(4, rng)
    expected = np.array([moments_by_energy(bodies, q) for q in configurations])
    np.testing.assert_allclose(all_gravity_moments(bodies, configurations), expected, atol=1e-7)
    assert np.abs(expected).max() > 1.0


def test_two_link_moments_by_hand(two_link):
    # 2.5 kg each, halfway along links of 1 and 0.5 m; gravity along -y pulls the stretched arm down about z.
    moments = all_gravity_moments(two_link.bodies((0.0, -10.0, 0.0)), np.array([[0.0, 0.0], [np.pi / 2, 0.0]]))
    np.testing.assert_allclose(moments[0, :, 2], [-25.0 * (0.5 + 1.25), -25.0 * 0.25], atol=1e-12)
    np.testing.assert_allclose(moments[1, :, 2], 0.0, atol=1e-12)


def test_masses_of_the_urdf_count_where_it_has_them(panda, two_link):
    assert panda.masses.sum() > 5.0
    np.testing.assert_array_equal(panda.bodies().masses, panda.masses)
    np.testing.assert_array_equal(two_link.bodies().masses, [2.5, 2.5])
    np.testing.assert_allclose(two_link.bodies().centers, [[0.5, 0, 0], [0.25, 0, 0]])


@every_robot
def test_periodic_terms_and_kernel_rows(robot):
    rng = np.random.default_rng(5)
    corrections, places = random_corrections(robot, rng)
    configurations = robot.random_configurations(3, rng)
    rows = kernel_rows(corrections, configurations)
    expected = [[plain_kernel(corrections, q, place) for place in places] for q in configurations]
    np.testing.assert_allclose(rows, expected, rtol=1e-9, atol=1e-15)
    terms = all_periodic_terms(corrections.rates, configurations, 8)
    angles = (corrections.rates * configurations)[:, :, None] * np.arange(1, 9)
    np.testing.assert_allclose(terms[:, :, ::2], np.cos(angles), atol=1e-12)
    np.testing.assert_allclose(terms[:, :, 1::2], np.sin(angles), atol=1e-12)
    assert all_periodic_terms(corrections.rates, configurations, 0).shape == (3, robot.dof, 0)


@every_robot
def test_kernel_term_moves_the_tool_by_the_kernel_of_the_design(robot):
    # A pull f at center z, handed to the joints by J(z)^T, moves the tool at q by K(q, z) f.
    rng = np.random.default_rng(6)
    corrections, places = random_corrections(robot, rng, ("kernel",))
    pull, step = rng.normal(size=6), 1e-6
    for z, place in enumerate(places):
        weights = np.zeros_like(corrections.weights)
        weights[:, z] = step * robot.jacobian(place).T @ pull
        moved = robot.corrected(robot.joints, corrections._replace(weights=weights))
        for q in robot.random_configurations(3, rng):
            near = plain_kernel(corrections, q, place)
            jacobian, other = robot.jacobian(q), robot.jacobian(place)
            expected = sum(near * np.outer(jacobian[:, j], other[:, j]) for j in range(robot.dof)) @ pull
            before, after = robot.forward_kinematics(q), moved.forward_kinematics(q)
            turned = after[:3, :3] @ before[:3, :3].T
            twist = np.r_[after[:3, 3] - before[:3, 3], 0.5 * (turned - turned.T)[[2, 0, 1], [1, 2, 0]]] / step
            np.testing.assert_allclose(twist, expected, atol=1e-5 * np.abs(expected).max() + 1e-5)


def test_endless_joints_are_periodic(endless):
    rng = np.random.default_rng(7)
    corrections, _ = random_corrections(endless, rng, ("harmonics", "compliance", "bending", "kernel"))
    corrected = endless.corrected(endless.joints, corrections)
    q = endless.random_configurations(4, rng)
    turned = q + 2.0 * np.pi * endless.continuous
    np.testing.assert_allclose(corrected.forward_kinematics(turned), corrected.forward_kinematics(q), atol=1e-10)


def test_shapes_of_many_configurations(panda):
    rng = np.random.default_rng(8)
    corrected = panda.corrected(panda.joints, random_corrections(panda, rng)[0])
    q = panda.random_configurations(6, rng).reshape(2, 3, 7)
    assert corrected.forward_kinematics(q).shape == (2, 3, 4, 4)
    assert corrected.jacobian(q).shape == (2, 3, 6, 7)
    np.testing.assert_array_equal(corrected.forward_kinematics(q)[1, 2], corrected.forward_kinematics(q[1, 2]))
    rotations = corrected.forward_kinematics(q)[..., :3, :3]
    np.testing.assert_allclose(
        rotations @ rotations.swapaxes(-1, -2), np.broadcast_to(np.eye(3), rotations.shape), atol=1e-12
    )


# ---- nominal robots ------------------------------------------------------------------------------------------------


@every_robot
def test_nominal_robots_are_what_they_were(robot):
    assert not robot.chain.corrections.active
    same = robot.corrected(robot.joints, no_corrections(robot.dof))
    q = robot.random_configurations(20, np.random.default_rng(9))
    np.testing.assert_array_equal(same.forward_kinematics(q), robot.forward_kinematics(q))
    np.testing.assert_array_equal(same.jacobian(q), robot.jacobian(q))
    assert same.fingerprint == robot.fingerprint
    # As it was hashed before there were corrections: model files name it.
    kinds = [f"{joint.name}:{joint.kind}" for joint in robot.joints if joint.movable]
    digest = hashlib.sha256("|".join((robot.base_link, robot.tip_link, *kinds)).encode())
    for array in (robot.chain.rotations, robot.chain.translations, robot.chain.prismatic, robot.lower, robot.upper):
        digest.update(np.ascontiguousarray(array).tobytes())
    assert robot.fingerprint == digest.hexdigest()


@every_robot
def test_corrections_of_nothing_change_nothing_but_rounding(robot):
    nothing = no_corrections(robot.dof)._replace(active=True, bodies=robot.bodies())
    corrected = robot.corrected(robot.joints, nothing)
    q = robot.random_configurations(20, np.random.default_rng(10))
    np.testing.assert_allclose(corrected.forward_kinematics(q), robot.forward_kinematics(q), atol=1e-12)
    np.testing.assert_allclose(corrected.jacobian(q), robot.jacobian(q), atol=1e-12)


def test_fingerprint_names_the_corrections(panda):
    rng = np.random.default_rng(11)
    corrections, _ = random_corrections(panda, rng)
    corrected = panda.corrected(panda.joints, corrections)
    assert corrected.fingerprint == panda.corrected(panda.joints, corrections).fingerprint
    seen = {panda.fingerprint, corrected.fingerprint}
    for name in ("rates", "scales", "middles", "harmonics", "compliances", "centers", "weights"):
        other = corrections._replace(**{name: getattr(corrections, name) * 1.01})
        seen.add(panda.corrected(panda.joints, other).fingerprint)
    seen.add(panda.corrected(panda.joints, corrections._replace(length_scale=1.8)).fingerprint)
    for name in ("masses", "centers", "gravity"):
        bodies = corrections.bodies._replace(**{name: getattr(corrections.bodies, name) * 1.01})
        seen.add(panda.corrected(panda.joints, corrections._replace(bodies=bodies)).fingerprint)
    assert len(seen) == 13


def test_arrays_of_has_all_that_is_stored(panda):
    corrections, _ = random_corrections(panda, np.random.default_rng(12))
    found = arrays_of(corrections)
    assert set(found) == {
        *("rates", "scales", "middles", "harmonics", "compliances", "centers", "weights"),
        *(f"bodies_{name}" for name in corrections.bodies._fields),
    }  # fmt: skip
    assert found["weights"] is corrections.weights
    assert found["bodies_centers"] is corrections.bodies.centers


# ---- changed copies of corrected robots ----------------------------------------------------------------------------


@every_robot
def test_base_moves_a_corrected_robot_rigidly(robot):
    rng = np.random.default_rng(13)
    corrected = robot.corrected(robot.joints, random_corrections(robot, rng)[0])
    place = homogeneous(rodrigues([0.4, -1.1, 0.7]), [1.0, -2.0, 0.5])
    moved = corrected.with_base(place)
    q = robot.random_configurations(4, rng)
    # Gravity pulls as before in the base frame: the corrections are those of the arm as it stands.
    np.testing.assert_allclose(moved.forward_kinematics(q), place @ corrected.forward_kinematics(q), atol=1e-12)
    spin = np.kron(np.eye(2), place[:3, :3])
    np.testing.assert_allclose(moved.jacobian(q), spin @ corrected.jacobian(q), atol=1e-12)
    assert moved.fingerprint != corrected.fingerprint
    np.testing.assert_array_equal(moved.masses, robot.masses)


@every_robot
def test_bias_of_a_corrected_robot(robot):
    rng = np.random.default_rng(14)
    corrections, places = random_corrections(robot, rng)
    offsets, shifts = 0.05 * rng.normal(size=robot.dof), 0.03 * rng.normal(size=(len(robot.joints), 3))
    biased = robot.corrected(robot.joints, corrections).with_bias(offsets, shifts)
    chain = robot.with_bias(offsets, shifts).chain
    for q in robot.random_configurations(3, rng):
        np.testing.assert_allclose(biased.forward_kinematics(q), plain_pose(chain, corrections, places, q), atol=1e-8)
        np.testing.assert_allclose(biased.jacobian(q), numeric_jacobian(biased, q), atol=5e-8)


def test_limits_of_a_corrected_robot(panda):
    rng = np.random.default_rng(15)
    corrected = panda.corrected(panda.joints, random_corrections(panda, rng)[0])
    narrow = corrected.with_limits(0.5 * panda.lower, 0.5 * panda.upper)
    q = narrow.random_configurations(5, rng)
    np.testing.assert_array_equal(narrow.forward_kinematics(q), corrected.forward_kinematics(q))
    np.testing.assert_array_equal(narrow.upper, 0.5 * panda.upper)
    assert narrow.chain.corrections is corrected.chain.corrections
    assert isinstance(narrow, RobotModel)
    np.testing.assert_array_equal(narrow.masses, panda.masses)
