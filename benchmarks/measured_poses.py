"""Errors of calibration methods on measured poses of a real arm: nominal, geometric, that with regression, and ours.

``python benchmarks/measured_poses.py TRAIN TEST... --urdf U --base-link B --tip-link T --sizes 50,100,300,2000 --json``

All methods see the same rows in one run. The rows of TRAIN are permuted by ``numpy.random.default_rng(seed)``: the
first N train, the last ``--held-out`` test. Each further TEST file is tested whole: as is, and with measuring frame and
tool refitted on that file's own rows, in the same way for all methods.

- ``nominal``: the URDF, with measuring frame and tool aligned on the training rows.
- ``geometric``: plain least squares (Levenberg-Marquardt) over all six frame offsets of every joint, frame and tool.
- ``trees``: geometric, and extra trees from sine and cosine of the joints to its position residual in the base frame.
- ``gaussian_process``: the same with a Gaussian process, anisotropic squared exponential kernel, at most 1000 rows.
- ``ours``: ``LearnedKinematics`` with its defaults, frame and tool unknown.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

if __name__ == "__main__":
    # Python puts the script's own folder first, and its modules have everyday names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
from scipy.special import chdtri

from benchmarks.settings import add_set_option, chosen, constructor_arguments, whole_numbers
from crisp_ik_ros.datasets.dataset import POSE, SAME_POINT, Dataset
from crisp_ik_ros.datasets.table_columns import ImportRequest
from crisp_ik_ros.datasets.table_import import import_table
from crisp_ik_ros.errors import CrispIKError, DatasetError, InvalidInputError
from crisp_ik_ros.estimators.identification.alignment import align
from crisp_ik_ros.estimators.identification.measurements import read_measurements
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, cross_matrices, make_pose, rotation_exponential, rotation_logarithm

SIZES, HELD_OUT = (50, 100, 300, 2000), 773
# Rounds in which the weights of positions and orientations follow their residuals, and steps of each.
ROUNDS, STEPS, SMALLEST_STEP = 4, 30, 1e-10
# Standard deviation that keeps parameters finite which no data determines [m and rad].
RIDGE = 0.02
# Start of the residuals' standard deviations [m, rad].
RESIDUAL_SD = 5e-4, 2e-3
TREES = 200
# Rows of a first fit that no time is taken of.
WARM_UP = 20
# Rows of a Gaussian process, those that its length scales are fitted to, and the scales that the fit starts with.
MAX_PROCESS_ROWS, MAX_SCALE_ROWS, PROCESS_STARTS = 1000, 300, (0.7, 2.0, 5.0)
# Probability of an error beyond the bound.
BEYOND = 0.05

Poses = Callable[[Array], Array]


@dataclass(frozen=True)
class Samples:
    """Rows of a file in the robot's joint order.

    Attributes
    ----------
    q : (n, J)
    poses : (n, 4, 4)
        Measured, in the measuring frame [m].
    turned : (n,)
        Rows with a measured orientation.
    """

    q: Array
    poses: Array
    turned: np.ndarray

    def __len__(self) -> int:
        return len(self.q)


@dataclass
class Method:
    """A fitted method.

    Attributes
    ----------
    predict : callable
        Poses (n, 4, 4) in the measuring frame of configurations (n, J).
    bounds : callable, optional
        The 95 % bounds (n,) [m] that it gives.
    seconds : float
        Process CPU time of the fit.
    warnings : list of str
    """

    predict: Poses
    bounds: Callable[[Array], Array] | None = None
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)


# ------------------------------------------------------------------------------------------------------------ reading


def read_poses(path: Path, robot: RobotModel) -> Dataset:
    """Read measured poses, from a file that ``Dataset.load`` reads or from a table with semicolons.

    Such a table is imported as ``crisp-ik import`` does. What it says of the noise is left out: no method gets more
    than the poses.

    Raises
    ------
    DatasetError
        When it cannot be read.
    """
    if path.suffix == ".csv" and path.is_file():
        with path.open(encoding="utf-8-sig") as stream:
            if ";" in stream.readline():
                table, _ = import_table(path, ImportRequest(), robot)
                if (np.asarray(table.kinds) == POSE).all():
                    return Dataset(table.configurations, table.poses, table.joint_names)
                return table
    return Dataset.load(path, joint_names=robot.joint_names)


def samples_of(dataset: Dataset) -> Samples:
    """Rows of a dataset; DatasetError where there is one without a measured position."""
    if (np.asarray(dataset.kinds) == SAME_POINT).any():
        raise DatasetError("rows of one unknown point have no measured position; use benchmarks/real_robots.py")
    turned = np.asarray(dataset.kinds) == POSE
    return Samples(np.array(dataset.configurations), np.array(dataset.poses), turned)


# ------------------------------------------------------------------------------------------------ geometric calibration


@dataclass(frozen=True)
class Geometry:
    """A chain with offset joint frames, standing in a measuring frame and carrying a tool.

    Attributes
    ----------
    robot : RobotModel
    shifts : (J, 4, 4)
        Offset of each joint's frame.
    frame, tool : (4, 4)
    """

    robot: RobotModel
    shifts: Array
    frame: Array
    tool: Array

    def frames(self, q: Array) -> list[Array]:
        """Poses (n, 4, 4) in the measuring frame of the base, of each joint before it moves, and of the tool."""
        pose = np.broadcast_to(self.frame, (len(q), 4, 4))
        found, movable = [pose], 0
        for joint in self.robot.joints:
            pose = pose @ joint.origin
            if joint.movable:
                pose = pose @ self.shifts[movable]
                found.append(pose)
                motion = q[:, movable, None] * joint.axis
                still = np.zeros_like(motion)
                slides = joint.kind == "prismatic"
                pose = pose @ make_pose(motion if slides else still, rotation_exponential(still if slides else motion))
                movable += 1
        return [*found, pose @ self.tool]

    def predict(self, q: Array) -> Array:
        """Poses (n, 4, 4) of the tool in the measuring frame."""
        return self.frames(q)[-1]

    def moved(self, change: Array, with_joints: bool) -> Geometry:
        """Return the geometry with small motions (k, 6) of its frames in themselves: linear, angular."""
        steps = make_pose(change[:, :3], rotation_exponential(change[:, 3:]))
        shifts = self.shifts @ steps[1:-1] if with_joints else self.shifts
        return Geometry(self.robot, shifts, self.frame @ steps[0], self.tool @ steps[-1])


@dataclass(frozen=True)
class Placed:
    """Poses (n, 4, 4) that are known, moved from the left by a frame and from the right by a tool."""

    poses: Array
    frame: Array
    tool: Array

    def frames(self, q: Array) -> list[Array]:
        """Poses (n, 4, 4) of the frame and of the tool."""
        return [np.broadcast_to(self.frame, self.poses.shape), self.predict(q)]

    def predict(self, q: Array) -> Array:
        """Moved poses (n, 4, 4); the configurations q are those of the poses."""
        return self.frame @ self.poses @ self.tool

    def moved(self, change: Array, with_joints: bool) -> Placed:
        """Return the poses with small motions (2, 6) of frame and tool in themselves: linear, angular."""
        steps = make_pose(change[:, :3], rotation_exponential(change[:, 3:]))
        return Placed(self.poses, self.frame @ steps[0], self.tool @ steps[1])


Movable = TypeVar("Movable", Geometry, Placed)


def residuals(samples: Samples, predicted: Array) -> tuple[Array, Array]:
    """Measured minus predicted: positions (n, 3) [m] and rotation vectors (n, 3) [rad], 0 where none was measured."""
    turns = samples.poses[:, :3, :3] @ predicted[:, :3, :3].transpose(0, 2, 1)
    angular = np.zeros((len(samples), 3))
    if samples.turned.any():
        angular[samples.turned] = rotation_logarithm(turns[samples.turned])
    return samples.poses[:, :3, 3] - predicted[:, :3, 3], angular


def calibrate(geometry: Movable, samples: Samples, with_joints: bool) -> Movable:
    """Fit frame and tool, and with ``with_joints`` each joint's frame, by Levenberg-Marquardt."""
    sds = RESIDUAL_SD
    for _ in range(ROUNDS):
        damping = 0.0
        cost, normal, gradient = _normal_equations(geometry, samples, sds, with_joints)
        for _ in range(STEPS):
            change = np.linalg.solve(normal + damping * np.diag(normal.diagonal()), gradient)
            trial = geometry.moved(np.asarray(change, dtype=float).reshape(-1, 6), with_joints)
            trial_cost, *equations = _normal_equations(trial, samples, sds, with_joints)
            if trial_cost < cost:
                geometry, cost, (normal, gradient) = trial, trial_cost, equations
                damping *= 0.1
            else:
                damping = max(10.0 * damping, 1e-6)
            if np.abs(change).max() < SMALLEST_STEP or damping > 1e3:
                break
        linear, angular = residuals(samples, geometry.predict(samples.q))
        sds = (
            max(float(np.sqrt((linear**2).mean())), 1e-7),
            max(float(np.sqrt((angular[samples.turned] ** 2).mean())), 1e-7) if samples.turned.any() else sds[1],
        )
    return geometry


