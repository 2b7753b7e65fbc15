"""Fiat-Shamir: one hash chain of labelled, length-prefixed absorbs.

Every challenge depends on everything absorbed before it and on the challenges drawn before it.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from circuits.field import DEGREE, Array, P


class Transcript:
    """BLAKE2s-256 chain; ``absorb``, ``challenge`` and ``indices`` advance the state."""

    def __init__(self, protocol: bytes) -> None:
        self._state = bytes(32)
        self.absorb("protocol", protocol)

    @property
    def state(self) -> bytes:
        """The 32-byte state: what grinding works on."""
        return self._state

    def absorb(self, label: str, data: bytes) -> None:
        """Bind ``data`` under ``label`` (both length-prefixed)."""
        name = label.encode()
        hasher = hashlib.blake2s(self._state, person=b"zkm:absb")
        hasher.update(len(name).to_bytes(2, "little") + name)
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
        self._state = hasher.digest()

    def absorb_elements(self, label: str, elements: Array | NDArray[np.uint32]) -> None:
        """Bind canonical field elements of any shape, as little-endian 32-bit words."""
        self.absorb(label, np.ascontiguousarray(elements, dtype="<u4").tobytes())

    def _words(self, label: str, count: int, attempt: int) -> NDArray[np.uint32]:
        name = label.encode()
        prefix = (
            self._state + len(name).to_bytes(2, "little") + name + attempt.to_bytes(4, "little")
        )
        start = hashlib.blake2s(prefix, person=b"zkm:sqze")
        blocks = []
        for k in range(-(-count // 8)):
            hasher = start.copy()
            hasher.update(k.to_bytes(4, "little"))
            blocks.append(hasher.digest())
        return np.frombuffer(b"".join(blocks), dtype="<u4")[:count]

    def challenge(self, label: str, count: int) -> Array:
        """``count`` uniform extension elements (count, 6): 31-bit words, those >= p dropped."""
        needed = count * DEGREE
        drawn: list[NDArray[np.uint32]] = []
        have = attempt = 0
        while have < needed:
            words = self._words(label, needed - have + 8, attempt) & np.uint32(0x7FFFFFFF)
            kept = words[words < P]
            drawn.append(kept)
            have += len(kept)
            attempt += 1
        self.absorb("drawn", label.encode())
        return np.concatenate(drawn)[:needed].astype(np.uint64).reshape(count, DEGREE)

    def indices(self, label: str, count: int, log2_size: int) -> NDArray[np.int64]:
        """``count`` uniform indices below 2^log2_size (at most 32 bits), with replacement."""
        words = self._words(label, count, 0).astype(np.int64)
        self.absorb("drawn", label.encode())
        return words & ((1 << log2_size) - 1)


def grinding_digest(state: bytes, nonce: int) -> bytes:
    """The hash whose first bits must be zero: BLAKE2s over the state and the 64-bit nonce."""
    return hashlib.blake2s(state + nonce.to_bytes(8, "little"), person=b"zkm:grnd").digest()


def grinding_ok(state: bytes, nonce: int, bits: int) -> bool:
    """True when the first ``bits`` (at most 32) bits of the little-endian first word are zero."""
    word = int.from_bytes(grinding_digest(state, nonce)[:4], "little")
    return word & ((1 << bits) - 1) == 0
