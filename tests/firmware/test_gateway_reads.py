"""What the operator's gateway makes of the firmware's frames."""

from __future__ import annotations

import numpy as np

from circuits.checkpoint import decode_checkpoint
from prover.device_clock import EARLIEST_MS, DeviceClock
from prover.frames import (
    REPEAT_COMMAND,
    STATUS_COMMAND,
    CheckpointFrame,
    DataFrame,
    FrameReader,
    SessionFrame,
    StatusFrame,
    WindowFrame,
    parse_message,
)
from prover.received import WindowFacts, read_window
from prover.session import clock_command, open_session, require_session_signature
from tests.firmware.board import OUTGOING_BYTES, T0_MS, WINDOW_MS, Board, Status
from tests.firmware.twin import schema
from verifier.claim import SignedCheckpoint

FORM = schema(12, 24)


def test_windows_open_and_lead_to_their_checkpoints() -> None:
    board = Board(FORM)
    assert board.boot() is Status.OK
    sent = b""
    for n in range(2 * 500):
        assert board.sample([n, 7 * n], T0_MS + 20 * n) is Status.OK
        while frame := board.next_frame():
            sent += frame
    assert board.tick(T0_MS + 2 * WINDOW_MS) is Status.OK
    while frame := board.next_frame():
        sent += frame
    reader = FrameReader()
    messages = [parse_message(kind, body) for kind, body in reader.feed(sent)]
    assert reader.noise == 0
    (session,) = [m for m in messages if isinstance(m, SessionFrame)]
    require_session_signature(session)
    headers = {m.index: m.header for m in messages if isinstance(m, WindowFrame)}
    signed = [
        SignedCheckpoint(decode_checkpoint(m.encoded), m.signature)
        for m in messages
        if isinstance(m, CheckpointFrame)
    ]
    assert [s.checkpoint.index for s in signed] == [0, 1, 2]
    rows = []
    for index in (0, 1):
        data = {
            m.sequence: m.message for m in messages if isinstance(m, DataFrame) and m.index == index
        }
        facts = WindowFacts(FORM, bytes(board.operator.key), session, headers[index], data)
        rows.append(read_window(facts, signed[index], signed[index + 1].checkpoint).records)
    expected = [[n, 7 * n, 20 if n else 0] for n in range(1000)]
    assert np.concatenate(rows).tolist() == expected


def test_the_gateways_commands_arrive() -> None:
    board = Board(FORM)
    assert board.boot() is Status.OK
    board.drain()
    clock = clock_command(board.operator.session_key, T0_MS + 123, 0)
    for command in (clock, STATUS_COMMAND, REPEAT_COMMAND):
        assert board.command(command.strip(b"\0")) is Status.OK
    status, _ = (parse_message(*FrameReader().feed(board.next_frame())[0]) for _ in range(2))
    assert status == StatusFrame(T0_MS + 123, 0, OUTGOING_BYTES, 0, 0, has_records=False, clocks=1)


def test_an_old_session_does_not_keep_the_clock_from_being_set() -> None:
    """Somebody on the line sends the one of the epoch before again."""
    board = Board(FORM)
    sessions = []
    for number in range(2):
        now_ms = T0_MS + number * 2 * WINDOW_MS
        assert board.boot(now_ms) is Status.OK
        message = parse_message(*FrameReader().feed(board.next_frame())[0])
        assert isinstance(message, SessionFrame)
        sessions.append(message)
        while board.next_frame():
            pass
        assert board.tick(now_ms + WINDOW_MS) is Status.OK
    old, new = sessions
    assert (old.epoch, new.epoch) == (0, 1)
    clock = DeviceClock(bytes(board.operator.key), now_ms=lambda: EARLIEST_MS)
    for session in (old, new, old):
        clock.begin(session)
    assert clock.due() == (STATUS_COMMAND, "")
    clock.hear(StatusFrame(T0_MS, 0, 1000, 1, 0, has_records=False, clocks=0))
    command, _ = clock.due()
    key = open_session(bytes(board.operator.key), new)
    assert command == clock_command(key, EARLIEST_MS, 0) + STATUS_COMMAND
