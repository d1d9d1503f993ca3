"""Progress of work that has several parts."""

from __future__ import annotations

from collections.abc import Callable

# Called as progress(done, total).
Progress = Callable[[int, int], None]


class Steps:
    """Counts finished steps of all parts together and reports them.

    An instance is itself a progress callback: a part that reports its own numbers advances the whole by one.

    Parameters
    ----------
    total : int
    progress : callable, optional
        Called as progress(done, total).
    """

    def __init__(self, total: int, progress: Progress | None):
        self.total = total
        self.done = 0
        self.progress = progress

    def __call__(self, *_: int) -> None:
        """Count one step."""
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)
