"""Compiles what a service needs into the cache, in a process of its own: ``python -m crisp_ik_ros.nodes.compiling``.

What the compiler leaves in the memory of its process is more than the service itself takes.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from crisp_ik_ros.estimators.search import search
from crisp_ik_ros.nodes.serving import NOMINAL, load_estimator, warm_up


def is_compiled() -> bool:
    """Whether the cache holds the search; a wrong answer costs memory or a second, and no more."""
    folder = search.stats.cache_path
    name = f"{search.py_func.__module__.rpartition('.')[2]}.{search.py_func.__name__}"
    return folder is not None and any(Path(folder).glob(f"{name}-*.nbi"))


def compile_aside() -> None:
    """Fill the cache, and wait for that. Where it does not work, the warm-up compiles instead."""
    subprocess.run([sys.executable, "-m", "crisp_ik_ros.nodes.compiling"], stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    # Ctrl-C comes to this process too: it is to end without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The types of all models are the same.
    warm_up(load_estimator(NOMINAL))
