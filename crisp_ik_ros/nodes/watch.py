"""Signs of life of those a motion depends on, and jumps of the clock that it is timed with."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.transforms import Array

SERVICE, JOINTS = "the service", "the joint states"
# A wall clock that disagrees with the steady one by more was set; simulated time may come in steps of this size [s].
LARGEST_STEP, LARGEST_SIMULATED_STEP = 0.05, 0.2

# A command may get lost, and the arm then rests where it should move; twice in a row it is its joint states that froze.
FROZEN = 2
# Or the commands still come too late, on a machine that is held up: that is tried after this time, then after twice
# that, and so on [s].
DOUBT = 3.0


class Watch:
    """When the service and the joint states were last heard, on a steady clock.

    Parameters
    ----------
    patience : float
        Longest silence [s].
    """

    def __init__(self, patience: float):
        self._patience = patience
        self._heard = {SERVICE: -np.inf, JOINTS: -np.inf}
        self._since = 0.0
        self._stamp: int | None = None
        self._values: Array | None = None
        self._suspect, self._frozen, self._doubted = False, 0, -np.inf

    def answered(self, steady: float) -> None:
        """Note an answer of the service, which was alive at a time [s]."""
        self._hear(SERVICE, steady)

    def measured(self, steady: float, stamp: int, values: ArrayLike, must_change: bool) -> bool:
        """Note joint states at a time [s]; return whether they are a sign of life.

        Parameters
        ----------
        steady : float
        stamp : int
            Of the message [ns]. One that does not change says that its sender repeats itself; 0 says nothing.
        values : (J,)
        must_change : bool
            Whether the arm is moving: then the same values again are no sign of life. At rest they are, but not after
            the arm was lost ``FROZEN`` times because of them, for a while that is longer each time.
        """
        values = np.asarray(values, dtype=float)
        if stamp and stamp == self._stamp:
            return False
        self._stamp = stamp
        changed = self._values is None or not np.array_equal(values, self._values)
        self._values = values
        if changed:
            self._frozen, self._suspect, self._doubted = 0, False, -np.inf
        elif must_change:
            self._suspect = True
            return False
        elif steady < self._doubted:
            return False
        self._hear(JOINTS, steady)
        return True

    @property
    def deadline(self) -> float:
        """Steady time by which the arm has to be at rest where nothing more is heard [s]."""
        return self.oldest + self._patience

    @property
    def oldest(self) -> float:
        """Time at which the one was heard that has been silent for longer [s]."""
        return min(self._heard.values())

    def age(self, steady: float, name: str) -> float:
        """Seconds since one of them was heard."""
        return steady - self._heard[name]

    def silent(self, steady: float) -> list[str]:
        """Names of those that have been silent for too long."""
        return [name for name, heard in self._heard.items() if steady - heard > self._patience]

    def well(self, steady: float, duration: float) -> bool:
        """Whether both have been heard for so long since the last loss, and are no older than that [s]."""
        if self.silent(steady):
            self.count_anew(steady)
        return steady - self._since > duration > steady - self.oldest

    def count_anew(self, steady: float) -> None:
        """Begin anew to count how long all has been well."""
        self._since = steady

    def excuse(self, duration: float) -> None:
        """Note that nobody has listened for a time [s]: what was not heard then is no silence."""
        self._heard = {name: heard + duration for name, heard in self._heard.items()}

    def lost(self, steady: float) -> None:
        """Note that the motion had to be halted."""
        self._frozen += self._suspect
        if self._suspect and self._frozen >= FROZEN:
            self._doubted = steady + DOUBT * 2.0 ** (self._frozen - FROZEN)
        self._suspect = False
        self.count_anew(steady)

    def _hear(self, name: str, steady: float) -> None:
        self._heard[name] = max(steady, self._heard[name])


class Timeline:
    """Tells jumps of a clock from time that passes.

    Parameters
    ----------
    simulated : bool
        Whether the clock is simulated time, which may stand still, and run faster or slower than real time.
    """

    def __init__(self, simulated: bool):
        self._simulated = simulated
        self._now: int | None = None
        self._steady = 0.0

    def advance(self, now: int, steady: float) -> tuple[float, bool]:
        """Seconds by which the clock has moved since the last call, and whether that was a jump.

        Parameters
        ----------
        now : int
            Time on the clock [ns].
        steady : float
            Time on a steady clock [s].
        """
        if self._now is None:
            self._now, self._steady = now, steady
        step, real = 1e-9 * (now - self._now), steady - self._steady
        self._now, self._steady = now, steady
        if self._simulated:
            return step, step < 0.0 or step > LARGEST_SIMULATED_STEP + real
        return step, abs(step - real) > LARGEST_STEP
