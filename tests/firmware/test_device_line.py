"""The line and what can go wrong on it: commands, full buffers, slow links; what refuses to run."""

from __future__ import annotations

import pytest
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey

from circuits.checkpoint import MAX_TIME_MS
from circuits.checkpoint import Status as Flags
from tests.firmware.board import (
    FRAME_BYTES,
    OUTGOING_BYTES,
    T0_MS,
    WINDOW_MS,
    Board,
    Random,
    Status,
)
from tests.firmware.line import (
    ASK_CLOCK,
    ASK_REPEAT,
    ASK_STATUS,
    CHECKPOINT,
    SESSION,
    WINDOW,
    frame,
)
from tests.firmware.twin import ONE, Window, compare_epoch, software_device, started

# ---- commands ----


def test_status_answers_with_where_the_device_is() -> None:
    board = started()
    assert board.command(frame(ASK_STATUS), T0_MS + 3) is Status.OK
    assert board.flags(Flags.TAMPER) is Status.OK
    assert board.tick(T0_MS + WINDOW_MS) is Status.OK
    board.drain()
    assert board.command(frame(ASK_STATUS), T0_MS + WINDOW_MS) is Status.OK
    board.drain()
    assert board.operator.statuses == [
        (T0_MS + 3, 0, OUTGOING_BYTES, 0, 0, 0),
        (T0_MS + WINDOW_MS, Flags.TAMPER, OUTGOING_BYTES, 0, 1, 0),
    ]


def test_repeat_sends_session_and_last_checkpoints_bit_for_bit() -> None:
    board = started()
    assert board.command(frame(ASK_REPEAT)) is Status.OK
    assert board.drain() == [SESSION]
    for n, expected in ((1, [SESSION, CHECKPOINT, CHECKPOINT]), (2, [SESSION, CHECKPOINT])):
        assert board.sample([n], T0_MS + n * WINDOW_MS - 5) is Status.OK
        assert board.tick(T0_MS + n * WINDOW_MS) is Status.OK
        board.drain()
        assert board.sample([n], T0_MS + n * WINDOW_MS) is Status.OK  # records wait in the buffer
        board.drain()
        assert board.command(frame(ASK_REPEAT)) is Status.OK
        assert board.drain() == expected  # the operator asserts that nothing differs
    assert board.tick(T0_MS + 3 * WINDOW_MS) is Status.OK
    board.drain()
    assert board.operator.windows[0, 2].records(2).tolist() == [[2, 5]]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\0",
        b"\1",
        b"\xff",
        bytes(1000),
        b"\1" * 5,
        frame(ASK_STATUS)[:-1],
        frame(ASK_STATUS) + b"\1",
        frame(ASK_STATUS, b"x"),
        frame(ASK_CLOCK, bytes(8)),
        frame(ASK_CLOCK, bytes(28)),
        frame(ASK_REPEAT, bytes(8)),
        frame(0x01),
        frame(0x84),
        frame(ASK_CLOCK, bytes(600)),
        bytes([frame(ASK_STATUS)[0], frame(ASK_STATUS)[1] ^ 1]) + frame(ASK_STATUS)[2:],
    ],
)
def test_noise_is_refused_and_changes_nothing(bad: bytes) -> None:
    board = started()
    before = board.memory()
    assert board.command(bad) is Status.BAD_FRAME
    assert board.memory() == before


# ---- a full buffer and a slow link ----


def test_a_full_buffer_refuses_samples_and_loses_none() -> None:
    board = started(window_ms=10**6)
    taken = []
    refused = 0
    for n in range(2000):
        status = board.sample([n], T0_MS + n)
        if status is Status.OK:
            taken.append(([n], T0_MS + n))
            continue
        assert status is Status.FULL
        refused += 1
        if refused % 50 == 0:  # a slow link: one frame now and then
            board.operator.receive(board.next_frame())
    assert refused > 500
    windows = [Window(T0_MS, T0_MS + 10**6, taken)]
    while board.tick(T0_MS + 10**6) is Status.FULL:
        board.operator.receive(board.next_frame())
    board.drain()
    compare_epoch(board, software_device(), windows)


def test_a_full_buffer_delays_the_end_of_a_window_not_its_time() -> None:
    board = started()
    taken = []
    n = 0
    while board.sample([n], T0_MS + n) is Status.OK:
        taken.append(([n], T0_MS + n))
        n += 1
    assert board.tick(T0_MS + WINDOW_MS) is Status.FULL
    assert board.sample([1], T0_MS + WINDOW_MS) is Status.FULL
    assert board.missed(T0_MS + WINDOW_MS + 1) is Status.FULL
    while board.command(frame(ASK_REPEAT), T0_MS + WINDOW_MS) is Status.OK:
        pass
    while (status := board.command(frame(ASK_STATUS), T0_MS + WINDOW_MS)) is Status.OK:
        pass
    assert status is Status.FULL
    late_ms = T0_MS + WINDOW_MS + 3000
    while (status := board.tick(late_ms)) is Status.FULL:
        board.operator.receive(board.next_frame())
    assert status is Status.OK
    board.drain()
    assert board.operator.arrived[-1].end_ms == T0_MS + WINDOW_MS
    assert board.operator.windows[0, 0].records(2).tolist() == [
        [value[0], 1 if time_ms > T0_MS else 0] for value, time_ms in taken
    ]


