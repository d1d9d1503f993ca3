"""Options that benchmarks share: lists, and constructor arguments for experiments (``--set harmonics=40``)."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from inspect import signature
from typing import Any

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics

# Prefix of the names that belong to the priors.
PRIORS = "priors."


def add_set_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--set NAME=VALUE``, which may be repeated."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
        help="constructor argument of LearnedKinematics, such as harmonics=40 or priors.scale=1e-4; may be repeated",
    )  # fmt: skip


def constructor_arguments(assignments: Sequence[str]) -> dict[str, Any]:
    """Return the constructor arguments that NAME=VALUE texts stand for.

    Raises
    ------
    InvalidInputError
        When a text is no assignment, or there is no such argument.
    """
    found: dict[str, Any] = {}
    priors: dict[str, Any] = {}
    known = set(signature(LearnedKinematics.__init__).parameters) - {"self", "robot", "priors"}
    scales = {field.name for field in fields(Priors)}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidInputError("set", repr(text), "NAME=VALUE")
        of_priors = name.startswith(PRIORS)
        own = name.removeprefix(PRIORS)
        names = scales if of_priors else known
        if own not in names:
            raise InvalidInputError("set", repr(name), "one of " + ", ".join(sorted(names)))
        (priors if of_priors else found)[own] = _literal(value)
    if priors:
        found["priors"] = replace(Priors(), **priors)
    return found


def chosen(option: str, text: str, known: Iterable[str]) -> tuple[str, ...]:
    """Names of a list with commas.

    Raises
    ------
    InvalidInputError
        When one is not known, or there is none.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names or ("",):
        if name not in (allowed := list(known)):
            raise InvalidInputError(option, repr(name), "names out of " + ", ".join(allowed))
    return names


def whole_numbers(option: str, text: str, least: int = 1) -> tuple[int, ...]:
    """Numbers of a list with commas; InvalidInputError where one is below the least or there is none."""
    try:
        numbers = tuple(dict.fromkeys(int(part) for part in text.split(",") if part.strip()))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < least:
        raise InvalidInputError(option, repr(text), f"whole numbers of at least {least}, with commas between them")
    return numbers


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
