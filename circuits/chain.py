"""The commitment chain over a device's log.

``h' = trunc8(P(h + role, block)) + h`` with P the Poseidon permutation of width 16. The role
constant (genesis, data, closing, state) is added to the chaining half: block elements are free (a
salt is any eight field elements), so a constant on that half could be absorbed by another block,
while the chaining half is fixed by everything hashed before it.
"""

from __future__ import annotations

import hashlib
from enum import Enum

import numpy as np

from circuits.field import Array, P
from circuits.poseidon import permute

CHAIN_ELEMENTS = 8


class Role(Enum):
    """What a block is: which constant separates it from the other kinds."""

    GENESIS = "genesis"
    DATA = "data"
    CLOSING = "closing"
    STATE = "state"


def sample_elements(seed: bytes, label: bytes, count: int) -> Array:
    """``count`` uniform field elements from keyed BLAKE2s: 31-bit words, those >= p dropped.

    ``seed`` is the key (at most 32 bytes), ``label`` names the use.
    """
    out: list[int] = []
    counter = 0
    while len(out) < count:
        block = hashlib.blake2s(
            label + counter.to_bytes(4, "little"), key=seed, person=b"zkm:samp"
        ).digest()
        words = np.frombuffer(block, dtype="<u4") & np.uint32(0x7FFFFFFF)
        out.extend(int(w) for w in words if w < P)
        counter += 1
    return np.array(out[:count], dtype=np.uint64)


ROLE_CONSTANTS: dict[Role, Array] = {
    role: sample_elements(b"", b"zkmeter chain role " + role.value.encode(), CHAIN_ELEMENTS)
    for role in Role
}


def absorb(chain: Array, block: Array, role: Role) -> Array:
    """The chain value after one block; ``chain`` and ``block`` are 8 canonical elements."""
    entering = np.concatenate([(chain + ROLE_CONSTANTS[role]) % np.uint64(P), block])
    return (permute(entering)[:CHAIN_ELEMENTS] + chain) % np.uint64(P)


def digest_blocks(digest: bytes) -> Array:
    """A 32-byte digest as two blocks of eight 16-bit limbs, little-endian; shape (2, 8)."""
    return np.frombuffer(digest, dtype="<u2").astype(np.uint64).reshape(2, 8)


def genesis(opening_digest: bytes) -> Array:
    """The chain value of an epoch's checkpoint 0, from the digest of what it declares."""
    chain = np.zeros(CHAIN_ELEMENTS, dtype=np.uint64)
    for block in digest_blocks(opening_digest):
        chain = absorb(chain, block, Role.GENESIS)
    return chain


def window_salt(device_secret: bytes, epoch: int, index: int) -> Array:
    """The eight closing elements of window ``index`` of ``epoch``: 248 bits from the device secret.

    Keyed BLAKE2s with rejection sampling, so a salt never rests on a random source that nobody
    checked. ``device_secret`` is 32 bytes.
    """
    key = hashlib.blake2s(device_secret, person=b"zkm:salt").digest()
    label = epoch.to_bytes(4, "little") + index.to_bytes(4, "little")
    return sample_elements(key, label, CHAIN_ELEMENTS)


def pack_records(records: Array, width: int) -> Array:
    """Records (n, elements) as blocks (ceil(n / per), 8), zero-filled at the end and per record."""
    count, elements = records.shape
    per = 8 // width
    rows = -(-count // per)
    padded = np.zeros((rows * per, width), dtype=np.uint64)
    padded[:count, :elements] = records
    return padded.reshape(rows, 8)
