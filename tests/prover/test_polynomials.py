"""Polynomial kernels against plain arithmetic: evaluation, combination, division."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from circuits.field import (
    DEGREE,
    Array,
    P,
    extension_dot,
    extension_multiply,
    extension_powers,
    powers,
)
from prover.kernels import dot, polynomial
from prover.kernels.vector import LANES
from tests.prover.test_kernels import columns, points, reversed_groups


def evaluate(coefficients: NDArray[Any], point: Array) -> Array:
    """sum c_k point^k of (n, 6) coefficients."""
    return extension_dot(coefficients.astype(np.uint64), extension_powers(point, len(coefficients)))


@pytest.mark.parametrize("rows", [32, 2048])  # one block, several
def test_columns_at_a_point(rows: int) -> None:
    given, point = columns(21, rows), points(1)[0]
    got = polynomial.evaluate_columns(reversed_groups(given), point, 21)
    powered = extension_powers(point, rows)
    for column, value in zip(given, got, strict=True):
        expected = (column[:, None] * powered % np.uint64(P)).sum(axis=0) % np.uint64(P)
        assert np.array_equal(value, expected)


@pytest.mark.parametrize("rows", [32, 2048])
@pytest.mark.parametrize("count", [1, 12, 13])
def test_columns_at_elements_of_the_field(rows: int, count: int) -> None:
    given = columns(21, rows)
    xs = [3, 1, P - 1, *range(1000, 1010)][:count]
    got = polynomial.evaluate_at(reversed_groups(given), xs)
    assert got.shape == (count, 32)
    for x, values in zip(xs, got, strict=True):
        powered = powers(x, rows)
        expected = (given * powered % np.uint64(P)).sum(axis=1) % np.uint64(P)
        assert np.array_equal(values[:21], expected)
        assert not values[21:].any()


@pytest.mark.parametrize("count", [21, 176])
def test_combination_of_columns(count: int) -> None:
    given, weights = columns(count, 16), points(count)
    given[:, 3], weights[:, 2] = P - 1, P - 1
    got = polynomial.combine_columns(reversed_groups(given), weights)
    expected = (given[:, :, None] * weights[:, None, :] % np.uint64(P)).sum(axis=0) % np.uint64(P)
    assert np.array_equal(got, expected)


def test_the_largest_sums() -> None:
    # every product is as large as it can be, so four of them and what was folded just fit
    most = np.full((176, 128), P - 1)
    weights = np.full((176, DEGREE), P - 1, dtype=np.uint64)
    assert (polynomial.combine_columns(reversed_groups(most), weights) == 176).all()
    rows, factors = (np.full((128, width), P - 1, dtype=np.uint32) for width in (LANES, 12))
    six, twelve = (np.empty((width, LANES), dtype=np.uint32) for width in (6, 12))
    _largest_sums(rows, factors, six, twelve)
    expected = 128 * pow(2**32, -1, P) % P
    assert (six == expected).all()
    assert (twelve == expected).all()


@njit
def _largest_sums(rows: Any, factors: Any, six: Any, twelve: Any) -> None:
    dot.six_sums(rows, 0, 128, factors, 0, six, 0)
    dot.twelve_sums(rows, 0, 128, factors, 0, twelve, 0)


@pytest.mark.parametrize("count", [1, 2, 33])
def test_division_by_a_linear_factor(count: int) -> None:
    given, point = points(count).astype(np.uint32), points(2)[1]
    quotient = given.copy()
    remainder = polynomial.divide(quotient, point)
    assert np.array_equal(remainder, evaluate(given, point))
    assert not quotient[-1].any()
    # quotient * (X - point) + remainder at another point gives the dividend
    other = points(3)[2]
    difference = (other + np.uint64(P) - point) % np.uint64(P)
    back = extension_multiply(evaluate(quotient, other), difference) + remainder
    assert np.array_equal(back % np.uint64(P), evaluate(given, other))
