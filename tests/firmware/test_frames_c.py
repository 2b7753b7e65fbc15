"""Frames as the firmware reads and writes them, against a second implementation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware.board import FRAME_BYTES, T0_MS, Board, Status, load
from tests.firmware.line import ASK_STATUS, cobs, frame, open_frame, uncobs
from tests.firmware.twin import schema

BODY_MAX = 600


def decode(data: bytes, capacity: int = FRAME_BYTES) -> bytes:
    """zkm_frame_decode."""
    ffi, library = load()
    out = ffi.new("uint8_t[]", capacity + 1)
    size = library.zkm_frame_decode(data, len(data), out, capacity)
    assert size <= capacity
    return bytes(ffi.buffer(out, size))


def second_opinion(data: bytes) -> bytes:
    """Type and body, or nothing."""
    try:
        kind, body = open_frame(data + b"\0")
    except (ValueError, IndexError):
        return b""
    return bytes([kind]) + body


@pytest.mark.parametrize("size", [0, 1, 248, 249, 250, 251, 252, 502, 503, 504, 505, 506, BODY_MAX])
@pytest.mark.parametrize("filling", [b"\0", b"\1", b"\xff", b"\0\1", b"\1" * 253 + b"\0"])
def test_frames_of_every_shape_come_back(size: int, filling: bytes) -> None:
    body = (filling * (size + 1))[:size]
    sent = frame(ASK_STATUS, body)
    assert len(sent) + 1 <= FRAME_BYTES
    assert uncobs(sent)[1:-4] == body
    assert decode(sent) == bytes([ASK_STATUS]) + body


@given(data=st.binary(max_size=700), kind=st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_any_frame_comes_back(data: bytes, kind: int) -> None:
    body = data[:BODY_MAX]
    assert decode(frame(kind, body)) == bytes([kind]) + body


@given(data=st.binary(max_size=64))
@settings(max_examples=500, deadline=None)
def test_any_stuffed_bytes_are_frames_only_with_their_crc(data: bytes) -> None:
    assert decode(cobs(data)) == second_opinion(cobs(data))


@given(data=st.binary(max_size=40), at=st.integers(0), change=st.integers(1, 255))
@settings(max_examples=500, deadline=None)
def test_a_changed_byte_is_noise(data: bytes, at: int, change: int) -> None:
    sent = bytearray(frame(ASK_STATUS, data))
    sent[at % len(sent)] ^= change
    assert decode(bytes(sent)) == b""


def test_a_frame_that_does_not_fit_is_noise() -> None:
    sent = frame(ASK_STATUS, bytes(range(1, 9)))
    assert decode(sent, 13) == bytes([ASK_STATUS, *range(1, 9)])
    for capacity in range(13):
        assert decode(sent, capacity) == b""


def test_frames_leave_whole_and_in_order_at_every_place_of_the_ring() -> None:
    """25-byte answers walk the ring's end over every offset; the operator checks each CRC."""
    board = Board(schema(12))
    assert board.boot() is Status.OK
    board.drain()
    for n in range(2000):
        assert board.command(frame(ASK_STATUS), T0_MS + n) is Status.OK
        if n % 7 == 6:
            board.drain()
    board.drain()
    assert [status[0] for status in board.operator.statuses] == list(range(T0_MS, T0_MS + 2000))
