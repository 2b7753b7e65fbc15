"""A target for the gateway: a line's bytes, into frames, facts and windows of the store.

An input is a byte of choices and a stream. An odd choice repairs every frame's checksum first, so
that what is changed in a frame gets past it; the rest of the byte says how the stream is cut.
"""

from __future__ import annotations

import sqlite3
import tempfile
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from nacl.signing import SigningKey

from circuits.errors import BadInput, InputReason
from circuits.schema import Schema
from prover.device import DeviceState, SignedEpoch, SoftwareDevice
from prover.device_clock import DeviceClock
from prover.frames import (
    DELIMITER,
    FrameReader,
    FrameType,
    StatusFrame,
    cobs_decode,
    cobs_encode,
    parse_message,
)
from prover.ingest import Event, Gateway
from prover.live_store import LiveStore
from prover.log import ImportedWindow
from prover.session import x25519_public
from prover.store import SCRIPT
from prover.twin import TwinSession, checkpoint_frame, epoch_frames
from tests.fuzz.target import Target, require
from tests.support import (
    DEVICE,
    NOW_MS,
    STRANGER,
    T0_MS,
    WINDOW_MS,
    pump_contract,
    sign_as_device,
)
from verifier.contract import Terms

SECRET = bytes(range(7, 39))  # the operator's X25519 secret
CRC_BYTES = 4
COMMANDS = {FrameType.STATUS_REQUEST, FrameType.CLOCK}
EVENTS = {"session", "window", "lost", "refused", "status", "clock"}


@cache
def terms() -> Terms:
    """The test contract, with an operator to whom devices encrypt."""
    plain = pump_contract().terms
    parties = replace(plain.parties, operator_encryption=x25519_public(SECRET))
    return replace(plain, parties=parties)


def _draws(name: str) -> Callable[[int], bytes]:
    return np.random.default_rng(list(name.encode())).bytes


def _windows(schema: Schema, counts: tuple[int, ...], start_ms: int) -> list[ImportedWindow]:
    windows = []
    for number, count in enumerate(counts):
        records = np.full((count, schema.elements), 1000, dtype=np.uint64)
        if not sum(counts[:number]):
            records[:1, -1] = 0
        begin_ms = start_ms + number * WINDOW_MS
        windows.append(ImportedWindow(begin_ms, begin_ms + WINDOW_MS, records))
    return windows


class _Sender:
    """A device that records and sends; ``key`` is its Ed25519 key."""

    def __init__(self, key: SigningKey = DEVICE) -> None:
        self._key = key
        self._device = SoftwareDevice(Path("nowhere"), key, bytes(32), DeviceState())

    def send(
        self, counts: tuple[int, ...], start_ms: int = T0_MS, schema: Schema | None = None
    ) -> tuple[SignedEpoch, list[bytes]]:
        """An epoch and its frames."""
        form = schema or terms().schema
        made = self._device.record_epoch(form, _windows(form, counts, start_ms))
        self._device.state = made.state
        return made, self.frames(made, form, f"{counts}")

    def frames(self, made: SignedEpoch, schema: Schema, name: str) -> list[bytes]:
        """What a session sends of an epoch; its randomness follows from the name."""
        operator = x25519_public(SECRET)
        session = TwinSession.begin(self._key, made.epoch, schema, operator, _draws(name))
        return list(epoch_frames(session, made, _draws(f"{name} headers")))


@cache
def _epochs() -> list[tuple[SignedEpoch, list[bytes]]]:
    """What the device recorded; the last one is what a copy of it recorded instead."""
    sender = _Sender()
    first = sender.send((3, 0, 2))
    return [first, sender.send((4,), T0_MS + 5 * WINDOW_MS), _Sender().send((1, 1))]


@cache
def _records() -> dict[bytes, bytes]:
    """Records and salt of every window that a device signed for, by its closing checkpoint."""
    return {
        signed.checkpoint.encode(): log.records.tobytes() + log.salt.tobytes()
        for made, _ in _epochs()
        for signed, log in zip(made.checkpoints[1:], made.windows, strict=True)
    }


def _repaired(stream: bytes) -> bytes:
    """The stream with right checksums, in frames that are long enough to have one."""
    pieces = []
    for piece in stream.split(DELIMITER):
        plain = cobs_decode(piece)
        if plain is not None and len(plain) > CRC_BYTES:
            covered = plain[:-CRC_BYTES]
            checksum = zlib.crc32(covered).to_bytes(CRC_BYTES, "little")
            pieces.append(cobs_encode(covered + checksum))
        else:
            pieces.append(piece)
    return DELIMITER.join(pieces)


