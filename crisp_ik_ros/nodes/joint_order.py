"""Joint names in the order they arrive, and in the order the robot has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from crisp_ik_ros.errors import InvalidInputError, quoted

# Characters of the names that are quoted.
LONGEST_LIST = 150


def indices_of(names: Sequence[str], wanted: Sequence[str], label: str, others_allowed: bool = True) -> list[int]:
    """Return where each wanted joint stands among ``names``.

    Raises
    ------
    InvalidInputError
        When a name occurs twice, a wanted joint is missing, or there are others and they are not allowed.
    """
    if list(names) == list(wanted):
        return list(range(len(wanted)))
    places = {name: index for index, name in enumerate(names)}
    if len(places) != len(names):
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        raise InvalidInputError(
            label, f"joint {quoted(', '.join(twice), LONGEST_LIST)} more than once", "every joint once"
        )
    missing = [name for name in wanted if name not in places]
    if missing:
        others = sorted(set(names) - set(wanted))
        got = f"no {', '.join(missing)}" + (f" (but {quoted(', '.join(others), LONGEST_LIST)})" if others else "")
        raise InvalidInputError(label, got, f"the joints {', '.join(wanted)}")
    if not others_allowed and len(names) > len(wanted):
        raise InvalidInputError(label, ", ".join(sorted(set(names) - set(wanted))), f"only {', '.join(wanted)}")
    return [places[name] for name in wanted]
