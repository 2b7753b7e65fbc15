"""The DEEP combination, step 4 of ``docs/protocol.md`` section 7, on coefficients.

What is open at z alone and what is open at gz too are summed apart, so that there are two divisions
in all: ((both - line) / (X - gz) + one - value) / (X - z) + mask.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuits.field import (
    DEGREE,
    Array,
    P,
    extension_dot,
    extension_inverse,
    extension_multiply,
    subtract,
)
from prover.kernels.montgomery import Words
from prover.kernels.polynomial import combine_columns, divide, evaluate_columns
from prover.kernels.vector import LANES

_P = np.uint64(P)


def evaluate_some(coefficients: Words, point: Array, columns: Sequence[int]) -> Array:
    """Some of the bit-reversed columns (groups, rows, 16) at an extension point: (some, 6)."""
    out = np.empty((len(columns), DEGREE), dtype=np.uint64)
    for group, places in _by_group(columns).items():
        values = evaluate_columns(coefficients[group : group + 1], point, LANES)
        for place in places:
            out[place] = values[columns[place] % LANES]
    return out


def deep_polynomial(
    coefficients: tuple[Words, Words],
    next_columns: Sequence[int],
    gamma: Array,
    points: tuple[Array, Array],
    values: tuple[Array, Array, Array],
    mask: Words,
) -> Words:
    """Natural-order coefficients (N, 6), canonical.

    ``coefficients`` are those of the trace and of the quotient's chunks, bit-reversed (groups, N,
    16); ``gamma`` one element per column and chunk; ``points`` z and gz; ``values`` all columns at
    z, ``next_columns`` at gz, and the chunks at z; ``mask`` the mask's coefficients (N, 6).
    """
    (trace, quotient), (z, gz), (now, following, chunks) = coefficients, points, values
    both = np.zeros(len(now), dtype=np.bool_)
    both[list(next_columns)] = True
    of_columns, of_chunks = gamma[: len(now)], gamma[len(now) :]
    deep = _combine_some(trace, next_columns, of_columns)
    slopes = extension_multiply(subtract(following, now[both]), extension_inverse(subtract(gz, z)))
    slope = extension_dot(of_columns[both], slopes)
    value = extension_dot(of_columns[both], now[both])
    constant = subtract(value, extension_multiply(z, slope))
    deep[:2] = subtract(deep[:2].astype(np.uint64), np.stack([constant, slope]))
    _divide(deep, gz)

    _add(deep, combine_columns(trace, np.where(both[:, None], np.uint64(0), of_columns)))
    # coordinate j of chunk k is a column of its own, times x^j
    weights = extension_multiply(of_chunks[:, None], np.eye(DEGREE, dtype=np.uint64))
    _add(deep, combine_columns(quotient, weights.reshape(-1, DEGREE)))
    value = (extension_dot(of_columns[~both], now[~both]) + extension_dot(of_chunks, chunks)) % _P
    deep[0] = subtract(deep[0].astype(np.uint64), value)
    _divide(deep, z)
    _add(deep, mask)
    return deep


def _by_group(columns: Sequence[int]) -> dict[int, list[int]]:
    """Which places of ``columns`` lie in which group of sixteen."""
    groups: dict[int, list[int]] = {}
    for place, column in enumerate(columns):
        groups.setdefault(column // LANES, []).append(place)
    return groups


def _combine_some(trace: Words, columns: Sequence[int], gamma: Array) -> Words:
    total: Words = np.zeros((trace.shape[1], DEGREE), dtype=np.uint32)
    for group, places in _by_group(columns).items():
        weights = np.zeros((LANES, DEGREE), dtype=np.uint64)
        for place in places:
            weights[columns[place] % LANES] = gamma[columns[place]]
        _add(total, combine_columns(trace[group : group + 1], weights))
    return total


def _add(total: Words, more: Words) -> None:
    """total += more, in place; both canonical."""
    total += more  # below 2^32
    np.minimum(total, total - np.uint32(P), out=total)


def _divide(polynomial: Words, point: Array) -> None:
    if divide(polynomial, point).any():
        raise ArithmeticError("values do not match their polynomials")
