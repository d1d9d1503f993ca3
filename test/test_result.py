"""Answers as compiled code gives them, and as callers get them."""

import numpy as np
import pytest

from crisp_ik_ros import IKResult, PathResult, Status
from crisp_ik_ros.solvers.result import (
    BLENDED,
    COLUMNS,
    CORRECTED,
    ITERATIONS,
    LEARNED,
    NO_SOLUTION,
    NOMINAL,
    ORIENTATION_ERROR,
    POSITION_ERROR,
    SOURCE,
    SOURCES,
    STATUS,
    STATUSES,
    STEP_TOO_LARGE,
    SUCCESS,
    SUPPORT,
    TIMED_OUT,
    Answers,
)

RESULTS = [
    IKResult(np.array([0.1, 0.2]), True, Status.SUCCESS, 1e-6, 2e-6, 0.9, 5, "learned"),
    IKResult(np.array([0.3, 0.4]), False, Status.NO_SOLUTION, 0.5, 0.6, 0.0, 60, "nominal"),
    IKResult(np.array([0.5, 0.6]), False, Status.TIMED_OUT, 0.7, 0.8, 0.1, 61, "blended"),
    IKResult(np.array([0.7, 0.8]), False, Status.STEP_TOO_LARGE, 0.9, 1.0, 0.2, 62, "corrected"),
    IKResult(np.array([0.9, 1.1]), True, Status.SUCCESS, 3e-6, 4e-6, 0.8, 7, "nominal"),
]


def test_codes_are_the_places_of_what_they_stand_for():
    assert STATUSES[SUCCESS] is Status.SUCCESS and STATUSES[NO_SOLUTION] is Status.NO_SOLUTION
    assert STATUSES[TIMED_OUT] is Status.TIMED_OUT and STATUSES[STEP_TOO_LARGE] is Status.STEP_TOO_LARGE
    assert [SOURCES[code] for code in (LEARNED, BLENDED, NOMINAL, CORRECTED)] == [
        "learned", "blended", "nominal", "corrected",
    ]  # fmt: skip
    assert sorted([POSITION_ERROR, ORIENTATION_ERROR, SUPPORT, STATUS, SOURCE, ITERATIONS]) == list(range(COLUMNS))


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.status.value)
def test_an_answer_comes_back_as_it_was_put_in(result):
    answers = Answers.from_results([result], 2)
    assert answers.rows.shape == Answers.empty(1, 2).rows.shape == (1, 2 + COLUMNS)
    found = answers.first()
    np.testing.assert_array_equal(found.configuration, result.configuration)
    assert found[1:] == result[1:]
    assert isinstance(found.iterations, int)
    tail = answers.rows[0, 2:]
    assert tail[POSITION_ERROR] == result.position_error and tail[ORIENTATION_ERROR] == result.orientation_error
    assert tail[SUPPORT] == result.support and tail[ITERATIONS] == result.iterations
    assert STATUSES[int(tail[STATUS])] is result.status and SOURCES[int(tail[SOURCE])] == result.source


def test_answers_are_gathered_in_their_order():
    path = PathResult.from_results(RESULTS, 2)
    np.testing.assert_array_equal(path.configurations, [result.configuration for result in RESULTS])
    assert path.configurations.flags.c_contiguous
    assert path.success.tolist() == [True, False, False, False, True]
    assert path.status == tuple(result.status for result in RESULTS)
    np.testing.assert_array_equal(path.position_errors, [result.position_error for result in RESULTS])
    np.testing.assert_array_equal(path.orientation_errors, [result.orientation_error for result in RESULTS])
    np.testing.assert_array_equal(path.supports, [result.support for result in RESULTS])
    assert path.sources == tuple(result.source for result in RESULTS)
    assert path.fraction == pytest.approx(0.4)


def test_no_answers_are_an_empty_result_of_which_nothing_is_solved():
    path = PathResult.from_results([], 3)
    assert path.configurations.shape == (0, 3)
    assert path.fraction == 0.0


def test_a_pose_that_was_not_solved_holds_the_configuration_before_it():
    answers = Answers.from_results(RESULTS, 2)
    answers.hold(np.array([7.0, 8.0]))
    expected = [[0.1, 0.2], [0.1, 0.2], [0.1, 0.2], [0.1, 0.2], [0.9, 1.1]]
    np.testing.assert_array_equal(answers.together().configurations, expected)
    failed = Answers.from_results(RESULTS[1:], 2)
    failed.hold(np.array([7.0, 8.0]))
    np.testing.assert_array_equal(failed.together().configurations, [[7.0, 8.0]] * 3 + [[0.9, 1.1]])
    # Nothing else of a failure changes.
    assert failed.together().status == tuple(result.status for result in RESULTS[1:])
