"""How the functions of the compiled search are compiled."""

from __future__ import annotations

from typing import Any

from numba import njit

_njit: Any = njit

# For functions that are called many times a request, and only read and write arrays given to them. Without ``_nrt``
# they count no references to those, and cannot make arrays of their own: with it the residual loss took 1.1 us and not
# 0.4, a step of the solver 0.9 us and not 0.6. "contract": products and sums may be one rounding, not two.
innermost: Any = _njit(cache=True, nogil=True, _nrt=False, fastmath={"contract"})

# For functions that innermost ones call and that make arrays: said aloud, or they would be compiled like their callers.
allocating: Any = _njit(cache=True, nogil=True, _nrt=True)


@innermost
def assign(out, values):
    """Write ``values`` (n,) to ``out`` (n,); a slice would allow for overlap, and make an array for it."""
    for i in range(values.shape[0]):
        out[i] = values[i]
