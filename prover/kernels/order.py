"""Extension polynomials in natural order as bit-reversed groups of base columns, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from circuits.field import DEGREE, P, inverse, root_of_unity
from prover.kernels.montgomery import Words, add, aligned, multiply, subtract, to_montgomery
from prover.kernels.ntt import bit_reversal, coset_factors, interpolate
from prover.kernels.vector import LANES


@njit(cache=True, parallel=True)
def _join(x: Any, order: Any, factors: Any, turn: Any, scales: Any, out: Any) -> None:
    rows = order.shape[0]
    for row in prange(rows):
        at = order[row]
        for e in range(6):
            a = multiply(x[0, row, e], factors[0, row])
            b = multiply(x[0, row, 6 + e], factors[1, row])
            c = multiply(x[1, row, e], factors[2, row])
            d = multiply(x[1, row, 6 + e], factors[3, row])
            even, odd = add(a, c), add(b, d)
            first, second = subtract(a, c), multiply(subtract(b, d), turn)
            out[at, e] = multiply(add(even, odd), scales[0])
            out[rows + at, e] = multiply(add(first, second), scales[1])
            out[2 * rows + at, e] = multiply(subtract(even, odd), scales[2])
            out[3 * rows + at, e] = multiply(subtract(first, second), scales[3])


@njit(cache=True, parallel=True)
def _pack(parts: Any, order: Any, out: Any) -> None:
    for row in prange(out.shape[1]):
        at = order[row]
        for column in range(parts.shape[0] * 6):
            out[column // LANES, row, column % LANES] = parts[column // 6, at, column % 6]


def interpolate_four(values: Words, shift: int) -> Words:
    """Natural-order coefficients (4 N, 6) from values on shift * <w>, w of order 4 N.

    Coset k, whose row i is natural index 4 i + k, is six columns from lane 6 (k mod 2) of group
    k // 2 on: (2, N, 16), which are lost.
    """
    rows = values.shape[1]
    log2_rows = rows.bit_length() - 1
    interpolate(values)
    # now the polynomial modulo X^N - c_k, c_k = shift^N i^k, at shift * w^k * X
    starts = [shift * pow(root_of_unity(log2_rows + 2), k, P) % P for k in range(4)]
    factors = np.stack([coset_factors(log2_rows, inverse(start)) for start in starts])
    power, turn = inverse(pow(shift, rows, P)), inverse(root_of_unity(2))
    scales = to_montgomery([pow(power, m, P) * inverse(4) % P for m in range(4)])
    out = np.empty((4 * rows, DEGREE), dtype=np.uint32)
    order = bit_reversal(log2_rows)
    _join(values, order, factors, np.uint32(to_montgomery(turn)), scales, out)
    return out


def as_groups(parts: Words) -> Words:
    """Natural-order polynomials (count, rows, 6) as bit-reversed groups (groups, rows, 16).

    Coordinate e of polynomial k is column 6 k + e; behind the last is zero.
    """
    count, rows, _ = parts.shape
    out = aligned((-(-count * DEGREE // LANES), rows, LANES), zero=True)
    _pack(parts, bit_reversal(rows.bit_length() - 1), out)
    return out