def _normal_equations(
    geometry: Geometry | Placed, samples: Samples, sds: tuple[float, float], with_joints: bool
) -> tuple[float, Array, Array]:
    """Cost, Gauss-Newton matrix and negative gradient, with residuals in units of their standard deviations."""
    frames = geometry.frames(samples.q)
    tip = frames[-1][:, :3, 3]
    columns = []
    for frame in frames if with_joints else (frames[0], frames[-1]):
        turn = frame[:, :3, :3]
        lever = cross_matrices(frame[:, :3, 3] - tip)
        block = np.zeros((len(samples), 6, 6))
        block[:, :3, :3], block[:, :3, 3:], block[:, 3:, 3:] = turn, lever @ turn, turn
        columns.append(block)
    derivative = np.concatenate(columns, axis=2)
    error = np.concatenate(residuals(samples, frames[-1]), axis=1)
    derivative[~samples.turned, 3:] = 0.0
    for part, sd in ((slice(0, 3), sds[0]), (slice(3, 6), sds[1])):
        derivative[:, part] /= sd
        error[:, part] /= sd
    flat = derivative.reshape(6 * len(samples), -1)
    cost, gradient = float((error**2).sum()), flat.T @ error.ravel()
    normal = flat.T @ flat
    if with_joints and isinstance(geometry, Geometry):
        # Small offsets are nearly additive: their logarithms stand for the parameters in the ridge.
        offsets = np.concatenate([geometry.shifts[:, :3, 3], rotation_logarithm(geometry.shifts[:, :3, :3])], axis=1)
        joints = slice(6, 6 + offsets.size)
        cost += float((offsets**2).sum()) / RIDGE**2
        gradient[joints] -= offsets.ravel() / RIDGE**2
        normal[joints, joints] += np.eye(offsets.size) / RIDGE**2
    return cost, normal, gradient


