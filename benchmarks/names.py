"""Choosing by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from crisp_ik_ros.errors import InvalidInputError


class Named(Protocol):
    """What has a name."""

    @property
    def name(self) -> str:
        """Its name."""
        ...


Thing = TypeVar("Thing", bound=Named)


def by_name(things: Sequence[Thing], names: Sequence[str], argument: str) -> tuple[Thing, ...]:
    """Those of these names, in their order.

    Raises
    ------
    InvalidInputError
        When there is none of a name; ``argument`` is where that stood.
    """
    known = {thing.name: thing for thing in things}
    for name in names:
        if name not in known:
            raise InvalidInputError(argument, repr(name), " or ".join(known))
    return tuple(known[name] for name in names)
