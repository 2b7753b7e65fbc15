"""Uniform field elements and salts, fresh for every proof; all from the operating system.

Nothing is kept between two calls, so processes that fork from one another share nothing.
"""

from __future__ import annotations

import os

import numpy as np

from circuits.field import P
from prover.kernels.expansion import SEED_BYTES
from prover.kernels.montgomery import Words


def random_elements(*shape: int) -> Words:
    """Uniform canonical elements: 31-bit words of ``os.urandom``, those >= p dropped."""
    count = int(np.prod(shape))
    kept = np.empty(0, dtype=np.uint32)
    while len(kept) < count:
        wanted = (count - len(kept)) * 129 // 128 + 16
        words = np.frombuffer(os.urandom(4 * wanted), dtype="<u4") & np.uint32(0x7FFFFFFF)
        kept = np.concatenate([kept, words[words < P]])
    return kept[:count].reshape(shape)


def random_seed() -> bytes:
    """A seed that is expanded where its words are needed."""
    return os.urandom(SEED_BYTES)
