"""The line's frames: exact bytes, every chunking, and nothing that bytes could do to the reader."""

from __future__ import annotations

import random
import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.errors import BadInput, InputReason
from prover.frames import (
    MAXIMUM_BODY_BYTES,
    MAXIMUM_FRAME_BYTES,
    REPEAT_COMMAND,
    CheckpointFrame,
    DataFrame,
    FrameReader,
    FrameType,
    Message,
    SessionFrame,
    StatusFrame,
    WindowFrame,
    cobs_decode,
    cobs_encode,
    decode_frame,
    encode_frame,
    parse_message,
)

COUNTING = bytes(range(1, 255))  # 254 bytes, none zero


@pytest.mark.parametrize(
    ("plain", "encoded"),
    [
        (b"", b"\x01"),
        (b"\0", b"\x01\x01"),
        (b"\0\0", b"\x01\x01\x01"),
        (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33"),
        (b"\x11\0\0\0", b"\x02\x11\x01\x01\x01"),
        (COUNTING, b"\xff" + COUNTING),
        (b"\0" + COUNTING, b"\x01\xff" + COUNTING),
        (COUNTING + b"\xff", b"\xff" + COUNTING + b"\x02\xff"),
        (COUNTING[1:] + b"\xff\0", b"\xff" + COUNTING[1:] + b"\xff\x01\x01"),
        (COUNTING[2:] + b"\xff\0\x01", b"\xfe" + COUNTING[2:] + b"\xff\x02\x01"),
        (COUNTING * 2, (b"\xff" + COUNTING) * 2),
    ],
)
def test_cobs_known_answers(plain: bytes, encoded: bytes) -> None:
    assert cobs_encode(plain) == encoded
    assert cobs_decode(encoded) == plain


@given(st.binary(max_size=700).map(lambda data: data.replace(b"\x07", b"\0")))
def test_cobs_is_undone_and_free_of_zeros(data: bytes) -> None:
    encoded = cobs_encode(data)
    assert 0 not in encoded
    assert cobs_decode(encoded) == data
    assert len(encoded) <= len(data) + len(data) // 254 + 1


def test_a_last_empty_code_is_read_as_well() -> None:
    assert cobs_decode(b"\xff" + COUNTING + b"\x01") == COUNTING


@pytest.mark.parametrize("bad", [b"\0", b"\x02", b"\x03\x01", b"\x05\x01\x02\0\x01", b"\xff\x01"])
def test_cobs_that_is_none(bad: bytes) -> None:
    assert cobs_decode(bad) is None


@settings(max_examples=300)
@given(st.binary(max_size=2000))
def test_decoding_anything_ends(data: bytes) -> None:
    decode_frame(data)
    for kind, body in FrameReader().feed(data):
        with suppress(BadInput):
            parse_message(kind, body)


def test_a_frame_byte_for_byte() -> None:
    checksum = zlib.crc32(b"\x83").to_bytes(4, "little")
    assert zlib.crc32(b"123456789") == 0xCBF43926  # the checksum that the format names
    assert encode_frame(FrameType.REPEAT, b"") == b"\x06\x83" + checksum + b"\0"
    assert encode_frame(FrameType.REPEAT, b"") == REPEAT_COMMAND
    with pytest.raises(ValueError, match="600"):
        encode_frame(FrameType.DATA, bytes(MAXIMUM_BODY_BYTES + 1))


def test_the_longest_frame_fits() -> None:
    body = b"\x01" * MAXIMUM_BODY_BYTES
    frame = encode_frame(FrameType.DATA, body)
    assert len(frame) - 1 <= MAXIMUM_FRAME_BYTES
    assert FrameReader().feed(frame) == [(FrameType.DATA, body)]


KEY, SCHEMA, SIGNATURE = b"k" * 32, b"s" * 32, b"g" * 64
MESSAGES: list[tuple[Message, int, bytes]] = [
    (
        SessionFrame(KEY, 7, b"e" * 32, SCHEMA, SIGNATURE),
        0x01,
        b"\x01\0" + KEY + struct.pack("<I", 7) + b"e" * 32 + SCHEMA + SIGNATURE,
    ),
    (WindowFrame(7, 9, b"h" * 24), 0x02, struct.pack("<II", 7, 9) + b"h" * 24),
    (DataFrame(7, 9, 258, b"m" * 20), 0x03, struct.pack("<IIH", 7, 9, 258) + b"m" * 20),
    (CheckpointFrame(b"c" * 140, SIGNATURE), 0x04, b"c" * 140 + SIGNATURE),
    (CheckpointFrame(b"c" * 188, SIGNATURE), 0x04, b"c" * 188 + SIGNATURE),
    (
        StatusFrame(2**40, 16, 1536, 7, 9, has_records=True, clocks=3),
        0x05,
        struct.pack("<QHHIII", 2**40, 0x8010, 1536, 7, 9, 3),
    ),
]


@pytest.mark.parametrize(("message", "kind", "body"), MESSAGES)
def test_every_message_has_its_layout(message: Message, kind: int, body: bytes) -> None:
    assert FrameReader().feed(message.encode()) == [(kind, body)]
    assert parse_message(kind, body) == message
    for other in (body[:-1], body + b"\0", b""):
        if kind == FrameType.DATA and len(other) > 10:
            continue  # a message may have any length
        with pytest.raises(BadInput) as caught:
            parse_message(kind, other)
        assert caught.value.reason is InputReason.FRAME


def test_another_session_version_is_refused() -> None:
    body = b"\x02\0" + KEY + bytes(4) + KEY + SCHEMA + SIGNATURE
    with pytest.raises(BadInput, match="version 2"):
        parse_message(FrameType.SESSION, body)


@pytest.mark.parametrize("kind", [0, 6, 0x81, 0x82, 0x83, 0xFF])
def test_types_that_no_device_sends(kind: int) -> None:
    with pytest.raises(BadInput):
        parse_message(kind, b"")


STREAM = b"".join(message.encode() for message, _, _ in MESSAGES)
EXPECTED = [(kind, body) for _, kind, body in MESSAGES]


def chunked(data: bytes, seed: int, longest: int) -> list[bytes]:
    generator = random.Random(seed)
    chunks, at = [], 0
    while at < len(data):
        size = generator.randint(1, longest)
        chunks.append(data[at : at + size])
        at += size
    return chunks


@pytest.mark.parametrize("longest", [1, 2, 3, 7, 64, 1000])
def test_any_chunking_gives_the_same_frames(longest: int) -> None:
    reader = FrameReader()
    found = [frame for chunk in chunked(STREAM, longest, longest) for frame in reader.feed(chunk)]
    assert found == EXPECTED
    assert reader.noise == 0


def test_noise_is_dropped_up_to_the_next_zero() -> None:
    generator = random.Random(1)
    stream, pieces = b"", 0
    for message, _, _ in MESSAGES:
        noise = bytes(generator.randrange(1, 256) for _ in range(generator.randrange(1, 50)))
        stream += noise + b"\0" + message.encode()
        pieces += 1
    for longest in (1, 5, 1000):
        reader = FrameReader()
        found = [f for chunk in chunked(stream, 3, longest) for f in reader.feed(chunk)]
        assert found == EXPECTED
        assert reader.noise == pieces


def test_a_damaged_frame_costs_only_itself() -> None:
    frames = [message.encode() for message, _, _ in MESSAGES]
    for place, frame in enumerate(frames):
        for at in range(len(frame) - 1):
            broken = bytearray(frame)
            broken[at] ^= 0x40
            reader = FrameReader()
            stream = b"".join((*frames[:place], bytes(broken), *frames[place + 1 :]))
            found = reader.feed(stream)
            assert [f for f in EXPECTED if f not in found] in ([EXPECTED[place]], [])
            assert all(f in EXPECTED for f in found)


def test_endless_noise_does_not_pile_up() -> None:
    reader = FrameReader()
    for _ in range(100):
        assert reader.feed(b"\x55" * 10_000) == []
    assert len(reader._partial) == MAXIMUM_FRAME_BYTES + 1
    assert reader.feed(b"\0" + STREAM) == EXPECTED
    assert reader.noise == 1


def test_empty_frames_are_nothing() -> None:
    reader = FrameReader()
    assert reader.feed(b"\0\0\0" + STREAM + b"\0\0") == EXPECTED
    assert reader.noise == 0
