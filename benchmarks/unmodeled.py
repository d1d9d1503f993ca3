"""Simulated arms with one error that no model expects: the true error of learned kinematics, and of its bound.

``python benchmarks/unmodeled.py --arms panda --cases ripple --ranges narrow --sizes 200``

Each arm differs from its URDF by small random offsets, gear scale errors and gravity deflection, plus one error of the
case. ``LearnedKinematics`` is fitted to tracked poses of a part of the joint ranges, and held against the truth at
random configurations of all joint ranges, and at others inside the data's range. A run passes when neither median nor
mean nor 95th percentile of the true error over all joint ranges is above the URDF's, and at least 88 % of the errors
are within the predicted bound, both inside and outside the data's range.

The truth is plain NumPy, written from the description of the errors: it shares no code with the model's corrections.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Python puts the script's own folder first, and its modules have everyday names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from benchmarks.settings import add_set_option, chosen, constructor_arguments, whole_numbers
from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, make_pose, rotation_exponential

ROOT = Path(__file__).resolve().parents[1]
# Standard deviations of every arm's errors: joint zeros [rad], link offsets [m], rotations of joint frames [rad], and
# relative errors of the gears. Deflection under gravity is drawn between these [rad/Nm].
JOINT_OFFSET, LINK_OFFSET, FRAME_ROTATION, GEAR_SCALE = 3e-3, 1e-3, 2e-3, 3e-4
COMPLIANCE = 1e-5, 3e-5
GRAVITY = np.array([0.0, 0.0, -9.80665])
# Of a tracker's readings along each axis [m, rad].
NOISE = 3e-5, 1e-4
# Case -> the error's size: amplitude [rad] and periods a turn; step, backlash and coupling [rad].
RIPPLE, RIPPLE_FINE = (np.deg2rad(0.02), 12), (np.deg2rad(0.01), 27)
ECCENTRIC = ((5e-4, 1), (3e-4, 2))
STEP, BACKLASH, COUPLING, COUPLING_RATE = 1e-3, 3e-4, 5e-4, 2.0
# Half width of the narrow box, and the width of the gap [rad].
NARROW, GAP = 0.4, 1.2
# The case's joint is one of so many from the base on: the later ones hardly move the tool.
FIRST_JOINTS = 4
# Least distance of the posture to the limits [rad].
MARGIN = 0.6
# Random configurations of all joint ranges, others inside the data's range, and answers that are looked at of each.
WORKSPACE, INSIDE, ANSWERS = 2000, 1000, 100
QUICK = 300, 200, 30
# Least share of errors within the bound.
COVERED = 0.88

CASES = {
    "none": "no error besides those of every arm",
    "ripple": "0.02 degrees of 12 periods a turn in one joint",
    "ripple_fine": "0.01 degrees of 27 periods a turn in one joint",
    "step": "1 mrad of one joint beyond an angle",
    "backlash": "0.3 mrad of every joint to either side, by a random direction of approach",
    "eccentric": "0.5 mrad of 1 period a turn and 0.3 mrad of 2 in every joint",
    "coupling": "0.5 mrad of joint 3 as a smooth function of joint 2",
}
RANGES = {
    "full": "uniform within the limits",
    "narrow": "every joint within 0.4 rad of a posture",
    "gap": "one joint never in a 1.2 rad wide part of its range",
    "half": "one joint only in a half of its range",
}

# KUKA LBR iiwa 14 R820: published Denavit-Hartenberg lengths (0.36, 0.42, 0.4, 0.126 m) and limits, rough masses. All
# joint frames are parallel at zero: axis, height above the last joint [m], limit [degrees], mass [kg], its centre [m].
IIWA14 = (
    ("0 0 1", 0.1575, 170, 5.76, "0 -0.03 0.12"),
    ("0 1 0", 0.2025, 120, 6.35, "0 0.042 0.059"),
    ("0 0 1", 0.2045, 170, 3.5, "0 0.03 0.13"),
    ("0 -1 0", 0.2155, 120, 3.5, "0 0.034 0.067"),
    ("0 0 1", 0.1845, 170, 3.5, "0 0.021 0.076"),
    ("0 1 0", 0.2155, 120, 1.8, "0 0.0006 0.0004"),
    ("0 0 1", 0.081, 175, 1.2, "0 0 0.02"),
)
IIWA14_FLANGE = 0.045


def iiwa14_urdf() -> str:
    """URDF of a KUKA LBR iiwa 14 without shapes."""
    parts = ['<robot name="iiwa14"><link name="base_link"/>']
    for j, (axis, height, limit, mass, center) in enumerate(IIWA14, start=1):
        parent = "base_link" if j == 1 else f"link_{j - 1}"
        bound = float(np.deg2rad(limit))
        parts.append(
            f'<link name="link_{j}"><inertial><origin xyz="{center}"/><mass value="{mass}"/>'
            '<inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial></link>'
            f'<joint name="joint_{j}" type="revolute"><parent link="{parent}"/><child link="link_{j}"/>'
            f'<origin xyz="0 0 {height}"/><axis xyz="{axis}"/>'
            f'<limit lower="{-bound!r}" upper="{bound!r}" effort="300" velocity="1.5"/></joint>'
        )
    parts.append(
        '<link name="tool0"/><joint name="flange" type="fixed"><parent link="link_7"/><child link="tool0"/>'
        f'<origin xyz="0 0 {IIWA14_FLANGE}"/></joint></robot>'
    )
    return "\n".join(parts)


ARMS: dict[str, Callable[[], RobotModel]] = {
    "panda": RobotModel.panda,
    "ur5e": lambda: RobotModel.from_urdf(ROOT / "models" / "ur5e.urdf", "base_link", "tool0"),
    "iiwa14": lambda: RobotModel.from_urdf(iiwa14_urdf(), "base_link", "tool0"),
}


@dataclass(frozen=True)
class TrueArm:
    """An arm with errors, of which the nominal model knows nothing.

    Attributes
    ----------
    nominal : RobotModel
        The URDF's.
    case : str
    joint : int
        The joint that has the case's error.
    posture : (J,)
        Middle of the narrow box; the step is near it [rad].
    offsets, scales, compliances : (J,)
        Of the joints [rad, 1, rad/Nm].
    shifts : (number of joints in the chain, 3)
        Of the links, in the parent link's frame [m].
    turns : (J, 3)
        Rotation vectors of the joints' frames [rad].
    phases : (J, 2)
        Of periodic errors [rad].
    step_at : float
        Angle beyond which the step is [rad].
    """

    nominal: RobotModel
    case: str
    joint: int
    posture: Array
    offsets: Array
    scales: Array
    compliances: Array
    shifts: Array
    turns: Array
    phases: Array
    step_at: float

    def unmodeled(self, q: Array, rng: np.random.Generator) -> Array:
        """Return the joint errors (n, J) [rad] of the case at configurations (n, J)."""
        error, j = np.zeros_like(q), self.joint
        if self.case in ("ripple", "ripple_fine"):
            amplitude, periods = RIPPLE if self.case == "ripple" else RIPPLE_FINE
            error[:, j] = amplitude * np.sin(periods * q[:, j] + self.phases[j, 0])
        elif self.case == "step":
            error[:, j] = STEP * (q[:, j] > self.step_at)
        elif self.case == "backlash":
            error = BACKLASH * rng.choice([-1.0, 1.0], q.shape)
        elif self.case == "eccentric":
            for k, (amplitude, periods) in enumerate(ECCENTRIC):
                error += amplitude * np.sin(periods * q + self.phases[:, k])
        elif self.case == "coupling":
            error[:, 2] = COUPLING * np.sin(COUPLING_RATE * q[:, 1] + self.phases[1, 0])
        return error

    def poses(self, q: Array, rng: np.random.Generator) -> Array:
        """Poses (n, 4, 4) of the true tool [m]; ``rng`` draws the directions of approach."""
        angles = q + self.offsets + self.scales * q + self.unmodeled(q, rng)
        return self._chain(angles + self.compliances * self._gravity_torques(angles))[0]

    def _gravity_torques(self, angles: Array) -> Array:
        """Torques (n, J) of gravity about the joints [Nm]."""
        _, origins, axes, centers = self._chain(angles)
        torques = np.zeros_like(angles)
        for j in range(angles.shape[1]):
            for k in range(j, angles.shape[1]):
                moment = np.cross(centers[k] - origins[j], self.nominal.masses[k] * GRAVITY)
                torques[:, j] += (axes[j] * moment).sum(axis=1)
        return torques

    def _chain(self, angles: Array) -> tuple[Array, list[Array], list[Array], list[Array]]:
        """Tool poses, and of each joint its origin, axis and centre of mass (n, 3) in the base frame."""
        rotation, position = np.broadcast_to(np.eye(3), (len(angles), 3, 3)), np.zeros((len(angles), 3))
        origins, axes, centers, j = [], [], [], 0
        for joint, shift in zip(self.nominal.joints, self.shifts, strict=True):
            position = position + rotation @ (joint.origin[:3, 3] + shift)
            rotation = rotation @ joint.origin[:3, :3]
            if joint.movable:
                rotation = rotation @ rotation_exponential(self.turns[j])
                origins.append(position)
                axes.append(rotation @ joint.axis)
                rotation = rotation @ rotation_exponential(angles[:, j, None] * joint.axis)
                centers.append(position + rotation @ self.nominal.mass_centers[j])
                j += 1
        return make_pose(position, rotation), origins, axes, centers

    def measure(self, q: Array, rng: np.random.Generator) -> Dataset:
        """Return the tracked poses of configurations (n, J), with noise."""
        poses = self.poses(q, rng)
        poses[:, :3, 3] += NOISE[0] * rng.normal(size=(len(q), 3))
        poses[:, :3, :3] = rotation_exponential(NOISE[1] * rng.normal(size=(len(q), 3))) @ poses[:, :3, :3]
        return Dataset(q, poses, self.nominal.joint_names)


def make_arm(nominal: RobotModel, case: str, seed: int) -> TrueArm:
    """Return an arm with random errors; the same of every case but for the case's own."""
    rng = np.random.default_rng([seed, nominal.dof])
    joints = nominal.dof
    offsets, scales = rng.normal(0.0, JOINT_OFFSET, joints), rng.normal(0.0, GEAR_SCALE, joints)
    shifts = rng.normal(0.0, LINK_OFFSET, (len(nominal.joints), 3))
    turns = rng.normal(0.0, FRAME_ROTATION, (joints, 3))
    compliances, phases = rng.uniform(*COMPLIANCE, joints), rng.uniform(0.0, 2.0 * np.pi, (joints, 2))
    joint = int(rng.integers(0, min(FIRST_JOINTS, joints)))
    posture = rng.uniform(nominal.lower + MARGIN, nominal.upper - MARGIN)
    step_at = float(posture[joint] + rng.uniform(-0.5, 0.5) * NARROW)
    joint = {"coupling": 1}.get(case, joint)
    return TrueArm(nominal, case, joint, posture, offsets, scales, compliances, shifts, turns, phases, step_at)


