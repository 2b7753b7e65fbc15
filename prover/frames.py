"""Frames between a device and the gateway: COBS, type, body, CRC-32; see ``docs/firmware.md``.

A frame on the line is the COBS form of ``type u8 || body || crc32 u32`` and one zero byte; integers
are little-endian. Whatever is no such thing is noise: the reader drops it up to the next zero byte.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

from circuits.checkpoint import CHECKPOINT_BYTES, OPENING_BYTES
from circuits.errors import BadInput, InputReason
from verifier.signatures import SIGNATURE_BYTES

MAXIMUM_BODY_BYTES = 600
_CRC_BYTES = 4
_MAXIMUM_PLAIN_BYTES = 1 + MAXIMUM_BODY_BYTES + _CRC_BYTES
_LONGEST_RUN = 254  # bytes without a zero behind one COBS code
MAXIMUM_FRAME_BYTES = (
    _MAXIMUM_PLAIN_BYTES + _MAXIMUM_PLAIN_BYTES // _LONGEST_RUN + 1
)  # no delimiter
DELIMITER = b"\0"

SESSION_VERSION = 1
_SESSION = struct.Struct("<H32sI32s32s")
_WINDOW = struct.Struct("<II24s")
_DATA = struct.Struct("<IIH")
_STATUS = struct.Struct("<QHHIII")
_HAS_RECORDS = 1 << 15  # beside the flags of a status
MAXIMUM_MESSAGE_BYTES = MAXIMUM_BODY_BYTES - _DATA.size


class FrameType(IntEnum):
    """The first byte of a frame; from 0x80 on they go to the device."""

    SESSION = 0x01
    WINDOW = 0x02
    DATA = 0x03
    CHECKPOINT = 0x04
    STATUS = 0x05
    STATUS_REQUEST = 0x81
    CLOCK = 0x82
    REPEAT = 0x83


@dataclass(frozen=True)
class SessionFrame:
    """One per boot: who sends, for which epoch, and the device's X25519 key of this session."""

    device: bytes
    epoch: int
    ephemeral: bytes
    schema: bytes
    signature: bytes

    @property
    def message(self) -> bytes:
        """What the device signs, after the session tag."""
        return _SESSION.pack(SESSION_VERSION, self.device, self.epoch, self.ephemeral, self.schema)

    def encode(self) -> bytes:
        """The whole frame."""
        return encode_frame(FrameType.SESSION, self.message + self.signature)


@dataclass(frozen=True)
class WindowFrame:
    """A window opens: ``index`` is its opening checkpoint's, ``header`` the stream's 24 bytes."""

    epoch: int
    index: int
    header: bytes

    def encode(self) -> bytes:
        """The whole frame."""
        return encode_frame(FrameType.WINDOW, _WINDOW.pack(self.epoch, self.index, self.header))


@dataclass(frozen=True)
class DataFrame:
    """Message ``sequence`` (0, 1, ...) of a window's encrypted stream."""

    epoch: int
    index: int
    sequence: int
    message: bytes

    def encode(self) -> bytes:
        """The whole frame."""
        head = _DATA.pack(self.epoch, self.index, self.sequence)
        return encode_frame(FrameType.DATA, head + self.message)


@dataclass(frozen=True)
class CheckpointFrame:
    """A checkpoint's bytes (140 or 188, not looked at yet) and the device's signature."""

    encoded: bytes
    signature: bytes

    def encode(self) -> bytes:
        """The whole frame."""
        return encode_frame(FrameType.CHECKPOINT, self.encoded + self.signature)


@dataclass(frozen=True)
class StatusFrame:
    """The answer to a status request; nothing in it is signed.

    ``has_records`` says whether the epoch has a record, ``clocks`` how many clock commands the
    device obeyed in its session.
    """

    now_ms: int
    flags: int
    free_bytes: int
    epoch: int
    index: int
    has_records: bool
    clocks: int

    def encode(self) -> bytes:
        """The whole frame."""
        flags = self.flags | _HAS_RECORDS * self.has_records
        place = (self.epoch, self.index)
        body = _STATUS.pack(self.now_ms, flags, self.free_bytes, *place, self.clocks)
        return encode_frame(FrameType.STATUS, body)

    @classmethod
    def decode(cls, body: bytes) -> StatusFrame:
        """The inverse; ``body`` has the right length."""
        now_ms, flags, free_bytes, epoch, index, clocks = _STATUS.unpack(body)
        has_records = bool(flags & _HAS_RECORDS)
        return cls(now_ms, flags & ~_HAS_RECORDS, free_bytes, epoch, index, has_records, clocks)


Message = SessionFrame | WindowFrame | DataFrame | CheckpointFrame | StatusFrame


