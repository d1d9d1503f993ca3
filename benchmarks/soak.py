"""The whole system under load for half an hour: ``python -m benchmarks.soak``, or ``make soak``.

Service, simulator and follower run as a user starts them, the follower round and round; beside it clients, each a
process of its own, send requests on steady clocks. Minute for minute it is noted what came of the requests, how long
they took, and what memory and processor time each node has. What is promised of that stands in
``benchmarks.soak_verdicts``. Exit code: 0 where all of it holds, 1 where not.
"""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.machine import describe_machine
from benchmarks.service_client import cpu_time
from benchmarks.soak_verdicts import draw, verdicts
from benchmarks.targets import targets_text
from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.nodes.runner import command_of
from crisp_ik_ros.nodes.system import SystemArguments, panda_sim_system

ROOT = Path(__file__).resolve().parents[1]
# Time between two looks at the memory of the nodes, and longest wait for a node or a client [s].
BETWEEN_LOOKS, PATIENCE = 1.0, 300.0
# What a node writes to its log where something is wrong.
TROUBLE = re.compile(r"\[(WARN|ERROR|FATAL)\]|Traceback|code -?\d+: ")
READY = {"ik_service": "serving /compute_ik"}


class SoakError(CrispIKError, RuntimeError):
    """A process of the soak ended, or did not begin."""


