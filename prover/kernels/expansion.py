"""A short seed as many pseudorandom words: BLAKE2s keyed with the seed, in counter mode."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from prover.kernels import vector
from prover.kernels.blake2s import compress, initial_state
from prover.kernels.montgomery import Words
from prover.kernels.vector import LANES

SEED_BYTES = 32
EXPANSION_PERSON = b"zkm:salz"
_KEY_BYTES = np.uint32(64)  # the key fills the first block
_ALL_BYTES = np.uint32(72)  # with a counter of eight bytes behind it
_ALL_ONES = np.uint32(0xFFFFFFFF)
_WORD = np.uint64(0xFFFFFFFF)


@njit(cache=True, parallel=True)
def _expand(keyed: Any, out: Any) -> None:
    """Sixteen digests at a time, all from the chaining value behind the key."""
    for task in prange(out.shape[0] // LANES):
        state = np.empty((8, LANES), dtype=np.uint32)
        block = np.zeros((LANES, 16), dtype=np.uint32)
        for k in range(8):
            state[k, :] = keyed[k]
        for lane in range(LANES):
            number = np.uint64(task * LANES + lane)
            block[lane, 0] = np.uint32(number & _WORD)
            block[lane, 1] = np.uint32(number >> np.uint64(32))
        vector.compress_rows(state, block, 0, _ALL_BYTES, _ALL_ONES)
        for lane in range(LANES):
            for k in range(8):
                out[task * LANES + lane, k] = state[k, lane]


def expand(seed: bytes, count: int) -> Words:
    """``count`` digests as words (count, 8): number i hashes i, 64 bits, under the 32-byte seed.

    As BLAKE2s with this key and ``EXPANSION_PERSON``. ``ValueError`` for another length of seed.
    """
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed of {SEED_BYTES} bytes")
    block = np.zeros(16, dtype=np.uint32)
    block[:8] = np.frombuffer(seed, dtype="<u4")
    keyed = initial_state(EXPANSION_PERSON, SEED_BYTES)
    compress(keyed, block, _KEY_BYTES, np.uint32(0))
    out = np.empty((-(-count // LANES) * LANES, 8), dtype=np.uint32)
    _expand(keyed, out)
    block[:] = keyed[:] = 0  # nothing that leads to the salts stays in memory
    return out[:count]
