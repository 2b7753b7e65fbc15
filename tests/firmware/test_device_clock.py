"""The clock command: who may give it, how often, and which steps the device takes."""

from __future__ import annotations

from itertools import pairwise

import pytest

from circuits.checkpoint import MAX_TIME_MS
from circuits.checkpoint import Status as Flags
from tests.firmware.board import T0_MS, WINDOW_MS, Board, Status
from tests.firmware.line import ASK_CLOCK, ASK_REPEAT, ASK_STATUS, HAS_RECORDS, frame
from tests.firmware.twin import Window, compare_epoch, software_device, started
from verifier.claim.checks import require_sequence

FREE_MS = 2000  # ZKM_CLOCK_FREE_MS
KNOWN_MS = 1_577_836_800_000  # 2020-01-01, ZKM_CLOCK_MIN_MS
END_OF_TIME_MS = 4_102_444_800_000  # 2100-01-01, ZKM_CLOCK_MAX_MS


def clock(board: Board, time_ms: int, count: int = 0) -> bytes:
    """The clock command that the operator gives in this session."""
    return board.operator.clock(time_ms, count)


def status(board: Board, now_ms: int = T0_MS) -> tuple[int, ...]:
    """What the device answers to a status request."""
    assert board.command(frame(ASK_STATUS), now_ms) is Status.OK
    board.drain()
    return board.operator.statuses[-1]


# ---- who may set it ----


def test_only_the_operator_sets_the_clock() -> None:
    board = started()
    right = board.operator.clock_body(T0_MS + 5, 0)
    before = board.memory()
    for at in range(len(right)):  # time, count, every byte of the tag
        wrong = bytearray(right)
        wrong[at] ^= 0x10
        assert board.command(frame(ASK_CLOCK, bytes(wrong))) is Status.BAD_FRAME
    for other in (right[:8], right[:12], right[:-1], right + b"\0", bytes(28)):
        assert board.command(frame(ASK_CLOCK, other)) is Status.BAD_FRAME
    assert board.memory() == before
    assert board.command(frame(ASK_CLOCK, right)) is Status.OK
    assert status(board)[0] == T0_MS + 5


def test_a_clock_command_is_obeyed_once() -> None:
    board = started()
    first, second = (clock(board, T0_MS + 10 * n, n) for n in range(2))
    assert board.command(second) is Status.BAD_FRAME  # not its turn
    for n, command in enumerate((first, second)):
        assert status(board)[-1] == n
        assert board.command(command) is Status.OK
    before = board.memory()
    for old in (first, second):
        assert board.command(old) is Status.BAD_FRAME
    assert board.memory() == before
    assert board.command(frame(ASK_REPEAT)) is Status.OK  # the same session goes on
    board.drain()
    assert status(board)[-1] == 2


def test_a_refused_step_does_not_count() -> None:
    board = started()
    assert board.command(clock(board, END_OF_TIME_MS)) is Status.TIME
    assert status(board)[-1] == 0
    assert board.command(clock(board, T0_MS + 1)) is Status.OK


def test_a_command_of_another_session_is_refused() -> None:
    board = started()
    command = clock(board, T0_MS + 7)
    assert board.boot() is Status.OK
    assert board.command(command) is Status.BAD_FRAME
    board.drain()
    assert board.command(clock(board, T0_MS + 7)) is Status.OK


def test_the_status_says_whether_there_are_records() -> None:
    board = started()
    assert status(board)[1] == 0
    assert board.tick(T0_MS + WINDOW_MS) is Status.OK
    board.drain()
    assert status(board, T0_MS + WINDOW_MS)[1] == 0
    assert board.sample([1], T0_MS + WINDOW_MS) is Status.OK
    assert status(board, T0_MS + WINDOW_MS)[1] == HAS_RECORDS
    assert board.close(T0_MS + WINDOW_MS + 1) is Status.OK
    assert status(board, T0_MS + WINDOW_MS + 1)[1] == HAS_RECORDS


# ---- which steps it takes ----


