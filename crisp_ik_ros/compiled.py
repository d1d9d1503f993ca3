"""How the functions of the compiled search are compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numba import njit

from crisp_ik_ros.compilation_cache import use_cache

# Before the first compiled function is defined.
use_cache(Path(__file__).resolve().parent)

_njit: Any = njit


def compiled(**options: Any) -> Any:
    """Decorate a function to be compiled at its first call, kept between runs, and run without Python's lock."""
    # Nothing calls them from C.
    return _njit(cache=True, nogil=True, no_cfunc_wrapper=True, **options)


# For functions that Python calls.
entry = compiled()

# "contract": products and sums may be one rounding, not two.
_FAST = {"contract"}

# For functions that are called many times a request, and only read and write arrays given to them. Without ``_nrt``
# they count no references to those, and cannot make arrays of their own: with it the residual loss took 1.1 us and not
# 0.4, a step of the solver 0.9 us and not 0.6.
innermost = compiled(_nrt=False, fastmath=_FAST)

# The same for small functions: they become part of their callers' code and are not compiled and linked on their own,
# which takes a tenth of a second for each of the levels above. For large ones that would take longer.
inlined = compiled(_nrt=False, fastmath=_FAST, inline="always")

# For functions that innermost ones call and that make arrays: said aloud, or they would be compiled like their callers.
allocating = compiled(_nrt=True, fastmath=_FAST)

# Where sums may be taken in any order, so that they run in vector registers; the inputs are finite.
_VECTORISED = {"reassoc", "contract", "nnan", "nsz"}
vectorised = compiled(_nrt=False, fastmath=_VECTORISED)
allocating_vectorised = compiled(_nrt=True, fastmath=_VECTORISED)

# 2^52 * 1.5: adding it rounds to a whole number, which then stands in the lowest bits.
_ROUND = 6755399441055744.0
_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10


@inlined
def assign(out, values):
    """Write ``values`` (n,) to ``out`` (n,); a slice would allow for overlap, and make an array for it."""
    for i in range(values.shape[0]):
        out[i] = values[i]


@innermost
def exponentials(values, power, bits, count):
    """Replace the first ``count`` of ``values``, all at most 0, by their exponentials, to 1e-15.

    Written out, because a call of the library's function for every number cannot run in vector registers. ``power`` and
    ``bits`` are the same memory, as numbers and as whole numbers.
    """
    for i in range(count):
        x = max(values[i], -700.0)
        rounded = x * _LOG2_E + _ROUND
        power[i] = rounded
        whole = rounded - _ROUND
        r = (x - whole * _LN2_HIGH) - whole * _LN2_LOW
        p = 1.0 / 6227020800.0
        p = p * r + 1.0 / 479001600.0
        p = p * r + 1.0 / 39916800.0
        p = p * r + 1.0 / 3628800.0
        p = p * r + 1.0 / 362880.0
        p = p * r + 1.0 / 40320.0
        p = p * r + 1.0 / 5040.0
        p = p * r + 1.0 / 720.0
        p = p * r + 1.0 / 120.0
        p = p * r + 1.0 / 24.0
        p = p * r + 1.0 / 6.0
        p = p * r + 0.5
        values[i] = (p * r + 1.0) * r + 1.0
    for i in range(count):
        bits[i] = (bits[i] << 52) + (1023 << 52)
    for i in range(count):
        values[i] *= power[i]
