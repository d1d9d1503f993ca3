"""How a part of a node is doing, without ROS: a level, words and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Level(IntEnum):
    """Levels of ``diagnostic_msgs/DiagnosticStatus``."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Health:
    """What one part of a node has to say about itself.

    Attributes
    ----------
    level : Level
    message : str
        One line.
    values : mapping of str to object
        Named values; what is no text is published as Python prints it.
    """

    level: Level = Level.OK
    message: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
