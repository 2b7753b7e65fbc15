"""Hashing, Merkle openings, transcript and the log hash's constants, by hashlib alone."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.reference.field import DEGREE, Extension, P

DIGEST = 32
WIDTH = 16
HALF = 8
FULL_ROUNDS_BEFORE = 4
PARTIAL_ROUNDS = 20

_VECTOR = json.loads(
    (Path(__file__).parent.parent / "vectors" / "poseidon_koalabear_16.json").read_text()
)
ROUND_CONSTANTS: list[list[int]] = _VECTOR["round_constants"]
_ROW: list[int] = _VECTOR["mds_first_row"]
MATRIX = [[_ROW[(j - i) % WIDTH] for j in range(WIDTH)] for i in range(WIDTH)]


def blake(data: bytes, person: bytes, key: bytes = b"") -> bytes:
    """BLAKE2s-256 with an eight-byte personalisation."""
    return hashlib.blake2s(data, person=person, key=key).digest()


def words_of(data: bytes) -> tuple[int, ...]:
    """Little-endian u32 words."""
    return struct.unpack(f"<{len(data) // 4}I", data)


def bytes_of(words: Sequence[int]) -> bytes:
    """Canonical base elements as bytes."""
    return struct.pack(f"<{len(words)}I", *words)


def sampled(words: Sequence[int]) -> list[int]:
    """What sampling keeps of hash words: the low 31 bits of those that fall below p."""
    return [low for low in (word & 0x7FFFFFFF for word in words) if low < P]


def role(name: str) -> list[int]:
    """The constant vector of a role of the chain."""
    elements: list[int] = []
    counter = 0
    while len(elements) < HALF:
        block = b"zkmeter chain role " + name.encode() + struct.pack("<I", counter)
        elements += sampled(words_of(blake(block, b"zkm:samp")))
        counter += 1
    return elements[:HALF]


def permute(state: Sequence[int]) -> list[int]:
    """Poseidon's permutation of sixteen base elements."""
    state = list(state)
    for number, constants in enumerate(ROUND_CONSTANTS):
        state = [(s + c) % P for s, c in zip(state, constants, strict=True)]
        if FULL_ROUNDS_BEFORE <= number < FULL_ROUNDS_BEFORE + PARTIAL_ROUNDS:
            state[0] = pow(state[0], 3, P)
        else:
            state = [pow(s, 3, P) for s in state]
        state = [sum(m * s for m, s in zip(line, state, strict=True)) % P for line in MATRIX]
    return state


def leaf(words: bytes, salt: bytes = b"") -> bytes:
    """The hash of a leaf: its words, keyed by its salt where it has one."""
    return blake(words, b"zkm:leaf", salt)


def siblings_needed(indices: Sequence[int], leaves: int) -> Iterator[list[tuple[int, bool]]]:
    """Level by level from the leaves: the known nodes and whether the sibling must be supplied."""
    known = sorted(set(indices))
    while leaves > 1:
        present = set(known)
        yield [(index, index ^ 1 not in present) for index in known]
        known = sorted({index >> 1 for index in known})
        leaves //= 2


def multiproof_length(indices: Sequence[int], leaves: int) -> int:
    """How many digests a multi-proof for these leaves holds."""
    return sum(missing for level in siblings_needed(indices, leaves) for _, missing in level)


def multiproof_root(digests: Mapping[int, bytes], proof: Sequence[bytes], leaves: int) -> bytes:
    """The root that these leaf digests and siblings lead to."""
    known = dict(digests)
    siblings = iter(proof)
    for level in siblings_needed(list(digests), leaves):
        for index, missing in level:
            if missing:
                known[index ^ 1] = next(siblings)
        known = {
            index >> 1: blake(known[index & ~1] + known[index | 1], b"zkm:node")
            for index, _ in level
        }
    return known[0]


class Transcript:
    """The Fiat-Shamir state of section 6."""

    def __init__(self) -> None:
        self.state = bytes(DIGEST)

    def absorb(self, label: str, data: bytes) -> None:
        """Bind a message."""
        name = label.encode()
        framed = struct.pack("<H", len(name)) + name + struct.pack("<Q", len(data)) + data
        self.state = blake(self.state + framed, b"zkm:absb")

    def _words(self, label: str, attempt: int, count: int) -> list[int]:
        name = label.encode()
        prefix = self.state + struct.pack("<H", len(name)) + name + struct.pack("<I", attempt)
        words: list[int] = []
        block = 0
        while len(words) < count:
            words += words_of(blake(prefix + struct.pack("<I", block), b"zkm:sqze"))
            block += 1
        return words[:count]

    def challenge(self, label: str, count: int) -> list[Extension]:
        """Uniform elements of E."""
        elements: list[int] = []
        attempt = 0
        while (missing := DEGREE * count - len(elements)) > 0:
            elements += sampled(self._words(label, attempt, missing + 8))
            attempt += 1
        self.absorb("drawn", label.encode())
        return [Extension.of(elements[DEGREE * i : DEGREE * (i + 1)]) for i in range(count)]

    def indices(self, label: str, count: int, bits: int) -> list[int]:
        """Uniform indices of so many bits."""
        drawn = [word % (1 << bits) for word in self._words(label, 0, count)]
        self.absorb("drawn", label.encode())
        return drawn
