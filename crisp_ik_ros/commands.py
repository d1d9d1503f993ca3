"""What the commands of ``crisp-ik`` do; each returns what is to be shown."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.datasets.inspection import inspect_dataset
from crisp_ik_ros.datasets.inspection_summary import summarize_inspection
from crisp_ik_ros.datasets.table_columns import ImportRequest
from crisp_ik_ros.datasets.table_import import import_table
from crisp_ik_ros.errors import InvalidInputError, MissingDependencyError
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics, carrying
from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.estimators.model_file import load_model
from crisp_ik_ros.experiments.steps import Progress
from crisp_ik_ros.metrics import Summary, tool_errors
from crisp_ik_ros.robots.catalog import find_robot, find_urdf
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.training.evaluation import Refit, evaluate
from crisp_ik_ros.training.registration import register_model
from crisp_ik_ros.training.request import TrainingRequest
from crisp_ik_ros.training.samples import load_samples
from crisp_ik_ros.training.train import train
from crisp_ik_ros.transforms import Array, make_pose, matrix_from_euler


@dataclass(frozen=True)
class SimulatedRobot:
    """A robot to simulate: which, and how far it is from its URDF.

    Attributes
    ----------
    robot, base_link, tip_link : str
        As ``find_robot`` takes them.
    joint_bias_deg, link_bias_mm : float
        Size of the offsets.
    bias_seed : int
        Of their random signs; -1: all positive.
    """

    robot: str = "panda"
    base_link: str = ""
    tip_link: str = ""
    joint_bias_deg: float = 0.0
    link_bias_mm: float = 0.0
    bias_seed: int = -1

    def model(self) -> RobotModel:
        """Return the nominal model."""
        return find_robot(self.robot, self.base_link, self.tip_link)

    def sample(self, region: Any, count: int, seed: int, progress: Progress | None) -> Dataset:
        """Draw samples of the true robot in PyBullet."""
        # Only here: training on measured data and serving do without a simulator.
        from crisp_ik_ros.simulation.sampling import sample_biased

        return sample_biased(
            self.model(), find_urdf(self.robot), region, count, seed,
            float(np.deg2rad(self.joint_bias_deg)), 1e-3 * self.link_bias_mm, self.bias_seed, progress,
        )  # fmt: skip


def make_region(
    name: str, center: tuple[float, ...] = (), size: tuple[float, ...] = (), robot: SimulatedRobot | None = None
) -> Any:
    """Region of a name: "demo" of a robot, "torus", "workspace", or "box" with its centre and size [m], tool down."""
    from crisp_ik_ros.simulation.demo_regions import demo_region_of, placement_of
    from crisp_ik_ros.simulation.regions import Box, Workspace, circle_torus, demo_region

    if name == "box":
        return Box(center, size, demo_region().orientations)
    if name == "demo" and robot is not None:
        return demo_region_of(robot.model(), placement_of(robot.robot))
    regions: dict[str, Callable[[], Any]] = {"demo": demo_region, "torus": circle_torus, "workspace": Workspace}
    return regions[name]()


def sample_dataset(
    robot: SimulatedRobot, region: Any, count: int, seed: int, output: Path, progress: Progress | None
) -> dict[str, Any]:
    """Sample a simulated robot and write the samples to ``output``."""
    begin = time.perf_counter()
    dataset = robot.sample(region, count, seed, progress)
    dataset.save(output)
    position, orientation = ModelBasedIK(robot.model()).errors(dataset.poses, dataset.configurations)
    return {
        "file": str(output),
        "samples": len(dataset),
        "seconds": time.perf_counter() - begin,
        "error of the nominal model [mm]": asdict(Summary.of(position, 1e3)),
        "error of the nominal model [mrad]": asdict(Summary.of(orientation, 1e3)),
    }


def sample_preset(name: str, folder: Path, progress: Progress | None) -> dict[str, Any]:
    """Write one of the paper's datasets to ``folder``, and say whether its bytes are the published ones."""
    from crisp_ik_ros.experiments.presets import published_checksums, write_preset

    sums, published = write_preset(name, folder, progress), published_checksums()
    return {
        file: {"sha256": sum_, "as published": "yes" if published.get(file) == sum_ else "no"}
        for file, sum_ in sums.items()
    }


