"""What the verifier is told: the contract's facts, checkpoints, and the row roles they imply."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tests.reference.field import Extension, P, root_of_unity
from tests.reference.hashing import HALF, blake, words_of

DT_BITS = 24
CHECKPOINT_BYTES = 140
OPENING_BYTES = 188
MAXIMUM_TIME_MS = 2**53 - 1


class MalformedStatement(ValueError):
    """Input that acceptance refuses before any proof is looked at."""


class Refusal(Exception):
    """The proof or its statement is refused, with the reason that docs/protocol.md fixes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Channel:
    """A channel of the contract: value = scale * raw + offset."""

    name: str
    bits: int
    scale: Fraction
    offset: Fraction


@dataclass(frozen=True)
class Schema:
    """Channels in the contract's order, and the period that the contract fixes, if it does."""

    channels: tuple[Channel, ...]
    period_ms: int | None = None

    @property
    def elements(self) -> int:
        """Elements that a record uses."""
        return len(self.channels) + (self.period_ms is None)

    @property
    def width(self) -> int:
        """Elements that a record takes."""
        return next(width for width in (1, 2, 4, 8) if width >= self.elements)

    @property
    def slots(self) -> int:
        """Records per block."""
        return HALF // self.width


@dataclass(frozen=True)
class Parameters:
    """A parameter set: section 6's table, one row."""

    name: str
    blowup: int
    queries: int
    grinding_bits: int
    fold: int
    final_domain: int
    proven_bits: Fraction  # section 9

    @property
    def random_rows(self) -> int:
        """r."""
        return 2 * self.queries + 12

    @property
    def chunk_mask(self) -> int:
        """t."""
        return self.queries + 1


PARAMETERS = {
    parameters.name: parameters
    for parameters in (
        Parameters("standard", 8, 68, 20, 8, 256, Fraction("121.0")),
        Parameters("compact", 16, 51, 20, 8, 256, Fraction("121.3")),
        Parameters("fast", 4, 102, 20, 8, 256, Fraction("120.5")),
    )
}


@dataclass(frozen=True)
class Contract:
    """The facts of a contract that the proof depends on."""

    schema: Schema
    formulas: tuple[str, ...]
    parameters: Parameters
    floor_bits: Fraction
    circuit_id: bytes
    terms_digest: bytes


@dataclass(frozen=True)
class Checkpoint:
    """The fields of a checkpoint that the proof depends on, and its bytes."""

    encoded: bytes
    device: bytes
    records_in_epoch: int
    records_in_window: int
    chain: tuple[int, ...]

    @classmethod
    def decode(cls, encoded: bytes) -> Checkpoint:
        """Read section 4's table."""
        if len(encoded) < CHECKPOINT_BYTES:
            raise MalformedStatement("a checkpoint is short")
        tag, version, flags, device, _, index, in_epoch, in_window, start, end, _, chain = (
            struct.unpack("<4sHH32sIIQIQQ32s32s", encoded[:CHECKPOINT_BYTES])
        )
        words = words_of(chain)
        if (tag, version) != (b"ZKMc", 1) or flags >= 64:
            raise MalformedStatement("not a checkpoint of version 1")
        if len(encoded) != (CHECKPOINT_BYTES if index else OPENING_BYTES):
            raise MalformedStatement("a checkpoint's length does not fit its index")
        if start > end or end > MAXIMUM_TIME_MS:
            raise MalformedStatement("times")
        if in_window > in_epoch or (in_epoch and not index):
            raise MalformedStatement("record counts")
        if any(word >= P for word in words):
            raise MalformedStatement("a chain value holds a word that is not below p")
        if not index:
            _, _, before, link = struct.unpack("<IIQ32s", encoded[CHECKPOINT_BYTES:])
            if before > MAXIMUM_TIME_MS or any(word >= P for word in words_of(link)):
                raise MalformedStatement("link")
        return cls(encoded, device, in_epoch, in_window, words)

    @property
    def digest(self) -> bytes:
        """BLAKE2s of its bytes."""
        return blake(self.encoded, b"zkm:ckpt")


class Rows:
    """The roles of the rows of section 5.1, all of it from signed record counts."""

    def __init__(self, schema: Schema, random_rows: int, checkpoints: Sequence[Checkpoint]) -> None:
        slots = schema.slots
        counts = [checkpoint.records_in_window for checkpoint in checkpoints[1:]]
        self.used = sum(-(-count // slots) + 1 for count in counts)
        log2 = 8
        while self.used + random_rows + 2 > 1 << log2:
            log2 += 1
        if log2 > 20:
            raise Refusal("TRACE_LENGTH")
        self.log2, self.length = log2, 1 << log2
        self.generator = root_of_unity(log2)
        self.closing: list[int] = []
        self.opening: list[int] = []
        self.padding: list[list[int]] = [[] for _ in range(slots)]  # of slot 0: never padding
        row = 0
        for count in counts:
            if count and not self.opening and checkpoints[0].records_in_epoch == 0:
                self.opening = [row]
            row += -(-count // slots)
            held = count % slots
            for slot in range(held, slots) if held else ():
                self.padding[slot].append(row - 1)
            self.closing.append(row)
            row += 1

    def selector(self, rows: Sequence[int], at: Extension) -> Extension:
        """The polynomial that is 1 on these rows and 0 on the rest of H, at a point outside H."""
        value = Extension.base(0)
        for row in rows:
            power = pow(self.generator, row, P)
            value = value + (at - power).inverse() * power
        return value * (at**self.length - 1) / self.length
