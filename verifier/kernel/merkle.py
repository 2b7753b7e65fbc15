"""Merkle trees over BLAKE2s-256, leaf and node separated by personalisation, and multi-proofs.

A leaf is BLAKE2s over canonical little-endian words; leaves that hide something are keyed with a
fresh 32-byte salt. A multi-proof holds the digests that cannot be computed from the opened leaves,
level by level from the leaves up, left to right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES = 32
SALT_BYTES = 32
LEAF_PERSON = b"zkm:leaf"
NODE_PERSON = b"zkm:node"


# a copy of a started hash is cheaper than one that is set up anew
_LEAF = hashlib.blake2s(person=LEAF_PERSON)
_NODE = hashlib.blake2s(person=NODE_PERSON)


def leaf_digest(words: bytes, salt: bytes = b"") -> bytes:
    """Digest of a leaf; ``salt`` is the BLAKE2s key (empty where nothing is to be hidden)."""
    if salt:
        return hashlib.blake2s(words, key=salt, person=LEAF_PERSON).digest()
    hasher = _LEAF.copy()
    hasher.update(words)
    return hasher.digest()


def node_digest(left: bytes, right: bytes) -> bytes:
    """Digest of an inner node."""
    hasher = _NODE.copy()
    hasher.update(left + right)
    return hasher.digest()


def root_from_multiproof(
    log2_leaves: int, indices: Sequence[int], leaves: Sequence[bytes], siblings: Iterable[bytes]
) -> bytes:
    """The root over opened ``leaves`` at ascending, distinct ``indices``.

    ``siblings`` are the digests that the opened leaves do not give: ``sibling_count`` of them are
    taken.
    """
    rest = iter(siblings)
    level = dict(zip(indices, leaves, strict=True))
    for _ in range(log2_leaves):
        above: dict[int, bytes] = {}
        for index, digest in level.items():
            if index & 1 == 0:
                above[index >> 1] = node_digest(digest, level.get(index + 1) or next(rest))
            elif index - 1 not in level:  # else the left child has made the parent
                above[index >> 1] = node_digest(next(rest), digest)
        level = above
    return level[0]


def sibling_count(log2_leaves: int, indices: Sequence[int]) -> int:
    """How many siblings the multi-proof of ascending, distinct ``indices`` (at least one) holds.

    The first path needs one at every level. Each further one needs its own below the node where it
    meets the path to its left, and there it takes the place of one.
    """
    meeting_levels = ((left ^ right).bit_length() for left, right in pairwise(indices))
    return log2_leaves + sum(level - 2 for level in meeting_levels)


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
