"""What the verifier is told: the contract's facts, checkpoints, and the row roles they imply."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tests.reference.field import Extension, P, linear, root_of_unity
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
    may_miss: bool = False


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
    def may_miss(self) -> tuple[str, ...]:
        """The channels that may miss readings."""
        return tuple(channel.name for channel in self.channels if channel.may_miss)

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
        Parameters("standard", 8, 68, 20, 8, 4096, Fraction("121.0")),
        Parameters("compact", 16, 50, 21, 8, 8192, Fraction("120.3")),
        Parameters("fast", 4, 102, 20, 8, 2048, Fraction("120.5")),
    )
}


@dataclass(frozen=True)
class StateLink:
    """Commitments to carried values: before a claim's first record, and after its last."""

    before: tuple[int, ...]
    after: tuple[int, ...]


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
    start_ms: int
    chain: tuple[int, ...]
    link_chain: tuple[int, ...] | None  # of checkpoint 0 only

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
        link_words = None
        if not index:
            _, _, before, link = struct.unpack("<IIQ32s", encoded[CHECKPOINT_BYTES:])
            link_words = words_of(link)
            if before > MAXIMUM_TIME_MS or any(word >= P for word in link_words):
                raise MalformedStatement("link")
        return cls(encoded, device, in_epoch, in_window, start, words, link_words)

    @property
    def chain_before(self) -> tuple[int, ...]:
        """The chain value where the claim before ended, if a claim begins here."""
        return self.chain if self.link_chain is None else self.link_chain

    def starts_inside(self, start: int, end: int) -> bool:
        """Whether the window starts in [start, end) minutes after midnight UTC."""
        minute = self.start_ms // 60_000 % 1440
        if start < end:
            return start <= minute < end
        return minute >= start or minute < end

    @property
    def digest(self) -> bytes:
        """BLAKE2s of its bytes."""
        return blake(self.encoded, b"zkm:ckpt")


class Rows:
    """The roles of the rows of section 5.1, all of it from signed record counts and times.

    ``state_rows`` is B: the rows that one commitment to carried values takes, 0 without state.
    """

    def __init__(
        self,
        schema: Schema,
        random_rows: int,
        checkpoints: Sequence[Checkpoint],
        state_rows: int = 0,
    ) -> None:
        slots = schema.slots
        self._windows = checkpoints[1:]
        self._state_rows = state_rows
        self._closing: list[int] = []
        self._opening: list[int] = []
        self._padding: list[list[int]] = [[] for _ in range(slots)]
        row = state_rows
        for window in self._windows:
            count = window.records_in_window
            if count and not self._opening and checkpoints[0].records_in_epoch == 0:
                self._opening = [row]
            row += -(-count // slots)
            held = count % slots
            for slot in range(held, slots) if held else ():
                self._padding[slot].append(row - 1)
            self._closing.append(row)
            row += 1
        self.used = row
        log2 = 8
        while self.used + state_rows + random_rows + 2 > 1 << log2:
            log2 += 1
        if log2 > 20:
            raise Refusal("TRACE_LENGTH")
        self.log2, self.length = log2, 1 << log2
        self.generator = root_of_unity(log2)

    def rows_of(self, selector: str) -> Sequence[int]:
        """Where a selector is 1."""
        name, *numbers = selector.split()
        if name == "padding":
            return self._padding[int(numbers[0])]
        if name == "inside":
            start, end = map(int, numbers)
            windows = zip(self._closing, self._windows, strict=True)
            return [row for row, window in windows if window.starts_inside(start, end)]
        before, behind = range(self._state_rows), self.used
        after = range(behind, behind + self._state_rows)
        if name in ("state_before", "state_after") and numbers:
            return [(before if name == "state_before" else after)[int(numbers[0])]]
        return {
            "first": [0],
            "last": [self.used - 1],
            "closing": self._closing,
            "opening": self._opening,
            "state": [*before, *after],
            "state_before": before,
            "resume": before[-1:],
            "state_end": after[-1:],
        }[name]


class Selectors(dict[str, Extension]):
    """Selectors at a point outside H by name: 1 on their rows and 0 on the rest of H."""

    def __init__(self, rows: Rows, at: Extension) -> None:
        super().__init__()
        self._rows, self._at = rows, at
        self._factor = (at**rows.length - 1) / rows.length

    def __missing__(self, name: str) -> Extension:
        powers = [pow(self._rows.generator, row, P) for row in self._rows.rows_of(name)]
        inverses = [(self._at - power).inverse() for power in powers]
        value = self[name] = linear(inverses, powers) * self._factor
        return value
