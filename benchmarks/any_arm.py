"""Inverse kinematics and learning on any arm: one line of figures for each URDF of a folder.

``python benchmarks/any_arm.py FOLDER`` measures every FOLDER/*.urdf; ``--generated 65`` measures random serial chains
instead, and without either the dozen arms of ``benchmarks/arms.py`` are measured. Parts:

- robot: ``crisp-ik new-robot`` finds the chain and writes a robot file.
- solve: random reachable poses without a seed, 20 ms each; an answer counts where forward kinematics confirms it.
- near: the seed is within 0.02 rad (or m) of a solution in each joint; an answer that moves a joint by more than 0.3
  from the seed has left the seed's branch.
- paths: the tool poses of smooth joint paths through ``solve_path``; a path has a jump where a joint moves by more than
  0.5 between two answers. Clear paths stay away from singularities: there every path can be followed.
- learn: ``LearnedKinematics`` is fitted to poses of an arm with wrong zeros and links, then solves poses that this arm
  reaches; an answer counts where the true error is within the predicted bound.

Forward kinematics is confirmed by ``UrdfChain``, which reads the URDF by itself and shares no code with the package.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

if __name__ == "__main__":
    # Python puts the script's own folder first, and its modules have everyday names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.arms import ARMS, random_arm, write_urdfs
from benchmarks.settings import add_set_option, chosen, constructor_arguments
from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import CrispIKError, InvalidInputError
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.robots.conditioning import directions_of
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array

PARTS = ("robot", "solve", "near", "paths", "learn")
# Reachable poses, seeds near a solution, paths of each sort, and targets of the learned arm.
FULL, QUICK = (500, 1000, 20, 200), (60, 100, 4, 40)
SOLVE_TIMEOUT_S = 0.02
# Largest errors of a confirmed answer [m, rad]: the tolerances of the estimators, and what rounding adds.
POSITION_TOLERANCE, ORIENTATION_TOLERANCE, LIMIT_SLACK = 2e-6, 2e-5, 1e-9
# Half width of the seeds' box, and the longest step of a joint from a seed and between answers of a path [rad or m].
SEED_OFFSET, MAX_STEP_FROM_SEED, MAX_STEP_ON_PATH = 0.02, 0.3, 0.5
# Steps of a path; sinusoids of each joint, most periods of each and most amplitude of all together [rad or m].
STEPS, SINUSOIDS, MAX_PERIODS, MAX_AMPLITUDE = 400, 3, 1.5, 1.0
# Least singular value of the Jacobian on a clear path, and paths that are drawn to find the clear ones.
MIN_SINGULAR_VALUE, MAX_DRAWN_PATHS = 0.05, 4000
# Names of tip links where a URDF has several leaves.
TOOL_NAMES = ("tool0", "tcp", "flange", "ee_link")
# Errors of the arm that is learned: every joint zero [rad], every component of every link [m], a slide's zero [m].
ZERO_ERROR, LINK_ERROR, SLIDE_ERROR = np.deg2rad(1.0), 3e-3, 3e-3
# Measured poses, and the standard deviations of a reading along each axis [m, rad].
MEASURED, NOISE = 200, (5e-5, 1e-4)


class UrdfChain:
    """Forward kinematics of the chain between two links of a URDF, straight from its elements.

    Parameters
    ----------
    xml : str
    base_link, tip_link : str
    """

    def __init__(self, xml: str, base_link: str, tip_link: str):
        above = {joint.find("child").get("link"): joint for joint in ElementTree.fromstring(xml).findall("joint")}
        chain: list[ElementTree.Element] = []
        link = tip_link
        while link != base_link:
            chain.insert(0, above[link])
            link = chain[0].find("parent").get("link")
        self.kinds = [joint.get("type") for joint in chain]
        origins = [joint.find("origin") for joint in chain]
        self.positions = np.array([_vector(origin, "xyz", (0.0, 0.0, 0.0)) for origin in origins])
        self.rotations = Rotation.from_euler("xyz", [_vector(origin, "rpy", (0.0, 0.0, 0.0)) for origin in origins])
        axes = np.array([_vector(joint.find("axis"), "xyz", (1.0, 0.0, 0.0)) for joint in chain])
        self.axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)

    def poses(self, q: Array, link_offsets: Array | None = None) -> tuple[Array, Rotation]:
        """Tip positions (n, 3) [m] and orientations (n) at configurations (n, J) [rad or m].

        ``link_offsets`` (number of joints in the chain, 3) [m] are added to the joints' origins.
        """
        shifts = np.zeros_like(self.positions) if link_offsets is None else link_offsets
        position, rotation = np.zeros((len(q), 3)), Rotation.from_rotvec(np.zeros((len(q), 3)))
        values = iter(q.T)
        for kind, offset, turn, axis in zip(
            self.kinds, self.positions + shifts, self.rotations, self.axes, strict=True
        ):
            position = position + rotation.apply(offset)
            rotation = rotation * turn
            if kind == "prismatic":
                position = position + rotation.apply(next(values)[:, None] * axis)
            elif kind != "fixed":
                rotation = rotation * Rotation.from_rotvec(next(values)[:, None] * axis)
        return position, rotation


def _vector(element: ElementTree.Element | None, name: str, default: tuple[float, ...]) -> list[float]:
    text = None if element is None else element.get(name)
    return list(default) if text is None else [float(part) for part in text.split()]


def as_poses(position: Array, rotation: Rotation) -> Array:
    """Poses (n, 4, 4) of positions (n, 3) and orientations (n)."""
    poses = np.tile(np.eye(4), (len(position), 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = rotation.as_matrix(), position
    return poses


class Subject:
    """An arm that is measured.

    Attributes
    ----------
    robot : RobotModel
    chain : UrdfChain
    solver : ModelBasedIK
    """

    def __init__(self, path: Path, base_link: str, tip_link: str, null_space_weight: float | None = None):
        self.robot = RobotModel.from_urdf(path, base_link, tip_link)
        self.chain = UrdfChain(path.read_text(), base_link, tip_link)
        arguments = {} if null_space_weight is None else {"null_space_weight": null_space_weight}
        self.solver = ModelBasedIK(self.robot, **arguments)
        # Compiles, and makes the table of starts: neither is to count for the first request.
        self.solver.solve(self.robot.forward_kinematics(self.robot.rest), self.robot.rest, timeout=60.0)

    def steps(self, q: Array, other: Array) -> Array:
        """Largest step (n,) of a joint between configurations (n, J); continuous joints take the short way."""
        difference = q - other
        turned = (difference + np.pi) % (2.0 * np.pi) - np.pi
        return np.abs(np.where(self.robot.continuous, turned, difference)).max(axis=-1)

    def confirmed(self, poses: Array, answers: Array) -> np.ndarray:
        """Configurations (n, J) that are within the limits, and put the tool on the poses (n, 4, 4): bool (n,)."""
        position, rotation = self.chain.poses(answers)
        distances = np.linalg.norm(position - poses[:, :3, 3], axis=1)
        angles = (rotation.inv() * Rotation.from_matrix(poses[:, :3, :3])).magnitude()
        right = (distances <= POSITION_TOLERANCE) & (angles <= ORIENTATION_TOLERANCE)
        return right & self.robot.within_limits(answers, LIMIT_SLACK)


# --------------------------------------------------------------------------------------------------------------- parts


def make_robot(path: Path) -> dict[str, Any]:
    """Make a robot file as ``crisp-ik new-robot`` does, of the chain that it chooses."""
    from crisp_ik_ros.experiments.new_robot import NewRobotRequest, make_robot_file

    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            summary = make_robot_file(NewRobotRequest(str(path), output=Path(folder) / "robot.yaml"))
            error = None if summary["robot file"] else "; ".join(one["what"] for one in summary["findings"])
            found = {"chain": summary["chain"], "joints": summary.get("joints"), "demo": bool(summary.get("demo"))}
        except CrispIKError as problem:
            error, found = str(problem), {}
    return {"ok": error is None, "error": error, "seconds": time.perf_counter() - begin, **found}


def solve_poses(subject: Subject, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Solve random reachable poses without a seed."""
    poses = as_poses(*subject.chain.poses(subject.robot.random_configurations(count, rng)))
    answers, claimed, seconds = np.empty((count, subject.robot.dof)), np.empty(count, dtype=bool), np.empty(count)
    for k, pose in enumerate(poses):
        begin = time.perf_counter()
        answer = subject.solver.solve(pose, timeout=SOLVE_TIMEOUT_S)
        seconds[k] = time.perf_counter() - begin
        answers[k], claimed[k] = answer.configuration, answer.success
    confirmed = subject.confirmed(poses, answers)
    return {
        "poses": count,
        "solved": float((claimed & confirmed).mean()),
        "wrong": int((claimed & ~confirmed).sum()),
        "mean_us": 1e6 * float(seconds.mean()),
    }


