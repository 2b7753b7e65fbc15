"""The operator's end of the line for tests: frames, and what they hold once decrypted."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, field

import numpy as np
from nacl import bindings
from nacl.public import PrivateKey
from nacl.signing import VerifyKey
from numpy.typing import NDArray

from circuits.checkpoint import OPENING_BYTES, Checkpoint, decode_checkpoint

SESSION, WINDOW, DATA, CHECKPOINT, STATUS = 1, 2, 3, 4, 5
ASK_STATUS, ASK_CLOCK, ASK_REPEAT = 0x81, 0x82, 0x83
SALT_BYTES = 32
HAS_RECORDS = 0x8000  # beside the flags of a status


def cobs(data: bytes) -> bytes:
    """Consistent overhead byte stuffing, without the delimiter."""
    out = bytearray()
    for number, part in enumerate(data.split(b"\0")):
        rest = part
        while len(rest) >= 254:
            out += b"\xff" + rest[:254]
            rest = rest[254:]
            if not rest and number == data.count(b"\0"):
                return bytes(out)
        out += bytes([len(rest) + 1]) + rest
    return bytes(out)


def uncobs(frame: bytes) -> bytes:
    """The bytes before stuffing; ValueError if there are none."""
    out = bytearray()
    at = 0
    while at < len(frame):
        code = frame[at]
        part = frame[at + 1 : at + code]
        if code == 0 or len(part) != code - 1 or 0 in part:
            raise ValueError("not COBS")
        out += part
        at += code
        if code != 0xFF and at < len(frame):
            out += b"\0"
    return bytes(out)


def frame(kind: int, body: bytes = b"") -> bytes:
    """A frame without its delimiter."""
    data = bytes([kind]) + body
    return cobs(data + struct.pack("<I", zlib.crc32(data)))


def open_frame(sent: bytes) -> tuple[int, bytes]:
    """Type and body of a frame with its delimiter; ValueError for noise."""
    if sent[-1:] != b"\0" or 0 in sent[:-1]:
        raise ValueError("delimiter")
    data = uncobs(sent[:-1])
    if len(data) < 5 or zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise ValueError("CRC")
    if cobs(data) != sent[:-1]:
        raise ValueError("COBS, but not the shortest")
    return data[0], data[1:-4]


@dataclass
class Window:
    """What has come of one window: bytes of records, and the salt once it is complete."""

    state: bindings.crypto_secretstream_xchacha20poly1305_state
    plain: bytes = b""
    sequence: int = 0
    salt: tuple[int, ...] = ()

    def records(self, elements: int) -> NDArray[np.uint64]:
        """Shape (n, elements)."""
        raw = np.frombuffer(self.plain, dtype=np.uint8).reshape(-1, elements, 3).astype(np.uint64)
        shifts = np.array([0, 8, 16], dtype=np.uint64)
        codes: NDArray[np.uint64] = np.bitwise_or.reduce(raw << shifts, axis=2)
        return codes


@dataclass
class Operator:
    """Takes frames in the order in which they come; an AssertionError where one is wrong."""

    device: bytes
    key: PrivateKey = field(default_factory=lambda: PrivateKey(bytes(range(7, 39))))
    session_key: bytes = b""
    sessions: list[int] = field(default_factory=list)
    windows: dict[tuple[int, int], Window] = field(default_factory=dict)
    checkpoints: dict[tuple[int, int], bytes] = field(default_factory=dict)
    arrived: list[Checkpoint] = field(default_factory=list)
    statuses: list[tuple[int, ...]] = field(default_factory=list)

    def receive(self, sent: bytes) -> int:
        """One frame; returns its type."""
        kind, body = open_frame(sent)
        handler = {
            SESSION: self._session,
            WINDOW: self._window,
            DATA: self._data,
            CHECKPOINT: self._checkpoint,
            STATUS: self._status,
        }[kind]
        handler(body)
        return kind

    def _session(self, body: bytes) -> None:
        version, device, epoch, public, _schema = struct.unpack("<H32sI32s32s", body[:-64])
        assert (version, device) == (1, self.device)
        VerifyKey(device).verify(b"ZKMd" + body[:-64], body[-64:])
        operator = bytes(self.key.public_key)
        shared = bindings.crypto_scalarmult(bytes(self.key), public)
        self.session_key = hashlib.blake2b(
            b"zkmeter session 1" + shared + public + operator, digest_size=32
        ).digest()
        self.sessions.append(epoch)

    def _window(self, body: bytes) -> None:
        epoch, index, header = struct.unpack("<II24s", body)
        key = hashlib.blake2b(
            b"zkmeter window 1" + body[:8], key=self.session_key, digest_size=32
        ).digest()
        state = bindings.crypto_secretstream_xchacha20poly1305_state()
        bindings.crypto_secretstream_xchacha20poly1305_init_pull(state, header, key)
        self.windows[epoch, index] = Window(state)

    def _data(self, body: bytes) -> None:
        epoch, index, sequence = struct.unpack("<IIH", body[:10])
        window = self.windows[epoch, index]
        assert sequence == window.sequence
        assert not window.salt, "data after the final frame"
        window.sequence += 1
        plain, tag = bindings.crypto_secretstream_xchacha20poly1305_pull(
            window.state, body[10:], body[:10]
        )
        assert len(plain) <= 512
        if tag == bindings.crypto_secretstream_xchacha20poly1305_TAG_FINAL:
            window.salt = struct.unpack("<8I", plain[-SALT_BYTES:])
            plain = plain[:-SALT_BYTES]
        else:
            assert tag == bindings.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
        window.plain += plain

    def _checkpoint(self, body: bytes) -> None:
        encoded = body[:-64]
        checkpoint = decode_checkpoint(encoded)
        assert (checkpoint.index == 0) == (len(encoded) == OPENING_BYTES)
        VerifyKey(self.device).verify(encoded, body[-64:])
        position = checkpoint.epoch, checkpoint.index
        assert self.checkpoints.setdefault(position, body) == body, f"two checkpoints at {position}"
        self.arrived.append(checkpoint)

    def _status(self, body: bytes) -> None:
        self.statuses.append(struct.unpack("<QHHIII", body))

    def clock_body(self, time_ms: int, count: int) -> bytes:
        """Body of the clock command in the latest session, after ``count`` were obeyed."""
        fields = struct.pack("<QI", time_ms, count)
        text = b"zkmeter clock 1" + fields
        return fields + hashlib.blake2b(text, key=self.session_key, digest_size=16).digest()

    def clock(self, time_ms: int, count: int) -> bytes:
        """That command, without its delimiter."""
        return frame(ASK_CLOCK, self.clock_body(time_ms, count))
