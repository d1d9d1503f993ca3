"""Every kernel against its definition, written out pair by pair."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracles import homogeneous, kernel, rodrigues

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.regression.kernels import KERNELS, GaussianKernel, kernel_row_product, make_kernel
from crisp_ik_ros.transforms import euler_from_matrix

NAMES = ("gaussian", "laplacian", "linear")


def random_poses(count, seed=0):
    rng = np.random.default_rng(seed)
    return np.array(
        [homogeneous(rodrigues(rng.uniform(-1.8, 1.8, 3)), rng.uniform(-0.5, 0.5, 3)) for _ in range(count)]
    )


def test_the_suite_covers_every_kernel():
    assert set(NAMES) == set(KERNELS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scales", [(0.1, 1.0), (0.7, 0.3), (5.0, 20.0)])
def test_matrix_is_the_definition_pair_by_pair(name, scales):
    poses, others = random_poses(7), random_poses(5, seed=1)
    expected = [[kernel(name, pose, other, *scales) for other in others] for pose in poses]
    np.testing.assert_allclose(make_kernel(name, *scales)(poses, others), expected, rtol=1e-11, atol=1e-300)


@given(hnp.arrays(float, (2, 3), elements=st.floats(-1, 1)), hnp.arrays(float, 3, elements=st.floats(-1e-3, 1e-3)))
def test_orientation_distance_is_the_angle_for_small_angles(positions, turn):
    first, second = homogeneous(np.eye(3), positions[0]), homogeneous(rodrigues(turn), positions[1])
    features = GaussianKernel(0.2, 0.7).features(np.array([first, second]))
    squared = np.sum((positions[0] - positions[1]) ** 2) / 0.2**2 + np.sum(turn**2) / 0.7**2
    assert np.sum((features[0] - features[1]) ** 2) == pytest.approx(squared, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("orientation", ["chordal", "euler"])
def test_matrix_is_symmetric_and_positive_semidefinite(name, orientation):
    matrix = make_kernel(name, 0.4, 0.8, orientation)(random_poses(40), random_poses(40))
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-14)
    assert np.linalg.eigvalsh(matrix).min() > -1e-12 * np.trace(matrix)
    if name != "linear":
        np.testing.assert_array_equal(np.diagonal(matrix), 1.0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("orientation", ["chordal", "euler"])
def test_compiled_row_product_is_the_matrix_product(name, orientation):
    rule = make_kernel(name, 0.3, 0.9, orientation)
    poses, centers = random_poses(4), random_poses(30, seed=2)
    coefficients = np.random.default_rng(3).normal(size=(30, 6))
    expected = rule(poses, centers) @ coefficients
    features, center_features = rule.features(poses), rule.features(centers)
    out = np.full(6, np.nan)
    for feature, row in zip(features, expected, strict=True):
        nearest = kernel_row_product(rule.profile, feature, center_features, coefficients, np.array([2.0, 0.5]), out)
        np.testing.assert_allclose(out, row, rtol=1e-12, atol=1e-14)
        squared = (feature - center_features) ** 2
        assert nearest == pytest.approx((2.0 * squared[:, :3].sum(1) + 0.5 * squared[:, 3:].sum(1)).min(), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [255, 256, 257, 700])
@pytest.mark.parametrize("closest", [0, 200, -1])
def test_compiled_row_product_takes_any_number_of_centers(name, count, closest):
    # More of them than are worked on at a time, and the nearest in any of the parts.
    rng = np.random.default_rng(count)
    rule = make_kernel(name, 0.3, 0.9)
    centers, coefficients = 3.0 + rng.normal(size=(count, 12)), rng.normal(size=(count, 2))
    feature = centers[closest] + 0.01
    out = np.full(2, np.nan)
    nearest = kernel_row_product(rule.profile, feature, centers, coefficients, np.array([2.0, 0.5]), out)
    squared = (feature - centers) ** 2
    distances = squared.sum(axis=1)
    row = {"gaussian": np.exp(-0.5 * distances), "laplacian": np.exp(-np.sqrt(distances)), "linear": centers @ feature}
    np.testing.assert_allclose(out, row[name] @ coefficients, rtol=1e-10)
    expected = 2.0 * squared[:, :3].sum(axis=1) + 0.5 * squared[:, 3:].sum(axis=1)
    assert nearest == pytest.approx(expected.min(), rel=1e-9)
    assert expected.argmin() == closest % count


@pytest.mark.parametrize("name", NAMES)
def test_matrix_may_have_any_number_of_columns_and_a_place_of_its_own(name):
    rng = np.random.default_rng(0)
    features, others = rng.normal(size=(2, 3)), rng.normal(size=(4200, 3))
    rule = make_kernel(name, 1.0, 1.0)
    place = np.full((2, 4200), np.nan)
    found = rule.matrix(features, others, place)
    assert found is place or np.shares_memory(found, place)
    squared = ((features[:, None] - others) ** 2).sum(axis=2)
    expected = {
        "gaussian": np.exp(-0.5 * squared),
        "laplacian": np.exp(-np.sqrt(squared)),
        "linear": features @ others.T,
    }
    np.testing.assert_allclose(place, expected[name], rtol=1e-11)
    np.testing.assert_allclose(rule.diagonal(features), np.diagonal(rule.matrix(features, features)), rtol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_infinite_length_scale_leaves_its_part_out(name):
    poses = random_poses(6)
    turned, moved = poses.copy(), poses.copy()
    turned[:, :3, :3] = random_poses(6, seed=4)[:, :3, :3]
    moved[:, :3, 3] += 1.0
    blind_to_orientation = make_kernel(name, 0.3, np.inf)
    np.testing.assert_array_equal(blind_to_orientation(poses, poses), blind_to_orientation(turned, poses))
    assert not np.allclose(blind_to_orientation(poses, poses), blind_to_orientation(moved, poses))
    blind_to_position = make_kernel(name, np.inf, 0.5)
    np.testing.assert_array_equal(blind_to_position(poses, poses), blind_to_position(moved, poses))
    assert not np.allclose(blind_to_position(poses, poses), blind_to_position(turned, poses))


def test_euler_features_are_position_and_roll_pitch_yaw_over_their_scales():
    poses = random_poses(5)
    features = GaussianKernel(0.05, 2.0, "euler").features(poses)
    assert features.shape == (5, 6)
    np.testing.assert_allclose(features[:, :3], poses[:, :3, 3] * 20.0)
    np.testing.assert_allclose(features[:, 3:], euler_from_matrix(poses[:, :3, :3]) / 2.0)


def test_chordal_features_do_not_jump_where_euler_angles_wrap():
    near_pi = np.array([homogeneous(rodrigues([0, 0, np.pi - 1e-3]), np.zeros(3)),
                        homogeneous(rodrigues([0, 0, -np.pi + 1e-3]), np.zeros(3))])  # fmt: skip
    chordal, euler = GaussianKernel(1.0, 1.0), GaussianKernel(1.0, 1.0, "euler")
    assert chordal(near_pi[:1], near_pi[1:])[0, 0] > 1.0 - 1e-5
    assert euler(near_pi[:1], near_pi[1:])[0, 0] < 1e-6


def test_papers_width_is_root_two_length_scales():
    sigma, distance = 0.5, 0.3
    poses = np.array([np.eye(4), homogeneous(np.eye(3), [distance, 0, 0])])
    value = GaussianKernel(sigma / np.sqrt(2.0), 1.0)(poses[:1], poses[1:])[0, 0]
    assert value == pytest.approx(np.exp(-(distance**2) / sigma**2))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("orientation", ["chordal", "euler"])
def test_parameters_make_the_same_kernel_again(name, orientation):
    rule = make_kernel(name, 0.3, np.inf, orientation)
    again = make_kernel(**rule.parameters())
    assert type(again) is type(rule)
    np.testing.assert_array_equal(again(random_poses(4), random_poses(3)), rule(random_poses(4), random_poses(3)))
    assert type(rule).__name__ in repr(rule)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan])
def test_length_scales_that_are_none_are_refused_by_name(name, scale):
    with pytest.raises(InvalidInputError, match="position_length_scale"):
        make_kernel(name, scale, 1.0)
    with pytest.raises(InvalidInputError, match="orientation_length_scale"):
        make_kernel(name, 1.0, scale)


def test_unknown_kernels_and_orientations_are_refused():
    with pytest.raises(InvalidInputError, match="'gaussian' or 'laplacian' or 'linear'"):
        make_kernel("cubic", 1.0, 1.0)
    with pytest.raises(InvalidInputError, match="orientation"):
        make_kernel("gaussian", 1.0, 1.0, "quaternion")
