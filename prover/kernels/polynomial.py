"""Polynomials with extension coefficients: evaluation out of the domain, combination, division."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from circuits.field import DEGREE, Array, P
from prover.kernels.montgomery import Words, add, multiply, subtract, to_montgomery
from prover.kernels.vector import LANES

_P = np.uint64(P)


@njit(cache=True)
def _multiply_extension(a: Any, b: Any, out: Any) -> None:
    """out = a * b modulo x^6 + x^3 + 1; ``b`` in Montgomery form, ``a`` and ``out`` canonical."""
    wide = np.zeros(11, dtype=np.uint32)
    for i in range(6):
        for j in range(6):
            wide[i + j] = add(wide[i + j], multiply(a[i], b[j]))
    out[0] = subtract(add(wide[0], wide[9]), wide[6])
    out[1] = subtract(add(wide[1], wide[10]), wide[7])
    out[2] = subtract(wide[2], wide[8])
    out[3] = subtract(wide[3], wide[6])
    out[4] = subtract(wide[4], wide[7])
    out[5] = subtract(wide[5], wide[8])


@njit(cache=True, parallel=True)
def _evaluate_columns(coefficients: Any, point_powers: Any, out: Any) -> None:
    groups, rows, _ = coefficients.shape
    for group in prange(groups):
        # at most 2^20 values below 2^31 per sum
        sums = np.zeros((6, LANES), dtype=np.uint64)
        for row in range(rows):
            for e in range(6):
                p = point_powers[row, e]
                for lane in range(LANES):
                    sums[e, lane] += np.uint64(multiply(coefficients[group, row, lane], p))
        for e in range(6):
            for lane in range(LANES):
                out[group, lane, e] = np.uint32(sums[e, lane] % _P)


@njit(cache=True, parallel=True)
def _combine_columns(coefficients: Any, weights: Any, out: Any) -> None:
    groups, rows, _ = coefficients.shape
    for row in prange(rows):
        for e in range(6):
            # at most a few hundred values below 2^31
            total = np.uint64(0)
            for group in range(groups):
                for lane in range(LANES):
                    total += np.uint64(
                        multiply(coefficients[group, row, lane], weights[group, e, lane])
                    )
            out[row, e] = np.uint32(total % _P)


@njit(cache=True)
def _divide(coefficients: Any, point: Any) -> Any:
    """Synthetic division by (X - point) in place; returns the remainder, the top becomes zero."""
    carry = np.zeros(6, dtype=np.uint32)
    product = np.empty(6, dtype=np.uint32)
    for at in range(coefficients.shape[0] - 1, -1, -1):
        _multiply_extension(carry, point, product)
        for e in range(6):
            value = coefficients[at, e]
            coefficients[at, e] = carry[e]
            carry[e] = add(value, product[e])
    return carry


@njit(cache=True)
def _fold(coefficients: Any, challenge: Any, fold: int, out: Any) -> None:
    product = np.empty(6, dtype=np.uint32)
    for at in range(out.shape[0]):
        total = coefficients[at * fold + fold - 1].copy()
        for j in range(fold - 2, -1, -1):
            _multiply_extension(total, challenge, product)
            for e in range(6):
                total[e] = add(product[e], coefficients[at * fold + j, e])
        out[at] = total


def evaluate_columns(coefficients: Words, point_powers: Array, columns: int) -> Array:
    """Columns (groups, rows, 16) at a point given by its powers (rows, 6), in the same order."""
    out = np.empty((coefficients.shape[0], LANES, DEGREE), dtype=np.uint32)
    _evaluate_columns(coefficients, to_montgomery(point_powers), out)
    return out.reshape(-1, DEGREE)[:columns].astype(np.uint64)


def combine_columns(coefficients: Words, weights: Array) -> Words:
    """sum weight_c * column_c: (rows, 6) from (groups, rows, 16) and weights (columns, 6)."""
    groups, rows, _ = coefficients.shape
    padded = np.zeros((groups * LANES, DEGREE), dtype=np.uint64)
    padded[: len(weights)] = weights
    arranged = padded.reshape(groups, LANES, DEGREE).transpose(0, 2, 1)
    out = np.empty((rows, DEGREE), dtype=np.uint32)
    _combine_columns(coefficients, np.ascontiguousarray(to_montgomery(arranged)), out)
    return out


def divide(coefficients: Words, point: Array) -> Array:
    """Divide (n, 6) by (X - point) in place; the remainder (6,) is returned."""
    remainder: Array = _divide(coefficients, to_montgomery(point)).astype(np.uint64)
    return remainder


def fold_coefficients(coefficients: Words, challenge: Array, fold: int) -> Words:
    """sum_j challenge^j f_j for f(X) = sum_j X^j f_j(X^fold): (n, 6) to (n / fold, 6)."""
    out = np.empty((len(coefficients) // fold, DEGREE), dtype=np.uint32)
    _fold(coefficients, to_montgomery(challenge), fold, out)
    return out


@njit(cache=True)
def _accumulate(total: Any, coefficients: Any, weight: Any) -> None:
    product = np.empty(6, dtype=np.uint32)
    for at in range(total.shape[0]):
        _multiply_extension(coefficients[at], weight, product)
        for e in range(6):
            total[at, e] = add(total[at, e], product[e])


def accumulate(total: Words, coefficients: Words, weight: Array) -> None:
    """total += weight * coefficients, all (n, 6) with an extension weight (6,), in place."""
    _accumulate(total, np.ascontiguousarray(coefficients), to_montgomery(weight))
