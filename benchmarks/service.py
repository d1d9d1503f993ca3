"""The path of a request through ROS 2: latency beside an empty service's, whole paths, start, memory.

``ik_service`` runs as a user starts it, with the model that ships. The empty service is of the same type and answers
with the response as it was made; it runs in a process of its own, on the same executor and with the same queue. One
client, in a third process, sends both the same requests, 500 per second on a clock of its own (whether or not the last
is answered), to one service for some seconds, then to the other, in turn. Latency is from before the request is handed
to ROS 2 until the answer has come out of it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.targets import Target
from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.experiments.steps import Progress, Steps

ROOT = Path(__file__).resolve().parents[1]
RATE = 500.0
SECONDS, QUICK_SECONDS = 60.0, 5.0
BLOCK, QUICK_BLOCK = 5.0, 1.0
# What is measured, and its largest value.
TARGETS = {
    "lost": ("/compute_ik at 500 Hz, answers lost", 0.0),
    "ratio": ("/compute_ik at 500 Hz, median over an empty service's", 1.5),
    "p99_ms": ("/compute_ik at 500 Hz, 99th percentile [ms]", 2.0),
    "path_ms": ("/compute_ik_path, 1000 poses, median [ms]", 150.0),
    "ready_s": ("ik_service ready, compilation cached [s]", 3.0),
    "first_ready_s": ("ik_service ready, nothing compiled [s]", 25.0),
    "resident_mib": ("ik_service, resident memory [MiB]", 400.0),
}
STARTS = 3
PATIENCE = 600.0


class BenchmarkError(CrispIKError, RuntimeError):
    """A process of the benchmark did not do what it is for."""


@contextmanager
def process(module: str, *arguments: str, environment: dict[str, str], said: str) -> Iterator[subprocess.Popen]:
    """A module that runs as a process, from when it says a text until the block ends."""
    command = [sys.executable, "-m", module, *arguments]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=ROOT
    )
    assert running.stdout is not None
    try:
        lines = []
        for line in running.stdout:
            lines.append(line)
            if said in line:
                break
        else:
            raise BenchmarkError(f"{module} ended before it said {said!r}:\n{''.join(lines)}")
        yield running
    finally:
        running.send_signal(signal.SIGINT)
        try:
            running.communicate(timeout=20.0)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()


def service(environment: dict[str, str]):
    """The service as users start it."""
    return process("crisp_ik_ros.nodes.ik_service", environment=environment, said="serving /compute_ik")


def client(output: Path, *arguments: str, environment: dict[str, str]):
    """The client; it writes to ``output`` when it is done."""
    return process("benchmarks.service_client", str(output), *arguments, environment=environment, said="ready")


def answer_of(running: subprocess.Popen, output: Path) -> dict:
    """What a client measured."""
    text, _ = running.communicate(timeout=PATIENCE)
    if running.returncode != 0:
        raise BenchmarkError(f"the client ended with {running.returncode}:\n{text}")
    return json.loads(output.read_text())


def status_of(running: subprocess.Popen) -> dict[str, float | None]:
    """Resident memory now and at its highest [MiB]; None where the system does not tell."""
    names = {"VmRSS": "resident_mib", "VmHWM": "highest_resident_mib"}
    found: dict[str, float | None] = dict.fromkeys(names.values())
    try:
        lines = Path(f"/proc/{running.pid}/status").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        name, _, value = line.partition(":")
        if name in names:
            found[names[name]] = round(int(value.split()[0]) / 1024.0, 1)
    return found


def start_up(folder: Path, environment: dict[str, str]) -> dict:
    """Time from the start of the process until it says that it serves, and until its first answer [s]; memory.

    Between the two, DDS has to find the service: at once, or only with its next announcement after 3 s.
    """
    output = folder / "first.json"
    with client(output, "--first-answer", environment=environment) as asking:
        begin = time.monotonic()
        with service(environment) as serving:
            ready = time.monotonic() - begin
            first = answer_of(asking, output)
            status = status_of(serving)
    return {"ready_s": round(ready, 3), "first_answer_s": round(first["answered"] - begin, 3), **status}


def under_load(folder: Path, environment: dict[str, str], quick: bool) -> dict:
    """Latencies, whole paths, memory after them."""
    output = folder / "load.json"
    seconds, block = (QUICK_SECONDS, QUICK_BLOCK) if quick else (SECONDS, BLOCK)
    empty = process("benchmarks.empty_service", environment=environment, said="serving /empty_ik")
    with service(environment) as serving, empty as idle:
        ids = [str(serving.pid), str(idle.pid)]
        options = ["--seconds", str(seconds), "--block", str(block), "--rate", str(RATE), "--processes", *ids]
        with client(output, *options, environment=environment) as asking:
            return {**answer_of(asking, output), "memory": status_of(serving)}


def run(quick: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """Measure, and return figures beside their targets.

    Parameters
    ----------
    quick : bool
        Seconds of load and not minutes, and no start without the compilation cache.
    progress : callable, optional
        Called as progress(done, total).

    Raises
    ------
    BenchmarkError
        When a node does not start, or does not answer.
    """
    steps = Steps(STARTS + (2 if quick else 3), progress)
    # A domain of its own, and no other machine.
    environment = {
        **os.environ,
        "ROS_DOMAIN_ID": str(2 + os.getpid() % 98),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    with tempfile.TemporaryDirectory() as name:
        folder, starts = Path(name), []
        # This one may compile.
        with service(environment):
            steps()
        for _ in range(STARTS):
            starts.append(start_up(folder, environment))
            steps()
        cached, cold = min(starts, key=lambda one: one["first_answer_s"]), None
        if not quick:
            cold = start_up(folder, {**environment, "NUMBA_CACHE_DIR": str(folder / "cache")})
            steps()
        load = under_load(folder, environment, quick)
        steps()
    ik, empty, path = load["compute_ik"], load["empty_ik"], load["path"]
    figures = {
        "lost": ik["lost"],
        "ratio": round(ik["median_ms"] / empty["median_ms"], 3),
        "p99_ms": ik["p99_ms"],
        "path_ms": path["median_ms"],
        "ready_s": cached["ready_s"],
        "first_ready_s": cold and cold["ready_s"],
        "resident_mib": load["memory"]["resident_mib"],
    }
    return {
        "rate_hz": RATE,
        "compute_ik": ik,
        "empty": empty,
        "path": path,
        "start": {"cached": cached, "not_cached": cold},
        "memory": load["memory"],
        "figures": figures,
        "targets": [_target(*TARGETS[name], value).record() for name, value in figures.items()],
        "settings": {"quick": quick, "model": "the one that ships"},
    }


def _target(what: str, most: float, value: float | None) -> Target:
    measured = "not measured" if value is None else f"{value:.3g}"
    return Target(what, f"at most {most:g}", measured, None if value is None else value <= most)


def text(result: dict[str, Any]) -> str:
    """Table of latencies, and the times of whole paths."""
    lines = [f"{'':<16}{'median':>10}{'p90':>10}{'p99':>10}{'max':>10}{'lost':>6}  of"]
    for name, label in (("compute_ik", "/compute_ik"), ("empty", "empty service")):
        row = result[name]
        times = "".join(f"{row[key]:>7.2f} ms" for key in ("median_ms", "p90_ms", "p99_ms", "max_ms"))
        lines.append(f"{label:<16}{times}{row['lost']:>6}  {row['requests']}")
    path = result["path"]
    lines.append(f"/compute_ik_path, {path['poses']} poses: median {path['median_ms']:.0f} ms of {path['calls']} calls")
    return "\n".join(lines)


def draw(result: dict[str, Any], path: Path) -> None:
    """Picture of the shares of requests that take longer than a time, and of the times of whole paths."""
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    shares = np.linspace(1.0, 0.0, 1001)
    for name, label, color in (("compute_ik", "/compute_ik", "C0"), ("empty", "empty service", "0.5")):
        figures = result[name]
        label += f": median {figures['median_ms']:.2f} ms, p99 {figures['p99_ms']:.2f} ms, {figures['lost']} lost"
        left.plot(figures["quantiles_ms"][:-1], shares[:-1], color=color, label=label)
    limit = TARGETS["ratio"][1] * result["empty"]["median_ms"]
    left.plot(
        limit, 0.5, "v", color="C3", label=f"target for the median: {TARGETS['ratio'][1]:g} times the empty one's"
    )
    left.plot(TARGETS["p99_ms"][1], 0.01, "v", color="C1", label=f"target for p99: {TARGETS['p99_ms'][1]:g} ms")
    left.set(xscale="log", yscale="log", xlabel="latency [ms]", ylabel="share of requests that take longer")
    left.set_title(f"{result['rate_hz']:g} requests per second, {result['compute_ik']['requests']} to each")
    left.grid(alpha=0.3, which="both")
    left.legend(fontsize="small")
    calls = result["path"]
    right.hist(calls["times_ms"], bins=12, color="C0")
    right.axvline(TARGETS["path_ms"][1], color="C3", linestyle="--", label=f"target: {TARGETS['path_ms'][1]:g} ms")
    right.set(xlabel="time of a call [ms]", ylabel="calls", title=f"/compute_ik_path, {calls['poses']} poses")
    right.set_xlim(left=0.0)
    right.legend(fontsize="small")
    figure.savefig(path, dpi=130)
