"""The signed checkpoint: fixed little-endian layout, one dataclass, one C struct to come.

Checkpoint 0 opens an epoch (a boot) before any record and links it to the end of the epoch before
it; every later one closes a window. The Ed25519 signature is over exactly these bytes, whose tag
is used by no other signed message.

Layout (bytes): tag 4, version 2, flags 2, device key 32, epoch 4, index 4, records in epoch 8,
records in window 4, start ms 8, end ms 8, schema digest 32, chain value 8 x 4 (= 140); checkpoint 0
continues with previous epoch 4, previous index 4, previous end ms 8, previous chain value 8 x 4
(= 188).
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, replace
from enum import IntFlag

import numpy as np

from circuits.chain import genesis
from circuits.errors import Reason, Rejected
from circuits.field import P

TAG = b"ZKMc"
VERSION = 1
_HEAD = struct.Struct("<4sHH32sIIQIQQ32s")
_CHAIN = struct.Struct("<8I")
_LINK = struct.Struct("<IIQ")
CHECKPOINT_BYTES = _HEAD.size + _CHAIN.size
OPENING_BYTES = CHECKPOINT_BYTES + _LINK.size + _CHAIN.size
MAX_TIME_MS = 2**53 - 1
ZERO_CHAIN: tuple[int, ...] = (0,) * 8


class Status(IntFlag):
    """What happened in the epoch so far; a set bit stays set."""

    NONE = 0
    TAMPER = 1
    BROWN_OUT = 2
    CLOCK_SET = 4
    SATURATED = 8
    MISSED = 16
    DT_OVERFLOW = 32

    @property
    def words(self) -> tuple[str, ...]:
        """The set flags as contracts and people write them, such as ``brown_out``."""
        return tuple(str(flag.name).lower() for flag in self)


@dataclass(frozen=True)
class Link:
    """The end of the epoch before: what an opening checkpoint names. All zero for epoch 0."""

    epoch: int = 0
    index: int = 0
    end_ms: int = 0
    chain: tuple[int, ...] = ZERO_CHAIN


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint. Times are milliseconds since 1970 UTC; [start_ms, end_ms) is the window.

    ``index`` k >= 1 closes window k - 1 of the epoch. ``link`` is present exactly when index is 0.
    """

    device: bytes
    epoch: int
    index: int
    records_in_epoch: int
    records_in_window: int
    start_ms: int
    end_ms: int
    schema: bytes
    chain: tuple[int, ...]
    flags: Status = Status.NONE
    link: Link | None = None

    def encode(self) -> bytes:
        """The bytes that the device signs."""
        head = _HEAD.pack(
            TAG,
            VERSION,
            int(self.flags),
            self.device,
            self.epoch,
            self.index,
            self.records_in_epoch,
            self.records_in_window,
            self.start_ms,
            self.end_ms,
            self.schema,
        )
        out = head + _CHAIN.pack(*self.chain)
        if self.link is not None:
            out += _LINK.pack(self.link.epoch, self.link.index, self.link.end_ms)
            out += _CHAIN.pack(*self.link.chain)
        return out

    @property
    def digest(self) -> bytes:
        """BLAKE2s-256 of the encoding: names this checkpoint in contracts, claims and receipts."""
        return hashlib.blake2s(self.encode(), person=b"zkm:ckpt").digest()

    def genesis_chain(self) -> tuple[int, ...]:
        """What the chain value of an opening checkpoint must be, from its other fields."""
        blank = replace(self, chain=ZERO_CHAIN)
        digest = hashlib.blake2s(blank.encode(), person=b"zkm:open").digest()
        return tuple(int(v) for v in genesis(digest))


def decode_checkpoint(data: bytes) -> Checkpoint:
    """Parse one checkpoint; anything not exactly canonical is ``CHECKPOINT_MALFORMED``."""

    def bad(what: str) -> Rejected:
        return Rejected(Reason.CHECKPOINT_MALFORMED, what)

    if len(data) not in (CHECKPOINT_BYTES, OPENING_BYTES):
        raise bad(f"checkpoint of {len(data)} bytes")
    tag, version, flags, device, epoch, index, total, count, start, end, schema = _HEAD.unpack_from(
        data
    )
    chain = _CHAIN.unpack_from(data, _HEAD.size)
    if tag != TAG or version != VERSION:
        raise bad("tag or version")
    if flags >= 64:
        raise bad("unknown status flag")
    if (index == 0) != (len(data) == OPENING_BYTES):
        raise bad("only checkpoint 0 carries a link")
    if start > end or end > MAX_TIME_MS:
        raise bad("times")
    if count > total or (index == 0 and total != 0):
        raise bad("record counts")
    link = None
    if index == 0:
        previous, last, previous_end = _LINK.unpack_from(data, CHECKPOINT_BYTES)
        link_chain = _CHAIN.unpack_from(data, CHECKPOINT_BYTES + _LINK.size)
        if max(link_chain) >= P or previous_end > MAX_TIME_MS:
            raise bad("link")
        link = Link(previous, last, previous_end, link_chain)
    if max(chain) >= P:
        raise bad("chain value not canonical")
    return Checkpoint(
        device, epoch, index, total, count, start, end, schema, chain, Status(flags), link
    )


def as_chain(values: np.ndarray) -> tuple[int, ...]:
    """Eight field elements as the plain tuple that a checkpoint holds."""
    return tuple(int(v) for v in values)
