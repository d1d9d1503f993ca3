"""Questions of which only the newest matters: one is on its way, one at most waits, and those between are left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Question = TypeVar("Question")


class Newest(Generic[Question]):
    """Asks the newest question as soon as the one before it is answered, or given up.

    Parameters
    ----------
    ask : callable
        Sends a question.
    patience : float
        An answer that takes longer is not waited for [s].

    Attributes
    ----------
    left_out : int
        Questions that a newer one has overtaken.
    """

    def __init__(self, ask: Callable[[Question], None], patience: float):
        self._ask, self._patience = ask, patience
        self._waiting: Question | None = None
        self._since: float | None = None
        self.left_out = 0

    @property
    def busy(self) -> bool:
        """Whether a question is on its way."""
        return self._since is not None

    def put(self, question: Question, now: float) -> None:
        """Ask, now or when the answer that is awaited is here; ``now`` is of a steady clock [s]."""
        if self._waiting is not None:
            self.left_out += 1
        self._waiting = question
        if not self.busy or self.overdue(now):
            self._next(now)

    def overdue(self, now: float) -> bool:
        """Whether the answer is not to be waited for any more."""
        return self._since is not None and now - self._since > self._patience

    def answered(self, now: float) -> None:
        """Note that the answer is here, or never will be."""
        self._since = None
        if self._waiting is not None:
            self._next(now)

    def drop(self) -> None:
        """Forget all questions: there is nobody to ask."""
        self._waiting = self._since = None

    def _next(self, now: float) -> None:
        question, self._waiting, self._since = self._waiting, None, now
        assert question is not None
        self._ask(question)
