"""BLAS routines in place and without Python's lock, so that threads do run beside each other.

SciPy's own wrappers keep the lock while BLAS works. The routines are the ones that SciPy offers to Cython.
"""

from __future__ import annotations

import ctypes
from typing import Any

from scipy.linalg import cython_blas

from crisp_ik_ros.transforms import Array

_capsule_name = ctypes.pythonapi.PyCapsule_GetName
_capsule_name.restype, _capsule_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype, _capsule_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


def _routine(name: str) -> Any:
    capsule = cython_blas.__pyx_capi__[name]
    # Every argument is a pointer. A function called through ctypes runs without the lock.
    return ctypes.CFUNCTYPE(None)(_capsule_pointer(capsule, _capsule_name(capsule)))


_dgemm, _dtrsm, _dsyrk = _routine("dgemm"), _routine("dtrsm"), _routine("dsyrk")


def solve_lower(factor: Array, right: Array) -> None:
    """Replace ``right`` (m, k) by L^-1 right, L the lower triangle of ``factor`` (m, m)."""
    count, columns = right.shape
    assert factor.shape == (count, count)
    _dtrsm(b"L", b"L", b"N", b"N", _integer(count), _integer(columns), _number(1.0), *_place(factor), *_place(right))


def solve_lower_from_right(factor: Array, rows: Array) -> None:
    """Replace ``rows`` (k, m) by rows L^-T, L the lower triangle of ``factor`` (m, m)."""
    count, columns = rows.shape
    assert factor.shape == (columns, columns)
    _dtrsm(b"R", b"L", b"T", b"N", _integer(count), _integer(columns), _number(1.0), *_place(factor), *_place(rows))


def add_gram(tall: Array, gram: Array, scale: float = 1.0) -> None:
    """Add scale tall tall^T, of ``tall`` (m, k), to the lower triangle of ``gram`` (m, m)."""
    count, columns = tall.shape
    assert gram.shape == (count, count)
    if columns:
        sizes = _integer(count), _integer(columns)
        _dsyrk(b"L", b"N", *sizes, _number(scale), *_place(tall), _number(1.0), *_place(gram))


def subtract_product(left: Array, right: Array, out: Array) -> None:
    """Subtract left right^T, of (m, k) and (n, k), from ``out`` (m, n)."""
    count, columns = out.shape
    assert left.shape == (count, right.shape[1]) and len(right) == columns
    if left.shape[1]:
        sizes = _integer(count), _integer(columns), _integer(left.shape[1])
        _dgemm(b"N", b"T", *sizes, _number(-1.0), *_place(left), *_place(right), _number(1.0), *_place(out))


def _place(array: Array) -> tuple[Any, Any]:
    """Pointer to a matrix whose columns are contiguous, as in a block of one in Fortran order, and their distance."""
    # BLAS would write beyond the memory of anything else.
    down, across = array.strides
    assert array.dtype == float and array.flags.writeable
    assert (down == 8 or len(array) == 1) and across % 8 == 0 and across >= 8 * len(array)
    return ctypes.c_void_p(array.ctypes.data), _integer(across // 8)


def _integer(value: int) -> Any:
    return ctypes.byref(ctypes.c_int(value))


def _number(value: float) -> Any:
    return ctypes.byref(ctypes.c_double(value))
