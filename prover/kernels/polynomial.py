"""Polynomials with extension coefficients: evaluation out of the domain, combination, division."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from circuits.field import DEGREE, Array, P, extension_multiply, extension_powers, powers
from prover.kernels import dot, vector
from prover.kernels.montgomery import Words, add, multiply, subtract, to_montgomery
from prover.kernels.ntt import bit_reversal
from prover.kernels.vector import LANES

_P = np.uint64(P)
_BLOCK_ROWS = 512  # their weights stay in the first-level cache
_STRIP_ROWS = 64  # a page of memory
_AT_ONCE = 12  # elements of the field at which one pass evaluates
_WIDE = 2 * DEGREE - 1


@njit(cache=True)
def _multiply_extension(a: Any, b: Any, wide: Any, out: Any) -> None:
    """out = a * b modulo x^6 + x^3 + 1; ``b`` in Montgomery form, ``wide`` (11,) is scratch."""
    wide[:] = 0
    for i in range(6):
        for j in range(6):
            wide[i + j] = add(wide[i + j], multiply(a[i], b[j]))
    out[0] = subtract(add(wide[0], wide[9]), wide[6])
    out[1] = subtract(add(wide[1], wide[10]), wide[7])
    out[2] = subtract(wide[2], wide[8])
    out[3] = subtract(wide[3], wide[6])
    out[4] = subtract(wide[4], wide[7])
    out[5] = subtract(wide[5], wide[8])


@njit(cache=True)
def _add_scaled(sums: Any, factor: Any, wide: Any, total: Any) -> None:
    """total += sums * factor: sixteen extension elements, their coordinates in six rows."""
    wide[:] = 0
    for i in range(6):
        coordinate = vector.load(sums, i * LANES)
        for j in range(6):
            at = (i + j) * LANES
            product = vector.multiply(coordinate, factor[j])
            vector.store(wide, at, vector.add(vector.load(wide, at), product))
    for e in range(6):
        value = vector.add(vector.load(total, e * LANES), vector.load(wide, e * LANES))
        # x^6 = -x^3 - 1, x^9 = 1
        if e < 3:
            value = vector.subtract(value, vector.load(wide, (e + 6) * LANES))
            if e < 2:
                value = vector.add(value, vector.load(wide, (e + 9) * LANES))
        else:
            value = vector.subtract(value, vector.load(wide, (e + 3) * LANES))
        vector.store(total, e * LANES, value)


@njit(cache=True, parallel=True)
def _evaluate_columns(coefficients: Any, inner: Any, outer: Any, out: Any) -> None:
    groups, rows, _ = coefficients.shape
    block = inner.shape[0]
    for group in prange(groups):
        sums = np.empty((6, LANES), dtype=np.uint32)
        total = np.zeros((6, LANES), dtype=np.uint32)
        wide = np.empty((_WIDE, LANES), dtype=np.uint32)
        for number in range(rows // block):
            at = (group * rows + number * block) * LANES
            dot.six_sums(coefficients, at, block, inner, 0, sums, 0)
            _add_scaled(sums, outer[number], wide, total)
        for e in range(6):
            vector.store(out, (group * 6 + e) * LANES, vector.load(total, e * LANES))


@njit(cache=True, parallel=True)
def _evaluate_at(coefficients: Any, inner: Any, outer: Any, out: Any) -> None:
    """One block after the other, at all points while it is in the cache."""
    groups, rows, _ = coefficients.shape
    passes, block, _ = inner.shape
    for task in prange(groups * out.shape[0]):
        part, group = task // groups, task % groups
        blocks = rows // block // out.shape[0]
        sums = np.empty((_AT_ONCE, LANES), dtype=np.uint32)
        total = np.zeros((passes * _AT_ONCE, LANES), dtype=np.uint32)
        for number in range(part * blocks, (part + 1) * blocks):
            at = (group * rows + number * block) * LANES
            for turn in range(passes):
                dot.twelve_sums(coefficients, at, block, inner, turn * block * _AT_ONCE, sums, 0)
                for k in range(_AT_ONCE):
                    value = vector.multiply(vector.load(sums, k * LANES), outer[turn, number, k])
                    place = (turn * _AT_ONCE + k) * LANES
                    vector.store(total, place, vector.add(vector.load(total, place), value))
        for k in range(passes * _AT_ONCE):
            place = ((part * passes * _AT_ONCE + k) * groups + group) * LANES
            vector.store(out, place, vector.load(total, k * LANES))


@njit(cache=True, parallel=True)
def _combine_columns(coefficients: Any, weights: Any, order: Any, out: Any) -> None:
    groups, rows, _ = coefficients.shape
    size = min(rows, _STRIP_ROWS)
    for strip in prange(rows // size):
        sums = np.zeros((size, 6, LANES), dtype=np.uint64)
        # few groups at a time: as many places in memory are read side by side
        for first in range(0, groups, dot.TERMS):
            count = min(dot.TERMS, groups - first)
            for k in range(size):
                at, sums_at = (first * rows + strip * size + k) * LANES, k * 6 * LANES
                weights_at = first * 6 * LANES
                dot.combine_row(
                    coefficients, at, rows * LANES, count, weights, weights_at, sums, sums_at
                )
        for k in range(size):
            for e in range(6):
                total = np.uint64(0)
                for lane in range(LANES):
                    total += sums[k, e, lane]  # below 2^61
                out[order[strip * size + k], e] = np.uint32(total % _P)


@njit(cache=True)
def _divide(coefficients: Any, steps: Any) -> Any:
    """Synthetic division by (X - z) in place; returns the remainder, the top becomes zero.

    ``steps`` (6, 16): row j is z * x^j, its coordinates in the first six lanes.
    """
    carry = np.zeros(6, dtype=np.uint32)
    product = np.empty(LANES, dtype=np.uint32)
    for at in range(coefficients.shape[0] - 1, -1, -1):
        total = vector.multiply(vector.load(steps, 0), carry[0])
        for j in range(1, 6):
            more = vector.multiply(vector.load(steps, j * LANES), carry[j])
            total = vector.add(total, more)
        vector.store(product, 0, total)
        for e in range(6):
            value = coefficients[at, e]
            coefficients[at, e] = carry[e]
            carry[e] = add(value, product[e])
    return carry


@njit(cache=True, parallel=True)
def _fold(coefficients: Any, challenge: Any, fold: int, out: Any) -> None:
    for at in prange(out.shape[0]):
        product = np.empty(6, dtype=np.uint32)
        wide = np.empty(_WIDE, dtype=np.uint32)
        total = np.empty(6, dtype=np.uint32)
        for e in range(6):
            total[e] = coefficients[at * fold + fold - 1, e]
        for j in range(fold - 2, -1, -1):
            _multiply_extension(total, challenge, wide, product)
            for e in range(6):
                total[e] = add(product[e], coefficients[at * fold + j, e])
        for e in range(6):
            out[at, e] = total[e]


def _split(rows: int) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Rows in a block, and the exponents, bit-reversed, in a block and over the blocks.

    Row hi * block + lo holds the coefficient of X^(inner[lo] * rows / block + outer[hi]).
    """
    block = min(rows, _BLOCK_ROWS)
    blocks = rows // block
    return block, bit_reversal(block.bit_length() - 1), bit_reversal(blocks.bit_length() - 1)


