"""What ``trajectory_follower`` may be doing."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """What the follower is doing, in words for a caller."""

    IDLE = "idle"
    WAITING = "waiting for the service, the joint states and a controller"
    FOLLOWING = "following"
    HELD = "at rest until service and joint states are back"
    SETTLING = "coming to rest"
    STOPPING = "slowing down to a stop"