@dataclass(frozen=True)
class DataRange:
    """The part of the joint ranges that data is from.

    Attributes
    ----------
    lower, upper : (J,)
        [rad].
    joint : int
    gap : (float, float)
        Part of that joint's range without data; empty where both are the same [rad].
    """

    lower: Array
    upper: Array
    joint: int
    gap: tuple[float, float]

    @classmethod
    def of(cls, name: str, arm: TrueArm) -> DataRange:
        """Return the range of this name."""
        lower, upper, j = arm.nominal.lower.copy(), arm.nominal.upper.copy(), arm.joint
        gap = (0.0, 0.0)
        if name == "narrow":
            lower, upper = arm.posture - NARROW, arm.posture + NARROW
        elif name == "half":
            upper[j] = 0.5 * (lower[j] + upper[j])
        elif name == "gap":
            # Around the posture, as far as the limits let it.
            begin = float(np.clip(arm.posture[j] - 0.5 * GAP, lower[j] + 0.1, upper[j] - GAP - 0.1))
            gap = (begin, begin + GAP)
        return cls(lower, upper, j, gap)

    def inside(self, q: Array) -> np.ndarray:
        """Return the configurations (n,) that data is around."""
        within = ((q >= self.lower) & (q <= self.upper)).all(axis=1)
        angle = q[:, self.joint]
        return within & ~((angle > self.gap[0]) & (angle < self.gap[1]))

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Configurations (count, J), uniform in the range."""
        found = np.zeros((0, len(self.lower)))
        while len(found) < count:
            drawn = rng.uniform(self.lower, self.upper, (count, len(self.lower)))
            found = np.concatenate([found, drawn[self.inside(drawn)]])
        return found[:count]


def run_one(
    nominal: RobotModel, case: str, data_range: str, size: int, seed: int, arguments: dict[str, Any],
    counts: tuple[int, int, int] = (WORKSPACE, INSIDE, ANSWERS),
) -> dict[str, Any]:  # fmt: skip
    """Fit to one simulated arm, and hold the model against the truth.

    Parameters
    ----------
    nominal : RobotModel
    case, data_range : str
        Of ``CASES`` and ``RANGES``.
    size, seed : int
    arguments : dict
        Of the constructor of ``LearnedKinematics``.
    counts : (int, int, int)
        As ``WORKSPACE``, ``INSIDE``, ``ANSWERS``.

    Returns
    -------
    dict
        Lengths in millimetres; ``failed`` is the reason where there is no model.
    """
    arm = make_arm(nominal, case, seed)
    covered = DataRange.of(data_range, arm)
    rng = np.random.default_rng([seed, size, 1])
    dataset = arm.measure(covered.draw(size, rng), rng)
    begin = time.process_time()
    try:
        model = LearnedKinematics(nominal, **arguments).fit(dataset)
    except CrispIKError as error:
        return {"passed": None, "failed": f"{type(error).__name__}: {error}"}
    seconds = time.process_time() - begin
    rng = np.random.default_rng([seed, 2])
    anywhere, near = nominal.random_configurations(counts[0], rng), covered.draw(counts[1], rng)
    outside = ~covered.inside(anywhere)
    # Inside are, besides the drawn ones, those of the whole workspace that happen to be.
    found = [_look(arm, model, q, rng) for q in (anywhere, near)]
    (errors, nominal_errors, bounds, support), (near_errors, near_nominal, near_bounds, near_support) = found
    result: dict[str, Any] = {
        "fit_cpu_s": seconds,
        **_figures("", errors),
        **_figures("nominal_", nominal_errors),
        **_figures("inside_", near_errors),
        "inside_nominal_median_mm": 1e3 * float(np.median(near_nominal)),
        "within_inside": float((near_errors <= near_bounds).mean()),
        "bound_inside_mm": 1e3 * float(np.median(near_bounds)),
        "support_inside": float(np.median(near_support)),
        "sources_inside": _sources(model, near[: counts[2]]),
    }
    if outside.any():
        result |= {
            **_figures("outside_", errors[outside]),
            "within_outside": float((errors <= bounds)[outside].mean()),
            "bound_outside_mm": 1e3 * float(np.median(bounds[outside])),
            "support_outside": float(np.median(support[outside])),
            "sources_outside": _sources(model, anywhere[outside][: counts[2]]),
        }
    claimed = model.validation_.get("position_mean")
    failures = [name for name in ("median", "mean", "p95") if result[f"{name}_mm"] > result[f"nominal_{name}_mm"]]
    failures += [name for name in ("within_inside", "within_outside") if result.get(name, 1.0) < COVERED]
    return result | {
        "held_out_mean_mm": None if claimed is None else 1e3 * float(claimed),
        "noise_mm": 1e3 * float(model.noise_[0]),
        "warnings": list(model.warnings_),
        "failures": failures,
        "passed": not failures,
    }


def _look(
    arm: TrueArm, model: LearnedKinematics, q: Array, rng: np.random.Generator
) -> tuple[Array, Array, Array, Array]:
    """True errors of the model and of the URDF, the bound (n,) [m], and the support, at configurations (n, J)."""
    truth = arm.poses(q, rng)[:, :3, 3]
    own, nominal = (robot.forward_kinematics(q)[:, :3, 3] for robot in (model, arm.nominal))
    lengths = (np.linalg.norm(positions - truth, axis=1) for positions in (own, nominal))
    return (*lengths, model.predicted_error(q), model.support(q))  # type: ignore[return-value]


def _figures(prefix: str, errors: Array) -> dict[str, float]:
    return {
        f"{prefix}mean_mm": 1e3 * float(errors.mean()),
        f"{prefix}median_mm": 1e3 * float(np.median(errors)),
        f"{prefix}p95_mm": 1e3 * float(np.percentile(errors, 95)),
        f"{prefix}max_mm": 1e3 * float(errors.max()),
    }


def _sources(model: LearnedKinematics, q: Array) -> dict[str, int]:
    """Number of answers of each source, for the poses that the model has at configurations (n, J)."""
    poses = model.forward_kinematics(q)
    answers = [model.solve(pose, start) for pose, start in zip(poses, q, strict=True)]
    return dict(Counter(answer.source if answer.success else "unsolved" for answer in answers))


HEAD = (
    f"{'arm':<8}{'case':<12}{'range':<8}{'N':>5}{'seed':>5} | {'median':>7}{'mean':>8}{'p95':>8}{'max':>9} | "
    f"{'URDF med':>8}{'mean':>6}{'p95':>7} | {'inside':>7}{'claimed':>8} | {'within: in':>10}{'out':>6} | "
    f"{'bound: in':>9}{'out':>8} | {'support: in':>11}{'out':>5} | {'sources out':<22}{'warn':>4}{'fit [s]':>8}  "
    "verdict [mm]"
)


def line(row: dict[str, Any]) -> str:
    """One line of the table."""
    begin = f"{row['arm']:<8}{row['case']:<12}{row['range']:<8}{row['size']:>5}{row['seed']:>5} | "
    if "failed" in row:
        return begin + row["failed"]

    def shown(name: str, width: int, form: str, factor: float = 1.0) -> str:
        value = row.get(name)
        return f"{'-' if value is None else format(factor * value, form):>{width}}"

    sources = ", ".join(f"{name} {count}" for name, count in row.get("sources_outside", row["sources_inside"]).items())
    return begin + " | ".join(
        (
            shown("median_mm", 7, ".3f") + shown("mean_mm", 8, ".3f") + shown("p95_mm", 8, ".3f")
            + shown("max_mm", 9, ".3f"),
            shown("nominal_median_mm", 8, ".2f") + shown("nominal_mean_mm", 6, ".2f")
            + shown("nominal_p95_mm", 7, ".2f"),
            shown("inside_median_mm", 7, ".3f") + shown("held_out_mean_mm", 8, ".3f"),
            shown("within_inside", 10, ".1f", 100.0) + shown("within_outside", 6, ".1f", 100.0),
            shown("bound_inside_mm", 9, ".3f") + shown("bound_outside_mm", 8, ".3f"),
            shown("support_inside", 11, ".2f") + shown("support_outside", 5, ".2f"),
            f"{sources:<22}{len(row['warnings']):>4}{row['fit_cpu_s']:>8.1f}  "
            + ("pass" if row["passed"] else "FAIL " + ", ".join(row["failures"])),
        )
    )  # fmt: skip


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="unmodeled.py", description="True errors of learned kinematics on simulated arms with unexpected errors."
    )
    for name, known in (("arms", ARMS), ("cases", CASES), ("ranges", RANGES)):
        parser.add_argument(f"--{name}", default=",".join(known), help="default: %(default)s")
    parser.add_argument("--sizes", default="200,800", help="measured poses (default: %(default)s)")
    parser.add_argument("--seeds", default="0", help="arms to draw (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="fewer configurations to test at")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the JSON here too, after every fit")
    parser.add_argument("--json", action="store_true", help="for machines: one JSON object and nothing else on stdout")
    add_set_option(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; expected errors become one line and exit code 1."""
    given = _arguments(arguments)

    def say(text: str) -> None:
        print(text, file=sys.stderr if given.json else sys.stdout, flush=True)

    try:
        arms, cases, ranges = (
            chosen(name, getattr(given, name), known)
            for name, known in (("arms", ARMS), ("cases", CASES), ("ranges", RANGES))
        )
        sizes, seeds = whole_numbers("sizes", given.sizes), whole_numbers("seeds", given.seeds, 0)
        constructor = constructor_arguments(given.settings)
        robots = {arm: ARMS[arm]() for arm in arms}
    except CrispIKError as error:
        print(f"unmodeled: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    counts = QUICK if given.quick else (WORKSPACE, INSIDE, ANSWERS)
    result: dict[str, Any] = {
        "rows": [],
        "settings": {"set": {name: repr(value) for name, value in constructor.items()}, "counts": counts},
    }
    say(HEAD)
    for arm in arms:
        for case in cases:
            for data_range in ranges:
                for size in sizes:
                    for seed in seeds:
                        row = {"arm": arm, "case": case, "range": data_range, "size": size, "seed": seed}
                        row |= run_one(robots[arm], case, data_range, size, seed, constructor, counts)
                        result["rows"].append(row)
                        say(line(row))
                        if given.out is not None:
                            given.out.write_text(json.dumps(result, indent=1) + "\n")
    warned = Counter(sentence for row in result["rows"] for sentence in row.get("warnings", ()))
    for sentence, count in warned.most_common():
        print(f"warning of {count} fit(s): {sentence}", file=sys.stderr)
    passed = sum(bool(row["passed"]) for row in result["rows"])
    say(f"{passed} of {len(result['rows'])} pass.")
    if given.json:
        print(json.dumps(result, allow_nan=False))


if __name__ == "__main__":
    main()
