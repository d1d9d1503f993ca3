"""Collisions of an arm with itself and the floor, against distances worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import TWO_LINK, roll_pitch_yaw

from crisp_ik_ros import RobotModel
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.robots.robot_model import panda_urdf_path
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm

RADIUS, LENGTH = 0.1, 0.5
HEIGHT, TILT = 1.0, (0.3, -0.2, 0.5)


def ball(name, *centers, radius=RADIUS):
    shapes = "".join(
        f'<collision><origin xyz="{center}"/><geometry><sphere radius="{radius}"/></geometry></collision>'
        for center in centers
    )
    return f'<link name="{name}">{shapes}</link>'


def turning(name, parent, child, x, axis="0 1 0", limit=3.0):
    return (
        f'<joint name="{name}" type="revolute"><origin xyz="{x} 0 0"/><parent link="{parent}"/><child link="{child}"/>'
        f'<axis xyz="{axis}"/><limit lower="-{limit}" upper="{limit}" effort="10" velocity="1"/></joint>'
    )


def folding_arm(extra=""):
    """A swivel at the foot, then three bars that fold in one plane; all that has a shape is a ball at each end.

    The root stands tilted in the world, 1 m up.
    """
    return (
        '<robot name="folding"><link name="world"/>'
        '<joint name="stand" type="fixed"><parent link="world"/><child link="base"/>'
        f'<origin xyz="0.3 0 {HEIGHT}" rpy="{" ".join(map(str, TILT))}"/></joint>'
        + ball("base", "0 0 0")
        + ball("swivel", radius=0.0)
        + "".join(ball(f"bar{i}", f"{LENGTH} 0 0") for i in (1, 2, 3))
        + turning("turn", "base", "swivel", 0, "0 0 1")
        + turning("fold1", "swivel", "bar1", 0)
        + turning("fold2", "bar1", "bar2", LENGTH)
        + turning("fold3", "bar2", "bar3", LENGTH)
        + extra
        + "</robot>"
    ).replace('<link name="swivel"></link>', '<link name="swivel"/>')


FOLDING = folding_arm()


def arm_of(xml, tip_link="bar3"):
    return PyBulletArm(xml, RobotModel.from_urdf(xml, "base", tip_link))


def centers_of(q):
    """Centres of the four balls in the base link's frame."""
    centers, angle = [np.zeros(3)], 0.0
    for fold in q[1:]:
        angle += fold
        step = [np.cos(angle) * np.cos(q[0]), np.cos(angle) * np.sin(q[0]), -np.sin(angle)]
        centers.append(centers[-1] + LENGTH * np.array(step))
    return np.array(centers)


def gaps_of(q):
    """Distances of the surfaces of the balls that are not next to each other: 0-3, 1-3 and 0-2, in this order."""
    centers = centers_of(q)
    return np.array([np.linalg.norm(centers[i] - centers[k]) - 2 * RADIUS for i, k in ((0, 3), (1, 3), (0, 2))])


