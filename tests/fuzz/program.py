"""Fuzz input as a program: bytes that choose edits, so that a few bytes reach deep into a claim."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


class Program:
    """Reads choices off the front of some bytes; past the end everything reads as zero."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        """True while there is something left to read."""
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes, fewer at the end."""
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def integer(self, size: int) -> int:
        """An unsigned little-endian integer of ``size`` bytes."""
        return int.from_bytes(self.take(size), "little")

    def choose(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.integer(1 if len(options) <= 256 else 2) % len(options)]

    def changed(self, value: int, bits: int) -> int:
        """Another unsigned integer of ``bits`` bits, near ``value`` or at an edge or any."""
        kind = self.integer(1) % 8
        if kind == 0:
            value += 1
        elif kind == 1:
            value -= 1
        elif kind == 2:
            value = 0
        elif kind == 3:
            value = -1
        elif kind == 4:
            value = 1 << (bits - 1)
        elif kind == 5:
            value ^= 1 << (self.integer(1) % bits)
        elif kind == 6:
            value += self.integer(2) - 0x8000
        else:
            value = self.integer(bits // 8)
        return value & ((1 << bits) - 1)

    def changed_bytes(self, value: bytes) -> bytes:
        """Other bytes of the same length: one bit flipped, zeros, or anything."""
        kind = self.integer(1) % 3
        if kind == 0:
            at = self.integer(2) % (8 * len(value))
            return (int.from_bytes(value, "little") ^ (1 << at)).to_bytes(len(value), "little")
        if kind == 1:
            return bytes(len(value))
        return self.take(len(value)).ljust(len(value), b"\0")


def mutate_bytes(random_source: random.Random, seed: bytes, other: bytes, longest: int) -> bytes:
    """The seeded mutator: one to eight local changes, some of them taken from another input."""
    data = bytearray(seed)
    for _ in range(random_source.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        at = random_source.randrange(len(data) + 1)
        size = random_source.choice((1, 1, 2, 4, 8, 16, 32, 64))
        kind = random_source.randrange(8)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << random_source.randrange(8)
        elif kind == 1:
            data[at : at + 1] = random_source.randbytes(1)
        elif kind == 2:
            width = random_source.choice((1, 2, 4, 8))
            value = random_source.choice(_INTERESTING) & ((1 << (8 * width)) - 1)
            data[at : at + width] = value.to_bytes(width, "little")
        elif kind == 3:
            data[at:at] = random_source.randbytes(size)
        elif kind == 4:
            del data[at : at + size]
        elif kind == 5:
            data[at:at] = data[at : at + size]
        elif kind == 6 and other:
            start = random_source.randrange(len(other))
            data[at : at + size] = other[start : start + size]
        elif kind == 7:
            del data[at:]
    return bytes(data[:longest])
