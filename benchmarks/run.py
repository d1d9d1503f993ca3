"""All benchmarks by name, each into a folder as JSON and PNG."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine
from benchmarks.names import by_name
from benchmarks.peers.base import Peer
from benchmarks.targets import targets_text
from crisp_ik_ros.experiments.steps import Progress

Result = dict[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: a module with run(quick, progress) -> dict and draw(result, path).

    Where it also has text(result), that is shown; a ``targets`` in its result goes to the table at the end.

    Attributes
    ----------
    name : str
        Of its files.
    title : str
    module : str
        Imported when it is wanted: what one of them needs, the others do without.
    with_peers : bool
        Whether its ``run`` takes ``peers``.
    """

    name: str
    title: str
    module: str
    with_peers: bool = False


BENCHMARKS = (
    Benchmark("tracking", "Warm tracking of the spiral", "benchmarks.tracking", with_peers=True),
    Benchmark("random_poses", "Random reachable poses without a seed", "benchmarks.random_poses", with_peers=True),
    Benchmark("batch", "Batch throughput", "benchmarks.batch"),
    Benchmark("training", "Training time and peak memory", "benchmarks.training"),
    Benchmark("prediction", "Prediction time against n", "benchmarks.prediction"),
    Benchmark("learned_kinematics", "Learned kinematics in the whole workspace", "benchmarks.learned_kinematics"),
    Benchmark("service", "Latency of the ROS 2 service", "benchmarks.service"),
)


def find_benchmarks(names: Sequence[str]) -> tuple[Benchmark, ...]:
    """Benchmarks by name; all of them where none is named.

    Raises
    ------
    InvalidInputError
        When there is none of that name.
    """
    return by_name(BENCHMARKS, names, "name") or BENCHMARKS


def run_benchmarks(
    benchmarks: Sequence[Benchmark],
    out: Path,
    quick: bool,
    peers: Sequence[Peer],
    command: str,
    progress: Callable[[str], Progress],
    say: Callable[[str], None],
) -> dict[str, Result]:
    """Run benchmarks one after the other and write each at once.

    Parameters
    ----------
    benchmarks : sequence of Benchmark
    out : Path
        Folder for the files; made where it does not exist.
    quick : bool
    peers : sequence of Peer
        Libraries to compare with.
    command : str
        That was given, for the files.
    progress : callable
        Called with a title; what it returns is called as progress(done, total).
    say : callable
        Called with what is to be shown.

    Returns
    -------
    dict
        What the JSON files hold, by name. A benchmark that cannot run here has ``not_run``, the reason, in place of
        its numbers.
    """
    out.mkdir(parents=True, exist_ok=True)
    machine = describe_machine()
    results: dict[str, Result] = {}
    for benchmark in benchmarks:
        begin = time.perf_counter()
        try:
            module = importlib.import_module(benchmark.module)
        except ImportError as error:
            result: Result = {"not_run": f"{type(error).__name__}: {error}"}
            say(f"\n{benchmark.title}: not run ({error})")
        else:
            more = {"peers": peers} if benchmark.with_peers else {}
            result = module.run(quick=quick, progress=progress(benchmark.title), **more)
            say(f"\n{benchmark.title}")
            for name, facts in result.get("peers", {}).items():
                if not facts["takes_part"]:
                    say(f"{name}: {facts['reason']}")
        result["run"] = {
            "command": command,
            "seconds": round(time.perf_counter() - begin, 1),
            "machine": machine,
        }
        # First what took long, then what can be made again from it.
        (out / f"{benchmark.name}.json").write_text(json.dumps(result, indent=1) + "\n")
        if "not_run" not in result:
            module.draw(result, out / f"{benchmark.name}.png")
            if hasattr(module, "text"):
                say(module.text(result))
        results[benchmark.name] = result
    targets = [target for result in results.values() for target in result.get("targets", [])]
    if targets:
        say(f"\n{targets_text(targets)}")
        if quick:
            say("With --quick, sizes are smaller than the targets': only a full run tells.")
    return results