def solve_near(subject: Subject, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Solve poses from seeds next to a solution."""
    robot = subject.robot
    exact = robot.random_configurations(count, rng)
    seeds = robot.confined(exact + rng.uniform(-SEED_OFFSET, SEED_OFFSET, exact.shape))
    poses = as_poses(*subject.chain.poses(exact))
    answers = [subject.solver.solve(pose, seed) for pose, seed in zip(poses, seeds, strict=True)]
    success = np.array([answer.success for answer in answers])
    steps = subject.steps(np.array([answer.configuration for answer in answers]), seeds)
    return {
        "seeds": count,
        "moved": float((success & (steps > MAX_STEP_FROM_SEED)).mean()),
        "failed": float((~success).mean()),
        "max_step": float(steps[success].max(initial=0.0)),
    }


def random_path(robot: RobotModel, rng: np.random.Generator) -> Array:
    """Smooth path (STEPS, J) within the limits: a sum of slow sinusoids in each joint."""
    half = 0.5 * (robot.upper - robot.lower)
    amplitude = rng.uniform(0.2, 1.0, robot.dof) * np.minimum(MAX_AMPLITUDE, 0.9 * half)
    center = rng.uniform(robot.lower + amplitude, robot.upper - amplitude)
    shares = rng.dirichlet(np.ones(SINUSOIDS), robot.dof)
    periods = rng.uniform(0.2, MAX_PERIODS, (robot.dof, SINUSOIDS))
    phases = rng.uniform(0.0, 2.0 * np.pi, (robot.dof, SINUSOIDS))
    moments = np.linspace(0.0, 1.0, STEPS)[:, None, None]
    return center + amplitude * (shares * np.sin(2.0 * np.pi * periods * moments + phases)).sum(axis=2)


def is_clear(robot: RobotModel, path: Array, directions: int) -> bool:
    """Whether the Jacobian is well away from losing rank along a path (n, J) of an arm that moves in ``directions``."""
    # Most paths are refused by a few of their points.
    for points in (path[::20], path):
        values = np.linalg.svd(robot.jacobian(points), compute_uv=False)
        if values[:, directions - 1].min() <= MIN_SINGULAR_VALUE:
            return False
    return True


def follow_paths(subject: Subject, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Follow smooth joint paths, any and clear ones, from their true first configuration."""
    clear: list[Array] = []
    directions = directions_of(subject.robot)
    for _ in range(MAX_DRAWN_PATHS):
        if len(clear) == count:
            break
        path = random_path(subject.robot, rng)
        if is_clear(subject.robot, path, directions):
            clear.append(path)
    paths = [random_path(subject.robot, rng) for _ in range(count)]
    return {"any": follow(subject, paths), "clear": follow(subject, clear)}


def follow(subject: Subject, paths: Sequence[Array]) -> dict[str, Any]:
    """Count the paths (n, J) of joint values with a jump, and the poses without an answer."""
    jumps, unsolved, steps = 0, 0, [0.0]
    for path in paths:
        answers = subject.solver.solve_path(as_poses(*subject.chain.poses(path)), path[0])
        ways = subject.steps(answers.configurations, np.vstack([path[:1], answers.configurations[:-1]]))
        jumps += bool((ways > MAX_STEP_ON_PATH).any())
        unsolved += int((~answers.success).sum())
        steps.append(float(ways.max()))
    return {"paths": len(paths), "jumps": jumps, "unsolved": unsolved, "max_step": max(steps)}


def learn_arm(subject: Subject, count: int, rng: np.random.Generator, arguments: dict[str, Any]) -> dict[str, Any]:
    """Learn an arm with wrong zeros and links, and hold its answers against the truth."""
    robot = subject.robot
    zeros = np.where(robot.chain.prismatic, SLIDE_ERROR, ZERO_ERROR) * rng.choice([-1.0, 1.0], robot.dof)
    links = LINK_ERROR * rng.choice([-1.0, 1.0], (len(robot.joints), 3))
    q = robot.random_configurations(MEASURED, rng)
    position, rotation = subject.chain.poses(q + zeros, links)
    position = position + rng.normal(0.0, NOISE[0], position.shape)
    measured = as_poses(position, Rotation.from_rotvec(rng.normal(0.0, NOISE[1], position.shape)) * rotation)
    begin = time.process_time()
    try:
        model = LearnedKinematics(robot, **arguments).fit(Dataset(q, measured, robot.joint_names))
    except CrispIKError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    seconds = time.process_time() - begin
    targets = as_poses(*subject.chain.poses(robot.random_configurations(count, rng) + zeros, links))
    success, answers = _solved(model, targets)
    true = subject.chain.poses(answers + zeros, links)[0]
    errors = np.linalg.norm(true - targets[:, :3, 3], axis=1)
    within = errors <= model.predicted_error(answers) + model.position_tolerance
    _, nominal = _solved(subject.solver, targets)
    uncorrected = np.linalg.norm(subject.chain.poses(nominal + zeros, links)[0] - targets[:, :3, 3], axis=1)
    return {
        "targets": count,
        "solved": float(success.mean()),
        "solved_within": float((success & within).mean()),
        "median_mm": 1e3 * float(np.median(errors[success])) if success.any() else None,
        "nominal_median_mm": 1e3 * float(np.median(uncorrected)),
        "fit_cpu_s": seconds,
        "warnings": list(model.warnings_),
    }


def _solved(solver: InverseKinematics, targets: Array) -> tuple[np.ndarray, Array]:
    answers = [solver.solve(pose) for pose in targets]
    return np.array([answer.success for answer in answers]), np.array([answer.configuration for answer in answers])


def chain_of(path: Path) -> tuple[str, str]:
    """Ends of the chain that is measured: those that ``new-robot`` chooses, else the root and a leaf.

    The leaf is one with the name of a tool, else any; of several the one with the most joints on the way.
    """
    from crisp_ik_ros.robots.chain_report import Description
    from crisp_ik_ros.robots.urdf import MOVABLE, read_urdf

    xml = read_urdf(path)
    description = Description(xml)
    try:
        return description.ends()
    except CrispIKError:
        root = ElementTree.fromstring(xml)
        links = [link.get("name", "") for link in root.findall("link")]
        children, parents = (
            {joint.find(end).get("link") for joint in root.findall("joint")} for end in ("child", "parent")
        )
        base = next(link for link in links if link not in children)
        leaves = [link for link in links if link not in parents]
        leaves = [leaf for leaf in leaves if leaf in TOOL_NAMES] or leaves
        return base, max(leaves, key=lambda leaf: sum(j.get("type") in MOVABLE for j in description.chain(base, leaf)))


def measure(
    path: Path, parts: Sequence[str] = PARTS, counts: tuple[int, int, int, int] = FULL, seed: int = 0,
    null_space_weight: float | None = None, arguments: dict[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Measure one arm.

    Parameters
    ----------
    path : Path
        The URDF.
    parts : sequence of str
        Of ``PARTS``.
    counts : (int, int, int, int)
        As in ``FULL``.
    seed : int
    null_space_weight : float, optional
        Of the estimators; default: theirs.
    arguments : dict, optional
        Of the constructor of ``LearnedKinematics``.

    Returns
    -------
    dict
        ``arm``, ``joints``, and each part's figures under its name; ``failed`` is the reason where the arm cannot be
        read.
    """
    poses, seeds, paths, targets = counts
    row: dict[str, Any] = {"arm": path.stem}
    if "robot" in parts:
        row["robot"] = make_robot(path)
    try:
        subject = Subject(path, *chain_of(path), null_space_weight)
    except CrispIKError as error:
        return row | {"failed": str(error)}
    row["joints"] = subject.robot.dof
    weight = {} if null_space_weight is None else {"null_space_weight": null_space_weight}
    work: dict[str, Callable[[np.random.Generator], dict[str, Any]]] = {
        "solve": lambda rng: solve_poses(subject, poses, rng),
        "near": lambda rng: solve_near(subject, seeds, rng),
        "paths": lambda rng: follow_paths(subject, paths, rng),
        "learn": lambda rng: learn_arm(subject, targets, rng, weight | (arguments or {})),
    }
    for number, (part, run) in enumerate(work.items()):
        if part in parts:
            # A part draws the same numbers whatever other parts are measured.
            row[part] = run(np.random.default_rng([seed, number]))
    return row


# --------------------------------------------------------------------------------------------------------------- table

HEADS = {
    "robot": f"{'new-robot':<12}",
    "solve": f"{'solved':>8}{'wrong':>6}{'mean':>9}",
    "near": f"{'moved':>8}{'failed':>8}{'max step':>9}",
    "paths": f"{'jumps':>7}{'unsolved':>9}{'clear: jumps':>13}{'unsolved':>9}{'max step':>9}",
    "learn": f"{'solved':>8}{'within':>8}{'true':>9}{'URDF':>8}{'fit':>7}",
}


def head(parts: Sequence[str]) -> str:
    """First line of the table."""
    return " | ".join([f"{'arm':<16}{'joints':>6}", *(HEADS[part] for part in PARTS if part in parts)])


def line(row: dict[str, Any]) -> str:
    """One line of the table."""
    cells = [f"{row['arm']:<16}{row.get('joints', '-'):>6}"]
    cells += [SHOWN[part](row[part]) for part in PARTS if part in row]
    return " | ".join([*cells, *([row["failed"]] if "failed" in row else [])])


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %"


def _show_robot(found: dict[str, Any]) -> str:
    return f"{'ok' if found['ok'] else 'FAILED':<6}{found['seconds']:>4.1f} s"


def _show_solve(found: dict[str, Any]) -> str:
    return f"{_percent(found['solved']):>8}{found['wrong']:>6}{found['mean_us']:>6.0f} us"


def _show_near(found: dict[str, Any]) -> str:
    return f"{_percent(found['moved']):>8}{_percent(found['failed']):>8}{found['max_step']:>9.2f}"


def _show_paths(found: dict[str, Any]) -> str:
    some, clear = found["any"], found["clear"]
    jumps, clear_jumps = (f"{one['jumps']}/{one['paths']}" for one in (some, clear))
    return f"{jumps:>7}{some['unsolved']:>9}{clear_jumps:>13}{clear['unsolved']:>9}{clear['max_step']:>9.2f}"


def _show_learn(found: dict[str, Any]) -> str:
    if "error" in found:
        return found["error"]
    true = "-" if found["median_mm"] is None else f"{found['median_mm']:.3f} mm"
    return (
        f"{_percent(found['solved']):>8}{_percent(found['solved_within']):>8}{true:>9}"
        f"{found['nominal_median_mm']:>5.1f} mm{found['fit_cpu_s']:>5.1f} s"
    )


SHOWN: dict[str, Callable[[dict[str, Any]], str]] = {
    "robot": _show_robot,
    "solve": _show_solve,
    "near": _show_near,
    "paths": _show_paths,
    "learn": _show_learn,
}


def summary(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Lines on all arms together."""
    lines = [
        f"new-robot failed on {row['arm']}: {row['robot']['error']}"
        for row in rows
        if not row.get("robot", {"ok": True})["ok"]
    ]
    solved = [row["solve"]["solved"] for row in rows if "solve" in row]
    if solved:
        good = sum(share >= 0.99 for share in solved)
        lines.append(
            f"solve: {_percent(float(np.mean(solved)))} of all poses, worst arm {_percent(min(solved))}, "
            f"{good} of {len(solved)} arms at least 99 %"
        )
    near = [row["near"] for row in rows if "near" in row]
    if near:
        lines.append(
            f"near: {_percent(float(np.mean([one['moved'] for one in near])))} moved, "
            f"{_percent(float(np.mean([one['failed'] for one in near])))} failed"
        )
    for sort in ("any", "clear"):
        paths = [row["paths"][sort] for row in rows if "paths" in row]
        if paths:
            count, jumps, unsolved = (sum(one[name] for one in paths) for name in ("paths", "jumps", "unsolved"))
            lines.append(f"paths, {sort}: {jumps} of {count} with a jump, {unsolved} of {STEPS * count} poses unsolved")
    learned = [row["learn"]["solved_within"] for row in rows if "learn" in row and "error" not in row["learn"]]
    if learned:
        lines.append(
            f"learn: {_percent(float(np.mean(learned)))} solved within the bound, worst {_percent(min(learned))}"
        )
    return lines


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="any_arm.py", description="Inverse kinematics and learning on any arm.")
    parser.add_argument("folder", type=Path, nargs="?", help="URDFs; default: the dozen of benchmarks/arms.py")
    parser.add_argument("--generated", type=int, default=0, metavar="N", help="measure so many random chains instead")
    parser.add_argument("--arms", default="", help="names of some of the URDFs; default: all")
    parser.add_argument("--parts", default=",".join(PARTS), help="default: %(default)s")
    parser.add_argument("--null-space-weight", type=float, metavar="W", help="of the estimators; default: theirs")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="fewer poses, seeds, paths and targets")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here, after every arm")
    add_set_option(parser)
    return parser.parse_args(arguments)


def _urdfs(given: argparse.Namespace, scratch: Path) -> list[Path]:
    """URDFs that the command line asks for; those of tables are written to ``scratch``."""
    if given.generated:
        paths = write_urdfs([random_arm(seed) for seed in range(given.generated)], scratch)
    elif given.folder is None:
        paths = write_urdfs(list(ARMS.values()), scratch)
    else:
        paths = sorted(given.folder.glob("*.urdf"))
    if not paths:
        raise InvalidInputError("folder", str(given.folder), "a folder with files that end in .urdf")
    names = chosen("arms", given.arms, [path.stem for path in paths]) if given.arms else None
    return [path for path in paths if names is None or path.stem in names]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; expected errors become one line and exit code 1."""
    given = _arguments(arguments)
    rows: list[dict[str, Any]] = []
    try:
        parts, constructor = chosen("parts", given.parts, PARTS), constructor_arguments(given.settings)
        counts = QUICK if given.quick else FULL
        settings = {
            "counts": counts, "seed": given.seed, "null_space_weight": given.null_space_weight,
            "set": {name: repr(value) for name, value in constructor.items()},
        }  # fmt: skip
        with tempfile.TemporaryDirectory() as scratch:
            paths = _urdfs(given, Path(scratch))
            print(head(parts), flush=True)
            for path in paths:
                rows.append(measure(path, parts, counts, given.seed, given.null_space_weight, constructor))
                print(line(rows[-1]), flush=True)
                if given.json is not None:
                    given.json.write_text(json.dumps({"rows": rows, "settings": settings}, indent=1) + "\n")
    except CrispIKError as error:
        print(f"any_arm: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    print("\n".join(summary(rows)))


if __name__ == "__main__":
    main()