# ------------------------------------------------------------------------------------------------------------- methods


def fit_nominal(robot: RobotModel, dataset: Dataset) -> Geometry:
    """Nominal robot, with frame and tool aligned on the samples."""
    data = read_measurements(robot, dataset, Priors())
    frame, tool = align(data, robot.forward_kinematics(data.configurations), True, True, 0)
    shifts = np.broadcast_to(np.eye(4), (robot.dof, 4, 4))
    return calibrate(Geometry(robot, shifts, frame, tool), samples_of(dataset), with_joints=False)


def fit_geometric(robot: RobotModel, dataset: Dataset) -> Geometry:
    """Geometric calibration: six offsets of every joint's frame, measuring frame and tool."""
    return calibrate(fit_nominal(robot, dataset), samples_of(dataset), with_joints=True)


def features(q: Array) -> Array:
    """Sine and cosine (n, 2 J) of configurations (n, J)."""
    return np.concatenate([np.sin(q), np.cos(q)], axis=1)


def with_regression(geometry: Geometry, regression: Callable[[Array], Array]) -> Poses:
    """Poses of a geometry whose positions a regression corrects in the base frame, from features (n, 2 J)."""

    def predict(q: Array) -> Array:
        poses = geometry.predict(q)
        poses[:, :3, 3] += regression(features(q)) @ geometry.frame[:3, :3].T
        return poses

    return predict


