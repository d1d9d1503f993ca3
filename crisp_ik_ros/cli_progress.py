"""Progress of long work on stderr: bars with the time left on a terminal, now and then a line in a log file."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn

Callback = Callable[[int, int], None]
# Between two lines of a log file [s]; after the first minute, once in that time or when so much more is done.
LINE_EVERY, LINE_LATER, LINE_SHARE = 10.0, 60.0, 0.1


@contextmanager
def progress_bars(quiet: bool = False, measuring: bool = False) -> Iterator[Callable[[str], Callback]]:
    """Give what begins a piece of work with a name, and returns what is told of its progress: progress(done, total).

    One piece is shown at a time, until it is done or the next begins; one whose callback is not called yet shows that
    it goes on, and for how long.

    Parameters
    ----------
    quiet : bool
        Whether nothing is to be written where stderr is no terminal.
    measuring : bool
        Whether the work measures times: then the bar moves only when it is told of progress, and not beside the work.
    """
    shown: _Bars | _Lines | None = None
    if sys.stderr.isatty():
        shown = _Bars(measuring)
    elif not quiet:
        shown = _Lines()
    if shown is None:
        yield lambda label: lambda done, total: None
        return
    try:
        yield shown.begin
    finally:
        shown.end()


class _Bars:
    def __init__(self, measuring: bool) -> None:
        self._measuring = measuring
        self._progress: Progress | None = None

    def begin(self, label: str) -> Callback:
        self.end()
        progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(20), TaskProgressColumn(),
            TimeElapsedColumn(), TextColumn("left"), TimeLeftColumn(),
            console=Console(stderr=True), transient=True, redirect_stdout=False,
            auto_refresh=not self._measuring, refresh_per_second=4,
        )  # fmt: skip
        task = progress.add_task(label, total=None)
        progress.start()
        self._progress = progress

        def tell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, refresh=self._measuring)
            if done >= total:
                progress.stop()

        return tell

    def end(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class _Lines:
    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._label, self._share, self._begin = "", 0.0, 0.0
        self._told: tuple[float, float] = (0.0, 0.0)

    def begin(self, label: str) -> Callback:
        self._label, self._share, self._begin = label, 0.0, time.monotonic()
        self._told = (self._begin, 0.0)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

        def tell(done: int, total: int) -> None:
            if self._label == label:
                self._share = done / max(total, 1)
                if done >= total:
                    self._label = ""

        return tell

    def end(self) -> None:
        self._label = ""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(LINE_EVERY):
            label, share, now = self._label, self._share, time.monotonic()
            last, told = self._told
            early = now - self._begin <= LINE_LATER
            if label and (early or share - told >= LINE_SHARE or now - last >= LINE_LATER):
                self._told = (now, share)
                print(f"{label}: {_words(share, now - self._begin)}", file=sys.stderr, flush=True)


def _words(share: float, seconds: float) -> str:
    if not share:
        return f"{seconds:.0f} s so far"
    return f"{share:.0%} after {seconds:.0f} s, about {seconds * (1.0 - share) / share:.0f} s left"
