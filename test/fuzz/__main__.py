"""Run cases of one reader, of some, or of all: ``python -m fuzz urdf --runs 10000`` from the folder ``test``."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all, each with its share of the runs")
    parser.add_argument("--runs", type=int, default=10_000, help="cases in all")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same cases (of the plain engine)")
    parser.add_argument("--engine", choices=("auto", "atheris", "plain"), default="auto")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes at once")
    parser.add_argument("--out", type=Path, help="JSON file of the outcome")
    parser.add_argument("--findings", type=Path, help="folder for inputs that fail; default: a temporary one")
    parser.add_argument("--list", action="store_true", help="list the targets")
    parser.add_argument("--input", type=Path, help="run this one file, and let it raise")
    return parser.parse_args()


class Job:
    """One target in a process of its own, forked when everything is imported."""

    def __init__(self, target, corpus, engine, runs, seed, findings):
        from .engines import Outcome, run

        self.target, self.runs = target, runs
        self.outcome = Outcome(target.name, engine, seed)
        self.code: int | None = None
        self._buffer = b""
        self.pipe, inner = os.pipe()
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  (the process writes to it until it is over)
        self.process = os.fork()
        if self.process:
            os.close(inner)
            os.set_blocking(self.pipe, False)
            return
        code = 3
        try:
            # What the engines and libraries print would stand between the lines of the table.
            for stream in (1, 2):
                os.dup2(self.log.fileno(), stream)
            run(
                target,
                corpus,
                engine,
                runs,
                seed,
                findings,
                lambda o: os.write(inner, json.dumps(o.record()).encode() + b"\n"),
            )
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def poll(self) -> bool:
        """Take what it says; whether it is over."""
        from .engines import Outcome

        over, status = os.waitpid(self.process, os.WNOHANG)
        try:
            while block := os.read(self.pipe, 1 << 16):
                self._buffer += block
        except BlockingIOError:
            pass
        *lines, self._buffer = self._buffer.split(b"\n")
        if lines:
            self.outcome = Outcome(**json.loads(lines[-1]))
        if not over:
            return False
        self.code = os.waitstatus_to_exitcode(status)
        if self.code not in (0, 1) or self.outcome.cases < self.runs:
            self.log.seek(0)
            words = self.log.read().decode(errors="replace")[-3000:]
            self.outcome.faults["the process died"] = {
                "count": 1,
                "words": f"exit code {self.code}\n{words}",
                "inputs": [],
            }
        os.close(self.pipe)
        self.log.close()
        return True


def main() -> int:
    """Run; 1 where something was found."""
    given = arguments()
    engine = given.engine
    if engine == "auto":
        engine = "atheris" if importlib.util.find_spec("atheris") else "plain"
    from .instrumentation import instrumented

    with instrumented(engine):
        from .targets import TARGETS
    chosen = [target for target in TARGETS if not given.targets or target.name in given.targets]
    unknown = set(given.targets) - {target.name for target in TARGETS}
    if unknown or given.list:
        names = ", ".join(target.name for target in TARGETS)
        print(f"targets: {names}" if not unknown else f"no target {', '.join(sorted(unknown))}; there are {names}")
        return 2 if unknown else 0
    if given.input is not None:
        for target in chosen:
            target.run(given.input.read_bytes())
        return 0
    findings = given.findings or Path(tempfile.mkdtemp(prefix="crisp_ik_findings_"))
    findings.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    outcomes = run_all(chosen, engine, given, findings)
    seconds = time.monotonic() - begin
    cases, faults = sum(o.cases for o in outcomes), sum(len(o.faults) for o in outcomes)
    print(f"{cases} cases in {seconds:.0f} s with {engine}, seed {given.seed}: {faults} kinds of faults")
    if faults:
        print(f"inputs in {findings}; again: python -m fuzz TARGET --input FILE")
    record = {
        "engine": engine,
        "seed": given.seed,
        "cases": cases,
        "seconds": round(seconds, 1),
        "kinds of faults": faults,
    }
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps({**record, "targets": [o.record() for o in outcomes]}, indent=1) + "\n")
    return 1 if faults else 0


def run_all(chosen, engine, given, findings):
    """Run the targets, some at once, the longest first; return their outcomes."""
    from .files import forget_scratch

    with tempfile.TemporaryDirectory() as folder:
        corpora = {}
        for target in chosen:
            corpora[target.name] = target.seeds(Path(folder))
            for data in corpora[target.name]:
                target.run(data)
    forget_scratch()  # each process makes one of its own
    whole = sum(target.share for target in chosen)
    waiting = [
        (target, max(len(corpora[target.name]) + 1, round(given.runs * target.share / whole))) for target in chosen
    ]
    running: list[Job] = []
    outcomes = []
    while waiting or running:
        while waiting and len(running) < given.jobs:
            target, runs = waiting.pop(0)
            running.append(Job(target, corpora[target.name], engine, runs, given.seed, findings))
        time.sleep(0.05)
        for job in [job for job in running if job.poll()]:
            running.remove(job)
            outcomes.append(job.outcome)
            print(line(job.outcome), flush=True)
        if sys.stderr.isatty():
            done = ", ".join(f"{job.target.name} {job.outcome.cases}/{job.runs}" for job in running)
            print(f"\r\033[K{done}", end="" if running else "\r", file=sys.stderr, flush=True)
    return outcomes


def line(outcome) -> str:
    """Line of the table, and the faults below it."""
    rate = outcome.cases / outcome.seconds if outcome.seconds else 0.0
    text = f"{outcome.target:14} {outcome.cases:8} cases {rate:7.0f}/s, longest {1e3 * outcome.slowest:6.1f} ms"
    for kind, fault in outcome.faults.items():
        text += f"\n  {fault['count']:6} x {kind}\n" + "".join(
            f"      {words}\n" for words in fault["words"].splitlines()[-6:]
        )
    return text


if __name__ == "__main__":
    sys.exit(main())
