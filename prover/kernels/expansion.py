"""A short seed as many pseudorandom words: BLAKE2s keyed with the seed, in counter mode."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numba import njit

from prover.kernels import vector
from prover.kernels.blake2s import compress, initial_state
from prover.kernels.montgomery import Words
from prover.kernels.vector import LANES

SEED_BYTES = 32
EXPANSION_PERSON = b"zkm:salz"
_KEY_BYTES = 64  # the key fills the first block
_ALL_BYTES = np.uint32(72)  # with a counter of eight bytes behind it
_ALL_ONES = np.uint32(0xFFFFFFFF)
_WORD = np.uint64(0xFFFFFFFF)


@njit(cache=True)
def digests(keyed: Any, first: int, step: int, counters: Any, out: Any) -> None:
    """Digests number first, first + step, ..., one a lane, as the first eight rows of ``out``.

    ``keyed`` is from ``keyed_state``; ``counters`` (16, 16) is zeros but for its first two rows.
    """
    for lane in range(LANES):
        number = np.uint64(first + lane * step)
        counters[0, lane] = np.uint32(number & _WORD)
        counters[1, lane] = np.uint32(number >> np.uint64(32))
    for k in range(8):
        out[k, :] = keyed[k]
    vector.compress_lanes(out, counters, 0, _ALL_BYTES, _ALL_ONES)


def keyed_state(seed: bytes) -> Words:
    """The chaining value (8,) behind the 32-byte seed as the key, which leads to every digest.

    ``ValueError`` for another length of seed.
    """
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed of {SEED_BYTES} bytes")
    block = np.zeros(16, dtype=np.uint32)
    block[:8] = np.frombuffer(seed, dtype="<u4")
    return compress(initial_state(EXPANSION_PERSON, SEED_BYTES), block, _KEY_BYTES, final=False)


def digest(seed: bytes, number: int) -> bytes:
    """BLAKE2s of a number, 64 bits, with this key and ``EXPANSION_PERSON``."""
    message = number.to_bytes(8, "little")
    return hashlib.blake2s(message, key=seed, person=EXPANSION_PERSON).digest()
