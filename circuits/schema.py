"""What a device records: channels, their integer coding, and how records fill blocks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction

BLOCK_ELEMENTS = 8
MAX_BITS = 24
DT_CHANNEL = "dt_ms"
DT_BITS = 24
MAX_DT_MS = 2**DT_BITS - 1


@dataclass(frozen=True)
class Channel:
    """One channel: value = raw * scale + offset, raw an unsigned integer of ``bits`` bits.

    Readings stop at 2^bits - 2; the all-ones code is reserved for a missed sample. With
    ``may_miss`` formulas leave out the records on which the channel has that code.
    """

    name: str
    unit: str
    bits: int
    scale: Fraction
    offset: Fraction
    may_miss: bool = False

    @property
    def maximum_raw(self) -> int:
        """The largest raw reading (2^bits - 2)."""
        return self.maximum_code - 1

    @property
    def maximum_code(self) -> int:
        """The largest raw code, missed sample included (2^bits - 1): what bounds are made for."""
        return (1 << self.bits) - 1


@dataclass(frozen=True)
class Schema:
    """The channels of a record in their order, and how time is recorded.

    With ``period_ms`` time is implied by a fixed period. Without it every record carries a last
    element ``dt_ms``: milliseconds since the record before it, 0 on an epoch's first record.
    A record takes ``width`` elements (1, 2, 4 or 8; zero-filled), a block holds
    ``records_per_block`` records.
    """

    channels: tuple[Channel, ...]
    period_ms: int | None = None

    @property
    def has_dt(self) -> bool:
        """True when every record carries ``dt_ms``."""
        return self.period_ms is None

    @property
    def elements(self) -> int:
        """Meaningful elements per record: the channels, and dt_ms where present."""
        return len(self.channels) + (1 if self.has_dt else 0)

    @property
    def width(self) -> int:
        """Elements per record including zero filling: 1, 2, 4 or 8."""
        width = 1
        while width < self.elements:
            width *= 2
        return width

    @property
    def records_per_block(self) -> int:
        """Records in one block of 8 elements."""
        return BLOCK_ELEMENTS // self.width

    def position(self, name: str) -> int:
        """Index of a channel (or ``dt_ms``) within a record; KeyError if there is none."""
        if name == DT_CHANNEL and self.has_dt:
            return len(self.channels)
        for index, channel in enumerate(self.channels):
            if channel.name == name:
                return index
        raise KeyError(name)

    def digest(self) -> bytes:
        """BLAKE2s-256 over a canonical JSON text of the schema; signed in every checkpoint."""
        channels = [[c.name, c.unit, c.bits, str(c.scale), str(c.offset)] for c in self.channels]
        text = json.dumps([self.period_ms, channels], separators=(",", ":"))
        return hashlib.blake2s(text.encode(), person=b"zkm:schm").digest()
