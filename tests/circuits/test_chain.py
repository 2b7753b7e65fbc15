"""The commitment chain: roles that cannot be confused, canonical packing, uniform salts."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from circuits.chain import (
    ROLE_CONSTANTS,
    Role,
    absorb,
    digest_blocks,
    genesis,
    pack_records,
    sample_elements,
    window_salt,
)
from circuits.field import Array, P
from circuits.poseidon import permute

CHAIN = sample_elements(b"", b"chain", 8)
BLOCK = sample_elements(b"", b"block", 8)


def test_absorb_is_the_written_formula() -> None:
    for role in Role:
        shifted = (CHAIN + ROLE_CONSTANTS[role]) % np.uint64(P)
        expected = (permute(np.concatenate([shifted, BLOCK]))[:8] + CHAIN) % np.uint64(P)
        assert np.array_equal(absorb(CHAIN, BLOCK, role), expected)


def test_a_block_means_something_else_in_every_role() -> None:
    # else a salt could be read as readings, an opening as data, or carried state as a window
    assert len({tuple(absorb(CHAIN, BLOCK, role).tolist()) for role in Role}) == len(Role) == 4


def test_no_block_makes_up_for_another_role() -> None:
    # block elements are free, so shifting one by a difference of constants must not undo the role
    for first in Role:
        for second in Role:
            if first is second:
                continue
            difference = ROLE_CONSTANTS[first] + np.uint64(P) - ROLE_CONSTANTS[second]
            for moved in (BLOCK + difference, BLOCK + np.uint64(P) - difference % np.uint64(P)):
                disguised = absorb(CHAIN, moved % np.uint64(P), second)
                assert not np.array_equal(disguised, absorb(CHAIN, BLOCK, first))


def test_role_constants_are_distinct_everywhere() -> None:
    table = np.stack([ROLE_CONSTANTS[role] for role in Role])
    assert all(len(set(column)) == len(Role) for column in table.T.tolist())
    assert int(table.max()) < P


@pytest.mark.parametrize("position", range(8))
def test_every_element_of_chain_and_block_matters(position: int) -> None:
    before = absorb(CHAIN, BLOCK, Role.DATA)
    changed = BLOCK.copy()
    changed[position] = (changed[position] + np.uint64(1)) % np.uint64(P)
    assert not np.array_equal(absorb(CHAIN, changed, Role.DATA), before)
    moved = CHAIN.copy()
    moved[position] = (moved[position] + np.uint64(1)) % np.uint64(P)
    assert not np.array_equal(absorb(moved, BLOCK, Role.DATA), before)


def test_digests_enter_as_sixteen_bit_limbs() -> None:
    digest = bytes(range(32))
    blocks = digest_blocks(digest)
    assert blocks.shape == (2, 8)
    assert b"".join(int(v).to_bytes(2, "little") for v in blocks.ravel()) == digest
    assert int(digest_blocks(b"\xff" * 32).max()) == 0xFFFF


def test_genesis_depends_on_the_whole_digest() -> None:
    start = genesis(bytes(32))
    chain = np.zeros(8, dtype=np.uint64)
    for block in digest_blocks(bytes(32)):
        chain = absorb(chain, block, Role.GENESIS)
    assert np.array_equal(start, chain)
    for position in (0, 15, 16, 31):
        other = bytearray(32)
        other[position] = 1
        assert not np.array_equal(genesis(bytes(other)), start)


def test_samples_are_canonical_fixed_and_labelled() -> None:
    many = sample_elements(b"key", b"label", 4000)
    assert int(many.max()) < P
    assert np.array_equal(many[:9], sample_elements(b"key", b"label", 9))
    assert not np.array_equal(many[:9], sample_elements(b"key", b"other", 9))
    assert not np.array_equal(many[:9], sample_elements(b"yek", b"label", 9))


def test_samples_are_rejected_not_reduced() -> None:
    # a word in p..2^31-1 folded down would make the low 2^24 values twice as likely
    words: list[int] = []
    for counter in range(100):
        label = b"label" + counter.to_bytes(4, "little")
        block = hashlib.blake2s(label, key=b"key", person=b"zkm:samp").digest()
        words += [int.from_bytes(block[k : k + 4], "little") % 2**31 for k in range(0, 32, 4)]
    kept = [word for word in words if word < P]
    assert len(kept) < len(words)
    assert sample_elements(b"key", b"label", len(kept)).tolist() == kept


def test_salts_differ_by_device_epoch_and_window() -> None:
    cases = [(b"a" * 32, 0, 0), (b"b" * 32, 0, 0), (b"a" * 32, 1, 0), (b"a" * 32, 0, 1)]
    salts = [tuple(window_salt(*case).tolist()) for case in cases]
    assert len(set(salts)) == 4
    assert all(len(salt) == 8 and max(salt) < P for salt in salts)
    assert salts[0] == tuple(window_salt(*cases[0]).tolist())


@pytest.mark.parametrize(
    ("count", "elements", "width", "rows"),
    [
        (0, 2, 2, 0),
        (1, 2, 2, 1),
        (4, 2, 2, 1),
        (5, 2, 2, 2),
        (3, 1, 1, 1),
        (9, 1, 1, 2),
        (2, 5, 8, 2),
        (3, 3, 4, 2),
    ],
)
def test_packing_fills_with_zeros(count: int, elements: int, width: int, rows: int) -> None:
    records: Array = np.arange(1, count * elements + 1, dtype=np.uint64).reshape(count, elements)
    blocks = pack_records(records, width)
    assert blocks.shape == (rows, 8)
    slots = blocks.reshape(-1, width)
    assert np.array_equal(slots[:count, :elements], records)
    assert int(blocks.sum()) == int(records.sum())  # everything else is zero
