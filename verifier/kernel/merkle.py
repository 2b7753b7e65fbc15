"""Merkle trees over BLAKE2s-256, leaf and node separated by personalisation, and multi-proofs.

A leaf is BLAKE2s over canonical little-endian words; leaves that hide something are keyed with a
fresh 32-byte salt. A multi-proof holds the digests that cannot be computed from the opened leaves,
level by level from the leaves up, left to right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES = 32
SALT_BYTES = 32
LEAF_PERSON = b"zkm:leaf"
NODE_PERSON = b"zkm:node"


def leaf_digest(words: bytes, salt: bytes = b"") -> bytes:
    """Digest of a leaf; ``salt`` is the BLAKE2s key (empty where nothing is to be hidden)."""
    return hashlib.blake2s(words, key=salt, person=LEAF_PERSON).digest()


def node_digest(left: bytes, right: bytes) -> bytes:
    """Digest of an inner node."""
    return hashlib.blake2s(left + right, person=NODE_PERSON).digest()


def root_from_multiproof(
    log2_leaves: int,
    indices: Sequence[int],
    leaves: Sequence[bytes],
    next_sibling: Callable[[], bytes],
) -> bytes:
    """The root over opened ``leaves`` at ascending, distinct ``indices``.

    ``next_sibling`` is called exactly for the digests that the opened leaves do not give.
    """
    level = dict(zip(indices, leaves, strict=True))
    for _ in range(log2_leaves):
        above: dict[int, bytes] = {}
        for index, digest in level.items():
            parent = index >> 1
            if parent in above:
                continue
            other = level.get(index ^ 1)
            if other is None:
                other = next_sibling()
            left, right = (digest, other) if index & 1 == 0 else (other, digest)
            above[parent] = node_digest(left, right)
        level = above
    return level[0]


def sibling_positions(log2_leaves: int, indices: Sequence[int]) -> list[tuple[int, int]]:
    """(level, index) of each digest of the multi-proof, in order; level 0 are the leaves."""
    out: list[tuple[int, int]] = []
    current = sorted(set(indices))
    for level in range(log2_leaves):
        present = set(current)
        out += [(level, i ^ 1) for i in current if i ^ 1 not in present]
        current = sorted({i >> 1 for i in current})
    return out


def as_words(values: NDArray[np.uint32]) -> bytes:
    """Canonical leaf bytes of field elements."""
    return np.ascontiguousarray(values, dtype="<u4").tobytes()
