"""The firmware's log is the Python device's, byte for byte; time, flags and limits."""

from __future__ import annotations

import random

import pytest

from circuits.checkpoint import MAX_TIME_MS, decode_checkpoint
from circuits.checkpoint import Status as Flags
from circuits.schema import Schema
from tests.firmware.board import (
    T0_MS,
    WINDOW_MS,
    Board,
    Random,
    Status,
)
from tests.firmware.line import CHECKPOINT, DATA, WINDOW, open_frame
from tests.firmware.twin import ONE, Window, compare_epoch, feed, schema, software_device, started

SCHEMAS = {
    "width 1": schema(24, period_ms=100),
    "width 2": schema(12),
    "width 4": schema(1, 18, 7),
    "width 4, filled": schema(5, 12, 17, period_ms=20),
    "width 8": schema(24, 2, 12, 9, 16),
    "width 8, full": schema(1, 2, 3, 12, 23, 24, 18),
}


def random_windows(
    form: Schema, start_ms: int, counts: list[int], dice: random.Random
) -> list[Window]:
    """Windows with that many records, some of them shorter than they may be."""
    windows = []
    for count in counts:
        length = WINDOW_MS if dice.random() < 0.7 else dice.randrange(1, WINDOW_MS)
        times = sorted(dice.randrange(start_ms, start_ms + length) for _ in range(count))
        samples = [
            ([dice.randrange(channel.maximum_raw + 1) for channel in form.channels], time_ms)
            for time_ms in times
        ]
        windows.append(Window(start_ms, start_ms + length, samples))
        start_ms += length
    return windows


@pytest.mark.parametrize("name", SCHEMAS)
def test_log_is_the_python_devices(name: str) -> None:
    form = SCHEMAS[name]
    dice = random.Random(name)
    board = Board(form)
    device = software_device()
    start_ms = T0_MS
    for epoch, counts in enumerate([[0, 1, 8], [7, 0, 0, 161, 20], [0], [900, 16, 3]]):
        assert board.boot(start_ms) is Status.OK
        board.drain()
        assert board.operator.sessions[-1] == epoch
        windows = random_windows(form, start_ms, counts, dice)
        feed(board, windows)
        compare_epoch(board, device, windows)
        start_ms = windows[-1].end_ms + dice.randrange(2) * 12_345


def test_poseidon_blocks_that_salts_and_limits_make() -> None:
    """Largest codes of 24 bits, every block full of them."""
    form = schema(24, period_ms=1)
    board = started(form)
    windows = [Window(T0_MS, T0_MS + WINDOW_MS, [([2**24 - 2], T0_MS + n) for n in range(64)])]
    feed(board, windows)
    compare_epoch(board, software_device(), windows)


def test_random_source_never_matters_to_the_log() -> None:
    logs = []
    for source in (Random.SYSTEM, Random.SYSTEM, Random.SEEDED):
        board = Board(ONE)
        board.random(source)
        assert board.boot() is Status.OK
        feed(board, [Window(T0_MS, T0_MS + WINDOW_MS, [([5], T0_MS + 9)])])
        logs.append((board.operator.checkpoints, board.operator.windows[0, 0].salt))
    assert logs[0] == logs[1] == logs[2]


# ---- flags ----


def test_saturated_readings_are_the_largest_and_flagged() -> None:
    form = schema(1, 12, 24)
    for value, flags in (([0, 4094, 2**24 - 2], Flags.NONE), ([1, 0, 0], Flags.SATURATED)):
        board = started(form)
        assert board.sample(value, T0_MS) is Status.OK
        assert board.tick(T0_MS + WINDOW_MS) is Status.OK
        board.drain()
        assert board.operator.arrived[-1].flags == flags
    board = started(form)
    assert board.sample([2**32 - 1, 4095, 2**31], T0_MS + 7) is Status.OK
    window = Window(T0_MS, T0_MS + WINDOW_MS)
    feed(board, [window])
    recorded = board.operator.windows[0, 0].records(4)
    assert recorded.tolist() == [[0, 4094, 2**24 - 2, 0]]
    assert board.operator.arrived[-1].flags == Flags.SATURATED


