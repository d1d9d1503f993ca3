"""How far the tool is from its targets: the true tool as it is measured, and the one the nominal model believes in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crisp_ik_ros.transforms import Array

# So many targets at the end of a path are drawn and plotted.
LONGEST = 2000


@dataclass(frozen=True)
class Errors:
    """Targets that were passed, and where the tool was then.

    Attributes
    ----------
    targets, reached : (n, 3)
        Base frame [m].
    """

    targets: Array
    reached: Array

    @property
    def distances(self) -> Array:
        """Errors (n,) [m]."""
        return np.linalg.norm(self.reached - self.targets, axis=1)

    def lines(self, scale: float) -> Array:
        """Segments (n, 2, 3) from each target towards the tool, ``scale`` times as long as the error [m]."""
        return np.stack([self.targets, self.targets + scale * (self.reached - self.targets)], axis=1)


def errors_of(targets: Array, reached: Array) -> Errors:
    """Errors of poses that were reached, the k-th at the k-th target, as far as both are known.

    Parameters
    ----------
    targets, reached : (n, 3), (m, 3)
        Base frame [m].
    """
    count = min(len(targets), len(reached))
    first = max(0, count - LONGEST)
    return Errors(targets[first:count], reached[first:count])