def test_a_window_stays_open_until_the_last_checkpoint_left() -> None:
    """The journal forgets a checkpoint with the next one: by then it has been handed over."""
    board = started()
    assert board.close(T0_MS + 1) is Status.OK
    assert board.close(T0_MS + 2) is Status.FULL
    assert board.command(frame(ASK_STATUS)) is Status.OK  # stands behind the checkpoints
    kinds = []
    while (status := board.tick(T0_MS + 2)) is Status.FULL:
        kinds.append(board.operator.receive(board.next_frame()))
    assert (status, kinds[-1]) == (Status.OK, CHECKPOINT)
    board.drain()
    assert [c.end_ms - T0_MS for c in board.operator.arrived] == [0, 1, 2]


# ---- what refuses to run ----


@pytest.mark.parametrize("source", [Random.DEAD, Random.CONSTANT, Random.STUCK])
def test_bad_randomness_refuses_to_run(source: Random) -> None:
    board = Board(ONE)
    board.random(source)
    assert board.boot() is Status.NO_RANDOMNESS
    assert board.sample([1], T0_MS) is Status.BAD_ARGUMENT
    assert not any(board.memory())


@pytest.mark.parametrize("source", [Random.DEAD, Random.CONSTANT, Random.STUCK])
def test_randomness_that_dies_stops_the_next_window(source: Random) -> None:
    board = started()
    assert board.sample([1], T0_MS) is Status.OK
    board.random(source)
    assert board.sample([2], T0_MS + 1) is Status.OK  # the window's stream is open
    assert board.tick(T0_MS + WINDOW_MS) is Status.OK
    board.drain()
    status = board.sample([3], T0_MS + WINDOW_MS)
    if source is not Random.DEAD and status is Status.OK:  # its first draw is new all the same
        assert board.tick(T0_MS + 2 * WINDOW_MS) is Status.OK
        board.drain()
        status = board.sample([4], T0_MS + 2 * WINDOW_MS)
    assert status is Status.NO_RANDOMNESS
    assert board.tick(T0_MS + 9 * WINDOW_MS) is Status.NO_RANDOMNESS
    board.drain()
    count = len(board.operator.arrived)
    board.random(Random.SYSTEM)
    while board.tick(T0_MS + 9 * WINDOW_MS) is Status.FULL:
        board.drain()
    board.drain()
    assert len(board.operator.arrived) > count


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channels", 0),
        ("channels", 8),
        ("window_ms", 0),
        ("bits", [0]),
        ("bits", [25]),
        ("operator_key", bytes(32)),
        ("operator_key", b"\1" + bytes(31)),
    ],
)
def test_unfit_configuration_refuses_to_run(field: str, value: object) -> None:
    board = Board(ONE)
    setattr(board.config, field, list(value) if isinstance(value, bytes) else value)
    assert board.boot() is Status.BAD_ARGUMENT
    assert board.close(T0_MS) is Status.BAD_ARGUMENT


def test_times_outside_the_range_refuse_to_run() -> None:
    assert Board(ONE).boot(MAX_TIME_MS + 1) is Status.BAD_ARGUMENT
    assert Board(ONE).boot(MAX_TIME_MS) is Status.OK


def test_a_wiped_device_holds_nothing_and_does_nothing() -> None:
    board = started()
    assert board.sample([1], T0_MS) is Status.OK
    board.library.zkm_wipe(board.device)
    assert not any(board.memory())
    for status in (
        board.sample([1], T0_MS),
        board.missed(T0_MS),
        board.tick(T0_MS),
        board.close(T0_MS),
        board.flags(1),
        board.command(frame(ASK_STATUS)),
    ):
        assert status is Status.BAD_ARGUMENT


def test_next_frame_needs_room_for_the_longest() -> None:
    board = started()
    length = board.ffi.new("size_t *", 7)
    out = board.ffi.new("uint8_t[]", FRAME_BYTES)
    call = board.library.zkm_next_frame
    assert Status(call(board.device, out, FRAME_BYTES - 1, length)) is Status.BAD_ARGUMENT
    assert length[0] == 0
    assert Status(call(board.device, out, FRAME_BYTES, length)) is Status.OK


def test_the_device_fits_its_memory_budget() -> None:
    board = Board(ONE)
    assert board.library.zkm_host_device_size() <= 3072


def test_another_operator_cannot_read() -> None:
    board = started()
    board.operator.key = PrivateKey(bytes(32))
    assert board.command(frame(ASK_REPEAT)) is Status.OK
    board.drain()
    assert board.sample([1], T0_MS) is Status.OK
    assert board.tick(T0_MS + WINDOW_MS) is Status.OK
    assert board.operator.receive(board.next_frame()) == WINDOW
    with pytest.raises(CryptoError):
        board.operator.receive(board.next_frame())