def base_residuals(geometry: Geometry, samples: Samples) -> Array:
    """Position residuals (n, 3) along the base frame's axes [m]."""
    return residuals(samples, geometry.predict(samples.q))[0] @ geometry.frame[:3, :3]


def fit_trees(geometry: Geometry, samples: Samples, seed: int) -> Poses:
    """Geometric calibration with extra trees on its residual."""
    from sklearn.ensemble import ExtraTreesRegressor

    trees = ExtraTreesRegressor(n_estimators=TREES, random_state=seed, n_jobs=1)
    trees.fit(features(samples.q), base_residuals(geometry, samples))
    return with_regression(geometry, trees.predict)


def fit_gaussian_process(geometry: Geometry, samples: Samples, seed: int) -> Poses:
    """Geometric calibration with a Gaussian process on its residual."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    x, y = features(samples.q)[:MAX_PROCESS_ROWS], base_residuals(geometry, samples)[:MAX_PROCESS_ROWS]
    scale = y.std()
    fits = []
    with warnings.catch_warnings():
        # A length scale at its bound is a feature that does not matter.
        warnings.simplefilter("ignore")
        for length in PROCESS_STARTS:
            kernel = ConstantKernel(1.0, (1e-3, 1e3)) * RBF(np.full(x.shape[1], length), (0.05, 1e3))
            start = GaussianProcessRegressor(kernel + WhiteKernel(0.1, (1e-4, 1e1)), random_state=seed)
            fits.append(start.fit(x[:MAX_SCALE_ROWS], y[:MAX_SCALE_ROWS] / scale))
        best = max(fits, key=lambda fit: fit.log_marginal_likelihood_value_)
        process = GaussianProcessRegressor(best.kernel_, optimizer=None).fit(x, y / scale)
    return with_regression(geometry, lambda rows: scale * process.predict(rows))


def fit_ours(robot: RobotModel, dataset: Dataset, arguments: dict[str, Any]) -> Method:
    """Learned kinematics, with frame and tool unknown."""
    model = LearnedKinematics(robot, **{"frame": "unknown", "tool": "unknown"} | arguments).fit(dataset)
    return Method(model.measured_poses, model.predicted_error, warnings=list(model.warnings_))


METHODS = {
    "nominal": "nominal, aligned",
    "geometric": "geometric calibration",
    "trees": "geometric + extra trees",
    "gaussian_process": "geometric + Gaussian process",
    "ours": "ours",
}
# They need scikit-learn.
REGRESSIONS = {"trees": fit_trees, "gaussian_process": fit_gaussian_process}


def fit_methods(
    robot: RobotModel, dataset: Dataset, names: Sequence[str], seed: int, arguments: dict[str, Any]
) -> dict[str, Method | str]:
    """Fit methods to the same rows; a reason in place of one that cannot be."""
    samples = samples_of(dataset)
    found: dict[str, Method | str] = {}
    for name in names:
        begin = time.process_time()
        try:
            if name == "nominal":
                method = Method(fit_nominal(robot, dataset).predict)
            elif name == "ours":
                method = fit_ours(robot, dataset, arguments)
            else:
                # Each of them contains it, and its time.
                geometry = fit_geometric(robot, dataset)
                method = Method(geometry.predict if name == "geometric" else REGRESSIONS[name](geometry, samples, seed))
        except (CrispIKError, ImportError) as error:
            found[name] = f"{type(error).__name__}: {error}"
            continue
        method.seconds = time.process_time() - begin
        found[name] = method
    return found


# -------------------------------------------------------------------------------------------------------------- scores


def refitted(samples: Samples, predicted: Array) -> Array:
    """Predicted poses moved rigidly from the left and the right, as fits the measured ones best."""
    return calibrate(Placed(predicted, np.eye(4), np.eye(4)), samples, with_joints=False).predict(samples.q)


def score(samples: Samples, predicted: Array, bounds: Array | None, noise: float) -> dict[str, Any]:
    """Figures of one method on one file."""
    linear, angular = residuals(samples, predicted)
    lengths, angles = np.linalg.norm(linear, axis=1), np.linalg.norm(angular[samples.turned], axis=1)
    within = None
    if bounds is not None:
        # The length that the device's own noise stays below with the same probability.
        within = float((lengths <= np.hypot(bounds, noise * np.sqrt(chdtri(3, BEYOND)))).mean())
    return {
        "rows": len(samples),
        "mean_mm": 1e3 * float(lengths.mean()),
        "median_mm": 1e3 * float(np.median(lengths)),
        "p95_mm": 1e3 * float(np.percentile(lengths, 95)),
        "max_mm": 1e3 * float(lengths.max()),
        "mean_mrad": 1e3 * float(angles.mean()) if len(angles) else None,
        "bound_median_mm": None if bounds is None else 1e3 * float(np.median(bounds)),
        "within": within,
    }


def run(
    robot: RobotModel,
    train: Dataset,
    tests: dict[str, Dataset],
    sizes: Sequence[int] = SIZES,
    held_out: int = HELD_OUT,
    seed: int = 0,
    noise: float = 0.0,
    methods: Sequence[str] = tuple(METHODS),
    arguments: dict[str, Any] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Fit all methods to the first N permuted rows, and test them on the last ones and on other files.

    Parameters
    ----------
    robot : RobotModel
    train : Dataset
    tests : dict of str to Dataset
        Further files by name.
    sizes : sequence of int
        Numbers N of training rows; more than there are besides the held-out ones are cut to these.
    held_out, seed : int
    noise : float
        Standard deviation of the device's positions along each axis [m], for the share within the bound.
    methods : sequence of str
    arguments : dict, optional
        Of the constructor of ``LearnedKinematics``.
    say : callable
        Called with each finished row of the table.

    Returns
    -------
    dict
        ``rows``, one a method, size, test and placement; ``failed``; ``settings``.
    """
    if not 0 < held_out < len(train) - 10:
        raise InvalidInputError("held_out", held_out, f"rows for the test out of {len(train)}, and 10 to train on")
    order = np.random.default_rng(seed).permutation(len(train))
    # Compiles what is to be timed.
    fit_methods(robot, train.subset(order[:WARM_UP]), [name for name in methods if name in ("nominal", "ours")], seed,
                {"kernel": "none"})  # fmt: skip
    files = {"held out": samples_of(train.subset(order[-held_out:]))}
    files |= {name: samples_of(dataset) for name, dataset in tests.items()}
    rows: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    # With sizes cut to what is there, two may be the same.
    for size in dict.fromkeys(min(size, len(train) - held_out) for size in sizes):
        fitted = fit_methods(robot, train.subset(order[:size]), methods, seed, arguments or {})
        for name, method in fitted.items():
            if isinstance(method, str):
                failed.append({"method": name, "size": size, "reason": method})
                say(f"{name}, {size} rows: {method}")
                continue
            for file, samples in files.items():
                predicted = method.predict(samples.q)
                bounds = None if method.bounds is None else method.bounds(samples.q)
                placements = {"as is": predicted}
                if file != "held out":
                    placements["refitted"] = refitted(samples, predicted)
                for placed, poses in placements.items():
                    row = {"method": name, "size": size, "test": file, "placed": placed}
                    row |= score(samples, poses, bounds, noise)
                    row |= {"fit_cpu_s": method.seconds, "warnings": method.warnings}
                    rows.append(row)
                    say(line(row))
    settings: dict[str, Any] = {
        "robot": robot.name, "joints": list(robot.joint_names), "seed": seed, "held_out": held_out, "noise_m": noise,
        "train_rows": len(train), "set": {name: repr(value) for name, value in (arguments or {}).items()},
    }  # fmt: skip
    return {"rows": rows, "failed": failed, "settings": settings}


