"""An end without a word for a node that gets a signal while it is being imported, which takes a second.

There is nothing to clear up then, and no node yet that could heed the signal. Only programs of this package do this,
until they have handlers of their own: the signals of a program that imports the package are its own.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

# A node runs as ``python -m crisp_ik_ros.nodes.NAME``, or as the executable ``lib/crisp_ik/NAME``.
MODULES = "crisp_ik_ros.nodes."
FOLDER = ("lib", "crisp_ik")


def is_node(arguments: list[str]) -> bool:
    """Whether a command line, with the interpreter at its beginning, is a node's."""
    for place, option in enumerate(arguments[1:], 2):
        if option == "-m":
            return "".join(arguments[place : place + 1]).startswith(MODULES)
        if not option.startswith("-"):
            return Path(option).parent.parts[-2:] == FOLDER
    return False


def end_quietly() -> None:
    """End the process with code 0 on SIGINT and SIGTERM, if it is a node's and nothing else heeds them."""
    if threading.current_thread() is not threading.main_thread() or not is_node(sys.orig_argv):
        return
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) == handler:
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(0)