def cobs_encode(data: bytes) -> bytes:
    """``data`` without zero bytes; a last run of 254 bytes ends without an empty code."""
    out = bytearray()
    parts = data.split(DELIMITER)
    for number, part in enumerate(parts):
        ended_full = False
        at = 0
        while at + _LONGEST_RUN <= len(part):
            out += b"\xff" + part[at : at + _LONGEST_RUN]
            at += _LONGEST_RUN
            ended_full = at == len(part)
        if not (ended_full and number == len(parts) - 1):
            out += bytes([len(part) - at + 1]) + part[at:]
    return bytes(out)


def cobs_decode(data: bytes) -> bytes | None:
    """The inverse of ``cobs_encode``; None where a code points past the end or finds a zero."""
    out = bytearray()
    at = 0
    while at < len(data):
        code = data[at]
        run = data[at + 1 : at + code]
        if code == 0 or len(run) != code - 1 or 0 in run:
            return None
        out += run
        at += code
        if code <= _LONGEST_RUN and at < len(data):
            out.append(0)
    return bytes(out)


def encode_frame(kind: FrameType, body: bytes) -> bytes:
    """A frame as it goes over the line, delimiter included; at most 600 bytes of body."""
    if len(body) > MAXIMUM_BODY_BYTES:
        raise ValueError(f"a frame's body has at most {MAXIMUM_BODY_BYTES} bytes")
    plain = bytes([kind]) + body
    return cobs_encode(plain + zlib.crc32(plain).to_bytes(_CRC_BYTES, "little")) + DELIMITER


REPEAT_COMMAND = encode_frame(FrameType.REPEAT, b"")
STATUS_COMMAND = encode_frame(FrameType.STATUS_REQUEST, b"")


def decode_frame(encoded: bytes) -> tuple[int, bytes] | None:
    """Type and body of what stood between two delimiters; None for noise."""
    if len(encoded) > MAXIMUM_FRAME_BYTES:
        return None
    plain = cobs_decode(encoded)
    if plain is None or not 1 + _CRC_BYTES <= len(plain) <= _MAXIMUM_PLAIN_BYTES:
        return None
    covered, checksum = plain[:-_CRC_BYTES], plain[-_CRC_BYTES:]
    if zlib.crc32(covered).to_bytes(_CRC_BYTES, "little") != checksum:
        return None
    return covered[0], covered[1:]


class FrameReader:
    """Cuts a stream of bytes into frames, however it is chunked.

    ``noise`` counts the pieces between two delimiters that were no frame. At most
    ``MAXIMUM_FRAME_BYTES`` + 1 bytes are kept between calls.
    """

    def __init__(self) -> None:
        self.noise = 0
        self._partial = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The (type, body) of every frame that ends in ``data``."""
        found = []
        *ended, rest = data.split(DELIMITER)
        for piece in ended:
            self._add(piece)
            if self._partial:
                frame = decode_frame(bytes(self._partial))
                if frame is None:
                    self.noise += 1
                else:
                    found.append(frame)
                self._partial.clear()
        self._add(rest)
        return found

    def _add(self, piece: bytes) -> None:
        # one byte too many is enough to know that it is no frame
        self._partial += piece[: MAXIMUM_FRAME_BYTES + 1 - len(self._partial)]


def parse_message(kind: int, body: bytes) -> Message:
    """What a frame from a device says; ``FRAME`` for a type or a length that there is not."""
    if kind == FrameType.SESSION and len(body) == _SESSION.size + SIGNATURE_BYTES:
        version, device, epoch, ephemeral, schema = _SESSION.unpack_from(body)
        if version != SESSION_VERSION:
            raise BadInput(InputReason.FRAME, f"a session frame of version {version}")
        return SessionFrame(device, epoch, ephemeral, schema, body[_SESSION.size :])
    if kind == FrameType.WINDOW and len(body) == _WINDOW.size:
        return WindowFrame(*_WINDOW.unpack(body))
    if kind == FrameType.DATA and len(body) > _DATA.size:
        epoch, index, sequence = _DATA.unpack_from(body)
        return DataFrame(epoch, index, sequence, body[_DATA.size :])
    lengths = (CHECKPOINT_BYTES + SIGNATURE_BYTES, OPENING_BYTES + SIGNATURE_BYTES)
    if kind == FrameType.CHECKPOINT and len(body) in lengths:
        return CheckpointFrame(body[:-SIGNATURE_BYTES], body[-SIGNATURE_BYTES:])
    if kind == FrameType.STATUS and len(body) == _STATUS.size:
        return StatusFrame.decode(body)
    raise BadInput(InputReason.FRAME, f"a frame of type 0x{kind:02x} with {len(body)} bytes")