HEAD = (
    f"{'method':<17}{'N':>5}  {'test':<20}{'placed':<9}{'mean':>8} {'median':>8} {'p95':>8} {'max':>8} {'mrad':>7}"
    f" {'bound':>8} {'within':>7} {'fit [s]':>8}  [mm]"
)


def line(row: dict[str, Any]) -> str:
    """One line of the table."""
    turned = "" if row["mean_mrad"] is None else _short(row["mean_mrad"])
    bound = "" if row["within"] is None else _short(row["bound_median_mm"])
    within = "" if row["within"] is None else f"{100.0 * row['within']:.1f} %"
    lengths = " ".join(f"{_short(row[name]):>8}" for name in ("mean_mm", "median_mm", "p95_mm", "max_mm"))
    return (
        f"{row['method']:<17}{row['size']:>5}  {row['test']:<20}{row['placed']:<9}{lengths} {turned:>7} {bound:>8} "
        f"{within:>7} {row['fit_cpu_s']:>8.1f}"
    )


def _short(value: float) -> str:
    return f"{value:.3f}" if value < 100.0 else f"{value:.1f}"


def draw(result: dict[str, Any], path: Path) -> None:
    """Mean error against training rows, one line a method, and the share within the bound."""
    from matplotlib.figure import Figure

    from benchmarks.methods import OURS
    from benchmarks.pictures import DPI, LOOKS, SHADES

    rows = result["rows"]
    panels = list(dict.fromkeys((row["test"], row["placed"]) for row in rows))
    sizes = sorted({row["size"] for row in rows})
    figure = Figure(figsize=(3.6 * (len(panels) + 1), 4.4), dpi=DPI, layout="constrained")
    axes = figure.subplots(1, len(panels) + 1)
    shades = dict(zip([name for name in METHODS if name != "ours"], SHADES, strict=False)) | {"ours": LOOKS[OURS][0]}
    # One range of errors for all: a panel of its own range hides how much worse another file is.
    lowest = 0.75 * min((row["mean_mm"] for row in rows), default=0.1)
    highest = 1.2 * max((row["mean_mm"] for row in rows), default=1.0)
    for (test, placed), panel in zip(panels, axes, strict=False):
        for method in dict.fromkeys(row["method"] for row in rows):
            own = [row for row in rows if (row["method"], row["test"], row["placed"]) == (method, test, placed)]
            # Where regression gives nothing, its line lies on that of geometric calibration.
            panel.plot(
                [row["size"] for row in own], [row["mean_mm"] for row in own],
                "o--" if method == "gaussian_process" else "o-", color=shades[method],
                linewidth=2.6 if method == "ours" else 1.4, markersize=4.5, label=METHODS[method],
            )  # fmt: skip
            if method == "ours":
                for row in own:
                    panel.annotate(
                        f"{row['mean_mm']:.2g}", (row["size"], row["mean_mm"]), (0, -14), textcoords="offset points",
                        ha="center", fontsize=8, color=shades[method],
                    )  # fmt: skip
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_ylim(lowest, highest)
        panel.set_title(_title(test, placed), fontsize=10)
        panel.margins(x=0.1)
        _plain_ticks(panel, sizes)
    if panels:
        axes[0].set_ylabel("mean position error [mm]")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=10, frameon=False)
    last = axes[-1]
    last.axhline(95.0, color="0.4", linestyle=":")
    shares = [100.0 * row["within"] for row in rows if row["within"] is not None]
    for (test, placed), color, look in zip(panels, SHADES, ("o-", "s-", "D--", "^-.", "v:"), strict=False):
        own = [row for row in rows if (row["test"], row["placed"]) == (test, placed) and row["within"] is not None]
        last.plot(
            [row["size"] for row in own], [100.0 * row["within"] for row in own], look, color=color, markersize=5,
            label=_title(test, placed),
        )  # fmt: skip
    last.set_xscale("log")
    _plain_ticks(last, sizes)
    last.set_ylim(min([80.0, *shares]) - 1.0, 101.0)
    last.set_title("ours: within its 95 % bound [%]", fontsize=10)
    if shares:
        last.legend(fontsize=8, loc="lower right")
    figure.savefig(path)