@pytest.mark.parametrize("clearance", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("floor", [None, 0.0, -0.45])
def test_a_folding_arm_is_free_exactly_where_its_balls_are_apart(clearance, floor):
    rng = np.random.default_rng(0)
    with arm_of(FOLDING) as arm:
        configurations = arm.robot.random_configurations(400, rng)
        configurations[:200, 1:] = rng.choice([-2.9, -2.0, 2.0, 2.9], (200, 3)) + rng.normal(0, 0.1, (200, 3))
        free = arm.collision_free(np.clip(configurations, -3, 3), clearance, floor)
    margin = np.array([gaps_of(q).min() for q in np.clip(configurations, -3, 3)]) - clearance
    if floor is not None:
        lowest = np.array([centers_of(q)[1:, 2].min() for q in np.clip(configurations, -3, 3)])
        margin = np.minimum(margin, lowest - RADIUS - floor - clearance)
    decided = np.abs(margin) > 1e-4
    assert decided.sum() > 390
    np.testing.assert_array_equal(free[decided], margin[decided] > 0.0)
    assert 20 < free.sum() < 380


def test_the_simulation_is_left_as_it_was():
    with arm_of(FOLDING) as arm:
        arm.command([0.5, 0.2, 0.3, -0.4])
        arm.step(20)
        before = arm.joint_state()
        bodies = arm._bullet.getNumBodies(physicsClientId=arm._client)
        arm.collision_free(arm.robot.random_configurations(5, np.random.default_rng(0)), 0.01, floor=-0.2)
        after = arm.joint_state()
        np.testing.assert_array_equal(after[0], before[0])
        np.testing.assert_array_equal(after[1], before[1])
        assert arm._bullet.getNumBodies(physicsClientId=arm._client) == bodies


def test_links_that_always_touch_are_no_collision_and_those_that_fold_are():
    with arm_of(FOLDING) as arm:
        folded = [0.0, 0.0, 3.0, 0.0]
        assert arm.collision_free([[0.0] * 4, folded]).tolist() == [True, False]
    # A ball so large around joint 3 that bar 1's overlaps it, and the base's in nearly every configuration.
    swollen = FOLDING.replace(ball("bar2", f"{LENGTH} 0 0"), ball("bar2", "0 0 0", radius=0.45))
    with arm_of(swollen) as arm:
        assert arm.collision_free([[0.0, 0.0, 0.5, 0.0]]).tolist() == [True]
        assert arm.collision_free([[0.0, 0.0, 0.5, 2.99]]).tolist() == [False]  # bar 3's ball on bar 1's


def test_a_pair_that_is_within_the_clearance_at_rest_must_still_not_touch():
    """Balls 0 and 2 are 0.8 m apart at rest: less than the clearance, which they cannot be asked to keep."""
    with arm_of(FOLDING.replace(ball("bar3", f"{LENGTH} 0 0"), '<link name="bar3"/>')) as arm:
        wide, narrow, folded = [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 2.5, -2.5], [0.0, 0.0, 2.9, -2.5]
        assert gaps_of(wide)[2] > 0.6 and 0.05 < gaps_of(narrow)[2] < 0.5 and gaps_of(folded)[2] < 0.0
        free = arm.collision_free([wide, narrow, folded], clearance=0.85)
        assert free.tolist() == [True, True, False]


def test_what_hangs_on_one_link_does_not_collide_with_itself():
    """Two fingers that overlap, and a tool on fixed joints that runs through the bar that carries it."""
    extra = (
        ball("tool", "0.02 0 0")
        + ball("left", "0 0 0")
        + ball("right", "0 0.01 0")
        + f'<joint name="mount" type="fixed"><origin xyz="{LENGTH} 0 0"/>'
        + '<parent link="bar3"/><child link="tool"/></joint>'
        + "".join(
            f'<joint name="{name}_slide" type="prismatic"><origin xyz="0.2 0 0"/><parent link="tool"/>'
            f'<child link="{name}"/><axis xyz="0 1 0"/><limit lower="0" upper="0.04" effort="1" velocity="1"/></joint>'
            for name in ("left", "right")
        )
    )
    with arm_of(folding_arm(extra), "tool") as arm:
        stretched, hooked = [0.0] * 4, [0.0, 0.0, 2.0, 2.0]
        assert arm.collision_free([stretched]).all()
        # Fingers reach 0.2 m beyond the ball of bar 3: they hit where it alone would not.
        q = np.array(hooked)
        angles = np.cumsum(q[1:])
        direction = np.array([np.cos(angles[2]), 0.0, -np.sin(angles[2])])
        finger = centers_of(q)[3] + 0.2 * direction
        gap = min(np.linalg.norm(finger - center) for center in centers_of(q)[:2]) - 2 * RADIUS
        assert arm.collision_free([hooked])[0] == (min(gap, gaps_of(q).min()) > 0.0)


def test_what_only_turns_about_the_upright_axis_may_stand_on_the_floor():
    foot = FOLDING.replace('<link name="swivel"/>', ball("swivel", "0.3 0 0"))
    with arm_of(foot) as arm:
        assert arm.collision_free([[0.0, -0.8, 0.0, 0.0]], floor=0.0).tolist() == [True]
        assert arm.collision_free([[0.0, 0.8, 0.0, 0.0]], floor=0.0).tolist() == [False]


def test_the_floor_is_level_with_the_base_and_not_with_the_world():
    q = np.array([0.0, 0.3, 0.0, 0.0])
    low = centers_of(q)[3, 2] - RADIUS
    in_world = roll_pitch_yaw(*TILT) @ centers_of(q)[3] + [0.3, 0.0, HEIGHT]
    with arm_of(FOLDING) as arm:
        assert arm.collision_free([q], floor=low - 1e-3).all()
        assert not arm.collision_free([q], floor=low + 1e-3).any()
    assert abs(in_world[2] - RADIUS - low) > 0.5


def test_the_panda_is_free_where_it_works_and_not_where_it_folds_into_itself():
    robot = RobotModel.panda()
    good = np.array([robot.rest, [0, 0, 0, -1.57, 0, 1.57, 0.79], [0.5, 0.3, -0.2, -2.0, 0.1, 2.2, 0.0]])
    # The hand in the shoulder, in the base, and in the forearm.
    bad = np.array([[0, -1.7, 0, -3.0, 0, 0.9, 0], [0, 1.3, 0, -3.05, 0, 1.2, 0], [0, 0, 0, -1.5, 0, -0.01, 0]])
    with PyBulletArm(panda_urdf_path(), robot) as arm:
        assert arm.collision_free(good, clearance=0.01).all()
        tips = arm.forward_kinematics(bad)[:, :3, 3]
        assert np.linalg.norm(tips[:2], axis=1).max() < 0.6
        assert not arm.collision_free(bad[:2]).any()
        random = robot.random_configurations(400, np.random.default_rng(1))
        free = arm.collision_free(random)
        assert 0.5 < free.mean() < 0.95
        assert not (arm.collision_free(random, clearance=0.03) & ~free).any()
        above = arm.collision_free(random, floor=0.0)
        assert not (above & ~free).any()
        # The tool below the floor is below the floor.
        assert not above[arm.forward_kinematics(random)[:, 2, 3] < 0.0].any()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"clearance": -0.1}, "clearance"),
        ({"clearance": np.nan}, "clearance"),
        ({"floor": np.inf}, "floor"),
        ({"configurations": [0.0] * 4}, "configurations"),
        ({"configurations": [[0.0, 0.0, 0.0, np.nan]]}, "configurations"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, name):
    with arm_of(FOLDING) as arm, pytest.raises(InvalidInputError, match=name):
        arm.collision_free(**{"configurations": [[0.0] * 4], **arguments})


def test_an_arm_without_shapes_is_always_free():
    with PyBulletArm(TWO_LINK, RobotModel.from_urdf(TWO_LINK)) as arm:
        assert arm.collision_free(arm.robot.random_configurations(5, np.random.default_rng(0)), 0.01, floor=0.0).all()
