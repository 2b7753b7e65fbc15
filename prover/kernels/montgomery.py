"""Modular arithmetic on ``uint32``: Montgomery multiplication with R = 2^32."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from circuits.field import P

Words = NDArray[np.uint32]

_P32 = np.uint32(P)
_P64 = np.uint64(P)
_NEGATIVE_INVERSE = np.uint32(-pow(P, -1, 2**32) % 2**32)
_SHIFT = np.uint64(32)
_LINE = 16  # words
R = 2**32 % P
R_SQUARED = np.uint32(R * R % P)
ONE = np.uint32(R)


@njit(inline="always")
def multiply(a: Any, b: Any) -> Any:
    """a * b / 2^32 mod p for a, b < p: the sum stays below p * p + 2^32 * p < 2^64."""
    product = np.uint64(a) * np.uint64(b)
    factor = np.uint64(np.uint32(np.uint32(product) * _NEGATIVE_INVERSE))
    reduced = np.uint32((product + factor * _P64) >> _SHIFT)
    return min(reduced, np.uint32(reduced - _P32))


@njit(inline="always")
def add(a: Any, b: Any) -> Any:
    """a + b mod p: the sum stays below 2^32, a wrapped difference is larger than the sum."""
    total = np.uint32(a + b)
    return min(total, np.uint32(total - _P32))


@njit(inline="always")
def subtract(a: Any, b: Any) -> Any:
    """a - b mod p."""
    difference = np.uint32(a - b)
    return min(difference, np.uint32(difference + _P32))


def aligned(shape: tuple[int, ...], zero: bool = False) -> Words:
    """A new array whose rows of sixteen words are whole cache lines: none is read in two pieces."""
    words = math.prod(shape)
    memory = (np.zeros if zero else np.empty)(words + _LINE, dtype=np.uint32)
    skip = -memory.ctypes.data // memory.itemsize % _LINE
    return memory[skip : skip + words].reshape(shape)


def to_montgomery(values: Any) -> Words:
    """Canonical values times 2^32 mod p (NumPy, for tables)."""
    canonical = np.asarray(values).astype(np.uint64)
    return (canonical * np.uint64(R) % np.uint64(P)).astype(np.uint32)