def _check_frames(stream: bytes) -> None:
    reader = FrameReader()
    for kind, body in reader.feed(stream):
        try:
            message = parse_message(kind, body)
        except BadInput as refusal:
            require(refusal.reason is InputReason.FRAME, f"reason {refusal.reason}")
            continue
        again = FrameReader().feed(message.encode())
        require(again == [(kind, body)], "a message with two encodings")


def _check_store(store: LiveStore) -> None:
    """Nothing is in the store but what was recorded and signed."""
    for stored in store.epochs():
        for number in range(stored.windows):
            if store.has_window(stored.epoch, number):
                (log,) = store.load_windows(stored, number, number)
                ending = store.checkpoint(stored.epoch, number + 1)
                truth = _records().get(ending.checkpoint.encode()) if ending else None
                require(log.records.tobytes() + log.salt.tobytes() == truth, "made-up readings")


@cache
def _folder() -> Path:
    """For evidence of contradictions."""
    folder = tempfile.TemporaryDirectory(prefix="zkmeter-fuzz-")
    _FOLDERS.append(folder)  # kept until the process ends
    return Path(folder.name)


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def _gateway(data: bytes) -> str:
    choices = data[0] if data else 0
    stream = _repaired(data[1:]) if choices & 1 else data[1:]
    length = 1 + 13 * (choices >> 1)
    _check_frames(stream)
    commands: list[bytes] = []
    events: list[Event] = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        opened.executescript(SCRIPT)
        store = LiveStore(_folder() / "store.sqlite3", opened, terms())
        clock = DeviceClock(SECRET, now_ms=lambda: NOW_MS, monotonic=lambda: 0.0)
        gateway = Gateway(terms(), SECRET, store, clock)
        try:
            for at in range(0, len(stream), length):
                events += gateway.feed(stream[at : at + length])
                events += gateway.clock_events(commands.append)
        except BadInput as refusal:
            require(refusal.reason is InputReason.EQUIVOCATION, f"stops with {refusal}")
            return refusal.reason
        finally:
            _check_store(store)
    kinds = {kind for sent in commands for kind, _ in FrameReader().feed(sent)}
    require(kinds <= COMMANDS, f"commands {kinds}")
    require({event.kind for event in events} <= EVENTS, "an event of an unknown kind")
    return _label(events)


def _label(events: list[Event]) -> str:
    """The rarest of what came of it."""
    found = {event.reason for event in events if event.reason is not None}
    for reason in (
        *(InputReason.WINDOW_MISMATCH, InputReason.WINDOW_UNREADABLE, InputReason.CHECKPOINT),
        *(InputReason.WINDOW_INCOMPLETE, InputReason.SCHEMA_MISMATCH),
        *(InputReason.DEVICE_MISMATCH, InputReason.FRAME),
    ):
        if reason in found:
            return reason
    kinds = {event.kind for event in events}
    return next((kind for kind in ("clock", "status", "window", "session") if kind in kinds), "")


@cache
def _seeds() -> list[bytes]:
    (made, first), (_, second), (_, copied) = _epochs()
    _, foreign = _Sender(STRANGER).send((1,))
    schema = terms().schema
    wider = replace(schema, channels=(replace(schema.channels[0], bits=20),))
    _, other = _Sender().send((1,), schema=wider)
    off, right = (
        StatusFrame(now_ms, 16, 1000, 0, 0, has_records=True, clocks=1).encode()
        for now_ms in (T0_MS, NOW_MS)
    )
    opening = made.checkpoints[0].checkpoint
    ruleless = checkpoint_frame(sign_as_device(replace(opening, end_ms=opening.end_ms + 5)))
    late = first[1:] + first[:1]
    mixed = [copied[2] if place == 2 else frame for place, frame in enumerate(first)]
    others = tuple(replace(log, records=log.records + np.uint64(1)) for log in made.windows)
    lie = _Sender().frames(replace(made, windows=others), schema, "lie")
    streams = [
        *(first, second, first + second, first + copied, first * 2, late, mixed, lie),
        *(foreign, other + first, [*first[:1], off], [*first[:1], right], [ruleless]),
        *(first[:2] + first[3:], [first[-1]], [b"noise\0"]),
    ]
    return [
        bytes([choice]) + b"".join(frames)
        for frames in streams
        for choice in ((0, 1, 255) if frames is first else (1,))
    ]


GATEWAY = (
    Target("gateway", _gateway, _seeds, 4096, (b"\0", b"\x01", b"\x02", b"\x03", b"\x04", b"\x05")),
)
