"""Theorems 1 and 2, measured: how fast the excess risk of CRiSP-FK falls with the number of samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import RegressionError
from crisp_ik_ros.estimators.decoding import Decoder, Problem
from crisp_ik_ros.experiments.presets import PRESETS, make_part
from crisp_ik_ros.experiments.steps import Progress, Steps
from crisp_ik_ros.losses.forward_kinematics import ForwardKinematicsLoss
from crisp_ik_ros.regression.kernel_ridge import KernelRidge
from crisp_ik_ros.regression.kernels import GaussianKernel, Kernel, LaplacianKernel
from crisp_ik_ros.regression.threads import limit_threads
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

# The theorems keep the kernel fixed while n grows: half the arm's reach [m], and one radian.
LENGTH_SCALES = (5.0, 1.0)
KERNELS: dict[str, Kernel] = {
    "gaussian": GaussianKernel(*LENGTH_SCALES),
    "laplacian": LaplacianKernel(*LENGTH_SCALES),
}
METHODS = {
    "gaussian": "CRiSP-FK, chordal orientation, exact regression, Gaussian kernel (Theorem 1)",
    "laplacian": "CRiSP-FK, chordal orientation, exact regression, Laplacian kernel (Theorems 1 and 2)",
}
# Exponent of n in the bound (8).
BOUND = -0.25
# (numbers of samples n, repetitions, test points)
FULL = ((250, 500, 1000, 2000, 4000, 8000), 10, 500)
QUICK = ((100, 200, 400, 800), 3, 100)
# Samples of the largest scores that the search for the minimiser starts from.
STARTS = 10


def run_theorems(quick: bool = False, seed: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """Measure the excess risk on the planar arm for growing n, with the penalty n^-1/2 of the theorems.

    The model is right, so some configuration has no loss at every pose: the ideal f* has risk 0, and the excess risk is
    the risk. The arm is redundant and sampled in every posture, so y is no function of x here; phi(y) is, and a smooth
    one, which is what the proof's regression needs. In a repetition, the samples of a smaller n are the first ones of a
    larger n, for both kernels alike.

    Parameters
    ----------
    quick : bool
        Fewer samples, repetitions and test points.
    seed : int
        Of the random subsets of the training part.
    progress : callable, optional
        Called as progress(done, total).

    Returns
    -------
    dict
        Under ``kernels``, for each kernel: ``risk``, a list for each n with a value for each repetition [m^2 + rad^2],
        its mean for each n, ``slope``, the exponent of n fitted to the means, and ``slope_std``, the deviation of the
        exponents that are fitted to the repetitions one by one.
    """
    sizes, repetitions, points = QUICK if quick else FULL
    robot = RobotModel.planar5()
    training, test = make_part("planar", "train"), make_part("planar", "test").subset(np.arange(points))
    rng = np.random.default_rng(seed)
    risks = {name: np.zeros((len(sizes), repetitions)) for name in KERNELS}
    steps = Steps(len(KERNELS) * len(sizes) * repetitions, progress)
    for repetition in range(repetitions):
        order = rng.permutation(len(training))
        for row, size in enumerate(sizes):
            samples = training.subset(order[:size])
            for name, kernel in KERNELS.items():
                risks[name][row, repetition] = excess_risk(robot, kernel, samples, test)
                steps()
    kernels = {}
    for name, values in risks.items():
        slopes = [fitted_power(sizes, column)[0] for column in values.T]
        kernels[name] = {
            "risk": values.tolist(),
            "mean": values.mean(axis=1).tolist(),
            "slope": fitted_power(sizes, values.mean(axis=1))[0],
            "slope_std": float(np.std(slopes, ddof=1)) if len(slopes) > 1 else 0.0,
        }
    settings = {
        "quick": quick,
        "seed": seed,
        "samples": list(sizes),
        "points": points,
        "repetitions": repetitions,
        "drawn_from": PRESETS["planar"].counts[0],
        "penalty": "n^-1/2",
        "starts": STARTS,
        "kernels": {name: repr(kernel) for name, kernel in KERNELS.items()},
        "methods": METHODS,
    }
    return {"kernels": kernels, "bound": BOUND, "settings": settings}


def excess_risk(robot: RobotModel, kernel: Kernel, samples: Dataset, test: Dataset, starts: int = STARTS) -> float:
    """Mean loss (4), chordal, between the estimate and the configuration of each test sample [m^2 + rad^2].

    The estimate minimises F over the joint box, from each of the ``starts`` samples with the largest scores; the one
    with the least F counts. The penalty is n^-1/2.

    Raises
    ------
    RegressionError
        When scores add up to nothing at a test pose, so that F has no minimiser of the form decoded here.
    """
    loss, count = ForwardKinematicsLoss(), len(samples)
    phi = loss.embed(robot, samples.configurations, samples.poses)
    with limit_threads(count**3 / 3):
        regression = KernelRidge(kernel, count**-0.5).fit(samples.poses, np.hstack([np.ones((count, 1)), phi]))
        prediction = regression.predict(test.poses)
        scores = regression.scores(test.poses)
    if not np.all(prediction[:, 0] > 0.0):
        raise RegressionError("the scores of a test pose add up to nothing; take longer length scales or more samples")
    targets = prediction[:, 1:] / prediction[:, :1]
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, :starts]
    configurations = np.clip(samples.configurations, robot.lower, robot.upper)
    decoder = Decoder(robot, loss)
    estimates = [
        _minimiser(decoder, pose, target, configurations[rows])
        for pose, target, rows in zip(test.poses, targets, nearest, strict=True)
    ]
    difference = loss.embed(robot, np.array(estimates), test.poses) - loss.embed(robot, test.configurations, test.poses)
    return float((difference**2).sum(axis=1).mean())


def _minimiser(decoder: Decoder, pose: Array, target: Array, starts: Array) -> Array:
    """Configuration (J,) that minimises F = s |phi(y) - target|^2 + const, s > 0, from starts (k, J)."""
    problem = Problem(pose, target, decoder.robot.rest, 0.0, 1.0, "learned")
    objective = decoder.objective(problem)
    return min((decoder.decode(problem, start)[0] for start in starts), key=lambda y: objective(y)[0])


def fitted_power(sizes: Sequence[int], risks: Array) -> tuple[float, float]:
    """Exponent b and factor a of the power law a n^b, by least squares of the logarithms."""
    exponent, logarithm = np.polyfit(np.log(sizes), np.log(risks), 1)
    return float(exponent), float(np.exp(logarithm))


def theorems_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row a kernel, n and repetition."""
    return [
        {"kernel": name, "n": size, "repetition": repetition, "penalty": size**-0.5, "excess_risk": risk}
        for name, values in result["kernels"].items()
        for size, risks in zip(result["settings"]["samples"], values["risk"], strict=True)
        for repetition, risk in enumerate(risks)
    ]


