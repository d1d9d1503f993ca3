"""One fault of a set of samples, and the form in which its numbers are said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Faults with which a model would be worse than none.
WORTHLESS = frozenset({
    "wrong robot", "frozen measurement", "degrees for radians", "sliding joints in millimetres",
    "millimetres for metres", "centimetres for metres", "inches for metres", "swapped joints", "reversed joints",
    "sign of a joint", "zero of a joint", "quaternion order", "inverse poses", "inverse orientations",
    "Euler angle order", "orientation convention", "constant orientation",
})  # fmt: skip


@dataclass(frozen=True)
class Diagnosis:
    """One thing that is wrong.

    Attributes
    ----------
    name : str
        Short, and always the same for the same fault: "degrees for radians", "outliers".
    finding : str
        What was seen, with its numbers.
    advice : str
        What to do.
    rows : tuple of int
        Samples that it is about; empty for all of them.
    """

    name: str
    finding: str
    advice: str
    rows: tuple[int, ...] = ()

    @property
    def worthless(self) -> bool:
        """True where a model of such data would be worse than none: then training stops."""
        return self.name in WORTHLESS

    def __str__(self) -> str:
        return f"{self.name}: {self.finding}. {self.advice[:1].upper()}{self.advice[1:]}."


def millimeters(length: float) -> str:
    """Length [m] in millimeters, or in meters where it has one."""
    return f"{1e3 * length:.3g} mm" if length < 1.0 else f"{length:.3g} m"


def counted(number: int, what: str) -> str:
    """Number and noun, in the plural where there are several."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def listed(rows: Sequence[int] | np.ndarray) -> str:
    """First rows (k,) of some, and a sign that there are more."""
    if len(rows) > 5 and rows[-1] - rows[0] == len(rows) - 1:
        return f"rows {rows[0]} to {rows[-1]}"
    shown = ", ".join(str(row) for row in rows[:5])
    return f"row{'s' if len(rows) > 1 else ''} {shown}{', ...' if len(rows) > 5 else ''}"