def test_missed_samples_have_the_reserved_code_where_terms_allow_it() -> None:
    form = schema(12, 24, period_ms=10, may_miss=True)
    board = started(form)
    assert board.sample([1, 2], T0_MS) is Status.OK
    assert board.missed(T0_MS + 10) is Status.OK
    windows = [Window(T0_MS, T0_MS + WINDOW_MS, [([1, 2], T0_MS), ([4095, 2**24 - 1], T0_MS + 10)])]
    feed(board, [Window(T0_MS, T0_MS + WINDOW_MS)])
    compare_epoch(board, software_device(), windows, Flags.MISSED)


def test_a_missed_sample_that_opens_a_window_flags_that_window_only() -> None:
    form = schema(12, period_ms=10, may_miss=True)
    board = started(form)
    assert board.sample([1], T0_MS) is Status.OK
    assert board.missed(T0_MS + WINDOW_MS) is Status.OK
    board.drain()
    assert board.operator.arrived[-1].flags == Flags.NONE
    windows = [
        Window(T0_MS, T0_MS + WINDOW_MS, [([1], T0_MS)]),
        Window(T0_MS + WINDOW_MS, T0_MS + 2 * WINDOW_MS, [([4095], T0_MS + WINDOW_MS)]),
    ]
    assert board.tick(T0_MS + 2 * WINDOW_MS) is Status.OK
    board.drain()
    compare_epoch(board, software_device(), windows, Flags.MISSED)


@pytest.mark.parametrize("form", [ONE, schema(12, period_ms=10)], ids=["dt", "period"])
def test_missed_samples_leave_no_record_elsewhere(form: Schema) -> None:
    board = started(form)
    assert board.missed(T0_MS) is Status.OK
    assert board.tick(T0_MS + WINDOW_MS) is Status.OK
    board.drain()
    last = board.operator.arrived[-1]
    assert (last.records_in_epoch, last.flags) == (0, Flags.MISSED)


def test_time_steps_stop_at_24_bits() -> None:
    largest = 2**24 - 1
    for step, flags in ((largest, Flags.NONE), (largest + 1, Flags.DT_OVERFLOW)):
        board = started(window_ms=2**26)
        assert board.sample([1], T0_MS + 100) is Status.OK
        assert board.sample([2], T0_MS + 100 + step) is Status.OK
        assert board.sample([3], T0_MS + 100 + step + 5) is Status.OK
        assert board.tick(T0_MS + 2**26) is Status.OK
        board.drain()
        recorded = board.operator.windows[0, 0].records(2)
        assert recorded.tolist() == [[1, 0], [2, largest], [3, 5]]
        assert board.operator.arrived[-1].flags == flags


def test_application_flags_stay_for_the_epoch_and_no_longer() -> None:
    board = started()
    assert board.flags(Flags.CLOCK_SET) is Status.BAD_ARGUMENT
    assert board.flags(Flags.TAMPER | Flags.BROWN_OUT) is Status.OK
    for n in (1, 2):
        assert board.tick(T0_MS + n * WINDOW_MS) is Status.OK
        board.drain()
        assert board.operator.arrived[-1].flags == Flags.TAMPER | Flags.BROWN_OUT
    assert board.boot(T0_MS + 2 * WINDOW_MS) is Status.OK
    board.drain()
    assert board.tick(T0_MS + 3 * WINDOW_MS) is Status.OK
    board.drain()
    assert board.operator.arrived[-1].epoch == 1
    assert board.operator.arrived[-1].flags == Flags.NONE


# ---- time and windows ----


def test_time_never_goes_backwards() -> None:
    board = started()
    assert board.sample([1], T0_MS - 1) is Status.TIME
    assert board.sample([1], T0_MS + 50) is Status.OK
    assert board.sample([2], T0_MS + 49) is Status.TIME
    assert board.missed(T0_MS + 49) is Status.TIME
    assert board.tick(T0_MS + 49) is Status.TIME
    assert board.close(T0_MS + 49) is Status.TIME
    assert board.sample([2], T0_MS + 50) is Status.OK
    assert board.sample([3], MAX_TIME_MS + 1) is Status.TIME
    assert board.sample([3], 2**64 - 1) is Status.TIME
    assert board.tick(T0_MS + WINDOW_MS) is Status.OK
    assert board.sample([3], T0_MS + WINDOW_MS - 1) is Status.TIME
    board.drain()
    assert board.operator.windows[0, 0].records(2).tolist() == [[1, 0], [2, 0]]