def train_model(
    robot: SimulatedRobot,
    request: TrainingRequest,
    data: Path | None,
    distance: float | None,
    count: int,
    bar: Callable[[str], Progress],
    memory_map: bool = False,
    pose_files: str | None = None,
) -> dict[str, Any]:
    """Train on a data file, or on samples of the demo region, and save the model."""
    if data is not None and (robot.joint_bias_deg or robot.link_bias_mm):
        raise InvalidInputError("--joint-bias-deg, --link-bias-mm", "set together with --data", "one or the other")
    if data is None and distance is not None:
        raise InvalidInputError("--distance", f"{distance} m without --data", "a folder of points as --data")
    if data is None and pose_files is not None:
        raise InvalidInputError("--pose-files", f"{pose_files!r} without --data", "a folder of points as --data")
    model = robot.model()

    def gather() -> Dataset:
        if data is None:
            return robot.sample(make_region("demo", robot=robot), count, request.seed, bar("sampling"))
        return load_samples(data, model, distance, memory_map, pose_files=pose_files)

    source = {"data": data.name} if data is not None else {"seed": request.seed, "simulated": asdict(robot)}
    request = replace(request, urdf=find_urdf(robot.robot))
    return train(
        request, model, gather, {"source": source, "sampled": data is None}, bar, bar, count if data is None else None
    ).summary()


def evaluate_model(
    model: Path,
    data: Path,
    distance: float | None = None,
    frame: bool = False,
    tool: bool = False,
    residuals: Path | None = None,
    payload: float | None = None,
    pose_files: str | None = None,
) -> dict[str, Any]:
    """Errors of a model and of its plain URDF on samples, and how often and fast unseeded requests are solved.

    ``frame`` and ``tool`` are fitted to the samples first where they are true; ``residuals`` is a table to write;
    ``payload`` [kg] is what the tip carried where the samples do not say it; ``pose_files`` as for ``load_samples``.
    """
    estimator = carrying(load_model(model), payload)
    assert isinstance(estimator, (CRiSP, LearnedKinematics))
    return evaluate(estimator, data, distance, Refit(frame, tool), residuals, pose_files)


def register(
    model: Path,
    rows: Path,
    output: Path | None,
    frame: str | None,
    tool: str | None,
    in_place: bool,
    payload: float | None,
    pose_files: str | None = None,
) -> dict[str, Any]:
    """Find measuring frame and tool of a model anew from a few rows, and write the model."""
    return register_model(model, rows, output, frame, tool, in_place, payload, pose_files)


def describe_model(model: Path) -> dict[str, Any]:
    """What is in a model file."""
    from crisp_ik_ros.training.description import describe_model as describe

    return describe(model)


def inspect_data(
    data: Path, robot: SimulatedRobot, picture: Path | None, pose_files: str | None = None
) -> dict[str, Any]:
    """What is in a data file, how well a robot's URDF fits it, and what is wrong with it; with a picture if wanted."""
    model = robot.model()
    dataset = load_samples(data, model, limits="note", pose_files=pose_files)
    inspection = inspect_dataset(dataset, model)
    result = {
        "file": str(data),
        "robot": f"{model.name}, {model.base_link} to {model.tip_link}",
        **summarize_inspection(inspection),
    }
    if picture is not None:
        from crisp_ik_ros.experiments.inspection_picture import draw_inspection

        draw_inspection(inspection, dataset, f"{data.name}: {len(dataset)} samples of {model.name}", picture)
        result["picture"] = str(picture)
    result["notes"] = list(dataset.notes)
    return result


def import_samples(table: Path, output: Path, request: ImportRequest, robot: SimulatedRobot | None) -> dict[str, Any]:
    """Read a table as people have it, and write one that ``train_model`` takes; the summary says what was decided."""
    if output.suffix not in (".csv", ".npz"):
        raise InvalidInputError("output", str(output), "a file name that ends in .csv or .npz")
    if output.exists() and table.exists() and output.samefile(table):
        raise InvalidInputError("output", str(output), "another file than the table that is read")
    dataset, report = import_table(table, request, None if robot is None else robot.model())
    dataset.save(output)
    return {"file": str(output), **report}


