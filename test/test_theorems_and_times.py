"""Excess risks (Theorems 1 and 2) and times (section 4.6), each against something independent, in the smallest run."""

import json
from functools import cache

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from crisp_ik_ros import RobotModel
from crisp_ik_ros.errors import RegressionError
from crisp_ik_ros.estimators.baselines.paper_crisp import PaperCRiSP
from crisp_ik_ros.experiments import theorems, times
from crisp_ik_ros.experiments.paper import panda_trajectories, printed_tables, standing, standing_panda
from crisp_ik_ros.experiments.presets import make_part
from crisp_ik_ros.experiments.speed import brute_force
from crisp_ik_ros.regression.kernels import GaussianKernel, LaplacianKernel
from crisp_ik_ros.regression.threads import limit_threads

SIZES = (40, 160, 640)


@pytest.fixture(scope="module")
def planar():
    return RobotModel.planar5(), make_part("planar", "train", 60), make_part("planar", "test", 12)


def brute_force_risk(robot, kernel, samples, test):
    """Algorithm 1 word by word: a dense solve for the scores, and SciPy on the sum over the samples."""
    count = len(samples)

    def features(poses):
        length, angle = theorems.LENGTH_SCALES
        rotation = poses[:, :3, :3].reshape(-1, 9)
        return np.hstack([poses[:, :3, 3] / length, rotation / (np.sqrt(2.0) * angle)])

    def kernel_matrix(poses, others):
        distance = cdist(features(poses), features(others))
        return np.exp(-0.5 * distance**2) if kernel == "gaussian" else np.exp(-distance)

    def loss(y, reference):
        pose = robot.forward_kinematics(y)
        position = ((pose[:3, 3] - reference[..., :3, 3]) ** 2).sum(axis=-1)
        return position + 0.5 * ((pose[:3, :3] - reference[..., :3, :3]) ** 2).sum(axis=(-2, -1))

    regularised = kernel_matrix(samples.poses, samples.poses) + count * count**-0.5 * np.eye(count)
    scores = np.linalg.solve(regularised, kernel_matrix(samples.poses, test.poses)).T
    reached = robot.forward_kinematics(samples.configurations)
    losses = []
    for a, y_true in zip(scores, test.configurations, strict=True):
        found = [
            minimize(
                lambda y, a=a: a @ loss(y, reached),
                samples.configurations[i],
                bounds=list(zip(robot.lower, robot.upper, strict=True)),
                options={"ftol": 1e-14, "gtol": 1e-8, "maxls": 100},
            )
            for i in np.argsort(-a)[:3]
        ]
        best = min(found, key=lambda result: result.fun).x
        losses.append(loss(best, robot.forward_kinematics(y_true)))
    return np.mean(losses)


@pytest.mark.parametrize("kernel", ["gaussian", "laplacian"])
def test_the_excess_risk_is_that_of_algorithm_1_by_brute_force(planar, kernel):
    robot, samples, test = planar
    risk = theorems.excess_risk(robot, theorems.KERNELS[kernel], samples, test, starts=3)
    assert risk == pytest.approx(brute_force_risk(robot, kernel, samples, test), rel=1e-3)


def test_the_ideal_inverse_kinematics_has_no_risk(planar):
    robot, _, test = planar
    # f* is any configuration that reaches the pose: the model reaches every pose of the data where it was recorded.
    np.testing.assert_allclose(robot.forward_kinematics(test.configurations), test.poses, atol=1e-6)


def test_scores_that_add_up_to_nothing_are_refused(planar):
    robot, samples, test = planar
    with pytest.raises(RegressionError, match="length scales"):
        theorems.excess_risk(robot, GaussianKernel(1e-3, 1e-3), samples, test)


def test_a_power_law_is_found_again():
    sizes = [100, 200, 400, 1600]
    exponent, factor = theorems.fitted_power(sizes, 3.0 * np.array(sizes) ** -0.4)
    assert exponent == pytest.approx(-0.4)
    assert factor == pytest.approx(3.0)


@pytest.fixture(scope="module")
def few():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theorems, "QUICK", (SIZES, 2, 40))
        patch.setattr(theorems, "make_part", cache(make_part))
        calls = []
        result = theorems.run_theorems(quick=True, progress=lambda *call: calls.append(call))
        again = theorems.run_theorems(quick=True)
        other = theorems.run_theorems(quick=True, seed=1)
    return result, again, other, calls