def theorems_text(result: dict[str, Any]) -> str:
    """Lines with the mean risks, the fitted exponents, and what the theorems say of them."""
    settings, bound = result["settings"], result["bound"]
    lines = [
        f"Excess risk [m^2 + rad^2] on the planar arm, penalty n^-1/2, length scales {LENGTH_SCALES[0]:g} m and "
        f"{LENGTH_SCALES[1]:g} rad;",
        f"mean of {settings['repetitions']} random training sets, {settings['points']} test poses.",
        f"{'n':<12}" + "".join(f"{size:>9}" for size in settings["samples"]) + "   fitted",
    ]
    for name, values in result["kernels"].items():
        risks = "".join(f"{risk:>9.3g}" for risk in values["mean"])
        lines.append(f"{name:<12}{risks}   n^{values['slope']:.2f} (+- {values['slope_std']:.2f})")
    kept = "agrees with" if result["kernels"]["laplacian"]["slope"] <= bound else "does not show"
    lines.append("Theorem 1: with either kernel the excess risk goes to 0.")
    lines.append(
        f"Theorem 2: with the Laplacian kernel no slower than n^{bound:g}. It is an upper bound, so a steeper fall "
        f"agrees with it; what was measured {kept} it."
    )
    return "\n".join(lines)


def draw_theorems(result: dict[str, Any], path: Path) -> None:
    """Excess risk against n on logarithmic axes, with the fitted power laws and the slope of the bound."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

    figure = Figure(figsize=(6.4, 4.8), dpi=150)
    axes = figure.subplots()
    sizes = np.array(result["settings"]["samples"], dtype=float)
    handles: list[Any] = []
    labels: list[str] = []
    for name, marker, line, color in (("laplacian", "s", "--", "#d1495b"), ("gaussian", "o", "-", "#1f6fc4")):
        values = result["kernels"][name]
        risks, mean = np.array(values["risk"]), np.array(values["mean"])
        spread = np.stack([mean - risks.min(axis=1), risks.max(axis=1) - mean])
        exponent, factor = fitted_power(sizes.tolist(), mean)
        points = axes.errorbar(sizes, mean, spread, fmt=marker, color=color, capsize=3)
        (fit,) = axes.plot(sizes, factor * sizes**exponent, line, color=color)
        handles += [points, fit]
        labels += [f"{name.title()} kernel, mean and range", f"fitted, $n^{{{exponent:.2f}}}$"]
    # The theorem leaves its constant open: the line starts where the Laplacian kernel does.
    start = result["kernels"]["laplacian"]["mean"][0]
    (bound,) = axes.plot(sizes, start * (sizes / sizes[0]) ** result["bound"], ":", color="0.0", linewidth=2)
    handles.append(bound)
    labels.append("slope of Theorem 2's bound, $n^{-1/4}$")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.set_xlabel("training samples $n$")
    axes.set_ylabel("excess risk [m$^2$ + rad$^2$]")
    axes.grid(alpha=0.3)
    axes.legend(handles, labels, loc="lower left", frameon=False, fontsize=9)
    figure.tight_layout()
    figure.savefig(path)
