"""FRI folding, selectors and the exempt factor against direct polynomial arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from circuits.field import (
    DEGREE,
    GENERATOR,
    Array,
    P,
    add,
    extension,
    extension_dot,
    extension_multiply,
    extension_power,
    extension_powers,
    inverse,
    lift,
    power,
    powers,
    root_of_unity,
    subtract,
)
from circuits.layout import Layout
from tests.kernel.proofs import random_point
from verifier.kernel.fri import evaluate_final, fold_leaves, layer_points, layer_shift
from verifier.kernel.parameters import ParameterSet
from verifier.kernel.proof import Shape
from verifier.kernel.verify import exempt_at, selectors_at

FOLD = 8
SELECTORS = (
    "first", "last", "closing", "opening", "state", "state_before", "state_before 1",
    "state_after 0", "resume", "state_end", "inside 60 180",
)  # fmt: skip


def polynomial(count: int, seed: int = 0) -> Array:
    random = np.random.default_rng(seed)
    return random.integers(0, P, (count, DEGREE), dtype=np.uint64)


def evaluate(coefficients: Array, x: int) -> Array:
    """By the definition: sum c_k x^k at a base point."""
    scaled = coefficients * powers(x, len(coefficients))[:, None] % np.uint64(P)
    total: Array = scaled.sum(axis=0) % np.uint64(P)
    return total


def folded(coefficients: Array, challenge: Array) -> Array:
    """sum_j b^j f_j with f = sum_j X^j f_j(X^8), on coefficients."""
    parts = coefficients.reshape(-1, FOLD, DEGREE)
    weights = extension_powers(challenge, FOLD)
    return np.stack([extension_dot(part, weights) for part in parts])


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_layer_is_a_coset_of_the_right_order(layer: int) -> None:
    log2_size = 11 - 3 * layer
    shift = pow(GENERATOR, FOLD**layer, P)
    assert layer_shift(layer, FOLD) == shift
    indices = np.array([0, 1, 2, (1 << log2_size) - 1], dtype=np.int64)
    root = root_of_unity(log2_size)
    expected = [shift * pow(root, int(k), P) % P for k in indices]
    assert layer_points(layer, FOLD, log2_size, indices).tolist() == expected
    # disjoint from the trace domain, else an opening would show a row
    assert all(pow(x, 1 << 8, P) != 1 for x in expected)


def test_folding_leaves_folds_the_polynomial() -> None:
    log2_size, challenge = 8, random_point(1)
    coefficients = polynomial(64)
    every = np.arange(1 << log2_size, dtype=np.int64)
    points = layer_points(0, FOLD, log2_size, every)
    values = np.stack([evaluate(coefficients, int(x)) for x in points])
    leaves = values.reshape(FOLD, -1, DEGREE).transpose(1, 0, 2)
    first = points[: len(leaves)]
    # all eight points of a leaf share their eighth power, the point of the next layer
    next_points = layer_points(1, FOLD, log2_size - 3, every[: len(leaves)])
    assert np.array_equal(power(points.reshape(FOLD, -1), FOLD), np.tile(next_points, (FOLD, 1)))
    smaller = folded(coefficients, challenge)
    expected = np.stack([evaluate(smaller, int(x)) for x in next_points])
    assert np.array_equal(fold_leaves(leaves, first, challenge), expected)
    chosen = np.array([3, 17, 31])
    assert np.array_equal(fold_leaves(leaves[chosen], first[chosen], challenge), expected[chosen])


@pytest.mark.parametrize("position", range(FOLD))
def test_every_value_of_a_leaf_matters(position: int) -> None:
    leaves, points = polynomial(FOLD)[None], np.array([5], dtype=np.uint64)
    before = fold_leaves(leaves, points, random_point(2))
    changed = leaves.copy()
    changed[0, position] = add(changed[0, position], extension(1))
    assert not np.array_equal(fold_leaves(changed, points, random_point(2)), before)


def test_evaluating_the_final_polynomial() -> None:
    coefficients = polynomial(32)
    points = np.array([0, 1, P - 1, 12345], dtype=np.uint64)
    expected = [evaluate(coefficients, int(x)).tolist() for x in points]
    assert evaluate_final(coefficients, points).tolist() == expected
    assert evaluate_final(coefficients[:1], points).tolist() == [coefficients[0].tolist()] * 4


def interpolated_at(rows: list[int], log2_rows: int, z: Array) -> Array:
    """The polynomial that is 1 on ``rows`` of H and 0 on the others, at z, by coefficients."""
    count = 1 << log2_rows
    root = inverse(root_of_unity(log2_rows))
    coefficients = np.zeros(count, dtype=np.uint64)
    for row in rows:
        coefficients = (coefficients + powers(pow(root, row, P), count)) % np.uint64(P)
    coefficients = coefficients * np.uint64(inverse(count)) % np.uint64(P)
    return extension_dot(lift(coefficients), extension_powers(z, count))


@pytest.mark.parametrize(
    ("counts", "per_block", "starts"),
    [
        ([1], 8, True),
        ([9, 0, 4], 4, True),
        ([9, 0, 4], 4, False),
        ([0, 0], 2, True),
        ([13, 8, 16, 1], 8, True),
        ([3, 5], 1, True),
    ],
)
def test_selectors_against_interpolation(counts: list[int], per_block: int, starts: bool) -> None:
    starts_ms = [hour * 3_600_000 for hour in range(len(counts))]
    layout = Layout.from_counts(counts, per_block, starts, starts_ms, state_rows=2)
    names = [*SELECTORS, *(f"padding {slot}" for slot in range(1, per_block))]
    z = random_point(3)
    vanishing = subtract(extension_power(z, 256), extension(1))
    got = selectors_at(names, layout, 8, z, vanishing)
    assert len(got) == len(names)
    for value, name in zip(got, names, strict=True):
        assert np.array_equal(value, interpolated_at(layout.selector(name).tolist(), 8, z)), name


def test_selectors_do_not_depend_on_the_chunks_they_are_summed_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # claims of many windows are summed in chunks: none may be lost or counted twice
    layout, z = Layout.from_counts([0] * 100, 8, False), random_point(3)
    vanishing = subtract(extension_power(z, 256), extension(1))
    whole = selectors_at(SELECTORS[:4], layout, 8, z, vanishing)
    for chunk in (1, 7, 99, 100):
        monkeypatch.setattr("verifier.kernel.verify._SELECTOR_CHUNK", chunk)
        again = selectors_at(SELECTORS[:4], layout, 8, z, vanishing)
        assert np.array_equal(again, whole)


@pytest.mark.parametrize("log2_rows", [8, 9])
def test_exempt_vanishes_on_exactly_the_rows_without_constraints(
    parameters: ParameterSet, log2_rows: int
) -> None:
    shape = Shape(parameters, log2_rows, 200, (0,))
    root = root_of_unity(log2_rows)
    last_constrained = shape.rows - parameters.random_rows - 2
    for row in (0, 1, last_constrained):
        assert exempt_at(shape, extension(pow(root, row, P))).any()
    for row in (last_constrained + 1, last_constrained + 2, shape.rows - 1):
        assert not exempt_at(shape, extension(pow(root, row, P))).any()
    z, expected = random_point(4), extension(1)
    for row in range(last_constrained + 1, shape.rows):
        expected = extension_multiply(expected, subtract(z, extension(pow(root, row, P))))
    assert np.array_equal(exempt_at(shape, z), expected)
