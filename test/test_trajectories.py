"""The paper's paths: where they lead, and how the tool is held."""

import numpy as np
import pytest
from oracles import roll_pitch_yaw

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.trajectories import (
    CIRCLE_CENTER,
    SPIRAL_CENTER,
    TRAJECTORIES,
    circle,
    eight,
    make_trajectory,
    spiral,
    tool_orientation,
)
from crisp_ik_ros.transforms import check_pose

# From the frame of the paper's authors, turned by -90 degrees about x, to the base frame.
AUTHORS_FRAME = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


@pytest.mark.parametrize("path", [spiral(), circle(), eight([1.0, 2.0, 3.0], 0.5), spiral(points=7), circle(points=2)])
def test_every_path_is_made_of_poses(path):
    check_pose(path)
    assert path.shape[1:] == (4, 4)


def test_centres_are_the_papers_in_the_base_frame():
    np.testing.assert_allclose(AUTHORS_FRAME.T @ [0.0, 0.044, -0.45], SPIRAL_CENTER, atol=1e-15)
    np.testing.assert_allclose(AUTHORS_FRAME.T @ [0.0, 0.044, -0.55], CIRCLE_CENTER, atol=1e-15)


def test_spiral_keeps_its_radius_and_goes_up_and_down_once():
    path = spiral(radius=0.05, height=0.08, points=301)
    offset = path[:, :3, 3] - SPIRAL_CENTER
    np.testing.assert_allclose(np.hypot(offset[:, 0], offset[:, 2]), 0.05, atol=1e-14)
    along = offset[:, 1]
    assert along.min() == pytest.approx(-0.04)
    assert along.max() == pytest.approx(0.04)
    assert along[0] == pytest.approx(along[-1])
    turning = np.flatnonzero(np.diff(np.sign(np.diff(along))))
    assert 1 <= len(turning) <= 2
    assert np.abs(turning - 150).max() <= 2


def test_spiral_turns_as_often_as_it_is_told():
    path = spiral(turns=3.0, points=400)
    offset = path[:, :3, 3] - SPIRAL_CENTER
    angle = np.unwrap(np.arctan2(offset[:, 2], offset[:, 0]))
    assert abs(angle[-1] - angle[0]) == pytest.approx(6.0 * np.pi)


def test_circle_is_closed_flat_and_round():
    path = circle(radius=0.1, points=100)
    offset = path[:, :3, 3] - CIRCLE_CENTER
    np.testing.assert_allclose(np.linalg.norm(offset, axis=1), 0.1, atol=1e-14)
    np.testing.assert_allclose(offset[:, 1], 0.0, atol=1e-15)
    np.testing.assert_allclose(path[0], path[-1], atol=1e-15)
    steps = np.linalg.norm(np.diff(path[:, :3, 3], axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)


def test_eight_crosses_its_centre_and_stays_in_its_plane():
    path = eight([1.0, 2.0, 0.5], 0.4, points=201)
    offset = path[:, :3, 3] - [1.0, 2.0, 0.5]
    np.testing.assert_allclose(offset[:, 2], 0.0, atol=1e-15)
    np.testing.assert_allclose(offset[[0, 100, 200]], 0.0, atol=1e-14)
    assert np.abs(offset[:, 1]).max() == pytest.approx(0.4)
    assert np.abs(offset[:, 0]).max() == pytest.approx(0.2, rel=1e-3)


@pytest.mark.parametrize("yaw", [0.0, 0.5, -2.0])
def test_tool_has_the_authors_euler_angles_in_the_authors_frame(yaw):
    rotation = tool_orientation(yaw)
    np.testing.assert_allclose(AUTHORS_FRAME @ rotation, roll_pitch_yaw(np.pi / 2.0, 0.0, yaw), atol=1e-15)
    for path in (spiral(yaw=yaw, points=5), circle(yaw=yaw, points=5)):
        np.testing.assert_array_equal(path[:, :3, :3], np.broadcast_to(rotation, (5, 3, 3)))


def test_tool_points_straight_down_at_no_yaw():
    np.testing.assert_allclose(tool_orientation(0.0) @ [0.0, 0.0, 1.0], [0.0, 0.0, -1.0], atol=1e-15)


def test_yaw_turns_the_tool_by_that_angle():
    turned = tool_orientation(0.7) @ tool_orientation(0.0).T
    assert 0.5 * (np.trace(turned) - 1.0) == pytest.approx(np.cos(0.7))


def test_paths_within_the_demos_reach_of_the_panda(panda):
    for path in (spiral(), circle()):
        assert np.linalg.norm(path[:, :3, 3] - panda.anchor, axis=1).max() < panda.reach


def test_names_lead_to_their_paths():
    assert set(TRAJECTORIES) == {"spiral", "circle"}
    np.testing.assert_array_equal(make_trajectory("spiral", points=9, yaw=0.3), spiral(points=9, yaw=0.3))
    np.testing.assert_array_equal(make_trajectory("circle", radius=0.2), circle(radius=0.2))


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(InvalidInputError, match="'spiral' or 'circle'"):
        make_trajectory("square")


@pytest.mark.parametrize("make", [spiral, circle, lambda **values: eight([0, 0, 0], **{"radius": 0.1, **values})])
@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"radius": 0.0}, "radius"),
        ({"radius": -1.0}, "radius"),
        ({"radius": np.nan}, "radius"),
        ({"radius": np.inf}, "radius"),
        ({"points": 1}, "points"),
        ({"points": 0}, "points"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(make, values, name):
    with pytest.raises(InvalidInputError, match=name):
        make(**values)
