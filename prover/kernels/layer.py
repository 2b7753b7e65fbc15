"""FRI layers: an extension polynomial on every coset at once, arranged in leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from circuits.field import DEGREE, P, root_of_unity
from prover.kernels.montgomery import Words, aligned, multiply
from prover.kernels.ntt import bit_reversal, coset_factors, evaluate
from prover.kernels.vector import LANES


@njit(cache=True, parallel=True)
def _scaled(coefficients: Any, order: Any, factors: Any, out: Any) -> None:
    """Lane 6 c + e of the packed groups: coordinate e times the powers of coset c's shift."""
    cosets, rows = factors.shape
    for row in prange(rows):
        at = order[row]
        for lane in range(6 * cosets):
            value = multiply(coefficients[at, lane % 6], factors[lane // 6, row])
            out[lane // LANES, row, lane % LANES] = value


@njit(cache=True, parallel=True)
def _gathered(values: Any, cosets: int, fold: int, out: Any) -> None:
    rows = values.shape[1]
    step = rows // fold
    for row in prange(step):
        for coset in range(cosets):
            leaf = out[row * cosets + coset]
            for j in range(fold):
                for e in range(6):
                    lane = 6 * coset + e
                    leaf[6 * j + e] = values[lane // LANES, row + j * step, lane % LANES]


def layer_leaves(coefficients: Words, shift: int, blowup: int, fold: int) -> Words:
    """Natural-order coefficients (n, 6) evaluated on shift * <w>, w of order n * blowup.

    Leaf i, of ``fold`` * 6 words, holds the values at places i + j * n * blowup / fold: all places
    whose ``fold``-th powers are equal. ``fold`` divides n.
    """
    rows = len(coefficients)
    log2_rows = rows.bit_length() - 1
    step = root_of_unity(log2_rows + blowup.bit_length() - 1)
    factors = [coset_factors(log2_rows, shift * pow(step, c, P) % P) for c in range(blowup)]
    packed = aligned((-(-DEGREE * blowup // LANES), rows, LANES), zero=True)
    _scaled(coefficients, bit_reversal(log2_rows), np.stack(factors), packed)
    evaluate(packed)
    leaves = np.empty((rows * blowup // fold, fold * DEGREE), dtype=np.uint32)
    _gathered(packed, blowup, fold, leaves)
    return leaves
