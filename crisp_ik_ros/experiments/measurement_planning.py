"""A plan of measurements for a robot: candidates from PyBullet, a table and a picture of what to expect."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crisp_ik_ros.datasets.dataset import POSE, POSITION, Dataset
from crisp_ik_ros.errors import CrispIKError, InvalidInputError
from crisp_ik_ros.estimators.learned_kinematics import FEWEST, LearnedKinematics
from crisp_ik_ros.estimators.measurement_plan import PREDICTIVE, expected_errors, plan_measurements
from crisp_ik_ros.estimators.model_file import load_model
from crisp_ik_ros.experiments.steps import Progress
from crisp_ik_ros.files import replacing
from crisp_ik_ros.robots.catalog import find_robot, find_urdf, robot_names
from crisp_ik_ros.robots.chain_report import WARNING, Description
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.robots.urdf import read_urdf
from crisp_ik_ros.transforms import Array

if TYPE_CHECKING:
    from crisp_ik_ros.simulation.arm_process import ArmProcess

KINDS = {"poses": POSE, "positions": POSITION}
# Configurations whose errors stand for the workspace's.
REFERENCES, FEWEST_REFERENCES = 200, 50
# Time for drawing the candidates, and the references, once there are enough [s].
MAX_DRAWING_S = 20.0
# Random choices that a plan is compared with, and how many more measurements they get.
RANDOM_CHOICES, MORE = 5, 2
# Rows of the table.
STEPS = 6


@dataclass(frozen=True)
class PlanRequest:
    """What is to be planned.

    Attributes
    ----------
    count : int
        Number of measurements.
    robot, base_link, tip_link : str
        As ``find_robot`` takes them; empty: the Panda, or with ``model`` that one's robot if it is a known one.
    model : Path, optional
        Model whose errors are to become smaller.
    data : Path, optional
        What has been measured; with ``model``: what it was fitted to.
    kind : str
        What will be measured: "poses" or "positions".
    frame, tool : str
        Whether they are known, as ``LearnedKinematics`` takes it; a model file says so itself.
    box : tuple of 6 floats, optional
        Lowest, then highest corner of where the tip may be, base frame [m].
    floor : float, optional
        [m]
    clearance : float
        [m]
    margin : float
        From the limits, as a share of a joint's range.
    candidates : int
    criterion : str
        As ``plan_measurements`` takes it.
    seed : int
        Of the candidates.
    """

    count: int = 60
    robot: str = ""
    base_link: str = ""
    tip_link: str = ""
    model: Path | None = None
    data: Path | None = None
    kind: str = "poses"
    frame: str = "known"
    tool: str = "known"
    box: tuple[float, ...] | None = None
    floor: float | None = None
    clearance: float = 0.02
    margin: float = 0.02
    candidates: int = 3000
    criterion: str = PREDICTIVE
    seed: int = 0


def run_plan(
    request: PlanRequest, output: Path, picture: Path | None, bar: Callable[[str], Progress]
) -> dict[str, Any]:
    """Plan measurements, write their configurations to ``output`` (.csv) and say what they are expected to bring.

    Raises
    ------
    InvalidInputError
        When arguments are out of range or contradict each other.
    SimulationError
        When hardly any configuration is allowed.
    """
    # Only here: all else does without a simulator.
    from crisp_ik_ros.simulation.arm_process import with_arm_process
    from crisp_ik_ros.simulation.candidates import draw_candidates

    begin = time.perf_counter()
    if request.kind not in KINDS:
        raise InvalidInputError("--kind", repr(request.kind), " or ".join(map(repr, KINDS)))
    if output.suffix != ".csv":
        raise InvalidInputError("output", str(output), "a file name that ends in .csv")
    if request.candidates < request.count:
        raise InvalidInputError("--candidates", request.candidates, f"at least --count, {request.count}")
    if request.model is not None and request.data is None:
        raise InvalidInputError("--data", "nothing", "what --model was fitted to: it does not keep all that it told")
    model, urdf = _model(request)
    robot = model.robot
    known = None if request.data is None else Dataset.load(request.data, robot=robot)
    if known is not None and request.model is None and len(known) >= FEWEST:
        model.fit(known, bar("fitting"))
    box = None if request.box is None else np.reshape(request.box, (2, 3))
    allowed: dict[str, Any] = {
        "kinematics": model, "margin": request.margin, "floor": request.floor, "clearance": request.clearance,
        "max_time": MAX_DRAWING_S,
    }  # fmt: skip

    def draw(arm: ArmProcess) -> tuple[Array, Array]:
        candidates = draw_candidates(
            arm, request.candidates, request.seed, box=box, progress=bar("candidates"), fewest=request.count, **allowed
        )
        # The tool is to be right where the tracker does not see it, too.
        return candidates, draw_candidates(
            arm, REFERENCES, request.seed + 1, progress=bar("references"), fewest=FEWEST_REFERENCES, **allowed
        )

    (candidates, references), without_meshes = with_arm_process(urdf, robot, draw)
    kind = KINDS[request.kind]
    bar("choosing")
    plan = plan_measurements(model, request.count, candidates, kind, known, request.criterion, references)
    random = _random_errors(model, request, candidates, kind, known, references)
    _write(output, robot, plan.configurations)
    if picture is not None:
        draw_plan(plan.errors, random, f"{robot.name}: {request.count} {request.kind}", picture)
    steps = np.unique(np.linspace(0, request.count, STEPS).astype(int))
    middle = random.mean(axis=0)
    reached = np.flatnonzero(middle <= plan.errors[-1])
    return {
        "file": str(output),
        "robot": robot.name,
        "planned from": _source(request, model, known),
        "measurements": request.count,
        "kind": request.kind,
        "joint motion on the way": travelled(plan.configurations, robot.rest),
        "expected median error of the tool [mm]": {
            f"after {step}": {"planned": 1e3 * float(plan.errors[step]), "random": 1e3 * float(middle[step])}
            for step in steps
        },
        "random ones as good": int(reached[0]) if len(reached) else f"more than {len(middle) - 1}",
        "seconds": time.perf_counter() - begin,
        "warnings": _warnings(urdf, robot, request, len(candidates), without_meshes),
    }


def travelled(configurations: Array, start: Array) -> float:
    """Sum over the motions from ``start`` (J,) along configurations (n, J) of the largest joint's [rad or m]."""
    return float(np.abs(np.diff(np.vstack([start, configurations]), axis=0)).max(axis=1).sum())