def evaluate_columns(coefficients: Words, point: Array, columns: int) -> Array:
    """Bit-reversed columns (groups, rows, 16) at an extension point: (columns, 6)."""
    groups, rows, _ = coefficients.shape
    block, inside, over = _split(rows)
    step = point
    for _ in range((rows // block).bit_length() - 1):
        step = extension_multiply(step, step)
    inner = to_montgomery(extension_powers(step, block)[inside])
    outer = to_montgomery(extension_powers(point, rows // block)[over])
    out = np.empty((groups, DEGREE, LANES), dtype=np.uint32)
    _evaluate_columns(coefficients, inner, outer, out)
    return out.transpose(0, 2, 1).reshape(-1, DEGREE)[:columns].astype(np.uint64)


def evaluate_at(coefficients: Words, points: Sequence[int]) -> Words:
    """Bit-reversed columns (groups, rows, 16) at elements of the field: (points, groups * 16)."""
    groups, rows, _ = coefficients.shape
    block, inside, over = _split(rows)
    passes = -(-len(points) // _AT_ONCE)
    inner = np.zeros((passes * _AT_ONCE, block), dtype=np.uint32)
    outer = np.zeros((passes * _AT_ONCE, rows // block), dtype=np.uint32)
    for k, point in enumerate(points):
        inner[k] = to_montgomery(powers(pow(point, rows // block, P), block)[inside])
        outer[k] = to_montgomery(powers(point, rows // block)[over])
    inner, outer = (
        np.ascontiguousarray(table.reshape(passes, _AT_ONCE, -1).transpose(0, 2, 1))
        for table in (inner, outer)
    )
    parts = min(2, rows // block)
    out = np.empty((parts, passes * _AT_ONCE, groups * LANES), dtype=np.uint32)
    _evaluate_at(coefficients, inner, outer, out)
    values: Words = (out[:, : len(points)].sum(axis=0, dtype=np.uint64) % _P).astype(np.uint32)
    return values


def combine_columns(coefficients: Words, weights: Array) -> Words:
    """sum weight_c * column_c, natural order (rows, 6).

    Columns are bit-reversed (groups, rows, 16), ``weights`` (columns, 6).
    """
    groups, rows, _ = coefficients.shape
    padded = np.zeros((groups * LANES, DEGREE), dtype=np.uint64)
    padded[: len(weights)] = weights
    arranged = padded.reshape(groups, LANES, DEGREE).transpose(0, 2, 1)
    out = np.empty((rows, DEGREE), dtype=np.uint32)
    order = bit_reversal(rows.bit_length() - 1)
    _combine_columns(coefficients, np.ascontiguousarray(arranged, dtype=np.uint32), order, out)
    return out


def divide(coefficients: Words, point: Array) -> Array:
    """Divide (n, 6) by (X - point) in place; the remainder (6,) is returned."""
    steps = np.zeros((DEGREE, LANES), dtype=np.uint32)
    steps[:, :DEGREE] = to_montgomery(extension_multiply(np.eye(DEGREE, dtype=np.uint64), point))
    remainder: Array = _divide(coefficients, steps).astype(np.uint64)
    return remainder


def fold_coefficients(coefficients: Words, challenge: Array, fold: int) -> Words:
    """sum_j challenge^j f_j for f(X) = sum_j X^j f_j(X^fold): (n, 6) to (n / fold, 6)."""
    out = np.empty((len(coefficients) // fold, DEGREE), dtype=np.uint32)
    _fold(coefficients, to_montgomery(challenge), fold, out)
    return out
