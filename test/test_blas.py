"""BLAS in place against NumPy, on whole matrices and on blocks of larger ones."""

import threading

import numpy as np
import pytest

from crisp_ik_ros.regression import blas


@pytest.fixture(params=["whole", "block"])
def place(request):
    """Matrix in Fortran order, alone or as a block of a larger one whose rest must not change."""
    kept = []

    def make(values):
        if request.param == "whole":
            return np.array(values, order="F")
        large = np.full((values.shape[0] + 5, values.shape[1] + 4), 7.0, order="F")
        large[2:-3, 3:-1] = values
        kept.append(large)
        return large[2:-3, 3:-1]

    yield make
    for large in kept:
        large[2:-3, 3:-1] = 7.0
        assert (large == 7.0).all()


def lower(rng, count):
    # What stands above the diagonal is not to be looked at.
    return rng.normal(size=(count, count)) + count * np.eye(count)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (7, 3), (3, 50)])
def test_triangles_are_solved(place, count, columns):
    rng = np.random.default_rng(count)
    factor, right = lower(rng, count), rng.normal(size=(count, columns))
    place_of_right, place_of_rows = place(right), place(right.T)
    blas.solve_lower(place(factor), place_of_right)
    np.testing.assert_allclose(place_of_right, np.linalg.solve(np.tril(factor), right), atol=1e-12)
    blas.solve_lower_from_right(place(factor), place_of_rows)
    np.testing.assert_allclose(place_of_rows, np.linalg.solve(np.tril(factor), right).T, atol=1e-12)


@pytest.mark.parametrize("columns", [0, 1, 9])
def test_products_are_added_and_subtracted(place, columns):
    rng = np.random.default_rng(columns)
    left, right, out = rng.normal(size=(6, columns)), rng.normal(size=(4, columns)), rng.normal(size=(6, 4))
    gram = rng.normal(size=(6, 6))
    changed, product = place(gram), place(out)
    blas.add_gram(place(left), changed, -1.5)
    np.testing.assert_allclose(np.tril(changed), np.tril(gram - 1.5 * left @ left.T), atol=1e-13)
    np.testing.assert_array_equal(np.triu(changed, 1), np.triu(gram, 1))
    blas.subtract_product(place(left), place(right), product)
    np.testing.assert_allclose(product, out - left @ right.T, atol=1e-13)


@pytest.mark.parametrize(
    "bad", [np.zeros((3, 3)), np.zeros((3, 3), dtype=np.float32, order="F"), np.zeros((6, 3))[::2]]
)
def test_what_blas_would_write_beyond_is_refused(bad):
    if bad.flags.c_contiguous and bad.dtype == float:
        bad = bad[:, :2].copy()
    with pytest.raises(AssertionError):
        blas.solve_lower(np.eye(3, order="F"), bad)


def read_only():
    array = np.zeros((3, 3), order="F")
    array.setflags(write=False)
    return array


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((3, 3), dtype=np.int64, order="F"),
        read_only(),
        # Columns that lie on top of each other, and columns two and a half numbers apart.
        np.lib.stride_tricks.as_strided(np.zeros(9), (3, 3), (8, 16)),
        np.lib.stride_tricks.as_strided(np.zeros(12), (3, 3), (8, 28)),
    ],
    ids=["whole numbers", "read-only", "overlapping", "between two numbers"],
)
def test_a_matrix_is_of_numbers_of_its_own_that_can_be_written(bad):
    good = np.eye(3, order="F")
    with pytest.raises(AssertionError):
        blas.solve_lower(np.eye(3, order="F"), bad)
    with pytest.raises(AssertionError):
        blas.solve_lower(bad, good)
    np.testing.assert_array_equal(good, np.eye(3))


def test_columns_may_just_touch_and_a_single_row_may_have_any_place():
    factor = np.diag([2.0, 2.0, 2.0]).copy(order="F")
    touching = np.ones((3, 2), order="F")
    blas.solve_lower(factor, touching)
    np.testing.assert_array_equal(touching, 0.5)
    row = np.ones((4, 2))[:1]
    blas.solve_lower(np.array([[4.0]], order="F"), row)
    np.testing.assert_array_equal(row, 0.25)


def test_other_threads_run_meanwhile():
    count = 1500
    factor, right = np.asfortranarray(np.eye(count)), np.zeros((count, 4 * count), order="F")
    counted, done = [], threading.Event()

    def work():
        blas.solve_lower(factor, right)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        counted.append(None)
    thread.join()
    # With the lock kept, the loop would come to run a few times before and after.
    assert len(counted) > 1000
