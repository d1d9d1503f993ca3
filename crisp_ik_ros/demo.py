"""The demonstration: real nodes, a simulated Panda, two trajectories, a true and a biased robot, two ways to solve."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from crisp_ik_ros.errors import CrispIKError, MissingDependencyError, ResourceError
from crisp_ik_ros.estimators.model_file import load_model
from crisp_ik_ros.experiments.demo_picture import draw_demo
from crisp_ik_ros.files import replacing
from crisp_ik_ros.metrics import Summary, tool_errors
from crisp_ik_ros.nodes.serving import warm_up
from crisp_ik_ros.resources import model_path
from crisp_ik_ros.robots.bias import random_bias
from crisp_ik_ros.robots.robot_model import RobotModel, panda_urdf_path
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.transforms import Array
from crisp_ik_ros.viewer.server import LOCAL, address, free_port, require

BIAS_DEG = 1.0
METHODS = {"crisp": "CRiSP (learned)", "nominal": "model-based (nominal URDF)"}
SAMPLES = 2000
RATE = 50.0
SYSTEM_TIMEOUT = 180.0
FIRST_PORT = 8080
# Between the two systems that run at once; far from the default domain 0.
FIRST_DOMAIN, DOMAINS = 40, 30


@dataclass(frozen=True)
class Followed:
    """One trajectory followed by one method.

    Attributes
    ----------
    trajectory, method : str
    joint_bias_deg : float
    targets : (n, 4, 4)
    configurations : (n, J)
        Commanded.
    measured : (n, 4, 4)
        Tool poses of the simulated arm at the targets' times; NaN where none was measured.
    latencies : list of float
        Of the requests [s].
    """

    trajectory: str
    joint_bias_deg: float
    method: str
    targets: Array
    configurations: Array
    measured: Array
    latencies: list[float]


def run_demo(out: Path, quiet: bool = False, log_level: str = "info") -> dict[str, Any]:
    """Run the demonstration and write ``summary.json`` and ``demo.png`` to a folder.

    The same system as the launch file's, once for each robot and method: a simulator, an IK service, a follower, as
    processes of their own.

    Parameters
    ----------
    out : Path
        Folder; made where it does not exist. Logs and reports of the nodes go there too.
    quiet : bool
        Whether to print nothing.
    log_level : str
        Least level that the nodes log: debug, info, warn, error or fatal.

    Returns
    -------
    dict
        What ``summary.json`` holds.

    Raises
    ------
    CrispIKError
        When a node fails; the message names its log.
    """
    console = Console(quiet=quiet, highlight=False)
    out.mkdir(parents=True, exist_ok=True)
    with _step(console, "compiling (the first time, about a minute)"):
        warm_up(load_model(model_path("panda_residual.npz")))
    followed = _follow(console, out, 0.0, "auto", log_level)
    model = out / "panda_biased.npz"
    with _step(console, f"learning from {SAMPLES} samples of a robot whose joints are all {BIAS_DEG:g} degree off"):
        command = [sys.executable, "-m", "crisp_ik_ros.nodes.trainer", "--ros-args", "--log-level", log_level]
        for name, value in {"joint_bias_deg": BIAS_DEG, "samples": SAMPLES, "output": str(model.absolute())}.items():
            command += ["-p", f"{name}:={json.dumps(value)}"]
        _wait([_start(command, out / "trainer.log", 0)], out, ["trainer.log"])
    followed += _follow(console, out, BIAS_DEG, str(model), log_level)
    summary = summarise(followed)
    with replacing(out / "summary.json", CrispIKError, "summary") as stream:
        stream.write(json.dumps(summary, indent=1).encode() + b"\n")
    with _step(console, "drawing the picture"):
        draw(followed, out / "demo.png")
    console.print(_table(summary))
    latency = summary["latency_ms"]
    console.print(f"/compute_ik round trip: p50 {latency['p50']:.2f} ms, p99 {latency['p99']:.2f} ms")
    console.print(f"Written: {out / 'summary.json'}, {out / 'demo.png'}")
    return summary


def summarise(followed: list[Followed]) -> dict[str, Any]:
    """Errors of each run, and the latency of the learned service.

    ``position_mm`` and ``orientation_mrad`` are of the true tool at the commanded configurations, ``tracking_mm`` of
    the tool of the simulated arm while it moves, all against the targets.
    """
    runs = []
    for run in followed:
        position, orientation = tool_errors(
            run.targets, true_robot(run.joint_bias_deg).forward_kinematics(run.configurations)
        )
        known = np.isfinite(run.measured).all(axis=(1, 2))
        tracking, _ = tool_errors(run.targets[known], run.measured[known])
        runs.append(
            {
                "trajectory": run.trajectory,
                "joint_bias_deg": run.joint_bias_deg,
                "method": run.method,
                "position_mm": _mean_and_max(position),
                "orientation_mrad": _mean_and_max(orientation),
                "tracking_mm": _mean_and_max(tracking),
            }
        )
    latencies = np.concatenate([run.latencies for run in followed if run.method == "crisp"])
    percentiles = {name: 1e3 * float(np.percentile(latencies, share)) for name, share in (("p50", 50), ("p99", 99))}
    return {"runs": runs, "latency_ms": percentiles}


def true_robot(joint_bias_deg: float) -> RobotModel:
    """Return the Panda as it is simulated: every joint off by this many degrees."""
    robot = RobotModel.panda()
    return robot.with_bias(*random_bias(robot.joints, np.deg2rad(joint_bias_deg), 0.0))


def draw(followed: list[Followed], path: Path) -> None:
    """Draw the biased arm, and the spiral as its tool draws it under both methods."""
    runs = {run.method: run for run in followed if run.joint_bias_deg and run.trajectory == "spiral"}
    captions = {}
    for method, run in runs.items():
        reached = true_robot(run.joint_bias_deg).forward_kinematics(run.configurations)
        mean = _mean_and_max(tool_errors(run.targets, reached)[0])["mean"]
        captions[f"{METHODS[method]}: {mean:.2g} mm off"] = reached
    learned = runs["crisp"]
    nominal = RobotModel.panda()
    with PyBulletArm(panda_urdf_path(), nominal, *random_bias(nominal.joints, np.deg2rad(BIAS_DEG), 0.0)) as arm:
        title = f"A Panda whose joints are all {BIAS_DEG:g}° off follows a spiral"
        draw_demo(arm, learned.targets, captions, learned.configurations[len(learned.configurations) // 4], title, path)


def _follow(console: Console, out: Path, joint_bias_deg: float, learned_model: str, log_level: str) -> list[Followed]:
    """Run the system with each method, both at once, and read their reports."""
    which = f"{joint_bias_deg:g} degree off" if joint_bias_deg else "as its URDF says"
    models = {"crisp": learned_model, "nominal": "nominal"}
    reports = {method: out / f"report_{method}_{joint_bias_deg:g}deg.json" for method in METHODS}
    logs = [f"{method}_{joint_bias_deg:g}deg.log" for method in METHODS]
    pages = _pages()
    for method, port in pages.items():
        console.print(f"      {METHODS[method]}, in a browser while it runs: {address(LOCAL, port)}")
    with _step(console, f"following spiral and circle, robot {which}: learned, and model-based"):
        processes = []
        for number, method in enumerate(METHODS):
            reports[method].unlink(missing_ok=True)
            options = {
                "--trajectory": "both",
                "--joint-bias-deg": str(joint_bias_deg),
                "--model": models[method],
                "--rate": str(RATE),
                "--report": str(reports[method]),
                "--log-level": log_level,
            }
            command = [sys.executable, "-m", "crisp_ik_ros.cli", "sim", "--no-loop", "--exit-when-done"]
            command += [text for pair in options.items() for text in pair]
            if method in pages:
                command += ["--view", "--no-open", "--view-port", str(pages[method])]
            processes.append(_start(command, out / logs[number], number))
        _wait(processes, out, logs)
    followed = []
    for method in METHODS:
        for run in json.loads(reports[method].read_text())["runs"]:
            followed.append(
                Followed(
                    run["trajectory"],
                    joint_bias_deg,
                    method,
                    np.array(run["targets"]),
                    np.array(run["configurations"], dtype=float),
                    np.array([np.full((4, 4), np.nan) if pose is None else pose for pose in run["measured"]]),
                    run["latencies"],
                )
            )
    return followed


def _pages() -> dict[str, int]:
    """Port of each method's page; none where the page cannot be, which is no reason for the demonstration to fail."""
    pages: dict[str, int] = {}
    try:
        require()
        for method in METHODS:
            pages[method] = free_port(LOCAL, max(pages.values(), default=FIRST_PORT - 1) + 1)
    except (MissingDependencyError, ResourceError):
        pass
    return pages


