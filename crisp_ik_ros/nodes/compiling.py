"""Compiles what a service needs into the cache, in other processes: ``python -m crisp_ik_ros.nodes.compiling``.

What the compiler leaves in the memory of its process is more than the service itself takes. And it works on one core:
a second process begins with what the first would do last.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from crisp_ik_ros.estimators.precompilation import compile_descent
from crisp_ik_ros.estimators.search import search
from crisp_ik_ros.nodes.serving import NOMINAL, load_estimator, warm_up

# Argument for the part that is compiled beside the rest.
DESCENT = "descent"


def is_compiled() -> bool:
    """Whether the cache holds the search; a wrong answer costs memory or a second, and no more."""
    folder = search.stats.cache_path
    name = f"{search.py_func.__module__.rpartition('.')[2]}.{search.py_func.__name__}"
    return folder is not None and any(Path(folder).glob(f"{name}-*.nbi"))


def compile_aside() -> None:
    """Fill the cache, on two cores, and wait for that. Where it does not work, the warm-up compiles instead."""
    command = [sys.executable, "-m", "crisp_ik_ros.nodes.compiling"]
    parts = [subprocess.Popen([*command, *part], stdin=subprocess.DEVNULL) for part in ((DESCENT,), ())]
    try:
        for part in parts:
            part.wait()
    finally:
        # Where the wait is interrupted, nobody wants to know any more.
        for part in parts:
            part.kill()
            part.wait()


def main(arguments: Sequence[str]) -> None:
    """Compile all, or only the last part of the search."""
    # Ctrl-C comes to this process too: it is to end without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The types of all models are the same.
    estimator = load_estimator(NOMINAL)
    if DESCENT in arguments:
        compile_descent(estimator)
    else:
        warm_up(estimator)


if __name__ == "__main__":
    main(sys.argv[1:])
