"""BLAKE2s-256 (RFC 7693) over tree levels and the leaves of FRI layers, and grinding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from prover.kernels import vector
from prover.kernels.blake2s_tables import IV, SIGMA
from prover.kernels.montgomery import Words
from prover.kernels.vector import LANES
from verifier.kernel.merkle import LEAF_PERSON, NODE_PERSON

_IV = np.array(IV, dtype=np.uint32)
_SIGMA = np.array(SIGMA, dtype=np.int64)
_GRIND_PERSON = b"zkm:grnd"
_GRINDERS = 8  # tasks of a round
_NONCES = 1 << 15  # that each of them tries: a round is a few milliseconds
_SUBTREE = 1 << 12  # leaves of a task
_ALL_ONES = np.uint32(0xFFFFFFFF)
_ZERO = np.uint32(0)
# Python constants would be part of a kernel's type, and each value compiled apart
_FIRST: Any = np.int64(0)
_PAIR: Any = np.uint32(64)


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


@njit(cache=True)
def _word_leaf(words: Any, start: Any, out: Any) -> None:
    length = len(words)
    block = np.zeros(16, dtype=np.uint32)
    for k in range(8):
        out[k] = start[k]
    for at in range(0, length, 16):
        end = min(at + 16, length)
        for k in range(16):
            block[k] = words[at + k] if at + k < end else _ZERO
        compress(out, block, np.uint32(4 * end), _ALL_ONES if end == length else _ZERO)


@njit(cache=True, parallel=True)
def _word_leaves(words: Any, start: Any, out: Any) -> None:
    """Sixteen leaves at a time, in lockstep; the rest one by one."""
    leaves, length = words.shape
    batches = leaves // LANES
    for task in prange(batches):
        first = task * LANES
        state = np.empty((8, LANES), dtype=np.uint32)
        block = np.zeros((LANES, 16), dtype=np.uint32)
        for k in range(8):
            state[k, :] = start[k]
        for at in range(0, length, 16):
            end = min(at + 16, length)
            for lane in range(LANES):
                for k in range(16):
                    block[lane, k] = words[first + lane, at + k] if at + k < end else _ZERO
            final = _ALL_ONES if end == length else _ZERO
            vector.compress_rows(state, block, 0, np.uint32(4 * end), final)
        for lane in range(LANES):
            for k in range(8):
                out[first + lane, k] = state[k, lane]
    for index in range(batches * LANES, leaves):
        _word_leaf(words[index], start, out[index])


@njit(cache=True)
def _parents(children: Any, first: int, count: int, start: Any, out: Any) -> None:
    """Parents ``first`` .. ``first`` + ``count`` - 1: sixteen at a time, the rest one by one.

    Pairs of children are contiguous rows of 16 words.
    """
    state = np.empty((8, LANES), dtype=np.uint32)
    done = first
    while done + LANES <= first + count:
        for k in range(8):
            state[k, :] = start[k]
        vector.compress_rows(state, children, done * 16, _PAIR, _ALL_ONES)
        for lane in range(LANES):
            for k in range(8):
                out[done + lane, k] = state[k, lane]
        done += LANES
    pairs = children.reshape(-1, 16)
    for index in range(done, first + count):
        for k in range(8):
            out[index, k] = start[k]
        compress(out[index], pairs[index], _PAIR, _ALL_ONES)


@njit(cache=True, parallel=True)
def _tree(leaves: Any, start: Any, nodes: Any) -> None:
    """All levels above ``leaves``, one behind the other; each task's subtree stays in cache."""
    count = leaves.shape[0]
    subtrees = max(1, count // _SUBTREE)
    for task in prange(subtrees):
        width, at = count // subtrees // 2, 0
        children = leaves
        while width >= 1:
            level = nodes[at : at + width * subtrees]
            _parents(children, task * width, width, start, level)
            at += width * subtrees
            children, width = level, width // 2
    at = nodes.shape[0] + 1 - 2 * subtrees
    children, width = nodes[at : at + subtrees], subtrees // 2
    at += subtrees
    while width >= 1:
        level = nodes[at : at + width]
        _parents(children, _FIRST, width, start, level)
        children, width, at = level, width // 2, at + width


@njit(cache=True, parallel=True)
def _grind(state: Any, start: Any, mask: Any, first: Any, found: Any) -> None:
    """Each task's smallest nonce that passes among its own, or -1; sixteen nonces in lockstep."""
    for task in prange(len(found)):
        digests = np.empty(LANES, dtype=np.uint32)
        found[task] = -1
        nonce = np.int64(first + task * _NONCES)
        for _ in range(_NONCES // LANES):
            low, high = np.uint32(nonce & 0xFFFFFFFF), np.uint32(nonce >> 32)
            vector.compress_nonces(start, state, low, high, np.uint32(40), digests)
            for lane in range(LANES):
                if found[task] < 0 and digests[lane] & mask == 0:
                    found[task] = nonce + lane
            if found[task] >= 0:
                break
            nonce += LANES


def hash_words(words: Words) -> Words:
    """Unsalted leaf digests (leaves, 8) of (leaves, words per leaf)."""
    out = np.empty((len(words), 8), dtype=np.uint32)
    _word_leaves(np.ascontiguousarray(words), initial_state(LEAF_PERSON, 0), out)
    return out


def tree_levels(leaves: Words) -> list[Words]:
    """All levels of the Merkle tree, leaves first, root last; each (count, 8)."""
    levels, count = [leaves], len(leaves)
    if count == 1:
        return levels
    nodes = np.empty((count - 1, 8), dtype=np.uint32)
    _tree(leaves, initial_state(NODE_PERSON, 0), nodes)
    at = 0
    while count > 1:
        count //= 2
        levels.append(nodes[at : at + count])
        at += count
    return levels


def grind(state: bytes, bits: int) -> int:
    """The smallest nonce that passes ``verifier.kernel.transcript.grinding_ok``."""
    words = np.frombuffer(state, dtype="<u4")
    mask, start = np.uint32((1 << bits) - 1), initial_state(_GRIND_PERSON, 0)
    found = np.full(_GRINDERS, -1, dtype=np.int64)
    first = 0
    while True:
        _grind(words, start, mask, first, found)
        passed = found[found >= 0]
        if len(passed):
            return int(passed.min())
        first += _GRINDERS * _NONCES
