"""One mutant's tests, in a fork of this process: it has imported what takes long, and nothing of the package."""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

# What the package and its tests import, once for all mutants. Nothing here is used.
import hypothesis
import hypothesis.strategies
import numba.experimental.structref
import numpy as np  # noqa: F401
import pytest
import scipy.linalg
import scipy.optimize
import scipy.spatial
import scipy.stats  # noqa: F401
import threadpoolctl  # noqa: F401
import typer  # noqa: F401

PACKAGE = "crisp_ik_ros"
KILLED, SURVIVED, TIMEOUT = "killed", "survived", "timeout"
# Time that a mutant may wait, for what takes it one second of the processor: for locks, other processes, its turn.
WAITING = 15.0
# Address space of a mutant [bytes]: a changed size may ask for any.
MEMORY = 12 << 30
# Options that keep pytest from writing files, and from loading what the tests do not need.
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "--tb=no", "--no-header", "-W", "ignore")


class Verdict(NamedTuple):
    """Outcome of a trial, the first test that failed ("" where none did), and its time of the processor [s]."""

    outcome: str
    test: str
    seconds: float


class Tree:
    """A copy of the project, to be changed."""

    def __init__(self, project: Path, folder: Path):
        """Copy what is under version control, as it is now."""
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=project, check=True, capture_output=True, text=True).stdout.split("\0")
        for name in filter(None, names):
            if (project / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(project / name, folder / name)

    def path(self, module: str) -> Path:
        """File of a module."""
        return self.folder / PACKAGE / module

    def write(self, module: str, source: bytes) -> None:
        """Change a module, and forget its bytecode: that is told apart by whole seconds and the size only."""
        path = self.path(module)
        for cached in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            cached.unlink()
        path.write_bytes(source)


def attempt(tree: Tree, tests: Sequence[str], plain: bool, limit: float, changed: bool = True) -> Verdict:
    """Run tests until the first fails, as plain Python or compiled.

    Parameters
    ----------
    tree : Tree
    tests : sequence of str
        Arguments for pytest.
    plain : bool
        Whether nothing is compiled.
    limit : float
        Time of the processor [s], which does not depend on what else the machine does.
    changed : bool
        False where nothing is changed: then bytecode is kept.
    """
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    before = _processor_time()
    child = context.Process(target=_run, args=(tree.folder, list(tests), plain, limit, changed, sending))
    child.start()
    sending.close()
    try:
        child.join(WAITING * limit)
        ended = child.exitcode not in (None, -signal.SIGXCPU)
    finally:
        _end(child)
    seconds = _processor_time() - before
    if not ended:
        return Verdict(TIMEOUT, "", seconds)
    try:
        code, test = receiving.recv()
    except EOFError:
        # It crashed, without a word.
        return Verdict(KILLED, "the process", seconds)
    return Verdict(SURVIVED, "", seconds) if code == 0 else Verdict(KILLED, test, seconds)


def _processor_time() -> float:
    """Of all trials so far [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _end(child: Any) -> None:
    """End a trial with all processes that it has started."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        child.kill()
    child.join()


class _FirstFailure:
    """Plugin of pytest: remembers the first failure, and lets Hypothesis end at its first example that fails."""

    def __init__(self):
        self.test = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutation", hypothesis.settings(), phases=phases)
        hypothesis.settings.load_profile("mutation")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.test = self.test or report.nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.test = self.test or report.nodeid


def _run(folder: Path, tests: list[str], plain: bool, limit: float, changed: bool, sending: Any) -> None:
    """Run in the fork."""
    # A group of its own, so that all of it can be ended; the same session, or its niceness would not count.
    os.setpgid(0, 0)
    silence = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(limit), math.ceil(limit) + 10))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = changed
    numba.config.DISABLE_JIT = int(plain)  # type: ignore[attr-defined]
    cache = str(folder / "compiled")
    numba.config.CACHE_DIR = cache  # type: ignore[attr-defined]
    os.environ.update(
        PYTHONPATH=os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
        NUMBA_CACHE_DIR=cache,
        NUMBA_DISABLE_JIT=str(int(plain)),
    )
    if changed:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    first = _FirstFailure()
    try:
        code = int(pytest.main([*OPTIONS, *tests], plugins=[first]))
    except BaseException:  # such as an error at the import of conftest.py
        code = -1
    where = getattr(sys.modules.get(PACKAGE), "__file__", None)
    if where is not None and not Path(where).is_relative_to(folder):
        code, first.test = -2, f"imported {where}, expected it in {folder}"
    sending.send((code, first.test or "import"))
    sending.close()
    os._exit(0)
