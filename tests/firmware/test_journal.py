"""The journal: its layout, how often it erases, what it does about damage and failing flash."""

from __future__ import annotations

import random
import struct
from itertools import pairwise
from pathlib import Path

import pytest

from tests.firmware.board import T0_MS, WINDOW_MS, Board, Status
from tests.firmware.journal import (
    CLOSING_SLOT,
    HEADER_BYTES,
    OPENING_SLOT,
    Slot,
    again,
    check_history,
    is_whole,
    life,
    lived,
    newest,
    page_header,
    page_of,
    put,
    renumbered,
    resumed,
    whole_slots,
    words,
)
from tests.firmware.line import ASK_REPEAT, CHECKPOINT, SESSION, frame
from tests.firmware.twin import ONE

LATER_MS = T0_MS + 900 * WINDOW_MS


def current(board: Board) -> tuple[int, Slot]:
    """Page and slot that count, of a board that has settled a window."""
    found = newest(board)
    assert found is not None
    return found


def flip(board: Board, page: int, at: int, bit: int) -> None:
    """One bit gone bad."""
    board.flash[page * board.page_bytes + at] = bytes([page_of(board, page)[at] ^ 1 << bit])


# ---- layout ----


def test_layout() -> None:
    board, _ = lived(3, 2, 1024)  # an opening and a closing slot; the third goes to the next page
    slots = [whole_slots(board, 0), whole_slots(board, 1)]
    assert [[len(slot.content) for slot in page] for page in slots] == [
        [OPENING_SLOT, CLOSING_SLOT],
        [CLOSING_SLOT],
    ]
    assert [slot.sequence for page in slots for slot in page] == [2, 3, 5]
    for index, slot in enumerate([*slots[0], *slots[1]], 1):
        last = board.operator.checkpoints[0, index]
        expected = [board.operator.checkpoints[0, 0], last] if index == 1 else [last]
        assert slot.position == (0, index)
        assert slot.end_ms == T0_MS + index * WINDOW_MS
        assert slot.content[28:60] == last[108:140]
        body = bytes([len(expected)])
        body += b"".join(struct.pack("<H", len(entry)) + entry for entry in expected)
        assert slot.content[60:-32] == body
    for page, (first, length) in enumerate([(2, OPENING_SLOT), (5, CLOSING_SLOT)]):
        content = page_of(board, page)
        assert content[:HEADER_BYTES] == page_header(2, 1024, first, length)
        assert slots[page][0].at == HEADER_BYTES
        for before, after in pairwise(slots[page]):
            assert after.at == before.at + words(len(before.content))
        used = set(range(HEADER_BYTES))
        for slot in slots[page]:
            used |= set(range(slot.at, slot.at + len(slot.content)))
        assert {content[at] for at in range(1024) if at not in used} == {0xFF}


@pytest.mark.parametrize(("pages", "page_bytes"), [(2, 1024), (3, 1024), (5, 1040), (4, 4096)])
def test_a_page_is_erased_once_per_round(pages: int, page_bytes: int) -> None:
    """So the life time in docs/firmware.md holds: slots per page times pages times cycles."""
    board = Board(ONE, pages=pages, page_bytes=page_bytes)
    assert board.boot() is Status.OK
    board.drain()
    per_page = (page_bytes - HEADER_BYTES) // words(CLOSING_SLOT)
    changes = []
    for window in range(1, pages * per_page * 3):
        board.cut_after(2**32)
        assert board.tick(T0_MS + window * WINDOW_MS) is Status.OK
        board.drain()
        length = words(OPENING_SLOT if window == 1 else CLOSING_SLOT)
        if board.worked != length:
            assert board.worked == page_bytes + HEADER_BYTES + length
            changes.append(window)
    steps = [after - before for before, after in pairwise(changes)]
    assert steps[0] == per_page - 1  # the opening slot takes the room of two
    assert set(steps[1:]) == {per_page}
    assert current(board)[1].position == (0, pages * per_page * 3 - 1)


