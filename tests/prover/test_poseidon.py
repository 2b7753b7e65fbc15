"""The Poseidon kernels against the plain permutation and the reference for the hash columns."""

from __future__ import annotations

import numpy as np
import pytest

from circuits.chain import Role, absorb, sample_elements
from circuits.field import P
from circuits.gadgets import log_hash
from circuits.layout import Layout
from circuits.poseidon import FULL_ROUNDS_EACH_SIDE, PARTIAL_ROUNDS, WIDTH, permute
from circuits.poseidon_constants import ROUND_CONSTANTS
from prover.kernels import poseidon
from prover.kernels.montgomery import Words
from prover.kernels.poseidon_tables import FIRST_OUTPUT, ONE, ROLES, STATE_BEHIND, partial_forms

EDGES = [0, 1, 2, P - 1, P - 2, (P - 1) // 2, 2**24 - 1, 2**24, 2**30, 2**31 - 2**24]


def elements(*shape: int, seed: int = 0) -> Words:
    """Random elements, a third of them at the edges."""
    random = np.random.default_rng(seed)
    out = random.integers(0, P, shape, dtype=np.uint32)
    edges = random.choice(np.array(EDGES, dtype=np.uint32), shape)
    mixed: Words = np.where(random.integers(0, 3, shape) == 0, edges, out)
    return mixed


def test_forms_of_the_partial_rounds() -> None:
    # the forms on numbers of any size, against one round after the other
    state = [int(value) for value in elements(WIDTH)]
    forms = [[int(value) for value in row] for row in partial_forms()]
    arguments = [*state, 1] + [0] * (len(forms[0]) - ONE - 1)
    constants = ROUND_CONSTANTS[FULL_ROUNDS_EACH_SIDE:]
    for r in range(PARTIAL_ROUNDS):
        state = [(value + c) % P for value, c in zip(state, constants[r], strict=True)]
        assert sum(a * b for a, b in zip(forms[r], arguments, strict=True)) % P == state[0]
        state[0] = arguments[FIRST_OUTPUT + r] = pow(state[0], 3, P)
        row = log_hash._MATRIX
        state = [sum(a * b for a, b in zip(line, state, strict=True)) % P for line in row]
    behind = [sum(a * b for a, b in zip(f, arguments, strict=True)) % P for f in forms]
    assert behind[STATE_BEHIND:] == state


def test_chain_against_absorb() -> None:
    start, blocks = elements(8, seed=1), elements(200, 8, seed=2)
    blocks[:3] = P - 1
    roles = (np.arange(200) % 3).astype(np.uint8)
    assert set(log_hash.ROW_ROLES) == set(Role) - {Role.GENESIS}
    chain, expected = start.astype(np.uint64), []
    for block, role in zip(blocks, roles, strict=True):
        chain = absorb(chain, block.astype(np.uint64), log_hash.ROW_ROLES[role])
        expected.append(chain.tolist())
    assert poseidon.chain_rows(start, blocks, roles).tolist() == expected
    assert poseidon.chain_rows(start, blocks[:0], roles[:0]).shape == (0, 8)


def test_extreme_states() -> None:
    # every entering element at its largest, smallest, and around the halves of the mix
    for low, high in ((P - 1, P - 1), (0, 0), (P - 1, 0), (0, P - 1), (1, P - 1)):
        blocks = np.full((1, 8), high, dtype=np.uint32)
        start = np.full(8, low, dtype=np.uint32)
        roles = np.zeros(1, dtype=np.uint8)
        entering = np.concatenate([start, blocks[0]]).astype(np.uint64)
        entering[:8] = (entering[:8] + ROLES[0]) % np.uint64(P)
        expected = (permute(entering)[:8] + start) % np.uint64(P)
        assert poseidon.chain_rows(start, blocks, roles)[0].tolist() == expected.tolist()


def test_what_no_kernel_takes() -> None:
    # compiled code indexes without bounds checks and adds in 32 bits
    blocks, start = elements(3, 8), np.zeros(8, dtype=np.uint32)
    columns = np.zeros((log_hash.COLUMN_COUNT, 20), dtype=np.uint32)
    pieces = np.array([[0, 20]])
    good = np.zeros(3, dtype=np.uint8)
    for roles in ([0, 1, 3], [0, 1], [255, 0, 0]):
        with pytest.raises(ValueError, match="known role"):
            poseidon.chain_rows(start, blocks, np.array(roles, dtype=np.uint8))
        with pytest.raises(ValueError, match="known role"):
            poseidon.fill_log_hash(
                columns, pieces, start[None], blocks, np.array(roles, dtype=np.uint8)
            )
    for wrong in (np.full_like(blocks, P), blocks.astype(np.int64) - P):
        with pytest.raises(ValueError, match=r"0\.\.P-1"):
            poseidon.chain_rows(start, wrong, good)
    for outside in ([[0, 21]], [[20, 1]], [[-1, 2]], [[3, -1]], [[0, 2], [2, 2]]):
        with pytest.raises(ValueError, match="inside the trace"):
            poseidon.fill_log_hash(columns, np.array(outside), start[None], blocks, good)
    for few in (columns[1:], columns[:, ::2]):
        with pytest.raises(ValueError, match="whole trace"):
            poseidon.fill_log_hash(few, pieces, start[None], blocks, good)


@pytest.mark.parametrize("rows", [1, 6, 11])
def test_hash_columns_of_all_roles(rows: int) -> None:
    # fewer rows than blocks, exactly as many, and padding rows behind them
    layout = Layout.from_counts([9], 4, True, state_rows=1)
    roles = log_hash.row_roles(layout)
    assert roles.tolist() == [2, 0, 0, 0, 1, 2]
    check_pieces([rows], len(roles), roles)


@pytest.mark.parametrize(
    "counts",
    [
        [15, 16, 17, 0, 79],
        [20] * 16 + [3],
        [5] * 21 + [0, 1, 170],
        [80] * 8,
        list(range(90, 58, -1)),
        [161, 160, 159, 100, 100, 100, 99, 1, 1],
    ],
    ids=["alone", "sixteen and one", "two batches", "half a batch", "uneven", "two tiles"],
)
def test_hash_columns_of_many_pieces(counts: list[int]) -> None:
    given = sum(counts) - min(30, counts[-1] // 2)  # the last ones absorb zeros
    roles = np.random.default_rng(len(counts)).integers(0, 3, given).astype(np.uint8)
    check_pieces(counts, given, roles)


def check_pieces(counts: list[int], given: int, roles: np.ndarray) -> None:
    """Both ways to fill pieces of so many rows agree, cell by cell, also around them."""
    firsts = np.cumsum([0, *counts[:-1]])
    blocks = elements(given, 8, seed=given)
    starts = elements(len(counts), 8, seed=1)
    plain = np.full((log_hash.COLUMN_COUNT + 1, sum(counts) + 1), 7, dtype=np.uint32)
    fast = plain.copy()
    ends = [
        log_hash.fill_log_hash(
            plain[:, first:], start.astype(np.uint64), blocks[first:], roles[first:], count
        )
        for first, count, start in zip(firsts, counts, starts, strict=True)
    ]
    pieces = np.stack([firsts, np.array(counts)], axis=1)
    assert np.array_equal(poseidon.fill_log_hash(fast, pieces, starts, blocks, roles), ends)
    assert np.array_equal(fast, plain)


def test_batches_are_of_the_longest_first() -> None:
    alone, batches = poseidon._shared_out(np.array([2, 900, 0, *[60] * 20, 1]))
    assert alone[0] == 1
    batched = [int(piece) for batch in batches for piece in batch.reshape(-1) if piece >= 0]
    assert sorted(alone + batched) == [k for k in range(24) if k != 2]
    assert batches[0][0].tolist() == list(range(3, 19))


def test_a_start_of_any_integer_type() -> None:
    blocks, roles = elements(2, 8), np.zeros(2, dtype=np.uint8)
    start = sample_elements(b"", b"start", 8)
    found = poseidon.chain_rows(start, blocks.astype(np.uint64), roles)
    assert np.array_equal(found, poseidon.chain_rows(start.astype(np.uint32), blocks, roles))
