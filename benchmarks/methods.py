"""What all benchmarks compare: a named way from a pose to a configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from crisp_ik_ros.transforms import Array

# (pose (4, 4), start (J,) or None) -> configuration (J,), or None where it found none.
Solve = Callable[[Array, "Array | None"], "Array | None"]
# What a method is drawn as.
OURS, PEER, LIMIT, PAPER = "ours", "peer", "limit", "paper"


@dataclass(frozen=True)
class Method:
    """One competitor.

    Attributes
    ----------
    name : str
        Key in the JSON files.
    label : str
        As pictures and tables call it.
    group : str
        OURS, PEER, LIMIT or PAPER.
    how : str
        How it is configured, in a sentence for the reader.
    solve : callable
    every : int
        It has a turn at every so-manieth pose only: 1 unless it is slow. It then gets so many poses fewer, the first.
    """

    name: str
    label: str
    group: str
    how: str
    solve: Solve
    every: int = 1
