"""Extension polynomials in natural order as bit-reversed groups of base columns, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from circuits.field import DEGREE
from prover.kernels.montgomery import Words, aligned
from prover.kernels.ntt import bit_reversal
from prover.kernels.vector import LANES


@njit(cache=True, parallel=True)
def _gather(x: Any, order: Any, out: Any) -> None:
    for row in prange(out.shape[0]):
        for e in range(6):
            out[row, e] = x[order[row], e]


@njit(cache=True, parallel=True)
def _pack(parts: Any, order: Any, out: Any) -> None:
    for row in prange(out.shape[1]):
        at = order[row]
        for column in range(parts.shape[0] * 6):
            out[column // LANES, row, column % LANES] = parts[column // 6, at, column % 6]


def first_element(coefficients: Words) -> Words:
    """Natural-order (rows, 6) of the first six columns of one bit-reversed group (rows, 16)."""
    rows = len(coefficients)
    out = np.empty((rows, DEGREE), dtype=np.uint32)
    _gather(coefficients, bit_reversal(rows.bit_length() - 1), out)
    return out


def as_groups(parts: Words) -> Words:
    """Natural-order polynomials (count, rows, 6) as bit-reversed groups (groups, rows, 16).

    Coordinate e of polynomial k is column 6 k + e; behind the last is zero.
    """
    count, rows, _ = parts.shape
    out = aligned((-(-count * DEGREE // LANES), rows, LANES), zero=True)
    _pack(parts, bit_reversal(rows.bit_length() - 1), out)
    return out
