"""A thread for what takes long, beside the one that answers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

Steps = Generator[None, None, Any]
# What is called with a job's result, or with None and what it raised.
Done = Callable[[Any, "BaseException | None"], None]


class Worker:
    """Works on jobs in turn, a step of each: one that takes a minute does not hold up one that takes a second.

    Parameters
    ----------
    most : int
        Jobs at a time; more are refused.
    """

    def __init__(self, most: int):
        self._most = most
        self._jobs: deque[tuple[Steps, Done]] = deque()
        self._changed = threading.Condition()
        self._count, self._stopped = 0, False
        # A process does not wait for it: what it was at is of no use to anyone then.
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Jobs that are not done yet."""
        return self._count

    def submit(self, steps: Steps, done: Done) -> bool:
        """Begin a job; return whether there was room for it. ``done`` is called in the thread."""
        with self._changed:
            if self._count >= self._most or self._stopped:
                return False
            self._count += 1
            self._jobs.append((steps, done))
            self._changed.notify()
        return True

    def stop(self, patience: float) -> bool:
        """Begin no further step; return whether the last was over within a time [s]."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._jobs and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    return
                steps, done = self._jobs.popleft()
            result, error = None, None
            try:
                next(steps)
            except StopIteration as end:
                result = end.value
            except BaseException as raised:
                error = raised
            else:
                with self._changed:
                    self._jobs.append((steps, done))
                continue
            with self._changed:
                self._count -= 1
            done(result, error)
