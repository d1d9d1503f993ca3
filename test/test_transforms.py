"""Rotations and poses against Rodrigues' formula, finite differences and hand-made values."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracles import homogeneous, rodrigues, roll_pitch_yaw

from crisp_ik_ros import transforms as tf
from crisp_ik_ros.errors import InvalidInputError

AXES = [
    [1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1], [1, 1, 0], [1, -1, 1], [-0.2, 0.9, 0.1],
]  # fmt: skip
finite = st.floats(-3.0, 3.0, allow_subnormal=False)
vectors = hnp.arrays(float, 3, elements=finite)


def compiled_logarithm(rotation):
    out = np.empty(3)
    tf.compiled_rotation_logarithm(np.ascontiguousarray(rotation), out)
    return out


@given(vectors)
def test_euler_angles_turn_about_fixed_x_then_y_then_z(euler):
    np.testing.assert_allclose(tf.matrix_from_euler(euler), roll_pitch_yaw(*euler), atol=1e-14)


@given(vectors)
def test_euler_angles_of_a_rotation_give_it_back(euler):
    rotation = roll_pitch_yaw(euler[0], euler[1] / 2.0, euler[2])
    np.testing.assert_allclose(tf.matrix_from_euler(tf.euler_from_matrix(rotation)), rotation, atol=1e-12)


@pytest.mark.parametrize(
    ("quaternion", "rotation"),
    [
        ([0, 0, 0, 1], np.eye(3)),
        ([1, 0, 0, 0], np.diag([1, -1, -1])),
        ([0, 0, np.sqrt(0.5), np.sqrt(0.5)], [[0, -1, 0], [1, 0, 0], [0, 0, 1]]),
        ([0.5, 0.5, 0.5, 0.5], [[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
    ],
)
def test_quaternions_are_x_y_z_w(quaternion, rotation):
    np.testing.assert_allclose(tf.matrix_from_quaternion(quaternion), rotation, atol=1e-15)


@given(vectors)
def test_quaternions_of_a_rotation_give_it_back_and_have_w_at_least_zero(vector):
    rotation = rodrigues(vector)
    quaternion = tf.quaternion_from_matrix(rotation)
    assert quaternion[3] >= 0.0
    np.testing.assert_allclose(tf.matrix_from_quaternion(quaternion), rotation, atol=1e-14)


@pytest.mark.parametrize("quaternion", [[0, 0, 0, 0], [0, 0, 0, 1.1], [np.nan, 0, 0, 1], [0, 0, np.inf, 1]])
def test_quaternions_that_are_none_are_refused(quaternion):
    with pytest.raises(InvalidInputError, match="quaternion"):
        tf.matrix_from_quaternion(quaternion)


def test_one_bad_quaternion_among_good_ones_is_refused():
    with pytest.raises(InvalidInputError):
        tf.matrix_from_quaternion([[0, 0, 0, 1.0], [0, 0, 0, 0]])


@given(vectors)
def test_exponential_is_rodrigues_formula(vector):
    np.testing.assert_allclose(tf.rotation_exponential(vector), rodrigues(vector), atol=1e-14)


@given(hnp.arrays(float, 3, elements=st.floats(-1.8, 1.8, allow_subnormal=False)))
def test_logarithm_undoes_the_exponential(vector):
    np.testing.assert_allclose(tf.rotation_logarithm(rodrigues(vector)), vector, atol=1e-12)
    np.testing.assert_allclose(compiled_logarithm(rodrigues(vector)), vector, atol=1e-12)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("below_pi", [0.0, 1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 1.0])
def test_compiled_logarithm_is_exact_up_to_pi(axis, below_pi):
    vector = np.array(axis, dtype=float) / np.linalg.norm(axis) * (np.pi - below_pi)
    logarithm = compiled_logarithm(rodrigues(vector))
    # At pi itself the vector and its opposite are the same rotation.
    error = min(np.abs(logarithm - vector).max(), np.abs(logarithm + vector).max() if below_pi < 1e-9 else np.inf)
    assert error < 1e-9
    assert np.linalg.norm(logarithm) <= np.pi + 1e-12


@pytest.mark.parametrize("angle", [0.0, 1e-300, 1e-20, 1e-15, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3, 0.1])
@pytest.mark.parametrize("axis", AXES)
def test_compiled_logarithm_is_exact_down_to_zero(axis, angle):
    vector = np.array(axis, dtype=float) / np.linalg.norm(axis) * angle
    np.testing.assert_allclose(compiled_logarithm(rodrigues(vector)), vector, rtol=1e-7, atol=1e-15)


@pytest.mark.parametrize("angle", [0.0, 1e-8, 1e-4, 9.9e-4, 1.01e-3, 0.1, 1.0, 2.5, 3.1, np.pi - 1e-4])
@pytest.mark.parametrize("axis", AXES)
def test_right_jacobian_inverse_is_the_derivative_of_the_logarithm(axis, angle):
    vector = np.array(axis, dtype=float) / np.linalg.norm(axis) * angle
    inverse, step = np.empty((3, 3)), 1e-6
    tf.compiled_right_jacobian_inverse(vector, inverse)
    numeric = np.empty((3, 3))
    for k in range(3):
        shift = step * np.eye(3)[k]
        ahead = compiled_logarithm(rodrigues(vector) @ rodrigues(shift))
        behind = compiled_logarithm(rodrigues(vector) @ rodrigues(-shift))
        numeric[:, k] = (ahead - behind) / (2.0 * step)
    np.testing.assert_allclose(inverse, numeric, atol=1e-7)


def test_right_jacobian_inverse_is_finite_at_pi():
    inverse = np.empty((3, 3))
    tf.compiled_right_jacobian_inverse(np.array([0.0, np.pi, 0.0]), inverse)
    # I + [v]/2 + (1/pi^2) [v]^2 for v = (0, pi, 0)
    np.testing.assert_allclose(inverse, [[0, 0, np.pi / 2], [0, 1, 0], [-np.pi / 2, 0, 0]], atol=1e-12)


@given(vectors, vectors, vectors, hnp.arrays(float, 3, elements=st.floats(-1.5, 1.5)))
def test_pose_error_moves_the_model_pose_to_the_measured_one(position, turn, shift, error_turn):
    model = homogeneous(rodrigues(turn), position)
    measured = homogeneous(rodrigues(error_turn) @ rodrigues(turn), position + shift)
    np.testing.assert_allclose(tf.pose_error(measured, model), [*shift, *error_turn], atol=1e-11)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_every_conversion_keeps_the_batch_shape(shape):
    rng = np.random.default_rng(0)
    vector = rng.uniform(-1, 1, (*shape, 3))
    rotation = tf.rotation_exponential(vector)
    assert rotation.shape == (*shape, 3, 3)
    assert tf.matrix_from_euler(vector).shape == (*shape, 3, 3)
    assert tf.euler_from_matrix(rotation).shape == (*shape, 3)
    assert tf.quaternion_from_matrix(rotation).shape == (*shape, 4)
    assert tf.matrix_from_quaternion(tf.quaternion_from_matrix(rotation)).shape == (*shape, 3, 3)
    np.testing.assert_allclose(tf.rotation_logarithm(rotation), vector, atol=1e-12)
    pose = tf.make_pose(vector, rotation)
    assert pose.shape == (*shape, 4, 4)
    assert tf.pose_error(pose, pose).shape == (*shape, 6)
    assert tf.check_pose(pose).shape == (*shape, 4, 4)


def test_make_pose_broadcasts_one_rotation_over_many_positions():
    positions = np.arange(6.0).reshape(2, 3)
    poses = tf.make_pose(positions, np.diag([1.0, -1.0, -1.0]))
    for pose, position in zip(poses, positions, strict=True):
        np.testing.assert_array_equal(pose, homogeneous(np.diag([1.0, -1.0, -1.0]), position))


def _with(index, value):
    pose = np.eye(4)
    pose[index] = value
    return pose


@pytest.mark.parametrize(
    "pose",
    [
        np.eye(3),
        np.zeros(16),
        np.float64(1.0),
        _with((0, 3), np.nan),
        _with((1, 1), np.inf),
        np.zeros((4, 4)),
        2.0 * np.eye(4),
        np.diag([1.0, 1.0, -1.0, 1.0]),
        _with((0, 1), 1e-3),
        _with((3, 0), 0.5),
        _with((3, 3), 2.0),
        np.stack([np.eye(4), np.zeros((4, 4))]),
    ],
)
def test_matrices_that_are_no_poses_are_refused_by_name(pose):
    with pytest.raises(InvalidInputError, match="target"):
        tf.check_pose(pose, "target")


def test_check_pose_returns_contiguous_floats_without_changing_them():
    given_pose = np.asfortranarray(np.eye(4, dtype=int))
    checked = tf.check_pose(given_pose)
    assert checked.dtype == np.float64
    assert checked.flags.c_contiguous
    np.testing.assert_array_equal(checked, np.eye(4))


def test_inverse_of_a_pose_undoes_it():
    from crisp_ik_ros.transforms import invert_pose, matrix_from_euler

    rng = np.random.default_rng(0)
    poses = np.tile(np.eye(4), (3, 2, 1, 1))
    poses[..., :3, :3] = matrix_from_euler(rng.uniform(-3.0, 3.0, (6, 3))).reshape(3, 2, 3, 3)
    poses[..., :3, 3] = rng.normal(size=(3, 2, 3))
    np.testing.assert_allclose(invert_pose(poses), np.linalg.inv(poses), atol=1e-12)


def nearest_rotation(matrix):
    out = np.empty((3, 3))
    tf.compiled_nearest_rotation(np.ascontiguousarray(matrix).ravel(), np.empty((4, 4)), np.empty((4, 4)), out)
    return out


@given(hnp.arrays(float, (3, 3), elements=finite))
def test_nearest_rotation_is_as_near_as_that_of_the_singular_value_decomposition(matrix):
    left, _, right = np.linalg.svd(matrix)
    expected = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
    nearest = nearest_rotation(matrix)
    np.testing.assert_allclose(nearest @ nearest.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(nearest) > 0.0
    # Where several are equally near, either is right.
    assert np.linalg.norm(nearest - matrix) <= np.linalg.norm(expected - matrix) + 1e-7


@given(vectors, vectors)
def test_nearest_rotation_of_the_mean_of_two_is_halfway(vector, axis):
    first, turn = rodrigues(vector), 0.9 * axis
    assume(np.linalg.norm(turn) < 3.0)
    mean = 0.5 * (first + first @ rodrigues(turn))
    np.testing.assert_allclose(nearest_rotation(mean), first @ rodrigues(0.5 * turn), atol=1e-9)
