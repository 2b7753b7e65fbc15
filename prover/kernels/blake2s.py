"""BLAKE2s-256 (RFC 7693) over rows of the extended trace, tree levels, and grinding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from prover.kernels.montgomery import Words
from verifier.kernel.merkle import LEAF_PERSON, NODE_PERSON

_IV = np.array(
    [
        0x6A09E667,
        0xBB67AE85,
        0x3C6EF372,
        0xA54FF53A,
        0x510E527F,
        0x9B05688C,
        0x1F83D9AB,
        0x5BE0CD19,
    ],
    dtype=np.uint32,
)
_SIGMA = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ],
    dtype=np.int64,
)
_GRIND_PERSON = b"zkm:grnd"
_ALL_ONES = np.uint32(0xFFFFFFFF)
_ZERO = np.uint32(0)


def initial_state(person: bytes, key_bytes: int) -> Words:
    """The chaining value after the parameter block: digest 32, fanout 1, depth 1."""
    state = _IV.copy()
    state[0] ^= np.uint32(0x01010000 | key_bytes << 8 | 32)
    state[6:8] ^= np.frombuffer(person, dtype="<u4")
    return state


@njit(inline="always")
def _rotate(value: Any, count: Any) -> Any:
    return np.uint32(value >> np.uint32(count)) | np.uint32(value << np.uint32(32 - count))


@njit(inline="always")
def _mix(a: Any, b: Any, c: Any, d: Any, x: Any, y: Any) -> Any:
    a = np.uint32(a + b + x)
    d = _rotate(np.uint32(d ^ a), 16)
    c = np.uint32(c + d)
    b = _rotate(np.uint32(b ^ c), 12)
    a = np.uint32(a + b + y)
    d = _rotate(np.uint32(d ^ a), 8)
    c = np.uint32(c + d)
    b = _rotate(np.uint32(b ^ c), 7)
    return a, b, c, d


@njit(cache=True)
def compress(h: Any, m: Any, count: Any, final: Any) -> None:
    """Absorb the 16 words ``m`` into ``h`` in place; ``count`` bytes so far including these."""
    v0, v1, v2, v3, v4, v5, v6, v7 = h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
    v8, v9, v10, v11 = _IV[0], _IV[1], _IV[2], _IV[3]
    v12 = np.uint32(_IV[4] ^ np.uint32(count))
    v13 = _IV[5]
    v14 = np.uint32(_IV[6] ^ final)
    v15 = _IV[7]
    for r in range(10):
        s = _SIGMA[r]
        v0, v4, v8, v12 = _mix(v0, v4, v8, v12, m[s[0]], m[s[1]])
        v1, v5, v9, v13 = _mix(v1, v5, v9, v13, m[s[2]], m[s[3]])
        v2, v6, v10, v14 = _mix(v2, v6, v10, v14, m[s[4]], m[s[5]])
        v3, v7, v11, v15 = _mix(v3, v7, v11, v15, m[s[6]], m[s[7]])
        v0, v5, v10, v15 = _mix(v0, v5, v10, v15, m[s[8]], m[s[9]])
        v1, v6, v11, v12 = _mix(v1, v6, v11, v12, m[s[10]], m[s[11]])
        v2, v7, v8, v13 = _mix(v2, v7, v8, v13, m[s[12]], m[s[13]])
        v3, v4, v9, v14 = _mix(v3, v4, v9, v14, m[s[14]], m[s[15]])
    h[0] ^= np.uint32(v0 ^ v8)
    h[1] ^= np.uint32(v1 ^ v9)
    h[2] ^= np.uint32(v2 ^ v10)
    h[3] ^= np.uint32(v3 ^ v11)
    h[4] ^= np.uint32(v4 ^ v12)
    h[5] ^= np.uint32(v5 ^ v13)
    h[6] ^= np.uint32(v6 ^ v14)
    h[7] ^= np.uint32(v7 ^ v15)


@njit(cache=True, parallel=True)
def _row_leaves(extended: Any, columns: int, salts: Any, start: Any, out: Any) -> None:
    cosets, groups, rows, _ = extended.shape
    for row in prange(rows):
        block = np.zeros(16, dtype=np.uint32)
        for coset in range(cosets):
            index = row * cosets + coset
            h = out[index]
            h[:] = start
            block[:8] = salts[index]
            block[8:] = 0
            compress(h, block, 64, _ZERO)
            for group in range(groups):
                last = group == groups - 1
                count = 64 + (4 * columns if last else 64 * (group + 1))
                compress(h, extended[coset, group, row], count, _ALL_ONES if last else _ZERO)


@njit(cache=True, parallel=True)
def _word_leaves(words: Any, start: Any, out: Any) -> None:
    leaves, length = words.shape
    for index in prange(leaves):
        h = out[index]
        h[:] = start
        block = np.zeros(16, dtype=np.uint32)
        for at in range(0, length, 16):
            end = min(at + 16, length)
            block[:] = 0
            block[: end - at] = words[index, at:end]
            compress(h, block, 4 * end, _ALL_ONES if end == length else _ZERO)


@njit(cache=True, parallel=True)
def _parents(children: Any, start: Any, out: Any) -> None:
    pairs = children.reshape(-1, 16)
    for index in prange(out.shape[0]):
        h = out[index]
        h[:] = start
        compress(h, pairs[index], 64, _ALL_ONES)


@njit(cache=True)
def _grind(state: Any, start: Any, mask: Any, first: Any) -> Any:
    block = np.zeros(16, dtype=np.uint32)
    block[:8] = state
    h = np.empty(8, dtype=np.uint32)
    nonce = first
    while True:
        block[8] = np.uint32(nonce & 0xFFFFFFFF)
        block[9] = np.uint32(nonce >> 32)
        h[:] = start
        compress(h, block, 40, _ALL_ONES)
        if h[0] & mask == 0:
            return nonce
        nonce += 1


def hash_rows(extended: Words, columns: int, salts: Words) -> Words:
    """Salted leaf digests (domain, 8) of rows (cosets, groups, rows, 16), in natural order.

    ``columns`` counts the real columns; ``salts`` is (domain, 8) words.
    """
    cosets, _, rows, _ = extended.shape
    out = np.empty((cosets * rows, 8), dtype=np.uint32)
    _row_leaves(extended, columns, salts, initial_state(LEAF_PERSON, 32), out)
    return out


def hash_words(words: Words) -> Words:
    """Unsalted leaf digests (leaves, 8) of (leaves, words per leaf)."""
    out = np.empty((len(words), 8), dtype=np.uint32)
    _word_leaves(np.ascontiguousarray(words), initial_state(LEAF_PERSON, 0), out)
    return out


def tree_levels(leaves: Words) -> list[Words]:
    """All levels of the Merkle tree, leaves first, root last; each (count, 8)."""
    levels = [leaves]
    start = initial_state(NODE_PERSON, 0)
    while len(levels[-1]) > 1:
        out = np.empty((len(levels[-1]) // 2, 8), dtype=np.uint32)
        _parents(levels[-1], start, out)
        levels.append(out)
    return levels


def grind(state: bytes, bits: int) -> int:
    """The smallest nonce that passes ``verifier.kernel.transcript.grinding_ok``."""
    words = np.frombuffer(state, dtype="<u4")
    mask = np.uint32((1 << bits) - 1)
    return int(_grind(words, initial_state(_GRIND_PERSON, 0), mask, 0))
