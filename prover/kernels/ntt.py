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
from prover.kernels import butterfly, vector
from prover.kernels.montgomery import Words, to_montgomery
from prover.kernels.vector import LANES

_BLOCK_ROWS = 1 << 12  # a quarter of a megabyte: stays in the second-level cache
_STRIP_ROWS = 8
_INVERSE = np.uint64(pow(P, -1, 2**32))


@lru_cache(maxsize=64)
def bit_reversal(log2_size: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The bit-reversal permutation of 2^log2_size indices."""
    order = np.zeros(1, dtype=np.int64)
    for _ in range(log2_size):
        order = np.concatenate([order * 2, order * 2 + 1])
    return order


@lru_cache(maxsize=64)
def coset_factors(log2_size: int, shift: int) -> Words:
    """shift^i in Montgomery form, at bit-reversed positions."""
    return to_montgomery(powers(shift, 1 << log2_size)[bit_reversal(log2_size)])


@lru_cache(maxsize=16)  # a megabyte each for a day
def twiddles(log2_size: int, shift: int, inverted: bool = False) -> tuple[Words, Words]:
    """Factors of every layer for the coset shift * <w>, w of order 2^log2_size.

    At h + k, h = 1, 2, 4, ..., k < h, stands shift^(size / 2h) * w^(k size / 2h), the point whose
    square the two halves of a layer are evaluated at (or its inverse), in Montgomery form; in the
    second table the same divided by p modulo 2^32.
    """
    size = 1 << log2_size
    root, start = root_of_unity(log2_size), shift % P
    if inverted:
        root, start = inverse(root), inverse(start)
    table = np.zeros(max(size, 2), dtype=np.uint64)
    half, steps = size // 2, powers(root, max(1, size // 2))
    while half >= 1:
        table[half : 2 * half] = steps[:: size // (2 * half)] * np.uint64(start) % np.uint64(P)
        start = start * start % P
        half //= 2
    montgomery = to_montgomery(table)
    return montgomery, (montgomery * _INVERSE).astype(np.uint32)


@njit(cache=True)
def _up(
    x: Any, origin: int, count: int, unit: int, table: Any, quotients: Any, scale: int, shift: int
) -> None:
    """All layers that lead from single items to ``count`` of them, in place.

    Item i is the row at flat index origin + i * unit; for the twiddles it is row i * scale + shift.
    """
    half = 1
    while half < count:
        step = half * unit
        if 8 * half <= count:
            for base in range(0, count, 8 * half):
                for k in range(half):
                    at, where = origin + (base + k) * unit, k * scale + shift
                    butterfly.up3(x, at, step, table, quotients, half * scale, where)
            half *= 8
        elif 4 * half <= count:
            for base in range(0, count, 4 * half):
                for k in range(half):
                    at, where = origin + (base + k) * unit, k * scale + shift
                    butterfly.up2(x, at, step, table, quotients, half * scale, where)
            half *= 4
        else:
            for k in range(half):
                at, where = origin + k * unit, k * scale + shift
                butterfly.up1(x, at, step, table, quotients, half * scale, where)
            half *= 2


@njit(cache=True)
def _down(
    x: Any, origin: int, count: int, unit: int, table: Any, quotients: Any, scale: int, shift: int
) -> None:
    """The inverse of ``_up``, but for the factor ``count``."""
    half = count
    while half > 1:
        if half >= 8:
            half //= 8
            for base in range(0, count, 8 * half):
                for k in range(half):
                    at, where = origin + (base + k) * unit, k * scale + shift
                    butterfly.down3(x, at, half * unit, table, quotients, half * scale, where)
        elif half == 4:
            half = 1
            for base in range(0, count, 4):
                at = origin + base * unit
                butterfly.down2(x, at, unit, table, quotients, scale, shift)
        else:
            half = 1
            for base in range(0, count, 2):
                at = origin + base * unit
                butterfly.down1(x, at, unit, table, quotients, scale, shift)


@njit(cache=True)
def _copy_rows(source: Any, start: int, target: Any, at: int, count: int) -> None:
    for row in range(count):
        vector.store(target, (at + row) * LANES, vector.load(source, (start + row) * LANES))


@njit(cache=True)
def _strips(x: Any, block: int, table: Any, quotients: Any, upward: bool) -> None:
    """All layers whose halves span whole blocks, in one pass over memory.

    Rows k, k + block, k + 2 block, ... only meet one another in these layers; a few neighbouring
    k at a time are copied to a buffer that stays in cache.
    """
    parts = x.shape[0] // block
    strip = min(_STRIP_ROWS, block)
    unit = strip * LANES
    buffer = np.empty((parts * strip, LANES), dtype=np.uint32)
    for first in range(0, block, strip):
        for part in range(parts):
            _copy_rows(x, part * block + first, buffer, part * strip, strip)
        for k in range(strip):
            if upward:
                _up(buffer, k * LANES, parts, unit, table, quotients, block, first + k)
            else:
                _down(buffer, k * LANES, parts, unit, table, quotients, block, first + k)
        for part in range(parts):
            _copy_rows(buffer, part * strip, x, part * block + first, strip)


@njit(cache=True, parallel=True)
def _interpolate_all(x: Any, table: Any, quotients: Any, factor: Any) -> None:
    rows = x.shape[1]
    block = min(rows, _BLOCK_ROWS)
    for number in prange(x.shape[0]):
        group = x[number]
        if block < rows:
            _strips(group, block, table, quotients, False)
        for start in range(0, rows, block):
            _down(group, start * LANES, block, LANES, table, quotients, 1, 0)
            for row in range(start, start + block):
                scaled = vector.multiply(vector.load(group, row * LANES), factor)
                vector.store(group, row * LANES, scaled)


@njit(cache=True)
def _to_values(x: Any, table: Any, quotients: Any) -> None:
    """One group, in place."""
    block = min(x.shape[0], _BLOCK_ROWS)
    for start in range(0, x.shape[0], block):
        _up(x, start * LANES, block, LANES, table, quotients, 1, 0)
    if block < x.shape[0]:
        _strips(x, block, table, quotients, True)


@njit(cache=True, parallel=True)
def _evaluate_all(x: Any, table: Any, quotients: Any) -> None:
    for group in prange(x.shape[0]):
        _to_values(x[group], table, quotients)


@njit(cache=True, parallel=True)
def _extend_all(coefficients: Any, out: Any, tables: Any, quotients: Any) -> None:
    groups, rows, _ = coefficients.shape
    block = min(rows, _BLOCK_ROWS)
    for task in prange(groups * out.shape[0]):
        group, coset = task // out.shape[0], task % out.shape[0]
        target, table, other = out[coset, group], tables[coset], quotients[coset]
        for start in range(0, rows, block):
            _copy_rows(coefficients[group], start, target, start, block)
            _up(target, start * LANES, block, LANES, table, other, 1, 0)
        if block < rows:
            _strips(target, block, table, other, True)


def evaluate(x: Words) -> None:
    """Bit-reversed coefficients to values on <w>, in place; x is (groups, rows, 16)."""
    _evaluate_all(x, *twiddles(x.shape[1].bit_length() - 1, 1))


def interpolate(x: Words, shift: int = 1) -> None:
    """Values on shift * <w> to bit-reversed coefficients, in place; x is (groups, rows, 16)."""
    rows = x.shape[1]
    factor = np.uint32(to_montgomery(inverse(rows)))
    _interpolate_all(x, *twiddles(rows.bit_length() - 1, shift, inverted=True), factor)


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
    made = [twiddles(log2_rows, shift * pow(step, c, P) % P) for c in cosets]
    tables, quotients = (np.stack([pair[k] for pair in made]) for k in range(2))
    _extend_all(coefficients, out, tables, quotients)
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