@pytest.mark.parametrize(
    ("pages", "page_bytes"),
    [(0, 1024), (1, 1024), (65, 1024), (2**32 - 1, 1024), (2, 0), (2, 1008), (2, 1032), (2, 65552)],
)
def test_pages_that_will_not_do(pages: int, page_bytes: int) -> None:
    board = Board(ONE)
    host = board.library.zkm_host_with(min(pages, 100), page_bytes)
    gone = board.ffi.gc(host, board.library.zkm_host_free)
    booted = board.library.zkm_host_boot(gone, board.config, bytes(32), bytes(32), T0_MS)
    assert Status(booted) is Status.BAD_ARGUMENT


@pytest.mark.parametrize(("pages", "page_bytes"), [(2, 1024), (64, 1024), (2, 65536), (3, 2064)])
def test_pages_that_will_do(pages: int, page_bytes: int) -> None:
    board, now_ms = lived(12, pages, page_bytes)
    assert board.boot(now_ms) is Status.OK
    assert resumed(board) == (0, 12)


def test_pages_of_another_geometry_refuse_to_run() -> None:
    """A smaller ring might not see the newest page."""
    old, _ = lived(14, 4, 4096)
    for pages, page_bytes in ((3, 4096), (8, 2048), (16, 1024), (2, 8192)):
        board = Board(ONE, pages=pages, page_bytes=page_bytes)
        size = pages * page_bytes
        board.flash[:] = bytes(old.flash)[:size]
        assert board.boot(LATER_MS) is Status.FLASH


def test_no_epoch_is_left_after_the_last() -> None:
    board, now_ms = lived(1, 2, 1024)
    slot = current(board)[1]
    put(board, 0, slot.at, slot.changed(epoch=2**32 - 2).content)
    assert board.boot(now_ms) is Status.OK
    assert board.operator.receive(board.next_frame()) == SESSION
    assert board.operator.sessions[-1] == 2**32 - 1
    put(board, 0, slot.at, slot.changed(epoch=2**32 - 1).content)
    assert board.boot(now_ms) is Status.WORN


# ---- damage ----

# pages, their size, and lives of so many windows after which the newest slot is a page's first,
# second or last one, with or without an opening checkpoint
NEWEST = [
    (2, 1024, [1]),
    (2, 1024, [2]),
    (2, 1024, [6]),
    (2, 1024, [5, 1]),
    (2, 1024, [6, 1]),
    (3, 1024, [8]),
    (4, 4096, [20]),
]


def lives(pages: int, page_bytes: int, windows: list[int]) -> Board:
    """A board after lives of so many windows each."""
    board = Board(ONE, pages=pages, page_bytes=page_bytes)
    now_ms = T0_MS
    for count in windows:
        now_ms = life(board, now_ms, count)
    return board


@pytest.mark.parametrize(("pages", "page_bytes", "windows"), NEWEST)
def test_damage_to_the_newest_slot_refuses_to_run(
    pages: int, page_bytes: int, windows: list[int]
) -> None:
    """Going on from the slot before would sign its successor a second time.

    But for the hash's end in the last word, which does not count.
    """
    board = lives(pages, page_bytes, windows)
    page, slot = current(board)
    for at in range(slot.at, slot.at + len(slot.content)):
        flip(board, page, at, at % 8)
        status = board.boot(LATER_MS)
        if at < slot.last_word:
            assert status is Status.FLASH, at
        else:
            assert status is Status.OK, at
            assert resumed(board) == slot.position
        flip(board, page, at, at % 8)


