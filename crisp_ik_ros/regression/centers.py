"""Which samples become Nystrom centers."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.errors import InvalidInputError


def choose_centers(count: int, centers: int, random_state: int = 0) -> np.ndarray:
    """Indices (centers,), ascending, of samples drawn uniformly without replacement from ``count``.

    Raises
    ------
    InvalidInputError
        When more centers are asked for than there are samples.
    """
    if not 1 <= centers <= count:
        raise InvalidInputError("centers", centers, f"between 1 and the number of samples, {count}")
    return np.sort(np.random.default_rng(random_state).choice(count, centers, replace=False))
