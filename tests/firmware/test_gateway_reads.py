"""What the operator's gateway makes of the firmware's frames."""

from __future__ import annotations

import numpy as np

from circuits.checkpoint import decode_checkpoint
from prover.frames import (
    CheckpointFrame,
    DataFrame,
    FrameReader,
    FrameType,
    SessionFrame,
    WindowFrame,
    encode_frame,
    parse_message,
)
from prover.received import WindowFacts, read_window
from prover.session import require_session_signature
from tests.firmware.board import T0_MS, WINDOW_MS, Board, Status
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
    wanted = (T0_MS + 123).to_bytes(8, "little")
    for kind, body in (
        (FrameType.STATUS_REQUEST, b""),
        (FrameType.CLOCK, wanted),
        (FrameType.REPEAT, b""),
    ):
        assert board.command(encode_frame(kind, body).strip(b"\0")) is Status.OK
