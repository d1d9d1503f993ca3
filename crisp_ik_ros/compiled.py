"""How the functions of the compiled search are compiled."""

from __future__ import annotations

from typing import Any

from numba import njit

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


@inlined
def assign(out, values):
    """Write ``values`` (n,) to ``out`` (n,); a slice would allow for overlap, and make an array for it."""
    for i in range(values.shape[0]):
        out[i] = values[i]
