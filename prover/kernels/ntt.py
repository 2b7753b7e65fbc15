"""Number-theoretic transforms over groups of sixteen columns.

Layout ``x[group, row, 16]``: one cache line holds sixteen columns of a row, so every butterfly is
one vector operation. Values are in natural order, coefficients in bit-reversed order; no pass ever
permutes. A group is transformed in two passes over memory: blocks of rows that stay in the
second-level cache, and strips of rows that lie whole blocks apart, in a buffer. Everything is
canonical.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange

from circuits.field import P, inverse, powers, root_of_unity
from prover.kernels import butterfly, vector
from prover.kernels.montgomery import Words, aligned, to_montgomery
from prover.kernels.vector import LANES

BLOCK_ROWS = 1 << 12  # a quarter of a megabyte: stays in the second-level cache
STRIP_ROWS = 16
_PART_ROWS = 1 << 9  # half of the first-level cache
# a Python constant would be part of a kernel's type, and each value compiled apart
_ZERO: Any = np.int64(0)
_ONE: Any = np.int64(1)
_ROW: Any = np.int64(LANES)
_WIDTH: Any = np.int64(STRIP_ROWS)
_UNIT: Any = np.int64(STRIP_ROWS * LANES)


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
def twiddles(log2_size: int, shift: int, inverted: bool = False) -> Words:
    """Factors of every layer for the coset shift * <w>, w of order 2^log2_size: (2, size).

    At h + k, h = 1, 2, 4, ..., k < h, stands shift^(size / 2h) * w^(k size / 2h), the point whose
    square the two halves of a layer are evaluated at (or its inverse); in the second table
    floor(2^32 / p) times that.
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
    return np.stack([table, (table << np.uint64(32)) // np.uint64(P)]).astype(np.uint32)


@njit(cache=True)
def _up(
    source: Any,
    at: int,
    pitch: int,
    x: Any,
    origin: int,
    unit: int,
    begin: int,
    count: int,
    width: int,
    table: Any,
    scale: int,
    shift: int,
    ahead: int,
) -> None:
    """All layers that lead from ``begin`` of an item to ``count`` of them.

    An item is ``width`` adjacent rows, which do not meet: item i is the rows from flat index
    at + i * pitch of ``source`` on, then those from origin + i * unit of ``x``. For the twiddles it
    is the rows from i * scale + shift. The words that lie ``ahead`` of what is read are fetched.
    """
    w, ratios = table[0], table[1]
    half = begin
    while half < count:
        step, leap = half * pitch, half * unit
        layers = 3 if 8 * half <= count else 2 if 4 * half <= count else 1
        for base in range(0, count, half << layers):
            for k in range(half):
                a, b = at + (base + k) * pitch, origin + (base + k) * unit
                where, apart = k * scale + shift, half * scale
                for row in range(width):
                    skip = row * LANES
                    if ahead > 0:
                        for item in range(1 << layers):
                            vector.prefetch(source, a + skip + item * step + ahead)
                    i, j, v = a + skip, b + skip, where + row
                    if layers == 3:
                        butterfly.up3(source, i, step, x, j, leap, w, ratios, apart, v)
                    elif layers == 2:
                        butterfly.up2(source, i, step, x, j, leap, w, ratios, apart, v)
                    else:
                        butterfly.up1(source, i, step, x, j, leap, w, ratios, apart, v)
        half <<= layers
        source, at, pitch, ahead = x, origin, unit, 0


@njit(cache=True)
def _down(
    source: Any,
    at: int,
    pitch: int,
    x: Any,
    origin: int,
    unit: int,
    begin: int,
    count: int,
    width: int,
    table: Any,
    scale: int,
    shift: int,
    ahead: int,
) -> None:
    """The inverse of ``_up``, but for the factor ``count / begin``."""
    w, ratios = table[0], table[1]
    half = count
    while half > begin:
        layers = 3 if half >= 8 * begin else 2 if half >= 4 * begin else 1
        half >>= layers
        step, leap = half * pitch, half * unit
        for base in range(0, count, half << layers):
            for k in range(half):
                a, b = at + (base + k) * pitch, origin + (base + k) * unit
                where, apart = k * scale + shift, half * scale
                for row in range(width):
                    skip = row * LANES
                    if ahead > 0:
                        for item in range(1 << layers):
                            vector.prefetch(source, a + skip + item * step + ahead)
                    i, j, v = a + skip, b + skip, where + row
                    if layers == 3:
                        butterfly.down3(source, i, step, x, j, leap, w, ratios, apart, v)
                    elif layers == 2:
                        butterfly.down2(source, i, step, x, j, leap, w, ratios, apart, v)
                    else:
                        butterfly.down1(source, i, step, x, j, leap, w, ratios, apart, v)
        source, at, pitch, ahead = x, origin, unit, 0


@njit(cache=True)
def _copy_rows(source: Any, start: int, target: Any, at: int, count: int) -> None:
    for row in range(count):
        vector.store(target, (at + row) * LANES, vector.load(source, (start + row) * LANES))


@njit(cache=True)
def blocks_up(source: Any, x: Any, table: Any) -> Any:
    """The layers of a group (rows, 16) within blocks of rows, from ``source`` to ``x``.

    The rows of a block are returned. Where they are not all, ``strip_up`` is what is left.
    """
    rows = x.shape[0]
    block = min(rows, BLOCK_ROWS)
    part = min(block, _PART_ROWS)
    for start in range(0, rows, block):
        for first in range(start * LANES, (start + block) * LANES, part * LANES):
            _up(source, first, _ROW, x, first, _ROW, _ONE, part, _ONE, table, _ONE, _ZERO, _ZERO)
        if part < block:
            at = start * LANES
            _up(x, at, _ROW, x, at, _ROW, part, block, _ONE, table, _ONE, _ZERO, _ZERO)
    return block


@njit(cache=True)
def strip_buffer(parts: int) -> Any:
    """A buffer for ``strip_up``, (parts * STRIP_ROWS, 16), its rows whole cache lines."""
    words = parts * STRIP_ROWS * LANES
    buffer = np.empty(words + LANES, dtype=np.uint32)
    skip = (-buffer.ctypes.data % 64) // 4
    return buffer[skip : skip + words].reshape(parts * STRIP_ROWS, LANES)


@njit(cache=True)
def strip_up(x: Any, block: int, first: int, table: Any, buffer: Any) -> None:
    """The layers between blocks, for a strip of rows of each of them, to ``buffer``.

    Rows k, k + block, k + 2 block, ... only meet one another in these layers; row ``first`` + k of
    part i goes to row i * STRIP_ROWS + k.
    """
    parts, pitch, at = x.shape[0] // block, block * LANES, first * LANES
    _up(x, at, pitch, buffer, _ZERO, _UNIT, _ONE, parts, _WIDTH, table, block, first, _UNIT)


@njit(cache=True)
def _group_up(source: Any, x: Any, table: Any) -> None:
    """One group of coefficients to values; ``source`` may be ``x``."""
    block = blocks_up(source, x, table)
    parts = x.shape[0] // block
    if parts > 1:
        buffer = strip_buffer(parts)
        for first in range(0, block, STRIP_ROWS):
            strip_up(x, block, first, table, buffer)
            for part in range(parts):
                _copy_rows(buffer, part * STRIP_ROWS, x, part * block + first, STRIP_ROWS)


@njit(cache=True)
def _group_down(x: Any, out: Any, table: Any, factor: Any) -> None:
    """One group of values, which are lost, to coefficients times ``factor``; may be the same."""
    rows = x.shape[0]
    block = min(rows, BLOCK_ROWS)
    part = min(block, _PART_ROWS)
    parts, pitch = rows // block, block * LANES
    if parts > 1:
        buffer = strip_buffer(parts)
        for first in range(0, block, STRIP_ROWS):
            at = first * LANES
            _down(
                x, at, pitch, buffer, _ZERO, _UNIT, _ONE, parts, _WIDTH, table, block, first, _UNIT
            )
            for number in range(parts):
                _copy_rows(buffer, number * STRIP_ROWS, x, number * block + first, STRIP_ROWS)
    for start in range(0, rows, block):
        if part < block:
            at = start * LANES
            _down(x, at, _ROW, x, at, _ROW, part, block, _ONE, table, _ONE, _ZERO, _ZERO)
        for first in range(start, start + block, part):
            at = first * LANES
            _down(x, at, _ROW, x, at, _ROW, _ONE, part, _ONE, table, _ONE, _ZERO, _ZERO)
            for row in range(first, first + part):
                scaled = vector.multiply(vector.load(x, row * LANES), factor)
                vector.store(out, row * LANES, scaled)


@njit(cache=True)
def _tiles(columns: Any, first: int, x: Any) -> None:
    """Columns ``first`` .. ``first`` + 15 of (columns, rows) as rows of sixteen."""
    rows = x.shape[0]
    for row in range(0, rows - rows % LANES, LANES):
        vector.transpose(columns, first * rows + row, rows, x, row * LANES, LANES)
    for row in range(rows - rows % LANES, rows):
        for lane in range(LANES):
            x[row, lane] = columns[first + lane, row]


@njit(cache=True, parallel=True)
def _interpolate_all(columns: Any, groups: Any, scratch: Any, table: Any, factor: Any) -> None:
    """``groups`` in place, or from ``columns``, which are the same memory."""
    workers = scratch.shape[0]
    for worker in prange(workers):
        for group in range(worker, groups.shape[0], workers):
            source = groups[group]
            if columns.shape[0] > 0:
                source = scratch[worker]
                _tiles(columns, group * LANES, source)
            _group_down(source, groups[group], table, factor)


@njit(cache=True)
def _reduce(source: Any, x: Any, factors: Any) -> None:
    """A group of coefficients modulo X^n - c, n the rows of ``x``.

    Adjacent rows of ``source`` are n powers apart; ``factors`` are powers of c in their order.
    """
    count = factors.shape[0]
    for row in range(x.shape[0]):
        at = row * count * LANES
        total = vector.load(source, at)
        for k in range(1, count):
            more = vector.multiply(vector.load(source, at + k * LANES), factors[k])
            total = vector.add(total, more)
        vector.store(x, row * LANES, total)


@njit(cache=True, parallel=True)
def _extend_all(coefficients: Any, out: Any, tables: Any, factors: Any) -> None:
    cosets = out.shape[0]
    for task in prange(coefficients.shape[0] * cosets):
        group, coset = task // cosets, task % cosets
        source, x = coefficients[group], out[coset, group]
        if factors.shape[1] > 1:
            _reduce(source, x, factors[coset])
            source = x
        _group_up(source, x, tables[coset])


def evaluate(x: Words) -> None:
    """Bit-reversed coefficients to values on <w>, in place; x is (groups, rows, 16)."""
    extend_cosets(x, 1, 1, [0], x[None])


def _inverse_factors(rows: int, shift: int) -> tuple[Words, np.uint32]:
    table = twiddles(rows.bit_length() - 1, shift, inverted=True)
    return table, np.uint32(to_montgomery(inverse(rows)))


def interpolate(x: Words, shift: int = 1) -> None:
    """Values on shift * <w> to bit-reversed coefficients, in place; x is (groups, rows, 16)."""
    workers = min(len(x), get_num_threads())
    none, scratch = np.empty((0, 1), dtype=np.uint32), np.empty((workers, 1, 1), dtype=np.uint32)
    _interpolate_all(none, x, scratch, *_inverse_factors(x.shape[1], shift))


def interpolate_columns(columns: Words) -> Words:
    """Columns of values on <w>, (16 * groups, rows), as ``interpolate(to_groups(columns))``.

    The result takes the memory of ``columns``, which are lost.
    """
    count, rows = columns.shape
    groups = columns.reshape(count // LANES, rows, LANES)
    scratch = aligned((min(len(groups), get_num_threads()), rows, LANES))
    _interpolate_all(columns, groups, scratch, *_inverse_factors(rows, 1))
    return groups


def coset_tables(rows: int, shift: int, blowup: int, cosets: Sequence[int]) -> Words:
    """The twiddles of some cosets, (cosets, 2, size)."""
    log2_rows = rows.bit_length() - 1
    step = root_of_unity(log2_rows + blowup.bit_length() - 1)
    return np.stack([twiddles(log2_rows, shift * pow(step, c, P) % P) for c in cosets])


def extend_cosets(
    coefficients: Words,
    shift: int,
    blowup: int,
    cosets: Sequence[int],
    out: Words | None = None,
) -> Words:
    """Evaluate on some cosets of shift * <w_big>: coset c's row i is natural index i * blowup + c.

    ``coefficients`` (groups, size, 16) bit-reversed; returns (cosets, groups, rows, 16), which is
    ``out`` if given; of one coset, that may be ``coefficients`` itself. A coset has ``size`` rows;
    where ``out`` has fewer (a power of two), there are ``blowup`` cosets of so many.
    """
    groups, size, _ = coefficients.shape
    if out is None:
        out = aligned((len(cosets), groups, size, LANES))
    rows = out.shape[2]
    step = root_of_unity((rows * blowup).bit_length() - 1)
    factors = np.ones((len(cosets), size // rows), dtype=np.uint32)
    if size > rows:
        parts = bit_reversal((size // rows).bit_length() - 1)
        for k, coset in enumerate(cosets):
            constant = pow(shift * pow(step, coset, P), rows, P)
            factors[k] = to_montgomery(powers(constant, len(parts))[parts])
    _extend_all(coefficients, out, coset_tables(rows, shift, blowup, cosets), factors)
    return out


def to_groups(columns: Words) -> Words:
    """Columns (columns, rows) as groups (ceil(columns / 16), rows, 16), zero-filled."""
    count, rows = columns.shape
    groups = -(-count // LANES)
    out = aligned((groups, rows, LANES), zero=True)
    for group in range(groups):
        part = columns[group * LANES : (group + 1) * LANES]
        out[group, :, : len(part)] = part.T
    return out