def test_the_risk_falls_with_every_step_of_n_and_faster_than_the_bound(few):
    result, _, _, calls = few
    assert calls == [(done, 12) for done in range(1, 13)]
    assert set(result["kernels"]) == set(theorems.METHODS) == {"gaussian", "laplacian"}
    for values in result["kernels"].values():
        assert np.shape(values["risk"]) == (len(SIZES), 2)
        assert np.all(np.diff(values["mean"]) < 0.0)
        assert values["slope"] < theorems.BOUND


def test_the_same_seed_gives_the_same_risks_and_another_seed_others(few):
    result, again, other, _ = few
    assert result == again
    assert result["kernels"] != other["kernels"]


def test_theorems_are_written_as_rows_text_and_picture(few, tmp_path):
    result = json.loads(json.dumps(few[0]))
    rows = theorems.theorems_rows(result)
    assert len(rows) == 2 * len(SIZES) * 2
    assert {row["n"] for row in rows} == set(SIZES)
    for row in rows:
        assert row["penalty"] == pytest.approx(row["n"] ** -0.5)
    text = theorems.theorems_text(result)
    assert f"n^{result['kernels']['laplacian']['slope']:.2f}" in text
    assert "what was measured agrees with it" in text
    theorems.draw_theorems(result, tmp_path / "theorems.png")
    assert (tmp_path / "theorems.png").stat().st_size > 20_000


def test_a_fall_slower_than_the_bound_is_told(few):
    result = json.loads(json.dumps(few[0]))
    result["kernels"]["laplacian"]["slope"] = -0.1
    assert "does not show it" in theorems.theorems_text(result)


@pytest.fixture(scope="module")
def smallest_times():
    with pytest.MonkeyPatch.context() as patch, limit_threads(0.0):
        patch.setattr(times, "QUICK", (200, 60, 8, 2, 3))
        calls = []
        return times.run_times(quick=True, progress=lambda *call: calls.append(call)), calls


def test_every_method_has_its_times(smallest_times):
    result, calls = smallest_times
    assert calls == [(done, 5) for done in range(1, 6)]
    assert set(result["prediction"]) == set(times.METHODS) == set(times.LABELS)
    for method, values in result["prediction"].items():
        assert values["predictions"] == (3 if method in times.SLOW else 16)
        assert np.isfinite(list(values.values())).all()
        assert 0.0 < values["median_s"] <= values["p99_s"]
    reference = result["prediction"][times.REFERENCE]
    assert reference["ratio"] == 1.0
    assert set(result["training_s"]) == set(times.TRAINED)
    assert min(result["training_s"].values()) > 0.0
    assert result["scores_s"] > 0.0


def test_what_was_timed_are_answers(smallest_times):
    errors = {method: values["position_error_mm"] for method, values in smallest_times[0]["prediction"].items()}
    assert errors["residual"] < 1e-2 and errors["sdls"] < 1e-2
    assert errors["pybullet"] < 5.0 and errors["pybullet_default"] < 20.0
    # The same objective, minimised in two ways.
    assert errors["crisp_fk_numeric"] == pytest.approx(errors["crisp_fk"], rel=0.2)


def test_times_are_written_as_rows_text_and_picture(smallest_times, tmp_path):
    result, printed = json.loads(json.dumps(smallest_times[0])), printed_tables()
    rows = {row["method"]: row for row in times.times_rows(result)}
    assert list(rows) == list(times.METHODS)
    assert rows["residual"]["training_s"] == result["training_s"]["residual"]
    assert rows["sdls"]["training_s"] is None
    text = times.times_text(result, printed)
    assert "(prediction 0.7 s, training 5 min)" in text and "(prediction 100 us)" in text
    for label in times.LABELS.values():
        assert label in text
    times.draw_times(result, printed, tmp_path / "times.png")
    assert (tmp_path / "times.png").stat().st_size > 20_000


def test_brute_force_with_finite_differences_finds_what_exact_gradients_find():
    robot = standing_panda()
    paper = PaperCRiSP(robot, kernel=LaplacianKernel(0.1, 1.0)).fit(standing(make_part("panda-box", "train", 150)))
    pose, seed = panda_trajectories(20)["S"][3], robot.rest
    weights = paper.scores(pose[None])[0]
    exact = paper.objective(weights)
    losses = times.euler_losses(paper)
    assert weights @ losses(seed) == pytest.approx(exact(seed)[0])
    found = brute_force(robot, paper.regression_, losses, step=1e-7, tolerance=1e-12)(pose, seed)
    expected = paper.solve_path(pose[None], seed).configurations[0]
    # Redundant: the configurations may differ along the null space, their poses do not.
    assert exact(found)[0] == pytest.approx(exact(expected)[0], abs=1e-8)
