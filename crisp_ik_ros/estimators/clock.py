"""A steady clock for compiled code."""

from __future__ import annotations

import sys
from typing import Any

from numba import types

from crisp_ik_ros.compiled import entry

# The C library's clock_gettime, found by name when compiled code is loaded; a function pointer could not be cached.
_clock_gettime: Any = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.CPointer(types.int64)))
_MONOTONIC = 6 if sys.platform == "darwin" else 1


@entry
def seconds(scratch):
    """Time [s] of a clock that is never set; ``scratch`` is two whole numbers (2,) int64."""
    _clock_gettime(_MONOTONIC, scratch.ctypes)
    return scratch[0] + 1e-9 * scratch[1]
