"""Fields of a model file's header, each of the type and in the range that it must have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crisp_ik_ros.files import shortened
from crisp_ik_ros.transforms import Array

# No name that a robot gives is longer.
LONGEST_TEXT = 10_000


def text(fields: dict[str, Any], name: str) -> str:
    """Text of a field; TypeError where it holds another type, KeyError where it is not there."""
    value = fields[name]
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise TypeError(f"{name}: got {shortened(repr(value))}, expected text of at most {LONGEST_TEXT} characters")
    return value


def texts(fields: dict[str, Any], name: str) -> tuple[str, ...]:
    """List of texts; a single text is none, though Python would take it for a list of characters."""
    values = fields[name]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name}: got {shortened(repr(values))}, expected a list of texts")
    return tuple(values)


def number(
    fields: dict[str, Any], name: str, lowest: float = -math.inf, largest: float = math.inf, not_known: bool = False
) -> float:
    """Finite number within bounds, of a field that is no truth value; with ``not_known`` NaN passes."""
    value = fields[name]
    if _is_number(value):
        # A whole number may be too large for a float.
        value = float(value)
        if (lowest <= value <= largest and math.isfinite(value)) or (not_known and math.isnan(value)):
            return value
    raise ValueError(f"{name}: got {shortened(repr(fields[name]))}, expected a number from {lowest:g} to {largest:g}")


def count(fields: dict[str, Any], name: str, least: int = 0, most: int = 1 << 53) -> int:
    """Whole number within bounds."""
    value = fields[name]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name}: got {shortened(repr(value))}, expected a whole number from {least} to {most}")
    return value


def numbers(fields: dict[str, Any], name: str, shape: tuple[int, ...]) -> Array:
    """Array of finite numbers of a shape, from lists of lists."""
    array = np.array(_checked(fields[name], name, shape), dtype=float).reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: got a value that is not finite")
    return array


def vector(fields: dict[str, Any], name: str, length: int) -> Array:
    """Row of so many finite numbers."""
    return numbers(fields, name, (length,))


def counts(fields: dict[str, Any], name: str, most: int) -> list[int]:
    """List of whole numbers, at least 0 and below ``most``."""
    values = fields[name]
    if not isinstance(values, list):
        raise TypeError(f"{name}: got {shortened(repr(values))}, expected a list of whole numbers")
    return [count({name: value}, name, 0, most - 1) for value in values]


def _checked(values: Any, name: str, shape: tuple[int, ...]) -> Any:
    if not shape:
        if not _is_number(values):
            raise TypeError(f"{name}: got {shortened(repr(values))}, expected a number")
        return values
    if not isinstance(values, list) or len(values) != shape[0]:
        raise ValueError(f"{name}: got {shortened(repr(values))}, expected {' x '.join(map(str, shape))} numbers")
    return [_checked(value, name, shape[1:]) for value in values]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
