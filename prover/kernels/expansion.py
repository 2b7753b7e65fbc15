"""A short seed as many pseudorandom words: BLAKE2s keyed with the seed, in counter mode."""

from __future__ import annotations

import hashlib

import numpy as np

from prover.kernels.blake2s import initial_state
from prover.kernels.montgomery import Words

SEED_BYTES = 32
EXPANSION_PERSON = b"zkm:salz"
KEY_END = np.uint32(64)  # bytes: the key fills the first block
COUNTER_END = np.uint32(72)  # with a counter of eight bytes behind it


def key_block(seed: bytes) -> tuple[Words, Words]:
    """The chaining value (8,) before the 32-byte seed as the key, and the block (16,) it fills.

    ``ValueError`` for another length of seed.
    """
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed of {SEED_BYTES} bytes")
    block = np.zeros(16, dtype=np.uint32)
    block[:8] = np.frombuffer(seed, dtype="<u4")
    return initial_state(EXPANSION_PERSON, SEED_BYTES), block


def digest(seed: bytes, number: int) -> bytes:
    """BLAKE2s of a number, 64 bits, with this key and ``EXPANSION_PERSON``."""
    message = number.to_bytes(8, "little")
    return hashlib.blake2s(message, key=seed, person=EXPANSION_PERSON).digest()