def solve_pose(
    model: Path,
    position: tuple[float, ...],
    rpy: tuple[float, ...],
    seed: str,
    timeout: float,
    payload: float | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Solve one pose with a model file, for a tip that carries a payload [kg]; ``options`` of ``solve``."""
    estimator, pose, start = _prepare_solve(model, position, rpy, seed, payload)
    result = estimator.solve(pose, start, timeout, **options)
    names = estimator.robot.joint_names
    expected: dict[str, Any] = {}
    approximates = options.get("approximate", False) and not result.success
    if isinstance(estimator, LearnedKinematics) and result.success:
        expected["predicted_error"] = float(estimator.predicted_error(result.configuration))
    return {
        "success": result.success,
        "status": result.status.value,
        "configuration": dict(zip(names, result.configuration.tolist(), strict=True)) if result.success else {},
        **({"approximate": dict(zip(names, result.configuration.tolist(), strict=True))} if approximates else {}),
        "position_error": result.position_error,
        "orientation_error": result.orientation_error,
        "support": result.support,
        "source": result.source,
        "iterations": result.iterations,
        **expected,
    }


def solve_pose_all(
    model: Path,
    position: tuple[float, ...],
    rpy: tuple[float, ...],
    seed: str,
    limit: int | None,
    payload: float | None = None,
) -> dict[str, Any]:
    """All solutions of one pose with a model file, nearest the seed first, for a tip that carries a payload [kg]."""
    estimator, pose, start = _prepare_solve(model, position, rpy, seed, payload)
    found = estimator.solve_all(pose, start, limit)
    robot = estimator.robot
    near = robot.rest if start is None else np.asarray(start)
    # A continuous joint is as far as the shorter way around.
    motions = found.configurations - near
    motions = np.where(robot.continuous, (motions + np.pi) % (2.0 * np.pi) - np.pi, motions)
    return {
        "success": len(found.success) > 0,
        "solutions": [
            {
                "distance": float(np.linalg.norm(motion)),
                "configuration": dict(zip(robot.joint_names, configuration.tolist(), strict=True)),
                "position_error": float(position_error),
                "orientation_error": float(orientation_error),
                "support": float(support),
                "source": source,
            }
            for motion, configuration, position_error, orientation_error, support, source in zip(
                motions, found.configurations, found.position_errors, found.orientation_errors, found.supports,
                found.sources, strict=True,
            )
        ],
    }  # fmt: skip


def _prepare_solve(
    model: Path, position: tuple[float, ...], rpy: tuple[float, ...], seed: str, payload: float | None
) -> tuple[InverseKinematics, Array, list[float] | None]:
    """Return the estimator of a model file, its search compiled, a pose (4, 4), and the seed that is named, if one."""
    estimator = carrying(load_model(model), payload)
    try:
        start = [float(value) for value in seed.split(",")] if seed else None
    except ValueError as error:
        raise InvalidInputError("--seed", repr(seed), "numbers separated by commas") from error
    # The first solve compiles; the answer shown is one that had its full time.
    estimator.solve(estimator.robot.forward_kinematics(estimator.robot.rest), timeout=60.0)
    return estimator, make_pose(position, matrix_from_euler(rpy)), start


def run_benchmark(quick: bool, bar: Callable[[str], Progress]) -> dict[str, Any]:
    """Prediction times on this machine."""
    from crisp_ik_ros.experiments.speed import run_speed

    # Nothing moves on the screen while times are taken: the bar ends with the samples.
    return run_speed(quick, progress=bar("sampling"))


def summarise_simulation(arguments: dict[str, Any]) -> dict[str, Any]:
    """Run the system as ``run_simulation`` does, its nodes writing to stderr, and sum up what the follower reports."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(arguments["report"] or Path(folder) / "report.json").expanduser()
        before = report.stat().st_mtime_ns if report.exists() else None
        code = run_simulation({**arguments, "report": str(report)}, sys.stderr)
        written = report.exists() and report.stat().st_mtime_ns != before
        content: dict[str, Any] = json.loads(report.read_text()) if written else {"complete": False, "runs": []}
    return {
        "exit_code": code,
        "complete": content["complete"],
        "runs": [_followed(run) for run in content["runs"]],
        "report": str(report) if written and arguments["report"] else None,
    }


def _followed(run: dict[str, Any]) -> dict[str, Any]:
    """Sum up one trajectory of a follower's report; errors are of the simulated arm's tool, while it moves."""
    known = [i for i, pose in enumerate(run["measured"]) if pose is not None]
    summary: dict[str, Any] = {
        "trajectory": run["trajectory"],
        "targets": len(run["targets"]),
        "answered": len([configuration for configuration in run["configurations"] if configuration is not None]),
        "halts": run["halts"],
    }
    if known:
        targets, measured = (np.array([run[name][i] for i in known]) for name in ("targets", "measured"))
        position, orientation = tool_errors(targets, measured)
        summary["position [mm]"] = asdict(Summary.of(position, 1e3))
        summary["orientation [mrad]"] = asdict(Summary.of(orientation, 1e3))
    if run["latencies"]:
        summary["latency [ms]"] = {
            name: 1e3 * float(np.percentile(run["latencies"], share)) for name, share in (("median", 50), ("p99", 99))
        }
    return summary


def run_simulation(arguments: dict[str, Any], output: IO | None = None) -> int:
    """Run the launch file's system with these arguments, without a display; return its exit code."""
    try:
        from crisp_ik_ros.nodes.runner import run_system
        from crisp_ik_ros.nodes.system import SystemArguments, panda_sim_system
    except ImportError as error:
        raise MissingDependencyError(f"no ROS 2 in this shell ({error}); run: make setup && . ./env.sh") from error
    if arguments.get("view"):
        from crisp_ik_ros.viewer.server import require

        require()
    specs = panda_sim_system(SystemArguments(**arguments, rviz=False, robot_state_publisher=False))
    return run_system(specs, output=output)