def _title(test: str, placed: str) -> str:
    if test == "held out":
        return "held-out rows"
    return f"{test}, {'as is' if placed == 'as is' else 'frame and tool refitted'}"


def _plain_ticks(axes: Any, sizes: Sequence[int]) -> None:
    """Label the sizes on a logarithmic axis, and errors in plain numbers."""
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("training rows")
    axes.grid(alpha=0.3)
    if axes.get_yscale() == "log":
        lowest, highest = axes.get_ylim()
        powers = range(int(np.floor(np.log10(lowest))), int(np.ceil(np.log10(highest))) + 1)
        ticks = [step * 10.0**power for power in powers for step in (1.0, 2.0, 5.0)]
        axes.set_yticks([tick for tick in ticks if lowest <= tick <= highest])
        axes.set_yticks([], minor=True)
        axes.yaxis.set_major_formatter("{x:g}")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="measured_poses.py", description="Errors of calibration methods on measured poses of a real arm."
    )
    parser.add_argument("train", type=Path, help="measured poses: its first permuted rows train, its last ones test")
    parser.add_argument("tests", type=Path, nargs="*", metavar="test", help="further files, tested whole")
    parser.add_argument("--urdf", type=Path, required=True)
    parser.add_argument("--base-link", required=True)
    parser.add_argument("--tip-link", required=True)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="training rows (default: %(default)s)")
    parser.add_argument(
        "--held-out", type=int, default=HELD_OUT, help="rows of TRAIN to test on (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the permutation (default: %(default)s)")
    parser.add_argument(
        "--noise", type=float, default=0.0, metavar="METRES",
        help="of the device's positions along each axis, added to the bound (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--methods", default=",".join(METHODS), help="default: %(default)s")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write measured_poses.json and .png here")
    parser.add_argument("--json", action="store_true", help="for machines: one JSON object and nothing else on stdout")
    add_set_option(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; expected errors become one line and exit code 1."""
    given = _arguments(arguments)
    try:
        sizes = whole_numbers("sizes", given.sizes)
        methods = chosen("methods", given.methods, METHODS)
        robot = RobotModel.from_urdf(given.urdf, given.base_link, given.tip_link)
        train = read_poses(given.train, robot)
        tests = {path.stem: read_poses(path, robot) for path in given.tests}
        if not given.json:
            print(HEAD, flush=True)
        result = run(
            robot, train, tests, sizes, given.held_out, given.seed, given.noise, methods,
            constructor_arguments(given.settings),
            say=lambda text: print(text, file=sys.stderr if given.json else sys.stdout, flush=True),
        )  # fmt: skip
    except CrispIKError as error:
        print(f"measured_poses: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    result["settings"] |= {"train": given.train.name, "tests": [path.name for path in given.tests]}
    for row in result["rows"]:
        if row["test"] == "held out":
            for sentence in row["warnings"]:
                print(f"warning, {row['method']}, {row['size']} rows: {sentence}", file=sys.stderr)
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "measured_poses.json").write_text(json.dumps(result, indent=1) + "\n")
        draw(result, given.out / "measured_poses.png")
    if given.json:
        print(json.dumps(result, allow_nan=False))


if __name__ == "__main__":
    main()