class Running:
    """A process and its log."""

    def __init__(self, name: str, command: list[str], folder: Path, environment: dict[str, str]):
        self.name, self.log = name, folder / f"{name}.log"
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                command, stdout=stream, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=ROOT, env=environment,
                start_new_session=True,
            )  # fmt: skip

    @property
    def text(self) -> str:
        """What it has said."""
        return self.log.read_text(errors="replace")

    def require_alive(self) -> None:
        """Raise SoakError where it has ended."""
        if self.process.poll() is not None:
            raise SoakError(f"{self.name} ended with {self.process.returncode}:\n{self.text[-3000:]}")

    def wait_for(self, text: str) -> None:
        """Wait until it has said something."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.text:
            self.require_alive()
            if time.monotonic() > deadline:
                raise SoakError(f"{self.name} has not said {text!r} within {PATIENCE:g} s:\n{self.text[-3000:]}")
            time.sleep(0.05)

    def resident(self) -> float:
        """Resident memory [MiB]."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024.0
        return float("nan")

    def stop(self) -> int:
        """End it as Ctrl-C does; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(20.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def run_soak(seconds: float, window: float, rate: float, clients: int, model: str, folder: Path, say: Any) -> dict:
    """Run it, and return all that was noted.

    Parameters
    ----------
    seconds, window : float
        Length of the whole, and of what one row is about [s].
    rate : float
        Requests a second of each client.
    clients : int
    model : str
        As for ``crisp-ik sim``.
    folder : Path
        For the logs.
    say : callable
        Called as say(elapsed, rows) now and then.

    Raises
    ------
    SoakError
        When a process ends before its time.
    """
    environment = {
        **os.environ, "ROS_DOMAIN_ID": str(2 + os.getpid() % 98), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }  # fmt: skip
    arguments = SystemArguments(model=model, loop=True, rviz=False, robot_state_publisher=False)
    with ExitStack() as stack:

        def start(name: str, command: list[str]) -> Running:
            running = Running(name, command, folder, environment)
            stack.callback(running.stop)
            return running

        nodes = {spec.name: start(spec.name, command_of(spec)) for spec in panda_sim_system(arguments)}
        for name, text in READY.items():
            nodes[name].wait_for(text)
        asking = [
            start(f"client_{number}", [
                sys.executable, "-m", "benchmarks.soak_client", str(folder / f"client_{number}"), "--seed", str(number),
                "--rate", str(rate), "--seconds", str(seconds), "--window", str(window),
            ])
            for number in range(clients)
        ]  # fmt: skip
        for client in asking:
            client.wait_for("begins")
        # While everything starts at once, a node may well be late.
        before = {name: len(node.text) for name, node in nodes.items()}
        samples = watch(nodes, asking, folder, seconds, say)
        for client in asking:
            if client.process.wait(PATIENCE) != 0:
                raise SoakError(f"{client.name} ended with {client.process.returncode}:\n{client.text[-3000:]}")
        said = {name: node.text[before[name] :] for name, node in nodes.items()}
        trouble = {name: [line for line in text.splitlines() if TROUBLE.search(line)] for name, text in said.items()}
        followed = said["trajectory_follower"].count("targets solved")
        codes = {name: node.stop() for name, node in nodes.items()}
    return {
        "settings": {"seconds": seconds, "window_s": window, "rate_hz": rate, "clients": clients, "model": model},
        "machine": describe_machine(),
        "clients": {client.name: rows_of(folder / client.name) for client in asking},
        "nodes": samples,
        "trouble": {name: lines[:20] for name, lines in trouble.items()},
        "paths_followed": followed,
        "exit_codes": codes,
    }


def rows_of(file: Path) -> list[dict]:
    """Rows that a client has written so far."""
    path = file.with_suffix(".jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def watch(nodes: dict[str, Running], asking: list[Running], folder: Path, seconds: float, say: Any) -> dict:
    """Note memory and processor time of the nodes until the clients are done."""
    begin = time.monotonic()
    series: dict[str, dict[str, list[float]]] = {
        name: {"seconds": [], "resident_mib": [], "cpu_s": []} for name in nodes
    }
    while any(client.process.poll() is None for client in asking):
        elapsed = time.monotonic() - begin
        for name, node in nodes.items():
            node.require_alive()
            values = (elapsed, node.resident(), cpu_time(node.process.pid))
            for key, value in zip(series[name], values, strict=True):
                series[name][key].append(round(value, 3))
        say(elapsed, [rows_of(folder / client.name) for client in asking])
        if elapsed > seconds + PATIENCE:
            raise SoakError(f"the clients are not done {PATIENCE:g} s after their time")
        time.sleep(BETWEEN_LOOKS)
    return series


def write_table(result: dict, path: Path) -> None:
    """Write one row for each window: requests and latencies of each client, memory and processor of each node."""
    window = result["settings"]["window_s"]
    rows = []
    for index in range(min(map(len, result["clients"].values()))):
        row: dict[str, Any] = {"minute" if window == 60.0 else "window": index + 1}
        for name, windows in result["clients"].items():
            row |= {f"{name} {key}": value for key, value in windows[index].items() if key != "window"}
        for name, series in result["nodes"].items():
            times = np.array(series["seconds"])
            inside = np.flatnonzero((times >= index * window) & (times < (index + 1) * window))
            if len(inside):
                memory, cpu = (np.array(series[key])[inside] for key in ("resident_mib", "cpu_s"))
                spent = (cpu[-1] - cpu[0]) / max(times[inside[-1]] - times[inside[0]], 1e-9)
                row |= {f"{name} MiB": round(float(memory[-1]), 2), f"{name} cpu": round(float(spent), 3)}
        rows.append(row)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys(), restval="")
        writer.writeheader()
        writer.writerows(rows)


class Teller:
    """Prints a line for each window, and the time that is left on terminals."""

    def __init__(self, seconds: float, window: float):
        self.seconds, self.window, self.told = seconds, window, 0

    def __call__(self, elapsed: float, rows: list[list[dict]]) -> None:
        """Tell what is new."""
        while all(len(one) > self.told for one in rows):
            latest = [one[self.told] for one in rows]
            counts = " ".join(f"{row['answered']}/{row['sent']}" for row in latest)
            times = "  ".join(f"p50 {row['p50_ms']:.2f} p99 {row['p99_ms']:.2f} ms" for row in latest)
            errors = sum(row["errors"] + row["changed"] for row in latest)
            print(f"\r\033[K{self.told + 1:4d}  answered {counts}  errors {errors}  {times}", flush=True)
            self.told += 1
        if sys.stderr.isatty():
            left = max(0.0, self.seconds - elapsed)
            print(f"\r\033[K{left / 60.0:.0f} min left", end="", file=sys.stderr, flush=True)


def soak(
    minutes: Annotated[float, typer.Option(help="How long.")] = 30.0,
    window: Annotated[float, typer.Option(help="Seconds that one row is about.")] = 60.0,
    rate: Annotated[float, typer.Option(help="Requests a second of each client.")] = 100.0,
    clients: Annotated[int, typer.Option(help="Clients beside the follower.")] = 2,
    model: Annotated[str, typer.Option(help="As for crisp-ik sim.")] = "auto",
    out: Annotated[Path, typer.Option(help="Folder for JSON, CSV, PNG and logs.")] = Path("out/soak"),
) -> None:
    """Run service, simulator, follower and clients together, and say whether anything was lost, failed or grew."""
    out.mkdir(parents=True, exist_ok=True)
    # So that the nodes are ended then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    seconds = max(1, round(60.0 * minutes / window)) * window
    print(f"{seconds / 60.0:.3g} minutes, {clients} clients at {rate:g} requests a second")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            result = run_soak(seconds, window, rate, clients, model, folder, Teller(seconds, window))
        finally:
            for log in folder.glob("*.log"):
                (out / log.name).write_bytes(log.read_bytes())
    result["targets"] = [target.record() for target in verdicts(result)]
    (out / "soak.json").write_text(json.dumps(result, indent=1) + "\n")
    write_table(result, out / "soak.csv")
    draw(result, out / "soak.png")
    print(f"\n{targets_text(result['targets'])}\n\nWritten to {out}")
    # What a short run cannot tell has not failed.
    if any(target["met"] is False for target in result["targets"]):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line; expected errors become one line and exit code 1."""
    try:
        typer.run(soak)
    except CrispIKError as error:
        print(f"soak: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