@pytest.mark.parametrize("records", [False, True])
def test_no_clock_command_reaches_the_year_2100(records: bool) -> None:
    board = started(now_ms=END_OF_TIME_MS - 1000)
    if records:
        assert board.sample([1], END_OF_TIME_MS - 1000) is Status.OK
    for late in (END_OF_TIME_MS, MAX_TIME_MS, MAX_TIME_MS + 1, 2**64 - 1):
        assert board.command(clock(board, late), END_OF_TIME_MS - 1000) is Status.TIME
    last = clock(board, END_OF_TIME_MS - 1)
    assert board.command(last, END_OF_TIME_MS - 1000) is Status.OK


def test_clock_before_the_first_record_starts_the_epoch_again() -> None:
    for wanted, flags in (
        (T0_MS + FREE_MS, Flags.NONE),
        (T0_MS + FREE_MS + 1, Flags.CLOCK_SET),
        (T0_MS - FREE_MS, Flags.NONE),
        (T0_MS - FREE_MS - 1, Flags.CLOCK_SET),
        (T0_MS + 10**10, Flags.CLOCK_SET),
        (5, Flags.CLOCK_SET),
    ):
        board = started()
        assert board.command(clock(board, wanted)) is Status.OK
        assert board.sample([1], T0_MS + 3) is Status.OK
        assert board.tick(T0_MS + WINDOW_MS) is Status.OK
        board.drain()
        windows = [Window(wanted, wanted + WINDOW_MS, [([1], wanted + 3)])]
        compare_epoch(board, software_device(), windows, flags, flags)


def test_clock_goes_forward_after_records_and_says_so() -> None:
    for step, flags in ((FREE_MS, Flags.NONE), (FREE_MS + 1, Flags.CLOCK_SET)):
        board = started()
        assert board.sample([1], T0_MS) is Status.OK
        assert board.command(clock(board, T0_MS + 10 + step), T0_MS + 10) is Status.OK
        assert board.sample([2], T0_MS + 11) is Status.OK
        assert board.tick(T0_MS + WINDOW_MS) is Status.OK
        board.drain()
        assert board.operator.windows[0, 0].records(2).tolist() == [[1, 0], [2, step + 11]]
        opening, last = board.operator.arrived
        assert (opening.flags, last.flags) == (Flags.NONE, flags)
        require_sequence(opening, last)


def test_clock_goes_back_only_where_nothing_was_recorded() -> None:
    board = started()
    assert board.sample([1], T0_MS) is Status.OK
    assert board.command(clock(board, T0_MS + 9), T0_MS + 10) is Status.TIME
    board = started()
    assert board.tick(T0_MS + WINDOW_MS) is Status.OK
    board.drain()
    now_ms = T0_MS + WINDOW_MS + 500
    assert board.command(clock(board, T0_MS + WINDOW_MS - 1), now_ms) is Status.TIME
    assert board.command(clock(board, T0_MS + WINDOW_MS), now_ms) is Status.OK
    assert board.sample([1], now_ms) is Status.OK
    assert board.command(frame(ASK_STATUS), now_ms) is Status.OK
    board.drain()
    assert board.operator.statuses[-1][0] == T0_MS + WINDOW_MS


def test_clock_refuses_steps_that_no_log_can_follow() -> None:
    board = started()
    assert board.command(clock(board, MAX_TIME_MS + 1)) is Status.TIME
    assert board.sample([1], T0_MS) is Status.OK
    day = 86_400_000
    assert board.command(clock(board, T0_MS + day + 1)) is Status.TIME
    assert board.command(clock(board, T0_MS + day)) is Status.OK


def test_clock_never_falls_behind_the_last_epoch() -> None:
    board = started()
    assert board.tick(T0_MS + WINDOW_MS) is Status.OK
    board.drain()
    assert board.boot(17) is Status.OK  # a board without a clock of its own
    board.drain()
    assert board.command(clock(board, T0_MS), 18) is Status.TIME
    assert board.close(17 + 50) is Status.OK
    board.drain()
    opening, last = board.operator.arrived[-2:]
    assert (opening.start_ms, last.end_ms) == (T0_MS + WINDOW_MS, T0_MS + WINDOW_MS + 50)
    assert opening.flags == last.flags == Flags.CLOCK_SET


# ---- what is the operator's word, and what the device's ----


