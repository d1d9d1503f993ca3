"""Start, run and stop of a node: exit codes, signals, fatal errors without a traceback."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from typing import Any

import rclpy
from rclpy.exceptions import InvalidParameterValueException, ParameterException
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.task import Future

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.nodes.beginning import begin_ros

try:
    from rclpy.experimental import EventsExecutor
except ImportError:  # before Kilted
    EventsExecutor = None  # type: ignore[assignment]

# What a user can put right: shown as one line, without a traceback.
USER_ERRORS = (CrispIKError, ParameterException, InvalidParameterValueException)
# A signal is heeded after this time at the latest [s].
LONGEST_WAIT = 0.1
# The longest time that a node may take to bring to an end what it does [s].
LONGEST_WIND_DOWN = 1.0
# Time between two looks at a future that a callback waits for, where nothing else is to be done [s].
BETWEEN_LOOKS = 0.002


class Interrupted(BaseException):
    """A signal came before the node was ready."""


class Signals:
    """SIGINT and SIGTERM of a process: while a node is made they interrupt that, then they are only noted.

    Attributes
    ----------
    came : bool
        Whether there was one.
    """

    def __init__(self) -> None:
        self.came, self._interrupts = False, True
        self._hook, sys.unraisablehook = sys.unraisablehook, self._on_unraisable
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def note(self) -> None:
        """Interrupt nothing any more."""
        self._interrupts = False

    def _on_unraisable(self, unraisable: Any) -> None:
        """Say nothing of an interruption that met a callback of the compiler's, which cannot pass it on."""
        if not isinstance(unraisable.exc_value, Interrupted):
            self._hook(unraisable)

    def _on_signal(self, *_: object) -> None:
        interrupts, self._interrupts = self._interrupts, False
        self.came = True
        if interrupts:
            raise Interrupted


class ManagedNode(Node):
    """Node that can end itself.

    Attributes
    ----------
    finished : Future
        Set, to the exit code, to end the node.
    abandoned : bool
        Whether a thread is still at work when the node is closed: then the process ends without waiting for it.
    """

    abandoned = False

    def __init__(self, name: str):
        super().__init__(name)
        self.finished: Future = Future()

    def wind_down(self) -> bool:
        """Bring to an end what may not just be left, after a signal; called again and again until it returns True."""
        return True

    def close(self) -> None:
        """Release what is not ROS's."""


class Patiently:
    """``await Patiently(future)`` in a callback: other callbacks go on until the future is done.

    Its service or timer must be in a reentrant callback group. An executor comes back to a callback that waits as often
    as it can, and would take a whole core for that.
    """

    def __init__(self, future: Future):
        self._future = future

    def __await__(self) -> Generator[None, None, Any]:
        while not self._future.done():
            before = time.monotonic()
            yield
            if time.monotonic() - before < BETWEEN_LOOKS:
                time.sleep(BETWEEN_LOOKS)
        return self._future.result()


def make_executor() -> Executor:
    """Return the executor that the nodes run on: the one that waits for events where rclpy has it.

    The other builds a set of all that a node may wait for, in Python, before each callback: at 500 requests per second
    that is most of what a service does.
    """
    return SingleThreadedExecutor() if EventsExecutor is None else EventsExecutor()


def run_node(make: Callable[[], ManagedNode], name: str, args: list[str] | None = None) -> int:
    """Run a node until it ends itself, or SIGINT or SIGTERM comes.

    Parameters
    ----------
    make : callable
        Returns the node. A ``CrispIKError`` or a wrong parameter is logged as fatal.
    name : str
        For messages before there is a node.
    args : list of str, optional
        Command line; default: that of the process.

    Returns
    -------
    int
        Exit code: 0 after a signal, the node's own when it ended itself, 1 when it could not start.
    """
    node: ManagedNode | None = None
    executor: Executor | None = None
    code = 0
    signals = Signals()
    try:
        begin_ros(name, args)
        node = make()
        signals.note()
        executor = make_executor()
        executor.add_node(node)
        # What lives for ever need not be looked at again: with the libraries' objects in it, each full collection of
        # garbage would hold up the node for a tenth of a second, about once a second.
        gc.collect()
        gc.freeze()
        while not signals.came and not node.finished.done():
            # One callback at a time: as long as there are more, the events executor would not come back by itself.
            executor.spin_once(LONGEST_WAIT)
        latest = time.monotonic() + LONGEST_WIND_DOWN
        while not node.finished.done() and not node.wind_down() and time.monotonic() < latest:
            executor.spin_once(LONGEST_WAIT)
        code = int(node.finished.result() or 0) if node.finished.done() else 0
    except Interrupted:
        pass
    except USER_ERRORS as error:
        if not signals.came:
            get_logger(name).fatal(f"cannot start: {error}")
            code = 1
    except Exception:
        # A signal that comes while something is compiled shows as whatever the compiler makes of it.
        if not signals.came:
            raise
    finally:
        signals.note()
        # First of all: nothing is to come for a node that is being taken down.
        if executor is not None:
            executor.shutdown()
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
        ignore_signals()
    if node is not None and node.abandoned:
        # The interpreter would take away what the thread works with.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def ignore_signals() -> None:
    """Let nothing interrupt the end of the process.

    A launch that ends because one node has sends SIGINT to nodes that have had one already; while the interpreter takes
    itself down, that one would kill it.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
