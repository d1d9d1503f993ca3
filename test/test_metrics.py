"""Errors between poses, and their summary, on numbers made by hand."""

import numpy as np
import pytest
from oracles import homogeneous, rodrigues

from crisp_ik_ros.metrics import Summary, tool_errors


def test_errors_are_the_distance_and_the_angle():
    start = homogeneous(rodrigues([0.3, -0.2, 0.9]), [1.0, 2.0, 3.0])
    moved = homogeneous(rodrigues([0.0, 0.02, 0.0]) @ start[:3, :3], start[:3, 3] + [0.003, 0.0, -0.004])
    distances, angles = tool_errors(np.array([start, start]), np.array([start, moved]))
    np.testing.assert_allclose(distances, [0.0, 0.005], atol=1e-15)
    np.testing.assert_allclose(angles, [0.0, 0.02], atol=1e-9)


def test_errors_do_not_depend_on_which_pose_is_the_target():
    rng = np.random.default_rng(0)
    first, second = (
        np.array([homogeneous(rodrigues(rng.uniform(-1.5, 1.5, 3)), rng.normal(size=3)) for _ in range(10)])
        for _ in range(2)
    )
    np.testing.assert_allclose(tool_errors(first, second), tool_errors(second, first), atol=1e-12)


def test_half_a_turn_is_pi():
    _, angles = tool_errors(np.eye(4)[None], homogeneous(np.diag([-1.0, -1.0, 1.0]), np.zeros(3))[None])
    assert angles[0] == pytest.approx(np.pi)


def test_summary_is_mean_deviation_median_and_largest_in_the_unit_asked_for():
    summary = Summary.of([0.001, 0.002, 0.006, 0.003], scale=1000.0)
    assert summary.mean == pytest.approx(3.0)
    assert summary.std == pytest.approx(np.sqrt(3.5))
    assert summary.median == pytest.approx(2.5)
    assert summary.max == pytest.approx(6.0)
    assert Summary.of([2.0]) == Summary(2.0, 0.0, 2.0, 2.0)


def test_summary_holds_plain_numbers():
    assert all(type(value) is float for value in vars(Summary.of(np.arange(3, dtype=np.float32))).values())
