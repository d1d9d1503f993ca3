"""Two ways to run cases: Atheris, which is led by the branches that are taken, and a loop that needs nothing.

Both count what must not be raised and go on, so that one fault does not hide the next.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import resource
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .files import forget_scratch
from .mutators import scrambled
from .targets import Target

# A case that takes longer is a finding [s]; and memory that a case may need beyond what was there [MiB].
LONGEST, MOST_MEMORY = 5.0, 256
# Faults of one kind whose input is kept.
KEPT = 3


@dataclass
class Outcome:
    """What became of the cases of one target.

    Attributes
    ----------
    target, engine : str
    seed, cases : int
    seconds : float
    slowest : float
        Longest case [s].
    faults : dict
        By kind: how often, and files of the inputs.
    """

    target: str
    engine: str
    seed: int
    cases: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    faults: dict[str, dict] = field(default_factory=dict)

    def record(self) -> dict:
        """As JSON."""
        return asdict(self)


class Case:
    """Runs one input after the other, and keeps those that raise what they must not."""

    def __init__(self, target: Target, outcome: Outcome, findings: Path):
        self.target, self.outcome, self.findings = target, outcome, findings
        self._memory = _highest_memory()

    def __call__(self, data: bytes) -> None:
        # The processor's time: on a busy machine any case may take long.
        begin = time.process_time()
        try:
            self.target.run(data)
        except Exception as error:
            self._keep(_kind(error), data, "".join(traceback.format_exception(error)))
        taken = time.process_time() - begin
        memory = _highest_memory()
        if taken > LONGEST:
            self._keep("too slow", data, f"{taken:.1f} s")
        if memory > self._memory + MOST_MEMORY:
            self._keep("too much memory", data, f"{memory - self._memory:.0f} MiB more")
        self._memory = max(memory, self._memory)
        self.outcome.cases += 1
        self.outcome.slowest = max(taken, self.outcome.slowest)

    def _keep(self, kind: str, data: bytes, words: str) -> None:
        fault = self.outcome.faults.setdefault(kind, {"count": 0, "words": words[-3000:], "inputs": []})
        fault["count"] += 1
        if len(fault["inputs"]) < KEPT:
            self.findings.mkdir(parents=True, exist_ok=True)
            file = self.findings / f"{self.target.name}-{hashlib.sha256(data).hexdigest()[:12]}"
            file.write_bytes(data)
            fault["inputs"].append(str(file))


def _kind(error: Exception) -> str:
    """Return type and place, which tell faults apart."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "crisp_ik_ros" in frame.filename] or frames
    if isinstance(error, AssertionError) and frames[-1].name == "require":
        return "broken promise: " + re.sub(r"-?\d+(\.\d*)?(e[-+]?\d+)?", "#", str(error))[:60]
    return f"{type(error).__name__} at {Path(ours[-1].filename).name}:{ours[-1].lineno}"


def _highest_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def run_plainly(
    target: Target, corpus: list[bytes], case: Case, runs: int, seed: int, tell: Callable[[], None]
) -> None:
    """Run mutations of a growing corpus that are drawn at random, the same for the same seed."""
    rng = random.Random(seed)
    pool = list(corpus)
    for data in corpus[:runs]:
        case(data)
    while case.outcome.cases < runs:
        data = rng.choice(pool)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            data = target.mutator(data, rng, lambda part: scrambled(part, rng))
        case(data)
        # Changes on top of changes reach farther; the whole inputs stay the most of it.
        if rng.random() < 0.02 and len(pool) < 4 * len(corpus):
            pool.append(data)
        tell()


def run_atheris(
    target: Target, corpus: list[bytes], case: Case, runs: int, seed: int, tell: Callable[[], None]
) -> None:
    """Run mutations that Atheris chooses; it ends the process, so that ``tell`` has to say what there is to say."""
    import atheris

    rng = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="crisp_ik_corpus_"))
    for number, data in enumerate(corpus):
        (folder / str(number)).write_bytes(data)

    def one(data: bytes) -> None:
        case(data)
        tell()

    def mutate(data: bytes, largest: int, number: int) -> bytes:
        drawn = random.Random(number ^ rng.getrandbits(32))
        result = target.mutator(data, drawn, lambda part: atheris.Mutate(part, max(len(part) + 64, 128)))
        return result if len(result) <= largest else data

    options = (
        f"-runs={runs}", f"-seed={max(seed, 1)}", "-max_len=262144", "-len_control=0", "-timeout=60", "-verbosity=0",
        "-rss_limit_mb=4096", "-print_final_stats=0", f"-artifact_prefix={case.findings}/{target.name}-",
    )  # fmt: skip
    atheris.Setup(["fuzz", *options, str(folder)], one, custom_mutator=mutate)
    atheris.Fuzz()


ENGINES = {"atheris": run_atheris, "plain": run_plainly}


def run(
    target: Target, corpus: list[bytes], engine: str, runs: int, seed: int, findings: Path,
    tell: Callable[[Outcome], None], pause: float = 1.0,
) -> None:  # fmt: skip
    """Run cases of a target; tell the outcome so far now and then, and at the end.

    The process is over after this: Atheris knows no other way.
    """
    warnings.simplefilter("ignore")
    outcome = Outcome(target.name, engine, seed)
    case = Case(target, outcome, findings)
    begin = told = time.monotonic()

    def now() -> None:
        nonlocal told
        outcome.seconds = time.monotonic() - begin
        done = outcome.cases >= runs
        if done or time.monotonic() > told + pause:
            told = time.monotonic()
            tell(outcome)
        if done:
            forget_scratch()
            os._exit(1 if outcome.faults else 0)

    ENGINES[engine](target, corpus, case, runs, seed, now)
    now()
