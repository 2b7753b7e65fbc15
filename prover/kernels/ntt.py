"""Number-theoretic transforms over groups of sixteen columns.

Layout ``x[group, row, 16]``: one cache line holds sixteen columns of a row, so every butterfly is
one vector operation. Values are in natural order, coefficients in bit-reversed order; no pass ever
permutes. Data is canonical, twiddles are in Montgomery form.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit, prange

from circuits.field import P, inverse, powers, root_of_unity
from prover.kernels import vector
from prover.kernels.montgomery import Words, to_montgomery
from prover.kernels.vector import LANES

_BLOCK_ROWS = 1 << 12  # a quarter of a megabyte: stays in the second-level cache
_STRIP_ROWS = 8


@lru_cache(maxsize=64)
def bit_reversal(log2_size: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The bit-reversal permutation of 2^log2_size indices."""
    order = np.zeros(1, dtype=np.int64)
    for _ in range(log2_size):
        order = np.concatenate([order * 2, order * 2 + 1])
    return order


@lru_cache(maxsize=64)
def twiddles(log2_size: int, inverted: bool) -> Words:
    """w^0 .. w^(size/2 - 1) in Montgomery form, w of order 2^log2_size or its inverse."""
    root = root_of_unity(log2_size)
    if inverted:
        root = inverse(root)
    return to_montgomery(powers(root, max(1, (1 << log2_size) // 2)))


@lru_cache(maxsize=64)
def coset_factors(log2_size: int, shift: int) -> Words:
    """shift^i in Montgomery form, at bit-reversed positions."""
    return to_montgomery(powers(shift, 1 << log2_size)[bit_reversal(log2_size)])


@njit(cache=True)
def _down(x: Any, start: int, size: int, half: int, table: Any, stride: int) -> None:
    """One decimation-in-frequency layer over rows start .. start + size, in place."""
    for base in range(start, start + size, 2 * half):
        for k in range(half):
            upper = (base + k) * LANES
            lower = upper + half * LANES
            a, b = vector.load(x, upper), vector.load(x, lower)
            vector.store(x, upper, vector.add(a, b))
            vector.store(x, lower, vector.multiply(vector.subtract(a, b), table[k * stride]))


@njit(cache=True)
def _up(x: Any, start: int, size: int, half: int, table: Any, stride: int) -> None:
    """One decimation-in-time layer over rows start .. start + size, in place."""
    for base in range(start, start + size, 2 * half):
        for k in range(half):
            upper = (base + k) * LANES
            lower = upper + half * LANES
            a = vector.load(x, upper)
            b = vector.multiply(vector.load(x, lower), table[k * stride])
            vector.store(x, upper, vector.add(a, b))
            vector.store(x, lower, vector.subtract(a, b))


@njit(cache=True)
def _strips(x: Any, block: int, table: Any, downward: bool) -> None:
    """All layers whose halves span whole blocks, in one pass over memory.

    Rows k, k + block, k + 2 block, ... only meet one another in these layers; a few neighbouring
    k at a time are copied to a buffer that stays in cache.
    """
    rows = x.shape[0]
    parts = rows // block
    strip = min(_STRIP_ROWS, block)
    buffer = np.empty((parts, strip, LANES), dtype=np.uint32)
    for first in range(0, block, strip):
        for part in range(parts):
            buffer[part] = x[part * block + first : part * block + first + strip]
        half = parts // 2 if downward else 1
        while 1 <= half < parts:
            stride = parts // (2 * half)
            for base in range(0, parts, 2 * half):
                for part in range(base, base + half):
                    for k in range(strip):
                        w = table[((part - base) * block + first + k) * stride]
                        upper = (part * strip + k) * LANES
                        lower = upper + half * strip * LANES
                        a, b = vector.load(buffer, upper), vector.load(buffer, lower)
                        if downward:
                            vector.store(buffer, upper, vector.add(a, b))
                            difference = vector.subtract(a, b)
                            vector.store(buffer, lower, vector.multiply(difference, w))
                        else:
                            b = vector.multiply(b, w)
                            vector.store(buffer, upper, vector.add(a, b))
                            vector.store(buffer, lower, vector.subtract(a, b))
            half = half // 2 if downward else half * 2
        for part in range(parts):
            x[part * block + first : part * block + first + strip] = buffer[part]


@njit(cache=True)
def _scale(x: Any, out: Any, start: int, size: int, factors: Any) -> None:
    """out = x * factors (Montgomery), row by row."""
    for row in range(start, start + size):
        vector.store(out, row * LANES, vector.multiply(vector.load(x, row * LANES), factors[row]))


@njit(cache=True)
def _values_to_coefficients(x: Any, table: Any, factors: Any) -> None:
    """In place on one group; ``factors`` (Montgomery) undo the coset and divide by the size."""
    rows = x.shape[0]
    block = min(rows, _BLOCK_ROWS)
    if block < rows:
        _strips(x, block, table, True)
    for start in range(0, rows, block):
        half = block // 2
        while half >= 1:
            _down(x, start, block, half, table, rows // (2 * half))
            half //= 2
        _scale(x, x, start, block, factors)


@njit(cache=True)
def _block_up(x: Any, start: int, block: int, table: Any) -> None:
    """All layers inside a block."""
    half = 1
    while 2 * half <= block:
        _up(x, start, block, half, table, x.shape[0] // (2 * half))
        half *= 2


@njit(cache=True)
def _plain_values(x: Any, table: Any) -> None:
    """Evaluate one group on the subgroup itself, in place."""
    block = min(x.shape[0], _BLOCK_ROWS)
    for start in range(0, x.shape[0], block):
        _block_up(x, start, block, table)
    if block < x.shape[0]:
        _strips(x, block, table, False)


@njit(cache=True)
def _coefficients_to_values(coefficients: Any, out: Any, table: Any, factors: Any) -> None:
    """Evaluate one group on a coset; ``factors`` (Montgomery) carry the shift."""
    rows = coefficients.shape[0]
    block = min(rows, _BLOCK_ROWS)
    for start in range(0, rows, block):
        _scale(coefficients, out, start, block, factors)
        _block_up(out, start, block, table)
    if block < rows:
        _strips(out, block, table, False)


@njit(cache=True, parallel=True)
def _interpolate_all(x: Any, table: Any, factors: Any) -> None:
    for group in prange(x.shape[0]):
        _values_to_coefficients(x[group], table, factors)


@njit(cache=True, parallel=True)
def _extend_all(coefficients: Any, out: Any, table: Any, factors: Any) -> None:
    groups, cosets = coefficients.shape[0], out.shape[0]
    for task in prange(groups * cosets):
        group, coset = task // cosets, task % cosets
        _coefficients_to_values(coefficients[group], out[coset, group], table, factors[coset])


@njit(cache=True, parallel=True)
def _evaluate_all(x: Any, table: Any) -> None:
    for group in prange(x.shape[0]):
        _plain_values(x[group], table)


def evaluate(x: Words) -> None:
    """Bit-reversed coefficients to values on <w>, in place; x is (groups, rows, 16)."""
    _evaluate_all(x, twiddles(x.shape[1].bit_length() - 1, False))


def interpolate(x: Words, shift: int = 1) -> None:
    """Values on shift * <w> to bit-reversed coefficients, in place; x is (groups, rows, 16)."""
    log2_rows = x.shape[1].bit_length() - 1
    scale = inverse(x.shape[1])
    unshift = coset_factors(log2_rows, inverse(shift)).astype(np.uint64)
    factors = (unshift * np.uint64(scale) % np.uint64(P)).astype(np.uint32)
    _interpolate_all(x, twiddles(log2_rows, True), factors)


def extend(coefficients: Words, shift: int, blowup: int) -> Words:
    """Evaluate on shift * <w_big>: out[c, group, i] sits at natural index i * blowup + c.

    ``coefficients`` (groups, rows, 16) bit-reversed; returns (blowup, groups, rows, 16).
    """
    return extend_cosets(coefficients, shift, blowup, range(blowup))


def extend_cosets(
    coefficients: Words,
    shift: int,
    blowup: int,
    cosets: Sequence[int],
    out: Words | None = None,
) -> Words:
    """The same for some cosets only, (cosets, groups, rows, 16); into ``out`` if given."""
    if out is None:
        out = np.empty((len(cosets), *coefficients.shape), dtype=np.uint32)
    log2_rows = coefficients.shape[1].bit_length() - 1
    step = root_of_unity(log2_rows + blowup.bit_length() - 1)
    factors = np.stack([coset_factors(log2_rows, shift * pow(step, c, P) % P) for c in cosets])
    _extend_all(coefficients, out, twiddles(log2_rows, False), factors)
    return out


def to_groups(columns: Words) -> Words:
    """Columns (columns, rows) as groups (ceil(columns / 16), rows, 16), zero-filled."""
    count, rows = columns.shape
    groups = -(-count // LANES)
    out = np.zeros((groups, rows, LANES), dtype=np.uint32)
    for group in range(groups):
        part = columns[group * LANES : (group + 1) * LANES]
        out[group, :, : len(part)] = part.T
    return out