@pytest.mark.parametrize(
    ("steps", "flags"),
    [
        ([1000, 1000], Flags.NONE),
        ([1999, -1], Flags.NONE),
        ([1000, 1000, 1], Flags.CLOCK_SET),
        ([1500, -1500], Flags.CLOCK_SET),  # right again, but nobody needs to believe that
        ([-1, -1999, 1], Flags.CLOCK_SET),
        ([10**10, -(10**10)], Flags.CLOCK_SET),
    ],
)
def test_steps_before_the_first_record_add_up(steps: list[int], flags: Flags) -> None:
    board = started()
    wanted = T0_MS
    for count, step in enumerate(steps):
        wanted += step
        assert board.command(clock(board, wanted, count)) is Status.OK
    assert status(board)[1] == flags
    assert board.close(T0_MS + 1) is Status.OK
    board.drain()
    opening, last = board.operator.arrived
    assert opening.start_ms == wanted
    assert opening.flags == last.flags == flags


def test_steps_add_up_over_windows_and_stay_flagged() -> None:
    board = started()
    flags = []
    for n in range(4):
        now_ms = T0_MS + n * WINDOW_MS
        assert board.sample([n], now_ms) is Status.OK
        wanted = now_ms + (n + 1) * 700
        assert board.command(clock(board, wanted, n), now_ms) is Status.OK
        assert board.tick(now_ms + WINDOW_MS) is Status.OK
        board.drain()
        flags.append(board.operator.arrived[-1].flags)
    assert flags == [Flags.NONE, Flags.NONE, Flags.CLOCK_SET, Flags.CLOCK_SET]
    for before, after in pairwise(board.operator.arrived):
        require_sequence(before, after)


def test_every_boot_begins_with_the_applications_clock() -> None:
    board = started()
    assert board.command(clock(board, T0_MS + 5000)) is Status.OK
    assert board.close(T0_MS + 1) is Status.OK
    board.drain()
    for n, step in enumerate((FREE_MS, FREE_MS + 1), start=1):
        start_ms = T0_MS + n * WINDOW_MS
        assert board.boot(start_ms) is Status.OK
        board.drain()
        assert board.command(clock(board, start_ms + step), start_ms) is Status.OK
        assert board.close(start_ms + 1) is Status.OK
        board.drain()
    flags = {c.epoch: c.flags for c in board.operator.arrived}
    assert flags == {0: Flags.CLOCK_SET, 1: Flags.NONE, 2: Flags.CLOCK_SET}


def test_no_clock_command_takes_the_doubt_away() -> None:
    """A board without a clock of its own has the time that the operator says."""
    board = started()
    assert board.tick(T0_MS + WINDOW_MS) is Status.OK
    board.drain()
    assert board.boot(17) is Status.OK
    board.drain()
    assert board.flags(Flags.TAMPER) is Status.OK
    assert board.command(clock(board, T0_MS + 2 * WINDOW_MS), 18) is Status.OK
    assert board.close(19) is Status.OK
    board.drain()
    opening, last = board.operator.arrived[-2:]
    assert opening.start_ms == T0_MS + 2 * WINDOW_MS
    assert opening.flags == last.flags == Flags.TAMPER | Flags.CLOCK_SET


@pytest.mark.parametrize("behind_ms", [1, 500, WINDOW_MS])
def test_a_clock_behind_the_journals_end_is_in_doubt(behind_ms: int) -> None:
    board = started()
    assert board.tick(T0_MS + WINDOW_MS) is Status.OK
    board.drain()
    assert board.boot(T0_MS + WINDOW_MS - behind_ms) is Status.OK
    board.drain()
    assert board.close(T0_MS + WINDOW_MS) is Status.OK
    board.drain()
    opening, last = board.operator.arrived[-2:]
    assert opening.start_ms == T0_MS + WINDOW_MS
    assert opening.flags == last.flags == Flags.CLOCK_SET


def test_a_new_device_that_does_not_know_the_year_is_in_doubt() -> None:
    for now_ms, flags in (
        (0, Flags.CLOCK_SET),
        (KNOWN_MS - 1, Flags.CLOCK_SET),
        (KNOWN_MS, Flags.NONE),
    ):
        board = started(now_ms=now_ms)
        assert board.sample([1], now_ms) is Status.OK
        assert board.tick(now_ms + WINDOW_MS) is Status.OK
        board.drain()
        windows = [Window(now_ms, now_ms + WINDOW_MS, [([1], now_ms)])]
        compare_epoch(board, software_device(), windows, flags, flags)
