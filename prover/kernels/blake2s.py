"""BLAKE2s-256 (RFC 7693) over tree levels and the leaves of FRI layers, and grinding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from prover.kernels import vector
from prover.kernels.blake2s_tables import IV
from prover.kernels.montgomery import Words
from prover.kernels.vector import LANES
from verifier.kernel.merkle import LEAF_PERSON, NODE_PERSON

_IV = np.array(IV, dtype=np.uint32)
_GRIND_PERSON = b"zkm:grnd"
_GRINDERS = 8  # tasks of a round
_NONCES = 1 << 13  # that each of them tries: a round is half a millisecond
_SUBTREE = 1 << 12  # leaves of a task
_ALL_ONES = np.uint32(0xFFFFFFFF)
_ZERO = np.uint32(0)
_PAIR = np.uint32(64)  # bytes


def initial_state(person: bytes, key_bytes: int) -> Words:
    """The chaining value after the parameter block: digest 32, fanout 1, depth 1."""
    state = _IV.copy()
    state[0] ^= np.uint32(0x01010000 | key_bytes << 8 | 32)
    state[6:8] ^= np.frombuffer(person, dtype="<u4")
    return state


@njit(cache=True, parallel=True)
def _word_leaves(words: Any, start: Any, out: Any) -> None:
    """Sixteen leaves at a time, in lockstep; they come in sixteens."""
    leaves, length = words.shape
    for task in prange(leaves // LANES):
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


@njit(cache=True, parallel=True)
def _tree(leaves: Any, start: Any, nodes: Any) -> None:
    """The levels above ``leaves``, one behind the other, up to a node for each task's subtree.

    A subtree stays in cache. Sixteen nodes are made at a time; pairs of children are contiguous
    rows of 16 words.
    """
    count = leaves.shape[0]
    subtrees = max(1, count // _SUBTREE)
    for task in prange(subtrees):
        width, at = count // subtrees // 2, 0
        state = np.empty((8, LANES), dtype=np.uint32)
        few = np.zeros((2 * LANES, 8), dtype=np.uint32)
        children = leaves
        while width >= 1:
            level = nodes[at : at + width * subtrees]
            for done in range(task * width, (task + 1) * width, LANES):
                made = min(LANES, (task + 1) * width - done)
                source, place = children, done
                if made < LANES:
                    source, place = few, 0
                    for row in range(2 * made):
                        for k in range(8):
                            few[row, k] = children[2 * done + row, k]
                for k in range(8):
                    state[k, :] = start[k]
                vector.compress_rows(state, source, place * 16, _PAIR, _ALL_ONES)
                for lane in range(made):
                    for k in range(8):
                        level[done + lane, k] = state[k, lane]
            at += width * subtrees
            children, width = level, width // 2


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
    leaves, length = words.shape
    whole = -(-leaves // LANES) * LANES
    padded = np.ascontiguousarray(words)
    if whole > leaves:
        padded = np.zeros((whole, length), dtype=np.uint32)
        padded[:leaves] = words
    out = np.empty((whole, 8), dtype=np.uint32)
    _word_leaves(padded, initial_state(LEAF_PERSON, 0), out)
    return out[:leaves]


def tree_levels(leaves: Words) -> list[Words]:
    """All levels of the Merkle tree, leaves first, root last; each (count, 8)."""
    levels, start = [leaves], initial_state(NODE_PERSON, 0)
    while len(levels[-1]) > 1:
        count = len(levels[-1])
        top = max(1, count // _SUBTREE)
        nodes = np.empty((count - top, 8), dtype=np.uint32)
        _tree(levels[-1], start, nodes)
        at = 0
        while count > top:
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
