"""The Numba kernels against plain arithmetic, ``hashlib``, ``galois`` and the reference code."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import galois
import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from circuits.chain import sample_elements
from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.evaluate import interpreter
from circuits.field import (
    DEGREE,
    GENERATOR,
    Array,
    P,
    extension_powers,
    inverse,
    multiply,
    powers,
    root_of_unity,
)
from circuits.schema import Schema
from prover.kernels import blake2s, leaves, ntt, program, vector
from prover.kernels.expansion import digest
from prover.kernels.montgomery import Words
from prover.randomness import random_seed
from tests.circuits.logs import channel
from verifier.kernel.merkle import leaf_digest
from verifier.kernel.transcript import grinding_ok

EDGES = [0, 1, 2, P - 1, P - 2, (P - 1) // 2, 2**24 - 1, 2**24, 2**30, 2**31 - 2**24]


def columns(count: int, rows: int, seed: int = 0) -> Words:
    """Random columns whose first ones hold edge values only."""
    random = np.random.default_rng(seed)
    out = random.integers(0, P, (count, rows), dtype=np.uint32)
    out[0] = P - 1
    out[-1] = random.choice(np.array(EDGES, dtype=np.uint32), rows)
    return out


def points(count: int, seed: int = 0) -> Array:
    """Random extension elements."""
    return np.random.default_rng(seed).integers(0, P, (count, DEGREE), dtype=np.uint64)


def natural(coefficients: Words) -> Words:
    """Bit-reversed rows (groups, rows, 16) back in natural order."""
    return coefficients[:, ntt.bit_reversal(coefficients.shape[1].bit_length() - 1)]


def reversed_groups(given: NDArray[Any]) -> NDArray[np.uint32]:
    """Natural coefficients (columns, rows) as bit-reversed groups."""
    order = ntt.bit_reversal(given.shape[1].bit_length() - 1)
    return ntt.to_groups(np.ascontiguousarray(given[:, order]).astype(np.uint32))


# number-theoretic transform


@njit
def _vector_results(a: Any, b: Any, word: Any, out: Any) -> None:
    x, y = vector.load(a, 0), vector.load(b, 0)
    vector.store(out, 0, vector.add(x, y))
    vector.store(out, 16, vector.subtract(x, y))
    vector.store(out, 32, vector.multiply(x, word))


def test_vector_lanes_against_the_reference() -> None:
    """Every pair of edge values in every lane equals plain integers."""
    edges = [0, 1, 2, P // 2, P // 2 + 1, P - 2, P - 1, 2**24, 2**31 - 2**25]
    inverse_of_r = pow(2**32, -1, P)
    out = np.empty((3, 16), dtype=np.uint32)
    for shift in range(len(edges)):
        a = np.array([edges[k % len(edges)] for k in range(16)], dtype=np.uint32)
        b = np.array([edges[(k + shift) % len(edges)] for k in range(16)], dtype=np.uint32)
        word = np.uint32(edges[shift])
        _vector_results(a, b, word, out)
        pairs = [(int(x), int(y)) for x, y in zip(a, b, strict=True)]
        assert out[0].tolist() == [(x + y) % P for x, y in pairs]
        assert out[1].tolist() == [(x - y) % P for x, y in pairs]
        assert out[2].tolist() == [x * int(word) * inverse_of_r % P for x, _ in pairs]


@pytest.mark.parametrize("log2_size", [0, 1, 5])
def test_bit_reversal(log2_size: int) -> None:
    expected = [
        int(f"{k:0{log2_size}b}"[::-1], 2) if log2_size else 0 for k in range(1 << log2_size)
    ]
    assert ntt.bit_reversal(log2_size).tolist() == expected


@pytest.mark.parametrize("rows", [1, 8, 32, 1 << 13])
def test_interpolation_of_columns_in_their_own_memory(rows: int) -> None:
    given = columns(48, rows)
    expected = ntt.to_groups(given)
    ntt.interpolate(expected)
    got = ntt.interpolate_columns(given)
    assert np.array_equal(got, expected)
    assert np.shares_memory(got, given)


def test_groups_are_filled_with_zeros() -> None:
    given = columns(19, 8)
    groups = ntt.to_groups(given)
    assert groups.shape == (2, 8, 16)
    assert np.array_equal(groups.transpose(0, 2, 1).reshape(32, 8)[:19], given)
    assert not groups[1, :, 3:].any()


@pytest.mark.parametrize("shift", [1, GENERATOR])
def test_interpolation_against_direct_evaluation(shift: int) -> None:
    given = columns(18, 32)
    groups = ntt.to_groups(given)
    ntt.interpolate(groups, shift)
    coefficients = natural(groups).transpose(0, 2, 1).reshape(-1, 32)[:18].astype(np.uint64)
    root = root_of_unity(5)
    for row in range(32):
        x = shift * pow(root, row, P) % P
        values = (coefficients * powers(x, 32) % np.uint64(P)).sum(axis=1) % np.uint64(P)
        assert np.array_equal(values, given[:, row])


def test_interpolation_against_galois() -> None:
    given = columns(1, 16, seed=5)
    groups = ntt.to_groups(given)
    ntt.interpolate(groups)
    assert int(galois.GF(P).primitive_root_of_unity(16)) == root_of_unity(4)
    expected = galois.intt(given[0].astype(np.int64), modulus=P)
    assert natural(groups)[0, :, 0].tolist() == [int(v) for v in expected]


@pytest.mark.parametrize("blowup", [1, 2, 8])
@pytest.mark.parametrize("shift", [1, GENERATOR])
def test_extension_against_direct_evaluation(shift: int, blowup: int) -> None:
    log2_rows = 4
    coefficients = columns(17, 16, seed=blowup)
    order = ntt.bit_reversal(log2_rows)
    extended = ntt.extend_cosets(
        ntt.to_groups(coefficients[:, order]), shift, blowup, range(blowup)
    )
    assert extended.shape == (blowup, 2, 16, 16)
    root = root_of_unity(log2_rows + blowup.bit_length() - 1)
    for index in range(16 * blowup):
        x = shift * pow(root, index, P) % P
        values = (coefficients * powers(x, 16) % np.uint64(P)).sum(axis=1) % np.uint64(P)
        got = extended[index % blowup, :, index // blowup].ravel()
        assert np.array_equal(got[:17], values)
        assert not got[17:].any()


@pytest.mark.parametrize("slices", [2, 4, 16])
def test_a_slice_of_a_coset(slices: int) -> None:
    rows, blowup = 1 << 8, 4
    coefficients = ntt.to_groups(columns(17, rows, seed=slices))
    whole = ntt.extend_cosets(coefficients, GENERATOR, blowup, range(blowup))
    for number in (0, 3):
        for first in range(slices):
            out = np.empty((1, 2, rows // slices, 16), dtype=np.uint32)
            cosets, coset = blowup * slices, number + blowup * first
            ntt.extend_cosets(coefficients, GENERATOR, cosets, [coset], out)
            assert np.array_equal(out[0], whole[number, :, first::slices])


def test_sizes_beyond_one_cache_block() -> None:
    # above 2^12 rows the transform works in two stages
    log2_rows = 14
    given = columns(2, 1 << log2_rows)
    groups = ntt.to_groups(given)
    ntt.interpolate(groups)
    coefficients = natural(groups)[0, :, 0].astype(np.uint64)
    for row in (0, 1, 8191, 8192, 16383):
        x = pow(root_of_unity(log2_rows), row, P)
        value = (coefficients * powers(x, 1 << log2_rows) % np.uint64(P)).sum() % np.uint64(P)
        assert value == given[0, row]
    back = ntt.extend_cosets(groups, 1, 1, [0])
    assert np.array_equal(back[0, 0, :, :2].T, given)


# BLAKE2s


@pytest.mark.parametrize(
    ("count", "rows", "keep"),
    [
        (1, 16, []),
        (15, 32, [2]),
        (16, 32, [3, 0]),
        (17, 64, range(4)),
        (47, 32, []),
        (33, 1 << 13, [1]),
    ],
)
def test_extended_leaves_against_hashlib(count: int, rows: int, keep: Sequence[int]) -> None:
    coefficients, cosets, seed = ntt.to_groups(columns(count, rows, seed=count)), 4, random_seed()
    found, kept = leaves.extended_leaves(coefficients, count, GENERATOR, cosets, seed, keep)
    extended = ntt.extend_cosets(coefficients, GENERATOR, cosets, range(cosets))
    assert np.array_equal(kept, extended[list(keep)])
    values = extended.transpose(2, 0, 1, 3).reshape(rows * cosets, -1)
    for index in {*range(64), *range(0, rows * cosets, 61), rows * cosets - 1}:
        words = np.ascontiguousarray(values[index, :count], dtype="<u4").tobytes()
        salt = digest(seed, index)
        assert found[index].tobytes() == leaf_digest(words, salt)
        number = index.to_bytes(8, "little")
        assert salt == hashlib.blake2s(number, key=seed, person=b"zkm:salz").digest()
        assert (
            leaf_digest(words, salt)
            == hashlib.blake2s(words, key=salt, person=b"zkm:leaf").digest()
        )


def test_leaves_are_hashed_sixteen_at_a_time() -> None:
    with pytest.raises(ValueError, match="8 rows are not a multiple of 16"):
        leaves.extended_leaves(ntt.to_groups(columns(3, 8)), 3, GENERATOR, 4, random_seed())


@pytest.mark.parametrize("length", [1, 8, 15, 16, 17, 48])
def test_word_leaves_against_hashlib(length: int) -> None:
    words = columns(length, 37).T.copy()  # two batches in lockstep, and five
    for row, leaf in zip(words, blake2s.hash_words(words), strict=True):
        expected = hashlib.blake2s(row.tobytes(), person=b"zkm:leaf").digest()
        assert leaf.tobytes() == expected


@pytest.mark.parametrize("log2_leaves", [0, 1, 6, 14])  # the last in several subtrees
def test_tree_levels_against_hashlib(log2_leaves: int) -> None:
    bottom = columns(8, 1 << log2_leaves).T.copy()
    levels = blake2s.tree_levels(bottom)
    expected = [leaf.tobytes() for leaf in bottom]
    for level in levels:
        assert [digest.tobytes() for digest in level] == expected
        expected = [
            hashlib.blake2s(expected[k] + expected[k + 1], person=b"zkm:node").digest()
            for k in range(0, len(expected) - 1, 2)
        ]
    assert len(levels) == log2_leaves + 1


@pytest.mark.parametrize("bits", [0, 1, 8, 13])
def test_grinding_finds_the_first_nonce(bits: int) -> None:
    state = bytes(range(32))
    nonce = blake2s.grind(state, bits)
    assert grinding_ok(state, nonce, bits)
    assert not any(grinding_ok(state, k, bits) for k in range(nonce))


# constraint programs


@pytest.mark.parametrize(
    ("schema", "formulas"),
    [
        (Schema((channel("x", 16),), 100), ("sum(x)", "count(x <= 40000)")),
        (Schema((channel("x", 18, "0.001"),)), ("sum(x * dt_ms)", "sum(x)", "count(x >= 3)")),
        (Schema((channel("x", 9, "0.1", "-7"),), 100), ("sum(x * dt_ms)", "count(x <= 3)")),
    ],
    ids=["meter", "pump", "below zero"],
)
@pytest.mark.parametrize("rows", [4, 128, 130])
def test_program_against_the_interpreter(
    schema: Schema, formulas: tuple[str, ...], rows: int
) -> None:
    # random data, so that every constraint is nonzero and none hides behind another
    circuit: Circuit = compile_circuit(schema, formulas)
    trace, selectors = columns(circuit.column_count, rows), columns(len(circuit.selectors), rows, 1)
    publics = sample_elements(b"", b"publics", len(circuit.publics))
    factors = columns(2, rows, 2)[1]
    alpha = points(1)[0]
    made = program.assemble(circuit)
    got = program.evaluate(
        made,
        program.combine(made, publics, alpha),
        ntt.to_groups(trace),
        ntt.to_groups(selectors),
        factors,
    )
    one = np.ones(rows, dtype=np.uint64)
    values = interpreter(circuit).constraints(
        trace.astype(np.uint64),
        np.roll(trace, -1, axis=1).astype(np.uint64),  # the row after the last is the first
        selectors.astype(np.uint64),
        publics[:, None] * one,
        one,
        multiply,
    )
    assert values.any(axis=1).all()
    weights = extension_powers(alpha, circuit.constraint_count)
    combined = (values[:, :, None] * weights[:, None, :] % np.uint64(P)).sum(axis=0) % np.uint64(P)
    assert np.array_equal(got, combined * factors[:, None] % np.uint64(P))


def test_one_program_serves_any_public_input() -> None:
    # constants that hold public inputs are set per proof and must not leak into the next one
    circuit = compile_circuit(Schema((channel("x", 4),), 100), ("sum(x)",))
    made = program.assemble(circuit)
    trace = ntt.to_groups(columns(circuit.column_count, 8))
    selectors = ntt.to_groups(columns(len(circuit.selectors), 8, 1))
    factors, alpha = np.ones(8, dtype=np.uint32), points(1)[0]
    inputs = [sample_elements(b"", label, len(circuit.publics)) for label in (b"a", b"b")]
    first, second, again = (
        program.evaluate(made, program.combine(made, publics, alpha), trace, selectors, factors)
        for publics in (inputs[0], inputs[1], inputs[0])
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


def test_the_coset_is_undone() -> None:
    # interpolation on a coset and extension to the same coset are inverse to each other
    given = ntt.to_groups(columns(3, 64))
    groups = given.copy()
    ntt.interpolate(groups, GENERATOR)
    assert np.array_equal(ntt.extend_cosets(groups, GENERATOR, 1, [0])[0], given)
    assert inverse(GENERATOR) * GENERATOR % P == 1