def test_tick_may_run_ahead_of_samples() -> None:
    """A sample is stamped where it is taken, and may be handed over after a tick."""
    board = started()
    assert board.tick(T0_MS + 500) is Status.OK
    assert board.sample([1], T0_MS + 400) is Status.OK


def test_a_late_tick_closes_every_window_that_ended() -> None:
    board = started()
    now_ms = T0_MS + 5 * WINDOW_MS + 1
    statuses: list[Status] = []
    while not statuses or statuses[-1] is Status.FULL:
        statuses.append(board.tick(now_ms))
        board.drain()
    assert statuses[-1] is Status.OK
    ends = [c.end_ms - T0_MS for c in board.operator.arrived if c.index]
    assert ends == [n * WINDOW_MS for n in range(1, 6)]
    assert all(window.salt for window in board.operator.windows.values())


def test_a_sample_after_a_gap_lands_in_its_own_window() -> None:
    board = started()
    assert board.sample([1], T0_MS) is Status.OK
    while board.sample([2], T0_MS + 3 * WINDOW_MS + 5) is Status.FULL:
        board.drain()
    windows = [Window(T0_MS, T0_MS + WINDOW_MS, [([1], T0_MS)])]
    windows += [Window(T0_MS + n * WINDOW_MS, T0_MS + (n + 1) * WINDOW_MS) for n in (1, 2)]
    windows.append(
        Window(T0_MS + 3 * WINDOW_MS, T0_MS + 4 * WINDOW_MS, [([2], T0_MS + 3 * WINDOW_MS + 5)])
    )
    board.drain()
    assert board.tick(T0_MS + 4 * WINDOW_MS) is Status.OK
    board.drain()
    compare_epoch(board, software_device(), windows)


def test_closing_twice_at_one_time_makes_one_window() -> None:
    board = started()
    assert board.close(T0_MS) is Status.OK
    assert board.drain() == []
    assert board.close(T0_MS + 10) is Status.OK
    board.drain()
    assert board.close(T0_MS + 10) is Status.OK
    assert board.drain() == []
    assert [c.end_ms for c in board.operator.arrived] == [T0_MS, T0_MS + 10]


def test_opening_is_released_with_the_first_window_only() -> None:
    board = started()
    kinds = []
    for n in range(400):
        assert board.sample([n], T0_MS + n) is Status.OK
        kinds += board.drain()
    assert kinds == [WINDOW] + [DATA] * (399 // 80)
    assert board.tick(T0_MS + WINDOW_MS) is Status.OK
    assert board.drain() == [DATA, CHECKPOINT, CHECKPOINT]
    assert board.tick(T0_MS + 2 * WINDOW_MS) is Status.OK
    assert board.drain() == [WINDOW, DATA, CHECKPOINT]


@pytest.mark.long
def test_a_window_is_closed_before_its_rows_pass_the_largest_trace() -> None:
    board = started(schema(1, 1, 1, 1, 1, period_ms=1), window_ms=2**31)
    rows = 2**20 - 512
    for n in range(rows):
        assert board.sample([0] * 5, T0_MS + n) is Status.OK
        if n % 16 == 0 or n > rows - 4:
            while sent := board.next_frame():
                if len(sent) < 300:  # not data: nobody reads all of it here
                    kind, body = open_frame(sent)
                    if kind == CHECKPOINT:
                        board.operator.arrived.append(decode_checkpoint(body[:-64]))
    first, last = board.operator.arrived
    assert (first.index, last.index) == (0, 1)
    assert last.records_in_window == rows - 1  # 2^20 - 513 data rows and the closing one
    assert last.end_ms == T0_MS + rows - 1
