"""Merkle trees and multi-proofs against plain hashlib."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.kernel.merkle import (
    as_words,
    leaf_digest,
    node_digest,
    root_from_multiproof,
    sibling_count,
    sibling_positions,
)


def tree(log2_leaves: int) -> list[list[bytes]]:
    """All levels over made-up leaf digests, by the definition."""
    levels = [[bytes([k % 256, k // 256]) * 16 for k in range(1 << log2_leaves)]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append(
            [
                hashlib.blake2s(below[k] + below[k + 1], person=b"zkm:node").digest()
                for k in range(0, len(below), 2)
            ]
        )
    return levels


def root_of(
    levels: list[list[bytes]], indices: list[int], changed: dict[int, bytes] | None = None
) -> bytes:
    """The root that a verifier works out; ``changed`` replaces siblings by their position."""
    log2_leaves = len(levels) - 1
    siblings = [levels[level][k] for level, k in sibling_positions(log2_leaves, indices)]
    for position, digest in (changed or {}).items():
        siblings[position] = digest
    assert sibling_count(log2_leaves, indices) == len(siblings)
    rest = iter(siblings)
    root = root_from_multiproof(log2_leaves, indices, [levels[0][k] for k in indices], rest)
    assert next(rest, None) is None  # exactly the needed digests were asked for
    return root


def test_digests_are_blake2s_with_separation() -> None:
    words = bytes(range(64))
    assert leaf_digest(words) == hashlib.blake2s(words, person=b"zkm:leaf").digest()
    salt = bytes(range(32))
    assert leaf_digest(words, salt) == hashlib.blake2s(words, key=salt, person=b"zkm:leaf").digest()
    assert (
        node_digest(words[:32], words[32:]) == hashlib.blake2s(words, person=b"zkm:node").digest()
    )
    # 64 bytes of two children, opened as a leaf, must not give the node's digest
    assert leaf_digest(words) != node_digest(words[:32], words[32:])
    assert leaf_digest(words, salt) != leaf_digest(words)


def test_words_are_little_endian() -> None:
    assert as_words(np.array([1, 2**24], dtype=np.uint32)) == bytes([1, 0, 0, 0, 0, 0, 0, 1])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 7).flatmap(
    lambda k: st.tuples(st.just(k), st.sets(st.integers(0, (1 << k) - 1), min_size=1))
))  # fmt: skip
def test_any_set_of_leaves_opens_to_the_root(case: tuple[int, set[int]]) -> None:
    log2_leaves, chosen = case
    levels = tree(log2_leaves)
    assert root_of(levels, sorted(chosen)) == levels[-1][0]


def test_the_proof_holds_nothing_that_can_be_computed() -> None:
    assert sibling_positions(3, list(range(8))) == []
    assert sibling_positions(3, [0, 1]) == [(1, 1), (2, 1)]
    assert sibling_positions(3, [5]) == [(0, 4), (1, 3), (2, 0)]
    assert sibling_positions(3, [2, 4, 5]) == [(0, 3), (1, 0), (1, 3)]
    assert sibling_positions(0, [0]) == []
    assert [sibling_count(3, chosen) for chosen in ([0, 1], [5], [2, 4, 5])] == [2, 3, 3]


@pytest.mark.parametrize("indices", [[0], [31], [3, 4, 17], [0, 1, 2, 3, 30]])
def test_every_single_digest_matters(indices: list[int]) -> None:
    levels = tree(5)
    positions = sibling_positions(5, indices)
    for number, (level, index) in enumerate(positions):
        digest = levels[level][index]
        for byte in (0, 31):
            other = digest[:byte] + bytes([digest[byte] ^ 1]) + digest[byte + 1 :]
            assert root_of(levels, indices, {number: other}) != levels[-1][0]


def test_every_opened_leaf_and_its_place_matters() -> None:
    levels, indices = tree(4), [1, 6, 7]
    root = levels[-1][0]
    for index in indices:
        changed = [list(level) for level in levels]
        changed[0][index] = bytes(32)
        assert root_of(changed, indices) != root
    moved = [list(level) for level in levels]
    moved[0][6], moved[0][7] = moved[0][7], moved[0][6]
    assert root_of(moved, indices) != root