def _start(command: list[str], log: Path, number: int) -> subprocess.Popen:
    environment = dict(os.environ)
    # A domain of its own, on this machine only: the demonstration disturbs no robot and no other demonstration.
    environment["ROS_DOMAIN_ID"] = str(FIRST_DOMAIN + 2 * (os.getpid() % DOMAINS) + number)
    environment[
        "ROS_LOCALHOST_ONLY" if environment.get("ROS_DISTRO") == "humble" else "ROS_AUTOMATIC_DISCOVERY_RANGE"
    ] = "1" if environment.get("ROS_DISTRO") == "humble" else "LOCALHOST"
    with log.open("wb") as stream:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, env=environment
        )


def _wait(processes: list[subprocess.Popen], out: Path, logs: list[str]) -> None:
    """Wait for processes to end well; end them all when one fails, or when this one is interrupted."""
    try:
        for process, log in zip(processes, logs, strict=True):
            try:
                code = process.wait(SYSTEM_TIMEOUT)
            except subprocess.TimeoutExpired:
                raise CrispIKError(f"no end after {SYSTEM_TIMEOUT:g} s; see {out / log}") from None
            if code != 0:
                last = (out / log).read_text(errors="replace").strip().splitlines()[-3:]
                raise CrispIKError(f"a node failed (exit code {code}); see {out / log}\n" + "\n".join(last))
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            process.wait()


@contextmanager
def _step(console: Console, text: str) -> Iterator[None]:
    with console.status(text):
        yield
    console.print(f"[green]done[/green]  {text}")


def _mean_and_max(errors: Array) -> dict[str, float]:
    summary = Summary.of(errors, 1e3)
    return {"mean": summary.mean, "max": summary.max}


def _table(summary: dict[str, Any]) -> Table:
    table = Table(title="Error of the true tool against its target, mean (max)")
    for name in ("robot", "trajectory", "method"):
        table.add_column(name)
    for name in ("position [mm]", "orientation [mrad]", "arm in motion [mm]"):
        table.add_column(name, justify="right")
    for run in sorted(summary["runs"], key=lambda run: (run["joint_bias_deg"], run["trajectory"] != "spiral")):
        bias = run["joint_bias_deg"]
        cells = [f"{run[key]['mean']:.3f} ({run[key]['max']:.3f})" for key in ("position_mm", "orientation_mrad")]
        cells.append(f"{run['tracking_mm']['mean']:.2f} ({run['tracking_mm']['max']:.2f})")
        robot = f"{bias:g}° off" if bias else "as URDF"
        table.add_row(robot, run["trajectory"], METHODS[run["method"]], *cells)
    return table