@pytest.mark.parametrize(("pages", "page_bytes", "windows"), NEWEST)
def test_damage_elsewhere_is_no_reason_to_refuse(
    pages: int, page_bytes: int, windows: list[int]
) -> None:
    """Headers, older slots, erased flash: the newest slot stays the newest."""
    board = lives(pages, page_bytes, windows)
    page, slot = current(board)
    spared = range(page * page_bytes + slot.at, page * page_bytes + slot.at + len(slot.content))
    dice = random.Random(pages)
    places = [page * page_bytes + at for page in range(pages) for at in range(HEADER_BYTES)]
    places += dice.sample(range(pages * page_bytes), 300)
    for place in places:
        if place in spared:
            continue
        flip(board, place // page_bytes, place % page_bytes, place % 8)
        assert board.boot(LATER_MS) is Status.OK, place
        assert resumed(board) == slot.position
        flip(board, place // page_bytes, place % page_bytes, place % 8)


def test_a_page_without_a_header_counts_by_its_slots() -> None:
    for windows in range(1, 9):
        board, now_ms = lived(windows, 3, 1024)
        for page in range(3):
            if page_of(board, page)[:1] != b"\xff":
                flip(board, page, 5, 2)
        assert board.boot(now_ms) is Status.OK
        assert resumed(board) == (0, windows)
        assert board.tick(now_ms + WINDOW_MS) is Status.OK
        board.drain()
        check_history(board)


def test_what_is_behind_a_stray_bit_is_not_used() -> None:
    board, now_ms = lived(1, 2, 4096)
    page, slot = current(board)
    flip(board, page, slot.end + 1000, 3)
    assert board.boot(now_ms) is Status.OK
    assert resumed(board) == slot.position
    assert board.tick(now_ms + WINDOW_MS) is Status.OK
    assert current(board)[0] == 1 - page


def test_a_lost_predecessor_refuses_to_run() -> None:
    """A page was begun and its first slot not finished: the one before has to be there."""
    board, now_ms = lived(5, 2, 1024)
    page, slot = current(board)
    board.cut_after(1024 + HEADER_BYTES + 100)
    life(board, now_ms, 1)
    assert whole_slots(board, 1 - page) == []
    kept = bytes(board.flash)
    assert board.boot(LATER_MS) is Status.OK
    assert resumed(board) == slot.position
    board.flash[:] = kept
    put(board, page, slot.at, b"\xff" * (slot.end - slot.at))
    assert board.boot(LATER_MS) is Status.FLASH
    board.flash[:] = kept
    put(board, page, 0, b"\xff" * 1024)
    assert board.boot(LATER_MS) is Status.FLASH


@pytest.mark.parametrize(
    "content",
    [
        bytes(2048),
        b"\xff" * 1024 + bytes(1024),
        b"\xff" * 20 + b"\0" + b"\xff" * 2027,
        b"\xff" * 1500 + b"\0" + b"\xff" * 547,
        b"ZKMj\x01\x00" + bytes(500) + b"\xff" * 1542,
        random.Random(1).randbytes(2048),
    ],
    ids=["zeros", "a page of zeros", "a stray byte", "another", "slots without pages", "noise"],
)
def test_foreign_flash_refuses_to_run(content: bytes) -> None:
    board = Board(ONE)
    board.flash[:] = content
    assert board.boot() is Status.FLASH


def test_pages_that_do_not_belong_together_refuse_to_run() -> None:
    board, _ = lived(3, 2, 1024)
    kept = bytes(board.flash)
    for difference in (-3, 100, 2**31, -50):
        other, _ = lived(3, 2, 1024)
        renumbered(other, difference)
        board.flash[:] = kept
        put(board, 1, 0, page_of(other, 1))
        assert board.boot(LATER_MS) is Status.FLASH, difference


# ---- failing flash ----


def test_flash_that_fails_keeps_the_window_until_it_works() -> None:
    board = Board(ONE)
    assert board.boot() is Status.OK
    board.drain()
    assert board.sample([1], T0_MS) is Status.OK
    board.library.zkm_host_break_flash(board.host, True)
    for late in (0, 1, WINDOW_MS):
        assert board.tick(T0_MS + WINDOW_MS + late) is Status.FLASH
        assert CHECKPOINT not in board.drain()
    assert board.sample([2], T0_MS + 2 * WINDOW_MS) is Status.FLASH
    board.library.zkm_host_break_flash(board.host, False)
    assert board.tick(T0_MS + WINDOW_MS) is Status.OK
    assert board.drain() == [CHECKPOINT, CHECKPOINT]
    assert board.operator.arrived[-1].end_ms == T0_MS + WINDOW_MS
    assert board.operator.windows[0, 0].records(2).tolist() == [[1, 0]]


def test_a_bad_place_moves_the_journal_on() -> None:
    """Bits that do not become ones again behind the last slot: the next page takes the slot."""
    board = Board(ONE, pages=3)
    assert board.boot() is Status.OK
    board.drain()
    assert board.tick(T0_MS + WINDOW_MS) is Status.OK
    board.drain()
    put(board, 0, HEADER_BYTES + words(OPENING_SLOT) + 40, bytes(3))
    assert board.tick(T0_MS + 2 * WINDOW_MS) is Status.OK
    assert board.drain()[-1] == CHECKPOINT
    page, slot = current(board)
    assert (page, slot.position) == (1, (0, 2))
    assert board.boot(T0_MS + 3 * WINDOW_MS) is Status.OK
    assert resumed(board) == (0, 2)


def test_a_page_that_was_left_is_not_used_again() -> None:
    """A write failed without a trace, and power went in the next page: its number is spoken for."""
    board, now_ms = lived(1, 2, 4096)
    board.library.zkm_host_break_flash(board.host, True)
    assert board.tick(now_ms + WINDOW_MS) is Status.FLASH
    board.library.zkm_host_break_flash(board.host, False)
    board.cut_after(4096 + HEADER_BYTES + 100)
    assert board.tick(now_ms + WINDOW_MS) is Status.FLASH
    for index in range(1, 5):
        now_ms += 2 * WINDOW_MS
        assert board.boot(now_ms) is Status.OK
        assert resumed(board) == (index - 1, 1)
        assert board.tick(now_ms + WINDOW_MS) is Status.OK
        board.drain()
        assert current(board)[0] == 1
    check_history(board)


def test_flash_that_cannot_be_read_refuses_to_run() -> None:
    board = Board(ONE)
    board.library.zkm_host_break_flash(board.host, True)
    assert board.boot() is Status.FLASH


def test_repeat_says_when_the_journal_is_not_what_it_was() -> None:
    board, now_ms = lived(3, 2, 1024)
    page, slot = current(board)
    kept = again(board)
    assert board.command(frame(ASK_REPEAT), now_ms) is Status.OK
    assert board.drain() == [SESSION, CHECKPOINT]
    flip(board, page, slot.at + 100, 3)
    assert not is_whole(page_of(board, page), Slot(slot.at, page_of(board, page)[slot.at :][:299]))
    assert board.command(frame(ASK_REPEAT), now_ms) is Status.FLASH
    assert board.drain() == []
    older = whole_slots(kept, 0)[1].changed(sequence=slot.sequence - 1)
    put(board, page, slot.at, older.content)  # whole, but not the one that was written there
    assert board.command(frame(ASK_REPEAT), now_ms) is Status.FLASH


def test_flash_in_a_file_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "flash"
    first = Board(ONE, pages=3, page_bytes=2048, path=path)
    end_ms = life(first, T0_MS, 2)
    assert path.read_bytes() == bytes(first.flash)
    second = Board(ONE, pages=3, page_bytes=2048, path=path)
    assert second.boot(end_ms) is Status.OK
    assert second.drain() == [SESSION, CHECKPOINT]
    assert second.operator.checkpoints[0, 2] == first.operator.checkpoints[0, 2]
    for size in (5, 3 * 2048 + 1):
        path.write_bytes(bytes(size))
        with pytest.raises(OSError, match="no flash"):
            Board(ONE, pages=3, page_bytes=2048, path=path)