def draw_plan(planned: Array, random: Array, title: str, path: Path) -> None:
    """Draw the expected error against the number of measurements and write a PNG.

    Parameters
    ----------
    planned : (n + 1,)
        Expected median errors after none, one, ... [m].
    random : (k, m + 1)
        The same of random choices.
    title : str
    path : Path
        File to write.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(7.0, 4.4), dpi=120, layout="constrained")
    axes = figure.subplots()
    numbers = np.arange(random.shape[1])
    axes.fill_between(
        numbers, 1e3 * random.min(axis=0), 1e3 * random.max(axis=0), color="0.6", alpha=0.3, linewidth=0.0
    )
    axes.plot(numbers, 1e3 * random.mean(axis=0), color="0.4", label=f"random (mean and range of {len(random)})")
    axes.plot(np.arange(len(planned)), 1e3 * planned, color="tab:blue", linewidth=2.0, label="planned")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(0, len(numbers) - 1)
    axes.set_xlabel("measurements")
    axes.set_ylabel("expected median error of the tool [mm]")
    axes.set_title(title)
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _model(request: PlanRequest) -> tuple[LearnedKinematics, str | Path]:
    """Model to plan for, and the URDF with its shapes."""
    if request.model is None:
        name = request.robot or "panda"
        robot = find_robot(name, request.base_link, request.tip_link)
        # Without a kernel term a fit takes seconds, and what it would say is no reason to measure elsewhere.
        return LearnedKinematics(robot, request.frame, request.tool, kernel="none"), find_urdf(name)
    model = load_model(request.model)
    if not isinstance(model, LearnedKinematics):
        raise InvalidInputError("--model", f"{request.model}, a {type(model).__name__}", "a LearnedKinematics model")
    names = (request.robot,) if request.robot else robot_names()
    for name in names:
        # Of the robots that are known, some may lack these links, or pybullet, which brings their URDFs.
        with contextlib.nullcontext() if request.robot else contextlib.suppress(CrispIKError):
            if find_robot(name, request.base_link, request.tip_link).fingerprint == model.robot.fingerprint:
                return model, find_urdf(name)
    if request.robot:
        raise InvalidInputError("--robot", f"{request.robot}, another robot", f"that of the model, {model.robot.name}")
    raise InvalidInputError(
        "--robot", "nothing", f"the URDF of {model.robot.name}: a model file does not say what shape the links have"
    )


def _random_errors(
    model: LearnedKinematics, request: PlanRequest, candidates: Array, kind: int, known: Dataset | None, at: Array
) -> Array:
    """Expected errors (k, n + 1) [m] of random choices among the candidates."""
    count = min(MORE * request.count, len(candidates))
    rng = np.random.default_rng(request.seed)
    return np.array(
        [
            expected_errors(model, candidates[rng.choice(len(candidates), count, replace=False)], kind, known, at)
            for _ in range(RANDOM_CHOICES)
        ]
    )


def _source(request: PlanRequest, model: LearnedKinematics, known: Dataset | None) -> str:
    measured = "nothing measured" if known is None else f"{len(known)} samples of {request.data}"
    if request.model is not None:
        return f"{request.model} and {measured}"
    return f"{measured}: errors are as large as the priors say" if known is None else measured


def _warnings(
    urdf: str | Path, robot: RobotModel, request: PlanRequest, candidates: int, without_meshes: str
) -> list[str]:
    """Sentences on what the plan lacks: meshes, candidates, or joints of an arm alone."""
    folder = None if str(urdf).lstrip().startswith("<") else Path(urdf).parent
    findings = Description(read_urdf(urdf)).shape_and_gripper_findings(robot.base_link, robot.tip_link, folder)
    said = [f"{one.about}: {one.what}; {one.remedy}" for one in findings if one.level == WARNING]
    if without_meshes:
        said.append(f"{without_meshes}: see that no configuration of the plan lets the arm touch itself")
    if candidates < request.candidates:
        said.append(
            f"drawing candidates was ended after {MAX_DRAWING_S:g} s: {candidates} of {request.candidates}; a plan of "
            "so many is nearly as good, and --candidates asks for fewer"
        )
    return said


def _write(path: Path, robot: RobotModel, configurations: Array) -> None:
    lines = [",".join(robot.joint_names), *(",".join(f"{value:.6f}" for value in row) for row in configurations)]
    with replacing(path, CrispIKError, "plan") as stream:
        stream.write("\n".join(lines).encode() + b"\n")
